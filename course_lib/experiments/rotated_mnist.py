"""The papers' tables as data: which network, and what was published about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import nn

from course_lib.groups import C1, C4, Group
from course_lib.layers import GCSeparableConv2d, GSeparableConv2d
from course_lib.models import p4cnn, p4cnn_linear


@dataclass(frozen=True)
class Row:
    """A network of a table, and the published figures; None where nothing was published.

    ``parameters`` and ``macs`` (multiply-accumulates for one image) as rounded in print: 25.21 thousand is 25,210.
    ``error`` and ``deviation`` are test errors in percent and their standard deviation over the runs.
    """

    name: str
    group: Group
    width: int
    network: Callable[[Group, int], nn.Module]
    source: str
    parameters: int | None = None
    macs: int | None = None
    error: float | None = None
    deviation: float | None = None

    def build(self) -> nn.Module:
        return self.network(self.group, self.width)


_COHEN = "Cohen & Welling (2016)"
_LENGYEL = "Lengyel & van Gemert (2021), Table 1"
_g = partial(p4cnn_linear, conv=GSeparableConv2d)
_gc = partial(p4cnn_linear, conv=GCSeparableConv2d)
_c = partial(p4cnn_linear, conv=partial(GCSeparableConv2d, pointwise_bias=True))

# Input 1 × 28 × 28; 12,000 images for training and validation, 50,000 for the test. Cohen & Welling print the deviation
# as a fraction beside an error in percent (5.03 ± 0.0020); here both are in percent.
ROTATED_MNIST = (
    Row("Z2CNN", C1, 20, p4cnn, _COHEN, error=5.03, deviation=0.20),
    Row("P4CNN", C4, 10, p4cnn, _COHEN, error=2.28, deviation=0.04),
    Row("Z2CNN", C1, 20, p4cnn_linear, _LENGYEL, 25_210, 2_980_000, 5.20, 0.110),
    Row("c-Z2CNN", C1, 57, _c, _LENGYEL, 25_600, 4_140_000, 4.64, 0.126),
    Row("P4CNN", C4, 10, p4cnn_linear, _LENGYEL, 24_810, 11_670_000, 2.23, 0.061),
    Row("g-P4CNN", C4, 10, _g, _LENGYEL, 8_910, 4_370_000, 2.60, 0.098),
    Row("gc-P4CNN", C4, 10, _gc, _LENGYEL, 3_420, 1_800_000, 2.88, 0.169),
    Row("g-P4CNN", C4, 17, _g, _LENGYEL, 25_260, 12_340_000, 1.97, 0.044),
    Row("gc-P4CNN", C4, 30, _gc, _LENGYEL, 24_640, 13_010_000, 1.74, 0.070),
)
