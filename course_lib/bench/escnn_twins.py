"""The same layers and networks built with escnn, if it is installed.

escnn 1.0.11 needs four steps, best in an environment of its own, as its packages for SO(3) do not build everywhere:
``uv pip install torch numpy scipy setuptools wheel cython pip tqdm``, ``uv pip install --no-build-isolation-package
lie-learn lie-learn pymanopt autograd joblib``, ``uv pip install "scikit-learn<1.2"`` (it hands it an np.matrix), and
``uv pip install --no-deps escnn``. Hence it is in no dependency group.

escnn holds a map as (B, C·|H|, Y, X) with the group axis innermost, as ours flattened; its filters are combinations of
a band-limited basis, ours have every entry free. The work of the convolution itself is the same.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor, nn

from course_lib.groups import Group


def regular_conv(
    group: Group, in_channels: int, out_channels: int, kernel: int, stride: int = 1, *, bias: bool = True
) -> Callable[[], nn.Module]:
    """R2Conv between regular representations, on our maps: (B, C, |H|, Y, X) → (B, O, |H|, Y′, X′)."""
    return partial(_RegularConv, group, in_channels, out_channels, kernel, stride, bias)


class _RegularConv(nn.Module):
    def __init__(self, group: Group, in_channels: int, out_channels: int, kernel: int, stride: int, bias: bool) -> None:
        super().__init__()
        from escnn.nn import R2Conv

        self.type_in, type_out = (_regular(group, channels) for channels in (in_channels, out_channels))
        self.conv = R2Conv(self.type_in, type_out, kernel, padding=kernel // 2, stride=stride, bias=bias)
        self.order = group.order

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(self.type_in(x.flatten(1, 2))).tensor.unflatten(1, (-1, self.order))


def _regular(group: Group, channels: int) -> Any:
    from escnn.nn import FieldType

    space = _space(group)
    return FieldType(space, channels * [space.regular_repr])


def _space(group: Group) -> Any:
    from escnn import gspaces

    rotations = sum(not element.m for element in group.elements)
    return gspaces.flipRot2dOnR2(rotations) if group.has_mirrors else gspaces.rot2dOnR2(rotations)


def resnet18(group: Group, width: int, classes: int = 10) -> nn.Module:
    """Our `course_lib.models.resnet18` without dropout, layer by layer, strided where ours may be."""
    return _ResNet18(group, width, classes)


class _ResNet18(nn.Module):
    def __init__(self, group: Group, width: int, classes: int) -> None:
        super().__init__()
        from escnn import nn as en

        self.image = en.FieldType(_space(group), 3 * [_space(group).trivial_repr])
        first = _regular(group, width)
        lift = en.R2Conv(self.image, first, 3, padding=1, bias=False)
        layers: list[Any] = [lift, en.InnerBatchNorm(first), en.ReLU(first)]
        in_channels = width
        for stage in range(4):
            for block in range(2):
                out_channels, stride = width * 2**stage, 2 if stage and not block else 1
                layers.append(_Block(_regular(group, in_channels), _regular(group, out_channels), stride))
                in_channels = out_channels
        self.layers = nn.ModuleList([*layers, en.GroupPooling(_regular(group, in_channels))])
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(in_channels, classes))

    def forward(self, x: Tensor) -> Tensor:
        y = self.image(x)
        for layer in self.layers:
            y = layer(y)
        return self.head(y.tensor)


class _Block(nn.Module):
    def __init__(self, type_in: Any, type_out: Any, stride: int) -> None:
        super().__init__()
        from escnn import nn as en

        self.branch = nn.Sequential(
            en.R2Conv(type_in, type_out, 3, padding=1, stride=stride, bias=False),
            en.InnerBatchNorm(type_out),
            en.ReLU(type_out),
            en.R2Conv(type_out, type_out, 3, padding=1, bias=False),
            en.InnerBatchNorm(type_out),
        )
        shortcut = (en.R2Conv(type_in, type_out, 1, stride=stride, bias=False), en.InnerBatchNorm(type_out))
        self.shortcut = nn.Sequential(*shortcut) if stride > 1 else nn.Identity()
        self.relu = en.ReLU(type_out)

    def forward(self, x: Any) -> Any:
        return self.relu(self.branch(x) + self.shortcut(x))
