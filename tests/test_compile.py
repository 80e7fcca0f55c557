"""A whole network is one graph for torch.compile."""

from functools import partial

import pytest
import torch

from course_lib.groups import C4
from course_lib.layers import GCSeparableConv2d
from course_lib.models import p4cnn, p4cnn_linear, small_e4net

NETWORKS = {
    "p4cnn": partial(p4cnn, C4, 2),
    "gc": partial(p4cnn_linear, C4, 2, conv=GCSeparableConv2d),
    "e4": partial(small_e4net, C4, 4, kernel_size=3),
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
