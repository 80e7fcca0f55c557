"""The exercises of all notebooks, one file ``ex01_groups.py``, ``ex02_actions.py``, … per notebook."""

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import course_lib.exercises

Function = Callable[..., Any]
Check = Callable[[Function, Function], None]


@dataclass(frozen=True)
class Exercise:
    """An exercise as its file registers it; see `register` for the fields."""

    number: str
    reference: Function
    checks: tuple[Check, ...]
    hints: tuple[str, ...]
    minutes: int
    difficulty: int
    known_mistakes: tuple[tuple[Function, str], ...]
    warm_up: Callable[[], object] | None = None

    @property
    def name(self) -> str:
        return self.reference.__name__

    @property
    def title(self) -> str:
        return f"Exercise {self.number} {self.name}"

    @property
    def notebook(self) -> str:
        """The two digits of its notebook: "01" for exercise 1.2."""
        return f"{int(self.number.split('.')[0]):02d}"

    @property
    def sort_key(self) -> tuple[int, ...]:
        return tuple(map(int, self.number.split(".")))


_exercises: dict[str, Exercise] = {}


def register(
    number: str,
    reference: Function,
    *,
    checks: Sequence[Check],
    hints: Sequence[str],
    minutes: int,
    difficulty: int,
    known_mistakes: Sequence[tuple[Function, str]] = (),
    warm_up: Callable[[], object] | None = None,
) -> None:
    """Add an exercise.

    Args:
        number: "1.2" is the second exercise of notebook 01.
        reference: the library's own function. The learner's has the same name; its source is the solution shown.
        checks: functions ``check(f, reference)`` that raise `Mistake`, simplest first; most are a few `compare` calls.
        hints: markdown, from nudge to near-solution.
        minutes: how long a learner takes.
        difficulty: 1, 2 or 3.
        known_mistakes: (wrong function, what to say). If a failing check passes once the wrong function plays the
            reference, the learner has made exactly this mistake, and is told so. If the learner's function stops with
            an error, it is the one that stops with the same error.
        warm_up: called before the clock of the checks starts, for what is compiled or imported at first use.

    Raises ValueError if the name or number is taken, or a field is missing.
    """
    lists = tuple(checks), tuple(hints)
    exercise = Exercise(number, reference, *lists, minutes, difficulty, tuple(known_mistakes), warm_up)
    for other in _exercises.values():
        if number == other.number or exercise.name == other.name:
            raise ValueError(f"{exercise.title} takes the number or the name of {other.title}")
    if not checks or not hints or difficulty not in (1, 2, 3):
        raise ValueError(f"{exercise.title} needs at least one check and one hint, and a difficulty of 1, 2 or 3")
    _exercises[exercise.name] = exercise


def all_exercises() -> list[Exercise]:
    """Every exercise in the order of the course. The files are imported the first time it is asked for."""
    for module in pkgutil.iter_modules(course_lib.exercises.__path__):
        if module.name.startswith("ex") and module.name[2:4].isdigit():
            importlib.import_module(f"{course_lib.exercises.__name__}.{module.name}")
    return sorted(_exercises.values(), key=lambda exercise: exercise.sort_key)


def find(name: str) -> Exercise:
    """The exercise of this name. Raises LookupError, with the names there are."""
    exercises = {exercise.name: exercise for exercise in all_exercises()}
    if name not in exercises:
        raise LookupError(f"there is no exercise {name!r}; keep the function's name. Exercises: {', '.join(exercises)}")
    return exercises[name]
