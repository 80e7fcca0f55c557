"""Exercises 7.1 and 7.2 of notebook 07: relative positions and sums over pairs."""

import torch
from torch import Tensor

from course_lib.exercises import Function, compare, register
from course_lib.exercises.explaining import compare_parts
from course_lib.framework import GroupFunction, as_function, equivariant_sum, relative_position
from course_lib.groups import C4, D1, compose, inverse, matrix
from course_lib.wallpaper import Isometry, semidirect_inverse, semidirect_product

E, R = Isometry(0, 0, 0, 0), Isometry(0, 1, 0, 0)


def _pairs(f: Function, reference: Function) -> None:
    compare_parts(f, reference, Isometry(0, 0, 1, 0), Isometry(0, 0, 3, 1), explain=_wrong_half)
    rule = "As seen from r, the element r² lies one quarter turn further, at r."
    compare_parts(f, reference, R, Isometry(0, 2, 0, 0), explain=_wrong_half, because=rule)
    for g in (Isometry(0, 1, 1, 0), Isometry(1, 0, 2, 1), Isometry(1, 1, 0, -1)):
        for other in (E, Isometry(0, 1, 3, 1), Isometry(1, 3, -1, 2)):
            compare_parts(f, reference, g, other, explain=_wrong_half)


def _wrong_half(expected: Isometry, yours: Isometry) -> str:
    if expected[:2] == yours[:2]:
        return "Turn and mirror are right, but the shift is not. With g = (t, h) and g̃ = (t̃, h̃) it is h⁻¹(t̃ − t)."
    if expected[2:] == yours[2:]:
        return "The shift is right, but turn and mirror are not. With g = (t, h) and g̃ = (t̃, h̃) they are h⁻¹h̃."
    return "Neither the shift nor turn and mirror are right. Which product has the parts h⁻¹(t̃ − t) and h⁻¹h̃?"


def _field_by_field(g: Isometry, other: Isometry) -> Isometry:
    return Isometry((other.m - g.m) % 2, (other.r - g.r) % 4, other.u - g.u, other.v - g.v)


def _with_an_inverse_by_fields(g: Isometry, other: Isometry) -> Isometry:
    return semidirect_product(Isometry(g.m, -g.r % 4, -g.u, -g.v), other)


def _with_an_unturned_inverse(g: Isometry, other: Isometry) -> Isometry:
    return semidirect_product(Isometry(*inverse(g.point_part), -g.u, -g.v), other)


def _without_turning_the_shift(g: Isometry, other: Isometry) -> Isometry:
    return Isometry(*compose(inverse(g.point_part), other.point_part), other.u - g.u, other.v - g.v)


def _with_the_shift_turned_forward(g: Isometry, other: Isometry) -> Isometry:
    u, v = matrix(g.point_part) @ (other.shift - g.shift)
    return relative_position(g, other)._replace(u=int(u), v=int(v))


def _with_u_and_v_swapped(g: Isometry, other: Isometry) -> Isometry:
    right = relative_position(g, other)
    return right._replace(u=right.v, v=right.u)


register(
    "7.1",
    relative_position,
    minutes=6,
    difficulty=1,
    checks=[_pairs],
    hints=[
        "Two functions of notebook 01 are enough: `semidirect_product` and `semidirect_inverse`.",
        "On which side must the inverse be? If u moves both g and g̃, it has to cancel: (ug)⁻¹(ug̃) = g⁻¹u⁻¹u g̃.",
    ],
    known_mistakes=[
        (semidirect_product, "The inverse is missing: this is gg̃, not g⁻¹g̃."),
        (
            lambda g, other: semidirect_product(other, semidirect_inverse(g)),
            "The inverse is on the wrong side: this is g̃g⁻¹. If u moves both, it becomes u(g̃g⁻¹)u⁻¹, and u does not "
            "cancel.",
        ),
        (
            lambda g, other: relative_position(other, g),
            "You have swapped g and g̃: this is g̃⁻¹g, which says where g lies as seen from g̃.",
        ),
        (
            lambda g, other: semidirect_product(g, semidirect_inverse(other)),
            "You have inverted the wrong element: this is gg̃⁻¹. If u moves both, does u cancel in (ug)(ug̃)⁻¹?",
        ),
        (
            lambda g, other: relative_position(g, other)._replace(u=0, v=0),
            "The turn is right, but the shift is missing. Multiply whole elements: `semidirect_product` includes both.",
        ),
        (
            lambda g, other: compose(inverse(g.point_part), other.point_part),
            "You return only the turn, as an Element. Multiply whole elements of p4m: `semidirect_product` and "
            "`semidirect_inverse` include the shift.",
        ),
        (_with_u_and_v_swapped, "u and v are swapped: u counts to the right, v up."),
        (_field_by_field, "You subtract field by field. But turns and mirrors act on each other and on the shift."),
        (_with_an_inverse_by_fields, "Your inverse only changes signs. Use `semidirect_inverse` of notebook 01."),
        (
            _with_an_unturned_inverse,
            "Your inverse of g has the shift −t. The shift must be turned back, too: g⁻¹ = (−h⁻¹t, h⁻¹), as in "
            "notebook 01.",
        ),
        (
            _without_turning_the_shift,
            "You forget to turn the shift. Seen from g = (t, h), the shift t̃ is h⁻¹(t̃ − t), not t̃ − t.",
        ),
        (
            lambda g, other: semidirect_inverse(semidirect_product(g, other)),
            "You invert the whole product: this is (gg̃)⁻¹ = g̃⁻¹g⁻¹. Only g is inverted: g⁻¹g̃.",
        ),
        (
            lambda g, other: semidirect_product(semidirect_inverse(g), semidirect_inverse(other)),
            "You invert both elements: this is g⁻¹g̃⁻¹. Only g is inverted: g⁻¹g̃.",
        ),
        (
            _with_the_shift_turned_forward,
            "You turn the shift by h. As seen from g = (t, h), it must be turned back: h⁻¹(t̃ − t).",
        ),
        (
            lambda g, other: Isometry(
                *compose(other.point_part, inverse(g.point_part)), *relative_position(g, other)[2:]
            ),
            "Your point part is h̃h⁻¹. The inverse must be on the left: h⁻¹h̃.",
        ),
    ],
)


def weigh(position: Isometry, x: Tensor, y: Tensor) -> Tensor:
    """A term in which everything counts: 1000·x plus y times a number for the position."""
    return 1000 * x + (1 + position.r + 4 * position.m + 10 * position.u + 100 * position.v) * y


def _sums(f: Function, reference: Function) -> None:
    alone = "With a single element the only pair is (g, g), so the sum is term(e, f(g), f(g))."
    rule = "Here weigh(ĝ, x, y) = 1000·x + (1 + r + 4m + 10u + 100v)·y, with m, r, u, v of ĝ."
    compare_parts(f, reference, {E: torch.tensor([1.0])}, weigh, explain=_thousands, because=f"{alone} {rule}")
    two, four = {E: torch.tensor([1.0]), R: torch.tensor([2.0])}, torch.arange(4.0).reshape(1, 4, 1, 1)
    compare_parts(f, reference, two, weigh, explain=_thousands, because=rule)
    compare_parts(f, reference, as_function(four, C4), weigh, explain=_thousands, because=rule)
    compare(f, reference, as_function(torch.arange(16.0).reshape(2, 2, 2, 2), D1), weigh, because=rule)


def _thousands(expected: dict[Isometry, Tensor], yours: dict[Isometry, Tensor]) -> str:
    """Whether x, which counts in thousands, is wrong, or ĝ and y."""
    g = next(g for g in expected if expected[g].shape != yours[g].shape or not torch.equal(expected[g], yours[g]))
    if expected[g].shape != yours[g].shape:
        return (
            f"Your f′({g.point_part}) has {yours[g].numel()} numbers. The terms are added up: it has as many as each."
        )
    returned = f"Your f′({g.point_part}) is {yours[g].item():g}, expected {expected[g].item():g}."
    if torch.equal((expected[g] / 1000).round(), (yours[g] / 1000).round()):
        return f"{returned} The thousands are right, so x is. The rest is not: which ĝ and which y do you pass?"
    return f"{returned} The thousands are wrong: there must be one term, with x = f(g), for each g̃."


def _sum_of(term_of_pair: Function) -> Function:
    """A wrong `equivariant_sum` that sums something else over the pairs."""

    def wrong(f: GroupFunction, term: Function) -> dict[Isometry, Tensor]:
        return {g: torch.stack([term_of_pair(term, f, g, other) for other in f]).sum(dim=0) for g in f}

    return wrong


def _mean(f: GroupFunction, term: Function) -> dict[Isometry, Tensor]:
    return {g: total / len(f) for g, total in equivariant_sum(f, term).items()}


def _others_alone(f: GroupFunction, term: Function) -> dict[Isometry, Tensor]:
    return {g: total - term(E, f[g], f[g]) for g, total in equivariant_sum(f, term).items()}


def _never_reset(f: GroupFunction, term: Function) -> dict[Isometry, Tensor]:
    totals = torch.stack(list(equivariant_sum(f, term).values())).cumsum(dim=0)
    return dict(zip(f, totals, strict=True))


register(
    "7.2",
    equivariant_sum,
    minutes=8,
    difficulty=2,
    checks=[_sums],
    hints=[
        "`pairwise_sum`, just above, has the loop. What does `term` get instead of g and g̃?",
        "For each g: the sum over all `other` in f of `term(relative_position(g, other), f[g], f[other])`.",
        "A dictionary comprehension `{g: … for g in f}`; `torch.stack(list_of_vectors).sum(dim=0)` adds the vectors.",
    ],
    known_mistakes=[
        (
            _sum_of(lambda term, f, g, other: term(relative_position(other, g), f[g], f[other])),
            "You pass g̃⁻¹g to the term. It needs g⁻¹g̃: where g̃ lies as seen from g.",
        ),
        (
            _sum_of(lambda term, f, g, other: term(other, f[g], f[other])),
            "You pass g̃ itself to the term. About places, it may know only the relative position g⁻¹g̃.",
        ),
        (
            _sum_of(lambda term, f, g, other: term(relative_position(g, other), f[other], f[g])),
            "f(g) and f(g̃) are swapped. The features at g, where the result belongs, come first.",
        ),
        (
            _sum_of(lambda term, f, g, other: term(relative_position(g, other), f[other], f[other])),
            "You pass f(g̃) twice. The term gets f(g) first, then f(g̃).",
        ),
        (
            lambda f, term: {g: torch.stack([term(relative_position(g, o), f[g], f[o]) for o in f]) for g in f},
            "You list the terms, but do not add them up: `.sum(dim=0)`.",
        ),
        (
            lambda f, term: {g: term(relative_position(g, list(f)[-1]), f[g], f[list(f)[-1]]) for g in f},
            "Only the last term of each sum is left. Add each term to the earlier ones.",
        ),
        (_never_reset, "Your total goes on from one g to the next. Begin at zero for each g."),
        (
            lambda f, term: {g: sum(term(relative_position(g, o), g, o) for o in f) for g in f},
            "You pass the elements g and g̃ where the term wants their features, f[g] and f[g̃].",
        ),
        (_others_alone, "You leave out g̃ = g. The sum runs over all g̃, including g."),
        (_mean, "You take the mean. The formula is a plain sum: it is not divided by the number of terms."),
        (
            _sum_of(lambda term, f, g, other: term(relative_position(g, other), f[g], f[g])),
            "You pass f(g) twice. The term gets f(g) first, then f(g̃).",
        ),
        (
            _sum_of(lambda term, f, g, other: term(g, f[g], f[other])),
            "You pass g itself to the term. About places, it may know only the relative position g⁻¹g̃.",
        ),
        (
            _sum_of(lambda term, f, g, other: term(semidirect_product(g, other), f[g], f[other])),
            "You pass the product gg̃ to the term. It needs g⁻¹g̃: the inverse of g is missing.",
        ),
        (
            _sum_of(lambda term, f, g, other: term(semidirect_product(other, semidirect_inverse(g)), f[g], f[other])),
            "You pass g̃g⁻¹ to the term. The inverse must be on the left: g⁻¹g̃.",
        ),
        (
            lambda f, term: {o: torch.stack([term(relative_position(g, o), f[g], f[o]) for g in f]).sum(0) for o in f},
            "You sum over g, for each g̃. The result belongs to g: for each g, sum over all g̃.",
        ),
    ],
)
