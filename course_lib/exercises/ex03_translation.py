"""Exercise 3.2 of notebook 03: shift a map, and let zeros enter."""

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.actions import translate
from course_lib.exercises import call, compare, register
from course_lib.exercises.registry import Function


def _what_went_wrong(f: Function, t: tuple[int, int], numbers: Tensor) -> str:
    """Which rule the result breaks, for a map of numbers that are all different, and none of them 0."""
    result, expected = call(f, t, numbers.clone(), example={"t": t, "f": numbers}), translate(t, numbers)
    if not isinstance(result, Tensor) or result.shape != expected.shape:
        return ""
    if (result == expected).all():
        return "The values are right: only their dtype is not that of f, as it is in `torch.zeros_like(f)`."
    steps = set()
    for value in numbers.flatten():
        before, after = (numbers == value).nonzero(), (result == value).nonzero()
        if len(after) == 1:
            down, right = (after - before)[0].tolist()
            steps.add((right, -down))
    if len(steps) == 1 and steps != {t}:
        return f"For t = {t}, your map moves by {steps.pop()}."
    if not result.any():
        return "Nothing of f is left in your result. A slice that begins at `-0` holds everything, and `:-0` is empty."
    if result[expected == 0].any():
        return "Where zeros should come in, your result has numbers of f."
    return "Some numbers that stay in the frame are missing from your result, or at other places."


def _to_the_right(f: Function, reference: Function) -> None:
    nine = torch.arange(1, 10).reshape(3, 3)
    compare(f, reference, (1, 0), nine, because=_what_went_wrong(f, (1, 0), nine))


def _small_shifts(f: Function, reference: Function) -> None:
    nine = torch.arange(1, 10).reshape(3, 3)
    for t in ((1, 0), (0, 1), (0, 0)):
        compare(f, reference, t, nine, because=_what_went_wrong(f, t, nine))
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


def _unchecked(t: tuple[int, int], f: Tensor) -> Tensor:
    out = torch.zeros_like(f)
    for row in range(f.shape[-2]):
        for col in range(f.shape[-1]):
            out[..., row - t[1], col + t[0]] = f[..., row, col]
    return out


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
        (
            _unchecked,
            "Some numbers leave the frame. Copy a number only if its new row is in range(Y) and its new column is in "
            "range(X).",
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
