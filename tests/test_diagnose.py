"""`diagnose` names each planted fault, and finds none in networks that are exact."""

import re

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_lib import layers as L
from course_lib.actions import act_on_feature_map, act_on_image
from course_lib.averaging import group_average
from course_lib.checks import action_of, diagnose, make_unequal
from course_lib.groups import ALL_GROUPS, C1, C2, C4, D4, inverse
from course_lib.models import p4cnn

IMAGE = (1, 12, 12)


class WrongBank(L.GroupConv2d):
    """A group convolution whose filters are turned, permuted, or both the wrong way."""

    def __init__(self, group, channels, act_on_filter):
        self.act_on_filter = act_on_filter
        super().__init__(group, channels, channels, 3, padding=1)

    def _bank(self, psi):
        return torch.stack([self.act_on_filter(h, psi) for h in self.group.elements], dim=1)


def turned_only(h, psi):
    return act_on_image(h, psi)


def permuted_with_g(h, psi):
    return act_on_image(h, psi[..., C4.permutation(inverse(h)), :, :])


def permuted_only(h, psi):
    return psi[..., D4.permutation(h), :, :]


def turned_by_the_inverse(h, psi):
    return act_on_feature_map(inverse(h), psi, D4)


class NormPerSheet(nn.Module):
    def __init__(self, channels, sheets, affine=True):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels * sheets, affine=affine)

    def forward(self, x):
        return self.norm(x.flatten(1, 2)).unflatten(1, x.shape[1:3])


class Position(nn.Module):
    def __init__(self, *shape):
        super().__init__()
        self.table = nn.Parameter(torch.zeros(shape))

    def forward(self, x):
        return x + self.table


class AffinePerSheet(nn.Module):
    """Equivariant at first: the gains are all 1, the biases all 0."""

    def __init__(self, channels, sheets):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels, sheets, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels, sheets, 1, 1))

    def forward(self, x):
        return F.instance_norm(x.flatten(1, 2)).unflatten(1, x.shape[1:3]) * self.gain + self.bias


class Tokens(nn.Module):
    """A small transformer on pixels; without positions it knows no order, and its mean is invariant."""

    def __init__(self, position):
        super().__init__()
        self.embed = nn.Linear(1, 8)
        self.position = nn.Parameter(position) if position is not None else None
        self.encoder, self.head = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), nn.Linear(8, 3)

    def forward(self, x):
        tokens = self.embed(x.flatten(2).transpose(1, 2))
        if self.position is not None:
            tokens = tokens + self.position
        return self.head(self.encoder(tokens).mean(dim=1))


class Averaged(nn.Module):
    """Nothing in it is equivariant, but the whole is."""

    def __init__(self, *head):
        super().__init__()
        self.cnn = nn.Sequential(nn.Conv2d(1, 2, 3), *head)

    def forward(self, x):
        return group_average(self.cnn, D4, x, action_of(self.cnn(x), D4))


class StridedSlice(nn.Module):
    """The fault stands in forward, between two modules."""

    def __init__(self):
        super().__init__()
        self.lift, self.conv = L.LiftingConv2d(C4, 1, 2, 3, padding=1), L.GroupConv2d(C4, 2, 2, 3)

    def forward(self, x):
        return self.conv(self.lift(x)[..., ::2, ::2])


class UpsampleUnevenly(nn.Module):
    def forward(self, x):
        return F.interpolate(x.flatten(1, 2), size=(17, 17), mode="nearest").unflatten(1, x.shape[1:3])


def after_lift(*faulty, channels=2):
    return nn.Sequential(L.LiftingConv2d(C4, 1, channels, 3, padding=1), nn.ReLU(), *faulty)


FAULTS = {
    "strided convolution": (
        after_lift(L.GroupConv2d(C4, 2, 2, 3, stride=2, padding=1, allow_approximate=True)),
        "2",
        "stride on a size that does not fit: on 12 pixels",
    ),
    "pool on odd size": (
        nn.Sequential(L.LiftingConv2d(C4, 1, 2, 2), L.SpatialMaxPool2d(C4, 2, allow_approximate=True)),
        "1",
        "pooling on a size that does not fit: on 11 pixels",
    ),
    "torch's pool": (
        nn.Sequential(L.LiftingConv2d(C4, 1, 2, 2), nn.AvgPool3d((1, 2, 2))),
        "1",
        "on 11 pixels",
    ),
    "even kernel, same": (
        after_lift(L.GroupConv2d(C4, 2, 2, 2, padding="same", allow_approximate=True)),
        "2",
        r"an even kernel \(2\) with padding='same'",
    ),
    "uneven padding": (nn.Sequential(nn.ZeroPad2d((1, 0, 1, 0)), L.LiftingConv2d(C4, 1, 2, 3)), "0", "uneven padding"),
    "ordinary convolution": (nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU()), "0", "an ordinary convolution"),
    "turned, not permuted": (
        after_lift(WrongBank(C4, 2, turned_only)),
        "2",
        "their sheets are not permuted",
    ),
    "permuted with g": (after_lift(WrongBank(C4, 2, permuted_with_g)), "2", "permuted by g instead of g⁻¹"),
    "norm per sheet": (after_lift(NormPerSheet(2, 4)), "2.norm", "parameters per group element"),
    "flattened group axis": (
        nn.Sequential(L.LiftingConv2d(C4, 1, 2, 3), nn.AdaptiveAvgPool3d((4, 1, 1)), nn.Flatten(), nn.Linear(8, 3)),
        "3",
        "a flattened group axis",
    ),
    "flattened pixels": (
        nn.Sequential(L.LiftingConv2d(C4, 1, 2, 3), L.GroupMaxPool(C4), nn.Flatten(), nn.Linear(200, 3)),
        "3",
        "flattened pixels",
    ),
    "a flattened image": (nn.Sequential(nn.Flatten(), nn.Linear(144, 3)), "1", "flattened pixels"),
    "positions": (after_lift(Position(2, 1, 12, 12)), "2", "position-dependent parameters: table"),
    "interpolation": (after_lift(UpsampleUnevenly()), "2", "interpolation"),
    "another group": (
        nn.Sequential(L.LiftingConv2d(C1, 1, 2, 3)),
        "0",
        "built for C1, which does not contain r,",
    ),
    "statistics per sheet": (
        after_lift(NormPerSheet(2, 4, affine=False)),
        "2.norm",
        "parameters per group element: running_mean, running_var",
    ),
    "affine per sheet": (after_lift(AffinePerSheet(2, 4)), "2", "parameters per group element: gain, bias"),
    "norm per pixel": (nn.Sequential(nn.LayerNorm([1, 12, 12])), "0", "position-dependent parameters: weight, bias"),
    "positions of tokens": (
        Tokens(torch.randn(1, 144, 8, generator=torch.Generator().manual_seed(0))),
        "before encoder.self_attn",
        "position-dependent parameters: position",
    ),
    "positions of tokens, new": (Tokens(torch.zeros(1, 144, 8)), "before encoder.self_attn", "parameters: position"),
    "window not square": (nn.Sequential(nn.MaxPool2d((2, 1))), "0", "a quarter turn swaps the axes"),
    "window over the edge": (nn.Sequential(nn.MaxPool2d(5, 2, ceil_mode=True)), "0", "leave 1 over at one border"),
    "uneven transposed convolution": (
        after_lift(nn.Flatten(1, 2), nn.ConvTranspose2d(8, 8, 3, 2, 1, output_padding=1)),
        "3",
        "output_padding",
    ),
    "resampled by 1.3": (nn.Sequential(nn.Upsample(scale_factor=1.3)), "0", "interpolation"),
    "sheets before channels": (
        after_lift(nn.Flatten(1, 2), nn.Unflatten(1, (4, 2)), L.GroupMaxPool(C2)),
        "3",
        "unflatten mixes the group axis",
    ),
    "ordinary convolution of sheets": (
        after_lift(nn.Flatten(1, 2), nn.Conv2d(8, 8, 3), nn.ReLU()),
        "3",
        "an ordinary convolution",
    ),
    "code in forward": (StridedSlice(), "before conv", "forward between lift and conv"),
}


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")  # the planted fault itself
@pytest.mark.parametrize("fault", FAULTS)
def test_planted_faults_are_found_and_named(fault):
    net, layer, cause = FAULTS[fault]
    torch.manual_seed(0)
    diagnosis = diagnose(net, C4, IMAGE)
    assert diagnosis.layer == layer, str(diagnosis)
    assert re.search(cause, diagnosis.cause), diagnosis.cause
    assert diagnosis.error > 1e-2 and diagnosis.element in C4.elements and diagnosis.cure
    assert layer in str(diagnosis) and diagnosis.cause in str(diagnosis)


@pytest.mark.parametrize(
    "act_on_filter, cause",
    [
        (turned_only, "sheets are not permuted"),
        (permuted_only, "filters are not turned"),
        (turned_by_the_inverse, "by h⁻¹ instead of h"),
        (lambda h, psi: act_on_image(h, psi[..., D4.permutation(inverse(h)), :, :]), "not the turned and permuted"),
    ],
)
def test_wrong_filters_with_mirrors(act_on_filter, cause):
    net = nn.Sequential(L.LiftingConv2d(D4, 1, 2, 3), WrongBank(D4, 2, act_on_filter))
    diagnosis = diagnose(net, D4, IMAGE)
    assert diagnosis.layer == "1" and cause in diagnosis.cause, str(diagnosis)


@pytest.mark.parametrize("fault", ["norm per sheet", "positions", "affine per sheet", "norm per pixel"])
def test_latent_faults_are_marked_until_training_shows_them(fault):
    net, layer, _ = FAULTS[fault]
    before = diagnose(net, C4, IMAGE)
    assert before.output_error < 1e-10 and before.first.latent and "latent" in str(before)
    with torch.no_grad():
        for parameter in net[-1].parameters():
            parameter.add_(torch.rand_like(parameter))
    after = diagnose(net, C4, IMAGE)
    assert after.output_error > 1e-2 and after.layer == layer and not after.first.latent


def test_only_the_first_broken_layer_is_first_and_exact_ones_behind_it_are_not_blamed():
    net = after_lift(WrongBank(C4, 2, turned_only), L.GroupConv2d(C4, 2, 2, 3), L.GlobalMaxPool(C4))
    assert [finding.layer for finding in diagnose(net, C4, IMAGE).findings] == ["2"]


@pytest.mark.parametrize("group", ALL_GROUPS, ids=str)
@pytest.mark.parametrize("hidden", [L.GroupConv2d, L.GSeparableConv2d, L.GCSeparableConv2d])
def test_exact_networks_are_not_blamed(group, hidden):
    torch.manual_seed(0)
    net = L.EquivariantSequential(
        L.LiftingConv2d(group, 1, 3, 3, padding=1),
        L.GroupBatchNorm(group, 3),
        nn.ReLU(),
        hidden(group, 3, 3, 3, padding=1),
        L.GroupDropout(group, 0.3),
        L.SpatialMaxPool2d(group, 2),
        hidden(group, 3, 2, 2, padding=1),
    )
    diagnosis = diagnose(net, group, IMAGE)
    assert diagnosis.ok and diagnosis.layer is None and not diagnosis.not_compared, str(diagnosis)
    assert "No layer breaks equivariance" in str(diagnosis)


@pytest.mark.parametrize("group", ALL_GROUPS, ids=str)
def test_p4cnn_is_not_blamed(group):
    diagnosis = diagnose(p4cnn(group, 3), group, (1, 28, 28))
    assert diagnosis.ok and diagnosis.output_error < 1e-10, str(diagnosis)


@pytest.mark.parametrize(
    "pool", [L.GroupMaxPool(D4), L.CosetMaxPool(D4, C4), L.GroupSelfAttention2d(D4, 2, 2, 3, heads=2)], ids=repr
)
def test_other_exact_layers_are_not_blamed(pool):
    net = nn.Sequential(L.LiftingConv2d(D4, 1, 2, 3), pool, nn.ReLU())
    assert diagnose(net, D4, IMAGE).ok


@pytest.mark.parametrize(
    "net",
    [
        Tokens(None),
        Averaged(nn.Flatten(), nn.Linear(200, 3)),
        nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
        nn.AdaptiveMaxPool2d(5),
        p4cnn(D4, 3),
    ],
    ids=lambda net: type(net).__name__,
)
@pytest.mark.parametrize("group", [C4, D4], ids=str)
def test_what_is_exact_as_a_whole_is_not_blamed(net, group):
    diagnosis = diagnose(net, group, (1, 28, 28) if isinstance(net, L.EquivariantSequential) else IMAGE)
    assert diagnosis.ok and diagnosis.output_error < 1e-10 and not diagnosis.not_compared, str(diagnosis)


def test_layers_inside_of_an_exact_module_are_not_blamed_for_another_fault():
    net = nn.Sequential(Averaged(), nn.ReLU(), nn.ZeroPad2d((1, 0, 0, 0)))
    assert [finding.layer for finding in diagnose(net, C4, IMAGE).findings] == ["2"]


def test_a_net_that_takes_another_way_for_turned_inputs_is_refused():
    class Moody(nn.Module):
        def __init__(self):
            super().__init__()
            self.relu = nn.ReLU()

        def forward(self, x):
            return self.relu(x) if x[0, 0, 0, 0] > x[0, 0, -1, -1] else x

    with pytest.raises(ValueError, match="calls other layers for L_g x"):
        diagnose(Moody(), C4, IMAGE)


def test_feature_maps_as_input():
    assert diagnose(L.GroupConv2d(C4, 2, 2, 3), C4, (2, 4, 7, 7)).ok
    assert diagnose(WrongBank(C4, 2, turned_only), C4, (2, 4, 7, 7)).layer == "(output)"


def test_the_network_is_left_as_it_was():
    net = after_lift(NormPerSheet(2, 4)).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    diagnose(net, C4, IMAGE)
    assert net.training and all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert net[0].weight.dtype == torch.float32 and not any(m._forward_hooks for m in net.modules())


def test_the_shape_comes_without_batch_axis():
    with pytest.raises(ValueError, match=r"without the batch axis, got \(12, 12\)"):
        diagnose(nn.ReLU(), C4, (12, 12))


def test_equal_parameters_and_statistics_are_made_unequal_and_others_left_alone():
    net = nn.Sequential(nn.BatchNorm2d(8), nn.Conv2d(8, 2, 3, bias=False), nn.PReLU(4)).requires_grad_(True)
    net[2].weight.requires_grad_(False)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    make_unequal(net, torch.Generator().manual_seed(0))
    changed = {name for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"0.weight", "0.bias", "0.running_mean", "0.running_var"}
    assert all(len(net.state_dict()[name].unique()) == 8 for name in changed) and net[0].running_var.min() > 0


def test_how_unequal_is_a_choice():
    norm = nn.BatchNorm2d(1000)
    make_unequal(norm, torch.Generator().manual_seed(0), by=0.05)
    for name, start in {"weight": 1, "bias": 0, "running_mean": 0, "running_var": 1}.items():
        moved = (getattr(norm, name) - start).abs().max()
        assert 0.049 < moved <= 0.0501, name


def test_nothing_stays_equal_in_a_network():
    net = p4cnn(C4, 2)
    make_unequal(net, torch.Generator().manual_seed(0))
    assert all(len(value.unique()) > 1 for name, value in net.state_dict().items() if "tracked" not in name)
