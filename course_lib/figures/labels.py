"""The names of lines: at their ends, where the lines end apart from one another; else in a legend."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from course_lib.figures.style import LINES

APART = 0.025  # of the height: lines that end closer together could not be told apart by their ends
ROOM = 0.075  # of the height, for one line of text


def name_lines(axes: Axes) -> None:
    """Write the label of each line behind its last point, to the right of the axes; call it when all is drawn."""
    handles, names = axes.get_legend_handles_labels()
    ends = np.array([_end(handle) for handle in handles])
    axes.set(xlim=axes.get_xlim(), ylim=axes.get_ylim())  # as they are now: the ends are placed by them
    places = axes.transAxes.inverted().transform(axes.transData.transform(ends))
    heights = np.sort(places[:, 1])
    if len(names) > 1 and np.diff(heights).min() < APART:
        axes.legend(frameon=False)
        return
    for i, height in zip(np.argsort(places[:, 1]), _spread(heights), strict=True):
        line = {"arrowstyle": "-", "color": _line(handles[i]).get_color(), "lw": 1, "shrinkA": 0, "shrinkB": 2}
        axes.annotate(
            names[i], ends[i], (1.03, height), xycoords="data", textcoords="axes fraction",
            va="center", color=LINES, arrowprops=line, annotation_clip=False,
        )  # fmt: skip


def _line(handle: Any) -> Any:
    """The line itself: with error bars it stands in a container."""
    return handle[0] if isinstance(handle, tuple) else handle


def _end(handle: Any) -> tuple[float, float]:
    """The last point of a line that is a number."""
    x, y = (np.asarray(values, dtype=float) for values in _line(handle).get_data())
    last = np.flatnonzero(np.isfinite(y))[-1]
    return x[last], y[last]


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
