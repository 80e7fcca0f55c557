"""Neighbourhood aggregation with a kernel of its own at every pixel: the inner operation of the E4 layer."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from course_lib.kernels.lines import Lines, chunks, promoted, refuse_second_derivative, working
from course_lib.kernels.windows import neighbourhoods


def generate_kernels(hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The kernels that each (h, t) makes for itself, K[s, h, i](t) = Σ_m W[s, h, m, i] hidden[m, h](t) + b[s, h, i].

    Shapes: hidden (B, M, |H|, Y, X), weight bank (S, |H|, M, k, k), bias bank (S, |H|, k, k)
    → (B, S, |H|, k², Y, X), i over the k² neighbours, row by row. Source: He et al. (2021), section 4.1; notebook 08.
    """
    kernels = torch.einsum("bmhyx,shmi->bshiyx", hidden, weight.flatten(-2))
    return kernels + bias.flatten(-2)[..., None, None]


def unfold_and_sum(kernels: Tensor, values: Tensor) -> Tensor:
    """`aggregate` as the paper describes it, the reference: unfold the values, multiply, sum. Notebook 08.

    The unfolded map is k² times the feature map, and it is kept for the backward pass together with the kernels.
    """
    slices, kernel_size = kernels.shape[1], round(kernels.shape[3] ** 0.5)
    windows = neighbourhoods(values, kernel_size).unflatten(1, (slices, -1))  # (B, S, O/S, |H|, k², Y, X)
    return (kernels.unsqueeze(2) * windows).sum(dim=4).flatten(1, 2)


def aggregate(kernels: Tensor, values: Tensor) -> Tensor:
    """Σ_i K[s, h, i](t) V[c, h](t + d_i): every channel by the kernel of its slice, zero outside of the map.

    Channel c belongs to slice c // (O/S). Nothing is unfolded: k² times, the map moved by one step is multiplied by
    the kernels and added. Backward keeps kernels and values only; it cannot be differentiated again (RuntimeError).
    Shapes: kernels (B, S, |H|, k², Y, X), values (B, O, |H|, Y, X) → (B, O, |H|, Y, X). Raises ValueError for others.
    Source: He et al. (2021), Eq. 12; notebook 08; reference `unfold_and_sum`.
    """
    _require_fit("kernels", kernels, (len(values), -1, values.shape[2], -1, *values.shape[-2:]))
    if math.isqrt(kernels.shape[3]) ** 2 != kernels.shape[3]:
        raise ValueError(f"a k × k window has k² neighbours, but kernels has k² = {kernels.shape[3]}: use a square")
    _require_shares(kernels.shape[1], values)
    return _Aggregate.apply(kernels, values)


def generate_and_aggregate(hidden: Tensor, values: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """`aggregate` with the kernels of `generate_kernels`, in one step: the generated kernels are never stored.

    They are made for a few images at a time, used while they are in the cache, and made again for backward, which
    keeps only the four arguments. It cannot be differentiated again (RuntimeError).
    Shapes: hidden (B, M, |H|, Y, X), values (B, O, |H|, Y, X), weight bank (S, |H|, M, k, k), bias bank (S, |H|, k, k)
    → (B, O, |H|, Y, X). Raises ValueError for others. Notebook 08; reference `generate_kernels`, `unfold_and_sum`.
    """
    _require_fit("hidden", hidden, (len(values), -1, *values.shape[2:]))
    _require_fit("weight", weight, (-1, values.shape[2], hidden.shape[1], -1, -1))
    _require_fit("bias", bias, (len(weight), values.shape[2], *weight.shape[-2:]))
    _require_shares(len(weight), values)
    return _GenerateAndAggregate.apply(hidden, values, weight, bias)


class _Aggregate(Function):
    """Kernels that are given."""

    @staticmethod
    def forward(ctx: Any, kernels: Tensor, values: Tensor) -> Tensor:
        ctx.save_for_backward(kernels, values)
        lines, dtype = Lines(math.isqrt(kernels.shape[3]), *values.shape[-2:]), promoted(kernels, values)
        out = values.new_empty(values.shape, dtype=dtype)
        for some in chunks(values, kernels[:1].numel()):
            laid = _lay_kernels(kernels[some], lines, working(dtype))
            padded = lines.lay_with_border(values[some], working(dtype))
            out[some] = lines.pick_up(_shift_and_add(laid, padded, lines))
        return out

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, Tensor]:
        refuse_second_derivative("unfold_and_sum")
        kernels, values = ctx.saved_tensors
        lines, dtype = Lines(math.isqrt(kernels.shape[3]), *values.shape[-2:]), working(promoted(kernels, values))
        grad_kernels, grad_values = torch.empty_like(kernels), torch.empty_like(values)
        for some in chunks(values, kernels[:1].numel()):
            laid, padded = _lay_kernels(kernels[some], lines, dtype), lines.lay_with_border(values[some], dtype)
            grad_laid, grad_padded = _gradients(laid, padded, lines.lay(upstream[some], dtype), lines)
            grad_values[some] = lines.pick_up_from_border(grad_padded)
            grad_kernels[some] = lines.pick_up(grad_laid).unflatten(1, kernels.shape[1:4:2]).transpose(2, 3)
        return grad_kernels, grad_values


class _GenerateAndAggregate(Function):
    """Kernels made here, by one matrix product for a few images at a time."""

    @staticmethod
    def forward(ctx: Any, *inputs: Tensor) -> Tensor:
        ctx.save_for_backward(*inputs)
        hidden, values, weight, bias = inputs
        lines, dtype = Lines(weight.shape[-1], *values.shape[-2:]), promoted(*inputs)
        matrix = _kernel_matrix(weight, bias).to(working(dtype))
        out = values.new_empty(values.shape, dtype=dtype)
        for some in chunks(values, matrix.shape[1] * values[:1, 0].numel()):
            kernels = _product(matrix, _lay_with_one(hidden[some], lines, working(dtype)))
            padded = lines.lay_with_border(values[some], working(dtype))
            out[some] = lines.pick_up(_shift_and_add(kernels, padded, lines))
        return out

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, ...]:
        refuse_second_derivative("unfold_and_sum(generate_kernels(…), values)")
        inputs = ctx.saved_tensors  # activation checkpointing hands them out once
        hidden, values, weight, bias = inputs
        lines, dtype = Lines(weight.shape[-1], *values.shape[-2:]), working(promoted(*inputs))
        matrix = _kernel_matrix(weight, bias).to(dtype)
        grad_hidden, grad_values, grad_matrix = map(torch.zeros_like, (hidden, values, matrix))
        for some in chunks(values, matrix.shape[1] * values[:1, 0].numel()):
            laid, padded = _lay_with_one(hidden[some], lines, dtype), lines.lay_with_border(values[some], dtype)
            kernels, laid_upstream = _product(matrix, laid), lines.lay(upstream[some], dtype)
            grad_kernels, grad_padded = _gradients(kernels, padded, laid_upstream, lines)
            grad_values[some] = lines.pick_up_from_border(grad_padded)
            grad_hidden[some] = lines.pick_up(_product(matrix[..., :-1].mT, grad_kernels))
            grad_matrix.baddbmm_(grad_kernels.flatten(2), laid.flatten(2).mT)
        # (|H|, S·k², M + 1) → (S, |H|, M + 1, k²)
        by_slice = grad_matrix.unflatten(1, (len(weight), -1)).permute(1, 0, 3, 2)
        return (
            grad_hidden,
            grad_values,
            by_slice[:, :, :-1].reshape(weight.shape),
            by_slice[:, :, -1].reshape(bias.shape),
        )


def _shift_and_add(kernels: Tensor, padded: Tensor, lines: Lines) -> Tensor:
    """Σ_i K_i V_i, where V_i is the map moved by one step: (|H|, S·k², b, n), (|H|, O, b, m) → (|H|, O, b, n)."""
    by_step, by_slice = _by_slice_and_step(kernels, padded, lines.kernel_size)
    out = torch.zeros_like(lines.window(by_slice, 0, 0))
    for i, j in product(range(lines.kernel_size), repeat=2):
        out.addcmul_(by_step[..., i, j, :, :], lines.window(by_slice, i, j))
    return out.flatten(1, 2)


def _gradients(kernels: Tensor, padded: Tensor, upstream: Tensor, lines: Lines) -> tuple[Tensor, Tensor]:
    """The gradients of `_shift_and_add`: of the kernels, written over them, and of the padded values."""
    by_step, by_slice = _by_slice_and_step(kernels, padded, lines.kernel_size)
    upstream, grad_padded = upstream.unflatten(1, by_slice.shape[1:3]), torch.zeros_like(by_slice)
    for i, j in product(range(lines.kernel_size), repeat=2):
        lines.window(grad_padded, i, j).addcmul_(by_step[..., i, j, :, :], upstream)
    grad_by_step, windows = by_step.squeeze(2).zero_(), lines.windows(by_slice)
    for c in range(windows.shape[2]):  # all steps at once: one channel of the upstream gradient stays in the cache
        grad_by_step.addcmul_(upstream[:, :, c, None, None], windows[:, :, c])
    return kernels, grad_padded.flatten(1, 2)


def _by_slice_and_step(kernels: Tensor, padded: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Views that fit each other: kernels (|H|, S, 1, k, k, b, n) and padded values (|H|, S, O/S, b, m)."""
    by_step = kernels.unflatten(1, (-1, 1, k, k))
    return by_step, padded.unflatten(1, (by_step.shape[1], -1))


def _lay_kernels(kernels: Tensor, lines: Lines, dtype: torch.dtype) -> Tensor:
    """(b, S, |H|, k², Y, X) → (|H|, S·k², b, n)."""
    return lines.lay(kernels.transpose(2, 3).flatten(1, 2), dtype)


def _kernel_matrix(weight: Tensor, bias: Tensor) -> Tensor:
    """Both banks as one matrix for each h, the bias as the weight of a hidden channel that is 1: (|H|, S·k², M + 1)."""
    return torch.cat([weight.flatten(-2), bias.flatten(-2)[:, :, None]], dim=2).permute(1, 0, 3, 2).flatten(1, 2)


def _lay_with_one(hidden: Tensor, lines: Lines, dtype: torch.dtype) -> Tensor:
    """(b, M, |H|, Y, X) → (|H|, M + 1, b, n), the last channel 1."""
    return lines.lay(torch.cat([hidden, torch.ones_like(hidden[:, :1])], dim=1), dtype)


def _product(matrix: Tensor, laid: Tensor) -> Tensor:
    """The matrix of each h times each pixel; autocast would round the kernels to 16 bits."""
    with torch.autocast(laid.device.type, enabled=False):
        return torch.bmm(matrix, laid.flatten(2)).unflatten(2, laid.shape[2:])


def _require_fit(name: str, tensor: Tensor, shape: tuple[int, ...]) -> None:
    """Raise ValueError unless the tensor has this shape; -1 stands for any length."""
    if tensor.ndim != len(shape) or any(n not in (-1, got) for n, got in zip(shape, tensor.shape, strict=True)):
        wanted = ", ".join("any" if n == -1 else str(n) for n in shape)
        raise ValueError(f"{name} has shape {tuple(tensor.shape)}, but ({wanted}) fits the other arguments")


def _require_shares(slices: int, values: Tensor) -> None:
    if slices < 1 or values.shape[1] % slices:
        raise ValueError(f"{slices} slices cannot share {values.shape[1]} channels evenly: use a divisor of them")
