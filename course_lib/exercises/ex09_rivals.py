"""Exercise 9.5 of notebook 09: the factorized positions of stand-alone self-attention."""

import torch
from torch import Tensor

from course_lib.exercises import Function, compare, register
from course_lib.layers.asc import factorized_positions


def _positions(f: Function, reference: Function) -> None:
    row, column = torch.tensor([[[1.0, 2.0, 3.0]]]), torch.tensor([[[10.0, 20.0, 30.0]]])
    compare(
        f,
        reference,
        row,
        column,
        because="One head with two channels: the first depends on the row, the second on the column.",
    )
    compare(f, reference, torch.randn(2, 1, 3), torch.randn(2, 2, 3), because="Two heads with three channels each.")
    compare(f, reference, torch.randn(3, 2, 5), torch.randn(3, 2, 5))


def _kinds_first(row: Tensor, column: Tensor) -> Tensor:
    k = row.shape[-1]
    rows, columns = row.flatten(0, 1)[..., :, None], column.flatten(0, 1)[..., None, :]
    return torch.cat([rows.expand(-1, k, k), columns.expand(-1, k, k)])


register(
    "9.5",
    factorized_positions,
    minutes=8,
    difficulty=2,
    checks=[_positions],
    hints=[
        "A table that depends only on the row has equal entries in each row: put an axis of length 1 behind, "
        "`row[..., :, None]`, and stretch it with `.expand(-1, -1, k, k)`. For columns, `column[..., None, :]`.",
        "`torch.cat` joins the two along the channels of a head, axis 1. Then `.flatten(0, 1)` joins the heads.",
    ],
    known_mistakes=[
        (
            lambda row, column: factorized_positions(row.flip(-1), column.flip(-1)),
            "The order is reversed: entry i of `row` belongs to row i of the table.",
        ),
        (
            lambda row, column: torch.cat(
                [
                    row[..., None, :].expand(-1, -1, row.shape[-1], -1),
                    column[..., :, None].expand(-1, -1, -1, row.shape[-1]),
                ],
                dim=1,
            ).flatten(0, 1),
            "Rows and columns are swapped: `row[..., i]` fills row i from left to right.",
        ),
        (
            lambda row, column: factorized_positions(column, row).transpose(-1, -2),
            "The channels are in the wrong order: in each head those that depend on the row come first.",
        ),
        (
            lambda row, column: factorized_positions(row, column).unflatten(0, (len(row), -1)),
            "The heads still have an axis of their own. Join it with that of the channels: `.flatten(0, 1)`.",
        ),
        (
            lambda row, column: (row[..., :, None] * column[..., None, :]).flatten(0, 1),
            "You multiply row and column. Each channel depends on only one of them: join them along the channel axis.",
        ),
        (
            _kinds_first,
            "You put the row channels of *all* heads first. Each head has both kinds: join along axis 1.",
        ),
        (
            lambda row, column: (row[..., :, None] + column[..., None, :]).flatten(0, 1),
            "You add row and column. Each channel depends on only one of them: join them along the channel axis.",
        ),
        (
            lambda row, column: (
                factorized_positions(row, column).unflatten(0, (len(row), -1)).transpose(0, 1).flatten(0, 1)
            ),
            "The heads vary fastest in your result. All channels of one head come first, then those of the next.",
        ),
        (
            lambda row, column: torch.cat(
                [table[..., None].expand(-1, -1, -1, row.shape[-1]) for table in (row, column)], dim=1
            ).flatten(0, 1),
            "Both kinds of channels depend on the row. Entry i of `column` fills column i: `column[..., None, :]`.",
        ),
    ],
)
