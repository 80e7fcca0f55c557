"""The eager kernels of aggregation, in plain PyTorch: a few images at a time, in memory that is used again."""

import math
from collections.abc import Sequence
from itertools import product

import torch
from torch import Tensor

from course_lib.kernels.lines import Lines, chunks, fill, goes_by_cache, promoted, without_autocast, working


def aggregate(kernels: Tensor, values: Tensor) -> Tensor:
    """`course_lib.kernels.aggregate`."""
    tile = _Tile(values, kernels.shape[1], math.isqrt(kernels.shape[3]), promoted(kernels, values))
    out = torch.empty_like(values, dtype=promoted(kernels, values))
    for chunk in tile.chunks:
        fill(tile.lines.pick_up(tile.kernels), kernels[chunk].transpose(2, 3).flatten(1, 2))
        fill(tile.lines.pick_up_from_border(tile.values), values[chunk])
        tile.shift_and_add()
        out[chunk] = tile.lines.pick_up(tile.out)[: len(out[chunk])]
    return out


def aggregate_backward(upstream: Tensor, kernels: Tensor, values: Tensor) -> list[Tensor]:
    tile = _Tile(values, kernels.shape[1], math.isqrt(kernels.shape[3]), promoted(kernels, values), gradients=True)
    grad_kernels, grad_values = torch.empty_like(kernels), torch.empty_like(values)
    for chunk in tile.chunks:
        fill(tile.lines.pick_up(tile.kernels), kernels[chunk].transpose(2, 3).flatten(1, 2))
        fill(tile.lines.pick_up_from_border(tile.values), values[chunk])
        fill(tile.lines.pick_up(tile.out), upstream[chunk])
        tile.differentiate()
        images = len(values[chunk])
        grad_values[chunk] = tile.lines.pick_up_from_border(tile.grad_values)[:images]
        by_slice = tile.lines.pick_up(tile.kernels)[:images].unflatten(1, kernels.shape[1:4:2])
        grad_kernels[chunk] = by_slice.transpose(2, 3)
    return [grad_kernels, grad_values]


def generate_and_aggregate(hidden: Tensor, values: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """`course_lib.kernels.generate_and_aggregate`: one matrix product makes the kernels of a few images."""
    dtype = promoted(hidden, values, weight, bias)
    tile = _Tile(values, len(weight), weight.shape[-1], dtype)
    generator = _Generator(weight, bias, tile)
    out = torch.empty_like(values, dtype=dtype)
    for chunk in tile.chunks:
        generator.generate(hidden[chunk])
        fill(tile.lines.pick_up_from_border(tile.values), values[chunk])
        tile.shift_and_add()
        out[chunk] = tile.lines.pick_up(tile.out)[: len(out[chunk])]
    return out


def generate_and_aggregate_backward(
    upstream: Tensor, hidden: Tensor, values: Tensor, weight: Tensor, bias: Tensor
) -> list[Tensor]:
    dtype = promoted(hidden, values, weight, bias)
    tile = _Tile(values, len(weight), weight.shape[-1], dtype, gradients=True)
    generator = _Generator(weight, bias, tile)
    grad_hidden, grad_values = torch.empty_like(hidden), torch.empty_like(values)
    for chunk in tile.chunks:
        generator.generate(hidden[chunk])
        fill(tile.lines.pick_up_from_border(tile.values), values[chunk])
        fill(tile.lines.pick_up(tile.out), upstream[chunk])
        tile.differentiate()
        images = len(values[chunk])
        grad_values[chunk] = tile.lines.pick_up_from_border(tile.grad_values)[:images]
        grad_hidden[chunk] = tile.lines.pick_up(generator.differentiate())[:images]
    return [grad_hidden, grad_values, *generator.gradients_of_banks()]


class _Tile:
    """Memory for some images, laid out as `Lines` and used again for every chunk, and views of it, made once.

    It holds kernels (|H|, S·k², b, n), values (|H|, O, b, m) and out (|H|, O, b, n). On a CPU the loops go sheet by
    sheet: what they add to should stay in the cache.
    """

    def __init__(self, values: Tensor, slices: int, k: int, dtype: torch.dtype, gradients: bool = False) -> None:
        self.lines, self.slices = Lines(k, *values.shape[-2:]), slices
        self.chunks = chunks(values, (slices * k**2 + 3 * values.shape[1]) * values[:1, 0].numel())
        self.sheets_at_once = 1 if goes_by_cache(values) else values.shape[2]
        images = self.chunks[0].stop if self.chunks else 0

        def zeros(channels: int, length: int) -> Tensor:
            return values.new_zeros(values.shape[2], channels, images, length, dtype=working(dtype))

        self.kernels = zeros(slices * k**2, self.lines.length)
        self.values = zeros(values.shape[1], self.lines.length_with_border)
        self.out = zeros(values.shape[1], self.lines.length)
        self.steps = [part.unflatten(1, (slices, -1, 1)).unbind(2) for part in self._parts(self.kernels)]
        self.moved, self.outs = self._moved(self.values), self._by_slice(self.out)
        if gradients:
            self.grad_values = torch.zeros_like(self.values)
            self.moved_gradients = self._moved(self.grad_values)
            # by channel of the slices, with all steps at once
            self.windows = [self.lines.windows(part).unbind(2) for part in self._by_slice(self.values)]
            self.upstreams = [part[..., None, None, :, :].unbind(2) for part in self.outs]
            self.grad_kernels = [part.unflatten(1, (slices, k, k)) for part in self._parts(self.kernels)]

    def shift_and_add(self) -> None:
        """out = Σ_i K_i V_i, where V_i is the map moved by one step."""
        for out, steps, moved in zip(self.outs, self.steps, self.moved, strict=True):
            _sum_of_products(out, steps, moved)

    def differentiate(self) -> None:
        """The gradients of `shift_and_add`, if out is the upstream one: of the kernels in their place, grad_values."""
        self.grad_values.zero_()
        for i, upstream in enumerate(self.outs):
            for kernel, moved in zip(self.steps[i], self.moved_gradients[i], strict=True):
                moved.addcmul_(kernel, upstream)
            _sum_of_products(self.grad_kernels[i], self.upstreams[i], self.windows[i])

    def _parts(self, memory: Tensor) -> tuple[Tensor, ...]:
        return memory.split(self.sheets_at_once)

    def _by_slice(self, memory: Tensor) -> tuple[Tensor, ...]:
        """(|H|, O, …) → (sheets, S, O/S, …)."""
        return self._parts(memory.unflatten(1, (self.slices, -1)))

    def _moved(self, padded: Tensor) -> list[list[Tensor]]:
        """The padded map at each of the k² neighbors, for the sheets of each part."""
        steps = list(product(range(self.lines.kernel_size), repeat=2))
        return [[self.lines.window(part, i, j) for i, j in steps] for part in self._by_slice(padded)]


def _sum_of_products(out: Tensor, left: Sequence[Tensor], right: Sequence[Tensor]) -> None:
    """out = Σ_i left_i · right_i."""
    torch.mul(left[0], right[0], out=out)
    for a, b in zip(left[1:], right[1:], strict=True):
        out.addcmul_(a, b)


class _Generator:
    """The kernels of a tile, made of hidden maps by one matrix for each h, and the gradients of both."""

    def __init__(self, weight: Tensor, bias: Tensor, tile: _Tile) -> None:
        self.weight, self.bias, self.kernels = weight, bias, tile.kernels
        # Both banks as one matrix, the bias as the weight of a hidden channel that is 1: (|H|, S·k², M + 1)
        banks = torch.cat([weight.flatten(-2), bias.flatten(-2)[:, :, None]], dim=2).to(tile.kernels.dtype)
        self.matrix = banks.permute(1, 0, 3, 2).flatten(1, 2)
        self.grad_matrix = torch.zeros_like(self.matrix)
        sheets, _, images, length = tile.kernels.shape
        self.hidden = tile.kernels.new_zeros(sheets, self.matrix.shape[2], images, length)
        self.hidden[:, -1] = 1
        self.hidden_maps = tile.lines.pick_up(self.hidden[:, :-1])

    def generate(self, hidden: Tensor) -> None:
        fill(self.hidden_maps, hidden)
        with without_autocast(hidden.device):  # it would round the kernels to 16 bits
            torch.bmm(self.matrix, self.hidden.flatten(2), out=self.kernels.flatten(2))

    def differentiate(self) -> Tensor:
        """The gradient of the hidden maps as lines, from that of the kernels; that of the banks is added up."""
        grad_kernels = self.kernels.flatten(2)
        with without_autocast(grad_kernels.device):
            self.grad_matrix.baddbmm_(grad_kernels, self.hidden.flatten(2).mT)
            return torch.bmm(self.matrix[..., :-1].mT, grad_kernels).unflatten(2, self.hidden.shape[2:])

    def gradients_of_banks(self) -> tuple[Tensor, Tensor]:
        banks = self.grad_matrix.unflatten(1, (len(self.weight), -1)).permute(1, 0, 3, 2)  # (S, |H|, M + 1, k²)
        weight, bias = torch.empty_like(self.weight), torch.empty_like(self.bias)
        weight.copy_(banks[:, :, :-1].unflatten(-1, weight.shape[-2:]))
        bias.copy_(banks[:, :, -1].unflatten(-1, bias.shape[-2:]))
        return weight, bias
