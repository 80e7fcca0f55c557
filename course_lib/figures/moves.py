"""Moves of the square done one after the other, a tile for each step; notebook 01."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Polygon, Rectangle

from course_lib.figures.groups import CORNERS, LETTER_F
from course_lib.figures.picture import OKABE_ITO, Picture, new_figure
from course_lib.groups import IDENTITY, Element, IntArray, compose, matrix


def moves_in_a_row(*rows: Sequence[Element]) -> Picture:
    """Each row shows the tile at the start and after each of its moves, the first move on the left.

    Raises ValueError if there is no row, or a row holds no move.
    """
    if not rows or not all(rows):
        raise ValueError(f"expected rows of moves, such as moves_in_a_row([r, m], [m, r]), got {rows}")
    columns = 1 + max(map(len, rows))
    figure = new_figure(2.3 * columns, 2.1 * len(rows))
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


def _draw_tile(axes: Axes, place: Element, title: str) -> None:
    h = matrix(place)
    axes.add_patch(Rectangle((-1, -1), 2, 2, facecolor="#F3F3F3", edgecolor="black", linewidth=1.5))
    axes.add_patch(Polygon(LETTER_F @ h.T, facecolor=OKABE_ITO["blue"]))
    for number, (x, y) in enumerate(CORNERS @ h.T * 0.82, 1):
        axes.text(x, y, str(number), ha="center", va="center", fontsize=12, color=OKABE_ITO["vermilion"], weight="bold")
    axes.set_title(title, fontsize=13)
    axes.set(xlim=(-1.9, 1.3), ylim=(-1.1, 1.1), aspect="equal")


def _corners(h: IntArray) -> str:
    places = (CORNERS @ h.T).tolist()
    return " ".join(str(places.index(corner) + 1) for corner in np.asarray(CORNERS).tolist())
