"""The picture that every figure function returns, and the plainest figure of all: 2-D maps side by side.

Figures are drawn with matplotlib's object-oriented API, so that no state leaks between cells, and with colours that a
colour-blind reader can tell apart: viridis for values, RdBu for values with a sign, the Okabe-Ito set for lines.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from PIL import Image

from course_lib.files import write_whole

# Okabe and Ito's eight colours, by name, in an order that keeps neighbours apart.
OKABE_ITO = {
    "blue": "#0072B2",
    "vermilion": "#D55E00",
    "green": "#009E73",
    "purple": "#CC79A7",
    "sky": "#56B4E9",
    "orange": "#E69F00",
    "yellow": "#F0E442",
    "black": "#000000",
}
DPI = 100
MAX_CELLS_WITH_NUMBERS = 8


@dataclass(frozen=True)
class Picture:
    """A still picture and the words that stand in its place: a screen reader and a plain terminal get ``alt``."""

    png: bytes = field(repr=False)
    alt: str

    @classmethod
    def from_figure(cls, figure: Figure, alt: str) -> Picture:
        """Render a matplotlib figure. The same figure gives the same bytes: no date, no version, no pyplot state."""
        FigureCanvasAgg(figure)
        raw, small = io.BytesIO(), io.BytesIO()
        figure.savefig(raw, format="png", dpi=DPI, metadata={"Software": None})
        _with_palette(Image.open(raw).convert("RGB")).save(small, format="png", optimize=True)
        return cls(small.getvalue(), alt)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        width, height = Image.open(io.BytesIO(self.png)).size
        return width, height

    def save(self, path: str | Path) -> None:
        """Write the PNG file."""
        write_whole(path, self.png)

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        width, _height = self.size
        data = {"image/png": base64.b64encode(self.png).decode(), "text/plain": self.alt}
        return data, {"image/png": {"alt": self.alt, "width": width}}


def _with_palette(image: Image.Image) -> Image.Image:
    """A palette of 256 colours is a third of the bytes. White and the line colours keep their own place."""
    common = image.quantize(240, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).getpalette() or []
    own = [part for colour in ("#FFFFFF", *OKABE_ITO.values()) for part in bytes.fromhex(colour[1:])]
    palette = Image.new("P", (1, 1))
    palette.putpalette((common[: 3 * 240] + own)[: 3 * 256])
    return image.quantize(palette=palette, dither=Image.Dither.NONE)


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches, at 100 pixels to the inch, that lays itself out."""
    return Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")


def as_map(value: Any, what: str = "a map") -> np.ndarray[Any, Any]:
    """A 2-D float array from a tensor, array or nested list. Raises ValueError for any other number of axes."""
    array = as_array(value)
    if array.ndim != 2:
        raise ValueError(f"{what} must have two axes (Y, X), got shape {array.shape}; pick a sheet, e.g. f[0, 0]")
    return array


def as_array(value: Any) -> np.ndarray[Any, Any]:
    """A float array from a tensor (with or without a gradient, on any device), an array or a nested list."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    return np.asarray(value, dtype=np.float64)


def error_words(error: float) -> str:
    """An equivariance error for alt text: rounding noise differs from machine to machine, so its digits stay out."""
    if not math.isfinite(error):
        return "not finite"
    return "below 1e-4, rounding only" if error < 1e-4 else f"{error:.2g}"


def finite_range(arrays: list[np.ndarray[Any, Any]]) -> tuple[float, float]:
    """The least and the largest of the finite values; 0 and 0 if there is none."""
    finite = np.concatenate([a[np.isfinite(a)] for a in arrays])
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def shared_scale(arrays: list[np.ndarray[Any, Any]], symmetric: bool = False) -> Normalize:
    """One colour scale for all maps of a figure, so that the same colour means the same value."""
    low, high = finite_range(arrays)
    if symmetric:
        high = max(abs(low), abs(high)) or 1.0
        low = -high
    return Normalize(low, high if high > low else low + 1.0)


def difference(first: np.ndarray[Any, Any], second: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], Normalize]:
    """|first − second| and its scale, from 0 to the largest |value| of both, so that rounding does not show."""
    with np.errstate(invalid="ignore"):  # inf − inf
        return abs(first - second), shared_scale([np.zeros(1), abs(first), abs(second)])


def draw_map(
    axes: Axes, array: np.ndarray[Any, Any], scale: Normalize, symmetric: bool = False, values: bool = False
) -> None:
    """Draw one 2-D map as squares, row 0 on top, with its numbers written in if asked for."""
    axes.imshow(array, cmap="RdBu_r" if symmetric else "viridis", norm=scale, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_color("0.6")
    if values:
        _write_numbers(axes, array, scale, symmetric)


def _write_numbers(axes: Axes, array: np.ndarray[Any, Any], scale: Normalize, symmetric: bool) -> None:
    fontsize = min(10, 48 / max(array.shape))
    for (y, x), value in np.ndenumerate(array):
        place, finite = float(scale(value)), np.isfinite(value)
        dark = finite and (abs(place - 0.5) > 0.3 if symmetric else place < 0.6)
        text = f"{value:.0f}" if finite and value == round(value) else f"{value:.2f}"
        axes.text(x, y, text, ha="center", va="center", fontsize=fontsize, color="white" if dark else "black")


def panels(
    maps: Mapping[str, Any],
    columns: int | None = None,
    values: bool | None = None,
    symmetric: bool = False,
    alt: str | None = None,
) -> Picture:
    """2-D maps side by side on one colour scale; cells that are not finite stay white.

    Args:
        maps: title → array, tensor or list of shape ``(Y, X)``; row 0 is drawn on top.
        columns: panels to a row; by default up to five.
        values: write the numbers into the cells; by default if no map is larger than 8 × 8.
        symmetric: colours for values with a sign, white at zero.
        alt: the words for a screen reader; by default titles, sizes and values or ranges.

    Raises ValueError if there is no map, or one has not two axes.
    """
    if not maps:
        raise ValueError("panels needs at least one map: panels({'title': array})")
    arrays = {title: as_map(value, f"the map {title!r}") for title, value in maps.items()}
    small = all(max(a.shape) <= MAX_CELLS_WITH_NUMBERS for a in arrays.values())
    values = small if values is None else values
    columns = min(columns or 5, len(arrays))
    rows = -(-len(arrays) // columns)
    side = min(2.4, 8.0 / columns)
    figure = new_figure(side * columns, (side + 0.25) * rows)
    scale = shared_scale(list(arrays.values()), symmetric)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, (title, array) in zip(grid.flat, arrays.items(), strict=False):
        axes.set_axis_on()
        draw_map(axes, array, scale, symmetric, values)
        axes.set_title(title, fontsize=10)
    return Picture.from_figure(figure, alt or _panels_alt(arrays, small))


def _panels_alt(arrays: Mapping[str, np.ndarray[Any, Any]], small: bool) -> str:
    def words(title: str, a: np.ndarray[Any, Any]) -> str:
        if small:
            return f"{title}: " + " / ".join(" ".join(f"{value:.3g}" for value in row) for row in a)
        return f"{title}: {a.shape[0]} × {a.shape[1]}, values {a.min():.3g} to {a.max():.3g}"

    return f"{len(arrays)} maps side by side. " + "; ".join(words(title, a) for title, a in arrays.items()) + "."
