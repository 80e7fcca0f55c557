"""P4CNN, the network for rotated MNIST: as Cohen & Welling have it, and with a linear classifier."""

from collections import OrderedDict
from collections.abc import Callable

from torch import Tensor, nn

from course_lib.groups import C4, Group
from course_lib.layers import (
    EquivariantSequential,
    GlobalMaxPool,
    GroupBatchNorm,
    GroupConv2d,
    GroupMaxPool,
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
        layers[f"norm{i}"] = GroupBatchNorm(group, width)
        layers[f"relu{i}"] = nn.ReLU()
        if i == 2:
            layers["pool"] = SpatialMaxPool2d(group, 2)
    layers["conv7"] = GroupConv2d(group, width, classes, 4)
    layers["invariant"] = GlobalMaxPool(group)
    return EquivariantSequential(layers)


def p4cnn_dropout(
    group: Group = C4, width: int = 10, classes: int = 10, *, dropout: float = 0.3
) -> EquivariantSequential:
    """`p4cnn` with dropout, value by value, after every ReLU but the second; Z2CNN was trained like this.

    Source: the authors' published experiments; the paper says "dropout".
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for name, layer in p4cnn(group, width, classes).named_children():
        layers[name] = layer
        if name.startswith("relu") and name != "relu2":
            layers[name.replace("relu", "dropout")] = nn.Dropout(dropout)
    return EquivariantSequential(layers)


def p4cnn_rotation_pooling(group: Group = C4, width: int = 20, classes: int = 10) -> EquivariantSequential:
    """P4CNNRotationPooling: ``(B, 1, 28, 28)`` → ``(B, classes)``, invariant to the group, exactly.

    As `p4cnn`, but every layer goes from an image to an image again: it lifts, has norm and ReLU, and is max-pooled
    over the group at once. So no layer knows how the patterns of the one before it were turned. With 20 channels it has
    as many parameters as Z2CNN, 21,750. Source: Cohen & Welling (2016), section 8.1; notebook 10.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for i in range(1, 7):
        layers[f"conv{i}"] = LiftingConv2d(group, 1 if i == 1 else width, width, 3)
        layers[f"norm{i}"] = GroupBatchNorm(group, width)
        layers[f"relu{i}"] = nn.ReLU()
        layers[f"rotation_pool{i}"] = GroupMaxPool(group)
        if i == 2:
            layers["pool"] = SpatialMaxPool2d(group, 2)
    layers["conv7"] = LiftingConv2d(group, width, classes, 4)
    layers["invariant"] = GlobalMaxPool(group)
    return EquivariantSequential(layers)


def p4cnn_linear(
    group: Group = C4, width: int = 10, classes: int = 10, conv: Callable[..., nn.Module] = GroupConv2d
) -> EquivariantSequential:
    """P4CNN with a linear classifier: ``(B, 1, 28, 28)`` → ``(B, classes)``, invariant to the group, exactly.

    As `p4cnn`, but all seven convolutions put out ``width`` channels and have norm and ReLU; after the maximum over the
    group a linear layer makes the scores. ``conv(group, in_channels, out_channels, kernel_size)`` builds the six hidden
    convolutions, for example `GCSeparableConv2d`; the lift stays a full convolution.
    Source: Lengyel & van Gemert (2021), Table 1, whose rows are in `course_lib.experiments`; notebook 06.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for i in range(1, 8):
        size = 4 if i == 7 else 3
        layers[f"conv{i}"] = LiftingConv2d(group, 1, width, size) if i == 1 else conv(group, width, width, size)
        layers[f"norm{i}"] = GroupBatchNorm(group, width)
        layers[f"relu{i}"] = nn.ReLU()
        if i == 2:
            layers["pool"] = SpatialMaxPool2d(group, 2)
    layers["invariant"] = GroupMaxPool(group)
    layers["flatten"] = FlattenPixel()
    layers["linear"] = nn.Linear(width, classes)
    return EquivariantSequential(layers)


class FlattenPixel(nn.Flatten):
    """A map of a single pixel as a vector: ``(B, C, 1, 1)`` → ``(B, C)``. Raises ValueError for a larger map."""

    def forward(self, input: Tensor) -> Tensor:
        if input.shape[2:] != (1, 1):
            height, width = input.shape[2:]
            raise ValueError(
                f"p4cnn_linear takes images (1, 28, 28), which end in a map of 1 × 1 pixels; these end in one of "
                f"{height} × {width}. Use images of 28 × 28 pixels, or p4cnn, which takes the maximum over any map"
            )
        return super().forward(input)
