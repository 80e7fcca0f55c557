"""How much the sheets of a filter on the group repeat each other, and how much they would by chance."""

import torch
from torch import Tensor


def explained_by_pc1(psi: Tensor) -> Tensor:
    """The share of the variance of each filter's sheets that its first principal component explains.

    One analysis for each of the O·C filters: its |H| sheets are the features, its k² places the samples. So each sheet
    is centered over its places, and the share is σ₁² / Σ σᵢ², of the singular values of the k² × |H| matrix.
    Shapes: ``(O, C, |H|, k, k)`` → ``(O·C,)``, each from 1/|H| to 1: 1 if all sheets are, up to constants, multiples of
    one kernel. Source: Lengyel & van Gemert (2021), section 3.2 and Fig. 2; notebook 06.
    """
    sheets = psi.flatten(0, 1).flatten(2)  # (O·C, |H|, k²)
    centered = sheets - sheets.mean(dim=2, keepdim=True)
    variances = torch.linalg.svdvals(centered) ** 2
    return variances[:, 0] / variances.sum(dim=1)


def mixed_sheets(psi: Tensor, seed: int = 0) -> Tensor:
    """Filters put together from sheets of different filters: each place on the group is shuffled over all (n, c).

    A control for `explained_by_pc1`: what the sheets of one filter have in common is gone, what all sheets of the layer
    have in common is left. Shapes: ``(O, C, |H|, k, k)`` → the same. Source: notebook 06.
    """
    generator = torch.Generator().manual_seed(seed)
    by_place = psi.flatten(0, 1).unbind(1)
    mixed = [sheets[torch.randperm(len(sheets), generator=generator).to(psi.device)] for sheets in by_place]
    return torch.stack(mixed, dim=1).view_as(psi)
