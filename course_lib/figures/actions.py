"""Figures of notebook 02: color pictures side by side, and where a pixel of L_g f takes its value from."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from matplotlib.patches import ConnectionPatch

from course_lib.actions import act_on_image
from course_lib.figures.picture import Picture, as_array, draw_map, draw_mark, new_figure, new_panels, shared_scale
from course_lib.figures.style import MARK, typeset
from course_lib.groups import Element
from course_lib.oracles import source_pixel


def photographs(images: Mapping[str, Any], alt: str | None = None) -> Picture:
    """Images side by side: title → ``(3, Y, X)`` colors from 0 to 1, or ``(Y, X)`` gray, the largest white.

    Raises ValueError for another shape.
    """
    side = min(2.6, 7.28 / min(4, len(images)))
    figure, grid = new_panels(len(images), 4, side, side + 0.28)
    arrays = {title: as_array(image) for title, image in images.items()}
    white = max((array.max() for array in arrays.values() if array.ndim == 2), default=1) or 1
    for axes, (title, array) in zip(grid, arrays.items(), strict=True):
        array = np.stack([array / white] * 3) if array.ndim == 2 else array
        if array.ndim != 3 or len(array) != 3:
            raise ValueError(f"{title!r} must be one image (3, Y, X) or (Y, X), got {array.shape}: of a batch, f[0]")
        axes.imshow(np.clip(array.transpose(1, 2, 0), 0, 1), interpolation="nearest")
        axes.set_title(title, fontsize=12)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_color("0.6")
    return Picture.from_figure(figure, alt or f"{len(images)} images side by side: {'; '.join(images)}.")


def lookup(f: Any, g: Element, pixel: tuple[int, int]) -> Picture:
    """A map f ``(Y, X)`` and L_g f with their numbers: to fill a pixel x of L_g f, (row, col), look up f at g⁻¹x."""
    before = as_array(f)
    after = act_on_image(g, torch.from_numpy(before)).numpy()
    source, scale = source_pixel(g, *pixel, *after.shape), shared_scale([before])
    figure = new_figure(6.6, 3.2)
    left, gap, right = figure.subplots(1, 3, width_ratios=(4, 2, 4))
    gap.set_axis_off()
    gap.text(0.5, 0.3, f"look up $f$\nat $g^{{-1}}x$,\n$g = {typeset(g)}$", ha="center", va="center", fontsize=12)
    for axes, array, place, title in ((left, before, source, "f"), (right, after, pixel, rf"L_{{{typeset(g)}}}\,f")):
        draw_map(axes, array, scale, values=True)
        axes.set_title(f"${title}$", fontsize=12, pad=18)
        axes.set_xticks(range(array.shape[1]), _coordinates(array.shape[1]), fontsize=9)
        axes.set_yticks(range(array.shape[0]), _coordinates(array.shape[0])[::-1], fontsize=9)
        axes.set_xlabel("$x$")
        axes.set_ylabel("$y$", rotation=0)
        draw_mark(axes, *place, side=1, width=3.5)
    (row, col), (row_of_source, col_of_source) = pixel, source  # over the top, from frame to frame
    ends = (col - 0.5, row - 0.5), (col_of_source + 0.5, row_of_source)
    arrow = ConnectionPatch(*ends, "data", "data", axesA=right, axesB=left, shrinkA=0, shrinkB=2)
    arrow.set(arrowstyle="-|>", mutation_scale=18, linewidth=2.2, color=MARK, connectionstyle="arc3,rad=0.35")
    figure.add_artist(arrow)
    return Picture.from_figure(
        figure,
        f"f and L_g f for g = {g}, numbers in the pixels. Row {pixel[0]}, column {pixel[1]} of L_g f takes "
        f"its value {after[pixel]:g} from row {source[0]}, column {source[1]} of f; an arrow leads there.",
    )


def _coordinates(count: int) -> list[str]:
    """Of so many pixels, counted from the middle."""
    return [f"{i - (count - 1) / 2:g}".replace("-", "−") for i in range(count)]
