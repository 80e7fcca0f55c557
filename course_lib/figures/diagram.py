"""One grammar for diagrams of layers, as SVG: maps are stacks of framed sheets, operations boxes, and arrows join them.

A sheet's frame has the color of its element, as in all figures. An operation with learned weights has a border of one
color and the shapes of its weights below its words; one without is gray.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import accumulate
from typing import Literal

from course_lib.figures.picture import Picture
from course_lib.figures.style import ELEMENT_COLORS, FONT, LINES
from course_lib.groups import Group, compose, inverse

WEIGHT = "#7A4FA3"  # of what is learned; no element has it
GAP, LANE, MARGIN = 24, 116, 14  # pixels between columns, between the middles of lanes, and around all
LETTER = 6  # pixels of width, for a letter of 12
SHEET, STEP = 34, 9  # the side of a sheet in a stack, and how far the next one is moved
LINE = 15  # the height of a line of text
SMALL, PITCH = 25, 33  # the side of a turned filter, and from one to the next
Kind = Literal["image", "sheets", "vector"]


@dataclass(frozen=True)
class Map:
    """A picture, a feature map or a vector of numbers for each image: its name, its shape, and where it stands."""

    name: str
    shape: Sequence[int]
    column: float
    lane: float = 0
    kind: Kind = "sheets"


@dataclass(frozen=True)
class Op:
    """What happens: words, a line each, and the shapes of the weights it has. ``turned`` shows a filter for each h."""

    words: Sequence[str]
    column: float
    lane: float = 0
    weights: Mapping[str, Sequence[int]] | None = None
    turned: bool = False


Node = Map | Op


def draw(title: str, group: Group, nodes: Mapping[str, Node], arrows: Sequence[tuple[str, str]]) -> Picture:
    """Lay the nodes out on columns and lanes, and join them. ``arrows`` are pairs of names of nodes."""
    columns = sorted({node.column for node in nodes.values()})
    halves = [max(_half_width(node, group) for node in nodes.values() if node.column == column) for column in columns]
    ends = list(accumulate((2 * half + GAP for half in halves), initial=MARGIN))
    middles = {column: end + half for column, end, half in zip(columns, ends, halves, strict=False)}
    width = ends[-1] - GAP + MARGIN
    height = (max(node.lane for node in nodes.values()) + 1) * LANE + 2 * MARGIN + LINE
    at = {name: (middles[node.column], MARGIN + LINE + (node.lane + 0.5) * LANE) for name, node in nodes.items()}
    parts = [_arrow(nodes[start], at[start], nodes[end], at[end], group) for start, end in arrows]
    parts += [
        _map(node, *at[name], group) if isinstance(node, Map) else _op(node, *at[name], group)
        for name, node in nodes.items()
    ]
    alt = f"{title}. " + "; ".join(f"{_told(nodes[start])} → {_told(nodes[end])}" for start, end in arrows) + "."
    heading = f'<text x="{MARGIN}" y="{MARGIN + 4}" font-size="14" font-weight="bold">{escape(title)}</text>'
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}" font-family="{FONT}, sans-serif" font-size="12" fill="{LINES}">'
        f"{heading}{''.join(parts)}</svg>"
    )
    return Picture(svg.encode(), alt)


def _half_width(node: Node, group: Group) -> float:
    """Of its longest line of words or of what is drawn; a box needs some room around that."""
    if isinstance(node, Map):
        return max(LETTER * max(len(_shape(node)), 1.1 * len(node.name)), SHEET + group.order * STEP) / 2
    filters = (group.order + 0.5) * PITCH * node.turned
    return max(LETTER * max(map(len, [*node.words, *_weights(node)])), filters) / 2 + 9


def _shape(node: Map) -> str:
    return "(" + ", ".join(["B", *map(str, node.shape[1:])]) + ")"


def _weights(node: Op) -> list[str]:
    return [f"{name} ({', '.join(map(str, shape))})" for name, shape in (node.weights or {}).items()]


def _half_height(node: Node) -> float:
    """Of a box; of a map down to the end of its words."""
    if isinstance(node, Map):
        return 34 + LINE + 6
    return (LINE * (len(node.words) + len(node.weights or {})) + 14 + (PITCH + 4) * node.turned) / 2


def _arrow(start: Node, tail: tuple[float, float], end: Node, tip: tuple[float, float], group: Group) -> str:
    """From the right edge of one node to the left edge of the next, or straight down within a column."""
    (x1, y1), (x2, y2) = tail, tip
    if x1 == x2:
        y1, y2 = y1 + _half_height(start), y2 - _half_height(end) - 6
        path = f"M {x1:g} {y1:g} V {y2:g}"
        head = f"{x2 - 4:g},{y2 - 1:g} {x2:g},{y2 + 6:g} {x2 + 4:g},{y2 - 1:g}"
    else:
        x1, x2 = x1 + _half_width(start, group), x2 - _half_width(end, group) - 6
        bend = (x1 + x2) / 2
        path = f"M {x1:g} {y1:g} C {bend:g} {y1:g} {bend:g} {y2:g} {x2:g} {y2:g}"
        head = f"{x2 - 1:g},{y2 - 4:g} {x2 + 6:g},{y2:g} {x2 - 1:g},{y2 + 4:g}"
    return (
        f'<path d="{path}" fill="none" stroke="{LINES}" stroke-width="1.4"/><polygon points="{head}" fill="{LINES}"/>'
    )


def _map(node: Map, x: float, y: float, group: Group) -> str:
    drawn = {"image": _image, "sheets": _stack, "vector": _vector}[node.kind](x, y - 10, group)
    return drawn + _text(x, y + 34, node.name, "bold") + _text(x, y + 34 + LINE, _shape(node))


def _image(x: float, y: float, group: Group) -> str:
    return _square(x - SHEET / 2, y - SHEET / 2, LINES) + _letter(x, y, 0, mirrored=False)


def _stack(x: float, y: float, group: Group) -> str:
    """The sheet of the last element at the back, that of e in front, each with its own turned content."""
    count = group.order
    left, top = x - (SHEET + (count - 1) * STEP) / 2, y - SHEET / 2 - (count - 1) * STEP / 4
    parts = []
    for i, h in reversed(list(enumerate(group.elements))):
        corner = left + i * STEP, top + (count - 1 - i) * STEP / 2
        parts.append(_square(*corner, ELEMENT_COLORS.get(h, LINES)))
        if i == 0:
            parts.append(_letter(corner[0] + SHEET / 2, corner[1] + SHEET / 2, 0, mirrored=False))
    return "".join(parts)


def _vector(x: float, y: float, group: Group) -> str:
    cells = (
        f'<rect x="{x - 30 + 12 * i:g}" y="{y - 7:g}" width="12" height="14" fill="white" stroke="{LINES}"/>'
        for i in range(5)
    )
    return "".join(cells)


def _op(node: Op, x: float, y: float, group: Group) -> str:
    height = 2 * _half_height(node)
    width, top = 2 * _half_width(node, group), y - height / 2
    color = WEIGHT if node.weights else "#8A94A3"
    parts = [
        f'<rect x="{x - width / 2:g}" y="{top:g}" width="{width:g}" height="{height:g}" rx="7" fill="white" '
        f'stroke="{color}" stroke-width="1.6"/>'
    ]
    if node.turned:
        has_sheets = any(len(shape) == 5 for shape in (node.weights or {}).values())
        parts += [_turned_filters(x, top + 22, group, has_sheets)]
    first = top + LINE + 3 + (PITCH + 4) * node.turned
    for i, words in enumerate([*node.words, *_weights(node)]):
        parts.append(_text(x, first + LINE * i, words, color=WEIGHT if i >= len(node.words) else LINES))
    return "".join(parts)


def _turned_filters(x: float, y: float, group: Group, has_sheets: bool) -> str:
    """One small filter for each element, turned by it; one with sheets as a stack, in the colors they had unturned."""
    left = x - PITCH * (group.order - 1) / 2
    parts = []
    for i, h in enumerate(group.elements):
        middle = left + PITCH * i
        sheets = [compose(inverse(h), k) for k in group.elements] if has_sheets else [h]
        for place, sheet in reversed(list(enumerate(sheets))):
            frame, offset = ELEMENT_COLORS.get(sheet, LINES), 6 * place / len(sheets)
            corner = f'x="{middle - SMALL / 2 + offset:g}" y="{y - SMALL / 2 - offset:g}"'
            style = f'fill="white" stroke="{frame}" stroke-width="{1.4 if place else 2}"'
            parts.append(f'<rect {corner} width="{SMALL}" height="{SMALL}" {style}/>')
        parts.append(_letter(middle, y, 90 * h.r, bool(h.m), size=16))
    return "".join(parts)


def _square(x: float, y: float, color: str) -> str:
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{SHEET}" height="{SHEET}" fill="white" stroke="{color}" stroke-width="2.5"/>'
    )


def _letter(x: float, y: float, degrees: float, mirrored: bool, size: int = 20) -> str:
    """An F, which looks different under every element; turned counterclockwise, after a mirror if there is one."""
    flip = " scale(-1 1)" if mirrored else ""
    return (
        f'<g transform="translate({x:g} {y:g}) rotate({-degrees:g}){flip}"><text x="0" y="{0.36 * size:g}" '
        f'font-size="{size}" font-weight="bold" text-anchor="middle">F</text></g>'
    )


def _text(x: float, y: float, words: str, weight: str = "normal", color: str = LINES) -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" text-anchor="middle" font-weight="{weight}" fill="{color}">{_typeset(words)}</text>'
    )


def _typeset(words: str) -> str:
    """With W_Q and W^O as letters with an index below or above."""
    shifts = {"_": 4, "^": -5}

    def index(found: re.Match[str]) -> str:
        dy = shifts[found[1]]
        return f'<tspan dy="{dy}" font-size="11">{found[2]}</tspan><tspan dy="{-dy}">&#8203;</tspan>'

    return re.sub(r"([_^])(\w)", index, escape(words))


def _told(node: Node) -> str:
    if isinstance(node, Map):
        return f"{node.name} {_shape(node)}"
    return ", ".join([" ".join(node.words), *_weights(node)])
