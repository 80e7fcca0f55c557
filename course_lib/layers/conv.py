"""Lifting and group convolution, one class each for every group: a bank of turned filters, then one conv2d."""

import math
from numbers import Integral
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.actions import act_on_feature_map, act_on_image
from course_lib.groups import Element, Group, inverse
from course_lib.layers.banks import group_filter_bank, lifting_filter_bank, planes_of_bank
from course_lib.layers.base import (
    FEATURE_MAP,
    IMAGE,
    WeightsOfGroup,
    by_pixel,
    join_sheets,
    memory_format,
    require_exact_sampling,
    require_map,
    reversed_axes,
    to_feature_map,
    to_planes,
)
from course_lib.layers.cost import Cost
from course_lib.layers.settings import Device, Side, factory_kwargs, require_positive, side_of_square
from course_lib.steerable import turned_basis


class _FilterBankConv2d(WeightsOfGroup):
    """A convolution whose filters are the turned copies of its weight; ``_bank`` says what turning means.

    The bank is a linear map of the weights: `index` moves them. Beyond the square lattice they are those of a steerable
    basis, and are multiplied by `basis`, too.
    """

    index: Tensor
    basis: Tensor | None
    takes_any_angle = True

    def __init__(
        self,
        group: Group,
        in_channels: int,
        out_channels: int,
        kernel_size: Side,
        *,
        stride: Side = 1,
        padding: int | Literal["same"] = 0,
        bias: bool = True,
        allow_approximate: bool = False,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(group, device)
        factory = factory_kwargs(device, dtype)
        self.kernel_size, self.stride = side_of_square(kernel_size=kernel_size), side_of_square(stride=stride)
        self.in_channels, self.out_channels, self.padding = in_channels, out_channels, padding
        self.allow_approximate = allow_approximate
        require_positive(
            in_channels=in_channels, out_channels=out_channels, kernel_size=self.kernel_size, stride=self.stride
        )
        self._require_padding()
        home = torch.empty(0, **factory)  # None stands for what is made without being told
        basis = None if group.is_exact else turned_basis(group, self.kernel_size).to(home)
        self.register_buffer("basis", basis, persistent=False)
        self._make_weights(factory)
        self.bias = nn.Parameter(torch.empty(out_channels, **factory)) if bias else None
        self.register_buffer("index", self._make_index().to(home.device), persistent=False)
        self.reset_parameters()

    def _make_weights(self, factory: dict[str, Any]) -> None:
        self.weight = nn.Parameter(torch.empty(self._weight_shape(), **factory))

    def reset_parameters(self) -> None:
        """New random weights and biases of zero; the buffers too, for a layer that was built on "meta"."""
        self._initialize_weights()
        if self.bias is not None:
            nn.init.zeros_(self.bias)
        self._reset_buffers()

    def _initialize_weights(self) -> None:
        # He initialization: one output value sums over C·|H|·k² inputs, which is what PyTorch takes for the fan-in.
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")

    def _from_settings(self) -> dict[str, Tensor]:
        buffers = super()._from_settings() | {"index": self._make_index()}
        return buffers if self.basis is None else buffers | {"basis": turned_basis(self.group, self.kernel_size)}

    @property
    def window(self) -> tuple[int, ...]:
        """The shape of a filter's weights, for one channel and sheet: (k, k), or (n, 1) for a basis."""
        return (self.kernel_size,) * 2 if self.basis is None else (self.basis.shape[-1], 1)

    def _weight_shape(self) -> tuple[int, ...]:
        raise NotImplementedError

    def _bank(self, psi: Tensor) -> Tensor:
        raise NotImplementedError

    def _act_on_input(self, g: Element, x: Tensor) -> Tensor:
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
        """All turned copies of the filters, by a single gather from ψ: what the readable banks above give,
        (O, |H|, C, |H|, k, k), or (O, |H|, C, k, k) for a lifting convolution, but laid out in memory for one conv2d
        between channels-last maps.
        """
        psi, k, sheets = self.filters(), self.kernel_size, self.group.order
        gathered = psi.flatten(1).index_select(1, self.index)
        rows = gathered.view(self.out_channels, sheets, -1).transpose(0, 1).contiguous()  # by sheet, as the maps are
        if self.basis is not None:
            rows = self.basis.unsqueeze(1) @ rows.unflatten(2, (self.basis.shape[-1], -1))
        bank = rows.view(sheets, self.out_channels, k, k, -1, self.in_channels).permute(1, 0, 5, 4, 2, 3)
        return bank.squeeze(3) if psi.ndim == 4 else bank

    def _planes_of_bank(self, memory: torch.memory_format) -> Tensor:
        """`planes_of_bank`; in the default format the gather alone gives them, by an index in that order."""
        if memory != torch.contiguous_format or self.basis is not None:
            return planes_of_bank(self.filter_bank(), memory)
        order, k = self.group.order, self.kernel_size
        index = self.index.view(order, k**2, -1, self.in_channels).transpose(1, 3).flatten()
        return self.filters().flatten(1).index_select(1, index).view(self.out_channels * order, -1, k, k)

    def _make_index(self) -> Tensor:
        """From which weight each entry of the bank is taken: for each h the whole window, sheets and channels."""
        shape = self._weight_shape()[1:]
        bank = self._bank(torch.arange(math.prod(shape), device="cpu").reshape(1, *shape))[0]
        return by_pixel(bank).flatten()

    def cost(self, values: int) -> Cost:
        """Each weight is used once for each sheet and pixel of the output: Lengyel & van Gemert (2021), section 3.4."""
        weights, places = self._weight_count(), values // self.out_channels
        pixels = weights * self.kernel_size**2 // math.prod(self.window)
        return Cost(weights + (self.bias is not None) * self.out_channels, macs=pixels * places)

    def _weight_count(self) -> int:
        return math.prod(self._weight_shape())

    def _convolve(self, x: Tensor) -> Tensor:
        """All output sheets, (B, O, |H|, Y′, X′)."""
        self._require_exact(x)
        return self._by_turning_maps(x) if self._turns_maps(x) else self._by_turning_filters(x)

    def _turns_maps(self, x: Tensor) -> bool:
        """Whether to turn the maps and not the filters: wide layers on tiny maps, on a CPU.

        All turned maps hold |H|·B·C·|H|·Y·X values, the filter bank O·|H|·C·|H|·k². With 32 images, turning the
        maps is faster where they hold less than half of the bank (``python -m course_lib bench``). The actual batch
        takes no part in the decision, since a traced or exported network makes it once for all batches.
        """
        height, width = x.shape[-2:]
        can_turn = height == width and self.group.order > 1 and not self.allow_approximate and self.basis is None
        is_tiny = 2 * 32 * height * width <= self.out_channels * self.kernel_size**2
        return can_turn and is_tiny and x.device.type == "cpu"

    def _by_turning_filters(self, x: Tensor) -> Tensor:
        """One conv2d with the filter bank."""
        memory = memory_format(x, self.kernel_size)
        bank, bias = self._planes_of_bank(memory), self._bias_of_planes(memory)
        y = F.conv2d(to_planes(x, memory), bank, bias, self.stride, self.padding)
        return to_feature_map(y, self.group.order, memory)

    def _by_turning_maps(self, x: Tensor) -> Tensor:
        """The same, since f ⋆ L_h ψ = L_h [(L_h⁻¹ f) ⋆ ψ]: one conv2d with ψ, of |H| turned copies of the input."""
        elements, psi = self.group.elements, self.filters()
        turned = torch.cat([self._act_on_input(inverse(h), x) for h in elements])
        memory = memory_format(x, self.kernel_size)
        y = F.conv2d(to_planes(turned, memory), to_planes(psi, memory), self.channel_bias(), self.stride, self.padding)
        sheets = y.unflatten(0, (len(elements), -1)).unbind()
        return join_sheets([act_on_image(h, sheet) for h, sheet in zip(elements, sheets, strict=True)])

    def channel_bias(self) -> Tensor | None:
        """One bias for each output channel, which all its sheets share."""
        return self.bias

    def _bias_of_planes(self, memory: torch.memory_format) -> Tensor | None:
        bias, sheets = self.channel_bias(), self.group.order
        if bias is None:
            return None
        return bias.repeat_interleave(sheets) if memory == torch.contiguous_format else bias.repeat(sheets)

    def _require_exact(self, x: Tensor) -> None:
        if self.padding == "same":
            return
        stride = 1 if self.allow_approximate else self.stride
        require_exact_sampling(self, self.group, x.shape[-2:], self.kernel_size, stride, self.padding)

    def extra_repr(self) -> str:
        return (
            f"{self.group}, {self.in_channels} → {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}, padding={self.padding}, bias={self.bias is not None}"
        )


class LiftingConv2d(_FilterBankConv2d):
    """Lifting convolution, from an image to a feature map on Z² ⋊ H:

        [f ⋆ ψ](t, h) = Σ_y Σ_c f_c(y) ψ_c(h⁻¹(y − t)) + b

    Shapes: ``(B, C, Y, X)`` → ``(B, O, |H|, Y′, X′)``; weight ``(O, C, k, k)``, for a group such as C8 ``(O, C, n, 1)``
    (`steerable.basis`); one bias per channel, shared over H.
    Source: Cohen & Welling (2016), eq. 10; notebooks 04 and 12; oracles ``lifting_conv``, ``steerable_lifting_conv``.
    Exact under the elements that take the square lattice to itself, nearly under the others: for every kernel size at
    stride 1, and at stride s where (size + 2·padding − k) is divisible by s.
    Raises ValueError where it cannot be exact (unless ``allow_approximate``) and for wrong shapes; TypeError for a map
    that is not float.

        >>> LiftingConv2d(C4, 3, 8, kernel_size=5, padding=2)(torch.randn(2, 3, 28, 28)).shape
        torch.Size([2, 8, 4, 28, 28])
    """

    def _weight_shape(self) -> tuple[int, ...]:
        return self.out_channels, self.in_channels, *self.window

    def _bank(self, psi: Tensor) -> Tensor:
        if self.basis is not None:  # which is what turns
            return psi.unsqueeze(1).repeat_interleave(self.group.order, dim=1)
        return lifting_filter_bank(psi, self.group)

    def _act_on_input(self, g: Element, x: Tensor) -> Tensor:
        return act_on_image(g, x)

    def forward(self, x: Tensor) -> Tensor:
        require_map(x, IMAGE, self, C=self.in_channels)
        return self._convolve(x)


class GroupConv2d(_FilterBankConv2d):
    """Group convolution, from a feature map on Z² ⋊ H to another:

        [f ⋆ ψ](t, h) = Σ_{y, h̃} Σ_c f_c(y, h̃) ψ_c(h⁻¹(y − t), h⁻¹h̃) + b

    Shapes: ``(B, C, |H|, Y, X)`` → ``(B, O, |H|, Y′, X′)``; weight ``(O, C, |H|, k, k)``, for a group such as C8
    ``(O, C, |H|, n, 1)``; one bias per channel, shared over H.
    Source: Cohen & Welling (2016), eq. 11; notebooks 04 and 12; oracles ``group_conv``, ``steerable_group_conv``.
    Exact and raising as LiftingConv2d.

        >>> GroupConv2d(C4, 8, 16, kernel_size=3, padding=1)(torch.randn(2, 8, 4, 28, 28)).shape
        torch.Size([2, 16, 4, 28, 28])
    """

    def _weight_shape(self) -> tuple[int, ...]:
        return self.out_channels, self.in_channels, self.group.order, *self.window

    def _bank(self, psi: Tensor) -> Tensor:
        if self.basis is not None:
            return torch.stack([psi[..., self.group.permutation(h), :, :] for h in self.group.elements], dim=1)
        return group_filter_bank(psi, self.group)

    def _act_on_input(self, g: Element, x: Tensor) -> Tensor:
        return act_on_feature_map(g, x, self.group)

    def forward(self, x: Tensor) -> Tensor:
        require_map(x, FEATURE_MAP, self, C=self.in_channels, H=self.group.order)
        return self._convolve(x)
