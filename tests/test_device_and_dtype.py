"""Where a layer's tensors are made, and of which type: ``device`` and ``dtype``, as torch.nn's own layers take them."""

import inspect

import pytest
import torch
from torch import nn

from course_lib import layers as L
from course_lib import models
from course_lib.groups import C4, C8, D4
from course_lib.layers.asc import AffineMap, FactorizedPositions

MAKE = {
    "LiftingConv2d": lambda **to: L.LiftingConv2d(D4, 4, 4, 3, **to),
    "LiftingConv2d C8": lambda **to: L.LiftingConv2d(C8, 4, 4, 5, **to),
    "GroupConv2d": lambda **to: L.GroupConv2d(D4, 4, 4, 3, **to),
    "GroupConv2d C8": lambda **to: L.GroupConv2d(C8, 4, 4, 5, **to),
    "GSeparableConv2d": lambda **to: L.GSeparableConv2d(C4, 4, 4, 3, **to),
    "GCSeparableConv2d": lambda **to: L.GCSeparableConv2d(C4, 4, 4, 3, pointwise_bias=True, **to),
    "E4Layer": lambda **to: L.E4Layer(C4, 4, 4, 3, **to),
    "E4Layer none": lambda **to: L.E4Layer(C4, 4, 4, 3, concat="none", **to),
    "AffineSelfConv2d": lambda **to: L.AffineSelfConv2d(C4, 4, 4, 3, heads=2, **to),
    "SimpleAffineSelfConv2d": lambda **to: L.SimpleAffineSelfConv2d(C4, 4, 4, 3, **to),
    "StandAloneSelfAttention2d": lambda **to: L.StandAloneSelfAttention2d(C4, 4, 4, 3, heads=2, **to),
    "GroupSelfAttention2d": lambda **to: L.GroupSelfAttention2d(C4, 4, 4, 3, **to),
    "EncodedSelfAttention2d": lambda **to: L.EncodedSelfAttention2d(C4, 4, 4, 3, **to),
    "LiftingSelfAttention2d": lambda **to: L.LiftingSelfAttention2d(C4, 4, 4, 3, **to),
    "AttentiveGroupConv2d": lambda **to: L.AttentiveGroupConv2d(C4, 4, 4, 3, **to),
    "AttentiveLiftingConv2d": lambda **to: L.AttentiveLiftingConv2d(C4, 4, 4, 3, **to),
    "GroupBatchNorm": lambda **to: L.GroupBatchNorm(C4, 4, **to),
    "GroupInstanceNorm": lambda **to: L.GroupInstanceNorm(C4, 4, **to),
    "GroupSqueezeExcite": lambda **to: L.GroupSqueezeExcite(C4, 4, reduction=2, **to),
    "AffineMap": lambda **to: AffineMap(C4, 4, 3, **to),
    "FactorizedPositions": lambda **to: FactorizedPositions(C4, 4, 3, 2, **to),
}
every_layer = pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)


def tensors(layer):
    return [*layer.parameters(), *layer.buffers()]


def input_of(layer, **to):
    lifts = L.LiftingConv2d | L.LiftingSelfAttention2d | L.AttentiveLiftingConv2d
    channels = (2, 4) if isinstance(layer, lifts) else (2, 4, layer.group.order)
    return torch.randn(*channels, 7, 7, **to)


def test_every_layer_with_parameters_is_tested():
    made = {type(make()) for make in MAKE.values()}
    for name in L.__all__:
        layer = getattr(L, name)
        if inspect.isclass(layer) and "dtype" not in inspect.signature(layer).parameters:
            arguments = (D4, C4) if layer is L.CosetMaxPool else (C4, 2) if "Spatial" in name else (C4,)
            if layer is not L.EquivariantSequential:
                assert not list(layer(*arguments).parameters()), name
        elif inspect.isclass(layer):
            assert layer in made, name


@every_layer
def test_both_are_keywords_only(make):
    parameters = inspect.signature(type(make())).parameters
    assert all(parameters[name].kind is inspect.Parameter.KEYWORD_ONLY for name in ("device", "dtype"))


@every_layer
def test_on_meta_nothing_is_allocated(make):
    layer = make(device="meta")
    assert all(tensor.is_meta for tensor in tensors(layer))
    assert [t.shape for t in tensors(layer)] == [t.shape for t in tensors(make())]


@every_layer
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
def test_the_dtype_is_that_of_all_floating_tensors(make, dtype):
    layer = make(dtype=dtype)
    assert {tensor.dtype for tensor in tensors(layer) if tensor.is_floating_point()} == {dtype}
    assert [t.dtype for t in tensors(layer)] == [t.dtype for t in tensors(make().to(dtype))]


@every_layer
def test_a_layer_made_in_double_precision_is_one_that_was_converted(make):
    layer, converted = make(dtype=torch.float64), make().to(torch.float64)
    converted.load_state_dict(layer.state_dict())
    if isinstance(layer, FactorizedPositions):
        assert torch.equal(layer.banks()[1], converted.banks()[1])
    else:
        x = input_of(layer, dtype=torch.float64)
        assert torch.equal(layer(x), converted(x))


@pytest.mark.parametrize("assign", [True, False])
@every_layer
def test_weights_for_a_layer_made_on_meta(make, assign):
    """Both ways to give it values: tensors without values on the device, or the tensors of the state themselves."""
    source, layer = make(), make(device="meta")
    layer = layer if assign else layer.to_empty(device="cpu")
    layer.load_state_dict(source.state_dict(), assign=assign)
    assert all(map(torch.equal, tensors(layer), tensors(source)))


@pytest.mark.parametrize("build", [lambda: models.p4cnn(D4, 2), lambda: models.small_e4net(C4, 4), models.small_sfcnn])
def test_networks_by_way_of_torch_device(build):
    source = build()
    with torch.device("meta"):
        net = build()
    assert all(tensor.is_meta for tensor in tensors(net))
    net.load_state_dict(source.state_dict(), assign=True)
    assert all(map(torch.equal, tensors(net), tensors(source)))


@every_layer
def test_a_type_without_fractions_is_refused(make):
    with pytest.raises(ValueError, match=r"must be a floating-point type such as torch.float64, got torch.int64"):
        make(dtype=torch.int64)


def test_default_device_and_dtype_are_torch_s_own():
    torch.set_default_dtype(torch.float64)
    try:
        layer = nn.Sequential(*(make() for make in MAKE.values()))
    finally:
        torch.set_default_dtype(torch.float32)
    assert {tensor.dtype for tensor in tensors(layer) if tensor.is_floating_point()} == {torch.float64}
