"""Self-attention on the group without unfolded maps: neighbor by neighbor, a few images at a time. Notebook 07."""

import math
from itertools import product

import torch
from torch import Tensor

from course_lib.kernels.lines import Lines, chunks, promoted, softmax_backward, without_autocast, working


def attend(query: Tensor, key: Tensor, value: Tensor, positions: Tensor, heads: int) -> Tensor:
    """`course_lib.kernels.group_attention`."""
    out, steps = result_like(query, key, value, positions, heads), _Steps(query, key, value, positions, heads)
    with without_autocast(query.device):
        for chunk in steps.chunks():
            weights = steps.weights(steps.lay(query[chunk]), steps.lay_with_border(key[chunk]))
            out[chunk] = steps.pick_up(steps.combine(weights, steps.lay_with_border(value[chunk])))
    return out


def attend_backward(
    upstream: Tensor, query: Tensor, key: Tensor, value: Tensor, positions: Tensor, heads: int
) -> list[Tensor]:
    steps = _Steps(query, key, value, positions, heads)
    grad_query, grad_key, grad_value = map(torch.empty_like, (query, key, value))
    grad_positions = torch.zeros_like(steps.positions)
    with without_autocast(query.device):
        for chunk in steps.chunks():
            laid, grad = steps.lay(query[chunk]), steps.lay(upstream[chunk])
            keys, values = steps.lay_with_border(key[chunk]), steps.lay_with_border(value[chunk])
            weights = steps.weights(laid, keys)
            grad_value[chunk] = steps.pick_up_from_border(steps.spread(weights, grad, values))
            grad_scores = softmax_backward(weights, steps.compare(grad, values), dim=(2, 3)).mul_(steps.scale)
            grad_laid = steps.combine(grad_scores, keys)
            grad_laid += torch.einsum("mdhgi,mhgibn->mdhbn", steps.positions, grad_scores)
            grad_query[chunk] = steps.pick_up(grad_laid)
            grad_key[chunk] = steps.pick_up_from_border(steps.spread(grad_scores, laid, keys))
            grad_positions += torch.einsum("mhgibn,mdhbn->mdhgi", grad_scores, laid)
    grad_positions = torch.empty_like(positions).copy_(grad_positions.reshape(positions.shape))
    return [grad_query, grad_key, grad_value, grad_positions]


def result_like(query: Tensor, key: Tensor, value: Tensor, positions: Tensor, heads: int) -> Tensor:
    """Memory for the result, (B, O, |H|, Y, X)."""
    dtype = promoted(query, key, value, positions)
    return value.new_empty(value.shape[0], value.shape[1], *query.shape[2:], dtype=dtype)


class _Steps:
    """What is done neighbor by neighbor, on lines: queries (heads, d, |H|, b, n), keys and values with their border
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
        """The number of each neighbor and the line moved so that it lies where the query does."""
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
