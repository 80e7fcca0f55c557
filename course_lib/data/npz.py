"""Any ``.npz`` of uint8 images and labels as a data set, checked before use."""

import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from course_lib.data.dataset import Dataset, Split, hold_out
from course_lib.data.downloads import sha256_of
from course_lib.errors import BadValue

KEYS = ("train_images", "train_labels", "test_images", "test_labels")

Pixels = NDArray[np.uint8]

# What zipfile and numpy raise, found by flipping each byte of a file.
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, KeyError, RuntimeError, NotImplementedError)


def load_npz(path: Path | str, validation: int | None = None, seed: int = 0) -> Dataset:
    """The data set in an ``.npz`` file with the uint8 arrays ``train_images, train_labels, test_images, test_labels``.

    Args:
        path: images are ``(N, Y, X)``, gray, or ``(N, Y, X, 3)``, RGB; labels ``(N,)``, from 0.
        validation: how many training images to hold out, drawn with ``seed``; by default a tenth.

    Returns:
        Images ``(N, C, Y, X)``, float32 in [0, 1]. The name is that of the file, without its ending.

    Raises FileNotFoundError if there is no such file, ValueError that names the array and what is wrong with it: keys,
    dtypes, shapes, an empty split, labels that leave a class of the training split empty or are unknown there.
    """
    path = Path(path)
    train, test = read_npz(path)
    held_out = len(train) // 10 if validation is None else validation
    train, held = hold_out(train, held_out, seed)
    require_trained_classes(str(path), train, held, test)
    return Dataset(path.stem, train, held, test, sha256_of(path))


def read_npz(path: Path) -> tuple[Split, Split]:
    """Training and test images of the file, checked, nothing held out."""
    arrays = _arrays(path)
    for key, array in arrays.items():
        if array.dtype != np.uint8:
            raise BadValue(f"{path}: {key} must be uint8, got {array.dtype}; convert it with .astype(np.uint8)")
        if len(array.shape) == 0 or len(array) == 0:
            raise BadValue(f"{path}: {key} is empty, its shape is {array.shape}; each split needs images")
    for images, labels in (KEYS[:2], KEYS[2:]):
        _require_shapes(path, images, arrays[images], labels, arrays[labels])
    if arrays["train_images"].shape[1:] != arrays["test_images"].shape[1:]:
        raise BadValue(
            f"{path}: images must have one shape, got {arrays['train_images'].shape[1:]} in train_images and "
            f"{arrays['test_images'].shape[1:]} in test_images"
        )
    _require_labels(path, arrays["train_labels"], arrays["test_labels"])
    return (
        split_of(arrays["train_images"], arrays["train_labels"]),
        split_of(arrays["test_images"], arrays["test_labels"]),
    )


def require_trained_classes(name: str, train: Split, *others: Split | None) -> None:
    """Raise ValueError if other splits have a class of which no training image is left after the splitting."""
    labels = {label for split in others if split for label in split.labels.unique().tolist()}
    if lost := sorted(labels - set(train.labels.unique().tolist())):
        raise BadValue(
            f"{name}: no training image is left of class {', '.join(map(str, lost))}: too few images of it for the "
            "split; add some, take another seed, or hold out fewer"
        )


def split_of(images: Pixels, labels: Pixels) -> Split:
    """uint8 ``(N, Y, X)`` or ``(N, Y, X, C)`` → float32 ``(N, C, Y, X)`` in [0, 1], labels int64."""
    pixels = torch.from_numpy(images)
    pixels = pixels.unsqueeze(1) if pixels.ndim == 3 else pixels.permute(0, 3, 1, 2)
    return Split(pixels.contiguous().float().div_(255), torch.from_numpy(labels).long())


def _arrays(path: Path) -> dict[str, Pixels]:
    """The four arrays. Nothing in the file is executed: pickled objects are refused."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}; expected an .npz with the arrays {', '.join(KEYS)}")
    try:
        with zipfile.ZipFile(path) as archive:  # np.load alone would also take an .npy, or a pickle
            found = {name.removesuffix(".npy") for name in archive.namelist()}
        if missing := [key for key in KEYS if key not in found]:
            raise BadValue(
                f"{path}: no {', '.join(missing)}; an .npz data set has {', '.join(KEYS)}, "
                f"this file has {', '.join(sorted(found)) or 'nothing'}"
            )
        with np.load(path, allow_pickle=False) as arrays:
            return {key: _plain(path, key, arrays) for key in KEYS}
    except _DAMAGE as error:
        raise BadValue(f"{path} is no .npz file, or a damaged one: {error}; write it again with np.savez") from error


def _plain(path: Path, key: str, arrays: np.lib.npyio.NpzFile) -> Pixels:
    try:
        array: Pixels = arrays[key]
    except MemoryError as error:
        raise BadValue(
            f"{path}: {key} is too large for the memory of this machine, or its header is damaged: {error}"
        ) from error
    except ValueError as error:  # an array of Python objects, or a spoiled header
        raise BadValue(f"{path}: {key} is no array of plain numbers: {error}") from error
    if not isinstance(array, np.ndarray):  # any other file in the archive comes as its bytes
        raise BadValue(f"{path}: {key} is no array; write the file with np.savez")
    return array


def _require_shapes(path: Path, images_key: str, images: Pixels, labels_key: str, labels: Pixels) -> None:
    if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[3] != 3) or 0 in images.shape:
        raise BadValue(f"{path}: {images_key} must be (N, Y, X) or (N, Y, X, 3), got {images.shape}")
    if labels.shape != images.shape[:1]:
        raise BadValue(
            f"{path}: {labels_key} must be ({len(images)},), one for each of {images_key}, got {labels.shape}"
        )


def _require_labels(path: Path, train: Pixels, test: Pixels) -> None:
    classes = int(train.max()) + 1
    if classes == 1:
        raise BadValue(f"{path}: all of train_labels are 0; with one class there is nothing to learn, give two")
    if empty := sorted(set(range(classes)) - set(train.tolist())):
        raise BadValue(
            f"{path}: train_labels run up to {classes - 1}, but no training image has label "
            f"{', '.join(map(str, empty))}; number the classes from 0 without gaps"
        )
    if int(test.max()) >= classes:
        raise BadValue(
            f"{path}: test_labels run up to {int(test.max())}, but train_labels only to {classes - 1}; "
            "a class that was never trained cannot be tested"
        )
