"""Group convolution against an ordinary convolution of the same total width, and against escnn's."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from course_lib.bench.case import Bar, Case, Contender
from course_lib.bench.escnn_twins import regular_conv
from course_lib.groups import C4, D4, Group
from course_lib.layers import GroupConv2d

# group, channels, pixels, batch, kernel size, bar for training against conv2d
SHAPES = [
    (C4, 10, 28, 128, 3, 1.05),
    (C4, 16, 28, 128, 5, 1.05),
    (C4, 16, 14, 128, 5, 1.05),
    (C4, 64, 8, 32, 3, 1.05),
    (D4, 22, 32, 32, 3, 1.05),
    (D4, 44, 16, 32, 3, 1.05),
    (D4, 88, 8, 32, 3, 1.05),
    (D4, 176, 4, 32, 3, 1.08),
]


def cases() -> list[Case]:
    return [case(*shape) for shape in SHAPES]


def case(group: Group, channels: int, pixels: int, batch: int, kernel: int, limit: float) -> Case:
    def inputs() -> tuple[Tensor, ...]:
        return (torch.randn(batch, channels, group.order, pixels, pixels),)

    ours = partial(GroupConv2d, group, channels, channels, kernel, padding=kernel // 2)
    return Case(
        f"group convolution, {group} {channels} ch {pixels} px k={kernel} batch {batch}",
        (
            Contender("GroupConv2d", ours),
            Contender("conv2d", partial(plain_conv, group, channels, kernel)),
            Contender("escnn R2Conv", regular_conv(group, channels, channels, kernel), needs="escnn"),
        ),
        inputs,
        bars=(
            Bar("time", "GroupConv2d", "conv2d", limit),
            Bar("time", "GroupConv2d", "conv2d", 1.02, "eval"),
            Bar("speed", "GroupConv2d", "escnn R2Conv", 1.0),
            Bar("speed", "GroupConv2d", "escnn R2Conv", 1.0, "eval"),
        ),
    )


def plain_conv(group: Group, channels: int, kernel: int) -> nn.Module:
    """A conv2d of C·|H| channels that knows nothing of the group, on our maps."""
    width = channels * group.order
    conv = nn.Conv2d(width, width, kernel, padding=kernel // 2)
    return nn.Sequential(nn.Flatten(1, 2), conv, nn.Unflatten(1, (channels, group.order)))
