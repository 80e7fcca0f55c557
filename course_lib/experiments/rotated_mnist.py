"""Rotated MNIST: the tables of Cohen & Welling (2016) and of Lengyel & van Gemert (2021), as data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from torch import nn

from course_lib.experiments.recipe import Recipe
from course_lib.experiments.row import Printed, Row
from course_lib.groups import C1, C4, Group
from course_lib.layers import GCSeparableConv2d, GroupConv2d, GSeparableConv2d
from course_lib.models import p4cnn, p4cnn_linear

COHEN_P4 = Recipe(
    dataset="rotated-mnist",
    train=12_000,
    validation=0,
    test=50_000,
    optimiser="adam",
    learning_rate=1e-3,
    batch_size=128,
    epochs=100,
    augmentation=("rotate",),
    normalisation="global",
    seeds=5,
)
COHEN_Z2 = replace(COHEN_P4, epochs=300)

_CONVS: dict[str, Callable[..., nn.Module]] = {
    "full": GroupConv2d,
    "c": partial(GCSeparableConv2d, pointwise_bias=True),
    "g": GSeparableConv2d,
    "gc": GCSeparableConv2d,
}


def _cohen(key: str, name: str, group: Group, width: int, error: float, deviation: float) -> Row:
    recipe = COHEN_Z2 if group == C1 else COHEN_P4
    source = "Cohen & Welling (2016), Table 1"
    return Row(
        key, name, "p4cnn", p4cnn, group, width, recipe, source, figure=error, deviation=deviation, rule="formula"
    )


def _lengyel(key: str, name: str, layer: str, group: Group, width: int, counts: str, error: str) -> Row:
    figure, deviation = map(float, error.split(" ± "))
    parameters, macs = map(Printed, counts.split(" / "))
    return Row(
        key,
        name,
        "p4cnn_linear",
        partial(p4cnn_linear, conv=_CONVS[layer]),
        group,
        width,
        COHEN_Z2 if group == C1 else COHEN_P4,
        "Lengyel & van Gemert (2021), Table 1",
        layer,
        parameters,
        macs,
        figure,
        deviation,
        rule="executed" if layer == "c" else "formula",
    )


# Cohen & Welling print the deviation as a fraction beside an error in percent (5.03 ± 0.0020); here both are percent.
ROTATED_MNIST = (
    _cohen("z2cnn-cohen", "Z2CNN", C1, 20, 5.03, 0.20),
    _cohen("p4cnn-cohen", "P4CNN", C4, 10, 2.28, 0.04),
    _lengyel("z2cnn", "Z2CNN", "full", C1, 20, "25.21k / 2.98M", "5.20 ± 0.110"),
    _lengyel("c-z2cnn", "c-Z2CNN", "c", C1, 57, "25.60k / 4.14M", "4.64 ± 0.126"),
    _lengyel("p4cnn", "P4CNN", "full", C4, 10, "24.81k / 11.67M", "2.23 ± 0.061"),
    _lengyel("g-p4cnn", "g-P4CNN", "g", C4, 10, "8.91k / 4.37M", "2.60 ± 0.098"),
    _lengyel("gc-p4cnn", "gc-P4CNN", "gc", C4, 10, "3.42k / 1.80M", "2.88 ± 0.169"),
    _lengyel("g-p4cnn-17", "g-P4CNN", "g", C4, 17, "25.26k / 12.34M", "1.97 ± 0.044"),
    _lengyel("gc-p4cnn-30", "gc-P4CNN", "gc", C4, 30, "24.64k / 13.01M", "1.74 ± 0.070"),
)
