"""Where a run computes: its device, the processes that share the work, the lock that keeps others away, and what of all
that is noted in its result."""

import os
import platform
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from filelock import FileLock, SoftFileLock, Timeout  # torch needs it, so it is there

from course_lib.errors import BadValue, UserError

T = TypeVar("T")
_PACKAGE = Path(__file__).resolve().parents[1]


class AlreadyRunning(UserError, RuntimeError):
    """Another process holds the lock."""


def default_device() -> torch.device:
    """The GPU if there is one, else the CPU. Apple's MPS is taken only where it is asked for."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def require_device(name: str) -> torch.device:
    """The device of this name: cpu, cuda, cuda:1, mps. Raises ValueError if this machine or PyTorch has no such
    one."""
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except Exception as error:  # each kind of device fails with an exception of its own
        reason = str(error).splitlines()[0].split(". ")[0]  # PyTorch goes on for a page
        raise BadValue(f"no device {name!r} here ({reason}); cpu is always there") from error
    if device.type == "cpu" and device.index:
        raise BadValue(f"no device {name!r} here: all cores are one device, cpu")
    if not torch.amp.is_autocast_available(device.type):
        raise BadValue(
            f"torch {torch.__version__} has no autocast on {name!r}; training needs it (mps: torch 2.5 and newer)"
        )
    return device


def under_torchrun() -> bool:
    """Whether torchrun has started this process, and perhaps others."""
    return dist.is_available() and dist.is_torchelastic_launched()


@contextmanager
def process_group(device: str | None = None) -> Iterator[torch.device]:
    """The device to train on; for a process that torchrun has started, within the group of all of them.

    Each then takes the GPU of its number on its machine, or the CPU, and waits at the end for the first one. Raises
    ValueError if there is no such device, or if one GPU is named for several of them.
    """
    if not under_torchrun():
        yield default_device() if device is None else require_device(device)
        return
    name = device or default_device().type
    if name.startswith("cuda:") and os.environ.get("LOCAL_WORLD_SIZE", "1") != "1":
        raise BadValue(f"{name} would be one GPU for all processes; under torchrun write cuda, and each takes its own")
    own = require_device(f"cuda:{os.environ['LOCAL_RANK']}" if name == "cuda" else name)
    if own.type == "cuda":
        torch.cuda.set_device(own)
    dist.init_process_group("nccl" if own.type == "cuda" else "gloo")
    try:
        yield own
        from_first(None)  # which has more to do: it reads the test set and writes
    finally:
        dist.destroy_process_group()


def processes() -> int:
    """How many processes train this run together: 1 outside `process_group`."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def is_first() -> bool:
    """Whether this process is the one that writes and prints."""
    return processes() == 1 or dist.get_rank() == 0


def from_first(value: T) -> T:
    """What the first process says, in all of them: for what they must decide alike."""
    if processes() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box)
    return box[0]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold this lock file, in the first process for all. The system frees it when the process ends, however it ends.

    What a killed process left of its attempts to write files of the same name, but for the suffix, is removed. Raises
    AlreadyRunning if another process holds the lock, OSError if the file system has no locks.
    """
    if not is_first():
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise AlreadyRunning(
            f"another process is at this run: it holds {path}; wait for it, or take another seed"
        ) from error
    try:
        if isinstance(lock, SoftFileLock):  # its stand-in without flock: a file, which a killed process leaves behind
            raise OSError(
                f"the file system of {path.parent} has no locks (flock); mount it with them (Lustre: -o flock), or "
                "take another with --results"
            )
        for unfinished in path.parent.glob(f"{path.stem}.*.tmp"):  # by `files.write_whole`
            unfinished.unlink(missing_ok=True)
        yield
    finally:
        lock.release()


def provenance(device: torch.device) -> dict[str, Any]:
    """Commit, versions and hardware of this process, now. Outside a git checkout the commit is None."""
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        **_code(),
        "versions": {
            "python": platform.python_version(),
            "torch": str(torch.__version__),
            "numpy": np.__version__,
            "cuda": torch.version.cuda if device.type == "cuda" else None,
            "cudnn": torch.backends.cudnn.version() if device.type == "cuda" else None,
        },
        "hardware": {
            "device": _device_name(device),
            "type": device.type,
            "threads": torch.get_num_threads(),
            "processes": processes(),
            "system": platform.platform(),
        },
    }


def _device_name(device: torch.device) -> str:
    """What the hardware is called, for example "NVIDIA H100" or the processor's model."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    processor = next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.processor())
    return f"{processor} ({device.type})" if device.type != "cpu" else processor


def _code() -> dict[str, Any]:
    """The commit of course_lib, and its files that differ from it; None for a copy in another project's checkout."""
    if _git("ls-files", "--error-unmatch", "__init__.py") is None:
        return {"commit": None, "uncommitted_changes": None}
    commit = _git("rev-parse", "HEAD")
    changed = _git("status", "--porcelain", "--", ".")
    return {"commit": commit, "uncommitted_changes": None if changed is None else changed.splitlines()}


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=_PACKAGE, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):  # no git, or no checkout
        return None
    return done.stdout.rstrip()
