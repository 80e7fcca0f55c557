"""The figures of a stored notebook on the site: files of their own, numbered, with their captions."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from html import escape, unescape
from pathlib import Path

from nbformat import NotebookNode

from course_lib.figures.captions import CAPTION
from course_lib.figures.render import is_svg, size_of
from course_lib.figures.style import ELEMENT_COLORS

SVG = re.compile(r'<img src="data:image/svg\+xml;base64,([\w+/=]+)" alt="([^"]*)"')
FIGURE = (
    '<figure class="course-figure" id="figure-{number}">{shown}<figcaption>'
    "<strong>Figure {label}.</strong> {caption}</figcaption></figure>"
)
# What may stand in a caption: an emphasis, code, and a formula with its letters and their indices.
MARKUP = {r"\*([^*]+)\*": r"<em>\1</em>", r"`([^`]+)`": r"<code>\1</code>", r"_(\w)": r"<sub>\1</sub>"}
MARKUP |= {r"\$([^$]+)\$": r"<i>\1</i>"}
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
        file = f"{name[:2]}-{count}.{'svg' if is_svg(image) else 'png'}"
        (folder / file).write_bytes(image)
        (width, height), look = size_of(image), "plot" if turns_dark(image) else "figure"
        shown = IMAGE.format(file=file, alt=escape(alt), width=width, height=height, look=look)
        if cell.id in widgets:
            shown = f"{widgets[cell.id]}<noscript>{shown}</noscript>"
        caption = _take_caption(cell, output)
        html = FIGURE.format(number=f"{chapter}-{count}", label=f"{chapter}.{count}", shown=shown, caption=caption)
        output.data, output.metadata = NotebookNode({"text/html": html}), NotebookNode()
    if not count:
        raise ValueError(f"{name}: no rendered figure; build the notebook: python notebooks/build.py {name}")


def turns_dark(image: bytes) -> bool:
    """Whether a dark page may show light lines on a dark ground: not where colors name elements, and no photographs."""
    return is_svg(image) and not any(color.encode() in image.upper() for color in list(ELEMENT_COLORS.values())[:-1])


def _take_caption(cell: NotebookNode, output: NotebookNode) -> str:
    """The caption behind an output, as HTML; it is taken out of the outputs."""
    place = cell.outputs.index(output) + 1
    if place == len(cell.outputs) or CAPTION not in cell.outputs[place].get("metadata", {}):
        return ""
    text = escape(cell.outputs.pop(place).data["text/markdown"][1:-1])  # without the stars of its slanted type
    for pattern, replacement in MARKUP.items():
        text = re.sub(pattern, replacement, text)
    return text
