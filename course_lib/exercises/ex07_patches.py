"""Exercises 7.4 and 7.6 of notebook 07: the entry of a filter at a relative position, and patches."""

import torch
from torch import Tensor

from course_lib.exercises import Function, compare, register
from course_lib.exercises.explaining import compare_parts, shapes
from course_lib.framework import GroupFunction, as_function, entry_at, local_patch, relative_position
from course_lib.groups import C1, C4, D1, D4, Group, compose, inverse
from course_lib.wallpaper import Isometry, semidirect_inverse, semidirect_product

E, R, M = Isometry(0, 0, 0, 0), Isometry(0, 1, 0, 0), Isometry(1, 0, 0, 0)


def _tables(f: Function, reference: Function) -> None:
    one_sheet = torch.arange(1.0, 10).reshape(1, 3, 3)
    for position, because in (
        (Isometry(0, 0, 0, 0), "Without a shift it is the pixel in the middle."),
        (Isometry(0, 0, 1, 0), "u = 1 is one pixel to the right."),
        (Isometry(0, 0, 0, 1), "v = 1 is one pixel up, but rows are counted downwards."),
    ):
        compare_parts(f, reference, one_sheet, position, C1, explain=_found_at(one_sheet), because=because)
    outside = "Outside the window the entry is zero."
    compare(f, reference, one_sheet, Isometry(0, 0, -2, 0), C1, because=outside)
    compare(f, reference, one_sheet, Isometry(0, 0, 0, 2), C1, because=outside)
    compare(f, reference, one_sheet, Isometry(0, 0, 2, -2), C1, because=outside)
    for group in (C4, D1, D4):
        table = torch.arange(2.0 * group.order * 25).reshape(2, group.order, 5, 5)
        for h in group.elements:
            because = f"For {h} it is sheet {group.index(h)}, and for u = −2, v = 1 row 1, column 0."
            compare_parts(f, reference, table, Isometry(*h, -2, 1), group, explain=_found_at(table), because=because)
    table = torch.arange(72.0).reshape(2, 1, 4, 3, 3)
    compare_parts(f, reference, table, Isometry(0, 3, 1, 3), C4, explain=_found_at(table), because=outside)


def _found_at(table: Tensor) -> Function:
    """For an answer that nobody listed: where in the table its entry is. All numbers of the table differ."""

    def explain(expected: Tensor, yours: Tensor) -> str:
        if yours.shape != expected.shape:
            return (
                f"Your entry has {shapes(expected, yours)}. An entry has all "
                "axes in front of (|H|, k, k), also where it is zero."
            )
        if not yours.any():
            return "You return zero, but this position is in the window: neither |u| nor |v| exceeds k // 2."
        for place in torch.cartesian_prod(*map(torch.arange, table.shape[-3:])).tolist():
            if torch.equal(table[(..., *place)], yours):
                return "You take the entry of sheet {}, row {}, column {}.".format(*place)
        return ""

    return explain


def _at(place: Function) -> Function:
    """A wrong `entry_at`: inside of the window it takes the entry at place(position, reach, group)."""

    def wrong(table: Tensor, position: Isometry, group: Group) -> Tensor:
        reach = table.shape[-1] // 2
        if max(abs(position.u), abs(position.v)) > reach:
            return torch.zeros_like(table[..., 0, 0, 0])
        return table[(..., *place(position, reach, group))]

    return wrong


def _wrapped(table: Tensor, position: Isometry, group: Group) -> Tensor:
    reach, size = table.shape[-1] // 2, table.shape[-1]
    row, column = reach - position.v, reach + position.u
    if row >= size or column >= size:
        return torch.zeros_like(table[..., 0, 0, 0])
    return table[..., group.index(position.point_part), row, column]


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
        (
            _at(lambda p, reach, group: (group.index(inverse(p.point_part)), reach - p.v, reach + p.u)),
            "You take the sheet of ĥ⁻¹. The relative position is inverted already: take the sheet of ĥ itself.",
        ),
        (
            _at(lambda p, reach, group: (group.index(p.point_part), reach - p.v, reach - p.u)),
            "Your u points to the left. u pixels to the right is column `reach + u`.",
        ),
        (
            lambda table, position, group: (
                entry_at(table, position, group)
                * (position.v < table.shape[-1] // 2 and position.u > -(table.shape[-1] // 2))
            ),
            "Your window has no first row and no first column. Their index is 0: compare with `0 <=`, not with `0 <`.",
        ),
        (_wrapped, "Your window has only two borders: negative indices take entries from the other end of the table."),
        (
            lambda table, position, group: (
                entry_at(table, position, group) * (abs(position.u) + abs(position.v) <= table.shape[-1] // 2)
            ),
            "Your window is a diamond. It is a square: outside means that |u| or |v|, each on its own, exceeds k // 2.",
        ),
    ],
)


def _patches(f: Function, reference: Function) -> None:
    steps = [E, R, Isometry(0, 0, 1, 0)]
    function = as_function(torch.arange(1.0, 9).reshape(1, 4, 1, 2), C4)
    for g, because in (
        (E, ""),
        (Isometry(0, 2, 1, 0), "At r², a step to its right leads to the left on the plane."),
        (R, "Where f has no entry, the patch is zero."),
    ):
        compare_parts(f, reference, function, g, steps, explain=_wrong_step(function, g, steps), because=because)
    function = as_function(torch.arange(144.0).reshape(2, 8, 3, 3), D4)
    steps = [Isometry(*h, 0, 0) for h in D4.elements] + [Isometry(0, 1, 1, 0)]
    for g in (E, M, Isometry(1, 1, 1, 1), Isometry(0, 3, 2, 1)):
        compare_parts(
            f, reference, function, g, steps, explain=_wrong_step(function, g, steps), because="Step g′ gives f(gg′)."
        )


def _wrong_step(f: GroupFunction, g: Isometry, steps: list[Isometry]) -> Function:
    """For an answer that nobody listed: the first step that is wrong, and where its vector comes from instead."""

    def explain(expected: Tensor, yours: Tensor) -> str:
        if yours.shape != expected.shape:
            return (
                f"Your result has {shapes(expected, yours)}: "
                f"{len(f[g])} for each of the {len(steps)} steps, also where f has no entry."
            )
        wrong = (expected != yours).unflatten(0, (len(steps), -1)).any(dim=1).tolist().index(True)
        vector = yours.unflatten(0, (len(steps), -1))[wrong]
        origin = next((f"f at {place}" for place in f if torch.equal(f[place], vector)), "no vector of f")
        if not vector.any():
            origin = "zeros"
        wanted = semidirect_product(g, steps[wrong])
        ending = "." if wanted in f else ", where f has no entry: zeros belong there."
        return f"At g = {g}, step g′ = {steps[wrong]}, you have {origin}. The place gg′ is {wanted}{ending}"

    return explain


def _in_the_order_of_f(f: GroupFunction, g: Isometry, neighborhood: list[Isometry]) -> Tensor:
    places = [semidirect_product(g, step) for step in neighborhood]
    return torch.cat([f[place] for place in f if place in places])


def _patch_at(place: Function) -> Function:
    """A wrong `local_patch` that looks at place(g, step)."""

    def wrong(f: GroupFunction, g: Isometry, neighborhood: list[Isometry]) -> Tensor:
        places = [place(g, step) for step in neighborhood]
        return torch.cat([f.get(place, torch.zeros_like(f[g])) for place in places])

    return wrong


def _walked(f: GroupFunction, g: Isometry, neighborhood: list[Isometry]) -> Tensor:
    vectors, place = [], g
    for step in neighborhood:
        place = semidirect_product(place, step)
        vectors.append(f.get(place, torch.zeros_like(f[g])))
    return torch.cat(vectors)


def _skipped(f: GroupFunction, g: Isometry, neighborhood: list[Isometry]) -> Tensor:
    places = [semidirect_product(g, step) for step in neighborhood]
    return torch.cat([f[place] for place in places if place in f])


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
        (
            _patch_at(lambda g, step: semidirect_product(g, semidirect_inverse(step))),
            "You take each step backwards: this is f(gg′⁻¹). The place is gg′, without an inverse.",
        ),
        (
            _walked,
            "You take each step from where the last one ended. All steps of the neighborhood begin at g.",
        ),
        (
            lambda f, g, neighborhood: torch.cat([f[g], local_patch(f, g, neighborhood)]),
            "f(g) itself is in front of your patch. It belongs there only if e is one of the steps.",
        ),
        (
            _skipped,
            "You leave out the places where f has no entry, so the patch is too short. Put zeros there.",
        ),
        (
            _patch_at(lambda g, step: step),
            "You look at the steps themselves, which start from e. Carry each step to g: the place is gg′.",
        ),
        (
            lambda f, g, neighborhood: local_patch(f, g, neighborhood).view(len(neighborhood), -1).sum(dim=0),
            "You add up the vectors. Join them end to end, into one long vector: `torch.cat`.",
        ),
    ],
)
