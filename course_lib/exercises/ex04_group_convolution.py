"""Exercises 4.1 and 4.4 of notebook 04: lifting, and pooling over cosets."""

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.actions import act_on_image
from course_lib.exercises import compare, register
from course_lib.exercises.registry import Function
from course_lib.groups import C1, C2, C4, D1, D2, D4, Element, Group, compose, inverse
from course_lib.oracles import coset_max_pool, lifting_conv

Turn = Callable[[Element, Tensor], Tensor]


def rotation_only(h: Element) -> Element:
    return Element(0, h.r)


def mirror_first(h: Element, psi: Tensor) -> Tensor:
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
            _lift_with(lambda h, psi: act_on_image(rotation_only(h), psi)),
            "The mirrors are missing: you turn the filter by h.r, but (m, r) with m = 1 also mirrors it.",
        ),
        (_lift_with(mirror_first), "The order is wrong: (m, r) rotates first and mirrors then. Use `source_pixel`."),
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

# 4.4 coset_max_pool


def _pool_sets(f: Tensor, sets: list[list[int]]) -> Tensor:
    return torch.stack([f[members].amax(dim=0) for members in sets])


def _right_cosets(f: Tensor, group: Group, subgroup: Group) -> Tensor:
    found = {tuple(sorted(group.index(compose(s, h)) for s in subgroup.elements)) for h in group.elements}
    return _pool_sets(f, [list(members) for members in sorted(found)])


def _neighbors(f: Tensor, group: Group, subgroup: Group) -> Tensor:
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
            _neighbors,
            "You pool sheets that are neighbors in the list. Which sheets belong together is said by the cosets.",
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
