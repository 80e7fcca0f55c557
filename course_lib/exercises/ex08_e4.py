"""Exercises 8.1 to 8.3 of notebook 08: concatenation, the term of E4 for a pair, and the generated kernels."""

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.exercises import Function, compare, register
from course_lib.framework import E4Matrices, e4_term, entry_at, filter_of_matrix
from course_lib.groups import C1, C4, D4, Group, inverse
from course_lib.kernels import generate_kernels
from course_lib.wallpaper import Isometry

# 8.1 filter_of_matrix


def _filters(f: Function, reference: Function) -> None:
    compare(f, reference, torch.arange(1.0, 5).reshape(1, 4), C4, because="One channel: column a belongs to sheet a.")
    compare(
        f,
        reference,
        torch.arange(8.0).reshape(1, 8),
        C4,
        because="A patch holds all channels at g, then all channels at g·(0, r), and so on.",
    )
    compare(f, reference, torch.arange(48.0).reshape(2, 24), D4)


def _sheet_of_inverse(matrix: Tensor, group: Group) -> Tensor:
    return filter_of_matrix(matrix, group)[:, :, [group.index(inverse(a)) for a in group.elements]]


register(
    "8.1",
    filter_of_matrix,
    minutes=10,
    difficulty=2,
    checks=[_filters],
    hints=[
        "Which sheet of ψ multiplies f at g̃ = g·(0, a)? The one of g⁻¹g̃ = (0, a). So column block a becomes sheet a.",
        "The patch is f(g), then f(g·(0, r)), …: the columns run over the sheets a, and within each over the channels.",
        "`matrix.unflatten(1, (group.order, -1))` is (O, |H|, C). Swap the last two axes; add two axes of length 1.",
    ],
    known_mistakes=[
        (
            lambda matrix, group: matrix.unflatten(1, (-1, group.order))[..., None, None],
            "You read the columns as (channel, sheet). A patch joins whole vectors f(g·(0, a)): sheet by sheet, and in "
            "each all channels.",
        ),
        (
            _sheet_of_inverse,
            "Your sheets stand at a⁻¹. Seen from g, the element g·(0, a) lies at a: columns a are sheet a of ψ.",
        ),
        (
            lambda matrix, group: filter_of_matrix(matrix, group)[..., 0, 0],
            "The two axes of space are missing: a 1 × 1 filter has the shape (O, C, |H|, 1, 1).",
        ),
        (
            lambda matrix, group: filter_of_matrix(matrix, group).transpose(1, 2),
            "Your sheets come before the channels. Swap the two axes: the shape of a filter is (O, C, |H|, 1, 1).",
        ),
        (
            lambda matrix, group: filter_of_matrix(matrix, C4),
            "You cut the columns into 4 sheets, whatever the group. A group has `group.order` of them.",
        ),
    ],
)

# 8.2 e4_term

HERE, AHEAD, QUARTER = Isometry(0, 0, 0, 0), Isometry(0, 0, 1, 0), Isometry(0, 1, 0, 0)


def _terms(f: Function, reference: Function) -> None:
    one = E4Matrices(torch.tensor([[2.0]]), torch.arange(9.0).reshape(1, 1, 3, 3), torch.tensor([[10.0]]))
    x, y = torch.tensor([3.0]), torch.tensor([5.0])
    compare(f, reference, HERE, x, y, one, because="K(x) = W₂[v]·relu(W₁x) and V(y) = W₃y, multiplied.")
    compare(f, reference, AHEAD, x, y, one, because="One pixel to the right of the middle of W₂.")
    compare(f, reference, HERE, -x, y, one, because="relu comes after W₁.")
    compare(f, reference, Isometry(0, 0, 2, 0), x, y, one, because="Outside of the window the kernel is zero.")
    compare(f, reference, QUARTER, x, y, one, because="Only ĝ = (v, e) are summed over: another sheet gives zero.")
    many = E4Matrices(
        torch.randn(3, 8), torch.randn(2, 3, 3, 3), torch.randn(6, 8)
    )  # three channels in each of two slices
    x, y = torch.randn(8), torch.randn(8)
    for position in (HERE, AHEAD, Isometry(0, 0, -1, 1), QUARTER):
        compare(f, reference, position, x, y, many)


def _term(generate: Function, relu: bool = True) -> Function:
    """A wrong `e4_term` with another kernel: generate(x, y, W₁, W₂[v]) gives one number per slice or channel."""

    def wrong(position: Isometry, x: Tensor, y: Tensor, matrices: E4Matrices) -> Tensor:
        values = matrices.encoder @ y
        kernel = entry_at(matrices.kernel.unsqueeze(2), position._replace(m=0, r=0), C1)
        if position.point_part != HERE.point_part:
            return torch.zeros_like(values)
        return torch.as_tensor(generate(x, y, matrices.squeeze, kernel, len(values)) * values)

    return wrong


def _in_blocks(generated: Tensor, channels: int) -> Tensor:
    return generated.repeat_interleave(channels // len(generated))


def _on_every_sheet(position: Isometry, x: Tensor, y: Tensor, matrices: E4Matrices) -> Tensor:
    return e4_term(position._replace(m=0, r=0), x, y, matrices)


def _without_sheets(slices: Callable[[Tensor, E4Matrices], int]) -> Function:
    """A wrong `e4_term` that takes the axis M of W₂ for the sheets; slices(K, matrices) is how it counts them."""

    def wrong(position: Isometry, x: Tensor, y: Tensor, matrices: E4Matrices) -> Tensor:
        values = matrices.encoder @ y
        if position.point_part != HERE.point_part:
            return torch.zeros_like(values)
        generated = entry_at(matrices.kernel, position, C1) @ (matrices.squeeze @ x).relu()
        return generated.repeat_interleave(len(values) // slices(generated, matrices)) * values

    return wrong


def _opposite(position: Isometry, x: Tensor, y: Tensor, matrices: E4Matrices) -> Tensor:
    return e4_term(position._replace(u=-position.u, v=-position.v), x, y, matrices)


def _middle_only(position: Isometry, x: Tensor, y: Tensor, matrices: E4Matrices) -> Tensor:
    values = e4_term(position, x, y, matrices)
    return values if position == HERE else torch.zeros_like(values)


NO_SHEETS = (
    "W₂ is (s, M, k, k) and has no axis of sheets, but `entry_at` takes the third axis from the end for it, here "
    "M. What shape has a table with one sheet?"
)

register(
    "8.2",
    e4_term,
    minutes=12,
    difficulty=2,
    checks=[_terms],
    hints=[
        "Which pairs count? Those with g̃ = g·(v, e). So what is `position.point_part` then?",
        "`entry_at(matrices.kernel.unsqueeze(2), position, C1)` is W₂[v], (s, M): one sheet, so C1. Outside: zero.",
        "K: `entry @ (matrices.squeeze @ x).relu()`, (s,). `repeat_interleave(O // s)` gives each value to its slice.",
    ],
    known_mistakes=[
        (_on_every_sheet, "You sum over the other sheets, too. Unless ĝ = (v, e), the term is zero."),
        (_without_sheets(lambda generated, matrices: len(generated)), NO_SHEETS),
        (_without_sheets(lambda generated, matrices: len(matrices.kernel)), NO_SHEETS),
        (
            _term(lambda x, y, w1, w2, n: (w2 @ (w1 @ x).relu()).repeat(n // len(w2))),
            "You deal the channels out in turn. Here a slice is a block of neighbors: channel c has the kernel "
            "c // (O/s). Use `repeat_interleave`.",
        ),
        (
            _term(lambda x, y, w1, w2, n: _in_blocks(w2 @ (w1 @ y).relu(), n)),
            "You make the kernel from y. It is made by g, which asks: from x, the patch at g.",
        ),
        (_term(lambda x, y, w1, w2, n: _in_blocks(w2 @ (w1 @ x), n)), "The relu is missing, between W₁ and W₂."),
        (
            _term(lambda x, y, w1, w2, n: _in_blocks((w2 @ (w1 @ x)).relu(), n)),
            "The relu stands after W₂. It comes after W₁; kernels may have negative values.",
        ),
        (
            _term(lambda x, y, w1, w2, n: _in_blocks(w2 @ w1.relu() @ x, n)),
            "You take the relu of the matrix W₁. It is meant for W₁x.",
        ),
        (
            lambda position, x, y, matrices: e4_term(position, x, x, matrices),
            "Your V reads x, the patch at g. It encodes what the neighbor offers: V(y), with the patch at g̃.",
        ),
        (_opposite, "You read W₂ at −v. The kernel value of the neighbor at v is W₂[v]."),
        (_middle_only, "Your term is zero except in the middle. All k × k places (v, e) of the window count."),
        (
            _term(lambda x, y, w1, w2, n: w2 @ (w1 @ x).relu()),
            "The kernel has s values and V(y) has O. Repeat each value for the O/s channels of its slice.",
        ),
        (
            _term(lambda x, y, w1, w2, n: (w2 @ (w1 @ x).relu()).repeat_interleave(len(w2))),
            "You repeat each value of the kernel s times. A slice has O/s channels, so repeat it O/s times.",
        ),
    ],
)

# 8.3 generate_kernels


def _generated(f: Function, reference: Function) -> None:
    hidden = torch.tensor([1.0, 10.0]).reshape(1, 1, 2, 1, 1)
    weight, bias = torch.tensor([1.0, 2.0]).reshape(1, 2, 1, 1, 1), torch.tensor([0.5, 0.0]).reshape(1, 2, 1, 1)
    compare(f, reference, hidden, weight, bias, because="Two sheets, k = 1: 1·1 + 0.5 and 2·10 + 0.")
    row_by_row = torch.arange(9.0).reshape(1, 1, 1, 3, 3)
    one = torch.ones(1, 1, 1, 1, 2)
    compare(f, reference, one, row_by_row, torch.zeros(1, 1, 3, 3), because="The k² places run row by row.")
    hidden = torch.randn(2, 3, 4, 2, 3)
    compare(f, reference, hidden, torch.randn(2, 4, 3, 3, 3), torch.randn(2, 4, 3, 3))


def _by(letters: str) -> Function:
    """A wrong `generate_kernels` with another contraction."""

    def wrong(hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return torch.einsum(letters, hidden, weight.flatten(-2)) + bias.flatten(-2)[..., None, None]

    return wrong


register(
    "8.3",
    generate_kernels,
    minutes=10,
    difficulty=2,
    checks=[_generated],
    hints=[
        "At each b, s, h and pixel it is a matrix of k² rows times a vector of length M, plus a bias.",
        "`weight.flatten(-2)` is (s, |H|, M, k²). Name the axes b, m, h, y, x of `hidden` and s, h, m, i of that: "
        "which one is summed over?",
        '`torch.einsum("bmhyx,shmi->bshiyx", …)`; then add `bias.flatten(-2)[..., None, None]`.',
    ],
    known_mistakes=[
        (
            lambda hidden, weight, bias: generate_kernels(hidden, weight, torch.zeros_like(bias)),
            "The bias b₂ is missing.",
        ),
        (
            lambda hidden, weight, bias: generate_kernels(
                hidden, weight[:, :1].expand_as(weight), bias[:, :1].expand_as(bias)
            ),
            "All sheets use the copy of e. Sheet h has its own, turned copy: `weight[:, h]`.",
        ),
        (
            lambda hidden, weight, bias: generate_kernels(hidden, weight.mT, bias.mT),
            "The places run column by column. Flatten the axes (k, k) as they stand: row by row.",
        ),
        (
            lambda hidden, weight, bias: generate_kernels(hidden, weight, bias).relu(),
            "There is a second relu, after W₂. A kernel may have negative values, as an edge filter has.",
        ),
        (
            lambda hidden, weight, bias: generate_kernels(hidden.relu(), weight, bias),
            "You take the relu of `hidden`. That was done after W₁: here W₂ and b₂ are applied to it as it is.",
        ),
        (
            _by("bmgyx,shmi->bshiyx"),
            "You sum the hidden map over the sheets. Each h uses the hidden values of its own sheet.",
        ),
        (
            lambda hidden, weight, bias: generate_kernels(hidden / hidden.shape[1], weight, bias),
            "You take the mean over the M hidden channels. A matrix times a vector sums over them.",
        ),
        (
            lambda hidden, weight, bias: generate_kernels(hidden, weight + bias[:, :, None], torch.zeros_like(bias)),
            "You add the bias to W₂, so that it is multiplied by the hidden values. Add it to the result: W₂z + b₂.",
        ),
        (
            lambda hidden, weight, bias: generate_kernels(hidden, weight.flip(-1, -2), bias.flip(-1, -2)),
            "Your places run backwards, from the lower right to the upper left. Keep the order of the table.",
        ),
    ],
)
