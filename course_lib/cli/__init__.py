"""The command line, ``python -m course_lib``: what is typed, and what goes wrong said in one line."""

import sys
from importlib import import_module

from course_lib.cli.parser import make_parser
from course_lib.cli.process import flush_output, keep_freed_memory, prepare_streams
from course_lib.errors import UserError
from course_lib.signals import STOPPED, WORDS, stopping

NO_READER = 141  # what a shell reports of a program whose output nobody reads any longer: 128 + SIGPIPE


def main(argv: list[str] | None = None) -> int:
    """Run a command; the exit status is 0 if all is done, 1 on an error, 2 on a wrong word, 75 if it was stopped.

    What the user can put right is said in one line. A bug keeps its traceback.
    """
    prepare_streams()
    try:
        try:
            return _run(sys.argv[1:] if argv is None else argv)
        finally:
            flush_output()  # here, and not when Python ends: a full disk is an error like any other
    except BrokenPipeError:  # the reader has seen enough, as head has
        return NO_READER
    except (OSError, UserError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _run(argv: list[str]) -> int:
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
            return getattr(commands, options.command)(options)
    except Stopped as stopped:
        print(stopped)
        return STOPPED
    except KeyboardInterrupt:
        print(WORDS, file=sys.stderr)
        return STOPPED
