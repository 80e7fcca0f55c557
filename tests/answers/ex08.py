"""Answers to the exercises of notebook 08."""

import torch
from torch import nn

from answers import correct, wrong
from course_lib.actions import act_on_image
from course_lib.framework import entry_at
from course_lib.groups import C1, Element, inverse
from course_lib.layers import (
    GroupBatchNorm,
    GroupConv2d,
    GroupInstanceNorm,
    lifting_filter_bank,
    neighborhoods,
)


@correct("filter_of_matrix")
def column_by_column(matrix, group):
    channels = matrix.shape[1] // group.order
    psi = matrix.new_zeros(len(matrix), channels, group.order, 1, 1)
    for column in range(matrix.shape[1]):
        psi[:, column % channels, column // channels, 0, 0] = matrix[:, column]
    return psi


@correct("filter_of_matrix")
def by_chunks(matrix, group):
    return torch.stack(matrix.chunk(group.order, dim=1), dim=2).unsqueeze(-1).unsqueeze(-1)


@wrong("filter_of_matrix", says="as \\(channel, sheet\\)")
def channels_outside(matrix, group):
    return matrix.reshape(len(matrix), -1, group.order, 1, 1)


@wrong("filter_of_matrix", says="stand at a⁻¹")
def sheet_of_the_inverse(matrix, group):
    psi = torch.empty_like(by_chunks(matrix, group))
    for i, a in enumerate(group.elements):
        psi[:, :, group.index(inverse(a))] = by_chunks(matrix, group)[:, :, i]
    return psi


@wrong("filter_of_matrix", says="axes of space are missing")
def without_space(matrix, group):
    return torch.stack(matrix.chunk(group.order, dim=1), dim=2)


@wrong("filter_of_matrix", says="shape")
def sheets_before_channels(matrix, group):
    return matrix.reshape(len(matrix), group.order, -1, 1, 1)


@correct("e4_term")
def channel_by_channel(position, x, y, matrices):
    squeeze, kernel, encoder = matrices
    hidden, values, k = torch.relu(squeeze @ x), encoder @ y, kernel.shape[-1]
    row, col = k // 2 - position.v, k // 2 + position.u
    if position.m or position.r or not (0 <= row < k and 0 <= col < k):
        return 0 * values
    per_slice = len(values) // len(kernel)
    return torch.stack([kernel[c // per_slice, :, row, col] @ hidden * values[c] for c in range(len(values))])


def _at(position, matrices):
    on_this_sheet = position._replace(m=0, r=0)
    return entry_at(matrices.kernel.unsqueeze(2), on_this_sheet, C1)


def _or_zero(position, result):
    return 0 * result if position.m or position.r else result


def _spread(generated, matrices):
    return generated.repeat_interleave(len(matrices.encoder) // len(generated))


@wrong("e4_term", says="other sheets, too")
def on_all_sheets(position, x, y, matrices):
    kernel = _at(position, matrices) @ torch.relu(matrices.squeeze @ x)
    return _spread(kernel, matrices) * (matrices.encoder @ y)


@wrong("e4_term", says="in turn")
def slices_in_turn(position, x, y, matrices):
    kernel = _at(position, matrices) @ torch.relu(matrices.squeeze @ x)
    values = matrices.encoder @ y
    return _or_zero(position, kernel.repeat(len(values) // len(kernel)) * values)


@wrong("e4_term", says="make the kernel from y")
def kernel_of_the_neighbor(position, x, y, matrices):
    kernel = _at(position, matrices) @ torch.relu(matrices.squeeze @ y)
    return _or_zero(position, _spread(kernel, matrices) * (matrices.encoder @ y))


@wrong("e4_term", says="relu is missing")
def linear_generator(position, x, y, matrices):
    kernel = _at(position, matrices) @ matrices.squeeze @ x
    return _or_zero(position, _spread(kernel, matrices) * (matrices.encoder @ y))


@wrong("e4_term", says="relu comes after W₂")
def positive_kernels(position, x, y, matrices):
    kernel = torch.relu(_at(position, matrices) @ matrices.squeeze @ x)
    return _or_zero(position, _spread(kernel, matrices) * (matrices.encoder @ y))


@correct("generate_kernels")
def sheet_by_sheet(hidden, weight, bias):
    sheets = []
    for h in range(hidden.shape[2]):
        w, b = weight[:, h].flatten(2), bias[:, h].flatten(1)  # (s, M, k²), (s, k²)
        z = hidden[:, :, h]  # (B, M, Y, X)
        sheets.append((w[None, ..., None, None] * z[:, None, :, None]).sum(dim=2) + b[None, ..., None, None])
    return torch.stack(sheets, dim=2)


@wrong("generate_kernels", says="bias b₂ is missing")
def without_bias(hidden, weight, bias):
    return sheet_by_sheet(hidden, weight, 0 * bias)


@wrong("generate_kernels", says="copy of e")
def the_same_copy_for_all(hidden, weight, bias):
    first = torch.zeros(weight.shape[1], dtype=torch.long)
    return sheet_by_sheet(hidden, weight[:, first], bias[:, first])


@wrong("generate_kernels", says="column by column")
def columns_first(hidden, weight, bias):
    return sheet_by_sheet(hidden, weight.transpose(-1, -2), bias.transpose(-1, -2))


@wrong("generate_kernels", says="sum the hidden map over the sheets")
def all_sheets_summed(hidden, weight, bias):
    return sheet_by_sheet(hidden.sum(dim=2, keepdim=True).expand_as(hidden), weight, bias)


@correct("e4_within_budget")
def small_and_safe(channels, order):
    return 5, 1, channels // 4


@correct("e4_within_budget")
def two_slices_where_they_fit(channels, order):
    return (7, 2, channels // 4) if channels >= 16 and order > 1 else (5, 1, channels // 4)


@wrong("e4_within_budget", says="weights fit, but")
def macs_forgotten(channels, order):
    hidden = 4
    budget = 9 * channels**2 * order - (hidden + channels) * channels * order
    k = 5
    while hidden * (k + 2) ** 2 <= budget:
        k += 2
    return k, 1, channels // hidden


@wrong("e4_within_budget", says="make W₂ smaller")
def all_slices(channels, order):
    return 5, channels, 1


@wrong("e4_within_budget", says="Did you forget the aggregation")
def same_for_every_group(channels, order):
    return 15, 1, channels // 4


@wrong("e4_within_budget", says="at least 4")
def one_hidden_channel(channels, order):
    return 5, 1, channels


@wrong("e4_within_budget", says="even")
def even_window(channels, order):
    return 6, 1, 1


@wrong("e4_within_budget", says="three integers")
def layer_instead(channels, order):
    return {"k": 5}


@wrong("e4_within_budget", says="does not divide")
def five_slices(channels, order):
    return 5, 5, 2


@wrong("e4_within_budget", says="at least 5")
def window_of_three(channels, order):
    return 3, 1, 2


class _Layer(nn.Module):
    """Another way to write it: turned kernels instead of turned weights, and a loop over the places."""

    def __init__(self, group, in_channels, out_channels, kernel_size, slices=1, reduction=1):
        super().__init__()
        hidden, self.group = in_channels // reduction, group
        self.encoder = GroupConv2d(group, in_channels, out_channels, 1, bias=False)
        self.kernel_bias = nn.Parameter(torch.randn(slices, kernel_size, kernel_size) / kernel_size)
        self.norm = GroupInstanceNorm(group, hidden)
        self.kernel_weight = nn.Parameter(torch.randn(slices, hidden, kernel_size, kernel_size) / kernel_size)
        self.squeeze = GroupConv2d(group, in_channels, hidden, 1, bias=False)

    def hidden(self, x):
        return torch.relu(self.norm(self.squeeze(x)))

    def values(self, x):
        return self.encoder(x)

    def turned(self, table):
        return lifting_filter_bank(table, self.group)

    def forward(self, x):
        bank, bias = self.turned(self.kernel_weight), self.turned(self.kernel_bias)
        return _neighbor_by_neighbor(sheet_by_sheet(self.hidden(x), bank, bias), self.values(x))


correct("E4")(_Layer)


@wrong("E4", says="same on every sheet")
class NothingTurned(_Layer):
    def turned(self, table):
        return table.unsqueeze(1).repeat_interleave(self.group.order, dim=1)


@wrong("E4", says="b₂ is not")
class BiasForgotten(_Layer):
    def turned(self, table):
        return NothingTurned.turned(self, table) if table.ndim == 3 else super().turned(table)


@wrong("E4", says="relu between W₁ and W₂")
class ReluForgotten(_Layer):
    def hidden(self, x):
        return self.norm(self.squeeze(x))


@wrong("E4", says="other way round")
class NormLast(_Layer):
    def hidden(self, x):
        return self.norm(torch.relu(self.squeeze(x)))


@wrong("E4", says="do not use it")
class NormUnused(_Layer):
    def hidden(self, x):
        return torch.relu(self.squeeze(x))


@wrong("E4", says="relu of the values")
class ReluOnValues(_Layer):
    def values(self, x):
        return torch.relu(self.encoder(x))


@wrong("E4", says="reads x itself")
class ReluBeforeEncoder(_Layer):
    def values(self, x):
        return self.encoder(torch.relu(x))


@wrong("E4", says="`kernel_weight`.* for the slices has length 15, the number of output channels")
class OneKernelPerChannel(_Layer):
    def __init__(self, group, in_channels, out_channels, kernel_size, slices=1, reduction=1):
        super().__init__(group, in_channels, out_channels, kernel_size, out_channels, reduction)


@wrong("E4", says="for the hidden channels has length 12, the number of input channels")
class ReductionForgotten(_Layer):
    def __init__(self, group, in_channels, out_channels, kernel_size, slices=1, reduction=1):
        super().__init__(group, in_channels, out_channels, kernel_size, slices, 1)


@wrong("E4", says="from the encoder's map")
class KernelsFromValues(_Layer):
    def hidden(self, x):
        return self.encoder(x)


@wrong("E4", says="features themselves")
class EncoderForgotten(_Layer):
    def values(self, x):
        return x


@wrong("E4", says="change of `kernel_weight` does not.*in `__init__`")
class BankMadeOnce(_Layer):
    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.bank = lifting_filter_bank(self.kernel_weight, self.group).detach().double()

    def turned(self, table):
        return self.bank if table is self.kernel_weight else super().turned(table)


@wrong("E4", says="no parameter `kernel_bias`.*nn.Parameter")
class NotAParameter(_Layer):
    def __init__(self, *sizes):
        super().__init__(*sizes)
        table = self.kernel_bias.detach()
        del self.kernel_bias
        self.kernel_bias = table


@wrong("E4", says="whatever was in memory")
class StartsAtZero(_Layer):
    def __init__(self, *sizes):
        super().__init__(*sizes)
        nn.init.zeros_(self.kernel_bias)
        nn.init.zeros_(self.kernel_weight)


@wrong("E4", says="does not have: squeeze.bias")
class BiasInTheSqueeze(_Layer):
    def __init__(self, group, in_channels, out_channels, kernel_size, slices=1, reduction=1):
        super().__init__(group, in_channels, out_channels, kernel_size, slices, reduction)
        self.squeeze = GroupConv2d(group, in_channels, in_channels // reduction, 1)


@wrong("E4", says="Your function stopped in line .*sqeeze")
class Misspelled(_Layer):
    def hidden(self, x):
        return torch.relu(self.norm(self.sqeeze(x)))


def _neighbor_by_neighbor(kernels, values, sign=1, slice_of=lambda c, per_slice, slices: c // per_slice):
    slices, k, (height, width) = kernels.shape[1], round(kernels.shape[3] ** 0.5), values.shape[-2:]
    out = torch.zeros_like(values)
    for c in range(values.shape[1]):
        s = slice_of(c, values.shape[1] // slices, slices)
        for i in range(k * k):
            dy, dx = sign * (i // k - k // 2), sign * (i % k - k // 2)
            y, x = slice(max(0, -dy), max(0, height - dy)), slice(max(0, -dx), max(0, width - dx))
            there = values[:, c, :, max(0, dy) : max(0, height + dy), max(0, dx) : max(0, width + dx)]
            out[:, c, :, y, x] += kernels[:, s, :, i, y, x] * there
    return out


def _dealt(kernels, values):
    return _neighbor_by_neighbor(kernels, values, slice_of=lambda c, per_slice, slices: c % slices)


def _backwards(kernels, values):
    return _neighbor_by_neighbor(kernels, values, sign=-1)


def _averaged(kernels, values):
    return _neighbor_by_neighbor(kernels, values) / kernels.shape[3]


def _columns(kernels, values):
    k = round(kernels.shape[3] ** 0.5)
    order = torch.arange(k * k).reshape(k, k).T.flatten()
    return _neighbor_by_neighbor(kernels[:, :, :, order], values)


def _around(kernels, values):
    k = round(kernels.shape[3] ** 0.5)
    out = torch.zeros_like(values)
    for i in range(k * k):
        rolled = values.roll((k // 2 - i // k, k // 2 - i % k), dims=(-2, -1))
        for c in range(values.shape[1]):
            out[:, c] += kernels[:, c * kernels.shape[1] // values.shape[1], :, i] * rolled[:, c]
    return out


correct("unfold_and_sum")(_neighbor_by_neighbor)
wrong("unfold_and_sum", says="deal the channels out")(_dealt)
wrong("unfold_and_sum", says="look the other way")(_backwards)
wrong("unfold_and_sum", says="take the mean")(_averaged)
wrong("unfold_and_sum", says="column by column")(_columns)
wrong("unfold_and_sum", says="opposite border")(_around)


@wrong("unfold_and_sum", says="the pixel itself")
def center_only(kernels, values):
    per_channel = kernels.repeat_interleave(values.shape[1] // kernels.shape[1], dim=1)
    return per_channel.sum(dim=3) * values


@correct("unfold_and_sum")
def by_einsum(kernels, values):
    windows = torch.nn.functional.unfold(values.flatten(1, 2), round(kernels.shape[3] ** 0.5), padding=_reach(kernels))
    windows = windows.unflatten(1, (kernels.shape[1], -1, values.shape[2], kernels.shape[3]))
    return torch.einsum("bship,bschip->bschp", kernels.flatten(-2), windows).reshape(values.shape)


def _reach(kernels):
    return round(kernels.shape[3] ** 0.5) // 2


@wrong("e4_term", says="stopped in line.*0-d tensor.*has no axis of sheets")
def sheet_axis_forgotten(position, x, y, matrices):
    values = matrices.encoder @ y
    if position.m or position.r:
        return torch.zeros_like(values)
    generated = entry_at(matrices.kernel, position, C1) @ torch.relu(matrices.squeeze @ x)
    return generated.repeat_interleave(len(values) // len(generated)) * values


@wrong("e4_term", says="stopped in line.*has no axis of sheets")
def sheet_axis_forgotten_in_two_slices(position, x, y, matrices):
    values = matrices.encoder @ y
    if position.m or position.r:
        return torch.zeros_like(values)
    kernel = entry_at(matrices.kernel, position, C1) @ torch.relu(matrices.squeeze @ x)
    return kernel.repeat_interleave(len(values) // len(matrices.kernel)) * values


@wrong("generate_kernels", says="second relu")
def positive_kernels_only(hidden, weight, bias):
    return sheet_by_sheet(hidden, weight, bias).clamp(min=0)


@wrong("generate_kernels", says="relu of `hidden`")
def relu_of_hidden(hidden, weight, bias):
    return sheet_by_sheet(hidden.clamp(min=0), weight, bias)


@wrong("filter_of_matrix", says="before the channels. Swap")
def sheets_first_without_mixing(matrix, group):
    return by_chunks(matrix, group).transpose(1, 2)


@wrong("filter_of_matrix", says="4 sheets, whatever the group")
def always_four_sheets(matrix, group):
    return torch.stack(matrix.chunk(4, dim=1), dim=2)[..., None, None]


@wrong("e4_term", says="V reads x")
def values_of_the_wrong_patch(position, x, y, matrices):
    return channel_by_channel(position, x, x, matrices)


@wrong("e4_term", says="W₂ at −v")
def opposite_place(position, x, y, matrices):
    return channel_by_channel(position._replace(u=-position.u, v=-position.v), x, y, matrices)


@wrong("e4_term", says="except in the middle")
def only_the_middle(position, x, y, matrices):
    return channel_by_channel(position, x, y, matrices) * (not any(position))


@wrong("e4_term", says="stopped in line.*Repeat each value for the O/s channels")
def slices_not_spread(position, x, y, matrices):
    kernel = _at(position, matrices) @ torch.relu(matrices.squeeze @ x)
    return _or_zero(position, kernel * (matrices.encoder @ y))


@wrong("e4_term", says="stopped in line.*repeat it O/s times")
def spread_s_times(position, x, y, matrices):
    kernel = _at(position, matrices) @ torch.relu(matrices.squeeze @ x)
    return _or_zero(position, kernel.repeat_interleave(len(kernel)) * (matrices.encoder @ y))


@wrong("generate_kernels", says="mean over the M")
def mean_over_hidden_channels(hidden, weight, bias):
    return sheet_by_sheet(hidden / hidden.shape[1], weight, bias)


@wrong("generate_kernels", says="add the bias to W₂")
def bias_in_the_matrix(hidden, weight, bias):
    return sheet_by_sheet(hidden, weight + bias.unsqueeze(2), 0 * bias)


@wrong("generate_kernels", says="run backwards")
def places_backwards(hidden, weight, bias):
    return sheet_by_sheet(hidden, weight, bias).flip(3)


@wrong("E4", says="by h⁻¹ on the sheet h")
class TurnedBackwards(_Layer):
    def turned(self, table):
        return torch.stack([act_on_image(inverse(h), table) for h in self.group.elements], dim=1)


@wrong("E4", says="never mirror them")
class NeverMirrored(_Layer):
    def turned(self, table):
        return torch.stack([act_on_image(Element(0, h.r), table) for h in self.group.elements], dim=1)


@wrong("E4", says="second relu")
class PositiveKernels(_Layer):
    def forward(self, x):
        bank, bias = self.turned(self.kernel_weight), self.turned(self.kernel_bias)
        return _neighbor_by_neighbor(positive_kernels_only(self.hidden(x), bank, bias), self.values(x))


@wrong("E4", says="for the hidden channels has length 6, the reduction ratio")
class ReductionIsTheNumber(_Layer):
    def __init__(self, group, in_channels, out_channels, kernel_size, slices=1, reduction=1):
        super().__init__(group, in_channels, out_channels, kernel_size, slices, in_channels // reduction)


@wrong("E4", says="`forward` returned None.*forget `return`")
class NothingReturned(_Layer):
    def forward(self, x):
        super().forward(x)


def _moved_kernels(kernels, values):
    slices, places = kernels.shape[1], kernels.shape[3]
    out = 0
    for i in range(places):
        only = torch.zeros_like(kernels)
        only[:, :, :, i] = 1
        per_channel = kernels[:, :, :, i].repeat_interleave(values.shape[1] // slices, dim=1)
        out = out + _neighbor_by_neighbor(only, per_channel * values)
    return out


def _only(place):
    def one_place(kernels, values):
        alone = torch.zeros_like(kernels)
        alone[:, :, :, place] = kernels[:, :, :, place]
        return _neighbor_by_neighbor(alone, values)

    return one_place


def _positive(kernels, values):
    return _neighbor_by_neighbor(kernels, values).clamp(min=0)


wrong("unfold_and_sum", says="the neighbor at t \\+ d wrote")(_moved_kernels)
wrong("unfold_and_sum", says="last place is left")(_only(-1))
wrong("unfold_and_sum", says="first place is there")(_only(0))
wrong("unfold_and_sum", says="relu of the sum")(_positive)


@wrong("filter_of_matrix", says="from the last to the first")
def last_sheet_first(matrix, group):
    return by_chunks(matrix, group).flip(2)


@wrong("filter_of_matrix", says="input channels come first")
def channels_swapped(matrix, group):
    return by_chunks(matrix, group).transpose(0, 1)


@wrong("filter_of_matrix", says="3 × 3 window")
def window_of_three_by_three(matrix, group):
    return by_chunks(matrix, group).repeat(1, 1, 1, 3, 3)


@wrong("e4_term", says="the number 0. Return O zeros")
def plain_zero_elsewhere(position, x, y, matrices):
    return torch.tensor(0.0) if position.m or position.r else channel_by_channel(position, x, y, matrices)


@wrong("e4_term", says="You add K and V")
def kernel_plus_values(position, x, y, matrices):
    kernel = _at(position, matrices) @ torch.relu(matrices.squeeze @ x)
    return _or_zero(position, _spread(kernel, matrices) + matrices.encoder @ y)


@wrong("e4_term", says="relu of V")
def positive_values(position, x, y, matrices):
    kernel = _at(position, matrices) @ torch.relu(matrices.squeeze @ x)
    return _or_zero(position, _spread(kernel, matrices) * torch.relu(matrices.encoder @ y))


@wrong("e4_term", says="every kernel value by every entry")
def all_products(position, x, y, matrices):
    kernel = _at(position, matrices) @ torch.relu(matrices.squeeze @ x)
    values = matrices.encoder @ y
    return 0 * values if position.m or position.r else torch.einsum("s,o->so", kernel, values)


def _reading(row_and_column):
    def read(position, x, y, matrices):
        k, values = matrices.kernel.shape[-1], matrices.encoder @ y
        row, col = (k // 2 + step for step in row_and_column(position))
        if position.m or position.r or not (0 <= row < k and 0 <= col < k):
            return 0 * values
        return _spread(matrices.kernel[:, :, row, col] @ torch.relu(matrices.squeeze @ x), matrices) * values

    return read


wrong("e4_term", says="u for the row and v for the column")(_reading(lambda position: (position.u, position.v)))
wrong("e4_term", says="upside down")(_reading(lambda position: (position.v, position.u)))


@wrong("generate_kernels", says="sheets come before the slices")
def sheets_first(hidden, weight, bias):
    return sheet_by_sheet(hidden, weight, bias).transpose(1, 2)


@wrong("generate_kernels", says="still have two axes")
def places_in_two_axes(hidden, weight, bias):
    return torch.einsum("bmhyx,shmkl->bshklyx", hidden, weight) + bias[..., None, None]


@wrong("generate_kernels", says="places come last")
def places_last(hidden, weight, bias):
    return sheet_by_sheet(hidden, weight, bias).permute(0, 1, 2, 4, 5, 3)


@wrong("generate_kernels", says="last sheet to the first")
def sheets_reversed(hidden, weight, bias):
    return sheet_by_sheet(hidden, weight.flip(1), bias.flip(1))


@wrong("generate_kernels", says="softmax over the places")
def softmax_of_places(hidden, weight, bias):
    return sheet_by_sheet(hidden, weight, bias).softmax(dim=3)


def _all_slices(kernels, values):
    return _neighbor_by_neighbor(kernels.sum(dim=1, keepdim=True), values)


def _first_slice(kernels, values):
    return _neighbor_by_neighbor(kernels, values, slice_of=lambda c, per_slice, slices: 0)


def _not_joined(kernels, values):
    out = _neighbor_by_neighbor(kernels, values)
    return out.reshape(len(out), kernels.shape[1], -1, *out.shape[2:])


def _shifted(kernels, padded, height, width):
    k = round(kernels.shape[3] ** 0.5)
    per_channel = kernels.repeat_interleave(padded.shape[1] // kernels.shape[1], dim=1)
    places = [(i, *divmod(i, k)) for i in range(k * k)]
    return sum(per_channel[:, :, :, i] * padded[..., r : r + height, c : c + width] for i, r, c in places)


def _border_continued(kernels, values):
    flat = torch.nn.functional.pad(values.flatten(1, 2), [_reach(kernels)] * 4, mode="replicate")
    return _shifted(kernels, flat.unflatten(1, values.shape[1:3]), *values.shape[-2:])


wrong("unfold_and_sum", says="kernels of all slices")(_all_slices)
wrong("unfold_and_sum", says="kernel of the first slice")(_first_slice)
wrong("unfold_and_sum", says="still split into s slices")(_not_joined)
wrong("unfold_and_sum", says="beyond its border")(_border_continued)


@wrong("unfold_and_sum", says="stopped in line.*repeat it O/s times")
def each_kernel_s_times(kernels, values):
    windows = neighborhoods(values, round(kernels.shape[3] ** 0.5))
    return (kernels.repeat_interleave(kernels.shape[1], dim=1) * windows).sum(dim=3)


@wrong("unfold_and_sum", says="stopped in line.*s kernels and O channels")
def kernels_as_they_are(kernels, values):
    return (kernels * neighborhoods(values, round(kernels.shape[3] ** 0.5))).sum(dim=3)


@wrong("E4", says="softmax of the kernels")
class SoftmaxKernels(_Layer):
    def forward(self, x):
        bank, bias = self.turned(self.kernel_weight), self.turned(self.kernel_bias)
        return _neighbor_by_neighbor(sheet_by_sheet(self.hidden(x), bank, bias).softmax(dim=3), self.values(x))


@wrong("E4", says="relu at the end")
class ReluLast(_Layer):
    def forward(self, x):
        return torch.relu(super().forward(x))


@wrong("E4", says="`norm.weight` has the shape.*as in `GroupInstanceNorm`")
class NormOfTheBatch(_Layer):
    def __init__(self, group, in_channels, out_channels, kernel_size, slices=1, reduction=1):
        super().__init__(group, in_channels, out_channels, kernel_size, slices, reduction)
        self.norm = GroupBatchNorm(group, in_channels // reduction)


@wrong("E4", says="`encoder.weight`.* for the rows has length 7, the kernel size. It should be 1")
class EncoderWithAWindow(_Layer):
    def __init__(self, group, in_channels, out_channels, kernel_size, slices=1, reduction=1):
        super().__init__(group, in_channels, out_channels, kernel_size, slices, reduction)
        self.encoder = GroupConv2d(group, in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False)


@wrong("E4", says="`encoder.weight`.* has length 2, the number of hidden channels")
class EncoderOfHidden(_Layer):
    def __init__(self, group, in_channels, out_channels, kernel_size, slices=1, reduction=1):
        super().__init__(group, in_channels, out_channels, kernel_size, slices, reduction)
        self.encoder = GroupConv2d(group, in_channels // reduction, out_channels, 1, bias=False)

    def values(self, x):
        return self.encoder(self.hidden(x))


@wrong("E4", says="axes are: slices, hidden channels, rows, columns")
class HiddenAxisFirst(_Layer):
    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.kernel_weight = nn.Parameter(self.kernel_weight.detach().transpose(0, 1).clone())

    def turned(self, table):
        return super().turned(table.transpose(0, 1) if table is self.kernel_weight else table)


@wrong("unfold_and_sum", says="softmax of the kernels")
def softmax_of_kernels(kernels, values):
    return _neighbor_by_neighbor(kernels.softmax(dim=3), values)


@wrong("e4_term", says="swapped x and y")
def patches_swapped(position, x, y, matrices):
    return channel_by_channel(position, y, x, matrices)


@wrong("generate_kernels", says="bank over the sheets")
def bank_summed(hidden, weight, bias):
    return sheet_by_sheet(hidden, weight.sum(dim=1, keepdim=True).expand_as(weight), bias)


@wrong("filter_of_matrix", says="sheets and the input channels share|input channels and the sheets share one axis")
def columns_as_they_are(matrix, group):
    return matrix[..., None, None]


@wrong("generate_kernels", says="axis too many, number 2.*add it up, your result is right")
def hidden_axis_kept(hidden, weight, bias):
    slices = torch.einsum("bmhyx,shmi->bsmhiyx", hidden, weight.flatten(-2))
    return slices + bias.flatten(-2)[:, None, ..., None, None] / hidden.shape[1]


@wrong("generate_kernels", says="Of the sheets only number 0")
def bias_of_the_first_sheet(hidden, weight, bias):
    return sheet_by_sheet(hidden, weight, bias[:, :1].expand_as(bias))


@wrong("generate_kernels", says="places the numbers are at the wrong places")
def mirrored_tables(hidden, weight, bias):
    return sheet_by_sheet(hidden, weight.flip(-1), bias.flip(-1))


@wrong("unfold_and_sum", says="one axis too many, number 3.*add it up")
def products_not_summed(kernels, values):
    windows = neighborhoods(values, round(kernels.shape[3] ** 0.5))
    return kernels.repeat_interleave(values.shape[1] // kernels.shape[1], dim=1) * windows


@wrong("unfold_and_sum", says="axis of the channels has length 2")
def channels_of_a_slice_summed(kernels, values):
    return _neighbor_by_neighbor(kernels, values).unflatten(1, (kernels.shape[1], -1)).sum(dim=2)


@wrong("unfold_and_sum", says="axis of the channels the numbers are at the wrong places")
def slices_backwards(kernels, values):
    return _neighbor_by_neighbor(kernels.flip(1), values)


@wrong("e4_term", says="Missing: W₃")
def encoder_forgotten(position, x, y, matrices):
    kernel = _at(position, matrices) @ torch.relu(matrices.squeeze @ x)
    return _or_zero(position, _spread(kernel, matrices) * y)


@wrong("e4_term", says="V\\(y\\) is right.*are not W₂")
def kernel_of_the_first_slice(position, x, y, matrices):
    kernel = _at(position, matrices) @ torch.relu(matrices.squeeze @ x)
    return _or_zero(position, kernel[0] * (matrices.encoder @ y))


@wrong("e4_term", says="but V\\(y\\) = W₃y is")
def only_positive_results(position, x, y, matrices):
    return channel_by_channel(position, x, y, matrices).clamp(min=0)


@wrong("E4", says="does the encoder come before the sum")
class EncoderAfterTheSum(_Layer):
    def forward(self, x):
        bank, bias = self.turned(self.kernel_weight), self.turned(self.kernel_bias)
        return self.encoder(_neighbor_by_neighbor(sheet_by_sheet(self.hidden(x), bank, bias), x))


@wrong("E4", says="result must be V = W₃x. Yours is not")
class DividedByTheWindow(_Layer):
    def forward(self, x):
        return super().forward(x) / self.kernel_bias[0].numel()


@wrong("E4", says="look at the hidden map")
class SqueezeForgotten(_Layer):
    def hidden(self, x):
        return torch.relu(self.norm(x))


@wrong("E4", says="hidden map are right. Is W₂ turned")
class WeightNotTurned(_Layer):
    def turned(self, table):
        return NothingTurned.turned(self, table) if table.ndim == 4 else super().turned(table)


@wrong("E4", says="`norm.weight` has the shape.*axes are: hidden channels, sheets .*as in `GroupInstanceNorm`")
class NormOfPyTorch(_Layer):
    def __init__(self, group, in_channels, out_channels, kernel_size, slices=1, reduction=1):
        super().__init__(group, in_channels, out_channels, kernel_size, slices, reduction)
        self.norm = nn.InstanceNorm3d(in_channels // reduction, affine=True)


@wrong("unfold_and_sum", says="takes k, the side of the window")
def windows_of_k_squared(kernels, values):
    per_channel = kernels.repeat_interleave(values.shape[1] // kernels.shape[1], dim=1)
    return (per_channel * neighborhoods(values, kernels.shape[3])).sum(dim=3)
