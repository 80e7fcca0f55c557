"""Build the course's web site from the stored notebooks; nothing is fetched, and only the cells of widgets are run.

    uv run python notebooks/build_site.py OUT           all of it, in about a minute and a half
    uv run python notebooks/build_site.py OUT --quick   without the widgets whose networks must be trained first

Sphinx makes the pages. What it gets is made here, in a temporary folder: the stored notebooks, prepared for a page
without a kernel; the pages of notebooks/web; and MathJax from its package. A warning of Sphinx, such as a link that
leads nowhere, fails the build, and so does a figure without words.
"""

import argparse
import importlib.util
import shutil
import tempfile
import warnings
from pathlib import Path

import nbformat
from sphinx.cmd.build import build_main

from web.front import write_front_page
from web.generated import PAGES
from web.prepare import prepared
from web.widgets import fragments

FOLDER = Path(__file__).resolve().parent
MATHJAX = ("tex-chtml-full.js", "output/chtml/fonts/woff-v2")


def build(out: Path, quick: bool = False) -> None:
    """Write the site into the folder ``out``, which is replaced if it holds an older one.

    Raises FileExistsError if ``out`` is something else, ValueError for a notebook that is not fit for a page, and
    RuntimeError if Sphinx has anything to complain about.
    """
    if out.exists() and any(out.iterdir()) and not (out / "searchindex.js").exists():
        raise FileExistsError(f"{out} holds something that is no site; name an empty or a new folder")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.resolve().parent, prefix=".site-") as temporary:
        source, pages = Path(temporary, "source"), Path(temporary, "pages")
        write_sources(source, quick)
        run_sphinx(source, pages)
        if out.exists():
            shutil.rmtree(out)
        pages.rename(out)


def write_sources(source: Path, quick: bool) -> None:
    """Everything that Sphinx reads."""
    shutil.copytree(FOLDER / "web", source, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    shutil.copy(FOLDER / "web" / "conf.py", source)
    (source / "downloads").mkdir()
    for name, page in PAGES.items():
        marker, path = f"<!-- generated: {name} -->", source / page.file
        text = path.read_text(encoding="utf-8")
        if marker not in text:
            raise ValueError(f"{page.file} has no line {marker}")
        path.write_text(text.replace(marker, page.markdown()), encoding="utf-8")
    for path in sorted(FOLDER.glob("[0-9]*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        widgets = fragments(notebook, source / "static", quick)
        if path.stem.startswith("00"):
            write_front_page(source, FOLDER, ring=next(iter(widgets.values())))
        nbformat.write(prepared(notebook, path.stem, widgets, source / "static" / "figures"), source / path.name)
        shutil.copy(path, source / "downloads")
    package = importlib.util.find_spec("sphinx-mathjax-offline")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("the package sphinx-mathjax-offline is missing: uv sync --group site")
    mathjax = Path(package.origin).parent / "static" / "mathjax"
    for name in MATHJAX:
        target = source / "static" / "mathjax" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (mathjax / name).is_dir() else shutil.copy)(mathjax / name, target)


def run_sphinx(source: Path, pages: Path) -> None:
    """Raises RuntimeError if Sphinx warns of anything; its own words are printed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python's warnings are for those who write Sphinx, not for us
        options = ["-W", "--keep-going", "-q", "-d", str(pages.parent / "doctrees")]
        if build_main([*options, str(source), str(pages)]):
            raise RuntimeError("Sphinx found something wrong: see above")


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the course's web site from the stored notebooks.")
    parser.add_argument("out", type=Path, help="the folder to write")
    parser.add_argument("--quick", action="store_true", help="leave out widgets whose networks must be trained first")
    options = parser.parse_args()
    build(options.out, options.quick)


if __name__ == "__main__":
    main()
