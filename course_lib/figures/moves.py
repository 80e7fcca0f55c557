"""Moves done one after the other, on a tile and on lattice points, step by step; notebook 01."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from course_lib.figures.groups import corner_words, draw_lattice, draw_tile
from course_lib.figures.picture import Array, Picture, as_array, new_figure, new_panels
from course_lib.figures.style import LINES, SERIES
from course_lib.groups import IDENTITY, Element, compose, matrix


def moves_in_a_row(*rows: Sequence[Element]) -> Picture:
    """Each row shows the tile at the start and after each of its moves, the first move on the left."""
    columns, results = 1 + max(map(len, rows)), []
    figure, grid = new_panels(len(rows) * columns, columns, 2.3, 1.95)
    for axes in grid:
        axes.set_axis_off()
    for i, moves in enumerate(rows):
        place = IDENTITY
        _draw_step(grid[i * columns], place, "start")
        for axes, move in zip(grid[i * columns + 1 :], moves, strict=False):
            place = compose(move, place)
            _draw_step(axes, place, f"then {move}")
            axes.annotate("", (-1.15, 0), (-1.85, 0), arrowprops={"arrowstyle": "->", "linewidth": 1.5})
        results.append(f"{', then '.join(map(str, moves))}: {corner_words(matrix(place))}")
    return Picture.from_figure(figure, f"A square tile with the letter F after moves in a row. {'; '.join(results)}.")


def _draw_step(axes: Axes, place: Element, title: str) -> None:
    draw_tile(axes, matrix(place), 0.82)
    axes.text(0, 1.15, title, ha="center", va="bottom", fontsize=13)
    axes.set(xlim=(-1.9, 1.3), ylim=(-1.1, 1.5), aspect="equal")


def points_side_by_side(sets: Mapping[str, Any]) -> Picture:
    """Sets of points (n, 2), (x, y) each, joined in their order, on the same axes; off the lattice is a red cross."""
    arrays = {title: as_array(points) for title, points in sets.items()}
    everything = np.concatenate([*arrays.values(), np.zeros((1, 2))])
    (left, bottom), (right, top) = np.floor(everything.min(axis=0)) - 1, np.ceil(everything.max(axis=0)) + 1
    width = 7.2 / max(3, len(arrays))
    figure = new_figure(width * len(arrays), width * (top - bottom) / (right - left) + 0.7)
    for axes, (title, points) in zip(figure.subplots(1, len(arrays), squeeze=False).flat, arrays.items(), strict=True):
        _draw_points(axes, points)
        axes.set(xlim=(left, right), ylim=(bottom, top), aspect="equal", title=title)
        for axis, low, high in ((axes.xaxis, left, right), (axes.yaxis, bottom, top)):
            axis.set_ticks(np.arange(low + low % 2, high + 1, 2))
            axis.set_ticks(np.arange(low, high + 1), minor=True)
        axes.tick_params(labelsize=9)
        axes.set_xlabel("$x$")
        axes.set_ylabel("$y$", rotation=0, labelpad=10)
    words = (f"{title}: {' '.join(map(_point_in_words, points))}" for title, points in arrays.items())
    return Picture.from_figure(figure, f"Points on the lattice side by side. {'; '.join(words)}.")


def _draw_points(axes: Axes, points: Array) -> None:
    on_lattice = np.isclose(points, points.round()).all(axis=1)
    axes.plot(*points.T, color=LINES, linewidth=3, zorder=2)
    for chosen, color, marker in ((on_lattice, SERIES[0], "o"), (~on_lattice, SERIES[1], "X")):
        x, y = points[chosen].T
        axes.scatter(x, y, s=70, c=color, marker=marker, edgecolors="black", zorder=3)
    draw_lattice(axes, which="both")


def _point_in_words(point: Array) -> str:
    x, y = point.round(2) + 0.0  # no −0
    return f"({x:g}, {y:g})"
