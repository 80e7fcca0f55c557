"""Turning an image by an angle at which pixels fall between pixels: nearly, by interpolation. Notebooks 02, 05 and 12.

Two ways. Bilinear interpolation mixes four neighbors; it is quick and blurs. The windowed sinc mixes 12 × 12 and leaves
an image as it is if it holds no detail finer than the pixels can carry. Both put zeros where nothing is known.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

REACH = 6  # pixels to each side: an error of 2 in 1,000 for waves of 4 pixels and longer


def positions(height: int, width: int) -> Tensor:
    """Where the pixels of a map lie, (Y, X, 2), float64: x to the right and y up, from the center of the map."""
    x, y = torch.arange(width) - (width - 1) / 2, (height - 1) / 2 - torch.arange(height)
    return torch.stack([x.expand(height, -1), y[:, None].expand(-1, width)], dim=-1).double()


def bilinear(angles: Tensor, f: Tensor) -> Tensor:
    """Turn ``(B, C, Y, X)`` counter-clockwise by one angle in radians, or by one for each of the B maps."""
    angles, (height, width) = angles.reshape(-1), f.shape[-2:]
    cos, sin, zero = angles.cos(), angles.sin(), torch.zeros_like(angles)
    # affine_grid maps output to input positions (the inverse turn) in units of half the map, with y pointing down.
    theta = torch.stack([cos, -sin * height / width, zero, sin * width / height, cos, zero], dim=1).view(-1, 2, 3)
    grid = F.affine_grid(theta, [len(theta), *f.shape[1:]], align_corners=False).expand(len(f), -1, -1, -1)
    return F.grid_sample(f, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def windowed_sinc(angle: float, f: Tensor) -> Tensor:
    """Turn ``(..., Y, X)`` counter-clockwise by an angle in radians: Σ_p f(p) w(y₁ − p₁) w(y₂ − p₂) at y = R⁻¹x.

    w is the Lanczos window, sinc(t)·sinc(t / 6) up to 6 pixels away. Raises ValueError unless f is a float map.
    """
    if not f.is_floating_point():
        raise ValueError(f"a turn between quarter turns interpolates, which needs a float map; got {f.dtype}")
    places = positions(*f.shape[-2:]).to(f.device)
    cos, sin = math.cos(angle), math.sin(angle)
    before = places.flatten(0, 1) @ places.new_tensor([[cos, -sin], [sin, cos]])  # rows R⁻¹x
    columns = _lanczos(before[:, :1] - places[0, :, 0]).to(f.dtype)
    rows = _lanczos(before[:, 1:] - places[:, 0, 1]).to(f.dtype)
    return torch.einsum("...yx,py,px->...p", f, rows, columns).view(f.shape)


def _lanczos(distance: Tensor) -> Tensor:
    return torch.sinc(distance) * torch.sinc(distance / REACH) * (distance.abs() < REACH)
