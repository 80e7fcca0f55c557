"""Every exercise accepts what is right and names what is wrong; every notebook runs with right and wrong answers."""

import ast
import os
import re
from pathlib import Path

import nbformat
import pytest

import answers
import build
from build import defined_names
from course_lib.exercises import checking
from course_lib.exercises.checking import find_mistake
from course_lib.exercises.registry import all_exercises, find
from notebook_files import NOTEBOOKS, exercises_of, read, solutions, stub_cells, text_of
from web.widgets import needed_cells, used_names

CORRECT, WRONG = answers.load()
EXERCISES = [pytest.param(exercise, id=exercise.name) for exercise in all_exercises()]
RIGHT_ONES = [pytest.param(n, f, id=f"{n}-{f.__name__}") for n, functions in CORRECT.items() for f in functions]
WRONG_ONES = [pytest.param(n, f, s, id=f"{n}-{f.__name__}") for n, pairs in WRONG.items() for f, s in pairs]
# Under names that no notebook uses, since the cells below it are run, too.
WRONG_CELL = """import answers as _answers
from course_lib.exercises import registry as _registry
{name} = exercise(_answers.wrong_answer("{name}"))
assert {name} is _registry.find("{name}").reference"""
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


class TestAnswered:
    """Each notebook from a folder that is not its own: at each stub a wrong answer, then the solution that it shows.

    After a wrong answer the name must mean the reference, on which nbval has run the cells below. Of these, only those
    run again that use an exercise's name, and what they need. Networks are trained for one epoch: that solutions train
    as the reference does is what their checks say, and nbval has trained the reference as long as a reader does.
    """

    @pytest.mark.slow
    @pytest.mark.parametrize("path", PASSES)
    def test_notebook_runs_with_every_exercise_answered_wrong_and_then_solved(self, path, tmp_path, monkeypatch):
        monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
        notebook = read(path)
        for cell in notebook.cells:
            cell.source = re.sub(r"\bepochs=\d+", "epochs=1", cell.source)
        solved, texts = stub_cells(notebook), solutions(notebook)
        wrong = {name: nbformat.v4.new_code_cell(WRONG_CELL.format(name=name)) for name in solved}
        for name, cell in solved.items():
            cell.source = texts[name]
        notebook.cells = using(solved.keys(), notebook.cells)
        for name, cell in solved.items():
            notebook.cells.insert(notebook.cells.index(cell), wrong[name])
        build.execute(notebook, folder=tmp_path)
        for name in solved:
            assert f"{name}: not yet" in text_of(wrong[name])
            assert f"{name}: well done" in text_of(solved[name])


def using(names, cells):
    """The code cells that define or use one of these names, and those that they need."""
    code = [cell for cell in cells if cell.cell_type == "code"]
    users = [i for i, cell in enumerate(code) if names & (used_names(cell.source) | defined_names(cell.source))]
    kept = {cell.id for i in users for cell in [*needed_cells(code[:i], code[i]), code[i]]}
    return [cell for cell in code if cell.id in kept]
