"""Exercises 9.1 and 9.2 of notebook 09: the affine map at one place and on whole maps."""

import inspect
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises import Function, compare, register
from course_lib.exercises.comparing import Mistake, call
from course_lib.framework import affine_term, entry_at
from course_lib.groups import C1, C4, D1, D4, Group
from course_lib.kernels import affine_map, neighborhoods
from course_lib.wallpaper import Isometry, semidirect_inverse

PLACES = {
    Isometry(0, 0, 0, 0): "ĝ lies in the middle of the tables.",
    Isometry(0, 0, 1, 0): "ĝ lies one step to the right of the middle: u = 1.",
    Isometry(0, 0, 0, 1): "ĝ lies one step above the middle: v = 1.",
}


def _terms_inside(f: Function, reference: Function) -> None:
    psi, beta = torch.arange(9.0).reshape(1, 1, 3, 3), 10 * torch.arange(9.0).reshape(1, 1, 3, 3)
    for position, where in PLACES.items():
        compare(f, reference, position, torch.tensor([2.0]), psi, beta, C1, because=where)


def _terms_outside_and_on_sheets(f: Function, reference: Function) -> None:
    psi, beta = torch.arange(9.0).reshape(1, 1, 3, 3), 10 * torch.arange(9.0).reshape(1, 1, 3, 3)
    outside = "Outside the window both ψ and β are zero."
    compare(f, reference, Isometry(0, 0, 2, 0), torch.tensor([2.0]), psi, beta, C1, because=outside)
    for group in (C4, D4):
        y, psi, beta = torch.randn(3), torch.randn(3, group.order, 3, 3), torch.randn(3, group.order, 3, 3)
        for i, h in enumerate(group.elements):
            sheet = f"Three channels, on {group}: ĥ is {h}, so take sheet {i} of both tables."
            compare(f, reference, Isometry(*h, 1, -1), y, psi, beta, group, because=sheet)


def _without_bounds(position: Isometry, feature: Tensor, psi: Tensor, beta: Tensor, group: Group) -> Tensor:
    reach = psi.shape[-1] // 2
    place = ..., group.index(position.point_part), reach - position.v, reach + position.u
    return feature * psi[place] + beta[place]


def _other_term(term: Function) -> Function:
    """A wrong `affine_term`: term(y, ψ, β) of the right entries."""
    return lambda position, feature, psi, beta, group: term(
        feature, entry_at(psi, position, group), entry_at(beta, position, group)
    )


register(
    "9.1",
    affine_term,
    minutes=5,
    difficulty=1,
    checks=[_terms_inside, _terms_outside_and_on_sheets],
    hints=[
        "Which entry of a table belongs to a relative position? You wrote the function in notebook 07; "
        "here it is `framework.entry_at(table, position, group)`. It is zero outside the window.",
        "Channel by channel: `*` between vectors, not `@`. Then add the entry of β.",
    ],
    known_mistakes=[
        (
            _other_term(lambda y, psi, beta: y * psi),
            "β is missing. With ψ alone the map is linear; adding β(ĝ) makes it affine.",
        ),
        (
            _other_term(lambda y, psi, beta: y + beta),
            "ψ is missing. You only add a position to a feature; first multiply the feature by ψ(ĝ).",
        ),
        (
            lambda position, feature, psi, beta, group: (
                feature * entry_at(psi, position, group) + entry_at(beta, position._replace(m=0, r=0), group)
            ),
            "You take β from the sheet of e, whatever ĝ is. In this definition β depends on all of ĝ, as ψ does.",
        ),
        (
            _other_term(lambda y, psi, beta: (y + beta) * psi),
            "You add β first and then multiply. It is f(g̃)·ψ(ĝ) + β(ĝ): β is not scaled by ψ.",
        ),
        (_other_term(lambda y, psi, beta: y * beta + psi), "ψ and β are swapped: ψ multiplies, β is added."),
        (
            _other_term(lambda y, psi, beta: (y * psi + beta).sum()),
            "You add up the channels. The version has as many channels as the feature: return the vector.",
        ),
        (
            _other_term(lambda y, psi, beta: y @ psi + beta),
            "`@` sums over the channels. ψ works on each channel separately: use `*`.",
        ),
        (
            lambda position, feature, psi, beta, group: affine_term(
                position._replace(u=position.v, v=position.u), feature, psi, beta, group
            ),
            "Rows and columns are swapped: v counts rows, upwards, and u counts columns.",
        ),
        (
            lambda position, feature, psi, beta, group: affine_term(
                position._replace(v=-position.v), feature, psi, beta, group
            ),
            "v points up, but rows are counted downwards. `entry_at` takes care of that.",
        ),
        (
            _without_bounds,
            "You index the tables without asking whether ĝ lies inside the window. Outside, ψ and β are zero: "
            "`entry_at` takes care of that.",
        ),
        (
            _other_term(lambda y, psi, beta: y * (psi + beta)),
            "You multiply by β as well. β is added: f(g̃)·ψ(ĝ) + β(ĝ).",
        ),
        (
            _other_term(lambda y, psi, beta: y * psi + psi),
            "You add ψ in place of β. β has entries of its own at ĝ: f(g̃)·ψ(ĝ) + β(ĝ).",
        ),
        (
            lambda position, feature, psi, beta, group: feature * entry_at(psi, position, group) + beta,
            "You add the whole table β. Only its entry at ĝ belongs to this neighbor: `entry_at`.",
        ),
        (
            _other_term(lambda y, psi, beta: y + psi + beta),
            "You add ψ. The feature is multiplied by ψ(ĝ): f(g̃)·ψ(ĝ) + β(ĝ).",
        ),
        (
            lambda position, feature, psi, beta, group: (
                feature * entry_at(psi, position._replace(m=0, r=0), group) + entry_at(beta, position, group)
            ),
            "You take ψ from the sheet of e, whatever ĝ is. ψ depends on all of ĝ.",
        ),
        (
            lambda position, feature, psi, beta, group: affine_term(
                semidirect_inverse(position), feature, psi, beta, group
            ),
            "You look up ĝ⁻¹. The position is g⁻¹g̃ already: look up ĝ itself.",
        ),
        (
            lambda position, feature, psi, beta, group: affine_term(
                position._replace(m=0, r=0), feature, psi.sum(1, keepdim=True), beta.sum(1, keepdim=True), C1
            ),
            "You sum over the sheets of the tables. Take the one sheet of ĥ: the sum over the neighbor's sheets comes "
            "later.",
        ),
    ],
)


AXES = {2: "B", 6: "C", 4: "|H|", 9: "k²", 5: "Y", 7: "X"}


def compare_axes(f: Function, reference: Function, *inputs: Any) -> None:
    """Raise a Mistake that says which axes a result has, and in which order. The sizes of the input are those above."""
    example = dict(zip(inspect.signature(reference).parameters, inputs, strict=False))
    yours, expected = call(f, *inputs, example=example), reference(*inputs)
    if isinstance(yours, Tensor) and yours.shape != expected.shape:
        axes = [", ".join(AXES.get(size, str(size)) for size in result.shape) for result in (yours, expected)]
        raise Mistake(f"Your result has the axes ({axes[0]}), expected ({axes[1]}).", example)


def _axes(f: Function, reference: Function) -> None:
    compare_axes(f, reference, torch.randn(2, 6, 4, 5, 7), torch.randn(6, 4, 4, 3, 3), torch.randn(6, 4, 3, 3), 3)


def _maps(f: Function, reference: Function) -> None:
    one = torch.tensor([1.0, 2.0]).reshape(1, 1, 2, 1, 1)
    psi, beta = torch.tensor([[10.0, 100.0], [1000.0, 1.0]]).reshape(1, 2, 2, 1, 1), torch.zeros(1, 2, 1, 1)
    rule = "One pixel, two sheets: at h the sum over h̃ of ψ[h, h̃] f[h̃]."
    compare(f, reference, one, psi, beta, 1, because=rule)
    compare(f, reference, one, psi, beta + 0.5, 1, because="β is added once for each h.")
    for group in (C4, D1):
        x = torch.randn(2, 3, group.order, 3, 4)
        psi, beta = torch.randn(3, group.order, group.order, 3, 3), torch.randn(3, group.order, 3, 3)
        compare(f, reference, x, psi, 0 * beta, 3, because="β is 0 here: look at ψ, its channels and its neighbors i.")
        compare(f, reference, x, psi, beta, 3, because="Without β it was right: look at β, its sheet h and neighbor i.")
    compare(f, reference, x, None, beta, 3, because="Without ψ each h takes its own sheet as it is.")
    compare(f, reference, x, psi, None, 3, because="Without β nothing is added.")


def _summed(letters: str) -> Function:
    """A wrong `affine_map` with another einsum."""

    def wrong(f: Tensor, psi: Tensor | None, beta: Tensor | None, kernel_size: int) -> Tensor:
        windows = neighborhoods(f, kernel_size)
        if psi is not None:
            windows = torch.einsum(letters, psi.flatten(-2), windows)
        return windows if beta is None else windows + beta.flatten(-2)[..., None, None]

    return wrong


def _beta_on_every_sheet(f: Tensor, psi: Tensor | None, beta: Tensor | None, kernel_size: int) -> Tensor:
    return affine_map(f, psi, None if beta is None else beta * (1 if psi is None else f.shape[2]), kernel_size)


def _beta_first(f: Tensor, psi: Tensor | None, beta: Tensor | None, kernel_size: int) -> Tensor:
    windows = affine_map(f, None, beta, kernel_size)
    return windows if psi is None else torch.einsum("chgi,bcgiyx->bchiyx", psi.flatten(-2), windows)


register(
    "9.2",
    affine_map,
    minutes=12,
    difficulty=2,
    checks=[_axes, _maps],
    hints=[
        "`neighborhoods(f, kernel_size)` is (B, C, |H̃|, k², Y, X): the sheets that are looked at, and the neighbors "
        "of each pixel on an axis k². `psi.flatten(-2)` puts the k × k of ψ on one axis as well.",
        "`einsum` with ψ as `chgi` and the windows as `bcgiyx`: c is not summed, g is, i is not.",
        "The result has the axes `bchiyx`. `beta.flatten(-2)[..., None, None]` is (C, |H|, k², 1, 1) and can be added. "
        "Where psi or beta is None, leave the step out.",
    ],
    known_mistakes=[
        (
            _summed("cghi,bcgiyx->bchiyx"),
            "You sum over the wrong |H| of ψ. The first axis is h, which looks and stays; the second is h̃, which is "
            "summed over.",
        ),
        (
            _summed("chgi,bcgiyx->bcgiyx"),
            "You sum over h, the sheet that looks, and keep h̃. Keep h and sum over h̃, the second |H| of ψ.",
        ),
        (
            lambda f, psi, beta, kernel_size: affine_map(f, psi, None, kernel_size) + beta.flatten(-2),
            "β has no axes for the pixels yet: `beta.flatten(-2)[..., None, None]`.",
        ),
        (
            _beta_first,
            "You add β to f, and ψ multiplies it. Add β after the sum over h̃: ψ does not scale it.",
        ),
        (
            lambda f, psi, beta, kernel_size: affine_map(
                f, None if psi is None else psi.transpose(-1, -2), beta, kernel_size
            ),
            "Rows and columns of ψ are swapped.",
        ),
        (
            lambda f, psi, beta, kernel_size: affine_map(
                f, None if psi is None else psi.flip(-1, -2), beta, kernel_size
            ),
            "ψ is flipped. Entry i of ψ belongs to neighbor i as `neighborhoods` lists them.",
        ),
        (
            _beta_on_every_sheet,
            "You add β once for every sheet h̃. It is added only once, after the sum over h̃ (section 4).",
        ),
        (lambda f, psi, beta, kernel_size: affine_map(f, psi, None, kernel_size), "β is missing."),
        (
            lambda f, psi, beta, kernel_size: affine_map(f, psi, beta, kernel_size).sum(dim=3, keepdim=True),
            "You sum over the neighbors. That comes later, with the weights α: here each neighbor keeps its place on "
            "the axis k².",
        ),
        (
            lambda f, psi, beta, kernel_size: affine_map(f, psi, beta, kernel_size).sum(dim=3),
            "You sum over the neighbors. That comes later, with the weights α: here each neighbor keeps its place on "
            "the axis k².",
        ),
        (
            lambda f, psi, beta, kernel_size: affine_map(f, psi, beta, kernel_size).movedim(3, -1),
            "The neighbors come last. Their axis k² belongs in front of the pixels: (B, C, |H|, k², Y, X).",
        ),
        (
            _summed("chgi,bdgiyx->bchiyx"),
            "You sum over the input channels, too. ψ works on each channel separately.",
        ),
        (
            lambda f, psi, beta, kernel_size: affine_map(
                f, psi if psi is None else psi.mT, beta if beta is None else beta.mT, kernel_size
            ),
            "Rows and columns of ψ and β are swapped. Flatten the axes (k, k) as they stand.",
        ),
        (
            lambda f, psi, beta, kernel_size: (
                affine_map(f, psi, beta, kernel_size) * neighborhoods(torch.ones_like(f), kernel_size)
            ),
            "You set the versions of neighbors outside the map to 0. There f is 0, but β is still added.",
        ),
        (
            _summed("chhi,bchiyx->bchiyx"),
            "Each h uses only its own sheet, with ψ[h, h]. Sum over all sheets h̃, with ψ[h, h̃].",
        ),
        (
            lambda f, psi, beta, kernel_size: affine_map(
                f, psi if psi is None else psi / f.shape[2], beta, kernel_size
            ),
            "You take the mean over the sheets h̃. It is a plain sum.",
        ),
        (
            lambda f, psi, beta, kernel_size: affine_map(
                f, psi, beta if beta is None else beta.sum(dim=1, keepdim=True), kernel_size
            ),
            "You sum β over the sheets h. Each h adds its own copy, β[c, h].",
        ),
    ],
)
