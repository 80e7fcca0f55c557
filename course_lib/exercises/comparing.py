"""What a check is made of: `compare` runs a learner's function beside the reference and raises a `Mistake`."""

from __future__ import annotations

import copy
import inspect
import linecache
import traceback
from collections.abc import Callable
from typing import Any

from course_lib.exercises.values import difference, show

MISSING: Any = object()


class Mistake(Exception):
    """What is wrong with an answer, and the smallest input that shows it.

    Args:
        message: one or two plain sentences that name the mistake.
        example: the input, as {name: value}.
        expected, yours: shown side by side, as text and, if they are maps or tables, as a picture.
    """

    def __init__(
        self, message: str, example: dict[str, Any] | None = None, expected: Any = MISSING, yours: Any = MISSING
    ) -> None:
        super().__init__(message)
        self.message = message
        self.example = example or {}
        self.expected = expected
        self.yours = yours


def compare(
    f: Callable[..., Any], reference: Callable[..., Any], *inputs: Any, because: str = "", tolerance: float = 1e-5
) -> None:
    """Raise a Mistake unless f(*inputs) equals reference(*inputs) and leaves its inputs as they were.

    Args:
        because: a sentence that is added to the message, such as the rule that the answer breaks.
        tolerance: see `values.difference`.

    Both functions get their own copies of the inputs. Call it for small inputs first: the first difference is shown.
    """
    example = dict(zip(inspect.signature(reference).parameters, inputs, strict=False))
    expected = reference(*copy.deepcopy(inputs))
    given = copy.deepcopy(inputs)
    yours = call(f, *given, example=example, because=because)
    if problem := difference(expected, yours, tolerance):
        ending = "" if problem.endswith("?") else "."
        raise Mistake(f"Your function {problem}{ending} {because}".strip(), example, expected, yours)
    for (name, before), after in zip(example.items(), given, strict=True):
        if difference(before, after, tolerance=0.0):
            raise Mistake(
                f"Your function changes its input `{name}` in place. Work on a copy: the caller still needs it.",
                {f"{name} before": before, f"{name} after": after},
            )


def expect_error(f: Callable[..., Any], error: type[Exception], *inputs: Any, because: str) -> None:
    """Raise a Mistake unless f(*inputs) raises ``error``; ``because`` says why it should."""
    example = {f"input {i}": value for i, value in enumerate(inputs, 1)}
    try:
        yours = f(*copy.deepcopy(inputs))
    except error:
        return
    except Exception as other:
        raise Mistake(
            f"Your function should raise {error.__name__}: {because} {describe_error(other, f)}", example
        ) from other
    raise Mistake(f"Your function should raise {error.__name__}: {because}", example, MISSING, yours)


def call(f: Callable[..., Any], *inputs: Any, example: dict[str, Any] | None = None, because: str = "") -> Any:
    """f(*inputs); an exception becomes a Mistake that names the line of the learner's code, then says ``because``."""
    try:
        return f(*inputs)
    except Mistake:  # an exercise's own wrapper around the learner's function has said what is wrong
        raise
    except Exception as error:
        what = describe_error(error, f)
        raise Mistake(f"{what.rstrip('.')}. {because}" if because else what, example) from error


def describe_error(error: Exception, f: Callable[..., Any]) -> str:
    """An exception in two lines: what it says, and the line of the learner's own code where it came from.

    The learner's code is the file of ``f``. If ``f`` is a wrapper of ours, `functools.update_wrapper` must have made it
    one of the learner's function, or the line is not found.
    """
    what = f"{type(error).__name__}: {str(error).strip() or 'no message'}"
    what = what if len(what) < 400 else what[:400] + " …"
    filename = inspect.unwrap(f).__code__.co_filename if inspect.isfunction(inspect.unwrap(f)) else None
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == filename]
    if not lines or filename is None or lines[-1] is None:
        return f"Your function could not be checked. {what}"
    return f"Your function stopped in line {lines[-1]}, `{linecache.getline(filename, lines[-1]).strip()}`. {what}"


def show_example(mistake: Mistake) -> str:
    """The example as text: the input, then expected and yours side by side."""
    rows = [
        _columns(["with" if i == 0 else "", f"{name} = "], show(value), widths=(6, 0))
        for i, (name, value) in enumerate(mistake.example.items())
    ]
    answers = {"expected": mistake.expected, "yours": mistake.yours}
    blocks = [[title, *show(value).splitlines()] for title, value in answers.items() if value is not MISSING]
    return "\n".join([*rows, *_side_by_side(blocks)])


def _columns(labels: list[str], text: str, widths: tuple[int, ...]) -> str:
    label = "  " + "".join(f"{part:<{width}}" for part, width in zip(labels, widths, strict=True))
    first, *rest = text.splitlines() or [""]
    return "\n".join([label + first, *(" " * len(label) + line for line in rest)])


def _side_by_side(blocks: list[list[str]]) -> list[str]:
    height = max(map(len, blocks), default=0)
    columns = [block + [""] * (height - len(block)) for block in blocks]
    widths = [max(map(len, column)) for column in columns]
    return [
        ("  " + "   ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))).rstrip()
        for row in zip(*columns, strict=True)
    ]
