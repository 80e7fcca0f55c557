"""Both local attentions in compiled loops: through affine maps, and on the group. One pair of kernels does it.

What differs: on the group every sheet of the keys has weights of its own, the positions are the β of the keys, and
every ψ is 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.kernels import fused_attention, fused_group_attention
from course_lib.kernels.compiled import shared_among_threads
from course_lib.kernels.machine_code import MachineCode

BLOCK = 288  # pixels, at most


def affine_attention(query: Tensor, key: Tensor, value: Tensor, *banks_and_settings: Any) -> Tensor:
    """`course_lib.kernels.affine_attention`, for what `compiled.can_run` accepts."""
    out = fused_attention.result_like(query, key, value, *banks_and_settings)
    return _affine(query, key, value, *banks_and_settings).attend(out)


def affine_attention_backward(
    upstream: Tensor, query: Tensor, key: Tensor, value: Tensor, *banks_and_settings: Any
) -> list[Tensor]:
    attention = _affine(query, key, value, *banks_and_settings)
    *maps, key_psi, key_beta, value_psi, value_beta = attention.differentiate(upstream)
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
    return _on_group(query, key, value, positions, heads).attend(out)


def group_attention_backward(
    upstream: Tensor, query: Tensor, key: Tensor, value: Tensor, positions: Tensor, heads: int
) -> list[Tensor]:
    attention = _on_group(query, key, value, positions, heads)
    *maps, _, grad, _, _ = attention.differentiate(upstream)
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
    return _Attention((query, key, value), by_sheet, kernel_size, heads, masked, heads / query.shape[1])


def _on_group(query: Tensor, key: Tensor, value: Tensor, positions: Tensor, heads: int) -> _Attention:
    channels, kernel_size = value.shape[1], positions.shape[-1]
    beta = positions.flatten(-2)
    ones, zeros = torch.ones_like(beta), beta.new_zeros(channels, *beta.shape[1:])
    banks = [ones, beta, torch.ones_like(zeros), zeros]
    scale = math.sqrt(heads / query.shape[1])
    return _Attention((query, key, value), banks, kernel_size, heads, True, scale, apart=True)


class _Attention:
    """Banks as the loops want them, and the numbers that describe maps, windows and banks to them."""

    def __init__(
        self,
        maps: tuple[Tensor, Tensor, Tensor],
        banks: Sequence[Tensor],
        kernel_size: int,
        heads: int,
        masked: bool,
        scale: float,
        apart: bool = False,
    ) -> None:
        self.maps, self.heads, self.kernel_size = maps, heads, kernel_size
        self.shapes, self.scale = [bank.shape for bank in banks], maps[0].new_tensor([scale])
        self.banks = [self._by_head(bank.detach()) for bank in banks]
        key_seen, value_seen = (bank.shape[2] for bank in banks[1::2])  # sheets, as one query sees them
        channels = [bank.shape[0] // heads for bank in banks[1::2]]
        depths = [n + -n % 4 for n in channels]
        query, *others = (f.shape[2] for f in maps)
        self.lines_of_maps = depths[0] + sum(sheets * depth for sheets, depth in zip(others, depths, strict=True))
        height, width = maps[0].shape[-2:]
        reach = kernel_size // 2
        self.pitch = width + reach
        pixels, border = _whole_vectors(height * self.pitch), _whole_vectors(reach * (self.pitch + 1))
        block = _whole_vectors(-(-pixels // -(-pixels // BLOCK)))
        parts, taps = key_seen if apart else 1, kernel_size**2
        entries = taps + -taps % 3
        self.depth, self.length, self.scores = depths[1], 2 * border + pixels, (parts * entries + 2) * block
        self.layout = heads, height, width, self.pitch, border, self.length
        self.settings = (  # sheets, kinds and sizes, as `loops_attention.read` takes them apart
            *(query, *others, key_seen, value_seen),
            *(parts, taps, masked, apart, entries),
            *(channels[0], depths[0], channels[1], depths[1], pixels, block),
        )

    def attend(self, out: Tensor) -> Tensor:
        maps = [*self.maps, out]
        loops, tables = self._loops("forward"), self._tables(maps)

        def work(first: int, last: int) -> None:
            memory = [self._lines(self.lines_of_maps + self.depth + 1), out.new_empty(self.scores)]
            loops([*maps, *self.banks, self.scale, *memory, *tables], first, last)

        shared_among_threads(work, len(out) * self.heads)
        return out

    def differentiate(self, upstream: Tensor) -> list[Tensor]:
        """The gradients of the maps, then of the banks as they were given."""
        gradients = [torch.empty_like(f) for f in self.maps]
        maps = [upstream, *self.maps, *gradients]
        loops, tables = self._loops("backward"), self._tables(maps)

        def work(first: int, last: int) -> list[Tensor]:
            sums = [torch.zeros_like(bank) for bank in self.banks]
            memory = [self._lines(2 * self.lines_of_maps + self.depth + 1)]
            memory += [upstream.new_empty(self.scores) for _ in range(2)]
            loops([*maps, *self.banks, *sums, self.scale, *memory, *tables], first, last)
            return sums

        parts = shared_among_threads(work, len(upstream) * self.heads)
        sums = [torch.stack(of_parts).sum(dim=0) for of_parts in zip(*parts, strict=True)]
        return gradients + [self._as_given(*both) for both in zip(sums, self.shapes, strict=True)]

    def _loops(self, name: str) -> MachineCode:
        return MachineCode("loops_attention", name, self.scale.dtype, tables=4)

    def _lines(self, number: int) -> Tensor:
        return self.scale.new_zeros(number, self.length)

    def _tables(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Steps of the window along a line, layout, settings, and the strides of the maps."""
        places = torch.arange(self.kernel_size) - self.kernel_size // 2
        steps = F.pad((places[:, None] * self.pitch + places).flatten(), (0, -(self.kernel_size**2) % 3))
        strides = [stride for f in maps for stride in f.stride()]
        return [steps, *(torch.tensor(numbers) for numbers in (self.layout, self.settings, strides))]

    def _by_head(self, bank: Tensor) -> Tensor:
        """(C, |H|, |H̃|, k²) → (|H|, heads, |H̃|, k², C / heads), the last two filled up with zeros; flat."""
        by_head = bank.unflatten(0, (self.heads, -1)).permute(2, 0, 3, 4, 1)
        padded = F.pad(by_head, (0, -by_head.shape[-1] % 4, 0, -by_head.shape[-2] % 3))
        return padded.contiguous().flatten()

    def _as_given(self, flat: Tensor, shape: torch.Size) -> Tensor:
        """The inverse of `_by_head`."""
        channels, sheets, seen, taps = shape
        depth = channels // self.heads
        by_head = flat.view(sheets, self.heads, seen, taps + -taps % 3, depth + -depth % 4)
        return by_head[..., :taps, :depth].permute(1, 4, 0, 2, 3).flatten(0, 1)


def _whole_vectors(pixels: int) -> int:
    return (pixels + 15) // 16 * 16
