"""Moves done one after the other, on a tile and on lattice points, step by step; notebook 01."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Polygon, Rectangle

from course_lib.figures.groups import CORNERS, LETTER_F
from course_lib.figures.picture import Picture, as_array, new_figure
from course_lib.figures.style import LINES, SERIES
from course_lib.groups import IDENTITY, Element, IntArray, compose, matrix


def moves_in_a_row(*rows: Sequence[Element]) -> Picture:
    """Each row shows the tile at the start and after each of its moves, the first move on the left.

    Raises ValueError if there is no row, or a row holds no move.
    """
    if not rows or not all(rows):
        raise ValueError(f"expected rows of moves, such as moves_in_a_row([r, m], [m, r]), got {rows}")
    columns = 1 + max(map(len, rows))
    figure = new_figure(2.3 * columns, 1.95 * len(rows))
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    results = []
    for line, moves in zip(grid, rows, strict=True):
        place = IDENTITY
        _draw_tile(line[0], place, "start")
        for axes, move in zip(line[1:], moves, strict=False):
            place = compose(move, place)
            _draw_tile(axes, place, f"then {move}")
            axes.annotate("", (-1.15, 0), (-1.85, 0), arrowprops={"arrowstyle": "->", "linewidth": 1.5})
        results.append(f"{', then '.join(map(str, moves))}: corners from top left clockwise {_corners(matrix(place))}")
    return Picture.from_figure(figure, f"A square tile with the letter F after moves in a row. {'; '.join(results)}.")


def points_side_by_side(sets: Mapping[str, Any]) -> Picture:
    """Sets of points side by side on the same axes, joined in their order; what is off the lattice is a red cross.

    Args:
        sets: title → points ``(n, 2)``, one (x, y) each, x to the right and y up.

    Raises ValueError if there is no set, or one has another shape.
    """
    arrays = {title: as_array(points) for title, points in sets.items()}
    if not arrays or any(points.ndim != 2 or points.shape[1] != 2 for points in arrays.values()):
        raise ValueError(f"expected sets of points of shape (n, 2), got {[p.shape for p in arrays.values()]}")
    everything = np.concatenate([*arrays.values(), np.zeros((1, 2))])
    (left, bottom), (right, top) = np.floor(everything.min(axis=0)) - 1, np.ceil(everything.max(axis=0)) + 1
    width = 7.2 / max(3, len(arrays))
    figure = new_figure(width * len(arrays), width * (top - bottom) / (right - left) + 0.5)
    for axes, (title, points) in zip(figure.subplots(1, len(arrays), squeeze=False).flat, arrays.items(), strict=True):
        _draw_points(axes, points)
        axes.set(xlim=(left, right), ylim=(bottom, top), aspect="equal", title=title)
        axes.set_xticks(np.arange(left + left % 2, right + 1, 2))
        axes.set_xticks(np.arange(left, right + 1), minor=True)
        axes.set_yticks(np.arange(bottom, top + 1))
        axes.tick_params(labelsize=9)
    words = (f"{title}: {' '.join(map(_point_in_words, points))}" for title, points in arrays.items())
    return Picture.from_figure(figure, f"Points on the lattice side by side. {'; '.join(words)}.")


def _draw_points(axes: Axes, points: np.ndarray[Any, Any]) -> None:
    on_lattice = np.isclose(points, points.round()).all(axis=1)
    axes.plot(points[:, 0], points[:, 1], color="0.5", linewidth=2, zorder=2)
    for chosen, color, marker in ((on_lattice, SERIES[0], "o"), (~on_lattice, SERIES[1], "X")):
        x, y = points[chosen].T
        axes.scatter(x, y, s=70, c=color, marker=marker, edgecolors="black", zorder=3)
    axes.grid(color="0.88", which="both")
    axes.axhline(0, color="0.4", linewidth=1, zorder=1)
    axes.axvline(0, color="0.4", linewidth=1, zorder=1)


def _point_in_words(point: np.ndarray[Any, Any]) -> str:
    x, y = point.round(2) + 0.0  # no −0
    return f"({x:g}, {y:g})"


def _draw_tile(axes: Axes, place: Element, title: str) -> None:
    h = matrix(place)
    axes.add_patch(Rectangle((-1, -1), 2, 2, facecolor="#F3F3F3", edgecolor="black", linewidth=1.5))
    axes.add_patch(Polygon(LETTER_F @ h.T, facecolor=LINES))
    for number, (x, y) in enumerate(CORNERS @ h.T * 0.82, 1):
        axes.text(x, y, str(number), ha="center", va="center", fontsize=12, color="0.15", weight="bold")
    axes.text(0, 1.15, title, ha="center", va="bottom", fontsize=13)
    axes.set(xlim=(-1.9, 1.3), ylim=(-1.1, 1.5), aspect="equal")


def _corners(h: IntArray) -> str:
    places = (CORNERS @ h.T).tolist()
    return " ".join(str(places.index(corner) + 1) for corner in np.asarray(CORNERS).tolist())
