"""Figures of notebook 08: the kernels that one pixel generates and ablations beside the published ones."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from course_lib.actions import act_on_feature_map
from course_lib.figures.picture import (
    Array,
    Picture,
    as_array,
    as_map,
    draw_grid,
    draw_map,
    draw_mark,
    new_figure,
    shared_scale,
)
from course_lib.figures.results import percent_ticks
from course_lib.figures.style import LINES, SERIES, frame
from course_lib.groups import IDENTITY, Element, Group, compose, inverse


class Sight(NamedTuple):
    """What the elements (pixel, h) make of an image (Y, X): a kernel each, (|H|, k, k), in the order of the group.

    ``moved_by`` is the g by which the image has been turned or mirrored before.
    """

    image: Any
    pixel: tuple[int, int]
    kernels: Any
    moved_by: Element = IDENTITY


def generated_kernels(sights: Mapping[str, Sight], group: Group) -> Picture:
    """A row for each sight: the image with the window around the pixel, then the kernel of every sheet.

    A frame has the color of the sheet that the kernel came from: g⁻¹h on the sheet h, after a move by g. The alt text
    says for each row whether its kernels are those of the first row, moved by g. Raises ValueError for other shapes.
    """
    side = min(1.45, 10.0 / (group.order + 1))
    figure = new_figure(side * (group.order + 1), (side + 0.3) * len(sights))
    grid = figure.subplots(len(sights), group.order + 1, squeeze=False)
    written = [as_array(sight.kernels) for sight in sights.values()]
    for kernels in written:
        if kernels.ndim != 3 or len(kernels) != group.order:
            raise ValueError(f"expected kernels of shape ({group.order}, k, k) on {group}, got {kernels.shape}")
    scale, words = shared_scale(written), []
    for row, (title, sight), kernels in zip(grid, sights.items(), written, strict=True):
        image, k = as_map(sight.image), kernels.shape[-1]
        draw_map(row[0], image - image.min(), shared_scale([image - image.min()]))
        draw_mark(row[0], sight.pixel[0] - k // 2, sight.pixel[1] - k // 2, k, width=2)
        row[0].set_title(title, fontsize=10)
        for axes, h, kernel in zip(row[1:], group.elements, kernels, strict=True):
            draw_map(axes, kernel, scale)
            draw_grid(axes, *kernel.shape)
            origin = compose(inverse(sight.moved_by), h)
            frame(axes, origin)
            name = f"sheet {h}" if origin == h else f"sheet {h} ← {origin}"
            axes.set_title(name, fontsize=10 if group.order <= 4 else 9)
        words.append(f"{title}: {_in_words(sight, kernels, written[0], group)}")
    return Picture.from_figure(figure, " ".join(words))


def _in_words(sight: Sight, kernels: Array, first: Array, group: Group) -> str:
    words = f"the {group.order} kernels that pixel (row {sight.pixel[0]}, column {sight.pixel[1]}) generates"
    if sight.moved_by == IDENTITY:
        return f"{words}."
    moved = as_array(act_on_feature_map(sight.moved_by, torch.from_numpy(first), group))
    same = np.abs(moved - kernels).max() < 1e-4 * np.abs(first).max()
    return f"{words}; they {'are' if same else 'are not'} those of the first row, moved by {sight.moved_by}."


def ablations(
    found: Mapping[str, Mapping[str, Sequence[float]]], published: Mapping[str, Mapping[str, float]]
) -> Picture:
    """Test errors in percent by hyperparameter, a column each: ours beside the published ones, on one logarithmic axis.

    ``published``: hyperparameter → setting → mean. ``found``: the same with one error per seed; may lack settings.
    """
    figure = new_figure(1.65 * len(published) + 0.6, 3.2)
    grid, words = figure.subplots(1, len(published), squeeze=False, sharey=True)[0], []
    for axes, (name, printed) in zip(grid, published.items(), strict=True):
        places = np.arange(len(printed))
        axes.plot(places - 0.12, list(printed.values()), "o", color=LINES, mfc="white", label="published")
        for place, setting in zip(places + 0.12, printed, strict=True):
            if errors := found[name].get(setting):
                axes.plot([place] * len(errors), errors, ".", color=SERIES[0], alpha=0.4)
                axes.plot(place, np.mean(errors), "o", color=SERIES[0], label="ours")
        axes.set(xticks=places, xticklabels=list(printed), xlim=(-0.5, len(printed) - 0.5), title=name, yscale="log")
        percent_ticks(axes.yaxis)
        axes.spines[["top", "right"]].set_visible(False)
        told = (f"{setting}: {np.mean(e):.1f} (published {printed[setting]:.2f})" for setting, e in found[name].items())
        words.append(f"{name}: {', '.join(told)}")
    grid[0].set_ylabel("test error, in % (logarithmic)")
    handles, labels = (entries[:2] for entries in grid[0].get_legend_handles_labels())
    figure.legend(handles, labels, frameon=False, loc="outside upper center", ncols=2)
    return Picture.from_figure(figure, f"Test errors in percent by hyperparameter, means. {'; '.join(words)}.")
