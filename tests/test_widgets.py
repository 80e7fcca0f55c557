"""The explorer: its frames are what one computes by hand, its page loads nothing, its errors are clear."""

import base64
import json
import re

import numpy as np
import pytest
import torch
from torch import nn

from course_lib.actions import act_on_feature_map, act_on_image, rotate_by_angle
from course_lib.figures.rings import draw_sheets
from course_lib.groups import C1, C2, C4, D4, Element
from course_lib.layers import CosetMaxPool, EquivariantSequential, GlobalMaxPool, GroupConv2d, LiftingConv2d
from course_lib.models import p4cnn
from course_lib.widgets import feature_map_explorer
from course_lib.widgets.export import standalone_html
from course_lib.widgets.frames import Turn, compute_frame, map_layers

NOISE = torch.rand(1, 1, 9, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
ORDERS, ROUNDING = 2, 0.51 / 255


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def small_net(group, classes=3):
    layers = [LiftingConv2d(group, 1, 4, 3), nn.ReLU(), GroupConv2d(group, 4, classes, 3), GlobalMaxPool(group)]
    return EquivariantSequential(*layers).double()


def ordinary_cnn():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ).double()


def stored_maps(widget, layer):
    """The bytes that the browser gets for a layer: (frame, channel, order, sheet, Y, X)."""
    sizes = [len(a["channels"]) * ORDERS * a["sheets"] * a["size"] ** 2 for a in widget.setup["layers"]]
    frames, about = len(widget.data["frames"]), widget.setup["layers"][layer]
    start = frames * sum(sizes[:layer])
    flat = np.frombuffer(widget.data["maps"], np.uint8)[start : start + frames * sizes[layer]]
    return flat.reshape(frames, len(about["channels"]), ORDERS, about["sheets"], about["size"], about["size"])


@pytest.mark.parametrize("group", [C4, D4], ids=str)
def test_what_is_sent_is_what_one_computes_directly(group):
    net = small_net(group)
    widget = feature_map_explorer(net, NOISE, layers=["0"])
    stored, channels = stored_maps(widget, 0), widget.setup["layers"][0]["channels"]
    with torch.no_grad():
        upright = net[0](NOISE)
        direct = [
            torch.stack([net[0](act_on_image(g, NOISE)), act_on_feature_map(g, upright, group)], dim=2)[0]
            for g in group.elements
        ]
    direct = torch.stack(direct)[:, channels].numpy()
    largest = np.abs(direct).max(axis=(0, 2, 3, 4, 5), keepdims=True)
    assert widget.data["signed"] == [[True] * len(channels)] and direct.min() < 0
    assert np.abs(stored / 255 - (direct + largest) / (2 * largest)).max() < ROUNDING
    names = [frame["name"] for frame in widget.data["frames"]]
    assert names == [str(g) for g in group.elements]


def test_maps_without_a_sign_run_from_zero_to_ink():
    net = EquivariantSequential(LiftingConv2d(C4, 1, 2, 3), nn.ReLU())
    widget = feature_map_explorer(net, NOISE.float(), layers=["1"])
    assert widget.data["signed"] == [[False] * len(widget.setup["layers"][0]["channels"])]
    ink, signed = np.frombuffer(widget.colors, np.uint8).reshape(2, 256, 3)
    assert (ink[0] == 255).all() and (signed[127:129] > 245).all() and (ink[255] < 50).all()
    assert stored_maps(widget, 0).min() == 0


def test_the_error_is_rounding_for_a_group_network_and_plain_for_an_ordinary_one():
    exact = feature_map_explorer(small_net(C4), NOISE).data["frames"]
    broken = feature_map_explorer(ordinary_cnn(), NOISE).data["frames"]
    assert max(max(frame["errors"]) for frame in exact) < 1e-12
    assert broken[0]["errors"] == [0, 0, 0]
    assert min(broken[1]["errors"]) > 0.01


def test_scores_are_the_networks_own_and_do_not_move_under_the_group():
    net = small_net(C4)
    widget = feature_map_explorer(net, NOISE)
    with torch.no_grad():
        expected = torch.softmax(net(NOISE)[0], dim=0)
    for frame in widget.data["frames"]:
        assert np.allclose(frame["scores"], expected)


def test_between_quarter_turns_maps_are_interpolated_and_sheets_move_as_under_the_nearest_element():
    f = torch.rand(1, 2, 4, 6, 6, dtype=torch.float64)
    turned = Turn(75).act(f, C4)
    permuted = f[:, :, C4.permutation(Element(0, 1))]
    assert torch.allclose(turned[:, 1], rotate_by_angle(75, permuted[:, 1]))
    assert str(Turn(75).nearest(C4)) == "r" and not Turn(75).is_element(C4)
    assert str(Turn(90).nearest(C2)) == "e" and str(Turn(120).nearest(C2)) == "r²" and Turn(180).is_element(C2)
    assert str(Turn(345, mirror=True).nearest(D4)) == "m"


@pytest.mark.parametrize("g", D4.elements, ids=str)
def test_a_turn_that_is_an_element_acts_as_the_element(g):
    f = torch.rand(1, 2, 8, 5, 5)
    turn = Turn(90 * g.r, bool(g.m))
    assert turn.is_element(D4) and str(turn) == str(g)
    assert torch.equal(turn.act(f, D4), act_on_feature_map(g, f, D4))


def test_normalised_and_rectified_layers_are_shown_once():
    widget = feature_map_explorer(p4cnn(C4, 4), torch.rand(28, 28))
    assert [layer["name"] for layer in widget.setup["layers"]] == [
        "relu1",
        "relu2",
        "pool",
        "relu3",
        "relu4",
        "relu5",
        "relu6",
        "conv7",
    ]


def test_coset_pooling_is_shown_on_the_cosets():
    net = EquivariantSequential(LiftingConv2d(D4, 1, 2, 3), CosetMaxPool(D4, C4)).double()
    widget = feature_map_explorer(net, NOISE)
    assert widget.setup["layers"][1]["names"] == ["e", "m"]
    assert max(max(frame["errors"]) for frame in widget.data["frames"]) < 1e-12
    assert widget.still().image


def test_the_first_channel_is_the_one_whose_sheets_differ_most():
    net = EquivariantSequential(LiftingConv2d(C4, 1, 3, 3, bias=False)).double()
    with torch.no_grad():
        net[0].weight[0] = 9.0  # the same after every turn
        net[0].weight[1] = torch.tensor([[0.0, 0, 1], [0, 0, 0], [0, 0, 0]])
        net[0].weight[2] = torch.tensor([[0.0, 0, 2], [0, 0, 0], [0, 0, 0]])
    (layer,) = feature_map_explorer(net, NOISE).setup["layers"]
    assert layer["channels"] == [2, 1, 0] and "difference between sheets" in layer["order"]
    (ordinary, _) = feature_map_explorer(ordinary_cnn(), NOISE, layers=["0", "1"]).setup["layers"]
    assert "how much they vary" in ordinary["order"]


def test_the_browser_learns_where_every_sheet_came_from():
    net = EquivariantSequential(LiftingConv2d(D4, 1, 2, 3), CosetMaxPool(D4, C4)).double()
    frames = feature_map_explorer(net, NOISE).data["frames"]
    by_name = {frame["name"]: frame["origins"] for frame in frames}
    assert by_name["r"] == [D4.permutation(Element(0, 1)), [0, 1]]
    assert by_name["m"] == [D4.permutation(Element(1, 0)), [1, 0]]


def test_the_still_picture_shows_where_the_sheets_of_both_orders_came_from(monkeypatch):
    drawn = []

    def note(axes, sheets, group, scale, origins, subgroup=None):
        drawn.append(list(origins))
        return draw_sheets(axes, sheets, group, scale, origins, subgroup)

    monkeypatch.setattr("course_lib.figures.maps.draw_sheets", note)
    widget = feature_map_explorer(EquivariantSequential(LiftingConv2d(C4, 1, 2, 3)).double(), NOISE)
    assert widget.degrees == 90 and widget.still().image
    assert drawn == [C4.permutation(Element(0, 1))] * ORDERS + [[]]  # a difference has no color


def test_a_still_picture_stands_beside_the_widget():
    widget = feature_map_explorer(ordinary_cnn(), NOISE)
    data, metadata = widget._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert "Relative equivariance error: 0." in data["text/plain"]
    assert metadata["image/png"]["alt"] == data["text/plain"]


def test_the_net_is_left_as_it_was():
    net = p4cnn(C4, 2).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    feature_map_explorer(net, torch.rand(28, 28))
    assert net.training and all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert not net.conv1._forward_hooks


def test_the_exported_fragment_loads_nothing_and_holds_the_state():
    widget = feature_map_explorer(small_net(C4), NOISE)
    html = standalone_html(widget)
    assert not re.search(r"""(src|href)\s*=|import\s*\(|import .* from|url\(|fetch\(|https?:""", html)
    assert base64.b64encode(widget.data["maps"]).decode() in html
    assert html.count("<script") == html.count("</script>") == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_sent_as_none(bad):
    net = small_net(C4)
    nn.init.constant_(net[2].weight, bad)
    widget = feature_map_explorer(net, NOISE)
    widget.layer = 1
    for frame in widget.data["frames"]:
        assert frame["errors"][0] < 1e-12 and frame["errors"][1] is None
        assert frame["scores"] == [None] * 3
    assert "equivariance error: not finite. Prediction: not finite." in widget.still().alt
    assert standalone_html(widget)  # its JSON allows no other numbers


def test_the_same_widget_gives_the_same_page_and_another_one_another():
    net = small_net(C4)
    first, again, other = (
        standalone_html(feature_map_explorer(net, image)) for image in (NOISE, NOISE, NOISE.flip(-1))
    )
    assert first == again != other


def test_the_state_can_be_sent():
    widget = feature_map_explorer(small_net(D4), NOISE.float(), step=45)
    json.dumps(widget.setup)
    json.dumps(widget.data["frames"])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"image": torch.rand(9)}, ValueError, r"got shape \(9,\)"),
        ({"image": torch.rand(2, 1, 9, 9)}, ValueError, r"one square image .* \(2, 1, 9, 9\)"),
        ({"image": torch.rand(9, 8)}, ValueError, r"square image .* \(9, 8\)"),
        ({"net": lambda x: x}, TypeError, r"nn\.Module.* function"),
        ({"net": nn.Flatten()}, ValueError, r"no layer of Flatten puts out square maps"),
        ({"layers": ["conv9"]}, ValueError, r"\['conv9'\].*choose from \['0', '1', '2'\]"),
        ({"step": 50}, ValueError, "divide 360, got 50"),
        ({"channels": 0}, ValueError, "at least 1, got 0"),
        ({"net": nn.Sequential(small_net(C4)[0], small_net(D4)[0])}, ValueError, r"different groups \['C4', 'D4'\]"),
        ({"image": torch.rand(500, 500), "step": 15}, ValueError, r"MB of maps .* a larger step"),
    ],
)
def test_bad_input_is_named(arguments, error, message):
    with pytest.raises(error, match=message):
        feature_map_explorer(**{"net": small_net(C4), "image": NOISE, **arguments})


def test_the_trivial_group_turns_its_only_sheet():
    net = small_net(C1)
    frame = compute_frame(net, NOISE, Turn(90), C1, map_layers(net, NOISE, C1))
    first, second = frame.maps["1"]
    assert first.shape == second.shape == (4, 1, 7, 7)
    assert frame.errors["1"] > 0.01
