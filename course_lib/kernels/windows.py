"""The one neighborhood gather of this library."""

import math

import torch.nn.functional as F
from torch import Tensor
from torch.jit._trace import is_tracing

# While torch.jit traces, sizes are tensors, and no check becomes part of the trace: the four functions let all pass.


def require_odd_window(kernel_size: int) -> None:
    """Raise ValueError unless the k × k window around a pixel has that pixel at its center."""
    if is_tracing():
        return
    if kernel_size < 1:
        raise ValueError(f"a window has at least one pixel, got {kernel_size}. Use an odd kernel_size, 1 or 3 or more")
    if kernel_size % 2 == 0:
        raise ValueError(
            f"a window of even size ({kernel_size}) has no pixel at its center, so it would move when the map "
            f"turns. Use an odd kernel_size, {kernel_size - 1} or {kernel_size + 1}"
        )


def require_square_window(neighbors: int) -> None:
    """Raise ValueError unless so many neighbors make up a k × k window with odd k."""
    if is_tracing():
        return
    if math.isqrt(neighbors) ** 2 != neighbors:
        raise ValueError(f"a k × k window has k² neighbors, but kernels has k² = {neighbors}: use a square")
    require_odd_window(math.isqrt(neighbors))


def require_fit(name: str, tensor: Tensor, shape: tuple[int, ...]) -> None:
    """Raise ValueError unless the tensor has this shape; -1 stands for any length."""
    if is_tracing():
        return
    if tensor.ndim != len(shape) or any(n not in (-1, got) for n, got in zip(shape, tensor.shape, strict=True)):
        wanted = ", ".join("any" if n == -1 else str(n) for n in shape)
        raise ValueError(f"{name} has shape {tuple(tensor.shape)}, but ({wanted}) fits the other arguments")


def require_shares(what: str, count: int, channels: int) -> None:
    """Raise ValueError unless so many slices or heads can share the channels evenly."""
    if is_tracing():
        return
    if count < 1 or channels % count:
        raise ValueError(f"{count} {what} cannot share {channels} channels evenly: use a divisor of them")


def neighborhoods(f: Tensor, kernel_size: int) -> Tensor:
    """The k × k window around every pixel, zero outside of the map: (..., Y, X) → (..., k², Y, X), for odd k.

    Raises ValueError for an even one.
    """
    require_odd_window(kernel_size)
    padded = F.pad(f, [kernel_size // 2] * 4)
    windows = padded.unfold(-2, kernel_size, 1).unfold(-2, kernel_size, 1)  # (..., Y, X, k, k)
    return windows.flatten(-2).movedim(-1, -3)
