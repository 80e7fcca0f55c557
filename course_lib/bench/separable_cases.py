"""g- and gc-GConv in both forms against the full group convolution of the same width."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from course_lib.bench.case import Bar, Case, Contender
from course_lib.bench.conv_cases import as_in_a_network
from course_lib.groups import C1, C4, D4, Group
from course_lib.layers import GCSeparableConv2d, GroupConv2d, GSeparableConv2d

# group, channels, pixels, batch, bar for the speed of gc in training
SHAPES = [
    (C1, 32, 32, 32, None),
    (C4, 2, 28, 64, None),
    (C4, 4, 28, 64, None),
    (C4, 17, 14, 128, 2.5),
    (C4, 10, 28, 16, None),
    (D4, 22, 32, 32, 4.0),
    (D4, 44, 16, 8, None),
    (D4, 88, 8, 32, 6.0),
]


class Form(nn.Module):
    """A separable layer held to one of its forms, ``full`` or ``factored``."""

    def __init__(self, layer: GSeparableConv2d | GCSeparableConv2d, form: str) -> None:
        super().__init__()
        self.layer, self.form = layer, form

    def forward(self, x: Tensor) -> Tensor:
        return getattr(self.layer, self.form)(x)


def cases() -> list[Case]:
    return [case(*shape) for shape in SHAPES]


def case(group: Group, channels: int, pixels: int, batch: int, limit: float | None) -> Case:
    def inputs() -> tuple[Tensor, ...]:
        return (torch.randn(batch, channels, group.order, pixels, pixels),)

    def form(kind: type[GSeparableConv2d] | type[GCSeparableConv2d], name: str) -> Callable[[], nn.Module]:
        return lambda: Form(kind(group, channels, channels, 3, padding=1), name)

    contenders = [
        Contender("full group", lambda: GroupConv2d(group, channels, channels, 3, padding=1), lay_out=as_in_a_network),
        Contender("g", form(GSeparableConv2d, "forward"), lay_out=as_in_a_network),
        Contender("gc", form(GCSeparableConv2d, "forward"), lay_out=as_in_a_network),
        Contender("gc full", form(GCSeparableConv2d, "full"), lay_out=as_in_a_network),
        Contender("gc factored", form(GCSeparableConv2d, "factored"), lay_out=as_in_a_network),
    ]
    if limit is None:  # at the shapes with a bar it would take minutes
        contenders.append(Contender("g factored", form(GSeparableConv2d, "factored")))
    bars = () if limit is None else (Bar("speed", "gc", "full group", limit), Bar("time", "g", "full group", 1.1))
    name = f"separable convolution, {group} {channels} ch {pixels} px k=3 batch {batch}"
    return Case(name, tuple(contenders), inputs, modes=("train",), bars=bars)
