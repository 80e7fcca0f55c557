"""The explorer's still picture: what stands in the widget's place where no widget can run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from course_lib.figures.picture import Picture, difference, error_words, new_figure, shared_scale
from course_lib.figures.rings import draw_ring_arrows, draw_sheets
from course_lib.figures.style import ELEMENT_COLORS, LINES, OKABE_ITO
from course_lib.groups import Group

FloatArray = np.ndarray[Any, Any]


def explorer_picture(
    image: FloatArray, first: FloatArray, second: FloatArray, group: Group, subgroup: Group | None, turn: str,
    layer: str, error: float, scores: Mapping[str, float],
) -> Picture:  # fmt: skip
    """The turned image ``(Y, X, 3)``, both orders and their difference ``(sheets, Y, X)``, and the prediction."""
    figure = new_figure(9.0, 3.7)
    grid = figure.add_gridspec(2, 4, width_ratios=(3, 5.5, 5.5, 4), height_ratios=(3, 2))
    panels = [figure.add_subplot(grid[0 if i == 0 else slice(None), i]) for i in range(4)]
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
        axes.set_title(title, fontsize=10)
    if scores:
        _draw_scores(figure.add_subplot(grid[1, 0]), scores)
    figure.suptitle(f"g = {turn}; {layer}; relative equivariance error {error:.1e}", fontsize=10)
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
    colors = [OKABE_ITO["vermilion" if name == best else "sky"] for name in scores]
    axes.bar(range(len(scores)), list(scores.values()), color=colors)
    axes.set_xticks(range(len(scores)), list(scores), fontsize=8)
    axes.set_yticks([])
    axes.set_ylim(0, 1)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_title("prediction", fontsize=9)
