"""What the checks of exercises 6.1, 6.3 and 6.4 share: they compare convolutions in two steps."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial, update_wrapper
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from course_lib.exercises import Function, Mistake, call, compare
from course_lib.groups import C1, C4, D4, Group
from course_lib.layers import lifting_filter_bank, pointwise_bank


def right_when(f: Function, reference: Function, simpler: Mapping[str, tuple[Any, ...]], *_: object) -> str:
    """With which simpler inputs a wrong answer is right: what they lack is where the mistake is."""
    right = [name for name, inputs in simpler.items() if _agree(f, reference, inputs)]
    if not right:
        return f"It is wrong even with {', with '.join(simpler)}."
    return f"With {', and with '.join(right)}, your function is right. So look at what it does with several of them."


def _agree(f: Function, reference: Function, inputs: tuple[Any, ...]) -> bool:
    try:
        compare(f, reference, *inputs)
    except Mistake:
        return False
    return True


def require_few_operations(f: Function, reference: Function, inputs: tuple[Any, ...], because: str) -> None:
    """Raise a Mistake if f takes more multiply-accumulates than the reference; additions alone are free."""
    counts = []
    for function in (reference, f):
        with FlopCounterMode(display=False) as counter:
            call(function, *inputs)
        counts.append(counter.get_total_flops() // 2)
    if counts[1] > counts[0]:
        shapes = ", ".join(str(tuple(value.shape)) for value in inputs)
        raise Mistake(
            f"The values are right, but with inputs of shape {shapes} your function takes {counts[1]:,} "
            f"multiply-accumulates, and {counts[0]:,} are enough. {because}"
        )


def _inputs(
    group: Group, channels: int, outputs: int, shared: bool, k: int = 2, size: int = 3
) -> tuple[Tensor, Tensor, Tensor]:
    """A map, and the two banks, as a layer has them."""
    pointwise = pointwise_bank(torch.randn(outputs, channels, group.order), group)
    kernels = lifting_filter_bank(torch.randn(outputs, 1 if shared else channels, k, k), group)
    return torch.randn(2, channels, group.order, size, size + 1), pointwise, kernels


DIGITS = (
    "One pixel, one channel, kernel 1. Sheet e of the result adds up all sheets of the input, each with its weight: "
    "1·1 + 2·10 + 3·100 + 4·1000."
)


def compare_convolutions(f: Function, reference: Function, shared: bool) -> None:
    x, pointwise = (
        torch.tensor([1.0, 2.0, 3.0, 4.0]).reshape(1, 1, 4, 1, 1),
        torch.tensor([[[1.0, 10.0, 100.0, 1000.0]]]),
    )
    ones = torch.ones(1, 4, 1, 1, 1)
    compare(f, reference, x, pointwise_bank(pointwise, C4), ones, because=DIGITS)
    for group, channels, outputs in ((C1, 2, 1), (C4, 2, 3), (D4, 3, 2)):
        given = x, pointwise, kernels = _inputs(group, channels, outputs, shared)
        simpler = {
            "one input channel": (x[:, :1], pointwise[:, :, :1], kernels[:, :, :1]),
            "one output channel": (x, pointwise[:1], kernels[:1]),
            "one sheet": (x[:, :, :1], pointwise[:, :1, :, :1], kernels[:, :1]),
            "kernels of one weight": (x, pointwise, kernels[..., :1, :1]),
        }
        compare(f, reference, *given, because=partial(right_when, f, reference, simpler))
    for options in ({"bias": torch.arange(1.0, 9.0)}, {"stride": 2}, {"padding": 1}):
        given = _inputs(C4, 2, 2, shared)
        compare(
            update_wrapper(partial(f, **options), f),
            partial(reference, **options),
            *given,
            because=f"Called with {next(iter(options))}=…, which is for the convolution in space, and only for it.",
        )
    given = _inputs(C4, 2, 3, shared, k=3, size=5)
    require_few_operations(
        f, reference, given, "Do the sums that K does not depend on before the convolution in space."
    )
