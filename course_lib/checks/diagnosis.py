"""Which layer breaks equivariance, by how much, under which element, and why? Built for notebook 05."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor, nn

from course_lib.actions import act
from course_lib.checks.causes import EXACT_BELOW, Case, error_alone, explain, explain_between
from course_lib.checks.measuring import OUTPUT
from course_lib.checks.readings import CHANGES_PLACES, Reading, noise_like, readings
from course_lib.checks.tracing import is_float_tensor, trace
from course_lib.checks.unequal import make_unequal
from course_lib.groups import Element, Group

Errors = list[tuple[float, Element]]  # of the readings of one tensor, each for its worst element


@dataclass(frozen=True)
class Finding:
    """A layer that breaks equivariance by itself; if ``latent``, then once training has made its parameters differ."""

    layer: str
    kind: str
    error: float
    element: Element
    cause: str
    cure: str
    latent: bool = False


@dataclass(frozen=True)
class Diagnosis:
    """All layers that break equivariance by themselves, in the order of computation; the fields describe the first."""

    group: Group
    findings: tuple[Finding, ...]
    output_error: float
    layers: int
    not_compared: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.findings

    @property
    def first(self) -> Finding | None:
        return self.findings[0] if self.findings else None

    @property
    def layer(self) -> str | None:
        return self.first.layer if self.first else None

    @property
    def error(self) -> float | None:
        return self.first.error if self.first else None

    @property
    def element(self) -> Element | None:
        return self.first.element if self.first else None

    @property
    def cause(self) -> str | None:
        return self.first.cause if self.first else None

    @property
    def cure(self) -> str | None:
        return self.first.cure if self.first else None

    def __str__(self) -> str:
        output = "exact" if self.output_error < EXACT_BELOW else f"off by {self.output_error:.2g}"
        head = f"{self.group}, {self.layers} layer calls; output {output}. "
        if self.first is None:
            return "\n".join([head + "No layer breaks equivariance.", *self._left_out()])
        rows = [("layer", "type", "error", "worst", "")]
        for f in self.findings:
            rows.append((f.layer, f.kind, f"{f.error:.2g}", str(f.element), "latent" if f.latent else ""))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        table = ["  ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
        latent = (
            " (equal parameters still hide it; the error is that after random changes)" if self.first.latent else ""
        )
        words = [f"First: {self.first.layer}{latent}", f"Cause: {self.first.cause}", f"Cure:  {self.first.cure}"]
        return "\n".join([head + "Equivariance is broken by:", *table, *words, *self._left_out()])

    def _left_out(self) -> list[str]:
        return ["Not compared, as no reading is known: " + ", ".join(self.not_compared)] if self.not_compared else []


def diagnose(net: nn.Module, group: Group, input_shape: tuple[int, ...]) -> Diagnosis:
    """Find the first layer that breaks equivariance to the group, and why.

    Args:
        net: any module that takes one map; it is copied to float64 and eval mode, and left as it was.
        group: the symmetries to test, which need not be the net's own.
        input_shape: without the batch axis, (C, Y, X) for images or (C, |H|, Y, X) for feature maps.

    Runs noise x and every L_g x through the net and watches each layer. What goes into a layer is known to move as some
    L_g; if what comes out moves as no L_g, the layer is guilty. After the first guilty one each layer is fed L_g of its
    actual input by itself. Then the same again with all equal parameters made unequal, which shows latent faults.
    Causes are found by trying what would mend the layer. Layers that stand in a module which is exact as a whole, or in
    a net whose answers are exact on 16 more inputs, are not blamed. Notebook 05.

    Raises ValueError for an input_shape of another length, and whatever the net itself raises.
    """
    if len(input_shape) not in (3, 4):
        raise ValueError(f"input_shape is (C, Y, X) or (C, |H|, Y, X), without the batch axis, got {input_shape}")
    plain = copy.deepcopy(net).to("cpu", torch.float64).eval()
    varied = copy.deepcopy(plain)
    make_unequal(varied, Generator().manual_seed(0))
    x = noise_like((2, *input_shape))
    with torch.random.fork_rng(devices=[]):
        diagnosis = _Examination(plain, group, x).diagnosis()
        if group.order > 1:
            known = {f.layer for f in diagnosis.findings}
            later = _Examination(varied, group, x).diagnosis().findings
            latent = [replace(f, latent=True) for f in later if f.layer not in known]
            diagnosis = replace(diagnosis, findings=(*diagnosis.findings, *latent))
    return diagnosis


class _Examination:
    """One net, its calls on x, and how well every reading of their inputs and outputs fits its calls on L_g x."""

    def __init__(self, net: nn.Module, group: Group, x: Tensor) -> None:
        self.net, self.group, self.shape = net, group, x.shape
        self.calls = trace(net, x)
        self.into: list[list[Errors]] = [[] for _ in self.calls]
        self.out: list[Errors] = [[] for _ in self.calls]
        for g in group.elements:
            for i, (call, seen) in enumerate(zip(self.calls, trace(net, act(g, x, group)), strict=True)):
                pairs = list(zip(call.inputs, seen.inputs, strict=True))
                self.into[i] = self.into[i] or [[] for _ in pairs]
                for errors, (a, b) in zip(self.into[i], pairs, strict=True):
                    _update(errors, g, readings(a, group), a, b)
                if is_float_tensor(call.output):
                    _update(self.out[i], g, readings(call.output, group), call.output, seen.output)

    def diagnosis(self) -> Diagnosis:
        output = self._output_error()
        leaves = [i for i, call in enumerate(self.calls[:-1]) if call.is_leaf] or [len(self.calls) - 1]
        skipped = tuple(self.calls[i].name for i in leaves if not self.out[i] or not all(self.into[i]))
        findings = list(self._findings(leaves))
        if not findings and output[0] >= EXACT_BELOW:
            findings = [self._at_the_output(output)]
        if findings and output[0] < EXACT_BELOW and self._answers_are_exact():
            findings = []
        return Diagnosis(self.group, tuple(findings), output[0], len(leaves), skipped)

    def _findings(self, leaves: Iterable[int]) -> Iterable[Finding]:
        is_first, last = True, None
        last_map: Tensor | None = None
        for i in leaves:
            call = self.calls[i]
            if not self.out[i] or not all(self.into[i]) or not self.into[i]:
                continue
            arrives = max(min(errors) for errors in self.into[i])
            if is_first and arrives[0] >= EXACT_BELOW:
                is_first = False
                if not self._inside_an_exact_module(i):
                    words = explain_between(last, call.name, call.inputs[0], call.between)
                    yield Finding(f"before {call.name}", "(forward)", *arrives, *words)
            error, g = min(self.out[i]) if arrives[0] < EXACT_BELOW else error_alone(call, self.group)
            if error >= EXACT_BELOW and not self._inside_an_exact_module(i):
                is_first = False
                words = explain(Case(call, self.group, last_map))
                yield Finding(call.name or OUTPUT, type(call.module).__name__, error, g, *words)
            last = call
            last_map = call.output if call.output.ndim >= 4 else last_map

    def _inside_an_exact_module(self, leaf: int) -> bool:
        """Whether a module around this leaf, other than the net, is exact as a whole and puts out a map."""
        return any(
            leaf in call.inside
            and all(min(errors)[0] < EXACT_BELOW for errors in self.into[i])
            and is_float_tensor(call.output)
            and call.output.ndim >= 4
            and min(self.out[i], default=(math.inf,))[0] < EXACT_BELOW
            for i, call in enumerate(self.calls[:-1])
        )

    def _output_error(self) -> tuple[float, Element]:
        """Of the whole net. A vector must not change at all: that its entries change places is not enough."""
        output = self.calls[-1].output
        if not self.out[-1]:
            raise ValueError(f"the net must put out a tensor of floats, got {type(output).__name__}")
        pairs = zip(self.out[-1], readings(output, self.group), strict=True)
        return min(e for e, reading in pairs if reading is not CHANGES_PLACES or output.ndim > 2)

    def _at_the_output(self, error: tuple[float, Element]) -> Finding:
        leaves = [call for call in self.calls[:-1] if call.is_leaf]
        last, root = (leaves[-1] if leaves else None), self.calls[-1]
        return Finding(OUTPUT, "(forward)", *error, *explain_between(last, "the output", root.output, ()))

    def _answers_are_exact(self) -> bool:
        """On 16 more inputs: a broken layer that a maximum hides for two inputs shows in one of these."""
        x = noise_like((16, *self.shape[1:])).flip(0)
        with torch.no_grad():
            y = self.net(x)
            ways = [r for r in readings(y, self.group) if r is not CHANGES_PLACES or y.ndim > 2]
            seen = {g: self.net(act(g, x, self.group)) for g in self.group.elements}
        return any(all(r.error(g, y, seen[g]) < EXACT_BELOW for g in seen) for r in ways)


def _update(errors: Errors, g: Element, ways: list[Reading], y: Tensor, seen: Tensor) -> None:
    """Keep, for each reading, the largest error and its element."""
    errors += [(0.0, g)] * (len(ways) - len(errors))
    for k, reading in enumerate(ways):
        errors[k] = max(errors[k], (reading.error(g, y, seen), g))
