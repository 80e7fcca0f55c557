"""Figures of redundant filters and separable networks: sheets in rows, shares by layer, errors by training-set size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from course_lib.figures.curves import LOOKS
from course_lib.figures.labels import name_lines
from course_lib.figures.picture import Picture, as_array, draw_grid, draw_map, new_figure, shared_scale
from course_lib.figures.style import frame, line_colors
from course_lib.groups import Group


def sheets_in_rows(filters: Mapping[str, Any], group: Group) -> Picture:
    """Filters on the group, one per row and on a color scale of its own, their sheets from left to right.

    Args:
        filters: name → ``(|H|, k, k)``; k may differ from row to row.

    Raises ValueError if there is no filter, or one has another number of sheets.
    """
    if not filters:
        raise ValueError("sheets_in_rows needs at least one filter: sheets_in_rows({'ψ': psi}, C4)")
    rows = {name: as_array(psi) for name, psi in filters.items()}
    for name, psi in rows.items():
        if psi.ndim != 3 or len(psi) != group.order:
            raise ValueError(f"the filter {name!r} must have shape ({group.order}, k, k) on {group}, got {psi.shape}")
    side = min(1.2, 7.0 / group.order, max(0.96, 5.8 / len(rows)))
    figure = new_figure(side * group.order + 0.4 + 0.085 * max(map(len, rows)), side * len(rows) + 0.3)
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


def share_by_layer(shares: Mapping[str, Mapping[str, Sequence[float]]]) -> Picture:
    """The share of the first principal component, layer by layer: the mean over seeds, and their range.

    Args:
        shares: when (before, after training) → layer → one value per seed. All with the same layers; at most four.

    Source: Lengyel & van Gemert (2021), Fig. 2. Raises ValueError if there is nothing to show, or too much.
    """
    if not 1 <= len(shares) <= len(LOOKS):
        raise ValueError(f"expected 1 to {len(LOOKS)} sets of bars, got {len(shares)}")
    layers = list(next(iter(shares.values())))
    figure = new_figure(7.2, 3.6)
    axes = figure.subplots()
    width = 0.8 / len(shares)
    for i, (name, by_layer) in enumerate(shares.items()):
        values = [as_array(by_layer[layer]) for layer in layers]
        places = np.arange(len(layers)) + (i - (len(shares) - 1) / 2) * width
        _bars_with_range(axes, places, values, 0.9 * width, LOOKS[i][0], name)
    axes.set_xticks(range(len(layers)), layers)
    axes.set(ylabel="share explained by PC1", ylim=(0, 1))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, ncols=len(shares), loc="upper center")
    words = "; ".join(
        f"{name}: " + ", ".join(f"{layer} {np.mean(by_layer[layer]):.2f}" for layer in layers)
        for name, by_layer in shares.items()
    )
    return Picture.from_figure(figure, f"Bars, share of variance explained by the first component. {words}.")


def error_by_size(errors: Mapping[str, Any], sizes: Sequence[int]) -> Picture:
    """Test error against the number of training images: mean over seeds, bars of one standard deviation, all seeds.

    Args:
        errors: network → ``(seeds, sizes)`` in percent, NaN where a seed was not run; at most four networks.
        sizes: numbers of images, drawn on a logarithmic axis.

    Source: the form of Lengyel & van Gemert (2021), Fig. 3a. Raises ValueError if the shapes do not fit, or there are
    too many networks to be told apart.
    """
    if not 1 <= len(errors) <= len(LOOKS):
        raise ValueError(f"expected 1 to {len(LOOKS)} networks, got {len(errors)}: {list(errors)}")
    values = {name: np.atleast_2d(as_array(value)) for name, value in errors.items()}
    for name, value in values.items():
        if value.shape[1] != len(sizes):
            raise ValueError(f"{name!r} has {value.shape[1]} errors per seed for {len(sizes)} sizes")
    means = {name: np.nanmean(value, axis=0) for name, value in values.items()}
    counts = np.array([np.isfinite(value).sum(axis=0) for value in values.values()])
    one = f" (means of {counts.max()})" if counts.min() == counts.max() > 1 else ""  # said once for all
    figure = new_figure(6.6, 4.0)
    axes = figure.subplots()
    looks = zip(line_colors(values), LOOKS, strict=False)
    for i, ((name, value), (color, (_, dash, marker))) in enumerate(zip(values.items(), looks, strict=False)):
        x = np.asarray(sizes) * 1.04 ** (i - (len(values) - 1) / 2)  # side by side, so that no bar hides another
        spread = [seeds[~np.isnan(seeds)].std(ddof=1) if np.isfinite(seeds).sum() > 1 else np.nan for seeds in value.T]
        axes.errorbar(
            x,
            means[name],
            spread,
            color=color,
            ls=dash,
            marker=marker,
            capsize=4,
            label=name if one else _with_seeds(name, value),
        )
        axes.plot(x, value.T, ".", color=color, alpha=0.5, ms=7)
    axes.set_xscale("log")
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.set_xticks([], minor=True)
    axes.set(xlabel="training images", ylabel=f"test error, in %{one}")
    axes.set_ylim(bottom=0)
    axes.grid(color="0.9")
    axes.spines[["top", "right"]].set_visible(False)
    name_lines(axes)
    words = "; ".join(
        f"{name}: " + ", ".join(f"{e:.1f} % at {n}" for n, e in zip(sizes, mean, strict=True))
        for name, mean in means.items()
    )
    return Picture.from_figure(figure, f"Test error against the number of training images, means over seeds. {words}.")


def _with_seeds(name: str, errors: np.ndarray[Any, Any]) -> str:
    """ "P4CNN (mean of 3)", or "(mean of 3 to 5)" if not all sizes have as many seeds; of one seed, the name."""
    counts = np.isfinite(errors).sum(axis=0)
    few, many = counts.min(), counts.max()
    seeds = f"{few} to {many}" if few < many else f"{many}"
    return f"{name} (mean of {seeds})" if many > 1 else name


def _bars_with_range(axes: Any, places: Any, values: list[Any], width: float, color: str, name: str) -> None:
    means = np.array([value.mean() for value in values])
    low = means - [value.min() for value in values]
    high = [value.max() for value in values] - means
    axes.bar(places, means, width, color=color, label=name)
    if max(len(np.atleast_1d(value)) for value in values) > 1:
        axes.errorbar(places, means, [low, high], fmt="none", color="black", capsize=2, lw=1)


def _sameness(psi: np.ndarray[Any, Any]) -> str:
    spread = np.abs(psi - psi.mean(axis=0)).max() / max(np.abs(psi).max(), 1e-300)
    return "the same on every sheet" if spread < 1e-6 else "different sheets"
