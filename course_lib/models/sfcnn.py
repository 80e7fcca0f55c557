"""SFCNN, the steerable filter CNN for rotated MNIST: large filters that turn by any angle, and three linear layers."""

from collections import OrderedDict

from torch import nn

from course_lib.groups import C16, Group
from course_lib.layers import (
    EquivariantSequential,
    GlobalMaxPool,
    GroupBatchNorm,
    GroupConv2d,
    LiftingConv2d,
    SpatialAvgPool2d,
    SpatialMaxPool2d,
)

# For each convolution: channels (at width 24), side of the filter, padding, and whether a pool follows.
PLAN = ((24, 9, 0, False), (32, 7, 3, True), (36, 7, 3, False), (36, 7, 3, True), (64, 7, 3, False), (96, 5, 0, False))
DROPOUT = 0.3


def sfcnn(group: Group = C16, width: int = 24, classes: int = 10) -> EquivariantSequential:
    """SFCNN for 28×28 images: ``(B, 1, 28, 28)`` → ``(B, classes)``, invariant to the group.

    The lift (9×9) and five group convolutions (7×7, the last 5×5), batch norm and ELU after each, a 2×2 max pool after
    the second and the fourth; the maximum over group and space; three linear layers, each after dropout. ``width`` is
    the number of channels of the lift. Exact under the elements of the group that take the lattice to itself, nearly
    under the others. Maps have 20, 20, 10, 10, 5, 5 and 1 pixels.
    Source: Weiler, Hamprecht & Storath (2018); sizes, widths, and the first convolution without padding as in the first
    author's later published program (Weiler & Cesa, 2019); notebook 12.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    before = 1
    for i, (share, size, padding, is_pooled) in enumerate(PLAN, start=1):
        channels = max(1, share * width // 24)
        conv = LiftingConv2d if i == 1 else GroupConv2d
        layers[f"conv{i}"] = conv(group, before, channels, size, padding=padding)
        layers[f"norm{i}"] = GroupBatchNorm(group, channels)
        if is_pooled:
            layers[f"pool{i}"] = SpatialMaxPool2d(group, 2)
        layers[f"elu{i}"] = nn.ELU()
        before = channels
    layers["invariant"] = GlobalMaxPool(group)
    for i in (1, 2):
        layers[f"dropout{i}"] = nn.Dropout(DROPOUT)
        layers[f"linear{i}"] = nn.Linear(before, before)
        layers[f"linear_norm{i}"] = nn.BatchNorm1d(before)
        layers[f"linear_elu{i}"] = nn.ELU()
    layers["dropout3"] = nn.Dropout(DROPOUT)
    layers["linear3"] = nn.Linear(before, classes)
    return EquivariantSequential(layers)


def small_sfcnn(group: Group = C16, width: int = 5, classes: int = 10) -> EquivariantSequential:
    """A small steerable network for 14×14 images: ``(B, 1, 14, 14)`` → ``(B, classes)``, invariant to the group.

    The lift and two group convolutions of 5×5, batch norm and ELU after each, a 2×2 average pool after the first, the
    maximum over group and space, and a linear layer. It trains on a CPU in minutes. Exactness as `sfcnn`; notebook 12.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    before = 1
    for i, (channels, padding) in enumerate([(width, 2), (2 * width, 2), (2 * width, 0)], start=1):
        conv = LiftingConv2d if i == 1 else GroupConv2d
        layers[f"conv{i}"] = conv(group, before, channels, 5, padding=padding)
        layers[f"norm{i}"] = GroupBatchNorm(group, channels)
        layers[f"elu{i}"] = nn.ELU()
        if i == 1:
            layers["pool"] = SpatialAvgPool2d(group, 2)
        before = channels
    layers["invariant"] = GlobalMaxPool(group)
    layers["linear"] = nn.Linear(before, classes)
    return EquivariantSequential(layers)
