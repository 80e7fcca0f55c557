"""Exercise 5.4 of notebook 05: the error after each layer."""

from collections.abc import Callable, Iterable
from itertools import accumulate

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.checks import action_of, equivariance_error, error_by_depth, relative_error
from course_lib.exercises import compare, register
from course_lib.exercises.registry import Function
from course_lib.groups import C4, D4, Element, Group, inverse
from course_lib.layers import GroupConv2d, LiftingConv2d

# 5.4 error_by_depth


class Layer(nn.Module):
    """A layer that copies as itself: `compare` looks whether an answer changes its inputs, and modules have no ==."""

    def __init__(self, name: str, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.name, self.function = name, function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)

    def __deepcopy__(self, _memo: object) -> "Layer":
        return self

    def __repr__(self) -> str:
        return self.name


def _smear(x: Tensor) -> Tensor:
    return x + F.pad(x, (0, 1))[..., 1:] + 0.1 * x.square()


# Not equivariant: adds the right neighbor of each pixel, and a little of the square.
SMEAR = Layer("smear", _smear)


def _measuring(error: Function) -> Function:
    """The reference with another measure of one layer: error(group, turned maps, plain map)."""

    def errors(layers: Iterable[nn.Module], group: Group, x: Tensor) -> list[float]:
        plain, turned, errors = x, [action_of(x, group)(g, x) for g in group.elements], []
        with torch.no_grad():
            for layer in layers:
                plain, turned = layer(plain), [layer(y) for y in turned]
                errors.append(error(group, turned, plain))
        return errors

    return errors


def _each(group: Group, turned: list[Tensor], plain: Tensor, error: Function = relative_error) -> list[float]:
    return [error(y, action_of(plain, group)(g, plain)) for g, y in zip(group.elements, turned, strict=True)]


def _alone(layers: Iterable[nn.Module], group: Group, x: Tensor) -> list[float]:
    errors = []
    with torch.no_grad():
        for layer in layers:
            errors += error_by_depth([layer], group, x)
            x = layer(x)
    return errors


def _always_from_x(layers: Iterable[nn.Module], group: Group, x: Tensor) -> list[float]:
    return [error_by_depth([layer], group, x)[0] for layer in layers]


def _plain_stays(layers: Iterable[nn.Module], group: Group, x: Tensor) -> list[float]:
    return list(_measuring(lambda _group, turned, _plain: max(_each(group, turned, x)))(layers, group, x))


def _turned_anew(layers: Iterable[nn.Module], group: Group, x: Tensor) -> list[float]:
    plain, errors = x, []
    with torch.no_grad():
        for layer in layers:
            plain = layer(plain)
            errors.append(max(_each(group, [layer(action_of(x, group)(g, x)) for g in group.elements], plain)))
    return errors


def _turned_again(layers: Iterable[nn.Module], group: Group, x: Tensor) -> list[float]:
    plain, turned, errors = x, [x] * group.order, []
    with torch.no_grad():
        for layer in layers:
            turned = [layer(action_of(y, group)(g, y)) for g, y in zip(group.elements, turned, strict=True)]
            plain = layer(plain)
            errors.append(max(_each(group, turned, plain)))
    return errors


def _plain_not_handed_on(layers: Iterable[nn.Module], group: Group, x: Tensor) -> list[float]:
    turned, errors = [action_of(x, group)(g, x) for g in group.elements], []
    with torch.no_grad():
        for layer in layers:
            turned = [layer(y) for y in turned]
            errors.append(max(_each(group, turned, layer(x))))
    return errors


def _plain_goes_on(layers: Iterable[nn.Module], group: Group, x: Tensor) -> list[float]:
    layers, plain = list(layers), x
    errors = [0.0] * len(layers)
    with torch.no_grad():
        for g in group.elements:
            turned = action_of(x, group)(g, x)
            for i, layer in enumerate(layers):
                plain, turned = layer(plain), layer(turned)
                errors[i] = max(errors[i], relative_error(turned, action_of(plain, group)(g, plain)))
    return errors


def _one_element(layers: Iterable[nn.Module], group: Group, x: Tensor, g: Element) -> list[float]:
    at_g = group.elements.index(g)
    return list(_measuring(lambda *maps: _each(*maps)[at_g])(layers, group, x))


def _increases(errors: list[float]) -> list[float]:
    return [after - before for before, after in zip([0.0, *errors], errors, strict=False)]


def _errors_of_rows(f: Function, reference: Function) -> None:
    exact = Layer("square", torch.square), Layer("double", lambda x: 2 * x)
    because = "Both layers are exact. So after each of them the turned copies must equal the turned plain map."
    compare(f, reference, list(exact), C4, torch.arange(1.0, 10.0).reshape(1, 1, 3, 3), because=because)
    smears = [SMEAR, SMEAR, SMEAR]
    compare(f, reference, smears, C4, torch.arange(1.0, 10.0).reshape(1, 1, 3, 3))
    compare(f, reference, smears, D4, torch.randn(2, 1, 4, 4).double())


def _errors_under_mirrors(f: Function, reference: Function) -> None:
    arm = F.pad(torch.tensor([[1.0, 2.0]]), (1, 1, 0, 3))
    pinwheel = torch.stack([arm.rot90(k) for k in range(4)]).sum(dim=0)[None, None].double()
    spin = Layer("pinwheel filter", lambda x: F.conv2d(x, pinwheel))  # commutes with rotations, not with mirrors
    compare(f, reference, [spin], D4, torch.randn(1, 1, 6, 6).double(), because="The mirrors of D4 count as well.")


def _errors_of_feature_maps(f: Function, reference: Function) -> None:
    because = "Maps with a group axis turn *and* permute. `action_of(y, group)` is the action on images and maps alike."
    lift = Layer("lifting convolution", LiftingConv2d(C4, 1, 2, 3).double())
    layers = [lift, SMEAR, Layer("group convolution", GroupConv2d(C4, 2, 2, 3).double())]
    compare(f, reference, layers, C4, torch.randn(1, 1, 7, 7).double(), because=because)


register(
    "5.4",
    error_by_depth,
    minutes=12,
    difficulty=2,
    checks=[_errors_of_rows, _errors_under_mirrors, _errors_of_feature_maps],
    hints=[
        "Send x and all its turned copies through the layers, side by side. Compare them after each layer.",
        "Before the loop: `act = action_of(x, group)` and `turned = [act(g, x) for g in group.elements]`. In the loop, "
        "each layer takes the output of the layer before it, for x and for each copy. With the `act` of the plain "
        "output, a turned copy should equal `act(g, plain)`.",
        "In the loop: `plain, turned = layer(plain), [layer(y) for y in turned]`, then append the largest "
        "`relative_error(y, act(g, plain))` over all g, with `act = action_of(plain, group)`.",
    ],
    known_mistakes=[
        (
            lambda layers, group, x: error_by_depth(layers, C4, x),
            "You go through the four rotations only, whatever the group. Take all of `group.elements`.",
        ),
        (
            _alone,
            "That is the error of each layer alone, on an exactly turned input. Send the turned copies through all "
            "layers, one after the other.",
        ),
        (
            _always_from_x,
            "In your function every layer gets x itself. It must get the output of the layer before it.",
        ),
        (
            _measuring(lambda group, t, p: max(relative_error(y, p) for y in t)),
            "Your plain output is not turned: compare Φ(L_g x) with L_g Φ(x), not with Φ(x).",
        ),
        (
            _measuring(
                lambda group, t, p: max(_each(group, t, p, lambda got, expected: relative_error(expected, got)))
            ),
            "The two arguments of `relative_error` are swapped: first Φ(L_g x), then what it should be, L_g Φ(x).",
        ),
        (
            _measuring(lambda group, t, p: sum(_each(group, t, p)) / group.order),
            "You take the mean over the group. It hides an element that is worse than the others: take the largest.",
        ),
        (
            _measuring(lambda *maps: _each(*maps)[1]),
            "You test only one element. Take the worst of all elements.",
        ),
        (
            _measuring(lambda *maps: _each(*maps)[-1]),
            "You keep only the last element. Take the worst of all elements.",
        ),
        (
            _measuring(
                lambda group, t, p: max(_each(group, t, p, lambda got, expected: (got - expected).abs().max().item()))
            ),
            "That is the absolute error. Use `relative_error`, or a layer with small outputs looks better than it is.",
        ),
        (
            _measuring(lambda *maps: min(_each(*maps))),
            "All your errors are 0. Either you take the best element, which is always e: take the worst. Or you act on "
            "the output on both sides: send turned copies of x through the layers.",
        ),
        (
            _measuring(lambda *maps: sum(_each(*maps))),
            "You add up the errors of all elements. Take the largest of them.",
        ),
        (
            _measuring(
                lambda group, t, p: max(
                    relative_error(y, action_of(p, group)(inverse(g), p))
                    for g, y in zip(group.elements, t, strict=True)
                )
            ),
            "The plain output turns the wrong way: compare Φ(L_g x) with L_g Φ(x), with the same g on both sides.",
        ),
        (
            lambda layers, group, x: list(accumulate(error_by_depth(layers, group, x), max)),
            "You keep the largest error so far. Each number is the error after this layer, and it may be smaller "
            "again.",
        ),
        (
            lambda layers, group, x: list(accumulate(error_by_depth(layers, group, x))),
            "You add up the errors of the layers. The error after a layer contains those of the layers before it.",
        ),
        (
            lambda layers, group, x: _increases(error_by_depth(layers, group, x)),
            "You return what each layer adds to the error. Return the error itself, after each layer.",
        ),
        (
            _plain_stays,
            "Your plain output never changes: x itself has to go through the layers as well, beside its copies.",
        ),
        (
            lambda layers, group, x: max(error_by_depth(layers, group, x)),
            "That is the largest error of all layers. Return a list with one error for each layer.",
        ),
        (
            lambda layers, group, x: error_by_depth([nn.Identity(), *layers[:-1]], group, x),
            "Your errors come one layer too late: the first is measured before any layer, and the last layer is "
            "missing. `layers[:n]` ends before layer n.",
        ),
        (
            lambda layers, group, x: [
                equivariance_error(nn.Sequential(*layers[:n]), group, x) for n in range(1, len(layers) + 1)
            ],
            "You return the reports of `equivariance_error`. Each has its number in `.error`.",
        ),
        (
            _turned_again,
            "You turn the copies again before each layer. Turn x once, and from then on only hand on what the layers "
            "make of it.",
        ),
        (
            lambda layers, group, x: error_by_depth([nn.Identity(), *layers], group, x),
            "You also measure before the first layer. Append an error only after each layer.",
        ),
        (
            _measuring(_each),
            "You return the errors of all elements. For each layer keep only the largest of them.",
        ),
        (
            lambda layers, group, x: error_by_depth(list(layers)[:1], group, x),
            "You measure only the first layer. Does `return` stand inside the loop? Append one error after each layer.",
        ),
        (
            _turned_anew,
            "Your turned copies are not handed on: every layer gets the copies of x again. Layer 2 gets what layer 1 "
            "made of the copies.",
        ),
        (
            _plain_not_handed_on,
            "Your plain output is not handed on: every layer gets x itself, but the copies have gone further.",
        ),
        (
            _plain_goes_on,
            "Your plain map is not reset: for the second element it has been through the layers already. Begin with x "
            "for each element.",
        ),
        (
            lambda layers, group, x: [e for g in group.elements for e in _one_element(layers, group, x, g)],
            "Your list has one error for each element and each layer. For each layer keep only the largest of them.",
        ),
        (
            lambda layers, group, x: error_by_depth(layers, group, x)[-1:],
            "You measure only the last layer. Append one error after each layer.",
        ),
    ],
)
