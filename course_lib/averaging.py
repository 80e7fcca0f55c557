"""Any function can be made equivariant by averaging over the group, at |H| times the cost. Built in notebook 03."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.actions import act
from course_lib.groups import Group, inverse


def group_average(function: Callable[[Tensor], Tensor], group: Group, x: Tensor) -> Tensor:
    """Φ̄(x) = 1/|H| Σ_g L_g⁻¹ Φ(L_g x): turn the input, compute, turn back, and take the mean over the group.

    Φ̄ is equivariant for every Φ. If Φ returns a vector (B, n), on which L_g does nothing, Φ̄ is invariant.
    Shapes: those of ``function``; x an image ``(B, C, Y, X)`` or a feature map. Exact up to rounding. Notebook 03.
    """
    results = [act(inverse(g), function(act(g, x, group)), group) for g in group.elements]
    return torch.stack(results).mean(dim=0)
