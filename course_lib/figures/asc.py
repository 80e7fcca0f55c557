"""Where affine self convolution looks: weights window by window, and the gaze of a pixel. Notebook 09."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from torch import Tensor

from course_lib.figures.attention import Look, attention_map, draw_image, draw_looker, draw_strength, edges, look_words
from course_lib.figures.picture import Array, Picture, as_array, as_map, draw_map, new_figure, new_panels, shared_scale
from course_lib.figures.style import frame
from course_lib.groups import Element, Group

FADED = 0.7  # the gray that all else fades to; it recedes on a light and on a dark page


def gaze(weights: Tensor, group: Group, pixel: tuple[int, int], h: Element) -> Tensor:
    """What the element (pixel, h) pays to every pixel, (Y, X), from one head's (|H|, k², Y, X); 0 out of the window.

    ``weights`` is ``layer.attention(x)[image, head]`` of an affine self convolution.
    """
    return attention_map(weights.unsqueeze(1), group, pixel, h)[0]


def gaze_figure(looks: Mapping[str, Look], size: float = 1.85) -> Picture:
    """A panel for each look: the image, (Y, X) or (3, Y, X), the one that looks, and where it looks. On a gray image
    that is blue; on one with colors it keeps its color, and all else fades.

    The arrow points along its h; a panel has ``size`` inches. If all look from one pixel, its surroundings are shown.
    """
    figure, grid = new_panels(len(looks), 4, size, size + 0.3)
    words = []
    for axes, (title, look) in zip(grid, looks.items(), strict=True):
        image, attention = as_array(look.image), as_map(look.attention, "the attention")
        strength = attention / (attention.max() or 1.0)
        colors = under_gaze(image)
        if image.ndim == 3:
            share = strength[..., None] ** 0.7
            share[look.pixel] = 1  # it is to be compared with
            draw_image(axes, colors + 0.75 * (1 - share) * (FADED - colors))
        else:
            draw_image(axes, 1 - colors[..., 0])  # what is gray turns with a dark page
            draw_strength(axes, strength)
        if near := len({look.pixel for look in looks.values()}) == 1:
            show_near(axes, attention)
        draw_looker(axes, look, length=0.19 if near else 0.12)  # short of what it sees
        frame(axes, look.h)
        axes.set_title(title, fontsize=10)
        words.append(look_words(title, look, attention))
    return Picture.from_figure(figure, " ".join(words))


def show_near(axes: Axes, attention: Array) -> None:
    """Cut the picture down to the window and two pixels around it."""
    (top, left, bottom, right), (height, width) = edges(attention), attention.shape
    axes.set_xlim(max(left - 2, -0.5), min(right + 2, width - 0.5))
    axes.set_ylim(min(bottom + 2, height - 0.5), max(top - 2, -0.5))


def under_gaze(image: Array) -> Array:
    """(Y, X) or (3, Y, X) → (Y, X, 3) from 0 to 1; a gray image pale, with its strokes dark."""
    light = (image - image.min()) / (image.max() - image.min() or 1.0)
    return np.moveaxis(light, 0, -1) if image.ndim == 3 else np.repeat(1 - 0.45 * light[..., None], 3, axis=-1)


def weights_by_place(windows: Mapping[str, Any], weights: Mapping[str, Sequence[Any]]) -> Picture:
    """A row for each place: the window that it sees, then the weights, (k, k), that each kind of layer gives it.

    One color scale for each kind of layer, white at zero, with the numbers written in.
    """
    figure = new_figure(1.82 * (1 + len(weights)), 1.95 * len(windows) + 0.2)
    first, *others = figure.subplots(len(windows), 1 + len(weights), squeeze=False).T
    seen = [as_map(window, "a window") for window in windows.values()]
    for axes, name, window in zip(first, windows, seen, strict=True):
        axes.set_ylabel(name, fontsize=10)
        draw_map(axes, window, shared_scale(seen), values=True)
    first[0].set_title("what it sees", fontsize=10)
    words = []
    for column, (kind, given) in zip(others, weights.items(), strict=True):
        tables = [as_map(table, f"the weights of {kind!r}") for table in given]
        for axes, table in zip(column, tables, strict=True):
            draw_map(axes, table, shared_scale(tables), values=True)
        column[0].set_title(kind, fontsize=10)
        same = "the same" if all(np.allclose(table, tables[0]) for table in tables) else "not the same"
        words.append(f"{kind}: {same} at all places, from {np.min(tables):.2f} to {np.max(tables):.2f}")
    return Picture.from_figure(
        figure, f"Windows at {len(windows)} places of an image and the weights there. {'; '.join(words)}."
    )
