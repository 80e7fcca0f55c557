"""Names in a plot: of lines at their ends, or, if those meet, in a legend above; of points where nothing is covered."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.path import Path
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

from course_lib.figures.picture import Array

APART = 0.02  # of the height: lines that end closer together could not be told apart by their ends
LONG = 28  # letters, for which the lines would have to be short
ROOM = 0.075  # of the height, for one line of text


def name_lines(axes: Axes, at_ends: bool = True) -> None:
    """Write the label of each line behind its last point, right of the axes, if there is room; call it at the end."""
    handles, names = axes.get_legend_handles_labels()
    lines: list[Any] = [handle[0] if isinstance(handle, tuple) else handle for handle in handles]  # with error bars
    ends = [np.array([x, y])[:, np.isfinite(y)][:, -1] for x, y in (line.get_data() for line in lines)]
    axes.set(xlim=axes.get_xlim(), ylim=axes.get_ylim())  # as they are now: the ends are placed by them
    heights = axes.transAxes.inverted().transform(axes.transData.transform(ends))[:, 1]
    if not at_ends or (len(names) > 1 and (np.diff(np.sort(heights)).min() < APART or max(map(len, names)) > LONG)):
        many = sum(map(len, names)) > 70
        wide: dict[str, Any] = {"handlelength": 3, "columnspacing": 1.2, "ncols": 2 if many else len(names)}  # for "-."
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False, **wide)
        return
    for i, height in zip(np.argsort(heights), _spread(np.sort(heights)), strict=True):
        line = {"arrowstyle": "-", "color": lines[i].get_color(), "lw": 0.5, "shrinkA": 0, "shrinkB": 5}
        axes.annotate(
            names[i], ends[i], (1.03, height), xycoords="data", textcoords="axes fraction",
            va="center", color=line["color"], arrowprops=line, annotation_clip=False,
        )  # fmt: skip


def _spread(heights: Array) -> Array:
    """Heights in rising order, moved apart until each has its room, about the middle of those that met."""
    spread = heights.copy()
    for _ in range(50):
        for i in range(len(spread) - 1):
            spread[i : i + 2] += np.array([-0.5, 0.5]) * max(ROOM - (spread[i + 1] - spread[i]), 0)
    return spread


# Where a name may stand, in points from its own: beside it, where no other point may be as near, or farther away, with
# a line that leads back, slanted, or it would look like a bar of errors.
_BESIDE = ((7, 0), (-7, 0), (14, 0), (-14, 0), (0, 11), (0, -11), (6, 9), (6, -9), (-6, 9), (-6, -9))
_AWAY = [(far * np.cos(a), far * np.sin(a)) for far in range(20, 170, 6) for a in np.arange(0.25, 16, 0.5) * np.pi / 8]
_REACH = 8  # pixels from the middle of a marker that no name may cover


def name_points(figure: Figure, axes: Axes, points: Sequence[tuple[str, float, float, str]]) -> None:
    """Write the name of each point, (name, x, y, color), if any, so that it covers no point, line or other name."""
    figure.draw_without_rendering()  # only now is known where things are
    middles = axes.transData.transform([(x, y) for _, x, y, _ in points])
    named = [i for i, (name, *_) in enumerate(points) if name]
    markers, names = [Bbox([middle - _REACH, middle + _REACH]) for middle in middles], dict[int, Bbox]()
    lines = [line.get_path().transformed(line.get_transform()) for line in axes.lines if line.get_linestyle() != "None"]
    lines += [bar.transformed(axes.transData) for bars in axes.collections for bar in bars.get_paths()]
    sizes = [_size(_write(axes, *point, _BESIDE[0])) for point in points]
    # Better nearer to another point than across a line, across one than on it, on it than across a name, and so on.
    tries: Any = ((_BESIDE, lines, lines, 7), (_AWAY[:192], lines, lines, 0), (_AWAY[:192], lines, lines, None))
    tries += ((_AWAY, lines, [], None), (_AWAY, [], [], None), (_AWAY, [], None, None))
    for places, avoided, uncrossed, nearer in tries:
        for i in (i for i in named if i not in names):
            room = 0 if places is _BESIDE else 4  # far from its own point a name must not stand at another
            taken = [*names.values(), *(marker.padded(room) for marker in (*markers[:i], *markers[i + 1 :]))]
            for place in places:
                box = _box(middles[i] + np.multiply(place, figure.dpi / 72), sizes[i], _align(place))
                is_own = nearer is None or _nearest(box, middles, nearer) == [i]
                if is_own and _is_free(axes, box, middles[i], taken, avoided, uncrossed):
                    names[i] = box
                    lines.append(_lead(middles[i], box))
                    _write(axes, *points[i], place)
                    break
    for i in (i for i in named if i not in names):
        _write(axes, *points[i], _BESIDE[0])


def _write(axes: Axes, name: str, x: float, y: float, color: str, place: tuple[float, float]) -> Annotation:
    line = {"arrowstyle": "-", "color": color, "alpha": 0.7, "lw": 0.7, "shrinkA": 0, "shrinkB": 4}
    return axes.annotate(
        name, (x, y), place, textcoords="offset points", fontsize=9, ha=_align(place), va="center",
        arrowprops=None if place in _BESIDE else line,
        # A white edge, so that it can be read on the error bar of a neighbor.
        color=color, path_effects=[withStroke(linewidth=2.5, foreground="white")], zorder=5,
    )  # fmt: skip


def _align(place: tuple[float, float]) -> Literal["left", "center", "right"]:
    return "center" if 2 * abs(place[0]) < abs(place[1]) else "left" if place[0] > 0 else "right"


def _size(label: Annotation) -> Any:
    size = Text.get_window_extent(label).size  # of the words, which are laid out only once, since that takes long
    label.remove()
    return size


def _box(place: Any, size: Any, align: str) -> Bbox:
    """Where words of this size stand, in pixels, if they begin, have their middle, or end there."""
    lowest = place - size * [{"left": 0, "center": 0.5, "right": 1}[align], 0.5]
    return Bbox([lowest, lowest + size])


def _is_free(
    axes: Axes, box: Bbox, point: Any, taken: Sequence[Bbox], lines: Sequence[Path], uncrossed: Sequence[Path] | None
) -> bool:
    """Whether a name with this box is inside, and nothing is under it or, unless ``uncrossed`` is None, under the line
    to its point."""
    lead, own = _lead(point, box), Bbox([point - _REACH, point + _REACH])
    is_alone = (
        axes.bbox.contains(*box.min)
        and axes.bbox.contains(*box.max)
        and not box.padded(2).count_overlaps(taken)
        and not any(line.intersects_bbox(box.padded(2), False) for line in lines)
    )
    if uncrossed is None or not is_alone:
        return is_alone
    return not any(lead.intersects_bbox(other, False) for other in taken) and not any(
        line.intersects_path(lead, False) and not line.intersects_bbox(own, False) for line in uncrossed
    )


def _lead(point: Any, box: Bbox) -> Path:
    """The line from the edge of a marker to its name, which leads to the middle of the words."""
    middle = np.mean([box.min, box.max], axis=0)
    return Path([point + 1.5 * _REACH * (middle - point) / np.hypot(*(middle - point)), middle])


def _nearest(box: Bbox, middles: Array, hardly: float) -> list[int]:
    """Which of the points are nearest to a box, and those that are hardly farther away, by so many pixels."""
    gaps = np.hypot(*(np.clip(middles, box.min, box.max) - middles).T)
    return list(np.flatnonzero(gaps <= gaps.min() + hardly))
