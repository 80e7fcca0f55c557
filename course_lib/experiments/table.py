"""A table of a paper: its rows, what it quotes from others, and what is to be known about its numbers."""

from __future__ import annotations

from dataclasses import dataclass

from course_lib.experiments.row import Quoted, Row


@dataclass(frozen=True)
class Table:
    """``key`` is what one types on the command line; ``note`` is Markdown."""

    key: str
    title: str
    rows: tuple[Row, ...]
    quoted: tuple[Quoted, ...] = ()
    note: str = ""
