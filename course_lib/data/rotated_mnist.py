"""Rotated MNIST: the original archive, and what its protocol makes of any upright digits.

Larochelle, Erhan, Courville, Bergstra and Bengio (2007), "An empirical evaluation of deep architectures on problems
with many factors of variation": MNIST digits, each turned by an angle of its own, uniform in [0°, 360°); 12,000 for
training, of which 2,000 for validation, and 50,000 for the test.
"""

import gzip
import zipfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator

from course_lib.actions import rotate_by_angle
from course_lib.data.dataset import Dataset, Split
from course_lib.data.downloads import download, sha256_of
from course_lib.data.npz import read_npz, require_trained_classes, split_of
from course_lib.errors import BadValue

ARCHIVE = "mnist_rotation_new.zip"
ARCHIVE_URLS = (
    "https://www.iro.umontreal.ca/~lisa/icml2007data/mnist_rotation_new.zip",
    "http://www.iro.umontreal.ca/~lisa/icml2007data/mnist_rotation_new.zip",
    "https://www.dropbox.com/s/0fxwai3h84dczh0/mnist_rotation_new.zip?dl=1",
)
# We know of no published SHA-256 of this archive. The SHA-1 is in scikit-data (jaberg/skdata), whose author is one of
# the data set's; the MD5 stands in the loaders of several other groups. Both must fit: that keeps out damage, and for
# neither is it known how to make a second file that fits. The SHA-256 of what was read is in `Dataset.sha256`.
ARCHIVE_CHECKSUMS = {"sha1": "e67f72fa42029f62fd8eb92b0638c1b9761c9a63", "md5": "0f9a947ff3d30e95cd685462cbf3b847"}

MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "http://yann.lecun.com/exdb/mnist/",
)
MNIST_SHA256 = {
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}

TRAIN, VALIDATION, TEST = 12_000, 2_000, 50_000


def load_rotated_mnist(validation: int | None = None) -> Dataset:
    """The original: 10,000 images for training, 2,000 for validation, 50,000 for the test, ``(N, 1, 28, 28)``.

    Args:
        validation: how many of the 12,000 to hold out, the last of the file; by default 2,000, and 0 for none.

    float32 in [0, 1], background 0. Reading the text files takes some ten seconds. Raises DownloadError if the archive
    is neither there nor to be had.
    """
    path = download(
        ARCHIVE,
        ARCHIVE_URLS,
        ARCHIVE_CHECKSUMS,
        advice="Or take rotated-mnist-rebuilt: the same protocol, from MNIST, under a name of its own.",
    )
    with zipfile.ZipFile(path) as archive:
        train, test = (
            _read_amat(archive, f"mnist_all_rotation_normalized_float_{part}.amat") for part in ("train_valid", "test")
        )
    return _with_validation("rotated MNIST", train, test, sha256_of(path), validation)


def load_rotated_mnist_rebuilt(validation: int | None = None, seed: int = 0) -> Dataset:
    """The protocol of rotated MNIST on MNIST's own 70,000 digits; other images and other angles than the original's.

    As `rebuild_rotated`; the four files of MNIST are downloaded if they are not there.
    """
    paths = {
        name: download(name, [mirror + name for mirror in MNIST_MIRRORS], {"sha256": digest})
        for name, digest in MNIST_SHA256.items()
    }
    arrays = [_read_idx(path) for path in paths.values()]
    train, test = split_of(arrays[0], arrays[1]), split_of(arrays[2], arrays[3])
    return _rebuild(f"rotated MNIST (rebuilt, seed {seed})", train, test, sha256_of(*paths.values()), validation, seed)


def rebuild_rotated(path: Path | str, validation: int | None = None, seed: int = 0) -> Dataset:
    """The protocol of rotated MNIST on the images of an ``.npz`` (see `load_npz`), whose name it bears.

    All images of the file are shuffled. The first 12,000 are for training, the last 2,000 of them (or ``validation``)
    held out; the next, up to 50,000, for the test. Each is turned by an angle of its own, uniform in [0°, 360°),
    bilinearly, zero from outside. ``seed`` decides the order and the angles, which are the same on every machine; the
    pixels are too, up to rounding.

    Raises ValueError if the file has 12,000 images or fewer.
    """
    path = Path(path)
    train, test = read_npz(path)
    return _rebuild(f"rotated {path.stem} (rebuilt, seed {seed})", train, test, sha256_of(path), validation, seed)


def _rebuild(name: str, train: Split, test: Split, sha256: str, validation: int | None, seed: int) -> Dataset:
    images, labels = torch.cat([train.images, test.images]), torch.cat([train.labels, test.labels])
    if len(images) <= TRAIN:
        raise BadValue(
            f"{name}: needs more than {TRAIN:,} images, {TRAIN:,} for training and the rest for the test, "
            f"got {len(images):,}"
        )
    generator = Generator().manual_seed(seed)
    shuffled = torch.randperm(len(images), generator=generator)[: TRAIN + TEST]
    angles = 360 * torch.rand(len(shuffled), generator=generator)
    parts = zip(shuffled.split(5000), angles.split(5000), strict=True)  # the grids of all at once would fill the memory
    turned = Split(torch.cat([rotate_by_angle(angle, images[index]) for index, angle in parts]), labels[shuffled])
    indices = torch.arange(len(turned))
    dataset = _with_validation(name, turned.first(TRAIN), turned.select(indices[TRAIN:]), sha256, validation)
    require_trained_classes(name, dataset.train, dataset.validation, dataset.test)
    return dataset


def _with_validation(name: str, train: Split, test: Split, sha256: str, validation: int | None) -> Dataset:
    """The order of the images is random already, and the last ones are held out."""
    count = VALIDATION if validation is None else validation
    if not 0 <= count < len(train):
        raise BadValue(f"validation must be from 0 to {len(train) - 1:,} for {name}, got {count}")
    kept = len(train) - count
    held_out = train.select(torch.arange(kept, len(train))) if count else None
    return Dataset(name, train.first(kept), held_out, test, sha256)


def _read_amat(archive: zipfile.ZipFile, name: str) -> Split:
    """A row of text for each image: 784 gray values, row by row, and the label."""
    with archive.open(name) as file:
        rows = torch.from_numpy(np.loadtxt(file, dtype=np.float32))
    return Split(rows[:, :-1].reshape(-1, 1, 28, 28).contiguous(), rows[:, -1].long())


def _read_idx(path: Path) -> NDArray[np.uint8]:
    """MNIST's own format: the number of axes in byte 3, then their lengths, four bytes each, then the values."""
    content = gzip.decompress(path.read_bytes())
    axes = content[3]
    shape = np.frombuffer(content, ">u4", count=axes, offset=4)
    # A copy, because torch cannot share memory that is read-only.
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape).copy()
