"""How may a tensor inside a network follow a symmetry? The readings that `diagnose` tries on what it sees."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from course_lib.actions import act_on_feature_map, act_on_image, unchanged
from course_lib.checks.measuring import relative_error
from course_lib.groups import ALL_GROUPS, Element, Group, compose, inverse

Move = Callable[[Element, Tensor], Tensor]


@dataclass(frozen=True)
class Reading:
    """One way in which a tensor may follow g. Without ``move``: its entries change places, no matter how."""

    name: str
    move: Move | None

    def error(self, g: Element, y: Tensor, seen: Tensor) -> float:
        """How far what was seen for L_g x is from what this reading makes of y, which was seen for x."""
        if self.move is None:
            y, seen = (t.flatten(1).sort(dim=1).values for t in (y, seen))
        else:
            y = self.move(g, y)
        return relative_error(seen, y) if seen.shape == y.shape else math.inf


UNCHANGED = Reading("does not change", unchanged)
TURNS = Reading("turns", act_on_image)
CHANNELS_LAST = Reading("turns", lambda g, y: act_on_image(g, y.movedim(-1, 1)).movedim(1, -1))
CHANGES_PLACES = Reading("its entries change places", None)


def readings(y: Tensor, group: Group) -> list[Reading]:
    """All the ways in which an equivariant network may move a tensor of this shape; empty if nothing is known.

    A map may hold the sheets of the group, or of a larger one, or of cosets, on an axis of their own or fused with the
    channels. Of vectors and sequences of tokens we only ask that their entries change places.
    """
    if y.ndim <= 3:
        return [UNCHANGED] + [CHANGES_PLACES] * (y.ndim > 1)
    if y.ndim == 4:
        return [TURNS, CHANNELS_LAST] + [Reading("turns and permutes", move) for move in _fused(y.shape[1], group)]
    return [Reading("turns and permutes", move) for move in _on_sheets(y.shape[-3], group)] + [TURNS]


def _on_sheets(count: int, group: Group) -> list[Move]:
    """Ways to move an axis of so many sheets: those of a group that contains ours, or of its cosets."""
    larger = [G for G in ALL_GROUPS if G.order == count and G.is_subgroup(group)]
    cosets = [S for S in group.subgroups if group.order == count * S.order and count < group.order]
    on_group: list[Move] = [lambda g, y, G=G: act_on_feature_map(g, y, G) for G in larger]  # type: ignore[misc]
    return on_group + [lambda g, y, S=S: act_on_feature_map(g, y, group, S) for S in cosets]


def _fused(channels: int, group: Group) -> list[Move]:
    """Ways to move C·|H| channels, with the sheets as the fast or as the slow index."""
    larger = [G for G in ALL_GROUPS if channels % G.order == 0 and G.is_subgroup(group)]
    return [partial(_move_fused, G, is_fast) for G in larger for is_fast in (True, False)]


def _move_fused(group: Group, sheets_are_fast: bool, g: Element, y: Tensor) -> Tensor:
    if sheets_are_fast:
        return act_on_feature_map(g, y.unflatten(1, (-1, group.order)), group).flatten(1, 2)
    sheets = y.unflatten(1, (group.order, -1)).transpose(1, 2)
    return act_on_feature_map(g, sheets, group).transpose(1, 2).flatten(1, 2)


# What a wrong layer may do with its sheets: [.](h) = f(source(g, h)). The first is right.
SOURCES: dict[str, Callable[[Element, Element], Element]] = {
    "g⁻¹h": lambda g, h: compose(inverse(g), h),
    "gh": lambda g, h: compose(g, h),
    "hg": lambda g, h: compose(h, g),
    "hg⁻¹": lambda g, h: compose(h, inverse(g)),
    "h": lambda g, h: h,
}


def wrong_move(group: Group, source: str, turn: bool) -> Move:
    """Move the sheets (…, |H|, Y, X) so that sheet h comes from another one than g⁻¹h, and turn them or not."""

    def move(g: Element, y: Tensor) -> Tensor:
        moved = y[..., [group.index(SOURCES[source](g, h)) for h in group.elements], :, :]
        return act_on_image(g, moved) if turn else moved

    return move


def noise_like(shape: tuple[int, ...]) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
