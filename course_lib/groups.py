"""Finite groups of symmetries of the square lattice that fix a point.

Six groups, one class: C1, C2, C4 (rotations) and D1, D2, D4 (rotations and mirrors). Everything that a layer needs,
such as how a symmetry permutes the group axis of a feature map, is read off the Cayley table. Built in notebook 01.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

IntArray = np.ndarray[Any, np.dtype[np.int64]]


class Element(NamedTuple):
    """An element (m, r) of D4: first rotate by r·90° counter-clockwise, then mirror (x → −x) m times."""

    m: int
    r: int

    def __str__(self) -> str:
        rotation = ("", "r", "r²", "r³")[self.r]
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


def matrix(a: Element) -> IntArray:
    """The integer 2×2 matrix by which a moves points (x to the right, y up): [[(−1)^m, 0], [0, 1]] · R(90°)^r."""
    cos, sin = ((1, 0), (0, 1), (-1, 0), (0, -1))[a.r]
    sign = -1 if a.m else 1
    return np.array([[sign * cos, -sign * sin], [sin, cos]])


def cayley_table(elements: Sequence[Any], product: Callable[[Any, Any], Any]) -> IntArray:
    """The multiplication table as indices: table[i, j] is the position of elements[i]·elements[j], or −1 if outside."""
    position = {element: i for i, element in enumerate(elements)}
    return np.array([[position.get(product(a, b), -1) for b in elements] for a in elements])


def broken_axiom(table: IntArray) -> str | None:
    """The axiom that a Cayley table breaks: 'closure', 'associativity', 'identity' or 'inverse'; None for a group."""
    everything = np.arange(len(table))
    if (table < 0).any():
        return "closure"
    if (table[table] != table[:, table]).any():  # table[table][i, j, k] = (ij)k and table[:, table][i, j, k] = i(jk)
        return "associativity"
    neutral = [e for e in everything if (table[e] == everything).all() and (table[:, e] == everything).all()]
    if not neutral:
        return "identity"
    if not ((table == neutral[0]).any(axis=0) & (table == neutral[0]).any(axis=1)).all():
        return "inverse"
    return None


def generate(generators: Iterable[Element]) -> tuple[Element, ...]:
    """The smallest set that contains e and the generators and is closed under products, in index order."""
    found = {IDENTITY, *generators}
    while larger := {compose(a, b) for a in found for b in found} - found:
        found |= larger
    return tuple(sorted(found))


def left_cosets(elements: Iterable[Element], subgroup: Iterable[Element]) -> tuple[tuple[Element, ...], ...]:
    """The left cosets hS = {hs : s ∈ S}, which cut H into pieces of size |S|. Each is sorted, and so are the cosets."""
    members = tuple(subgroup)
    return tuple(sorted({tuple(sorted(compose(h, s) for s in members)) for h in elements}))


def left_permutation(g: Element, elements: Sequence[Element]) -> list[int]:
    """Which sheets of f those of L_g f come from: sheet hᵢ from sheet g⁻¹hᵢ, as [L_g f](x, h) = f(g⁻¹x, g⁻¹h)."""
    return [elements.index(compose(inverse(g), h)) for h in elements]


@dataclass(frozen=True)
class Group:
    """A finite group H of symmetries of the square lattice; the point group of Z² ⋊ H.

    The position of an element in ``elements`` is its index in the group axis of a feature map ``(B, C, |H|, Y, X)``.
    Index 0 is the identity; in D4 the element (m, r) has index 4m + r.

    Raises:
        ValueError: if the elements repeat, are not sorted, or do not form a group; the message names the axiom.
    """

    name: str
    elements: tuple[Element, ...]

    def __post_init__(self) -> None:
        if not self.elements:
            raise ValueError(f"{self.name}: a group has at least one element, the identity, got none")
        if tuple(sorted(set(self.elements))) != self.elements:
            raise ValueError(f"{self.name}: elements must be sorted by (m, r) and distinct, got {self.elements}")
        if axiom := broken_axiom(self.cayley_table):
            listed = ", ".join(map(str, self.elements))
            raise ValueError(
                f"{self.name}: {{{listed}}} is not a group, because it breaks the axiom '{axiom}'; see `generate`"
            )

    def __repr__(self) -> str:
        return self.name

    @property
    def order(self) -> int:
        """|H|, the number of elements."""
        return len(self.elements)

    @property
    def has_mirrors(self) -> bool:
        return any(g.m for g in self.elements)

    @cached_property
    def cayley_table(self) -> IntArray:
        """(|H|, |H|) indices: ``cayley_table[i, j]`` is the index of elements[i]·elements[j]."""
        return cayley_table(self.elements, compose)

    def index(self, g: Element) -> int:
        """The position of g in the group axis. Raises ValueError if g is not an element of this group."""
        try:
            return self.elements.index(g)
        except ValueError:
            listed = ", ".join(map(str, self.elements))
            raise ValueError(f"{g!r} is not an element of {self.name} = {{{listed}}}") from None

    def is_subgroup(self, subgroup: Group) -> bool:
        return set(subgroup.elements) <= set(self.elements)

    @cached_property
    def subgroups(self) -> tuple[Group, ...]:
        """All subgroups, smallest first; those with a name of their own (C1, …, D4) carry it."""
        # Two generators are enough: every subgroup of D4 is cyclic or dihedral.
        sets = {generate(pair) for pair in combinations((IDENTITY, *self.elements), 2)}
        return tuple(_named(elements) for elements in sorted(sets, key=lambda s: (len(s), s)))

    def left_cosets(self, subgroup: Group) -> tuple[tuple[Element, ...], ...]:
        """The left cosets hS = {hs : s ∈ S}, which cut H into pieces of size |S|, ordered by smallest index.

        Raises ValueError if ``subgroup`` is not contained in this group.
        """
        if not self.is_subgroup(subgroup):
            raise ValueError(f"{subgroup} is not a subgroup of {self}; its subgroups are {list(self.subgroups)}")
        return left_cosets(self.elements, subgroup.elements)

    def permutation(self, g: Element, subgroup: Group | None = None) -> list[int]:
        """How L_g moves the group axis: sheet i of L_g f is sheet ``permutation(g)[i]`` of f, the index of g⁻¹hᵢ.

        With a subgroup S the axis runs over the left cosets hS, as it does after coset pooling.
        Source: [L_g f](x, h) = f(g⁻¹x, g⁻¹h); Cohen & Welling (2016); notebook 02.
        """
        self.index(g)
        if subgroup is None:
            return left_permutation(g, self.elements)
        cosets = self.left_cosets(subgroup)
        home = {h: i for i, coset in enumerate(cosets) for h in coset}
        return [home[compose(inverse(g), coset[0])] for coset in cosets]

    def leaves_regular_map(self, subgroup: Group, smaller: Group) -> bool:
        """Whether, under a smaller group K, the cosets of a subgroup S move just as the elements of K move.

        Then a map that was pooled over these cosets is a feature map of K, and layers of K may follow. It takes one
        element of K in each coset, and the cosets in the order of those elements: D4 over D1 leaves a map of C4.
        """
        if not self.is_subgroup(smaller) or smaller.order * subgroup.order != self.order:
            return False
        return all(self.permutation(g, subgroup) == smaller.permutation(g) for g in smaller.elements)

    def regular_representation(self, g: Element) -> IntArray:
        """The (|H|, |H|) permutation matrix ρ(g) with ρ(g) e_h = e_{gh}; ρ(g)ρ(k) = ρ(gk)."""
        return np.eye(self.order, dtype=np.int64)[self.permutation(g)]


C1 = Group("C1", generate([]))
C2 = Group("C2", generate([Element(0, 2)]))
C4 = Group("C4", generate([Element(0, 1)]))
D1 = Group("D1", generate([Element(1, 0)]))
D2 = Group("D2", generate([Element(0, 2), Element(1, 0)]))
D4 = Group("D4", generate([Element(0, 1), Element(1, 0)]))
ALL_GROUPS = (C1, C2, C4, D1, D2, D4)


@cache
def _named(elements: tuple[Element, ...]) -> Group:
    known = {group.elements: group for group in ALL_GROUPS}
    return known.get(elements) or Group("{" + ", ".join(map(str, elements)) + "}", elements)
