"""Build the notebooks: notebooks/src/NN_name.py, which people edit, becomes the executed notebooks/NN_name.ipynb.

    uv run python notebooks/build.py                 build all
    uv run python notebooks/build.py 01_groups       build some
    uv run python notebooks/build.py --check         say which notebooks' inputs are stale; executes nothing
    uv run python notebooks/build.py --export student DIR     copies without answers and results, for a class
    uv run python notebooks/build.py --export answered DIR    copies with every exercise filled in

The same source gives the same bytes: cell ids come from the cells' order, and nothing that differs from run to run is
stored. A markdown line ``<!-- help: compose -->`` becomes the folded hints and solution of the exercise `compose`; the
head of its card is put above its cell. ``<!-- contents -->`` becomes the table of all notebooks with their exercises
and minutes.
"""

import argparse
import ast
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from course_lib.exercises.card import head
from course_lib.exercises.registry import find
from course_lib.exercises.solution import help_text
from course_lib.files import write_whole
from outline import contents
from versions import STUB, VERSIONS

FOLDER = Path(__file__).resolve().parent
CELL_TIMEOUT = 300
CONTENTS = "<!-- contents -->"
MARKER = re.compile(r"^<!-- help: (\w+) -->$", re.MULTILINE)
METADATA = {
    "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
    "language_info": {"name": "python"},
}
# Not tried in Colab itself. The site leaves the cell out, JupyterLab and Colab show it folded.
COLAB = """# Only for Google Colab: fetches the course. Elsewhere this cell does nothing.
import sys

if "google.colab" in sys.modules and "course" not in sys.path:
    address = input("Address of the repository: ")
    !git clone --quiet {address} course
    %pip install --quiet anywidget
    sys.path.insert(0, "course")
    sys.modules["google.colab"].output.enable_custom_widget_manager()"""
COLAB_METADATA = {"cellView": "form", "jupyter": {"source_hidden": True}, "tags": ["remove-cell"]}
OVERWRITTEN = re.compile(r"[^\n]*\r(?!\n)")
FULL_BAR = re.compile(r"100%\|[^|\n]*\|\s*(\d+/\d+) \[[^\]\n]*\]")
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def sources(names: list[str] | None = None) -> list[Path]:
    """The notebooks' sources, all or those named. Raises ValueError for an unknown name."""
    found = {path.stem: path for path in sorted((FOLDER / "src").glob("[0-9]*.py"))}
    if unknown := set(names or []) - found.keys():
        raise ValueError(f"no source for {', '.join(sorted(unknown))}; there are: {', '.join(found)}")
    return [path for name, path in found.items() if not names or name in names]


def target(source: Path) -> Path:
    return FOLDER / f"{source.stem}.ipynb"


def from_source(source: Path) -> NotebookNode:
    """The notebook as it is before execution: help expanded, ids fixed."""
    notebook = jupytext.read(source)
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    notebook.cells = list(_with_heads(notebook.cells))
    known: set[str] = set()
    for i, cell in enumerate(notebook.cells):
        cell.id = f"{source.stem[:2]}-{i:03d}"
        cell.metadata.pop("lines_to_next_cell", None)  # jupytext's own note
        if cell.cell_type == "code":
            known |= defined_names(cell.source)
        else:
            cell.source = _with_help(cell.source, known)
            if CONTENTS in cell.source:
                cell.source = cell.source.replace(CONTENTS, contents("{name}.ipynb"))
    colab = nbformat.v4.new_code_cell(COLAB, id=f"{source.stem[:2]}-colab", metadata=COLAB_METADATA)
    notebook.cells.insert(1, colab)  # below the title
    return notebook


def _with_heads(cells: list[NotebookNode]) -> Iterator[NotebookNode]:
    """Above each exercise the head of its card, at the end of the text that leads to it."""
    for cell, following in zip(cells, [*cells[1:], None], strict=True):
        yield cell
        found = STUB.search(following.source) if following is not None and following.cell_type == "code" else None
        if found and cell.cell_type == "markdown":
            cell.source += f"\n\n{head(find(found[1]))}"
        elif found:
            yield nbformat.v4.new_markdown_cell(head(find(found[1])))


def _with_help(text: str, known: set[str]) -> str:
    return MARKER.sub(lambda found: help_text(find(found[1]), known), text)


def parsed(code: str) -> ast.Module:
    """A cell's code without the lines that only IPython understands."""
    return ast.parse("\n".join(line for line in code.splitlines() if not line.lstrip().startswith(("%", "!"))))


def defined_names(code: str) -> set[str]:
    """The names that a cell imports, defines or assigns at its top level."""
    names = set()
    for node in parsed(code).body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {alias.asname or alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        else:  # in a loop or a try, too
            stored = (name for name in ast.walk(node) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store))
            names |= {name.id for name in stored}
    return names


def execute(notebook: NotebookNode, folder: Path = FOLDER) -> NotebookNode:
    """Run all cells in a fresh kernel, in place. A hang is tried once more: one run in twenty hangs with widgets."""
    for is_last_try in (False, True):
        try:
            return _execute(notebook, folder)
        except (CellTimeoutError, DeadKernelError):
            if is_last_try:
                raise
            print("the kernel hung or died; once more", file=sys.stderr)
    raise AssertionError("unreachable")


def _execute(notebook: NotebookNode, folder: Path) -> NotebookNode:
    with tempfile.TemporaryDirectory() as home:
        # One thread and a fixed hash seed, so that sums and sets come out in the same order; progress starts empty.
        env = os.environ | {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "COURSE_HOME": home}
        client = NotebookClient(
            notebook,
            timeout=CELL_TIMEOUT,
            kernel_name="python3",
            record_timing=False,
            store_widget_state=False,
            resources={"metadata": {"path": str(folder)}},
        )
        return client.execute(env=env)


def normalized(notebook: NotebookNode) -> str:
    """The executed notebook as text, without what differs from run to run or is of no use without a kernel."""
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        for output in cell.outputs:
            # Without a kernel a stored widget view hides the still picture that stands beside it.
            output.get("data", {}).pop(WIDGET_VIEW, None)
        cell.outputs = _in_order(cell.outputs)
    return nbformat.writes(notebook).rstrip("\n") + "\n"


def _in_order(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Progress bars first, then the rest: where the kernel cuts the two streams, and how it mixes them, is chance."""
    bars = "".join(output.text for output in outputs if output.get("name") == "stderr")
    rest = _joined_streams([output for output in outputs if output.get("name") != "stderr"])
    return [nbformat.v4.new_output("stream", name="stderr", text=finished(bars)), *rest] if bars else rest


def finished(text: str) -> str:
    """Printed text as it looks in the end: without what was written over, and without the times of full bars."""
    return FULL_BAR.sub(r"100%|██████████| \1", OVERWRITTEN.sub("", text))


def _joined_streams(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Neighboring pieces of one stream as one: how the kernel cuts them depends on timing."""
    joined: list[NotebookNode] = []
    for output in outputs:
        last = joined[-1] if joined else None
        if last is not None and output.output_type == "stream" == last.output_type and output.name == last.name:
            last.text += output.text
        else:
            joined.append(output)
    return joined


def stale(source: Path) -> str | None:
    """Why the stored notebook does not belong to its source; None if it does. Outputs are pytest --nbval's matter."""
    if not target(source).exists():
        return "was never built"
    stored, wanted = nbformat.read(target(source), as_version=4), from_source(source)
    if len(stored.cells) != len(wanted.cells):
        return f"has {len(stored.cells)} cells, its source {len(wanted.cells)}"
    for i, (have, want) in enumerate(zip(stored.cells, wanted.cells, strict=True)):
        if any(have[key] != want[key] for key in ("cell_type", "source", "metadata", "id")):
            return f"differs from its source in cell {i}: {want.source[:60]!r}"
        if have.cell_type == "code" and have.source and have.execution_count is None:
            return f"has an unexecuted cell {i}: {have.source[:60]!r}"
    return None


def build(source: Path) -> None:
    """Execute one notebook and store it. Raises with the notebook, the cell and the error if a cell fails."""
    start = time.perf_counter()
    text = normalized(execute(from_source(source)))
    write_whole(target(source), text.encode())
    print(f"{target(source).name}: {time.perf_counter() - start:.1f} s, {len(text) / 1000:.0f} kB", flush=True)


def export(source: Path, version: str, folder: Path) -> None:
    """Write the "student" or the "answered" copy of a stored notebook into a folder; executes nothing.

    Raises ValueError if the stored notebook is stale, for another version, and for the folder of the notebooks.
    """
    if folder.resolve() == FOLDER:
        raise ValueError(f"{folder} holds the notebooks themselves; name another folder")
    if version not in VERSIONS:
        raise ValueError(f"there is no version {version!r}; choose from {', '.join(VERSIONS)}")
    if reason := stale(source):
        raise ValueError(f"{target(source).name} {reason}; build it first: python notebooks/build.py {source.stem}")
    folder.mkdir(parents=True, exist_ok=True)
    copy = VERSIONS[version](nbformat.read(target(source), as_version=4))
    write_whole(folder / target(source).name, (nbformat.writes(copy) + "\n").encode())


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the notebooks from notebooks/src.")
    parser.add_argument("--check", action="store_true", help="only say which notebooks are stale")
    parser.add_argument(
        "--export", nargs=2, metavar=("VERSION", "DIR"), help=f"write copies: VERSION is {' or '.join(VERSIONS)}"
    )
    parser.add_argument("names", nargs="*", help="such as 01_groups; all if none is named")
    options = parser.parse_args()
    failures = 0
    for source in sources(options.names):
        if options.check:
            reason = stale(source)
            print(f"{target(source).name}: " + (reason or "up to date"))
            failures += reason is not None
            continue
        try:
            if options.export:
                export(source, options.export[0], Path(options.export[1]))
            else:
                build(source)
        except Exception as error:
            print(f"{source.name}: {_short(error)}", file=sys.stderr)
            failures += 1
    return int(failures > 0)


def _short(error: Exception) -> str:
    """nbclient's message already names the cell's source and the error; colors only disturb."""
    return re.sub(r"\x1b\[[0-9;]*m", "", f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    sys.exit(main())
