"""Figures of feature maps: sheets on a ring, L_g on them, banks of turned filters, the two orders compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor, nn

from course_lib.actions import act_on_feature_map, act_on_image
from course_lib.checks import OUTPUT, action_of, layer_outputs, relative_error
from course_lib.figures.layout import ring_extent, ring_positions
from course_lib.figures.picture import (
    Picture,
    as_array,
    difference,
    draw_map,
    error_words,
    new_figure,
    shared_scale,
)
from course_lib.figures.rings import NAME_ROOM, arrow_words, draw_ring_arrows, draw_sheets
from course_lib.figures.style import ELEMENT_COLORS, typeset
from course_lib.groups import C1, Element, Group, compose, inverse, matrix

FloatArray = np.ndarray[Any, Any]


def feature_map_ring(f: Any, group: Group, title: str = "") -> Picture:
    """One channel of a feature map: sheet h stands where h takes the point (1, 0), arrows lead from h to rh and mh.

    Args:
        f: ``(|H|, Y, X)``, as from ``feature_map[0, channel]``.
        group: H. With mirrors there are two rings, rotations outside and mirrored elements inside.

    Source: the layout of Cohen & Welling (2016), figures 1 and 2; notebook 02. Raises ValueError for another shape.
    """
    sheets = _require_sheets(f, group)
    figure = new_figure(*_ring_size(group))
    axes = figure.subplots()
    draw_sheets(axes, sheets, group, shared_scale([sheets]), _names(group), _frames(group.elements))
    draw_ring_arrows(axes, group)
    if title:
        axes.set_title(title, fontsize=12)
    means = ", ".join(f"{h}: {sheet.mean():.3g}" for h, sheet in zip(group.elements, sheets, strict=True))
    alt = (
        f"Feature map on {group}, sheets of {_size(sheets)} at {', '.join(_names(group))} on the ring: "
        f"{arrow_words(group)}. Mean of each sheet: {means}."
    )
    return Picture.from_figure(figure, f"{title}. {alt}" if title else alt)


def act_on_ring(f: Any, g: Element, group: Group) -> Picture:
    """A feature map f and L_g f side by side: every sheet turns, *and* moves to another place on the ring.

    A sheet keeps the color of its element, and its dot, which marks what was its top left corner: both movements show.
    Args and errors as for `feature_map_ring`; g must be an element of the group.
    """
    sheets = _require_sheets(f, group)
    moved = act_on_feature_map(g, torch.from_numpy(sheets), group).numpy()
    origins = [compose(inverse(g), h) for h in group.elements]
    width, height = _ring_size(group, 4.3)
    figure = new_figure(2 * width, height + 0.3)
    before, after = figure.subplots(1, 2)
    scale = shared_scale([sheets])
    draw_sheets(before, sheets, group, scale, _names(group), _frames(group.elements))
    names = [f"← {o}" for o in origins]
    draw_sheets(after, moved, group, scale, names, _frames(origins))
    for axes, element, title in (
        (before, Element(0, 0), "$f$"),
        (after, g, rf"$L_{{{typeset(g)}}}\,f$, with the place that each sheet came from"),
    ):
        draw_ring_arrows(axes, group)
        _mark_corners(axes, sheets.shape[1:], element, group)
        axes.set_title(title, fontsize=12)
    places = ", ".join(f"{o} to {h}" for h, o in zip(group.elements, origins, strict=True))
    alt = (
        f"A feature map on {group} and its image under g = {g}. Every sheet turns by {g} and moves: "
        f"from place {places}."
    )
    return Picture.from_figure(figure, alt)


def filter_bank_figure(bank: Any, group: Group) -> Picture:
    """A filter after every element of the group.

    Args:
        bank: ``(|H|, k, k)``, a planar filter turned |H| ways (lifting layer), or ``(|H|, |H|, k, k)``, row g being the
            filter on the group after L_g (group layer), its sheets from left to right.

    Raises ValueError for another shape.
    """
    array, order = as_array(bank), group.order
    if array.shape[:-2] not in ((order,), (order, order)):
        raise ValueError(
            f"a filter bank over {group} has shape ({order}, k, k) or ({order}, {order}, k, k), got {array.shape}"
        )
    lifting = array.ndim == 3
    rows = array[None] if lifting else array
    side = min(1.3, 7.4 / order)
    figure = new_figure(side * order + 0.5, (side + (0.25 if lifting else 0)) * len(rows) + 0.4)
    grid = figure.subplots(len(rows), order, squeeze=False)
    scale = shared_scale([array])
    for (i, j), axes in np.ndenumerate(grid):
        draw_map(axes, rows[i, j], scale)
        if i == 0:
            axes.set_title(_moved_filter(group.elements[j]) if lifting else f"sheet {group.elements[j]}", fontsize=11)
        if j == 0 and not lifting:
            axes.set_ylabel(_moved_filter(group.elements[i]), fontsize=11)
    k, what = array.shape[-1], "planar filter" if lifting else f"filter on {group}, {order} sheets each,"
    span = f"Weights from {array.min():.3g} to {array.max():.3g}."
    return Picture.from_figure(
        figure, f"A {k} × {k} {what} after each of the elements {', '.join(_names(group))}. {span}"
    )


def turn_then_compute(
    layer: Callable[[Tensor], Tensor], x: Tensor, g: Element, group: Group | None = None, channel: int = 0
) -> Picture:
    """Two ways from x: turn, then compute, Φ(L_g x); or compute, then turn, L_g Φ(x); and their difference.

    Args:
        layer: a layer or any function from images ``(B, C, Y, X)`` to ``(B, C, Y, X)`` or ``(B, C, |H|, Y, X)``. A
            module is run in eval mode, and left as it was.
        x: one or more images; the first is shown. Its first channel is drawn.
        g: the element to turn by.
        group: by default that of the layer and of those in it; the trivial group C1 if none has one.
        channel: the channel of the result that is drawn.

    The printed error is `checks.relative_error` over all channels. Raises ValueError if the result is no map, or if no
    group is given and the layers differ in theirs.
    """
    group = group or find_group(layer) or C1
    turned = act_on_image(g, x[:1])
    first, result = (layer_outputs(layer, image)[OUTPUT][0] for image in (turned, x[:1]))
    if result.ndim not in (4, 5):
        raise ValueError(f"expected a layer that puts out maps with 4 or 5 axes, got shape {tuple(result.shape)}")
    second = action_of(result, group)(g, result)
    error = relative_error(first, second)
    figure = new_figure(8.0, 4.6)
    grid = figure.subplots(2, 4)
    image, turned_image = as_array(x[0, 0]), as_array(turned[0, 0])
    maps = [as_array(value[0, channel]) for value in (first, result, second)]
    images, scale = shared_scale([image]), shared_scale(maps)
    for axes, array in ((grid[0, 0], image), (grid[1, 0], image), (grid[0, 1], turned_image)):
        draw_map(axes, array, images)
    for axes, array in zip((grid[0, 2], grid[1, 1], grid[1, 2]), maps, strict=True):
        _draw_result(axes, array, group, scale)
    unequal, unequal_scale = difference(maps[0], maps[2])
    _draw_result(grid[0, 3], unequal, group, unequal_scale)
    move = f"L_{{{typeset(g)}}}"
    titles = (
        "$x$",
        rf"${move}\,x$",
        rf"$\Phi({move}\,x)$",
        "|difference|",
        "$x$",
        r"$\Phi(x)$",
        rf"${move}\,\Phi(x)$",
        "",
    )
    for axes, title in zip(grid.flat, titles, strict=True):
        axes.set_title(title, fontsize=12)
    grid[0, 0].set_ylabel("turn, then compute")
    grid[1, 0].set_ylabel("compute, then turn")
    grid[1, 3].set_axis_off()
    grid[1, 3].text(0.5, 0.5, f"relative\nerror\n{error:.1e}", ha="center", va="center", fontsize=14)
    verdict = f"Largest difference between the two results, relative to the largest value: {error_words(error)}."
    return Picture.from_figure(figure, f"Turn by {g}, then compute; and compute, then turn by {g}. {verdict}")


def find_group(layer: Callable[[Tensor], Tensor]) -> Group | None:
    """The group of a layer, else that of those in it; None if none has one. Raises ValueError if they differ."""
    if isinstance(own := getattr(layer, "group", None), Group):
        return own
    modules = layer.modules() if isinstance(layer, nn.Module) else [layer]
    groups = [getattr(module, "group", None) for module in modules]
    found = {group for group in groups if isinstance(group, Group)}
    if len(found) > 1:
        raise ValueError(f"the layers have different groups {sorted(map(str, found))}: say which with group=…")
    return found.pop() if found else None


def _require_sheets(f: Any, group: Group) -> FloatArray:
    sheets = as_array(f)
    if sheets.ndim != 3 or len(sheets) != group.order:
        raise ValueError(
            f"expected one channel of a feature map on {group}, shape ({group.order}, Y, X), got {sheets.shape}; "
            "take one image and one channel: f[0, 0]"
        )
    return sheets


def _ring_size(group: Group, largest: float = 5.4) -> tuple[float, float]:
    """Inches for a ring: a sheet is at most 1.2 inches wide, and the ring at most ``largest``."""
    width, height = np.array(ring_extent(group)) + NAME_ROOM
    side = min(1.2, largest / 2 / max(width, height))
    return max(2 * side * width, 2.6), max(2 * side * height, 1.4)


def _draw_result(axes: Axes, values: FloatArray, group: Group, scale: Any) -> None:
    if values.ndim == 2 or len(values) == 1:
        draw_map(axes, values.reshape(values.shape[-2:]), scale)
    else:
        draw_sheets(axes, values, group, scale, [""] * len(values), _frames(group.elements))


def _mark_corners(axes: Axes, shape: Sequence[int], g: Element, group: Group) -> None:
    """A dot at the corner of each sheet that was its top left one before g turned it."""
    height, width = np.array(shape) / max(shape)
    corner = matrix(g) @ (-width / 2 + 0.09, height / 2 - 0.09)
    places = ring_positions(group) + corner
    axes.scatter(places[:, 0], places[:, 1], s=26, c="white", edgecolors="black", zorder=5)


def _frames(elements: Sequence[Element]) -> list[str]:
    return [ELEMENT_COLORS[h] for h in elements]


def _moved_filter(h: Element) -> str:
    return rf"$L_{{{typeset(h)}}}\,\psi$"


def _names(group: Group) -> list[str]:
    return [str(h) for h in group.elements]


def _size(sheets: FloatArray) -> str:
    return f"{sheets.shape[1]} × {sheets.shape[2]}"
