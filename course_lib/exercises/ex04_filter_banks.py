"""Exercise 4.3 of notebook 04: the bank of filters that are turned and permuted."""

import torch
from torch import Tensor

from course_lib.actions import act_on_feature_map, act_on_image
from course_lib.exercises import Mistake, call, compare, register
from course_lib.exercises.ex04_group_convolution import bank_from, relative, rolled_by_place
from course_lib.exercises.ex04_lifting import RESHAPED, Turn, rotation_only
from course_lib.exercises.registry import Function
from course_lib.groups import C1, C2, C4, D1, D4, Group, compose, inverse
from course_lib.layers import group_filter_bank


def _stack(turn: Turn, group: Group, psi: Tensor, dim: int = 1) -> Tensor:
    return torch.stack([turn(h, psi) for h in group.elements], dim=dim)


def _concatenated(turn: Turn, group: Group, psi: Tensor) -> Tensor:
    copies = torch.cat([turn(h, psi) for h in group.elements])
    return copies.reshape(len(psi), group.order, *psi.shape[1:])


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
            "The values are right, but no gradient flows back to ψ, so ψ could not learn. Use torch operations only: "
            "torch.tensor, .data, .detach and numpy cut the bank off."
        )


def _rolled_by_rotation(psi: Tensor, group: Group) -> Tensor:
    return _stack(lambda h, p: act_on_image(h, p.roll(h.r, -3)), group, psi)


def _along(pick: Function) -> Function:
    """A wrong `group_filter_bank` that picks from another axis."""
    return lambda psi, group: torch.stack(
        [act_on_image(h, pick(psi, group.permutation(h))) for h in group.elements], dim=1
    )


def _joined(psi: Tensor, group: Group, dim: int) -> Tensor:
    return torch.cat([act_on_feature_map(h, psi, group) for h in group.elements], dim=dim)


JOINED = (
    "Your copies lie one after the other along an axis that ψ has already. The bank has one axis more than ψ, for h: "
    "use `torch.stack(..., dim=1)`."
)
ROLLED = (
    "You move the sheets on by one place for each quarter turn. On C4 that is right, but a mirror reverses their "
    "order: sheet h̃ comes from sheet h⁻¹h̃."
)
GROUP_AXIS = (
    "You permute an axis other than that of the sheets. ψ is (O, C, |H|, k, k): which axis is |H|, counted from the "
    "end?"
)

register(
    "4.3",
    group_filter_bank,
    minutes=8,
    difficulty=2,
    checks=[_filters_on_the_group, lambda f, reference: _learnable((1, 2, 4, 3, 3), f, reference)],
    hints=[
        "`lifting_filter_bank` of section 1 is almost what you need. What does L_h do to a filter that has sheets?",
        "A filter on the group is a small feature map: its group axis is the third from the end, as in a feature map. "
        "`act_on_feature_map(h, psi, group)` of notebook 02 turns *and* permutes it.",
        "`torch.stack([act_on_feature_map(h, psi, group) for h in group.elements], dim=1)`.",
    ],
    known_mistakes=[
        (
            lambda psi, group: _stack(act_on_image, group, psi),
            "Your filters are turned, but their sheets keep their places. The permutation is missing: sheet h̃ of the "
            "copy comes from sheet h⁻¹h̃.",
        ),
        (
            bank_from(relative, lambda h, psi: psi),
            "The sheets change places, but they are not turned.",
        ),
        (
            bank_from(compose),
            "The permutation goes the wrong way, because it uses h instead of h⁻¹. Sheet h̃ comes from sheet h⁻¹h̃.",
        ),
        (
            lambda psi, group: _stack(lambda h, p: act_on_feature_map(inverse(h), p, group), group, psi),
            "There is one inverse too many: copy h is L_h ψ, and L_h has its inverse inside already.",
        ),
        (
            bank_from(lambda h, other: compose(other, inverse(h))),
            "You multiply on the wrong side: sheet h̃ comes from h⁻¹h̃, not from h̃h⁻¹. Only a group like D4 shows this.",
        ),
        (
            bank_from(relative, lambda h, psi: act_on_image(rotation_only(h), psi)),
            "The sheets are right, but the mirrors are missing: an element with m = 1 also mirrors each sheet.",
        ),
        (
            lambda psi, group: _stack(lambda h, p: act_on_feature_map(h, p, group), group, psi, dim=2),
            "The output's group axis comes after the input channels in your bank. It belongs after O: (O, |H|, C, |H|, "
            "k, k).",
        ),
        (
            lambda psi, group: _stack(lambda h, p: act_on_feature_map(h, p, group), group, psi, dim=3),
            "The output's group axis comes after that of the input in your bank. It belongs after O: (O, |H|, C, |H|, "
            "k, k).",
        ),
        (
            bank_from(relative, lambda h, psi: act_on_image(inverse(h), psi)),
            "The sheets are right, but each of them is turned the wrong way.",
        ),
        (
            lambda psi, group: _stack(lambda h, p: p, group, psi),
            "All your copies are the same: copy h has to be turned by h, and its sheets permuted.",
        ),
        (
            lambda psi, group: _stack(lambda h, p: act_on_feature_map(h, p, group), group, psi).movedim(1, -1),
            "The output's group axis comes last in your bank. It belongs after O: (O, |H|, C, |H|, k, k).",
        ),
        (
            bank_from(lambda h, other: compose(inverse(h), compose(inverse(h), other))),
            "You permute the sheets twice: `act_on_feature_map` turns *and* permutes.",
        ),
        (
            bank_from(relative, lambda h, psi: act_on_image(h, act_on_image(h, psi))),
            "The sheets are right, but each of them is turned twice: `act_on_feature_map` turns *and* permutes.",
        ),
        (
            lambda psi, group: group_filter_bank(psi, group).flip(1),
            "Your copies are in reverse order. Copy i belongs to `group.elements[i]`.",
        ),
        (
            lambda psi, group: group_filter_bank(psi, group) / group.order,
            "You divide by the number of copies. A copy keeps the weights of ψ; they only change places.",
        ),
        (_rolled_by_rotation, ROLLED),
        (
            lambda psi, group: _stack(lambda h, p: torch.rot90(p, h.r, (-2, -1)).roll(h.r, -3), group, psi),
            "You only turn, and move the sheets on by one place for each quarter turn. A mirror also mirrors each "
            "sheet and reverses their order: sheet h̃ comes from sheet h⁻¹h̃.",
        ),
        (lambda psi, group: _joined(psi, group, dim=0), JOINED),
        (lambda psi, group: _joined(psi, group, dim=1), JOINED),
        (lambda psi, group: _joined(psi, group, dim=2), JOINED),
        (rolled_by_place, ROLLED),
        (
            lambda psi, group: _concatenated(lambda h, p: act_on_feature_map(h, p, group), group, psi),
            RESHAPED,
        ),
        (
            lambda psi, group: group_filter_bank(psi, group).flatten(2, 3).flatten(0, 1),
            "You have joined axes already, as `conv2d` wants them. Keep all six here: (O, |H|, C, |H|, k, k).",
        ),
        (_along(lambda psi, permutation: psi[permutation]), GROUP_AXIS),
        (_along(lambda psi, permutation: psi[:, permutation]), GROUP_AXIS),
        (_along(lambda psi, permutation: psi[..., permutation]), GROUP_AXIS),
        (_along(lambda psi, permutation: psi[..., permutation, :]), GROUP_AXIS),
        (
            lambda psi, group: group_filter_bank(psi, group).transpose(1, 3),
            "The two group axes are swapped. The first one belongs to the output, h; the second to the input, h̃.",
        ),
        (
            lambda psi, group: group_filter_bank(psi, group).transpose(2, 3),
            "The input's group axis comes before the input channels. It belongs after them: (O, |H|, C, |H|, k, k).",
        ),
        (
            lambda psi, group: _stack(lambda h, p: act_on_feature_map(h, p, group), group, psi, dim=0),
            "The output's group axis comes first in your bank. It belongs after O: (O, |H|, C, |H|, k, k).",
        ),
    ],
)
