"""The notebooks' widgets as pieces of HTML that need no kernel.

A stored notebook holds no widgets, only their still pictures. So the few cells that a widget depends on are run here:
those that define, directly or through others, a name it uses, and those that set the random seed.
"""

import ast
import contextlib
import io
import linecache
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from nbformat import NotebookNode

from build import defined_names, parsed
from course_lib.widgets.base import WidgetWithStill
from course_lib.widgets.export import standalone_html
from web.figures import picture_of

WIDGETS = {"turning_ring", "feature_map_explorer", "attention_explorer", "turning_filter", "kernel_explorer"}
SEEDS = {"manual_seed", "seed_everything"}
TRAINING = {"train", "fit"}


def fragments(notebook: NotebookNode, static: Path, quick: bool = False) -> dict[str, str]:
    """Cell id → HTML of the widget that the cell shows; large states become files below ``static``.

    ``quick`` leaves out those that need a trained network.

    Raises ValueError for a widget that does not show what its stored picture shows.
    """
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    found: dict[str, str] = {}
    with _quiet_home():
        names: dict[str, Any] = {"__name__": "__main__"}
        done: set[str] = set()
        for i, cell in enumerate(code):
            if not _shows_a_widget(cell.source):
                continue
            needed = [*needed_cells(code[:i], cell), cell]
            if quick and any(TRAINING & used_names(before.source) for before in needed):
                continue
            for before in needed[:-1]:
                if before.id not in done:
                    _run(_without_figure(before), names)
                    done.add(before.id)
            found[cell.id] = _html(_run(cell, names), cell, static)
    return found


def _html(widget: WidgetWithStill, cell: NotebookNode, static: Path) -> str:
    """The widget's HTML, if it shows what the stored picture shows; where results may differ nothing is compared."""
    _, stored = next(found for output in cell.outputs if (found := picture_of(output)))
    if "nbval-ignore-output" not in cell.metadata.get("tags", []) and widget.still().alt != stored:
        raise ValueError(f"cell {cell.id}: the widget shows {widget.still().alt!r}, its stored picture {stored!r}")
    return standalone_html(widget, static / "widgets", "_static/widgets/")


def needed_cells(before: list[NotebookNode], cell: NotebookNode) -> list[NotebookNode]:
    """The cells that must run first, in their order."""
    wanted, needed = used_names(cell.source), []
    for earlier in reversed(before):
        if wanted & defined_names(earlier.source) or SEEDS & used_names(earlier.source):
            wanted |= used_names(earlier.source)
            needed.append(earlier)
    return needed[::-1]


def used_names(code: str) -> set[str]:
    """Every name and attribute that is read anywhere in the code."""
    nodes = list(ast.walk(parsed(code)))
    names = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    return names | {node.attr for node in nodes if isinstance(node, ast.Attribute)}


def _shows_a_widget(code: str) -> bool:
    """Whether a cell makes a widget and ends with a value, as in ``explorer = …`` and then ``explorer``."""
    body = parsed(code).body
    return bool(body) and isinstance(body[-1], ast.Expr) and bool(WIDGETS & used_names(code))


def _without_figure(cell: NotebookNode) -> NotebookNode:
    """The cell without the figure that it ends with, if it does: drawing takes long, and nobody sees it here."""
    body = parsed(cell.source).body
    if not body or not (isinstance(body[-1], ast.Expr) and isinstance(body[-1].value, ast.Call)):
        return cell
    draws = isinstance(body[-1].value.func, ast.Attribute) and body[-1].value.func.attr == "captioned"
    return NotebookNode(cell | {"source": "\n".join(map(ast.unparse, body[:-1]))}) if draws else cell


def _run(cell: NotebookNode, names: dict[str, Any]) -> Any:
    """Run a cell and return the value of its last expression, as a notebook would show it."""
    place = f"<cell {cell.id}>"
    linecache.cache[place] = (len(cell.source), None, cell.source.splitlines(True), place)  # for inspect.getsource
    tree = parsed(cell.source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, place, "exec"), names)
    return eval(compile(ast.Expression(last.value), place, "eval"), names) if isinstance(last, ast.Expr) else None


@contextlib.contextmanager
def _quiet_home() -> Iterator[None]:
    """No progress file is touched, nothing is printed, and one thread computes, as when the notebooks were built."""
    before, threads = os.environ.get("COURSE_HOME"), torch.get_num_threads()
    with tempfile.TemporaryDirectory() as home, contextlib.redirect_stdout(io.StringIO()):
        os.environ["COURSE_HOME"] = home
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            os.environ.pop("COURSE_HOME")
            if before is not None:
                os.environ["COURSE_HOME"] = before
