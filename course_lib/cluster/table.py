"""A table on a Ray cluster. Ray finds machines and says who died; runs, locks and files are those of one machine."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from course_lib.cluster.connection import connected, gpus_for, witnessed
from course_lib.cluster.job import Job, State
from course_lib.cluster.overview import overview
from course_lib.cluster.task import Orders, attempt
from course_lib.data.registry import ROTATED
from course_lib.training.runs import Run, Stopped

TRY_AGAIN = 10.0  # seconds until a run that is locked is tried again
PATIENCE = 120.0  # seconds in which the lock of a worker that died with its machine is given back; NFS takes up to 90


def train_on_ray(
    runs: Sequence[Run],
    address: str | None = None,
    gpus_per_run: float | None = None,
    device: str | None = None,
    time_budget: float = math.inf,
    progress: bool = False,
) -> int:
    """Every run that is not done yet as a task of a Ray cluster; the exit status is 1 if a run failed, else 0.

    A run whose worker or machine dies is begun again elsewhere and goes on from its checkpoint; three deaths without
    one more epoch, and it counts as failed. One that a machine refuses is tried again while others are at work. What
    fails is listed at the end and keeps no other run from its turn.

    Args:
        address: of the cluster; "auto" for the one that runs on this machine. By default $RAY_ADDRESS, else the one on
            this machine, else one that is started here and ends with this call.
        gpus_per_run: what part of a GPU each run takes; by default a whole one, and none if the cluster has none.
        progress: show the overview on stderr.

    Raises ImportError that says how to install Ray, ValueError if the cluster has no GPU, ConnectionError if it cannot
    be reached, Stopped if the user or the time budget ends the table early.
    """
    jobs = [Job(_for_other_machines(run)) for run in runs if not run.result.exists()]
    if not jobs:
        return 0
    with connected(address) as ray, witnessed(jobs[0].run.results) as witness:
        gpus = gpus_for(ray, gpus_per_run, device)
        for run in {job.run.data or job.run.row.recipe.dataset: job.run for job in jobs}.values():
            run.dataset()  # fetches it if need be, before a hundred workers do, and finds what is wrong with it
        orders = Orders(device or ("cuda" if gpus else "cpu"), witness, time.time() + time_budget)
        stopped = _watch(_Driver(ray, jobs, orders, gpus), progress)
    ended_early = stopped or any(job.state == "stopped" for job in jobs)
    failed = _say_what_failed(jobs, states=("failed",) if ended_early else ("failed", "refused"))
    for job in jobs:
        if job.state == "busy" and not job.run.result.exists():
            print(f"{job.name}: another process is at it", flush=True)
    if stopped or (ended_early and not failed):
        done = sum(job.state == "done" for job in jobs)
        raise Stopped(f"stopped: {done} of {len(jobs)} runs done; the same command goes on")
    return 1 if failed else 0


def _watch(driver: _Driver, progress: bool) -> bool:
    """Print what is done and show the overview, until the end; whether it was the user who ended it."""
    bar = tqdm(bar_format="{desc}", disable=not progress)
    try:
        for job in driver.finished():
            if progress:
                bar.set_description_str(overview(driver.jobs, driver.elapsed, datetime.now()))
            if job and job.state == "done":
                tqdm.write(job.message)
                sys.stdout.flush()
    except KeyboardInterrupt:
        return True
    finally:
        bar.close()
    return False


@dataclass
class _Driver:
    """Hands the runs out, and gathers what becomes of them."""

    ray: Any
    jobs: Sequence[Job]
    orders: Orders
    gpus: float
    begin: float = field(default_factory=time.monotonic)
    patient_until: float = 0.0  # with locks, which may be those of dead workers
    working_until: float = 0.0  # a machine has done a run not long before, and may do one that another refuses
    refusals: set[str] = field(default_factory=set)
    tasks: dict[Any, int] = field(default_factory=dict)  # Ray's reference of each task → the number of its job

    def __post_init__(self) -> None:
        here = self.ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            self.ray.get_runtime_context().get_node_id(), soft=False
        )
        # On this machine: it must not die with a worker's.
        self.board = self.ray.remote(num_cpus=0, scheduling_strategy=here)(_board()).remote()
        # Ray's own retries are off: it counts deaths, and here those count that bring a run no further.
        self.attempt = self.ray.remote(num_cpus=1, num_gpus=self.gpus, max_retries=0)(_attempt)
        self.patient_until = self.working_until = self.begin + PATIENCE

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.begin

    def finished(self) -> Iterator[Job | None]:
        """Each job at its end, and None about once a second, until nothing is left to do."""
        while True:
            self._hand_out()
            if self.tasks:
                ended, _ = self.ray.wait(list(self.tasks), timeout=1)
            elif any(map(self._is_worth_another_try, self.jobs)):
                ended = []
                time.sleep(1)
            else:
                return
            under_way = set(self.tasks.values())
            for number, epoch in self.ray.get(self.board.read.remote()):
                self.jobs[number].heard(epoch, number in under_way)
            for task in ended:
                job = self.jobs[self.tasks.pop(task)]
                self._settle(job, task)
                yield job
            yield None

    def _hand_out(self) -> None:
        under_way = set(self.tasks.values())
        for number, job in enumerate(self.jobs):
            again = time.monotonic() >= job.not_before and self._is_worth_another_try(job)
            ready = job.state == "waiting" or again
            if ready and number not in under_way:
                task = self.attempt.remote(job.run, self.orders, self.board, number)
                self.tasks[task] = number

    def _is_worth_another_try(self, job: Job) -> bool:
        """A run that was locked or refused: while there is other work anyway, and for as long as there is hope."""
        if job.state not in ("busy", "refused"):
            return False
        at_work = any(other.state in ("waiting", "running") for other in self.jobs)
        return at_work or time.monotonic() < (self.patient_until if job.state == "busy" else self.working_until)

    def _settle(self, job: Job, task: Any) -> None:
        errors = self.ray.exceptions
        try:
            job.state, job.message = self.ray.get(task)
            if job.state == "refused" and job.message not in self.refusals:
                self.refusals.add(job.message)
                tqdm.write(job.message, file=sys.stderr)
        except errors.RayTaskError as error:  # not of the run, whose errors are answers: course_lib is not there
            last_line = str(error).strip().splitlines()[-1]
            job.state, job.message = "failed", f"{last_line}; is this course_lib installed on every machine?"
        except errors.RayError as error:
            job.died(str(error).splitlines()[0])
            self.patient_until = time.monotonic() + PATIENCE
        if job.state not in ("busy", "refused"):
            self.working_until = time.monotonic() + PATIENCE
        job.not_before = time.monotonic() + TRY_AGAIN


def _board() -> type:
    """An actor: where the workers leave word, until the driver takes it.

    A class of a function is sent to the actor's process as it is; by name, that would import torch to find it.
    """

    class Board:
        def __init__(self) -> None:
            self.news: list[tuple[int, int | None]] = []

        def tell(self, number: int, epoch: int | None) -> None:
            self.news.append((number, epoch))

        def read(self) -> list[tuple[int, int | None]]:
            news, self.news = self.news, []
            return news

    return Board


def _attempt(run: Run, orders: Orders, board: Any, number: int) -> tuple[str, str]:
    return attempt(run, orders, lambda epoch: board.tell.remote(number, epoch))


def _for_other_machines(run: Run) -> Run:
    """The same run with whole paths: a worker stands in another folder."""
    prefix = ROTATED if run.data.startswith(ROTATED) else ""
    path = Path(run.data.removeprefix(prefix))
    data = f"{prefix}{path.resolve()}" if path.is_file() else run.data
    return replace(run, data=data, results=run.results.resolve())


def _say_what_failed(jobs: Sequence[Job], states: Sequence[State]) -> bool:
    failed = [f"  {job.name}: error: {job.message}" for job in jobs if job.state in states]
    if failed:
        print(f"{len(failed)} of {len(jobs)} runs failed:", *failed, sep="\n", file=sys.stderr, flush=True)
    return bool(failed)
