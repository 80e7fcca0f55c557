"""Exercise 6.3 of notebook 06: the g-GConv in two steps, and what both separable convolutions share."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.exercises import Function, register
from course_lib.exercises.convolutions import compare_convolutions, first_count
from course_lib.layers import g_factored, gc_factored


def _g_convolutions(f: Function, reference: Function) -> None:
    compare_convolutions(f, reference, shared=False)


def _one_block_per_output(right: Function) -> Function:
    shared = right is gc_factored

    def convolve(x: Tensor, pointwise: Tensor, kernels: Tensor, **options: Any) -> Tensor:
        mixed = torch.einsum(f"bcgyx,nhcg->bnh{'' if shared else 'c'}yx", x, pointwise).flatten(1, 2 if shared else 3)
        y = F.conv2d(mixed, kernels.flatten(0, 1), groups=len(pointwise), **options)
        return y.unflatten(1, pointwise.shape[:2])

    return convolve


def _sheets_before_outputs(right: Function) -> Function:
    shared = right is gc_factored

    def convolve(x: Tensor, pointwise: Tensor, kernels: Tensor, **options: Any) -> Tensor:
        mixed = torch.einsum(f"bcgyx,nhcg->bhn{'' if shared else 'c'}yx", x, pointwise).flatten(1, 2 if shared else 3)
        y = F.conv2d(mixed, kernels.flatten(0, 1), groups=pointwise.shape[:2].numel(), **options)
        return y.unflatten(1, pointwise.shape[:2])

    return convolve


def _grouped(right: Function, groups: Function, maps: Function, kernels_of: Function) -> Function:
    """The two steps with another number of blocks, or with maps or kernels that are not flattened."""
    shared = right is gc_factored

    def convolve(x: Tensor, pointwise: Tensor, kernels: Tensor, **options: Any) -> Tensor:
        mixed = torch.einsum(f"bcgyx,nhcg->bnh{'' if shared else 'c'}yx", x, pointwise)
        y = F.conv2d(maps(mixed), kernels_of(kernels), groups=groups(*pointwise.shape[:2]), **options)
        return y.unflatten(1, pointwise.shape[:2])

    return convolve


def _flat_maps(mixed: Tensor) -> Tensor:
    return mixed.flatten(1, -3)


def _flat_kernels(kernels: Tensor) -> Tensor:
    return kernels.flatten(0, 1)


def _all_pairs(outputs: int, order: int) -> int:
    return outputs * order


FOUR_AXES = "`conv2d` wants the maps with four axes, (B, channels, Y, X): join all other axes into one with `flatten`."
ONE_BLOCK_PER_PAIR = "There is one block of the grouped convolution for each pair (n, h): use groups=O·|H|."
WRONG_KERNELS = (
    "`conv2d` wants the kernels with four axes: one for the O·|H| maps that come out, one for the maps that each of "
    "them reads, and two in space. `kernels.flatten(0, 1)` has them."
)


def shared_mistakes(right: Function) -> list[tuple[Function, str]]:
    """Mistakes that both forms invite."""
    return [
        (
            lambda x, pointwise, kernels, **options: right(x, pointwise.transpose(1, 3), kernels, **options),
            "You sum over the wrong group axis of w̃. The sum runs over its last axis, g, the sheets of the input.",
        ),
        (
            lambda x, pointwise, kernels, **options: right(x, pointwise, kernels),
            "You do not pass `**options` on: bias, stride and padding belong to the convolution in space.",
        ),
        (
            lambda x, pointwise, kernels, **options: right(x, pointwise, kernels, **options).flatten(1, 2),
            "The group axis is missing at the end: use `unflatten` to make (B, O, |H|, …) out of (B, O·|H|, …).",
        ),
        (
            lambda x, pointwise, kernels, **options: right(x, pointwise, kernels, **options).transpose(1, 2),
            "The first two axes after the batch are swapped: the result is (B, O, |H|, Y′, X′).",
        ),
        (
            lambda x, pointwise, kernels, **options: right(x, pointwise, kernels, **options).sum(dim=2, keepdim=True),
            "You add up the sheets of the output. Each h has a sheet of its own in the result.",
        ),
        (
            lambda x, pointwise, kernels, **options: right(x, pointwise.flip(3), kernels, **options),
            "The sheets of w̃ are in reverse order. Sheet g of the input has the weight w̃[…, g].",
        ),
        (
            lambda x, pointwise, kernels, **options: right(x, pointwise, kernels, **options).relu(),
            "You apply a ReLU. The layer is linear: leave negative values as they are.",
        ),
        (
            lambda x, pointwise, kernels, **options: right(x, pointwise, kernels, **options) / x.shape[1],
            "You take the mean over the channels. Add them up.",
        ),
        (
            lambda x, pointwise, kernels, **options: right(x, torch.ones_like(pointwise), kernels, **options),
            "You add up the sheets without their weights w̃.",
        ),
        (
            lambda x, pointwise, kernels, **options: right(
                x, pointwise[:, :1].expand_as(pointwise), kernels, **options
            ),
            "You use the weights of sheet e for every output sheet. Sheet h has its own: w̃[n, h].",
        ),
        (
            lambda x, pointwise, kernels, **options: right(
                x, pointwise.sum(dim=3, keepdim=True).expand_as(pointwise), kernels, **options
            ),
            "You add up the weights and the sheets separately. Multiply each sheet with its weight first, then add up.",
        ),
        (
            lambda x, pointwise, kernels, **options: torch.einsum("bcgyx,nhcg->bnhyx", x, pointwise),
            "That is only the pointwise step. The convolution in space, with the kernels L_h K, is missing.",
        ),
        (
            lambda x, pointwise, kernels, **options: right(x, pointwise, kernels.flip(-2, -1), **options),
            "Your kernels are turned by 180°. `conv2d` does not flip them, and need not.",
        ),
        (
            lambda x, pointwise, kernels, **options: right(
                x, pointwise[..., :1].expand_as(pointwise), kernels, **options
            ),
            "You use the weight of the input's first sheet for all its sheets. Sheet g has its own: w̃[…, g].",
        ),
        (
            lambda x, pointwise, kernels, **options: right(x, pointwise, kernels.transpose(-2, -1), **options),
            "Rows and columns of your kernels are swapped.",
        ),
        (
            lambda x, pointwise, kernels, **options: right(x, pointwise, kernels[:1].expand_as(kernels), **options),
            "You use the kernels of the first output channel for all of them. Channel n has its own: L_h K[n].",
        ),
        (
            _one_block_per_output(right),
            ONE_BLOCK_PER_PAIR,
        ),
        (
            _grouped(right, lambda outputs, order: order, _flat_maps, _flat_kernels),
            ONE_BLOCK_PER_PAIR,
        ),
        (_grouped(right, lambda outputs, order: 1, _flat_maps, _flat_kernels), ONE_BLOCK_PER_PAIR),
        (_grouped(right, _all_pairs, _flat_maps, lambda kernels: kernels), WRONG_KERNELS),
        (_grouped(right, _all_pairs, _flat_maps, lambda kernels: kernels.flatten(0, 2)), WRONG_KERNELS),
        (_grouped(right, _all_pairs, lambda mixed: mixed, _flat_kernels), FOUR_AXES),
        (_grouped(right, _all_pairs, lambda mixed: mixed.flatten(1, 2), _flat_kernels), FOUR_AXES),
        (
            lambda x, pointwise, kernels, **options: right(
                x, pointwise.sum(dim=3, keepdim=True) * torch.eye(x.shape[2])[:, None], kernels, **options
            ),
            "Sheet h of your result sees only sheet h of the input. It needs all of its sheets g.",
        ),
        (
            lambda x, pointwise, kernels, **options: (
                right(x, pointwise, kernels, **options)
                .flatten(1, 2)
                .unflatten(1, (pointwise.shape[1], pointwise.shape[0]))
            ),
            "You split the channels into (|H|, O), but they are in the order (O, |H|).",
        ),
        (
            _sheets_before_outputs(right),
            "The maps are in the order (|H|, O), but the kernels in the order (O, |H|). Use `bnh…` in the result of "
            "einsum.",
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


def _one_block_per_channel(x: Tensor, pointwise: Tensor, kernels: Tensor, **options: Any) -> Tensor:
    """A map for each (n, h, c), added up over c afterwards."""
    mixed = torch.einsum("bcgyx,nhcg->bnhcyx", x, pointwise).flatten(1, 3)
    y = F.conv2d(mixed, kernels.flatten(0, 2).unsqueeze(1), groups=mixed.shape[1], **options)
    return y.unflatten(1, pointwise.shape[:3]).sum(dim=3)


def _bias_for_each_channel(x: Tensor, pointwise: Tensor, kernels: Tensor, **options: Any) -> Tensor:
    channels = range(x.shape[1])
    return torch.stack(
        [g_factored(x[:, [c]], pointwise[:, :, [c]], kernels[:, :, [c]], **options) for c in channels]
    ).sum(dim=0)


register(
    "6.3",
    g_factored,
    minutes=15,
    difficulty=3,
    checks=[_g_convolutions],
    warm_up=first_count,
    hints=[
        "L_h K[n, c] does not depend on g. So first do the sum over g at every pixel: X̃[n, h, c] = Σ_g w̃[n, h, c, g] "
        "X[c, g]. Then convolve X̃[n, h, c] with L_h K[n, c], and add up over c.",
        "`torch.einsum` reads like the formula: `mixed = torch.einsum('bcgyx,nhcg->bnhcyx', x, pointwise)`. For the "
        "second step, think of each pair (n, h) as one block of a grouped convolution: it has its own C maps and its "
        "own C kernels.",
        "`F.conv2d(mixed.flatten(1, 3), kernels.flatten(0, 1), groups=O·|H|, **options)`; then split the channel axis "
        "with `unflatten(1, pointwise.shape[:2])`. (The solution below does the first step as a grouped 1 × 1 "
        "convolution instead of `einsum`, as the paper proposes. The two are the same sum.)",
    ],
    known_mistakes=[
        *shared_mistakes(g_factored),
        (
            _channels_in_the_wrong_order,
            "The channels of X̃ are in the wrong order. Each block of the grouped convolution takes C neighboring "
            "maps, so the C maps of one pair (n, h) must be side by side: (O·|H|, C).",
        ),
        (
            lambda x, pointwise, kernels, **options: g_factored(
                x[:, :1], pointwise[:, :, :1], kernels[:, :, :1], **options
            ),
            "You use only the first channel. Sum over all channels c.",
        ),
        (
            lambda x, pointwise, kernels, **options: gc_factored(x, pointwise, kernels[:, :, :1], **options),
            "You add up the channels first, and use only the kernels of the first one. Here each c has its own "
            "kernel, so the sum over c has to wait.",
        ),
        (
            _bias_for_each_channel,
            "You add the bias once for each input channel. Convolve all channels of a pair (n, h) in one call, or add "
            "the bias once, after the sum over c.",
        ),
        (
            _one_block_per_channel,
            "Your convolution in space gives a map for each (n, h, c), but the bias has one number for each (n, h). "
            "Let `conv2d` do the sum over c: with groups=O·|H| it adds up the C maps of each block.",
        ),
        (
            lambda x, pointwise, kernels, **options: g_factored(
                x, pointwise, kernels.mean(dim=2, keepdim=True).expand_as(kernels), **options
            ),
            "You use one kernel for all input channels. That is gc-GConv; here each c has its own.",
        ),
    ],
)
