"""environment.yml, for conda, says the same as pyproject.toml. conda's own channels are not asked."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parents[1]
PYPI_NAME = {"pytorch": "torch"}
# The tools that conda users get on top: those that run the notebooks and the tests, not those that check the style.
# Playwright is no conda-forge package; the browser tests are skipped without it.
TEST_TOOLS = {"nbval", "pytest", "pytest-xdist", "jupytext", "nbclient", "pyyaml", "packaging", "scikit-learn"}
# Set by `uv run`.
UV = os.environ.get("UV") or shutil.which("uv")


def environment():
    return yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))


def conda_requirements():
    """Name on PyPI → bounds, python among them."""
    entries = [entry for entry in environment()["dependencies"] if isinstance(entry, str) and entry != "pip"]
    return {PYPI_NAME.get(r.name, r.name): r.specifier for r in map(Requirement, entries)}


def pip_section():
    return next(entry["pip"] for entry in environment()["dependencies"] if isinstance(entry, dict))


def project_requirements():
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project = pyproject["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["course"]]
    tools = [entry for entry in pyproject["dependency-groups"]["dev"] if Requirement(entry).name in TEST_TOOLS]
    requirements = {r.name: r.specifier for r in map(Requirement, [*wanted, *tools])}
    return requirements | {"python": SpecifierSet(project["requires-python"])}


def run_with_network(*command, **options):
    """Run a command that asks the package index; skip, which CI does not allow, where it cannot be reached."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, **options)
    if done.returncode and any(
        words in done.stderr for words in ("Failed to fetch", "error sending request", "NewConnectionError")
    ):
        pytest.skip("the package index cannot be reached")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_same_packages_and_bounds_as_the_project():
    assert conda_requirements() == project_requirements()


def test_conda_forge_is_the_only_channel():
    assert environment()["channels"] == ["conda-forge"]


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.skipif(UV is None, reason="uv is not installed")
def test_the_set_can_be_resolved():
    requirements = conda_requirements()
    requirements.pop("python")
    lines = "\n".join(f"{name}{bounds}" for name, bounds in requirements.items())
    resolved = run_with_network(UV, "pip", "compile", "--quiet", "--python-version", "3.11", "-", input=lines)
    for name in requirements:
        assert f"\n{name}==" in f"\n{resolved}"


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.skipif(UV is None, reason="uv is not installed")
def test_the_pip_part_installs(tmp_path):
    """As conda does it: the lines go into a requirements file for pip. What they require is conda's matter."""
    (tmp_path / "requirements.txt").write_text("\n".join(pip_section()), encoding="utf-8")
    run_with_network(UV, "venv", "--seed", "--python", sys.executable, str(tmp_path / "venv"))
    python = next((tmp_path / "venv").glob("[bS]*/python*"))
    run_with_network(
        str(python), "-m", "pip", "install", "--no-deps", "-r", str(tmp_path / "requirements.txt"), cwd=ROOT
    )
    program = "import course_lib; print(course_lib.__file__)"
    done = subprocess.run([python, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert Path(done.stdout.strip()) == ROOT / "course_lib" / "__init__.py"
