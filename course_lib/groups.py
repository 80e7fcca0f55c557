"""Finite groups of symmetries that fix a point: C_n (rotations) and D_n (rotations and mirrors), one class for all.

C1, C2, C4, D1, D2 and D4 take the square lattice to itself; notebook 12 has others, such as C8. Everything that a layer
needs, such as how a symmetry permutes the group axis, follows from the products. Built in notebook 01.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, cached_property
from itertools import combinations
from typing import Any

import numpy as np

from course_lib.elements import IDENTITY as IDENTITY
from course_lib.elements import Element as Element
from course_lib.elements import IntArray as IntArray
from course_lib.elements import compose as compose
from course_lib.elements import inverse as inverse
from course_lib.elements import matrix as matrix
from course_lib.elements import on_lattice as on_lattice


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
    """A finite group H: a name, its elements, and their products; the point group of Z² ⋊ H.

    The position of an element in ``elements`` is its index in the group axis of a feature map ``(B, C, |H|, Y, X)``.
    Index 0 is the identity; in D4 the element (m, r) has index 4m + r. Elements may be of any kind for which there is a
    ``product`` and an order, as the rotations of a cube in notebook 12; layers take `Element`.

    Raises:
        ValueError: if the elements repeat, are not sorted, or do not form a group; the message names the axiom.
    """

    name: str
    elements: tuple[Element, ...]
    product: Callable[[Any, Any], Any] = compose

    def __post_init__(self) -> None:
        if not self.elements:
            raise ValueError(f"{self.name}: a group has at least one element, the identity, got none")
        in_order = sorted(set(self.elements)) if self.product is compose else dict.fromkeys(self.elements)
        if tuple(in_order) != self.elements or self.product(self.elements[0], self.elements[0]) != self.elements[0]:
            raise ValueError(
                f"{self.name}: elements must be distinct, the identity first, and sorted if they are (m, r), "
                f"got {self.elements}"
            )
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

    @property
    def is_exact(self) -> bool:
        """Whether all elements take the square lattice to itself; of the others, only some do."""
        return all(map(on_lattice, self.elements))

    @cached_property
    def cayley_table(self) -> IntArray:
        """(|H|, |H|) indices: ``cayley_table[i, j]`` is the index of elements[i]·elements[j]."""
        return cayley_table(self.elements, self.product)

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
        found = {self._closed({0, i}) for i in range(self.order)}
        while larger := {self._closed(a | b) for a, b in combinations(found, 2)} - found:
            found |= larger
        sets = sorted((tuple(self.elements[i] for i in sorted(part)) for part in found), key=lambda s: (len(s), s))
        return tuple(_named(elements, self.product) for elements in sets)

    def _closed(self, part: Iterable[int]) -> frozenset[int]:
        """The smallest subgroup that holds these indices."""
        found = frozenset(part)
        while (larger := found.union(*self.cayley_table[np.ix_([*found], [*found])].tolist())) != found:
            found = larger
        return found

    def left_cosets(self, subgroup: Group) -> tuple[tuple[Element, ...], ...]:
        """The left cosets hS = {hs : s ∈ S}, which cut H into pieces of size |S|, ordered by smallest index.

        Raises ValueError if ``subgroup`` is not contained in this group.
        """
        if not self.is_subgroup(subgroup):
            raise ValueError(f"{subgroup} is not a subgroup of {self}; its subgroups are {list(self.subgroups)}")
        members = [self.index(s) for s in subgroup.elements]
        cosets = sorted({tuple(sorted(row[members].tolist())) for row in self.cayley_table})
        return tuple(tuple(self.elements[i] for i in coset) for coset in cosets)

    def permutation(self, g: Element, subgroup: Group | None = None) -> list[int]:
        """How L_g moves the group axis: sheet i of L_g f is sheet ``permutation(g)[i]`` of f, the index of g⁻¹hᵢ.

        With a subgroup S the axis runs over the left cosets hS, as it does after coset pooling.
        Source: [L_g f](x, h) = f(g⁻¹x, g⁻¹h); Cohen & Welling (2016); notebook 02.
        """
        self.index(g)  # or raises: g must be an element
        cosets = [(h,) for h in self.elements] if subgroup is None else self.left_cosets(subgroup)
        home = {self.product(g, h): i for i, coset in enumerate(cosets) for h in coset}  # where gh comes from is h
        return [home[coset[0]] for coset in cosets]

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
ALL_GROUPS = (C1, C2, C4, D1, D2, D4)  # of the square lattice; the others turn images and filters only nearly
C8 = Group("C8", generate([Element(0, Fraction(1, 2))]))
C16 = Group("C16", generate([Element(0, Fraction(1, 4))]))
D8 = Group("D8", generate([Element(0, Fraction(1, 2)), Element(1, 0)]))
NAMED_GROUPS = (*ALL_GROUPS, C8, C16, D8)


@cache
def _named(elements: tuple[Element, ...], product: Callable[[Any, Any], Any] = compose) -> Group:
    known = {group.elements: group for group in NAMED_GROUPS}
    return known.get(elements) or Group("{" + ", ".join(map(str, elements)) + "}", elements, product)
