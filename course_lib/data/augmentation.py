"""Augmentation of a whole batch at once, on the device where the images lie; the draws are made on the CPU."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from course_lib.actions import rotate_by_angle

Augmentation = Callable[[Tensor, Generator], Tensor]


def random_rotations(images: Tensor, generator: Generator) -> Tensor:
    """Turn each image by an angle drawn uniformly from [0°, 360°); an augmentation for `training.train`.

    The angles are drawn on the CPU, from ``generator``, so that they are the same on every device.
    """
    return rotate_by_angle(360 * torch.rand(len(images), generator=generator), images)


def random_flips(images: Tensor, generator: Generator) -> Tensor:
    """Mirror each image of ``(N, C, Y, X)`` left to right with probability one half."""
    chosen = torch.rand(len(images), generator=generator) < 0.5
    return torch.where(chosen.to(images.device).view(-1, 1, 1, 1), images.flip(-1), images)


def random_crops(images: Tensor, generator: Generator, padding: int = 4) -> Tensor:
    """Shift each image of ``(N, C, Y, X)`` by up to ``padding`` pixels along each axis, zero from outside.

    That is: pad it by zeros on all sides and cut a window of the old size out, each with the same probability.
    """
    if padding < 0:
        raise ValueError(f"padding must be 0 or more pixels, got {padding}")
    height, width = images.shape[-2:]
    top, left = torch.randint(2 * padding + 1, (2, len(images)), generator=generator).to(images.device)
    windows = F.pad(images, (padding,) * 4).unfold(2, height, 1).unfold(3, width, 1)  # (N, C, top, left, Y, X), a view
    return windows[torch.arange(len(images), device=images.device), :, top, left]


def chained(*augmentations: Augmentation) -> Augmentation:
    """One augmentation after the other, the first one first; none at all leaves the images as they are."""

    def augment(images: Tensor, generator: Generator) -> Tensor:
        for augmentation in augmentations:
            images = augmentation(images, generator)
        return images

    return augment


def on_background(augmentation: Augmentation, background: Sequence[float]) -> Augmentation:
    """The same augmentation for images in which black is ``background``, one value per channel or one for all.

    What comes in from outside a picture is then black too, and not the gray that zero is once images are normalized:
    ``augment(images − background) + background``. `Dataset.background` is the value to give.
    """

    def augment(images: Tensor, generator: Generator) -> Tensor:
        black = images.new_tensor(background).view(-1, 1, 1)
        return augmentation(images - black, generator) + black

    return augment if any(background) else augmentation
