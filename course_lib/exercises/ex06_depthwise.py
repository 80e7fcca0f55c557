"""Exercise 6.1 of notebook 06: an ordinary convolution in two steps, pointwise and depthwise."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from course_lib.exercises import Function, Mistake, call, compare, register

# 6.1 depthwise_pair


def depthwise_pair(x: Tensor, pointwise: Tensor, kernels: Tensor) -> Tensor:
    """The convolution of x with the filters ψ[n, c] = w[n, c]·K[n], in two cheap steps instead of one expensive one.

    Shapes: x (B, C, Y, X), weights w (O, C), kernels K (O, k, k) → (B, O, Y′, X′), without padding.
    """
    mixed = F.conv2d(x, pointwise[..., None, None])  # pointwise: at every pixel, O sums over the C channels
    return F.conv2d(mixed, kernels.unsqueeze(1), groups=len(kernels))  # depthwise: one kernel for each of the O maps


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


def _two_channels(f: Function, reference: Function) -> None:
    x, weights = torch.tensor([3.0, 5.0]).reshape(1, 2, 1, 1), torch.tensor([[1.0, 10.0], [100.0, 1000.0]])
    compare(f, reference, x, weights, torch.tensor([2.0, 3.0]).reshape(2, 1, 1), because="Two channels, one pixel.")


def _pairs(f: Function, reference: Function) -> None:
    inputs = torch.randn(2, 3, 5, 4), torch.randn(2, 3), torch.randn(2, 3, 3)
    compare(f, reference, *inputs, because="Three channels in, two out, kernels of 3 × 3.")
    require_few_operations(
        f, reference, inputs, "Do the sum over c before the convolution in space: K[n] does not depend on c."
    )


def _depthwise_first(x: Tensor, pointwise: Tensor, kernels: Tensor) -> Tensor:
    per_input = F.conv2d(x, kernels.unsqueeze(1), groups=len(kernels))
    return torch.einsum("bcyx,nc->bnyx", per_input, pointwise)


def _mixed(x: Tensor, pointwise: Tensor) -> Tensor:
    return F.conv2d(x, pointwise[..., None, None])


register(
    "6.1",
    depthwise_pair,
    minutes=10,
    difficulty=2,
    checks=[_two_channels, _pairs],
    hints=[
        "Write the convolution out: Y[n] = Σ_c X[c] ∗ (w[n, c]·K[n]). K[n] does not depend on c. What can you do "
        "before you convolve with it?",
        "First step: mix the channels at every pixel, X̃[n] = Σ_c w[n, c] X[c]. That is a 1 × 1 convolution, or "
        "`torch.einsum('bcyx,nc->bnyx', x, pointwise)`. Second step: convolve map n with kernel n.",
        "For the second step, `F.conv2d(mixed, kernels.unsqueeze(1), groups=len(kernels))`: with as many groups as "
        "maps, each map has its own kernel and is never added to another.",
    ],
    known_mistakes=[
        (
            _depthwise_first,
            "You convolve in space first, as MobileNet does. Its kernels belong to the *input* channels; here K[n] "
            "belongs to the output channel n, so mix the channels first.",
        ),
        (
            lambda x, pointwise, kernels: F.conv2d(F.conv2d(x, pointwise[..., None, None]), kernels.unsqueeze(1)),
            "`conv2d` wants to add up all maps with one kernel each. With `groups=len(kernels)` each map gets its own "
            "kernel.",
        ),
        (
            lambda x, pointwise, kernels: F.conv2d(x, pointwise[..., None, None]),
            "That is only the pointwise step. The convolution of each mixed map with its kernel K[n] is missing.",
        ),
        (
            lambda x, pointwise, kernels: depthwise_pair(x, pointwise, kernels).sum(dim=1, keepdim=True),
            "You add up the output channels. Each of them is an output of its own: (B, O, Y′, X′).",
        ),
        (
            lambda x, pointwise, kernels: depthwise_pair(F.pad(x, [kernels.shape[-1] // 2] * 4), pointwise, kernels),
            "You pad the map. This convolution has no padding, so the map gets smaller.",
        ),
        (
            lambda x, pointwise, kernels: depthwise_pair(F.pad(x, [1] * 4), pointwise, kernels),
            "You pad the map. This convolution has no padding, so the map gets smaller.",
        ),
        (
            lambda x, pointwise, kernels: depthwise_pair(x, pointwise, kernels.transpose(-2, -1)),
            "Rows and columns of your kernels are swapped.",
        ),
        (
            lambda x, pointwise, kernels: depthwise_pair(
                x, pointwise, kernels.sum(dim=0, keepdim=True).expand_as(kernels)
            ),
            "You add up the kernels. Output n has its own kernel K[n].",
        ),
        (
            lambda x, pointwise, kernels: depthwise_pair(x[:, :1], pointwise[:, :1], kernels),
            "You use only the first channel. Sum over all channels c.",
        ),
        (
            lambda x, pointwise, kernels: depthwise_pair(x, pointwise, kernels).transpose(-2, -1),
            "Rows and columns of your result are swapped.",
        ),
        (
            lambda x, pointwise, kernels: depthwise_pair(x, pointwise, kernels) / x.shape[1],
            "You take the mean over the channels. Add them up, with the weights w[n, c].",
        ),
        (
            lambda x, pointwise, kernels: depthwise_pair(x, pointwise.T, kernels),
            "w is transposed: w[n, c] has the output channel first.",
        ),
        (
            lambda x, pointwise, kernels: F.conv2d(x, pointwise),
            "A 1 × 1 convolution wants its weights as (O, C, 1, 1): `pointwise[..., None, None]`.",
        ),
        (
            lambda x, pointwise, kernels: F.conv2d(_mixed(x, pointwise), kernels, groups=len(kernels)),
            "A grouped convolution wants the kernels as (O, 1, k, k): `kernels.unsqueeze(1)`.",
        ),
        (
            lambda x, pointwise, kernels: F.conv2d(
                _mixed(x, pointwise), kernels.unsqueeze(1), groups=pointwise.shape[1]
            ),
            "You make a block for each input channel. After the pointwise step there are O maps, so `groups=O`.",
        ),
        (
            lambda x, pointwise, kernels: depthwise_pair(
                x.sum(dim=1, keepdim=True), pointwise.sum(dim=1, keepdim=True), kernels
            ),
            "You add up the channels and the weights separately. Multiply each channel by its weight first, then add "
            "up.",
        ),
        (
            lambda x, pointwise, kernels: depthwise_pair(x, torch.ones_like(pointwise), kernels),
            "You add up the channels without their weights w[n, c].",
        ),
        (
            lambda x, pointwise, kernels: depthwise_pair(x, pointwise, kernels[:1].expand_as(kernels)),
            "You use the first kernel for every output channel. Output n has its own kernel K[n].",
        ),
        (
            lambda x, pointwise, kernels: depthwise_pair(x, pointwise, kernels.flip(-2, -1)),
            "Your kernels are turned by 180°. `conv2d` does not flip them, and need not.",
        ),
    ],
)
