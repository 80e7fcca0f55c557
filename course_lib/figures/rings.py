"""The ring on which the sheets of a feature map stand, and the arrows between them; for figures and widgets alike.

Sheet h stands where h takes the point (1, 0): r^k at 90°·k counter-clockwise, m·r^k at the mirrored angle 180° − 90°·k.
So when L_r turns the picture, every sheet goes where a turned ring would carry it, on both rings in the same sense.
Lengths are in sides of a sheet.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.patches import FancyArrowPatch, Rectangle
from matplotlib.path import Path

from course_lib.figures.picture import Array, color_map
from course_lib.figures.style import ELEMENT_COLORS, LINES
from course_lib.groups import C1, Element, Group, compose, matrix

INNER_RADIUS, OUTER_RADIUS = 1.2, 2.8  # mirrored sheets stand on the inner ring; one ring alone is as small as that
CLEARANCE = 0.54  # of arrows from the middle of a sheet
GAP = 0.035  # between a sheet and its frame
NAME_ROOM = (0.1, 0.3)  # what frames, and names above the sheets, need beside and above the ring


def first_elements(group: Group, subgroup: Group | None = None) -> tuple[Element, ...]:
    """What the sheets are called by: their elements; with a subgroup S, the first element of each left coset hS."""
    return group.elements if subgroup is None else tuple(coset[0] for coset in group.left_cosets(subgroup))


def ring_positions(group: Group, subgroup: Group | None = None) -> Array:
    """(|H|, 2) centers of the sheets, (x, y) with y up: radius · h·(1, 0). A single sheet stands in the middle.

    With a subgroup S there is a sheet for each left coset hS; it stands where its first element would.
    """
    sheets = first_elements(group, subgroup)
    if len(sheets) == 1:
        return np.zeros((1, 2))
    radius = [OUTER_RADIUS if group.has_mirrors and not h.m else INNER_RADIUS for h in sheets]
    return np.array([r * matrix(h)[:, 0] for r, h in zip(radius, sheets, strict=True)])


def generators(group: Group) -> tuple[Element, ...]:
    """The smallest rotation and the first mirror of the group: (r, m) for D4, (r,) for C4, (m,) for D1."""
    rotations = [h for h in group.elements if h.r and not h.m][:1]
    mirrors = [h for h in group.elements if h.m][:1]
    return (*rotations, *mirrors)


def ring_arrows(group: Group) -> list[tuple[Element, Array]]:
    """(g, points of a line (n, 2)) of the arrows h → gh for the generators g; a mirror joins each pair once."""
    positions, arrows = dict(zip(group.elements, ring_positions(group), strict=True)), []
    for g in generators(group):
        for h in group.elements:
            if g.m and h.m:
                continue
            start, end = positions[h], positions[compose(g, h)]
            points = way_round(start, end) if g.m else _arc(start, g.r * 90)
            is_free = [np.abs(points - center).max(axis=1) >= CLEARANCE for center in (start, end)]
            arrows.append((g, points[is_free[0] & is_free[1]]))
    return arrows


def _arc(start: Array, degrees: float) -> Array:
    """Part of a circle about the origin, counter-clockwise."""
    angles = np.radians(np.linspace(0, degrees, 61))
    x, y = start
    return np.stack([x * np.cos(angles) - y * np.sin(angles), x * np.sin(angles) + y * np.cos(angles)], axis=1)


def way_round(start: Array, end: Array) -> Array:
    """A straight line, or, to a place on the other side of the ring, a curve around the sheet that may be between."""
    control = 0.58 * start + 0.5 * np.array([-start[1], start[0]]) if start @ end < 0 else (start + end) / 2
    t = np.linspace(0, 1, 61)[:, None]
    return np.asarray((1 - t) ** 2 * start + 2 * t * (1 - t) * control + t**2 * end)


def ring_extent(group: Group) -> tuple[float, float]:
    """Half the width and half the height that the sheets and arrows need."""
    width, height = np.abs(ring_positions(group)).max(axis=0) + 0.5
    reach = max((np.abs(points).max(axis=0) for _, points in ring_arrows(group)), key=sum, default=np.zeros(2))
    return float(max(width, reach[0])), float(max(height, reach[1] + 0.05))


def fit_ring_axes(axes: Axes, group: Group, room: tuple[float, float] = (0.0, 0.0)) -> None:
    """Axes in sides of a sheet, x to the right and y up, just large enough for the ring, room beside and above it."""
    width, height = (half + 0.1 for half in ring_extent(group))
    below = room[1] * group.has_mirrors
    axes.set(xlim=(-width - room[0], width + room[0]), ylim=(-height - below, height + room[1]), aspect="equal")
    axes.set_axis_off()


def draw_ring_arrows(axes: Axes, group: Group, head: float = 11) -> None:
    """Solid arrows h → rh, dashed lines between h and mh, as m undoes itself: colors are for elements."""
    for g, points in ring_arrows(group):
        style, line = ("-", (0, (4, 2.5))) if g.m else ("-|>", "-")
        arrow = FancyArrowPatch(path=Path(points), arrowstyle=style, mutation_scale=head, linewidth=0.16 * head)
        arrow.set(color=LINES, linestyle=line)
        axes.add_patch(arrow)


def draw_sheets(
    axes: Axes, sheets: Array, group: Group, scale: Normalize, origins: Sequence[int], subgroup: Group | None = None
) -> None:
    """Draw the (|H|, Y, X) sheets on the ring. ``origins`` says from which place the sheet at each place came: it keeps
    the color of that one, and is called "place ← origin"; two rings have room only for the arrow. Else all are gray."""
    height, width = np.array(sheets.shape[1:]) / max(sheets.shape[1:])
    firsts, names, frames = first_elements(group, subgroup), [""] * len(sheets), ["0.55"] * len(sheets)
    if origins and len(sheets) > 1:
        came, mark = [firsts[i] for i in origins], "" if group.has_mirrors else "{} "
        frames = [ELEMENT_COLORS[h] for h in came]
        names = [str(h) if o == h else f"{mark.format(h)}← {o}" for h, o in zip(firsts, came, strict=True)]
    for sheet, (x, y), name, color in zip(sheets, ring_positions(group, subgroup), names, frames, strict=True):
        left, bottom = x - width / 2, y - height / 2
        extent = (left + GAP, left + width - GAP, bottom + GAP, bottom + height - GAP)
        axes.imshow(sheet, cmap=color_map(scale), norm=scale, extent=extent, interpolation="nearest", zorder=2)
        axes.add_patch(Rectangle((left, bottom), width, height, fill=False, ec=color, lw=2.5, aa=False, zorder=3))
        if name:
            _write_name(axes, name, (x, y), height / 2, has_line=group.has_mirrors)
    fit_ring_axes(axes, group if len(sheets) > 1 else C1, NAME_ROOM if any(names) else (0.0, 0.0))


def _write_name(axes: Axes, name: str, center: tuple[float, float], half_height: float, has_line: bool) -> None:
    """Above the outer corner of the sheet, or left of the line that a mirror draws straight up; with two rings below
    the lower sheets and the inner one at the right, above which mirrors draw lines across."""
    (x, y), size = center, 9 if has_line else 10
    is_inner = has_line and 1e-6 < x < OUTER_RADIUS - 1e-6
    is_upright = has_line and abs(x) < 1e-6
    at_left = (-0.84 if has_line else -0.52, "left")
    right, ha = (0.72 if is_inner else 0.52, "right") if x > 1e-6 else (-0.16, "right") if is_upright else at_left
    is_below = is_inner or (has_line and y < -1e-6)
    up, va = (-half_height - 0.07, "top") if is_below else (half_height + 0.07, "bottom")
    axes.text(x + right, y + up, name, ha=ha, va=va, fontsize=size, zorder=4)


def arrow_words(group: Group) -> str:
    """What the arrows mean, for alt text."""
    words = [f"{'dashed lines join h and' if g.m else 'solid arrows go from h to'} {g}·h" for g in generators(group)]
    return ", ".join(words) or "no arrows, as there is one sheet"
