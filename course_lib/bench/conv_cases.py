"""Group convolution against ordinary convolutions of the same total width, in both layouts, and against escnn's."""

from functools import partial

import torch
from torch import Tensor, nn

from course_lib.bench.case import Bar, Case, Contender
from course_lib.bench.escnn_twins import regular_conv
from course_lib.groups import C4, D4, Group
from course_lib.layers import GroupConv2d
from course_lib.layers.base import memory_format, to_feature_map, to_planes

# group, channels, pixels, batch, kernel size, bars for training and eval against conv2d in its default layout
SHAPES = [
    (C4, 10, 28, 128, 3, 0.65, 0.65),
    (C4, 16, 28, 128, 5, 0.65, 0.65),
    (C4, 16, 14, 128, 5, 0.65, 0.65),
    (C4, 64, 8, 32, 3, 0.95, 1.02),
    (D4, 22, 32, 32, 3, 0.65, 0.65),
    (D4, 44, 16, 32, 3, 0.65, 0.65),
    (D4, 88, 8, 32, 3, 0.95, 1.02),
    (D4, 176, 4, 32, 3, 0.85, 1.02),
]


def cases() -> list[Case]:
    return [case(*shape) for shape in SHAPES]


def case(group: Group, channels: int, pixels: int, batch: int, kernel: int, train: float, evaluate: float) -> Case:
    def inputs() -> tuple[Tensor, ...]:
        return (torch.randn(batch, channels, group.order, pixels, pixels),)

    ours = partial(GroupConv2d, group, channels, channels, kernel, padding=kernel // 2)
    rivals = {memory: partial(PlainConv, group, channels, kernel, memory) for memory in FORMATS}
    return Case(
        f"group convolution, {group} {channels} ch {pixels} px k={kernel} batch {batch}",
        (
            Contender("GroupConv2d", ours, lay_out=partial(as_in_a_network, kernel=kernel)),
            Contender("conv2d", rivals["default"]),
            Contender("conv2d, channels-last", rivals["channels-last"], lay_out=channels_last),
            Contender("escnn R2Conv", regular_conv(group, channels, channels, kernel), needs="escnn"),
        ),
        inputs,
        bars=(
            Bar("time", "GroupConv2d", "conv2d", train),
            Bar("time", "GroupConv2d", "conv2d", evaluate, "eval"),
            Bar("time", "GroupConv2d", "conv2d, channels-last", 1.08),
            Bar("speed", "GroupConv2d", "escnn R2Conv", 1.4),
            Bar("speed", "GroupConv2d", "escnn R2Conv", 1.4, "eval"),
        ),
    )


FORMATS = {"default": torch.contiguous_format, "channels-last": torch.channels_last}


def as_in_a_network(x: Tensor, kernel: int = 1) -> Tensor:
    """A feature map in the format in which the layers of this library hand it to a convolution with this kernel."""
    memory = memory_format(x, kernel)
    return to_feature_map(to_planes(x, memory), x.shape[2], memory)


def channels_last(x: Tensor) -> Tensor:
    """A feature map with pixels, sheets and channels in memory in this order."""
    return to_feature_map(to_planes(x, torch.channels_last), x.shape[2], torch.channels_last)


class PlainConv(nn.Module):
    """A conv2d of C·|H| channels that knows nothing of the group, on our maps, in one of the `FORMATS`."""

    def __init__(self, group: Group, channels: int, kernel: int, memory: str) -> None:
        super().__init__()
        self.sheets, self.memory = group.order, FORMATS[memory]
        conv = nn.Conv2d(channels * group.order, channels * group.order, kernel, padding=kernel // 2)
        self.conv = conv.to(memory_format=self.memory)

    def forward(self, x: Tensor) -> Tensor:
        return to_feature_map(self.conv(to_planes(x, self.memory)), self.sheets, self.memory)
