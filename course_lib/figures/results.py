"""Figures of results: the rows of a table by their errors, and published errors against ours."""

import math
from collections.abc import Collection, Mapping
from statistics import fmean, stdev
from typing import Any

import numpy as np
from matplotlib.axis import Axis
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from course_lib.figures.labels import name_points
from course_lib.figures.picture import Picture, new_plot
from course_lib.figures.style import LINES, MARK, SERIES

Errors = Mapping[str, tuple[float, float | None]]
"""Network → its mean test error in percent, and the standard deviation over the seeds if there is one."""

# Color, marker and filling all differ, so that any one of them tells the series apart. The first is what was published.
_LOOKS: tuple[dict[str, Any], ...] = (
    {"color": LINES, "marker": "o", "mfc": "white", "ms": 8},
    {"color": SERIES[0], "marker": "o", "ms": 7, "mec": "white"},  # an edge, where two meet
    {"color": SERIES[1], "marker": "s", "ms": 6, "mec": "white"},
    {"color": SERIES[2], "marker": "D", "ms": 6, "mec": "white"},
)
_TICKS = (0.5, 0.7, 1, 1.2, 1.5, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 70, 100)


def mean_and_deviation(errors: list[float]) -> tuple[float, float | None]:
    """What `errors_by_row` and `published_against_ours` take for one network; one seed has no deviation."""
    return fmean(errors), stdev(errors) if len(errors) > 1 else None


def errors_by_row(series: Mapping[str, Errors], yours: Mapping[str, float] | None = None) -> Picture:
    """A line for each network, with its test error by each of the series; the networks of the first series on top.

    Args:
        series: who measured → network → error and deviation, in percent; at most four, what was published first.
        yours: network → the error of a run of your own, drawn as a star.
    """
    names, yours = list(dict.fromkeys(name for errors in series.values() for name in errors)), yours or {}
    figure, axes = new_plot(8.4, 0.34 * len(names) + 1.3)
    lines = len(series) + bool(yours)
    for i, ((who, errors), look) in enumerate(zip(series.items(), _LOOKS[: len(series)], strict=True)):
        # Side by side within the line, so that equal errors do not hide each other.
        places = [names.index(name) + 0.28 * (i - (lines - 1) / 2) for name in errors]
        means, deviations = [mean for mean, _ in errors.values()], [spread or math.nan for _, spread in errors.values()]
        axes.errorbar(means, places, xerr=deviations, ls="none", capsize=2, lw=1, label=who, **look)
    for name, error in yours.items():
        place = names.index(name) + 0.28 * (lines - 1) / 2
        axes.plot(error, place, "*", ms=11, color=MARK, label=f"your run, {name}", zorder=5)
    axes.set(yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.5, -0.5))
    scale, words = ("log", " (logarithmic)") if axes.get_xlim()[1] > 3 * axes.get_xlim()[0] else ("linear", "")
    axes.set(xscale=scale, xlabel=f"test error, in %{words}")
    percent_ticks(axes.xaxis)
    axes.grid(axis="y", color="0.93")
    if lines > 1:
        figure.legend(frameon=False, loc="outside upper center", ncols=lines)
    words = "; ".join(f"{who}: {_words(errors)}" for who, errors in series.items())
    told = "".join(f"; your run: {name} {error:.3g} %" for name, error in yours.items())
    return Picture.from_figure(figure, f"Test error of each network. {words}{told}.")


def published_against_ours(published: Errors, ours: Mapping[str, Errors], unnamed: Collection[str] = ()) -> Picture:
    """A point for each network: across what was published, upwards what we measured; on the diagonal they agree.

    ``ours``: recipe → network → error and deviation; at most three recipes, only networks of ``published``. Where there
    are too many to be told apart, the points of the ``unnamed`` recipes have neither names nor bars.
    """
    figure, axes = new_plot(7.2, 6.7)
    points: list[tuple[str, float, float, str]] = []
    for (recipe, errors), look in zip(ours.items(), _LOOKS[1 : len(ours) + 1], strict=True):
        across, spread = zip(*(published[name] for name in errors), strict=True)
        means, deviations = zip(*errors.values(), strict=True)
        right, up = ([(recipe not in unnamed and d) or math.nan for d in widths] for widths in (spread, deviations))
        small = {"zorder": 3, "ms": 4} if recipe in unnamed else {}  # on the others, which stay seen
        axes.errorbar(across, means, xerr=right, yerr=up, ls="none", capsize=2, lw=1, label=recipe, **{**look, **small})
        names = ["" if recipe in unnamed else name for name in errors]
        points += zip(names, across, means, [look["color"]] * len(errors), strict=True)
    places = np.array([(x, y) for _, x, y, _ in points])
    (left, low), (most, high) = places.min(axis=0) / (1.3, 1.3), places.max(axis=0) * (1.7, 1.3)  # room for the names
    axes.set(xscale="log", yscale="log", xlim=(left, most), ylim=(low, high), aspect="equal")
    start, end = max(left, low), min(most, high)
    axes.plot([start, end], [start, end], color=LINES, lw=1, ls="--", zorder=0)
    axes.text(0.97 * end, end, "as published", c=LINES, rotation=45, rotation_mode="anchor", ha="right", va="bottom")
    axes.set(xlabel="published test error, in % (logarithmic)", ylabel="our test error, in % (logarithmic)")
    percent_ticks(axes.xaxis)
    percent_ticks(axes.yaxis)
    figure.legend(frameon=False, loc="outside upper center", ncols=len(ours))
    name_points(figure, axes, points)
    words = "; ".join(f"{recipe}: {_words(errors, published)}" for recipe, errors in ours.items())
    return Picture.from_figure(figure, f"Our test errors against the published ones. {words}.")


def percent_ticks(axis: Axis) -> None:
    """Ticks of a logarithmic axis that are plain numbers."""
    axis.set_major_locator(FixedLocator(_TICKS))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.grid(color="0.9")
    axis.axes.set_axisbelow(True)


def _words(errors: Errors, published: Errors | None = None) -> str:
    told = []
    for name, (mean, spread) in errors.items():
        more = f" ± {spread:.2g}" if spread is not None and math.isfinite(spread) else ""
        against = f" (published {published[name][0]:.3g})" if published else ""
        told.append(f"{name} {mean:.3g}{more} %{against}")
    return ", ".join(told)
