"""Filters that can be turned by any angle: rings times waves around the circle. Built in notebook 12.

A filter is a function of the plane, ψ(x) = Σ_n w_n B_n(x), of which pixels are samples. At the polar coordinates (ρ, φ)

    B_n(x) = exp(−(ρ − ρ_j)² / 2σ²) · cos mφ, or · sin mφ

A turn by α makes cos mφ into cos m(φ − α) = cos mα · cos mφ + sin mα · sin mφ. So ψ can be turned by any angle
exactly, before it is sampled, and no pixel is interpolated. Source: Weiler, Hamprecht & Storath (2018).
"""

from __future__ import annotations

import torch
from torch import Tensor

from course_lib.actions import act_on_image
from course_lib.groups import Element, Group, matrix
from course_lib.interpolation import positions

WIDTH = 0.55  # σ, in pixels


def rings(size: int) -> list[tuple[float, int]]:
    """The radius ρ_j of each ring in a window of size × size pixels, and j, its highest frequency m.

    The outermost ring lies 0.75 pixels inside of the window, so that little of it is cut off: a turned window has other
    corners. A wave of frequency m around a ring of radius ρ has a length of 2πρ/m pixels. With m ≤ j that is 4 pixels
    or more from 5 × 5 on, which pixels can carry; shorter waves would show up as something else (aliasing).
    """
    last = (size - 1) // 2
    return [((size / 2 - 1.25) * j / last if last else 0.0, j) for j in range(last + 1)]


def basis(points: Tensor, size: int) -> Tensor:
    """All B_n of a window of size × size pixels at any points: (..., 2) → (..., n).

    From the inner ring outwards, on each cos 0φ, cos φ, sin φ, cos 2φ, … Each is divided by the norm of its samples on
    the pixels of the window, so that weights drawn alike make filters of the same size as pixels drawn alike would.
    """
    return _waves(points, size) / _waves(positions(size, size), size).flatten(0, 1).norm(dim=0)


def _waves(points: Tensor, size: int) -> Tensor:
    radius, angle = points.norm(dim=-1), torch.atan2(points[..., 1], points[..., 0])
    found = []
    for ring, highest in rings(size):
        profile = (-((radius - ring) ** 2) / (2 * WIDTH**2)).exp()
        found.append(profile)
        for m in range(1, highest + 1):
            found += [profile * (m * angle).cos(), profile * (m * angle).sin()]
    return torch.stack(found, dim=-1)


def turned_basis(group: Group, size: int) -> Tensor:
    """[L_h B_n](x) = B_n(h⁻¹x) for every h, sampled on the pixels of the window: (|H|, size², n), float64.

    ψ turned by h has the pixels Σ_n w_n [L_h B_n](x). The part of h that takes the lattice to itself moves pixels, so
    that it is exact to the last bit.
    """
    sampled = []
    for h in group.elements:
        whole, rest = Element(h.m, int(h.r)), Element(0, h.r % 1)
        before = positions(size, size) @ torch.as_tensor(matrix(rest)).double()  # rows h⁻¹x, as h⁻¹ is h transposed
        sampled.append(act_on_image(whole, basis(before, size).movedim(-1, 0)).flatten(1).T)
    return torch.stack(sampled)
