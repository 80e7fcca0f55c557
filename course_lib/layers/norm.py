"""Norms and dropout that treat all |H| sheets of a channel alike; what differs per sheet breaks equivariance."""

from typing import Literal

import torch
from torch import Tensor, nn

from course_lib.groups import Group
from course_lib.layers import pooled_batch_norm
from course_lib.layers.base import FEATURE_MAP, GroupLayer, by_channel, require_map
from course_lib.layers.cost import Cost
from course_lib.layers.settings import Device, factory_kwargs, require_group, require_positive


class GroupBatchNorm(nn.BatchNorm3d):
    """Batch norm with one mean, variance, gain γ and bias β per channel, shared over the group and over space:

        y = γ_c (f − μ_c) / √(σ²_c + ε) + β_c,   μ_c, σ²_c over (B, |H|, Y, X)

    Shapes: ``(B, C, |H|, Y, X)`` → the same. Exact, before and after training. Notebook 04; oracle
    ``oracles.batch_norm``. PyTorch's BatchNorm3d does just this when |H| stands where it expects depth. Raises
    ValueError or TypeError for a map of another shape or type.

        >>> GroupBatchNorm(C4, 8)(torch.randn(2, 8, 4, 7, 9)).shape
        torch.Size([2, 8, 4, 7, 9])
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(
        self,
        group: Group,
        channels: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        *,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(channels, eps=eps, momentum=momentum, **factory_kwargs(device, dtype))
        self.group = require_group(group)

    def forward(self, input: Tensor) -> Tensor:
        require_map(input, FEATURE_MAP, self, C=self.num_features, H=self.group.order)
        if self.training and self.track_running_stats and pooled_batch_norm.is_faster(input, self.weight):
            y, mean, var = pooled_batch_norm.batch_norm(input, self.weight, self.bias, self.eps)
            self._follow(mean, var, input.numel() // self.num_features)
            return y
        return by_channel(super().forward, input)

    @torch.no_grad()
    def _follow(self, mean: Tensor, var: Tensor, count: int) -> None:
        """Move the running statistics towards those of a batch, as PyTorch's batch norm does."""
        self.num_batches_tracked += 1
        step = 1 / int(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, step)
        self.running_var.lerp_(var * (count / (count - 1)), step)

    def cost(self, values: int) -> Cost:
        """A gain and a bias per channel."""
        return Cost(2 * self.num_features, norm=2 * values)

    def _check_input_dim(self, input: Tensor) -> None:
        """Of the whole map, in `forward`: what comes here is a view of it."""


class GroupInstanceNorm(GroupLayer):
    """Each image and channel by its own mean and variance, then one gain γ and bias β per channel:

        y = γ_c (f − μ_c) / √(σ²_c + ε) + β_c,   μ_c, σ²_c over (|H|, Y, X)

    This is a group norm with a group of its own for each channel. ``affine="per_element"`` gives each (channel, h) its
    own γ and β, as the released code of He et al. (2021) does: equivariant only as long as they are equal over h, which
    training ends. It needs ``allow_approximate=True``.
    Shapes: ``(B, C, |H|, Y, X)`` → the same; γ, β ``(C, 1)``, per element ``(C, |H|)``. Exact when shared. Notebook 08.
    Raises ValueError for per-element parameters without leave and for wrong shapes; TypeError for a map not float.

        >>> GroupInstanceNorm(C4, 8)(torch.randn(2, 8, 4, 7, 9)).shape
        torch.Size([2, 8, 4, 7, 9])
    """

    def __init__(
        self,
        group: Group,
        channels: int,
        affine: Literal["shared", "per_element"] = "shared",
        *,
        eps: float = 1e-5,
        allow_approximate: bool = False,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(group)
        factory = factory_kwargs(device, dtype)
        require_positive(channels=channels)
        if affine not in ("shared", "per_element"):
            raise ValueError(f"affine must be 'shared' or 'per_element', got {affine!r}")
        if affine == "per_element" and group.order > 1 and not allow_approximate:
            raise ValueError(
                f"a gain and a bias for every element of {group} are equivariant only until training makes them "
                "differ. Use affine='shared', or accept the error with allow_approximate=True"
            )
        self.channels, self.affine, self.eps = channels, affine, eps
        sheets = group.order if affine == "per_element" else 1
        self.weight = nn.Parameter(torch.ones(channels, sheets, **factory))
        self.bias = nn.Parameter(torch.zeros(channels, sheets, **factory))

    def forward(self, x: Tensor) -> Tensor:
        require_map(x, FEATURE_MAP, self, C=self.channels, H=self.group.order)
        # torch.group_norm, as nn.functional.group_norm refuses a single value per channel, which becomes zero.
        shared = self.affine == "shared"
        weight, bias = (self.weight.flatten(), self.bias.flatten()) if shared else (None, None)
        # In the default layout: its gradient takes two to six times as long in channels-last with a group per channel.
        y = torch.group_norm(x.contiguous(), self.channels, weight, bias, self.eps)
        return y if shared else y * self.weight[..., None, None] + self.bias[..., None, None]

    def cost(self, values: int) -> Cost:
        """A gain and a bias per channel, or per channel and element."""
        sheets = self.group.order if self.affine == "per_element" else 1
        return Cost(2 * self.channels * sheets, norm=5 * values)

    def extra_repr(self) -> str:
        return f"{self.group}, {self.channels}, affine={self.affine!r}"


class GroupDropout(nn.Dropout3d):
    """Dropout of whole channels, all |H| sheets of one together: with the same mask it commutes with every L_g.

    Shapes: ``(B, C, |H|, Y, X)`` → the same. A mask drawn per value would not: it would have to turn with the input.
    Raises ValueError or TypeError for a map of another shape or type. Notebook 04.

        >>> GroupDropout(C4, 0.3)(torch.randn(2, 8, 4, 7, 9)).shape
        torch.Size([2, 8, 4, 7, 9])
    """

    def __init__(self, group: Group, p: float = 0.5) -> None:
        super().__init__(p)
        self.group = require_group(group)

    def forward(self, input: Tensor) -> Tensor:
        require_map(input, FEATURE_MAP, self, H=self.group.order)
        return super().forward(input)
