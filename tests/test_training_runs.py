"""Runs and their results: what the recipe says, what the file says, and what the tables show."""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.kill_and_resume import row, write_data
from course_lib.changes import Changes
from course_lib.cli.parser import make_parser
from course_lib.data import Dataset, Split, load_digits
from course_lib.experiments import LAPTOP, TABLES, Recipe, find, with_laptop_recipe
from course_lib.experiments.row import Counts, Table
from course_lib.reports.results import NOT_RUN, markdown, one_line, results_folder
from course_lib.training import AlreadyRunning, TrainConfig, evaluate, locked, recipes, runs
from course_lib.training.checkpoint import WrongCheckpoint
from course_lib.training.environment import provenance
from course_lib.training.recipes import augmentation_of, config_of, prepared, small_dataset, with_epochs
from course_lib.training.result_files import read_results
from course_lib.training.runs import Run, Stopped, execute

CPU = torch.device("cpu")
ROOT = Path(__file__).parents[1]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(
        row(), "tiny", tmp_path / "results", data=str(write_data(tmp_path / "my digits.npz")), changes=Changes(epochs=2)
    )


def test_every_recipe_becomes_a_config() -> None:
    for table in TABLES.values():
        for entry in table.rows:
            recipe, config = entry.recipe, config_of(entry.recipe, seed=3)
            assert (config.epochs, config.batch_size, config.seed) == (recipe.epochs, recipe.batch_size, 3)
            augmentation_of(recipe, load_digits(size=12))


def test_a_recipe_word_by_word() -> None:
    recipe = Recipe("cifar100", 45_000, 5_000, 10_000, "sgd", 0.1, 64, 100, 0.9, True, 1e-4, (50, 75), 0.1, warmup=10)
    expected = TrainConfig(100, 64, 0.1, 1e-4, "step", 7, "sgd", 0.9, True, (50, 75), 0.1, 10)
    assert config_of(recipe, seed=7) == expected
    shorter = with_epochs(expected, 10)
    assert (shorter.epochs, shorter.milestones, shorter.warmup_epochs) == (10, (5, 8), 1)


@pytest.mark.parametrize("key", ["resnet44", "e4net", "resnet29"])
def test_however_short_the_last_epoch_has_the_recipes_last_rate(key: str) -> None:
    full = config_of(find(key).recipe)
    for epochs in (2, 3, 5, 10):
        short = with_epochs(full, epochs)
        assert short.rate_factor(epochs - 1, 1) == pytest.approx(full.rate_factor(full.epochs - 1, 1))
        assert bool(short.warmup_epochs) == bool(full.warmup_epochs)
    assert with_epochs(full, 1).milestones == (1,) * len(full.milestones)


def test_normalisation_and_augmentation_follow_the_recipe() -> None:
    digits, recipe = load_digits(), row().recipe
    assert prepared(digits, "none") is digits
    normal = prepared(digits, "global")
    assert normal.train.images.mean().abs() < 1e-5 and (normal.train.images.std() - 1).abs() < 1e-3
    whitened = prepared(load_digits(size=12), "contrast and ZCA").train.images
    covariance = whitened.flatten(1).T.cov()
    assert (covariance - covariance.diag().diag()).abs().max() < 0.2 * covariance.diag().max()
    assert augmentation_of(replace(recipe, augmentation=()), digits) is None
    augment = augmentation_of(replace(recipe, augmentation=("crop2",)), normal)
    assert augment is not None
    shifted = augment(normal.train.images[:50], torch.Generator().manual_seed(0))
    # The digits have a margin of 4 pixels: shifted by up to 2, the outermost row is black still, or newly black.
    assert normal.background[0] < -0.1 and torch.allclose(shifted[..., 0, :], torch.tensor(normal.background))


def test_a_run_from_start_to_table(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    tested: list[int] = []

    def counted(net: Any, split: Split) -> float:
        tested.append(len(split))
        return evaluate(net, split)

    monkeypatch.setattr(runs, "evaluate", counted)
    result = execute(run, CPU)
    assert tested == [40], "the test set is read once, at the end"
    assert re.fullmatch(r"tiny/small/my-digits-[0-9a-f]{8}-epochs=2", str(run.folder.relative_to(run.results)))
    assert {p.name for p in run.folder.iterdir()} == {"seed0.json", "seed0.pt", "seed0.lock"}
    assert result == json.loads(run.result.read_text()) and execute(run, CPU) == result and tested == [40]
    assert result["dataset"]["images"] == {"train": 72, "validation": 8, "test": 40}
    assert [len(column) for column in result["epochs"].values()] == [2, 2, 2, 2, 2]
    assert result["config"]["milestones"] == [1] and result["changes"] == {"epochs": 2}
    assert result["network"]["parameters"] == sum(p.numel() for p in run.row.build().parameters())
    assert 0 <= result["final"]["test_error_percent"] <= 100
    assert one_line(result).startswith(f"small, seed 0: test error {result['final']['test_error_percent']:.2f} % after")


def test_the_seed_decides_everything_and_a_stop_nothing(run: Run) -> None:
    first = execute(run, CPU)["network"]["weights_sha256"]
    assert execute(replace(run, seed=1), CPU)["network"]["weights_sha256"] != first
    again = replace(run, results=run.results / "again")
    with pytest.raises(Stopped, match=r"small, seed 0: stopped, epoch 1/2: loss .*; the same command goes on"):
        execute(again, CPU, time_budget=0)
    assert not again.result.exists()
    result = execute(again, CPU)
    assert result["network"]["weights_sha256"] == first
    assert [session["first_epoch"] for session in result["sessions"]] == [1, 2]


def test_a_second_process_is_told_and_what_a_killed_one_left_is_removed(run: Run) -> None:
    with locked(run.checkpoint.with_suffix(".lock")), pytest.raises(AlreadyRunning):
        execute(run, CPU)
    leftover = run.folder / "seed0.pt.123.tmp"
    leftover.write_bytes(b"half")
    execute(run, CPU)
    assert not leftover.exists()


def test_what_another_process_has_just_finished_is_not_done_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = execute(run, CPU) | {"by": "the other"}
    run.result.unlink()

    @contextmanager
    def after_the_other(path: Path) -> Iterator[None]:
        run.result.write_text(json.dumps(theirs))
        yield

    monkeypatch.setattr(runs, "locked", after_the_other)
    assert execute(run, CPU) == theirs


def test_other_data_under_the_same_name_is_another_run(run: Run, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = replace(run, data=str(write_data(tmp_path / "other" / "my digits.npz", count=70)))
    assert other.folder != run.folder and replace(run, data="rotated:" + run.data).folder != run.folder


def test_what_does_not_fit_is_refused_before_a_file_is_made(run: Run) -> None:
    color = replace(run, row=replace(run.row, recipe=replace(run.row.recipe, dataset="cifar10")))
    with pytest.raises(ValueError, match=r"small takes images \(3, 32, 32\), my digits has \(1, 28, 28\)"):
        execute(color, CPU)
    with pytest.raises(FileNotFoundError, match=r"there is no file gone.npz"):
        execute(replace(run, data="gone.npz"), CPU)
    with pytest.raises(ValueError, match="epochs must be a whole number of at least 1, got 0"):
        Changes(epochs=0)
    with pytest.raises(ValueError, match="a small run trains on the bundled digits"):
        replace(run, small=True)
    assert not run.results.exists()


def test_the_small_version_of_a_run(run: Run) -> None:
    small = replace(run, data="", changes=Changes(epochs=1), small=True)
    dataset = small.dataset()
    assert dataset.image_shape == (1, 28, 28) and len(dataset.train) == 1029
    assert "small" in small.folder.relative_to(run.results).parts
    assert replace(small, changes=Changes()).config.epochs == 5 and small.config.epochs == 1
    assert replace(small, row=find("p4m-r18-cifar100"), changes=Changes()).config.epochs == 2
    large = small_dataset((3, 32, 32), Counts(1, 1, executed=10**9, aggregation=0))
    assert large.image_shape == (3, 32, 32) and len(large.train) == len(large.test) == 96 and large.validation
    assert len(large.validation) == 48


# Milliseconds for one training image, forward and backward, on one core of an Intel Xeon at 2.5 GHz that had company.
MILLISECONDS = {
    "p4cnn": 4.7, "e4net": 15.5, "e4net-k7": 20.1, "resnet29": 19.3, "resnet29-asc": 91.0, "resnet29-sasa": 64.5,
    "p4-resnet29-asc": 290, "resnet83": 42.8, "resnet83-asc": 204, "p4-resnet83-asc": 771, "all-cnn": 61.5, "r18": 141,
    "p4-e4r18": 332, "p4m-e4r18": 626, "p4m-r18": 1109, "p4m-resnet44": 711,
}  # fmt: skip


@pytest.mark.parametrize("key", MILLISECONDS)
def test_every_small_run_takes_minutes_and_stores_its_first_epoch_soon(key: str, tmp_path: Path) -> None:
    small = Run(find(key), "any", tmp_path, small=True)
    dataset, config = small.dataset(), small.config
    assert dataset.validation and len(dataset.train) >= 2 * config.batch_size
    epoch = MILLISECONDS[key] / 1000 * len(dataset.train)
    # A forward pass alone takes a third; each epoch has two over the validation images, the end one over the test.
    evaluation = MILLISECONDS[key] / 3000 * (2 * config.epochs * len(dataset.validation) + len(dataset.test))
    assert epoch < 90 and config.epochs * epoch + evaluation < 240


def test_changes_are_the_fields_that_exist(run: Run) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'learning_rate'"):
        Changes(learning_rate=0.5)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"changes must be Changes, for example Changes\(epochs=2\), got {'epoch': 3}"):
        replace(run, changes={"epoch": 3})
    for wrong in (0, -1, 2.0, "3", True, float("nan")):
        with pytest.raises(ValueError, match=f"epochs must be a whole number of at least 1, got {wrong!r}"):
            Changes(epochs=wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="bf16 must be True or False, got 1"):
        Changes(bf16=1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="not both"):
        Changes(epochs=1, shorten=2)
    given = {"shorten": 20, "validation": 0, "deterministic": False}
    assert Changes(**given).given() == given
    assert replace(run, changes=Changes(**given)).folder.name.endswith("-deterministic=False-shorten=20-validation=0")


def test_every_field_of_the_changes_is_an_option_and_changes_the_run(run: Run) -> None:
    words = ["--epochs", "2", "--batch-size", "24", "--validation", "0", "--per-class", "5"]
    options = make_parser().parse_args(["train", "p4cnn", *words, "--bf16", "--compile", "--no-deterministic"])
    typed = {change.name: getattr(options, change.name) for change in fields(Changes)}
    assert Changes(**typed) == Changes(2, None, 24, 0, 5, True, True, False)
    config = replace(run, changes=Changes(**typed)).config
    assert (config.epochs, config.batch_size, config.bf16, config.compile, config.deterministic) == (
        2, 24, True, True, False,
    )  # fmt: skip


def test_low_data_and_validation_reach_the_loader(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, ...]] = []

    def load(source: str, validation: int | None, per_class: int | None) -> Dataset:
        asked.append((source, validation, per_class))
        return load_digits()

    monkeypatch.setattr(recipes, "load_dataset", load)
    recipes.loaded.cache_clear()
    replace(run, changes=Changes(validation=7, per_class=5)).dataset()
    replace(run, changes=Changes()).dataset()
    replace(run, data="", row=find("e4net")).dataset()
    replace(run, data="", row=find("p4cnn")).dataset()
    replace(run, data="Rotated MNIST", row=find("p4cnn")).dataset()
    with pytest.raises(ValueError, match="takes images"):
        replace(run, data="", row=find("gc-p4m-resnet44-20")).dataset()
    recipes.loaded.cache_clear()
    rotated = [("rotated-mnist", 2000, None), ("rotated-mnist", 0, None)]  # the last one under two spellings
    assert asked == [(run.data, 7, 5), (run.data, None, None), *rotated, ("cifar10", 0, 1000)]


def test_a_data_set_has_one_folder_however_it_is_spelled(run: Run) -> None:
    spelled = {replace(run, data=name).folder for name in ("", "rotated-mnist", "Rotated MNIST", "rotated_mnist")}
    assert len(spelled) == 1
    assert replace(run, data="rotated:mnist.npz").folder not in spelled


def test_reading_the_data_counts_as_time(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(run: Run) -> Dataset:
        clock.append(100.0)
        return dataset

    clock, dataset = [0.0], run.dataset()
    monkeypatch.setattr(runs.time, "monotonic", lambda: clock[-1])
    monkeypatch.setattr(Run, "dataset", slow)
    with pytest.raises(Stopped, match="epoch 1/2"):
        execute(run, CPU, time_budget=60)


def test_a_checkpoint_of_another_split_is_refused(run: Run) -> None:
    with pytest.raises(Stopped):
        execute(run, CPU, time_budget=0)
    fewer = replace(run, changes=replace(run.changes, per_class=5))
    fewer.folder.mkdir(parents=True)
    fewer.checkpoint.write_bytes(run.checkpoint.read_bytes())
    with pytest.raises(WrongCheckpoint, match="training images"):
        execute(fewer, CPU)


def test_tables_show_mean_deviation_and_what_is_missing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    published = replace(run.row, percent=2.23, deviation=0.061, measure="error")
    accuracy = replace(run.row, key="accurate", percent=None)
    monkeypatch.setitem(TABLES, "tiny", Table("tiny", "A tiny table", (published, accuracy)))
    result = execute(replace(run, row=published), CPU)
    for seed, error in enumerate((3.0, 4.0, 5.0)):
        changed = result | {"seed": seed, "final": result["final"] | {"test_error_percent": error}}
        (run.folder / f"seed{seed}.json").write_text(json.dumps(changed))
    text = markdown(run.results, "tiny")
    assert "| `small` | P4CNN | 2.23 ± 0.061 | 4.00 ± 1.00 (n = 3) | my digits; 72 training images" in text
    assert "epochs 2" in text and f"| `accurate` | P4CNN | – | {NOT_RUN} |" in text
    assert f"s an epoch, {torch.get_num_threads()} thread" in text
    assert len(read_results(run.results)) == 3 and "3.00 (n = 1)" not in text
    assert text in markdown(run.results)
    assert markdown(run.results).count(NOT_RUN) == 1 + sum(len(t.rows) for t in TABLES.values() if t.key != "tiny")


def test_each_recipe_has_tables_of_its_own(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    small = replace(run.row, recipe=replace(run.row.recipe, dataset="rotated-mnist"))
    monkeypatch.setitem(TABLES, "tiny", Table("tiny", "A tiny table", (small, replace(small, key="other"))))
    short = replace(run, row=with_laptop_recipe(small), changes=Changes(epochs=2, validation=8, batch_size=24))
    assert (
        short.folder.name.endswith("-laptop-batch_size=24-epochs=2-validation=8") and short.config.schedule == "cosine"
    )
    result = execute(short, CPU)
    assert result["recipe"]["name"] == "laptop" and result["config"]["learning_rate"] == 0.01
    published, laptop = markdown(run.results, "tiny").split("## tiny: A tiny table, by the laptop recipe")
    assert "(n = 1)" not in published and published.count(NOT_RUN) == 2
    assert laptop.count("(n = 1)") == 1 and laptop.count(NOT_RUN) == 1
    execute(replace(run, row=small), CPU)
    published, laptop = markdown(run.results, "tiny").split(", by the laptop recipe")
    assert published.count("(n = 1)") == laptop.count("(n = 1)") == 1, "seeds of two recipes are not averaged"


def test_the_laptop_recipe_is_what_its_grid_chose() -> None:
    """The smallest mean validation error over the networks that were trained by every candidate."""
    cells = json.loads((results_folder() / "laptop_grid.json").read_text(encoding="utf-8"))
    cells = [cell for cell in cells if find(cell["row"]).recipe.dataset == "rotated-mnist"]
    errors: dict[tuple[int, float], dict[str, float]] = {}
    for cell in cells:
        candidate = errors.setdefault((cell["epochs"], cell["learning_rate"]), {})
        candidate[cell["row"]] = cell["validation_error_percent"][-1]
    assert len({frozenset(by_row) for by_row in errors.values()}) == 1 and len(errors) == 6
    chosen = min(errors, key=lambda candidate: sum(errors[candidate].values()))
    recipe = LAPTOP["rotated-mnist"]
    assert chosen == (recipe.epochs, recipe.learning_rate)
    for cell in cells:
        candidate = replace(recipe, epochs=cell["epochs"], learning_rate=cell["learning_rate"])
        assert cell["config"] == json.loads(json.dumps(asdict(config_of(candidate))))


def test_the_laptop_recipe_is_one_for_all_networks_of_a_data_set() -> None:
    keys = ("z2cnn", "p4cnn", "gc-p4cnn-30", "e4net", "e4net-k7")
    recipes = {with_laptop_recipe(find(key)).recipe for key in keys}
    assert recipes == {LAPTOP["rotated-mnist"]}
    assert with_laptop_recipe(find("p4cnn")).percent == find("p4cnn").percent
    with pytest.raises(LookupError, match="resnet29-cifar100 is trained on cifar100, which has no laptop"):
        with_laptop_recipe(find("resnet29-cifar100"))


def test_networks_without_a_table_and_small_runs_stand_apart(run: Run) -> None:
    execute(replace(run, table="variants"), CPU)
    execute(replace(run, data="", small=True, changes=Changes(epochs=1)), CPU)
    text = markdown(run.results)
    assert text.index("## Networks that are in no table") < text.index("## Small runs")
    alone, small = text.split("## Small runs")
    network = run.row
    assert f"| `small` | {network.architecture} on {network.group}, width {network.width} | – |" in alone
    assert "rotated digits 1×28×28" in small


def test_accuracy_is_shown_where_it_was_published(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = replace(run.row, percent=93.02, deviation=0.16, measure="accuracy")
    monkeypatch.setitem(TABLES, "tiny", Table("tiny", "A tiny table", (entry,)))
    error = execute(replace(run, row=entry), CPU)["final"]["test_error_percent"]
    text = markdown(run.results, "tiny")
    assert f"| 93.02 ± 0.16 | {100 - error:.2f} (n = 1) |" in text and "Test accuracy" in text


def test_the_schema_documents_every_field(run: Run) -> None:
    text = (ROOT / "data" / "results" / "SCHEMA.md").read_text()

    def keys(value: Any) -> set[str]:
        if isinstance(value, list):
            return set().union(*map(keys, value))
        return set(value).union(*map(keys, value.values())) if isinstance(value, dict) else set()

    result = execute(run, CPU)
    assert result["schema"] == 1 and "(schema 1)" in text
    documented = {key: value for key, value in result.items() if key not in ("config", "recipe")}  # dataclasses are
    missing = {key for key in keys(documented) | set(result) if f"`{key}`" not in text}
    assert not missing


def test_the_commit_of_another_project_is_not_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    installed = tmp_path / ".venv" / "course_lib"
    installed.mkdir(parents=True)
    (installed / "__init__.py").touch()
    git = ("git", "-C", str(tmp_path), "-c", "user.name=A", "-c", "user.email=a@b.c")
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "theirs"], check=True)
    monkeypatch.setattr("course_lib.training.environment._PACKAGE", installed)
    assert provenance(CPU)["commit"] is None


def test_provenance_without_git(monkeypatch: pytest.MonkeyPatch) -> None:
    assert re.fullmatch("[0-9a-f]{40}", provenance(CPU)["commit"])
    monkeypatch.setenv("PATH", "")
    origin = provenance(CPU)
    assert origin["commit"] is None and origin["uncommitted_changes"] is None
    json.dumps(origin)
    assert type(origin["versions"]["torch"]) is str
