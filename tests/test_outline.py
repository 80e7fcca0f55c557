"""Minutes and numbers of exercises are the same everywhere: headers, README, notebook 00, the site."""

import re
from pathlib import Path

import pytest

import build
from outline import COUNTS, contents, notebooks, outline
from web.generated import PAGES

README = (Path(build.__file__).parents[1] / "README.md").read_text(encoding="utf-8")
HEADER = "# # 02 Actions\n#\n# **Time:** about {} minutes, with {} exercises. **Hardware:** any laptop.\n"


def test_the_readme_says_what_the_headers_say():
    told = re.findall(r"^\| (\d\d) \| .* \| (\d+) \|$", README, re.MULTILINE)
    assert told == [(book.number, str(book.minutes)) for book in notebooks()] and len(told) == 13


@pytest.mark.parametrize("book", notebooks(), ids=lambda book: book.name)
def test_a_header_counts_the_exercises_that_are_there(book):
    stubs = re.findall(r"^@exercise$", build.sources([book.name])[0].read_text(encoding="utf-8"), re.MULTILINE)
    first = build.from_source(build.sources([book.name])[0]).cells[0].source
    assert f"about {book.minutes} minutes, with {COUNTS[len(stubs)]} exercise" in first
    assert len(stubs) == len(book.exercises)


def test_notebook_00_shows_the_table():
    table = contents("{name}.ipynb")
    texts = [cell.source for cell in build.from_source(build.sources(["00_start_here"])[0]).cells]
    assert table in "\n".join(texts)
    assert "| [02 How symmetries move points, images and feature maps](02_actions.ipynb) | 6 | 120 |" in table
    for book in notebooks():
        minutes = sum(exercise.minutes for exercise in book.exercises)
        assert f"({book.name}.ipynb) | {book.minutes} | {minutes} |" in PAGES["minutes"].markdown()
        assert minutes < book.minutes


def test_a_header_that_says_something_else_is_refused():
    assert outline("02_actions", HEADER.format(80, "six")).minutes == 80
    for header in (
        HEADER.format(80, "seven"),
        HEADER.format("75–90", "six"),
        HEADER[8:],
        HEADER.replace("Time", "When"),
    ):
        with pytest.raises(ValueError, match=r"02_actions.py must begin .* with six exercises"):
            outline("02_actions", header)
