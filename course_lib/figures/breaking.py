"""Figures of notebook 05: windows seen from both borders, errors as curves, and shares side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from course_lib.figures.curves import LOOKS
from course_lib.figures.labels import name_lines
from course_lib.figures.picture import Picture, new_figure
from course_lib.figures.style import SERIES, line_colors
from course_lib.layers.base import left_over

ORANGE = "#C9722B"  # beside the blue of SERIES; no element has it
SMALLEST_DRAWN = 1e-17  # a logarithmic axis has no zero


def windows_from_both_sides(cases: Mapping[str, tuple[int, int, int, int]]) -> Picture:
    """Rows of pixels, with the windows of a layer below them, and above them the windows seen from the other border.

    Args:
        cases: title → (size, window, stride, padding), as `layers.base.left_over` takes them.
    """
    figure = new_figure(6.6, 1.3 * len(cases))
    grid = figure.subplots(len(cases), 1, squeeze=False)[:, 0]
    widest = max(size + 2 * padding for size, _, _, padding in cases.values())
    words = []
    for axes, (title, case) in zip(grid, cases.items(), strict=True):
        _draw_windows(axes, *case)
        rest = left_over(*case)
        verdict = "the same from both sides" if rest == 0 else f"{rest} left over: not the same from both sides"
        axes.set_title(f"{title}: {verdict}", fontsize=11, loc="left")
        axes.set(xlim=(-0.2, widest + 0.2), ylim=(-0.95, 1.95), aspect="equal", anchor="W")
        axes.set_axis_off()
        words.append(f"{title}, {verdict}")
    end = next(size + 2 * padding for size, _, _, padding in cases.values()) + 0.3
    for axes, (size, *_, padding) in zip(grid, cases.values(), strict=True):
        if padding:
            axes.text(size + 2 * padding + 0.3, 0.5, "dotted: padding", va="center", fontsize=10, in_layout=False)
    for y, side, color in ((-0.42, "left", SERIES[0]), (1.42, "right", ORANGE)):
        grid[0].text(end, y, f"from the {side}", va="center", fontsize=10, color=color, in_layout=False)
    return Picture.from_figure(figure, f"Windows from the left border and from the right one. {'; '.join(words)}.")


def _draw_windows(axes: Axes, size: int, window: int, stride: int, padding: int) -> None:
    length = size + 2 * padding
    for i in range(length):
        is_pixel = padding <= i < padding + size
        color, line = ("0.85", "-") if is_pixel else ("white", ":")
        axes.add_patch(Rectangle((i, 0), 1, 1, edgecolor="0.45", facecolor=color, linestyle=line))
    for k, start in enumerate(range(0, length - window + 1, stride)):
        y = 0.22 + 0.4 * (k % 2) * (stride < window)  # neighbors that overlap lie at two heights
        _draw_bar(axes, start, window, -y, SERIES[0])
        _draw_bar(axes, length - start - window, window, 1 + y, ORANGE)


def _draw_bar(axes: Axes, start: int, window: int, y: float, color: str) -> None:
    axes.plot([start + 0.1, start + window - 0.1], [y, y], color=color, linewidth=5, solid_capstyle="butt")


def error_curves(
    curves: Mapping[str, Sequence[float]], places: Sequence[float], xlabel: str, logarithmic: bool = True
) -> Picture:
    """Equivariance errors as lines over ``places``, on a logarithmic axis (with 0 drawn at its foot) or a plain one.

    Raises ValueError for more than four lines, or one that has not one error for each place.
    """
    if len(curves) > len(LOOKS):
        raise ValueError(f"at most {len(LOOKS)} lines can be told apart, got {len(curves)}: {list(curves)}")
    figure = new_figure(7.0, 3.8)
    axes = figure.subplots()
    for (name, errors), (color, dash, marker) in zip(curves.items(), LOOKS, strict=False):
        if len(errors) != len(places):
            raise ValueError(f"{name!r} has {len(errors)} errors for {len(places)} places")
        drawn = np.maximum(errors, SMALLEST_DRAWN) if logarithmic else np.asarray(errors)
        axes.plot(places, drawn, color=color, linestyle=dash, marker=marker, markersize=4, label=name, lw=1.8)
    if logarithmic:
        axes.set_yscale("log")
        axes.set_ylim(SMALLEST_DRAWN, 10)
    else:
        axes.set_xticks(np.arange(places[0], places[-1] + 1, 15))  # angles
    axes.set(xlabel=xlabel, ylabel="relative error")
    axes.grid(color="0.9")
    axes.spines[["top", "right"]].set_visible(False)
    name_lines(axes, at=-1 if logarithmic else -2)  # at the last angle all errors may be 0
    words = "; ".join(f"{name}: largest {_coarse(max(errors))}" for name, errors in curves.items())
    return Picture.from_figure(figure, f"Relative error against {xlabel}. {words}.")


def _coarse(error: float) -> str:
    """Without the digits of rounding, which differ from machine to machine."""
    limits = {"below 1e-10": 1e-10, "below 1e-4": 1e-4}
    return next((words for words, limit in limits.items() if error < limit), f"{error:.2g}")


def shares(table: Mapping[str, Mapping[str, float]], ylabel: str) -> Picture:
    """Groups of bars from 0 to 1: one group for each inner name, in it one bar for each outer name.

    Raises ValueError if the outer names have not the same inner ones.
    """
    names = list(next(iter(table.values())))
    if any(list(row) != names for row in table.values()):
        raise ValueError(f"every row needs the columns {names}")
    figure = new_figure(7.3, 3.8)
    axes = figure.subplots()
    width = 0.8 / len(table)
    for i, ((label, row), color) in enumerate(zip(table.items(), line_colors(table), strict=True)):
        places = np.arange(len(names)) + (i - (len(table) - 1) / 2) * width
        bars = axes.bar(places, list(row.values()), width * 0.92, color=color, label=label)
        axes.bar_label(bars, fmt="%.2f", fontsize=9, padding=2)
    axes.set_xticks(range(len(names)), names)
    axes.set(ylabel=ylabel, ylim=(0, 1.12))
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=len(table), frameon=False)
    words = "; ".join(
        f"{label}: " + ", ".join(f"{name} {value:.2f}" for name, value in row.items()) for label, row in table.items()
    )
    return Picture.from_figure(figure, f"Bars, {ylabel}. {words}.")
