"""The overview of a table that a cluster fills: one line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from course_lib.training.runs import Run


@dataclass
class Job:
    """A run and what is known about it where the table was started.

    Args:
        state: "waiting", "running", "done", "stopped", "failed", or "at another process", which holds the run's lock.
        epoch: the last one that a worker has stored, and ``trained`` how many were stored since the table was started.
        message: what the run said at its end: its results, or why there are none.
    """

    run: Run
    state: str = "waiting"
    epoch: int = 0
    trained: int = 0
    message: str = ""

    def work(self, epochs: int) -> int:
        """Epochs × multiply-accumulates for one image, so that an epoch of a small network counts less."""
        return epochs * self.run.row.counts().executed


def overview(jobs: Sequence[Job], elapsed: float, now: datetime) -> str:
    """How many runs are in which state, and when all may be done, by what was computed in ``elapsed`` seconds."""
    counts = Counter(job.state for job in jobs)
    done = counts.pop("done", 0)
    parts = [f"{done} of {len(jobs)} runs done", *(f"{count} {state}" for state, count in sorted(counts.items()))]
    if computed := sum(job.work(job.trained) for job in jobs):
        left = sum(job.work(job.run.config.epochs - job.epoch) for job in jobs if job.state in ("waiting", "running"))
        end = now + timedelta(seconds=left * elapsed / computed)
        parts.append(f"end about {end:%H:%M}" if end.date() == now.date() else f"end about {end:%a %d %b %H:%M}")
    return ", ".join(parts)
