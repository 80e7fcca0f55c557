"""A run that is stopped, killed, or hits a full disk goes on to the very weights it would have had."""

import errno
import json
import math
import os
import resource
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator, Tensor, nn

from course_lib.data import Split, load_digits, random_rotations
from course_lib.files import write_whole
from course_lib.training import (
    AlreadyRunning,
    Checkpoint,
    History,
    TrainConfig,
    WrongCheckpoint,
    locked,
    predict,
    seed_everything,
    train,
    weights_checksum,
    write_json,
)
from course_lib.training.loop import deterministic_operations, explained_out_of_memory, make_optimizer
from course_lib.training.randomness import random_states, restore_random_states

SGD = TrainConfig(6, 16, 0.05, optimizer="sgd", momentum=0.9, schedule="step", milestones=(3,), warmup_epochs=2)
ADAM = TrainConfig(6, 16, 0.01, schedule="cosine")


def small_net() -> nn.Module:
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.3), nn.Flatten(), nn.Linear(400, 10)]
    return nn.Sequential(*layers)


def small_split() -> Split:
    return load_digits(size=12).train.first(60)


def run(config: TrainConfig, path: Path | None = None, **options: Any) -> tuple[str, History]:
    """Train with everything that draws random numbers."""
    net, checkpoint = small_net(), Checkpoint(path, {"data": "digits"}, {"commit": "abc"}) if path else None
    options = {"augment": random_rotations, "device": "cpu", "validation": small_split(), **options}
    history = train(net, small_split(), config, checkpoint=checkpoint, **options)
    return weights_checksum(net), history


def without_times(history: History) -> History:
    return replace(history, seconds=[])


@pytest.mark.parametrize("config", [SGD, ADAM], ids=["sgd", "adam"])
def test_a_run_in_pieces_is_the_run_in_one(config: TrainConfig, tmp_path: Path) -> None:
    whole, history = run(config)
    path = tmp_path / "run.pt"
    for done in range(1, 6):
        weights, part = run(config, path, time_budget=0)
        assert part.interrupted and part.epochs_done == done and weights != whole
        torch.rand(3)
        np.random.rand(3)
    weights, last = run(config, path, time_budget=0)
    assert weights == whole and without_times(last) == without_times(history) and not last.interrupted
    assert run(config, path)[0] == whole, "a finished run has nothing to do"
    assert [p.name for p in tmp_path.iterdir()] == ["run.pt"]


@pytest.mark.parametrize("lost", ["net", "optimizer", "torch", "generator"])
def test_every_part_of_the_checkpoint_is_needed(lost: str, tmp_path: Path) -> None:
    whole, path = run(SGD)[0], tmp_path / "run.pt"
    run(SGD, path, time_budget=0)
    state = torch.load(path, weights_only=True)
    fresh = Checkpoint(tmp_path / "fresh.pt", {"data": "digits"})
    net = small_net()
    seed_everything(1)
    fresh.save(net, make_optimizer(SGD, net.parameters()), Generator().manual_seed(5), History(SGD))
    other = torch.load(fresh.path, weights_only=True)
    part = state if lost in state else state["random"]
    part[lost] = (other if lost in other else other["random"])[lost]
    torch.save(state, path)
    assert run(SGD, path)[0] != whole


def test_all_random_generators_come_back() -> None:
    import random

    def draw() -> list[float]:
        drawn = [torch.rand(1).item(), np.random.rand(), random.random(), random.gauss(0, 1)]
        return [*drawn, np.random.randn(), torch.rand(1, generator=generator).item()]

    generator, cpu = Generator().manual_seed(3), torch.device("cpu")
    seed_everything(2)
    draw()  # an odd number of normal draws: the second of a pair is kept for later
    states = random_states(cpu, generator)
    first = draw()
    restore_random_states(states, cpu, generator)
    assert draw() == first


def test_an_interrupt_loses_only_the_epoch_it_came_in(tmp_path: Path) -> None:
    calls = 0

    def interrupt(images: Tensor, generator: Generator) -> Tensor:
        nonlocal calls
        calls += 1
        if calls == 10:  # in the third of the epochs, 4 batches each
            raise KeyboardInterrupt
        return random_rotations(images, generator)

    path = tmp_path / "run.pt"
    assert run(SGD, path, augment=interrupt)[1].epochs_done == 2
    assert run(SGD, path)[0] == run(SGD)[0]


def test_sessions_are_remembered(tmp_path: Path) -> None:
    path = tmp_path / "run.pt"
    run(SGD, path, time_budget=0)
    net, checkpoint = small_net(), Checkpoint(path, {"data": "digits"}, {"commit": "def"})
    train(net, small_split(), SGD, small_split(), random_rotations, "cpu", checkpoint=checkpoint)
    assert checkpoint.sessions == [{"first_epoch": 1, "commit": "abc"}, {"first_epoch": 2, "commit": "def"}]


def test_the_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.pt"
    run(SGD, path, time_budget=0)
    with pytest.raises(WrongCheckpoint, match=r"run.pt belongs to a run with learning_rate 0.05, this one has 0.1"):
        run(replace(SGD, learning_rate=0.1), path)
    with pytest.raises(WrongCheckpoint, match="belongs to a run with data 'digits', this one has 'letters'"):
        train(small_net(), small_split(), SGD, checkpoint=Checkpoint(path, {"data": "letters"}), device="cpu")


@pytest.mark.parametrize("damage", [lambda b: b[:-200], lambda b: b"", lambda b: b[:300] + b"\0" * 9 + b[309:]])
def test_a_damaged_checkpoint_is_refused(damage: Any, tmp_path: Path) -> None:
    path = tmp_path / "run.pt"
    run(SGD, path, time_budget=0)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(WrongCheckpoint, match=r"run.pt is damaged .*remove it to start again"):
        run(SGD, path)


def test_any_flipped_bit_of_the_weights_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "run.pt"
    run(SGD, path, time_budget=0)
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        parts = [part for part in archive.infolist() if part.file_size]
    assert len(parts) > 10
    for part in parts:
        name_and_extra = int.from_bytes(whole[part.header_offset + 26 :][:2], "little") + int.from_bytes(
            whole[part.header_offset + 28 :][:2], "little"
        )
        place = part.header_offset + 30 + name_and_extra + part.file_size // 2
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x40]) + whole[place + 1 :])
        with pytest.raises(WrongCheckpoint, match=r"run.pt is damaged .*remove it to start again"):
            run(SGD, path)
    path.write_bytes(whole)
    assert run(SGD, path)[0] == run(SGD)[0]


def about(change: Any) -> Any:
    """What spoils the text of a checkpoint."""

    def spoil(state: dict[str, Any]) -> None:
        told = json.loads(state["about"])
        state["about"] = json.dumps(change(told) or told)

    return spoil


ODD = {
    "no state": lambda state: state.clear(),
    "about is missing": lambda state: state.pop("about"),
    "about is a list": lambda state: state.update(about="[]"),
    "about is no JSON": lambda state: state.update(about="{"),
    "about is a number": lambda state: state.update(about=7),
    "no history": about(lambda told: told.pop("history") and None),
    "history is a list": about(lambda told: told.update(history=[])),
    "history has an unknown field": about(lambda told: told["history"].update(weather="fine")),
    "history lacks its config": about(lambda told: told["history"].pop("config") and None),
    "config has an unknown field": about(lambda told: told["history"]["config"].update(epoch=3)),
    "config lacks a field": about(lambda told: told["history"]["config"].pop("epochs") and None),
    "config is odd": about(lambda told: told["history"]["config"].update(epochs=-1)),
    "config holds a text": about(lambda told: told["history"]["config"].update(learning_rate="fast")),
    "identity is null": about(lambda told: told.update(identity=None)),
    "sessions are missing": about(lambda told: told.pop("sessions") and None),
    "net is a list": lambda state: state.update(net=[]),
    "net lacks a weight": lambda state: state["net"].pop("0.weight"),
    "net has another shape": lambda state: state["net"].update({"0.weight": torch.zeros(1)}),
    "net holds a text": lambda state: state["net"].update({"0.weight": "heavy"}),
    "optimizer is empty": lambda state: state.update(optimizer={}),
    "optimizer is null": lambda state: state.update(optimizer=None),
    "optimizer lacks groups": lambda state: state["optimizer"].update(param_groups=[]),
    "random is empty": lambda state: state.update(random={}),
    "random is null": lambda state: state.update(random=None),
    "torch's generator is cut": lambda state: state["random"].update(torch=torch.zeros(3, dtype=torch.uint8)),
    "Python's generator is a text": lambda state: state["random"].update(python="dice"),
    "NumPy's generator is odd": lambda state: state["random"].update(numpy=("MT19937", [1, 2], 0, 0, 0.0)),
}


@pytest.mark.parametrize("spoil", ODD.values(), ids=ODD)
def test_an_odd_checkpoint_is_refused_in_one_line_that_names_it(spoil: Any, tmp_path: Path) -> None:
    path = tmp_path / "run.pt"
    run(SGD, path, time_budget=0)
    state = torch.load(path, weights_only=True)
    spoil(state)
    torch.save(state, path)
    with pytest.raises(WrongCheckpoint, match=r"^[^\n]*run.pt is damaged \([^\n]+\); remove it to start again$"):
        run(SGD, path)


def test_a_pipe_or_a_folder_in_its_place_is_named_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pt")
    (tmp_path / "folder.pt").mkdir()
    (tmp_path / "link.pt").symlink_to(tmp_path / "a disk that is not there")
    for name in ("pipe.pt", "folder.pt", "link.pt"):
        with pytest.raises(WrongCheckpoint, match=rf"{name} is damaged \(it is no file\)"):
            run(SGD, tmp_path / name)


def test_weights_that_the_last_step_spoiled_are_not_stored(tmp_path: Path) -> None:
    path = tmp_path / "run.pt"
    run(SGD, path, time_budget=0)
    before, calls = path.read_bytes(), 0

    def spoil_last(images: Tensor, generator: Generator) -> Tensor:
        nonlocal calls
        calls += 1
        if calls == 4:  # the loss of this batch is a number still
            net[5].bias.register_hook(lambda gradient: gradient * math.inf)
        return random_rotations(images, generator)

    net, checkpoint = small_net(), Checkpoint(path, {"data": "digits"})
    with pytest.raises(
        FloatingPointError, match=r"5.bias has values that are no numbers in epoch 2; the net is spoiled"
    ):
        train(net, small_split(), SGD, small_split(), spoil_last, "cpu", checkpoint=checkpoint)
    assert path.read_bytes() == before


def test_a_loss_that_is_no_number_keeps_the_last_good_epoch(tmp_path: Path) -> None:
    calls, path = 0, tmp_path / "run.pt"

    def spoil(images: Tensor, generator: Generator) -> Tensor:
        nonlocal calls
        calls += 1
        images = random_rotations(images, generator)
        return images * math.nan if calls > 8 else images

    with pytest.raises(FloatingPointError, match="nan in epoch 3"):
        run(SGD, path, augment=spoil)
    assert run(SGD, path)[0] == run(SGD)[0]


def test_a_full_disk_keeps_the_last_good_epoch(tmp_path: Path) -> None:
    """The system refuses to make a file larger than so many bytes: the write fails in the middle, as on a full disk."""
    path, limits = tmp_path / "run.pt", resource.getrlimit(resource.RLIMIT_FSIZE)
    run(SGD, path, time_budget=0)
    before = path.read_bytes()
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))
    try:
        with pytest.raises(OSError, match=r"cannot write .* MB .*as it was before is kept.*run.pt") as raised:
            run(SGD, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert raised.value.errno == errno.EFBIG
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["run.pt"]
    assert run(SGD, path)[0] == run(SGD)[0]


def test_out_of_memory_names_the_batch_size_to_try() -> None:
    def enlarge(images: Tensor, generator: Generator) -> Tensor:
        return torch.empty(10**15)

    with pytest.raises(MemoryError, match=r"batch size of 16; try a batch size of 8,.*allocate"):
        run(SGD, augment=enlarge)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("MPS backend out of memory (MPS allocated: 18.0 GB)"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"),
        MemoryError(),
    ],
    ids=repr,
)
def test_out_of_memory_on_every_device(error: Exception) -> None:
    with pytest.raises(MemoryError, match="take a smaller network"), explained_out_of_memory(1):
        raise error


def test_predictions_take_smaller_batches_where_memory_is_short() -> None:
    class Hungry(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight, self.seen = nn.Parameter(torch.eye(4)), list[int]()

        def forward(self, x: Tensor) -> Tensor:
            self.seen.append(len(x))
            if len(x) > limit:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return x.flatten(1) @ self.weight

    images, limit, net = torch.eye(4).reshape(4, 1, 2, 2).repeat(75, 1, 1, 1), 128, Hungry()
    assert torch.equal(predict(net, images), torch.arange(4).repeat(75))
    assert net.seen == [300, 250, 125, 125, 50]
    limit = 0
    with pytest.raises(torch.OutOfMemoryError):
        predict(net, images)


def test_other_errors_are_left_alone() -> None:
    with pytest.raises(RuntimeError, match="^shapes differ$"), explained_out_of_memory(16):
        raise RuntimeError("shapes differ")


def test_the_time_budget_counts_the_epoch_to_come() -> None:
    assert run(SGD, time_budget=0)[1].epochs_done == 1
    assert run(SGD, time_budget=1000)[1].epochs_done == 6


def test_writing_replaces_the_whole_file_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.json"
    write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        write_json(path, {"half": object()})
    assert json.loads(path.read_text()) == {"a": 1} and [p.name for p in path.parent.iterdir()] == ["file.json"]
    with pytest.raises(OSError, match="cannot write"):
        write_whole(path / "below_a_file", b"")


def test_a_lock_is_held_by_one(tmp_path: Path) -> None:
    with (
        locked(tmp_path / "lock"),
        pytest.raises(AlreadyRunning, match="another process is at this run"),
        locked(tmp_path / "lock"),
    ):
        pass
    with locked(tmp_path / "lock"):
        pass


def test_a_file_system_without_locks_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(file: int, how: int) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", flock)
    with (
        pytest.warns(UserWarning, match="SoftFileLock"),
        pytest.raises(OSError, match=r"has no locks \(flock\); mount it with them"),
        locked(tmp_path / "lock"),
    ):
        pass


def test_the_checksum_sees_every_bit() -> None:
    net = small_net()
    before = weights_checksum(net)
    assert weights_checksum(small_net()) == before
    net[1].running_var[0] += 1e-7  # a buffer, one bit
    assert weights_checksum(net) != before


def test_deterministic_operations_are_chosen_on_cuda_and_put_back() -> None:
    def flags() -> tuple[bool, ...]:
        warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
        cudnn = torch.backends.cudnn
        return torch.are_deterministic_algorithms_enabled(), warn_only, cudnn.deterministic, cudnn.benchmark

    before = flags()
    with deterministic_operations(torch.device("cuda"), True):
        assert flags() == (True, True, True, False)
    with deterministic_operations(torch.device("cuda"), False):
        assert flags() == (False, True, False, True)
    with deterministic_operations(torch.device("cpu"), True):
        assert flags() == before
    assert flags() == before


def test_compile_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[nn.Module] = []

    def compile_(net: nn.Module) -> nn.Module:
        compiled.append(net)
        return net

    monkeypatch.setattr(torch, "compile", compile_)
    plain = run(SGD)[0]
    assert not compiled
    assert run(replace(SGD, compile=True))[0] == plain and len(compiled) == 1


@pytest.mark.slow
def test_killed_at_twenty_random_instants() -> None:
    script = Path(__file__).parent / "benchmarks" / "kill_and_resume.py"
    done = subprocess.run([sys.executable, script, "--kills", "20"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("20 kills")
