"""Answers to the exercises of notebook 09."""

import math

import torch
import torch.nn.functional as F

from answers import correct, wrong
from course_lib import oracles
from course_lib.actions import act_on_feature_map, act_on_image
from course_lib.groups import C1, inverse
from course_lib.kernels import affine_map
from course_lib.layers import group_filter_bank, lifting_filter_bank
from course_lib.wallpaper import semidirect_inverse


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


def _unbounded(position, table, group, sign):
    reach = table.shape[-1] // 2
    return table[:, group.index(position.point_part), reach - sign * position.v, reach + position.u]


@wrong("affine_term", says="whether ĝ lies inside the window")
def without_bounds(position, feature, psi, beta, group):
    return feature * _unbounded(position, psi, group, 1) + _unbounded(position, beta, group, 1)


@wrong("affine_term", says="v points up")
def rows_upwards_without_bounds(position, feature, psi, beta, group):
    return feature * _unbounded(position, psi, group, -1) + _unbounded(position, beta, group, -1)


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


@wrong("affine_map", says="no axes for the pixels")
def beta_without_pixels(f, psi, beta, kernel_size):
    return by_unfold(f, psi, None, kernel_size) + beta.flatten(2)


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


@wrong("affine_attention_weights", says="not been through its affine map")
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


def _loops(query, key, value, group, heads=1, masked=False):
    """By the oracle, head by head, image by image."""

    def cut(part, image, head):
        f, (psi, beta) = part
        return f[image].chunk(heads)[head], (psi.chunk(heads)[head], beta.chunk(heads)[head])

    def result(image, head):
        return oracles.affine_self_conv(*(cut(part, image, head) for part in (query, key, value)), group, masked)

    return torch.stack([torch.cat([result(i, head) for head in range(heads)]) for i in range(len(query[0]))])


correct("roto_translation_attention")(_loops)


def _layer(psi_of, beta_of, query, key, value, group, heads=1, masked=False):
    def banks(part):
        psi, beta = part[1]
        return [torch.stack([of(h, t, group) for h in group.elements], 1) for of, t in ((psi_of, psi), (beta_of, beta))]

    k = value[1][0].shape[-1]
    center = by_unfold(query[0], *banks(query), 1).squeeze(3)
    weights = by_exponentials(center, key[0], banks(key), k, heads, masked)
    values = by_unfold(value[0], *banks(value), k).unflatten(1, (heads, -1))
    return (weights[:, :, None] * values).sum(4).flatten(1, 2)


def _turn(h, table, group):
    return act_on_image(h, table)


@correct("roto_translation_attention")
def with_actions(query, key, value, group, heads=1, masked=False):
    return _layer(act_on_feature_map, _turn, query, key, value, group, heads, masked)


@wrong("roto_translation_attention", says="same ψ and β")
def nothing_moved(*parts):
    return _layer(lambda h, psi, group: psi, lambda h, beta, group: beta, *parts)


@wrong("roto_translation_attention", says="sheets must be permuted")
def psi_not_permuted(*parts):
    return _layer(_turn, _turn, *parts)


@wrong("roto_translation_attention", says="do not turn them")
def psi_not_turned(*parts):
    return _layer(lambda h, psi, group: psi[:, group.permutation(h)], _turn, *parts)


@wrong("roto_translation_attention", says="β is the same for all h")
def beta_not_turned(*parts):
    return _layer(act_on_feature_map, lambda h, beta, group: beta, *parts)


@wrong("roto_translation_attention", says="turn β by h⁻¹")
def beta_turned_back(*parts):
    return _layer(act_on_feature_map, lambda h, beta, group: act_on_image(inverse(h), beta), *parts)


@wrong("roto_translation_attention", says="`masked`")
def mask_forgotten(query, key, value, group, heads=1, masked=False):
    return with_actions(query, key, value, group, heads=heads)


@wrong("roto_translation_attention", says="only one head")
def heads_forgotten(query, key, value, group, heads=1, masked=False):
    return with_actions(query, key, value, group, masked=masked)


@wrong("roto_translation_attention", says="affine map of the key")
def tables_of_the_key(query, key, value, *rest):
    return _layer(act_on_feature_map, _turn, query, key, (value[0], key[1]), *rest)


@wrong("roto_translation_attention", says="sum the values themselves")
def plain_values(query, key, value, group, heads=1, masked=False):
    psi, beta = 0 * value[1][0], 0 * value[1][1]
    psi[:, 0] += 1
    return with_actions(query, key, (value[0], (psi, beta)), group, heads=heads, masked=masked)


@wrong("roto_translation_attention", says="query has not been")
def plain_query(query, key, value, group, heads=1, masked=False):
    psi, beta = 0 * query[1][0], 0 * query[1][1]
    psi[:, 0] += 1
    return with_actions((query[0], (psi, beta)), key, value, group, heads, masked)


@wrong("roto_translation_attention", says="stopped in line.*Two heads")
def one_weight_for_each_channel(query, key, value, group, heads=1, masked=False):
    def banks(part):
        return group_filter_bank(part[1][0], group), lifting_filter_bank(part[1][1], group)

    k = value[1][0].shape[-1]
    center = by_unfold(query[0], *banks(query), 1).squeeze(3)
    return (by_exponentials(center, key[0], banks(key), k, heads, masked) * by_unfold(value[0], *banks(value), k)).sum(
        3
    )


@correct("own_gaze")
def half_line(k):
    beta = torch.zeros(k, k) - 200
    beta[k // 2, : k // 2] += 200
    return beta


@wrong("own_gaze", says="quarter turn leaves")
def ring(k):
    beta = torch.full((k, k), -200.0)
    beta[[0, -1]] = 0
    beta[:, [0, -1]] = 0
    return beta


@wrong("own_gaze", says="everywhere")
def all_of_it(k):
    return torch.zeros(k, k)


@wrong("own_gaze", says="look nowhere")
def nothing_at_all(k):
    return torch.full((k, k), -200.0)


@wrong("own_gaze", says="two kinds of entries")
def ones_for_the_region(k):
    beta = torch.full((k, k), -200.0)
    beta[0] = 1
    return beta


@wrong("own_gaze", says="shape")
def one_row(k):
    return torch.full((k * k,), -200.0)


@wrong("affine_term", says="multiply by β as well")
def both_multiply(position, feature, psi, beta, group):
    return feature * (_entry(psi, position, group) + _entry(beta, position, group))


@wrong("affine_term", says="You add ψ")
def both_added(position, feature, psi, beta, group):
    return feature + _entry(psi, position, group) + _entry(beta, position, group)


@wrong("affine_term", says="ψ from the sheet of e")
def psi_of_one_sheet(position, feature, psi, beta, group):
    return feature * _entry(psi[:, :1], position._replace(m=0, r=0), C1) + _entry(beta, position, group)


@wrong("affine_term", says="look up ĝ⁻¹")
def at_the_inverse(position, feature, psi, beta, group):
    return by_index(semidirect_inverse(position), feature, psi, beta, group)


@wrong("affine_term", says="sum over the sheets of the tables")
def sheets_summed(position, feature, psi, beta, group):
    one_sheet = (table.sum(dim=1)[:, None] for table in (psi, beta))
    return by_index(position._replace(m=0, r=0), feature, *one_sheet, C1)


@wrong("affine_map", says="only its own sheet")
def own_sheet_only(f, psi, beta, kernel_size):
    if psi is None:
        return by_unfold(f, psi, beta, kernel_size)
    own = psi.diagonal(dim1=1, dim2=2).movedim(-1, 1)  # (C, |H|, k, k)
    out = by_unfold(f, None, None, kernel_size) * own.flatten(-2)[..., None, None]
    return out if beta is None else out + beta.flatten(-2)[..., None, None]


@wrong("affine_map", says="mean over the sheets")
def sheets_averaged(f, psi, beta, kernel_size):
    return by_unfold(f, None if psi is None else psi / f.shape[2], beta, kernel_size)


@wrong("affine_map", says="sum β over the sheets h")
def one_beta_for_all(f, psi, beta, kernel_size):
    return by_unfold(f, psi, None if beta is None else beta.sum(dim=1, keepdim=True), kernel_size)


@wrong("affine_attention_weights", says="pass on `heads`")
def heads_ignored(query, key, key_affine, kernel_size, heads=1, masked=False):
    return by_exponentials(query, key, key_affine, kernel_size, 1, masked)


@wrong("affine_attention_weights", says="β of the key is missing")
def key_without_beta(query, key, key_affine, kernel_size, heads=1, masked=False):
    return by_exponentials(query, key, (key_affine[0], None), kernel_size, heads, masked)


@wrong("affine_attention_weights", says="use `~inside`")
def inside_masked(query, key, key_affine, kernel_size, heads=1, masked=False):
    scores = _scores(query, key, key_affine, kernel_size, heads)
    return (scores.masked_fill(_inside(query, kernel_size) > 0, -math.inf) if masked else scores).softmax(3)


@wrong("affine_attention_weights", says="do not sum to 1")
def exponentials_alone(query, key, key_affine, kernel_size, heads=1, masked=False):
    return _masked(_scores(query, key, key_affine, kernel_size, heads), query, kernel_size, masked).exp()


@wrong("roto_translation_attention", says="Key and value are swapped")
def key_for_value(query, key, value, *rest):
    return with_actions(query, value, key, *rest)


@wrong("roto_translation_attention", says="affine map of the value")
def tables_of_the_value(query, key, value, *rest):
    return with_actions(query, (key[0], value[1]), value, *rest)


@wrong("roto_translation_attention", says="β is missing")
def no_beta_at_all(query, key, value, *rest):
    key, value = ((f, (psi, 0 * beta)) for f, (psi, beta) in (key, value))
    return with_actions(query, key, value, *rest)


@wrong("roto_translation_attention", says="moved by h⁻¹")
def psi_moved_back(*parts):
    return _layer(lambda h, psi, group: act_on_feature_map(inverse(h), psi, group), _turn, *parts)


@wrong("roto_translation_attention", says="sum to 1 already")
def divided_by_the_neighbors(query, key, value, *rest):
    return with_actions(query, key, value, *rest) / key[1][1].shape[-1] ** 2


@wrong("roto_translation_attention", says="deal the weights of the heads out")
def weights_in_turn(query, key, value, group, heads=1, masked=False):
    (q, q_tables), (k, k_tables), (v, v_tables) = (
        (f, (group_filter_bank(psi, group), lifting_filter_bank(beta, group))) for f, (psi, beta) in (query, key, value)
    )
    size = key[1][0].shape[-1]
    weights = by_exponentials(by_unfold(q, *q_tables, 1)[:, :, :, 0], k, k_tables, size, heads, masked)
    channels = torch.arange(v.shape[1]) % heads
    return (weights[:, channels] * by_unfold(v, *v_tables, size)).sum(dim=3)


@wrong("roto_translation_attention", says="mixed up")
def heads_interleaved(query, key, value, group, heads=1, masked=False):
    out = with_actions(query, key, value, group, heads, masked)
    return torch.stack(out.chunk(heads, dim=1), dim=2).flatten(1, 2)


@wrong("affine_term", says="ψ in place of β")
def psi_twice(position, feature, psi, beta, group):
    return (feature + 1) * _entry(psi, position, group)


@wrong("affine_term", says="whole table β")
def whole_table_added(position, feature, psi, beta, group):
    return feature * _entry(psi, position, group) + beta


@wrong("affine_map", says="sum over the neighbors")
def aggregated_without_their_axis(f, psi, beta, kernel_size):
    return by_unfold(f, psi, beta, kernel_size).sum(dim=3)


@wrong("affine_map", says="neighbors come last")
def neighbors_last(f, psi, beta, kernel_size):
    return by_unfold(f, psi, beta, kernel_size).permute(0, 1, 2, 4, 5, 3)


@wrong("affine_map", says="input channels, too")
def channels_mixed(f, psi, beta, kernel_size):
    mixed = f if psi is None else f.sum(dim=1, keepdim=True).expand_as(f)
    return by_unfold(mixed, psi, beta, kernel_size)


@wrong("affine_map", says="of ψ and β are swapped")
def both_tables_transposed(f, psi, beta, kernel_size):
    return by_unfold(f, *(table if table is None else table.transpose(-1, -2) for table in (psi, beta)), kernel_size)


@wrong("affine_map", says="β is still added")
def nothing_outside(f, psi, beta, kernel_size):
    inside = F.unfold(torch.ones_like(f[:, 0]), kernel_size, padding=kernel_size // 2)
    inside = inside.reshape(len(f), 1, f.shape[2], kernel_size**2, *f.shape[-2:])
    return by_unfold(f, psi, beta, kernel_size) * inside


@wrong("affine_attention_weights", says="over the last axis")
def softmax_of_the_last_axis(query, key, key_affine, kernel_size, heads=1, masked=False):
    return _scores(query, key, key_affine, kernel_size, heads).softmax(dim=-1)


@wrong("affine_attention_weights", says="over the last axis")
def masked_softmax_of_the_last_axis(query, key, key_affine, kernel_size, heads=1, masked=False):
    scores = _masked(_scores(query, key, key_affine, kernel_size, heads), query, kernel_size, masked)
    return _softmax_over(scores, (5,))


@wrong("affine_attention_weights", says="query through the affine map of the key")
def query_mapped_by_the_key(query, key, key_affine, kernel_size, heads=1, masked=False):
    middle = by_unfold(query, *key_affine, kernel_size)[:, :, :, kernel_size**2 // 2]
    return by_exponentials(middle, key, key_affine, kernel_size, heads, masked)


@wrong("affine_attention_weights", says="return the scores")
def scores_for_weights(query, key, key_affine, kernel_size, heads=1, masked=False):
    return _scores(query, key, key_affine, kernel_size, heads)


@wrong("affine_attention_weights", says="divide by d twice")
def divided_twice(query, key, key_affine, kernel_size, heads=1, masked=False):
    return by_exponentials(heads * query / query.shape[1], key, key_affine, kernel_size, heads, masked)


@wrong("affine_term", says="add up the channels")
def one_number(position, feature, psi, beta, group):
    return by_index(position, feature, psi, beta, group).sum()


@wrong("affine_term", says="on D4: ĥ is m, so take sheet 4")
def without_mirrors(position, feature, psi, beta, group):
    return by_index(position._replace(m=0), feature, psi, beta, group)


@wrong("affine_term", says="in the middle of the tables")
def counted_from_the_corner(position, feature, psi, beta, group):
    sheet = list(group.elements).index((position.m, position.r))
    return feature * psi[:, sheet, position.v, position.u] + beta[:, sheet, position.v, position.u]


@wrong("affine_map", says="sum over h, the sheet that looks")
def summed_over_those_that_look(f, psi, beta, kernel_size):
    windows = by_unfold(f, None, None, kernel_size)
    if psi is not None:
        windows = (psi.flatten(-2)[..., None, None] * windows[:, :, None]).sum(dim=2)
    return windows if beta is None else windows + beta.flatten(-2)[..., None, None]


@wrong("affine_map", says="You add β to f")
def beta_before_psi(f, psi, beta, kernel_size):
    windows = by_unfold(f, None, beta, kernel_size)
    if psi is None:
        return windows
    return (psi.flatten(-2)[..., None, None] * windows[:, :, None]).sum(dim=3)


@wrong("affine_map", says="axes \\(B, C, k², .H., Y, X\\), expected \\(B, C, .H., k², Y, X")
def neighbors_before_sheets(f, psi, beta, kernel_size):
    return by_unfold(f, psi, beta, kernel_size).transpose(2, 3)


@wrong("affine_map", says="Without β it was right")
def beta_upside_down(f, psi, beta, kernel_size):
    return by_unfold(f, psi, None if beta is None else beta.flip(-2), kernel_size)


@wrong("affine_attention_weights", says="Yours sum to 1 over the heads")
def over_the_heads(query, key, key_affine, kernel_size, heads=1, masked=False):
    scores = _masked(_scores(query, key, key_affine, kernel_size, heads), query, kernel_size, masked)
    return scores.softmax(dim=1)


@wrong("affine_attention_weights", says="weights are negative")
def scores_over_their_sum(query, key, key_affine, kernel_size, heads=1, masked=False):
    scores = _masked(_scores(query, key, key_affine, kernel_size, heads), query, kernel_size, masked, value=0)
    return scores / scores.sum(dim=3, keepdim=True)


@wrong("affine_attention_weights", says="outside the map has the weight")
def masked_with_a_small_score(query, key, key_affine, kernel_size, heads=1, masked=False):
    scores = _scores(query, key, key_affine, kernel_size, heads)
    return _masked(scores, query, kernel_size, masked, value=-1).softmax(dim=3)


@wrong("affine_attention_weights", says="stopped in line.*same for all heads and sheets")
def mask_for_each_channel(query, key, key_affine, kernel_size, heads=1, masked=False):
    scores = _scores(query, key, key_affine, kernel_size, heads)
    outside = by_unfold(torch.ones_like(key), None, None, kernel_size) == 0
    return (scores.masked_fill(outside, -math.inf) if masked else scores).softmax(dim=3)


def _without_beta(*parts):
    return [(f, (psi, 0 * beta)) for f, (psi, beta) in parts]


@wrong("roto_translation_attention", says="β is missing everywhere")
def psi_alone(query, key, value, *rest):
    return with_actions(*_without_beta(query, key, value), *rest)


@wrong("roto_translation_attention", says="Look at β of the query")
def query_without_beta(query, key, value, *rest):
    return with_actions(*_without_beta(query), key, value, *rest)


@wrong("roto_translation_attention", says="C1 was right.*ψ and β of the value are right.*in query and key.*their ψ")
def query_left_alone(query, key, value, group, heads=1, masked=False):
    mean = query[1][0].mean(dim=1, keepdim=True).expand_as(query[1][0])
    return with_actions((query[0], (mean, query[1][1])), key, value, group, heads, masked)


@wrong("roto_translation_attention", says="Your ψ and β are moved by h⁻¹")
def both_moved_back(*parts):
    return _layer(
        lambda h, psi, group: act_on_feature_map(inverse(h), psi, group),
        lambda h, beta, group: act_on_image(inverse(h), beta),
        *parts,
    )


@wrong("roto_translation_attention", says="axes \\(B, C, k², Y, X\\), expected \\(B, C, .H., Y, X")
def sheets_summed_for_neighbors(query, key, value, *rest):
    heard = with_actions(query, key, value, *rest).sum(dim=2, keepdim=True)
    return heard.expand(-1, -1, value[1][0].shape[-1] ** 2, -1, -1)


@wrong("roto_translation_attention", says="stopped in line.*hand the tables themselves")
def tables_for_banks(query, key, value, group, heads=1, masked=False):
    return affine_map(query[0], *query[1], 1)[:, :, :, 0]


@wrong("affine_attention_weights", says="affine map of the key")
def key_without_psi(query, key, key_affine, kernel_size, heads=1, masked=False):
    return by_exponentials(query, key, (None, key_affine[1]), kernel_size, heads, masked)


@wrong("affine_attention_weights", says="cut into heads")
def heads_averaged(query, key, key_affine, kernel_size, heads=1, masked=False):
    weights = by_exponentials(query, key, key_affine, kernel_size, heads, masked)
    return weights.mean(dim=1, keepdim=True).expand_as(weights)
