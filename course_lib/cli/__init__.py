"""The command line, ``python -m course_lib``: what is typed, and what goes wrong said in one line."""

from __future__ import annotations

import os
import sys
from importlib import import_module

from course_lib.cli.allocator import keep_freed_memory
from course_lib.cli.parser import make_parser
from course_lib.signals import SHARED, STOPPED, WORDS, stopping


def main(argv: list[str] | None = None) -> int:
    """Run a command; the exit status is 0 if all is done, 1 on an error, 2 on a wrong word, 75 if it was stopped."""
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ["bench"]:  # it has options of its own
        from course_lib.bench import main as bench

        with stopping():
            return bench(argv[1:])
    options = make_parser().parse_args(argv)
    if options.command is None:
        make_parser().print_help()
        return 2
    keep_freed_memory()
    from course_lib.cli import commands  # imports torch, which takes seconds: not for a mere --help
    from course_lib.training.runs import Stopped

    if options.command in ("train", "table"):
        # The first optimizer imports it, a thousand modules. A Ctrl-C is swallowed by some of them: before, it is not.
        import_module("torch._dynamo")
    try:
        with stopping():
            return getattr(commands, options.command)(options, argv)
    except Stopped as stopped:
        print(stopped)
        return STOPPED
    except KeyboardInterrupt:
        if SHARED not in os.environ:
            print(WORDS, file=sys.stderr)
        return STOPPED
    except (ArithmeticError, ImportError, LookupError, MemoryError, OSError, RuntimeError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
