"""Exercises 2.1 and 2.3 of notebook 02: how symmetries move points and images."""

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_lib.actions import act_on_image
from course_lib.exercises import Function, compare, register
from course_lib.exercises.symmetries import moved_by, wrong_move
from course_lib.groups import D4, Element, IntArray, inverse, matrix
from course_lib.wallpaper import Isometry, act_on_points, semidirect_inverse

R, M = Element(0, 1), Element(1, 0)


def _one_point(f: Function, reference: Function) -> None:
    turns = Isometry(0, 1, 0, 0), Isometry(1, 0, 0, 0), Isometry(0, 1, 3, 1), Isometry(1, 1, -2, 1)
    for g in (Isometry(0, 0, 3, 1), *turns):
        for point in ([0, 0], [1, 0], [0, 1], [2, 1]):
            compare(f, reference, g, np.array(point), because=partial(_wrong_half, g, point))


def _wrong_half(g: Isometry, point: list[int], expected: IntArray, yours: Any) -> str:
    """For an answer that nobody listed: whether the shift is wrong, which the origin shows, or the turn or mirror."""
    if np.shape(yours) != (2,) or np.array_equal(yours, expected):
        return ""
    if not any(point):
        return "No turn or mirror moves the origin, so it must arrive at the shift."
    turned = tuple((matrix(g.point_part) @ point).tolist())
    return f"The shift is right, but not what h = {g.point_part} does: it takes {tuple(point)} to {turned}."


def _many_points(f: Function, reference: Function) -> None:
    for g in (Isometry(0, 0, 3, 1), Isometry(1, 1, -2, 1)):
        compare(f, reference, g, np.array([[0, 0], [2, 1], [-1, 3]]), because="Several points come as rows (x, y).")
        compare(f, reference, g, np.arange(12).reshape(2, 3, 2), because="There may be any number of axes in front.")


def _unpacked(g: Isometry, points: IntArray) -> IntArray:
    x, y = points
    return matrix(g.point_part) @ (x, y) + g.shift


ROWS = (
    "The points are rows, so the matrix stands on their right, and is transposed: `points @ h.T`. (On an array with "
    "more than two axes, `points.T` reverses all of them.)"
)

register(
    "2.1",
    act_on_points,
    minutes=8,
    difficulty=1,
    checks=[_one_point, _many_points],
    hints=[
        "For one point p it is `matrix(g.point_part) @ p + g.shift`. What changes when the points are *rows*?",
        "The transpose of h·p is pᵀ·hᵀ. So a matrix that moves rows stands on their right, and is transposed.",
        "Let `h = matrix(g.point_part)` and `t = g.shift`. Then `points @ h.T + t` works for any number of axes in "
        "front.",
    ],
    known_mistakes=[
        (
            lambda g, points: points * matrix(g.point_part) + g.shift,
            "`*` multiplies entry by entry. The product of a matrix is `@`.",
        ),
        (
            lambda g, points: points @ (matrix(g.point_part).T + g.shift),
            "You add the shift to the matrix, because of the brackets. First move the points, and then add the shift.",
        ),
        (
            lambda g, points: points @ matrix(g.point_part) + g.shift,
            "You turn in the wrong direction. `points @ h` moves each row by hᵀ, which is h⁻¹. Rows need `points @ "
            "h.T`.",
        ),
        (
            lambda g, points: (points + g.shift) @ matrix(g.point_part).T,
            "You shift first and turn afterwards, so the shift gets turned too. First turn, then shift.",
        ),
        (lambda g, points: points @ matrix(g.point_part).T, "You turn, but you forget the shift t."),
        (lambda g, points: points + g.shift, "You shift, but you forget to turn by h first."),
        (
            lambda g, points: points @ matrix(g.point_part).T - g.shift,
            "You shift in the opposite direction. Add t, do not subtract it.",
        ),
        (
            lambda g, points: act_on_points(semidirect_inverse(g), points),
            "You move the points by the inverse of g. A point itself moves by g: first h, then + t.",
        ),
        (
            lambda g, points: (points - g.shift) @ matrix(g.point_part).T,
            "You subtract the shift before the turn. g first turns about the origin, and then adds t.",
        ),
        (
            lambda g, points: (points + g.shift) @ matrix(g.point_part),
            "Two things are wrong. You shift first, but h comes before t. And rows need the transposed matrix, "
            "`points @ h.T`.",
        ),
        (
            lambda g, points: points @ matrix(g.point_part).T + g.shift[::-1],
            "You add (v, u) in place of (u, v). The shift is in the order of the points: x first.",
        ),
        (
            lambda g, points: points[:, 0] + points[:, 1],
            "`points[:, 0]` needs exactly one axis in front, but there may be none, or several: `points[..., 0]`.",
        ),
        (
            _unpacked,
            "`x, y = …` takes a single point apart. Points are rows: `points[..., 0]` has the x of them all.",
        ),
        (lambda g, points: matrix(g.point_part) @ points + g.shift, ROWS),
        (lambda g, points: matrix(g.point_part) @ points.T + g.shift, ROWS),
        (lambda g, points: (matrix(g.point_part) @ points.T).T + g.shift, ROWS),
        (
            lambda g, points: (matrix(g.point_part) @ points.T + g.shift[:, None]).T,
            "With the shift as a column, this is right for points (n, 2) only, not for one point or for more axes in "
            "front. `points @ h.T + t` moves them all.",
        ),
        (
            lambda g, points: np.array([matrix(g.point_part) @ point + g.shift for point in points]),
            "You loop over the first axis, but a point may come without it, or with several axes in front. "
            "`points @ h.T` moves all of them at once.",
        ),
    ],
)


def _small_images(f: Function, reference: Function) -> None:
    for g in (R, M, Element(1, 1), *D4.elements):
        for image in (torch.arange(4).reshape(2, 2), torch.arange(6).reshape(2, 3)):
            compare(f, reference, g, image, because=partial(_another_move, g, image))


def _another_move(g: Element, image: Tensor, expected: Tensor, yours: Any) -> str:
    """For an answer that nobody listed: which symmetry it applies instead of g, or what it does to the numbers."""
    if not isinstance(yours, Tensor) or torch.equal(yours.double(), expected.double()):
        return ""
    if (move := moved_by(image, yours)) is not None:
        return f"L_{g} f was asked for, but you return L_{move} f. {wrong_move(g, move)}"
    if yours.shape != expected.shape:
        return (
            "An odd number of quarter turns swaps the sides of the image." if g.r % 2 else "The image keeps its shape."
        )
    if sorted(yours.flatten().tolist()) != sorted(image.flatten().tolist()):
        return "A symmetry only moves the numbers of f; yours changes, repeats or loses some of them."
    return "Your numbers have changed places, but not as any turn or mirror of the whole image moves them."


def _batches(f: Function, reference: Function) -> None:
    for g in (R, M):
        compare(f, reference, g, torch.arange(12.0).reshape(1, 3, 2, 2), because="Y and X are the last two axes.")


TRANSPOSE = "A transpose is not a quarter turn: it is a mirror, along a diagonal. Use `torch.rot90`."

register(
    "2.3",
    act_on_image,
    minutes=5,
    difficulty=1,
    checks=[_small_images, _batches],
    hints=[
        "`torch.rot90(f, k, dims=…)` turns by k quarter turns, and `f.flip(axis)` reverses one axis. Count axes from "
        "the end: the last two are −2 and −1.",
        "(m, r) means: first the rotation, then the mirror. The mirror x → −x reverses the columns, which is axis −1.",
        "First `turned = torch.rot90(f, g.r, dims=(-2, -1))`. Then return `turned.flip(-1)` if `g.m` is 1, and "
        "`turned` if it is 0.",
    ],
    known_mistakes=[
        (
            lambda g, f: act_on_image(g, f) * g.m,
            "You multiply the image by g.m, so without a mirror all of it becomes 0. Write `if g.m:` instead.",
        ),
        (
            lambda g, f: act_on_image(Element(g.m, -g.r % 4), f),
            "You turn clockwise. r is counter-clockwise, and so is `torch.rot90` with a positive k on the axes (−2, "
            "−1).",
        ),
        (
            lambda g, f: torch.rot90(f.flip(-1) if g.m else f, g.r, dims=(-2, -1)),
            "You mirror first and turn afterwards. (m, r) means: first the rotation, then the mirror.",
        ),
        (
            lambda g, f: act_on_image(Element(0, g.r), f).flip(-2) if g.m else act_on_image(g, f),
            "You swap top and bottom. The mirror x → −x swaps left and right, which is axis −1.",
        ),
        (
            lambda g, f: act_on_image(Element(0, g.r) if g.r else g, f),
            "You turn *or* mirror. An element with both needs both: first the rotation, then the mirror.",
        ),
        (lambda g, f: act_on_image(Element(0, g.r), f), "You forget the mirror: if g.m is 1, flip after the turn."),
        (
            lambda g, f: act_on_image(Element(1, g.r), f),
            "You mirror every time. Flip only if g.m is 1.",
        ),
        (
            lambda g, f: act_on_image(Element(0, (g.r + 2 * g.m) % 4), f),
            "Flipping both axes is a half turn, not a mirror. The mirror x → −x reverses axis −1 only.",
        ),
        (
            lambda g, f: torch.rot90(f, g.r, dims=(-2, -1)).flip(1) if g.m else act_on_image(g, f),
            "You flip axis 1, which is the columns of a single image but the channels of a batch. Count from the end: "
            "the columns are axis −1.",
        ),
        (
            lambda g, f: torch.rot90(f, g.r, dims=(1, 2)),
            "Count the axes from the end: whatever axes come in front, Y and X are −2 and −1.",
        ),
        (lambda g, f: f.transpose(-2, -1) if g.r % 2 else f, TRANSPOSE),
        (
            lambda g, f: act_on_image(Element(g.m, 0), f.transpose(-2, -1) if g.r % 2 else f),
            TRANSPOSE,
        ),
        (
            lambda g, f: act_on_image(Element(0, -g.r % 4), f),
            "You turn clockwise, and you forget the mirror. r is counter-clockwise, and if g.m is 1, flip after the "
            "turn.",
        ),
        (
            lambda g, f: act_on_image(Element(0, g.r), f.flip(-2) if g.m else f),
            "You swap top and bottom, and you do so before the turn. First turn, and then swap left and right, axis "
            "−1.",
        ),
        (
            lambda g, f: act_on_image(inverse(g), f),
            "You act by g⁻¹. The inverse of the formula says where a pixel looks; the image itself moves by g, and "
            "`torch.rot90` moves the image.",
        ),
        (
            lambda g, f: f.flip(-1) if g.m else act_on_image(g, f),
            "You flip f itself, and so its turn is lost. Flip the image that you have turned.",
        ),
        (
            lambda g, f: f,
            "You return f as it was. `torch.rot90` and `flip` leave f alone and return a new tensor: keep that one.",
        ),
        (
            lambda g, f: act_on_image(Element(g.m, 90 * g.r % 4), f),
            "`torch.rot90` counts quarter turns, not degrees: its k is g.r.",
        ),
        (
            lambda g, f: act_on_image(Element(g.m, 1), f),
            "You always make one quarter turn. Make g.r of them.",
        ),
        (
            lambda g, f: torch.rot90(f, g.r).flip(-1) if g.m else torch.rot90(f, g.r),
            "You turn the first two axes, which are the batch and the channels. Write `dims=(-2, -1)`.",
        ),
        (
            lambda g, f: act_on_image(g, f) if g.m else f,
            "You turn only if g mirrors. Turn in any case, and then flip if g.m is 1.",
        ),
    ],
)
