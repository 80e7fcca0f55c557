"""Figures of training: learning curves with their seeds, and accuracy against angle."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from course_lib.figures.labels import name_lines
from course_lib.figures.picture import Array, Picture, as_array, new_plot
from course_lib.figures.style import line_looks


def learning_curves(runs: Mapping[str, Any], ylabel: str = "validation accuracy") -> Picture:
    """One line for each of at most six names: the mean over seeds, with a band from the lowest to the highest seed.

    ``runs``: name → a `course_lib.training.History`, of which the validation accuracy is drawn, a sequence of numbers
    (one per epoch), or a list of either, one per seed.
    """
    curves = {name: _seeds(run) for name, run in runs.items()}
    figure, axes = new_plot(6.4, 4.0, xlabel="epoch", ylabel=ylabel)
    _draw_lines(axes, curves)
    axes.locator_params(axis="x", integer=True)
    axes.set_ylim(min(0, axes.get_ylim()[0]), 1 if "accuracy" in ylabel else None)  # a line at 0 lies above the edge
    if len(curves) > 1:
        name_lines(axes)
    else:  # a name beside the plot would leave half of the height empty
        axes.set_title(next(iter(curves)), fontsize=11)
    alt = "; ".join(f"{name}: {_trend(values)}" for name, values in curves.items())
    return Picture.from_figure(figure, f"Learning curves, {ylabel} by epoch. {alt}.")


def accuracy_by_angle(accuracies: Mapping[str, Any], angles: Sequence[float]) -> Picture:
    """Accuracy against the angle, in degrees, by which the test images are turned, of at most six networks.

    ``accuracies``: name → ``(angles,)``, or ``(seeds, angles)`` for a mean with a band.
    """
    curves = {name: _seeds(values) for name, values in accuracies.items()}
    figure, axes = new_plot(6.8, 4.0, xlabel="angle of the test image, in degrees", ylabel="accuracy", ylim=(0, 1))
    _draw_lines(axes, curves, np.asarray(angles))
    axes.plot(angles, np.full(len(angles), 0.1), ":", color="0.5", label="chance")
    axes.set_xticks(np.arange(np.ceil(min(angles) / 45) * 45, max(angles) + 1, 45))
    name_lines(axes)
    alt = "; ".join(f"{name}: {_extremes(values.mean(axis=0), angles)}" for name, values in curves.items())
    return Picture.from_figure(figure, f"Accuracy against the angle of the test image. {alt}.")


def _seeds(run: Any) -> Array:
    """(seeds, epochs) from a History, a sequence, or a list of either."""
    if isinstance(run, Sequence):
        run = [getattr(one, "validation_accuracy", one) for one in run]
    return np.atleast_2d(as_array(getattr(run, "validation_accuracy", run)))


def _draw_lines(axes: Axes, curves: Mapping[str, Array], places: Array | None = None) -> None:
    """(seeds, places) each; by default the places are epochs."""
    counts = {len(values) for values in curves.values()}
    if len(counts) == 1 < max(counts):  # said once for all
        axes.set_ylabel(f"{axes.get_ylabel()} (mean of {max(counts)})")
    for (name, values), (color, dash, marker) in zip(curves.items(), line_looks(curves), strict=True):
        x = np.arange(1, values.shape[1] + 1) if places is None else places
        style: dict[str, Any] = {"linestyle": dash, "marker": marker, "markevery": max(1, len(x) // 24), "lw": 2}
        seeds = f"mean of {len(values)}" if len(values) > 1 else "1 seed"
        label = f"{name} ({seeds})" if len(counts) > 1 else name
        axes.plot(x, values.mean(axis=0), color=color, label=label, mec="white", **style)
        if len(values) > 1:
            axes.fill_between(x, values.min(axis=0), values.max(axis=0), color=color, alpha=0.18, linewidth=0)
    axes.grid(color="0.9")


def _trend(values: Array) -> str:
    mean, last = values.mean(axis=0), values[:, -1]
    spread = f" (from {last.min():.3g} to {last.max():.3g} over {len(last)} seeds)" if len(last) > 1 else ""
    return f"from {mean[0]:.3g} to {mean[-1]:.3g} after {len(mean)} epochs{spread}"


def _extremes(mean: Array, angles: Sequence[float]) -> str:
    low, high = int(mean.argmin()), int(mean.argmax())
    return f"lowest {mean[low]:.3g} at {angles[low]:g}°, highest {mean[high]:.3g} at {angles[high]:g}°"
