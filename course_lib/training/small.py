"""The small version of any run: the bundled digits and few epochs, for a machine with neither GPU nor network."""

from __future__ import annotations

from dataclasses import replace

from course_lib.data import Dataset, load_digits, normalized
from course_lib.experiments.row import Counts
from course_lib.training.config import TrainConfig

# What a run may cost, in multiply-accumulates of forward passes with their backward passes. One core of 2.5 GHz took
# 0.2 to 0.4 ns for each: at most some two minutes, and the first of two epochs is stored after one.
BUDGET = 3.4e11
AGGREGATION = 16  # one of attention took as long as so many of a convolution
BATCH = 32


def small_dataset(image_shape: tuple[int, int, int], counts: Counts) -> Dataset:
    """The bundled digits, rotated, in the shape ``(C, Y, X)`` that the network takes; for a large one, a few of them.

    In color all channels are equal. Normalized, whatever the recipe says.
    """
    channels, height, _ = image_shape
    digits = load_digits(rotated=True, size=height)
    dataset = digits.map_images(lambda images: images.expand(-1, channels, -1, -1))
    dataset = replace(dataset, name=f"{digits.name} {'×'.join(map(str, image_shape))}")
    if _is_large(counts) and dataset.validation:
        # Two epochs, each with two passes over half as many images for validation, and the test: three epochs' time.
        images = max(2, int(BUDGET / 3 / _cost(counts)) // BATCH) * BATCH
        train, test = dataset.train.first(images), dataset.test.first(images)
        dataset = replace(dataset, train=train, validation=dataset.validation.first(images // 2), test=test)
    return normalized(dataset)


def small_config(config: TrainConfig, counts: Counts) -> TrainConfig:
    """The same optimizer for 5 epochs of small batches, of a large network 2, down a cosine."""
    return replace(
        config,
        epochs=2 if _is_large(counts) else 5,
        batch_size=BATCH,
        schedule="cosine",
        milestones=(),
        warmup_epochs=min(1, config.warmup_epochs),
    )


def _cost(counts: Counts) -> float:
    return counts.executed + AGGREGATION * counts.aggregation


def _is_large(counts: Counts) -> bool:
    """Whether five epochs of all 1,029 training images are too much."""
    return 5 * 1029 * _cost(counts) > BUDGET
