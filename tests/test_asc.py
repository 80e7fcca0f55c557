"""Affine self convolution and rivals: the definition in loops, equivariance, other code for C1, controls that fail."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_lib import layers as L
from course_lib import oracles
from course_lib.actions import act_on_feature_map, act_on_image, translate
from course_lib.checks import assert_equivariant
from course_lib.groups import ALL_GROUPS, C1, C4, D4, inverse
from course_lib.layers import asc
from layer_helpers import (
    LIMITS,
    act_on_windows,
    breaks_equivariance,
    every_group,
    every_group_but_C1,
    every_pair,
    noise,
    trained,
    with_random_parameters,
)

LAYERS = [L.AffineSelfConv2d, L.SimpleAffineSelfConv2d, L.StandAloneSelfAttention2d]
every_layer = pytest.mark.parametrize("layer", LAYERS)
BORDERS = ["zeros", "masked"]
every_border = pytest.mark.parametrize("border", BORDERS)


def random_layer(layer, group, *sizes, **options):
    """With small ψ and β, so that the softmax does not choose one neighbor alone."""
    made = with_random_parameters(layer(group, *sizes, **options).double())
    for name, p in made.named_parameters():
        if name.endswith(("psi", "beta", "row", "column")):
            p.data.mul_(0.5)
    return made


# --- against the definition ------------------------------------------------------------------------------------------


def asc_by_definition(layer, f):
    """The oracle, head by head, for one feature map (C, |H|, Y, X), then W^O."""
    roles = ("query", "key", "value")
    if isinstance(layer, L.AffineSelfConv2d):
        parts = [(getattr(layer, r), getattr(layer, f"{r}_affine")) for r in roles]
    else:
        parts = [(layer.embedding, layer.affine)] * 3
    heads = []
    for head in range(layer.heads):
        triples = []
        for embed, affine in parts:
            values, psi, beta = (
                part.detach().chunk(layer.heads)[head] for part in (embed(f[None])[0], affine.psi, affine.beta)
            )
            triples.append((values, (psi, beta)))
        heads.append(oracles.affine_self_conv(*triples, layer.group, layer.border == "masked"))
    return layer.output(torch.cat(heads)[None])[0]


@every_pair(group=ALL_GROUPS, border=BORDERS, layer=LAYERS[:2], setting=[(2, 3, (2, 3)), (1, 5, (1, 2))])
def test_it_equals_its_definition(group, border, layer, setting):
    heads, kernel, size = setting
    conv, f = random_layer(layer, group, 2, 4, kernel, heads, border=border), noise(group, size, batch=1)
    torch.testing.assert_close(conv(f)[0], asc_by_definition(conv, f[0]))


def sasa_by_definition(layer, f):
    """Σ_y softmax_y(⟨Q(t, h), K(y, h) + β(h⁻¹(y − t))⟩ / d) V(y, h), head by head, then W^O."""
    k, (height, width) = layer.kernel_size, f.shape[2:]
    query, key, value = (
        embed(f[None])[0].detach().chunk(layer.heads) for embed in (layer.query, layer.key, layer.value)
    )
    out = [torch.zeros_like(v) for v in value]
    for m, (q, row, column) in enumerate(zip(query, layer.positions.row, layer.positions.column, strict=True)):
        for i, y, x in torch.cartesian_prod(*(torch.arange(n) for n in f.shape[1:])).tolist():
            scores, seen = [], []
            for a, b in torch.cartesian_prod(torch.arange(k), torch.arange(k)).tolist():
                there = y + a - k // 2, x + b - k // 2
                inside = 0 <= there[0] < height and 0 <= there[1] < width
                if inside or layer.border == "zeros":
                    r, c = oracles.source_pixel(layer.group.elements[i], a, b, k, k)
                    beta = torch.cat([row[:, r], column[:, c]])
                    at = (slice(None), i, *there)
                    scores.append(q[:, i, y, x] @ ((key[m][at] if inside else 0) + beta) / len(q))
                    seen.append(value[m][at] if inside else torch.zeros(len(value[m]), dtype=f.dtype))
            out[m][:, i, y, x] = torch.stack(scores).softmax(0) @ torch.stack(seen)
    return layer.output(torch.cat(out)[None])[0]


@every_pair(group=ALL_GROUPS, border=BORDERS, shares=[(2, 6), (3, 3)])
def test_sasa_equals_its_definition(group, border, shares):
    heads, out_channels = shares
    layer = random_layer(L.StandAloneSelfAttention2d, group, 2, out_channels, 3, heads, border=border)
    f = noise(group, (2, 3), batch=1)
    torch.testing.assert_close(layer(f)[0], sasa_by_definition(layer, f[0]))


@every_group
def test_the_affine_map_equals_its_definition(group):
    affine, f = asc.AffineMap(group, 2, 3).double(), noise(group, (3, 4), batch=1)
    mapped, center, pair = affine(f)[0], affine.center(f)[0], (affine.psi.detach(), affine.beta.detach())
    for h, row, col in [(0, 0, 0), (group.order - 1, 1, 2), (group.order // 2, 2, 3)]:
        g = (h, row, col)
        for i in range(9):
            y = row + i // 3 - 1, col + i % 3 - 1
            torch.testing.assert_close(mapped[:, h, i, row, col], oracles.affine_map(f[0], pair, group, g, y))
        torch.testing.assert_close(center[:, h, row, col], oracles.affine_map(f[0], pair, group, g, (row, col)))


def on_the_plane(layer, x):
    """ASC on images (B, C, Y, X), by unfold: W^O Σ_y softmax_y(⟨ψ^Q Q + β^Q, ψ^K K + β^K⟩ / d) (ψ^V V + β^V)."""
    (b, _, height, width), k, pixels = x.shape, layer.kernel_size, x[0, 0].numel()

    def embedded(conv):
        return F.conv2d(x, conv.weight[:, :, 0], conv.bias)

    def affine(values, parameters):
        psi, beta = (p.view(layer.out_channels, k * k, 1) for p in (parameters.psi, parameters.beta))
        return F.unfold(values, k, padding=k // 2).view(b, -1, k * k, pixels) * psi + beta

    def in_heads(t):
        return t.view(b, layer.heads, -1, *t.shape[2:])

    center = layer.query_affine
    query = embedded(layer.query).flatten(2) * center.psi.view(-1, 1) + center.beta.view(-1, 1)
    keys, values = affine(embedded(layer.key), layer.key_affine), affine(embedded(layer.value), layer.value_affine)
    scores = (in_heads(query).unsqueeze(3) * in_heads(keys)).sum(2) * layer.heads / layer.out_channels
    if layer.border == "masked":
        outside = F.unfold(torch.ones(1, 1, height, width), k, padding=k // 2)[0] == 0
        scores = scores.masked_fill(outside, -torch.inf)
    out = (scores.softmax(2).unsqueeze(2) * in_heads(values)).sum(3)
    return F.conv2d(out.reshape(b, -1, height, width), layer.output.weight[:, :, 0])


@every_border
@pytest.mark.parametrize("heads", [1, 2, 4])
def test_C1_is_the_layer_on_the_plane(border, heads):
    layer, x = random_layer(L.AffineSelfConv2d, C1, 3, 4, 5, heads, border=border), noise(C1, (4, 7), channels=3)
    torch.testing.assert_close(layer(x)[:, :, 0], on_the_plane(layer, x[:, :, 0]))


# --- what it contains ------------------------------------------------------------------------------------------------


def without_output(layer):
    """W^O is the identity: the layer shows what it attends to."""
    layer.output.weight.data.zero_()
    layer.output.weight.data[:, :, 0, 0, 0] = torch.eye(layer.out_channels)
    return layer


@every_group
def test_with_equal_weights_and_no_beta_it_is_a_convolution(group):
    """A query of 0 makes every α = 1/k²: k² times the output is V convolved with ψ^V, channel by channel."""
    layer, f = without_output(random_layer(L.AffineSelfConv2d, group, 2, 4, 3, 2)), noise(group, (4, 5))
    for p in (layer.query_affine.psi, layer.query_affine.beta, layer.value_affine.beta):
        nn.init.zeros_(p)
    bank = L.group_filter_bank(layer.value_affine.psi, group).flatten(0, 1)  # (O·|H|, |H̃|, k, k)
    expected = F.conv2d(layer.value(f).flatten(1, 2), bank, padding=1, groups=4)
    torch.testing.assert_close(9 * layer(f).flatten(1, 2), expected)


@pytest.mark.parametrize("layer", LAYERS[:2])
@pytest.mark.parametrize("heads", [1, 2])
def test_with_psi_one_it_is_self_attention(layer, heads):
    """C1, ψ = 1 and β = 0 with a window that covers the map: PyTorch's attention over all pixels, scaled by 1/d."""
    conv = without_output(random_layer(layer, C1, 3, 4, 9, heads, border="masked"))
    for module in conv.modules():
        if isinstance(module, asc.AffineMap):
            nn.init.ones_(module.psi)
            nn.init.zeros_(module.beta)
    x = noise(C1, (4, 5), channels=3)
    embeddings = [conv.embedding] * 3 if layer is L.SimpleAffineSelfConv2d else [conv.query, conv.key, conv.value]
    tokens = [e(x).flatten(2).unflatten(1, (heads, -1)).transpose(2, 3) for e in embeddings]  # (B, heads, 20, d)
    expected = F.scaled_dot_product_attention(*tokens, scale=heads / 4).transpose(2, 3).reshape(2, 4, 1, 4, 5)
    torch.testing.assert_close(conv(x), expected)


def test_sasa_is_affine_self_convolution_with_psi_of_the_own_sheet():
    """ψ(x, h) = 1 for h = e and 0 otherwise, β^Q = β^V = 0, and β^K from rows and columns."""
    sasa = random_layer(L.StandAloneSelfAttention2d, C4, 2, 4, 3, 2)
    conv = L.AffineSelfConv2d(C4, 2, 4, 3, 2).double()
    conv.load_state_dict({k: p for k, p in sasa.state_dict().items() if "positions" not in k}, strict=False)
    for affine in (conv.query_affine, conv.key_affine, conv.value_affine):
        nn.init.zeros_(affine.psi)
        nn.init.ones_(affine.psi[:, 0])
        nn.init.zeros_(affine.beta)
    with torch.no_grad():
        conv.key_affine.beta.unflatten(0, (2, 2))[:, 0] = sasa.positions.row[:, 0, :, None]
        conv.key_affine.beta.unflatten(0, (2, 2))[:, 1] = sasa.positions.column[:, 0, None, :]
    f = noise(C4, (4, 5))
    torch.testing.assert_close(conv(f), sasa(f))


# --- equivariance ----------------------------------------------------------------------------------------------------


SETTINGS = [  # size, kernel, border
    ((5, 5), 3, "zeros"),
    ((4, 4), 3, "masked"),
    ((3, 6), 3, "zeros"),
    ((2, 3), 5, "masked"),
    ((1, 1), 3, "zeros"),
]


@every_pair(group=ALL_GROUPS, setting=SETTINGS, layer=LAYERS, dtype=LIMITS)
def test_it_is_equivariant_on_any_map_with_both_borders(group, setting, layer, dtype):
    """From random parameters on, so that ψ, β and all the rest differ everywhere."""
    size, kernel, border = setting
    conv, f = layer(group, 2, 4, kernel, 2, border=border).to(dtype), noise(group, size, dtype)
    net = trained(with_random_parameters(conv), f, steps=2)
    assert assert_equivariant(net, group, f).error < LIMITS[dtype]


@every_layer
@every_group
def test_where_it_looks_turns_with_the_input(layer, group):
    conv, f = random_layer(layer, group, 2, 4, 3, 2), noise(group, (3, 4))
    for g in group.elements:
        expected = act_on_windows(g, conv.attention(f), group)
        torch.testing.assert_close(conv.attention(act_on_feature_map(g, f, group)), expected)


@every_layer
@every_border
def test_it_commutes_with_translations_away_from_the_border(layer, border):
    conv, f = random_layer(layer, D4, 2, 4, 3, 2, border=border), noise(D4, (10, 11))
    for u, v in [(1, 0), (-2, 1)]:
        got, expected = conv(translate((u, v), f)), translate((u, v), conv(f))
        torch.testing.assert_close(got[..., 3:-3, 3:-3], expected[..., 3:-3, 3:-3])


# --- weights and borders ---------------------------------------------------------------------------------------------


@every_layer
@every_border
def test_weights_sum_to_one_and_masked_ones_lie_inside(layer, border):
    conv, f = random_layer(layer, C4, 2, 4, 5, 2, border=border), noise(C4, (3, 6))
    weights = conv.attention(f)
    assert weights.shape == (2, 2, 4, 25, 3, 6)
    torch.testing.assert_close(weights.sum(dim=3), torch.ones(2, 2, 4, 3, 6, dtype=torch.float64))
    outside = L.neighborhoods(torch.ones(3, 6), 5) == 0
    assert (weights[..., ~outside] > 0).all()
    assert ((weights[..., outside] > 0) == (border == "zeros")).all()


@pytest.mark.parametrize("layer", LAYERS[:2])
@every_border
def test_the_output_is_the_sum_by_the_weights_that_it_shows(layer, border):
    conv, f = random_layer(layer, C4, 2, 4, 3, 2, border=border), noise(C4, (3, 4))
    affine = conv.affine if layer is L.SimpleAffineSelfConv2d else conv.value_affine
    values = affine(conv.embedding(f) if layer is L.SimpleAffineSelfConv2d else conv.value(f))
    summed = (conv.attention(f).repeat_interleave(2, dim=1) * values).sum(dim=3)
    torch.testing.assert_close(conv(f), conv.output(summed))


@every_layer
def test_the_two_borders_differ_at_the_border_alone(layer):
    zeros, f = random_layer(layer, C4, 2, 4, 3, 2), noise(C4, (4, 5))
    masked = layer(C4, 2, 4, 3, 2, border="masked").double()
    masked.load_state_dict(zeros.state_dict())
    torch.testing.assert_close(zeros(f)[..., 1:-1, 1:-1], masked(f)[..., 1:-1, 1:-1])
    for edge in (zeros(f) - masked(f))[..., 0, :], (zeros(f) - masked(f))[..., -1]:
        assert edge.abs().amax(dim=(0, 1, 2)).min() > 1e-3


@every_border
def test_scores_of_any_size_stay_finite(border):
    layer = random_layer(L.AffineSelfConv2d, C4, 2, 4, 3, 2, border=border)
    f = 1e6 * noise(C4, (4, 5)).requires_grad_()
    layer(f).sum().backward()
    assert layer(f).isfinite().all() and all(p.grad.isfinite().all() for p in layer.parameters())


# --- controls that must fail -----------------------------------------------------------------------------------------

WRONG_BANKS = {
    "only permuted": lambda h, p, group: p[..., group.permutation(h), :, :],
    "only turned": lambda h, p, group: act_on_image(h, p),
    "neither": lambda h, p, group: p,
    "wrong way": lambda h, p, group: act_on_feature_map(inverse(h), p, group),
    "wrong side": lambda h, p, group: act_on_image(h, p[..., group.permutation(inverse(h)), :, :]),
}
AFFINES = [
    (L.AffineSelfConv2d, "key_affine"),
    (L.AffineSelfConv2d, "value_affine"),
    (L.SimpleAffineSelfConv2d, "affine"),
]


def with_banks(layer, affine, psi=None, beta=None):
    """The layer, whose affine map of this name turns ψ or β by another rule."""
    part = getattr(layer, affine)
    right, group = part.banks(), layer.group

    def banks():
        return tuple(
            bank if rule is None else torch.stack([rule(h, p, group) for h in group.elements], dim=1)
            for p, rule, bank in zip((part.psi, part.beta), (psi, beta), right, strict=True)
        )

    part.banks = banks
    return layer


@pytest.mark.parametrize("layer, affine", AFFINES)
@pytest.mark.parametrize("group", [C4, D4], ids=str)
@pytest.mark.parametrize("how", WRONG_BANKS)
def test_a_psi_that_moves_wrongly(how, layer, affine, group):
    wrong = with_banks(random_layer(layer, group, 2, 4, 3, 2), affine, psi=WRONG_BANKS[how])
    assert breaks_equivariance(wrong, group, noise(group, (6, 6)))


@pytest.mark.parametrize("layer, affine", AFFINES)
@every_group_but_C1
def test_a_beta_that_does_not_turn(layer, affine, group):
    conv = random_layer(layer, group, 2, 4, 3, 2)
    assert breaks_equivariance(with_banks(conv, affine, beta=WRONG_BANKS["neither"]), group, noise(group, (6, 6)))


@every_group_but_C1
def test_a_query_psi_that_is_not_permuted(group):
    wrong = with_banks(random_layer(L.AffineSelfConv2d, group, 2, 4, 3, 2), "query_affine", WRONG_BANKS["neither"])
    assert breaks_equivariance(wrong, group, noise(group, (6, 6)))


@pytest.mark.parametrize("group", [C4, D4], ids=str)
@pytest.mark.parametrize("turn", [lambda h, p: p, lambda h, p: act_on_image(inverse(h), p)])
def test_positions_that_do_not_turn(turn, group, monkeypatch):
    def bank(p, group):
        return torch.stack([turn(h, p) for h in group.elements], dim=1)

    monkeypatch.setattr(asc, "lifting_filter_bank", bank)
    layer = random_layer(L.StandAloneSelfAttention2d, group, 2, 4, 3, 2)
    assert breaks_equivariance(layer, group, noise(group, (6, 6)))


def test_a_beta_of_absolute_pixels():
    layer, where = random_layer(L.AffineSelfConv2d, C4, 2, 4, 3), torch.randn(2, 1, 6, 6, dtype=torch.float64)
    assert breaks_equivariance(lambda f: layer(f + where), C4, noise(C4, (6, 6)))


# --- counts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "layer, group, count",
    [
        (L.StandAloneSelfAttention2d, C1, lambda c: 4 * c**2 + 3 * c + 5 * c),
        (L.SimpleAffineSelfConv2d, C1, lambda c: 2 * c**2 + c + 50 * c),
        (L.AffineSelfConv2d, C1, lambda c: 4 * c**2 + 3 * c + 100 * c + 2 * c),
        (L.AffineSelfConv2d, C4, lambda c: 16 * c**2 + 3 * c + 200 * c + 50 * c + 4 * c + c),
    ],
)
@pytest.mark.parametrize("channels", [16, 32])
def test_counts_of_the_paper(layer, group, count, channels):
    parameters = layer(group, channels, channels, 5, heads=8).parameters()
    assert sum(p.numel() for p in parameters) == count(channels)
