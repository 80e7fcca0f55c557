"""Self-attention with computed positions: against its definition in loops, equivariance, and what must fail."""

import re

import pytest
import torch
from torch import nn

from course_lib import layers as L
from course_lib import oracles
from course_lib.checks import assert_equivariant
from course_lib.groups import ALL_GROUPS, C4, D4
from course_lib.layers import encoded_attention
from course_lib.layers.encoded_attention import PositionEncoding
from layer_helpers import LIMITS, breaks_equivariance, every_group, every_group_but_C1, every_pair, noise, trained


def group_layer(group):
    return L.EncodedSelfAttention2d(group, 2, 5, 3, heads=2, head_channels=3)


def lift(group):
    return L.LiftingSelfAttention2d(group, 2, 5, 3, heads=2, head_channels=4)


def by_definition(layer, f, positions):
    """The oracle, head by head, for one feature map (C, |H|, Y, X); a row of ones makes weights of the biases."""
    ones = torch.cat([f, torch.ones_like(f[:1])])
    embeddings = layer.query, layer.key, layer.value
    weights = [torch.cat([e.weight.detach().flatten(1), e.bias.detach()[:, None]], dim=1) for e in embeddings]
    heads = zip(*(weight.chunk(layer.heads) for weight in weights), strict=True)
    attended = torch.cat([oracles.self_attention(ones, *head, positions, layer.group) for head in heads])
    return layer.output(attended[None])[0]


def with_random_biases(layer):
    for name, p in layer.named_parameters():
        if name.endswith("bias"):
            nn.init.normal_(p)
    return layer


@every_group
def test_it_equals_its_definition(group):
    layer, f = with_random_biases(group_layer(group).double()), noise(group, (3, 4), batch=1)
    torch.testing.assert_close(layer(f)[0], by_definition(layer, f[0], layer.positions()))


@every_group
def test_the_lift_is_the_attention_of_an_image_that_is_repeated_on_every_sheet(group):
    layer, x = with_random_biases(lift(group).double()), torch.randn(1, 2, 3, 4, dtype=torch.float64)
    repeated = x[0].unsqueeze(1).repeat(1, group.order, 1, 1)
    positions = layer.positions().repeat(1, group.order, 1, 1)
    torch.testing.assert_close(layer(x)[0], by_definition(layer, repeated, positions))


@every_pair(group=ALL_GROUPS, size=[(7, 7), (8, 8), (6, 9), (2, 3)], dtype=LIMITS)
def test_they_are_equivariant_before_and_after_training(group, size, dtype):
    torch.manual_seed(0)
    inputs = (group_layer(group), noise(group, size, dtype)), (lift(group), torch.randn(2, 2, *size, dtype=dtype))
    for layer, x in inputs:
        layer = layer.to(dtype)
        assert assert_equivariant(layer, group, x).error < LIMITS[dtype]
        before = {name: p.detach().clone() for name, p in layer.named_parameters()}
        assert assert_equivariant(trained(layer, x), group, x).error < LIMITS[dtype]
        moved = {name for name, p in layer.named_parameters() if not torch.equal(p, before[name])}
        assert moved >= {"query.weight", "key.weight", "value.weight", "output.weight", "positions.row.0.weight"}


@every_group_but_C1
@pytest.mark.parametrize("make", [group_layer, lift])
def test_positions_that_do_not_turn_break_equivariance(group, make, monkeypatch):
    for name in ("position_bank", "lifting_filter_bank"):
        monkeypatch.setattr(encoded_attention, name, lambda p, group: p.unsqueeze(1).repeat_interleave(group.order, 1))
    layer = make(group).double()
    for p in layer.parameters():
        nn.init.normal_(p)
    x = noise(group, (6, 6)) if make is group_layer else torch.randn(2, 2, 6, 6, dtype=torch.float64)
    assert breaks_equivariance(layer, group, x, by=1e-4)


def test_an_encoding_is_a_sum_of_what_row_column_and_sheet_say():
    """A third depends on the row alone, a third on the column alone, the rest on the sheet alone."""
    table = PositionEncoding(C4, 5, 4, 7)()
    assert table.shape == (7, 4, 5, 5)
    assert torch.equal(table[:2], table[:2, :1, :, :1].expand(-1, 4, -1, 5))
    assert torch.equal(table[2:4], table[2:4, :1, :1].expand(-1, 4, 5, -1))
    assert torch.equal(table[4:], table[4:, :, :1, :1].expand(-1, -1, 5, 5))
    assert all(part.std() > 0 for part in (table[:2], table[2:4], table[4:]))


@every_group
def test_it_has_few_weights_for_any_window(group):
    small, large = (L.EncodedSelfAttention2d(group, 4, 6, k, heads=2) for k in (3, 15))
    assert sum(p.numel() for p in small.parameters()) == sum(p.numel() for p in large.parameters())


def test_every_parameter_gets_a_gradient():
    """But three biases: what adds the same number to all scores of a query, the softmax does not see."""
    for layer, x in ((group_layer(D4), noise(D4, (4, 4))), (lift(D4), torch.randn(1, 2, 4, 4).double())):
        layer.double()(x).square().sum().backward()
        gradients = {name: p.grad.abs().max().item() for name, p in layer.named_parameters() if p.numel()}
        assert {name for name, size in gradients.items() if size < 1e-10} == {
            "key.bias", "positions.row.3.bias", "positions.column.3.bias",
        }  # fmt: skip


@pytest.mark.parametrize(
    "act, error, message",
    [
        (lambda: L.EncodedSelfAttention2d(C4, 2, 6, 4), ValueError, "Use an odd kernel_size, 3 or 5"),
        (lambda: L.EncodedSelfAttention2d(C4, 2, 6, 3, head_channels=2), ValueError, "head_channels must be 3 or more"),
        (lambda: L.EncodedSelfAttention2d(C4, 2, 6, 3, heads=0), ValueError, "heads must be at least 1, got 0"),
        (lambda: group_layer(C4)(torch.zeros(1, 2, 8, 8)), ValueError, "LiftingConv2d first"),
        (lambda: group_layer(D4)(torch.zeros(1, 2, 4, 8, 8)), ValueError, "group axis of D4 has length 8, got 4"),
        (lambda: lift(C4)(torch.zeros(1, 3, 8, 8)), ValueError, "channel axis must be 2, got 3"),
    ],
)
def test_errors_name_the_value_and_the_way_out(act, error, message):
    with pytest.raises(error, match=re.escape(message)):
        act()
