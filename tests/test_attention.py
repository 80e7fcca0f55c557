"""Self-attention on the group: against its definition in loops, equivariance, and controls that must fail."""

import math
import re

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_lib import kernels as K
from course_lib import layers as L
from course_lib import oracles
from course_lib.actions import act_on_feature_map, act_on_image, translate
from course_lib.checks import assert_equivariant, equivariance_error
from course_lib.groups import ALL_GROUPS, C1, C4, D4, inverse
from course_lib.kernels import attention_on_group
from course_lib.layers import attention
from layer_helpers import LIMITS, every_group, every_pair, noise, trained


def with_weights(monkeypatch, weights):
    """From now on the layer computes its reference, with another function in place of `attention_weights`."""
    monkeypatch.setattr(attention_on_group, "attention_weights", weights)
    monkeypatch.setattr(attention, "group_attention", K.unfold_and_attend_on_group)


def by_definition(layer, f):
    """The oracle, head by head, for one feature map (C, |H|, Y, X)."""
    weights = [embedding.weight.detach().flatten(1) for embedding in (layer.query, layer.key, layer.value)]
    parts = [part.chunk(layer.heads) for part in (*weights, layer.positions.detach())]
    return torch.cat([oracles.self_attention(f, *head, layer.group) for head in zip(*parts, strict=True)])


@every_group
@pytest.mark.parametrize("kernel, heads", [(1, 1), (3, 2), (5, 1)])
def test_it_equals_its_definition(group, kernel, heads):
    layer = L.GroupSelfAttention2d(group, 2, 4, kernel, heads=heads).double()
    f = noise(group, (3, 4), batch=1)
    torch.testing.assert_close(layer(f)[0], by_definition(layer, f[0]))


def test_C1_is_ordinary_local_self_attention():
    """With a window that covers the map and no positions, it is PyTorch's own attention over all pixels."""
    layer, x = L.GroupSelfAttention2d(C1, 3, 8, 9, heads=2), torch.randn(2, 3, 1, 5, 4)
    nn.init.zeros_(layer.positions)
    tokens = [
        embedding(x).flatten(2).unflatten(1, (2, 4)).transpose(2, 3)  # (B, heads, 20, 4)
        for embedding in (layer.query, layer.key, layer.value)
    ]
    expected = F.scaled_dot_product_attention(*tokens).transpose(2, 3).reshape(2, 8, 1, 5, 4)
    torch.testing.assert_close(layer(x), expected)


@every_group
def test_position_bank_holds_the_entry_of_the_relative_position(group):
    table = torch.arange(2.0 * group.order * 9).reshape(2, group.order, 3, 3)
    assert torch.equal(L.position_bank(table, group), L.group_filter_bank(table[:, None], group)[:, :, 0])


def test_neighborhoods_are_windows_around_each_pixel():
    f = torch.arange(1.0, 13).reshape(1, 1, 3, 4)
    windows = L.neighborhoods(f, 3)
    assert windows.shape == (1, 1, 9, 3, 4)
    assert windows[0, 0, :, 1, 1].tolist() == [1, 2, 3, 5, 6, 7, 9, 10, 11]
    assert windows[0, 0, :, 0, 3].tolist() == [0, 0, 0, 3, 4, 0, 7, 8, 0]


@every_pair(group=ALL_GROUPS, size=[(7, 7), (8, 8), (6, 9), (2, 3)], dtype=LIMITS)
def test_it_is_equivariant_before_and_after_training(group, size, dtype):
    torch.manual_seed(0)
    layer, x = L.GroupSelfAttention2d(group, 2, 4, 3, heads=2).to(dtype), noise(group, size, dtype)
    before = {name: p.detach().clone() for name, p in layer.named_parameters()}
    assert assert_equivariant(layer, group, x).error < LIMITS[dtype]
    assert assert_equivariant(trained(layer, x), group, x).error < LIMITS[dtype]
    assert all((p - before[name]).abs().max() > 0.01 for name, p in layer.named_parameters())


@every_group
def test_it_commutes_with_translations_away_from_the_border(group):
    layer, x = L.GroupSelfAttention2d(group, 2, 4, 3).double(), noise(group, (10, 11))
    for u, v in [(1, 0), (-2, 1)]:
        got, expected = layer(translate((u, v), x)), translate((u, v), layer(x))
        torch.testing.assert_close(got[..., 3:-3, 3:-3], expected[..., 3:-3, 3:-3])


@every_group
def test_it_works_in_a_net(group):
    net = L.EquivariantSequential(
        L.LiftingConv2d(group, 1, 4, 3, padding=1),
        nn.ReLU(),
        L.GroupSelfAttention2d(group, 4, 6, 5, heads=3),
        L.GroupBatchNorm(group, 6),
        L.GlobalMaxPool(group),
    )
    report = assert_equivariant(net.double(), group, torch.randn(2, 1, 6, 8, dtype=torch.float64))
    assert {"2.query", "2.key", "2.value"} <= report.by_layer().keys()


# --- the border ------------------------------------------------------------------------------------------------------


def test_weights_sum_to_one_and_none_lies_outside():
    layer, x = L.GroupSelfAttention2d(D4, 2, 4, 5, heads=2).double(), noise(D4, (3, 6))
    weights = layer.attention(x)
    assert weights.shape == (2, 2, 8, 8, 25, 3, 6)
    torch.testing.assert_close(weights.sum(dim=(3, 4)), torch.ones(2, 2, 8, 3, 6, dtype=torch.float64))
    inside = L.neighborhoods(torch.ones(3, 6), 5).bool()
    assert (weights[..., ~inside] == 0).all() and (weights[..., inside] > 0).all()


def test_without_scores_the_result_is_the_mean_over_what_lies_inside():
    layer, x = L.GroupSelfAttention2d(C4, 2, 2, 3).double(), noise(C4, (4, 5))
    nn.init.zeros_(layer.query.weight)
    corner = layer.value(x)[..., :2, :2].mean(dim=(2, 3, 4))  # all four sheets, the four pixels in reach
    torch.testing.assert_close(layer(x)[..., 0, 0], corner[..., None].expand(-1, -1, 4))


def test_padding_with_zeros_instead_of_a_mask_is_another_function(monkeypatch):
    layer, x = L.GroupSelfAttention2d(C4, 2, 2, 3).double(), noise(C4, (4, 5))
    masked = layer(x)
    with_weights(monkeypatch, lambda scores, _: K.attention_weights(scores, torch.tensor(True)))
    padded = layer(x)
    torch.testing.assert_close(padded[..., 1:-1, 1:-1], masked[..., 1:-1, 1:-1])
    assert (padded - masked)[..., 0, :].abs().max() > 1e-2


def test_weights_of_large_scores_stay_finite():
    scores = torch.full((1, 1, 2, 9, 3, 3), 1e4)
    inside = L.neighborhoods(torch.ones(3, 3), 3).bool()
    weights = L.attention_weights(scores, inside)
    assert weights[0, 0, :, :, 1, 1].unique().tolist() == pytest.approx([1 / 18])


# --- controls that must fail -----------------------------------------------------------------------------------------

WRONG_BANKS = {
    "not permuted": lambda h, p, group: act_on_image(h, p),
    "not turned": lambda h, p, group: p[..., group.permutation(h), :, :],
    "absolute": lambda h, p, group: p,
    "wrong way": lambda h, p, group: act_on_feature_map(inverse(h), p, group),
    "wrong side": lambda h, p, group: act_on_image(h, p[..., group.permutation(inverse(h)), :, :]),
}


@pytest.mark.parametrize("group", [C4, D4], ids=str)
@pytest.mark.parametrize("how", WRONG_BANKS)
def test_wrong_positions_are_not_equivariant(how, group, monkeypatch):
    def bank(positions, group):
        return torch.stack([WRONG_BANKS[how](h, positions, group) for h in group.elements], dim=1)

    monkeypatch.setattr(attention, "position_bank", bank)
    layer = L.GroupSelfAttention2d(group, 2, 4, 3).double()
    with pytest.raises(AssertionError, match="not equivariant"):
        assert_equivariant(layer, group, noise(group, (6, 6)))


def test_positions_of_absolute_pixels_are_not_equivariant():
    layer, where = L.GroupSelfAttention2d(C4, 2, 4, 3).double(), torch.randn(2, 1, 6, 6, dtype=torch.float64)
    assert equivariance_error(lambda x: layer(x + where), C4, noise(C4, (6, 6))).error > 1e-2


def test_softmax_sheet_by_sheet_is_equivariant_but_not_the_definition(monkeypatch):
    """Equivariance alone does not tell the layer's definition: only the oracle notices this one."""

    def per_sheet(scores, inside):
        return scores.masked_fill(~inside, -math.inf).softmax(dim=-3) / scores.shape[-4]

    with_weights(monkeypatch, per_sheet)
    layer, f = L.GroupSelfAttention2d(C4, 2, 4, 3).double(), noise(C4, (3, 3), batch=1)
    assert_equivariant(layer, C4, f)
    assert (layer(f)[0] - by_definition(layer, f[0])).abs().max() > 1e-2


# --- counts, state, errors -------------------------------------------------------------------------------------------


@every_group
def test_parameter_count(group):
    layer = L.GroupSelfAttention2d(group, 3, 8, 5, heads=2)
    assert sum(p.numel() for p in layer.parameters()) == 3 * (3 * 8) + 8 * group.order * 25
    assert set(layer.state_dict()) == {"positions", "query.weight", "key.weight", "value.weight", "elements"}


def test_every_parameter_gets_a_gradient():
    layer = L.GroupSelfAttention2d(D4, 2, 4, 3, heads=2)
    layer(noise(D4, (4, 4), torch.float32)).square().sum().backward()
    assert all(p.grad.abs().max() > 0 for p in layer.parameters())


@pytest.mark.parametrize(
    "act, error, message",
    [
        (lambda: L.GroupSelfAttention2d(C4, 2, 4, 4), ValueError, "even size (4) has no pixel at its center"),
        (lambda: L.GroupSelfAttention2d(C4, 2, 4, 4), ValueError, "Use an odd kernel_size, 3 or 5"),
        (lambda: L.GroupSelfAttention2d(C4, 2, 10, 3, heads=4), ValueError, "heads=4 must divide out_channels=10: use"),
        (lambda: L.GroupSelfAttention2d(C4, 2, 2, 3, heads=4), ValueError, "heads=4 must divide out_channels=2"),
        (lambda: L.GroupSelfAttention2d(C4, 2, 4, 3, heads=0), ValueError, "heads must be at least 1, got 0"),
        (lambda: L.GroupSelfAttention2d(C4, 0, 4, 3), ValueError, "in_channels must be at least 1, got 0"),
        (lambda: L.GroupSelfAttention2d(C4, 2, 4, 3)(torch.zeros(1, 2, 8, 8)), ValueError, "LiftingConv2d first"),
        (
            lambda: L.GroupSelfAttention2d(D4, 2, 4, 3)(torch.zeros(1, 2, 4, 8, 8)),
            ValueError,
            "of D4 has length 8, got 4",
        ),
        (lambda: L.GroupSelfAttention2d(C4, 3, 4, 3)(torch.zeros(1, 2, 4, 8, 8)), ValueError, "must be 3, got 2"),
        (lambda: L.GroupSelfAttention2d(C4, 2, 4, 3)(torch.zeros(1, 2, 4, 8, 8).int()), TypeError, "convert it with"),
        (lambda: L.GroupSelfAttention2d(C4, 2, 4, 3)([1]), TypeError, "got list"),
    ],
)
def test_errors_name_the_value_and_the_way_out(act, error, message):
    with pytest.raises(error, match=re.escape(message)):
        act()
