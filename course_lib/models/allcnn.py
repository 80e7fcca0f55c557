"""All-CNN-C: nine convolutions and nothing else but norms."""

from torch import Tensor, nn

from course_lib.groups import C1, Group
from course_lib.layers import EquivariantSequential, GlobalAvgPool, GroupConv2d, LiftingConv2d, SpatialMaxPool2d
from course_lib.models.blocks import Conv, norm_relu, same_conv


def allcnn(
    group: Group = C1,
    width: int = 96,
    classes: int = 10,
    channels: int = 3,
    *,
    conv: Conv = GroupConv2d,
    dropout: tuple[float, float, float] = (0.2, 0.5, 0.5),
    exact: bool = False,
) -> EquivariantSequential:
    """All-CNN-C: ``(B, channels, Y, X)`` → ``(B, classes)``.

    Seven 3×3 convolutions of w, w, w, 2w, 2w, 2w, 2w channels, the third and sixth of stride 2, then two of 1×1, to 2w
    channels and to the classes; norm and ReLU after all nine, at the end the mean over group and space. ``dropout`` is
    that of the image and after the two strided convolutions, value by value.
    Its strided convolutions are exact on odd maps only, so not on 32×32 pixels; with ``exact`` they run at full
    resolution and are max-pooled, on 32×32 pixels exactly invariant.
    Source: Springenberg et al. (2015) and Cohen & Welling (2016), section 8.2; notebook 10.
    """
    widths = [width, width, width, 2 * width, 2 * width, 2 * width, 2 * width, 2 * width, classes]
    pool = SpatialMaxPool2d if exact else None
    layers: list[nn.Module] = [ImageDropout(dropout[0]), LiftingConv2d(group, channels, width, 3, padding=1)]
    layers += norm_relu(group, width)
    for i in range(1, 9):
        strided = i in (2, 5)
        size = 3 if i < 7 else 1
        layers.append(same_conv(conv, group, widths[i - 1], widths[i], size, 2 if strided else 1, pool))
        layers += norm_relu(group, widths[i])
        if strided:
            layers.append(nn.Dropout(dropout[1 if i == 2 else 2]))
    return EquivariantSequential(*layers, GlobalAvgPool(group))


class ImageDropout(nn.Dropout):
    """Dropout of the pixels of an image. Integers pass, so that the convolution after it can say what is wrong."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) if input.is_floating_point() else input
