"""A group-equivariant CNN written out as an ordinary one: the same function, of torch.nn modules only."""

import copy
import io
import pickle
from functools import partial

import pytest
import torch
from torch import nn

from course_lib import layers as L
from course_lib.checks import make_unequal
from course_lib.groups import ALL_GROUPS, C4, D1, D4
from course_lib.models import (
    allcnn,
    as_ordinary_cnn,
    bottleneck_resnet,
    e4net,
    p4cnn,
    p4cnn_dropout,
    p4cnn_linear,
    p4cnn_rotation_pooling,
    resnet18,
    resnet44,
    small_e4net,
)

MNIST, CIFAR = (1, 28, 28), (3, 16, 16)
NETWORKS = {
    "p4cnn": (p4cnn, MNIST),
    "dropout": (p4cnn_dropout, MNIST),
    "rotation pooling": (p4cnn_rotation_pooling, MNIST),
    "linear": (p4cnn_linear, MNIST),
    "g": (partial(p4cnn_linear, conv=L.GSeparableConv2d), MNIST),
    "gc": (partial(p4cnn_linear, conv=L.GCSeparableConv2d), MNIST),
    "gc, two biases": (partial(p4cnn_linear, conv=partial(L.GCSeparableConv2d, pointwise_bias=True)), MNIST),
    "allcnn": (allcnn, CIFAR),
    "allcnn, gc": (partial(allcnn, conv=L.GCSeparableConv2d), CIFAR),
    "allcnn, exact": (partial(allcnn, exact=True), CIFAR),
    "resnet18": (resnet18, CIFAR),
    "resnet18, strided": (partial(resnet18, exact=False), CIFAR),
    "resnet44": (resnet44, CIFAR),
    "resnet44, exact": (partial(resnet44, exact=True, conv=L.GSeparableConv2d), CIFAR),
    "resnet29": (bottleneck_resnet, CIFAR),
    "resnet29, squeeze": (partial(bottleneck_resnet, squeeze=2), CIFAR),
}
every_network = pytest.mark.parametrize("build, shape", NETWORKS.values(), ids=NETWORKS)

SOME = ("rotation pooling", "gc", "resnet18", "resnet29, squeeze")  # together they have every part
one_of_each_part = pytest.mark.parametrize("build, shape", [NETWORKS[name] for name in SOME], ids=SOME)


def written(build, shape, group=C4, dtype=torch.float64):
    """A network whose every number is its own, as after training, its ordinary form, and images."""
    net = build(group, 4).to(dtype).eval()
    make_unequal(net, torch.Generator().manual_seed(0))
    return net, as_ordinary_cnn(net), torch.randn(2, *shape, dtype=dtype)


@torch.no_grad()
@pytest.mark.parametrize("group", ALL_GROUPS, ids=str)
def test_equals_the_network_for_every_group(group):
    net, ordinary, x = written(p4cnn, MNIST, group)
    torch.testing.assert_close(ordinary(x), net(x), rtol=1e-9, atol=1e-9)


@torch.no_grad()
@every_network
@pytest.mark.parametrize("group", [C4, D4], ids=str)
def test_equals_the_network(build, shape, group):
    net, ordinary, x = written(build, shape, group)
    torch.testing.assert_close(ordinary(x), net(x), rtol=1e-9, atol=1e-9)


@torch.no_grad()
@every_network
def test_is_made_of_torch_alone_and_shares_nothing(build, shape):
    net, ordinary, x = written(build, shape)
    assert all(type(module).__module__.startswith("torch.") for module in ordinary.modules())
    assert not ordinary.training and not any(module.training for module in ordinary.modules())
    expected = ordinary(x)
    for tensor in net.state_dict().values():
        tensor.zero_()
    assert torch.equal(ordinary(x), expected)


@torch.no_grad()
@one_of_each_part
def test_can_be_exported_for_any_batch_and_copied(build, shape):
    _, ordinary, x = written(build, shape)
    program = torch.export.export(ordinary, (x,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    five = torch.randn(5, *shape, dtype=x.dtype)
    torch.testing.assert_close(program.module()(five), ordinary(five))
    for twin in (copy.deepcopy(ordinary), pickle.loads(pickle.dumps(ordinary))):
        torch.testing.assert_close(twin(x), ordinary(x))


# torch would rather have us export; TorchScript is what many tools still take
@pytest.mark.filterwarnings("ignore:`torch.jit.:FutureWarning")
@torch.no_grad()
@one_of_each_part
def test_can_be_traced_and_saved(build, shape):
    _, ordinary, x = written(build, shape)
    torch.jit.save(torch.jit.trace(ordinary, x), file := io.BytesIO())
    file.seek(0)
    five = torch.randn(5, *shape, dtype=x.dtype)
    torch.testing.assert_close(torch.jit.load(file)(five), ordinary(five))


@torch.no_grad()
@pytest.mark.parametrize("group", ALL_GROUPS, ids=str)
def test_layers_on_feature_maps_become_layers_on_their_planes(group):
    row = [L.GroupInstanceNorm(group, 4), L.SpatialAvgPool2d(group, 2), L.GroupDropout(group), nn.GELU()]
    net = L.EquivariantSequential(*row, L.GroupConv2d(group, 4, 3, 3, padding="same", bias=False)).double().eval()
    for p in net.parameters():
        nn.init.normal_(p)
    f = torch.randn(2, 4, group.order, 6, 6, dtype=torch.float64)
    torch.testing.assert_close(as_ordinary_cnn(net)(f.flatten(1, 2)), net(f).flatten(1, 2))


def test_a_bank_of_copies_counts_its_weights_once_for_each_sheet():
    conv = as_ordinary_cnn(L.GroupConv2d(D4, 2, 3, 3))
    assert type(conv) is nn.Conv2d and conv.weight.shape == (3 * 8, 2 * 8, 3, 3)
    assert len(conv.weight.unique()) == 3 * 2 * 8 * 9


@pytest.mark.parametrize(
    "net, says",
    [
        (e4net(C4, 4), "e4_2 is a E4Layer"),
        (small_e4net(C4, 4), "4 is a E4Layer"),
        (
            bottleneck_resnet(C4, 4, attention=partial(L.SimpleAffineSelfConv2d, kernel_size=3, heads=2)),
            r"3\.branch\.3 is a SimpleAffineSelfConv2d",
        ),
        (L.CosetMaxPool(D4, D1), "the network is a CosetMaxPool"),
        (nn.Sequential(nn.AdaptiveAvgPool3d(2)), "no ordinary form"),
    ],
    ids=["E4-Net", "small E4-Net", "attention", "coset pool", "volume"],
)
def test_what_cannot_be_written_out_is_named(net, says):
    with pytest.raises(TypeError, match=says):
        as_ordinary_cnn(net)
