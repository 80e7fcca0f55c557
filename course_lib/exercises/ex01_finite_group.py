"""Exercise 1.6 of notebook 01: a finite group of moves in p4m with shifts in it."""

from course_lib.exercises import Function, Mistake, call, register
from course_lib.groups import D4, IDENTITY, Element
from course_lib.wallpaper import Isometry, semidirect_product


def group_with_shifts() -> tuple[Isometry, ...]:
    """The four rotations about (½, ½), the middle of a square of the grid: a finite group in p4m, shifts included."""
    quarter_turn = Isometry(0, 1, 1, 0)  # (0, 0) → (1, 0) → (1, 1) → (0, 1) → (0, 0): once around the square
    found = [Isometry(0, 0, 0, 0)]
    while (following := semidirect_product(quarter_turn, found[-1])) not in found:
        found.append(following)
    return tuple(found)


def _why_it_is_missing(product: Isometry) -> str:
    if product.point_part != IDENTITY:
        return (
            "Your set is not closed: the product gk is missing. Add it, or find out why it should not be there. The "
            "shift of a product is not the sum of the shifts: `semidirect_product` turns the earlier one."
        )
    return (
        "Your set is not closed: the product gk is missing, and it is a pure shift, which no finite group can have. "
        "Turns about *different* points make pure shifts, and so does a mirror with a shift along its axis, repeated."
    )


def _is_a_finite_group(f: Function, reference: Function) -> None:
    """Any group will do. A finite set that is closed, of moves that can be undone, satisfies all four axioms."""
    yours = call(f)
    if yours in ((), [], set(), frozenset()):
        raise Mistake("Your set is empty. A group has at least an identity: Isometry(0, 0, 0, 0).", yours=yours)
    if not isinstance(yours, (tuple, list, set, frozenset)) or not all(isinstance(g, Isometry) for g in yours):
        raise Mistake("Your function should return a tuple of moves: (Isometry(0, 0, 0, 0), …).", yours=yours)
    for g in yours:
        if Element(*g[:2]) not in D4.elements:
            raise Mistake(f"In {g}, m must be 0 or 1, and r must be 0, 1, 2 or 3.", yours=yours)
        if any(part != round(part) for part in g[2:]):
            raise Mistake(
                f"In {g}, u and v must be integers: other shifts do not take the lattice to itself.", yours=yours
            )
        if g.point_part == IDENTITY and g.shift.any():
            raise Mistake(f"{g} is a pure shift. Repeat it, and you never come back: it has infinitely many powers.")
    if Isometry(0, 0, 0, 0) not in yours:
        raise Mistake("The identity is missing from your set: Isometry(0, 0, 0, 0).", yours=yours)
    for g in yours:
        for k in yours:
            if (product := semidirect_product(g, k)) not in yours:
                raise Mistake(_why_it_is_missing(product), {"g": g, "k": k, "gk": product})
    if len(set(yours)) < len(yours):
        raise Mistake("Your set is a group, but you list a move more than once.", yours=yours)
    if not any(g.shift.any() for g in yours):
        raise Mistake(
            "Your set is a group, but no move in it has a shift. Turn about a point other than the origin.", yours=yours
        )
    if len(yours) < 4:
        raise Mistake(f"Your set is a group with shifts, but it needs at least four moves; it has {len(yours)}.")


register(
    "1.6",
    group_with_shifts,
    minutes=12,
    difficulty=3,
    checks=[_is_a_finite_group],
    hints=[
        "Stick the pin into the graph paper somewhere other than the origin, and make quarter turns about it. Where "
        "may the pin be, so that the grid comes back to itself?",
        "A turn about the point c is x ↦ h(x − c) + c. Multiply out: its point part is h, and its shift is c − hc. Try "
        "c = (1, 0), or c = (½, ½).",
        "About c = (1, 0) the quarter turn is `Isometry(0, 1, 1, -1)`. Multiply it by itself with `semidirect_product` "
        "until you come back to `Isometry(0, 0, 0, 0)`.",
    ],
)
