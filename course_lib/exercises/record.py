"""A learner's progress: one small JSON file, kept outside the course's folder so that an update cannot lose it."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

STALE_LOCK_SECONDS = 5.0


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
    """All entries. A damaged file is moved aside, and the reader is told; one that cannot be read is an OSError."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return {name: Entry(**fields) for name, fields in stored.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError):  # no JSON, or JSON of another form
        aside = path.with_suffix(".damaged.json")
        with contextlib.suppress(OSError):
            os.replace(path, aside)
        print(f"Your progress could not be read and starts anew; the old file is now {aside}.")
    return {}


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
        with _locked(path.with_suffix(".lock")):
            # read again, as another notebook may have written; not by `load`, as what it cannot read would be lost
            entries = change(_read(path))
            _replace(path, json.dumps({key: asdict(entry) for key, entry in sorted(entries.items())}, indent=1))
    except (OSError, RuntimeError) as error:
        print(f"Your progress could not be saved: {error}. Set COURSE_HOME to a folder that you may write to.")


def _replace(path: Path, text: str) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(temporary, path)


@contextlib.contextmanager
def _locked(lock: Path) -> Iterator[None]:
    """Only one kernel at a time. A lock older than a few seconds was left by a kernel that died."""
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL))
            break
        except FileExistsError:
            with contextlib.suppress(FileNotFoundError):
                if time.time() - lock.stat().st_mtime > STALE_LOCK_SECONDS:
                    lock.unlink()
            time.sleep(0.01)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
