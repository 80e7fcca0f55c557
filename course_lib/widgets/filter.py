"""Filter and image turn together: on the turned image, filter r sees exactly what filter e saw. Notebook 04."""

from __future__ import annotations

import numpy as np
import torch.nn.functional as F
import traitlets
from torch import Tensor

from course_lib.actions import act_on_image
from course_lib.figures.picture import Picture, panels
from course_lib.figures.style import ELEMENT_COLORS, INK
from course_lib.groups import C4
from course_lib.widgets.attention import carried_pixel
from course_lib.widgets.base import WidgetWithStill, script
from course_lib.widgets.frames import Turn, quantize


class TurningFilter(WidgetWithStill):
    """The widget that `turning_filter` makes; ``row``, ``column`` and ``degrees`` can be read and set."""

    _esm = script("filter.js")

    setup = traitlets.Dict().tag(sync=True)
    picture = traitlets.Bytes().tag(sync=True)
    colors = traitlets.Bytes().tag(sync=True)
    row = traitlets.Int().tag(sync=True)
    column = traitlets.Int().tag(sync=True)
    degrees = traitlets.Enum([0, 90, 180, 270], 0).tag(sync=True)

    def __init__(self, image: Tensor, psi: Tensor, pixel: tuple[int, int]) -> None:
        self._image, self._psi = image, psi
        size, k = image.shape[-1], psi.shape[-1]
        together, apart = zip(*(self._answers(quarter) for quarter in range(4)), strict=True)
        super().__init__(row=pixel[0], column=pixel[1], degrees=90)  # at 0° both filters would answer alike
        self.colors = quantize(INK(np.arange(256) / 255)[:, :3], 0, 1).tobytes()
        self.picture = quantize(image.cpu().numpy(), float(image.min()), float(image.max())).tobytes()
        self.setup = {
            "imageSize": size, "filterSize": k, "margin": k // 2, "filter": psi.flatten().tolist(),
            "names": [str(h) for h in C4.elements], "colors": [ELEMENT_COLORS[h] for h in C4.elements],
            "together": together, "apart": apart,
        }  # fmt: skip

    def _answers(self, quarter: int) -> tuple[list[float], list[float]]:
        """What the turned filter and the filter itself answer on the turned image, by pixels of the upright one."""
        h = C4.elements[quarter]
        turned, back = act_on_image(h, self._image), C4.elements[-quarter]
        answers = []
        for psi in (act_on_image(h, self._psi), self._psi):
            answer = F.conv2d(turned[None, None], psi[None, None], padding=psi.shape[-1] // 2)[0]
            answers.append(act_on_image(back, answer).flatten().tolist())
        return answers[0], answers[1]

    def still(self) -> Picture:
        """The upright picture with what filter e sees, and the turned one with what filter r sees, and filter e."""
        turned = act_on_image(C4.elements[1], self._image)
        there = carried_pixel(Turn(90), (self.row, self.column), self._image.shape[-1])
        at = self.row * self._image.shape[-1] + self.column
        upright, follows, stays = (
            f"{value:.2f}".replace("-", "−")
            for value in (self.setup["together"][0][at], self.setup["together"][1][at], self.setup["apart"][1][at])
        )
        k, pixels = self._psi.shape[-1], {"digit": (self.row, self.column), "turned by r": there}
        picture = panels(
            {
                "digit": self._image,
                f"filter e: {upright}": self._psi,
                "turned by r": turned,
                f"filter r: {follows}": act_on_image(C4.elements[1], self._psi),
            },
            columns=4,
            values=False,
            one_scale=False,
            marks={title: (row - k // 2, column - k // 2, k) for title, (row, column) in pixels.items()},
        )
        words = (
            f"The window of one pixel, and the same window in the turned picture. Filter e answers {upright}; on the "
            f"turned picture filter r answers {follows}, and filter e answers {stays}. "
            "In JupyterLab this is a widget: choose a pixel, and turn."
        )
        return Picture(picture.image, words)


def turning_filter(image: Tensor, psi: Tensor, pixel: tuple[int, int] | None = None) -> TurningFilter:
    """Turn a picture: one filter turns with it and keeps its answer, the same filter left as it is does not.

    Args:
        image: ``(Y, X)``, square.
        psi: the filter, ``(k, k)``, k odd.
        pixel: (row, column) of the window at the beginning; by default where the filter answers most.

    Raises ValueError for other shapes, and for a pixel whose window does not lie within the image.
    """
    if image.ndim != 2 or image.shape[0] != image.shape[1]:
        raise ValueError(f"image must be one square map (Y, X), got shape {tuple(image.shape)}")
    k, size = psi.shape[-1], image.shape[-1]
    if psi.shape != (k, k) or k % 2 == 0 or k > size:
        raise ValueError(f"psi must be one filter (k, k) with an odd k of at most {size}, got shape {tuple(psi.shape)}")
    if pixel is None:
        answer = F.conv2d(image[None, None], psi[None, None].to(image))[0, 0]
        row, column = divmod(int(answer.argmax()), answer.shape[-1])
        pixel = row + k // 2, column + k // 2
    if not all(k // 2 <= place < size - k // 2 for place in pixel):
        raise ValueError(f"the {k} × {k} window of pixel {pixel} must lie within the image of {size} × {size}")
    return TurningFilter(image.double(), psi.double(), pixel)
