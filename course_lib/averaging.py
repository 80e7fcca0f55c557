"""Any function can be made equivariant by averaging over the group, at |H| times the cost. Built in notebook 03."""

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.actions import Action, act_on_image
from course_lib.groups import Group, inverse


def group_average(function: Callable[[Tensor], Tensor], group: Group, x: Tensor, act: Action = act_on_image) -> Tensor:
    """Φ̄(x) = 1/|H| Σ_g L_g⁻¹ Φ(L_g x): turn the input, compute, turn back, and take the mean over the group.

    Φ̄ is equivariant for every Φ. ``act(g, y)`` is L_g on what Φ puts out: by default that is an image, too. If it is a
    vector (B, n), on which L_g does nothing, take `actions.unchanged`, and Φ̄ is invariant.
    Shapes: those of ``function``; x an image ``(B, C, Y, X)``. Exact up to rounding. Notebook 03.
    """
    results = [act(inverse(g), function(act_on_image(g, x))) for g in group.elements]
    return torch.stack(results).mean(dim=0)
