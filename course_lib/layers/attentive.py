"""Attentive group convolution: a group convolution whose single responses are weighed before they are summed."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from course_lib.groups import Group
from course_lib.kernels.windows import require_odd_window
from course_lib.layers.banks import group_filter_bank, lifting_filter_bank
from course_lib.layers.base import FEATURE_MAP, IMAGE, WeightsOfGroup, require_exact_sampling, require_map
from course_lib.layers.cost import Cost
from course_lib.layers.separable import pointwise_bank
from course_lib.layers.settings import Device, Side, factory_kwargs, require_positive, side_of_square


def weigh_responses(z: Tensor, channel: tuple[Tensor, Tensor], spatial: Tensor) -> Tensor:
    """Σ_{c, h̃} (1 − a^X a^C) z, the formula of `AttentiveGroupConv2d`, for the responses z of one output channel.

    Shapes: z ``(B, C, |H̃|, |H|, Y, X)``, u ``(|H|, J, C, |H̃|)``, v ``(|H|, C, J, |H̃|)`` and χ ``(|H|, 2, |H̃|, a, a)``
    as every h sees them → ``(B, |H|, Y, X)``.
    """
    u, v = channel
    hidden = [torch.einsum("hjcg,bcgh->bjgh", u, s).relu() for s in (z.mean(dim=(-2, -1)), z.amax(dim=(-2, -1)))]
    by_channel = torch.einsum("hcjg,bjgh->bcgh", v, hidden[0] + hidden[1]).sigmoid()  # v is linear: once for both
    weighed = by_channel[..., None, None] * z
    over_channels = torch.stack([weighed.mean(dim=1), weighed.amax(dim=1)], dim=3)  # (B, |H̃|, |H|, 2, Y, X)
    filters = spatial.permute(2, 0, 1, 3, 4)  # (|H̃|, |H|, 2, a, a)
    maps, kernels = over_channels.flatten(1, 3), filters.flatten(0, 2).unsqueeze(1)
    # Each map alone with its filter, and then the sum of two: CPUs train this faster than two maps in each group.
    scores = F.conv2d(maps, kernels, padding=kernels.shape[-1] // 2, groups=len(kernels))
    by_place = scores.unflatten(1, filters.shape[:3]).sum(dim=3).sigmoid()  # (B, |H̃|, |H|, Y, X)
    return z.sum(dim=(1, 2)) - (by_place * weighed.sum(dim=1)).sum(dim=1)


class _AttentiveConv2d(WeightsOfGroup):
    """What both have in common; ``_sheets`` says how many sheets the input has."""

    def __init__(
        self,
        group: Group,
        in_channels: int,
        out_channels: int,
        kernel_size: Side,
        *,
        padding: int = 0,
        reduction: int = 2,
        attention_size: int = 7,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(group, device)
        factory = factory_kwargs(device, dtype)
        self.kernel_size = side_of_square(kernel_size=kernel_size)
        require_positive(
            in_channels=in_channels, out_channels=out_channels, kernel_size=self.kernel_size, reduction=reduction
        )
        require_odd_window(attention_size)
        self.in_channels, self.out_channels, self.padding = in_channels, out_channels, padding
        self.reduction, self.attention_size = reduction, attention_size
        hidden, sheets = max(1, in_channels // reduction), self._sheets()
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, sheets, *(self.kernel_size,) * 2, **factory))
        self.squeeze = nn.Parameter(torch.empty(out_channels, hidden, in_channels, sheets, **factory))  # u
        self.excite = nn.Parameter(torch.empty(out_channels, in_channels, hidden, sheets, **factory))  # v
        self.spatial = nn.Parameter(torch.empty(out_channels, 2, sheets, *(attention_size,) * 2, **factory))  # χ
        self.reset_parameters()

    def _sheets(self) -> int:
        raise NotImplementedError

    def reset_parameters(self) -> None:
        """New random weights: He's for the filters, and for each layer of the attention one that keeps the size."""
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")
        nn.init.normal_(self.squeeze, std=1 / math.sqrt(self.squeeze.shape[2]))
        nn.init.normal_(self.excite, std=1 / math.sqrt(self.excite.shape[2]))
        nn.init.normal_(self.spatial, std=1 / math.sqrt(2 * self.attention_size**2))
        self._reset_buffers()

    def _banks(self) -> tuple[Tensor, ...]:
        """ψ, u, v and χ as every h sees them: (O, |H|, C, |H̃|, k, k) and the like."""
        raise NotImplementedError

    def _attend(self, x: Tensor) -> Tensor:
        require_exact_sampling(self, self.group, x.shape[-2:], self.kernel_size, 1, self.padding)
        banks = zip(*self._banks(), strict=True)
        # One output channel at a time, and computed again in backward: its responses are |H|·C times a map.
        channels = [checkpoint(self._output_channel, x, *bank, use_reentrant=False) for bank in banks]
        return torch.stack(channels, dim=1)

    def _output_channel(self, x: Tensor, psi: Tensor, u: Tensor, v: Tensor, chi: Tensor) -> Tensor:
        maps = x.flatten(1, -3)  # (B, C·|H̃|, Y, X)
        filters = psi.movedim(0, 2).flatten(0, 2).unsqueeze(1)  # (C·|H̃|·|H|, 1, k, k)
        z = F.conv2d(maps, filters, padding=self.padding, groups=maps.shape[1])
        return weigh_responses(z.unflatten(1, (self.in_channels, self._sheets(), -1)), (u, v), chi)

    def cost(self, values: int) -> Cost:
        """Filters and attention; every response is weighed twice, by channel and by place."""
        sheets = self._sheets()
        inputs = self.in_channels * sheets
        per_value = inputs * self.kernel_size**2 + 2 * sheets * self.attention_size**2
        by_channel = self.group.order * (2 * self.squeeze.numel() + self.excite.numel())
        parameters = sum(p.numel() for p in self.parameters())
        return Cost(parameters, macs=per_value * values + by_channel, aggregation=(inputs + sheets) * values)

    def extra_repr(self) -> str:
        return (
            f"{self.group}, {self.in_channels} → {self.out_channels}, kernel_size={self.kernel_size}, "
            f"padding={self.padding}, reduction={self.reduction}, attention_size={self.attention_size}"
        )


class AttentiveLiftingConv2d(_AttentiveConv2d):
    """Attentive lifting convolution, from an image to a feature map: `AttentiveGroupConv2d` with a single input sheet.

    Shapes: ``(B, C, Y, X)`` → ``(B, O, |H|, Y′, X′)``; weight ``(O, C, 1, k, k)``. Source: Romero et al. (2020). Oracle
    ``oracles.attentive_conv``. Exact and raising as AttentiveGroupConv2d.

        >>> AttentiveLiftingConv2d(C4, 1, 8, kernel_size=3)(torch.randn(2, 1, 28, 28)).shape
        torch.Size([2, 8, 4, 26, 26])
    """

    def _sheets(self) -> int:
        return 1

    def _banks(self) -> tuple[Tensor, ...]:
        squeeze, excite = (p.unsqueeze(1).repeat_interleave(self.group.order, 1) for p in (self.squeeze, self.excite))
        filters, spatial = (lifting_filter_bank(p, self.group) for p in (self.weight, self.spatial))
        return filters, squeeze, excite, spatial

    def forward(self, x: Tensor) -> Tensor:
        require_map(x, IMAGE, self, C=self.in_channels)
        return self._attend(x)


class AttentiveGroupConv2d(_AttentiveConv2d):
    """Attentive group convolution: for each output channel, the responses z to every input channel and sheet are

        f′(t, h) = Σ_{c, h̃} (1 − a^X(t, h, h̃) a^C_c(h, h̃)) z_c(t, h, h̃),   z_c = Σ_y f_c(y, h̃) ψ_c(h⁻¹(y − t), h⁻¹h̃)

    where the attention by channel and by place, each between 0 and 1, says how much of a response is left out:

        a^C = σ(v relu(u mean_t z) + v relu(u max_t z)),   matrices u and v at h⁻¹h̃
        a^X = σ([mean_c(a^C z) ⋆ χ₁ + max_c(a^C z) ⋆ χ₂](t)),   filters χ at (h⁻¹·, h⁻¹h̃)

    With no attention, a = 0, it is a group convolution without bias. u, v and χ are permuted and turned with h as ψ is.
    Shapes: ``(B, C, |H|, Y, X)`` → ``(B, O, |H|, Y′, X′)``; weight ``(O, C, |H|, k, k)``, u ``(O, J, C, |H|)`` with
    J = C // ``reduction``, v ``(O, C, J, |H|)``, χ ``(O, 2, |H|, a, a)`` with a = ``attention_size``.
    Source: Romero et al. (2020), section 5, with the attention subtracted as in their program; oracle
    ``oracles.attentive_conv``. Exact on every size, as there is no stride.
    Raises ValueError for an even ``attention_size`` and for wrong shapes; TypeError for a map that is not float.

        >>> AttentiveGroupConv2d(C4, 4, 8, kernel_size=3)(torch.randn(2, 4, 4, 14, 14)).shape
        torch.Size([2, 8, 4, 12, 12])
    """

    def _sheets(self) -> int:
        return self.group.order

    def _banks(self) -> tuple[Tensor, ...]:
        squeeze, excite = (pointwise_bank(p, self.group) for p in (self.squeeze, self.excite))
        filters, spatial = (group_filter_bank(p, self.group) for p in (self.weight, self.spatial))
        return filters, squeeze, excite, spatial

    def forward(self, x: Tensor) -> Tensor:
        require_map(x, FEATURE_MAP, self, C=self.in_channels, H=self.group.order)
        return self._attend(x)
