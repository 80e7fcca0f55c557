"""The papers' tables as data: which network, and what was published about it."""

from course_lib.experiments.rotated_mnist import ROTATED_MNIST, Row

__all__ = ["ROTATED_MNIST", "Row"]
