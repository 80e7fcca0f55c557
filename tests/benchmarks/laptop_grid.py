"""The grid that chose the laptop recipe of rotated MNIST, by validation images alone: the test set is not read.

    OMP_NUM_THREADS=1 PYTHONPATH=. python tests/benchmarks/laptop_grid.py rotated:mnist-27k.npz

Seed 0. Each network is trained by each candidate. What data/results/laptop_grid.json holds already is not trained
again, so the command may be stopped and repeated. It ends when every cell is filled.
"""

import json
import sys
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path

from course_lib.data import load_dataset
from course_lib.experiments import LAPTOP, find
from course_lib.training import seed_everything, train, write_json
from course_lib.training.devices import default_device
from course_lib.training.provenance import provenance
from course_lib.training.recipes import augmentation_of, config_of, prepared

OUT = Path(__file__).resolve().parents[2] / "data" / "results" / "laptop_grid.json"
ROWS = ("p4cnn", "z2cnn", "e4net")  # the two ends of the comparison, and the slowest learner
CANDIDATES = [(16, 0.01), (16, 0.02), (16, 0.005), (48, 0.01)]  # epochs, learning rate


def cell(row_key: str, epochs: int, rate: float, source: str) -> dict[str, object]:
    """Train one network by one candidate; its validation error in percent after each epoch."""
    recipe = replace(LAPTOP["rotated-mnist"], epochs=epochs, learning_rate=rate)
    dataset = prepared(load_dataset(source, recipe.validation), recipe.normalization)
    seed_everything(0)
    net = find(row_key).build()
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


if __name__ == "__main__":
    cells = json.loads(OUT.read_text(encoding="utf-8")) if OUT.exists() else []
    done = {(found["row"], found["epochs"], found["learning_rate"]) for found in cells}
    for (epochs, rate), row_key in sorted(product(CANDIDATES, ROWS), key=lambda cell: cell[0][0]):  # short ones first
        if (row_key, epochs, rate) not in done:
            cells.append(cell(row_key, epochs, rate, sys.argv[1]))
            write_json(OUT, cells)
            error = cells[-1]["validation_error_percent"][-1]
            print(f"{row_key}, {epochs} epochs, rate {rate}: {error:.2f} % of the validation images", flush=True)
