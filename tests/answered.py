"""After nbval has run a notebook's cells, the same kernel runs it as two learners do: answers wrong, then solved."""

import ast
import os
import re
import tempfile
from pathlib import Path

import nbformat
import pytest
from nbval.plugin import IPyNbFile

import build
from notebook_files import exercises_of, read, solutions, stub_cells, text_of
from web.widgets import needed_cells, used_names

# Under names that no notebook uses, since the cells below it are run, too.
BEGINNING = """import os as _os, sys as _sys
_os.chdir({home!r})
_os.environ["COURSE_HOME"] = {home!r}
_sys.path.insert(0, {tests!r})"""
WRONG_CELL = """import answers as _answers
from course_lib.exercises import registry as _registry
{name} = exercise(_answers.wrong_answer("{name}"))
assert {name} is _registry.find("{name}").reference"""


class Notebook(IPyNbFile):
    """A stored notebook: nbval's cells, and below them the whole of it once more, with answers."""

    def collect(self):
        yield from super().collect()
        if exercises_of(self.path):
            yield Answered.from_parent(self, name="answered wrong, then solved")


class Answered(pytest.Item):
    """From a folder that is not the notebook's: at each stub a wrong answer, then the solution that it shows.

    After a wrong answer the name must mean the reference, on which nbval has run the cells below. Of these, only those
    run again that use an exercise's name, and what they need. What takes long is there from nbval's run: imports,
    compiled loops, counts, and networks whose training uses no exercise. The others are trained for one epoch: that
    solutions train as the reference does is what their checks say, and nbval has trained it as long as a reader does.
    """

    def runtest(self):
        with tempfile.TemporaryDirectory() as home:
            self.run(BEGINNING.format(home=home, tests=str(Path(__file__).parent)))
            notebook = read(self.path)
            solved, texts = stub_cells(notebook), solutions(notebook)
            name_of = {cell.id: name for name, cell in solved.items()}
            for cell in using(solved.keys(), notebook.cells, self.nbval_has_run()):
                if name := name_of.get(cell.id):
                    assert f"{name}: not yet" in self.run(WRONG_CELL.format(name=name))
                    assert f"{name}: well done" in self.run(texts[name])
                else:
                    may_fail = "raises-exception" in cell.metadata.get("tags", [])
                    self.run(re.sub(r"\bepochs=\d+", "epochs=1", cell.source), may_fail)
            self.run(f"_os.chdir({os.getcwd()!r})")  # the folder goes

    def nbval_has_run(self):
        """The ids of the cells that were not left out."""
        return {item.cell.id for item in self.session.items if item.parent is self.parent and item is not self}

    def run(self, code, may_fail=False):
        """Run it in nbval's kernel; returns what was printed and shown, as text."""
        outputs, shown = [], ("stream", "display_data", "execute_result", "error")

        def keep(message):
            if message["msg_type"] in shown:
                outputs.append(nbformat.v4.output_from_msg(message))

        client = self.parent.kernel.kc
        reply = client.execute_interactive(code, allow_stdin=False, output_hook=keep, timeout=build.CELL_TIMEOUT)
        content = reply["content"]
        if content["status"] != "ok" and not may_fail:
            trace = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(content["traceback"]))
            pytest.fail(f"in the cell\n{code}\n{trace}", pytrace=False)
        return text_of(nbformat.from_dict({"outputs": outputs}))

    def reportinfo(self):
        return self.path, 0, f"{self.path.stem}: {self.name}"


def using(names, cells, have_run=()):
    """The code cells that define or use one of these names, and those that they need; no training that has run."""
    code = [cell for cell in cells if cell.cell_type == "code"]
    users = {i for i, cell in enumerate(code) if names & (used_names(cell.source) | build.defined_names(cell.source))}
    needed = {cell.id for i in users for cell in needed_cells(code[:i], code[i])}
    kept = [i for i, cell in enumerate(code) if i in users or cell.id in needed]
    return [code[i] for i in kept if i in users or not (code[i].id in have_run and is_left(i, code, kept))]


def is_left(i, code, kept):
    """Whether cell i is a training whose results stand in the kernel still, as far as cells below that run use them:
    no other cell gives another meaning to their names."""
    elsewhere = [build.defined_names(cell.source) for cell in [*code[:i], *code[i + 1 :]]]
    read = set().union(*(_read_first(code[j].source) for j in kept if j > i))
    return trains(code[i].source) and not build.defined_names(code[i].source) & read & set().union(*elsewhere)


def _read_first(source):
    """The names that a cell reads and does not assign, or assigns only after it has read them."""
    order = sorted(
        (node.lineno, isinstance(node.ctx, ast.Store), node.id)
        for node in ast.walk(build.parsed(source))
        if isinstance(node, ast.Name)
    )
    first = {}
    for _, stored, name in order:
        first.setdefault(name, stored)
    return {name for name, stored in first.items() if not stored}


def trains(code):
    """Whether a cell calls `train`, `fit` or `train_for`, but not for `net.train()`."""
    calls = (node.func for node in ast.walk(build.parsed(code)) if isinstance(node, ast.Call))
    return any(isinstance(f, ast.Name) and f.id.split("_")[0] in ("train", "fit") for f in calls)
