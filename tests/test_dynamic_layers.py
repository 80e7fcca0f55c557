"""What dynamic layers owe their user: state, copies, gradients, present weights, layers in a row, diagnosis, errors."""

import copy
import io
import re

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from course_lib import layers as L
from course_lib.checks import diagnose
from course_lib.groups import C1, C2, C4, D2, D4
from course_lib.layers.asc import AffineMap
from layer_helpers import every_group, noise, with_random_parameters

LAYERS = {  # from 4 to 4 channels
    "E4": lambda group: L.E4Layer(group, 4, 4, 3, slices=2, reduction=2),
    "E4, no concatenation": lambda group: L.E4Layer(group, 4, 4, 3, concat="none"),
    "ASC": lambda group: L.AffineSelfConv2d(group, 4, 4, 3, 2),
    "ASC, masked": lambda group: L.AffineSelfConv2d(group, 4, 4, 3, 2, border="masked"),
    "simple ASC": lambda group: L.SimpleAffineSelfConv2d(group, 4, 4, 3, 2),
    "SASA": lambda group: L.StandAloneSelfAttention2d(group, 4, 4, 3, 2),
    "squeeze-and-excite": lambda group: L.GroupSqueezeExcite(group, 4, 1),
    "instance norm": lambda group: L.GroupInstanceNorm(group, 4),
}
PARAMETERS = {
    "E4": {"squeeze.weight", "norm.weight", "norm.bias", "kernel_weight", "kernel_bias", "encoder.weight"},
    "simple ASC": {"embedding.weight", "embedding.bias", "affine.psi", "affine.beta", "output.weight"},
    "SASA": {"positions.row", "positions.column", "output.weight"}
    | {f"{role}.{p}" for role in ("query", "key", "value") for p in ("weight", "bias")},
    "ASC": {"output.weight"}
    | {f"{role}.{p}" for role in ("query", "key", "value") for p in ("weight", "bias")}
    | {f"{role}_affine.{p}" for role in ("query", "key", "value") for p in ("psi", "beta")},
}
every_layer = pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)


def feature_map(group=C4, dtype=torch.float32, batch=2):
    return noise(group, (4, 5), dtype, batch, channels=4)


# --- state, copies, gradients ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PARAMETERS)
def test_the_state_holds_parameters_and_the_group_only(name):
    layer = LAYERS[name](C4)
    stored = {name for name in layer.state_dict() if name.rpartition(".")[2] != "elements"}
    assert stored == PARAMETERS[name] == {name for name, _ in layer.named_parameters()}


@every_layer
def test_state_passes_to_a_new_layer(make):
    layer, new, f = with_random_parameters(make(C4)), make(C4), feature_map()
    assert not torch.equal(new(f), layer(f))
    saved = io.BytesIO()
    torch.save(layer.state_dict(), saved)
    saved.seek(0)
    new.load_state_dict(torch.load(saved, weights_only=True))
    assert torch.equal(new(f), layer(f))


@every_layer
def test_copies_and_pickles_give_the_same(make):
    layer, f = with_random_parameters(make(C4)).eval(), feature_map()
    saved = io.BytesIO()
    torch.save(layer, saved)
    saved.seek(0)
    for other in (copy.deepcopy(layer), torch.load(saved, weights_only=False)):
        assert torch.equal(other(f), layer(f))


@every_layer
def test_float64_is_the_same_function(make):
    layer, f = make(C4), feature_map()
    in_double = copy.deepcopy(layer).double()(f.double())
    assert in_double.dtype == torch.float64 and layer(f).dtype == torch.float32
    torch.testing.assert_close(layer(f).double(), in_double, atol=1e-5, rtol=1e-5)


@every_layer
@every_group
def test_every_parameter_and_the_input_get_a_gradient(make, group):
    layer, f = with_random_parameters(make(group)), feature_map(group).requires_grad_()
    (layer(f) * torch.randn_like(f)).sum().backward()
    assert f.grad.abs().min() > 0
    assert all(p.grad.abs().max() > 0 for p in layer.parameters())


@every_layer
def test_gradients_in_float64_are_those_of_finite_differences(make):
    layer, f = make(C2).double(), noise(C2, (2, 3), batch=1, channels=4).requires_grad_()
    names, values = zip(*layer.named_parameters(), strict=True)

    def run(f, *values):
        return torch.func.functional_call(layer, dict(zip(names, values, strict=True)), f)

    assert torch.autograd.gradcheck(run, (f, *values), fast_mode=True)


@every_layer
def test_activation_checkpointing_gives_the_same_gradients(make):
    layer, f = make(C4), feature_map().requires_grad_()
    inputs = (f, *layer.parameters())
    upstream = torch.randn_like(f)
    expected = torch.autograd.grad(layer(f), inputs, upstream)
    got = torch.autograd.grad(checkpoint(layer, f, use_reentrant=False), inputs, upstream)
    assert all(torch.equal(a, b) for a, b in zip(got, expected, strict=True))


@every_layer
def test_what_eval_mode_computes_follows_the_weights(make):
    layer, f = make(C4).eval(), feature_map()
    with torch.no_grad():
        before = layer(f)
        assert torch.equal(layer(f), before)
    (layer(f) * torch.randn_like(f)).mean().backward()
    torch.optim.SGD(layer.parameters(), lr=1.0).step()
    with torch.no_grad():
        after = layer(f)
    assert not torch.allclose(after, before)
    assert torch.equal(after, layer.train()(f))
    with torch.no_grad():
        torch.testing.assert_close(layer.eval().double()(f.double()).float(), after, atol=1e-4, rtol=1e-4)


@every_layer
def test_an_empty_batch_stays_empty(make):
    assert make(C4)(feature_map(batch=0)).shape == (0, 4, 4, 4, 5)


@every_layer
def test_images_of_a_batch_do_not_see_each_other(make):
    layer, f = make(C4).double(), feature_map(dtype=torch.float64, batch=3)
    torch.testing.assert_close(layer(f), torch.cat([layer(one[None]) for one in f]))


# --- layers in a row, and their diagnosis ----------------------------------------------------------------------------


def net_with(group, *layers):
    return L.EquivariantSequential(
        L.LiftingConv2d(group, 1, 4, 3, padding=1), nn.ReLU(), *layers, nn.ReLU(), L.GroupConv2d(group, 4, 2, 3)
    )


@pytest.mark.parametrize("group", [C1, C4, D4], ids=str)
def test_exact_layers_are_not_blamed(group):
    net = net_with(group, *(make(group) for make in LAYERS.values()))
    diagnosis = diagnose(net, group, (1, 8, 8))
    assert diagnosis.ok and diagnosis.output_error < 1e-10 and not diagnosis.not_compared, str(diagnosis)


@pytest.mark.parametrize("is_new", [True, False])
def test_a_norm_per_element_is_blamed(is_new):
    faulty = L.E4Layer(C4, 4, 4, 3, affine="per_element", allow_approximate=True)
    net = net_with(C4, L.AffineSelfConv2d(C4, 4, 4, 3), faulty, L.GroupSqueezeExcite(C4, 4, 2))
    if not is_new:
        with_random_parameters(faulty)
    diagnosis = diagnose(net, C4, (1, 8, 8))
    assert diagnosis.layer == "3.norm" and diagnosis.first.latent == is_new, str(diagnosis)
    assert diagnosis.cause.startswith("parameters per group element: weight, bias")
    assert diagnosis.cure.endswith("shared over the group (affine='shared')")
    assert len(diagnosis.findings) == 1


@pytest.mark.parametrize("name", ["E4", "ASC", "simple ASC", "SASA"])
def test_filters_that_do_not_turn_are_found_inside_of_the_layer(name, monkeypatch):
    for module in (L.e4, L.asc):
        monkeypatch.setattr(module, "lifting_filter_bank", lambda p, group: torch.stack([p] * group.order, dim=1))
    diagnosis = diagnose(net_with(C4, LAYERS[name](C4)), C4, (1, 8, 8))
    assert diagnosis.layer == ("before 3" if name == "E4" else "before 2.output"), str(diagnosis)
    assert diagnosis.error > 1e-2


MISFITS = {
    "E4": lambda group, c: L.E4Layer(group, c, c, 3),
    "ASC": lambda group, c: L.AffineSelfConv2d(group, c, c, 3),
    "squeeze-and-excite": lambda group, c: L.GroupSqueezeExcite(group, c, 2),
    "instance norm": lambda group, c: L.GroupInstanceNorm(group, c),
    "batch norm": lambda group, c: L.GroupBatchNorm(group, c),
}


@pytest.mark.parametrize("make", MISFITS.values(), ids=MISFITS)
def test_layers_in_a_row_must_fit(make):
    before, after = L.GroupConv2d(C4, 2, 4, 3), L.GroupConv2d(C4, 6, 2, 3)
    L.EquivariantSequential(before, nn.ReLU(), make(C4, 4), L.SpatialMaxPool2d(C4, 2), L.GroupConv2d(C4, 4, 2, 3))
    with pytest.raises(ValueError, match="layer 0 outputs 4 channels, but layer 2 takes 6"):
        L.EquivariantSequential(before, nn.ReLU(), make(C4, 6))
    with pytest.raises(ValueError, match="layer 0 outputs 4 channels, but layer 1 takes 6"):
        L.EquivariantSequential(make(C4, 4), after)
    with pytest.raises(ValueError, match=r"is built for C4, but 1 \(\w+\) for D2"):
        L.EquivariantSequential(before, make(D2, 4))


def test_a_block_in_a_row_may_change_the_channels():
    block = L.EquivariantSequential(L.GroupConv2d(C4, 4, 6, 1), nn.ReLU())
    net = L.EquivariantSequential(L.LiftingConv2d(C4, 1, 4, 3), block, L.E4Layer(C4, 6, 2, 3))
    assert net(torch.randn(1, 1, 6, 6)).shape == (1, 2, 4, 4, 4)


# --- errors ----------------------------------------------------------------------------------------------------------

LOCAL = {
    "E4": L.E4Layer,
    "ASC": L.AffineSelfConv2d,
    "simple ASC": L.SimpleAffineSelfConv2d,
    "SASA": L.StandAloneSelfAttention2d,
}


@pytest.mark.parametrize("layer", LOCAL.values(), ids=LOCAL)
@pytest.mark.parametrize(
    "act, error, message",
    [
        (lambda layer: layer(C4, 4, 4, 2), ValueError, "even size (2) has no pixel at its center"),
        (lambda layer: layer(C4, 4, 4, 0), ValueError, "Use an odd kernel_size, 1"),
        (lambda layer: layer(C4, 0, 4, 3), ValueError, "in_channels must be at least 1, got 0"),
        (lambda layer: layer(C4, 4, 0, 3), ValueError, "out_channels must be at least 1, got 0"),
        (lambda layer: layer(C4, 4, 4, 3)(torch.zeros(1, 4, 6, 6)), ValueError, "must go through LiftingConv2d first"),
        (lambda layer: layer(D4, 4, 4, 3)(feature_map()), ValueError, "group axis of D4 has length 8, got 4"),
        (lambda layer: layer(C4, 2, 4, 3)(feature_map()), ValueError, "channel axis must be 2, got 4"),
        (lambda layer: layer(C4, 4, 4, 3)(feature_map().long()), TypeError, "torch.int64; convert it with x.float()"),
        (lambda layer: layer(C4, 4, 4, 3)(None), TypeError, "got NoneType"),
    ],
)
def test_errors_of_local_layers(layer, act, error, message):
    with pytest.raises(error, match=re.escape(message)):
        act(layer)


@pytest.mark.parametrize(
    "act, error, message",
    [
        (
            lambda: L.E4Layer(C4, 6, 6, 3, slices=4),
            ValueError,
            "slices=4 must divide out_channels=6: use one of 1, 2, 3",
        ),
        (
            lambda: L.E4Layer(C4, 6, 4, 3, reduction=4),
            ValueError,
            "reduction=4 must divide in_channels=6: use one of 1,",
        ),
        (lambda: L.E4Layer(C4, 4, 4, 3, slices=0), ValueError, "slices must be at least 1, got 0"),
        (lambda: L.E4Layer(C4, 4, 4, 3, reduction=-1), ValueError, "reduction must be at least 1, got -1"),
        (lambda: L.E4Layer(C4, 4, 4, 3, concat="k"), ValueError, "must be 'none', 'K', 'V' or 'both', got 'k'"),
        (lambda: L.E4Layer(C4, 4, 4, 3, affine="each"), ValueError, "'shared' or 'per_element', got 'each'"),
        (lambda: L.E4Layer(C4, 4, 4, 3, affine="per_element"), ValueError, "allow_approximate=True"),
        (lambda: L.E4Layer(C4, 4, 4, 3, affine="per_element"), ValueError, "every element of C4"),
        (lambda: L.E4Layer(C4, 4, 4, 3, affine="per_element"), ValueError, "Use affine='shared'"),
        (
            lambda: L.AffineSelfConv2d(C4, 4, 6, 3, heads=4),
            ValueError,
            "heads=4 must divide out_channels=6: use one of 1, 2, 3, 6",
        ),
        (lambda: L.AffineSelfConv2d(C4, 4, 6, 3, heads=0), ValueError, "heads must be at least 1, got 0"),
        (lambda: L.AffineSelfConv2d(C4, 4, 4, 3, border="wrap"), ValueError, "'zeros' or 'masked', got 'wrap'"),
        (lambda: AffineMap(C4, 2, 3)(feature_map()), ValueError, "AffineMap: the channel axis must be 2, got 4"),
        (lambda: L.GroupSqueezeExcite(C4, 8), ValueError, "reduction=16 must divide channels=8: use one of 1, 2, 4, 8"),
        (lambda: L.GroupSqueezeExcite(C4, 0, 1), ValueError, "channels must be at least 1, got 0"),
        (lambda: L.GroupSqueezeExcite(D4, 4, 2)(feature_map()), ValueError, "group axis of D4 has length 8, got 4"),
        (lambda: L.GroupSqueezeExcite(C4, 4, 2)(feature_map().int()), TypeError, "convert it with x.float()"),
        (lambda: L.GroupInstanceNorm(C4, 0), ValueError, "channels must be at least 1, got 0"),
        (lambda: L.GroupInstanceNorm(C4, 2)(feature_map()), ValueError, "channel axis must be 2, got 4"),
        (lambda: L.GroupInstanceNorm(C4, 4)(torch.zeros(1, 4, 6, 6)), ValueError, "expected 5 axes"),
    ],
)
def test_errors_name_the_value_and_the_way_out(act, error, message):
    with pytest.raises(error, match=re.escape(message)):
        act()


def test_one_element_may_have_parameters_of_its_own():
    L.E4Layer(C1, 4, 4, 3, affine="per_element")
