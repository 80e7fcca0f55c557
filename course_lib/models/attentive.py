"""P4CNN with attention, and without norms: α-P4CNN, a-P4CNN and DREN, which the papers' tables quote."""

from collections import OrderedDict
from collections.abc import Callable

from torch import Tensor, nn

from course_lib.groups import C4, Group
from course_lib.layers import (
    AttentiveGroupConv2d,
    AttentiveLiftingConv2d,
    EquivariantSequential,
    GroupConv2d,
    LiftingConv2d,
)
from course_lib.models.p4cnn import p4cnn_dropout

Convolution = Callable[[Group, int, int, int], nn.Module]  # group, input channels, output channels, kernel size


def alpha_p4cnn(group: Group = C4, width: int = 10, classes: int = 10) -> EquivariantSequential:
    """α-P4CNN: ``(B, 1, 28, 28)`` → ``(B, classes)``, invariant to the group, exactly: `p4cnn_dropout` with attentive
    convolutions, which have no biases. ``alpha_p4cnn(C4, 10)`` has 73,130 parameters.

    Source: Romero et al. (2020), Table 1 there, and their published program.
    """
    return _with_convolutions(p4cnn_dropout(group, width, classes), AttentiveLiftingConv2d, AttentiveGroupConv2d)


class Gate(nn.Module):
    """f ↦ f · (1 − σ(score(f))): equivariant if the score is, which has a single channel, or as many as f."""

    def __init__(self, score: nn.Module) -> None:
        super().__init__()
        self.score = score

    def forward(self, x: Tensor) -> Tensor:
        return x * (1 - self.score(x).sigmoid())


def a_p4cnn(group: Group = C4, width: int = 10, classes: int = 10) -> EquivariantSequential:
    """a-P4CNN: ``(B, 1, 28, 28)`` → ``(B, classes)``, invariant to the group, exactly: `p4cnn_dropout` without biases,
    with a `Gate` before each convolution, whose score is a 1×1 group convolution to one channel.

    Source: as Romero et al. (2020) have it in their program, for comparison with Romero & Hoogendoorn (2020).
    """
    return _with_convolutions(p4cnn_dropout(group, width, classes), _gated_lift, _gated)


def dren(group: Group = C4, width: int = 10, classes: int = 10) -> EquivariantSequential:
    """DREN: ``(B, 1, 28, 28)`` → ``(B, classes)``, invariant to the group, exactly: `p4cnn_dropout` without norms.

    What its authors call a cycle layer is the lifting convolution, and their isotonic layer is the group convolution.
    This is their version that ends in a maximum over the rotations. Source: Li et al. (2018), published program.
    """
    layers = p4cnn_dropout(group, width, classes, dropout=0.2).named_children()
    return EquivariantSequential(OrderedDict((n, layer) for n, layer in layers if not n.startswith("norm")))


def _gated_lift(group: Group, in_channels: int, out_channels: int, kernel_size: int) -> nn.Module:
    score = nn.Conv2d(in_channels, 1, 1, bias=False)
    conv = LiftingConv2d(group, in_channels, out_channels, kernel_size, bias=False)
    return EquivariantSequential(Gate(score), conv)


def _gated(group: Group, in_channels: int, out_channels: int, kernel_size: int) -> nn.Module:
    score = GroupConv2d(group, in_channels, 1, 1, bias=False)
    return EquivariantSequential(Gate(score), GroupConv2d(group, in_channels, out_channels, kernel_size, bias=False))


def _with_convolutions(net: EquivariantSequential, lift: Convolution, conv: Convolution) -> EquivariantSequential:
    """The network with other convolutions of the same sizes."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for name, layer in net.named_children():
        if isinstance(layer, LiftingConv2d | GroupConv2d):
            make = lift if isinstance(layer, LiftingConv2d) else conv
            layer = make(layer.group, layer.in_channels, layer.out_channels, layer.kernel_size)
        layers[name] = layer
    return EquivariantSequential(layers)
