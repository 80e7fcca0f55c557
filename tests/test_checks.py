import re

import pytest
import torch
from torch import nn

from course_lib.actions import act_on_image
from course_lib.averaging import group_average
from course_lib.checks import (
    OUTPUT,
    action_of,
    assert_equivariant,
    disk_mask,
    equivariance_error,
    error_by_depth,
    orbit_agreement,
)
from course_lib.groups import ALL_GROUPS, C1, C4, D4, Element
from course_lib.layers import CosetMaxPool, EquivariantSequential, GroupConv2d, LiftingConv2d

NOISE = torch.randn(2, 1, 9, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


class MirrorsOnly(nn.Module):
    """Adds a ramp from bottom to top: mirroring left-right passes, turning does not."""

    def forward(self, x):
        return x + torch.arange(x.shape[-2], dtype=x.dtype)[:, None]


def test_the_report_names_element_layer_and_position():
    net = nn.Sequential(nn.ReLU(), MirrorsOnly(), nn.Tanh())
    report = equivariance_error(net, D4, NOISE)
    assert report.first_above(1e-10).layer == "1"
    assert report.worst.layer == OUTPUT and report.error == report.worst.error > 0.1
    mirror = [d for d in report.deviations if d.element == Element(1, 0)]
    assert all(d.error == 0 for d in mirror)
    g, position = report.worst.element, report.worst.position
    difference = (net(act_on_image(g, NOISE)) - act_on_image(g, net(NOISE))).abs()
    assert difference[position] == difference.max()
    assert f"{g}, {position}" in str(report)


def test_one_wrong_pixel_is_found():
    def spoil(x):
        y = x.clone()
        y[1, 0, 2, 3] += 0.5
        return y

    report = equivariance_error(spoil, C4, NOISE)
    assert report.error == pytest.approx(0.5 / NOISE.abs().max().item(), rel=0.5)
    with pytest.raises(AssertionError, match="for r"):
        assert_equivariant(spoil, C4, NOISE)


def test_nan_is_no_equivariance():
    with pytest.raises(AssertionError, match="inf"):
        assert_equivariant(lambda x: x * torch.nan, C4, NOISE)


def test_invariant_outputs_and_plain_functions():
    assert assert_equivariant(lambda x: x.amax(dim=(2, 3)), D4, NOISE).error == 0
    with pytest.raises(AssertionError):
        assert_equivariant(lambda x: x.flatten(1), D4, NOISE)


def test_tolerance_can_be_set():
    assert_equivariant(MirrorsOnly(), C4, NOISE, tolerance=100)


def test_the_net_is_left_as_it_was():
    net = EquivariantSequential(LiftingConv2d(C4, 1, 2, 3), nn.Dropout(0.5), nn.Sequential(nn.ReLU()).eval()).double()
    assert_equivariant(net, C4, NOISE)
    assert net.training and net[1].training and not net[2].training
    assert not any(module._forward_hooks for module in net.modules())


def test_a_layer_called_twice_is_reported_twice():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.relu = nn.ReLU()

        def forward(self, x):
            return self.relu(self.relu(x))

    assert list(equivariance_error(Twice(), C4, NOISE).by_layer()) == ["relu", "relu#2", OUTPUT]


def test_layers_after_coset_pooling():
    net = EquivariantSequential(LiftingConv2d(D4, 1, 2, 3), CosetMaxPool(D4, C4)).double()
    assert assert_equivariant(net[1], D4, net[0](NOISE).detach()).error == 0
    report = equivariance_error(lambda x: net(x).amax(dim=2), D4, NOISE)
    assert report.error < 1e-14


def test_layers_of_another_group_are_listed_as_not_compared():
    net = nn.Sequential(LiftingConv2d(C4, 1, 2, 3), nn.Flatten(1, 2), nn.Flatten(1)).double()
    report = equivariance_error(net, D4, NOISE)
    assert report.not_compared == ("0",) and "Not compared" in str(report)


def test_feature_map_input_and_C1_under_C4():
    f = torch.randn(1, 2, 4, 6, 6, dtype=torch.float64)
    assert_equivariant(GroupConv2d(C4, 2, 2, 3).double(), C4, f)
    ordinary = LiftingConv2d(C1, 1, 2, 3).double()
    assert equivariance_error(ordinary, C4, NOISE).error > 0.1


@pytest.mark.parametrize(
    "do, message",
    [
        (lambda: action_of(torch.zeros(2, 3, 4), C4), "expected (B, n), (B, C, Y, X) or (B, C, 4, Y, X)"),
        (lambda: equivariance_error(lambda x: x[:, 0], C4, NOISE), "shape (2, 9, 9)"),
        (lambda: equivariance_error(lambda x: x[..., :5], C4, NOISE), "L_g Φ(x) has (2, 1, 5, 9)"),
    ],
)
def test_errors_name_the_shape(do, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        do()


@pytest.mark.parametrize("group", ALL_GROUPS, ids=str)
@pytest.mark.parametrize(
    "function",
    [nn.Conv2d(1, 2, 3, padding=1), nn.Sequential(nn.Flatten(), nn.Linear(81, 3))],
    ids=["equivariant", "invariant"],
)
def test_the_average_over_the_group_makes_anything_equivariant(function, group):
    function = function.double()
    if group is not C1:
        assert equivariance_error(function, group, NOISE).error > 0.1
    act = action_of(function(NOISE), group)
    assert_equivariant(lambda x: group_average(function, group, x, act), group, NOISE)
    already = LiftingConv2d(group, 1, 2, 3).double()  # averaging leaves alone what is equivariant already
    act = action_of(already(NOISE), group)
    torch.testing.assert_close(group_average(already, group, NOISE, act), already(NOISE))


def test_disk_mask_is_the_disk_that_every_turn_keeps():
    for size in (5, 8):
        disk = disk_mask(size)
        for row in range(size):
            for col in range(size):
                distance = ((row - (size - 1) / 2) ** 2 + (col - (size - 1) / 2) ** 2) ** 0.5
                assert disk[row, col] == (distance <= size / 2)


def test_orbit_agreement_counts_images_with_one_answer():
    def brightest_row(x):  # of two: the upper and the lower half of the image
        return torch.stack([x[..., :2, :].sum((1, 2, 3)), x[..., 2:, :].sum((1, 2, 3))], dim=1)

    upper, lower = torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)
    upper[..., 0, :], lower[..., 3, :] = 1, 1
    images = torch.cat([upper, lower, torch.zeros(2, 1, 4, 4)])  # a blank image has one answer at every turn
    assert orbit_agreement(brightest_row, C4, images) == 0.5
    assert orbit_agreement(brightest_row, C1, images) == 1


def test_error_by_depth_is_the_error_of_the_layers_so_far():
    layers = [LiftingConv2d(C4, 1, 2, 3).double(), nn.Tanh(), MirrorsOnly()]
    errors = error_by_depth(layers, C4, NOISE)
    assert errors[1] < 1e-14 < 0.1 < errors[2]
    assert errors[2] == equivariance_error(nn.Sequential(*layers), C4, NOISE).error
