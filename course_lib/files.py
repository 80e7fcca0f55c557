"""Files that are whole or absent."""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from course_lib.errors import BadValue


def write_json(path: Path | str, data: Any) -> None:
    """Write data as JSON; whoever reads at the same time sees the old file or the new one, never half of it."""
    write_whole(path, (json.dumps(data, indent=1) + "\n").encode())


def write_whole(path: Path | str, content: bytes) -> None:
    """Write a file under another name, push it to the disk, then give it its name: a crash leaves the old file.

    Raises OSError with the path and the way out if it cannot be written, for example because the disk is full.
    """
    path = Path(path)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except OSError as error:
        kept = "the file as it was before is kept" if path.exists() else "no part of it is left"
        message = f"cannot write {len(content) / 1e6:.1f} MB ({error.strerror}); {kept}. Make room or free the way, "
        raise OSError(error.errno, message + "then run the same command again", str(path)) from error
    finally:
        with suppress(OSError):  # gone already if all went well
            unfinished.unlink()


def refuse_pipe(path: Path | str) -> None:
    """Raise BadValue for a named pipe, which whoever opens it would wait for without end."""
    if Path(path).is_fifo():
        raise BadValue(f"{path} is a named pipe (FIFO) where a file is expected; remove it")
