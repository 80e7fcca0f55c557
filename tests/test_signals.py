"""Ctrl-C, a closed terminal, a machine that is wanted back: one line, status 75, no traceback."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.kill_and_resume import write_data
from course_lib.signals import STOPPED, WORDS

ROOT = Path(__file__).parents[1]


@pytest.fixture
def place(tmp_path: Path) -> str:
    """Options for a training that has its first checkpoint at once and does not end, with its files in tmp_path."""
    return f"--batch-size 24 --epochs 100000 --data {write_data(tmp_path / 'digits.npz')} --results {tmp_path}"


def start(*words: str) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command, pipe = [sys.executable, *words], subprocess.PIPE
    return subprocess.Popen(
        command, stdout=pipe, stderr=pipe, text=True, env=environment, start_new_session=True, preexec_fn=usual_signals
    )


def usual_signals() -> None:
    """As in a terminal: these tests may run below nohup, or in the background, where some are ignored."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path) -> Iterator[None]:
    """A test that fails must not leave trainings of hours behind."""
    yield
    for pid in relatives(str(tmp_path)):
        os.kill(pid, signal.SIGKILL)


def wait_for(what: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.05)


def catches_sigterm(process: subprocess.Popen[str]) -> bool:
    """Whether the program, and not Python alone, has taken over the signals."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    caught = int(next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt")), 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def relatives(word: str) -> list[int]:
    """The processes whose command has the word."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes()
        except OSError:  # it has just ended
            continue
        if word.encode() in command:
            found.append(int(path.parts[2]))
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("number", "delay"), [(signal.SIGHUP, 0.0), (signal.SIGINT, 0.7)])
def test_a_signal_during_the_imports_ends_it_in_one_line(number: signal.Signals, delay: float, place: str) -> None:
    process = start("-m", "course_lib", *f"table rotated-mnist --rows z2cnn {place}".split())
    wait_for(lambda: catches_sigterm(process))
    time.sleep(delay)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (STOPPED, "", f"{WORDS}\n")


@pytest.mark.slow
def test_many_interrupts_give_no_traceback(place: str, tmp_path: Path) -> None:
    process = start("-m", "course_lib", *f"train z2cnn {place}".split())
    wait_for(lambda: list(tmp_path.glob("**/seed0.pt")))
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
    out, err = process.communicate(timeout=60)
    assert process.returncode == STOPPED and "Traceback" not in err and "Exception ignored" not in err
    assert "stopped" in out + err


def test_who_swallows_the_first_interrupt_is_ended_by_the_second() -> None:
    deaf = """
import time
from course_lib.signals import stopping
told = False
with stopping():
    while True:
        try:
            if not told:
                told = True
                print("ready", flush=True)
            time.sleep(60)
        except KeyboardInterrupt:
            print("swallowed", flush=True)
"""
    process = start("-c", deaf)
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)  # as timeout(1) does: too soon for somebody who is out of patience
    assert process.stdout.readline() == "swallowed\n"
    time.sleep(0.6)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20) == ("", f"{WORDS}\n") and process.returncode == STOPPED


@pytest.mark.slow
@pytest.mark.parametrize(
    "numbers", [[signal.SIGHUP], [signal.SIGINT] * 9, [signal.SIGTERM]], ids=["HUP", "INT", "TERM"]
)
def test_a_table_ends_in_good_order(numbers: list[signal.Signals], place: str, tmp_path: Path) -> None:
    process = start("-m", "course_lib", *f"table rotated-mnist --rows z2cnn {place}".split())
    wait_for(lambda: list(tmp_path.glob("**/seed*.pt")))
    for number in numbers:
        process.send_signal(number)
        time.sleep(0.1)
    out, err = process.communicate(timeout=60)
    assert process.returncode == STOPPED and not relatives(str(tmp_path))
    assert "Traceback" not in out + err and "the same command goes on" in out + err


def test_what_nohup_ignores_stays_ignored() -> None:
    code = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN); from course_lib.signals import *"
    code += "; end_at_once(); exec('with stopping(): signal.raise_signal(signal.SIGHUP)'); print('still here')"
    process = start("-c", code)
    assert process.communicate(timeout=20) == ("still here\n", "")
