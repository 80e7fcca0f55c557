"""Exercise 2.6 of notebook 02: patterns with a given symmetry."""

from typing import Any

import torch
from torch import Tensor

from course_lib.actions import act_on_image
from course_lib.exercises import Function, Mistake, call, register
from course_lib.groups import D4, Element, Group

R = Element(0, 1)


def pattern_with_symmetry(subgroup: Group) -> Tensor:
    """A 4 × 4 pattern that the elements of ``subgroup`` leave unchanged, and the other elements of D4 do not.

    Adding up all copies under the subgroup makes them equal. Powers of 2 keep every other coincidence away.
    """
    pattern = (2 ** torch.arange(16)).reshape(4, 4)
    return torch.stack([act_on_image(s, pattern) for s in subgroup.elements]).sum(dim=0)


def _exactly_these_symmetries(f: Function, reference: Function) -> None:
    """Any pattern will do, so there is nothing to compare with: try the eight elements on it."""
    for subgroup in D4.subgroups:
        pattern = call(f, subgroup, example={"subgroup": subgroup})
        if problem := _wrong_symmetry(pattern, subgroup):
            raise Mistake(problem, {"subgroup": subgroup}, yours=pattern)


def _wrong_symmetry(pattern: Any, subgroup: Group) -> str | None:
    if not isinstance(pattern, Tensor) or pattern.ndim != 2 or pattern.shape[0] != pattern.shape[1]:
        is_tensor = isinstance(pattern, Tensor)
        what = f"has shape {tuple(pattern.shape)}" if is_tensor else f"is of type {type(pattern).__name__}"
        return f"Your function should return a square pattern, a tensor of shape (n, n); yours {what}."
    unchanged = {g for g in D4.elements if torch.allclose(act_on_image(g, pattern), pattern, atol=1e-6)}
    if missing := sorted(set(subgroup.elements) - unchanged):
        return f"Your pattern changes under {missing[0]}, which is in the subgroup, so it should stay as it is."
    if not (extra := sorted(unchanged - set(subgroup.elements))):
        return None
    also = f"Your pattern also stays as it is under {extra[0]}, which is not in the subgroup."
    if R in subgroup.elements and len(pattern) < 4:
        return f"{also} On fewer than 4 × 4 pixels, every pattern with quarter-turn symmetry has the mirrors as well."
    return f"{also} The pattern has too much symmetry: change some of its numbers."


register(
    "2.6",
    pattern_with_symmetry,
    minutes=15,
    difficulty=3,
    checks=[_exactly_these_symmetries],
    hints=[
        "You need no list of ten patterns. Start with a pattern that has no symmetry at all, and force the symmetry of "
        "the subgroup on it.",
        "Add up all copies L_s p of a pattern p, for s in the subgroup S. A further move by an element of S only "
        "reorders the sum.",
        "`torch.stack([act_on_image(s, pattern) for s in subgroup.elements]).sum(dim=0)`. Start with numbers such that "
        "no two sums agree by accident, and with more than 3 × 3 pixels.",
    ],
)
