"""A table of 12 small runs on a Ray cluster of two machines (processes here), while a worker and a machine are killed.

    PYTHONPATH=. python tests/benchmarks/ray_deaths.py [--seeds 4] [--epochs 8]

The same table is trained without Ray first. Then: one worker is killed (SIGKILL) in mid-run, one of the two machines
with all its workers, and another machine joins. The exit status is 1 unless all runs are there, once each, with the
weights of the plain table, bit by bit, and the command said that all went well.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.kill_and_resume import write_data

ROWS = ("z2cnn", "c-z2cnn", "z2cnn-cohen")
IMAGES = 120  # for training: an epoch takes a fraction of a second


def cluster_of(machines: int) -> tuple[Any, list[Any]]:
    """A head that computes nothing, and machines with one core each."""
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "num_gpus": 0, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    return cluster, [cluster.add_node(num_cpus=1, num_gpus=0) for _ in range(machines)]


def workers_at_a_run(results: Path) -> dict[int, Path]:
    """The processes that hold the lock of a run, as the kernel lists them, and the checkpoint of that run."""
    locks = {lock.stat().st_ino: lock for lock in results.glob("**/seed*.lock")}
    lines = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    holders = {int(words[4]): int(words[5].split(":")[2]) for words in lines if words[1] == "FLOCK"}
    return {pid: locks[inode].with_suffix(".pt") for pid, inode in holders.items() if inode in locks}


def kill_a_worker(results: Path) -> str:
    """One that has stored an epoch of its run; returns which run that was."""
    worker, checkpoint = wait_for(
        lambda: next(((p, c) for p, c in workers_at_a_run(results).items() if c.exists()), None)
    )
    os.kill(worker, signal.SIGKILL)
    return name_of(checkpoint)


def kill_a_machine(cluster: Any, machine: Any, results: Path) -> str:
    """When two more runs are done and both machines are at work; then another joins. Returns which runs were hit."""
    enough = len(done(results)) + 2
    wait_for(lambda: len(done(results)) >= enough and len(workers_at_a_run(results)) == 2)
    at_work = [name_of(path) for path in workers_at_a_run(results).values()]
    cluster.remove_node(machine, allow_graceful=False)
    cluster.add_node(num_cpus=1, num_gpus=0)
    return " and ".join(at_work)


def wait_for(what: Callable[[], Any], seconds: float = 200) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.05)
    raise TimeoutError(f"waited {seconds} s in vain")


def done(results: Path) -> list[Path]:
    return sorted(results.glob("**/seed*.json"))


def name_of(path: Path) -> str:
    return f"{path.parents[1].name} {path.stem}"


def figures(results: Path) -> dict[str, tuple[str, float]]:
    """For every run, where its file lies below the folder: the checksum of its weights and its test error."""
    stored = {str(path.relative_to(results)): json.loads(path.read_text()) for path in done(results)}
    return {
        name: (result["network"]["weights_sha256"], result["final"]["test_error_percent"])
        for name, result in stored.items()
    }


def begun_again(results: Path) -> dict[str, list[int]]:
    """For the runs in which several workers took part, the first epoch of each."""
    stored = {name_of(path): json.loads(path.read_text())["sessions"] for path in done(results)}
    return {name: [one["first_epoch"] for one in parts] for name, parts in stored.items() if len(parts) > 1}


def command(folder: Path, seeds: int, epochs: int, *words: str) -> subprocess.Popen[bytes]:
    """The table in a process of its own, with one thread."""
    common = ["table", "rotated-mnist", "--rows", *ROWS, "--seeds", str(seeds), "--epochs", str(epochs), "--quiet"]
    data = ["--data", str(folder / "digits.npz"), "--batch-size", "24"]
    start = [sys.executable, "-m", "course_lib", *common, *data, *words]
    # Ray's workers stand back behind all else on their machine, which here may be other tests.
    return subprocess.Popen(start, env=os.environ | {"OMP_NUM_THREADS": "1", "RAY_worker_niceness": "0"})


def compare(folder: Path, seeds: int, epochs: int) -> list[str]:
    """The table without Ray and with, and what happened."""
    write_data(folder / "digits.npz", count=IMAGES)
    plain, on_ray, log = folder / "plain", folder / "ray", []
    start = time.monotonic()
    status = command(folder, seeds, epochs, "--results", str(plain)).wait()
    log.append(f"plain: status {status}, {len(done(plain))} runs, {time.monotonic() - start:.0f} s")
    cluster, machines = cluster_of(2)
    try:
        start = time.monotonic()
        words = ["--results", str(on_ray), "--on", "ray", "--address", cluster.address]
        table = command(folder, seeds, epochs, *words)
        log.append(f"killed the worker of {kill_a_worker(on_ray)}; {len(done(on_ray))} runs done")
        log.append(f"killed one of the machines of {kill_a_machine(cluster, machines[0], on_ray)}")
        status = table.wait()
        log.append(f"on Ray: status {status}, {len(done(on_ray))} runs, {time.monotonic() - start:.0f} s")
    finally:
        cluster.shutdown()
    expected, found = figures(plain), figures(on_ray)
    equal = sum(expected[name] == found.get(name) for name in expected)
    left = [path.name for pattern in ("**/*.tmp", ".witness*") for path in on_ray.glob(pattern)]
    log.append(f"first epochs of the workers of runs that were begun again: {begun_again(on_ray)}; files left: {left}")
    log.append(f"{equal} of {len(ROWS) * seeds} runs with the weights and the test error of the plain table")
    assert status == 0 and equal == len(found) == len(ROWS) * seeds and not left, log
    return log


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=8)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(*compare(Path(folder), options.seeds, options.epochs), sep="\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
