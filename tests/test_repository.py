"""What people meet before they run anything: one-click starts, citation, licenses, recipes. Files only, no network."""

import json
import re
import sys
import tomllib
import types
from pathlib import Path

import pytest
import yaml
from IPython.core.interactiveshell import InteractiveShell
from packaging.specifiers import SpecifierSet

from build import COLAB

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DEVCONTAINER = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))


def text_of(path):
    return (ROOT / path).read_text(encoding="utf-8")


def paths_in(text):
    """What is written as `folder/file.ext` or, of the files at the top, as `NAME.ext`; patterns such as ex0*.py too."""
    return re.findall(r"`((?:[\w.*-]+/)*[\w*-][\w.*-]*\.(?:py|md|json|txt|yml|cff|toml|ipynb))`", text)


def section(title):
    return text_of("README.md").split(f"## {title}\n")[1].split("\n## ")[0]


# --- one-click starts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "version",
    [
        DEVCONTAINER["image"].rpartition(":")[2],
        text_of(".binder/runtime.txt").strip().removeprefix("python-"),
    ],
)
def test_machines_have_a_python_that_the_course_runs_on(version):
    assert re.fullmatch(r"3\.\d+", version)
    assert SpecifierSet(PROJECT["requires-python"]).contains(version)


def test_the_codespace_installs_the_lock_and_opens_what_exists():
    *first, last = DEVCONTAINER["onCreateCommand"].split(" && ")
    assert first == ["python -m pip install uv"] and last.startswith("python -m uv sync")
    assert (ROOT / "uv.lock").exists()
    customized = DEVCONTAINER["customizations"]
    assert all((ROOT / path).exists() for path in customized["codespaces"]["openFiles"])
    assert customized["vscode"]["settings"]["python.defaultInterpreterPath"].endswith("/.venv/bin/python")
    assert {int(port) for port in DEVCONTAINER["portsAttributes"]} == set(DEVCONTAINER["forwardPorts"])


def test_binder_installs_the_project_with_extras_that_it_has():
    """And nothing else: Binder takes one folder, `.binder`, and looks at no other."""
    lines = [line for line in text_of(".binder/requirements.txt").splitlines() if line and not line.startswith("#")]
    index, editable = lines
    assert index.startswith("--extra-index-url https://download.pytorch.org/")
    extras = re.fullmatch(r"-e \.\[([\w,]+)\]", editable)[1].split(",")
    assert set(extras) <= PROJECT["optional-dependencies"].keys()
    assert {path.name for path in (ROOT / ".binder").iterdir()} == {"requirements.txt", "runtime.txt"}


def test_the_cell_for_colab_makes_the_library_importable():
    lines = [line.strip() for line in COLAB.splitlines()]
    folder = next(line for line in lines if line.startswith("!git clone")).split()[-1]
    assert f'sys.path.insert(0, "{folder}")' in lines and (ROOT / "course_lib" / "__init__.py").exists()
    installed = next(line for line in lines if line.startswith("%pip")).split()[-1]
    assert any(entry.startswith(installed) for entry in PROJECT["optional-dependencies"]["course"])


def test_the_cell_for_colab_fetches_the_course_there_and_does_nothing_elsewhere(monkeypatch):
    """Run by IPython with stand-ins for Colab's module, for the shell and for what the user types."""
    shell, asked, ran = InteractiveShell(), [], []
    monkeypatch.setattr(shell, "system", lambda line: ran.append(shell.var_expand(line, depth=0)))
    monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or "https://example.org/course")
    shell.register_magic_function(ran.append, magic_name="pip")
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert shell.run_cell(COLAB).success and not ran and "course" not in sys.path
    colab = types.ModuleType("google.colab")
    colab.output = types.SimpleNamespace(enable_custom_widget_manager=lambda: ran.append("widgets"))
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    for _ in range(2):  # the second time it is there already
        assert shell.run_cell(COLAB).success
        assert ran == ["git clone --quiet https://example.org/course course", "install --quiet anywidget", "widgets"]
    assert sys.path[0] == "course" and len(asked) == 1


# --- citation and licenses -------------------------------------------------------------------------------------------


def test_the_citation_says_what_the_project_says():
    citation = yaml.safe_load(text_of("CITATION.cff"))
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert citation["title"].lower().replace(" ", "-") == PROJECT["name"]
    assert (citation["version"], citation["abstract"]) == (PROJECT["version"], PROJECT["description"])
    names = [author["name"] for author in citation["authors"]]
    assert names == [author["name"] for author in PROJECT["authors"]]
    assert citation["license"] == PROJECT["license"]
    assert all((ROOT / path).is_file() for path in PROJECT["license-files"])


def test_code_and_text_have_a_license_of_the_same_holder():
    code, words = text_of("LICENSE"), text_of("LICENSE-text")
    assert code.startswith("MIT License") and "creativecommons.org/licenses/by/4.0" in words
    (author,) = yaml.safe_load(text_of("CITATION.cff"))["authors"]
    for text in (code, words):
        assert re.search(r"^Copyright \(c\) \d{4} (.*)$", text, re.MULTILINE)[1] == author["name"]
    for path in re.findall(r"\b(?:notebooks|data)/[\w.]+", words):
        assert (ROOT / path.rstrip(".")).exists(), path


# --- recipes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", [text_of("CONTRIBUTING.md"), section("Start with one click")], ids=["recipes", "start"]
)
def test_files_that_are_named_exist(text):
    paths = paths_in(text)
    assert paths
    for path in paths:
        assert list(ROOT.glob(path)), path


def test_functions_and_names_of_the_recipes_exist():
    """`name` (in `file`): the file has that name."""
    pairs = re.findall(r"`(\w+)`\s+\(in `([\w/.*-]+)`\)", text_of("CONTRIBUTING.md"))
    assert len(pairs) > 5
    for name, pattern in pairs:
        assert any(re.search(rf"\b{name}\b", path.read_text(encoding="utf-8")) for path in ROOT.glob(pattern)), name
