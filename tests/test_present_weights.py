"""A layer computes with its present weights, however they came to be what they are, and in whatever mode it is."""

import copy
import io

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call, grad, vmap
from torch.nn.utils import parametrize, prune

from course_lib import layers as L
from course_lib.groups import C4, D1, D4
from course_lib.models import p4cnn, p4cnn_linear, resnet18


def conv(channels=2):
    return L.GroupConv2d(C4, channels, channels, 3, bias=False).eval()


def by_definition(x, psi):
    return F.conv2d(x.flatten(1, 2), L.group_filter_bank(psi, C4).flatten(0, 1).flatten(1, 2)).unflatten(1, (-1, 4))


def changed_by_step(layer, other):
    layer.weight.grad = torch.ones_like(layer.weight)
    torch.optim.SGD([layer.weight], lr=1.0).step()


def changed_by_fused_step(layer, other):
    layer.weight.grad = torch.ones_like(layer.weight)
    torch.optim.Adam([layer.weight], lr=1.0, fused=True).step()


def changed_in_place(layer, other):
    with torch.no_grad():
        layer.weight.mul_(2)


CHANGES = {
    "step": changed_by_step,
    "fused step": changed_by_fused_step,
    "in place": changed_in_place,
    "in place through data": lambda layer, other: layer.weight.data.mul_(2),
    "new data": lambda layer, other: setattr(layer.weight, "data", other.weight.data),
    "new state": lambda layer, other: layer.load_state_dict(other.state_dict()),
    "new parameter": lambda layer, other: setattr(layer, "weight", other.weight),
    "pruned": lambda layer, other: prune.l1_unstructured(layer, "weight", 0.9),
    "reset": lambda layer, other: layer.reset_parameters(),
}


@torch.no_grad()
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("evaluates", [torch.no_grad, torch.inference_mode])
def test_a_change_of_the_weight_is_seen_at_once(change, evaluates):
    layer, other, x = conv(), conv(), torch.randn(1, 2, 4, 5, 5)
    with evaluates():
        before = layer(x)
    change(layer, other)
    with evaluates():
        after = layer(x)
    torch.testing.assert_close(after, by_definition(x, layer.weight))
    assert not torch.allclose(after, before)


def test_another_weight_may_share_the_memory():
    layer, x = conv(), torch.randn(1, 2, 4, 5, 5)
    with torch.no_grad():
        layer(x)
        layer.weight = nn.Parameter(layer.weight.detach().transpose(0, 1))
        torch.testing.assert_close(layer(x), by_definition(x, layer.weight))


def test_filters_of_a_subclass_with_a_parameter_of_its_own():
    class Gated(L.GroupConv2d):
        def filters(self):
            return self.weight * getattr(self, "gate", 1)

    layer, x = Gated(C4, 2, 2, 3, bias=False).eval(), torch.randn(1, 2, 4, 5, 5)
    layer.gate = nn.Parameter(torch.ones(1))
    with torch.no_grad():
        for _ in range(2):
            torch.testing.assert_close(layer(x), by_definition(x, layer.gate * layer.weight))
            layer.gate.mul_(3)


class TimesScale(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("scale", torch.tensor(1.0))

    def forward(self, weight):
        return self.scale * weight


@torch.no_grad()
def test_a_weight_that_is_computed_anew_each_time():
    layer, x, times = conv(), torch.randn(1, 2, 4, 5, 5), TimesScale()
    psi = layer.weight.clone()
    parametrize.register_parametrization(layer, "weight", times)
    for scale in (1.0, 3.0):
        times.scale.fill_(scale)
        torch.testing.assert_close(layer(x), by_definition(x, scale * psi))


@torch.no_grad()
def test_new_weights_may_lie_where_freed_ones_lay():
    layer, x = conv(64).double(), torch.randn(1, 64, 4, 3, 3, dtype=torch.float64)
    for _ in range(4):
        psi = torch.randn_like(layer.weight)
        torch.testing.assert_close(functional_call(layer, {"weight": psi}, (x,)), by_definition(x, psi))
        del psi


@torch.no_grad()
def test_compiled_exported_and_mapped_networks():
    net, x = p4cnn_linear(C4, 2).eval(), torch.randn(2, 1, 28, 28)
    expected = net(x)
    torch.compiler.reset()
    compiled = torch.compile(net, backend="eager", fullgraph=True)
    for _ in range(2):
        torch.testing.assert_close(compiled(x), expected)
    torch.testing.assert_close(torch.export.export(net, (x,)).module()(x), expected)
    twins = {name: torch.stack([value, value]) for name, value in net.state_dict().items()}
    for mapped in torch.vmap(lambda state: functional_call(net, state, (x,)))(twins):
        torch.testing.assert_close(mapped, expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_an_exported_network_takes_any_batch():
    net, batch = p4cnn(D4, 2).eval(), torch.export.Dim("batch")
    program = torch.export.export(net, (torch.randn(2, 1, 28, 28),), dynamic_shapes=({0: batch},))
    x = torch.randn(5, 1, 28, 28)
    torch.testing.assert_close(program.module()(x), net(x))


def test_gradients_of_single_images():
    net, images = p4cnn(C4, 2).eval(), torch.randn(3, 1, 28, 28)
    parameters = dict(net.named_parameters())

    def loss(values, image):
        return functional_call(net, values, (image[None],)).square().sum()

    mapped = vmap(grad(loss), in_dims=(None, 0))(parameters, images)
    for i, image in enumerate(images):
        for name, value in grad(loss)(parameters, image).items():
            torch.testing.assert_close(mapped[name][i], value, rtol=1e-3, atol=1e-4)


def test_a_layer_made_for_inference_alone():
    with torch.inference_mode():
        layer, x = conv(), torch.randn(1, 2, 4, 5, 5)
        torch.testing.assert_close(layer(x), by_definition(x, layer.weight))


def test_use_leaves_nothing_in_the_file():
    layer, sizes = conv(), []
    for _ in range(2):
        torch.save(layer, file := io.BytesIO())
        sizes.append(file.tell())
        with torch.no_grad():
            layer(torch.randn(1, 2, 4, 5, 5))
            assert copy.deepcopy(layer).__dict__.keys() == layer.__dict__.keys()
    assert sizes[0] == sizes[1]


# a trace keeps what was computed, not the checks of sizes: of each torch says so; it would also rather have us export
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.filterwarnings("ignore:`torch.jit.:FutureWarning")
@torch.no_grad()
@pytest.mark.parametrize(
    "make, shape",
    [
        (lambda: L.LiftingConv2d(C4, 1, 4, 3), (1, 8, 8)),
        (lambda: L.GroupConv2d(C4, 2, 180, 3, padding=1), (2, 4, 5, 5)),  # turns its maps
        (lambda: L.CosetMaxPool(D4, D1), (2, 8, 5, 5)),
        (lambda: p4cnn(C4, 2), (1, 28, 28)),
        (lambda: resnet18(D4, 2), (3, 32, 32)),
    ],
    ids=["lift", "wide", "coset pool", "p4cnn", "resnet18"],
)
def test_a_traced_network_can_be_saved_and_takes_any_batch(make, shape):
    net, x = make().eval(), torch.randn(5, *shape)
    torch.jit.save(torch.jit.trace(net, x[:2]), file := io.BytesIO())
    file.seek(0)
    torch.testing.assert_close(torch.jit.load(file)(x), net(x))
