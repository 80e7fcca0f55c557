"""Drawing on the ring: sheets, and arrows for the generators, shared by Cayley graphs and feature maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.patches import FancyArrowPatch, Rectangle
from matplotlib.path import Path

from course_lib.figures.layout import generators, ring_arrows, ring_extent, ring_positions
from course_lib.figures.picture import OKABE_ITO
from course_lib.groups import C1, Group

# Colour and dash differ, so that either alone tells the arrows apart.
ROTATION_STYLE = {"color": OKABE_ITO["vermilion"], "linestyle": "-"}
MIRROR_STYLE = {"color": OKABE_ITO["blue"], "linestyle": (0, (4, 2.5))}


def prepare_ring_axes(axes: Axes, group: Group) -> None:
    """Axes in sides of a sheet, x to the right and y up, just large enough for the ring."""
    width, height = ring_extent(group)
    axes.set_xlim(-width - 0.1, width + 0.1)
    axes.set_ylim(-height - 0.1, height + 0.1)
    axes.set_aspect("equal")
    axes.set_axis_off()


def draw_ring_arrows(axes: Axes, group: Group, head: float = 11) -> None:
    """Solid arrows h → rh; dashed lines with two heads between h and mh. ``head``: size of an arrow head in points."""
    for arrow in ring_arrows(group):
        mirror = bool(arrow.generator.m)
        axes.add_patch(
            FancyArrowPatch(
                path=Path(arrow.points),
                arrowstyle="<|-|>" if mirror else "-|>",
                mutation_scale=head,
                linewidth=0.16 * head,
                **(MIRROR_STYLE if mirror else ROTATION_STYLE),
            )
        )


def draw_sheets(
    axes: Axes,
    sheets: np.ndarray[Any, Any],
    group: Group,
    scale: Normalize,
    names: Sequence[str],
    frames: Sequence[str],
    symmetric: bool = False,
    subgroup: Group | None = None,
) -> None:
    """Draw the (|H|, Y, X) sheets on the ring, each with its name in a corner and a coloured frame."""
    height, width = np.array(sheets.shape[1:]) / max(sheets.shape[1:])
    for sheet, (x, y), name, colour in zip(sheets, ring_positions(group, subgroup), names, frames, strict=True):
        left, bottom = x - width / 2, y - height / 2
        extent = (left, left + width, bottom, bottom + height)
        cmap = "RdBu_r" if symmetric else "viridis"
        axes.imshow(sheet, cmap=cmap, norm=scale, extent=extent, interpolation="nearest", zorder=2)
        axes.add_patch(Rectangle((left, bottom), width, height, fill=False, edgecolor=colour, linewidth=2.5, zorder=3))
        if name:
            box = {"boxstyle": "square,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}
            place = (left + 0.05, bottom + height - 0.05)
            axes.text(*place, name, ha="left", va="top", fontsize=9, bbox=box, zorder=4)
    prepare_ring_axes(axes, group if len(sheets) > 1 else C1)


def arrow_words(group: Group) -> str:
    """What the arrows mean, for captions and alt text."""
    words = [
        f"{'dashed blue lines join h and' if g.m else 'solid red arrows go from h to'} {g}·h" for g in generators(group)
    ]
    return ", ".join(words) or "no arrows, as there is one sheet"
