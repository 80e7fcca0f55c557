"""Checks of exercises that build a network: with the same weights it must compute what the reference's does."""

import inspect
from functools import partial, update_wrapper
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.exercises.comparing import Mistake, call
from course_lib.exercises.registry import Function

SAME_PARTS = "The parts are the same, in the same order: look at how they are connected."


def compare_networks(f: Function, reference: Function, x: Tensor, *inputs: Any) -> None:
    """Raise a Mistake unless f(*inputs) and reference(*inputs) are the same network, for images or maps ``x``.

    Names of layers are free. The same weights are given to both, and what they compute is compared, in eval mode, and
    in training mode with the same random numbers, as dropout shows there alone.
    """
    example = dict(zip(inspect.signature(reference).parameters, inputs, strict=False))
    x = x.double()
    yours, expected = (_build(build, inputs, example) for build in (f, reference))
    run = update_wrapper(partial(yours), f)  # an error in a layer of the learner's own names its line
    other = _first_difference(expected, yours)
    y, wanted = call(run, x, example=example, because="" if other == SAME_PARTS else other), expected(x)
    if not isinstance(y, Tensor) or y.shape != wanted.shape:
        got = tuple(y.shape) if isinstance(y, Tensor) else type(y).__name__
        raise Mistake(f"An input {tuple(x.shape)} becomes {got}, expected {tuple(wanted.shape)}. {other}", example)
    counts = [sum(p.numel() for p in net.parameters()) for net in (expected, yours)]
    if _shapes(expected) != _shapes(yours):
        raise Mistake(
            f"Your network has {counts[1]:,} parameters, expected {counts[0]:,}. {other}",
            example,
        )
    if twice := _used_twice(yours):
        raise Mistake(
            f"One {twice} stands in two places of your network, with the same weights. Each place needs its own.",
            example,
        )
    _copy_noise(expected, yours)
    if not _compute_the_same(expected, yours, x):
        raise Mistake(f"Your network has the right parameters, but computes something else with them. {other}", example)


def _build(f: Function, inputs: tuple[Any, ...], example: dict[str, Any]) -> nn.Module:
    net = call(f, *inputs, example=example)
    if not isinstance(net, nn.Module):
        raise Mistake(
            f"Your function returned {type(net).__name__}, expected a network (such as EquivariantSequential).", example
        )
    return net.double().eval()


def _compute_the_same(a: nn.Module, b: nn.Module, x: Tensor) -> bool:
    if not torch.allclose(a(x), b(x)):
        return False
    outputs = []
    for net in (a, b):
        torch.manual_seed(0)
        outputs.append(net.train()(x))
    return torch.allclose(*outputs)


def _shapes(net: nn.Module) -> list[torch.Size]:
    return [value.shape for value in net.state_dict().values()]


def _copy_noise(source: nn.Module, target: nn.Module) -> None:
    """Random weights, gains and statistics for both, so that no layer is by chance the identity, not even a ReLU."""
    for (name, a), b in zip(source.state_dict().items(), target.state_dict().values(), strict=True):
        if a.is_floating_point():
            noise = torch.rand_like(a) if name.endswith("running_var") else torch.randn_like(a)
            a.copy_(a + 0.5 * noise)
            b.copy_(a)


def _used_twice(net: nn.Module) -> str | None:
    """A layer with weights that the network holds more than once, as text."""
    seen: set[nn.Module] = set()
    for _, layer in net.named_modules(remove_duplicate=False):
        if layer in seen and any(True for _ in layer.parameters(recurse=False)):
            return repr(layer)
        seen.add(layer)
    return None


def _first_difference(expected: nn.Module, yours: nn.Module) -> str:
    """The first part that is another one. Not "layer 3": a notebook's layers have three parts and more."""
    pairs = [[_name(layer) for layer in _leaves(net)] + [""] for net in (expected, yours)]
    for i, (want, got) in enumerate(zip(*pairs, strict=False), 1):
        if want != got:
            yours_is = f"number {i} of yours is {got}" if got else f"yours has no number {i}"
            return f"Counting every convolution, norm, ReLU and pool, {yours_is}, expected {want or 'nothing more'}."
    return SAME_PARTS


def _name(layer: nn.Module) -> str:
    """A layer as text. Every way to flatten gets one name, so that the reference's own class is not asked for."""
    return "Flatten()" if isinstance(layer, nn.Flatten) else repr(layer)


def _leaves(net: nn.Module) -> list[nn.Module]:
    """The layers in order; a ReLU that stands in two places counts in each."""
    return [layer for _, layer in net.named_modules(remove_duplicate=False) if not list(layer.children())]
