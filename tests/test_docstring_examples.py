"""The examples in docstrings run and show what they say; every public layer has one."""

import doctest
import importlib
from pathlib import Path

import pytest
import torch
from torch import nn

import course_lib
from course_lib import groups, layers

# What the examples take for granted, besides their own module.
GIVEN = {name: getattr(layers, name) for name in layers.__all__} | vars(groups) | {"torch": torch}
ROOT = Path(course_lib.__file__).parent
MODULES = [
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)
    for path in sorted(ROOT.rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]
LAYERS = [name for name in layers.__all__ if isinstance(GIVEN[name], type) and issubclass(GIVEN[name], nn.Module)]


def examples_in(module):
    return [test for test in doctest.DocTestFinder().find(module, extraglobs=GIVEN) if test.examples]


def failures(test):
    told = []
    doctest.DocTestRunner().run(test, out=told.append)
    return "".join(told)


@pytest.mark.parametrize("name", MODULES)
def test_examples_show_what_happens(name):
    for test in examples_in(importlib.import_module(name)):
        assert failures(test) == "", test.name


@pytest.mark.parametrize("name", LAYERS)
def test_each_layer_shows_an_example_with_shapes(name):
    layer = GIVEN[name]
    own = [test for test in examples_in(importlib.import_module(layer.__module__)) if test.name.endswith(f".{name}")]
    assert own and "torch.Size(" in own[0].docstring, f"{name} needs an example that ends with a shape"


def test_a_wrong_example_is_noticed():
    wrong = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    assert "Expected:\n    3\nGot:\n    2" in failures(wrong)
