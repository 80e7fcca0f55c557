"""Where a result comes from: code, versions, hardware."""

from __future__ import annotations

import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from course_lib.training.devices import device_name
from course_lib.training.distributed import processes

_PACKAGE = Path(__file__).resolve().parents[1]


def provenance(device: torch.device) -> dict[str, Any]:
    """Commit, versions and hardware of this process, now. Outside a git checkout the commit is None."""
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        **_code(),
        "versions": {
            "python": platform.python_version(),
            "torch": str(torch.__version__),
            "numpy": np.__version__,
            "cuda": torch.version.cuda if device.type == "cuda" else None,
            "cudnn": torch.backends.cudnn.version() if device.type == "cuda" else None,
        },
        "hardware": {
            "device": device_name(device),
            "type": device.type,
            "threads": torch.get_num_threads(),
            "processes": processes(),
            "system": platform.platform(),
        },
    }


def _code() -> dict[str, Any]:
    """The commit of course_lib, and its files that differ from it; None for a copy in another project's checkout."""
    if _git("ls-files", "--error-unmatch", "__init__.py") is None:
        return {"commit": None, "uncommitted_changes": None}
    commit = _git("rev-parse", "HEAD")
    changed = _git("status", "--porcelain", "--", ".")
    return {"commit": commit, "uncommitted_changes": None if changed is None else changed.splitlines()}


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=_PACKAGE, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):  # no git, or no checkout
        return None
    return done.stdout.rstrip()
