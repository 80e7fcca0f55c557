"""Exercise 4.5 of notebook 04: build P4CNN from the library's layers."""

from typing import Any

import torch
from torch import nn

from course_lib.exercises import register
from course_lib.exercises.networks import compare_networks
from course_lib.exercises.registry import Function
from course_lib.groups import C1, C4, D4, Group
from course_lib.layers import (
    EquivariantSequential,
    GlobalMaxPool,
    GroupBatchNorm,
    GroupConv2d,
    GroupMaxPool,
    LiftingConv2d,
    SpatialMaxPool2d,
)
from course_lib.models import p4cnn


def _small_networks(f: Function, reference: Function) -> None:
    x = torch.randn(2, 1, 28, 28)
    for inputs in ((C4, 2, 10), (C1, 3, 7), (D4, 1, 2)):
        compare_networks(f, reference, x, *inputs)


ARGUMENTS = ("group", "width", "classes")


def _variant(**changes: Any) -> Function:
    """P4CNN with something else in it, for the mistakes below."""

    def build(group: Group = C4, width: int = 10, classes: int = 10) -> EquivariantSequential:
        group, width, classes = (changes.get(*given) for given in zip(ARGUMENTS, (group, width, classes), strict=True))
        layers: list[nn.Module] = []
        for i in range(1, 7):
            layers.append(LiftingConv2d(group, 1, width, 3) if i == 1 else GroupConv2d(group, width, width, 3))
            block = [GroupBatchNorm(group, width), nn.ReLU()]
            layers += changes.get("block", lambda b: b)(block)
            if i == changes.get("pool_after", 2):
                layers.append(SpatialMaxPool2d(group, 2))
        layers.append(GroupConv2d(group, width, classes, changes.get("last_kernel", 4)))
        layers += [GroupBatchNorm(group, classes), nn.ReLU()] if changes.get("last_block") else []
        return EquivariantSequential(*layers, changes.get("end", GlobalMaxPool)(group))

    return build


register(
    "4.5",
    p4cnn,
    minutes=15,
    difficulty=2,
    checks=[_small_networks],
    hints=[
        "Layers 1 to 6 are alike: a convolution, `GroupBatchNorm(group, width)` and `nn.ReLU()`. Write a loop that "
        "appends them to a list. What is different in the first layer? And what follows the second?",
        "The first convolution is `LiftingConv2d(group, 1, width, 3)`, the others `GroupConv2d(group, width, width, "
        "3)`. After the second block: `SpatialMaxPool2d(group, 2)`. Nothing is padded.",
        "At the end `GroupConv2d(group, width, classes, 4)`, *without* norm and ReLU, then `GlobalMaxPool(group)`. "
        "Return `EquivariantSequential(*layers)`.",
    ],
    known_mistakes=[
        (
            lambda group=C4, width=10, classes=10: EquivariantSequential([nn.ReLU()]),
            "You pass the list as one layer. Take it apart with a star: `EquivariantSequential(*layers)`.",
        ),
        (
            _variant(last_block=True),
            "There is a norm and a ReLU after the last convolution. Its outputs are the scores of the classes: they "
            "may be negative, and only the maximum follows.",
        ),
        (_variant(block=lambda b: b[::-1]), "Norm and ReLU are in the wrong order: convolution, norm, ReLU."),
        (_variant(block=lambda b: b[1:]), "The batch norms are missing: one after each of the first six convolutions."),
        (
            _variant(block=lambda b: b[:1]),
            "The ReLUs are missing: without them, several convolutions in a row do no more than one.",
        ),
        (_variant(group=C4), "You build every layer for C4, whatever the group. Use the argument `group`."),
        *[
            (_variant(**{name: 10}), f"You build 10 {about}, whatever `{name}` is. Use the argument `{name}`.")
            for name, about in (("width", "channels in every layer"), ("classes", "outputs"))
        ],
        (
            _variant(end=GroupMaxPool),
            "The last layer should be GlobalMaxPool: GroupMaxPool leaves a map (B, classes, 1, 1), not (B, classes).",
        ),
    ],
)
