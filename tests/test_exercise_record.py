"""A learner's progress: what is kept and shown, and what happens if the file is damaged or cannot be written."""

import datetime
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from course_lib.exercises import progress, record
from course_lib.exercises.registry import all_exercises


def test_progress_names_the_next_exercise_and_survives_a_restart(course_home):
    assert "Next: Exercise 0.1 half_turn, in notebook 00" in repr(progress())
    record.save_attempt("half_turn", passed=False)
    record.save_attempt("half_turn", passed=True)
    record.save_attempt("half_turn", passed=False)
    stored = json.loads((course_home / "progress.json").read_text())
    assert stored["half_turn"]["status"] == "done" and stored["half_turn"]["attempts"] == 2
    assert repr(progress()).splitlines()[0] == "00  ●"
    assert 'aria-label="Exercise 0.1 half_turn: done"' in progress()._repr_html_()


def test_dots_tell_done_tried_and_to_do_and_lead_to_their_notebook(course_home, tmp_path, monkeypatch):
    first, second, *others = [exercise for exercise in all_exercises() if exercise.notebook == "01"]
    record.save_attempt(first.name, passed=True)
    record.save_attempt(second.name, passed=False)
    monkeypatch.chdir(tmp_path)
    assert repr(progress("01")).splitlines()[0] == "01  ● ◐" + " ○" * len(others)
    assert "<a " not in progress("01")._repr_html_(), "there is nothing to lead to"
    (tmp_path / "01_groups.ipynb").touch()
    assert progress("01")._repr_html_().count('<a href="01_groups.ipynb"') == 3 + len(others)


@pytest.mark.parametrize("text", ["{", "[1]", "", "[" * 10**5, "null"])
def test_a_damaged_file_is_moved_aside_and_the_next_one_beside_it(course_home, capsys, text):
    course_home.mkdir()
    for i in (1, 2):
        (course_home / "progress.json").write_text(text + i * " ")
        record.save_attempt("half_turn", passed=True)
        assert "starts anew" in capsys.readouterr().out
        assert (course_home / f"progress.damaged{i}.json").read_text() == text + i * " "
        assert record.load() == {"half_turn": record.Entry("done", 1, datetime.date.today().isoformat())}
    assert (course_home / "progress.damaged1.json").read_text() == text + " "


DONE = {"status": "done", "attempts": 2, "done_on": "2026-01-01"}


@pytest.mark.parametrize(
    "odd, read",
    [
        (DONE | {"color": 1}, record.Entry("done", 2, "2026-01-01")),
        (DONE | {"attempts": None, "done_on": 3}, record.Entry("done", 0, None)),
        ({"status": "not yet"}, record.Entry("not yet", 0, None)),
        (3, None),
        ({"color": 1}, None),
        ({"status": ["done"]}, None),
        ({"status": "perhaps"}, None),
    ],
)
def test_what_is_odd_in_one_entry_costs_no_other(course_home, capsys, odd, read):
    course_home.mkdir()
    stored = {"half_turn": DONE, "compose": odd}
    (course_home / "progress.json").write_text("\ufeff" + json.dumps(stored), encoding="utf-8")
    good = record.Entry("done", 2, "2026-01-01")
    assert record.load() == {"half_turn": good} | ({"compose": read} if read else {})
    record.save_attempt("compose", passed=False)
    assert record.load()["half_turn"] == good and "compose" in record.load()
    assert capsys.readouterr().out == ""


def test_a_file_that_cannot_be_read_is_not_written_over(course_home, monkeypatch, capsys):
    def refuse(*_, **__):
        raise PermissionError("in use by another program")

    record.save_attempt("half_turn", passed=True)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", refuse)
        record.save_attempt("compose", passed=True)
        assert "could not be saved: in use by another" in capsys.readouterr().out
        assert record.load() == {}
        assert "could not be read: in use by another" in capsys.readouterr().out
    assert record.load().keys() == {"half_turn"}


def test_a_folder_that_cannot_be_written_is_a_message(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").touch()
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "file" / "home"))
    record.save_attempt("half_turn", passed=True)
    assert "could not be saved" in capsys.readouterr().out
    assert "Next:" in repr(progress())


def test_a_lock_file_that_is_left_over_does_not_block_whatever_its_date(course_home):
    course_home.mkdir()
    lock = course_home / "progress.lock"
    lock.touch()
    os.utime(lock, (2e9, 2e9))
    record.save_attempt("half_turn", passed=True)
    assert record.load()["half_turn"].status == "done"


def test_a_kernel_that_holds_the_lock_is_named_and_not_waited_for_forever(course_home, monkeypatch, capsys):
    course_home.mkdir()
    monkeypatch.setattr(record, "LOCK_SECONDS", 0.1)
    with FileLock(course_home / "progress.lock"):
        record.save_attempt("half_turn", passed=True)
    assert "another notebook is writing" in capsys.readouterr().out


def test_a_full_disk_leaves_no_file_behind(course_home, capsys):
    record.save_attempt("half_turn", passed=True)
    before = set(course_home.iterdir())
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))  # no file may become larger than this: writing fails
    try:
        record.save_attempt("compose", passed=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "could not be saved" in capsys.readouterr().out
    assert set(course_home.iterdir()) == before
    assert record.load().keys() == {"half_turn"}


@pytest.mark.slow
def test_two_kernels_do_not_lose_each_others_entries(course_home):
    program = """
import sys
from course_lib.exercises import record
for i in range(40):
    record.save_attempt(f"{sys.argv[1]}{i}", passed=True)
"""
    kernels = [subprocess.Popen([sys.executable, "-c", program, name]) for name in "ab"]
    assert [kernel.wait(timeout=60) for kernel in kernels] == [0, 0]
    assert len(record.load()) == 80


def test_progress_of_one_notebook():
    rows = progress("01").rows
    assert [row[0] for row in rows] == ["01"]
    with pytest.raises(ValueError, match="no exercises in notebook '1'"):
        progress("1")
