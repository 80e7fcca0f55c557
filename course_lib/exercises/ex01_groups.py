"""The exercises of notebook 01 about the symmetries of the square: products, tables, subgroups, cosets."""

from collections.abc import Callable, Iterable

import numpy as np

from course_lib.exercises import Function, Mistake, call, compare, register
from course_lib.groups import (
    C1,
    C2,
    C4,
    D1,
    D2,
    D4,
    IDENTITY,
    Element,
    IntArray,
    cayley_table,
    compose,
    generate,
    inverse,
    left_cosets,
)

R, R2, R3, M, MR = Element(0, 1), Element(0, 2), Element(0, 3), Element(1, 0), Element(1, 1)


def _all_pairs(f: Function, reference: Function) -> None:
    for a, b in ((R, R), (M, R), (R, M), (M, M)):
        compare(f, reference, a, b)
    for a in D4.elements:
        for b in D4.elements:
            compare(f, reference, a, b)


register(
    "1.1",
    compose,
    minutes=10,
    difficulty=2,
    checks=[_all_pairs],
    hints=[
        "Mirrors add up modulo 2. For the rotations, look at `b.m` first: does a's rotation have to pass a mirror?",
        "If `b.m` is 0 the rotations add up. If `b.m` is 1, a's rotation changes its sign on the way.",
        "`sign = -1 if b.m else 1`; then the new r is `(sign * a.r + b.r) % 4`.",
    ],
    known_mistakes=[
        (
            lambda a, b: Element((a.m + b.m) % 2, (a.r + b.r) % 4),
            "You add the rotations as if no mirror stood between them. When b mirrors, a's rotation turns the other "
            "way round: R M = M R⁻¹.",
        ),
        (
            lambda a, b: compose(b, a),
            'You compose in the other order. The product ab means "first b, then a".',
        ),
        (
            lambda a, b: Element((a.m + b.m) % 2, ((-1) ** a.m * a.r + b.r) % 4),
            "The sign of a's rotation depends on the mirror that it passes: that is b's, not a's own.",
        ),
        (
            lambda a, b: Element((a.m + b.m) % 2, (a.r + (-1) ** b.m * b.r) % 4),
            "You turn the wrong rotation round. It is a's rotation that passes b's mirror; b's own passes nothing.",
        ),
        (
            lambda a, b: Element((a.m + b.m) % 2, (-1) ** b.m * (a.r + b.r) % 4),
            "You change the sign of the whole sum. Only one of the two rotations has to pass b's mirror: which one?",
        ),
        (
            lambda a, b: Element((a.m + b.m) % 2, (-1) ** a.m * (a.r + b.r) % 4),
            "You change the sign of the whole sum, and you ask a's mirror. Which rotation has to pass which mirror?",
        ),
        (
            lambda a, b: Element(a.m + b.m, (-1) ** b.m * a.r + b.r),
            "The sums are right. Now take m modulo 2 and r modulo 4: two mirrors cancel, and so do four quarter turns.",
        ),
        (
            lambda a, b: Element((a.m + b.m) % 2, (-1) ** b.m * a.r + b.r),
            "Four quarter turns bring the square back: take r modulo 4.",
        ),
        (
            lambda a, b: Element(a.m + b.m, ((-1) ** b.m * a.r + b.r) % 4),
            "Two mirrors cancel: take m modulo 2.",
        ),
    ],
)


def _all_elements(f: Function, reference: Function) -> None:
    for a in D4.elements:
        compare(f, reference, a)


register(
    "1.2",
    inverse,
    minutes=5,
    difficulty=1,
    checks=[_all_elements],
    hints=[
        "There are two cases, `a.m == 0` and `a.m == 1`. Try each on the figure of the eight places.",
        "Look for b with `compose(a, b) == Element(0, 0)`. For a rotation: which r′ makes r + r′ a multiple of 4?",
        "A rotation is undone by `Element(0, -a.r % 4)`. Each of the four mirrors undoes itself.",
    ],
    known_mistakes=[
        (
            lambda a: Element(a.m, -a.r % 4),
            "You turn a mirror's r round too. Every (1, r) is a mirror, and a mirror undoes itself: "
            "(1, r)(1, r) = (0, −r + r) = e.",
        ),
        (lambda a: a, "You return the move itself. That undoes the mirrors and r², but r needs the turn back, r³."),
        (lambda a: Element(0, -a.r % 4), "You drop the mirror. What mirrors can only be undone by a mirror."),
        (
            lambda a: a if a.m else Element(0, -a.r),
            "A turn back by r quarter turns is right, but r must lie in 0, 1, 2, 3: take it modulo 4.",
        ),
        (
            lambda a: a if a.m else Element(0, 4 - a.r),
            "For the identity your r is 4, and r must lie in 0, 1, 2, 3: take it modulo 4.",
        ),
    ],
)


def times_mod_5(a: int, b: int) -> int:
    return a * b % 5


def add_mod_3(a: int, b: int) -> int:
    return (a + b) % 3


def _products_inside(f: Function, reference: Function) -> None:
    compare(f, reference, (0, 1, 2), add_mod_3)
    compare(f, reference, (1, 2, 3, 4), times_mod_5, because="Positions are asked for, not the products themselves.")
    compare(f, reference, (IDENTITY, R, M), compose, because="A product outside the set counts as −1.")
    for elements in ((R, M, MR), D4.elements):
        compare(f, reference, elements, compose, because="In table[i, j] the row i is the left factor.")


def _keyed(elements: Iterable[object], product: Callable[..., object]) -> IntArray:
    members = list(elements)
    return np.array([[product(a, b) for b in members] for a in members])


def _outside_is_zero(elements: Iterable[object], product: Callable[..., object]) -> IntArray:
    return np.maximum(cayley_table(list(elements), product), 0)


register(
    "1.3",
    cayley_table,
    minutes=10,
    difficulty=2,
    checks=[_products_inside],
    hints=[
        "Two loops: a runs over the rows, b over the columns. Each entry is the position of `product(a, b)`.",
        "A dictionary finds positions: `position = {element: i for i, element in enumerate(elements)}`.",
        "`position.get(product(a, b), -1)` is −1 for a product outside; collect the rows with `np.array([[… for b in "
        "elements] for a in elements])`.",
    ],
    known_mistakes=[
        (
            lambda elements, product: cayley_table(elements, product).T,
            "Your table is transposed. Row i is the left factor: table[i, j] belongs to elements[i]·elements[j].",
        ),
        (
            _keyed,
            "You put the products themselves into the table. Wanted are their positions in `elements`.",
        ),
        (
            lambda elements, product: cayley_table(elements, product).tolist(),
            "The positions are right, but return them as a NumPy array: `np.array(rows)`.",
        ),
        (
            _outside_is_zero,
            "A product outside the set gets 0 in your table, as if it were the first element. Mark it with −1.",
        ),
    ],
)


def _small_sets(f: Function, reference: Function) -> None:
    sets = [[], [R], [R2], [M], [R2, M], [R, M], [MR], [M, Element(1, 2)], [MR, Element(1, 2)], [R3]]
    for generators in sets:
        _explain_the_order(f, reference, generators)
        compare(f, reference, generators)


def _explain_the_order(f: Function, reference: Function, generators: list[Element]) -> None:
    """No known mistake can play an order that depends on the answer's loops, or on a `set`."""
    expected, example = reference(list(generators)), {"generators": generators}
    yours = call(f, list(generators), example=example)
    if isinstance(yours, tuple) and yours != expected and sorted(yours) == list(expected):
        raise Mistake(
            "The members are right, but not their order: sort them before you return.", example, expected, yours
        )


def _one_round(generators: Iterable[Element]) -> tuple[Element, ...]:
    found = {IDENTITY, *generators}
    return tuple(sorted(found | {compose(a, b) for a in found for b in found}))


def _powers_only(generators: Iterable[Element]) -> tuple[Element, ...]:
    return tuple(sorted({h for g in generators for h in generate([g])} | {IDENTITY}))


register(
    "1.4",
    generate,
    minutes=12,
    difficulty=3,
    checks=[_small_sets],
    hints=[
        "Start with the identity and the generators in a `set`. Add all products of two members. Is it closed now?",
        "Not always: new members make new products. Repeat until a round adds nothing.",
        "`larger = {compose(a, b) for a in found for b in found} - found` is what a round adds. Return "
        "`tuple(sorted(found))`.",
    ],
    known_mistakes=[
        (
            _one_round,
            "You form all products once. New members have products too: repeat until a round adds nothing.",
        ),
        (
            _powers_only,
            "You repeat each generator on its own. Products of different generators, such as r·m, belong to it too.",
        ),
        (
            lambda generators: generate(generators) if list(generators) else (),
            "With no generator at all the identity still remains.",
        ),
        (
            lambda generators: set(generate(generators)),
            "The members are right, but return them as a sorted tuple: `tuple(sorted(found))`.",
        ),
        (
            lambda generators: sorted(generate(generators)),
            "The members are right, but return them as a sorted tuple: `tuple(sorted(found))`.",
        ),
    ],
)


def _cosets_in_D4(f: Function, reference: Function) -> None:
    for group, subgroup in ((C4, C2), (D4, C4), (D4, D1), (D4, D2), (D2, C1), (D4, D4)):
        compare(f, reference, group.elements, subgroup.elements)


def _as_sets(elements: Iterable[Element], subgroup: Iterable[Element]) -> set[frozenset[Element]]:
    return {frozenset(coset) for coset in left_cosets(elements, tuple(subgroup))}


def _unsorted(elements: Iterable[Element], subgroup: Iterable[Element]) -> tuple[tuple[Element, ...], ...]:
    members = tuple(subgroup)
    found: dict[frozenset[Element], tuple[Element, ...]] = {}
    for h in elements:
        coset = tuple(compose(h, s) for s in members)
        found.setdefault(frozenset(coset), coset)
    return tuple(found.values())


register(
    "1.5",
    left_cosets,
    minutes=10,
    difficulty=2,
    checks=[_cosets_in_D4],
    hints=[
        "For one h the coset is the list of all `compose(h, s)` with s in the subgroup.",
        "Different h can give the same coset. Sort each one and make it a tuple; then a `set` keeps each once.",
        "`tuple(sorted({tuple(sorted(compose(h, s) for s in subgroup)) for h in elements}))`",
    ],
    known_mistakes=[
        (
            lambda elements, subgroup: tuple(
                sorted({tuple(sorted(compose(s, h) for s in subgroup)) for h in elements})
            ),
            "These are the right cosets Sh. In the left coset hS the element h is the left factor: compose(h, s).",
        ),
        (
            lambda elements, subgroup: tuple(tuple(sorted(compose(h, s) for s in subgroup)) for h in elements),
            "You list one coset per element, so the same coset comes several times. Keep each once.",
        ),
        (
            lambda elements, subgroup: tuple(sorted(tuple(sorted(compose(h, s) for s in subgroup)) for h in elements)),
            "You list one coset per element, so the same coset comes several times. Keep each once.",
        ),
        (_unsorted, "The cosets are right, but the order is not: sort each coset, then sort the cosets."),
        (_as_sets, "The cosets are right, but return a sorted tuple of sorted tuples."),
        (
            lambda elements, subgroup: [list(coset) for coset in left_cosets(elements, subgroup)],
            "The cosets are right, but return a sorted tuple of sorted tuples.",
        ),
    ],
)
