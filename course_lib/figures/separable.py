"""Figures of redundant filters and separable networks: sheets in rows, shares by layer, errors by training-set size."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from course_lib.figures.labels import name_lines
from course_lib.figures.picture import Array, Picture, as_array, draw_grid, draw_map, new_figure, new_plot, shared_scale
from course_lib.figures.style import frame, line_looks
from course_lib.groups import Group


def sheets_in_rows(filters: Mapping[str, Any], group: Group) -> Picture:
    """Filters on the group, (|H|, k, k), one per row and on a scale of its own, their sheets from left to right.

    Raises ValueError if one has another number of sheets.
    """
    rows = {name: as_array(psi) for name, psi in filters.items()}
    for name, psi in rows.items():
        if psi.ndim != 3 or len(psi) != group.order:
            raise ValueError(f"the filter {name!r} must have shape ({group.order}, k, k) on {group}, got {psi.shape}")
    side = min(1.2, 7.0 / group.order, max(0.96, 5.8 / len(rows)))
    figure = new_figure(side * group.order + 0.4 + 0.065 * max(map(len, rows)), (side + 0.1) * len(rows) + 0.3)
    figure.set_layout_engine("constrained", h_pad=0.08)  # what is compared stands together
    grid = figure.subplots(len(rows), group.order, squeeze=False)
    for line, (name, psi) in zip(grid, rows.items(), strict=True):
        for axes, sheet, h in zip(line, psi, group.elements, strict=True):
            draw_map(axes, sheet, shared_scale([psi]))
            draw_grid(axes, *sheet.shape)
            frame(axes, h)
        line[0].set_ylabel(f"{name}\n({_sameness(psi)})", rotation=0, ha="right", va="center", fontsize=10)
    for axes, h in zip(grid[0], group.elements, strict=True):
        axes.set_title(f"sheet {h}", fontsize=10)
    alt = "; ".join(f"{name}: {_sameness(psi)}" for name, psi in rows.items())
    return Picture.from_figure(figure, f"Filters on {group}, one per row, one sheet per column. {alt}.")


def _sameness(psi: Array) -> str:
    spread = np.abs(psi - psi.mean(axis=0)).max() / max(np.abs(psi).max(), 1e-300)
    return "the same on every sheet" if spread < 1e-6 else "different sheets"


def error_by_size(errors: Mapping[str, Any], sizes: Sequence[int]) -> Picture:
    """Test error against the number of training images: mean over seeds, bars of one standard deviation, all seeds.

    ``errors``: network (at most six) → ``(seeds, sizes)`` in percent, NaN where a seed was not run.
    Source: the form of Lengyel & van Gemert (2021), Fig. 3a.
    """
    values = {name: np.atleast_2d(as_array(value)) for name, value in errors.items()}
    counts = np.array([np.isfinite(value).sum(axis=0) for value in values.values()])
    alike = counts.min() == counts.max()
    one = f" (means of {counts.max()})" if alike and counts.max() > 1 else ""  # said once for all
    means, words = np.array([np.nanmean(value, axis=0) for value in values.values()]), []
    spreads = np.array([[_deviation(seeds) for seeds in value.T] for value in values.values()])
    xlabel = "training images (points of one number side by side)"  # or a bar would hide another
    figure, axes = new_plot(6.6, 4.0, xlabel=xlabel, ylabel=f"test error, in %{one}")
    for i, ((name, value), (color, dash, marker)) in enumerate(zip(values.items(), line_looks(values), strict=True)):
        x = np.asarray(sizes) * 1.1 ** (i - (len(values) - 1) / 2)
        label = name if alike else f"{name} (n = {', '.join(map(str, counts[i]))})"
        axes.errorbar(x, means[i], spreads[i], color=color, ls=dash, label=label, capsize=4)
        axes.plot(x, means[i], marker, color=color, zorder=3)  # no line runs over a mark
        axes.plot(1.05 * x, np.where(counts[i] > 1, value, np.nan).T, "o", mfc="white", mec=color, ms=4, zorder=4)
        words.append(f"{name}: {', '.join(f'{e:.1f} % at {n}' for n, e in zip(sizes, means[i], strict=True))}")
    axes.set_xscale("log")
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.set_xticks([], minor=True)
    axes.grid(color="0.9")
    name_lines(axes, at_ends=False)  # there stand single seeds
    return Picture.from_figure(figure, f"Mean test error against the number of training images. {'; '.join(words)}.")


def _deviation(seeds: Array) -> float:
    """The standard deviation of those that were run; of one seed there is none."""
    run = seeds[~np.isnan(seeds)]
    return float(run.std(ddof=1)) if len(run) > 1 else math.nan
