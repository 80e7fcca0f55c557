"""Exercises 6.5 and 6.6 of notebook 06: what a separable filter misses, and how many weights it has."""

from functools import partial

import torch
from torch import Tensor

from course_lib.counting import Kind, filter_weights
from course_lib.exercises import Function, Mistake, call, compare, register

# 6.5 unseparable_filter

LEAST = 0.7


def missed(psi: Tensor) -> float:
    """The fraction of the squared norm of a filter (1, 1, |H|, k, k) that the nearest filter K·w misses.

    The sheets are the rows of a table, and K·w is a table of rank one. By the singular values σ₁ ≥ σ₂ ≥ … of the table
    the nearest one misses 1 − σ₁² / Σ σᵢ².
    """
    squares = torch.linalg.svdvals(psi.double().flatten(3)[0, 0]) ** 2
    return 1 - (squares[0] / squares.sum()).item()


def unseparable_filter() -> Tensor:
    """A filter on C4, (1, 1, 4, 3, 3), of which even the best K·w misses at least 70 % of the squared norm."""
    psi = torch.zeros(1, 1, 4, 9)
    psi[0, 0, range(4), range(4)] = 1.0  # one weight on each sheet, each at another place
    return psi.unflatten(-1, (3, 3))


def _reason(psi: Tensor) -> str:
    sheets = psi.double().flatten(3)[0, 0]
    squares = torch.linalg.svdvals(sheets) ** 2
    rank = int((squares > 1e-6 * squares[0]).sum())
    if rank == 1:
        return "All its sheets are multiples of one kernel, so a separable layer misses nothing."
    if rank < len(sheets):
        return (
            f"Its four sheets can be mixed from only {rank} patterns. Use four sheets that cannot replace each other."
        )
    products = sheets @ sheets.T
    strengths = products.diagonal().sqrt()
    overlap = (products / strengths / strengths[:, None] - torch.eye(len(sheets))).abs().max()
    if overlap < 0.1:
        return "Its sheets have nothing in common, but one is stronger than the others, and K can imitate that one."
    return "Its sheets overlap: the products of some pairs of sheets, added up over the nine places, are not zero."


def _is_hard_to_separate(f: Function, _reference: Function) -> None:
    psi = call(f)
    if not isinstance(psi, Tensor):
        raise Mistake(f"Your function returned a {type(psi).__name__}, expected a tensor of shape (1, 1, 4, 3, 3).")
    if psi.shape != (1, 1, 4, 3, 3):
        raise Mistake(f"Your filter has shape {tuple(psi.shape)}, expected (1, 1, 4, 3, 3).")
    if not psi.isfinite().all() or not psi.any():
        raise Mistake("All weights must be finite, and not all of them 0.")
    if (share := missed(psi.detach())) < LEAST:
        raise Mistake(
            f"The best separable filter misses {100 * share:.0f} % of yours, and it should miss at least "
            f"{100 * LEAST:.0f} %. {_reason(psi.detach())}"
        )


register(
    "6.5",
    unseparable_filter,
    minutes=8,
    difficulty=2,
    checks=[_is_hard_to_separate],
    hints=[
        "A filter K·w shows one pattern on all sheets, in several strengths. Which four patterns have as little as "
        "possible in common?",
        "Two sheets have nothing in common if their product, added up over all places, is zero: for example, if they "
        "use different pixels. And no sheet should be stronger than the others, or K will imitate that one.",
        "Start from `torch.zeros(1, 1, 4, 3, 3)`, and put a single 1 on each sheet, each at another place. The best "
        "separable filter can imitate only one of the four, so it misses three quarters.",
    ],
)

# 6.6 filter_weights


def _weights(f: Function, reference: Function) -> None:
    for sizes in ((1, 1, 4, 3), (2, 3, 4, 3), (10, 10, 4, 4), (3, 2, 8, 3), (3, 2, 1, 2)):
        for kind in ("full", "g", "gc"):
            compare(f, reference, kind, *sizes, because=partial(_kernels_and_weights, f, reference, kind, sizes[:3]))


def _kernels_and_weights(
    f: Function, reference: Function, kind: str, sizes: tuple[int, ...], _expected: object, yours: object
) -> str:
    """A count is a·k² + b: a kernels of k² numbers, and b weights w beside them."""
    if not isinstance(yours, int):
        return ""
    counts = []
    for count in (f, reference):
        one, two, three = (count(kind, *sizes, k) for k in (1, 2, 3))
        kernels = (two - one) // 3
        if three - one != 8 * kernels or two - one != 3 * kernels:
            return "A k × k kernel has k² weights, so your count should grow with k² when k grows."
        counts.append(f"{kernels}·k² + {one - kernels}")
    return (
        f'For "{kind}" and these channels you count {counts[0]}, expected {counts[1]}: k² for each kernel that is '
        "learned, and the weights w."
    )


def _weights_by(full: Function, g: Function, gc: Function) -> Function:
    """Each from (C, O, |H|, k²)."""

    def count(kind: str, c_in: int, c_out: int, order: int, k: int) -> int:
        return int({"full": full, "g": g, "gc": gc}[kind](c_in, c_out, order, k**2))

    return count


def _full(c: int, n: int, h: int, kk: int) -> int:
    return n * c * h * kk


def _g(c: int, n: int, h: int, kk: int) -> int:
    return n * c * (h + kk)


def _gc(c: int, n: int, h: int, kk: int) -> int:
    return n * (c * h + kk)


def _side_for_area(kind: Kind, c_in: int, c_out: int, order: int, k: int) -> int:
    return {"full": _full, "g": _g, "gc": _gc}[kind](c_in, c_out, order, k)


FORGOTTEN_SHEETS = "You forget the sheets: a filter on the group has |H| of them for each input channel."

register(
    "6.6",
    filter_weights,
    minutes=5,
    difficulty=1,
    checks=[_weights],
    hints=[
        'Count what is *learned*: the numbers in ψ for "full", and the numbers in K and in w for the other two.',
        "w has the shape (O, C, |H|) in both. K has the shape (O, C, k, k) for g, but only (O, 1, k, k) for gc.",
        "g: O·C·|H| + O·C·k². gc: O·C·|H| + O·k².",
    ],
    known_mistakes=[
        (
            lambda kind, c_in, c_out, order, k: filter_weights(kind, c_in, c_out, order, k) * order,
            "You also count the turned copies. Only one of the |H| copies is learned.",
        ),
        (
            _weights_by(_full, lambda c, n, h, kk: n * c * (h * h + kk), lambda c, n, h, kk: n * (c * h * h + kk)),
            "You count w for each output sheet. But these sheets share one w, permuted, so only one is learned.",
        ),
        (
            _weights_by(_full, lambda c, n, h, kk: n * c * (h + h * kk), lambda c, n, h, kk: n * (c * h + h * kk)),
            "You count K for each output sheet. But these sheets share one K, turned, so only one is learned.",
        ),
        (
            _weights_by(_full, lambda c, n, h, kk: h * _g(c, n, h, kk), lambda c, n, h, kk: h * _gc(c, n, h, kk)),
            "You count the output's sheets in g and gc. They share K and w, turned and permuted, so one copy is "
            "learned.",
        ),
        (_weights_by(_full, _full, _full), "K and w are learned, not their product, so add their numbers."),
        (_weights_by(_full, _gc, _g), "g and gc are swapped: gc shares the kernel over the input channels as well."),
        (
            lambda kind, c_in, c_out, order, k: filter_weights(kind, c_in, c_out, order, k) + c_out,
            "You count the bias, too. Only the weights are asked for.",
        ),
        (
            _weights_by(_full, lambda c, n, h, kk: n * c * h + kk, _gc),
            "In g each pair of channels (n, c) has a kernel: O·C·k² weights.",
        ),
        (
            _weights_by(_full, _g, lambda c, n, h, kk: n * c * h + c * kk),
            "In gc the kernels belong to the *output* channels: O·k² weights, not C·k².",
        ),
        (
            _weights_by(_full, _g, lambda c, n, h, kk: n * (c + h + kk)),
            "In gc there is a weight w for each pair of a channel *and* a sheet: multiply C and |H|, instead of "
            "adding them.",
        ),
        (
            lambda kind, c_in, c_out, order, k: c_in * c_out * k**2,
            "That is an ordinary convolution, whatever the kind. A filter on the group has |H| sheets.",
        ),
        (
            _weights_by(_full, lambda c, n, h, kk: n * c * h + c * kk, _gc),
            "In g each pair of channels (n, c) has a kernel: O·C·k² weights.",
        ),
        (
            _weights_by(_full, lambda c, n, h, kk: n * c * h * kk, lambda c, n, h, kk: n * h * kk),
            "K and w are learned, not their product, so add their numbers.",
        ),
        (
            _weights_by(lambda c, n, h, kk: n * c * h * h * kk, _g, _gc),
            "You count the turned copies of the full filters. Only one of the |H| copies is learned.",
        ),
        (
            _weights_by(_full, lambda c, n, h, kk: c * h + n * c * kk, _gc),
            "In g there is a weight w for each output channel, input channel and sheet: O·C·|H|.",
        ),
        (
            _weights_by(_full, lambda c, n, h, kk: n * c * h + n * h * kk, _gc),
            "In g the sheets share a kernel, and the channels do not: each pair (n, c) has one, which makes O·C·k².",
        ),
        (_side_for_area, "A k × k kernel has k² weights, not k."),
        (
            _weights_by(_full, _g, lambda c, n, h, kk: n * c * h + kk),
            "In gc each *output* channel n still has its own kernel: O·k² weights.",
        ),
        (
            _weights_by(_full, lambda c, n, h, kk: n * c * h + n * kk, _gc),
            "In g each pair of channels (n, c) has a kernel: O·C·k² weights.",
        ),
        (
            _weights_by(
                lambda c, n, h, kk: n * c * kk, lambda c, n, h, kk: n * c * (1 + kk), lambda c, n, h, kk: n * (c + kk)
            ),
            FORGOTTEN_SHEETS,
        ),
        (_weights_by(lambda c, n, h, kk: n * c * kk, _g, _gc), FORGOTTEN_SHEETS),
        (
            _weights_by(_full, lambda c, n, h, kk: n * c * (1 + kk), lambda c, n, h, kk: n * (c + kk)),
            "In w there is one weight for each sheet of the input, not one for all of them.",
        ),
        (
            _weights_by(_full, _g, lambda c, n, h, kk: c * h + n * kk),
            "In gc each *output* channel has weights w of its own: O·C·|H|.",
        ),
        (
            _weights_by(_full, lambda c, n, h, kk: n * c * kk + n * h, _gc),
            "In g there is a weight w for each output channel, input channel and sheet: O·C·|H|.",
        ),
        (
            _weights_by(_full, lambda c, n, h, kk: n * c * kk + h, _gc),
            "In g there is a weight w for each output channel, input channel and sheet: O·C·|H|.",
        ),
    ],
)
