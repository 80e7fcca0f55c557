"""The compiled steps on lines that the kernels share: laying maps out, and products with small matrices.

Indices are unsigned, as a signed one could count from the end and nothing would be vectorized. Three lines by three
are combined at once, so that each number that is read is used three times while it is in a register.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch.nn.functional as F
from numba import uintp
from torch import Tensor

from course_lib.kernels.compiled import loops

LONG_ENOUGH = 512  # pixels: loops over shorter lines take longer to begin than to run
BLOCK = 256  # pixels: so much of all lines stays in the nearest cache


def images_at_once(maps: Tensor) -> int:
    """How many images to lay one under another, so that lines of small maps are long enough."""
    return max(1, LONG_ENOUGH // (maps.shape[-2] * maps.shape[-1]))


def padded_to_threes(matrix: Tensor) -> np.ndarray[Any, Any]:
    """Rows and columns of zeros added to (..., rows, columns) until there are multiples of three of both."""
    rows, columns = matrix.shape[-2:]
    return F.pad(matrix, (0, -columns % 3, 0, -rows % 3)).contiguous().numpy()


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
                a = b = c = d = e = f = g = h = k = matrix[i, m] * 0
                for j in range(block, end):
                    x, y, z = right[m, j], right[m + one, j], right[m + two, j]
                    p, q, r = left[i, j], left[i + one, j], left[i + two, j]
                    a, b, c = a + p * x, b + p * y, c + p * z
                    d, e, f = d + q * x, e + q * y, f + q * z
                    g, h, k = g + r * x, h + r * y, k + r * z
                _add(matrix, i, m, a, b, c)
                _add(matrix, i + one, m, d, e, f)
                _add(matrix, i + two, m, g, h, k)


@loops
def _add(matrix, i, m, a, b, c):  # type: ignore[no-untyped-def]
    matrix[i, m] += a
    matrix[i, m + uintp(1)] += b
    matrix[i, m + uintp(2)] += c
