"""Parameters and multiply-accumulates: by formula, layer by layer, and as PyTorch executes them."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from course_lib.layers import GCSeparableConv2d, GSeparableConv2d
from course_lib.layers.cost import Cost, Costly
from course_lib.modes import eval_mode

Kind = Literal["full", "g", "gc"]
AttentionKind = Literal["asc", "simple", "sasa"]


@dataclass(frozen=True)
class LayerCount(Cost):
    """The cost of one layer, for one image, with its name in the network."""

    name: str = ""


def filter_weights(kind: Kind, c_in: int, c_out: int, order: int, k: int) -> int:
    """The weights of a group convolution, without bias, in its full form or separated as in g- and gc-GConv:

        full: O·C·|H|·k²,   g: O·C·(|H| + k²),   gc: O·(C·|H| + k²)

    ``order`` is the number of sheets |H| of the input, 1 for an image. Raises ValueError for another kind.
    Source: Lengyel & van Gemert (2021), section 3.4; notebook 06.
    """
    if kind == "full":
        return c_out * c_in * order * k**2
    if kind == "g":
        return c_out * c_in * (order + k**2)
    if kind == "gc":
        return c_out * (c_in * order + k**2)
    raise ValueError(f"kind must be 'full', 'g' or 'gc', got {kind!r}")


def e4_weights(c_in: int, c_out: int, order: int, k: int, slices: int, reduction: int) -> int:
    """The entries of the three matrices of an E4 layer, W₁ (C/r, C·|H|), W₂ (k²·s, C/r) and W₃ (O, C·|H|):

        C²·|H|/r + k²·s·C/r + O·C·|H|

    which for O = C is c²|H|(1 + 1/r) + csk²/r. The layer has besides a gain and a bias in its norm, 2·C/r numbers, and
    a bias with W₂, k²·s. Source: He et al. (2021), section 4.2; notebook 08.
    """
    hidden = c_in // reduction
    return hidden * c_in * order + k**2 * slices * hidden + c_out * c_in * order


def e4_macs(c_in: int, c_out: int, order: int, k: int, slices: int, reduction: int, height: int, width: int) -> int:
    """Multiply-accumulates of an E4 layer on one map: at each g, every weight once, and k²·O products to aggregate.

        |H|·Y·X·(weights + k²·O),   for O = C: (1 + 1/r)c²|H|²YX + (1 + s/r)k²c|H|YX

    Source: He et al. (2021), section 4.2, where they are called FLOPs; notebook 08.
    """
    return order * height * width * (e4_weights(c_in, c_out, order, k, slices, reduction) + k**2 * c_out)


def e4_within_budget(channels: int, order: int) -> tuple[int, int, int]:
    """(k, s, r) of an E4 layer from c to c channels with the largest window, from 5 × 5 to 31 × 31, that has no more
    weights and multiply-accumulates than the 3 × 3 group convolution, and a hidden layer of at least four channels.

    Raises ValueError if there is none, as for few channels on C1. Notebook 08.
    """
    limit = filter_weights("full", channels, channels, order, 3)
    divisors = [d for d in range(1, channels + 1) if channels % d == 0]
    fits = [
        (k, slices, reduction)
        for k in range(5, 32, 2)
        for slices in divisors
        for reduction in divisors
        if channels // reduction >= 4
        and e4_weights(channels, channels, order, k, slices, reduction) <= limit
        and e4_macs(channels, channels, order, k, slices, reduction, 1, 1) <= order * limit
    ]
    return max(fits)


def attention_parameters(kind: AttentionKind, channels: int, order: int, k: int) -> int:
    """All that a layer of local attention from c to c channels learns, for any number of heads:

        sasa: 4|H|c² + 3c + kc,   simple: 2|H|c² + c + (|H| + 1)k²c,   asc: 4|H|c² + 3c + (|H| + 1)(2k² + 1)c

    The terms are the 1×1 convolutions, W^O among them, their biases, and ψ (for each sheet) with β (one for all).
    ψ^Q and β^Q are needed at one place alone. Raises ValueError for another kind.
    Source: *Affine self convolution*, appendices C and D, by its published counts; notebook 09.
    """
    matrix, affine = order * channels**2, (order + 1) * channels
    if kind == "sasa":
        return 4 * matrix + 3 * channels + k * channels
    if kind == "simple":
        return 2 * matrix + channels + affine * k**2
    if kind == "asc":
        return 4 * matrix + 3 * channels + affine * (2 * k**2 + 1)
    raise ValueError(f"kind must be 'asc', 'simple' or 'sasa', got {kind!r}")


def count_layers(net: nn.Module, x: Tensor) -> list[LayerCount]:
    """What every layer costs by formula, for one image, in order of use: parameters, multiply-accumulates, and more.

    A convolution uses each of its weights once for every output sheet and output pixel: weights · |H| · Y′ · X′. This
    is the rule of Lengyel & van Gemert (2021), section 3.4. It charges the pointwise step of a separable layer at the
    size of the *output*, where a convolution without padding has to do it at the size of the input: see
    `executed_macs`. Additions of biases and pools are not counted. Raises TypeError for a layer that has parameters but
    no ``cost``.

    Args:
        x: one image or a batch of them, as ``net`` takes it. Only its shape matters.
    """
    names = {module: name for name, module in net.named_modules()}
    counts: list[LayerCount] = []

    def note(layer: nn.Module, _inputs: Any, output: Tensor) -> None:
        counts.append(LayerCount(**vars(_cost(layer, output.numel())), name=names[layer]))

    with ExitStack() as hooks:
        for layer in net.modules():
            if isinstance(layer, Costly) or next(layer.parameters(recurse=False), None) is not None:
                hooks.callback(layer.register_forward_hook(note).remove)
        _run(net, x)
    return counts


def executed_macs(net: nn.Module, x: Tensor) -> int:
    """Multiply-accumulates for one image as PyTorch executes them: half of what `FlopCounterMode` counts.

    That is all matrix products and convolutions. Sums of products, as in the aggregation of an `E4Layer` or in local
    attention, are no matrix products and partly missing: see `e4_macs`.
    """
    with FlopCounterMode(display=False) as counter:
        _run(net, x)
    return int(counter.get_total_flops()) // 2


@contextmanager
def factored_form(net: nn.Module) -> Iterator[nn.Module]:
    """Inside the block all separable layers of ``net`` run in factored form, whichever form they would pick."""
    separable = [layer for layer in net.modules() if isinstance(layer, (GSeparableConv2d, GCSeparableConv2d))]
    with replaced_forwards({layer: layer.factored for layer in separable}):
        yield net


@contextmanager
def replaced_forwards(forwards: Mapping[nn.Module, Callable[[Tensor], Tensor]]) -> Iterator[None]:
    """Inside the block these layers compute something else."""
    for layer, forward in forwards.items():
        layer.__dict__["forward"] = forward
    try:
        yield
    finally:
        for layer in forwards:
            del layer.__dict__["forward"]


def _cost(layer: nn.Module, values: int) -> Cost:
    """What the layer says itself; for PyTorch's own layers, it is said here."""
    if isinstance(layer, Costly):
        return layer.cost(values)
    if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)):
        return Cost(2 * layer.num_features)
    if isinstance(layer, nn.LayerNorm):
        return Cost(2 * math.prod(layer.normalized_shape))
    if isinstance(layer, nn.Linear):
        weights = layer.in_features * layer.out_features
        return Cost(weights + layer.out_features * (layer.bias is not None), macs=layer.in_features * values)
    if isinstance(layer, (nn.Conv2d, nn.Conv3d)):
        per_value = layer.in_channels // layer.groups * math.prod(layer.kernel_size)
        return Cost(layer.out_channels * (per_value + (layer.bias is not None)), macs=per_value * values)
    raise TypeError(
        f"no formula for a {type(layer).__name__}; give it a method cost(values), as the layers of course_lib.layers "
        "have it, or use these, or PyTorch's convolutions, batch norms and nn.Linear"
    )


def _run(net: nn.Module, x: Tensor) -> None:
    """One image through the network, in eval mode: a count must change no norm's statistics."""
    like = next(net.parameters(), x)
    with eval_mode(net), torch.no_grad():
        net(x[:1].to(like))
