"""E4 and E4-Net, against the unfolding formulations that the papers describe."""

import copy
from functools import partial

import torch
from torch import Tensor, nn

from course_lib.bench.case import Bar, Case, Contender
from course_lib.bench.conv_cases import as_in_a_network
from course_lib.groups import C4, D4, Group
from course_lib.kernels import unfold_and_sum
from course_lib.layers import E4Layer, GroupConv2d
from course_lib.models import e4net

# group, channels, pixels, batch, kernel size, slices, reduction, and bars: speed against unfold and sum and against the
# group convolution, bytes saved against unfold and sum
E4_SHAPES = [
    (C4, 16, 28, 128, 5, 2, 1, 12, 0.8, 1 / 7),
    (C4, 16, 14, 128, 5, 2, 1, 12, 0.8, 1 / 7),
    (D4, 22, 32, 32, 3, 11, 2, 9, 1.2, 1 / 5),
    (D4, 44, 16, 32, 3, 22, 2, 8, 1.6, 1 / 5),
    (D4, 88, 8, 32, 3, 44, 2, 4, 2.2, 1 / 4.5),
]


def layer_cases() -> list[Case]:
    return [e4_case(*shape) for shape in E4_SHAPES]


def network_cases() -> list[Case]:
    fast, unfolding = "E4-Net", "unfold and sum"
    return [
        Case(
            "E4-Net, batch 128",
            (Contender(fast, e4net), Contender(unfolding, lambda: _unfolding(e4net()))),
            lambda: (torch.randn(128, 1, 28, 28),),
            modes=("train",),
            bars=(Bar("speed", fast, unfolding, 9),),
            input_gradients=False,
        )
    ]


def e4_case(
    group: Group,
    channels: int,
    pixels: int,
    batch: int,
    kernel: int,
    slices: int,
    reduction: int,
    speed: float,
    over_convolution: float,
    saved: float,
) -> Case:
    def inputs() -> tuple[Tensor, ...]:
        return (torch.randn(batch, channels, group.order, pixels, pixels),)

    layer = partial(E4Layer, group, channels, channels, kernel, slices, reduction)
    convolution = partial(GroupConv2d, group, channels, channels, kernel, padding="same", bias=False)
    return Case(
        f"E4, {group} {channels} ch {pixels} px k={kernel} batch {batch}",
        (
            Contender("E4Layer", layer, lay_out=as_in_a_network),
            Contender("unfold and sum", lambda: _unfolding(layer())),
            Contender("GroupConv2d", convolution, lay_out=as_in_a_network),
        ),
        inputs,
        modes=("train",),
        bars=(
            Bar("speed", "E4Layer", "unfold and sum", speed),
            Bar("speed", "E4Layer", "GroupConv2d", over_convolution),
            Bar("saved", "E4Layer", "unfold and sum", saved),
        ),
    )


class UnfoldingE4Layer(nn.Module):
    """The same layer with the same parameters, its kernels stored and its values unfolded."""

    def __init__(self, layer: E4Layer) -> None:
        super().__init__()
        self.layer = copy.deepcopy(layer)

    def forward(self, x: Tensor) -> Tensor:
        return unfold_and_sum(self.layer.kernels(x), self.layer.encoder(x))


def _unfolding(module: nn.Module) -> nn.Module:
    """The same network, or layer, with every E4 layer in the unfolding form."""
    if isinstance(module, E4Layer):
        return UnfoldingE4Layer(module)
    for name, child in module.named_children():
        module.add_module(name, _unfolding(child))
    return module
