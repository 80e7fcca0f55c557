"""For all tests, and for the kernels of notebooks, which inherit it: one thread, its own progress and downloads."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

# Before any kernel starts, and at import, so that nbval's kernels see it too. Two workers share two cores.
_home = tempfile.mkdtemp(prefix="course-home-")
os.environ |= {
    "COURSE_HOME": _home,
    "COURSE_DATA": os.path.join(_home, "downloads"),
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
}
torch.set_num_threads(1)


@pytest.fixture
def course_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home for the progress file."""
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path) -> Iterator[None]:
    """A notebook that nbval has found also runs with answers, in the same kernel."""
    found = yield
    if file_path.suffix != ".ipynb":
        return found
    from answered import Notebook  # a kernel's process needs no nbval

    return [Notebook.from_parent(file.parent, path=file_path) for file in found]


def pytest_itemcollected(item: pytest.Item) -> None:
    """A cell of a stored notebook needs the kernel and the cells above it: they are left out together."""
    if item.path.suffix == ".ipynb":
        item.add_marker("slow")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long begins first, so that no worker is left with it when the other has nothing more to do."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    return _no_skip_in_ci(report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    report = yield
    return _no_skip_in_ci(report)


def _no_skip_in_ci(report):
    """With CI=true a skipped test is a failure: what is not run there is run nowhere."""
    if os.environ.get("CI") == "true" and report.outcome == "skipped" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI=true does not allow: {report.longrepr}"
    return report
