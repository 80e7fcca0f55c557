"""The softmax of `loops_attention`, for a block of pixels at once, and its gradient; row i begins at i·block."""

from functools import partial
from math import factorial

import numpy as np

from course_lib.kernels.machine_code import loops

SERIES = tuple(1 / factorial(n) for n in range(13, -1, -1))  # of the exponential function
SHORT_SERIES = SERIES[-7:]  # as much of it as float32 can hold

# All that "fastmath" allows, but for the belief that no score is NaN: a network that diverges must say so.
keeping_nan = partial(loops, fastmath={"reassoc", "contract", "arcp", "nsz", "afn"})


@keeping_nan
def exponential(x):  # type: ignore[no-untyped-def]
    """eˣ for x ≤ 0, as 2ⁿ eʳ with |r| ≤ log(2) / 2; 2ⁿ is written into the bits of the exponent. NaN stays NaN."""
    number = type(x)
    short = np.finfo(number).bits == 32
    lowest = number(-87) if short else number(-708)
    x = lowest if x < lowest else x  # comparisons that NaN passes through, unlike max
    n = np.floor(x * number(1.4426950408889634) + number(0.5))
    r, e = x - n * number(0.6931471805599453), number(0)
    if short:
        for factor in SHORT_SERIES:
            e = e * r + number(factor)
        power = number(np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32))
    else:
        for factor in SERIES:
            e = e * r + number(factor)
        power = number(np.int64((np.int64(n) + np.int64(1023)) << np.int64(52)).view(np.float64))
    return number(0) if x <= lowest else e * power


@keeping_nan
def softmax(scores, entries, block, pixels, scale):  # type: ignore[no-untyped-def]
    """Over the entries of each pixel, in place; two rows behind them are memory for one number for each pixel."""
    most, total = entries * block, (entries + 1) * block
    for j in range(pixels):
        scores[most + j], scores[total + j] = scores[j], 0
    for i in range(1, entries):
        for j in range(pixels):
            scores[most + j] = max(scores[most + j], scores[i * block + j])
    for i in range(entries):
        for j in range(pixels):
            e = exponential(scale * (scores[i * block + j] - scores[most + j]))
            scores[i * block + j] = e
            scores[total + j] += e
    for j in range(pixels):
        scores[total + j] = 1 / scores[total + j]
    for i in range(entries):
        for j in range(pixels):
            scores[i * block + j] *= scores[total + j]


@loops
def softmax_backward(weights, grad, entries, block, pixels, scale):  # type: ignore[no-untyped-def]
    """α_i (∂α_i − Σ_j α_j ∂α_j), times the scale, in the place of ∂α; the row behind it is memory for the sums."""
    total = entries * block
    for j in range(pixels):
        grad[total + j] = 0
    for i in range(entries):
        for j in range(pixels):
            grad[total + j] += weights[i * block + j] * grad[i * block + j]
    for i in range(entries):
        for j in range(pixels):
            grad[i * block + j] = scale * weights[i * block + j] * (grad[i * block + j] - grad[total + j])
