"""Group squeeze-and-excite and instance norm: their definitions, equivariance, and controls that must fail."""

import pytest
import torch
from torch import nn

from course_lib import layers as L
from course_lib import oracles
from course_lib.checks import assert_equivariant
from course_lib.groups import ALL_GROUPS, C1
from layer_helpers import (
    LIMITS,
    breaks_equivariance,
    every_group,
    every_group_but_C1,
    every_pair,
    noise,
    trained,
    with_random_parameters,
)

LAYERS = {
    "squeeze": lambda group: L.GroupSqueezeExcite(group, 4, 1),
    "norm": lambda group: L.GroupInstanceNorm(group, 4),
}


@every_group
@pytest.mark.parametrize("reduction", [1, 2, 4])
def test_squeeze_and_excite_equals_its_definition(group, reduction):
    layer = with_random_parameters(L.GroupSqueezeExcite(group, 4, reduction).double())
    f = noise(group, (3, 5), channels=4)
    for one, got in zip(f, layer(f), strict=True):
        means = torch.stack([sum(channel.flatten()) / channel.numel() for channel in one])
        hidden = (layer.squeeze.weight @ means + layer.squeeze.bias).clamp(min=0)
        factors = 1 / (1 + (-layer.excite.weight @ hidden - layer.excite.bias).exp())
        torch.testing.assert_close(got, one * factors[:, None, None, None])


@every_group
def test_instance_norm_is_batch_norm_of_one_image(group):
    layer = with_random_parameters(L.GroupInstanceNorm(group, 4).double())
    f = 3 + noise(group, (3, 5), channels=4)
    for one, got in zip(f, layer(f), strict=True):
        expected = oracles.batch_norm(one[None], layer.weight.flatten().tolist(), layer.bias.flatten().tolist())
        torch.testing.assert_close(got, expected[0])


@every_group
def test_instance_norm_per_element_equals_its_definition(group):
    """Mean and variance are still those of the whole channel."""
    layer = with_random_parameters(L.GroupInstanceNorm(group, 4, "per_element", allow_approximate=True).double())
    f = noise(group, (3, 5), channels=4)
    normal = L.GroupInstanceNorm(group, 4).double()(f)
    for c in range(4):
        for h in range(group.order):
            torch.testing.assert_close(layer(f)[:, c, h], normal[:, c, h] * layer.weight[c, h] + layer.bias[c, h])


def test_a_channel_of_a_single_value_becomes_its_bias():
    layer = with_random_parameters(L.GroupInstanceNorm(C1, 4))
    f = torch.randn(1, 4, 1, 1, 1)
    torch.testing.assert_close(layer(f).flatten(), layer.bias.flatten(), atol=1e-3, rtol=0)


@every_pair(group=ALL_GROUPS, size=[(7, 7), (8, 8), (6, 9), (1, 1)], layer=LAYERS, dtype=LIMITS)
def test_they_are_equivariant(group, size, layer, dtype):
    net, f = with_random_parameters(LAYERS[layer](group)).to(dtype), noise(group, size, dtype, channels=4)
    assert assert_equivariant(trained(net, f), group, f).error < LIMITS[dtype]


# --- controls that must fail -----------------------------------------------------------------------------------------


class SqueezePerSheet(nn.Module):
    """The ordinary squeeze-and-excite on the fused C·|H| channels: means over space alone."""

    def __init__(self, group, channels):
        super().__init__()
        self.plain = L.GroupSqueezeExcite(C1, channels * group.order, reduction=2)

    def forward(self, f):
        return self.plain(f.flatten(1, 2).unsqueeze(2)).squeeze(2).unflatten(1, f.shape[1:3])


@every_group_but_C1
def test_means_over_space_alone_with_weights_for_every_sheet(group):
    assert breaks_equivariance(SqueezePerSheet(group, 4).double(), group, noise(group, (6, 6), channels=4))


@every_group_but_C1
def test_means_over_space_alone_with_shared_weights_are_equivariant_but_not_the_definition(group):
    """Each sheet by its own means: the factors change places as the sheets do. Only the definition tells them apart."""
    layer, f = with_random_parameters(L.GroupSqueezeExcite(group, 4, 1).double()), noise(group, (6, 6), channels=4)

    def sheet_by_sheet(f):
        return torch.cat([layer_of_a_plane(f[:, :, [h]]) for h in range(group.order)], dim=2)

    layer_of_a_plane = L.GroupSqueezeExcite(C1, 4, 1).double()
    layer_of_a_plane.load_state_dict(layer.state_dict())
    assert_equivariant(sheet_by_sheet, group, f)
    assert (sheet_by_sheet(f) - layer(f)).abs().max() > 1e-2


@every_group_but_C1
def test_gains_and_biases_per_element_need_leave(group):
    with pytest.raises(ValueError, match=f"for every element of {group} .*allow_approximate=True"):
        L.GroupInstanceNorm(group, 4, affine="per_element")


@every_group_but_C1
def test_gains_and_biases_per_element(group):
    layer = L.GroupInstanceNorm(group, 4, "per_element", allow_approximate=True).double()
    f = noise(group, (6, 6), channels=4)
    assert_equivariant(layer, group, f)
    assert breaks_equivariance(trained(layer, f), group, f)
    assert breaks_equivariance(with_random_parameters(layer), group, f)


@every_group_but_C1
def test_statistics_per_sheet_are_equivariant_but_not_the_definition(group):
    f, norm = noise(group, (6, 6), channels=4), L.GroupInstanceNorm(group, 4).double()

    def per_sheet(f):
        return nn.functional.instance_norm(f.flatten(1, 2)).view_as(f)

    assert_equivariant(per_sheet, group, f)
    assert (per_sheet(f) - norm(f)).abs().max() > 1e-2
