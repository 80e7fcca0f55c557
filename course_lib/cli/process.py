"""The process itself: streams that take every character, may be closed, or lose their reader; memory that is kept."""

import codecs
import ctypes
import os
import platform
import sys
import unicodedata
from contextlib import suppress
from io import TextIOWrapper

_PLAIN = {
    **{"−": "-", "–": "-", "×": "x", "±": "+/-", "≥": ">=", "≤": "<=", "→": "->", "√": "sqrt", "°": " degrees"},
    **{"…": "...", "·": "*", "“": '"', "”": '"', "⋊": "x|"},
}
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # parameters of mallopt(3)
_NEVER = 2**31 - 1


def prepare_streams() -> None:
    """Replace closed streams, and write what an encoding such as cp1252 lacks in ASCII: "−3 %" becomes "-3 %"."""
    codecs.register_error("plain", _plain)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the caller, as in `2>&-`
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
        if isinstance(stream := getattr(sys, name), TextIOWrapper):
            stream.reconfigure(errors="plain")


def flush_output() -> None:
    """Write what waits for standard output. Raises OSError if that fails, and what waits is lost: else Python, too,
    would try at its end, and complain of it in its own words."""
    try:
        sys.stdout.flush()
    except OSError:
        with suppress(OSError), open(os.devnull, "w", encoding="utf-8") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        raise


def _plain(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    return "".join(map(_in_ascii, error.object[error.start : error.end])), error.end


def _in_ascii(sign: str) -> str:
    """ "−" → "-", "²" → "2", "α" → "alpha"; what has no such form becomes "?"."""
    if sign in _PLAIN:
        return _PLAIN[sign]
    if alike := unicodedata.normalize("NFKD", sign).encode("ascii", "ignore").decode():
        return alike
    *kind, letter = unicodedata.name(sign, "").split() or [""]
    return letter.lower() if kind[:1] == ["GREEK"] else "?"


def keep_freed_memory() -> None:
    """Let the C library keep memory that was freed for the next tensor: on Linux with glibc; elsewhere nothing is done.

    It gives blocks of 32 MB and more back to the system when they are freed, and gets them page by page, zeroed, when a
    training step asks for them again. The numbers stay the same; gc-P4CNN with 30 channels took two thirds of the time.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(_MMAP_MAX, 0)
        libc.mallopt(_TRIM_THRESHOLD, _NEVER)
