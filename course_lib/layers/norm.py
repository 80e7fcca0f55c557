"""Batch norm and dropout that treat all |H| sheets of a channel alike; what differs per sheet breaks equivariance."""

from __future__ import annotations

from torch import Tensor, nn

from course_lib.groups import Group
from course_lib.layers.base import FEATURE_MAP, require_map


class GroupBatchNorm2d(nn.BatchNorm3d):
    """Batch norm with one mean, variance, gain γ and bias β per channel, shared over the group and over space:

        y = γ_c (f − μ_c) / √(σ²_c + ε) + β_c,   μ_c, σ²_c over (B, |H|, Y, X)

    Shapes: ``(B, C, |H|, Y, X)`` → the same. Exact, before and after training. Notebook 04; oracle
    ``oracles.batch_norm``. PyTorch's BatchNorm3d does just this when |H| stands where it expects depth. Raises
    ValueError or TypeError for a map of another shape or type.
    """

    def __init__(self, group: Group, channels: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__(channels, eps=eps, momentum=momentum)
        self.group = group

    def _check_input_dim(self, input: Tensor) -> None:
        require_map(input, FEATURE_MAP, self, C=self.num_features, H=self.group.order)


class GroupDropout(nn.Dropout3d):
    """Dropout of whole channels, all |H| sheets of one together: with the same mask it commutes with every L_g.

    Shapes: ``(B, C, |H|, Y, X)`` → the same. A mask drawn per value would not: it would have to turn with the input.
    Raises ValueError or TypeError for a map of another shape or type. Notebook 04.
    """

    def __init__(self, group: Group, p: float = 0.5) -> None:
        super().__init__(p)
        self.group = group

    def forward(self, input: Tensor) -> Tensor:
        require_map(input, FEATURE_MAP, self, H=self.group.order)
        return super().forward(input)
