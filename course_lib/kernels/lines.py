"""Maps laid out as lines, so that the neighbors of all pixels are one and the same step away."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor

# Asked once, here: a compiler need not see through the question.
_WITH_AUTOCAST = [name for name in ("cpu", "cuda", "mps", "xpu") if torch.amp.is_autocast_available(name)]
CHUNK = 1 << 20  # floats for each thread: what a core keeps in its cache, measured


def promoted(*tensors: Tensor) -> torch.dtype:
    """The type of a result of all these."""
    return reduce(torch.promote_types, (t.dtype for t in tensors))


def working(dtype: torch.dtype) -> torch.dtype:
    """The type to add up in: sums over a neighborhood in 16 bits would lose what their terms know."""
    return torch.promote_types(dtype, torch.float32)


def without_autocast(device: torch.device) -> AbstractContextManager[object]:
    """Within it autocast does not round to 16 bits. A device that has no autocast (MPS before torch 2.5) has none to
    switch off, and `torch.autocast` would refuse it."""
    return torch.autocast(device.type, enabled=False) if device.type in _WITH_AUTOCAST else nullcontext()


def goes_by_cache(batch: Tensor) -> bool:
    """Whether to work on pieces that fit the cache, as on a CPU. A GPU wants everything at once."""
    return batch.device.type == "cpu"


def chunks(batch: Tensor, floats_per_image: int) -> list[slice]:
    """The images of a batch, as many at a time as fit the caches, in equal parts but for the last; or all at once."""
    count = len(batch)
    parts = 1
    if goes_by_cache(batch):  # every operation is shared among the threads, so that each has its piece in its cache
        parts = max(1, -(-count * floats_per_image // (CHUNK * torch.get_num_threads())))
    together = max(1, -(-count // parts))
    return [slice(first, min(first + together, count)) for first in range(0, count, together)]


def fill(memory: Tensor, images: Tensor) -> None:
    """Copy images into memory for at least as many of them; what is left over becomes zero."""
    memory[: len(images)] = images
    memory[len(images) :] = 0


def softmax_backward(weights: Tensor, grad: Tensor, dim: int | tuple[int, ...]) -> Tensor:
    """The gradient of the scores from that of their softmax: α_i (∂α_i − Σ_j α_j ∂α_j), j over ``dim``."""
    product = weights * grad
    return product.sub_(weights * product.sum(dim=dim, keepdim=True))


@dataclass(frozen=True)
class Lines:
    """Maps (b, C, |H|, Y, X) as lines (|H|, C, b, n): the rows end to end, with k // 2 zeros after each.

    The pixel d = (dy, dx) away lies dy·pitch + dx places further along the line, pitch = X + k // 2: for every pixel
    the same, and where d leads out of the map, it leads to a zero. So the neighbors number i of all pixels are one
    contiguous piece of the line, which fast loops want, and reading them copies nothing. Notebook 08.
    """

    kernel_size: int
    height: int
    width: int

    @property
    def reach(self) -> int:
        return self.kernel_size // 2

    @property
    def pitch(self) -> int:
        return self.width + self.reach

    @property
    def length(self) -> int:
        return self.height * self.pitch

    @property
    def length_with_border(self) -> int:
        below = self.reach + -(-2 * self.reach // self.pitch)  # one row more, where the last window ends
        return (self.reach + self.height + below) * self.pitch

    def lay(self, f: Tensor, dtype: torch.dtype) -> Tensor:
        """(b, C, |H|, Y, X) → (|H|, C, b, n), n = Y·pitch."""
        return F.pad(f.permute(2, 1, 0, 3, 4).to(dtype), (0, self.reach)).contiguous().flatten(3)

    def lay_with_border(self, f: Tensor, dtype: torch.dtype) -> Tensor:
        """(b, C, |H|, Y, X) → (|H|, C, b, m): with zeros before and after, as many as the window reaches out."""
        below = self.reach + -(-2 * self.reach // self.pitch)  # one row more, where the last window ends
        padded = F.pad(f.permute(2, 1, 0, 3, 4).to(dtype), (self.reach, 0, self.reach, below))
        return padded.contiguous().flatten(3)

    def pick_up(self, lines: Tensor) -> Tensor:
        """The inverse of `lay`: (|H|, C, b, n) → (b, C, |H|, Y, X)."""
        return lines.unflatten(-1, (self.height, self.pitch))[..., : self.width].permute(2, 1, 0, 3, 4)

    def pick_up_from_border(self, lines: Tensor) -> Tensor:
        """The inverse of `lay_with_border`: (|H|, C, b, m) → (b, C, |H|, Y, X)."""
        return self.pick_up(self.window(lines, self.reach, self.reach))

    def window(self, lines: Tensor, row: int, column: int) -> Tensor:
        """What lies at one of the k × k neighbors, a view: (..., m) → (..., n)."""
        start = row * self.pitch + column
        return lines[..., start : start + self.length]

    def windows(self, lines: Tensor) -> Tensor:
        """What lies at all k × k neighbors, a view to read from: (..., b, m), contiguous → (..., k, k, b, n)."""
        *outer, b, m = lines.shape
        shape = (*outer, self.kernel_size, self.kernel_size, b, self.length)
        return lines.as_strided(shape, (*lines.stride()[:-2], self.pitch, 1, m, 1))
