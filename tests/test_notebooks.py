"""The stored notebooks belong to their sources, are whole, and keep to the course's form. nbval compares outputs."""

import ast
import json
import re
import statistics
import subprocess
import sys
import tomllib

import pytest

import build
from course_lib.figures.captions import CAPTION
from notebook_files import FOLDER, NOTEBOOKS, exercises_of, read, stub_cells
from web.figures import pictures

STORED = [pytest.param(path, id=path.stem) for path in NOTEBOOKS]
LESSONS = [pytest.param(path, id=path.stem) for path in NOTEBOOKS if not path.stem.startswith("00")]


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def markdown(notebook):
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]


def outputs(notebook):
    return [(cell, output) for cell in code_cells(notebook) for output in cell.outputs]


def test_every_source_has_its_notebook_and_every_notebook_its_source():
    assert [path.stem for path in NOTEBOOKS] == [path.stem for path in build.sources()]


@pytest.mark.parametrize("path", STORED)
def test_inputs_are_those_of_the_source(path):
    assert build.stale(FOLDER / "src" / f"{path.stem}.py") is None, "run: uv run python notebooks/build.py"


def test_a_stale_notebook_is_noticed(tmp_path, monkeypatch):
    source = build.sources(["00_start_here"])[0]
    monkeypatch.setattr(build, "target", lambda _: tmp_path / "00.ipynb")
    assert build.stale(source) == "was never built"
    text = (FOLDER / "00_start_here.ipynb").read_text(encoding="utf-8")
    (tmp_path / "00.ipynb").write_text(text.replace("def half_turn(", "def half_turns("), encoding="utf-8")
    assert "differs from its source in cell" in build.stale(source)


@pytest.mark.slow
def test_two_builds_give_the_same_bytes():
    source = build.sources(["00_start_here"])[0]
    first, second = (build.normalized(build.execute(build.from_source(source))) for _ in range(2))
    assert first == second


@pytest.mark.slow
def test_the_cells_of_a_notebook_are_slow_tests():
    words = ["-n", "0", "--collect-only", "-q", "-m", "not slow", FOLDER / "00_start_here.ipynb"]
    done = subprocess.run([sys.executable, "-m", "pytest", *words], cwd=FOLDER.parent, capture_output=True, text=True)
    assert done.returncode == pytest.ExitCode.NO_TESTS_COLLECTED, done.stdout + done.stderr


def test_what_takes_long_begins_first(request):
    slow = ["slow" in item.keywords for item in request.session.items]
    assert slow == sorted(slow, reverse=True)


@pytest.mark.parametrize("path", STORED)
def test_every_code_cell_was_run_in_order(path):
    cells = code_cells(read(path))
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))


@pytest.mark.parametrize("path", STORED)
def test_errors_stand_where_they_are_announced_and_nowhere_else(path):
    for cell in code_cells(read(path)):
        raised = any(output.output_type == "error" for output in cell.outputs)
        assert raised == ("raises-exception" in cell.metadata.get("tags", [])), cell.source


@pytest.mark.parametrize("path", STORED)
def test_every_figure_has_alt_text_and_a_caption_of_one_sentence(path):
    figures = list(pictures(read(path)))
    assert figures and all(len(alt) > 20 for *_, alt in figures)
    for cell, output, *_ in figures:
        if "display_id" in cell.source:  # replaced again and again while the cell runs
            continue
        _, caption = cell.outputs[(place := cell.outputs.index(output)) : place + 2]
        assert caption.metadata.get(CAPTION), cell.source
        assert re.fullmatch(r"\*[^ ].{20,180}[.?]\*", caption.data["text/markdown"]), caption.data


@pytest.mark.parametrize("path", STORED)
def test_no_figure_needs_a_sign_that_its_font_lacks(path):
    assert "does not have a glyph" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", STORED)
def test_nothing_of_this_machine_is_stored(path):
    text = path.read_text(encoding="utf-8")
    assert read(path).metadata == build.METADATA
    assert not re.search(r"ipykernel_\d+|/home/|/root/|/tmp/|0x[0-9a-f]{8,}|site-packages", text)
    assert "application/vnd.jupyter.widget" not in text


@pytest.mark.parametrize("path", STORED)
def test_the_cell_for_colab_stands_below_the_title_folded(path):
    title, colab = read(path).cells[:2]
    assert title.cell_type == "markdown" and colab.source == build.COLAB and colab.outputs == []
    assert colab.metadata == build.COLAB_METADATA


@pytest.mark.parametrize("path", LESSONS)
def test_code_cells_can_be_read_at_a_glance(path):
    notebook = read(path)
    del notebook.cells[1]  # the cell for Colab
    captions = re.compile(r"\.captioned\(.*?\n?\)$", re.S | re.M)  # are read below the figure
    lines = [len(captions.sub("", cell.source).splitlines()) for cell in code_cells(notebook)]
    assert statistics.median(lines) <= 6
    assert max(lines) <= 30


@pytest.mark.parametrize("path", LESSONS)
def test_at_least_five_exercises(path):
    assert len(exercises_of(path)) >= 5
    assert len(stub_cells(read(path))) == len(exercises_of(path))


@pytest.mark.parametrize("path", STORED)
def test_first_cell_says_what_to_expect_and_last_cells_look_back_and_ahead(path):
    texts = markdown(read(path))
    for word in ("able to", "before", "minutes", "hardware"):
        assert word in texts[0].lower(), f"the first cell does not say: {word}"
    for word in ("recap", "course_lib", "next"):
        assert word in "\n".join(texts[-4:]).lower(), f"the last cells do not say: {word}"


def test_a_progress_bar_is_stored_as_it_ends_and_before_what_is_printed():
    new = build.nbformat.v4.new_output
    drawn = "\r  0%|          | 0/66 [00:00<?]\r 50%|█████     | 33/66 [00:01<00:01]"
    rest = "\r100%|██████████████| 66/66 [00:02<00:00, 31.3batch/s, epoch 2: loss 0.1]\n"
    parts = [("stderr", drawn), ("stdout", "one\n"), ("stderr", rest), ("stdout", "two\n")]
    cell = build.nbformat.v4.new_code_cell("", outputs=[new("stream", name=name, text=text) for name, text in parts])
    build.normalized(build.nbformat.v4.new_notebook(cells=[cell]))
    stored = [(output.name, output.text) for output in cell.outputs]
    assert stored == [("stderr", "100%|██████████| 66/66\n"), ("stdout", "one\ntwo\n")]


@pytest.mark.parametrize("path", STORED)
def test_every_training_shows_a_bar(path):
    for cell in code_cells(build.from_source(FOLDER / "src" / f"{path.stem}.py")):
        for node in ast.walk(build.parsed(cell.source)):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) and len(node.args) > 1 else ""
            if called in ("train", "training.train"):
                assert "progress=True" in ast.unparse(node) or "tqdm(" in cell.source, cell.source


def test_what_jupyterlab_needs_is_installed_with_the_course():
    project = tomllib.loads((FOLDER.parent / "pyproject.toml").read_text(encoding="utf-8"))
    shared = project["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    assert {(FOLDER.parent / source).exists() for source in shared} == {True}
    extension = FOLDER / "jupyterlab" / "extension"
    about = json.loads((extension / "package.json").read_text(encoding="utf-8"))
    assert shared["notebooks/jupyterlab/extension"] == f"share/jupyter/labextensions/{about['name']}"
    code = (extension / about["jupyterlab"]["_build"]["load"]).read_text(encoding="utf-8")
    assert f'_JUPYTERLAB ??= {{}})["{about["name"]}"]' in code
