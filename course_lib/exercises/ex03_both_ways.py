"""Exercise 3.1 of notebook 03: both ways around the square; and functions to try the exercises on."""

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.actions import act_on_image
from course_lib.averaging import group_average
from course_lib.exercises import compare, register
from course_lib.exercises.registry import Function
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


def _around_the_square(f: Function, reference: Function) -> None:
    small, larger = torch.arange(1.0, 5.0).reshape(1, 1, 2, 2), torch.arange(1.0, 13.0).reshape(1, 1, 3, 4)
    for g in D4.elements[1:]:
        compare(f, reference, square_times_column, g, small)
        compare(f, reference, shift_then_multiply, g, larger)


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
            lambda function, g, x: (function(act_on_image(g, x)), act_on_image(g, act_on_image(g, function(x)))),
            "On the second way you turn twice. Compute, then turn once.",
        ),
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
            lambda function, g, x: (function(act_on_image(g, x)),) * 2,
            "You go the first way twice. On the second way, compute first, and turn the *result*.",
        ),
        (
            lambda function, g, x: (act_on_image(g, function(x)),) * 2,
            "You go the second way twice. On the first way, turn the *input* before you compute.",
        ),
        (
            lambda function, g, x: (function(act_on_image(g, x)), function(x)),
            "On the second way you do not turn the result. Comparing with the plain result would test for invariance.",
        ),
        (
            lambda function, g, x: (function(x), act_on_image(g, function(x))),
            "On the first way you do not turn the input.",
        ),
        (
            lambda function, g, x: (function(act_on_image(g, x)), act_on_image(inverse(g), function(x))),
            "On the second way you turn by g⁻¹. Both ways turn by the same g: what happens to the input happens to the "
            "output.",
        ),
        (
            lambda function, g, x: (act_on_image(g, function(act_on_image(g, x))), act_on_image(g, function(x))),
            "On the first way you turn twice, before and after. Turn the input, compute, and leave the result as it "
            "is.",
        ),
        (
            lambda function, g, x: (function(act_on_image(g, x)), act_on_image(g, x)),
            "On the second way you turn, but you do not compute: turn the result of the function.",
        ),
        (
            lambda function, g, x: (function(act_on_image(g, x)), function(act_on_image(g, function(x)))),
            "On the second way you compute twice, before and after the turn. Compute, turn, and leave it at that.",
        ),
        (
            lambda function, g, x: (function(act_on_image(inverse(g), x)), act_on_image(g, function(x))),
            "On the first way you turn by g⁻¹. Both ways turn by the same g.",
        ),
        (
            lambda function, g, x: both_ways(function, D4.elements[1], x),
            "Both ways turn by 90°, whatever g is. Turn by g.",
        ),
        (
            lambda function, g, x: (function(x), function(act_on_image(g, x))),
            "You compare the results of two images, and turn neither result. The first way is your second entry; on "
            "the second way, turn the result: L_g Φ(x).",
        ),
        (
            lambda function, g, x: (
                act_on_image(inverse(g), function(act_on_image(g, x))),
                act_on_image(g, function(x)),
            ),
            "You turn back at the end of the first way. Leave its result turned, like that of the second way.",
        ),
        (
            lambda function, g, x: (act_on_image(g, x), function(x)),
            "Each way has two steps. You turn on the first and compute on the second, but both ways need both steps.",
        ),
        (
            lambda function, g, x: (act_on_image(g, function(x)), function(x)),
            "You never turn the input, and your second way does not turn at all. First way: turn, then compute.",
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
        (
            lambda function, g, x: (
                act_on_image(g, function(act_on_image(inverse(g), x))),
                act_on_image(g, function(x)),
            ),
            "On the first way, you turn by g⁻¹ first and by g at the end. Turn by g, compute, and leave the result "
            "as it is.",
        ),
    ],
)
