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
MINUTE = 60.0


@contextmanager
def said_if_slow(words: str) -> Iterator[None]:
    """Print the words if what is done within takes more than a second."""
    timer = Timer(SOON, _say, [words])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def epochs_told(run: Run, wanted: bool) -> Callable[[History], None] | None:
    """Where no bar is shown: a line now, one after the first epoch, then at most one a minute. None if not wanted."""
    if not wanted:
        return None
    name, last = f"{run.row.key}, seed {run.seed}", [-math.inf]
    _say(f"{name}: training {run.config().epochs} epochs; a line after the first, then at most one a minute")

    def tell(history: History) -> None:
        if time.monotonic() - last[0] >= MINUTE:
            last[0] = time.monotonic()
            _say(f"{name}: {history.summary()}")

    return tell


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)
