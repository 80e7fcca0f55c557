"""Seconds, bytes saved for backward and peak memory of the contenders of one case."""

import json
import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

import torch
from torch import Tensor, nn

from course_lib.bench.case import Case, Contender, Mode

MIN_ROUNDS, MAX_ROUNDS = 5, 201
SHORTEST_TIMING = 0.005  # seconds; quicker work is called several times per timing


@dataclass
class Measurement:
    """What one contender took in one mode. ``seconds`` holds one time per call for each round."""

    seconds: list[float] = field(default_factory=list)
    saved_bytes: int | None = None
    peak_bytes: int | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def paired_ratio(ours: Measurement, against: Measurement) -> float:
    """The median over rounds of the ratio of two times taken right after each other: drift hits both alike."""
    return statistics.median(a / b for a, b in zip(ours.seconds, against.seconds, strict=True))


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds_of(work: Callable[[], object], device: torch.device, calls: int = 1) -> float:
    """The time of one call, as the mean of several in a row; a GPU is waited for before and after."""
    synchronize(device)
    start = time.perf_counter()
    for _ in range(calls):
        work()
    synchronize(device)
    return (time.perf_counter() - start) / calls


def interleaved(works: dict[str, Callable[[], object]], device: torch.device, seconds: float) -> dict[str, list[float]]:
    """Times per call, the contenders taking turns, for about ``seconds`` and at least 5 rounds, after warming up.

    Whoever began a round begins the next one last, so that nobody always runs in the wake of the same other.
    """
    for work in works.values():
        work()
    calls = max(1, math.ceil(SHORTEST_TIMING / min(seconds_of(work, device) for work in works.values())))
    times: dict[str, list[float]] = {name: [] for name in works}
    turns, start = list(works), time.perf_counter()
    for i in range(MAX_ROUNDS):
        if i >= MIN_ROUNDS and time.perf_counter() - start > seconds:
            break
        for name in turns:
            times[name].append(seconds_of(works[name], device, calls))
        turns = turns[1:] + turns[:1]
    return times


def bytes_saved(work: Callable[[], object], left_out: Sequence[Tensor]) -> int:
    """Bytes that autograd keeps from forward to backward, each storage once, without those of ``left_out``."""
    known = {tensor.untyped_storage().data_ptr() for tensor in left_out}
    kept: dict[int, Tensor] = {}  # the tensors stay alive here, so that no address is used twice

    def pack(tensor: Tensor) -> Tensor:
        address = tensor.untyped_storage().data_ptr()
        if address not in known:
            kept[address] = tensor.detach()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        work()
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


def peak_bytes(work: Callable[[], object], device: torch.device) -> int | None:
    """The most memory that torch's allocator held during ``work``, above what it held before."""
    if device.type == "cuda":
        synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler would write to stderr when it starts and stops
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True) as profile:
        work()
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.json"
        profile.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text())["traceEvents"]
    changes = [(event["ts"], event["args"]["Bytes"]) for event in events if event.get("name") == "[memory]"]
    held, most = 0, 0
    for _, change in sorted(changes, key=lambda timed: timed[0]):
        held += change
        most = max(most, held)
    return most


class Runner:
    """The work of one contender in one mode, ready to be called."""

    def __init__(self, case: Case, contender: Contender, mode: Mode, device: torch.device) -> None:
        self.mode = mode
        self.layer = contender.build()
        if isinstance(self.layer, nn.Module):
            self.layer = self.layer.to(device).train(mode == "train")
        self.parameters = list(self.layer.parameters()) if isinstance(self.layer, nn.Module) else []
        self.inputs = tuple(contender.lay_out(x.to(device)) for x in case.inputs())
        for x in self.inputs:
            x.requires_grad_(mode == "train" and case.input_gradients and x.is_floating_point())
        with torch.no_grad():
            output = self.layer(*self.inputs)
        self.output_shape = tuple(output.shape)
        self.cotangent = torch.randn_like(output)

    def __call__(self) -> None:
        if self.mode == "eval":
            with torch.no_grad():
                self.layer(*self.inputs)
            return
        self.forget_gradients()
        self.forward().backward(self.cotangent)

    def forward(self) -> Tensor:
        return self.layer(*self.inputs)

    def forget_gradients(self) -> None:
        for tensor in (*self.parameters, *self.inputs):
            tensor.grad = None


def measure(case: Case, mode: Mode, device: torch.device, seconds: float) -> dict[str, Measurement]:
    """All contenders of a case that can run here, in one mode; by name."""
    contenders = [contender for contender in case.contenders if not contender.missing]
    if mode in ("call", "first output"):
        return {contender.name: _once(case, contender, mode, device) for contender in contenders}
    runners = {contender.name: Runner(case, contender, mode, device) for contender in contenders}
    shapes = {name: runner.output_shape for name, runner in runners.items()}
    if len(set(shapes.values())) > 1:
        raise ValueError(f"{case.name}: all contenders must put out one shape, got {shapes}")
    found = {name: Measurement(times) for name, times in interleaved(dict(runners), device, seconds).items()}
    for name, runner in runners.items():
        if mode == "train":
            found[name].saved_bytes = bytes_saved(runner.forward, runner.parameters)
        runner.forget_gradients()
        found[name].peak_bytes = peak_bytes(runner, device)
    return found


def _once(case: Case, contender: Contender, mode: Mode, device: torch.device) -> Measurement:
    if contender.needs:
        import_module(contender.needs)  # not part of the work
    work = contender.build() if mode == "call" else lambda: Runner(case, contender, "eval", device)
    return Measurement([seconds_of(work, device)])
