"""``python -m course_lib bench``: times, memory and ratios of layers, networks and notebooks, measured side by side.

    python -m course_lib bench [--suite layers|networks|notebooks] [--device cpu|cuda] [--threads 2] [--seconds 20]
                               [--only WORDS]

All contenders of a case take turns in one run; a ratio is the median over rounds of the ratio within a round. After
each case its ratios are printed, and all results so far are written with their provenance to ``SUITE_DEVICE.json``, on
a CPU ``SUITE_cpu_2_threads.json``, in ``results/bench`` of the working directory. Whoever stops it loses one case: the
same command goes on after the last one, if commit, machine, threads and ``--seconds`` are the same and nothing is
uncommitted; else it begins anew, as it does when the file is removed. At the end it prints Markdown tables. With
``--only`` just the cases whose name contains the words run, and nothing is stored.

To add cases, write a file whose ``cases()`` returns a list of `Case` and name it in ``suites.py``.
"""

import os
import sys
from pathlib import Path

import torch

from course_lib.arguments import Parser, path, positive, whole, word
from course_lib.bench.case import Bar, Case, Contender, Mode
from course_lib.bench.measuring import measure
from course_lib.bench.report import case_result, in_a_line, load, markdown
from course_lib.bench.store import Store
from course_lib.bench.suites import SUITES
from course_lib.training import require_device

__all__ = ["Bar", "Case", "Contender", "main", "run_suite"]

RESULTS = Path("results", "bench")
STOPPED = 75  # as of a run that is stopped


def main(argv: list[str] | None = None) -> int:
    """The command; the exit status is 1 if a bar was missed, 75 if it was stopped by Ctrl-C."""
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
    store = Store(options.results, options.suite, device, options.seconds, keep=not options.only)
    turns = [(case, mode) for case in cases for mode in case.modes]
    try:
        run_suite(turns, device, store)
    except KeyboardInterrupt:
        print(f"stopped after {len(store.results)} of {len(turns)}; {store.outlook}", file=sys.stderr)
        return STOPPED
    print(markdown(store.results))
    if not options.only:
        print(f"\nwritten to {store.file}")
    return int(any(bar["holds"] is False for result in store.results for bar in result["bars"]))


def run_suite(turns: list[tuple[Case, Mode]], device: torch.device, store: Store) -> None:
    """Measure what is not in the store yet, one after another; each says its name and its ratios on stderr."""
    for case, mode in turns:
        known = store.find(case.name, mode)
        print(f"{case.name}, {mode} " + ("(measured already)" if known else f"(load {load()})"), file=sys.stderr)
        if known is None:
            known = case_result(case, mode, measure(case, mode, device, store.seconds))
            store.add(known)
        print(f"    {in_a_line(known)}", file=sys.stderr, flush=True)
