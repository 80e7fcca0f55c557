"""Local self-attention on the group: each query looks at k × k pixels on all sheets. Notebook 07."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from course_lib.kernels.lines import Lines, chunks, promoted, refuse_second_derivative, without_autocast, working
from course_lib.kernels.windows import neighbourhoods, require_fit, require_odd_window, require_shares


def attention_weights(scores: Tensor, inside: Tensor) -> Tensor:
    """Softmax over all (h̃, neighbour) of one query together; neighbours outside of the map get no weight.

    Shapes: scores ``(..., |H̃|, k², Y, X)`` → the same; ``inside``, bool, ``(k², Y, X)``. Notebook 07.
    """
    visible = scores.masked_fill(~inside, -math.inf)
    return visible.flatten(-4, -3).softmax(dim=-3).view_as(scores)


def group_attention_weights(query: Tensor, key: Tensor, positions: Tensor, heads: int) -> Tensor:
    """Where each (h, t) looks, α in `group_attention`: (B, heads, |H|, |H̃|, k², Y, X), sums to 1 over (|H̃|, k²)."""
    kernel_size, bank = positions.shape[-1], positions.flatten(-2).unflatten(0, (heads, -1))
    by_head = query.unflatten(1, (heads, -1)) / math.sqrt(query.shape[1] // heads)  # (B, heads, d, |H|, Y, X)
    keys = neighbourhoods(key.unflatten(1, (heads, -1)), kernel_size)  # (B, heads, d, |H̃|, k², Y, X)
    scores = torch.einsum("bmdhyx,bmdgnyx->bmhgnyx", by_head, keys)
    scores = scores + torch.einsum("bmdhyx,mdhgn->bmhgnyx", by_head, bank)
    inside = neighbourhoods(query.new_ones(query.shape[-2:]), kernel_size) > 0  # (k², Y, X)
    return attention_weights(scores, inside)


def unfold_and_attend_on_group(query: Tensor, key: Tensor, value: Tensor, positions: Tensor, heads: int) -> Tensor:
    """`group_attention` as it is defined, the reference: keys and values unfolded, k² times the map. Notebook 07."""
    weights = group_attention_weights(query, key, positions, heads)
    values = neighbourhoods(value.unflatten(1, (heads, -1)), positions.shape[-1])  # (B, heads, d, |H̃|, k², Y, X)
    return torch.einsum("bmhgnyx,bmdgnyx->bmdhyx", weights, values).flatten(1, 2)


def group_attention(query: Tensor, key: Tensor, value: Tensor, positions: Tensor, heads: int = 1) -> Tensor:
    """Σ_{h̃, i} α V[c, h̃](t + d_i), α = softmax over (h̃, i) of ⟨Q(t, h), K(t + d_i, h̃) + P[h, h̃, i]⟩ / √d.

    Each head has d = C / heads channels. Neighbours outside of the map get no weight. Neighbour by neighbour, a few
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
    return _GroupAttention.apply(query, key, value, positions, heads)


class _GroupAttention(Function):
    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        query, key, value, positions, ctx.heads = inputs
        ctx.save_for_backward(query, key, value, positions)
        out = value.new_empty(len(value), value.shape[1], *query.shape[2:], dtype=promoted(*inputs[:4]))
        steps = _Steps(query, key, value, positions, ctx.heads)
        with without_autocast(query.device):
            for some in steps.chunks():
                weights = steps.weights(steps.lay(query[some]), steps.lay_with_border(key[some]))
                out[some] = steps.pick_up(steps.combine(weights, steps.lay_with_border(value[some])))
        return out

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        refuse_second_derivative("unfold_and_attend_on_group")
        query, key, value, positions = ctx.saved_tensors
        steps = _Steps(query, key, value, positions, ctx.heads)
        grad_query, grad_key, grad_value = map(torch.empty_like, (query, key, value))
        grad_positions = torch.zeros_like(steps.positions)
        with without_autocast(query.device):
            for some in steps.chunks():
                laid, grad = steps.lay(query[some]), steps.lay(upstream[some])
                keys, values = steps.lay_with_border(key[some]), steps.lay_with_border(value[some])
                weights = steps.weights(laid, keys)
                grad_value[some] = steps.pick_up_from_border(steps.spread(weights, grad, values))
                grad_scores = _softmax_backward(weights, steps.compare(grad, values)).mul_(steps.scale)
                grad_laid = steps.combine(grad_scores, keys)
                grad_laid += torch.einsum("mdhgi,mhgibn->mdhbn", steps.positions, grad_scores)
                grad_query[some] = steps.pick_up(grad_laid)
                grad_key[some] = steps.pick_up_from_border(steps.spread(grad_scores, laid, keys))
                grad_positions += torch.einsum("mhgibn,mdhbn->mdhgi", grad_scores, laid)
        return grad_query, grad_key, grad_value, grad_positions.reshape(positions.shape).to(positions.dtype), None


def _softmax_backward(weights: Tensor, grad: Tensor) -> Tensor:
    """α (∂α − Σ α ∂α), the sum over sheets and neighbours: all (heads, |H|, |H̃|, k², b, n)."""
    product = weights * grad
    return product.sub_(weights * product.sum(dim=(2, 3), keepdim=True))


class _Steps:
    """What is done neighbour by neighbour, on lines: queries (heads, d, |H|, b, n), keys and values with their border
    (heads, d, |H̃|, b, m), weights and scores (heads, |H|, |H̃|, k², b, n); see `Lines`."""

    def __init__(self, query: Tensor, key: Tensor, value: Tensor, positions: Tensor, heads: int) -> None:
        self.query, self.heads, self.kernel_size = query, heads, positions.shape[-1]
        self.dtype = working(promoted(query, key, value, positions))
        self.lines = Lines(self.kernel_size, *query.shape[-2:])
        self.scale = 1 / math.sqrt(query.shape[1] // heads)
        self.positions = positions.to(self.dtype).unflatten(0, (heads, -1)).flatten(-2)  # (heads, d, |H|, |H̃|, k²)

    def chunks(self) -> list[slice]:
        sheets = self.query.shape[2]
        return chunks(self.query, self.heads * sheets * self.kernel_size**2 * self.query[:1, 0].numel())

    def lay(self, f: Tensor) -> Tensor:
        return self.lines.lay(f.transpose(1, 2), self.dtype).unflatten(0, (self.heads, -1))

    def lay_with_border(self, f: Tensor) -> Tensor:
        return self.lines.lay_with_border(f.transpose(1, 2), self.dtype).unflatten(0, (self.heads, -1))

    def pick_up(self, lines: Tensor) -> Tensor:
        return self.lines.pick_up(lines.flatten(0, 1)).transpose(1, 2)

    def pick_up_from_border(self, lines: Tensor) -> Tensor:
        return self.lines.pick_up_from_border(lines.flatten(0, 1)).transpose(1, 2)

    def windows(self, f: Tensor) -> list[tuple[int, Tensor]]:
        """The number of each neighbour and the line moved so that it lies where the query does."""
        places = product(range(self.kernel_size), repeat=2)
        return [(i, self.lines.window(f, row, column)) for i, (row, column) in enumerate(places)]

    def weights(self, query: Tensor, key: Tensor) -> Tensor:
        """α, made of the scores in place."""
        scores = self.compare(query, key)
        scores += torch.einsum("mdhgi,mdhbn->mhgibn", self.positions, query)
        ones = self.query.new_ones(1, 1, 1, *self.query.shape[-2:])
        inside = self.lines.windows(self.lines.lay_with_border(ones, self.dtype)) > 0  # (1, 1, k, k, 1, n)
        visible = scores.mul_(self.scale).masked_fill_(~inside.flatten(2, 3), -math.inf)
        return visible.flatten(2, 3).softmax(dim=2).view_as(scores)

    def compare(self, query: Tensor, f: Tensor) -> Tensor:
        """⟨query, f_i⟩ in each head, for each pair of sheets."""
        heads, depth, sheets, b, n = query.shape
        out = query.new_zeros(heads, sheets, f.shape[2], self.kernel_size**2, b, n)
        for i, window in self.windows(f):
            for c in range(depth):
                out[:, :, :, i].addcmul_(query[:, c, :, None], window[:, c, None])
        return out

    def combine(self, weights: Tensor, f: Tensor) -> Tensor:
        """Σ_{h̃, i} weight f_i: (heads, d, |H|, b, n)."""
        heads, sheets, _, _, b, n = weights.shape
        out = f.new_zeros(heads, f.shape[1], sheets, b, n)
        for i, window in self.windows(f):
            for sheet in range(f.shape[2]):
                out.addcmul_(weights[:, None, :, sheet, i], window[:, :, sheet, None])
        return out

    def spread(self, weights: Tensor, upstream: Tensor, f: Tensor) -> Tensor:
        """The gradient of ⟨upstream, Σ weight f_i⟩ for f: (heads, d, |H̃|, b, m)."""
        grad = torch.zeros_like(f)
        for i, window in self.windows(grad):
            for sheet in range(upstream.shape[2]):
                window.addcmul_(weights[:, None, sheet, :, i], upstream[:, :, sheet, None])
        return grad
