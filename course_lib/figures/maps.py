"""Figures of feature maps: sheets on a ring, L_g on them, banks of turned filters, and the explorer's still picture."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from torch import Tensor, nn

from course_lib.actions import act_on_feature_map
from course_lib.figures.captions import error_words
from course_lib.figures.picture import Array, Picture, as_array, color_map, draw_map, new_figure, shared_scale
from course_lib.figures.rings import NAME_ROOM, draw_ring_arrows, draw_sheets, ring_extent, ring_positions
from course_lib.figures.style import ELEMENT_COLORS, LINES, frame, typeset
from course_lib.groups import IDENTITY, Element, Group, compose, inverse, matrix


def act_on_ring(f: Any, g: Element, group: Group, name: str = "f") -> Picture:
    """A feature map f and L_g f, beside or below it: every sheet turns, *and* moves to another place on the ring.

    Arrows lead from the place of h to that of rh, dashed lines to that of mh. A sheet keeps the color of its element,
    and its dot, which marks what was its top left corner. ``f`` is one channel ``(|H|, Y, X)``.

    Source: the layout of Cohen & Welling (2016), figure 1, and for mirrors our own; notebook 02. Raises ValueError for
    another shape.
    """
    sheets, elements = as_array(f), group.elements
    if sheets.ndim != 3 or len(sheets) != group.order:
        raise ValueError(
            f"expected one channel of a feature map on {group}, shape ({group.order}, Y, X), got {sheets.shape}; "
            "take one image and one channel: f[0, 0]"
        )
    moved = act_on_feature_map(g, torch.from_numpy(sheets), group).numpy()
    origins, scale = group.permutation(g), shared_scale([sheets])
    width, height = _ring_size(group)
    down, across = (2, 1) if group.has_mirrors else (1, 2)  # two rings need the width of the page
    figure = new_figure(across * width, down * (height + 0.3))
    title = rf"$L_{{{typeset(g)}}}\,{name}$: place $\leftarrow$ where its sheet came from"
    before, after = figure.subplots(down, across)
    draw_sheets(before, sheets, group, scale, range(group.order))
    draw_sheets(after, moved, group, scale, origins)
    for axes, element, words in ((before, IDENTITY, f"${name}$"), (after, g, title)):
        draw_ring_arrows(axes, group)
        _mark_corners(axes, sheets.shape[1:], element, group)
        axes.set_title(words, fontsize=12)
    places = ", ".join(f"{elements[i]} to {h}" for h, i in zip(elements, origins, strict=True))
    turns = f"is mirrored by {g}" if g.m else f"turns by {g}"
    alt = f"A feature map on {group} and its image under g = {g}. Every sheet {turns} and moves: from place {places}."
    return Picture.from_figure(figure, alt)


def _ring_size(group: Group) -> tuple[float, float]:
    """Inches for the picture of a map: a sheet is at most 1.2 inches wide, one ring at most 3.65, half of a page."""
    width, height = np.array(ring_extent(group)) + NAME_ROOM
    side = min(1.2, (7.3 if group.has_mirrors else 3.65) / 2 / width)
    return max(2 * side * width, 2.6), max(2 * side * height - side * NAME_ROOM[1] * (not group.has_mirrors), 1.4)


def _mark_corners(axes: Axes, shape: tuple[int, ...], g: Element, group: Group) -> None:
    """A dot at the corner of each sheet that was its top left one before g turned it."""
    height, width = np.array(shape) / max(shape)
    places = ring_positions(group) + matrix(g) @ (-width / 2 + 0.09, height / 2 - 0.09)
    axes.scatter(places[:, 0], places[:, 1], s=26, c="white", edgecolors="black", zorder=5)


def filter_bank_figure(bank: Any, group: Group) -> Picture:
    """A filter after every element of the group; a sheet keeps the color of its frame.

    ``bank`` is a planar filter turned |H| ways, ``(|H|, k, k)`` (lifting layer), or ``(|H|, |H|, k, k)`` (group layer):
    row g is the filter on the group after L_g, its sheets from left to right. Raises ValueError for another shape.
    """
    array, order = as_array(bank), group.order
    if array.shape[:-2] not in ((order,), (order, order)):
        raise ValueError(
            f"a filter bank over {group} has shape ({order}, k, k) or ({order}, {order}, k, k), got {array.shape}"
        )
    lifting = array.ndim == 3
    columns = 4 if lifting and order > 4 and order % 4 == 0 else order
    rows = array.reshape(-1, columns, *array.shape[-2:])
    side = min(1.3, 7.4 / columns)
    is_short = bool((2 * array % 1 == 0).all())
    has_numbers = is_short and side / array.shape[-1] >= 0.35  # else a bar of colors
    width = min(side * columns + (0.5 if has_numbers else 1.3), 7.9)
    figure = new_figure(width, (side + 0.25 * lifting) * len(rows) + 0.4)
    scale, turns = shared_scale([array]), [IDENTITY] if lifting else group.elements
    origins = [compose(inverse(g), h) for g in turns for h in group.elements]
    moved = [rf"$L_h\,\psi$, $h={typeset(h)}$" for h in group.elements]  # an index within an index could not be read
    grid = figure.subplots(len(rows), columns, squeeze=False)
    if not has_numbers:
        colors = ScalarMappable(scale, color_map(scale))
        bar = figure.colorbar(colors, ax=grid, aspect=12, shrink=min(1, 2.2 / len(rows)))
        ticks = [float(scale.vmin or 0), 0.0, float(scale.vmax or 0)]
        bar.set_ticks(ticks, labels=[f"{tick:.2g}".replace("-", "−") for tick in ticks])
    for (i, j), axes in np.ndenumerate(grid):
        draw_map(axes, rows[i, j], scale, has_numbers)
        if all(h in ELEMENT_COLORS for h in group.elements):
            frame(axes, origins[columns * i + j])
        if lifting or i == 0:
            axes.set_title(moved[columns * i + j] if lifting else f"sheet {group.elements[j]}", fontsize=11)
        if j == 0 and not lifting:
            axes.set_ylabel(moved[i], fontsize=11)
    k, what = array.shape[-1], "planar filter" if lifting else f"filter on {group}, {order} sheets each,"
    names = ", ".join(map(str, group.elements))
    span = f"Weights from {array.min():.3g} to {array.max():.3g}."
    return Picture.from_figure(figure, f"A {k} × {k} {what} after each of the elements {names}. {span}")


def find_group(layer: Callable[[Tensor], Tensor]) -> Group | None:
    """The group of a layer, else that of those in it; None if none has one. Raises ValueError if they differ."""
    if isinstance(own := getattr(layer, "group", None), Group):
        return own
    modules = layer.modules() if isinstance(layer, nn.Module) else [layer]
    found = {group for module in modules if isinstance(group := getattr(module, "group", None), Group)}
    if len(found) > 1:
        raise ValueError(f"the layers have different groups {sorted(map(str, found))}: say which with group=…")
    return found.pop() if found else None


def explorer_picture(
    image: Array, first: Array, second: Array, group: Group, subgroup: Group | None, origins: Sequence[int], turn: str,
    layer: str, error: float, scores: list[float],
) -> Picture:  # fmt: skip
    """The turned image (Y, X, 3), both orders and their difference (sheets, Y, X), ``origins`` as in `draw_sheets`."""
    is_pair = group.has_mirrors and len(first) > 2  # of rings, which take the whole width
    above = 7.2 if is_pair else 4.1 if len(first) > 1 else 2.4
    figure = new_figure(7.3, above + 2.1)
    grid = figure.add_gridspec(3, 6, height_ratios=(above / 2, above / 2, 1.7))
    orders = [(0, slice(6)), (1, slice(6))] if is_pair else [(slice(2), slice(3)), (slice(2), slice(3, 6))]
    places = ((2, slice(2)), *orders, (2, slice(4, 6)))
    shown, *rings = (figure.add_subplot(grid[place]) for place in places)
    if (image == image[..., :1]).all():  # gray: in ink, as everywhere
        draw_map(shown, image[..., 0], shared_scale([image]))
    else:
        shown.imshow((image - image.min()) / (image.max() - image.min() or 1.0), interpolation="nearest")
        shown.set_axis_off()
    with np.errstate(invalid="ignore"):  # inf − inf
        unequal = abs(first - second)
    scale, unequal_scale = shared_scale([first, second]), shared_scale([np.zeros(1), abs(first), abs(second)])
    for axes, sheets, its_scale in zip(rings, (first, second, unequal), (scale, scale, unequal_scale), strict=True):
        known = () if sheets is unequal else origins
        draw_sheets(axes, sheets, group, its_scale, known, subgroup=subgroup if len(sheets) > 1 else group)
        if known and len(sheets) == group.order:
            draw_ring_arrows(axes, group, head=7)
    titles = ("turned input", "turn, then compute", "compute, then turn", "|difference|")
    for axes, title in zip((shown, *rings), titles, strict=True):
        axes.set_title(title, fontsize=11)
    if scores:
        _draw_scores(figure.add_subplot(grid[2, 2:4]), scores)
    figure.suptitle(f"g = {turn}; {layer}; relative equivariance error {error_words(error)}", fontsize=11)
    answer = np.argmax(scores) if scores and np.isfinite(scores).all() else "not finite"
    prediction = f" Prediction: {answer}." if scores else ""
    return Picture.from_figure(
        figure,
        f"Feature maps of {layer} with the input turned by {turn}: turn-then-compute beside compute-then-turn, "
        f"{len(first)} sheet(s). Relative equivariance error: {error_words(error)}.{prediction} "
        "In JupyterLab this is a widget with a slider.",
    )


def _draw_scores(axes: Axes, scores: list[float]) -> None:
    best = int(np.argmax(scores))
    colors = [LINES if i == best else "0.72" for i in range(len(scores))]  # the rings beside it have those of elements
    axes.bar(range(len(scores)), scores, color=colors)
    axes.set_xticks(range(len(scores)), [str(i) for i in range(len(scores))], fontsize=9)
    axes.set_yticks([0, 1], ["0", "1"], fontsize=9)
    axes.set_ylim(0, 1)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_title(f"prediction: {best}, {scores[best]:.0%} sure".replace("%", " %"), fontsize=11)
