"""A run killed at random instants (SIGKILL) ends with the same weights, bit by bit, as one that nobody touched.

    python tests/benchmarks/kill_and_resume.py [--kills 20] [--seed 0]

Trains a small network with everything that has a state: momentum, a schedule, dropout, batch norm, augmentation. Each
process is a fork, so that a kill costs milliseconds. The exit status is 1 if a checksum differs or a file is left over.
"""

import argparse
import json
import os
import random
import signal
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from course_lib.data import load_digits
from course_lib.experiments import Row, find
from course_lib.experiments.row import EXECUTED
from course_lib.groups import Group
from course_lib.training.runs import Run, execute

CPU = torch.device("cpu")


def network(group: Group, width: int, classes: int = 10) -> nn.Module:
    layers = [nn.Conv2d(1, width, 5, 3), nn.BatchNorm2d(width), nn.ReLU(), nn.Dropout(0.2), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(width * 64, classes))


def row() -> Row:
    """A recipe with every kind of state."""
    known = find("p4cnn")
    recipe = replace(
        known.recipe,
        optimizer="sgd",
        learning_rate=0.05,
        momentum=0.9,
        nesterov=True,
        epochs=40,
        batch_size=16,
        milestones=(20,),
        factor=0.1,
        warmup=5,
        augmentation=("rotate", "crop2"),
    )
    return replace(known, key="small", network=network, width=4, recipe=recipe, rule=EXECUTED)


def write_data(path: Path, count: int = 80) -> Path:
    """So many digits for training, and 40 for the test, as an .npz."""
    digits = load_digits()
    arrays = {}
    for name, split in {"train": digits.train.first(count), "test": digits.test.first(40)}.items():
        arrays[f"{name}_images"] = (255 * split.images[:, 0]).byte().numpy()
        arrays[f"{name}_labels"] = split.labels.byte().numpy()
    np.savez(path, **arrays)
    return path


def in_a_fork(run: Run, kill_after: float | None = None) -> bool:
    """Execute the run in a process of its own; whether it came to its end."""
    child = os.fork()
    if child == 0:
        execute(run, CPU)
        os._exit(0)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1] == 0


def epochs_done(run: Run) -> int:
    if not run.checkpoint.exists():
        return 0
    about = json.loads(torch.load(run.checkpoint, weights_only=True)["about"])
    return len(about["history"]["seconds"])


def checksum(run: Run) -> str:
    return str(execute(run, CPU)["network"]["weights_sha256"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the instants")
    options = parser.parse_args()
    torch.set_num_threads(1)
    instants = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        data = str(write_data(Path(folder) / "digits.npz"))
        untouched = Run(row(), "kills", Path(folder) / "untouched", data=data)
        untouched.row.counts(), untouched.dataset()  # both are remembered, so that no fork begins with them
        start = time.perf_counter()
        assert in_a_fork(untouched)
        seconds = time.perf_counter() - start
        expected, kills, places, checksums, leftovers = checksum(untouched), 0, [], [], 0
        while kills < options.kills:
            run = replace(untouched, results=Path(folder) / f"killed{len(checksums)}")
            while kills < options.kills and not in_a_fork(run, instants.uniform(0, seconds / 6)):
                kills += 1
                places.append(epochs_done(run))
                leftovers += len(list(run.folder.glob("*.tmp")))
            checksums.append(checksum(run))
            assert not list(run.folder.glob("*.tmp")), "a half-written file is left"
    print(f"{kills} kills, after epochs {places} of {row().recipe.epochs}; {leftovers} in the middle of a write")
    print(f"{len(checksums)} runs, {sum(found == expected for found in checksums)} with the checksum {expected[:16]}…")
    return 0 if set(checksums) == {expected} else 1


if __name__ == "__main__":
    raise SystemExit(main())
