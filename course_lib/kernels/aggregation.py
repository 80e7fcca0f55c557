"""Neighborhood aggregation with a kernel of its own at every pixel: the inner operation of the E4 layer."""

import torch
from torch import Tensor

from course_lib.kernels import tiles
from course_lib.kernels.compiled import can_run
from course_lib.kernels.doors import door
from course_lib.kernels.lines import promoted
from course_lib.kernels.windows import (
    neighborhoods,
    require_fit,
    require_odd_window,
    require_shares,
    require_square_window,
)


def generate_kernels(hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The kernels that each (h, t) makes for itself, K[s, h, i](t) = Σ_m W[s, h, m, i] hidden[m, h](t) + b[s, h, i].

    Shapes: hidden (B, M, |H|, Y, X), weight bank (S, |H|, M, k, k), bias bank (S, |H|, k, k)
    → (B, S, |H|, k², Y, X), i over the k² neighbors, row by row. Source: He et al. (2021), section 4.1; notebook 08.
    """
    kernels = torch.einsum("bmhyx,shmi->bshiyx", hidden, weight.flatten(-2))
    return kernels + bias.flatten(-2)[..., None, None]


def unfold_and_sum(kernels: Tensor, values: Tensor) -> Tensor:
    """`aggregate` as the paper describes it, the reference: unfold the values, multiply, sum. Notebook 08.

    The unfolded map is k² times the feature map, and it is kept for the backward pass together with the kernels.
    """
    slices, kernel_size = kernels.shape[1], round(kernels.shape[3] ** 0.5)
    windows = neighborhoods(values, kernel_size).unflatten(1, (slices, -1))  # (B, S, O/S, |H|, k², Y, X)
    return (kernels.unsqueeze(2) * windows).sum(dim=4).flatten(1, 2)


def aggregate(kernels: Tensor, values: Tensor) -> Tensor:
    """Σ_i K[s, h, i](t) V[c, h](t + d_i): every channel by the kernel of its slice, zero outside of the map.

    Channel c belongs to slice c // (O/S). Nothing is unfolded: k² times, the map moved by one step is multiplied by
    the kernels and added. Backward keeps kernels and values only; it cannot be differentiated again (RuntimeError).
    Shapes: kernels (B, S, |H|, k², Y, X), values (B, O, |H|, Y, X) → (B, O, |H|, Y, X). Raises ValueError for others.
    Source: He et al. (2021), Eq. 12; notebook 08; reference `unfold_and_sum`.
    """
    require_fit("kernels", kernels, (values.shape[0], -1, values.shape[2], -1, *values.shape[-2:]))
    require_square_window(kernels.shape[3])
    require_shares("slices", kernels.shape[1], values.shape[1])
    return _aggregate(kernels, values)


def generate_and_aggregate(hidden: Tensor, values: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """`aggregate` with the kernels of `generate_kernels`, in one step: the generated kernels are never stored.

    They are made for a few images at a time, used while they are in the cache, and made again for backward, which
    keeps only the four arguments. It cannot be differentiated again (RuntimeError). On a CPU its loops are compiled
    where Numba is installed (the extra ``fast``).
    Shapes: hidden (B, M, |H|, Y, X), values (B, O, |H|, Y, X), weight bank (S, |H|, M, k, k), bias bank (S, |H|, k, k)
    → (B, O, |H|, Y, X). Raises ValueError for others. Notebook 08; reference `generate_kernels`, `unfold_and_sum`.
    """
    require_fit("hidden", hidden, (values.shape[0], -1, *values.shape[2:]))
    require_fit("weight", weight, (-1, values.shape[2], hidden.shape[1], weight.shape[-1], -1))
    require_odd_window(weight.shape[-1])
    require_fit("bias", bias, (weight.shape[0], values.shape[2], *weight.shape[-2:]))
    require_shares("slices", weight.shape[0], values.shape[1])
    return _generate_and_aggregate(hidden, values, weight, bias)


def _run(hidden: Tensor, values: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    inputs = hidden, values, weight, bias
    if can_run(*inputs):
        from course_lib.kernels import compiled_e4

        return compiled_e4.generate_and_aggregate(*inputs)
    return tiles.generate_and_aggregate(*inputs)


def _differentiate(upstream: Tensor, hidden: Tensor, values: Tensor, weight: Tensor, bias: Tensor) -> list[Tensor]:
    inputs = upstream, hidden, values, weight, bias
    if can_run(*inputs):
        from course_lib.kernels import compiled_e4

        return compiled_e4.generate_and_aggregate_backward(*inputs)
    return tiles.generate_and_aggregate_backward(*inputs)


_aggregate = door(
    "aggregate",
    "Tensor kernels, Tensor values",
    tiles.aggregate,
    tiles.aggregate_backward,
    lambda kernels, values: torch.empty_like(values, dtype=promoted(kernels, values)),
    reference="unfold_and_sum",
)
_generate_and_aggregate = door(
    "generate_and_aggregate",
    "Tensor hidden, Tensor values, Tensor weight, Tensor bias",
    _run,
    _differentiate,
    lambda hidden, values, *banks: torch.empty_like(values, dtype=promoted(hidden, values, *banks)),
    reference="unfold_and_sum(generate_kernels(…), values)",
)
