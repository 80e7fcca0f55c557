"""From a recipe, which says how a paper trained, and what a run changes of it, to what the loop takes."""

from dataclasses import replace
from functools import lru_cache, partial

from course_lib.changes import Changes
from course_lib.data import (
    Augmentation,
    Dataset,
    chained,
    load_dataset,
    load_digits,
    normalized,
    on_background,
    random_crops,
    random_flips,
    random_rotations,
    whitened,
)
from course_lib.errors import BadValue
from course_lib.experiments import Recipe
from course_lib.experiments.row import Counts
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


def changed(config: TrainConfig, changes: Changes) -> TrainConfig:
    """The config with those changes that concern it. Raises ValueError if they make no sense."""
    if changes.epochs is not None:
        config = with_epochs(config, changes.epochs)
    if changes.shorten is not None:
        config = with_epochs(config, max(1, round(config.epochs / changes.shorten)))
    given = {name: getattr(changes, name) for name in ("batch_size", "bf16", "compile", "deterministic")}
    return replace(config, **{name: value for name, value in given.items() if value is not None})


@lru_cache(maxsize=1)
def loaded(source: str, normalization: str, validation: int | None, per_class: int | None) -> Dataset:
    """A data set, prepared. The last one stays in memory: the next seed of a table will ask for it again."""
    return prepared(load_dataset(source, validation, per_class), normalization)


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


# --- the small version of any run: the bundled digits and few epochs, for a machine with neither GPU nor network -----

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
