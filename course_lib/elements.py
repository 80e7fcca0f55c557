"""The elements of C_n and D_n: a rotation, then perhaps a mirror; their products and matrices. Built in notebook 01."""

import math
from typing import Any, NamedTuple

import numpy as np

IntArray = np.ndarray[Any, np.dtype[np.int64]]


class Element(NamedTuple):
    """First rotate by r·90° counter-clockwise, then mirror (x → −x) m times. In C8, r is a multiple of ½."""

    m: int
    r: Any  # whole, or a Fraction

    def __str__(self) -> str:
        rotation = {0: "", 1: "r", 2: "r²", 3: "r³"}.get(self.r, f"r^({self.r})")
        return ("m" if self.m else "") + rotation or "e"


IDENTITY = Element(0, 0)


def compose(a: Element, b: Element) -> Element:
    """The product ab, "first b, then a": m = a.m + b.m modulo 2, and r = (−1)^(b.m)·a.r + b.r modulo 4.

    The sign appears because a rotation that moves past a mirror reverses its direction: R M = M R⁻¹.
    """
    sign = -1 if b.m else 1
    return Element((a.m + b.m) % 2, (sign * a.r + b.r) % 4)


def inverse(a: Element) -> Element:
    """The element that undoes a: (0, r)⁻¹ = (0, −r mod 4), and every mirror (1, r) undoes itself."""
    return a if a.m else Element(0, -a.r % 4)


def on_lattice(a: Element) -> bool:
    """Whether a takes the square lattice to itself: the elements of D4 do, a turn by 45° does not."""
    return a.r.denominator == 1


def matrix(a: Element) -> IntArray:
    """The 2×2 matrix by which a moves points (x to the right, y up): [[(−1)^m, 0], [0, 1]] · R(90°)^r; whole in D4."""
    angle, whole = a.r * math.pi / 2, ((1, 0), (0, 1), (-1, 0), (0, -1))
    cos, sin = whole[int(a.r)] if on_lattice(a) else (math.cos(angle), math.sin(angle))
    sign = -1 if a.m else 1
    return np.array([[sign * cos, -sign * sin], [sin, cos]])
