"""A data set from an .npz: what the file must be, what is held out, and the names of data sets."""

import hashlib
import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from course_lib.data import (
    DATASETS,
    load_dataset,
    load_npz,
    per_class_subset,
)
from course_lib.data.dataset import Split, hold_out
from small_arrays import Arrays, arrays


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some.npz"


@pytest.mark.parametrize("shape, channels", [((5, 4), 1), ((5, 4, 3), 3)])
def test_npz_is_read_as_it_is_written(path: Path, shape: tuple[int, ...], channels: int) -> None:
    made = arrays(shape=shape)
    np.savez(path, **made)
    dataset = load_npz(path, validation=0)
    assert dataset.name == "some" and dataset.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert dataset.classes == 4 and dataset.image_shape == (channels, 5, 4) and dataset.validation is None
    for split, key in ((dataset.train, "train"), (dataset.test, "test")):
        assert split.images.dtype == torch.float32 and split.labels.tolist() == made[f"{key}_labels"].tolist()
        for c in range(channels):
            pixels = made[f"{key}_images"].reshape(-1, 5, 4, channels)[..., c]
            np.testing.assert_array_equal(split.images[:, c].numpy(), pixels / np.float32(255))


WRONG: dict[str, tuple[Arrays, str]] = {
    "dtype": ({"train_images": np.zeros((40, 5, 4))}, r"train_images must be uint8, got float64"),
    "label dtype": ({"test_labels": np.zeros(10, np.int64)}, r"test_labels must be uint8, got int64"),
    "objects": ({"train_labels": np.array([None] * 40)}, r"train_labels is no array of plain numbers"),
    "flat": ({"train_images": np.zeros((40, 20), np.uint8)}, r"train_images must be \(N, Y, X\).*got \(40, 20\)"),
    "channels first": ({"test_images": np.zeros((10, 3, 5, 4), np.uint8)}, r"test_images must be.*got \(10, 3, 5, 4\)"),
    "no pixels": ({"test_images": np.zeros((10, 0, 4), np.uint8)}, r"test_images must be.*got \(10, 0, 4\)"),
    "counts": ({"train_labels": np.zeros(39, np.uint8)}, r"train_labels must be \(40,\).*got \(39,\)"),
    "two labels": ({"test_labels": np.zeros((10, 1), np.uint8)}, r"test_labels must be \(10,\).*got \(10, 1\)"),
    "scalar": ({"test_labels": np.uint8(3)}, r"test_labels is empty, its shape is \(\)"),
    "empty": ({"test_images": np.zeros((0, 5, 4), np.uint8)}, r"test_images is empty, its shape is \(0, 5, 4\)"),
    "two shapes": ({"test_images": np.zeros((10, 5, 5), np.uint8)}, r"one shape, got \(5, 4\).*\(5, 5\)"),
    "gap": ({"train_labels": np.array([0, 1, 3, 5] * 10, np.uint8)}, r"up to 5, but no .* has label 2, 4"),
    "unknown label": (
        {"test_labels": np.full(10, 7, np.uint8)},
        r"test_labels run up to 7, .* only to 3",
    ),
}


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_npz_is_refused_with_the_reason(path: Path, kind: str) -> None:
    change, message = WRONG[kind]
    np.savez(path, **arrays() | change)
    with pytest.raises(ValueError, match=f"{path}: .*{message}"):
        load_npz(path)


def test_a_member_that_is_no_array_is_named(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for key in arrays():
            archive.writestr(f"{key}.npy", b"hello")
    with pytest.raises(ValueError, match="train_images is no array"):
        load_npz(path)


def test_a_class_that_the_split_takes_out_of_training_is_named(path: Path) -> None:
    made = arrays(classes=2)
    taken = torch.randperm(40, generator=torch.Generator().manual_seed(0))[0]  # the first that seed 0 holds out
    made["train_labels"][taken] = 2
    np.savez(path, **made)
    assert load_npz(path, validation=0).classes == 3
    with pytest.raises(ValueError, match="some.npz: no training image is left of class 2"):
        load_npz(path, validation=4)


def test_one_class_is_refused(path: Path) -> None:
    np.savez(path, **arrays(classes=1))
    with pytest.raises(ValueError, match="some.npz: all of train_labels are 0; with one class there is nothing"):
        load_npz(path)


def test_a_header_that_declares_more_than_any_memory_is_named(path: Path) -> None:
    made = arrays()
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (10**15, 28, 28)})
    with zipfile.ZipFile(path, "w") as archive:
        for key, array in made.items():
            content = io.BytesIO()
            np.save(content, array)
            archive.writestr(f"{key}.npy", header.getvalue() if key == "train_images" else content.getvalue())
    with pytest.raises(ValueError, match="some.npz: train_images is too large for the memory of this machine"):
        load_npz(path)


def test_nothing_in_the_file_is_executed(path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return Path.touch, (path.with_name("executed"),)

    np.savez(path, **arrays() | {"train_labels": np.array([Trap()] * 40)})
    with pytest.raises(ValueError, match=r"train_labels is no array of plain numbers"):
        load_npz(path)
    assert not path.with_name("executed").exists()


def test_missing_array_is_named_beside_those_found(path: Path) -> None:
    np.savez(path, x=np.zeros(3), train_images=np.zeros(3))
    with pytest.raises(ValueError, match=r"no train_labels, test_images, test_labels;.*this file has train_images, x"):
        load_npz(path)


def test_what_is_no_npz_at_all(path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no file .*some.npz; expected an .npz with the arrays train_images"):
        load_npz(path)
    np.save(path.with_suffix(""), np.zeros(3))
    for content in (b"", b"hello", path.with_suffix(".npy").read_bytes(), pickle.dumps({})):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"is no .npz file, or a damaged one"):
            load_npz(path)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_damaged_npz_is_refused_or_harmless_whichever_byte_is_hit(path: Path, save: Any) -> None:
    save(path, **arrays(4, 2, (1, 2), 2))
    whole, content = load_npz(path, validation=0), path.read_bytes()
    refused = 0
    for position in range(0, len(content), 11):
        before, hit, after = content[:position], content[position], content[position + 1 :]
        for damaged in (before, before + bytes([hit ^ 255]) + after):
            path.write_bytes(damaged)
            try:
                read = load_npz(path, validation=0)
            except ValueError:
                refused += 1
            else:
                assert torch.equal(read.train.images, whole.train.images), position
                assert torch.equal(read.test.labels, whole.test.labels), position
    assert refused > len(content) / 11 * 1.5


def test_validation_images_are_drawn_from_training_once_each(path: Path) -> None:
    np.savez(path, **arrays())
    everything = load_npz(path, validation=0).train.images
    dataset = load_npz(path, validation=7)
    assert dataset.validation is not None and (len(dataset.train), len(dataset.validation)) == (33, 7)
    both = torch.cat([dataset.train.images, dataset.validation.images])
    assert len(both.flatten(1).unique(dim=0)) == 40 == len(torch.cat([both, everything]).flatten(1).unique(dim=0))
    again, other = load_npz(path, validation=7), load_npz(path, validation=7, seed=1)
    assert again.validation is not None and other.validation is not None
    assert torch.equal(again.validation.images, dataset.validation.images)
    assert not torch.equal(other.validation.images, dataset.validation.images)
    assert torch.equal(other.test.images, dataset.test.images)
    default = load_npz(path).validation
    assert default is not None and len(default) == 4


@pytest.mark.parametrize("count", [-1, 40, 41])
def test_hold_out_leaves_something_to_train_on(path: Path, count: int) -> None:
    np.savez(path, **arrays())
    with pytest.raises(ValueError, match=rf"from 0 to 39.*got {count}"):
        load_npz(path, validation=count)


def test_subset_has_the_same_number_of_each_class() -> None:
    labels = torch.tensor([0, 1, 1, 2, 2, 2] * 20)
    split = Split(torch.arange(120.0).view(-1, 1, 1, 1), labels)
    subset = per_class_subset(split, 15, seed=0)
    assert subset.labels.bincount().tolist() == [15, 15, 15]
    assert torch.equal(labels[subset.images.flatten().long()], subset.labels), (
        "image and label no longer belong together"
    )
    assert len(subset.images.unique()) == 45
    assert torch.equal(subset.images, per_class_subset(split, 15, seed=0).images)
    assert not torch.equal(subset.images, per_class_subset(split, 15, seed=1).images)
    with pytest.raises(ValueError, match=r"per_class=21 is more than class 0 has: 20"):
        per_class_subset(split, 21, seed=0)
    with pytest.raises(ValueError, match=r"at least 1, got 0"):
        per_class_subset(split, 0, seed=0)


def test_held_out_images_are_in_no_low_data_subset(path: Path) -> None:
    np.savez(path, **arrays())
    dataset = load_dataset(path, validation=8, per_class=5)
    assert dataset.validation is not None and dataset.train.labels.bincount().tolist() == [5, 5, 5, 5]
    both = torch.cat([dataset.train.images, dataset.validation.images])
    assert len(both.flatten(1).unique(dim=0)) == 28


def test_hold_out_keeps_image_and_label_together() -> None:
    split = Split(torch.arange(50.0).view(-1, 1, 1, 1), torch.arange(50))
    for part in hold_out(split, 20, seed=3):
        assert part is not None and torch.equal(part.images.flatten().long(), part.labels)


def test_unknown_name_is_answered_by_the_near_ones() -> None:
    with pytest.raises(ValueError, match=r"'rotated mnst'; did you mean 'rotated-mnist'"):
        load_dataset("rotated mnst")
    with pytest.raises(ValueError, match=r"'CIFAR'; did you mean 'cifar10'") as caught:
        load_dataset("CIFAR")
    assert all(name in str(caught.value) for name in DATASETS)
    with pytest.raises(ValueError, match=r"'zzz' .known are digits"):
        load_dataset("zzz")


def test_bundled_digits_by_name() -> None:
    assert load_dataset("Rotated Digits").name == "rotated digits"
    assert len(load_dataset("digits", per_class=10).train) == 100
    with pytest.raises(ValueError, match=r"got validation=100"):
        load_dataset("digits", validation=100)
