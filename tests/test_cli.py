"""The command line: what one types, what comes out, and what is said when something is wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.kill_and_resume import write_data
from course_lib import cli
from course_lib.cli import commands, waiting
from course_lib.cli.parser import duration, make_parser
from course_lib.experiments import TABLES, Table, find
from course_lib.training import History, TrainConfig, locked
from course_lib.training.checkpoint import Checkpoint
from course_lib.training.runs import Run


class Typed:
    """The command line with a data set and a folder of its own."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.results, self.capsys = folder / "results", capsys
        self.data = write_data(folder / "digits.npz")

    def __call__(self, words: str) -> tuple[int, str]:
        """Exit status, and what was printed on either stream."""
        argv = words.replace("DATA", f"--data {self.data} --batch-size 24 --results {self.results}").split()
        try:
            status = cli.main(argv)
        except SystemExit as wrong_words:  # argparse leaves this way
            status = int(wrong_words.code or 0)
        printed = self.capsys.readouterr()
        return status, printed.out + printed.err

    def found(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in sorted(self.results.glob("**/*.json"))]


@pytest.fixture
def typed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Typed]:
    before = signal.getsignal(signal.SIGTERM)
    yield Typed(tmp_path, capsys)
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def tiny_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TABLES, "tiny", Table("tiny", "Two rows", (find("z2cnn"), find("c-z2cnn"))))


def test_train_a_row(typed: Typed) -> None:
    status, text = typed("train z2cnn DATA --epochs 2 --seed 3")
    (result,) = typed.found()
    assert status == 0 and result["row"] == "z2cnn" and result["seed"] == 3 and result["table"] == "rotated-mnist"
    assert result["changes"] == {"batch_size": 24, "epochs": 2}
    assert f"z2cnn, seed 3: test error {result['final']['test_error_percent']:.2f} %" in text and "seed3.json" in text
    assert "\r" not in text, "no bar where there is no terminal"
    assert "done already" in typed("train z2cnn DATA --epochs 2 --seed 3")[1]


def test_train_a_network_of_ones_choice(typed: Typed) -> None:
    words = "train --arch p4cnn_linear --layer gc --group d1 --width 3 DATA --epochs 1 --no-deterministic --bf16"
    assert typed(words)[0] == 0
    (result,) = typed.found()
    assert result["table"] == "variants" and not result["config"]["deterministic"] and result["config"]["bf16"]
    assert {name: result["network"][name] for name in ("group", "layer", "width")} == {
        "group": "D1",
        "layer": "gc",
        "width": 3,
    }


def test_train_a_row_on_another_group(typed: Typed) -> None:
    assert typed("train p4cnn --group D4 --width 2 DATA --epochs 1")[0] == 0
    (result,) = typed.found()
    assert (result["table"], result["row"]) == ("variants", "p4cnn-D4-2")
    assert (result["network"]["group"], result["network"]["width"]) == ("D4", 2)
    assert typed("train p4cnn --group C4 --width 10 DATA --epochs 1")[0] == 0
    assert [result["row"] for result in typed.found()] == ["p4cnn", "p4cnn-D4-2"]  # nothing was changed: the row itself


def test_table_trains_what_is_missing_and_goes_on_after_an_error(
    typed: Typed, tiny_table: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute = commands.execute
    asked: list[str] = []

    def watched(run: Run, *rest: Any) -> dict[str, Any]:
        asked.append(f"{run.row.key} {run.seed}")
        if asked == ["z2cnn 0"]:
            raise MemoryError("try a batch size of 12")
        if asked[-1] == "c-z2cnn 1":
            raise RuntimeError("CUDA error: unspecified launch failure")
        return execute(run, *rest)

    monkeypatch.setattr(commands, "execute", watched)
    status, text = typed("table tiny --seeds 2 DATA --epochs 1")
    assert status == 1 and "z2cnn, seed 0: error: try a batch size of 12" in text and "(n = 1)" in text
    assert "c-z2cnn, seed 1: error: CUDA error" in text
    assert asked == ["z2cnn 0", "c-z2cnn 0", "z2cnn 1", "c-z2cnn 1"] and len(typed.found()) == 2
    monkeypatch.setattr(commands, "execute", execute)
    assert typed("table tiny --seeds 2 DATA --epochs 1")[0] == 0 and len(typed.found()) == 4


def test_the_time_of_a_table_is_that_of_all_its_runs(typed: Typed, tiny_table: None) -> None:
    status, text = typed("table tiny DATA --epochs 1 --time-budget 0s")
    assert status == 75 and "the time is over; the same command goes on" in text and not typed.found()


def test_some_rows_of_a_table_each_recipe_so_many_times_shorter(typed: Typed, tiny_table: None) -> None:
    status, _ = typed("table tiny DATA --rows z2cnn --shorten 150 --quiet")
    (result,) = typed.found()
    assert status == 0 and result["row"] == "z2cnn" and result["config"]["epochs"] == 2  # of 300
    assert "p4cnn: no row of tiny, which has z2cnn, c-z2cnn" in typed("table tiny DATA --rows p4cnn --shorten 150")[1]
    assert "not both" in typed("train z2cnn DATA --epochs 1 --shorten 2")[1]


def test_table_leaves_to_others_what_they_are_at(typed: Typed, tiny_table: None) -> None:
    typed("table tiny DATA --epochs 1")
    (lock,) = typed.results.glob("tiny/z2cnn/*/seed0.lock")
    (lock.parent / "seed0.json").unlink()
    with locked(lock):
        status, text = typed("table tiny DATA --epochs 1")
        assert status == 0 and "z2cnn, seed 0: another process is at it" in text and "(n = 1)" in text
        status, text = typed("train z2cnn DATA --epochs 1")
        assert status == 0, "the same row in another table is another run"
    assert len(typed.found()) == 2


def test_jobs_are_the_same_command_in_several_processes(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[list[str], str]] = []
    stopped: list[str] = []

    class Process:
        def __init__(self, command: list[str], env: dict[str, str], start_new_session: bool) -> None:
            started.append((command, env["OMP_NUM_THREADS"]))

        def wait(self) -> int:
            if len(started) > 3 and not stopped:
                raise KeyboardInterrupt
            return 75 if len(started) > 3 else 0

        def terminate(self) -> None:
            stopped.append("terminated")

    monkeypatch.setattr(subprocess, "Popen", Process)
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert typed("table rotated-mnist --jobs 3 DATA")[0] == 0
    assert len(started) == 3 and started[0][1] == "2"
    command = started[0][0]
    assert command[:5] == [sys.executable, "-m", "course_lib", "table", "rotated-mnist"]
    options = make_parser().parse_args(command[3:])
    assert options.jobs == 1 and options.quiet and options.batch_size == 24
    assert typed("table rotated-mnist --jobs 2 DATA")[0] == 75 and stopped == ["terminated"] * 2


def test_a_time_budget_stops_and_the_same_command_goes_on(typed: Typed) -> None:
    assert typed("train z2cnn DATA --epochs 3 --seed 1")[0] == 0
    checksum = typed.found()[0]["network"]["weights_sha256"]
    typed.results = typed.results / "again"
    words = "train z2cnn DATA --epochs 3 --seed 1 --time-budget 0s"
    for done in (1, 2):
        status, text = typed(words)
        assert status == 75 and f"z2cnn, seed 1: stopped, epoch {done}/3" in text and not typed.found()
    assert typed(words)[0] == 0 and typed.found()[0]["network"]["weights_sha256"] == checksum


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_stop_cleanly(number: signal.Signals, typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    save = Checkpoint.save

    def save_and_signal(self: Checkpoint, *state: Any) -> None:
        save(self, *state)
        os.kill(os.getpid(), number)

    monkeypatch.setattr(Checkpoint, "save", save_and_signal)
    status, text = typed("train z2cnn DATA --epochs 3")
    assert status == 75 and "stopped, epoch 1/3" in text
    monkeypatch.undo()
    assert typed("train z2cnn DATA --epochs 3")[0] == 0


@pytest.mark.parametrize(
    ("words", "status", "expected"),
    [
        ("train z2cn DATA", 1, "error: no row 'z2cn'; did you mean 'z2cnn'"),
        ("table rotated-mnits", 1, "error: no table 'rotated-mnits'; did you mean 'rotated-mnist'"),
        ("results nothing", 1, "error: no table 'nothing'"),
        ("table rotated-mnist --seed 4", 2, "unrecognized arguments: --seed 4; did you mean '--seeds'"),
        ("train --arch p4cnn_liner DATA", 1, "'p4cnn_linear, full'"),
        ("train DATA", 1, "error: say which network: a ROW"),
        ("train z2cnn --arch p4cnn DATA", 1, "not both"),
        ("train z2cnn --layer gc DATA", 1, "error: --layer goes with --arch; z2cnn has its layer"),
        ("train z2cnn --data no.npz", 1, "error: there is no file no.npz"),
        ("train z2cnn --data rotated-digit", 1, "did you mean 'rotated-digits'"),
        ("train r18 DATA", 1, "error: r18 takes images (3, 32, 32), digits has (1, 28, 28)"),
        ("train z2cnn DATA --batch-size 100", 1, "error: batch_size 100 is larger than the training split (72 images)"),
        ("train z2cnn DATA --validation 80", 1, "error: validation must be from 0 to 79"),
        ("train z2cnn DATA --small", 1, "error: a small run trains on the bundled digits"),
        ("train z2cnn DATA --device tpu", 1, "error: no device 'tpu' here"),
        ("trian z2cnn", 2, "did you mean 'train'"),
        ("train z2cnn --sed 1", 2, "did you mean '--seed'"),
        ("train z2cnn --group C8", 2, "'C8' is no group here; there are C1, C2, C4, D1, D2, D4"),
        ("train z2cnn --epochs 0", 2, "'0' is no whole number of at least 1"),
        ("train z2cnn --time-budget 5", 2, "'5' is no duration; write 90s, 25m or 1h30m"),
        ("", 2, "examples:"),
        ("--help", 0, "train p4cnn --small"),
        ("train --help", 0, "--time-budget"),
        ("bench --help", 0, "--suite"),
    ],
)
def test_words(words: str, status: int, expected: str, typed: Typed) -> None:
    found, text = typed(words)
    assert found == status and " ".join(expected.split()) in " ".join(text.split())
    assert "Traceback" not in text and not typed.found()


def test_a_full_disk_is_said_in_one_line(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    status, text = typed("train z2cnn DATA --epochs 1")
    assert status == 1 and "No space left on device" in text and "then run the same command again" in text
    assert not list(typed.results.glob("**/*.tmp"))


def test_results_and_counts_are_printed(typed: Typed) -> None:
    status, text = typed(f"results rotated-mnist --results {typed.results}")
    assert status == 0 and text.count("*not yet run*") == len(TABLES["rotated-mnist"].rows)
    status, text = typed("counts rotated-mnist")
    assert status == 0 and "25,210 =" in text and "exact" not in text
    status, text = typed("counts rotated-mnist --exactness")
    assert status == 0 and "| `gc-p4cnn` | gc-P4CNN | C4 | exact |" in text


def test_where_no_bar_is_shown_lines_say_what_is_going_on(
    typed: Typed, tiny_table: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "BEFORE_TRAINING", 0.0)
    status, text = typed("train z2cnn DATA --epochs 3")
    assert status == 0 and "z2cnn, seed 0: training 3 epochs; a line after the first" in text
    assert text.count("z2cnn, seed 0: epoch 1/3: loss") == 1 and "epoch 2/3" not in text
    assert "training 1 epoch; " in typed("table tiny DATA --epochs 1 --rows c-z2cnn")[1]
    assert typed("table tiny DATA --epochs 1 --seeds 2 --rows c-z2cnn --quiet")[1].count("\n") == 1


def test_what_is_refused_is_one_line_where_no_bar_is_shown(typed: Typed) -> None:
    typed("train z2cnn DATA --epochs 3 --time-budget 0s")
    (checkpoint,) = typed.results.glob("**/seed0.pt")
    checkpoint.write_bytes(checkpoint.read_bytes()[:-50])
    status, text = typed("train z2cnn DATA --epochs 3")
    assert status == 1 and text.startswith(f"error: {checkpoint} is damaged (") and text.count("\n") == 1


def test_at_most_one_line_a_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    clock = [0.0]
    monkeypatch.setattr(waiting, "time", SimpleNamespace(monotonic=lambda: clock[-1]))
    history = History(TrainConfig(5, 32, 0.1))
    with waiting.epochs_told(Run(find("z2cnn"), "any", tmp_path, small=True), wanted=True) as tell:
        assert tell
        for seconds in (10, 30, 69, 71, 100):
            clock.append(seconds)
            history.add_epoch(1.0, 0.5, None, 1.0)
            tell(history)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[1] for line in lines] == [" epoch 1/5", " epoch 4/5"]


def test_who_waits_is_told_what_for(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*arguments: Any) -> str:
        time.sleep(0.2)
        return "| a table |"

    for name in ("hours_markdown", "exactness_markdown", "table_markdown"):
        monkeypatch.setattr(commands, name, slow)
    for words, told in (
        ("hours", "counting the operations"),
        ("counts asc --exactness", "measuring the networks of asc"),
    ):
        assert told not in typed(words)[1], "0.2 s are no wait"
        with monkeypatch.context() as patience:
            patience.setattr(waiting, "SOON", 0.01)
            assert told in typed(words)[1]


def test_durations() -> None:
    assert [duration(text) for text in ("90s", "25m", "1h30m", "2h")] == [90, 1500, 5400, 7200]


def test_small_needs_neither_data_nor_network(typed: Typed) -> None:
    status, text = typed(f"train z2cnn --small --epochs 1 --results {typed.results}")
    assert status == 0 and "rotated digits" in text and "/small/" in text
    assert typed.found()[0]["small"] is True
