"""One grammar for diagrams of layers, as SVG: maps are stacks of framed sheets, operations boxes, and arrows join them.

A sheet's frame has the color of its element, as in all figures. An operation with learned weights has a border of one
color and the shapes of its weights below its words; one without is gray.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import accumulate
from typing import Literal

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

from course_lib.figures.picture import Picture
from course_lib.figures.style import ELEMENT_COLORS, FONT, LINES
from course_lib.groups import Group, compose, inverse

WEIGHT = "#7A4FA3"  # of what is learned; no element has it
GAP, LANE, MARGIN = 24, 116, 14  # pixels between columns, between the middles of lanes at least, and around all
SHEET, STEP = 34, 9  # the side of a sheet in a stack, and how far the next one is moved
LINE = 15  # the height of a line of text
SMALL, PITCH = 25, 40  # the side of a turned filter, and from one to the next
DEEP = 12  # how far the sheets of a turned filter reach
_INDEX = re.compile(r"([_^])(\w)")


@dataclass(frozen=True)
class Map:
    """An image or a feature map: its name, its shape, and where it stands."""

    name: str
    shape: Sequence[int]
    column: float
    lane: float = 0
    is_image: bool = False

    @property
    def size(self) -> str:
        return f"(B, {', '.join(map(str, self.shape[1:]))})"

    @property
    def words(self) -> str:
        return f"{self.name} {self.size}"

    @property
    def half_height(self) -> float:
        """Down to the end of its words."""
        return 34 + LINE + 6

    def half_width(self, group: Group) -> float:
        return max(_width(self.size), 1.1 * _width(self.name), SHEET + group.order * STEP) / 2

    def svg(self, x: float, y: float, group: Group) -> str:
        drawn = _image(x, y - 10) if self.is_image else _stack(x, y - 10, group)
        return drawn + _text(x, y + 34, self.name, weight="bold") + _text(x, y + 34 + LINE, self.size)


@dataclass(frozen=True)
class Op:
    """What happens: words, a line each, its weights' shapes. ``turned``: the domain of a filter to show for each h."""

    lines: Sequence[str]
    column: float
    lane: float = 0
    weights: Mapping[str, Sequence[int]] | None = None
    turned: Literal["", "plane", "group"] = ""

    @property
    def sizes(self) -> list[str]:
        return [f"{name} ({', '.join(map(str, shape))})" for name, shape in (self.weights or {}).items()]

    @property
    def words(self) -> str:
        return ", ".join([" ".join(self.lines), *self.sizes])

    @property
    def depth(self) -> int:
        """What the turned filters need beyond one sheet."""
        return DEEP * (self.turned == "group")

    @property
    def room(self) -> int:
        """The height that is kept for the turned filters."""
        return (PITCH + 4 + self.depth) * bool(self.turned)

    @property
    def half_height(self) -> float:
        return (LINE * (len(self.lines) + len(self.sizes)) + 14 + self.room) / 2

    def half_width(self, group: Group) -> float:
        filters = (group.order + 0.1) * (PITCH + self.depth / 2) * bool(self.turned)
        return max(*map(_width, [*self.lines, *self.sizes]), filters) / 2 + 10

    def svg(self, x: float, y: float, group: Group) -> str:
        width, height = 2 * self.half_width(group), 2 * self.half_height
        top = y - height / 2
        color, first = WEIGHT if self.weights else "#8A94A3", top + LINE + 3 + self.room
        parts = [_rect(x - width / 2, top, width, height, color, 1.6, rx=7)]
        if self.turned:
            parts.append(_turned_filters(x, top + 22 + self.depth, group, self.depth))
        parts += [_text(x, first + LINE * i, words) for i, words in enumerate(self.lines)]
        first += LINE * len(self.lines)
        parts += [_text(x, first + LINE * i, words, color=WEIGHT) for i, words in enumerate(self.sizes)]
        return "".join(parts)


Node = Map | Op


def draw(title: str, group: Group, nodes: Mapping[str, Node], arrows: Sequence[tuple[str, str]]) -> Picture:
    """Lay the nodes out on columns and lanes, and join them. ``arrows`` are pairs of names of nodes."""
    columns = sorted({node.column for node in nodes.values()})
    halves = [max(node.half_width(group) for node in nodes.values() if node.column == column) for column in columns]
    ends = list(accumulate((2 * half + GAP for half in halves), initial=MARGIN))
    middles = {column: end + half for column, end, half in zip(columns, ends, halves, strict=False)}
    width = ends[-1] - GAP + MARGIN
    lane = max(LANE, *(2 * node.half_height + 12 for node in nodes.values() if node.lane == int(node.lane)))
    height = (max(node.lane for node in nodes.values()) + 1) * lane + 2 * MARGIN + LINE
    at = {name: (middles[node.column], MARGIN + LINE + (node.lane + 0.5) * lane) for name, node in nodes.items()}
    parts = [f'<text x="{MARGIN}" y="{MARGIN + 4}" font-size="14" font-weight="bold">{escape(title)}</text>']
    parts += [_arrow(nodes[start], at[start], nodes[end], at[end], group) for start, end in arrows]
    parts += [node.svg(*at[name], group) for name, node in nodes.items()]
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}" font-family="{FONT}, sans-serif" font-size="12" fill="{LINES}">'
        f"{''.join(parts)}</svg>"
    )
    steps = "; ".join(f"{nodes[start].words} → {nodes[end].words}" for start, end in arrows)
    return Picture(svg.encode(), f"{title}. {steps}.")


def _arrow(start: Node, tail: tuple[float, float], end: Node, tip: tuple[float, float], group: Group) -> str:
    """From the right edge of one node to the left edge of the next, or straight down within a column."""
    (x1, y1), (x2, y2) = tail, tip
    if x1 == x2:
        y1, y2 = y1 + start.half_height, y2 - end.half_height - 6
        path = f"M {x1:g} {y1:g} V {y2:g}"
        head = f"{x2 - 4:g},{y2 - 1:g} {x2:g},{y2 + 6:g} {x2 + 4:g},{y2 - 1:g}"
    else:
        x1, x2 = x1 + start.half_width(group), x2 - end.half_width(group) - 6
        bend = (x1 + x2) / 2
        path = f"M {x1:g} {y1:g} C {bend:g} {y1:g} {bend:g} {y2:g} {x2:g} {y2:g}"
        head = f"{x2 - 1:g},{y2 - 4:g} {x2 + 6:g},{y2:g} {x2 - 1:g},{y2 + 4:g}"
    line = f'<path d="{path}" fill="none" stroke="{LINES}" stroke-width="1.4"/>'
    return f'{line}<polygon points="{head}" fill="{LINES}"/>'


def _image(x: float, y: float) -> str:
    return _rect(x - SHEET / 2, y - SHEET / 2, SHEET, SHEET, LINES, 2.5) + _letter(x, y, 20)


def _stack(x: float, y: float, group: Group) -> str:
    """The sheet of the last element at the back, that of e in front with a letter."""
    count = group.order
    left, top = x - (SHEET + (count - 1) * STEP) / 2, y - SHEET / 2 + (count - 1) * STEP / 4
    sheets = [
        _rect(left + i * STEP, top - i * STEP / 2, SHEET, SHEET, ELEMENT_COLORS.get(h, LINES), 2.5)
        for i, h in enumerate(group.elements)
    ]
    return "".join(sheets[::-1]) + _letter(left + SHEET / 2, top + SHEET / 2, 20)


def _turned_filters(x: float, y: float, group: Group, depth: int) -> str:
    """One small filter for each element, turned by it; one with sheets as a stack, in the colors they had unturned."""
    parts = []
    for i, h in enumerate(group.elements):
        middle = x - depth / 2 + (PITCH + depth / 2) * (i - (group.order - 1) / 2)
        sheets = [compose(inverse(h), k) for k in group.elements] if depth else [h]
        for place, sheet in reversed(list(enumerate(sheets))):
            offset = depth * place / max(1, len(sheets) - 1)
            left, top = middle - SMALL / 2 + offset, y - SMALL / 2 - offset
            parts.append(_rect(left, top, SMALL, SMALL, ELEMENT_COLORS.get(sheet, LINES), 1.4 if place else 2))
        parts.append(_letter(middle, y, 16, 90 * h.r, " scale(-1 1)" * h.m))
    return "".join(parts)


def _rect(x: float, y: float, width: float, height: float, color: str, line: float, rx: int = 0) -> str:
    place = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"' + f' rx="{rx}"' * bool(rx)
    return f'<rect {place} fill="white" stroke="{color}" stroke-width="{line:g}"/>'


def _letter(x: float, y: float, size: int, degrees: float = 0, flip: str = "") -> str:
    """An F, which looks different under every element; turned counterclockwise, after a mirror if there is one."""
    return (
        f'<g transform="translate({x:g} {y:g}) rotate({-degrees:g}){flip}"><text x="0" y="{0.36 * size:g}" '
        f'font-size="{size}" font-weight="bold" text-anchor="middle">F</text></g>'
    )


def _width(words: str) -> float:
    """In pixels, in letters of 12 of a wide font: a page that cannot load ours shows another one."""
    return TextPath((0, 0), words, 12, prop=FontProperties(family="DejaVu Sans")).get_extents().width


def _text(x: float, y: float, words: str, weight: str = "normal", color: str = LINES) -> str:
    """In the middle of x; W_Q and W^O as letters with an index below or above."""

    def index(found: re.Match[str]) -> str:
        dy = {"_": 3, "^": -4}[found[1]]
        return f'<tspan dy="{dy}" font-size="10">{found[2]}</tspan><tspan dy="{-dy}">&#8203;</tspan>'

    style = f'text-anchor="middle" font-weight="{weight}" fill="{color}"'
    apart = escape(words).replace("′", '<tspan dx="1.5">′</tspan>')  # or it sinks into the f before it
    return f'<text x="{x:g}" y="{y:g}" {style}>{_INDEX.sub(index, apart)}</text>'
