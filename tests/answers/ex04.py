"""Answers to the exercises of notebook 04."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from answers import correct, wrong
from course_lib.actions import act_on_feature_map, act_on_image
from course_lib.groups import C4, compose, inverse
from course_lib.layers import (
    EquivariantSequential,
    GlobalMaxPool,
    GroupBatchNorm,
    GroupConv2d,
    GroupMaxPool,
    LiftingConv2d,
    SpatialMaxPool2d,
)
from course_lib.oracles import source_pixel

# 4.1


@correct("lifting_conv")
def by_conv2d(f, psi, group):
    return torch.stack([F.conv2d(f[None], act_on_image(h, psi))[0] for h in group.elements], dim=1)


@wrong("lifting_conv", says="inverse is missing")
def windows_turned_instead(f, psi, group):
    return torch.stack([F.conv2d(f[None], act_on_image(inverse(h), psi))[0] for h in group.elements], dim=1)


@wrong("lifting_conv", says="last term of the sum")
def assigned_instead_of_added(f, psi, group):
    k = psi.shape[-1]
    out = f.new_zeros(len(psi), group.order, f.shape[1] - k + 1, f.shape[2] - k + 1)
    for o, i, row, col in np.ndindex(*out.shape):
        turned = act_on_image(group.elements[i], psi[o])
        for c, a, b in np.ndindex(len(f), k, k):
            out[o, i, row, col] = f[c, row + a, col + b] * turned[c, a, b]
    return out


@wrong("lifting_conv", says="only the first channel")
def first_channel(f, psi, group):
    return by_conv2d(f[:1], psi[:, :1], group)


@wrong("lifting_conv", says="mirrors are missing")
def rotations_only(f, psi, group):
    turned = [torch.rot90(psi, h.r, dims=(-2, -1)) for h in group.elements]
    return torch.stack([F.conv2d(f[None], p)[0] for p in turned], dim=1)


@wrong("lifting_conv", says="not turned")
def all_alike(f, psi, group):
    return F.conv2d(f[None], psi)[0].unsqueeze(1).repeat(1, group.order, 1, 1)


@wrong("lifting_conv", says="swapped")
def group_axis_first(f, psi, group):
    return by_conv2d(f, psi, group).transpose(0, 1)


@wrong("lifting_conv", says="180°")
def true_convolution(f, psi, group):
    return by_conv2d(f, psi.rot90(2, dims=(-2, -1)), group)


@wrong("lifting_conv", says="You pad the image")
def padded(f, psi, group):
    return by_conv2d(F.pad(f, (1, 1, 1, 1)), psi, group)


# 4.2


def in_loops(sheet, pixel, add=True):
    """The loop with another idea of which sheet and which pixel of psi is needed."""

    def convolve(f, psi, group):
        k = psi.shape[-1]
        out = f.new_zeros(len(psi), group.order, f.shape[2] - k + 1, f.shape[3] - k + 1)
        for o, i, row, col in np.ndindex(*out.shape):
            for c, j, a, b in np.ndindex(*f.shape[:2], k, k):
                h, other = group.elements[i], group.elements[j]
                weight = psi[(o, c, sheet(group, h, other), *pixel(h, a, b, k))]
                term = f[c, j, row + a, col + b] * weight
                out[o, i, row, col] = out[o, i, row, col] + term if add else term
        return out

    return convolve


def right_sheet(group, h, other):
    return group.index(compose(inverse(h), other))


def right_pixel(h, a, b, k):
    return source_pixel(h, a, b, k, k)


@correct("group_conv")
def with_a_bank(f, psi, group):
    bank = torch.stack([act_on_feature_map(h, psi, group) for h in group.elements], dim=1)
    return torch.einsum("cjyxab,oicjab->oiyx", f.unfold(2, psi.shape[-1], 1).unfold(3, psi.shape[-1], 1), bank)


@correct("group_conv")
def loops_by_steps(f, psi, group):
    return in_loops(right_sheet, right_pixel)(f, psi, group)


@wrong("group_conv", says="sheets stay where they are")
def sheets_in_place(f, psi, group):
    return in_loops(lambda group, _h, other: group.index(other), right_pixel)(f, psi, group)


@wrong("group_conv", says="yours meets sheet hh̃")
def without_the_inverse(f, psi, group):
    return in_loops(lambda group, h, other: group.index(compose(h, other)), right_pixel)(f, psi, group)


@wrong("group_conv", says="yours meets sheet hh̃")
def looked_up_in_f(f, psi, group):
    k = psi.shape[-1]
    out = f.new_zeros(len(psi), group.order, f.shape[2] - k + 1, f.shape[3] - k + 1)
    for o, i, row, col in np.ndindex(*out.shape):
        for c, j, a, b in np.ndindex(*f.shape[:2], k, k):
            h = group.elements[i]
            value = f[c, right_sheet(group, h, group.elements[j]), row + a, col + b]
            out[o, i, row, col] += value * psi[(o, c, j, *source_pixel(h, a, b, k, k))]
    return out


@wrong("group_conv", says="wrong side")
def multiplied_on_the_right(f, psi, group):
    return in_loops(lambda group, h, other: group.index(compose(other, inverse(h))), right_pixel)(f, psi, group)


@wrong("group_conv", says="the inverse of h⁻¹h̃")
def inverse_of_the_other(f, psi, group):
    return in_loops(lambda group, h, other: group.index(compose(inverse(other), h)), right_pixel)(f, psi, group)


@wrong("group_conv", says="by one more place")
def difference_of_numbers(f, psi, group):
    def sheet(group, h, other):
        return (group.index(other) - group.index(h)) % group.order

    return in_loops(sheet, right_pixel)(f, psi, group)


@wrong("group_conv", says="they are not turned")
def pixels_in_place(f, psi, group):
    return in_loops(right_sheet, lambda _h, a, b, _k: (a, b))(f, psi, group)


@wrong("group_conv", says="pixels turn the wrong way")
def pixels_turned_back(f, psi, group):
    return in_loops(right_sheet, lambda h, a, b, k: source_pixel(inverse(h), a, b, k, k))(f, psi, group)


@wrong("group_conv", says="last term of the sum")
def terms_overwritten(f, psi, group):
    return in_loops(right_sheet, right_pixel, add=False)(f, psi, group)


@wrong("group_conv", says="sheet h of ψ for every sheet")
def sheet_of_the_output(f, psi, group):
    return in_loops(lambda group, h, _other: group.index(h), right_pixel)(f, psi, group)


@wrong("group_conv", says="only one sheet of the input")
def no_sum_over_sheets(f, psi, group):
    k = psi.shape[-1]
    out = f.new_zeros(len(psi), group.order, f.shape[2] - k + 1, f.shape[3] - k + 1)
    for o, i, row, col in np.ndindex(*out.shape):
        for c, a, b in np.ndindex(len(f), k, k):
            weight = psi[(o, c, 0, *source_pixel(group.elements[i], a, b, k, k))]
            out[o, i, row, col] += f[c, i, row + a, col + b] * weight
    return out


@wrong("group_conv", says="only the first channel")
def one_channel(f, psi, group):
    return with_a_bank(f[:1], psi[:, :1], group)


@wrong("group_conv", says="swapped throughout")
def roles_swapped(f, psi, group):
    bank = torch.stack([act_on_feature_map(h, psi, group) for h in group.elements], dim=1).transpose(1, 3)
    return torch.einsum("cjyxab,oicjab->oiyx", f.unfold(2, psi.shape[-1], 1).unfold(3, psi.shape[-1], 1), bank)


@wrong("group_conv", says="group axis of the result is missing")
def summed_over_h(f, psi, group):
    return with_a_bank(f, psi, group).sum(dim=1)


@wrong("group_conv", says="first two axes are swapped")
def sheets_in_front(f, psi, group):
    return with_a_bank(f, psi, group).transpose(0, 1)


@wrong("group_conv", says="maximum over the sheets first")
def pooled_before(f, psi, group):
    return by_conv2d(f.amax(dim=1), psi.sum(dim=2), group)


# 4.3


@correct("group_filter_bank")
def turn_and_pick(psi, group):
    table, copies = group.cayley_table, []
    for h in group.elements:
        sources = [int(table[group.index(inverse(h)), j]) for j in range(group.order)]
        copies.append(act_on_image(h, psi.index_select(2, torch.tensor(sources))))
    return torch.stack(copies, dim=1)


@wrong("group_filter_bank", says="permutation is missing")
def turn_only(psi, group):
    return torch.stack([act_on_image(h, psi) for h in group.elements], dim=1)


@wrong("group_filter_bank", says="comes from sheet h⁻¹h̃")
def rolled_the_wrong_axis(psi, group):
    return torch.stack([act_on_image(h, psi.roll(h.r, 2)) for h in group.elements], dim=1)


@wrong("group_filter_bank", says="not turned")
def permute_only(psi, group):
    return torch.stack([psi[:, :, group.permutation(h)] for h in group.elements], dim=1)


@wrong("group_filter_bank", says="h instead of h⁻¹")
def permute_by_h(psi, group):
    copies = [act_on_image(h, psi[:, :, group.permutation(inverse(h))]) for h in group.elements]
    return torch.stack(copies, dim=1)


@wrong("group_filter_bank", says="group axes are swapped")
def transposed(psi, group):
    return turn_and_pick(psi, group).transpose(1, 3)


@wrong("group_filter_bank", says="before the input channels")
def sheets_before_channels(psi, group):
    return turn_and_pick(psi, group).transpose(2, 3)


@wrong("group_filter_bank", says="one inverse too many")
def turned_back_again(psi, group):
    return torch.stack([act_on_feature_map(inverse(h), psi, group) for h in group.elements], dim=1)


@wrong("group_filter_bank", says="no gradient")
def cut_off_from_psi(psi, group):
    return turn_and_pick(psi.detach(), group)


# 4.4


@correct("t_junction_filter")
def three_by_three():
    psi = torch.zeros(1, 1, 4, 3, 3)
    psi[0, 0, :, 1, 1] = torch.tensor([2.0, 2.0, 2.0, -3.0])
    return psi


@correct("t_junction_filter")
def opened_downwards():
    return torch.tensor([[[-1.5, 1, 1, 1]]], dtype=torch.float64)[..., None, None]


@wrong("t_junction_filter", says="objects to the fourth stroke")
def counts_strokes():
    return torch.ones(1, 1, 4, 1, 1)


@wrong("t_junction_filter", says="A corner has two strokes")
def prefers_corners():
    return torch.tensor([1.0, 1.0, -1.0, -1.0]).reshape(1, 1, 4, 1, 1)


@wrong("t_junction_filter", says="A line has two opposite strokes")
def prefers_lines():
    return torch.tensor([1.0, 0.0, 1.0, 0.0]).reshape(1, 1, 4, 1, 1)


@wrong("t_junction_filter", says="should be positive")
def only_objects():
    return torch.tensor([0.0, 0.0, 0.0, -1.0]).reshape(1, 1, 4, 1, 1)


@wrong("t_junction_filter", says="shape .4,., expected .1, 1, 4, k, k.")
def four_weights():
    return torch.tensor([1.0, 1.0, 1.0, -1.0])


@wrong("t_junction_filter", says="returned a list")
def a_list():
    return [1.0, 1.0, 1.0, -1.0]


@wrong("t_junction_filter", says="infinite or nan")
def infinite():
    return torch.full((1, 1, 4, 1, 1), -torch.inf)


# 4.5


def network(group, width, classes, pool_after=2, end=GlobalMaxPool, norm=GroupBatchNorm, last_kernel=4, tail=()):
    def block(conv):
        return [conv, *([norm(group, width)] if norm else []), nn.ReLU()]

    layers = block(LiftingConv2d(group, 1, width, 3))
    for i in range(2, 7):
        layers += block(GroupConv2d(group, width, width, 3))
        if i == pool_after:
            layers += [SpatialMaxPool2d(group, 2)]
    return EquivariantSequential(*layers, GroupConv2d(group, width, classes, last_kernel), *tail, end(group))


@correct("p4cnn")
def as_a_list(group=C4, width=10, classes=10):
    return network(group, width, classes)


@correct("p4cnn")
def pool_before_relu(group=C4, width=10, classes=10):
    layers = list(network(group, width, classes))
    layers[5], layers[6] = layers[6], layers[5]  # the maximum of rectified values is the rectified maximum
    return EquivariantSequential(*layers)


@wrong("p4cnn", says="whatever the group")
def always_p4(group=C4, width=10, classes=10):
    return network(C4, width, classes)


@wrong("p4cnn", says="norm and a ReLU after the last")
def scores_rectified(group=C4, width=10, classes=10):
    return network(group, width, classes, tail=(GroupBatchNorm(group, classes), nn.ReLU()))


@wrong("p4cnn", says="batch norms are missing")
def without_norm(group=C4, width=10, classes=10):
    return network(group, width, classes, norm=None)


@wrong("p4cnn", says="right parameters.*number 6 of yours is SpatialMaxPool2d.*expected ReLU")
def relu_in_the_first_layer_only(group=C4, width=10, classes=10):
    layers = list(network(group, width, classes))
    return EquivariantSequential(*layers[:3], *(layer for layer in layers[3:] if not isinstance(layer, nn.ReLU)))


@wrong("p4cnn", says="should be GlobalMaxPool")
def only_over_the_group(group=C4, width=10, classes=10):
    return network(group, width, classes, end=GroupMaxPool)


@wrong("p4cnn", says="number 20 of yours is GroupConv2d.*kernel_size=3")
def last_kernel_of_three(group=C4, width=10, classes=10):
    return network(group, width, classes, last_kernel=3)


@wrong("p4cnn", says="number 7 of yours is GroupConv2d.*expected SpatialMaxPool2d")
def pool_too_late(group=C4, width=10, classes=10):
    return network(group, width, classes, pool_after=4)


@wrong("p4cnn", says="returned int")
def number_of_parameters(group=C4, width=10, classes=10):
    return sum(p.numel() for p in network(group, width, classes).parameters())


@wrong("lifting_conv", says="turn the image, not the filter")
def image_turned(f, psi, group):
    return torch.stack([F.conv2d(act_on_image(h, f)[None], psi)[0] for h in group.elements], dim=1)


@wrong("lifting_conv", says="turn the image .back by h⁻¹")
def image_turned_back(f, psi, group):
    return torch.stack([F.conv2d(act_on_image(inverse(h), f)[None], psi)[0] for h in group.elements], dim=1)


@wrong("lifting_conv", says="mixes h with the output channels")
def sheets_joined_and_reshaped(f, psi, group):
    sheets = torch.cat([F.conv2d(f[None], act_on_image(h, psi))[0] for h in group.elements])
    return sheets.reshape(len(psi), group.order, *sheets.shape[1:])


@wrong("group_filter_bank", says="mixes h with the output channels")
def copies_joined_and_reshaped(psi, group):
    return torch.cat([act_on_feature_map(h, psi, group) for h in group.elements]).view(len(psi), -1, *psi.shape[1:])


@wrong("group_filter_bank", says="move the sheets on")
def rolled_by_rotation(psi, group):
    return torch.stack([act_on_image(h, psi).roll(h.r, 2) for h in group.elements], dim=1)


@wrong("group_filter_bank", says="move the sheets on")
def rolled_by_position(psi, group):
    return torch.stack([act_on_image(h, psi).roll(i, dims=2) for i, h in enumerate(group.elements)], dim=1)


@wrong("group_filter_bank", says="not from h̃h⁻¹")
def product_on_the_right(psi, group):
    copies = []
    for h in group.elements:
        sources = [group.index(compose(k, inverse(h))) for k in group.elements]
        copies.append(act_on_image(h, psi)[:, :, sources])
    return torch.stack(copies, dim=1)


@wrong("group_filter_bank", says="stopped in line.*IndexError.*an axis other than that of the sheets")
def permuted_channels(psi, group):
    return torch.stack([act_on_image(h, psi[:, group.permutation(h)]) for h in group.elements], dim=1)


@wrong("group_filter_bank", says="stopped in line.*IndexError.*an axis other than that of the sheets")
def permuted_columns(psi, group):
    return torch.stack([act_on_image(h, psi[..., group.permutation(h)]) for h in group.elements], dim=1)


@wrong("lifting_conv", says="add up the sheets")
def sheets_added(f, psi, group):
    return by_conv2d(f, psi, group).sum(dim=1, keepdim=True)


@wrong("lifting_conv", says="returns .row, column.")
def row_and_column_swapped(f, psi, group):
    return by_conv2d(f, psi.mT, group)


@wrong("lifting_conv", says="largest of the channels")
def largest_channel(f, psi, group):
    return torch.stack([by_conv2d(f[c, None], psi[:, c, None], group) for c in range(len(f))]).amax(dim=0)


@wrong("group_conv", says="neither the pixels nor the sheets")
def nothing_moves(f, psi, group):
    return in_loops(lambda group, _h, other: group.index(other), lambda _h, a, b, _k: (a, b))(f, psi, group)


@wrong("group_conv", says="On sheet r, sheet e of ψ meets sheet r³ of f. It should meet sheet r")
def both_inverted(f, psi, group):
    return in_loops(lambda group, h, other: group.index(compose(inverse(h), inverse(other))), right_pixel)(
        f, psi, group
    )


@wrong("group_conv", says="returns .row, column.")
def row_for_column(f, psi, group):
    return in_loops(right_sheet, lambda h, a, b, k: source_pixel(h, a, b, k, k)[::-1])(f, psi, group)


@wrong("group_conv", says="turn the pixels by h⁻¹h̃")
def turned_by_the_relative_element(f, psi, group):
    k = psi.shape[-1]
    out = f.new_zeros(len(psi), group.order, f.shape[2] - k + 1, f.shape[3] - k + 1)
    for o, i, row, col in np.ndindex(*out.shape):
        for c, j, a, b in np.ndindex(*f.shape[:2], k, k):
            seen = compose(inverse(group.elements[i]), group.elements[j])
            weight = psi[(o, c, group.index(seen), *source_pixel(seen, a, b, k, k))]
            out[o, i, row, col] += f[c, j, row + a, col + b] * weight
    return out


@wrong("group_filter_bank", says="copies are the same")
def copies_alike(psi, group):
    return psi.unsqueeze(1).repeat(1, group.order, 1, 1, 1, 1)


@wrong("group_filter_bank", says="turned the wrong way")
def permuted_but_turned_back(psi, group):
    return torch.stack([act_on_image(inverse(h), psi)[:, :, group.permutation(h)] for h in group.elements], dim=1)


@wrong("lifting_conv", says="mean over the channels")
def channels_averaged(f, psi, group):
    return by_conv2d(f, psi, group) / len(f)


@wrong("lifting_conv", says="up and to the left")
def window_backward(f, psi, group):
    k = psi.shape[-1]
    out = f.new_zeros(len(psi), group.order, f.shape[1] - k + 1, f.shape[2] - k + 1)
    for o, i, row, col in np.ndindex(*out.shape):
        for c, a, b in np.ndindex(len(f), k, k):
            weight = psi[(o, c, *source_pixel(group.elements[i], a, b, k, k))]
            out[o, i, row, col] += f[c, row - a, col - b] * weight
    return out


@wrong("group_conv", says="turn the pixels by h̃")
def pixels_by_the_input(f, psi, group):
    k = psi.shape[-1]
    out = f.new_zeros(len(psi), group.order, f.shape[2] - k + 1, f.shape[3] - k + 1)
    for o, i, row, col in np.ndindex(*out.shape):
        for c, j, a, b in np.ndindex(*f.shape[:2], k, k):
            h, other = group.elements[i], group.elements[j]
            weight = psi[(o, c, right_sheet(group, h, other), *source_pixel(other, a, b, k, k))]
            out[o, i, row, col] += f[c, j, row + a, col + b] * weight
    return out


@wrong("group_conv", says="Only h is inverted")
def whole_product_inverted(f, psi, group):
    return in_loops(lambda group, h, other: group.index(inverse(compose(h, other))), right_pixel)(f, psi, group)


@wrong("group_conv", says="On sheet r, sheet e of ψ meets sheet r³ of f. It should meet sheet r")
def numbers_added(f, psi, group):
    def sheet(group, h, other):
        return (group.index(h) + group.index(other)) % group.order

    return in_loops(sheet, right_pixel)(f, psi, group)


@wrong("group_conv", says="mean over the sheets of the input")
def averaged_over_the_input(f, psi, group):
    return with_a_bank(f, psi, group) / group.order


@wrong("group_conv", says="apply a ReLU")
def rectified(f, psi, group):
    return with_a_bank(f, psi, group).relu()


@wrong("group_conv", says="180°")
def flipped(f, psi, group):
    return with_a_bank(f, psi.rot90(2, dims=(-2, -1)), group)


@wrong("group_filter_bank", says="number of copies")
def copies_averaged(psi, group):
    return turn_and_pick(psi, group) / group.order


# Answers of a second reader


@wrong("lifting_conv", says="stopped in line.*the size of the image")
def source_pixel_of_the_image(f, psi, group):
    k = psi.shape[-1]
    out = f.new_zeros(len(psi), group.order, f.shape[1] - k + 1, f.shape[2] - k + 1)
    for o, i, row, col in np.ndindex(*out.shape):
        for c, a, b in np.ndindex(len(f), k, k):
            pixel = source_pixel(group.elements[i], a, b, *f.shape[1:])
            out[o, i, row, col] += f[c, row + a, col + b] * psi[(o, c, *pixel)]
    return out


@wrong("lifting_conv", says="stopped in line.*number of a sheet where an element")
def numbers_for_elements(f, psi, group):
    k = psi.shape[-1]
    return f[:, 0, 0] * psi[(0, 0, *source_pixel(group.order - 1, 0, 0, k, k))]


@wrong("lifting_conv", says="one row and one column too few")
def one_place_too_few(f, psi, group):
    return by_conv2d(f, psi, group)[..., :-1, :-1]


@wrong("lifting_conv", says="as large as the image")
def zeros_at_the_end(f, psi, group):
    k = psi.shape[-1]
    out = f.new_zeros(len(psi), group.order, *f.shape[1:])
    out[..., : f.shape[1] - k + 1, : f.shape[2] - k + 1] = by_conv2d(f, psi, group)
    return out


@wrong("lifting_conv", says="an axis for the batch")
def batch_axis_left(f, psi, group):
    return torch.stack([F.conv2d(f[None], act_on_image(h, psi)) for h in group.elements], dim=2)


@wrong("group_conv", says="stopped in line.*from the wrong axes")
def sizes_copied_from_lifting(f, psi, group):
    k = psi.shape[-1]
    out = f.new_zeros(len(psi), group.order, f.shape[1] - k + 1, f.shape[2] - k + 1)
    for o, i, row, col in np.ndindex(*out.shape):
        h = group.elements[i]
        for c, j, a, b in np.ndindex(*f.shape[:2], k, k):
            sheet = right_sheet(group, h, group.elements[j])
            out[o, i, row, col] += f[c, j, row + a, col + b] * psi[(o, c, sheet, *source_pixel(h, a, b, k, k))]
    return out


@wrong("group_conv", says="stopped in line.*number of a sheet where an element")
def composed_with_a_number(f, psi, group):
    return psi[:, :, [group.index(compose(inverse(h), j)) for j, h in enumerate(group.elements)]]


@wrong("group_conv", says="stopped in line.*index ψ with an element")
def indexed_by_an_element(f, psi, group):
    k = psi.shape[-1]
    out = f.new_zeros(len(psi), group.order, f.shape[2] - k + 1, f.shape[3] - k + 1)
    for o, i, row, col in np.ndindex(*out.shape):
        h = group.elements[i]
        for c, j, a, b in np.ndindex(*f.shape[:2], k, k):
            seen = compose(inverse(h), group.elements[j])
            out[o, i, row, col] += f[c, j, row + a, col + b] * psi[(o, c, seen, *source_pixel(h, a, b, k, k))]
    return out


@wrong("group_conv", says="largest over the sheets of the input")
def largest_of_the_input(f, psi, group):
    k = psi.shape[-1]
    bank = torch.stack([act_on_feature_map(h, psi, group) for h in group.elements], dim=1)
    windows = f.unfold(2, k, 1).unfold(3, k, 1)
    return torch.einsum("cjyxab,oicjab->joiyx", windows, bank).amax(dim=0)


@wrong("group_filter_bank", says="an axis that ψ has already")
def joined_along_the_channels(psi, group):
    return torch.cat([act_on_feature_map(h, psi, group) for h in group.elements], dim=1)


@wrong("group_filter_bank", says="A mirror also mirrors each sheet")
def turned_and_rolled(psi, group):
    return torch.stack([psi.rot90(h.r, dims=(-2, -1)).roll(h.r, 2) for h in group.elements], dim=1)


@wrong("t_junction_filter", says="Only sheet e of your filter")
def drawn_on_one_sheet():
    psi = torch.zeros(1, 1, 4, 3, 3)
    psi[0, 0, 0] = torch.tensor([[0.0, 1.0, 0.0], [1.0, 1.0, 1.0], [0.0, 0.0, 0.0]])
    return psi


@wrong("lifting_conv", says="stopped in line.*Without a star")
def pair_as_an_index(f, psi, group):
    k = psi.shape[-1]
    out = f.new_zeros(len(psi), group.order, f.shape[1] - k + 1, f.shape[2] - k + 1)
    for o, i, row, col in np.ndindex(*out.shape):
        for c, a, b in np.ndindex(len(f), k, k):
            out[o, i, row, col] += f[c, row + a, col + b] * psi[o, c, source_pixel(group.elements[i], a, b, k, k)]
    return out


@wrong("lifting_conv", says="not subscriptable.*in `group.elements`")
def group_as_a_list(f, psi, group):
    return torch.stack([by_conv2d(f, act_on_image(group[i], psi), group)[:, 0] for i in range(group.order)], dim=1)


@wrong("lifting_conv", says=r"the weight \(0, 0\) of ψ meets the pixel \(0, 0\) and the pixel \(0, 1\)")
def pixel_of_the_place(f, psi, group):
    k = psi.shape[-1]
    out = f.new_zeros(len(psi), group.order, f.shape[1] - k + 1, f.shape[2] - k + 1)
    for o, i, row, col in np.ndindex(*out.shape):
        for c, a, b in np.ndindex(len(f), k, k):
            weight = psi[(o, c, *source_pixel(group.elements[i], row % k, col % k, k, k))]
            out[o, i, row, col] += f[c, row + a, col + b] * weight
    return out


@wrong("group_conv", says="stopped in line.*Without a star")
def pair_of_pixels(f, psi, group):
    k = psi.shape[-1]
    out = f.new_zeros(len(psi), group.order, f.shape[2] - k + 1, f.shape[3] - k + 1)
    for o, i, row, col in np.ndindex(*out.shape):
        h = group.elements[i]
        for c, j, a, b in np.ndindex(*f.shape[:2], k, k):
            sheet = right_sheet(group, h, group.elements[j])
            out[o, i, row, col] += f[c, j, row + a, col + b] * psi[o, c, sheet, source_pixel(h, a, b, k, k)]
    return out


@wrong("group_conv", says="On sheet e, sheet r of ψ meets sheet e of f. It should meet sheet r")
def sheet_of_the_output_in_f(f, psi, group):
    k = psi.shape[-1]
    out = f.new_zeros(len(psi), group.order, f.shape[2] - k + 1, f.shape[3] - k + 1)
    for o, i, row, col in np.ndindex(*out.shape):
        h = group.elements[i]
        for c, j, a, b in np.ndindex(*f.shape[:2], k, k):
            sheet = right_sheet(group, h, group.elements[j])
            out[o, i, row, col] += f[c, i, row + a, col + b] * psi[(o, c, sheet, *source_pixel(h, a, b, k, k))]
    return out


@wrong("group_conv", says="negative dimension.*k from the wrong axis")
def size_from_the_sheets(f, psi, group):
    k = psi.shape[2]
    return f.new_zeros(len(psi), group.order, f.shape[2] - k + 1, f.shape[3] - k + 1)


@wrong("group_filter_bank", says="not iterable.*in `group.elements`")
def loop_over_the_group(psi, group):
    return torch.stack([act_on_feature_map(h, psi, group) for h in group], dim=1)


@wrong("group_filter_bank", says="joined axes already")
def ready_for_conv2d(psi, group):
    return turn_and_pick(psi, group).flatten(2, 3).flatten(0, 1)


@wrong("p4cnn", says="Take it apart with a star")
def list_as_one_layer(group=C4, width=10, classes=10):
    return EquivariantSequential(list(network(group, width, classes)))


@wrong("p4cnn", says="number 1 of yours is GroupConv2d.*expected LiftingConv2d")
def without_lifting(group=C4, width=10, classes=10):
    return EquivariantSequential(GroupConv2d(group, 1, width, 3), *list(network(group, width, classes))[1:])


@wrong("lifting_conv", says="use the first filter")
def first_filter_only(f, psi, group):
    return by_conv2d(f, psi[:1], group).repeat(len(psi), 1, 1, 1)


@wrong("group_conv", says="stopped in line.*the sheet comes before the pixel")
def pixel_before_sheet(f, psi, group):
    k = psi.shape[-1]
    out = f.new_zeros(len(psi), group.order, f.shape[2] - k + 1, f.shape[3] - k + 1)
    for o, i, row, col in np.ndindex(*out.shape):
        h = group.elements[i]
        for c, j, a, b in np.ndindex(*f.shape[:2], k, k):
            sheet = right_sheet(group, h, group.elements[j])
            out[o, i, row, col] += f[c, j, row + a, col + b] * psi[(o, c, *source_pixel(h, a, b, k, k), sheet)]
    return out


@wrong("group_conv", says="On sheet e, sheet r of ψ meets sheet r³ of f")
def other_element_inverted(f, psi, group):
    return in_loops(lambda group, h, other: group.index(compose(h, inverse(other))), right_pixel)(f, psi, group)


@wrong("group_filter_bank", says="after that of the input")
def stacked_in_the_middle(psi, group):
    return torch.stack([act_on_feature_map(h, psi, group) for h in group.elements], dim=3)


@wrong("lifting_conv", says="if you use `source_pixel` for f")
def source_pixel_for_the_image(f, psi, group):
    k = psi.shape[-1]
    out = f.new_zeros(len(psi), group.order, f.shape[1] - k + 1, f.shape[2] - k + 1)
    for o, i, row, col in np.ndindex(*out.shape):
        for c, a, b in np.ndindex(len(f), k, k):
            down, right = source_pixel(group.elements[i], a, b, k, k)
            out[o, i, row, col] += f[c, row + down, col + right] * psi[o, c, a, b]
    return out


@wrong("p4cnn", says="whatever `width` is")
def width_of_ten(group=C4, width=10, classes=10):
    return network(group, 10, classes)


@wrong("p4cnn", says="10 outputs, whatever `classes` is")
def ten_classes(group=C4, width=10, classes=10):
    return network(group, width, 10)


@wrong("p4cnn", says="yours has no number 21, expected GlobalMaxPool")
def without_the_end(group=C4, width=10, classes=10):
    return EquivariantSequential(*list(network(group, width, classes))[:-1])
