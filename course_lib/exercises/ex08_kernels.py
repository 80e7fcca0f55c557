"""Exercises 8.3 and 8.4 of notebook 08: the generated kernels, and their sum over the neighbors."""

import torch
from torch import Tensor, nn

from course_lib.exercises import Function, compare, register
from course_lib.exercises.explaining import check_shape, compare_parts, explain_axes
from course_lib.kernels import generate_kernels, unfold_and_sum
from course_lib.layers import neighborhoods

# 8.3 generate_kernels


GENERATED = ("images", "slices", "sheets", "places", "rows of pixels", "columns of pixels")


def _generated(f: Function, reference: Function) -> None:
    check_shape(
        f, reference, torch.ones(5, 3, 4, 2, 6), torch.ones(2, 4, 3, 3, 3), torch.ones(2, 4, 3, 3), names=GENERATED
    )
    hidden = torch.tensor([1.0, 10.0]).reshape(1, 1, 2, 1, 1)
    weight, bias = torch.tensor([1.0, 2.0]).reshape(1, 2, 1, 1, 1), torch.tensor([0.5, 0.0]).reshape(1, 2, 1, 1)
    explain, because = explain_axes(*GENERATED), "Two sheets, k = 1: 1·1 + 0.5 and 2·10 + 0."
    compare_parts(f, reference, hidden, weight, bias, explain=explain, because=because)
    row_by_row = torch.arange(9.0).reshape(1, 1, 1, 3, 3)
    one, none, because = torch.ones(1, 1, 1, 1, 2), torch.zeros(1, 1, 3, 3), "The k² places run row by row."
    compare_parts(f, reference, one, row_by_row, none, explain=explain, because=because)
    hidden, weight, bias = torch.randn(2, 3, 4, 2, 3), torch.randn(2, 4, 3, 3, 3), torch.randn(2, 4, 3, 3)
    compare_parts(f, reference, hidden, weight, 0 * bias, explain=explain, because="Here the bias is zero.")
    compare_parts(f, reference, hidden, weight, bias, explain=explain, because="With bias zero, yours was right.")


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
            _by("bmhyx,sgmi->bshiyx"),
            "You sum the bank over the sheets. Each h uses its own, turned copy of W₂: `weight[:, h]`.",
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
        (
            lambda hidden, weight, bias: generate_kernels(hidden, weight, bias).transpose(1, 2),
            "Your sheets come before the slices. The result is (B, s, |H|, k², Y, X).",
        ),
        (
            lambda hidden, weight, bias: generate_kernels(hidden, weight, bias).unflatten(3, weight.shape[-2:]),
            "The places still have two axes, k and k. Join them into one of length k²: `.flatten(3, 4)`.",
        ),
        (
            lambda hidden, weight, bias: generate_kernels(hidden, weight, bias).movedim(3, -1),
            "The places come last. They belong in front of the pixels: (B, s, |H|, k², Y, X).",
        ),
        (
            lambda hidden, weight, bias: generate_kernels(hidden, weight.flip(1), bias.flip(1)),
            "Sheet h does not use its own copy: yours run from the last sheet to the first. Take `weight[:, h]`.",
        ),
        (
            lambda hidden, weight, bias: generate_kernels(hidden, weight, bias).softmax(dim=3),
            "You take a softmax over the places, as attention does. The kernels of E4 are W₂z + b₂, as they are.",
        ),
    ],
)

# 8.4 unfold_and_sum


SUMMED = ("images", "channels", "sheets", "rows", "columns")


def _sums(f: Function, reference: Function) -> None:
    check_shape(f, reference, torch.ones(2, 2, 4, 9, 3, 4), torch.ones(2, 6, 4, 3, 4), names=SUMMED)
    row = torch.tensor([1.0, 2.0, 3.0]).reshape(1, 1, 1, 1, 3)
    left = torch.zeros(1, 1, 1, 9, 1, 3)
    left[:, :, :, 3] = 1
    compare(f, reference, left, row, because="Place 3 of 9 is the left neighbor, and outside of the map V is zero.")
    column = torch.tensor([1.0, 2.0, 3.0]).reshape(1, 1, 1, 3, 1)
    above = torch.zeros(1, 1, 1, 9, 3, 1)
    above[:, :, :, 1] = 1
    compare(f, reference, above, column, because="Place 1 of 9 is the neighbor above: the places run row by row.")
    two = torch.tensor([1.0, 10.0]).reshape(1, 2, 1, 1, 1, 1)
    explain, because = explain_axes(*SUMMED), "Four channels, two slices, k = 1."
    compare_parts(f, reference, two, torch.ones(1, 4, 1, 1, 1), explain=explain, because=because)
    compare_parts(f, reference, torch.randn(2, 2, 4, 9, 3, 4), torch.randn(2, 6, 4, 3, 4), explain=explain)
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


def _repeated_border(kernels: Tensor, values: Tensor) -> Tensor:
    """Outside of the map V is not zero, but what it is at the border."""
    reach = round(kernels.shape[3] ** 0.5) // 2
    wide = nn.functional.pad(values.flatten(1, 2), [reach] * 4, mode="replicate").unflatten(1, values.shape[1:3])
    inner = unfold_and_sum(nn.functional.pad(kernels, [reach] * 4), wide)
    height, width = values.shape[-2:]
    return inner[..., reach : reach + height, reach : reach + width]


def _broadcast(kernels: Tensor, values: Tensor) -> Tensor:
    """Multiply without giving each channel its kernel: this stops where numbers of kernels and channels differ."""
    return (kernels * neighborhoods(values, round(kernels.shape[3] ** 0.5))).sum(dim=3)


def _wide_windows(kernels: Tensor, values: Tensor) -> Tensor:
    per_channel = kernels.repeat_interleave(values.shape[1] // kernels.shape[1], dim=1)
    return (per_channel * neighborhoods(values, kernels.shape[3])).sum(dim=3)


def _one_place(place: int) -> Function:
    def wrong(kernels: Tensor, values: Tensor) -> Tensor:
        alone = torch.zeros_like(kernels)
        alone[:, :, :, place] = kernels[:, :, :, place]
        return unfold_and_sum(alone, values)

    return wrong


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
    known_mistakes=[
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
        (
            lambda kernels, values: unfold_and_sum(kernels.sum(dim=1, keepdim=True), values),
            "You add up the kernels of all slices. Each channel uses one of them, that of its own slice.",
        ),
        (
            lambda kernels, values: unfold_and_sum(kernels[:, :1], values),
            "All channels use the kernel of the first slice. Channel c has the kernel c // (O/s).",
        ),
        (
            lambda kernels, values: unfold_and_sum(kernels, values).unflatten(1, (kernels.shape[1], -1)),
            "The channels are still split into s slices. Join the two axes again: `.flatten(1, 2)`.",
        ),
        (
            lambda kernels, values: unfold_and_sum(kernels.softmax(dim=3), values),
            "You take a softmax of the kernels, as attention does. E4 uses the values as they were written.",
        ),
        (_repeated_border, "You continue the map beyond its border. Outside of the map V is zero."),
        (
            lambda kernels, values: _broadcast(kernels.repeat_interleave(kernels.shape[1], dim=1), values),
            "You repeat each kernel s times. A slice has O/s channels, so repeat it O/s times.",
        ),
        (
            _broadcast,
            "There are s kernels and O channels. Give each kernel to the O/s channels of its slice.",
        ),
        (_wide_windows, "`neighborhoods` takes k, the side of the window; the length of the axis of places is k²."),
    ],
)
