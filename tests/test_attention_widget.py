"""The attention explorer: what is sent is what the layer gives; the turned gaze is measured at the right place."""

import json
import re

import numpy as np
import pytest
import torch

from course_lib.actions import act_on_image
from course_lib.groups import C1, C2, C4, D1, D4, Element
from course_lib.layers import AffineSelfConv2d, LiftingConv2d
from course_lib.widgets import attention_explorer
from course_lib.widgets.attention import act_on_attention
from course_lib.widgets.export import standalone_html
from course_lib.widgets.frames import turns

SIZE = 7
IMAGE = torch.rand(1, 3, SIZE, SIZE, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def attention(group, heads=2, k=3):
    torch.manual_seed(0)
    lift, layer = LiftingConv2d(group, 3, 2, 3, padding=1).double(), AffineSelfConv2d(group, 2, 4, k, heads).double()
    return lambda image: layer.attention(lift(image))[0]


def stored(widget):
    setup = widget.setup
    shape = (len(setup["frames"]), setup["heads"], len(setup["sheets"]), setup["window"] ** 2, SIZE, SIZE)
    return np.frombuffer(widget.data["weights"], "<u2").reshape(shape) / 65535


@pytest.mark.parametrize("group", [C1, C4, D4], ids=str)
def test_what_is_sent_is_the_attention_of_each_turned_image(group):
    look = attention(group)
    widget = attention_explorer(look, IMAGE, group)
    for frame, weights in zip(widget.setup["frames"], stored(widget), strict=True):
        turned = act_on_image(Element(int(frame["mirror"]), frame["degrees"] // 90), IMAGE)
        assert np.abs(weights - look(turned).detach().numpy()).max() < 1e-5
    assert len(widget.setup["frames"]) == (4 if group == C4 else 8)


def test_the_error_is_rounding_for_elements_of_the_group_and_plain_for_others():
    for group in (C1, C2, C4, D1, D4):
        frames = attention_explorer(attention(group), IMAGE, group).setup["frames"]
        assert all((frame["error"] < 1e-12) == frame["element"] for frame in frames), group
        assert sum(frame["element"] for frame in frames) == group.order


@pytest.mark.parametrize("turn", list(turns(90, mirrors=True)), ids=str)
def test_a_pixel_is_carried_where_its_value_goes(turn):
    for place in ((0, 0), (1, 5), (3, 2)):
        image = torch.zeros(SIZE, SIZE)
        image[place] = 1
        moved = act_on_image(Element(int(turn.mirror), turn.degrees // 90), image)
        assert moved[turn.carry(place, SIZE)] == 1


@pytest.mark.parametrize("turn", list(turns(90, mirrors=True)), ids=str)
def test_moved_attention_stands_at_the_moved_places(turn):
    weights, reach = torch.randn(1, D4.order, 9, SIZE, SIZE), 1
    moved = act_on_attention(turn, weights, D4)
    carry = attention_explorer(attention(D4), IMAGE, D4)._carry(turn)
    for h, row, column, down, right in ((0, 2, 4, 1, 0), (3, 1, 1, -1, 1), (6, 5, 3, 0, -1)):
        here, there = ((row, column), (row + down, column + right))
        (r, c), (s, t) = (turn.carry(place, SIZE) for place in (here, there))
        step = (s - r + reach) * 3 + t - c + reach
        assert moved[0, carry[h], step, r, c] == weights[0, h, (down + reach) * 3 + right + reach, row, column]


def test_the_still_picture_follows_the_position():
    widget = attention_explorer(attention(C4), IMAGE, C4, pixel=(1, 2))
    data, metadata = widget._repr_mimebundle_()
    assert "row 1, column 2, on sheet e, looks most at" in data["text/plain"]
    assert "turned by r, looking from sheet r: the pixel in row 4, column 1, on sheet r" in data["text/plain"]
    assert "below 10⁻⁴" in data["text/plain"]
    assert metadata["image/png"]["alt"] == data["text/plain"]
    widget.degrees, widget.sheet = 180, 1
    assert "turned by r², looking from sheet r³: the pixel in row 5, column 4" in widget.still().alt
    ordinary = attention_explorer(attention(C1), IMAGE, C1)
    assert "below 10⁻⁴" not in ordinary.still().alt


def test_the_exported_fragment_loads_nothing_and_the_state_can_be_sent():
    widget = attention_explorer(attention(C4), IMAGE, C4)
    html = standalone_html(widget)
    assert not re.search(r"""(src|href)\s*=|import\s*\(|import .* from|url\(|fetch\(|https?:""", html)
    assert html.count("<script") == html.count("</script>") == 1
    json.dumps(widget.setup)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_sent_as_none(bad):
    widget = attention_explorer(lambda image: bad * attention(C4)(image), IMAGE, C4)
    assert [frame["error"] for frame in widget.setup["frames"]] == [None] * 4
    assert not stored(widget).any()
    assert standalone_html(widget)  # its JSON allows no other numbers
    assert "over all pixels: not finite" in widget.still().alt


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image": torch.rand(1, 3, 7, 8)}, r"square image .*got shape \(1, 3, 7, 8\)"),
        ({"image": IMAGE[0]}, r"square image .*got shape \(3, 7, 7\)"),
        ({"pixel": (7, 0)}, r"pixel \(7, 0\) lies outside of the image of 7 × 7"),
        ({"group": D4}, r"weights \(heads, 8, k², 7, 7\).* got \(2, 4, 9, 7, 7\)"),
        ({"attention": lambda image: attention(C4)(image)[0]}, r"got \(4, 9, 7, 7\); .* take one image, \[0\]"),
        ({"attention": attention(C4, k=41), "image": torch.rand(1, 3, 24, 24).double()}, r"MB of weights .* smaller"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        attention_explorer(**{"attention": attention(C4), "image": IMAGE, "group": C4, **arguments})
