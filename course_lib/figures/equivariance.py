"""Figures of notebook 03: the commuting square with images in its corners, and a filter that slides over a map."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch, Rectangle
from torch import Tensor

from course_lib.checks import relative_error
from course_lib.figures.captions import error_words
from course_lib.figures.picture import Picture, as_map, draw_map, draw_mark, new_figure, new_panels, shared_scale
from course_lib.figures.style import LINES, MARK
from course_lib.oracles import correlate

COMMUTES_BELOW = 1e-4
LEFT, MIDDLE, RIGHT, TOP, BOTTOM = 0.03, 0.38, 0.71, 0.55, 0.02


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
    phi, action = names
    axes = _draw_corners(figure, maps, phi, action)
    for start, end, name in (("x", "Lx", action), ("Φx", "LΦx", action), ("x", "Φx", phi), ("Lx", "ΦLx", phi)):
        _draw_arrow(figure, axes[start], axes[end], name, is_down=name == phi)
    sign, color = ("=", LINES) if error < COMMUTES_BELOW else ("≠", MARK)
    figure.text(0.665, 0.215, sign, ha="center", va="center", fontsize=30, color=color)
    return Picture.from_figure(
        figure,
        f"Commuting square: an image, the image after {names[1]}, {names[0]} of each, and {names[1]} of {names[0]} of "
        f"the first. Relative difference of the two ways: {error_words(error)}.",
    )


def _draw_corners(figure: Figure, maps: dict[str, Any], phi: str, action: str) -> dict[str, Axes]:
    places = {
        "x": (LEFT, TOP, "x"), "Lx": (RIGHT, TOP, f"{action} x"), "Φx": (LEFT, BOTTOM, f"{phi}(x)"),
        "LΦx": (MIDDLE, BOTTOM, f"{action} {phi}(x)"), "ΦLx": (RIGHT, BOTTOM, f"{phi}({action} x)"),
    }  # fmt: skip
    axes = {}
    for key, (x, y, title) in places.items():
        axes[key] = figure.add_axes((x, y, 0.245, 0.39))
        scale = shared_scale([maps["x"]] if key in ("x", "Lx") else [maps[key] for key in ("Φx", "LΦx", "ΦLx")])
        draw_map(axes[key], maps[key], scale)
        if scale.vmin == 0:  # a photograph, too
            axes[key].images[0].set_cmap("gray")
        axes[key].set_title(title, fontsize=12, y=1.0, pad=4)
    return axes


def _draw_arrow(figure: Figure, start: Axes, end: Axes, name: str, is_down: bool) -> None:
    tail, head = ((0.5, -0.03), (0.5, 1.14)) if is_down else ((1.02, 0.5), (-0.02, 0.5))
    arrow = ConnectionPatch(tail, head, start.transAxes, end.transAxes, arrowstyle="-|>", mutation_scale=16)
    arrow.set(linewidth=1.8, facecolor="black")
    figure.add_artist(arrow)
    first, last = start.get_position(), end.get_position()
    if is_down:
        figure.text(first.x0 + first.width / 2 - 0.02, first.y0 - 0.045, name, ha="right", va="center", fontsize=13)
    else:
        figure.text((first.x1 + last.x0) / 2, first.y0 + first.height / 2 + 0.02, name, ha="center", fontsize=13)


def sliding_filter(f: Any, psi: Any) -> Picture:
    """Each step of f ⋆ ψ on a small map (Y, X) with ψ (k, k): the window on f, the filter in it, and its value."""
    f, psi = as_map(f), as_map(psi)
    out = correlate(torch.as_tensor(f), torch.as_tensor(psi)).numpy()
    columns, k = min(5, out.size + 1), len(psi)
    figure, (first, *grid) = new_panels(out.size + 1, columns, 7.3 / columns, 7.3 / columns + 0.25)
    draw_map(first, psi, shared_scale([psi]), values=True)
    first.set_title("the filter ψ", fontsize=11)
    wider = (max(f.shape) - k) / 2  # so that its cells are as large as those of f
    first.add_patch(Rectangle((-0.5, -0.5), k, k, fill=False, edgecolor="0.6"))
    first.set(xlim=(-0.5 - wider, k - 0.5 + wider), ylim=(k - 0.5 + wider, -0.5 - wider), frame_on=False)
    for axes, ((row, col), value) in zip(grid, np.ndenumerate(out), strict=True):
        draw_map(axes, f, shared_scale([f]), values=True)
        draw_mark(axes, row, col, k, width=4)
        axes.set_title(f"window ({row}, {col}) → {value:g}".replace("-", "−"), fontsize=11)
    steps = "; ".join(f"window ({row}, {col}) gives {value:g}" for (row, col), value in np.ndenumerate(out))
    return Picture.from_figure(figure, f"A {k} × {k} filter slides over a {f.shape[0]} × {f.shape[1]} map: {steps}.")
