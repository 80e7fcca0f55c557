import numpy as np

from course_lib.figures.moves import moves_in_a_row, points_side_by_side
from course_lib.groups import Element

R, M = Element(0, 1), Element(1, 0)


def test_the_alt_text_tells_where_the_corners_end():
    alt = moves_in_a_row([R, M], [M, R], [R]).alt
    assert "r, then m: corners from top left clockwise 3 2 1 4" in alt
    assert "m, then r: corners from top left clockwise 1 4 3 2" in alt
    assert "; r: corners from top left clockwise 2 3 4 1" in alt


def test_a_tile_for_every_step_and_a_line_for_every_row():
    (short, low), (long, _), (_, high) = (moves_in_a_row(*rows).size for rows in ([[R]], [[R, M, R]], [[R], [M], [R]]))
    assert long == 2 * short
    assert high == 3 * low


def test_points_are_named_and_drawn_the_same_every_time():
    sets = {"start": np.array([(0, 0), (1, 2)]), "between": np.array([(-0.5, 1e-17), (1, 0)])}
    picture = points_side_by_side(sets)
    assert "start: (0, 0) (1, 2); between: (-0.5, 0) (1, 0)" in picture.alt
    assert picture.image == points_side_by_side(sets).image
