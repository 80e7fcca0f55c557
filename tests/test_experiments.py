"""The papers' tables: every count that agrees with print, every row buildable, and how tables are shown."""

import pickle
import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from course_lib.counting import e4_macs, executed_macs
from course_lib.exercises import ex10_comparing
from course_lib.experiments import (
    TABLES,
    Printed,
    Recipe,
    Row,
    find,
    find_architecture,
    find_table,
    table_markdown,
    variant,
)
from course_lib.experiments.exactness import exactness, exactness_markdown, invariance_error
from course_lib.experiments.markdown import difference, operations_text, percent_text, pipe_table
from course_lib.experiments.row import as_printed
from course_lib.experiments.rules import BY_FORMULA, EXECUTED, aggregation_macs, macs_and_norms, macs_of_products
from course_lib.groups import C1, C4, D4
from course_lib.layers import (
    AffineSelfConv2d,
    E4Layer,
    GroupBatchNorm,
    GroupConv2d,
    GroupInstanceNorm,
    SimpleAffineSelfConv2d,
    StandAloneSelfAttention2d,
)
from course_lib.models import allcnn
from course_lib.reports.hours import results_page

ROWS = [row for table in TABLES.values() for row in table.rows]
# Parameters and operations that round to what is printed; the operations None where none are printed or they differ.
AGREEING = {
    "z2cnn": (25_210, 2_979_480),
    "c-z2cnn": (25_603, None),
    "p4cnn": (24_810, 11_673_860),
    "g-p4cnn": (8_910, 4_369_860),
    "gc-p4cnn": (3_420, 1_798_020),
    "g-p4cnn-17": (25_255, 12_339_178),
    "gc-p4cnn-30": (24_640, 13_006_860),
    "all-cnn": (1_372_254, None),
    "p4-all-cnn": (1_371_006, None),
    "p4m-all-cnn": (1_219_678, None),
    "resnet44-cohen": (2_639_434, None),
    "p4m-resnet44-cohen": (2_622_878, None),
    "resnet44": (2_639_434, None),
    "p4m-resnet44": (2_622_878, None),
    "g-p4m-resnet44": (1_782_381, None),
    "gc-p4m-resnet44": (1_884_270, None),
    "r18": (11_173_962, 555_422_720),
    "p4-r18": (11_165_738, None),
    "resnet29": (313_114, None),
    "resnet29-se": (346_798, None),
    "p4-resnet29-se": (342_234, None),
    "resnet29-sasa": (235_162, None),
    "resnet29-simple-asc": (217_354, None),
    "resnet29-asc": (267_754, None),
    "resnet29-asc-se": (301_438, None),
    "p4-resnet29-asc": (271_842, None),
    "resnet29-cifar100": (336_244, None),
    "p4-resnet29-cifar100": (320_748, None),
    "p4-resnet29-se-cifar100": (353_844, None),
    "resnet29-simple-asc-cifar100": (240_484, None),
    "resnet29-asc-cifar100": (290_884, None),
    "p4-resnet29-asc-cifar100": (283_452, None),
    "alpha-p4cnn": (73_130, 27_019_360),
    "dren": (24_560, None),
}
# Counts that are not printed, or that no recipe makes agree: parameters, and operations in millions.
OTHERS = {
    "z2cnn-cohen": (21_750, None),
    "p4cnn-cohen": (24_680, None),
    "p4cnn-rotation-pooling-cohen": (21_750, 11.90),
    "p4-resnet29": (309_138, None),
    "p4-r18": (11_165_738, 2973.11),
    "p4m-r18": (10_552_992, 5619.21),
    "e4net": (18_118, 16.22),
    "e4net-released": (18_694, 16.22),
    # Printed nowhere; they would change if a map were halved in another place, or attention counted twice.
    "all-cnn": (1_372_254, 281.17),
    "resnet44": (2_639_434, 388.86),
    "resnet29": (313_114, 47.11),
    "p4-resnet29-asc": (271_842, 165.51),
    "p4-sa": (44_428, 54.09),
    "a-p4cnn": (20_746, 9.63),
    "dren": (24_560, 11.67),
    "sfcnn-c8": (127_727, 245.76),
}
RESNET83 = {
    "resnet83": 869_530,
    "resnet83-se": 970_582,
    "p4-resnet83": 861_522,
    "p4-resnet83-se": 960_810,
    "resnet83-sasa": 635_674,
    "resnet83-simple-asc": 582_250,
    "resnet83-asc": 733_450,
    "resnet83-asc-se": 834_502,
    "p4-resnet83-asc": 749_634,
}
RELEASED = {  # the released layout of E4-Net: parameters, and operations in millions
    "e4net": (18_694, 16.22),
    "e4net-s1": (16_144, 14.10),
    "e4net-s4": (23_794, 20.45),
    "e4net-r2": (12_838, 11.18),
    "e4net-r4": (9_910, 8.66),
    "e4net-k3": (15_430, 13.51),
    "e4net-k7": (23_590, 20.28),
    "e4net-concat-k": (14_086, 12.15),
    "e4net-concat-v": (14_086, 12.15),
    "e4net-concat-none": (9_478, 8.09),
    "e4net-large": (40_852, 35.63),
}


@pytest.mark.parametrize("key", AGREEING)
def test_counts_that_agree_with_print(key):
    row, (parameters, macs) = find(key), AGREEING[key]
    counts = row.counts()
    assert counts.parameters == parameters and row.parameters.agrees_with(parameters)
    if macs:
        assert counts.macs == macs and row.macs.agrees_with(macs)


@pytest.mark.parametrize("key", OTHERS)
def test_other_counts(key):
    counts, (parameters, millions) = find(key).counts(), OTHERS[key]
    assert counts.parameters == parameters
    assert millions is None or round(counts.macs / 1e6, 2) == millions


@pytest.mark.parametrize("key", RESNET83)
def test_parameters_of_resnet83(key):
    assert sum(p.numel() for p in find(key).build().parameters()) == RESNET83[key]


@pytest.mark.parametrize("key", RELEASED)
def test_released_layout_of_e4net(key):
    row, (parameters, millions) = find(key), RELEASED[key]
    counts = row.other_counts()["released layout"]
    assert (counts.parameters, round(counts.macs / 1e6, 2)) == (parameters, millions)
    assert 0.004 <= 1 - parameters / row.parameters <= 0.045  # what the table's note says
    assert 0.03 <= 1 - counts.macs / row.macs <= 0.095


def test_other_readings_of_e4():
    readme = find("e4net-large").other_counts()["as in the README's command"]
    assert readme.parameters == 45_514
    p4 = find("p4-e4r18").other_counts()
    assert (p4["released layout"].parameters, round(p4["released layout"].macs / 1e9, 3)) == (6_343_178, 2.042)
    fitting = p4["r = 4, 8 channels per slice"]
    assert find("p4-e4r18").parameters.agrees_with(fitting.parameters) and round(fitting.macs / 1e9, 3) == 1.942
    p4m = find("p4m-e4r18").other_counts()
    assert (p4m["released layout"].parameters, round(p4m["released layout"].macs / 1e9, 3)) == (5_809_572, 3.787)
    fitting = p4m["1 channel per slice"]
    assert (fitting.parameters, round(fitting.macs / 1e9, 3)) == (5_997_672, 3.859)
    assert find("p4m-e4r18").parameters.agrees_with(fitting.parameters)


def test_both_readings_of_the_resnet44_baselines_agree_with_print():
    for key in ("resnet44", "p4m-resnet44"):
        (other,) = find(key).other_counts().values()
        assert find(key).parameters.agrees_with(other.parameters)


@pytest.mark.parametrize(
    "key, millions", [("g-p4cnn", 4.76), ("gc-p4cnn", 2.19), ("g-p4cnn-17", 13.46), ("gc-p4cnn-30", 16.51)]
)
def test_separable_layers_execute_more_than_the_formula_says(key, millions):
    assert round(find(key).counts().executed / 1e6, 2) == millions > find(key).macs / 1e6


def test_aggregation_is_what_the_formula_of_e4_has_beyond_matrices():
    layer, x = E4Layer(D4, 6, 9, 3, slices=3, reduction=2), torch.zeros(2, 6, 8, 5, 4)
    assert macs_of_products(layer, x) + aggregation_macs(layer, x) == e4_macs(6, 9, 8, 3, 3, 2, 5, 4)


@pytest.mark.parametrize(
    "layer, per_value",
    [
        (AffineSelfConv2d, (2 + 2 * 4) * 9 + 4),
        (SimpleAffineSelfConv2d, (2 + 4) * 9),
        (StandAloneSelfAttention2d, 2 * 9),
    ],
)
def test_aggregation_of_attention(layer, per_value):
    x = torch.zeros(2, 3, 4, 6, 5)
    attention = layer(C4, 3, 2, 3)
    assert aggregation_macs(attention, x) == per_value * 2 * 4 * 30
    weights = sum(p.numel() for name, p in attention.named_parameters() if name.endswith("weight"))
    assert macs_of_products(attention, x) == weights * 4 * 30
    assert "forward" not in vars(attention)


def test_norms_are_charged_by_the_value():
    net = nn.Sequential(GroupConv2d(C4, 2, 3, 1), GroupBatchNorm(C4, 3), GroupInstanceNorm(C4, 3))
    x = torch.zeros(2, 2, 4, 5, 6)
    assert macs_and_norms(net, x) - executed_macs(net, x) == (2 + 5) * 3 * 4 * 30


def test_what_the_notes_of_the_rivals_say():
    counts = find("p4-sa").counts()
    sheets = sum(4 * more for more in [16 - 4] * 5)  # the group's vectors, in each of the five blocks
    assert find("p4-sa").parameters.agrees_with(counts.parameters + sheets) and counts.parameters + sheets == 44_668
    assert round((counts.executed + counts.aggregation) / 1e6) == 184
    assert sum(p.numel() for p in find("a-p4cnn").network(C4, 10, classes=10).parameters()) == 24_851
    widths = {w: find("a-p4cnn").network(C4, w, classes=10) for w in (8, 9, 10)}
    sizes = {w: sum(p.numel() for p in net.parameters()) for w, net in widths.items()}
    assert min(sizes, key=lambda w: abs(sizes[w] - find("a-p4cnn").parameters)) == 9


def test_every_difference_from_print_is_explained():
    for table in TABLES.values():
        for row in table.rows:
            if row.key in AGREEING or row.parameters is None:
                continue
            counts = row.counts()
            agrees = row.parameters.agrees_with(counts.parameters)
            assert agrees or row.note or "print" in table.note, row.key


@pytest.mark.slow
def test_the_page_of_results_is_what_the_files_say():
    """Here, since the rows that it counts are those that are counted above."""
    folder = Path(__file__).parents[1] / "data" / "results"
    written, made = (folder / "README.md").read_text(), results_page(folder)
    assert written == made, "run `python -m course_lib results --write`"


def test_keys_are_unique_and_found():
    assert len({row.key for row in ROWS}) == len(ROWS) == 82
    assert all(find(row.key) is row for row in ROWS)
    assert all(key == table.key and find_table(key) is table for key, table in TABLES.items())


def test_unknown_names_are_answered_with_the_near_ones():
    with pytest.raises(LookupError, match="no row 'gc-p4cn'; did you mean 'gc-p4cnn'"):
        find("gc-p4cn")
    with pytest.raises(LookupError, match="no table 'rotated'; did you mean 'rotated-mnist'"):
        find_table("rotated")
    with pytest.raises(LookupError, match="'p4cnn_linear, gg'; did you mean .*'p4cnn_linear, g'"):
        find_architecture("p4cnn_linear", "gg")
    with pytest.raises(LookupError, match="there are rotated-mnist, cifar10"):
        find_table("#")


@pytest.mark.parametrize(
    "row", [row for row in ROWS if "83" not in row.key and row.recipe.dataset != "cifar100"], ids=lambda row: row.key
)
def test_recipes_make_sense(row):
    recipe = row.recipe
    assert recipe.test in (10_000, 50_000) and 0 < recipe.train + recipe.validation <= 50_000
    assert sorted(recipe.milestones) == list(recipe.milestones) and all(m < recipe.epochs for m in recipe.milestones)
    assert bool(recipe.milestones) == (recipe.factor < 1) and recipe.warmup < recipe.epochs
    assert (recipe.optimizer == "sgd") == (recipe.momentum > 0)


def test_a_row_builds_a_network_for_its_images():
    for key in ("gc-p4cnn", "resnet29-cifar100", "e4net"):
        row = find(key)
        with torch.no_grad():
            scores = row.build().eval()(torch.zeros(1, *row.recipe.image_shape))
        assert scores.shape == (1, row.recipe.classes)
    assert find("gc-p4cnn").build(classes=7)(torch.zeros(2, 1, 28, 28)).shape == (2, 7)


def test_counting_uses_up_no_random_numbers():
    row = replace(find("gc-p4cnn"), width=3)
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    row.counts()
    assert torch.rand(1) == expected


def test_a_variant_has_the_recipe_but_no_published_figures():
    row = variant(find("gc-p4m-resnet44"), C4, 5)
    assert (row.group, row.width, row.layer, row.architecture) == (C4, 5, "gc", "resnet44")
    assert (row.parameters, row.macs, row.percent, row.deviation, row.source, row.note) == (None,) * 4 + ("", "")
    assert row.key == "gc-p4m-resnet44-C4-5" and row.recipe == find("gc-p4m-resnet44").recipe
    assert variant(find("p4cnn"), D4).width == find("p4cnn").width
    assert re.fullmatch(r"resnet44-D4(-\d+)+", variant(find("resnet44"), D4).key), "several widths make one word"


def test_a_variant_without_a_change_is_the_row():
    row = find("p4cnn")
    assert variant(row) is variant(row, C4, 10) is row


def test_an_architecture_is_found_on_the_group_of_most_nearly_as_many_elements():
    found = [find_architecture("p4cnn_linear", "full", group).key for group in (None, C1, C4, D4)]
    assert found == ["z2cnn", "z2cnn", "p4cnn", "p4cnn"]
    assert find_architecture("p4cnn").key == "p4cnn-cohen"


def test_printed_counts_remember_their_rounding():
    printed = Printed("25.21k")
    assert printed == 25_210 and str(printed) == repr(printed) == "25.21k"
    assert printed.agrees_with(25_214) and printed.agrees_with(25_205) and not printed.agrees_with(25_216)
    assert Printed("11M").agrees_with(11_400_000) and not Printed("11M").agrees_with(11_600_000)
    assert Printed("0.56G") == 560_000_000
    assert as_printed("33k", "1.69") == {"parameters": 33_000, "percent": 1.69}
    assert as_printed("1.2M / 3G", "5 ± 0.1") == {"parameters": 1.2e6, "macs": 3e9, "percent": 5, "deviation": 0.1}


def test_accuracies_become_errors():
    row = find("resnet29")
    assert (row.percent, row.measure, row.error) == (91.18, "accuracy", 8.82)
    assert find("p4cnn").error == 2.23 and find("resnet83").error is None


def test_words_for_numbers():
    assert [operations_text(n) for n in (1_798_020, 555_422_720, 2_973_108_736)] == ["1.80M", "555.42M", "2.973G"]
    assert [difference(n, Printed("2.0k")) for n in (2_049, 2_100, 1_900)] == ["=", "+5.0 %", "−5.0 %"]
    assert difference(1, None) == ""
    assert [percent_text(*f) for f in ((2.2, 0.061), (9.44, None), (None, None))] == ["2.20 ± 0.061", "9.44", "–"]
    assert pipe_table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"


def test_a_table_shows_computed_beside_printed_and_the_reasons():
    text = table_markdown("rotated-mnist")
    lines = {line.split(" | ")[0].strip("| `"): line for line in text.splitlines() if line.startswith("| `")}
    assert list(lines) == [row.key for row in TABLES["rotated-mnist"].rows]
    assert "| 3,420 = | 3.42k | 1.80M = | 1.80M | 2.88 ± 0.169 | 2.19M |" in lines["gc-p4cnn"]
    assert "4.12M −0.5 % | 4.14M" in lines["c-z2cnn"] and "- `c-z2cnn`: " in text
    assert (
        "aggregation" not in text and "*SFCNN*, quoted" in text and BY_FORMULA.words in text and EXECUTED.words in text
    )
    assert len({line.count("|") for line in text.splitlines() if line.startswith("|")}) == 1


def test_a_table_of_dynamic_layers_shows_what_pytorch_does_not_count():
    text = table_markdown("e4-rotated-mnist")
    assert "… released layout" in text and "| … as in the README's command |" in text
    assert "operations as executed" in text and "| of aggregation |" in text


EXACT_ROWS = [
    "p4cnn", "p4cnn-rotation-pooling-cohen", "gc-p4cnn", "e4net", "p4-r18", "p4-resnet29-asc",
    "p4-sa", "alpha-p4cnn", "a-p4cnn", "dren",
]  # fmt: skip


@pytest.mark.parametrize("key", EXACT_ROWS)
def test_networks_that_are_exactly_invariant(key):
    assert invariance_error(find(key))[0] < 1e-12


@pytest.mark.parametrize("key", ["p4-all-cnn", "p4m-all-cnn", "gc-p4m-resnet44", "p4-resnet29"])
def test_networks_that_are_not_and_their_exact_variants(key):
    row = find(key)
    error, element = invariance_error(row)
    assert error > 0.01 and element in row.group.elements[1:]
    assert invariance_error(replace(row, network=partial(row.network, exact=True)))[0] < 1e-12


def test_the_released_layout_is_not_invariant_once_its_parameters_have_moved():
    row = find("e4net")
    assert invariance_error(replace(row, network=dict(row.others)["released layout"]))[0] > 0.01


def test_the_answer_to_exercise_10_4_is_what_is_measured():
    rows = ex10_comparing.ROWS
    assert ex10_comparing.not_exact(rows) == {key for key in rows if invariance_error(find(key))[0] > 1e-10}


def test_report_of_exactness():
    text = exactness_markdown("rotated-mnist")
    assert text.count("| exact |") == 7 and "z2cnn" not in text
    row = Row("x", "X", "allcnn", allcnn, C4, 4, find("p4-all-cnn").recipe, "")
    assert invariance_error(replace(row, group=C1))[0] == 0


def test_only_some_rows_of_a_report():
    def one(row):
        return row.key == "gc-p4cnn"

    for report in (table_markdown, exactness_markdown):
        assert "`p4cnn`" in report("rotated-mnist")
        text = report("rotated-mnist", one)
        assert "`gc-p4cnn`" in text and "`p4cnn`" not in text


def test_recipe_knows_its_images():
    assert find("p4cnn").recipe.image_shape == (1, 28, 28) and find("r18-cifar100").recipe.classes == 100
    assert isinstance(find("r18").recipe, Recipe) and find("r18").recipe.image_shape == (3, 32, 32)


def test_a_printed_count_is_the_same_after_pickling() -> None:
    row = find("p4cnn")
    again = pickle.loads(pickle.dumps(row))
    assert again.parameters == row.parameters and again.parameters.text == "24.81k"


def test_every_interpretation_of_a_network_is_measured_and_its_exact_variant_is_exact():
    measured = exactness("cifar10", only=lambda row: row.key == "p4m-resnet44")
    assert [found.interpretation for found in measured] == ["", "no biases, norms on the shortcuts", "exact variant"]
    assert [found.is_exact for found in measured] == [False, False, True]


def test_a_layer_that_is_used_twice_counts_twice():
    layer, x = E4Layer(C4, 2, 2, 3), torch.randn(1, 2, 4, 5, 5)
    assert aggregation_macs(torch.nn.Sequential(layer, layer), x) == 2 * aggregation_macs(layer, x) > 0
