"""Data sets in memory, and what is done to their images."""

from course_lib.data.augmentation import (
    Augmentation,
    chained,
    on_background,
    random_crops,
    random_flips,
    random_rotations,
)
from course_lib.data.bundled import BUNDLED_SHA256, load_digits, load_photograph
from course_lib.data.cifar import load_cifar
from course_lib.data.dataset import Dataset, Split, per_class_subset
from course_lib.data.downloads import DownloadError, data_folder
from course_lib.data.npz import load_npz
from course_lib.data.preparation import channel_statistics, contrast_normalized, normalized, whitened
from course_lib.data.registry import DATASETS, load_dataset
from course_lib.data.rotated_mnist import load_rotated_mnist, load_rotated_mnist_rebuilt, rebuild_rotated

__all__ = [
    "BUNDLED_SHA256",
    "DATASETS",
    "Augmentation",
    "Dataset",
    "DownloadError",
    "Split",
    "chained",
    "channel_statistics",
    "contrast_normalized",
    "data_folder",
    "load_cifar",
    "load_dataset",
    "load_digits",
    "load_npz",
    "load_photograph",
    "load_rotated_mnist",
    "load_rotated_mnist_rebuilt",
    "normalized",
    "on_background",
    "per_class_subset",
    "random_crops",
    "random_flips",
    "random_rotations",
    "rebuild_rotated",
    "whitened",
]
