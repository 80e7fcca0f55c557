"""The bundled data: what is committed, how it is cut, and that a rotation is the action of the course."""

import hashlib
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Generator

from course_lib.actions import act_on_image, rotate_by_angle
from course_lib.data import (
    BUNDLED_SHA256,
    Split,
    bundled,
    load_digits,
    load_photograph,
    random_rotations,
)
from course_lib.groups import D4

FOLDER = Path(__file__).resolve().parents[1] / "data"


@pytest.mark.parametrize("name", BUNDLED_SHA256)
def test_committed_file_is_the_one_named_in_the_code(name: str) -> None:
    assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == BUNDLED_SHA256[name]


def test_script_makes_the_committed_digits_again() -> None:
    made = runpy.run_path(str(FOLDER / "make_bundled.py"))["digits"]()
    with np.load(FOLDER / "digits.npz") as stored:
        assert set(stored) == set(made)
        for key in made:
            np.testing.assert_array_equal(stored[key], made[key])
            assert stored[key].dtype == made[key].dtype


def test_damaged_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BUNDLED_SHA256, "digits.npz", "0" * 64)
    with pytest.raises(ValueError, match=r"damaged.*expected 0000"):
        load_digits()


def test_missing_file_names_both_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bundled, "__file__", str(tmp_path / "course_lib" / "data" / "bundled.py"))
    with pytest.raises(FileNotFoundError, match=r"bundled.*data"):
        load_photograph()


def test_digits_work_from_any_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(load_digits().test) == 510


@pytest.mark.parametrize("rotated", [False, True])
def test_shapes_range_and_labels(rotated: bool) -> None:
    digits = load_digits(rotated)
    for split, count in ((digits.train, 1029), (digits.validation, 258), (digits.test, 510)):
        assert split.images.shape == (count, 1, 28, 28) and split.images.dtype == torch.float32
        assert split.images.min() == 0 and 0.9 < split.images.max() <= 1
        shares = split.labels.bincount(minlength=10) / count
        assert shares.min() > 0.09 and shares.max() < 0.11


def test_splits_are_cut_where_a_form_begins_and_hold_every_image_once() -> None:
    digits = load_digits()
    with np.load(FOLDER / "digits.npz") as stored:
        assert torch.cat([s.labels for s in (digits.train, digits.validation, digits.test)]).tolist() == list(
            stored["labels"]
        )
    for split in (digits.train, digits.validation, digits.test):
        assert split.labels[:30].tolist() == list(range(10)) * 3


def test_angles_depend_on_the_seed_alone() -> None:
    assert torch.equal(load_digits(rotated=True).test.images, load_digits(rotated=True).test.images)
    assert not torch.equal(load_digits(rotated=True, seed=1).test.images, load_digits(rotated=True).test.images)


def test_rotated_split_is_the_upright_one_turned() -> None:
    angles = 360 * torch.rand(1797, generator=Generator().manual_seed(5))
    expected = rotate_by_angle(float(angles[1030]), load_digits().validation.images[1:2])
    torch.testing.assert_close(load_digits(rotated=True, seed=5).validation.images[1:2], expected, atol=1e-5, rtol=0)


def test_rotated_digit_stays_inside_the_picture() -> None:
    upright, rotated = load_digits().train.images.sum((1, 2, 3)), load_digits(rotated=True).train.images.sum((1, 2, 3))
    assert (rotated / upright).min() > 0.99


@pytest.mark.parametrize("size", [12, 13, 27, 32, 33])
def test_other_sizes_keep_the_digit_centred(size: int) -> None:
    images = load_digits(size=size).test.images
    assert images.shape[-2:] == (size, size)
    margin = [int(side.nonzero()[0, 0]) for side in (images.amax((0, 1, 2)), images.amax((0, 1, 2)).flip(0))]
    assert margin[0] == margin[1] > 0


def test_too_small_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"at least 12.*got 8"):
        load_digits(size=8)


@pytest.mark.parametrize("shape", [(8, 8), (7, 7), (6, 9)])
def test_an_angle_for_each_image_turns_it_as_one_angle_does(shape: tuple[int, int]) -> None:
    images = torch.rand(7, 2, *shape, dtype=torch.float64)
    angles = [0.0, 30.0, 77.5, -45.0, 123.0, 271.0, 359.0]
    expected = torch.cat([rotate_by_angle(angle, image[None]) for angle, image in zip(angles, images, strict=True)])
    torch.testing.assert_close(rotate_by_angle(angles, images), expected, atol=1e-12, rtol=0)


def test_there_is_one_angle_or_one_per_image() -> None:
    with pytest.raises(ValueError, match=r"one for each.*3.*2, 1, 5, 5"):
        rotate_by_angle([1.0, 2.0, 3.0], torch.rand(2, 1, 5, 5))


def test_random_rotations_follow_the_generator_and_differ_between_images() -> None:
    images = torch.rand(1, 1, 9, 9).expand(20, 1, 9, 9)
    turned = random_rotations(images, Generator().manual_seed(3))
    assert torch.equal(turned, random_rotations(images, Generator().manual_seed(3)))
    assert len(turned.flatten(1).unique(dim=0)) == 20


def test_no_symmetry_leaves_the_photograph_as_it_is() -> None:
    photograph = load_photograph()
    assert photograph.shape == (1, 3, 112, 112) and photograph.dtype == torch.float32
    assert photograph.min() >= 0 and photograph.max() <= 1
    for g in D4.elements[1:]:
        assert (act_on_image(g, photograph) - photograph).abs().mean() > 0.05, g


def test_split_names_what_does_not_fit() -> None:
    images, labels = torch.rand(4, 1, 5, 5), torch.zeros(4, dtype=torch.int64)
    with pytest.raises(TypeError, match=r"torch.uint8"):
        Split(images.byte(), labels)
    with pytest.raises(TypeError, match=r"torch.float32 and torch.float32"):
        Split(images, labels.float())
    with pytest.raises(ValueError, match=r"\(4, 1, 5, 5\) and \(3,\)"):
        Split(images, labels[:3])
    with pytest.raises(ValueError, match="empty"):
        Split(images[:0], labels[:0])
    assert Split(images, labels).to("cpu", torch.float64).images.dtype == torch.float64
    assert torch.equal(Split(images, labels).first(2).images, images[:2])
