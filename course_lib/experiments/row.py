"""A table of a paper and its rows: a network, how it was trained, and what was published about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any, Literal, NamedTuple

import torch
from torch import nn

from course_lib.experiments.rules import EXECUTED, Rule, aggregation_macs
from course_lib.groups import Group

Network = Callable[..., nn.Module]
_UNITS = {"k": 1_000, "M": 1_000_000, "G": 1_000_000_000}
RecipeName = Literal["published", "laptop"]


@dataclass(frozen=True)
class Recipe:
    """How a network of a table is trained and what is reported; what a paper leaves open is chosen, and in ``note``.

    The learning rate is multiplied by ``factor`` at the start of every epoch in ``milestones`` (epochs count from 0;
    without milestones it is constant), or falls to zero along half a cosine (``schedule``). During the first ``warmup``
    epochs it grows linearly to its full value. Dropout is part of a network, not of a recipe. ``name`` is
    "published", the paper's own, or "laptop" (`experiments.laptop`); the two are never compared with each other.
    """

    dataset: Literal["rotated-mnist", "cifar10", "cifar100"]
    train: int  # images of each split
    validation: int
    test: int
    optimizer: Literal["adam", "sgd"]
    learning_rate: float
    batch_size: int
    epochs: int
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    milestones: tuple[int, ...] = ()
    factor: float = 1.0
    warmup: int = 0
    schedule: Literal["steps", "cosine"] = "steps"
    augmentation: tuple[Literal["rotate", "flip", "crop2", "crop4"], ...] = ()
    """"rotate": by any angle; "flip": left and right, or not; "crop4": out of the image with 4 pixels of zeros around
    it, which shifts by up to 4 pixels."""
    normalization: Literal["none", "global", "channel", "contrast and ZCA"] = "none"
    """Mean 0 and deviation 1 over all pixels of the training images, or for each channel; "contrast and ZCA": global
    contrast normalization of each image, then whitening."""
    report: Literal["last epoch", "best validation epoch"] = "last epoch"
    seeds: int = 1
    per_class: int | None = None
    """How many of the training images of each class are used; None for all."""
    note: str = ""
    name: RecipeName = "published"

    @property
    def classes(self) -> int:
        return 100 if self.dataset == "cifar100" else 10

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, Y, X) of one image."""
        return (1, 28, 28) if self.dataset == "rotated-mnist" else (3, 32, 32)


class Printed(float):
    """A count as it stands in print, such as "25.21k": the number 25210.0 that remembers how it was rounded."""

    def __new__(cls, text: str) -> Printed:
        return super().__new__(cls, Decimal(text[:-1]) * _UNITS[text[-1]])

    def __init__(self, text: str) -> None:
        self.text = text

    def __reduce__(self) -> tuple[type[Printed], tuple[str]]:
        return Printed, (self.text,)  # pickled as a float, it would forget its text

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__

    def agrees_with(self, computed: int) -> bool:
        """Whether ``computed`` is printed like this, rounded to as many digits."""
        number, unit = Decimal(self.text[:-1]), _UNITS[self.text[-1]]
        last_digit = Decimal(1).scaleb(int(number.as_tuple().exponent)) * unit
        return abs(computed - number * unit) <= last_digit / 2


def as_printed(counts: str = "", percent: str = "") -> dict[str, Any]:
    """ "25.21k / 2.98M" (parameters, operations) and "5.20 ± 0.11" as arguments for `Row` and `Quoted`.

    Either may lack its second part.
    """
    return {
        **dict(zip(("parameters", "macs"), map(Printed, counts.split(" / ") if counts else []), strict=False)),
        **dict(zip(("percent", "deviation"), map(float, percent.split(" ± ") if percent else []), strict=False)),
    }


class Counts(NamedTuple):
    """What one network has, and does for one image.

    ``macs`` by the row's rule, ``executed`` as in `macs_of_products`, and besides ``aggregation`` (`aggregation_macs`).
    """

    parameters: int
    macs: int
    executed: int
    aggregation: int


@dataclass(frozen=True)
class Row:
    """A network of a table on one data set, and the published numbers; None where nothing was published.

    ``key`` is what one types on the command line, ``name`` is what is printed. ``network(group, width, classes=…)``
    builds it; ``architecture`` and ``layer`` say in words what that is. ``others`` are further interpretations of what
    was published, each with a name, to be counted beside it.
    ``parameters`` and ``macs`` are as printed: multiply-accumulates for one image counted by ``rule``, also where a
    paper calls them FLOPs. ``percent`` is the test error or accuracy (``measure``) in percent, ``deviation`` its
    standard deviation over the seeds. ``note`` says why a count of ours is another than the printed one.
    """

    key: str
    name: str
    architecture: str
    network: Network
    group: Group
    width: int | tuple[int, ...]
    recipe: Recipe
    source: str
    layer: str = "full"
    parameters: Printed | None = None
    macs: Printed | None = None
    percent: float | None = None
    deviation: float | None = None
    measure: Literal["error", "accuracy"] = "error"
    rule: Rule = EXECUTED
    others: tuple[tuple[str, Network], ...] = ()
    note: str = ""

    def build(self, classes: int | None = None) -> nn.Module:
        """The network, untrained; for other data than the recipe's, say how many classes there are."""
        return self.network(self.group, self.width, classes=classes or self.recipe.classes)

    @property
    def error(self) -> float | None:
        """The published error in percent, whether error or accuracy was printed."""
        return self.percent if self.percent is None or self.measure == "error" else round(100 - self.percent, 4)

    def counts(self) -> Counts:
        """Of the network as it is built here; in a second or so, and no random numbers are used up."""
        return self._counts_of(self.network)

    def other_counts(self) -> dict[str, Counts]:
        """The same of every other interpretation."""
        return {name: self._counts_of(network) for name, network in self.others}

    def _counts_of(self, network: Network) -> Counts:
        return _counts(network, self.group, self.width, self.recipe.classes, self.recipe.image_shape, self.rule)


@dataclass(frozen=True)
class Quoted:
    """A line of a table about somebody else's network, which is not built here; numbers as in `Row`."""

    name: str
    percent: float
    deviation: float | None = None
    parameters: Printed | None = None
    macs: Printed | None = None
    data: str = ""


@dataclass(frozen=True)
class Table:
    """``key`` is what one types on the command line; ``note`` is Markdown."""

    key: str
    title: str
    rows: tuple[Row, ...]
    quoted: tuple[Quoted, ...] = ()
    note: str = ""


@cache
def _counts(
    network: Network, group: Group, width: int | tuple[int, ...], classes: int, shape: tuple[int, ...], rule: Rule
) -> Counts:
    with torch.random.fork_rng(devices=[]):
        net, x = network(group, width, classes=classes), torch.zeros(1, *shape)
    executed = EXECUTED.count(net, x)
    macs = executed if rule is EXECUTED else rule.count(net, x)
    return Counts(sum(p.numel() for p in net.parameters()), macs, executed, aggregation_macs(net, x))
