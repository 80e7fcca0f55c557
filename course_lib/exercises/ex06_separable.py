"""Exercises 6.2 to 6.5 of notebook 06: separable filters, in the naive form and in the factored one."""

from functools import partial, update_wrapper
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.exercises import Function, Mistake, call, compare, register
from course_lib.groups import C1, C2, C4, D4, Group, compose, inverse
from course_lib.layers import g_factored, gc_factored, lifting_filter_bank, pointwise_bank, separable_filters

# 6.2 separable_filters


def _filters(f: Function, reference: Function) -> None:
    kernel, pointwise = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), torch.tensor([[[1.0, 10.0, -1.0, 0.0]]])
    compare(f, reference, kernel, pointwise, because="One kernel, four sheets.")
    compare(f, reference, torch.randn(2, 3, 3, 3), torch.randn(2, 3, 4), because="g-GConv: a kernel for every (n, c).")
    compare(f, reference, torch.randn(2, 1, 2, 2), torch.randn(2, 3, 8), because="gc-GConv: one kernel for all c.")


def _only_g(kernel: Tensor, pointwise: Tensor) -> Tensor:
    return separable_filters(kernel, pointwise[:, : kernel.shape[1]])


register(
    "6.2",
    separable_filters,
    minutes=5,
    difficulty=1,
    checks=[_filters],
    hints=[
        "Write the shapes of K, w and ψ under each other, and put an axis of length 1 wherever one lacks an axis of ψ. "
        "Then `*` repeats what is needed.",
        "K becomes (O, C, 1, k, k), by `kernel.unsqueeze(2)`; w becomes (O, C, |H|, 1, 1), by `pointwise[..., None, "
        "None]`.",
        "Nothing more is needed for one shared kernel, (O, 1, 1, k, k): its second axis is of length 1, too.",
    ],
    known_mistakes=[
        (
            lambda kernel, pointwise: kernel.unsqueeze(2) + pointwise[..., None, None],
            "You add K and w. Each sheet is K *times* its weight.",
        ),
        (
            lambda kernel, pointwise: separable_filters(kernel, pointwise).transpose(1, 2),
            "Your sheets come before the channels. The order is (O, C, |H|, k, k).",
        ),
        (
            lambda kernel, pointwise: separable_filters(kernel, pointwise).movedim(2, -1),
            "Your sheets come last. The order is (O, C, |H|, k, k).",
        ),
        (
            lambda kernel, pointwise: separable_filters(kernel, pointwise).sum(dim=2),
            "You sum over the sheets. A filter keeps them: (O, C, |H|, k, k).",
        ),
        (_only_g, "With a shared kernel (O, 1, k, k) you use the weights of the first channel only. Use those of all."),
    ],
)

# 6.3 pointwise_bank


def _permuted_by(permutation: Function) -> Function:
    def bank(pointwise: Tensor, group: Group) -> Tensor:
        return torch.stack([pointwise[..., permutation(h, group)] for h in group.elements], dim=1)

    return bank


def _right(h: Any, group: Group) -> list[int]:
    return [group.index(compose(g, inverse(h))) for g in group.elements]


def _rolled(pointwise: Tensor, group: Group) -> Tensor:
    return torch.stack([pointwise.roll(i, -1) for i in range(group.order)], dim=1)


def _banks(f: Function, reference: Function) -> None:
    compare(f, reference, torch.tensor([[[1.0, 2.0, 3.0, 4.0]]]), C4, because="Row h holds w[h⁻¹g].")
    for group in (C1, C2, D4):
        compare(f, reference, torch.randn(2, 3, group.order), group, because=f"The group is {group}.")


def _keeps_the_gradient(f: Function, _reference: Function) -> None:
    pointwise = torch.randn(1, 1, 4, requires_grad=True)
    if not call(f, pointwise, C4).requires_grad:
        raise Mistake("The numbers are right, but no gradient flows back to w: index it, rather than copy out numbers.")


register(
    "6.3",
    pointwise_bank,
    minutes=8,
    difficulty=2,
    checks=[_banks, _keeps_the_gradient],
    hints=[
        "You have done this in notebook 04 for whole filters. A weight has no place in space, so nothing turns; only "
        "the sheets change places.",
        "`group.permutation(h)` is the list of the positions of h⁻¹g, for all g. It can stand as an index: "
        "`pointwise[..., [3, 0, 1, 2]]`.",
        "One copy for each h in `group.elements`, stacked as the new axis 1: `torch.stack([...], dim=1)`.",
    ],
    known_mistakes=[
        (
            _permuted_by(lambda h, group: list(range(group.order))),
            "You copy the weights, but you do not permute them: row h needs w[h⁻¹g].",
        ),
        (
            _permuted_by(lambda h, group: group.permutation(inverse(h))),
            "The inverse is missing. Row h of yours holds w[hg], but needs w[h⁻¹g].",
        ),
        (_permuted_by(_right), "You multiply on the wrong side: w[gh⁻¹] in place of w[h⁻¹g]. Only D4 shows it."),
        (
            _rolled,
            "You roll the sheets on by one from row to row. That is right for C4, but in D4 they change places in "
            "another way: ask `group.permutation(h)`.",
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

# 6.4 g_factored, 6.5 gc_factored


def _inputs(group: Group, channels: int, outputs: int, shared: bool, k: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    """A map, and the two banks, as a layer has them."""
    pointwise = pointwise_bank(torch.randn(outputs, channels, group.order), group)
    kernels = lifting_filter_bank(torch.randn(outputs, 1 if shared else channels, k, k), group)
    return torch.randn(2, channels, group.order, 3, 4), pointwise, kernels


def _compare_convolutions(f: Function, reference: Function, shared: bool) -> None:
    x, pointwise = (
        torch.tensor([1.0, 2.0, 3.0, 4.0]).reshape(1, 1, 4, 1, 1),
        torch.tensor([[[1.0, 10.0, 100.0, 1000.0]]]),
    )
    ones = torch.ones(1, 4, 1, 1, 1)
    compare(f, reference, x, pointwise_bank(pointwise, C4), ones, because="One pixel, one channel, kernel 1.")
    for group, channels, outputs in ((C1, 2, 1), (C4, 2, 3), (D4, 3, 2)):
        compare(f, reference, *_inputs(group, channels, outputs, shared), because=f"The group is {group}.")
    for options in ({"bias": torch.arange(1.0, 9.0)}, {"stride": 2}, {"padding": 1}):
        given = _inputs(C4, 2, 2, shared)
        compare(
            update_wrapper(partial(f, **options), f),
            partial(reference, **options),
            *given,
            because=f"Called with {next(iter(options))}=…, which the second convolution needs.",
        )


def _g_convolutions(f: Function, reference: Function) -> None:
    _compare_convolutions(f, reference, shared=False)


def _gc_convolutions(f: Function, reference: Function) -> None:
    _compare_convolutions(f, reference, shared=True)


def _shared_mistakes(right: Function) -> list[tuple[Function, str]]:
    """Mistakes that both forms invite."""
    return [
        (
            lambda x, pointwise, kernels, **options: right(x, pointwise.transpose(1, 3), kernels, **options),
            "You sum over the wrong group axis of w̃. The sum runs over its last axis, g, the sheets of the input.",
        ),
        (
            lambda x, pointwise, kernels, **options: right(x, pointwise, kernels),
            "You do not pass `**options` on: bias, stride and padding belong to the second convolution.",
        ),
        (
            lambda x, pointwise, kernels, **options: right(x, pointwise, kernels, **options).flatten(1, 2),
            "The group axis is missing at the end: (B, O·|H|, …) must become (B, O, |H|, …), by `unflatten`.",
        ),
        (
            lambda x, pointwise, kernels, **options: right(x, pointwise, kernels[:, :1].expand_as(kernels), **options),
            "You use the kernels of sheet e for every output sheet. Sheet h needs L_h K.",
        ),
    ]


def _channels_in_the_wrong_order(x: Tensor, pointwise: Tensor, kernels: Tensor, **options: Any) -> Tensor:
    """X̃ flattened as (C, O·|H|), where the grouped convolution wants (O·|H|, C)."""
    mixed = torch.einsum("bcgyx,nhcg->bcnhyx", x, pointwise).flatten(1, 3)
    y = F.conv2d(mixed, kernels.flatten(0, 1), groups=pointwise.shape[:2].numel(), **options)
    return y.unflatten(1, pointwise.shape[:2])


register(
    "6.4",
    g_factored,
    minutes=15,
    difficulty=3,
    checks=[_g_convolutions],
    hints=[
        "Eq. 9 first, and `torch.einsum` reads like it: with the letters n, h, c, g as in the formula, x is `bcgyx` "
        "and w̃ is `nhcg`. Which letters does X̃ keep?",
        "`mixed = torch.einsum('bcgyx,nhcg->bnhcyx', x, pointwise)`. Each pair (n, h) has its own C maps and its own C "
        "kernels: one *group* of a grouped convolution, of which there are O·|H|.",
        "`F.conv2d(mixed.flatten(1, 3), kernels.flatten(0, 1), groups=…, **options)`, then `unflatten` the channel "
        "axis into (O, |H|), which is `pointwise.shape[:2]`.",
    ],
    known_mistakes=[
        *_shared_mistakes(g_factored),
        (
            _channels_in_the_wrong_order,
            "The channels of X̃ are in the wrong order: the C maps of one (n, h) must lie side by side, (O·|H|, C), as "
            "each group of the convolution takes C neighbors.",
        ),
        (
            lambda x, pointwise, kernels, **options: g_factored(
                x, pointwise, kernels.mean(dim=2, keepdim=True).expand_as(kernels), **options
            ),
            "You use one kernel for all input channels. That is gc-GConv; here each c has its own.",
        ),
    ],
)


def _options_twice(x: Tensor, pointwise: Tensor, kernels: Tensor, **options: Any) -> Tensor:
    mixing = pointwise.flatten(2, 3).flatten(0, 1)[..., None, None]
    mixed = F.conv2d(x.flatten(1, 2), mixing, **options)
    y = F.conv2d(mixed, kernels.flatten(0, 1), groups=len(mixing), **options)
    return y.unflatten(1, pointwise.shape[:2])


register(
    "6.5",
    gc_factored,
    minutes=8,
    difficulty=2,
    checks=[_gc_convolutions],
    hints=[
        "As before, but the sum of Eq. 15 runs over c *and* g. What is left is one map for each (n, h).",
        "The first step: `torch.einsum('bcgyx,nhcg->bnhyx', x, pointwise)`, or a 1×1 convolution of the C·|H| sheets.",
        "The second: `F.conv2d(mixed.flatten(1, 2), kernels.flatten(0, 1), groups=O·|H|, **options)`, one kernel for "
        "each map; then `unflatten(1, pointwise.shape[:2])`.",
    ],
    known_mistakes=[
        *_shared_mistakes(gc_factored),
        (
            _options_twice,
            "You pass `**options` to both convolutions. Bias, stride and padding belong to the second one only: the "
            "first one mixes channels at each pixel.",
        ),
        (
            lambda x, pointwise, kernels, **options: gc_factored(x[:, :1], pointwise[:, :, :1], kernels, **options),
            "You use the first channel only. Sum over all c.",
        ),
    ],
)
