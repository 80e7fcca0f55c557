"""What the checks of exercises 6.1, 6.3 and 6.4 share: they compare convolutions in two steps."""

from collections.abc import Mapping
from functools import partial, update_wrapper
from itertools import combinations
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from course_lib.exercises import Function, Mistake, call, compare
from course_lib.groups import C1, C4, D4, Group
from course_lib.layers import lifting_filter_bank, pointwise_bank

Inputs = dict[str, Tensor]
Simpler = Mapping[str, tuple[Any, ...]]
Axes = Mapping[str, Mapping[str, int]]  # the name of an axis, and which dimension it is in each argument


def where_wrong(f: Function, reference: Function, given: Inputs, axes: Axes, simpler: Simpler, *_: object) -> str:
    """What a wrong answer multiplies and should not; or else, with which simpler inputs it is right."""
    return _crossed(f, given, axes) or right_when(f, reference, simpler)


def _crossed(f: Function, given: Inputs, axes: Axes) -> str | None:
    """Which two arguments meet at different indices of an axis where only equal ones belong together.

    A right result is zero if one argument is. It is also zero if one is zero except at index 0 of the axis, and another
    except at index 1.
    """
    for name, value in given.items():
        if not _vanishes(f, given | {name: torch.zeros_like(value)}):
            return f"Your result is not zero where all of `{name}` is zero."
    for axis, dims in axes.items():
        for first, second in combinations(dims, 2):
            if min(given[name].shape[dims[name]] for name in (first, second)) < 2:
                continue
            only = {name: _at(given[name], dims[name], i) for i, name in enumerate((first, second))}
            if not _vanishes(f, given | only):
                return (
                    f"You multiply `{first}` at {axis} 0 by `{second}` at {axis} 1. Only those with the same {axis} "
                    "belong together."
                )
    return None


def _at(value: Tensor, dim: int, i: int) -> Tensor:
    kept = torch.zeros_like(value)
    kept.select(dim, i).copy_(value.select(dim, i))
    return kept


def _vanishes(f: Function, given: Inputs) -> bool:
    result = call(f, *(value.clone() for value in given.values()))
    return isinstance(result, Tensor) and bool((result == 0).all())


def right_when(f: Function, reference: Function, simpler: Simpler) -> str:
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


def first_count() -> None:
    """The first count of operations imports much of torch, which takes seconds."""
    with FlopCounterMode(display=False):
        torch.zeros(1).sum()


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
    axes = {
        "input channel": {"x": 1, "pointwise": 2} | ({} if shared else {"kernels": 2}),
        "input sheet": {"x": 2, "pointwise": 3},
        "output channel": {"pointwise": 0, "kernels": 0},
        "output sheet": {"pointwise": 1, "kernels": 1},
    }
    for group, channels, outputs in ((C1, 2, 1), (C4, 2, 3), (D4, 3, 2)):
        given = x, pointwise, kernels = _inputs(group, channels, outputs, shared)
        simpler = {
            "one input channel": (x[:, :1], pointwise[:, :, :1], kernels[:, :, :1]),
            "one output channel": (x, pointwise[:1], kernels[:1]),
            "one sheet": (x[:, :, :1], pointwise[:, :1, :, :1], kernels[:, :1]),
            "kernels of one weight": (x, pointwise, kernels[..., :1, :1]),
        }
        named = {"x": x, "pointwise": pointwise, "kernels": kernels}
        compare(f, reference, *given, because=partial(where_wrong, f, reference, named, axes, simpler))
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
