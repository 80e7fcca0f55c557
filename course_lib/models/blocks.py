"""What the residual networks share: a block with a shortcut, and convolutions that halve the map."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from course_lib.groups import Group
from course_lib.layers import EquivariantSequential, GroupBatchNorm, SpatialAvgPool2d, SpatialMaxPool2d

Conv = Callable[..., nn.Module]
Layer = Callable[[Group, int, int], nn.Module]
Pool = type[SpatialAvgPool2d] | type[SpatialMaxPool2d]


class Residual(nn.Module):
    """f ↦ σ(branch(f) + shortcut(f)): equivariant if all three are, as a sum moves with its terms.

    Source: He et al. (2016); σ is nothing in pre-activation networks, where the branch starts with norm and ReLU.
    """

    def __init__(self, branch: nn.Module, shortcut: nn.Module, activation: nn.Module | None = None) -> None:
        super().__init__()
        self.branch, self.shortcut, self.activation = branch, shortcut, activation or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.branch(x) + self.shortcut(x))


def same_conv(
    conv: Conv,
    group: Group,
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    stride: int = 1,
    pool: Pool | None = None,
    **options: Any,
) -> nn.Module:
    """A convolution that keeps the size of the map, or divides it by the stride, in one of two ways.

    Without ``pool`` the convolution is strided, as in ordinary networks: on even maps its windows leave a pixel over,
    and the network is not exactly equivariant there (notebook 05). With a pool, max or average, it runs at full
    resolution, which costs stride² times as much, and is pooled afterwards: exact where the stride divides the map.
    """
    padding = kernel_size // 2
    if stride == 1:
        return conv(group, in_channels, out_channels, kernel_size, padding=padding, **options)
    if pool is None:
        options = {"stride": stride, "allow_approximate": True, **options}
        return conv(group, in_channels, out_channels, kernel_size, padding=padding, **options)
    full = conv(group, in_channels, out_channels, kernel_size, padding=padding, **options)
    return EquivariantSequential(full, pool(group, stride))


def norm_relu(group: Group, channels: int) -> tuple[nn.Module, nn.Module]:
    return GroupBatchNorm(group, channels), nn.ReLU()
