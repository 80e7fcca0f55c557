"""What a handful of seeds can tell."""

import pytest

from course_lib.reports import permutation_p_value


def test_two_numbers_tell_nothing():
    assert permutation_p_value([1.0], [2.0]) == 1


def test_the_smallest_value_for_five_seeds_each():
    assert permutation_p_value([1, 2, 3, 4, 5], [6, 7, 8, 9, 10]) == pytest.approx(2 / 252)


def test_equal_distances_count_in_spite_of_rounding():
    a, b = [0.1, 0.2, 0.3], [0.1, 0.2, 0.3]
    assert permutation_p_value(a, b) == 1
    assert permutation_p_value([0.1, 0.7], [0.2, 0.6]) == 1


def test_both_directions_and_unequal_numbers():
    assert permutation_p_value([1, 2], [3, 4, 5]) == permutation_p_value([3, 4, 5], [1, 2]) == pytest.approx(2 / 10)


def test_nothing_to_compare():
    with pytest.raises(ValueError, match="at least one result, got 0 and 1"):
        permutation_p_value([], [1.0])
