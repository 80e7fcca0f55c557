"""Neighbourhood aggregation with a kernel of its own at every pixel: the inner operation of the E4 layer."""

from __future__ import annotations

import torch
from torch import Tensor

from course_lib.kernels.windows import neighbourhoods


def generate_kernels(hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The kernels that each (h, t) makes for itself, K[s, h, i](t) = Σ_m W[s, h, m, i] hidden[m, h](t) + b[s, h, i].

    Shapes: hidden (B, M, |H|, Y, X), weight bank (S, |H|, M, k, k), bias bank (S, |H|, k, k)
    → (B, S, |H|, k², Y, X), i over the k² neighbours, row by row. Source: He et al. (2021), section 4.1; notebook 08.
    """
    kernels = torch.einsum("bmhyx,shmi->bshiyx", hidden, weight.flatten(-2))
    return kernels + bias.flatten(-2)[..., None, None]


def aggregate(kernels: Tensor, values: Tensor) -> Tensor:
    """Σ_i K[s, h, i](t) V[c, h](t + d_i): every channel by the kernel of its slice, zero outside of the map.

    Channel c belongs to slice c // (O/S). As the paper describes it: unfold the values, multiply, sum.
    Shapes: kernels (B, S, |H|, k², Y, X), values (B, O, |H|, Y, X) → (B, O, |H|, Y, X).
    Source: He et al. (2021), Eq. 12; notebook 08.
    """
    slices, kernel_size = kernels.shape[1], round(kernels.shape[3] ** 0.5)
    windows = neighbourhoods(values, kernel_size).unflatten(1, (slices, -1))  # (B, S, O/S, |H|, k², Y, X)
    return (kernels.unsqueeze(2) * windows).sum(dim=4).flatten(1, 2)


def generate_and_aggregate(hidden: Tensor, values: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """`aggregate` with the kernels of `generate_kernels`, in one step: the generated kernels are never stored.

    Shapes: hidden (B, M, |H|, Y, X), values (B, O, |H|, Y, X), weight bank (S, |H|, M, k, k), bias bank (S, |H|, k, k)
    → (B, O, |H|, Y, X). Notebook 08.
    """
    return aggregate(generate_kernels(hidden, weight, bias), values)
