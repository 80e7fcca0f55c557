"""Exercise 7.5 of notebook 07: self-attention as a sum over pairs."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises import Function, call, register
from course_lib.exercises.explaining import compare_parts, same, shapes
from course_lib.framework import Head, attention_term, entry_at
from course_lib.groups import C4, D1, D4, Group
from course_lib.wallpaper import Isometry


def _heads(f: Function, reference: Function) -> None:
    one = torch.ones(1, 1)
    plain = Head(one, one, one, torch.zeros(1, 2, 1, 1))
    here = Isometry(0, 0, 0, 0)
    x, y, because = torch.tensor([2.0]), torch.tensor([0.5]), "s = exp(2 · 0.5)."
    _compare_terms(f, reference, here, x, y, plain, D1, because=because)
    for group in (C4, D4):
        head = Head(torch.randn(4, 3), torch.randn(4, 3), torch.randn(2, 3), torch.randn(4, group.order, 3, 3))
        for position in (here, Isometry(0, 1, 1, 0), Isometry(*group.elements[-1], -1, 1), Isometry(0, 0, 0, 2)):
            x, y = 0.5 * torch.randn(3), 0.5 * torch.randn(3)  # small, or exp makes all shown numbers 0
            _compare_terms(f, reference, position, x, y, head, group)


def _compare_terms(f: Function, reference: Function, *inputs: Any, because: str = "") -> None:
    def right_without(name: str) -> bool:
        *others, head, group = inputs
        given = *others, head._replace(**{name: torch.zeros_like(getattr(head, name))}), group
        return same(reference(*given), call(f, *given))

    def explain(expected: Tensor, yours: Tensor) -> str:
        return _wrong_part(expected, yours, right_without)

    compare_parts(f, reference, *inputs, explain=explain, because=because)


def _wrong_part(expected: Tensor, yours: Tensor, right_without: Callable[[str], bool]) -> str:
    """Which of the two parts of (s·h_V(y), s) is wrong, for an answer of the right length inside the window."""
    if yours.shape != expected.shape:
        return (
            f"Your result has {shapes(expected, yours)}: first s·h_V(y), with as many numbers as the value, then s; "
            "outside the window there are as many zeros."
        )
    if not expected[-1] or not yours[-1]:
        return ""
    if same(expected[-1:], yours[-1:]):
        return "Your last number, s, is right, but the others are not s·h_V(y): look at the value."
    if same(expected[:-1] / expected[-1], yours[:-1] / yours[-1]):
        found = [name for name in ("key", "positions") if right_without(name)]
        where = f"If `{found[0]}` is zero, s is right: look at it." if len(found) == 1 else "Look at query, key and P."
        return f"The value is right, but s is not: {yours[-1]:.3f}, expected {expected[-1]:.3f}. {where}"
    return f"Your s is {yours[-1]:.3f}, expected {expected[-1]:.3f}, and divided by s your result is not h_V(y) either."


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


def _combined(combine: Function) -> Function:
    """A wrong `attention_term`: inside the window, combine(s, value, the value of x)."""

    def wrong(position: Isometry, x: Tensor, y: Tensor, head: Head, group: Group) -> Tensor:
        right = attention_term(position, x, y, head, group)
        return torch.cat(combine(right[-1:], head.value @ y, head.value @ x)) if right[-1] > 0 else right

    return wrong


def _zeros(length: Callable[[Head], int]) -> Function:
    """A wrong `attention_term` whose zeros outside the window have another length."""

    def wrong(position: Isometry, x: Tensor, y: Tensor, head: Head, group: Group) -> Tensor:
        right = attention_term(position, x, y, head, group)
        return right if right[-1] > 0 else y.new_zeros(length(head))

    return wrong


def _after_exp(position: Isometry, x: Tensor, y: Tensor, head: Head, group: Group) -> Tensor:
    if max(abs(position.u), abs(position.v)) > head.positions.shape[-1] // 2:
        return y.new_zeros(len(head.value) + 1)
    query = head.query @ x
    s = (query @ (head.key @ y) / len(query) ** 0.5).exp() + query @ entry_at(head.positions, position, group)
    return torch.cat([s * (head.value @ y), s[None]])


register(
    "7.5",
    attention_term,
    minutes=12,
    difficulty=3,
    checks=[_heads],
    hints=[
        "Three vectors: `head.query @ x`, `head.key @ y`, `head.value @ y`. The position is added to the *key*.",
        "P(ĝ) is `entry_at(head.positions, position, group)`, with your function. d is the length of the query.",
        "`s = (query @ (key + P) / d**0.5).exp()`, and the result is `torch.cat([s * value, s[None]])`. Outside the "
        "window of `head.positions` it is `y.new_zeros(len(head.value) + 1)`.",
    ],
    known_mistakes=[
        (_term(lambda q, k, p: q @ (k + p)), "You forget to divide by √d."),
        (_term(lambda q, k, p: q @ (k + p) / len(q)), "You divide by d, not by its root √d."),
        (
            _term(lambda q, k, p: q @ k / len(q) ** 0.5 + q @ p),
            "You add q·P after the division. P belongs to the key, so the product with it is divided by √d, too.",
        ),
        (
            _term(lambda q, k, p: q @ k / len(q) ** 0.5 + p.sum()),
            "You add the position to the score, outside the product. It belongs to the key, where the query "
            "multiplies it.",
        ),
        (
            _term(lambda q, k, p: (q @ k + p.sum()) / len(q) ** 0.5),
            "You add the position to the score, outside the product. It belongs to the key, where the query "
            "multiplies it.",
        ),
        (
            _combined(lambda s, value, own: (s * value, s.squeeze())),
            "`torch.cat` joins vectors, and s is a single number: make it a vector with one entry, `s[None]`.",
        ),
        (
            _zeros(lambda head: len(head.value)),
            "Your zeros outside the window are one number too short. The result has O + 1 numbers everywhere.",
        ),
        (
            _zeros(lambda head: len(head.query) + 1),
            "Your zeros outside the window are d + 1 numbers. The result has O + 1 numbers everywhere: O is the length "
            "of a value.",
        ),
        (
            _after_exp,
            "You add q·P after exp. It is a part of the score: add P to the key, and take exp of the whole score.",
        ),
        (
            _term(lambda q, k, p: q @ (k * p) / len(q) ** 0.5),
            "You multiply the key by the position. Add P(ĝ) to it.",
        ),
        (_term(lambda q, k, p: q @ k / len(q) ** 0.5), "You forget the position: add P(ĝ) to the key."),
        (
            _term(_right_score, queried=True),
            "Query and key are swapped. g asks, so the query comes from x = f(g) and the key from y = f(g̃).",
        ),
        (
            lambda position, x, y, head, group: attention_term(position, y, y, head, group),
            "Your query comes from y. g asks, so the query comes from x = f(g).",
        ),
        (
            lambda position, x, y, head, group: attention_term(position, y, x, head, group),
            "x and y are swapped. x = f(g) asks, and y = f(g̃) gives the key and the value.",
        ),
        (
            _term(lambda q, k, p: (q + p) @ k / len(q) ** 0.5),
            "You add the position to the query. It belongs to the key: P(ĝ) says where the key is.",
        ),
        (
            lambda position, x, y, head, group: attention_term(
                position, x * (len(head.query) / len(x)) ** 0.5, y, head, group
            ),
            "You use the number of input channels as d. But d is the length of the query, `len(head.query)`.",
        ),
        (
            lambda position, x, y, head, group: attention_term(position, x, y, head, group).roll(1),
            "s comes first in your result. The order is (s·h_V(y), s): the numerator, then what it is divided by.",
        ),
        (
            _term(_right_score, window=False),
            "Your window has no border. Outside it the whole term is zero; setting only the position to zero still "
            "gives s > 0.",
        ),
        (
            lambda position, x, y, head, group: attention_term(position, x, y, head, group)[:-1],
            "You return the numerator only. The denominator must be summed, too: append s with `torch.cat`.",
        ),
        (
            _combined(lambda s, value, own: (value, s)),
            "The value is not weighted. The first part is s·h_V(y): multiply the value by s.",
        ),
        (
            _combined(lambda s, value, own: (s * own, s)),
            "Your value comes from x. g̃ offers the value: it is h_V(y), with y = f(g̃).",
        ),
        (
            _combined(lambda s, value, own: (s.log() * value, s.log())),
            "Your s is the score itself. A softmax takes exp of each score: s = exp(score).",
        ),
        (
            _combined(lambda s, value, own: (s * value, torch.ones_like(s))),
            "Your last number is 1. What is summed for the denominator is s.",
        ),
        (
            _combined(lambda s, value, own: (value, torch.ones_like(s))),
            "You have divided by s already. No single pair knows the sum of all s: return (s·h_V(y), s).",
        ),
    ],
)
