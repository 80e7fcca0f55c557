"""The step between unfolding and the fast aggregation, in plain PyTorch."""

import torch
import torch.nn.functional as F
from torch import Tensor


def shift_and_add(kernels: Tensor, values: Tensor) -> Tensor:
    """`aggregate` without unfolding: k² times the padded map, moved by one step, times that step's kernel values.

    Autograd keeps kernels and padded values only, for every moved map is a view of the same memory.
    Shapes: kernels (B, S, |H|, k², Y, X), values (B, O, |H|, Y, X) → (B, O, |H|, Y, X). Notebook 08.
    """
    slices, k, (height, width) = kernels.shape[1], round(kernels.shape[3] ** 0.5), values.shape[-2:]
    padded = F.pad(values, [k // 2] * 4).unflatten(1, (slices, -1))
    out = torch.zeros_like(values).unflatten(1, (slices, -1))
    for i in range(k**2):
        row, col = divmod(i, k)
        out = out + kernels[:, :, None, :, i] * padded[..., row : row + height, col : col + width]
    return out.flatten(1, 2)
