"""A learner's progress: one small JSON file, kept outside the course's folder so that an update cannot lose it."""

from __future__ import annotations

import datetime
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

STATUSES = ("todo", "not yet", "done")
LOCK_SECONDS = 10.0


@dataclass(frozen=True)
class Entry:
    """How an exercise stands: status is 'todo', 'not yet' or 'done'; ``done_on`` is the day of the first success."""

    status: str = "todo"
    attempts: int = 0
    done_on: str | None = None

    def after(self, passed: bool) -> Entry:
        """The entry after one more attempt. What was done once stays done."""
        if self.status == "done":
            return self
        if passed:
            return Entry("done", self.attempts + 1, datetime.date.today().isoformat())
        return Entry("not yet", self.attempts + 1)


def progress_file() -> Path:
    """``progress.json`` in $COURSE_HOME, or in ~/.equivariance-from-scratch."""
    home = os.environ.get("COURSE_HOME")
    return (Path(home) if home else Path.home() / ".equivariance-from-scratch") / "progress.json"


def load() -> dict[str, Entry]:
    """All entries by the name of the exercise; none, and a line for the reader, if the file cannot be read."""
    try:
        return _read(progress_file())
    except (OSError, RuntimeError) as error:
        print(f"Your progress could not be read: {error}")
    return {}


def _read(path: Path) -> dict[str, Entry]:
    """All entries. What is odd in one costs that one; an unreadable file is set aside, and the reader is told."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8-sig"))  # some editors put a byte order mark in front
        entries = {name: _entry(fields) for name, fields in stored.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError, RecursionError):  # no JSON, or JSON of another form
        _set_aside(path)
        return {}
    return {name: entry for name, entry in entries.items() if entry}


def _entry(fields: Any) -> Entry | None:
    """What can be understood of an entry: other fields, or another kind of value, may come from a newer course."""
    if not isinstance(fields, dict) or fields.get("status") not in STATUSES:
        return None
    attempts, done_on = fields.get("attempts"), fields.get("done_on")
    return Entry(
        fields["status"],
        attempts if type(attempts) is int and attempts >= 0 else 0,
        done_on if isinstance(done_on, str) else None,
    )


def _set_aside(path: Path) -> None:
    names = (path.with_name(f"{path.stem}.damaged{i}.json") for i in count(1))
    aside = next(name for name in names if not name.exists())
    os.replace(path, aside)
    print(f"Your progress could not be read and starts anew; the old file is now {aside}.")


def save_attempt(name: str, passed: bool) -> None:
    """Count one attempt at an exercise. Where nothing can be written, say so and go on."""
    _change(lambda entries: entries | {name: entries.get(name, Entry()).after(passed)})


def forget(name: str) -> None:
    """Reset one exercise, as if it had never been tried. Where nothing can be written, say so and go on."""
    _change(lambda entries: {key: entry for key, entry in entries.items() if key != name})


def _change(change: Callable[[dict[str, Entry]], dict[str, Entry]]) -> None:
    try:
        path = progress_file()
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock"), timeout=LOCK_SECONDS):
            # read again, as another notebook may have written; not by `load`, as what it cannot read would be lost
            entries = change(_read(path))
            _replace(path, json.dumps({key: asdict(entry) for key, entry in sorted(entries.items())}, indent=1))
    except Timeout:
        print(
            "Your progress could not be saved: another notebook is writing it, and does not finish. Restart its kernel."
        )
    except (OSError, RuntimeError) as error:
        print(f"Your progress could not be saved: {error}. Set COURSE_HOME to a folder that you may write to.")


def _replace(path: Path, text: str) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)
    except BaseException:  # a full disk, or the stop button
        os.unlink(temporary)
        raise
