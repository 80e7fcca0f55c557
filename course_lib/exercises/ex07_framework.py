"""Exercises 7.1, 7.2, 7.4 and 7.6 of notebook 07: relative positions, sums over pairs, entries of a filter, patches."""

import torch
from torch import Tensor

from course_lib.exercises import Function, compare, register
from course_lib.framework import GroupFunction, aggregate, as_function, entry_at, local_patch, relative_position
from course_lib.groups import C1, C4, D1, D4, Group, compose, inverse
from course_lib.wallpaper import Isometry, semidirect_inverse, semidirect_product

E, R, M = Isometry(0, 0, 0, 0), Isometry(0, 1, 0, 0), Isometry(1, 0, 0, 0)


def _pairs(f: Function, reference: Function) -> None:
    compare(f, reference, Isometry(0, 0, 1, 0), Isometry(0, 0, 3, 1))
    compare(
        f,
        reference,
        R,
        Isometry(0, 2, 0, 0),
        because="As seen from r, the element r² lies one quarter turn further, at r.",
    )
    for g in (Isometry(0, 1, 1, 0), Isometry(1, 0, 2, 1), Isometry(1, 1, 0, -1)):
        for other in (E, Isometry(0, 1, 3, 1), Isometry(1, 3, -1, 2)):
            compare(f, reference, g, other)


def _field_by_field(g: Isometry, other: Isometry) -> Isometry:
    return Isometry((other.m - g.m) % 2, (other.r - g.r) % 4, other.u - g.u, other.v - g.v)


def _with_an_inverse_by_fields(g: Isometry, other: Isometry) -> Isometry:
    return semidirect_product(Isometry(g.m, -g.r % 4, -g.u, -g.v), other)


def _with_an_unturned_inverse(g: Isometry, other: Isometry) -> Isometry:
    return semidirect_product(Isometry(*inverse(g.point_part), -g.u, -g.v), other)


def _without_turning_the_shift(g: Isometry, other: Isometry) -> Isometry:
    return Isometry(*compose(inverse(g.point_part), other.point_part), other.u - g.u, other.v - g.v)


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
    ],
)


def weigh(position: Isometry, x: Tensor, y: Tensor) -> Tensor:
    """A term in which everything counts: 1000·x plus y times a number for the position."""
    return 1000 * x + (1 + position.r + 4 * position.m + 10 * position.u + 100 * position.v) * y


def _sums(f: Function, reference: Function) -> None:
    alone = "With a single element the only pair is (g, g), so the sum is term(e, f(g), f(g))."
    rule = "Here weigh(ĝ, x, y) = 1000·x + (1 + r + 4m + 10u + 100v)·y, with m, r, u, v of ĝ."
    compare(f, reference, {E: torch.tensor([1.0])}, weigh, because=f"{alone} {rule}")
    compare(f, reference, {E: torch.tensor([1.0]), R: torch.tensor([2.0])}, weigh, because=rule)
    compare(f, reference, as_function(torch.arange(4.0).reshape(1, 4, 1, 1), C4), weigh, because=rule)
    compare(f, reference, as_function(torch.arange(16.0).reshape(2, 2, 2, 2), D1), weigh, because=rule)


def _sum_of(term_of_pair: Function) -> Function:
    """A wrong `aggregate` that sums something else over the pairs."""

    def wrong(f: GroupFunction, term: Function) -> dict[Isometry, Tensor]:
        return {g: torch.stack([term_of_pair(term, f, g, other) for other in f]).sum(dim=0) for g in f}

    return wrong


def _mean(f: GroupFunction, term: Function) -> dict[Isometry, Tensor]:
    return {g: total / len(f) for g, total in aggregate(f, term).items()}


def _others_alone(f: GroupFunction, term: Function) -> dict[Isometry, Tensor]:
    return {g: total - term(E, f[g], f[g]) for g, total in aggregate(f, term).items()}


register(
    "7.2",
    aggregate,
    minutes=8,
    difficulty=2,
    checks=[_sums],
    hints=[
        "`aggregate_pairs`, just above, has the loop. What does `term` get instead of g and g̃?",
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
        (_others_alone, "You leave out g̃ = g. The sum runs over all g̃, including g."),
        (_mean, "You take the mean. The formula is a plain sum: it is not divided by the number of terms."),
    ],
)


def _tables(f: Function, reference: Function) -> None:
    one_sheet = torch.arange(1.0, 10).reshape(1, 3, 3)
    compare(f, reference, one_sheet, Isometry(0, 0, 0, 0), C1, because="Without a shift it is the pixel in the middle.")
    compare(f, reference, one_sheet, Isometry(0, 0, 1, 0), C1, because="u = 1 is one pixel to the right.")
    compare(
        f,
        reference,
        one_sheet,
        Isometry(0, 0, 0, 1),
        C1,
        because="v = 1 is one pixel up, but rows are counted downwards.",
    )
    outside = "Outside the window the entry is zero."
    compare(f, reference, one_sheet, Isometry(0, 0, -2, 0), C1, because=outside)
    compare(f, reference, one_sheet, Isometry(0, 0, 0, 2), C1, because=outside)
    compare(f, reference, one_sheet, Isometry(0, 0, 2, -2), C1, because=outside)
    for group in (C4, D1, D4):
        table = torch.arange(2.0 * group.order * 25).reshape(2, group.order, 5, 5)
        for h in group.elements:
            compare(f, reference, table, Isometry(*h, -2, 1), group, because="The sheet is the one of the point part.")
    compare(f, reference, torch.arange(72.0).reshape(2, 1, 4, 3, 3), Isometry(0, 3, 1, 3), C4, because=outside)


def _at(place: Function) -> Function:
    """A wrong `entry_at`: inside of the window it takes the entry at place(position, reach, group)."""

    def wrong(table: Tensor, position: Isometry, group: Group) -> Tensor:
        reach = table.shape[-1] // 2
        if max(abs(position.u), abs(position.v)) > reach:
            return torch.zeros_like(table[..., 0, 0, 0])
        return table[(..., *place(position, reach, group))]

    return wrong


register(
    "7.4",
    entry_at,
    minutes=8,
    difficulty=2,
    checks=[_tables],
    hints=[
        "The middle of a k × k window is row and column k // 2. Call that `reach`.",
        "u pixels right is column `reach + u`; v pixels *up* is row `reach - v`. What if |u| or |v| exceeds `reach`?",
        "`table[..., group.index(position.point_part), reach - position.v, reach + position.u]`, and "
        "`torch.zeros_like(table[..., 0, 0, 0])` outside.",
    ],
    known_mistakes=[
        (
            _at(lambda p, reach, group: (group.index(p.point_part), reach + p.v, reach + p.u)),
            "Your v points down. Rows are counted downwards, so v pixels up is row `reach - v`.",
        ),
        (
            _at(lambda p, reach, group: (group.index(p.point_part), reach + p.u, reach - p.v)),
            "Row and column are swapped: an array index is (row, col), down first, then to the right.",
        ),
        (
            _at(lambda p, reach, group: (group.index(p.point_part), p.v, p.u)),
            "You count from the corner of the table. The shift (0, 0) is its middle: add `k // 2`.",
        ),
        (
            _at(lambda p, reach, group: (p.r, reach - p.v, reach + p.u)),
            "You take r as the index of the sheet. That is right on C4 only: use `group.index(position.point_part)`.",
        ),
    ],
)


def _patches(f: Function, reference: Function) -> None:
    steps = [E, R, Isometry(0, 0, 1, 0)]
    function = as_function(torch.arange(1.0, 9).reshape(1, 4, 1, 2), C4)
    compare(f, reference, function, E, steps)
    compare(f, reference, function, R, steps[:2], because="From r, the step r leads to r².")
    compare(
        f,
        reference,
        function,
        Isometry(0, 2, 1, 0),
        steps,
        because="At r², a step to its right leads to the left on the plane.",
    )
    compare(f, reference, function, Isometry(0, 1, 0, 0), steps, because="Where f has no entry, the patch is zero.")
    function = as_function(torch.arange(144.0).reshape(2, 8, 3, 3), D4)
    steps = [Isometry(*h, 0, 0) for h in D4.elements] + [Isometry(0, 1, 1, 0)]
    for g in (E, M, Isometry(1, 1, 1, 1), Isometry(0, 3, 2, 1)):
        compare(f, reference, function, g, steps, because="The entry of step g′ is f(gg′).")


def _in_the_order_of_f(f: GroupFunction, g: Isometry, neighborhood: list[Isometry]) -> Tensor:
    places = [semidirect_product(g, step) for step in neighborhood]
    return torch.cat([f[place] for place in f if place in places])


def _patch_at(place: Function) -> Function:
    """A wrong `local_patch` that looks at place(g, step)."""

    def wrong(f: GroupFunction, g: Isometry, neighborhood: list[Isometry]) -> Tensor:
        places = [place(g, step) for step in neighborhood]
        return torch.cat([f.get(place, torch.zeros_like(f[g])) for place in places])

    return wrong


register(
    "7.6",
    local_patch,
    minutes=8,
    difficulty=2,
    checks=[_patches],
    hints=[
        "For each step g′ of the neighborhood, in its order: the place is gg′. `semidirect_product` knows how.",
        "A place may have no entry in f. `f.get(place, default)` or `place in f`; the default is `zeros_like(f[g])`.",
        "`torch.cat(list_of_vectors)` joins them into one long vector.",
    ],
    known_mistakes=[
        (
            _patch_at(lambda g, step: semidirect_product(step, g)),
            "You look at g′g. The neighborhood is carried to g, so g acts on the step: the place is gg′.",
        ),
        (
            _patch_at(lambda g, step: step._replace(u=g.u + step.u, v=g.v + step.v)),
            "Your patch is shifted to g, but it does not turn with g. The place is the product gg′.",
        ),
        (
            _patch_at(lambda g, step: Isometry(*compose(g.point_part, step.point_part), g.u + step.u, g.v + step.v)),
            "You forget to turn the shift of the step: the shift of the product gg′ is t + h·t′.",
        ),
        (
            _patch_at(lambda g, step: relative_position(g, step)),
            "This is g⁻¹g′. From g you take the step g′, so the place is gg′, without an inverse.",
        ),
        (
            lambda f, g, neighborhood: local_patch(f, g, neighborhood).view(len(neighborhood), -1),
            "You stack the vectors on a new axis. Join them end to end, into one long vector: `torch.cat`.",
        ),
        (_in_the_order_of_f, "Your vectors are in the order of f. They must be in the order of the steps."),
    ],
)
