"""Batch norm of channels-last feature maps, with one mean and variance per channel for all of its sheets.

PyTorch's own kernel takes one statistic for each place of the last axis in memory. Where the channels do not fill whole
vectors of the processor, it takes up to three times as long as where all |H|·C planes stand there. So every plane is
summed up by itself, and the sums of a channel's sheets are put together.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function

from course_lib.kernels.doors import is_transforming
from course_lib.layers.base import by_channel, by_pixel

VECTOR = 8  # values of float32 in a vector of AVX2


def is_faster(x: Tensor, weight: Tensor) -> bool:
    """Whether `batch_norm` takes this map, and in less time than `by_channel` would: as measured on CPUs."""
    channels, sheets = x.shape[1:3]
    unfilled = sheets > 1 and channels % VECTOR != 0 and x.numel() > 0
    fits = x.device.type == "cpu" and x.dtype == weight.dtype and by_pixel(x).is_contiguous()
    return unfilled and fits and not torch.compiler.is_compiling() and not is_transforming()


def batch_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """The normalized map, and the mean and the (biased) variance of each channel, which carry no gradient.

    Shapes: x (B, C, |H|, Y, X), with pixels, sheets and channels in memory in this order, on a CPU; weight, bias (C,)
    → the same as x, (C,), (C,). Can be differentiated any number of times; a second time as `by_channel` does it.
    """
    y, mean, var = _BatchNorm.apply(x, weight, bias, eps)
    return y, mean, var


class _BatchNorm(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        rows = _rows(x)
        mean, var = _of_channels(*torch.batch_norm_update_stats(rows, None, None, 0.0), x.shape[1])
        center, spread, gain, shift = _of_planes(x, mean, var, weight, bias)
        y = F.batch_norm(rows, center, spread, gain, shift, eps=eps)
        ctx.save_for_backward(x, weight, bias, mean, (var + eps).rsqrt())
        ctx.eps = eps
        ctx.mark_non_differentiable(mean, var)
        return _map(y, x), mean, var

    @staticmethod
    def backward(ctx: Any, upstream: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, mean, scale = ctx.saved_tensors
        if torch.is_grad_enabled():  # for a second derivative
            return *_differentiable(upstream, x, weight, bias, eps=ctx.eps), None
        rows, g = _rows(x), _rows(upstream)
        _, by_value, by_one = torch.ops.aten.native_batch_norm_backward(
            g, rows, None, None, None, *_of_planes(x, mean, scale), True, ctx.eps, [False, True, True]
        )
        to_weight, to_bias = (t.view(-1, x.shape[1]).sum(0) for t in (by_value, by_one))
        # γ / σ · (g − mean of g − f̂ · mean of g f̂), f̂ = (f − μ) / σ, as a g + b f + c.
        a, count = weight * scale, x.numel() // x.shape[1]
        b = -a * scale * to_weight / count
        c = -a * to_bias / count - b * mean
        a, b, c = _of_planes(x, a, b, c)
        to_x = torch.addcmul(c, rows, b).addcmul_(g, a)
        return _map(to_x, x), to_weight, to_bias, None


def _differentiable(upstream: Tensor, *inputs: Tensor, eps: float) -> list[Tensor | None]:
    """The gradients as PyTorch's own kernel gives them, with a graph."""
    x, weight, bias = inputs
    y = by_channel(lambda f: F.batch_norm(f, None, None, weight, bias, training=True, eps=eps), x)
    wanted = [t for t in inputs if t.requires_grad]
    found = iter(torch.autograd.grad(y, wanted, upstream, create_graph=True))
    return [next(found) if t.requires_grad else None for t in inputs]


def _rows(x: Tensor) -> Tensor:
    """(B, C, |H|, Y, X) → (B·Y·X, |H|·C), a view where memory is laid out like this."""
    return x.permute(0, 3, 4, 2, 1).flatten(0, 2).flatten(1)


def _map(rows: Tensor, x: Tensor) -> Tensor:
    """Back from `_rows`, a view."""
    batch, channels, sheets, height, width = x.shape
    return rows.view(batch, height, width, sheets, channels).permute(0, 4, 3, 1, 2)


def _of_planes(x: Tensor, *of_channels: Tensor) -> tuple[Tensor, ...]:
    return torch.stack(of_channels).repeat(1, x.shape[2]).unbind()


def _of_channels(mean: Tensor, var: Tensor, channels: int) -> tuple[Tensor, Tensor]:
    """Mean and variance of channels from those of their planes, which all have as many values."""
    means = mean.view(-1, channels)
    center = means.mean(0)
    return center, (var.view(-1, channels) + (means - center).square()).mean(0)
