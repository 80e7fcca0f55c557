"""One training loop for every network, checkpoints, and each run as a file."""

from course_lib.files import AlreadyRunning, locked, remove_unfinished, write_json, write_whole
from course_lib.training.checkpoint import (
    Checkpoint,
    WrongCheckpoint,
    restore_training_state,
    training_state,
    weights_checksum,
)
from course_lib.training.config import TrainConfig
from course_lib.training.devices import default_device, device_name, require_device
from course_lib.training.evaluation import accuracy_by_angle, evaluate, predict, validate
from course_lib.training.history import History
from course_lib.training.loop import train, train_step
from course_lib.training.randomness import seed_everything
from course_lib.training.schedule import stepped_rate

__all__ = [
    "AlreadyRunning",
    "Checkpoint",
    "History",
    "TrainConfig",
    "WrongCheckpoint",
    "accuracy_by_angle",
    "default_device",
    "device_name",
    "evaluate",
    "locked",
    "predict",
    "remove_unfinished",
    "require_device",
    "restore_training_state",
    "seed_everything",
    "stepped_rate",
    "train",
    "train_step",
    "training_state",
    "validate",
    "weights_checksum",
    "write_json",
    "write_whole",
]
