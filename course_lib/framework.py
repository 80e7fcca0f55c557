"""One framework for equivariant layers: a sum over pairs of elements in which only g⁻¹g̃ says where. Notebooks 07–09.

Everything here is a definition, short and slow on purpose. Unless it says otherwise, a feature map is what it is in the
equations, a function on the group: a dictionary {Isometry: vector (C,)}. Sums run over the elements that it holds.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from course_lib.groups import C1, Group
from course_lib.kernels import affine_attention_weights, affine_map, generate_kernels, unfold_and_sum
from course_lib.layers import GroupConv2d, GroupInstanceNorm, group_filter_bank, lifting_filter_bank
from course_lib.layers.attention import GroupSelfAttention2d
from course_lib.wallpaper import Isometry, semidirect_inverse, semidirect_product

GroupFunction = Mapping[Isometry, Tensor]


def as_function(f: Tensor, group: Group) -> dict[Isometry, Tensor]:
    """A feature map (C, |H|, Y, X) as a function on Z² ⋊ H; the bottom left pixel is the shift (0, 0)."""
    _, _, height, width = f.shape
    return {
        Isometry(*h, col, height - 1 - row): f[:, i, row, col]
        for i, h in enumerate(group.elements)
        for row in range(height)
        for col in range(width)
    }


def as_feature_map(f: GroupFunction, group: Group) -> Tensor:
    """The way back: (C, |H|, Y, X), the smallest map that holds every place of f. Raises KeyError if f has gaps."""
    columns = range(min(g.u for g in f), max(g.u for g in f) + 1)
    rows = range(max(g.v for g in f), min(g.v for g in f) - 1, -1)
    vectors = [f[Isometry(*h, u, v)] for h in group.elements for v in rows for u in columns]
    return torch.stack(vectors, dim=1).unflatten(1, (group.order, len(rows), len(columns)))


def transform(u: Isometry, f: GroupFunction) -> dict[Isometry, Tensor]:
    """[T_u f](g) = f(u⁻¹g), Eq. 3: what stood at g stands at ug. He et al. (2021); notebook 07."""
    return {semidirect_product(u, g): vector for g, vector in f.items()}


def relative_position(g: Isometry, other: Isometry) -> Isometry:
    """g⁻¹g̃: where g̃ lies as seen from g. For g = (t, h), g̃ = (t̃, h̃) it is (h⁻¹(t̃ − t), h⁻¹h̃). Notebook 07."""
    return semidirect_product(semidirect_inverse(g), other)


def pairwise_sum(
    f: GroupFunction, term: Callable[[Isometry, Isometry, Tensor, Tensor], Tensor]
) -> dict[Isometry, Tensor]:
    """f′(g) = Σ_g̃ H_{g,g̃}(f(g), f(g̃)), Eq. 7, with ``term(g, g̃, f(g), f(g̃))``. In general not equivariant."""
    return {g: torch.stack([term(g, other, f[g], f[other]) for other in f]).sum(dim=0) for g in f}


def equivariant_sum(f: GroupFunction, term: Callable[[Isometry, Tensor, Tensor], Tensor]) -> dict[Isometry, Tensor]:
    """f′(g) = Σ_g̃ H̃_{g⁻¹g̃}(f(g), f(g̃)), with ``term(g⁻¹g̃, f(g), f(g̃))``. Equivariant for every term.

    Source: He et al. (2021), Eq. 9 and Theorem 1; notebook 07.
    """
    return {g: torch.stack([term(relative_position(g, other), f[g], f[other]) for other in f]).sum(dim=0) for g in f}


def entry_at(table: Tensor, position: Isometry, group: Group) -> Tensor:
    """The entry of a table (..., |H|, k, k) for a relative position (x, h): (...), zero where x is outside k × k.

    The table is a filter or a table of positions; its middle pixel is x = (0, 0), rows count downwards. Notebook 07.
    """
    reach = table.shape[-1] // 2
    if max(abs(position.u), abs(position.v)) > reach:
        return torch.zeros_like(table[..., 0, 0, 0])
    return table[..., group.index(position.point_part), reach - position.v, reach + position.u]


def convolution(f: GroupFunction, psi: Tensor, group: Group) -> dict[Isometry, Tensor]:
    """Group convolution, H̃_ĝ(x, y) = ψ(ĝ) y: Eq. 5 as an instance of Eq. 9. Filters (O, C, |H|, k, k), k odd."""
    return equivariant_sum(f, lambda position, x, y: entry_at(psi, position, group) @ y)


def filter_of_layer(
    layer: Callable[[GroupFunction], GroupFunction], points: Sequence[Isometry], channels: int
) -> dict[Isometry, Tensor]:
    """The filter {ĝ: ψ(ĝ)}, matrices (O, C), of a linear equivariant layer: its answers at e to an impulse at each ĝ.

    An impulse is 1 at one point in one channel and 0 elsewhere. ``points`` are all elements, e among them. For a layer
    that is not linear, or not equivariant, the convolution with this filter is another layer. Notebook 07.
    """
    psi = {}
    for position in points:
        answers = []
        for channel in range(channels):
            impulse = {g: torch.zeros(channels) for g in points}
            impulse[position][channel] = 1.0
            answers.append(layer(impulse)[Isometry(0, 0, 0, 0)])
        psi[position] = torch.stack(answers, dim=1)
    return psi


class Head(NamedTuple):
    """One head of self-attention: query and key (d, C), value (O, C), positions (d, |H|, k, k)."""

    query: Tensor
    key: Tensor
    value: Tensor
    positions: Tensor


def heads_of(layer: GroupSelfAttention2d) -> list[Head]:
    """The matrices and positions of a layer, one `Head` for each of its heads."""
    matrices = [embedding.weight.detach().flatten(1) for embedding in (layer.query, layer.key, layer.value)]
    parts = [whole.chunk(layer.heads) for whole in (*matrices, layer.positions.detach())]
    return [Head(*head) for head in zip(*parts, strict=True)]


def attention_term(position: Isometry, x: Tensor, y: Tensor, head: Head, group: Group) -> Tensor:
    """H̃_ĝ(x, y) of self-attention: s·h_V(y), followed by s = exp(h_Q(x)ᵀ(h_K(y) + P(ĝ)) / √d) itself: (O + 1,).

    The softmax of Eq. 6 divides by a sum over all g̃, which no single pair knows. So the numerator and the denominator
    are summed side by side. Zero where ĝ lies outside the window. Notebook 07.
    """
    if max(abs(position.u), abs(position.v)) > head.positions.shape[-1] // 2:
        return y.new_zeros(len(head.value) + 1)
    query, key = head.query @ x, head.key @ y + entry_at(head.positions, position, group)
    s = (query @ key / len(query) ** 0.5).exp()
    return torch.cat([s * (head.value @ y), s[None]])


def self_attention(f: GroupFunction, head: Head, group: Group) -> dict[Isometry, Tensor]:
    """Eq. 6 as an instance of Eq. 9, followed by one division at each g on its own."""
    sums = equivariant_sum(f, lambda position, x, y: attention_term(position, x, y, head, group))
    return {g: total[:-1] / total[-1] for g, total in sums.items()}


def local_patch(f: GroupFunction, g: Isometry, neighborhood: Sequence[Isometry]) -> Tensor:
    """F_N(g): the vectors f(gg′) for g′ in N(e), joined in the order of N(e); zeros where f has no entry: (C·|N|,).

    Source: He et al. (2021), Proposition 1; notebook 07.
    """
    places = [semidirect_product(g, step) for step in neighborhood]
    return torch.cat([f[place] if place in f else torch.zeros_like(f[g]) for place in places])


def filter_of_matrix(matrix: Tensor, group: Group) -> Tensor:
    """The filter ψ of the 1×1 group convolution that multiplies ∪_a f(g·(0, a)) by a matrix: ψ[o, c, a] = W[o, (a, c)].

    Shapes: (O, |H|·C) → (O, C, |H|, 1, 1). The element g·(0, a) is on the sheet ha, which h sees at a. Notebook 08.
    """
    return matrix.unflatten(1, (group.order, -1)).transpose(1, 2)[..., None, None]


class E4Matrices(NamedTuple):
    """What an E4 layer learns, without norm and biases: W₁ (M, |H|·C), W₂ (s, M, k, k) and W₃ (O, |H|·C)."""

    squeeze: Tensor
    kernel: Tensor
    encoder: Tensor


def e4_term(position: Isometry, x: Tensor, y: Tensor, matrices: E4Matrices) -> Tensor:
    """H̃_ĝ(x, y) = K_ĝ(x) ⊙ V(y) for ĝ = (v, e), v in the k × k window, and zero for every other ĝ: (O,).

    x = ∪_a f(g·(0, a)) and y = ∪_a f(g̃·(0, a)) are patches (|H|·C,), K_v(x) = W₂[v] relu(W₁x), V(y) = W₃y. Each value
    of K serves the O/s channels of its slice. Source: He et al. (2021), Eqs. 11 and 12; notebook 08.
    """
    squeeze, kernel, encoder = matrices
    values = encoder @ y
    if position.point_part != C1.elements[0]:
        return torch.zeros_like(values)
    generated = entry_at(kernel.unsqueeze(2), position, C1) @ (squeeze @ x).relu()  # (s,)
    return generated.repeat_interleave(len(values) // len(generated)) * values


class E4(nn.Module):
    """The E4 layer with unfold and sum: (B, C, |H|, Y, X) → (B, O, |H|, Y, X). Its weights are those of `E4Layer`.

    Source: He et al. (2021), Eq. 12 and section 4.1; notebook 08.
    """

    def __init__(
        self, group: Group, in_channels: int, out_channels: int, kernel_size: int, slices: int = 1, reduction: int = 1
    ) -> None:
        super().__init__()
        self.group, hidden, k = group, in_channels // reduction, kernel_size
        self.squeeze = GroupConv2d(group, in_channels, hidden, 1, bias=False)
        self.norm = GroupInstanceNorm(group, hidden)
        self.kernel_weight = nn.Parameter(torch.randn(slices, hidden, k, k) * (0.2 / hidden) ** 0.5 / k)
        self.kernel_bias = nn.Parameter(torch.randn(slices, k, k) * 0.9**0.5 / k)
        self.encoder = GroupConv2d(group, in_channels, out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.norm(self.squeeze(x)).relu()
        weight = lifting_filter_bank(self.kernel_weight, self.group)
        bias = lifting_filter_bank(self.kernel_bias, self.group)
        return unfold_and_sum(generate_kernels(hidden, weight, bias), self.encoder(x))


def affine_term(position: Isometry, feature: Tensor, psi: Tensor, beta: Tensor, group: Group) -> Tensor:
    """A_g[f](g̃) = f(g̃) ψ(g⁻¹g̃) + β(g⁻¹g̃), channel by channel, with ``feature`` = f(g̃) and ``position`` = g⁻¹g̃: (C,).

    Tables (C, |H|, k, k). Outside the window it is zero. Source: *Affine self convolution*, Eqs. 6 (for C1) and 12;
    notebook 09.
    """
    return feature * entry_at(psi, position, group) + entry_at(beta, position, group)


Part = tuple[Tensor, tuple[Tensor, Tensor]]  # a map (B, C, |H|, Y, X) with its ψ (C, |H|, k, k) and β (C, k, k)


def roto_translation_attention(
    query: Part, key: Part, value: Part, group: Group, heads: int = 1, masked: bool = False
) -> Tensor:
    """Affine self convolution between the embeddings and W^O: Σ_y α(g, y) A^V_g[V](y), (B, C, |H|, Y, X).

    Each h sees ψ turned and permuted, β only turned. The query's tables have k = 1. Source: *Affine self convolution*,
    section 3.2 and appendix D; notebook 09; definition in loops: ``oracles.affine_self_conv``.
    """

    def banks(psi: Tensor, beta: Tensor) -> tuple[Tensor, Tensor]:
        return group_filter_bank(psi, group), lifting_filter_bank(beta, group)

    k = value[1][0].shape[-1]
    center = affine_map(query[0], *banks(*query[1]), kernel_size=1)[:, :, :, 0]
    weights = affine_attention_weights(center, key[0], banks(*key[1]), k, heads, masked)
    values = affine_map(value[0], *banks(*value[1]), k).unflatten(1, (heads, -1))
    return torch.einsum("bnhiyx,bnchiyx->bnchyx", weights, values).flatten(1, 2)
