"""Augmentation of a whole batch at once, on the device where the images lie; the draws are made on the CPU."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

Augmentation = Callable[[Tensor, Generator], Tensor]


def rotate_images(images: Tensor, degrees: Tensor | Sequence[float]) -> Tensor:
    """Turn each image of ``(N, C, Y, X)`` counter-clockwise by its own angle, ``degrees`` of shape ``(N,)``.

    What `actions.rotate_by_angle` does for one angle, for a whole batch at once: bilinear, zero from outside. Exact up
    to rounding at multiples of 90°. Raises ValueError if there is not one angle per image.
    """
    angles = torch.as_tensor(degrees, dtype=images.dtype, device=images.device) * (math.pi / 180)
    if images.ndim != 4 or angles.shape != images.shape[:1]:
        raise ValueError(
            "expected images (N, C, Y, X) and N angles, one each, "
            f"got shapes {tuple(images.shape)} and {tuple(angles.shape)}"
        )
    height, width = images.shape[-2:]
    cos, sin, zero = angles.cos(), angles.sin(), torch.zeros_like(angles)
    theta = torch.stack([cos, -sin * height / width, zero, sin * width / height, cos, zero], dim=1).view(-1, 2, 3)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def random_rotations(images: Tensor, generator: Generator) -> Tensor:
    """Turn each image by an angle drawn uniformly from [0°, 360°); an augmentation for `training.train`.

    The angles are drawn on the CPU, from ``generator``, so that they are the same on every device.
    """
    return rotate_images(images, 360 * torch.rand(len(images), generator=generator))
