"""Figures of notebook 01: a group as a table, as moves of a square, as a graph, in cosets, and on lattice points."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Circle, Polygon, Rectangle

from course_lib.figures.picture import Picture, as_array, new_figure, new_panels, new_plot
from course_lib.figures.rings import arrow_words, draw_ring_arrows, fit_ring_axes, generators, ring_positions, way_round
from course_lib.figures.style import ELEMENT_COLORS, LINES, MARK, ON_ELEMENT, SERIES
from course_lib.groups import Element, Group, IntArray, matrix

# The outline of a letter F in a square from −1 to 1: no symmetry of the square but the identity leaves it as it is.
LETTER_F = np.array(
    [(-0.4, -0.6), (-0.15, -0.6), (-0.15, -0.05), (0.25, -0.05), (0.25, 0.17), (-0.15, 0.17), (-0.15, 0.38)]
    + [(0.45, 0.38), (0.45, 0.6), (-0.4, 0.6)]
)
CORNERS = np.array([(-1, 1), (1, 1), (1, -1), (-1, -1)])


PRODUCT = ("a (done second)", "b (done first)", "the product ab")


def cayley_table_figure(table: Any, labels: Sequence[Any], words: Sequence[str] = PRODUCT) -> Picture:
    """A multiplication table: the cell in row a, column b shows the product ab, "first b, then a".

    ``words`` tell what rows, columns and cells are, where they are something else.
    ``table``: indices of labels, (n, n), as from `groups.cayley_table`; −1 means outside the set. Raises ValueError if
    it is not square, or there are more or fewer labels.
    """
    table, names = np.asarray(table, dtype=int), [str(label) for label in labels]
    if table.shape != (len(names), len(names)):
        raise ValueError(f"a Cayley table of {names} is a square of their number, got shape {table.shape}")
    figure = new_figure(0.62 * len(names) + 1.0, 0.5 * len(names) + 0.9)
    axes = figure.subplots()
    for (i, j), product in np.ndenumerate(table):
        _draw_product(axes, i, j, names[product] if product >= 0 else "✗")
    axes.set(xlabel=words[1], xlim=(0, len(names)), ylim=(len(names), 0))
    axes.set_ylabel(words[0], rotation=0 if "$" in words[0] else 90)  # a letter on its side could not be read
    axes.set_title(words[2], loc="left" if "$" in words[2] else "center")  # clear of the letter of the columns
    axes.set_xticks(np.arange(len(names)) + 0.5, names)
    axes.set_yticks(np.arange(len(names)) + 0.5, names)
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    axes.xaxis.set_label_position("top")
    rows = [f"{name}: {' '.join([*names, 'outside'][p] for p in row)}" for name, row in zip(names, table, strict=True)]
    alt = f"Table of {words[2]} for {', '.join(names)}, rows {words[0]}, columns {words[1]}. {'; '.join(rows)}."
    return Picture.from_figure(figure, alt)


def _draw_product(axes: Axes, i: int, j: int, name: str) -> None:
    """In the color of its element; what is none, and a product outside of the set, is white."""
    color = {str(g): color for g, color in ELEMENT_COLORS.items()}.get(name)
    words = ON_ELEMENT if color and color != "#000000" else ("white", "0.15")
    edge, hatch = "white" if color else "0.7", "//" if name == "✗" else None
    axes.add_patch(Rectangle((j, i), 1, 1, facecolor=color or "white", edgecolor=edge, hatch=hatch))
    ink = words[0 if np.dot(to_rgb(color or "white"), (0.3, 0.59, 0.11)) < 0.4 else 1]  # light words, or dark ones
    axes.text(j + 0.5, i + 0.5, name, ha="center", va="center", fontsize=11, weight="bold", color=ink)


def symmetries_of_the_square(group: Group) -> Picture:
    """A square tile with an F and numbered corners, after each element of the group, with the matrices."""
    figure, grid = new_panels(group.order, 4, 2.0, 3.05)
    for axes, g in zip(grid, group.elements, strict=True):
        axes.set_axis_off()
        h = matrix(g)
        draw_tile(axes, h, 0.8)
        if g.m:  # what the mirror leaves in place, up to the numbers in the corners
            axis = np.linalg.svd(h - np.eye(2))[2][-1] * (1.25 if abs(h[0, 0]) else 0.9)
            axes.plot(*np.stack([-axis, axis], axis=1), color=MARK, linestyle=(0, (4, 2)), linewidth=2)
        for side in (-1, 1):
            x, y = np.array([0.47, 0.55, 0.55, 0.47]), [-1.38, -1.38, -1.98, -1.98]
            axes.plot(side * x, y, color="black", linewidth=1.2)
        for (row, col), entry in np.ndenumerate(h):
            axes.text(0.48 * col - 0.24, -1.55 - 0.27 * row, f"{entry}".replace("-", "−"), ha="center", va="center")
        axes.set_title(str(g), fontsize=14, weight="bold")
        axes.set(xlim=(-1.3, 1.3), ylim=(-2.5, 1.3), aspect="equal")
    moves = [f"{g}: matrix {matrix(g).tolist()}, {corner_words(matrix(g))}" for g in group.elements]
    what = f"A square tile with the letter F after each of the {group.order} elements of {group}"
    return Picture.from_figure(figure, f"{what}. {'; '.join(moves)}.")


def draw_tile(axes: Axes, h: IntArray, reach: float) -> None:
    """A square from −1 to 1 with an F and numbered corners, moved by the matrix h."""
    axes.add_patch(Rectangle((-1, -1), 2, 2, facecolor="#F3F3F3", edgecolor="black", linewidth=1.5))
    axes.add_patch(Polygon(LETTER_F @ h.T, facecolor=LINES))
    for number, (x, y) in enumerate(CORNERS @ h.T * reach, 1):
        axes.text(x, y, str(number), ha="center", va="center", fontsize=12, color="0.15", weight="bold")


def corner_words(h: IntArray) -> str:
    """Which corner of the tile the matrix h brings to each corner of its frame."""
    places = (CORNERS @ h.T).tolist()
    return f"corners from top left clockwise {' '.join(str(places.index(c) + 1) for c in CORNERS.tolist())}"


def cosets_figure(group: Group, subgroup: Group) -> Picture:
    """The elements of the group on the ring; a line in the color of the first joins those of one left coset hS."""
    cosets = group.left_cosets(subgroup)
    home = {h: i for i, coset in enumerate(cosets) for h in coset}
    figure = new_figure(7.4, 3.0)
    axes, legend = figure.subplots(1, 2, width_ratios=(2, 1) if group.has_mirrors else (3, 2))
    names = [f"{h}\n({home[h] + 1})" for h in group.elements]
    _draw_nodes(axes, group, [LINES] * group.order, names, fontsize=11)
    places = ring_positions(group)
    for coset in cosets:
        for start, end in pairwise(places[group.index(h)] for h in coset):
            curve = way_round(start, end, places)
            axes.plot(*curve.T, color=ELEMENT_COLORS[coset[0]], lw=7, zorder=1)
    legend.set_axis_off()
    legend.set(xlim=(0, 1), ylim=(len(cosets) + 1, -1))
    legend.text(0, -0.5, f"S = {_braces(subgroup.elements)}", fontsize=12)
    lines = [f"{coset[0]}S = {_braces(coset)}" for coset in cosets]
    for i, line in enumerate(lines):
        legend.add_patch(Rectangle((0, i + 0.1), 0.09, 0.7, color=ELEMENT_COLORS[cosets[i][0]]))
        legend.text(0.13, i + 0.45, f"{i + 1}:  {line}", va="center", fontsize=12)
    alt = (
        f"The {group.order} elements of {group} fall into {len(cosets)} left cosets of "
        f"S = {_braces(subgroup.elements)}, each of size {subgroup.order}: {'; '.join(lines)}."
    )
    return Picture.from_figure(figure, alt)


def cayley_graph(group: Group) -> Picture:
    """The elements as nodes on the ring, with arrows h → rh and h ↔ mh for the generators r and m."""
    figure, axes = new_plot(7.2, 4.0) if group.has_mirrors else new_plot(4.2, 4.2)
    _draw_nodes(axes, group, [ELEMENT_COLORS[h] for h in group.elements], [str(h) for h in group.elements], fontsize=13)
    draw_ring_arrows(axes, group)
    for g in generators(group):
        style: dict[str, Any] = {"linestyle": (0, (4, 2.5))} if g.m else {"marker": ">", "markevery": [1]}
        axes.plot([], [], color=LINES, lw=1.8, label=f"then {g}", **style)
    figure.legend(loc="outside upper center", ncols=2, frameon=False, fontsize=12, handlelength=3)
    made_by = " and ".join(map(str, generators(group))) or "nothing"
    alt = f"Cayley graph of {group} = {_braces(group.elements)}, generated by {made_by}: {arrow_words(group)}."
    return Picture.from_figure(figure, alt)


def _draw_nodes(axes: Axes, group: Group, colors: Sequence[str], names: list[str], fontsize: int) -> None:
    fit_ring_axes(axes, group)
    for color, (x, y), name in zip(colors, ring_positions(group), names, strict=True):
        axes.add_patch(Circle((x, y), 0.45, facecolor="white", edgecolor=color, linewidth=4, zorder=2))
        axes.text(x, y, name, ha="center", va="center", fontsize=fontsize, zorder=3)


def _braces(elements: Iterable[Element]) -> str:
    return "{" + ", ".join(map(str, elements)) + "}"


def lattice_points(steps: Mapping[str, Any]) -> Picture:
    """Points (n, 2) of the lattice, (x, y) each, y up, numbered and joined, after each step; arrows follow the last."""
    states = {title: as_array(points) for title, points in steps.items()}
    shown = np.concatenate(list(states.values()))
    low = np.floor(shown.min(axis=0, initial=0)).astype(int) - 1  # one lattice point more on every side
    high = np.ceil(shown.max(axis=0, initial=0)).astype(int) + 1
    width, height = (float(side) for side in high - low + 1)
    scale = min(5.6 / width, 4.4 / height)
    figure = new_figure(scale * width + 1.6, scale * height + 0.6)
    axes = figure.subplots()
    style: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "va": "center", "fontsize": 9}
    sides = ((12, 12), (-12, -12), (12, -12))
    looks = zip(states.items(), SERIES, "oDs", sides, (13, 9, 9), strict=False)  # the first is seen below the others
    for (title, points), color, marker, offset, size in looks:
        axes.plot(*points.T, color=color, marker=marker, markersize=size, lw=size - 6, mec="black", label=title)
        for number, point in enumerate(points, 1):
            box = {"boxstyle": "circle,pad=0.1", "facecolor": "white", "edgecolor": color}
            axes.annotate(str(number), point, offset, bbox=box, **style)
    for start, end in pairwise(points[-1] for points in states.values()):
        bend = "arc3,rad=0.3" if start @ end == 0 else "arc3"  # a turn about the origin, or a shift
        arrow = {"arrowstyle": "-|>", "color": LINES, "lw": 2, "shrinkA": 9, "shrinkB": 9, "connectionstyle": bend}
        axes.annotate("", end, start, arrowprops=arrow)
    axes.set(xlim=(low[0] - 0.5, high[0] + 0.5), ylim=(low[1] - 0.5, high[1] + 0.5), aspect="equal")
    axes.set(xlabel="$x$", ylabel="$y$", xticks=np.arange(low[0], high[0] + 1), yticks=np.arange(low[1], high[1] + 1))
    draw_lattice(axes)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    words = [f"{title}: {' '.join(f'({x:g}, {y:g})' for x, y in points)}" for title, points in states.items()]
    return Picture.from_figure(figure, f"{len(shown) // len(states)} lattice points. {'; '.join(words)}.")


def draw_lattice(axes: Axes, **grid: Any) -> None:
    """Lines of the lattice, and the two axes."""
    axes.grid(color="0.88", **grid)
    axes.axhline(0, color="0.4", linewidth=1, zorder=1)
    axes.axvline(0, color="0.4", linewidth=1, zorder=1)
