"""Exercises 3.1, 3.2 and 3.4 of notebook 03: translate, correlate, pool."""

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.actions import translate
from course_lib.exercises import compare, register
from course_lib.exercises.registry import Function
from course_lib.oracles import correlate, spatial_pool

# 3.1 translate


def _small_shifts(f: Function, reference: Function) -> None:
    nine = torch.arange(1, 10).reshape(3, 3)
    for t in ((1, 0), (0, 1), (0, 0)):
        compare(f, reference, t, nine)
    for t in ((-1, 0), (0, -1), (1, -1)):
        compare(f, reference, t, nine, because="u < 0 moves the map to the left, v < 0 moves it down.")


def _shifts_out_of_the_frame(f: Function, reference: Function) -> None:
    six = torch.arange(1, 7).reshape(2, 3)
    for t in ((3, 0), (-5, 1), (0, 2), (2, -1)):
        compare(f, reference, t, six, because="Whatever leaves the frame is gone, also when all of it leaves.")


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


def _cropped_from_behind(t: tuple[int, int], f: Tensor) -> Tensor:
    (u, v), (height, width) = t, f.shape[-2:]
    padded = F.pad(f, (max(u, 0), max(-u, 0), max(-v, 0), max(v, 0)))
    return padded[..., v : v + height, -u : width - u]


FROM_THE_END = (
    "A negative u moves the map to the left, but in Python a negative number in a slice counts from the end, and `:-0` "
    "is empty. Treat both signs of u and v."
)

register(
    "3.1",
    translate,
    minutes=10,
    difficulty=2,
    checks=[_small_shifts, _shifts_out_of_the_frame, _shifts_of_batches],
    hints=[
        "Draw a 3×3 map and shift it by (1, 0): which columns of `f` are still to be seen, and in which "
        "columns of the result do they stand? Row 0 is on top, so *up* means toward smaller row numbers.",
        "Two ways lead there. Pad and crop: `F.pad(f, (left, right, top, bottom))` adds zeros, then cut out a frame of "
        "the old size. Or fill a `torch.zeros_like(f)` by one assignment from slice to slice.",
        "Pad and crop: add `u` zeros on the left if u > 0, `-u` on the right if u < 0, `v` zeros at the *bottom* if "
        "v > 0, `-v` on top if v < 0. The frame then begins at row `max(v, 0)` and column `max(-u, 0)`. Return zeros "
        "at once if |u| or |v| is as large as the frame.",
    ],
    known_mistakes=[
        (
            lambda t, f: torch.roll(f, (-t[1], t[0]), dims=(-2, -1)),
            "What leaves the frame comes back in at the opposite side. Zeros should enter: the world outside is zero.",
        ),
        (
            lambda t, f: translate((-t[0], -t[1]), f),
            "The map moves the opposite way: the value at x must come from x − t, so the map itself moves by +t.",
        ),
        (lambda t, f: translate((t[0], -t[1]), f), "v points the wrong way: v > 0 moves the map up, toward row 0."),
        (lambda t, f: translate((-t[0], t[1]), f), "u points the wrong way: u > 0 moves the map to the right."),
        (_by_slices, FROM_THE_END),
        (_by_negative_slices, FROM_THE_END),
        (_cropped_from_behind, FROM_THE_END),
        (lambda t, f: translate((t[1], t[0]), f), "u and v are swapped: u belongs to the columns, v to the rows."),
    ],
)

# 3.2 correlate


def _padded(f: Tensor, psi: Tensor) -> Tensor:
    k = len(psi)
    return correlate(F.pad(f, (k // 2, (k - 1) // 2, k // 2, (k - 1) // 2)), psi)


def _matrix_products(f: Tensor, psi: Tensor) -> Tensor:
    windows = f.unfold(0, len(psi), 1).unfold(1, len(psi), 1)
    return (windows @ psi).sum(dim=(2, 3))


def _correlate_small(f: Function, reference: Function) -> None:
    nine = torch.arange(1.0, 10.0).reshape(3, 3)
    compare(f, reference, nine, torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
    compare(f, reference, nine, torch.tensor([[0.0, 1.0], [0.0, 0.0]]))
    compare(f, reference, nine, torch.tensor([[1.0, -2.0], [3.0, 5.0]]))


def _correlate_larger(f: Function, reference: Function) -> None:
    compare(f, reference, torch.arange(16.0).reshape(4, 4) % 5, torch.arange(9.0).reshape(3, 3))
    compare(f, reference, torch.arange(15.0).reshape(3, 5) % 4, torch.arange(4.0).reshape(2, 2))
    compare(f, reference, torch.randn(5, 4, dtype=torch.float64), torch.randn(3, 3, dtype=torch.float64))


register(
    "3.2",
    correlate,
    minutes=12,
    difficulty=2,
    checks=[_correlate_small, _correlate_larger],
    hints=[
        "How many places does a k × k window have in a row of n pixels? Try n = 4, k = 3 with a finger.",
        "Each output value is one window times the filter, entry by entry, summed: the window at (row, col) is "
        "`f[row : row + k, col : col + k]`.",
        "Make `out = f.new_zeros(f.shape[0] - k + 1, f.shape[1] - k + 1)`, loop over its rows and columns, and set "
        "`out[row, col] = (f[row : row + k, col : col + k] * psi).sum()`.",
    ],
    known_mistakes=[
        (
            lambda f, psi: correlate(f, psi.flip(0, 1)),
            "Your filter is turned by 180°. That is the convolution of mathematics, with ψ(t − y); here the filter "
            "stays upright: ψ(y − t).",
        ),
        (lambda f, psi: correlate(f, psi.T), "Rows and columns of the filter are swapped."),
        (lambda f, psi: correlate(f, psi).T, "Rows and columns of the result are swapped."),
        (
            _matrix_products,
            "`@` multiplies window and filter as matrices. Use `*`: each number times the one on top of it.",
        ),
        (
            lambda f, psi: correlate(f, psi)[:-1, :-1],
            "The last windows are missing: k × k windows have Y − k + 1 places in a column of Y pixels, not Y − k.",
        ),
        (_padded, "The result has the size of f, so zeros from outside were mixed in. Use whole windows only."),
        (lambda f, psi: correlate(f, psi) / psi.numel(), "That is the mean over the window. The definition is a sum."),
    ],
)

# 3.4 spatial_pool


def _pool_small(f: Function, reference: Function) -> None:
    sixteen = torch.tensor([[1.0, 2.0, 7.0, 3.0], [5.0, 4.0, 6.0, 8.0], [9.0, 1.0, 2.0, 2.0], [3.0, 0.0, 4.0, 5.0]])
    compare(f, reference, sixteen, 2, 2, "max")
    compare(f, reference, sixteen, 2, 2, "mean")
    compare(f, reference, -sixteen, 2, 2, "max")


def _pool_odd_and_overlapping(f: Function, reference: Function) -> None:
    many = torch.arange(35.0).reshape(5, 7) * 3 % 11
    compare(f, reference, many, 2, 2, "max", because="Windows that do not fit whole into the map are left out.")
    compare(f, reference, many, 3, 2, "max")
    compare(f, reference, many, 3, 1, "mean")
    compare(f, reference, many, 1, 2, "mean")


def _with_partial_windows(f: Tensor, size: int, stride: int, how: str) -> Tensor:
    if how == "max":
        return F.max_pool2d(f[None, None], size, stride, ceil_mode=True)[0, 0]
    return F.avg_pool2d(f[None, None], size, stride, ceil_mode=True, count_include_pad=False)[0, 0]


register(
    "3.4",
    spatial_pool,
    minutes=10,
    difficulty=1,
    checks=[_pool_small, _pool_odd_and_overlapping],
    hints=[
        "A pool is a correlation whose windows are `stride` pixels apart, with a maximum or a mean instead of the sum.",
        "Along an axis of n pixels there are `(n - size) // stride + 1` whole windows. Window number i begins at pixel "
        "`i * stride`.",
        "Output (row, col) has the window `f[row * stride : row * stride + size, col * stride : col * stride + size]`: "
        "take its `.max()` or its `.mean()`.",
    ],
    known_mistakes=[
        (lambda f, size, stride, how: spatial_pool(f, size, size, how), "You use the size as the stride."),
        (lambda f, size, stride, how: spatial_pool(f, stride, stride, how), "You use the stride as the size."),
        (
            lambda f, size, stride, how: spatial_pool(f, size, stride, how)[:-1, :-1],
            "The last windows are missing: there are (n − size) // stride + 1 of them along an axis of n pixels.",
        ),
        (lambda f, size, stride, how: spatial_pool(f, size, 1, how), "Your windows move by 1 pixel, not by `stride`."),
        (lambda f, size, stride, how: spatial_pool(f, size, stride, "max"), 'You take the maximum also for "mean".'),
        (lambda f, size, stride, how: spatial_pool(f, size, stride, "mean"), 'You take the mean also for "max".'),
        (
            lambda f, size, stride, how: spatial_pool(f, size, stride, how) * (1 if how == "max" else size**2),
            'For "mean" you return the sum of the window. Divide by size².',
        ),
        (
            _with_partial_windows,
            "At the border you also pool windows that stick out of the map. Use whole windows only.",
        ),
        (
            lambda f, size, stride, how: spatial_pool(f, size, stride, how).clamp(min=0),
            "Your maximum starts at 0, so it is wrong where all values are negative.",
        ),
    ],
)
