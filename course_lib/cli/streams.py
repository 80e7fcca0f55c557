"""Standard output and standard error that take every character, that may be closed, and whose reader may leave."""

from __future__ import annotations

import codecs
import os
import sys
import unicodedata
from contextlib import suppress
from io import TextIOWrapper

_PLAIN = {
    **{"−": "-", "–": "-", "×": "x", "±": "+/-", "≥": ">=", "≤": "<=", "→": "->", "√": "sqrt", "°": " degrees"},
    **{"…": "...", "·": "*", "“": '"', "”": '"', "⋊": "x|"},
}


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
