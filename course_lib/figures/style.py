"""The one visual language of all figures: a color for each group element, ink for values, one typeface.

- A group element has one color everywhere: frames of sheets, Cayley tables and graphs, cosets. Okabe and Ito's eight
  colors can be told apart by color-blind readers; those of C4 are the rotations' of D4. Nothing else has these colors.
- A kind of network has one color in all plots; whatever else a plot tells apart has one of SERIES, and a place that is
  pointed at MARK. No element has any of them.
- Values without a sign run from white to ink, values with a sign from blue over white, at zero, to red.
- Text is Noto Sans, which is shipped with the package (fonts/, SIL Open Font License); formulas are typeset in it.
"""

import re
from collections.abc import Collection
from importlib.resources import as_file, files
from typing import Any

import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, ListedColormap

from course_lib.groups import D4, Element, on_lattice

# Okabe and Ito's blue, vermilion, green, purple, sky, orange, yellow and black, so that neighbors look different.
OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#F0E442", "#000000")
# A kind of network has one color, dash and marker in every plot: the first line whose pattern is found in its name.
NETWORKS = {
    r"\basc|affine|sasa|attention": ("#4B4FA8", (0, (5, 1, 1, 1)), "v"),
    r"\be4": ("#A3316F", "-.", "D"),
    r"\bg-": ("#5E7D12", (0, (6, 1, 1, 1, 1, 1)), "P"),
    r"\bgc-|\bc-|separable": ("#A06A00", ":", "^"),
    r"\bz2|ordinary|\bcnn|\bc1\b|resnet": ("#5B6573", "-", "o"),
    r"\bp4|\bc4|\bd4|group conv|p4cnn": ("#00807A", "--", "s"),
}
SERIES = ("#31589B", "#B23A2E", "#6C9C2B", "#9B6BB3", "#7D5A3C", "#2D9FB8")
# Of whatever else is drawn. Color, dash and marker all differ, so that any one of them tells the lines apart.
LOOKS = tuple(zip(SERIES, ("-", "--", ":", "-.", (0, (5, 1, 1, 1)), (0, (1, 1))), "os^DvP", strict=True))
MARK = "#C2185B"  # as in the widgets
ELEMENT_COLORS: dict[Element, str] = dict(zip(D4.elements, OKABE_ITO, strict=True))
ON_ELEMENT = ("#FFFFFE", "#000100")  # words on an element, on a dark page too; edges of letters are never like it
LINES = "#3B4656"  # arrows, axes and whatever carries no meaning by its color

INK = LinearSegmentedColormap.from_list("ink", ["#FFFFFF", "#C3CEDB", "#7389A3", "#33475F", "#0C1626"], N=257)
SIGNED = LinearSegmentedColormap.from_list(
    "signed", ["#123E73", "#3A79B8", "#A3C6E3", "#FFFFFF", "#F5B5AC", "#C8463A", "#7D1A12"], N=257
)  # an odd number, so that zero is exactly white; one hue for each half, which stays the same on a dark page
BELOW_NUMBERS = {  # the fainter part of each, on which black numbers can be read, and on a dark page white ones
    INK.name: ListedColormap(INK(np.linspace(0, 0.34, 257))),
    SIGNED.name: ListedColormap(SIGNED(np.linspace(0.3, 0.7, 257))),
}

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


def line_looks(names: Collection[str]) -> list[tuple[str, Any, str]]:
    """Color, dash and marker of each line of a plot: those of its kind of network, unless an earlier line has them or
    it is none. Raises ValueError for more than six lines."""
    if len(names) > len(LOOKS):
        raise ValueError(f"{len(LOOKS)} lines at most can be told apart in one plot, got {len(names)}: {list(names)}")
    chosen = [next((look for kind, look in NETWORKS.items() if re.search(kind, name, re.I)), None) for name in names]
    chosen = [look if look not in chosen[:i] else None for i, look in enumerate(chosen)]
    taken, colors = {look[2] for look in chosen if look}, iter(SERIES)
    others = ((next(colors), dash, marker) for _, dash, marker in LOOKS if marker not in taken)
    return [look or next(others) for look in chosen]


def frame(axes: Axes, h: Element) -> None:
    """Draw a frame around a map in the color of its element; one that has none keeps the gray one."""
    if h in ELEMENT_COLORS:
        axes.spines[:].set(color=ELEMENT_COLORS[h], linewidth=2.5, antialiased=False)  # one color on a dark page, too
        axes.use_sticky_edges = False
        axes.margins(0.04)


def typeset(g: Element) -> str:
    """The element as the inside of a formula, upright as in words: e, r^2, mr^3."""
    power = {0: "", 1: ""}.get(g.r, f"^{g.r}" if on_lattice(g) else f"^{{{g.r}}}")
    return rf"\mathrm{{{'m' * g.m + 'r' * (g.r != 0) or 'e'}}}{power}"
