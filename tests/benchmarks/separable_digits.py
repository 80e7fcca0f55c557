"""P4CNN, g-P4CNN and gc-P4CNN at equal parameters on the bundled rotated digits, on the CPU: for notebook 06.

    uv run python tests/benchmarks/separable_digits.py [--threads 1] [--seeds 0 1 2 3] [--sizes 1029 343 114]
    uv run python tests/benchmarks/separable_digits.py --networks P4CNN --seeds 0 1 2 3 4 5 6 7 --sizes 1029 \
        --result data/results/separable_redundancy.json

Several seeds and training-set sizes. A smaller training set is drawn at random by the seed, the same for all networks,
and every run looks at as many images in all. Writes every epoch's metrics with their provenance as JSON after each run.
The second line is the run of section 1: "mixed" is the share of what training added with its sheets mixed over filters.
"""

import argparse
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from digits_p4_vs_z2 import ROOT, provenance

from course_lib.data import Dataset, Split, load_digits
from course_lib.experiments import ROTATED_MNIST, Row
from course_lib.layers import GroupConv2d
from course_lib.redundancy import explained_by_pc1, mixed_sheets
from course_lib.training import TrainConfig, evaluate, seed_everything, train, write_json

ROWS = [
    row
    for row in ROTATED_MNIST
    if row.parameters and (row.name, row.width) in {("P4CNN", 10), ("g-P4CNN", 17), ("gc-P4CNN", 30)}
]
IMAGES_SEEN = 5 * 1029
MIXINGS = 20


def recipe(size: int, seed: int) -> TrainConfig:
    return TrainConfig(
        epochs=round(IMAGES_SEEN / size), batch_size=32, learning_rate=0.01, schedule="cosine", seed=seed
    )


def subset(split: Split, size: int, seed: int) -> Split:
    chosen = torch.randperm(len(split), generator=torch.Generator().manual_seed(seed))[:size]
    return Split(split.images[chosen], split.labels[chosen])


def filters(net: torch.nn.Module) -> dict[str, torch.Tensor]:
    """ψ of each group convolution, separable ones too: (O, C, |H|, k, k)."""
    convs = {name: layer for name, layer in net.named_children() if isinstance(layer, GroupConv2d)}
    return {name: conv.filters().detach().clone() for name, conv in convs.items()}


def shares(psi: dict[str, torch.Tensor]) -> dict[str, float]:
    """The mean share of the first principal component in each layer."""
    return {name: explained_by_pc1(values).mean().item() for name, values in psi.items()}


def mixed_shares(psi: dict[str, torch.Tensor]) -> dict[str, float]:
    """The same if every sheet comes from another filter of the layer, as a mean over several mixings."""
    each = [shares({name: mixed_sheets(values, seed) for name, values in psi.items()}) for seed in range(MIXINGS)]
    return {name: sum(found[name] for found in each) / MIXINGS for name in psi}


def run(row: Row, size: int, seed: int, digits: Dataset) -> dict[str, Any]:
    seed_everything(seed)
    net = row.build()
    before = filters(net)
    start = time.perf_counter()
    history = train(net, subset(digits.train, size, seed), recipe(size, seed), device="cpu")
    if history.interrupted:
        raise KeyboardInterrupt
    after = filters(net)
    added = {name: after[name] - before[name] for name in after}
    return {
        "network": row.name,
        "width": row.width,
        "parameters": sum(p.numel() for p in net.parameters()),
        "images": size,
        "seed": seed,
        "seconds": time.perf_counter() - start,
        "validation_error_percent": 100 * (1 - evaluate(net, digits.validation)),
        "test_error_percent": 100 * (1 - evaluate(net, digits.test)),
        "explained_by_pc1": {
            "before": shares(before),
            "after": shares(after),
            "added": shares(added),
            "mixed": mixed_shares(added),
        },
        "history": asdict(history),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1029, 343, 114])
    parser.add_argument("--networks", nargs="+", default=[row.name for row in ROWS])
    parser.add_argument("--result", type=Path, default=ROOT / "data" / "results" / "separable_digits.json")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    digits = load_digits(rotated=True)
    origin = provenance(digits)  # before the runs: the code that was loaded is the code of this commit
    runs: list[dict[str, Any]] = []
    start = time.perf_counter()
    for seed in options.seeds:
        for size in options.sizes:
            for row in (row for row in ROWS if row.name in options.networks):
                runs.append(run(row, size, seed, digits))
                error, seconds = runs[-1]["test_error_percent"], runs[-1]["seconds"]
                print(f"seed {seed}, {size:4} images, {row.name:<8}: {error:5.1f} % ({seconds:.0f} s)", flush=True)
                write_json(options.result, {**origin, "wall_seconds": time.perf_counter() - start, "runs": runs})


if __name__ == "__main__":
    main()
