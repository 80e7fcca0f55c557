"""P4CNN with a linear head: invariant to its group, for every kind of hidden convolution."""

from functools import partial

import pytest
import torch
from torch import nn

from course_lib.actions import act_on_image
from course_lib.checks import relative_error
from course_lib.groups import ALL_GROUPS, C4, D4
from course_lib.layers import GCSeparableConv2d, GroupConv2d, GSeparableConv2d, LiftingConv2d
from course_lib.models import allcnn, bottleneck_resnet, p4cnn, p4cnn_linear, resnet18, resnet44

CONVS = {
    "full": GroupConv2d,
    "g": GSeparableConv2d,
    "gc": GCSeparableConv2d,
    "gc, two biases": partial(GCSeparableConv2d, pointwise_bias=True),
}


def trained(net, x):
    """A few steps of training: norms, biases and all have moved, differently in every channel."""
    optimizer = torch.optim.Adam(net.parameters(), lr=0.05)
    for step in range(3):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), torch.arange(len(x)) + step).backward()
        optimizer.step()
    return net.eval()


@pytest.mark.parametrize("group", ALL_GROUPS, ids=str)
@pytest.mark.parametrize("conv", CONVS.values(), ids=CONVS)
def test_is_invariant_after_training(group, conv):
    torch.manual_seed(0)
    x = torch.randn(4, 1, 28, 28, dtype=torch.float64)
    net = trained(p4cnn_linear(group, 3, conv=conv).double(), x)
    scores = net(x)
    assert scores.shape == (4, 10) and scores.std(dim=0).min() > 1e-3
    for g in group.elements:
        assert relative_error(net(act_on_image(g, x)), scores) < 1e-12


def test_control_is_not_invariant_to_mirrors():
    torch.manual_seed(0)
    x = torch.randn(4, 1, 28, 28, dtype=torch.float64)
    net = trained(p4cnn_linear(C4, 3).double(), x)
    assert relative_error(net(act_on_image(D4.elements[4], x)), net(x)) > 0.01


def test_only_the_lift_stays_full():
    net = p4cnn_linear(C4, 2, conv=GSeparableConv2d)
    assert type(net.conv1) is LiftingConv2d
    assert all(type(net.get_submodule(f"conv{i}")) is GSeparableConv2d for i in range(2, 8))
    assert [net.get_submodule(f"conv{i}").kernel_size for i in range(1, 8)] == [3] * 6 + [4]


@pytest.mark.parametrize("conv", CONVS.values(), ids=CONVS)
def test_a_linear_classifier_says_the_size_it_takes(conv):
    with pytest.raises(ValueError, match=r"takes images \(1, 28, 28\).*end in one of 3 × 3\. Use images of 28 × 28"):
        p4cnn_linear(C4, 2, conv=conv)(torch.zeros(2, 1, 32, 32))


@pytest.mark.parametrize("training", [True, False], ids=["training", "eval"])
@pytest.mark.parametrize("build", [allcnn, p4cnn, resnet18, resnet44, bottleneck_resnet])
def test_bytes_are_refused_alike_in_training_and_in_eval(build, training):
    images = torch.zeros(2, 1 if build is p4cnn else 3, 28, 28, dtype=torch.uint8)
    with pytest.raises(TypeError, match=r"^LiftingConv2d expected a float map, got torch.uint8; convert it with x"):
        build(C4, 2).train(training)(images)
