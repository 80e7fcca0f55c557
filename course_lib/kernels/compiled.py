"""Where the compiled kernels come in: whether there are any for some tensors, and the threads that run them.

They are plain Python loops, which Numba compiles; it is an optional package (the extra ``fast``), imported only the
first time on a machine (`machine_code`). A kernel holds no lock of Python, so threads share the images of a batch among
them: as many as `torch.get_num_threads()` says, each a fixed part, and sums over the batch are added up part by part.
So for a given number of threads a result is always the same, bit for bit.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


@cache
def is_installed() -> bool:
    """Whether Numba is there."""
    return find_spec("numba") is not None


def can_run(*tensors: Tensor | None) -> bool:
    """Whether the compiled kernels take these: on a CPU, all float32 or all float64, and not empty."""
    present = [t for t in tensors if t is not None]
    one_type = {t.dtype for t in present} in ({torch.float32}, {torch.float64})
    return one_type and is_installed() and all(t.device.type == "cpu" and t.numel() for t in present)


def shared_among_threads(work: Callable[[int, int], T], images: int) -> list[T]:
    """``work(first, last)`` for the images from first to before last, in parts of nearly one size; results in order."""
    parts = min(torch.get_num_threads(), images)
    borders = [images * part // parts for part in range(parts + 1)]
    others = [_pool().submit(work, *part) for part in list(pairwise(borders))[1:]]
    return [work(*borders[:2]), *(other.result() for other in others)]


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="course_lib")


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_pool.cache_clear)  # a fork takes none of the threads along
