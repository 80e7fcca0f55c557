"""Where the sheets of a feature map stand on the ring, and the arrows between them; for figures and widgets alike.

Sheet h stands where h takes the point (1, 0): r^k at 90°·k counter-clockwise, m·r^k at the mirrored angle 180° − 90°·k.
So when L_r turns the picture, every sheet goes where a turned ring would carry it, on both rings in the same sense.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from course_lib.groups import Element, Group, compose, matrix

FloatArray = np.ndarray[Any, np.dtype[np.float64]]

# In sides of a sheet. A sheet is a square of side 1, and mirrored sheets stand on the inner ring.
SINGLE_RADIUS, INNER_RADIUS, OUTER_RADIUS = 1.2, 1.2, 2.6
CLEARANCE = 0.54


@dataclass(frozen=True)
class Arrow:
    """A polyline ``points`` of shape (n, 2) from sheet ``start`` to sheet ``end`` = generator · start."""

    generator: Element
    start: int
    end: int
    points: FloatArray


def ring_positions(group: Group, subgroup: Group | None = None) -> FloatArray:
    """(|H|, 2) centers of the sheets, (x, y) with y up: radius · h·(1, 0). A single sheet stands in the middle.

    With a subgroup S there is a sheet for each left coset hS; it stands where its first element would.
    """
    sheets = group.elements if subgroup is None else tuple(coset[0] for coset in group.left_cosets(subgroup))
    if len(sheets) == 1:
        return np.zeros((1, 2))
    return np.array([_radius(group, h) * matrix(h)[:, 0] for h in sheets])


def ring_extent(group: Group) -> tuple[float, float]:
    """Half the width and half the height that the sheets and arrows need, in sides of a sheet."""
    width, height = np.abs(ring_positions(group)).max(axis=0) + 0.5
    reach = max((np.abs(arrow.points).max(axis=0) for arrow in ring_arrows(group)), key=sum, default=np.zeros(2))
    return float(max(width, reach[0])), float(max(height, reach[1] + 0.05))


def generators(group: Group) -> tuple[Element, ...]:
    """The smallest rotation and the first mirror of the group: (r, m) for D4, (r,) for C4, (m,) for D1."""
    rotations = [h for h in group.elements if h.r and not h.m][:1]
    mirrors = [h for h in group.elements if h.m][:1]
    return (*rotations, *mirrors)


def ring_arrows(group: Group) -> list[Arrow]:
    """Arrows h → gh for the generators g. Each mirror pair is joined once, because a mirror undoes itself."""
    positions, arrows = ring_positions(group), []
    for g in generators(group):
        for i, h in enumerate(group.elements):
            j = group.index(compose(g, h))
            if not g.m:
                arrows.append(Arrow(g, i, j, _trim(_arc(positions[i], g.r * 90), positions[i], positions[j])))
            elif not h.m:
                arrows.append(
                    Arrow(g, i, j, _trim(_bow(positions[i], positions[j], group), positions[i], positions[j]))
                )
    return arrows


def _radius(group: Group, h: Element) -> float:
    if not group.has_mirrors:
        return SINGLE_RADIUS
    return INNER_RADIUS if h.m else OUTER_RADIUS


def _arc(start: FloatArray, degrees: float) -> FloatArray:
    """Part of a circle about the origin, counter-clockwise."""
    angles = np.radians(np.linspace(0, degrees, 61))
    x, y = start
    return np.stack([x * np.cos(angles) - y * np.sin(angles), x * np.sin(angles) + y * np.cos(angles)], axis=1)


def _bow(start: FloatArray, end: FloatArray, group: Group) -> FloatArray:
    """A straight line, or, to a sheet on the other side, a curve around the sheet that may stand between."""
    control = (start + end) / 2
    if start @ end < 0 and group.order > 2:
        control = 0.58 * start + 0.5 * np.array([-start[1], start[0]])
    t = np.linspace(0, 1, 61)[:, None]
    return np.asarray((1 - t) ** 2 * start + 2 * t * (1 - t) * control + t**2 * end)


def _trim(points: FloatArray, start: FloatArray, end: FloatArray) -> FloatArray:
    """Cut off what lies within the two sheets and a little clearance."""
    inside = [np.abs(points - center).max(axis=1) < CLEARANCE for center in (start, end)]
    return np.asarray(points[~(inside[0] | inside[1])])
