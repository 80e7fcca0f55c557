"""Exercises: an empty function, an instant check, a counterexample, and a fallback to the library's own function.

A learner writes, in a notebook::

    @exercise
    def compose(a: Element, b: Element) -> Element:
        ...

An author adds an exercise to the file of the notebook, such as ``ex01_groups.py``, with `register`, and writes the stub
and the marker ``<!-- help: compose -->`` into the notebook's source.
"""

from course_lib.exercises.checking import exercise
from course_lib.exercises.comparing import Mistake, call, compare, expect_error
from course_lib.exercises.registry import Function, register
from course_lib.exercises.report import progress

__all__ = ["Function", "Mistake", "call", "compare", "exercise", "expect_error", "progress", "register"]
