"""The figures of notebook 08: they say what they show, and refuse what they cannot show."""

import numpy as np
import pytest

from course_lib.figures.e4 import Sight, ablations, generated_kernels
from course_lib.groups import C4, D4, Element, compose, inverse

IMAGE = np.arange(64.0).reshape(8, 8)


def moved(kernels, g, group):
    turned = [np.rot90(kernels[group.index(compose(inverse(g), h))], g.r) for h in group.elements]
    return np.stack([kernel[:, ::-1] if g.m else kernel for kernel in turned])


@pytest.mark.parametrize("group, g", [(C4, Element(0, 1)), (D4, Element(1, 1))], ids=str)
def test_generated_kernels_says_whether_they_moved(group, g):
    kernels = np.random.default_rng(0).normal(size=(group.order, 3, 3))
    first = Sight(IMAGE, (2, 5), kernels)
    good = generated_kernels({"a": first, "b": Sight(IMAGE, (2, 2), moved(kernels, g, group), g)}, group)
    assert f"the {group.order} kernels that pixel (row 2, column 5) generates" in good.alt
    assert f"they are those of the first row, moved by {g}" in good.alt
    stayed = generated_kernels({"a": first, "b": Sight(IMAGE, (2, 2), kernels, g)}, group)
    assert f"they are not those of the first row, moved by {g}" in stayed.alt
    assert good.image != stayed.image


def test_generated_kernels_refuses_another_number_of_sheets():
    with pytest.raises(ValueError, match=r"\(8, k, k\) on D4, got \(4, 3, 3\)"):
        generated_kernels({"a": Sight(IMAGE, (2, 5), np.ones((4, 3, 3)))}, D4)


def test_ablations_gives_means_beside_print():
    printed = {"s": {"1": 1.45, "2": 1.29, "4": 1.24}}
    picture = ablations({"s": {"1": [10, 20], "4": [9, 11]}}, printed)  # nobody has run s = 2
    assert "s: 1: 15.0 (published 1.45), 4: 10.0 (published 1.24)." in picture.alt
