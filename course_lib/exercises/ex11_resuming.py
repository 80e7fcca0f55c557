"""Exercise 11.2 of notebook 11: what a checkpoint must hold."""

from collections.abc import Mapping
from functools import partial, update_wrapper
from io import BytesIO
from itertools import combinations
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.optim import Adam, Optimizer

from course_lib.exercises import Function, compare, register
from course_lib.training import restore_training_state, train_step, training_state
from course_lib.training.randomness import random_states

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
    if not isinstance(value, Mapping):
        return [f"no names: a {type(value).__name__}"]
    return sorted(name if isinstance(name, str) else f"a {type(name).__name__} as a name" for name in value)


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
        compare(yours, expected, part, because=partial(_which_names, part))


def _which_names(part: str, expected: list[str], yours: list[str]) -> str:
    """The names that are missing from a part of the dictionary, and those that are too many."""
    where = "Your dictionary" if part == "all" else f'What you store as "{part}"'
    told = {
        "lacks": [n for n in expected if n not in yours],
        "should not have": [n for n in yours if n not in expected],
    }
    return f"{where} {' and '.join(f'{verb} {names}' for verb, names in told.items() if names)}."


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
    "You store the objects themselves (the net, the optimizer or the generator). They keep changing, and a file that "
    "holds objects breaks when their code changes: store their states, which are tensors and numbers."
)


def _first_optimizer() -> None:
    """The first optimizer imports much of torch, which takes seconds."""
    Adam([torch.zeros(1)])


register(
    "11.2",
    training_state,
    minutes=8,
    difficulty=2,
    checks=[_is_complete, _goes_on],
    warm_up=_first_optimizer,
    hints=[
        "Both `net` and `optimizer` have a method `state_dict()`. The net's holds the statistics of batch norm, too.",
        "`random_states(device, generator)` collects the states of Python, NumPy, torch and `generator`; the device is "
        "that of the weights: `next(net.parameters()).device`.",
    ],
    known_mistakes=[
        (_without("optimizer"), "The optimizer is missing: Adam and momentum remember earlier gradients."),
        (_without("random"), "The random states are missing: order, augmentation and dropout continue from them."),
        (
            _without("optimizer", "random"),
            "Optimizer and random states are missing: with the weights alone a run cannot resume.",
        ),
        (_parameters_alone, "You store only the parameters; the running statistics of batch norm are missing."),
        (_groups_alone, "You store only the learning rate: what the optimizer remembers is in its `state_dict()`."),
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
            lambda net, optimizer, generator: {
                **training_state(net, optimizer, generator),
                "optimizer": optimizer.state,
            },
            "`optimizer.state` is only a part of what is needed, without names: use `optimizer.state_dict()`.",
        ),
        (
            lambda *process: tuple(training_state(*process).values()),
            'Return one dictionary, with the names "net", "optimizer" and "random".',
        ),
        (
            lambda net, optimizer, generator: {
                **training_state(net, optimizer, generator),
                "random": {"torch": torch.get_rng_state()},
            },
            "You store only the state of torch's own generator. `random_states` has the others, too.",
        ),
        (
            lambda net, optimizer, generator: {
                **training_state(net, optimizer, generator),
                "random": random_states("cpu", generator),  # type: ignore[arg-type]
            },
            'The device is a `torch.device`, not its name: `next(net.parameters()).device`, or `torch.device("cpu")`.',
        ),
        (_seed_for_state, "You store the *seed* of the generator. It has moved on since: its state is needed."),
    ],
)
