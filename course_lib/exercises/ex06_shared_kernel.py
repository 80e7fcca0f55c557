"""Exercise 6.4 of notebook 06: the gc-GConv in two steps."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.exercises import Function, register
from course_lib.exercises.convolutions import compare_convolutions, first_count
from course_lib.exercises.ex06_separable import shared_mistakes
from course_lib.layers import gc_factored


def _gc_convolutions(f: Function, reference: Function) -> None:
    compare_convolutions(f, reference, shared=True)


def _one_map_for_each_sheet(x: Tensor, pointwise: Tensor, kernels: Tensor, **options: Any) -> Tensor:
    """The sum over c, and not over g."""
    mixed = torch.einsum("bcgyx,nhcg->bnhgyx", x, pointwise).flatten(1, 3)
    return F.conv2d(mixed, kernels.flatten(0, 1), groups=pointwise.shape[:2].numel(), **options)


def _options_twice(x: Tensor, pointwise: Tensor, kernels: Tensor, **options: Any) -> Tensor:
    mixing = pointwise.flatten(2, 3).flatten(0, 1)[..., None, None]
    mixed = F.conv2d(x.flatten(1, 2), mixing, **options)
    y = F.conv2d(mixed, kernels.flatten(0, 1), groups=len(mixing), **options)
    return y.unflatten(1, pointwise.shape[:2])


register(
    "6.4",
    gc_factored,
    minutes=8,
    difficulty=2,
    checks=[_gc_convolutions],
    warm_up=first_count,
    hints=[
        "Now L_h K[n] depends neither on c nor on g, so both sums can be done first: X̃[n, h] = Σ_c Σ_g w̃[n, h, c, g] "
        "X[c, g]. One map is left for each pair (n, h).",
        "First step: `mixed = torch.einsum('bcgyx,nhcg->bnhyx', x, pointwise)`, or a 1 × 1 convolution of the C·|H| "
        "sheets.",
        "Second step: `F.conv2d(mixed.flatten(1, 2), kernels.flatten(0, 1), groups=O·|H|, **options)`, which has one "
        "kernel for each map; then `unflatten(1, pointwise.shape[:2])`.",
    ],
    known_mistakes=[
        *shared_mistakes(gc_factored),
        (
            _options_twice,
            "You pass `**options` to both convolutions. Bias, stride and padding belong only to the one in space: the "
            "other one mixes channels at each pixel.",
        ),
        (
            _one_map_for_each_sheet,
            "Your maps still have the axis g. K depends on neither c nor g: add up over both, so that one map is left "
            "for each pair (n, h).",
        ),
        (
            lambda x, pointwise, kernels, **options: gc_factored(x[:, :1], pointwise[:, :, :1], kernels, **options),
            "You use only the first channel. Sum over all channels c.",
        ),
    ],
)
