"""The figures of a stored notebook on the site: files of their own, numbered, with their captions."""

import base64
import io
import re
from collections.abc import Iterable, Iterator
from html import escape, unescape
from pathlib import Path

import numpy as np
from matplotlib.colors import to_hex
from nbformat import NotebookNode
from PIL import Image

from course_lib.figures.captions import CAPTION
from course_lib.figures.render import PHOTOGRAPHS, is_svg, size_of
from course_lib.figures.style import ELEMENT_COLORS, ON_ELEMENT, SIGNED

SVG = re.compile(r'<img src="data:image/svg\+xml;base64,([\w+/=]+)" alt="([^"]*)"')
FIGURE = (
    '<figure class="course-figure" id="figure-{number}">{shown}<figcaption>'
    "<strong>Figure {label}.</strong> {caption}</figcaption></figure>"
)
# What may stand in a caption: an emphasis, code, and a formula with its letters and their indices.
MARKUP = {r"\*([^*]+)\*": r"<em>\1</em>", r"`([^`]+)`": r"<code>\1</code>", r"_(\w)": r"<sub>\1</sub>"}
MARKUP |= {r"\$([^$]+)\$": r"<i>\1</i>"}
VALUES = {to_hex(SIGNED(i)) for i in range(SIGNED.N)}  # of cells that are no pixels
KEPT = {*ON_ELEMENT, *ELEMENT_COLORS.values()} - {"#000000"}
GROUND, LIGHT = 19, "#ebebeb"  # on a dark page: each part of the ground's color, and what black becomes
STEEP = 0.6  # faint values of a map, near white on a light page, would sink into a dark one
IMAGE = '<img src="_static/figures/{file}" alt="{alt}" width="{width}" height="{height}" loading="lazy" class="{look}">'


def picture_of(output: NotebookNode) -> tuple[bytes, str] | None:
    """An output's picture and its words, if it is one: a PNG, or an SVG within an element of HTML."""
    data = output.get("data", {})
    if "image/png" in data:
        return base64.b64decode(data["image/png"]), output.metadata.get("image/png", {}).get("alt", "")
    found = SVG.match(data.get("text/html", ""))
    return (base64.b64decode(found[1]), unescape(found[2])) if found else None


def pictures(notebook: NotebookNode) -> Iterator[tuple[NotebookNode, NotebookNode, bytes, str]]:
    """All figures in their order: the cell, the output, the picture and its words."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if found := picture_of(output):
                yield cell, output, *found


def number_figures(notebook: NotebookNode, name: str, widgets: dict[str, str], folder: Path) -> None:
    """Put every figure of the notebook into an element of its own, with its number and caption; write its file.

    ``widgets``: cell id → HTML, shown instead of the cell's picture. Raises ValueError if there is no figure at all, or
    one without words.
    """
    folder.mkdir(parents=True, exist_ok=True)
    chapter, count = int(name[:2]), 0
    for count, (cell, output, image, alt) in enumerate(pictures(notebook), 1):
        if not alt:
            raise ValueError(f"{name}: a figure without alt text, below {cell.source[-80:]!r}")
        shown, (width, height) = "", size_of(image)
        for look, drawn in (("on-light", image), ("on-dark", on_dark(image))):
            file = f"{name[:2]}-{count}-{look}.{'svg' if is_svg(image) else 'png'}"
            (folder / file).write_bytes(drawn)
            shown += IMAGE.format(file=file, alt=escape(alt), width=width, height=height, look=look)
        if cell.id in widgets:
            shown = f"{widgets[cell.id]}<noscript>{shown}</noscript>"
        caption = _take_caption(cell, output)
        html = FIGURE.format(number=f"{chapter}-{count}", label=f"{chapter}.{count}", shown=shown, caption=caption)
        output.data, output.metadata = NotebookNode({"text/html": html}), NotebookNode()
    if not count:
        raise ValueError(f"{name}: no rendered figure; build the notebook: python notebooks/build.py {name}")


def on_dark(image: bytes) -> bytes:
    """The picture for a dark page: light words and lines on the page's ground, and values from dark to light.

    The colors of elements, and words on them, stay; but black becomes white. Photographs stay, too.
    """
    if is_svg(image):
        drawn = re.sub(r"#[0-9a-fA-F]{6}\b|\bwhite\b", _in_svg, image.decode())
        plot = (
            "fill=" not in drawn[: drawn.index(">")]
        )  # letters and lines of matplotlib are black where it says nothing
        return (drawn.replace("<svg ", f'<svg fill="{LIGHT}" ', 1) if plot else drawn).encode()
    light, file = Image.open(io.BytesIO(image)), io.BytesIO()
    corners = list(map(int, light.info.get(PHOTOGRAPHS, "").split()))
    if light.mode == "P":
        parts = light.getpalette() or []
        light.putpalette([part for i in range(0, len(parts), 3) for part in _darkened(*parts[i : i + 3], steep=STEEP)])
        light.save(file, format="png", optimize=True)
        return file.getvalue()
    pixels = np.array(light.convert("RGB"))
    colors, places = np.unique(pixels.reshape(-1, 3), axis=0, return_inverse=True)
    darkened = np.array([_darkened(*color, steep=STEEP) for color in colors.tolist()], np.uint8)
    dark = Image.fromarray(darkened[places.reshape(pixels.shape[:2])])
    for box in zip(*[iter(corners)] * 4, strict=True):
        dark.paste(light.crop(box), box[:2])
    dark.save(file, format="png", optimize=True)
    return file.getvalue()


def _in_svg(found: re.Match[str]) -> str:
    color = "#ffffff" if found[0].lower() == "white" else found[0]
    before = bytes.fromhex(color[1:])
    if color.lower() in VALUES:
        return "#" + bytes(_darkened(*before, steep=STEEP)).hex()
    after = _darkened(*before)
    if color.upper() not in KEPT and _light(after) > 0.7:  # no bar of a strong color may glare
        after = [round(part * (1 - 0.4 * (max(after) - min(after)) / max(after))) for part in after]
    while color.upper() not in KEPT and _light(before) < 0.6 and _light(after) < 0.55:
        after = [part + (255 - part) // 8 for part in after]  # a line or a word that was plain must stay so
    return "#" + bytes(after).hex()


def _light(parts: Iterable[int]) -> float:
    """How light a color looks, from 0 to 1."""
    return sum(share * part for share, part in zip((0.3, 0.59, 0.11), parts, strict=True)) / 255


def _darkened(red: int, green: int, blue: int, steep: float = 1.0) -> list[int]:
    """Light becomes dark, and the hue stays, as all parts move alike; ``steep`` < 1 lifts what is faint."""
    if f"#{red:02X}{green:02X}{blue:02X}" in KEPT:
        return [red, green, blue]
    moved = 255 - max(red, green, blue) - min(red, green, blue)
    lifted = ((271 - min(red, green, blue)) / 271) ** (steep - 1)  # what is hardly there is lifted less
    return [round(GROUND + (235 - GROUND) * (part + moved) * lifted / 255) for part in (red, green, blue)]


def _take_caption(cell: NotebookNode, output: NotebookNode) -> str:
    """The caption behind an output, as HTML; it is taken out of the outputs."""
    place = cell.outputs.index(output) + 1
    if place == len(cell.outputs) or CAPTION not in cell.outputs[place].get("metadata", {}):
        return ""
    text = escape(cell.outputs.pop(place).data["text/markdown"][1:-1])  # without the stars of its slanted type
    for pattern, replacement in MARKUP.items():
        text = re.sub(pattern, replacement, text)
    return text
