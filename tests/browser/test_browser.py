"""Real JupyterLab, real Chromium: run notebooks 00 and 02, move the slider by keyboard, see the pictures change.

With EXPLORER_SCREENSHOT=path the picture for the README is written there.
"""

import os
import shutil
from pathlib import Path

import pytest

from browser.explorer import explorer, pictures, status
from browser.lab import CHROMIUM, browser_page, open_and_run, running_lab, write_notebook
from course_lib.widgets.export import export_notebook

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium, or set CHROMIUM")

SMALL_NOTEBOOK = """
import torch
from course_lib.groups import C4
from course_lib.layers import LiftingConv2d
from course_lib.widgets import feature_map_explorer
torch.manual_seed(0)
feature_map_explorer(LiftingConv2d(C4, 1, 2, 3), torch.rand(8, 8), step=45)
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """JupyterLab on a copy of the notebooks: it saves what it opens."""
    root = tmp_path_factory.mktemp("lab")
    shutil.copytree(NOTEBOOKS, root / "notebooks")
    with running_lab(root) as (address, token):
        yield address, token


@pytest.mark.parametrize("notebook", ["00_start_here", "02_actions"])
def test_the_slider_moves_the_picture_in_jupyterlab(notebook, lab, tmp_path):
    with browser_page() as page:
        assert open_and_run(page, *lab, f"notebooks/{notebook}.ipynb") == []
        widget = explorer(page)
        before, words = pictures(widget), status(widget)
        widget.locator("input[type=range]").focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_function("words => document.querySelector('.fme-status').textContent !== words", arg=words)
        changed = [a != b for a, b in zip(before, pictures(widget), strict=True)]
        assert all(changed[:3])  # the fourth shows the difference, which stays zero where the net is equivariant
        assert "Turned by" in status(widget) and "error" in status(widget)
        assert not page.locator(".jp-RenderedText[data-mime-type='application/vnd.jupyter.stderr']:visible").count()
        widget.screenshot(path=tmp_path / f"{notebook}.png")
        if notebook.startswith("00") and (target := os.environ.get("EXPLORER_SCREENSHOT")):
            widget.screenshot(path=target)


def test_the_exported_page_works_without_kernel_and_network(tmp_path):
    write_notebook(tmp_path / "small.ipynb", SMALL_NOTEBOOK)
    export_notebook(tmp_path / "small.ipynb", tmp_path / "small.html")
    with browser_page(offline=True) as page:
        errors, loaded = [], []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: loaded.append(request.url))
        page.goto((tmp_path / "small.html").as_uri())
        widget = explorer(page)
        before = pictures(widget)
        widget.locator("input[type=range]").focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_function("() => document.querySelector('.fme-status').textContent.includes('135°')")
        assert all(a != b for a, b in zip(before, pictures(widget), strict=True))
        assert errors == []
        # Formulas are set by MathJax, which nbconvert takes from the network; there is nothing else.
        assert [
            url for url in loaded if not url.startswith(("file:", "data:", "blob:")) and "mathjax" not in url.lower()
        ] == []
