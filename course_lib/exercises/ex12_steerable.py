"""Exercises 12.1, 12.4 and 12.5 of notebook 12: which elements are exact, steering, and the turned basis."""

import math
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises import Function, compare, register
from course_lib.groups import C4, C8, D4, D8, Element, Group, matrix, on_lattice
from course_lib.interpolation import positions
from course_lib.steerable import basis, steer, turned_basis, waves

# 12.1 on_lattice


def _elements(f: Function, reference: Function) -> None:
    for a in (*D4.elements, *C8.elements, Element(1, Fraction(1, 2)), Element(0, Fraction(1, 3))):
        landing = "every pixel lands on a pixel" if on_lattice(a) else "most pixels land between pixels"
        then = ", then mirrors" if a.m else ""
        compare(f, reference, a, because=f"{a} rotates by {float(90 * a.r):g}°{then}: {landing}.")


register(
    "12.1",
    on_lattice,
    minutes=3,
    difficulty=1,
    checks=[_elements],
    hints=[
        "A mirror left to right takes every pixel to a pixel, so only the rotation matters. For which r does a "
        "rotation by r·90° do so, too?",
        "r must be whole. A Fraction knows its `denominator`; so does a Python int, whose denominator is 1.",
    ],
    known_mistakes=[
        (
            lambda a: a.r.denominator == 1 and not a.m,
            "You leave the mirrors out. A mirror takes every pixel to a pixel, so it is exact, too.",
        ),
        (
            lambda a: a.r % 2 == 0,
            "You accept half turns only. A quarter turn, r = 1, takes every pixel to a pixel, too.",
        ),
        (
            lambda a: (2 * a.r).denominator == 1,
            "You accept eighths of a turn. r counts quarter turns of 90°, so r = 1/2 is 45°, which misses the pixels.",
        ),
        (
            lambda a: a.m == 1 or a.r.denominator == 1,
            "You accept every mirror. The mirror with r = 1/2 turns by 45° first, so it misses the pixels, too.",
        ),
        (
            lambda a: isinstance(a.r, int),
            "You ask for the type of r. In C8 a whole r is a Fraction, too, such as Fraction(1, 1): ask for the value.",
        ),
        (lambda a: True, "A turn by 45° takes most pixels to places between pixels."),
        (lambda a: a.r.denominator != 1, "You have it the wrong way round: whole r is on the lattice."),
    ],
)

# 12.4 steer


def _steered(f: Function, reference: Function) -> None:
    unit, numbers = torch.eye(4, dtype=torch.float64), torch.arange(32).double().reshape(2, 16)
    for weights, angle, size in (
        (unit[2], math.pi / 2, 3),
        (unit[0], math.pi / 3, 3),
        (numbers[0, :9], math.pi / 8, 5),
        (numbers, -0.3, 7),
    ):
        compare(f, reference, weights, angle, size, because=partial(_which_pair, weights, angle, size))


def _which_pair(weights: Tensor, angle: float, size: int, expected: Any, yours: Any) -> str:
    """The first wave whose weights are wrong, and what became of them."""
    if not isinstance(yours, Tensor) or yours.shape != expected.shape:
        return "The shape stays as it is: every weight is replaced by one weight."
    start, rows = 0, [w.reshape(-1, w.shape[-1]).to(weights.dtype) for w in (weights, expected, yours)]
    for _, m in waves(size):
        stop = start + (2 if m else 1)
        for old, want, got in zip(*(row[:, start:stop] for row in rows), strict=True):
            if not torch.allclose(want, got):
                return _what_became(old, got, start, m, angle)
        start = stop
    return ""


def _what_became(old: Tensor, got: Tensor, start: int, m: int, angle: float) -> str:
    if m == 0:
        return f"Weight {start} belongs to a ring with m = 0, which looks the same after every turn: it stays."
    pair = f"Weights {start} and {start + 1} are the pair of a wave with m = {m}."
    (a, b), (c, d) = old.tolist(), got.tolist()
    if not math.isclose(a * a + b * b, c * c + d * d, rel_tol=1e-4, abs_tol=1e-6):
        lengths = f"A turn keeps a² + b²; yours makes {c * c + d * d:.3g} of {a * a + b * b:.3g}."
        return f"{pair} {lengths} Look at the signs, and at which weights you combine."
    turned = math.degrees(math.remainder(math.atan2(d, c) - math.atan2(b, a), 2 * math.pi))
    return f"{pair} You turned it by {turned:.1f}°; mα is {math.degrees(m * angle):.1f}°."


def _pairwise(mix: Callable[[Tensor, Tensor, int, float], tuple[Tensor, Tensor]], step: int = 2) -> Function:
    """Each pair of weights (a, b) of a wave replaced by mix(a, b, m, angle), the next one ``step`` further on."""

    def wrong(weights: Tensor, angle: float, size: int) -> Tensor:
        turned, start = [], 0
        for _, m in waves(size):
            if m == 0:
                turned.append(weights[..., start])
            else:
                turned += mix(weights[..., start], weights[..., start + 1], m, angle)
            start += step if m else 1
        return torch.stack(turned, dim=-1)

    return wrong


def _rotated(a: Tensor, b: Tensor, angle: float) -> tuple[Tensor, Tensor]:
    cos, sin = math.cos(angle), math.sin(angle)
    return cos * a - sin * b, sin * a + cos * b


def _one_by_one(a: Tensor, b: Tensor, angle: float) -> tuple[Tensor, Tensor]:
    a, _ = _rotated(a, b, angle)
    return a, _rotated(a, b, angle)[1]


register(
    "12.4",
    steer,
    minutes=12,
    difficulty=3,
    checks=[_steered],
    hints=[
        "Walk through `waves(size)` with a counter `start`. A wave with m = 0 owns one weight, which stays. Any other "
        "owns two, `weights[..., start]` and `weights[..., start + 1]`.",
        "The pair (a, b) becomes (a cos mα − b sin mα, a sin mα + b cos mα). The angle is multiplied by m.",
        "Collect the new weights in a list, one tensor for each, and join them with `torch.stack(turned, dim=-1)`.",
    ],
    known_mistakes=[
        (
            _pairwise(lambda a, b, m, angle: _rotated(a, b, -m * angle)),
            "You turn the filter clockwise. For counter-clockwise, swap the signs of the two terms with sin.",
        ),
        (
            _pairwise(lambda a, b, m, angle: _rotated(a, b, angle)),
            "You turn every pair by α. A wave of frequency m repeats m times around the circle: its pair turns by mα.",
        ),
        (
            _pairwise(lambda a, b, m, angle: _rotated(a, b, angle / m)),
            "You divide the angle by m. Multiply: the pair of frequency m turns by mα.",
        ),
        (
            _pairwise(lambda a, b, m, angle: (math.cos(m * angle) * a, math.cos(m * angle) * b)),
            "You only shrink the pair. A turn also mixes its two weights: the terms with sin are missing.",
        ),
        (
            _pairwise(lambda a, b, m, angle: _one_by_one(a, b, m * angle)),
            "You use the new a to compute the new b. Keep the old pair until both new weights are computed.",
        ),
        (
            _pairwise(lambda a, b, m, angle: _rotated(a, b, math.radians(m * angle))),
            "The angle is given in radians already: do not convert it.",
        ),
        (
            _pairwise(lambda a, b, m, angle: _rotated(a, b, m * angle), step=1),
            "You move on by one weight after every wave. A wave with m > 0 owns two, so move on by two.",
        ),
        (lambda weights, angle, size: weights, "You return the weights as they were."),
        (
            lambda weights, angle, size: steer(weights, angle, size) if weights.ndim == 1 else weights[len(weights)],
            "There may be axes before the last one, (..., n): take `weights[..., start]`.",
        ),
    ],
)

# 12.5 turned_basis


def _banks(f: Function, reference: Function) -> None:
    for group, size in ((C4, 3), (D4, 3), (C8, 3), (D8, 4), (C8, 5)):
        compare(f, reference, group, size, because=partial(_which_filter, group))


def _which_filter(group: Group, expected: Any, yours: Any) -> str:
    """The first element whose functions are wrong, and whether they are those of another one."""
    if not isinstance(yours, Tensor) or yours.shape != expected.shape:
        return "The axes are the elements, the pixels in one row, and the functions B_n."
    of = dict(zip(group.elements, expected, strict=True))
    for (h, want), got in zip(of.items(), yours.to(expected.dtype), strict=True):
        if not torch.allclose(want, got):
            found = next((str(other) for other, values in of.items() if torch.allclose(values, got)), None)
            where = f"the functions turned by {found}" if found else "other values than B_n at h⁻¹x"
            return f"At the place of h = {h} you have {where}."
    return ""


def _sampled(place: Callable[[Tensor, Element], Tensor]) -> Function:
    def wrong(group: Group, size: int) -> Tensor:
        pixels = positions(size, size).flatten(0, 1)
        return torch.stack([basis(place(pixels, h), size) for h in group.elements])

    return wrong


def _matrix(h: Element) -> Tensor:
    return torch.tensor(matrix(h), dtype=torch.float64)


PRECISION = "The points are float64, so the matrix must be, too: `torch.tensor(matrix(h), dtype=torch.float64)`."


register(
    "12.5",
    turned_basis,
    minutes=10,
    difficulty=2,
    checks=[_banks],
    hints=[
        "`positions(size, size).flatten(0, 1)` are the size² pixels x as rows. What is wanted is B_n at h⁻¹x: move the "
        "points, then ask `basis(points, size)` for the values there.",
        "For a column x, h⁻¹x is `matrix(h).T @ x`, since the inverse of a rotation or mirror is its transpose. For "
        "rows it is `points @ matrix(h)`.",
        "`torch.tensor(matrix(h), dtype=torch.float64)` makes a tensor of the matrix. Stack one result for each h.",
    ],
    known_mistakes=[
        (
            _sampled(lambda pixels, h: pixels @ _matrix(h).T),
            "You sample at hx, which turns the filter the wrong way. [L_h B](x) = B(h⁻¹x): use `points @ matrix(h)`.",
        ),
        (
            _sampled(lambda pixels, h: pixels @ _matrix(Element(0, h.r))),
            "The mirrors are missing: your points are moved by the rotation alone.",
        ),
        (
            _sampled(lambda pixels, h: pixels @ _matrix(Element(h.m, int(h.r)))),
            "You turn by whole quarter turns only. h.r may be a Fraction, and `matrix(h)` takes it as it is.",
        ),
        (_sampled(lambda pixels, h: pixels), "Your filters do not turn: move the points by h⁻¹ first."),
        (
            _sampled(lambda pixels, h: (pixels @ _matrix(h)).round()),
            "You round the points to pixels. Sample in between: that is what the continuous filter is for.",
        ),
        (
            lambda group, size: turned_basis(group, size).unflatten(1, (size, size)),
            "You keep the pixels in rows and columns. Put them in one row: `positions(size, size).flatten(0, 1)`.",
        ),
        (
            lambda group, size: turned_basis(group, size).movedim(0, -1),
            "The elements are on the last axis. They come first: `torch.stack` puts them there if you give no axis.",
        ),
        (
            lambda group, size: turned_basis(group, size).unflatten(1, (size, size)).transpose(1, 2).flatten(1, 2),
            "Your pixels run column by column. They run row by row: `positions(size, size).flatten(0, 1)`.",
        ),
        (
            _sampled(lambda pixels, h: _matrix(h) @ pixels),
            "The points are rows, (size², 2), so the matrix goes to their right: `points @ matrix(h)`.",
        ),
        (_sampled(lambda pixels, h: pixels @ torch.tensor(matrix(h))), PRECISION),
        (_sampled(lambda pixels, h: pixels @ torch.tensor(matrix(h)).float()), PRECISION),
    ],
)
