"""The grids that chose the laptop recipes, by validation images alone: the test sets are not read.

    OMP_NUM_THREADS=1 PYTHONPATH=. python tests/benchmarks/laptop_grid.py rotated-mnist rotated:mnist-27k.npz
    OMP_NUM_THREADS=1 PYTHONPATH=. python tests/benchmarks/laptop_grid.py cifar10 cifar10-jpeg.npz

A number behind it is that of the processes at once.
Seed 0. Each network is trained by each candidate. What data/results/laptop_grid.json holds already is not trained
again, so the command may be stopped and repeated. It ends when every cell is filled.
"""

import json
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, replace
from itertools import product
from multiprocessing import get_context
from pathlib import Path

from course_lib.data import load_dataset
from course_lib.experiments import LAPTOP, find
from course_lib.training import seed_everything, train, write_json
from course_lib.training.environment import default_device, provenance
from course_lib.training.recipes import augmentation_of, config_of, prepared

OUT = Path(__file__).resolve().parents[2] / "data" / "results" / "laptop_grid.json"
# Epochs, learning rates, and networks, the slowest learner first.
GRIDS = {
    "rotated-mnist": ((48, 16), (0.005, 0.01, 0.02), ("e4net", "gc-p4cnn-30", "p4cnn", "z2cnn")),
    "cifar10": ((40,), (0.05, 0.1, 0.2), ("resnet29-asc", "resnet29")),
}


def cell(row_key: str, epochs: int, rate: float, source: str) -> dict[str, object]:
    """Train one network by one candidate; its validation error in percent after each epoch."""
    row = find(row_key)
    recipe = replace(LAPTOP[row.recipe.dataset], epochs=epochs, learning_rate=rate)
    dataset = prepared(load_dataset(source, recipe.validation, recipe.per_class), recipe.normalization)
    seed_everything(0)
    net = row.build(dataset.classes)
    history = train(net, dataset.train, config_of(recipe), dataset.validation, augmentation_of(recipe, dataset))
    return {
        "row": row_key,
        "epochs": epochs,
        "learning_rate": rate,
        "validation_error_percent": [round(100 * (1 - accuracy), 3) for accuracy in history.validation_accuracy],
        "train_loss": [round(loss, 5) for loss in history.train_loss],
        "seconds": round(sum(history.seconds)),
        "dataset": {"name": dataset.name, "sha256": dataset.sha256},
        "config": asdict(history.config),
        "session": provenance(default_device()),
    }


def main(grid: str, source: str, processes: int) -> None:
    """Fill the cells that are missing; the file is written whenever one is done."""
    cells = json.loads(OUT.read_text(encoding="utf-8")) if OUT.exists() else []
    done = {(found["row"], found["epochs"], found["learning_rate"]) for found in cells}
    missing = [(row, epochs, rate) for epochs, rate, row in product(*GRIDS[grid]) if (row, epochs, rate) not in done]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for finished in as_completed(pool.submit(cell, *key, source) for key in missing):
            cells.append(finished.result())
            write_json(OUT, sorted(cells, key=lambda c: (c["row"], c["epochs"], c["learning_rate"])))
            row, epochs, rate = (cells[-1][name] for name in ("row", "epochs", "learning_rate"))
            error = cells[-1]["validation_error_percent"][-1]
            print(f"{row}, {epochs} epochs, rate {rate}: {error:.2f} % of the validation images", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 1)
