"""What `progress()` shows: a row of dots for each notebook, one for each exercise, and what comes next."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from itertools import groupby
from pathlib import Path

from course_lib.exercises import record
from course_lib.exercises.registry import Exercise, all_exercises

# A dot's form says as much as its color.
DOTS = {"done": ("●", "#00875F"), "not yet": ("◐", "#B36B00"), "todo": ("○", "#767676")}
WORDS = {"done": "done", "not yet": "tried", "todo": "to do"}


@dataclass(frozen=True)
class Progress:
    """A learner's progress: ``rows`` are pairs (notebook, status of each of its exercises).

    In a notebook the dots lead to the notebooks; elsewhere they are text.
    """

    rows: tuple[tuple[str, Mapping[Exercise, str]], ...]
    closing_line: str

    def __repr__(self) -> str:
        lines = [f"{name}  {' '.join(DOTS[status][0] for status in row.values())}" for name, row in self.rows]
        return "\n".join([*lines, _legend(), self.closing_line])

    def _repr_html_(self) -> str:
        body = "".join(
            f'<tr><th scope="row">{_linked(escape(name), name)}</th>'
            f'<td style="text-align: left">{" ".join(_dot(e, status) for e, status in row.items())}</td></tr>'
            for name, row in self.rows
        )
        return (
            "<table><caption>Your exercises</caption>"
            '<thead><tr><th scope="col">notebook</th><th scope="col" style="text-align: left">exercises</th></tr>'
            f"</thead><tbody>{body}</tbody></table><p>{_legend()}</p><p>{escape(self.closing_line)}</p>"
        )


def progress(notebook: str | None = None) -> Progress:
    """Which exercises are done, which were tried, and which is next; of one notebook ("01") or of the whole course.

    Raises ValueError if the notebook has no exercises.
    """
    exercises = [exercise for exercise in all_exercises() if notebook in (None, exercise.notebook)]
    if not exercises:
        raise ValueError(f"there are no exercises in notebook {notebook!r}; expected two digits such as '01'")
    entries = record.load()
    status = {exercise: entries.get(exercise.name, record.Entry()).status for exercise in exercises}
    by_notebook = groupby(exercises, key=lambda exercise: exercise.notebook)
    rows = tuple((name, {exercise: status[exercise] for exercise in group}) for name, group in by_notebook)
    open_ones = [exercise for exercise in exercises if status[exercise] != "done"]
    return Progress(rows, _closing_line(len(status) - len(open_ones), len(status), open_ones))


def _legend() -> str:
    return "   ".join(f"{DOTS[status][0]} {word}" for status, word in WORDS.items())


def _dot(exercise: Exercise, status: str) -> str:
    dot, color = DOTS[status]
    words = f"{exercise.title}: {WORDS[status]}"
    look = f"color: {color}; font-size: 1.3em"
    shown = f'<span role="img" aria-label="{words}" title="{words}" style="{look}">{dot}</span>'
    return _linked(shown, exercise.notebook)


def _linked(shown: str, notebook: str) -> str:
    """A link to the notebook, if it lies where the kernel runs, as it does in the course's folder."""
    found = next(Path.cwd().glob(f"{notebook}_*.ipynb"), None)
    return f'<a href="{found.name}" style="text-decoration: none">{shown}</a>' if found else shown


def _closing_line(done: int, total: int, open_ones: list[Exercise]) -> str:
    if not open_ones:
        return f"All {total} exercises are done. Well done!"
    following = open_ones[0]
    return (
        f"{done} of {total} exercises done. Next: {following.title}, in notebook {following.notebook}, "
        f"about {following.minutes} minutes."
    )
