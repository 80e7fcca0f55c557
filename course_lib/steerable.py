"""Filters that can be turned by any angle: rings times waves around the circle. Built in notebook 12.

A filter is a function of the plane, ψ(x) = Σ_n w_n B_n(x), of which pixels are samples. At the polar coordinates (ρ, φ)

    B_n(x) = exp(−(ρ − ρ_j)² / 2σ²) · cos mφ, or · sin mφ

A turn by α makes cos mφ into cos m(φ − α) = cos mα · cos mφ + sin mα · sin mφ. So ψ can be turned by any angle
exactly, before it is sampled, and no pixel is interpolated. Source: Weiler, Hamprecht & Storath (2018).
"""

import math

import torch
from torch import Tensor

from course_lib.actions import act_on_image
from course_lib.groups import Element, Group
from course_lib.interpolation import positions

WIDTH = 0.55  # σ, in pixels


def waves(size: int) -> list[tuple[float, int]]:
    """The waves of a window of size × size pixels, from the inside outwards: radius ρ_j of the ring, frequency m.

    The outermost ring lies 0.75 pixels inside the outermost row of pixels, so that little of it is cut off: a turned
    window has other corners. Ring j has the frequencies 0 to j. A wave has a length of 2πρ/m pixels; with m ≤ j that is
    3.9 pixels or more from 5 × 5 on, which pixels can carry. Shorter waves would show up as something else (aliasing).
    """
    last = (size - 1) // 2
    radii = [(size / 2 - 1.25) * j / last if last else 0.0 for j in range(last + 1)]
    return [(radius, m) for j, radius in enumerate(radii) for m in range(j + 1)]


def ring_wave(points: Tensor, radius: float, m: int) -> Tensor:
    """exp(−(ρ − radius)² / 2σ²) · cos mφ and · sin mφ at any points: (..., 2) → (..., 2); for m = 0, (..., 1).

    ρ is the distance of a point (x, y) from the center, φ its angle from the x axis, counter-clockwise. The center has
    no angle: there, a wave with m > 0 is 0, which is its mean around the center.
    """
    rho, phi = points.norm(dim=-1), torch.atan2(points[..., 1], points[..., 0])
    profile = torch.exp(-((rho - radius) ** 2) / (2 * WIDTH**2))
    if m == 0:
        return profile[..., None]
    profile = profile * (rho > 0)
    return torch.stack([profile * torch.cos(m * phi), profile * torch.sin(m * phi)], dim=-1)


def basis(points: Tensor, size: int) -> Tensor:
    """All B_n of a window of size × size pixels, at any points: (..., 2) → (..., n), cos before sin for each wave.

    Each wave is scaled so that its samples on the pixels of the window have norm 1, the mean of cos and sin: then
    weights drawn alike make filters of the same size as pixels drawn alike would.
    """
    pixels = positions(size, size)
    sampled = []
    for radius, m in waves(size):
        norm = ring_wave(pixels, radius, m).square().sum().sqrt() / (math.sqrt(2) if m else 1)
        sampled.append(ring_wave(points, radius, m) / norm)
    return torch.cat(sampled, dim=-1)


def steer(weights: Tensor, angle: float, size: int) -> Tensor:
    """The weights of L_α ψ, ψ turned counter-clockwise by an angle in radians: (..., n) → (..., n).

    A pair (a, b), of a·cos mφ + b·sin mφ, becomes (a cos mα − b sin mα, a sin mα + b cos mα). Notebook 12.
    """
    turned, start = [], 0
    for _, m in waves(size):
        pair = weights[..., start : start + (2 if m else 1)]
        if m:
            cos, sin = math.cos(m * angle), math.sin(m * angle)
            pair = torch.stack([cos * pair[..., 0] - sin * pair[..., 1], sin * pair[..., 0] + cos * pair[..., 1]], -1)
        turned.append(pair)
        start += pair.shape[-1]
    return torch.cat(turned, dim=-1)


def turned_basis(group: Group, size: int) -> Tensor:
    """[L_h B_n](x) = B_n(h⁻¹x) for every h, sampled on the pixels of the window: (|H|, size², n), float64.

    ψ turned by h has the pixels Σ_n w_n [L_h B_n](x). The weights are steered by what a turn has beyond quarter turns;
    quarter turns and mirrors move pixels, so that they are exact to the last bit.
    """
    sampled = basis(positions(size, size), size)
    unit = torch.eye(sampled.shape[-1], dtype=sampled.dtype)
    turned = []
    for h in group.elements:
        steered = sampled @ steer(unit, float(h.r % 1) * math.pi / 2, size).T  # column n: the pixels of B_n, turned
        turned.append(act_on_image(Element(h.m, int(h.r)), steered.movedim(-1, 0)).flatten(1).T)
    return torch.stack(turned)
