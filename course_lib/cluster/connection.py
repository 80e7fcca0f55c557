"""The way to a Ray cluster, and what must hold there."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from course_lib.errors import BadValue, MissingPackage
from course_lib.training import locked


@contextmanager
def connected(address: str | None) -> Iterator[Any]:
    """The module ray, connected to the cluster at this address; see `train_on_ray`."""
    # With the last, Ray would copy this folder to each machine and build an environment there; with the first it would
    # send a report of its use over the network.
    for name in ("RAY_USAGE_STATS_ENABLED", "RAY_ENABLE_UV_RUN_RUNTIME_ENV"):
        os.environ.setdefault(name, "0")
    try:
        import ray
        import ray.util.scheduling_strategies
    except ImportError as error:
        raise MissingPackage(
            "a cluster needs Ray, which is not installed: pip install 'equivariance-from-scratch[ray]', in the "
            "checkout pip install -e '.[ray]', on every machine; or leave out --on ray"
        ) from error
    sigterm = signal.getsignal(signal.SIGTERM)
    ray.init(
        address=address,
        log_to_driver=False,
        logging_level="ERROR",
        include_dashboard=False if address is None else None,
        runtime_env={"env_vars": {n: os.environ[n] for n in ("COURSE_DATA",) if n in os.environ}},
    )
    with suppress(ValueError):  # Ray has put its own there; only the main thread may set one
        signal.signal(signal.SIGTERM, sigterm)
    try:
        yield ray
    finally:
        ray.shutdown()


@contextmanager
def witnessed(folder: Path) -> Iterator[Path]:
    """A locked file in the folder, by which a worker knows that its disk is ours."""
    path = folder / f".witness-{uuid.uuid4().hex}"
    try:
        with locked(path):
            yield path
    finally:
        path.unlink(missing_ok=True)


def gpus_for(ray: Any, wanted: float | None, device: str | None) -> float:
    """What part of a GPU a run takes. Raises ValueError if it is to have one and the cluster has none."""
    there = ray.cluster_resources().get("GPU", 0)
    if wanted is None:
        return float(device != "cpu" and there > 0)
    if wanted and not there:
        raise BadValue(
            f"--gpus-per-run {wanted}: no machine of this cluster has a GPU that Ray knows of; start one with "
            "`ray start --num-gpus`, or train on CPUs with --gpus-per-run 0"
        )
    return wanted
