"""What to do when the memory does not suffice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from course_lib.errors import UserError

# How the allocators of CPU, CUDA, cuBLAS, MPS and C++ say it, each in a RuntimeError.
_SIGNS = ("can't allocate memory", "not enough memory", "out of memory", "alloc_failed", "bad_alloc")


class OutOfMemory(UserError, MemoryError):
    """The device has too little memory for what was asked for."""


@contextmanager
def explained_out_of_memory(batch_size: int) -> Iterator[None]:
    """Turn every device's way to say "out of memory" into an OutOfMemory that names the batch size to try."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        advice = f"try a batch size of {batch_size // 2}" if batch_size > 1 else "take a smaller network"
        raise OutOfMemory(
            f"out of memory with a batch size of {batch_size}; {advice}, or free memory that others use. "
            f"A checkpoint, if there is one, holds the last finished epoch. The device said: {_first_line(error)}"
        ) from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device says so, each in its own words."""
    text = str(error).lower()
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or any(sign in text for sign in _SIGNS)


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
