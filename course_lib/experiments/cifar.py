"""CIFAR-10: the tables of Cohen & Welling (2016) and of Lengyel & van Gemert (2021), as data."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from course_lib.experiments.row import Network, Quoted, Recipe, Row, Table, as_printed
from course_lib.groups import C1, C4, D4, Group
from course_lib.layers import GCSeparableConv2d, GSeparableConv2d
from course_lib.models import allcnn, resnet44

COHEN = Recipe(
    dataset="cifar10", train=50_000, validation=0, test=10_000, normalization="contrast and ZCA",
    optimizer="sgd", learning_rate=0.01, momentum=0.9, weight_decay=1e-3, batch_size=128, epochs=100,
    note="Learning rate and momentum are not stated: those here are the default settings of the authors' program and "
    "its framework. Settings were selected with 10,000 of the 50,000 images, then all were used.",
)  # fmt: skip
LENGYEL = Recipe(
    dataset="cifar10", train=50_000, validation=0, test=10_000, normalization="contrast and ZCA",
    optimizer="sgd", learning_rate=0.05, momentum=0.9, weight_decay=1e-5, batch_size=128, epochs=300,
    milestones=(50, 100, 150), factor=0.1,
)  # fmt: skip
_LOW_NOTE = "The paper does not say whether this run was augmented; here it is not."
LOW_DATA = replace(LENGYEL, train=10_000, per_class=1_000, note=_LOW_NOTE)


def _augmented(recipe: Recipe) -> Recipe:
    return replace(recipe, augmentation=("flip", "crop4"))


_separable = partial(resnet44, bias=False, shortcut_norm=True)
_WIDTHS = (11, 23, 45)  # of p4m-ResNet44: 32, 64 and 128 divided by √8
_STYLE = "no biases, norms on the shortcuts"


def _both(row: Row, errors: str) -> Iterator[Row]:
    """The row on CIFAR-10 and, with "+" behind its key, on the augmented CIFAR-10+."""
    plain, augmented = errors.split(" / ")
    yield replace(row, **as_printed(percent=plain))
    yield replace(row, key=f"{row.key}+", recipe=_augmented(row.recipe), **as_printed(percent=augmented))


def _cohen(
    key: str, name: str, network: Network, group: Group, width: int | tuple[int, ...], count: str, errors: str
) -> Iterator[Row]:
    source, architecture = "Cohen & Welling (2016), Table 2", network.__name__
    return _both(Row(key, name, architecture, network, group, width, COHEN, source, **as_printed(count)), errors)


def _lengyel(
    key: str, network: Network, layer: str, group: Group, width: int | tuple[int, ...], count: str, errors: str
) -> Iterator[Row]:
    name, source = key.replace("resnet", "ResNet"), "Lengyel & van Gemert (2021), Table 2"
    others = ((_STYLE, _separable),) if layer == "full" else ()
    row = Row(key, name, "resnet44", network, group, width, LENGYEL, source, layer, others=others, **as_printed(count))
    return _both(row, errors)


_g, _gc = partial(_separable, conv=GSeparableConv2d), partial(_separable, conv=GCSeparableConv2d)
_FULL = tuple(
    row
    for rows in (
        _cohen("all-cnn", "All-CNN-C", allcnn, C1, 96, "1.37M", "9.44 / 8.86"),
        _cohen("p4-all-cnn", "p4 All-CNN", allcnn, C4, 48, "1.37M", "8.84 / 7.67"),
        _cohen("p4m-all-cnn", "p4m All-CNN", allcnn, D4, 32, "1.22M", "7.59 / 7.04"),
        _cohen("resnet44-cohen", "ResNet44", resnet44, C1, 32, "2.64M", "9.45 / 5.61"),
        _cohen("p4m-resnet44-cohen", "p4m-ResNet44", resnet44, D4, _WIDTHS, "2.62M", "6.46 / 4.94"),
        _lengyel("resnet44", resnet44, "full", C1, 32, "2.64M", "13.10 / 7.66"),
        _lengyel("p4m-resnet44", resnet44, "full", D4, _WIDTHS, "2.62M", "8.06 / 5.78"),
        _lengyel("g-p4m-resnet44", _g, "g", D4, 19, "1.78M", "7.60 / 6.09"),
        _lengyel("gc-p4m-resnet44", _gc, "gc", D4, 28, "1.88M", "6.72 / 5.43"),
    )
    for row in rows
)


def _low_data(key: str, error: str) -> Row:
    row = next(row for row in _FULL if row.key == key)
    name, source = f"{row.name}, 20 % of the images", "Lengyel & van Gemert (2021), section 4.2"
    return replace(row, key=f"{key}-20", name=name, recipe=LOW_DATA, source=source, **as_printed(percent=error))


CIFAR10 = (*_FULL, _low_data("p4m-resnet44", "14.20"), _low_data("gc-p4m-resnet44", "13.43"))

TABLE = Table(
    "cifar10",
    "CIFAR-10: All-CNN-C and ResNet44",
    CIFAR10,
    (
        Quoted("α_F-p4m-ResNet44", data="cifar10", **as_printed("2.70M", "10.82")),
        Quoted("α_F-p4m-ResNet44", data="cifar10+", **as_printed("2.70M", "10.12")),
        Quoted("a-p4m-ResNet44", data="cifar10", **as_printed("2.63M", "9.12")),
    ),
    "CIFAR-10+ is CIFAR-10 with flips and shifts of up to 4 pixels.\n\n"
    "ResNet44 and p4m-ResNet44 stand here twice: Lengyel & van Gemert could not reproduce the errors of Cohen & "
    "Welling and print those of their own runs. Whether their two baselines have biases and plain shortcuts, as in "
    "Cohen & Welling, or no biases and norms on the shortcuts, as g and gc, print does not decide: both readings agree "
    "with it.\n\nNo operations are printed.",
)
