"""Pooling over the group, over cosets, and over space."""

import torch.nn.functional as F
from torch import Tensor

from course_lib.groups import Group
from course_lib.layers.base import (
    FEATURE_MAP,
    IMAGE,
    GroupLayer,
    by_pixel,
    join_sheets,
    present_format,
    require_exact_sampling,
    require_map,
    to_feature_map,
    to_planes,
)
from course_lib.layers.settings import Side, require_group, side_of_square


class GroupMaxPool(GroupLayer):
    """Maximum over the group axis: P(f)(x) = max over h ∈ H of f(x, h). ``(B, C, |H|, Y, X)`` → ``(B, C, Y, X)``.

    Exact: the result turns like an image, since the maximum does not see the permutation of the sheets. Notebook 04.

        >>> GroupMaxPool(C4)(torch.randn(2, 8, 4, 7, 9)).shape
        torch.Size([2, 8, 7, 9])
    """

    def forward(self, x: Tensor) -> Tensor:
        require_map(x, FEATURE_MAP, self, H=self.group.order)
        return _largest(x)


def _largest(x: Tensor) -> Tensor:
    """The maximum over the sheets, (B, C, |H|, Y, X) → (B, C, Y, X), in memory as the map: amax alone would not do."""
    if x.device.type != "cpu":
        return x.amax(dim=2)
    return by_pixel(x).amax(dim=3).permute(0, 3, 1, 2)


class CosetMaxPool(GroupLayer):
    """Maximum over the left cosets of a subgroup S: P(f)(x, hS) = max over s ∈ S of f(x, hs).

    Shapes: ``(B, C, |H|, Y, X)`` → ``(B, C, |H|/|S|, Y, X)``. The result lives on (Z² ⋊ H)/S, on which H acts by
    permuting the cosets: ``act_on_feature_map(g, f, group, subgroup)``. Exact. Source: Cohen & Welling (2016), section
    6.3; notebook 04; oracle ``oracles.coset_max_pool``. Raises ValueError if S is no subgroup.

        >>> CosetMaxPool(D4, C4)(torch.randn(2, 8, 8, 7, 9)).shape
        torch.Size([2, 8, 2, 7, 9])
    """

    def __init__(self, group: Group, subgroup: Group) -> None:
        super().__init__(group)
        self.subgroup = require_group(subgroup)
        self.cosets = [[group.index(h) for h in coset] for coset in group.left_cosets(subgroup)]

    def forward(self, x: Tensor) -> Tensor:
        require_map(x, FEATURE_MAP, self, H=self.group.order)
        return join_sheets([_largest(x[:, :, coset]) for coset in self.cosets])


class GlobalMaxPool(GroupLayer):
    """Maximum over the group and over space: ``(B, C, |H|, Y, X)`` → ``(B, C)``, invariant to H. Exact. Notebook 04.

    >>> GlobalMaxPool(D4)(torch.randn(2, 8, 8, 7, 9)).shape
    torch.Size([2, 8])
    """

    def forward(self, x: Tensor) -> Tensor:
        require_map(x, FEATURE_MAP, self, H=self.group.order)
        return x.amax(dim=(2, 3, 4))


class GlobalAvgPool(GroupLayer):
    """Mean over the group and over space: ``(B, C, |H|, Y, X)`` → ``(B, C)``, invariant to H. Exact. Notebook 10.

    >>> GlobalAvgPool(D4)(torch.randn(2, 8, 8, 7, 9)).shape
    torch.Size([2, 8])
    """

    def forward(self, x: Tensor) -> Tensor:
        require_map(x, FEATURE_MAP, self, H=self.group.order)
        return x.mean(dim=(2, 3, 4))


class _SpatialPool2d(GroupLayer):
    def __init__(
        self, group: Group, kernel_size: Side, stride: Side | None = None, *, allow_approximate: bool = False
    ) -> None:
        super().__init__(group)
        self.kernel_size = side_of_square(kernel_size=kernel_size)
        self.stride = self.kernel_size if stride is None else side_of_square(stride=stride)
        if self.kernel_size < 1 or self.stride < 1:
            raise ValueError(f"kernel_size and stride must be at least 1, got {kernel_size} and {stride}")
        self.allow_approximate = allow_approximate

    def _pool(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        is_image = isinstance(x, Tensor) and x.ndim == 4
        if is_image:
            require_map(x, IMAGE, self)
        else:
            require_map(x, FEATURE_MAP, self)
        stride = 1 if self.allow_approximate else self.stride
        require_exact_sampling(self, self.group, x.shape[-2:], self.kernel_size, stride)
        memory = present_format(x)
        y = self._pool(to_planes(x, memory))
        return y if is_image else to_feature_map(y, x.shape[2], memory)

    def extra_repr(self) -> str:
        return f"{self.group}, kernel_size={self.kernel_size}, stride={self.stride}"


class SpatialMaxPool2d(_SpatialPool2d):
    """Maximum over windows of k × k pixels, sheet by sheet, of ``(B, C, |H|, Y, X)`` or ``(B, C, Y, X)``.

    Exact where (Y − k) and (X − k) are divisible by the stride, else ValueError (unless ``allow_approximate``): a 2×2
    pool is exact on even maps and on no odd one. k is ``kernel_size``. Notebooks 04 and 05; oracle
    ``oracles.spatial_pool``.

        >>> SpatialMaxPool2d(C4, 2)(torch.randn(2, 8, 4, 6, 10)).shape
        torch.Size([2, 8, 4, 3, 5])
    """

    def _pool(self, x: Tensor) -> Tensor:
        return F.max_pool2d(x, self.kernel_size, self.stride)


class SpatialAvgPool2d(_SpatialPool2d):
    """Mean over windows of k × k pixels; otherwise as SpatialMaxPool2d.

    >>> SpatialAvgPool2d(C4, 2)(torch.randn(2, 8, 4, 6, 10)).shape
    torch.Size([2, 8, 4, 3, 5])
    """

    def _pool(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, self.kernel_size, self.stride)
