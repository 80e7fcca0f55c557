"""Where a pixel looks: the attention of one element of Z² ⋊ H, sheet by sheet, over the image. Notebook 07."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from torch import Tensor

from course_lib.figures.picture import Array, Picture, as_array, as_map, draw_mark, new_figure
from course_lib.figures.style import MARK, frame
from course_lib.groups import Element, Group, matrix

BLUE = "#1257C8"  # where it looks


class Look(NamedTuple):
    """The element that looks, (pixel, h), the image (Y, X) it stands on, and its attention (|H̃|, Y, X)."""

    image: Any
    pixel: tuple[int, int]
    h: Element
    attention: Any


def attention_map(weights: Tensor, group: Group, pixel: tuple[int, int], h: Element) -> Tensor:
    """What the element (pixel, h) pays to every place, (|H̃|, Y, X), from one head's (|H|, |H̃|, k², Y, X).

    ``weights`` is ``layer.attention(x)[image, head]``; zero outside of the window.
    """
    row, col = pixel
    k, (height, width) = math.isqrt(weights.shape[2]), weights.shape[-2:]
    window = weights[group.index(h), :, :, row, col].unflatten(-1, (k, k))
    reach = k // 2  # the window lies around the pixel; what of it lies outside of the map is cut off
    return F.pad(window, (col - reach, width - 1 - col - reach, row - reach, height - 1 - row - reach))


def attention_figure(looks: Mapping[str, Look], group: Group) -> Picture:
    """A row for each look: the image with the one that looks, an arrow along its h, then a panel for each sheet.

    Above each sheet stands the share of the attention that goes there. Raises ValueError for other shapes.
    """
    figure = new_figure(1.45 * (group.order + 1), 1.8 * len(looks))
    grid, words = figure.subplots(len(looks), group.order + 1, squeeze=False), []
    for row, (title, look) in zip(grid, looks.items(), strict=True):
        image, attention = as_map(look.image), as_array(look.attention)
        if attention.shape != (group.order, *image.shape):
            raise ValueError(f"expected attention of shape {(group.order, *image.shape)}, got {attention.shape}")
        shares = [f"sheet {h}: {100 * sheet.sum():.0f} %" for h, sheet in zip(group.elements, attention, strict=True)]
        for axes, words_above in zip(row, (title, *shares), strict=True):
            draw_image(axes, image, image.min(), 3 * image.max())
            axes.set_title(words_above, fontsize=10)
        draw_looker(row[0], look)
        for axes, h, sheet in zip(row[1:], group.elements, attention, strict=True):
            frame(axes, h)
            draw_strength(axes, sheet / attention.max())
        words.append(look_words(title, look, attention, group))
    return Picture.from_figure(figure, " ".join(words))


def draw_image(axes: Axes, image: Array, low: float = 0, high: float = 1) -> None:
    axes.imshow(image, cmap="gray_r", vmin=low, vmax=high, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_color("0.6")


def draw_strength(axes: Axes, attention: Array) -> None:
    """Blue over an image, for attention from 0 to 1, and a line around its window."""
    strength = np.sqrt(attention)  # so that faint looks show too
    top, left, bottom, right = edges(attention)
    axes.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, ec="0.5", lw=1))
    axes.imshow(np.ones_like(attention), cmap=ListedColormap([BLUE]), alpha=strength, interpolation="nearest")


def edges(attention: Array) -> tuple[float, float, float, float]:
    """The edges of what is not zero, in the coordinates of the picture: top, left, bottom and right; all if all is."""
    seen = np.argwhere(attention) if attention.any() else np.argwhere(attention == 0)
    return (*(seen.min(axis=0) - 0.5), *(seen.max(axis=0) + 0.5))


def draw_looker(axes: Axes, look: Look, length: float = 0.19) -> None:
    row, col = look.pixel
    x, y = length * np.ptp(axes.get_xlim()) * matrix(look.h)[:, 0]
    edge = withStroke(linewidth=4.5, foreground="white")  # on a photograph it could not be told apart
    style = {"arrowstyle": "-|>", "color": MARK, "linewidth": 2.0, "path_effects": [edge]}
    axes.annotate("", (col + x, row - y), (col + x / 9, row - y / 9), arrowprops=style)
    draw_mark(axes, row - 0.25, col - 0.25, side=1.5, width=1.8)  # around the pixel, whose color stays seen


def look_words(title: str, look: Look, attention: Array, group: Group | None = None) -> str:
    """For alt text: where the look goes; with a group, ``attention`` has a sheet for each element."""
    *sheet, row, col = (int(i) for i in np.unravel_index(attention.argmax(), attention.shape))
    on_sheet = f", on sheet {group.elements[sheet[0]]}" if group else ""
    return (
        f"{title}: the pixel in row {look.pixel[0]}, column {look.pixel[1]}, on sheet {look.h}, looks most at "
        f"row {row}, column {col}{on_sheet}."
    )
