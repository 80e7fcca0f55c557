"""The scoreboard of notebook 11's last exercise: one small file beside the learner's progress."""

import json
from dataclasses import asdict, dataclass

from filelock import FileLock

from course_lib.exercises.record import LOCK_SECONDS, progress_file
from course_lib.experiments.markdown import pipe_table, plain_text
from course_lib.files import write_json

LONGEST = 20  # entries that are kept


@dataclass(frozen=True)
class Score:
    """A trained network: its test error in percent, its parameters, and for how many seconds it was trained."""

    network: str
    error: float
    parameters: int
    seconds: float


def enter(score: Score) -> None:
    """Add a score to the file; the best `LONGEST` are kept. Raises OSError if it cannot be written."""
    path = progress_file().with_name("scoreboard.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock"), timeout=LOCK_SECONDS):
        best = sorted([*scores(), score], key=lambda entry: entry.error)[:LONGEST]
        write_json(path, [asdict(entry) for entry in best])


def scores() -> list[Score]:
    """What was entered so far, the best first. A file that cannot be read is named in a ValueError; remove it then."""
    path = progress_file().with_name("scoreboard.json")
    if not path.exists():
        return []
    try:
        return [Score(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))]
    except (TypeError, ValueError) as error:
        raise ValueError(f"the scoreboard {path} cannot be read ({error}); remove it to start a new one") from error


def scoreboard(*rivals: Score) -> str:
    """A Markdown table of all scores, the best first, with rivals to compare with, set in italics."""
    entries = [(score, f"*{plain_text(score.network)}*") for score in rivals]
    entries += [(score, f"**{plain_text(score.network)}**") for score in scores()]
    lines = [
        [name, f"{score.error:.2f}", f"{score.parameters:,}", f"{score.seconds / 60:.1f}"]
        for score, name in sorted(entries, key=lambda entry: entry[0].error)
    ]
    return pipe_table(("network", "test error, in %", "parameters", "minutes of training"), lines)
