"""Drawing on the ring: arrows for the generators, shared by Cayley graphs and feature maps."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch
from matplotlib.path import Path

from course_lib.figures.layout import generators, ring_arrows, ring_extent
from course_lib.figures.picture import OKABE_ITO
from course_lib.groups import Group

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


def draw_ring_arrows(axes: Axes, group: Group) -> None:
    """Solid arrows h → rh; dashed lines with two heads between h and mh."""
    for arrow in ring_arrows(group):
        mirror = bool(arrow.generator.m)
        axes.add_patch(
            FancyArrowPatch(
                path=Path(arrow.points),
                arrowstyle="<|-|>" if mirror else "-|>",
                mutation_scale=11,
                linewidth=1.8,
                **(MIRROR_STYLE if mirror else ROTATION_STYLE),
            )
        )


def arrow_words(group: Group) -> str:
    """What the arrows mean, for captions and alt text."""
    words = [
        f"{'dashed blue lines join h and' if g.m else 'solid red arrows go from h to'} {g}·h" for g in generators(group)
    ]
    return ", ".join(words)
