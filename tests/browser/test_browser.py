"""Real JupyterLab, real Chromium: run notebooks 00 and 02, move the slider by keyboard, see the pictures change."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("playwright", reason="playwright drives the browser: pip install playwright")

from browser.explorer import explorer, pictures, status
from browser.lab import CHROMIUM, browser_page, open_and_run, running_lab
from course_lib.groups import D4
from course_lib.layers import EquivariantSequential, GroupConv2d, LiftingConv2d
from course_lib.widgets import feature_map_explorer
from course_lib.widgets.export import standalone_html

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium, or set CHROMIUM"),
]


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
        page.wait_for_function(
            "words => document.querySelector('.fme:not(.ring) .fme-status').textContent !== words", arg=words
        )
        changed = [a != b for a, b in zip(before, pictures(widget), strict=True)]
        assert all(changed[:3])  # the fourth shows the difference, which stays zero where the net is equivariant
        assert "Turned by" in status(widget) and "error" in status(widget)
        assert not page.locator(".jp-RenderedText[data-mime-type='application/vnd.jupyter.stderr']:visible").count()
        widget.screenshot(path=tmp_path / f"{notebook}.png")


def test_the_browser_draws_the_bytes_that_it_got(tmp_path):
    """Choose angle, mirror, layer and channel: the middle pixel of every sheet is the stored value.

    At 135° the two orders differ, so that mixing them up would show.
    """
    torch.manual_seed(0)
    net = EquivariantSequential(LiftingConv2d(D4, 1, 3, 3), GroupConv2d(D4, 3, 3, 3))
    widget = feature_map_explorer(net, torch.rand(11, 11), step=45)
    (tmp_path / "page.html").write_text(f"<!doctype html><meta charset=utf-8>{standalone_html(widget)}")
    with browser_page(offline=True) as page:
        page.goto((tmp_path / "page.html").as_uri())
        shown = explorer(page)
        for control, key in (("input[type=range]", "ArrowRight"), ("input[type=checkbox]", "Space")):
            shown.locator(control).press(key)
        for select in shown.locator("select").all():
            select.select_option("1")
        page.wait_for_timeout(500)  # until the sheets have arrived
        about, frame = widget.setup["layers"][1], [f["name"] for f in widget.data["frames"]].index("m · 135°")
        first_layer = 16 * 3 * 2 * 8 * 9 * 9
        maps = np.frombuffer(widget.data["maps"], np.uint8)[first_layer:].reshape(16, 3, 2, 8, 7, 7)[frame, 1]
        for order in (0, 1):
            assert np.array_equal(
                middles(shown, about, order + 1), colors(widget, maps[order, :, 3, 3], widget.data["signed"][1][1])
            )
        difference = abs(maps[0].astype(int) - maps[1])[:, 3, 3]
        assert np.array_equal(middles(shown, about, 3), colors(widget, difference))
        assert f"channel {about['channels'][1]}:" in status(shown)


def colors(widget, values, signed=False):
    return np.frombuffer(widget.colors, np.uint8).reshape(2, 256, 3)[int(signed)][values]


def middles(shown, about, index):
    """The color in the middle of each sheet, as read from the canvas."""
    places = {"places": about["places"], "reach": [2 * half for half in about["extent"]]}
    return (
        shown.locator("canvas")
        .nth(index)
        .evaluate(
            """(canvas, { places, reach }) => places.map(([x, y]) => [...canvas.getContext('2d').getImageData(
            canvas.width * (0.5 + x / reach[0]), canvas.height * (0.5 - y / reach[1]), 1, 1).data].slice(0, 3))""",
            places,
        )
    )
