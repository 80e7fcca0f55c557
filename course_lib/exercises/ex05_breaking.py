"""Exercises 5.4 and 5.5 of notebook 05: the error after each layer, and how often a whole orbit gets one answer."""

from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.actions import act
from course_lib.checks import error_by_depth, orbit_agreement, relative_error
from course_lib.exercises import compare, register
from course_lib.exercises.registry import Function
from course_lib.groups import C4, D4, Group, inverse
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


def _errors(layers: Iterable[nn.Module], group: Group, x: Tensor, error: Function) -> list[float]:
    """As the reference, with another measure of one layer: error(turned maps, plain map)."""
    plain, turned, errors = x, [act(g, x, group) for g in group.elements], []
    with torch.no_grad():
        for layer in layers:
            plain, turned = layer(plain), [layer(y) for y in turned]
            errors.append(error(turned, plain))
    return errors


def _each(group: Group, turned: list[Tensor], plain: Tensor) -> list[float]:
    return [relative_error(y, act(g, plain, group)) for g, y in zip(group.elements, turned, strict=True)]


def _alone(layers: Iterable[nn.Module], group: Group, x: Tensor) -> list[float]:
    errors = []
    with torch.no_grad():
        for layer in layers:
            errors += error_by_depth([layer], group, x)
            x = layer(x)
    return errors


def _always_from_x(layers: Iterable[nn.Module], group: Group, x: Tensor) -> list[float]:
    return [error_by_depth([layer], group, x)[0] for layer in layers]


def _errors_of_rows(f: Function, reference: Function) -> None:
    smears = [SMEAR, SMEAR, SMEAR]
    compare(f, reference, smears, C4, torch.arange(1.0, 10.0).reshape(1, 1, 3, 3))
    compare(f, reference, smears, D4, torch.randn(2, 1, 4, 4).double())


def _errors_of_feature_maps(f: Function, reference: Function) -> None:
    because = "Maps with a group axis turn *and* permute: use `act(g, y, group)` for images and feature maps alike."
    lift = Layer("lifting convolution", LiftingConv2d(C4, 1, 2, 3).double())
    layers = [lift, SMEAR, Layer("group convolution", GroupConv2d(C4, 2, 2, 3).double())]
    compare(f, reference, layers, C4, torch.randn(1, 1, 7, 7).double(), because=because)


register(
    "5.4",
    error_by_depth,
    minutes=12,
    difficulty=2,
    checks=[_errors_of_rows, _errors_of_feature_maps],
    hints=[
        "Send x and all its turned copies through the layers, side by side. Compare them after each layer.",
        "Before the loop: `turned = [act(g, x, group) for g in group.elements]`. In the loop, each layer takes the "
        "output of the layer before it, for x and for each copy. A turned copy should equal `act(g, plain, group)`.",
        "In the loop: `plain, turned = layer(plain), [layer(y) for y in turned]`, then append the largest "
        "`relative_error(y, act(g, plain, group))` over all g.",
    ],
    known_mistakes=[
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
            lambda layers, group, x: _errors(layers, group, x, lambda t, p: max(relative_error(y, p) for y in t)),
            "Your plain output is not turned: compare Φ(L_g x) with L_g Φ(x), not with Φ(x).",
        ),
        (
            lambda layers, group, x: _errors(
                layers,
                group,
                x,
                lambda t, p: max(relative_error(act(g, p, group), y) for g, y in zip(group.elements, t, strict=True)),
            ),
            "The two arguments of `relative_error` are swapped: first Φ(L_g x), then what it should be, L_g Φ(x).",
        ),
        (
            lambda layers, group, x: _errors(layers, group, x, lambda t, p: sum(_each(group, t, p)) / group.order),
            "You take the mean over the group. It hides an element that is worse than the others: take the largest.",
        ),
        (
            lambda layers, group, x: _errors(layers, group, x, lambda t, p: _each(group, t, p)[1]),
            "You test only one element. Take the worst of all elements.",
        ),
        (
            lambda layers, group, x: _errors(layers, group, x, lambda t, p: _each(group, t, p)[-1]),
            "You keep only the last element. Take the worst of all elements.",
        ),
        (
            lambda layers, group, x: _errors(
                layers,
                group,
                x,
                lambda t, p: max(
                    (y - act(g, p, group)).abs().max().item() for g, y in zip(group.elements, t, strict=True)
                ),
            ),
            "That is the absolute error. Use `relative_error`, or a layer with small outputs looks better than it is.",
        ),
        (
            lambda layers, group, x: _errors(layers, group, x, lambda t, p: min(_each(group, t, p))),
            "You take the best element, which is always e, with no error at all. Take the worst of all elements.",
        ),
        (
            lambda layers, group, x: _errors(layers, group, x, lambda t, p: sum(_each(group, t, p))),
            "You add up the errors of all elements. Take the largest of them.",
        ),
        (
            lambda layers, group, x: _errors(
                layers,
                group,
                x,
                lambda t, p: max(
                    relative_error(y, act(inverse(g), p, group)) for g, y in zip(group.elements, t, strict=True)
                ),
            ),
            "The plain output turns the wrong way: compare Φ(L_g x) with L_g Φ(x), with the same g on both sides.",
        ),
        (
            lambda layers, group, x: error_by_depth(layers, group, x)[-1:],
            "You measure only the last layer. Append one error after each layer.",
        ),
    ],
)

# 5.5 orbit_agreement

Net = Callable[[Tensor], Tensor]


def brightest_of_three(images: Tensor) -> Tensor:
    """Three scores: the first three pixels of the upper row."""
    return images[:, 0, 0, :3]


def middle_or_sides(images: Tensor) -> Tensor:
    """Two scores: the middle pixel, and the mean of the upper row."""
    return torch.stack([images[:, 0, 1, 1], images[:, 0, 0].mean(dim=1)], dim=1)


def _classes(net: Net, group: Group, images: Tensor) -> Tensor:
    return torch.stack([net(act(g, images, group)).argmax(dim=1) for g in group.elements])


def _same(net: Net, group: Group, images: Tensor) -> Tensor:
    classes = _classes(net, group, images)
    return classes == classes[0]


def _neighbors(net: Net, group: Group, images: Tensor) -> float:
    classes = _classes(net, group, images)
    return float((classes[1:] == classes[:-1]).double().mean())


MAJORITY = "You ask for a majority of the turned copies. A single copy with another class is a disagreement."


def _votes(net: Net, group: Group, images: Tensor) -> Tensor:
    """For each image the share of its copies that get its most frequent class."""
    classes = _classes(net, group, images)
    return (classes == classes.mode(dim=0).values).double().mean(dim=0)


def _agreement(f: Function, reference: Function) -> None:
    picture = torch.tensor([[0.0, 1, 0], [2, 9, 2], [0, 3, 0]])
    crooked = torch.tensor([[1.0, 2, 7], [6, 4, 0], [0, 9, 3]])
    compare(f, reference, middle_or_sides, C4, torch.stack([picture, crooked])[:, None])
    compare(f, reference, brightest_of_three, C4, torch.stack([picture, crooked])[:, None])
    compare(f, reference, middle_or_sides, C4, torch.randn(64, 1, 3, 3))
    arm = F.pad(torch.tensor([[5.0, 1.0]]), (1, 1, 0, 3))
    pinwheel = torch.stack([arm.rot90(k) for k in range(4)]).sum(dim=0)  # the same after a turn, not after a mirror
    compare(f, reference, brightest_of_three, D4, torch.stack([pinwheel, torch.ones(4, 4)])[:, None])


register(
    "5.5",
    orbit_agreement,
    minutes=8,
    difficulty=2,
    checks=[_agreement],
    hints=[
        "First make a table of classes: one row for each element g, one column for each image.",
        "`net(act(g, images, group)).argmax(dim=1)` is one row; `torch.stack` makes the table. An image counts if "
        "all classes in its column are the same.",
        "`(classes == classes[0]).all(dim=0)` has one True or False per image. The mean of it, as float, is the share.",
    ],
    known_mistakes=[
        (
            lambda net, group, images: _same(net, group, images).double().mean().item(),
            "You count single turns. An image counts only if *all* its turned copies get the same class.",
        ),
        (
            lambda net, group, images: _same(net, group, images)[1:].double().mean().item(),
            "You count single turns. An image counts only if *all* its turned copies get the same class.",
        ),
        (
            lambda net, group, images: _same(net, group, images)[1:].any(dim=0).double().mean().item(),
            "You ask whether *some* turned copy gets the same class. All of them must.",
        ),
        (
            lambda net, group, images: _same(net, group, images)[1].double().mean().item(),
            "You test only one turn. Go through all elements of the group.",
        ),
        (
            lambda net, group, images: float(_same(net, group, images).all()),
            "You ask whether all images agree at once. Return the *share* of images that do.",
        ),
        (
            lambda net, group, images: _same(net, group, images).all(dim=0).double().sum().item(),
            "That is the number of images that agree. Divide it by the number of all images.",
        ),
        (
            lambda net, group, images: 100 * orbit_agreement(net, group, images),
            "That is a percentage. Return the share, from 0 to 1.",
        ),
        (
            lambda net, group, images: orbit_agreement(net, group, images) * len(images) / group.order,
            "You divide by the number of elements. Divide by the number of images.",
        ),
        (
            _neighbors,
            "You compare each copy with the one before it, and count these pairs. An image counts only if *all* its "
            "turned copies get the same class.",
        ),
        (
            lambda net, group, images: 1 - orbit_agreement(net, group, images),
            "That is the share of images whose answer *changes*. Return the share of those that keep it.",
        ),
        (
            lambda net, group, images: (
                (torch.stack([net(act(g, images, group)) for g in group.elements]) == net(images))
                .flatten(2)
                .all(dim=2)
                .all(dim=0)
                .double()
                .mean()
                .item()
            ),
            "You compare the scores themselves. Compare the class: the place of the largest score, `argmax(dim=1)`.",
        ),
        (
            lambda net, group, images: _votes(net, group, images).mean().item(),
            "You take the mean share of the most frequent class. An image whose copies disagree, even one of them, "
            "counts as 0, not as a part.",
        ),
        (lambda net, group, images: (_votes(net, group, images) > 0.5).double().mean().item(), MAJORITY),
        (lambda net, group, images: (_votes(net, group, images) >= 0.5).double().mean().item(), MAJORITY),
        (
            lambda net, group, images: orbit_agreement(net, C4, images),
            "The mirrors are missing: you go through the four rotations only, whatever the group.",
        ),
    ],
)
