"""One training loop for every network, checkpoints, and each run as a file."""

from course_lib.files import write_json
from course_lib.training.checkpoint import (
    Checkpoint,
    WrongCheckpoint,
    restore_training_state,
    training_state,
    weights_checksum,
)
from course_lib.training.config import History, TrainConfig, stepped_rate
from course_lib.training.environment import AlreadyRunning, default_device, locked, require_device
from course_lib.training.evaluation import accuracy_by_angle, evaluate, predict, validate
from course_lib.training.loop import seed_everything, train, train_step

__all__ = [
    "AlreadyRunning",
    "Checkpoint",
    "History",
    "TrainConfig",
    "WrongCheckpoint",
    "accuracy_by_angle",
    "default_device",
    "evaluate",
    "locked",
    "predict",
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
]
