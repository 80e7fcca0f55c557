"""Accuracy against angle for C1, C4, C8 and C16, all trained on upright digits only: the picture of notebook 12.

    uv run python tests/benchmarks/angles.py DATA.npz [--device cuda] [--seeds 0 1 2] [--groups C1 C4 C8 C16]

One network, `sfcnn`, on four groups, with a width for each that gives about as many parameters. DATA.npz holds upright
digits (`course_lib.data.load_npz`), such as mnist-27k.npz; without it, the bundled ones are taken. Writes every epoch's
metrics, and the accuracy on test images turned by each angle, with their provenance, as JSON after each run.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from digits_p4_vs_z2 import ROOT, provenance

from course_lib.data import Dataset, load_digits, load_npz, normalized
from course_lib.groups import C1, C4, C8, C16, Group
from course_lib.models import sfcnn
from course_lib.training import (
    TrainConfig,
    accuracy_by_angle,
    default_device,
    device_name,
    evaluate,
    seed_everything,
    train,
    write_json,
)

NETWORKS: dict[str, tuple[Group, int]] = {"C1": (C1, 18), "C4": (C4, 9), "C8": (C8, 11), "C16": (C16, 8)}
ANGLES = tuple(range(0, 360, 5))
TRAIN, TURNED = 10_000, 3_000  # 3,000 test images: a standard error of 0.3 points at 98 %


def recipe(seed: int, epochs: int) -> TrainConfig:
    return TrainConfig(epochs=epochs, batch_size=128, learning_rate=0.01, schedule="cosine", warmup_epochs=1, seed=seed)


def digits_of(path: Path | None) -> Dataset:
    dataset = load_digits() if path is None else load_npz(path)
    return normalized(replace(dataset, train=dataset.train.first(TRAIN)))


def run(name: str, seed: int, digits: Dataset, options: argparse.Namespace) -> dict[str, Any]:
    group, width = NETWORKS[name]
    seed_everything(seed)
    net = sfcnn(group, width, digits.classes)
    start = time.perf_counter()
    history = train(net, digits.train, recipe(seed, options.epochs), digits.validation, device=options.device)
    if history.interrupted:
        raise KeyboardInterrupt
    seconds = time.perf_counter() - start
    black = digits.background[0]
    few = digits.test.first(TURNED)
    few = replace(few, images=few.images - black)  # what comes in from outside a turned image is 0, and black is, too
    net = torch.nn.Sequential(Shift(black), net).to(options.device).eval()
    return {
        "group": name,
        "width": width,
        "seed": seed,
        "parameters": sum(p.numel() for p in net.parameters()),
        "seconds": seconds,
        "upright_test_accuracy": evaluate(net[1], digits.test),
        "accuracy": [round(a, 5) for a in accuracy_by_angle(net, few, ANGLES).tolist()],
        "history": asdict(history),
    }


class Shift(torch.nn.Module):
    """x + a."""

    def __init__(self, a: float) -> None:
        super().__init__()
        self.a = a

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.a


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", help="an .npz of upright digits; the bundled ones without it")
    parser.add_argument("--device", default=str(default_device()))
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--groups", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--result", type=Path, default=ROOT / "data" / "results" / "angles.json")
    options = parser.parse_args()
    digits = digits_of(options.data)
    origin = {  # before the runs: of the code that was loaded
        **provenance(digits),
        "device": device_name(torch.device(options.device)),
        "angles": ANGLES,
        "test_images_turned": min(TURNED, len(digits.test)),
    }
    runs: list[dict[str, Any]] = []
    start = time.perf_counter()
    for seed in options.seeds:
        for name in options.groups:
            runs.append(run(name, seed, digits, options))
            last = runs[-1]
            mean = 100 * sum(last["accuracy"]) / len(ANGLES)
            upright = 100 * last["upright_test_accuracy"]
            print(
                f"seed {seed}, {name:<3}: upright {upright:.2f} %, all angles {mean:.1f} % ({last['seconds']:.0f} s)",
                flush=True,
            )
            write_json(options.result, {**origin, "wall_seconds": time.perf_counter() - start, "runs": runs})


if __name__ == "__main__":
    main()
