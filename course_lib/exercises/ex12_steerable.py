"""Exercises of notebook 12: which elements are exact, a wave on a ring, which waves, steering, and the turned basis."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import torch
from torch import Tensor

from course_lib.exercises import Function, compare, register
from course_lib.groups import C4, C8, D4, D8, Element, Group, matrix, on_lattice
from course_lib.interpolation import positions
from course_lib.steerable import WIDTH, basis, ring_wave, steer, turned_basis, waves

# 12.1 on_lattice


def _elements(f: Function, reference: Function) -> None:
    for a in (*D4.elements, *C8.elements, Element(1, Fraction(1, 2)), Element(0, Fraction(1, 3))):
        compare(f, reference, a)


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
            "You leave the mirrors out. A mirror takes every pixel to a pixel, so it belongs to the lattice.",
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

# 12.2 ring_wave


def _waves_at_points(f: Function, reference: Function) -> None:
    four = torch.tensor([[1.0, 0], [0, 1], [-1, 0], [0, -1]]).double()
    compare(f, reference, four, 1.0, 1, because="The four points are to the right, above, to the left and below.")
    compare(f, reference, four, 1.0, 2)
    compare(f, reference, four[:2] * 2, 1.0, 0, because="For m = 0 there is only one function: the ring itself.")
    compare(f, reference, torch.zeros(1, 2).double(), 0.5, 1, because="At the center a wave with m > 0 is 0.")
    compare(f, reference, positions(5, 5), 1.25, 2)


def _wave(
    angle: Callable[[Tensor], Tensor] = lambda p: torch.atan2(p[..., 1], p[..., 0]),
    profile: Callable[[Tensor, float], Tensor] = lambda rho, radius: torch.exp(-((rho - radius) ** 2) / (2 * WIDTH**2)),
    center: bool = True,
    order: int = 1,
) -> Function:
    """As the reference, with one part of it replaced."""

    def wrong(points: Tensor, radius: float, m: int) -> Tensor:
        rho, phi = points.norm(dim=-1), angle(points)
        ring = profile(rho, radius)
        if m == 0:
            return ring[..., None]
        ring = ring * (rho > 0) if center else ring
        return torch.stack([ring * torch.cos(m * phi), ring * torch.sin(m * phi)][::order], dim=-1)

    return wrong


register(
    "12.2",
    ring_wave,
    minutes=10,
    difficulty=2,
    checks=[_waves_at_points],
    hints=[
        "Two lines give the polar coordinates: `rho = points.norm(dim=-1)` and "
        "`phi = torch.atan2(points[..., 1], points[..., 0])`.",
        "The profile is `torch.exp(-((rho - radius) ** 2) / (2 * WIDTH**2))`. For `m == 0`, return it with a new last "
        "axis: `profile[..., None]`.",
        "Otherwise set the center to zero with `profile = profile * (rho > 0)`, and stack profile·cos mφ and "
        "profile·sin mφ on a new last axis: `torch.stack([...], dim=-1)`.",
    ],
    known_mistakes=[
        (
            _wave(angle=lambda p: torch.atan2(p[..., 0], p[..., 1])),
            "Your angle starts at the y axis. φ is measured from the x axis: `torch.atan2(y, x)`, with y first.",
        ),
        (
            _wave(profile=lambda rho, radius: torch.exp(-(rho**2) / (2 * WIDTH**2))),
            "Your profile is a hill at the center. It should be a ring, largest where ρ equals the radius.",
        ),
        (
            _wave(profile=lambda rho, radius: torch.exp(-((rho - radius) ** 2) / WIDTH**2)),
            "Your ring is too narrow: the exponent is divided by 2σ², not by σ².",
        ),
        (_wave(order=-1), "You put sin before cos."),
        (
            _wave(profile=lambda rho, radius: torch.ones_like(rho)),
            "The ring is missing: multiply both waves by the profile, so that they are large near the radius only.",
        ),
        (
            _wave(angle=lambda p: torch.atan(p[..., 1] / p[..., 0])),
            "`atan(y / x)` cannot tell a point from the opposite one. `torch.atan2(y, x)` knows all four quadrants.",
        ),
        (
            _wave(center=False),
            "At the center a wave with m > 0 must be 0, because the center has no angle: multiply by `(rho > 0)`.",
        ),
    ],
)

# 12.3 waves


def _lists(f: Function, reference: Function) -> None:
    for size in (3, 5, 4, 1, 7, 9):
        compare(f, reference, size)


def _listed(
    frequencies: Callable[[int, int], int] = lambda j, last: j + 1,
    outer: float = 1.25,
    first: int = 0,
    steps: Callable[[int], int] = lambda last: last,
) -> Function:
    """As the reference, with other frequencies, another outermost radius or distance, or none below ``first``."""

    def wrong(size: int) -> list[tuple[float, int]]:
        last = (size - 1) // 2
        radii = [(size / 2 - outer) * j / steps(last) if last else 0.0 for j in range(last + 1)]
        return [(radius, m) for j, radius in enumerate(radii) for m in range(first, frequencies(j, last))]

    return wrong


register(
    "12.3",
    waves,
    minutes=6,
    difficulty=1,
    checks=[_lists],
    hints=[
        "The rings are numbered j = 0 to `last = (size - 1) // 2`, with radii evenly between 0 and size / 2 − 1.25.",
        "The radius of ring j is `(size / 2 - 1.25) * j / last`. If `last` is 0 there is a single ring, of radius 0.",
        "Two loops: over the rings from the inside outwards, then `for m in range(j + 1)`.",
    ],
    known_mistakes=[
        (
            _listed(frequencies=lambda j, last: j),
            "The highest frequency of each ring is missing: ring j has 0 to j, and j counts.",
        ),
        (
            _listed(frequencies=lambda j, last: last + 1),
            "You give every ring all frequencies. Ring j gets 0 to j: on small rings, fast waves are too short.",
        ),
        (_listed(outer=0.5), "Your outermost ring lies on the border of the window, where a turn would cut it off."),
        (
            _listed(steps=lambda last: last + 1),
            "Your outermost ring is too small. From ring 0 to ring `last` there are `last` steps: divide by `last`.",
        ),
        (
            lambda size: [(float(j), m) for j in range((size - 1) // 2 + 1) for m in range(j + 1)],
            "Your rings are one pixel apart. They are evenly spaced up to size / 2 − 1.25.",
        ),
        (_listed(first=1), "The frequency 0 is missing: each ring also appears without a wave."),
    ],
)

# 12.4 steer


def _steered(f: Function, reference: Function) -> None:
    unit = torch.eye(4, dtype=torch.float64)
    compare(f, reference, unit[2], math.pi / 2, 3, because="This is one wave, cos φ, turned by 90°.")
    compare(f, reference, unit[0], math.pi / 3, 3, because="A ring with m = 0 looks the same after every turn.")
    compare(f, reference, torch.arange(9).double(), math.pi / 8, 5)
    compare(f, reference, torch.arange(32).double().reshape(2, 16), -0.3, 7)


def _pairwise(mix: Callable[[Tensor, Tensor, int, float], tuple[Tensor, Tensor]]) -> Function:
    """Each pair of weights (a, b) of a wave replaced by mix(a, b, m, angle); weights of rings stay."""

    def wrong(weights: Tensor, angle: float, size: int) -> Tensor:
        turned, start = [], 0
        for _, m in waves(size):
            if m == 0:
                turned.append(weights[..., start])
            else:
                turned += mix(weights[..., start], weights[..., start + 1], m, angle)
            start += 2 if m else 1
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
        (lambda weights, angle, size: weights, "You return the weights as they were."),
    ],
)

# 12.5 turned_basis


def _banks(f: Function, reference: Function) -> None:
    for group, size in ((C4, 3), (D4, 3), (C8, 3), (D8, 4), (C8, 5)):
        compare(f, reference, group, size)


def _sampled(place: Callable[[Tensor, Element], Tensor]) -> Function:
    def wrong(group: Group, size: int) -> Tensor:
        pixels = positions(size, size).flatten(0, 1)
        return torch.stack([basis(place(pixels, h), size) for h in group.elements])

    return wrong


def _matrix(h: Element) -> Tensor:
    return torch.tensor(matrix(h), dtype=torch.float64)


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
    ],
)
