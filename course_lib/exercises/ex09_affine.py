"""Exercises 9.1 to 9.3 of notebook 09: the affine map at one place, on whole maps, and the weights it leads to."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.exercises import Function, compare, register
from course_lib.framework import affine_term, entry_at
from course_lib.groups import C1, C4, D1, D4
from course_lib.kernels import affine_attention_weights, affine_map, neighborhoods
from course_lib.kernels.attention import affine_scores
from course_lib.wallpaper import Isometry

HERE = Isometry(0, 0, 0, 0)


def _terms(f: Function, reference: Function) -> None:
    psi, beta = torch.arange(9.0).reshape(1, 1, 3, 3), 10 * torch.arange(9.0).reshape(1, 1, 3, 3)
    for position in (HERE, Isometry(0, 0, 1, 0), Isometry(0, 0, 0, 1)):
        compare(f, reference, position, torch.tensor([2.0]), psi, beta, C1)
    outside = "Outside the window both ψ and β are zero."
    compare(f, reference, Isometry(0, 0, 2, 0), torch.tensor([2.0]), psi, beta, C1, because=outside)
    for group in (C4, D4):
        y, psi, beta = torch.randn(3), torch.randn(3, group.order, 3, 3), torch.randn(3, group.order, 3, 3)
        for h in group.elements:
            compare(f, reference, Isometry(*h, 1, -1), y, psi, beta, group)


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
    checks=[_terms],
    hints=[
        "Which entry of a table belongs to a relative position? You wrote the function in notebook 07: "
        "`entry_at(table, position, group)`. It is zero outside the window.",
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
    ],
)


def _maps(f: Function, reference: Function) -> None:
    one = torch.tensor([1.0, 2.0]).reshape(1, 1, 2, 1, 1)
    psi, beta = torch.tensor([[10.0, 100.0], [1000.0, 1.0]]).reshape(1, 2, 2, 1, 1), torch.zeros(1, 2, 1, 1)
    rule = "One pixel, two sheets: at h the sum over h̃ of ψ[h, h̃] f[h̃]."
    compare(f, reference, one, psi, beta, 1, because=rule)
    compare(f, reference, one, psi, beta + 0.5, 1, because="β is added once for each h.")
    for group in (C4, D1):
        x = torch.randn(2, 3, group.order, 3, 4)
        psi, beta = torch.randn(3, group.order, group.order, 3, 3), torch.randn(3, group.order, 3, 3)
        compare(f, reference, x, psi, beta, 3)
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


register(
    "9.2",
    affine_map,
    minutes=12,
    difficulty=2,
    checks=[_maps],
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
    ],
)


def _weights(f: Function, reference: Function) -> None:
    one, nothing = torch.ones(1, 1, 1, 1, 2), (None, None)
    ln2 = math.log(2)
    compare(f, reference, ln2 * one, one, nothing, 3, 1, True, because="Two pixels inside the map, with equal scores.")
    compare(
        f, reference, ln2 * one, one, nothing, 3, 1, False, because="The seven places outside have score 0, not −∞."
    )
    row = torch.tensor([0.0, 1.0, 2.0]).reshape(1, 1, 1, 1, 3)
    compare(
        f, reference, torch.ones_like(row), row, nothing, 3, 1, True,
        because="Pixel 0 has the value 0, but it lies inside the map: it takes part, with score 0.",
    )  # fmt: skip
    query, key = torch.randn(1, 4, 2, 2, 3), torch.randn(1, 4, 2, 2, 3)
    banks = (torch.randn(4, 2, 2, 3, 3), torch.randn(4, 2, 3, 3))
    for heads, masked in ((1, False), (2, False), (2, True)):
        compare(f, reference, query, key, banks, 3, heads, masked)


def _other_weights(scale: float = 0.0, dims: tuple[int, ...] = (3,)) -> Function:
    """A wrong `affine_attention_weights`: scores times d^scale, softmax over other axes."""

    def wrong(
        query: Tensor, key: Tensor, key_affine: tuple[Tensor, Tensor], kernel_size: int, heads: int, masked: bool
    ) -> Tensor:
        d = query.shape[1] / heads
        scores = affine_scores(query, affine_map(key, *key_affine, kernel_size), heads) * d**scale
        if masked:
            inside = neighborhoods(query.new_ones(query.shape[-2:]), kernel_size) > 0
            scores = scores.masked_fill(~inside, -math.inf)
        return (scores - scores.logsumexp(dim=dims, keepdim=True)).exp()

    return wrong


def _masked_late(
    query: Tensor, key: Tensor, key_affine: tuple[Tensor, Tensor], kernel_size: int, heads: int, masked: bool
) -> Tensor:
    weights = affine_attention_weights(query, key, key_affine, kernel_size, heads)
    inside = neighborhoods(query.new_ones(query.shape[-2:]), kernel_size) > 0
    return weights * inside if masked else weights


def _masked_with_zero(
    query: Tensor, key: Tensor, key_affine: tuple[Tensor, Tensor], kernel_size: int, heads: int, masked: bool
) -> Tensor:
    scores = affine_scores(query, affine_map(key, *key_affine, kernel_size), heads)
    inside = neighborhoods(query.new_ones(query.shape[-2:]), kernel_size)
    return (scores * inside if masked else scores).softmax(dim=3)


def _masked_where(zero: Callable[[Tensor, Tensor], Tensor]) -> Function:
    """A wrong `affine_attention_weights` that masks where zero(key windows, scores) is True."""

    def wrong(
        query: Tensor, key: Tensor, key_affine: tuple[Tensor, Tensor], kernel_size: int, heads: int, masked: bool
    ) -> Tensor:
        scores = affine_scores(query, affine_map(key, *key_affine, kernel_size), heads)
        if masked:
            scores = scores.masked_fill(zero(neighborhoods(key, kernel_size), scores), -math.inf)
        return scores.softmax(dim=3)

    return wrong


ZERO_IS_NOT_OUTSIDE = (
    "You mask where the value is zero, but a pixel inside the map may be zero, too. What lies outside depends on "
    "the place only, not on any value."
)

register(
    "9.3",
    affine_attention_weights,
    minutes=12,
    difficulty=3,
    checks=[_weights],
    hints=[
        "Three steps: `affine_map` of the key, `affine_scores` of the query with that, softmax.",
        "The softmax runs over the neighbors y only, axis 3 of (B, heads, |H|, k², Y, X). The sheets have already been "
        "summed, in the affine map.",
        "For ``masked``: `inside = neighborhoods(query.new_ones(query.shape[-2:]), kernel_size) > 0`, (k², Y, X), "
        "says which neighbors lie inside the map. Then `scores.masked_fill(~inside, -math.inf)`, and softmax.",
    ],
    known_mistakes=[
        (
            _other_weights(dims=(2,)),
            "Your softmax runs over the sheets h. It runs over the neighbors y: axis 3, of length k².",
        ),
        (
            _other_weights(dims=(2, 3)),
            "Your softmax runs over the sheets h and the neighbors together. Each h has a softmax of its own.",
        ),
        (
            _other_weights(dims=(4, 5)),
            "Your softmax runs over the pixels that look. It runs over those that are looked at: axis 3.",
        ),
        (
            _other_weights(scale=0.5),
            "You divide by the root of d. This layer divides by d itself; `affine_scores` does that for you.",
        ),
        (
            _other_weights(scale=1.0),
            "You forget to divide by d, the number of channels of a head. `affine_scores` does it.",
        ),
        (
            lambda query, key, key_affine, kernel_size, heads, masked: affine_attention_weights(
                query, key, (None, None), kernel_size, heads, masked
            ),
            "Your key has not been through its affine map. Apply `affine_map` with `key_affine` to it first.",
        ),
        (_masked_where(lambda windows, scores: (windows == 0).all(1, keepdim=True)), ZERO_IS_NOT_OUTSIDE),
        (
            _masked_where(lambda windows, scores: (windows == 0).all(2, keepdim=True).all(1, keepdim=True)),
            ZERO_IS_NOT_OUTSIDE,
        ),
        (_masked_where(lambda windows, scores: scores == 0), ZERO_IS_NOT_OUTSIDE),
        (
            _masked_late,
            "You mask after the softmax, so that at the border the weights do not sum to 1. Mask the scores, with −∞.",
        ),
        (
            _masked_with_zero,
            "You mask with a score of 0, and exp(0) = 1: the neighbor keeps a weight. Mask with −∞.",
        ),
        (
            lambda query, key, key_affine, kernel_size, heads, masked: affine_attention_weights(
                query, key, key_affine, kernel_size, heads
            ),
            "You never mask. With `masked`, a neighbor outside the map gets weight 0.",
        ),
        (
            lambda query, key, key_affine, kernel_size, heads, masked: affine_attention_weights(
                query, key, key_affine, kernel_size, heads, True
            ),
            "You always mask. Without `masked`, neighbors outside the map take part, as zeros with their β.",
        ),
    ],
)
