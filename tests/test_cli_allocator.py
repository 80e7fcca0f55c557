"""Memory that was freed is handed out again without going back to the system."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, resource, sys
from course_lib.cli.process import keep_freed_memory

if sys.argv[1] == "keep":
    keep_freed_memory()
libc, size = ctypes.CDLL(None), 64 << 20
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]

def use():
    block = libc.malloc(ctypes.c_size_t(size))
    ctypes.memset(block, 1, size)
    libc.free(block)

use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
use()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left as they are")
def test_a_second_block_needs_no_new_pages():
    faults = {
        mode: int(
            subprocess.run([sys.executable, "-c", PROGRAM, mode], capture_output=True, text=True, check=True).stdout
        )
        for mode in ("keep", "leave")
    }
    assert faults["keep"] < 100 < faults["leave"]


def test_elsewhere_nothing_is_done(monkeypatch):
    from course_lib.cli import process

    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr(process.ctypes, "CDLL", lambda name: pytest.fail("no C library was to be opened"))
    process.keep_freed_memory()
