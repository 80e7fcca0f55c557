"""Figures of notebook 05: what they say about windows, errors and shares."""

import pytest

from course_lib.figures.breaking import error_curves, share_bars, windows_from_both_sides


def test_windows_say_whether_both_sides_agree():
    picture = windows_from_both_sides({"pool on 6": (6, 2, 2, 0), "pool on 7": (7, 2, 2, 0), "conv on 7": (7, 3, 2, 1)})
    assert "pool on 6, the same from both sides" in picture.alt
    assert "pool on 7, 1 left over, not the same" in picture.alt
    assert "conv on 7, the same from both sides" in picture.alt


@pytest.mark.parametrize("logarithmic", [True, False])
def test_error_curves_keep_rounding_out_of_the_words(logarithmic):
    errors = {"exact": [0.0, 3e-16], "float32": [1e-7, 2e-6], "broken": [0.0, 0.512]}
    first, second = (error_curves(errors, [1, 2], "layers", logarithmic) for _ in range(2))
    assert "exact: largest below 1e-10; float32: largest below 1e-4; broken" in first.alt
    assert "broken: largest 0.51." in first.alt
    assert first.image == second.image


def test_shares_name_every_bar():
    table = {"upright": {"digits": 0.08, "noise": 0.0}, "turned": {"digits": 0.78, "noise": 0.19}}
    assert "turned: digits 0.78, noise 0.19" in share_bars(table, "same answer").alt
    seeds = {"before": {"conv2": [0.4, 0.6], "conv3": [0.25, 0.25]}, "after": {"conv2": [1, 1], "conv3": [1, 1]}}
    assert "before: conv2 0.50, conv3 0.25; after: conv2 1.00" in share_bars(seeds, "share").alt
