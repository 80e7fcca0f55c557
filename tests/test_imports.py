"""The layers run on a bare GPU machine: torch, numpy and tqdm, and nothing of the notebooks."""

import subprocess
import sys

import pytest

NOTEBOOK_PACKAGES = ["IPython", "ipywidgets", "anywidget", "matplotlib", "nbval", "torchvision", "PIL"]


@pytest.mark.parametrize(
    "module",
    ["training", "experiments", "counting", "redundancy", "framework", "checks", "data", "oracles", "wallpaper"],
)
def test_the_library_needs_no_notebook_package(module):
    blocked = "; ".join(f"sys.modules['{name}'] = None" for name in NOTEBOOK_PACKAGES)
    subprocess.run([sys.executable, "-c", f"import sys; {blocked}; import course_lib.{module}"], check=True)
