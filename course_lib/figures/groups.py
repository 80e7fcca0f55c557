"""Figures of notebook 01: a group as a table, as moves of a square, as a graph, in cosets, and on lattice points."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Circle, Polygon, Rectangle
from matplotlib.patheffects import withStroke

from course_lib.figures.layout import generators, ring_positions
from course_lib.figures.picture import Picture, as_array, new_figure
from course_lib.figures.rings import arrow_words, draw_ring_arrows, prepare_ring_axes
from course_lib.figures.style import ELEMENT_COLORS, LINES, ON_ELEMENT, SERIES
from course_lib.groups import Element, Group, IntArray, matrix

# The outline of a letter F in a square from −1 to 1: no symmetry of the square but the identity leaves it as it is.
LETTER_F = np.array(
    [(-0.4, -0.6), (-0.15, -0.6), (-0.15, -0.05), (0.25, -0.05), (0.25, 0.17), (-0.15, 0.17), (-0.15, 0.38)]
    + [(0.45, 0.38), (0.45, 0.6), (-0.4, 0.6)]
)
CORNERS = np.array([(-1, 1), (1, 1), (1, -1), (-1, -1)])


def cayley_table_figure(
    group_or_table: Group | Any, labels: Sequence[Any] | None = None, highlight: Iterable[Any] | Group | None = None
) -> Picture:
    """A multiplication table: the cell in row a, column b shows the product ab, "first b, then a".

    Args:
        group_or_table: a group, or a square table of indices from `groups.cayley_table`; −1 means outside the set.
        labels: names of the elements; by default the group's own, or 0, 1, 2, ….
        highlight: a subgroup, or some of the labels; their rows and columns stand out and the rest is pale.

    Raises ValueError if the table is not square, or a label to highlight is unknown.
    """
    table, names = _table_and_names(group_or_table, labels)
    chosen = _chosen(names, highlight)
    colors = {str(g): color for g, color in ELEMENT_COLORS.items()}  # labels that are no elements stay white
    n = len(table)
    figure = new_figure(0.62 * n + 1.0, 0.5 * n + 0.9)
    axes = figure.subplots()
    for i, j in np.ndindex(n, n):
        name = names[table[i, j]] if table[i, j] >= 0 else None
        pale = bool(chosen) and not (i in chosen and j in chosen)
        _draw_product(axes, i, j, name, colors.get(name or "", "white"), pale)
    axes.set(xlim=(0, n), ylim=(n, 0), xlabel="b (done first)", ylabel="a (done second)", title="the product ab")
    axes.xaxis.set_label_position("bottom")
    axes.xaxis.tick_top()
    axes.set_xticks(np.arange(n) + 0.5, names)
    axes.set_yticks(np.arange(n) + 0.5, names)
    axes.tick_params(length=0)
    return Picture.from_figure(figure, _table_alt(table, names, chosen))


def symmetries_of_the_square(group: Group) -> Picture:
    """A square tile with an F and numbered corners, after each element of the group, with the matrices."""
    columns = min(4, group.order)
    rows = -(-group.order // columns)
    figure = new_figure(2.0 * columns, 2.75 * rows)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, g in zip(grid.flat, group.elements, strict=False):
        _draw_tile(axes, g)
    moves = "; ".join(
        f"{g}: matrix {matrix(g).tolist()}, corners from top left clockwise {_corners(g)}" for g in group.elements
    )
    return Picture.from_figure(
        figure, f"A square tile with the letter F after each of the {group.order} elements of {group}. {moves}."
    )


def cosets_figure(group: Group, subgroup: Group) -> Picture:
    """The elements of the group on the ring; those of one left coset hS have the color of its first element."""
    cosets = group.left_cosets(subgroup)
    home = {h: i for i, coset in enumerate(cosets) for h in coset}
    figure = new_figure(7.2, 4.2 if group.has_mirrors else 3.0)
    axes, legend = figure.subplots(1, 2, width_ratios=(3, 2))
    _draw_nodes(
        axes,
        group,
        [ELEMENT_COLORS[cosets[home[h]][0]] for h in group.elements],
        [str(home[h] + 1) for h in group.elements],
    )
    legend.set_axis_off()
    legend.set(xlim=(0, 1), ylim=(len(cosets) + 1, -1))
    legend.text(0, -0.5, f"S = {_braces(subgroup.elements)}", fontsize=12)
    lines = [f"{coset[0]}S = {_braces(coset)}" for coset in cosets]
    for i, line in enumerate(lines):
        legend.add_patch(Rectangle((0, i + 0.1), 0.09, 0.7, color=ELEMENT_COLORS[cosets[i][0]]))
        legend.text(0.13, i + 0.45, f"{i + 1}:  {line}", va="center", fontsize=12)
    alt = (
        f"The {group.order} elements of {group} fall into {len(cosets)} left cosets of "
        f"S = {_braces(subgroup.elements)}, each of size {subgroup.order}: "
    )
    return Picture.from_figure(figure, alt + "; ".join(lines) + ".")


def cayley_graph(group: Group) -> Picture:
    """The elements as nodes on the ring, with arrows h → rh and h ↔ mh for the generators r and m."""
    figure = new_figure(5.2, 5.2) if group.order == 8 else new_figure(4.0, 4.0)
    axes = figure.subplots()
    _draw_nodes(axes, group, [ELEMENT_COLORS[h] for h in group.elements])
    draw_ring_arrows(axes, group, head=7)  # small, so that a dash is seen between the heads of the short arrows
    made_by = " and ".join(map(str, generators(group))) or "nothing"
    alt = f"Cayley graph of {group} = {_braces(group.elements)}, generated by {made_by}: {arrow_words(group)}."
    return Picture.from_figure(figure, alt)


def lattice_points(points: Any, moved: Any) -> Picture:
    """Points of the lattice before (circles) and after (squares) an isometry, numbered, x to the right and y up.

    Args:
        points, moved: shape ``(n, 2)``, one (x, y) each. Raises ValueError for other or unequal shapes.
    """
    before, after = as_array(points), as_array(moved)
    if before.ndim != 2 or before.shape[1] != 2 or before.shape != after.shape:
        raise ValueError(f"points and moved must both have shape (n, 2), got {before.shape} and {after.shape}")
    width, height = _lattice_span(np.concatenate([before, after]))
    scale = min(4.4 / width, 4.4 / height)
    figure = new_figure(scale * width + 1.2, scale * height + 0.6)
    axes = figure.subplots()
    for start, end in zip(before, after, strict=True):
        axes.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": "0.55", "shrinkA": 9, "shrinkB": 9})
    looks = ((before, SERIES[0], "o", 170, -13, "before"), (after, SERIES[1], "s", 70, 13, "after"))
    for place, color, marker, size, offset, label in looks:
        axes.scatter(
            place[:, 0],
            place[:, 1],
            s=size,
            c=color,
            marker=marker,
            label=label,
            edgecolors="black",
            zorder=3,
        )
        for number, point in enumerate(place, 1):
            box = {"boxstyle": "circle,pad=0.1", "facecolor": "white", "edgecolor": color}
            axes.annotate(
                str(number),
                point,
                (offset, -offset),
                textcoords="offset points",
                ha="center",
                va="center",
                fontsize=9,
                bbox=box,
            )
    _lattice_axes(axes, np.concatenate([before, after]))
    moves = "; ".join(f"({a:g}, {b:g}) to ({c:g}, {d:g})" for (a, b), (c, d) in zip(before, after, strict=True))
    return Picture.from_figure(figure, f"{len(before)} lattice points before and after: {moves}.")


def _table_and_names(group_or_table: Any, labels: Sequence[Any] | None) -> tuple[np.ndarray[Any, Any], list[str]]:
    if isinstance(group_or_table, Group):
        labels = group_or_table.elements if labels is None else labels
        table = group_or_table.cayley_table
    else:
        table = np.asarray(group_or_table, dtype=int)
    if table.ndim != 2 or table.shape[0] != table.shape[1]:
        raise ValueError(f"a Cayley table is square, got shape {table.shape}")
    names = [str(label) for label in (range(len(table)) if labels is None else labels)]
    if len(names) != len(table):
        raise ValueError(f"{len(names)} labels for a table of {len(table)} elements: {names}")
    return table, names


def _chosen(names: list[str], highlight: Iterable[Any] | Group | None) -> set[int]:
    wanted = [str(h) for h in (highlight.elements if isinstance(highlight, Group) else highlight or ())]
    if unknown := [name for name in wanted if name not in names]:
        raise ValueError(f"cannot highlight {unknown}: the elements are {names}")
    return {names.index(name) for name in wanted}


def _draw_product(axes: Axes, i: int, j: int, name: str | None, color: str, pale: bool) -> None:
    red, green, blue = to_rgb(color)
    if pale:
        red, green, blue = (0.25 * part + 0.75 for part in (red, green, blue))
    dark = 0.3 * red + 0.59 * green + 0.11 * blue < 0.5
    plain = color == "white"  # a product outside of the set, or a table that is not a group's
    hatch, edge = "//" if name is None else None, "0.7" if plain else "white"
    axes.add_patch(Rectangle((j, i), 1, 1, facecolor=(red, green, blue), edgecolor=edge, hatch=hatch))
    words = ("white", "0.15") if pale or plain or color == "#000000" else ON_ELEMENT
    style: dict[str, Any] = {"weight": "normal" if pale else "bold", "color": words[0 if dark else 1]}
    axes.text(j + 0.5, i + 0.5, "✗" if name is None else name, ha="center", va="center", fontsize=11, **style)


def _table_alt(table: np.ndarray[Any, Any], names: list[str], chosen: set[int]) -> str:
    def name(product: int) -> str:
        return names[product] if product >= 0 else "outside"

    rows = "; ".join(f"{names[i]}: " + " ".join(name(product) for product in row) for i, row in enumerate(table))
    marked = f" Highlighted: {', '.join(names[i] for i in sorted(chosen))}." if chosen else ""
    return f"Cayley table of {', '.join(names)}. Row a, column b holds ab. {rows}.{marked}"


def _draw_tile(axes: Axes, g: Element) -> None:
    h = matrix(g)
    axes.add_patch(Rectangle((-1, -1), 2, 2, facecolor="#F3F3F3", edgecolor="black", linewidth=1.5))
    axes.add_patch(Polygon(LETTER_F @ h.T, facecolor=LINES))
    for number, (x, y) in enumerate(CORNERS @ h.T * 0.8, 1):
        edge = [withStroke(linewidth=4, foreground="#F3F3F3")]  # over the axis of a mirror
        style: dict[str, Any] = {"fontsize": 12, "color": "0.15", "weight": "bold", "path_effects": edge, "zorder": 3}
        axes.text(x, y, str(number), ha="center", va="center", **style)
    if g.m:
        axis = np.linalg.svd(h - np.eye(2))[2][-1] * (1.25 if abs(h[0, 0]) else 1.6)  # what the mirror leaves in place
        axes.plot(*np.stack([-axis, axis], axis=1), color="0.35", linestyle=(0, (4, 3)), linewidth=1.3)
    (a, b), (c, d) = h.tolist()
    axes.text(
        0,
        -1.75,
        f"[{a:2d} {b:2d} ]\n[{c:2d} {d:2d} ]".replace("-", "−"),
        ha="center",
        va="center",
        family="monospace",
        fontsize=11,
    )
    axes.set_title(str(g), fontsize=14, weight="bold")
    axes.set(xlim=(-1.3, 1.3), ylim=(-2.15, 1.3), aspect="equal")


def _corners(g: Element) -> str:
    places = (CORNERS @ matrix(g).T).tolist()
    return " ".join(str(places.index(corner) + 1) for corner in CORNERS.tolist())


def _draw_nodes(axes: Axes, group: Group, colors: list[str], marks: list[str] | None = None) -> None:
    prepare_ring_axes(axes, group)
    for i, ((x, y), h, color) in enumerate(zip(ring_positions(group), group.elements, colors, strict=True)):
        axes.add_patch(Circle((x, y), 0.45, facecolor="white", edgecolor=color, linewidth=4, zorder=2))
        text = str(h) if marks is None else f"{h}\n({marks[i]})"
        axes.text(x, y, text, ha="center", va="center", fontsize=13 if marks is None else 11, zorder=3)


def _braces(elements: Iterable[Element]) -> str:
    return "{" + ", ".join(map(str, elements)) + "}"


def _lattice_bounds(points: np.ndarray[Any, Any]) -> tuple[IntArray, IntArray]:
    """The corners of what is shown: all points, the origin, and one lattice point more on every side."""
    low = np.floor(points.min(axis=0, initial=0)).astype(int) - 1
    high = np.ceil(points.max(axis=0, initial=0)).astype(int) + 1
    return low, high


def _lattice_span(points: np.ndarray[Any, Any]) -> tuple[float, float]:
    low, high = _lattice_bounds(points)
    width, height = high - low + 1
    return float(width), float(height)


def _lattice_axes(axes: Axes, points: np.ndarray[Any, Any]) -> None:
    low, high = _lattice_bounds(points)
    axes.set(
        xlim=(low[0] - 0.5, high[0] + 0.5), ylim=(low[1] - 0.5, high[1] + 0.5), aspect="equal", xlabel="x", ylabel="y"
    )
    axes.set_xticks(np.arange(low[0], high[0] + 1))
    axes.set_yticks(np.arange(low[1], high[1] + 1))
    axes.grid(color="0.88")
    axes.axhline(0, color="0.4", linewidth=1, zorder=1)
    axes.axvline(0, color="0.4", linewidth=1, zorder=1)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
