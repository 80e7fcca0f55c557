"""The progress page: it says what is done and what is next, and its button resets one exercise and no other."""

import json

import pytest

from course_lib.exercises import record
from course_lib.widgets import progress_page


@pytest.fixture
def page(course_home):
    record.save_attempt("half_turn", passed=True)
    record.save_attempt("compose", passed=False)
    return progress_page()


def table(page):
    return page.children[0].value


def choice_and_button(page):
    return page.children[1].children


def test_it_says_what_is_done_and_what_is_next(page):
    assert "1 of " in table(page) and "Next: Exercise 1.1 compose" in table(page)
    choice, button = choice_and_button(page)
    assert [label for label, _ in choice.options] == ["Exercise 0.1 half_turn: done", "Exercise 1.1 compose: not yet"]
    assert not button.disabled


def test_the_button_resets_the_chosen_exercise_alone(page):
    choice, button = choice_and_button(page)
    choice.value = "half_turn"
    button.click()
    assert record.load() == {"compose": record.Entry("not yet", 1)}
    assert "0 of " in table(page) and "Next: Exercise 0.1 half_turn" in table(page)
    assert [name for _, name in choice.options] == ["compose"]
    assert "Exercise 0.1 half_turn is to do again" in page.children[2].value
    button.click()
    assert record.load() == {}
    assert choice.disabled and button.disabled


def test_the_button_with_nothing_chosen_asks_to_choose(page):
    choice, button = choice_and_button(page)
    choice.value = None
    button.click()
    assert "First choose" in page.children[2].value
    assert set(record.load()) == {"half_turn", "compose"}


def test_the_first_press_resets_what_the_list_shows(page):
    choice, button = choice_and_button(page)
    assert choice.index == 0
    button.click()
    assert "Exercise 0.1 half_turn is to do again" in page.children[2].value
    assert choice.index == 0 and choice.label == "Exercise 1.1 compose: not yet"


def test_refresh_sees_what_another_notebook_has_written(page):
    record.save_attempt("compose", passed=True)
    page.refresh()
    assert "2 of " in table(page)


def test_an_unknown_name_is_named(page):
    with pytest.raises(LookupError, match="no exercise 'tarn'"):
        page.reset("tarn")
    assert set(record.load()) == {"half_turn", "compose"}


def test_without_a_kernel_the_table_is_left(page):
    bundle = page._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "<table>" in bundle["text/html"] and bundle["text/plain"].startswith("00  ●")
    json.dumps(bundle)


def test_nothing_is_lost_where_nothing_can_be_written(page, course_home, monkeypatch, capsys):
    before = record.load()
    monkeypatch.setattr(record, "_replace", lambda *_: (_ for _ in ()).throw(PermissionError("read only")))
    page.reset("half_turn")
    assert "could not be saved: read only" in capsys.readouterr().out
    assert record.load() == before
