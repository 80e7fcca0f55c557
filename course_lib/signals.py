"""Ctrl-C, a closed terminal, and a machine that is wanted back: one line and no traceback.

It imports nothing that takes time: the command line calls it before all else.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

STOPPED = 75  # the exit status of a run that can be continued; the "temporary failure" of sysexits.h
WORDS = "stopped; the same command goes on from what is stored"
TWICE = 0.5  # seconds; timeout(1) sends each signal twice


def end_at_once() -> None:
    """From now on a signal ends the process with a line. For imports, which may swallow a KeyboardInterrupt."""
    _handle(lambda number, frame: _end())


def ignore() -> None:
    """From now on signals do nothing: all is done, and Python takes a moment to end."""
    _handle(signal.SIG_IGN)


@contextmanager
def stopping() -> Iterator[None]:
    """Within, the first signal raises KeyboardInterrupt, as Ctrl-C does, and work ends in good order.

    A second one, by who has no time for that, ends this process at once. Files are whole or absent at every instant, so
    nothing is lost but the epoch under way.
    """
    first: list[float] = []  # when the first signal came

    def stop(number: int, frame: FrameType | None) -> None:
        if not first:
            first.append(time.monotonic())
            raise KeyboardInterrupt
        if time.monotonic() - first[0] > TWICE:
            _end()

    before = _handle(stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _handle(handler: signal._HANDLER) -> dict[int, signal._HANDLER]:
    """Take over the signals that end a program, and return who had them. What nohup ignores stays ignored."""
    names = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    wanted = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
    return {number: signal.signal(number, handler) for number in wanted}


def _end() -> None:
    with suppress(OSError):  # the terminal may be gone
        os.write(2, f"{WORDS}\n".encode())
    os._exit(STOPPED)
