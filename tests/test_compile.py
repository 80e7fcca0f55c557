"""A whole network is one graph for torch.compile."""

from functools import partial

import pytest
import torch

from course_lib.groups import C4, D4
from course_lib.layers import (
    AffineSelfConv2d,
    AttentiveGroupConv2d,
    CosetMaxPool,
    EncodedSelfAttention2d,
    GCSeparableConv2d,
    GroupConv2d,
    GroupSelfAttention2d,
    SimpleAffineSelfConv2d,
)
from course_lib.models import p4cnn, p4cnn_linear, small_e4net

NETWORKS = {
    "p4cnn": partial(p4cnn, C4, 2),
    "gc": partial(p4cnn_linear, C4, 4, conv=GCSeparableConv2d),  # wide enough for the factored form
    "e4": partial(small_e4net, C4, 4, kernel_size=3),
}
LAYERS = {
    "maps turned, not filters": partial(GroupConv2d, D4, 176, 176, 3, padding=1),
    "coset pooling": partial(CosetMaxPool, D4, C4),
    "self-attention": partial(GroupSelfAttention2d, C4, 4, 4, 3, heads=2),
    "encoded self-attention": partial(EncodedSelfAttention2d, C4, 4, 4, 3, heads=2),
    "attentive": partial(AttentiveGroupConv2d, C4, 4, 4, 3, padding=1),
    "simple affine": partial(SimpleAffineSelfConv2d, C4, 4, 4, 3),
    "affine": partial(AffineSelfConv2d, C4, 4, 4, 3, heads=2),
}


@pytest.mark.slow
@pytest.mark.parametrize("training", [True, False], ids=["training", "eval"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_compiles_without_a_break(name, training):
    torch.manual_seed(0)
    torch.compiler.reset()
    net, x = NETWORKS[name]().train(training), torch.randn(2, 1, 28, 28)
    torch.manual_seed(1)  # of the dropout
    expected = net(x)
    torch.manual_seed(1)
    torch.testing.assert_close(torch.compile(net, backend="eager", fullgraph=True)(x), expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_compiles_without_a_break(name):
    torch.manual_seed(0)
    torch.compiler.reset()
    layer = LAYERS[name]()
    x = torch.randn(2, getattr(layer, "in_channels", 4), layer.group.order, 4, 4)
    torch.testing.assert_close(torch.compile(layer, backend="eager", fullgraph=True)(x), layer(x))
