"""The front page of the site: the turning ring, and a card with a picture for each notebook."""

import io
from html import escape
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from PIL import Image

from course_lib.figures.render import is_svg, size_of
from outline import notebooks
from web.figures import on_dark, pictures

RING = "<!-- ring -->"
CARDS = "<!-- cards -->"
SIDE = 480  # pixels of a card's picture, twice of what is shown
# The number of the figure on a notebook's card; the first one where none is named.
SHOWN = {"02": 2, "04": 12, "07": 2, "08": 2, "10": 2}
PICTURE = '<img src="_static/cards/{file}" alt="" width="{width}" height="{height}" loading="lazy" class="{look}">'
CARD = """\
<a class="course-card" href="{page}.html">{pictures}<strong>{title}</strong>
<span>{minutes} minutes · {exercises}</span></a>"""


def write_front_page(source: Path, folder: Path, ring: str) -> None:
    """Fill the markers of ``index.md`` in the folder that Sphinx reads; ``folder`` holds the stored notebooks.

    Raises ValueError if a notebook has no figure for its card.
    """
    folder_of_cards = source / "static" / "cards"
    folder_of_cards.mkdir(parents=True)
    cards = []
    for book in notebooks():
        stored = nbformat.read(folder / f"{book.name}.ipynb", as_version=4)
        count = len(book.exercises)
        cards.append(
            CARD.format(
                page=book.name,
                pictures=_card_pictures(stored, book.number, folder_of_cards),
                title=escape(book.title),
                minutes=book.minutes,
                exercises=f"{count} exercise{'s' * (count != 1)}",
            )
        )
    page = source / "index.md"
    grid = '<div class="course-cards">\n' + "\n".join(cards) + "\n</div>"
    text = (
        page.read_text(encoding="utf-8")
        .replace(CARDS, _raw(grid))
        .replace(RING, _raw(f'<div class="course-ring">{ring}</div>'))
    )
    page.write_text(text, encoding="utf-8")


def _raw(html: str) -> str:
    return f"````{{raw}} html\n{html}\n````"


def _card_pictures(notebook: NotebookNode, number: str, folder: Path) -> str:
    """The chosen figure, a PNG made small, as elements of HTML: for light pages, and for dark ones."""
    figures = [image for _, _, image, _ in pictures(notebook)]
    if not figures:
        raise ValueError(f"notebook {number} has no figure for its card; build it first")
    chosen, shown = figures[min(SHOWN.get(number, 1), len(figures)) - 1], ""
    for look, drawn in (("on-light", chosen), ("on-dark", on_dark(chosen))):
        file = f"{number}-{look}.{'svg' if is_svg(drawn) else 'png'}"
        width, height = size_of(drawn)
        if is_svg(drawn):
            (folder / file).write_bytes(drawn)
        else:
            image = Image.open(io.BytesIO(drawn)).convert("RGB")
            image.thumbnail((SIDE, SIDE // 2), Image.Resampling.LANCZOS)
            image.save(folder / file, optimize=True)
            width, height = image.width // 2, image.height // 2
        shown += PICTURE.format(file=file, width=width, height=height, look=look)
    return shown
