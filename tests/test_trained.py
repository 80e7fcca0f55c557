"""The trained networks of the package: the weights are those of the stored results, and damage is told."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from course_lib.actions import act_on_image
from course_lib.data import load_digits, normalized
from course_lib.experiments import trained, trained_weights
from course_lib.groups import Element
from course_lib.training import evaluate, weights_checksum

RESULTS = Path(__file__).parents[1] / "data" / "results"
NAMES = list(trained_weights())


def test_there_are_some():
    assert "p4cnn" in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_weights_are_those_that_were_stored(name):
    about, net = trained_weights()[name], trained(name)
    assert weights_checksum(net) == about["weights_sha256"] and not net.training
    if "result" in about:
        result = json.loads((RESULTS / about["result"]).read_text(encoding="utf-8"))
        assert about["weights_sha256"] == result["network"]["weights_sha256"] and result["row"] == name
        assert result["final"]["test_error_percent"] == about["test_error_percent"]
    else:
        assert 100 * (1 - evaluate(net, load_digits().test)) == pytest.approx(about["test_error_percent"], abs=0.5)


def accuracies_by_turn(name, digits):
    net = trained(name)
    return [evaluate(net, replace(digits, images=act_on_image(Element(0, r), digits.images))) for r in range(4)]


def test_the_networks_of_the_first_page_differ_as_it_says():
    """Both know upright digits; turned, the ordinary network is lost, and the p4 network gives the same answers."""
    digits = load_digits().test
    ordinary, p4 = accuracies_by_turn("upright-cnn", digits), accuracies_by_turn("upright-p4cnn", digits)
    assert min(ordinary[0], p4[0]) > 0.85 and max(ordinary[1:]) < 0.5 and len(set(p4)) == 1


def test_runs_on_rotated_mnist_know_digits_of_other_hands_too():
    digits = normalized(load_digits(rotated=True)).test
    assert min(accuracies_by_turn("p4cnn", digits)) > 0.7


def test_what_is_not_there_or_damaged_is_named(tmp_path, monkeypatch):
    with pytest.raises(LookupError, match="no trained weights for 'p4c'; there are some for .*p4cnn"):
        trained("p4c")
    folder = tmp_path / "data" / "trained"
    shutil.copytree(Path(__file__).parents[1] / "data" / "trained", folder)
    content = bytearray((folder / "p4cnn.pt").read_bytes())
    content[len(content) // 2] ^= 64
    (folder / "p4cnn.pt").write_bytes(content)
    monkeypatch.setattr("course_lib.data.bundled.__file__", str(tmp_path / "course_lib" / "data" / "bundled.py"))
    with pytest.raises(ValueError, match="p4cnn.pt is damaged"):
        trained("p4cnn")
