"""The explorer's still picture: what stands in the widget's place where no widget can run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from course_lib.figures.picture import Picture, difference, error_words, new_figure, shared_scale
from course_lib.figures.rings import draw_ring_arrows, draw_sheets
from course_lib.figures.style import ELEMENT_COLORS, LINES
from course_lib.groups import Group

FloatArray = np.ndarray[Any, Any]


def explorer_picture(
    image: FloatArray, first: FloatArray, second: FloatArray, group: Group, subgroup: Group | None, turn: str,
    layer: str, error: float, scores: Mapping[str, float],
) -> Picture:  # fmt: skip
    """The turned image ``(Y, X, 3)``, both orders and their difference ``(sheets, Y, X)``, and the prediction."""
    above = 4.1 if len(first) > 1 else 2.4
    figure = new_figure(7.3, above + 2.1)
    grid = figure.add_gridspec(2, 6, height_ratios=(above, 1.7))
    places = ((1, slice(2)), (0, slice(3)), (0, slice(3, 6)), (1, slice(4, 6)))
    panels = [figure.add_subplot(grid[place]) for place in places]
    span = image.max() - image.min() or 1.0
    panels[0].imshow((image - image.min()) / span, interpolation="nearest")
    panels[0].set_axis_off()
    scale = shared_scale([first, second])
    for axes, values in zip(panels[1:], (first, second), strict=False):
        _draw_ring(axes, values, group, subgroup, scale)
    unequal, unequal_scale = difference(first, second)
    _draw_ring(panels[3], unequal, group, subgroup, unequal_scale, with_names=False)
    titles = ("turned input", "turn, then compute", "compute, then turn", "|difference|")
    for axes, title in zip(panels, titles, strict=True):
        axes.set_title(title, fontsize=11)
    if scores:
        _draw_scores(figure.add_subplot(grid[1, 2:4]), scores)
    figure.suptitle(f"g = {turn}; {layer}; relative equivariance error {error:.2g}", fontsize=11)
    alt = (
        f"Feature maps of {layer} with the input turned by {turn}: turn-then-compute beside compute-then-turn, "
        f"{len(first)} sheet(s). Relative equivariance error: {error_words(error)}.{_prediction(scores)} "
        "In JupyterLab this is a widget with a slider."
    )
    return Picture.from_figure(figure, alt)


def _prediction(scores: Mapping[str, float]) -> str:
    if not np.isfinite(list(scores.values())).all():
        return " Prediction: not finite."
    return f" Prediction: {max(scores, key=lambda name: scores[name])}." if scores else ""


def _draw_ring(
    axes: Axes, sheets: FloatArray, group: Group, subgroup: Group | None, scale: Normalize, with_names: bool = True
) -> None:
    subgroup = subgroup if len(sheets) > 1 else group
    firsts = [coset[0] for coset in group.left_cosets(subgroup)] if subgroup else group.elements
    labels = [str(h) if with_names and len(sheets) > 1 else "" for h in firsts]
    frames = [ELEMENT_COLORS[h] for h in firsts] if len(sheets) > 1 else [LINES]
    draw_sheets(axes, sheets, group, scale, labels, frames, subgroup=subgroup)
    if with_names and len(sheets) == group.order:
        draw_ring_arrows(axes, group, head=7)


def _draw_scores(axes: Axes, scores: Mapping[str, float]) -> None:
    best = max(scores, key=lambda name: scores[name])
    colors = [LINES if name == best else "0.72" for name in scores]  # the rings beside it have those of elements
    axes.bar(range(len(scores)), list(scores.values()), color=colors)
    axes.set_xticks(range(len(scores)), list(scores), fontsize=9)
    axes.set_yticks([0, 1], ["0", "1"], fontsize=9)
    axes.set_ylim(0, 1)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_title(f"prediction: {best}, {scores[best]:.0%} sure", fontsize=11)
