"""Self-attention on Z² ⋊ H: each element looks around, and where things are it says relative to itself."""

import torch
from torch import Tensor, nn

from course_lib.actions import act_on_feature_map
from course_lib.groups import Group
from course_lib.kernels import group_attention, group_attention_weights
from course_lib.kernels.windows import require_odd_window
from course_lib.layers.base import FEATURE_MAP, WeightsOfGroup, require_map
from course_lib.layers.cost import Cost
from course_lib.layers.settings import Device, Side, factory_kwargs, require_divisor, require_positive, side_of_square


def position_bank(positions: Tensor, group: Group) -> Tensor:
    """The table of positions as each h sees it, L_h P, turned *and* permuted: (d, |H|, k, k) → (d, |H|, |H̃|, k, k).

    Entry [:, h, h̃, y − t] is P(h⁻¹(y − t), h⁻¹h̃), the entry of g⁻¹g̃ for g = (t, h), g̃ = (y, h̃). Notebook 07.
    """
    return torch.stack([act_on_feature_map(h, positions, group) for h in group.elements], dim=1)


class GroupSelfAttention2d(WeightsOfGroup):
    """Local self-attention on the group, in ``heads`` parts of d = O / heads channels each:

        f′(g) = Σ_g̃ softmax_g̃[h_Q(f(g))ᵀ (h_K(f(g̃)) + P(g⁻¹g̃)) / √d] h_V(f(g̃))

    The sum runs over the k × k pixels around that of g, on all |H| sheets; neighbors outside of the map are left out
    of the softmax. h_Q, h_K and h_V are matrices (O, C), the same at every g. C1 is ordinary local self-attention.

    Shapes: ``(B, C, |H|, Y, X)`` → ``(B, O, |H|, Y, X)``; positions ``(O, |H|, k, k)``, d rows for each head.
    Source: He et al. (2021), Eq. 6, and Romero & Cordonnier (2021); notebook 07; oracle ``oracles.self_attention``.
    Exact on every size, as the window is centered on its pixel. Raises ValueError for an even kernel, for channels that
    the heads cannot share, and for wrong shapes; TypeError for a map that is not float.

        >>> GroupSelfAttention2d(C4, 8, 16, kernel_size=5, heads=4)(torch.randn(2, 8, 4, 14, 14)).shape
        torch.Size([2, 16, 4, 14, 14])
    """

    def __init__(
        self,
        group: Group,
        in_channels: int,
        out_channels: int,
        kernel_size: Side,
        heads: int = 1,
        *,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(group, device)
        factory = factory_kwargs(device, dtype)
        kernel_size = side_of_square(kernel_size=kernel_size)
        require_positive(in_channels=in_channels, out_channels=out_channels, kernel_size=kernel_size, heads=heads)
        require_odd_window(kernel_size)
        require_divisor("heads", heads, "out_channels", out_channels)
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size, self.heads = kernel_size, heads
        # Of kernel size 1, over (|H|, Y, X): one matrix for all elements of Z² ⋊ H.
        self.query, self.key, self.value = (
            nn.Conv3d(in_channels, out_channels, 1, bias=False, **factory) for _ in range(3)
        )
        self.positions = nn.Parameter(torch.randn(out_channels, group.order, kernel_size, kernel_size, **factory))
        for embedding in (self.query, self.key, self.value):
            nn.init.kaiming_normal_(embedding.weight, nonlinearity="linear")

    def forward(self, x: Tensor) -> Tensor:
        require_map(x, FEATURE_MAP, self, C=self.in_channels, H=self.group.order)
        bank = position_bank(self.positions, self.group)
        return group_attention(self.query(x), self.key(x), self.value(x), bank, self.heads)

    def cost(self, values: int) -> Cost:
        """The positions; |H|·k² products for the scores and as many for the weighted sum, per value."""
        neighbors = self.group.order * self.kernel_size**2
        return Cost(self.out_channels * neighbors, aggregation=2 * neighbors * values)

    def products(self, x: Tensor) -> Tensor:
        """The embeddings alone, for counting; the shape is right and the values are wrong."""
        self.query(x), self.key(x)
        return self.value(x)

    def attention(self, x: Tensor) -> Tensor:
        """Where each (h, t) looks: softmax weights (B, heads, |H|, |H̃|, k², Y, X), which sum to 1 over (|H̃|, k²)."""
        require_map(x, FEATURE_MAP, self, C=self.in_channels, H=self.group.order)
        bank = position_bank(self.positions, self.group)
        return group_attention_weights(self.query(x), self.key(x), bank, self.heads)

    def extra_repr(self) -> str:
        return (
            f"{self.group}, {self.in_channels} → {self.out_channels}, kernel_size={self.kernel_size}, "
            f"heads={self.heads}"
        )
