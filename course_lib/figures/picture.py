"""The picture that every figure function returns, and the plainest figure of all: 2-D maps side by side.

Figures are drawn with matplotlib's object-oriented API, so that no state leaks between cells, in the visual language of
`figures.style`.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from course_lib.figures.captions import Captioned
from course_lib.figures.render import DPI, is_svg, render, size_of
from course_lib.figures.style import BELOW_NUMBERS, FONT, INK, MARK, SIGNED, frame
from course_lib.groups import D4

Array = np.ndarray[Any, Any]
MAX_CELLS_WITH_NUMBERS = 8
_ACTION, _LETTER = re.compile(r"\b([LW])_\{?([a-z]+)\}?"), re.compile(r"(?<![\w$])([fxαβψΦ])(?![\w-])")
_ELEMENT, _POWERS = re.compile(r"\bh = ([emr]+)([²³]?)"), {"": "", "²": "^2", "³": "^3"}
ROUNDING = 1e-6  # a value below zero by no more than this share of the largest has no sign
SVG = (
    '<img src="data:image/svg+xml;base64,{code}" alt="{alt}" width="{width}" height="{height}" '
    'style="max-width: 100%; height: auto; background: white; border-radius: 4px">'
)
_NAMED = (("sheet ", ""), ("filter ", ""), ("L_", " ψ"), ("L_h ψ, h = ", ""))
_FRAMES = {f"{what}{h}{end}": h for h in D4.elements for what, end in _NAMED}
_FONTS = [FONT, "DejaVu Sans"]  # the second for the few signs that the first lacks, such as arrows


@dataclass
class Picture(Captioned):
    """A still picture, a PNG if the figure holds maps, else an SVG; screen readers and plain terminals get ``alt``."""

    image: bytes = field(repr=False)
    alt: str

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

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """An SVG comes as an element of HTML: JupyterLab shows it as it is in a notebook that it does not trust yet."""
        (width, height), code = self.size, base64.b64encode(self.image).decode()
        if not is_svg(self.image):
            return {"image/png": code, "text/plain": self.alt}, {"image/png": {"alt": self.alt, "width": width}}
        html = SVG.format(code=code, alt=escape(self.alt), width=width, height=height)
        return {"text/html": html, "text/plain": self.alt}, {}


def typeset_actions(words: str) -> str:
    """Words with maps and L_g as in formulas, "L_r f" as "$L_{r}$ $f$"; those with a formula of their own stay.

    An index within an index could not be read: "L_r² f" becomes "$L_{h}$ $f$, $h=r^2$".
    """
    if "$" in words:
        return words
    if high := re.search(r"\b[LW]_([mr]+[²³])", words):
        words = words.replace(f"_{high[1]}", "_h") + f", h = {high[1]}"
    words = re.sub(r"\\mathrm{([gh])}", r"\1", _ACTION.sub(r"$\1_{\\mathrm{\2}}$", words))  # variables are slanted
    words = _LETTER.sub(r"$\1$", words)
    return _ELEMENT.sub(lambda found: rf"$h=\mathrm{{{found[1]}}}{_POWERS[found[2]]}$", words)


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches, at 100 pixels to the inch, that lays itself out."""
    return Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")


def new_plot(width: float, height: float, **about: Any) -> tuple[Figure, Axes]:
    """A figure with one plot, open on top and on the right; ``about`` is set on its axes, as in xlabel="epoch"."""
    figure = new_figure(width, height)
    axes = figure.subplots(subplot_kw=about)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def new_panels(count: int, columns: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """A figure with so many panels of width × height inches, in rows of ``columns``."""
    columns = min(columns, count)
    rows = -(-count // columns)
    figure = new_figure(width * columns, height * rows)
    grid = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in grid[count:]:
        axes.set_axis_off()
    return figure, grid[:count]


def as_map(value: Any, what: str = "a map") -> Array:
    """A 2-D float array from a tensor, array or nested list. Raises ValueError for any other number of axes."""
    array = as_array(value)
    if array.ndim != 2:
        raise ValueError(f"{what} must have two axes (Y, X), got shape {array.shape}; pick a sheet, e.g. f[0, 0]")
    return array


def as_array(value: Any) -> Array:
    """A float array from a tensor (with or without a gradient, on any device), an array or a nested list."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    return np.asarray(value, dtype=np.float64)


def finite_range(arrays: list[Array]) -> tuple[float, float]:
    """The least and the largest of the finite values; 0 and 0 if there is none."""
    finite = np.concatenate([a[np.isfinite(a)] for a in arrays])
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def shared_scale(arrays: list[Array]) -> Normalize:
    """One scale for all maps of a figure, so that the same color means the same value, and white means zero.

    From 0 to the largest value; if there are negative ones, from minus to plus the largest size.
    """
    low, high = finite_range(arrays)
    largest = max(abs(low), abs(high)) or 1.0
    return Normalize(-largest if low < -ROUNDING * largest else 0.0, largest)


def color_map(scale: Normalize) -> Colormap:
    """The colors for a scale of `shared_scale`: with negative values from blue to red, else ink; white is zero."""
    return SIGNED if scale.vmin is not None and scale.vmin < 0 else INK


def draw_map(axes: Axes, array: Array, scale: Normalize, values: bool = False, cell: float = 0.0) -> None:
    """Draw one 2-D map as squares, row 0 on top; its numbers, if asked for, as large as ``cell`` inches allow."""
    colors = color_map(scale)
    axes.imshow(array, cmap=BELOW_NUMBERS[colors.name] if values else colors, norm=scale, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_color("0.6")
    if values:
        draw_grid(axes, *array.shape)
        _write_numbers(axes, array, cell)


def draw_grid(axes: Axes, rows: int, columns: int) -> None:
    """Lines between the cells, as equal or nearly equal neighbors are two cells."""
    axes.hlines(np.arange(1, rows) - 0.5, -0.5, columns - 0.5, color="0.6", linewidth=0.8)
    axes.vlines(np.arange(1, columns) - 0.5, -0.5, rows - 0.5, color="0.6", linewidth=0.8)


def _write_numbers(axes: Axes, array: Array, cell: float) -> None:
    finite = array[np.isfinite(array)]
    decimals = next((n for n in (0, 1) if np.allclose(finite, finite.round(n), rtol=0, atol=1e-9)), 2)  # one for all
    texts = {at: _number(value, decimals) for at, value in np.ndenumerate(array)}
    room = min(25, 90 / max(map(len, texts.values()))) * cell  # of the longest
    for (y, x), text in texts.items():
        axes.text(x, y, text, ha="center", va="center", fontsize=min(10, room or 48 / max(array.shape)))


def _number(value: float, decimals: int) -> str:
    """A number of a cell; only what is exactly zero is "0"."""
    text = f"{value:.{0 if value == 0 else decimals}f}"
    return text.removeprefix("-" if float(text) == 0 else "").replace("-", "−")


def panels(
    maps: Mapping[str, Any], columns: int | None = None, values: bool | None = None, photograph: bool = False,
    one_scale: bool = True, marks: Mapping[str, tuple[int, int, int]] | None = None,
    moves: Mapping[str, tuple[str, tuple[int, int]]] | None = None,
    cells: tuple[Sequence[str], Sequence[str]] | None = None, alt: str | None = None,
) -> Picture:  # fmt: skip
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
    largest, columns = max(max(a.shape) for a in arrays.values()), min(columns or 5, len(arrays))
    is_small = largest <= MAX_CELLS_WITH_NUMBERS
    values = is_small if values is None else values
    side = min(3.4 if values and largest > 6 else 2.4, 7.3 / columns)
    tall, wide = side / largest * np.max([a.shape for a in arrays.values()], axis=0)
    letters = max(map(len, arrays))
    wide = max(wide, min(side, 0.09 * letters))  # below its title
    size = 12 if 9 * letters < DPI * wide else 10  # the largest that fits
    scale = Normalize(*finite_range(list(arrays.values()))) if photograph else shared_scale(list(arrays.values()))
    figure, grid = new_panels(len(arrays), columns, float(wide), float(tall) + 0.25)
    for axes, (title, array) in zip(grid, arrays.items(), strict=True):
        draw_map(axes, array, scale if one_scale else shared_scale([array]), values, side / largest)
        if h := _FRAMES.get(title.split(":")[0]):
            frame(axes, h)
        if marks and title in marks:
            draw_mark(axes, *marks[title])
        if moves and title in moves:
            _draw_move(axes, *moves[title])
        if photograph:
            axes.images[0].set_cmap("gray")
        axes.set_title(title, fontsize=size)
        if cells:
            axes.set_xticks(range(len(cells[1])), cells[1])
            axes.set_yticks(range(len(cells[0])), cells[0] if axes is grid[0] else [""] * len(cells[0]))
            axes.tick_params(length=0)
    return Picture.from_figure(figure, alt or _panels_alt(arrays, is_small))


def draw_mark(axes: Axes, row: float, column: float, side: float, width: float = 2.5) -> None:
    """A square around side × side pixels of a map, from this one on."""
    corner = (column - 0.5, row - 0.5)
    axes.add_patch(Rectangle(corner, side, side, fill=False, edgecolor=MARK, linewidth=width, zorder=4, clip_on=False))


def _draw_move(axes: Axes, name: str, vector: tuple[int, int]) -> None:
    (x, y), start = vector, (3, axes.get_ylim()[0] - 3)
    end = start[0] + x, start[1] - y
    axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": MARK, "lw": 2, "shrinkA": 0})
    axes.annotate(name, start, (8 * (y > 0), 9 * (x > 0)), textcoords="offset points", color=MARK, va="center")


def _panels_alt(arrays: Mapping[str, Array], in_full: bool) -> str:
    words = [
        f"{title}: " + " / ".join(" ".join(f"{value:.3g}" for value in row) for row in a)
        if in_full
        else f"{title}: {a.shape[0]} × {a.shape[1]}, values {a.min():.3g} to {a.max():.3g}"
        for title, a in arrays.items()
    ]
    return f"{len(arrays)} maps side by side. {'; '.join(words)}."
