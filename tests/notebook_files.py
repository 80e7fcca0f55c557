"""What the tests of notebooks and of exercises share: the stored notebooks, and the exercises in them."""

import re
from pathlib import Path

import nbformat

from course_lib.exercises.registry import all_exercises

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("[0-9]*.ipynb"))
STUB = re.compile(r"^@exercise\n(?:def|class) (\w+)", re.MULTILINE)
SOLUTION = re.compile(r"<details><summary>Solution</summary>\s*```python\n(.*?)```\s*</details>", re.DOTALL)


def read(path):
    return nbformat.read(path, as_version=4)


def exercises_of(path):
    return [exercise for exercise in all_exercises() if exercise.notebook == path.stem[:2]]


def stub_cells(notebook):
    """Name of the exercise → its code cell."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return {found[1]: cell for cell in cells if (found := STUB.search(cell.source))}


def solutions(notebook):
    """Name of the exercise → the cell that the reader finds folded away below it."""
    texts = [text for cell in notebook.cells if cell.cell_type == "markdown" for text in SOLUTION.findall(cell.source)]
    return {STUB.search(text)[1]: text for text in texts}


def text_of(cell):
    """What was printed, and what is shown, as text."""
    return "".join(output.get("text", "") or output.get("data", {}).get("text/plain", "") for output in cell.outputs)
