"""shift_and_add, the readable step between unfolding and the fast aggregation: the same sums, few bytes kept."""

import pytest
import torch

from course_lib.bench.measuring import bytes_saved
from course_lib.kernels import shift_and_add, unfold_and_sum


def arguments(k, size, slices=2):
    kernels = torch.randn(2, slices, 4, k * k, *size, dtype=torch.float64, requires_grad=True)
    return kernels, torch.randn(2, 2 * slices, 4, *size, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("size", [(4, 4), (5, 5), (2, 6)], ids=str)
def test_equals_unfolding_with_its_gradients(k, size):
    inputs = arguments(k, size)
    ours, expected = shift_and_add(*inputs), unfold_and_sum(*inputs)
    torch.testing.assert_close(ours, expected)
    cotangent = torch.randn_like(ours)
    gradients = (torch.autograd.grad(out, inputs, cotangent) for out in (ours, expected))
    for gradient, wanted in zip(*gradients, strict=True):
        torch.testing.assert_close(gradient, wanted)


def test_keeps_kernels_and_padded_values_only():
    kernels, values = arguments(5, (8, 8))
    padded = values.numel() * 12 * 12 // (8 * 8)
    assert bytes_saved(lambda: shift_and_add(kernels, values), []) == 8 * (kernels.numel() + padded)
