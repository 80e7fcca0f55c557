"""Exercises 4.2 and 4.3 of notebook 04: the two filter banks."""

import torch
from torch import Tensor

from course_lib.actions import act_on_feature_map, act_on_image
from course_lib.exercises import Mistake, call, compare, register
from course_lib.exercises.ex04_group_convolution import RESHAPED, Turn, mirror_first, rotation_only
from course_lib.exercises.registry import Function
from course_lib.groups import C1, C2, C4, D1, D2, D4, Element, Group, compose, inverse
from course_lib.layers import group_filter_bank, lifting_filter_bank

# 4.2 lifting_filter_bank


def _stack(turn: Turn, group: Group, psi: Tensor, dim: int = 1) -> Tensor:
    return torch.stack([turn(h, psi) for h in group.elements], dim=dim)


def _concatenated(turn: Turn, group: Group, psi: Tensor) -> Tensor:
    copies = torch.cat([turn(h, psi) for h in group.elements])
    return copies.reshape(len(psi), group.order, *psi.shape[1:])


def _planar_filters(f: Function, reference: Function) -> None:
    compare(f, reference, torch.arange(1.0, 5.0).reshape(1, 1, 2, 2), C4)
    compare(f, reference, torch.arange(1.0, 5.0).reshape(1, 1, 2, 2), D4)
    for group in (C1, C4, D2):
        compare(f, reference, torch.randn(2, 3, 3, 3, dtype=torch.float64), group)


def _filters_on_the_group(f: Function, reference: Function) -> None:
    because = "Copy h is L_h ψ: each sheet turned by h, and sheet h̃ taken from sheet h⁻¹h̃."
    compare(f, reference, torch.arange(1.0, 5.0).reshape(1, 1, 4, 1, 1), C4, because=because)
    compare(f, reference, torch.arange(1.0, 9.0).reshape(1, 1, 2, 2, 2), C2, because=because)
    for group in (C1, C4, D1, D4):
        compare(f, reference, torch.randn(2, 3, group.order, 3, 3, dtype=torch.float64), group, because=because)


def _learnable(shape: tuple[int, ...], f: Function, reference: Function) -> None:
    psi = torch.ones(shape, requires_grad=True)
    if not call(f, psi, C4).requires_grad:
        raise Mistake(
            "The values are right, but the bank is cut off from ψ: it has no gradient, so ψ could not learn. Build it "
            "with torch operations only; torch.tensor, .data, .detach and numpy cut it off."
        )


register(
    "4.2",
    lifting_filter_bank,
    minutes=5,
    difficulty=1,
    checks=[_planar_filters, lambda f, reference: _learnable((1, 2, 3, 3), f, reference)],
    hints=[
        "`act_on_image` of notebook 02 turns the last two axes and leaves all others alone: it takes ψ as a whole.",
        "Collect one turned copy for each h in `group.elements`, in this order, and put them together along a *new* "
        "axis. Which place does |H| have in the result's shape?",
        "`torch.stack([...], dim=1)` of the copies `act_on_image(h, psi)`.",
    ],
    known_mistakes=[
        (
            lambda psi, group: _stack(act_on_image, group, psi, dim=0),
            "The group axis comes first in your bank. It belongs after the output channels: (O, |H|, C, k, k).",
        ),
        (
            lambda psi, group: _stack(act_on_image, group, psi, dim=2),
            "The group axis comes after the input channels in your bank. It belongs to the output: (O, |H|, C, k, k).",
        ),
        (
            lambda psi, group: _stack(lambda h, p: act_on_image(inverse(h), p), group, psi),
            "Your filters turn the wrong way: sheet h needs L_h ψ, and L_h has its inverse inside already.",
        ),
        (
            lambda psi, group: _stack(lambda h, p: act_on_image(rotation_only(h), p), group, psi),
            "The mirrors are missing: for m = 1 the filter is rotated, and then mirrored.",
        ),
        (lambda psi, group: _stack(mirror_first, group, psi), "The order is wrong: rotate first, mirror then."),
        (lambda psi, group: _concatenated(act_on_image, group, psi), RESHAPED),
        (lambda psi, group: _stack(lambda h, p: p, group, psi), "All your copies are the same: none is turned."),
    ],
)

# 4.3 group_filter_bank


def _permute_by(g: Element, psi: Tensor, group: Group) -> Tensor:
    return psi[..., group.permutation(g), :, :]


def _right(h: Element, psi: Tensor, group: Group) -> Tensor:
    return act_on_image(h, psi[..., [group.index(compose(k, inverse(h))) for k in group.elements], :, :])


def _rolled(psi: Tensor, group: Group, by_rotation: bool) -> Tensor:
    copies = [act_on_image(h, psi.roll(h.r if by_rotation else i, -3)) for i, h in enumerate(group.elements)]
    return torch.stack(copies, dim=1)


def _along(pick: Function) -> Function:
    """A wrong `group_filter_bank` that picks from another axis."""
    return lambda psi, group: torch.stack(
        [act_on_image(h, pick(psi, group.permutation(h))) for h in group.elements], dim=1
    )


ROLLED = (
    "You roll the sheets around by one for each quarter turn. In C4 that is right, but a mirror reverses their order: "
    "sheet h̃ is taken from sheet h⁻¹h̃."
)
GROUP_AXIS = (
    "You permute another axis than the sheets'. ψ is (O, C, |H|, k, k): which axis is |H|, counted from the end?"
)

register(
    "4.3",
    group_filter_bank,
    minutes=8,
    difficulty=2,
    checks=[_filters_on_the_group, lambda f, reference: _learnable((1, 2, 4, 3, 3), f, reference)],
    hints=[
        "The line of exercise 4.2 is nearly right. What does L_h do to a filter that has sheets?",
        "A filter on the group is a small feature map, and `act_on_feature_map(h, psi, group)` of notebook 02 turns "
        "*and* permutes it: the group axis is the third from the end, as in ψ.",
        "`torch.stack([act_on_feature_map(h, psi, group) for h in group.elements], dim=1)`.",
    ],
    known_mistakes=[
        (
            lambda psi, group: _stack(act_on_image, group, psi),
            "Your filters are turned, but their sheets keep their places. The permutation is missing: h̃ becomes h⁻¹h̃.",
        ),
        (
            lambda psi, group: _stack(lambda h, p: _permute_by(h, p, group), group, psi),
            "The sheets change places, but they are not turned.",
        ),
        (
            lambda psi, group: _stack(lambda h, p: act_on_image(h, _permute_by(inverse(h), p, group)), group, psi),
            "The permutation goes the wrong way: it uses h in place of h⁻¹. Sheet h̃ comes from sheet h⁻¹h̃.",
        ),
        (
            lambda psi, group: _stack(lambda h, p: act_on_feature_map(inverse(h), p, group), group, psi),
            "The inverse is one too many: copy h is L_h ψ, and L_h has its inverse inside already.",
        ),
        (
            lambda psi, group: _stack(lambda h, p: _right(h, p, group), group, psi),
            "You multiply on the wrong side: sheet h̃ comes from h⁻¹h̃, not from h̃h⁻¹. Only a group like D4 shows it.",
        ),
        (lambda psi, group: _rolled(psi, group, by_rotation=True), ROLLED),
        (lambda psi, group: _rolled(psi, group, by_rotation=False), ROLLED),
        (
            lambda psi, group: _concatenated(lambda h, p: act_on_feature_map(h, p, group), group, psi),
            RESHAPED,
        ),
        (_along(lambda psi, permutation: psi[permutation]), GROUP_AXIS),
        (_along(lambda psi, permutation: psi[:, permutation]), GROUP_AXIS),
        (_along(lambda psi, permutation: psi[..., permutation]), GROUP_AXIS),
        (_along(lambda psi, permutation: psi[..., permutation, :]), GROUP_AXIS),
        (
            lambda psi, group: group_filter_bank(psi, group).transpose(1, 3),
            "The two group axes are swapped: the first is that of the output, h; the second that of the input, h̃.",
        ),
        (
            lambda psi, group: group_filter_bank(psi, group).transpose(2, 3),
            "The last group axis stands before the input channels. It belongs after them: (O, |H|, C, |H|, k, k).",
        ),
        (
            lambda psi, group: _stack(lambda h, p: act_on_feature_map(h, p, group), group, psi, dim=0),
            "The output's group axis comes first in your bank. It belongs after O: (O, |H|, C, |H|, k, k).",
        ),
    ],
)
