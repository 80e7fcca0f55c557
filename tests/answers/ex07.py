"""Answers to the exercises of notebook 07."""

import numpy as np
import torch

from answers import correct, wrong
from course_lib.groups import compose, inverse, matrix
from course_lib.wallpaper import (
    Isometry,
    from_homogeneous_matrix,
    homogeneous_matrix,
    semidirect_inverse,
    semidirect_product,
)


@correct("relative_position")
def by_matrices(g, other):
    return from_homogeneous_matrix(
        np.rint(np.linalg.inv(homogeneous_matrix(g)) @ homogeneous_matrix(other)).astype(int)
    )


@correct("relative_position")
def in_coordinates(g, other):
    back = inverse(g.point_part)
    u, v = matrix(back) @ (other.shift - g.shift)
    return Isometry(*compose(back, other.point_part), int(u), int(v))


@wrong("relative_position", says="inverse is missing")
def without_inverse(g, other):
    return semidirect_product(g, other)


@wrong("relative_position", says="wrong side")
def inverse_on_the_right(g, other):
    return semidirect_product(other, semidirect_inverse(g))


@wrong("relative_position", says="look the other way")
def from_the_other(g, other):
    return semidirect_product(semidirect_inverse(other), g)


@wrong("relative_position", says="forget to turn the shift")
def difference_of_shifts(g, other):
    return Isometry(*compose(inverse(g.point_part), other.point_part), *map(int, other.shift - g.shift))


@wrong("relative_position", says="field by field")
def field_by_field(g, other):
    return Isometry((other.m - g.m) % 2, (other.r - g.r) % 4, other.u - g.u, other.v - g.v)


@wrong("relative_position", says="only changes signs")
def signs_changed(g, other):
    return semidirect_product(Isometry(g.m, -g.r % 4, -g.u, -g.v), other)


@wrong("relative_position", says="the way back turns first")
def shift_of_the_inverse_not_turned(g, other):
    return semidirect_product(Isometry(*inverse(g.point_part), -g.u, -g.v), other)


@correct("aggregate")
def with_a_running_total(f, term):
    out = {}
    for g, x in f.items():
        total = 0
        for other, y in f.items():
            total = total + term(in_coordinates(g, other), x, y)
        out[g] = total
    return out


@wrong("aggregate", says="g̃⁻¹g")
def seen_from_the_other(f, term):
    return {g: sum(term(in_coordinates(other, g), f[g], f[other]) for other in f) for g in f}


@wrong("aggregate", says="g̃ itself")
def absolute(f, term):
    return {g: sum(term(other, f[g], f[other]) for other in f) for g in f}


@wrong("aggregate", says="swapped")
def features_swapped(f, term):
    return {g: sum(term(in_coordinates(g, other), f[other], f[g]) for other in f) for g in f}


@wrong("aggregate", says="leave out")
def without_itself(f, term):
    return {g: sum((term(in_coordinates(g, o), f[g], f[o]) for o in f if o != g), 0 * f[g]) for g in f}


@wrong("aggregate", says="mean")
def averaged(f, term):
    return {g: sum(term(in_coordinates(g, o), f[g], f[o]) for o in f) / len(f) for g in f}


@correct("entry_at")
def by_searching_the_window(table, position, group):
    k = table.shape[-1]
    sheet = list(group.elements).index((position.m, position.r))
    for row in range(k):
        for col in range(k):
            if (col - (k - 1) // 2, (k - 1) // 2 - row) == (position.u, position.v):
                return table[..., sheet, row, col]
    return 0 * table[..., 0, 0, 0]


@wrong("entry_at", says="v points down")
def v_down(table, position, group):
    return by_searching_the_window(table, position._replace(v=-position.v), group)


@wrong("entry_at", says="swapped")
def column_first(table, position, group):
    return by_searching_the_window(table.transpose(-1, -2), position, group)


@wrong("entry_at", says="right on C4 alone")
def sheet_by_r(table, position, group):
    reach = table.shape[-1] // 2
    if abs(position.u) > reach or abs(position.v) > reach:
        return torch.zeros_like(table[..., 0, 0, 0])
    return table[..., position.r, reach - position.v, reach + position.u]


@wrong("entry_at", says="outside of the window the entry is zero")
def without_a_border(table, position, group):
    reach = table.shape[-1] // 2
    return table[..., group.index(position.point_part), reach - position.v, reach + position.u]


@correct("attention_term")
def with_one_more_value(position, x, y, head, group):
    values = torch.cat([head.value @ y, y.new_ones(1)])
    reach = head.positions.shape[-1] // 2
    if abs(position.u) > reach or abs(position.v) > reach:
        return torch.zeros_like(values)
    key = head.key @ y + by_searching_the_window(head.positions, position, group)
    return torch.exp((head.query @ x).dot(key) / key.numel() ** 0.5) * values


@wrong("attention_term", says="divide by √d")
def without_scaling(position, x, y, head, group):
    d = len(head.query)
    return with_one_more_value(position, x * d**0.5, y, head, group)


@wrong("attention_term", says="not by its root")
def divided_by_d(position, x, y, head, group):
    d = len(head.query)
    return with_one_more_value(position, x / d**0.5, y, head, group)


@wrong("attention_term", says="forget the position")
def without_position(position, x, y, head, group):
    return with_one_more_value(position, x, y, head._replace(positions=0 * head.positions), group)


@wrong("attention_term", says="x and y are swapped")
def x_for_y(position, x, y, head, group):
    return with_one_more_value(position, y, x, head, group)


@wrong("attention_term", says="length of the query")
def divided_by_channels(position, x, y, head, group):
    return with_one_more_value(position, x * (len(head.query) / len(x)) ** 0.5, y, head, group)


@wrong("attention_term", says="stands in front")
def s_first(position, x, y, head, group):
    *values, s = with_one_more_value(position, x, y, head, group)
    return torch.stack([s, *values])


@wrong("attention_term", says="position to the query")
def position_in_the_query(position, x, y, head, group):
    reach = head.positions.shape[-1] // 2
    if abs(position.u) > reach or abs(position.v) > reach:
        return y.new_zeros(len(head.value) + 1)
    query = head.query @ x + by_searching_the_window(head.positions, position, group)
    s = torch.exp(query @ (head.key @ y) / len(query) ** 0.5)
    return torch.cat([s * (head.value @ y), s[None]])


@wrong("attention_term", says="query and key are swapped")
def the_other_asks(position, x, y, head, group):
    reach = head.positions.shape[-1] // 2
    if abs(position.u) > reach or abs(position.v) > reach:
        return y.new_zeros(len(head.value) + 1)
    key = head.key @ x + by_searching_the_window(head.positions, position, group)
    s = torch.exp((head.query @ y) @ key / len(key) ** 0.5)
    return torch.cat([s * (head.value @ y), s.reshape(1)])


@wrong("attention_term", says="no border")
def without_window(position, x, y, head, group):
    key = head.key @ y + by_searching_the_window(head.positions, position, group)
    s = torch.exp((head.query @ x) @ key / len(key) ** 0.5)
    return torch.cat([s * (head.value @ y), s.reshape(1)])


@wrong("attention_term", says="numerator alone")
def numerator(position, x, y, head, group):
    return with_one_more_value(position, x, y, head, group)[:-1]


def _move(h, f, group):
    """L_h by hand."""
    sheets = [f[:, group.index(compose(inverse(h), k))] for k in group.elements]
    turned = torch.stack([torch.rot90(sheet, h.r, dims=(-2, -1)) for sheet in sheets], dim=1)
    return turned.flip(-1) if h.m else turned


@correct("position_bank")
def into_a_new_tensor(positions, group):
    bank = positions.new_empty(len(positions), group.order, *positions.shape[1:])
    for i, h in enumerate(group.elements):
        bank[:, i] = _move(h, positions, group)
    return bank


@wrong("position_bank", says="leave its sheets")
def turned_only(positions, group):
    turned = [torch.rot90(positions, h.r, dims=(-2, -1)) for h in group.elements]
    return torch.stack([t.flip(-1) if h.m else t for h, t in zip(group.elements, turned, strict=True)], dim=1)


@wrong("position_bank", says="do not turn them")
def permuted_only(positions, group):
    return torch.stack([positions[:, group.permutation(h)] for h in group.elements], dim=1)


@wrong("position_bank", says="absolute")
def the_same_for_all(positions, group):
    return positions.unsqueeze(1).repeat(1, group.order, 1, 1, 1)


@wrong("position_bank", says="wrong way")
def turned_back(positions, group):
    return torch.stack([_move(inverse(h), positions, group) for h in group.elements], dim=1)


@wrong("position_bank", says="h and h̃ are swapped")
def stacked_behind_the_sheets(positions, group):
    return into_a_new_tensor(positions, group).transpose(1, 2)


@wrong("position_bank", says="stands first")
def stacked_in_front(positions, group):
    return into_a_new_tensor(positions, group).transpose(0, 1)


@correct("attention_weights")
def by_hand(scores, inside):
    weights = scores.exp() * inside
    return weights / weights.sum(dim=(-4, -3), keepdim=True)


@wrong("attention_weights", says="softmax of its own")
def sheet_by_sheet(scores, inside):
    weights = scores.exp() * inside
    return weights / weights.sum(dim=-3, keepdim=True)


@wrong("attention_weights", says="one softmax after the other")
def sheets_and_then_neighbors(scores, inside):
    return scores.masked_fill(~inside, -torch.inf).softmax(dim=-4).softmax(dim=-3)


@wrong("attention_weights", says="one softmax after the other")
def neighbors_and_then_sheets(scores, inside):
    return scores.masked_fill(~inside, -torch.inf).softmax(dim=-3).softmax(dim=-4)


@wrong("attention_weights", says="upside down")
def what_lies_outside(scores, inside):
    return scores.masked_fill(inside, -torch.inf).flatten(-4, -3).softmax(dim=-3).view_as(scores)


@wrong("attention_weights", says="no mask")
def unmasked(scores, inside):
    return by_hand(scores, torch.ones_like(inside))


@wrong("attention_weights", says="mask after the softmax")
def masked_late(scores, inside):
    return by_hand(scores, torch.ones_like(inside)) * inside


@wrong("attention_weights", says="exp.0. = 1")
def masked_by_zero(scores, inside):
    return by_hand(scores * inside, torch.ones_like(inside))


@correct("local_patch")
def one_after_the_other(f, g, neighborhood):
    patch = []
    for step in neighborhood:
        u, v = matrix(g.point_part) @ step.shift + g.shift
        place = Isometry(*compose(g.point_part, step.point_part), int(u), int(v))
        patch.extend(f[place].tolist() if place in f else [0.0] * len(f[g]))
    return torch.tensor(patch, dtype=f[g].dtype)


def _joined(f, g, places):
    return torch.cat([f.get(place, 0 * f[g]) for place in places])


@wrong("local_patch", says="g′g")
def step_on_the_left(f, g, neighborhood):
    return _joined(f, g, [semidirect_product(step, g) for step in neighborhood])


@wrong("local_patch", says="fixed order")
def fixed_order(f, g, neighborhood):
    return _joined(f, g, [step._replace(u=g.u + step.u, v=g.v + step.v) for step in neighborhood])


@wrong("local_patch", says="turn the shift of the step")
def shift_not_turned(f, g, neighborhood):
    parts = [compose(g.point_part, step.point_part) for step in neighborhood]
    shifts = [step.shift + g.shift for step in neighborhood]
    return _joined(f, g, [Isometry(*h, *map(int, t)) for h, t in zip(parts, shifts, strict=True)])


@wrong("local_patch", says="without an inverse")
def seen_from_g(f, g, neighborhood):
    return _joined(f, g, [in_coordinates(g, step) for step in neighborhood])


@wrong("local_patch", says="order of f")
def in_the_order_of_f(f, g, neighborhood):
    places = [semidirect_product(g, step) for step in neighborhood]
    return torch.cat([vector for place, vector in f.items() if place in places])


@wrong("relative_position", says="invert the wrong one")
def inverse_of_the_other(g, other):
    return semidirect_product(g, semidirect_inverse(other))


def _with_score(score, position, x, y, head, group):
    reach = head.positions.shape[-1] // 2
    if abs(position.u) > reach or abs(position.v) > reach:
        return y.new_zeros(len(head.value) + 1)
    p = by_searching_the_window(head.positions, position, group)
    s = score(head.query @ x, head.key @ y, p).exp()
    return torch.cat([s * (head.value @ y), s[None]])


@wrong("attention_term", says="outside of the division")
def position_not_divided(position, x, y, head, group):
    return _with_score(lambda q, k, p: q.dot(k) / len(q) ** 0.5 + q.dot(p), position, x, y, head, group)


@wrong("attention_term", says="outside of the product")
def position_as_a_bias(position, x, y, head, group):
    return _with_score(lambda q, k, p: q.dot(k) / len(q) ** 0.5 + p.sum(), position, x, y, head, group)


@wrong("attention_term", says="outside of the product")
def position_as_a_bias_divided(position, x, y, head, group):
    return _with_score(lambda q, k, p: (q.dot(k) + p.sum()) / len(q) ** 0.5, position, x, y, head, group)
