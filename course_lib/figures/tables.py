"""What a table looks like as a picture: error against what a network has and what it does."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle

from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter

from course_lib.figures.labels import name_points
from course_lib.figures.picture import Picture, new_figure
from course_lib.figures.style import line_looks


@dataclass(frozen=True)
class Cost:
    """A network: its error in percent, with its standard deviation if there is one, parameters, operations for one
    image; None where one is not known. An empty label is not written."""

    label: str
    error: float
    parameters: float | None
    operations: float | None
    deviation: float | None = None


def error_against_cost(
    families: Mapping[str, Sequence[Cost]], join: bool = False, error: str = "published test error"
) -> Picture:
    """Error against parameters, and error against operations, side by side, on logarithmic axes.

    Args:
        families: name → networks of one kind; at most six.
        join: draw a line through the networks of a family, in their order.
        error: whose error it is, in words.
    """
    figure = new_figure(8.4, 5.2)
    left, right = figure.subplots(1, 2, sharey=True)
    figure.set_layout_engine("constrained", w_pad=0.12)  # or the last tick of one runs into the first of the other
    named: dict[Axes, list[tuple[str, float, float, str]]] = {left: [], right: []}
    for axes, what in ((left, "parameters"), (right, "operations")):
        looks = zip(families.items(), line_looks(families), cycle(("--", "-")), strict=False)
        for (name, costs), (color, _, marker), line in looks:
            points = [(getattr(cost, what), cost) for cost in costs if getattr(cost, what) is not None]
            axes.errorbar(
                [place for place, _ in points], [cost.error for _, cost in points],
                [cost.deviation or math.nan for _, cost in points],
                color=color, marker=marker, mfc="white", ls=line if join else "none", capsize=2, label=name,
            )  # fmt: skip
            named[axes] += [(cost.label, place, cost.error, color) for place, cost in points if cost.label]
        _count_axis(axes, what if what == "parameters" else "operations for one image", named[axes])
    left.set_ylabel(f"{error}, in %")
    markers = [handle[0] for handle in left.get_legend_handles_labels()[0]]  # without bars, which not all have
    figure.legend(markers, [*families], frameon=False, loc="outside upper center", ncols=len(families))
    for axes, names in named.items():
        name_points(figure, axes, names)
    words = "; ".join(f"{name}: {', '.join(map(_words, costs))}" for name, costs in families.items())
    return Picture.from_figure(figure, f"{error.capitalize()} against parameters and against operations. {words}.")


def _count_axis(axes: Axes, label: str, named: Sequence[tuple[str, float, float, str]]) -> None:
    """Logarithmic, with room for the names, most of which stand to the right of their points."""
    axes.set(xscale="log", xlabel=label)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 3), numticks=20))
    axes.xaxis.set_major_formatter(lambda count, _: _short(count))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(color="0.9")
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.12, y=0.12)
    low, high = axes.get_xlim()
    axes.set_xlim(low, high * (high / low) ** (0.03 + 0.011 * max((len(name) for name, *_ in named), default=0)))


def _words(cost: Cost) -> str:
    counts = {"parameters": cost.parameters, "operations": cost.operations}
    known = " and ".join(f"{_short(count)} {what}" for what, count in counts.items() if count is not None)
    return f"{cost.label} {cost.error:.3g} %".strip() + (f" with {known}" if known else "")


def _short(count: float) -> str:
    sizes = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
    size, unit = next(((size, unit) for size, unit in sizes if count >= size), (1, ""))
    return f"{count / size:.3g}{unit}"
