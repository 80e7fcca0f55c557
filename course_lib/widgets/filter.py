"""Filter and image turn together: on the turned image, filter r sees exactly what filter e saw. Notebook 04."""

import torch.nn.functional as F
import traitlets
from torch import Tensor

from course_lib.actions import act_on_image
from course_lib.figures.picture import Picture, panels
from course_lib.figures.style import ELEMENT_COLORS
from course_lib.groups import C4, inverse
from course_lib.widgets.base import HOW_TO, WidgetWithStill, require_square, script
from course_lib.widgets.frames import Turn, quantize


class TurningFilter(WidgetWithStill):
    """The widget that `turning_filter` makes; ``row``, ``column`` and ``degrees`` can be read and set."""

    _esm = script("filter.js")

    picture = traitlets.Bytes().tag(sync=True)
    row = traitlets.Int().tag(sync=True)
    column = traitlets.Int().tag(sync=True)
    degrees = traitlets.Enum([0, 90, 180, 270], 90).tag(sync=True)  # at 0° both filters would answer alike

    def __init__(self, image: Tensor, psi: Tensor, pixel: tuple[int, int]) -> None:
        self._image, self._psi = image, psi
        setup = {
            "imageSize": image.shape[-1], "filterSize": psi.shape[-1], "filter": psi.flatten().tolist(),
            "names": [str(h) for h in C4.elements], "frameColors": [ELEMENT_COLORS[h] for h in C4.elements],
            "together": [self._answers(turn, turn) for turn in range(4)],
            "apart": [self._answers(turn, 0) for turn in range(4)],
        }  # fmt: skip
        picture = quantize(image.numpy(), float(image.min()), float(image.max())).tobytes()
        super().__init__(setup=setup, picture=picture, row=pixel[0], column=pixel[1])

    def _answers(self, turn: int, filter_turn: int) -> list[float]:
        """What the filter, turned so far, answers on the turned image, by pixels of the upright one."""
        turned, psi = (act_on_image(C4.elements[k], x) for k, x in ((turn, self._image), (filter_turn, self._psi)))
        answer = F.conv2d(turned[None, None], psi[None, None], padding=psi.shape[-1] // 2)[0]
        return act_on_image(inverse(C4.elements[turn]), answer).flatten().tolist()

    def still(self) -> Picture:
        """The upright picture with what filter e sees, and the turned one with what filter r sees, and filter e."""
        (row, column), size, k = (self.row, self.column), self._image.shape[-1], self._psi.shape[-1]
        together, apart, r = self.setup["together"], self.setup["apart"], C4.elements[1]
        upright, follows, stays = (
            f"{answers[row * size + column]:.2f}".replace("-", "−") for answers in (together[0], together[1], apart[1])
        )
        maps = {
            "digit": self._image, f"filter e: {upright}": self._psi,
            "turned by r": act_on_image(r, self._image), f"filter r: {follows}": act_on_image(r, self._psi),
        }  # fmt: skip
        places = {"digit": (row, column), "turned by r": Turn(90).carry((row, column), size)}
        marks = {title: (y - k // 2, x - k // 2, k) for title, (y, x) in places.items()}
        picture = panels(maps, columns=4, values=False, one_scale=False, marks=marks)
        return Picture(
            picture.image,
            f"The window of one pixel, and the same window in the turned picture. Filter e answers {upright}; on the "
            f"turned picture filter r answers {follows}, and filter e answers {stays}. {HOW_TO}",
        )


def turning_filter(image: Tensor, psi: Tensor) -> TurningFilter:
    """Turn a picture: one filter turns with it and keeps its answer, the same filter left as it is does not.

    ``image``: ``(Y, X)``, square. ``psi``: the filter, ``(k, k)``, k odd. It opens where the filter answers most.
    Raises ValueError for other shapes.
    """
    require_square(image[None, None])
    k, size = psi.shape[-1], image.shape[-1]
    if psi.shape != (k, k) or k % 2 == 0 or k > size:
        raise ValueError(f"psi must be one filter (k, k) with an odd k of at most {size}, got shape {tuple(psi.shape)}")
    answer = F.conv2d(image[None, None], psi[None, None].to(image))[0, 0]
    row, column = divmod(int(answer.argmax()), answer.shape[-1])
    return TurningFilter(image.cpu().double(), psi.cpu().double(), (row + k // 2, column + k // 2))
