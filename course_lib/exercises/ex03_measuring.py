"""Exercise 3.4 of notebook 03: one number for an error."""

import math
from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor

from course_lib.checks import relative_error
from course_lib.exercises import compare, register
from course_lib.exercises.registry import Function

Number = Callable[[Tensor, Tensor], Tensor]

# Pairs of what a learner may divide and what is wrong with it; the first of each table is right.
DIFFERENCES: list[tuple[Number, str]] = [
    (lambda got, expected: (got - expected).abs().max(), ""),
    (
        lambda got, expected: (got - expected).max(),
        "You do not take the absolute value of the difference, so an error with a minus sign goes unnoticed.",
    ),
    (
        lambda got, expected: (got - expected).abs().mean(),
        "A mean hides an error that sits in a few pixels, such as those at the border. Take the maximum.",
    ),
    (
        lambda got, expected: (got - expected).square().mean(),
        "A mean of squares hides an error that sits in a few pixels. Take the largest |got - expected|.",
    ),
    (
        lambda got, expected: (got - expected).square().mean().sqrt(),
        "The root of a mean of squares hides an error that sits in a few pixels. Take the largest |got - expected|.",
    ),
    (
        lambda got, expected: (got - expected).abs().sum(),
        "You add up the errors of all pixels. Take the largest one.",
    ),
    (
        lambda got, expected: (got - expected).norm(),
        "A norm sums over all pixels, so many good ones hide a bad one. Take the largest error.",
    ),
    (
        lambda got, expected: (got.abs().max() - expected.abs().max()).abs(),
        "You compare the largest value of one map with the largest value of the other. They may be at different "
        "places: subtract the maps first.",
    ),
]
SCALES: list[tuple[Number, str]] = [
    (lambda got, expected: expected.abs().max(), ""),
    (
        lambda got, expected: torch.ones(()),
        "That is the absolute error. Divide by the largest |expected|, or a small network always looks better.",
    ),
    (
        lambda got, expected: expected.abs().max().clamp(min=1.0),
        "You never divide by less than 1, so a network with small outputs always looks better. Divide by the largest "
        "|expected|, unless it is 0.",
    ),
    (
        lambda got, expected: torch.maximum(got.abs().max(), expected.abs().max()),
        "You divide by the larger of both maps' largest values. The scale is the largest |expected| only.",
    ),
    (
        lambda got, expected: expected.max(),
        "You divide by the largest value of expected. Its largest *absolute* value is the scale.",
    ),
    *[
        (scale, f"You divide by {name}. The scale is the largest |expected|.")
        for scale, name in (
            (lambda got, expected: expected.abs().mean(), "the mean of |expected|"),
            (lambda got, expected: expected.abs().sum(), "the sum of |expected|"),
            (lambda got, expected: expected.abs().min(), "the smallest |expected|"),
            (lambda got, expected: expected.norm(), "the norm of expected"),
            (lambda got, expected: got.abs().max(), "the largest |got|"),
        )
    ],
]


def _quotient(difference: Number, scale: Number) -> Function:
    return lambda got, expected: difference(got, expected).item() / (scale(got, expected).item() or 1.0)


def _quotients() -> list[tuple[Function, str]]:
    """Every quotient with a mistake in it, those with one mistake first."""
    _, *wrong = sorted(product(DIFFERENCES, SCALES), key=lambda pair: sum(about != "" for _, about in pair))
    return [(_quotient(difference, scale), f"{about} {more}".strip()) for (difference, about), (scale, more) in wrong]


def _without_guard(got: Tensor, expected: Tensor) -> float:
    """As the reference, but blind to nan, which compares as false with everything."""
    return _quotient(DIFFERENCES[0][0], SCALES[0][0])(got, expected)


def _error_of_small_maps(f: Function, reference: Function) -> None:
    compare(f, reference, torch.tensor([[2.0, 4.0]]), torch.tensor([[2.0, 5.0]]))
    compare(f, reference, torch.tensor([[9.0, -8.0]]), torch.tensor([[1.0, -10.0]]))
    compare(f, reference, torch.tensor([[1.0, 3.0]]), torch.tensor([[0.0, 4.0]]))
    compare(f, reference, torch.tensor([[6.0, 2.0]]), torch.tensor([[3.0, 2.0]]))
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
    compare(f, reference, torch.ones(1, 2), torch.tensor([[math.inf, 1.0]]), because=because)


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
        *[
            (divide, "If all of expected is 0, you divide by 0. There is no scale then: return the error itself.")
            for divide in (
                lambda got, expected: (got - expected).abs().max().item() / expected.abs().max().item(),
                lambda got, expected: ((got - expected).abs().max() / expected.abs().max()).item(),
            )
        ],
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
        *_quotients(),
        (
            lambda got, expected: ((got - expected) / expected).abs().mean().item(),
            "You divide each entry by its own expected value, and take the mean. Divide the largest error by the "
            "largest |expected| instead.",
        ),
        (
            lambda got, expected: ((got - expected) / expected).abs().max().item(),
            "You divide each entry by its own expected value. Then one entry that is almost 0 decides everything. "
            "Divide by the largest |expected| instead.",
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
    ],
)
