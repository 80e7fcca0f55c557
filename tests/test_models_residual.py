"""All-CNN-C and the residual networks: what they are made of, and when they are exactly invariant."""

from functools import partial

import pytest
import torch
from torch import nn

from course_lib.actions import act_on_feature_map, act_on_image
from course_lib.checks import relative_error
from course_lib.groups import C1, C2, C4, D1, D4
from course_lib.layers import (
    AffineSelfConv2d,
    E4Layer,
    EquivariantSequential,
    GCSeparableConv2d,
    GlobalAvgPool,
    GroupConv2d,
    GroupSqueezeExcite,
    GSeparableConv2d,
    LiftingConv2d,
    SpatialAvgPool2d,
)
from course_lib.models import (
    allcnn,
    bottleneck_resnet,
    p4cnn,
    p4cnn_dropout,
    p4cnn_rotation_pooling,
    resnet18,
    resnet44,
)
from course_lib.models.blocks import Residual
from test_models import trained

e4 = partial(E4Layer, kernel_size=3, slices=2, reduction=2)
asc = partial(AffineSelfConv2d, kernel_size=3, heads=2)
NETWORKS = {  # name: network and pixels per side
    "allcnn": (partial(allcnn, width=3), 8),
    "resnet44": (partial(resnet44, width=2), 8),
    "resnet44, gc": (partial(resnet44, width=2, conv=GCSeparableConv2d, bias=False, shortcut_norm=True), 8),
    "resnet18": (partial(resnet18, width=2), 8),
    "resnet18, E4": (partial(resnet18, width=2, second=e4), 8),
    "resnet29": (partial(bottleneck_resnet, width=2), 8),
    "resnet29, ASC, SE": (partial(bottleneck_resnet, width=2, attention=asc, squeeze=4), 8),
    "rotation pooling": (partial(p4cnn_rotation_pooling, width=3), 28),
}


def noise(channels, pixels, dtype=torch.float64):
    torch.manual_seed(0)
    return torch.randn(3, channels, pixels, pixels, dtype=dtype)


def built(network, group, x, **options):
    """Trained for a few steps, so that norms, biases and gains have moved."""
    torch.manual_seed(1)
    return trained(network(group, **options).to(x.dtype), x)


def error(net, group, x):
    with torch.no_grad():
        scores = net(x)
        return max(relative_error(net(act_on_image(g, x)), scores) for g in group.elements[1:])


@pytest.mark.parametrize("group", [C2, C4, D1, D4], ids=str)
@pytest.mark.parametrize("name", NETWORKS)
def test_exact_variants_are_invariant(name, group):
    network, pixels = NETWORKS[name]
    is_digits = pixels == 28
    x = noise(1 if is_digits else 3, pixels)
    net = built(network, group, x, **({} if is_digits else {"exact": True}))
    assert net(x).shape == (3, 10) and net(x).std(dim=0).max() > 1e-3
    assert error(net, group, x) < 1e-10


@pytest.mark.parametrize("name", ["allcnn", "resnet44", "resnet18, E4", "resnet29, ASC, SE"])
def test_exact_variants_are_invariant_in_float32(name):
    x = noise(3, 16, torch.float32)
    net = built(NETWORKS[name][0], D4, x, exact=True)
    assert error(net, D4, x) < 2e-3


@pytest.mark.parametrize("name", ["allcnn", "resnet44", "resnet18", "resnet29"])
def test_strided_convolutions_break_the_symmetry_on_even_maps(name):
    x = noise(3, 16)
    assert error(built(NETWORKS[name][0], C4, x, exact=False), C4, x) > 1e-3


@pytest.mark.parametrize("name", ["allcnn", "resnet18", "resnet29"])
def test_strided_convolutions_are_exact_on_odd_maps(name):
    x = noise(3, 17)
    assert error(built(NETWORKS[name][0], C4, x, exact=False), C4, x) < 1e-10


def test_the_published_head_of_resnet44_is_not_invariant_but_its_maps_are_equivariant():
    x = noise(3, 17)
    net = built(NETWORKS["resnet44"][0], D4, x)
    assert error(net, D4, x) > 1e-3
    maps = net[:-3]
    with torch.no_grad():
        expected = maps(x)
        for g in D4.elements:
            assert relative_error(maps(act_on_image(g, x)), act_on_feature_map(g, expected, D4)) < 1e-10


def test_the_ordinary_network_is_not_invariant():
    x = noise(3, 8)
    assert error(built(NETWORKS["resnet18"][0], C1, x), C4, x) > 1e-3


def depth(net):
    """Layers with weights from the image to the scores, without shortcuts and what is inside of an E4 layer."""
    counted = [
        module
        for name, module in net.named_modules()
        if isinstance(module, (LiftingConv2d, GroupConv2d, nn.Linear, E4Layer)) and "shortcut" not in name
    ]
    return len(counted)


def test_depths_are_those_of_the_names():
    assert depth(resnet44(C1, 2)) == 44
    assert depth(resnet18(C1, 2)) == 18
    assert depth(bottleneck_resnet(C1, 2)) == 29
    assert depth(bottleneck_resnet(C1, 2, blocks=9)) == 83
    assert depth(allcnn(C1, 2)) == 9


def test_allcnn_has_its_strides_in_the_third_and_the_sixth_convolution():
    convs = [module for module in allcnn(C4, 2).modules() if isinstance(module, (LiftingConv2d, GroupConv2d))]
    assert [conv.stride for conv in convs] == [1, 1, 2, 1, 1, 2, 1, 1, 1]
    assert [conv.kernel_size for conv in convs] == [3] * 7 + [1] * 2


@pytest.mark.parametrize("network, halved", [(allcnn, 4), (resnet44, 4), (resnet18, 8), (bottleneck_resnet, 4)])
@pytest.mark.parametrize("exact", [False, True])
def test_maps_are_halved_where_they_should_be(network, halved, exact):
    sizes = []
    net = network(C4, 4, exact=exact)
    for module in net.modules():
        if isinstance(module, (GroupConv2d, SpatialAvgPool2d)):
            module.register_forward_hook(lambda _m, _x, y: sizes.append(y.shape[-1]))
    with torch.no_grad():
        net(noise(3, 16, torch.float32))
    assert min(sizes) == 16 // halved


@pytest.mark.parametrize("conv", [GSeparableConv2d, GCSeparableConv2d])
def test_separable_layers_replace_the_3x3_convolutions_of_resnet44_alone(conv):
    net = resnet44(D4, 2, conv=conv)
    convs = [module for module in net.modules() if isinstance(module, GroupConv2d)]
    assert {type(c) for c in convs if c.kernel_size == 3} == {conv}
    assert [type(c) for c in convs if c.kernel_size == 1] == [GroupConv2d] * 2


def test_widths_of_resnet44_can_be_given_one_by_one():
    net = resnet44(D4, (2, 3, 5))
    convs = [module for module in net.modules() if isinstance(module, GroupConv2d)]
    assert sorted({c.out_channels for c in convs}) == [2, 3, 5]
    assert net[-1].in_features == 5 * 8


def test_bottleneck_blocks_start_as_their_shortcuts():
    blocks = [module for module in bottleneck_resnet(C4, 4, squeeze=4).modules() if isinstance(module, Residual)]
    x = torch.randn(2, blocks[1].branch[0].in_channels, 4, 4, 4)
    assert torch.equal(blocks[1].eval()(x), x.relu())
    assert len(blocks) == 9 and all(isinstance(b.branch[-1], GroupSqueezeExcite) for b in blocks)


def test_a_residual_block_is_the_sum():
    double, triple = nn.Linear(2, 2), nn.Linear(2, 2)
    x = torch.randn(3, 2)
    assert torch.equal(Residual(double, triple)(x), double(x) + triple(x))
    assert torch.equal(Residual(double, nn.Identity(), nn.ReLU())(x), (double(x) + x).relu())


def test_global_mean_by_its_definition():
    f = torch.randn(2, 3, 8, 4, 5, dtype=torch.float64)
    means = [[sum(f[b, c].flatten().tolist()) / (8 * 4 * 5) for c in range(3)] for b in range(2)]
    assert torch.allclose(GlobalAvgPool(D4)(f), torch.tensor(means, dtype=torch.float64))
    with pytest.raises(ValueError, match="length 4, got 8"):
        GlobalAvgPool(C4)(f)


def test_z2cnn_has_dropout_after_five_relus():
    net = p4cnn_dropout(C1, 4)
    names = [name for name, layer in net.named_children() if isinstance(layer, nn.Dropout)]
    assert names == [f"dropout{i}" for i in (1, 3, 4, 5, 6)]
    assert {net.get_submodule(name).p for name in names} == {0.3}
    plain = p4cnn(C1, 4)
    plain.load_state_dict(net.state_dict())
    x = torch.randn(2, 1, 28, 28)
    assert torch.equal(net.eval()(x), plain.eval()(x)) and not torch.equal(net.train()(x), plain.train()(x))


@pytest.mark.parametrize(
    "network, dropouts", [(allcnn, [0.2, 0.5, 0.5]), (partial(resnet18, dropout=0.1), [0.1] * 8)], ids=["allcnn", "r18"]
)
def test_dropout_stands_where_the_papers_have_it(network, dropouts):
    assert [module.p for module in network(C4, 4).modules() if isinstance(module, nn.Dropout)] == dropouts


def test_all_parts_of_one_network_have_one_group():
    for name, (network, _) in NETWORKS.items():
        groups = {str(module.group) for module in network(C4).modules() if hasattr(module, "group")}
        assert groups == {"C4"}, name
        assert isinstance(network(C4), EquivariantSequential)
