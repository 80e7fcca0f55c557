"""Groups beyond the square lattice: C8, C16 and others, by steerable filters."""

import math
import pickle
import re
from fractions import Fraction

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_lib import layers as L
from course_lib import oracles
from course_lib.actions import act_on_feature_map, act_on_image, rotate_by_angle
from course_lib.checks import assert_equivariant, relative_error
from course_lib.experiments import find, with_laptop_recipe
from course_lib.figures.steerable import hexagons
from course_lib.groups import (
    ALL_GROUPS,
    C2,
    C4,
    C8,
    C16,
    D8,
    Element,
    Group,
    compose,
    generate,
    inverse,
    left_cosets,
    left_permutation,
    matrix,
)
from course_lib.interpolation import positions, windowed_sinc
from course_lib.models import p4cnn, sfcnn, small_sfcnn
from course_lib.steerable import basis, ring_wave, steer, turned_basis
from course_lib.steerable import waves as waves_of
from layer_helpers import every_pair

C3 = Group("C3", generate([Element(0, Fraction(4, 3))]))
C12 = Group("C12", generate([Element(0, Fraction(1, 3))]))
BEYOND = (C3, C8, C12, D8, C16)
EIGHTH = Element(0, Fraction(1, 2))


def seeded(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def waves(points, shortest):
    """A picture without detail finer than so many pixels, at any points (..., 2): forty plane waves."""
    generator = torch.Generator().manual_seed(1)
    angles, sizes, phases = torch.rand(3, 40, generator=generator, dtype=torch.float64)
    vectors = torch.stack([(2 * math.pi * angles).cos(), (2 * math.pi * angles).sin()]) * sizes.sqrt()
    return (points @ vectors * 2 * math.pi / shortest + 2 * math.pi * phases).cos().sum(-1)


def in_disk(f, margin):
    size = f.shape[-1]
    return f[..., positions(size, size).norm(dim=-1) <= size / 2 - margin]


# --- groups ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("group, order", list(zip(BEYOND, (3, 8, 12, 16, 16), strict=True)), ids=str)
def test_orders_products_and_matrices(group, order):
    assert group.order == order and not group.is_exact
    for g in group.elements:
        assert compose(g, inverse(g)) == group.elements[0] == Element(0, 0)
        for k in group.elements:
            assert matrix(compose(g, k)) == pytest.approx(matrix(g) @ matrix(k))


def test_groups_of_the_lattice_lie_in_those_beyond():
    assert C8.is_subgroup(C4) and C16.is_subgroup(C8) and not C12.is_subgroup(C8)
    assert C8.subgroups[:3] == ALL_GROUPS[:3] and C16.subgroups[-2] is C8
    assert all(group.is_exact for group in ALL_GROUPS)
    assert [str(g) for g in C8.elements[:3]] == ["e", "r^(1/2)", "r"]


@pytest.mark.parametrize("group, count", [(C12, 6), (D8, 19)], ids=str)
def test_number_of_subgroups(group, count):
    assert len(group.subgroups) == count


def test_subgroups_that_no_pair_of_elements_generates():
    """Three switches: the whole group has eight elements, and any two of them generate four at most."""
    switches = Group("Z2³", tuple(range(8)), product=lambda a, b: a ^ b)
    assert [s.order for s in switches.subgroups] == [1] + 7 * [2] + 7 * [4] + [8]


@pytest.mark.parametrize("group", (*ALL_GROUPS, *BEYOND), ids=str)
def test_what_the_cayley_table_says_is_what_the_definitions_say(group):
    for g in group.elements:
        assert group.permutation(g) == left_permutation(g, group.elements)
    for subgroup in group.subgroups:
        assert group.left_cosets(subgroup) == left_cosets(group.elements, subgroup.elements)


def test_a_group_is_pickled_with_its_product():
    assert pickle.loads(pickle.dumps(C8)) == C8


# --- turning images --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("g", [EIGHTH, Element(1, Fraction(1, 3)), Element(0, Fraction(11, 4))], ids=str)
def test_smooth_images_turn_nearly_exactly(g):
    size, back = 41, torch.tensor(matrix(g))
    f, expected = waves(positions(size, size), 6), waves(positions(size, size) @ back, 6)
    assert relative_error(in_disk(act_on_image(g, f), 7), in_disk(expected, 7)) < 0.004
    bilinear = rotate_by_angle(45, f[None, None])[0, 0]
    eighth = waves(positions(size, size) @ torch.tensor(matrix(EIGHTH)), 6)
    assert relative_error(in_disk(bilinear, 7), in_disk(eighth, 7)) > 0.02


def test_sinc_and_bilinear_turn_the_same_way_on_maps_of_any_axes():
    f = waves(positions(21, 31), 12).expand(2, 3, 21, 31)
    nearly = rotate_by_angle(30, f)
    exactly = windowed_sinc(math.pi / 6, f)
    assert exactly.shape == f.shape and relative_error(exactly[..., 7:-7, 12:-12], nearly[..., 7:-7, 12:-12]) < 0.05
    torch.testing.assert_close(windowed_sinc(math.pi / 6, f[0, 0]), exactly[0, 0])


# --- the basis -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 9])
def test_basis_on_pixels(size):
    sampled = basis(positions(size, size), size).flatten(0, 1)
    count = ((size + 1) // 2) ** 2
    assert sampled.shape == (size**2, count) and sum(2 if m else 1 for _, m in waves_of(size)) == count
    torch.testing.assert_close(sampled.square().sum(), torch.tensor(count).double())
    assert torch.linalg.matrix_rank(sampled) == count


@pytest.mark.parametrize("group", BEYOND, ids=str)
@pytest.mark.parametrize("size", [4, 5], ids=str)
def test_turned_basis_is_the_continuous_filter_at_turned_points(group, size):
    banks = turned_basis(group, size)
    weights = seeded(banks.shape[-1])
    for h, bank in zip(group.elements, banks, strict=True):
        expected = oracles.steerable_filter(weights, h, size)
        torch.testing.assert_close((bank @ weights).view(size, size), expected, rtol=0, atol=1e-12)


def test_no_wave_is_shorter_than_pixels_can_carry():
    for size in range(4, 12):
        assert all(2 * math.pi * radius / m > 3.9 for radius, m in waves_of(size) if m)


def test_a_wave_is_a_ring_times_a_cosine():
    points = torch.tensor([[2.0, 0], [0, 2], [-2, 0], [0, 0], [4, 0]]).double()
    cos, sin = ring_wave(points, 2.0, 1).T
    torch.testing.assert_close(cos[:3], torch.tensor([1.0, 0, -1]).double())
    torch.testing.assert_close(sin[:3], torch.tensor([0.0, 1, 0]).double())
    assert ring_wave(points, 2.0, 0).shape == (5, 1) and cos[4] < 0.01


@pytest.mark.parametrize("angle", [0.3, -2, math.pi / 4])
def test_steered_weights_are_those_of_the_turned_filter(angle):
    points, weights = seeded(20, 2) * 2, seeded(3, 16, seed=2)
    cos, sin = math.cos(angle), math.sin(angle)
    before = points @ torch.tensor([[cos, -sin], [sin, cos]]).double()
    steered = basis(points, 7) @ steer(weights, angle, 7).T
    torch.testing.assert_close(steered, basis(before, 7) @ weights.T)


# --- layers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("group, size", [(C3, 2), (C3, 5), (C8, 4), (C12, 3), (D8, 3), (C16, 3)], ids=str)
def test_layers_equal_the_oracles(group, size):
    lift, conv = L.LiftingConv2d(group, 2, 2, size).double(), L.GroupConv2d(group, 1, 2, size, bias=False).double()
    image, f = seeded(2, 6, 7), seeded(1, group.order, 5, 6)
    for layer, x, oracle in ((lift, image, oracles.steerable_lifting_conv), (conv, f, oracles.steerable_group_conv)):
        with torch.no_grad():
            layer.basis.copy_(turned_basis(group, size))  # in float64, not rounded by way of float32
            expected = oracle(x, layer.weight[..., 0], group, size)
            torch.testing.assert_close(layer(x[None])[0], expected, rtol=0, atol=1e-10)


@every_pair(group=BEYOND, shape=[(9, 9), (8, 8), (6, 9)], dtype=[torch.float32, torch.float64])
def test_exact_under_those_elements_that_take_the_lattice_to_itself(group, shape, dtype):
    net = nn.Sequential(L.LiftingConv2d(group, 1, 2, 5, padding=2), nn.ReLU(), L.GroupConv2d(group, 2, 2, 4, padding=1))
    net, x = net.to(dtype), seeded(2, 1, *shape).to(dtype)
    whole = [g for g in group.elements if g.r.denominator == 1]
    for g in whole:
        error = relative_error(net(act_on_image(g, x)), act_on_feature_map(g, net(x), group))
        assert error < (1e-5 if dtype == torch.float32 else 1e-13)
    for g in set(group.elements) - set(whole):  # noise is not smooth: nothing is promised
        turned = act_on_feature_map(g, net(x), group)
        assert relative_error(net(act_on_image(g, x)), turned) > 0.01


class Interpolated(nn.Module):
    """A lift and a group convolution whose filters are pixels, turned by interpolation: what one would try first."""

    def __init__(self, size):
        super().__init__()
        self.size, self.psi, self.phi = size, seeded(3, 1, size, size), seeded(3, 3, 8, size, size, seed=1)

    def forward(self, x):
        lifted = [turned(h, self.psi) for h in C8.elements]
        y = F.conv2d(x, torch.stack(lifted, 1).flatten(0, 1), padding=self.size // 2)
        bank = [turned(h, self.phi[:, :, C8.permutation(h)].flatten(1, 2)) for h in C8.elements]
        z = F.conv2d(y, torch.stack(bank, 1).flatten(0, 1), padding=self.size // 2)
        return z.unflatten(1, (3, 8))


def turned(h, psi):
    return rotate_by_angle(float(90 * h.r), psi)


@pytest.mark.parametrize("size", [5, 7, 9])
def test_c8_at_multiples_of_45_degrees_below_two_percent_and_interpolated_c8_beside_it(size):
    torch.manual_seed(0)
    half = size // 2
    lift, conv = L.LiftingConv2d(C8, 1, 3, size, padding=half), L.GroupConv2d(C8, 3, 3, size, padding=half)
    steerable, side = nn.Sequential(lift, conv).double(), 49
    for net, below, above in ((steerable, 0.02, 0), (Interpolated(size), math.inf, 0.15)):
        with torch.no_grad():
            y = net(waves(positions(side, side), 10)[None, None])
            for g in C8.elements:
                x = waves(positions(side, side) @ torch.tensor(matrix(g)).double(), 10)[None, None]
                error = relative_error(in_disk(net(x), 14), in_disk(act_on_feature_map(g, y, C8), 14))
                exact = g.r.denominator == 1
                assert error < (1e-10 if exact else below) and (exact or error > above)


def test_weights_have_the_spread_of_plain_filters():
    torch.manual_seed(0)
    plain, steerable = L.GroupConv2d(C4, 16, 64, 7), L.GroupConv2d(C8, 8, 64, 7)
    sizes = [layer.filter_bank()[:, 0].flatten(1).norm(dim=1).mean().item() for layer in (plain, steerable)]
    assert sizes[1] == pytest.approx(sizes[0], rel=0.1)


@pytest.mark.parametrize(
    "make",
    [L.GSeparableConv2d, L.GCSeparableConv2d, L.E4Layer, L.GroupSelfAttention2d],
    ids=lambda layer: layer.__name__,
)
def test_layers_that_move_pixels_refuse_other_groups(make):
    with pytest.raises(ValueError, match="moves pixels, and C8 does not take the square lattice to itself: use one of"):
        make(C8, 4, 4, 3)


def test_strides_are_exact_or_refused_as_on_the_lattice():
    with pytest.raises(ValueError, match="cannot be equivariant to C8 on height 8"):
        L.LiftingConv2d(C8, 1, 1, 3, stride=2)(torch.zeros(1, 1, 8, 8))
    assert L.LiftingConv2d(C3, 1, 1, 3, stride=2)(torch.zeros(1, 1, 8, 8)).shape == (1, 1, 3, 3, 3)


def test_state_types_and_meta():
    layer = L.GroupConv2d(C8, 2, 2, 5)
    assert L.GroupConv2d(C8, 2, 2, 5).load_state_dict(layer.state_dict())
    with pytest.raises(RuntimeError, match=re.escape("are those of C8, but the layer is built for D4")):
        L.GroupConv2d(Group("D4", tuple(ALL_GROUPS[-1].elements)), 2, 2, 5).load_state_dict(layer.state_dict())
    with torch.device("meta"):
        built = L.GroupConv2d(C8, 2, 2, 5)
    built = built.to_empty(device="cpu")
    built.reset_parameters()
    assert torch.equal(built.basis, layer.basis) and torch.equal(built.elements, layer.elements)
    assert layer.half().double().elements.tolist() == built.elements.tolist()


# --- networks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("build", [lambda: p4cnn(C8, 2), lambda: sfcnn(C8, 3), lambda: sfcnn(C2, 3)])
def test_networks_are_exact_under_quarter_turns_that_their_group_has(build):
    net = build().double().eval()
    lattice = C4 if net.conv1.group is C8 else C2
    assert_equivariant(net, lattice, seeded(1, 1, 28, 28))


def test_sfcnn_learns_and_stays_exact():
    torch.manual_seed(0)
    net = sfcnn(C8, 3).double()
    x, labels = seeded(6, 1, 28, 28), torch.arange(6)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        losses.append(F.cross_entropy(net(x), labels))
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < losses[0]
    assert_equivariant(net.eval(), C4, x)


@pytest.mark.parametrize("group, width", [(C4, 6), (C8, 7), (C16, 5)], ids=str)
def test_the_small_network_takes_small_images_and_is_as_large_on_every_group(group, width):
    net = small_sfcnn(group, width).double().eval()
    assert 20_000 < sum(p.numel() for p in net.parameters()) < 23_000
    assert_equivariant(net, C4, seeded(1, 1, 14, 14))


def test_hexagons_are_described():
    picture = hexagons({"ψ": {(0, 0): 1.0, (1, 0): -1.0}, "turned": {(0, 0): 1.0, (0, 1): -1.0}})
    assert picture.alt == "2 hexagonal cells, colored by value, 2 times: ψ; turned."


def test_the_row_of_sfcnn():
    row = find("sfcnn")
    assert row.group is C16 and row.percent == 0.714 and with_laptop_recipe(row).recipe.name == "laptop"
    assert find("sfcnn-c8").recipe == row.recipe and find("sfcnn-c8").percent is None and not find("sfcnn-c8").source
    counts = row.counts()
    assert counts.parameters == 2_319_298 and counts.executed == counts.macs == 9_161_163_072
