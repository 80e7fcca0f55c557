"""One network under one group: which of its layers break equivariance by themselves? The work behind `diagnose`."""

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from course_lib.checks.causes import explain, explain_between, explain_parameter
from course_lib.checks.culprit import EXACT_BELOW, Culprit, error_alone
from course_lib.checks.measuring import OUTPUT, action_of
from course_lib.checks.readings import CHANGES_PLACES, Reading, noise_like, readings
from course_lib.checks.tracing import Call, first_tensor, is_float_tensor, trace
from course_lib.groups import Element, Group

Errors = list[tuple[float, Element]]  # of the readings of one tensor, each for its worst element


@dataclass(frozen=True)
class Finding:
    """A layer that breaks equivariance by itself; if ``latent``, then once training has made its parameters differ."""

    layer: str
    kind: str
    error: float
    element: Element
    cause: str
    cure: str
    latent: bool = False


class Examination:
    """One net, its calls on x, and how well every reading of their inputs and outputs fits its calls on L_g x."""

    def __init__(self, net: nn.Module, group: Group, x: Tensor) -> None:
        self.net, self.group, self.x = net, group, x
        self.calls = trace(net, x)
        self.into: list[list[Errors]] = [[] for _ in self.calls]
        self.out: list[Errors] = [[] for _ in self.calls]
        act = action_of(x, group)
        for g in group.elements:
            seen = trace(net, act(g, x))
            if [call.name for call in seen] != [call.name for call in self.calls]:
                raise ValueError(f"the net calls other layers for L_g x than for x (g = {g}): they cannot be compared")
            for i, (call, other) in enumerate(zip(self.calls, seen, strict=True)):
                self._compare(i, g, call, other)

    def _compare(self, i: int, g: Element, call: Call, seen: Call) -> None:
        pairs = list(zip(call.inputs, seen.inputs, strict=True))
        self.into[i] = self.into[i] or [[] for _ in pairs]
        for errors, (a, b) in zip(self.into[i], pairs, strict=True):
            _update(errors, g, readings(a, self.group), a, b)
        if is_float_tensor(call.output):
            _update(self.out[i], g, readings(call.output, self.group), call.output, seen.output)

    def findings(self) -> tuple[Finding, ...]:
        """All that breaks equivariance by itself; nothing if the answers are exact nevertheless."""
        found = tuple(self._broken())
        error = self.output_error()
        if not found and error[0] >= EXACT_BELOW:
            return (self._at_the_output(error),)
        return () if error[0] < EXACT_BELOW and self._answers_are_exact() else found

    @property
    def leaves(self) -> list[int]:
        """The positions of the calls that made no other; those of the net itself if it is a single layer."""
        return [i for i, call in enumerate(self.calls[:-1]) if call.is_leaf] or [len(self.calls) - 1]

    def is_known(self, i: int) -> bool:
        """Whether there are readings of all that goes in and of what comes out."""
        return bool(self.into[i] and all(self.into[i]) and self.out[i])

    def _broken(self) -> Iterator[Finding]:
        """Up to the first fault every input is known to follow the group; then each layer is tried by itself."""
        intact, last, last_map = True, None, self.x if self.x.ndim >= 4 else None
        for i in filter(self.is_known, self.leaves):
            call = self.calls[i]
            arrives = max(min(errors) for errors in self.into[i])
            is_excused = self._inside_an_exact_module(i)
            if intact and arrives[0] >= EXACT_BELOW:
                intact = False
                if not is_excused:
                    yield Finding(f"before {call.name}", "(forward)", *arrives, *self._words_between(last, i))
            error, g = min(self.out[i]) if arrives[0] < EXACT_BELOW else error_alone(call, self.group)
            if error >= EXACT_BELOW and not is_excused:
                intact = False
                words = explain(Culprit(call, self.group, last_map))
                yield Finding(call.name or OUTPUT, type(call.module).__name__, error, g, *words)
            last = call
            last_map = call.output if call.output.ndim >= 4 else last_map

    def _words_between(self, last: Call | None, i: int) -> tuple[str, str]:
        """Is it a parameter that no layer owns, such as a table of positions? Then it is mended by making it equal."""
        for owner, module in self.net.named_modules():
            is_layer = not any(True for _ in module.children())
            for name, _parameter in () if is_layer else module.named_parameters(owner, recurse=False):
                net = copy.deepcopy(self.net)
                net.get_parameter(name).data.fill_(net.get_parameter(name).data.mean())
                if all(min(errors)[0] < EXACT_BELOW for errors in Examination(net, self.group, self.x).into[i]):
                    return explain_parameter(name, self.calls[i].name)
        call = self.calls[i]
        return explain_between(last, call.name, call.inputs[0], call.between)

    def _inside_an_exact_module(self, leaf: int) -> bool:
        """Whether a module around this leaf, other than the net, is exact as a whole and puts out a map."""
        return any(
            leaf in call.inside
            and all(min(errors)[0] < EXACT_BELOW for errors in self.into[i])
            and is_float_tensor(call.output)
            and call.output.ndim >= 4
            and min(self.out[i], default=(math.inf,))[0] < EXACT_BELOW
            for i, call in enumerate(self.calls[:-1])
        )

    def output_error(self) -> tuple[float, Element]:
        """Of the whole net. A vector must not change at all: that its entries change places is not enough."""
        output = self.calls[-1].output
        if not self.out[-1]:
            raise ValueError(f"the net must put out a tensor of floats, got {type(output).__name__}")
        pairs = zip(self.out[-1], readings(output, self.group), strict=True)
        return min(e for e, reading in pairs if reading is not CHANGES_PLACES or output.ndim > 2)

    def _at_the_output(self, error: tuple[float, Element]) -> Finding:
        leaves = [call for call in self.calls[:-1] if call.is_leaf]
        last, root = (leaves[-1] if leaves else None), self.calls[-1]
        return Finding(OUTPUT, "(forward)", *error, *explain_between(last, "the output", root.output, root.functions))

    def _answers_are_exact(self) -> bool:
        """On 16 more inputs: a broken layer that a maximum hides for two inputs shows in one of these."""
        x = noise_like((16, *self.x.shape[1:])).flip(0)
        act = action_of(x, self.group)
        with torch.no_grad():
            y = first_tensor(self.net(x))
            ways = [r for r in readings(y, self.group) if r is not CHANGES_PLACES or y.ndim > 2]
            seen = {g: first_tensor(self.net(act(g, x))) for g in self.group.elements}
        return any(all(r.error(g, y, seen[g]) < EXACT_BELOW for g in seen) for r in ways)


def _update(errors: Errors, g: Element, ways: list[Reading], y: Tensor, seen: Tensor) -> None:
    """Keep, for each reading, the largest error and its element."""
    errors += [(0.0, g)] * (len(ways) - len(errors))
    for k, reading in enumerate(ways):
        errors[k] = max(errors[k], (reading.error(g, y, seen), g))
