"""How to train, and what happened: two records, small enough to be stored with every result."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from course_lib.errors import BadValue

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


def stepped_rate(
    step: int, steps_per_epoch: int, milestones: tuple[int, ...] = (), factor: float = 0.1, warmup_epochs: int = 0
) -> float:
    """Warm-up, then steps down: with W the steps of the warm-up,

        (step + 1) / W                        if step < W,
        factor^(milestones that are reached)  else.

    Steps and epochs count from 0; a milestone m is reached with the first step of epoch m. The warm-up moves no
    milestone. Notebook 11.
    """
    warmup = warmup_epochs * steps_per_epoch
    if step < warmup:
        return (step + 1) / warmup
    epoch = step // steps_per_epoch
    return factor ** sum(epoch >= milestone for milestone in milestones)


@dataclass
class History:
    """What happened, one entry per finished epoch. Loss and accuracy of training are means over the epoch's batches,
    taken while the network learns; ``validation_accuracy`` and ``changed_by_turn``, the share of the validation
    images whose predicted class a quarter turn changes, stay empty where no validation split was given."""

    config: TrainConfig
    train_loss: list[float] = field(default_factory=list)
    train_accuracy: list[float] = field(default_factory=list)
    validation_accuracy: list[float] = field(default_factory=list)
    changed_by_turn: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    interrupted: bool = False  # by the user or by the time budget, before the last epoch was done

    @property
    def epochs_done(self) -> int:
        return len(self.seconds)

    def add_epoch(self, loss: float, accuracy: float, validated: tuple[float, float] | None, seconds: float) -> None:
        """Append one epoch; ``validated`` is what `evaluation.validate` returned."""
        self.train_loss.append(loss)
        self.train_accuracy.append(accuracy)
        if validated is not None:
            self.validation_accuracy.append(validated[0])
            self.changed_by_turn.append(validated[1])
        self.seconds.append(seconds)

    def summary(self) -> str:
        """One line about the last finished epoch."""
        epoch = f"epoch {self.epochs_done}/{self.config.epochs}"
        if not self.epochs_done:
            return epoch
        validated = f", validation {self.validation_accuracy[-1]:.1%}" if self.validation_accuracy else ""
        return f"{epoch}: loss {self.train_loss[-1]:.4f}, training {self.train_accuracy[-1]:.1%}{validated}"

    @classmethod
    def from_stored(cls, stored: dict[str, Any]) -> History:
        """From what `dataclasses.asdict` gave, and a file has kept."""
        return cls(**{**stored, "config": TrainConfig(**stored["config"])})
