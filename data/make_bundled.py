"""Make the two bundled files, digits.npz and photograph.npz, from scikit-learn and scikit-image.

    uv run --with scikit-learn --with scikit-image --with pillow python data/make_bundled.py [folder]

The arrays are the same on every run (test_data.py holds their SHA-256); the bytes of the .npz around them also depend
on the zlib in use. Neither package is needed to take the course.
"""

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np


def digits() -> dict[str, Any]:
    """The 1,797 images in the order of the source, in whole numbers from 0 to 16."""
    from sklearn.datasets import load_digits

    source = load_digits()
    return {"images": source.images.astype(np.uint8), "labels": source.target.astype(np.uint8)}


def photograph(size: int = 112) -> dict[str, Any]:
    """The face of a cat that looks to the lower right: no rotation and no mirror leaves it as it is."""
    from PIL import Image
    from skimage.data import chelsea

    face = Image.fromarray(chelsea()).crop((80, 0, 380, 300))
    return {"image": np.asarray(face.resize((size, size), Image.Resampling.BICUBIC))}


def save(path: Path, arrays: dict[str, Any]) -> None:
    unfinished = path.with_suffix(".tmp")
    with unfinished.open("wb") as file:
        np.savez_compressed(file, **arrays)
    os.replace(unfinished, path)
    print(f"{path}: {path.stat().st_size} bytes, " + ", ".join(f"{k} {v.shape} {v.dtype}" for k, v in arrays.items()))


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    save(folder / "digits.npz", digits())
    save(folder / "photograph.npz", photograph())
