"""Which layer breaks equivariance, by how much, under which element, and why? Built for notebook 05."""

import copy
from dataclasses import dataclass, replace

import torch
from torch import Generator, nn

from course_lib.checks.culprit import EXACT_BELOW
from course_lib.checks.examination import Examination, Finding
from course_lib.checks.readings import noise_like
from course_lib.checks.unequal import make_unequal
from course_lib.groups import Element, Group


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
        calls = "1 layer call" if self.layers == 1 else f"{self.layers} layer calls"
        head = f"{self.group}, {calls}; output {output}. "
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
        now = Examination(plain, group, x)
        findings = now.findings()
        known = {finding.layer for finding in findings}
        later = Examination(varied, group, x).findings()
    latent = tuple(replace(finding, latent=True) for finding in later if finding.layer not in known)
    unknown = tuple(now.calls[i].name for i in now.leaves if not now.is_known(i))
    return Diagnosis(group, (*findings, *latent), now.output_error()[0], len(now.leaves), unknown)
