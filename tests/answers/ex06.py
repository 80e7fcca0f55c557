"""Answers to the exercises of notebook 06."""

import numpy as np
import torch
import torch.nn.functional as F

from answers import correct, wrong
from course_lib.groups import compose, inverse

# 6.1


@correct("explained_by_pc1")
def by_covariance(psi):
    shares = []
    for sheets in psi.flatten(0, 1).flatten(2):
        variances = torch.linalg.eigvalsh(torch.cov(sheets))
        shares.append(variances[-1] / variances.sum())
    return torch.stack(shares)


def share(sheets):
    variances = torch.linalg.eigvalsh(sheets @ sheets.transpose(-1, -2))
    return variances[..., -1] / variances.sum(dim=-1)


@wrong("explained_by_pc1", says="centring is missing")
def uncentered(psi):
    return share(psi.flatten(0, 1).flatten(2))


@wrong("explained_by_pc1", says="mean over the \\*sheets\\*")
def sheets_as_samples(psi):
    sheets = psi.flatten(0, 1).flatten(2)
    return share(sheets - sheets.mean(dim=1, keepdim=True))


@wrong("explained_by_pc1", says="square is missing")
def singular_values(psi):
    sheets = psi.flatten(0, 1).flatten(2)
    _, values, _ = torch.linalg.svd(sheets - sheets.mean(dim=-1, keepdim=True))
    return values[:, 0] / values.sum(dim=-1)


@wrong("explained_by_pc1", says="This is the mean")
def averaged(psi):
    return by_covariance(psi).mean()


@wrong("explained_by_pc1", says="returned shape")
def last_component_too(psi):
    variances = torch.linalg.svdvals(psi.flatten(0, 1).flatten(2)) ** 2
    return variances / variances.sum(dim=1, keepdim=True)


# 6.2


@correct("separable_filters")
def by_einsum(kernel, pointwise):
    kernel = kernel.expand(-1, pointwise.shape[1], -1, -1)
    return torch.einsum("ncyx,ncg->ncgyx", kernel, pointwise)


@wrong("separable_filters", says="before the channels")
def sheets_first(kernel, pointwise):
    return by_einsum(kernel, pointwise).transpose(1, 2)


@wrong("separable_filters", says="come last")
def sheets_last(kernel, pointwise):
    return kernel[..., None] * pointwise[:, :, None, None]


@wrong("separable_filters", says="you add")
def added(kernel, pointwise):
    return kernel[:, :, None] + pointwise[..., None, None]


@wrong("separable_filters", says="sum over the sheets")
def summed(kernel, pointwise):
    return by_einsum(kernel, pointwise).sum(2)


@wrong("separable_filters", says="could not be checked|stopped in line")
def as_it_stands(kernel, pointwise):
    return kernel * pointwise


# 6.3


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


# 6.4


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


# 6.5


@correct("gc_factored")
def sum_over_both(x, pointwise, kernels, **options):
    mixed = torch.einsum("bcgyx,nhcg->bnhyx", x, pointwise).flatten(1, 2)
    y = F.conv2d(mixed, kernels.flatten(0, 1), groups=mixed.shape[1], **options)
    return y.unflatten(1, pointwise.shape[:2])


@wrong("gc_factored", says="wrong group axis")
def sum_over_h(x, pointwise, kernels, **options):
    return sum_over_both(x, pointwise.transpose(1, 3), kernels, **options)


@wrong("gc_factored", says="first channel only")
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


@wrong("explained_by_pc1", says="one mean from all sheets of a filter")
def one_mean_per_filter(psi):
    sheets = psi.flatten(0, 1).flatten(2)
    return share(sheets - sheets.mean(dim=(1, 2), keepdim=True))


@wrong("explained_by_pc1", says="one mean from everything")
def one_mean(psi):
    return share((psi - psi.mean()).flatten(0, 1).flatten(2))


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
