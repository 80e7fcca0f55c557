"""Exercises 10.1 and 10.3 of notebook 10: P4CNN, and the block of a residual network."""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.exercises import Function, register
from course_lib.exercises.networks import compare_networks
from course_lib.groups import C1, C4, D4, Group
from course_lib.layers import (
    EquivariantSequential,
    GCSeparableConv2d,
    GroupBatchNorm,
    GroupConv2d,
    GroupMaxPool,
    LiftingConv2d,
    SpatialMaxPool2d,
)
from course_lib.models import p4cnn, p4cnn_linear
from course_lib.models.blocks import Residual, norm_relu, same_conv
from course_lib.models.resnet18 import basic_block


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
        classes = changes.get("classes", classes)
        layers: list[nn.Module] = []
        for i in range(1, 8):
            size = 4 if i == 7 and changes.get("last", True) else 3
            layers.append(LiftingConv2d(group, 1, width, size) if i == 1 else conv(group, width, width, size))
            pair: Any = norm_relu(group, width) if i <= changes.get("norms", 7) else []
            layers += [pair] if changes.get("packed") else pair
            layers += [SpatialMaxPool2d(group, 2)] if i == 2 else []
        end = [nn.Linear(width, classes), nn.Softmax(dim=1)][: changes.get("end", 1)]
        return EquivariantSequential(*layers, GroupMaxPool(group), nn.Flatten(), *end)

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
            "Your seventh convolution has neither norm nor ReLU. In this network it is a layer like the others; the "
            "scores come from the linear layer.",
        ),
        (
            lambda group, width, classes, conv: p4cnn(group, width, classes),
            "That is the network of notebook 04, layout C: its last convolution makes the scores. Here seven "
            "convolutions have `width` channels, and a linear layer makes the scores.",
        ),
        (_layout_s(end=0), "The linear layer at the end is missing: it makes `classes` scores of `width` channels."),
        (_layout_s(end=2), "You end with a softmax. The network returns scores; the loss takes the softmax of them."),
        (_layout_s(conv=GroupConv2d), "You always use GroupConv2d. Use the argument `conv` instead."),
        (_layout_s(classes=10), "Your linear layer always has 10 outputs. Use the argument `classes` instead."),
        (_layout_s(packed=True), "`norm_relu` makes two layers: unpack them with a star, `*norm_relu(group, width)`."),
        (_layout_s(group=C4), "You build every layer for C4, whatever the group. Pass `group` on."),
    ],
)

# 10.3 basic_block


def _second(group: Group, c_in: int, c_out: int, bias: bool = True) -> nn.Module:
    return GroupConv2d(group, c_in, c_out, 3, padding=1, bias=bias)


def _other_second(group: Group, c_in: int, c_out: int) -> nn.Module:
    return GCSeparableConv2d(group, c_in, c_out, 5, padding=2)


def _blocks(f: Function, reference: Function) -> None:
    for group, out_channels, stride, second, exact in (
        (C4, 2, 1, _second, True),
        (C4, 2, 2, _second, True),
        (C4, 3, 2, _second, True),
        (C4, 3, 2, _second, False),
        (D4, 4, 2, _other_second, True),
    ):
        compare_networks(f, reference, _map(group, 2, 8), group, 2, out_channels, stride, second, 0.3, exact)


def _block(**changes: Any) -> Function:
    def build(
        group: Group, in_channels: int, out_channels: int, stride: int, second: Function, dropout: float, exact: bool
    ) -> Residual:
        pool = SpatialMaxPool2d if changes.get("exact", exact) != changes.get("reversed", False) else None
        second = changes.get("second", second)
        branch_pool = changes.get("branch_pool", lambda pool: pool)(pool)
        strict = {"allow_approximate": False} if changes.get("strict") else {}
        first = same_conv(GroupConv2d, group, in_channels, out_channels, 3, stride, branch_pool, bias=False, **strict)
        drop, between = [nn.Dropout(dropout)] if changes.get("dropout", True) else [], norm_relu(group, out_channels)
        order = (*between, *drop) if changes.get("late_dropout") else (*drop, *between)
        parts: list[nn.Module] = [first, *order, second(group, out_channels, out_channels)]
        parts += [GroupBatchNorm(group, out_channels)] if changes.get("last_norm", True) else []
        parts += [nn.ReLU()] if changes.get("early_relu") else []
        short: nn.Module = nn.Identity()
        if stride > 1 or changes.get("never_identity"):
            conv = same_conv(
                GroupConv2d, group, in_channels, out_channels, changes.get("short_kernel", 1), stride,
                changes.get("short_pool", lambda pool: pool)(pool), bias=changes.get("bias", False),
            )  # fmt: skip
            short = (
                nn.Sequential(conv, GroupBatchNorm(group, out_channels)) if changes.get("short_norm", True) else conv
            )
        return Residual(nn.Sequential(*parts), short, nn.ReLU() if changes.get("relu", True) else None)

    return build


register(
    "10.3",
    basic_block,
    minutes=15,
    difficulty=2,
    checks=[_blocks],
    hints=[
        "Three things: a branch, a shortcut, and a ReLU after their sum: `Residual(branch, shortcut, nn.ReLU())`. If "
        "the stride is 1 the shortcut is `nn.Identity()`.",
        "The branch: a `same_conv` of 3 × 3 with `bias=False`, `nn.Dropout(dropout)`, "
        "`*norm_relu(group, out_channels)`, `second(group, out_channels, out_channels)`, "
        "`GroupBatchNorm(group, out_channels)`. The pool is `SpatialMaxPool2d` if exact, else None.",
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
            "The dropout is missing: it comes right after the first 3 × 3. (It makes a difference in training mode "
            "only.)",
        ),
        (_block(last_norm=False), "The norm at the end of the branch is missing."),
        (_block(short_norm=False), "The norm of the shortcut is missing. There, too, a norm follows the convolution."),
        (
            _block(short_pool=lambda pool: None),
            "Your shortcut is strided while the branch is pooled. A sum is exact only if *both* terms are.",
        ),
        (
            _block(branch_pool=lambda pool: None),
            "Your branch is strided while the shortcut is pooled. A sum is exact only if *both* terms are.",
        ),
        (_block(reversed=True), "You have `exact` the wrong way round: if exact, maps are halved with a pool."),
        (_block(exact=True), "You always pool. If not `exact`, maps are halved by the stride: no `pool`."),
        (_block(exact=False), "You always stride. If `exact`, maps are halved with SpatialMaxPool2d."),
        (
            _block(late_dropout=True),
            "Your dropout comes after the norm. Here it comes right after the first 3 × 3, before the norm.",
        ),
        (
            _block(never_identity=True),
            "Your shortcut always has a convolution. With stride 1 it is `nn.Identity()`.",
        ),
        (
            _block(strict=True),
            "Here a block that is not exact is asked for: `same_conv` without a pool sets `allow_approximate`.",
        ),
        (_block(short_kernel=3), "The convolution of your shortcut is 3 × 3. It is 1 × 1."),
        *(
            (_block(second=same), "You do not use the argument `second`, the layer that other networks replace.")
            for same in (_second, partial(_second, bias=False))
        ),
        (_block(bias=True), "The convolution of the shortcut has a bias. No convolution of this network has one."),
    ],
)
