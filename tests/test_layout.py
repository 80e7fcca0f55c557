"""How maps lie in memory: any strides give the right answer, and layers pass channels-last maps on without copies."""

import copy

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from course_lib import layers as L
from course_lib.actions import act_on_feature_map
from course_lib.checks import action_of
from course_lib.groups import C1, C4, D4
from course_lib.layers import base
from course_lib.layers.base import by_channel, memory_format, to_feature_map, to_planes
from course_lib.models import allcnn, bottleneck_resnet, p4cnn, p4cnn_linear, p4cnn_rotation_pooling, resnet18, resnet44
from layer_helpers import every_group, every_pair, with_random_parameters


def channels_last(f):
    """The same map, as layers of this library put it out: memory (B, Y, X, |H|, C)."""
    return f.permute(0, 3, 4, 2, 1).contiguous().permute(0, 4, 3, 1, 2)


def is_channels_last(f):
    return f.permute(0, *range(f.ndim - 2, f.ndim), *range(f.ndim - 3, 0, -1)).is_contiguous()


def every_other(f):
    """The same map as a part of a larger one, so that it is dense in no order of the axes."""
    return f.repeat_interleave(2, -1).repeat_interleave(2, 1)[:, ::2, ..., ::2]


LAYOUTS = {
    "channels-last": channels_last,
    "sheets outermost": lambda f: f.transpose(0, 2).contiguous().transpose(0, 2),
    "columns before rows": lambda f: f.transpose(-1, -2).contiguous().transpose(-1, -2),
    "a part of a larger map": every_other,
    "expanded": lambda f: f[:, :, :1].contiguous().expand_as(f),
}
LAYERS = {  # from 4 to 4 channels
    "conv": lambda g: L.GroupConv2d(g, 4, 4, 3, padding=1),
    "strided conv": lambda g: L.GroupConv2d(g, 4, 4, 2, stride=2),
    "wide conv": lambda g: L.GroupConv2d(g, 4, 300, 3, padding="same"),
    "g": lambda g: L.GSeparableConv2d(g, 4, 4, 3, padding=1),
    "gc": lambda g: L.GCSeparableConv2d(g, 4, 4, 3, padding=1),
    "batch norm": lambda g: L.GroupBatchNorm(g, 4),
    "instance norm": lambda g: L.GroupInstanceNorm(g, 4),
    "norm per element": lambda g: L.GroupInstanceNorm(g, 4, "per_element", allow_approximate=True),
    "squeeze-and-excite": lambda g: L.GroupSqueezeExcite(g, 4, 2),
    "group pool": lambda g: L.GroupMaxPool(g),
    "coset pool": lambda g: L.CosetMaxPool(g, g.subgroups[-2] if g.order > 2 else g),
    "max pool": lambda g: L.SpatialMaxPool2d(g, 2),
    "mean pool": lambda g: L.SpatialAvgPool2d(g, 2),
    "global max": lambda g: L.GlobalMaxPool(g),
    "global mean": lambda g: L.GlobalAvgPool(g),
    "E4": lambda g: L.E4Layer(g, 4, 4, 3, 2),
    "attention": lambda g: L.GroupSelfAttention2d(g, 4, 4, 3, 2),
    "ASC": lambda g: L.AffineSelfConv2d(g, 4, 4, 3, 2),
}
every_layer = pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)


@every_pair(layer=LAYERS, layout=LAYOUTS, group=[C1, C4, D4])
def test_a_map_of_any_strides_gives_the_same(layer, layout, group):
    """Values, and gradients of the map and of all parameters."""
    layer, lay_out = with_random_parameters(LAYERS[layer](group).double()), LAYOUTS[layout]
    f = torch.randn(2, 4, group.order, 4, 4, dtype=torch.float64)
    if layout == "expanded":
        f = f[:, :, :1].expand_as(f).contiguous()
    usual, laid_out = f.clone().requires_grad_(), lay_out(f).requires_grad_()
    assert torch.equal(usual, laid_out) and (group is C1 or laid_out.stride() != usual.stride())
    expected, got = layer(usual), layer(laid_out)
    upstream = torch.randn_like(expected)
    torch.testing.assert_close(got, expected)
    for a, b in zip(
        torch.autograd.grad(got, (laid_out, *layer.parameters()), upstream),
        torch.autograd.grad(expected, (usual, *layer.parameters()), upstream),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


@every_layer
@pytest.mark.parametrize("group", [C4, D4], ids=str)
def test_layers_are_equivariant_on_channels_last_maps(make, group):
    layer = with_random_parameters(make(group).double()).eval()
    if getattr(layer, "affine", None) == "per_element":
        nn.init.ones_(layer.weight), nn.init.ones_(layer.bias)
    f = channels_last(torch.randn(2, 4, group.order, 4, 4, dtype=torch.float64))
    for g in group.elements:
        turned = layer(channels_last(act_on_feature_map(g, f, group)))
        act = action_of(layer(f), group, getattr(layer, "subgroup", None))
        torch.testing.assert_close(turned, act(g, layer(f)))


@every_group
@pytest.mark.parametrize("channels", [1, 3])
def test_planes_and_back_are_views(group, channels):
    f = channels_last(torch.randn(2, channels, group.order, 6, 7))
    planes = to_planes(f, torch.channels_last)
    count = planes.shape[1]
    assert planes.data_ptr() == f.data_ptr() and planes.stride() == (42 * count, 1, 7 * count, count)
    again = to_feature_map(planes, group.order, torch.channels_last)
    assert torch.equal(again, f) and again.data_ptr() == f.data_ptr()
    f, default = f.contiguous(), torch.contiguous_format
    again = to_feature_map(to_planes(f, default), group.order, default)
    assert torch.equal(again, f) and again.data_ptr() == f.data_ptr()
    assert by_channel(lambda x: x, f).data_ptr() == f.data_ptr() and torch.equal(by_channel(lambda x: x, f), f)


def test_the_default_format_where_it_is_faster_or_nothing_is_known():
    assert memory_format(torch.empty(1, 88, 8, 8, 8)) == torch.contiguous_format
    assert memory_format(torch.empty(1, 32, 8, 8, 8)) == torch.channels_last
    assert memory_format(torch.empty(1, 1, 1, 8, 8, device="meta")) == torch.contiguous_format


@pytest.mark.parametrize("group", [C4, D4], ids=str)
@pytest.mark.parametrize(
    "name", sorted(LAYERS.keys() - {"E4", "attention", "ASC"})
)  # whose operators decide by themselves
def test_maps_stay_in_the_default_format_where_nothing_was_measured(name, group):
    with torch.device("meta"):
        assert LAYERS[name](group)(torch.empty(2, 4, group.order, 4, 4)).is_contiguous()


def test_a_pool_leaves_its_map_in_the_format_in_which_it_lies():
    f = torch.randn(2, 8, 4, 6, 6)
    assert is_channels_last(L.SpatialMaxPool2d(C4, 2)(channels_last(f)))
    assert L.SpatialMaxPool2d(C4, 2)(f).is_contiguous()
    assert is_channels_last(L.SpatialMaxPool2d(C4, 2)(every_other(f)))


@pytest.mark.parametrize("only_avx2", [False, True])
@pytest.mark.parametrize("channels, kernel_size, is_wide", [(8, 5, True), (8, 3, False), (4, 5, False)])
def test_wide_filters_take_the_default_format_on_avx2(only_avx2, channels, kernel_size, is_wide, monkeypatch):
    monkeypatch.setattr(base, "_ONLY_AVX2", only_avx2)
    fastest = torch.contiguous_format if only_avx2 and is_wide else torch.channels_last
    f = torch.randn(2, channels, 4, 9, 9)
    assert memory_format(f, kernel_size) == fastest
    conv = L.GroupConv2d(C4, channels, 2, kernel_size, padding="same")
    torch.testing.assert_close(conv(f), conv.double()(f.double()).float(), atol=1e-5, rtol=1e-4)


@every_group
@pytest.mark.parametrize("make", [L.GroupConv2d, L.GSeparableConv2d], ids=["full", "g"])
def test_both_formats_give_the_same(make, group, monkeypatch):
    conv, f = make(group, 3, 5, 3, padding=1).double(), torch.randn(2, 3, group.order, 6, 4, dtype=torch.float64)
    found = []
    for memory in (torch.channels_last, torch.contiguous_format):
        monkeypatch.setattr("course_lib.layers.conv.memory_format", lambda *_, fixed=memory: fixed)
        y = conv(f)
        found.append((y, *torch.autograd.grad(y.square().sum(), tuple(conv.parameters()))))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


class Copies(TorchDispatchMode):
    """Which maps, known by their batch, are copied from one place to another."""

    def __init__(self, batch):
        super().__init__()
        self.batch, self.found = batch, []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        name = func.name().removeprefix("aten::").split(".")[0]
        if name in ("clone", "copy_", "_to_copy") and result.shape[0] == self.batch:
            self.found.append((name, tuple(result.shape)))
        return result


NETWORKS = {
    "p4cnn": (lambda: p4cnn(C4, 10), (1, 28, 28)),
    "gc": (lambda: p4cnn_linear(C4, 10, conv=L.GCSeparableConv2d), (1, 28, 28)),
    "rotation pooling": (lambda: p4cnn_rotation_pooling(C4, 10), (1, 28, 28)),
    "allcnn": (lambda: allcnn(C4, 8), (3, 64, 64)),
    "resnet18": (lambda: resnet18(D4, 2), (3, 64, 64)),
    "resnet44": (lambda: resnet44(C4, 2, exact=True), (3, 64, 64)),
    "resnet29": (lambda: bottleneck_resnet(C4, 2), (3, 64, 64)),
}


@pytest.mark.parametrize("training", [True, False], ids=["training", "eval"])
@pytest.mark.parametrize("make, shape", NETWORKS.values(), ids=NETWORKS)
def test_a_network_passes_its_maps_on_without_copies(make, shape, training):
    net, x = make().train(training), torch.randn(61, *shape)
    outside = []

    def look(module, inputs, output):
        if output.shape[1:] != shape and output.ndim >= 4 and not is_channels_last(output):
            outside.append((module, tuple(output.shape), output.stride()))

    for module in net.modules():
        module.register_forward_hook(look)
    with Copies(batch=61) as copies:
        net(x)
    assert not outside
    channels, *pixels = shape
    assert copies.found in ([], [("clone", (61, *pixels, channels))])  # the image itself, if it has several channels


@every_group
def test_gradients_lie_as_the_maps_do(group):
    conv = L.GroupConv2d(group, 4, 3, 3, padding=1)
    f = channels_last(torch.randn(2, 4, group.order, 6, 6)).requires_grad_()
    conv(f).relu().square().sum().backward()
    assert is_channels_last(f.grad)


@every_pair(
    shape=[(1, 3, 5, 5), (1, 3, 1, 1), (1, 1, 5, 4), (1, 9, 4, 1), (2, 3, 5, 5)],
    group=[C1, C4, D4],
    training=[True, False],
    norm=[L.GroupBatchNorm, L.GroupInstanceNorm],
)
def test_gradients_of_norms_in_every_layout_also_for_a_single_image(shape, group, training, norm):
    """The axis of a single image may have any stride, and PyTorch's batch norm goes by it."""
    batch, channels, height, width = shape
    if (alone := batch * group.order * height * width == 1) and training:
        return  # one value has no variance, and a batch norm refuses it
    values = torch.randn(batch, channels, group.order, height, width, dtype=torch.float64)
    upstream, layer = torch.randn_like(values), norm(group, channels).double().train(training)
    found = {}
    for name, arrange in {"default": torch.Tensor.contiguous, "channels-last": channels_last}.items():
        for back, arrange_back in {"default": torch.Tensor.contiguous, "channels-last": channels_last}.items():
            x = arrange(values).requires_grad_()
            (found[name, back],) = torch.autograd.grad(copy.deepcopy(layer)(x), x, arrange_back(upstream))
    expected = found.pop(("default", "default"))
    assert alone or expected.abs().max() > 0.01
    for layouts, gradient in found.items():
        assert torch.allclose(gradient, expected, atol=1e-9), layouts
