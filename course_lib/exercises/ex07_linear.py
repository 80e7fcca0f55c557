"""Exercises 7.3 and 7.7 of notebook 07: the filter of any linear equivariant layer, and a term of one's own."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises import Function, register
from course_lib.exercises.comparing import Mistake, call
from course_lib.exercises.explaining import compare_parts, same, shapes
from course_lib.framework import GroupFunction, equivariant_sum, filter_of_layer
from course_lib.groups import C4, D4, Group
from course_lib.wallpaper import Isometry

E, R = Isometry(0, 0, 0, 0), Isometry(0, 1, 0, 0)
Layer = Callable[[GroupFunction], dict[Isometry, Tensor]]

# 7.3 filter_of_layer


def _convolution(psi: dict[Isometry, Tensor]) -> Layer:
    @functools.wraps(equivariant_sum)
    def layer(f: GroupFunction) -> dict[Isometry, Tensor]:
        return equivariant_sum(f, lambda position, x, y: psi[position].to(y.dtype) @ y)

    return layer


def _points(group: Group) -> list[Isometry]:
    return [Isometry(*h, 0, 0) for h in group.elements]


def _filters(f: Function, reference: Function) -> None:
    four = _points(C4)
    psi = {g: torch.tensor([[10.0**i]]) for i, g in enumerate(four)}
    rule = "The layer is the group convolution on C4 with ψ = 1, 10, 100, 1000."
    compare_parts(f, reference, _convolution(psi), four, 1, explain=_wrong_matrix, because=rule)
    wide = {g: torch.randn(2, 3) for g in four}
    rule = "The layer maps 3 channels to 2, so each ψ(ĝ) has 2 rows and 3 columns."
    compare_parts(f, reference, _convolution(wide), four, 3, explain=_wrong_matrix, because=rule)
    square = {g: torch.randn(2, 2) for g in _points(D4)}
    compare_parts(f, reference, _convolution(square), _points(D4), 2, explain=_wrong_matrix)


def _wrong_matrix(expected: dict[Isometry, Tensor], yours: dict[Isometry, Tensor]) -> str:
    """What the first wrong ψ(ĝ) is instead: the matrix of another ĝ, the sum of all, or of another shape."""
    g = next((g for g in expected if not same(expected[g], yours[g])), E)
    name = g.point_part
    if yours[g].shape != expected[g].shape:
        return (
            f"Your ψ({name}) has {shapes(expected[g], yours[g])}: a row for each output channel "
            "and a column for each input channel."
        )
    for other, matrix in expected.items():
        if same(matrix, yours[g]):
            return f"Your ψ({name}) is the right ψ({other.point_part}). Is the impulse at ĝ, and do you read at e?"
    if same(torch.stack(list(expected.values())).sum(dim=0), yours[g]):
        return f"Your ψ({name}) is the sum of all ψ. Is the input 1 at a single element, and do you read at one only?"
    return _mixed_columns(torch.cat(list(expected.values())), torch.cat([yours[g] for g in expected]))


def _mixed_columns(expected: Tensor, yours: Tensor) -> str:
    """Whether the same columns are added up in all ψ(ĝ), which are stacked here."""
    if expected.shape != yours.shape:
        return ""
    mix = torch.linalg.lstsq(expected, yours).solution
    if not same(expected @ mix, yours):
        return ""
    c = next(c for c, column in enumerate(mix.T) if not same(column, torch.eye(len(mix))[c]))
    terms = " + ".join(f"{factor:.3g} · column {i}" for i, factor in enumerate(mix[:, c]) if abs(factor) > 1e-4)
    return f"Column {c} of each of your ψ(ĝ) is {terms or 0}. Is the impulse for it 1 in channel {c} and 0 elsewhere?"


def _read(place: Callable[[Isometry], Isometry], at: Callable[[Isometry], Isometry]) -> Function:
    """A wrong `filter_of_layer`: an impulse at place(ĝ), read at at(ĝ)."""

    def wrong(layer: Layer, points: Sequence[Isometry], channels: int) -> dict[Isometry, Tensor]:
        psi = {}
        for position in points:
            impulses = [{g: torch.zeros(channels) for g in points} for _ in range(channels)]
            for channel, impulse in enumerate(impulses):
                impulse[place(position)][channel] = 1.0
            psi[position] = torch.stack([layer(impulse)[at(position)] for impulse in impulses], dim=1)
        return psi

    return wrong


def _all_channels_at_once(layer: Layer, points: Sequence[Isometry], channels: int) -> dict[Isometry, Tensor]:
    return {p: layer({g: torch.ones(channels) * (g == p) for g in points})[E] for p in points}


def _accumulating(layer: Layer, points: Sequence[Isometry], channels: int, afresh: bool) -> dict[Isometry, Tensor]:
    """A wrong `filter_of_layer` that never sets an impulse back to 0, or only ``afresh`` for each point."""
    f, psi = {g: torch.zeros(channels) for g in points}, {}
    for position in points:
        f = {g: torch.zeros(channels) for g in points} if afresh else f
        columns = []
        for channel in range(channels):
            f[position][channel] = 1.0
            columns.append(layer(f)[E])
        psi[position] = torch.stack(columns, dim=1)
    return psi


def _all_answers(layer: Layer, points: Sequence[Isometry], channels: int) -> dict[Isometry, Tensor]:
    everything = torch.stack(list(filter_of_layer(layer, points, channels).values())).sum(dim=0)
    return dict.fromkeys(points, everything)


STILL_THERE = "The earlier impulses are still there. Make a new input, zero but for one number, for each impulse."

register(
    "7.3",
    filter_of_layer,
    minutes=15,
    difficulty=3,
    checks=[_filters],
    hints=[
        "Which input makes all terms of Σ ψ(g⁻¹g̃) f(g̃) zero but one? And at which g is g⁻¹g̃ simply g̃?",
        "Put in a function that is 1 at ĝ in channel c and 0 elsewhere. The result at g = e is column c of ψ(ĝ).",
        "Two loops: over `points` and over `range(channels)`. Make `{g: torch.zeros(channels) for g in points}`, set "
        "one number to 1, call `layer`, take the result at e; `torch.stack(columns, dim=1)` makes the matrix.",
    ],
    known_mistakes=[
        (
            _read(lambda position: E, lambda position: position),
            "This is ψ(ĝ⁻¹). If you put the impulse at e and read at g = ĝ, then g⁻¹g̃ = ĝ⁻¹. Put the impulse at ĝ and "
            "read at e.",
        ),
        (
            _read(lambda position: position, lambda position: position),
            "You read where the impulse is. There the relative position is always e, so every entry is ψ(e).",
        ),
        (
            lambda layer, points, channels: {g: m.T for g, m in filter_of_layer(layer, points, channels).items()},
            "Your matrices are transposed. The answer to an impulse in channel c is *column* c: stack with dim=1.",
        ),
        (
            lambda layer, points, channels: {g: m[:, 0] for g, m in filter_of_layer(layer, points, channels).items()},
            "Your ψ(ĝ) is a single column, the answer to an impulse in channel 0. It must be a matrix with one column "
            "for each channel, also if there is only one.",
        ),
        (
            _all_channels_at_once,
            "You put the impulse into all channels at once, so you get the sum of the columns. Take one at a time.",
        ),
        (functools.partial(_accumulating, afresh=False), STILL_THERE),
        (functools.partial(_accumulating, afresh=True), STILL_THERE),
        (
            _all_answers,
            "Each of your ψ(ĝ) is the sum of all. Either you add up the answers at all g: take the one at e only, "
            "where g⁻¹g̃ is g̃. Or your input is 1 at all elements, as it is if they share one vector of zeros.",
        ),
        (
            lambda layer, points, channels: {
                p: torch.stack([layer({p: column})[E] for column in torch.eye(channels)], dim=1) for p in points
            },
            "Your input has a vector for one element only. A layer needs one for each of `points`: zeros everywhere "
            "but at the impulse.",
        ),
        (
            lambda layer, points, channels: {
                p: list(matrix.T) for p, matrix in filter_of_layer(layer, points, channels).items()
            },
            "You return lists of columns. Make a matrix (O, C) of them: `torch.stack(columns, dim=1)`.",
        ),
    ],
)

# 7.7 own_term


def own_term(position: Isometry, x: Tensor, y: Tensor) -> Tensor:
    """A term H̃_ĝ(x, y) that uses everything it may: y counts more the more it resembles x and the nearer it is: (C,).

    One example of many, for the exercise of notebook 07 in which readers invent a term of their own.
    """
    distance = 1 + abs(position.u) + abs(position.v) + 0.1 * position.r + 0.5 * position.m
    return torch.exp(-(x - y).abs()) * y / distance


PLACES = (E, R, Isometry(0, 0, 1, 0), Isometry(0, 3, -1, 2), Isometry(1, 1, 0, 1))


def _terms(f: Function, reference: Function) -> None:
    """What every answer must satisfy; which term it is, is free."""
    vectors = torch.randn(4, 3)
    for position in PLACES:
        for x, y in zip(vectors, vectors.roll(1, 0), strict=True):
            _is_a_function(f, position, x, y)
    _is_a_function(f, E, vectors[0, :2], vectors[1, :2])
    _require(f, "position", "the relative position", [[(place, vectors[0], vectors[1]) for place in PLACES]])
    _require(f, "x", "x = f(g)", [[(place, x, vectors[3]) for x in vectors[:3]] for place in PLACES])
    _require(f, "y", "y = f(g̃)", [[(place, vectors[3], y) for y in vectors[:3]] for place in PLACES])
    x, y, z = vectors[0], vectors[1], vectors[2]
    nothing = torch.zeros_like(y)
    parts = [(f(p, x, y + z), f(p, x, y), f(p, x, z), f(p, x, nothing)) for p in PLACES]
    if all(torch.allclose(both + neither, one + other, atol=1e-5) for both, one, other, neither in parts):
        raise Mistake(
            "Your term is linear in y, or linear plus something that does not depend on y. Let the number that y is "
            "multiplied by depend on y, too."
        )


def _is_a_function(f: Function, position: Isometry, x: Tensor, y: Tensor) -> None:
    """One finite vector like y, the same for the same inputs, and the inputs left alone."""
    example = {"position": position, "x": x, "y": y}
    given = x.clone(), y.clone()
    first = call(f, position, *given, example=example)
    if not isinstance(first, Tensor) or first.shape != y.shape:
        got = f"a tensor of shape {tuple(first.shape)}" if isinstance(first, Tensor) else type(first).__name__
        got = "None (did you forget `return`?)" if first is None else got
        raise Mistake(
            f"Your term returned {got}. Return a vector with as many numbers as y, {tuple(y.shape)}.", example
        )
    if not torch.isfinite(first).all():
        raise Mistake("Your term is not finite here. Is there a division by zero, a root or a logarithm?", example)
    if not (torch.equal(given[0], x) and torch.equal(given[1], y)):
        raise Mistake("Your term changes x or y in place. Make a new tensor: other pairs still need them.", example)
    second = call(f, position, *given, example=example)
    if not torch.equal(first, second):
        raise Mistake(
            "Called twice with the same three inputs, your term returns two different results. It must depend on "
            "position, x and y only, or pairs with the same relative position are not treated alike.",
            example,
            first,
            second,
        )


def _require(f: Function, name: str, what: str, families: list[list[Any]]) -> None:
    """In one family of inputs at least, which differ in one thing only, the results must differ."""
    results = [torch.stack([f(*each) for each in inputs]) for inputs in families]
    if all(torch.allclose(result, result[:1].expand_as(result)) for result in results):
        raise Mistake(f"Your term does not depend on {what}: it is the same for every `{name}` that was tried.")


register(
    "7.7",
    own_term,
    minutes=10,
    difficulty=2,
    checks=[_terms],
    hints=[
        'Say in words what you want: for example, "let similar neighbors count more, and near ones more than far '
        'ones".',
        "The fields of `position` are m, r, u and v. `abs(position.u) + abs(position.v)` is a distance.",
        "`torch.exp(-(x - y) ** 2)` is near 1 where x and y are alike. Multiply it by y and by a number for the place.",
    ],
)
