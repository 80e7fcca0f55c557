"""The picture that every figure function returns, and the plainest figure of all: 2-D maps side by side.

Figures are drawn with matplotlib's object-oriented API, so that no state leaks between cells, in the visual language of
`figures.style`.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from course_lib.figures.captions import Captioned
from course_lib.figures.render import DPI, is_svg, render, size_of
from course_lib.figures.style import FONT, INK, MARK, SIGNED, frame
from course_lib.files import write_whole
from course_lib.groups import D4

MAX_CELLS_WITH_NUMBERS = 8
_ACTION = re.compile(r"\b([LW])_\{?([a-z]+)\}?")
_ELEMENT, _POWERS = re.compile(r"\bh = ([emr]+)([²³]?)"), {"": "", "²": "^2", "³": "^3"}
_LETTER = re.compile(r"(?<![\w$])([fxψΦ])(?!\w)")
ROUNDING = 1e-6  # a value below zero by no more than this share of the largest has no sign
SVG = (
    '<img src="data:image/svg+xml;base64,{code}" alt="{alt}" width="{width}" height="{height}" '
    'style="max-width: 100%; height: auto; background: white; border-radius: 4px">'
)
_NAMED = (("sheet ", ""), ("filter ", ""), ("L_", " ψ"), ("L_h ψ, h = ", ""))
_FRAMES = {f"{what}{h}{end}": h for h in D4.elements for what, end in _NAMED}
_FONTS = [FONT, "DejaVu Sans"]  # the second for the few signs that the first lacks, such as arrows


@dataclass(frozen=True)
class Picture(Captioned):
    """A still picture and the words that stand in its place: a screen reader and a plain terminal get ``alt``.

    ``image`` is a PNG if the figure holds maps, else an SVG.
    """

    image: bytes = field(repr=False)
    alt: str
    caption: str = ""

    @classmethod
    def from_figure(cls, figure: Figure, alt: str) -> Picture:
        """Render a matplotlib figure. The same figure gives the same bytes."""
        for text in figure.findobj(Text):
            text.set_text(typeset_actions(text.get_text()))
            text.set(fontfamily=[*text.get_fontfamily()] if "monospace" in text.get_fontfamily() else _FONTS)
            text.set_math_fontfamily("custom")
        return cls(render(figure), alt)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height on the page, in pixels."""
        return size_of(self.image)

    def captioned(self, caption: str) -> Picture:
        return replace(self, caption=caption)

    def save(self, path: str | Path) -> None:
        """Write the file, PNG or SVG."""
        write_whole(path, self.image)

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """An SVG comes as an element of HTML: JupyterLab shows it as it is in a notebook that it does not trust yet."""
        (width, height), code = self.size, base64.b64encode(self.image).decode()
        if not is_svg(self.image):
            return {"image/png": code, "text/plain": self.alt}, {"image/png": {"alt": self.alt, "width": width}}
        html = SVG.format(code=code, alt=escape(self.alt), width=width, height=height)
        return {"text/html": html, "text/plain": self.alt}, {}


def typeset_actions(words: str) -> str:
    """Words of a figure with maps and the action L_g as they stand in formulas: "L_r f" becomes "$L_{r}$ $f$".

    An index within an index could not be read: "L_r² f" becomes "$L_{h}$ $f$, $h=r^2$". Words with a formula of their
    own stay as they are.
    """
    if "$" in words:
        return words
    if high := re.search(r"\b[LW]_([mr]+[²³])", words):
        words = words.replace(f"_{high[1]}", "_h") + f", h = {high[1]}"
    words = _LETTER.sub(r"$\1$", _ACTION.sub(r"$\1_{\2}$", words))
    return _ELEMENT.sub(lambda found: f"$h={found[1]}{_POWERS[found[2]]}$", words)


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


def shared_scale(arrays: list[np.ndarray[Any, Any]]) -> Normalize:
    """One scale for all maps of a figure, so that the same color means the same value, and white means zero.

    From 0 to the largest value; if there are negative ones, from minus to plus the largest size.
    """
    low, high = finite_range(arrays)
    largest = max(abs(low), abs(high)) or 1.0
    return Normalize(-largest if low < -ROUNDING * largest else 0.0, largest)


def difference(first: np.ndarray[Any, Any], second: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], Normalize]:
    """|first − second| and its scale, from 0 to the largest |value| of both, so that rounding does not show."""
    with np.errstate(invalid="ignore"):  # inf − inf
        return abs(first - second), shared_scale([np.zeros(1), abs(first), abs(second)])


def draw_map(
    axes: Axes, array: np.ndarray[Any, Any], scale: Normalize, values: bool = False, cell: float = 0.0
) -> None:
    """Draw one 2-D map as squares, row 0 on top, with its numbers written in if asked for.

    White is zero. Where the scale has negative values, they are blue and the positive ones red; else ink. Numbers are
    as large as a cell of so many inches allows.
    """
    axes.imshow(array, cmap=color_map(scale), norm=scale, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_color("0.6")
    if values:
        draw_grid(axes, *array.shape)
        _write_numbers(axes, array, scale, cell)


def draw_grid(axes: Axes, rows: int, columns: int) -> None:
    """Lines between the cells, as equal or nearly equal neighbors are two cells."""
    axes.hlines(np.arange(1, rows) - 0.5, -0.5, columns - 0.5, color="0.6", linewidth=0.8)
    axes.vlines(np.arange(1, columns) - 0.5, -0.5, rows - 0.5, color="0.6", linewidth=0.8)


def color_map(scale: Normalize) -> Colormap:
    """The colors for a scale of `shared_scale`."""
    return SIGNED if scale.vmin is not None and scale.vmin < 0 else INK


def _write_numbers(axes: Axes, array: np.ndarray[Any, Any], scale: Normalize, cell: float) -> None:
    fontsize = min(10, max(48 / max(array.shape), 20 * cell))
    for (y, x), value in np.ndenumerate(array):
        red, green, blue, _ = color_map(scale)(float(scale(value))) if np.isfinite(value) else (1.0, 1.0, 1.0, 1.0)
        dark = 0.3 * red + 0.59 * green + 0.11 * blue < 0.5
        text = f"{value:.0f}" if np.isfinite(value) and value == round(value) else f"{value:.2f}"
        text = text.removeprefix("-" if float(text) == 0 else "").replace("-", "−")
        axes.text(x, y, text, ha="center", va="center", fontsize=fontsize, color="white" if dark else "black")


def panels(
    maps: Mapping[str, Any],
    columns: int | None = None,
    values: bool | None = None,
    photograph: bool = False,
    one_scale: bool = True,
    marks: Mapping[str, tuple[int, int, int]] | None = None,
    moves: Mapping[str, tuple[str, tuple[int, int]]] | None = None,
    cells: tuple[Sequence[str], Sequence[str]] | None = None,
    alt: str | None = None,
) -> Picture:
    """2-D maps side by side on one color scale; cells that are not finite stay white.

    A map named "sheet r", "filter r" or "L_r ψ", perhaps with more after a colon, has a frame in the color of r.

    Args:
        maps: title → array, tensor or list of shape ``(Y, X)``; row 0 is drawn on top.
        columns: panels to a row; by default up to five.
        values: write the numbers into the cells; by default if no map is larger than 8 × 8.
        photograph: from black, the least value, to white, the largest, instead of ink on paper.
        one_scale: the same color means the same value in all maps; otherwise each map has a scale of its own.
        marks: title → (row, column, side) of a square that is pointed out.
        moves: title → name and (x, y), y up, of a vector that is drawn as an arrow in the lower left corner.
        cells: names of the rows, written once at the left, and of the columns, below each map.
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
    largest = max(max(a.shape) for a in arrays.values())
    side = min(3.4 if values and largest > 6 else 2.4, 7.3 / columns)
    size, cell = 12 if 9 * max(map(len, arrays)) < DPI * side else 10, side / largest  # the largest that fits
    figure = new_figure(side * columns, (side + 0.25) * rows)
    scale = Normalize(*finite_range(list(arrays.values()))) if photograph else shared_scale(list(arrays.values()))
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, (title, array) in zip(grid.flat, arrays.items(), strict=False):
        axes.set_axis_on()
        draw_map(axes, array, scale if one_scale else shared_scale([array]), values, cell)
        if h := _FRAMES.get(title.split(":")[0]):
            frame(axes, h)
        if mark := (marks or {}).get(title):
            _draw_mark(axes, *mark)
        if move := (moves or {}).get(title):
            _draw_move(axes, *move)
        if photograph:
            axes.images[0].set_cmap("gray")
        axes.set_title(title, fontsize=size)
        if cells:
            axes.set_xticks(range(len(cells[1])), cells[1])
            axes.set_yticks(range(len(cells[0])), cells[0] if axes is grid.flat[0] else [""] * len(cells[0]))
            axes.tick_params(length=0)
    return Picture.from_figure(figure, alt or _panels_alt(arrays, small))


def _draw_mark(axes: Axes, row: int, column: int, side: int) -> None:
    axes.add_patch(Rectangle((column - 0.5, row - 0.5), side, side, fill=False, edgecolor=MARK, linewidth=2.5))


def _draw_move(axes: Axes, name: str, vector: tuple[int, int]) -> None:
    (x, y), start = vector, (3, axes.get_ylim()[0] - 3)
    end = start[0] + x, start[1] - y
    axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": MARK, "lw": 2, "shrinkA": 0})
    axes.annotate(name, start, (8 * (y > 0), 9 * (x > 0)), textcoords="offset points", color=MARK, va="center")


def _panels_alt(arrays: Mapping[str, np.ndarray[Any, Any]], small: bool) -> str:
    def words(title: str, a: np.ndarray[Any, Any]) -> str:
        if small:
            return f"{title}: " + " / ".join(" ".join(f"{value:.3g}" for value in row) for row in a)
        return f"{title}: {a.shape[0]} × {a.shape[1]}, values {a.min():.3g} to {a.max():.3g}"

    return f"{len(arrays)} maps side by side. " + "; ".join(words(title, a) for title, a in arrays.items()) + "."
