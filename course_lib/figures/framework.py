"""Figures of notebook 07: relative positions of pairs, and the layers of the course as one sum over pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, Polygon, Rectangle

from course_lib.figures.groups import LETTER_F
from course_lib.figures.picture import Picture, new_figure
from course_lib.figures.style import ELEMENT_COLORS, LINES, SERIES
from course_lib.groups import Group, compose, inverse, matrix
from course_lib.wallpaper import Isometry, semidirect_inverse, semidirect_product


def relative_positions(pairs: Sequence[tuple[Isometry, Isometry]]) -> Picture:
    """Pairs (g, g̃) on the lattice: an element is a letter F, moved there by it; an arrow leads from g to g̃.

    The alt text names g⁻¹g̃ of each pair. Each pair has a color; g is filled, g̃ an outline.
    """
    figure = new_figure(7.6, 3.1)
    axes = figure.subplots()
    for (g, other), color in zip(pairs, SERIES, strict=False):
        for element, name in ((g, "$g$"), (other, r"$\tilde{g}$")):
            _draw_letter(axes, element, name, color, filled=element is g)
        arrow = FancyArrowPatch(g[2:], other[2:], arrowstyle="-|>", mutation_scale=14, shrinkA=16, shrinkB=18)
        arrow.set(color=color, linewidth=1.2)
        axes.add_patch(arrow)
    shifts = np.array([element[2:] for pair in pairs for element in pair])
    (left, low), (right, high) = shifts.min(axis=0) - 1, shifts.max(axis=0) + 1
    columns, rows = np.mgrid[left : right + 1, low : high + 1]
    axes.scatter(columns, rows, s=5, c="0.6", zorder=0)
    axes.set(xlim=(left - 0.4, right + 0.4), ylim=(low - 0.4, high + 0.4), aspect="equal", xlabel="x", ylabel="y")
    return Picture.from_figure(figure, "Pairs on the lattice. " + " ".join(_in_words(*pair) for pair in pairs))


def _draw_letter(axes: Axes, element: Isometry, name: str, color: str, filled: bool) -> None:
    outline = 0.55 * LETTER_F @ matrix(element.point_part).T + element.shift
    axes.add_patch(Polygon(outline, facecolor=color if filled else "white", edgecolor=color, linewidth=1.8))
    box = {"facecolor": "white", "linewidth": 0, "pad": 1}  # the points of the lattice end there
    axes.text(element.u, element.v - 0.72, name, color=color, fontsize=13, ha="center", va="center", bbox=box)


def _in_words(g: Isometry, other: Isometry) -> str:
    relative = semidirect_product(semidirect_inverse(g), other)
    return f"From {_name(g)} to {_name(other)}: relative position {_name(relative)}."


def _name(g: Isometry) -> str:
    return f"({g.point_part} at {g.u}, {g.v})"


def relative_position_table(group: Group) -> Picture:
    """Row g, column g̃ shows g⁻¹g̃: all pairs of one color must be treated by the same function."""
    n = group.order
    figure = new_figure(0.55 * n + 1.2, 0.5 * n + 1.0)
    axes = figure.subplots()
    for (i, g), (j, other) in ((a, b) for a in enumerate(group.elements) for b in enumerate(group.elements)):
        relative = compose(inverse(g), other)
        axes.add_patch(Rectangle((j, i), 1, 1, facecolor=ELEMENT_COLORS[relative], alpha=0.55, edgecolor="white"))
        ink = "white" if ELEMENT_COLORS[relative] == "#000000" else "black"
        axes.text(j + 0.5, i + 0.5, str(relative), ha="center", va="center", fontsize=12, color=ink)
    axes.set(xlim=(0, n), ylim=(n, 0), ylabel="$g$")
    axes.xaxis.tick_top()
    axes.set_xlabel(r"$\tilde{g}$")
    axes.xaxis.set_label_position("top")
    names = [str(h) for h in group.elements]
    axes.set_xticks(np.arange(n) + 0.5, names)
    axes.set_yticks(np.arange(n) + 0.5, names)
    axes.tick_params(length=0)
    rows = "; ".join(f"{g}: " + " ".join(str(compose(inverse(g), h)) for h in group.elements) for g in group.elements)
    return Picture.from_figure(figure, f"Table of g⁻¹g̃ on {group}, a row for each g, a color for each value. {rows}.")


class Layer(NamedTuple):
    """A row of the map: what H̃ is, whether y's weight depends on (g⁻¹g̃, f(g), f(g̃)), and which g̃ are summed over."""

    name: str
    formula: str
    depends_on: tuple[bool, bool, bool]
    reach: str


LAYERS = (
    Layer("1×1 convolution, batch norm (eval)", "$W y+b$", (False, False, False), "g alone"),
    Layer("ReLU", r"$\max(y,0)$", (False, False, True), "g alone"),
    Layer("coset pooling (max for the sum)", r"$y$", (False, False, False), "the pixel's sheets in gS"),
    Layer("lifting convolution", r"$\psi(\hat{g})\,y$", (True, False, False), "k×k pixels of an image"),
    Layer("group convolution", r"$\psi(\hat{g})\,y$", (True, False, False), "k×k pixels, all sheets"),
    Layer("g- and gc-separable", r"$K(\hat{t})\,w(\hat{h})\,y$", (True, False, False), "k×k pixels, all sheets"),
    Layer(
        "group self-attention (numerator)",
        r"$\exp[h_Q(x)^T(h_K(y)+P(\hat{g}))/\sqrt{d}\,]\;h_V(y)$",
        (True, True, True),
        "k×k pixels, all sheets",
    ),
    Layer("E4 (ahead)", r"$K_{\hat{g}}(x)\odot V(y)$,  x, y patches", (True, True, False), "k×k pixels, own sheet"),
    Layer(
        "affine self convolution (ahead)",
        r"$\alpha(\hat{g},x,y)\,(\psi(\hat{g})\,y+\beta(\hat{g}))$",
        (True, True, True),
        "k×k pixels, all sheets",
    ),
)
HEADINGS = ((0.0, "layer"), (3.25, r"$\tilde{H}_{\hat{g}}(x,y)$"), (9.3, r"which $\tilde{g}$ it sums over"))
DEPENDENCES = ((6.75, r"$\hat{g}=g^{-1}\tilde{g}$"), (7.7, "$x=f(g)$"), (8.6, r"$y=f(\tilde{g})$"))
WIDTH = 11.6


def framework_map() -> Picture:
    """Every layer of the course as f′(g) = Σ_g̃ H̃_{g⁻¹g̃}(f(g), f(g̃)); full circles: what the weight of y depends on."""
    figure = new_figure(8.6, 0.38 * len(LAYERS) + 0.8)
    axes = figure.subplots()
    axes.set(xlim=(-0.1, WIDTH), ylim=(len(LAYERS) + 0.1, -1.4))
    axes.set_axis_off()
    for x, heading in HEADINGS:
        axes.text(x, -0.35, heading, fontsize=11, weight="bold")
    axes.text(DEPENDENCES[1][0], -1.05, "the weight of y depends on", fontsize=11, ha="center", weight="bold")
    for x, heading in DEPENDENCES:
        axes.text(x, -0.35, heading, fontsize=11, ha="center")
    for i, layer in enumerate(LAYERS):
        axes.add_patch(Rectangle((-0.1, i), WIDTH + 0.1, 1, facecolor="0.95" if i % 2 == 0 else "white", linewidth=0))
        for x, text in zip((x for x, _ in HEADINGS), (layer.name, layer.formula, layer.reach), strict=True):
            axes.text(x, i + 0.5, text, va="center", fontsize=10)
        for (x, _), depends in zip(DEPENDENCES, layer.depends_on, strict=True):
            axes.scatter(x, i + 0.5, s=110, c=LINES if depends else "white", edgecolors=LINES, linewidths=1.5)
    return Picture.from_figure(figure, "Layers as a sum over pairs. " + " ".join(_row_in_words(row) for row in LAYERS))


def _row_in_words(layer: Layer) -> str:
    named = zip(("relative position", "f(g)", "f(g̃)"), layer.depends_on, strict=True)
    reasons = [name for name, depends in named if depends]
    return f"{layer.name}: weight depends on {', '.join(reasons) or 'nothing'}; sums over {layer.reach}."
