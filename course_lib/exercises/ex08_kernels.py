"""Exercises 8.4 and 8.7 of notebook 08: the sum over the neighbors, by unfolding and by shifting."""

import torch
from torch import Tensor

from course_lib.exercises import Function, compare, register
from course_lib.kernels import shift_and_add, unfold_and_sum


def _sums(f: Function, reference: Function) -> None:
    row = torch.tensor([1.0, 2.0, 3.0]).reshape(1, 1, 1, 1, 3)
    left = torch.zeros(1, 1, 1, 9, 1, 3)
    left[:, :, :, 3] = 1
    compare(f, reference, left, row, because="Place 3 of 9 is the left neighbor, and outside of the map V is zero.")
    column = torch.tensor([1.0, 2.0, 3.0]).reshape(1, 1, 1, 3, 1)
    above = torch.zeros(1, 1, 1, 9, 3, 1)
    above[:, :, :, 1] = 1
    compare(f, reference, above, column, because="Place 1 of 9 is the neighbor above: the places run row by row.")
    two = torch.tensor([1.0, 10.0]).reshape(1, 2, 1, 1, 1, 1)
    compare(f, reference, two, torch.ones(1, 4, 1, 1, 1), because="Four channels, two slices, k = 1.")
    compare(f, reference, torch.randn(2, 2, 4, 9, 3, 4), torch.randn(2, 6, 4, 3, 4))
    compare(f, reference, torch.randn(1, 1, 2, 25, 4, 3), torch.randn(1, 2, 2, 4, 3))


def _deal(kernels: Tensor, values: Tensor) -> Tensor:
    dealt = kernels.repeat(1, values.shape[1] // kernels.shape[1], 1, 1, 1, 1)
    return unfold_and_sum(dealt, values)


def _transposed(kernels: Tensor, values: Tensor) -> Tensor:
    k = round(kernels.shape[3] ** 0.5)
    return unfold_and_sum(kernels.unflatten(3, (k, k)).transpose(3, 4).flatten(3, 4), values)


def _no_border(kernels: Tensor, values: Tensor) -> Tensor:
    """Neighbors from the other side of the map instead of zeros."""
    k = round(kernels.shape[3] ** 0.5)
    steps = [(i // k - k // 2, i % k - k // 2) for i in range(k**2)]
    windows = torch.stack([values.roll((-dy, -dx), dims=(-2, -1)) for dy, dx in steps], dim=3)
    per_channel = kernels.repeat_interleave(values.shape[1] // kernels.shape[1], dim=1)
    return (per_channel * windows).sum(dim=3)


def _kernel_of_the_neighbor(kernels: Tensor, values: Tensor) -> Tensor:
    """K(t + d) V(t + d): at each place the kernel is moved together with the values."""
    places, moved = kernels.shape[3], torch.zeros_like(values)
    for i in range(places):
        only = torch.eye(places)[i].reshape(1, 1, 1, places, 1, 1).to(values).expand_as(kernels)
        weighted = values.unflatten(1, (kernels.shape[1], -1)) * kernels[:, :, None, :, i]
        moved = moved + unfold_and_sum(only, weighted.flatten(1, 2))
    return moved


def _one_place(place: int) -> Function:
    def wrong(kernels: Tensor, values: Tensor) -> Tensor:
        alone = torch.zeros_like(kernels)
        alone[:, :, :, place] = kernels[:, :, :, place]
        return unfold_and_sum(alone, values)

    return wrong


MISTAKES: list[tuple[Function, str]] = [
    (
        _deal,
        "You deal the channels out in turn, c mod s, as the paper writes it. Here a slice is a block of neighbors: "
        "channel c has the kernel c // (O/s).",
    ),
    (
        lambda kernels, values: unfold_and_sum(kernels.flip(3), values),
        "You look the other way, at t − d. The kernel says how much the neighbor at t + d counts.",
    ),
    (_transposed, "The places run column by column. They run row by row: place i is row i // k, column i % k."),
    (
        lambda kernels, values: unfold_and_sum(kernels, values) / kernels.shape[3],
        "You take the mean. Equation 12 sums: nothing divides by the number of neighbors.",
    ),
    (
        lambda kernels, values: unfold_and_sum(kernels.sum(dim=3, keepdim=True), values),
        "You multiply by the pixel itself each time. Each of the k² kernel values belongs to another neighbor.",
    ),
    (
        _no_border,
        "Your neighbors come in again at the opposite border. Outside of the map V is zero: pad before you shift.",
    ),
    (
        _kernel_of_the_neighbor,
        "You use the kernel that the neighbor at t + d wrote. The sum at t uses the kernel of t.",
    ),
    (_one_place(-1), "Only the last place is left. Add up the products of all k² places."),
    (_one_place(0), "Only the first place is there. Add up all k² places before you return."),
    (
        lambda kernels, values: unfold_and_sum(kernels, values).relu(),
        "You take the relu of the sum. The layer ends with the sum itself.",
    ),
]

register(
    "8.4",
    unfold_and_sum,
    minutes=10,
    difficulty=2,
    checks=[_sums],
    hints=[
        "`neighborhoods(values, k)` is (B, O, |H|, k², Y, X), with k the root of `kernels.shape[3]`.",
        "Which kernel belongs to which channel? Cut the channels into s blocks: `.unflatten(1, (s, -1))` gives "
        "(B, s, O/s, |H|, k², Y, X), and `kernels.unsqueeze(2)` fits.",
        "Multiply, `.sum(dim=4)`, and join the first two axes of channels again: `.flatten(1, 2)`.",
    ],
    known_mistakes=MISTAKES,
)

register(
    "8.7",
    shift_and_add,
    minutes=12,
    difficulty=3,
    checks=[_sums],
    hints=[
        "Pad the values once, by k // 2 on all four sides. Then the neighbor number i of *all* pixels is one slice.",
        "Place i is `row, col = divmod(i, k)`, and the slice `padded[..., row : row + Y, col : col + X]`.",
        "`kernels[:, :, None, :, i]` is (B, s, 1, |H|, Y, X): unflatten the channels into (s, O/s), so that it fits.",
    ],
    known_mistakes=MISTAKES,
)
