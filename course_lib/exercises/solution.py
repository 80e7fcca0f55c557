"""The folded help below an exercise: its hints, and its solution, which is the library's own source."""

import ast
import builtins
import inspect
import sys
import textwrap
from types import ModuleType

from course_lib.exercises.registry import Exercise


def help_text(exercise: Exercise, known: set[str]) -> str:
    """Markdown for below the exercise: folded hints, folded solution. What stands above it is `card.head`.

    ``known`` are the names that the notebook has defined or imported so far.
    """
    hints = [_folded(f"Hint {i}", textwrap.dedent(hint).strip()) for i, hint in enumerate(exercise.hints, 1)]
    code = f"```python\n{solution(exercise, known)}```"
    return "\n\n".join([*hints, _folded("Solution", code)])


def solution(exercise: Exercise, known: set[str]) -> str:
    """A whole cell that solves the exercise: the library's source, and imports of what it uses beyond ``known``."""
    source = textwrap.dedent(inspect.getsource(exercise.reference))
    return "".join(f"{line}\n" for line in _imports(exercise, source, known)) + "@exercise\n" + source


def _imports(exercise: Exercise, source: str, known: set[str]) -> list[str]:
    home = inspect.unwrap(exercise.reference).__module__
    names = vars(sys.modules[home])
    used = {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
    missing = sorted((used & names.keys()) - known - set(dir(builtins)) - {exercise.name})
    return [_import_line(name, names[name], home) for name in missing]


def _import_line(name: str, value: object, home: str) -> str:
    if not isinstance(value, ModuleType):
        origin = getattr(value, "__module__", None) or home
        is_standard = origin.split(".")[0] in sys.stdlib_module_names and getattr(value, "__name__", name) == name
        return f"from {origin if is_standard else home} import {name}"
    return f"import {name}" if value.__name__ == name else f"import {value.__name__} as {name}"


def _folded(summary: str, body: str) -> str:
    return f"<details><summary>{summary}</summary>\n\n{body}\n\n</details>"
