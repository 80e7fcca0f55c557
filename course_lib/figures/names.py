"""Names beside the points of a plot, each where it covers neither a point nor another name."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

# Right of the point, above it, below it, left of it, then farther away: distance in points, and the near edge.
_PLACES = [
    (dx, dy, align)
    for far in (1, 2, 3)
    for dx, dy, align in (
        (7, 0 if far == 1 else 10 * far, "left"),
        (7, -10 * far, "left"),
        (0, 11 * far, "center"),
        (0, -11 * far, "center"),
        (-7, 0 if far == 1 else 10 * far, "right"),
        (-7, -10 * far, "right"),
    )
]
_REACH = 8  # pixels from the middle of a marker that no name may cover


def name_points(figure: Figure, axes: Axes, points: Sequence[tuple[str, float, float, str]]) -> None:
    """Write the name of each point, (name, x, y, color), in the first place that is free, else in the first of all."""
    figure.draw_without_rendering()  # only now is known where things are
    middles = [axes.transData.transform((x, y)) for _, x, y, _ in points]
    taken = [Bbox([middle - _REACH, middle + _REACH]) for middle in middles]
    for i, (name, x, y, color) in enumerate(points):
        others = taken[:i] + taken[i + 1 :]
        label = _first_free(axes, name, (x, y), others)
        # A white edge, so that it can be read on the error bar of a neighbor.
        label.set(color=color, path_effects=[withStroke(linewidth=2.5, foreground="white")], zorder=5)
        taken.append(label.get_window_extent())


def _first_free(axes: Axes, name: str, point: tuple[float, float], taken: Sequence[Bbox]) -> Annotation:
    for dx, dy, align in _PLACES:
        label = axes.annotate(name, point, (dx, dy), textcoords="offset points", fontsize=9, ha=align, va="center")
        box = label.get_window_extent()
        if axes.bbox.contains(box.x0, box.y0) and axes.bbox.contains(box.x1, box.y1) and not box.count_overlaps(taken):
            return label
        label.remove()
    dx, dy, align = _PLACES[0]
    return axes.annotate(name, point, (dx, dy), textcoords="offset points", fontsize=9, ha=align, va="center")
