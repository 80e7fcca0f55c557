"""The kernel explorer: choose a pixel, see the kernels it writes and what they gather, and turn it. Notebook 08."""

import numpy as np
import torch
from torch import Tensor

from course_lib.figures.e4 import Sight, generated_kernels
from course_lib.figures.picture import Picture
from course_lib.groups import Element, Group
from course_lib.widgets.base import HOW_TO, Layer, PixelExplorer, require_square, ring_description, script
from course_lib.widgets.frames import Turn, quantize


class KernelExplorer(PixelExplorer):
    """The widget that `kernel_explorer` makes; ``row``, ``column``, ``degrees`` and ``mirror`` can be read and set."""

    _esm = script("kernels.js")

    def __init__(self, kernels: Layer, image: Tensor, group: Group, pixel: tuple[int, int]) -> None:
        self._compute(lambda moved: kernels(moved).double(), image, group, mirrors=group.has_mirrors)
        largest = max(float(written.abs().max()) for written in self._weights) or 1.0
        frames = [turn.describe(group) | {"origins": group.permutation(turn.nearest(group))} for turn in self._turns]
        setup = {
            "layer": ring_description(group, None, group.order), "frames": frames,
            "size": self._size, "window": self._window, "largest": largest,
        }  # fmt: skip
        super().__init__(setup=setup, data=self._bytes(largest), row=pixel[0], column=pixel[1], degrees=90)

    def _bytes(self, largest: float) -> dict[str, bytes]:
        """Kernels (turn, sheet, k², Y, X) from 1, minus the largest, over 128, zero, to 255; images (turn, Y, X)."""
        written = np.stack([given.numpy() for given in self._weights])
        low, high = float(self._images[0].min()), float(self._images[0].max())
        return {
            "kernels": (128 + np.rint(127 * written / largest)).astype(np.uint8).tobytes(),
            "images": quantize(torch.stack([x[0, 0] for x in self._images]).numpy(), low, high).tobytes(),
        }

    def still(self) -> Picture:
        """The kernels of the pixel in the upright image, and in the image turned by r."""
        sights, k = {}, self._window
        for title, turn in {"upright": Turn(0), "turned by r": Turn(90)}.items():
            index, (row, column) = self._turns.index(turn), self._pixel(turn)
            written = self._weights[index][:, :, row, column].unflatten(-1, (k, k))
            sights[title] = Sight(self._images[index][0, 0], (row, column), written, turn.nearest(self._group))
        picture = generated_kernels(sights, self._group)
        return Picture(picture.image, f"{picture.alt} {HOW_TO}")


def kernel_explorer(kernels: Layer, image: Tensor, group: Group, pixel: tuple[int, int]) -> KernelExplorer:
    """An interactive view of the kernels that each pixel writes, and of what they gather from the image around it.

    Args:
        kernels: from an image (1, 1, Y, X) to one kernel for each sheet and pixel, (|H|, k², Y, X), such as
            ``lambda image: layer.kernels(lift(image))[0, 0]`` with an `E4Layer`.
        image: ``(1, 1, Y, X)``, square.
        group: that of the layer, with the quarter turns: C4 or D4.
        pixel: (row, column) of the pixel at the beginning.

    The image is turned, and the kernels are computed afresh. Raises ValueError for kernels or images of another shape,
    for a group without quarter turns, and for more kernels than a page should hold.
    """
    if Element(0, 1) not in group.elements:
        raise ValueError(f"kernel_explorer shows quarter turns, and {group} has none; take C4 or D4")
    require_square(image, pixel)
    return KernelExplorer(kernels, image.cpu(), group, pixel)
