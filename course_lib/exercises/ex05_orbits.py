"""Exercise 5.5 of notebook 05: how often a whole orbit gets one answer."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.actions import act_on_image
from course_lib.checks import orbit_agreement
from course_lib.exercises import compare, register
from course_lib.exercises.registry import Function
from course_lib.groups import C4, D4, Group

# 5.5 orbit_agreement

Net = Callable[[Tensor], Tensor]


def brightest_of_three(images: Tensor) -> Tensor:
    """Three scores: the first three pixels of the upper row."""
    return images[:, 0, 0, :3]


def middle_or_sides(images: Tensor) -> Tensor:
    """Two scores: the middle pixel, and the mean of the upper row."""
    return torch.stack([images[:, 0, 1, 1], images[:, 0, 0].mean(dim=1)], dim=1)


def brightest_pixel(images: Tensor) -> Tensor:
    """As many scores as pixels: the class is the place of the brightest one."""
    return images.flatten(1)


def _classes(net: Net, group: Group, images: Tensor) -> Tensor:
    return torch.stack([net(act_on_image(g, images)).argmax(dim=1) for g in group.elements])


def _scores(net: Net, group: Group, images: Tensor) -> Tensor:
    return torch.stack([net(act_on_image(g, images)) for g in group.elements])


def _same(net: Net, group: Group, images: Tensor) -> Tensor:
    classes = _classes(net, group, images)
    return classes == classes[0]


def _neighbors(net: Net, group: Group, images: Tensor) -> float:
    classes = _classes(net, group, images)
    return float((classes[1:] == classes[:-1]).double().mean())


MAJORITY = "You ask for a majority of the turned copies. A single copy with another class is a disagreement."


def _votes(net: Net, group: Group, images: Tensor) -> Tensor:
    """For each image the fraction of its copies that get its most frequent class."""
    classes = _classes(net, group, images)
    return (classes == classes.mode(dim=0).values).double().mean(dim=0)


def _different(net: Net, group: Group, images: Tensor) -> int:
    """How many classes the images get, each image counted by itself."""
    return sum(len(column.unique()) for column in _classes(net, group, images).T)


def _argmax_over_everything(net: Net, group: Group, images: Tensor) -> float:
    places = _scores(net, group, images).flatten(1).argmax(dim=1)
    return (places == places[0]).double().mean().item()


def _one_by_one(net: Net, images: Tensor) -> str:
    """The classes of two images, as a sentence."""
    first, second = _classes(net, C4, images).T.tolist()
    return f"At the four turns one image gets the classes {first}, the other {second}. Count those that keep theirs."


def _agreement(f: Function, reference: Function) -> None:
    picture = torch.tensor([[0.0, 1, 0], [2, 9, 2], [0, 3, 0]])
    crooked = torch.tensor([[1.0, 2, 7], [6, 4, 0], [0, 9, 3]])
    both = torch.stack([picture, crooked])[:, None]
    compare(f, reference, middle_or_sides, C4, both, because=_one_by_one(middle_or_sides, both))
    compare(f, reference, brightest_of_three, C4, both, because=_one_by_one(brightest_of_three, both))
    compare(f, reference, middle_or_sides, C4, torch.randn(64, 1, 3, 3))
    arm = F.pad(torch.tensor([[5.0, 1.0]]), (1, 1, 0, 3))
    pinwheel = torch.stack([arm.rot90(k) for k in range(4)]).sum(dim=0)  # the same after a turn, not after a mirror
    compare(f, reference, brightest_of_three, D4, torch.stack([pinwheel, torch.ones(4, 4)])[:, None])
    compare(f, reference, brightest_pixel, C4, torch.stack([picture, crooked])[:, None])


register(
    "5.5",
    orbit_agreement,
    minutes=8,
    difficulty=2,
    checks=[_agreement],
    hints=[
        "First make a table of classes: one row for each element g, one column for each image.",
        "`net(act_on_image(g, images)).argmax(dim=1)` is one row; `torch.stack` makes the table. An image counts if "
        "all classes in its column are the same.",
        "`(classes == classes[0]).all(dim=0)` has one True or False per image. Its mean, as float, is the fraction.",
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
            lambda net, group, images: _same(net, group, images)[-1].double().mean().item(),
            "You compare only the last turned copy with the image. Go through all elements of the group.",
        ),
        (
            _argmax_over_everything,
            "Your argmax runs over all images and scores at once. Each image has a class of its own: `argmax(dim=1)`.",
        ),
        (
            lambda net, group, images: float(_same(net, group, images).all()),
            "You ask whether all images agree at once. Return the *fraction* of images that do.",
        ),
        (
            lambda net, group, images: _same(net, group, images).all(dim=0).double().sum().item(),
            "That is the number of images that agree. Divide it by the number of all images.",
        ),
        (
            lambda net, group, images: _same(net, group, images).all(dim=1).double().mean().item(),
            "You ask each element of the group whether all images agree. Ask each image whether all elements agree: "
            "the other axis.",
        ),
        (
            lambda net, group, images: float(
                (_scores(net, group, images).amax(dim=2) == net(images).amax(dim=1)).all(dim=0).double().mean()
            ),
            "You compare the largest scores. Compare the class: the place of the largest score, `argmax(dim=1)`.",
        ),
        (
            lambda net, group, images: float(
                (_scores(net, group, images).argmax(dim=1) == net(images).argmax(dim=0)).all(dim=0).double().mean()
            ),
            "You take the argmax over the images. The scores are (N, classes), and the class is the largest along "
            "axis 1.",
        ),
        (
            lambda net, group, images: bool(_same(net, group, images).all()),
            "You say yes or no for all images together. Return the *fraction* of the images that keep their class.",
        ),
        (
            lambda net, group, images: _same(net, group, images).all(dim=0).double(),
            "You return one number for each image. Return their mean.",
        ),
        (
            lambda net, group, images: 100 * orbit_agreement(net, group, images),
            "That is a percentage. Return the fraction, from 0 to 1.",
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
            "That is the fraction of images whose answer *changes*. Return the fraction of those that keep it.",
        ),
        (
            lambda net, group, images: (
                (torch.stack([net(act_on_image(g, images)) for g in group.elements]) == net(images))
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
            "You take the mean fraction of the most frequent class. An image whose copies disagree, even one of them, "
            "counts as 0, not as a part.",
        ),
        (
            lambda net, group, images: orbit_agreement(net, group, images) / group.order,
            "You divide by the number of elements, too. Divide by the number of images only.",
        ),
        (
            lambda net, group, images: orbit_agreement(net, group, images[0]),
            "Your image has no batch axis, and the network wants (N, C, Y, X). Give it all images at once, or "
            "`image[None]`.",
        ),
        (
            lambda net, group, images: 0.0,
            "No image seems to agree. Tensors in a `set` are never equal, even if they hold the same number: compare "
            "numbers, `.tolist()`.",
        ),
        (
            lambda net, group, images: 1.0,
            "All images seem to agree. Do you turn them? Use `act_on_image(g, images)` for every g of the group.",
        ),
        (
            lambda net, group, images: _different(net, group, images) / len(images),
            "That is how many different classes an image gets, on average. Return the fraction of images that get only "
            "one.",
        ),
        (lambda net, group, images: (_votes(net, group, images) > 0.5).double().mean().item(), MAJORITY),
        (lambda net, group, images: (_votes(net, group, images) >= 0.5).double().mean().item(), MAJORITY),
        (
            lambda net, group, images: orbit_agreement(net, C4, images),
            "The mirrors are missing: you go through the four rotations only, whatever the group.",
        ),
    ],
)
