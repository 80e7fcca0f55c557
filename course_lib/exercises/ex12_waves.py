"""Exercises 12.2 and 12.3 of notebook 12: a wave on a ring, and which waves a window of pixels can carry."""

import math
from collections.abc import Callable
from functools import partial
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises import Function, compare, register
from course_lib.interpolation import positions
from course_lib.steerable import WIDTH, ring_wave, waves

# 12.2 ring_wave


RING = "For m = 0 there is only one function, the ring itself: exp(−(ρ − radius)² / 2σ²), here with ρ = 0.5, 1 and 2."


def _waves_at_points(f: Function, reference: Function) -> None:
    four = torch.tensor([[1.0, 0], [0, 1], [-1, 0], [0, -1]]).double()
    compare(f, reference, four[:3] * torch.tensor([[0.5], [1], [2]]), 1.0, 0, because=_profile)
    for m in (1, 2):
        compare(f, reference, four, 1.0, m, because=partial(_around, f, m))
    compare(f, reference, torch.zeros(1, 2).double(), 0.5, 1, because="At the center a wave with m > 0 is 0.")
    compare(f, reference, positions(5, 5), 1.25, 2)


def _profile(expected: Any, yours: Any) -> str:
    """What (ρ − radius)² is divided by, if the ring has the form exp(−(ρ − radius)² / c); here it is 0.25, 0 and 1."""
    if not isinstance(yours, Tensor) or yours.shape != expected.shape:
        return f"{RING} The functions stand on a new last axis."
    near, middle, far = (-yours.flatten().double().log()).tolist()
    if not far or not math.isclose(4 * near, far, rel_tol=1e-4) or abs(middle) > 1e-6:
        return RING
    return f"Your ring is exp(−(ρ − radius)² / c) with c = {1 / far:.3g}, but c is 2σ² = {2 * WIDTH**2:.3g}."


def _around(f: Function, m: int, expected: Any, yours: Any) -> str:
    """Which waves run around the ring of radius 1, where the profile is 1, or on which half of it they are right."""
    waves_here = f"cos {m}φ and sin {m}φ".replace(" 1φ", " φ")
    angles = torch.arange(16).double() * math.pi / 8
    circle = torch.stack([angles.cos(), angles.sin()], dim=-1)
    got, right = f(circle, 1.0, m), ring_wave(circle, 1.0, m)
    if not isinstance(got, Tensor) or got.shape != right.shape:
        return f"For m > 0 there are two functions, on a new last axis: {waves_here}, both times the ring."
    for column, place, name in zip(got.unbind(-1), ("first", "second"), waves_here.split(" and "), strict=True):
        if (wave := _name(column)) not in ("", name):
            return f"Around the ring your {place} function is {wave}, expected {name}."
    same = torch.isclose(got.to(right), right, atol=1e-6).all(dim=-1)
    left, x = ~same, circle[:, 0]
    if same[x > 1e-6].all() and left[x < -1e-6].all():
        return (
            "It is right where x > 0 and wrong where x < 0: `atan(y / x)` cannot tell a point from the opposite one. "
            "`torch.atan2(y, x)` knows all four quadrants."
        )
    return f"On the ring of radius 1 the profile is 1, and what is left is {waves_here}."


def _name(values: Tensor) -> str:
    """A wave at equal steps around the circle in words, such as "−sin 2φ"; "" if it is more than one wave."""
    spectrum = torch.fft.rfft(values.double()) / len(values) * 2
    m = int(spectrum.abs().argmax())
    size, phase = float(spectrum[m].abs()), math.degrees(-float(spectrum[m].angle()))
    if not 0 < m < len(values) // 2 or float(spectrum.abs().sum()) > 1.0001 * size:
        return ""
    named = {0: "cos ", 90: "sin ", 180: "−cos ", -180: "−cos ", -90: "−sin "}
    factor = "" if math.isclose(size, 1, rel_tol=1e-4) else f"{size:.3g}·"
    start = named.get(round(phase), "") if math.isclose(phase, round(phase), abs_tol=1e-3) else ""
    wave = f"{start}{m}φ" if start else f"cos ({m}φ − {phase:.3g}°)"
    return factor + wave.replace("1φ", "φ")


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
        (_wave(order=-1), "You put sin before cos."),
        (
            _wave(profile=lambda rho, radius: torch.ones_like(rho)),
            "The ring is missing: multiply both waves by the profile, so that they are large near the radius only.",
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
        compare(f, reference, size, because=_which_ring)


def _which_ring(expected: Any, yours: Any) -> str:
    """The order, the radii, or the frequencies of the first ring, whichever is wrong."""
    pairs = yours if isinstance(yours, list) else []
    if not all(isinstance(p, tuple) and len(p) == 2 and all(isinstance(x, Real) for x in p) for p in pairs):
        return "Return a list of pairs (radius, m)."
    want, got = _by_ring(expected), _by_ring(pairs)
    if sorted(want) != sorted(got):
        return f"Your rings have the radii {sorted(got)}, expected {sorted(want)}."
    for radius, frequencies in want.items():
        if sorted(got[radius]) != frequencies:
            return f"On the ring of radius {radius} your frequencies are {sorted(got[radius])}, expected {frequencies}."
    return "These are the right waves in another order: ring by ring from the inside, each with m = 0 first."


def _by_ring(pairs: list[tuple[float, int]]) -> dict[float, list[int]]:
    rings: dict[float, list[int]] = {}
    for radius, m in pairs:
        rings.setdefault(round(float(radius), 3), []).append(m)
    return rings


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


def _unguarded(divided: Callable[[float, int], float]) -> Function:
    """As the reference where there is more than one ring; for a single one it divides by zero."""
    return lambda size: waves(size) if size > 2 else [(divided(size / 2 - 1.25, 0), 0)]


ONE_PIXEL = "A window of one pixel has a single ring, of radius 0, and `last` is 0: do not divide by it."

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
        (lambda size: [(m, radius) for radius, m in waves(size)], "Swap each pair: the radius first, then m."),
        (_unguarded(lambda step, last: step / last), ONE_PIXEL),
        (_unguarded(lambda step, last: int(step) // last), ONE_PIXEL),
    ],
)
