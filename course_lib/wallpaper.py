"""The wallpaper groups p4 and p4m: symmetries of the whole lattice Z², translations included. Built in notebook 01.

An element is "first the point symmetry h = (m, r), then the shift t = (u, v)": x ↦ h·x + t. All arithmetic is exact, in
integers. p4 is the set of elements with m = 0; p4m is all of them. As a set each is Z² × H; as a group, Z² ⋊ H.
"""

from typing import NamedTuple

import numpy as np

from course_lib.groups import Element, IntArray, compose, inverse, matrix


class Isometry(NamedTuple):
    """An element (m, r, u, v) of p4m: rotate by r·90°, mirror (x → −x) m times, then shift u to the right and v up."""

    m: int
    r: int
    u: int
    v: int

    @property
    def point_part(self) -> Element:
        """h, the turn or mirror that comes before the shift."""
        return Element(self.m, self.r)

    @property
    def shift(self) -> IntArray:
        """t = (u, v)."""
        return np.array([self.u, self.v])


def homogeneous_matrix(g: Isometry) -> IntArray:
    """The integer 3×3 matrix [[h, t], [0, 1]] of g(m, r, u, v); Cohen & Welling (2016), section 4."""
    result = np.eye(3, dtype=np.int64)
    result[:2, :2] = matrix(g.point_part)
    result[:2, 2] = g.shift
    return result


def from_homogeneous_matrix(a: IntArray) -> Isometry:
    """The (m, r, u, v) of a 3×3 matrix. Raises ValueError if it is not the matrix of an element of p4m."""
    a = np.asarray(a)
    for m in (0, 1):
        for r in range(4):
            if a.shape == (3, 3) and (a == homogeneous_matrix(g := Isometry(m, r, *map(int, a[:2, 2])))).all():
                return g
    raise ValueError(f"no element of p4m has the matrix {a.tolist()}: expected [[h, t], [0, 0, 1]] with integer t")


def semidirect_product(g: Isometry, k: Isometry) -> Isometry:
    """The product "first k, then g" in Z² ⋊ H: (t, h)(t′, h′) = (t + h·t′, hh′). The shift t′ is turned on the way."""
    u, v = g.shift + matrix(g.point_part) @ k.shift
    return Isometry(*compose(g.point_part, k.point_part), int(u), int(v))


def semidirect_inverse(g: Isometry) -> Isometry:
    """The element that undoes g: (t, h)⁻¹ = (−h⁻¹·t, h⁻¹). The turn back also turns the shift −t."""
    back = inverse(g.point_part)
    u, v = -matrix(back) @ g.shift
    return Isometry(*back, int(u), int(v))


def act_on_points(g: Isometry, points: IntArray) -> IntArray:
    """Move points by g: x ↦ h·x + t. ``points`` has shape (..., 2), each (x, y), x to the right and y up."""
    points = np.asarray(points)
    if points.shape[-1:] != (2,):
        raise ValueError(f"points must have shape (..., 2), one (x, y) each, got {points.shape}")
    return points @ matrix(g.point_part).T + g.shift
