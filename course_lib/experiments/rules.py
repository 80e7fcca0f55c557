"""The rules by which the papers count operations; what PyTorch's own counter sees, and what it does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn

from course_lib.checks.measuring import OUTPUT, layer_outputs
from course_lib.counting import count_layers, executed_macs, factored_form, replaced_forwards
from course_lib.layers import (
    AffineSelfConv2d,
    E4Layer,
    GroupBatchNorm2d,
    GroupConv2d,
    GroupInstanceNorm2d,
    SimpleAffineSelfConv2d,
    StandAloneSelfAttention2d,
)

Attention = AffineSelfConv2d | SimpleAffineSelfConv2d | StandAloneSelfAttention2d


@dataclass(frozen=True)
class Rule:
    """One way to count the operations for one image, and what it says in words."""

    name: str
    words: str
    count: Callable[[nn.Module, Tensor], int]


def macs_by_formula(net: nn.Module, x: Tensor) -> int:
    """Multiply-accumulates for one image by the rule of `count_layers`."""
    return sum(count.macs for count in count_layers(net, x))


def macs_of_products(net: nn.Module, x: Tensor) -> int:
    """`executed_macs` of all convolutions and matrix products, separable layers factored.

    E4 and attention layers are counted without what their fast kernels do: that depends on the implementation.
    """
    dynamic = [layer for layer in net.modules() if isinstance(layer, E4Layer | Attention)]
    with factored_form(net), replaced_forwards({layer: partial(_products, layer) for layer in dynamic}):
        return executed_macs(net, x)


def macs_and_norms(net: nn.Module, x: Tensor) -> int:
    """`macs_of_products`, and 2 for every value that a batch norm puts out, 5 for every value of an instance norm.

    So He et al. (2021) seem to have counted their FLOPs on rotated MNIST: no rule we know comes closer.
    """
    prices: dict[type[nn.Module], int] = {GroupBatchNorm2d: 2, GroupInstanceNorm2d: 5}
    return macs_of_products(net, x) + sum(prices.get(type(layer), 0) * values for layer, values in _outputs(net, x))


def aggregation_macs(net: nn.Module, x: Tensor) -> int:
    """Multiply-accumulates for one image that are neither convolution nor matrix product: not in `macs_of_products`.

    At each place and sheet and for each channel: k² to aggregate in an E4 layer, k² for the scores and k² for the
    weighted sum of attention, and |H|·k² for each affine map, but |H| for that of the query, which has one place.
    """
    if not any(map(_aggregated, net.modules())):
        return 0
    return sum(_aggregated(layer) * values for layer, values in _outputs(net, x))


BY_FORMULA = Rule("by formula", "weights of each convolution × |H| × pixels of its output", macs_by_formula)
EXECUTED = Rule("as executed", "multiply-accumulates of convolutions and matrix products", macs_of_products)
AND_NORMS = Rule(
    "with norms", "as executed, and 2 for each value of a batch norm, 5 for each of an instance norm", macs_and_norms
)


def _products(layer: E4Layer | Attention, x: Tensor) -> Tensor:
    """All convolutions and matrix products of the layer; the result has the right shape and the wrong values."""
    if isinstance(layer, E4Layer):
        layer.kernels(x)
        return layer.encoder(x)
    embeddings = [conv(x) for conv in layer.children() if isinstance(conv, GroupConv2d) and conv is not layer.output]
    return layer.output(embeddings[0])


def _outputs(net: nn.Module, x: Tensor) -> list[tuple[nn.Module, int]]:
    """Each layer with the number of values that it puts out for one image."""
    layers = {OUTPUT: net, **dict(net.named_modules())}
    outputs = layer_outputs(net, x[:1]).items()
    return [(layers[name.split("#")[0]], y.numel()) for name, (y, _) in outputs]  # "#2": its second use


def _aggregated(layer: nn.Module) -> int:
    """Per value of the output."""
    if isinstance(layer, E4Layer):
        return layer.kernel_size**2
    if isinstance(layer, StandAloneSelfAttention2d):
        return 2 * layer.kernel_size**2
    if isinstance(layer, SimpleAffineSelfConv2d):
        return (2 + layer.group.order) * layer.kernel_size**2
    if isinstance(layer, AffineSelfConv2d):
        return (2 + 2 * layer.group.order) * layer.kernel_size**2 + layer.group.order
    return 0
