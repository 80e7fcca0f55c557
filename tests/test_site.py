"""The web site: whole, without a broken link, and in a real browser without an error, at three widths, light and dark.

With SITE_SCREENSHOTS=folder every page is photographed there at each width. Contrast takes axe most of its time, and is
the style sheets' matter: it is measured on the pages that hold one of everything, and with SITE_CONTRAST=all on all.
"""

import base64
import colorsys
import contextlib
import functools
import http.server
import io
import os
import re
import shutil
import threading
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import nbformat
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("sphinx", reason="sphinx makes the site: uv sync --group site")
pytest.importorskip("axe_playwright_python", reason="axe checks the site: uv sync --group site")

from axe_playwright_python.sync_playwright import Axe

import build_site
from browser.explorer import explorer, pictures
from browser.lab import CHROMIUM, browser_page
from course_lib import figures
from course_lib.exercises.registry import all_exercises
from course_lib.figures.actions import photographs
from course_lib.figures.layer_diagrams import layer_diagram
from course_lib.figures.picture import Picture
from course_lib.figures.style import BELOW_NUMBERS, SIGNED
from course_lib.groups import C4, Element
from course_lib.layers import LiftingConv2d
from notebook_files import NOTEBOOKS
from outline import notebooks
from web.figures import GROUND, STEEP, _darkened, _light, on_dark
from web.figures import pictures as pictures_of
from web.generated import PLANS, plan
from web.prepare import prepared
from web.terms import in_prose, link_first_uses, terms
from web.widgets import needed_cells

WEB = Path(build_site.__file__).parent / "web"
CONTRAST = {"00_start_here.html", "library.html", "progress.html"}
# https://web.dev/articles/cls: how much of the window moved how far, without being asked to; "good" is below 0.1.
COUNT_SHIFTS = """
window.shifts = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifts += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""
WIDTHS = {"phone": 390, "tablet": 820, "desktop": 1400}
_file = io.BytesIO()
Image.new("L", (2, 2)).save(_file, "png")
PIXELS = _file.getvalue()
PICTURE = {"image/png": base64.b64encode(PIXELS).decode()}
without_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium, or set it")


def in_browser(test):
    return pytest.mark.slow(without_browser(test))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site; what Sphinx made it from is kept in the folder beside it."""
    folder, run_sphinx = tmp_path_factory.mktemp("site"), build_site.run_sphinx

    def keep_and_run(source, pages):
        shutil.copytree(source, folder / "source")
        run_sphinx(source, pages)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build_site, "run_sphinx", keep_and_run)
        build_site.build(folder / "out", quick=True)
    return folder / "out"


class Page(HTMLParser):
    """The ids, the links and the pictures of a page."""

    def __init__(self, path):
        super().__init__()
        self.ids, self.links, self.images = set(), [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.ids |= {found["id"]} if "id" in found else set()
        self.links += [found[key] for key in ("href", "src") if key in found]
        self.images += [found] if tag == "img" else []


@pytest.fixture(scope="module")
def pages(site):
    return {path.name: Page(path) for path in sorted(site.glob("*.html"))}


# The pages


@pytest.mark.slow
def test_every_notebook_and_every_page_of_our_own_is_there(pages):
    wanted = {path.stem for path in [*NOTEBOOKS, *WEB.glob("*.md")]} | {"search"}
    assert {Path(name).stem for name in pages} == wanted


@pytest.mark.slow
def test_every_notebook_shows_its_figures_and_every_figure_has_words(pages):
    for path in NOTEBOOKS:
        figures = len(list(pictures_of(nbformat.read(path, 4))))
        images = [image for image in pages[f"{path.stem}.html"].images if len(image.get("alt", "")) > 20]
        assert len(images) == 2 * figures > 0, f"{path.stem}: one for light pages, one for dark ones"


@pytest.mark.slow
def test_the_front_page_has_the_ring_and_a_picture_card_for_each_notebook(site, pages):
    front = (site / "index.html").read_text(encoding="utf-8")
    assert front.count('class="course-widget"') == 1 and "turning" in front
    assert front.count('class="course-card"') == len(NOTEBOOKS)
    for path in NOTEBOOKS:
        dark, light = sorted(f"_static/cards/{file.name}" for file in site.glob(f"_static/cards/{path.stem[:2]}-*"))
        assert {f"{path.stem}.html", dark, light} <= set(pages["index.html"].links)
        sizes = [(site / file).stat().st_size for file in (dark, light)]
        assert 1_000 < min(sizes) <= max(sizes) < 160_000, "a plot's letters are outlines"
    for book in notebooks():
        assert f"<span>{book.minutes} minutes · {len(book.exercises)} exercise" in front


@pytest.mark.slow
def test_no_link_is_broken(site, pages):
    broken = []
    for name, page in pages.items():
        for link in page.links:
            target, place = urldefrag(unquote(link))
            if re.match(r"(https?|mailto|data):", link):
                continue
            file = site / target.split("?")[0] if target else site / name
            if not file.exists() or (place and file.name in pages and place not in pages[file.name].ids):
                broken.append(f"{name}: {link}")
    assert not broken


@pytest.mark.slow
def test_sphinx_refuses_a_link_that_leads_nowhere(tmp_path, capfd):
    (tmp_path / "source" / "static").mkdir(parents=True)
    shutil.copy(WEB / "conf.py", tmp_path / "source")
    (tmp_path / "source" / "index.md").write_text("# A page\n\n[to nowhere](nowhere.ipynb), [nor here](#no-place)\n")
    with pytest.raises(RuntimeError, match="Sphinx found something wrong"):
        build_site.run_sphinx(tmp_path / "source", tmp_path / "pages")
    words = capfd.readouterr().err
    assert "nowhere.ipynb" in words and "no-place" in words


@pytest.mark.slow
def test_two_builds_give_sphinx_the_same_bytes(site, tmp_path):
    """Sphinx itself adds nothing that differs. Here the pages with widgets that need no training."""
    first, second = site.with_name("source"), tmp_path / "second"
    build_site.write_sources(second, quick=True)
    names = [path.relative_to(first) for path in sorted(first.rglob("*")) if path.is_file()]
    assert (
        len(names) > 20
        and [name for name in names if (first / name).read_bytes() != (second / name).read_bytes()] == []
    )
    assert "data-widget" in (first / "00_start_here.ipynb").read_text(encoding="utf-8")


def test_what_is_no_site_is_not_overwritten(tmp_path):
    (tmp_path / "precious").write_text("")
    with pytest.raises(FileExistsError, match="no site"):
        build_site.build(tmp_path)
    assert (tmp_path / "precious").exists()


def test_names_of_the_library_exist():
    for path in WEB.glob("*.md"):
        for module, name in re.findall(r"`(course_lib\.\w+)\.(\w+)`", path.read_text(encoding="utf-8")):
            assert hasattr(__import__(module, fromlist=[name]), name), f"{path.name}: {module}.{name}"


@pytest.mark.parametrize("hours", PLANS)
def test_a_plans_exercises_take_half_of_its_time_at_most(hours):
    assert {e.number for e in plan(hours)} == set(PLANS[hours].split()) <= {e.number for e in all_exercises()}
    assert 20 * hours <= sum(e.minutes for e in plan(hours)) <= 30 * hours


# What is made of a notebook


def notebook(*cells):
    made = nbformat.v4.new_notebook(cells=list(cells))
    for i, cell in enumerate(made.cells):
        cell.id = f"cell-{i}"
    return made


def figure_cell(alt, source="draw()"):
    output = nbformat.v4.new_output("execute_result", PICTURE, metadata={"image/png": {"alt": alt} if alt else {}})
    return nbformat.v4.new_code_cell(source, outputs=[output])


def test_a_notebook_without_a_figure_and_a_figure_without_words_are_refused(tmp_path):
    with pytest.raises(ValueError, match="01_groups: no rendered figure"):
        prepared(notebook(nbformat.v4.new_code_cell("1")), "01_groups", {}, tmp_path)
    with pytest.raises(ValueError, match=r"01_groups: a figure without alt text, below 'draw\(\)'"):
        prepared(notebook(figure_cell("words"), figure_cell("")), "01_groups", {}, tmp_path)


def test_a_widget_takes_the_place_of_its_picture_which_stays_for_those_without_javascript(tmp_path):
    made = prepared(notebook(figure_cell('a "ring"')), "01_groups", {"cell-0": "<div>widget</div>"}, tmp_path)
    html = made.cells[0].outputs[0].data["text/html"]
    still = '<noscript><img src="_static/figures/01-1-on-light.png" alt="a &quot;ring&quot;" width="1" height="1"'
    assert f'<figure class="course-figure" id="figure-1-1"><div>widget</div>{still}' in html
    assert (tmp_path / "01-1-on-light.png").read_bytes() == PIXELS


def test_figures_are_numbered_and_take_their_captions_with_them(tmp_path):
    plot = Picture(b'<svg width="3" height="2"><path fill="#5b6573"/></svg>', "a plot")
    circle = Picture(plot.image.replace(b"#5b6573", b"#d55e00"), "an element")
    shown = [nbformat.v4.new_output("display_data", picture._repr_mimebundle_()[0]) for picture in (plot, circle)]
    words = nbformat.v4.new_output(
        "display_data", {"text/markdown": "*Where *all* $L_r f < y$.*"}, metadata={"caption": True}
    )
    cells = [nbformat.v4.new_code_cell("", outputs=[shown[0], words]), nbformat.v4.new_code_cell("", outputs=shown[1:])]
    made = prepared(notebook(*cells), "04_x", {}, tmp_path)
    first, second = (cell.outputs[0].data["text/html"] for cell in made.cells)
    assert (
        "<strong>Figure 4.1.</strong> Where <em>all</em> <i>L<sub>r</sub> f &lt; y</i>.</figcaption>" in first
        and len(made.cells[0].outputs) == 1
    )
    assert 'id="figure-4-2"' in second and 'alt="an element" width="3" height="2"' in second
    assert (tmp_path / "04-1-on-light.svg").read_bytes() == plot.image
    assert 'class="on-light"' in first and 'class="on-dark"' in first
    darks = [(tmp_path / f"04-{i}-on-dark.svg").read_text() for i in (1, 2)]
    assert "#5b6573" not in darks[0] and "#d55e00" in darks[1], "where colors name elements they stay what they are"


def test_on_a_dark_page_values_are_light_on_dark_and_photographs_and_elements_stay():
    face = np.random.default_rng(0).random((3, 30, 30))  # more colors than a palette has
    ring, photo = figures.act_on_ring(np.eye(4)[None].repeat(4, 0), Element(0, 1), C4), photographs({"face": face})
    for picture in (ring, photo):
        light, dark = (Image.open(io.BytesIO(x)).convert("RGB") for x in (picture.image, on_dark(picture.image)))
        before, after = ({color: n for n, color in x.getcolors(10**6)} for x in (light, dark))
        assert light.getpixel((1, 1)) == (255, 255, 255) and dark.getpixel((1, 1)) == (19, 19, 19), "the ground"
        kept = [color for color in ((0, 0x72, 0xB2), (0xD5, 0x5E, 0)) if picture is ring]
        assert all(abs(before[color] - after[color]) < 20 for color in kept)
        middle = [part * share // 3 for share in (1, 2) for part in light.size]
        assert (light.crop(middle).tobytes() == dark.crop(middle).tobytes()) is (picture is photo)


@pytest.mark.parametrize(("end", "hue"), [(0, 209), (1, 6)])
def test_each_sign_has_one_hue_on_a_dark_page_and_grows_lighter_from_the_faintest_value_on(end, hue):
    shades = SIGNED(np.linspace(0.5, end, 9), bytes=True)[:, :3].tolist()
    dark = [_darkened(*shade, steep=STEEP) for shade in shades]
    assert dark[0] == [19, 19, 19] and np.diff([_light(color) for color in dark]).min() > 0.04
    hues = [360 * colorsys.rgb_to_hls(*color)[0] for color in dark[1:]]
    assert max(abs(found - hue) for found in hues) < 6


def contrast(one, other):
    """https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio; small letters need 4.5."""

    def luminance(color):
        parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in np.array(color) / 255]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colors", BELOW_NUMBERS.values(), ids=BELOW_NUMBERS)
def test_numbers_in_cells_can_be_read_on_light_and_on_dark_pages(colors):
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    for ground in colors(np.arange(colors.N), bytes=True)[:, :3].tolist():
        assert contrast((0, 0, 0), ground) > 4.5
        assert contrast(_darkened(0, 0, 0, steep=STEEP), _darkened(*ground, steep=STEEP)) > 4.5


def test_no_gray_of_the_edges_of_letters_stays_dark_on_a_dark_page():
    file = io.BytesIO()
    Image.fromarray(np.arange(256, dtype=np.uint8)[None]).convert("RGB").save(file, "png")
    dark = np.array(Image.open(io.BytesIO(on_dark(file.getvalue()))))
    assert dark.min() >= GROUND and (np.diff(dark[0, :, 0].astype(int)) <= 0).all()


def test_lines_and_words_stay_plain_on_a_dark_page():
    dark = on_dark(layer_diagram(LiftingConv2d(C4, 1, 2, 3)).image).decode()
    colors = {bytes.fromhex(color) for color in re.findall(r"#(\w{6})\b", dark)}
    parts = [0.3 * red + 0.59 * green + 0.11 * blue for red, green, blue in colors]
    assert min(parts) == pytest.approx(19) and sorted(parts)[1] > 80, "after the ground only light colors"


def test_terms_are_linked_once_and_never_in_code_formulas_headings_or_folded_help():
    text = "# A group\n\n`group` $group$ [group](01_groups.ipynb) <details>group</details>\nGroups, and a group.\n"
    seen = set()
    assert in_prose(text, lambda prose: link_first_uses(prose, seen)) == text.replace(
        "Groups,", "{term}`Groups <group>`,"
    )
    assert seen == {"group"}
    assert link_first_uses("a group convolution", set()) == "a {term}`group convolution <group convolution>`"
    assert terms() and all(term == term.lower() for term in terms())


MARKDOWN = """[L_g f](x) of Eqs. 4 and 5

$$\\begin{aligned}
[f](t) &= 1
\\end{aligned}$$

## 3. Undo

> **Exercise 1.1 compose** ·
"""


def test_formulas_are_no_links_and_equation_numbers_are(tmp_path):
    cells = prepared(
        notebook(figure_cell("words"), nbformat.v4.new_markdown_cell(MARKDOWN)), "06_x", {}, tmp_path
    ).cells
    made = cells[1].source
    assert "\\[L_g f\\](x) of [Eqs. 4 and 5](#equations-06)" in made
    assert "{aligned}\n{}[f](t)" in made
    assert "(section-06-3)=\n## 3." in made and "(exercise-compose)=\n> **Exercise" in made


def test_imports_are_folded_and_the_notebook_can_be_fetched(tmp_path):
    code = [
        nbformat.v4.new_code_cell(source) for source in ("import torch\nfrom math import pi", "import torch\nx = 1")
    ]
    title = nbformat.v4.new_markdown_cell("# 06 Title\n\nText")
    cells = prepared(notebook(figure_cell("words"), title, *code), "06_x", {}, tmp_path).cells
    assert [cell.metadata.get("tags", []) for cell in cells[2:]] == [["hide-input"], []]
    assert cells[1].source.startswith("# 06 Title\n\n{download}`Download this notebook <downloads/06_x.ipynb>`")


def test_a_widget_needs_the_cells_that_define_its_names_and_those_that_seed():
    sources = ["import torch", "%pip list\na = 1", "b = a", "torch.manual_seed(0)", "c = 3", "feature_map_explorer(b)"]
    *before, cell = notebook(*map(nbformat.v4.new_code_cell, sources)).cells
    assert [needed.source for needed in needed_cells(before, cell)] == sources[:4]


# In the browser

# Three of a kind are enough for axe, whose time grows faster than the page.
THREE_OF_A_KIND = """() => ['.highlight pre', 'mjx-container'].forEach(kind =>
    [...document.querySelectorAll(kind)].slice(3).forEach(node => node.replaceChildren()))"""


@contextlib.contextmanager
def served(folder):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def open_page(site):
    """Opens a page of the site; ``page.problems`` is what the browser complained of since."""
    with served(site) as address, browser_page() as page:
        page.problems = problems = []
        page.on("console", lambda m: m.type in ("error", "warning") and problems.append(m.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        left = "net::ERR_ABORTED"  # what a page still fetched when it was left
        page.on("requestfailed", lambda r: r.failure == left or problems.append(f"failed: {r.url}"))
        page.on(
            "request", lambda r: r.url.startswith(("data:", "blob:", address)) or problems.append(f"fetches {r.url}")
        )

        page.add_init_script(COUNT_SHIFTS)

        def open_(name):
            problems.clear()
            page.goto(f"{address}/{name}", wait_until="load")
            page.evaluate("() => window.MathJax?.startup?.promise")
            return page

        yield open_


def serious(page, **options):
    """What axe finds on the page as it is now, of serious or critical impact."""
    found = Axe().run(page, options={"resultTypes": ["violations"], "preload": False, **options}).response["violations"]
    return [
        f"{finding['id']}: {finding['nodes'][0]['html'][:200]} {finding['nodes'][0]['failureSummary']}"
        for finding in found
        if finding["impact"] in ("serious", "critical")
    ]


def low_contrast(page):
    """What cannot be read, in light and in dark mode."""
    found = []
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        found += [f"{scheme}: {words}" for words in serious(page, runOnly=["color-contrast"])]
    return found


def test_no_page_is_larger_than_two_megabytes(site):
    sizes = {path.name: path.stat().st_size for path in site.glob("*.html")}
    assert max(sizes.values()) <= 2e6, sizes


@in_browser
def test_every_page_at_three_widths_jumps_nowhere_has_no_error_and_is_open_to_all(site, open_page):
    page = open_page("index.html")
    for name in sorted(path.name for path in site.glob("*.html")):
        for kind, width in WIDTHS.items():
            page.set_viewport_size({"width": width, "height": 900})
            open_page(name)
            if name == "index.html":
                page.locator(".course-widget canvas").first.wait_for()  # others are drawn when one comes near them
            assert page.evaluate("() => window.shifts") < 0.1, f"{name}, {kind}: something jumps"
            assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), (
                f"{name}, {kind}: too wide"
            )
            assert page.problems == [], name
            if folder := os.environ.get("SITE_SCREENSHOTS"):
                page.screenshot(path=Path(folder, f"{Path(name).stem}-{kind}.png"))
        assert page.locator("mjx-merror").count() == 0, f"{name}: a formula that cannot be set"
        page.evaluate(THREE_OF_A_KIND)
        assert serious(page, rules={"color-contrast": {"enabled": False}}) == [], name
        if name in CONTRAST or os.environ.get("SITE_CONTRAST") == "all":
            assert low_contrast(page) == [], name
        assert page.problems == [], name


@in_browser
def test_the_explorer_answers_without_a_kernel(open_page):
    page = open_page("00_start_here.html")
    widget = explorer(page)
    before = pictures(widget)
    widget.locator("input[type=range]").press("ArrowRight")
    widget.locator(".fme-status", has_text="180°").wait_for()
    assert all(a != b for a, b in zip(before[:3], pictures(widget), strict=False))
    assert page.problems == []


@in_browser
def test_hints_and_solutions_open_with_a_click(open_page):
    page = open_page("01_groups.html")
    solution = page.locator("details", has=page.locator("summary", has_text="Solution")).first
    code = solution.locator("pre")
    assert not code.is_visible()
    solution.locator("summary").click()
    assert code.is_visible() and "@exercise" in code.inner_text()


@in_browser
def test_search_finds_words_of_the_notebooks(open_page):
    page = open_page("search.html?q=cayley")
    page.locator(".search li a").first.wait_for()
    assert "01_groups.html" in page.locator(".search li a").evaluate_all("links => links.map(a => a.href).join()")
    assert page.problems == []


@in_browser
def test_search_from_a_file_says_why_there_are_no_excerpts(site, open_page):
    page = open_page("search.html?q=cayley")
    page.locator(".search li p.context").first.wait_for()
    assert page.locator("#search-note").count() == 0
    page.goto(f"{(site / 'search.html').as_uri()}?q=cayley")
    page.locator(".search li a").first.wait_for()
    assert "without excerpts" in page.locator("#search-note").inner_text()
    assert page.locator(".search li p.context").count() == 0  # otherwise the words are out of date


@in_browser
def test_on_paper_nothing_covers_the_text_and_no_line_is_cut(open_page):
    page = open_page("06_separable_gconv.html")
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 700, "height": 1000})  # about an A4 page between its margins
    assert not page.locator(".skip-to-content").is_visible()
    cut = "nodes => nodes.filter(pre => pre.scrollWidth > pre.clientWidth + 1).map(pre => pre.innerText.slice(0, 80))"
    assert page.locator("pre:visible").evaluate_all(cut) == []
    if folder := os.environ.get("SITE_SCREENSHOTS"):
        page.pdf(path=Path(folder, "06.pdf"), format="A4")
    page.emulate_media(media="screen")


@in_browser
def test_ticks_are_kept_and_the_next_exercise_is_named(open_page):
    page = open_page("progress.html")
    page.get_by_label("Exercise 0.1 half_turn is done").check()
    page.reload()
    assert page.get_by_label("Exercise 0.1 half_turn is done").is_checked()
    line = page.locator("#progress-line")
    assert line.inner_text() == f"1 of {len(all_exercises())} exercises done. Go on with Exercise 1.1 compose."
    assert line.locator("a").get_attribute("href") == "01_groups.html#exercise-compose"
    page.get_by_label("Exercise 0.1 half_turn is done").uncheck()
    assert line.inner_text().startswith("0 of ")
