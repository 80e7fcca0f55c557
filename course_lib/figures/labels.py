"""Names in a plot: of lines at their ends, or, if those meet, in a legend above; of points where nothing is covered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

APART = 0.02  # of the height: lines that end closer together could not be told apart by their ends
ROOM = 0.075  # of the height, for one line of text


def name_lines(axes: Axes, at: int = -1) -> None:
    """Write the label of each line behind its last point, or the one ``at``, right of the axes; call it at the end."""
    handles, names = axes.get_legend_handles_labels()
    lines: list[Any] = [handle[0] if isinstance(handle, tuple) else handle for handle in handles]  # with error bars
    ends = [np.array([x, y])[:, np.isfinite(y)][:, at] for x, y in (line.get_data() for line in lines)]
    axes.set(xlim=axes.get_xlim(), ylim=axes.get_ylim())  # as they are now: the ends are placed by them
    heights = axes.transAxes.inverted().transform(axes.transData.transform(ends))[:, 1]
    if len(names) > 1 and np.diff(np.sort(heights)).min() < APART:
        many = sum(map(len, names)) > 70
        axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2 if many else len(names))
        return
    for i, height in zip(np.argsort(heights), _spread(np.sort(heights)), strict=True):
        line = {"arrowstyle": "-", "color": lines[i].get_color(), "lw": 1, "shrinkA": 0, "shrinkB": 2}
        axes.annotate(
            names[i], ends[i], (1.03, height), xycoords="data", textcoords="axes fraction",
            va="center", color=line["color"], arrowprops=line, annotation_clip=False,
        )  # fmt: skip


def _spread(heights: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Heights in rising order, moved apart until each has its room, about the middle of those that met."""
    spread = heights.copy()
    for _ in range(50):
        for i in range(len(spread) - 1):
            missing = ROOM - (spread[i + 1] - spread[i])
            if missing > 1e-9:
                spread[i] -= missing / 2
                spread[i + 1] += missing / 2
    return spread


# Right of the point, above it, below it, left of it, then farther away: distance in points, and the near edge.
_PLACES = [
    place
    for far, beside in ((1, 0), (2, 20), (3, 30))
    for place in (
        (7, beside, "left"), (7, -10 * far, "left"), (0, 11 * far, "center"),
        (0, -11 * far, "center"), (-7, beside, "right"), (-7, -10 * far, "right"),
    )
]  # fmt: skip
_REACH = 8  # pixels from the middle of a marker that no name may cover


def name_points(figure: Figure, axes: Axes, points: Sequence[tuple[str, float, float, str]]) -> None:
    """Write the name of each point, (name, x, y, color), in the first place that is free, else in the first of all."""
    figure.draw_without_rendering()  # only now is known where things are
    middles = [axes.transData.transform((x, y)) for _, x, y, _ in points]
    taken = [Bbox([middle - _REACH, middle + _REACH]) for middle in middles]
    for i, (name, x, y, color) in enumerate(points):
        label = _first_free(axes, name, (x, y), taken[:i] + taken[i + 1 :])
        # A white edge, so that it can be read on the error bar of a neighbor.
        label.set(color=color, path_effects=[withStroke(linewidth=2.5, foreground="white")], zorder=5)
        taken.append(label.get_window_extent())


def _first_free(axes: Axes, name: str, point: tuple[float, float], taken: Sequence[Bbox]) -> Annotation:
    def written(dx: float, dy: float, align: str) -> Annotation:
        return axes.annotate(name, point, (dx, dy), textcoords="offset points", fontsize=9, ha=align, va="center")

    lines = [line.get_path().transformed(line.get_transform()) for line in axes.lines if line.get_linestyle() != "None"]
    for avoided in (lines, []):  # better on a line than on another name
        for place in _PLACES:
            label = written(*place)
            box = label.get_window_extent()
            is_inside = axes.bbox.contains(box.x0, box.y0) and axes.bbox.contains(box.x1, box.y1)
            if is_inside and not box.count_overlaps(taken) and not any(x.intersects_bbox(box, False) for x in avoided):
                return label
            label.remove()
    return written(*_PLACES[0])
