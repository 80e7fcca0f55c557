"""The one visual language of all figures: a color for each group element, ink for values, one typeface.

- A group element has one color everywhere: frames of sheets, Cayley tables and graphs, cosets. Okabe and Ito's eight
  colors can be told apart by color-blind readers; those of C4 are the rotations' of D4. Nothing else has these colors.
- A kind of network has one color in all plots; whatever else a plot tells apart has one of SERIES, and a place that is
  pointed at MARK. No element has any of them.
- Values without a sign run from white to ink, values with a sign from blue over white, at zero, to red.
- Text is Noto Sans, which is shipped with the package (fonts/, SIL Open Font License); formulas are typeset in it.
"""

import re
from collections.abc import Iterable
from importlib.resources import as_file, files
from itertools import cycle
from typing import Any

from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgb

from course_lib.groups import D4, Element, on_lattice

# Okabe and Ito's blue, vermilion, green, purple, sky, orange, yellow and black, so that neighbors look different.
OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#F0E442", "#000000")
# A kind of network has one color in every plot: the first line whose pattern is found in its name.
NETWORK_COLORS = {
    r"\basc|affine|sasa|attention": "#4B4FA8",
    r"\be4": "#A3316F",
    r"\bg-": "#5E7D12",
    r"\bgc-|\bc-|separable": "#A06A00",
    r"\bz2|ordinary|\bcnn|\bc1\b|resnet": "#5B6573",
    r"\bp4|\bc4|\bd4|group conv|p4cnn": "#00807A",
}
SERIES = ("#31589B", "#B23A2E", "#6C9C2B", "#9B6BB3", "#7D5A3C", "#2D9FB8")
MARK = "#C2185B"  # as in the widgets
ELEMENT_COLORS: dict[Element, str] = dict(zip(D4.elements, OKABE_ITO, strict=True))
ON_ELEMENT = ("#FFFFFE", "#252526")  # words on an element's color, light and dark: the same on a dark page
LINES = "#3B4656"  # arrows, axes and whatever carries no meaning by its color

INK = LinearSegmentedColormap.from_list("ink", ["#FFFFFF", "#C3CEDB", "#7389A3", "#33475F", "#0C1626"], N=257)
SIGNED = LinearSegmentedColormap.from_list(
    "signed", ["#123E73", "#3A79B8", "#A3C6E3", "#FFFFFF", "#F5B5AC", "#C8463A", "#7D1A12"], N=257
)  # an odd number, so that zero is exactly white; one hue for each half, which stays the same on a dark page

FONT = "Noto Sans"
TYPESETTING: Any = {  # for matplotlib.rc_context, where a figure is rendered
    "mathtext.fontset": "custom",
    "mathtext.rm": FONT,
    "mathtext.it": f"{FONT}:italic",
    "mathtext.bf": f"{FONT}:bold",
    "mathtext.cal": FONT,
    "mathtext.fallback": "stixsans",
}


for _style in ("Regular", "Bold", "Italic"):
    with as_file(files("course_lib.figures") / "fonts" / f"NotoSans-{_style}.ttf") as _path:
        font_manager.fontManager.addfont(_path)


def line_colors(names: Iterable[str]) -> list[str]:
    """A color for each line of a plot: that of its kind of network, unless an earlier line has it or it is none."""
    chosen: list[str] = []
    others = cycle(SERIES)
    for name in names:
        own = next((color for kind, color in NETWORK_COLORS.items() if re.search(kind, name, re.IGNORECASE)), None)
        chosen.append(own if own and own not in chosen else next(others))
    return chosen


def is_dark(color: Any) -> bool:
    """Whether words on this color must be white."""
    red, green, blue = to_rgb(color)
    return 0.3 * red + 0.59 * green + 0.11 * blue < 0.53  # a compromise, as a dark page exchanges both


def frame(axes: Axes, h: Element) -> None:
    """Draw a frame around a map in the color of its element; one that has none keeps the gray one."""
    if h in ELEMENT_COLORS:
        axes.spines[:].set(color=ELEMENT_COLORS[h], linewidth=2.5, antialiased=False)  # one color on a dark page, too
        axes.use_sticky_edges = False
        axes.margins(0.04)


def typeset(g: Element) -> str:
    """The element as the inside of a formula: "e", "r^2", "mr^3"."""
    rotation = {0: "", 1: "r"}.get(g.r, f"r^{g.r}" if on_lattice(g) else f"r^{{{g.r}}}")
    return "m" * g.m + rotation or "e"
