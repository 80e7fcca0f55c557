"""Seeds, the states of all random generators, and deterministic operations."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Generator


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch on every device: same seed, same device, same result."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False


def random_states(device: torch.device, generator: Generator) -> dict[str, Any]:
    """The states of all random generators, in types that `torch.load` reads with ``weights_only=True``."""
    name, keys, *rest = np.random.get_state(legacy=True)
    states = {
        "python": random.getstate(),
        "numpy": (name, np.asarray(keys).tolist(), *rest),
        "torch": torch.get_rng_state(),
        "generator": generator.get_state(),
    }
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    if device.type == "mps":
        states["mps"] = torch.mps.get_rng_state()
    return states


def restore_random_states(states: dict[str, Any], device: torch.device, generator: Generator) -> None:
    """Put all generators back to what `random_states` has seen."""
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])
    torch.set_rng_state(states["torch"])
    generator.set_state(states["generator"])
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)
    if device.type == "mps" and "mps" in states:
        torch.mps.set_rng_state(states["mps"])


@contextmanager
def deterministic_operations(device: torch.device, wanted: bool) -> Iterator[None]:
    """On CUDA, choose deterministic operations, or the fastest; where PyTorch has no deterministic one, it warns.

    Elsewhere this does nothing.
    """
    if device.type != "cuda":
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic only with this
    cudnn = torch.backends.cudnn
    memory: Any = torch.utils.deterministic  # its flag hides from type checkers; filling would only cost time
    algorithms = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    flags = cudnn.deterministic, cudnn.benchmark, memory.fill_uninitialized_memory
    torch.use_deterministic_algorithms(wanted, warn_only=True)
    cudnn.deterministic, cudnn.benchmark, memory.fill_uninitialized_memory = wanted, not wanted, False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(algorithms[0], warn_only=algorithms[1])
        cudnn.deterministic, cudnn.benchmark, memory.fill_uninitialized_memory = flags
