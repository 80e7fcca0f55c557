"""What `progress()` shows: a small table, one row per notebook, and what comes next."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import Any

from course_lib.exercises import record
from course_lib.exercises.registry import Exercise, all_exercises

HEADINGS = ("notebook", "done", "not yet", "to do")


@dataclass(frozen=True)
class Progress:
    """A learner's progress, as a table in a notebook and as text elsewhere."""

    rows: tuple[tuple[str, ...], ...]
    closing_line: str

    def __repr__(self) -> str:
        widths = [max(map(len, column)) for column in zip(HEADINGS, *self.rows, strict=True)]
        lines = [
            "  ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)) for row in (HEADINGS, *self.rows)
        ]
        return "\n".join([line.rstrip() for line in lines] + [self.closing_line])

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col">{heading}</th>' for heading in HEADINGS)
        body = "".join(
            f'<tr><th scope="row">{escape(name)}</th>' + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
            for name, *cells in self.rows
        )
        return (
            f"<table><caption>Your exercises</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
            f"<p>{escape(self.closing_line)}</p>"
        )


def progress(notebook: str | None = None) -> Progress:
    """Which exercises are done, which were tried, and which is next; of one notebook ("01") or of the whole course.

    Raises ValueError if the notebook has no exercises.
    """
    exercises = [exercise for exercise in all_exercises() if notebook in (None, exercise.notebook)]
    if not exercises:
        raise ValueError(f"there are no exercises in notebook {notebook!r}; expected two digits such as '01'")
    entries = record.load()
    status = {exercise.name: entries.get(exercise.name, record.Entry()).status for exercise in exercises}
    rows = []
    for name, group in groupby(exercises, key=lambda exercise: exercise.notebook):
        here = list(group)
        rows.append((name, *(_numbers(here, status, wanted) for wanted in ("done", "not yet", "todo"))))
    open_ones = [exercise for exercise in exercises if status[exercise.name] != "done"]
    return Progress(tuple(rows), _closing_line(len(status) - len(open_ones), len(status), open_ones))


def _numbers(exercises: list[Exercise], status: dict[str, Any], wanted: str) -> str:
    return ", ".join(exercise.number for exercise in exercises if status[exercise.name] == wanted) or "–"


def _closing_line(done: int, total: int, open_ones: list[Exercise]) -> str:
    if not open_ones:
        return f"All {total} exercises are done. Well done!"
    following = open_ones[0]
    return (
        f"{done} of {total} exercises done. Next: {following.title}, in notebook {following.notebook}, "
        f"about {following.minutes} minutes."
    )
