"""Local attention through affine maps: the inner operation of affine self convolution and its rivals."""

import math
from typing import Any

import torch
from torch import Tensor

from course_lib.kernels import fused_attention
from course_lib.kernels.compiled import can_run
from course_lib.kernels.doors import door
from course_lib.kernels.windows import neighborhoods, require_fit, require_odd_window, require_shares


def affine_map(f: Tensor, psi: Tensor | None, beta: Tensor | None, kernel_size: int) -> Tensor:
    """What each (h, t) makes of its neighbors, summed over the sheets (Eqs. 12 and 24):

        A[c, h, i](t) = Σ_h̃ ψ[c, h, h̃, i] f[c, h̃](t + d_i) + β[c, h, i]

    Shapes: f (B, C, |H̃|, Y, X), banks ψ (C, |H|, |H̃|, k, k) and β (C, |H|, k, k) → (B, C, |H|, k², Y, X).
    Outside of the map f is zero. Without ψ each h takes its own sheet as it is, without β nothing is added.
    Source: *Affine self convolution*, Eqs. 6, 12 and 24; notebook 09.
    """
    windows = neighborhoods(f, kernel_size)  # (B, C, |H̃|, k², Y, X)
    if psi is not None:
        windows = torch.einsum("chgi,bcgiyx->bchiyx", psi.flatten(-2), windows)
    return windows if beta is None else windows + beta.flatten(-2)[..., None, None]


def affine_scores(query: Tensor, keys: Tensor, heads: int) -> Tensor:
    """⟨query, key_i⟩ / d of every head, d = C / heads channels: (B, C, |H|, Y, X) and (B, C, |H|, k², Y, X)
    → (B, heads, |H|, k², Y, X). The paper divides by d, not by its root. Notebook 09."""
    products = (query.unsqueeze(3) * keys).unflatten(1, (heads, -1))
    return products.mean(dim=2)


def affine_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    key_affine: tuple[Tensor | None, Tensor | None],
    value_affine: tuple[Tensor | None, Tensor | None],
    kernel_size: int,
    heads: int = 1,
    masked: bool = False,
) -> Tensor:
    """Σ_i α_i(t) A^V[V]_i(t), α = softmax_i(⟨query, A^K[K]_i⟩ / d), with `affine_map` for A^K and A^V.

    Neighbor by neighbor, a few images at a time: no unfolded map, and backward keeps the arguments alone and makes
    the weights α again. It cannot be differentiated again (RuntimeError).

    Shapes: query (B, C, |H|, Y, X), key (B, C, |H̃|, Y, X), value (B, O, |H̃|, Y, X), banks (ψ, β) as in `affine_map`
    → (B, O, |H|, Y, X).
    ``masked``: neighbors outside of the map get no weight; otherwise they take part as zeros, with their β.
    Raises ValueError for others. Source: *Affine self convolution*, Eqs. 10, 11, 19 and 20; notebook 09; reference
    `unfold_and_attend`.
    """
    require_odd_window(kernel_size)
    window = kernel_size, kernel_size
    for name, f, channels, (psi, beta) in (
        ("key", key, query.shape[1], key_affine),
        ("value", value, value.shape[1], value_affine),
    ):
        sheets = query.shape[2] if psi is None else psi.shape[2]  # |H̃|; without ψ each h takes its own sheet
        require_fit(name, f, (query.shape[0], channels, sheets, *query.shape[3:]))
        require_shares("heads", heads, channels)
        if psi is not None:
            require_fit(f"ψ of the {name}", psi, (channels, query.shape[2], sheets, *window))
        if beta is not None:
            require_fit(f"β of the {name}", beta, (channels, query.shape[2], *window))
    return _affine_attention(query, key, value, *key_affine, *value_affine, kernel_size, heads, masked)


def affine_attention_weights(
    query: Tensor,
    key: Tensor,
    key_affine: tuple[Tensor | None, Tensor | None],
    kernel_size: int,
    heads: int = 1,
    masked: bool = False,
) -> Tensor:
    """α alone, where each (h, t) looks: (B, heads, |H|, k², Y, X), sums to 1 over the k² neighbors. Notebook 09."""
    scores = affine_scores(query, affine_map(key, *key_affine, kernel_size), heads)
    if masked:
        inside = neighborhoods(query.new_ones(query.shape[-2:]), kernel_size) > 0  # (k², Y, X)
        scores = scores.masked_fill(~inside, -math.inf)
    return scores.softmax(dim=3)


def unfold_and_attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    key_affine: tuple[Tensor | None, Tensor | None],
    value_affine: tuple[Tensor | None, Tensor | None],
    kernel_size: int,
    heads: int = 1,
    masked: bool = False,
) -> Tensor:
    """`affine_attention` as the paper describes it, the reference: unfolded maps, k² times the map. Notebook 09."""
    weights = affine_attention_weights(query, key, key_affine, kernel_size, heads, masked)
    values = affine_map(value, *value_affine, kernel_size).unflatten(1, (heads, -1))  # (B, heads, d, |H|, k², Y, X)
    return (weights.unsqueeze(2) * values).sum(dim=4).flatten(1, 2)


def _run(*inputs: Any) -> Tensor:
    if can_run(*inputs[:7]):
        from course_lib.kernels import compiled_attention

        return compiled_attention.affine_attention(*inputs)
    return fused_attention.attend(*inputs)


def _differentiate(*inputs: Any) -> list[Tensor]:
    if can_run(*inputs[:8]):
        from course_lib.kernels import compiled_attention

        return compiled_attention.affine_attention_backward(*inputs)
    return fused_attention.attend_backward(*inputs)


_affine_attention = door(
    "affine_attention",
    "Tensor query, Tensor key, Tensor value, Tensor? key_psi, Tensor? key_beta, Tensor? value_psi, Tensor? value_beta,"
    " int kernel_size, int heads, bool masked",
    _run,
    _differentiate,
    fused_attention.result_like,
    reference="unfold_and_attend",
)
