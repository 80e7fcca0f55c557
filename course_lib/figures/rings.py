"""The rings on which the sheets of a feature map stand, and the arrows between them; for figures and widgets alike.

Sheet h stands where h takes the point (1, 0): r^k at 90°·k counter-clockwise, m·r^k at the mirrored angle 180° − 90°·k.
Those with a mirror have a ring of their own, at the right. So when L_r turns the sheets, each ring turns; and when L_m
mirrors them, each goes where it would go if the whole picture were mirrored. Lengths are in sides of a sheet.
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

RADIUS = 1.2
FROM_THE_MIDDLE = 1.95  # of two rings
CLEARANCE = 0.54  # of arrows from the middle of a sheet
GAP = 0.035  # between a sheet and its frame
NAME_ROOM = (0.1, 0.3)  # what frames, and names above the sheets, need beside and above the ring


def first_elements(group: Group, subgroup: Group | None = None) -> tuple[Element, ...]:
    """What the sheets are called by: their elements; with a subgroup S, the first element of each left coset hS."""
    return group.elements if subgroup is None else tuple(coset[0] for coset in group.left_cosets(subgroup))


def ring_centers(group: Group, subgroup: Group | None = None) -> Array:
    """(|H|, 2): for each sheet, the center of its ring."""
    aside = FROM_THE_MIDDLE * group.has_mirrors
    return np.array([(aside if h.m else -aside, 0.0) for h in first_elements(group, subgroup)])


def ring_positions(group: Group, subgroup: Group | None = None) -> Array:
    """(|H|, 2) centers of the sheets, (x, y) with y up. A single sheet stands in the middle.

    With a subgroup S there is a sheet for each left coset hS; it stands where its first element would.
    """
    sheets = first_elements(group, subgroup)
    if len(sheets) == 1:
        return np.zeros((1, 2))
    return ring_centers(group, subgroup) + RADIUS * np.array([matrix(h)[:, 0] for h in sheets])


def generators(group: Group) -> tuple[Element, ...]:
    """The smallest rotation and the first mirror of the group: (r, m) for D4, (r,) for C4, (m,) for D1."""
    rotations = [h for h in group.elements if h.r and not h.m][:1]
    mirrors = [h for h in group.elements if h.m][:1]
    return (*rotations, *mirrors)


def ring_arrows(group: Group) -> list[tuple[Element, Array]]:
    """(g, points of a line (n, 2)) of the arrows h → gh for the generators g; a mirror joins each pair once."""
    arrows, places = [], ring_positions(group)
    for g in generators(group):
        for h, center in zip(group.elements, ring_centers(group), strict=True):
            if g.m and h.m:
                continue
            start, end = (places[group.index(element)] for element in (h, compose(g, h)))
            points = way_round(start, end, places) if g.m else center + _arc(start - center, g.r * 90)
            is_free = [np.abs(points - place).max(axis=1) >= CLEARANCE for place in (start, end)]
            arrows.append((g, points[is_free[0] & is_free[1]]))
    return arrows


def _arc(start: Array, degrees: float) -> Array:
    """Part of a circle about the origin, counter-clockwise."""
    angles = np.radians(np.linspace(0, degrees, 61))
    x, y = start
    return np.stack([x * np.cos(angles) - y * np.sin(angles), x * np.sin(angles) + y * np.cos(angles)], axis=1)


def way_round(start: Array, end: Array, places: Array) -> Array:
    """The straightest curve from one place to another that keeps clear of the sheets at all others."""
    (along, up), t = end - start, np.linspace(0, 1, 61)[:, None]
    others = [place for place in places if min(np.abs(place - start).max(), np.abs(place - end).max()) > 0]
    for bend in sorted(np.linspace(-0.5, 0.5, 101), key=abs):
        control = (start + end) / 2 + bend * np.array([-up, along])
        points = np.asarray((1 - t) ** 2 * start + 2 * t * (1 - t) * control + t**2 * end)
        if all((np.abs(points - place).max(axis=1) >= 1.06 * CLEARANCE).all() for place in others):
            break
    return points


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
    """Solid arrows h → rh, over dashed lines between h and mh, as m undoes itself: colors are for elements."""
    for g, points in ring_arrows(group):
        style, line = ("-", (0, (4, 2.5))) if g.m else ("-|>", "-")
        arrow = FancyArrowPatch(path=Path(points), arrowstyle=style, mutation_scale=head, linewidth=0.16 * head)
        arrow.set(color=LINES, linestyle=line, zorder=0 if g.m else 1)
        axes.add_patch(arrow)
        axes.plot(*points.T, color="white", lw=0 if g.m else 7, zorder=0.5)


def draw_sheets(
    axes: Axes, sheets: Array, group: Group, scale: Normalize, origins: Sequence[int], subgroup: Group | None = None
) -> None:
    """Draw the (|H|, Y, X) sheets on the ring. ``origins`` says from which place the sheet at each place came: it keeps
    the color of that one, and is called "place ← origin". Without origins all are gray."""
    height, width = np.array(sheets.shape[1:]) / max(sheets.shape[1:])
    firsts, names, frames = first_elements(group, subgroup), [""] * len(sheets), ["0.55"] * len(sheets)
    if origins and len(sheets) > 1:
        came = [firsts[i] for i in origins]
        frames = [ELEMENT_COLORS[h] for h in came]
        names = [str(h) if o == h else f"{h} ← {o}" for h, o in zip(firsts, came, strict=True)]
    places, centers = ring_positions(group, subgroup), ring_centers(group, subgroup)
    for sheet, (x, y), (middle, _), name, color in zip(sheets, places, centers, names, frames, strict=True):
        left, bottom = x - width / 2, y - height / 2
        extent = (left + GAP, left + width - GAP, bottom + GAP, bottom + height - GAP)
        axes.imshow(sheet, cmap=color_map(scale), norm=scale, extent=extent, interpolation="nearest", zorder=2)
        axes.add_patch(Rectangle((left, bottom), width, height, fill=False, ec=color, lw=2.5, aa=False, zorder=3))
        if name:  # at the outer corner, and below the lower sheets of two rings, above which a line passes
            aside = 0.52 + 0.08 * (group.has_mirrors and y == 0)  # clear of the arrows
            side, ha = (aside, "right") if x > middle + 1e-6 else (-aside, "left")
            is_below = group.has_mirrors and y < -1e-6
            up, va = (-height / 2 - 0.07, "top") if is_below else (height / 2 + 0.07, "bottom")
            axes.text(x + side, y + up, name, ha=ha, va=va, fontsize=10, zorder=4)
    fit_ring_axes(axes, group if len(sheets) > 1 else C1, NAME_ROOM if any(names) else (0.0, 0.0))


def arrow_words(group: Group) -> str:
    """What the arrows mean, for alt text."""
    words = [f"{'dashed lines join h and' if g.m else 'solid arrows go from h to'} {g}·h" for g in generators(group)]
    return ", ".join(words) or "no arrows, as there is one sheet"
