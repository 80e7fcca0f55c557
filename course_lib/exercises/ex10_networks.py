"""Exercises 10.1 and 10.3 to 10.5 of notebook 10: P4CNN, and a residual network, from blocks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, update_wrapper
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.exercises import Function, Mistake, call, register
from course_lib.exercises.networks import compare_networks
from course_lib.groups import C1, C4, D4, Group
from course_lib.layers import (
    EquivariantSequential,
    GCSeparableConv2d,
    GlobalAvgPool,
    GroupBatchNorm2d,
    GroupConv2d,
    GroupMaxPool,
    LiftingConv2d,
    SpatialAvgPool2d,
    SpatialMaxPool2d,
)
from course_lib.models import p4cnn, p4cnn_linear
from course_lib.models.blocks import Residual, norm_relu, same_conv
from course_lib.models.resnet18 import basic_block
from course_lib.models.resnet44 import mean_head


def _map(group: Group, channels: int, pixels: int) -> Tensor:
    return torch.randn(2, channels, group.order, pixels, pixels)


# 10.1 p4cnn_linear


def _digit_networks(f: Function, reference: Function) -> None:
    x = torch.randn(2, 1, 28, 28)
    for inputs in ((C4, 2, 10, GroupConv2d), (C1, 3, 7, GroupConv2d), (C4, 2, 3, GCSeparableConv2d)):
        compare_networks(f, reference, x, *inputs)


def _layout_s(**changes: Any) -> Function:
    """Layout S with something else in it."""

    def build(group: Group = C4, width: int = 10, classes: int = 10, conv: Any = GroupConv2d) -> nn.Module:
        group, conv = changes.get("group", group), changes.get("conv", conv)
        layers: list[nn.Module] = []
        for i in range(1, 8):
            size = 4 if i == 7 and changes.get("last", True) else 3
            layers.append(LiftingConv2d(group, 1, width, size) if i == 1 else conv(group, width, width, size))
            layers += norm_relu(group, width) if i <= changes.get("norms", 7) else []
            layers += [SpatialMaxPool2d(group, 2)] if i == 2 else []
        return EquivariantSequential(*layers, GroupMaxPool(group), nn.Flatten(), nn.Linear(width, classes))

    return build


register(
    "10.1",
    p4cnn_linear,
    minutes=12,
    difficulty=2,
    checks=[_digit_networks],
    hints=[
        "A loop over seven layers that appends to a list: convolution, norm, ReLU. The first convolution is "
        "`LiftingConv2d(group, 1, width, 3)`, the others are `conv(group, width, width, size)`.",
        "The seventh kernel is 4 × 4, the others 3 × 3; after the ReLU of the second comes `SpatialMaxPool2d(group, "
        "2)`. All seven have norm and ReLU: `norm_relu(group, width)` makes both.",
        "At the end, on maps of 1 × 1 pixel: `GroupMaxPool(group)`, `nn.Flatten()`, `nn.Linear(width, classes)`.",
    ],
    known_mistakes=[
        (
            _layout_s(norms=6),
            "The seventh convolution has neither norm nor ReLU. Here it is a layer like the others; the scores "
            "come from the linear layer.",
        ),
        (
            lambda group, width, classes, conv: p4cnn(group, width, classes),
            "That is the network of notebook 04, layout C: its last convolution makes the scores. Here seven "
            "convolutions have `width` channels, and a linear layer makes the scores.",
        ),
        (_layout_s(conv=GroupConv2d), "You always take GroupConv2d. Use the argument `conv`."),
        (_layout_s(group=C4), "You build every layer for C4, whatever the group. Pass `group` on."),
    ],
)

# 10.3 same_conv


def _convolutions(f: Function, reference: Function) -> None:
    for stride, pool in ((1, None), (2, None), (2, SpatialMaxPool2d), (2, SpatialAvgPool2d), (1, SpatialMaxPool2d)):
        compare_networks(f, reference, _map(C4, 2, 8), GroupConv2d, C4, 2, 3, 3, stride, pool)
    # C1, so that wrong answers with maps of other sizes meet no pool that refuses, and are told what is wrong
    compare_networks(f, reference, _map(C1, 2, 16), GroupConv2d, C1, 2, 3, 3, 4, SpatialMaxPool2d)
    compare_networks(f, reference, _map(D4, 1, 6), GroupConv2d, D4, 1, 2, 1, 2, None)
    without_bias, wanted = (update_wrapper(partial(build, bias=False), build) for build in (f, reference))
    for pool in (SpatialMaxPool2d, None):
        compare_networks(without_bias, wanted, _map(C4, 2, 8), GroupConv2d, C4, 2, 3, 5, 2, pool)


def _downsampling(**changes: Any) -> Function:
    def build(
        conv: Callable[..., nn.Module], group: Group, c: int, o: int, size: int, stride: int = 1, pool: Any = None,
        **options: Any,
    ) -> nn.Module:  # fmt: skip
        options = {} if changes.get("no_options") else options
        padding = changes.get("padding", size // 2)
        if stride == 1 or pool is None:
            approximate = {"allow_approximate": True} if changes.get("approximate", True) else {}
            return conv(group, c, o, size, stride=stride, padding=padding, **approximate, **options)
        pools = [(changes.get("pool") or pool)(group, changes.get("window", stride))]
        inner = changes.get("inner_stride", lambda stride: 1)(stride)
        if changes.get("pool_first"):
            return nn.Sequential(*pools, conv(group, c, o, size, padding=padding, **options))
        return nn.Sequential(
            conv(group, c, o, size, stride=inner, padding=padding, allow_approximate=True, **options), *pools
        )

    return build


register(
    "10.3",
    same_conv,
    minutes=10,
    difficulty=2,
    checks=[_convolutions],
    hints=[
        "Three cases: stride 1; a stride and no pool; a stride and a pool. The padding is the same in all: half of the "
        "kernel, `kernel_size // 2`.",
        "A strided convolution refuses even maps unless it gets `allow_approximate=True`. With a pool the convolution "
        "has *no* stride, and `pool(group, stride)` comes after it.",
        "`EquivariantSequential(conv(group, in_channels, out_channels, kernel_size, padding=padding, **options), "
        "pool(group, stride))`.",
    ],
    known_mistakes=[
        (
            _downsampling(pool_first=True),
            "You pool before the convolution. That is cheaper, but another layer: the convolution shall see the map at "
            "full resolution.",
        ),
        (
            _downsampling(inner_stride=lambda stride: stride),
            "The map is made smaller twice. With a pool the convolution itself has stride 1.",
        ),
        (
            _downsampling(approximate=False),
            "The strided convolution refuses this map because it would not be exact. Here we accept that, and "
            "`allow_approximate` says so.",
        ),
        (_downsampling(padding=0), "The padding is missing: `kernel_size // 2` zeros at each border keep the size."),
        (_downsampling(padding=1), "Half of the kernel is `kernel_size // 2`: 1 for 3 × 3, but 0 for 1 × 1."),
        (_downsampling(pool=SpatialMaxPool2d), "You always take the maximum. Use the argument `pool`."),
        (_downsampling(window=2), "Your pool always halves the map. Use the argument `stride`: `pool(group, stride)`."),
        (_downsampling(no_options=True), "You do not pass `**options` on, such as `bias=False`."),
    ],
)

# 10.4 basic_block


def _second(group: Group, c_in: int, c_out: int) -> nn.Module:
    return GroupConv2d(group, c_in, c_out, 3, padding=1)


def _other_second(group: Group, c_in: int, c_out: int) -> nn.Module:
    return GCSeparableConv2d(group, c_in, c_out, 5, padding=2)


def _blocks(f: Function, reference: Function) -> None:
    for group, there, stride, second, exact in (
        (C4, 2, 1, _second, True),
        (C4, 2, 2, _second, True),
        (C4, 3, 2, _second, True),
        (C4, 3, 2, _second, False),
        (D4, 4, 2, _other_second, True),
    ):
        compare_networks(f, reference, _map(group, 2, 8), group, 2, there, stride, second, 0.3, exact)


def _block(**changes: Any) -> Function:
    def build(
        group: Group, here: int, there: int, stride: int, second: Function, dropout: float, exact: bool
    ) -> Residual:
        pool = SpatialMaxPool2d if exact else None
        second = changes.get("second", second)
        parts: list[nn.Module] = [same_conv(GroupConv2d, group, here, there, 3, stride, pool, bias=False)]
        parts += [nn.Dropout(dropout)] if changes.get("dropout", True) else []
        parts += [*norm_relu(group, there), second(group, there, there)]
        parts += [GroupBatchNorm2d(group, there)] if changes.get("last_norm", True) else []
        parts += [nn.ReLU()] if changes.get("early_relu") else []
        short: nn.Module = nn.Identity()
        if stride > 1:
            conv = same_conv(
                GroupConv2d, group, here, there, 1, stride, changes.get("short_pool", lambda pool: pool)(pool),
                bias=changes.get("bias", False),
            )  # fmt: skip
            short = nn.Sequential(conv, GroupBatchNorm2d(group, there)) if changes.get("short_norm", True) else conv
        return Residual(nn.Sequential(*parts), short, nn.ReLU() if changes.get("relu", True) else None)

    return build


register(
    "10.4",
    basic_block,
    minutes=15,
    difficulty=2,
    checks=[_blocks],
    hints=[
        "Three things: a branch, a shortcut, and a ReLU after their sum: `Residual(branch, shortcut, nn.ReLU())`. If "
        "the stride is 1 the shortcut is `nn.Identity()`.",
        "The branch: your `same_conv` of 3 × 3 with `bias=False`, `nn.Dropout(dropout)`, `*norm_relu(group, there)`, "
        "`second(group, there, there)`, `GroupBatchNorm2d(group, there)`. The pool is `SpatialMaxPool2d` if exact, "
        "else None.",
        "With a stride the shortcut is a `same_conv` of kernel size 1 with the same stride, pool and `bias=False`, "
        "then a norm of its own.",
    ],
    known_mistakes=[
        (_block(relu=False), "The ReLU after the sum is missing: the third argument of `Residual`."),
        (
            _block(early_relu=True),
            "There is a ReLU at the end of the branch. The branch ends with its norm; the ReLU comes after the sum.",
        ),
        (
            _block(dropout=False),
            "The dropout is missing. It shows in training mode alone: right after the first 3 × 3.",
        ),
        (_block(last_norm=False), "The norm at the end of the branch is missing."),
        (_block(short_norm=False), "The norm of the shortcut is missing: there, too, a norm follows the convolution."),
        (
            _block(short_pool=lambda pool: None),
            "Your shortcut is strided, while the branch is pooled. A sum is exact only if *both* terms are.",
        ),
        (_block(second=_second), "You do not use `second`: the layer that is exchanged in other networks."),
        (_block(bias=True), "The convolution of the shortcut has a bias; no convolution of this network has one."),
    ],
)

# 10.5 mean_head


def _heads(f: Function, reference: Function) -> None:
    for group, channels, exact in ((C4, 2, True), (C4, 2, False), (D4, 3, True), (D4, 3, False), (C1, 2, False)):
        example = {"group": group, "channels": channels, "classes": 5, "exact": exact}
        if not isinstance(head := call(f, group, channels, 5, exact, example=example), list):
            raise Mistake(f"Your function returned {type(head).__name__}, expected a list of layers.", example)
        x, inputs = _map(group, channels, 6)[..., :5, :], (group, channels, 5, exact)
        compare_networks(_in_a_row(f), _in_a_row(reference), x, *inputs)


def _in_a_row(head: Function) -> Function:
    return update_wrapper(lambda *inputs: nn.Sequential(*head(*inputs)), head)


class _SheetsFirst(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=(3, 4)).transpose(1, 2).flatten(1)


register(
    "10.5",
    mean_head,
    minutes=6,
    difficulty=1,
    checks=[_heads],
    hints=[
        "`GlobalAvgPool(group)` takes the mean over group and space, (B, C). How many numbers does the linear layer "
        "get then, and how many if each sheet has a mean of its own?",
        "A mean over space alone, from (B, C, |H|, Y, X) to (B, C, |H|, 1, 1): `nn.AdaptiveAvgPool3d((group.order, 1, "
        "1))`. Then `nn.Flatten()`.",
        "`[GlobalAvgPool(group), nn.Linear(channels, classes)]` if exact, else `[nn.AdaptiveAvgPool3d(…), "
        "nn.Flatten(), nn.Linear(channels * group.order, classes)]`.",
    ],
    known_mistakes=[
        (
            lambda group, channels, classes, exact: mean_head(group, channels, classes, not exact),
            "The two cases are swapped: with `exact` the mean runs over the group, too.",
        ),
        (
            lambda group, channels, classes, exact: mean_head(group, channels, classes, True),
            "You take the mean over the group in both cases. Without `exact` the sheets are kept and flattened.",
        ),
        (
            lambda group, channels, classes, exact: [
                *([GlobalAvgPool(group)] if exact else [_SheetsFirst()]),
                nn.Linear(channels * (1 if exact else group.order), classes),
            ],
            "Sheets and channels are flattened in the wrong order: (B, C, |H|) becomes (B, C·|H|) as it stands.",
        ),
        (
            lambda group, channels, classes, exact: (
                [GroupMaxPool(group), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes)]
                if exact
                else mean_head(group, channels, classes, exact)
            ),
            "You take the maximum over the group. That is invariant as well, and ResNet18 does so; this head takes the "
            "mean.",
        ),
    ],
)
