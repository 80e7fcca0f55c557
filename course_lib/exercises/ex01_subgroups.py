"""Exercises 1.2 and 1.3 of notebook 01: what some symmetries generate, and the cosets of a subgroup."""

from collections.abc import Iterable

from course_lib.exercises import Function, Mistake, call, compare, register
from course_lib.groups import C1, C2, C4, D1, D2, D4, IDENTITY, Element, compose, generate, inverse, left_cosets

R, R2, R3, M, MR = Element(0, 1), Element(0, 2), Element(0, 3), Element(1, 0), Element(1, 1)


def _small_sets(f: Function, reference: Function) -> None:
    sets = [[], [R], [R2], [M], [R2, M], [R, M], [MR], [M, Element(1, 2)], [MR, Element(1, 2)], [R3]]
    for generators in sets:
        _explain_the_members(f, reference, generators)
        compare(f, reference, generators)


def _explain_the_members(f: Function, reference: Function, generators: list[Element]) -> None:
    """No known mistake can play an order that depends on the answer's loops, or a set that misses any product."""
    expected, example = reference(list(generators)), {"generators": generators}
    yours = call(f, list(generators), example=example)
    if not isinstance(yours, tuple) or yours == expected or not all(isinstance(h, Element) for h in yours):
        return
    missing = [(a, b) for a in yours for b in yours if compose(a, b) not in yours]
    if sorted(yours) == list(expected):
        message = "The members are right, but not their order: sort them before you return them."
    elif len(set(yours)) < len(yours):
        message = "You list a member more than once. Collect the members in a `set`."
    elif IDENTITY not in yours:
        message = "The identity is missing. It always belongs to the set: do nothing at all."
    elif extra := set(yours) - set(expected):
        message = f"{min(extra)} is in your set, but the generators do not reach it."
    elif set(yours) < set(expected) and missing:
        a, b = missing[0]
        message = (
            f"Your set is not closed yet: {a} and {b} are in it, but their product {compose(a, b)} is not. Repeat "
            "until a round adds nothing new."
        )
    else:
        return
    raise Mistake(message, example, expected, yours)


def _one_round(generators: Iterable[Element]) -> tuple[Element, ...]:
    found = {IDENTITY, *generators}
    return tuple(sorted(found | {compose(a, b) for a in found for b in found}))


def _added_inside_the_loop(generators: Iterable[Element]) -> tuple[Element, ...]:
    found = {IDENTITY, *generators}
    for a in found:
        for b in found:
            found.add(compose(a, b))
    return tuple(sorted(found))


def _powers_only(generators: Iterable[Element]) -> tuple[Element, ...]:
    return tuple(sorted({h for g in generators for h in generate([g])} | {IDENTITY}))


register(
    "1.2",
    generate,
    minutes=12,
    difficulty=3,
    checks=[_small_sets],
    hints=[
        "Start with a `set` that holds the identity and the generators. Add all products of two members. Is the set "
        "closed now?",
        "Not always, because new members make new products. Repeat the step until a round adds nothing new.",
        "`new = {compose(a, b) for a in found for b in found} - found` is what one round adds. At the end return "
        "`tuple(sorted(found))`.",
    ],
    known_mistakes=[
        (
            _one_round,
            "You form all products once. New members have products too, so repeat until a round adds nothing new.",
        ),
        (
            _added_inside_the_loop,
            "You add to the set while you loop over it. Collect the new members first, and add them after the loop.",
        ),
        (
            _powers_only,
            "You repeat each generator by itself. Products of different generators, such as r·m, belong to the set "
            "too.",
        ),
        (
            lambda generators: tuple(sorted({IDENTITY, *generators, *map(inverse, generators)})),
            "You add the inverses, but not the products. Whatever can be reached by several moves in a row belongs to "
            "the set too.",
        ),
        (
            lambda generators: generate(generators) if list(generators) else (),
            "If there is no generator at all, the set still contains the identity.",
        ),
        (
            lambda generators: set(generate(generators)),
            "The members are right, but return them as a sorted tuple: `tuple(sorted(found))`.",
        ),
        (
            lambda generators: sorted(generate(generators)),
            "The members are right, but return them as a sorted tuple: `tuple(sorted(found))`.",
        ),
        (
            lambda generators: tuple(sorted({IDENTITY, *generators})),
            "You return the generators and the identity, but not their products. Whatever can be reached by several "
            "moves in a row belongs to the set too.",
        ),
        (
            lambda generators: tuple(h for h in generate(generators) if h != IDENTITY) or (IDENTITY,),
            "The identity is missing. It always belongs to the set: do nothing at all.",
        ),
    ],
)


def _cosets_in_D4(f: Function, reference: Function) -> None:
    for group, subgroup in ((C4, C2), (D4, C4), (D4, D1), (D4, D2), (D2, C1), (D4, D4)):
        _explain_the_form(f, reference, group.elements, subgroup.elements)
        compare(f, reference, group.elements, subgroup.elements)


def _explain_the_form(f: Function, reference: Function, *inputs: tuple[Element, ...]) -> None:
    """No known mistake can play an order that depends on the answer's loops, or on a `set`."""
    expected, example = reference(*inputs), dict(zip(("elements", "subgroup"), inputs, strict=True))
    yours = call(f, *inputs, example=example)
    if isinstance(yours, (tuple, list)) and yours and all(isinstance(h, Element) for h in yours):
        message = "You return elements. A coset is a tuple of elements, and you need a tuple of such cosets."
        raise Mistake(message, example, expected, yours)
    if yours == expected or not _are_cosets(yours):
        return
    if sorted(tuple(sorted(coset)) for coset in yours) != list(expected):
        message = _why_not_a_partition(yours, *inputs)
        if not message:
            return
    elif isinstance(yours, tuple) and all(isinstance(coset, tuple) for coset in yours):
        message = "The cosets are right, but the order is not: sort each coset, then sort the cosets."
    else:
        message = "The cosets are right, but return a sorted tuple of sorted tuples."
    raise Mistake(message, example, expected, yours)


def _why_not_a_partition(
    yours: Iterable[Iterable[Element]], elements: tuple[Element, ...], subgroup: tuple[Element, ...]
) -> str:
    """What is wrong with pieces that are not as large as S, do not fill the group once, or have the wrong members."""
    pieces = [set(piece) for piece in yours]
    found = [h for piece in pieces for h in piece]
    for piece in pieces:
        if len(piece) != len(subgroup):
            return f"A coset hS has as many members as S, here {len(subgroup)}; one of yours has {len(piece)}."
    for h in elements:
        if found.count(h) != 1:
            where = "in none of your cosets" if h not in found else "in more than one of them"
            return f"Every element is in exactly one coset, but {h} is {where}."
    for piece in pieces:
        h, *others = sorted(piece)
        if missing := sorted({compose(h, s) for s in subgroup} - piece):
            return (
                f"Your pieces fill the group, but they are not the cosets hS. {h}S holds {missing[0]}, which is {h} "
                f"times a member of S; your piece with {h} holds {', '.join(map(str, others))} instead."
            )
    return ""


def _are_cosets(yours: object) -> bool:
    """Whether it is a collection of collections of elements: the elements themselves are tuples, too."""
    many = (tuple, list, set, frozenset)
    return isinstance(yours, many) and all(
        isinstance(coset, many) and all(isinstance(h, Element) for h in coset) for coset in yours
    )


def _set_of(collection: type, elements: Iterable[Element], subgroup: Iterable[Element]) -> set[object]:
    return {collection(compose(h, s) for s in subgroup) for h in elements}


register(
    "1.3",
    left_cosets,
    minutes=10,
    difficulty=2,
    checks=[_cosets_in_D4],
    hints=[
        "For one h, the coset consists of all `compose(h, s)` with s in the subgroup.",
        "Different h can give the same coset. Sort each coset and make it a tuple; then a `set` keeps each one once.",
        "`tuple(sorted({tuple(sorted(compose(h, s) for s in subgroup)) for h in elements}))`",
    ],
    known_mistakes=[
        (
            lambda elements, subgroup: tuple(
                sorted({tuple(sorted(compose(s, h) for s in subgroup)) for h in elements})
            ),
            "These are the right cosets Sh. In the left coset hS, the element h is the left factor: compose(h, s).",
        ),
        (
            lambda elements, subgroup: tuple(tuple(sorted(compose(h, s) for s in subgroup)) for h in elements),
            "You list one coset for every element, so the same coset appears several times. Keep each one once.",
        ),
        (
            lambda elements, subgroup: tuple(sorted(tuple(sorted(compose(h, s) for s in subgroup)) for h in elements)),
            "You list one coset for every element, so the same coset appears several times. Keep each one once.",
        ),
        *[
            (
                wrong,
                "The same coset appears several times, because its members come in another order. Sort each coset "
                "before you put it into a set.",
            )
            for wrong in (
                lambda elements, subgroup: tuple({tuple(compose(h, s) for s in subgroup) for h in elements}),
                lambda elements, subgroup: tuple(sorted({tuple(compose(h, s) for s in subgroup) for h in elements})),
            )
        ],
        (
            lambda elements, subgroup: tuple(
                sorted({tuple(sorted(compose(h, s) for s in elements)) for h in subgroup})
            ),
            "You put every element of the group behind an h from the subgroup. It is the other way round: h comes from "
            "the whole group, and s from the subgroup.",
        ),
        (
            lambda elements, subgroup: tuple(
                sorted({tuple(sorted(compose(compose(h, s), inverse(h)) for s in subgroup)) for h in elements})
            ),
            "These are the sets hSh⁻¹. A left coset is hS, without an inverse behind it.",
        ),
        *[
            (
                lambda elements, subgroup, kind=kind: _set_of(kind, elements, subgroup),
                "A set can hold only what cannot change, such as tuples. Make each coset a sorted tuple: "
                "`tuple(sorted(…))`.",
            )
            for kind in (list, set)
        ],
        (
            lambda elements, subgroup: tuple(c for c in left_cosets(elements, subgroup) if IDENTITY not in c),
            "One coset is missing: S itself, which is the coset eS.",
        ),
        (
            lambda elements, subgroup: (tuple(sorted(subgroup)),),
            "You return S only. Every element h of the group has its coset hS.",
        ),
    ],
)
