"""What a worker of the cluster does: one run, as the plain command would, and word of each epoch."""

import socket
import time
from pathlib import Path
from typing import Any

import torch

from course_lib.errors import BadValue
from course_lib.reports.results import one_line
from course_lib.training import AlreadyRunning, require_device
from course_lib.training.runs import Run, Stopped, execute

PATIENCE = 120.0  # seconds in which the lock of a worker that died with its machine is given back; NFS takes up to 90
TRY_AGAIN = 10.0  # seconds until a run that is locked is tried again


def attempt(number: int, run: Run, device: str, witness: Path, deadline: float, news: Any) -> str:
    """Execute the run and return its result in words.

    No epoch is begun that would not end before the deadline (of `time.time`), but for the first one. ``news``, Ray's
    queue, gets (number, epoch) at the start and whenever an epoch is stored. Raises Stopped, AlreadyRunning if another
    process holds the run for longer than a dead one could, and the errors of the run.
    """
    torch.set_num_threads(1)  # a worker has one core; the same number as in the plain command, the same bits
    if deadline <= time.time():
        raise Stopped("the time is over")
    if problem := not_shared(witness):
        raise BadValue(problem)
    news.put((number, 0))
    patient_until = time.monotonic() + PATIENCE
    while True:
        try:
            place, budget = require_device(device), deadline - time.time()
            return one_line(execute(run, place, False, budget, lambda done: news.put((number, done.epochs_done))))
        except AlreadyRunning:
            if time.monotonic() >= patient_until:
                raise
        time.sleep(TRY_AGAIN)


def not_shared(witness: Path) -> str:
    """What is wrong if the driver's file is not seen here, where results would be lost; else nothing."""
    problem = f"{witness.parent} on {socket.gethostname()} is another folder; give --results that all machines share"
    return "" if witness.exists() else problem
