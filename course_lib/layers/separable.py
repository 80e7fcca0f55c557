"""Separable group convolutions: a filter on the group is one spatial kernel times a weight per sheet.

Source: Lengyel & van Gemert (2021), "Exploiting learned symmetries in group equivariant convolutions"; notebook 06.
"""

import math
from dataclasses import replace
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.groups import Group
from course_lib.layers.banks import lifting_filter_bank
from course_lib.layers.base import FEATURE_MAP, by_pixel, require_map, to_feature_map, to_planes
from course_lib.layers.conv import GroupConv2d
from course_lib.layers.cost import Cost
from course_lib.layers.settings import Device, Side


def separable_filters(kernel: Tensor, pointwise: Tensor) -> Tensor:
    """ψ[n, c, g] = K[n, c]·w[n, c, g] (Eq. 4), or K[n]·w[n, c, g] (Eq. 10): a spatial kernel times a weight per sheet.

    Shapes: kernel (O, C, k, k), or (O, 1, k, k) for one kernel that all input channels share; pointwise (O, C, |H|)
    → (O, C, |H|, k, k). Notebook 06.
    """
    return kernel.unsqueeze(2) * pointwise[..., None, None]


def pointwise_bank(pointwise: Tensor, group: Group) -> Tensor:
    """w̃[n, h, c, g] = w[n, c, h⁻¹g]: the weights permuted for every output sheet h. (O, C, |H|) → (O, |H|, C, |H|).

    This is the group filter bank of filters with a single pixel: there is nothing to turn, only sheets to permute.
    Notebook 06.
    """
    return torch.stack([pointwise[..., group.permutation(h)] for h in group.elements], dim=1)


def g_factored(x: Tensor, pointwise: Tensor, kernels: Tensor, **options: Any) -> Tensor:
    """Eqs. 9 and 8: X̃[n, h, c] = Σ_g w̃[n, h, c, g] X[c, g], then Σ_c X̃[n, h, c] ⋆ L_h K[n, c].

    Shapes: x (B, C, |H|, Y, X), pointwise bank (O, |H|, C, |H|), kernel bank (O, |H|, C, k, k) → (B, O, |H|, Y′, X′).
    ``options`` (bias, stride, padding) go to the second convolution. Notebook 06.
    """
    sheets = pointwise.shape[:2]
    # Eq. 9: each channel c has |H| sheets and weights of its own, so this is a 1×1 convolution in C groups.
    by_channel = pointwise.permute(2, 0, 1, 3).flatten(0, 2)  # (C·O·|H|, |H|)
    mixed = F.conv2d(x.flatten(1, 2), by_channel[..., None, None], groups=x.shape[1])  # (B, C·O·|H|, Y, X)
    # Eq. 8: each (n, h) has C maps and C kernels of its own, so its C maps have to be neighbors.
    mixed = mixed.unflatten(1, (x.shape[1], -1)).transpose(1, 2).flatten(1, 2)  # (B, O·|H|·C, Y, X)
    return F.conv2d(mixed, kernels.flatten(0, 1), groups=sheets.numel(), **options).unflatten(1, sheets)


def gc_factored(x: Tensor, pointwise: Tensor, kernels: Tensor, **options: Any) -> Tensor:
    """Eqs. 15 and 14: X̃[n, h] = Σ_c Σ_g w̃[n, h, c, g] X[c, g], then X̃[n, h] ⋆ L_h K[n].

    Shapes: x (B, C, |H|, Y, X), pointwise bank (O, |H|, C, |H|), kernel bank (O, |H|, 1, k, k) → (B, O, |H|, Y′, X′).
    ``options`` (bias, stride, padding) go to the second convolution. Notebook 06.
    """
    sheets = pointwise.shape[:2]
    mixed = F.conv2d(x.flatten(1, 2), pointwise.flatten(0, 1).flatten(1)[..., None, None])
    return F.conv2d(mixed, kernels.flatten(0, 1), groups=sheets.numel(), **options).unflatten(1, sheets)


class _SeparableConv2d(GroupConv2d):
    """A group convolution with ψ = K ⊗ w: a spatial kernel K and a weight w for every (channel, sheet) of the input."""

    takes_any_angle = False

    def _make_weights(self, factory: dict[str, Any]) -> None:
        self.kernel = nn.Parameter(torch.empty(self._kernel_shape(), **factory))
        self.pointwise = nn.Parameter(torch.empty(self.out_channels, self.in_channels, self.group.order, **factory))

    def _initialize_weights(self) -> None:
        # The variance of a product is the product of the variances: together He's 2 / (C·|H|·k²).
        nn.init.normal_(self.kernel, std=1 / self.kernel_size)
        nn.init.normal_(self.pointwise, std=math.sqrt(2 / (self.in_channels * self.group.order)))

    def _kernel_shape(self) -> tuple[int, ...]:
        raise NotImplementedError

    def _weight_count(self) -> int:
        return math.prod(self._kernel_shape()) + self.out_channels * self.in_channels * self.group.order

    def filters(self) -> Tensor:
        """ψ, (O, C, |H|, k, k)."""
        return separable_filters(self.kernel, self.pointwise)

    def full(self, x: Tensor) -> Tensor:
        """The naive form, Eqs. 5 and 11: build the full filter bank, then one conv2d."""
        require_map(x, FEATURE_MAP, self, C=self.in_channels, H=self.group.order)
        return self._convolve(x)

    def factored(self, x: Tensor) -> Tensor:
        """The factored form: combine sheets first, then convolve in space with the turned kernels."""
        require_map(x, FEATURE_MAP, self, C=self.in_channels, H=self.group.order)
        self._require_exact(x)
        banks = pointwise_bank(self.pointwise, self.group), lifting_filter_bank(self.kernel, self.group)
        return self._combine(x, *banks, stride=self.stride, padding=self.padding)

    def _combine(self, x: Tensor, pointwise: Tensor, kernels: Tensor, **options: Any) -> Tensor:
        raise NotImplementedError


class GSeparableConv2d(_SeparableConv2d):
    """g-GConv: the kernel is shared over the group axis, ψ[n, c, g] = K[n, c]·w[n, c, g], so that

        [f ⋆ ψ](t, h) = Σ_c (Σ_g w̃[n, h, c, g] f_c(·, g)) ⋆ L_h K[n, c] + b

    Shapes: ``(B, C, |H|, Y, X)`` → ``(B, O, |H|, Y′, X′)``; kernel ``(O, C, k, k)``, pointwise ``(O, C, |H|)``.
    Source: Lengyel & van Gemert (2021), Eqs. 4–9; notebook 06. Both forms agree to rounding; the full one is used: the
    factored one needs a map for every (n, h, c) and is slower (``python -m course_lib bench``).
    Exact and raising as GroupConv2d.

        >>> GSeparableConv2d(C4, 8, 16, kernel_size=3, padding=1)(torch.randn(2, 8, 4, 28, 28)).shape
        torch.Size([2, 16, 4, 28, 28])
    """

    def _kernel_shape(self) -> tuple[int, ...]:
        return self.out_channels, self.in_channels, self.kernel_size, self.kernel_size

    def forward(self, x: Tensor) -> Tensor:
        return self.full(x)

    def _combine(self, x: Tensor, pointwise: Tensor, kernels: Tensor, **options: Any) -> Tensor:
        bias = self._bias_of_planes(torch.contiguous_format)
        return g_factored(x, pointwise, kernels, bias=bias, **options)


class GCSeparableConv2d(_SeparableConv2d):
    """gc-GConv: the kernel is shared over the group axis and the input channels, ψ[n, c, g] = K[n]·w[n, c, g], so that

        [f ⋆ ψ](t, h) = (Σ_c Σ_g w̃[n, h, c, g] f_c(·, g)) ⋆ L_h K[n] + b

    Shapes: ``(B, C, |H|, Y, X)`` → ``(B, O, |H|, Y′, X′)``; kernel ``(O, 1, k, k)``, pointwise ``(O, C, |H|)``.
    With ``pointwise_bias`` each channel gets a second bias between the two steps. Without padding it moves every output
    value by b′·ΣK, which b could do alone; the paper's c-Z2CNN has it, and counts it.
    Source: Lengyel & van Gemert (2021), Eqs. 10–15; notebook 06. Both forms agree to rounding; the factored one is
    used where it is faster: from C·|H| = 16 on (``python -m course_lib bench``). Exact and raising as GroupConv2d;
    ValueError for a ``pointwise_bias`` with padding, where the zeros around a map would be moved, too.

        >>> GCSeparableConv2d(C4, 8, 16, kernel_size=3, padding=1)(torch.randn(2, 8, 4, 28, 28)).shape
        torch.Size([2, 16, 4, 28, 28])
    """

    def __init__(
        self,
        group: Group,
        in_channels: int,
        out_channels: int,
        kernel_size: Side,
        *,
        pointwise_bias: bool = False,
        stride: Side = 1,
        padding: int | Literal["same"] = 0,
        bias: bool = True,
        allow_approximate: bool = False,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(
            group, in_channels, out_channels, kernel_size, stride=stride, padding=padding, bias=bias,
            allow_approximate=allow_approximate, device=device, dtype=dtype,
        )  # fmt: skip
        if pointwise_bias and self.padding != 0:
            raise ValueError(f"pointwise_bias needs padding 0, got {self.padding!r}: zeros at the border have no bias")
        second_bias = torch.zeros(out_channels, device=device, dtype=dtype) if pointwise_bias else None
        self.pointwise_bias = None if second_bias is None else nn.Parameter(second_bias)

    def reset_parameters(self) -> None:
        super().reset_parameters()
        bias = getattr(self, "pointwise_bias", None)  # not yet there when the rest is made
        if bias is not None:
            nn.init.zeros_(bias)

    def _kernel_shape(self) -> tuple[int, ...]:
        return self.out_channels, 1, self.kernel_size, self.kernel_size

    def forward(self, x: Tensor) -> Tensor:
        return self.factored(x) if self.in_channels * self.group.order >= 16 else self.full(x)

    def cost(self, values: int) -> Cost:
        """As of any group convolution, and the second bias."""
        cost = super().cost(values)
        return replace(cost, parameters=cost.parameters + (self.pointwise_bias is not None) * self.out_channels)

    def _combine(self, x: Tensor, pointwise: Tensor, kernels: Tensor, **options: Any) -> Tensor:
        """`gc_factored`; on a CPU between channels-last maps, where the first step is one matrix for every pixel."""
        if x.device.type != "cpu":
            bias = self._bias_of_planes(torch.contiguous_format)
            return gc_factored(x, pointwise, kernels, bias=bias, **options)
        matrix = pointwise.permute(1, 0, 3, 2).reshape(self.group.order * self.out_channels, -1)  # (|H|·O, |H|·C)
        mixed = F.linear(by_pixel(to_planes(x, torch.channels_last)), matrix).movedim(-1, 1)
        by_sheet, bias = kernels.transpose(0, 1).flatten(0, 1), self._bias_of_planes(torch.channels_last)
        y = F.conv2d(mixed, by_sheet, bias, groups=len(by_sheet), **options)
        return to_feature_map(y, self.group.order, torch.channels_last)

    def channel_bias(self) -> Tensor | None:
        if self.pointwise_bias is None:
            return self.bias
        moved = self.pointwise_bias * self.kernel.sum(dim=(1, 2, 3))  # turning a kernel leaves its sum
        return moved if self.bias is None else moved + self.bias
