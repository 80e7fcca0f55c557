"""The training loop: one for every network. The data in memory, a shuffled order per epoch, a checkpoint after each."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import NoReturn

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.optim import Optimizer

# Text in notebooks, too: a bar that is a widget would be gone when the notebook is opened again.
from tqdm import tqdm

from course_lib.data import Augmentation, Split
from course_lib.errors import UserError
from course_lib.training.checkpoint import Checkpoint
from course_lib.training.config import TrainConfig
from course_lib.training.devices import default_device
from course_lib.training.distributed import divided, from_first, processes
from course_lib.training.evaluation import require_fit, validate
from course_lib.training.history import History
from course_lib.training.memory import explained_out_of_memory
from course_lib.training.randomness import deterministic_operations, seed_everything


class Diverged(UserError, FloatingPointError):
    """The loss, or a weight, is no longer a number."""


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
        require_fit(net, config.batch_size, train_split, validation)
        if processes() > 1:
            forward = divided(net, config, len(train_split))
        else:
            forward = torch.compile(net) if config.compile else net
        generator = Generator().manual_seed(config.seed)
        optimizer = config.make_optimizer(net.parameters())
        history = checkpoint.restore(net, optimizer, generator, config) if checkpoint else History(config)
        steps = math.ceil(len(train_split) / config.batch_size)  # in one epoch
        # As text in notebooks, too: a bar that is a widget is gone when the notebook is opened again.
        bar = tqdm(total=config.epochs * steps, initial=history.epochs_done * steps, unit="batch", disable=not progress)
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
