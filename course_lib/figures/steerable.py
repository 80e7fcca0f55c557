"""Figures of notebook 12: values on the cells of a hexagonal lattice."""

import math
from collections.abc import Mapping

from matplotlib.patches import RegularPolygon

from course_lib.figures.picture import Picture, as_array, color_map, new_panels, shared_scale


def hexagons(maps: Mapping[str, Mapping[tuple[int, int], float]]) -> Picture:
    """Maps on hexagonal cells, title → {(a, b): value}, side by side on one color scale.

    The cell (a, b) lies at a steps to the right and b steps at 60° above that.
    """
    scale = shared_scale([as_array(list(cells.values())) for cells in maps.values()])
    figure, grid = new_panels(len(maps), len(maps), 2.3, 2.5)
    for axes, (title, cells) in zip(grid, maps.items(), strict=True):
        for (a, b), value in cells.items():
            place, color = (a + b / 2, b * math.sqrt(3) / 2), color_map(scale)(float(scale(float(value))))
            axes.add_patch(RegularPolygon(place, 6, radius=1 / math.sqrt(3), facecolor=color, edgecolor="0.6"))
        axes.autoscale_view()
        axes.set(aspect="equal")
        axes.set_axis_off()
        axes.set_title(title, fontsize=11)
    size = len(next(iter(maps.values())))
    words = f"{size} hexagonal cells, colored by value, {len(maps)} times: {'; '.join(maps)}."
    return Picture.from_figure(figure, words)
