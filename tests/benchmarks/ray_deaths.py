"""A table of 12 small runs on a Ray cluster of two machines (processes here), while a worker and a machine are killed.

    python tests/benchmarks/ray_deaths.py [--rows z2cnn c-z2cnn z2cnn-cohen] [--seeds 4] [--epochs 8]

The same table is trained without Ray first. Then: one worker is killed (SIGKILL) in mid-run, one of the two machines
with all its workers, and a new machine joins. The exit status is 1 unless all runs are there, once each, with the
weights of the plain table, bit by bit.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kill_and_resume import write_data

from course_lib.cli import main as command_line
from course_lib.experiments import TABLES, Table, find

NAME = "miniature"
IMAGES = 240  # for training: an epoch takes less than a second


def cluster_of(machines: int, cores: int) -> tuple[Any, list[Any]]:
    """A head that computes nothing, and machines that do."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "num_gpus": 0, "include_dashboard": False})
    return cluster, [cluster.add_node(num_cpus=cores, num_gpus=0) for _ in range(machines)]


def workers_at_a_run(results: Path) -> list[int]:
    """The processes that hold the lock of a run, as the kernel lists them."""
    inodes = {lock.stat().st_ino for lock in results.glob("**/seed*.lock")}
    lines = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    return [int(words[4]) for words in lines if words[1] == "FLOCK" and int(words[5].split(":")[2]) in inodes]


def wait_for(what: Callable[[], Any], seconds: float = 120) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.05)
    raise TimeoutError(f"waited {seconds} s in vain")


def kill_in_mid_run(cluster: Any, machines: list[Any], results: Path, log: list[str]) -> None:
    """A worker that has stored an epoch of its run, then a machine when some runs are done; then help comes."""
    wait_for(lambda: list(results.glob("**/seed*.pt")) and workers_at_a_run(results))
    worker = workers_at_a_run(results)[0]
    os.kill(worker, signal.SIGKILL)
    log.append(f"killed worker {worker}; {len(done(results))} runs done")
    wait_for(lambda: len(done(results)) >= 2 and len(workers_at_a_run(results)) > 1)
    cluster.remove_node(machines[0], allow_graceful=False)
    log.append(f"killed a machine; {len(done(results))} runs done")
    cluster.add_node(num_cpus=1, num_gpus=0)


def done(results: Path) -> list[Path]:
    return sorted(results.glob("**/seed*.json"))


def figures(results: Path) -> dict[str, tuple[str, float]]:
    """For every run, where its file lies below the folder: the checksum of its weights and its test error."""
    found = {}
    for path in done(results):
        result = json.loads(path.read_text())
        found[str(path.relative_to(results))] = (
            result["network"]["weights_sha256"],
            result["final"]["test_error_percent"],
        )
    return found


def sessions(results: Path) -> list[list[int]]:
    """The first epoch of every process that took part, for the runs that were begun more than once."""
    stored = [json.loads(path.read_text())["sessions"] for path in done(results)]
    return [[session["first_epoch"] for session in entry] for entry in stored if len(entry) > 1]


def table_of(rows: Sequence[str]) -> Table:
    return Table(NAME, "A miniature", tuple(find(row) for row in rows))


def compare(seeds: int, epochs: int, folder: Path) -> tuple[int, list[str]]:
    """The table without Ray and with; how many runs are missing or differ, and what happened."""
    plain, on_ray, log = folder / "plain", folder / "ray", []
    data = write_data(folder / "digits.npz", count=IMAGES)
    common = ["table", NAME, "--data", str(data), "--batch-size", "24", "--quiet"]
    common += ["--seeds", str(seeds), "--epochs", str(epochs)]
    start = time.perf_counter()
    status = command_line([*common, "--results", str(plain)])
    log.append(f"plain: status {status}, {len(done(plain))} runs, {time.perf_counter() - start:.0f} s")
    cluster, machines = cluster_of(machines=2, cores=1)
    try:
        killer = threading.Thread(target=kill_in_mid_run, args=(cluster, machines, on_ray, log))
        killer.start()
        start = time.perf_counter()
        status = command_line([*common, "--results", str(on_ray), "--on", "ray", "--address", cluster.address])
        log.append(f"on Ray: status {status}, {len(done(on_ray))} runs, {time.perf_counter() - start:.0f} s")
        killer.join()
    finally:
        cluster.shutdown()
    expected, found = figures(plain), figures(on_ray)
    wrong = [name for name in expected | found if expected.get(name) != found.get(name)]
    log.append(f"first epochs of the runs that were begun again: {sessions(on_ray)}; left over: {leftovers(on_ray)}")
    return len(wrong) + (status != 0) + len(leftovers(on_ray)), log


def leftovers(results: Path) -> list[str]:
    return [path.name for pattern in ("**/*.tmp", ".witness*") for path in results.glob(pattern)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", default=["z2cnn", "c-z2cnn", "z2cnn-cohen"])
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=8)
    options = parser.parse_args()
    TABLES[NAME] = table_of(options.rows)
    with tempfile.TemporaryDirectory() as folder:
        wrong, log = compare(options.seeds, options.epochs, Path(folder))
    print(*log, f"{wrong} of {len(options.rows) * options.seeds} runs missing or different", sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
