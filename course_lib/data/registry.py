"""Every data set by its name, or by the path of an ``.npz``."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from course_lib.data.bundled import load_digits
from course_lib.data.cifar import load_cifar
from course_lib.data.dataset import Dataset, per_class_subset
from course_lib.data.npz import load_npz
from course_lib.data.rotated_mnist import load_rotated_mnist, load_rotated_mnist_rebuilt, rebuild_rotated
from course_lib.errors import BadValue
from course_lib.spelling import did_you_mean, letters

# Name → what loads it, given the number of validation images (None: the usual) and a seed.
DATASETS: dict[str, Callable[[int | None, int], Dataset]] = {
    "digits": lambda validation, seed: _bundled_digits(False, validation, seed),
    "rotated-digits": lambda validation, seed: _bundled_digits(True, validation, seed),
    "rotated-mnist": lambda validation, seed: load_rotated_mnist(validation),
    "rotated-mnist-rebuilt": load_rotated_mnist_rebuilt,
    "cifar10": partial(load_cifar, 10),
    "cifar100": partial(load_cifar, 100),
}
ROTATED = "rotated:"  # before the path of an .npz


def load_dataset(
    source: str | Path, validation: int | None = None, per_class: int | None = None, seed: int = 0
) -> Dataset:
    """The data set of a name in `DATASETS`, or of the path of an ``.npz`` file.

    Args:
        source: a name, in which capitals, spaces and signs do not matter (``"CIFAR-10"`` is ``"cifar10"``); a path
            that ends in ``.npz`` (`load_npz`); or ``rotated:`` and such a path (`rebuild_rotated`).
        validation: how many of the training images to hold out, 0 for none; by default what is usual for the data set.
        per_class: keep only so many training images of each class, for low-data runs.
        seed: of every draw: which images are held out and kept, and by which angles images are turned.

    Raises ValueError that names the near misses if there is no such data set.
    """
    dataset = _load(str(source), validation, seed)
    if per_class is None:
        return dataset
    return replace(dataset, train=per_class_subset(dataset.train, per_class, seed))


def _load(source: str, validation: int | None, seed: int) -> Dataset:
    if source.startswith(ROTATED):
        return rebuild_rotated(source.removeprefix(ROTATED), validation, seed)
    if source.endswith(".npz"):
        return load_npz(source, validation, seed)
    if (name := canonical_name(source)) in DATASETS:
        return DATASETS[name](validation, seed)
    raise BadValue(
        f"no data set is called {source!r}{did_you_mean(source, DATASETS)} "
        f"(known are {', '.join(DATASETS)}, PATH.npz and {ROTATED}PATH.npz)"
    )


def canonical_name(source: str) -> str:
    """The name in `DATASETS` that is meant, however it is spelled; a path, or a name that is unknown, as it is."""
    is_path = source.startswith(ROTATED) or source.endswith(".npz")
    return source if is_path else next((name for name in DATASETS if letters(name) == letters(source)), source)


def _bundled_digits(rotated: bool, validation: int | None, seed: int) -> Dataset:
    dataset = load_digits(rotated, seed=seed)
    if validation is not None:
        raise BadValue(
            f"the bundled digits have a validation split of their own, got validation={validation}; leave it out"
        )
    return dataset
