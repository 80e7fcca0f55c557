"""The figures of notebook 06: they say what they show, and refuse what they cannot show."""

import numpy as np
import pytest
from matplotlib.axes import Axes

from course_lib.figures.separable import error_by_size, sheets_in_rows
from course_lib.groups import C4, D4


def test_sheets_in_rows_says_which_filters_are_the_same_everywhere():
    same, other = np.ones((4, 3, 3)), np.arange(36.0).reshape(4, 3, 3)
    picture = sheets_in_rows({"a": same, "b": other}, C4)
    assert "a: the same on every sheet; b: different sheets" in picture.alt
    assert picture.image == sheets_in_rows({"a": same, "b": other}, C4).image
    assert picture.image != sheets_in_rows({"a": other, "b": other}, C4).image


def test_error_by_size_gives_the_means():
    picture = error_by_size({"P4CNN": [[30, 20], [40, 10]], "gc": [[5, 5]]}, [100, 1000])
    assert "P4CNN: 35.0 % at 100, 15.0 % at 1000; gc: 5.0 % at 100" in picture.alt


def test_a_mean_is_of_the_seeds_that_were_run():
    nan = float("nan")
    picture = error_by_size({"P4CNN": [[30, 20], [40, nan]], "gc": [[5, 5]]}, [100, 1000])
    assert "P4CNN: 35.0 % at 100, 20.0 % at 1000" in picture.alt


def _drawn(monkeypatch, errors):
    """Where the means stand from left to right, and how many dots of single seeds there are."""
    places, dots = [], []
    errorbar, plot = Axes.errorbar, Axes.plot

    def note_bars(axes, x, *rest, **options):
        places.append(list(x))
        return errorbar(axes, x, *rest, **options)

    def note_dots(axes, *rest, **options):
        if options.get("mfc") == "white":
            dots.append(int(np.isfinite(rest[1]).sum()))
        return plot(axes, *rest, **options)

    monkeypatch.setattr(Axes, "errorbar", note_bars)
    monkeypatch.setattr(Axes, "plot", note_dots)
    error_by_size(errors, [100, 1000])
    return places, dots


def test_bars_of_one_size_stand_side_by_side(monkeypatch):
    places, _ = _drawn(monkeypatch, {"P4CNN": [[30, 20], [31, 21]], "gc": [[30.2, 9], [30.8, 10]]})
    assert places[0][0] < 100 < places[1][0] and places[0][1] < 1000 < places[1][1]


def test_a_single_seed_gets_no_dot_beside_its_mean(monkeypatch):
    nan = float("nan")
    _, dots = _drawn(monkeypatch, {"P4CNN": [[30, 20], [40, nan]], "gc": [[5, 5]]})
    assert dots == [2, 0]


def test_errors_name_the_value():
    with pytest.raises(ValueError, match=r"\(8, k, k\) on D4, got \(4, 3, 3\)"):
        sheets_in_rows({"a": np.ones((4, 3, 3))}, D4)
