"""Results must not lie: each file is whole, of this schema, and lies where the path says what is in it."""

import json
import os
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.kill_and_resume import row, write_data
from course_lib.changes import Changes
from course_lib.cli import main
from course_lib.experiments import TABLES, Table
from course_lib.experiments.markdown import plain_text
from course_lib.reports.hours import hours_markdown
from course_lib.reports.results import markdown, results_folder
from course_lib.training.result_files import read_results
from course_lib.training.runs import Run, execute

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("trained")
    data = str(write_data(folder / "my digits.npz"))
    run = Run(row(), "tiny", folder / "results", data=data, changes=Changes(epochs=1))
    return run, execute(run, CPU)


@pytest.fixture
def run(trained: tuple[Run, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run whose result is there, in a folder of its own."""
    run = replace(trained[0], results=tmp_path / "results")
    monkeypatch.setitem(TABLES, "tiny", Table("tiny", "A tiny table", (run.row,)))
    write(run.result, trained[1])
    return run


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def changed(result: dict[str, Any], where: str, value: Any) -> dict[str, Any]:
    """A copy with another value at, for example, "final.epoch"."""
    copy = deepcopy(result)
    *outer, name = where.split(".")
    part: Any = copy
    for key in outer:
        part = part[int(key) if isinstance(part, list) else key]
    if value is ...:
        del part[name]
    else:
        part[name] = value
    return copy


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "Expecting value"),
        ("[]", "expected an object with fields, got \\[\\]"),
        ("null", "expected an object with fields, got null"),
        ("7", "expected an object with fields, got 7"),
        ("{}", "its schema is null"),
        ("{", "Expecting property name"),
        ("\ufeff{}", "BOM"),
        ("[" * 200_000, "maximum recursion depth"),
        ('{"schema": 1}', "the field table is missing"),
    ],
    ids=["empty", "list", "null", "number", "object", "cut", "byte order mark", "deep", "schema only"],
)
def test_what_is_no_result_is_named(content: str, why: str, run: Run) -> None:
    write(run.result, content)
    with pytest.raises(ValueError, match=rf"seed0.json is no result of a run: .*{why}.*; remove it, or restore it"):
        read_results(run.results)


@pytest.mark.parametrize(
    ("where", "value", "why"),
    [
        ("schema", 2, "its schema is 2, and this version reads 1 only"),
        ("schema", 0, "its schema is 0"),
        ("schema", True, "its schema is true"),
        ("schema", "1", "its schema is '?\"1"),
        ("schema", ..., "its schema is null"),
        ("final", None, "final must be an object, got null"),
        ("final", ..., "the field final is missing"),
        ("final.test_error_percent", ..., "the field final.test_error_percent is missing"),
        ("final.test_error_percent", None, "final.test_error_percent must be a number from 0 to 100, got null"),
        ("final.test_error_percent", float("nan"), "must be a number from 0 to 100, got NaN"),
        ("final.test_error_percent", 101, "must be a number from 0 to 100, got 101"),
        ("final.test_error_percent", "5.0", 'must be a number from 0 to 100, got "5.0"'),
        ("changes", ["epochs"], "changes must be an object"),
        ("seed", "0", "seed must be a whole number of at least 0"),
        ("seed", 0.0, "seed must be a whole number of at least 0"),
        ("seed", 10**400, "int too large"),
        ("seconds", 10**400, "int too large"),
        ("seed", -1, "seed must be a whole number of at least 0"),
        ("seed", False, "seed must be a whole number of at least 0"),
        ("small", 0, "small must be true or false"),
        ("network", [], "network must be an object"),
        ("network.width", ..., "the field network.width is missing"),
        ("network.macs", 0, "network.macs must be a positive number, got 0"),
        ("dataset.images.train", 0, "dataset.images.train must be a positive number"),
        ("dataset.sha256", None, "dataset.sha256 must be a text"),
        ("sessions", [], "sessions must be a list that is not empty"),
        ("sessions", [None], "sessions\\[0\\] must be an object, got null"),
        ("sessions.0.hardware.threads", ..., "the field sessions\\[0\\].hardware.threads is missing"),
        ("epochs.seconds", [], "epochs.seconds must be a list that is not empty"),
        ("epochs.seconds", [1.0, 0], "epochs.seconds\\[1\\] must be a positive number, got 0"),
        ("recipe.name", "mine", 'recipe.name is "mine", known are published, laptop'),
        ("recipe.name", [], "recipe.name is \\[\\]"),
        ("row", "other", "its path says row small, its content other"),
        ("table", "other", "its path says table tiny, its content other"),
        ("seed", 1, "its path says seed seed0.json, its content seed1.json"),
        ("small", True, "its path says small False, its content True"),
        ("dataset.sha256", "0" * 64, "its path says data set and changes my-digits-.*, its content my-digits-00000000"),
        ("changes", {"epochs": 2}, "epochs=1, its content my-digits-.*-epochs=2"),
        ("changes", {}, "epochs=1, its content my-digits-"),
        ("recipe.name", "laptop", "its content my-digits-.*-laptop-epochs=1"),
    ],
)
def test_what_is_odd_or_in_another_place_is_named(
    where: str, value: Any, why: str, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    write(run.result, changed(json.loads(run.result.read_text()), where, value))
    with pytest.raises(ValueError, match=f"seed0.json is no result of a run: .*{why}"):
        read_results(run.results)
    for command in ("results", "hours"):
        assert main([command, "--results", str(run.results)]) == 1
        told = capsys.readouterr().err
        assert told.startswith(f"error: {run.result} is no result of a run: ") and told.count("\n") == 1


@pytest.mark.parametrize(
    "place",
    [
        lambda run: run.result.with_name("seed0 (copy).json"),
        lambda run: run.result.with_name("seed00.json"),
        lambda run: run.result.with_name("seed1.json"),
        lambda run: run.folder.with_name("copy") / "seed0.json",
        lambda run: run.folder.parent.with_name("p4cnn") / run.folder.name / "seed0.json",
        lambda run: run.results / "small" / run.result.relative_to(run.results),
        lambda run: run.results / "copy" / run.result.relative_to(run.results),
        lambda run: run.results / "seed0.json",
    ],
    ids=["beside", "zeros", "seed", "folder", "row", "small", "outer folder", "above"],
)
def test_a_copy_is_never_counted(place: Callable[[Run], Path], run: Run) -> None:
    copy = write(place(run), run.result.read_text())
    with pytest.raises(ValueError, match="seed") as refused:
        markdown(run.results)
    assert str(copy) in str(refused.value) and "remove" in str(refused.value)


def test_a_full_result_in_a_small_runs_place_is_not_done_already(run: Run) -> None:
    small = replace(run, data="", small=True)
    write(small.result, run.result.read_text())
    with pytest.raises(ValueError, match=r"seed0.json is no result of a run: its path says small True, its content"):
        execute(small, CPU)


def test_folders_may_have_any_name_and_hold_seeds_side_by_side(run: Run, tmp_path: Path) -> None:
    result = json.loads(run.result.read_text())
    elsewhere = replace(run, results=tmp_path / "small")
    write(elsewhere.result, result)
    write(replace(elsewhere, seed=12).result, changed(result, "seed", 12))
    assert [found["seed"] for found in read_results(elsewhere.results)] == [0, 12]
    assert len(read_results(run.results)) == 1 and not read_results(tmp_path / "nowhere")


def test_a_pipe_or_a_folder_in_a_files_place_is_named_and_never_waited_for(run: Run) -> None:
    os.mkfifo(run.result.with_name("seed1.json"))
    with pytest.raises(ValueError, match="seed1.json is no result of a run: it is no file"):
        read_results(run.results)


def test_small_runs_of_two_recipes_and_batch_sizes_are_told_apart(run: Run) -> None:
    result = json.loads(run.result.read_text())
    for recipe, changes in (("published", {}), ("laptop", {}), ("laptop", {"batch_size": 8})):
        alike = replace(
            run,
            row=replace(run.row, recipe=replace(run.row.recipe, name=recipe)),
            data="",
            small=True,
            changes=Changes(**changes),
        )
        write(alike.result, result | {"small": True, "changes": changes, "recipe": asdict(alike.row.recipe)})
    told = markdown(run.results, "tiny").partition("## Small runs")[2]
    assert told.count("(n = 1)") == 3 and "n = 2" not in told
    assert [words in told for words in ("| my digits |", "| my digits; laptop recipe |", "recipe; batch size 8 |")] == [
        True
    ] * 3


def test_a_row_that_its_table_does_not_have_is_shown(run: Run) -> None:
    lost = replace(run, row=replace(run.row, key="of-old"))
    write(lost.result, changed(json.loads(run.result.read_text()), "row", "of-old"))
    assert "| `of-old` | p4cnn_linear on C4, width 4 | – |" in markdown(run.results, "tiny")


def test_the_stored_results_are_where_they_belong() -> None:
    assert len(read_results(results_folder())) == len(list(results_folder().glob("**/seed*.json"))) >= 10


def test_names_are_one_line_of_signs_that_can_be_printed() -> None:
    assert plain_text("a\n| b\t\udcff \x1b[31m \u202e") == r"a \| b ? ?\[31m ?"
    assert plain_text("_a_ b_c 1×28×28 (rebuilt, seed 0) 10 %") == r"\_a\_ b_c 1×28×28 (rebuilt, seed 0) 10 %"


def test_a_data_files_name_writes_no_markdown(run: Run, tmp_path: Path) -> None:
    odd = write_data(tmp_path / "<img src=x onerror=alert(1)> | [x](y) *z* `c` $m$ a_b.npz")
    result = execute(replace(run, data=str(odd), results=tmp_path / "odd"), CPU)
    odd_run = replace(run, data=str(odd), results=tmp_path / "odd")
    write(odd_run.result, changed(result, "sessions.0.hardware.device", "<b>|chip"))
    for text in (markdown(odd_run.results, "tiny"), hours_markdown(odd_run.results, seeds=1)):
        assert "<img" not in text and "<b>" not in text and "&lt;b&gt;\\|chip" in text
    line = next(line for line in markdown(odd_run.results, "tiny").splitlines() if "onerror" in line)
    assert r"&lt;img src=x onerror=alert(1)&gt; \| \[x\](y) \*z\* \`c\` \$m\$ a_b; 72 training images" in line
