"""The command line: what one types, what comes out, and what is said when something is wrong."""

import contextlib
import io
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
from course_lib.arguments import duration
from course_lib.cli import commands
from course_lib.cli.parser import TABLE_NAMES, make_parser
from course_lib.cli.process import prepare_streams
from course_lib.data import DownloadError
from course_lib.experiments import TABLES, Table, find
from course_lib.training import History, TrainConfig, locked, recipes
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
def test_signals_stop_cleanly(
    number: signal.Signals, typed: Typed, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    before = signal.signal(number, signal.default_int_handler)  # a shell lets what it starts with & ignore SIGINT
    request.addfinalizer(lambda: signal.signal(number, before))
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
        ("train z2cnn --group C8", 2, "'C8' is not a group here; there are C1, C2, C4, D1, D2, D4"),
        ("train z2cnn --epochs 0", 2, "'0' is not a whole number of at least 1"),
        ("train z2cnn --time-budget 5", 2, "'5' is not a duration; write 90s, 25m or 1h30m"),
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
    typed.results.mkdir()
    status, text = typed(f"results rotated-mnist --results {typed.results}")
    assert status == 0 and text.count("*not yet run*") == len(TABLES["rotated-mnist"].rows)
    status, text = typed("counts rotated-mnist")
    assert status == 0 and "25,210 =" in text and "exact" not in text
    status, text = typed("counts rotated-mnist --exactness")
    assert status == 0 and "| `gc-p4cnn` | gc-P4CNN | C4 | exact |" in text


def test_where_no_bar_is_shown_lines_say_what_is_going_on(
    typed: Typed, tiny_table: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "BEFORE_TRAINING", 0.0)
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


def test_at_most_one_line_a_minute(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    clock = [0.0]
    monkeypatch.setattr(commands, "time", SimpleNamespace(monotonic=lambda: clock[-1]))
    history = History(TrainConfig(5, 32, 0.1))
    with commands.epochs_told("z2cnn, seed 0", 5, wanted=True) as tell:
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
            patience.setattr(commands, "SOON", 0.01)
            assert told in typed(words)[1]


def test_durations() -> None:
    assert [duration(text) for text in ("90s", "25m", "1h30m", "2h")] == [90, 1500, 5400, 7200]


def test_small_needs_neither_data_nor_network(typed: Typed) -> None:
    status, text = typed(f"train z2cnn --small --epochs 1 --results {typed.results}")
    assert status == 0 and "rotated digits" in text and "/small/" in text
    assert typed.found()[0]["small"] is True


@pytest.mark.parametrize(
    ("words", "status", "expected"),
    [
        ("train P4CNN DATA", 1, "error: no row 'P4CNN'; did you mean 'p4cnn'"),
        ("train z2cnn DATA --device cpu:3", 1, "error: no device 'cpu:3' here: all cores are one device"),
        ("train z2cnn DATA --device meta", 1, "has no autocast on 'meta'"),
        ("train z2cnn --small --width 99999999999999999999999999", 2, "is too large; at most 4096 makes sense"),
        ("train z2cnn --seed 4294967296", 2, "'4294967296' is too large"),
        ("train z2cnn --epochs ²", 2, "'²' is not a whole number of at least 1"),
        ("train z2cnn --time-budget ٣h", 2, "'٣h' is not a duration"),
        ("train e4net DATA --width 5", 1, "error: e4net on C4, width 5: "),
        ("hours --seeds 99999999999999999999", 2, "is too large"),
        ("hours --cards 99999999999999999999", 2, "is too large"),
        ("hours --results /nonexistent", 1, "error: there is no folder /nonexistent"),
        ("results --write --results /nonexistent", 1, "error: there is no folder /nonexistent"),
        (
            "table",
            2,
            "required: NAME (a table: rotated-mnist, cifar10, e4-rotated-mnist, e4-cifar, asc, steerable, rivals)",
        ),
        ("table --help", 0, "a table: rotated-mnist, cifar10, e4-rotated-mnist, e4-cifar, asc"),
        ("table cifar10 --address auto", 1, "error: --address: only for a cluster; add --on ray"),
        ("table cifar10 --gpus-per-run 0.5", 1, "error: --gpus-per-run: only for a cluster"),
        ("table cifar10 --gpus-per-run nan", 2, "'nan' is not a part of a GPU"),
        ("bench --device bogus", 1, "error: no device 'bogus' here"),
        ("bench --device mps", 1, "error: no device 'mps' here"),
        ("bench --threads 0", 2, "'0' is not a whole number of at least 1"),
        ("bench --threads -1", 2, "'-1' is not a whole number"),
        ("bench --threads 99999999999", 2, "is too large"),
        ("bench --seconds nan", 2, "'nan' is not a positive number"),
        ("bench --seconds inf", 2, "'inf' is not a positive number"),
        ("bench --seconds 0", 2, "'0' is not a positive number"),
        ("bench --seconds -1", 2, "'-1' is not a positive number"),
        ("bench --second 1", 2, "did you mean '--seconds'"),
        ("--version", 0, "course_lib "),
    ],
)
def test_odd_calls(words: str, status: int, expected: str, typed: Typed) -> None:
    test_words(words, status, expected, typed)


@pytest.mark.parametrize(
    "argv",
    [
        ["train", ""],
        ["train", " "],
        ["train", "z2cnn\0"],
        ["train", "z2cnn", "--small", "--device", ""],
        ["train", "z2cnn", "--data", ""],
        ["train", "z2cnn", "--data", "a\0.npz"],
        ["train", "z2cnn", "--results", ""],
        ["train", "z2cnn", "--results", "~nobody-of-this-name/x"],
        ["table", ""],
        ["table", "cifar10", "--rows", ""],
        ["bench", "--results", ""],
        ["bench", "--only", ""],
    ],
)
def test_empty_words_are_refused(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(argv)
    printed = capsys.readouterr().err
    assert repr(argv[-1]) in printed and "is not a" in printed and "None" not in printed


def test_the_help_names_the_tables_there_are() -> None:
    assert tuple(TABLES) == TABLE_NAMES


def test_a_tilde_is_the_home_folder(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(typed.results.parent))
    monkeypatch.chdir(typed.results.parent)
    assert typed("train z2cnn --data ~/digits.npz --batch-size 24 --epochs 1 --results=~/results")[0] == 0
    assert len(typed.found()) == 1 and not Path("~").exists()
    assert make_parser().parse_args(["train", "--data", "rotated:~/x.npz"]).data == f"rotated:{Path.home()}/x.npz"


def test_a_data_set_out_of_reach_is_tried_once(typed: Typed, tiny_table: None, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def unreachable(*arguments: Any) -> None:
        asked.append(arguments)
        raise DownloadError("digits.bin could not be downloaded:\n  no route to host")

    monkeypatch.setattr(recipes, "load_dataset", unreachable)
    status, text = typed(f"table tiny --seeds 3 --quiet --results {typed.results}")
    assert status == 1 and len(asked) == 1
    assert text.splitlines() == [
        "z2cnn, seed 0: error: digits.bin could not be downloaded:",
        "  no route to host",
        "5 more runs failed as z2cnn, seed 0 did: digits.bin could not be downloaded:",
    ]


def test_a_bug_keeps_its_traceback(typed: Typed, tiny_table: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(*arguments: Any) -> None:
        raise LookupError("no such axis")

    monkeypatch.setattr(commands, "execute", bug)
    with pytest.raises(LookupError, match="no such axis"):
        typed("train z2cnn DATA --epochs 1")
    status, text = typed("table tiny DATA --epochs 1 --quiet")
    assert status == 1 and "z2cnn, seed 0: error: no such axis\nTraceback" in text
    assert "1 more run failed as z2cnn, seed 0 did: no such axis" in text


def started(words: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """The command line in a process of its own, with streams as a shell gives them."""
    command = f"{sys.executable} -m course_lib {words}"
    return subprocess.run(["bash", "-c", command], capture_output=True, timeout=100, **options)


@pytest.mark.parametrize("encoding", ["cp1252", "gbk", "cp850", "latin-1", "ascii"])
def test_every_encoding_takes_the_output(encoding: str, tmp_path: Path) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    with contextlib.redirect_stdout(stream):
        assert cli.main(["counts", "rotated-mnist"]) == 0
        assert cli.main(["results", "rotated-mnist", "--results", str(tmp_path)]) == 0
    text = stream.buffer.getvalue().decode(encoding)
    assert "| 25,210 =" in text and "2.23" in text and "?" not in text


def test_a_sign_that_is_lacking_is_written_in_ascii() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    with contextlib.redirect_stdout(stream):
        prepare_streams()
        print("−3.5 % – 2 × 3, 5.20 ± 0.11, α², é, 圆", flush=True)
    assert stream.buffer.getvalue() == b"-3.5 % - 2 x 3, 5.20 +/- 0.11, alpha2, e, ?\n"


@pytest.mark.slow
def test_a_reader_who_leaves_and_closed_streams() -> None:
    left = started("results | head -1; exit ${PIPESTATUS[0]}")
    assert left.stdout.startswith(b"## rotated-mnist") and left.stderr == b"" and left.returncode in (0, 141)
    full = started("results rotated-mnist > /dev/full")
    assert full.returncode == 1 and full.stderr == b"error: [Errno 28] No space left on device\n"
    no_errors = started("results rotated-mnist 2>&-")
    assert no_errors.returncode == 0 and no_errors.stdout


@pytest.mark.slow
def test_training_with_standard_error_closed(typed: Typed) -> None:
    words = f"train z2cnn --data {typed.data} --batch-size 24 --epochs 1 --results {typed.results} 2>&-"
    done = started(words)
    assert done.returncode == 0 and b"test error" in done.stdout and len(typed.found()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["seed0.pt", "seed0.json"])
def test_a_pipe_in_place_of_a_file_is_refused(name: str, typed: Typed) -> None:
    typed("train z2cnn DATA --epochs 2 --time-budget 0s")
    (checkpoint,) = typed.results.glob("**/seed0.pt")
    checkpoint.unlink()
    os.mkfifo(checkpoint.with_name(name))
    done = started(f"train z2cnn --data {typed.data} --batch-size 24 --epochs 2 --results {typed.results}")
    assert done.returncode == 1 and name.encode() in done.stderr and b"Traceback" not in done.stderr
