"""What is going on, said on standard error while somebody waits."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer

from course_lib.training import History
from course_lib.training.runs import Run

SOON = 1.0  # seconds; who waits no longer needs no word
BEFORE_TRAINING = 4.0  # what is refused is refused before, and stays one line
MINUTE = 60.0


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
def epochs_told(run: Run, wanted: bool) -> Iterator[Callable[[History], None] | None]:
    """Where no bar is shown: a line soon, one after the first epoch, then at most one a minute. None if not wanted."""
    if not wanted:
        yield None
        return
    name, epochs, last = f"{run.row.key}, seed {run.seed}", run.config().epochs, [-math.inf]

    def tell(history: History) -> None:
        if time.monotonic() - last[0] >= MINUTE:
            last[0] = time.monotonic()
            _say(f"{name}: {history.summary()}")

    plan = f"{name}: training {epochs} epoch{'s' * (epochs > 1)}; a line after the first, then at most one a minute"
    with said_if_slow(plan, BEFORE_TRAINING):
        yield tell


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)
