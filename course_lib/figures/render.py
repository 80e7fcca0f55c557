"""From a matplotlib figure to bytes, the same every time: maps as pixels, all else as lines and letters."""

import io
import re

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from course_lib.figures.style import MARK, OKABE_ITO, TYPESETTING

DPI = 100  # of the layout; pixels are drawn at DENSITY times as many
DENSITY = 2
# Letters as outlines, so that a page needs no font; names of parts from their contents and not from chance.
_AS_SVG = {**TYPESETTING, "svg.fonttype": "path", "svg.hashsalt": "course"}
PHOTOGRAPHS = "photographs"  # the text in a PNG that says where they are: left, top, right, bottom of each
_NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}


def render(figure: Figure) -> bytes:
    """A PNG if the figure holds maps, else an SVG: no date, no version, no pyplot state."""
    FigureCanvasAgg(figure)
    for label in [label for axes in figure.axes for label in axes.get_yticklabels()]:
        label.set_verticalalignment("center")  # and not "center_baseline", which places our font too low
    return _png(figure) if any(axes.images for axes in figure.axes) else _svg(figure)


def size_of(image: bytes) -> tuple[int, int]:
    """Width and height on the page, in pixels; a PNG has `DENSITY` times as many, for sharp screens."""
    if is_svg(image):
        found = re.search(rb'width="([\d.]+)" height="([\d.]+)"', image)
        if found is None:
            raise ValueError(f"the SVG says no size: {image[:80]!r}")
        return round(float(found[1])), round(float(found[2]))
    width, height = Image.open(io.BytesIO(image)).size
    return width // DENSITY, height // DENSITY


def is_svg(image: bytes) -> bool:
    return image.startswith(b"<svg")


def _svg(figure: Figure) -> bytes:
    raw = io.StringIO()
    with rc_context(_AS_SVG):
        figure.savefig(raw, format="svg", metadata=_NO_METADATA)
    width, height = DPI * figure.get_size_inches()
    text = raw.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r'width="[\d.]+pt" height="[\d.]+pt"', f'width="{width:g}" height="{height:g}"', text, count=1)
    text = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    used = set(re.findall(r"#([\w-]+)", text))
    text = re.sub(r' id="([\w-]+)"', lambda found: found[0] if found[1] in used else "", text)
    text = re.sub(r"-?\d+\.\d{3,}", lambda found: _rounded(float(found[0])), text)
    return re.sub(r"\s+", " ", re.sub(r"\s*\n\s*(?=<)", "", text)).strip().encode()


def _rounded(value: float) -> str:
    """To a hundredth of a point; small numbers, such as the scale of letters, to four digits."""
    return f"{value:.4g}" if abs(value) < 1 else f"{value:.2f}".rstrip("0").rstrip(".")


def _png(figure: Figure) -> bytes:
    raw, small, about = io.BytesIO(), io.BytesIO(), PngInfo()
    with rc_context(TYPESETTING):
        figure.savefig(raw, format="png", dpi=DENSITY * DPI, metadata={"Software": None})
    boxes, image = _photographs(figure), Image.open(raw).convert("RGB")
    if boxes:  # a palette would lose their rare colors
        about.add_text(PHOTOGRAPHS, " ".join(map(str, boxes)))
    is_rich = boxes or any(hasattr(axes, "_colorbar") for axes in figure.axes)  # a bar would have stripes
    (image if is_rich else _with_palette(image)).save(small, format="png", optimize=True, pnginfo=about)
    return small.getvalue()


def _photographs(figure: Figure) -> list[int]:
    """The corners of all that is no map, in pixels from the top left."""
    scale, height = DENSITY * DPI / figure.dpi, round(figure.get_figheight() * DENSITY * DPI)
    found: list[int] = []
    for axes in figure.axes:
        if any(image.get_cmap().name == "gray" or np.ndim(np.asarray(image.get_array())) == 3 for image in axes.images):
            box = Bbox.intersection(axes.images[0].get_window_extent(), axes.bbox) or axes.bbox  # it may be cut
            (left, bottom), (right, top) = box.get_points() * scale
            found += [round(left), height - round(top), round(right), height - round(bottom)]
    return found


def _with_palette(image: Image.Image) -> Image.Image:
    """A palette of 256 colors is a third of the bytes. White, the mark, elements and the most frequent colors, such as
    those of cells, stay exactly; the others hardly change, even rare ones, which a median cut would merge."""
    found = image.quantize(160, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).getpalette() or []
    common = found[: 3 * 160]  # fewer for a picture with few colors
    palette = Image.new("P", (1, 1))
    palette.putpalette(common)  # no other pixel takes an element's color, even if that is the nearest
    red, green, blue = np.moveaxis(np.asarray(image, np.uint32), -1, 0)
    pixels, indices = red << 16 | green << 8 | blue, np.array(image.quantize(palette=palette, dither=Image.Dither.NONE))
    colors, counts = np.unique(pixels, return_counts=True)
    frequent = colors[counts.argsort(kind="stable")[::-1][:80]].tolist()
    own = list(dict.fromkeys([*(int(color[1:], 16) for color in ("#FFFFFF", MARK, *OKABE_ITO)), *frequent]))
    for index, color in enumerate(own, start=len(common) // 3):
        indices[pixels == color] = index
    exact = Image.fromarray(indices, mode="P")
    exact.putpalette(common + [part for color in own for part in color.to_bytes(3)])
    return exact
