"""Figures of notebook 07: relative positions of pairs, and the layers of the course as one sum over pairs."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, Polygon, Rectangle

from course_lib.figures.groups import LETTER_F, cayley_table_figure
from course_lib.figures.picture import Picture, new_plot
from course_lib.figures.style import LINES, SERIES
from course_lib.groups import Group, compose, inverse, matrix
from course_lib.wallpaper import Isometry, semidirect_inverse, semidirect_product


def relative_positions(pairs: Sequence[tuple[Isometry, Isometry]]) -> Picture:
    """Pairs (g, g̃) on the lattice: an element is a letter F, moved there by it; an arrow leads from g to g̃.

    The alt text names g⁻¹g̃ of each pair. Each pair has a color; g is filled, g̃ an outline.
    """
    (figure, axes), words = new_plot(7.6, 3.1, xlabel="$x$", ylabel="$y$", aspect="equal"), []
    for (g, other), color in zip(pairs, SERIES, strict=False):
        away = np.sign(other.u - g.u) / 2  # names stand between the points of the lattice, and clear of the arrow
        _draw_letter(axes, g, "$g$", -away, color, fill=color)
        _draw_letter(axes, other, r"$\tilde{g}$", away, color, fill="white")
        arrow = FancyArrowPatch(g[2:], other[2:], arrowstyle="-|>", mutation_scale=14, shrinkA=16, shrinkB=18)
        arrow.set(color=color, linewidth=1.2)
        axes.add_patch(arrow)
        start, end, between = map(_name, (g, other, semidirect_product(semidirect_inverse(g), other)))
        words.append(f"From {start} to {end}: relative position {between}.")
    shifts = np.array([element[2:] for pair in pairs for element in pair])
    (left, low), (right, high) = shifts.min(axis=0) - 1, shifts.max(axis=0) + 1
    columns, rows = np.mgrid[left : right + 1, low : high + 1]
    axes.scatter(columns, rows, s=5, c="0.6", zorder=0)
    axes.set(xlim=(left - 0.4, right + 0.4), ylim=(low - 0.4, high + 0.4), xticks=columns[:, 0], yticks=rows[0])
    return Picture.from_figure(figure, f"Pairs on the lattice. {' '.join(words)}")


def _draw_letter(axes: Axes, element: Isometry, name: str, right: float, color: str, fill: str) -> None:
    outline = 0.55 * LETTER_F @ matrix(element.point_part).T + element.shift
    axes.add_patch(Polygon(outline, facecolor=fill, edgecolor=color, linewidth=1.8))
    axes.text(element.u + right, element.v - 0.5, name, color=color, fontsize=13, ha="center", va="center")


def _name(g: Isometry) -> str:
    return f"({g.point_part} at {g.u}, {g.v})"


def relative_position_table(group: Group) -> Picture:
    """Row g, column g̃ shows g⁻¹g̃: all pairs of one color must be treated by the same function."""
    table = [[group.index(compose(inverse(g), other)) for other in group.elements] for g in group.elements]
    picture = cayley_table_figure(table, group.elements, ("$g$", r"$\tilde{g}$", r"$g^{-1}\tilde{g}$"))
    return Picture(picture.image, picture.alt.replace("^{-1}", "⁻¹").replace(r"\tilde{g}", "g̃").replace("$", ""))


# What the layer is, H̃, whether y's weight depends on (g⁻¹g̃, f(g), f(g̃)), and which g̃ are summed over.
LAYERS = (
    ("1 × 1 convolution, batch norm (eval)", "$W y+b$", (False, False, False), "$g$ alone"),
    ("ReLU", r"$\max(y,0)$", (False, False, True), "$g$ alone"),
    ("coset pooling (max for the sum)", r"$y$", (False, False, False), "the pixel's sheets in $gS$"),
    ("lifting convolution", r"$\psi(\hat{g})\,y$", (True, False, False), "k × k pixels of an image"),
    ("group convolution", r"$\psi(\hat{g})\,y$", (True, False, False), "k × k pixels, all sheets"),
    ("g- and gc-separable", r"$K(\hat{t})\,w(\hat{h})\,y$", (True, False, False), "k × k pixels, all sheets"),
    ("group self-attention (numerator)", r"$\exp[h_Q(x)^T(h_K(y)+P(\hat{g}))/\sqrt{d}\,]\;h_V(y)$", (True, True, True),
     "k × k pixels, all sheets"),
    ("E4 (ahead)", r"$K_{\hat{g}}(x)\odot V(y)$,  $x, y$ patches", (True, True, False), "k × k pixels, own sheet"),
    ("affine self convolution (ahead)", r"$\alpha(\hat{g},x,y)\,(\psi(\hat{g})\,y+\beta(\hat{g}))$", (True, True, True),
     "k × k pixels, all sheets"),
)  # fmt: skip
HEADINGS = ((0.0, "layer"), (3.5, r"$\tilde{H}_{\hat{g}}(x,y)$"), (9.95, r"sums over $\tilde{g}$ in"))
DEPENDENCES = ((7.35, r"$\hat{g}=g^{-1}\tilde{g}$"), (8.35, "$x=f(g)$"), (9.3, r"$y=f(\tilde{g})$"))
WIDTH = 12.3


def framework_map() -> Picture:
    """Every layer of the course as f′(g) = Σ_g̃ H̃_{g⁻¹g̃}(f(g), f(g̃)); full circles: what the weight of y depends on."""
    figure, axes = new_plot(8.6, 0.38 * len(LAYERS) + 0.8, xlim=(-0.1, WIDTH), ylim=(len(LAYERS) + 0.1, -1.4))
    axes.set_axis_off()
    for x, heading in HEADINGS:
        axes.text(x, -0.35, heading, fontsize=12, weight="bold")
    axes.text(DEPENDENCES[1][0], -1.05, "the weight of y depends on", fontsize=11, ha="center", weight="bold")
    for x, heading in DEPENDENCES:
        axes.text(x, -0.35, heading, fontsize=11, ha="center")
    rows = []
    for i, (layer, formula, dependences, reach) in enumerate(LAYERS):
        axes.add_patch(Rectangle((-0.1, i), WIDTH + 0.1, 1, facecolor="0.95" if i % 2 == 0 else "white", linewidth=0))
        for (x, _), text in zip(HEADINGS, (layer, formula, reach), strict=True):
            axes.text(x, i + 0.5, text, va="center", fontsize=11.5 if text is formula else 10)  # indices to be read
        for (x, _), depends in zip(DEPENDENCES, dependences, strict=True):
            axes.scatter(x, i + 0.5, s=110, c=LINES if depends else "white", edgecolors=LINES, linewidths=1.5)
        named = zip(("relative position", "f(g)", "f(g̃)"), dependences, strict=True)
        reasons = ", ".join(name for name, depends in named if depends) or "nothing"
        rows.append(f"{layer}: weight depends on {reasons}; sums over {reach.replace('$', '')}.")
    return Picture.from_figure(figure, f"Layers as a sum over pairs. {' '.join(rows)}")
