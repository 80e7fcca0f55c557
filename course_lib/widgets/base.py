"""What the widgets share: their JavaScript, a still picture where no widget can run, and how much a page may hold."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import torch
import traitlets
from torch import Tensor

from course_lib.actions import act_on_image
from course_lib.figures.captions import Captioned
from course_lib.figures.picture import Picture
from course_lib.figures.rings import NAME_ROOM, first_elements, ring_arrows, ring_centers, ring_extent, ring_positions
from course_lib.figures.style import ELEMENT_COLORS, INK, SIGNED
from course_lib.groups import C1, Group
from course_lib.widgets.frames import Turn, quantize, turns

Layer = Callable[[Tensor], Tensor]
LARGEST = 32_000_000  # bytes that are sent to the browser at most
FOLDER = Path(__file__).parent
HOW_TO = "In JupyterLab this is a widget: choose a pixel, and turn."  # the end of a still picture's words
# 256 colors for maps without a sign, then 256 for maps with one.
PALETTES = b"".join(
    quantize(colors(np.arange(256) / 256 if colors is SIGNED else np.linspace(0, 1, 256))[:, :3], 0, 1).tobytes()
    for colors in (INK, SIGNED)
)


def script(name: str) -> str:
    """A widget's JavaScript module: what all widgets share, then its own file."""
    return "\n".join((FOLDER / part).read_text(encoding="utf-8") for part in ("parts.js", "stage.js", name))


def number(value: float) -> float | None:
    """A number as JSON can hold it: None in the place of one that is not finite."""
    return value if math.isfinite(value) else None


def require_square(image: Tensor, pixel: tuple[int, int] = (0, 0)) -> None:
    """Raise ValueError unless the image is one square image (1, C, Y, X) in which the pixel (row, column) lies."""
    if image.ndim != 4 or len(image) != 1 or image.shape[-1] != image.shape[-2]:
        raise ValueError(f"image must be one square image (1, C, Y, X), got shape {tuple(image.shape)}")
    if not all(0 <= place < image.shape[-1] for place in pixel):
        raise ValueError(f"pixel {pixel} lies outside of the image of {image.shape[-1]} × {image.shape[-1]} pixels")


def ring_description(group: Group, subgroup: Group | None, sheets: int) -> dict[str, Any]:
    """Where the sheets of a layer stand and what they are called, for `drawRing` of stage.js; lengths in sheets."""
    group, subgroup = (group, subgroup) if sheets > 1 else (C1, None)
    firsts = first_elements(group, subgroup)
    arrows = ring_arrows(group) if sheets == group.order else []
    room = (NAME_ROOM[0] + 0.16 * (len(firsts) <= 4), NAME_ROOM[1]) if sheets > 1 else (0.05, 0.05)  # for the names
    return {
        "names": [str(h) for h in firsts], "colors": [ELEMENT_COLORS[h] for h in firsts],
        "places": ring_positions(group, subgroup).tolist(), "centers": ring_centers(group, subgroup).tolist(),
        "extent": [half + more for half, more in zip(ring_extent(group), room, strict=True)],
        "arrows": [{"mirror": bool(g.m), "points": points[::4].tolist()} for g, points in arrows],
    }  # fmt: skip


class WidgetWithStill(anywidget.AnyWidget, Captioned):
    """A widget that also shows itself as a picture with alt text, for pages and readers without widgets."""

    _css = FOLDER / "widgets.css"

    setup = traitlets.Dict().tag(sync=True)
    colors = traitlets.Bytes(PALETTES).tag(sync=True)

    def still(self) -> Picture:
        """The present position as a picture."""
        raise NotImplementedError

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        bundle = super()._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle or {}, {})
        still, about = self.still()._repr_mimebundle_()
        return {**data, **still}, {**metadata, **about}


class PixelExplorer(WidgetWithStill):
    """What a layer computes for each pixel from the k × k pixels around it, of an image in all its quarter turns."""

    data = traitlets.Dict().tag(sync=True)
    row = traitlets.Int().tag(sync=True)
    column = traitlets.Int().tag(sync=True)
    degrees = traitlets.Int().tag(sync=True)
    mirror = traitlets.Bool(False).tag(sync=True)

    def _compute(self, layer: Layer, image: Tensor, group: Group, mirrors: bool, leading: str = "") -> None:
        """``layer``: (1, C, Y, X) → (…, |H|, k², Y, X); ``leading`` names the axes in front.

        Raises ValueError for another shape, and for more than a page should hold.
        """
        self._group, self._turns, self._size = group, list(turns(90, mirrors)), image.shape[-1]
        self._images = [act_on_image(turn.element, image) for turn in self._turns]
        self._weights: list[Tensor] = []
        for moved in self._images:
            with torch.no_grad():
                weights = layer(moved).cpu()
            k = math.isqrt(weights.shape[-3])
            wanted = (group.order, k**2, self._size, self._size)
            if weights.ndim != 4 + bool(leading) or weights.shape[-4:] != wanted or k % 2 == 0:
                raise ValueError(
                    f"expected weights ({leading}{group.order}, k², {self._size}, {self._size}), k odd, got "
                    f"{tuple(weights.shape)}; of what a layer gives for a batch take one image, [0]"
                )
            if (count := 2 * len(self._turns) * weights.numel()) > LARGEST:
                raise ValueError(
                    f"{count / 1e6:.0f} MB of weights are more than a page should hold ({LARGEST / 1e6:.0f} MB): "
                    "take a smaller image or window"
                )
            self._weights.append(weights)
        self._window = k

    def _pixel(self, turn: Turn) -> tuple[int, int]:
        """Where the turn carries the chosen pixel."""
        return turn.carry((self.row, self.column), self._size)
