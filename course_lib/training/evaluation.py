"""What a trained network gets right."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from course_lib.actions import rotate_by_angle
from course_lib.data import Split
from course_lib.errors import BadValue
from course_lib.modes import eval_mode
from course_lib.training.memory import is_out_of_memory


def evaluate(net: nn.Module, split: Split) -> float:
    """The share of the images whose largest output is that of their label. Leaves the net's mode as it was."""
    return _share(predict(net, split.images).cpu() == split.labels.cpu())


def validate(net: nn.Module, split: Split) -> tuple[float, float]:
    """The accuracy, as `evaluate` gives it, and the share of the images whose predicted class a quarter turn changes.

    That share is 0 for a net that is invariant to rotations. Images that are not square are turned by 180°.
    """
    quarters = 1 if split.images.shape[-2] == split.images.shape[-1] else 2
    images = split.images, split.images.rot90(quarters, dims=(-2, -1))
    guesses, turned = (predict(net, seen).cpu() for seen in images)
    return _share(guesses == split.labels.cpu()), _share(guesses != turned)


def _share(answers: Tensor) -> float:
    """On the CPU, as MPS has no float64."""
    return answers.double().mean().item()


def accuracy_by_angle(net: nn.Module, upright_split: Split, angles: Iterable[float]) -> Tensor:
    """The accuracy when all images are turned by each of the angles (degrees, counter-clockwise): one number per angle.

    A multiple of 90° turns the images exactly, any other angle by bilinear interpolation.
    """
    turned = (Split(rotate_by_angle(angle, upright_split.images), upright_split.labels) for angle in angles)
    return torch.tensor([evaluate(net, split) for split in turned])


@torch.no_grad()
def predict(net: nn.Module, images: Tensor, batch_size: int = 500) -> Tensor:
    """The class with the largest output for each image ``(N, C, Y, X)``: ``(N,)``, computed in eval mode.

    If the memory does not suffice, the batches are halved until it does.
    """
    parameter = next(net.parameters())
    with eval_mode(net):
        while True:
            try:
                return torch.cat([net(batch.to(parameter)).argmax(dim=1) for batch in images.split(batch_size)])
            except (MemoryError, RuntimeError) as error:
                if batch_size == 1 or not is_out_of_memory(error):
                    raise
            batch_size //= 2  # here, where the error and what it holds on the device are gone


def require_fit(net: nn.Module, batch_size: int, train_split: Split, validation: Split | None) -> None:
    """Raise ValueError if batch size, image shape, outputs and labels do not fit. All lies on one device."""
    if batch_size > len(train_split):
        raise BadValue(
            f"batch_size {batch_size} is larger than the training split ({len(train_split)} images); "
            f"take at most {len(train_split)}"
        )
    if len(train_split) % batch_size == 1 or batch_size == 1:
        _require_one_image_is_enough(net, batch_size, train_split)
    net.eval()
    with torch.no_grad():
        output = net(train_split.images[:1])
    if output.ndim != 2:
        raise BadValue(f"the net must return (N, classes), got shape {tuple(output.shape)} for one image")
    classes = output.shape[1]
    for split in filter(None, (train_split, validation)):
        low, high = int(split.labels.min()), int(split.labels.max())
        if low < 0 or high >= classes:
            raise BadValue(
                f"labels run from {low} to {high}, but the net has {classes} outputs for labels 0 to {classes - 1}"
            )


def _require_one_image_is_enough(net: nn.Module, batch_size: int, split: Split) -> None:
    """Try a batch of one image on a copy: a batch norm that sees one pixel has nothing to take a variance of."""
    images = len(split)
    cuda = [split.images.device] if split.images.device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda), torch.no_grad():
        try:
            copy.deepcopy(net).train()(split.images[:1])
        except ValueError as error:
            if "Expected more than 1" not in str(error):  # in these words do all norms of torch complain
                raise
            sizes = [size for size in range(2, images + 1) if images % size != 1]
            near = min(sizes, key=lambda size: (abs(size - batch_size), size), default=None)
            way_out = (
                f"take a batch size that leaves no single image, for example {near}" if near else "take more images"
            )
            raise BadValue(
                f"with batch_size {batch_size} the last of {images} training images is a batch of its own, and the net "
                f"cannot be trained on one: a norm would see a single value of each channel; {way_out}"
            ) from error
