"""Rotated MNIST, read and rebuilt, and CIFAR, from small files in place of the downloads."""

import errno
import gzip
import hashlib
import io
import pickle
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator

from course_lib.actions import rotate_by_angle
from course_lib.data import (
    cifar,
    load_cifar,
    load_dataset,
    load_npz,
    load_rotated_mnist,
    load_rotated_mnist_rebuilt,
    rebuild_rotated,
    rotated_mnist,
)
from small_arrays import arrays


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some.npz"


@pytest.fixture
def downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for downloads, and nowhere to download from."""
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    monkeypatch.setattr(rotated_mnist, "ARCHIVE_URLS", ())
    monkeypatch.setattr(rotated_mnist, "MNIST_MIRRORS", ())
    return tmp_path


def test_names_find_their_loaders_however_they_are_spelt(downloads: Path) -> None:
    for name, file in {"CIFAR-10": "cifar-10-python", "Rotated MNIST (rebuilt)": "train-images-idx3"}.items():
        with pytest.raises(RuntimeError, match=file):
            load_dataset(name)


def test_rebuilt_follows_the_protocol(path: Path) -> None:
    """12,000 and the rest, every image once, each turned by its own angle; the same by the definition, one by one."""
    made = arrays(12_000, 30, (6, 6), 10)
    np.savez(path, **made)
    dataset = load_dataset(f"rotated:{path}", seed=4)
    assert dataset.validation is not None
    assert [len(split) for split in (dataset.train, dataset.validation, dataset.test)] == [10_000, 2_000, 30]
    assert dataset.name == "rotated some (rebuilt, seed 4)" and dataset.sha256 == load_npz(path).sha256
    generator = Generator().manual_seed(4)
    order = torch.randperm(12_030, generator=generator)
    angles = 360 * torch.rand(12_030, generator=generator)
    pool = torch.from_numpy(np.concatenate([made["train_images"], made["test_images"]])).float().unsqueeze(1) / 255
    labels = np.concatenate([made["train_labels"], made["test_labels"]])
    where = {0: (dataset.train, 0), 9_999: (dataset.train, 9_999), 10_000: (dataset.validation, 0)}
    for position, (split, index) in (where | {12_000: (dataset.test, 0), 12_029: (dataset.test, 29)}).items():
        upright = pool[order[position]][None]
        turned = rotate_by_angle(float(angles[position]), upright)
        torch.testing.assert_close(split.images[index : index + 1], turned, atol=1e-5, rtol=0)
        assert (turned - upright).abs().max() > 0.1
        assert split.labels[index] == labels[order[position]]
    assert len(rebuild_rotated(path, validation=0).train) == 12_000
    assert not torch.equal(rebuild_rotated(path, seed=5).test.images, dataset.test.images)


def test_rebuilt_needs_more_than_the_training_images(path: Path) -> None:
    np.savez(path, **arrays(11_990, 10, (2, 2)))
    with pytest.raises(ValueError, match=r"rotated some .*more than 12,000 images.*got 12,000"):
        rebuild_rotated(path)
    np.savez(path, **arrays(11_991, 10, (2, 2)))
    assert len(rebuild_rotated(path).test) == 1
    with pytest.raises(ValueError, match=r"from 0 to 11,999 for rotated some .*got 12000"):
        rebuild_rotated(path, validation=12_000)


def idx(values: np.ndarray[Any, Any]) -> bytes:
    axes = b"".join(length.to_bytes(4, "big") for length in values.shape)
    return gzip.compress(bytes([0, 0, 8, values.ndim]) + axes + values.tobytes(), mtime=0)


def test_rebuilt_from_the_files_of_mnist(downloads: Path, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From MNIST's own format the same comes out as from an .npz with the same images."""
    monkeypatch.setattr(rotated_mnist, "TRAIN", 30)
    monkeypatch.setattr(rotated_mnist, "VALIDATION", 5)
    monkeypatch.setattr(rotated_mnist, "TEST", 15)
    made = arrays()
    np.savez(path, **made)
    sums = {}
    for (file, _), values in zip(rotated_mnist.MNIST_SHA256.items(), made.values(), strict=True):
        (downloads / file).write_bytes(idx(values))
        sums[file] = hashlib.sha256(idx(values)).hexdigest()
    monkeypatch.setattr(rotated_mnist, "MNIST_SHA256", sums)
    dataset, expected = load_rotated_mnist_rebuilt(), rebuild_rotated(path)
    assert dataset.name == "rotated MNIST (rebuilt, seed 0)"
    assert (len(dataset.train), len(dataset.test)) == (25, 15)
    for part in ("train", "validation", "test"):
        assert torch.equal(getattr(dataset, part).images, getattr(expected, part).images)
        assert torch.equal(getattr(dataset, part).labels, getattr(expected, part).labels)
    (downloads / "t10k-images-idx3-ubyte.gz").write_bytes(idx(made["test_images"][::-1]))
    with pytest.raises(RuntimeError, match="t10k-images-idx3-ubyte.gz could not be downloaded"):
        load_rotated_mnist_rebuilt()


def amat(images: np.ndarray[Any, Any], labels: list[int]) -> str:
    rows = np.concatenate([images.reshape(len(images), -1), np.array(labels)[:, None]], axis=1)
    text = io.StringIO()
    np.savetxt(text, rows)
    return text.getvalue()


def test_original_archive_is_read_in_its_order(downloads: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotated_mnist, "VALIDATION", 3)
    images = np.random.default_rng(0).random((12, 28, 28)).astype(np.float32)
    archive = downloads / rotated_mnist.ARCHIVE
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("mnist_all_rotation_normalized_float_train_valid.amat", amat(images[:8], list(range(8))))
        file.writestr("mnist_all_rotation_normalized_float_test.amat", amat(images[8:], [8, 9, 0, 1]))
    with pytest.raises(RuntimeError, match=r"(?s)sha1 e67f.*rotated-mnist-rebuilt"):
        load_rotated_mnist()
    digests = {name: hashlib.new(name, archive.read_bytes()).hexdigest() for name in rotated_mnist.ARCHIVE_CHECKSUMS}
    monkeypatch.setattr(rotated_mnist, "ARCHIVE_CHECKSUMS", digests)
    dataset = load_dataset("rotated MNIST")
    assert dataset.validation is not None and dataset.name == "rotated MNIST"
    assert dataset.sha256 == hashlib.sha256(archive.read_bytes()).hexdigest()
    read = torch.cat([dataset.train.images, dataset.validation.images, dataset.test.images])
    np.testing.assert_array_equal(read[:, 0].numpy(), images)
    assert dataset.train.labels.tolist() == [0, 1, 2, 3, 4] and dataset.validation.labels.tolist() == [5, 6, 7]
    assert dataset.test.labels.tolist() == [8, 9, 0, 1]
    assert load_rotated_mnist(validation=0).train.labels.tolist() == list(range(8))


@pytest.fixture
def tiny_cifar(downloads: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray[Any, Any]:
    """torchvision's CIFAR-10 with 20 training images in two files and 4 test images, its archive in place."""
    source = pytest.importorskip("torchvision.datasets").CIFAR10
    rows = np.random.default_rng(0).integers(0, 256, (24, 3072), np.uint8)
    members = {"data_batch_1": rows[:10], "data_batch_2": rows[10:20], "test_batch": rows[20:]}
    contents = {name: pickle.dumps({"data": data, "labels": list(range(len(data)))}) for name, data in members.items()}
    contents["batches.meta"] = pickle.dumps({"label_names": list("abcdefghij")})
    with tarfile.open(downloads / source.filename, "w:gz") as tar:
        for name, content in contents.items():
            info = tarfile.TarInfo(f"{source.base_folder}/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    content = (downloads / source.filename).read_bytes()
    md5 = {name: hashlib.md5(content).hexdigest() for name, content in contents.items()}
    monkeypatch.setattr(source, "tgz_md5", hashlib.md5(content).hexdigest())
    monkeypatch.setattr(source, "train_list", [[name, md5[name]] for name in ("data_batch_1", "data_batch_2")])
    monkeypatch.setattr(source, "test_list", [["test_batch", md5["test_batch"]]])
    monkeypatch.setattr(source, "meta", source.meta | {"md5": md5["batches.meta"]})
    monkeypatch.setattr(cifar, "CIFAR_SHA256", cifar.CIFAR_SHA256 | {10: hashlib.sha256(content).hexdigest()})
    return rows.reshape(-1, 3, 32, 32)


def test_cifar_is_read_and_held_out_as_asked(tiny_cifar: np.ndarray[Any, Any], downloads: Path) -> None:
    dataset = load_dataset("CIFAR-10", validation=5)
    assert dataset.validation is not None and dataset.name == "CIFAR-10"
    assert [len(split) for split in (dataset.train, dataset.validation, dataset.test)] == [15, 5, 4]
    everything = load_cifar(10, validation=0)
    assert everything.validation is None and everything.train.labels.tolist() == list(range(10)) * 2
    np.testing.assert_array_equal(everything.train.images.numpy(), tiny_cifar[:20] / np.float32(255))
    np.testing.assert_array_equal(everything.test.images.numpy(), tiny_cifar[20:] / np.float32(255))
    assert dataset.sha256 == hashlib.sha256((downloads / "cifar-10-python.tar.gz").read_bytes()).hexdigest()


def test_damaged_unpacked_cifar_is_unpacked_again(tiny_cifar: np.ndarray[Any, Any], downloads: Path) -> None:
    load_cifar(10, validation=0)
    (downloads / "cifar-10-batches-py" / "data_batch_2").write_bytes(b"half of it")
    assert len(load_cifar(10, validation=0).train) == 20


def test_disk_that_is_full_while_cifar_is_unpacked(
    tiny_cifar: np.ndarray[Any, Any], downloads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill_up(source: Any) -> None:
        (downloads / source.base_folder).mkdir()
        (downloads / source.base_folder / "data_batch_1").write_bytes(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("torchvision.datasets.CIFAR10.download", fill_up)
        with pytest.raises(OSError, match=r"cifar-10-batches-py could not be written.*No space left.*COURSE_DATA"):
            load_cifar(10, validation=0)
    assert not (downloads / "cifar-10-batches-py").exists()
    assert len(load_cifar(10, validation=0).train) == 20


def test_cifar_says_that_torchvision_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(ImportError, match=r"CIFAR-100 .*missing.*pip install torch torchvision"):
        load_cifar(100)
    with pytest.raises(ValueError, match=r"10 or 100, got 20"):
        load_cifar(20)
