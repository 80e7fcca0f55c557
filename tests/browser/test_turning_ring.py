"""The turning ring in a real browser, from a file, without a kernel: drag, keys, play, both networks, narrow, still.

With RING_SCREENSHOT=path a picture of it is written there.
"""

import math
import os

import pytest

pytest.importorskip("playwright", reason="playwright drives the browser: pip install playwright")

from browser.lab import CHROMIUM, browser_page
from course_lib.data import load_digits
from course_lib.experiments import trained
from course_lib.widgets import turning_ring
from course_lib.widgets.export import standalone_html

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium, or set CHROMIUM"),
]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    nets = {"p4 network": trained("upright-p4cnn"), "ordinary network": trained("upright-cnn")}
    html = standalone_html(turning_ring(nets, load_digits().test.images[2:3]))
    path = tmp_path_factory.mktemp("ring") / "ring.html"
    path.write_text(f"<!doctype html><meta charset=utf-8><body>{html}", encoding="utf-8")
    return path.as_uri()


def opened(page, address, frozen=False):
    """The page; with ``frozen``, its clock goes on only when it is told to."""
    errors = []
    if frozen:
        page.clock.install(time=0)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(address)
    page.wait_for_function("document.querySelector('.fme-status').textContent")
    if frozen:
        page.clock.pause_at(60_000)
    else:
        page.wait_for_timeout(100)
    return errors


def drawn(page):
    """The pixels of the four figures: picture, both orders, difference."""
    return page.evaluate("[...document.querySelectorAll('.ring canvas')].map((canvas) => canvas.toDataURL())")


def words(page):
    return page.locator(".fme-status").inner_text()


def drag(page, degrees):
    box = page.locator(".ring canvas").first.bounding_box()
    x, y, radius = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, 0.4 * box["width"]
    page.mouse.move(x + radius, y)
    page.mouse.down()
    for angle in range(0, degrees + 1, 5):
        page.mouse.move(x + radius * math.cos(math.radians(angle)), y - radius * math.sin(math.radians(angle)))


def test_sheets_glide_to_their_new_places_and_the_difference_fades(address):
    with browser_page(offline=True) as page:
        errors = opened(page, address, frozen=True)
        before = drawn(page)
        assert "turned by 90°. Each sheet has turned by 90° and moved 1 place on" in words(page), "it opens turned"
        drag(page, 60)
        page.clock.run_for(120)
        gliding = drawn(page)
        assert "The maps are those at 180°" in words(page) and "moved" not in words(page)
        page.mouse.up()
        page.clock.run_for(500)
        after = drawn(page)
        assert all(a != b for a, b in zip(before[:3], after[:3], strict=True)) and before[3] == after[3]
        assert gliding[1] not in (before[1], after[1]), "on their way the sheets are neither here nor there"
        assert "turned by 180°. Each sheet has turned by 180° and moved 2 places on" in words(page)
        assert "Answer: 2" in words(page) and errors == []
        if target := os.environ.get("RING_SCREENSHOT"):
            page.locator(".ring").screenshot(path=target)


def test_an_ordinary_network_has_no_place_to_go_and_changes_its_answer(address):
    with browser_page(offline=True) as page:
        errors = opened(page, address)
        page.locator("input[type=radio]").nth(1).check()
        page.locator("input[type=range]").fill("0")
        page.wait_for_timeout(500)
        same = drawn(page)[3]
        page.locator("input[type=range]").fill("90")
        page.wait_for_timeout(500)
        assert "The maps have become other maps" in words(page) and "Answer: 2" not in words(page)
        assert drawn(page)[3] != same and errors == []


def test_keys_turn_it_and_play_goes_round(address):
    with browser_page(offline=True) as page:
        errors = opened(page, address)
        page.locator("input[type=range]").press("ArrowRight")
        assert "turned by 93°" in words(page)
        page.locator(".ring button").click()
        page.wait_for_function("document.querySelector('.ring input[type=range]').value > 110")
        page.locator(".ring button").click()
        assert "turned by 90°" in words(page) or "turned by 180°" in words(page), "it stops at a quarter turn"
        assert errors == []


def test_reduced_motion_jumps_and_a_telephone_needs_no_scrolling_sideways(address):
    with browser_page(offline=True) as page:
        page.emulate_media(reduced_motion="reduce", color_scheme="dark")
        page.set_viewport_size({"width": 360, "height": 800})
        errors = opened(page, address)
        page.locator("input[type=range]").fill("180")
        page.wait_for_timeout(60)
        once = drawn(page)
        page.wait_for_timeout(400)
        assert drawn(page) == once, "no glide"
        assert page.evaluate("document.documentElement.scrollWidth") <= 360 and errors == []
