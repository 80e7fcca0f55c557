"""A stored notebook, made ready for a page without a kernel: figures with words, widgets that live, linked terms."""

import ast
import re
from pathlib import Path

from nbformat import NotebookNode

from build import parsed
from web.figures import number_figures
from web.terms import in_prose, link_first_uses

# \\begin{aligned} takes what stands in brackets behind it for an option, and would not show it.
OPTION = re.compile(r"(\\begin\{aligned\}\s*)(?=\[)")
# What looks like a link, but is a formula: [L_g f](x). A link leads to a file, a place on the page or an address.
FORMULA = re.compile(r"(?<!\\)\[([^\]\n]+)\]\((?=[^).:#/]*\))")
EXERCISE = re.compile(r"^(?=> \*\*Exercise [\d.]+ (\w+)\*\*)", re.MULTILINE)
NOTEBOOK_LINK = re.compile(r'href="(\d\d_\w+)\.ipynb"')
TITLE = re.compile(r"^# .+$", re.MULTILINE)
SECTION = re.compile(r"^(?=## (\d+)\.? )", re.MULTILINE)
EQUATION = re.compile(r"\bEqs?\. \d+(?: and \d+)?")


def prepared(notebook: NotebookNode, name: str, widgets: dict[str, str], figures: Path) -> NotebookNode:
    """Changes the notebook in place and returns it; its figures become files in the folder ``figures``.

    ``widgets``: cell id → HTML to show instead of a still picture. Raises ValueError for what `number_figures` refuses.
    """
    number_figures(notebook, name, widgets, figures)
    for cell in notebook.cells:
        if cell.cell_type == "code" and only_imports(cell.source):
            cell.metadata["tags"] = [*cell.metadata.get("tags", []), "hide-input"]
    for _, output in _outputs(notebook):
        if "text/html" in output.get("data", {}):  # the dots of the progress table lead to the pages
            output.data["text/html"] = NOTEBOOK_LINK.sub(r'href="\1.html"', output.data["text/html"])
    seen: set[str] = set()
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            text = in_prose(OPTION.sub(r"\1{}", cell.source), lambda prose: _with_links(prose, name[:2], seen))
            cell.source = SECTION.sub(rf"(section-{name[:2]}-\1)=\n", EXERCISE.sub(r"(exercise-\1)=\n", text))
    link = f"{{download}}`Download this notebook <downloads/{name}.ipynb>`"
    for cell in [cell for cell in notebook.cells if cell.cell_type == "markdown"][:1]:
        cell.source = TITLE.sub(rf"\g<0>\n\n{link}", cell.source, count=1)
    return notebook


def only_imports(code: str) -> bool:
    """Whether a cell does nothing but import."""
    body = parsed(code).body
    return bool(body) and all(isinstance(node, (ast.Import, ast.ImportFrom)) for node in body)


def _with_links(prose: str, number: str, seen: set[str]) -> str:
    """Terms lead to the glossary, equation numbers to the table of equations; a formula is no link."""
    linked = link_first_uses(FORMULA.sub(r"\\[\1\\](", prose), seen)
    return EQUATION.sub(rf"[\g<0>](#equations-{number})", linked)


def _outputs(notebook: NotebookNode) -> list[tuple[NotebookNode, NotebookNode]]:
    return [(cell, output) for cell in notebook.cells for output in cell.get("outputs", [])]
