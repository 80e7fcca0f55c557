"""Self-attention whose positions are not tables but computed from coordinates, and its lifting form."""

import torch
from torch import Tensor, nn

from course_lib.groups import Group
from course_lib.kernels import group_attention
from course_lib.kernels.windows import require_odd_window
from course_lib.layers.attention import position_bank
from course_lib.layers.banks import lifting_filter_bank
from course_lib.layers.base import FEATURE_MAP, IMAGE, GroupLayer, WeightsOfGroup, require_map
from course_lib.layers.cost import Cost
from course_lib.layers.settings import Device, Side, factory_kwargs, require_positive, side_of_square

HIDDEN = 16  # of the small network from a coordinate to its encoding


class PositionEncoding(WeightsOfGroup):
    """What each place of a k × k window is called: numbers made from its row, from its column, and from its sheet.

    Row and column, from −1 to 1, each go through a small network; a sheet has free numbers. Of the d numbers of a
    place, a third encodes the row (with a single sheet, half), as many the column, and the rest the sheet.
    Shapes: nothing → ``(d, sheets, k, k)``. Source: Romero & Cordonnier (2021), as in their published program.

        >>> PositionEncoding(C4, size=5, sheets=4, channels=10)().shape
        torch.Size([10, 4, 5, 5])
    """

    def __init__(
        self,
        group: Group,
        size: int,
        sheets: int,
        channels: int,
        *,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(group, device)
        factory = factory_kwargs(device, dtype)
        if channels < 3:
            raise ValueError(f"head_channels must be 3 or more, for row, column and sheet, got {channels}")
        share = channels // (3 if sheets > 1 else 2)
        self.size, self.sheets = size, sheets
        self.row, self.column = (
            nn.Sequential(
                nn.Linear(1, HIDDEN, **factory),
                nn.LayerNorm(HIDDEN, **factory),
                nn.SiLU(),
                nn.Linear(HIDDEN, share, **factory),
            )
            for _ in range(2)
        )
        self.sheet = nn.Parameter(torch.randn(channels - 2 * share, sheets, **factory))

    def forward(self) -> Tensor:
        shape, k = (-1, self.sheets, self.size, self.size), self.size
        steps = torch.linspace(-1, 1, k).to(self.sheet)[:, None]
        rows, columns = self.row(steps).T[:, None, :, None], self.column(steps).T[:, None, None, :]
        return torch.cat([part.expand(shape) for part in (rows, columns, self.sheet[..., None, None])])

    def cost(self, values: int) -> Cost:
        """The free numbers; the networks count themselves."""
        return Cost(self.sheet.numel())


class _EncodedAttention(GroupLayer):
    """What both have in common; ``_sheets`` says how many sheets the input has."""

    def __init__(
        self,
        group: Group,
        in_channels: int,
        out_channels: int,
        kernel_size: Side,
        heads: int = 1,
        *,
        head_channels: int | None = None,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(group)
        factory = factory_kwargs(device, dtype)
        self.kernel_size = side_of_square(kernel_size=kernel_size)
        require_positive(in_channels=in_channels, out_channels=out_channels, heads=heads)
        require_odd_window(self.kernel_size)
        self.in_channels, self.out_channels, self.heads = in_channels, out_channels, heads
        self.head_channels = head_channels or max(3, out_channels // 2)
        inner = heads * self.head_channels
        self.query, self.key, self.value = (nn.Conv3d(in_channels, inner, 1, **factory) for _ in range(3))
        self.output = nn.Conv3d(inner, out_channels, 1, **factory)
        self.positions = PositionEncoding(group, self.kernel_size, self._sheets(), self.head_channels, **factory)
        for embedding in (self.query, self.key, self.value, self.output):
            nn.init.kaiming_normal_(embedding.weight, nonlinearity="linear")

    def _sheets(self) -> int:
        raise NotImplementedError

    def _bank(self) -> Tensor:
        """The positions as every h sees them: (d, |H|, |H̃|, k, k)."""
        raise NotImplementedError

    def _attend(self, x: Tensor) -> Tensor:
        query = self.query(x).expand(-1, -1, self.group.order, -1, -1)
        bank = self._bank().repeat(self.heads, 1, 1, 1, 1)
        return self.output(group_attention(query, self.key(x), self.value(x), bank, self.heads))

    def cost(self, values: int) -> Cost:
        """The scores and the weighted sum: |H̃|·k² products for each channel of each head."""
        inner = values // self.out_channels * self.heads * self.head_channels
        return Cost(aggregation=2 * self._sheets() * self.kernel_size**2 * inner)

    def products(self, x: Tensor) -> Tensor:
        """The embeddings alone, for counting; the shape is right and the values are wrong."""
        x = x.unsqueeze(2) if x.ndim == 4 else x
        self.query(x), self.key(x)
        return self.output(self.value(x).expand(-1, -1, self.group.order, -1, -1))

    def extra_repr(self) -> str:
        return (
            f"{self.group}, {self.in_channels} → {self.out_channels}, kernel_size={self.kernel_size}, "
            f"heads={self.heads}, head_channels={self.head_channels}"
        )


class LiftingSelfAttention2d(_EncodedAttention):
    """Lifting self-attention, from an image to a feature map: the place t looks around once for each h,

        f′(t, h) = W^O Σ_y softmax_y[h_Q(f(t))ᵀ (h_K(f(y)) + P(h⁻¹(y − t))) / √d] h_V(f(y))

    Only the positions turn with h: with P = 0 all sheets would be alike.
    Shapes: ``(B, C, Y, X)`` → ``(B, O, |H|, Y, X)``. Source: Romero & Cordonnier (2021); oracle
    ``oracles.self_attention``, of the image repeated on every sheet. Exact and raising as EncodedSelfAttention2d.

        >>> LiftingSelfAttention2d(C4, 1, 12, kernel_size=5, heads=2)(torch.randn(2, 1, 14, 14)).shape
        torch.Size([2, 12, 4, 14, 14])
    """

    def _sheets(self) -> int:
        return 1

    def _bank(self) -> Tensor:
        return lifting_filter_bank(self.positions(), self.group)

    def forward(self, x: Tensor) -> Tensor:
        require_map(x, IMAGE, self, C=self.in_channels)
        return self._attend(x.unsqueeze(2))


class EncodedSelfAttention2d(_EncodedAttention):
    """`GroupSelfAttention2d` with positions that are computed (`PositionEncoding`), biases, and a last matrix W^O:

        f′(g) = W^O Σ_g̃ softmax_g̃[h_Q(f(g))ᵀ (h_K(f(g̃)) + P(g⁻¹g̃)) / √d] h_V(f(g̃))

    All heads share P. A head has d = ``head_channels`` channels, by default half of the output's. P has |H|·k² places,
    but what computes it has a few hundred weights, however large the window is.
    Shapes: ``(B, C, |H|, Y, X)`` → ``(B, O, |H|, Y, X)``. Source: Romero & Cordonnier (2021), as in their published
    program; oracle ``oracles.self_attention``. Exact on every size, as the window is centered on its pixel.
    Raises ValueError for an even kernel, for heads of fewer than 3 channels, and for wrong shapes; TypeError for a map
    that is not float.

        >>> EncodedSelfAttention2d(C4, 8, 12, kernel_size=5, heads=2)(torch.randn(2, 8, 4, 14, 14)).shape
        torch.Size([2, 12, 4, 14, 14])
    """

    def _sheets(self) -> int:
        return self.group.order

    def _bank(self) -> Tensor:
        return position_bank(self.positions(), self.group)

    def forward(self, x: Tensor) -> Tensor:
        require_map(x, FEATURE_MAP, self, C=self.in_channels, H=self.group.order)
        return self._attend(x)
