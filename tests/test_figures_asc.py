"""The figures of notebook 09: a gaze stands around its pixel, and the words say what is drawn."""

import numpy as np
import pytest
import torch

from course_lib.figures.asc import gaze, gaze_figure, weights_by_place
from course_lib.figures.attention import Look
from course_lib.groups import C4, Element
from course_lib.layers import AffineSelfConv2d, neighborhoods

R = Element(0, 1)


@pytest.mark.parametrize("pixel", [(0, 0), (3, 1), (2, 4)])
def test_a_gaze_stands_around_its_pixel(pixel):
    layer, x = AffineSelfConv2d(C4, 1, 1, 5, border="masked"), torch.randn(1, 1, 4, 4, 5)
    weights = layer.attention(x)[0, 0].detach()
    seen = gaze(weights, C4, pixel, R)
    row, col = pixel
    assert seen.shape == (4, 5)
    assert torch.equal(neighborhoods(seen, 5)[:, row, col], weights[1, :, row, col])
    assert seen.sum() == pytest.approx(1)


@pytest.mark.parametrize("channels", [(), (3,)], ids=["gray", "colors"])
def test_gaze_figure_names_what_is_seen_most(channels):
    attention = torch.zeros(6, 6)
    attention[1, 5] = 1
    looks = {"upright": Look(torch.rand(*channels, 6, 6), (3, 2), R, attention)}
    picture = gaze_figure(looks)
    assert picture.alt == "upright: the pixel in row 3, column 2, on sheet r, looks most at row 1, column 5."
    assert picture.image == gaze_figure(looks).image
    moved = {"upright": looks["upright"]._replace(attention=attention.roll(1, 0))}
    assert picture.image != gaze_figure(moved).image


def test_weights_by_place_says_which_weights_are_the_same_everywhere():
    windows, psi = [np.eye(3), np.ones((3, 3))], np.array([[-1.0, 0, 1]] * 3)
    picture = weights_by_place(windows, {"conv": [psi, psi], "both": [psi, 0.25 * psi]})
    assert "conv: the same at all places, from -1.00 to 1.00; both: not the same at all places" in picture.alt
    assert picture.image == weights_by_place(windows, {"conv": [psi, psi], "both": [psi, 0.25 * psi]}).image
