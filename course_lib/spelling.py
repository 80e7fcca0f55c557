"""What was probably meant by a word that nothing is called."""

import re
from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(typed: str, known: Iterable[str]) -> str:
    """ "; did you mean 'p4cnn' or 'gc-p4cnn'?" for an error message, or "" if no known word is near.

    Capitals, spaces and signs do not matter.
    """
    names = {letters(name): name for name in known}
    near = [names[match] for match in get_close_matches(letters(typed), names, n=3, cutoff=0.5)]
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else ""


def letters(name: str) -> str:
    """The letters and digits of a name, in lower case."""
    return re.sub("[^a-z0-9]", "", name.lower())
