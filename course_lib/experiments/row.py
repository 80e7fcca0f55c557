"""One row of a table: a network, how it was trained, and what was published about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from torch import nn

from course_lib.experiments.recipe import Recipe
from course_lib.groups import Group

_UNITS = {"k": 1_000, "M": 1_000_000, "G": 1_000_000_000}


class Printed(float):
    """A count as it stands in print, such as "25.21k": the number 25210.0 that remembers how it was rounded."""

    def __new__(cls, text: str) -> Printed:
        return super().__new__(cls, Decimal(text[:-1]) * _UNITS[text[-1]])

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text

    def agrees_with(self, computed: int) -> bool:
        """Whether ``computed`` rounds to what is printed."""
        digits = Decimal(self.text[:-1])
        unit = Decimal(1).scaleb(int(digits.as_tuple().exponent)) * _UNITS[self.text[-1]]
        return abs(computed - digits * _UNITS[self.text[-1]]) <= unit / 2


@dataclass(frozen=True)
class Row:
    """A network of a table on one data set, and the published figures; None where nothing was published.

    ``key`` is what one types on the command line, ``name`` is what is printed. ``network(group, width, classes=…)``
    builds it; ``architecture`` and ``layer`` say in words what that is. ``parameters`` and ``macs`` are as printed:
    multiply-accumulates for one image, also where a paper calls them FLOPs. ``figure`` is the test error or accuracy
    (``measure``) in percent, ``deviation`` its standard deviation over the seeds, in percent. ``note`` says why a count
    of ours is another than the printed one.
    """

    key: str
    name: str
    architecture: str
    network: Callable[..., nn.Module]
    group: Group
    width: int
    recipe: Recipe
    source: str
    layer: str = "full"
    parameters: Printed | None = None
    macs: Printed | None = None
    figure: float | None = None
    deviation: float | None = None
    measure: Literal["error", "accuracy"] = "error"
    rule: str = "executed"
    note: str = ""

    def build(self, classes: int | None = None) -> nn.Module:
        """The network, untrained; for other data than the recipe's, say how many classes there are."""
        return self.network(self.group, self.width, classes=classes or self.recipe.classes)

    @property
    def error(self) -> float | None:
        """The published error in percent, whether error or accuracy was printed."""
        return self.figure if self.figure is None or self.measure == "error" else 100 - self.figure


@dataclass(frozen=True)
class Quoted:
    """A line of a table about somebody else's network, which is not built here."""

    name: str
    source: str
    figure: float
    deviation: float | None = None
    parameters: Printed | None = None
    macs: Printed | None = None
    dataset: str = ""
