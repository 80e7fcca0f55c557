"""The small version of any run: the bundled digits and few epochs, for a machine with neither GPU nor network."""

from __future__ import annotations

from dataclasses import replace

from course_lib.data import Dataset, load_digits, normalised
from course_lib.training.config import TrainConfig

LARGE = 300_000_000  # multiply-accumulates for one image; an epoch of all 1,029 images would take minutes


def small_dataset(image_shape: tuple[int, int, int], macs: int) -> Dataset:
    """The bundled digits, rotated, in the shape ``(C, Y, X)`` that the network takes; for a large one, a few of them.

    In colour all channels are equal. Normalised, whatever the recipe says.
    """
    channels, height, _ = image_shape
    digits = load_digits(rotated=True, size=height)
    dataset = digits.map_images(lambda images: images.expand(-1, channels, -1, -1))
    dataset = replace(dataset, name=f"{digits.name} {'×'.join(map(str, image_shape))}")
    if macs > LARGE and dataset.validation:
        train, validation, test = dataset.train.first(128), dataset.validation.first(64), dataset.test.first(128)
        dataset = replace(dataset, train=train, validation=validation, test=test)
    return normalised(dataset)


def small_config(config: TrainConfig, macs: int) -> TrainConfig:
    """The same optimizer for 5 epochs of small batches, of a large network 2, down a cosine."""
    epochs = 2 if macs > LARGE else 5
    return replace(
        config,
        epochs=epochs,
        batch_size=32,
        schedule="cosine",
        milestones=(),
        warmup_epochs=min(1, config.warmup_epochs),
    )
