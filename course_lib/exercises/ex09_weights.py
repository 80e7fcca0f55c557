"""Exercise 9.3 of notebook 09: the weights of affine self convolution."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.exercises import Function, compare, register
from course_lib.exercises.comparing import Mistake, call
from course_lib.kernels import affine_attention_weights, affine_map, neighborhoods
from course_lib.kernels.attention import affine_scores


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
    for heads, masked, because in (
        (1, False, "One head of 4 channels: look at the affine map of the key, with its ψ and β."),
        (2, False, "One head was right: look at how the channels are cut into heads."),
        (2, True, "Without `masked` it was right."),
    ):
        compare(f, reference, query, key, banks, 3, heads, masked, because=because)


AXES = {1: "the heads", 2: "the sheets h", 4: "the pixels of a column that look", 5: "the pixels of a row that look"}


def _properties(f: Function, reference: Function) -> None:
    """What all right weights have in common, before they are compared. Two heads, two sheets, 2 × 3 pixels."""
    psi, beta = torch.randn(4, 2, 2, 3, 3), torch.randn(4, 2, 3, 3)
    beta[..., 0] = 0  # so that outside the map some scores are 0 and others are not
    parts = torch.randn(1, 4, 2, 2, 3), torch.randn(1, 4, 2, 2, 3), (psi, beta)
    for masked, because in ((False, ""), (True, "What lies outside is the same for all heads and sheets: (k², Y, X).")):
        inputs = *parts, 3, 2, masked
        expected, example = reference(*inputs), dict(zip(("query", "key", "key_affine"), parts, strict=True))
        yours = call(f, *inputs, example=example, because=because)
        if _problem(expected, masked) or not isinstance(yours, Tensor) or yours.shape != expected.shape:
            compare(f, reference, *inputs)  # a known mistake may play the reference
        elif problem := _problem(yours, masked):
            raise Mistake(problem, example | {"heads": 2, "masked": masked})


def _problem(weights: Tensor, masked: bool) -> str | None:
    if not _all_one(weights.sum(dim=3)):
        other = [f"1 over {name}, axis {axis}" for axis, name in AXES.items() if _all_one(weights.sum(axis))]
        sums = ", ".join(other) or f"{weights.sum(dim=3).flatten()[0]:.2f} for the first g"
        return f"The weights of each g must sum to 1 over the neighbors y, axis 3. Yours sum to {sums}."
    if (weights < 0).any():
        return "Some of your weights are negative. A softmax takes exp of the scores before it divides by their sum."
    outside = weights[..., neighborhoods(weights.new_ones(weights.shape[-2:]), 3) == 0]
    if masked and outside.any():
        return f"A neighbor outside the map has the weight {outside.max():.2g}. With `masked` it is 0: its score is −∞."
    return None


def _all_one(sums: Tensor) -> bool:
    return torch.allclose(sums, torch.ones_like(sums))


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


def _unnormalized(
    query: Tensor, key: Tensor, key_affine: tuple[Tensor, Tensor], kernel_size: int, heads: int, masked: bool
) -> Tensor:
    scores = affine_scores(query, affine_map(key, *key_affine, kernel_size), heads)
    inside = neighborhoods(query.new_ones(query.shape[-2:]), kernel_size)
    return scores.exp() * inside if masked else scores.exp()


def _query_mapped(
    query: Tensor, key: Tensor, key_affine: tuple[Tensor, Tensor], kernel_size: int, heads: int, masked: bool
) -> Tensor:
    middle = affine_map(query, *key_affine, kernel_size)[:, :, :, kernel_size**2 // 2]
    return affine_attention_weights(middle, key, key_affine, kernel_size, heads, masked)


def _scores_only(
    query: Tensor, key: Tensor, key_affine: tuple[Tensor, Tensor], kernel_size: int, heads: int, masked: bool
) -> Tensor:
    return affine_scores(query, affine_map(key, *key_affine, kernel_size), heads)


ZERO_IS_NOT_OUTSIDE = (
    "You mask where the value is zero, but a pixel inside the map may be zero, too. What lies outside depends on "
    "the place only, not on any value."
)

register(
    "9.3",
    affine_attention_weights,
    minutes=12,
    difficulty=3,
    checks=[_properties, _weights],
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
        (
            lambda query, key, key_affine, kernel_size, heads, masked: affine_attention_weights(
                query, key, key_affine, kernel_size, 1, masked
            ),
            "You do not pass on `heads`. Each head has scores of its own, from its part of the channels.",
        ),
        (
            lambda query, key, key_affine, kernel_size, heads, masked: affine_attention_weights(
                query, key, (key_affine[0], None), kernel_size, heads, masked
            ),
            "The β of the key is missing. Pass both tables of `key_affine` to `affine_map`.",
        ),
        (
            _masked_where(
                lambda windows, scores: (
                    neighborhoods(scores.new_ones(scores.shape[-2:]), math.isqrt(scores.shape[3])) > 0
                )
            ),
            "You mask what lies inside the map. `masked_fill` fills where it is given True: use `~inside`.",
        ),
        (
            _other_weights(dims=(5,)),
            "Your softmax runs over the last axis, the pixels of a row that look. It runs over the neighbors: axis 3.",
        ),
        (
            lambda query, key, key_affine, kernel_size, heads, masked: _scores_only(
                query, key, key_affine, kernel_size, heads, masked
            ).softmax(dim=-1),
            "Your softmax runs over the last axis, the pixels of a row that look. It runs over the neighbors: axis 3.",
        ),
        (
            _query_mapped,
            "You send the query through the affine map of the key. Use it as it is: it has been through its own.",
        ),
        (_scores_only, "You return the scores. The weights are their softmax over the neighbors, axis 3."),
        (
            _other_weights(scale=-1.0),
            "You divide by d twice. `affine_scores` has divided by it already.",
        ),
        (
            _unnormalized,
            "Your weights do not sum to 1. A softmax also divides by the sum over the neighbors.",
        ),
    ],
)
