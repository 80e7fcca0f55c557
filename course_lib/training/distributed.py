"""One run in several processes, each with a device of its own, that compute what one process would compute.

Every process draws the order of the images, the augmentation and the dropout masks for the whole batch, as a single
process does, and then computes its own part of it. Mean and variance of the batch norms are those of the whole batch,
and so are loss and gradient. The result therefore does not depend on the number of processes, but for rounding, and a
run may go on with another number of them.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.parallel import DistributedDataParallel

from course_lib.errors import BadValue
from course_lib.training.config import TrainConfig
from course_lib.training.devices import default_device, require_device

T = TypeVar("T")


def under_torchrun() -> bool:
    """Whether torchrun has started this process, and perhaps others."""
    return dist.is_available() and dist.is_torchelastic_launched()


@contextmanager
def process_group(device: str | None = None) -> Iterator[torch.device]:
    """The device to train on; for a process that torchrun has started, within the group of all of them.

    Each then takes the GPU of its number on its machine, or the CPU. Raises ValueError if there is no such device, or
    if one GPU is named for several of them.
    """
    if not under_torchrun():
        yield default_device() if device is None else require_device(device)
        return
    name = device or default_device().type
    if name.startswith("cuda:") and os.environ.get("LOCAL_WORLD_SIZE", "1") != "1":
        raise BadValue(f"{name} would be one GPU for all processes; under torchrun write cuda, and each takes its own")
    own = require_device(f"cuda:{os.environ['LOCAL_RANK']}" if name == "cuda" else name)
    if own.type == "cuda":
        torch.cuda.set_device(own)
    dist.init_process_group("nccl" if own.type == "cuda" else "gloo")
    try:
        yield own
    finally:
        dist.destroy_process_group()


def processes() -> int:
    """How many processes train this run together: 1 outside `process_group`."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def is_first() -> bool:
    """Whether this process is the one that writes and prints."""
    return processes() == 1 or dist.get_rank() == 0


def from_first(value: T) -> T:
    """What the first process says, in all of them: for what they must decide alike."""
    if processes() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box)
    return box[0]


def divided(net: nn.Module, config: TrainConfig, images: int) -> Callable[[Tensor], Tensor]:
    """The net as a function of whole batches, ``(B, C, Y, X)`` → ``(B, classes)``, computed in parts by all processes.

    Each gives and gets the same whole batch. Raises ValueError if one of the batches of ``images`` has fewer images
    than there are processes, for ``config.compile``, which does not see through the exchange between processes, or for
    a dropout that does more than to multiply by a mask.
    """
    last = images % config.batch_size or config.batch_size
    if last < processes():
        raise BadValue(
            f"{processes()} processes, but the last batch of an epoch has {last} of {images} images; "
            f"each needs one: choose another batch size than {config.batch_size}, or fewer processes"
        )
    if config.compile:
        raise BadValue("compile is for one process; leave out --compile under torchrun")
    for module in net.modules():
        if isinstance(module, (nn.AlphaDropout, nn.FeatureAlphaDropout)):
            raise BadValue(f"{type(module).__name__} is for one process; take another dropout, or leave out torchrun")
    known = inspect.signature(DistributedDataParallel).parameters
    sync = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"  # the older name
    parallel = DistributedDataParallel(net, **{sync: False})  # type: ignore[arg-type]  # _batch_norm keeps them alike

    def forward(batch: Tensor) -> Tensor:
        count, rank = len(batch), dist.get_rank()
        part = slice(count * rank // processes(), count * (rank + 1) // processes())
        with _over_whole_batch(net, count, part):
            outputs: Tensor = _at_least_float32(parallel(batch[part]))
        # Each process adds its rows. Backward sums the gradients, equal in all n of them, to n times the true one,
        # and DistributedDataParallel takes the mean over the n: the gradient of the whole batch.
        return _summed(F.pad(outputs, (0, 0, part.start, count - part.stop)))

    return forward


@contextmanager
def _over_whole_batch(net: nn.Module, count: int, part: slice) -> Iterator[None]:
    """Let norms and dropout act as if all images of the batch were here."""
    changed = [module for module in net.modules() if isinstance(module, (_BatchNorm, _DropoutNd)) and module.training]
    for module in changed:
        forward: Any = _batch_norm if isinstance(module, _BatchNorm) else _dropout
        module.forward = partial(forward, module, count, part)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for module in changed:
            del module.forward


def _batch_norm(norm: _BatchNorm, count: int, part: slice, x: Tensor) -> Tensor:
    """y = γ (x − μ) / √(σ² + ε) + β with μ, σ² over the batch of all processes.

    PyTorch's SyncBatchNorm is the same, but refuses a CPU, where the equality of one and two processes is tested.
    """
    norm._check_input_dim(x)
    x32 = _at_least_float32(x)
    axes, shape = [0, *range(2, x.ndim)], (1, -1, *(1 for _ in x.shape[2:]))
    values = count * x[0, 0].numel()  # of each channel
    mean = _summed(x32.sum(axes)) / values
    centered = x32 - mean.view(shape)
    variance = _summed(centered.square().sum(axes)) / values
    if norm.running_mean is not None and norm.running_var is not None and norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)
        momentum = 1 / norm.num_batches_tracked.item() if norm.momentum is None else norm.momentum
        norm.running_mean.lerp_(mean.detach(), momentum)
        norm.running_var.lerp_(variance.detach() * values / (values - 1), momentum)
    y = centered * (variance + norm.eps).rsqrt().view(shape)
    if norm.affine:
        y = y * norm.weight.view(shape) + norm.bias.view(shape)
    return y.to(x.dtype)


def _dropout(dropout: _DropoutNd, count: int, part: slice, x: Tensor) -> Tensor:
    """The masks of this process' images, out of those that one process would draw for all images."""
    mask = type(dropout).forward(dropout, x.new_ones(count, *x.shape[1:]))[part]
    return x * mask.clone()  # backward keeps the mask: of our part, not of all


def _at_least_float32(x: Tensor) -> Tensor:
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


class _Sum(torch.autograd.Function):
    """The sum over all processes, each of which has a copy; so the gradient is a sum over them, too.

    `torch.distributed.nn.functional.all_reduce` is the same, but deprecated.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        dist.all_reduce(total)
        return total


def _summed(x: Tensor) -> Tensor:
    total: Tensor = _Sum.apply(x)
    return total
