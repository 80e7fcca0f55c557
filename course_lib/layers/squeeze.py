"""Group squeeze-and-excite: each channel is scaled by what all channels show on average. Notebook 09."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from course_lib.groups import Group
from course_lib.layers.base import FEATURE_MAP, GroupLayer, require_map
from course_lib.layers.settings import Device, factory_kwargs, require_divisor, require_positive

LinearMap = Callable[[Tensor], Tensor]


def excitation(x: Tensor, squeeze: LinearMap, excite: LinearMap) -> Tensor:
    """σ(W₂ relu(W₁ z)), z the mean over the whole group: (B, C, |H|, Y, X) → factors (B, C). Eq. 15; notebook 09.

    ``squeeze`` and ``excite`` are W₁ and W₂ with their biases, (B, C) → (B, C/r) → (B, C).
    """
    means = x.mean(dim=(2, 3, 4))
    return torch.sigmoid(excite(torch.relu(squeeze(means))))


class GroupSqueezeExcite(GroupLayer):
    """One factor between 0 and 1 for each channel, from the means over the whole group Z² ⋊ H:

        f′_c(g) = f_c(g) · σ(W₂ relu(W₁ z))_c,   z = mean of f over (|H|, Y, X)

    The mean does not change when the input turns, so neither do the factors. C1 is the original squeeze-and-excitation.
    Shapes: ``(B, C, |H|, Y, X)`` → the same; W₁ ``(C/r, C)`` and W₂ ``(C, C/r)`` with biases, r the ``reduction``.
    Source: *Affine self convolution*, Eqs. 15 and 16; notebook 09. Exact. Raises ValueError if r does not divide C
    and for wrong shapes; TypeError for a map that is not float.

        >>> GroupSqueezeExcite(C4, 16, reduction=4)(torch.randn(2, 16, 4, 14, 14)).shape
        torch.Size([2, 16, 4, 14, 14])
    """

    def __init__(
        self,
        group: Group,
        channels: int,
        reduction: int = 16,
        *,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(group)
        factory = factory_kwargs(device, dtype)
        require_positive(channels=channels, reduction=reduction)
        require_divisor("reduction", reduction, "channels", channels)
        self.channels, self.reduction = channels, reduction
        self.squeeze = nn.Linear(channels, channels // reduction, **factory)  # W₁
        self.excite = nn.Linear(channels // reduction, channels, **factory)  # W₂

    def forward(self, x: Tensor) -> Tensor:
        require_map(x, FEATURE_MAP, self, C=self.channels, H=self.group.order)
        return x * excitation(x, self.squeeze, self.excite)[..., None, None, None]

    def extra_repr(self) -> str:
        return f"{self.group}, {self.channels}, reduction={self.reduction}"
