"""Answers to the exercises of notebook 10."""

import statistics

import numpy as np
from torch import nn

from answers import correct, wrong
from course_lib.layers import (
    GlobalMaxPool,
    GroupBatchNorm,
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


@wrong("p4cnn_linear", says="with a star")
def norms_in_their_list(group, width, classes, conv):
    return nn.Sequential(LiftingConv2d(group, 1, width, 3), norm_relu(group, width), GlobalMaxPool(group))


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


@wrong("p4cnn_linear", says="GroupBatchNorm.* stands in two places")
def one_norm(group, width, classes, conv):
    layers = list(digits_network(group, width, classes, conv))
    layers[-4] = layers[1]
    return nn.Sequential(*layers)


# 10.2


@correct("width_for")
def by_trying_many(count, wanted):
    return min(range(1, 200), key=lambda width: abs(count(width) - wanted))


@wrong("width_for", says="reaches `wanted`")
def first_above(count, wanted):
    return next(width for width in range(1, 200) if count(width) >= wanted)


@wrong("width_for", says="does not exceed")
def last_below(count, wanted):
    return max([1, *(width for width in range(1, 200) if count(width) <= wanted)])


@wrong("width_for", says="does not exceed")
def last_below_or_none(count, wanted):
    return sum(count(width) <= wanted for width in range(1, 200))


@wrong("width_for", says="the smaller one counts")
def larger_of_two_in_a_short_list(count, wanted):
    return min(range(39, 0, -1), key=lambda width: abs(count(width) - wanted))


@wrong("width_for", says="Return the width")
def the_count(count, wanted):
    return count(by_trying_many(count, wanted))


# 10.3


def block(
    group, in_channels, out_channels, stride, second, dropout, exact, *, relu=True, early=False, drop=True, pooled=True
):
    pool = SpatialMaxPool2d if exact else None
    parts = [same_conv(GroupConv2d, group, in_channels, out_channels, 3, stride, pool, bias=False)]
    parts += [nn.Dropout(dropout)] * drop
    parts += [
        *norm_relu(group, out_channels),
        second(group, out_channels, out_channels),
        GroupBatchNorm(group, out_channels),
    ]
    shortcut = nn.Identity()
    if stride != 1:
        conv = same_conv(GroupConv2d, group, in_channels, out_channels, 1, stride, pool if pooled else None, bias=False)
        shortcut = nn.Sequential(conv, GroupBatchNorm(group, out_channels))
    return Residual(nn.Sequential(*parts, *[nn.ReLU()] * early), shortcut, nn.ReLU() if relu else None)


@correct("basic_block")
def in_a_list(group, in_channels, out_channels, stride, second, dropout, exact):
    return block(group, in_channels, out_channels, stride, second, dropout, exact)


@wrong("basic_block", says="ReLU after the sum is missing")
def without_relu(group, in_channels, out_channels, stride, second, dropout, exact):
    return block(group, in_channels, out_channels, stride, second, dropout, exact, relu=False)


@wrong("basic_block", says="end of the branch")
def relu_too_early(group, in_channels, out_channels, stride, second, dropout, exact):
    return block(group, in_channels, out_channels, stride, second, dropout, exact, early=True)


@wrong("basic_block", says="You always pool")
def exact_whatever_is_asked(group, in_channels, out_channels, stride, second, dropout, exact):
    return block(group, in_channels, out_channels, stride, second, dropout, True)


@wrong("basic_block", says="You always stride")
def strided_whatever_is_asked(group, in_channels, out_channels, stride, second, dropout, exact):
    return block(group, in_channels, out_channels, stride, second, dropout, False)


@wrong("basic_block", says="argument `second`")
def second_without_bias(group, in_channels, out_channels, stride, second, dropout, exact):
    def same(group, c_in, c_out):
        return GroupConv2d(group, c_in, c_out, 3, padding="same", bias=False)

    return block(group, in_channels, out_channels, stride, same, dropout, exact)


@wrong("basic_block", says="dropout is missing")
def without_dropout(group, in_channels, out_channels, stride, second, dropout, exact):
    return block(group, in_channels, out_channels, stride, second, dropout, exact, drop=False)


@wrong("basic_block", says="shortcut is strided")
def strided_shortcut(group, in_channels, out_channels, stride, second, dropout, exact):
    return block(group, in_channels, out_channels, stride, second, dropout, exact, pooled=False)


@wrong("basic_block", says="GroupBatchNorm.* stands in two places")
def one_norm_in_branch(group, in_channels, out_channels, stride, second, dropout, exact):
    residual = block(group, in_channels, out_channels, stride, second, dropout, exact)
    residual.branch[-1] = residual.branch[2]
    return residual


# 10.4


@correct("not_exact")
def by_reasoning(keys):
    return [key for key in keys if key not in ("p4cnn", "p4-r18")]


@wrong("not_exact", says="e4net-released, is broken.*norm of notebook 08")
def norm_forgotten(keys):
    return {"p4-all-cnn", "p4m-resnet44-cohen", "p4-resnet29"}


@wrong("not_exact", says="p4-r18, is exact.*full resolution")
def all_resnets(keys):
    return {*by_reasoning(keys), "p4-r18"}


@wrong("not_exact", says="2 networks.*p4cnn, is exact.*no stride")
def all_of_them(keys):
    return set(keys)


@wrong("not_exact", says="4 networks.*p4-all-cnn, is broken")
def none_of_them(keys):
    return set()


@wrong("not_exact", says="not one of the keys")
def a_name(keys):
    return {"p4 All-CNN"}


@wrong("not_exact", says="set of keys")
def a_word(keys):
    return "p4-all-cnn"


# 10.5


@correct("unfair_pair")
def e4_against_p4():
    return "p4cnn", "e4net", "epochs"


@correct("unfair_pair")
def all_cnn_against_r18():
    return ["all-cnn", "r18", "seeds"]


@wrong("unfair_pair", says="no such row")
def a_name_for_a_key():
    return "P4CNN", "e4net", "epochs"


@wrong("unfair_pair", says="Nobody would compare")
def two_data_sets():
    return "p4cnn", "r18", "epochs"


@wrong("unfair_pair", says="the same augmentation: ")
def the_same_recipe():
    return "p4cnn", "gc-p4cnn", "augmentation"


@wrong("unfair_pair", says="no field 'width'")
def a_field_of_the_row():
    return "p4cnn", "e4net", "width"


@wrong("unfair_pair", says="'note' says what the recipe is")
def a_field_that_explains():
    return "resnet44", "resnet44-cohen", "note"


@wrong("unfair_pair", says="Both rows are")
def one_row_twice():
    return "p4cnn", "p4cnn", "epochs"


@wrong("unfair_pair", says="three strings")
def two_keys():
    return "p4cnn", "e4net"


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


@wrong("reported_error", says="number of the epoch")
def the_epoch(validation, test, report):
    return {
        "last epoch": len(test) - 1,
        "best validation epoch": validation.index(min(validation)),
        "best test epoch": test.index(min(test)),
    }[report]


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


@wrong("gap_uncertainty", says="stopped in line.*divide by n − 1")
def one_seed_less(deviation_a, deviation_b, seeds):
    return ((deviation_a**2 + deviation_b**2) / (seeds - 1)) ** 0.5


@wrong("gap_uncertainty", says="divide by n − 1")
def one_seed_less_but_not_none(deviation_a, deviation_b, seeds):
    return ((deviation_a**2 + deviation_b**2) / (seeds - 1 or 1)) ** 0.5


@wrong("p4cnn_linear", says="always has 10 outputs")
def ten_digits(group, width, classes, conv):
    return digits_network(group, width, 10, conv)


@wrong("p4cnn_linear", says="number 23 of yours is Flatten.*expected GroupMaxPool")
def no_maximum(group, width, classes, conv):
    layers = list(digits_network(group, width, classes, conv))[:-2]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(width * group.order, classes))


@wrong("width_for", says="Take the smaller")
def larger_of_two(count, wanted):
    return max(range(1, 200), key=lambda width: (-abs(count(width) - wanted), width))


@wrong("width_for", says="one too narrow")
def position_in_a_list(count, wanted):
    return by_trying_many(count, wanted) - 1


@wrong("width_for", says="smallest distance")
def the_distance(count, wanted):
    return min(abs(count(width) - wanted) for width in range(1, 200))


@wrong("width_for", says="returned 59, expected 60")
def too_few_tried(count, wanted):
    return min(range(1, 60), key=lambda width: abs(count(width) - wanted))


@wrong("unfair_pair", says="never reports the best test epoch")
def the_epoch_reported():
    return "p4cnn", "e4net", "report"


@wrong("reported_error", says="always return the last")
def always_last(validation, test, report):
    return test[-1]


@wrong("reported_error", says="always return the smallest")
def always_smallest(validation, test, report):
    return min(test)


@wrong("reported_error", says="other way round")
def best_epochs_swapped(validation, test, report):
    other = {"best validation epoch": "best test epoch", "best test epoch": "best validation epoch"}
    return by_argmin(validation, test, other.get(report, report))


@wrong("reported_error", says="after the first one")
def first_epoch(validation, test, report):
    return test[0] if report == "last epoch" else by_argmin(validation, test, report)


@wrong("gap_uncertainty", says="average the two variances")
def mean_variance(deviation_a, deviation_b, seeds):
    return ((deviation_a**2 + deviation_b**2) / 2 / seeds) ** 0.5


@wrong("gap_uncertainty", says="average the two deviations")
def mean_deviation(deviation_a, deviation_b, seeds):
    return (deviation_a + deviation_b) / 2 / seeds**0.5


@wrong("gap_uncertainty", says="Square them first")
def never_squared(deviation_a, deviation_b, seeds):
    return ((deviation_a + deviation_b) / seeds) ** 0.5


@wrong("gap_uncertainty", says="subtract the deviations")
def difference_of_deviations(deviation_a, deviation_b, seeds):
    return abs(deviation_a - deviation_b) / seeds**0.5


@wrong("gap_uncertainty", says="only one of the variances")
def forgotten_brackets(deviation_a, deviation_b, seeds):
    return (deviation_a**2 + deviation_b**2 / seeds) ** 0.5


@wrong("p4cnn_linear", says="number 24 of yours is Linear.*expected Flatten\\(\\)")
def nothing_flattened(group, width, classes, conv):
    layers = list(digits_network(group, width, classes, conv))[:-2]
    return nn.Sequential(*layers, GroupMaxPool(group), nn.Linear(1, classes))


@wrong("p4cnn_linear", says="linear layer at the end is missing")
def without_linear(group, width, classes, conv):
    return nn.Sequential(*list(digits_network(group, width, classes, conv))[:-1])


@wrong("p4cnn_linear", says="end with a softmax")
def softmax_at_the_end(group, width, classes, conv):
    return nn.Sequential(digits_network(group, width, classes, conv), nn.Softmax(dim=1))


@wrong("width_for", says="grows like width²")
def root_of_the_ratio(count, wanted):
    return round((wanted / count(1)) ** 0.5)


@wrong("width_for", says="You may return 0")
def from_zero(count, wanted):
    return min(range(200), key=lambda width: abs(count(width) - wanted))


def _changed(change):
    def build(group, here, there, stride, second, dropout, exact):
        residual = block(group, here, there, stride, second, dropout, exact)
        return change(residual, group, here, there, stride, dropout, exact)

    return build


@wrong("basic_block", says="branch is strided while the shortcut is pooled")
@_changed
def strided_branch(residual, group, here, there, stride, dropout, exact):
    residual.branch[0] = same_conv(GroupConv2d, group, here, there, 3, stride, None, bias=False)
    return residual


@wrong("basic_block", says="`exact` the wrong way round")
def exact_reversed(group, here, there, stride, second, dropout, exact):
    return block(group, here, there, stride, second, dropout, not exact)


@wrong("basic_block", says="dropout comes after the norm")
@_changed
def dropout_after_relu(residual, group, here, there, stride, dropout, exact):
    first, drop, norm, relu, *rest = residual.branch
    return Residual(nn.Sequential(first, norm, relu, drop, *rest), residual.shortcut, nn.ReLU())


@wrong("basic_block", says="always has a convolution")
@_changed
def never_the_identity(residual, group, here, there, stride, dropout, exact):
    if stride == 1:
        conv = GroupConv2d(group, here, there, 1, bias=False)
        residual.shortcut = nn.Sequential(conv, GroupBatchNorm(group, there))
    return residual


@wrong("basic_block", says="shortcut is 3 × 3")
@_changed
def wide_shortcut(residual, group, here, there, stride, dropout, exact):
    if stride != 1:
        pool = SpatialMaxPool2d if exact else None
        residual.shortcut[0] = same_conv(GroupConv2d, group, here, there, 3, stride, pool, bias=False)
    return residual


@wrong("reported_error", says="best test epoch you return its \\*validation")
def validation_of_the_best_test(validation, test, report):
    if report == "last epoch":
        return test[-1]
    if report == "best validation epoch":
        return test[validation.index(min(validation))]
    return validation[test.index(min(test))]


@wrong("width_for", says="proportional to the width")
def in_proportion(count, wanted):
    return max(1, round(wanted / count(1)))


@wrong("width_for", says="10 away at width 3 and 60 away at width 4")
def first_beyond(count, wanted):
    return next(width for width in range(1, 200) if count(width) > wanted)


@wrong("basic_block", says="dropout comes after the norm")
@_changed
def dropout_after_norm(residual, group, here, there, stride, dropout, exact):
    first, drop, norm, *rest = residual.branch
    return Residual(nn.Sequential(first, norm, drop, *rest), residual.shortcut, nn.ReLU())


@wrong("basic_block", says="allow_approximate=True\\. Here a block that is not exact is asked for")
@_changed
def strictly_exact(residual, group, here, there, stride, dropout, exact):
    if not exact:
        residual.branch[0] = GroupConv2d(group, here, there, 3, stride=stride, padding=1, bias=False)
    return residual


@wrong("not_exact", says="You return the networks that are exact")
def the_exact_ones(keys):
    return {"p4cnn", "p4-r18"}


@wrong("reported_error", says="always return the smallest validation error")
def always_smallest_validation(validation, test, report):
    return min(validation)


@wrong("reported_error", says="Report the test error after the last epoch")
def last_forgotten(validation, test, report):
    return min(test) if report == "best test epoch" else test[validation.index(min(validation))]


@wrong("gap_uncertainty", says="larger deviation only")
def larger_of_both(deviation_a, deviation_b, seeds):
    return max(deviation_a, deviation_b) / seeds**0.5


@wrong("gap_uncertainty", says="two standard errors")
def twice(deviation_a, deviation_b, seeds):
    return 2 * by_variances(deviation_a, deviation_b, seeds)


@wrong("gap_uncertainty", says="multiply by n")
def times_the_seeds(deviation_a, deviation_b, seeds):
    return by_variances(deviation_a, deviation_b, seeds) * seeds


@wrong("gap_uncertainty", says="Four times the seeds must halve")
def logarithm(deviation_a, deviation_b, seeds):
    return (deviation_a**2 + deviation_b**2) ** 0.5 / seeds**0.25
