"""A time limit for answers: the checks run first in a copy of this process, which the system stops when time is up.

Python delivers a signal only between two steps of a program, and an answer may catch what is raised then. So neither
``sum(range(10**12))`` nor ``except: continue`` can be stopped from inside; a process can, whatever it does. On Linux
`stopped_line` makes such a copy with ``fork``. Elsewhere forking is not safe (macOS) or not there (Windows), and only
`time_limit` is left: on macOS it ends loops written in Python, on Windows nothing does but the kernel's stop button.
"""

import contextlib
import faulthandler
import os
import re
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import IO

import torch

CAN_COPY = sys.platform == "linux"
SECONDS = 5.0  # of computing
WAITING_SECONDS = 2 * SECONDS  # by the clock, for a loop that sleeps; a busy computer makes others wait, too
TIME_IS_UP = (signal.SIGPROF, signal.SIGALRM) if CAN_COPY else ()


class StillRunning(BaseException):
    """Not an Exception, or an answer's ``except Exception`` would catch it."""


def stopped_line(run: Callable[[], object], filename: str | None) -> int | None:
    """Run in a copy of this process. Returns None if it ended by itself, else the line of this file where it stood.

    The line is 0 if the file is not on the stack. Nothing that ``run`` prints or changes reaches this process.
    """
    if not CAN_COPY or threading.current_thread() is not threading.main_thread():
        return None
    with tempfile.TemporaryFile("w+", encoding="utf-8") as stack:
        with warnings.catch_warnings():
            # Python 3.12 warns that a lock that another thread holds stays locked in the copy. The copy prints nothing
            # and runs torch on one thread, as each worker of torch's DataLoader does: it needs no such lock.
            warnings.simplefilter("ignore", DeprecationWarning)
            copy = os.fork()
        if copy == 0:
            _run_and_exit(run, stack)
        try:
            _, status = os.waitpid(copy, 0)
        except KeyboardInterrupt:
            os.kill(copy, signal.SIGKILL)
            os.waitpid(copy, 0)
            raise
        if not (os.WIFSIGNALED(status) and os.WTERMSIG(status) in TIME_IS_UP):
            return None
        stack.seek(0)
        lines = re.findall(r'File "(.*)", line (\d+) in ', stack.read())
    return next((int(number) for name, number in lines if name == filename), 0)


def _run_and_exit(run: Callable[[], object], stack: IO[str]) -> None:
    """What the copy does. The two timers kill it, even in the middle of a long computation in C."""
    try:
        torch.set_num_threads(1)  # the threads of OpenMP do not survive a fork
        for timer in TIME_IS_UP:
            signal.signal(timer, signal.SIG_DFL)
            faulthandler.register(timer, stack, all_threads=False, chain=True)
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        signal.setitimer(signal.ITIMER_REAL, WAITING_SECONDS)
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            run()
    finally:
        os._exit(0)


@contextlib.contextmanager
def time_limit() -> Iterator[None]:
    """Where there is no copy: raise StillRunning when time is up, again and again, as the answer may catch it."""
    if CAN_COPY or not hasattr(signal, "SIGALRM") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_signal: int, _frame: object) -> None:
        raise StillRunning

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS, 0.1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
