"""The attention explorer: choose a pixel, see where it looks, turn the image, and see whether the gaze follows."""

from typing import Any

import numpy as np
import traitlets
from torch import Tensor

from course_lib.actions import act_on_image
from course_lib.checks import relative_error
from course_lib.figures.asc import gaze, gaze_figure, under_gaze
from course_lib.figures.attention import Look
from course_lib.figures.captions import error_words
from course_lib.figures.picture import Picture
from course_lib.groups import Group, compose, matrix
from course_lib.widgets.base import HOW_TO, Layer, PixelExplorer, number, require_square, script
from course_lib.widgets.frames import Turn, quantize

STEPS = 65535  # a weight from 0 to 1 is sent as a whole number of two bytes


class AttentionExplorer(PixelExplorer):
    """The widget that `attention_explorer` makes.

    Its position can be read and set: ``row`` and ``column`` of the pixel that looks, its ``sheet`` and the ``head`` by
    number, and the turn, ``degrees`` and ``mirror``.
    """

    _esm = script("attention.js")

    sheet = traitlets.Int(0).tag(sync=True)
    head = traitlets.Int(0).tag(sync=True)

    def __init__(self, attention: Layer, image: Tensor, group: Group, pixel: tuple[int, int]) -> None:
        self._compute(attention, image, group, mirrors=group.has_mirrors or group.order == 1, leading="heads, ")
        expected = [act_on_attention(turn, self._weights[0], group) for turn in self._turns]
        self._errors = [relative_error(*pair) for pair in zip(self._weights, expected, strict=True)]
        self._weights = [weights.nan_to_num(0, 0, 0) for weights in self._weights]  # what is not finite is shown as 0
        row, column = pixel
        super().__init__(setup=self._describe(), data=self._bytes(), row=row, column=column, degrees=90)

    def still(self) -> Picture:
        """The present position as a picture: the gaze of the pixel, and of the same spot in the turned image."""
        elements, turn = self._group.elements, Turn(self.degrees, self.mirror)
        index = self._turns.index(turn)
        carried = elements[self._carry(turn)[self.sheet]]
        looks = {}
        for title, i, h in (("the image", 0, elements[self.sheet]), (f"turned by {turn}", index, carried)):
            pixel = self._pixel(self._turns[i])
            attention = gaze(self._weights[i][self.head], self._group, pixel, h)
            looks[f"{title}, looking from sheet {h}"] = Look(_as_shown(self._images[i]), pixel, h, attention)
        picture = gaze_figure(looks, size=3.4)
        error = f"Relative equivariance error over all pixels: {error_words(self._errors[index])}."
        return Picture(picture.image, f"{picture.alt} {error} {HOW_TO}")

    def _carry(self, turn: Turn) -> list[int]:
        """The sheet that h goes to, for every h; where the turn is no element of the group, as under the nearest."""
        nearest = turn.nearest(self._group)
        return [self._group.index(compose(nearest, h)) for h in self._group.elements]

    def _describe(self) -> dict[str, Any]:
        frames = [
            turn.describe(self._group) | {"carry": self._carry(turn), "error": number(error)}
            for turn, error in zip(self._turns, self._errors, strict=True)
        ]
        return {
            "group": str(self._group), "sheets": [str(h) for h in self._group.elements],
            "ahead": [matrix(h)[:, 0].tolist() for h in self._group.elements],
            "heads": len(self._weights[0]), "size": self._size, "window": self._window, "frames": frames,
        }  # fmt: skip

    def _bytes(self) -> dict[str, bytes]:
        """Weights (turn, head, sheet, k², Y, X), two bytes each, the lower first; images (turn, Y, X, 3)."""
        weights = np.stack([weights.numpy() for weights in self._weights])
        images = [quantize(under_gaze(_as_shown(image).numpy()), 0, 1) for image in self._images]
        return {
            "weights": np.rint(STEPS * weights).astype("<u2").tobytes(),
            "images": b"".join(image.tobytes() for image in images),
        }


def attention_explorer(
    attention: Layer, image: Tensor, group: Group, pixel: tuple[int, int] | None = None
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
    pixel = pixel or (image.shape[-1] // 2, image.shape[-1] // 2)
    require_square(image, pixel)
    return AttentionExplorer(attention, image, group, pixel)


def act_on_attention(turn: Turn, weights: Tensor, group: Group) -> Tensor:
    """α(u⁻¹g, u⁻¹y) for (…, |H|, k², Y, X): pixels and windows turn, sheets move as under the nearest element."""
    k = int(weights.shape[-3] ** 0.5)
    permuted = weights[..., group.permutation(turn.nearest(group)), :, :, :]
    turned = act_on_image(turn.element, permuted).unflatten(-3, (k, k))  # (…, |H|, k, k, Y, X)
    windows = act_on_image(turn.element, turned.movedim((-4, -3), (-2, -1)))
    return windows.movedim((-2, -1), (-4, -3)).flatten(-4, -3)


def _as_shown(image: Tensor) -> Tensor:
    """(1, C, Y, X) → (3, Y, X) in colors or (Y, X) in gray."""
    return image[0].cpu() if image.shape[1] == 3 else image[0, 0].cpu()
