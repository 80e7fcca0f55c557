"""Exercises 1.4 and 1.5 of notebook 01: the product and the inverse in p4 and p4m."""

import numpy as np

from course_lib.exercises import Function, Mistake, call, compare, register
from course_lib.exercises.values import show
from course_lib.groups import Element, IntArray, compose, inverse, matrix
from course_lib.wallpaper import Isometry, semidirect_inverse, semidirect_product

SHIFT, TURN, TURN_AND_SHIFT = Isometry(0, 0, 2, 1), Isometry(0, 1, 0, 0), Isometry(0, 1, 3, 0)
MIRROR_AND_SHIFT = Isometry(1, 1, -1, 2)
MOVES = (SHIFT, TURN, TURN_AND_SHIFT, MIRROR_AND_SHIFT, Isometry(1, 0, 1, 0), Isometry(0, 3, 0, -2))


def _pairs_of_isometries(f: Function, reference: Function) -> None:
    for g in MOVES:
        for k in MOVES:
            _explain_the_half(f, reference, g, k)
            compare(f, reference, g, k)


def _explain_the_half(f: Function, reference: Function, *inputs: Isometry) -> None:
    """Whether the point part or the shift is wrong, and what it should be."""
    expected, example = reference(*inputs), dict(zip("gk", inputs, strict=False))
    yours = call(f, *inputs, example=example)
    if not isinstance(yours, Isometry) or not all(np.isscalar(number) for number in yours):
        return
    if yours != expected:
        raise Mistake(_wrong_half(expected, yours, inputs), example, expected, yours)
    if any(isinstance(number, float) for number in yours):
        raise Mistake("The numbers are right, but they must be integers: use `int`.", example, expected, yours)


def _wrong_half(expected: Isometry, yours: Isometry, inputs: tuple[Isometry, ...]) -> str:
    if yours == (*expected[2:], *expected[:2]):
        return "Your numbers are right, but you give the shift first. The order is `Isometry(m, r, u, v)`."
    if yours[:2] == expected[:2]:
        path = "by k and then by g" if len(inputs) == 2 else "by the inverse"
        return (
            f"The point part is right, the shift is not. Follow the origin: moved {path}, it must arrive at "
            f"({expected.u}, {expected.v}); yours takes it to ({yours.u}, {yours.v})."
        )
    product = " after ".join(str(move.point_part) for move in inputs)
    rule = f"{product} makes" if len(inputs) == 2 else f"what undoes {product} is"
    half = "The shift is right, the point part is not" if yours[2:] == expected[2:] else "The point part is wrong"
    return f"{half}: {rule} {expected.point_part}, not {show(Element(*yours[:2]))}."


def _with_shift(point_part: Element, shift: IntArray) -> Isometry:
    return Isometry(*point_part, *map(int, shift))


register(
    "1.4",
    semidirect_product,
    minutes=10,
    difficulty=2,
    checks=[_pairs_of_isometries],
    hints=[
        "The point x goes to h′x + t′, and g takes that to h(h′x + t′) + t. Multiply out, and sort the terms: what is "
        "applied to x, and what is added?",
        "The point part is hh′, made by `compose`. The shift is t + h·t′, where h·t′ is "
        "`matrix(g.point_part) @ k.shift`. Unpack its two numbers: `u, v = …`.",
        "`Isometry(*compose(g.point_part, k.point_part), int(u), int(v))`",
    ],
    known_mistakes=[
        (
            lambda g, k: _with_shift(compose(g.point_part, k.point_part), g.shift + k.shift),
            "You add the shifts, as in a direct product. But g acts on everything that k has done, so k's shift gets "
            "turned: t + h·t′.",
        ),
        (
            lambda g, k: semidirect_product(k, g),
            'You compose in the opposite order. The product gk means "first k, then g".',
        ),
        (
            lambda g, k: _with_shift(compose(g.point_part, k.point_part), g.shift + matrix(k.point_part) @ k.shift),
            "You turn k's shift by k's own h′. What turns it is g, which comes afterwards: t + h·t′.",
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
            "You turn k's shift, but in the wrong direction: `k.shift @ h` multiplies by the transpose of h, which is "
            "h⁻¹. Put the matrix on the left of the vector that it moves.",
        ),
        (
            lambda g, k: _with_shift(compose(k.point_part, g.point_part), g.shift + matrix(g.point_part) @ k.shift),
            "The shift is right, but the point part has the wrong order. It is hh′: `compose(g.point_part, "
            "k.point_part)`.",
        ),
        (
            lambda g, k: Isometry((g.m + k.m) % 2, (g.r + k.r) % 4, *semidirect_product(g, k)[2:]),
            "The shift is right. But point parts do not simply add up, because a rotation that moves past a mirror "
            "reverses its direction: use `compose`.",
        ),
        (
            lambda g, k: _with_shift(compose(g.point_part, k.point_part), matrix(g.point_part) @ g.shift + k.shift),
            "You turn g's own shift. g turns first and shifts afterwards, so t stays, and it is k's shift that gets "
            "turned: t + h·t′.",
        ),
        (
            lambda g, k: _with_shift(
                h := compose(g.point_part, k.point_part),
                g.shift + matrix(h) @ k.shift,
            ),
            "You turn k's shift by the whole product hh′. Only h comes after that shift: t + h·t′.",
        ),
        (
            lambda g, k: _with_shift(g.point_part, g.shift + matrix(g.point_part) @ k.shift),
            "The shift is right, but the point part is not: k's own turn or mirror is missing. It is hh′.",
        ),
        (
            lambda g, k: _with_shift(compose(g.point_part, k.point_part), g.shift - matrix(g.point_part) @ k.shift),
            "You subtract the turned shift. Add it: t + h·t′.",
        ),
        (
            lambda g, k: _with_shift(compose(g.point_part, k.point_part), g.shift + g.point_part @ k.shift),
            "`g.point_part @ k.shift` multiplies by the pair (m, r) itself. What turns a shift is its matrix: "
            "`matrix(g.point_part) @ k.shift`.",
        ),
        (
            lambda g, k: Isometry(*compose(g.point_part, k.point_part), *(g.shift + matrix(g.point_part) * k.shift)),
            "`*` multiplies entry by entry. The product of a matrix and a shift is `matrix(g.point_part) @ k.shift`.",
        ),
        (
            lambda g, k: Isometry(*compose(g.point_part, k.point_part), g.shift + matrix(g.point_part) @ k.shift),  # type: ignore[call-arg]
            "The shift is an array of two numbers, and `Isometry` takes them one by one. Unpack it: `u, v = …`.",
        ),
        (
            lambda g, k: Isometry(compose(g.point_part, k.point_part), g.shift + matrix(g.point_part) @ k.shift),  # type: ignore[call-arg,arg-type]
            "`Isometry` takes four numbers, m, r, u and v. Unpack both parts: `Isometry(*h, u, v)`.",
        ),
        (
            lambda g, k: _with_shift(compose(g.point_part, k.point_part), matrix(g.point_part) @ k.shift),
            "You turn k's shift, but you lose g's own: the shift is t + h·t′.",
        ),
    ],
)


def _isometries(f: Function, reference: Function) -> None:
    for g in MOVES:
        _explain_the_half(f, reference, g)
        compare(f, reference, g)


register(
    "1.5",
    semidirect_inverse,
    minutes=8,
    difficulty=2,
    checks=[_isometries],
    hints=[
        "Start from y = hx + t and subtract t: hx = y − t. What do you have to apply to both sides to get x alone?",
        "x = h⁻¹(y − t): the shift is taken away *first*, and the turn back comes after it. So the −t gets turned, "
        "too.",
        "Let `back = inverse(g.point_part)`. The shift is `-matrix(back) @ g.shift`.",
    ],
    known_mistakes=[
        (
            lambda g: _with_shift(inverse(g.point_part), -g.shift),
            "You take the shift back unturned. That is right only if h leaves t as it is. You take t away first and "
            "turn back afterwards, so the shift is −h⁻¹·t.",
        ),
        (
            lambda g: _with_shift(inverse(g.point_part), -matrix(g.point_part) @ g.shift),
            "You turn the shift by h once more. It has to be turned back, by h⁻¹.",
        ),
        (
            lambda g: _with_shift(inverse(g.point_part), matrix(inverse(g.point_part)) @ g.shift),
            "The sign of the shift is missing: −h⁻¹·t.",
        ),
        (
            lambda g: _with_shift(g.point_part, -matrix(inverse(g.point_part)) @ g.shift),
            "The shift is right, but the point part must be undone too: h⁻¹.",
        ),
        (
            lambda g: _with_shift(g.point_part, -g.shift),
            "You undo the shift, but not the turn: the point part of the inverse is h⁻¹, and the shift is −h⁻¹·t.",
        ),
        (
            lambda g: _with_shift(inverse(g.point_part), matrix(g.point_part) @ g.shift),
            "The point part is right. The shift has to be taken away (a minus sign) and turned back (by h⁻¹): −h⁻¹·t.",
        ),
        (
            lambda g: _with_shift(Element(g.m, -g.r % 4), -matrix(inverse(g.point_part)) @ g.shift),
            "The shift is right. But a mirror undoes itself, so its r must not change its sign: use `inverse`.",
        ),
        (
            lambda g: Isometry(*inverse(g.point_part), 0, 0),
            "The point part is right, but the shift is missing. It has to be taken away: −h⁻¹·t.",
        ),
        *[
            (
                wrong,
                "You change the sign of every number. But a mirror undoes itself: use `inverse` for the point part. "
                "And the −t has to be turned back: −h⁻¹·t.",
            )
            for wrong in (
                lambda g: Isometry(g.m, -g.r % 4, -g.u, -g.v),
                lambda g: Isometry(-g.m, -g.r, -g.u, -g.v),
            )
        ],
        (
            lambda g: Isometry(inverse(g.point_part), *-matrix(inverse(g.point_part)) @ g.shift),  # type: ignore[arg-type]
            "`Isometry` takes four numbers, m, r, u and v. Unpack the point part: `Isometry(*h, u, v)`.",
        ),
        (
            lambda g: _with_shift(Element(g.m, g.r if g.m else 4 - g.r), -matrix(inverse(g.point_part)) @ g.shift),
            "The shift is right. But if g does not turn at all, your r is 4: take it modulo 4, or use `inverse`.",
        ),
        (
            lambda g: _with_shift(inverse(g.point_part), inverse(matrix(g.point_part)) @ -g.shift),  # type: ignore[arg-type]
            "`inverse` takes an element, not a matrix. First undo the element, then take its matrix: "
            "`matrix(inverse(g.point_part))`.",
        ),
        (
            lambda g: Isometry(*inverse(g)),  # type: ignore[call-arg]
            "`inverse` undoes an `Element` (m, r), without a shift. Use it for the point part, `g.point_part`.",
        ),
        (lambda g: g, "You return g itself. The inverse takes hx + t back to x."),
        (
            lambda g: _with_shift(inverse(g.point_part), g.shift),
            "The point part is right. But you add the same shift again instead of taking it away: it is −h⁻¹·t.",
        ),
    ],
)
