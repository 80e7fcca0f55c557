"""What is done to all images once, before training. Everything is fitted on the training split alone."""

from dataclasses import replace

import torch
from torch import Tensor

from course_lib.data.dataset import Dataset, Split
from course_lib.errors import BadValue


def channel_statistics(split: Split) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel over all images and pixels, ``(C, 1, 1)`` each, in float64."""
    channels = (split.images[:, c].double() for c in range(split.images.shape[1]))
    std, mean = zip(*(torch.std_mean(channel, correction=0) for channel in channels), strict=True)
    return torch.stack(mean).view(-1, 1, 1), torch.stack(std).view(-1, 1, 1)


def normalized(dataset: Dataset) -> Dataset:
    """Each channel with mean 0 and standard deviation 1 over the training split: (x − μ) / σ.

    The ``background`` of the result says what black has become, for `on_background`. Raises ValueError if a channel
    has one value everywhere.
    """
    mean, std = channel_statistics(dataset.train)
    if 0 in std:
        channel = int((std == 0).flatten().nonzero()[0])
        raise BadValue(f"{dataset.name}: channel {channel} of the training images is constant, nothing to normalize")
    black = ((mean.new_tensor(dataset.background).view(-1, 1, 1) - mean) / std).flatten()
    done = dataset.map_images(lambda images: (images - mean.to(images)) / std.to(images))
    return replace(done, background=tuple(black.tolist()))


def contrast_normalized(images: Tensor, scale: float = 55.0) -> Tensor:
    """Each image ``(C, Y, X)`` of a batch with mean 0 and Euclidean norm ``scale``: global contrast normalization.

    With scale 55, as in Goodfellow et al. (2013), *Maxout networks*, the pixels of a 3×32×32 image have a standard
    deviation of about 1. An image that is one gray everywhere becomes zero.
    """
    centered = images - images.mean(dim=(1, 2, 3), keepdim=True)
    norm = centered.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    return scale * centered / torch.where(norm < 1e-8, torch.ones_like(norm), norm)


def whitened(dataset: Dataset, bias: float = 0.1) -> Dataset:
    """Contrast normalization, then ZCA whitening: x ↦ (Σ + bias·I)^(−1/2) (x − μ).

    μ and Σ are the mean and the covariance of the contrast-normalized training images as vectors of C·Y·X numbers; the
    bias is that of Goodfellow et al. (2013), whose preparation of CIFAR-10 Cohen & Welling (2016) use. The covariance
    of 3×32×32 images has 3072² entries: for 45,000 images this takes one to two minutes on two CPU cores.

    Black has no value of its own any more, as each place has its own mean: the ``background`` becomes 0, the mean.
    """
    dataset = dataset.map_images(contrast_normalized)
    vectors = dataset.train.images.flatten(1)
    mean = vectors.double().mean(dim=0)
    covariance = torch.zeros(len(mean), len(mean), dtype=torch.float64, device=mean.device)
    for chunk in vectors.split(5000):  # all of them in float64 would take gigabytes
        centered = chunk.double() - mean
        covariance += centered.T @ centered / len(vectors)
    eigenvalues, axes = torch.linalg.eigh(covariance)
    # Rounding may leave a covariance with eigenvalues just below zero.
    transform = (axes * (eigenvalues.clamp(min=0) + bias).rsqrt()) @ axes.T
    white = dataset.map_images(
        lambda images: ((images.flatten(1) - mean.to(images)) @ transform.to(images)).view_as(images)
    )
    return replace(white, background=(0.0,))
