"""The figures of notebook 02 say what they draw, and refuse what they cannot draw."""

import pytest
import torch

from course_lib.figures.actions import lookup, photographs
from course_lib.groups import Element


def test_lookup_tells_where_the_value_comes_from():
    picture = lookup(torch.arange(6.0).reshape(2, 3), Element(0, 1), pixel=(0, 1))
    assert "Row 0, column 1 of L_g f takes its value 5 from row 1, column 2 of f" in picture.alt
    assert picture.image.startswith(b"\x89PNG")


def test_lookup_follows_the_element():
    f = torch.arange(16.0).reshape(4, 4)
    assert lookup(f, Element(0, 1), (0, 1)).image != lookup(f, Element(0, 3), (0, 1)).image


def test_photographs_take_one_color_or_grey_image_each():
    assert "first; second" in photographs({"first": torch.zeros(3, 4, 4), "second": torch.ones(4, 4)}).alt
    gray, color = torch.rand(4, 4), torch.rand(3, 4, 4)
    as_colors = (gray / gray.max()).expand(3, 4, 4)  # the largest is white
    assert photographs({"": gray}).image == photographs({"": as_colors}).image != photographs({"": color}).image
    assert photographs({"": gray / 2}).image == photographs({"": gray}).image
    with pytest.raises(ValueError, match=r"'batch' must be one image \(3, Y, X\) .* got \(1, 3, 4, 4\)"):
        photographs({"batch": torch.zeros(1, 3, 4, 4)})
