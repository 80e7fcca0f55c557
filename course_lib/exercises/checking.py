"""The ``@exercise`` decorator: run the checks, say what happened, hand on the learner's function or the reference."""

import ast
import contextlib
import inspect
import io
import sys
import textwrap
from collections.abc import Iterator
from types import EllipsisType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_lib.exercises import record
from course_lib.exercises.card import Strip
from course_lib.exercises.comparing import (
    Mistake,
    describe_endless,
    describe_error,
    file_of,
    functions_of,
    in_one_line,
    show_example,
)
from course_lib.exercises.limits import stopped_line, time_limit
from course_lib.exercises.registry import Check, Exercise, Function, find
from course_lib.exercises.values import Array, as_array, first_difference


def exercise(f: Function) -> Function:
    """Check the function below against the exercise of its name, and return what the cells below shall use.

    Right: the learner's function. Wrong, or not filled in: the reference, so that later cells show what they should.
    The outcome is shown, with a counterexample if it is wrong, and kept for `progress`.
    """
    this = find(f.__name__)
    if is_empty(f):
        return _left_empty(this)
    mistake = find_mistake(this, f)
    if mistake is None:
        count = len(this.checks)
        checks = f"all {count} checks pass" if count > 1 else "the check passes"
        Strip("right", this.title, f"well done, {checks}; the cells below use yours.").show()
        record.save_attempt(this.name, passed=True)
        return f
    if has_placeholder(f):
        return _left_empty(this)
    closing = "The cells below use the reference."
    Strip("wrong", this.title, f"not yet. {mistake.message}", show_example(mistake), closing).show()
    _show_picture(mistake)
    record.save_attempt(this.name, passed=False)
    return this.reference


def _left_empty(this: Exercise) -> Function:
    Strip("empty", this.title, "not filled in yet; the cells below use the reference.").show()
    return this.reference


def find_mistake(this: Exercise, f: Function) -> Mistake | None:
    """The first mistake that the checks find, explained if it is a known one; None for a right answer."""
    if this.warm_up and not has_placeholder(f):
        this.warm_up()
    with _bound_to_its_name(f):
        try:
            line = stopped_line(lambda: _first_mistake(this, f), file_of(f))
        except KeyboardInterrupt:
            return Mistake("You stopped the check before it was done. Is there a loop that never ends?")
        return _first_mistake(this, f) if line is None else Mistake(describe_endless(line, f))


def _first_mistake(this: Exercise, f: Function) -> Mistake | None:
    for check in this.checks:
        if mistake := _run(check, f, this.reference):
            with contextlib.redirect_stdout(io.StringIO()):  # the learner's own prints have been seen once
                return _diagnose_error(this, check, f, mistake) or _diagnose(this, check, f, mistake) or mistake
    return None


def has_placeholder(f: Function) -> bool:
    """Whether `y = ...`, `return ...` or `raise NotImplementedError` still stands there, or no statement at all.

    A bare `...` that was left beside an answer is none: the answer is to be checked. A class has a placeholder if one
    of its methods has.
    """
    if inspect.isclass(f):  # its own source cannot be found in a notebook, that of its methods can
        return any(has_placeholder(method) for method in functions_of(f))
    definition = _definition(f)
    return is_empty(f) or (definition is not None and any(map(_is_placeholder, ast.walk(definition))))


def is_empty(f: Function) -> bool:
    """Whether a function has no statement but `...` or `pass`: there is nothing to check. (A class always has some.)"""
    definition = _definition(f)
    return definition is not None and all(map(_says_nothing, definition.body))


def _definition(f: Function) -> Any:
    """The syntax tree of a function; None for a class, and where there is no source."""
    try:
        return None if inspect.isclass(f) else ast.parse(textwrap.dedent(inspect.getsource(f))).body[0]
    except (OSError, TypeError, SyntaxError):
        return None


def _says_nothing(node: ast.AST) -> bool:
    """A docstring, `...` or `pass`."""
    value = node.value if isinstance(node, ast.Expr) else None
    text_or_dots = isinstance(value, ast.Constant) and isinstance(value.value, (str, EllipsisType))
    return text_or_dots or isinstance(node, ast.Pass)


def _is_placeholder(node: ast.AST) -> bool:
    if isinstance(node, ast.Raise):
        return node.exc is not None and "NotImplementedError" in ast.dump(node.exc)
    value = node.value if isinstance(node, (ast.Return, ast.Assign, ast.AnnAssign)) else None
    return isinstance(value, ast.Constant) and value.value is ...


def _diagnose(this: Exercise, check: Check, f: Function, mistake: Mistake) -> Mistake | None:
    """Name the mistake if the answer is a known wrong one: the check passes when that one plays the reference."""
    if mistake.__cause__:  # an answer that raised would do so again, and one that hangs takes its time
        return None
    for wrong, message in this.known_mistakes:
        if _run(check, f, wrong) is None:
            return Mistake(message, mistake.example, mistake.expected, mistake.yours)
    return None


def _diagnose_error(this: Exercise, check: Check, f: Function, mistake: Mistake) -> Mistake | None:
    """Name the mistake if a known wrong answer stops with the same error. The learner's own does not run again."""
    error = mistake.__cause__
    if not isinstance(error, Exception):
        return None
    for wrong, message in this.known_mistakes:
        other = _run(check, wrong, this.reference)
        if other and other.__cause__ and in_one_line(other.__cause__) == in_one_line(error):
            return Mistake(f"{describe_error(error, f).rstrip('.')}. {message}", mistake.example)
    return None


def _run(check: Check, f: Function, reference: Function) -> Mistake | None:
    try:
        with torch.random.fork_rng(devices=[]), time_limit():
            torch.default_generator.manual_seed(0)  # the GPUs' generators are not what fork_rng puts back
            check(f, reference)
    except Mistake as mistake:
        return mistake
    except BaseException as error:  # sys.exit and the stop button, too: the cells below need the reference
        crash = Mistake(describe_error(error, f))
        crash.__cause__ = error
        return crash
    return None


@contextlib.contextmanager
def _bound_to_its_name(f: Function) -> Iterator[None]:
    """A function that calls itself must meet itself while it is checked: the decorator's result is bound later."""
    names: dict[str, Any] = next((part.__globals__ for part in functions_of(f)), {})
    before = {f.__name__: names[f.__name__]} if f.__name__ in names else {}
    names[f.__name__] = f
    try:
        yield
    finally:
        del names[f.__name__]
        names.update(before)


def _show_picture(mistake: Mistake) -> None:
    """Maps and tables also as a picture, where a picture can be shown."""
    maps = _maps(mistake)
    ipython = sys.modules.get("IPython")
    if maps and ipython is not None and ipython.get_ipython() is not None:
        from course_lib.figures import panels  # a bare GPU machine has no matplotlib

        ipython.display.display(panels(maps))


def _maps(mistake: Mistake) -> dict[str, Array]:
    """The 2-D maps to draw: of a stack of maps the first one that differs."""
    values = {**mistake.example, "expected": mistake.expected, "yours": mistake.yours}
    arrays = {title: as_array(value) for title, value in values.items() if _is_drawable(value)}
    if not {"expected", "yours"} <= arrays.keys():
        return {}
    expected, yours = arrays["expected"], arrays["yours"]
    place = first_difference(expected, yours) if expected.shape == yours.shape else None
    stack = expected.shape[:-2]
    maps = {}
    for title, array in arrays.items():
        sheet = place[:-2] if place and array.shape[:-2] == stack else (0,) * (array.ndim - 2)
        maps[f"{title} {list(sheet)}" if sheet else title] = array[sheet]
    return maps


def _is_drawable(value: Any) -> bool:
    if not isinstance(value, (Tensor, np.ndarray)) or value.ndim < 2:
        return False
    array = as_array(value)
    return array.size > 0 and array.dtype.kind in "biuf" and bool(np.isfinite(array).all())
