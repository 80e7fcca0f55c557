"""`generate_and_aggregate` by the loops of `loops_e4`: their memory, and the banks as they want them."""

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.kernels.compiled import shared_among_threads
from course_lib.kernels.machine_code import MachineCode

LONG_ENOUGH = 512  # pixels: loops over shorter lines take longer to begin than to run


def generate_and_aggregate(hidden: Tensor, values: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """`course_lib.kernels.generate_and_aggregate`, for what `compiled.can_run` accepts."""
    out, matrix = torch.empty_like(values), _matrix(weight, bias)
    room, loops = _Room(values, hidden, matrix, len(weight), weight.shape[-1]), _loops("forward", weight)
    tables = room.tables(hidden, values, out)

    def work(first: int, last: int) -> None:
        lines = [room.hidden_lines(), room.lines(), room.lines(), room.lines(matrix.shape[1])]
        loops([hidden, values, out, matrix, *lines, *tables], first, last)

    shared_among_threads(work, len(values))
    return out


def generate_and_aggregate_backward(
    upstream: Tensor, hidden: Tensor, values: Tensor, weight: Tensor, bias: Tensor
) -> list[Tensor]:
    gradients = [torch.empty_like(t) for t in (hidden, values, weight, bias)]
    matrix = _matrix(weight, bias)
    transposed = matrix.mT.contiguous()
    room, loops = _Room(values, hidden, matrix, len(weight), weight.shape[-1]), _loops("backward", weight)
    maps = [upstream, hidden, values, *gradients[:2]]
    tables = room.tables(*maps)

    def work(first: int, last: int) -> Tensor:
        grad_matrix, lines = torch.zeros_like(matrix), [room.lines(), room.hidden_lines(), room.lines()]
        lines += [room.lines(n) for n in (matrix.shape[2], None, matrix.shape[1], matrix.shape[1])]
        loops([*maps, matrix, transposed, grad_matrix, *lines, *tables], first, last)
        return grad_matrix

    total = torch.stack(shared_among_threads(work, len(values))).sum(dim=0).unflatten(0, (weight.shape[1], -1))
    banks = total.transpose(0, 1)[:, :, : weight.shape[-1] ** 2]  # (S, |H|, k², M + 1 and more)
    hidden_channels = weight.shape[2]
    gradients[2].copy_(banks[..., :hidden_channels].mT.unflatten(-1, weight.shape[-2:]))
    gradients[3].copy_(banks[..., hidden_channels].unflatten(-1, bias.shape[-2:]))
    return gradients


def _loops(name: str, weight: Tensor) -> MachineCode:
    return MachineCode("loops_e4", name, weight.dtype, tables=4)


def _matrix(weight: Tensor, bias: Tensor) -> Tensor:
    """Both banks as one matrix for each sheet and slice, the bias as the weight of a hidden channel that is 1:
    (|H|·S, k², M + 1), both lengths filled up with zeros to multiples of three."""
    banks = torch.cat([weight.flatten(-2), bias.flatten(-2)[:, :, None]], dim=2)  # (S, |H|, M + 1, k²)
    matrix = banks.permute(1, 0, 3, 2).flatten(0, 1)
    rows, columns = matrix.shape[-2:]
    return F.pad(matrix, (0, -columns % 3, 0, -rows % 3)).contiguous()


class _Room:
    """Lines for some images, one under another, with a border of zeros: memory for the loops, and its measures."""

    def __init__(self, values: Tensor, hidden: Tensor, matrix: Tensor, slices: int, kernel_size: int) -> None:
        _, self.channels, sheets, height, width = values.shape
        self.values, self.hidden_channels, (_, self.rows, self.columns) = values, hidden.shape[1], matrix.shape
        self.kernel_size, reach = kernel_size, kernel_size // 2
        self.pitch, together = width + reach, max(1, LONG_ENOUGH // (height * width))
        border = -(-reach * (self.pitch + 1) // 16) * 16  # as many as fill registers: reads that straddle them are slow
        self.inside = slice(border, border - (-together * (height + reach) * self.pitch // 16) * 16)
        self.shape = height, width, reach, together, border, self.inside.stop + border
        self.counts = (
            self.inside.stop - border,
            self.channels,
            self.hidden_channels,
            sheets,
            slices,
            self.rows,
            self.columns,
        )

    def tables(self, *maps: Tensor) -> list[Tensor]:
        """What the loops must know: shape, counts, the strides of the maps, and how far along a line each tap of a
        pixel's window lies from it; what only fills up lies nowhere."""
        places = torch.arange(self.kernel_size) - self.kernel_size // 2
        steps = F.pad((places[:, None] * self.pitch + places).flatten(), (0, self.rows - self.kernel_size**2))
        strides = [stride for t in maps for stride in t.stride()]
        return [torch.tensor(self.shape), torch.tensor(self.counts), torch.tensor(strides), steps]

    def lines(self, channels: int | None = None) -> Tensor:
        """Of all channels, and one line of zeros, which pairs up with a channel that is left over."""
        return self.values.new_zeros(self.channels + 1 if channels is None else channels, self.shape[-1])

    def hidden_lines(self) -> Tensor:
        lines = self.lines(self.columns)
        lines[self.hidden_channels, self.inside] = 1
        return lines
