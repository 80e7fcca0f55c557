import math
import re
from itertools import product

import pytest
import torch

from course_lib import oracles
from course_lib.actions import act_on_feature_map, act_on_image, rotate_by_angle, translate
from course_lib.groups import ALL_GROUPS, C4, D1, D4, Element, compose, matrix

SIZES = [(5, 5), (4, 4), (4, 7)]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("g", D4.elements, ids=str)
def test_image_equals_the_definition(g, size):
    f = torch.randn(size)
    assert torch.equal(act_on_image(g, f), oracles.act_on_image(g, f))


def test_a_quarter_turn_is_counter_clockwise_as_seen():
    f = torch.zeros(3, 3)
    f[1, 2] = 1  # to the right of the center
    assert act_on_image(Element(0, 1), f)[0, 1] == 1  # above it


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("group", ALL_GROUPS, ids=str)
def test_feature_map_equals_the_definition(group, size):
    f = torch.randn(group.order, *size)
    for g in group.elements:
        assert torch.equal(act_on_feature_map(g, f, group), oracles.act_on_feature_map(g, f, group))


@pytest.mark.parametrize("group", ALL_GROUPS, ids=str)
def test_both_are_left_actions(group):
    image, f = torch.randn(2, 3, 4, 7), torch.randn(2, 3, group.order, 4, 7)
    for g, k in product(group.elements, repeat=2):
        assert torch.equal(act_on_image(g, act_on_image(k, image)), act_on_image(compose(g, k), image))
        twice = act_on_feature_map(g, act_on_feature_map(k, f, group), group)
        assert torch.equal(twice, act_on_feature_map(compose(g, k), f, group))


def test_translate_moves_right_and_up():
    f = torch.zeros(5, 5)
    f[2, 2] = 1
    assert translate((1, 2), f)[0, 3] == 1
    assert translate((1, 2), f).sum() == 1
    assert translate((3, 0), f).sum() == translate((0, -9), f).sum() == 0


def test_translations_and_turns_make_a_semidirect_product():
    """L_h L_t = L_{h·t} L_h, on a map whose content stays inside the frame."""
    f = torch.zeros(11, 11)
    f[4:7, 4:7] = torch.rand(3, 3)
    t = (2, -1)
    for h in D4.elements:
        moved = tuple(int(i) for i in matrix(h) @ t)
        assert torch.equal(act_on_image(h, translate(t, f)), translate(moved, act_on_image(h, f)))


def test_rotate_by_angle():
    f = torch.rand(2, 3, 9, 9)
    assert torch.equal(rotate_by_angle(90, f), act_on_image(Element(0, 1), f))
    assert torch.equal(rotate_by_angle(-90, f), act_on_image(Element(0, 3), f))
    nearly = rotate_by_angle(90 - 1e-4, f)  # interpolated, so both branches turn the same way about the same center
    torch.testing.assert_close(
        nearly[..., 1:-1, 1:-1], act_on_image(Element(0, 1), f)[..., 1:-1, 1:-1], rtol=0, atol=1e-3
    )


def test_rotate_by_angle_keeps_shapes_on_non_square_maps():
    f = torch.zeros(1, 1, 21, 41)
    f[0, 0, 10, 28] = 1  # 8 to the right of the center
    row, col = divmod(rotate_by_angle(30, f).flatten().argmax().item(), 41)
    assert (row, col) == (10 - round(8 * math.sin(math.pi / 6)), 20 + round(8 * math.cos(math.pi / 6)))


@pytest.mark.parametrize(
    "act, error, message",
    [
        (lambda: act_on_image(Element(0, 1), [[1]]), TypeError, "got list"),
        (lambda: act_on_image(Element(0, 1), torch.zeros(3)), ValueError, "(..., Y, X), got shape (3,)"),
        (lambda: act_on_feature_map(Element(0, 1), torch.zeros(2, 8, 3, 3), C4), ValueError, "length 8, but C4 has 4"),
        (lambda: act_on_feature_map(Element(0, 1), torch.zeros(2, 8, 3, 3), D4, D1), ValueError, "D4/D1 has 4"),
        (lambda: act_on_feature_map(Element(1, 0), torch.zeros(4, 3, 3), C4), ValueError, "not an element of C4"),
        (lambda: rotate_by_angle(45, torch.zeros(3, 3)), ValueError, "(B, C, Y, X)"),
        (
            lambda: act_on_feature_map(Element(0, 1), torch.zeros(3, 3), C4),
            ValueError,
            "(..., |H|, Y, X), got shape (3, 3)",
        ),
    ],
)
def test_errors_name_the_value(act, error, message):
    with pytest.raises(error, match=re.escape(message)):
        act()
