"""A layer that breaks equivariance, taken out of its network: how far off is it by itself, and what would mend it?"""

import copy
import math
from dataclasses import dataclass

from torch import Tensor, nn

from course_lib.checks.readings import noise_like, readings
from course_lib.checks.tracing import Call
from course_lib.groups import Element, Group

EXACT_BELOW = 1e-10


@dataclass(frozen=True)
class Culprit:
    """A layer that breaks equivariance, the group, and the last map (with pixels) that a layer before it put out."""

    call: Call
    group: Group
    before: Tensor | None

    @property
    def module(self) -> nn.Module:
        return self.call.module

    @property
    def x(self) -> Tensor:
        return self.call.inputs[0]

    def exact(self, module: nn.Module | None = None, size: tuple[int, int] | None = None) -> bool:
        """Would the layer be exact, changed to this module, or on noise of this size?"""
        x = self.x if size is None else noise_like((*self.x.shape[:-2], *size))
        arguments = copy.copy(self.call)
        arguments.module = module or self.module
        if size is not None:
            arguments.args, arguments.kwargs = (x,), {}
        return error_alone(arguments, self.group)[0] < EXACT_BELOW


def error_alone(call: Call, group: Group) -> tuple[float, Element]:
    """The error of a module by itself, for its worst element, under the readings of input and output that suit best."""
    best = (math.inf, group.elements[-1])
    output = call.again(lambda y: y)
    x = call.inputs[0]
    for reading in readings(x, group):
        # A reading that moves the channel axis of a convolution's input cannot be fed to it.
        if (move := reading.move) is None or any(move(g, x).shape[:2] != x.shape[:2] for g in group.elements):
            continue
        moved = {g: call.again(lambda y, g=g, move=move: move(g, y)) for g in group.elements}  # type: ignore[misc]
        for expected in readings(output, group):
            errors = [(expected.error(g, output, moved[g]), g) for g in group.elements]
            best = min(best, max(errors))
    return best
