"""The mechanism itself: what a learner sees for an empty, a wrong, a crashing and a right answer; progress."""

import re

import numpy as np
import pytest
import torch
from torch import nn

from course_lib.exercises import Mistake, checking, compare, exercise, expect_error, record
from course_lib.exercises.card import Strip, head
from course_lib.exercises.networks import _first_difference
from course_lib.exercises.registry import Exercise, all_exercises, find, register
from course_lib.exercises.solution import help_text, solution
from course_lib.exercises.values import difference, show
from course_lib.framework import Head
from course_lib.groups import C4, Element
from course_lib.wallpaper import Isometry
from notebook_files import NOTEBOOKS


def half_turn_of(body):
    """A learner's function with this body, as the decorator would find it in a cell."""
    return checking.find_mistake(find("half_turn"), body)


def test_an_unfilled_stub_falls_back_to_the_reference(course_home, capsys):
    @exercise
    def half_turn(image):
        """A docstring."""
        ...

    assert half_turn is find("half_turn").reference
    line = "Exercise 0.1 half_turn: not filled in yet; the cells below use the reference.\n"
    assert capsys.readouterr().out == line
    assert not course_home.exists(), "nothing was tried, so nothing is recorded"


@pytest.mark.parametrize(
    "body, unfilled",
    [
        ("...", True),
        ("pass; ...", True),
        ("raise NotImplementedError", True),
        ("raise NotImplementedError('yours')", True),
        ("y = ...; return y", True),
        ("return ...", True),
        ("...; return image.flip(0)", False),
        ("for row in image: ...\n    return row", False),
        ("return image[..., ::1]", False),
    ],
)
def test_every_kind_of_placeholder_is_known_and_dots_left_beside_an_answer_are_none(body, unfilled, tmp_path):
    (tmp_path / "stub.py").write_text(f"def half_turn(image):\n    'Turn.'\n    {body}\n")
    namespace = {}
    exec(compile((tmp_path / "stub.py").read_text(), tmp_path / "stub.py", "exec"), namespace)
    assert checking.has_placeholder(namespace["half_turn"]) == unfilled


@pytest.mark.parametrize("body, unfilled", [("...", True), ("pass", True), ("return x", False)])
def test_a_class_is_unfilled_while_one_of_its_methods_is(body, unfilled, tmp_path):
    given = "class E4:\n    'A layer.'\n    def __init__(self):\n        self.n = 0\n        ...\n"
    (tmp_path / "stub.py").write_text(f"{given}    def forward(self, x):\n        {body}\n")
    namespace = {"__name__": "__main__"}  # as in a notebook, where the source of a class cannot be found
    exec(compile((tmp_path / "stub.py").read_text(), tmp_path / "stub.py", "exec"), namespace)
    assert checking.has_placeholder(namespace["E4"]) == unfilled


def test_a_stub_in_which_nothing_stands_is_not_checked(course_home, monkeypatch):
    monkeypatch.setattr(checking, "find_mistake", lambda this, f: pytest.fail("there is nothing to check"))

    @exercise
    def half_turn(image):
        """A docstring."""
        ...

    assert half_turn is find("half_turn").reference


def test_a_right_answer_is_used(course_home, capsys):
    @exercise
    def half_turn(image):
        return torch.rot90(image, 2)

    assert half_turn is not find("half_turn").reference
    assert "well done" in capsys.readouterr().out
    assert record.load()["half_turn"].status == "done"


def test_a_right_answer_counts_even_if_the_dots_were_left(course_home, capsys):
    @exercise
    def half_turn(image):
        return torch.rot90(image, 2)
        ...

    assert "well done" in capsys.readouterr().out


def test_a_wrong_answer_shows_the_smallest_input_side_by_side(course_home, capsys):
    @exercise
    def half_turn(image):
        return image.flip(0)

    assert half_turn is find("half_turn").reference
    out = capsys.readouterr().out
    assert "not yet. You turned the rows upside down" in out
    assert "with  image = [[0 1]\n                 [2 3]]" in out
    assert "expected   yours\n  [[3 2]     [[2 3]\n   [1 0]]     [0 1]]" in out
    assert record.load()["half_turn"] == record.Entry("not yet", 1)


def test_a_crash_names_the_learners_line_and_not_ours(course_home, capsys):
    @exercise
    def half_turn(image):
        rows = image[5]
        return rows

    out = capsys.readouterr().out
    assert "`rows = image[5]`. IndexError" in out
    assert "Traceback" not in out and "comparing.py" not in out


def test_a_wrong_number_of_arguments_is_said():
    assert "takes 0 positional arguments" in half_turn_of(lambda: 1).message


@pytest.mark.parametrize("stops_in_the_check", [True, False])
def test_an_answer_that_raised_is_not_run_again_beside_every_known_mistake(stops_in_the_check):
    def check(f, reference):
        if stops_in_the_check:
            f(1)
        compare(f, reference, 1)

    def endless(x):
        calls.append(x)
        raise TimeoutError("still running")

    calls = []
    this = Exercise("99.1", abs, (check,), ("Think.",), 5, 1, ((lambda x: -x, "The sign."), (float, "No float.")))
    assert "TimeoutError: still running" in checking.find_mistake(this, endless).message
    assert calls == [1]


def test_a_relu_used_twice_counts_twice_where_networks_are_compared():
    relu = nn.ReLU()
    expected = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2), nn.ReLU(), nn.Flatten())
    shared = [nn.Linear(2, 2), relu, nn.Linear(2, 2), relu]
    assert "The parts are the same" in _first_difference(expected, nn.Sequential(*shared, nn.Flatten()))
    assert "yours has no number 5, expected" in _first_difference(expected, nn.Sequential(*shared))


def test_a_function_that_calls_itself_meets_itself():
    def again(image):
        return image if len(image) == 0 else torch.cat([again(image[1:]), image[:1].flip(1)])

    again.__globals__["again"] = None  # what stood there before the cell was run
    assert half_turn_of(again) is None
    assert again.__globals__.pop("again") is None, "the name must be bound as before"


def test_the_checks_leave_the_random_numbers_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    half_turn_of(torch.rand_like)
    assert torch.rand(1) == expected


def test_a_wrong_map_is_also_drawn():
    mistake = Mistake("no", {"f": torch.zeros(1, 2, 3, 3)}, torch.zeros(1, 2, 3, 3), torch.ones(1, 2, 3, 3))
    mistake.yours[0, 0] = 0
    assert [(title, m.shape) for title, m in checking._maps(mistake).items()] == [
        ("f [0, 1]", (3, 3)),
        ("expected [0, 1]", (3, 3)),
        ("yours [0, 1]", (3, 3)),
    ]
    assert checking._maps(Mistake("no", {}, torch.zeros(3, 3), torch.full((3, 3), torch.nan))) == {}
    assert checking._maps(Mistake("no", {}, 3, 4)) == {}


def test_an_unknown_name_lists_the_exercises():
    with pytest.raises(LookupError, match="half_turn"):
        exercise(lambda: None)


@pytest.mark.parametrize(
    "expected, yours, says",
    [
        (torch.zeros(2), None, "None: did you forget `return`"),
        (None, 3, "returned 3 where None was expected"),
        (torch.zeros(2), [0, 0], "returned a list, expected a Tensor"),
        (torch.zeros(2), torch.zeros(3), r"shape \(3,\), expected \(2,\)"),
        (torch.zeros(2), torch.zeros(2).double(), "dtype torch.float64, expected torch.float32"),
        (torch.zeros(2), torch.zeros(2).long(), "dtype torch.int64, expected torch.float32"),
        (torch.zeros(2), torch.tensor([0.0, torch.nan]), "1 values that are nan"),
        (torch.zeros(2, 2), torch.tensor([[0.0, 0.0], [0.5, 0.0]]), r"0.5 at \[1, 0\], expected 0; 1 of 4"),
        (np.eye(2), np.zeros((2, 2)), r"0 at \[0, 0\], expected 1; 2 of 4"),
        (Element(0, 1), (0, 1), "returned a tuple, expected an Element"),
        (Element(0, 1), Element(1, 1), "returned mr, expected r"),
        (Element(0, 1), Element(True, 1), "returned mr, expected r"),
        (Element(0, 2), Element(0, 2.0), r"returned Element\(m=0, r=2.0\), expected r²"),
        ((Element(0, 1), Element(0, 2)), (Element(0, 1), Element(0, 0)), "returned e, expected r²|at item 1"),
        ([1, 2], [1, 2, 3], "3 items, expected 2"),
        ([1, 2], [1], "1 item, expected 2"),
        ([1, 2], (1, 2), "a tuple, expected a list"),
        ([1, 2], [2, 1], r"\[2, 1\], expected \[1, 2\]"),
        (True, 1, "an int, expected a bool"),
        (1, True, "a bool, expected an int"),
        (1, 1.0, "a float, expected an int"),
        (0.5, 0.51, "0.51, expected 0.5"),
        ({"a": 1}, {"b": 1}, "the keys"),
        ({"a": 1}, {"a": 2}, "at key 'a'"),
        ("closure", "identity", "another value"),
        ({1, 2}, [1, 2], "a list, expected a set"),
        ([torch.zeros(1)], [torch.ones(1)], "at item 0"),
    ],
)
def test_differences_are_named(expected, yours, says):
    assert difference(expected, expected) is None
    problem = difference(expected, yours)
    assert problem is not None and re.search(says, problem), problem


@pytest.mark.parametrize(
    "expected, yours",
    [
        (torch.zeros(2), torch.full((2,), 1e-6)),
        (torch.full((2,), 1e6), torch.full((2,), 1e6 + 1)),
        (np.zeros(2, dtype=np.int64), np.zeros(2, dtype=np.int32)),
        (1, np.int64(1)),
        (True, np.bool_(True)),
        (0.5, np.float64(0.5)),
        (2.0, 2),
        (None, None),
        (frozenset({1}), {1}),
        (torch.tensor([torch.nan]), torch.tensor([torch.nan])),
        (Element(1, 1), Element(True, 1)),  # as Element(a.m != b.m, 1) is
        ((Element(1, 1),), (Element(np.bool_(True), np.int64(1)),)),
    ],
)
def test_equal_enough(expected, yours):
    assert difference(expected, yours) is None


def test_values_are_shown_as_a_learner_writes_them():
    assert show((Element(0, 3), Element(1, 0))) == "(r³, m)"
    assert show([C4, {Element(0, 1)}]) == "[C4, {r}]"
    assert show(Element(1, -1)) == "Element(m=1, r=-1)"  # not mr³, which it would only look like
    assert show((np.float64(0.5), Isometry(0, 1, *np.array([2, 3])))) == "(0.5, Isometry(m=0, r=1, u=2, v=3))"
    assert show(torch.zeros(1, 100)) == "Tensor of shape (1, 100), torch.float32"
    assert show(torch.arange(4).reshape(1, 2, 1, 2)) == "shape (1, 2, 1, 2):\n[[0 1]\n [2 3]]"
    assert show(torch.arange(4).reshape(2, 1, 2)) == "[[[0 1]]\n [[2 3]]]"  # without the empty line of numpy
    two, one = torch.ones(2, 2), torch.ones(1, 1)
    shown = "Head(query=Tensor of shape (2, 2), key=[[1.]], value=[[1.]], positions=[[1.]])"
    assert show(Head(two, one, one, one)) == shown


class NoRepr:
    def __repr__(self):
        raise RuntimeError("no")


def holds_itself():
    loop = [1]
    loop.append(loop)
    return loop


@pytest.mark.parametrize(
    "value, shown",
    [
        (list(range(10**5)), r"\[0, 1, .*63, … \(100,000 in all\)\]"),
        (dict.fromkeys(range(10**5)), r"\{0: None, .*63: None, … \(100,000 in all\)\}"),
        ("a" * 10**6, r"'a+ … \(1,000,002 characters in all\)"),
        (["a" * 10**6] * 64, r"\['a+ … \(64,000,\d+ characters in all\)"),
        (holds_itself(), r"\[1, …\]"),
        (NoRepr(), "a NoRepr that cannot be shown"),
        ([NoRepr()], "a list that cannot be shown"),
        (np.array([NoRepr()], dtype=object), "an ndarray that cannot be shown"),
    ],
)
def test_whatever_an_answer_returns_is_shown_in_a_few_lines(course_home, capsys, value, shown):
    assert re.fullmatch(shown, show(value)) and len(show(value)) < 2100

    @exercise
    def half_turn(image):
        return value

    assert half_turn is find("half_turn").reference
    out = capsys.readouterr().out
    assert "not yet. Your function returned" in out and "The cells below use the reference." in out
    assert len(out) < 5000


@pytest.mark.parametrize("error", [SystemExit(), KeyboardInterrupt(), GeneratorExit("enough")])
def test_an_answer_that_ends_the_program_has_a_verdict_and_the_fallback(course_home, capsys, error):
    @exercise
    def half_turn(image):
        raise error

    assert half_turn is find("half_turn").reference
    out = capsys.readouterr().out
    assert "not yet. Your function stopped in line" in out and f"`raise error`. {type(error).__name__}" in out
    assert "with  image" in out


def test_an_error_whose_text_fails_is_named():
    class Odd(Exception):
        def __str__(self):
            raise ValueError

    def half_turn(image):
        raise Odd

    assert half_turn_of(half_turn).message.endswith("`raise Odd`. Odd")


def test_a_changed_input_is_noticed():
    def f(x):
        x += 1
        return x - 1

    with pytest.raises(Mistake, match="changes its input `x` in place"):
        compare(f, lambda x: x, torch.zeros(2))


def test_the_reason_may_be_found_by_a_function_of_both_answers():
    def by_how_much(expected, yours):
        return f"{yours - expected} too many."

    compare(lambda x: x, lambda x: x, 3, because=by_how_much)
    with pytest.raises(Mistake, match=r"returned 5, expected 3\. 2 too many\."):
        compare(lambda x: x + 2, lambda x: x, 3, because=by_how_much)
    with pytest.raises(Mistake, match=r"ZeroDivisionError: division by zero$"):
        compare(lambda x: x / 0, lambda x: x, 3, because=by_how_much)


def test_a_missing_error_is_noticed():
    def careful(x):
        raise ValueError("x")

    expect_error(careful, ValueError, 1, because="x must be even.")
    with pytest.raises(Mistake, match="should raise ValueError: x must be even"):
        expect_error(lambda x: x, ValueError, 1, because="x must be even.")
    with pytest.raises(Mistake, match="TypeError"):
        expect_error(careful, TypeError, 1, because="x must be even.")


@pytest.mark.parametrize("number, reference", [("0.1", compare), ("99.1", find("half_turn").reference)])
def test_a_number_or_name_taken_twice_is_an_error(number, reference):
    before = len(all_exercises())
    with pytest.raises(ValueError, match="takes the number or the name"):
        register(number, reference, checks=[print], hints=["?"], minutes=1, difficulty=1)
    assert len(all_exercises()) == before


def test_the_solution_is_the_librarys_source_with_the_imports_it_needs():
    from course_lib.actions import act_on_feature_map

    this = Exercise("99.1", act_on_feature_map, (print,), ("Think.",), 5, 2, ())
    code = solution(this, known={"Element", "Group", "Tensor", "act_on_image"})
    assert code.startswith("from course_lib.actions import require_axes\n@exercise\ndef act_on_feature_map(")
    assert head(this) == "> **Exercise 99.1 act_on_feature_map** · 5 minutes · medium (2 of 3)"
    text = help_text(this, known=set())
    assert text.startswith("<details><summary>Hint 1</summary>\n\nThink.\n\n</details>")


def test_every_exercise_belongs_to_a_notebook():
    assert {this.notebook for this in all_exercises()} <= {path.stem[:2] for path in NOTEBOOKS}


def test_a_solution_imports_what_is_pythons_own_from_where_it_is():
    from course_lib.models.p4cnn import p4cnn_linear

    code = solution(Exercise("99.1", p4cnn_linear, (print,), ("Think.",), 5, 2, ()), known=set())
    assert "from collections import OrderedDict\n" in code and "import torch.nn as nn\n" in code


def test_the_strip_says_in_words_sign_and_color_how_an_answer_stands():
    strips = [Strip(state, "Exercise 1.1 f", "a message") for state in ("right", "empty", "wrong")]
    shown = [strip._repr_html_() for strip in strips]
    assert [sign in html for sign, html in zip("✓○✗", shown, strict=True)] == [True] * 3
    assert len({html.split("border-left: 6px solid ")[1][:7] for html in shown}) == 3
    assert {repr(strip) for strip in strips} == {"Exercise 1.1 f: a message"}


def test_what_a_learner_wrote_is_shown_and_not_obeyed():
    strip = Strip("wrong", "Exercise 1.1 f", "not yet. `<b>` in line 2", "x = <script>alert(1)</script>", "The end.")
    html = strip._repr_html_()
    assert "<script>" not in html and "&lt;script&gt;" in html and "<code>&lt;b&gt;</code>" in html
    assert repr(strip) == "Exercise 1.1 f: not yet. `<b>` in line 2\nx = <script>alert(1)</script>\nThe end."
