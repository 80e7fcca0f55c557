"""What the words of a command line may be, and an argparse that names what was probably meant.

It imports no torch, so that ``--help`` need not wait for it.
"""

import argparse
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from course_lib.spelling import did_you_mean

MOST = 1_000_000  # of epochs, seeds, images and the like: more is a slip, and some would never end


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that names the near misses of an unknown command or option, and takes whole words only."""

    def __init__(self, **options: Any) -> None:  # else --seed would be --seeds to a table
        super().__init__(**options, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        if match := re.match(r"unrecognized arguments: (\S+)|.*invalid choice: '(.*?)'", message):
            typed = match[1] or match[2]
            message += did_you_mean(typed, set(self._known_words()) - {typed})
        for action in self._actions:
            if action.required and action.help and message.endswith(f"required: {action.metavar}"):
                message += f" ({action.help})"
        super().error(message)

    def _known_words(self) -> list[str]:
        words = list(self._option_string_actions)
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                words += [
                    *action.choices,
                    *(word for parser in action.choices.values() for word in parser._known_words()),
                ]
        return words


def word(text: str) -> str:
    """A name; an empty one mostly comes from a variable of the shell that is not set."""
    if not text.strip() or "\0" in text:
        raise argparse.ArgumentTypeError(f"{text!r} is not a name")
    return text


def path(text: str) -> Path:
    """A path, in which ``~`` is the home folder also where the shell has not seen to it, as in ``--results=~/x``."""
    try:
        return Path(word(text)).expanduser()
    except (RuntimeError, argparse.ArgumentTypeError) as error:  # RuntimeError: there is no such user
        raise argparse.ArgumentTypeError(f"{text!r} is not a path") from error


def whole(least: int, most: int = MOST) -> Callable[[str], int]:
    """A whole number in these bounds, in digits."""

    def number(text: str) -> int:
        if not re.fullmatch("[0-9]+", text) or int(text[:30]) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {least}")
        if int(text[:30]) > most:
            raise argparse.ArgumentTypeError(f"{text!r} is too large; at most {most} makes sense")
        return int(text)

    return number


def duration(text: str) -> float:
    """Seconds of "90s", "25m", "1h30m" or "2h"."""
    match = re.fullmatch(r"(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s)?", text)
    if not text or not match:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration; write 90s, 25m or 1h30m")
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return 3600 * hours + 60 * minutes + seconds


def positive(text: str) -> float:
    """A positive number, in decimals or not."""
    if not 0 < (value := _number(text)) < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return value


def fraction(text: str) -> float:
    """A number from 0 to 1, with the GPU in mind that it is a part of."""
    if not 0 <= (value := _number(text)) <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a part of a GPU; write a number from 0 to 1, such as 0.25")
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
