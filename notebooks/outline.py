"""Which notebooks there are, how long each takes, and its exercises: for notebook 00, the site and the tests.

Title and minutes stand in the first cell of a notebook's source, exercises in their registry, and nowhere else.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from course_lib.exercises.registry import Exercise, all_exercises

SOURCES = Path(__file__).resolve().parent / "src"
TITLE = re.compile(r"^# # (\d\d .+)$", re.MULTILINE)
TIME = re.compile(r"\*\*Time:\*\* about (\d+) minutes, with (\w+) exercises?\.")
COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@dataclass(frozen=True)
class Notebook:
    """A notebook: two digits, the file's name without its ending, the title with its number, the minutes it takes."""

    number: str
    name: str
    title: str
    minutes: int
    exercises: tuple[Exercise, ...]


@cache
def notebooks() -> tuple[Notebook, ...]:
    """All notebooks that have a source. Raises ValueError for what `outline` refuses."""
    return tuple(outline(path.stem, path.read_text(encoding="utf-8")) for path in sorted(SOURCES.glob("[0-9]*.py")))


def outline(name: str, source: str) -> Notebook:
    """What the first cell of a source says. Raises ValueError without title, time or the right number of exercises."""
    exercises = tuple(exercise for exercise in all_exercises() if exercise.notebook == name[:2])
    count = COUNTS[len(exercises)]
    title, time = TITLE.search(source), TIME.search(source)
    if title is None or time is None or time[2] != count:
        raise ValueError(
            f"{name}.py must begin with its title and time: # {name[:2]} Title; **Time:** about 80 minutes, with "
            f"{count} exercise{'' if count == 'one' else 's'}. It says {time[0] if time else 'no time'!r}"
        )
    return Notebook(name[:2], name, title[1], int(time[1]), exercises)


def contents(link: str) -> str:
    """A markdown table of all notebooks; ``link`` is formatted with a notebook's ``name``."""
    rows = [f"| [{b.title}]({link.format(name=b.name)}) | {len(b.exercises)} | {b.minutes} |" for b in notebooks()]
    return "\n".join(["| notebook | exercises | minutes |", "|---|---|---|", *rows])
