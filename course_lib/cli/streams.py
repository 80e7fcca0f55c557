"""Standard output and standard error that take every character, that may be closed, and whose reader may leave."""

from __future__ import annotations

import codecs
import os
import sys
from contextlib import suppress
from io import TextIOWrapper

_PLAIN = {"−": "-", "–": "-", "×": "x", "±": "+/-", "≥": ">=", "≤": "<=", "…": "...", "“": '"', "”": '"', "·": "*"}


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
    return "".join(_PLAIN.get(sign, "?") for sign in error.object[error.start : error.end]), error.end
