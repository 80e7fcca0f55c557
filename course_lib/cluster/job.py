"""One run of a table on its way through a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from course_lib.training.runs import Run

State = Literal["waiting", "running", "busy", "refused", "done", "stopped", "failed"]
MOST_DEATHS = 3  # of workers in a row that bring a run no epoch further: then the run is what kills them


@dataclass
class Job:
    """A run and what is known about it here, where the table was started.

    Args:
        state: ``busy`` if another process holds the run's lock, which may be another person's; ``refused`` if the
            machine that was to do it cannot, but another may; else as it says.
        epoch: the last one that a worker has stored, and ``trained`` how many were stored since the table was started.
        deaths: of workers and nodes since the last epoch was stored; ``restarts``: of all.
        not_before: the time, in seconds of `time.monotonic`, before which a busy or refused run is not tried again.
        message: what the run said at its end: its figures, or its error.
    """

    run: Run
    state: State = "waiting"
    epoch: int = 0
    trained: int = 0
    deaths: int = 0
    restarts: int = 0
    not_before: float = 0.0
    message: str = ""

    @cached_property
    def epochs(self) -> int:
        return self.run.config().epochs

    @cached_property
    def cost(self) -> float:
        """Of one epoch, to compare the runs of one table: multiply-accumulates for one image."""
        return float(self.run.row.counts().executed)

    @property
    def name(self) -> str:
        return f"{self.run.row.key}, seed {self.run.seed}"

    def heard(self, epoch: int | None, under_way: bool) -> None:
        """A worker has begun (None), or has stored an epoch; word may come late, when it is no longer under way.

        A run that was locked is only known to run again when it has stored an epoch.
        """
        if under_way and (epoch is not None or self.state != "busy"):
            self.state = "running"
        if epoch is not None:
            self.epoch, self.trained, self.deaths = epoch, self.trained + 1, 0

    def died(self, cause: str) -> None:
        """Its worker or node is gone; the run waits for another, which goes on from the checkpoint, or is given up."""
        self.deaths += 1
        if self.deaths < MOST_DEATHS:
            self.state, self.restarts = "waiting", self.restarts + 1
        else:
            self.state = "failed"
            self.message = f"its worker died {self.deaths} times without finishing one more epoch; at last: {cause}"
