"""A run: one row, one seed, one data set. It goes on where it was stopped, and ends in one file with its results."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from course_lib.changes import Changes
from course_lib.data import Dataset
from course_lib.data.downloads import sha256_of
from course_lib.data.registry import ROTATED, canonical_name
from course_lib.errors import BadValue
from course_lib.experiments import Row
from course_lib.files import write_json
from course_lib.training.checkpoint import Checkpoint
from course_lib.training.config import History, TrainConfig
from course_lib.training.environment import from_first, is_first, locked, processes, provenance
from course_lib.training.evaluation import evaluate
from course_lib.training.loop import seed_everything, train
from course_lib.training.recipes import augmentation_of, changed, config_of, loaded, small_config, small_dataset
from course_lib.training.result_files import Result, folder_name, read_result, result_of


@dataclass(frozen=True)
class Run:
    """What is to be trained, and where its files are.

    Args:
        table: the name of the row's table, a folder in ``results``.
        data: a name or a path for `data.load_dataset`; by default the recipe's data set.
        changes: what differs from the recipe, for example ``Changes(epochs=2)``.
        small: the bundled digits and few epochs, to see on a CPU in minutes that all works. Kept apart from the rest.
    """

    row: Row
    table: str
    results: Path
    seed: int = 0
    data: str = ""
    changes: Changes = field(default_factory=Changes)
    small: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.changes, Changes):
            raise TypeError(f"changes must be Changes, for example Changes(epochs=2), got {self.changes!r}")
        if self.small and (self.data or {"validation", "per_class"} & set(self.changes.given())):
            raise BadValue("a small run trains on the bundled digits: give no data, validation or per_class with it")

    @property
    def name(self) -> str:
        return f"{self.row.key}, seed {self.seed}"

    @property
    def about(self) -> dict[str, Any]:
        """Which run it is, as its result says it."""
        changes = self.changes.given()
        return {"table": self.table, "row": self.row.key, "seed": self.seed, "small": self.small, "changes": changes}

    @property
    def source(self) -> str:
        """The name or path of the data set."""
        return canonical_name(self.data or self.row.recipe.dataset)

    @property
    def folder(self) -> Path:
        """Where the seeds of this run lie together: results/[small/]table/row/data set, recipe and changes."""
        data = "digits" if self.small else _label(self.source)
        slug = folder_name(data, self.row.recipe.name, self.changes.given())
        return self.results / ("small" if self.small else "") / self.table / self.row.key / slug

    @property
    def result(self) -> Path:
        """The file with the results; it is there once the run is done."""
        return self.folder / f"seed{self.seed}.json"

    @property
    def checkpoint(self) -> Path:
        return self.result.with_suffix(".pt")

    @property
    def config(self) -> TrainConfig:
        """The recipe's config with the changes. Raises ValueError if they make no sense."""
        config = config_of(self.row.recipe, self.seed)
        return changed(small_config(config, self.row.counts()) if self.small else config, self.changes)

    def dataset(self) -> Dataset:
        """The data set, normalized as the recipe wants it. Raises ValueError if its images do not fit the row."""
        recipe = self.row.recipe
        if self.small:
            return small_dataset(recipe.image_shape, self.row.counts())
        usual = recipe.validation if self.source == recipe.dataset else None  # of other data, what is usual for it
        validation = usual if self.changes.validation is None else self.changes.validation
        dataset = loaded(self.source, recipe.normalization, validation, self.changes.per_class or recipe.per_class)
        if dataset.image_shape != recipe.image_shape:
            raise BadValue(
                f"{self.row.key} takes images {recipe.image_shape}, {dataset.name} has {dataset.image_shape}; "
                "choose a row or a data set with the same (C, Y, X)"
            )
        return dataset

    def stored(self) -> Result | None:
        """What the result file says; None if the run is not done. Raises ValueError if it is damaged, or another's."""
        return read_result(self.result, self.results) if self.result.exists() else None


class Stopped(RuntimeError):
    """A run was stopped by the user or by its time budget; the same call goes on with it."""


def execute(
    run: Run,
    device: torch.device,
    progress: bool = False,
    time_budget: float = math.inf,
    on_epoch: Callable[[History], None] | None = None,
) -> Result:
    """Train, read the test set once, write the result and return it. ``on_epoch`` is called after each stored epoch.

    Goes on from the checkpoint if there is one; if the result is there already, nothing is done. Of several processes
    that train together the first writes and returns the result, the others return an empty one. Raises Stopped if the
    user or the time budget ends it early, AlreadyRunning if another process trains the same run, and what `train`,
    `load_dataset` and `Run` raise.
    """
    begin = time.monotonic()
    if processes() > 1 or not run.result.exists():  # several look below, all at once
        # Before any file is made: what is wrong is mostly found here.
        config, dataset = run.config, run.dataset()
        augment = augmentation_of(run.row.recipe, dataset)
        with locked(run.checkpoint.with_suffix(".lock")):
            if not from_first(run.result.exists()):  # else another process has just finished it
                seed_everything(run.seed)
                net = run.row.build(dataset.classes)
                identity = {
                    "row": run.row.key,
                    "data set": dataset.name,
                    "SHA-256 of the data": dataset.sha256,
                    "training images": len(dataset.train),
                }
                checkpoint = Checkpoint(run.checkpoint, identity, provenance(device), on_save=on_epoch)
                remaining = time_budget - (time.monotonic() - begin)  # reading the data may have taken minutes
                history = train(
                    net, dataset.train, config, dataset.validation, augment, device, progress, checkpoint, remaining
                )
                if history.interrupted:
                    raise Stopped(f"{run.name}: stopped, {history.summary()}; the same command goes on")
                if is_first():
                    accuracy, sessions = evaluate(net, dataset.test), checkpoint.sessions
                    write_json(run.result, result_of(run.about, run.row, dataset, net, history, sessions, accuracy))
    return read_result(run.result, run.results) if is_first() else {}


@lru_cache
def _label(source: str) -> str:
    """A data set's name; for a file, with the beginning of its checksum: files may share a name, results must not."""
    path = Path(source.removeprefix(ROTATED))
    if not path.is_file():
        return source
    return f"{'rotated ' if source.startswith(ROTATED) else ''}{path.stem} {sha256_of(path)[:8]}"
