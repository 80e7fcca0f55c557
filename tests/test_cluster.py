"""A table on a cluster, without a cluster: what a worker answers, what is made of it, and what one sees of it.

tests/benchmarks/ray_deaths.py has a real one, in which a worker and a machine die.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from benchmarks.kill_and_resume import row, write_data
from course_lib.changes import Changes
from course_lib.cli.parser import make_parser
from course_lib.cluster import table, train_on_ray, worker
from course_lib.cluster.table import Job, overview
from course_lib.errors import BadValue
from course_lib.training import AlreadyRunning, locked
from course_lib.training.runs import Run, Stopped

NOON = datetime(2030, 1, 1, 12)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    data = str(write_data(tmp_path / "digits.npz"))
    return Run(row(), "tiny", tmp_path / "results", data=data, changes=Changes(epochs=2))


class News(list[tuple[int, int]]):
    """Ray's queue, as a worker and the driver use it."""

    put = list.append
    size = list.__len__

    def get_nowait_batch(self, count: int) -> list[tuple[int, int]]:
        batch, self[:count] = self[:count], []
        return batch


def attempt(run: Run, device: str = "cpu", deadline: float = float("inf"), witness: Path = Path(__file__)) -> Any:
    """What a worker returns or raises, and what it tells of the run with number 3."""
    news = News()
    try:
        return worker.attempt(3, run, device, witness, deadline, news), list(news)
    except Exception as error:
        return error, list(news)


def test_a_worker_tells_of_each_epoch_and_of_the_end(run: Run) -> None:
    message, told = attempt(run)
    assert message.startswith("small, seed 0: test error") and told == [(3, 0), (3, 1), (3, 2)]
    assert run.result.exists() and attempt(run) == (message, [(3, 0)])


def test_what_keeps_a_worker_from_the_end(run: Run) -> None:
    error, told = attempt(run, deadline=time.time())
    assert isinstance(error, Stopped) and told == []
    error, told = attempt(run, deadline=time.time() + 0.01)
    assert isinstance(error, Stopped) and told == [(3, 0), (3, 1)]
    error, _ = attempt(replace(run, changes=Changes(batch_size=100)))
    assert isinstance(error, ValueError) and "batch_size 100 is larger than the training split (72" in str(error)
    error, _ = attempt(run, device="tpu")
    assert isinstance(error, ValueError) and str(error).startswith("no device 'tpu' here")


def test_a_disk_that_is_not_shared_is_refused(run: Run, tmp_path: Path) -> None:
    error, told = attempt(run, witness=tmp_path / "elsewhere")
    assert isinstance(error, ValueError) and "give --results that all machines share" in str(error) and told == []


def test_a_worker_waits_for_the_lock_of_a_dead_one_but_not_for_ever(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    lock, clock = locked(run.checkpoint.with_suffix(".lock")), [0.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds
        if clock[0] == until:
            lock.__exit__(None, None, None)

    monkeypatch.setattr(worker, "time", SimpleNamespace(sleep=sleep, monotonic=lambda: clock[0], time=time.time))
    lock.__enter__()
    until = 90.0
    message, _ = attempt(run)
    assert message.startswith("small, seed 0: test error") and clock == [90]
    run.result.unlink()
    with locked(run.checkpoint.with_suffix(".lock")):
        until, clock[0] = float("inf"), 0
        error, _ = attempt(run)
    assert isinstance(error, AlreadyRunning) and worker.PATIENCE <= clock[0] <= worker.PATIENCE + worker.TRY_AGAIN


def test_the_overview(run: Run) -> None:
    jobs = [Job(run) for _ in range(6)]
    assert overview(jobs, 5, NOON) == "0 of 6 runs done, 6 waiting"
    jobs[0].state = jobs[1].state = "running"
    jobs[0].epoch = jobs[0].trained = 1
    assert overview(jobs, 60, NOON) == "0 of 6 runs done, 2 running, 4 waiting, end about 12:11"
    jobs[0].state, jobs[2].state, jobs[3].state, jobs[4].state = "done", "failed", "stopped", "at another process"
    expected = "1 of 6 runs done, 1 at another process, 1 failed, 1 running, 1 stopped, 1 waiting"
    assert overview(jobs, 3600, NOON) == expected + ", end about 16:00"
    assert overview(jobs, 36_000, NOON).endswith("end about Thu 03 Jan 04:00")


def test_an_epoch_of_a_large_row_counts_more(run: Run) -> None:
    large = Job(replace(run, row=replace(run.row, width=16)))
    small = Job(run, "done", epoch=2, trained=2)
    assert large.work(1) > 3 * small.work(1)
    minutes = 2 * large.work(1) / small.work(2)  # two of the small one in a minute, two of the large one are left
    end = datetime.strptime(overview([small, large], 60, NOON)[-5:], "%H:%M")
    assert abs((end.hour - 12) * 60 + end.minute - minutes) <= 1


class Ray:
    """What the driver uses of Ray, in this process: a task is done when it is waited for. ``play`` says how it ends."""

    class RayError(Exception):
        pass

    class RayTaskError(RayError):
        def __init__(self, cause: Exception) -> None:
            super().__init__(f"Traceback, line 1\n{cause!r}")
            self.cause = cause

    def __init__(self, play: Callable[[Run], str], gpus: float = 0, strangers: tuple[str, ...] = ()) -> None:
        self.play, self.gpus, self.strangers = play, gpus, strangers
        self.exceptions = self
        self.options: list[dict[str, Any]] = []
        self.news = News()
        self.shut = 0
        self.util = SimpleNamespace(queue=SimpleNamespace(Queue=lambda actor_options: self.news))

    def init(self, address: str | None, **options: Any) -> Ray:
        return self

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        self.shut += 1

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 2.0, **({"GPU": self.gpus} if self.gpus else {})}

    def nodes(self) -> list[dict[str, Any]]:
        """A head that computes nothing, one that is gone, two that compute; ``strangers`` see another disk."""
        cpus = {"head": 0.0, "gone": 8.0, "a": 1.0, "b": 1.0}
        resources = {name: {"CPU": count} | ({"GPU": self.gpus} if name == "a" else {}) for name, count in cpus.items()}
        return [{"NodeID": name, "Alive": name != "gone", "Resources": resources[name]} for name in cpus]

    def get_runtime_context(self) -> Any:
        return SimpleNamespace(get_node_id=lambda: "here")

    def remote(self, **options: Any) -> Callable[..., Any]:
        self.options.append(options)

        def on_node(label_selector: dict[str, str]) -> Any:
            (name,) = label_selector.values()
            return SimpleNamespace(remote=lambda witness: f"no folder on {name}" if name in self.strangers else "")

        def wrap(what: Any) -> Any:
            return SimpleNamespace(options=on_node, remote=lambda number, run, *rest: Task(number, run))

        return wrap

    def wait(self, tasks: list[Task], timeout: float) -> tuple[list[Task], list[Task]]:
        self.news.put((tasks[0].number, 0))
        return tasks[:1], tasks[1:]

    def get(self, what: Any) -> Any:
        if not isinstance(what, Task):
            return what
        try:
            return self.play(what.run)
        except Ray.RayError:
            raise
        except Exception as error:
            raise Ray.RayTaskError(error) from error


class Task:
    def __init__(self, number: int, run: Run) -> None:
        self.number, self.run = number, run


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ray]:
    def install(*arguments: Any, **options: Any) -> Ray:
        fake = Ray(*arguments, **options)
        for name in ("ray", "ray.util", "ray.util.queue"):
            monkeypatch.setitem(sys.modules, name, fake if name == "ray" else ModuleType(name))
        return fake

    return install


def seeds(run: Run, count: int) -> list[Run]:
    return [replace(run, seed=seed) for seed in range(count)]


def test_every_run_is_done_once_and_errors_are_listed_at_the_end(
    run: Run, ray: Callable[..., Ray], capsys: pytest.CaptureFixture[str]
) -> None:
    played: list[int] = []

    def play(run: Run) -> str:
        played.append(run.seed)
        if run.seed == 1:
            raise BadValue("too large")
        return f"seed {run.seed} is done"

    run.folder.mkdir(parents=True)
    replace(run, seed=2).result.write_text("{}")
    fake = ray(play)
    assert train_on_ray(seeds(run, 4)) == 1 and played == [0, 1, 3] and fake.shut == 1
    printed = capsys.readouterr()
    assert printed.out.splitlines() == ["seed 0 is done", "seed 3 is done"]
    assert printed.err.splitlines() == ["small, seed 1: error: too large"]
    assert not list(run.results.glob(".witness*"))


def test_a_bug_and_the_death_of_all_workers_are_told_as_they_are(
    run: Run, ray: Callable[..., Ray], capsys: pytest.CaptureFixture[str]
) -> None:
    def play(run: Run) -> str:
        raise Ray.RayError("the worker died\nlong story") if run.seed else KeyError("a bug")

    fake = ray(play)
    assert train_on_ray(seeds(run, 2)) == 1 and fake.options[-1]["max_retries"] == table.RETRIES > 0
    printed = capsys.readouterr().err
    assert "small, seed 0: error: Traceback, line 1\nKeyError('a bug')" in printed
    assert "small, seed 1: error: the worker died\nlong story" in printed


def test_a_run_that_another_process_holds_is_no_failure(
    run: Run, ray: Callable[..., Ray], capsys: pytest.CaptureFixture[str]
) -> None:
    def play(run: Run) -> str:
        if run.seed == 0:
            raise AlreadyRunning("it holds the lock")
        return "fine"

    ray(play)
    assert train_on_ray(seeds(run, 2)) == 0
    printed = capsys.readouterr()
    assert printed.out == "fine\n" and printed.err == "small, seed 0: another process is at it\n"


@pytest.mark.parametrize(
    ("strangers", "gpus", "message"),
    [(("b",), 0, "no folder on b"), (("a", "b"), 0, "no folder on a\nno folder on b"), (("b",), 1, "")],
)
def test_machines_that_would_get_runs_must_share_the_folder(
    run: Run, ray: Callable[..., Ray], strangers: tuple[str, ...], gpus: float, message: str
) -> None:
    """The head has no core and gets none; where runs take a GPU, the machine without one gets none."""
    ray(lambda run: "fine", gpus, (*strangers, "head", "gone"))
    if not message:
        assert train_on_ray([run]) == 0
        return
    with pytest.raises(ValueError, match=f"^{message}$"):
        train_on_ray([run])


def test_every_data_set_of_the_table_is_read_before_its_runs_are_handed_out(
    run: Run, ray: Callable[..., Ray], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    monkeypatch.setattr(Run, "dataset", lambda run: read.append(run.row.recipe.dataset))
    ray(lambda run: "fine")
    other = replace(run.row, key="other", recipe=replace(run.row.recipe, dataset="cifar100"))
    train_on_ray([replace(run, data="", seed=0), replace(run, data="", seed=1), replace(run, data="", row=other)])
    assert read == [run.row.recipe.dataset, "cifar100"]


def test_the_time_budget_and_the_user_stop_the_table(run: Run, ray: Callable[..., Ray]) -> None:
    def interrupted(run: Run) -> str:
        raise KeyboardInterrupt

    def stopped(run: Run) -> str:
        if run.seed:
            raise Stopped("the time is over")
        return "fine"

    ray(stopped)
    with pytest.raises(Stopped, match="stopped: 1 of 3 runs done; the same command goes on"):
        train_on_ray(seeds(run, 3), time_budget=1)
    fake = ray(interrupted)
    with pytest.raises(Stopped, match="stopped: 0 of 3 runs done"):
        train_on_ray(seeds(run, 3))
    assert fake.shut == 1


@pytest.mark.parametrize(
    ("gpus", "wanted", "device", "expected"),
    [(0, None, None, 0), (4, None, None, 1), (4, 0.25, None, 0.25), (4, None, "cpu", 0), (4, 0.0, None, 0)],
)
def test_the_part_of_a_gpu(
    run: Run, ray: Callable[..., Ray], gpus: float, wanted: float | None, device: str | None, expected: float
) -> None:
    fake = ray(lambda run: "", gpus)
    assert train_on_ray([run], gpus_per_run=wanted, device=device) == 0
    assert fake.options[-1] == {"num_cpus": 1, "num_gpus": expected, "max_retries": table.RETRIES}


def test_what_is_wrong_is_said_before_anything_runs(
    run: Run, ray: Callable[..., Ray], monkeypatch: pytest.MonkeyPatch
) -> None:
    ray(lambda run: "")
    with pytest.raises(ValueError, match="--gpus-per-run 0.5: no machine of this cluster has a GPU"):
        train_on_ray([run], gpus_per_run=0.5)
    with pytest.raises(FileNotFoundError, match="there is no file gone.npz"):
        train_on_ray([replace(run, data="gone.npz")])
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r"Ray, which is not installed: pip install .*\[ray\]"):
        train_on_ray([run])


def test_workers_get_whole_paths(run: Run, ray: Callable[..., Ray], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Run] = []
    folder = run.results.parent
    monkeypatch.chdir(folder)

    def play(run: Run) -> str:
        seen.append(run)
        return ""

    ray(play)
    monkeypatch.setattr(Run, "dataset", lambda run: None)  # the second needs 12,000 images
    train_on_ray([replace(run, results=Path("results"), data=name) for name in ("digits.npz", "rotated:digits.npz")])
    assert [found.data for found in seen] == [str(folder / "digits.npz"), f"rotated:{folder / 'digits.npz'}"]
    assert {found.results for found in seen} == {folder / "results"}


def test_the_commands_of_the_readme_are_understood() -> None:
    readme = (Path(__file__).parents[1] / "course_lib" / "README.md").read_text(encoding="utf-8").replace("\\\n", " ")
    section = readme.split("## Past one machine")[1].split("\n## ")[0]
    commands = re.findall(r"-m course_lib +(.*?) *(?:`|\n)", section)
    assert len(commands) == 5
    for words in commands:
        assert make_parser().parse_args(words.split()).command in ("table", "train", "hours")
