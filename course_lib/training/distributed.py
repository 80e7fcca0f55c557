"""One run in several processes, each with a device of its own, that compute what one process would compute.

Every process draws the order of the images, the augmentation and the dropout masks for the whole batch, as a single
process does, and then computes its own part of it. Mean and variance of the batch norms are those of the whole batch,
and so are loss and gradient. The result therefore does not depend on the number of processes, but for rounding, and a
run may go on with another number of them.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.parallel import DistributedDataParallel

from course_lib.errors import BadValue
from course_lib.training.environment import processes


def divided(net: nn.Module) -> Callable[[Tensor], Tensor]:
    """The net as a function of whole batches, ``(B, C, Y, X)`` → ``(B, classes)``, computed in parts by all processes.

    Each gives and gets the same whole batch, which has an image for each. Raises ValueError for a dropout that does
    more than to multiply by a mask.
    """
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
