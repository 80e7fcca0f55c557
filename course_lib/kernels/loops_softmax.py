"""The softmax of `loops_attention`, for a block of pixels at once, and its gradient."""

from __future__ import annotations

from math import factorial

import numpy as np

from course_lib.kernels.compiled import loops

BLOCK = np.uintp(288)  # pixels, at most
LOWEST = -1e37  # a score that gets no weight
NO, ONE, TWO, THREE, FOUR = (np.uintp(n) for n in range(5))
SERIES = tuple(1 / factorial(n) for n in range(13, -1, -1))  # of the exponential function
SHORT_SERIES = SERIES[-7:]  # as much of it as float32 can hold


@loops
def exponential(x, size):  # type: ignore[no-untyped-def]
    """eˣ for x ≤ 0, as 2ⁿ eʳ with |r| ≤ log(2) / 2; 2ⁿ is written into the bits of the exponent."""
    number = type(x)
    lowest = number(-87) if size == 4 else number(-708)
    x = max(x, lowest)
    n = np.floor(x * number(1.4426950408889634) + number(0.5))
    r, e = x - n * number(0.6931471805599453), number(0)
    if size == 4:
        for factor in SHORT_SERIES:
            e = e * r + number(factor)
        power = number(np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32))
    else:
        for factor in SERIES:
            e = e * r + number(factor)
        power = number(np.int64((np.int64(n) + np.int64(1023)) << np.int64(52)).view(np.float64))
    return e * power if x > lowest else number(0)


@loops
def softmax(scores, entries, pixels, scale):  # type: ignore[no-untyped-def]
    """Over the entries of each pixel, in place; two rows behind them are memory for one number for each pixel."""
    most, total = scores[entries * BLOCK :], scores[(entries + ONE) * BLOCK :]
    number, size = scores.dtype.type, scores.itemsize
    for j in range(NO, pixels):
        most[j], total[j] = scores[j], number(0)
    for i in range(ONE, entries):
        for j in range(NO, pixels):
            most[j] = max(most[j], scores[i * BLOCK + j])
    for i in range(NO, entries):
        for j in range(NO, pixels):
            e = exponential(scale * (scores[i * BLOCK + j] - most[j]), size)
            scores[i * BLOCK + j] = e
            total[j] += e
    for j in range(NO, pixels):
        total[j] = number(1) / total[j]
    for i in range(NO, entries):
        for j in range(NO, pixels):
            scores[i * BLOCK + j] *= total[j]


@loops
def softmax_backward(weights, grad, entries, pixels, scale):  # type: ignore[no-untyped-def]
    """α_i (∂α_i − Σ_j α_j ∂α_j), times the scale, in the place of ∂α; the row behind it is memory for the sums."""
    total = grad[entries * BLOCK :]
    number = weights.dtype.type
    for j in range(NO, pixels):
        total[j] = number(0)
    for i in range(NO, entries):
        for j in range(NO, pixels):
            total[j] += weights[i * BLOCK + j] * grad[i * BLOCK + j]
    for i in range(NO, entries):
        for j in range(NO, pixels):
            grad[i * BLOCK + j] = scale * weights[i * BLOCK + j] * (grad[i * BLOCK + j] - total[j])
