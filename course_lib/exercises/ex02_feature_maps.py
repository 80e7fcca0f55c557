"""Exercises 2.4 and 2.5 of notebook 02: how symmetries move feature maps."""

from functools import partial
from typing import Any

import torch
from torch import Tensor

from course_lib.actions import act_on_feature_map, act_on_image
from course_lib.exercises import Function, Mistake, call, compare, register
from course_lib.exercises.symmetries import wrong_sheets
from course_lib.groups import C4, D4, IDENTITY, Element, Group, compose, inverse, left_permutation

R, M = Element(0, 1), Element(1, 0)


def _in_C4_and_D4(f: Function, reference: Function) -> None:
    for elements in (C4.elements, D4.elements):
        for g in elements:
            compare(f, reference, g, elements, because=partial(_wrong_entry, g, elements))


def _in_any_order(f: Function, reference: Function) -> None:
    for elements in (tuple(reversed(D4.elements)), (IDENTITY, M)):
        for g in elements:
            compare(f, reference, g, elements, because=partial(_wrong_entry, g, elements))


def _wrong_entry(g: Element, elements: tuple[Element, ...], expected: list[int], yours: Any) -> str:
    """For an answer that nobody listed: a position that cannot be, or where g really takes the sheet of an entry."""
    count = len(elements)
    if not isinstance(yours, list) or not all(isinstance(i, int) for i in yours):
        return "Entry i is the position of the old sheet that arrives at place i."
    if len(yours) != count:
        return f"The list needs one entry for each of the {count} elements."
    if outside := [i for i in yours if not 0 <= i < count]:
        return f"Your list holds {outside[0]}, but {count} sheets have the positions 0 to {count - 1}."
    place = next(i for i in range(count) if yours[i] != expected[i])
    new, old = elements[place], elements[yours[place]]
    if g == IDENTITY:
        return f"e moves nothing, so every sheet comes from itself; yours takes sheet {new} from sheet {old}."
    return (
        f"Your entry {place} says that sheet {new} comes from sheet {old}. But {g} takes sheet {old} to sheet "
        f"{g}·{old} = {compose(g, old)}. Which sheet k does it take to {new}?"
    )


register(
    "2.4",
    left_permutation,
    minutes=8,
    difficulty=2,
    checks=[_in_C4_and_D4, _in_any_order],
    hints=[
        "The list has one entry for each element h of `elements`. Sheet k goes to sheet gk. Which k arrives at h?",
        "Solve gk = h for k: multiply both sides by g⁻¹ from the left. Build the result with `compose` and `inverse`.",
        "k = g⁻¹h is `compose(inverse(g), h)`, and `elements.index(k)` is its position. A list comprehension over h "
        "does the rest.",
    ],
    known_mistakes=[
        (
            lambda g, elements: [elements.index(compose(compose(inverse(g), h), g)) for h in elements],
            "You multiply on both sides: g⁻¹hg. Solve gk = h for k: g⁻¹ comes from the left only.",
        ),
        (
            lambda g, elements: elements.index(compose(inverse(g), elements)),
            "`compose` takes one element at a time. Loop over the h in `elements`.",
        ),
        (
            lambda g, elements: [elements.index(compose(g, h)) for h in elements],
            "The inverse is missing. gh says where sheet h *goes*. The sheet that arrives at h comes from g⁻¹h.",
        ),
        (
            lambda g, elements: [elements.index(compose(h, inverse(g))) for h in elements],
            "You multiply on the wrong side: hg⁻¹ instead of g⁻¹h. In C4 both are the same, in D4 they are not.",
        ),
        (
            lambda g, elements: [elements.index(compose(h, g)) for h in elements],
            "You multiply on the wrong side and without the inverse: hg instead of g⁻¹h.",
        ),
        (
            lambda g, elements: [compose(inverse(g), h) for h in elements],
            "You return the elements g⁻¹h themselves. Return their positions: `elements.index(…)`.",
        ),
        (
            lambda g, elements: [elements.index(compose(inverse(h), g)) for h in elements],
            "You invert the wrong factor: h⁻¹g instead of g⁻¹h. Solve gk = h for k.",
        ),
        *[
            (
                lambda g, elements, wrong=wrong: [elements.index(wrong(g, h)) for h in elements],
                "You invert h. Solve gk = h for k: only g gets inverted, k = g⁻¹h.",
            )
            for wrong in (lambda g, h: compose(g, inverse(h)), lambda g, h: compose(inverse(g), inverse(h)))
        ],
        *[
            (
                counts_back,
                "Counting back by r places is right for rotations only. In general, find the element g⁻¹h by "
                "`compose`.",
            )
            for counts_back in (
                lambda g, elements: [(i - g.r) % len(elements) for i in range(len(elements))],
                lambda g, elements: [(i - g.r) % 4 for i in range(len(elements))],
            )
        ],
        (
            lambda g, elements: [(i + g.r) % len(elements) for i in range(len(elements))],
            "Counting on by r places says where a sheet *goes*, and only for rotations. Find the element g⁻¹h, from "
            "which sheet h comes, by `compose`.",
        ),
        (
            lambda g, elements: [4 * k.m + k.r for k in (compose(inverse(g), h) for h in elements)],
            "4m + r is the position in D4 only, and only if its elements are in order. Use `elements.index(…)`.",
        ),
        (
            lambda g, elements: list(range(len(elements))),
            "You leave every sheet in its place. Sheet k goes to sheet gk.",
        ),
        (
            lambda g, elements: [elements.index(compose(inverse(g), h)) for h in C4.elements],
            "You loop over C4, whatever the group is. Loop over the h in `elements`.",
        ),
    ],
)


GROUP_AXIS = (
    "You permute another axis than the sheets', or turn other axes than Y and X. Count from the end: X is the last "
    "axis, Y comes before it, and the sheets come before Y."
)


def _feature_maps(f: Function, reference: Function) -> None:
    _leaves_its_input_alone(f, torch.arange(4.0).reshape(4, 1, 1))
    for group in (C4, D4):
        for g in group.elements:
            sheets = torch.arange(4.0 * group.order).reshape(group.order, 2, 2)
            compare(f, reference, g, sheets, group, because=partial(wrong_sheets, g, group, sheets))
    for g in C4.elements:
        batch = torch.arange(64.0).reshape(4, 4, 2, 2)
        compare(f, reference, g, batch, C4, because="The group axis is the third from the end.")


def _leaves_its_input_alone(f: Function, sheets: Tensor) -> None:
    given = sheets.clone()
    call(f, R, given, C4, example={"g": R, "f": sheets, "group": C4})
    if not torch.equal(given, sheets):
        raise Mistake(
            "You write into f while you still read from it, so some sheets get lost. Write into a new tensor, such as "
            "`torch.empty_like(f)`, or pick all sheets at once.",
            {"f before": sheets, "f after": given},
        )


def _with_permutation(permute: Function) -> Function:
    """A wrong `act_on_feature_map` that turns the sheets rightly, but permutes them in another way."""

    def wrong(g: Element, f: Tensor, group: Group, subgroup: Group | None = None) -> Tensor:
        return act_on_image(g, f[..., permute(g, group), :, :])

    return wrong


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
        "Two things happen to the sheets, and you have already written both: `act_on_image` and `left_permutation`.",
        "A list of positions picks sheets in that order: `f[..., [3, 0, 1, 2], :, :]`.",
        "Let `permutation = left_permutation(g, group.elements)`, and return "
        "`act_on_image(g, f[..., permutation, :, :])`.",
    ],
    known_mistakes=[
        (
            lambda g, f, group, subgroup=None: act_on_image(g, act_on_feature_map(g, f, group)),
            "You turn every sheet twice. Permute the sheets, and turn them once.",
        ),
        (
            lambda g, f, group, subgroup=None: act_on_image(g, f),
            "You turn the sheets, but you leave them in their places. Permute them too: sheet h comes from sheet g⁻¹h.",
        ),
        (
            lambda g, f, group, subgroup=None: f,
            "You return f as it was. Permute the sheets, and turn each of them.",
        ),
        (
            lambda g, f, group, subgroup=None: act_on_image(
                g, f[..., [compose(inverse(g), h) for h in group.elements], :, :]
            ),
            "You pick sheets by elements, but a tensor wants positions: `left_permutation` returns them.",
        ),
        (
            lambda g, f, group, subgroup=None: act_on_image(g, f[..., left_permutation(g, group), :, :]),
            "`left_permutation` takes the elements of the group: `group.elements`.",
        ),
        (
            lambda g, f, group, subgroup=None: f[..., group.permutation(g), :, :],
            "You permute the sheets, but you do not turn them.",
        ),
        (
            _with_permutation(lambda g, group: group.permutation(inverse(g))),
            "The inverse is missing in the permutation. You take sheet gh, but sheet h comes from sheet g⁻¹h.",
        ),
        (
            _with_permutation(lambda g, group: [group.index(compose(h, inverse(g))) for h in group.elements]),
            "You multiply on the wrong side: sheet h comes from g⁻¹h, not from hg⁻¹. Only a group like D4, whose "
            "elements do not all commute, shows the difference.",
        ),
        (
            lambda g, f, group, subgroup=None: act_on_feature_map(inverse(g), f, group),
            "You turn and permute, but both by g⁻¹. L_g turns each sheet by g, and sheet h comes from sheet g⁻¹h.",
        ),
        (
            lambda g, f, group, subgroup=None: act_on_image(inverse(g), f[..., group.permutation(g), :, :]),
            "The permutation is right, but you turn the sheets by g⁻¹. Turn them by g: `act_on_image` has the inverse "
            "of the formula inside it.",
        ),
        (
            lambda g, f, group, subgroup=None: f[..., group.permutation(g), :, :].rot90(g.r, (-2, -1)),
            "The permutation is right, but if g mirrors, each sheet has to be mirrored, too. Use `act_on_image`.",
        ),
        (
            lambda g, f, group, subgroup=None: act_on_image(g, f.roll(g.r, -3)),
            "Moving every sheet on by r places is right for rotations only. Use `left_permutation`.",
        ),
        (
            lambda g, f, group, subgroup=None: torch.stack(
                [act_on_image(g, f[..., i, :, :]) for i in group.permutation(g)]
            ),
            "You stack the sheets along the first axis. The group axis is the third from the end: "
            "`torch.stack(…, dim=-3)`.",
        ),
        (_along(lambda f, permutation: f[:, permutation]), GROUP_AXIS),
        (_along(lambda f, permutation: f[..., permutation]), GROUP_AXIS),
        (_along(lambda f, permutation: f[..., permutation, :]), GROUP_AXIS),
        (
            lambda g, f, group, subgroup=None: act_on_image(g, f)[group.permutation(g)],
            "You permute the first axis, but the group axis is the third from the end: `f[..., permutation, :, :]`.",
        ),
        (
            _with_permutation(lambda g, group: left_permutation(g, D4.elements)),
            "You permute as in D4, whatever the group is: write `group.elements`.",
        ),
        (
            _with_permutation(lambda g, group: [group.index(compose(inverse(h), g)) for h in group.elements]),
            "You invert the wrong factor: sheet h comes from g⁻¹h, not from h⁻¹g. Use `left_permutation`.",
        ),
        (
            lambda g, f, group, subgroup=None: torch.cat(
                [act_on_image(g, f[..., i, :, :]) for i in group.permutation(g)], dim=-3
            ),
            "A single sheet has no group axis to join along. `torch.stack(…, dim=-3)` makes one.",
        ),
    ],
)
