"""Local attention without unfolded maps: neighbor by neighbor, a few images at a time, and again in backward."""

import math
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import torch
from torch import Tensor

from course_lib.kernels.lines import Lines, chunks, promoted, softmax_backward, without_autocast, working

Affine = tuple[Tensor | None, Tensor | None]  # ψ (k, k, C, |H|, |H̃|), step by step, and β (C, |H|, k, k)


def attend(query: Tensor, key: Tensor, value: Tensor, *banks_and_settings: Any) -> Tensor:
    """`course_lib.kernels.affine_attention`; its banks (ψ and β of the key, then of the value) and settings follow."""
    inputs = (query, key, value, *banks_and_settings)
    out, attention = result_like(*inputs), _Attention(inputs)
    with without_autocast(query.device):
        for chunk in attention.chunks():
            weights = attention.weights(attention.lay(query[chunk]), attention.lay_with_border(key[chunk]))
            values = attention.lay_with_border(value[chunk])
            out[chunk] = attention.pick_up(attention.combine(weights, values, attention.value_affine))
    return out


def attend_backward(upstream: Tensor, query: Tensor, key: Tensor, value: Tensor, *rest: Any) -> list[Tensor]:
    """Forward compares and then combines, s_i = ⟨q, A^K_i⟩ and Σ_i α_i A^V_i. So does backward: ∂α_i = ⟨∂out, A^V_i⟩
    and ∂q = Σ_i ∂s_i A^K_i. What is left, the gradients of the maps, is one function for keys and values."""
    attention = _Attention((query, key, value, *rest))
    grad_query, grad_key, grad_value = map(torch.empty_like, (query, key, value))
    grad_key_affine, grad_value_affine = map(_zeros, (attention.key_affine, attention.value_affine))
    with without_autocast(query.device):
        for chunk in attention.chunks():
            laid, grad = attention.lay(query[chunk]), attention.lay(upstream[chunk])
            keys, values = attention.lay_with_border(key[chunk]), attention.lay_with_border(value[chunk])
            weights = attention.weights(laid, keys)
            grad_weights = attention.compare(grad, values, attention.value_affine)
            grad_mapped = attention.spread(weights, grad, values, attention.value_affine, grad_value_affine)
            grad_value[chunk] = attention.pick_up_from_border(grad_mapped)
            grad_scores = softmax_backward(weights, grad_weights, dim=1).div_(query.shape[1] // attention.heads)
            grad_query[chunk] = attention.pick_up(attention.combine(grad_scores, keys, attention.key_affine))
            grad_mapped = attention.spread(grad_scores, laid, keys, attention.key_affine, grad_key_affine)
            grad_key[chunk] = attention.pick_up_from_border(grad_mapped)
    banks = _gradients_of_banks(rest[:4], (*grad_key_affine, *grad_value_affine))
    return [grad_query, grad_key, grad_value, *banks]


def result_like(query: Tensor, key: Tensor, value: Tensor, *rest: Any) -> Tensor:
    """Memory for the result, (B, O, |H|, Y, X)."""
    dtype = promoted(query, key, value, *(bank for bank in rest[:4] if bank is not None))
    return value.new_empty(value.shape[0], value.shape[1], *query.shape[2:], dtype=dtype)


def _by_step(psi: Tensor) -> Tensor:
    """The matrices of one step side by side, as matrix products want them: → (k, k, C, |H|, |H̃|)."""
    return psi.movedim((-2, -1), (0, 1)).contiguous()


def _gradients_of_banks(banks: Sequence[Tensor | None], gradients: Sequence[Tensor | None]) -> list[Tensor]:
    """Those of the banks that are there, laid out like them."""
    found = []
    for bank, grad in zip(banks, gradients, strict=True):
        if bank is not None and grad is not None:
            is_psi = bank.ndim == 5  # its gradient lies step by step
            found.append(torch.empty_like(bank).copy_(grad.movedim((0, 1), (-2, -1)) if is_psi else grad))
    return found


def _zeros(affine: Affine) -> Affine:
    psi, beta = (None if bank is None else torch.zeros_like(bank) for bank in affine)
    return psi, beta


class _Attention:
    """The steps, on lines: a query is (C, |H|, b, n), a key or value with its border (C, |H̃|, b, m), see `Lines`."""

    def __init__(self, inputs: Sequence[Any]) -> None:
        tensors, (kernel_size, heads, masked) = inputs[:7], inputs[7:]
        present = [t for t in tensors if t is not None]
        self.query, self.dtype, self.heads, self.masked = present[0], working(promoted(*present)), heads, masked
        self.lines = Lines(kernel_size, *self.query.shape[-2:])
        banks = [None if bank is None else bank.to(self.dtype) for bank in tensors[3:]]
        key_psi, value_psi = (None if psi is None else _by_step(psi) for psi in banks[::2])
        self.key_affine: Affine = (key_psi, banks[1])
        self.value_affine: Affine = (value_psi, banks[3])

    def chunks(self) -> list[slice]:
        return chunks(self.query, self.heads * self.lines.kernel_size**2 * self.query[:1, 0].numel())

    def lay(self, f: Tensor) -> Tensor:
        return self.lines.lay(f.transpose(1, 2), self.dtype)

    def lay_with_border(self, f: Tensor) -> Tensor:
        return self.lines.lay_with_border(f.transpose(1, 2), self.dtype)

    def pick_up(self, lines: Tensor) -> Tensor:
        return self.lines.pick_up(lines).transpose(1, 2)

    def pick_up_from_border(self, lines: Tensor) -> Tensor:
        return self.lines.pick_up_from_border(lines).transpose(1, 2)

    def steps(self) -> Iterator[tuple[int, int, int]]:
        """The number i of each neighbor, its row and its column in the window."""
        k = self.lines.kernel_size
        for row, column in product(range(k), repeat=2):
            yield row * k + column, row, column

    def weights(self, query: Tensor, key: Tensor) -> Tensor:
        """α: (heads, k², |H|, b, n)."""
        scores = self.compare(query, key, self.key_affine).div_(len(query) // self.heads)
        if self.masked:
            ones = self.query.new_ones(1, 1, 1, *self.query.shape[-2:])
            inside = self.lines.windows(self.lay_with_border(ones)) > 0  # (1, 1, k, k, 1, n)
            scores.masked_fill_(~inside.flatten(2, 3).movedim(2, 1), -math.inf)
        return scores.softmax(dim=1)

    def compare(self, query: Tensor, f: Tensor, affine: Affine) -> Tensor:
        """⟨query, A[f]_i⟩ in each head: (heads, k², |H|, b, n)."""
        psi, beta = affine
        by_head = query.unflatten(0, (self.heads, -1))
        out = query.new_empty(self.heads, self.lines.kernel_size**2, *query.shape[1:])
        scaled = psi is not None and psi.shape[-1] == 1  # one sheet: ψ can wait for the sum over the channels
        for i, row, column in self.steps():
            mapped = f if scaled else _mapped(f, psi, row, column)
            factors = psi[row, column] if psi is not None and scaled else query.new_ones(len(query))
            products = (query * self.lines.window(mapped, row, column)).view(*by_head.shape[:2], -1)
            out[:, i] = torch.bmm(factors.reshape(self.heads, 1, -1), products).view_as(out[:, i])
        if beta is not None:
            out += torch.einsum("mdhbn,mdhi->mihbn", by_head, self._by_head(beta))
        return out

    def combine(self, weights: Tensor, f: Tensor, affine: Affine) -> Tensor:
        """Σ_i weight_i A[f]_i: (C, |H|, b, n)."""
        psi, beta = affine
        out = weights.new_zeros(self.heads, len(f) // self.heads, *weights.shape[2:])
        for i, row, column in self.steps():
            mapped = self.lines.window(_mapped(f, psi, row, column), row, column)
            out.addcmul_(weights[:, i, None], mapped.unflatten(0, (self.heads, -1)))
        if beta is not None:
            out += torch.einsum("mihbn,mdhi->mdhbn", weights, self._by_head(beta))
        return out.flatten(0, 1)

    def spread(self, weights: Tensor, upstream: Tensor, f: Tensor, affine: Affine, grad_affine: Affine) -> Tensor:
        """Where Σ_i ⟨upstream, weight_i A[f]_i⟩ has its gradients: for f returned, for ψ and β added to grad_affine."""
        (psi, beta), (grad_psi, grad_beta) = affine, grad_affine
        by_head = upstream.unflatten(0, (self.heads, -1))
        grad_f = torch.zeros_like(f)
        moved = f.new_empty(len(f), upstream.shape[1], *f.shape[2:])
        for i, row, column in self.steps():
            moved.zero_()
            window = self.lines.window(moved, row, column).unflatten(0, (self.heads, -1))
            window.addcmul_(weights[:, i, None], by_head)
            if psi is None or grad_psi is None:
                grad_f += moved
                continue
            grad_psi[row, column] += torch.bmm(moved.flatten(2), f.flatten(2).mT)
            grad_f.flatten(2).baddbmm_(psi[row, column].mT, moved.flatten(2))
        if beta is not None and grad_beta is not None:
            grad_beta += torch.einsum("mihbn,mdhbn->mdhi", weights, by_head).reshape(grad_beta.shape)
        return grad_f

    def _by_head(self, beta: Tensor) -> Tensor:
        return beta.flatten(2).unflatten(0, (self.heads, -1))  # (heads, d, |H|, k²)


def _mapped(f: Tensor, psi: Tensor | None, row: int, column: int) -> Tensor:
    """Σ_h̃ ψ[c, h, h̃, i] f[c, h̃]: (C, |H̃|, b, m) → (C, |H|, b, m)."""
    if psi is None:
        return f
    return torch.bmm(psi[row, column], f.flatten(2)).unflatten(2, f.shape[2:])
