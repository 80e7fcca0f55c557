"""Diagrams of layers: every shape is that of the real layer, and the picture says the same as its words."""

import re
import xml.etree.ElementTree as ET

import pytest
import torch
from torch import nn

from course_lib import layers
from course_lib.figures.diagram import SHEET, SMALL
from course_lib.figures.layer_diagrams import layer_diagram
from course_lib.figures.style import ELEMENT_COLORS
from course_lib.groups import C1, C4, D4

LAYERS = [
    layers.LiftingConv2d(C4, 3, 8, 5, padding=2),
    layers.GroupConv2d(C4, 8, 16, 3),
    layers.GroupConv2d(D4, 4, 2, 3, padding=1),
    layers.GSeparableConv2d(C4, 8, 16, 3, padding=1),
    layers.GCSeparableConv2d(C4, 8, 16, 3, padding=1),
    layers.GroupSelfAttention2d(C4, 8, 16, 5, heads=4),
    layers.E4Layer(C4, 16, 8, 5, slices=2, reduction=2),
    layers.E4Layer(C1, 4, 8, 3, concat="none"),
    layers.AffineSelfConv2d(C4, 16, 8, 5, heads=4),
]
FEW_WEIGHTS = {"bias", "norm.weight", "norm.bias", "kernel_bias"}  # too small to be drawn


def shape_text(shape):
    return "(" + ", ".join(map(str, shape)) + ")"


def svg_of(picture):
    return picture.image.decode()


def texts(svg):
    return [
        "".join(node.itertext()).replace("\u200b", "")
        for node in ET.fromstring(svg).iter()
        if node.tag.endswith("text")
    ]


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_every_shape_is_that_of_the_real_layer(layer):
    lifts = isinstance(layer, layers.LiftingConv2d)
    x = torch.randn(3, layer.in_channels, *(() if lifts else (layer.group.order,)), 14, 10)
    shown = texts(svg_of(layer_diagram(layer, 14, 10)))
    for real in (x, layer(x)):
        assert shape_text(["B", *real.shape[1:]]) in shown
    for name, parameter in layer.named_parameters():
        if name in FEW_WEIGHTS or name.endswith(".bias"):
            continue
        matrix = (
            parameter.shape[:2] if isinstance(layer, layers.GroupSelfAttention2d) and "." in name else parameter.shape
        )
        assert any(text.endswith(shape_text(matrix)) for text in shown), f"{name} {tuple(parameter.shape)}"


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_the_words_hold_every_shape_of_the_picture(layer):
    diagram = layer_diagram(layer)
    for text in texts(svg_of(diagram)):
        assert not text.startswith("(") or text in diagram.alt


def test_what_the_e4_layer_makes_on_the_way_is_shown():
    layer = layers.E4Layer(C4, 16, 8, 5, slices=2, reduction=2)
    alt = layer_diagram(layer, 14, 10).alt
    assert "kernels K, one at every g (B, 2, 4, 25, 14, 10)" in alt and "V (B, 8, 4, 14, 10)" in alt


def test_each_sheet_has_the_color_of_its_element():
    svg = svg_of(layer_diagram(layers.GroupConv2d(D4, 4, 2, 3, padding=1)))
    frames = re.findall(rf'width="{SHEET}" height="{SHEET}" fill="white" stroke="(#\w+)"', svg)
    assert frames == 2 * list(ELEMENT_COLORS.values())[::-1]


def first_frames(svg):
    """The colors of the sheets on top of the turned filters, from left to right."""
    return re.findall(rf'width="{SMALL}" height="{SMALL}" fill="white" stroke="(#\w+)" stroke-width="2"', svg)


def test_a_filter_with_sheets_is_turned_with_its_sheets_permuted_and_one_without_is_only_turned():
    e, r, r2, r3 = (ELEMENT_COLORS[h] for h in C4.elements)
    only_turned, also_permuted = [e, r, r2, r3], [e, r3, r2, r]  # on top lies the sheet h⁻¹
    assert first_frames(svg_of(layer_diagram(layers.LiftingConv2d(C4, 1, 2, 3)))) == only_turned
    assert first_frames(svg_of(layer_diagram(layers.E4Layer(C4, 16, 8, 5, slices=2)))) == only_turned
    assert first_frames(svg_of(layer_diagram(layers.GroupConv2d(C4, 8, 16, 3)))) == also_permuted
    assert first_frames(svg_of(layer_diagram(layers.GroupSelfAttention2d(C4, 8, 16, 5, heads=4)))) == also_permuted


def test_where_affine_self_convolution_sees_one_pixel_nothing_is_turned():
    picture = layer_diagram(layers.AffineSelfConv2d(C4, 16, 8, 5, heads=4))
    assert len(first_frames(svg_of(picture))) == 2 * C4.order  # of the keys and the values
    assert "A^Q: Σ ψ Q + β, over sheets, sheets of ψ permuted, ψ (8, 4, 1, 1)" in picture.alt


def test_boxes_above_each_other_do_not_touch():
    boxes = re.findall(
        r'<rect x="(\S+)" y="(\S+)" width="(\S+)" height="(\S+)" rx="7"', svg_of(layer_diagram(LAYERS[-1]))
    )
    boxes = [tuple(map(float, box)) for box in boxes]
    for x, y, width, height in boxes:
        for left, top, wide, high in boxes:
            is_other = (x, y) != (left, top) and x < left + wide and left < x + width
            assert not is_other or y + height + 6 < top or top + high + 6 < y


def test_a_letter_is_turned_as_its_element_says():
    svg = svg_of(layer_diagram(layers.LiftingConv2d(C4, 1, 2, 3)))
    assert [f"rotate({-90 * r})" in svg for r in (1, 2, 3)] == [True] * 3 and "scale(-1" not in svg
    assert svg_of(layer_diagram(layers.LiftingConv2d(D4, 1, 2, 3))).count("scale(-1 1)") == 4


def test_a_layer_without_a_diagram_is_named():
    with pytest.raises(TypeError, match="no diagram of Linear; there is one of LiftingConv2d, GroupConv2d"):
        layer_diagram(nn.Linear(1, 1))
