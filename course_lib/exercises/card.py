"""The card of an exercise: its head above the cell, and the strip below it that says how the answer stands."""

import re
import sys
from dataclasses import dataclass
from html import escape
from typing import Literal

from course_lib.exercises.registry import Exercise

DIFFICULTY = {1: "easy", 2: "medium", 3: "hard"}
# A color is never alone: each state has a sign and words of its own.
SIGNS = {"right": ("#00875F", "✓"), "empty": ("#B36B00", "○"), "wrong": ("#C8483F", "✗")}


def head(exercise: Exercise) -> str:
    """Markdown for above the exercise's cell: number, name, minutes and difficulty."""
    difficulty = f"{DIFFICULTY[exercise.difficulty]} ({exercise.difficulty} of 3)"
    return f"> **{exercise.title}** · {exercise.minutes} minutes · {difficulty}"


@dataclass(frozen=True)
class Strip:
    """How an answer stands: ``state`` decides sign and color, ``example`` is text in columns, ``closing`` a sentence.

    In a notebook it is shown as a colored strip, elsewhere as text.
    """

    state: Literal["right", "empty", "wrong"]
    title: str
    message: str
    example: str = ""
    closing: str = ""

    def __repr__(self) -> str:
        return "\n".join(filter(None, [f"{self.title}: {self.message}", self.example, self.closing]))

    def _repr_html_(self) -> str:
        color, sign = SIGNS[self.state]
        parts = [
            f'<div><b style="color: {color}; font-size: 1.3em">{sign}</b> <b>{escape(self.title)}</b>: '
            f"{_with_code(self.message)}</div>",
            f'<pre style="margin: 0.5em 0; background: none">{escape(self.example)}</pre>' if self.example else "",
            f"<div>{_with_code(self.closing)}</div>" if self.closing else "",
        ]
        look = f"border-left: 6px solid {color}; padding: 0.4em 0.8em; background: {color}14"
        return f'<div role="status" style="{look}">{"".join(parts)}</div>'

    def show(self) -> None:
        """Display the strip in a notebook, print it elsewhere."""
        ipython = sys.modules.get("IPython")
        if ipython is not None and ipython.get_ipython() is not None:
            ipython.display.display(self)
        else:
            print(self)


def _with_code(text: str) -> str:
    """HTML of a sentence in which `code` stands between backticks."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
