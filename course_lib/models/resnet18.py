"""ResNet18 for small images: post-activation basic blocks, two in each of four stages."""

from functools import partial

from torch import nn

from course_lib.groups import C1, Group
from course_lib.layers import (
    EquivariantSequential,
    GroupBatchNorm,
    GroupConv2d,
    GroupMaxPool,
    LiftingConv2d,
    SpatialMaxPool2d,
)
from course_lib.models.blocks import Layer, Residual, norm_relu, same_conv

_conv3x3 = partial(GroupConv2d, kernel_size=3, padding="same", bias=False)


def resnet18(
    group: Group = C1,
    width: int = 64,
    classes: int = 10,
    channels: int = 3,
    *,
    second: Layer = _conv3x3,
    dropout: float = 0.2,
    exact: bool = True,
) -> EquivariantSequential:
    """ResNet18 for 32×32 pixels: ``(B, channels, Y, X)`` → ``(B, classes)``.

    A 3×3 lift, four stages of two blocks of w, 2w, 4w and 8w channels, the maximum over the group, the mean over space,
    and a linear layer. A block is a 3×3 group convolution, dropout value by value, norm and ReLU, then
    ``second(group, channels, channels)``, another 3×3 or for example an E4 layer, and norm. No convolution has a bias.
    With ``exact``, as published for p4 and p4m, the first convolution of the last three stages and its shortcut run at
    full resolution and are max-pooled: exactly invariant where 8 divides the image. Without they are strided.
    Source: He et al. (2021), section 5.2, Table 4; notebook 10.
    """
    layers: list[nn.Module] = [LiftingConv2d(group, channels, width, 3, padding=1, bias=False)]
    layers += norm_relu(group, width)
    in_channels = width
    for stage in range(4):
        for block in range(2):
            out_channels, stride = width * 2**stage, 2 if stage and not block else 1
            layers.append(basic_block(group, in_channels, out_channels, stride, second, dropout, exact))
            in_channels = out_channels
    head = [GroupMaxPool(group), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(in_channels, classes)]
    return EquivariantSequential(*layers, *head)


def basic_block(
    group: Group, in_channels: int, out_channels: int, stride: int, second: Layer, dropout: float, exact: bool
) -> Residual:
    """A block of `resnet18`: ``(B, in_channels, |H|, Y, X)`` → ``(B, out_channels, |H|, Y/stride, X/stride)``.

    With stride 1 the shortcut is the identity; else a 1×1 convolution that halves the map as the 3×3 does, and norm.
    Source: He et al. (2021), section 5.2; notebook 10.
    """
    pool = SpatialMaxPool2d if exact else None
    branch = EquivariantSequential(
        same_conv(GroupConv2d, group, in_channels, out_channels, 3, stride, pool, bias=False),
        nn.Dropout(dropout),
        *norm_relu(group, out_channels),
        second(group, out_channels, out_channels),
        GroupBatchNorm(group, out_channels),
    )
    shortcut: nn.Module = nn.Identity()
    if stride > 1:
        conv = same_conv(GroupConv2d, group, in_channels, out_channels, 1, stride, pool, bias=False)
        shortcut = EquivariantSequential(conv, GroupBatchNorm(group, out_channels))
    return Residual(branch, shortcut, nn.ReLU())
