"""Two processes under torchrun compute what one process computes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import twenty_steps
from benchmarks.kill_and_resume import write_data
from course_lib.cli import main
from course_lib.data import Split
from course_lib.training import Checkpoint, TrainConfig, WrongCheckpoint, checkpoint, environment, loop
from course_lib.training.distributed import divided
from course_lib.training.environment import from_first, is_first, process_group, processes
from course_lib.training.loop import make_optimizer, require_fit

ROOT = Path(__file__).parents[1]


def torchrun(*words: str | Path, count: int = 2) -> str:
    """What the processes print together."""
    command = [sys.executable, "-W", "error", "-m", "torch.distributed.run", "--nproc-per-node", str(count)]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, "--standalone", *words], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_twenty_steps_of_two_processes_are_those_of_one(tmp_path: Path) -> None:
    torchrun(ROOT / "tests" / "twenty_steps.py", tmp_path / "two.pt")
    one, two = twenty_steps.trained(torch.device("cpu")), torch.load(tmp_path / "two.pt", weights_only=True)
    assert one.keys() == two.keys() and len(one) == len(twenty_steps.CASES)
    for case, expected in one.items():
        for name, value in expected.items():
            rounding = (1e-9 if value.dtype == torch.float64 else 1e-4) * max(1, value.abs().max())
            assert (two[case][name] - value).abs().max() < rounding, (case, name)


@pytest.mark.slow
def test_a_time_budget_ends_torchrun_cleanly_and_another_number_of_processes_goes_on(tmp_path: Path) -> None:
    data = str(write_data(tmp_path / "digits.npz"))
    words = ["train", "c-z2cnn", "--data", data, "--batch-size", "24", "--epochs", "3", "--results", str(tmp_path)]
    assert main([*words, "--time-budget", "0s"]) == 75  # one process stops after the first epoch
    printed = torchrun("-m", "course_lib", *words, "--time-budget", "0s")
    assert printed.count("stopped") == 1 and "c-z2cnn, seed 0: stopped, epoch 2/3" in printed
    assert not list(tmp_path.glob("**/seed0.json"))
    assert main(words) == 0
    (path,) = tmp_path.glob("**/seed0.json")
    result = json.loads(path.read_text())
    assert [entry["hardware"]["processes"] for entry in result["sessions"]] == [1, 2, 1]
    assert len(result["epochs"]["seconds"]) == 3
    assert {p.name for p in path.parent.iterdir()} == {"seed0.json", "seed0.pt", "seed0.lock"}


def test_one_process_of_torchrun_is_a_group_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(environment.dist, "is_torchelastic_launched", lambda: True)
    for name in ("RANK", "LOCAL_RANK", "MASTER_PORT"):  # at port 0 the system chooses one
        monkeypatch.setenv(name, "0")
    for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    words = [
        "train",
        "c-z2cnn",
        "--data",
        str(write_data(tmp_path / "digits.npz")),
        "--batch-size",
        "24",
        "--epochs",
        "1",
    ]
    assert main([*words, "--results", str(tmp_path)]) == 0
    assert len(list(tmp_path.glob("**/seed0.json"))) == 1 and not environment.dist.is_initialized()


def test_without_torchrun_there_is_one_process() -> None:
    with process_group("cpu") as device:
        assert device == torch.device("cpu") and processes() == 1 and is_first() and from_first("word") == "word"
    with pytest.raises(ValueError, match="no device 'tpu'"), process_group("tpu"):
        pass


def test_what_cannot_be_divided_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "processes", lambda: 4)
    net, split = nn.Linear(1, 1), Split(torch.zeros(75, 1, 1, 1), torch.zeros(75, dtype=torch.long))
    with pytest.raises(ValueError, match=r"4 processes, but the last batch of an epoch has 3 of 75 images; .* than 24"):
        require_fit(net, TrainConfig(1, 24, 0.1), split, None)
    with pytest.raises(ValueError, match="4 processes, but the last batch of an epoch has 2 of 72"):
        require_fit(net, TrainConfig(1, 2, 0.1), split.first(72), None)
    with pytest.raises(ValueError, match="compile is for one process"):
        require_fit(net, TrainConfig(1, 24, 0.1, compile=True), split.first(72), None)
    with pytest.raises(ValueError, match="AlphaDropout is for one process"):
        divided(nn.Sequential(net, nn.AlphaDropout()))
    monkeypatch.setattr(environment.dist, "is_torchelastic_launched", lambda: True)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="cuda:1 would be one GPU for all processes"), process_group("cuda:1"):
        pass


def test_a_folder_that_is_not_shared_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "from_first", lambda epochs: epochs + 3)
    net, config = nn.Linear(1, 1), TrainConfig(1, 24, 0.1)
    with pytest.raises(WrongCheckpoint, match="has 0 epochs here, and not as many for the first process"):
        Checkpoint(tmp_path / "x.pt").restore(net, make_optimizer(config, net.parameters()), torch.Generator(), config)
