"""Answers to the exercises of notebook 09."""

import math

import torch
import torch.nn.functional as F

from answers import correct, wrong
from course_lib.groups import C1


def _entry(table, position, group):
    k = table.shape[-1]
    sheet = list(group.elements).index((position.m, position.r))
    row, col = k // 2 - position.v, k // 2 + position.u
    if row in range(k) and col in range(k):
        return table[:, sheet, row, col]
    return torch.zeros(len(table), dtype=table.dtype)


@correct("affine_term")
def by_index(position, feature, psi, beta, group):
    return torch.addcmul(_entry(beta, position, group), feature, _entry(psi, position, group))


@wrong("affine_term", says="β is missing")
def linear(position, feature, psi, beta, group):
    return feature * _entry(psi, position, group)


@wrong("affine_term", says="ψ is missing")
def position_alone(position, feature, psi, beta, group):
    return feature + _entry(beta, position, group)


@wrong("affine_term", says="add β first")
def beta_first(position, feature, psi, beta, group):
    return _entry(psi, position, group) * (_entry(beta, position, group) + feature)


@wrong("affine_term", says="swapped: ψ multiplies")
def swapped_tables(position, feature, psi, beta, group):
    return by_index(position, feature, beta, psi, group)


@wrong("affine_term", says="sums over the channels")
def summed_over_channels(position, feature, psi, beta, group):
    return _entry(psi, position, group).dot(feature) + _entry(beta, position, group)


@wrong("affine_term", says="rows and columns are swapped")
def transposed_tables(position, feature, psi, beta, group):
    return by_index(position._replace(u=position.v, v=position.u), feature, psi, beta, group)


@wrong("affine_term", says="v points up")
def rows_upwards(position, feature, psi, beta, group):
    return by_index(position, feature, psi.flip(-2), beta.flip(-2), group)


@correct("affine_map")
def by_unfold(f, psi, beta, kernel_size):
    batch, channels, sheets, height, width = f.shape
    windows = F.unfold(f.flatten(0, 2)[:, None], kernel_size, padding=kernel_size // 2)
    windows = windows.view(batch, channels, sheets, kernel_size**2, height, width)
    if psi is not None:
        windows = (psi.flatten(-2)[..., None, None] * windows[:, :, None]).sum(dim=3)
    if beta is not None:
        windows = windows + beta.flatten(-2)[:, :, :, None, None]
    return windows


@wrong("affine_map", says="wrong .H. of ψ")
def summed_over_h(f, psi, beta, kernel_size):
    return by_unfold(f, None if psi is None else psi.transpose(1, 2), beta, kernel_size)


@wrong("affine_map", says="rows and columns of ψ")
def window_transposed(f, psi, beta, kernel_size):
    return by_unfold(f, None if psi is None else psi.mT, beta, kernel_size)


@wrong("affine_map", says="flipped")
def true_convolution(f, psi, beta, kernel_size):
    return by_unfold(f, None if psi is None else psi.flip(-2).flip(-1), beta, kernel_size)


@wrong("affine_map", says="once for every sheet")
def beta_inside_of_the_sum(f, psi, beta, kernel_size):
    if psi is None or beta is None:
        return by_unfold(f, psi, beta, kernel_size)
    return by_unfold(f, psi, f.shape[2] * beta, kernel_size)


@wrong("affine_map", says="β is missing")
def without_beta(f, psi, beta, kernel_size):
    return by_unfold(f, psi, None, kernel_size)


@wrong("affine_map", says="sum over the neighbors")
def already_aggregated(f, psi, beta, kernel_size):
    return by_unfold(f, psi, beta, kernel_size).sum(3, keepdim=True)


def _scores(query, key, key_affine, kernel_size, heads):
    keys = by_unfold(key, *key_affine, kernel_size)
    products = query[:, :, :, None] * keys
    return torch.stack([part.mean(dim=1) for part in products.chunk(heads, dim=1)], dim=1)


def _inside(query, kernel_size):
    ones = torch.ones(1, 1, *query.shape[-2:], dtype=query.dtype)
    return F.unfold(ones, kernel_size, padding=kernel_size // 2).view(-1, *query.shape[-2:])


@correct("affine_attention_weights")
def by_exponentials(query, key, key_affine, kernel_size, heads=1, masked=False):
    weights = _scores(query, key, key_affine, kernel_size, heads).exp()
    if masked:
        weights = weights * _inside(query, kernel_size)
    return weights / weights.sum(dim=3, keepdim=True)


def _softmax_over(scores, dims):
    weights = scores.exp()
    return weights / weights.sum(dim=dims, keepdim=True)


def _masked(scores, query, kernel_size, masked, value=-math.inf):
    return scores.masked_fill(_inside(query, kernel_size) == 0, value) if masked else scores


@wrong("affine_attention_weights", says="over the sheets h\\. It runs")
def over_the_sheets(query, key, key_affine, kernel_size, heads=1, masked=False):
    return _softmax_over(_masked(_scores(query, key, key_affine, kernel_size, heads), query, kernel_size, masked), 2)


@wrong("affine_attention_weights", says="sheets h and the neighbors together")
def over_sheets_and_neighbors(query, key, key_affine, kernel_size, heads=1, masked=False):
    scores = _masked(_scores(query, key, key_affine, kernel_size, heads), query, kernel_size, masked)
    return _softmax_over(scores, (2, 3))


@wrong("affine_attention_weights", says="pixels that look")
def over_the_pixels(query, key, key_affine, kernel_size, heads=1, masked=False):
    return _softmax_over(
        _masked(_scores(query, key, key_affine, kernel_size, heads), query, kernel_size, masked), (4, 5)
    )


@wrong("affine_attention_weights", says="root of d")
def divided_by_the_root(query, key, key_affine, kernel_size, heads=1, masked=False):
    return by_exponentials(query * (query.shape[1] / heads) ** 0.5, key, key_affine, kernel_size, heads, masked)


@wrong("affine_attention_weights", says="forget to divide by d")
def not_divided(query, key, key_affine, kernel_size, heads=1, masked=False):
    return by_exponentials(query * (query.shape[1] // heads), key, key_affine, kernel_size, heads, masked)


@wrong("affine_attention_weights", says="not mapped")
def plain_key(query, key, key_affine, kernel_size, heads=1, masked=False):
    return by_exponentials(query, key, (None, None), kernel_size, heads, masked)


@wrong("affine_attention_weights", says="mask after the softmax")
def masked_late(query, key, key_affine, kernel_size, heads=1, masked=False):
    weights = by_exponentials(query, key, key_affine, kernel_size, heads)
    return weights * _inside(query, kernel_size) if masked else weights


@wrong("affine_attention_weights", says="a score of 0")
def masked_with_zero(query, key, key_affine, kernel_size, heads=1, masked=False):
    scores = _masked(_scores(query, key, key_affine, kernel_size, heads), query, kernel_size, masked, value=0)
    return _softmax_over(scores, 3)


@wrong("affine_attention_weights", says="never mask")
def never_masked(query, key, key_affine, kernel_size, heads=1, masked=False):
    return by_exponentials(query, key, key_affine, kernel_size, heads)


@wrong("affine_attention_weights", says="always mask")
def always_masked(query, key, key_affine, kernel_size, heads=1, masked=False):
    return by_exponentials(query, key, key_affine, kernel_size, heads, masked=True)


@correct("factorized_positions")
def entry_by_entry(row, column):
    k = row.shape[-1]
    tables = []
    for rows, columns in zip(row, column, strict=True):
        tables += [torch.stack([values] * k, dim=1) for values in rows]
        tables += [torch.stack([values] * k, dim=0) for values in columns]
    return torch.stack(tables)


@wrong("factorized_positions", says="order is reversed")
def from_below(row, column):
    return entry_by_entry(row, column).flip(-1).flip(-2)


@wrong("factorized_positions", says="rows and columns are swapped")
def rows_as_columns(row, column):
    return entry_by_entry(row, column).mT


@wrong("factorized_positions", says="wrong order")
def columns_first(row, column):
    return entry_by_entry(column, row).mT


@wrong("factorized_positions", says="all. heads in front")
def rows_of_all_heads_first(row, column):
    tables = entry_by_entry(row, column).unflatten(0, (len(row), -1))
    d = row.shape[1]
    return torch.cat([tables[:, :d].flatten(0, 1), tables[:, d:].flatten(0, 1)])


@wrong("factorized_positions", says="add row and column")
def outer_sum(row, column):
    return (row[:, :, :, None] + column[:, :, None, :]).flatten(0, 1)


@correct("excitation")
def by_exponential(x, squeeze, excite):
    z = x.flatten(2).mean(-1)
    return 1 / (1 + torch.exp(-excite(squeeze(z).clamp(min=0))))


@wrong("excitation", says="sheet e alone")
def first_sheet(x, squeeze, excite):
    return by_exponential(x[:, :, :1], squeeze, excite)


@wrong("excitation", says="maximum")
def by_maximum(x, squeeze, excite):
    return torch.sigmoid(excite(F.relu(squeeze(x.flatten(2).max(-1).values))))


@wrong("excitation", says="do not divide")
def by_sum(x, squeeze, excite):
    return torch.sigmoid(excite(F.relu(squeeze(x.flatten(2).sum(-1)))))


@wrong("excitation", says="sigmoid is missing")
def without_sigmoid(x, squeeze, excite):
    return excite(F.relu(squeeze(x.flatten(2).mean(-1))))


@wrong("excitation", says="not a relu")
def relu_at_the_end(x, squeeze, excite):
    return F.relu(without_sigmoid(x, squeeze, excite))


@wrong("excitation", says="relu between")
def without_relu(x, squeeze, excite):
    return torch.sigmoid(excite(squeeze(x.flatten(2).mean(-1))))


@wrong("excitation", says="scaled map")
def scaled(x, squeeze, excite):
    return torch.einsum("bchyx,bc->bchyx", x, by_exponential(x, squeeze, excite))


@correct("attention_parameters")
def term_by_term(kind, channels, order, k):
    pointwise = channels * channels * order
    if kind == "sasa":
        return 4 * pointwise + channels * (3 + k)
    window = channels * (order * k * k + k * k)
    if kind == "simple":
        return 2 * pointwise + channels + window
    return 4 * pointwise + 3 * channels + 2 * window + channels * order + channels


@wrong("attention_parameters", says="β a table for each sheet")
def beta_on_the_group(kind, channels, order, k):
    tables = {"sasa": 0, "simple": k * k, "asc": 2 * k * k + 1}[kind]
    return term_by_term(kind, channels, order, k) + tables * (order - 1) * channels


@wrong("attention_parameters", says="β a table for each sheet")
def beta_on_the_group_but_for_the_query(kind, channels, order, k):
    tables = {"sasa": 0, "simple": k * k, "asc": 2 * k * k}[kind]
    return term_by_term(kind, channels, order, k) + tables * (order - 1) * channels


@wrong("attention_parameters", says="ψ.Q and β.Q a whole window")
def query_with_a_window(kind, channels, order, k):
    extra = channels * (order + 1) * (k * k - 1) if kind == "asc" else 0
    return term_by_term(kind, channels, order, k) + extra


@wrong("attention_parameters", says="W.O a bias")
def bias_of_the_output(kind, channels, order, k):
    return term_by_term(kind, channels, order, k) + channels


@wrong("attention_parameters", says="forget W.O")
def without_output(kind, channels, order, k):
    return term_by_term(kind, channels, order, k) - order * channels * channels


@wrong("attention_parameters", says="forget the biases")
def without_biases(kind, channels, order, k):
    return term_by_term(kind, channels, order, k) - {"simple": 1}.get(kind, 3) * channels


@wrong("attention_parameters", says="those of Z²")
def matrices_of_the_plane(kind, channels, order, k):
    matrices = 2 if kind == "simple" else 4
    return term_by_term(kind, channels, order, k) - matrices * (order - 1) * channels**2


@wrong("attention_parameters", says="factorized: k numbers")
def full_positions(kind, channels, order, k):
    return term_by_term(kind, channels, order, k) + (k * k - k) * channels * (kind == "sasa")


@wrong("affine_term", says="β from the sheet of e")
def beta_of_one_sheet(position, feature, psi, beta, group):
    return feature * _entry(psi, position, group) + _entry(beta[:, :1], position._replace(m=0, r=0), C1)


def _masked_by(zero, query, kernel_size, key, key_affine, heads, masked):
    scores = _scores(query, key, key_affine, kernel_size, heads)
    windows = by_unfold(key, None, None, kernel_size)
    weights = scores.exp() * ~(zero(windows, scores) if masked else torch.zeros_like(scores, dtype=torch.bool))
    return weights / weights.sum(dim=3, keepdim=True)


@wrong("affine_attention_weights", says="mask where the value is zero")
def masked_where_the_window_is_zero(query, key, key_affine, kernel_size, heads=1, masked=False):
    def zero(windows, scores):
        return windows.abs().sum(dim=1, keepdim=True) == 0

    return _masked_by(zero, query, kernel_size, key, key_affine, heads, masked)


@wrong("affine_attention_weights", says="mask where the value is zero")
def masked_where_all_sheets_are_zero(query, key, key_affine, kernel_size, heads=1, masked=False):
    def zero(windows, scores):
        return windows.abs().sum(dim=(1, 2))[:, None, None] == 0

    return _masked_by(zero, query, kernel_size, key, key_affine, heads, masked)


@wrong("affine_attention_weights", says="mask where the value is zero")
def masked_where_the_score_is_zero(query, key, key_affine, kernel_size, heads=1, masked=False):
    return _masked_by(lambda windows, scores: scores == 0, query, kernel_size, key, key_affine, heads, masked)
