"""Images and labels in memory: a split, and a data set of three of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


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


@dataclass(frozen=True)
class Dataset:
    """Three disjoint splits, and the checksum of the file they were read from."""

    name: str
    train: Split
    validation: Split
    test: Split
    sha256: str
