"""The pieces that notebook 09 builds: each against the definition, or against the layer that it is a part of."""

import pytest
import torch
from torch import nn

from course_lib import framework, oracles
from course_lib import layers as L
from course_lib.counting import attention_parameters
from course_lib.groups import ALL_GROUPS, C1, C4
from course_lib.layers.asc import factorized_positions
from course_lib.layers.squeeze import excitation
from course_lib.wallpaper import Isometry

every_group = pytest.mark.parametrize("group", ALL_GROUPS, ids=str)
LAYERS = {"asc": L.AffineSelfConv2d, "simple": L.SimpleAffineSelfConv2d, "sasa": L.StandAloneSelfAttention2d}


@every_group
def test_affine_terms_sum_to_the_affine_map(group):
    f, psi = torch.randn(2, group.order, 3, 4).double(), torch.randn(2, group.order, 3, 3).double()
    beta = torch.randn(2, group.order, 3, 3).double()
    function = framework.as_function(f, group)
    for i, row, col in ((0, 1, 2), (group.order - 1, 0, 0), (group.order // 2, 2, 3)):
        g = Isometry(*group.elements[i], col, 2 - row)
        for y in ((row, col), (row, max(col - 1, 0)), (max(row - 1, 0), min(col + 1, 3))):
            places = [Isometry(*h, y[1], 2 - y[0]) for h in group.elements]
            total = sum(
                framework.affine_term(framework.relative_position(g, place), function[place], psi, beta, group)
                for place in places
            )
            expected = oracles.affine_map(f, (psi, beta.sum(dim=1)), group, (i, row, col), y)
            torch.testing.assert_close(total, expected)


@every_group
@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("channels, k, heads", [(6, 5, 2), (4, 3, 1), (6, 1, 2)])
def test_attention_parameters_are_the_layers(group, kind, channels, k, heads):
    layer = LAYERS[kind](group, channels, channels, k, heads=heads)
    assert attention_parameters(kind, channels, group.order, k) == sum(p.numel() for p in layer.parameters())


def test_an_unknown_kind_is_named():
    with pytest.raises(ValueError, match="'asc', 'simple' or 'sasa', got 'affine'"):
        attention_parameters("affine", 4, 1, 3)


def test_factorized_positions_depend_on_the_row_or_the_column():
    row, column = torch.randn(2, 1, 3), torch.randn(2, 2, 3)
    beta = factorized_positions(row, column).unflatten(0, (2, 3))
    for head in range(2):
        for i in range(3):
            for j in range(3):
                expected = torch.cat([row[head, :, i], column[head, :, j]])
                assert torch.equal(beta[head, :, i, j], expected)


def test_on_C1_squeeze_and_excite_is_the_ordinary_one():
    x, layer = torch.randn(2, 4, 1, 5, 6), L.GroupSqueezeExcite(C1, 4, reduction=2)
    pooled = nn.functional.adaptive_avg_pool2d(x[:, :, 0], 1).flatten(1)
    hidden = pooled @ layer.squeeze.weight.T + layer.squeeze.bias
    factors = 1 / (1 + (-(hidden.clamp(min=0) @ layer.excite.weight.T + layer.excite.bias)).exp())
    torch.testing.assert_close(layer(x)[:, :, 0], x[:, :, 0] * factors[:, :, None, None])


def test_excitation_sees_all_sheets():
    x, layer = torch.zeros(1, 2, 4, 3, 3), L.GroupSqueezeExcite(C4, 2, reduction=1)
    one_sheet = x.clone()
    one_sheet[:, :, 3] = 4.0
    everywhere = excitation(x + 1.0, layer.squeeze, layer.excite)
    torch.testing.assert_close(excitation(one_sheet, layer.squeeze, layer.excite), everywhere)
