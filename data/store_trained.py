"""Make what `course_lib.experiments.trained` loads: weights in data/trained, and weights.json, which says whose.

    python data/store_trained.py data/results/TABLE/ROW/…/seed0.json [CHECKPOINT.pt]    weights of a stored run
    python data/store_trained.py upright                                                two small networks, trained here

The checkpoint lies beside the result by default. Its weights must be those whose checksum the result has.
"""

import hashlib
import io
import json
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

from course_lib.data import load_digits
from course_lib.experiments import find, variant
from course_lib.experiments.weights import GROUPS
from course_lib.files import write_json, write_whole
from course_lib.groups import C1, C4
from course_lib.training import TrainConfig, evaluate, seed_everything, train, weights_checksum
from course_lib.training.environment import default_device, provenance

FOLDER = Path(__file__).parent / "trained"
RESULTS = Path(__file__).parent / "results"
UPRIGHT = TrainConfig(epochs=6, batch_size=32, learning_rate=0.01, schedule="cosine")


def of_run(result_path: Path, checkpoint: Path) -> None:
    """Take the weights of a run. Raises ValueError if they are another run's."""
    result = json.loads(result_path.read_text(encoding="utf-8"))
    group, width = result["network"]["group"], result["network"]["width"]
    base = find(result["row"].removesuffix(f"-{group}-{width}"))
    net = variant(base, GROUPS[group], width).build()
    net.load_state_dict(torch.load(checkpoint, weights_only=True)["net"])
    if weights_checksum(net) != result["network"]["weights_sha256"]:
        raise ValueError(f"{checkpoint} does not hold the weights of {result_path}: their checksums differ")
    about = {"result": str(result_path.resolve().relative_to(RESULTS))}
    where = {"row": base.key, "group": group, "width": width}
    store(result["row"], where, net, result["final"]["test_error_percent"], about)


def upright() -> None:
    """An ordinary network and a p4 network, equally deep, trained alike on the bundled digits, none of them turned."""
    digits = load_digits()
    for name, group, width in (("upright-cnn", C1, 8), ("upright-p4cnn", C4, 4)):
        row = variant(find("p4cnn-cohen"), group, width)
        seed_everything(0)
        net = row.build()
        train(net, digits.train, UPRIGHT, device="cpu", progress=True)
        about = {"data": digits.name, "config": UPRIGHT.__dict__, "session": provenance(default_device())}
        where = {"row": "p4cnn-cohen", "group": group.name, "width": width}
        store(name, where, net, 100 * (1 - evaluate(net, digits.test)), about)


def store(name: str, where: dict[str, Any], net: nn.Module, test_error: float, about: dict[str, Any]) -> None:
    """Write the weights, and add them to weights.json."""
    buffer = io.BytesIO()
    torch.save(net.state_dict(), buffer)
    write_whole(FOLDER / f"{name}.pt", buffer.getvalue())
    manifest = FOLDER / "weights.json"
    known = json.loads(manifest.read_text(encoding="utf-8")) if manifest.exists() else {}
    known[name] = {
        **where,
        "file": f"{name}.pt",
        "sha256": hashlib.sha256(buffer.getvalue()).hexdigest(),
        "weights_sha256": weights_checksum(net),
        "test_error_percent": test_error,
        **about,
    }
    write_json(manifest, dict(sorted(known.items())))


if __name__ == "__main__":
    if sys.argv[1] == "upright":
        upright()
    else:
        source = Path(sys.argv[1])
        of_run(source, Path(sys.argv[2]) if len(sys.argv) > 2 else source.with_suffix(".pt"))
