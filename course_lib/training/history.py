"""What happened in a training run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from course_lib.training.config import TrainConfig


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
