"""Exercise 6.2 of notebook 06: the weights of all copies of a separable filter."""

from functools import partial
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises import Function, Mistake, call, compare, register
from course_lib.groups import C1, C2, C4, D4, Group, compose, inverse
from course_lib.layers import group_filter_bank, lifting_filter_bank, pointwise_bank

# 6.2 pointwise_bank


def _permuted_by(permutation: Function) -> Function:
    def bank(pointwise: Tensor, group: Group) -> Tensor:
        return torch.stack([pointwise[..., permutation(h, group)] for h in group.elements], dim=1)

    return bank


def _right(h: Any, group: Group) -> list[int]:
    return [group.index(compose(g, inverse(h))) for g in group.elements]


def _rolled(pointwise: Tensor, group: Group) -> Tensor:
    return torch.stack([pointwise.roll(i, -1) for i in range(group.order)], dim=1)


def _first_wrong_weight(group: Group, pointwise: Tensor, bank: Tensor, yours: object) -> str:
    """Where a bank of the right shape first differs, and which weight is there."""
    if isinstance(yours, list):
        return "Join the copies to one tensor: `torch.stack(..., dim=1)`."
    if not isinstance(yours, Tensor) or yours.shape != bank.shape or not (yours != bank).any():
        return f"The group is {group}. There is one row for each h, as in the filter bank of notebook 04."
    n, h, c, g = (int(i) for i in (yours != bank).nonzero()[0])
    row, sheet = group.elements[h], group.elements[g]
    found = [str(k) for k, w in zip(group.elements, pointwise[n, c], strict=True) if w == yours[n, h, c, g]]
    there = f"the weight of sheet {found[0]}" if found else "none of the weights w[n, c]"
    right = compose(inverse(row), sheet)
    return f"In {group}, your row h = {row} has {there} at sheet g = {sheet}. There h⁻¹g = {right}."


def _banks(f: Function, reference: Function) -> None:
    cases = [(torch.tensor([[[1.0, 2.0, 3.0, 4.0]]]), C4)]
    cases += [(torch.randn(2, 3, group.order), group) for group in (C1, C2, D4)]
    for pointwise, group in cases:
        compare(f, reference, pointwise, group, because=partial(_first_wrong_weight, group, pointwise))


def _keeps_the_gradient(f: Function, _reference: Function) -> None:
    pointwise = torch.randn(1, 1, 4, requires_grad=True)
    if not call(f, pointwise, C4).requires_grad:
        raise Mistake("The numbers are right, but no gradient flows back to w. Index w instead of copying its numbers.")


JOINED = (
    "Your copies lie one after the other along an axis that w has already. h needs an axis of its own: use "
    "`torch.stack(..., dim=1)`."
)

register(
    "6.2",
    pointwise_bank,
    minutes=8,
    difficulty=2,
    checks=[_banks, _keeps_the_gradient],
    hints=[
        "In notebook 04 you did this for whole filters: L_h turns them and permutes their sheets. A weight without a "
        "place in space cannot turn. So only the permutation is left: row h holds w[h⁻¹g].",
        "`group.permutation(h)` lists the positions of h⁻¹g, for all g. You can use it as an index, as in "
        "`pointwise[..., [3, 0, 1, 2]]`.",
        "Make one copy for each h in `group.elements`, and stack them as the new axis 1: "
        "`torch.stack([pointwise[..., group.permutation(h)] for h in group.elements], dim=1)`.",
    ],
    known_mistakes=[
        (
            _permuted_by(lambda h, group: list(range(group.order))),
            "You copy the weights, but you do not permute them. When L_h turns the filter, its sheets change places, "
            "too: row h needs w[h⁻¹g].",
        ),
        (
            _permuted_by(lambda h, group: group.permutation(inverse(h))),
            "The inverse is missing: your row h holds w[hg], but it needs w[h⁻¹g].",
        ),
        (
            _permuted_by(_right),
            "You multiply on the wrong side: w[gh⁻¹] instead of w[h⁻¹g]. Only D4 shows the difference.",
        ),
        (
            lambda pointwise, group: lifting_filter_bank(pointwise, group),
            "`lifting_filter_bank` turns the two last axes, but w has no place in space. It only permutes sheets.",
        ),
        (
            lambda pointwise, group: group_filter_bank(pointwise, group),
            "`group_filter_bank` wants filters with two axes in space: give it `pointwise[..., None, None]`, and take "
            "`[..., 0, 0]` of what it returns.",
        ),
        (
            lambda pointwise, group: torch.stack([pointwise[:, group.permutation(h)] for h in group.elements], dim=1),
            "You index the axis of the channels. The sheets are on the last axis: `pointwise[..., …]`.",
        ),
        (lambda pointwise, group: pointwise_bank(pointwise, group).transpose(0, 1).flatten(0, 1), JOINED),
        (lambda pointwise, group: pointwise_bank(pointwise, group).flatten(1, 2), JOINED),
        (
            lambda pointwise, group: pointwise_bank(pointwise, group)[..., None, None],
            "Your result still has two axes in space. w has no place in space: take `[..., 0, 0]` at the end.",
        ),
        (
            _rolled,
            "You roll the sheets on by one from row to row. That is right for C4, but in D4 a mirror reverses their "
            "order. `group.permutation(h)` knows where they go.",
        ),
        (
            lambda pointwise, group: torch.stack([pointwise.roll(-i, -1) for i in range(group.order)], dim=1),
            "You roll the sheets the wrong way. The weight of sheet e has to be on sheet h in row h: w̃[h, g] = "
            "w[h⁻¹g].",
        ),
        (
            lambda pointwise, group: torch.stack([pointwise.roll(h.r, -1) for h in group.elements], dim=1),
            "You roll the sheets on by one for each quarter turn. That is right for C4, but not for other groups, "
            "where `group.permutation(h)` knows where the sheets go.",
        ),
        (
            lambda pointwise, group: pointwise_bank(pointwise, group).flatten(2),
            "Channels and sheets are joined in your result. Keep all four axes: (O, |H|, C, |H|).",
        ),
        (
            lambda pointwise, group: pointwise_bank(pointwise, group).squeeze(),
            "Axes of length 1 are missing in your result. Keep all four: (O, |H|, C, |H|).",
        ),
        (
            lambda pointwise, group: pointwise_bank(pointwise, group).flip(1),
            "Your rows are in reverse order. Row i belongs to `group.elements[i]`.",
        ),
        (
            lambda pointwise, group: (
                pointwise_bank(pointwise, group)
                .transpose(0, 1)
                .reshape(len(pointwise), group.order, *pointwise.shape[1:])
            ),
            "You join the copies along the axis of the output channels, and the reshape mixes h with these channels. "
            "Use `torch.stack(..., dim=1)`.",
        ),
        (
            lambda pointwise, group: torch.stack([pointwise[..., group.index(h)] for h in group.elements], dim=1),
            "You pick a single weight for each h. Row h holds all |H| weights, in another order.",
        ),
        (
            lambda pointwise, group: pointwise_bank(pointwise, group).movedim(1, -1),
            "Your new axis comes last. The order is (O, |H|, C, |H|): stack along axis 1.",
        ),
        (
            lambda pointwise, group: pointwise_bank(pointwise, group).transpose(0, 1),
            "Your new axis comes first. The order is (O, |H|, C, |H|): stack along axis 1.",
        ),
        (
            lambda pointwise, group: pointwise_bank(pointwise, group).transpose(1, 2),
            "Your new axis comes after the channels. The order is (O, |H|, C, |H|): stack along axis 1.",
        ),
        (
            lambda pointwise, group: pointwise_bank(pointwise, group).transpose(1, 3),
            "The two group axes are swapped: the first is the output's h, the last the input's g.",
        ),
    ],
)
