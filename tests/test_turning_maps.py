"""Group convolution by turning maps, for wide layers on tiny maps: the definition, equivariance, when it is used."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_lib import layers as L
from course_lib import oracles
from course_lib.checks import assert_equivariant
from course_lib.groups import ALL_GROUPS, C1, C4, D4

every_group = pytest.mark.parametrize("group", ALL_GROUPS[1:], ids=str)
every_layer = pytest.mark.parametrize(
    "layer", [L.LiftingConv2d, L.GroupConv2d, L.GSeparableConv2d], ids=lambda layer: layer.__name__
)
every_dtype = pytest.mark.parametrize("dtype, limit", [(torch.float32, 1e-5), (torch.float64, 1e-14)], ids=str)


def wide(layer, group, **options):
    """A layer of so many channels that on the maps of `tiny` it turns these."""
    conv = layer(group, 2, 180, 3, **{"padding": 1} | options).double()
    nn.init.normal_(conv.bias)
    return conv


def tiny(layer, group, size=5):
    axes = (2,) if layer is L.LiftingConv2d else (2, group.order)
    return torch.randn(2, *axes, size, size, dtype=torch.float64, requires_grad=True)


@every_group
@pytest.mark.parametrize("size, padding, stride", [(4, 0, 1), (3, 1, 2), (4, "same", 1)])
def test_group_conv_equals_its_definition(group, size, padding, stride):
    conv, f = wide(L.GroupConv2d, group, padding=padding, stride=stride), tiny(L.GroupConv2d, group, size)
    assert conv._turns_maps(f)
    padded = F.pad(f[0].detach(), [0 if padding == 0 else 1] * 4)
    expected = oracles.group_conv(padded, conv.weight.detach()[-1:], group)[..., ::stride, ::stride]
    torch.testing.assert_close(conv(f)[0, -1:], expected + conv.bias[-1])


@every_group
@every_layer
def test_values_and_gradients_are_those_of_turned_filters(group, layer):
    conv, f = wide(layer, group), tiny(layer, group)
    leaves = (f, *conv.parameters())
    cotangent = torch.randn_like(conv(f))
    assert conv._turns_maps(f)
    both = conv(f), conv._by_turning_filters(f)
    torch.testing.assert_close(*both)
    for ours, expected in zip(*(torch.autograd.grad(y, leaves, cotangent) for y in both), strict=True):
        torch.testing.assert_close(ours, expected)


@every_group
@every_layer
@every_dtype
def test_equivariant_after_training(group, layer, dtype, limit):
    torch.manual_seed(0)
    conv, f = wide(layer, group).to(dtype), tiny(layer, group).detach().to(dtype)
    optimizer = torch.optim.Adam(conv.parameters(), lr=0.05)
    for _ in range(3):
        optimizer.zero_grad()
        conv(f).square().mean().backward()
        optimizer.step()

    assert conv._turns_maps(f)
    scale = conv(f).abs().max().clamp(min=1).item()
    assert assert_equivariant(conv, group, f).error < limit * scale


@every_group
def test_autocast_and_channels_last(group):
    conv, f = wide(L.GroupConv2d, group).float(), tiny(L.GroupConv2d, group).detach().float()
    turned = f.permute(0, 3, 4, 1, 2).contiguous().permute(0, 3, 4, 1, 2)
    torch.testing.assert_close(conv(turned), conv(f))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert conv(f).dtype == torch.bfloat16
        torch.testing.assert_close(conv(f).float(), conv._by_turning_filters(f).float(), rtol=0.05, atol=0.05)


def test_where_maps_are_turned():
    conv, f = wide(L.GroupConv2d, D4), tiny(L.GroupConv2d, D4)
    assert conv._turns_maps(f)
    assert conv._turns_maps(f.repeat(99, 1, 1, 1, 1))  # whatever the batch: an exported network takes any
    assert not conv._turns_maps(tiny(L.GroupConv2d, D4, 6))  # 2·32·36 values against 180·9
    assert not conv._turns_maps(f[..., :4])  # a quarter turn of a map that is not square has another shape
    assert not wide(L.GroupConv2d, C1)._turns_maps(f[:, :, :1])  # nothing to turn
    assert not wide(L.GroupConv2d, D4, stride=2, allow_approximate=True)._turns_maps(f)
    assert not conv._turns_maps(f.to("meta"))  # nothing was measured on other devices
    assert conv(f[..., :4]).shape == (2, 180, 8, 5, 4)


def test_fewer_values_are_kept_for_backward():
    from course_lib.bench.measuring import bytes_saved

    conv, f = wide(L.GroupConv2d, C4), tiny(L.GroupConv2d, C4)
    kept = [bytes_saved(lambda form=form: form(f), [conv.weight]) for form in (conv, conv._by_turning_filters)]
    assert kept[0] < kept[1]
