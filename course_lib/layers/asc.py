"""Affine self convolution: a convolution whose filter each place reweights by what it sees there. Notebook 09."""

from typing import Any, Literal

import torch
from torch import Tensor, nn

from course_lib.groups import Group
from course_lib.kernels import affine_attention, affine_attention_weights, affine_map
from course_lib.kernels.windows import require_odd_window
from course_lib.layers.banks import group_filter_bank, lifting_filter_bank
from course_lib.layers.base import FEATURE_MAP, GroupLayer, WeightsOfGroup, require_map
from course_lib.layers.conv import GroupConv2d
from course_lib.layers.cost import Cost
from course_lib.layers.settings import Device, Side, factory_kwargs, require_divisor, require_positive, side_of_square

Border = Literal["zeros", "masked"]
Banks = tuple[Tensor | None, Tensor | None]  # ψ and β as every h sees them; None where there is none


class AffineMap(WeightsOfGroup):
    """What g = (t, h) makes of its neighbors at y = t + d, one channel at a time, summed over the sheets:

        A_g[f](y) = Σ_h̃ f(y, h̃) ψ(h⁻¹d, h⁻¹h̃) + β(h⁻¹d)

    ψ is turned and permuted like the filter of a group convolution. β is added inside of the sum over h̃, where a β for
    each sheet could not be told from their sum: one that only turns is enough.
    Shapes: ``(B, C, |H|, Y, X)`` → ``(B, C, |H|, k², Y, X)``; psi ``(C, |H|, k, k)``, beta ``(C, k, k)``. Outside of
    the map f is zero. Source: *Affine self convolution*, Eqs. 6, 12 and 24; notebook 09. Exact.

        >>> AffineMap(C4, 8, kernel_size=5)
        AffineMap(C4, 8, kernel_size=5)
    """

    def __init__(
        self,
        group: Group,
        channels: int,
        kernel_size: Side,
        *,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(group, device)
        factory = factory_kwargs(device, dtype)
        kernel_size = side_of_square(kernel_size=kernel_size)
        require_odd_window(kernel_size)
        self.channels, self.kernel_size = channels, kernel_size
        self.psi = nn.Parameter(torch.randn(channels, group.order, kernel_size, kernel_size, **factory))
        self.beta = nn.Parameter(torch.randn(channels, kernel_size, kernel_size, **factory))

    def banks(self) -> tuple[Tensor, Tensor]:
        """L_h ψ and L_h β for every h: (C, |H|, |H̃|, k, k) and (C, |H|, k, k)."""
        return group_filter_bank(self.psi, self.group), lifting_filter_bank(self.beta, self.group)

    def center(self, f: Tensor) -> Tensor:
        """A_g[f](t), at the pixel of g itself: (B, C, |H|, Y, X) → the same."""
        psi, beta = self.banks()
        middle = self.kernel_size // 2
        at_center = (psi[..., middle : middle + 1, middle : middle + 1], beta[..., middle, middle, None, None])
        return affine_map(f, *at_center, kernel_size=1).squeeze(3)

    def forward(self, f: Tensor) -> Tensor:
        require_map(f, FEATURE_MAP, self, C=self.channels, H=self.group.order)
        return affine_map(f, *self.banks(), kernel_size=self.kernel_size)

    def cost(self, values: int) -> Cost:
        """ψ and β of k² numbers per channel, ψ for every sheet; each value sums over the |H| sheets."""
        order = self.group.order
        return Cost((order + 1) * self.channels * self.kernel_size**2, aggregation=order * values)

    def extra_repr(self) -> str:
        return f"{self.group}, {self.channels}, kernel_size={self.kernel_size}"


def factorized_positions(row: Tensor, column: Tensor) -> Tensor:
    """A β of k numbers per channel: in each head the first channels depend on the row, the others on the column.

    Shapes: row (heads, d₁, k), column (heads, d₂, k) → (heads·(d₁ + d₂), k, k). Notebook 09.
    """
    k = row.shape[-1]
    rows, columns = row[..., :, None].expand(-1, -1, k, k), column[..., None, :].expand(-1, -1, k, k)
    return torch.cat([rows, columns], dim=1).flatten(0, 1)


class FactorizedPositions(WeightsOfGroup):
    """A β with k numbers per channel: in each head one half of the channels depends on the row, one on the column.

    Shapes: row ``(heads, ⌊d/2⌋, k)``, column ``(heads, ⌈d/2⌉, k)`` → banks (None, (C, |H|, k, k)). Source: Ramachandran
    et al. (2019), as used in *Affine self convolution*, section 4; notebook 09.
    """

    def __init__(
        self,
        group: Group,
        channels: int,
        kernel_size: int,
        heads: int,
        *,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(group, device)
        factory = factory_kwargs(device, dtype)
        self.channels, self.kernel_size = channels, kernel_size
        half = channels // heads // 2
        self.row = nn.Parameter(torch.randn(heads, half, kernel_size, **factory))
        self.column = nn.Parameter(torch.randn(heads, channels // heads - half, kernel_size, **factory))

    def banks(self) -> Banks:
        """β for every h; there is no ψ."""
        return None, lifting_filter_bank(factorized_positions(self.row, self.column), self.group)

    def cost(self, values: int) -> Cost:
        """k numbers per channel, which are only added."""
        return Cost(self.channels * self.kernel_size)


class _LocalAttention2d(GroupLayer):
    """Multi-head local attention, then a 1×1 group convolution W^O; ``_parts`` says what is compared and averaged."""

    def __init__(
        self,
        group: Group,
        in_channels: int,
        out_channels: int,
        kernel_size: Side,
        heads: int = 1,
        *,
        border: Border = "zeros",
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(group)
        factory = factory_kwargs(device, dtype)
        kernel_size = side_of_square(kernel_size=kernel_size)
        require_positive(in_channels=in_channels, out_channels=out_channels, heads=heads)
        require_odd_window(kernel_size)
        require_divisor("heads", heads, "out_channels", out_channels)
        if border not in ("zeros", "masked"):
            raise ValueError(f"border must be 'zeros' or 'masked', got {border!r}")
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size, self.heads, self.border = kernel_size, heads, border
        self._make_maps(factory)
        self.output = GroupConv2d(group, out_channels, out_channels, 1, bias=False, **factory)  # W^O

    def _make_maps(self, factory: dict[str, Any]) -> None:
        raise NotImplementedError

    def _embedding(self, factory: dict[str, Any]) -> GroupConv2d:
        return GroupConv2d(self.group, self.in_channels, self.out_channels, 1, **factory)

    def _affine(self, kernel_size: int, factory: dict[str, Any]) -> AffineMap:
        return AffineMap(self.group, self.out_channels, kernel_size, **factory)

    def _parts(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Banks, Banks]:
        """Query (at the center, already mapped), key, value, and the banks (ψ, β) for key and value."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        require_map(x, FEATURE_MAP, self, C=self.in_channels, H=self.group.order)
        attended = affine_attention(*self._parts(x), self.kernel_size, self.heads, masked=self.border == "masked")
        return self.output(attended)

    def cost(self, values: int) -> Cost:
        """k² products for the scores and k² for the weighted sum per value, and the affine maps or positions."""
        own = Cost(aggregation=2 * self.kernel_size**2 * values)
        pieces = [piece for piece in self.children() if isinstance(piece, AffineMap | FactorizedPositions)]
        return sum((piece.cost(values * piece.kernel_size**2) for piece in pieces), start=own)

    def products(self, x: Tensor) -> Tensor:
        """The 1×1 convolutions alone, for counting; the shape is right and the values are wrong."""
        embeddings = [conv(x) for conv in self.children() if isinstance(conv, GroupConv2d) and conv is not self.output]
        return self.output(embeddings[0])

    def attention(self, x: Tensor) -> Tensor:
        """α, where each (h, t) looks: (B, heads, |H|, k², Y, X), which sums to 1 over the k² neighbors."""
        require_map(x, FEATURE_MAP, self, C=self.in_channels, H=self.group.order)
        query, key, _, key_banks, _ = self._parts(x)
        return affine_attention_weights(
            query, key, key_banks, self.kernel_size, self.heads, masked=self.border == "masked"
        )

    def extra_repr(self) -> str:
        return (
            f"{self.group}, {self.in_channels} → {self.out_channels}, kernel_size={self.kernel_size}, "
            f"heads={self.heads}, border={self.border!r}"
        )


class AffineSelfConv2d(_LocalAttention2d):
    """Affine self convolution, in ``heads`` parts of d = O / heads channels each, for g = (t, h):

        f′(g) = W^O Σ_y α(g, y) A^V_g[V](y),   α(g, y) = softmax_y(⟨A^Q_g[Q](t), A^K_g[K](y)⟩ / d)

    Q = W^Q f, K and V are 1×1 group convolutions with bias; A^Q, A^K and A^V are `AffineMap`, A^Q for pixel t alone.
    y runs over the k × k pixels around t. C1 is the layer on Z². A query of 0 makes every α = 1/k²; what is left, if
    β^V = 0, is a convolution of V by ψ^V. With ψ = 1 for the own sheet (h̃ = h) and 0 for the others it is
    self-attention with positions.

    Choices where the paper leaves room: d is the number of channels of one head (the paper divides by d_k = d_out, and
    does not say whether before or after they are shared among the heads). With ``border="zeros"`` neighbors outside
    of the map take part in the softmax as zeros, with their β; ``"masked"`` leaves them out. Both are exact. There is
    no stride: pool after the layer.
    Shapes: ``(B, C, |H|, Y, X)`` → ``(B, O, |H|, Y, X)``. Source: *Affine self convolution*, Eqs. 8 to 11 and 17 to 20;
    notebook 09; oracle ``oracles.affine_self_conv``. Exact on every size. Raises ValueError for an even kernel, for
    channels that the heads cannot share, and for wrong shapes; TypeError for a map that is not float.

        >>> AffineSelfConv2d(C4, 16, 16, kernel_size=5, heads=4)(torch.randn(2, 16, 4, 14, 14)).shape
        torch.Size([2, 16, 4, 14, 14])
    """

    def _make_maps(self, factory: dict[str, Any]) -> None:
        self.query, self.key, self.value = (self._embedding(factory) for _ in range(3))
        self.query_affine, self.key_affine, self.value_affine = (
            self._affine(size, factory) for size in (1, self.kernel_size, self.kernel_size)
        )

    def _parts(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Banks, Banks]:
        query = self.query_affine.center(self.query(x))
        return query, self.key(x), self.value(x), self.key_affine.banks(), self.value_affine.banks()


class SimpleAffineSelfConv2d(_LocalAttention2d):
    """Simple affine self convolution: one embedding W f and one affine map in the three roles:

        f′(g) = W^O Σ_y α(g, y) A_g[Wf](y),   α(g, y) = softmax_y(⟨A_g[Wf](t), A_g[Wf](y)⟩ / d)

    Shapes, choices, exactness and errors as in `AffineSelfConv2d`. Source: *Affine self convolution*, Eqs. 7, 13
    and 14; notebook 09; oracle ``oracles.affine_self_conv``.

        >>> SimpleAffineSelfConv2d(C4, 16, 16, kernel_size=5, heads=4)(torch.randn(2, 16, 4, 14, 14)).shape
        torch.Size([2, 16, 4, 14, 14])
    """

    def _make_maps(self, factory: dict[str, Any]) -> None:
        self.embedding = self._embedding(factory)
        self.affine = self._affine(self.kernel_size, factory)

    def _parts(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Banks, Banks]:
        f, banks = self.embedding(x), self.affine.banks()
        return self.affine.center(f), f, f, banks, banks


class StandAloneSelfAttention2d(_LocalAttention2d):
    """Stand-alone self-attention (SASA), the rival without ψ, whose positions are added to the key alone:

        f′(g) = W^O Σ_y α(g, y) V(y, h),   α(g, y) = softmax_y(⟨Q(t, h), K(y, h) + β(h⁻¹(y − t))⟩ / d)

    β is factorized (`FactorizedPositions`). Shapes, choices, exactness and errors as in `AffineSelfConv2d`. Source:
    Ramachandran et al. (2019), as in *Affine self convolution*, section 4; notebook 09.

        >>> StandAloneSelfAttention2d(C4, 16, 16, kernel_size=5, heads=4)(torch.randn(2, 16, 4, 14, 14)).shape
        torch.Size([2, 16, 4, 14, 14])
    """

    def _make_maps(self, factory: dict[str, Any]) -> None:
        self.query, self.key, self.value = (self._embedding(factory) for _ in range(3))
        self.positions = FactorizedPositions(self.group, self.out_channels, self.kernel_size, self.heads, **factory)

    def _parts(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Banks, Banks]:
        return self.query(x), self.key(x), self.value(x), self.positions.banks(), (None, None)
