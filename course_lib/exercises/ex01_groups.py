"""Exercises 1.1 and 1.2 of notebook 01: the product of two symmetries of the square, and the table of all products."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from course_lib.exercises import Function, compare, register
from course_lib.groups import (
    D4,
    IDENTITY,
    Element,
    IntArray,
    cayley_table,
    compose,
)

R, R2, R3, M, MR = Element(0, 1), Element(0, 2), Element(0, 3), Element(1, 0), Element(1, 1)


def _all_pairs(f: Function, reference: Function) -> None:
    for a, b in ((R, R), (M, R), (R, M), (M, M)):
        compare(f, reference, a, b)
    for a in D4.elements:
        for b in D4.elements:
            compare(f, reference, a, b)


register(
    "1.1",
    compose,
    minutes=10,
    difficulty=2,
    checks=[_all_pairs],
    hints=[
        "Start with the mirrors: the product mirrors if exactly one of a and b does. For the rotations, look at `b.m`: "
        "does a's rotation have to move past a mirror?",
        "If `b.m` is 0, simply add the rotations. If `b.m` is 1, a's rotation moves past b's mirror, and so it "
        "reverses its direction before you add.",
        "Let `sign = -1 if b.m else 1`. The new r is `(sign * a.r + b.r) % 4`, and the new m is `(a.m + b.m) % 2`.",
    ],
    known_mistakes=[
        (
            lambda a, b: Element((a.m + b.m) % 2, (a.r + b.r) % 4),
            "You add the rotations as if there were no mirror between them. When b mirrors, a's rotation reverses its "
            "direction: R M = M R⁻¹.",
        ),
        (
            lambda a, b: compose(b, a),
            'You compose in the opposite order. The product ab means "first b, then a".',
        ),
        (
            lambda a, b: Element((a.m + b.m) % 2, ((-1) ** a.m * a.r + b.r) % 4),
            "The sign of a's rotation depends on the mirror that it moves past. That is b's mirror, not a's own.",
        ),
        (
            lambda a, b: Element((a.m + b.m) % 2, (a.r + (-1) ** b.m * b.r) % 4),
            "You reverse the wrong rotation. It is a's rotation that moves past b's mirror; b's own rotation does not "
            "have to move past anything.",
        ),
        (
            lambda a, b: Element((a.m + b.m) % 2, (-1) ** b.m * (a.r + b.r) % 4),
            "You change the sign of the whole sum. Only one of the two rotations has to move past b's mirror: which "
            "one?",
        ),
        (
            lambda a, b: Element((a.m + b.m) % 2, (-1) ** a.m * (a.r + b.r) % 4),
            "You change the sign of the whole sum, and it depends on a's mirror. Which rotation has to move past which "
            "mirror?",
        ),
        (
            lambda a, b: Element(a.m + b.m, (-1) ** b.m * a.r + b.r),
            "The sums are right. Now take m modulo 2 and r modulo 4: two mirrors cancel, and so do four quarter turns.",
        ),
        (
            lambda a, b: Element((a.m + b.m) % 2, (-1) ** b.m * a.r + b.r),
            "The sums are right, but four quarter turns bring the square back: take r modulo 4.",
        ),
        (
            lambda a, b: Element(a.m + b.m, ((-1) ** b.m * a.r + b.r) % 4),
            "The sums are right, but two mirrors cancel: take m modulo 2.",
        ),
        (
            lambda a, b: Element((a.m + b.m) % 2, (b.r - a.r) % 4),
            "You reverse a's rotation every time. It reverses its direction only when it moves past a mirror, that is "
            "when b.m is 1.",
        ),
        (
            lambda a, b: Element((a.m + b.m) % 2, ((-1) ** (a.m + b.m) * a.r + b.r) % 4),
            "You reverse a's rotation when exactly one of a and b mirrors. Only b's mirror is in its way: a's own "
            "mirror is already on the left.",
        ),
        (
            lambda a, b: Element((a.m + b.m) % 2, ((-1) ** (a.m * b.m) * a.r + b.r) % 4),
            "You reverse a's rotation only when both a and b mirror. It has to move past b's mirror whether or not a "
            "mirrors: look at b.m alone.",
        ),
        (
            lambda a, b: Element(a.m | b.m, ((-1) ** b.m * a.r + b.r) % 4),
            "The rotations are right. But two mirrors cancel: if both a and b mirror, the new m is 0.",
        ),
        (
            lambda a, b: Element((a.m + b.m) % 2, (a.r - b.r) % 4),
            "You subtract b's rotation every time. The rotations add up, but if b mirrors, a's counts backwards.",
        ),
        (
            lambda a, b: Element((a.m + b.m) % 2, (-1) ** b.m * a.r % 4),
            "b's rotation is missing. Add it to a's, after a's has moved past the mirror.",
        ),
        (
            lambda a, b: Element(b.m, ((-1) ** b.m * a.r + b.r) % 4),
            "The rotations are right. But the mirrors add up as well: a's mirror is missing from your m.",
        ),
        (
            lambda a, b: Element(a.m * b.m, ((-1) ** b.m * a.r + b.r) % 4),
            "The rotations are right. But mirrors are counted, not multiplied: the new m is (a.m + b.m) modulo 2.",
        ),
        (
            lambda a, b: Element((a.m + b.m) % 2, ((-1) ** b.m * a.r + b.r) % 2),
            "You take r modulo 2. It is four quarter turns that cancel: take r modulo 4.",
        ),
        (
            lambda a, b: Element(a.m, ((-1) ** b.m * a.r + b.r) % 4),
            "The rotations are right. But the mirrors add up as well: b's mirror is missing from your m.",
        ),
    ],
)


def times_mod_5(a: int, b: int) -> int:
    return a * b % 5


def add_mod_3(a: int, b: int) -> int:
    return (a + b) % 3


def _products_inside(f: Function, reference: Function) -> None:
    compare(f, reference, (0, 1, 2), add_mod_3)
    compare(f, reference, (1, 2, 3, 4), times_mod_5, because="The table holds positions, not the products themselves.")
    compare(f, reference, (IDENTITY, R, M), compose, because="A product outside the set counts as −1.")
    for elements in ((R, M, MR), D4.elements):
        compare(f, reference, elements, compose, because="In table[i, j], the row i belongs to the left factor.")


def _keyed(elements: Iterable[object], product: Callable[..., object]) -> IntArray:
    members = list(elements)
    return np.array([[product(a, b) for b in members] for a in members])


def _outside_is_zero(elements: Iterable[object], product: Callable[..., object]) -> IntArray:
    return np.maximum(cayley_table(list(elements), product), 0)


OUTSIDE = "This product is not in the set, so it has no position. Write −1 for it."


def _outside_by_index(elements: Sequence[object], product: Callable[..., object]) -> IntArray:
    return np.array([[elements.index(product(a, b)) for b in elements] for a in elements])


def _outside_by_key(elements: Iterable[object], product: Callable[..., object]) -> IntArray:
    position = {element: i for i, element in enumerate(elements)}
    return np.array([[position[product(a, b)] for b in position] for a in position])


register(
    "1.2",
    cayley_table,
    minutes=10,
    difficulty=2,
    checks=[_products_inside],
    hints=[
        "Use two loops: a runs over the rows, b over the columns. Each entry is the position of `product(a, b)`.",
        "A dictionary can look up positions: `position = {element: i for i, element in enumerate(elements)}`.",
        "`position.get(product(a, b), -1)` is −1 for a product that is not in the list. Collect the rows with "
        "`np.array([[… for b in elements] for a in elements])`.",
    ],
    known_mistakes=[
        (
            lambda elements, product: cayley_table(elements, product).T,
            "Your table is transposed. The row belongs to the left factor: table[i, j] is for elements[i]·elements[j].",
        ),
        (
            _keyed,
            "Your table holds the products themselves. It should hold their positions in `elements`.",
        ),
        (
            lambda elements, product: cayley_table(elements, product).tolist(),
            "The positions are right, but return them as a NumPy array: `np.array(rows)`.",
        ),
        (
            _outside_is_zero,
            "In your table, a product outside the set gets 0, as if it were the first element. Mark it with −1.",
        ),
        (
            lambda elements, product: cayley_table(elements, product) >= 0,
            "Your table says only whether a product is in the set. It should say *where*: write its position, or −1.",
        ),
        (
            lambda elements, product: cayley_table(elements, product) + 1,
            "Your positions are too large by one. Count them from 0, and write −1 for a product outside the set.",
        ),
        (
            lambda elements, product: np.where((table := cayley_table(elements, product)) < 0, -1, table + 1),
            "You count positions from 1. Count them from 0, as Python does.",
        ),
        (
            lambda elements, product: np.array([[compose(a, b) for b in elements] for a in elements]),
            "You call `compose`, which multiplies symmetries of the square only. Call `product`, the function that is "
            "given to you.",
        ),
        (_outside_by_index, OUTSIDE),
        (lambda elements, product: _outside_by_index(list(elements), product), OUTSIDE),
        (_outside_by_key, OUTSIDE),
    ],
)
