"""Exercises 3.3 and 3.5 of notebook 03: measure an error, and average over a group."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from course_lib.actions import act, act_on_image
from course_lib.averaging import group_average
from course_lib.checks import relative_error
from course_lib.exercises import compare, register
from course_lib.exercises.registry import Function
from course_lib.groups import C4, D4, inverse

# 3.3 relative_error


def _without_guard(got: Tensor, expected: Tensor) -> float:
    """As the reference, but blind to nan, which compares as false with everything."""
    return ((got - expected).abs().max() / (expected.abs().max().item() or 1.0)).item()


def _error_of_small_maps(f: Function, reference: Function) -> None:
    compare(f, reference, torch.tensor([[2.0, 4.0]]), torch.tensor([[2.0, 5.0]]))
    compare(f, reference, torch.tensor([[9.0, -8.0]]), torch.tensor([[1.0, -10.0]]))
    compare(f, reference, torch.tensor([[1.0, 3.0]]), torch.tensor([[0.0, 4.0]]))
    compare(f, reference, torch.tensor([[5.0, 5.0]]), torch.tensor([[5.0, 5.0]]))


def _error_of_zeros(f: Function, reference: Function) -> None:
    because = "Where nothing is expected there is no scale to divide by: take the error itself."
    compare(f, reference, torch.zeros(2, 2), torch.zeros(2, 2), because=because)
    compare(f, reference, torch.full((2, 2), 0.5), torch.zeros(2, 2), because=because)


def _error_of_nan(f: Function, reference: Function) -> None:
    because = "`nan > tolerance` is false, so a nan would pass every test. Return math.inf for it."
    compare(f, reference, torch.tensor([[1.0, math.nan]]), torch.ones(1, 2), because=because)
    compare(f, reference, torch.tensor([[1.0, math.inf]]), torch.ones(1, 2), because=because)
    compare(f, reference, torch.ones(1, 2), torch.tensor([[math.nan, 1.0]]), because=because)


register(
    "3.3",
    relative_error,
    minutes=8,
    difficulty=2,
    checks=[_error_of_small_maps, _error_of_zeros, _error_of_nan],
    hints=[
        "Two numbers, one divided by the other. Both are a `.abs().max().item()`.",
        "Two cases need care: the largest |expected| may be 0, and a value may be nan. `x or 1.0` is 1.0 where x is 0; "
        "`tensor.isfinite().all()` is false as soon as one value is nan or infinite.",
        "`difference = (got - expected).abs()`; return `math.inf` if it is not finite everywhere; else divide "
        "`difference.max().item()` by `expected.abs().max().item() or 1.0`.",
    ],
    known_mistakes=[
        (
            _without_guard,
            "A nan slips through: `nan > tolerance` is false, so a broken network would pass. Return math.inf for it.",
        ),
        (
            lambda got, expected: ((got - expected).abs().max() / expected.abs().max()).item(),
            "Where nothing is expected you divide by 0. There is no scale then: take the error itself.",
        ),
        (
            lambda got, expected: (got - expected).abs().max().item(),
            "That is the absolute error. Divide by the largest |expected|, or a small network always looks better.",
        ),
        (
            lambda got, expected: (got - expected).max().item() / expected.abs().max().item(),
            "The difference has no absolute value, so an error with a minus sign is not seen.",
        ),
        (
            lambda got, expected: (got - expected).abs().max().item() / expected.max().item(),
            "You divide by the largest value of expected. Its largest *absolute* value is the scale.",
        ),
        (
            lambda got, expected: ((got - expected) / expected).abs().max().item(),
            "You divide each entry by its own expected value. One that is almost 0 then decides all: divide by the "
            "largest |expected| instead.",
        ),
        (
            lambda got, expected: (got - expected).abs().mean().item() / expected.abs().mean().item(),
            "A mean hides an error that sits in few pixels, such as a border. Take the maximum.",
        ),
        (
            lambda got, expected: (got - expected).norm().item() / expected.norm().item(),
            "That is a ratio of norms: it sums over all pixels, so many good ones hide a bad one. Compare the largest "
            "error with the largest value.",
        ),
        (
            lambda got, expected: (got - expected).abs().max().item() / got.abs().max().item(),
            "You divide by the largest |got|. The scale is that of what was expected.",
        ),
    ],
)

# 3.5 group_average


def square_times_column(x: Tensor) -> Tensor:
    """Not equivariant: what it does to a pixel depends on where the pixel is. Not linear either."""
    return x.square() * torch.arange(x.shape[-1], dtype=x.dtype)


def shift_then_multiply(x: Tensor) -> Tensor:
    return square_times_column(x.roll(1, dims=-2))


def sum_of_first_row(x: Tensor) -> Tensor:
    """A function from images to (B, n) that is not invariant."""
    return x[..., 0, :].sum(dim=1)


def _average_of_maps(f: Function, reference: Function) -> None:
    compare(f, reference, square_times_column, C4, torch.arange(1.0, 5.0).reshape(1, 1, 2, 2))
    for group in (C4, D4):
        compare(f, reference, shift_then_multiply, group, torch.randn(2, 1, 3, 3))


def _average_of_vectors(f: Function, reference: Function) -> None:
    because = "On (B, n) the symmetry does nothing; `act` knows that from the shape."
    x = torch.randn(3, 1, 3, 3)  # the result (3, 3) could be mistaken for a map
    compare(f, reference, sum_of_first_row, C4, x, because=because)


def _mean_of(terms: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(terms)).mean(dim=0)


register(
    "3.5",
    group_average,
    minutes=10,
    difficulty=2,
    checks=[_average_of_maps, _average_of_vectors],
    hints=[
        "Read the formula from the inside out: turn the input by g, apply the function, turn the result *back*; do "
        "that for every g of the group.",
        "`act(g, x, group)` turns, `act(inverse(g), y, group)` turns back, and `group.elements` are all the g. Collect "
        "the results in a list.",
        "`results = [act(inverse(g), function(act(g, x, group)), group) for g in group.elements]`, then the mean over "
        "the list: `torch.stack(results).mean(dim=0)`.",
    ],
    known_mistakes=[
        (
            lambda function, group, x: _mean_of(function(act(g, x, group)) for g in group.elements),
            "The results are not turned back before the mean: they show the image in different positions.",
        ),
        (
            lambda function, group, x: _mean_of(act(g, function(act(g, x, group)), group) for g in group.elements),
            "The inverse is missing: you turn the result by g once more instead of turning it back by g⁻¹.",
        ),
        (
            lambda function, group, x: _mean_of(act(inverse(g), function(x), group) for g in group.elements),
            "The input is not turned: only the result of the upright image is turned and averaged.",
        ),
        (
            lambda function, group, x: function(_mean_of(act(g, x, group) for g in group.elements)),
            "You take the mean of the inputs. Apply the function to each of them, and take the mean of the results.",
        ),
        (lambda function, group, x: function(x), "That is the function itself, without any averaging."),
        (
            lambda function, group, x: group.order * group_average(function, group, x),
            "That is the sum over the group. Divide by |H|, the number of elements.",
        ),
        (
            lambda function, group, x: torch.stack(
                [act(inverse(g), function(act(g, x, group)), group) for g in group.elements]
            ).amax(dim=0),
            "That is the maximum over the group. It is equivariant too, but the formula asks for the mean.",
        ),
        (
            lambda function, group, x: _mean_of(
                act_on_image(inverse(g), function(act_on_image(g, x))) for g in group.elements
            ),
            "You turn the result even where it is no map. A vector (B, n) stays: use `act`, not `act_on_image`.",
        ),
        (
            lambda function, group, x: group_average(function, C4, x),
            "The mirrors are missing: you average over the four rotations only, whatever the group.",
        ),
    ],
)
