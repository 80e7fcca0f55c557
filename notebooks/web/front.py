"""The front page of the site: the turning ring, and a card with a picture for each notebook."""

from __future__ import annotations

import base64
import io
from html import escape
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from PIL import Image

from outline import notebooks

RING = "<!-- ring -->"
CARDS = "<!-- cards -->"
SIDE = 480  # pixels of a card's picture, twice of what is shown
# The figure on a notebook's card, counted from 0; the first one where none is named.
SHOWN = {"02": 3, "04": 8, "07": 1, "08": 0}
CARD = """\
<a class="course-card" href="{page}.html"><img src="_static/cards/{number}.png" alt="" width="{width}" height="{height}"
loading="lazy"><strong>{title}</strong><span>{minutes} minutes · {exercises}</span></a>"""


def write_front_page(source: Path, folder: Path, ring: str) -> None:
    """Fill the markers of ``index.md`` in the folder that Sphinx reads; ``folder`` holds the stored notebooks.

    Raises ValueError if a notebook has no figure for its card.
    """
    pictures = source / "static" / "cards"
    pictures.mkdir(parents=True)
    cards = []
    for book in notebooks():
        size = _thumbnail(nbformat.read(folder / f"{book.name}.ipynb", as_version=4), book.number, pictures)
        count = len(book.exercises)
        cards.append(
            CARD.format(
                page=book.name,
                number=book.number,
                width=size[0] // 2,
                height=size[1] // 2,
                title=escape(book.title),
                minutes=book.minutes,
                exercises=f"{count} exercise{'s' * (count != 1)}",
            )
        )
    page = source / "index.md"
    grid = '<div class="course-cards">\n' + "\n".join(cards) + "\n</div>"
    text = page.read_text(encoding="utf-8").replace(CARDS, _raw(grid)).replace(RING, _raw(ring))
    page.write_text(text, encoding="utf-8")


def _raw(html: str) -> str:
    return f"````{{raw}} html\n{html}\n````"


def _thumbnail(notebook: NotebookNode, number: str, pictures: Path) -> tuple[int, int]:
    """The chosen figure, made small; returns its size in pixels."""
    figures = [
        output.data["image/png"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    if not figures:
        raise ValueError(f"notebook {number} has no figure for its card; build it first")
    chosen = figures[min(SHOWN.get(number, 0), len(figures) - 1)]
    image = Image.open(io.BytesIO(base64.b64decode(chosen))).convert("RGB")
    image.thumbnail((SIDE, SIDE // 2), Image.Resampling.LANCZOS)
    image.save(pictures / f"{number}.png", optimize=True)
    return image.size
