"""Exercise 1.1 of notebook 01: the product of two symmetries of the square."""

from functools import partial
from typing import Any

from course_lib.exercises import Function, compare, register
from course_lib.groups import D4, Element, compose

R, M = Element(0, 1), Element(1, 0)


def _all_pairs(f: Function, reference: Function) -> None:
    simple_first = [(R, R), (M, R), (R, M), (M, M)]
    for a, b in simple_first + [(a, b) for a in D4.elements for b in D4.elements]:
        compare(f, reference, a, b, because=partial(_wrong_half, a, b))


def _wrong_half(a: Element, b: Element, expected: Element, yours: Any) -> str:
    """For an answer that nobody listed: whether the mirrors or the rotations are wrong, and what they should be."""
    if not isinstance(yours, Element):
        return ""
    if yours == expected[::-1]:
        return "Your numbers are right, but they are swapped. The order is `Element(m, r)`."
    if yours.m != expected.m:
        right = "The rotations are right, the mirrors are not" if yours.r == expected.r else "The mirrors are wrong"
        return f"{right}: a has {a.m} and b has {b.m}, and two of them cancel, so m is {expected.m}."
    rule = "b mirrors, so a's rotation counts backwards" if b.m else "b does not mirror, so the rotations add up"
    total = f"{'−' if b.m else ''}{a.r} + {b.r}"
    return f"The mirrors are right. But {rule}: r is {total} modulo 4, which is {expected.r}."


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
            lambda a, b: Element((a.m + b.m) % 2, (-a.r if b.m else a.r + b.r) % 4),
            "If b mirrors, b's rotation is missing. Python reads `-a.r if b.m else a.r + b.r` as `-a.r`, or else the "
            "whole sum: put brackets around the part before `+ b.r`.",
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
