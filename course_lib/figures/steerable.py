"""Figures of notebook 12: values on the cells of a hexagonal lattice."""

from __future__ import annotations

import math
from collections.abc import Mapping

from matplotlib.patches import RegularPolygon

from course_lib.figures.picture import Picture, as_array, color_map, new_figure, shared_scale

Cell = tuple[int, int]


def hexagons(maps: Mapping[str, Mapping[Cell, float]]) -> Picture:
    """Maps on hexagonal cells side by side, on one color scale.

    Args:
        maps: title → {(a, b): value}; the cell (a, b) lies at a steps to the right and b steps at 60° above that.
    """
    scale = shared_scale([as_array(list(cells.values())) for cells in maps.values()])
    figure = new_figure(2.3 * len(maps), 2.5)
    for axes, (title, cells) in zip(figure.subplots(1, len(maps), squeeze=False)[0], maps.items(), strict=True):
        for (a, b), value in cells.items():
            place, color = (a + b / 2, b * math.sqrt(3) / 2), color_map(scale)(float(scale(float(value))))
            axes.add_patch(RegularPolygon(place, 6, radius=1 / math.sqrt(3), facecolor=color, edgecolor="0.6"))
        axes.autoscale_view()
        axes.set(aspect="equal")
        axes.set_axis_off()
        axes.set_title(title, fontsize=11)
    size = len(next(iter(maps.values())))
    return Picture.from_figure(
        figure, f"{size} hexagonal cells, colored by value, {len(maps)} times: {'; '.join(maps)}."
    )
