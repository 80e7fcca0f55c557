"""The figures of notebook 06: they say what they show, and refuse what they cannot show."""

import numpy as np
import pytest

from course_lib.figures.separable import _with_seeds, error_by_size, share_by_layer, sheets_in_rows
from course_lib.groups import C4, D4


def test_sheets_in_rows_says_which_filters_are_the_same_everywhere():
    same, other = np.ones((4, 3, 3)), np.arange(36.0).reshape(4, 3, 3)
    picture = sheets_in_rows({"a": same, "b": other}, C4)
    assert "a: the same on every sheet; b: different sheets" in picture.alt
    assert picture.image == sheets_in_rows({"a": same, "b": other}, C4).image
    assert picture.image != sheets_in_rows({"a": other, "b": other}, C4).image


def test_share_by_layer_gives_the_means():
    picture = share_by_layer(
        {"before": {"conv2": [0.4, 0.6], "conv3": [0.25, 0.25]}, "after": {"conv2": [1, 1], "conv3": [1, 1]}}
    )
    assert "before: conv2 0.50, conv3 0.25; after: conv2 1.00" in picture.alt


def test_error_by_size_gives_the_means():
    picture = error_by_size({"P4CNN": [[30, 20], [40, 10]], "gc": [[5, 5]]}, [100, 1000])
    assert "P4CNN: 35.0 % at 100, 15.0 % at 1000; gc: 5.0 % at 100" in picture.alt


def test_a_mean_is_of_the_seeds_that_were_run():
    nan = float("nan")
    picture = error_by_size({"P4CNN": [[30, 20], [40, nan]], "gc": [[5, 5]]}, [100, 1000])
    assert "P4CNN: 35.0 % at 100, 20.0 % at 1000" in picture.alt
    assert _with_seeds("P4CNN", np.array([[30, 20], [40, nan]])) == "P4CNN (mean of 1 to 2)"
    assert _with_seeds("P4CNN", np.ones((2, 2))) == "P4CNN (mean of 2)" and _with_seeds("gc", np.ones((1, 2))) == "gc"


def test_errors_name_the_value():
    with pytest.raises(ValueError, match=r"\(8, k, k\) on D4, got \(4, 3, 3\)"):
        sheets_in_rows({"a": np.ones((4, 3, 3))}, D4)
