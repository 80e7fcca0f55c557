"""Every exercise accepts what is right and names what is wrong; every notebook shows its solutions."""

import ast
import re

import pytest

import answers
from course_lib.exercises import checking
from course_lib.exercises.checking import find_mistake
from course_lib.exercises.registry import all_exercises, find
from notebook_files import NOTEBOOKS, exercises_of, read, solutions, stub_cells

CORRECT, WRONG = answers.load()
EXERCISES = [pytest.param(exercise, id=exercise.name) for exercise in all_exercises()]
RIGHT_ONES = [pytest.param(n, f, id=f"{n}-{f.__name__}") for n, functions in CORRECT.items() for f in functions]
WRONG_ONES = [pytest.param(n, f, s, id=f"{n}-{f.__name__}") for n, pairs in WRONG.items() for f, s in pairs]
PASSES = [pytest.param(path, id=path.stem) for path in NOTEBOOKS if exercises_of(path)]


@pytest.fixture
def checked_once(monkeypatch):
    """Learners' answers are first tried in a copy of the process, which has a clock. No answer below is endless, and
    that the references end in time is tested by itself."""
    monkeypatch.setattr(checking, "stopped_line", lambda run, filename: None)


@pytest.mark.parametrize("exercise", EXERCISES)
def test_reference_is_accepted(exercise):
    assert find_mistake(exercise, exercise.reference) is None


@pytest.mark.parametrize("exercise", EXERCISES)
def test_enough_answers_are_known(exercise):
    assert len(CORRECT[exercise.name]) >= 1, "tests/answers needs a correct answer, written differently"
    assert len(WRONG[exercise.name]) >= 3, "tests/answers needs three plausible wrong answers"


def test_every_answer_belongs_to_an_exercise():
    assert CORRECT.keys() | WRONG.keys() <= {exercise.name for exercise in all_exercises()}


@pytest.mark.usefixtures("checked_once")
@pytest.mark.parametrize("name, f", RIGHT_ONES)
def test_correct_answer_is_accepted(name, f):
    mistake = find_mistake(find(name), f)
    assert mistake is None, mistake


@pytest.mark.usefixtures("checked_once")
@pytest.mark.parametrize("name, f, says", WRONG_ONES)
def test_wrong_answer_is_rejected_and_named(name, f, says):
    mistake = find_mistake(find(name), f)
    assert mistake is not None, "this wrong answer passes all checks"
    assert re.search(says, mistake.message, re.IGNORECASE), mistake.message


@pytest.mark.parametrize("path", PASSES)
def test_notebook_has_each_of_its_exercises_with_the_librarys_signature(path):
    notebook = read(path)
    stubs, solved = stub_cells(notebook), solutions(notebook)
    assert [find(name).number for name in stubs] == [exercise.number for exercise in exercises_of(path)]
    assert stubs.keys() == solved.keys()
    for name, cell in stubs.items():
        message = "the cell of an exercise holds the empty function and nothing else: the solution takes its place"
        assert cell.source.startswith("@exercise\n") and len(ast.parse(cell.source).body) == 1, message
        assert _signature(cell.source) == _signature(solved[name]), name


def _signature(code):
    answer = next(node for node in ast.parse(code).body if isinstance(node, (ast.FunctionDef, ast.ClassDef)))
    parts = [answer] if isinstance(answer, ast.FunctionDef) else answer.body
    functions = [node for node in parts if isinstance(node, ast.FunctionDef)]
    return [(f.name, ast.unparse(f.args), f.returns and ast.unparse(f.returns)) for f in functions]
