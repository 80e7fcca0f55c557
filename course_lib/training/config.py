"""How to train: one frozen record, small enough to be stored with every result."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import nn

from course_lib.errors import BadValue
from course_lib.training.schedule import stepped_rate

OptimizerName = Literal["adam", "sgd"]
Schedule = Literal["constant", "cosine", "step"]


@dataclass(frozen=True)
class TrainConfig:
    """How to train. ``seed`` decides the order of the images, the augmentation and dropout.

    Args:
        optimizer: Adam, or stochastic gradient descent with ``momentum``, of Nesterov's kind if ``nesterov``.
        weight_decay: λ of the L2 penalty, which adds λ times the weight to each gradient.
        schedule: the learning rate stays; or falls to 0 along half a cosine; or ("step") is multiplied with ``factor``
            at the start of each epoch in ``milestones``, epochs counted from 0.
        warmup_epochs: during the first so many epochs the rate grows, step by step, in a straight line to its value.
        deterministic: on CUDA, use deterministic operations wherever PyTorch has them, so that the same seed gives the
            same weights bit by bit. The CPU is deterministic without it, for one number of threads.
        bf16: run the network under autocast to bfloat16; weights and gradients stay in full precision.
        compile: run the network through `torch.compile`. What this and ``bf16`` gain depends on the device: measure.

    Raises ValueError that names the field if a value makes no sense.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float = 0.0
    schedule: Schedule = "constant"
    seed: int = 0
    optimizer: OptimizerName = "adam"
    momentum: float = 0.0
    nesterov: bool = False
    milestones: tuple[int, ...] = ()
    factor: float = 0.1
    warmup_epochs: int = 0
    deterministic: bool = True
    bf16: bool = False
    compile: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "milestones", tuple(self.milestones))  # a list, when it comes from JSON
        for name, least in {"epochs": 1, "batch_size": 1, "warmup_epochs": 0}.items():
            if not isinstance(value := getattr(self, name), int) or value < least:
                raise BadValue(f"{name} must be a whole number of at least {least}, got {value!r}")
        for name in ("learning_rate", "factor"):
            if not (math.isfinite(value := getattr(self, name)) and value > 0):
                raise BadValue(f"{name} must be positive, for example 0.001, got {value!r}")
        if not (math.isfinite(self.weight_decay) and self.weight_decay >= 0):
            raise BadValue(f"weight_decay must be 0 or more, got {self.weight_decay!r}")
        if not 0 <= self.momentum < 1:
            raise BadValue(f"momentum must be at least 0 and below 1, got {self.momentum!r}")
        self._require_known("schedule", get_args(Schedule))
        self._require_known("optimizer", get_args(OptimizerName))
        self._require_consistent()

    def rate_factor(self, step: int, steps_per_epoch: int) -> float:
        """What the learning rate is multiplied with in this step; the first step of the run is step 0."""
        warmup = self.warmup_epochs * steps_per_epoch
        if self.schedule == "cosine" and step >= warmup:
            progress = (step - warmup) / (self.epochs * steps_per_epoch - warmup)
            return (1 + math.cos(math.pi * progress)) / 2
        return stepped_rate(step, steps_per_epoch, self.milestones, self.factor, self.warmup_epochs)

    def make_optimizer(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """The optimizer of this config for these parameters, at the full learning rate."""
        if self.optimizer == "adam":
            return torch.optim.Adam(parameters, lr=self.learning_rate, weight_decay=self.weight_decay)
        return torch.optim.SGD(
            parameters, self.learning_rate, self.momentum, weight_decay=self.weight_decay, nesterov=self.nesterov
        )

    def _require_known(self, name: str, known: tuple[str, ...]) -> None:
        if (value := getattr(self, name)) not in known:
            raise BadValue(f"{name} must be {' or '.join(map(repr, known))}, got {value!r}")

    def _require_consistent(self) -> None:
        if any(not isinstance(m, int) or m < 1 for m in self.milestones):
            raise BadValue(f"milestones must be whole epochs of at least 1, got {self.milestones!r}")
        if bool(self.milestones) != (self.schedule == "step"):
            raise BadValue(
                f"milestones must be given for schedule 'step' and for no other, got {self.milestones!r} "
                f"for schedule {self.schedule!r}"
            )
        if self.optimizer == "adam" and (self.momentum or self.nesterov):
            raise BadValue("momentum must be 0 for optimizer 'adam', which has its own; take optimizer='sgd'")
        if self.nesterov and not self.momentum:
            raise BadValue(f"momentum must be above 0 where nesterov is True, got {self.momentum!r}")
