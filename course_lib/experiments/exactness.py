"""Which of the published networks are exactly invariant at their image size, and what it costs to make them so."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from inspect import signature

import torch

from course_lib.actions import act_on_image
from course_lib.checks import TOLERANCE, make_unequal, relative_error
from course_lib.experiments.markdown import operations_text, pipe_table
from course_lib.experiments.row import Row
from course_lib.experiments.tables import find_table
from course_lib.groups import Element

# Wide enough for the heads, slices and reductions of all rows. What is exact does not depend on the width.
_NARROW = {"e4net": 12, "resnet18": 8, "bottleneck_resnet": 8}
# Enough to break what is exact at the start alone. Much more, and the 27 attention blocks of ResNet83 multiply rounding
# itself until it drowns everything: a change of 1e-15 in the image then changes the scores by 10 %.
_DISTURBANCE = 0.05
EXACT = "exact variant"
_INTRO = (
    "Relative change of the scores under the worst element of the group, for noise, in float64; “exact”: below "
    f"{TOLERANCE[torch.float64]:.0e}. Gains, biases and statistics start equal and are made unequal first, as training "
    "makes them. Measured on narrow networks; parameters and operations are those of the full width."
)


@dataclass(frozen=True)
class Exactness:
    """How far an interpretation of a row is from invariant, in float64: the worst element, and its relative error."""

    row: Row
    interpretation: str
    error: float
    element: Element
    parameters: int
    executed: int

    @property
    def is_exact(self) -> bool:
        return self.error < TOLERANCE[torch.float64]


def invariance_error(row: Row) -> tuple[float, Element]:
    """The largest relative change of the scores under any element of the row's group, and that element.

    Measured on two images of noise of the row's size, in float64, on a narrow copy of the network, made unequal.
    """
    generator = torch.Generator().manual_seed(0)
    narrow = replace(row, width=_NARROW.get(row.architecture, 4))
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        net = narrow.build().double().eval()
        make_unequal(net, generator, _DISTURBANCE)
        x = torch.randn(2, *row.recipe.image_shape, generator=generator, dtype=torch.float64)
        scores = net(x)
        errors = {g: relative_error(net(act_on_image(g, x)), scores) for g in row.group.elements}
    worst = max(errors, key=errors.__getitem__)
    return errors[worst], worst


def exactness(name: str, only: Callable[[Row], bool] | None = None) -> list[Exactness]:
    """Every network of a table that is built for a group, in every interpretation, and its exact variant if it has one.

    ``only`` says which rows; by default all.
    """
    rows = filter(only, _networks(name))
    return [_measured(row, interpretation) for row in rows for interpretation, row in _interpretations(row)]


def exactness_markdown(name: str, only: Callable[[Row], bool] | None = None) -> str:
    """`exactness` as Markdown, with what the exact variants cost."""
    lines = []
    for measured in exactness(name, only):
        row, is_row = measured.row, not measured.interpretation
        head = [f"`{row.key}`", row.name, str(row.group)] if is_row else ["", f"… {measured.interpretation}", ""]
        error = "exact" if measured.is_exact else f"{measured.error:.0e}, {measured.element}"
        lines.append([*head, error, f"{measured.parameters:,}", operations_text(measured.executed)])
    heading = ["row", "network", "group", "error, worst element", "parameters", "operations as executed"]
    return f"## Exactness\n\n{_INTRO}\n\n{pipe_table(heading, lines)}"


def _networks(name: str) -> Iterator[Row]:
    """One row for each network and its interpretations; C1 has no element but the identity."""
    seen = set()
    for row in find_table(name).rows:
        kind = row.network, row.group, tuple(interpretation for interpretation, _ in row.others)
        if row.group.order > 1 and kind not in seen:
            seen.add(kind)
            yield row


def _interpretations(row: Row) -> Iterator[tuple[str, Row]]:
    yield "", row
    for interpretation, network in row.others:
        yield interpretation, replace(row, network=network)
    parameters = signature(row.network).parameters
    if "exact" in parameters and not parameters["exact"].default:
        yield EXACT, replace(row, network=partial(row.network, exact=True))


def _measured(row: Row, interpretation: str) -> Exactness:
    counts = row.counts()
    return Exactness(row, interpretation, *invariance_error(row), counts.parameters, counts.executed)
