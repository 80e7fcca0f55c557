"""An E4 network small enough to be trained in seconds on a CPU. Notebook 08."""

from typing import Any

from torch import nn

from course_lib.groups import C4, Group
from course_lib.layers import (
    E4Layer,
    EquivariantSequential,
    GlobalMaxPool,
    GroupBatchNorm,
    LiftingConv2d,
    SpatialMaxPool2d,
)


def small_e4net(group: Group = C4, width: int = 8, classes: int = 10, **options: Any) -> EquivariantSequential:
    """``(B, 1, Y, X)`` → ``(B, classes)``: a 3×3 lift and two E4 layers, batch norm and ReLU after each, a 2×2 max pool
    before each E4 layer, the maximum over group and space, one linear layer.

    Invariant to the group, exactly for sizes divisible by 4. ``options`` go to both E4 layers; by default two slices
    and kernels of 5 × 5. Raises what `E4Layer` raises. Notebook 08.
    """
    layers: list[nn.Module] = [LiftingConv2d(group, 1, width, 3, padding=1, bias=False)]
    for _ in range(2):
        layers += [GroupBatchNorm(group, width), nn.ReLU(), SpatialMaxPool2d(group, 2)]
        layers += [E4Layer(group, width, width, **{"kernel_size": 5, "slices": 2, **options})]
    layers += [GroupBatchNorm(group, width), nn.ReLU(), GlobalMaxPool(group), nn.Linear(width, classes)]
    return EquivariantSequential(*layers)
