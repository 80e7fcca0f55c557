"""Exercises 6.1 and 6.6 of notebook 06: how redundant filters are, and how many weights there are."""

import torch
from torch import Tensor

from course_lib.counting import Kind, filter_weights
from course_lib.exercises import Function, compare, register
from course_lib.redundancy import explained_by_pc1

# 6.1 explained_by_pc1


def _share(psi: Tensor, center: int | tuple[int, int] | None = 2, power: int = 2) -> Tensor:
    """A `explained_by_pc1` that centers over another axis of (O·C, |H|, k²), or forgets to square."""
    sheets = psi.flatten(0, 1).flatten(2)
    centered = sheets if center is None else sheets - sheets.mean(dim=center, keepdim=True)
    values = torch.linalg.svdvals(centered) ** power
    return values[:, 0] / values.sum(dim=1)


def _all_filters_at_once(psi: Tensor) -> Tensor:
    values = torch.linalg.svdvals(psi.flatten(3).transpose(2, 3).flatten(0, 2)) ** 2
    return values[0] / values.sum()


def _shares(f: Function, reference: Function) -> None:
    one = torch.tensor([[0.0, 1, 2, 3], [2, 1, 4, 3]]).reshape(1, 1, 2, 2, 2)
    compare(f, reference, one, because="One filter with two sheets of 2 × 2.")
    compare(f, reference, torch.randn(2, 3, 4, 3, 3), because="One share for each of the O·C filters.")
    compare(f, reference, torch.randn(2, 1, 8, 3, 3, dtype=torch.float64))


register(
    "6.1",
    explained_by_pc1,
    minutes=10,
    difficulty=2,
    checks=[_shares],
    hints=[
        "Bring ψ into the shape (O·C, |H|, k²): one table for each filter, a sheet per row. `flatten(0, 1)` joins the "
        "first two axes, `flatten(2)` all from the third on.",
        "Subtract from each sheet its own mean: `sheets.mean(dim=2, keepdim=True)`. The variances are the *squares* "
        "of the singular values, and `torch.linalg.svdvals` does a whole stack of tables at once.",
        "`variances = torch.linalg.svdvals(centered) ** 2` is (O·C, |H|), the largest first. Divide the first column "
        "by the sum of its row.",
    ],
    known_mistakes=[
        (
            lambda psi: _share(psi, center=None),
            "The centring is missing: subtract from each sheet the mean over its k² places. Variance is measured from "
            "the mean.",
        ),
        (
            lambda psi: _share(psi, center=1),
            "You subtract the mean over the *sheets*. The places are the samples: subtract from each sheet the mean "
            "over its k² places.",
        ),
        (
            lambda psi: _share(psi, center=(1, 2)),
            "You subtract one mean from all sheets of a filter. Each sheet has a mean of its own, over its k² places.",
        ),
        (
            lambda psi: _share(psi - psi.mean(), center=None),
            "You subtract one mean from everything. Each sheet has a mean of its own, over its k² places.",
        ),
        (
            lambda psi: _share(psi, power=1),
            "The square is missing: a variance is the square of a singular value.",
        ),
        (
            _all_filters_at_once,
            "You analyze all filters together. Each of the O·C filters gets its own analysis, and its own share.",
        ),
        (
            lambda psi: explained_by_pc1(psi).mean(),
            "This is the mean over the filters. Return the shares themselves, one for each of the O·C filters.",
        ),
    ],
)

# 6.6 filter_weights


def _weights(f: Function, reference: Function) -> None:
    for sizes in ((1, 1, 4, 3), (2, 3, 4, 3), (10, 10, 4, 4), (3, 2, 8, 3), (3, 2, 1, 2)):
        for kind in ("full", "g", "gc"):
            compare(f, reference, kind, *sizes)


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


register(
    "6.6",
    filter_weights,
    minutes=5,
    difficulty=1,
    checks=[_weights],
    hints=[
        "Count what is *learned*: the numbers in ψ, or in K and w. How many in w? How many in K?",
        "w is (O, C, |H|) in both. K is (O, C, k, k) for g, but only (O, 1, k, k) for gc.",
        "g: O·C·|H| + O·C·k². gc: O·C·|H| + O·k².",
    ],
    known_mistakes=[
        (
            lambda kind, c_in, c_out, order, k: filter_weights(kind, c_in, c_out, order, k) * order,
            "You count the turned copies, too. Only one of the |H| copies is learned.",
        ),
        (
            _weights_by(_full, lambda c, n, h, kk: n * c * (h * h + kk), lambda c, n, h, kk: n * (c * h * h + kk)),
            "You count w for each output sheet, too. These sheets share one w, permuted: only one is learned.",
        ),
        (
            _weights_by(_full, lambda c, n, h, kk: n * c * (h + h * kk), lambda c, n, h, kk: n * (c * h + h * kk)),
            "You count K for each output sheet, too. These sheets share one K, turned: only one is learned.",
        ),
        (
            _weights_by(_full, lambda c, n, h, kk: h * _g(c, n, h, kk), lambda c, n, h, kk: h * _gc(c, n, h, kk)),
            "You count the output's sheets in g and gc. They share K and w, turned and permuted: one copy is learned.",
        ),
        (_weights_by(_full, _full, _full), "K and w are learned, not their product: add their numbers."),
        (_weights_by(_full, _gc, _g), "g and gc are swapped: gc shares the kernel over the input channels as well."),
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
            "You forget the sheets: a filter on the group has |H| of them for each input channel.",
        ),
    ],
)
