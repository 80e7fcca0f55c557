"""All tables by name, and how to find a row in them."""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches

from course_lib.experiments import asc, cifar, e4, e4_cifar, rotated_mnist
from course_lib.experiments.row import Row
from course_lib.experiments.table import Table
from course_lib.groups import Group

TABLES: dict[str, Table] = {module.TABLE.key: module.TABLE for module in (rotated_mnist, cifar, e4, e4_cifar, asc)}


def find_table(key: str) -> Table:
    """The table with this key, such as "rotated-mnist". Raises LookupError that names the nearest ones."""
    if key not in TABLES:
        raise LookupError(f"no table {key!r}{_did_you_mean(key, list(TABLES))}")
    return TABLES[key]


def find(key: str) -> Row:
    """The row with this key, such as "gc-p4cnn". Raises LookupError that names the nearest keys."""
    rows = {row.key: row for table in TABLES.values() for row in table.rows}
    if key not in rows:
        raise LookupError(f"no row {key!r}{_did_you_mean(key, list(rows))}")
    return rows[key]


def variant(architecture: str, layer: str = "full", group: Group | None = None, width: int | None = None) -> Row:
    """A row that stands in no table: the first with this architecture and layer, with another group or width.

    Its published figures are left out. Raises LookupError that names what there is.
    """
    rows = [row for table in TABLES.values() for row in table.rows]
    kinds = {f"{row.architecture}, {row.layer}": row for row in reversed(rows)}
    wanted = f"{architecture}, {layer}"
    if wanted not in kinds:
        raise LookupError(f"no architecture and layer {wanted!r}{_did_you_mean(wanted, list(kinds))}")
    row = kinds[wanted]
    group, channels = group or row.group, width or row.width
    key = f"{architecture}-{layer}-{group}-{channels}"
    unpublished = replace(row, parameters=None, macs=None, figure=None, deviation=None, others=(), note="", source="")
    return replace(unpublished, key=key, name=key, group=group, width=channels)


def _did_you_mean(word: str, known: list[str]) -> str:
    near = get_close_matches(word, known, n=3, cutoff=0.4)
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else f"; there are {', '.join(known)}"
