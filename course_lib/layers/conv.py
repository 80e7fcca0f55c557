"""Lifting and group convolution, one class each for every group: a bank of turned filters, then one conv2d."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Integral
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.actions import act, act_on_feature_map, act_on_image
from course_lib.groups import Group, inverse
from course_lib.layers.base import (
    FEATURE_MAP,
    IMAGE,
    WithIndex,
    require_exact_sampling,
    require_map,
    require_positive,
    reversed_axes,
)
from course_lib.layers.cost import Cost
from course_lib.layers.kept import KeptTensor


def lifting_filter_bank(psi: Tensor, group: Group) -> Tensor:
    """All turned copies L_h ψ of the filters: (O, C, k, k) → (O, |H|, C, k, k). Notebook 04."""
    return torch.stack([act_on_image(h, psi) for h in group.elements], dim=1)


def group_filter_bank(psi: Tensor, group: Group) -> Tensor:
    """All copies L_h ψ, turned *and* permuted: (O, C, |H|, k, k) → (O, |H|, C, |H|, k, k). Notebook 04."""
    return torch.stack([act_on_feature_map(h, psi, group) for h in group.elements], dim=1)


class _FilterBankConv2d(WithIndex):
    """A convolution whose filters are the turned copies of its weight; ``_bank`` says what turning means."""

    def __init__(
        self,
        group: Group,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        padding: int | Literal["same"] = 0,
        bias: bool = True,
        allow_approximate: bool = False,
    ) -> None:
        super().__init__()
        require_positive(in_channels=in_channels, out_channels=out_channels, kernel_size=kernel_size, stride=stride)
        self.group, self.in_channels, self.out_channels = group, in_channels, out_channels
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.allow_approximate = allow_approximate
        self._require_padding()
        self._make_weights()
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self._register_index()
        self._kept_bank = KeptTensor()

    def _make_weights(self) -> None:
        self.weight = nn.Parameter(torch.empty(self._weight_shape()))
        # He initialisation: one output value sums over C·|H|·k² inputs, which is what PyTorch takes for the fan-in.
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")

    def _weights(self) -> tuple[Tensor, ...]:
        """What the filters are made of; no parameters where these are computed, as by `torch.nn.utils.parametrize`."""
        return (self.weight,)

    def _weight_shape(self) -> tuple[int, ...]:
        raise NotImplementedError

    def _bank(self, psi: Tensor) -> Tensor:
        raise NotImplementedError

    def filters(self) -> Tensor:
        """ψ, the filters before they are turned: (O, C, k, k), or (O, C, |H|, k, k) on the group."""
        return self.weight

    def _require_padding(self) -> None:
        if isinstance(self.padding, Integral) and self.padding >= 0:
            return
        if self.padding != "same":
            raise ValueError(f"padding must be 0 or more pixels at every border, or 'same', got {self.padding!r}")
        if self.stride != 1:
            raise ValueError(f"padding='same' needs stride 1, got {self.stride}; give the padding as a number")
        if self.kernel_size % 2 == 0 and any(reversed_axes(self.group)) and not self.allow_approximate:
            raise ValueError(
                f"an even kernel ({self.kernel_size}) with padding='same' pads one border more than the other, which "
                f"{self.group} does not leave as it is. Use an odd kernel, or a number as padding, the same at every "
                "border (exact: the output grid moves by half a pixel), or allow_approximate=True"
            )

    def filter_bank(self) -> Tensor:
        """The filters of the one conv2d, (O·|H|, C·|H_in|, k, k): a single gather from ψ.

        Kept between calls in eval mode under ``no_grad``, for as long as the weights are the same tensors at the same
        version. An edit through ``parameter.data`` is not seen: call ``train()`` after it.
        """
        if self.training or torch.is_grad_enabled() or torch.compiler.is_compiling():
            return self._expand()
        return self._kept_bank.get((*self._weights(), *self.parameters()), self._expand)

    def _make_index(self) -> Tensor:
        """From which entry of ψ each entry of the bank is taken."""
        shape = self._weight_shape()[1:]
        return self._bank(torch.arange(math.prod(shape), device="cpu").reshape(1, *shape)).flatten()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> WithIndex:
        self._kept_bank.forget()
        return super()._apply(fn, recurse)

    def _expand(self) -> Tensor:
        k = self.kernel_size
        turned = self.filters().flatten(1).index_select(1, self.index)
        return turned.view(self.out_channels * self.group.order, -1, k, k)

    def train(self, mode: bool = True) -> _FilterBankConv2d:
        self._kept_bank.forget()
        return super().train(mode)

    def cost(self, values: int) -> Cost:
        """Each weight is used once for each sheet and pixel of the output: Lengyel & van Gemert (2021), section 3.4."""
        weights, places = self._weight_count(), values // self.out_channels
        return Cost(weights + (self.bias is not None) * self.out_channels, macs=weights * places)

    def _weight_count(self) -> int:
        return math.prod(self._weight_shape())

    def _convolve(self, x: Tensor) -> Tensor:
        """All output sheets, (B, O, |H|, Y′, X′)."""
        self._require_exact(x)
        return self._by_turning_maps(x) if self._turns_maps(x) else self._by_turning_filters(x)

    def _by_turning_filters(self, x: Tensor) -> Tensor:
        """One conv2d with the filter bank, then the group axis."""
        y = F.conv2d(x.flatten(1, -3), self.filter_bank(), self._bias_per_sheet(), self.stride, self.padding)
        return y.unflatten(1, (self.out_channels, self.group.order))

    def _by_turning_maps(self, x: Tensor) -> Tensor:
        """The same, since f ⋆ L_h ψ = L_h [(L_h⁻¹ f) ⋆ ψ]: one conv2d with ψ, of |H| turned copies of the input."""
        elements = self.group.elements
        turned = torch.cat([act(inverse(h), x, self.group) for h in elements])
        y = F.conv2d(turned.flatten(1, -3), self.filters().flatten(1, -3), self._bias(), self.stride, self.padding)
        sheets = y.chunk(self.group.order)
        return torch.stack([act_on_image(h, sheet) for h, sheet in zip(elements, sheets, strict=True)], dim=2)

    def _turns_maps(self, x: Tensor) -> bool:
        """Whether to turn the maps and not the filters: wide layers on tiny maps, in training.

        All turned maps together hold |H|·B·C·|H|·Y·X values, the filter bank O·|H|·C·|H|·k²; below one half of the bank
        turning the maps was faster (``python -m course_lib bench``). Without gradients the bank is kept, and is ahead.
        """
        batch, height, width = x.shape[0], *x.shape[-2:]
        can_turn = height == width and self.group.order > 1 and not self.allow_approximate
        is_tiny = 2 * batch * height * width <= self.out_channels * self.kernel_size**2
        return can_turn and is_tiny and torch.is_grad_enabled()

    def _bias(self) -> Tensor | None:
        """One bias for each output channel, which all its sheets share."""
        return self.bias

    def _bias_per_sheet(self) -> Tensor | None:
        bias = self._bias()
        return None if bias is None else bias.repeat_interleave(self.group.order)

    def _require_exact(self, x: Tensor) -> None:
        if self.padding == "same":
            return
        height, width = x.shape[-2:]
        stride = 1 if self.allow_approximate else self.stride
        require_exact_sampling(self, self.group, (height, width), self.kernel_size, stride, self.padding)

    def extra_repr(self) -> str:
        return (
            f"{self.group}, {self.in_channels} → {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}, padding={self.padding}, bias={self.bias is not None}"
        )


class LiftingConv2d(_FilterBankConv2d):
    """Lifting convolution, from an image to a feature map on Z² ⋊ H:

        [f ⋆ ψ](t, h) = Σ_y Σ_c f_c(y) ψ_c(h⁻¹(y − t)) + b

    Shapes: ``(B, C, Y, X)`` → ``(B, O, |H|, Y′, X′)``; weight ``(O, C, k, k)``; one bias per channel, shared over H.
    Source: Cohen & Welling (2016), eq. 10; notebook 04; oracle ``oracles.lifting_conv``.
    Exact for every kernel size at stride 1, and at stride s where (size + 2·padding − k) is divisible by s.
    Raises ValueError where it cannot be exact (unless ``allow_approximate``) and for wrong shapes; TypeError for a map
    that is not float.
    """

    def _weight_shape(self) -> tuple[int, ...]:
        return self.out_channels, self.in_channels, self.kernel_size, self.kernel_size

    def _bank(self, psi: Tensor) -> Tensor:
        return lifting_filter_bank(psi, self.group)

    def forward(self, x: Tensor) -> Tensor:
        require_map(x, IMAGE, self, C=self.in_channels)
        return self._convolve(x)


class GroupConv2d(_FilterBankConv2d):
    """Group convolution, from a feature map on Z² ⋊ H to another:

        [f ⋆ ψ](t, h) = Σ_{y, h̃} Σ_c f_c(y, h̃) ψ_c(h⁻¹(y − t), h⁻¹h̃) + b

    Shapes: ``(B, C, |H|, Y, X)`` → ``(B, O, |H|, Y′, X′)``; weight ``(O, C, |H|, k, k)``; one bias per channel, shared
    over H.
    Source: Cohen & Welling (2016), eq. 11; notebook 04; oracle ``oracles.group_conv``.
    Exact and raising as LiftingConv2d.
    """

    def _weight_shape(self) -> tuple[int, ...]:
        return self.out_channels, self.in_channels, self.group.order, self.kernel_size, self.kernel_size

    def _bank(self, psi: Tensor) -> Tensor:
        return group_filter_bank(psi, self.group)

    def forward(self, x: Tensor) -> Tensor:
        require_map(x, FEATURE_MAP, self, C=self.in_channels, H=self.group.order)
        return self._convolve(x)
