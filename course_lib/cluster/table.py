"""A table on a Ray cluster. Ray schedules, and begins again what died; runs, locks and files are as on one machine."""

import logging
import math
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from tqdm.auto import tqdm

from course_lib.cluster.worker import attempt, not_shared
from course_lib.data.registry import ROTATED
from course_lib.errors import BadValue, MissingPackage, UserError
from course_lib.training import AlreadyRunning
from course_lib.training.runs import Run, Stopped

RETRIES = 10  # after so many deaths of its workers a run is given up: it may be the run that kills them
NODE = "ray.io/node-id"  # the label by which Ray knows a machine


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


def train_on_ray(
    runs: Sequence[Run],
    address: str | None = None,
    gpus_per_run: float | None = None,
    device: str | None = None,
    time_budget: float = math.inf,
    progress: bool = False,
) -> int:
    """Every run that is not done yet as a task of a Ray cluster; the exit status is 1 if a run failed, else 0.

    Ray begins a run again whose worker or machine died, and it continues from its checkpoint. What fails is listed at
    the end and keeps no other run from its turn.

    Args:
        address: of the cluster, "auto" for the one on this machine; by default $RAY_ADDRESS, else one is started here.
        gpus_per_run: what part of a GPU each run takes; by default a whole one, and none if the cluster has none.
        progress: show the overview on stderr.

    Raises ImportError that says how to install Ray, ValueError if the cluster has no GPU or a machine does not share
    the folder of results, ConnectionError without a cluster, Stopped if the user or the time budget ends the table.
    """
    jobs = [Job(_for_other_machines(run)) for run in runs if not run.result.exists()]
    if not jobs:
        return 0
    jobs[0].run.results.mkdir(parents=True, exist_ok=True)
    with _connected(address) as ray, NamedTemporaryFile(dir=jobs[0].run.results, prefix=".witness-") as witness:
        gpus = _gpus_for(ray, gpus_per_run, device)
        for run in {job.run.source: job.run for job in jobs}.values():
            run.dataset()  # fetches it if need be, before a hundred workers do, and finds what is wrong with it
        _require_shared(ray, gpus, Path(witness.name))
        orders = device or ("cuda" if gpus else "cpu"), Path(witness.name), time.time() + time_budget
        _fill(ray, jobs, gpus, orders, progress)
    for job in jobs:
        if job.state in ("failed", "at another process"):
            print(f"{job.run.name}: {job.message}", file=sys.stderr, flush=True)
    states = [job.state for job in jobs]
    if {"waiting", "running"} & {*states} or ("stopped" in states and "failed" not in states):
        raise Stopped(f"stopped: {states.count('done')} of {len(jobs)} runs done; the same command goes on")
    return int("failed" in states)


def _fill(ray: Any, jobs: Sequence[Job], gpus: float, orders: tuple[str, Path, float], progress: bool) -> None:
    """Hand the runs out, print what is done and show the overview, until nothing is left to do or the user ends it."""
    here = {NODE: ray.get_runtime_context().get_node_id()}  # the news must not die with a worker's machine
    news = ray.util.queue.Queue(actor_options={"num_cpus": 0, "label_selector": here})
    task = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=RETRIES)(attempt)
    with tqdm(bar_format="{desc}", disable=not progress) as bar, suppress(KeyboardInterrupt):
        tasks = {task.remote(number, job.run, *orders, news): job for number, job in enumerate(jobs)}
        while tasks:
            ended, _ = ray.wait(list(tasks), timeout=1)
            for number, epoch in news.get_nowait_batch(news.size()):
                jobs[number].state, jobs[number].epoch = "running", epoch or jobs[number].epoch
                jobs[number].trained += epoch > 0
            for reference in ended:
                _settle(ray, tasks.pop(reference), reference)
            if progress:
                bar.set_description_str(overview(jobs, bar.format_dict["elapsed"], datetime.now()))


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


def _settle(ray: Any, job: Job, task: Any) -> None:
    try:
        job.message, job.state = ray.get(task), "done"
        tqdm.write(job.message)
        sys.stdout.flush()
    except ray.exceptions.RayError as error:
        match getattr(error, "cause", None):
            case Stopped():
                job.state = "stopped"
            case AlreadyRunning():
                job.state, job.message = "at another process", "another process is at it"
            case UserError() | OSError() as cause:
                job.state, job.message = "failed", f"error: {cause}"
            case _:  # its workers died too often, or a bug, with its traceback
                job.state, job.message = "failed", f"error: {error}"


@contextmanager
def _connected(address: str | None) -> Iterator[Any]:
    """The module ray, connected to the cluster at this address."""
    # Else Ray sends a report of its use over the internet, and copies this folder to build an environment of it.
    for name in ("RAY_USAGE_STATS_ENABLED", "RAY_ENABLE_UV_RUN_RUNTIME_ENV"):
        os.environ.setdefault(name, "0")
    try:
        import ray
        import ray.util.queue
    except ImportError as error:
        raise MissingPackage(
            "a cluster needs Ray, which is not installed: pip install 'equivariance-from-scratch[ray]', in a checkout "
            "pip install -e '.[ray]', on every machine; or leave out --on ray"
        ) from error
    sigterm = signal.getsignal(signal.SIGTERM)
    env = {"env_vars": {name: os.environ[name] for name in ("COURSE_DATA",) if name in os.environ}}
    shown = False if address is None else None
    with ray.init(address, runtime_env=env, include_dashboard=shown, log_to_driver=False, logging_level=logging.ERROR):
        with suppress(ValueError):  # Ray has put its own there; only the main thread may set one
            signal.signal(signal.SIGTERM, sigterm)
        yield ray


def _gpus_for(ray: Any, wanted: float | None, device: str | None) -> float:
    """What part of a GPU a run takes. Raises ValueError if it is to have one and the cluster has none."""
    available = ray.cluster_resources().get("GPU", 0)
    if wanted and not available:
        raise BadValue(
            f"--gpus-per-run {wanted}: no machine of this cluster has a GPU that Ray knows of; start one with "
            "`ray start --num-gpus`, or train on CPUs with --gpus-per-run 0"
        )
    return float(device != "cpu" and available > 0) if wanted is None else wanted


def _require_shared(ray: Any, gpus: float, witness: Path) -> None:
    """Ask every machine that would get runs, before it fails them all."""
    nodes = [n["NodeID"] for n in ray.nodes() if n["Alive"] and n["Resources"].get("GPU" if gpus else "CPU")]
    task = ray.remote(num_cpus=0)(not_shared)
    checks = [task.options(label_selector={NODE: node}).remote(witness) for node in nodes]
    if problems := list(filter(None, ray.get(checks))):
        raise BadValue("\n".join(problems))


def _for_other_machines(run: Run) -> Run:
    """The same run with whole paths: a worker stands in another folder."""
    _, prefix, path = run.data.rpartition(ROTATED)
    data = f"{prefix}{Path(path).resolve()}" if Path(path).is_file() else run.data
    return replace(run, data=data, results=run.results.resolve())
