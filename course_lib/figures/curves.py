"""Figures of training: learning curves with their seeds, accuracy against angle, one number for each seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from course_lib.figures.labels import name_lines
from course_lib.figures.picture import Picture, as_array, new_figure
from course_lib.figures.style import SERIES, line_colors

FloatArray = np.ndarray[Any, Any]
# Color, dash and marker all differ, so that any one of them tells the lines apart.
LOOKS = list(zip(SERIES, ("-", "--", ":", "-."), ("o", "s", "^", "D"), strict=False))


def learning_curves(runs: Mapping[str, Any], metric: str = "validation_accuracy", ylabel: str | None = None) -> Picture:
    """One line for each name: the mean over seeds, with a band from the lowest to the highest seed.

    Args:
        runs: name → a `course_lib.training.History`, a sequence of numbers (one per epoch), or a list of either,
            one per seed. Seeds of one name must have the same number of epochs.
        metric: which list of a History to draw.
        ylabel: by default the metric's name.

    Raises ValueError if there is no name or more than four, or a run has no epochs.
    """
    if not runs:
        raise ValueError("expected runs of at least one name, got none: there is no curve to draw")
    curves = {name: _seeds(name, run, metric) for name, run in runs.items()}
    ylabel = ylabel or metric.replace("_", " ")
    figure = new_figure(6.4, 4.0)
    axes = figure.subplots()
    _draw_lines(axes, curves, {name: np.arange(1, values.shape[1] + 1) for name, values in curves.items()})
    axes.set(xlabel="epoch", ylabel=ylabel)
    axes.locator_params(axis="x", integer=True)
    if "accuracy" in ylabel:
        axes.set_ylim(0, 1)
    name_lines(axes)
    alt = "; ".join(f"{name}: {_trend(values)}" for name, values in curves.items())
    return Picture.from_figure(figure, f"Learning curves, {ylabel} by epoch. {alt}.")


def accuracy_by_angle(accuracies: Mapping[str, Any], angles: Sequence[float]) -> Picture:
    """Accuracy against the angle by which the test images are turned.

    Args:
        accuracies: name → ``(angles,)``, or ``(seeds, angles)`` for a mean with a band.
        angles: in degrees.

    Raises ValueError if a name has another number of values than there are angles.
    """
    curves = {name: _seeds(name, values, "") for name, values in accuracies.items()}
    for name, values in curves.items():
        if values.shape[1] != len(angles):
            raise ValueError(f"{name!r} has {values.shape[1]} accuracies for {len(angles)} angles")
    figure = new_figure(6.8, 4.0)
    axes = figure.subplots()
    _draw_lines(axes, curves, {name: np.asarray(angles) for name in curves})
    axes.axhline(0.1, color="0.5", linestyle=":")
    axes.annotate("chance", (1, 0.1), xycoords=("axes fraction", "data"), ha="right", va="bottom", color="0.4")
    axes.set(xlabel="angle of the test image, in degrees", ylabel="accuracy", ylim=(0, 1))
    axes.set_xticks(np.arange(np.ceil(min(angles) / 45) * 45, max(angles) + 1, 45))
    name_lines(axes)
    alt = "; ".join(f"{name}: {_extremes(values.mean(axis=0), angles)}" for name, values in curves.items())
    return Picture.from_figure(figure, f"Accuracy against the angle of the test image. {alt}.")


def dots_by_name(values: Mapping[str, float | Sequence[float]], xlabel: str) -> Picture:
    """A line for each name with a circle for each number (seeds), and a stroke with its number at their mean.

    Circles that would overlap stand a little above and below the line.
    """
    seeds = {name: np.atleast_1d(as_array(value)) for name, value in values.items()}
    if not seeds:
        raise ValueError("dots_by_name needs at least one value: dots_by_name({'name': 0.5}, xlabel='accuracy')")
    figure = new_figure(6.4, 0.62 * len(seeds) + 0.9)
    axes = figure.subplots()
    for i, (value, color) in enumerate(zip(seeds.values(), line_colors(seeds), strict=True)):
        gaps = np.diff(np.sort(value), prepend=-np.inf, append=np.inf)
        is_near = np.minimum(gaps[:-1], gaps[1:]) < 0.04 * max(map(np.max, seeds.values()))
        axes.plot(
            np.sort(value),
            i + 0.12 * is_near * (-1) ** np.arange(len(value)),
            "o",
            color=color,
            mfc="none",
            mew=1.8,
            ms=9,
        )
        axes.plot([value.mean()] * 2, [i - 0.3, i + 0.3], color=color, lw=2.5)
        axes.annotate(f"{value.mean():#.3g}", (value.mean(), i - 0.34), ha="center", va="bottom", color=color)
    axes.set_yticks(range(len(seeds)), list(seeds))
    axes.set(xlabel=xlabel, ylim=(len(seeds) - 0.5, -0.75))
    axes.set_xlim(left=0)
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    alt = "; ".join(f"{name}: {value.mean():.3g}" for name, value in seeds.items())
    return Picture.from_figure(figure, f"Dots, {xlabel}, and their means. {alt}.")


def _seeds(name: str, run: Any, metric: str) -> FloatArray:
    """(seeds, epochs) from a History, a sequence, or a list of either."""
    if hasattr(run, metric or " "):
        run = getattr(run, metric)
    elif isinstance(run, Sequence) and run and hasattr(run[0], metric or " "):
        run = [getattr(history, metric) for history in run]
    values = np.atleast_2d(as_array(run))
    if values.ndim != 2 or not values.size:
        raise ValueError(f"{name!r} must be numbers, one per step, or a list of such runs, got shape {values.shape}")
    return values


def _draw_lines(axes: Axes, curves: Mapping[str, FloatArray], places: Mapping[str, FloatArray]) -> None:
    if len(curves) > len(LOOKS):
        raise ValueError(f"at most {len(LOOKS)} lines can be told apart, got {len(curves)}: {list(curves)}")
    for (name, values), color, (_, dash, marker) in zip(curves.items(), line_colors(curves), LOOKS, strict=False):
        x, every = places[name], max(1, values.shape[1] // 24)
        label = f"{name} (mean of {len(values)})" if len(values) > 1 else name
        axes.plot(
            x, values.mean(axis=0), color=color, linestyle=dash, marker=marker, markevery=every, label=label, lw=2
        )
        if len(values) > 1:
            axes.fill_between(x, values.min(axis=0), values.max(axis=0), color=color, alpha=0.18, linewidth=0)
    axes.grid(color="0.9")
    axes.spines[["top", "right"]].set_visible(False)


def _trend(values: FloatArray) -> str:
    mean, last = values.mean(axis=0), values[:, -1]
    spread = f" (from {last.min():.3g} to {last.max():.3g} over {len(last)} seeds)" if len(last) > 1 else ""
    return f"from {mean[0]:.3g} to {mean[-1]:.3g} after {len(mean)} epochs{spread}"


def _extremes(mean: FloatArray, angles: Sequence[float]) -> str:
    low, high = int(mean.argmin()), int(mean.argmax())
    return f"lowest {mean[low]:.3g} at {angles[low]:g}°, highest {mean[high]:.3g} at {angles[high]:g}°"
