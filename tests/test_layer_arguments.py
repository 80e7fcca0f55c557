"""How layers are called: square tuples, what a group is, arguments that a layer does not take, one group in a row."""

import inspect
import re
from functools import partial

import pytest
import torch
from torch import nn

from course_lib import layers as L
from course_lib import models
from course_lib.checks import equivariance_error
from course_lib.groups import ALL_GROUPS, C1, C2, C4, D1, D2, D4, Group, generate
from course_lib.layers.asc import AffineMap

WITH_WINDOW = {
    "LiftingConv2d": lambda k: L.LiftingConv2d(C4, 2, 2, k),
    "GroupConv2d": lambda k: L.GroupConv2d(C4, 2, 2, k),
    "GSeparableConv2d": lambda k: L.GSeparableConv2d(C4, 2, 2, k),
    "GCSeparableConv2d": lambda k: L.GCSeparableConv2d(C4, 2, 2, k),
    "stride": lambda k: L.GroupConv2d(C4, 2, 2, 1, stride=k),
    "SpatialMaxPool2d": lambda k: L.SpatialMaxPool2d(C4, k, 1),
    "SpatialAvgPool2d": lambda k: L.SpatialAvgPool2d(C4, 1, stride=k),
    "E4Layer": lambda k: L.E4Layer(C4, 2, 2, k),
    "AffineSelfConv2d": lambda k: L.AffineSelfConv2d(C4, 2, 2, k),
    "SimpleAffineSelfConv2d": lambda k: L.SimpleAffineSelfConv2d(C4, 2, 2, k),
    "StandAloneSelfAttention2d": lambda k: L.StandAloneSelfAttention2d(C4, 2, 2, k),
    "GroupSelfAttention2d": lambda k: L.GroupSelfAttention2d(C4, 2, 2, k),
    "EncodedSelfAttention2d": lambda k: L.EncodedSelfAttention2d(C4, 2, 2, k),
    "AttentiveGroupConv2d": lambda k: L.AttentiveGroupConv2d(C4, 2, 2, k),
    "AffineMap": lambda k: AffineMap(C4, 2, k),
}
every_window = pytest.mark.parametrize("make", WITH_WINDOW.values(), ids=WITH_WINDOW)


@every_window
def test_a_square_tuple_is_its_side(make):
    assert repr(make((3, 3))) == repr(make([3, 3])) == repr(make(3))
    x = torch.randn(1, 2, 10, 10) if isinstance(make(3), L.LiftingConv2d) else torch.randn(1, 2, 4, 10, 10)
    assert make((3, 3))(x).shape == make(3)(x).shape


@every_window
@pytest.mark.parametrize("size", [(3, 5), (3, 3, 3), (3,), "3", 3.0], ids=str)
def test_other_windows_are_refused(make, size):
    with pytest.raises(ValueError, match=re.escape(f"the square (3, 3), got {size!r}")):
        make(size)


WITH_GROUP = {
    **{
        name: partial(getattr(L, name), in_channels=2, out_channels=2, kernel_size=3)
        for name in (
            "LiftingConv2d", "GroupConv2d", "GSeparableConv2d", "GCSeparableConv2d", "E4Layer", "AffineSelfConv2d",
            "SimpleAffineSelfConv2d", "StandAloneSelfAttention2d", "GroupSelfAttention2d", "EncodedSelfAttention2d",
            "LiftingSelfAttention2d", "AttentiveGroupConv2d", "AttentiveLiftingConv2d",
        )
    },
    **{
        name: partial(getattr(L, name), channels=2)
        for name in ("GroupBatchNorm", "GroupInstanceNorm", "GroupSqueezeExcite")
    },
    **{name: partial(getattr(L, name), kernel_size=2) for name in ("SpatialMaxPool2d", "SpatialAvgPool2d")},
    **{name: getattr(L, name) for name in ("GroupDropout", "GroupMaxPool", "GlobalMaxPool", "GlobalAvgPool")},
    "CosetMaxPool": partial(L.CosetMaxPool, subgroup=C1),
    "its subgroup": partial(L.CosetMaxPool, D4),
    **{name: getattr(models, name) for name in models.__all__ if name != "as_ordinary_cnn"},
}  # fmt: skip


@pytest.mark.parametrize("make", WITH_GROUP.values(), ids=WITH_GROUP)
@pytest.mark.parametrize("group", ["C4", 4, None], ids=str)
def test_a_group_is_a_group(make, group):
    with pytest.raises(TypeError, match=re.escape(f"group must be a Group, got {group!r}; import one from course_lib")):
        make(group)


@pytest.mark.parametrize("make", [make for name, make in WITH_GROUP.items() if hasattr(L, name)])
@pytest.mark.parametrize("unknown", ["dilation", "padding_mode"])
def test_an_unknown_argument_names_the_layer_that_was_called(make, unknown):
    with pytest.raises(TypeError) as raised:
        make(C4, **{unknown: 1})
    name = getattr(make, "func", make).__name__
    message = str(raised.value)
    assert name in message and repr(unknown) in message and not re.search(r"\b_[A-Za-z]", message)


def test_what_a_layer_takes_is_said():
    with pytest.raises(TypeError, match="GroupConv2d: got an unexpected.*; it takes group, in_channels, .*, stride"):
        L.GroupConv2d(C4, 2, 2, 3, dilation=2)
    with pytest.raises(TypeError, match="GroupConv2d: missing a required argument: 'kernel_size'; it takes group"):
        L.GroupConv2d(C4, 2, 2)


# --- groups in a row -------------------------------------------------------------------------------------------------


def pooled_over_cosets(group, subgroup, smaller):
    return [
        L.LiftingConv2d(group, 2, 3, 3, padding=1, bias=False),
        L.CosetMaxPool(group, subgroup),
        L.GroupConv2d(smaller, 3, 2, 3, padding=1, bias=False),
    ]


@pytest.mark.parametrize(
    "group, subgroup, smaller",
    [(g, s, k) for g in ALL_GROUPS for s in g.subgroups for k in D4.subgroups if k.order * s.order == g.order],
    ids=str,
)
def test_a_row_after_a_coset_pool_is_accepted_just_where_it_is_exact(group, subgroup, smaller):
    torch.manual_seed(0)
    layers, x = pooled_over_cosets(group, subgroup, smaller), torch.randn(2, 2, 6, 6, dtype=torch.float64)
    error = equivariance_error(nn.Sequential(*layers).double(), smaller, x).error
    if group.leaves_regular_map(subgroup, smaller):
        assert error < 1e-14
        L.EquivariantSequential(*layers)
    else:
        assert error > 1e-2
        with pytest.raises(ValueError, match=r"is built for .*, but 2 \(GroupConv2d\) for"):
            L.EquivariantSequential(*layers)


def test_a_named_group_is_left_by_these_coset_pools():
    found = {
        (str(g), str(s), str(k))
        for g in ALL_GROUPS for s in ALL_GROUPS for k in ALL_GROUPS[1:]
        if g.is_subgroup(s) and s is not C1 and g.leaves_regular_map(s, k)
    }  # fmt: skip
    assert found == {("D2", "C2", "D1"), ("D2", "D1", "C2"), ("D4", "D1", "C4"), ("D4", "C4", "D1")}


def test_pools_over_space_leave_the_cosets_and_the_row_goes_on_in_the_smaller_group():
    row = [L.LiftingConv2d(D4, 2, 3, 3, padding=1), L.CosetMaxPool(D4, D1), L.SpatialMaxPool2d(D4, 2)]
    tail = [L.GroupBatchNorm(C4, 3), nn.ReLU(), L.GroupConv2d(C4, 3, 3, 3, padding=1), L.GroupMaxPool(C4)]
    net, x = L.EquivariantSequential(*row, *tail).double(), torch.randn(2, 2, 8, 8, dtype=torch.float64)
    assert equivariance_error(net, C4, x).error < 1e-13
    with pytest.raises(ValueError, match=r"5 \(GroupConv2d\) is built for C4, but 6 \(GroupMaxPool\) for D4"):
        L.EquivariantSequential(*row, *tail[:-1], L.GroupMaxPool(D4))


def test_the_groups_that_would_fit_are_named():
    with pytest.raises(ValueError, match="or one that permutes the cosets of D1 in D4 as its own elements: C4$"):
        L.EquivariantSequential(*pooled_over_cosets(D4, D1, D2))
    with pytest.raises(ValueError, match="or one that .*: the cosets of C2 in C4 have none$"):
        L.EquivariantSequential(*pooled_over_cosets(C4, C2, C2))


def test_a_coset_pool_of_everything_leaves_a_map_of_the_trivial_group():
    assert all(group.leaves_regular_map(group, C1) for group in ALL_GROUPS)
    other = Group("other", generate([D4.elements[5]]))
    assert not C4.leaves_regular_map(C2, other) and not C4.leaves_regular_map(C4, C2)


def test_a_layer_with_a_window_is_called_2d_and_no_other():
    layers = [getattr(L, name) for name in L.__all__ if inspect.isclass(getattr(L, name))]
    with_window = {layer.__name__ for layer in layers if "kernel_size" in inspect.signature(layer).parameters}
    assert with_window == {layer.__name__ for layer in layers if layer.__name__.endswith("2d")} | {"E4Layer"}
