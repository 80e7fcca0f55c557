"""The overview of a table that a cluster fills: one line."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from course_lib.cluster.job import Job


def overview(jobs: Sequence[Job], elapsed: float, now: datetime) -> str:
    """How many runs are done, running, waiting, failed, how many were begun again, and when all may be done.

    ``elapsed`` is in seconds since the table was started.
    """
    counts = Counter(job.state for job in jobs)
    parts = [f"{counts['done']} of {len(jobs)} runs done", f"{counts['running']} running"]
    parts += [f"{counts[state]} {state}" for state in ("waiting", "refused", "stopped", "failed") if counts[state]]
    if counts["busy"]:
        parts.append(f"{counts['busy']} at another process")
    if restarts := sum(job.restarts for job in jobs):
        parts.append(f"{restarts} begun again")
    return ", ".join([*parts, _end(seconds_left(jobs, elapsed), now)])


def seconds_left(jobs: Sequence[Job], elapsed: float) -> float:
    """What is left to compute ÷ what was computed per second since the start; infinite before the first epoch.

    Both in epochs × multiply-accumulates, so that a short row counts less than a long one. That the last runs leave
    most of the cluster idle is not foreseen.
    """
    computed = sum(job.trained * job.cost for job in jobs)
    left = sum((job.epochs - job.epoch) * job.cost for job in jobs if job.state in ("waiting", "refused", "running"))
    return left * elapsed / computed if computed else math.inf


def _end(seconds: float, now: datetime) -> str:
    if math.isinf(seconds):
        return "end not yet known"
    end = now + timedelta(seconds=seconds)
    return f"end about {end:%H:%M}" if end.date() == now.date() else f"end about {end:%a %d %b %H:%M}"
