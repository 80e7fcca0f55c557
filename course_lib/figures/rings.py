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
from course_lib.figures.picture import color_map
from course_lib.figures.style import LINES
from course_lib.groups import C1, Group

# Dashes and heads tell the arrows apart: colors belong to the elements.
ROTATION_STYLE = {"color": LINES, "linestyle": "-"}
MIRROR_STYLE = {"color": LINES, "linestyle": (0, (4, 2.5))}
# What the names outside of the sheets need on either side of the ring, in sides of a sheet.
NAME_ROOM = (0.05, 0.3)
GAP = 0.035  # between a sheet and its frame


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
    subgroup: Group | None = None,
) -> None:
    """Draw the (|H|, Y, X) sheets on the ring, each with its name beside it and a colored frame."""
    height, width = np.array(sheets.shape[1:]) / max(sheets.shape[1:])
    for sheet, (x, y), name, color in zip(sheets, ring_positions(group, subgroup), names, frames, strict=True):
        left, bottom = x - width / 2, y - height / 2
        extent = (left + GAP, left + width - GAP, bottom + GAP, bottom + height - GAP)
        axes.imshow(sheet, cmap=color_map(scale), norm=scale, extent=extent, interpolation="nearest", zorder=2)
        frame = Rectangle((left, bottom), width, height, fill=False, edgecolor=color, linewidth=2.5, zorder=3)
        axes.add_patch(frame).set_antialiased(False)
        if name:
            _write_name(axes, name, (x, y), height / 2, is_single=not group.has_mirrors)
    prepare_ring_axes(axes, group if len(sheets) > 1 else C1)
    if any(names):
        (left, right), (bottom, top), (wide, high) = axes.get_xlim(), axes.get_ylim(), NAME_ROOM
        axes.set(xlim=(left - wide, right + wide), ylim=(bottom - high, top + high))


def _write_name(axes: Axes, name: str, center: tuple[float, float], half_height: float, is_single: bool) -> None:
    """Outside of the sheet and clear of all arrows: above; with two rings, on the vertical axis, beside; or below."""
    x, y = center
    if is_single:
        place = (x + 0.5, "right") if x > 0.1 else (x - 0.5, "left")
        axes.text(place[0], y + half_height + 0.07, name, ha=place[1], va="bottom", fontsize=10, zorder=4)
        return
    side = 1 if y > 1e-6 or (abs(y) < 1e-6 and x <= 0) else -1
    is_between = abs(x) < 1e-6 and abs(y) > 1e-6  # two rings leave little room above one another
    right, up = (-0.62, half_height) if is_between else (-0.13, half_height + 0.06)
    ha, va = "right" if side > 0 else "left", "bottom" if (side > 0) != is_between else "top"
    axes.text(x + right * side, y + up * side, name, ha=ha, va=va, fontsize=9, zorder=4)


def arrow_words(group: Group) -> str:
    """What the arrows mean, for captions and alt text."""
    words = [f"{'dashed lines join h and' if g.m else 'solid arrows go from h to'} {g}·h" for g in generators(group)]
    return ", ".join(words) or "no arrows, as there is one sheet"
