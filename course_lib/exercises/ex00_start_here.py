"""The exercise of notebook 00, which shows how exercises work."""

from typing import Any

import torch
from torch import Tensor

from course_lib.exercises import Function, compare, register


def half_turn(image: Tensor) -> Tensor:
    """Turn an image ``(Y, X)`` by 180°: the pixel at (y, x) goes to (Y − 1 − y, X − 1 − x)."""
    return image.flip(0, 1)


def _small_images(f: Function, reference: Function) -> None:
    compare(f, reference, torch.arange(4).reshape(2, 2), because=_astray)
    compare(f, reference, torch.arange(6).reshape(2, 3), because=_astray)


def _astray(expected: Tensor, yours: Any) -> str:
    """For an answer that nobody listed: what it does to the shape or to the numbers, or a pixel that goes astray."""
    rows, columns = expected.shape
    if not isinstance(yours, Tensor) or torch.equal(yours.double(), expected.double()):
        return ""
    if yours.shape != expected.shape:
        return f"A half turn keeps the shape: {rows} rows and {columns} columns."
    if sorted(yours.flatten().tolist()) != sorted(expected.flatten().tolist()):
        return "A half turn only moves the numbers; yours changes, repeats or loses some of them."
    row, column = (yours != expected).nonzero()[0].tolist()
    before = f"row {rows - 1 - row}, column {columns - 1 - column}"
    return f"What is in row {row}, column {column} after a half turn was in {before} before it, counted from 0."


register(
    "0.1",
    half_turn,
    minutes=2,
    difficulty=1,
    checks=[_small_images],
    hints=[
        "`image.flip(0)` puts the last row on top. What does a half turn do to the rows, and what to the columns?",
        "Both the rows and the columns come in reverse order: `image.flip(…, …)` takes two axes.",
    ],
    known_mistakes=[
        (lambda image: image.flip(0), "You turned the rows upside down, but each row must be read backwards too."),
        (lambda image: image.flip(1), "You mirrored left and right, but the rows must be turned upside down too."),
        (
            lambda image: image,
            "Your function returns the image as it was. (Two equal flips undo each other, and `rot90` counts quarter "
            "turns, not degrees.)",
        ),
        (lambda image: image.rot90(1), "That is a quarter turn. A half turn is two of them."),
        (lambda image: image.rot90(-1), "That is a quarter turn, clockwise. A half turn is two of them."),
        (lambda image: image.T, "That is the transposed image: a mirror along the diagonal, not a turn."),
        (lambda image: image.flip(0, 1).T, "That is a mirror along the other diagonal, not a turn."),
        (
            lambda image: image.reshape(-1).flip(0),
            "The numbers come in the right order, but in one row. Give them back the shape of the image.",
        ),
        (
            lambda image: image[::-1],
            "A tensor takes no negative step, unlike a list or a NumPy array. Use `image.flip(…)` instead.",
        ),
        (
            lambda image: image.flip(0, 1, 2),
            "The image has two axes only: 0 for its rows and 1 for its columns.",
        ),
        (
            lambda image: image[len(image)],
            "Rows and columns are counted from 0, so the last row is Y − 1 and the last column X − 1.",
        ),
        (
            lambda image: image.flip(),
            "`flip` needs to be told which axes to reverse: `image.flip(…, …)`.",
        ),
        (
            lambda image: image.flip(0) + image.flip(1),
            "You add two flipped images. Flip once, along both axes: `image.flip(…, …)`.",
        ),
        (
            lambda image: image.roll((image.shape[0] // 2, image.shape[1] // 2), (0, 1)),
            "`roll` shifts the image by half its size. A half turn reverses the order of rows and columns.",
        ),
        (
            lambda image: -image,
            "The minus sign changes the numbers, not their places. Move the pixels: `image.flip(…, …)`.",
        ),
    ],
)
