"""Every layer against its oracle, for equivariance under every element, and against controls that must fail."""

import copy
import re
from collections import OrderedDict
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_lib import layers as L
from course_lib import oracles
from course_lib.actions import act_on_feature_map, act_on_image, translate
from course_lib.checks import assert_equivariant, equivariance_error
from course_lib.groups import ALL_GROUPS, C1, C2, C4, D1, D2, D4, inverse
from course_lib.layers.base import exact_sizes, left_over
from course_lib.models import p4cnn
from layer_helpers import every_group, every_pair, trained

SIZES = [(7, 7), (8, 8), (6, 9)]
DTYPES = [torch.float32, torch.float64]
CONVS = [L.LiftingConv2d, L.GroupConv2d]
SUBGROUPS = [(group, subgroup) for group in ALL_GROUPS for subgroup in group.subgroups]
ERROR_IN_FLOAT32 = 1e-5

every_size = pytest.mark.parametrize("size", SIZES, ids=str)
every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=str)


# --- against the oracles ---------------------------------------------------------------------------------------------


@every_group
@pytest.mark.parametrize("kernel, padding, stride", [(1, 0, 1), (2, 1, 1), (3, 0, 1), (3, 1, 2)])
def test_lifting_equals_its_definition(group, kernel, padding, stride):
    layer = L.LiftingConv2d(group, 2, 2, kernel, padding=padding, stride=stride).double()
    nn.init.normal_(layer.bias)
    image = torch.randn(2, 5, 3, dtype=torch.float64)
    expected = oracles.lifting_conv(F.pad(image, [padding] * 4), layer.weight.detach(), group)[..., ::stride, ::stride]
    torch.testing.assert_close(layer(image[None])[0], expected + layer.bias[:, None, None, None])


@every_group
@pytest.mark.parametrize("kernel, padding, stride", [(1, 0, 1), (2, 1, 1), (3, 1, 2)])
def test_group_conv_equals_its_definition(group, kernel, padding, stride):
    layer = L.GroupConv2d(group, 2, 2, kernel, padding=padding, stride=stride).double()
    nn.init.normal_(layer.bias)
    f = torch.randn(2, group.order, 3, 5, dtype=torch.float64)
    expected = oracles.group_conv(F.pad(f, [padding] * 4), layer.weight.detach(), group)[..., ::stride, ::stride]
    torch.testing.assert_close(layer(f[None])[0], expected + layer.bias[:, None, None, None])


@every_group
def test_the_gather_is_the_readable_filter_bank(group):
    lifting, inner = L.LiftingConv2d(group, 2, 3, 3), L.GroupConv2d(group, 2, 3, 3)
    assert torch.equal(lifting.filter_bank(), L.lifting_filter_bank(lifting.weight, group))
    assert torch.equal(inner.filter_bank(), L.group_filter_bank(inner.weight, group))


def test_C1_is_the_ordinary_convolution():
    layer, x = L.LiftingConv2d(C1, 3, 4, 3, padding=1), torch.randn(2, 3, 6, 8)
    torch.testing.assert_close(layer(x)[:, :, 0], F.conv2d(x, layer.weight, layer.bias, padding=1))


def test_correlate_is_conv2d():
    f, psi = torch.randn(6, 5, dtype=torch.float64), torch.randn(3, 3, dtype=torch.float64)
    torch.testing.assert_close(oracles.correlate(f, psi), F.conv2d(f[None, None], psi[None, None])[0, 0])


@pytest.mark.parametrize("group, subgroup", SUBGROUPS, ids=str)
def test_coset_pool_equals_its_definition(group, subgroup):
    f = torch.randn(2, 3, group.order, 4, 5)
    pooled = L.CosetMaxPool(group, subgroup)(f)
    assert torch.equal(pooled[1, 2], oracles.coset_max_pool(f[1, 2], group, subgroup))


@every_group
def test_group_and_global_pool_are_the_largest_coset_pool(group):
    f = torch.randn(2, 3, group.order, 4, 5)
    assert torch.equal(L.GroupMaxPool(group)(f)[0, 1], oracles.coset_max_pool(f[0, 1], group, group)[0])
    assert torch.equal(L.GlobalMaxPool(group)(f), f.flatten(2).max(dim=2).values)


@pytest.mark.parametrize("size, stride", [(2, 2), (3, 2), (3, 1)])
@pytest.mark.parametrize("how, layer", [("max", L.SpatialMaxPool2d), ("mean", L.SpatialAvgPool2d)])
def test_spatial_pool_equals_its_definition(how, layer, size, stride):
    f = torch.randn(2, 3, 4, 4 + size, 8 + size)
    pooled = layer(C4, size, stride)(f)
    torch.testing.assert_close(pooled[1, 2, 3], oracles.spatial_pool(f[1, 2, 3], size, stride, how))


@every_group
def test_batch_norm_equals_its_definition(group):
    norm = randomized(L.GroupBatchNorm(group, 3).double())
    f = torch.randn(4, 3, group.order, 3, 5, dtype=torch.float64)
    expected = oracles.batch_norm(f, norm.weight.tolist(), norm.bias.tolist())
    torch.testing.assert_close(norm.train()(f), expected)


# --- equivariance under every element --------------------------------------------------------------------------------


def randomized(net):
    """Random norm statistics, gains and biases, as after a long training."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm3d):
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    return net


def small_net(group, pool=2):
    return L.EquivariantSequential(
        L.LiftingConv2d(group, 2, 4, 3, padding=1),
        L.GroupBatchNorm(group, 4),
        nn.ReLU(),
        L.GroupConv2d(group, 4, 3, 3, padding=1),
        L.GroupDropout(group, 0.2),
        L.SpatialMaxPool2d(group, pool, 2),
        L.GroupConv2d(group, 3, 4, 2, padding=1),
    )


def noise_for(layer, size, dtype, group):
    axes = (2,) if isinstance(layer, L.LiftingConv2d) else (2, group.order)
    return torch.randn(2, *axes, *size, dtype=dtype)


@every_pair(group=ALL_GROUPS, layer=CONVS, window=[(3, "same"), (3, 0), (2, 1), (5, 1)], size=SIZES, dtype=DTYPES)
def test_convolutions_are_equivariant(group, layer, window, size, dtype):
    kernel, padding = window
    conv = layer(group, 2, 3, kernel, padding=padding).to(dtype)
    nn.init.normal_(conv.bias)
    x = noise_for(conv, size, dtype, group)
    report = assert_equivariant(conv, group, x)
    assert report.error < (1e-14 if dtype == torch.float64 else ERROR_IN_FLOAT32)


@every_pair(group=ALL_GROUPS, layer=CONVS, dtype=DTYPES)
def test_strided_convolutions_are_equivariant_where_the_size_fits(group, layer, dtype):
    conv = layer(group, 2, 3, 3, padding=1, stride=2).to(dtype)
    assert_equivariant(conv, group, noise_for(conv, (7, 9), dtype, group))


@every_pair(group=ALL_GROUPS, fitting=[((7, 7), 3), ((8, 8), 2), ((6, 10), 2)], dtype=DTYPES)
def test_a_net_stays_equivariant_after_training(group, fitting, dtype):
    size, pool = fitting
    x = torch.randn(4, 2, *size, dtype=dtype)
    net = trained(randomized(small_net(group, pool)).to(dtype), x)
    report = assert_equivariant(net, group, x)
    assert set(report.by_layer()) == {*"0123456", "(output)"} and not report.not_compared


@every_group
@every_dtype
def test_training_mode_is_equivariant_too(group, dtype):
    """Batch statistics and a mask per channel do not see the group: with the same random numbers, L_g passes."""
    net, x = small_net(group).to(dtype), torch.randn(4, 2, 8, 8, dtype=dtype)
    for g in group.elements:
        torch.manual_seed(1)
        expected = act_on_feature_map(g, net(x), group)
        torch.manual_seed(1)
        torch.testing.assert_close(net(act_on_image(g, x)), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("group, subgroup", SUBGROUPS, ids=str)
def test_coset_pool_is_equivariant(group, subgroup):
    pool, f = L.CosetMaxPool(group, subgroup), torch.randn(2, 3, group.order, 6, 9)
    assert assert_equivariant(pool, group, f).error == 0
    for g in group.elements:
        assert torch.equal(pool(act_on_feature_map(g, f, group)), act_on_feature_map(g, pool(f), group, subgroup))


@every_group
@every_size
def test_group_and_global_pool(group, size):
    f = torch.randn(2, 3, group.order, *size)
    assert assert_equivariant(L.GroupMaxPool(group), group, f).error == 0
    assert assert_equivariant(L.GlobalMaxPool(group), group, f).error == 0


@every_pair(
    group=ALL_GROUPS, layer=[L.SpatialMaxPool2d, L.SpatialAvgPool2d], fitting=[((8, 8), 2), ((6, 10), 2), ((7, 9), 3)]
)
def test_spatial_pools_are_equivariant(group, layer, fitting):
    size, window = fitting
    pool = layer(group, window, 2).double()
    assert_equivariant(pool, group, torch.randn(2, 3, group.order, *size, dtype=torch.float64))
    assert_equivariant(pool, group, torch.randn(2, 3, *size, dtype=torch.float64))


@pytest.mark.parametrize("layer", CONVS)
@every_group
def test_convolutions_commute_with_translations(layer, group):
    conv = layer(group, 2, 3, 3, padding=1, bias=False).double()
    x = F.pad(noise_for(conv, (4, 4), torch.float64, group), [4] * 4)
    for t in [(1, 0), (-2, 3)]:
        torch.testing.assert_close(conv(translate(t, x)), translate(t, conv(x)))


@pytest.mark.parametrize("group, width, count", [(C1, 20, 21_750), (C4, 10, 24_680)], ids=str)
def test_p4cnn_counts(group, width, count):
    assert sum(p.numel() for p in p4cnn(group, width).parameters()) == count


@every_group
def test_p4cnn_is_invariant(group):
    x = torch.randn(3, 1, 28, 28, dtype=torch.float64)
    net = trained(randomized(p4cnn(group, 3).double()), x)
    assert net(x).shape == (3, 10)
    assert_equivariant(net, group, x)


# --- controls that must fail -----------------------------------------------------------------------------------------


def broken_bank(group, how):
    """A group convolution that is wrong in one way."""
    act_on_filter = {
        "turns": act_on_image,
        "permutes": lambda h, psi: psi[..., group.permutation(h), :, :],
        "way": lambda h, psi: act_on_feature_map(inverse(h), psi, group),
        "side": lambda h, psi: act_on_image(h, psi[..., group.permutation(inverse(h)), :, :]),
    }[how]
    conv = L.GroupConv2d(group, 2, 3, 3, padding=1).double()
    bank = torch.stack([act_on_filter(h, conv.weight) for h in group.elements], dim=1).detach()
    return lambda f: F.conv2d(f.flatten(1, 2), bank.flatten(0, 1).flatten(1, 2), padding=1).unflatten(
        1, (3, group.order)
    )


@pytest.mark.parametrize("group", [C4, D4], ids=str)
@pytest.mark.parametrize("how", ["turns", "permutes", "way", "side"])
def test_wrong_filter_banks_are_not_equivariant(group, how):
    f = torch.randn(2, 2, group.order, 7, 7, dtype=torch.float64)
    with pytest.raises(AssertionError, match="not equivariant"):
        assert_equivariant(broken_bank(group, how), group, f)


@pytest.mark.parametrize("group", ALL_GROUPS[1:], ids=str)
def test_norm_per_sheet_is_not_equivariant_after_training(group):
    x = torch.randn(4, 2, group.order, 6, 6, dtype=torch.float64)
    per_sheet = nn.Sequential(nn.Flatten(1, 2), nn.BatchNorm2d(2 * group.order), nn.Unflatten(1, (2, group.order)))
    assert_equivariant(per_sheet.double(), group, x)  # at initialization all sheets are treated alike
    with pytest.raises(AssertionError, match="not equivariant"):
        assert_equivariant(trained(per_sheet, x), group, x)


@pytest.mark.parametrize("group", ALL_GROUPS[1:], ids=str)
@pytest.mark.parametrize(
    "layer, size",
    [
        (lambda g: L.SpatialMaxPool2d(g, 2, allow_approximate=True), 7),
        (lambda g: L.GroupConv2d(g, 2, 2, 3, padding=1, stride=2, allow_approximate=True), 8),
        (lambda g: L.GroupConv2d(g, 2, 2, 2, padding="same", allow_approximate=True), 8),
    ],
    ids=["pool on odd", "stride on even", "even kernel, same"],
)
# torch says that it pads one border more for an even kernel, which is the very point here
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
def test_what_is_refused_is_truly_not_equivariant(layer, size, group):
    f = torch.randn(1, 2, group.order, size, size, dtype=torch.float64)
    assert equivariance_error(layer(group).double(), group, f).error > 1e-2


def test_D1_leaves_the_rows_alone():
    """Only the columns run backwards under the mirror of D1, so only the width has to fit."""
    pool = L.SpatialMaxPool2d(D1, 2)
    assert_equivariant(pool, D1, torch.randn(1, 2, 2, 7, 8))
    with pytest.raises(ValueError, match="width 7"):
        pool(torch.randn(1, 2, 2, 8, 7))


def test_an_ordinary_cnn_is_not_equivariant():
    x = torch.randn(2, 1, 28, 28, dtype=torch.float64)
    with pytest.raises(AssertionError, match="first layer above the tolerance: conv1"):
        assert_equivariant(p4cnn(C1, 4).double(), C4, x)


def test_state_dict_holds_parameters_and_the_group_and_copies_work():
    layer = L.GroupConv2d(C4, 2, 2, 3).eval()
    assert set(layer.state_dict()) == {"weight", "bias", "elements"}
    x = torch.randn(1, 2, 4, 5, 5)
    assert torch.equal(copy.deepcopy(layer)(x), layer(x))


@pytest.mark.parametrize("group", [C1, C4, D4], ids=str)
def test_initial_variance_is_kept_from_layer_to_layer(group):
    """He initialization counts the group axis: without it the values of D4 would grow √8-fold per layer."""
    torch.manual_seed(0)
    x = torch.randn(8, 16, group.order, 12, 12)
    for _ in range(4):
        x = L.GroupConv2d(group, 16, 16, 3, padding="same")(
            x.relu() * 2**0.5 / x.relu().square().mean().sqrt() / 2**0.5
        )
        assert 1.2 < x.square().mean() < 2.8


# --- errors ----------------------------------------------------------------------------------------------------------

F4 = (1, 2, 4, 8, 8)


@pytest.mark.parametrize(
    "act, error, message",
    [
        (lambda: L.LiftingConv2d(C4, 2, 2, 3)(torch.zeros(F4)), ValueError, "4 axes (B, C, Y, X), got 5"),
        (lambda: L.GroupConv2d(C4, 2, 2, 3)(torch.zeros(1, 2, 8, 8)), ValueError, "through LiftingConv2d first"),
        (lambda: L.GroupConv2d(D4, 2, 2, 3)(torch.zeros(F4)), ValueError, "group axis of D4 has length 8, got 4"),
        (lambda: L.GroupConv2d(C4, 3, 2, 3)(torch.zeros(F4)), ValueError, "channel axis must be 3, got 2"),
        (
            lambda: L.GroupConv2d(C4, 2, 2, 3)(torch.zeros(F4).long()),
            TypeError,
            "torch.int64; convert it with x.float()",
        ),
        (lambda: L.GroupConv2d(C4, 2, 2, 3)([1]), TypeError, "got list"),
        (lambda: L.GroupConv2d(C4, 2, 2, 9)(torch.zeros(F4)), ValueError, "height 8 (padding 0) is smaller than"),
        (lambda: L.GroupConv2d(D4, 2, 2, 4, padding="same"), ValueError, "Use an odd kernel"),
        (lambda: L.GroupConv2d(D4, 2, 2, 3, padding="same", stride=2), ValueError, "needs stride 1, got 2"),
        (lambda: L.GroupConv2d(C4, 2, 2, 3, stride=2, padding=1)(torch.zeros(F4)), ValueError, "height of 7 or 9"),
        (lambda: L.GroupConv2d(C4, 2, 0, 3), ValueError, "out_channels must be at least 1, got 0"),
        (lambda: L.SpatialMaxPool2d(C2, 2)(torch.zeros(1, 2, 2, 7, 8)), ValueError, "height of 6 or 8"),
        (lambda: L.SpatialMaxPool2d(C2, 0), ValueError, "at least 1, got 0 and"),
        (lambda: L.GroupBatchNorm(C4, 3)(torch.zeros(F4)), ValueError, "channel axis must be 3, got 2"),
        (lambda: L.GroupDropout(D4)(torch.zeros(F4)), ValueError, "group axis of D4 has length 8, got 4"),
        (lambda: L.GroupMaxPool(D4)(torch.zeros(F4)), ValueError, "group axis of D4 has length 8, got 4"),
        (lambda: L.CosetMaxPool(C4, D1), ValueError, "D1 is not a subgroup of C4"),
        (
            lambda: L.EquivariantSequential(L.LiftingConv2d(C4, 1, 2, 3), L.GroupConv2d(D2, 2, 2, 3)),
            ValueError,
            "0 (LiftingConv2d) is built for C4, but 1 (GroupConv2d) for D2",
        ),
        (
            lambda: L.EquivariantSequential(
                OrderedDict(lift=L.LiftingConv2d(C4, 1, 2, 3), relu=nn.ReLU(), conv=L.GroupConv2d(C4, 3, 2, 3))
            ),
            ValueError,
            "layer lift outputs 2 channels, but layer conv takes 3",
        ),
    ],
)
def test_errors_name_the_value_and_the_way_out(act, error, message):
    with pytest.raises(error, match=re.escape(message)):
        act()


def test_same_group_and_channels_pass():
    for group, size in product(ALL_GROUPS, [(8, 8)]):
        assert small_net(group)(torch.randn(1, 2, *size)).shape == (1, 4, group.order, 5, 5)


def test_left_over_and_exact_sizes_say_where_sampling_is_exact():
    for size, window, stride, padding in product(range(5, 12), (2, 3), (1, 2, 3), (0, 1)):
        starts = range(-padding, size + padding - window + 1, stride)
        mirrored = {size - window - start for start in starts}
        assert (left_over(size, window, stride, padding) == 0) == (mirrored == set(starts))
    f = {size: torch.randn(1, 1, 4, size, size) for size in range(7, 20)}
    rows = [(3, 2, 1), (2, 2, 0)]
    conv = L.GroupConv2d(C4, 1, 1, 3, stride=2, padding=1)

    def is_accepted(size):
        try:
            L.SpatialMaxPool2d(C4, 2)(conv(f[size]))
        except ValueError:
            return False
        return True

    assert exact_sizes(rows, f) == [size for size in f if is_accepted(size)] == [7, 11, 15, 19]
