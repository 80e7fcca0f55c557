"""The figure of notebook 10: error against parameters and operations."""

import pytest

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


def test_errors_name_the_number():
    with pytest.raises(ValueError, match="expected 1 to 6 families of networks, got 0"):
        error_against_cost({})
    with pytest.raises(ValueError, match="got 7"):
        error_against_cost({str(i): [Cost("", 1, 1, 1)] for i in range(7)})


def test_seconds_may_take_the_place_of_operations():
    families = {"p4": [Cost("P4CNN", 5.8, 24_810, 1.2e7, 0.8, seconds=27.3)]}
    picture = error_against_cost(families, second="seconds", error="our test error")
    assert picture.alt.startswith("Our test error against parameters and against seconds.")
    assert "P4CNN 5.8 % with 24.8k parameters and 27.3 seconds" in picture.alt


def test_the_right_panel_draws_what_was_asked_for():
    families = {"p4": [Cost("a", 5, 1e3, 1e6, seconds=10), Cost("b", 6, 1e3, 1e6, seconds=20)]}
    later = {"p4": [Cost("a", 5, 1e3, 1e6, seconds=10), Cost("b", 6, 1e3, 1e6, seconds=80)]}
    assert error_against_cost(families, second="seconds").image != error_against_cost(later, second="seconds").image


def test_the_axis_says_whose_error_it_is():
    families = {"p4": [Cost("a", 5, 1e3, 1e6)]}
    assert error_against_cost(families).image != error_against_cost(families, error="our test error").image


def test_an_epoch_may_be_shorter_than_a_second():
    families = {"p4": [Cost("a", 5, 1e3, None, seconds=0.25), Cost("b", 5, 1e3, None, seconds=1.5)]}
    assert "a 5 % with 1k parameters and 0.25 seconds" in error_against_cost(families, second="seconds").alt
