"""Local attention, through affine maps and on the group, against unfolding and against PyTorch's own attention."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.bench.case import Bar, Case, Contender
from course_lib.groups import C1, C4, D4, Group
from course_lib.kernels import (
    affine_attention,
    group_attention,
    neighborhoods,
    unfold_and_attend,
    unfold_and_attend_on_group,
)

# channels, pixels, bar: speed against unfold
AFFINE_SHAPES = [(32, 32, 6), (64, 16, 6)]
# group, channels, pixels, batch, kernel size, heads, bar: speed against unfold
GROUP_SHAPES = [(C4, 16, 14, 64, 5, 4, 4), (D4, 24, 16, 32, 3, 2, 4), (C1, 32, 16, 32, 5, 8, 6)]


def layer_cases() -> list[Case]:
    return [*(affine_case(*shape) for shape in AFFINE_SHAPES), *(group_case(*shape) for shape in GROUP_SHAPES)]


def affine_case(channels: int, pixels: int, speed: float, kernel: int = 5, heads: int = 8, batch: int = 32) -> Case:
    def inputs() -> tuple[Tensor, ...]:
        maps = (torch.randn(batch, channels, 1, pixels, pixels) for _ in range(3))
        banks = (torch.randn(channels, *one, 1, kernel, kernel) for one in ((1,), (), (1,), ()))
        return *maps, *banks

    def core(attention: Callable[..., Tensor]) -> Callable[[], Callable[..., Any]]:
        return lambda: lambda q, k, v, *banks: attention(q, k, v, banks[:2], banks[2:], kernel, heads)

    return Case(
        f"affine attention, Z² {channels} ch {pixels} px k={kernel} {heads} heads batch {batch}",
        (Contender("affine_attention", core(affine_attention)), Contender("unfold", core(unfold_and_attend))),
        inputs,
        modes=("train",),
        bars=(
            Bar("speed", "affine_attention", "unfold", speed),
            Bar("saved", "affine_attention", "unfold", 1 / 10),
        ),
    )


def group_case(group: Group, channels: int, pixels: int, batch: int, kernel: int, heads: int, speed: float) -> Case:
    """Without a group and with all positions zero, PyTorch's own attention can do it, too: over all pixels, masked."""
    order = group.order

    def inputs() -> tuple[Tensor, ...]:
        maps = (torch.randn(batch, channels, order, pixels, pixels) for _ in range(3))
        make = torch.zeros if order == 1 else torch.randn
        return *maps, make(channels, order, order, kernel, kernel)

    contenders = [
        Contender("group_attention", lambda: partial(group_attention, heads=heads)),
        Contender("unfold", lambda: partial(unfold_and_attend_on_group, heads=heads)),
    ]
    if order == 1:
        contenders.append(Contender("PyTorch, masked", lambda: _masked_attention(pixels, kernel, heads)))
    return Case(
        f"self-attention, {group} {channels} ch {pixels} px k={kernel} {heads} heads batch {batch}",
        tuple(contenders),
        inputs,
        modes=("train",),
        bars=(
            Bar("speed", "group_attention", "unfold", speed),
            Bar("saved", "group_attention", "unfold", 1 / 10),
        ),
    )


def _masked_attention(pixels: int, kernel: int, heads: int) -> Callable[..., Tensor]:
    """Each pixel attends to all, those outside of its window masked; positions are not looked at."""
    every = torch.eye(pixels**2).view(-1, pixels, pixels)  # one map for each pixel, 1 there
    near = neighborhoods(every, kernel).amax(dim=-3).flatten(1).mT > 0

    def attend(query: Tensor, key: Tensor, value: Tensor, positions: Tensor) -> Tensor:
        q, k, v = (f.flatten(2).unflatten(1, (heads, -1)).mT for f in (query, key, value))  # (B, heads, pixels, d)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=near.to(query.device))
        return out.mT.reshape(value.shape) + 0 * positions.sum()

    return attend
