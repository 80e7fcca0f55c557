"""Counts by formula against the tensors, against PyTorch's counter, and against the papers' tables."""

import pytest
import torch
from torch import nn

from course_lib import layers as L
from course_lib.counting import (
    attention_parameters,
    count_layers,
    e4_macs,
    e4_weights,
    executed_macs,
    factored_form,
    filter_weights,
)
from course_lib.experiments import ROTATED_MNIST
from course_lib.experiments.rules import aggregation_macs, macs_of_products
from course_lib.groups import ALL_GROUPS, C1, C4, D4
from course_lib.layers.cost import Cost
from course_lib.models import p4cnn, p4cnn_linear
from layer_helpers import every_group

IMAGE = torch.zeros(1, 1, 28, 28)
TABLE_1 = {(row.name, row.width): row for row in ROTATED_MNIST if row.macs}
EXPECTED = {  # parameters, multiply-accumulates by the paper's rule
    ("Z2CNN", 20): (25_210, 2_979_480),
    ("c-Z2CNN", 57): (25_603, 3_331_023),
    ("P4CNN", 10): (24_810, 11_673_860),
    ("g-P4CNN", 10): (8_910, 4_369_860),
    ("gc-P4CNN", 10): (3_420, 1_798_020),
    ("g-P4CNN", 17): (25_255, 12_339_178),
    ("gc-P4CNN", 30): (24_640, 13_006_860),
}


def totals(net):
    counts = count_layers(net, IMAGE)
    return sum(c.parameters for c in counts), sum(c.macs for c in counts)


def test_all_rows_of_table_1_are_there():
    assert TABLE_1.keys() == EXPECTED.keys()


@pytest.mark.parametrize("key", EXPECTED, ids=str)
def test_counts_of_table_1(key):
    net = TABLE_1[key].build()
    assert totals(net) == EXPECTED[key]
    assert sum(p.numel() for p in net.parameters()) == EXPECTED[key][0]


@pytest.mark.parametrize("key", EXPECTED, ids=str)
def test_counts_agree_with_print(key):
    """To the printed digits; only for c-Z2CNN print does not follow the rule, see below."""
    row, (parameters, macs) = TABLE_1[key], EXPECTED[key]
    assert abs(parameters - row.parameters) <= 5
    if row.name != "c-Z2CNN":
        assert abs(macs - row.macs) <= 5_000


def test_c_z2cnn_is_printed_as_executed():
    """Its pointwise steps are charged at the size of the input, and come out 0.5 % lower than printed."""
    row = TABLE_1["c-Z2CNN", 57]
    assert executed_macs(row.build(), IMAGE) == 4_120_530
    assert round(100 * (4_120_530 / row.macs - 1), 1) == -0.5


@pytest.mark.parametrize(
    "key, million",
    [(("g-P4CNN", 10), 4.76), (("gc-P4CNN", 10), 2.19), (("g-P4CNN", 17), 13.46), (("gc-P4CNN", 30), 16.51)],
    ids=str,
)
def test_factored_form_as_executed_costs_more_than_the_formula(key, million):
    net = TABLE_1[key].build()
    with factored_form(net):
        assert round(executed_macs(net, IMAGE) / 1e6, 2) == million
    assert "forward" not in vars(net.conv2)


@pytest.mark.parametrize("key", [("Z2CNN", 20), ("P4CNN", 10)], ids=str)
def test_full_convolutions_execute_what_the_formula_says(key):
    assert executed_macs(TABLE_1[key].build(), IMAGE) == EXPECTED[key][1]


@pytest.mark.parametrize("key", [("g-P4CNN", 10), ("g-P4CNN", 17)], ids=str)
def test_g_layers_run_in_full_form_unless_told_otherwise(key):
    assert executed_macs(TABLE_1[key].build(), IMAGE) == executed_macs(p4cnn_linear(C4, key[1]), IMAGE)


@pytest.mark.parametrize("group, width, parameters", [(C1, 20, 21_750), (C4, 10, 24_680)], ids=str)
def test_counts_of_the_layout_without_a_linear_layer(group, width, parameters):
    net = p4cnn(group, width)
    assert totals(net)[0] == parameters
    assert totals(net)[1] == executed_macs(net, IMAGE)


@pytest.mark.parametrize("group", ALL_GROUPS, ids=str)
@pytest.mark.parametrize("conv", [L.GroupConv2d, L.GSeparableConv2d, L.GCSeparableConv2d])
@pytest.mark.parametrize("options", [{}, {"bias": False}, {"stride": 2, "padding": 1}], ids=str)
def test_every_layer_of_every_group(group, conv, options):
    layer = conv(group, 3, 5, 3, **options)
    x = torch.zeros(2, 3, group.order, 7, 9)
    (count,) = count_layers(layer, x)
    assert count.parameters == sum(p.numel() for p in layer.parameters())
    weights = count.parameters - 5 * (layer.bias is not None)
    assert count.macs == weights * layer(x)[0, 0].numel()


def test_padded_separable_layers_execute_what_the_formula_says():
    """The formula assumes 'same' padding, where input and output have one size."""
    for conv in (L.GSeparableConv2d, L.GCSeparableConv2d):
        layer, x = conv(D4, 3, 5, 3, padding="same"), torch.zeros(1, 3, 8, 6, 6)
        with factored_form(layer):
            assert executed_macs(layer, x) == count_layers(layer, x)[0].macs


def test_counting_leaves_the_network_as_it_was():
    net = p4cnn(C4, 2).train()
    net.norm2.eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    count_layers(net, torch.randn(3, 1, 28, 28)), executed_macs(net, torch.randn(3, 1, 28, 28))
    assert net.training and net.norm1.training and not net.norm2.training
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert not any(layer._forward_hooks for layer in net.modules())


def test_errors_name_the_value():
    with pytest.raises(ValueError, match="'full', 'g' or 'gc', got 'c'"):
        filter_weights("c", 1, 1, 4, 3)
    with pytest.raises(TypeError, match=r"no formula for a PReLU; give it a method cost\(values\)"):
        count_layers(nn.PReLU(), IMAGE)


@pytest.mark.parametrize("group", ALL_GROUPS, ids=str)
def test_e4_weights_are_the_layers(group):
    layer = L.E4Layer(group, 6, 4, 5, slices=2, reduction=3)
    norm_and_bias = 2 * 2 + 5 * 5 * 2
    assert sum(p.numel() for p in layer.parameters()) == e4_weights(6, 4, group.order, 5, 2, 3) + norm_and_bias


@pytest.mark.parametrize("order, k, s, r", [(4, 5, 2, 1), (8, 3, 4, 2), (1, 7, 1, 4)])
def test_e4_formulas_are_those_of_section_4_2(order, k, s, r):
    c, pixels = 16, 28 * 20
    assert e4_weights(c, c, order, k, s, r) == c**2 * order * (1 + 1 / r) + c * s * k**2 / r
    per_pixel = (1 + 1 / r) * c**2 * order**2 + (1 + s / r) * k**2 * c * order
    assert e4_macs(c, c, order, k, s, r, 28, 20) == per_pixel * pixels


WITH_WEIGHTS = {
    "lift": lambda group: L.LiftingConv2d(group, 3, 6, 3, padding=1),
    "full": lambda group: L.GroupConv2d(group, 3, 6, 3, bias=False),
    "g": lambda group: L.GSeparableConv2d(group, 3, 6, 3, padding="same"),
    "gc": lambda group: L.GCSeparableConv2d(group, 3, 6, 3, pointwise_bias=True),
    "batch norm": lambda group: L.GroupBatchNorm(group, 3),
    "instance norm": lambda group: L.GroupInstanceNorm(group, 3),
    "norm per element": lambda group: L.GroupInstanceNorm(group, 3, "per_element", allow_approximate=True),
    "e4": lambda group: L.E4Layer(group, 3, 6, 3, slices=2, reduction=3),
    "e4 alone": lambda group: L.E4Layer(group, 3, 6, 3, concat="none"),
    "asc": lambda group: L.AffineSelfConv2d(group, 3, 6, 5, heads=2),
    "simple": lambda group: L.SimpleAffineSelfConv2d(group, 3, 6, 3),
    "sasa": lambda group: L.StandAloneSelfAttention2d(group, 3, 6, 3, heads=2),
    "attention": lambda group: L.GroupSelfAttention2d(group, 3, 6, 3, heads=3),
    "encoded attention": lambda group: L.EncodedSelfAttention2d(group, 3, 6, 3, heads=2),
    "lifting attention": lambda group: L.LiftingSelfAttention2d(group, 3, 6, 3, heads=2),
    "attentive": lambda group: L.AttentiveGroupConv2d(group, 3, 6, 3, reduction=1),
    "attentive lift": lambda group: L.AttentiveLiftingConv2d(group, 3, 6, 3, reduction=1),
    "squeeze": lambda group: L.GroupSqueezeExcite(group, 3, 3),
}
ATTENTION = {"asc": L.AffineSelfConv2d, "simple": L.SimpleAffineSelfConv2d, "sasa": L.StandAloneSelfAttention2d}


def costs(layer, group):
    lifts = L.LiftingConv2d | L.LiftingSelfAttention2d | L.AttentiveLiftingConv2d
    shape = (2, 3, 7, 8) if isinstance(layer, lifts) else (2, 3, group.order, 7, 8)
    return count_layers(layer, torch.zeros(shape))


@every_group
@pytest.mark.parametrize("make", WITH_WEIGHTS.values(), ids=WITH_WEIGHTS)
def test_a_layer_knows_how_many_parameters_it_has(make, group):
    layer = make(group)
    assert sum(c.parameters for c in costs(layer, group)) == sum(p.numel() for p in layer.parameters())


@every_group
@pytest.mark.parametrize("kind, layer", [("full", "full"), ("g", "g"), ("gc", "gc")])
def test_convolutions_cost_what_the_papers_formula_says(kind, layer, group):
    (cost,) = costs(WITH_WEIGHTS[layer](group), group)
    pixels = 7 * 8 if kind == "g" else 5 * 6
    assert cost.macs == filter_weights(kind, 3, 6, group.order, 3) * group.order * pixels
    assert cost.aggregation == cost.norm == 0


@every_group
def test_e4_costs_what_the_papers_formula_says(group):
    layer_costs = costs(WITH_WEIGHTS["e4"](group), group)
    assert {c.name for c in layer_costs} == {"", "squeeze", "norm", "encoder"}
    assert sum(c.macs + c.aggregation for c in layer_costs) == e4_macs(3, 6, group.order, 3, 2, 3, 7, 8)
    assert sum(c.norm for c in layer_costs) == 5 * 1 * group.order * 7 * 8


@every_group
@pytest.mark.parametrize("kind", ["asc", "simple", "sasa"])
def test_attention_has_the_parameters_of_the_papers_formula(kind, group):
    layer = ATTENTION[kind](group, 6, 6, 3, heads=3)
    counts = count_layers(layer, torch.zeros(1, 6, group.order, 4, 4))
    assert sum(c.parameters for c in counts) == attention_parameters(kind, 6, group.order, 3)


@every_group
def test_attention_on_the_group_meets_every_neighbor_twice(group):
    """Once for its score, once in the weighted sum; the three embeddings are the only matrix products."""
    layer, x = WITH_WEIGHTS["attention"](group), torch.zeros(1, 3, group.order, 7, 8)
    values = 6 * group.order * 7 * 8
    assert aggregation_macs(layer, x) == 2 * 9 * group.order * values
    assert macs_of_products(layer, x) == 3 * 3 * values == sum(c.macs for c in count_layers(layer, x))


@every_group
@pytest.mark.parametrize("kind", ["attentive", "attentive lift"])
def test_an_attentive_convolution_executes_what_its_formula_says(kind, group):
    """Both statistics go through v together, as it is linear: hence two products with u, and one with v."""
    layer, x = WITH_WEIGHTS[kind](group), torch.zeros(1, 3, *([group.order] if kind == "attentive" else []), 7, 8)
    (cost,) = count_layers(layer, x)
    assert cost.macs == macs_of_products(layer, x)


@every_group
@pytest.mark.parametrize("kind, sheets", [("encoded attention", None), ("lifting attention", 1)])
def test_encoded_attention_meets_every_neighbor_twice(kind, sheets, group):
    layer, x = WITH_WEIGHTS[kind](group), torch.zeros(1, 3, *([group.order] if sheets is None else []), 7, 8)
    inner = 2 * 3 * group.order * 7 * 8
    assert aggregation_macs(layer, x) == 2 * 9 * (sheets or group.order) * inner
    matrices = 3 * 3 * 6 * (sheets or group.order) * 56 + 6 * 6 * group.order * 56
    assert macs_of_products(layer, x) == matrices
    positions = 2 * 3 * (16 + 16)  # the networks of three rows and three columns
    assert sum(c.macs for c in count_layers(layer, x)) == matrices + positions


def test_a_layer_of_ones_own_says_what_it_costs():
    class Gain(nn.Module):
        def __init__(self):
            super().__init__()
            self.gain = nn.Parameter(torch.ones(4))

        def forward(self, x):
            return self.gain * x

        def cost(self, values):
            return Cost(4, aggregation=values)

    counts = count_layers(nn.Sequential(Gain(), nn.Linear(4, 2)), torch.zeros(3, 4))
    assert [(c.name, c.parameters, c.macs, c.aggregation) for c in counts] == [("0", 4, 0, 4), ("1", 10, 8, 0)]


@pytest.mark.parametrize("net", [nn.Conv2d(2, 4, 3, 2, groups=2), nn.Conv3d(2, 4, (3, 1, 2), bias=False)], ids=str)
def test_plain_convolutions_execute_what_the_formula_says(net):
    x = torch.zeros(1, 2, *[6] * (net.weight.ndim - 2))
    (cost,) = count_layers(net, x)
    assert cost.macs == executed_macs(net, x) and cost.parameters == sum(p.numel() for p in net.parameters())
