"""What layers, kernels and checks refuse, and the odd ways in which a network may be built."""

import copy
import re
from collections import OrderedDict

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from course_lib import kernels
from course_lib import layers as L
from course_lib.actions import rotate_by_angle
from course_lib.checks import assert_equivariant, diagnose
from course_lib.counting import count_layers, executed_macs
from course_lib.groups import C2, C4, D2, Group


@pytest.mark.parametrize(
    "make",
    [lambda: L.GroupConv2d(C4, 2, 3, 3), lambda: L.GCSeparableConv2d(C4, 2, 3, 3), lambda: L.CosetMaxPool(C4, C2)],
)
def test_a_layer_may_be_built_on_meta(make):
    known, x = make(), torch.randn(1, 2, 4, 5, 5)
    with torch.device("meta"):
        assigned, filled = make(), make()
    assigned.load_state_dict(known.state_dict(), assign=True)
    filled.to_empty(device="cpu").load_state_dict(known.state_dict())
    for layer in (assigned, filled):
        torch.testing.assert_close(layer(x), known(x))


def test_a_layer_is_on_the_device_that_it_is_built_on():
    with FakeTensorMode(), torch.device("cuda"):
        lift, pool = L.LiftingConv2d(C4, 1, 2, 3), L.CosetMaxPool(C4, C2)
        assert pool(lift(torch.randn(1, 1, 5, 5))).device.type == "cuda"


def test_moving_a_layer_leaves_its_weights_alone():
    shared = L.GroupConv2d(C4, 2, 3, 3).share_memory()
    assert shared.index.is_shared() and shared.weight.is_shared()
    normed = nn.utils.parametrizations.spectral_norm(L.GroupConv2d(C4, 2, 3, 3)).train()
    before = copy.deepcopy(normed.state_dict())
    normed.to("cpu")
    assert all(torch.equal(value, before[name]) for name, value in normed.state_dict().items())


@pytest.mark.parametrize("padding", [-1, "valid", 1.5, (1, 1)])
def test_padding_is_pixels_or_same(padding):
    with pytest.raises(ValueError, match=re.escape(f"or 'same', got {padding!r}")):
        L.GroupConv2d(C4, 2, 3, 3, padding=padding)


def test_stride_is_positive():
    with pytest.raises(ValueError, match="stride must be at least 1, got 0"):
        L.LiftingConv2d(C4, 2, 3, 3, stride=0)


def test_no_size_below_one_is_proposed():
    with pytest.raises(ValueError, match="Use a height of 3, another stride"):
        L.LiftingConv2d(C4, 1, 1, 2, stride=3, padding=1)(torch.zeros(1, 1, 1, 1))


class Residual(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return x + self.inner(x)


@pytest.mark.parametrize(
    "block", [lambda layer: L.EquivariantSequential(layer), Residual, lambda layer: nn.Sequential(nn.ReLU(), layer)]
)
def test_the_groups_of_blocks_in_a_row_are_compared(block):
    with pytest.raises(ValueError, match=r"0 \(GroupConv2d\) is built for C4, but 1\.\w+ \(GroupConv2d\) for D2"):
        L.EquivariantSequential(L.GroupConv2d(C4, 4, 4, 3), block(L.GroupConv2d(D2, 4, 4, 3)))


class AverageOverTurns(nn.Module):
    """Invariant to C4 from outside, whatever group the layer inside is of."""

    group = C4

    def __init__(self):
        super().__init__()
        self.inner = L.GroupConv2d(D2, 4, 4, 3)


def test_a_block_may_speak_for_itself():
    foreign = nn.Linear(1, 1)
    foreign.group = 4
    L.EquivariantSequential(L.GroupConv2d(C4, 4, 4, 3), AverageOverTurns(), nn.Sequential(foreign))


class CReLU(nn.Module):
    def forward(self, x):
        return torch.cat([x, -x], dim=1).relu()


def test_a_layer_of_ones_own_may_change_the_channels():
    row = L.EquivariantSequential(L.GroupConv2d(C4, 2, 4, 3), CReLU(), L.GroupConv2d(C4, 8, 4, 3)).double()
    assert_equivariant(row, C4, torch.randn(1, 2, 4, 7, 7).double())
    named = OrderedDict(a=L.GroupConv2d(C4, 2, 4, 3), b=nn.ReLU(), c=L.GroupDropout(C4), d=L.GroupConv2d(C4, 8, 4, 3))
    with pytest.raises(ValueError, match="layer a outputs 4 channels, but layer d takes 8"):
        L.EquivariantSequential(named)


class MyPad2d(nn.Module):
    padding = 1

    def forward(self, x):
        return nn.functional.pad(x, (1, 0, 0, 0))


@pytest.mark.parametrize(
    "net",
    [nn.Sequential(nn.Flatten(2), nn.Conv1d(3, 4, 3)), nn.Sequential(nn.Flatten(2), nn.AvgPool1d(5, 2)), MyPad2d()],
)
def test_diagnosis_of_layers_it_does_not_know(net):
    assert not diagnose(net, C4, (3, 6, 6)).ok


QUERY, BANK = torch.randn(3, 2, 4, 5, 5), torch.randn(2, 4, 4, 3, 3)


@pytest.mark.parametrize(
    ("misuse", "says"),
    [
        (lambda: kernels.neighborhoods(torch.ones(4, 4), 2), r"even size \(2\).*1 or 3"),
        (lambda: kernels.neighborhoods(torch.ones(4, 4), -3), "at least one pixel, got -3"),
        (lambda: kernels.aggregate(torch.ones(3, 1, 4, 4, 5, 5), QUERY), "even size"),
        (
            lambda: kernels.generate_and_aggregate(QUERY, QUERY, torch.ones(1, 4, 2, 2, 2), torch.ones(1, 4, 2, 2)),
            "even size",
        ),
        (lambda: kernels.affine_attention(QUERY, QUERY, QUERY, (None, None), (None, None), 2), "even size"),
        (
            lambda: kernels.affine_attention(QUERY, QUERY, QUERY, (BANK, None), (None, None), 5),
            r"ψ of the key has shape .* \(2, 4, 4, 5, 5\)",
        ),
        (
            lambda: kernels.affine_attention(QUERY, QUERY, QUERY, (None, None), (None, BANK[:, 0]), 5),
            r"β of the value has shape",
        ),
        (lambda: kernels.affine_attention(QUERY, QUERY[:1], QUERY, (None, None), (None, None), 3), "key has shape"),
        (lambda: kernels.affine_attention(QUERY, QUERY, QUERY, (None, None), (None, None), 3, 4), "4 heads cannot"),
        (lambda: kernels.group_attention(QUERY, QUERY, QUERY, BANK[..., :2, :2]), "even size"),
        (lambda: kernels.group_attention(QUERY, QUERY.repeat(1, 3, 1, 1, 1), QUERY, BANK), "key has shape"),
        (lambda: kernels.group_attention(QUERY, QUERY, QUERY[:1], BANK), "value has shape"),
        (lambda: kernels.group_attention(QUERY, QUERY, torch.randn(3, 2, 4, 7, 7), BANK), "value has shape"),
        (lambda: kernels.group_attention(QUERY, QUERY, QUERY, BANK[:1]), "positions has shape"),
        (lambda: kernels.group_attention(QUERY, QUERY, QUERY, BANK, heads=3), "3 heads cannot share 2"),
        (lambda: Group("none", ()), "none: a group has at least one element"),
        (
            lambda: assert_equivariant(nn.Identity(), C4, torch.ones(1, 1, 3, 3, dtype=torch.bfloat16)),
            "no usual tolerance is known for torch.bfloat16",
        ),
    ],
)
def test_what_does_not_fit_is_said(misuse, says):
    with pytest.raises(ValueError, match=says):
        misuse()


def test_keys_may_have_other_sheets_than_queries():
    query, key, value = torch.randn(3, 2, 4, 5, 5), torch.randn(3, 2, 2, 5, 5), torch.randn(3, 4, 2, 5, 5)
    bank, value_bank = torch.randn(2, 4, 2, 3, 3), torch.randn(4, 4, 2, 3, 3)
    expected = kernels.unfold_and_attend_on_group(query, key, value, bank, 1)
    torch.testing.assert_close(kernels.group_attention(query, key, value, bank), expected)
    affine = ((bank, None), (value_bank, bank.new_ones(4, 4, 3, 3)), 3, 2)
    expected = kernels.unfold_and_attend(query, key, value, *affine)
    torch.testing.assert_close(kernels.affine_attention(query, key, value, *affine), expected)


def test_a_linear_layer_counts_once_for_each_position():
    (count,) = count_layers(nn.Linear(8, 4), x := torch.randn(1, 100, 8))
    assert count.macs == executed_macs(nn.Linear(8, 4), x) == 3200


def test_a_net_without_weights_has_nothing_to_count():
    assert executed_macs(L.SpatialMaxPool2d(C4, 2), torch.ones(1, 2, 4, 4, 4)) == 0


def test_no_image_may_be_turned():
    assert rotate_by_angle(30, torch.zeros(0, 1, 4, 4)).shape == (0, 1, 4, 4)
