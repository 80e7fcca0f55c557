"""What failed in a table: said once, however many runs it hits."""

from __future__ import annotations

import sys
import traceback

from course_lib.data import DownloadError
from course_lib.errors import UserError
from course_lib.training.runs import Run


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
        name, message = f"{run.row.key}, seed {run.seed}", str(error)
        if message not in self.runs:
            print(f"{name}: error: {message}", file=sys.stderr, flush=True)
            if not isinstance(error, UserError):
                traceback.print_exception(error)
        self.runs.setdefault(message, []).append(name)

    def print_repeated(self) -> None:
        for message, (first, *others) in self.runs.items():
            if others:
                count = f"{len(others)} more run{'s' * (len(others) > 1)}"
                print(f"{count} failed as {first} did: {message.splitlines()[0]}", file=sys.stderr, flush=True)
