"""A table as Markdown: what was printed beside what our networks have, and why they differ."""

import html
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from course_lib.experiments.row import Counts, Printed, Quoted, Row
from course_lib.experiments.tables import find_table

HEADING = ("row", "network", "group, width", "parameters", "printed", "operations", "printed", "test {measure}, %")
EXECUTED, AGGREGATION = "operations as executed", "of aggregation"


def table_markdown(name: str, only: Callable[[Row], bool] | None = None) -> str:
    """A table, such as "rotated-mnist": parameters and operations for one image, ours beside the printed ones.

    "=" marks a count that rounds to the printed one; the others say by how much they are off. Below stand the rules of
    counting and the reasons. ``only`` says which rows; by default all.
    Raises LookupError that names the nearest tables.
    """
    table = find_table(name)
    table = replace(table, rows=tuple(filter(only, table.rows)))
    heading = [*(title.format(measure=table.rows[0].measure) for title in HEADING), EXECUTED, AGGREGATION]
    lines = [line for row in table.rows for line in _row_lines(row)] + list(map(_quoted_line, table.quoted))
    counts, legend = [row.counts() for row in table.rows], _legend(table.rows)
    hidden = {EXECUTED} if all(count.executed == count.macs for count in counts) else set()
    if any(count.aggregation for count in counts):
        legend.append(f"- {AGGREGATION.capitalize()}: what E4 and attention do besides, by formula; not in the others.")
    else:
        hidden.add(AGGREGATION)
    shown = [i for i, title in enumerate(heading) if title not in hidden]
    parts = [
        f"## {table.title}",
        pipe_table([heading[i] for i in shown], ([line[i] for i in shown] for line in lines)),
        "\n".join(legend),
        "\n".join(f"- `{row.key}`: {row.note}" for row in table.rows if row.note),
        table.note,
    ]
    return "\n\n".join(filter(None, parts))


def pipe_table(heading: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [heading, ["---"] * len(heading), *lines])


def plain_text(text: str) -> str:
    """The text as it is, in a cell: what Markdown, HTML or TeX would take for theirs is escaped; in one line."""
    printable = "".join(sign if sign.isprintable() else "?" for sign in " ".join(text.split()))
    one_line = html.escape(printable, quote=False)
    return re.sub(r"[\\`*|~$\[\]]|(?<!\w)_|_(?!\w)", r"\\\g<0>", one_line)


def percent_text(percent: float | None, deviation: float | None = None) -> str:
    """ "2.23 ± 0.061", "8.84", or a dash."""
    if percent is None:
        return "–"
    return f"{percent:.2f}" if deviation is None else f"{percent:.2f} ± {deviation:.3g}"


def operations_text(count: float) -> str:
    """11673860 → "11.67M", 2973108736 → "2.973G"."""
    return f"{count / 1e9:.3f}G" if count >= 1e9 else f"{count / 1e6:.2f}M"


def difference(computed: int, printed: Printed | None) -> str:
    """ "=" if the computed count rounds to the printed one, else by how many percent it is off."""
    if printed is None:
        return ""
    return "=" if printed.agrees_with(computed) else f"{100 * (computed / printed - 1):+.1f} %".replace("-", "−")


def _row_lines(row: Row) -> list[list[str]]:
    width = ", ".join(map(str, row.width)) if isinstance(row.width, tuple) else str(row.width)
    head = [f"`{row.key}`", row.name, f"{row.group}, {width}"]
    lines = [[*head, *_count_cells(row, row.counts(), percent_text(row.percent, row.deviation))]]
    for interpretation, counts in row.other_counts().items():
        lines.append(["", f"… {interpretation}", "", *_count_cells(row, counts, "")])
    return lines


def _count_cells(row: Row, counts: Counts, percent: str) -> list[str]:
    parameters = f"{counts.parameters:,} {difference(counts.parameters, row.parameters)}".strip()
    operations = f"{operations_text(counts.macs)} {difference(counts.macs, row.macs)}".strip()
    printed = [str(value or "–") for value in (row.parameters, row.macs)]
    aggregation = operations_text(counts.aggregation) if counts.aggregation else "–"
    return [parameters, printed[0], operations, printed[1], percent, operations_text(counts.executed), aggregation]


def _quoted_line(quoted: Quoted) -> list[str]:
    name = f"*{quoted.name}*, quoted" + (f", {quoted.data}" if quoted.data else "")
    printed = [str(value or "–") for value in (quoted.parameters, quoted.macs)]
    return ["", name, "", "", printed[0], "", printed[1], percent_text(quoted.percent, quoted.deviation), "", ""]


def _legend(rows: Iterable[Row]) -> list[str]:
    rules = {row.rule.name: row for row in reversed(list(rows))}
    lines = [f"- Operations for one image, {name}: {row.rule.words}." for name, row in reversed(rules.items())]
    return ["- “=”: rounds to the printed count.", *lines]
