"""The attention explorer in a real browser, from a file, without a kernel: keyboard, click, and what is drawn.

With ATTENTION_SCREENSHOT=path a picture of it is written there.
"""

import os

import numpy as np
import pytest
import torch

pytest.importorskip("playwright", reason="playwright drives the browser: pip install playwright")

from browser.explorer import explorer, pictures, status
from browser.lab import CHROMIUM, browser_page
from course_lib.groups import C1, D4
from course_lib.layers import AffineSelfConv2d, LiftingConv2d
from course_lib.widgets import attention_explorer
from course_lib.widgets.export import standalone_html
from course_lib.widgets.frames import turns

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium, or set CHROMIUM"),
]
SIZE = 9


def small_explorer(group):
    torch.manual_seed(0)
    lift, layer = LiftingConv2d(group, 3, 2, 3, padding=1), AffineSelfConv2d(group, 2, 2, 5, heads=2)
    return attention_explorer(lambda image: layer.attention(lift(image))[0], torch.rand(1, 3, SIZE, SIZE), group)


def write_page(widget, folder):
    (folder / "page.html").write_text(f"<!doctype html><meta charset=utf-8>{standalone_html(widget)}", encoding="utf-8")
    return (folder / "page.html").as_uri()


def test_keyboard_and_click_choose_what_the_words_say(tmp_path):
    widget = small_explorer(D4)
    with browser_page(offline=True) as page:
        errors = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(write_page(widget, tmp_path))
        shown = explorer(page)
        row, column, turn = shown.locator("input[type=range]").all()
        sheet, head = shown.locator("select").all()
        before = pictures(shown)
        row.press("ArrowRight")
        column.press("ArrowLeft")
        assert status(shown).startswith("The pixel (5, 3) on sheet e looks most at row")
        sheet.select_option("3")
        head.select_option("1")
        assert "The pixel (5, 3) on sheet r³" in status(shown)
        assert all(a != b for a, b in zip(before, pictures(shown), strict=True))
        shown.locator("canvas").first.click(position={"x": 340 * 7.5 / SIZE, "y": 340 * 1.5 / SIZE})
        for expected in turns(90, mirrors=True):
            turn.fill(str(expected.degrees))
            shown.locator("input[type=checkbox]").set_checked(expected.mirror)
            there = expected.carry((1, 7), SIZE)
            assert f"(g = {expected}), it is the pixel ({there[0]}, {there[1]})" in status(shown)
            assert "at most 0.0 %" in status(shown)
        if target := os.environ.get("ATTENTION_SCREENSHOT"):
            shown.screenshot(path=target)
        assert errors == []


def test_the_browser_draws_the_weights_that_it_got(tmp_path):
    """On C1 the turned gaze is another one, so that mixing up the two panels would show."""
    widget = small_explorer(C1)
    weights = np.frombuffer(widget.data["weights"], "<u2").reshape(8, 2, 1, 25, SIZE, SIZE) / 65535
    images = np.frombuffer(widget.data["images"], np.uint8).reshape(8, SIZE, SIZE, 3)
    with browser_page(offline=True) as page:
        page.goto(write_page(widget, tmp_path))
        shown = explorer(page)
        assert "at most 0.0 %" not in status(shown)
        for panel, frame in ((0, 0), (1, 1)):  # the middle pixel stays in the middle
            gaze = weights[frame, 0, 0, :, SIZE // 2, SIZE // 2].reshape(5, 5)
            seen = images[frame, 2:7, 2:7].astype(float)
            expected = seen + 0.75 * (1 - (gaze / gaze.max())[..., None] ** 0.7) * (0.7 * 255 - seen)
            drawn = corners(shown, panel)
            assert np.abs(drawn - expected.reshape(25, 3)[[0, 4, 20, 24]]).max() <= 1


def corners(shown, panel):
    """The colors in the corners of the window around the middle pixel, which no arrow covers."""
    places = [(row, column) for row in (2, 6) for column in (2, 6)]
    read = """(canvas, { places, size }) => places.map(([row, column]) => [...canvas.getContext('2d').getImageData(
        canvas.width * (column + 0.5) / size, canvas.height * (row + 0.5) / size, 1, 1).data].slice(0, 3))"""
    return np.array(shown.locator("canvas").nth(panel).evaluate(read, {"places": places, "size": SIZE}))
