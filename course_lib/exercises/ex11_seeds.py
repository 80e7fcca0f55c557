"""Exercises 11.3 and 11.4 of notebook 11: what a handful of seeds can tell."""

from collections.abc import Sequence
from functools import partial
from itertools import combinations
from math import comb
from numbers import Real
from statistics import fmean, median
from typing import Any

from course_lib.exercises import Function, compare, register
from course_lib.reports import permutation_p_value, smallest_p_value, verdict

# 11.3 permutation_p_value


def _p_values(f: Function, reference: Function) -> None:
    for a, b, because in (
        ([1.0], [2.0], "Two ways to deal two numbers, both with the same distance."),
        ([1.0, 2.0], [3.0, 4.0], "Of six ways two are as far apart."),
        ([3.0, 4.0], [1.0, 2.0], "Which network is called first does not matter."),
        ([2.0, 4.0, 6.0], [3.0, 5.0], "The networks may have different numbers of seeds."),
        ([1.0, 2.0], [3.0, 4.0, 5.0, 6.0], "Each deal gives len(a) results to the first."),
        (
            [5.2, 5.3, 5.1],
            [5.2, 5.0, 5.1],
            "Equal distances count, even where rounding makes their last digits differ.",
        ),
        ([5.2, 5.3, 5.1, 5.4], [5.2, 4.9, 5.1], "Any numbers."),
    ):
        compare(f, reference, a, b, because=partial(_which_count, comb(len(a) + len(b), len(a)), because))


def _which_count(deals: int, because: str, expected: Any, yours: Any) -> str:
    """How many of the deals the answer counts, if it is a number of deals at all."""
    if not isinstance(yours, Real):
        return because
    count = float(yours) * deals
    if abs(count - round(count)) > 1e-6:
        return f"There are {deals} deals, so p is a whole number divided by {deals}: try every deal, each of them once."
    return f"You count {count:.0f} of {deals} deals, expected {expected * deals:.0f}. {because}"


def _p(far: Function, others_only: bool = False, distinct: bool = False) -> Function:
    """A wrong `permutation_p_value`: far(gap, found) says which ways count."""

    def wrong(a: Sequence[float], b: Sequence[float]) -> float:
        results, found, count = [*a, *b], fmean(a) - fmean(b), 0
        ways = list(combinations(range(len(results)), len(a)))
        if distinct:
            ways = list({tuple(sorted(results[i] for i in way)): way for way in ways}.values())
        for chosen in ways:
            first = [results[i] for i in chosen]
            rest = [result for i, result in enumerate(results) if i not in chosen]
            count += far(fmean(first) - fmean(rest), found)
        return (count - 1) / max(1, len(ways) - 1) if others_only else count / len(ways)

    return wrong


def _p_by_value(a: Sequence[float], b: Sequence[float]) -> float:
    results, found = [*a, *b], abs(fmean(a) - fmean(b))
    ways = list(combinations(results, len(a)))
    gaps = [abs(fmean(chosen) - fmean([r for r in results if r not in chosen] or [0.0])) for chosen in ways]
    return sum(gap >= found - 1e-9 for gap in gaps) / len(ways)


def _p_of(middle: Function, rounding: float = 1e-9) -> Function:
    """A `permutation_p_value` that compares other numbers than the means, or allows for less rounding."""

    def wrong(a: Sequence[float], b: Sequence[float]) -> float:
        results, found = [*a, *b], abs(middle(a) - middle(b))
        ways = list(combinations(range(len(results)), len(a)))
        rests = [[i for i in range(len(results)) if i not in way] for way in ways]
        parts = [[[results[i] for i in part] for part in deal] for deal in zip(ways, rests, strict=True)]
        return fmean(abs(middle(chosen) - middle(rest)) >= found - rounding for chosen, rest in parts)

    return wrong


def _p_in_halves(a: Sequence[float], b: Sequence[float]) -> float:
    results, found = [*a, *b], abs(fmean(a) - fmean(b))
    ways = list(combinations(range(len(results)), len(results) // 2))
    rests = [[i for i in range(len(results)) if i not in way] for way in ways]
    gaps = [
        abs(fmean(results[i] for i in way) - fmean(results[i] for i in rest))
        for way, rest in zip(ways, rests, strict=True)
    ]
    return fmean(gap >= found - 1e-9 for gap in gaps)


def _plus_one(a: Sequence[float], b: Sequence[float]) -> float:
    deals = comb(len(a) + len(b), len(a))
    return (permutation_p_value(a, b) * deals + 1) / (deals + 1)


_p_without_rounding = _p_of(lambda numbers: sum(numbers) / len(numbers), rounding=0.0)


EQUAL_ONCE = (
    "You count ways that look alike once. Two seeds with the same result are still two seeds: every choice of "
    "positions is a way of its own."
)


def _far(gap: float, found: float) -> bool:
    return abs(gap) >= abs(found) - 1e-9


register(
    "11.3",
    permutation_p_value,
    minutes=12,
    difficulty=2,
    checks=[_p_values],
    hints=[
        "Put all results in one list. `itertools.combinations(range(n + m), n)` gives every choice of n positions.",
        "For each choice: the mean of the chosen, the mean of the rest, and their distance, without its sign.",
        "Count the ways with a distance `>= found - 1e-9` (rounding!), and divide by the number of ways.",
    ],
    known_mistakes=[
        (_p(lambda gap, found: abs(gap) > abs(found) + 1e-9), "Ways exactly as far apart count too: ≥, not >."),
        (_p(lambda gap, found: gap >= found - 1e-9), "You look in one direction only: drop the sign of the distance."),
        (_p(lambda gap, found: gap <= found + 1e-9), "You look in one direction only: drop the sign of the distance."),
        (_p(_far, others_only=True), "You leave out how the results really fell: that is one of the ways."),
        (
            _p_by_value,
            "You look for the rest by value, so equal results disappear together. Two seeds may have the same result: "
            "choose positions, not values.",
        ),
        (_p(_far, distinct=True), EQUAL_ONCE),
        (
            lambda a, b: permutation_p_value(a, b) * comb(len(a) + len(b), len(a)),
            "That is the number of deals. Divide it by the number of all deals.",
        ),
        (
            lambda a, b: permutation_p_value(a, b) / 2,
            "Do not halve the result: both directions count.",
        ),
        (
            _plus_one,
            "You add 1. That is for a random sample of deals; here all deals are counted, the found one included.",
        ),
        (_p_in_halves, "You deal the results into halves. The first network has as many as before: `len(a)`."),
        (lambda a, b: 100 * permutation_p_value(a, b), "That is in percent. Return the fraction, between 0 and 1."),
        (_p_of(sum), "You compare sums. Compare the means: the networks may have different numbers of seeds."),
        (_p_of(median), "You compare medians. Compare the means."),
        (
            _p(lambda gap, found: abs(gap) >= found - 1e-9),
            "Drop the sign of the found distance as well: `abs(fmean(a) - fmean(b))`.",
        ),
        (
            _p_without_rounding,
            "Equal distances can differ in their last digits. Allow for rounding: `>= found - 1e-9`.",
        ),
        (lambda a, b: 1 - permutation_p_value(a, b), "This is the fraction of the ways that are *less* far apart."),
    ],
)

# 11.4 verdict

LOW, HIGH = [1.0, 1.1, 1.2, 1.3], [2.0, 2.1, 2.2, 2.3]
ANSWERS = ("too few seeds to tell", "within noise", "holds", "the other way round")


def _judged(
    f: Function, reference: Function, a: Sequence[float], b: Sequence[float], *level: float, because: str
) -> None:
    why = partial(_numbers, because, a, b, level[0] if level else 0.05)
    compare(f, reference, a, b, *level, because=why)


def _numbers(because: str, a: Sequence[float], b: Sequence[float], level: float, expected: Any, yours: Any) -> str:
    """What the rule looks at: the two values of p, the level and the means."""
    if not isinstance(yours, str) or yours not in ANSWERS:
        return f"The answer is one of these, letter for letter: {', '.join(ANSWERS)}."
    p = f"smallest possible p {smallest_p_value(len(a), len(b)):.3f}, p {permutation_p_value(a, b):.3f}"
    return f"{because} The numbers: {p}, level {level:.3g}, means {fmean(a):.2f} and {fmean(b):.2f}."


def _verdicts(f: Function, reference: Function) -> None:
    _judged(f, reference, LOW, HIGH, because="All of a are below all of b, and p = 2/70.")
    _judged(f, reference, HIGH, LOW, because="All of a are above all of b, and p = 2/70.")
    _judged(f, reference, [1.0, 2.0, 3.0, 4.0], [1.1, 2.1, 3.1, 4.1], because="p is far above the level here.")
    _judged(f, reference, LOW[:3], HIGH[:3], because="Three seeds of each: no p can be below 2/20.")
    _judged(f, reference, LOW[:3], [0.9, 1.4, 1.15], because="With three seeds of each nothing can be told at all.")
    _judged(f, reference, LOW[:2], [*HIGH, 2.4], because="Two and five seeds: the smallest possible p is 1/21.")
    _judged(f, reference, LOW, HIGH, 0.01, because="At the level 0.01 even 2/70 is too much.")
    _judged(f, reference, HIGH[:3], LOW[:3], because="Three seeds of each can tell nothing, whichever mean is lower.")
    _judged(f, reference, [1.1, 2.1, 3.1, 4.1], [1.0, 2.0, 3.0, 4.0], because="The first is worse, but p is large.")
    one_lucky = [1.0, 5.0, 5.1, 5.2, 5.3]
    _judged(
        f, reference, one_lucky, [1.5, 1.6, 1.7, 1.8, 1.9], because="The smallest error is a's, the lower mean b's."
    )
    five, four = [1.0, 1.1, 1.2, 1.3, 1.4], [1.42, 1.44, 1.46, 1.48]
    _judged(f, reference, five, four, because="Five seeds and four: compare the means, not the sums.")
    _judged(f, reference, LOW, HIGH, 2 / 70, because="Here p is the level itself, and so not above it.")


def _verdict_of(
    smallest: Function = smallest_p_value, noise_first: bool = False, turned: bool = False, level_fixed: bool = False
) -> Function:
    """A wrong `verdict`."""

    def wrong(a: Sequence[float], b: Sequence[float], level: float = 0.05) -> str:
        level = 0.05 if level_fixed else level
        few, noise = smallest(len(a), len(b)) > level, permutation_p_value(a, b) > level
        if few and not (noise_first and noise):
            return "too few seeds to tell"
        if noise:
            return "within noise"
        return "holds" if (fmean(a) < fmean(b)) != turned else "the other way round"

    return wrong


def _mean_first(a: Sequence[float], b: Sequence[float], level: float = 0.05) -> str:
    return "the other way round" if fmean(a) > fmean(b) else verdict(a, b, level)


def _by_the_best(a: Sequence[float], b: Sequence[float], level: float = 0.05) -> str:
    found = verdict(a, b, level)
    return found if found.startswith(("too", "within")) else "holds" if min(a) < min(b) else "the other way round"


def _noise_reversed(a: Sequence[float], b: Sequence[float], level: float = 0.05) -> str:
    if smallest_p_value(len(a), len(b)) > level:
        return "too few seeds to tell"
    if permutation_p_value(a, b) < level:
        return "within noise"
    return "holds" if fmean(a) < fmean(b) else "the other way round"


def _below_only(a: Sequence[float], b: Sequence[float], level: float = 0.05) -> str:
    """As `verdict`, with "at the level" taken for "above the level"."""
    return verdict(a, b, level - 1e-12)


def _from_four_seeds(a: Sequence[float], b: Sequence[float], level: float = 0.05) -> str:
    if min(len(a), len(b)) < 4:
        return "too few seeds to tell"
    return "within noise" if permutation_p_value(a, b) > level else verdict(a, b, 1.0)


def _always_two(n: int, m: int) -> float:
    return 2 / comb(n + m, n)


register(
    "11.4",
    verdict,
    minutes=8,
    difficulty=2,
    checks=[_verdicts],
    hints=[
        "Four answers, in this order: could any p be small enough? Is p small enough? Which mean is lower?",
        "`smallest_p_value(len(a), len(b))` and `permutation_p_value(a, b)` are to be compared with `level`.",
    ],
    known_mistakes=[
        (
            _verdict_of(turned=True),
            "You have the direction reversed: the claim holds if a, the errors of the first, are lower.",
        ),
        (
            _verdict_of(smallest=lambda n, m: 0.0),
            "Ask first whether *any* p could be below the level. With three seeds of each the answer is no, and then "
            "nothing can be told.",
        ),
        (
            _verdict_of(noise_first=True),
            "You say “within noise” although no result could have been anything else. Ask first whether the smallest "
            "possible p is above the level.",
        ),
        (_verdict_of(level_fixed=True), "You always use 0.05. Use `level`."),
        (
            _mean_first,
            "You look at the means before you ask whether the seeds can tell. A higher mean of a may be noise, too.",
        ),
        (
            lambda a, b, level=0.05: verdict(a, b, level).replace("the other way round", "holds"),
            "A small p says that the means differ, not in which direction. Ask which mean is lower.",
        ),
        (_by_the_best, "You compare the best seeds. The claim is about the means."),
        (_noise_reversed, "You have it the wrong way round: a p *above* the level is noise, a small one is not."),
        (_below_only, "A p that equals the level is not above it: compare with >, not with >=."),
        (
            _from_four_seeds,
            "You count the seeds. Whether they are too few depends on both numbers and on `level`: `smallest_p_value`.",
        ),
        (
            _verdict_of(smallest=_always_two),
            "The smallest p is 2 / deals only for equally many seeds, else it is 1 / deals: use `smallest_p_value`.",
        ),
    ],
)
