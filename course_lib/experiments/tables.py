"""All tables by name, and how to find a row in them."""

from dataclasses import replace

import torch

from course_lib.errors import BadValue, UnknownName
from course_lib.experiments import asc, cifar, e4, e4_cifar, rivals, rotated_mnist, steerable
from course_lib.experiments.row import Row, Table
from course_lib.groups import Group
from course_lib.spelling import did_you_mean

_MODULES = (rotated_mnist, cifar, e4, e4_cifar, asc, steerable, rivals)
TABLES: dict[str, Table] = {module.TABLE.key: module.TABLE for module in _MODULES}


def find_table(key: str) -> Table:
    """The table with this key, such as "rotated-mnist". Raises LookupError that names the nearest ones."""
    if key not in TABLES:
        raise UnknownName(f"no table {key!r}{_near_or_all(key, list(TABLES))}")
    return TABLES[key]


def find(key: str) -> Row:
    """The row with this key, such as "gc-p4cnn". Raises LookupError that names the nearest keys."""
    rows = {row.key: row for table in TABLES.values() for row in table.rows}
    if key not in rows:
        raise UnknownName(f"no row {key!r}{_near_or_all(key, list(rows))}")
    return rows[key]


def find_architecture(architecture: str, layer: str = "full", group: Group | None = None) -> Row:
    """The row with this architecture and layer whose group has most nearly as many elements; of several the first.

    So the recipe of p4cnn_linear on D4 is that of P4CNN, not the longer one of Z2CNN. Raises LookupError that names
    what there is.
    """
    rows = [row for table in TABLES.values() for row in table.rows]
    wanted = f"{architecture}, {layer}"
    alike = [row for row in rows if f"{row.architecture}, {row.layer}" == wanted]
    if not alike:
        known = list(dict.fromkeys(f"{row.architecture}, {row.layer}" for row in rows))
        raise UnknownName(f"no architecture and layer {wanted!r}{_near_or_all(wanted, known)}")
    return min(alike, key=lambda row: abs(row.group.order - group.order) if group else 0)


def variant(row: Row, group: Group | None = None, width: int | None = None) -> Row:
    """The row on another group or with another width, by the same recipe; the row itself if neither is another.

    Its published numbers are left out, as they are of another network. Raises ValueError if there is no such network,
    for example because the width cannot be divided among heads.
    """
    group, channels = group or row.group, width or row.width
    if (group, channels) == (row.group, row.width):
        return row
    words = (row.key, group.name, *(channels if isinstance(channels, tuple) else (channels,)))
    unpublished = replace(row, parameters=None, macs=None, percent=None, deviation=None, others=(), note="", source="")
    name = f"{row.name} on {group}, width {channels}"
    made = replace(unpublished, key="-".join(map(str, words)), name=name, group=group, width=channels)
    try:
        with torch.device("meta"):  # without its weights, in no time
            made.build()
    except ValueError as error:
        raise BadValue(f"{row.key} on {group}, width {channels}: {error}") from error
    return made


def _near_or_all(word: str, known: list[str]) -> str:
    return did_you_mean(word, known) or f"; there are {', '.join(known)}"
