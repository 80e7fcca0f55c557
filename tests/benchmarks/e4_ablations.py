"""The ablations of the E4 paper (Tables 2 and 3) in miniature, on the bundled rotated digits, on the CPU: notebook 08.

    uv run python tests/benchmarks/e4_ablations.py [--threads 1] [--seeds 0 1 2 3]

A small network of two E4 layers, width 12, on 16×16 pixels, one run per variant and seed, and one variant more: a gain
and a bias for every element in the norm of the kernel generator. Writes every epoch's metrics with their provenance as
JSON after each run, and how many predictions a quarter turn of the test images changes.
"""

import argparse
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from digits_p4_vs_z2 import ROOT, provenance

from course_lib.actions import act_on_image
from course_lib.data import Dataset, load_digits
from course_lib.groups import C4, Element
from course_lib.models import small_e4net
from course_lib.training import TrainConfig, evaluate, predict, seed_everything, train, write_json

WIDTH, PIXELS = 12, 16
VARIANTS: dict[str, dict[str, Any]] = {  # keys as in `course_lib.experiments.e4.E4_MNIST`
    "e4net": {},
    "e4net-concat-none": {"concat": "none"},
    "e4net-concat-k": {"concat": "K"},
    "e4net-concat-v": {"concat": "V"},
    "e4net-s1": {"slices": 1},
    "e4net-s4": {"slices": 4},
    "e4net-r2": {"reduction": 2},
    "e4net-r4": {"reduction": 4},
    "e4net-k3": {"kernel_size": 3},
    "e4net-k7": {"kernel_size": 7},
    "per-element": {"affine": "per_element", "allow_approximate": True},
}


def recipe(seed: int) -> TrainConfig:
    return TrainConfig(epochs=10, batch_size=32, learning_rate=0.03, schedule="cosine", seed=seed)


def run(variant: str, seed: int, digits: Dataset) -> dict[str, Any]:
    seed_everything(seed)
    net = small_e4net(C4, WIDTH, **VARIANTS[variant])
    start = time.perf_counter()
    history = train(net, digits.train, recipe(seed), device="cpu")
    if history.interrupted:
        raise KeyboardInterrupt
    upright = predict(net, digits.test.images)
    turned = predict(net, act_on_image(Element(0, 1), digits.test.images))
    return {
        "variant": variant,
        "seed": seed,
        "parameters": sum(p.numel() for p in net.parameters()),
        "seconds": time.perf_counter() - start,
        "test_error_percent": 100 * (1 - evaluate(net, digits.test)),
        "validation_error_percent": 100 * (1 - evaluate(net, digits.validation)),
        "changed_by_a_quarter_turn_percent": 100 * (upright != turned).double().mean().item(),
        "history": asdict(history),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3])
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--result", type=Path, default=ROOT / "data" / "results" / "e4_ablations.json")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    digits = load_digits(rotated=True, size=PIXELS)
    origin = {**provenance(digits), "width": WIDTH, "pixels": PIXELS}  # before the runs: of the code that was loaded
    runs: list[dict[str, Any]] = []
    start = time.perf_counter()
    for seed in options.seeds:
        for variant in options.variants:
            runs.append(run(variant, seed, digits))
            error, changed = runs[-1]["test_error_percent"], runs[-1]["changed_by_a_quarter_turn_percent"]
            seconds = runs[-1]["seconds"]
            print(f"seed {seed}, {variant:<17}: {error:5.1f} %, changed {changed:4.1f} % ({seconds:.0f} s)", flush=True)
            write_json(options.result, {**origin, "wall_seconds": time.perf_counter() - start, "runs": runs})


if __name__ == "__main__":
    main()
