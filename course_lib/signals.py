"""Ctrl-C, a closed terminal, and a machine that is wanted back: one line, no traceback, no process left behind.

It imports nothing that takes time: the command line calls it before all else.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from subprocess import Popen

STOPPED = 75  # the exit status of a run that can be continued; the "temporary failure" of sysexits.h
WORDS = "stopped; the same command goes on from what is stored"
SHARED = "COURSE_LIB_SHARED"  # set for the processes of --jobs: the one that started them has the word
TWICE = 0.5  # seconds; timeout(1) sends each signal twice


class _State:
    """Of this process: since when it is to stop, what it started, and whether a stop has to wait."""

    since: float | None = None
    started: list[Popen[bytes]] = []  # noqa: RUF012  # one for the process, as its signals are
    held = False


def end_at_once() -> None:
    """From now on a signal ends the process with a line. For imports, which may swallow a KeyboardInterrupt."""
    _handle(lambda number, frame: _end())


def ignore() -> None:
    """From now on signals do nothing: all is done, and Python takes a moment to end."""
    _handle(signal.SIG_IGN)


@contextmanager
def stopping() -> Iterator[None]:
    """Within, the first signal raises KeyboardInterrupt, as Ctrl-C does, and work ends in good order.

    A second one, by who has no time for that, ends this process and those it started at once. Files are whole or
    absent at every instant, so nothing is lost but the epoch under way.
    """
    _State.since = None
    before = _handle(_stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def sharing() -> Iterator[list[Popen[bytes]]]:
    """The list of the processes that this one starts: none of them outlives it, whatever ends it."""
    try:
        yield _State.started
    except BaseException:
        for process in _State.started:
            process.terminate()
        for process in _State.started:
            process.wait()
        raise
    finally:
        _State.started.clear()


@contextmanager
def held() -> Iterator[None]:
    """Within, a signal waits: what is being started must be in the list before anything ends."""
    _State.held = True
    try:
        yield
    finally:
        _State.held = False
    if _State.since is not None:
        raise KeyboardInterrupt


def _handle(handler: signal._HANDLER) -> dict[int, signal._HANDLER]:
    """Take over the signals that end a program, and return who had them. What nohup ignores stays ignored."""
    names = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    wanted = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
    return {number: signal.signal(number, handler) for number in wanted}


def _stop(number: int, frame: FrameType | None) -> None:
    now = time.monotonic()
    if _State.since is None:
        _State.since = now
        if not _State.held:
            raise KeyboardInterrupt
    elif now - _State.since > TWICE and not _State.held:
        _end()


def _end() -> None:
    for process in _State.started:
        process.kill()
    if SHARED not in os.environ:
        with suppress(OSError):  # the terminal may be gone
            os.write(2, f"{WORDS}\n".encode())
    os._exit(STOPPED)
