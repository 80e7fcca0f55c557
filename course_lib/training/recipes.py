"""From a recipe, which says how a paper trained, to what the loop takes."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from course_lib.data import (
    Augmentation,
    Dataset,
    chained,
    normalized,
    on_background,
    random_crops,
    random_flips,
    random_rotations,
    whitened,
)
from course_lib.errors import BadValue
from course_lib.experiments import Recipe
from course_lib.training.config import TrainConfig

_AUGMENTATIONS: dict[str, Augmentation] = {
    "rotate": random_rotations,
    "flip": random_flips,
    "crop2": partial(random_crops, padding=2),
    "crop4": partial(random_crops, padding=4),
}


def config_of(recipe: Recipe, seed: int = 0) -> TrainConfig:
    """The recipe's optimizer, schedule and sizes."""
    return TrainConfig(
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        schedule="cosine" if recipe.schedule == "cosine" else "step" if recipe.milestones else "constant",
        seed=seed,
        optimizer=recipe.optimizer,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        milestones=recipe.milestones,
        factor=recipe.factor,
        warmup_epochs=recipe.warmup,
    )


def with_epochs(config: TrainConfig, epochs: int) -> TrainConfig:
    """The same training squeezed or stretched to so many epochs: milestones and warm-up move in proportion.

    The last epoch has the recipe's last rate, however few there are: milestones may meet, but all are reached, unless
    there is one epoch only. A warm-up lasts at least one epoch.
    """
    if epochs < 1:
        raise BadValue(f"epochs must be a whole number of at least 1, got {epochs}")
    scale, last = epochs / config.epochs, max(1, epochs - 1)
    milestones = tuple(min(last, max(1, round(scale * milestone))) for milestone in config.milestones)
    warmup = max(min(1, config.warmup_epochs), round(scale * config.warmup_epochs))
    return replace(config, epochs=epochs, milestones=milestones, warmup_epochs=warmup)


def prepared(dataset: Dataset, normalization: str) -> Dataset:
    """The data set with a recipe's normalization, which is fitted on the training split."""
    if normalization == "none":
        return dataset
    return whitened(dataset) if normalization == "contrast and ZCA" else normalized(dataset)


def augmentation_of(recipe: Recipe, dataset: Dataset) -> Augmentation | None:
    """What the recipe does to each batch; what comes in from outside a picture is the data set's ``background``."""
    if not recipe.augmentation:
        return None
    return on_background(chained(*(_AUGMENTATIONS[name] for name in recipe.augmentation)), dataset.background)
