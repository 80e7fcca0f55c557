"""What the widgets share: their JavaScript, a still picture where no widget can run, and how much a page may hold."""

from __future__ import annotations

import base64
import math
from pathlib import Path
from typing import Any, Self

import anywidget

from course_lib.figures.captions import Captioned
from course_lib.figures.layout import ring_arrows, ring_extent, ring_positions
from course_lib.figures.picture import Picture
from course_lib.figures.rings import NAME_ROOM
from course_lib.figures.style import ELEMENT_COLORS
from course_lib.groups import C1, Group

LARGEST = 32_000_000  # bytes that are sent to the browser at most
FOLDER = Path(__file__).parent


def script(name: str) -> str:
    """A widget's JavaScript module: what all widgets share, then its own file."""
    return "\n".join((FOLDER / part).read_text(encoding="utf-8") for part in ("parts.js", "stage.js", name))


def number(value: float) -> float | None:
    """A number as JSON can hold it: None in the place of one that is not finite."""
    return value if math.isfinite(value) else None


def ring_description(group: Group, subgroup: Group | None, sheets: int) -> dict[str, Any]:
    """Where the sheets of a layer stand and what they are called, for `drawRing` of stage.js; lengths in sheets."""
    group, subgroup = (group, subgroup) if sheets > 1 else (C1, None)
    firsts = [coset[0] for coset in group.left_cosets(subgroup)] if subgroup else group.elements
    arrows = ring_arrows(group) if sheets == group.order else []
    room = NAME_ROOM if sheets > 1 else (0.05, 0.05)
    return {
        "names": [str(h) for h in firsts], "colors": [ELEMENT_COLORS[h] for h in firsts],
        "places": ring_positions(group, subgroup).tolist(),
        "extent": [half + more for half, more in zip(ring_extent(group), room, strict=True)],
        "arrows": [{"mirror": bool(a.generator.m), "points": a.points[::4].tolist()} for a in arrows],
    }  # fmt: skip


class WidgetWithStill(anywidget.AnyWidget, Captioned):
    """A widget that also shows itself as a picture with alt text, for pages and readers without widgets."""

    _css = FOLDER / "widgets.css"

    def still(self) -> Picture:
        """The present position as a picture."""
        raise NotImplementedError

    def captioned(self, caption: str) -> Self:
        self.caption = caption
        return self

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        bundle = super()._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle or {}, {})
        picture = self.still()
        still = {"image/png": base64.b64encode(picture.image).decode(), "text/plain": picture.alt}
        return {**data, **still}, {**metadata, "image/png": {"alt": picture.alt}}
