"""Results of a benchmark with their provenance: as JSON, and as a Markdown table."""

import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from course_lib.bench.case import Bar, Case
from course_lib.bench.measuring import Measurement, paired_ratio
from course_lib.training.environment import provenance as run_provenance

ROOT = Path(__file__).resolve().parents[2]


def provenance(device: torch.device) -> dict[str, Any]:
    """What a figure needs beside it: that of every run, and what moves a time: cores, thread and allocator settings."""
    settings = {k: v for k, v in os.environ.items() if k.startswith(("OMP_", "MKL_", "MALLOC_", "PYTORCH_"))}
    return {**run_provenance(device), "cores": os.cpu_count(), "environment": settings, "escnn": _version("escnn")}


def load() -> float | None:
    """The machine's load average over the last minute; one busy core counts as 1. None where it is not known."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def case_result(case: Case, mode: str, found: dict[str, Measurement]) -> dict[str, Any]:
    """One case in one mode, as plain data."""
    first = next(iter(found.values()))
    return {
        "case": case.name,
        "mode": mode,
        "load": load(),
        "contenders": {
            name: {
                "median_ms": 1000 * m.median,
                "fastest_ms": 1000 * min(m.seconds),
                "times_as_long": paired_ratio(m, first),
                "rounds": len(m.seconds),
                "saved_MB": None if m.saved_bytes is None else m.saved_bytes / 1e6,
                "peak_MB": None if m.peak_bytes is None else m.peak_bytes / 1e6,
            }
            for name, m in found.items()
        },
        "left_out": {contender.name: contender.missing for contender in case.contenders if contender.missing},
        "bars": [bar_result(bar, found) for bar in case.bars if bar.mode == mode],
    }


def in_a_line(result: dict[str, Any]) -> str:
    """One case in one mode: the time of the first contender, how many times as long the others took, missed bars."""
    (name, first), *others = result["contenders"].items()
    parts = [f"{name} {_number(first['median_ms'])} ms"]
    parts += [f"{other} {_number(m['times_as_long'])} times as long" for other, m in others]
    missed = [f"{bar['bar']}: {_number(bar['value'])}" for bar in result["bars"] if bar["holds"] is False]
    return ", ".join(parts) + "".join(f"; missed: {bar}" for bar in missed)


def bar_result(bar: Bar, found: dict[str, Measurement]) -> dict[str, Any]:
    """A bar with what was measured; ``value`` and ``holds`` are None where a contender was left out."""
    value = _value(bar, found)
    return {"bar": str(bar), "limit": bar.limit, "value": value, "holds": None if value is None else bar.holds(value)}


def _value(bar: Bar, found: dict[str, Measurement]) -> float | None:
    ours, against = found.get(bar.ours), found.get(bar.against)
    if ours is None or (against is None and bar.quantity != "seconds"):
        return None
    if against is None:
        return ours.median
    if bar.quantity == "saved":
        return None if not ours.saved_bytes or not against.saved_bytes else ours.saved_bytes / against.saved_bytes
    return paired_ratio(ours, against) if bar.quantity == "time" else paired_ratio(against, ours)


def markdown(results: list[dict[str, Any]]) -> str:
    """The results as two tables: what each contender took, and the bars."""
    return f"{times_markdown(results)}\n\n{bars_markdown(results)}"


def times_markdown(results: list[dict[str, Any]]) -> str:
    """One row for each contender in each mode."""
    lines = ["| case | mode | contender | median ms | saved MB | peak MB |", "|---|---|---|---:|---:|---:|"]
    for result in results:
        head = f"| {result['case']} | {result['mode']} "
        for name, m in result["contenders"].items():
            cells = (_number(m[key]) for key in ("median_ms", "saved_MB", "peak_MB"))
            lines.append(f"{head}| {name} | {' | '.join(cells)} |")
        lines += [f"{head}| {name} | left out: {why} | | |" for name, why in result["left_out"].items()]
    return "\n".join(lines)


def bars_markdown(results: list[dict[str, Any]]) -> str:
    """One row for each bar: what was measured, and whether it holds."""
    lines = ["| bar | case | measured | holds |", "|---|---|---:|---|"]
    verdicts = {True: "yes", False: "**no**", None: "not measured"}
    for result in results:
        for bar in result["bars"]:
            lines.append(f"| {bar['bar']} | {result['case']} | {_number(bar['value'])} | {verdicts[bar['holds']]} |")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
