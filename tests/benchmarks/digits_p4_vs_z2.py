"""P4CNN against Z2CNN on the bundled rotated digits, on the CPU, once per seed: the recipe of notebook 04.

    uv run python tests/benchmarks/digits_p4_vs_z2.py [--threads 2] [--seeds 0 1 2 3 4] [--result FILE]

Prints a table of test errors after the last epoch, and writes every epoch's metrics with their provenance as JSON. The
exit status is 1 unless P4CNN has the smaller test error for every seed.
"""

import argparse
import platform
import subprocess
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from course_lib.data import Dataset, load_digits
from course_lib.groups import C1, C4, Group
from course_lib.models import p4cnn
from course_lib.training import TrainConfig, evaluate, seed_everything, train, write_json

ROOT = Path(__file__).resolve().parents[2]
NETWORKS: dict[str, tuple[Group, int]] = {"Z2CNN": (C1, 20), "P4CNN": (C4, 10)}


def recipe(seed: int) -> TrainConfig:
    return TrainConfig(epochs=10, batch_size=64, learning_rate=0.01, schedule="cosine", seed=seed)


def run(name: str, seed: int, digits: Dataset) -> dict[str, Any]:
    seed_everything(seed)
    net = p4cnn(*NETWORKS[name])
    start = time.perf_counter()
    history = train(net, digits.train, recipe(seed), digits.validation, device="cpu")
    seconds = time.perf_counter() - start
    if history.interrupted:
        raise KeyboardInterrupt
    error = 100 * (1 - evaluate(net, digits.test))
    parameters = sum(p.numel() for p in net.parameters())
    return {
        "network": name,
        "seed": seed,
        "test_error_percent": error,
        "seconds": seconds,
        "parameters": parameters,
        "history": asdict(history),
    }


def provenance(digits: Dataset) -> dict[str, Any]:
    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()

    return {
        "dataset": digits.name,
        "dataset_sha256": digits.sha256,
        "images": {"train": len(digits.train), "validation": len(digits.validation), "test": len(digits.test)},
        "commit": git("rev-parse", "HEAD"),
        "uncommitted_changes_in_course_lib": git("status", "--porcelain", "course_lib").splitlines(),
        "hardware": processor(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.processor())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--result", type=Path, default=ROOT / "data" / "results" / "digits_p4_vs_z2.json")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    digits = load_digits(rotated=True)
    origin = provenance(digits)  # before the runs: the code that was loaded is the code of this commit
    print(f"{options.threads} threads, {recipe(0)}\nseed | test error % (seconds)")
    runs, won = [], True
    start = time.perf_counter()
    for seed in options.seeds:
        pair = [run(name, seed, digits) for name in NETWORKS]
        runs += pair
        won &= pair[1]["test_error_percent"] < pair[0]["test_error_percent"]
        cells = (f"{r['network']} {r['test_error_percent']:5.1f} ({r['seconds']:4.1f})" for r in pair)
        print(f"{seed:4} | " + " | ".join(cells), flush=True)
    write_json(
        options.result, {**origin, "seeds": options.seeds, "wall_seconds": time.perf_counter() - start, "runs": runs}
    )
    print("P4CNN has the smaller error for every seed" if won else "P4CNN does NOT win for every seed")
    return 0 if won else 1


if __name__ == "__main__":
    raise SystemExit(main())
