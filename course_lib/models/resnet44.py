"""ResNet44: pre-activation basic blocks, seven in each of three stages."""

from torch import nn

from course_lib.groups import C1, Group
from course_lib.layers import (
    EquivariantSequential,
    GlobalAvgPool,
    GroupBatchNorm,
    GroupConv2d,
    LiftingConv2d,
    SpatialAvgPool2d,
    SpatialMaxPool2d,
)
from course_lib.models.blocks import Conv, Residual, norm_relu, same_conv


def resnet44(
    group: Group = C1,
    width: int | tuple[int, int, int] = 32,
    classes: int = 10,
    channels: int = 3,
    *,
    conv: Conv = GroupConv2d,
    bias: bool = True,
    shortcut_norm: bool = False,
    exact: bool = False,
) -> EquivariantSequential:
    """ResNet44: ``(B, channels, Y, X)`` → ``(B, classes)``.

    A 3×3 lift, three stages of seven blocks, each twice (norm, ReLU, 3×3 convolution), norm and ReLU, mean over space,
    and a linear layer. ``width`` is that of the three stages, or w for w, 2w and 4w. The first block of the second and
    of the third stage halves the map; its shortcut is a strided 1×1 group convolution, with ``shortcut_norm`` and norm.

    As published it is *not* invariant: the linear layer has weights of its own for every sheet of the group, and
    strided convolutions are exact on odd maps only. With ``exact`` the mean runs over the group, too, the 3×3
    convolutions run at full resolution and are max-pooled, and the shortcut takes 2×2 means first: on 32×32 pixels
    exactly invariant.
    Source: Cohen & Welling (2016), section 8.2; Lengyel & van Gemert (2021), section 4.2; notebook 10.
    """
    widths = (width, 2 * width, 4 * width) if isinstance(width, int) else width
    in_channels = widths[0]
    layers: list[nn.Module] = [LiftingConv2d(group, channels, in_channels, 3, padding=1, bias=bias)]
    pool = SpatialMaxPool2d if exact else None
    for stage, out_channels in enumerate(widths):
        for block in range(7):
            halve = stage > 0 and block == 0
            branch = EquivariantSequential(
                *norm_relu(group, in_channels),
                same_conv(conv, group, in_channels, out_channels, 3, 1 + halve, pool, bias=bias),
                *norm_relu(group, out_channels),
                same_conv(conv, group, out_channels, out_channels, 3, bias=bias),
            )
            shortcut: nn.Module = nn.Identity()
            if halve:
                shortcut = _shortcut(group, in_channels, out_channels, bias, shortcut_norm, exact)
            layers.append(Residual(branch, shortcut))
            in_channels = out_channels
    layers += [*norm_relu(group, in_channels), *mean_head(group, in_channels, classes, exact)]
    return EquivariantSequential(*layers)


def _shortcut(
    group: Group, in_channels: int, out_channels: int, bias: bool, norm: bool, exact: bool
) -> EquivariantSequential:
    layers: list[nn.Module] = [SpatialAvgPool2d(group, 2)] if exact else []
    layers.append(same_conv(GroupConv2d, group, in_channels, out_channels, 1, 1 if exact else 2, bias=bias))
    return EquivariantSequential(*layers, *([GroupBatchNorm(group, out_channels)] if norm else []))


def mean_head(group: Group, channels: int, classes: int, exact: bool) -> list[nn.Module]:
    """The end of a network, ``(B, C, |H|, Y, X)`` → ``(B, classes)``: means, then scores from a linear layer.

    With ``exact`` the mean runs over group and space, and the scores are invariant. Without it runs over space alone,
    and the linear layer has weights of its own for every sheet: not invariant. Source: Cohen & Welling (2016), section
    8.2; notebook 10.
    """
    if exact:
        return [GlobalAvgPool(group), nn.Linear(channels, classes)]
    every_sheet = nn.AdaptiveAvgPool3d((group.order, 1, 1))
    return [every_sheet, nn.Flatten(), nn.Linear(channels * group.order, classes)]
