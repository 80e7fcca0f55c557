"""Data that is always there, without a network: real handwritten digits, upright or rotated, and a photograph."""

import hashlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from course_lib.data.augmentation import random_rotations
from course_lib.data.dataset import Dataset, Split
from course_lib.errors import BadValue

BUNDLED_SHA256 = {
    "digits.npz": "b2dab7b501728c22e9119ad76740b2e17c77a231e42d1e592380d90886f1a05e",
    "photograph.npz": "258d992ddf4deec2a425aa8a182e4c819499eca95ce1d1d227022e521dc6468d",
}

# The digits come as a pile of 14 forms, filled in by 13 people. The cuts lie between forms, so that a hand that the
# network has seen in training is not asked for again in the test, but for one at most: training, validation, test.
_CUTS = (slice(0, 1029), slice(1029, 1287), slice(1287, 1797))


def load_digits(rotated: bool = False, size: int = 28, seed: int = 0) -> Dataset:
    """1,797 handwritten digits (UCI; see data/README.md), 1,029 for training, 258 for validation, 510 for the test.

    Args:
        rotated: turn each image by an angle of its own, uniform in [0°, 360°) and the same at every call.
        size: pixels per side, at least 12. The digit fills the middle 5/7 (20 of 28), as in MNIST, so that it stays
            in the picture at every angle.
        seed: of the angles.

    Returns:
        Images ``(N, 1, size, size)``, float32 in [0, 1], background 0, not normalized further; labels 0 to 9.

    The splits are cut between the forms that the writers filled in, in the order of the source, and do not depend on
    the arguments: image i of a rotated split is image i of the upright one, turned.
    """
    if size < 12:
        raise ValueError(f"size must be at least 12 pixels to keep the 8×8 originals readable, got {size}")
    arrays = _arrays("digits.npz")
    images = _enlarge(torch.from_numpy(arrays["images"]).float().unsqueeze(1) / 16, size)
    if rotated:
        images = random_rotations(images, Generator().manual_seed(seed))
    labels = torch.from_numpy(arrays["labels"]).long()
    train, validation, test = (Split(images[cut], labels[cut]) for cut in _CUTS)
    name = "rotated digits" if rotated else "digits"
    return Dataset(name, train, validation, test, sha256=BUNDLED_SHA256["digits.npz"])


def load_photograph() -> Tensor:
    """A cat's face, ``(1, 3, 112, 112)``, float32 in [0, 1]; every rotation and mirror of it looks different."""
    pixels = torch.from_numpy(_arrays("photograph.npz")["image"])
    return pixels.permute(2, 0, 1).unsqueeze(0).float() / 255


def _enlarge(images: Tensor, size: int) -> Tensor:
    """8×8 → size×size: bicubic to the middle 5/7, zeros around."""
    inner = round(size * 5 / 14) * 2 + size % 2  # even in even, odd in odd: the same margin on all sides
    margin = (size - inner) // 2
    enlarged = F.interpolate(images, size=(inner, inner), mode="bicubic", align_corners=False).clamp(0, 1)
    return F.pad(enlarged, (margin,) * 4)


def bundled(name: str, sha256: str | None = None) -> bytes:
    """The content of a bundled file: in the package when installed from a wheel, else in the repository.

    Raises FileNotFoundError if it is at neither place, ValueError if it has another checksum than this.
    """
    package = Path(__file__).resolve().parents[1]
    candidates = [package / "bundled" / name, package.parent / "data" / name]
    path = next((p for p in candidates if p.is_file()), None)
    if path is None:
        raise FileNotFoundError(
            f"{name} is neither at {candidates[0]} nor at {candidates[1]}; install course_lib again"
        )
    content = path.read_bytes()
    if sha256 is not None and (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise BadValue(f"{path} is damaged: its SHA-256 is {found}, expected {sha256}; restore it")
    return content


def _arrays(name: str) -> dict[str, Any]:
    with np.load(BytesIO(bundled(name, BUNDLED_SHA256[name]))) as arrays:
        return dict(arrays)
