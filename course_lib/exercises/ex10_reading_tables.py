"""Exercises 10.2, 10.6 and 10.7 of notebook 10: how wide, what is reported, and how certain a gap is."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from course_lib.exercises import Function, compare, register
from course_lib.experiments.protocol import Report, gap_uncertainty, reported_error
from course_lib.models.widths import width_for

# 10.2 width_for


def square(width: int) -> int:
    """A count to try: 10·w²."""
    return 10 * width**2


def with_a_part_that_stays(width: int) -> int:
    """A count to try: 7·w² + 3·w + 50."""
    return 7 * width**2 + 3 * width + 50


def _widths(f: Function, reference: Function) -> None:
    for count, wanted in (
        (square, 100),
        (square, 640),
        (square, 130),
        (square, 125),
        (square, 1),
        (with_a_part_that_stays, 25_210),
    ):
        compare(f, reference, count, wanted, because=partial(_distances, count, wanted))


def _distances(count: Callable[[int], int], wanted: float, expected: int, yours: Any) -> str:
    widths = sorted({expected, *([yours] if isinstance(yours, int) and yours > 0 else [])})
    away = [f"{abs(count(w) - wanted):g}" for w in widths]
    told = " and ".join(f"{far} away at width {w}" for far, w in zip(away, widths, strict=True))
    tie = " Of two that are equally near, the smaller one counts." if len(set(away)) < len(away) else ""
    return f"The wanted count is {wanted:g}; the count is {told}.{tie}"


def _first_above(count: Callable[[int], int], wanted: float) -> int:
    width = 1
    while count(width) < wanted:
        width += 1
    return width


def _last_below(least: int, count: Callable[[int], int], wanted: float) -> int:
    return max(least, _first_above(count, wanted + 1) - 1)


def _by_root(least: int, count: Callable[[int], int], wanted: float) -> int:
    return max(least, round(math.sqrt(wanted / count(1))))


BELOW = "That is the last width whose count does not exceed `wanted`. The one after it may be nearer."
GROWTH = "You assume that the count grows like width². Norms, biases, the lift and the last layer grow otherwise."

register(
    "10.2",
    width_for,
    minutes=8,
    difficulty=1,
    checks=[_widths],
    hints=[
        "Try the widths 1, 2, 3, … As the count grows, its distance from `wanted` first falls and then rises.",
        "Continue as long as the *next* width is nearer: compare `abs(count(width + 1) - wanted)` with "
        "`abs(count(width) "
        "- wanted)`.",
    ],
    known_mistakes=[
        (
            _first_above,
            "That is the first width whose count reaches `wanted`. The one before it may be nearer.",
        ),
        *((partial(_last_below, least), BELOW) for least in (0, 1)),
        (
            lambda count, wanted: max(1, round(wanted / count(1))),
            "You assume that the count is proportional to the width. Most weights join channels to channels: width².",
        ),
        *((partial(_by_root, least), GROWTH) for least in (0, 1)),
        (
            lambda count, wanted: min(range(_first_above(count, wanted) + 1), key=lambda w: abs(count(w) - wanted)),
            "You may return 0. A network needs a width of 1 at least: start there.",
        ),
        (
            lambda count, wanted: count(width_for(count, wanted)),
            "That is the count. Return the width.",
        ),
        (
            lambda count, wanted: width_for(count, wanted) + 1,
            "You are one too wide: stop *before* the distance grows.",
        ),
        (
            lambda count, wanted: width_for(count, wanted) - 1,
            "You are one too narrow. Widths start at 1, while positions in a list start at 0.",
        ),
        (
            lambda count, wanted: width_for(count, wanted + 1e-6),
            "If two widths are equally near, you take the larger one. Take the smaller: compare with <, not with <=.",
        ),
        (
            lambda count, wanted: abs(count(width_for(count, wanted)) - wanted),
            "That is the smallest distance. Return the width at which it is reached.",
        ),
    ],
)

# 10.6 reported_error


RULES: dict[Report, str] = {
    "last epoch": "Report the test error after the last epoch.",
    "best validation epoch": "Report the test error of the epoch whose validation error is smallest.",
    "best test epoch": "Report the smallest test error.",
}
FIRST = "If several epochs are equally good, the first one counts."


def _reports(f: Function, reference: Function) -> None:
    validation, test = [3.0, 1.0, 2.0, 2.5], [3.5, 2.0, 1.5, 2.2]
    for report, rule in RULES.items():
        compare(f, reference, validation, test, report, because=rule)
        compare(f, reference, [2.0, 1.0, 1.0], [2.0, 5.0, 3.0], report, because=FIRST)


def _reporting(last: Function, validated: Function, tested: Function) -> Function:
    def report_of(validation: Sequence[float], test: Sequence[float], report: Report) -> float:
        rules = {"last epoch": last, "best validation epoch": validated, "best test epoch": tested}
        return float(rules[report](validation, test))

    return report_of


def _last(validation: Sequence[float], test: Sequence[float]) -> float:
    return test[-1]


def _validated(validation: Sequence[float], test: Sequence[float]) -> float:
    return reported_error(validation, test, "best validation epoch")


def _tested(validation: Sequence[float], test: Sequence[float]) -> float:
    return min(test)


register(
    "10.6",
    reported_error,
    minutes=6,
    difficulty=1,
    checks=[_reports],
    hints=[
        "All three return a number of `test`. They differ in the epoch: the last, that of the smallest validation "
        "error, or that of the smallest test error.",
        "The position of the smallest number of a list: `min(range(len(test)), key=validation.__getitem__)`.",
    ],
    known_mistakes=[
        (
            _reporting(_last, lambda validation, test: min(validation), _tested),
            "For the best validation epoch you return its *validation* error. The epoch was selected by this error, so "
            "it is too small. Return the test error of that epoch.",
        ),
        (
            _reporting(_last, _tested, _tested),
            "The best validation epoch is chosen by the validation errors, not by the test errors.",
        ),
        (
            _reporting(
                _last,
                lambda validation, test: test[max(range(len(test)), key=validation.__getitem__)],
                lambda validation, test: max(test),
            ),
            "You take the largest. But these are errors: the best is the smallest.",
        ),
        (
            _reporting(_last, lambda validation, test: test[-1 - validation[::-1].index(min(validation))], _tested),
            "If several epochs are equally good, you take the last one. Take the first.",
        ),
        (
            _reporting(
                lambda validation, test: len(test) - 1,
                lambda validation, test: validation.index(min(validation)),
                lambda validation, test: test.index(min(test)),
            ),
            "You return the number of the epoch. Return the test error after this epoch.",
        ),
        (
            _reporting(lambda validation, test: validation[-1], _validated, _tested),
            "For the last epoch you return the validation error. The test error is what is reported.",
        ),
        (
            _reporting(_last, _validated, lambda validation, test: validation[test.index(min(test))]),
            "For the best test epoch you return its *validation* error. All three habits report a test error.",
        ),
        (
            _reporting(*[lambda validation, test: min(validation)] * 3),
            "You always return the smallest validation error. All three habits report a test error.",
        ),
        (_reporting(_last, _last, _last), "You always return the last test error, whatever `report` says."),
        (_reporting(_tested, _tested, _tested), "You always return the smallest test error, whatever `report` says."),
        (
            _reporting(_last, _tested, _validated),
            'You have the two best epochs the other way round: "best validation epoch" selects by `validation`, '
            '"best test epoch" by `test`.',
        ),
        (
            _reporting(lambda validation, test: test[0], _validated, _tested),
            "For the last epoch you return the error after the first one. The last one is `test[-1]`.",
        ),
    ],
)

# 10.7 gap_uncertainty


def _gaps(f: Function, reference: Function) -> None:
    one = "With one seed each, how do two deviations combine to that of a difference?"
    compare(f, reference, 3.0, 4.0, 1, because=one)
    compare(f, reference, 3.0, 4.0, 4, because="One seed was right. Four times the seeds must halve the error.")
    compare(f, reference, 0.061, 0.07, 5)


ONE_LESS = (
    "You divide by n − 1. That belongs in the standard deviation over the seeds, which is already given. How "
    "does the variance of a mean depend on the number of its runs?"
)

register(
    "10.7",
    gap_uncertainty,
    minutes=5,
    difficulty=1,
    checks=[_gaps],
    hints=[
        "The mean of n runs has the variance s²/n. What is the variance of a difference of two independent numbers?",
        "Variances add, also for a difference: s_a²/n + s_b²/n. The answer is its square root.",
    ],
    known_mistakes=[
        (
            lambda a, b, n: (a + b) / math.sqrt(n),
            "You add the deviations. But it is the variances, their squares, that add up.",
        ),
        (lambda a, b, n: math.sqrt(a * a + b * b), "The number of seeds is missing: a mean of n runs varies less."),
        (
            lambda a, b, n: math.sqrt(a * a + b * b) / n,
            "You divide by n. The *variance* is divided by n, so the deviation is divided by √n.",
        ),
        (lambda a, b, n: math.sqrt((a * a + b * b) / (n - 1)), ONE_LESS),
        (lambda a, b, n: math.sqrt((a * a + b * b) / max(n - 1, 1)), ONE_LESS),
        (
            lambda a, b, n: max(a, b) / math.sqrt(n),
            "You take the larger deviation only. Both means vary, and their variances add.",
        ),
        (
            lambda a, b, n: 2 * math.sqrt((a * a + b * b) / n),
            "That is two standard errors, the gap that may well be chance. Return one.",
        ),
        (
            lambda a, b, n: math.sqrt((a * a + b * b) * n),
            "You multiply by n. A mean of more runs varies less: divide the variances by n.",
        ),
        (lambda a, b, n: (a * a + b * b) / n, "That is the variance. Take its square root."),
        (
            lambda a, b, n: math.sqrt((a * a + b * b) / (2 * n)),
            "You average the two variances. The variance of a difference is their sum.",
        ),
        (
            lambda a, b, n: (a + b) / 2 / math.sqrt(n),
            "You average the two deviations. A difference of two numbers varies more than each of them: add variances.",
        ),
        (
            lambda a, b, n: math.sqrt((a + b) / n),
            "You take the root of the deviations themselves. Square them first: the variances are s_a² and s_b².",
        ),
        (
            lambda a, b, n: abs(a - b) / math.sqrt(n),
            "You subtract the deviations. The uncertainties of two independent means do not cancel: variances add.",
        ),
        (
            lambda a, b, n: math.sqrt(a * a + b * b / n),
            "You divide only one of the variances by n. Both means are over n runs.",
        ),
        (
            lambda a, b, n: math.sqrt(abs(a * a - b * b) / n),
            "You subtract the variances. Errors of independent runs do not cancel: variances add.",
        ),
    ],
)
