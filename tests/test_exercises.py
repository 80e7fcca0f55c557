"""Every exercise accepts what is right and names what is wrong; every notebook runs with right and wrong answers."""

import ast
import os
import re
from pathlib import Path

import pytest

import answers
import build
from course_lib.exercises.checking import find_mistake
from course_lib.exercises.registry import all_exercises, find
from notebook_files import NOTEBOOKS, exercises_of, read, solutions, stub_cells, text_of

CORRECT, WRONG = answers.load()
EXERCISES = [pytest.param(exercise, id=exercise.name) for exercise in all_exercises()]
RIGHT_ONES = [pytest.param(n, f, id=f"{n}-{f.__name__}") for n, functions in CORRECT.items() for f in functions]
WRONG_ONES = [pytest.param(n, f, s, id=f"{n}-{f.__name__}") for n, pairs in WRONG.items() for f, s in pairs]
PASSES = [pytest.param(path, id=path.stem) for path in NOTEBOOKS if exercises_of(path)]


@pytest.mark.parametrize("exercise", EXERCISES)
def test_reference_is_accepted(exercise):
    assert find_mistake(exercise, exercise.reference) is None


@pytest.mark.parametrize("exercise", EXERCISES)
def test_enough_answers_are_known(exercise):
    assert len(CORRECT[exercise.name]) >= 1, "tests/answers needs a correct answer, written differently"
    assert len(WRONG[exercise.name]) >= 3, "tests/answers needs three plausible wrong answers"


def test_every_answer_belongs_to_an_exercise():
    assert CORRECT.keys() | WRONG.keys() <= {exercise.name for exercise in all_exercises()}


@pytest.mark.parametrize("name, f", RIGHT_ONES)
def test_correct_answer_is_accepted(name, f):
    mistake = find_mistake(find(name), f)
    assert mistake is None, mistake


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
    function = next(node for node in ast.parse(code).body if isinstance(node, ast.FunctionDef))
    return ast.unparse(function.args), function.returns and ast.unparse(function.returns)


class TestSolved:
    """Each notebook from a folder that is not its own, with the solutions that it shows.

    Networks are trained for one epoch: that solutions train as the reference does is what their checks say, and nbval
    has trained the reference as long as a reader does.
    """

    @pytest.mark.parametrize("path", PASSES)
    def test_notebook_runs_with_every_exercise_solved(self, path, tmp_path):
        notebook = read(path)
        stubs = stub_cells(notebook)
        for name, text in solutions(notebook).items():
            stubs[name].source = text
        for cell in notebook.cells:
            cell.source = re.sub(r"\bepochs=\d+", "epochs=1", cell.source)
        build.execute(notebook, folder=tmp_path)
        for name, cell in stubs.items():
            assert f"{name}: well done" in text_of(cell)


class TestWrong:
    """Up to the last exercise: the cells behind it run on the reference, and nbval has run them so already."""

    @pytest.mark.parametrize("path", PASSES)
    def test_notebook_goes_on_after_every_wrong_answer(self, path, tmp_path, monkeypatch):
        monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
        notebook = read(path)
        stubs = stub_cells(notebook)
        for name, cell in stubs.items():
            cell.source = f"import answers\n{name} = exercise(answers.wrong_answer('{name}'))"
        del notebook.cells[notebook.cells.index(cell) + 1 :]
        build.execute(notebook, folder=tmp_path)
        for name, cell in stubs.items():
            assert f"{name}: not yet" in text_of(cell)
