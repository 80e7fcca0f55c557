"""The exercises of notebook 09, second half: SASA's positions, squeeze-and-excite, the count of parameters."""

import torch
from torch import Tensor

from course_lib.counting import AttentionKind, attention_parameters
from course_lib.exercises import Function, compare, register
from course_lib.layers.asc import factorized_positions
from course_lib.layers.squeeze import LinearMap, excitation


def _positions(f: Function, reference: Function) -> None:
    row, column = torch.tensor([[[1.0, 2.0, 3.0]]]), torch.tensor([[[10.0, 20.0, 30.0]]])
    compare(f, reference, row, column, because="One head of two channels: the first by row, the second by column.")
    compare(f, reference, torch.randn(2, 1, 3), torch.randn(2, 2, 3), because="Two heads, of three channels each.")
    compare(f, reference, torch.randn(3, 2, 5), torch.randn(3, 2, 5))


def _kinds_first(row: Tensor, column: Tensor) -> Tensor:
    k = row.shape[-1]
    rows, columns = row.flatten(0, 1)[..., :, None], column.flatten(0, 1)[..., None, :]
    return torch.cat([rows.expand(-1, k, k), columns.expand(-1, k, k)])


register(
    "9.4",
    factorized_positions,
    minutes=8,
    difficulty=2,
    checks=[_positions],
    hints=[
        "A table that depends on the row alone has equal entries in each row: put an axis of length 1 behind, "
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
            "The channels stand in the wrong order: in each head those by row come first.",
        ),
        (
            _kinds_first,
            "You put the row channels of *all* heads in front. Each head has both kinds: join along axis 1.",
        ),
        (
            lambda row, column: (row[..., :, None] + column[..., None, :]).flatten(0, 1),
            "You add row and column. Each channel depends on one of them: join them along the channels.",
        ),
    ],
)


# A message shows these functions by their names: hence `identity`, and no lambda.


def identity(z: Tensor) -> Tensor:
    return z


def _linear(inputs: int, outputs: int) -> LinearMap:
    weight, bias = torch.randn(outputs, inputs), torch.randn(outputs)

    def linear(z: Tensor) -> Tensor:
        return z @ weight.T + bias

    return linear


def _factors(f: Function, reference: Function) -> None:
    x = torch.arange(8.0).reshape(1, 1, 2, 2, 2)
    compare(f, reference, x, identity, identity, because="The mean of 0 … 7 is 3.5, and the factor σ(3.5).")
    compare(f, reference, x - 9, identity, identity, because="A negative mean: relu makes it 0, and σ(0) = 1/2.")
    compare(f, reference, torch.randn(8, 4, 4, 2, 3), _linear(4, 2), _linear(2, 4))


def _other_factors(pool: Function, gate: Function = torch.sigmoid, inner: Function = torch.relu) -> Function:
    """A wrong `excitation`, with another mean, gate or inner function."""
    return lambda x, squeeze, excite: gate(excite(inner(squeeze(pool(x)))))


def _mean(x: Tensor) -> Tensor:
    return x.mean(dim=(2, 3, 4))


register(
    "9.5",
    excitation,
    minutes=6,
    difficulty=1,
    checks=[_factors],
    hints=[
        "The mean over the group is the mean over sheets, rows and columns: one number for each image and channel.",
        "`squeeze` and `excite` are functions: call them. Between them `torch.relu`, at the end `torch.sigmoid`.",
    ],
    known_mistakes=[
        (
            _other_factors(lambda x: x[:, :, 0].mean(dim=(2, 3))),
            "You take the mean of sheet e alone. After a turn other values stand there: average over all sheets.",
        ),
        (_other_factors(lambda x: x.amax(dim=(2, 3, 4))), "You take the maximum. Squeezing is a mean."),
        (_other_factors(lambda x: x.sum(dim=(2, 3, 4))), "You sum and do not divide by |H|·Y·X: take the mean."),
        (_other_factors(_mean, gate=identity), "The sigmoid is missing at the end."),
        (_other_factors(_mean, gate=torch.relu), "The last step is a sigmoid, not a relu: a factor between 0 and 1."),
        (_other_factors(_mean, inner=identity), "The relu between the two layers is missing."),
        (
            lambda x, squeeze, excite: x * excitation(x, squeeze, excite)[..., None, None, None],
            "You return the scaled map. Return the factors themselves, (B, C).",
        ),
    ],
)


def _counts(f: Function, reference: Function) -> None:
    for kind in ("sasa", "simple", "asc"):
        compare(f, reference, kind, 1, 1, 1, because="One channel, one sheet, one pixel.")
        for sizes in ((16, 1, 5), (8, 4, 5), (6, 8, 3)):
            compare(f, reference, kind, *sizes)


def _other_count(change: Function) -> Function:
    """A wrong `attention_parameters`, off by change(kind, c, |H|, k)."""

    def wrong(kind: AttentionKind, channels: int, order: int, k: int) -> int:
        return attention_parameters(kind, channels, order, k) + int(change(kind, channels, order, k))

    return wrong


def _beta_on_sheets(kind: AttentionKind, channels: int, order: int, k: int) -> int:
    """What is counted too much where each β with a window has |H| sheets."""
    maps_with_window = {"sasa": 0, "simple": 1, "asc": 2}[kind]
    return maps_with_window * (order - 1) * k**2 * channels


BETA_ON_SHEETS = "You give β a table for each sheet. It needs one: only the sum of its sheets counts (section 4)."


register(
    "9.6",
    attention_parameters,
    minutes=10,
    difficulty=2,
    checks=[_counts],
    hints=[
        "A 1×1 group convolution from c to c channels has |H|·c² weights: one for each pair of channels and each sheet "
        "of ψ. W^O has no bias; Q, K and V have one per channel.",
        "ψ has |H|·k² numbers for each channel, β has k², as it only turns. `simple` has one affine map, `asc` has two "
        "with a window, and one for the query with a single place: |H| + 1 numbers for each channel.",
        "`sasa` has 4 matrices, 3 biases and k positions per channel; `simple` 2 matrices (W and W^O), 1 bias, and "
        "(|H| + 1)·k² per channel; `asc` 4 matrices, 3 biases, and (|H| + 1)·(2k² + 1).",
    ],
    known_mistakes=[
        (_other_count(_beta_on_sheets), BETA_ON_SHEETS),
        (
            _other_count(  # and the one of the query
                lambda kind, c, order, k: _beta_on_sheets(kind, c, order, k) + (kind == "asc") * (order - 1) * c
            ),
            BETA_ON_SHEETS,
        ),
        (
            _other_count(lambda kind, c, order, k: (kind == "asc") * (order + 1) * (k**2 - 1) * c),
            "You give ψ^Q and β^Q a whole window. The query is read at its own pixel alone.",
        ),
        (
            _other_count(lambda kind, c, order, k: c),
            "You give W^O a bias. It has none; Q, K and V have one.",
        ),
        (
            _other_count(lambda kind, c, order, k: -order * c**2),
            "You forget W^O, the 1×1 convolution that mixes the heads.",
        ),
        (
            _other_count(lambda kind, c, order, k: -(1 if kind == "simple" else 3) * c),
            "You forget the biases of the 1×1 convolutions.",
        ),
        (
            _other_count(lambda kind, c, order, k: -(order - 1) * (2 if kind == "simple" else 4) * c**2),
            "Your matrices are those of Z². A 1×1 group convolution has a weight for each sheet: |H|·c².",
        ),
        (
            _other_count(lambda kind, c, order, k: (kind == "sasa") * (k**2 - k) * c),
            "Your positions of SASA are a full table. They are factorized: k numbers per channel, not k².",
        ),
    ],
)
