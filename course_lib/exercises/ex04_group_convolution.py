"""Exercise 4.2 of notebook 04: the group convolution as a loop."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.actions import act_on_image
from course_lib.exercises import compare, register
from course_lib.exercises.ex04_lifting import (
    ELEMENT_NEEDED,
    UNSTARRED,
    Turn,
    number_for_an_element,
    rotation_only,
    which_meets_which,
)
from course_lib.exercises.registry import Function
from course_lib.groups import C4, D1, D4, Element, Group, compose, inverse
from course_lib.layers import group_filter_bank
from course_lib.oracles import group_conv, lifting_conv, source_pixel

# 4.2 group_conv

Bank = Callable[[Tensor, Group], Tensor]


def _convolve_with(make_bank: Bank) -> Function:
    """Group convolution with another filter bank (O, |H|, C, |H|, k, k)."""

    def convolve(f: Tensor, psi: Tensor, group: Group) -> Tensor:
        bank = make_bank(psi, group)
        y = F.conv2d(f.flatten(0, 1)[None], bank.flatten(2, 3).flatten(0, 1))[0]
        return y.unflatten(0, bank.shape[:2])

    return convolve


def bank_from(sheet: Callable[[Element, Element], Element], turn: Turn = act_on_image) -> Bank:
    """Copies of ψ that are turned by h, and have on sheet h̃ the weights of another sheet than h⁻¹h̃."""

    def bank(psi: Tensor, group: Group) -> Tensor:
        copies = []
        for h in group.elements:
            sources = [group.index(sheet(h, other)) for other in group.elements]
            copies.append(turn(h, psi[..., sources, :, :]))
        return torch.stack(copies, dim=1)

    return bank


def relative(h: Element, other: Element) -> Element:
    return compose(inverse(h), other)


def rolled_by_place(psi: Tensor, group: Group) -> Tensor:
    copies = [act_on_image(h, psi.roll(i, -3)) for i, h in enumerate(group.elements)]
    return torch.stack(copies, dim=1)


def _turned_by_the_relative_element(psi: Tensor, group: Group) -> Tensor:
    rows = []
    for h in group.elements:
        seen = [relative(h, other) for other in group.elements]
        rows.append(torch.stack([act_on_image(k, psi[:, :, group.index(k)]) for k in seen], dim=2))
    return torch.stack(rows, dim=1)


def _turned_by_the_input(psi: Tensor, group: Group) -> Tensor:
    by_input = [act_on_image(other, psi) for other in group.elements]
    rows = []
    for h in group.elements:
        seen = [group.index(relative(h, other)) for other in group.elements]
        rows.append(torch.stack([by_input[j][:, :, sheet] for j, sheet in enumerate(seen)], dim=2))
    return torch.stack(rows, dim=1)


def _same_sheet_only(f: Tensor, psi: Tensor, group: Group) -> Tensor:
    """The loop without the sum over h̃: only the input sheet of the same name is used."""
    bank = group_filter_bank(psi, group)
    only = torch.zeros_like(bank)
    for i in range(group.order):
        only[:, i, :, i] = bank[:, i, :, i]
    return _convolve_with(lambda _psi, _group: only)(f, psi, group)


def _last_term_only(f: Tensor, psi: Tensor, group: Group) -> Tensor:
    bank = group_filter_bank(psi, group)
    last = torch.zeros_like(bank)
    last[..., -1, -1, -1] = bank[..., -1, -1, -1]
    last[:, :, :-1] = 0
    return _convolve_with(lambda _psi, _group: last)(f, psi, group)


def _pooled_first(f: Tensor, psi: Tensor, group: Group) -> Tensor:
    return lifting_conv(f.amax(dim=1), psi.sum(dim=2), group)


def _loop(size: Callable[[Tensor], tuple[int, ...]], sheet: Callable[[Element, Group], Any]) -> Function:
    """The loop with another idea of the size of the result, or of how a sheet of ψ is looked up."""

    def convolve(f: Tensor, psi: Tensor, group: Group) -> Tensor:
        k = psi.shape[-1]
        out = f.new_zeros(len(psi), group.order, *(n - k + 1 for n in size(f)))
        for o, i, row, col in np.ndindex(*out.shape):
            h = group.elements[i]
            for c, j, a, b in np.ndindex(*f.shape[:2], k, k):
                place = (o, c, sheet(relative(h, group.elements[j]), group), *source_pixel(h, a, b, k, k))
                out[o, i, row, col] += f[c, j, row + a, col + b] * psi[place]
        return out

    return convolve


def _unstarred(f: Tensor, psi: Tensor, group: Group) -> Tensor:
    out = f.new_zeros(1)
    out[0] += f[0, 0, 0, 0] * psi[0, 0, 0, source_pixel(group.elements[0], 0, 0, *psi.shape[-2:])]
    return out


def _given(bank: Tensor, _psi: Tensor, _group: Group) -> Tensor:
    return bank


def _largest_over_the_input(f: Tensor, psi: Tensor, group: Group) -> Tensor:
    bank, terms = group_filter_bank(psi, group), []
    for j in range(group.order):
        only = torch.zeros_like(bank)
        only[:, :, :, j] = bank[:, :, :, j]
        terms.append(_convolve_with(partial(_given, only))(f, psi, group))
    return torch.stack(terms).amax(dim=0)


def _group_convolutions(f: Function, reference: Function) -> None:
    sheets, weights = torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor([1.0, 10.0, 100.0, 1000.0])
    names = [f"sheet {h}" for h in C4.elements]
    one_hot = dict(zip(names, torch.eye(4).reshape(4, 1, 1, 4, 1, 1), strict=True))
    because = which_meets_which(f, group_conv, 10 ** torch.arange(4.0).reshape(1, 4, 1, 1), one_hot, "; ".join(names))
    compare(f, reference, sheets.reshape(1, 4, 1, 1), weights.reshape(1, 1, 4, 1, 1), C4, because=because)
    digits = torch.arange(64.0) * 5 % 7
    compare(f, reference, digits[:8].reshape(1, 8, 1, 1), digits[1:9].reshape(1, 1, 8, 1, 1), D4)
    compare(f, reference, digits[:24].reshape(1, 4, 2, 3), digits[1:17].reshape(1, 1, 4, 2, 2), C4)
    compare(f, reference, digits[:4].reshape(1, 4, 1, 1), -digits[1:5].reshape(1, 1, 4, 1, 1), C4)
    compare(f, reference, digits[:32].reshape(2, 2, 2, 4), digits[:32].reshape(2, 2, 2, 2, 2), D1)
    compare(f, reference, digits[:32].reshape(1, 8, 2, 2), digits[3:35].reshape(1, 1, 8, 2, 2), D4)


SHEETS_STAY = (
    "Your filters turn, but their sheets stay where they are: sheet h̃ of f meets sheet h̃ of ψ. It has to meet sheet "
    "h⁻¹h̃, which `group.index(compose(inverse(h), ...))` finds."
)
WRONG_WAY = (
    "The permutation goes the wrong way. Sheet h̃ of f has to meet sheet h⁻¹h̃ of ψ; yours meets sheet hh̃. (The same "
    "happens if you look up h⁻¹h̃ in f, and h̃ in ψ.)"
)
WRONG_SIDE = "You multiply on the wrong side: sheet h̃ has to meet h⁻¹h̃, not h̃h⁻¹. Only a group like D4 shows this."
BOTH_INVERTED = (
    "Your product is h̃⁻¹h, which is the inverse of h⁻¹h̃. The element without an inverse is h̃, the sheet of the input."
)
ROLLED = (
    "You move the sheets by one more place for each h. On C4 that is right, but a mirror reverses their order. Look up "
    "the sheet of h⁻¹h̃ instead."
)
NOT_TURNED = "The sheets change places, but they are not turned: use `source_pixel` for the pixels of ψ, as in 4.1."
TURNED_BACK = (
    "The sheets are right, but the pixels turn the wrong way. `source_pixel(h, ...)` has the inverse inside already."
)

register(
    "4.2",
    group_conv,
    minutes=20,
    difficulty=3,
    checks=[_group_convolutions],
    hints=[
        "Start from your `lifting_conv`. The sum has one more index: the input's sheet h̃. So the inner loop runs over "
        "`c, j, a, b`, where j is the number of the input's sheet.",
        "The output's sheet i belongs to `h = group.elements[i]`, the input's sheet j to `group.elements[j]`. Which "
        "sheet of ψ do they need? The formula says h⁻¹h̃, and `group.index(element)` is the number of a sheet.",
        "Inside both loops: `sheet = group.index(compose(inverse(h), group.elements[j]))`, then add `f[c, j, row + a, "
        "col + b] * psi[(o, c, sheet, *source_pixel(h, a, b, k, k))]` to `out[o, i, row, col]`.",
    ],
    known_mistakes=[
        (_convolve_with(bank_from(lambda _h, other: other)), SHEETS_STAY),
        (_convolve_with(bank_from(compose)), WRONG_WAY),
        (_convolve_with(bank_from(lambda h, other: compose(other, inverse(h)))), WRONG_SIDE),
        (_convolve_with(bank_from(lambda h, other: compose(inverse(other), h))), BOTH_INVERTED),
        (_convolve_with(rolled_by_place), ROLLED),
        (_convolve_with(bank_from(relative, lambda h, psi: psi)), NOT_TURNED),
        (
            _convolve_with(bank_from(lambda _h, other: other, lambda h, psi: psi)),
            "All sheets of your result are the same: neither the pixels nor the sheets of ψ depend on h.",
        ),
        (
            _convolve_with(bank_from(relative, lambda h, psi: act_on_image(h, psi.transpose(-2, -1)))),
            "Rows and columns of ψ are swapped. `source_pixel` returns (row, column), in this order.",
        ),
        (
            _convolve_with(bank_from(relative, lambda h, psi: act_on_image(rotation_only(h), psi))),
            "The sheets are right, but the mirrors are missing: an element with m = 1 also mirrors the pixels of ψ.",
        ),
        (
            _convolve_with(_turned_by_the_relative_element),
            "You turn the pixels by h⁻¹h̃. They turn by h, like the whole filter; h⁻¹h̃ only says which sheet is needed.",
        ),
        (_convolve_with(bank_from(relative, lambda h, psi: act_on_image(inverse(h), psi))), TURNED_BACK),
        (
            _convolve_with(bank_from(lambda h, _other: h)),
            "You look up sheet h of ψ for every sheet of the input. The sheet of ψ depends on both: it is h⁻¹h̃.",
        ),
        (
            _loop(lambda f: (f.shape[1], f.shape[2]), lambda seen, group: group.index(seen)),
            "The sizes of your result come from the wrong axes: f is (C, |H|, Y, X), so Y is `f.shape[2]` and X is "
            "`f.shape[3]`.",
        ),
        (
            _loop(lambda f: (f.shape[2], f.shape[3]), lambda seen, _group: seen),
            "You index ψ with an element of the group. Its sheet has a number: `group.index(element)`.",
        ),
        (number_for_an_element, ELEMENT_NEEDED),
        (_unstarred, UNSTARRED),
        (
            lambda f, psi, group: psi[0, 0, 0, 0, 1],
            "Your indices of ψ are not in the order of its axes, (O, C, |H|, k, k): the sheet comes before the pixel.",
        ),
        (
            lambda f, psi, group: f.new_zeros(len(psi), group.order, *(n - psi.shape[2] + 1 for n in f.shape[2:])),
            "You take k from the wrong axis: ψ is (O, C, |H|, k, k), so `psi.shape[2]` is |H|. k is `psi.shape[-1]`.",
        ),
        (_largest_over_the_input, "You take the largest over the sheets of the input. Add them up: sum over h̃."),
        (
            _convolve_with(lambda psi, group: group_filter_bank(psi, group).transpose(1, 3)),
            "h and h̃ are swapped throughout: h is the output's orientation, which turns the filter; h̃ is the input's.",
        ),
        (
            _convolve_with(_turned_by_the_input),
            "You turn the pixels by h̃, the orientation of the input's sheet. The whole filter turns by h, that of the "
            "output's sheet.",
        ),
        (
            _convolve_with(bank_from(lambda h, other: inverse(compose(h, other)))),
            "Your product is (hh̃)⁻¹, which is h̃⁻¹h⁻¹. Only h is inverted: you need the sheet of h⁻¹h̃.",
        ),
        (
            lambda f, psi, group: group_conv(f, psi, group) / group.order,
            "You take the mean over the sheets of the input. Add them up.",
        ),
        (
            lambda f, psi, group: group_conv(f, psi, group).relu(),
            "You apply a ReLU. A convolution is linear: leave negative values as they are.",
        ),
        (
            lambda f, psi, group: group_conv(f, psi.flip(-2, -1), group),
            "Your filter is turned by 180°. At (row + a, col + b) it needs the weight at `source_pixel(h, a, b, k, "
            "k)`: do not flip ψ.",
        ),
        (
            _same_sheet_only,
            "Each sheet of your output sees only one sheet of the input. Sum over all sheets h̃ of the input.",
        ),
        (_last_term_only, "Only the last term of the sum is left. Add each term to the earlier ones, with `+=`."),
        (
            _pooled_first,
            "You take the maximum over the sheets first. That loses how the strokes are oriented relative to each "
            "other: sum over h̃.",
        ),
        (
            lambda f, psi, group: group_conv(f[:1], psi[:, :1], group),
            "You use only the first channel. Sum over all channels c.",
        ),
        (
            lambda f, psi, group: group_conv(f, psi, group).transpose(0, 1),
            "The first two axes are swapped: the result is (O, |H|, Y′, X′), with the group axis second.",
        ),
        (
            lambda f, psi, group: group_conv(f, psi, group).sum(dim=1),
            "The group axis of the result is missing: the output has a sheet for each h.",
        ),
    ],
)
