"""The exercises of notebook 07, second half: self-attention as a sum over pairs, and its fast form."""

import math

import torch
from torch import Tensor

from course_lib.actions import act_on_feature_map, act_on_image
from course_lib.exercises import Function, compare, register
from course_lib.framework import Head, attention_term, entry_at
from course_lib.groups import C4, D1, D4, Group, inverse
from course_lib.kernels import attention_weights, neighborhoods
from course_lib.layers.attention import position_bank
from course_lib.wallpaper import Isometry


def _heads(f: Function, reference: Function) -> None:
    one = torch.ones(1, 1)
    plain = Head(one, one, one, torch.zeros(1, 2, 1, 1))
    here = Isometry(0, 0, 0, 0)
    compare(f, reference, here, torch.tensor([2.0]), torch.tensor([0.5]), plain, D1, because="s = exp(2 · 0.5).")
    for group in (C4, D4):
        head = Head(torch.randn(4, 3), torch.randn(4, 3), torch.randn(2, 3), torch.randn(4, group.order, 3, 3))
        for position in (here, Isometry(0, 1, 1, 0), Isometry(*group.elements[-1], -1, 1), Isometry(0, 0, 0, 2)):
            x, y = 0.5 * torch.randn(3), 0.5 * torch.randn(3)  # small, or exp makes all shown numbers 0
            compare(f, reference, position, x, y, head, group)


def _term(score: Function, window: bool = True, queried: bool = False) -> Function:
    """A wrong `attention_term`, with score(query, key, position); perhaps without window, or with x and y swapped."""

    def wrong(position: Isometry, x: Tensor, y: Tensor, head: Head, group: Group) -> Tensor:
        if window and max(abs(position.u), abs(position.v)) > head.positions.shape[-1] // 2:
            return y.new_zeros(len(head.value) + 1)
        asks, answers = (y, x) if queried else (x, y)
        s = score(head.query @ asks, head.key @ answers, entry_at(head.positions, position, group)).exp()
        return torch.cat([s * (head.value @ y), s[None]])

    return wrong


def _right_score(query: Tensor, key: Tensor, position: Tensor) -> Tensor:
    return query @ (key + position) / len(query) ** 0.5


register(
    "7.4",
    attention_term,
    minutes=12,
    difficulty=3,
    checks=[_heads],
    hints=[
        "Three vectors: `head.query @ x`, `head.key @ y`, `head.value @ y`. The position is added to the *key*.",
        "P(ĝ) is `entry_at(head.positions, position, group)`, which you have written. d is the length of the query.",
        "`s = (query @ (key + P) / d**0.5).exp()`, and the result is `torch.cat([s * value, s[None]])`. Outside of the "
        "window of `head.positions` it is `y.new_zeros(len(head.value) + 1)`.",
    ],
    known_mistakes=[
        (_term(lambda q, k, p: q @ (k + p)), "You forget to divide by √d."),
        (_term(lambda q, k, p: q @ (k + p) / len(q)), "You divide by d, not by its root √d."),
        (
            _term(lambda q, k, p: q @ k / len(q) ** 0.5 + q @ p),
            "You add the position outside of the division. It belongs to the key, so √d divides its product, too.",
        ),
        (
            _term(lambda q, k, p: q @ k / len(q) ** 0.5 + p.sum()),
            "You add the position to the score, outside of the product. It belongs to the key: the query weighs it.",
        ),
        (
            _term(lambda q, k, p: (q @ k + p.sum()) / len(q) ** 0.5),
            "You add the position to the score, outside of the product. It belongs to the key: the query weighs it.",
        ),
        (_term(lambda q, k, p: q @ k / len(q) ** 0.5), "You forget the position: P(ĝ) is added to the key."),
        (
            _term(_right_score, queried=True),
            "Query and key are swapped: g asks, so the query comes from x = f(g), the key from y = f(g̃).",
        ),
        (
            lambda position, x, y, head, group: attention_term(position, y, y, head, group),
            "Your query comes from y. g asks, so the query comes from x = f(g).",
        ),
        (
            lambda position, x, y, head, group: attention_term(position, y, x, head, group),
            "x and y are swapped. x = f(g) asks; key and value come from y = f(g̃).",
        ),
        (
            _term(lambda q, k, p: (q + p) @ k / len(q) ** 0.5),
            "You add the position to the query. It belongs to the key: P(ĝ) says where the key is.",
        ),
        (
            lambda position, x, y, head, group: attention_term(
                position, x * (len(head.query) / len(x)) ** 0.5, y, head, group
            ),
            "You take the number of input channels for d. d is the length of the query, `len(head.query)`.",
        ),
        (
            lambda position, x, y, head, group: attention_term(position, x, y, head, group).roll(1),
            "s stands in front. The order is (s·h_V(y), s): what is summed above, then what it is divided by.",
        ),
        (
            _term(_right_score, window=False),
            "Your window has no border. Outside of it the whole term is zero; a zero position alone still gives s > 0.",
        ),
        (
            lambda position, x, y, head, group: attention_term(position, x, y, head, group)[:-1],
            "You return the numerator alone. The denominator must be summed too: put s behind it with `torch.cat`.",
        ),
    ],
)


def _banks(f: Function, reference: Function) -> None:
    one_pixel = torch.arange(4.0).reshape(1, 4, 1, 1)
    compare(f, reference, one_pixel, C4, because="With one pixel only the change of places shows.")
    for group in (D1, C4, D4):
        compare(f, reference, torch.arange(2.0 * group.order * 9).reshape(2, group.order, 3, 3), group)


def _bank(turn: Function, dim: int = 1) -> Function:
    """A wrong `position_bank` that stacks turn(h, table, group)."""
    return lambda positions, group: torch.stack([turn(h, positions, group) for h in group.elements], dim=dim)


register(
    "7.5",
    position_bank,
    minutes=5,
    difficulty=1,
    checks=[_banks],
    hints=[
        "A table over Z² ⋊ H is a small feature map, just as a filter is. What did the filter bank of notebook 04 do?",
        "`act_on_feature_map(h, positions, group)` for each h; `torch.stack(…, dim=1)` puts the new axis second.",
    ],
    known_mistakes=[
        (
            _bank(lambda h, p, group: act_on_image(h, p)),
            "You turn the table, but leave its sheets in their places. Permute them too: P(h⁻¹x, h⁻¹h̃).",
        ),
        (
            _bank(lambda h, p, group: p[..., group.permutation(h), :, :]),
            "You permute the sheets of the table, but you do not turn them.",
        ),
        (
            _bank(lambda h, p, group: p),
            "All copies are the same: your positions are absolute, as every h sees the table alike.",
        ),
        (
            _bank(lambda h, p, group: act_on_feature_map(inverse(h), p, group)),
            "You turn the wrong way: by h⁻¹. The copy of h is L_h P, and the inverse is already inside of L_h.",
        ),
        (_bank(act_on_feature_map, dim=0), "The axis of h stands first. It belongs behind d: stack with dim=1."),
        (
            _bank(act_on_feature_map, dim=2),
            "The axes of h and h̃ are swapped. That of h, the copy, comes before that of the sheets: stack with dim=1.",
        ),
    ],
)


def _softmaxes(f: Function, reference: Function) -> None:
    two_pixels = neighborhoods(torch.ones(1, 2), 3).bool()
    share = "Equal scores share the weight of what lies inside."
    compare(f, reference, torch.zeros(2, 9, 1, 2), two_pixels, because=share)
    inside = neighborhoods(torch.ones(2, 3), 3).bool()
    compare(f, reference, torch.randn(2, 9, 2, 3), inside)
    compare(f, reference, torch.randn(1, 2, 4, 4, 9, 2, 3), inside, because="There may be any number of axes in front.")


ONE_AFTER_THE_OTHER = "You take one softmax after the other. All g̃ share one sum: join the two axes, then one softmax."


def _softmax_twice(first: int, second: int) -> Function:
    """A wrong `attention_weights`, one axis after the other. Where all sheets are masked, −4 first gives nan."""
    return lambda scores, inside: scores.masked_fill(~inside, -math.inf).softmax(first).softmax(second)


register(
    "7.6",
    attention_weights,
    minutes=10,
    difficulty=2,
    checks=[_softmaxes],
    hints=[
        "What must a score be, so that exp(score) = 0? `scores.masked_fill(where, value)` writes a value where True.",
        "The softmax runs over *two* axes, −4 and −3, together. Make one axis of them: `.flatten(-4, -3)`.",
        "After the `flatten`, `.softmax(dim=-3)`; then `.view_as(scores)` takes the axis apart again.",
    ],
    known_mistakes=[
        (
            lambda scores, inside: scores.masked_fill(~inside, -math.inf).softmax(dim=-3),
            "Each sheet has a softmax of its own. The sum runs over all g̃: sheets and neighbors together.",
        ),
        (_softmax_twice(-4, -3), ONE_AFTER_THE_OTHER),
        (_softmax_twice(-3, -4), ONE_AFTER_THE_OTHER),
        (
            lambda scores, inside: attention_weights(scores, ~inside),
            "Your mask is upside down: you keep what lies outside. `~inside` is True there.",
        ),
        (
            lambda scores, inside: attention_weights(scores, torch.ones_like(inside)),
            "There is no mask: pixels outside of the map get weight.",
        ),
        (
            lambda scores, inside: attention_weights(scores, torch.ones_like(inside)) * inside,
            "You mask after the softmax, so at the border the weights no longer sum to 1. Mask the scores.",
        ),
        (
            lambda scores, inside: attention_weights(scores.masked_fill(~inside, 0), torch.ones_like(inside)),
            "You set the masked scores to 0, but exp(0) = 1. A score of −∞ gives weight 0.",
        ),
    ],
)
