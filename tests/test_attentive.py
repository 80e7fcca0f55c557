"""Attentive group convolutions: against their definition in loops, equivariance, and controls that must fail."""

import re

import pytest
import torch
from torch import nn

from course_lib import layers as L
from course_lib import oracles
from course_lib.checks import assert_equivariant
from course_lib.groups import ALL_GROUPS, C4, C8, D4
from course_lib.layers import attentive
from layer_helpers import LIMITS, breaks_equivariance, every_group, every_group_but_C1, every_pair, noise, trained


def group_layer(group, kernel=3, **options):
    return L.AttentiveGroupConv2d(group, 2, 3, kernel, attention_size=5, reduction=1, **options)


def lift(group, kernel=3, **options):
    return L.AttentiveLiftingConv2d(group, 2, 3, kernel, attention_size=5, **options)


def by_definition(layer, f):
    """The oracle, channel by channel, for one map (C, |H|, Y, X), or (C, 1, Y, X)."""
    weights = [p.detach() for p in (layer.weight, layer.squeeze, layer.excite, layer.spatial)]
    channels = zip(*weights, strict=True)
    return torch.stack([oracles.attentive_conv(f, psi, (u, v), chi, layer.group) for psi, u, v, chi in channels])


@every_group
@pytest.mark.parametrize("kernel", [1, 2, 3])
def test_they_equal_their_definition(group, kernel):
    layer = L.AttentiveGroupConv2d(group, 2, 2, kernel, attention_size=3, reduction=1).double()
    f = noise(group, (3, 4), batch=1)
    torch.testing.assert_close(layer(f)[0], by_definition(layer, f[0]))
    layer = L.AttentiveLiftingConv2d(group, 2, 2, kernel, attention_size=3).double()
    x = torch.randn(1, 2, 3, 4, dtype=torch.float64)
    torch.testing.assert_close(layer(x)[0], by_definition(layer, x[0].unsqueeze(1)))


@every_pair(group=ALL_GROUPS, size=[(7, 7), (8, 8), (6, 9)], dtype=LIMITS)
def test_they_are_equivariant_before_and_after_training(group, size, dtype):
    torch.manual_seed(0)
    inputs = (group_layer(group), noise(group, size, dtype)), (lift(group), torch.randn(2, 2, *size, dtype=dtype))
    for layer, x in inputs:
        layer, before = layer.to(dtype), {name: p.detach().clone() for name, p in layer.named_parameters()}
        assert assert_equivariant(layer, group, x).error < LIMITS[dtype]
        assert assert_equivariant(trained(layer, x), group, x).error < LIMITS[dtype]
        assert all((p - before[name]).abs().max() > 0.01 for name, p in layer.named_parameters())


@every_group
def test_without_attention_it_is_a_group_convolution(group, monkeypatch):
    monkeypatch.setattr(attentive, "weigh_responses", lambda z, *_: z.sum(dim=(1, 2)))
    layer, plain = group_layer(group).double(), L.GroupConv2d(group, 2, 3, 3, bias=False).double()
    plain.load_state_dict({"weight": layer.weight}, strict=False)
    f = noise(group, (5, 6))
    torch.testing.assert_close(layer(f), plain(f))


def test_attention_leaves_out_between_nothing_and_everything():
    """Responses of 1 and scores of 0: a^C and a^X are 1/2, so that three quarters of each response remain."""
    layer = L.AttentiveGroupConv2d(C4, 1, 1, 1)
    nn.init.ones_(layer.weight)
    for scores in (layer.squeeze, layer.spatial):
        nn.init.zeros_(scores)
    torch.testing.assert_close(layer(torch.ones(1, 1, 4, 3, 3)), torch.full((1, 1, 4, 3, 3), 4 * 0.75))


def test_padding_is_that_of_the_convolution():
    layer, f = group_layer(C4, padding=1).double(), noise(C4, (4, 5), batch=1)
    padded = torch.nn.functional.pad(f, (1, 1, 1, 1))
    torch.testing.assert_close(layer(f)[0], by_definition(layer, padded[0]))


@every_group_but_C1
@pytest.mark.parametrize("wrong", ["not permuted", "not turned"])
def test_attention_that_does_not_move_with_the_filter_breaks_equivariance(group, wrong, monkeypatch):
    if wrong == "not permuted":
        monkeypatch.setattr(
            attentive, "pointwise_bank", lambda p, group: p.unsqueeze(1).repeat_interleave(group.order, 1)
        )
        layer, x = group_layer(group).double(), noise(group, (6, 6))
    else:

        def bank(p, group):
            if p.shape[-1] == 3:
                return L.lifting_filter_bank(p, group)
            return p.unsqueeze(1).repeat_interleave(group.order, 1)

        monkeypatch.setattr(attentive, "lifting_filter_bank", bank)
        layer, x = lift(group).double(), torch.randn(2, 2, 6, 6, dtype=torch.float64)
    torch.manual_seed(1)
    for p in layer.parameters():
        nn.init.normal_(p)
    assert breaks_equivariance(layer, group, x, by=1e-4)


def test_an_attention_by_sheet_alone_is_equivariant_but_not_the_definition(monkeypatch):
    """Equivariance alone does not tell the layer's definition: only the oracle notices this one."""
    right = attentive.weigh_responses

    def of_means(z, channel, spatial):
        return right(z.mean(dim=(-2, -1), keepdim=True).expand_as(z), channel, spatial)

    monkeypatch.setattr(attentive, "weigh_responses", of_means)
    layer, f = group_layer(C4).double(), noise(C4, (4, 4), batch=1)
    assert_equivariant(layer, C4, f)
    assert (layer(f)[0] - by_definition(layer, f[0])).abs().max() > 1e-2


def test_every_parameter_gets_a_gradient():
    for layer, x in ((group_layer(D4), noise(D4, (5, 5), torch.float32)), (lift(D4), torch.randn(1, 2, 5, 5))):
        layer(x).square().sum().backward()
        assert all(p.grad.abs().max() > 0 for p in layer.parameters())


@pytest.mark.parametrize(
    "act, error, message",
    [
        (lambda: L.AttentiveGroupConv2d(C4, 2, 2, 3, attention_size=4), ValueError, "Use an odd kernel_size, 3 or 5"),
        (lambda: L.AttentiveGroupConv2d(C4, 2, 2, 3, reduction=0), ValueError, "reduction must be at least 1, got 0"),
        (lambda: L.AttentiveGroupConv2d(C8, 2, 2, 3), ValueError, "C8 does not take the square lattice to itself"),
        (lambda: group_layer(C4)(torch.zeros(1, 2, 8, 8)), ValueError, "LiftingConv2d first"),
        (lambda: group_layer(D4)(torch.zeros(1, 2, 4, 8, 8)), ValueError, "group axis of D4 has length 8, got 4"),
        (lambda: lift(C4)(torch.zeros(1, 3, 8, 8)), ValueError, "channel axis must be 2, got 3"),
        (lambda: lift(C4)(torch.zeros(1, 2, 2, 8)), ValueError, "the height 2 (padding 0) is smaller than the window"),
    ],
)
def test_errors_name_the_value_and_the_way_out(act, error, message):
    with pytest.raises(error, match=re.escape(message)):
        act()
