"""The figures of notebook 07 say what they draw; an attention map stands where the window stands."""

import pytest
import torch

from course_lib.figures.attention import Look, attention_figure, attention_map
from course_lib.figures.framework import LAYERS, framework_map, relative_position_table, relative_positions
from course_lib.groups import C4, D4, Element
from course_lib.layers import GroupSelfAttention2d, neighborhoods
from course_lib.wallpaper import Isometry

E, R = Element(0, 0), Element(0, 1)


def test_relative_positions_are_named():
    pair = (Isometry(0, 1, 6, 0), Isometry(0, 2, 5, 2))
    first, second = relative_positions([pair]), relative_positions([pair])
    assert "From (r at 6, 0) to (r² at 5, 2): relative position (r at 2, 1)." in first.alt
    assert first.image == second.image


def test_the_table_shows_the_inverse_on_the_left():
    alt = relative_position_table(D4).alt
    assert alt.startswith("Table of g⁻¹g̃ for e, r, r², r³, m, mr, mr², mr³, rows g, columns g̃. e: e r r² r³ m")
    assert "mr: mr mr² mr³ m r³ e r r²;" in alt
    assert alt.count(";") == 7


def test_the_map_holds_every_layer():
    alt = framework_map().alt
    assert alt.count("weight depends on") == len(LAYERS)
    assert "E4 (ahead): weight depends on relative position, f(g); sums over" in alt


@pytest.mark.parametrize("pixel", [(0, 0), (3, 1), (2, 4)])
def test_attention_map_stands_around_its_pixel(pixel):
    layer, x = GroupSelfAttention2d(C4, 1, 1, 5), torch.randn(1, 1, 4, 4, 5)
    weights = layer.attention(x)[0, 0].detach()
    seen = attention_map(weights, C4, pixel, R)
    assert seen.shape == (4, 4, 5)
    row, col = pixel
    assert torch.equal(neighborhoods(seen, 5)[:, :, row, col], weights[1, :, :, row, col])
    assert seen.sum() == pytest.approx(1)


def test_attention_figure_names_what_is_seen_most():
    attention = torch.zeros(4, 6, 6)
    attention[2, 1, 5] = 1
    look = Look(torch.rand(6, 6), (3, 2), E, attention)
    picture = attention_figure({"upright": look}, C4)
    assert "the pixel in row 3, column 2, on sheet e, looks most at row 1, column 5, on sheet r²" in picture.alt
    with pytest.raises(ValueError, match=r"shape \(8, 6, 6\), got \(4, 6, 6\)"):
        attention_figure({"upright": look}, D4)
