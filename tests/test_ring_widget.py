"""What the turning ring is given: maps of both networks in the four positions, errors and answers that are theirs."""

import copy

import numpy as np
import pytest
import torch
from traitlets import TraitError

from course_lib.actions import act_on_image
from course_lib.data import load_digits
from course_lib.experiments import trained
from course_lib.groups import C4, D2, Element
from course_lib.models import p4cnn
from course_lib.widgets import turning_ring
from course_lib.widgets.ring import STEP, watch

TWO = load_digits().test.images[2:3]
P4, ORDINARY = trained("upright-p4cnn"), trained("upright-cnn")


def test_sheets_of_a_p4_network_travel_and_those_of_an_ordinary_one_have_no_place_to_go():
    p4, ordinary = watch(P4, TWO), watch(ORDINARY, TWO)
    assert p4.travels and not ordinary.travels
    assert p4.maps.shape[:2] == ordinary.maps.shape[:2] == (4, 4)
    assert max(p4.errors) < 1e-5 and min(ordinary.errors[1:]) > 0.1
    r = Element(0, 1)
    assert torch.allclose(p4.maps[1], act_on_image(r, p4.maps[0][C4.permutation(r)]), atol=1e-5)


def test_the_sheets_that_are_shown_differ_plainly():
    sheets = watch(P4, TWO).maps[0].flatten(1)
    alike = torch.corrcoef(sheets)[~torch.eye(4, dtype=torch.bool)]
    assert alike.max() < 0.9 and alike.mean() < 0.5


def test_answers_are_those_of_the_network_at_every_angle():
    scores = torch.tensor(watch(P4, TWO).scores)
    assert scores.shape == (360 // STEP, 10) and torch.allclose(scores.sum(1), torch.ones(360 // STEP), atol=1e-5)
    quarters = scores[:: 90 // STEP]
    assert torch.allclose(quarters, quarters[:1].expand(4, -1), atol=1e-5) and (quarters.argmax(1) == 2).all()


def test_the_widget_holds_both_networks_and_a_still_picture():
    widget = turning_ring({"p4": P4, "ordinary": ORDINARY}, TWO)
    first, second = widget.networks
    assert [first["name"], second["name"]] == ["p4", "ordinary"]
    assert len(first["maps"]) == 4 * 4 * first["size"] ** 2 and np.frombuffer(first["maps"], np.uint8).max() == 255
    data, _ = widget._repr_mimebundle_()
    assert "image/png" in data and "turns by r and moves" in data["text/plain"]


def test_what_it_cannot_show_is_named():
    with pytest.raises(ValueError, match=r"one square image .* got shape \(1, 28, 28\)"):
        turning_ring({"p4": P4}, TWO[0])
    with pytest.raises(ValueError, match="plain has no layer 'relu1'"):
        turning_ring({"plain": torch.nn.Conv2d(1, 4, 3)}, TWO)
    with pytest.raises(ValueError, match="d2 is a network on D2"):  # it has four sheets, too, but not those of C4
        turning_ring({"d2": p4cnn(D2, 2)}, TWO)
    broken = copy.deepcopy(P4)
    broken.conv7.bias.data.fill_(torch.nan)
    with pytest.raises(ValueError, match="answers are no numbers"):
        turning_ring({"broken": broken}, TWO)


def test_it_is_turned_within_a_turn():
    ring = turning_ring({"p4": P4}, TWO)
    with pytest.raises(TraitError, match="degrees"):
        ring.degrees = 400
    ring.degrees = 90
    assert ring.degrees == 90 and ring.network == 0
