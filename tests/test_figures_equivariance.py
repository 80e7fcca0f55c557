"""Figures of notebook 03: the sign in the commuting square, and the numbers of the sliding filter."""

import pytest
import torch
import torch.nn.functional as F

from course_lib.actions import act_on_image, translate
from course_lib.figures.equivariance import commuting_square, sliding_filter
from course_lib.groups import Element

IMAGE = torch.rand(1, 1, 12, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
EDGE = torch.tensor([[-1.0, 0, 1], [-1, 0, 1], [-1, 0, 1]], dtype=torch.float64)


def turn(f):
    return act_on_image(Element(0, 1), f)


def edges(f):
    return F.conv2d(f, EDGE[None, None])


@pytest.mark.parametrize(
    "function, move, says",
    [
        (lambda f: F.avg_pool2d(f, 3, 1), turn, "rounding only"),
        (edges, turn, "two ways: 1."),
        (F.relu, lambda f: translate((2, 0), f), "rounding only"),
        (lambda f: F.max_pool2d(f, 3, 1, padding=1), lambda f: translate((2, 0), f), "two ways: 1"),
    ],
)
def test_commuting_square_says_whether_it_commutes(function, move, says):
    first, second = (commuting_square(function, move, IMAGE, ("Φ", "L_r")) for _ in range(2))
    assert says in first.alt
    assert "L_r of Φ" in first.alt
    assert first.image == second.image


def test_commuting_square_wants_a_map():
    with pytest.raises(ValueError, match="two axes"):
        commuting_square(lambda f: f.mean(dim=(1, 2, 3)), lambda f: f, IMAGE, ("Φ", "L_r"))


def test_sliding_filter_gives_the_value_of_each_window():
    f = torch.arange(16.0).reshape(4, 4)
    assert sliding_filter(f, EDGE).alt.count("gives 6") == 4
    assert "window (0, 1) gives 16.5" in sliding_filter(f, [[0, 0, 0], [0, 0, 0], [0, 0, 1.5]]).alt
