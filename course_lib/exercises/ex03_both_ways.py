"""Exercise 3.1 of notebook 03: both ways around the square; and functions to try the exercises on."""

from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor

from course_lib.actions import act_on_image
from course_lib.averaging import group_average
from course_lib.exercises import call, compare, register
from course_lib.exercises.registry import Function
from course_lib.exercises.values import difference
from course_lib.groups import C4, D4, Element, inverse


def square_times_column(x: Tensor) -> Tensor:
    """Not equivariant: what it does to a pixel depends on where the pixel is. Not linear either."""
    return x.square() * torch.arange(x.shape[-1], dtype=x.dtype)


def shift_then_multiply(x: Tensor) -> Tensor:
    return square_times_column(x.roll(1, dims=-2))


def swirl(x: Tensor) -> Tensor:
    """Equivariant under the four rotations, but not under mirrors."""
    return group_average(shift_then_multiply, C4, x)


def both_ways(function: Callable[[Tensor], Tensor], g: Element, x: Tensor) -> tuple[Tensor, Tensor]:
    """Φ(L_g x) and L_g Φ(x): turn, then compute; and compute, then turn."""
    return function(act_on_image(g, x)), act_on_image(g, function(x))


RIGHT_STEPS = {"first": "turn by g, then compute", "second": "compute, then turn by g"}


def _steps_to(result: Tensor, function: Function, g: Element, x: Tensor) -> str | None:
    """The shortest way from x to the result that turns and computes at most three times, in words."""
    moves: dict[str, Function] = {
        "turn by g": lambda y: act_on_image(g, y),
        "turn by g⁻¹": lambda y: act_on_image(inverse(g), y),
        "compute": function,
    }
    for length in range(4):
        for steps in product(moves, repeat=length):
            y = x
            for step in steps:
                y = moves[step](y)
            if difference(y, result) is None:
                return ", then ".join(steps) or "nothing at all"
    return None


def _steps_of(f: Function, g: Element, x: Tensor) -> str:
    """What the learner does on either way, if it is not what it should be."""
    ways = call(f, shift_then_multiply, g, x, example={"g": g, "x": x})
    if not isinstance(ways, tuple) or len(ways) != 2:
        return ""
    wrong = []
    for (name, right), result in zip(RIGHT_STEPS.items(), ways, strict=True):
        steps = _steps_to(result, shift_then_multiply, g, x)
        if steps not in (None, right):
            wrong.append(f"On the {name} way, what you do is: {steps}. It should be: {right}.")
    return " ".join(wrong)


def _around_the_square(f: Function, reference: Function) -> None:
    small, larger = torch.arange(1.0, 5.0).reshape(1, 1, 2, 2), torch.arange(1.0, 13.0).reshape(1, 1, 3, 4)
    steps = _steps_of(f, D4.elements[1], larger)
    for g in D4.elements[1:]:
        compare(f, reference, square_times_column, g, small, because=steps)
        compare(f, reference, shift_then_multiply, g, larger, because=steps)


register(
    "3.1",
    both_ways,
    minutes=6,
    difficulty=1,
    checks=[_around_the_square],
    hints=[
        "`act_on_image(g, x)` turns an image by g. On the first way it comes before the function, on the second after "
        "it.",
        "The first way is `function(act_on_image(g, x))`. Write the second way in the same manner: whatever is "
        "done last is outermost.",
    ],
    known_mistakes=[
        (
            lambda function, g, x: (function(g * x), act_on_image(g, function(x))),
            "A group element is not a number, so `g * x` does not turn anything. Turn by `act_on_image(g, x)`.",
        ),
        (
            lambda function, g, x: both_ways(function, x, g),
            "The element comes first: `act_on_image(g, x)`.",
        ),
        (
            lambda function, g, x: (function(act_on_image(g, x)), act_on_image(g, function)),
            "`act_on_image` turns images, not functions. Give it what the function returns: `function(x)`.",
        ),
        (
            lambda function, g, x: both_ways(function, g, x)[::-1],
            'Both ways are right, but their order is not: first return "turn, then compute".',
        ),
        (
            lambda function, g, x: (function(act_on_image(g, x)), function(x)),
            "On the second way you do not turn the result. Comparing with the plain result would test for invariance.",
        ),
        (
            lambda function, g, x: (function(act_on_image(g, x)), act_on_image(g, function(act_on_image(g, x)))),
            "Your second way starts from the turned image. Both ways start from x: give the turned image another name.",
        ),
        (
            lambda function, g, x: both_ways(function, D4.elements[1], x),
            "Both ways turn by 90°, whatever g is. Turn by g.",
        ),
        (
            lambda function, g, x: both_ways(function, inverse(g), x),
            "Both ways turn by g⁻¹. `act_on_image(g, x)` already has the inverse of the formula inside it: turn by g.",
        ),
        (
            lambda function, g, x: (act_on_image(inverse(g), function(act_on_image(g, x))), function(x)),
            "You turn back at the end of the first way. That tests the same thing, but here both ways should end in "
            "the turned picture: do not turn back, and turn the result of the second way.",
        ),
    ],
)
