"""Figures of notebook 02: color pictures side by side, and where a pixel of L_g f takes its value from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.patches import ConnectionPatch, Rectangle

from course_lib.actions import act_on_image
from course_lib.figures.picture import Picture, as_array, as_map, draw_map, new_figure, shared_scale
from course_lib.figures.style import MARK
from course_lib.groups import Element
from course_lib.oracles import source_pixel


def photographs(images: Mapping[str, Any], columns: int = 4, alt: str | None = None) -> Picture:
    """Images side by side: title → ``(3, Y, X)`` colors or ``(Y, X)`` gray values from 0 to 1.

    Raises ValueError for another shape.
    """
    arrays = {title: as_array(image) for title, image in images.items()}
    arrays = {title: np.stack([array] * 3) if array.ndim == 2 else array for title, array in arrays.items()}
    for title, array in arrays.items():
        if array.ndim != 3 or len(array) != 3:
            raise ValueError(
                f"the image {title!r} must have shape (3, Y, X) or (Y, X), got {array.shape}; pick one of a batch: f[0]"
            )
    columns = min(columns, len(arrays))
    rows = -(-len(arrays) // columns)
    figure = new_figure(1.82 * columns, 2.1 * rows)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, (title, array) in zip(grid.flat, arrays.items(), strict=False):
        axes.imshow(np.clip(array.transpose(1, 2, 0), 0, 1), interpolation="nearest")
        axes.set_title(title, fontsize=12)
    return Picture.from_figure(figure, alt or f"{len(arrays)} images side by side: {'; '.join(arrays)}.")


def lookup(f: Any, g: Element, pixel: tuple[int, int]) -> Picture:
    """f and L_g f with their numbers: to fill the framed pixel x of L_g f, look up f at g⁻¹x.

    Args:
        f: a small map ``(Y, X)``.
        pixel: (row, col) of L_g f.

    Raises ValueError if f has not two axes, or the pixel lies outside.
    """
    before = as_map(f, "f")
    after = act_on_image(g, torch.from_numpy(before)).numpy()
    if not (0 <= pixel[0] < after.shape[0] and 0 <= pixel[1] < after.shape[1]):
        raise ValueError(f"pixel {pixel} lies outside of L_g f, which has shape {after.shape}")
    source = source_pixel(g, *pixel, *after.shape)
    figure = new_figure(6.6, 3.2)
    left, gap, right = figure.subplots(1, 3, width_ratios=(4, 2, 4))
    gap.set_axis_off()
    gap.text(0.5, 0.2, f"look up\nat g⁻¹x,\ng = {g}", ha="center", va="center", fontsize=11)
    scale = shared_scale([before])
    for axes, array, (row, col), title in ((left, before, source, "f"), (right, after, pixel, f"L_g f for g = {g}")):
        draw_map(axes, array, scale, values=True)
        axes.set_title(title, fontsize=12)
        _coordinates(axes, array.shape)
        frame = Rectangle((col - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=MARK, linewidth=3.5)
        axes.add_patch(frame)
    arrow = ConnectionPatch(pixel[::-1], source[::-1], "data", "data", axesA=right, axesB=left, shrinkA=13, shrinkB=13)
    arrow.set(arrowstyle="-|>", mutation_scale=18, linewidth=2.2, color=MARK)
    figure.add_artist(arrow)
    return Picture.from_figure(
        figure,
        f"f and L_g f for g = {g}, numbers in the pixels. Row {pixel[0]}, column {pixel[1]} of L_g f takes "
        f"its value {after[pixel]:g} from row {source[0]}, column {source[1]} of f; an arrow leads there.",
    )


def _coordinates(axes: Axes, shape: tuple[int, ...]) -> None:
    """x and y about the center, as ticks."""
    height, width = shape
    axes.set_xticks(range(width), [f"{col - (width - 1) / 2:g}".replace("-", "−") for col in range(width)], fontsize=9)
    axes.set_yticks(
        range(height), [f"{(height - 1) / 2 - row:g}".replace("-", "−") for row in range(height)], fontsize=9
    )
    axes.set_xlabel("x")
    axes.set_ylabel("y", rotation=0)
