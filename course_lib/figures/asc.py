"""Where affine self convolution looks: weights window by window, and the gaze of a pixel. Notebook 09."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from torch import Tensor

from course_lib.figures.attention import Look, attention_map, draw_looker
from course_lib.figures.picture import Picture, as_array, as_map, draw_map, new_figure, shared_scale
from course_lib.figures.style import frame
from course_lib.groups import Element, Group

FloatArray = np.ndarray[Any, Any]


def gaze(weights: Tensor, group: Group, pixel: tuple[int, int], h: Element) -> Tensor:
    """What the element (pixel, h) pays to every pixel, (Y, X), from one head's (|H|, k², Y, X); 0 out of the window.

    ``weights`` is ``layer.attention(x)[image, head]`` of an affine self convolution.
    """
    return attention_map(weights.unsqueeze(1), group, pixel, h)[0]


def gaze_figure(looks: Mapping[str, Look], columns: int = 4, size: float = 1.85) -> Picture:
    """A panel for each look: the image, pale, (Y, X) or (3, Y, X), the one that looks, and blue where it looks.

    The arrow points along its h; a panel has ``size`` inches. Raises ValueError if the attention has not the shape of
    the image.
    """
    if not looks:
        raise ValueError("gaze_figure needs at least one look: {'title': Look(image, pixel, h, attention)}")
    rows = -(-len(looks) // columns)
    figure = new_figure(size * min(columns, len(looks)), (size + 0.3) * rows)
    grid = figure.subplots(rows, min(columns, len(looks)), squeeze=False)
    for axes in grid.flat[len(looks) :]:
        axes.set_axis_off()
    words = []
    for axes, (title, look) in zip(grid.flat, looks.items(), strict=False):
        attention = as_map(look.attention, "the attention")
        draw_gaze(axes, as_array(look.image), attention)
        draw_looker(axes, look)
        frame(axes, look.h)
        axes.set_title(title, fontsize=10)
        words.append(_in_words(title, look, attention))
    return Picture.from_figure(figure, " ".join(words))


def draw_gaze(axes: Axes, image: FloatArray, attention: FloatArray) -> None:
    """The image, pale, under blue of the strength of the attention."""
    if attention.shape != image.shape[-2:]:
        raise ValueError(f"expected attention of shape {image.shape[-2:]}, like the image, got {attention.shape}")
    shown = pale(image) if image.ndim == 3 else 1 - pale(image)[..., 0]  # what is gray turns with a dark page
    axes.imshow(shown, cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_color("0.6")
    strength = np.sqrt(attention / (attention.max() or 1.0))  # the root, so that faint looks show too
    axes.imshow(np.ones_like(attention), cmap="Blues", vmin=0, vmax=1.2, alpha=strength, interpolation="nearest")


def pale(image: FloatArray) -> FloatArray:
    """(Y, X) or (3, Y, X) → (Y, X, 3), paler; a gray image with its strokes dark."""
    span = image.max() - image.min() or 1.0
    light = (image - image.min()) / span
    rgb = np.moveaxis(light, 0, -1) if image.ndim == 3 else np.repeat(1 - light[..., None], 3, axis=-1)
    return np.asarray(0.35 + 0.65 * rgb)


def _in_words(title: str, look: Look, attention: FloatArray) -> str:
    row, col = np.unravel_index(attention.argmax(), attention.shape)
    return (
        f"{title}: the pixel in row {look.pixel[0]}, column {look.pixel[1]}, on sheet {look.h}, looks most at "
        f"row {row}, column {col}."
    )


def weights_by_place(windows: Sequence[Any], weights: Mapping[str, Sequence[Any]]) -> Picture:
    """A row for each place: the window that it sees, then the weights, (k, k), that each kind of layer gives it.

    One color scale for each kind of layer, white at zero, with the numbers written in. Raises ValueError if a kind has
    not as many tables as there are windows.
    """
    figure = new_figure(2.1 * (1 + len(weights)), 2.2 * len(windows) + 0.2)
    grid = figure.subplots(len(windows), 1 + len(weights), squeeze=False)
    seen = [as_map(window, "a window") for window in windows]
    for axes, window in zip(grid[:, 0], seen, strict=True):
        draw_map(axes, 1 - window, shared_scale([1 - w for w in seen]), values=False)
        axes.images[0].set_cmap("gray")
    grid[0, 0].set_title("what it sees", fontsize=10)
    words = []
    for column, (kind, given) in zip(grid.T[1:], weights.items(), strict=True):
        if len(given) != len(windows):
            raise ValueError(f"{kind!r} has {len(given)} tables of weights for {len(windows)} windows")
        tables = [as_map(table, f"the weights of {kind!r}") for table in given]
        for axes, table in zip(column, tables, strict=True):
            draw_map(axes, table, shared_scale(tables), values=True)
        column[0].set_title(kind, fontsize=10)
        same = all(np.allclose(table, tables[0]) for table in tables)
        words.append(f"{kind}: {'the same' if same else 'not the same'} at all places, from {_span(tables)}")
    return Picture.from_figure(
        figure, f"Windows at {len(windows)} places of an image and the weights there. {'; '.join(words)}."
    )


def _span(tables: list[FloatArray]) -> str:
    return f"{min(t.min() for t in tables):.2f} to {max(t.max() for t in tables):.2f}"
