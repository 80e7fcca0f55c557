"""Exercises 4.1 to 4.4 of notebook 04: lifting, the two filter banks, pooling over cosets."""

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.actions import act_on_feature_map, act_on_image
from course_lib.exercises import Mistake, call, compare, register
from course_lib.exercises.registry import Function
from course_lib.groups import C1, C2, C4, D1, D2, D4, Element, Group, compose, inverse
from course_lib.layers import group_filter_bank, lifting_filter_bank
from course_lib.oracles import coset_max_pool, lifting_conv

Turn = Callable[[Element, Tensor], Tensor]


def _rotation_only(h: Element) -> Element:
    return Element(0, h.r)


def _mirror_first(h: Element, psi: Tensor) -> Tensor:
    return torch.rot90(psi.flip(-1) if h.m else psi, h.r, dims=(-2, -1))


RESHAPED = (
    "The copies are right, but `reshape` after `torch.cat` mixes h with the output channels: it only cuts the numbers "
    "anew in the order in which they lie. Put the copies along an axis of their own."
)

# 4.1 lifting_conv


def _lift_with(turn: Turn) -> Function:
    """Lifting convolution with another idea of how h turns a filter."""

    def lift(f: Tensor, psi: Tensor, group: Group) -> Tensor:
        return torch.cat([lifting_conv(f, turn(h, psi), C1) for h in group.elements], dim=1)

    return lift


def _last_weight_only(psi: Tensor) -> Tensor:
    last = torch.zeros_like(psi)
    last[:, -1, -1, -1] = psi[:, -1, -1, -1]
    return last


def _lift_image(turn: Turn) -> Function:
    """Lifting convolution that turns the image, by turn(h, f), and not the filter."""

    def lift(f: Tensor, psi: Tensor, group: Group) -> Tensor:
        return torch.cat([lifting_conv(turn(h, f), psi, C1) for h in group.elements], dim=1)

    return lift


def _lift_reshaped(f: Tensor, psi: Tensor, group: Group) -> Tensor:
    sheets = lifting_conv(f, psi, group)
    return sheets.transpose(0, 1).reshape(sheets.shape)


def _liftings(f: Function, reference: Function) -> None:
    # All in one check: where the image is as small as the filter, turning one looks like turning the other back.
    _one_number_per_sheet(f, reference)
    _lift_more(f, reference)


def _one_number_per_sheet(f: Function, reference: Function) -> None:
    image, psi = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]), torch.tensor([[[[1.0, 10.0], [100.0, 1000.0]]]])
    compare(f, reference, image, psi, C1)
    compare(f, reference, image, psi, C4)
    compare(f, reference, image, psi, D4)


def _lift_more(f: Function, reference: Function) -> None:
    digits = torch.arange(24.0).reshape(2, 3, 4) * 5 % 7
    compare(f, reference, digits, torch.arange(8.0).reshape(1, 2, 2, 2), C2)
    compare(f, reference, digits, torch.arange(24.0).reshape(3, 2, 2, 2) % 5, D2)
    compare(f, reference, torch.randn(1, 4, 4, dtype=torch.float64), torch.randn(2, 1, 3, 3, dtype=torch.float64), D4)


register(
    "4.1",
    lifting_conv,
    minutes=15,
    difficulty=2,
    checks=[_liftings],
    hints=[
        "Each output value out[o, i, row, col] is one sum over the window of f that begins at (row, col), and over the "
        "channels. Without turning, its terms are `f[c, row + a, col + b] * psi[o, c, a, b]`.",
        "In sheet i the filter is turned by h = `group.elements[i]`. The turned filter shows at (a, b) what ψ has at "
        "`source_pixel(h, a, b, k, k)`: the inverse is inside that function.",
        "Two loops: `for o, i, row, col in np.ndindex(*out.shape)`, and inside it `for c, a, b in np.ndindex(len(f), "
        "k, k)`; add `f[c, row + a, col + b] * psi[(o, c, *source_pixel(h, a, b, k, k))]` to `out[o, i, row, col]`.",
    ],
    known_mistakes=[
        (
            _lift_with(lambda h, psi: act_on_image(inverse(h), psi)),
            "The inverse is missing: your filters turn the wrong way. Sheet h needs ψ(h⁻¹(y − t)), which is L_h ψ.",
        ),
        (
            _lift_image(act_on_image),
            "You turn the image, not the filter, so that each sheet shows the image in another position. All sheets "
            "look at the same image: only ψ turns.",
        ),
        (
            _lift_image(lambda h, f: act_on_image(inverse(h), f)),
            "You turn the image (back by h⁻¹), and leave the result turned, so that no two sheets show the same place. "
            "All sheets look at the same image: only ψ turns.",
        ),
        (_lift_reshaped, RESHAPED),
        (
            _lift_with(lambda h, psi: _last_weight_only(act_on_image(h, psi))),
            "Only the last term of the sum is left. Add each term to the ones before: `+=`, not `=`.",
        ),
        (
            lambda f, psi, group: lifting_conv(f[:1], psi[:, :1], group),
            "You use the first channel only. Sum over all c.",
        ),
        (
            _lift_with(lambda h, psi: act_on_image(_rotation_only(h), psi)),
            "The mirrors are missing: you turn the filter by h.r, but (m, r) with m = 1 also mirrors it.",
        ),
        (_lift_with(_mirror_first), "The order is wrong: (m, r) rotates first and mirrors then. Use `source_pixel`."),
        (_lift_with(lambda h, psi: psi), "All your sheets are the same: the filter is not turned."),
        (
            lambda f, psi, group: lifting_conv(f, psi.flip(-2, -1), group),
            "Your filter is turned by 180°: that is ψ(t − y), the convolution of mathematics. Here it is ψ(y − t).",
        ),
        (
            lambda f, psi, group: lifting_conv(f, psi, group).transpose(0, 1),
            "The first two axes are swapped: the result is (O, |H|, Y′, X′), the group axis second.",
        ),
    ],
)

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
            lambda psi, group: _stack(lambda h, p: act_on_image(_rotation_only(h), p), group, psi),
            "The mirrors are missing: for m = 1 the filter is rotated, and then mirrored.",
        ),
        (lambda psi, group: _stack(_mirror_first, group, psi), "The order is wrong: rotate first, mirror then."),
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

# 4.4 coset_max_pool


def _pool_sets(f: Tensor, sets: list[list[int]]) -> Tensor:
    return torch.stack([f[members].amax(dim=0) for members in sets])


def _right_cosets(f: Tensor, group: Group, subgroup: Group) -> Tensor:
    found = {tuple(sorted(group.index(compose(s, h)) for s in subgroup.elements)) for h in group.elements}
    return _pool_sets(f, [list(members) for members in sorted(found)])


def _neighbours(f: Tensor, group: Group, subgroup: Group) -> Tensor:
    places = list(range(group.order))
    return _pool_sets(f, [places[i : i + subgroup.order] for i in range(0, group.order, subgroup.order)])


def _pools(f: Function, reference: Function) -> None:
    because = "Take the maximum over each left coset hS, sheet by sheet, in the order of group.left_cosets."
    sheets = torch.tensor([3.0, 8.0, 5.0, 1.0, 7.0, 2.0, 6.0, 4.0]).reshape(8, 1, 1)
    compare(f, reference, sheets[:4], C4, C2, because=because)
    compare(f, reference, -sheets[:4], C4, C2, because=because)
    for subgroup in (D1, C4, C1, D4, D4.subgroups[4], D4.subgroups[5]):
        compare(f, reference, sheets, D4, subgroup, because=because)
    compare(f, reference, torch.randn(8, 2, 3, dtype=torch.float64), D4, C2, because=because)


register(
    "4.4",
    coset_max_pool,
    minutes=8,
    difficulty=2,
    checks=[_pools],
    hints=[
        "`group.left_cosets(subgroup)` is a tuple of cosets, each a tuple of elements. How many sheets does the "
        "result have?",
        "`group.index(h)` is the number of the sheet of h. For one coset, collect its sheets and take their maximum, "
        "pixel by pixel; do not mix pixels.",
        "For each coset: `torch.stack([f[group.index(h)] for h in coset]).amax(dim=0)`. Then stack the results.",
    ],
    known_mistakes=[
        (
            _right_cosets,
            "These are the right cosets Sh. Under L_g sheet h moves to gh, so hS stays together: use left cosets.",
        ),
        (
            _neighbours,
            "You pool sheets that are neighbours in the list. Which sheets belong together is said by the cosets.",
        ),
        (
            lambda f, group, subgroup: torch.stack(
                [f[[group.index(h) for h in coset]].mean(dim=0) for coset in group.left_cosets(subgroup)]
            ),
            "That is the mean over each coset. It is equivariant too, but asked for is the maximum.",
        ),
        (
            lambda f, group, subgroup: f.amax(dim=0, keepdim=True),
            "You pool over the whole group, whatever the subgroup. One sheet per coset should remain.",
        ),
        (
            lambda f, group, subgroup: _pool_sets(f, [[group.index(s) for s in subgroup.elements]]),
            "You pool over S alone. S is one of the cosets; each of them gives a sheet.",
        ),
        (
            lambda f, group, subgroup: coset_max_pool(f, group, subgroup).clamp(min=0),
            "Your maximum starts at 0, so it is wrong where all values are negative.",
        ),
    ],
)
