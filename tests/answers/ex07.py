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


@wrong("relative_position", says="swapped g and")
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


@wrong("relative_position", says="must be turned back")
def shift_of_the_inverse_not_turned(g, other):
    return semidirect_product(Isometry(*inverse(g.point_part), -g.u, -g.v), other)


@correct("equivariant_sum")
def with_a_running_total(f, term):
    out = {}
    for g, x in f.items():
        total = 0
        for other, y in f.items():
            total = total + term(in_coordinates(g, other), x, y)
        out[g] = total
    return out


@wrong("equivariant_sum", says="g̃⁻¹g")
def seen_from_the_other(f, term):
    return {g: sum(term(in_coordinates(other, g), f[g], f[other]) for other in f) for g in f}


@wrong("equivariant_sum", says="g̃ itself")
def absolute(f, term):
    return {g: sum(term(other, f[g], f[other]) for other in f) for g in f}


@wrong("equivariant_sum", says="swapped")
def features_swapped(f, term):
    return {g: sum(term(in_coordinates(g, other), f[other], f[g]) for other in f) for g in f}


@wrong("equivariant_sum", says="leave out")
def without_itself(f, term):
    return {g: sum((term(in_coordinates(g, o), f[g], f[o]) for o in f if o != g), 0 * f[g]) for g in f}


@wrong("equivariant_sum", says="mean")
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


@wrong("entry_at", says="right on C4 only")
def sheet_by_r(table, position, group):
    reach = table.shape[-1] // 2
    if abs(position.u) > reach or abs(position.v) > reach:
        return torch.zeros_like(table[..., 0, 0, 0])
    return table[..., position.r, reach - position.v, reach + position.u]


@wrong("entry_at", says="outside the window the entry is zero")
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


@wrong("attention_term", says="comes first")
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


@wrong("attention_term", says="numerator only")
def numerator(position, x, y, head, group):
    return with_one_more_value(position, x, y, head, group)[:-1]


@correct("filter_of_layer")
def one_impulse_at_e(layer, points, channels):
    psi = {}
    for c in range(channels):
        f = {g: torch.eye(channels)[c] if g == points[0] else torch.zeros(channels) for g in points}
        for g, answer in layer(f).items():
            psi.setdefault(semidirect_inverse(g), []).append(answer)
    return {g: torch.stack(columns).T for g, columns in psi.items()}


def _impulse(points, place, c, channels):
    f = {g: torch.zeros(channels) for g in points}
    f[place][c] = 1
    return f


@wrong("filter_of_layer", says="This is ψ\\(ĝ⁻¹\\)")
def read_at_the_position(layer, points, channels):
    answers = [layer(_impulse(points, points[0], c, channels)) for c in range(channels)]
    return {g: torch.stack([answer[g] for answer in answers], dim=1) for g in points}


@wrong("filter_of_layer", says="where the impulse is")
def read_at_the_impulse(layer, points, channels):
    def column(g, c):
        return layer(_impulse(points, g, c, channels))[g]

    return {g: torch.stack([column(g, c) for c in range(channels)], dim=1) for g in points}


@wrong("filter_of_layer", says="transposed")
def rows(layer, points, channels):
    return {g: matrix.T for g, matrix in one_impulse_at_e(layer, points, channels).items()}


@wrong("filter_of_layer", says="sum of the columns")
def all_channels_together(layer, points, channels):
    return {g: matrix.sum(dim=1) for g, matrix in one_impulse_at_e(layer, points, channels).items()}


@wrong("filter_of_layer", says="This is ψ\\(ĝ⁻¹\\)")
def impulse_at_the_inverse(layer, points, channels):
    psi = one_impulse_at_e(layer, points, channels)
    return {g: psi[semidirect_inverse(g)] for g in points}


@correct("own_term")
def gate(position, x, y):
    return torch.tanh(y * x.sum()) * (1 + position.u + 2 * position.r)


@correct("own_term")
def nearest_wins(position, x, y):
    return torch.where(y > x, y, 0 * y) / (1 + abs(position.u) + abs(position.v) + position.r)


@wrong("own_term", says="linear in y")
def weighted_by_x(position, x, y):
    return (1 + position.r + position.u) * x.sum() * y


@wrong("own_term", says="does not depend on x")
def ignores_x(position, x, y):
    return (1 + position.r) * y.relu()


@wrong("own_term", says="relative position")
def ignores_the_place(position, x, y):
    return torch.exp(-((x - y) ** 2)) * y


@wrong("own_term", says="does not depend on y")
def ignores_y(position, x, y):
    return (1 + position.r + position.u) * x.relu()


@wrong("own_term", says="two different results")
def with_dropout(position, x, y):
    return torch.rand(3) * x * y * y * (1 + position.u)


@wrong("own_term", says="as many numbers as y")
def one_number(position, x, y):
    return (x @ y).exp() * (1 + position.u)


@wrong("own_term", says="not finite")
def divided_by_the_distance(position, x, y):
    return x * y**2 / (abs(position.u) + abs(position.v))


@wrong("own_term", says="in place")
def adds_in_place(position, x, y):
    y += x
    return y * y * (1 + position.u)


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


@wrong("local_patch", says="does not turn with g")
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


@wrong("relative_position", says="inverted the wrong")
def inverse_of_the_other(g, other):
    return semidirect_product(g, semidirect_inverse(other))


def _with_score(score, position, x, y, head, group):
    reach = head.positions.shape[-1] // 2
    if abs(position.u) > reach or abs(position.v) > reach:
        return y.new_zeros(len(head.value) + 1)
    p = by_searching_the_window(head.positions, position, group)
    s = score(head.query @ x, head.key @ y, p).exp()
    return torch.cat([s * (head.value @ y), s[None]])


@wrong("attention_term", says="after the division")
def position_not_divided(position, x, y, head, group):
    return _with_score(lambda q, k, p: q.dot(k) / len(q) ** 0.5 + q.dot(p), position, x, y, head, group)


@wrong("attention_term", says="outside the product")
def position_as_a_bias(position, x, y, head, group):
    return _with_score(lambda q, k, p: q.dot(k) / len(q) ** 0.5 + p.sum(), position, x, y, head, group)


@wrong("attention_term", says="outside the product")
def position_as_a_bias_divided(position, x, y, head, group):
    return _with_score(lambda q, k, p: (q.dot(k) + p.sum()) / len(q) ** 0.5, position, x, y, head, group)


@wrong("filter_of_layer", says="single column")
def channel_0_only(layer, points, channels):
    return {g: layer(_impulse(points, g, 0, channels))[points[0]] for g in points}


@wrong("equivariant_sum", says="f\\(g̃\\) twice")
def the_neighbor_twice(f, term):
    return {g: sum(term(in_coordinates(g, other), f[other], f[other]) for other in f) for g in f}


@wrong("entry_at", says="from the corner")
def not_centered(table, position, group):
    if max(abs(position.u), abs(position.v)) > table.shape[-1] // 2:
        return torch.zeros_like(table[..., 0, 0, 0])
    return table[..., group.index(position.point_part), position.v, position.u]


@wrong("local_patch", says="new axis")
def stacked_vectors(f, g, neighborhood):
    return torch.stack([f.get(semidirect_product(g, step), 0 * f[g]) for step in neighborhood])


@wrong("own_term", says="not finite")
def a_logarithm(position, x, y):
    return torch.log(x * y) * position.u


@wrong("relative_position", says="invert the whole product")
def product_inverted(g, other):
    return semidirect_inverse(semidirect_product(g, other))


@wrong("relative_position", says="invert both")
def both_inverted(g, other):
    return in_coordinates(g, semidirect_inverse(other))


@wrong("relative_position", says="must be turned back: h")
def shift_turned_forward(g, other):
    u, v = matrix(g.point_part) @ (other.shift - g.shift)
    return in_coordinates(g, other)._replace(u=int(u), v=int(v))


@wrong("relative_position", says="point part is h̃h⁻¹")
def point_part_from_the_right(g, other):
    m, r = compose(other.point_part, inverse(g.point_part))
    return in_coordinates(g, other)._replace(m=m, r=r)


@wrong("equivariant_sum", says="f\\(g\\) twice")
def itself_twice(f, term):
    return {g: sum(term(in_coordinates(g, o), f[g], f[g]) for o in f) for g in f}


@wrong("equivariant_sum", says="g itself")
def where_the_result_belongs(f, term):
    return {g: sum(term(g, f[g], f[o]) for o in f) for g in f}


@wrong("equivariant_sum", says="product gg̃")
def at_the_product(f, term):
    return {g: sum(term(semidirect_product(g, o), f[g], f[o]) for o in f) for g in f}


@wrong("equivariant_sum", says="must be on the left")
def quotient_from_the_right(f, term):
    return {g: sum(term(semidirect_product(o, semidirect_inverse(g)), f[g], f[o]) for o in f) for g in f}


@wrong("equivariant_sum", says="sum over g, for each g̃")
def summed_over_g(f, term):
    return {o: sum(term(in_coordinates(g, o), f[g], f[o]) for g in f) for o in f}


@wrong("filter_of_layer", says="earlier impulses")
def never_cleared(layer, points, channels):
    psi, f = {}, {g: torch.zeros(channels) for g in points}
    for g in points:
        psi[g] = torch.zeros(len(layer(f)[g]), channels)
        for c in range(channels):
            f[g][c] = 1
            psi[g][:, c] = layer(f)[points[0]]
    return psi


@wrong("filter_of_layer", says="earlier impulses")
def cleared_for_each_point(layer, points, channels):
    def column(g, c):
        f = {p: torch.zeros(channels) for p in points}
        f[g][: c + 1] = 1
        return layer(f)[points[0]]

    return {g: torch.stack([column(g, c) for c in range(channels)], dim=1) for g in points}


@wrong("filter_of_layer", says="answers at all g")
def all_answers_added(layer, points, channels):
    def column(g, c):
        return sum(layer(_impulse(points, g, c, channels)).values())

    return {g: torch.stack([column(g, c) for c in range(channels)], dim=1) for g in points}


@wrong("entry_at", says="sheet of ĥ⁻¹")
def sheet_of_the_inverse(table, position, group):
    m, r = inverse(position.point_part)
    return by_searching_the_window(table, position._replace(m=m, r=r), group)


@wrong("entry_at", says="diamond")
def steps_counted(table, position, group):
    if abs(position.u) + abs(position.v) > table.shape[-1] // 2:
        return torch.zeros_like(table[..., 0, 0, 0])
    return by_searching_the_window(table, position, group)


def _recombined(parts, position, x, y, head, group):
    *_, s = with_one_more_value(position, x, y, head, group)
    return torch.cat(parts(s.reshape(1), head.value @ y, head.value @ x)) if s > 0 else y.new_zeros(len(head.value) + 1)


@wrong("attention_term", says="not weighted")
def value_as_it_is(*given):
    return _recombined(lambda s, value, own: (value, s), *given)


@wrong("attention_term", says="value comes from x")
def value_of_x(*given):
    return _recombined(lambda s, value, own: (s * own, s), *given)


@wrong("attention_term", says="takes exp of each score")
def without_exp(*given):
    return _recombined(lambda s, value, own: (s.log() * value, s.log()), *given)


@wrong("attention_term", says="last number is 1")
def pairs_counted(*given):
    return _recombined(lambda s, value, own: (s * value, 0 * s + 1), *given)


@wrong("attention_term", says="divided by s already")
def divided_at_once(*given):
    return _recombined(lambda s, value, own: (value, s / s), *given)


@wrong("local_patch", says="each step backwards")
def steps_backwards(f, g, neighborhood):
    return _joined(f, g, [semidirect_product(g, semidirect_inverse(step)) for step in neighborhood])


@wrong("local_patch", says="Carry each step to g")
def steps_from_e(f, g, neighborhood):
    return _joined(f, g, neighborhood)


@wrong("local_patch", says="add up the vectors")
def vectors_added(f, g, neighborhood):
    return sum(f.get(semidirect_product(g, step), 0 * f[g]) for step in neighborhood)


@wrong("own_term", says="linear plus something")
def linear_plus_a_constant(position, x, y):
    return x.relu() + (1 + position.u + position.r) * y


@wrong("own_term", says="size mismatch")
def three_channels_only(position, x, y):
    return (torch.ones(3, 3) @ x) * y.relu() * (1 + position.u)


# Answers of a second reader


@wrong("relative_position", says="shift is missing")
def turn_only(g, other):
    return Isometry(*compose(inverse(g.point_part), other.point_part), 0, 0)


@wrong("relative_position", says="as an Element")
def an_element(g, other):
    return compose(inverse(g), other)


@wrong("relative_position", says="u and v are swapped")
def u_for_v(g, other):
    m, r, u, v = by_matrices(g, other)
    return Isometry(m, r, v, u)


@wrong("equivariant_sum", says="do not add them up")
def terms_listed(f, term):
    return {g: torch.stack([term(in_coordinates(g, other), f[g], f[other]) for other in f]) for g in f}


@wrong("equivariant_sum", says="Only the last term")
def overwritten(f, term):
    out = {}
    for g in f:
        for other in f:
            out[g] = term(in_coordinates(g, other), f[g], f[other])
    return out


@wrong("equivariant_sum", says="Begin at zero for each g")
def total_never_reset(f, term):
    out, total = {}, 0
    for g in f:
        for other in f:
            total = total + term(in_coordinates(g, other), f[g], f[other])
        out[g] = total
    return out


@wrong("equivariant_sum", says="stopped in line.*where the term wants their features")
def elements_for_features(f, term):
    return {g: sum(term(in_coordinates(g, other), g, other) for other in f) for g in f}


@wrong("filter_of_layer", says="stopped in line.*for one element only")
def impulse_without_zeros(layer, points, channels):
    columns = torch.eye(channels)
    return {p: torch.stack([layer({p: column})[points[0]] for column in columns], dim=1) for p in points}


@wrong("filter_of_layer", says="lists of columns")
def columns_in_a_list(layer, points, channels):
    return {p: list(psi.T) for p, psi in one_impulse_at_e(layer, points, channels).items()}


@wrong("filter_of_layer", says="share one vector of zeros")
def one_vector_of_zeros(layer, points, channels):
    psi = {}
    for position in points:
        columns = []
        for channel in range(channels):
            zeros = torch.zeros(channels)
            f = {g: zeros for g in points}
            f[position][channel] = 1.0
            columns.append(layer(f)[points[0]])
        psi[position] = torch.stack(columns, dim=1)
    return psi


def entry_within(inside, right=1):
    def entry(table, position, group):
        k = table.shape[-1]
        row, column = k // 2 - position.v, k // 2 + right * position.u
        if not inside(row, column, k):
            return torch.zeros_like(table[..., 0, 0, 0])
        return table[..., group.index(position.point_part), row, column]

    return entry


@wrong("entry_at", says="no first row and no first column")
def strictly_inside(table, position, group):
    return entry_within(lambda row, column, k: 0 < row < k and 0 < column < k)(table, position, group)


@wrong("entry_at", says="only two borders")
def upper_bounds_only(table, position, group):
    return entry_within(lambda row, column, k: row < k and column < k)(table, position, group)


@wrong("entry_at", says="Your u points to the left")
def u_to_the_left(table, position, group):
    return entry_within(lambda row, column, k: 0 <= row < k and 0 <= column < k, right=-1)(table, position, group)


def term_of(position, x, y, head, group, zeros, join, score):
    if max(abs(position.u), abs(position.v)) > head.positions.shape[-1] // 2:
        return torch.zeros(zeros)
    query, where = head.query @ x, by_searching_the_window(head.positions, position, group)
    s = score(query, head.key @ y, where, len(query) ** 0.5)
    return join(s, head.value @ y)


def joined(s, value):
    return torch.cat([s * value, s[None]])


def right_s(query, key, where, root):
    return torch.exp(query @ (key + where) / root)


@wrong("attention_term", says="stopped in line.*s is a single number")
def number_in_cat(position, x, y, head, group):
    return term_of(
        position, x, y, head, group, len(head.value) + 1, lambda s, value: torch.cat([s * value, s]), right_s
    )


@wrong("attention_term", says="one number too short")
def zeros_too_short(position, x, y, head, group):
    return term_of(position, x, y, head, group, len(head.value), joined, right_s)


@wrong("attention_term", says="are d . 1 numbers")
def zeros_for_a_key(position, x, y, head, group):
    return term_of(position, x, y, head, group, len(head.query) + 1, joined, right_s)


@wrong("attention_term", says="after exp")
def position_after_exp(position, x, y, head, group):
    def score(query, key, where, root):
        return torch.exp(query @ key / root) + query @ where

    return term_of(position, x, y, head, group, len(head.value) + 1, joined, score)


@wrong("attention_term", says="multiply the key by the position")
def key_times_position(position, x, y, head, group):
    def score(query, key, where, root):
        return torch.exp(query @ (key * where) / root)

    return term_of(position, x, y, head, group, len(head.value) + 1, joined, score)


@wrong("local_patch", says="from where the last one ended")
def walk(f, g, neighborhood):
    vectors, place = [], g
    for step in neighborhood:
        place = semidirect_product(place, step)
        vectors.append(f.get(place, torch.zeros_like(f[g])))
    return torch.cat(vectors)


@wrong("local_patch", says="in front of your patch")
def itself_first(f, g, neighborhood):
    return torch.cat([f[g], one_after_the_other(f, g, neighborhood)])


@wrong("local_patch", says="leave out the places")
def missing_places_left_out(f, g, neighborhood):
    places = [semidirect_product(g, step) for step in neighborhood]
    return torch.cat([f[place] for place in places if place in f])


@correct("own_term")
def zero_straight_above(position, x, y):
    """It is zero at e, whatever x and y are: elsewhere they count."""
    return position.u * x * y.relu()


@wrong("relative_position", says="Turn and mirror are right, but the shift is not")
def only_the_inverse(g, other):
    return semidirect_inverse(g)


@wrong("relative_position", says="The shift is right, but turn and mirror are not")
def orientation_of_the_other(g, other):
    return in_coordinates(g, other)._replace(m=other.m, r=other.r)


@wrong("equivariant_sum", says="thousands are right, so x is")
def y_at_the_relative_position(f, term):
    places = {(g, other): in_coordinates(g, other) for g in f for other in f}
    return {g: sum(term(places[g, o], f[g], f.get(places[g, o], 0 * f[g])) for o in f) for g in f}


@wrong("equivariant_sum", says="thousands are wrong")
def largest_term(f, term):
    return {g: torch.stack([term(in_coordinates(g, o), f[g], f[o]) for o in f]).amax(dim=0) for g in f}


@wrong("equivariant_sum", says="has 2 numbers. The terms are added up")
def terms_joined(f, term):
    return {g: torch.cat([term(in_coordinates(g, o), f[g], f[o]) for o in f]) for g in f}


@wrong("filter_of_layer", says="is the right ψ\\(r²\\)")
def read_at_the_inverse(layer, points, channels):
    return {
        p: torch.stack([layer(_impulse(points, p, c, channels))[semidirect_inverse(p)] for c in range(channels)], dim=1)
        for p in points
    }


@wrong("attention_term", says="If `positions` is zero, s is right")
def position_on_sheet_e(position, x, y, head, group):
    everywhere = head.positions[:, :1].expand_as(head.positions)
    return with_one_more_value(position, x, y, head._replace(positions=everywhere), group)


@wrong("filter_of_layer", says="Column 0 of each of your ψ\\(ĝ\\) is 1 · column 0 . 1 · column 1 . 1 · column 2")
def impulse_in_all_channels(layer, points, channels):
    answers = {p: layer({g: torch.full((channels,), float(g == p)) for g in points})[points[0]] for p in points}
    return {p: answer[:, None].repeat(1, channels) for p, answer in answers.items()}


@wrong("filter_of_layer", says="a column for each input channel")
def one_channel_to_itself(layer, points, channels):
    return {p: matrix.diagonal() for p, matrix in one_impulse_at_e(layer, points, channels).items()}


@wrong("entry_at", says="You take the entry of sheet 0, row 1, column 0")
def point_reflected(table, position, group):
    return by_searching_the_window(table, position._replace(u=-position.u, v=-position.v), group)


@wrong("entry_at", says="zero, but this position is in the window")
def window_too_small(table, position, group):
    reach = table.shape[-1] // 2
    inside = max(abs(position.u), abs(position.v)) < reach
    return inside * by_searching_the_window(table, position, group)


@wrong("entry_at", says="also where it is zero")
def a_plain_zero(table, position, group):
    inside = max(abs(position.u), abs(position.v)) <= table.shape[-1] // 2
    return by_searching_the_window(table, position, group) if inside else torch.tensor(0.0)


@wrong("attention_term", says="If `key` is zero, s is right")
def key_of_x(position, x, y, head, group):
    right = with_one_more_value(position, x, y, head, group)
    s = with_one_more_value(position, x, x, head, group)[-1]
    return right * s / right[-1] if right[-1] > 0 else right


@wrong("attention_term", says="outside the window there are as many zeros")
def a_single_zero(position, x, y, head, group):
    right = with_one_more_value(position, x, y, head, group)
    return right if right[-1] > 0 else torch.zeros(1)


@wrong("local_patch", says="for each of the 3 steps, also where f has no entry")
def one_zero_each(f, g, neighborhood):
    return torch.cat([f.get(semidirect_product(g, step), torch.zeros(2)) for step in neighborhood])


@wrong("local_patch", says="you have f at .* where f has no entry")
def itself_where_f_ends(f, g, neighborhood):
    return torch.cat([f.get(semidirect_product(g, step), f[g]) for step in neighborhood])


@wrong("own_term", says="did you forget `return`")
def nothing_returned(position, x, y):
    torch.sin(x * y) * position.u
