"""Runs that were trained alike, and the published orders that they confirm or not."""

import json
from dataclasses import asdict, replace

import pytest

from course_lib.cli.parser import make_parser
from course_lib.experiments import CLAIMS, LAPTOP, TABLES, Claim, find
from course_lib.reports.comparison import claims_markdown, compared, errors_of, not_yet_run, trained_alike


def result(row="p4cnn", seed=0, error=5.0, dataset="mine", small=False, recipe=None, **changes):
    recipe = json.loads(json.dumps(asdict(recipe))) if recipe else {}  # as files from before there were two recipes
    return {
        "row": row, "seed": seed, "small": small, "dataset": {"name": dataset}, "recipe": recipe, "changes": changes,
        "final": {"test_error_percent": error},
    }  # fmt: skip


def test_only_runs_on_the_same_data_with_the_same_changes_are_alike():
    wanted = [result(seed=1, error=4.0, shorten=20), result(seed=0, error=6.0, shorten=20)]
    others = [
        result(shorten=10),
        result(),
        result(shorten=20, per_class=100),
        result(dataset="yours", shorten=20),
        result(small=True, shorten=20),
    ]
    alike = trained_alike([*wanted, *others, result("z2cnn", shorten=20)], "mine", shorten=20)
    assert list(alike) == ["p4cnn", "z2cnn"]
    assert errors_of(alike["p4cnn"]) == [6.0, 4.0]  # by seed


def test_missing_runs_are_named_with_the_command_that_makes_one():
    alike = {"p4cnn": [result()]}
    assert not_yet_run(alike, ["p4cnn"]) == "All of these rows have been run."
    said = not_yet_run(alike, ["p4cnn", "e4net", "z2cnn", "e4net"], per_class=100, epochs=16)
    assert said.startswith("Not yet run: e4net, z2cnn. ")
    assert said.endswith("python -m course_lib train e4net --recipe laptop --per-class 100 --epochs 16")
    words = not_yet_run(alike, ["p4cnn-D4-7"]).split("python -m course_lib ")[1].split()
    arguments = make_parser().parse_args(words)
    assert (arguments.row, str(arguments.group), arguments.width) == ("p4cnn", "D4", 7)


def test_recipes_are_never_mixed():
    laptop, published = LAPTOP["rotated-mnist"], find("p4cnn").recipe
    runs = [result(), result(seed=1, recipe=published), result(seed=2, recipe=laptop)]
    runs += [result(seed=3, recipe=replace(laptop, learning_rate=0.02)), result(seed=4, recipe=laptop, epochs=48)]
    assert [run["seed"] for run in trained_alike(runs, "mine", laptop)["p4cnn"]] == [2]
    assert [run["seed"] for run in trained_alike(runs, "mine", laptop, epochs=48)["p4cnn"]] == [4]
    assert [run["seed"] for run in trained_alike(runs, "mine")["p4cnn"]] == [0, 1]


def test_an_order_holds_only_if_chance_would_rarely_give_it():
    low, high = [1.0, 1.1, 1.2, 1.3], [2.0, 2.1, 2.2, 2.3]
    found = compared("p4cnn", "z2cnn", low, high)
    assert found.published == pytest.approx(5.20 - 2.23) and found.ours == pytest.approx(1.0)
    assert found.p == found.smallest_p == pytest.approx(2 / 70)
    assert found.verdict == "holds"
    assert compared("p4cnn", "z2cnn", high, low).verdict == "the other way round"
    assert compared("p4cnn", "z2cnn", [1.0, 2.0, 3.0, 4.0], [1.1, 2.1, 3.1, 4.1]).verdict == "within noise"


def test_three_seeds_cannot_tell():
    found = compared("p4cnn", "z2cnn", [1.0, 1.1, 1.2], [9.0, 9.1, 9.2])
    assert found.smallest_p == pytest.approx(0.1) and found.verdict == "too few seeds to tell"


def test_with_unequal_numbers_one_deal_alone_may_be_as_far_apart():
    found = compared("p4cnn", "z2cnn", [1.0, 1.1], [9.0, 9.1, 9.2, 9.3, 9.4])
    assert found.p == found.smallest_p == pytest.approx(1 / 21)


def test_the_table_has_a_line_for_each_claim_run_or_not():
    errors = {"p4cnn": (1.0, 2.0), "z2cnn": (4.0, 5.0), "gc-p4cnn-30": (4.0, 5.0)}
    alike = {row: [result(row, error=e) for e in both] for row, both in errors.items()}
    pairs = [("p4cnn", "z2cnn"), ("gc-p4cnn-30", "p4cnn"), ("e4net", "p4cnn")]
    claims = [Claim(f"Claim {i}.", better, worse, "A. Author") for i, (better, worse) in enumerate(pairs)]
    lines = claims_markdown(alike, claims).splitlines()[2:]
    ours = "+3.00 = 4.50 ± 0.71 (2) − 1.50 ± 0.71 (2)"
    assert lines[0] == f"| Claim 0. | A. Author | 2.97 | {ours} | 0.333 (≥ 0.333) | **too few seeds to tell** |"
    assert "−3.00" in lines[1]
    assert lines[2] == "| Claim 2. | A. Author |  |  |  | *not yet run* |"


def test_the_papers_claims_are_orders_of_their_printed_errors():
    rows = {row.key: row for table in TABLES.values() for row in table.rows}
    for claim in CLAIMS:
        if claim.source:
            assert rows[claim.better].error < rows[claim.worse].error, claim
        else:
            assert claim.better not in rows, "no paper has this row"


def test_of_a_variant_nothing_was_published():
    low, high = [1.0, 1.1, 1.2, 1.3], [2.0, 2.1, 2.2, 2.3]
    found = compared("p4cnn-D4-7", "p4cnn", low, high)
    assert found.published is None and found.verdict == "fewer errors"
    assert compared("p4cnn-D4-7", "p4cnn", high, low).verdict == "more errors"


def test_what_is_equal_in_print_is_no_published_order():
    low, high = [1.0, 1.1, 1.2, 1.3], [2.0, 2.1, 2.2, 2.3]
    assert compared("e4net", "e4net-released", low, high).verdict == "fewer errors"
    assert compared("e4net-released", "e4net", high, low).verdict == "more errors"


def test_errors_name_the_numbers():
    with pytest.raises(ValueError, match=r"z2cnn makes 5.20 % errors and p4cnn 2.23 %: name p4cnn first"):
        compared("z2cnn", "p4cnn", [1.0], [2.0])
    with pytest.raises(ValueError, match="at least one result, got 0 and 1"):
        compared("p4cnn", "z2cnn", [], [2.0])
