"""Local self-attention on the group: each query looks at k × k pixels on all sheets. Notebook 07."""

import math
from typing import Any

import torch
from torch import Tensor

from course_lib.kernels import fused_group_attention
from course_lib.kernels.compiled import can_run
from course_lib.kernels.doors import door
from course_lib.kernels.windows import neighborhoods, require_fit, require_odd_window, require_shares


def attention_weights(scores: Tensor, inside: Tensor) -> Tensor:
    """Softmax over all (h̃, neighbor) of one query together; neighbors outside of the map get no weight.

    Shapes: scores ``(..., |H̃|, k², Y, X)`` → the same; ``inside``, bool, ``(k², Y, X)``. Notebook 07.
    """
    visible = scores.masked_fill(~inside, -math.inf)
    return visible.flatten(-4, -3).softmax(dim=-3).view_as(scores)


def group_attention_weights(query: Tensor, key: Tensor, positions: Tensor, heads: int) -> Tensor:
    """Where each (h, t) looks, α in `group_attention`: (B, heads, |H|, |H̃|, k², Y, X), sums to 1 over (|H̃|, k²)."""
    kernel_size, bank = positions.shape[-1], positions.flatten(-2).unflatten(0, (heads, -1))
    by_head = query.unflatten(1, (heads, -1)) / math.sqrt(query.shape[1] // heads)  # (B, heads, d, |H|, Y, X)
    keys = neighborhoods(key.unflatten(1, (heads, -1)), kernel_size)  # (B, heads, d, |H̃|, k², Y, X)
    scores = torch.einsum("bmdhyx,bmdgnyx->bmhgnyx", by_head, keys)
    scores = scores + torch.einsum("bmdhyx,mdhgn->bmhgnyx", by_head, bank)
    inside = neighborhoods(query.new_ones(query.shape[-2:]), kernel_size) > 0  # (k², Y, X)
    return attention_weights(scores, inside)


def unfold_and_attend_on_group(query: Tensor, key: Tensor, value: Tensor, positions: Tensor, heads: int) -> Tensor:
    """`group_attention` as it is defined, the reference: keys and values unfolded, k² times the map. Notebook 07."""
    weights = group_attention_weights(query, key, positions, heads)
    values = neighborhoods(value.unflatten(1, (heads, -1)), positions.shape[-1])  # (B, heads, d, |H̃|, k², Y, X)
    return torch.einsum("bmhgnyx,bmdgnyx->bmdhyx", weights, values).flatten(1, 2)


def group_attention(query: Tensor, key: Tensor, value: Tensor, positions: Tensor, heads: int = 1) -> Tensor:
    """Σ_{h̃, i} α V[c, h̃](t + d_i), α = softmax over (h̃, i) of ⟨Q(t, h), K(t + d_i, h̃) + P[h, h̃, i]⟩ / √d.

    Each head has d = C / heads channels. Neighbors outside of the map get no weight. Neighbor by neighbor, a few
    images at a time: nothing is unfolded, and backward keeps the arguments alone and makes α again. It cannot be
    differentiated again (RuntimeError).
    Shapes: query (B, C, |H|, Y, X), key (B, C, |H̃|, Y, X), value (B, O, |H̃|, Y, X), positions as every h sees them
    (C, |H|, |H̃|, k, k) → (B, O, |H|, Y, X). Raises ValueError for others. Source: He et al. (2021), Eq. 6; notebook 07;
    reference `unfold_and_attend_on_group`.
    """
    batch, channels, sheets, *size = query.shape
    window = positions.shape[-1]
    require_odd_window(window)
    require_fit("key", key, (batch, channels, -1, *size))
    require_fit("value", value, (batch, -1, key.shape[2], *size))
    require_fit("positions", positions, (channels, sheets, key.shape[2], window, window))
    require_shares("heads", heads, channels)
    require_shares("heads", heads, value.shape[1])
    return _group_attention(query, key, value, positions, heads)


def _run(*inputs: Any) -> Tensor:
    if can_run(*inputs[:4]):
        from course_lib.kernels import compiled_attention

        return compiled_attention.group_attention(*inputs)
    return fused_group_attention.attend(*inputs)


def _differentiate(*inputs: Any) -> list[Tensor]:
    if can_run(*inputs[:5]):
        from course_lib.kernels import compiled_attention

        return compiled_attention.group_attention_backward(*inputs)
    return fused_group_attention.attend_backward(*inputs)


_group_attention = door(
    "group_attention",
    "Tensor query, Tensor key, Tensor value, Tensor positions, int heads",
    _run,
    _differentiate,
    fused_group_attention.result_like,
    reference="unfold_and_attend_on_group",
)
