"""The figure of notebook 10: error against parameters and operations."""

import numpy as np
from matplotlib.axes import Axes

from course_lib.figures.tables import Cost, error_against_cost


def test_error_against_cost_says_what_it_shows():
    families = {"plain": [Cost("Z2", 5.2, 25_210, 2.98e6, 0.11)], "other": [Cost("", 1.7, 33_000, None)]}
    picture = error_against_cost(families)
    assert "plain: Z2 5.2 % with 25.2k parameters and 2.98M operations" in picture.alt
    assert "other: 1.7 % with 33k parameters." in picture.alt
    assert picture.image == error_against_cost(families).image
    assert picture.image != error_against_cost({**families, "other": [Cost("", 4.7, 33_000, None)]}).image


def test_families_can_be_joined():
    families = {"p4": [Cost("a", 3, 1e3, 1e6), Cost("b", 2, 2e3, 4e6)]}
    assert error_against_cost(families).image != error_against_cost(families, join=True).image


def test_the_axis_says_whose_error_it_is():
    families = {"p4": [Cost("a", 5, 1e3, 1e6)]}
    assert error_against_cost(families).image != error_against_cost(families, error="our test error").image


def test_no_bar_where_no_deviation_is_known(monkeypatch):
    drawn, errorbar = [], Axes.errorbar

    def note(axes, x, y, yerr, **options):
        drawn.append(list(yerr))
        return errorbar(axes, x, y, yerr, **options)

    monkeypatch.setattr(Axes, "errorbar", note)
    error_against_cost({"p4": [Cost("a", 5, 1e3, 1e6, 0.2), Cost("b", 4, 2e3, 2e6)]})
    np.testing.assert_equal(drawn, 2 * [[0.2, np.nan]])
