"""Exercises 11.2 to 11.4 of notebook 11: what a checkpoint must hold, and what a handful of seeds can tell."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial, update_wrapper
from io import BytesIO
from itertools import combinations
from math import comb
from statistics import fmean, median
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.optim import Adam, Optimizer

from course_lib.exercises import Function, compare, register
from course_lib.reports import permutation_p_value, smallest_p_value, verdict
from course_lib.training import restore_training_state, train_step, training_state

# 11.2 training_state

State = dict[str, Any]


def _in_training() -> tuple[nn.Module, Optimizer, Generator]:
    """A net with batch norm and dropout after two steps, in the middle of an epoch's order."""
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Dropout(0.5))
    optimizer, generator = Adam(net.parameters(), 0.1), Generator().manual_seed(0)
    for _ in range(2):
        batch = torch.randperm(6, generator=generator)
        train_step(net, torch.arange(12.0).reshape(6, 2)[batch], batch % 3, optimizer)
    return net, optimizer, generator


def _names(f: Function, part: str) -> list[str]:
    state = f(*_in_training())
    value = state.get(part) if part != "all" and isinstance(state, Mapping) else state
    return sorted(map(str, value)) if isinstance(value, Mapping) else [f"no names: a {type(value).__name__}"]


def _restored(f: Function, seed: int) -> dict[str, Tensor]:
    """What comes next after the state went through a file and into a process that began with another seed."""
    buffer = BytesIO()
    torch.manual_seed(0)
    torch.save(f(*_in_training()), buffer)
    torch.manual_seed(seed)
    net, optimizer, generator = _in_training()
    restore_training_state(torch.load(BytesIO(buffer.getvalue()), weights_only=True), net, optimizer, generator)
    moments = torch.cat([state["exp_avg"].flatten() for state in optimizer.state_dict()["state"].values()])
    weights = torch.cat([value.float().flatten() for value in net.state_dict().values()])
    order = torch.randperm(6, generator=generator)
    return {"weights": weights, "moments": moments, "next order": order, "next dropout": torch.rand(3)}


def _is_complete(f: Function, reference: Function) -> None:
    yours, expected = update_wrapper(partial(_names, f), f), partial(_names, reference)
    for part in ("all", "net", "optimizer", "random"):
        compare(yours, expected, part, because=f"What is stored ({part}), by name.")


def _goes_on(f: Function, reference: Function) -> None:
    yours, expected = update_wrapper(partial(_restored, f), f), partial(_restored, reference)
    compare(yours, expected, 1, because="After a restart all must be as it was.")


def _without(*parts: str) -> Function:
    """A wrong `training_state` that forgets parts."""

    def wrong(net: nn.Module, optimizer: Optimizer, generator: Generator) -> State:
        return {name: value for name, value in training_state(net, optimizer, generator).items() if name not in parts}

    return wrong


def _parameters_alone(net: nn.Module, optimizer: Optimizer, generator: Generator) -> State:
    return {**training_state(net, optimizer, generator), "net": {n: p.detach() for n, p in net.named_parameters()}}


def _groups_alone(net: nn.Module, optimizer: Optimizer, generator: Generator) -> State:
    return {**training_state(net, optimizer, generator), "optimizer": {"lr": optimizer.param_groups[0]["lr"]}}


def _order_alone(net: nn.Module, optimizer: Optimizer, generator: Generator) -> State:
    return {**training_state(net, optimizer, generator), "random": generator.get_state()}


def _seed_for_state(net: nn.Module, optimizer: Optimizer, generator: Generator) -> State:
    return training_state(net, optimizer, Generator().manual_seed(generator.initial_seed()))


def _objects(*parts: str) -> Function:
    """A wrong `training_state` that stores objects themselves."""

    def wrong(net: nn.Module, optimizer: Optimizer, generator: Generator) -> State:
        objects = {"net": net, "optimizer": optimizer, "random": generator}
        return {**training_state(net, optimizer, generator), **{part: objects[part] for part in parts}}

    return wrong


def _methods(*parts: str) -> Function:
    """A wrong `training_state` that does not call `state_dict`."""

    def wrong(net: nn.Module, optimizer: Optimizer, generator: Generator) -> State:
        methods = {"net": net.state_dict, "optimizer": optimizer.state_dict}
        return {**training_state(net, optimizer, generator), **{part: methods[part] for part in parts}}

    return wrong


OBJECTS = (
    "You store the objects themselves (the net, the optimizer or the generator). They go on changing, and a file that "
    "holds objects breaks when their code changes: store their states, which are tensors and numbers."
)

register(
    "11.2",
    training_state,
    minutes=8,
    difficulty=2,
    checks=[_is_complete, _goes_on],
    hints=[
        "Both `net` and `optimizer` have a method `state_dict()`. It holds the statistics of batch norm as well.",
        "`random_states(device, generator)` collects the states of Python, NumPy, torch and `generator`; the device is "
        "that of the weights: `next(net.parameters()).device`.",
    ],
    known_mistakes=[
        (_without("optimizer"), "The optimizer is missing: Adam and momentum remember earlier gradients."),
        (_without("random"), "The random states are missing: order, augmentation and dropout go on from them."),
        (_without("optimizer", "random"), "Optimizer and random states are missing: weights alone do not go on."),
        (_parameters_alone, "You store the parameters alone; the running statistics of batch norm are missing."),
        (_groups_alone, "Of the optimizer you store the rate alone: what it remembers is in `optimizer.state_dict()`."),
        *[(_objects(*parts), OBJECTS) for n in (1, 2, 3) for parts in combinations(("net", "optimizer", "random"), n)],
        (
            _order_alone,
            "You store the state of one generator only. Order and angles come from `generator`. Dropout draws from "
            "torch's own: `random_states` has all.",
        ),
        (
            _methods("net", "optimizer"),
            "`state_dict` is a method: call it, `state_dict()`.",
        ),
        (_methods("net"), "`state_dict` is a method: call it, `net.state_dict()`."),
        (_methods("optimizer"), "`state_dict` is a method: call it, `optimizer.state_dict()`."),
        (
            lambda net, optimizer, generator: {
                **training_state(net, optimizer, generator),
                "random": generator.initial_seed(),
            },
            "You store the *seed* of the generator. It has moved on since: its state is needed.",
        ),
        (
            lambda net, optimizer, generator: {
                **training_state(net, optimizer, generator),
                "net": list(net.parameters()),
            },
            "You store the parameters without their names, and no statistics of batch norm: use `net.state_dict()`.",
        ),
        (
            lambda net, optimizer, generator: {
                **training_state(net, optimizer, generator),
                "optimizer": optimizer.param_groups,
            },
            "The settings of the optimizer are not what it remembers. Both are in `optimizer.state_dict()`.",
        ),
        (
            lambda *process: tuple(training_state(*process).values()),
            'Return one dictionary, with the names "net", "optimizer" and "random".',
        ),
        (_seed_for_state, "You store the *seed* of the generator. It has moved on since: its state is needed."),
    ],
)

# 11.3 permutation_p_value


def _p_values(f: Function, reference: Function) -> None:
    compare(f, reference, [1.0], [2.0], because="Two ways to deal two numbers, both with the same distance.")
    compare(f, reference, [1.0, 2.0], [3.0, 4.0], because="Of six ways two are as far apart.")
    compare(f, reference, [3.0, 4.0], [1.0, 2.0], because="Which network is called first does not matter.")
    compare(f, reference, [2.0, 4.0, 6.0], [3.0, 5.0], because="The networks may have different numbers of seeds.")
    compare(f, reference, [5.2, 5.3, 5.1], [5.2, 5.0, 5.1], because="Equal distances count.")
    compare(f, reference, [5.2, 5.3, 5.1, 5.4], [5.2, 4.9, 5.1], because="Any numbers.")


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
        (lambda a, b: 1 - permutation_p_value(a, b), "This is the share of the ways that are *less* far apart."),
    ],
)

# 11.4 verdict

LOW, HIGH = [1.0, 1.1, 1.2, 1.3], [2.0, 2.1, 2.2, 2.3]


def _verdicts(f: Function, reference: Function) -> None:
    compare(f, reference, LOW, HIGH, because="All of a are below all of b, and p = 2/70.")
    compare(f, reference, HIGH, LOW, because="All of a are above all of b, and p = 2/70.")
    compare(f, reference, [1.0, 2.0, 3.0, 4.0], [1.1, 2.1, 3.1, 4.1], because="p is close to 1 here.")
    compare(f, reference, LOW[:3], HIGH[:3], because="Three seeds of each: no p can be below 2/20.")
    compare(f, reference, LOW[:3], [0.9, 1.4, 1.15], because="With three seeds of each nothing can be told at all.")
    compare(f, reference, LOW[:2], [*HIGH, 2.4], because="Two and five seeds: the smallest possible p is 1/21.")
    compare(f, reference, LOW, HIGH, 0.01, because="At the level 0.01 even 2/70 is too much.")


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


def _always_two(n: int, m: int) -> float:
    return 2 / math.comb(n + m, n)


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
            _verdict_of(smallest=_always_two),
            "The smallest p is 2 / deals only for equally many seeds, else it is 1 / deals: use `smallest_p_value`.",
        ),
    ],
)
