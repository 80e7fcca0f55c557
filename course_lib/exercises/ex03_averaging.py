"""Exercise 3.7 of notebook 03: average any function over a group."""

from collections.abc import Iterable

import torch
from torch import Tensor

from course_lib.actions import Action, act_on_image, unchanged
from course_lib.averaging import group_average
from course_lib.exercises import compare, register
from course_lib.exercises.ex03_both_ways import shift_then_multiply, square_times_column
from course_lib.exercises.registry import Function
from course_lib.groups import C4, D4, Group, inverse


def sum_of_first_row(x: Tensor) -> Tensor:
    """A function from images to (B, n) that is not invariant."""
    return x[..., 0, :].sum(dim=1)


def _average_of_maps(f: Function, reference: Function) -> None:
    compare(f, reference, square_times_column, C4, torch.arange(1.0, 5.0).reshape(1, 1, 2, 2))
    for group in (C4, D4):
        compare(f, reference, shift_then_multiply, group, torch.randn(2, 1, 3, 3))


def _average_of_vectors(f: Function, reference: Function) -> None:
    because = "A vector (B, n) stays as it is: here `act` is `unchanged`."
    x = torch.randn(3, 1, 3, 3)  # the result (3, 3) could be mistaken for a map
    compare(f, reference, sum_of_first_row, C4, x, unchanged, because=because)


def _one_after_the_other(function: Function, group: Group, x: Tensor, act: Action = act_on_image) -> Tensor:
    for g in group.elements:
        x = act(inverse(g), function(act_on_image(g, x)))
    return x / group.order


def _turned_on_and_on(function: Function, group: Group, x: Tensor, act: Action = act_on_image) -> Tensor:
    results = []
    for g in group.elements:
        x = act_on_image(g, x)
        results.append(act(inverse(g), function(x)))
    return _mean_of(results)


def _mean_of(terms: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(terms)).mean(dim=0)


register(
    "3.7",
    group_average,
    minutes=10,
    difficulty=2,
    checks=[_average_of_maps, _average_of_vectors],
    hints=[
        "For one g there are three steps: turn the input by g, apply the function, turn the result *back*. Do this for "
        "every g of the group, and take the mean of the results.",
        "`act_on_image(g, x)` turns, `act(inverse(g), y)` turns back, and `group.elements` holds all the g. "
        "Collect the results in a list.",
        "Let `results = [act(inverse(g), function(act_on_image(g, x))) for g in group.elements]`. The mean over "
        "the list is `torch.stack(results).mean(dim=0)`.",
    ],
    known_mistakes=[
        (
            lambda function, group, x, act=act_on_image: _mean_of(
                act(inverse(g), function(act(g, x))) for g in group.elements
            ),
            "You turn the input by `act`, which is for the results. The input is an image: use `act_on_image(g, x)`.",
        ),
        (
            _one_after_the_other,
            "You feed each result into the next step. Start from x for every g, and add up the results.",
        ),
        (
            _turned_on_and_on,
            "Your loop turns x itself, so the next element starts from a turned image. Leave x as it is.",
        ),
        (
            lambda function, group, x, act=act_on_image: (
                act(inverse(group.elements[-1]), function(act_on_image(group.elements[-1], x))) / group.order
            ),
            "Only the last element counts: your loop sets the sum back to 0 every time. Set it to 0 before the loop.",
        ),
        (
            lambda function, group, x, act=act_on_image: x * 0 + group_average(function, group, x, act),
            "Your sum begins as zeros of the shape of x, so a result of another shape is copied along the axes of x. "
            "Begin with the number 0, or collect the results in a list.",
        ),
        (
            lambda function, group, x, act=act_on_image: torch.mean([function(x)]),  # type: ignore[call-overload]
            "`torch.mean` wants one tensor. Stack the results first: `torch.stack(results).mean(dim=0)`.",
        ),
        (
            lambda function, group, x, act=act_on_image: _mean_of(function(act_on_image(g, x)) for g in group.elements),
            "You do not turn the results back before you take the mean, so they show the image in different positions.",
        ),
        (
            lambda function, group, x, act=act_on_image: _mean_of(
                act(g, function(act_on_image(g, x))) for g in group.elements
            ),
            "The inverse is missing: you turn input and result in the same direction. If the input turns by g, the "
            "result turns back by g⁻¹.",
        ),
        (
            lambda function, group, x, act=act_on_image: _mean_of(act(inverse(g), function(x)) for g in group.elements),
            "You do not turn the input: you only turn and average the result of the upright image.",
        ),
        (
            lambda function, group, x, act=act_on_image: group.order / len(x) * group_average(function, group, x, act),
            "You divide by `len(x)`, the number of images. Divide by |H|, the number of elements of the group.",
        ),
        (
            lambda function, group, x, act=act_on_image: (
                group_average(function, group, x, act) - function(x) / group.order
            ),
            "The identity e is missing from your sum. It belongs to the group, too.",
        ),
        (
            lambda function, group, x, act=act_on_image: group.order / 8 * group_average(function, group, x, act),
            "You divide by 8, whatever the group is. Divide by |H|, the number of its elements.",
        ),
        (
            lambda function, group, x, act=act_on_image: group_average(function, D4, x, act),
            "You average over all eight elements of D4, whatever the group is. Use `group.elements`.",
        ),
        *[
            (
                lambda function, group, x, act=act_on_image, keepdim=keepdim: torch.cat(
                    [act(inverse(g), function(act_on_image(g, x))) for g in group.elements]
                ).mean(dim=0, keepdim=keepdim),
                "`torch.cat` puts the results one after the other along the batch, so their mean mixes the images. Use "
                "`torch.stack`, which makes a new axis 0.",
            )
            for keepdim in (False, True)
        ],
        (
            lambda function, group, x, act=act_on_image: torch.stack(
                [act(inverse(g), function(act_on_image(g, x))) for g in group.elements]
            ).mean(dim=1),
            "You take the mean over the batch, axis 1. The elements of the group are on axis 0: `.mean(dim=0)`.",
        ),
        (
            lambda function, group, x, act=act_on_image: group.order / 4 * group_average(function, group, x, act),
            "You divide by 4, whatever the group is. Divide by |H|, the number of its elements.",
        ),
        (
            lambda function, group, x, act=act_on_image: act(
                inverse(group.elements[1]), function(act_on_image(group.elements[1], x))
            ),
            "You turn by one element only. Do the same for every element of the group, and take the mean.",
        ),
        (
            lambda function, group, x, act=act_on_image: group_average(function, group, x, act).mean(),
            "You take the mean over everything, pixels included. Take it over the group only: `.mean(dim=0)`.",
        ),
        (
            lambda function, group, x, act=act_on_image: torch.stack(
                [act(inverse(g), function(act_on_image(g, x))) for g in group.elements]
            ),
            "You return all the results. Take their mean: `torch.stack(results).mean(dim=0)`.",
        ),
        (
            lambda function, group, x, act=act_on_image: function(_mean_of(act_on_image(g, x) for g in group.elements)),
            "You take the mean of the inputs. Apply the function to each of them, and take the mean of the results.",
        ),
        (
            lambda function, group, x, act=act_on_image: group_average(function, group, x, act)[None],
            "Your result has one axis too many. The mean over the group takes its axis away: no `keepdim`.",
        ),
        (
            lambda function, group, x, act=act_on_image: function(x),
            "That is the function itself, without any averaging.",
        ),
        (
            lambda function, group, x, act=act_on_image: group.order * group_average(function, group, x, act),
            "That is the sum over the group. Divide by |H|, the number of elements.",
        ),
        (
            lambda function, group, x, act=act_on_image: torch.stack(
                [act(inverse(g), function(act_on_image(g, x))) for g in group.elements]
            ).amax(dim=0),
            "That is the maximum over the group. It is equivariant too, but here we want the mean.",
        ),
        (
            lambda function, group, x, act=act_on_image: _mean_of(
                act_on_image(inverse(g), function(act_on_image(g, x))) for g in group.elements
            ),
            "You turn the result even if it is not an image. A vector (B, n) stays as it is: turn back by "
            "`act`, which says how g acts on the result.",
        ),
        (
            lambda function, group, x, act=act_on_image: group_average(function, C4, x, act),
            "The mirrors are missing: you average over the four rotations only, whatever the group is.",
        ),
    ],
)
