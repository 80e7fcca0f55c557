"""The rules by which the papers count operations; what PyTorch's own counter sees, and what it does not."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from course_lib.counting import count_layers, executed_macs, factored_form, replaced_forwards
from course_lib.layers.cost import Dynamic


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
    products: dict[nn.Module, Callable[[Tensor], Tensor]]
    products = {layer: layer.products for layer in net.modules() if isinstance(layer, Dynamic)}
    with factored_form(net), replaced_forwards(products):
        return executed_macs(net, x)


def macs_and_norms(net: nn.Module, x: Tensor) -> int:
    """`macs_of_products`, and what each norm costs (`Cost`)."""
    return macs_of_products(net, x) + sum(count.norm for count in count_layers(net, x))


def aggregation_macs(net: nn.Module, x: Tensor) -> int:
    """Multiply-accumulates for one image that are neither convolution nor matrix product: not in `macs_of_products`.

    At each place and sheet and for each channel: k² to aggregate in an E4 layer, k² for the scores and k² for the
    weighted sum of attention, and |H|·k² for each affine map, but |H| for that of the query, which has one place.
    """
    return sum(count.aggregation for count in count_layers(net, x))


BY_FORMULA = Rule("by formula", "weights of each convolution × |H| × pixels of its output", macs_by_formula)
EXECUTED = Rule("as executed", "multiply-accumulates of convolutions and matrix products", macs_of_products)
AND_NORMS = Rule(
    "with norms", "as executed, and 2 for each value of a batch norm, 5 for each of an instance norm", macs_and_norms
)
