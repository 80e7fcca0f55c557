"""The scoreboard of notebook 11: the best first, kept in one file beside the progress."""

import pytest

from course_lib.exercises.scoreboard import LONGEST, Score, enter, scoreboard, scores


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_the_best_comes_first_and_rivals_stand_between():
    enter(Score("mine", 2.5, 24_000, 600))
    enter(Score("better", 1.9, 18_000, 600))
    lines = scoreboard(Score("P4CNN", 2.0, 24_810, 1200)).splitlines()[2:]
    assert lines == [
        "| **better** | 1.90 | 18,000 | 10.0 |",
        "| *P4CNN* | 2.00 | 24,810 | 20.0 |",
        "| **mine** | 2.50 | 24,000 | 10.0 |",
    ]


def test_only_the_best_are_kept():
    for error in range(LONGEST + 3):
        enter(Score("net", float(error), 1, 1.0))
    assert [score.error for score in scores()] == list(map(float, range(LONGEST)))


def test_a_damaged_board_is_named_and_left_alone(home):
    home.mkdir()
    board = home / "scoreboard.json"
    board.write_text("[{")
    with pytest.raises(ValueError, match=r"scoreboard\.json cannot be read .*remove it"):
        enter(Score("net", 1.0, 1, 1.0))
    assert board.read_text() == "[{"
