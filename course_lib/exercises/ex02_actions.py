"""The exercises of notebook 02: how symmetries move points, images and feature maps."""

import numpy as np
import torch
from torch import Tensor

from course_lib.actions import act_on_feature_map, act_on_image
from course_lib.exercises import Function, compare, register
from course_lib.groups import C4, D4, Element, Group, compose, inverse, left_permutation, matrix
from course_lib.oracles import source_pixel
from course_lib.wallpaper import Isometry, act_on_points

R, M = Element(0, 1), Element(1, 0)


def _one_point(f: Function, reference: Function) -> None:
    for g in (Isometry(0, 0, 3, 1), Isometry(0, 1, 0, 0), Isometry(1, 0, 0, 0), Isometry(0, 1, 3, 1)):
        compare(f, reference, g, np.array([2, 1]))


def _many_points(f: Function, reference: Function) -> None:
    for g in (Isometry(0, 0, 3, 1), Isometry(1, 1, -2, 1)):
        compare(f, reference, g, np.array([[0, 0], [2, 1], [-1, 3]]), because="Several points come as rows (x, y).")
        compare(f, reference, g, np.arange(12).reshape(2, 3, 2), because="There may be any number of axes in front.")


register(
    "2.1",
    act_on_points,
    minutes=8,
    difficulty=1,
    checks=[_one_point, _many_points],
    hints=[
        "For one point p it is `matrix(g.point_part) @ p + g.shift`. What changes when the points are *rows*?",
        "The transpose of h·p is pᵀ·hᵀ: a matrix that moves rows stands on their right, transposed.",
        "`points @ h.T + t`, where `h = matrix(g.point_part)` and `t = g.shift`, for any number of axes in front.",
    ],
    known_mistakes=[
        (
            lambda g, points: points @ matrix(g.point_part) + g.shift,
            "You turn the wrong way round. `points @ h` moves each row by hᵀ = h⁻¹; rows need `points @ h.T`.",
        ),
        (
            lambda g, points: (points + g.shift) @ matrix(g.point_part).T,
            "You shift first and turn afterwards, so that the shift gets turned too. First turn, then shift.",
        ),
        (lambda g, points: points @ matrix(g.point_part).T, "You turn, but you forget the shift t."),
        (lambda g, points: points + g.shift, "You shift, but you forget to turn by h first."),
    ],
)


def _odd_size(f: Function, reference: Function) -> None:
    for g in (R, M, Element(0, 2)):
        compare(f, reference, g, 0, 0, 3, 3)
        compare(f, reference, g, 0, 1, 3, 3)


def _every_size(f: Function, reference: Function) -> None:
    # All in one check: a mistake is named only if it explains every answer, and on odd squares several look alike.
    _odd_size(f, reference)
    for g in D4.elements:
        for pixel in np.ndindex(2, 2):
            compare(f, reference, g, *pixel, 2, 2, because="The center of an even size lies between pixels.")
        for pixel in np.ndindex(2, 3):
            compare(f, reference, g, *pixel, 2, 3, because="L_g f is 2 × 3 here; after a quarter turn f was 3 × 2.")


def _pixel_by(h: Function, y_up: bool = True, swap_sides: bool = True) -> Function:
    """A wrong `source_pixel`: looks up the place h(g)·x, and may forget that y points up, or that sides change."""

    def wrong(g: Element, row: int, col: int, height: int, width: int) -> tuple[int, int]:
        sign = 1 if y_up else -1
        x, y = matrix(h(g)) @ (2 * col - (width - 1), sign * ((height - 1) - 2 * row))
        if swap_sides and g.r % 2:
            height, width = width, height
        return int(height - 1 - sign * y) // 2, int(x + width - 1) // 2

    return wrong


def _whole_center(g: Element, row: int, col: int, height: int, width: int) -> tuple[int, int]:
    x, y = matrix(inverse(g)) @ (col - width // 2, height // 2 - row)
    if g.r % 2:
        height, width = width, height
    return int(height // 2 - y), int(x + width // 2)


register(
    "2.2",
    source_pixel,
    minutes=15,
    difficulty=3,
    checks=[_every_size],
    hints=[
        "Three steps: pixel → (x, y) about the center; then (x, y) ↦ g⁻¹·(x, y); then (x, y) → pixel again.",
        "Doubled coordinates stay whole numbers: `x = 2 * col - (width - 1)` and `y = (height - 1) - 2 * row`. Solve "
        "both for `row` and `col` for the way back.",
        "A quarter turn makes a map of 2 × 3 out of one of 3 × 2. So swap `height` and `width` before the way back, if "
        "`g.r` is odd.",
    ],
    known_mistakes=[
        (
            _pixel_by(lambda g: g),
            "The inverse is missing. You look up f(gx), but L_g f shows f(g⁻¹x) at x.",
        ),
        (
            _pixel_by(inverse, y_up=False),
            "Your y points down. Rows count downwards, but y points up: y = (height − 1)/2 − row.",
        ),
        (
            _pixel_by(inverse, swap_sides=False),
            "A quarter turn swaps the sides: `height` and `width` are those of L_g f; f has them the other way round.",
        ),
        (
            _whole_center,
            "Your center is a pixel, `height // 2`. The center of an even size lies between pixels, at (height − 1)/2.",
        ),
        (
            lambda g, row, col, height, width: source_pixel(g, row, col, height, width)[::-1],
            "Your pixel is (col, row). An array index is (row, col): down first, then to the right.",
        ),
        (
            lambda g, row, col, height, width: tuple(map(float, source_pixel(g, row, col, height, width))),
            "The pixel is right, but its numbers are floats, and no array takes those as an index. Doubled coordinates "
            "stay whole; or turn both numbers into `int` at the end.",
        ),
    ],
)


def _small_images(f: Function, reference: Function) -> None:
    for g in (R, M, Element(1, 1), *D4.elements):
        compare(f, reference, g, torch.arange(4).reshape(2, 2))
        compare(f, reference, g, torch.arange(6).reshape(2, 3))


def _batches(f: Function, reference: Function) -> None:
    for g in (R, M):
        compare(f, reference, g, torch.arange(12.0).reshape(1, 3, 2, 2), because="Y and X are the last two axes.")


register(
    "2.3",
    act_on_image,
    minutes=5,
    difficulty=1,
    checks=[_small_images, _batches],
    hints=[
        "`torch.rot90(f, k, dims=…)` turns by k·90°, and `f.flip(axis)` reverses one axis. The last two are −2 and −1.",
        "(m, r) means: first the rotation, then the mirror. The mirror x → −x reverses the columns, axis −1.",
        "`turned = torch.rot90(f, g.r, dims=(-2, -1))`; then, if `g.m`, `turned.flip(-1)`.",
    ],
    known_mistakes=[
        (
            lambda g, f: act_on_image(Element(g.m, -g.r % 4), f),
            "You turn clockwise. r is counter-clockwise, as is `torch.rot90` with a positive k on the axes (−2, −1).",
        ),
        (
            lambda g, f: torch.rot90(f.flip(-1) if g.m else f, g.r, dims=(-2, -1)),
            "You mirror first and turn afterwards. (m, r) means: first the rotation, then the mirror.",
        ),
        (
            lambda g, f: act_on_image(Element(0, g.r), f).flip(-2) if g.m else act_on_image(g, f),
            "You mirror top and bottom. The mirror is x → −x: it swaps left and right, which is axis −1.",
        ),
        (
            lambda g, f: act_on_image(Element(0, g.r) if g.r else g, f),
            "You turn *or* mirror. An element with both needs both: first the rotation, then the mirror.",
        ),
        (lambda g, f: act_on_image(Element(0, g.r), f), "You forget the mirror: when g.m is 1, flip after the turn."),
        (
            lambda g, f: torch.rot90(f, g.r).flip(-1) if g.m else torch.rot90(f, g.r),
            "You turn the first two axes, the batch and the channels. Say `dims=(-2, -1)`.",
        ),
    ],
)


def _all_groups(f: Function, reference: Function) -> None:
    for elements in (C4.elements, D4.elements, tuple(reversed(D4.elements)), (Element(0, 0), M)):
        for g in elements:
            compare(f, reference, g, elements, because="Entry i is the position of g⁻¹hᵢ.")


register(
    "2.4",
    left_permutation,
    minutes=8,
    difficulty=2,
    checks=[_all_groups],
    hints=[
        "One entry per element h of `elements`. Which element's sheet goes to the place of h?",
        "[L_g f](x, h) = f(g⁻¹x, g⁻¹h): the sheet of g⁻¹h. Build it with `compose` and `inverse`.",
        "`elements.index(element)` is an element's position in the tuple; a list comprehension over h does the rest.",
    ],
    known_mistakes=[
        (
            lambda g, elements: [elements.index(compose(g, h)) for h in elements],
            "The inverse is missing. You take the position of gh, which says where sheet h *goes*. The sheet that "
            "arrives at h comes from g⁻¹h.",
        ),
        (
            lambda g, elements: [elements.index(compose(h, inverse(g))) for h in elements],
            "You multiply on the wrong side: hg⁻¹ instead of g⁻¹h. In C4 both agree, in D4 they do not.",
        ),
        (
            lambda g, elements: [elements.index(compose(h, g)) for h in elements],
            "You multiply on the wrong side and without the inverse: hg instead of g⁻¹h.",
        ),
        (
            lambda g, elements: [compose(inverse(g), h) for h in elements],
            "These are the elements g⁻¹h themselves. Asked for are their positions: `elements.index(…)`.",
        ),
    ],
)


def _feature_maps(f: Function, reference: Function) -> None:
    for g in (R, Element(0, 2)):
        one_pixel = torch.arange(4.0).reshape(4, 1, 1)
        compare(f, reference, g, one_pixel, C4, because="With one pixel only the order of the sheets shows.")
        batch = torch.arange(16.0).reshape(4, 4, 1, 1)
        compare(f, reference, g, batch, C4, because="The group axis is the third from the end.")
    for g in C4.elements:
        sheets = torch.arange(64.0).reshape(4, 4, 2, 2)
        compare(f, reference, g, sheets[0], C4)
        compare(f, reference, g, sheets, C4, because="The group axis is the third from the end.")
    for g in D4.elements:
        compare(f, reference, g, torch.arange(32.0).reshape(8, 2, 2), D4)


def _with_permutation(permute: Function) -> Function:
    """A wrong `act_on_feature_map` that turns the sheets rightly, but permutes them in another way."""

    def wrong(g: Element, f: Tensor, group: Group, subgroup: Group | None = None) -> Tensor:
        return act_on_image(g, f[..., permute(g, group), :, :])

    return wrong


GROUP_AXIS = "You permute another axis than the sheets'. Count from the end: X is the last axis, Y stands before it."


def _along(pick: Function) -> Function:
    """A wrong `act_on_feature_map` that picks from another axis."""
    return lambda g, f, group, subgroup=None: act_on_image(g, pick(f, group.permutation(g)))


register(
    "2.5",
    act_on_feature_map,
    minutes=8,
    difficulty=2,
    checks=[_feature_maps],
    hints=[
        "Two things happen to the sheets, and you have written both: `act_on_image` and `left_permutation`.",
        "A list of positions picks sheets in that order: `f[..., [3, 0, 1, 2], :, :]`.",
        "`permutation = left_permutation(g, group.elements)`, then `act_on_image(g, f[..., permutation, :, :])`.",
    ],
    known_mistakes=[
        (
            lambda g, f, group, subgroup=None: act_on_image(g, f),
            "You turn the sheets, but you leave them in their places. Permute them too: sheet h comes from g⁻¹h.",
        ),
        (
            lambda g, f, group, subgroup=None: f[..., group.permutation(g), :, :],
            "You permute the sheets, but you do not turn them.",
        ),
        (
            _with_permutation(lambda g, group: group.permutation(inverse(g))),
            "The inverse is missing in the permutation. You take the sheet of gh, but sheet h comes from g⁻¹h.",
        ),
        (
            _with_permutation(lambda g, group: [group.index(compose(h, inverse(g))) for h in group.elements]),
            "You multiply on the wrong side: sheet h comes from g⁻¹h, not from hg⁻¹. Only a group like D4 shows it.",
        ),
        (
            lambda g, f, group, subgroup=None: act_on_feature_map(inverse(g), f, group),
            "You turn and permute, but both by g⁻¹. L_g turns each sheet by g, and sheet h comes from g⁻¹h.",
        ),
        (_along(lambda f, permutation: f[:, permutation]), GROUP_AXIS),
        (_along(lambda f, permutation: f[..., permutation]), GROUP_AXIS),
        (_along(lambda f, permutation: f[..., permutation, :]), GROUP_AXIS),
        (
            lambda g, f, group, subgroup=None: act_on_image(g, f)[group.permutation(g)],
            "You permute the first axis, but the group axis is the third from the end: `f[..., permutation, :, :]`.",
        ),
    ],
)
