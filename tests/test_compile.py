"""A whole network is one graph for torch.compile."""

import pytest
import torch

from course_lib.models import p4cnn


@pytest.mark.parametrize("training", [True, False], ids=["training", "eval"])
def test_a_network_compiles_without_a_break(training):
    torch.manual_seed(0)
    torch.compiler.reset()
    net, x = p4cnn().train(training), torch.randn(2, 1, 28, 28)
    torch.manual_seed(1)  # of the dropout
    expected = net(x)
    torch.manual_seed(1)
    torch.testing.assert_close(torch.compile(net, backend="eager", fullgraph=True)(x), expected)
