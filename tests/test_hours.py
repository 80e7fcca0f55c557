"""Hours for whole tables: by hand for a table of two rows, and nothing said of machines that nobody measured."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.kill_and_resume import row
from course_lib.cli import main
from course_lib.experiments import LAPTOP, TABLES, Table
from course_lib.reports import hours
from course_lib.reports.hours import NOT_MEASURED, hours_markdown

ONE = row()
TWO = replace(ONE, key="two", width=8, recipe=replace(ONE.recipe, train=36_000, epochs=10))


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    found: list[dict[str, Any]] = []
    monkeypatch.setattr(hours, "read_results", lambda folder: found)
    tables = dict(TABLES)  # put back in their order, which monkeypatch would reverse
    TABLES.clear()
    TABLES["tiny"] = Table("tiny", "A tiny table", (ONE, TWO))
    yield found
    TABLES.clear()
    TABLES.update(tables)


def result(key: str, kind: str, macs: float, images: int, seconds: list[float], small: bool = False) -> dict[str, Any]:
    hardware = {"device": f"Fast {kind}", "type": kind, "threads": 2}
    return {
        "row": key,
        "small": small,
        "network": {"macs": macs},
        "dataset": {"images": {"train": images}},
        "epochs": {"seconds": seconds},
        "sessions": [{"hardware": hardware}],
    }


def cells(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]


def test_nothing_is_said_of_what_nobody_measured(results: list[dict[str, Any]]) -> None:
    results.append(result("small", "cuda", 1, 1, [1], small=True))
    heading, _, line, laptop = cells(hours_markdown(Path(), seeds=8))
    assert heading[4:] == ["GPU, hours"] and line[:3] == ["`tiny`", "published", "2 rows × 8 seeds"]
    assert line[4:] == [NOT_MEASURED]
    work = sum(r.counts().executed * r.recipe.train * r.recipe.epochs for r in (ONE, TWO))
    assert line[3] == f"{8 * work:.1e}" and laptop[4:] == [NOT_MEASURED]


def test_a_measured_row_by_its_own_epochs_another_by_its_operations(results: list[dict[str, Any]]) -> None:
    macs = ONE.counts().executed
    # Half of the recipe's images in 3 s, the longer epochs had company: 40 epochs of 6 s. The other row has 10 epochs
    # of three times as many images, with operations that cost as much.
    results.append(result("small", "cpu", macs, ONE.recipe.train // 2, [9.0, 3.0, 4.0]))
    own = ONE.recipe.epochs * 6
    other = TWO.recipe.epochs * 6 * TWO.recipe.train / ONE.recipe.train * TWO.counts().executed / macs
    heading, _, line, laptop = cells(hours_markdown(Path(), seeds=1000, cards=2))
    assert heading[4:] == ["GPU, hours", "2 threads of Fast cpu, hours"] and line[4] == NOT_MEASURED
    assert line[5] == f"{1000 * (own + other) / 3600 / 2:,.0f} (1 of 2 rows measured)"
    epoch = 6 * LAPTOP["rotated-mnist"].train / ONE.recipe.train  # of the first row; the other has these images, too
    both = LAPTOP["rotated-mnist"].epochs * epoch * (1 + TWO.counts().executed / macs)
    assert laptop[1] == "laptop" and laptop[5] == f"{1000 * both / 3600 / 2:,.0f} (1 of 2 rows measured)"
    results.append(result("elsewhere", "cuda", macs, ONE.recipe.train, [0.6]))
    heading, _, line, laptop = cells(hours_markdown(Path(), seeds=1000, cards=2))
    assert heading[4:] == ["GPU Fast cuda, hours", "2 threads of Fast cpu, hours"]
    assert line[4] == f"{1000 * (own + other) / 10 / 3600 / 2:,.0f} (by operations alone)"


def test_the_command(results: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["hours", "tiny", "--seeds", "3", "--results", str(tmp_path)]) == 0
    assert "2 rows × 3 seeds" in capsys.readouterr().out
    assert main(["hours", "tinny"]) == 1 and "did you mean 'tiny'" in capsys.readouterr().err
