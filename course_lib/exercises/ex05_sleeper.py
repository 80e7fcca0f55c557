"""Exercise 5.6 of notebook 05, which has many answers: a network that is exact when it is new, and only then."""

from functools import update_wrapper

import torch
from torch import Tensor, nn

from course_lib.checks import equivariance_error, make_unequal
from course_lib.exercises import Mistake, call, register
from course_lib.exercises.registry import Function
from course_lib.groups import C4

EXACT, BROKEN = 1e-8, 1e-3
SHAPES = (
    "Your network has to take images (B, 1, 15, 15), and each layer what the one before it hands on: after a lifting "
    "layer these are maps with five axes."
)


def sleeper() -> nn.Module:
    """A network for images (B, 1, 15, 15) that is exact under C4 when it is new, and breaks when its weights change."""
    conv = nn.Conv2d(1, 1, 3)
    nn.init.constant_(conv.weight, 1 / 9)  # a filter with equal weights has no direction, until training gives it one
    return conv


def _error(net: nn.Module, f: Function, images: Tensor) -> float:
    measure = update_wrapper(lambda: equivariance_error(net, C4, images).error, f)  # an error names the learner's line
    return float(call(measure, because=SHAPES))


def _sleeps(f: Function, _reference: Function) -> None:
    net = call(f)
    if not isinstance(net, nn.Module):
        raise Mistake(f"Your function returned a {type(net).__name__}, expected a network, such as nn.Sequential(...).")
    net, images = net.double().eval(), torch.randn(2, 1, 15, 15, dtype=torch.float64)
    if (new := _error(net, f, images)) > EXACT:
        raise Mistake(
            f"Your network is broken from the start: its error is {new:.2g}. A plain test would find that. Its fault "
            "should be hidden as long as some of its parameters are equal."
        )
    first, second = net(images[:1]), net(images[1:])
    if torch.allclose(first, second):
        raise Mistake("Your network gives every image the same output, so a test says nothing about it. Let it look.")
    make_unequal(net, torch.Generator().manual_seed(0))
    if (later := _error(net, f, images)) < BROKEN:
        raise Mistake(
            f"Your network stays exact after equal parameters were made to differ: its error is {later:.1g}. It has no "
            "parameter (with equal values at the start) that belongs to one sheet, one pixel or one direction."
        )


register(
    "5.6",
    sleeper,
    minutes=10,
    difficulty=2,
    checks=[_sleeps],
    hints=[
        "Section 5 has one such network. What is equal there at the start, and differs after training? Which other "
        "parameters start equal, or could?",
        "Some ideas: a gain or a bias for each sheet or each pixel, which starts as 1 or 0; equal weights in a "
        "linear layer on a flattened group axis, or in an ordinary convolution.",
        "A 3 × 3 filter with nine equal weights has no direction, so `nn.Conv2d(1, 1, 3)` with "
        "`nn.init.constant_(conv.weight, 1 / 9)` is exact under C4. The first training step gives it a direction.",
    ],
)
