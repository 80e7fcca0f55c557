"""Each operation as its definition: plain loops over group elements and pixels. Slow, short, obviously right.

The layers are tested against these functions, and the notebooks start from them. They take one image at a time, without
batch axis, but for the norms. Convolutions know neither padding nor stride: pad before, take every s-th value after.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from course_lib.groups import Element, Group, compose, inverse, matrix
from course_lib.steerable import WIDTH, waves


def source_pixel(g: Element, row: int, col: int, height: int, width: int) -> tuple[int, int]:
    """The pixel of f, as (its row, its column), whose number L_g f shows at (row, col): x ↦ g⁻¹x about the center.

    ``height`` and ``width`` are those of L_g f. It counts in half pixels, so that the center of a map of even size
    has whole coordinates, too.
    """
    x = np.array([2 * col - (width - 1), (height - 1) - 2 * row])
    x_before, y_before = matrix(inverse(g)) @ x
    if g.r % 2:
        height, width = width, height
    return int(height - 1 - y_before) // 2, int(x_before + width - 1) // 2


def act_on_image(g: Element, f: Tensor) -> Tensor:
    """[L_g f](x) = f(g⁻¹x), pixel by pixel, for one map (Y, X)."""
    height, width = reversed(f.shape) if g.r % 2 else f.shape
    out = f.new_zeros(height, width)
    for row in range(height):
        for col in range(width):
            out[row, col] = f[source_pixel(g, row, col, height, width)]
    return out


def act_on_feature_map(g: Element, f: Tensor, group: Group) -> Tensor:
    """[L_g f](x, h) = f(g⁻¹x, g⁻¹h), sheet by sheet, for one channel (|H|, Y, X)."""
    sheets = [act_on_image(g, f[group.index(compose(inverse(g), h))]) for h in group.elements]
    return torch.stack(sheets)


def correlate(f: Tensor, psi: Tensor) -> Tensor:
    """[f ⋆ ψ](t) = Σ_y f(y) ψ(y − t), the "convolution" of deep learning, for maps (Y, X) and ψ (k, k), no padding."""
    k = len(psi)
    out = f.new_zeros(f.shape[0] - k + 1, f.shape[1] - k + 1)
    for row, col in np.ndindex(*out.shape):
        for a, b in np.ndindex(k, k):
            out[row, col] += f[row + a, col + b] * psi[a, b]
    return out


def lifting_conv(f: Tensor, psi: Tensor, group: Group) -> Tensor:
    """[f ⋆ ψ](t, h) = Σ_y Σ_c f_c(y) ψ_c(h⁻¹(y − t)): one image (C, Y, X), filters (O, C, k, k) → (O, |H|, Y′, X′)."""
    k = psi.shape[-1]
    out = f.new_zeros(len(psi), group.order, f.shape[1] - k + 1, f.shape[2] - k + 1)
    for o, i, row, col in np.ndindex(*out.shape):
        for c, a, b in np.ndindex(len(f), k, k):
            turned = source_pixel(group.elements[i], a, b, k, k)
            out[o, i, row, col] += f[c, row + a, col + b] * psi[(o, c, *turned)]
    return out


def group_conv(f: Tensor, psi: Tensor, group: Group) -> Tensor:
    """[f ⋆ ψ](t, h) = Σ_{y, h̃} Σ_c f_c(y, h̃) ψ_c(h⁻¹(y − t), h⁻¹h̃), the sum over the whole group Z² ⋊ H.

    One feature map (C, |H|, Y, X), filters (O, C, |H|, k, k) → (O, |H|, Y′, X′).
    """
    k = psi.shape[-1]
    out = f.new_zeros(len(psi), group.order, f.shape[2] - k + 1, f.shape[3] - k + 1)
    for o, i, row, col in np.ndindex(*out.shape):
        h = group.elements[i]
        for c, j, a, b in np.ndindex(*f.shape[:2], k, k):
            turned = source_pixel(h, a, b, k, k)
            sheet = group.index(compose(inverse(h), group.elements[j]))
            out[o, i, row, col] += f[c, j, row + a, col + b] * psi[(o, c, sheet, *turned)]
    return out


def steerable_filter(weights: Tensor, g: Element, size: int) -> Tensor:
    """[L_g ψ](x) = ψ(g⁻¹x) for ψ = Σ_n w_n B_n, the continuous filter sampled at turned points: (n,) → (size, size).

    B_n are the functions of `steerable.basis`, in its order and with its norms.
    """
    center, out = (size - 1) / 2, weights.new_zeros(size, size)
    pixels = [(row, col, np.array([col - center, center - row])) for row, col in np.ndindex(size, size)]
    functions = [(ring, m, wave) for ring, m in waves(size) for wave in (math.cos, math.sin)[: m + 1]]
    for weight, (ring, m, wave) in zip(weights, functions, strict=True):
        norm = math.sqrt(math.fsum(_ring(x, y, ring, m) ** 2 for _, _, (x, y) in pixels) / (2 if m else 1))
        for row, col, point in pixels:
            x, y = matrix(inverse(g)) @ point
            out[row, col] += weight * _ring(x, y, ring, m) * wave(m * math.atan2(y, x)) / norm
    return out


def _ring(x: float, y: float, radius: float, m: int) -> float:
    """The profile of a wave: a Gaussian around the ring, and nothing at the center, which has no angle."""
    rho = math.hypot(x, y)
    return math.exp(-((rho - radius) ** 2) / (2 * WIDTH**2)) if rho or not m else 0.0


def steerable_lifting_conv(f: Tensor, weights: Tensor, group: Group, size: int) -> Tensor:
    """[f ⋆ ψ](t, h) = Σ_y Σ_c f_c(y) ψ_c(h⁻¹(y − t)) for continuous ψ: (C, Y, X), weights (O, C, n) → (O, |H|, …)."""
    turned = [[_sum_of(f, ws, h, size) for h in group.elements] for ws in weights]
    return torch.stack([torch.stack(sheets) for sheets in turned])


def steerable_group_conv(f: Tensor, weights: Tensor, group: Group, size: int) -> Tensor:
    """Σ_{y, h̃} Σ_c f_c(y, h̃) ψ_c(h⁻¹(y − t), h⁻¹h̃) for continuous ψ: (C, |H|, Y, X), weights (O, C, |H|, n)."""
    out = []
    for ws in weights:
        for h in group.elements:
            sheets = [group.index(compose(inverse(h), other)) for other in group.elements]
            out.append(_sum_of(f.flatten(0, 1), ws[:, sheets].flatten(0, 1), h, size))
    return torch.stack(out).unflatten(0, (len(weights), group.order))


def _sum_of(maps: Tensor, weights: Tensor, h: Element, size: int) -> Tensor:
    """Σ_i f_i ⋆ L_h ψ_i."""
    results = [correlate(f, steerable_filter(w, h, size)) for f, w in zip(maps, weights, strict=True)]
    return torch.stack(results).sum(dim=0)


def self_attention(f: Tensor, query: Tensor, key: Tensor, value: Tensor, positions: Tensor, group: Group) -> Tensor:
    """f′(t, h) = Σ_{y, h̃} softmax[qᵀ(W_K f(y, h̃) + P(h⁻¹(y − t), h⁻¹h̃)) / √d] W_V f(y, h̃), with q = W_Q f(t, h).

    One feature map (C, |H|, Y, X), one head: query and key (d, C), value (O, C), positions (d, |H|, k, k), k odd →
    (O, |H|, Y, X). y runs over those of the k × k pixels around t that lie inside the map.
    """
    k, (height, width) = positions.shape[-1], f.shape[2:]
    out = f.new_zeros(len(value), *f.shape[1:])
    for i, row, col in np.ndindex(*f.shape[1:]):
        h, q = group.elements[i], query @ f[:, i, row, col]
        total = f.new_zeros(())
        for j, a, b in np.ndindex(group.order, k, k):
            y, x = row + a - k // 2, col + b - k // 2
            if 0 <= y < height and 0 <= x < width:
                sheet = group.index(compose(inverse(h), group.elements[j]))
                position = positions[(slice(None), sheet, *source_pixel(h, a, b, k, k))]
                weight = (q @ (key @ f[:, j, y, x] + position) / len(q) ** 0.5).exp()
                out[:, i, row, col] += weight * (value @ f[:, j, y, x])
                total += weight
        out[:, i, row, col] /= total
    return out


def attentive_conv(f: Tensor, psi: Tensor, channel: tuple[Tensor, Tensor], spatial: Tensor, group: Group) -> Tensor:
    """Σ_{c, h̃} (1 − a^X a^C) z_c, z_c = f_c(·, h̃) ⋆ L_h ψ_c(·, h⁻¹h̃); Romero et al. (2020), as `AttentiveGroupConv2d`.

    One feature map (C, |H|, Y, X), or an image (C, 1, Y, X); one output channel, with S = |H| or 1: psi (C, S, k, k),
    ``channel`` = u (J, C, S) and v (C, J, S), ``spatial`` χ (2, S, a, a) → (|H|, Y′, X′).
    """
    half, out = spatial.shape[-1] // 2, []
    for h in group.elements:
        sheets = []
        for j in range(f.shape[1]):
            before = 0 if psi.shape[1] == 1 else group.index(compose(inverse(h), group.elements[j]))
            z = torch.stack([correlate(f[c, j], act_on_image(h, psi[c, before])) for c in range(len(f))])
            u, v = (matrices[..., before] for matrices in channel)
            scores = v @ (u @ z.mean(dim=(1, 2))).relu() + v @ (u @ z.amax(dim=(1, 2))).relu()
            weighed = scores.sigmoid()[:, None, None] * z
            where = z.new_zeros(z.shape[1:])
            for i, over in enumerate((weighed.mean(dim=0), weighed.amax(dim=0))):
                around = over.new_zeros([n + 2 * half for n in over.shape])
                around[half : half + over.shape[0], half : half + over.shape[1]] = over
                where += correlate(around, act_on_image(h, spatial[i, before]))
            sheets.append((z - where.sigmoid() * weighed).sum(dim=0))
        out.append(torch.stack(sheets).sum(dim=0))
    return torch.stack(out)


def coset_max_pool(f: Tensor, group: Group, subgroup: Group) -> Tensor:
    """P(f)(x, hS) = max over s ∈ S of f(x, hs), for one channel (|H|, Y, X) → (|H|/|S|, Y, X)."""
    pooled = []
    for coset in group.left_cosets(subgroup):
        sheets = [f[group.index(h)] for h in coset]
        pooled.append(torch.stack(sheets).max(dim=0).values)
    return torch.stack(pooled)


def spatial_pool(f: Tensor, size: int, stride: int, how: str) -> Tensor:
    """The maximum ("max") or mean ("mean") over size × size windows of a map (Y, X), one every ``stride`` pixels."""
    if f.ndim != 2:
        raise ValueError(f"spatial_pool takes one map (Y, X), not {tuple(f.shape)}; F.max_pool2d takes a batch")
    rows, cols = ((n - size) // stride + 1 for n in f.shape)
    out = f.new_zeros(rows, cols)
    for row, col in np.ndindex(rows, cols):
        window = f[row * stride : row * stride + size, col * stride : col * stride + size]
        out[row, col] = window.max() if how == "max" else window.sum() / size**2
    return out


def batch_norm(f: Tensor, gain: Sequence[float], bias: Sequence[float], eps: float = 1e-5) -> Tensor:
    """γ_c (f − μ_c) / √(σ²_c + ε) + β_c, mean and variance per channel over (B, |H|, Y, X) of (B, C, |H|, Y, X)."""
    out = torch.empty_like(f)
    for c in range(f.shape[1]):
        values = f[:, c].flatten()
        mean = values.sum() / len(values)
        variance = ((values - mean) ** 2).sum() / len(values)
        out[:, c] = gain[c] * (f[:, c] - mean) / (variance + eps).sqrt() + bias[c]
    return out


def e4(
    f: Tensor,
    squeeze: Tensor,
    norm: tuple[Tensor, Tensor],
    kernel: tuple[Tensor, Tensor],
    encoder: Tensor,
    group: Group,
    eps: float = 1e-5,
) -> Tensor:
    """f′(g) = Σ_v K_v(∪_a f(g·(0, a))) ⊙ V(∪_a f(g·(v, a))), v over k × k pixels; He et al. (2021), Eq. 12.

    One feature map (C, |H|, Y, X) → (O, |H|, Y, X). K_v(z) = W₂[v] relu(norm(W₁ z)) + b₂[v] with ``squeeze`` W₁
    (M, C, |H|), ``norm`` = gain and bias (M,), ``kernel`` = W₂ (s, M, k, k) and b₂ (s, k, k); ``encoder`` W₃
    (O, C, |H|). W₁ or W₃ of shape (·, C, 1) stands for no concatenation. Outside of the map V is zero.
    """
    (weight, bias), (_, order, height, width) = kernel, f.shape
    half, shared = weight.shape[-1] // 2, len(encoder) // len(weight)
    mixed = _of_concatenation(f, squeeze, group)
    hidden = batch_norm(mixed[None], norm[0].tolist(), norm[1].tolist(), eps)[0].relu()
    values = _of_concatenation(f, encoder, group)
    out = f.new_zeros(len(encoder), order, height, width)
    for i, row, col in np.ndindex(order, height, width):
        for a, b in np.ndindex(*weight.shape[-2:]):
            rows, cols = _turned_step(group.elements[i], a - half, b - half)
            y, x = row + rows, col + cols
            if 0 <= y < height and 0 <= x < width:
                generated = weight[:, :, a, b] @ hidden[:, i, row, col] + bias[:, a, b]  # (s,)
                out[:, i, row, col] += generated.repeat_interleave(shared) * values[:, i, y, x]
    return out


def _of_concatenation(f: Tensor, weights: Tensor, group: Group) -> Tensor:
    """W ∪_a f(t, ha) at every (t, h), for a from as many elements as W has columns for."""
    out = f.new_zeros(len(weights), *f.shape[1:])
    for i, h in enumerate(group.elements):
        for j in range(weights.shape[2]):
            sheet = group.index(compose(h, group.elements[j]))
            out[:, i] += torch.einsum("oc,cyx->oyx", weights[:, :, j], f[:, sheet])
    return out


def _turned_step(h: Element, rows: int, cols: int) -> tuple[int, int]:
    """h applied to a step of so many rows down and columns to the right, given as such a step again."""
    x, y = matrix(h) @ np.array([cols, -rows])
    return -int(y), int(x)


def affine_map(
    f: Tensor, affine: tuple[Tensor, Tensor], group: Group, g: tuple[int, int, int], y: tuple[int, int]
) -> Tensor:
    """A_g[f](y) = Σ_h̃ f(y, h̃) ψ(h⁻¹(y − t), h⁻¹h̃) + β(h⁻¹(y − t)); *Affine self convolution*, Eqs. 12 and 24.

    One feature map (C, |H|, Y, X), ``affine`` = ψ (C, |H|, k, k) and β (C, k, k), g = (index of h, row, column of t),
    y = (row, column) → (C,). Outside of the map f is zero.
    """
    (psi, beta), h = affine, group.elements[g[0]]
    rows, cols = _turned_step(inverse(h), y[0] - g[1], y[1] - g[2])
    a, b = psi.shape[-1] // 2 + rows, psi.shape[-1] // 2 + cols
    out = beta[:, a, b].clone()
    if 0 <= y[0] < f.shape[2] and 0 <= y[1] < f.shape[3]:
        for j, other in enumerate(group.elements):
            out += f[:, j, y[0], y[1]] * psi[:, group.index(compose(inverse(h), other)), a, b]
    return out


def affine_self_conv(
    query: tuple[Tensor, tuple[Tensor, Tensor]],
    key: tuple[Tensor, tuple[Tensor, Tensor]],
    value: tuple[Tensor, tuple[Tensor, Tensor]],
    group: Group,
    masked: bool = False,
) -> Tensor:
    """Σ_y α(g, y) A^V_g[V](y), α = softmax_y(⟨A^Q_g[Q](t), A^K_g[K](y)⟩ / d).

    *Affine self convolution*, Eqs. 17 to 20. One head. Each of query, key and value is a map (d, |H|, Y, X) with its
    affine map (ψ, β), as in `affine_map`; y runs over the k × k pixels around t, with ``masked`` over those inside of
    the map. → (d, |H|, Y, X).
    """
    (height, width), k = query[0].shape[2:], value[1][0].shape[-1]
    out = torch.zeros_like(value[0])
    for g in np.ndindex(group.order, height, width):
        at_center = affine_map(*query, group, g, (g[1], g[2]))
        total = out.new_zeros(())
        for a, b in np.ndindex(k, k):
            y = (g[1] + a - k // 2, g[2] + b - k // 2)
            if not masked or (0 <= y[0] < height and 0 <= y[1] < width):
                weight = (at_center @ affine_map(*key, group, g, y) / len(at_center)).exp()
                out[(slice(None), *g)] += weight * affine_map(*value, group, g, y)
                total += weight
        out[(slice(None), *g)] /= total
    return out
