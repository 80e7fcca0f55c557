"""Data sets in memory, and what is done to their images."""

from course_lib.data.augmentation import Augmentation, random_rotations, rotate_images
from course_lib.data.bundled import BUNDLED_SHA256, load_digits, load_photograph
from course_lib.data.dataset import Dataset, Split
from course_lib.data.downloads import DownloadError, data_folder
from course_lib.data.npz import load_npz
from course_lib.data.registry import DATASETS, load_dataset

__all__ = [
    "BUNDLED_SHA256",
    "DATASETS",
    "Augmentation",
    "Dataset",
    "DownloadError",
    "Split",
    "data_folder",
    "load_dataset",
    "load_digits",
    "load_npz",
    "load_photograph",
    "random_rotations",
    "rotate_images",
]
