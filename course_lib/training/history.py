"""What happened in a training run."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from course_lib.errors import BadValue
from course_lib.files import write_json
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

    def to_json(self, path: Path | str) -> None:
        write_json(path, asdict(self))

    @classmethod
    def from_json(cls, path: Path | str) -> History:
        """Raises ValueError that names the file if it is damaged."""
        try:
            return cls.from_stored(json.loads(Path(path).read_text(encoding="utf-8")))
        except ValueError as error:
            raise BadValue(f"{path} is no history of a training ({error}); remove it, or write it again") from error

    @classmethod
    def from_stored(cls, stored: Any) -> History:
        """From what `dataclasses.asdict` gave. Raises ValueError if a field is unknown, missing or of another kind."""
        try:
            return cls(**{**stored, "config": TrainConfig(**stored["config"])})
        except (KeyError, TypeError) as error:
            raise ValueError(f"its fields are not those of a history: {error}") from error
