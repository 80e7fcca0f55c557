"""The explorer in a real browser, from a file: sheets glide, a pixel is shown in both orders, every width has room."""

import re

import pytest
import torch

pytest.importorskip("playwright", reason="playwright drives the browser: pip install playwright")

from browser.explorer import pictures
from browser.lab import CHROMIUM, browser_page
from course_lib.data import load_digits
from course_lib.experiments import trained
from course_lib.groups import D4
from course_lib.layers import EquivariantSequential, LiftingConv2d
from course_lib.widgets import export, feature_map_explorer
from course_lib.widgets.export import standalone_html

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium, or set CHROMIUM"),
]

IMAGE = load_digits().test.images[2:3]


@pytest.fixture(scope="module")
def addresses(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("explorers")
    mirrors = EquivariantSequential(LiftingConv2d(D4, 1, 2, 5), torch.nn.ReLU())
    nets = {"p4": trained("upright-p4cnn"), "ordinary": trained("upright-cnn"), "p4m": mirrors}
    for name, net in nets.items():
        html = standalone_html(feature_map_explorer(net, IMAGE, channels=1))
        (folder / f"{name}.html").write_text(f"<!doctype html><meta charset=utf-8><body>{html}", encoding="utf-8")
    return {name: (folder / f"{name}.html").as_uri() for name in nets}


def opened(page, address, width=1000):
    """The page, drawn; its clock goes on only when it is told to."""
    page.problems = []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.set_viewport_size({"width": width, "height": 900})
    page.clock.install(time=0)
    page.goto(address)
    page.wait_for_function("document.querySelector('.fme-status').textContent")
    page.clock.pause_at(60_000)
    page.clock.run_for(400)
    return page.locator(".fme")


@pytest.mark.parametrize("name", ["p4", "p4m"])
def test_sheets_glide_and_arrive_where_they_are_at_once_without_motion(name, addresses):
    shown = {}
    for motion in ("no-preference", "reduce"):
        with browser_page(offline=True) as page:
            page.emulate_media(reduced_motion=motion)
            widget = opened(page, addresses[name])
            widget.locator("input[type=range]").press("ArrowRight")
            page.clock.run_for(130)
            gliding = pictures(widget)
            page.clock.run_for(400)
            shown[motion] = pictures(widget)
            is_same = [a == b for a, b in zip(gliding[:3], shown[motion], strict=False)]
            assert is_same == [motion == "reduce"] * 3
            assert page.problems == []
    assert shown["reduce"] == shown["no-preference"]


def test_half_way_every_sheet_has_left_its_place(addresses):
    widget = feature_map_explorer(trained("upright-p4cnn"), IMAGE, channels=1)
    about = widget.setup["layers"][0]
    covered = """(canvas, { places, extent }) => places.map(([x, y]) => canvas.getContext('2d').getImageData(
        canvas.width / 2 * (1 + x / extent[0]), canvas.height / 2 * (1 - y / extent[1]), 1, 1).data[3] > 0)"""
    with browser_page(offline=True) as page:
        shown = opened(page, addresses["p4"])
        ring = shown.locator("canvas").nth(2)
        assert ring.evaluate(covered, about) == [True] * 4
        shown.locator("input[type=range]").press("ArrowRight")
        page.clock.run_for(155)
        assert ring.evaluate(covered, about) == [False] * 4
        page.clock.run_for(400)
        assert ring.evaluate(covered, about) == [True] * 4


def test_maps_of_an_ordinary_network_have_no_place_to_glide_to(addresses):
    with browser_page(offline=True) as page:
        widget = opened(page, addresses["ordinary"])
        widget.locator("input[type=range]").press("ArrowRight")
        page.clock.run_for(130)
        gliding = pictures(widget)
        page.clock.run_for(400)
        is_same = [a == b for a, b in zip(gliding, pictures(widget), strict=True)]
        assert is_same == [False, True, False, False], "turned first, the map is at once what it is"


def test_a_pixel_is_shown_in_both_orders_and_in_the_input(addresses):
    with browser_page(offline=True) as page:
        widget = opened(page, addresses["p4"])
        before = pictures(widget)
        second = widget.locator("canvas").nth(2)
        box = second.bounding_box()
        second.hover(position={"x": 0.5 * box["width"], "y": 0.2 * box["height"]})
        page.clock.run_for(100)
        changed = [a != b for a, b in zip(before, pictures(widget), strict=True)]
        words = widget.locator(".fme-probe").inner_text()
        assert changed == [True, True, True, False] and words.startswith("Sheet r, row")
        first, then = re.findall(r"(-?\d+) %", words)
        assert first == then
        second.press("PageDown")
        second.press("ArrowDown")
        page.clock.run_for(100)
        assert widget.locator(".fme-probe").inner_text().startswith("Sheet r², row")
        second.press("Escape")
        page.clock.run_for(100)
        assert pictures(widget) == before and page.problems == []


def test_a_large_state_is_loaded_from_a_file_beside_the_page_when_the_reader_is_near(tmp_path, monkeypatch):
    monkeypatch.setattr(export, "LARGE", 1000)
    widget = feature_map_explorer(trained("upright-p4cnn"), IMAGE, channels=1)
    html = standalone_html(widget, tmp_path / "widgets", "widgets/")
    (state,) = (tmp_path / "widgets").iterdir()
    assert len(html) < 60_000 < state.stat().st_size
    page_html = f"<!doctype html><meta charset=utf-8><body><div style='height:4000px'></div>{html}"
    (tmp_path / "page.html").write_text(page_html, encoding="utf-8")
    with browser_page(offline=True) as page:
        loaded = []
        page.on("request", lambda request: loaded.append(request.url))
        page.goto((tmp_path / "page.html").as_uri())
        page.wait_for_timeout(300)
        assert [url for url in loaded if state.name in url] == [] and page.locator(".fme").count() == 0
        page.evaluate("scrollTo(0, 3500)")
        page.locator(".fme-status").get_by_text("Turned by 90°").wait_for()
        assert [url for url in loaded if url.endswith(f"widgets/{state.name}")]


@pytest.mark.parametrize("width", [360, 820, 1400])
def test_rings_fill_every_width_and_nothing_scrolls_sideways(width, addresses):
    for group, address in addresses.items():
        with browser_page(offline=True) as page:
            widget = opened(page, address, width)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            boxes = [canvas.bounding_box() for canvas in widget.locator("canvas").all()]
            rows = {}
            for box in boxes:
                rows.setdefault(round(box["y"] / 40), []).append(box["x"] + box["width"])
            assert max(max(ends) for ends in rows.values()) > 0.85 * width
            _, first, second, _ = boxes
            is_below = group == "p4m" and width < 1000  # a pair of rings takes the whole width
            side = "x" if is_below else "y"
            assert width < 480 or first[side] == second[side], "both orders stand in line, to be compared"
            page.evaluate("window.scrollTo(0, 200)")
            assert widget.locator(".fme-controls").bounding_box()["y"] >= -1 or page.evaluate("scrollY") == 0
