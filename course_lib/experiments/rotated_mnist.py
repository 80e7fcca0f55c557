"""Rotated MNIST: the tables of Cohen & Welling (2016) and of Lengyel & van Gemert (2021), as data."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from torch import nn

from course_lib.experiments.row import Network, Quoted, Recipe, Row, Table, as_printed
from course_lib.experiments.rules import BY_FORMULA, EXECUTED
from course_lib.groups import C1, C4, Group
from course_lib.layers import GCSeparableConv2d, GroupConv2d, GSeparableConv2d
from course_lib.models import p4cnn, p4cnn_dropout, p4cnn_linear, p4cnn_rotation_pooling

P4 = Recipe(
    dataset="rotated-mnist", train=12_000, validation=0, test=50_000, augmentation=("rotate",), normalization="global",
    optimizer="adam", learning_rate=1e-3, batch_size=128, epochs=100, seeds=5,
)  # fmt: skip
Z2 = replace(P4, epochs=300)

_CONVS: dict[str, Callable[..., nn.Module]] = {
    "full": GroupConv2d,
    "c": partial(GCSeparableConv2d, pointwise_bias=True),
    "g": GSeparableConv2d,
    "gc": GCSeparableConv2d,
}
_C_NOTE = (
    "The printed operations follow another rule than those of the other rows: they are near what is executed, where "
    "1×1 convolutions run at the size of their input."
)


def _cohen(key: str, name: str, network: Network, group: Group, width: int, error: str) -> Row:
    recipe, source = Z2 if group == C1 else P4, "Cohen & Welling (2016), Table 1"
    printed = as_printed(percent=error)
    return Row(
        f"{key}-cohen", name, network.__name__, network, group, width, recipe, source, rule=BY_FORMULA, **printed
    )


def _lengyel(key: str, name: str, layer: str, group: Group, width: int, counts: str, error: str) -> Row:
    network, architecture = partial(p4cnn_linear, conv=_CONVS[layer]), "p4cnn_linear"
    recipe, source = Z2 if group == C1 else P4, "Lengyel & van Gemert (2021), Table 1"
    row = Row(key, name, architecture, network, group, width, recipe, source, layer, **as_printed(counts, error))
    return replace(row, rule=EXECUTED, note=_C_NOTE) if layer == "c" else replace(row, rule=BY_FORMULA)


# Cohen & Welling print the deviation as a fraction beside an error in percent (5.03 ± 0.0020); here both are percent.
ROTATED_MNIST = (
    _cohen("z2cnn", "Z2CNN", p4cnn_dropout, C1, 20, "5.03 ± 0.20"),
    _cohen("p4cnn-rotation-pooling", "P4CNNRotationPooling", p4cnn_rotation_pooling, C4, 20, "3.21 ± 0.12"),
    _cohen("p4cnn", "P4CNN", p4cnn, C4, 10, "2.28 ± 0.04"),
    _lengyel("z2cnn", "Z2CNN", "full", C1, 20, "25.21k / 2.98M", "5.20 ± 0.110"),
    _lengyel("c-z2cnn", "c-Z2CNN", "c", C1, 57, "25.60k / 4.14M", "4.64 ± 0.126"),
    _lengyel("p4cnn", "P4CNN", "full", C4, 10, "24.81k / 11.67M", "2.23 ± 0.061"),
    _lengyel("g-p4cnn", "g-P4CNN", "g", C4, 10, "8.91k / 4.37M", "2.60 ± 0.098"),
    _lengyel("gc-p4cnn", "gc-P4CNN", "gc", C4, 10, "3.42k / 1.80M", "2.88 ± 0.169"),
    _lengyel("g-p4cnn-17", "g-P4CNN", "g", C4, 17, "25.26k / 12.34M", "1.97 ± 0.044"),
    _lengyel("gc-p4cnn-30", "gc-P4CNN", "gc", C4, 30, "24.64k / 13.01M", "1.74 ± 0.070"),
)

TABLE = Table(
    "rotated-mnist",
    "Rotated MNIST: group convolutions and separable group convolutions",
    ROTATED_MNIST,
    (
        Quoted("Larochelle et al. (2007)", **as_printed("", "10.38 ± 0.27")),
        Quoted("Sohn & Lee (2012)", **as_printed("", "4.2")),
        Quoted("Schmidt & Roth (2012)", **as_printed("", "3.98")),
        Quoted("H-Net", **as_printed("33k", "1.69")),
        Quoted("α-P4CNN", **as_printed("73.13k", "1.70 ± 0.021")),
        Quoted("a-P4CNN", **as_printed("20.76k", "2.06 ± 0.043")),
        Quoted("DREN", **as_printed("25k", "1.56")),
        Quoted("SFCNN", **as_printed("", "0.71 ± 0.022")),
    ),
    "The rule charges the pointwise step of a separable layer at the size of its output. Without padding it has to be "
    "done at the size of the input, which is larger: hence the last column.\n\n"
    "Cohen & Welling print the deviation as a fraction beside an error in percent; here both are in percent. Their "
    "P4CNNRotationPooling takes the maximum over the rotations after every layer, and lifts again.",
)
