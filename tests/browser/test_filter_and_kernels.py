"""Filter and image turn together, and the kernel explorer, in a real browser, from a file, without a kernel."""

import re

import pytest
import torch

pytest.importorskip("playwright", reason="playwright drives the browser: pip install playwright")

from browser.explorer import pictures, status
from browser.lab import CHROMIUM, browser_page
from course_lib.groups import C4
from course_lib.layers import E4Layer, LiftingConv2d
from course_lib.widgets import kernel_explorer, turning_filter
from course_lib.widgets.export import standalone_html

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium, or set CHROMIUM"),
]

HOOK = torch.tensor([[-1.0, 1.0, 1.0], [-1.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])


def filter_widget(image=None):
    widget = turning_filter(torch.rand(11, 11) if image is None else image, HOOK)
    widget.row, widget.column = 4, 6
    return widget


def kernel_widget():
    lift, layer = LiftingConv2d(C4, 1, 4, 3, padding=1), E4Layer(C4, 4, 4, 3, slices=2).eval()
    return kernel_explorer(lambda image: layer.kernels(lift(image))[0, 0], torch.rand(1, 1, 11, 11), C4, (4, 6))


def opened(page, widget, folder, width=1000):
    page.problems = []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.set_viewport_size({"width": width, "height": 900})
    (folder / "page.html").write_text(f"<!doctype html><meta charset=utf-8>{standalone_html(widget)}", encoding="utf-8")
    page.clock.install(time=0)
    page.goto((folder / "page.html").as_uri())
    page.wait_for_function("document.querySelector('.fme-status').textContent")
    page.clock.pause_at(60_000)
    page.clock.run_for(700)
    return page.locator(".fme")


def sums(shown):
    """Place on the ring → the sum that its kernel gathers, as the words say."""
    found = re.findall(r"(e|r²|r³|r): (−?[\d.]+)", status(shown).split("windows:")[1])
    return {place: float(number.replace("−", "-").rstrip(".")) for place, number in found}


def test_the_turning_filter_keeps_its_number_and_what_it_sees(tmp_path):
    with browser_page(offline=True) as page:
        shown = opened(page, filter_widget(), tmp_path)
        after, turned = pictures(shown), shown.locator(".fme-number").all_inner_texts()
        shown.locator("input[type=range]").press("ArrowLeft")
        page.clock.run_for(700)
        before, numbers = pictures(shown), shown.locator(".fme-number").all_inner_texts()
        assert turned[1] == numbers[1].replace("filter e", "filter r") and turned[2] != numbers[2], "it opens turned"
        assert numbers[0] == turned[0] == numbers[1] and before[0] == after[0], "the first picture stays upright"
        assert before[1] != after[1] and before[4] != after[4]
        shown.locator("input[type=range]").press("ArrowRight")
        page.clock.run_for(700)
        first = shown.locator("canvas").nth(1)
        box = first.bounding_box()
        first.hover(position={"x": 0.3 * box["width"], "y": 0.3 * box["height"]})
        page.clock.run_for(100)
        assert "At row 3, column 7 of the picture" in status(shown), "the pointer is on the turned picture"
        first.press("ArrowDown")
        assert "At row 4, column 7 of the picture" in status(shown) and page.problems == []


def test_kernels_turn_and_travel_with_the_image(tmp_path):
    with browser_page(offline=True) as page:
        shown = opened(page, kernel_widget(), tmp_path)
        before = sums(shown)
        shown.locator("input[type=range]").nth(2).press("ArrowRight")
        page.clock.run_for(130)
        gliding = pictures(shown)
        page.clock.run_for(700)
        assert all(a != b for a, b in zip(gliding, pictures(shown), strict=True))
        after = sums(shown)
        for place, origin in zip(("e", "r", "r²", "r³"), ("r³", "e", "r", "r²"), strict=True):
            assert abs(after[place] - before[origin]) < 0.02
        assert len(set(before.values())) == 4 and "it is pixel (6, 4)" in status(shown)
        canvas = shown.locator("canvas").first
        box = canvas.bounding_box()
        canvas.hover(position={"x": 4.5 / 11 * box["width"], "y": 6.5 / 11 * box["height"]})
        assert status(shown).startswith("Pixel (4, 6).") and page.problems == []


def test_maps_are_dark_on_a_page_that_becomes_dark(tmp_path):
    with browser_page(offline=True) as page:
        shown = opened(page, filter_widget(torch.zeros(11, 11)), tmp_path)
        shown.locator("input[type=range]").press("ArrowRight")
        corner = "document.querySelectorAll('canvas')[1].getContext('2d').getImageData(3, 3, 1, 1).data[0]"
        page.clock.run_for(700)
        assert page.evaluate(corner) == 255
        page.evaluate("document.body.style.color = 'white'")
        for _ in range(50):  # the widget is built anew, which the page's clock does not measure
            page.clock.run_for(100)
            if page.evaluate(corner) == 19:
                break
        assert page.evaluate(corner) == 19 and page.locator(".fme").count() == 1
        assert shown.locator("input[type=range]").input_value() == "180" and page.problems == []


@pytest.mark.parametrize("width", [360, 1400])
@pytest.mark.parametrize("make", [filter_widget, kernel_widget])
def test_nothing_scrolls_sideways(make, width, tmp_path):
    with browser_page(offline=True) as page:
        opened(page, make(), tmp_path, width)
        assert page.evaluate("document.documentElement.scrollWidth") <= width and page.problems == []
