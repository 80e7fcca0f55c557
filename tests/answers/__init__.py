"""Answers that the exercises must accept and reject, one file per notebook: ex01.py, ex02.py, …

    @correct("compose")
    def by_matrices(a, b): ...

    @wrong("compose", says="other order")       # a pattern of the message that the learner gets
    def other_order(a, b): ...

Import what an answer needs at the top of the file; names of functions are free.
"""

import importlib
import pkgutil
from collections import defaultdict

CORRECT = defaultdict(list)
WRONG = defaultdict(list)


def correct(name):
    """A right answer to the exercise ``name``, written differently from the library."""
    return lambda f: CORRECT[name].append(f) or f


def wrong(name, says):
    """A plausible wrong answer, and a pattern (searched, any case) of the message that names the mistake."""
    return lambda f: WRONG[name].append((f, says)) or f


def load():
    """Import every file of answers; returns (CORRECT, WRONG)."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return CORRECT, WRONG


def wrong_answer(name):
    """The first wrong answer, under the name that a learner's function has."""
    f = load()[1][name][0][0]
    f.__name__ = name
    return f
