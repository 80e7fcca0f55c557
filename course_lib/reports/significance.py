"""How often chance alone would part two sets of seeds as far as they were found."""

from collections.abc import Sequence
from itertools import combinations
from statistics import fmean

ROUNDING = 1e-9  # means of the same numbers in another order may differ by so little


def permutation_p_value(a: Sequence[float], b: Sequence[float]) -> float:
    """The exact two-sided permutation test of two means, for a handful of seeds.

    Were the networks equally good, the n + m numbers could have been dealt to them in any way. Of all the ways to
    choose which n go to the first, the fraction in which the means are at least as far apart as they were found:

        p = #{ways: |mean(chosen) − mean(rest)| ≥ |mean(a) − mean(b)|} / #{ways}

    Runs of one seed see the images in the same order. Where that makes both networks better or worse together, their
    means differ less than by such dealing, and p is too large rather than too small.

    The smallest p that 5 and 5 seeds can give is 2/252. Raises ValueError if one of them is empty. Notebook 11.
    """
    if not a or not b:
        raise ValueError(f"each network needs at least one result, got {len(a)} and {len(b)}")
    results, found, at_least_as_far = [*a, *b], abs(fmean(a) - fmean(b)), []
    for chosen in combinations(range(len(results)), len(a)):
        first = [results[i] for i in chosen]
        rest = [result for i, result in enumerate(results) if i not in chosen]
        at_least_as_far.append(abs(fmean(first) - fmean(rest)) >= found - ROUNDING)
    return sum(at_least_as_far) / len(at_least_as_far)
