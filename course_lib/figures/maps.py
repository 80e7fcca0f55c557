"""Figures of feature maps: sheets on a ring, L_g on them, banks of turned filters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor, nn

from course_lib.actions import act_on_feature_map
from course_lib.figures.layout import ring_extent, ring_positions
from course_lib.figures.picture import (
    Picture,
    as_array,
    draw_map,
    new_figure,
    shared_scale,
)
from course_lib.figures.rings import NAME_ROOM, draw_ring_arrows, draw_sheets
from course_lib.figures.style import ELEMENT_COLORS, frame, typeset
from course_lib.groups import IDENTITY, Element, Group, compose, inverse, matrix

FloatArray = np.ndarray[Any, Any]


def act_on_ring(f: Any, g: Element, group: Group, name: str = "f") -> Picture:
    """A feature map f and L_g f side by side: every sheet turns, *and* moves to another place on the ring.

    Sheet h stands where h takes the point (1, 0), and arrows lead from h to rh and mh. A sheet keeps the color of its
    element, and its dot, which marks what was its top left corner: both movements show.

    Args:
        f: one channel ``(|H|, Y, X)``, as from ``feature_map[0, channel]``.
        g: an element of the group.
        group: H. With mirrors there are two rings, rotations outside and mirrored elements inside.
        name: of f, in a formula.

    Source: the layout of Cohen & Welling (2016), figures 1 and 2; notebook 02. Raises ValueError for another shape.
    """
    sheets = _require_sheets(f, group)
    moved = act_on_feature_map(g, torch.from_numpy(sheets), group).numpy()
    origins = [compose(inverse(g), h) for h in group.elements]
    width, height = _ring_size(group)
    figure = new_figure(2 * width, height + 0.3)
    before, after = figure.subplots(1, 2)
    scale = shared_scale([sheets])
    draw_sheets(before, sheets, group, scale, _names(group), _frames(group.elements))
    marks = ("" if group.has_mirrors else f"{h} " for h in group.elements)  # two rings leave no room for them
    names = [f"{place}← {o}" for place, o in zip(marks, origins, strict=True)]
    draw_sheets(after, moved, group, scale, names, _frames(origins))
    turned = rf"$L_{{{typeset(g)}}}\,{name if len(name) == 1 else f'({name})'}$"
    for axes, element, title in (
        (before, Element(0, 0), f"${name}$"),
        (after, g, rf"{turned}: place $\leftarrow$ where its sheet came from"),
    ):
        draw_ring_arrows(axes, group, head=7 if group.has_mirrors else 11)
        _mark_corners(axes, sheets.shape[1:], element, group)
        axes.set_title(title, fontsize=12)
    places = ", ".join(f"{o} to {h}" for h, o in zip(group.elements, origins, strict=True))
    turns = f"is mirrored by {g}" if g.m else f"turns by {g}"
    alt = f"A feature map on {group} and its image under g = {g}. Every sheet {turns} and moves: from place {places}."
    return Picture.from_figure(figure, alt)


def filter_bank_figure(bank: Any, group: Group) -> Picture:
    """A filter after every element of the group.

    Args:
        bank: ``(|H|, k, k)``, a planar filter turned |H| ways (lifting layer), or ``(|H|, |H|, k, k)``, row g being the
            filter on the group after L_g (group layer), its sheets from left to right. A sheet keeps its frame's color.

    Raises ValueError for another shape.
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
    cell = side / array.shape[-1]
    figure = new_figure(side * columns + 0.5, (side + (0.25 if lifting else 0)) * len(rows) + 0.4)
    grid = figure.subplots(len(rows), columns, squeeze=False)
    scale, turns = shared_scale([array]), [IDENTITY] if lifting else group.elements
    origins = [compose(inverse(g), h) for g in turns for h in group.elements]
    has_colors = all(h in ELEMENT_COLORS for h in group.elements)
    for (i, j), axes in np.ndenumerate(grid):
        draw_map(axes, rows[i, j], scale, cell >= 0.35, cell)
        if has_colors:
            frame(axes, origins[columns * i + j])
        if lifting or i == 0:
            name = _moved_filter(group.elements[columns * i + j]) if lifting else f"sheet {group.elements[j]}"
            axes.set_title(name, fontsize=11)
        if j == 0 and not lifting:
            axes.set_ylabel(_moved_filter(group.elements[i]), fontsize=11)
    k, what = array.shape[-1], "planar filter" if lifting else f"filter on {group}, {order} sheets each,"
    span = f"Weights from {array.min():.3g} to {array.max():.3g}."
    return Picture.from_figure(
        figure, f"A {k} × {k} {what} after each of the elements {', '.join(_names(group))}. {span}"
    )


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


def _ring_size(group: Group) -> tuple[float, float]:
    """Inches for a ring: a sheet is at most 1.2 inches wide, and the ring at most 3.65, half of a page."""
    width, height = np.array(ring_extent(group)) + NAME_ROOM
    side = min(1.2, 3.65 / 2 / width)
    return max(2 * side * width, 2.6), max(2 * side * height, 1.4)


def _mark_corners(axes: Axes, shape: Sequence[int], g: Element, group: Group) -> None:
    """A dot at the corner of each sheet that was its top left one before g turned it."""
    height, width = np.array(shape) / max(shape)
    corner = matrix(g) @ (-width / 2 + 0.09, height / 2 - 0.09)
    places = ring_positions(group) + corner
    axes.scatter(places[:, 0], places[:, 1], s=26, c="white", edgecolors="black", zorder=5)


def _frames(elements: Sequence[Element]) -> list[str]:
    return [ELEMENT_COLORS[h] for h in elements]


def _moved_filter(h: Element) -> str:
    return rf"$L_h\,\psi$, $h={typeset(h)}$"  # an index within an index could not be read


def _names(group: Group) -> list[str]:
    return [str(h) for h in group.elements]
