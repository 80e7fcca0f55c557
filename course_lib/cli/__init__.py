"""The command line, ``python -m course_lib``: what is typed, and what goes wrong said in one line."""

from __future__ import annotations

import signal
import sys

from course_lib.cli.allocator import keep_freed_memory
from course_lib.cli.parser import make_parser

STOPPED = 75  # the exit status of a run that can be continued; the "temporary failure" of sysexits.h


def main(argv: list[str] | None = None) -> int:
    """Run a command; the exit status is 0 if all is done, 1 on an error, 2 on a wrong word, 75 if it was stopped."""
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ["bench"]:  # it has options of its own
        from course_lib.bench import main as bench

        return bench(argv[1:])
    options = make_parser().parse_args(argv)
    if options.command is None:
        make_parser().print_help()
        return 2
    keep_freed_memory()
    from course_lib.cli import commands  # imports torch, which takes seconds: not for a mere --help
    from course_lib.training.runs import Stopped

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a cluster that wants its machine back: as Ctrl-C
    try:
        return getattr(commands, options.command)(options, argv)
    except Stopped as stopped:
        print(stopped)
        return STOPPED
    except KeyboardInterrupt:
        print("stopped; the same command goes on from what is stored", file=sys.stderr)
        return STOPPED
    except (ArithmeticError, ImportError, LookupError, MemoryError, OSError, RuntimeError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
