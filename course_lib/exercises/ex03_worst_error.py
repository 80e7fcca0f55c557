"""Exercise 3.5 of notebook 03: the worst error over a group."""

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.actions import act_on_image
from course_lib.checks import relative_error
from course_lib.exercises import compare, register
from course_lib.exercises.ex03_both_ways import both_ways, square_times_column, swirl
from course_lib.exercises.registry import Function
from course_lib.groups import C4, D1, D2, D4, Element, Group


def worst_error(function: Callable[[Tensor], Tensor], group: Group, x: Tensor) -> float:
    """The largest relative error between the two ways around the square, over all elements of the group."""
    return max(relative_error(*both_ways(function, g, x)) for g in group.elements)


def _turned_on_and_on(function: Function, group: Group, x: Tensor) -> float:
    errors = []
    for g in group.elements:
        x = act_on_image(g, x)
        errors.append(relative_error(*both_ways(function, g, x)))
    return max(errors)


def _errors(function: Function, group: Group, x: Tensor) -> list[float]:
    return [relative_error(*both_ways(function, g, x)) for g in group.elements]


def _worst_of_several(f: Function, reference: Function) -> None:
    x = torch.randn(1, 1, 5, 5, dtype=torch.float64)
    for group in (C4, D4, D2, D1):
        for function in (square_times_column, swirl):
            errors = dict(zip(map(str, group.elements), _errors(function, group, x), strict=True))
            worst = max(errors, key=errors.__getitem__)
            because = f"Of all elements of {group}, {worst} has the largest error: {errors[worst]:.3g}."
            compare(f, reference, function, group, x, because=because)


E = Element(0, 0)
NO_TURN = "You leave out the elements without a turn, but a mirror may break the symmetry, too. Try all elements."

register(
    "3.5",
    worst_error,
    minutes=6,
    difficulty=1,
    checks=[_worst_of_several],
    hints=[
        "You have written the pieces: `both_ways` gives two pictures, and `relative_error` compares them.",
        "`relative_error(*both_ways(function, g, x))` is the error for one g. Take the largest over `group.elements`.",
    ],
    known_mistakes=[
        (
            _turned_on_and_on,
            "Your loop turns x itself, so the next element starts from a turned image. Leave x as it is.",
        ),
        (
            lambda function, group, x: max(both_ways(function, g, x) for g in group.elements),
            "You compare pairs of pictures. Make one number of each pair first: `relative_error(*both_ways(…))`.",
        ),
        (
            lambda function, group, x: relative_error(both_ways(function, E, x)),  # type: ignore[call-arg, arg-type]
            "`both_ways` returns one pair, and `relative_error` takes two maps: unpack the pair with a star, "
            "`relative_error(*both_ways(…))`.",
        ),
        (
            lambda function, group, x: relative_error(*both_ways(function, x, E)),  # type: ignore[arg-type]
            "The element comes before the image: `both_ways(function, g, x)`.",
        ),
        (
            lambda function, group, x: max(0.0),  # type: ignore[call-overload]
            "`max` of a single number is an error. Compare with the largest error so far: `max(worst, error)`.",
        ),
        (
            lambda function, group, x: relative_error(*both_ways(function, group, x)),
            "You turn by the group, but `both_ways` takes one element. Call it for every g in `group.elements`.",
        ),
        (
            lambda function, group, x: sum(_errors(function, group, x)) / group.order,
            "You return the mean over the group. One bad element is enough to break equivariance: take the largest "
            "error.",
        ),
        (
            lambda function, group, x: sum(_errors(function, group, x)) / 8,
            "You return a mean. One bad element is enough to break equivariance: take the largest error.",
        ),
        (lambda function, group, x: sum(_errors(function, group, x)), "You add up the errors. Take the largest one."),
        (
            lambda function, group, x: min(_errors(function, group, x)),
            "You return the error of e only, the smallest one, which is always 0. Take the largest one. If you use a "
            "loop, its `return` belongs below the loop, not inside it.",
        ),
        (
            lambda function, group, x: _errors(function, group, x)[-1],
            "You return the error of the last element only. Compare all of them, and keep the largest error.",
        ),
        (
            lambda function, group, x: _errors(function, group, x)[1],
            "You try one element only. Try every element of the group, and keep the largest error.",
        ),
        (
            lambda function, group, x: relative_error(*both_ways(function, Element(0, 1), x)),
            "You try the quarter turn only. Try every element of the group.",
        ),
        (
            lambda function, group, x: worst_error(function, C4, x),
            "You try the four rotations, whatever the group is. Use `group.elements`.",
        ),
        (
            lambda function, group, x: worst_error(function, D4, x),
            "You try all eight elements of D4, whatever the group is. Use `group.elements`.",
        ),
        (
            lambda function, group, x: max(relative_error(*both_ways(function, g, x)[::-1]) for g in group.elements),
            "You swap `got` and `expected`. What we expect is the second way, L_g Φ(x), and it sets the scale.",
        ),
        (
            lambda function, group, x: max(
                (way - other).abs().max().item() for way, other in (both_ways(function, g, x) for g in group.elements)
            ),
            "These are absolute errors. Use `relative_error`, or a network with small outputs always looks better.",
        ),
        (
            lambda function, group, x: max(relative_error(function(act_on_image(g, x)), x) for g in group.elements),
            "You compare with the input x. Compare with L_g Φ(x), the second way: use `both_ways`.",
        ),
        (
            lambda function, group, x: max(
                relative_error(act_on_image(g, function(x)), function(x)) for g in group.elements
            ),
            "You never turn the input. Compare Φ(L_g x) with L_g Φ(x): use `both_ways`.",
        ),
        (
            lambda function, group, x: max(
                relative_error(function(act_on_image(g, x)), function(x)) for g in group.elements
            ),
            "You compare with Φ(x), which tests for invariance. Compare with L_g Φ(x): use `both_ways`.",
        ),
        (
            lambda function, group, x: max(
                (relative_error(*both_ways(function, g, x)) for g in group.elements if g.r), default=0.0
            ),
            NO_TURN,
        ),
        (
            lambda function, group, x: max(relative_error(*both_ways(function, g, x)) for g in group.elements if g.r),
            NO_TURN,
        ),
        (
            lambda function, group, x: sum(
                (way - other).abs().max().item() for way, other in (both_ways(function, g, x) for g in group.elements)
            ),
            "You add up absolute errors. Take the largest `relative_error`.",
        ),
    ],
)
