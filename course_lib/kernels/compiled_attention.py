"""Both local attentions in compiled loops: through affine maps, and on the group. One pair of kernels does it.

What differs: on the group every sheet of the keys has weights of its own, the positions are the β of the keys, and
every ψ is 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.kernels import fused_attention, fused_group_attention
from course_lib.kernels.compiled import shared_among_threads
from course_lib.kernels.loops_attention import backward, forward
from course_lib.kernels.loops_softmax import BLOCK

Numbers = tuple[np.uintp, ...]


def affine_attention(query: Tensor, key: Tensor, value: Tensor, *banks_and_settings: Any) -> Tensor:
    """`course_lib.kernels.affine_attention`, for what `compiled.can_run` accepts."""
    out = fused_attention.result_like(query, key, value, *banks_and_settings)
    return _affine(query, key, value, *banks_and_settings).attend(query, key, value, out)


def affine_attention_backward(
    upstream: Tensor, query: Tensor, key: Tensor, value: Tensor, *banks_and_settings: Any
) -> list[Tensor]:
    attention = _affine(query, key, value, *banks_and_settings)
    *maps, key_psi, key_beta, value_psi, value_beta = attention.differentiate(upstream, query, key, value)
    gradients = (key_psi, key_beta[:, :, 0], value_psi, value_beta[:, :, 0])  # β is added once, beside the first sheet
    banks = [
        torch.empty_like(bank).copy_(grad.unflatten(-1, bank.shape[-2:]))
        for bank, grad in zip(banks_and_settings[:4], gradients, strict=True)
        if bank is not None
    ]
    return [*maps, *banks]


def group_attention(query: Tensor, key: Tensor, value: Tensor, positions: Tensor, heads: int) -> Tensor:
    """`course_lib.kernels.group_attention`, for what `compiled.can_run` accepts."""
    out = fused_group_attention.result_like(query, key, value, positions, heads)
    return _on_group(query, key, value, positions, heads).attend(query, key, value, out)


def group_attention_backward(
    upstream: Tensor, query: Tensor, key: Tensor, value: Tensor, positions: Tensor, heads: int
) -> list[Tensor]:
    attention = _on_group(query, key, value, positions, heads)
    *maps, _, grad, _, _ = attention.differentiate(upstream, query, key, value)
    return [*maps, torch.empty_like(positions).copy_(grad.unflatten(-1, positions.shape[-2:]))]


def _affine(query: Tensor, key: Tensor, value: Tensor, *banks_and_settings: Any) -> _Attention:
    *banks, kernel_size, heads, masked = banks_and_settings
    by_sheet = []
    for f, psi, beta in ((key, *banks[:2]), (value, *banks[2:])):
        shape = (f.shape[1], query.shape[2], 1 if psi is None else f.shape[2], kernel_size**2)
        by_sheet.append(f.new_ones(shape) if psi is None else psi.flatten(-2))
        by_sheet.append(f.new_zeros(shape))
        if beta is not None:
            by_sheet[-1][:, :, 0] = beta.flatten(-2)
    return _Attention(by_sheet, query, kernel_size, heads, masked, heads / query.shape[1])


def _on_group(query: Tensor, key: Tensor, value: Tensor, positions: Tensor, heads: int) -> _Attention:
    channels, kernel_size = value.shape[1], positions.shape[-1]
    beta = positions.flatten(-2)
    ones, zeros = torch.ones_like(beta), beta.new_zeros(channels, *beta.shape[1:])
    banks = [ones, beta, torch.ones_like(zeros), zeros]
    return _Attention(banks, query, kernel_size, heads, True, math.sqrt(heads / query.shape[1]), apart=True)


class _Attention:
    """Banks as the loops want them, and the numbers that describe maps, windows and banks to them."""

    def __init__(
        self,
        banks: Sequence[Tensor],
        query: Tensor,
        kernel_size: int,
        heads: int,
        masked: bool,
        scale: float,
        apart: bool = False,
    ) -> None:
        self.shapes, self.heads, self.scale = [bank.shape for bank in banks], heads, scale
        self.banks = [self._by_head(bank.detach()) for bank in banks]
        height, width = query.shape[-2:]
        reach, (key_seen, value_seen) = kernel_size // 2, (bank.shape[2] for bank in banks[1::2])
        pitch = width + reach
        border = _whole_vectors(reach * pitch + reach)
        places = torch.arange(-reach, reach + 1)
        steps = border + (places[:, None] * pitch + places).flatten()
        self.steps = F.pad(steps, (0, -len(steps) % 3), value=border).numpy().astype(np.uintp)
        self.layout = _numbers(heads, height, width, pitch, border)
        channels = [bank.shape[0] // heads for bank in banks[1::2]]
        depths = [n for c in channels for n in (c, c + -c % 4)]
        pixels = _whole_vectors(height * pitch)
        self.settings = _numbers(
            key_seen,
            value_seen,
            key_seen if apart else 1,
            kernel_size**2,
            masked,
            apart,
            *depths,
            pixels,
            _whole_vectors(-(-pixels // -(-pixels // int(BLOCK)))),
        )

    def attend(self, query: Tensor, key: Tensor, value: Tensor, out: Tensor) -> Tensor:
        maps, rest = _arrays(query, key, value, out), (self.steps, self.layout, self.settings, self.scale)
        shared_among_threads(lambda *part: forward(*maps, *self.banks, *rest, *part), len(query) * self.heads)
        return out

    def differentiate(self, upstream: Tensor, query: Tensor, key: Tensor, value: Tensor) -> list[Tensor]:
        """The gradients of the maps, then of the banks as they were given."""
        gradients = [torch.empty_like(t) for t in (query, key, value)]
        maps, rest = _arrays(upstream, query, key, value, *gradients), (self.steps, self.layout, self.settings)

        def work(first: int, last: int) -> list[Any]:
            sums = [np.zeros_like(bank) for bank in self.banks]
            backward(*maps, *self.banks, *sums, *rest, self.scale, first, last)
            return sums

        parts = shared_among_threads(work, len(query) * self.heads)
        sums = [torch.from_numpy(sum(of_parts)) for of_parts in zip(*parts, strict=True)]
        return gradients + [self._as_given(*both) for both in zip(sums, self.shapes, strict=True)]

    def _by_head(self, bank: Tensor) -> Any:
        """(C, |H|, |H̃|, k²) → (|H|, heads, |H̃|, k², C / heads), the last two filled up with zeros; flat."""
        by_head = bank.unflatten(0, (self.heads, -1)).permute(2, 0, 3, 4, 1)
        padded = F.pad(by_head, (0, -by_head.shape[-1] % 4, 0, -by_head.shape[-2] % 3))
        return padded.contiguous().flatten().numpy()

    def _as_given(self, flat: Tensor, shape: torch.Size) -> Tensor:
        """The inverse of `_by_head`."""
        channels, sheets, seen, taps = shape
        depth = channels // self.heads
        by_head = flat.view(sheets, self.heads, seen, taps + -taps % 3, depth + -depth % 4)
        return by_head[..., :taps, :depth].permute(1, 4, 0, 2, 3).flatten(0, 1)


def _whole_vectors(pixels: int) -> int:
    return (pixels + 15) // 16 * 16


def _numbers(*numbers: int) -> Numbers:
    return tuple(np.uintp(n) for n in numbers)


def _arrays(*maps: Tensor) -> list[Any]:
    return [t.detach().numpy() for t in maps]
