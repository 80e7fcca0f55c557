"""`generate_and_aggregate` in compiled loops: the kernels of one sheet are made, used and forgotten in the cache.

All maps lie as lines, as in `course_lib.kernels.lines`: rows end to end, k // 2 zeros after each, images one under
another. Every line has a border of zeros at both ends, so that the pixel d = (dy, dx) away is dy·pitch + dx further on
for all pixels alike. Each sheet of each image is on its own, for kernels are turned, but never mixed, between sheets.

Indices are unsigned, as a signed one could count from the end and nothing would be vectorized. Three lines are read
at once, so that each number is used several times while it is in a register. All loops are in this one file, because
Numba takes a stored kernel for a fresh one as long as the file of that kernel has not changed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numba import uintp
from torch import Tensor

from course_lib.kernels.compiled import loops, shared_among_threads

Bank = np.ndarray[Any, Any]
LONG_ENOUGH = 512  # pixels: loops over shorter lines take longer to begin than to run
BLOCK = 256  # pixels: so much of all lines stays in the nearest cache


def generate_and_aggregate(hidden: Tensor, values: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """`course_lib.kernels.generate_and_aggregate`, for what `compiled.can_run` accepts."""
    out, matrix = torch.empty_like(values), _matrix(weight, bias)
    maps = [t.detach().numpy() for t in (hidden, values, out)]
    settings = weight.shape[-1] // 2, len(weight), images_at_once(values)
    shared_among_threads(lambda *part: forward(*maps, matrix, *settings, *part), len(values))
    return out


def generate_and_aggregate_backward(
    upstream: Tensor, hidden: Tensor, values: Tensor, weight: Tensor, bias: Tensor
) -> list[Tensor]:
    gradients = [torch.empty_like(t) for t in (hidden, values, weight, bias)]
    maps, matrix = [t.detach().numpy() for t in (upstream, hidden, values, *gradients[:2])], _matrix(weight, bias)
    transposed = np.ascontiguousarray(matrix.swapaxes(1, 2))
    settings = weight.shape[-1] // 2, len(weight), images_at_once(values)

    def work(first: int, last: int) -> Bank:
        grad_matrix = np.zeros_like(matrix)
        backward(*maps, matrix, transposed, grad_matrix, *settings, first, last)
        return grad_matrix

    total = torch.from_numpy(sum(shared_among_threads(work, len(values)))).unflatten(0, (weight.shape[1], -1))
    banks = total.transpose(0, 1)[:, :, : weight.shape[-1] ** 2]  # (S, |H|, k², M + 1 and more)
    hidden_channels = weight.shape[2]
    gradients[2].copy_(banks[..., :hidden_channels].mT.unflatten(-1, weight.shape[-2:]))
    gradients[3].copy_(banks[..., hidden_channels].unflatten(-1, bias.shape[-2:]))
    return gradients


def _matrix(weight: Tensor, bias: Tensor) -> Bank:
    """Both banks as one matrix for each sheet and slice, the bias as the weight of a hidden channel that is 1:
    (|H|·S, k², M + 1), both lengths filled up with zeros to multiples of three."""
    banks = torch.cat([weight.flatten(-2), bias.flatten(-2)[:, :, None]], dim=2)  # (S, |H|, M + 1, k²)
    return padded_to_threes(banks.detach().permute(1, 0, 3, 2).flatten(0, 1))


def images_at_once(maps: Tensor) -> int:
    """How many images to lay one under another, so that lines of small maps are long enough."""
    return max(1, LONG_ENOUGH // (maps.shape[-2] * maps.shape[-1]))


def padded_to_threes(matrix: Tensor) -> Bank:
    """Rows and columns of zeros added to (..., rows, columns) until there are multiples of three of both."""
    rows, columns = matrix.shape[-2:]
    return F.pad(matrix, (0, -columns % 3, 0, -rows % 3)).contiguous().numpy()


@loops
def whole_vectors(pixels):  # type: ignore[no-untyped-def]
    """So many pixels or a few more, a multiple of what the widest registers hold: reads that straddle them are slow."""
    return (pixels + 15) // 16 * 16


@loops
def lay(lines, maps, image, count, sheet, border, reach):  # type: ignore[no-untyped-def]
    """One sheet of some images into lines; where there are fewer images than room, the rest becomes zero."""
    _, channels, _, height, width = maps.shape
    pitch = width + reach
    for c in range(channels):
        for b in range(count):
            for y in range(height):
                begin = border + (b * (height + reach) + y) * pitch
                for x in range(uintp(width)):
                    lines[uintp(c), uintp(begin) + x] = maps[uintp(image + b), uintp(c), uintp(sheet), uintp(y), x]
        lines[c, border + count * (height + reach) * pitch :] = 0


@loops
def pick_up(maps, lines, image, count, sheet, border, reach):  # type: ignore[no-untyped-def]
    """The inverse of `lay`."""
    _, channels, _, height, width = maps.shape
    pitch = width + reach
    for c in range(channels):
        for b in range(count):
            for y in range(height):
                begin = border + (b * (height + reach) + y) * pitch
                for x in range(uintp(width)):
                    maps[uintp(image + b), uintp(c), uintp(sheet), uintp(y), x] = lines[uintp(c), uintp(begin) + x]


@loops
def combine(out, matrix, lines, start, stop):  # type: ignore[no-untyped-def]
    """out[i] += Σ_m matrix[i, m] lines[m]; there are multiples of three of both."""
    rows, columns = uintp(matrix.shape[0]), uintp(matrix.shape[1])
    one, two = uintp(1), uintp(2)
    for block in range(start, stop, uintp(BLOCK)):
        end = min(block + uintp(BLOCK), stop)
        for i in range(uintp(0), rows, uintp(3)):
            for m in range(uintp(0), columns, uintp(3)):
                a, b, c = matrix[i, m], matrix[i, m + one], matrix[i, m + two]
                d, e, f = (
                    matrix[i + uintp(1), m],
                    matrix[i + uintp(1), m + uintp(1)],
                    matrix[i + uintp(1), m + uintp(2)],
                )
                g, h, k = (
                    matrix[i + uintp(2), m],
                    matrix[i + uintp(2), m + uintp(1)],
                    matrix[i + uintp(2), m + uintp(2)],
                )
                for j in range(block, end):
                    x, y, z = lines[m, j], lines[m + one, j], lines[m + two, j]
                    out[i, j] += a * x + b * y + c * z
                    out[i + one, j] += d * x + e * y + f * z
                    out[i + two, j] += g * x + h * y + k * z


@loops
def correlate(matrix, left, right, start, stop):  # type: ignore[no-untyped-def]
    """matrix[i, m] += Σ_t left[i](t) right[m](t); there are multiples of three of both."""
    rows, columns = uintp(matrix.shape[0]), uintp(matrix.shape[1])
    one, two = uintp(1), uintp(2)
    for block in range(start, stop, uintp(BLOCK)):
        end = min(block + uintp(BLOCK), stop)
        for i in range(uintp(0), rows, uintp(3)):
            for m in range(uintp(0), columns, uintp(3)):
                a, b, c = matrix[i, m], matrix[i, m + one], matrix[i, m + two]
                d, e, f = matrix[i + one, m], matrix[i + one, m + one], matrix[i + one, m + two]
                g, h, k = matrix[i + two, m], matrix[i + two, m + one], matrix[i + two, m + two]
                for j in range(block, end):
                    x, y, z = right[m, j], right[m + one, j], right[m + two, j]
                    p, q, r = left[i, j], left[i + one, j], left[i + two, j]
                    a, b, c = a + p * x, b + p * y, c + p * z
                    d, e, f = d + q * x, e + q * y, f + q * z
                    g, h, k = g + r * x, h + r * y, k + r * z
                matrix[i, m], matrix[i, m + one], matrix[i, m + two] = a, b, c
                matrix[i + one, m], matrix[i + one, m + one], matrix[i + one, m + two] = d, e, f
                matrix[i + two, m], matrix[i + two, m + one], matrix[i + two, m + two] = g, h, k


@loops
def aggregate(out, kernels, values, c, d, steps, border, pixels):  # type: ignore[no-untyped-def]
    """out[c](t) = Σ_i K[i](t) V[c](t + d_i) for the two channels c and d, three taps at a time."""
    for j in range(pixels):
        out[c, border + j] = 0
        out[d, border + j] = 0
    for i in range(uintp(0), uintp(len(steps)), uintp(3)):
        one, two, three = steps[i], steps[i + uintp(1)], steps[i + uintp(2)]
        for j in range(pixels):
            x, y, z = kernels[i, border + j], kernels[i + uintp(1), border + j], kernels[i + uintp(2), border + j]
            out[c, border + j] += x * values[c, one + j] + y * values[c, two + j] + z * values[c, three + j]
            out[d, border + j] += x * values[d, one + j] + y * values[d, two + j] + z * values[d, three + j]


@loops
def spread(out, kernels, upstream, c, d, steps, border, pixels):  # type: ignore[no-untyped-def]
    """out[c](t) = Σ_i K[i](t − d_i) ∂[c](t − d_i), the gradient for the values."""
    for j in range(pixels):
        out[c, border + j] = 0
        out[d, border + j] = 0
    twice = border + border
    for i in range(uintp(0), uintp(len(steps)), uintp(3)):
        one, two, three = twice - steps[i], twice - steps[i + uintp(1)], twice - steps[i + uintp(2)]
        for j in range(pixels):
            x, y, z = kernels[i, one + j], kernels[i + uintp(1), two + j], kernels[i + uintp(2), three + j]
            out[c, border + j] += x * upstream[c, one + j] + y * upstream[c, two + j] + z * upstream[c, three + j]
            out[d, border + j] += x * upstream[d, one + j] + y * upstream[d, two + j] + z * upstream[d, three + j]


@loops
def add_products(grad, upstream, values, c, d, steps, border, pixels):  # type: ignore[no-untyped-def]
    """grad[i](t) += Σ_c ∂[c](t) V[c](t + d_i) over two channels, the gradient for the kernels."""
    for i in range(uintp(len(steps))):
        step = steps[i]
        for j in range(pixels):
            products = upstream[c, border + j] * values[c, step + j] + upstream[d, border + j] * values[d, step + j]
            grad[i, border + j] += products


@loops
def steps_to(reach, pitch, border, taps):  # type: ignore[no-untyped-def]
    """How far along the line each tap of a pixel's window lies, the pixel at border; what only fills up stays there."""
    steps = np.full(taps, border, np.uintp)
    for row in range(2 * reach + 1):
        for col in range(2 * reach + 1):
            steps[row * (2 * reach + 1) + col] = border + (row - reach) * pitch + col - reach
    return steps


@loops
def forward(hidden, values, out, matrix, reach, slices, together, first, last):  # type: ignore[no-untyped-def]
    _, channels, sheets, height, width = values.shape
    pitch = width + reach
    border = whole_vectors(reach * pitch + reach)
    pixels, share = uintp(whole_vectors(together * (height + reach) * pitch)), channels // slices
    start, stop, length = uintp(border), uintp(border) + pixels, uintp(2 * border) + pixels
    where = steps_to(reach, pitch, border, matrix.shape[1]), uintp(border), pixels
    hidden_lines = np.zeros((matrix.shape[2], length), values.dtype)
    value_lines = np.zeros((channels + 1, length), values.dtype)  # the last pairs up with what is left over
    out_lines = np.zeros((channels + 1, length), values.dtype)
    kernels = np.zeros((matrix.shape[1], length), values.dtype)
    hidden_lines[hidden.shape[1], start:stop] = 1
    for image in range(first, last, together):
        count = min(together, last - image)
        for sheet in range(sheets):
            lay(hidden_lines, hidden, image, count, sheet, border, reach)
            lay(value_lines, values, image, count, sheet, border, reach)
            for s in range(slices):
                kernels[:, start:stop] = 0
                combine(kernels, matrix[sheet * slices + s], hidden_lines, start, stop)
                for c in range(s * share, (s + 1) * share, 2):
                    d = c + 1 if c + 1 < (s + 1) * share else channels
                    aggregate(out_lines, kernels, value_lines, uintp(c), uintp(d), *where)
            pick_up(out, out_lines, image, count, sheet, border, reach)


@loops
def backward(  # type: ignore[no-untyped-def]
    upstream,
    hidden,
    values,
    grad_hidden,
    grad_values,
    matrix,
    transposed,
    grad_matrix,
    reach,
    slices,
    together,
    first,
    last,
):
    _, channels, sheets, height, width = values.shape
    pitch = width + reach
    border = whole_vectors(reach * pitch + reach)
    pixels, share = uintp(whole_vectors(together * (height + reach) * pitch)), channels // slices
    start, stop, length = uintp(border), uintp(border) + pixels, uintp(2 * border) + pixels
    where = steps_to(reach, pitch, border, matrix.shape[1]), uintp(border), pixels
    hidden_lines = np.zeros((matrix.shape[2], length), values.dtype)
    grad_hidden_lines = np.zeros((matrix.shape[2], length), values.dtype)
    value_lines = np.zeros((channels + 1, length), values.dtype)  # the last pairs up with what is left over
    upstream_lines = np.zeros((channels + 1, length), values.dtype)
    grad_value_lines = np.zeros((channels + 1, length), values.dtype)
    kernels = np.zeros((matrix.shape[1], length), values.dtype)
    grad_kernels = np.zeros((matrix.shape[1], length), values.dtype)
    hidden_lines[hidden.shape[1], start:stop] = 1
    for image in range(first, last, together):
        count = min(together, last - image)
        for sheet in range(sheets):
            lay(hidden_lines, hidden, image, count, sheet, border, reach)
            lay(value_lines, values, image, count, sheet, border, reach)
            lay(upstream_lines, upstream, image, count, sheet, border, reach)
            grad_hidden_lines[:, start:stop] = 0
            for s in range(slices):
                kernels[:, start:stop] = 0
                grad_kernels[:, start:stop] = 0
                combine(kernels, matrix[sheet * slices + s], hidden_lines, start, stop)
                for c in range(s * share, (s + 1) * share, 2):
                    d = c + 1 if c + 1 < (s + 1) * share else channels
                    pair = uintp(c), uintp(d)
                    spread(grad_value_lines, kernels, upstream_lines, *pair, *where)
                    add_products(grad_kernels, upstream_lines, value_lines, *pair, *where)
                combine(grad_hidden_lines, transposed[sheet * slices + s], grad_kernels, start, stop)
                correlate(grad_matrix[sheet * slices + s], grad_kernels, hidden_lines, start, stop)
            pick_up(grad_hidden, grad_hidden_lines, image, count, sheet, border, reach)
            pick_up(grad_values, grad_value_lines, image, count, sheet, border, reach)
