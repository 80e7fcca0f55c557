"""The arrays of a small image data set, as an .npz holds them."""

from typing import Any

import numpy as np

Arrays = dict[str, Any]


def arrays(train: int = 40, test: int = 10, shape: tuple[int, ...] = (5, 4), classes: int = 4) -> Arrays:
    rng = np.random.default_rng(0)
    return {
        "train_images": rng.integers(0, 256, (train, *shape), np.uint8),
        "train_labels": (np.arange(train) % classes).astype(np.uint8),
        "test_images": rng.integers(0, 256, (test, *shape), np.uint8),
        "test_labels": (np.arange(test) % classes).astype(np.uint8),
    }
