"""Exercise 6.1 of notebook 06: an ordinary convolution in two steps, pointwise and depthwise."""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.exercises import Function, compare, register
from course_lib.exercises.convolutions import first_count, require_few_operations, where_wrong

# 6.1 depthwise_pair


def depthwise_pair(x: Tensor, pointwise: Tensor, kernels: Tensor) -> Tensor:
    """The convolution of x with the filters ψ[n, c] = w[n, c]·K[n], in two cheap steps instead of one expensive one.

    Shapes: x (B, C, Y, X), weights w (O, C), kernels K (O, k, k) → (B, O, Y′, X′), without padding.
    """
    mixed = F.conv2d(x, pointwise[..., None, None])  # pointwise: at every pixel, O sums over the C channels
    return F.conv2d(mixed, kernels.unsqueeze(1), groups=len(kernels))  # depthwise: one kernel for each of the O maps


AXES = {"input channel": {"x": 1, "pointwise": 1}, "output channel": {"pointwise": 0, "kernels": 0}}


def _two_channels(f: Function, reference: Function) -> None:
    x, weights = torch.tensor([3.0, 5.0]).reshape(1, 2, 1, 1), torch.tensor([[1.0, 10.0], [100.0, 1000.0]])
    kernels = torch.tensor([2.0, 3.0]).reshape(2, 1, 1)
    simpler = {"one input channel": (x[:, :1], weights[:, :1], kernels)}
    named = {"x": x, "pointwise": weights, "kernels": kernels}
    because = partial(where_wrong, f, reference, named, AXES, simpler)
    compare(f, reference, x, weights, kernels, because=because)


def _pairs(f: Function, reference: Function) -> None:
    inputs = x, w, kernels = torch.randn(2, 3, 5, 4), torch.randn(2, 3), torch.randn(2, 3, 3)
    simpler = {
        "one input channel": (x[:, :1], w[:, :1], kernels),
        "one output channel": (x, w[:1], kernels[:1]),
        "kernels of one weight": (x, w, kernels[:, :1, :1]),
    }
    named = {"x": x, "pointwise": w, "kernels": kernels}
    compare(f, reference, *inputs, because=partial(where_wrong, f, reference, named, AXES, simpler))
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
    warm_up=first_count,
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
            lambda x, pointwise, kernels: F.conv2d(
                (x[:, None] * pointwise[..., None, None]).flatten(1, 2), kernels.unsqueeze(1), groups=len(kernels)
            ),
            "You multiply each channel by its weights, but do not add up: the sum over c has to leave O maps.",
        ),
        (
            lambda x, pointwise, kernels: pointwise @ x,
            "`@` sums along the two last axes of x, which are rows and columns. The sum over the channels is an "
            "einsum, or a 1 × 1 convolution.",
        ),
        (
            lambda x, pointwise, kernels: F.conv2d(x, pointwise[..., None, None], groups=x.shape[1]),
            "The pointwise step needs no `groups`: each of its outputs is a sum over *all* channels.",
        ),
        (
            lambda x, pointwise, kernels: F.conv2d(_mixed(x, pointwise), kernels[None], groups=len(kernels)),
            "Your kernels have shape (1, O, k, k): one output that reads O maps. Each output reads one map, so their "
            "shape is (O, 1, k, k).",
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
