"""Separable group convolutions: a filter on the group is one spatial kernel times a weight per sheet.

Source: Lengyel & van Gemert (2021), "Exploiting learned symmetries in group equivariant convolutions"; notebook 06.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.layers.base import FEATURE_MAP, require_map
from course_lib.layers.conv import GroupConv2d, group_filter_bank, lifting_filter_bank


class _SeparableConv2d(GroupConv2d):
    """A group convolution with ψ = K ⊗ w: a spatial kernel K and a weight w for every (channel, sheet) of the input."""

    def _make_weights(self) -> None:
        self.kernel = nn.Parameter(torch.empty(self._kernel_shape()))
        self.pointwise = nn.Parameter(torch.empty(self.out_channels, self.in_channels, self.group.order))
        # The variance of a product is the product of the variances: together He's 2 / (C·|H|·k²).
        nn.init.normal_(self.kernel, std=1 / self.kernel_size)
        nn.init.normal_(self.pointwise, std=math.sqrt(2 / (self.in_channels * self.group.order)))

    def _kernel_shape(self) -> tuple[int, ...]:
        raise NotImplementedError

    def filters(self) -> Tensor:
        """ψ[n, c, g] = K[n, c]·w[n, c, g], Eqs. 4 and 10: (O, C, |H|, k, k)."""
        return self.kernel.unsqueeze(2) * self.pointwise[..., None, None]

    def full(self, x: Tensor) -> Tensor:
        """The naive form, Eqs. 5 and 11: build the full filter bank, then one conv2d."""
        require_map(x, FEATURE_MAP, self, C=self.in_channels, H=self.group.order)
        return self._convolve(x.flatten(1, 2))

    def factored(self, x: Tensor) -> Tensor:
        """The factored form: combine sheets first, then convolve in space."""
        raise NotImplementedError

    def _pointwise_bank(self) -> Tensor:
        """w̃, (O, |H|, C, |H|): the weights permuted for every output sheet."""
        return group_filter_bank(self.pointwise[..., None, None], self.group)[..., 0, 0]

    def _kernel_bank(self) -> Tensor:
        """T_h(K), (O·|H|, C or 1, k, k): the kernel turned for every output sheet."""
        return lifting_filter_bank(self.kernel, self.group).flatten(0, 1)


class GSeparableConv2d(_SeparableConv2d):
    """g-GConv: the kernel is shared over the group axis, ψ[n, c, g] = K[n, c]·w[n, c, g], so that

        [f ⋆ ψ](t, h) = Σ_c (Σ_g w̃[n, h, c, g] f_c(·, g)) ⋆ L_h K[n, c] + b

    Shapes: ``(B, C, |H|, Y, X)`` → ``(B, O, |H|, Y′, X′)``; kernel ``(O, C, k, k)``, pointwise ``(O, C, |H|)``.
    Source: Lengyel & van Gemert (2021), Eqs. 4–9; notebook 06. Both forms agree to rounding; the full one is used: the
    factored one needs a map for every (n, h, c) and is slower (``tests/benchmarks/separable.py``).
    Exact and raising as GroupConv2d.
    """

    def _kernel_shape(self) -> tuple[int, ...]:
        return self.out_channels, self.in_channels, self.kernel_size, self.kernel_size

    def forward(self, x: Tensor) -> Tensor:
        return self.full(x)

    def factored(self, x: Tensor) -> Tensor:
        """Eqs. 8 and 9: a 1×1 convolution in C groups, then a k×k one in O·|H| groups."""
        require_map(x, FEATURE_MAP, self, C=self.in_channels, H=self.group.order)
        self._require_exact(x)
        sheets = self.out_channels * self.group.order
        by_channel = self._pointwise_bank().movedim(2, 0).reshape(-1, self.group.order, 1, 1)  # (C·O·|H|, |H|, 1, 1)
        mixed = F.conv2d(x.flatten(1, 2), by_channel, groups=self.in_channels)
        mixed = mixed.unflatten(1, (self.in_channels, sheets)).transpose(1, 2).flatten(1, 2)  # (B, O·|H|·C, Y, X)
        y = F.conv2d(mixed, self._kernel_bank(), self._bias_per_sheet(), self.stride, self.padding, groups=sheets)
        return y.unflatten(1, (self.out_channels, self.group.order))


class GCSeparableConv2d(_SeparableConv2d):
    """gc-GConv: the kernel is shared over the group axis and the input channels, ψ[n, c, g] = K[n]·w[n, c, g], so that

        [f ⋆ ψ](t, h) = (Σ_c Σ_g w̃[n, h, c, g] f_c(·, g)) ⋆ L_h K[n] + b

    Shapes: ``(B, C, |H|, Y, X)`` → ``(B, O, |H|, Y′, X′)``; kernel ``(O, 1, k, k)``, pointwise ``(O, C, |H|)``.
    Source: Lengyel & van Gemert (2021), Eqs. 10–15; notebook 06. Both forms agree to rounding; the factored one is
    used where it is faster: from C·|H| = 16 on (``tests/benchmarks/separable.py``). Exact and raising as GroupConv2d.
    """

    def _kernel_shape(self) -> tuple[int, ...]:
        return self.out_channels, 1, self.kernel_size, self.kernel_size

    def forward(self, x: Tensor) -> Tensor:
        return self.factored(x) if self.in_channels * self.group.order >= 16 else self.full(x)

    def factored(self, x: Tensor) -> Tensor:
        """Eqs. 14 and 15: a 1×1 group convolution, then a depthwise k×k convolution with turned kernels."""
        require_map(x, FEATURE_MAP, self, C=self.in_channels, H=self.group.order)
        self._require_exact(x)
        sheets = self.out_channels * self.group.order
        mixed = F.conv2d(x.flatten(1, 2), self._pointwise_bank().reshape(sheets, -1, 1, 1))
        y = F.conv2d(mixed, self._kernel_bank(), self._bias_per_sheet(), self.stride, self.padding, groups=sheets)
        return y.unflatten(1, (self.out_channels, self.group.order))
