"""Exercise 5.3 of notebook 05: the disk that every turn keeps."""

from functools import partial

import torch
from torch import Tensor

from course_lib.checks import disk_mask
from course_lib.exercises import compare, register
from course_lib.exercises.registry import Function

# 5.3 disk_mask


def _disk(size: int, center: float, radius: float) -> Tensor:
    place = torch.arange(size) - center
    return place[:, None] ** 2 + place[None, :] ** 2 <= radius**2


def _distances(size: int, combine: Function) -> Tensor:
    place = (torch.arange(size) - (size - 1) / 2).abs()
    return combine(*torch.broadcast_tensors(place[:, None], place))


def _without_corners(size: int) -> Tensor:
    mask = torch.ones(size, size, dtype=torch.bool)
    mask[:: size - 1, :: size - 1] = False
    return mask


SINGLE_ROW = (
    "That is a single row. Add the squared distances of rows and columns: `place[:, None] ** 2 + place[None, :] ** 2`."
)


def _disks(f: Function, reference: Function) -> None:
    for size in (6, 3, 4, 5, 10, 11):
        compare(f, reference, size, because=partial(_what_is_off, size))


def _what_is_off(size: int, _expected: object, yours: object) -> str:
    """Of a wrong mask: its kind, its middle or its radius."""
    if not isinstance(yours, Tensor):
        return ""
    if yours.shape == (size,):
        return SINGLE_ROW
    if yours.dtype != torch.bool:
        return "A mask says True or False: compare the squared distances with (size / 2) ** 2."
    if yours.shape != (size, size):
        return ""
    rows, columns = torch.where(yours)
    middle = [place.double().mean().item() for place in (rows, columns)]
    if yours.any() and max(abs(place - (size - 1) / 2) for place in middle) > 0.01:
        return (
            f"The middle of your disk is at ({middle[0]:.2g}, {middle[1]:.2g}). The middle of the pixels 0 … "
            f"{size - 1} is at {(size - 1) / 2}, in rows and columns."
        )
    if not (yours & ~disk_mask(size)).any():
        return "It is too small: some pixels are missing whose distance from the middle is at most size / 2."
    if not (~yours & disk_mask(size)).any():
        return "It is too large: some of its pixels are farther than size / 2 from the middle."
    return "It is no disk: compare each pixel's distance from the middle, by Pythagoras, with size / 2."


register(
    "5.3",
    disk_mask,
    minutes=8,
    difficulty=1,
    checks=[_disks],
    hints=[
        "In a row of four, pixel 0 has its center at 0 and pixel 3 at 3. Where is the middle of the row?",
        "`place = torch.arange(size) - (size - 1) / 2` says how far each column, and each row, is from the middle. By "
        "Pythagoras the squared distance of a pixel is the sum of two squares.",
        "`place[:, None] ** 2 + place[None, :] ** 2` is a table of squared distances: compare with `(size / 2) ** 2`.",
    ],
    known_mistakes=[
        (
            lambda size: _disk(size, size / 2, size / 2),
            "The middle is half a pixel off: the middle of the pixels 0 … size − 1 is at (size − 1) / 2.",
        ),
        (
            lambda size: _disk(size, size // 2, size / 2),
            "The middle is off for even sizes. There it is between two pixels, at (size − 1) / 2.",
        ),
        (
            lambda size: _disk(size, (size - 1) / 2, (size - 1) / 2),
            "The disk is too small: its radius is size / 2, the distance from the middle to the border of the frame.",
        ),
        (
            lambda size: _distances(size, torch.hypot) ** 2 <= size / 2,
            "You compare the squared distance with size / 2. Square both sides: compare it with (size / 2)².",
        ),
        (
            lambda size: _distances(size, torch.hypot) ** 2 <= size,
            "You compare the squared distance with size. The radius is size / 2, so compare it with (size / 2)².",
        ),
        (
            _without_corners,
            "You take away the four corner pixels. That is right for sizes 4 to 6 only: measure how far each pixel is "
            "from the middle.",
        ),
        (
            lambda size: _distances(size, torch.add) <= size / 2,
            "That is a diamond: you add the two distances themselves. By Pythagoras, add their squares.",
        ),
        (
            lambda size: _disk(size, (size - 1) / 2, size // 2 - 1),
            "The disk is too small: its radius is size / 2, the distance from the middle to the border of the frame.",
        ),
        (
            lambda size: _disk(size, (size - 1) / 2, size // 2),
            "The disk is too small for odd sizes: its radius is size / 2, not rounded down.",
        ),
        (
            lambda size: _disk(size, (size - 1) // 2, size / 2),
            "The middle is off for even sizes. There it is between two pixels, at (size − 1) / 2.",
        ),
        (
            lambda size: (torch.arange(size) - (size - 1) / 2) ** 2 <= (size / 2) ** 2,
            SINGLE_ROW,
        ),
        (
            lambda size: _disk(size, size / 2 - 1, size / 2),
            "The middle is half a pixel off: the middle of the pixels 0 … size − 1 is at (size − 1) / 2.",
        ),
        (
            lambda size: _disk(size, 0, size / 2),
            "Your disk is around the first pixel. The middle of the pixels 0 … size − 1 is at (size − 1) / 2.",
        ),
        (
            lambda size: _distances(size, torch.hypot),
            "Those are the distances from the middle. Compare them with size / 2.",
        ),
        (
            lambda size: ~disk_mask(size),
            "That is the complement: the mask must be True inside the disk and False in the corners.",
        ),
        (
            lambda size: torch.ones(size, size, dtype=torch.bool),
            "All of the square is True in your mask. Add two *squared* distances, and compare with the squared "
            "radius, (size / 2)².",
        ),
    ],
)
