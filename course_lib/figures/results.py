"""Figures of results: the rows of a table by their errors, and published errors against ours."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import fmean, stdev
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from course_lib.figures.labels import name_points
from course_lib.figures.picture import Picture, new_figure
from course_lib.figures.style import LINES, MARK, SERIES

Errors = Mapping[str, tuple[float, float | None]]
"""Network → its mean test error in percent, and the standard deviation over the seeds if there is one."""

# Color, marker and filling all differ, so that any one of them tells the series apart. The first is what was published.
_LOOKS: tuple[dict[str, Any], ...] = (
    {"color": LINES, "marker": "o", "mfc": "white", "ms": 8},
    {"color": SERIES[0], "marker": "o", "ms": 7},
    {"color": SERIES[1], "marker": "s", "ms": 6},
    {"color": SERIES[2], "marker": "D", "ms": 6},
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

    Raises ValueError if there is nothing to show, or too much.
    """
    _require_series(series)
    names = list(dict.fromkeys(name for errors in series.values() for name in errors))
    figure = new_figure(8.4, 0.34 * len(names) + 1.3)
    axes = figure.subplots()
    for i, ((who, errors), look) in enumerate(zip(series.items(), _LOOKS, strict=False)):
        # Side by side within the line, so that equal errors do not hide each other.
        places = [names.index(name) + 0.16 * (i - (len(series) - 1) / 2) for name in errors]
        means, deviations = [mean for mean, _ in errors.values()], [spread or 0 for _, spread in errors.values()]
        axes.errorbar(means, places, xerr=deviations, ls="none", capsize=2, lw=1, label=who, **look)
    for name, error in (yours or {}).items():
        axes.plot(error, names.index(name) + 0.36, "*", ms=11, color=MARK, label="your run", zorder=5)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    _percent_axis(axes, "x", "test error, in %")
    axes.grid(axis="y", color="0.93")
    if len(series) + bool(yours) > 1:
        figure.legend(frameon=False, loc="outside upper center", ncols=len(series) + bool(yours))
    words = "; ".join(f"{who}: {_words(errors)}" for who, errors in series.items())
    told = "".join(f"; your run: {name} {error:.3g} %" for name, error in (yours or {}).items())
    return Picture.from_figure(figure, f"Test error of each network. {words}{told}.")


def published_against_ours(published: Errors, ours: Mapping[str, Errors]) -> Picture:
    """A point for each network: across what was published, upwards what we measured; on the diagonal they agree.

    Args:
        published: network → error and deviation, in percent.
        ours: recipe → network → error and deviation; at most three recipes, only networks of ``published``.

    Raises ValueError if there is nothing to show, or too much.
    """
    _require_series({"published": published, **ours})
    figure = new_figure(7.2, 6.7)
    axes = figure.subplots()
    for (recipe, errors), look in zip(ours.items(), _LOOKS[1:], strict=False):
        across = [published[name] for name in errors]
        axes.errorbar(
            [mean for mean, _ in across],
            [mean for mean, _ in errors.values()],
            yerr=[spread or 0 for _, spread in errors.values()],
            xerr=[spread or 0 for _, spread in across],
            ls="none", capsize=2, lw=1, label=recipe, **look,
        )  # fmt: skip
    points = [
        (name, published[name][0], mean, look["color"])
        for errors, look in zip(ours.values(), _LOOKS[1:], strict=False)
        for name, (mean, _) in errors.items()
    ]
    (left, low), (right, high) = ([pick(point[i] for point in points) for i in (1, 2)] for pick in (min, max))
    axes.set(xlim=(left / 1.3, right * 2), ylim=(low / 1.3, high * 1.3), aspect="equal")  # names need more room across
    start, end = max(left, low) / 1.3, min(right * 2, high * 1.3)
    axes.plot([start, end], [start, end], color=LINES, lw=1, ls="--", zorder=0)
    turned: Any = {"rotation": 45, "rotation_mode": "anchor", "ha": "right", "va": "bottom"}
    axes.text(0.97 * end, end, "as published", color=LINES, **turned)
    _percent_axis(axes, "x", "published test error, in %")
    _percent_axis(axes, "y", "our test error, in %")
    figure.legend(frameon=False, loc="outside upper center", ncols=len(ours))
    name_points(figure, axes, points)
    words = "; ".join(f"{recipe}: {_words(errors, published)}" for recipe, errors in ours.items())
    return Picture.from_figure(figure, f"Our test errors against the published ones. {words}.")


def _require_series(series: Mapping[str, Errors]) -> None:
    if not 1 <= len(series) <= len(_LOOKS) or not any(series.values()):
        raise ValueError(f"expected 1 to {len(_LOOKS)} series with at least one network, got {list(series)}")


def _percent_axis(axes: Axes, which: Literal["x", "y"], label: str) -> None:
    """Logarithmic, with ticks that are plain numbers."""
    getattr(axes, f"set_{which}scale")("log")
    axis = getattr(axes, f"{which}axis")
    axis.set_major_locator(FixedLocator(_TICKS))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    getattr(axes, f"set_{which}label")(f"{label} (logarithmic)")
    axes.grid(axis=which, color="0.9")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _words(errors: Errors, published: Errors | None = None) -> str:
    told = []
    for name, (mean, spread) in errors.items():
        more = f" ± {spread:.2g}" if spread is not None and math.isfinite(spread) else ""
        against = f" (published {published[name][0]:.3g})" if published else ""
        told.append(f"{name} {mean:.3g}{more} %{against}")
    return ", ".join(told)
