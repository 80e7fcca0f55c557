"""What runs say of each other: those that were trained alike, and whether a published order is found again."""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, stdev
from typing import Any

from course_lib.experiments import TABLES, Claim, Recipe
from course_lib.experiments.markdown import pipe_table
from course_lib.groups import ALL_GROUPS
from course_lib.reports.significance import permutation_p_value
from course_lib.training.result_files import Result, recipe_of


def trained_alike(
    results: Iterable[Result], dataset: str, recipe: Recipe | None = None, **changes: Any
) -> dict[str, list[Result]]:
    """Row → its runs on this data set with exactly these changes of the recipe, in the order of their seeds.

    With a ``recipe``, such as ``LAPTOP["rotated-mnist"]``, only runs whose recipe equals it in every field: then the
    networks differ in nothing else. Without one, runs by the published recipes, which may differ from row to row.
    Small runs are left out. ``dataset`` is the name in the result file, such as "cifar10-jpeg". Notebook 11.
    """
    wanted = json.loads(json.dumps(asdict(recipe))) if recipe else None  # a tuple is stored as a list
    alike: dict[str, list[Result]] = {}
    for result in sorted(results, key=lambda result: result["seed"]):
        by_recipe = result["recipe"] == wanted if recipe else recipe_of(result) == "published"
        same = by_recipe and result["dataset"]["name"] == dataset and result["changes"] == changes
        if same and not result["small"]:
            alike.setdefault(result["row"], []).append(result)
    return alike


def not_yet_run(alike: Mapping[str, Sequence[Result]], rows: Iterable[str], **changes: Any) -> str:
    """Which of these rows have no run by the laptop recipe with these changes, and the command that makes one."""
    missing = [row for row in dict.fromkeys(rows) if row not in alike]
    if not missing:
        return "All of these rows have been run."
    words = re.sub(rf"-({'|'.join(group.name for group in ALL_GROUPS)})-(\d+)$", r" --group \1 --width \2", missing[0])
    options = "".join(f" --{name.replace('_', '-')} {value}" for name, value in changes.items())
    return (
        f"Not yet run: {', '.join(missing)}. For the first: python -m course_lib train {words} --recipe laptop{options}"
    )


def errors_of(runs: Iterable[Result]) -> list[float]:
    """The final test error of each run, in percent."""
    return [run["final"]["test_error_percent"] for run in runs]


@dataclass(frozen=True)
class Comparison:
    """Two rows, of which the first makes fewer errors in print.

    ``published`` and ``ours`` are how many points lower its error is, ours a difference of means; ``p`` is that of
    `permutation_p_value`, ``smallest_p`` the smallest that this many seeds can give, and ``verdict`` what was found.
    """

    published: float | None
    ours: float
    p: float
    smallest_p: float
    verdict: str


def smallest_p_value(n: int, m: int) -> float:
    """The smallest p that `permutation_p_value` can give for n and m results.

    Where n = m, the deal that exchanges the two networks is as far apart as the one found, so at least two count.
    """
    return (2 if n == m else 1) / math.comb(n + m, n)


def verdict(a: Sequence[float], b: Sequence[float], level: float = 0.05) -> str:
    """What the errors ``a`` and ``b`` of two networks say of the claim that the first makes fewer errors.

    "too few seeds to tell" where even the smallest possible p is above the level; else "within noise" where p is; else
    "holds" or "the other way round". Raises ValueError if one of them is empty. Notebook 11.
    """
    p = permutation_p_value(a, b)
    if smallest_p_value(len(a), len(b)) > level:
        return "too few seeds to tell"
    if p > level:
        return "within noise"
    return "holds" if fmean(a) < fmean(b) else "the other way round"


def compared(better: str, worse: str, a: Sequence[float], b: Sequence[float]) -> Comparison:
    """Compare the errors ``a`` of the row ``better`` with ``b`` of ``worse``, both in percent.

    A row that stands in no table, such as a `variant`, has no published gap. Raises ValueError if one has no errors, or
    if ``better`` makes more errors in print. Notebook 11.
    """
    published = {row.key: row.error for table in TABLES.values() for row in table.rows}
    low, high = published.get(better), published.get(worse)
    gap = None if low is None or high is None else high - low
    if gap is not None and gap < 0:
        raise ValueError(f"in print {better} makes {low:.2f} % errors and {worse} {high:.2f} %: name {worse} first")
    p, found = permutation_p_value(a, b), verdict(a, b)  # before the means: they refuse empty lists
    if not gap:  # of what no paper says, nothing can hold
        found = {"holds": "fewer errors", "the other way round": "more errors"}.get(found, found)
    return Comparison(gap, fmean(b) - fmean(a), p, smallest_p_value(len(a), len(b)), found)


def claims_markdown(alike: Mapping[str, Sequence[Result]], claims: Iterable[Claim]) -> str:
    """A line for each claim, with the errors of both rows and the verdict; claims that were not run say so."""
    lines = []
    for claim in claims:
        if claim.better not in alike or claim.worse not in alike:
            lines.append([claim.words, claim.source, "", "", "", "*not yet run*"])
            continue
        a, b = errors_of(alike[claim.better]), errors_of(alike[claim.worse])
        found = compared(claim.better, claim.worse, a, b)
        gap = "–" if found.published is None else f"{found.published:.2f}"
        ours = f"{found.ours:+.2f} = {_spread(b)} − {_spread(a)}".replace("-", "−")
        p = f"{found.p:.3f} (≥ {found.smallest_p:.3f})"
        lines.append([claim.words, claim.source, gap, ours, p, f"**{found.verdict}**"])
    return pipe_table(("claim", "by", "published gap", "our gap, in points", "p (smallest possible)", "here"), lines)


def _spread(errors: Sequence[float]) -> str:
    deviation = f" ± {stdev(errors):.2f}" if len(errors) > 1 else ""
    return f"{fmean(errors):.2f}{deviation} ({len(errors)})"
