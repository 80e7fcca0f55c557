"""Figures of notebook 03: the commuting square with images in its corners, and a filter that slides over a map."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch, Rectangle
from torch import Tensor

from course_lib.checks import relative_error
from course_lib.figures.picture import (
    Picture,
    as_array,
    as_map,
    draw_map,
    error_words,
    new_figure,
    shared_scale,
)
from course_lib.figures.style import LINES, MARK
from course_lib.oracles import correlate

COMMUTES_BELOW = 1e-4


def commuting_square(
    function: Callable[[Tensor], Tensor], move: Callable[[Tensor], Tensor], x: Tensor, names: tuple[str, str]
) -> Picture:
    """x, L x, Φ(x) and, in the last corner, both ways to get there: L Φ(x) from the left and Φ(L x) from above.

    Args:
        function: Φ, from ``(..., Y, X)`` to ``(..., Y, X)``.
        move: L, the transformation, which must act on x and on Φ(x) alike.
        x: the first sheet is drawn.
        names: of Φ and of L, such as ("Φ", "L_r"); what follows an underscore becomes an index.

    The sign between the two results is = where their `checks.relative_error`, over all sheets, is rounding only.
    Raises ValueError if Φ(x) is no map, or if the two results differ in shape.
    """
    with torch.no_grad():
        corners = {"x": x, "Lx": move(x), "Φx": function(x), "LΦx": move(function(x)), "ΦLx": function(move(x))}
    error = relative_error(corners["ΦLx"], corners["LΦx"])
    maps = {key: as_map(value[(0,) * (value.ndim - 2)], key) for key, value in corners.items()}
    figure = new_figure(7.3, 4.4)
    figure.set_layout_engine("none")
    phi, move_name = (f"${name}$" for name in names)
    axes = _draw_corners(figure, maps, (phi, move_name))
    _draw_arrows(figure, axes, (phi, move_name))
    sign, color = ("=", LINES) if error < COMMUTES_BELOW else ("≠", MARK)
    figure.text(0.665, 0.215, sign, ha="center", va="center", fontsize=30, color=color)
    return Picture.from_figure(
        figure,
        f"Commuting square: an image, the image after {names[1]}, {names[0]} of each, and {names[1]} of {names[0]} of "
        f"the first. Relative difference of the two ways: {error_words(error)}.",
    )


def _draw_corners(figure: Figure, maps: dict[str, np.ndarray[Any, Any]], names: tuple[str, str]) -> dict[str, Axes]:
    phi, move = names
    left, middle, right, top, bottom = 0.03, 0.38, 0.71, 0.55, 0.02
    places = {
        "x": (left, top),
        "Lx": (right, top),
        "Φx": (left, bottom),
        "LΦx": (middle, bottom),
        "ΦLx": (right, bottom),
    }
    titles = {"x": "$x$", "Lx": f"{move} $x$", "Φx": f"{phi}($x$)"}
    titles |= {"LΦx": f"{move} {phi}($x$)", "ΦLx": f"{phi}({move} $x$)"}
    outputs = [maps[key] for key in ("Φx", "LΦx", "ΦLx")]
    axes = {}
    for key, (x, y) in places.items():
        axes[key] = figure.add_axes((x, y, 0.245, 0.39))
        scale = shared_scale([maps["x"]] if key in ("x", "Lx") else outputs)
        draw_map(axes[key], maps[key], scale)
        if scale.vmin == 0:  # a photograph, too
            axes[key].images[0].set_cmap("gray")
        axes[key].set_title(titles[key], fontsize=12, y=1.0, pad=4)
    return axes


def _draw_arrows(figure: Figure, axes: dict[str, Axes], names: tuple[str, str]) -> None:
    phi, move = names
    across = [("x", "Lx", move), ("Φx", "LΦx", move)]
    down = [("x", "Φx", phi), ("Lx", "ΦLx", phi)]
    for start, end, name in across + down:
        is_down = (start, end, name) in down
        patch = ConnectionPatch(
            xyA=(0.5, -0.03) if is_down else (1.02, 0.5),
            xyB=(0.5, 1.14) if is_down else (-0.02, 0.5),
            coordsA=axes[start].transAxes,
            coordsB=axes[end].transAxes,
            arrowstyle="-|>",
            mutation_scale=16,
            linewidth=1.8,
            facecolor="black",
        )
        figure.add_artist(patch)
        first, last = axes[start].get_position(), axes[end].get_position()
        if is_down:
            figure.text(first.x0 + first.width / 2 - 0.02, first.y0 - 0.045, name, ha="right", va="center", fontsize=13)
        else:
            figure.text((first.x1 + last.x0) / 2, first.y0 + first.height / 2 + 0.02, name, ha="center", fontsize=13)


def sliding_filter(f: Any, psi: Any) -> Picture:
    """Each step of f ⋆ ψ on a small map: the window on f, the filter in it, and the value that it gives.

    Args:
        f: a small map ``(Y, X)``; ψ ``(k, k)``. Raises ValueError for more than nine windows.
    """
    f, psi = as_map(f), as_map(psi)
    out = as_array(correlate(torch.as_tensor(f), torch.as_tensor(psi)))
    if out.size > 9:
        raise ValueError(f"{out.size} windows are too many for one figure; take a smaller map than {f.shape}")
    columns = min(5, out.size + 1)
    rows = -(-(out.size + 1) // columns)
    figure = new_figure(7.3, (7.3 / columns + 0.25) * rows)
    grid = figure.subplots(rows, columns, squeeze=False).flat
    for axes in grid[out.size + 1 :]:
        axes.set_axis_off()
    scale = shared_scale([f])
    draw_map(grid[0], psi, shared_scale([psi]), values=True)
    k, wider = len(psi), (max(f.shape) - len(psi)) / 2  # cells as large as those of f
    grid[0].add_patch(Rectangle((-0.5, -0.5), k, k, fill=False, edgecolor="0.6"))
    grid[0].set(xlim=(-0.5 - wider, k - 0.5 + wider), ylim=(k - 0.5 + wider, -0.5 - wider))
    grid[0].spines[:].set_visible(False)
    grid[0].set_title("the filter ψ", fontsize=11)
    for axes, (row, col) in zip(grid[1:], np.ndindex(*out.shape), strict=True):
        draw_map(axes, f, scale, values=True)
        frame = Rectangle((col - 0.44, row - 0.44), k - 0.12, k - 0.12, fill=False, linewidth=4, edgecolor=MARK)
        axes.add_patch(frame)
        axes.set_title(f"window ({row}, {col}) → {out[row, col]:g}".replace("-", "−"), fontsize=11)
    steps = "; ".join(f"window ({row}, {col}) gives {value:g}" for (row, col), value in np.ndenumerate(out))
    return Picture.from_figure(figure, f"A {k} × {k} filter slides over a {f.shape[0]} × {f.shape[1]} map: {steps}.")
