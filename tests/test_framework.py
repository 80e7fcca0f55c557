"""The generic operator: layers are instances of it, each instance is equivariant, and a broken condition shows."""

import pytest
import torch

from course_lib import framework as fw
from course_lib import oracles
from course_lib.actions import act_on_feature_map
from course_lib.groups import ALL_GROUPS, C4, D4, Element
from course_lib.layers import E4Layer, GroupConv2d, GroupSelfAttention2d, GSeparableConv2d
from course_lib.wallpaper import Isometry, semidirect_product

every_group = pytest.mark.parametrize("group", ALL_GROUPS, ids=str)
R, M = Element(0, 1), Element(1, 0)


def noise(*shape):
    return torch.randn(shape, dtype=torch.float64)


def moves(group):
    """Every point symmetry, with a shift, and a shift alone."""
    return [Isometry(*h, 2, -3) for h in group.elements] + [Isometry(0, 0, -1, 4)]


def error(got, expected):
    assert got.keys() == expected.keys()
    return max((got[g] - expected[g]).abs().max().item() for g in got)


def broken_by(layer, f, group):
    """The largest |Φ(T_u f) − T_u Φ(f)|."""
    return max(error(layer(fw.transform(u, f)), fw.transform(u, layer(f))) for u in moves(group))


@every_group
@pytest.mark.parametrize("size", [(3, 3), (2, 2), (2, 3)], ids=str)
def test_functions_on_the_group_are_feature_maps(group, size):
    f = noise(2, group.order, *size)
    function = fw.as_function(f, group)
    assert len(function) == group.order * size[0] * size[1]
    assert torch.equal(fw.as_feature_map(function, group), f)
    for u in moves(group):
        moved = fw.as_feature_map(fw.transform(u, function), group)
        assert torch.equal(moved, act_on_feature_map(u.point_part, f, group))


def test_transform_moves_what_stands_at_g_to_ug():
    u, g = Isometry(*R, 5, 0), Isometry(*M, 1, 2)
    assert fw.transform(u, {g: 7}) == {Isometry(*Element(1, 3), 3, 1): 7}


@every_group
def test_relative_positions_do_not_change_when_both_move(group):
    places = moves(group)
    for u in places:
        for g in places:
            for other in places:
                moved = fw.relative_position(semidirect_product(u, g), semidirect_product(u, other))
                assert moved == fw.relative_position(g, other)
                assert semidirect_product(g, moved) == other


@every_group
def test_convolution_is_an_instance(group):
    f = noise(2, group.order, 3, 4)
    conv = GroupConv2d(group, 2, 3, 3, padding="same", bias=False).double()
    got = fw.as_feature_map(fw.convolution(fw.as_function(f, group), conv.weight.detach(), group), group)
    torch.testing.assert_close(got, conv(f[None])[0].detach())
    padded = torch.nn.functional.pad(f, [1] * 4)
    torch.testing.assert_close(got, oracles.group_conv(padded, conv.weight.detach(), group))


def test_separable_convolution_is_an_instance():
    f, conv = noise(2, 4, 3, 3), GSeparableConv2d(C4, 2, 3, 3, padding="same", bias=False).double()
    got = fw.as_feature_map(fw.convolution(fw.as_function(f, C4), conv.filters().detach(), C4), C4)
    torch.testing.assert_close(got, conv(f[None])[0].detach())


@every_group
@pytest.mark.parametrize("kernel, heads", [(3, 2), (5, 1)])
def test_self_attention_is_an_instance(group, kernel, heads):
    f, layer = noise(2, group.order, 2, 3), GroupSelfAttention2d(group, 2, 4, kernel, heads=heads).double()
    parts = [
        fw.as_feature_map(fw.self_attention(fw.as_function(f, group), head, group), group)
        for head in fw.heads_of(layer)
    ]
    torch.testing.assert_close(torch.cat(parts), layer(f[None])[0].detach())


@every_group
def test_every_term_that_sees_relative_positions_alone_is_equivariant(group):
    f, table, mix = fw.as_function(noise(2, group.order, 2, 3), group), noise(2, group.order, 3, 3), noise(2, 2)

    def term(position, x, y):
        return torch.tanh(fw.entry_at(table, position, group) * x + mix @ y) * (x @ y)

    layer = lambda f: fw.equivariant_sum(f, term)  # noqa: E731
    assert broken_by(layer, f, group) < 1e-12
    pairs = fw.pairwise_sum(f, lambda g, other, x, y: term(fw.relative_position(g, other), x, y))
    assert error(layer(f), pairs) == 0


WRONG_POSITIONS = {
    "where g̃ is": lambda g, other: other,
    "where g is": lambda g, other: g,
    "g̃g⁻¹": lambda g, other: semidirect_product(other, fw.semidirect_inverse(g)),
    "gg̃": semidirect_product,
}


@pytest.mark.parametrize("how", WRONG_POSITIONS)
def test_terms_that_see_anything_else_are_not(how):
    f, table = fw.as_function(noise(2, 8, 2, 2), D4), {}

    def weight(position):
        return table.setdefault(position, torch.randn((), dtype=torch.float64))

    def layer(f):
        return fw.pairwise_sum(f, lambda g, other, x, y: weight(WRONG_POSITIONS[how](g, other)) * y)

    assert broken_by(layer, f, D4) > 0.1


def test_pairs_may_differ_while_sums_agree():
    """Theorem 1 is about the sum: terms in f(g) alone that cancel may depend on g and g̃ in any way."""
    f = fw.as_function(noise(2, 4, 1, 2), C4)
    free = {g: noise(len(f)) for g in f}
    free = {g: dict(zip(f, row - row.mean(), strict=True)) for g, row in free.items()}
    plain = fw.equivariant_sum(f, lambda position, x, y: torch.tanh(x) * y)
    with_free_terms = fw.pairwise_sum(f, lambda g, other, x, y: torch.tanh(x) * y + free[g][other] * x)
    assert error(plain, with_free_terms) < 1e-12


@every_group
def test_patches_are_feature_maps(group):
    """Proposition 1: the patch of T_u f at ug is the patch of f at g, entry by entry."""
    f = fw.as_function(noise(2, group.order, 3, 3), group)
    neighborhood = [*(Isometry(*h, 0, 0) for h in group.elements), Isometry(0, 0, 1, 0), Isometry(0, 0, 0, -2)]

    def patches(f):
        return {g: fw.local_patch(f, g, neighborhood) for g in f}

    assert broken_by(patches, f, group) == 0


@pytest.mark.parametrize("group", ALL_GROUPS[1:], ids=str)
def test_patches_in_a_fixed_order_are_not(group):
    f = fw.as_function(noise(2, group.order, 3, 3), group)

    def patches(f):
        return {g: torch.cat([f[Isometry(*h, g.u, g.v)] for h in group.elements]) for g in f}

    assert broken_by(patches, f, group) > 0.1


def test_patches_are_zero_outside():
    f = fw.as_function(noise(2, 1, 1, 2), ALL_GROUPS[0])
    patch = fw.local_patch(f, Isometry(0, 0, 1, 0), [Isometry(0, 0, -1, 0), Isometry(0, 0, 1, 0)])
    assert torch.equal(patch, torch.cat([f[Isometry(0, 0, 0, 0)], torch.zeros(2).double()]))


def test_entry_at_counts_rows_downwards():
    table = torch.arange(36).reshape(4, 3, 3)
    assert fw.entry_at(table, Isometry(0, 0, 1, 1), C4) == 2
    assert fw.entry_at(table, Isometry(0, 2, -1, 0), C4) == 21
    assert fw.entry_at(table, Isometry(0, 2, -2, 0), C4) == 0


def test_a_map_with_gaps_is_refused():
    f = fw.as_function(noise(1, 4, 2, 2), C4)
    del f[Isometry(0, 1, 1, 0)]
    with pytest.raises(KeyError, match="r=1, u=1, v=0"):
        fw.as_feature_map(f, C4)


def along_the_group(group):
    return [Isometry(*h, 0, 0) for h in group.elements]


@every_group
def test_a_matrix_on_all_sheets_is_a_pointwise_group_convolution(group):
    f, matrix = noise(2, group.order, 2, 3), noise(3, 2 * group.order)
    conv = GroupConv2d(group, 2, 3, 1, bias=False).double()
    conv.weight.data = fw.filter_of_matrix(matrix, group)
    function = fw.as_function(f, group)
    mixed = {g: matrix @ fw.local_patch(function, g, along_the_group(group)) for g in function}
    torch.testing.assert_close(fw.as_feature_map(mixed, group), conv(f[None])[0].detach())


@every_group
def test_the_term_of_e4_gives_the_layer_without_its_norm_and_bias(group):
    f, (channels, slices, k) = noise(4, group.order, 4, 3), (4, 2, 3)
    matrices = fw.E4Matrices(noise(3, 4 * group.order), noise(slices, 3, k, k), noise(channels, 4 * group.order))
    function = fw.as_function(f, group)
    patches = {g: fw.local_patch(function, g, along_the_group(group)) for g in function}
    sums = fw.equivariant_sum(patches, lambda position, x, y: fw.e4_term(position, x, y, matrices))
    layer = E4Layer(group, 4, channels, k, slices).double()
    layer.norm = torch.nn.Identity()
    layer.squeeze = GroupConv2d(group, 4, 3, 1, bias=False).double()
    layer.squeeze.weight.data = fw.filter_of_matrix(matrices.squeeze, group)
    layer.encoder.weight.data = fw.filter_of_matrix(matrices.encoder, group)
    layer.kernel_weight.data = matrices.kernel
    torch.nn.init.zeros_(layer.kernel_bias)
    torch.testing.assert_close(fw.as_feature_map(sums, group), layer(f[None])[0].detach())
