"""The E4 layer: each element of Z² ⋊ H makes its own depthwise kernel out of what it sees. Notebook 08."""

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.groups import Group
from course_lib.kernels import generate_and_aggregate, generate_kernels
from course_lib.kernels.windows import require_odd_window
from course_lib.layers.banks import lifting_filter_bank
from course_lib.layers.base import FEATURE_MAP, WeightsOfGroup, require_map
from course_lib.layers.conv import GroupConv2d
from course_lib.layers.cost import Cost
from course_lib.layers.norm import GroupInstanceNorm
from course_lib.layers.settings import Device, Side, factory_kwargs, require_divisor, require_positive, side_of_square

Concatenation = Literal["none", "K", "V", "both"]


class E4Layer(WeightsOfGroup):
    """Dynamic depthwise aggregation over space, with a kernel generator K and an encoder V:

        f′(g) = Σ_v K_v(∪_a f(g·(0, a))) ⊙ V(∪_a f(g·(v, a))),   v over k × k pixels, a over H
        K_v(z) = W₂[v] relu(norm(W₁ z)) + b₂[v],   V(z) = W₃ z

    For g = (t, h) the neighbor g·(v, e) lies at t + hv: the kernel of h is that of the identity, turned by h. So the
    small matrix W₂ is turned, never the generated kernels. Concatenating the features of all g·(0, a) and multiplying
    by a matrix is a 1×1 group convolution. ``concat`` tells which of K and V do so; the other sees f(g) alone.
    Each of the ``slices`` s shares one kernel: channel c belongs to slice c // (O/s). (The paper takes c mod s, the
    same up to the order of the channels.) ``reduction`` r: the generator has C/r hidden channels.

    Shapes: ``(B, C, |H|, Y, X)`` → ``(B, O, |H|, Y, X)``; kernel_weight W₂ ``(s, C/r, k, k)``, kernel_bias b₂
    ``(s, k, k)``. Outside of the map V is zero. Source: He et al. (2021), Eqs. 11 and 12 and section 4.1; notebook 08;
    oracle ``oracles.e4``. ``affine`` of the norm between W₁ and relu as in `GroupInstanceNorm`.
    Exact for every map size; not with ``affine="per_element"``, hence ``allow_approximate``. There is no stride: a
    strided window has no center pixel on an even map, so pool after the layer. Raises ValueError for an even kernel,
    for channels that slices or reduction do not divide, and for wrong shapes; TypeError for a map that is not float.

        >>> E4Layer(C4, 16, 16, kernel_size=5, slices=2)(torch.randn(2, 16, 4, 14, 14)).shape
        torch.Size([2, 16, 4, 14, 14])
    """

    def __init__(
        self,
        group: Group,
        in_channels: int,
        out_channels: int,
        kernel_size: Side,
        slices: int = 1,
        reduction: int = 1,
        *,
        concat: Concatenation = "both",
        affine: Literal["shared", "per_element"] = "shared",
        allow_approximate: bool = False,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(group, device)
        factory = factory_kwargs(device, dtype)
        kernel_size = side_of_square(kernel_size=kernel_size)
        require_positive(in_channels=in_channels, out_channels=out_channels, slices=slices, reduction=reduction)
        require_odd_window(kernel_size)
        require_divisor("slices", slices, "out_channels", out_channels)
        require_divisor("reduction", reduction, "in_channels", in_channels)
        if concat not in ("none", "K", "V", "both"):
            raise ValueError(f"concat must be 'none', 'K', 'V' or 'both', got {concat!r}")
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size, self.slices, self.reduction, self.concat = kernel_size, slices, reduction, concat
        hidden = in_channels // reduction
        self.squeeze = _mix(group, in_channels, hidden, concat in ("K", "both"), factory)  # W₁
        self.norm = GroupInstanceNorm(group, hidden, affine, allow_approximate=allow_approximate, **factory)
        self.kernel_weight = nn.Parameter(torch.empty(slices, hidden, kernel_size, kernel_size, **factory))  # W₂
        self.kernel_bias = nn.Parameter(torch.empty(slices, kernel_size, kernel_size, **factory))  # b₂
        self.encoder = _mix(group, in_channels, out_channels, concat in ("V", "both"), factory)  # W₃
        # Σ_v K_v V has the variance of V when each of the k² kernel values has variance 1/k². Nine tenths of it are
        # in b₂, the same everywhere: from there E4-Net learns about twice as fast as from kernels that the input
        # alone decides. A tenth is in W₂; a hidden value after norm and relu has mean square 1/2.
        nn.init.normal_(self.kernel_bias, std=0.9**0.5 / kernel_size)
        nn.init.normal_(self.kernel_weight, std=(0.1 * 2 / hidden) ** 0.5 / kernel_size)

    def forward(self, x: Tensor) -> Tensor:
        hidden, weight, bias = self._generator(x)
        return generate_and_aggregate(hidden, self.encoder(x), weight, bias)

    def cost(self, values: int) -> Cost:
        """At each g: W₂ makes k² values for each slice, and each channel takes k² products to aggregate."""
        window, hidden = self.kernel_size**2, self.in_channels // self.reduction
        matrix, places = window * self.slices * hidden, values // self.out_channels
        return Cost(matrix + window * self.slices, macs=matrix * places, aggregation=window * values)

    def products(self, x: Tensor) -> Tensor:
        """Its matrix products alone, for counting; the shape is right and the values are wrong."""
        self.kernels(x)
        return self.encoder(x)

    def kernels(self, x: Tensor) -> Tensor:
        """The kernel that each (h, t) makes for each slice: (B, s, |H|, k², Y, X), row by row."""
        return generate_kernels(*self._generator(x))

    def _generator(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What the kernels are made of: the hidden map (B, C/r, |H|, Y, X), and W₂ and b₂ turned by every h."""
        require_map(x, FEATURE_MAP, self, C=self.in_channels, H=self.group.order)
        hidden = F.relu(self.norm(self.squeeze(x)))
        weight, bias = (lifting_filter_bank(p, self.group) for p in (self.kernel_weight, self.kernel_bias))
        return hidden, weight, bias

    def extra_repr(self) -> str:
        return (
            f"{self.group}, {self.in_channels} → {self.out_channels}, kernel_size={self.kernel_size}, "
            f"slices={self.slices}, reduction={self.reduction}, concat={self.concat!r}"
        )


def _mix(group: Group, in_channels: int, out_channels: int, concatenate: bool, factory: dict[str, Any]) -> nn.Module:
    """A matrix applied to ∪_a f(g·(0, a)), or, if nothing is concatenated, to f(g): the same one at every g."""
    if concatenate:
        return GroupConv2d(group, in_channels, out_channels, 1, bias=False, **factory)
    pointwise = nn.Conv3d(in_channels, out_channels, 1, bias=False, **factory)  # of kernel size 1 over (|H|, Y, X)
    nn.init.kaiming_normal_(pointwise.weight, nonlinearity="relu")
    return pointwise
