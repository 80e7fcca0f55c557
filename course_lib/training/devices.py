"""Which device to compute on, and what it is called."""

from __future__ import annotations

import platform
from pathlib import Path

import torch

from course_lib.errors import BadValue


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


def device_name(device: torch.device) -> str:
    """What the hardware is called, for example "NVIDIA H100" or the processor's model."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    processor = next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.processor())
    return f"{processor} ({device.type})" if device.type != "cpu" else processor
