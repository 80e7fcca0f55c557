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
from course_lib.experiments import TABLES
from course_lib.groups import ALL_GROUPS, C4, C8, D1, D4
from course_lib.models import (
    allcnn,
    as_ordinary_cnn,
    bottleneck_resnet,
    p4cnn,
    p4cnn_dropout,
    p4cnn_linear,
    p4cnn_rotation_pooling,
    resnet18,
    resnet44,
    sfcnn,
    small_e4net,
)
from course_lib.models.attentive import Gate
from course_lib.models.blocks import Residual

MNIST, CIFAR = (1, 28, 28), (3, 16, 16)


def gated_and_pooled_over_cosets(group, width):
    """Its linear layer has weights of its own for every coset."""
    subgroup = next(s for s in group.subgroups if s.order == 2)
    row = [Gate(nn.Conv2d(1, 1, 3, padding=1)), L.LiftingConv2d(group, 1, width, 3)]
    row += [Gate(L.GroupConv2d(group, width, 1, 1)), L.CosetMaxPool(group, subgroup), L.SpatialMaxPool2d(group, 13)]
    return L.EquivariantSequential(*row, nn.Flatten(), nn.Linear(width * group.order // 2 * 4, 10))


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
    "sfcnn": (sfcnn, MNIST),
    "gates and cosets": (gated_and_pooled_over_cosets, MNIST),
}
every_network = pytest.mark.parametrize("build, shape", NETWORKS.values(), ids=NETWORKS)

# Together they have every part.
SOME = ("rotation pooling", "gc", "resnet18", "resnet29, squeeze", "gates and cosets")
one_of_each_part = pytest.mark.parametrize("build, shape", [NETWORKS[name] for name in SOME], ids=SOME)


def as_trained(net):
    """With a value of its own for every number."""
    make_unequal(net.double().eval(), torch.Generator().manual_seed(0))
    return net


def written(build, shape, group=C4):
    """A network as after training, its ordinary form, and images."""
    net = as_trained(build(group, 4))
    return net, as_ordinary_cnn(net), torch.randn(2, *shape, dtype=torch.float64)


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


def same(net, x):
    """Whether the ordinary form of a network, or of a part of one, gives what it gives."""
    ordinary = as_ordinary_cnn(as_trained(net))
    planes, y = (f.flatten(1, 2) if f.ndim == 5 else f for f in (x, net(x)))
    assert not torch.allclose(y[0], y[1]), "a dead network shows nothing"
    return torch.allclose(ordinary(planes), y, rtol=1e-9, atol=1e-9)


def random_map(channels, group):
    return torch.randn(2, channels, group.order, 9, 9, dtype=torch.float64)


def random_image(channels, side):
    return torch.randn(2, channels, side, side, dtype=torch.float64)


@torch.no_grad()
@pytest.mark.parametrize("group, subgroup", [(g, s) for g in ALL_GROUPS for s in g.subgroups], ids=str)
def test_a_pool_over_cosets_takes_the_planes_of_each(group, subgroup):
    assert same(L.CosetMaxPool(group, subgroup), random_map(3, group))


@torch.no_grad()
@pytest.mark.parametrize("scores", [1, 2], ids=["of all channels", "of each channel"])
def test_behind_a_pool_over_cosets_a_map_has_fewer_sheets(scores):
    pool, gate = L.CosetMaxPool(D4, D1), Gate(L.GroupConv2d(C4, 2, scores, 1))
    assert same(L.EquivariantSequential(pool, gate, L.GroupConv2d(C4, 2, 3, 3)), random_map(2, D4))


@torch.no_grad()
@pytest.mark.parametrize("group", [C4, C8], ids=str)
def test_layers_of_torch_on_images_and_vectors_stay_as_they_are(group):
    stem = [nn.Conv2d(3, 4, 3, padding="same"), nn.BatchNorm2d(4), nn.PReLU(4), nn.Softmax(1)]
    block = Residual(nn.Sequential(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2)), nn.Identity(), nn.Softmax(1))
    head = [nn.Conv2d(2, 2, 3), nn.Upsample(scale_factor=2), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(2)]
    head += [nn.Flatten(2), nn.Flatten(), nn.Linear(8, 6), nn.BatchNorm1d(6), nn.LayerNorm(6), nn.LogSoftmax(1)]
    to_group_and_back = [L.LiftingConv2d(group, 4, 2, 3), L.GroupMaxPool(group)]
    net, x = nn.Sequential(L.SpatialMaxPool2d(group, 2), *stem, *to_group_and_back, block, *head), random_image(3, 24)
    assert same(net, x)
    ordinary = as_ordinary_cnn(net)
    assert str(ordinary[1:5]) == str(net[1:5]) and str(ordinary[-10:]) == str(net[-10:])
    assert same(ordinary, x)


LAST_ON_GROUP = [L.GroupMaxPool(C4), L.GlobalMaxPool(C4), L.GlobalAvgPool(C4), nn.Flatten()]


@torch.no_grad()
@pytest.mark.parametrize("last", LAST_ON_GROUP, ids=lambda layer: type(layer).__name__)
def test_a_block_may_lead_from_the_group_to_images_and_vectors(last):
    block = Residual(nn.Sequential(L.GroupConv2d(C4, 2, 2, 1), last), last)
    assert same(nn.Sequential(block, nn.Softmax(1)), random_map(2, C4))


@torch.no_grad()
def test_a_layer_may_stand_in_a_row_twice():
    bend, conv = nn.LeakyReLU(0.5), L.GroupConv2d(C4, 2, 2, 3)
    assert same(nn.Sequential(conv, bend, conv, bend), random_map(2, C4))


@torch.no_grad()
def test_padding_is_a_number_where_it_is_the_same_at_all_borders():
    """Static quantization by torch.fx does not take a word."""
    net = as_ordinary_cnn(resnet18(C4, 1))
    assert all(isinstance(m.padding, tuple) for m in net.modules() if isinstance(m, nn.Conv2d))
    assert as_ordinary_cnn(L.GroupConv2d(C4, 1, 1, 4, padding="same", allow_approximate=True)).padding == "same"


# --- the papers' networks --------------------------------------------------------------------------------------------

# Each architecture once: on other data and in other sizes it is made of the same layers.
ALL_ROWS = [row for table in TABLES.values() for row in table.rows]
ROWS = {(row.architecture, row.layer, row.group): row for row in reversed(ALL_ROWS)}.values()
CONVOLUTIONAL = {"full", "c", "g", "gc", "steerable", "gated", "SE"}  # layers of a row


def narrow(row):
    """As many channels as attention has heads; with fewer, a ReLU may be left that lets nothing pass."""
    return row.network(row.group, 8)


@torch.no_grad()
@pytest.mark.parametrize("row", [r for r in ROWS if r.layer in CONVOLUTIONAL], ids=lambda row: row.key)
def test_every_convolutional_row_of_the_tables_is_written_out(row):
    assert same(narrow(row), random_image(*row.recipe.image_shape[:2]))


@pytest.mark.parametrize("row", [r for r in ROWS if r.layer not in CONVOLUTIONAL], ids=lambda row: row.key)
def test_every_other_row_names_all_of_its_dynamic_layers(row):
    net, rooms = narrow(row), ("e4", "asc", "attention", "encoded_attention", "attentive")
    kinds = tuple(c for c in vars(L).values() if isinstance(c, type) and c.__module__.split(".")[-1] in rooms)
    dynamic = [f"{name} ({type(layer).__name__})" for name, layer in net.named_modules() if isinstance(layer, kinds)]
    with pytest.raises(TypeError, match="depend on the input") as raised:
        as_ordinary_cnn(net)
    assert dynamic and f": {', '.join(dynamic)}. Save" in str(raised.value)


# --- what cannot be written out --------------------------------------------------------------------------------------


class Own(nn.Module):
    """A block that only its author knows."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner


class AlwaysDropout(nn.Dropout):
    """A layer of torch with a life of its own."""


CONV = L.GroupConv2d(C4, 2, 2, 1)


@pytest.mark.parametrize(
    "net, says",
    [
        (small_e4net(C4, 4), r": 4 \(E4Layer\), 8 \(E4Layer\)\. Save"),
        (L.E4Layer(C4, 2, 2, 3), r"depend on the input .* the network \(E4Layer\)"),
        (nn.Sequential(Own(L.E4Layer(C4, 2, 2, 3))), r"depend on the input .* 0\.inner \(E4Layer\)"),
        (Own(nn.ReLU()), r"^the network \(Own\) has no ordinary form"),
        (nn.Sequential(CONV, Residual(nn.Sequential(Own(CONV)), nn.Identity())), r"^1\.branch\.0 \(Own\) has no"),
        (nn.Sequential(CONV, AlwaysDropout()), r"^1 \(AlwaysDropout\) has no"),
        (nn.ModuleList([L.LiftingConv2d(C4, 1, 1, 1)]), r"^the network \(ModuleList\) has no"),
        (nn.Sequential(CONV, nn.Softmax(1)), r"^1 \(Softmax\) has no"),
        (nn.Sequential(CONV, nn.Flatten(2)), r"^1 \(Flatten\) has no"),
        (nn.Sequential(CONV, nn.AdaptiveAvgPool3d((1, 1, 1))), r"^1 \(AdaptiveAvgPool3d\) has no"),
    ],
)  # fmt: skip
def test_what_cannot_be_written_out_is_named(net, says):
    with pytest.raises(TypeError, match=says):
        as_ordinary_cnn(net)
