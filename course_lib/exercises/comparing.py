"""What a check is made of: `compare` runs a learner's function beside the reference and raises a `Mistake`."""

import copy
import inspect
import linecache
import traceback
from collections.abc import Callable
from types import FunctionType
from typing import Any

from course_lib.exercises.limits import SECONDS, StillRunning
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
    f: Callable[..., Any],
    reference: Callable[..., Any],
    *inputs: Any,
    because: str | Callable[[Any, Any], str] = "",
    tolerance: float = 1e-5,
) -> None:
    """Raise a Mistake unless f(*inputs) equals reference(*inputs) and leaves its inputs as they were.

    Args:
        because: a sentence that is added to the message, such as the rule that the answer breaks; or a function that
            finds the sentence, of what was expected and what was returned.
        tolerance: see `values.difference`.

    Both functions get their own copies of the inputs. Call it for small inputs first: the first difference is shown.
    """
    example = dict(zip(inspect.signature(reference).parameters, inputs, strict=False))
    expected = reference(*copy.deepcopy(inputs))
    given = copy.deepcopy(inputs)
    yours = call(f, *given, example=example, because=because if isinstance(because, str) else "")
    if problem := difference(expected, yours, tolerance):
        ending = "" if problem.endswith("?") else "."
        why = because if isinstance(because, str) else because(expected, yours)
        raise Mistake(f"Your function {problem}{ending} {why}".strip(), example, expected, yours)
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
    except BaseException as other:
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
    except BaseException as error:  # sys.exit and the stop button, too: the cells below need the reference
        what = describe_error(error, f)
        raise Mistake(f"{what.rstrip('.')}. {because}" if because else what, example) from error


def describe_error(error: BaseException, f: Callable[..., Any]) -> str:
    """An exception in two lines: what it says, and the line of the learner's own code where it came from.

    The learner's code is the file of ``f``. If ``f`` is a wrapper of ours, `functools.update_wrapper` must have made it
    one of the learner's function, or the line is not found.
    """
    filename = file_of(f)
    lines = [frame.lineno or 0 for frame in traceback.extract_tb(error.__traceback__) if frame.filename == filename]
    line = lines[-1] if lines else 0
    if isinstance(error, StillRunning):
        return describe_endless(line, f)
    what = in_one_line(error)
    if isinstance(error, TypeError) and "'Group'" in what:
        what += ". The elements of a group are in `group.elements`, and their number is `group.order`."
    return f"Your function stopped{_place(line, f)}. {what}" if line else f"Your function could not be checked. {what}"


def describe_endless(line: int, f: Callable[..., Any]) -> str:
    """That an answer took too long, and the line where it was; 0 if that is not known."""
    what = f"Your function was still running after {SECONDS:.0f} seconds{_place(line, f)}"
    return f"{what}. Is there a loop that never ends?"


def file_of(f: Callable[..., Any]) -> str | None:
    """The file that holds a learner's function or class; None for a builtin."""
    return next((part.__code__.co_filename for part in functions_of(f)), None)


def functions_of(f: Callable[..., Any]) -> list[FunctionType]:
    """The learner's own code: the function itself, or the methods that a class defines; nothing for a builtin."""
    answer = inspect.unwrap(f)
    parts = list(vars(answer).values()) if inspect.isclass(answer) else [answer]
    return [part for part in parts if inspect.isfunction(part)]


def _place(line: int, f: Callable[..., Any]) -> str:
    return f" in line {line}, `{linecache.getline(file_of(f) or '', line).strip()}`" if line else ""


def in_one_line(error: BaseException) -> str:
    """Its kind and what it says."""
    try:
        said = str(error).strip()
    except Exception:  # an error of the learner's own, whose __str__ fails
        said = ""
    what = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return what if len(what) < 400 else what[:400] + " …"


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
