"""``python -m course_lib bench``: times, memory and ratios of layers, networks and notebooks, measured side by side.

    python -m course_lib bench [--suite layers|networks|notebooks] [--device cpu|cuda] [--threads 2] [--seconds 20]
                               [--only WORDS]

All contenders of a case take turns in one run; a ratio is the median over rounds of the ratio within a round. Prints a
Markdown table and, once all cases are measured, writes everything with its provenance to ``SUITE_DEVICE.json`` in
``results/bench`` of the working directory. With ``--only`` just the cases whose name contains the words run, and
nothing is stored.

To add cases, write a file whose ``cases()`` returns a list of `Case` and name it in ``suites.py``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from course_lib.arguments import Parser, path, positive, whole, word
from course_lib.bench.case import Bar, Case, Contender
from course_lib.bench.measuring import measure
from course_lib.bench.report import case_result, load, markdown, provenance
from course_lib.bench.suites import SUITES
from course_lib.training import require_device, write_json

__all__ = ["Bar", "Case", "Contender", "main", "run_suite"]

RESULTS = Path("results", "bench")
STOPPED = 75  # as of a run that is stopped


def main(argv: list[str] | None = None) -> int:
    """The command; the exit status is 1 if a bar was missed, 75 if it was stopped by Ctrl-C, which writes nothing."""
    parser = Parser(prog="python -m course_lib bench", description="Measure side by side.")
    parser.add_argument("--suite", choices=SUITES, default="layers")
    parser.add_argument("--device", type=word, default="cpu", help="cpu, cuda or cuda:1")
    parser.add_argument("--threads", type=whole(1, most=os.cpu_count() or 1), help="on the CPU")
    parser.add_argument(
        "--seconds", type=positive, default=20.0, help="about how long each case runs in each mode (20)"
    )
    parser.add_argument("--only", type=word, metavar="WORDS", help="cases whose name contains this; stores nothing")
    parser.add_argument("--results", type=path, default=RESULTS, help=f"the folder for the JSON file ({RESULTS})")
    options = parser.parse_args(argv)
    device = require_device(options.device)
    if options.threads:
        torch.set_num_threads(options.threads)
    cases = [case for case in SUITES[options.suite]() if (options.only or "") in case.name]
    if not cases:
        parser.error(f"--only {options.only!r}: no such case in the suite {options.suite}")
    results: list[dict[str, Any]] = []
    try:
        results.extend(run_suite(cases, device, options.seconds))
    except KeyboardInterrupt:
        print("stopped before all cases were measured: no file was written", file=sys.stderr)
        return STOPPED
    print(markdown(results))
    if not options.only:
        file = options.results / f"{options.suite}_{device.type}.json"
        write_json(file, {"suite": options.suite, "provenance": provenance(device), "cases": results})
        print(f"\nwritten to {file}")
    return int(any(bar["holds"] is False for result in results for bar in result["bars"]))


def run_suite(cases: list[Case], device: torch.device, seconds: float) -> Iterator[dict[str, Any]]:
    """Measure the cases one after another, in each mode; each says on stderr when its turn comes."""
    for case in cases:
        for mode in case.modes:
            print(f"{case.name}, {mode} (load {load()})", file=sys.stderr, flush=True)
            yield case_result(case, mode, measure(case, mode, device, seconds))
