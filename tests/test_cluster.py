"""A table on a cluster, without a cluster: what a worker answers, what is made of it, and what one sees of it.

tests/benchmarks/ray_deaths.py has a real one, in which a worker and a machine die.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from benchmarks.kill_and_resume import row, write_data
from course_lib.changes import Changes
from course_lib.cli.parser import make_parser
from course_lib.cluster import Job, overview, table, train_on_ray
from course_lib.cluster.job import MOST_DEATHS
from course_lib.cluster.task import Orders, attempt
from course_lib.training import locked
from course_lib.training.runs import Run, Stopped

NOON = datetime(2030, 1, 1, 12)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    data = str(write_data(tmp_path / "digits.npz"))
    return Run(row(), "tiny", tmp_path / "results", data=data, changes=Changes(epochs=2))


@pytest.fixture
def orders(tmp_path: Path) -> Iterator[Orders]:
    """The witness is locked through another file descriptor, as by another process."""
    with locked(tmp_path / "results" / ".witness"):
        yield Orders("cpu", tmp_path / "results" / ".witness")


def heard(run: Run, orders: Orders) -> tuple[tuple[str, str], list[int | None]]:
    told: list[int | None] = []
    return attempt(run, orders, told.append), told


def test_a_worker_tells_of_each_epoch_and_of_the_end(run: Run, orders: Orders) -> None:
    (state, message), told = heard(run, orders)
    assert state == "done" and message.startswith("small, seed 0: test error") and told == [None, 1, 2]
    assert run.result.exists() and heard(run, orders) == ((state, message), [None])


def test_what_keeps_a_worker_from_the_end(run: Run, orders: Orders) -> None:
    with locked(run.checkpoint.with_suffix(".lock")):
        assert heard(run, orders)[0] == ("busy", "")
    assert heard(run, replace(orders, deadline=time.time())) == (("stopped", ""), [])
    assert heard(run, replace(orders, deadline=time.time() + 0.01)) == (("stopped", ""), [None, 1])
    (state, message), _ = heard(replace(run, changes=Changes(batch_size=100)), orders)
    assert state == "failed" and "batch_size 100 is larger than the training split (72 images)" in message
    (state, message), told = heard(run, replace(orders, device="tpu"))
    assert state == "refused" and message.startswith("no device 'tpu' here") and told == []


def test_a_disk_that_is_not_shared_is_refused(run: Run, orders: Orders, tmp_path: Path) -> None:
    (state, message), told = heard(run, replace(orders, witness=tmp_path / "elsewhere"))
    assert state == "refused" and "give one with --results that all machines share" in message and told == []
    (tmp_path / "free").touch()
    (state, message), told = heard(run, replace(orders, witness=tmp_path / "free"))
    assert state == "refused" and "keeps a lock (flock) within one machine only" in message and told == []


def test_the_overview(run: Run) -> None:
    jobs = [Job(run) for _ in range(6)]
    assert overview(jobs, 5, NOON) == "0 of 6 runs done, 0 running, 6 waiting, end not yet known"
    for job in jobs[:2]:
        job.heard(None, True)
    jobs[0].heard(1, True)
    assert overview(jobs, 60, NOON) == "0 of 6 runs done, 2 running, 4 waiting, end about 12:11"
    jobs[0].state, jobs[2].state, jobs[3].state, jobs[4].state = "done", "failed", "stopped", "busy"
    jobs[1].died("killed")
    expected = "1 of 6 runs done, 0 running, 2 waiting, 1 stopped, 1 failed, 1 at another process, 1 begun again"
    assert overview(jobs, 3600, NOON) == expected + ", end about 16:00"
    assert overview(jobs, 36_000, NOON).endswith("end about Thu 03 Jan 04:00")


def test_an_epoch_of_a_large_row_counts_more(run: Run) -> None:
    small, large = Job(run), Job(replace(run, row=replace(run.row, width=16)))
    assert large.cost > 3 * small.cost
    small.heard(2, True)
    small.state = "done"
    minutes = 2 * large.cost / small.cost  # one epoch of the small one in a minute, two of the large one are left
    end = datetime.strptime(overview([small, large], 60, NOON)[-5:], "%H:%M")
    assert abs((end.hour - 12) * 60 + end.minute - minutes) <= 1


def test_deaths_count_only_until_the_next_epoch(run: Run) -> None:
    job = Job(run)
    for _ in range(MOST_DEATHS - 1):
        job.died("killed")
    job.heard(1, False)
    assert job.state == "waiting", "late word from a dead worker does not make it run"
    for _ in range(MOST_DEATHS - 1):
        job.died("killed")
        assert job.state == "waiting"
    job.died("killed again")
    assert job.state == "failed" and job.message.endswith("at last: killed again") and job.restarts == 4


class Ray:
    """What the driver uses of Ray, in this process: a task is done when it is waited for. ``play`` says how it ends."""

    class RayError(Exception):
        pass

    class RayTaskError(RayError):
        pass

    def __init__(self, play: Callable[[Run], tuple[str, str]], gpus: float = 0) -> None:
        self.play, self.gpus = play, gpus
        self.exceptions = self
        self.options: list[dict[str, Any]] = []
        self.shut = 0
        self.util = SimpleNamespace(
            scheduling_strategies=SimpleNamespace(NodeAffinitySchedulingStrategy=lambda *a, **k: 0)
        )

    def init(self, **options: Any) -> None:
        self.options.append(options)

    def shutdown(self) -> None:
        self.shut += 1

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 2.0, **({"GPU": self.gpus} if self.gpus else {})}

    def get_runtime_context(self) -> Any:
        return SimpleNamespace(get_node_id=lambda: "here")

    def remote(self, **options: Any) -> Callable[..., Any]:
        self.options.append(options)

        def wrap(what: Any) -> Any:
            if isinstance(what, type):  # the board
                board = what()
                methods = {name: SimpleNamespace(remote=getattr(board, name)) for name in ("tell", "read")}
                return SimpleNamespace(remote=lambda: SimpleNamespace(**methods))
            return SimpleNamespace(remote=lambda run, orders, board, number: Task(run, board, number))

        return wrap

    def wait(self, tasks: list[Task], timeout: float) -> tuple[list[Task], list[Task]]:
        tasks[0].board.tell.remote(tasks[0].number, None)
        return tasks[:1], tasks[1:]

    def get(self, what: Any) -> Any:
        return self.play(what.run) if isinstance(what, Task) else what


class Task:
    def __init__(self, run: Run, board: Any, number: int) -> None:
        self.run, self.board, self.number = run, board, number


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ray]:
    def install(play: Callable[[Run], tuple[str, str]], gpus: float = 0) -> Ray:
        fake = Ray(play, gpus)
        for name in ("ray", "ray.util", "ray.util.scheduling_strategies"):
            monkeypatch.setitem(sys.modules, name, fake if name == "ray" else ModuleType(name))
        return fake

    monkeypatch.setattr(table, "TRY_AGAIN", 0.0)
    monkeypatch.setattr(table, "PATIENCE", 0.0)
    return install


def seeds(run: Run, count: int) -> list[Run]:
    return [replace(run, seed=seed) for seed in range(count)]


def test_every_run_is_done_once_and_errors_are_listed_at_the_end(
    run: Run, ray: Callable[..., Ray], capsys: pytest.CaptureFixture[str]
) -> None:
    played: list[int] = []

    def play(run: Run) -> tuple[str, str]:
        played.append(run.seed)
        return ("failed", "too large") if run.seed == 1 else ("done", f"seed {run.seed} is done")

    run.folder.mkdir(parents=True)
    replace(run, seed=2).result.write_text("{}")
    fake = ray(play)
    assert train_on_ray(seeds(run, 4)) == 1 and played == [0, 1, 3] and fake.shut == 1
    printed = capsys.readouterr()
    assert printed.out.splitlines() == ["seed 0 is done", "seed 3 is done"]
    assert printed.err.splitlines() == ["1 of 3 runs failed:", "  small, seed 1: error: too large"]
    assert not list(run.results.glob(".witness*"))


def test_a_dead_worker_is_replaced_but_not_for_ever(
    run: Run, ray: Callable[..., Ray], capsys: pytest.CaptureFixture[str]
) -> None:
    played: list[int] = []

    def play(run: Run) -> tuple[str, str]:
        played.append(run.seed)
        if run.seed == 0 or (run.seed == 1 and played.count(1) < MOST_DEATHS):
            raise Ray.RayError("the worker died\nlong story")
        if run.seed == 2:
            raise Ray.RayTaskError("Traceback\nNo module named 'course_lib'\n")
        return "done", "fine"

    ray(play)
    assert train_on_ray(seeds(run, 3)) == 1
    assert [played.count(seed) for seed in range(3)] == [MOST_DEATHS, MOST_DEATHS, 1]
    printed = capsys.readouterr()
    assert "seed 0: error: its worker died 3 times without finishing one more epoch; at last: the worker died\n" in (
        printed.err
    )
    assert "No module named 'course_lib'; is this course_lib installed on every machine?" in printed.err


def done_at_the_third_try(played: list[int], before: tuple[str, str]) -> Callable[[Run], tuple[str, str]]:
    def play(run: Run) -> tuple[str, str]:
        played.append(run.seed)
        return ("done", "fine") if played.count(run.seed) > 2 else before

    return play


def test_a_run_that_is_locked_is_tried_again_while_there_is_hope(
    run: Run, ray: Callable[..., Ray], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    played: list[int] = []
    ray(done_at_the_third_try(played, before=("busy", "")))
    assert train_on_ray(seeds(run, 2)) == 0
    assert played in ([0, 1], [0, 1, 0]), "the first is tried again while the second is at work, and then no more"
    played.clear()
    assert "small, seed 0: another process is at it" in capsys.readouterr().out
    monkeypatch.setattr(table, "PATIENCE", 60.0)
    assert train_on_ray(seeds(run, 2)) == 0 and sorted(played) == [0, 0, 0, 1, 1, 1]
    assert capsys.readouterr().out == "fine\nfine\n"


def test_what_a_bad_machine_refuses_is_done_by_another(
    run: Run, ray: Callable[..., Ray], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    played: list[int] = []
    ray(done_at_the_third_try(played, before=("refused", "no folder (on bad)")))
    monkeypatch.setattr(table, "PATIENCE", 60.0)
    assert train_on_ray(seeds(run, 2)) == 0 and sorted(played) == [0, 0, 0, 1, 1, 1]
    printed = capsys.readouterr()
    assert printed.out == "fine\nfine\n" and printed.err.count("no folder (on bad)") == 1
    monkeypatch.setattr(table, "PATIENCE", 0.0)
    ray(lambda run: ("refused", "no folder (on bad)"))
    assert train_on_ray(seeds(run, 1)) == 1
    assert "1 of 1 runs failed:\n  small, seed 0: error: no folder (on bad)" in capsys.readouterr().err


def test_a_bad_machine_is_tried_around_for_as_long_as_a_good_one_works(
    run: Run, ray: Callable[..., Ray], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, played = [time.monotonic()], list[int]()

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    def play(run: Run) -> tuple[str, str]:
        played.append(run.seed)
        if run.seed == 0:
            sleep(1000)  # on the good machine, while the bad one refuses all others
        return ("done", "fine") if run.seed == 0 or played.count(run.seed) > 1 else ("refused", "no folder (on bad)")

    ray(play)
    monkeypatch.setattr(table, "PATIENCE", 120.0)
    monkeypatch.setattr(table, "TRY_AGAIN", 10.0)
    monkeypatch.setattr(table, "time", SimpleNamespace(monotonic=lambda: clock[0], time=lambda: clock[0], sleep=sleep))
    assert train_on_ray(seeds(run, 3)) == 0 and played == [0, 1, 2, 1, 2]


def test_what_was_refused_has_not_failed_if_the_time_is_over(run: Run, ray: Callable[..., Ray]) -> None:
    ray(lambda run: ("stopped", "") if run.seed else ("refused", "no folder (on bad)"))
    with pytest.raises(Stopped, match="0 of 2 runs done"):
        train_on_ray(seeds(run, 2), time_budget=1)


def test_every_data_set_of_the_table_is_read_before_its_runs_are_handed_out(
    run: Run, ray: Callable[..., Ray], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    monkeypatch.setattr(Run, "dataset", lambda run: read.append(run.row.recipe.dataset))
    ray(lambda run: ("done", "fine"))
    other = replace(run.row, key="other", recipe=replace(run.row.recipe, dataset="cifar100"))
    train_on_ray([replace(run, data="", seed=0), replace(run, data="", seed=1), replace(run, data="", row=other)])
    assert read == [run.row.recipe.dataset, "cifar100"]


def test_the_time_budget_and_the_user_stop_the_table(run: Run, ray: Callable[..., Ray]) -> None:
    def interrupted(run: Run) -> tuple[str, str]:
        raise KeyboardInterrupt

    ray(lambda run: ("stopped", "") if run.seed else ("done", ""))
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
    fake = ray(lambda run: ("done", ""), gpus)
    assert train_on_ray([run], gpus_per_run=wanted, device=device) == 0
    assert fake.options[-1] == {"num_cpus": 1, "num_gpus": expected, "max_retries": 0}


def test_what_is_wrong_is_said_before_anything_runs(
    run: Run, ray: Callable[..., Ray], monkeypatch: pytest.MonkeyPatch
) -> None:
    ray(lambda run: ("done", ""))
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

    def play(run: Run) -> tuple[str, str]:
        seen.append(run)
        return "done", ""

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
