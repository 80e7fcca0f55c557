"""The copies for a class: the student's holds no answer, the answered one holds every solution, which runs."""

import ast

import nbformat
import pytest

import build
from notebook_files import FOLDER, NOTEBOOKS, exercises_of, read, solutions, stub_cells, text_of
from versions import answered, student

STORED = [pytest.param(path, id=path.stem) for path in NOTEBOOKS]


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.parametrize("path", STORED)
def test_the_students_copy_keeps_hints_and_questions_and_nothing_else(path):
    before, after = read(path), student(read(path))
    text, old = ("\n".join(cell.source for cell in notebook.cells) for notebook in (after, before))
    assert text.count("<details>") == text.count("<summary>Hint") == old.count("<summary>Hint") > 0
    assert text.count("**Predict first") >= old.count("<summary>Predict first")
    for solution in solutions(before).values():
        assert solution not in text
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code_cells(after))
    assert [cell.source for cell in code_cells(after)] == [cell.source for cell in code_cells(before)]
    nbformat.validate(after)


@pytest.mark.parametrize("path", STORED)
def test_the_answered_copy_holds_every_solution_where_the_stub_was(path):
    before, after = read(path), answered(read(path))
    names = {exercise.name for exercise in exercises_of(path)}
    assert stub_cells(after).keys() == names == solutions(before).keys()
    for old, new in zip(code_cells(before), code_cells(after), strict=True):
        if old.id in {cell.id for cell in stub_cells(before).values()}:
            assert len(ast.parse(old.source).body) == 1, "more than the stub stands there, and would be lost"
            assert new.source + "\n" == solutions(before)[next(n for n, c in stub_cells(after).items() if c is new)]
            assert new.outputs == []
        else:
            assert new == old
    nbformat.validate(after)


def test_an_exercise_without_a_solution_is_named():
    notebook = read(FOLDER / "00_start_here.ipynb")
    for cell in notebook.cells:
        cell.source = cell.source.replace("<summary>Solution", "<summary>Nothing").replace("```python", "```")
    with pytest.raises(ValueError, match="'half_turn'"):
        answered(notebook)


@pytest.mark.slow
def test_the_answered_copy_runs_and_every_check_passes(tmp_path):
    build.export(build.sources(["00_start_here"])[0], "answered", tmp_path / "copies")
    notebook = build.execute(read(tmp_path / "copies" / "00_start_here.ipynb"))
    assert "well done" in "".join(map(text_of, code_cells(notebook)))


def test_bad_orders_are_named(tmp_path, monkeypatch):
    source = build.sources(["00_start_here"])[0]
    with pytest.raises(ValueError, match="no version 'teacher'; choose from student, answered"):
        build.export(source, "teacher", tmp_path)
    with pytest.raises(ValueError, match="name another folder"):
        build.export(source, "student", FOLDER)
    monkeypatch.setattr(build, "stale", lambda _: "was never built")
    with pytest.raises(ValueError, match=r"00_start_here.ipynb was never built; build it first"):
        build.export(source, "student", tmp_path)
