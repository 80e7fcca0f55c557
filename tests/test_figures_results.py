"""Figures of results: every number is told, nothing is drawn for nothing."""

import numpy as np
import pytest
from matplotlib.text import Text

from course_lib.experiments import TABLES, find
from course_lib.figures.labels import name_points
from course_lib.figures.picture import Picture, new_figure
from course_lib.figures.results import errors_by_row, mean_and_deviation, published_against_ours
from course_lib.figures.tables import Cost, error_against_cost

PUBLISHED = {"Z2CNN": (5.2, 0.11), "P4CNN": (2.23, None)}


def test_one_seed_has_no_deviation():
    assert mean_and_deviation([2.0]) == (2.0, None)
    mean, deviation = mean_and_deviation([1.0, 2.0, 3.0])
    assert (mean, deviation) == (2.0, 1.0)


def test_the_rows_tell_all_errors_and_your_own():
    alt = errors_by_row({"published": PUBLISHED, "ours": {"P4CNN": (1.74, 0.05)}}, {"P4CNN": 3.5}).alt
    assert "published: Z2CNN 5.2 ± 0.11 %, P4CNN 2.23 %" in alt
    assert "ours: P4CNN 1.74 ± 0.05 %" in alt and "your run: P4CNN 3.5 %" in alt


def test_each_network_is_a_line_and_the_picture_grows_with_them():
    short, long = (errors_by_row({"a": {f"net {i}": (1.0 + i, None) for i in range(n)}}) for n in (2, 12))
    assert long.size[1] > short.size[1] + 200


def test_a_star_needs_no_line_of_its_own_if_the_network_is_there():
    assert errors_by_row({"a": PUBLISHED}, {"P4CNN": 3.0}).size == errors_by_row({"a": PUBLISHED}).size


def test_both_errors_of_a_network_are_told():
    picture = published_against_ours(PUBLISHED, {"48 epochs": {"P4CNN": (1.74, 0.05), "Z2CNN": (3.6, None)}})
    assert "48 epochs: P4CNN 1.74 ± 0.05 % (published 2.23), Z2CNN 3.6 % (published 5.2)" in picture.alt


@pytest.mark.parametrize(("name", "count"), [("network", 5), ("a network with a long name, number", 14)])
def test_names_cover_neither_points_nor_each_other(name, count):
    figure = new_figure(6, 4)
    axes = figure.subplots()
    points = [(f"{name} {i:02}", 1 + 0.04 * i, 1 + 0.01 * i, "black") for i in range(count)]
    points.append(("", 1.01, 1.02, "black"))  # a point without a name is not to be covered either
    axes.plot([x for _, x, _, _ in points], [y for _, _, y, _ in points], "o")
    axes.set(xlim=(0, 3), ylim=(0.5, 1.5))
    name_points(figure, axes, points)
    figure.draw_without_rendering()  # puts the names where they belong
    boxes = [Text.get_window_extent(text) for text in axes.texts]
    assert sorted(text.get_text() for text in axes.texts) == [name for name, *_ in points if name]
    for i, box in enumerate(boxes):
        assert not box.count_overlaps(boxes[:i]), points[i]
        assert not any(box.contains(*axes.transData.transform(point[1:3])) for point in points)


def test_a_name_stands_nearest_to_its_own_point(monkeypatch):
    """As in figure 10.1, where one name stood beside the point of another network."""
    drawn = []
    monkeypatch.setattr(Picture, "from_figure", lambda figure, _alt: drawn.append(figure))
    names = {"z2cnn": "Z2CNN", "c-z2cnn": "c-Z2CNN", "p4cnn": "P4CNN", "g-p4cnn": "g-P4CNN", "gc-p4cnn": "gc-P4CNN"}
    names |= {"g-p4cnn-17": "g-P4CNN, 17", "gc-p4cnn-30": "gc-P4CNN, 30", "e4net": "E4-Net"}
    names |= {"e4net-large": "E4-Net, large", "e4net-r4": "E4-Net, r = 4"}
    costs = [
        Cost(name, (row := find(key)).error, row.parameters, row.macs, row.deviation) for key, name in names.items()
    ]
    quoted = [line for line in TABLES["e4-rotated-mnist"].quoted if line.name in ("p4_CNN", "α-P4CNN")]
    costs += [Cost(line.name, line.percent, line.parameters, line.macs, line.deviation) for line in quoted]
    error_against_cost({"published": costs})
    axes = drawn[0].axes[0]
    middles = axes.transData.transform([(cost.parameters, cost.error) for cost in costs])
    for text in axes.texts:
        box = Text.get_window_extent(text)
        gaps = np.hypot(*(np.clip(middles, box.min, box.max) - middles).T)
        assert costs[gaps.argmin()].label == text.get_text()


def test_the_axis_is_logarithmic_only_where_errors_differ_much(monkeypatch):
    drawn = []
    monkeypatch.setattr(Picture, "from_figure", lambda figure, _alt: drawn.append(figure.axes[0]))
    errors_by_row({"ours": {"Z2CNN": (20.9, 2.3), "P4CNN": (12.0, 2.2)}})
    errors_by_row({"published": {"Z2CNN": (5.2, 0.1), "E4-Net": (1.2, 0.1)}})
    assert [axes.get_xscale() for axes in drawn] == ["linear", "log"]
    assert [axes.get_xlabel() for axes in drawn] == ["test error, in %", "test error, in % (logarithmic)"]
