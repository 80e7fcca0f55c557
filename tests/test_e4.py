"""E4 layer and E4-Net: the definition in loops, equivariance, another code for C1, controls that must fail."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_lib import layers as L
from course_lib import oracles
from course_lib.actions import act_on_feature_map, act_on_image, translate
from course_lib.checks import assert_equivariant
from course_lib.groups import ALL_GROUPS, C1, C4, D4, inverse
from course_lib.kernels import aggregate, generate_kernels
from course_lib.layers import e4
from course_lib.models.e4net import e4net
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

CONCATS = ["none", "K", "V", "both"]
SETTINGS = [  # in, out, kernel, slices, reduction, concat
    (2, 4, 3, 2, 1, "both"),
    (4, 2, 1, 1, 2, "K"),
    (2, 2, 5, 1, 1, "V"),
    (4, 6, 3, 3, 4, "none"),
]


def random_layer(group, *setting, **options):
    *sizes, concat = setting
    return with_random_parameters(L.E4Layer(group, *sizes, concat=concat, **options).double())


def by_definition(layer, f):
    """The oracle for one feature map (C, |H|, Y, X)."""
    squeeze, encoder = (mix.weight.detach().flatten(2) for mix in (layer.squeeze, layer.encoder))
    norm, kernel = (layer.norm.weight, layer.norm.bias), (layer.kernel_weight, layer.kernel_bias)
    detached = [tuple(p.detach().squeeze(-1) for p in norm), tuple(p.detach() for p in kernel)]
    return oracles.e4(f, squeeze, *detached, encoder, layer.group)


# --- against the definition ------------------------------------------------------------------------------------------


@every_group
@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_it_equals_its_definition(group, setting):
    layer, f = random_layer(group, *setting), noise(group, (3, 4), channels=setting[0])
    expected = torch.stack([by_definition(layer, one) for one in f])
    sees_all = [part.weight.shape[2] == group.order for part in (layer.squeeze, layer.encoder)]
    assert group is C1 or sees_all == [setting[-1] in ("K", "both"), setting[-1] in ("V", "both")]
    assert expected.abs().max() > 0.1
    torch.testing.assert_close(layer(f), expected)


@every_group
def test_the_sum_over_neighbors_by_the_kernels_that_it_shows(group):
    layer, f = random_layer(group, 2, 4, 3, 2, 1, "both"), noise(group, (4, 3))
    kernels = layer.kernels(f)
    assert kernels.shape == (2, 2, group.order, 9, 4, 3)
    windows = L.neighborhoods(layer.encoder(f), 3)  # (B, O, |H|, k², Y, X)
    torch.testing.assert_close(layer(f), (kernels.repeat_interleave(2, dim=1) * windows).sum(dim=3))


@every_group
def test_the_kernel_of_h_is_that_of_the_identity_turned(group):
    """K of L_g f at (gh, gt) is K of f at (h, t), turned by g; g = h⁻¹ takes h to the identity."""
    layer, f = random_layer(group, 2, 4, 3, 2, 1, "both"), noise(group, (4, 3))
    for g in group.elements:
        expected = act_on_windows(g, layer.kernels(f), group)
        torch.testing.assert_close(layer.kernels(act_on_feature_map(g, f, group)), expected)


def involution(x, squeeze, norm, kernel, encoder):
    """For images (B, C, Y, X): every pixel makes the kernels for its window from its own features (Li et al., 2021)."""
    (weight, bias), (slices, hidden, k, _) = kernel, kernel[0].shape
    z = F.instance_norm(torch.einsum("mc,bcyx->bmyx", squeeze, x), weight=norm[0], bias=norm[1]).relu()
    to_kernels = weight.permute(0, 2, 3, 1).reshape(slices * k * k, hidden, 1, 1)
    kernels = F.conv2d(z, to_kernels, bias.flatten()).view(len(x), slices, 1, k * k, -1)
    unfolded = F.unfold(torch.einsum("oc,bcyx->boyx", encoder, x), k, padding=k // 2)
    return (
        (kernels * unfolded.view(len(x), slices, -1, k * k, unfolded.shape[-1]))
        .sum(dim=3)
        .reshape(len(x), -1, *x.shape[2:])
    )


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_C1_is_an_involution(setting):
    layer = random_layer(C1, *setting)
    x = noise(C1, (5, 7), channels=setting[0])
    expected = involution(
        x[:, :, 0],
        layer.squeeze.weight.flatten(1),
        (layer.norm.weight.flatten(), layer.norm.bias.flatten()),
        (layer.kernel_weight, layer.kernel_bias),
        layer.encoder.weight.flatten(1),
    )
    torch.testing.assert_close(layer(x)[:, :, 0], expected)


@pytest.mark.parametrize("concat", CONCATS)
def test_without_features_in_the_generator_it_is_a_depthwise_convolution(concat):
    """With W₂ = 0 all pixels share the kernel b₂, and what is left is linear."""
    layer, f = random_layer(C4, 2, 4, 3, 2, 1, concat), noise(C4, (5, 6))
    nn.init.zeros_(layer.kernel_weight)
    bank = L.lifting_filter_bank(layer.kernel_bias, C4).repeat_interleave(2, dim=0)  # (O, |H|, k, k)
    expected = F.conv2d(layer.encoder(f).flatten(1, 2), bank.flatten(0, 1).unsqueeze(1), padding=1, groups=16)
    torch.testing.assert_close(layer(f).flatten(1, 2), expected)


# --- equivariance ----------------------------------------------------------------------------------------------------


@every_pair(group=ALL_GROUPS, setting=[((7, 7), 3), ((8, 8), 5), ((6, 9), 3), ((2, 3), 5), ((1, 1), 3)], dtype=LIMITS)
def test_it_is_equivariant_with_random_parameters_and_after_training(group, setting, dtype):
    size, kernel = setting
    layer, f = L.E4Layer(group, 2, 4, kernel, slices=2, reduction=2).to(dtype), noise(group, size, dtype)
    assert assert_equivariant(with_random_parameters(layer), group, f).error < LIMITS[dtype]
    assert assert_equivariant(trained(layer, f), group, f).error < LIMITS[dtype]


@every_group
@pytest.mark.parametrize("concat", CONCATS)
def test_every_concatenation_is_equivariant(group, concat):
    layer, f = random_layer(group, 2, 4, 3, 1, 1, concat), noise(group, (4, 5))
    assert assert_equivariant(layer, group, f).error < 1e-13
    assert layer(f).abs().max() > 0.1


@every_group
def test_it_commutes_with_translations(group):
    layer, f = random_layer(group, 2, 4, 3, 2, 1, "both"), F.pad(noise(group, (3, 4)), [4] * 4)
    for t in [(1, 0), (-2, 3)]:
        torch.testing.assert_close(layer(translate(t, f)), translate(t, layer(f)))


def test_concatenation_is_what_mixes_the_sheets():
    """Without it a change of sheet h changes the output in sheet h alone, but for the statistics of the norm."""
    f = noise(C4, (5, 5))
    changed = f.clone()
    changed[:, :, 2] = f[:, :, 2].flip(-1)  # the same values: mean and variance stay
    for concat in CONCATS:
        layer = random_layer(C4, 2, 4, 3, 1, 1, concat)
        others = (layer(changed) - layer(f)).abs()[:, :, [0, 1, 3]].max()
        assert others < 1e-12 if concat == "none" else others > 1e-3


def test_initial_variance_is_kept():
    layer, f = L.E4Layer(C4, 32, 32, 5, slices=2), noise(C4, (16, 16), torch.float32, 8, 32)
    inside = layer(f)[..., 2:-2, 2:-2]
    assert 0.5 < inside.square().mean() / layer.encoder(f).square().mean() < 2


# --- controls that must fail -----------------------------------------------------------------------------------------

WRONG_BANKS = {
    "kernel not turned": lambda h, p: p if p.ndim == 4 else act_on_image(h, p),
    "bias not turned": lambda h, p: p if p.ndim == 3 else act_on_image(h, p),
    "nothing turned": lambda h, p: p,
}


@every_group_but_C1
@pytest.mark.parametrize("how", WRONG_BANKS)
def test_kernels_that_do_not_turn(how, group, monkeypatch):
    monkeypatch.setattr(e4, "lifting_filter_bank", _bank(WRONG_BANKS[how]))
    assert breaks_equivariance(random_layer(group, 2, 4, 3, 2, 1, "both"), group, noise(group, (6, 6)))


@pytest.mark.parametrize("group", [C4, D4], ids=str)  # in the others every element is its own inverse
def test_kernels_that_turn_the_wrong_way(group, monkeypatch):
    monkeypatch.setattr(e4, "lifting_filter_bank", _bank(lambda h, p: act_on_image(inverse(h), p)))
    assert breaks_equivariance(random_layer(group, 2, 4, 3, 2, 1, "both"), group, noise(group, (6, 6)))


def _bank(turn):
    return lambda psi, group: torch.stack([turn(h, psi) for h in group.elements], dim=1)


class FixedOrder(nn.Module):
    """Concatenates f(t, h̃) in the order of h̃ at every h, instead of f(t, ha) in the order of a."""

    def __init__(self, conv):
        super().__init__()
        self.weight = conv.weight

    def forward(self, f):
        return torch.einsum("ocg,bcgyx->boyx", self.weight.flatten(2), f)[:, :, None].expand(-1, -1, f.shape[2], -1, -1)


@every_group_but_C1
@pytest.mark.parametrize("part", ["squeeze", "encoder"])
def test_concatenation_in_a_fixed_order(part, group):
    layer = random_layer(group, 2, 4, 3, 2, 1, "both")
    setattr(layer, part, FixedOrder(getattr(layer, part)))
    assert breaks_equivariance(layer, group, noise(group, (6, 6)), part)


@every_group_but_C1
def test_affine_per_element_is_exact_only_as_long_as_it_is_new(group):
    layer = L.E4Layer(group, 2, 4, 3, affine="per_element", allow_approximate=True).double()
    f = noise(group, (6, 6))
    assert assert_equivariant(layer, group, f).error < 1e-13
    for parameter in (layer.norm.weight, layer.norm.bias):
        before = parameter.detach().clone()
        nn.init.normal_(parameter)
        assert breaks_equivariance(layer, group, f, "norm")
        parameter.data.copy_(before)
    assert breaks_equivariance(trained(layer, f), group, f, "norm", by=1e-4)


def test_a_window_that_is_not_centred(monkeypatch):
    """All else is right, but every pixel takes the window of the one to its left."""

    def beside(hidden, values, weight, bias):
        return aggregate(generate_kernels(hidden, weight, bias), values.roll(1, dims=-1))

    monkeypatch.setattr(e4, "generate_and_aggregate", beside)
    assert breaks_equivariance(random_layer(C4, 2, 4, 3, 2, 1, "both"), C4, noise(C4, (6, 6)))


# --- E4-Net ----------------------------------------------------------------------------------------------------------

# Parameters of the networks of Tables 1 to 3, with the norm of the released code, and as the layer's formula has it.
RELEASED = [
    ({}, 18_694),
    ({"slices": 1}, 16_144),
    ({"slices": 4}, 23_794),
    ({"reduction": 2}, 12_838),
    ({"reduction": 4}, 9_910),
    ({"kernel_size": 3}, 15_430),
    ({"kernel_size": 7}, 23_590),
    ({"concat": "K"}, 14_086),
    ({"concat": "V"}, 14_086),
    ({"concat": "none"}, 9_478),
    ({"width": 24, "slices": 3}, 40_852),
]


def count(net):
    return sum(p.numel() for p in net.parameters())


@pytest.mark.parametrize("options, parameters", RELEASED, ids=str)
def test_counts_of_the_released_networks(options, parameters):
    assert count(e4net(affine="per_element", **options)) == parameters
    hidden = options.get("width", 16) // options.get("reduction", 1)
    assert parameters - count(e4net(**options)) == 6 * hidden * 2 * 3  # six layers, gain and bias, three more sheets


def test_counts_with_a_shared_norm():
    assert count(e4net()) == 18_118 and count(e4net(width=24, slices=3)) == 39_988


@every_group
@pytest.mark.parametrize("slices, reduction", [(1, 1), (2, 4), (4, 2)])
def test_parameters_of_a_layer(group, slices, reduction):
    """Section 4.2 with in- and output apart, and what it leaves out: b₂, and gain and bias of the norm."""
    (c, o, k), (s, r, order) = (8, 4, 3), (slices, reduction, group.order)
    layer = L.E4Layer(group, c, o, k, s, r)
    assert count(layer) == c * order * (c // r + o) + s * k * k * (c // r + 1) + 2 * (c // r)


@every_group
def test_e4net_is_invariant(group):
    x, larger = (torch.randn(2, 1, size, size, dtype=torch.float64) for size in (28, 32))
    net = trained(e4net(group, 2, kernel_size=3).double(), x, steps=2).eval()
    scores = net(x)
    assert scores.shape == (2, 10) and (scores[0] - scores[1]).abs().max() > 1e-3
    assert assert_equivariant(net, group, x).error < 1e-12
    assert assert_equivariant(net, group, larger[:1]).error < 1e-12


def test_e4net_refuses_other_sizes_rightly():
    images = {size: torch.randn(2, 1, size, size, dtype=torch.float64) for size in (27, 29, 30, 31)}
    net = with_random_parameters(e4net(C4, 4, kernel_size=3)).double()
    for x in images.values():
        with pytest.raises(ValueError, match="Use a height of"):
            net(x)
    net.pool2.allow_approximate = net.pool4.allow_approximate = True
    for x in images.values():
        assert breaks_equivariance(net, C4, x)


def test_e4net_with_the_released_norm_is_not_invariant_once_trained():
    x = torch.randn(2, 1, 28, 28, dtype=torch.float64)
    net = e4net(C4, 4, kernel_size=3, affine="per_element").double()
    assert assert_equivariant(net, C4, x).error < 1e-12
    assert breaks_equivariance(trained(net, x), C4, x, "e4_2.norm")
