"""g- and gc-GConv: against the definition, both forms, equivariance, and the counts of the paper."""

import re

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_lib import layers as L
from course_lib import oracles
from course_lib.checks import assert_equivariant, equivariance_error
from course_lib.groups import ALL_GROUPS, C4, D4
from layer_helpers import LIMITS, every_group, every_pair

LAYERS = [L.GSeparableConv2d, L.GCSeparableConv2d]
every_layer = pytest.mark.parametrize("layer", LAYERS)


def filters_by_definition(layer):
    """Eq. 4 (g: a kernel per input channel) and Eq. 10 (gc: one for all of them), entry by entry."""
    psi = torch.empty(layer.out_channels, layer.in_channels, layer.group.order, layer.kernel_size, layer.kernel_size)
    for n in range(layer.out_channels):
        for c in range(layer.in_channels):
            for g in range(layer.group.order):
                kernel = layer.kernel[n, c] if isinstance(layer, L.GSeparableConv2d) else layer.kernel[n, 0]
                psi[n, c, g] = kernel * layer.pointwise[n, c, g]
    return psi.double().detach()


@every_pair(group=ALL_GROUPS, window=[(1, 0, 1), (2, 1, 1), (3, 1, 2)], layer=LAYERS)
def test_both_forms_equal_the_definition(group, window, layer):
    kernel, padding, stride = window
    conv = layer(group, 2, 2, kernel, padding=padding, stride=stride)
    nn.init.normal_(conv.bias)
    f = torch.randn(2, group.order, 3, 5)
    padded = F.pad(f, [padding] * 4).double()
    expected = oracles.group_conv(padded, filters_by_definition(conv), group)[..., ::stride, ::stride]
    expected = expected + conv.bias[:, None, None, None]
    for form in (conv.full, conv.factored, conv):
        torch.testing.assert_close(form(f[None])[0].double(), expected, rtol=1e-5, atol=1e-5)


@every_pair(group=ALL_GROUPS, layer=LAYERS, form=["full", "factored"], size=[(7, 7), (8, 8), (6, 9)], dtype=LIMITS)
def test_both_forms_are_equivariant_after_training(group, layer, form, size, dtype):
    torch.manual_seed(0)
    conv, x = layer(group, 2, 3, 3, padding=1).to(dtype), torch.randn(4, 2, group.order, *size, dtype=dtype)
    optimizer = torch.optim.Adam(conv.parameters(), lr=0.05)
    for _ in range(3):
        optimizer.zero_grad()
        y = getattr(conv, form)(x)
        (y - torch.randn_like(y)).square().mean().backward()
        optimizer.step()
    assert assert_equivariant(getattr(conv, form), group, x).error < LIMITS[dtype]


@every_layer
def test_a_kernel_per_sheet_position_is_no_longer_equivariant(layer):
    """Control: the weights w must be permuted along the group axis, not just copied."""
    conv, x = layer(C4, 2, 3, 3).double(), torch.randn(2, 2, 4, 7, 7, dtype=torch.float64)
    factored = L.g_factored if layer is L.GSeparableConv2d else L.gc_factored
    copied = conv.pointwise.unsqueeze(1).expand(-1, 4, -1, -1)
    kernels = L.lifting_filter_bank(conv.kernel, C4)
    assert equivariance_error(lambda y: factored(y, L.pointwise_bank(conv.pointwise, C4), kernels), C4, x).error < 1e-14
    assert equivariance_error(lambda y: factored(y, copied, kernels), C4, x).error > 0.1


@every_layer
@pytest.mark.parametrize("group, c_in, c_out, k", [(C4, 10, 10, 3), (D4, 19, 38, 3), (C4, 17, 17, 4)], ids=str)
def test_parameter_counts_of_section_3_4(layer, group, c_in, c_out, k):
    count = sum(p.numel() for p in layer(group, c_in, c_out, k, bias=False).parameters())
    g_form, gc_form = c_in * c_out * (group.order + k**2), c_out * (c_in * group.order + k**2)
    assert count == (g_form if layer is L.GSeparableConv2d else gc_form)


@every_layer
def test_initial_values_have_the_size_of_a_group_convolution(layer):
    torch.manual_seed(0)
    x = torch.randn(8, 16, 8, 12, 12)
    expected = L.GroupConv2d(D4, 16, 64, 3)(x).square().mean()
    torch.testing.assert_close(layer(D4, 16, 64, 3)(x).square().mean(), expected, rtol=0.4, atol=0)


@every_layer
def test_the_full_bank_is_that_of_the_present_factors(layer):
    conv, x = layer(C4, 2, 2, 3).eval(), torch.randn(1, 2, 4, 5, 5)
    with torch.no_grad():
        for parameter in (conv.kernel, conv.pointwise):
            parameter.mul_(2)
            torch.testing.assert_close(conv.full(x), conv.factored(x))


@every_layer
@pytest.mark.parametrize("form", ["full", "factored"])
@pytest.mark.parametrize(
    "shape, message",
    [
        ((1, 2, 8, 8), "through LiftingConv2d first"),
        ((1, 2, 8, 8, 8), "group axis of C4 has length 4, got 8"),
        ((1, 3, 4, 8, 8), "channel axis must be 2, got 3"),
        ((1, 2, 4, 8, 8), "height of 7 or 9"),
    ],
)
def test_errors_name_the_value(layer, form, shape, message):
    conv = layer(C4, 2, 2, 3, stride=2, padding=1)
    with pytest.raises(ValueError, match=re.escape(message)):
        getattr(conv, form)(torch.zeros(shape))


@every_group
def test_pointwise_bias_is_a_bias_between_the_two_steps(group):
    """c-Z2CNN, which is the case C1: a 1×1 convolution with bias, then a depthwise one with bias."""
    conv = L.GCSeparableConv2d(group, 2, 3, 3, pointwise_bias=True)
    nn.init.normal_(conv.bias), nn.init.normal_(conv.pointwise_bias)
    x = torch.randn(2, 2, group.order, 5, 6)
    zero = torch.zeros_like(conv.bias)
    biases = conv.bias.repeat_interleave(group.order), conv.pointwise_bias.repeat_interleave(group.order)
    w = L.pointwise_bank(conv.pointwise, group).flatten(0, 1).flatten(1)[..., None, None]
    kernels = L.lifting_filter_bank(conv.kernel, group).flatten(0, 1)
    expected = F.conv2d(F.conv2d(x.flatten(1, 2), w, biases[1]), kernels, biases[0], groups=3 * group.order)
    for form in (conv.full, conv.factored, conv):
        torch.testing.assert_close(form(x).flatten(1, 2), expected, rtol=1e-5, atol=1e-5)
    conv.bias = None
    torch.testing.assert_close(conv(x).flatten(1, 2), expected - biases[0][:, None, None], rtol=1e-5, atol=1e-5)
    conv.pointwise_bias = nn.Parameter(zero)
    assert not torch.allclose(conv(x).flatten(1, 2), expected - biases[0][:, None, None], atol=0.1)


def test_pointwise_bias_needs_a_convolution_without_padding():
    with pytest.raises(ValueError, match=re.escape("pointwise_bias needs padding 0, got 1")):
        L.GCSeparableConv2d(C4, 2, 2, 3, padding=1, pointwise_bias=True)
