"""Filter and image turn together, and the kernel explorer: what is sent is what one computes, and errors are clear."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from course_lib.actions import act_on_image
from course_lib.groups import C2, C4, D4, Element
from course_lib.layers import E4Layer, LiftingConv2d
from course_lib.widgets import kernel_explorer, turning_filter
from course_lib.widgets.export import standalone_html
from course_lib.widgets.frames import Turn

SIZE = 9
IMAGE = torch.rand(SIZE, SIZE, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
HOOK = torch.tensor([[-1.0, 1.0, 1.0], [-1.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])


def test_the_filter_that_turns_keeps_its_answer_and_the_one_that_stays_does_not():
    setup = turning_filter(IMAGE, HOOK).setup
    together, apart = (np.array(setup[name]).reshape(4, SIZE, SIZE) for name in ("together", "apart"))
    assert np.allclose(together, together[0]) and np.allclose(apart[0], together[0])
    assert all(np.abs(apart[quarter] - apart[0]).max() > 0.1 for quarter in (1, 2, 3))
    row, column = 3, 6
    there = Turn(90).carry((row, column), SIZE)
    turned = act_on_image(Element(0, 1), IMAGE)[there[0] - 1 : there[0] + 2, there[1] - 1 : there[1] + 2]
    assert np.isclose(apart[1, row, column], (turned * HOOK).sum())
    assert np.isclose(together[1, row, column], (turned * act_on_image(Element(0, 1), HOOK)).sum())


def test_it_opens_where_the_filter_answers_most_and_its_words_say_the_numbers():
    widget = turning_filter(IMAGE, HOOK)
    answers = F.conv2d(IMAGE[None, None], HOOK.double()[None, None])[0, 0]
    assert answers[widget.row - 1, widget.column - 1] == answers.max()
    assert f"Filter e answers {answers.max():.2f}; on the turned picture filter r answers {answers.max():.2f}" in (
        widget.still().alt
    )
    assert standalone_html(widget).count("<script") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image": torch.rand(3, 4)}, r"one square image .* \(1, 1, 3, 4\)"),
        ({"psi": torch.rand(2, 2)}, r"odd k of at most 9, got shape \(2, 2\)"),
        ({"psi": torch.rand(3, 5)}, r"got shape \(3, 5\)"),
    ],
)
def test_the_filter_names_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        turning_filter(**{"image": IMAGE, "psi": HOOK, **arguments})


def kernels_of(group):
    torch.manual_seed(0)
    lift = LiftingConv2d(group, 1, 4, 3, padding=1).double()
    layer = E4Layer(group, 4, 4, 3, slices=2, reduction=2).double().eval()
    return lambda image: layer.kernels(lift(image))[0, 0]


@pytest.mark.parametrize("group", [C4, D4], ids=str)
def test_the_bytes_are_the_kernels_of_the_layer(group):
    kernels, image = kernels_of(group), IMAGE[None, None]
    widget = kernel_explorer(kernels, image, group, (2, 3))
    sent = np.frombuffer(widget.data["kernels"], np.uint8).reshape(group.order, group.order, 9, SIZE, SIZE)
    assert [frame["name"] for frame in widget.setup["frames"]] == [str(g) for g in group.elements]
    for given, g in zip(sent, group.elements, strict=True):
        with torch.no_grad():
            direct = kernels(act_on_image(g, image)).numpy()
        shown = (given.astype(float) - 128) / 127 * widget.setup["largest"]
        assert np.abs(shown - direct).max() < 0.51 / 127 * widget.setup["largest"]
    moved = [frame["origins"] for frame in widget.setup["frames"]]
    assert moved == [group.permutation(g) for g in group.elements]


def test_the_still_says_that_the_kernels_moved_with_the_image():
    alt = kernel_explorer(kernels_of(C4), IMAGE[None, None], C4, (2, 3)).still().alt
    assert "pixel (row 2, column 3)" in alt and "they are those of the first row, moved by r" in alt


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"group": C2}, "C2 has none; take C4 or D4"),
        ({"image": IMAGE}, r"square image .*, got shape \(9, 9\)"),
        ({"pixel": (9, 0)}, r"pixel \(9, 0\) lies outside of the image of 9 × 9"),
        ({"kernels": lambda image: torch.zeros(4, 8, 9, 9)}, r"weights \(4, k², 9, 9\), k odd, got \(4, 8, 9, 9\)"),
        ({"kernels": lambda image: torch.zeros(4, 9, 7, 9)}, r"got \(4, 9, 7, 9\)"),
    ],
)
def test_the_kernel_explorer_names_bad_input(arguments, message):
    good = {"kernels": kernels_of(C4), "image": IMAGE[None, None], "group": C4, "pixel": (2, 3)}
    with pytest.raises(ValueError, match=message):
        kernel_explorer(**{**good, **arguments})
