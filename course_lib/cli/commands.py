"""What each command does."""

import math
import sys
import time
import traceback
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from itertools import product
from pathlib import Path
from threading import Timer

from course_lib.changes import Changes
from course_lib.cluster import train_on_ray
from course_lib.data import DownloadError
from course_lib.errors import BadValue, UserError
from course_lib.experiments import TABLES, Row, find, find_architecture, find_table, variant, with_laptop_recipe
from course_lib.experiments.exactness import exactness_markdown
from course_lib.experiments.markdown import table_markdown
from course_lib.files import write_whole
from course_lib.reports.hours import hours_markdown, results_page
from course_lib.reports.results import markdown, one_line, results_folder
from course_lib.training import AlreadyRunning, History
from course_lib.training.environment import default_device, is_first, process_group, require_device, under_torchrun
from course_lib.training.runs import Run, Stopped, execute

VARIANTS = "variants"  # the folder of results for networks that stand in no table
SOON = 1.0  # seconds; who waits no longer needs no word
BEFORE_TRAINING = 4.0  # what is refused is refused before, and stays one line
MINUTE = 60.0


def train(options: Namespace) -> int:
    """One network, one seed."""
    if (options.row is None) == (options.arch is None):
        raise BadValue("say which network: a ROW (`python -m course_lib results` lists them) or --arch, not both")
    if options.row and options.layer:
        raise BadValue(f"--layer goes with --arch; {options.row} has its layer, choose the row that has yours")
    arch, layer, group = options.arch, options.layer or "full", options.group
    row = variant(find(options.row) if options.row else find_architecture(arch, layer, group), group, options.width)
    table_name = next((name for name, table in TABLES.items() if row in table.rows), VARIANTS)
    run = _run(options, row, table_name, options.seed)
    bar = sys.stderr.isatty()
    told = epochs_told(run.name, run.config.epochs, wanted=not bar)
    with process_group(options.device) as device, told as tell:
        done = run.result.exists()
        try:
            result = execute(run, device, bar, options.time_budget, tell)
        except Stopped as stopped:
            if not under_torchrun():
                raise
            if is_first():
                print(stopped)
            return 0  # torchrun takes any other status for the failure of a process
        if is_first():
            if done:
                print(f"done already, nothing to do; to train again, remove {run.result} and its .pt")
            print(f"{one_line(result)}\nwritten to {run.result}")
    return 0


def table(options: Namespace) -> int:
    """Every row of a table for every seed, the first seed of all rows first."""
    table_rows = find_table(options.name).rows
    rows = [find(key) for key in dict.fromkeys(options.rows)] or table_rows
    if others := [row.key for row in rows if row not in table_rows]:
        raise BadValue(
            f"{', '.join(others)}: no row of {options.name}, which has {', '.join(r.key for r in table_rows)}"
        )
    _require_cluster_options(options)
    runs = [_run(options, row, options.name, seed) for seed, row in product(range(options.seeds), rows)]
    bar = sys.stderr.isatty() and not options.quiet
    if options.on == "ray":
        on = options.address, options.gpus_per_run, options.device
        status = train_on_ray(runs, *on, options.time_budget, bar)
    else:
        status = max(_train_all(runs, options, bar), default=0)
    if not options.quiet:
        print(markdown(options.results or results_folder(), options.name))
    return status


def results(options: Namespace) -> int:
    """All tables, or one of them."""
    if options.name:
        find_table(options.name)
    folder = _existing(options.results)
    print(markdown(folder, options.name))
    if options.write:
        write_whole(folder / "README.md", results_page(folder).encode())
    return 0


def counts(options: Namespace) -> int:
    """Parameters and operations of a table's networks, ours beside the printed ones; and which of them are exact."""
    with said_if_slow(f"counting the operations of every network of {options.name} …"):
        text = table_markdown(options.name)
    print(text)
    if options.exactness:
        with said_if_slow(f"measuring the networks of {options.name} under every element of their groups: a minute …"):
            measured = exactness_markdown(options.name)
        print("\n" + measured)
    return 0


def hours(options: Namespace) -> int:
    """How long each table takes on the machines that results were measured on."""
    if options.name:
        find_table(options.name)
    with said_if_slow("counting the operations of every network: up to a minute …"):
        text = hours_markdown(_existing(options.results), options.seeds, options.cards, options.name)
    print(text)
    return 0


def _train_all(runs: list[Run], options: Namespace, bar: bool) -> Iterator[int]:
    """The exit status of each run; what fails for one row does not keep the others from their turn."""
    begin = time.monotonic()
    device = default_device() if options.device is None else require_device(options.device)
    busy, failures = [], Failures()
    for run in runs:
        remaining = options.time_budget - (time.monotonic() - begin)
        try:
            if run.stored():
                continue
            if remaining <= 0:
                raise Stopped("the time is over; the same command goes on")
            failures.raise_if_out_of_reach(run)
            with epochs_told(run.name, run.config.epochs, wanted=not bar and not options.quiet) as tell:
                result = execute(run, device, bar, remaining, tell)
            print(one_line(result), flush=True)
            yield 0
        except AlreadyRunning:
            busy.append(run)
        except Stopped:
            raise
        except Exception as error:
            failures.add(run, error)
            yield 1
    failures.print_repeated()
    for run in busy:
        if not run.result.exists():
            print(f"{run.name}: another process is at it", flush=True)


def _require_cluster_options(options: Namespace) -> None:
    """Refuse what would be ignored."""
    cluster = {"--address": options.address, "--gpus-per-run": options.gpus_per_run}
    given = [name for name, value in cluster.items() if value is not None]
    if given and options.on is None:
        raise BadValue(f"{' and '.join(given)}: only for a cluster; add --on ray, or leave it out")


def _existing(results: Path | None) -> Path:
    """The folder to read results from. Raises BadValue if one was named that is not there."""
    if results and not results.is_dir():
        raise BadValue(f"there is no folder {results}; leave out --results for the usual one")
    return results or results_folder()


def _run(options: Namespace, row: Row, table_name: str, seed: int) -> Run:
    changes = Changes(**{change.name: getattr(options, change.name) for change in fields(Changes)})
    row = with_laptop_recipe(row) if options.recipe == "laptop" else row
    return Run(row, table_name, options.results or results_folder(), seed, options.data or "", changes, options.small)


class Failures:
    """What failed in a table, each message printed once; a data set that is out of reach is not asked for again."""

    def __init__(self) -> None:
        self.runs: dict[str, list[str]] = {}  # message → runs
        self.out_of_reach: dict[str, DownloadError] = {}  # data set → why

    def raise_if_out_of_reach(self, run: Run) -> None:
        if error := self.out_of_reach.get(run.source):
            raise error

    def add(self, run: Run, error: Exception) -> None:
        """Say what failed; a bug with its traceback. A file that cannot be written would fail all: OSError goes on."""
        if isinstance(error, OSError) and not isinstance(error, UserError):
            raise error
        if isinstance(error, DownloadError):
            self.out_of_reach[run.source] = error
        message = str(error)
        if message not in self.runs:
            print(f"{run.name}: error: {message}", file=sys.stderr, flush=True)
            if not isinstance(error, UserError):
                traceback.print_exception(error)
        self.runs.setdefault(message, []).append(run.name)

    def print_repeated(self) -> None:
        for message, (first, *others) in self.runs.items():
            if others:
                count = f"{len(others)} more run{'s' * (len(others) > 1)}"
                print(f"{count} failed as {first} did: {message.splitlines()[0]}", file=sys.stderr, flush=True)


@contextmanager
def said_if_slow(words: str, after: float | None = None) -> Iterator[None]:
    """Print the words if what is done within takes longer than so many seconds, by default `SOON`."""
    timer = Timer(SOON if after is None else after, _say, [words])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def epochs_told(name: str, epochs: int, wanted: bool) -> Iterator[Callable[[History], None] | None]:
    """Where no bar is shown: a line soon, one after the first epoch, then at most one a minute. None if not wanted."""
    if not wanted:
        yield None
        return
    last = [-math.inf]

    def tell(history: History) -> None:
        if time.monotonic() - last[0] >= MINUTE:
            last[0] = time.monotonic()
            _say(f"{name}: {history.summary()}")

    plan = f"{name}: training {epochs} epoch{'s' * (epochs > 1)}; a line after the first, then at most one a minute"
    with said_if_slow(plan, BEFORE_TRAINING):
        yield tell


def _say(words: str) -> None:
    if is_first():
        print(words, file=sys.stderr, flush=True)
