"""The results of one suite in their file, written after every case, so that a stopped benchmark can go on."""

import json
from pathlib import Path
from typing import Any

import torch

from course_lib.bench.report import provenance
from course_lib.files import write_json


class Store:
    """Results with their provenance. It begins with those that the file holds, if they are of the same code,
    machine and settings; with ``keep=False`` it begins empty and writes nothing."""

    def __init__(self, folder: Path, suite: str, device: torch.device, seconds: float, keep: bool = True) -> None:
        self.seconds, self.keep = seconds, keep
        self.head: dict[str, Any] = {"suite": suite, "seconds": seconds, "provenance": provenance(device)}
        threads = torch.get_num_threads()
        on = f"cpu_{threads}_thread{'s' * (threads > 1)}" if device.type == "cpu" else device.type
        self.file = folder / f"{suite}_{on}.json"
        self.results: list[dict[str, Any]] = self._stored() if keep else []

    def find(self, case: str, mode: str) -> dict[str, Any] | None:
        return next((r for r in self.results if (r["case"], r["mode"]) == (case, mode)), None)

    def add(self, result: dict[str, Any]) -> None:
        self.results.append(result)
        if self.keep:
            write_json(self.file, {**self.head, "cases": self.results})

    @property
    def outlook(self) -> str:
        """What becomes of a benchmark that is stopped now."""
        if not self.keep:
            return "--only stores nothing"
        return f"they are in {self.file}, and the same command goes on" if self.results else "no file was written"

    def _stored(self) -> list[dict[str, Any]]:
        try:
            stored = json.loads(self.file.read_text())
            cases, there = stored["cases"], _comparable(stored)
        except (OSError, ValueError, KeyError, TypeError):  # no such file, or not one of ours
            return []
        here = _comparable(self.head)
        is_known = here["provenance"]["commit"] and here["provenance"]["uncommitted_changes"] == []
        if not (is_known and here == there):
            return []
        self.head["provenance"]["started"] = stored["provenance"]["started"]
        return cases


def _comparable(head: dict[str, Any]) -> dict[str, Any]:
    """All that must be the same for two measurements to stand in one file."""
    origin = {key: value for key, value in head["provenance"].items() if key != "started"}
    return {"suite": head["suite"], "seconds": head["seconds"], "provenance": origin}
