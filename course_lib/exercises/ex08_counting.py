"""Exercises 8.5 and 8.6 of notebook 08: what an E4 layer has to learn, and to compute."""

from collections.abc import Callable

from course_lib.counting import e4_macs, e4_weights
from course_lib.exercises import Function, compare, register

SIZES = ((16, 16, 4, 5, 2, 1), (16, 16, 4, 5, 2, 2), (4, 6, 8, 3, 3, 1), (6, 4, 1, 7, 2, 3))


def _weights(f: Function, reference: Function) -> None:
    for sizes in SIZES:
        compare(f, reference, *sizes)


def _weights_by(count: Callable[[int, int, int, int, int, int], int]) -> Function:
    """A wrong count from (C, O, |H|, k², s, r), under the names of the right one."""

    def wrong(c_in: int, c_out: int, order: int, k: int, slices: int, reduction: int) -> int:
        return count(c_in, c_out, order, k**2, slices, reduction)

    return wrong


register(
    "8.5",
    e4_weights,
    minutes=5,
    difficulty=1,
    checks=[_weights],
    hints=[
        "Three matrices, and the numbers in each: rows times columns.",
        "W₁ is (C/r) × (C·|H|), W₂ is (k²·s) × (C/r), W₃ is O × (C·|H|).",
    ],
    known_mistakes=[
        (
            _weights_by(lambda c, n, h, kk, s, r: c * c * h + kk * s * c + n * c * h),
            "You forget the reduction: the hidden layer between W₁ and W₂ has C/r channels.",
        ),
        (
            _weights_by(lambda c, n, h, kk, s, r: n // r * c * h + kk * s * (n // r) + n * c * h),
            "You take the hidden layer from the output. It has C/r channels, with C those of the input: `c_in`.",
        ),
        (
            _weights_by(lambda c, n, h, kk, s, r: c // r * c + kk * s * c // r + n * c),
            "You forget the concatenation: W₁ and W₃ read C·|H| numbers.",
        ),
        (
            _weights_by(lambda c, n, h, kk, s, r: c // r * c * h + kk * s * c // r * h + n * c * h),
            "You count the turned copies of W₂. Only one of the |H| copies is learned.",
        ),
        (
            _weights_by(lambda c, n, h, kk, s, r: c // r * c * h + kk * c // r + n * c * h),
            "W₂ makes one kernel for each of the s slices.",
        ),
        (
            _weights_by(lambda c, n, h, kk, s, r: c // r * c * h + kk * n * c // r + n * c * h),
            "W₂ makes a kernel for each of the s slices, not for each of the O channels.",
        ),
        (
            _weights_by(lambda c, n, h, kk, s, r: c // r * c * h + kk * s * c // r),
            "The encoder is missing: W₃, O × (C·|H|).",
        ),
    ],
)


def _macs(f: Function, reference: Function) -> None:
    for sizes in SIZES:
        compare(f, reference, *sizes, 1, 1, because="On a single pixel.")
        compare(f, reference, *sizes, 14, 12)


def _macs_by(count: Callable[[int, int, int, int], int]) -> Function:
    """A wrong count from (weights, aggregation at one g, |H|, pixels)."""

    def wrong(c_in: int, c_out: int, order: int, k: int, slices: int, reduction: int, height: int, width: int) -> int:
        weights = e4_weights(c_in, c_out, order, k, slices, reduction)
        return count(weights, k**2 * c_out, order, height * width)

    return wrong


def _from_the_input(
    c_in: int, c_out: int, order: int, k: int, slices: int, reduction: int, height: int, width: int
) -> int:
    return order * height * width * (e4_weights(c_in, c_out, order, k, slices, reduction) + k**2 * c_in)


def _per_slice(c_in: int, c_out: int, order: int, k: int, slices: int, reduction: int, height: int, width: int) -> int:
    return order * height * width * (e4_weights(c_in, c_out, order, k, slices, reduction) + k**2 * slices)


register(
    "8.6",
    e4_macs,
    minutes=5,
    difficulty=1,
    checks=[_macs],
    hints=[
        "At one element g: three matrices times a vector. How many products is a matrix times a vector?",
        "Then the sum over v: k² products K·V for each of the O channels. And how many g are there?",
        "`order * height * width * (e4_weights(…) + k**2 * c_out)`.",
    ],
    known_mistakes=[
        (
            _macs_by(lambda weights, aggregation, order, pixels: order * pixels * weights),
            "The aggregation is missing: k² products K ⊙ V for each output channel.",
        ),
        (
            _macs_by(lambda weights, aggregation, order, pixels: pixels * (weights + aggregation)),
            "You count one g for each pixel. There are |H|, one on every sheet.",
        ),
        (
            _macs_by(lambda weights, aggregation, order, pixels: order * weights + order * pixels * aggregation),
            "The matrices are applied at every pixel, too.",
        ),
        (
            _from_the_input,
            "You aggregate the C channels of the input. V has O channels already: k² products for each of those.",
        ),
        (
            _per_slice,
            "You aggregate one channel for each slice. Slices share a kernel, but each of the O channels is summed "
            "by itself.",
        ),
        (
            _macs_by(lambda weights, aggregation, order, pixels: order * pixels * (weights + order * aggregation)),
            "You aggregate over all sheets. In E4 the sum over g̃ stays on the sheet of g.",
        ),
    ],
)
