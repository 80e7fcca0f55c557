"""The kernel explorer: choose a pixel, see the kernels it writes and what they gather, and turn it. Notebook 08."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
import traitlets
from torch import Tensor

from course_lib.actions import act_on_image
from course_lib.figures.e4 import Sight, generated_kernels
from course_lib.figures.picture import Picture
from course_lib.figures.style import INK, SIGNED
from course_lib.groups import Element, Group
from course_lib.widgets.attention import carried_pixel
from course_lib.widgets.base import LARGEST, WidgetWithStill, ring_description, script
from course_lib.widgets.frames import Turn, quantize, turns

Kernels = Callable[[Tensor], Tensor]
SHADES = np.linspace(0, 1, 256)


class KernelExplorer(WidgetWithStill):
    """The widget that `kernel_explorer` makes; ``row``, ``column``, ``degrees`` and ``mirror`` can be read and set."""

    _esm = script("kernels.js")

    setup = traitlets.Dict().tag(sync=True)
    data = traitlets.Dict().tag(sync=True)
    row = traitlets.Int().tag(sync=True)
    column = traitlets.Int().tag(sync=True)
    degrees = traitlets.Int(90).tag(sync=True)
    mirror = traitlets.Bool(False).tag(sync=True)

    def __init__(self, kernels: Kernels, image: Tensor, group: Group, pixel: tuple[int, int]) -> None:
        self._group = group
        self._turns = list(turns(90, mirrors=group.has_mirrors))
        self._images = [act_on_image(_element(turn), image) for turn in self._turns]
        self._kernels = [_kernels_of(kernels, moved, group, len(self._turns)) for moved in self._images]
        largest = max(float(written.abs().max()) for written in self._kernels) or 1.0
        window = math.isqrt(self._kernels[0].shape[1])
        layer = ring_description(group, None, group.order)
        frames = [
            {
                "degrees": turn.degrees, "mirror": turn.mirror, "name": str(turn),
                "origins": group.permutation(turn.nearest(group)),
            }
            for turn in self._turns
        ]  # fmt: skip
        size = image.shape[-1]
        setup = {"layer": layer, "frames": frames, "size": size, "window": window, "largest": largest}
        super().__init__(setup=setup, data=self._bytes(largest), row=pixel[0], column=pixel[1])

    def _bytes(self, largest: float) -> dict[str, bytes]:
        """Kernels (turn, sheet, k², Y, X) from 1, minus the largest, over 128, zero, to 255; images (turn, Y, X)."""
        written = np.stack([given.numpy() for given in self._kernels])
        low, high = float(self._images[0].min()), float(self._images[0].max())
        return {
            "kernels": (128 + np.rint(127 * written / largest)).astype(np.uint8).tobytes(),
            "images": quantize(torch.stack([x[0, 0] for x in self._images]).numpy(), low, high).tobytes(),
            "colors": b"".join(quantize(colors(SHADES)[:, :3], 0, 1).tobytes() for colors in (INK, SIGNED)),
        }

    def still(self) -> Picture:
        """The kernels of the pixel in the upright image, and in the image turned by r."""
        sights = {}
        for title, turn in {"upright": Turn(0), "turned by r": Turn(90)}.items():
            index = self._turns.index(turn)
            pixel = carried_pixel(turn, (self.row, self.column), self._images[0].shape[-1])
            k = math.isqrt(self._kernels[0].shape[1])
            written = self._kernels[index][:, :, pixel[0], pixel[1]].unflatten(-1, (k, k))
            sights[title] = Sight(self._images[index][0, 0], pixel, written, turn.nearest(self._group))
        picture = generated_kernels(sights, self._group)
        return Picture(picture.image, f"{picture.alt} In JupyterLab this is a widget: choose a pixel, and turn.")


def kernel_explorer(kernels: Kernels, image: Tensor, group: Group, pixel: tuple[int, int]) -> KernelExplorer:
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
    if image.ndim != 4 or image.shape[:2] != (1, 1) or image.shape[-1] != image.shape[-2]:
        raise ValueError(f"image must be one square image (1, 1, Y, X), got shape {tuple(image.shape)}")
    if not all(0 <= place < image.shape[-1] for place in pixel):
        raise ValueError(f"pixel {pixel} lies outside of the image of {image.shape[-1]} × {image.shape[-1]}")
    return KernelExplorer(kernels, image.cpu(), group, pixel)


def _element(turn: Turn) -> Element:
    return Element(int(turn.mirror), turn.degrees // 90 % 4)


def _kernels_of(kernels: Kernels, image: Tensor, group: Group, count: int) -> Tensor:
    with torch.no_grad():
        written = kernels(image).cpu().double()
    size = image.shape[-1]
    k = math.isqrt(written.shape[1]) if written.ndim == 4 else 0
    if written.shape != (group.order, k**2, size, size) or k % 2 == 0:
        raise ValueError(
            f"kernels must have shape ({group.order}, k², {size}, {size}), k odd, got {tuple(written.shape)}; of "
            "layer.kernels(x) take one image and one slice, [0, 0]"
        )
    if count * written.numel() > LARGEST:
        raise ValueError(f"{count * written.numel() / 1e6:.0f} MB of kernels are more than a page should hold: take C4")
    return written
