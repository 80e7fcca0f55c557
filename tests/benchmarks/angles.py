"""Accuracy against angle for C1, C4, C8 and C16, all trained on upright digits only: the picture of notebook 12.

    uv run python tests/benchmarks/angles.py [--seeds 0 1 2] [--groups C1 C4 C8 C16] [--device cpu]

One network, `small_sfcnn`, on four groups, with a width for each that gives about as many parameters, on the bundled
digits of 14 × 14 pixels. Writes every epoch's metrics, and the accuracy on the test images turned by each angle, with
their provenance, as JSON after each run; runs that the file already holds are not repeated.
"""

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from digits_p4_vs_z2 import ROOT, provenance

from course_lib.data import Dataset, load_digits
from course_lib.groups import C1, C4, C8, C16, Group
from course_lib.models import small_sfcnn
from course_lib.training import TrainConfig, accuracy_by_angle, seed_everything, train, write_json

NETWORKS: dict[str, tuple[Group, int]] = {"C1": (C1, 12), "C4": (C4, 6), "C8": (C8, 7), "C16": (C16, 5)}
ANGLES = [11.25 * i for i in range(33)]


def recipe(seed: int) -> TrainConfig:
    return TrainConfig(epochs=10, batch_size=64, learning_rate=0.01, schedule="cosine", warmup_epochs=1, seed=seed)


def run(name: str, seed: int, digits: Dataset, device: str) -> dict[str, Any]:
    group, width = NETWORKS[name]
    seed_everything(seed)
    net = small_sfcnn(group, width)
    start = time.perf_counter()
    history = train(net, digits.train, recipe(seed), digits.validation, device=device)
    if history.interrupted:
        raise KeyboardInterrupt
    return {
        "group": name,
        "width": width,
        "seed": seed,
        "parameters": sum(p.numel() for p in net.parameters()),
        "seconds": time.perf_counter() - start,
        "accuracy": [round(a, 5) for a in accuracy_by_angle(net, digits.test, ANGLES).tolist()],
        "history": asdict(history),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--groups", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--result", type=Path, default=ROOT / "data" / "results" / "angles.json")
    options = parser.parse_args()
    digits = load_digits(size=14)
    origin = {**provenance(digits), "device": options.device, "angles": ANGLES}  # of the code that was loaded
    runs: list[dict[str, Any]] = json.loads(options.result.read_text())["runs"] if options.result.is_file() else []
    for seed in options.seeds:
        for name in options.groups:
            if any((done["group"], done["seed"]) == (name, seed) for done in runs):
                continue
            runs.append(run(name, seed, digits, options.device))
            accuracy, seconds = runs[-1]["accuracy"], runs[-1]["seconds"]
            mean = 100 * sum(accuracy[:-1]) / len(accuracy[:-1])
            print(
                f"seed {seed}, {name:<3}: {100 * accuracy[0]:.1f} % upright, {mean:.1f} % ({seconds:.0f} s)", flush=True
            )
            write_json(options.result, {**origin, "runs": runs})


if __name__ == "__main__":
    main()
