"""Which symmetry of the square an answer applies: what a message can say about a wrong answer that nobody listed."""

from typing import Any

import torch
from torch import Tensor

from course_lib.actions import act_on_image
from course_lib.groups import D4, Element, Group, compose, inverse

# What the four mirrors do to an image: m, mr, mr² and mr³.
MIRRORED = ("left to right", "along the other diagonal", "top to bottom", "along a diagonal, as a transpose does")


def moved_by(before: Tensor, after: Tensor) -> Element | None:
    """The g in D4 with L_g before = after, for maps (Y, X); None if there is none.

    A different number in every pixel of ``before`` makes sure that there is only one.
    """
    for g in D4.elements:
        moved = act_on_image(g, before)
        if moved.shape == after.shape and torch.equal(moved.double(), after.double()):
            return g
    return None


def wrong_move(wanted: Element, yours: Element) -> str:
    """How L_yours f differs from L_wanted f."""
    if yours == inverse(wanted):
        return f"{yours} is the inverse of {wanted}: you turn in the wrong direction."
    extra = compose(yours, inverse(wanted))
    if extra.m:
        missing = " The mirror is missing." if wanted.m and not yours.m else ""
        return f"Compared with L_{wanted} f, your image is mirrored {MIRRORED[extra.r]}.{missing}"
    order = " Does your mirror come before the turn?" if wanted.m and extra.r == 2 else ""
    return f"The number of quarter turns should be {wanted.r}; yours is {yours.r}.{order}"


def wrong_sheets(g: Element, group: Group, sheets: Tensor, expected: Tensor, yours: Any) -> str:
    """What is wrong with an L_g f: which old sheet a place holds and what has moved it, and what should be there."""
    if not isinstance(yours, Tensor) or torch.equal(yours.double(), expected.double()):
        return ""
    if yours.shape != expected.shape:
        if sorted(yours.shape) == sorted(expected.shape):
            return "Your axes are in another order: the group axis is the third from the end."
        return f"L_g f has the shape of f, with a sheet for each element of {group}."
    messages, turned_rightly, in_order = [], True, True
    for h, sheet in zip(group.elements, yours, strict=True):
        moves = {k: moved_by(old, sheet) for k, old in zip(group.elements, sheets, strict=True)}
        origin = next((k for k, move in moves.items() if move), None)
        if origin is None:
            return f"Place {h} of your result holds no sheet of f, turned or mirrored. L_g only moves numbers."
        wanted = compose(inverse(g), h)
        turned_rightly, in_order = turned_rightly and moves[origin] == g, in_order and origin == wanted
        if (origin, moves[origin]) != (wanted, g):
            messages.append(
                f"Place {h} of your result holds old sheet {origin}, moved by {moves[origin]}; under {g} it is sheet "
                f"{wanted} that arrives there, moved by {g}."
            )
    if in_order:
        return f"The order of the sheets is right, but not how you turn them. {messages[0]}"
    return f"You turn the sheets rightly, but their order is wrong. {messages[0]}" if turned_rightly else messages[0]
