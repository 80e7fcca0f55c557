"""The papers' networks, each one function of a group: C1 gives the ordinary CNN, C4 the p4 and D4 the p4m version."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from course_lib.groups import C4, Group
from course_lib.layers import (
    EquivariantSequential,
    GlobalMaxPool,
    GroupBatchNorm2d,
    GroupConv2d,
    LiftingConv2d,
    SpatialMaxPool2d,
)


def p4cnn(group: Group = C4, width: int = 10, classes: int = 10) -> EquivariantSequential:
    """P4CNN for 28×28 images: ``(B, 1, 28, 28)`` → ``(B, classes)``, invariant to the group, exactly.

    Seven valid convolutions (the lift and five group convolutions of 3×3, the last of 4×4), batch norm and ReLU after
    the first six, a 2×2 max pool after the second, at the end the maximum over group and space.
    ``p4cnn(C1, 20)`` is Z2CNN (21,750 parameters), ``p4cnn(C4, 10)`` is P4CNN (24,680).
    Source: Cohen & Welling (2016), section 8.1; notebook 04.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for i in range(1, 7):
        layers[f"conv{i}"] = LiftingConv2d(group, 1, width, 3) if i == 1 else GroupConv2d(group, width, width, 3)
        layers[f"norm{i}"] = GroupBatchNorm2d(group, width)
        layers[f"relu{i}"] = nn.ReLU()
        if i == 2:
            layers["pool"] = SpatialMaxPool2d(group, 2)
    layers["conv7"] = GroupConv2d(group, width, classes, 4)
    layers["invariant"] = GlobalMaxPool(group)
    return EquivariantSequential(layers)
