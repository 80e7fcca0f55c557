"""Figures of notebook 05: windows seen from both borders, errors as curves, and shares side by side."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from course_lib.figures.labels import name_lines
from course_lib.figures.picture import Picture, new_figure, new_plot
from course_lib.figures.style import LOOKS, SERIES, line_looks
from course_lib.layers.base import left_over

ORANGE = "#C9722B"  # beside the blue of SERIES; no element has it
SMALLEST_DRAWN = 1e-17  # a logarithmic axis has no zero


def windows_from_both_sides(cases: Mapping[str, tuple[int, int, int, int]]) -> Picture:
    """Rows of pixels, with the windows of a layer below them, and above them the windows seen from the other border.

    ``cases``: title → (size, window, stride, padding), as `layers.base.left_over` takes them.
    """
    figure = new_figure(6.6, 1.3 * len(cases))
    grid = figure.subplots(len(cases), 1, squeeze=False)[:, 0]
    lengths, words = [size + 2 * padding for size, _, _, padding in cases.values()], []
    for axes, (title, case) in zip(grid, cases.items(), strict=True):
        _draw_windows(axes, *case)
        rest = left_over(*case)
        verdict = "the same from both sides" if rest == 0 else f"{rest} left over, not the same from both sides"
        axes.set_title(f"{title}: {verdict}", fontsize=11, loc="left")
        axes.set(xlim=(-0.2, max(lengths) + 0.2), ylim=(-0.95, 1.95), aspect="equal", anchor="W")
        axes.set_axis_off()
        words.append(f"{title}, {verdict}")
    for y, side, color in ((-0.42, "left", SERIES[0]), (1.42, "right", ORANGE)):
        name = f"from the {side}"
        grid[0].text(lengths[0] + 0.3, y, name, va="center", fontsize=10, color=color, in_layout=False)
    return Picture.from_figure(figure, f"Windows from the left border and from the right one. {'; '.join(words)}.")


def _draw_windows(axes: Axes, size: int, window: int, stride: int, padding: int) -> None:
    length = size + 2 * padding
    for i in range(length):
        color, line = ("0.85", "-") if padding <= i < padding + size else ("white", ":")
        axes.add_patch(Rectangle((i, 0), 1, 1, edgecolor="0.45", facecolor=color, linestyle=line))
    for k, start in enumerate(range(0, length - window + 1, stride)):
        y = 0.22 + 0.4 * (k % 2) * (stride < window)  # neighbors that overlap lie at two heights
        for left, height, color in ((start, -y, SERIES[0]), (length - start - window, 1 + y, ORANGE)):
            ends = [left + 0.1, left + window - 0.1]
            axes.plot(ends, [height, height], color=color, linewidth=5, solid_capstyle="butt")


def error_curves(
    curves: Mapping[str, Sequence[float]], places: Sequence[float], xlabel: str, logarithmic: bool = True
) -> Picture:
    """Equivariance errors, at most four lines, on a logarithmic axis (with 0 drawn at its foot) or a plain one."""
    figure, axes = new_plot(7.0, 3.8, xlabel=xlabel, ylabel="relative error")
    for (name, errors), (color, dash, marker) in zip(curves.items(), LOOKS[: len(curves)], strict=True):
        drawn = np.maximum(errors, SMALLEST_DRAWN) if logarithmic else np.asarray(errors)
        axes.plot(places, drawn, color=color, linestyle=dash, marker=marker, markersize=4, label=name, lw=1.8)
    if logarithmic:
        axes.set(yscale="log", ylim=(SMALLEST_DRAWN, 10))
    else:
        axes.set_xticks(np.arange(places[0], places[-1] + 1, 15))  # angles
    axes.grid(color="0.9")
    name_lines(axes)
    words = "; ".join(f"{name}: largest {_coarse(max(errors))}" for name, errors in curves.items())
    return Picture.from_figure(figure, f"Relative error against {xlabel}. {words}.")


def _coarse(error: float) -> str:
    """Without the digits of rounding, which differ from machine to machine."""
    limits = {"below 1e-10": 1e-10, "below 1e-4": 1e-4}
    return next((words for words, limit in limits.items() if error < limit), f"{error:.2g}")


def share_bars(table: Mapping[str, Mapping[str, float | Sequence[float]]], ylabel: str) -> Picture:
    """Groups of bars from 0 to 1: one group for each inner name, in it one bar for each outer name.

    A bar shows one number, which is written above it, or the mean of one for each seed, with a line from the smallest
    to the largest.
    """
    names = list(next(iter(table.values())))
    figure, axes = new_plot(7.3, 3.8, ylabel=ylabel)
    width, words = 0.8 / len(table), []
    for i, ((label, row), (color, *_)) in enumerate(zip(table.items(), line_looks(table), strict=True)):
        values = [np.atleast_1d(np.asarray(row[name], dtype=float)) for name in names]
        low, means, high = (np.array([choose(value) for value in values]) for choose in (np.min, np.mean, np.max))
        places = np.arange(len(names)) + (i - (len(table) - 1) / 2) * width
        bars = axes.bar(places, means, width * 0.92, color=color, label=label)
        if max(map(len, values)) > 1:
            axes.errorbar(places, means, [means - low, high - means], fmt="none", color="black", capsize=2, lw=1)
        else:
            axes.bar_label(bars, fmt="%.2f", fontsize=9, padding=2)
        words.append(f"{label}: {', '.join(f'{name} {mean:.2f}' for name, mean in zip(names, means, strict=True))}")
    axes.set_xticks(range(len(names)), names)
    axes.set_ylim(0, min(1.12, 1.1 * axes.get_ylim()[1]))
    figure.legend(loc="outside upper center", ncols=len(table), frameon=False)
    return Picture.from_figure(figure, f"Bars, {ylabel}. {'; '.join(words)}.")
