"""Exercise 4.5 of notebook 04: build P4CNN from the library's layers."""

from typing import Any

import torch
from torch import Tensor, nn

from course_lib.exercises import Mistake, call, register
from course_lib.exercises.registry import Function
from course_lib.groups import C1, C4, D4, Group
from course_lib.layers import (
    EquivariantSequential,
    GlobalMaxPool,
    GroupBatchNorm2d,
    GroupConv2d,
    GroupMaxPool,
    LiftingConv2d,
    SpatialMaxPool2d,
)
from course_lib.models import p4cnn


def _build(f: Function, group: Group, width: int, classes: int) -> nn.Module:
    example = {"group": group, "width": width, "classes": classes}
    net = call(f, group, width, classes, example=example)
    if not isinstance(net, nn.Module):
        raise Mistake(
            f"Your function returned {type(net).__name__}, expected a network (EquivariantSequential).", example
        )
    return net.double().eval()


def _compare_networks(f: Function, reference: Function, group: Group, width: int, classes: int) -> None:
    """The learner's network, with the reference's weights, must compute the same; layer names are free."""
    example = {"group": group, "width": width, "classes": classes}
    x = torch.randn(2, 1, 28, 28, dtype=torch.float64)
    yours, expected = _build(f, group, width, classes), _build(reference, group, width, classes)
    y = call(yours, x, example=example)
    wanted = expected(x)
    if not isinstance(y, Tensor) or y.shape != wanted.shape:
        got = tuple(y.shape) if isinstance(y, Tensor) else type(y).__name__
        raise Mistake(
            f"Images (2, 1, 28, 28) become {got}, expected {tuple(wanted.shape)}. {_first_difference(expected, yours)}",
            example,
        )
    counts = [sum(p.numel() for p in net.parameters()) for net in (expected, yours)]
    if _shapes(expected) != _shapes(yours):
        raise Mistake(
            f"Your network has {counts[1]:,} parameters, expected {counts[0]:,}. {_first_difference(expected, yours)}",
            example,
        )
    _copy_noise(expected, yours)
    if not torch.allclose(yours(x), expected(x)):
        raise Mistake(
            "Your network has the right parameters, but computes something else with them. "
            + _first_difference(expected, yours),
            example,
        )


def _shapes(net: nn.Module) -> list[torch.Size]:
    return [value.shape for value in net.state_dict().values()]


def _copy_noise(source: nn.Module, target: nn.Module) -> None:
    """Random weights, gains and statistics for both, so that no layer is by chance the identity, not even a ReLU."""
    for (name, a), b in zip(source.state_dict().items(), target.state_dict().values(), strict=True):
        if a.is_floating_point():
            noise = torch.rand_like(a) if name.endswith("running_var") else torch.randn_like(a)
            a.copy_(a + 0.5 * noise)
            b.copy_(a)


def _first_difference(expected: nn.Module, yours: nn.Module) -> str:
    """The first part that is another one. Not "layer 3": the notebook's layers have three parts and more."""
    pairs = [[repr(layer) for layer in _leaves(net)] + ["nothing more"] for net in (expected, yours)]
    for i, (want, got) in enumerate(zip(*pairs, strict=False), 1):
        if want != got:
            return f"Counting every convolution, norm, ReLU and pool, number {i} of yours is {got}, expected {want}."
    return "The parts are the same, in the same order: look at how they are connected."


def _leaves(net: nn.Module) -> list[nn.Module]:
    return [module for module in net.modules() if not list(module.children())]


def _small_networks(f: Function, reference: Function) -> None:
    _compare_networks(f, reference, C4, 2, 10)
    _compare_networks(f, reference, C1, 3, 7)
    _compare_networks(f, reference, D4, 1, 2)


def _variant(**changes: Any) -> Function:
    """P4CNN with something else in it, for the mistakes below."""

    def build(group: Group = C4, width: int = 10, classes: int = 10) -> EquivariantSequential:
        group = changes.get("group", group)
        layers: list[nn.Module] = []
        for i in range(1, 7):
            layers.append(LiftingConv2d(group, 1, width, 3) if i == 1 else GroupConv2d(group, width, width, 3))
            block = [GroupBatchNorm2d(group, width), nn.ReLU()]
            layers += changes.get("block", lambda b: b)(block)
            if i == changes.get("pool_after", 2):
                layers.append(SpatialMaxPool2d(group, 2))
        layers.append(GroupConv2d(group, width, classes, changes.get("last_kernel", 4)))
        layers += [GroupBatchNorm2d(group, classes), nn.ReLU()] if changes.get("last_block") else []
        return EquivariantSequential(*layers, changes.get("end", GlobalMaxPool)(group))

    return build


register(
    "4.5",
    p4cnn,
    minutes=15,
    difficulty=2,
    checks=[_small_networks],
    hints=[
        "Layers 1 to 6 are alike: a convolution, `GroupBatchNorm2d(group, width)`, `nn.ReLU()`. Write a loop that "
        "appends to a list. What is different in the first one? And what comes after the second?",
        "The first convolution is `LiftingConv2d(group, 1, width, 3)`, the others `GroupConv2d(group, width, width, "
        "3)`. After the second block: `SpatialMaxPool2d(group, 2)`. Nothing is padded.",
        "At the end `GroupConv2d(group, width, classes, 4)`, *without* norm and ReLU, then `GlobalMaxPool(group)`. "
        "Return `EquivariantSequential(*layers)`.",
    ],
    known_mistakes=[
        (
            _variant(last_block=True),
            "There is a norm and a ReLU after the last convolution. Its output are the classes' scores: they may be "
            "negative, and nothing follows but the maximum.",
        ),
        (_variant(block=lambda b: b[::-1]), "Norm and ReLU are in the wrong order: convolution, norm, ReLU."),
        (_variant(block=lambda b: b[1:]), "The batch norms are missing: one after each of the first six convolutions."),
        (_variant(block=lambda b: b[:1]), "The ReLUs are missing: without them six convolutions are no more than one."),
        (_variant(group=C4), "You build every layer for C4, whatever the group. Pass `group` on."),
        (
            _variant(end=GroupMaxPool),
            "The last layer should be GlobalMaxPool: GroupMaxPool leaves a map (B, classes, 1, 1), not (B, classes).",
        ),
    ],
)
