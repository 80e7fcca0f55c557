"""Data sets in memory, and what is done to their images."""

from course_lib.data.augmentation import Augmentation, random_rotations, rotate_images
from course_lib.data.bundled import BUNDLED_SHA256, load_digits, load_photograph
from course_lib.data.dataset import Dataset, Split

__all__ = [
    "BUNDLED_SHA256",
    "Augmentation",
    "Dataset",
    "Split",
    "load_digits",
    "load_photograph",
    "random_rotations",
    "rotate_images",
]
