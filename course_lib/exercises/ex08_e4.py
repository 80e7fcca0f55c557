"""Exercises 8.1 and 8.2 of notebook 08: concatenation, and the term of E4 for a pair."""

from collections.abc import Callable
from itertools import product
from math import prod

import torch
from torch import Tensor

from course_lib.exercises import Function, compare, register
from course_lib.exercises.explaining import check_shape, compare_parts, explain_axes, same
from course_lib.framework import E4Matrices, e4_term, entry_at, filter_of_matrix
from course_lib.groups import C1, C4, D4, Group, inverse
from course_lib.wallpaper import Isometry

# 8.1 filter_of_matrix


def _filters(f: Function, reference: Function) -> None:
    names = ("output channels", "input channels", "sheets", "rows", "columns")
    explain = explain_axes(*names)
    check_shape(f, reference, torch.arange(48.0).reshape(2, 24), D4, names=names)
    column, patch = (
        "One channel: column a belongs to sheet a.",
        "A patch holds all channels at g, then all channels at g·(0, r), and so on.",
    )
    one_row = torch.arange(1.0, 5).reshape(1, 4)
    compare_parts(f, reference, one_row, C4, explain=explain, because=column)
    compare_parts(f, reference, torch.arange(8.0).reshape(1, 8), C4, explain=explain, because=patch)
    compare_parts(f, reference, torch.arange(48.0).reshape(2, 24), D4, explain=explain)


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
        (
            lambda matrix, group: filter_of_matrix(matrix, group).flip(2),
            "Your sheets run from the last to the first. The first columns belong to the sheet e.",
        ),
        (
            lambda matrix, group: filter_of_matrix(matrix, group).transpose(0, 1),
            "Your input channels come first. The first axis of a filter is that of the output channels: (O, C, …).",
        ),
        (
            lambda matrix, group: filter_of_matrix(matrix, group).expand(-1, -1, -1, 3, 3),
            "You repeat each number in a 3 × 3 window. The patch holds one pixel only, so the filter is 1 × 1.",
        ),
    ],
)

# 8.2 e4_term

HERE, AHEAD, QUARTER = Isometry(0, 0, 0, 0), Isometry(0, 0, 1, 0), Isometry(0, 1, 0, 0)


def _terms(f: Function, reference: Function) -> None:
    one = E4Matrices(torch.tensor([[2.0]]), torch.arange(7.0, 16).reshape(1, 1, 3, 3), torch.tensor([[7.0]]))
    x, y = torch.tensor([3.0]), torch.tensor([5.0])
    rule = "K(x) = W₂[v]·relu(W₁x) = 11 · relu(2 · 3) and V(y) = W₃y = 7 · 5, multiplied."
    compare_parts(f, reference, HERE, x, y, one, explain=_wrong_power, because=rule)
    compare(f, reference, AHEAD, x, y, one, because="One pixel to the right of the middle of W₂.")
    compare(f, reference, HERE, -x, y, one, because="relu comes after W₁.")
    compare(f, reference, Isometry(0, 0, 2, 0), x, y, one, because="Outside of the window the kernel is zero.")
    compare(f, reference, QUARTER, x, y, one, because="Only ĝ = (v, e) are summed over: another sheet gives zero.")
    many = E4Matrices(
        torch.randn(3, 8), torch.randn(2, 3, 3, 3), torch.randn(6, 8)
    )  # three channels in each of two slices
    x, y = torch.randn(8), torch.randn(8)
    for position in (HERE, AHEAD, Isometry(0, 0, -1, 1), QUARTER):
        compare_parts(f, reference, position, x, y, many, explain=lambda *results: _wrong_factor(many, y, *results))


def _wrong_power(expected: Tensor, yours: Tensor) -> str:
    """Which of the five numbers W₁, x, W₂[v], W₃ and y is missing or there twice; they are primes in the first case."""
    if yours.shape != expected.shape:
        return "Multiply entry by entry, K(x) ⊙ V(y): the result has O numbers, also if O = 1."
    names, primes = ("W₁", "x", "W₂[v]", "W₃", "y"), (2, 3, 11, 7, 5)
    for powers in product((1, 0, 2), repeat=5):
        if same(yours, torch.full_like(expected, prod(p**n for p, n in zip(primes, powers, strict=True)))):
            missing = [name for name, n in zip(names, powers, strict=True) if n == 0]
            twice = [name for name, n in zip(names, powers, strict=True) if n == 2]
            parts = (
                f"{what}: {', '.join(which)}." for what, which in (("Missing", missing), ("Twice", twice)) if which
            )
            return f"One of the five factors W₁, x, W₂[v], W₃ and y is wrong in your product. {' '.join(parts)}"
    return ""


def _wrong_factor(matrices: E4Matrices, y: Tensor, expected: Tensor, yours: Tensor) -> str:
    """Which of the two factors of K(x) ⊙ V(y) is wrong, if the other one is right."""
    values = matrices.encoder @ y
    if expected.shape != yours.shape or not expected.any():
        return ""
    kernel = (yours / values).unflatten(0, (len(matrices.kernel), -1))
    if same(kernel, kernel[:, :1].expand_as(kernel)):
        return (
            f"V(y) is right: divided by it, your result has one number for each slice. But these, "
            f"{_numbers(kernel[:, 0])}, are not W₂[v]·relu(W₁x), which is {_numbers((expected / values)[::3])}."
        )
    offered = yours * values / expected
    return (
        f"Divided by the kernel values W₂[v]·relu(W₁x) of its slices, your result is {_numbers(offered)}, but "
        f"V(y) = W₃y is {_numbers(values)}."
    )


def _numbers(vector: Tensor) -> str:
    return ", ".join(f"{number:.2f}" for number in vector.tolist())


def _term(generate: Function, join: Function = torch.mul, relu: bool = False) -> Function:
    """A wrong `e4_term`: generate(x, y, W₁, W₂[v], O) is the kernel, with a number per slice or channel."""

    def wrong(position: Isometry, x: Tensor, y: Tensor, matrices: E4Matrices) -> Tensor:
        values = (matrices.encoder @ y).relu() if relu else matrices.encoder @ y
        kernel = entry_at(matrices.kernel.unsqueeze(2), position._replace(m=0, r=0), C1)
        if position.point_part != HERE.point_part:
            return torch.zeros_like(values)
        return torch.as_tensor(join(generate(x, y, matrices.squeeze, kernel, len(values)), values))

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


def _across(position: Isometry, x: Tensor, y: Tensor, matrices: E4Matrices) -> Tensor:
    return e4_term(position._replace(u=position.v, v=-position.u), x, y, matrices)


def _upside_down(position: Isometry, x: Tensor, y: Tensor, matrices: E4Matrices) -> Tensor:
    return e4_term(position._replace(v=-position.v), x, y, matrices)


def _plain_zero(position: Isometry, x: Tensor, y: Tensor, matrices: E4Matrices) -> Tensor:
    values = e4_term(position, x, y, matrices)
    return values if position.point_part == HERE.point_part else torch.tensor(0.0)


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
            "Your relu comes after W₂. It belongs after W₁: kernels may have negative values.",
        ),
        (
            _term(lambda x, y, w1, w2, n: _in_blocks(w2 @ w1.relu() @ x, n)),
            "You take the relu of the matrix W₁. It is meant for W₁x.",
        ),
        (
            lambda position, x, y, matrices: e4_term(position, y, x, matrices),
            "You have swapped x and y. The kernel comes from x, the patch at g, and V from y, the patch at g̃.",
        ),
        (
            lambda position, x, y, matrices: e4_term(position, x, x, matrices),
            "Your V reads x, the patch at g. It encodes what the neighbor offers: V(y), with the patch at g̃.",
        ),
        (
            _term(lambda x, y, w1, w2, n: _in_blocks(w2 @ (w1 @ x).relu(), n), relu=True),
            "You take the relu of V. The encoder V(y) = W₃y is linear: only the kernel generator has a relu.",
        ),
        (
            _term(lambda x, y, w1, w2, n: _in_blocks(w2 @ (w1 @ x).relu(), n), join=torch.add),
            "You add K and V. They are multiplied, entry by entry: K(x) ⊙ V(y).",
        ),
        (
            _term(lambda x, y, w1, w2, n: w2 @ (w1 @ x).relu(), join=torch.outer),
            "You multiply every kernel value by every entry of V. ⊙ multiplies entry by entry, so the result is (O,).",
        ),
        (_plain_zero, "Elsewhere your term is the number 0. Return O zeros there, as many as V has: `zeros_like`."),
        (_across, "You use u for the row and v for the column. u is the step to the right, so it counts columns."),
        (_upside_down, "You read W₂ upside down. v counts upward, and rows count downward: the row is k // 2 − v."),
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
