"""The training loop: one for every network. The data in memory, a shuffled order per epoch, a checkpoint after each."""

from __future__ import annotations

import copy
import math
import os
import random
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.optim import SGD, Adam, Optimizer

# Text in notebooks, too: a bar that is a widget would be gone when the notebook is opened again.
from tqdm import tqdm

from course_lib.data import Augmentation, Split
from course_lib.errors import BadValue, UserError
from course_lib.training.checkpoint import Checkpoint
from course_lib.training.config import History, TrainConfig
from course_lib.training.distributed import divided
from course_lib.training.environment import default_device, from_first, is_first, processes
from course_lib.training.evaluation import is_out_of_memory, validate


class Diverged(UserError, FloatingPointError):
    """The loss, or a weight, is no longer a number."""


class OutOfMemory(UserError, MemoryError):
    """The device has too little memory for what was asked for."""


def train(
    net: nn.Module,
    train_split: Split,
    config: TrainConfig,
    validation: Split | None = None,
    augment: Augmentation | None = None,
    device: torch.device | str | None = None,
    progress: bool = False,
    checkpoint: Checkpoint | None = None,
    time_budget: float = math.inf,
) -> History:
    """Fit ``net``, a map ``(N, C, Y, X)`` → ``(N, classes)``, to the labels by descent on the cross-entropy.

    Args:
        augment: applied to each batch of training images, for example `data.random_rotations`.
        device: where to train; by default the GPU if there is one. The net is moved there and stays there.
        progress: show a bar, on stderr, with the loss and the accuracies of the last epoch and the time that is left.
        checkpoint: go on from its file if there is one, and write it after each epoch.
        time_budget: in seconds; stop after the last epoch that fits, at the earliest after one.

    The net is changed in place and left in eval mode. All data lies on the device, in the dtype of the net. An
    interrupt (Ctrl-C, or the stop button of a notebook) ends the run early, as the time budget does: the net keeps what
    it has learned so far, and the history says ``interrupted``.

    Raises ValueError if batch size, image shape, labels or checkpoint do not fit, FloatingPointError if the loss is no
    number, MemoryError if the batch is too large for the device, OSError if the checkpoint cannot be written. The
    checkpoint then holds the last good epoch.
    """
    begin = time.perf_counter()
    device = torch.device(device) if device is not None else default_device()
    seed_everything(config.seed)
    with deterministic_operations(device, config.deterministic), explained_out_of_memory(config.batch_size):
        net.to(device)
        dtype = next(net.parameters()).dtype
        train_split = train_split.to(device, dtype)
        validation = validation and validation.to(device, dtype)
        require_fit(net, config, train_split, validation)
        forward = divided(net) if processes() > 1 else torch.compile(net) if config.compile else net
        generator = Generator().manual_seed(config.seed)
        optimizer = make_optimizer(config, net.parameters())
        history = checkpoint.restore(net, optimizer, generator, config) if checkpoint else History(config)
        steps = math.ceil(len(train_split) / config.batch_size)  # in one epoch
        done, shown = history.epochs_done * steps, progress and is_first()
        bar = tqdm(total=config.epochs * steps, initial=done, unit="batch", disable=not shown)
        try:
            while history.epochs_done < config.epochs:
                start = time.perf_counter()
                net.train()
                loss, accuracy = _train_epoch(forward, train_split, history, augment, generator, optimizer, bar)
                _require_numbers(loss, net, history)
                validated = validate(net, validation) if validation else None
                history.add_epoch(loss, accuracy, validated, time.perf_counter() - start)
                if checkpoint:
                    checkpoint.save(net, optimizer, generator, history)
                bar.set_postfix_str(history.summary())
                if from_first(time.perf_counter() - begin + history.seconds[-1] > time_budget):
                    break
        except KeyboardInterrupt:
            pass
        finally:
            net.eval()
            bar.close()
    history.interrupted = history.epochs_done < config.epochs
    return history


def _train_epoch(
    forward: Callable[[Tensor], Tensor],
    split: Split,
    history: History,
    augment: Augmentation | None,
    generator: Generator,
    optimizer: Optimizer,
    bar: tqdm[NoReturn],
) -> tuple[float, float]:
    """One pass over all images in a new random order; returns the mean loss and the accuracy."""
    config, device = history.config, split.images.device
    # Sums stay on the device until the end of the epoch: reading one out would make a GPU wait at every step.
    loss_sum = torch.zeros((), dtype=torch.float32 if device.type == "mps" else torch.float64, device=device)
    correct = torch.zeros_like(loss_sum)
    batches = torch.randperm(len(split), generator=generator).to(device).split(config.batch_size)
    for step, batch in enumerate(batches, start=history.epochs_done * len(batches)):
        images, labels = split.images[batch], split.labels[batch]
        if augment:
            images = augment(images, generator)
        for parameters in optimizer.param_groups:
            parameters["lr"] = config.learning_rate * config.rate_factor(step, len(batches))
        batch_loss, batch_correct = train_step(forward, images, labels, optimizer, config.bf16)
        loss_sum += batch_loss
        correct += batch_correct
        bar.update()
    return loss_sum.item() / len(split), correct.item() / len(split)


def train_step(
    forward: Callable[[Tensor], Tensor], images: Tensor, labels: Tensor, optimizer: Optimizer, bf16: bool = False
) -> tuple[Tensor, Tensor]:
    """One step of descent on the mean cross-entropy of a batch.

    Shapes: images (B, C, Y, X), labels (B,), ``forward`` gives (B, classes). With ``bf16``, network and loss are
    computed under autocast to bfloat16. Returns the *sum* of the losses, detached, and how many answers were right,
    both before the step and as tensors on the device. Notebook 11.
    """
    with torch.autocast(images.device.type, torch.bfloat16, enabled=bf16):
        outputs = forward(images)
        loss = F.cross_entropy(outputs, labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach() * len(labels), (outputs.argmax(dim=1) == labels).sum()


def _require_numbers(loss: float, net: nn.Module, history: History) -> None:
    """Raise FloatingPointError for a loss, or weights after the last step, that are no finite numbers."""
    spoiled = [name for name, value in net.named_parameters() if not value.isfinite().all()]
    if not math.isfinite(loss) or spoiled:
        what = f"{spoiled[0]} has values that are no numbers" if math.isfinite(loss) else f"the training loss is {loss}"
        raise Diverged(
            f"{what} in epoch {history.epochs_done + 1}; the net is spoiled. Check the images for "
            f"nan, or start again with a learning_rate smaller than {history.config.learning_rate}"
        )


def make_optimizer(config: TrainConfig, parameters: Iterable[nn.Parameter]) -> Optimizer:
    """The optimizer of this config for these parameters, at the full learning rate."""
    rate, decay = config.learning_rate, config.weight_decay
    if config.optimizer == "adam":
        return Adam(parameters, rate, weight_decay=decay)
    return SGD(parameters, rate, config.momentum, weight_decay=decay, nesterov=config.nesterov)


def require_fit(net: nn.Module, config: TrainConfig, train_split: Split, validation: Split | None) -> None:
    """Raise ValueError if config, image shape, outputs, labels and processes do not fit. All lies on one device."""
    batch_size, images = config.batch_size, len(train_split)
    if batch_size > images:
        raise BadValue(
            f"batch_size {batch_size} is larger than the training split ({images} images); take at most {images}"
        )
    last = images % batch_size or batch_size
    if last < processes():
        raise BadValue(
            f"{processes()} processes, but the last batch of an epoch has {last} of {images} images; "
            f"each needs one: choose another batch size than {batch_size}, or fewer processes"
        )
    if config.compile and processes() > 1:  # it does not see through the exchange between processes
        raise BadValue("compile is for one process; leave out --compile under torchrun")
    if last == 1:
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


@contextmanager
def explained_out_of_memory(batch_size: int) -> Iterator[None]:
    """Turn every device's way to say "out of memory" into an OutOfMemory that names the batch size to try."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        advice = f"try a batch size of {batch_size // 2}" if batch_size > 1 else "take a smaller network"
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise OutOfMemory(
            f"out of memory with a batch size of {batch_size}; {advice}, or free memory that others use. "
            f"A checkpoint, if there is one, holds the last finished epoch. The device said: {said}"
        ) from error


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch on every device: same seed, same device, same result."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False


@contextmanager
def deterministic_operations(device: torch.device, wanted: bool) -> Iterator[None]:
    """On CUDA, choose deterministic operations, or the fastest; where PyTorch has no deterministic one, it warns.

    Elsewhere this does nothing.
    """
    if device.type != "cuda":
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic only with this
    cudnn = torch.backends.cudnn
    memory: Any = torch.utils.deterministic  # its flag hides from type checkers; filling would only cost time
    algorithms = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    flags = cudnn.deterministic, cudnn.benchmark, memory.fill_uninitialized_memory
    torch.use_deterministic_algorithms(wanted, warn_only=True)
    cudnn.deterministic, cudnn.benchmark, memory.fill_uninitialized_memory = wanted, not wanted, False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(algorithms[0], warn_only=algorithms[1])
        cudnn.deterministic, cudnn.benchmark, memory.fill_uninitialized_memory = flags
