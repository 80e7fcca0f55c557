"""Exercises 3.4 and 3.5 of notebook 03: measure an error, and the worst one over a group."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.actions import act_on_image
from course_lib.checks import relative_error
from course_lib.exercises import compare, register
from course_lib.exercises.ex03_both_ways import both_ways, square_times_column, swirl
from course_lib.exercises.registry import Function
from course_lib.groups import C4, D1, D2, D4, Element, Group

# 3.4 relative_error


def _without_guard(got: Tensor, expected: Tensor) -> float:
    """As the reference, but blind to nan, which compares as false with everything."""
    return ((got - expected).abs().max() / (expected.abs().max().item() or 1.0)).item()


def _error_of_small_maps(f: Function, reference: Function) -> None:
    compare(f, reference, torch.tensor([[2.0, 4.0]]), torch.tensor([[2.0, 5.0]]))
    compare(f, reference, torch.tensor([[9.0, -8.0]]), torch.tensor([[1.0, -10.0]]))
    compare(f, reference, torch.tensor([[1.0, 3.0]]), torch.tensor([[0.0, 4.0]]))
    compare(f, reference, torch.tensor([[5.0, 5.0]]), torch.tensor([[5.0, 5.0]]))
    compare(f, reference, torch.tensor([[0.1, 0.2]]), torch.tensor([[0.1, 0.4]]))


def _error_of_zeros(f: Function, reference: Function) -> None:
    because = "If all of expected is 0, there is no scale to divide by: return the error itself."
    compare(f, reference, torch.zeros(2, 2), torch.zeros(2, 2), because=because)
    compare(f, reference, torch.full((2, 2), 0.5), torch.zeros(2, 2), because=because)


def _error_of_nan(f: Function, reference: Function) -> None:
    because = "`nan > tolerance` is false, so a nan would pass every test. Return math.inf for it."
    compare(f, reference, torch.tensor([[1.0, math.nan]]), torch.ones(1, 2), because=because)
    compare(f, reference, torch.tensor([[1.0, math.inf]]), torch.ones(1, 2), because=because)
    compare(f, reference, torch.ones(1, 2), torch.tensor([[math.nan, 1.0]]), because=because)


register(
    "3.4",
    relative_error,
    minutes=8,
    difficulty=2,
    checks=[_error_of_small_maps, _error_of_zeros, _error_of_nan],
    hints=[
        "You divide one number by another. Both are a `.abs().max().item()`.",
        "Two cases need care: the largest |expected| may be 0, and a value may be nan. `x or 1.0` is 1.0 if x is 0, "
        "and `tensor.isfinite().all()` is false as soon as one value is nan or infinite.",
        "Let `difference = (got - expected).abs()`. Return `math.inf` if it is not finite everywhere. Otherwise divide "
        "`difference.max().item()` by `expected.abs().max().item() or 1.0`.",
    ],
    known_mistakes=[
        (
            lambda got, expected: relative_error(got, expected) if (got - expected).isfinite().all() else math.nan,
            "You return nan. `nan > tolerance` is false, so a broken network would pass. Return math.inf instead.",
        ),
        (
            _without_guard,
            "A nan slips through: `nan > tolerance` is false, so a broken network would pass. Return math.inf for it.",
        ),
        (
            lambda got, expected: (got - expected).abs().max().item() / expected.abs().max().item(),
            "If all of expected is 0, you divide by 0. There is no scale then: return the error itself.",
        ),
        (
            lambda got, expected: ((got - expected).abs().max() / expected.abs().max()).item(),
            "If all of expected is 0, you divide by 0. There is no scale then: return the error itself.",
        ),
        *[
            (
                lambda got, expected, tiny=tiny: (
                    math.inf
                    if not (got - expected).isfinite().all()
                    else (got - expected).abs().max().item() / (expected.abs().max().item() + tiny)
                ),
                "A small number in the denominator avoids dividing by 0, but it makes an enormous error out of a small "
                "one. If all of expected is 0, return the largest |got|.",
            )
            for tiny in (1e-6, 1e-8, 1e-9, 1e-10, 1e-12)
        ],
        (
            lambda got, expected: (got - expected).abs().max().item(),
            "That is the absolute error. Divide by the largest |expected|, or a small network always looks better.",
        ),
        (
            lambda got, expected: (got - expected).abs().max().item() / max(expected.abs().max().item(), 1.0),
            "You never divide by less than 1, so a network with small outputs always looks better. Divide by the "
            "largest |expected|, unless it is 0.",
        ),
        (
            lambda got, expected: (got - expected).max().item() / expected.abs().max().item(),
            "You do not take the absolute value of the difference, so an error with a minus sign goes unnoticed.",
        ),
        (
            lambda got, expected: (
                abs(got.abs().max() - expected.abs().max()).item() / (expected.abs().max().item() or 1.0)
            ),
            "You compare the largest value of one map with the largest value of the other. They may be at different "
            "places: subtract the maps first.",
        ),
        (
            lambda got, expected: (got - expected).abs().max().item() / (expected.abs().mean().item() or 1.0),
            "You divide by the mean of |expected|. The scale is the largest |expected|.",
        ),
        (
            lambda got, expected: (
                (got - expected).abs().max().item() / (max(got.abs().max().item(), expected.abs().max().item()) or 1.0)
            ),
            "You divide by the larger of both maps' largest values. The scale is the largest |expected| only.",
        ),
        (
            lambda got, expected: (got - expected).abs().max().item() / expected.abs().sum().item(),
            "You divide by the sum of |expected|. The scale is the largest |expected|.",
        ),
        (
            lambda got, expected: (got - expected).abs().mean().item() / expected.abs().max().item(),
            "A mean hides an error that sits in a few pixels, such as those at the border. Take the maximum.",
        ),
        (
            lambda got, expected: (got - expected).abs().max().item() / expected.max().item(),
            "You divide by the largest value of expected. Its largest *absolute* value is the scale.",
        ),
        (
            lambda got, expected: ((got - expected) / expected).abs().max().item(),
            "You divide each entry by its own expected value. Then one entry that is almost 0 decides everything. "
            "Divide by the largest |expected| instead.",
        ),
        (
            lambda got, expected: (got - expected).abs().mean().item() / expected.abs().mean().item(),
            "A mean hides an error that sits in a few pixels, such as those at the border. Take the maximum.",
        ),
        (
            lambda got, expected: (got - expected).norm().item() / expected.norm().item(),
            "That is a ratio of norms: it sums over all pixels, so many good ones hide a bad one. Compare the largest "
            "error with the largest value.",
        ),
        (
            lambda got, expected: (got - expected).abs().max().item() / got.abs().max().item(),
            "You divide by the largest |got|. The scale is the largest |expected|.",
        ),
        *[
            (
                lambda got, expected, instead=instead: (
                    instead(got, expected) if (expected == 0).any() else _without_guard(got, expected)
                ),
                "You leave out the division as soon as one value of expected is 0. Leave it out only if all of them "
                "are.",
            )
            for instead in (
                lambda got, expected: (got - expected).abs().max().item(),
                lambda got, expected: got.abs().max().item(),
            )
        ],
        (
            lambda got, expected: (got - expected).abs().max().item() / (expected.abs().min().item() or 1.0),
            "You divide by the smallest |expected|. The scale is the largest |expected|.",
        ),
    ],
)

# 3.5 worst_error


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
        compare(f, reference, square_times_column, group, x)
        compare(f, reference, swirl, group, x)


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
            lambda function, group, x: max(relative_error(*both_ways(function, g, x)) for g in group),
            "The elements of a group are in `group.elements`.",
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
