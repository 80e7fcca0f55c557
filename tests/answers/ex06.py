"""Answers to the exercises of notebook 06."""

import numpy as np
import torch
import torch.nn.functional as F

from answers import correct, wrong
from course_lib.actions import act_on_feature_map
from course_lib.groups import compose, inverse
from course_lib.layers import group_filter_bank, lifting_filter_bank

# 6.1


@correct("depthwise_pair")
def pair_by_einsum(x, pointwise, kernels):
    mixed = torch.einsum("bcyx,nc->bnyx", x, pointwise)
    return torch.cat([F.conv2d(mixed[:, n : n + 1], k[None, None]) for n, k in enumerate(kernels)], dim=1)


@wrong("depthwise_pair", says="multiply-accumulates, and .* are enough")
def one_full_convolution(x, pointwise, kernels):
    return F.conv2d(x, pointwise[..., None, None] * kernels[:, None])


@wrong("depthwise_pair", says="as MobileNet does")
def space_first(x, pointwise, kernels):
    mixed = F.conv2d(x, kernels[:, None], groups=len(kernels))
    return F.conv2d(mixed, pointwise[..., None, None])


@wrong("depthwise_pair", says="each map gets its own kernel")
def pair_without_groups(x, pointwise, kernels):
    mixed = torch.einsum("bcyx,nc->bnyx", x, pointwise)
    return F.conv2d(mixed, kernels[:, None])


@wrong("depthwise_pair", says="without their weights")
def unweighted(x, pointwise, kernels):
    return pair_by_einsum(x, pointwise * 0 + 1, kernels)


@wrong("depthwise_pair", says="first kernel for every")
def one_kernel(x, pointwise, kernels):
    return pair_by_einsum(x, pointwise, kernels[[0] * len(kernels)])


@wrong("depthwise_pair", says="turned by 180")
def flipped_kernels(x, pointwise, kernels):
    return pair_by_einsum(x, pointwise, kernels.rot90(2, dims=(-2, -1)))


# 6.2


@correct("pointwise_bank")
def by_index(pointwise, group):
    table = torch.tensor([[group.index(compose(inverse(h), g)) for g in group.elements] for h in group.elements])
    return pointwise[:, :, table].transpose(1, 2)


@wrong("pointwise_bank", says="do not permute")
def copied(pointwise, group):
    return pointwise.unsqueeze(1).repeat(1, group.order, 1, 1)


@wrong("pointwise_bank", says="inverse is missing")
def permuted_by_h(pointwise, group):
    table = torch.tensor([[group.index(compose(h, g)) for g in group.elements] for h in group.elements])
    return pointwise[:, :, table].transpose(1, 2)


@wrong("pointwise_bank", says="wrong side")
def on_the_right(pointwise, group):
    table = torch.tensor([[group.index(compose(g, inverse(h))) for g in group.elements] for h in group.elements])
    return pointwise[:, :, table].transpose(1, 2)


@wrong("pointwise_bank", says="after the channels")
def h_after_c(pointwise, group):
    return by_index(pointwise, group).transpose(1, 2)


@wrong("pointwise_bank", says="comes first")
def h_first(pointwise, group):
    return torch.stack([pointwise[..., group.permutation(h)] for h in group.elements])


@wrong("pointwise_bank", says="no gradient")
def detached(pointwise, group):
    return by_index(pointwise.detach(), group)


@wrong("pointwise_bank", says="roll the sheets")
def rolled(pointwise, group):
    return torch.stack([pointwise.roll(i, -1) for i in range(group.order)], dim=1)


# 6.3


def mix_and_convolve(x, pointwise, kernels, letters="bcgyx,nhcg->bnhcyx", **options):
    outputs, sheets = pointwise.shape[:2]
    mixed = torch.einsum(letters, x, pointwise).flatten(1, 3)
    y = F.conv2d(mixed, kernels.flatten(0, 1), groups=outputs * sheets, **options)
    return y.unflatten(1, (outputs, sheets))


@correct("g_factored")
def with_einsum(x, pointwise, kernels, **options):
    return mix_and_convolve(x, pointwise, kernels, **options)


@correct("g_factored")
def one_output_at_a_time(x, pointwise, kernels, **options):
    bias = options.pop("bias", None)
    out = []
    for n, h in np.ndindex(*pointwise.shape[:2]):
        mixed = (x * pointwise[n, h][..., None, None]).sum(dim=2)
        i = n * pointwise.shape[1] + h
        out.append(F.conv2d(mixed, kernels[n, h][None], None if bias is None else bias[i : i + 1], **options))
    return torch.cat(out, dim=1).unflatten(1, pointwise.shape[:2])


@wrong("g_factored", says="wrong order")
def channels_first(x, pointwise, kernels, **options):
    return mix_and_convolve(x, pointwise, kernels, "bcgyx,nhcg->bcnhyx", **options)


@wrong("g_factored", says="wrong group axis")
def over_h(x, pointwise, kernels, **options):
    return mix_and_convolve(x, pointwise, kernels, "bchyx,nhcg->bngcyx", **options)


@wrong("g_factored", says="options")
def bare(x, pointwise, kernels, **options):
    return with_einsum(x, pointwise, kernels)


@wrong("g_factored", says="group axis is missing")
def flat(x, pointwise, kernels, **options):
    return with_einsum(x, pointwise, kernels, **options).flatten(1, 2)


@wrong("g_factored", says="sheet e for every")
def unturned(x, pointwise, kernels, **options):
    return with_einsum(x, pointwise, kernels[:, [0] * kernels.shape[1]], **options)


@wrong("g_factored", says="stopped in line [0-9]+, `mixed = .*bias=")
def options_to_the_wrong_step(x, pointwise, kernels, **options):
    mixed = torch.einsum("bcgyx,nhcg->bnhcyx", x, pointwise, **options).flatten(1, 3)
    y = F.conv2d(mixed, kernels.flatten(0, 1), groups=pointwise.shape[:2].numel())
    return y.unflatten(1, pointwise.shape[:2])


# 6.4


@correct("gc_factored")
def sum_over_both(x, pointwise, kernels, **options):
    mixed = torch.einsum("bcgyx,nhcg->bnhyx", x, pointwise).flatten(1, 2)
    y = F.conv2d(mixed, kernels.flatten(0, 1), groups=mixed.shape[1], **options)
    return y.unflatten(1, pointwise.shape[:2])


@wrong("gc_factored", says="wrong group axis")
def sum_over_h(x, pointwise, kernels, **options):
    return sum_over_both(x, pointwise.transpose(1, 3), kernels, **options)


@wrong("gc_factored", says="only the first channel")
def without_a_sum_over_c(x, pointwise, kernels, **options):
    return sum_over_both(x[:, :1], pointwise[:, :, :1], kernels, **options)


@wrong("gc_factored", says="options")
def options_lost(x, pointwise, kernels, **options):
    return sum_over_both(x, pointwise, kernels)


@wrong("gc_factored", says="group axis is missing")
def left_flat(x, pointwise, kernels, **options):
    mixed = torch.einsum("bcgyx,nhcg->bnhyx", x, pointwise).flatten(1, 2)
    return F.conv2d(mixed, kernels.flatten(0, 1), groups=mixed.shape[1], **options)


@wrong("gc_factored", says="stopped in line|could not be checked")
def no_groups(x, pointwise, kernels, **options):
    mixed = torch.einsum("bcgyx,nhcg->bnhyx", x, pointwise).flatten(1, 2)
    return F.conv2d(mixed, kernels.flatten(0, 1), **options)


@wrong("g_factored", says="multiply-accumulates, and .* are enough")
def by_the_full_bank(x, pointwise, kernels, **options):
    bank = (kernels.unsqueeze(3) * pointwise[..., None, None]).flatten(2, 3).flatten(0, 1)
    return F.conv2d(x.flatten(1, 2), bank, **options).unflatten(1, pointwise.shape[:2])


@wrong("gc_factored", says="multiply-accumulates, and .* are enough")
def by_g_factored(x, pointwise, kernels, **options):
    return with_einsum(x, pointwise, kernels.expand(-1, -1, x.shape[1], -1, -1), **options)


# 6.5


@correct("unseparable_filter")
def four_signs():
    signs = torch.tensor([[1.0, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]])
    return F.pad(signs, (0, 5)).reshape(1, 1, 4, 3, 3)


@wrong("unseparable_filter", says="multiples of one kernel")
def four_strengths():
    return torch.arange(1.0, 5.0).reshape(1, 1, 4, 1, 1) * torch.ones(3, 3)


@wrong("unseparable_filter", says="only 2 patterns")
def two_strokes():
    psi = torch.zeros(1, 1, 4, 3, 3)
    psi[0, 0, 0, 1], psi[0, 0, 1, :, 1] = 1.0, 1.0
    return psi


@wrong("unseparable_filter", says="sheets overlap")
def random_weights():
    return torch.randn(1, 1, 4, 3, 3, generator=torch.Generator().manual_seed(0))


@wrong("unseparable_filter", says="one is stronger")
def one_strong_sheet():
    return four_signs() * torch.tensor([5.0, 1, 1, 1]).reshape(1, 1, 4, 1, 1)


@wrong("unseparable_filter", says="not all of them 0")
def nothing():
    return torch.zeros(1, 1, 4, 3, 3)


@wrong("unseparable_filter", says="has shape .4, 3, 3.")
def without_channels():
    return torch.eye(4, 9).reshape(4, 3, 3)


# 6.6


@correct("filter_weights")
def by_making_them(kind, c_in, c_out, order, k):
    pointwise, kernel = np.empty((c_out, c_in, order)), np.empty((c_out, 1 if kind == "gc" else c_in, k, k))
    return pointwise.size * k**2 if kind == "full" else pointwise.size + kernel.size


@wrong("filter_weights", says="turned copies")
def the_whole_bank(kind, c_in, c_out, order, k):
    return by_making_them(kind, c_in, c_out, order, k) * order


@wrong("filter_weights", says="add their numbers")
def product(kind, c_in, c_out, order, k):
    return c_in * c_out * order * k * k


@wrong("filter_weights", says="each \\*output\\* channel")
def one_kernel_for_all(kind, c_in, c_out, order, k):
    return c_out * c_in * order + k * k if kind == "gc" else by_making_them(kind, c_in, c_out, order, k)


@wrong("filter_weights", says="swapped")
def names_swapped(kind, c_in, c_out, order, k):
    return by_making_them({"g": "gc", "gc": "g"}.get(kind, kind), c_in, c_out, order, k)


@wrong("filter_weights", says="forget the sheets")
def without_sheets(kind, c_in, c_out, order, k):
    return by_making_them(kind, c_in, c_out, 1, k)


@wrong("filter_weights", says="k², not k|k² weights")
def side_for_area(kind, c_in, c_out, order, k):
    sheets = {"full": c_in * order * k, "g": c_in * (order + k), "gc": c_in * order + k}
    return c_out * sheets[kind]


@wrong("gc_factored", says="to both convolutions")
def options_twice(x, pointwise, kernels, **options):
    outputs, sheets = pointwise.shape[:2]
    weights = pointwise.reshape(outputs * sheets, -1, 1, 1)
    mixed = F.conv2d(x.flatten(1, 2), weights, **options)
    y = F.conv2d(mixed, kernels.flatten(0, 1), groups=outputs * sheets, **options)
    return y.unflatten(1, (outputs, sheets))


@wrong("filter_weights", says="count w for each output sheet")
def pointwise_copies(kind, c_in, c_out, order, k):
    w = c_out * order * c_in * order
    return {"full": c_out * c_in * order * k * k, "g": w + c_out * c_in * k * k, "gc": w + c_out * k * k}[kind]


@wrong("filter_weights", says="count K for each output sheet")
def kernel_copies(kind, c_in, c_out, order, k):
    w, kernel = c_out * c_in * order, c_out * order * k * k
    return {"full": w * k * k, "g": w + c_in * kernel, "gc": w + kernel}[kind]


@wrong("filter_weights", says="output's sheets in g and gc")
def copies_of_both(kind, c_in, c_out, order, k):
    w, kernel = c_out * c_in * order, c_out * k * k
    return {"full": w * k * k, "g": (w + c_in * kernel) * order, "gc": (w + kernel) * order}[kind]


@wrong("depthwise_pair", says="only the pointwise step")
def without_space(x, pointwise, kernels):
    return torch.einsum("bcyx,nc->bnyx", x, pointwise)


@wrong("depthwise_pair", says="add up the output channels")
def outputs_added(x, pointwise, kernels):
    return pair_by_einsum(x, pointwise, kernels).sum(dim=1, keepdim=True)


@wrong("pointwise_bank", says="roll the sheets the wrong way")
def rolled_back(pointwise, group):
    return torch.stack([pointwise.roll(-i, -1) for i in range(group.order)], dim=1)


@wrong("pointwise_bank", says="single weight")
def one_weight(pointwise, group):
    return torch.stack([pointwise[..., i] for i in range(group.order)], dim=1)


@wrong("g_factored", says="without their weights")
def sheets_unweighted(x, pointwise, kernels, **options):
    return with_einsum(x, pointwise * 0 + 1, kernels, **options)


@wrong("g_factored", says="each pair .n, h.")
def one_block_per_output(x, pointwise, kernels, **options):
    mixed = torch.einsum("bcgyx,nhcg->bnhcyx", x, pointwise).flatten(1, 3)
    y = F.conv2d(mixed, kernels.flatten(0, 1), groups=len(pointwise), **options)
    return y.unflatten(1, pointwise.shape[:2])


@wrong("g_factored", says="sum over c has to wait")
def channels_added_too_early(x, pointwise, kernels, **options):
    return sum_over_both(x, pointwise, kernels[:, :, :1], **options)


@wrong("gc_factored", says="only the pointwise step")
def mixed_only(x, pointwise, kernels, **options):
    return torch.einsum("bcgyx,nhcg->bnhyx", x, pointwise)


@wrong("gc_factored", says="in the order")
def sheets_before_outputs(x, pointwise, kernels, **options):
    mixed = torch.einsum("bcgyx,nhcg->bhnyx", x, pointwise).flatten(1, 2)
    y = F.conv2d(mixed, kernels.flatten(0, 1), groups=mixed.shape[1], **options)
    return y.unflatten(1, pointwise.shape[:2])


@wrong("filter_weights", says="an ordinary convolution")
def no_group(kind, c_in, c_out, order, k):
    return c_in * c_out * k * k


@wrong("filter_weights", says="count the bias")
def with_bias(kind, c_in, c_out, order, k):
    return by_making_them(kind, c_in, c_out, order, k) + c_out


@wrong("depthwise_pair", says="pad the map")
def padded_by_one(x, pointwise, kernels):
    mixed = torch.einsum("bcyx,nc->bnyx", x, pointwise)
    return F.conv2d(mixed, kernels.unsqueeze(1), groups=len(kernels), padding=1)


@wrong("pointwise_bank", says="reverse order")
def rows_reversed(pointwise, group):
    return torch.stack([pointwise[..., group.permutation(h)] for h in reversed(group.elements)], dim=1)


@wrong("pointwise_bank", says="mixes h with these channels")
def joined_and_reshaped(pointwise, group):
    copies = torch.cat([pointwise[..., group.permutation(h)] for h in group.elements])
    return copies.reshape(len(pointwise), group.order, *pointwise.shape[1:])


@wrong("g_factored", says="bias once for each input channel")
def channel_by_channel(x, pointwise, kernels, **options):
    return sum(with_einsum(x[:, [c]], pointwise[:, :, [c]], kernels[:, :, [c]], **options) for c in range(x.shape[1]))


@wrong("g_factored", says="a map for each .n, h, c.")
def summed_at_the_end(x, pointwise, kernels, **options):
    mixed = torch.einsum("bcgyx,nhcg->bnhcyx", x, pointwise).flatten(1, 3)
    y = F.conv2d(mixed, kernels.reshape(mixed.shape[1], 1, *kernels.shape[3:]), groups=mixed.shape[1], **options)
    return y.unflatten(1, pointwise.shape[:3]).sum(dim=3)


@wrong("g_factored", says="weight of the input's first sheet")
def one_weight_for_all_sheets(x, pointwise, kernels, **options):
    return with_einsum(x, pointwise[..., [0] * x.shape[2]], kernels, **options)


@wrong("g_factored", says="Rows and columns of your kernels")
def kernels_transposed(x, pointwise, kernels, **options):
    return with_einsum(x, pointwise, kernels.mT, **options)


@wrong("gc_factored", says="kernels of the first output channel")
def first_kernel_for_all(x, pointwise, kernels, **options):
    return sum_over_both(x, pointwise, kernels[[0] * len(kernels)], **options)


@wrong("filter_weights", says="the sheets share a kernel")
def kernel_for_each_sheet(kind, c_in, c_out, order, k):
    if kind != "g":
        return by_making_them(kind, c_in, c_out, order, k)
    return c_out * c_in * order + c_out * order * k * k


# Answers of a second reader


@wrong("depthwise_pair", says="stopped in line.*weights as .O, C, 1, 1.")
def a_table_of_weights(x, pointwise, kernels):
    return F.conv2d(F.conv2d(x, pointwise), kernels.unsqueeze(1), groups=len(kernels))


@wrong("depthwise_pair", says="stopped in line.*kernels as .O, 1, k, k.")
def kernels_without_an_axis(x, pointwise, kernels):
    mixed = torch.einsum("bcyx,nc->bnyx", x, pointwise)
    return F.conv2d(mixed, kernels, groups=len(kernels))


@wrong("depthwise_pair", says="stopped in line.*a block for each input channel")
def as_many_groups_as_inputs(x, pointwise, kernels):
    mixed = torch.einsum("bcyx,nc->bnyx", x, pointwise)
    return F.conv2d(mixed, kernels.unsqueeze(1), groups=x.shape[1])


@wrong("depthwise_pair", says="channels and the weights separately")
def two_separate_sums(x, pointwise, kernels):
    mixed = x.sum(dim=1, keepdim=True) * pointwise.sum(dim=1)[:, None, None]
    return F.conv2d(mixed, kernels.unsqueeze(1), groups=len(kernels))


@wrong("pointwise_bank", says="stopped in line.*axis of the channels")
def channels_permuted(pointwise, group):
    return torch.stack([pointwise[:, group.permutation(h)] for h in group.elements], dim=1)


@wrong("pointwise_bank", says="an axis that w has already")
def joined_along_the_channels(pointwise, group):
    return torch.cat([pointwise[..., group.permutation(h)] for h in group.elements], dim=1)


@wrong("pointwise_bank", says="two axes in space")
def as_feature_maps(pointwise, group):
    maps = pointwise[..., None, None]
    return torch.stack([act_on_feature_map(h, maps, group) for h in group.elements], dim=1)


def in_two_steps(x, pointwise, kernels, groups, letters, options):
    mixed = torch.einsum(f"bcgyx,nhcg->bnh{letters}yx", x, pointwise)
    return F.conv2d(mixed.flatten(1, -3), kernels, groups=groups, **options)


@wrong("g_factored", says="stopped in line.*one block .* for each pair")
def a_block_for_each_sheet(x, pointwise, kernels, **options):
    y = in_two_steps(x, pointwise, kernels.flatten(0, 1), kernels.shape[1], "c", options)
    return y.unflatten(1, kernels.shape[:2])


@wrong("g_factored", says="stopped in line.*kernels with four axes")
def kernels_as_they_are(x, pointwise, kernels, **options):
    return in_two_steps(x, pointwise, kernels, kernels.shape[:2].numel(), "c", options).unflatten(1, kernels.shape[:2])


@wrong("g_factored", says=r"split the channels into .\|H\|, O.")
def split_in_the_wrong_order(x, pointwise, kernels, **options):
    y = in_two_steps(x, pointwise, kernels.flatten(0, 1), kernels.shape[:2].numel(), "c", options)
    return y.unflatten(1, kernels.shape[:2][::-1])


@wrong("g_factored", says="stopped in line.*maps with four axes")
def maps_as_they_are(x, pointwise, kernels, **options):
    mixed = torch.einsum("bcgyx,nhcg->bnhcyx", x, pointwise)
    y = F.conv2d(mixed, kernels.flatten(0, 1), groups=kernels.shape[:2].numel(), **options)
    return y.unflatten(1, kernels.shape[:2])


@wrong("gc_factored", says="stopped in line.*one block .* for each pair")
def without_groups(x, pointwise, kernels, **options):
    return in_two_steps(x, pointwise, kernels.flatten(0, 1), 1, "", options).unflatten(1, kernels.shape[:2])


@wrong("gc_factored", says="stopped in line.*kernels with four axes")
def kernels_without_channels(x, pointwise, kernels, **options):
    y = in_two_steps(x, pointwise, kernels.flatten(0, 2), kernels.shape[:2].numel(), "", options)
    return y.unflatten(1, kernels.shape[:2])


def numbers(**formulas):
    """A count of weights from a formula (C, O, |H|, k²) for each kind; the right ones where none is given."""
    right = {
        "full": lambda c, o, h, kk: o * c * h * kk,
        "g": lambda c, o, h, kk: o * c * (h + kk),
        "gc": lambda c, o, h, kk: o * (c * h + kk),
    }
    return lambda kind, c_in, c_out, order, k: (right | formulas)[kind](c_in, c_out, order, k * k)


@wrong("filter_weights", says="forget the sheets")
def full_without_sheets(*given):
    return numbers(full=lambda c, o, h, kk: o * c * kk)(*given)


@wrong("filter_weights", says="one weight for each sheet")
def one_weight_per_channel(*given):
    return numbers(g=lambda c, o, h, kk: o * c * (1 + kk), gc=lambda c, o, h, kk: o * (c + kk))(*given)


@wrong("filter_weights", says="weights w of its own")
def w_shared_by_the_outputs(*given):
    return numbers(gc=lambda c, o, h, kk: c * h + o * kk)(*given)


@wrong("filter_weights", says="each output channel, input channel and sheet")
def w_shared_by_the_inputs(*given):
    return numbers(g=lambda c, o, h, kk: o * c * kk + o * h)(*given)


# Answers of a third reader


@wrong("depthwise_pair", says="rows and columns")
def matrix_product(x, pointwise, kernels):
    return F.conv2d(pointwise @ x, kernels[:, None], groups=len(kernels))


@wrong("depthwise_pair", says="pointwise step needs no .groups")
def groups_in_the_first_step(x, pointwise, kernels):
    mixed = F.conv2d(x, pointwise[..., None, None], groups=x.shape[1])
    return F.conv2d(mixed, kernels[:, None], groups=len(kernels))


@wrong("depthwise_pair", says="one output that reads O maps")
def kernels_as_one_filter(x, pointwise, kernels):
    mixed = torch.einsum("bcyx,nc->bnyx", x, pointwise)
    return F.conv2d(mixed, kernels[None], groups=len(kernels))


@wrong("pointwise_bank", says="two axes in space")
def bank_of_a_table(pointwise, group):
    return group_filter_bank(pointwise, group)


@wrong("pointwise_bank", says="your row h = e has the weight of sheet r³ at sheet g = r")
def inverse_of_the_product(pointwise, group):
    table = torch.tensor([[group.index(inverse(compose(h, g))) for g in group.elements] for h in group.elements])
    return pointwise[:, :, table].transpose(1, 2)


@wrong("pointwise_bank", says="Join the copies")
def list_of_copies(pointwise, group):
    return [pointwise[..., group.permutation(h)] for h in group.elements]


@wrong("g_factored", says="in space, and only for it")
def options_to_both_steps(x, pointwise, kernels, **options):
    outputs, sheets, channels = kernels.shape[:3]
    weights = pointwise.transpose(1, 2).flatten(0, 1)  # (O·C, |H|, |H|): one block for each channel of each output
    copies = x.repeat(1, outputs, 1, 1, 1).flatten(1, 2)
    mixed = F.conv2d(copies, weights.flatten(0, 1)[..., None, None], groups=outputs * channels, **options)
    mixed = mixed.unflatten(1, (outputs, channels, sheets)).transpose(2, 3).flatten(1, 3)
    y = F.conv2d(mixed, kernels.flatten(0, 1), groups=outputs * sheets, **options)
    return y.unflatten(1, (outputs, sheets))


@wrong("g_factored", says="maps with four axes")
def one_axis_too_many(x, pointwise, kernels, **options):
    mixed = torch.einsum("bcgyx,nhcg->bnhcyx", x, pointwise).flatten(1, 2)
    y = F.conv2d(mixed, kernels.flatten(0, 1), groups=kernels.shape[:2].numel(), **options)
    return y.unflatten(1, kernels.shape[:2])


@wrong("g_factored", says="one block .* for each pair")
def a_single_block(x, pointwise, kernels, **options):
    return in_two_steps(x, pointwise, kernels.flatten(0, 1), 1, "c", options).unflatten(1, kernels.shape[:2])


@wrong("gc_factored", says="sees only sheet h of the input")
def the_same_sheet_only(x, pointwise, kernels, **options):
    mixed = torch.einsum("bchyx,nhcg->bnhyx", x, pointwise).flatten(1, 2)
    y = F.conv2d(mixed, kernels.flatten(0, 1), groups=mixed.shape[1], **options)
    return y.unflatten(1, kernels.shape[:2])


@wrong("gc_factored", says="in space, and only for it")
def options_to_the_first_step(x, pointwise, kernels, **options):
    mixed = F.conv2d(x.flatten(1, 2), pointwise.flatten(2, 3).flatten(0, 1)[..., None, None], **options)
    y = F.conv2d(mixed, kernels.flatten(0, 1), groups=mixed.shape[1])
    return y.unflatten(1, kernels.shape[:2])


@wrong("gc_factored", says="still have the axis g")
def sheets_not_summed(x, pointwise, kernels, **options):
    return in_two_steps(x, pointwise, kernels.flatten(0, 1), kernels.shape[:2].numel(), "g", options)


@wrong("unseparable_filter", says="only 3 patterns")
def a_corner_turned():
    corner = torch.tensor([[0.0, 1, 0], [0, 1, 1], [0, 0, 0]])
    return torch.stack([corner.rot90(k) for k in range(4)])[None, None]


@wrong("unseparable_filter", says="ndarray, expected a tensor")
def an_array():
    return np.eye(4, 9).reshape(1, 1, 4, 3, 3)


@wrong("filter_weights", says="count 6·k² . 24, expected 3·k² . 24")
def gc_as_g(*given):
    return numbers(gc=lambda c, o, h, kk: o * c * (h + kk))(*given)


@wrong("filter_weights", says="each pair of channels|count 3·k²")
def g_as_gc(*given):
    return numbers(g=lambda c, o, h, kk: o * (c * h + kk))(*given)


@wrong("filter_weights", says="count 3·k² . 12, expected 3·k² . 24")
def w_without_the_inputs(*given):
    return numbers(gc=lambda c, o, h, kk: o * (h + kk))(*given)


@wrong("depthwise_pair", says="do not add up")
def multiplied_and_not_added(x, pointwise, kernels):
    maps = x[:, None] * pointwise[None, :, :, None, None]
    return F.conv2d(maps.flatten(1, 2), kernels[:, None], groups=len(kernels))


@wrong("depthwise_pair", says="wrong even with one input channel")
def with_a_relu(x, pointwise, kernels):
    mixed = torch.einsum("bcyx,nc->bnyx", x, pointwise).relu()
    return F.conv2d(mixed, kernels[:, None], groups=len(kernels))


@wrong("pointwise_bank", says="only permutes sheets")
def lifting_bank_of_a_table(pointwise, group):
    return lifting_filter_bank(pointwise, group)


@wrong("g_factored", says="`pointwise` at output channel 0 by `kernels` at output channel 1")
def kernels_in_another_order(x, pointwise, kernels, **options):
    return in_two_steps(
        x, pointwise, kernels.transpose(0, 1).flatten(0, 1), kernels.shape[:2].numel(), "c", options
    ).unflatten(1, kernels.shape[:2])


@wrong("gc_factored", says="`x` at input channel 0 by `pointwise` at input channel 1")
def channels_summed_without_weights(x, pointwise, kernels, **options):
    return sum_over_both(x.sum(dim=1, keepdim=True).expand_as(x), pointwise, kernels, **options)


@wrong("gc_factored", says="`x` at input channel 0 by `pointwise` at input channel 1")
def channels_and_weights_summed_apart(x, pointwise, kernels, **options):
    return sum_over_both(x.sum(dim=1, keepdim=True), pointwise.sum(dim=2, keepdim=True), kernels, **options)


@wrong("g_factored", says="`x` at input channel 0 by `kernels` at input channel 1")
def kernels_summed_over_the_channels(x, pointwise, kernels, **options):
    return sum_over_both(x, pointwise, kernels.sum(dim=2, keepdim=True), **options)


@wrong("depthwise_pair", says="not zero where all of `pointwise` is zero")
def softmaxed(x, pointwise, kernels):
    return pair_by_einsum(x, pointwise.softmax(dim=1), kernels)


@wrong("depthwise_pair", says="`pointwise` at output channel 0 by `kernels` at output channel 1")
def every_map_with_every_kernel(x, pointwise, kernels):
    mixed = F.conv2d(x, pointwise[..., None, None])
    return F.conv2d(mixed, kernels[:, None].repeat(1, len(kernels), 1, 1))


@wrong("filter_weights", says="you count 8·k² . 0, expected 24·k² . 0")
def full_without_the_outputs(*given):
    return numbers(full=lambda c, o, h, kk: c * h * kk)(*given)
