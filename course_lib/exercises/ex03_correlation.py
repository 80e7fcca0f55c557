"""Exercise 3.3 of notebook 03: slide a filter over a map."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.exercises import call, compare, register
from course_lib.exercises.registry import Function
from course_lib.oracles import correlate


def _padded(f: Tensor, psi: Tensor) -> Tensor:
    k = len(psi)
    return correlate(F.pad(f, (k // 2, (k - 1) // 2, k // 2, (k - 1) // 2)), psi)


def _matrix_products(f: Tensor, psi: Tensor) -> Tensor:
    windows = f.unfold(0, len(psi), 1).unfold(1, len(psi), 1)
    return (windows @ psi).sum(dim=(2, 3))


def _of_full_size(f: Tensor, psi: Tensor) -> Tensor:
    k = len(psi)
    return F.pad(correlate(f, psi), (0, k - 1, 0, k - 1))


def _stopped_early(f: Tensor, psi: Tensor) -> Tensor:
    return F.pad(correlate(f, psi)[:-1, :-1], (0, 1, 0, 1))


def _cut_at_k(f: Tensor, psi: Tensor) -> Tensor:
    """The windows end at row k and column k, wherever they begin; a single pixel that is left is multiplied by all."""
    k = len(psi)
    out = torch.zeros_like(correlate(f, psi))
    for row, col in np.ndindex(*out.shape):
        out[row, col] = (f[row:k, col:k] * psi).sum()
    return out


def _first_product(added: Function) -> Function:
    """One place of the result, with another idea of how the products are added up."""

    def slide(f: Tensor, psi: Tensor) -> Tensor:
        out = f.new_zeros(1)
        out[0] = added(f[: len(psi), : len(psi)] * psi)
        return out

    return slide


Size = Callable[[Tensor, int], tuple[int, int]]


def _right_size(f: Tensor, k: int) -> tuple[int, int]:
    return f.shape[0] - k + 1, f.shape[1] - k + 1


def _loops(size: Size = _right_size, places: Size = _right_size, before: int = 0) -> Function:
    """The loops with another size of the result, other places of the window, or more pixels before each place."""

    def slide(f: Tensor, psi: Tensor) -> Tensor:
        k = len(psi)
        out = f.new_zeros(size(f, k))
        for row, col in np.ndindex(places(f, k)):
            window = f[row - before : row + k, col - before : col + k]
            out[row, col] = (window * psi).sum()
        return out

    return slide


def _misplaced_weight(f: Function) -> str:
    """The first weight of ψ that is multiplied by another number of the window than the one that it lies on."""
    nine = torch.arange(1.0, 10.0).reshape(3, 3)
    for a, b in np.ndindex(2, 2):
        psi = torch.zeros(2, 2)
        psi[a, b] = 1.0
        result = call(f, nine, psi, example={"f": nine, "psi": psi})
        if not isinstance(result, Tensor) or result.shape != (2, 2):
            return ""
        if result[0, 0] != nine[a, b] and result[0, 0] in nine:
            row, col = (nine == result[0, 0]).nonzero()[0].tolist()
            met = f"your weight ψ[{a}, {b}] is multiplied by f[{row}, {col}]"
            return f"In the window that begins at (0, 0), {met}. It lies on f[{a}, {b}]."
    return ""


def _correlate_small(f: Function, reference: Function) -> None:
    nine, because = torch.arange(1.0, 10.0).reshape(3, 3), _misplaced_weight(f)
    compare(f, reference, nine, torch.tensor([[1.0, 0.0], [0.0, 0.0]]), because=because)
    compare(f, reference, nine, torch.tensor([[0.0, 1.0], [0.0, 0.0]]), because=because)
    compare(f, reference, nine, torch.tensor([[1.0, -2.0], [3.0, 5.0]]), because=because)


def _correlate_wide(f: Function, reference: Function) -> None:
    compare(f, reference, torch.arange(15.0).reshape(3, 5) % 4, torch.arange(4.0).reshape(2, 2))


def _correlate_larger(f: Function, reference: Function) -> None:
    compare(f, reference, torch.arange(16.0).reshape(4, 4) % 5, torch.arange(9.0).reshape(3, 3))
    compare(f, reference, torch.randn(5, 4, dtype=torch.float64), torch.randn(3, 3, dtype=torch.float64))


register(
    "3.3",
    correlate,
    minutes=12,
    difficulty=2,
    checks=[_correlate_small, _correlate_wide, _correlate_larger],
    hints=[
        "In how many places does a window of width k fit into a row of n pixels? Try n = 4 and k = 3 with a finger.",
        "Each output value is one window times the filter, entry by entry, and then summed. The window at (row, col) "
        "is `f[row : row + k, col : col + k]`.",
        "Make `out = f.new_zeros(f.shape[0] - k + 1, f.shape[1] - k + 1)`, loop over its rows and columns, and set "
        "`out[row, col] = (f[row : row + k, col : col + k] * psi).sum()`.",
    ],
    known_mistakes=[
        (
            _loops(places=lambda f, k: (len(f), f.shape[1])),
            "Your loops run over every pixel of f, but the last windows do not fit into it: a window of k begins in "
            "one of Y − k + 1 rows and of X − k + 1 columns.",
        ),
        (
            _loops(lambda f, k: _right_size(f.T, k), lambda f, k: _right_size(f.T, k)),
            "Y and X are swapped in the size of your result, or in your loops: f is (Y, X), so Y is `f.shape[0]`.",
        ),
        (
            _loops(before=1),
            "Your windows begin before (row, col), as if it were their center. Here (row, col) is the upper left "
            "pixel: `f[row : row + k, col : col + k]`.",
        ),
        (
            _cut_at_k,
            "A slice ends where you say, not after k entries: the window that begins at row is `f[row : row + k, …]`.",
        ),
        (
            lambda f, psi: correlate(f, psi.flip(0, 1)),
            "Your filter is turned by 180°. That is the convolution of mathematics, with ψ(t − y). Here the filter "
            "stays upright: ψ(y − t).",
        ),
        (lambda f, psi: correlate(f, psi.T), "Rows and columns of the filter are swapped."),
        (lambda f, psi: correlate(f, psi).T, "Rows and columns of the result are swapped."),
        (lambda f, psi: correlate(f, psi.flip(0)), "Your filter is upside down: its rows come in reverse order."),
        (lambda f, psi: correlate(f, psi.flip(1)), "Your filter is mirrored: its columns come in reverse order."),
        (
            lambda f, psi: correlate(f[:, : len(f)], psi),
            "Your loops take the map to be square: a map (Y, X) has Y rows, but X columns.",
        ),
        (
            _matrix_products,
            "`@` multiplies window and filter as matrices. Use `*`, which multiplies each number by the one that lies "
            "on it.",
        ),
        (
            lambda f, psi: correlate(f, psi)[:-1, :-1],
            "The last windows are missing: in a column of Y pixels, a window of k has Y − k + 1 places, not Y − k.",
        ),
        (
            lambda f, psi: (f.unfold(0, len(psi), 1).unfold(1, len(psi), 1) * psi).amax(dim=(2, 3)),
            "You take the largest product of each window. The definition is a sum.",
        ),
        (
            lambda f, psi: F.conv2d(f, psi),
            "`F.conv2d` needs two more axes, for the batch and for the channels: `f[None, None]`, and `[0, 0]` at the "
            "end.",
        ),
        (
            lambda f, psi: f[0:3, 0:3] * psi,
            "Your windows are 3 × 3, whatever the filter is. Its size is `len(psi)`.",
        ),
        (
            lambda f, psi: F.conv2d(f[None, None], psi[None, None], padding=1)[0, 0],
            "You pad the map with zeros. Use whole windows only: no padding.",
        ),
        (
            _of_full_size,
            "Your result is as large as f, with zeros where no whole window fits. Leave those places out: it has "
            "Y − k + 1 rows and X − k + 1 columns.",
        ),
        (
            _stopped_early,
            "The last row and the last column of your result are still 0. Loop over every row and column of the "
            "result: `range(Y - k + 1)`, and windows overlap, so no step of k.",
        ),
        (
            lambda f, psi: correlate(f[len(psi) - 1 :, len(psi) - 1 :], psi[-1:, -1:]),
            "You keep only the last product of each window. Add them up: use `+=`, or `.sum()`.",
        ),
        (
            lambda f, psi: correlate(f, torch.ones_like(psi)),
            "You add up the window without the filter. Multiply it by `psi`, entry by entry, and then add up.",
        ),
        (
            lambda f, psi: F.conv2d(f[None, None], psi[None, None]),
            "The two axes that you added for `F.conv2d` are still there. Take them away again: `[0, 0]`.",
        ),
        (
            _first_product(lambda products: products),
            "Window times filter is still a k × k map, and does not fit into one place. Add up its entries: `.sum()`.",
        ),
        (
            _first_product(lambda products: products.sum(dim=0)),
            "You add up along one axis, so a row of numbers is left. Add up all products of the window: `.sum()`.",
        ),
        (
            lambda f, psi: correlate(f, psi).float(),
            "The values are right, but not their dtype: `f.new_zeros(…)` has that of f, `torch.zeros(…)` has not.",
        ),
        (_padded, "Your result is as large as f, so zeros from outside were mixed in. Use whole windows only."),
        (lambda f, psi: correlate(f, psi) / psi.numel(), "That is the mean over the window. The definition is a sum."),
        (
            lambda f, psi: correlate(f, psi).flatten(),
            "The numbers are right, but all in one row. Give them the shape (Y − k + 1, X − k + 1).",
        ),
    ],
)
