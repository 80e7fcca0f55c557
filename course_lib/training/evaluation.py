"""What a trained network gets right."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from course_lib.actions import rotate_by_angle
from course_lib.data import Split
from course_lib.modes import eval_mode

# How the allocators of CPU, CUDA, cuBLAS, MPS and C++ say it, each in a RuntimeError.
_SIGNS = ("can't allocate memory", "not enough memory", "out of memory", "alloc_failed", "bad_alloc")


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


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device says so, each in its own words."""
    text = str(error).lower()
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or any(sign in text for sign in _SIGNS)
