"""Each notebook from top to bottom in a fresh kernel, on one thread, with no exercise filled in."""

import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path

from course_lib.bench.case import Bar, Case, Contender
from course_lib.bench.report import ROOT

SECONDS = 120.0


def cases() -> list[Case]:
    """Raises FileNotFoundError outside of a checkout: an installed ``course_lib`` brings no notebooks."""
    folder = ROOT / "notebooks"
    if not (folder / "build.py").is_file():
        raise FileNotFoundError(f"no notebooks in {folder}: run this from a checkout of the course")
    sys.path.insert(0, str(folder))
    build = import_module("build")

    def run(source: Path) -> Callable[[], object]:
        return lambda: build.execute(build.from_source(source))

    return [
        Case(
            f"notebook {source.stem}",
            (Contender("top to bottom", partial(run, source)),),
            modes=("call",),
            bars=(Bar("seconds", "top to bottom", "", SECONDS, "call"),),
        )
        for source in build.sources()
    ]
