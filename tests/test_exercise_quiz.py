"""The quizzes of notebook 01: marks, and for each wrong guess a reason that does not give the answer away."""

import pytest

import build
from course_lib.exercises.quiz import mark_guesses

ANSWERS = {"A": "closure", "B": "group", "F": "inverse"}


@pytest.mark.parametrize(
    "guess, printed",
    [
        ({}, "A ?   B ?   F ?\n"),
        ({"A": "closure", "B": "group"}, "A right   B right   F ?\n"),
        ({"A": "group"}, "A look again   B ?   F ?\nA: an axiom is broken. Go through them in order"),
        ({"A": "inverse"}, "A: an axiom before inverse is broken already"),
        ({"B": "closure"}, "B: closure holds here"),
        ({"F": "identity"}, "F: identity holds here"),
        ({"A": ["closure"], "B": "group"}, "A look again   B right   F ?\nA: write one word in quotes"),
        ({"A": "yes"}, "A: write one word in quotes: group, closure"),
        (["closure"], "`guess` is a list"),
    ],
)
def test_every_guess_is_marked_and_every_wrong_one_has_a_reason(capsys, guess, printed):
    mark_guesses(guess, ANSWERS)
    assert printed in capsys.readouterr().out


def test_every_quiz_begins_with_an_empty_guess_so_that_a_wrong_kind_in_one_does_not_spoil_the_next():
    cells = build.from_source(build.sources(["01_groups"])[0]).cells
    quizzes = [cell.source for cell in cells if cell.cell_type == "code" and "mark_guesses(guess" in cell.source]
    assert len(quizzes) == 2 and all("\nguess = {}\n" in source for source in quizzes)
