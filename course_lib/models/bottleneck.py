"""ResNet29 and ResNet83: post-activation bottleneck blocks, in which a layer of any kind looks around."""

from torch import nn

from course_lib.groups import C1, Group
from course_lib.layers import (
    EquivariantSequential,
    GlobalAvgPool,
    GroupBatchNorm,
    GroupConv2d,
    GroupSqueezeExcite,
    LiftingConv2d,
    SpatialAvgPool2d,
)
from course_lib.models.blocks import Layer, Residual, norm_relu, same_conv


def bottleneck_resnet(
    group: Group = C1,
    width: int = 16,
    classes: int = 10,
    channels: int = 3,
    *,
    blocks: int = 3,
    attention: Layer | None = None,
    squeeze: int | None = None,
    exact: bool = True,
) -> EquivariantSequential:
    """ResNet of 9·``blocks`` + 2 layers: ``(B, channels, Y, X)`` → ``(B, classes)``; 3 make ResNet29, 9 ResNet83.

    A 3×3 lift to w channels, three stages of bottleneck blocks, the mean over group and space, and a linear layer. A
    block goes from its input to w, 2w or 4w channels by 1×1, through the layer that looks around, and to four times as
    many by 1×1. That layer is a 3×3 group convolution or ``attention(group, channels, channels)``; ``squeeze`` is the
    ratio of a squeeze-and-excite at the end of the branch. The first block of each stage has a 1×1 convolution with
    norm as its shortcut; that of the second and third stage halves the map. The last norm of each branch starts at 0,
    so that a block starts as its shortcut.

    Attention is followed by a 2×2 mean where the map is halved. With ``exact`` so is the 3×3 convolution, run at full
    resolution, and the shortcut takes the mean first: exactly invariant where 4 divides the image. Without, both are
    strided as in an ordinary ResNet, and on 32×32 pixels not exact. The paper does not say which shortcut it has.
    Source: *Affine self convolution*, section 4 and appendix C; notebooks 09 and 10.
    """
    layers: list[nn.Module] = [LiftingConv2d(group, channels, width, 3, padding=1, bias=False)]
    layers += norm_relu(group, width)
    in_channels = width
    for stage in range(3):
        middle = width * 2**stage
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            branch = _branch(group, in_channels, middle, stride, attention, squeeze, exact)
            shortcut = nn.Identity() if block else _shortcut(group, in_channels, 4 * middle, stride, exact)
            layers.append(Residual(branch, shortcut, nn.ReLU()))
            in_channels = 4 * middle
    return EquivariantSequential(*layers, GlobalAvgPool(group), nn.Linear(in_channels, classes))


def _branch(
    group: Group, in_channels: int, middle: int, stride: int, attention: Layer | None, squeeze: int | None, exact: bool
) -> EquivariantSequential:
    if attention is None:
        pool = SpatialAvgPool2d if exact else None
        around = [same_conv(GroupConv2d, group, middle, middle, 3, stride, pool, bias=False)]
    else:
        around = [attention(group, middle, middle), *([SpatialAvgPool2d(group, 2)] if stride > 1 else [])]
    last = GroupBatchNorm(group, 4 * middle)
    nn.init.zeros_(last.weight)
    return EquivariantSequential(
        GroupConv2d(group, in_channels, middle, 1, bias=False),
        *norm_relu(group, middle),
        *around,
        *norm_relu(group, middle),
        GroupConv2d(group, middle, 4 * middle, 1, bias=False),
        last,
        *([GroupSqueezeExcite(group, 4 * middle, squeeze)] if squeeze else []),
    )


def _shortcut(group: Group, in_channels: int, out_channels: int, stride: int, exact: bool) -> EquivariantSequential:
    mean_first = exact and stride > 1
    return EquivariantSequential(
        *([SpatialAvgPool2d(group, stride)] if mean_first else []),
        same_conv(GroupConv2d, group, in_channels, out_channels, 1, 1 if mean_first else stride, bias=False),
        GroupBatchNorm(group, out_channels),
    )
