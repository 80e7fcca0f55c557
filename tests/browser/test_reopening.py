"""Every widget in JupyterLab: its first presses, a restart, a dark theme and a narrow page, and the notebook reopened.

With WIDGET_SCREENSHOTS=folder pictures of them are written there.
"""

import os
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="playwright drives the browser: pip install playwright")

from browser.lab import (
    CHROMIUM,
    browser_page,
    is_unsaved,
    open_and_run,
    open_notebook,
    restart,
    running_lab,
    save_and_stop,
    write_notebook,
)
from notebook_files import NOTEBOOKS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium, or set CHROMIUM"),
]

CELLS = [
    """
import torch
from course_lib.exercises import record
from course_lib.groups import C4, D4
from course_lib.layers import AffineSelfConv2d, EquivariantSequential, GroupConv2d, LiftingConv2d
from course_lib.widgets import attention_explorer, feature_map_explorer, progress_page
torch.manual_seed(0)
net = EquivariantSequential(LiftingConv2d(D4, 1, 3, 3), GroupConv2d(D4, 3, 3, 3))
record.save_attempt("half_turn", passed=True)
record.save_attempt("compose", passed=False)
feature_map_explorer(net, torch.rand(11, 11))
""",
    "feature_map_explorer(net, torch.rand(11, 11), step=45)",
    """
lift, layer = LiftingConv2d(D4, 3, 2, 3, padding=1), AffineSelfConv2d(D4, 2, 2, 5, heads=2)
attention_explorer(lambda image: layer.attention(lift(image))[0], torch.rand(1, 3, 9, 9), D4)
""",
    "progress_page()",
]
EXPLORERS = {"explorer": 0, "finer": 1, "attention": 2}

MODEL = "window.jupyterapp.shell.currentWidget.content.model"
LOST = """() => [...document.querySelectorAll('.jp-OutputArea-output')].map(node => node.innerText)
    .filter(text => text.includes('Error displaying widget') || text.includes('Loading widget'))"""
# The contrast of a text with what is behind it, as WCAG defines it.
CONTRAST = """nodes => nodes.map(node => {
    const numbers = color => color.match(/[\\d.]+/g).map(Number);
    let behind = node;
    while (numbers(getComputedStyle(behind).backgroundColor)[3] === 0) behind = behind.parentElement;
    const luminance = color => numbers(color).slice(0, 3).map(v => v / 255)
        .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const [text, back] = [getComputedStyle(node).color, getComputedStyle(behind).backgroundColor].map(luminance);
    return (Math.max(text, back) + 0.05) / (Math.min(text, back) + 0.05);
})"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    root = tmp_path_factory.mktemp("lab")
    write_notebook(root / "widgets.ipynb", *CELLS)
    for path in NOTEBOOKS:
        (root / path.name).write_bytes(path.read_bytes())
    with running_lab(root) as (address, token):
        yield address, token


@pytest.fixture(scope="module")
def page(lab):
    with browser_page() as page:
        page.problems = problems = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        yield page


@pytest.fixture(scope="module")
def ran(page, lab):
    assert open_and_run(page, *lab, "widgets.ipynb") == []
    page.wait_for_function("count => document.querySelectorAll('.fme-status').length === count", arg=len(EXPLORERS))
    return page


def widget(page, name):
    shown = page.locator(".fme").nth(EXPLORERS[name])
    shown.scroll_into_view_if_needed()
    return shown


def what_it_shows(shown):
    pictures = shown.locator("canvas").evaluate_all("canvases => canvases.map(canvas => canvas.toDataURL())")
    return [shown.locator("[role=status]").inner_text(), *pictures]


def changes(shown, press):
    """Whether the words or the pictures change within some seconds of a press."""
    before = what_it_shows(shown)
    press()
    for _ in range(40):
        if what_it_shows(shown) != before:
            return True
        shown.page.wait_for_timeout(50)
    return False


def press_of(control):
    """One press as a reader makes it: an arrow key, a click, the second entry of a list."""
    if control.evaluate("node => node.tagName") == "SELECT":
        return lambda: control.select_option(index=1)
    return control.click if control.get_attribute("type") == "checkbox" else lambda: control.press("ArrowRight")


@pytest.mark.parametrize("name", EXPLORERS)
def test_the_first_press_on_every_control_changes_what_is_shown(name, ran):
    shown = widget(ran, name)
    controls = shown.locator(".fme-controls :is(input, select)").all()
    assert len(controls) == (6 if name == "attention" else 4)
    for control in controls:
        assert changes(shown, press_of(control)), control.evaluate("node => node.parentElement.innerText")
    if name == "attention":
        assert changes(shown, lambda: shown.locator("canvas").first.click(position={"x": 30, "y": 300}))
    assert ran.problems == []


def test_the_first_press_on_reset_resets_what_the_list_shows(ran):
    cell = ran.locator(".jp-Cell").nth(3)
    cell.scroll_into_view_if_needed()
    chosen, button = cell.locator("select"), cell.get_by_role("button", name="Reset this exercise")
    assert chosen.input_value() == "Exercise 0.1 half_turn: done"
    button.click()
    cell.get_by_text("Exercise 0.1 half_turn is to do again").wait_for()
    assert chosen.input_value() == "Exercise 1.1 compose: not yet"
    button.click()
    cell.get_by_text("Exercise 1.1 compose is to do again").wait_for()
    assert chosen.is_disabled() and button.is_disabled()


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_every_word_can_be_read_in_light_and_dark(theme, ran):
    ran.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })", theme)
    ran.wait_for_function(
        "theme => document.body.dataset.jpThemeName === theme && getComputedStyle(document.body).color", arg=theme
    )
    for name in EXPLORERS:
        shown = widget(ran, name)
        words = shown.locator("figcaption, label:visible, output:visible, select:visible, .fme-status")
        assert words.count() > 6 and min(words.evaluate_all(CONTRAST)) >= 4.5, name
        photograph(shown, f"{name}-{theme.split()[1].lower()}")


def test_nothing_is_cut_off_on_a_narrow_page(ran):
    ran.set_viewport_size({"width": 520, "height": 900})
    ran.evaluate("() => window.jupyterapp.shell.collapseLeft()")
    for name in EXPLORERS:
        shown = widget(ran, name)
        ran.wait_for_function("() => innerWidth === 520")
        photograph(shown, f"{name}-narrow")
        assert shown.evaluate("""node => {
            const area = node.closest('.jp-OutputArea-output').getBoundingClientRect();
            return [...node.querySelectorAll('canvas, label, p')]
                .every(part => part.hidden
                    || part.getBoundingClientRect().right <= Math.min(area.right, innerWidth) + 1);
        }"""), name
    ran.set_viewport_size({"width": 1400, "height": 1000})


def test_a_page_that_is_reloaded_gets_its_widgets_back_from_the_kernel(page, ran, lab):
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    open_notebook(page, *lab, "widgets.ipynb")
    for name in EXPLORERS:
        page.locator(".fme").nth(EXPLORERS[name]).wait_for(state="attached")
        shown = widget(page, name)
        assert changes(shown, press_of(shown.locator("input[type=range]").first)), name


def test_after_a_restart_the_explorers_go_on(page, ran):
    restart(page)
    for name in EXPLORERS:
        shown = widget(page, name)
        assert changes(shown, lambda shown=shown: shown.locator("input[type=range]").first.press("ArrowLeft")), name
    assert page.problems == []


def test_a_saved_notebook_without_its_kernel_shows_every_widgets_picture(page, lab):
    """Twice: what is saved after the first time must still hold the pictures."""
    assert open_and_run(page, *lab, "widgets.ipynb") == []
    for _ in range(2):
        save_and_stop(page)
        open_notebook(page, *lab, "widgets.ipynb")
        for i, wanted in enumerate(["Feature maps of", "Feature maps of", "on sheet e, looks most at"]):
            picture = page.locator(".jp-Cell").nth(i).locator(".jp-OutputArea-output img")
            picture.wait_for()
            assert wanted in picture.get_attribute("alt") and picture.evaluate("img => img.naturalWidth") > 300
        page.locator(".jp-Cell").nth(3).get_by_text("exercises done").wait_for()
        photograph(page, "reopened")
        assert page.evaluate(LOST) == []
        assert not is_unsaved(page)


def photograph(shown, name):
    if folder := os.environ.get("WIDGET_SCREENSHOTS"):
        shown.screenshot(path=Path(folder, f"{name}.png"))


@pytest.mark.parametrize("name", [NOTEBOOKS[i].name for i in (0, 5, -1)])
def test_a_notebook_that_was_only_opened_is_not_unsaved(name, page, lab):
    """It hangs on the notebook's metadata, which are the same in all (test_notebooks)."""
    open_notebook(page, *lab, name)
    page.wait_for_function(f"() => {MODEL}.getMetadata('language_info').version")
    page.wait_for_timeout(500)
    assert not is_unsaved(page)
    page.evaluate(f"() => {MODEL}.setMetadata('title', 'another')")
    assert is_unsaved(page)  # a change of the reader's still is one
