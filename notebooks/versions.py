"""Copies of a stored notebook for a class: the student's without answers, the other with all of them."""

import re

from nbformat import NotebookNode

STUB = re.compile(r"^@exercise\n(?:def|class) (\w+)", re.MULTILINE)
FOLDED = re.compile(r"<details><summary>(.*?)</summary>(.*?)</details>", re.DOTALL)
CODE = re.compile(r"```python\n(.*?)```", re.DOTALL)


def student(notebook: NotebookNode) -> NotebookNode:
    """Hints stay. Solutions, answers and results go; of a "Predict first: …?" the question stays. In place."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = FOLDED.sub(_without_answer, cell.source).strip()
        else:
            _clear(cell)
    return notebook


def _without_answer(folded: re.Match[str]) -> str:
    question = folded[1].strip()
    if question.startswith("Hint"):
        return folded[0]
    return f"**{question}**" if question.startswith("Predict") else ""


def answered(notebook: NotebookNode) -> NotebookNode:
    """Every exercise filled in with the solution that stands folded below it. In place.

    Raises ValueError for an exercise without one. Other cells keep their results: an empty exercise used the library's
    function, which is the solution.
    """
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    codes = [code for text in texts for _, body in FOLDED.findall(text) for code in CODE.findall(body)]
    solutions = {found[1]: code.rstrip("\n") for code in codes if (found := STUB.search(code))}
    for cell in notebook.cells:
        if cell.cell_type == "code" and (stub := STUB.search(cell.source)):
            if stub[1] not in solutions:
                raise ValueError(f"no solution stands below the exercise {stub[1]!r}")
            cell.source = solutions[stub[1]]
            _clear(cell)
    return notebook


def _clear(cell: NotebookNode) -> None:
    cell.outputs, cell.execution_count = [], None


VERSIONS = {"student": student, "answered": answered}
