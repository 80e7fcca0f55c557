"""Figures of notebook 08: the kernels that one pixel generates and ablations beside the published ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from course_lib.figures.picture import Picture, as_array, as_map, draw_map, new_figure, shared_scale
from course_lib.figures.style import MARK, SERIES, frame
from course_lib.groups import Element, Group, compose, inverse


class Sight(NamedTuple):
    """What the elements (pixel, h) make of an image (Y, X): a kernel each, (|H|, k, k), in the order of the group.

    ``moved_by`` is the g by which the image has been turned or mirrored before.
    """

    image: Any
    pixel: tuple[int, int]
    kernels: Any
    moved_by: Element = Element(0, 0)


def generated_kernels(sights: Mapping[str, Sight], group: Group) -> Picture:
    """A row for each sight: the image with the window around the pixel, then the kernel of every sheet.

    A frame has the color of the sheet that the kernel came from: g⁻¹h on the sheet h, after a move by g. The alt text
    says for each row whether its kernels are those of the first row, moved by g. Raises ValueError for other shapes.
    """
    side = min(1.5, 10.0 / (group.order + 1))
    figure = new_figure(side * (group.order + 1), (side + 0.3) * len(sights))
    grid = figure.subplots(len(sights), group.order + 1, squeeze=False)
    kernels = {title: _require_kernels(sight, group) for title, sight in sights.items()}
    scale = shared_scale(list(kernels.values()))
    names = 10 if group.order <= 4 else 9
    for row, (title, sight) in zip(grid, sights.items(), strict=True):
        _draw_window(row[0], as_map(sight.image), sight.pixel, kernels[title].shape[-1])
        row[0].set_title(title, fontsize=10)
        for axes, h, kernel in zip(row[1:], group.elements, kernels[title], strict=True):
            draw_map(axes, kernel, scale)
            origin = compose(inverse(sight.moved_by), h)
            frame(axes, origin)
            axes.set_title(f"sheet {h}" if origin == h else f"sheet {h} ← {origin}", fontsize=names)
    first = next(iter(kernels.values()))
    words = [_in_words(title, sight, kernels[title], first, group) for title, sight in sights.items()]
    return Picture.from_figure(figure, " ".join(words))


def _require_kernels(sight: Sight, group: Group) -> np.ndarray[Any, Any]:
    kernels = as_array(sight.kernels)
    if kernels.ndim != 3 or len(kernels) != group.order:
        raise ValueError(f"expected kernels of shape ({group.order}, k, k) on {group}, got {kernels.shape}")
    return kernels


def _draw_window(axes: Axes, image: np.ndarray[Any, Any], pixel: tuple[int, int], k: int) -> None:
    row, col = pixel
    ink = image - image.min()
    draw_map(axes, ink, shared_scale([ink]))
    corner = (col - k / 2, row - k / 2)
    axes.add_patch(Rectangle(corner, k, k, fill=False, edgecolor=MARK, linewidth=2))


def _in_words(
    title: str, sight: Sight, kernels: np.ndarray[Any, Any], first: np.ndarray[Any, Any], group: Group
) -> str:
    words = f"{title}: the {group.order} kernels that pixel (row {sight.pixel[0]}, column {sight.pixel[1]}) generates"
    if sight.moved_by == Element(0, 0):
        return f"{words}."
    origins = [group.index(compose(inverse(sight.moved_by), h)) for h in group.elements]
    moved = np.stack([_turned(first[origin], sight.moved_by) for origin in origins])
    same = np.abs(moved - kernels).max() < 1e-4 * np.abs(first).max()
    return f"{words}; they {'are' if same else 'are not'} those of the first row, moved by {sight.moved_by}."


def _turned(kernel: np.ndarray[Any, Any], g: Element) -> np.ndarray[Any, Any]:
    turned = np.rot90(kernel, g.r)
    return turned[:, ::-1] if g.m else turned


def ablations(
    found: Mapping[str, Mapping[str, Sequence[float]]], published: Mapping[str, Mapping[str, tuple[float, float]]]
) -> Picture:
    """Test errors in percent by hyperparameter, a column each: ours above, the published ones below.

    Args:
        found: hyperparameter → setting → one error per seed; drawn as dots, with mean and standard deviation.
        published: the same with (mean, standard deviation).

    Raises ValueError if the two do not have the same hyperparameters and settings.
    """
    if {name: list(errors) for name, errors in found.items()} != {
        name: list(errors) for name, errors in published.items()
    }:
        raise ValueError("found and published must have the same hyperparameters and settings, in the same order")
    figure = new_figure(1.65 * len(found) + 0.6, 4.4)
    grid = figure.subplots(2, len(found), squeeze=False, sharey="row")
    for (above, below), (name, errors) in zip(grid.T, found.items(), strict=True):
        means = [float(np.mean(values)) for values in errors.values()]
        deviations = [float(np.std(values, ddof=1)) for values in errors.values()]
        _draw_errors(above, list(errors), means, deviations, SERIES[0])
        for i, values in enumerate(errors.values()):
            above.plot([i] * len(values), values, ".", color=SERIES[0], alpha=0.4)
        printed = list(published[name].values())
        _draw_errors(below, list(errors), [p[0] for p in printed], [p[1] for p in printed], SERIES[1])
        above.set_title(name, fontsize=11)
    for axes, label in zip(grid[:, 0], ("ours, in %", "published, in %"), strict=True):
        axes.set_ylabel(f"test error,\n{label}")
        axes.set_ylim(0, 1.08 * axes.get_ylim()[1])  # the largest must not lie on the edge
    words = [
        f"{name}: "
        + ", ".join(f"{s}: {np.mean(e):.1f} (published {published[name][s][0]:.2f})" for s, e in errors.items())
        for name, errors in found.items()
    ]
    return Picture.from_figure(figure, f"Test errors in percent by hyperparameter, means. {'; '.join(words)}.")


def _draw_errors(
    axes: Axes, settings: Sequence[str], means: Sequence[float], deviations: Sequence[float], color: str
) -> None:
    axes.errorbar(range(len(means)), means, deviations, color=color, marker="o", lw=1, capsize=4)
    axes.set_xticks(range(len(settings)), settings)
    axes.set_xlim(-0.5, len(settings) - 0.5)
    axes.grid(color="0.9", axis="y")
    axes.spines[["top", "right"]].set_visible(False)
