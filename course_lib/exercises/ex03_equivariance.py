"""Exercises 3.2 and 3.3 of notebook 03: translate and correlate."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.actions import translate
from course_lib.exercises import compare, register
from course_lib.exercises.registry import Function
from course_lib.oracles import correlate

# 3.2 translate


def _to_the_right(f: Function, reference: Function) -> None:
    compare(f, reference, (1, 0), torch.arange(1, 10).reshape(3, 3))


def _small_shifts(f: Function, reference: Function) -> None:
    nine = torch.arange(1, 10).reshape(3, 3)
    for t in ((1, 0), (0, 1), (0, 0)):
        compare(f, reference, t, nine)
    for t in ((-1, 0), (0, -1), (1, -1)):
        compare(f, reference, t, nine, because="u < 0 moves the map to the left, v < 0 moves it down.")


def _shifts_out_of_the_frame(f: Function, reference: Function) -> None:
    six = torch.arange(1, 7).reshape(2, 3)
    for t in ((3, 0), (-5, 1), (0, 2), (2, -1)):
        compare(f, reference, t, six, because="Whatever leaves the frame is gone, even if all of it leaves.")


def _shifts_of_batches(f: Function, reference: Function) -> None:
    batch = torch.arange(1.0, 25.0).reshape(2, 1, 3, 4)
    for t in ((1, 0), (-1, 2)):
        compare(f, reference, t, batch, because="Only the last two axes are space; all others stay as they are.")


def _by_slices(t: tuple[int, int], f: Tensor) -> Tensor:
    (u, v), (height, width) = t, f.shape[-2:]
    out = torch.zeros_like(f)
    out[..., : height - v, u:] = f[..., v:, : width - u]
    return out


def _by_negative_slices(t: tuple[int, int], f: Tensor) -> Tensor:
    out = torch.zeros_like(f)
    out[..., : -t[1], t[0] :] = f[..., t[1] :, : -t[0]]
    return out


def _cropped_at_the_top_left(t: tuple[int, int], f: Tensor) -> Tensor:
    (u, v), (height, width) = t, f.shape[-2:]
    padded = F.pad(f, (max(u, 0), max(-u, 0), max(-v, 0), max(v, 0)))
    return padded[..., :height, :width]


def _cropped_from_behind(t: tuple[int, int], f: Tensor) -> Tensor:
    (u, v), (height, width) = t, f.shape[-2:]
    padded = F.pad(f, (max(u, 0), max(-u, 0), max(-v, 0), max(v, 0)))
    return padded[..., v : v + height, -u : width - u]


FROM_THE_END = (
    "A negative u moves the map to the left, but in Python a negative number in a slice counts from the end, and `:-0` "
    "is empty. Treat both signs of u and v."
)

register(
    "3.2",
    translate,
    minutes=10,
    difficulty=2,
    checks=[_to_the_right, _small_shifts, _shifts_out_of_the_frame, _shifts_of_batches],
    hints=[
        "Draw a 3×3 map and shift it by (1, 0). Which columns of `f` can you still see, and which columns of the "
        "result are they? Row 0 is on top, so *up* means toward smaller row numbers.",
        "There are two ways. Pad and crop: `F.pad(f, (left, right, top, bottom))` adds zeros, and then you cut out a "
        "frame of the old size. Or fill a `torch.zeros_like(f)` with one assignment from slice to slice.",
        "Pad and crop: add `u` zeros on the left if u > 0, `-u` on the right if u < 0, `v` zeros at the *bottom* if "
        "v > 0, `-v` on top if v < 0. The frame then begins at row `max(v, 0)` and column `max(-u, 0)`. Return zeros "
        "right away if |u| or |v| is as large as the frame.",
    ],
    known_mistakes=[
        (
            lambda t, f: torch.roll(f, (-t[1], t[0]), dims=(-2, -1)),
            "In your result, what leaves the frame comes back in on the opposite side. Zeros should come in instead.",
        ),
        (
            lambda t, f: translate((-t[0], -t[1]), f),
            "Your map moves in the opposite direction. The value at x comes from x − t, so the map itself moves by +t.",
        ),
        (lambda t, f: translate((t[0], -t[1]), f), "v points the wrong way: v > 0 moves the map up, toward row 0."),
        (lambda t, f: translate((-t[0], t[1]), f), "u points the wrong way: u > 0 moves the map to the right."),
        (
            lambda t, f: F.pad(f, (t[0], 0, 0, t[1])),
            "Your map has grown. The frame keeps its size: cut it out after you have added the zeros.",
        ),
        (
            lambda t, f: f[..., t[1] :, t[0] :],
            "Your map has shrunk. The frame keeps its size, and zeros come in at the border.",
        ),
        (_by_slices, FROM_THE_END),
        (_by_negative_slices, FROM_THE_END),
        (_cropped_from_behind, FROM_THE_END),
        (
            _cropped_at_the_top_left,
            "You always cut the frame out at the top left of the padded map, so the map never moves up or to the left. "
            "If v > 0 the frame begins at row v, and if u < 0 at column -u.",
        ),
        (lambda t, f: translate((t[0], 0), f), "Your map moves to the left and right only. v > 0 moves it up."),
        (
            lambda t, f: translate((t[1], -t[0]), f),
            "You read t as (row, column). But t = (u, v): u moves the map to the right, and v moves it up.",
        ),
        (lambda t, f: translate((t[1], t[0]), f), "u and v are swapped: u belongs to the columns, v to the rows."),
    ],
)

# 3.3 correlate


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


def _not_added_up(f: Tensor, psi: Tensor) -> Tensor:
    out = f.new_zeros(1)
    out[0] = f[: len(psi), : len(psi)] * psi
    return out


def _correlate_small(f: Function, reference: Function) -> None:
    nine = torch.arange(1.0, 10.0).reshape(3, 3)
    compare(f, reference, nine, torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
    compare(f, reference, nine, torch.tensor([[0.0, 1.0], [0.0, 0.0]]))
    compare(f, reference, nine, torch.tensor([[1.0, -2.0], [3.0, 5.0]]))


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
            _not_added_up,
            "Window times filter is still a k × k map, and does not fit into one place. Add up its entries: `.sum()`.",
        ),
        (_padded, "Your result is as large as f, so zeros from outside were mixed in. Use whole windows only."),
        (lambda f, psi: correlate(f, psi) / psi.numel(), "That is the mean over the window. The definition is a sum."),
        (
            lambda f, psi: correlate(f, psi).flatten(),
            "The numbers are right, but all in one row. Give them the shape (Y − k + 1, X − k + 1).",
        ),
    ],
)
