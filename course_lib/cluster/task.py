"""What a worker of the cluster does: one run, as the plain command would, and word of each epoch."""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from course_lib.cluster.job import State
from course_lib.training import AlreadyRunning, locked, require_device
from course_lib.training.results import one_line
from course_lib.training.runs import Run, Stopped, execute

Tell = Callable[[int | None], None]  # the epoch that is stored now; None at the start


@dataclass(frozen=True)
class Orders:
    """What is the same for all runs of a table.

    Args:
        witness: a file in the folder of results whose lock the driver holds; a worker that does not see both is on
            another disk.
        deadline: in seconds of `time.time`, after which no run is begun, and no epoch that would not end before it but
            for the first of a run that has begun.
    """

    device: str
    witness: Path
    deadline: float = math.inf


def attempt(run: Run, orders: Orders, tell: Tell) -> tuple[State, str]:
    """Execute the run; what became of it, and in words. An error of the run is an answer, not an exception.

    A machine without the shared folder or the device refuses: it would answer every run at once, and so get them all.
    """
    torch.set_num_threads(1)  # a worker has one core; the same number as in the plain command, the same bits
    remaining = orders.deadline - time.time()
    if remaining <= 0:
        return "stopped", ""
    try:
        _require_shared(orders.witness)
        device = require_device(orders.device)
    except (OSError, ValueError) as error:
        return "refused", f"{error} (on {socket.gethostname()})"
    try:
        tell(None)
        result = execute(run, device, time_budget=remaining, on_epoch=lambda history: tell(history.epochs_done))
        return "done", one_line(result)
    except Stopped:
        return "stopped", ""
    except AlreadyRunning:
        return "busy", ""
    except Exception as error:  # whatever it is, the other runs go on and the driver lists it at the end
        return "failed", f"{error or type(error).__name__} (on {socket.gethostname()})"


def _require_shared(witness: Path) -> None:
    """Results that another machine cannot see would be lost, and a lock that it cannot see would keep nobody out."""
    if not witness.exists():
        raise OSError(
            f"the folder {witness.parent} here is not the one that the table was started in; "
            "give one with --results that all machines share"
        )
    try:
        with locked(witness):
            pass
    except AlreadyRunning:
        return
    raise OSError(
        f"the file system of {witness.parent} keeps a lock (flock) within one machine only; mount it so that locks "
        "hold for all (NFS: without local_lock or nolock; Lustre: -o flock), or take another with --results"
    )
