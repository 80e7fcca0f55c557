"""Exercises 9.4 and 9.5 of notebook 09: attention that is equivariant to turns, and a region to look at."""

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.actions import act_on_feature_map, act_on_image
from course_lib.exercises import Function, compare, register
from course_lib.exercises.comparing import Mistake, call
from course_lib.exercises.ex09_affine import compare_axes
from course_lib.framework import Part, roto_translation_attention
from course_lib.groups import C1, C4, D4, Element, Group, inverse
from course_lib.kernels import affine_attention_weights, affine_map
from course_lib.layers import group_filter_bank, lifting_filter_bank

Bank = Callable[[Tensor, Group], Tensor]

# 9.4 roto_translation_attention


def _part(group: Group, k: int, channels: int = 4) -> Part:
    tables = torch.randn(channels, group.order, k, k), torch.randn(channels, k, k)
    return torch.randn(1, channels, group.order, 3, 4), tables


def _parts(group: Group) -> list[Part]:
    """Query, key and value. Two different maps, so that it shows if they are mixed up."""
    return [_part(group, k) for k in (1, 3, 3)]


def _axes(f: Function, reference: Function) -> None:
    tables = [(torch.randn(6, 4, k, k), torch.randn(6, k, k)) for k in (1, 3, 3)]
    compare_axes(f, reference, *((torch.randn(2, 6, 4, 5, 7), pair) for pair in tables), C4)


def _layers(f: Function, reference: Function) -> None:
    _one_table_at_a_time(f, reference, C1, "On C1 nothing is turned. ")
    _one_table_at_a_time(f, reference, C4, "C1 was right. On C4 each h sees copies of its own. ")
    compare(f, reference, *_parts(D4), D4, because="D4 has mirrors, too.")
    compare(f, reference, *_parts(C4), C4, 2, because="Two heads: each weighs its own half of the channels.")
    compare(f, reference, *_parts(C4), C4, 1, True, because="Masked: no weight outside the map.")


def _one_table_at_a_time(f: Function, reference: Function, group: Group, rule: str) -> None:
    """A query of zeros weighs all neighbors alike: that leaves the tables of the value."""
    query, key, value = _parts(group)
    silent, psi_only = _scaled(query, 0, 0), _scaled(key, 1, 0)
    alike, right = "Here the tables of the query are 0, so all weights are 1/9. ", "ψ and β of the value are right. "
    for parts, because in (
        ((silent, key, _scaled(value, 1, 0)), alike + "β of the value is 0: look at its ψ, and at the sum."),
        ((silent, key, _scaled(value, 0, 1)), alike + "ψ of the value is 0: look at its β."),
        ((_scaled(query, 1, 0), psi_only, value), right + "β is 0 in query and key: look at both maps and their ψ."),
        ((query, psi_only, value), right + "Look at β of the query."),
        ((query, key, value), right + "Look at β of the key."),
    ):
        compare(f, reference, *parts, group, because=rule + because)


def _scaled(part: Part, psi: float, beta: float) -> Part:
    return part[0], (psi * part[1][0], beta * part[1][1])


def _with_banks(psi_bank: Bank, beta_bank: Bank) -> Function:
    """A wrong layer that hands other copies of ψ and β to the sheets."""

    def wrong(query: Part, key: Part, value: Part, group: Group, heads: int = 1, masked: bool = False) -> Tensor:
        q, k, v = [(f, (psi_bank(psi, group), beta_bank(beta, group))) for f, (psi, beta) in (query, key, value)]
        size = value[1][0].shape[-1]
        center = affine_map(q[0], *q[1], 1)[:, :, :, 0]
        weights = affine_attention_weights(center, k[0], k[1], size, heads, masked)
        values = affine_map(v[0], *v[1], size).unflatten(1, (heads, -1))
        return torch.einsum("bnhiyx,bnchiyx->bnchyx", weights, values).flatten(1, 2)

    return wrong


def _heads_in_turn(query: Part, key: Part, value: Part, group: Group, heads: int = 1, masked: bool = False) -> Tensor:
    q, k, v = [
        (f, (group_filter_bank(psi, group), lifting_filter_bank(b, group))) for f, (psi, b) in (query, key, value)
    ]
    size = value[1][0].shape[-1]
    weights = affine_attention_weights(affine_map(q[0], *q[1], 1)[:, :, :, 0], k[0], k[1], size, heads, masked)
    return (weights.repeat(1, v[0].shape[1] // heads, 1, 1, 1, 1) * affine_map(v[0], *v[1], size)).sum(dim=3)


def _stacked(move: Callable[[Element, Tensor, Group], Tensor]) -> Bank:
    return lambda table, group: torch.stack([move(h, table, group) for h in group.elements], dim=1)


_same = _stacked(lambda h, table, group: table)
_turned = _stacked(lambda h, table, group: act_on_image(h, table))
_back = _stacked(lambda h, table, group: act_on_image(inverse(h), table))


def _values_not_mapped(
    query: Part, key: Part, value: Part, group: Group, heads: int = 1, masked: bool = False
) -> Tensor:
    return roto_translation_attention(query, key, (value[0], _identity(value[1])), group, heads, masked)


def _with_parts(choose: Callable[[Part, Part, Part], tuple[Part, Part, Part]]) -> Function:
    """A wrong layer that mixes up query, key and value, or their tables."""
    return lambda query, key, value, group, heads=1, masked=False: roto_translation_attention(
        *choose(query, key, value), group, heads, masked
    )


def _heads_interleaved(
    query: Part, key: Part, value: Part, group: Group, heads: int = 1, masked: bool = False
) -> Tensor:
    right = roto_translation_attention(query, key, value, group, heads, masked)
    return right.unflatten(1, (heads, -1)).transpose(1, 2).flatten(1, 2)


def _identity(tables: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Tables of the same shapes with which each h takes its own sheet at the middle as it is, if k = 1."""
    psi, beta = torch.zeros_like(tables[0]), torch.zeros_like(tables[1])
    psi[:, 0] = 1
    return psi, beta


register(
    "9.4",
    roto_translation_attention,
    minutes=25,
    difficulty=3,
    checks=[_axes, _layers],
    hints=[
        "Which copies does the sheet h need? ψ(h⁻¹x, h⁻¹h̃) is ψ turned *and* permuted, β(h⁻¹x) is β turned. Notebook "
        "04 built both kinds of banks: `group_filter_bank(psi, group)` and `lifting_filter_bank(beta, group)`.",
        "Three steps: the center is `affine_map` of the query with k = 1, and there `[:, :, :, 0]` removes the axis "
        "k²; "
        "the weights are `affine_attention_weights(center, key, banks of the key, k, heads, masked)`; the values are "
        "`affine_map` of the value with k.",
        "The weights are (B, heads, |H|, k², Y, X). Cut the channels of the values into heads, "
        "`.unflatten(1, (heads, -1))`, multiply by `weights.unsqueeze(2)`, sum over axis 4, and `.flatten(1, 2)`.",
    ],
    known_mistakes=[
        (_with_banks(_same, _same), "Every sheet uses the same ψ and β. The sheet h needs copies that are moved by h."),
        (
            _with_banks(_turned, lifting_filter_bank),
            "You turn ψ but leave its sheets in place. ψ(h⁻¹x, h⁻¹h̃): the sheets must be permuted, too.",
        ),
        (
            _with_banks(_stacked(lambda h, psi, group: psi[:, group.permutation(h)]), lifting_filter_bank),
            "You permute the sheets of ψ but do not turn them.",
        ),
        (
            _with_banks(lambda psi, group: psi, lambda beta, group: beta),
            "You hand the tables themselves to `affine_map`. It needs banks, with a copy for each h.",
        ),
        (_with_banks(_same, lifting_filter_bank), "ψ is the same for all h. Use its group filter bank."),
        (_with_banks(group_filter_bank, _same), "β is the same for all h. It depends on h⁻¹(y − t), so turn it by h."),
        (
            _with_banks(group_filter_bank, _back),
            "You turn β by h⁻¹. β(h⁻¹x) is β turned by h: the inverse is already in the formula of the action.",
        ),
        (
            lambda query, key, value, group, heads=1, masked=False: roto_translation_attention(
                query, key, value, group, heads
            ),
            "You do not pass on `masked` to the weights.",
        ),
        (
            lambda query, key, value, group, heads=1, masked=False: roto_translation_attention(
                query, key, value, group, 1, masked
            ),
            "You weigh all channels as if there were only one head. Each head has weights for its own channels.",
        ),
        (
            lambda query, key, value, group, heads=1, masked=False: roto_translation_attention(
                query, key, (value[0], key[1]), group, heads, masked
            ),
            "The values go through the affine map of the key. They have ψ and β of their own.",
        ),
        (
            lambda query, key, value, group, heads=1, masked=False: roto_translation_attention(
                (query[0], _identity(query[1])), key, value, group, heads, masked
            ),
            "The query has not been through its affine map. Use `affine_map` with k = 1.",
        ),
        (_values_not_mapped, "You sum the values themselves. They must go through their affine map, too."),
        (
            _with_parts(lambda query, key, value: (query, value, key)),
            "Key and value are swapped. The scores compare the query with the keys, and the values are summed.",
        ),
        (
            _with_parts(lambda query, key, value: (query, (key[0], value[1]), value)),
            "The keys go through the affine map of the value. They have ψ and β of their own.",
        ),
        (
            _with_parts(lambda query, key, value: (_scaled(query, 1, 0), _scaled(key, 1, 0), _scaled(value, 1, 0))),
            "β is missing everywhere. Make a bank of each β, too, and hand it to `affine_map` with the bank of ψ.",
        ),
        (
            _with_parts(lambda query, key, value: (query, _scaled(key, 1, 0), _scaled(value, 1, 0))),
            "β is missing for key and value. Make a bank of β, too, and hand it to `affine_map` with the bank of ψ.",
        ),
        (
            _with_banks(
                _stacked(lambda h, psi, group: act_on_feature_map(inverse(h), psi, group)), lifting_filter_bank
            ),
            "Your ψ is moved by h⁻¹. ψ(h⁻¹x, h⁻¹h̃) is ψ moved by h: the inverse is already in the formula.",
        ),
        (
            _with_banks(_stacked(lambda h, psi, group: act_on_feature_map(inverse(h), psi, group)), _back),
            "Your ψ and β are moved by h⁻¹. Both are moved by h: the inverse is already in the formula of the action.",
        ),
        (
            lambda query, key, value, group, heads=1, masked=False: (
                roto_translation_attention(query, key, value, group, heads, masked) / key[1][0].shape[-1] ** 2
            ),
            "You take the mean over the neighbors. The weights sum to 1 already: take the plain weighted sum.",
        ),
        (
            _heads_in_turn,
            "You deal the weights of the heads out in turn. A head has a block of neighboring channels: cut with "
            "`.unflatten(1, (heads, -1))`.",
        ),
        (
            _heads_interleaved,
            "The channels of your heads are mixed up. Cut with `.unflatten(1, (heads, -1))`, and join in the same "
            "order.",
        ),
    ],
)

# 9.5 own_gaze


def own_gaze(k: int) -> Tensor:
    """A β that lets the sheet e look into a cone to its right: (k, k), 0 inside and −200 outside.

    One example of many, for the exercise of notebook 09 in which readers invent a region of their own.
    """
    beta = torch.full((k, k), -200.0)
    for step in range(1, k // 2 + 1):  # column by column to the right, ever wider
        beta[k // 2 - step : k // 2 + step + 1, k // 2 + step] = 0
    return beta


def _gazes(f: Function, reference: Function) -> None:
    """What every answer must satisfy; which region it is, is free."""
    for k in (5, 11):
        example = {"k": k}
        beta = call(f, k, example=example)
        if problem := _not_a_table(beta, k) or _not_a_region(beta):
            raise Mistake(problem, example | ({"yours": beta} if isinstance(beta, Tensor) else {}))


def _not_a_table(beta: object, k: int) -> str | None:
    if not isinstance(beta, Tensor):
        return f"Your function returned {type(beta).__name__}, expected a tensor of shape {(k, k)}."
    if beta.shape != (k, k):
        return f"Your table has the shape {tuple(beta.shape)}, expected {(k, k)}."
    if not ((beta == 0) | (beta <= -100)).all():
        return "Use only two kinds of entries: 0 where the pixel may look, and −200 where it must not."
    return None


def _not_a_region(beta: Tensor) -> str | None:
    if not (beta == 0).any():
        return "Your pixel may look nowhere: no entry is 0. (−200 on all scores changes none of the weights.)"
    if (beta == 0).all():
        return "Your pixel may look everywhere. Forbid some places with −200."
    if torch.equal(beta, act_on_image(Element(0, 1), beta)):
        return "A quarter turn leaves your region as it is, so all four sheets would look at the same places."
    return None


register(
    "9.5",
    own_gaze,
    minutes=8,
    difficulty=2,
    checks=[_gazes],
    hints=[
        "Start with `beta = torch.full((k, k), -200.0)` and set a region to 0. Row 0 is on top; the middle is k // 2.",
        "A half line to the right is `beta[k // 2, k // 2 + 1 :] = 0`. A spiral, a corner, a cone: anything that a "
        "quarter turn changes.",
    ],
)
