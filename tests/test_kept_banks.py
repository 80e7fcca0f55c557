"""The filter bank is kept in eval mode without gradients, for as long as it is the bank of the weights."""

import copy
import io

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call
from torch.nn.utils import parametrize, prune

from course_lib import layers as L
from course_lib.groups import C4
from course_lib.models import p4cnn_linear


def conv(channels=2):
    return L.GroupConv2d(C4, channels, channels, 3, bias=False).eval()


def by_definition(x, psi):
    return F.conv2d(x.flatten(1, 2), L.group_filter_bank(psi, C4).flatten(0, 1).flatten(1, 2)).unflatten(1, (-1, 4))


def changed_by_step(layer, other):
    layer.weight.grad = torch.ones_like(layer.weight)
    torch.optim.SGD([layer.weight], lr=1.0).step()


def changed_in_place(layer, other):
    with torch.no_grad():
        layer.weight.mul_(2)


@pytest.mark.parametrize(
    "change",
    [
        changed_by_step,
        changed_in_place,
        lambda layer, other: layer.load_state_dict(other.state_dict()),
        lambda layer, other: layer.to(torch.float64),
        lambda layer, other: setattr(layer, "weight", other.weight),
    ],
)
def test_the_bank_is_kept_until_the_weight_changes(change):
    layer, other = conv(), conv()
    with torch.no_grad():
        kept = layer.filter_bank()
        assert layer.filter_bank() is kept
    change(layer, other)
    with torch.no_grad():
        assert torch.equal(layer.filter_bank(), layer._expand())
        assert layer.filter_bank() is not kept


def test_the_bank_is_not_kept_where_gradients_flow():
    layer = L.GroupConv2d(C4, 2, 2, 3).eval()
    with torch.no_grad():
        layer(torch.randn(1, 2, 4, 5, 5))
    layer(torch.randn(1, 2, 4, 5, 5)).sum().backward()
    assert layer.weight.grad is not None and layer.weight.grad.abs().sum() > 0


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


def test_the_bank_is_forgotten_when_weights_move():
    """There and back, they may lie where they lay: whether they do is chance, so the bank itself is looked at."""
    layer = conv()
    with torch.no_grad():
        layer.filter_bank()
    assert layer._kept_bank._kept is not None
    assert layer.half().float()._kept_bank._kept is None


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
def test_a_pruned_weight():
    layer, x = conv(), torch.randn(1, 2, 4, 5, 5)
    layer(x)
    prune.l1_unstructured(layer, "weight", 0.9)
    torch.testing.assert_close(layer(x), by_definition(x, layer.weight_orig * layer.weight_mask))


@torch.no_grad()
def test_new_weights_may_lie_where_freed_ones_lay():
    layer, x = conv(64), torch.randn(1, 64, 4, 3, 3)
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


def test_a_layer_made_for_inference_alone():
    with torch.inference_mode():
        layer, x = conv(), torch.randn(1, 2, 4, 5, 5)
        torch.testing.assert_close(layer(x), by_definition(x, layer.weight))


def test_copies_and_files_begin_without_a_bank():
    layer, sizes = conv(), []
    for _ in range(2):
        torch.save(layer, file := io.BytesIO())
        sizes.append(file.tell())
        with torch.no_grad():
            layer.filter_bank()
            assert copy.deepcopy(layer)._kept_bank._kept is None
    assert sizes[0] == sizes[1]
