"""How a network is trained: data, optimizer, schedule, augmentation and what is reported, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

RecipeName = Literal["published", "laptop"]


@dataclass(frozen=True)
class Recipe:
    """How a network of a table is trained and what is reported; what a paper leaves open is chosen, and in ``note``.

    The learning rate is multiplied by ``factor`` at the start of every epoch in ``milestones`` (epochs count from 0;
    without milestones it is constant), or falls to zero along half a cosine (``schedule``). During the first ``warmup``
    epochs it grows linearly to its full value. Dropout is part of a network, not of a recipe. ``name`` is
    "published", the paper's own, or "laptop" (`experiments.laptop`); the two are never compared with each other.
    """

    dataset: Literal["rotated-mnist", "cifar10", "cifar100"]
    train: int  # images of each split
    validation: int
    test: int
    optimizer: Literal["adam", "sgd"]
    learning_rate: float
    batch_size: int
    epochs: int
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    milestones: tuple[int, ...] = ()
    factor: float = 1.0
    warmup: int = 0
    schedule: Literal["steps", "cosine"] = "steps"
    augmentation: tuple[Literal["rotate", "flip", "crop2", "crop4"], ...] = ()
    """"rotate": by any angle; "flip": left and right, or not; "crop4": out of the image with 4 pixels of zeros around
    it, which shifts by up to 4 pixels."""
    normalization: Literal["none", "global", "channel", "contrast and ZCA"] = "none"
    """Mean 0 and deviation 1 over all pixels of the training images, or for each channel; "contrast and ZCA": global
    contrast normalization of each image, then whitening."""
    report: Literal["last epoch", "best validation epoch"] = "last epoch"
    seeds: int = 1
    per_class: int | None = None
    """How many of the training images of each class are used; None for all."""
    note: str = ""
    name: RecipeName = "published"

    @property
    def classes(self) -> int:
        return 100 if self.dataset == "cifar100" else 10

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, Y, X) of one image."""
        return (1, 28, 28) if self.dataset == "rotated-mnist" else (3, 32, 32)
