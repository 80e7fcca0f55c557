"""p4_SA: a network of nothing but self-attention on the group, for rotated MNIST."""

from collections import OrderedDict

from torch import Tensor, nn

from course_lib.groups import C4, Group
from course_lib.layers import (
    EncodedSelfAttention2d,
    EquivariantSequential,
    GlobalMaxPool,
    GroupBatchNorm,
    LiftingSelfAttention2d,
    SpatialAvgPool2d,
    SpatialMaxPool2d,
)
from course_lib.models.blocks import Residual

CROPS = (2, 0, 2, 1, 1)  # pixels that each block cuts off at every border; after the second comes a 2×2 max pool


class Crop(nn.Module):
    """The map without so many pixels at each border: equivariant, as it takes the same from all sides."""

    def __init__(self, pixels: int) -> None:
        super().__init__()
        self.pixels = pixels

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        return x[..., self.pixels : height - self.pixels, self.pixels : width - self.pixels]

    def extra_repr(self) -> str:
        return f"{self.pixels}"


def p4_sa(group: Group = C4, width: int = 20, classes: int = 10, *, heads: int = 9) -> EquivariantSequential:
    """p4_SA: ``(B, 1, 28, 28)`` → ``(B, classes)``, invariant to the group, exactly.

    Lifting self-attention, then five times a residual block of self-attention and one of two 1×1 layers, then a matrix,
    the mean over space and the maximum over the group. All windows have 5×5 pixels, all heads half of the channels.
    Maps have 28, 24, 24, 12, 8, 6 and 4 pixels. ``p4_sa()`` has 44,428 parameters.
    Source: Romero & Cordonnier (2021), by their published program; of its norms and activations, batch norm and ReLU.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["lift"] = LiftingSelfAttention2d(group, 1, width, 5, heads)
    layers["norm"], layers["relu"] = GroupBatchNorm(group, width), nn.ReLU()
    for i, crop in enumerate(CROPS, start=1):
        layers[f"attention{i}"] = Residual(_attention(group, width, heads, crop), Crop(crop))
        layers[f"mixing{i}"] = Residual(_mixing(group, width), nn.Identity())
        if i == 2:
            layers["pool"] = SpatialMaxPool2d(group, 2)
    layers["scores"] = nn.Conv3d(width, classes, 1, bias=False)
    layers["mean"] = SpatialAvgPool2d(group, 4)
    layers["invariant"] = GlobalMaxPool(group)
    return EquivariantSequential(layers)


def _attention(group: Group, width: int, heads: int, crop: int) -> nn.Module:
    return EquivariantSequential(
        GroupBatchNorm(group, width),
        nn.ReLU(),
        EncodedSelfAttention2d(group, width, width, 5, heads),
        GroupBatchNorm(group, width),
        nn.ReLU(),
        Crop(crop),
    )


def _mixing(group: Group, width: int) -> nn.Module:
    half = width // 2
    return EquivariantSequential(
        nn.Conv3d(width, half, 1),
        GroupBatchNorm(group, half),
        nn.ReLU(),
        nn.Conv3d(half, width, 1),
        GroupBatchNorm(group, width),
    )
