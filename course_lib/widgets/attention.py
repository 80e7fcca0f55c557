"""The attention explorer: choose a pixel, see where it looks, turn the image, and see whether the gaze follows."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import traitlets
from torch import Tensor

from course_lib.actions import act_on_image
from course_lib.checks import relative_error
from course_lib.figures.asc import gaze, gaze_figure, pale
from course_lib.figures.attention import Look
from course_lib.figures.picture import Picture, error_words
from course_lib.groups import Element, Group, compose, matrix
from course_lib.widgets.base import LARGEST, WidgetWithStill, number, script
from course_lib.widgets.frames import Turn, quantize, turns

Attention = Callable[[Tensor], Tensor]
STEPS = 65535  # a weight from 0 to 1 is sent as a whole number of two bytes


class AttentionExplorer(WidgetWithStill):
    """The widget that `attention_explorer` makes.

    Its position can be read and set: ``row`` and ``column`` of the pixel that looks, its ``sheet`` and the ``head`` by
    number, and the turn, ``degrees`` and ``mirror``.
    """

    _esm = script("attention.js")

    setup = traitlets.Dict().tag(sync=True)
    data = traitlets.Dict().tag(sync=True)
    row = traitlets.Int().tag(sync=True)
    column = traitlets.Int().tag(sync=True)
    sheet = traitlets.Int(0).tag(sync=True)
    head = traitlets.Int(0).tag(sync=True)
    degrees = traitlets.Int(90).tag(sync=True)
    mirror = traitlets.Bool(False).tag(sync=True)

    def __init__(self, attention: Attention, image: Tensor, group: Group, pixel: tuple[int, int]) -> None:
        self._group, self._image = group, image
        self._turns = list(turns(90, mirrors=group.has_mirrors or group.order == 1))
        self._images = [act_on_image(_element(turn), image) for turn in self._turns]
        given = [_weights_of(attention, moved, group, len(self._turns)) for moved in self._images]
        self._errors = [
            relative_error(weights, act_on_attention(turn, given[0], group))
            for turn, weights in zip(self._turns, given, strict=True)
        ]
        self._weights = [weights.nan_to_num(0, 0, 0) for weights in given]  # what is not finite is shown as 0
        super().__init__(setup=self._describe(), data=self._bytes(), row=pixel[0], column=pixel[1])

    def still(self) -> Picture:
        """The present position as a picture: the gaze of the pixel, and of the same spot in the turned image."""
        h, turn = self._group.elements[self.sheet], Turn(self.degrees, self.mirror)
        index = self._turns.index(turn)
        carried = self._group.elements[self._carry(turn)[self.sheet]]
        places = [((self.row, self.column), h), (carried_pixel(turn, (self.row, self.column), self._size), carried)]
        titles = [f"the image, sheet {h}", f"turned by {turn}, sheet {carried}"]
        looks = {}
        for title, (pixel, k), i in zip(titles, places, (0, index), strict=True):
            attention = gaze(self._weights[i][self.head], self._group, pixel, k)
            looks[title] = Look(_as_shown(self._images[i]), pixel, k, attention)
        picture = gaze_figure(looks, size=3.4)
        error = f"Relative equivariance error over all pixels: {error_words(self._errors[index])}."
        words = f"{picture.alt} {error} In JupyterLab this is a widget: choose a pixel, and turn."
        return Picture(picture.image, words)

    @property
    def _size(self) -> int:
        return self._image.shape[-1]

    def _carry(self, turn: Turn) -> list[int]:
        """The sheet that h goes to, for every h; where the turn is no element of the group, as under the nearest."""
        nearest = turn.nearest(self._group)
        return [self._group.index(compose(nearest, h)) for h in self._group.elements]

    def _describe(self) -> dict[str, Any]:
        heads, _, neighbors = self._weights[0].shape[:3]
        frames = [
            {
                "degrees": turn.degrees, "mirror": turn.mirror, "name": str(turn), "carry": self._carry(turn),
                "element": turn.is_element(self._group), "nearest": str(turn.nearest(self._group)),
                "error": number(error),
            }
            for turn, error in zip(self._turns, self._errors, strict=True)
        ]  # fmt: skip
        return {
            "group": str(self._group), "sheets": [str(h) for h in self._group.elements], "heads": heads,
            "ahead": [matrix(h)[:, 0].tolist() for h in self._group.elements], "size": self._size,
            "window": math.isqrt(neighbors), "mirrors": len(self._turns) > 4, "frames": frames,
        }  # fmt: skip

    def _bytes(self) -> dict[str, bytes]:
        """Weights (turn, head, sheet, k², Y, X), two bytes each, the lower first; pale images (turn, Y, X, 3)."""
        weights = np.stack([weights.numpy() for weights in self._weights])
        images = [quantize(pale(_as_shown(image).numpy()), 0, 1) for image in self._images]
        return {
            "weights": np.rint(STEPS * weights).astype("<u2").tobytes(),
            "images": b"".join(image.tobytes() for image in images),
        }


def attention_explorer(
    attention: Attention, image: Tensor, group: Group, pixel: tuple[int, int] | None = None
) -> AttentionExplorer:
    """An interactive view of where pixels look, in an image and in the same image turned, which is computed afresh.

    Args:
        attention: from an image (1, C, Y, X) to weights (heads, |H|, k², Y, X) that sum to 1 over the k² neighbors,
            such as ``lambda image: layer.attention(lift(image))[0]`` with one of the layers of notebook 09.
        image: ``(1, C, Y, X)``, square. Three channels are shown as colors, otherwise the first in gray.
        group: the group of the layer. The image turns by quarter turns, and is mirrored if the group has mirrors or is
            C1; where that is no element of the group, sheets are permuted as under the nearest.
        pixel: (row, column) of the one that looks first; by default the middle.

    Everything is computed now, and the widget works without a kernel. Raises ValueError for an image that is not
    square, weights of another shape, a pixel outside of the image, or more weights than a page should hold.
    """
    if image.ndim != 4 or len(image) != 1 or image.shape[-1] != image.shape[-2]:
        raise ValueError(f"image must be one square image (1, C, Y, X), got shape {tuple(image.shape)}")
    size = image.shape[-1]
    pixel = pixel or (size // 2, size // 2)
    if not all(0 <= place < size for place in pixel):
        raise ValueError(f"pixel {pixel} lies outside of the image of {size} × {size} pixels")
    return AttentionExplorer(attention, image, group, pixel)


def carried_pixel(turn: Turn, pixel: tuple[int, int], size: int) -> tuple[int, int]:
    """Where a pixel of a size × size image goes under a quarter turn and mirror."""
    row, column = pixel
    for _ in range(turn.degrees // 90):
        row, column = size - 1 - column, row
    return row, size - 1 - column if turn.mirror else column


def act_on_attention(turn: Turn, weights: Tensor, group: Group) -> Tensor:
    """α(u⁻¹g, u⁻¹y) for (…, |H|, k², Y, X): pixels and windows turn, sheets move as under the nearest element."""
    k = math.isqrt(weights.shape[-3])
    g, permuted = _element(turn), weights[..., group.permutation(turn.nearest(group)), :, :, :]
    turned = act_on_image(g, permuted).unflatten(-3, (k, k))  # (…, |H|, k, k, Y, X)
    return act_on_image(g, turned.movedim((-4, -3), (-2, -1))).movedim((-2, -1), (-4, -3)).flatten(-4, -3)


def _element(turn: Turn) -> Element:
    return Element(int(turn.mirror), turn.degrees // 90 % 4)


def _weights_of(attention: Attention, image: Tensor, group: Group, count: int) -> Tensor:
    with torch.no_grad():
        weights = attention(image).cpu()
    size = image.shape[-1]
    k = math.isqrt(weights.shape[2]) if weights.ndim == 5 else 0
    if weights.ndim != 5 or weights.shape[1:] != (group.order, k**2, size, size) or k % 2 == 0:
        raise ValueError(
            f"attention must give weights (heads, {group.order}, k², {size}, {size}), k odd, got "
            f"{tuple(weights.shape)}; of layer.attention(x) take one image, [0]"
        )
    if 2 * count * weights.numel() > LARGEST:
        raise ValueError(
            f"{2 * count * weights.numel() / 1e6:.0f} MB of weights are more than a page should hold "
            f"({LARGEST / 1e6:.0f} MB): take a smaller image or window, or fewer heads"
        )
    return weights


def _as_shown(image: Tensor) -> Tensor:
    """(1, C, Y, X) → (3, Y, X) in colors or (Y, X) in gray."""
    return image[0].cpu() if image.shape[1] == 3 else image[0, 0].cpu()
