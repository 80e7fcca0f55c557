"""What to say about a wrong answer that nobody listed: which part of it is wrong, seen beside the right result."""

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.comparing import Mistake, call, compare
from course_lib.exercises.registry import Function

Explain = Callable[[Any, Any], str]


def compare_parts(f: Function, reference: Function, *inputs: Any, explain: Explain, because: str = "") -> None:
    """As `compare`, but explain(expected, yours), unless it is "", replaces "returned …, expected …" in the message.

    It is asked only if both results are of one type and, as dictionaries, have the same keys. ``because`` follows, also
    after an error of the learner's function: a function as ``because`` of `compare` is not asked then.
    """
    try:
        compare(f, reference, *inputs, because=because)
    except Mistake as mistake:
        what = explain(mistake.expected, mistake.yours) if _alike(mistake.expected, mistake.yours) else ""
        if not what:
            raise
        raise Mistake(f"{what} {because}".strip(), mistake.example, mistake.expected, mistake.yours) from None


def _alike(expected: Any, yours: Any) -> bool:
    if isinstance(expected, dict) and isinstance(yours, dict):
        return expected.keys() == yours.keys() and all(_alike(expected[key], yours[key]) for key in expected)
    if isinstance(expected, Tensor) and isinstance(yours, Tensor):
        return expected.dtype == yours.dtype
    return type(expected) is type(yours) and isinstance(expected, tuple)


def check_shape(f: Function, reference: Function, *inputs: Any, names: tuple[str, ...]) -> None:
    """Name the axis that is missing or too many; best with inputs whose axes have different lengths.

    Checks with small inputs, whose axes are often of length 1, come after it.
    """
    example = dict(zip(inspect.signature(reference).parameters, inputs, strict=False))
    because = f"The axes of the result are: {', '.join(names)}."
    expected, yours = reference(*inputs), call(f, *inputs, example=example, because=because)
    if isinstance(yours, Tensor) and (problem := _other_shape(expected, yours, names)):
        raise Mistake(problem, example, expected, yours)


def same(one: Tensor, two: Tensor) -> bool:
    return one.shape == two.shape and torch.allclose(one, two, rtol=1e-4, atol=1e-5)


def shapes(expected: Tensor, yours: Tensor) -> str:
    return f"the shape {tuple(yours.shape)}, expected {tuple(expected.shape)}"


def explain_axes(*names: str) -> Explain:
    """An `Explain` for tensors whose axes have these names, in the plural. Their shape has been checked before."""

    def explain(expected: Tensor, yours: Tensor) -> str:
        if expected.shape != yours.shape:
            return ""
        return _factor(expected, yours) or _other_order(expected, yours, names) or _right_part(expected, yours, names)

    return explain


def _other_shape(expected: Tensor, yours: Tensor, names: tuple[str, ...]) -> str:
    want, got = tuple(expected.shape), tuple(yours.shape)
    if got == want:
        return ""
    ending = f"Your result has {shapes(expected, yours)}."
    for axis, name in enumerate(names):
        if got == want[:axis] + want[axis + 1 :]:
            summed = " You have added it up." if same(expected.sum(dim=axis), yours) else ""
            return f"The axis of the {name} is missing.{summed} {ending}"
    for axis in range(len(want) - 1):
        if got == (*want[:axis], want[axis] * want[axis + 1], *want[axis + 2 :]):
            return f"The {names[axis]} and the {names[axis + 1]} share one axis. {ending}"
    if len(got) == len(want) + 1 and any(got[:axis] + got[axis + 1 :] == want for axis in range(len(got))):
        axis = next(axis for axis in range(len(got)) if got[:axis] + got[axis + 1 :] == want)
        summed = " If you add it up, your result is right." if same(expected, yours.sum(dim=axis)) else ""
        return f"There is one axis too many, number {axis} (counted from 0).{summed} {ending}"
    other = [axis for axis in range(len(want)) if len(got) == len(want) and got[axis] != want[axis]]
    if len(other) == 1:
        return f"The axis of the {names[other[0]]} has length {got[other[0]]}. {ending}"
    if sorted(n for n in got if n > 1) == sorted(n for n in want if n > 1):
        return (
            f"Your axes are in another order, or one of length 1 is missing. {ending} The order is: {', '.join(names)}."
        )
    return ""


def _factor(expected: Tensor, yours: Tensor) -> str:
    total = float((expected * expected).sum())
    factor = float((expected * yours).sum()) / total if total else 0.0
    if abs(factor) < 1e-6 or not same(factor * expected, yours):
        return ""
    return f"Your result is {factor:.3g} times the right one everywhere: look for a factor, a sign, or a second sum."


def _other_order(expected: Tensor, yours: Tensor, names: tuple[str, ...]) -> str:
    for axis, name in enumerate(names):
        want, got = expected.movedim(axis, 0), yours.movedim(axis, 0)
        order = [next((j for j, part in enumerate(want) if same(part, other)), None) for other in got]
        moved = [i for i, j in enumerate(order) if i != j]
        if None not in order and moved:
            return (
                f"Along the axis of the {name} the numbers are at the wrong places: your number {moved[0]} (counted "
                f"from 0) is the one that belongs at {order[moved[0]]}."
            )
    return ""


def _right_part(expected: Tensor, yours: Tensor, names: tuple[str, ...]) -> str:
    for axis, name in enumerate(names):
        pairs = zip(expected.movedim(axis, 0), yours.movedim(axis, 0), strict=True)
        right = [i for i, (part, other) in enumerate(pairs) if same(part, other)]
        if right:
            listed = ", ".join(map(str, right))
            return f"Of the {name} only number {listed} (counted from 0) is right: compare it with the others."
    return ""
