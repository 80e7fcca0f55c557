"""Augmentation against its definition, image by image; normalization and whitening against theirs."""

from functools import partial

import pytest
import torch
from torch import Generator, Tensor

from course_lib.data import (
    Augmentation,
    Dataset,
    Split,
    chained,
    contrast_normalized,
    normalized,
    on_background,
    random_crops,
    random_flips,
    random_rotations,
    whitened,
)

AUGMENTATIONS = {
    "flips": random_flips,
    "crops": partial(random_crops, padding=2),
    "rotations": random_rotations,
    "all": chained(random_flips, random_crops, random_rotations),
}


def generator(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def shifted(image: Tensor, down: int, right: int) -> Tensor:
    """The definition: pixel (y, x) moves to (y + down, x + right), zero where nothing comes from."""
    moved = torch.zeros_like(image)
    height, width = image.shape[-2:]
    for y in range(height):
        for x in range(width):
            if 0 <= y - down < height and 0 <= x - right < width:
                moved[:, y, x] = image[:, y - down, x - right]
    return moved


@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 5, 7)])
def test_flips_are_half_of_the_images_mirrored(shape: tuple[int, ...]) -> None:
    images = torch.rand(400, *shape)
    flipped = random_flips(images, generator())
    mirrored = torch.tensor(
        [torch.equal(after, before.flip(-1)) for before, after in zip(images, flipped, strict=True)]
    )
    kept = torch.tensor([torch.equal(after, before) for before, after in zip(images, flipped, strict=True)])
    assert bool((mirrored ^ kept).all()) and 160 < mirrored.sum() < 240


@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 5, 7)])
def test_crops_are_shifts_each_equally_often(shape: tuple[int, ...]) -> None:
    image = torch.rand(shape)
    cropped = random_crops(image.expand(900, *shape), generator(), padding=1)
    shifts = [shifted(image, down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    counts = [sum(torch.equal(crop, shift) for crop in cropped) for shift in shifts]
    assert sum(counts) == 900 and min(counts) > 60 and max(counts) < 140


def test_crops_keep_images_apart_and_refuse_a_negative_margin() -> None:
    images = torch.arange(1.0, 51).view(-1, 1, 1, 1).expand(50, 2, 6, 6)
    cropped = random_crops(images, generator(), padding=3)
    assert torch.equal(cropped.amax((1, 2, 3)), torch.arange(1.0, 51)), "pixels of another image"
    assert torch.equal(random_crops(images, generator(), padding=0), images)
    with pytest.raises(ValueError, match=r"0 or more pixels, got -1"):
        random_crops(images, generator(), padding=-1)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_draws_follow_the_generator_alone(name: str) -> None:
    augment = AUGMENTATIONS[name]
    images = torch.rand(8, 3, 6, 6, dtype=torch.float64)
    once = augment(images, generator(1))
    assert once.dtype == images.dtype and once.shape == images.shape
    assert torch.equal(once, augment(images, generator(1)))
    torch.testing.assert_close(augment(images.float(), generator(1)), once.float(), atol=1e-5, rtol=0)
    assert not torch.equal(once, augment(images, generator(2)))
    assert not torch.equal(images, once)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_augmentation_stays_on_the_device_of_the_images(name: str) -> None:
    """Every machine has the device "meta": shapes without numbers, and an error where devices are mixed."""
    images = on_background(AUGMENTATIONS[name], (0.5,))(torch.rand(8, 3, 6, 6, device="meta"), generator())
    assert images.device.type == "meta" and images.shape == (8, 3, 6, 6)


def test_compose_runs_in_order() -> None:
    def double(images: Tensor, _: Generator) -> Tensor:
        return images * 2

    def add(images: Tensor, _: Generator) -> Tensor:
        return images + 1

    images = torch.ones(2, 1, 3, 3)
    assert torch.equal(chained(double, add)(images, generator()), 3 * images)
    assert torch.equal(chained()(images, generator()), images)


@pytest.mark.parametrize("augment", [random_crops, random_rotations])
def test_black_comes_in_from_outside_after_normalization(augment: Augmentation) -> None:
    """With the background: normalize and augment is augment and normalize. Without it, it is not."""
    raw, prepared = made().train.images, normalized(made())
    scale = raw.std((0, 2, 3), correction=0).view(-1, 1, 1)
    black = torch.tensor(prepared.background).view(-1, 1, 1)
    expected = augment(raw, generator()) / scale + black
    with_background = on_background(augment, prepared.background)(prepared.train.images, generator())
    torch.testing.assert_close(with_background, expected, atol=1e-4, rtol=0)
    assert (augment(prepared.train.images, generator()) - expected).abs().max() > 0.5
    assert on_background(augment, (0.0,)) is augment


def splits() -> list[Split]:
    """Three splits with different statistics, so that it shows which one something was fitted on."""
    g = generator()
    return [
        Split(
            torch.rand(size, 3, 4, 5, generator=g) * torch.tensor([0.2, 0.5, 1.0]).view(-1, 1, 1) + shift, labels(size)
        )
        for size, shift in ((300, 0.0), (20, 0.3), (30, 0.6))
    ]


def labels(size: int) -> Tensor:
    return torch.arange(size) % 5


def made() -> Dataset:
    return Dataset("made", *splits(), sha256="0")


def test_normalised_by_the_training_split_alone() -> None:
    dataset, raw = normalized(made()), made()
    train = dataset.train.images
    torch.testing.assert_close(train.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(train.std((0, 2, 3), correction=0), torch.ones(3), atol=1e-5, rtol=0)
    for channel in range(3):
        mean, std = raw.train.images[:, channel].mean(), raw.train.images[:, channel].std(correction=0)
        torch.testing.assert_close(dataset.test.images[:, channel], (raw.test.images[:, channel] - mean) / std)
        assert dataset.background[channel] == pytest.approx(float(-mean / std), abs=1e-5)
    assert dataset.test.images.mean() > 0.5 and torch.equal(dataset.test.labels, raw.test.labels)
    again = normalized(dataset)
    assert again.background == pytest.approx(dataset.background, abs=1e-4), "twice is once"


def test_constant_channel_cannot_be_normalized() -> None:
    dataset = made().map_images(lambda images: images * torch.tensor([1.0, 0.0, 1.0]).view(-1, 1, 1))
    with pytest.raises(ValueError, match=r"made: channel 1 of the training images is constant"):
        normalized(dataset)


def test_no_validation_split_is_no_hindrance() -> None:
    train, _, test = splits()
    for prepare in (normalized, whitened):
        assert prepare(Dataset("two", train, None, test, "0")).validation is None


def test_contrast_normalisation_is_one_norm_for_every_image() -> None:
    images = contrast_normalized(torch.cat([made().test.images, torch.full((1, 3, 4, 5), 0.7)]))
    torch.testing.assert_close(images.mean((1, 2, 3)), torch.zeros(31), atol=1e-5, rtol=0)
    torch.testing.assert_close(images[:-1].flatten(1).norm(dim=1), torch.full((30,), 55.0))
    assert torch.equal(images[-1], torch.zeros(3, 4, 5)), "one gray everywhere"


@pytest.mark.parametrize("bias", [0.1, 5.0])
def test_whitening_is_its_definition(bias: float) -> None:
    """The training images' covariance Σ becomes Σ(Σ + bias)⁻¹, and all images go through the same symmetric matrix."""
    dataset = made().map_images(lambda images: images.double())
    after = whitened(dataset, bias)
    assert whitened(normalized(dataset)).background == (0.0,), "the mean, not black"
    vectors = [contrast_normalized(split.images).flatten(1) for split in (dataset.train, dataset.test)]
    mean, covariance = vectors[0].mean(0), torch.cov(vectors[0].T, correction=0)
    identity = torch.eye(60, dtype=torch.float64)
    white = after.train.images.flatten(1)
    torch.testing.assert_close(white.mean(0), torch.zeros_like(mean), atol=1e-9, rtol=0)
    expected = covariance @ torch.linalg.inv(covariance + bias * identity)
    torch.testing.assert_close(torch.cov(white.T, correction=0), expected, atol=1e-7, rtol=0)
    # ZCA and not another whitening: the matrix is the symmetric root, fitted on the training images.
    applied = (vectors[1] - mean) @ inverse_root(covariance + bias * identity)
    torch.testing.assert_close(after.test.images.flatten(1), applied, atol=1e-7, rtol=0)


def inverse_root(matrix: Tensor) -> Tensor:
    """M^(−1/2) by Newton's iteration (Denman and Beavers), no eigenvalues."""
    root, inverse = matrix, torch.eye(len(matrix), dtype=matrix.dtype)
    for _ in range(40):
        root, inverse = (root + torch.linalg.inv(inverse)) / 2, (inverse + torch.linalg.inv(root)) / 2
    return inverse
