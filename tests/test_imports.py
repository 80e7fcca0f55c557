"""Layers, networks, training and the command line run on a bare GPU machine: torch, numpy, tqdm, and no notebook."""

import pkgutil
import subprocess
import sys

import pytest

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
        "course_lib.training.results",
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
