"""What the tests of several layers share: what they run over, and how a layer looks after training."""

from itertools import combinations, product
from typing import Any

import pytest
import torch
from torch import nn

from course_lib.actions import act_on_feature_map, act_on_image
from course_lib.checks import equivariance_error
from course_lib.groups import ALL_GROUPS

every_group = pytest.mark.parametrize("group", ALL_GROUPS, ids=str)
every_group_but_C1 = pytest.mark.parametrize("group", ALL_GROUPS[1:], ids=str)
LIMITS = {torch.float32: 1e-5, torch.float64: 1e-13}


def covering(*choices: list[Any]) -> list[tuple[Any, ...]]:
    """Cases in which any two values of two choices meet, a few of all combinations: the next is the one with most pairs
    that have not met yet."""
    cases = list(product(*(range(len(values)) for values in choices)))
    pairs = {case: set(combinations(enumerate(case), 2)) for case in cases}
    open_pairs, chosen = set().union(*pairs.values()), []
    while open_pairs:
        chosen.append(max(cases, key=lambda case: len(pairs[case] & open_pairs)))
        open_pairs -= pairs[chosen[-1]]
    return [tuple(values[i] for values, i in zip(choices, case, strict=True)) for case in chosen]


def every_pair(**choices):
    """Parametrizes a test so that every value of an argument meets every value of each other one.

    A fault that three values must meet in to show is rare, and where one is known, a test has just these three.
    """
    names = {name: list(values) for name, values in choices.items()}
    cases = [pytest.param(*case, id="-".join(map(_name, case))) for case in covering(*names.values())]
    return pytest.mark.parametrize(", ".join(names), cases)


def _name(value):
    return getattr(value, "__name__", str(value))


def noise(group, size, dtype=torch.float64, batch=2, channels=2):
    return torch.randn(batch, channels, group.order, *size, dtype=dtype)


def trained(net, x, steps=3):
    """The net after a few optimizer steps on noise."""
    optimizer = torch.optim.Adam(net.parameters(), lr=0.05)
    for _ in range(steps):
        optimizer.zero_grad()
        y = net(x)
        (y - torch.randn_like(y)).square().mean().backward()
        optimizer.step()
    return net


def with_random_parameters(net):
    """The net with every parameter random, those too that start as all 0 or all 1."""
    for p in net.parameters():
        nn.init.normal_(p)
    return net


def act_on_windows(g, y, group):
    """L_g on values that each (h, t) has for each neighbor, (..., |H|, k², Y, X): the k × k window turns as well."""
    k = round(y.shape[-3] ** 0.5)
    windows = y.unflatten(-3, (k, k)).movedim((-4, -3), (-2, -1))  # (..., |H|, Y, X, k, k)
    turned = act_on_image(g, windows).movedim((-2, -1), (-5, -4))  # (..., k, k, |H|, Y, X)
    return act_on_feature_map(g, turned, group).flatten(-5, -4).movedim(-4, -3)


def breaks_equivariance(layer, group, x, at=None, by=1e-2):
    """Whether the layer is off by so much, and, if a submodule is named, whether that is where the error starts."""
    report = equivariance_error(layer, group, x)
    return report.error > by and (at is None or report.first_above(1e-10).layer == at)
