"""Filter banks, readable: all turned copies of a filter. Built in notebook 04; `conv` gathers the same by an index."""

import torch
from torch import Tensor

from course_lib.actions import act_on_feature_map, act_on_image
from course_lib.groups import Group


def lifting_filter_bank(psi: Tensor, group: Group) -> Tensor:
    """All turned copies L_h ψ of the filters: (O, C, k, k) → (O, |H|, C, k, k). Notebook 04."""
    return torch.stack([act_on_image(h, psi) for h in group.elements], dim=1)


def group_filter_bank(psi: Tensor, group: Group) -> Tensor:
    """All copies L_h ψ, turned *and* permuted: (O, C, |H|, k, k) → (O, |H|, C, |H|, k, k). Notebook 04."""
    return torch.stack([act_on_feature_map(h, psi, group) for h in group.elements], dim=1)


def planes_of_bank(bank: Tensor, memory: torch.memory_format) -> Tensor:
    """A filter bank as conv2d between `to_planes` takes it: (O, |H|, C, |H|, k, k) → (|H|·O, |H|·C, k, k), sheet by
    sheet, in channels-last format; in the default format (O·|H|, C·|H|, k, k).
    """
    if memory == torch.contiguous_format:
        return bank.flatten(0, 1).flatten(1, -3).contiguous()
    bank = bank.transpose(0, 1).flatten(0, 1)
    return bank if bank.ndim == 4 else bank.transpose(1, 2).flatten(1, 2)
