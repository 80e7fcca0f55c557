"""Answers to the exercises of notebook 10."""

import statistics

import numpy as np
from torch import nn

from answers import correct, wrong
from course_lib.layers import (
    GlobalAvgPool,
    GlobalMaxPool,
    GroupBatchNorm2d,
    GroupConv2d,
    GroupMaxPool,
    LiftingConv2d,
    SpatialMaxPool2d,
)
from course_lib.models.blocks import Residual, norm_relu, same_conv

# 10.1


def digits_network(group, width, classes, conv, *, norms=7, last=4):
    convs = [LiftingConv2d(group, 1, width, 3), *(conv(group, width, width, 3) for _ in range(5))]
    convs.append(conv(group, width, width, last))
    blocks = [[c, *(norm_relu(group, width) if i < norms else [])] for i, c in enumerate(convs)]
    blocks[1].append(SpatialMaxPool2d(group, 2))
    return nn.Sequential(
        *(layer for block in blocks for layer in block), GlobalMaxPool(group), nn.Linear(width, classes)
    )


@correct("p4cnn_linear")
def in_blocks(group, width, classes, conv):
    return digits_network(group, width, classes, conv)


@wrong("p4cnn_linear", says="neither norm nor ReLU")
def six_norms(group, width, classes, conv):
    return digits_network(group, width, classes, conv, norms=6)


@wrong("p4cnn_linear", says="argument `conv`")
def always_full(group, width, classes, conv):
    return digits_network(group, width, classes, GroupConv2d)


@wrong("p4cnn_linear", says="layout C")
def of_notebook_04(group, width, classes, conv):
    layers = []
    for i in range(6):
        layers += [LiftingConv2d(group, 1, width, 3) if i == 0 else GroupConv2d(group, width, width, 3)]
        layers += [*norm_relu(group, width), *([SpatialMaxPool2d(group, 2)] if i == 1 else [])]
    return nn.Sequential(*layers, GroupConv2d(group, width, classes, 4), GlobalMaxPool(group))


@wrong("p4cnn_linear", says="number 4 of yours is SpatialMaxPool2d")
def pool_too_early(group, width, classes, conv):
    layers = list(digits_network(group, width, classes, conv))
    return nn.Sequential(*layers[:3], layers.pop(6), *layers[3:])


@wrong("p4cnn_linear", says="GroupBatchNorm2d.* stands in two places")
def one_norm(group, width, classes, conv):
    layers = list(digits_network(group, width, classes, conv))
    layers[-4] = layers[1]
    return nn.Sequential(*layers)


# 10.2


@correct("width_for")
def by_trying_many(count, wanted):
    return min(range(1, 200), key=lambda width: abs(count(width) - wanted))


@wrong("width_for", says="at least so many")
def first_above(count, wanted):
    return next(width for width in range(1, 200) if count(width) >= wanted)


@wrong("width_for", says="does not exceed")
def last_below(count, wanted):
    return max([1, *(width for width in range(1, 200) if count(width) <= wanted)])


@wrong("width_for", says="Return the width")
def the_count(count, wanted):
    return count(by_trying_many(count, wanted))


# 10.3


@correct("same_conv")
def with_an_identity(conv, group, in_channels, out_channels, kernel_size, stride=1, pool=None, **options):
    pools = [pool(group, stride)] if pool and stride > 1 else []
    if stride > 1 and not pools:
        options |= {"stride": stride, "allow_approximate": True}
    return nn.Sequential(
        conv(group, in_channels, out_channels, kernel_size, padding=kernel_size // 2, **options), *pools
    )


@wrong("same_conv", says="pool before")
def pooled_first(conv, group, in_channels, out_channels, kernel_size, stride=1, pool=None, **options):
    if pool is None or stride == 1:
        return with_an_identity(conv, group, in_channels, out_channels, kernel_size, stride, **options)
    full = conv(group, in_channels, out_channels, kernel_size, padding=kernel_size // 2, **options)
    return nn.Sequential(pool(group, stride), full)


@wrong("same_conv", says="smaller twice")
def strided_and_pooled(conv, group, in_channels, out_channels, kernel_size, stride=1, pool=None, **options):
    strided = with_an_identity(conv, group, in_channels, out_channels, kernel_size, stride, **options)
    return nn.Sequential(strided, pool(group, stride)) if pool and stride > 1 else strided


@wrong("same_conv", says="padding is missing")
def unpadded(conv, group, in_channels, out_channels, kernel_size, stride=1, pool=None, **options):
    return nn.Sequential(
        conv(
            group, in_channels, out_channels, kernel_size,
            stride=1 if pool else stride, allow_approximate=True, **options,
        ),
        *([pool(group, stride)] if pool and stride > 1 else []),
    )  # fmt: skip


@wrong("same_conv", says="options")
def without_options(conv, group, in_channels, out_channels, kernel_size, stride=1, pool=None, **options):
    return with_an_identity(conv, group, in_channels, out_channels, kernel_size, stride, pool)


@wrong("same_conv", says="stopped in line [0-9]+, `layer = .*multiple values")
def bias_given_twice(conv, group, in_channels, out_channels, kernel_size, stride=1, pool=None, **options):
    layer = with_an_identity(conv, group, in_channels, out_channels, kernel_size, stride, pool, bias=True, **options)
    return layer


@wrong("same_conv", says="argument `stride`")
def halves(conv, group, in_channels, out_channels, kernel_size, stride=1, pool=None, **options):
    halving = (lambda group, stride: pool(group, 2)) if pool else None
    return with_an_identity(conv, group, in_channels, out_channels, kernel_size, stride, halving, **options)


# 10.4


def block(group, here, there, stride, second, dropout, exact, *, relu=True, early=False, drop=True, pooled=True):
    pool = SpatialMaxPool2d if exact else None
    parts = [same_conv(GroupConv2d, group, here, there, 3, stride, pool, bias=False)]
    parts += [nn.Dropout(dropout)] * drop
    parts += [*norm_relu(group, there), second(group, there, there), GroupBatchNorm2d(group, there)]
    shortcut = nn.Identity()
    if stride != 1:
        conv = same_conv(GroupConv2d, group, here, there, 1, stride, pool if pooled else None, bias=False)
        shortcut = nn.Sequential(conv, GroupBatchNorm2d(group, there))
    return Residual(nn.Sequential(*parts, *[nn.ReLU()] * early), shortcut, nn.ReLU() if relu else None)


@correct("basic_block")
def in_a_list(group, here, there, stride, second, dropout, exact):
    return block(group, here, there, stride, second, dropout, exact)


@wrong("basic_block", says="ReLU after the sum is missing")
def without_relu(group, here, there, stride, second, dropout, exact):
    return block(group, here, there, stride, second, dropout, exact, relu=False)


@wrong("basic_block", says="end of the branch")
def relu_too_early(group, here, there, stride, second, dropout, exact):
    return block(group, here, there, stride, second, dropout, exact, early=True)


@wrong("basic_block", says="dropout is missing")
def without_dropout(group, here, there, stride, second, dropout, exact):
    return block(group, here, there, stride, second, dropout, exact, drop=False)


@wrong("basic_block", says="shortcut is strided")
def strided_shortcut(group, here, there, stride, second, dropout, exact):
    return block(group, here, there, stride, second, dropout, exact, pooled=False)


@wrong("basic_block", says="GroupBatchNorm2d.* stands in two places")
def one_norm_in_branch(group, here, there, stride, second, dropout, exact):
    residual = block(group, here, there, stride, second, dropout, exact)
    residual.branch[-1] = residual.branch[2]
    return residual


# 10.5


@correct("mean_head")
def with_two_means(group, channels, classes, exact):
    if exact:
        return [GlobalAvgPool(group), nn.Linear(channels, classes)]
    return [nn.Flatten(1, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels * group.order, classes)]


@wrong("mean_head", says="swapped")
def swapped(group, channels, classes, exact):
    return with_two_means(group, channels, classes, not exact)


@wrong("mean_head", says="both cases")
def always_invariant(group, channels, classes, exact):
    return with_two_means(group, channels, classes, True)


@wrong("mean_head", says="maximum over the group")
def maximum(group, channels, classes, exact):
    if exact:
        return [GroupMaxPool(group), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes)]
    return with_two_means(group, channels, classes, exact)


class _MeanOverTheWrongAxes(nn.Module):
    def forward(self, x):
        return x.mean(dim=(3, 4, 5)).flatten(1)


@wrong("mean_head", says="stopped in line.*x.mean")
def a_mean_that_stops(group, channels, classes, exact):
    return [_MeanOverTheWrongAxes(), nn.Linear(channels * group.order, classes)]


@wrong("mean_head", says="expected a list")
def one_module(group, channels, classes, exact):
    return nn.Sequential(*with_two_means(group, channels, classes, exact))


# 10.6


@correct("reported_error")
def by_argmin(validation, test, report):
    epochs = {"last epoch": -1, "best validation epoch": np.argmin(validation), "best test epoch": np.argmin(test)}
    return test[epochs[report]]


@wrong("reported_error", says="\\*validation\\* error")
def error_that_selected(validation, test, report):
    return min(validation) if report == "best validation epoch" else by_argmin(validation, test, report)


@wrong("reported_error", says="not by the test errors")
def selects_on_test(validation, test, report):
    return test[-1] if report == "last epoch" else min(test)


@wrong("reported_error", says="best is the smallest")
def largest(validation, test, report):
    epochs = {"last epoch": -1, "best validation epoch": np.argmax(validation), "best test epoch": np.argmax(test)}
    return test[epochs[report]]


# 10.7


@correct("gap_uncertainty")
def by_variances(deviation_a, deviation_b, seeds):
    return (2 * statistics.mean([deviation_a**2, deviation_b**2]) / seeds) ** 0.5


@wrong("gap_uncertainty", says="add the deviations")
def sum_of_deviations(deviation_a, deviation_b, seeds):
    return (deviation_a + deviation_b) / seeds**0.5


@wrong("gap_uncertainty", says="number of seeds is missing")
def of_single_runs(deviation_a, deviation_b, seeds):
    return (deviation_a**2 + deviation_b**2) ** 0.5


@wrong("gap_uncertainty", says="divide by n")
def divided_by_n(deviation_a, deviation_b, seeds):
    return (deviation_a**2 + deviation_b**2) ** 0.5 / seeds


@wrong("same_conv", says="Here we accept that")
def without_consent(conv, group, in_channels, out_channels, kernel_size, stride=1, pool=None, **options):
    if pool is None or stride == 1:
        options["stride"] = stride
    layer = conv(group, in_channels, out_channels, kernel_size, padding=kernel_size // 2, **options)
    return nn.Sequential(layer, pool(group, stride)) if pool and stride > 1 else layer


@wrong("gap_uncertainty", says="stopped in line.*divide by n − 1")
def one_seed_less(deviation_a, deviation_b, seeds):
    return ((deviation_a**2 + deviation_b**2) / (seeds - 1)) ** 0.5


@wrong("gap_uncertainty", says="divide by n − 1")
def one_seed_less_but_not_none(deviation_a, deviation_b, seeds):
    return ((deviation_a**2 + deviation_b**2) / (seeds - 1 or 1)) ** 0.5
