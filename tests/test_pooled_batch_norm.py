"""Batch norm of channels-last maps: the same as PyTorch's own on the same map in any other layout."""

import copy

import pytest
import torch
from torch import nn

from course_lib.groups import C4, D4
from course_lib.layers import GroupBatchNorm, pooled_batch_norm
from layer_helpers import every_group_but_C1, every_pair

LIMITS = {torch.float32: 2e-5, torch.float64: 1e-12}


def channels_last_map(group, dtype, height=5, width=7, channels=6, batch=3):
    f = torch.randn(batch, height, width, group.order, channels, dtype=dtype).permute(0, 4, 3, 1, 2)
    return 2 * f + torch.arange(group.order)[:, None, None]  # every sheet with a mean of its own


def norm_like_trained(group, dtype, **settings):
    norm = GroupBatchNorm(group, 6, **settings).to(dtype)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    return norm


def step(norm, f, upstream):
    """What one step of training gives: the output, all gradients, and what the norm remembers."""
    f = f.detach().requires_grad_()
    y = norm(f)
    gradients = torch.autograd.grad(y, (f, *norm.parameters()), upstream)
    return [y, *gradients, *norm.buffers()]


def assert_equal_to_pytorch(norm, f, steps=2):
    theirs = copy.deepcopy(norm)
    assert pooled_batch_norm.is_faster(f, norm.weight)
    assert not pooled_batch_norm.is_faster(f.contiguous(), norm.weight)
    for _ in range(steps):
        upstream = torch.randn(f.shape, dtype=f.dtype)
        limit = LIMITS[f.dtype]
        for ours, expected in zip(step(norm, f, upstream), step(theirs, f.contiguous(), upstream), strict=True):
            torch.testing.assert_close(ours, expected, rtol=limit, atol=20 * limit)


@every_group_but_C1
@pytest.mark.parametrize("dtype", LIMITS, ids=str)
def test_equals_pytorchs_batch_norm(group, dtype):
    assert_equal_to_pytorch(norm_like_trained(group, dtype), channels_last_map(group, dtype))


@every_pair(momentum=[0.3, None], eps=[1e-5, 0.5], height=[1, 4])
def test_equals_pytorchs_batch_norm_with_any_settings(momentum, eps, height):
    norm = norm_like_trained(C4, torch.float64, momentum=momentum, eps=eps)
    assert_equal_to_pytorch(norm, channels_last_map(C4, torch.float64, height=height), steps=3)


def test_keeps_the_layout_of_maps_and_gradients():
    f = channels_last_map(D4, torch.float32).requires_grad_()
    y = norm_like_trained(D4, torch.float32)(f)
    y.square().sum().backward()
    assert y.stride() == f.stride() == f.grad.stride()


def test_accepts_an_upstream_gradient_of_any_strides():
    f, norm = channels_last_map(C4, torch.float64), norm_like_trained(C4, torch.float64)
    upstream = torch.randn(f.shape, dtype=f.dtype).transpose(-1, -2).contiguous().transpose(-1, -2)
    ours, theirs = step(norm, f, upstream), step(copy.deepcopy(norm), f.contiguous(), upstream)
    torch.testing.assert_close(ours[:4], theirs[:4])


def test_has_first_and_second_derivatives():
    f = channels_last_map(C4, torch.float64, height=2, width=2, batch=2).requires_grad_()
    norm = norm_like_trained(C4, torch.float64)
    inputs = (f, norm.weight, norm.bias)

    def forward(*inputs):
        return pooled_batch_norm.batch_norm(*inputs, 1e-5)[0]

    assert torch.autograd.gradcheck(forward, inputs)
    assert torch.autograd.gradgradcheck(forward, inputs)


def test_has_second_derivatives_of_weights_alone():
    norm = norm_like_trained(C4, torch.float64)
    y = norm(channels_last_map(C4, torch.float64))
    (gradient,) = torch.autograd.grad(y.square().sum(), norm.weight, create_graph=True)
    (second,) = torch.autograd.grad(gradient.sum(), norm.weight)
    # y = γ f̂ + β, and the mean of f̂² is nearly 1: Σ y² has the second derivative 2 Σ f̂² in γ.
    torch.testing.assert_close(second, torch.full_like(second, 2 * y.numel() / 6), rtol=1e-4, atol=0)


def test_without_running_statistics_it_is_pytorchs():
    """As `torch.func.replace_all_batch_norm_modules_` leaves it."""
    norm = norm_like_trained(C4, torch.float64)
    norm.running_mean = norm.running_var = norm.num_batches_tracked = None
    norm.track_running_stats = False
    f = channels_last_map(C4, torch.float64)
    torch.testing.assert_close(norm(f), norm.eval()(f.contiguous()))


def test_an_empty_batch_leaves_what_pytorch_leaves():
    f, norm = channels_last_map(C4, torch.float64, batch=0), norm_like_trained(C4, torch.float64)
    theirs = copy.deepcopy(norm)
    torch.testing.assert_close(norm(f), theirs(f.contiguous()))
    for ours, expected in zip(norm.buffers(), theirs.buffers(), strict=True):
        torch.testing.assert_close(ours, expected, equal_nan=True)
