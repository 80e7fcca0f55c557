"""The time limit of the checks: it holds for whatever an answer does, and takes nothing from one that ends."""

import dataclasses
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from course_lib.exercises import checking, limits
from course_lib.exercises.registry import find

# In an install whose bytecode is not there yet, each of these takes as long to import as an answer may take.
SLOW_TO_IMPORT = ("torch._dynamo", "sympy")
CHECK_WHAT_IS_NOT_WARMED_UP = f"""
import sys
from course_lib.exercises import checking
from course_lib.exercises.registry import all_exercises
for this in all_exercises():
    if not this.warm_up:
        assert checking._first_mistake(this, this.reference) is None
        assert not (slow := sys.modules.keys() & {set(SLOW_TO_IMPORT)}), f"{{this.name}} imports {{slow}}"
"""


def try_everything(image):
    while True:
        try:
            torch.rot90(image)
        except:  # noqa: E722
            continue


def sum_in_c(image):
    return sum(range(10**12))


def power_in_c(image):
    return 10 ** (10**8)


def sleep_and_catch(image):
    while True:
        try:
            time.sleep(10)
        except BaseException:
            continue


def finally_again(image):
    try:
        finally_again(image)
    finally:
        while True:
            pass


@pytest.mark.parametrize("f", [try_everything, sum_in_c, power_in_c, sleep_and_catch, finally_again])
def test_an_answer_without_end_is_stopped_and_its_line_is_named(monkeypatch, f):
    monkeypatch.setattr(limits, "SECONDS", 0.3)
    monkeypatch.setattr(limits, "WAITING_SECONDS", 1.5)
    begin = time.monotonic()
    message = checking.find_mistake(find("half_turn"), f).message
    assert time.monotonic() - begin < 10
    assert "still running" in message and "loop that never ends" in message
    assert "in line " in message


def test_a_loop_is_found_in_what_a_known_mistake_is_compared_with(monkeypatch):
    """The answer is wrong for the first input, as a known mistake is, and endless for a later one."""

    def act_on_image(g, f):
        while f.ndim > 2:
            pass
        return torch.rot90(f, -g.r).flip(-1) if g.m else torch.rot90(f, -g.r)

    monkeypatch.setattr(limits, "SECONDS", 0.3)
    assert checking.find_mistake(find("act_on_image"), act_on_image) is not None


def test_the_copy_prints_nothing_and_changes_nothing(capfd):
    seen = []

    def half_turn(image):
        seen.append(len(seen))
        print("tried")
        return torch.rot90(image, 2)

    assert checking.find_mistake(find("half_turn"), half_turn) is None
    assert capfd.readouterr().out.split() == ["tried"] * len(seen) and seen == list(range(len(seen)))


@pytest.mark.parametrize("error", [Exception, StopIteration])
def test_without_a_copy_a_loop_in_python_is_stopped_even_if_it_catches(monkeypatch, error):
    """As on macOS."""

    def half_turn(image):
        while True:
            try:
                torch.rot90(image)
            except error:
                continue

    monkeypatch.setattr(limits, "CAN_COPY", False)
    monkeypatch.setattr(limits, "SECONDS", 0.2)
    assert "still running" in checking.find_mistake(find("half_turn"), half_turn).message


def test_the_stop_button_is_a_verdict():
    def pressed_while_it_runs(image):  # by the copy, which runs once this process waits for it
        time.sleep(0.5)
        os.kill(os.getppid(), signal.SIGINT)
        return sum_in_c(image)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    try:
        assert "You stopped the check" in checking.find_mistake(find("half_turn"), pressed_while_it_runs).message
    finally:
        signal.signal(signal.SIGINT, before)


def test_what_an_exercise_warms_up_does_not_count(monkeypatch):
    monkeypatch.setattr(limits, "SECONDS", 0.3)
    compiled = []

    def compile_slowly():
        begin = time.process_time()
        while time.process_time() < begin + 0.6:
            pass
        compiled.append(True)

    def answer(image):
        while not compiled:
            pass
        return torch.rot90(image, 2, dims=(-2, -1))

    slow_at_first = dataclasses.replace(find("half_turn"), warm_up=compile_slowly)
    assert checking.find_mistake(slow_at_first, answer) is None


def test_the_capstone_compiles_e4_before_its_clock_starts():
    assert find("contender").warm_up is not None
    find("contender").warm_up()


@pytest.mark.slow
def test_no_check_imports_within_its_time_what_takes_seconds():
    run = subprocess.run([sys.executable, "-c", CHECK_WHAT_IS_NOT_WARMED_UP], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
