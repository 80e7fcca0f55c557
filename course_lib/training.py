"""One training loop for every network: the data in memory, Adam, one frozen config, one record of what happened."""

from __future__ import annotations

import json
import math
import os
import random
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from tqdm.auto import tqdm

from course_lib.actions import rotate_by_angle
from course_lib.data import Augmentation, Split


@dataclass(frozen=True)
class TrainConfig:
    """How to train. ``seed`` decides the order of the images, the augmentation and dropout.

    Raises ValueError that names the field if a value makes no sense.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float = 0.0
    schedule: Literal["constant", "cosine"] = "constant"  # cosine: from learning_rate down to 0 over the whole run
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value in {"epochs": self.epochs, "batch_size": self.batch_size}.items():
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}")
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise ValueError(f"learning_rate must be positive, for example 0.001, got {self.learning_rate!r}")
        if not (math.isfinite(self.weight_decay) and self.weight_decay >= 0):
            raise ValueError(f"weight_decay must be 0 or more, got {self.weight_decay!r}")
        if self.schedule not in ("constant", "cosine"):
            raise ValueError(f"schedule must be 'constant' or 'cosine', got {self.schedule!r}")

    def rate_factor(self, progress: float) -> float:
        """What the learning rate is multiplied with when this share, from 0 to 1, of all steps is done."""
        return 1.0 if self.schedule == "constant" else (1 + math.cos(math.pi * progress)) / 2


@dataclass
class History:
    """What happened, one entry per finished epoch. Loss and accuracy of training are means over the epoch's batches,
    taken while the network learns; ``validation_accuracy`` stays empty where no validation split was given."""

    config: TrainConfig
    train_loss: list[float] = field(default_factory=list)
    train_accuracy: list[float] = field(default_factory=list)
    validation_accuracy: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    interrupted: bool = False

    def to_json(self, path: Path | str) -> None:
        write_json(path, asdict(self))

    @classmethod
    def from_json(cls, path: Path | str) -> History:
        stored = json.loads(Path(path).read_text(encoding="utf-8"))
        return cls(**{**stored, "config": TrainConfig(**stored["config"])})


def write_json(path: Path | str, data: Any) -> None:
    """Write data as JSON; whoever reads at the same time sees the old file or the new one, never half of it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    unfinished.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    os.replace(unfinished, path)


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch on every device: same seed, same device, same result."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False


def default_device() -> torch.device:
    """The GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def train(
    net: nn.Module,
    train_split: Split,
    config: TrainConfig,
    validation: Split | None = None,
    augment: Augmentation | None = None,
    device: torch.device | str | None = None,
    progress: bool = False,
) -> History:
    """Fit ``net``, a map ``(N, C, Y, X)`` → ``(N, classes)``, to the labels by Adam on the cross-entropy.

    Args:
        augment: applied to each batch of training images, for example `data.random_rotations`.
        device: where to train; by default the GPU if there is one. The net is moved there and stays there.
        progress: show a bar with one step per epoch, on stderr.

    The net is changed in place and left in eval mode. All data lies on the device, in the dtype of the net. An
    interrupt (Ctrl-C, or the stop button of a notebook) ends the run early: the net keeps what it has learned so far,
    and the history says ``interrupted``.

    Raises ValueError if batch size, image shape or labels do not fit, FloatingPointError if the loss is no number.
    """
    device = torch.device(device) if device is not None else default_device()
    net.to(device)
    dtype = next(net.parameters()).dtype
    train_split = train_split.to(device, dtype)
    validation = validation and validation.to(device, dtype)
    _require_fit(net, config, train_split, validation)
    seed_everything(config.seed)
    generator = Generator().manual_seed(config.seed)
    optimizer = torch.optim.Adam(net.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    steps = config.epochs * math.ceil(len(train_split) / config.batch_size)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: config.rate_factor(step / steps))
    history = History(config)
    try:
        for _ in tqdm(range(config.epochs), desc="epochs", disable=not progress):
            start = time.perf_counter()
            loss, accuracy = _train_epoch(net, train_split, config, augment, generator, optimizer, scheduler)
            if not math.isfinite(loss):
                epoch = len(history.train_loss) + 1
                raise FloatingPointError(
                    f"the training loss is {loss} in epoch {epoch}; the net is spoiled. Check the images for nan, or "
                    f"start again with a learning_rate smaller than {config.learning_rate}"
                )
            checked = [evaluate(net, validation)] if validation else []
            history.train_loss.append(loss)
            history.train_accuracy.append(accuracy)
            history.validation_accuracy += checked
            history.seconds.append(time.perf_counter() - start)
    except KeyboardInterrupt:
        history.interrupted = True
    finally:
        net.eval()
    return history


def evaluate(net: nn.Module, split: Split) -> float:
    """The share of the images whose largest output is that of their label. Leaves the net's mode as it was."""
    guesses = predict(net, split.images)
    return (guesses == split.labels.to(guesses.device)).double().mean().item()


def accuracy_by_angle(net: nn.Module, upright_split: Split, angles: Iterable[float]) -> Tensor:
    """The accuracy when all images are turned by each of the angles (degrees, counter-clockwise): one number per angle.

    A multiple of 90° turns the images exactly, any other angle by bilinear interpolation.
    """
    turned = (Split(rotate_by_angle(angle, upright_split.images), upright_split.labels) for angle in angles)
    return torch.tensor([evaluate(net, split) for split in turned])


@torch.no_grad()
def predict(net: nn.Module, images: Tensor, batch_size: int = 500) -> Tensor:
    """The class with the largest output for each image ``(N, C, Y, X)``: ``(N,)``, computed in eval mode."""
    parameter = next(net.parameters())
    training = net.training
    net.eval()
    try:
        batches = images.to(parameter).split(batch_size)
        return torch.cat([net(batch).argmax(dim=1) for batch in batches])
    finally:
        net.train(training)


def _train_epoch(
    net: nn.Module,
    split: Split,
    config: TrainConfig,
    augment: Augmentation | None,
    generator: Generator,
    optimizer: torch.optim.Optimizer,
    scheduler: torch.optim.lr_scheduler.LRScheduler,
) -> tuple[float, float]:
    """One pass over all images in a new random order; returns the mean loss and the accuracy."""
    net.train()
    # Sums stay on the device until the end of the epoch: reading one out would make a GPU wait at every step.
    loss_sum = torch.zeros((), dtype=torch.float64, device=split.images.device)
    correct = torch.zeros_like(loss_sum)
    order = torch.randperm(len(split), generator=generator).to(split.images.device)
    for batch in order.split(config.batch_size):
        images, labels = split.images[batch], split.labels[batch]
        outputs = net(augment(images, generator) if augment else images)
        loss = F.cross_entropy(outputs, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        loss_sum += loss.detach() * len(batch)
        correct += (outputs.argmax(dim=1) == labels).sum()
    return loss_sum.item() / len(split), correct.item() / len(split)


def _require_fit(net: nn.Module, config: TrainConfig, train_split: Split, validation: Split | None) -> None:
    if config.batch_size > len(train_split):
        raise ValueError(
            f"batch_size {config.batch_size} is larger than the training split ({len(train_split)} images); "
            f"take at most {len(train_split)}"
        )
    net.eval()
    with torch.no_grad():
        output = net(train_split.images[:1])
    if output.ndim != 2:
        raise ValueError(f"the net must return (N, classes), got shape {tuple(output.shape)} for one image")
    classes = output.shape[1]
    for split in filter(None, (train_split, validation)):
        low, high = int(split.labels.min()), int(split.labels.max())
        if low < 0 or high >= classes:
            raise ValueError(
                f"labels run from {low} to {high}, but the net has {classes} outputs for labels 0 to {classes - 1}"
            )
