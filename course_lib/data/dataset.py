"""Images and labels in memory: a split, and a data set of three of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from course_lib.errors import BadValue


@dataclass(frozen=True)
class Split:
    """Images ``(N, C, Y, X)`` of a float dtype and their labels ``(N,)`` of dtype int64.

    Raises TypeError or ValueError if the dtypes, axes or lengths are others, or if there is no image at all.
    """

    images: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        if not self.images.is_floating_point() or self.labels.dtype != torch.int64:
            raise TypeError(
                f"expected float images and int64 labels, got {self.images.dtype} and {self.labels.dtype}; "
                "convert with .float() and .long()"
            )
        if self.images.ndim != 4 or self.labels.shape != self.images.shape[:1]:
            raise ValueError(
                "expected images (N, C, Y, X) and labels (N,), "
                f"got {tuple(self.images.shape)} and {tuple(self.labels.shape)}"
            )
        if len(self.images) == 0:
            raise ValueError("the split is empty: expected at least one image")

    def __len__(self) -> int:
        return len(self.images)

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Split:
        """The same split on another device, the images in another float dtype if one is given."""
        return Split(self.images.to(device=device, dtype=dtype), self.labels.to(device))

    def first(self, count: int) -> Split:
        """The first ``count`` images."""
        return Split(self.images[:count], self.labels[:count])

    def select(self, indices: Tensor) -> Split:
        """The images at ``indices``, in that order."""
        return Split(self.images[indices], self.labels[indices])


@dataclass(frozen=True)
class Dataset:
    """Disjoint splits, and where they come from.

    ``validation`` is None only where somebody asked for no validation images (a published run on all of them).
    ``sha256`` is the checksum of the file read (`downloads.sha256_of`). ``background`` is what a black pixel is worth
    in each channel, ``(0.0,)`` if the same in all: no longer zero once the images are `normalized`, and the mean, 0,
    once they are `whitened`.
    """

    name: str
    train: Split
    validation: Split | None
    test: Split
    sha256: str
    background: tuple[float, ...] = (0.0,)

    @property
    def classes(self) -> int:
        """How many classes there are: the largest label of the training split, plus one."""
        return int(self.train.labels.max()) + 1

    @property
    def image_shape(self) -> tuple[int, ...]:
        """``(C, Y, X)``."""
        return tuple(self.train.images.shape[1:])

    def map_images(self, function: Callable[[Tensor], Tensor]) -> Dataset:
        """The same data set with ``function`` applied to the images ``(N, C, Y, X)`` of each split."""

        def mapped(split: Split) -> Split:
            return Split(function(split.images), split.labels)

        validation = self.validation and mapped(self.validation)
        return replace(self, train=mapped(self.train), validation=validation, test=mapped(self.test))


def hold_out(split: Split, count: int, seed: int) -> tuple[Split, Split | None]:
    """Take ``count`` images, drawn at random, out of a split: the rest, in its order, and those taken (None if 0).

    The draw depends on ``seed`` and the number of images alone. Raises ValueError if nothing would be left.
    """
    if not 0 <= count < len(split):
        raise BadValue(
            f"validation must be from 0 to {len(split) - 1}, which leaves at least one of the {len(split)} images "
            f"for training, got {count}"
        )
    shuffled = torch.randperm(len(split), generator=Generator().manual_seed(seed))
    taken, rest = shuffled[:count].sort().values, shuffled[count:].sort().values
    return split.select(rest), split.select(taken) if count else None


def per_class_subset(split: Split, count: int, seed: int) -> Split:
    """``count`` images of each class, drawn at random with ``seed``, in the order of the split: for low-data runs.

    Raises ValueError that names the class and what it has if that is less than ``count``.
    """
    if count < 1:
        raise BadValue(f"per_class must be at least 1, got {count}")
    sizes = split.labels.bincount()
    if count > (least := int(sizes.min())):
        raise BadValue(
            f"per_class={count} is more than class {int(sizes.argmin())} has: {least} training images; "
            f"take at most {least}, or hold fewer out for validation"
        )
    generator = Generator().manual_seed(seed)
    members = [(split.labels == label).nonzero().flatten() for label in range(len(sizes))]
    chosen = [indices[torch.randperm(len(indices), generator=generator)[:count]] for indices in members]
    return split.select(torch.cat(chosen).sort().values)
