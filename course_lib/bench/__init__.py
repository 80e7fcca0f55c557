"""``python -m course_lib bench``: times, memory and ratios of layers, networks and notebooks, measured side by side.

    python -m course_lib bench [--suite layers|networks|notebooks] [--device cpu|cuda] [--threads 2] [--seconds 20]
                               [--only WORDS]

All contenders of a case take turns in one run; a ratio is the median over rounds of the ratio within a round. Prints a
Markdown table and writes everything with its provenance to ``data/results/bench/SUITE_DEVICE.json``. With ``--only``
just the cases whose name contains the words run, and nothing is stored.

To add cases, write a file whose ``cases()`` returns a list of `Case` and name it in ``suites.py``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from course_lib.bench.case import Bar, Case, Contender
from course_lib.bench.measuring import measure
from course_lib.bench.report import ROOT, case_result, load, markdown, provenance
from course_lib.bench.suites import SUITES
from course_lib.training import write_json

__all__ = ["Bar", "Case", "Contender", "main", "run_suite"]

RESULTS = ROOT / "data" / "results" / "bench"


def main(argv: list[str] | None = None) -> int:
    """The command; the exit status is 1 if a bar was missed."""
    parser = argparse.ArgumentParser(prog="python -m course_lib bench", description="Measure side by side.")
    parser.add_argument("--suite", choices=SUITES, default="layers")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:1")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="on the CPU")
    parser.add_argument("--seconds", type=float, default=20.0, help="about how long each case runs in each mode")
    parser.add_argument("--only", default="", metavar="WORDS", help="cases whose name contains this; stores nothing")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder for the JSON file")
    options = parser.parse_args(argv)
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: torch finds no CUDA device here; use --device cpu")
    torch.set_num_threads(options.threads)
    cases = [case for case in SUITES[options.suite]() if options.only in case.name]
    if not cases:
        parser.error(f"--only {options.only!r}: no such case in the suite {options.suite}")
    path = options.results / f"{options.suite}_{device.type}.json"
    made, results = provenance(device), []
    for result in run_suite(cases, device, options.seconds):
        results.append(result)
        if not options.only:  # after each case: whoever interrupts a long run keeps what it found
            write_json(path, {"suite": options.suite, "provenance": made, "cases": results})
    print(markdown(results))
    if not options.only:
        print(f"\nwritten to {path}")
    return int(any(bar["holds"] is False for result in results for bar in result["bars"]))


def run_suite(cases: list[Case], device: torch.device, seconds: float) -> Iterator[dict[str, Any]]:
    """Measure the cases one after another, in each mode; each says on stderr when its turn comes."""
    for case in cases:
        for mode in case.modes:
            print(f"{case.name}, {mode} (load {load()})", file=sys.stderr, flush=True)
            yield case_result(case, mode, measure(case, mode, device, seconds))
