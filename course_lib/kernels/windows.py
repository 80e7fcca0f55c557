"""The one neighbourhood gather of this library."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def neighbourhoods(f: Tensor, kernel_size: int) -> Tensor:
    """The k × k window around every pixel, zero outside of the map: (..., Y, X) → (..., k², Y, X)."""
    padded = F.pad(f, [kernel_size // 2] * 4)
    windows = padded.unfold(-2, kernel_size, 1).unfold(-2, kernel_size, 1)  # (..., Y, X, k, k)
    return windows.flatten(-2).movedim(-1, -3)
