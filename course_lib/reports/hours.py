"""How long whole tables take: from the operations of every row and the epochs that were really measured."""

import statistics
from collections.abc import Sequence
from pathlib import Path

from course_lib.experiments import LAPTOP, TABLES, Row, with_laptop_recipe
from course_lib.experiments.markdown import pipe_table, plain_text
from course_lib.experiments.row import Table
from course_lib.reports.results import markdown
from course_lib.training.result_files import Result, read_results

NOT_MEASURED = "*not yet measured*"


def hours_markdown(folder: Path, seeds: int, cards: int = 1, name: str | None = None) -> str:
    """The hours for each table, or one, by each recipe, on each kind of machine that was measured, as Markdown.

    With A the operations of a row for one image, N its training images, E its epochs, and a, n, t those of a measured
    run with an epoch of t seconds, the shortest one:

        hours = seeds · Σ_rows E · s / 3600 / cards,   s = t · N / n   for a row that was measured itself,
                                                       s = A · N / median(a · n / t)   for any other.
    """
    full = [result for result in read_results(folder) if not result["small"]]
    machines = sorted({_machine(result) for result in full}, key=lambda name: (not name.startswith("GPU"), name))
    measured = {name: [result for result in full if _machine(result) == name] for name in machines}
    if not any(name.startswith("GPU") for name in machines):
        measured = {"GPU": [], **measured}
    heading = ["table", "recipe", "runs", "multiply-accumulates of all forward passes"]
    lines = []
    for table in TABLES.values() if name is None else [TABLES[name]]:
        for recipe, rows in _by_recipe(table).items():
            runs, work = f"{len(rows)} rows × {seeds} seeds", f"{seeds * sum(map(_work, rows)):.1e}"
            hours = [_hours(rows, results, seeds, cards) for results in measured.values()]
            lines.append([f"`{table.key}`", recipe, runs, work, *hours])
    return pipe_table([*heading, *(plain_text(f"{machine}, hours") for machine in measured)], lines)


def results_page(folder: Path) -> str:
    """``README.md`` of the folder: all tables, and how long they take. ``python -m course_lib results --write``."""
    tables, hours = markdown(folder, small=False), hours_markdown(folder, seeds=8)
    return f"{_PAGE}\n{tables}\n\n## How many hours, on one card or machine, eight seeds?\n\n{hours}\n"


_PAGE = """# Results

What has really been run, beside what was published. This page is made from the files in this folder by
`python -m course_lib results --write`; [SCHEMA.md](SCHEMA.md) says what a file holds. A row that nobody has run yet
says so. `python -m course_lib table NAME --seeds 5` runs what is missing; `--help` says how to make it shorter.

There are two recipes. The *published* one is what the paper says, for each network its own. The *laptop* recipe is
ours: one for all networks of a data set, chosen on validation images, so that what differs is the network. On rotated
MNIST it takes 48 epochs; where it says *epochs 16*, a run was given a third of that. *Rebuilt* data is made from MNIST
by the protocol of rotated MNIST (12,000 training images, of which 2,000 are for validation, uniform angles); it is not
the original archive.
"""


def _by_recipe(table: Table) -> dict[str, list[Row]]:
    """The rows by their published recipes, and those that have a laptop recipe by that."""
    laptop = [with_laptop_recipe(row) for row in table.rows if row.recipe.dataset in LAPTOP]
    return {"published": list(table.rows)} | ({"laptop": laptop} if laptop else {})


def _machine(result: Result) -> str:
    hardware = result["sessions"][0]["hardware"]
    if hardware["type"] == "cpu":
        return f"{hardware['threads']} thread{'s' * (hardware['threads'] > 1)} of {hardware['device']}"
    return f"GPU {hardware['device']}"


def _hours(rows: Sequence[Row], results: Sequence[Result], seeds: int, cards: int) -> str:
    if not results:
        return NOT_MEASURED
    rate = statistics.median(result["network"]["macs"] * _images_per_second(result) for result in results)
    seconds, own = 0.0, 0
    for row in rows:
        rates = [_images_per_second(result) for result in results if result["row"] == row.key]
        images_per_second = max(rates) if rates else rate / row.counts().executed
        seconds += row.recipe.epochs * row.recipe.train / images_per_second
        own += bool(rates)
    source = f"{own} of {len(rows)} rows measured" if own else "by operations alone"
    return f"{seeds * seconds / 3600 / cards:,.0f} ({source})"


def _images_per_second(result: Result) -> float:
    rate: float = result["dataset"]["images"]["train"] / min(result["epochs"]["seconds"])
    return rate


def _work(row: Row) -> float:
    return float(row.counts().executed) * row.recipe.train * row.recipe.epochs
