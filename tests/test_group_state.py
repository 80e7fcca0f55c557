"""The group is part of a layer's state: weights of one group are not loaded into another without a word."""

import copy
import io
import pickle

import pytest
import torch
from torch import nn

from course_lib import layers as L
from course_lib.groups import ALL_GROUPS, C1, C2, C4, D1, D2, D4, Group
from course_lib.layers.asc import AffineMap, FactorizedPositions
from course_lib.layers.encoded_attention import PositionEncoding
from course_lib.models import e4net, p4cnn, resnet18
from course_lib.training.checkpoint import weights_checksum

LAYERS = {
    "LiftingConv2d": lambda group: L.LiftingConv2d(group, 2, 2, 3),
    "GroupConv2d": lambda group: L.GroupConv2d(group, 2, 2, 3),
    "GSeparableConv2d": lambda group: L.GSeparableConv2d(group, 2, 2, 3),
    "GCSeparableConv2d": lambda group: L.GCSeparableConv2d(group, 2, 2, 3),
    "E4Layer": lambda group: L.E4Layer(group, 2, 2, 3, concat="none"),
    "AffineMap": lambda group: AffineMap(group, 2, 3),
    "FactorizedPositions": lambda group: FactorizedPositions(group, 2, 3, 1),
    "GroupSelfAttention2d": lambda group: L.GroupSelfAttention2d(group, 2, 2, 3),
    "PositionEncoding": lambda group: PositionEncoding(group, 3, group.order, 3),
    "AttentiveGroupConv2d": lambda group: L.AttentiveGroupConv2d(group, 2, 2, 3),
}
every_layer = pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)


@every_layer
@pytest.mark.parametrize("theirs, ours", [(C4, D2), (D2, C4), (C2, D1), (D1, C2)], ids=str)
@pytest.mark.parametrize("strict", [True, False])
def test_weights_of_a_group_of_the_same_order_are_refused(make, theirs, ours, strict):
    state, layer = make(theirs).state_dict(), make(ours)
    with pytest.raises(RuntimeError, match=f"are those of {theirs}, but the layer is built for {ours}"):
        layer.load_state_dict(state, strict=strict)
    assert layer.elements.tolist() == make(ours).elements.tolist()


@every_layer
@pytest.mark.parametrize("assign", [True, False])
def test_weights_of_the_same_group_are_loaded_with_or_without_it(make, assign):
    for group in ALL_GROUPS:
        for leave_out in ("", "elements"):
            source, target = make(group), make(group)
            state = {k: v for k, v in source.state_dict().items() if k != leave_out}
            target.load_state_dict(state, assign=assign)
            assert all(map(torch.equal, target.state_dict().values(), source.state_dict().values()))


def test_the_message_names_the_layers_of_a_network():
    with pytest.raises(RuntimeError) as raised:
        p4cnn(D2, 2).load_state_dict(p4cnn(C4, 2).state_dict())
    lines = [line for line in str(raised.value).splitlines() if "those of C4" in line]
    assert [line.split("weights of ")[1].split()[0] for line in lines] == [f"conv{i}" for i in range(1, 8)]
    assert "size mismatch" not in str(raised.value)


@pytest.mark.parametrize("build", [lambda: p4cnn(C4, 2), lambda: e4net(C4, 4), lambda: resnet18(D4, 2)])
def test_a_state_from_before_the_group_was_stored(build):
    net, new = build(), build()
    old = {name: value for name, value in net.state_dict().items() if not name.endswith("elements")}
    assert len(old) < len(net.state_dict())
    new.load_state_dict(old)
    assert weights_checksum(new) == weights_checksum(net)


def test_files_copies_and_pickles():
    net = p4cnn(C4, 2)
    torch.save(net.state_dict(), file := io.BytesIO())
    file.seek(0)
    state = torch.load(file, weights_only=True)
    p4cnn(C4, 2).load_state_dict(state)
    for strict in (True, False):
        with pytest.raises(RuntimeError, match="built for D2"):
            p4cnn(D2, 2).load_state_dict(dict(state), strict=strict)  # a copy without torch's own metadata, too
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert all(map(torch.equal, twin.state_dict().values(), net.state_dict().values()))


def test_the_group_stays_when_the_type_changes_and_after_meta():
    layer = L.GroupConv2d(D1, 2, 2, 3)
    assert layer.half().double().elements.tolist() == [0, 4]
    with torch.device("meta"):
        built = L.GroupConv2d(D1, 2, 2, 3)
    built = built.to_empty(device="cpu")
    built.reset_parameters()
    assert torch.equal(built.elements, layer.elements) and torch.equal(built.index, layer.index)
    assert built.bias.abs().sum() == 0 and 0 < built.weight.std() < 1


def test_another_group_is_named_by_its_elements():
    ours, theirs = L.LiftingConv2d(D2, 1, 1, 3), L.LiftingConv2d(D4.subgroups[3], 1, 1, 3)
    assert theirs.group.name.startswith("{")
    with pytest.raises(RuntimeError, match="those of " + theirs.group.name.replace("{", r"\{")):
        ours.load_state_dict(theirs.state_dict())
    state = ours.state_dict() | {"elements": torch.tensor([0, 9])}
    with pytest.raises(RuntimeError, match=r"another group, with elements 4m \+ r = \[0, 9\]"):
        ours.load_state_dict(state)


def test_norms_and_squeeze_and_excite_mean_the_same_for_every_group():
    for make in (L.GroupBatchNorm, L.GroupInstanceNorm, lambda group, c: L.GroupSqueezeExcite(group, c, 1)):
        make(D2, 3).load_state_dict(make(C4, 3).state_dict())


def test_a_wrapper_with_a_prefix():
    net = nn.Sequential(p4cnn(C1, 2))
    state = {f"module.{name}": value for name, value in net.state_dict().items()}
    nn.ModuleDict({"module": net}).load_state_dict(state)
    assert isinstance(net[0].conv1.group, Group)
