"""The result files as tables: what was published, what we measured, and what has not been run."""

import json
import statistics
from collections.abc import Sequence
from pathlib import Path

from course_lib.experiments import TABLES, RecipeName, Row
from course_lib.experiments.markdown import percent_text, pipe_table, plain_text
from course_lib.experiments.row import Table
from course_lib.training.result_files import Result, read_results, recipe_of


def results_folder() -> Path:
    """``data/results`` of the repository; for an installed package ``results`` in the working directory."""
    repository = Path(__file__).resolve().parents[2]
    return repository / "data" / "results" if (repository / "pyproject.toml").is_file() else Path("results")


def one_line(result: Result) -> str:
    """What a finished run prints."""
    final, images = result["final"], result["dataset"]["images"]
    return (
        f"{result['row']}, seed {result['seed']}: test error {final['test_error_percent']:.2f} % after the last epoch "
        f"({final['epoch']}) on {images['test']:,} images of {result['dataset']['name']}; "
        f"{result['network']['parameters']:,} parameters, {_time(result['seconds'])}"
    )


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def markdown(folder: Path, name: str | None = None, small: bool = True) -> str:
    """All tables, or one, in Markdown: published and ours side by side.

    The runs of each recipe have tables of their own, those of the published recipes first. Small runs stand apart,
    below, or are left out.
    """
    results = [result for result in read_results(folder) if name in (None, result["table"])]
    tried = [result for result in results if result["small"] and small]
    full = [result for result in results if not result["small"]]
    parts = []
    for recipe, title in RECIPES.items():
        alike = [result for result in full if recipe_of(result) == recipe]
        run = {result["table"] for result in alike}
        tables = [table for table in TABLES.values() if name in (None, table.key)]
        parts += [_table(table, alike, title) for table in tables if recipe == "published" or table.key in run]
        if others := [_cells(None, group) for group in _groups([r for r in alike if r["table"] not in TABLES])]:
            parts.append(f"## Networks that are in no table{title}\n\n" + pipe_table(HEADING, others))
    if tried:
        intro = (
            "## Small runs\n\nThe bundled digits, a few epochs: they show that all works, and compare with nothing.\n\n"
        )
        parts.append(intro + pipe_table(SMALL_HEADING, map(_small_cells, _groups(tried))))
    return "\n\n".join(parts)


HEADING = (
    "row",
    "network",
    "published, %",
    "ours, %",
    "trained on; what differs from the recipe",
    "shortest epoch, machine",
    "parameters, published / ours",
)
SMALL_HEADING = ("row", "test error, %", "data", "epochs", "parameters")
NOT_RUN = "*not yet run*"
RECIPES: dict[RecipeName, str] = {"published": "", "laptop": ", by the laptop recipe"}


def _table(table: Table, results: Sequence[Result], title: str) -> str:
    lines = []
    for row in table.rows:
        groups = _groups([result for result in results if (result["table"], result["row"]) == (table.key, row.key)])
        lines += [_cells(row, group) for group in groups or [[]]]
    known = {row.key for row in table.rows}
    foreign = [result for result in results if result["table"] == table.key and result["row"] not in known]
    lines += [_cells(None, group) for group in _groups(foreign)]
    measure = f"Test {table.rows[0].measure}; ours after the last epoch, mean ± standard deviation over n seeds."
    return f"## {table.key}: {table.title}{title}\n\n{measure}\n\n{pipe_table(HEADING, lines)}"


def _groups(results: Sequence[Result]) -> list[list[Result]]:
    """The seeds of one row, data set, recipe and set of changes together."""
    groups: dict[str, list[Result]] = {}
    for result in results:
        run = [result["table"], result["row"], result["dataset"], recipe_of(result), result["changes"]]
        key = json.dumps(run, sort_keys=True)
        groups.setdefault(key, []).append(result)
    return list(groups.values())


def _cells(row: Row | None, group: Sequence[Result]) -> list[str]:
    key, name = (row.key, row.name) if row else (group[0]["row"], _network(group[0]))
    published = percent_text(row.percent, row.deviation) if row else "–"
    ours = _measured(group, row.measure if row else "error") if group else NOT_RUN
    return [f"`{key}`", name, published, ours, *(_conditions(group) if group else ("", "")), _parameters(row, group)]


def _network(result: Result) -> str:
    network = result["network"]
    return plain_text(f"{network['architecture']} on {network['group']}, width {network['width']}")


def _small_cells(group: Sequence[Result]) -> list[str]:
    first = group[0]
    epochs, parameters = str(first["config"]["epochs"]), f"{first['network']['parameters']:,}"
    recipe = [] if recipe_of(first) == "published" else [f"{recipe_of(first)} recipe"]
    data = plain_text("; ".join([first["dataset"]["name"], *recipe, *_changes(first)]))
    return [f"`{first['row']}`", _measured(group, "error"), data, epochs, parameters]


def _measured(group: Sequence[Result], measure: str) -> str:
    errors = [result["final"]["test_error_percent"] for result in group]
    values = errors if measure == "error" else [100 - error for error in errors]
    deviation = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.2f}{deviation} (n = {len(values)})"


def _conditions(group: Sequence[Result]) -> tuple[str, str]:
    """What it was trained on, and how long that took; the shortest epoch, as the machine may have had other work."""
    result, images = group[0], group[0]["dataset"]["images"]
    held_out = f"{images['train']:,} training images, {images['validation']:,} held out, {images['test']:,} test"
    hardware = result["sessions"][0]["hardware"]
    shortest = min(second for run in group for second in run["epochs"]["seconds"])
    threads = f", {hardware['threads']} thread{'s' * (hardware['threads'] > 1)}" if hardware["type"] == "cpu" else ""
    return (
        plain_text("; ".join([result["dataset"]["name"], held_out, *_changes(result)])),
        plain_text(f"{shortest:.3g} s an epoch{threads} of {hardware['device']}"),
    )


def _changes(result: Result) -> list[str]:
    return [f"{name.replace('_', ' ')} {value}" for name, value in result["changes"].items()]


def _parameters(row: Row | None, group: Sequence[Result]) -> str:
    ours = f"{group[0]['network']['parameters']:,}" if group else "–"
    return f"{row.parameters} / {ours}" if row and row.parameters else ours
