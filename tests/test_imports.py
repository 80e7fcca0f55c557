"""Imports run one way; and layers, networks, training and the command line need no notebook: torch, numpy and tqdm."""

import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

import course_lib

NOTEBOOK_PACKAGES = [
    "IPython",
    "ipywidgets",
    "anywidget",
    "matplotlib",
    "nbval",
    "pytest",
    "torchvision",
    "PIL",
    "jupyterlab",
]
NOTEBOOK_ROOMS = {"exercises", "figures", "widgets"}
ROOMS = {module.name for module in pkgutil.iter_modules(course_lib.__path__)} - NOTEBOOK_ROOMS - {"__main__"}


def run_without(code: str) -> subprocess.CompletedProcess[str]:
    """Run code where the packages of the notebooks cannot be imported."""
    blocked = "; ".join(f"sys.modules['{name}'] = None" for name in NOTEBOOK_PACKAGES)
    return subprocess.run([sys.executable, "-c", f"import sys; {blocked}; {code}"], capture_output=True, text=True)


@pytest.mark.slow
def test_the_library_needs_no_notebook_package() -> None:
    modules = [f"course_lib.{room}" for room in sorted(ROOMS)] + [
        "course_lib.reports.results",
        "course_lib.cli.commands",
    ]
    done = run_without("import " + ", ".join(modules))
    assert done.returncode == 0, done.stderr
    assert {"training", "cli", "models", "layers", "kernels", "data"} <= ROOMS


@pytest.mark.slow
@pytest.mark.parametrize("words", [["--help"], ["results", "rotated-mnist"]])
def test_the_command_line_needs_no_notebook_package(words: list[str]) -> None:
    done = run_without(f"from course_lib.cli import main; raise SystemExit(main({words}))")
    assert done.returncode == 0 and done.stdout, done.stderr


def test_help_does_not_wait_for_torch() -> None:
    done = run_without(
        "from course_lib.cli.parser import make_parser; make_parser(); assert 'torch' not in sys.modules"
    )
    assert done.returncode == 0, done.stderr


def test_type_checkers_of_other_projects_find_the_types() -> None:
    assert (Path(course_lib.__path__[0]) / "py.typed").is_file()


def test_imports_run_one_way(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(Path(__file__).parents[1])
    assert lint_imports(no_cache=True) == 0, capsys.readouterr().out


def test_an_import_against_the_direction_is_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the same contract, of a copy in which it is turned around."""
    stated = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = stated["tool"]["importlinter"]["contracts"]
    lines = ["[importlinter]", "root_package = course_lib", "[importlinter:contract:turned]", "name = turned"]
    lines += [
        "type = layers",
        "containers = course_lib",
        "layers =",
        *(f"  {room}" for room in contract["layers"][::-1]),
    ]
    (tmp_path / "turned.ini").write_text("\n".join(lines))
    assert lint_imports(config_filename=str(tmp_path / "turned.ini"), no_cache=True) == 1
    assert "course_lib.layers is not allowed to import course_lib.kernels" in capsys.readouterr().out
