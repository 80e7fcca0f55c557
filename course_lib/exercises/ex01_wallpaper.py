"""The exercises of notebook 01 about p4 and p4m: product and inverse, shifts included."""

from course_lib.exercises import Function, compare, register
from course_lib.groups import Element, IntArray, compose, inverse, matrix
from course_lib.wallpaper import Isometry, semidirect_inverse, semidirect_product

SHIFT, TURN, TURN_AND_SHIFT = Isometry(0, 0, 2, 1), Isometry(0, 1, 0, 0), Isometry(0, 1, 3, 0)
MIRROR_AND_SHIFT = Isometry(1, 1, -1, 2)
MOVES = (SHIFT, TURN, TURN_AND_SHIFT, MIRROR_AND_SHIFT, Isometry(1, 0, 1, 0), Isometry(0, 3, 0, -2))


def _pairs_of_isometries(f: Function, reference: Function) -> None:
    for g in MOVES:
        for k in MOVES:
            compare(f, reference, g, k)


def _with_shift(point_part: Element, shift: IntArray) -> Isometry:
    return Isometry(*point_part, *map(int, shift))


register(
    "1.6",
    semidirect_product,
    minutes=10,
    difficulty=2,
    checks=[_pairs_of_isometries],
    hints=[
        "Two parts: the point part is `compose` of the point parts; the shift is t + h·t′.",
        "`matrix(g.point_part) @ k.shift` is h·t′. Add `g.shift` and take the two numbers apart: `u, v = …`.",
        "`Isometry(*compose(g.point_part, k.point_part), int(u), int(v))`",
    ],
    known_mistakes=[
        (
            lambda g, k: _with_shift(compose(g.point_part, k.point_part), g.shift + k.shift),
            "You add the shifts, as in a direct product. But g turns everything that k has done, so k's shift gets "
            "turned: t + h·t′.",
        ),
        (
            lambda g, k: semidirect_product(k, g),
            'You compose in the other order. The product gk means "first k, then g".',
        ),
        (
            lambda g, k: _with_shift(compose(g.point_part, k.point_part), g.shift + matrix(k.point_part) @ k.shift),
            "You turn k's shift by k's own h′. It is g, done afterwards, that turns it: t + h·t′.",
        ),
        (
            lambda g, k: _with_shift(compose(g.point_part, k.point_part), matrix(k.point_part) @ g.shift + k.shift),
            "You turn g's shift by h′. g comes last, so nothing turns its shift; it is k's shift that gets turned.",
        ),
        (
            lambda g, k: _with_shift(compose(g.point_part, k.point_part), matrix(g.point_part) @ (g.shift + k.shift)),
            "You turn both shifts. g turns first and shifts afterwards, so its own shift t is not turned.",
        ),
        (
            lambda g, k: _with_shift(compose(g.point_part, k.point_part), g.shift + k.shift @ matrix(g.point_part)),
            "You turn k's shift, but the wrong way: `k.shift @ h` multiplies by the transpose of h, which is h⁻¹. A "
            "matrix that moves a vector stands on its left.",
        ),
        (
            lambda g, k: _with_shift(compose(k.point_part, g.point_part), g.shift + matrix(g.point_part) @ k.shift),
            "The shift is right, but the point part is in the other order: hh′, `compose(g.point_part, k.point_part)`.",
        ),
    ],
)


def _isometries(f: Function, reference: Function) -> None:
    for g in MOVES:
        compare(f, reference, g)


register(
    "1.7",
    semidirect_inverse,
    minutes=8,
    difficulty=2,
    checks=[_isometries],
    hints=[
        "The point part of the result is `inverse(g.point_part)`; call it `back`.",
        "Taking the shift away again happens after turning back, so the shift −t has to be turned too.",
        "The shift is `-matrix(back) @ g.shift`.",
    ],
    known_mistakes=[
        (
            lambda g: _with_shift(inverse(g.point_part), -g.shift),
            "You take the shift back unturned. That is right only where h leaves t as it is: the shift must be −h⁻¹·t.",
        ),
        (
            lambda g: _with_shift(inverse(g.point_part), -matrix(g.point_part) @ g.shift),
            "You turn the shift by h once more. It must be turned back, by h⁻¹.",
        ),
        (
            lambda g: _with_shift(inverse(g.point_part), matrix(inverse(g.point_part)) @ g.shift),
            "The sign of the shift is missing: −h⁻¹·t.",
        ),
        (
            lambda g: _with_shift(g.point_part, -matrix(inverse(g.point_part)) @ g.shift),
            "The shift is right, but the point part must be undone too: h⁻¹.",
        ),
    ],
)
