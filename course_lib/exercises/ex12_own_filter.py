"""Exercise 12.6 of notebook 12, which has many answers: a filter that becomes its own negative after a quarter turn."""

import math

import torch
from torch import Tensor

from course_lib.exercises import Mistake, call, register
from course_lib.exercises.registry import Function
from course_lib.steerable import steer, waves

SIZE = 7
FREQUENCIES = [m for _, m in waves(SIZE) for _ in range(2 if m else 1)]  # of each weight
SMALL = 1e-6
REASONS = {
    0: "A wave with m = 0 looks the same after every turn, so it cannot become its negative.",
    1: "A wave with m = 1 becomes its negative after a *half* turn. What is m times 90° here?",
    3: "For m = 3 a quarter turn turns the pair of weights by 270°. Its negative is 180° away.",
}


def opposite_filter() -> Tensor:
    """Weights (16,), not all 0, of a 7 × 7 filter that becomes its own negative after a quarter turn."""
    return torch.tensor([1.0 if m == 2 else 0.0 for _, m in waves(7) for _ in range(2 if m else 1)])


def _becomes_its_negative(f: Function, _reference: Function) -> None:
    weights = call(f)
    if not isinstance(weights, Tensor) or weights.shape != (len(FREQUENCIES),):
        got = f"shape {tuple(weights.shape)}" if isinstance(weights, Tensor) else f"a {type(weights).__name__}"
        raise Mistake(f"Expected a tensor of {len(FREQUENCIES)} weights, got {got}. Each wave with m > 0 has two.")
    given = weights.detach().double()
    if not given.isfinite().all():
        raise Mistake("Your filter has weights that are infinite or nan.")
    if not given.any():
        raise Mistake("All your weights are 0. This filter is its own negative, but it sees nothing.")
    off = (steer(given, math.pi / 2, SIZE) + given).abs() > SMALL * given.norm()
    for weight, m in enumerate(FREQUENCIES):
        if off[weight] and given[weight]:  # of a pair, name one that is not 0
            raise Mistake(f"Weight {weight} belongs to a wave with m = {m}. {REASONS[m]}", {"weights": given})


register(
    "12.6",
    opposite_filter,
    minutes=8,
    difficulty=2,
    checks=[_becomes_its_negative],
    hints=[
        "A turn by α turns a wave's pair of weights by mα. By which angle must a pair turn to become its negative?",
        "By 180°. With α = 90°, which of the frequencies 0, 1, 2 and 3 have mα = 180°? Only those may have weights "
        "other than 0.",
        "m = 2. `waves(7)` lists the rings and frequencies, in the order of the weights: one weight where m = 0, two "
        "where it is not. Two of the ten waves have m = 2, so four weights are yours to choose.",
    ],
)
