"""E4-Net: the lifting convolution, then six layers that make their own kernels. Notebook 08."""

from collections import OrderedDict
from typing import Literal

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
from course_lib.layers.e4 import Concatenation


def e4net(
    group: Group = C4,
    width: int = 16,
    classes: int = 10,
    *,
    kernel_size: int = 5,
    slices: int = 2,
    reduction: int = 1,
    concat: Concatenation = "both",
    affine: Literal["shared", "per_element"] = "shared",
    dropout: float = 0.2,
) -> EquivariantSequential:
    """E4-Net: ``(B, 1, 28, 28)`` → ``(B, classes)``, invariant to the group, exactly for sizes divisible by 4.

    A padded 3×3 lift, six E4 layers, batch norm and ReLU after all seven, 2×2 max pools after the first and the third
    E4 layer, dropout of single values after layers 3 to 7, the maximum over group and space, one linear layer. (With
    all sheets of a channel dropped together, `GroupDropout`, these 16 channels learn far more slowly.)
    ``e4net()`` has 18,118 parameters, E4-Net Large ``e4net(width=24, slices=3)`` 39,988. The released networks have a
    gain and a bias per element in the norm of the kernel generator (``affine="per_element"``: 18,694 and 40,852) and
    are not invariant once trained.
    Source: He et al. (2021), section 5.1, and their published code's settings; notebook 08.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for i in range(1, 8):
        if i == 1:
            layers["lift"] = LiftingConv2d(group, 1, width, 3, padding=1, bias=False)
        else:
            layers[f"e4_{i}"] = E4Layer(
                group, width, width, kernel_size, slices, reduction,
                concat=concat, affine=affine, allow_approximate=affine == "per_element",
            )  # fmt: skip
        layers[f"norm{i}"] = GroupBatchNorm(group, width)
        layers[f"relu{i}"] = nn.ReLU()
        if i >= 3:
            layers[f"dropout{i}"] = nn.Dropout(dropout)
        if i in (2, 4):
            layers[f"pool{i}"] = SpatialMaxPool2d(group, 2)
    layers["invariant"] = GlobalMaxPool(group)
    layers["linear"] = nn.Linear(width, classes)
    return EquivariantSequential(layers)
