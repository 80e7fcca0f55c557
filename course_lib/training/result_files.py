"""The files of results: written; read, and refused by name if one is damaged, or is not what its path says."""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

from torch import nn

from course_lib.data import Dataset
from course_lib.data.registry import DATASETS, canonical_name
from course_lib.errors import BadValue
from course_lib.experiments import RecipeName, Row
from course_lib.training.checkpoint import weights_checksum
from course_lib.training.config import History

Result = dict[str, Any]

SCHEMA = 1  # documented in data/results/SCHEMA.md
_WAY_OUT = "remove it, or restore it with git"
_TEXT, _SWITCH, _OBJECT = "a text", "true or false", "an object"
_COUNT, _POSITIVE, _PERCENT = "a whole number of at least 0", "a positive number", "a number from 0 to 100"
_KINDS: dict[str, Callable[[Any], bool]] = {
    _TEXT: lambda value: isinstance(value, str),
    _SWITCH: lambda value: isinstance(value, bool),
    _OBJECT: lambda value: isinstance(value, dict),
    _COUNT: lambda value: _is_number(value) and isinstance(value, int) and value >= 0,
    _POSITIVE: lambda value: _is_number(value) and value > 0,
    _PERCENT: lambda value: _is_number(value) and 0 <= value <= 100,
}
# What tables, hours and comparisons read of a file; [x] is a list with at least one x.
_FIELDS: dict[str, Any] = {
    "table": _TEXT, "row": _TEXT, "seed": _COUNT, "small": _SWITCH, "changes": _OBJECT,
    "network": {
        "architecture": _TEXT, "group": _TEXT, "layer": _TEXT,
        "width": _POSITIVE, "parameters": _COUNT, "macs": _POSITIVE,
    },
    "dataset": {
        "name": _TEXT, "sha256": _TEXT, "images": {"train": _POSITIVE, "validation": _COUNT, "test": _POSITIVE}
    },
    "recipe": _OBJECT,
    "config": {"epochs": _COUNT},
    "sessions": [{"hardware": {"device": _TEXT, "type": _TEXT, "threads": _COUNT}}],
    "epochs": {"seconds": [_POSITIVE]},
    "seconds": _POSITIVE,
    "final": {"epoch": _COUNT, "test_error_percent": _PERCENT},
}  # fmt: skip


def result_of(
    run: Mapping[str, Any],
    row: Row,
    dataset: Dataset,
    net: nn.Module,
    history: History,
    sessions: list[dict[str, Any]],
    test_accuracy: float,
) -> Result:
    """What data/results/SCHEMA.md documents. ``run`` says which run it is: its table, row, seed, size and changes."""
    epochs = asdict(history)
    config, _ = epochs.pop("config"), epochs.pop("interrupted")
    splits = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    validated = history.validation_accuracy
    return {
        "schema": SCHEMA,
        **run,
        "network": {
            "architecture": row.architecture,
            "group": str(row.group),
            "layer": row.layer,
            "width": row.width,
            "parameters": sum(p.numel() for p in net.parameters()),
            "macs": row.counts().executed,
            "weights_sha256": weights_checksum(net),
        },
        "dataset": {
            "name": dataset.name,
            "sha256": dataset.sha256,
            "images": {name: len(split) if split else 0 for name, split in splits.items()},
        },
        "recipe": asdict(row.recipe),
        "config": config,
        "sessions": sessions,
        "epochs": epochs,
        "seconds": sum(history.seconds),
        "final": {
            "epoch": history.epochs_done,
            "train_loss": history.train_loss[-1],
            "validation_error_percent": 100 * (1 - validated[-1]) if validated else None,
            "test_error_percent": 100 * (1 - test_accuracy),
        },
    }


def read_results(folder: Path) -> list[Result]:
    """All results of runs below the folder.

    Raises ValueError that names the file if one is damaged, of another schema or in another run's place, or if two are
    results of the same run.
    """
    found: dict[str, Path] = {}
    results = []
    for path in sorted(folder.glob("**/seed*.json")):
        result = read_result(path, folder)
        keys = ("table", "row", "seed", "small", "changes", "dataset", "recipe")
        other = found.setdefault(json.dumps([result[key] for key in keys], sort_keys=True), path)
        if other != path:
            raise BadValue(f"{path} and {other} are results of the same run; remove one of them")
        results.append(result)
    return results


def read_result(path: Path, folder: Path) -> Result:
    """One result, which lies below the folder of results at the place of its run. Raises ValueError that names it."""
    try:
        if not path.is_file():
            raise ValueError("it is no file")
        result: Result = json.loads(path.read_text(encoding="utf-8"))
        _require_fields(result)
        _require_place(result, path.relative_to(folder), folder)
    except (OverflowError, RecursionError, ValueError) as error:  # a number, a nesting or a text that is too much
        raise BadValue(f"{path} is no result of a run: {error}; {_WAY_OUT}") from error
    return result


def folder_name(data: str, recipe: str, changes: Mapping[str, Any]) -> str:
    """Of the folder with the seeds of one run: data set, recipe unless it is the published one, and changes."""
    words = [data] if recipe == "published" else [data, recipe]
    words += [f"{name}={value}" for name, value in sorted(changes.items())]
    return re.sub(r"[^\w=.+-]+", "-", " ".join(words))


def recipe_of(result: Result) -> RecipeName:
    """By which recipe a run was trained; results from before there were two were trained by the published one."""
    name: RecipeName = result["recipe"].get("name", "published")
    return name


def _require_fields(result: Any) -> None:
    if not isinstance(result, dict):
        raise ValueError(f"expected an object with fields, got {_short(result)}")
    if result.get("schema") != SCHEMA or isinstance(result["schema"], bool):
        raise ValueError(f"its schema is {_short(result.get('schema'))}, and this version reads {SCHEMA} only")
    _require(result, _FIELDS, "")
    if recipe_of(result) not in get_args(RecipeName):
        raise ValueError(f"recipe.name is {_short(recipe_of(result))}, known are {', '.join(get_args(RecipeName))}")


def _require(value: Any, wanted: Any, where: str) -> None:
    """Raise ValueError that names the field which is missing or of another kind."""
    if isinstance(wanted, dict):
        _require(value, _OBJECT, where)
        for name, inner in wanted.items():
            field = f"{where}.{name}" if where else name
            if name not in value:
                raise ValueError(f"the field {field} is missing")
            _require(value[name], inner, field)
    elif isinstance(wanted, list):
        if not isinstance(value, list) or not value:
            raise ValueError(f"{where} must be a list that is not empty, got {_short(value)}")
        for number, inner in enumerate(value):
            _require(inner, wanted[0], f"{where}[{number}]")
    elif not _KINDS[wanted](value):
        raise ValueError(f"{where} must be {wanted}, got {_short(value)}")


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _require_place(result: Result, path: Path, folder: Path) -> None:
    """Raise ValueError if the path, [small/]TABLE/ROW/DATA AND CHANGES/seedN.json, is another run's."""
    if len(path.parts) < 4:
        raise ValueError("it must lie in a folder for its table, row and data set (TABLE/ROW/DATA/seedN.json)")
    table, row, data, name = path.parts[-4:]
    places = {"table": (table, result["table"]), "row": (row, result["row"])}
    places["seed"] = (name, f"seed{result['seed']}.json")
    outer = path.parts[:-4]
    small = outer[-1:] == ("small",) or (not outer and folder.resolve().name == "small" and result["small"])
    places["small"] = (str(small), str(result["small"]))
    wanted = [folder_name(label, recipe_of(result), result["changes"]) for label in _labels(result)]
    places["data set and changes"] = (data, data if data in wanted else wanted[0])
    for what, (here, inside) in places.items():
        if here != inside:
            raise ValueError(f"its path says {what} {here}, its content {inside}")


def _labels(result: Result) -> list[str]:
    """How the data set may be called in the path: a known one by its name, a file with the start of its checksum."""
    if result["small"]:
        return ["digits"]
    name, checksum = result["dataset"]["name"], result["dataset"]["sha256"][:8]
    files = [f"{part} {checksum}" for part in (name, re.sub(r" \(rebuilt, seed \d+\)$", "", name))]
    known = canonical_name(re.sub(r", seed \d+", "", name))
    return [known, *files] if known in DATASETS else files
