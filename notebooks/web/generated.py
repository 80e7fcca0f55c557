"""What the site's pages say about exercises, minutes and layers, read from the library and the notebooks' sources."""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby

import course_lib.layers
from course_lib.exercises.card import DIFFICULTY
from course_lib.exercises.registry import Exercise, all_exercises
from outline import notebooks

# Hours → the exercises of a course of that length. Half of the time is theirs; the other half, for talking and looking.
PLANS = {
    2: "0.1 1.1 2.3 2.5 3.1 4.1 4.3",
    4: "0.1 1.1 1.4 2.3 2.4 2.5 3.1 3.3 4.1 4.2 4.3 4.5",
    8: "0.1 1.1 1.4 2.3 2.4 2.5 3.1 3.3 3.4 4.1 4.2 4.3 4.4 4.5 5.2 5.4 6.3 6.5 7.2 7.6 8.2 8.3 9.1 11.1",
}


@dataclass(frozen=True)
class Page:
    """A piece of generated markdown, and the file with the marker whose place it takes."""

    file: str
    markdown: Callable[[], str]


def plan(hours: int) -> list[Exercise]:
    """The exercises of a course of so many hours."""
    wanted = PLANS[hours].split()
    return [exercise for exercise in all_exercises() if exercise.number in wanted]


def _minutes() -> str:
    rows = [
        f"| [{book.title}]({book.name}.ipynb) | {book.minutes} | {sum(e.minutes for e in book.exercises)} |"
        for book in notebooks()
    ]
    return "\n".join(["| notebook | whole notebook | exercises |", "|---|---|---|", *rows])


def _plans() -> str:
    parts = []
    for hours in PLANS:
        chosen = plan(hours)
        minutes = sum(e.minutes for e in chosen)
        parts.append(f"### {hours} hours: {len(chosen)} exercises, {minutes} minutes of writing\n")
        for number, group in groupby(chosen, key=lambda exercise: exercise.notebook):
            links = ", ".join(f"[{e.number} {e.name}](#exercise-{e.name}) ({e.minutes})" for e in group)
            parts.append(f"- Notebook {number}: {links}")
        parts.append("")
    return "\n".join(parts)


def _exercises() -> str:
    parts = []
    for book in notebooks():
        parts.append(f"## [{book.title}]({book.name}.ipynb)\n")
        parts.append("| done | exercise | minutes | difficulty |\n|---|---|---|---|")
        for e in book.exercises:
            box = f'<input type="checkbox" data-exercise="{e.name}" aria-label="{e.title} is done">'
            parts.append(f"| {box} | [{e.title}](#exercise-{e.name}) | {e.minutes} | {DIFFICULTY[e.difficulty]} |")
        parts.append("")
    return "\n".join(parts)


def _docstrings() -> str:
    parts = []
    for name in course_lib.layers.__all__:
        value = getattr(course_lib.layers, name)
        text = inspect.getdoc(value)
        signature = str(inspect.signature(value)).replace("'", "").removesuffix(" -> None")
        parts.append(f"(layer-{name})=\n### {name}\n\n```text\n{name}{signature}\n\n{text}\n```\n")
        numbers = sorted(set(re.findall(r"\b(\d\d)\b", " ".join(re.findall(r"[Nn]otebooks? [\d and,]+", text or "")))))
        links = [f"[{book.title}]({book.name}.ipynb)" for book in notebooks() if book.number in numbers]
        parts.append(f"Built in {', '.join(links)}.\n" if links else "")
    return "\n".join(parts)


PAGES = {
    "exercises": Page("progress.md", _exercises),
    "docstrings": Page("library.md", _docstrings),
    "minutes": Page("teacher.md", _minutes),
    "plans": Page("teacher.md", _plans),
}
