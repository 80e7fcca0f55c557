"""Answers to the exercises of notebook 03."""

import math

import torch
import torch.nn.functional as F

from answers import correct, wrong
from course_lib.actions import act_on_image
from course_lib.checks import relative_error
from course_lib.groups import C4, D4, compose, inverse
from course_lib.oracles import spatial_pool

# 3.2


@correct("translate")
def by_one_assignment(t, f):
    u, v = t
    height, width = f.shape[-2:]
    out = torch.zeros_like(f)
    for row in range(height):
        for col in range(width):
            if 0 <= row + v < height and 0 <= col - u < width:
                out[..., row, col] = f[..., row + v, col - u]
    return out


@wrong("translate", says="opposite side")
def rolled(t, f):
    return f.roll((-t[1], t[0]), dims=(-2, -1))


@wrong("translate", says="in the opposite direction")
def backwards(t, f):
    return by_one_assignment((-t[0], -t[1]), f)


@wrong("translate", says="v points the wrong way")
def downwards(t, f):
    return by_one_assignment((t[0], -t[1]), f)


@wrong("translate", says="swapped")
def swapped(t, f):
    return by_one_assignment(t[::-1], f)


@wrong("translate", says="has grown")
def without_cropping(t, f):
    u, v = t
    return F.pad(f, (max(u, 0), max(-u, 0), max(-v, 0), max(v, 0)))


@wrong("translate", says="all of it leaves")
def only_small_shifts(t, f):
    u, v = t
    out = torch.zeros_like(f)
    height, width = f.shape[-2:]
    u_, v_ = max(min(u, width - 1), 1 - width), max(min(v, height - 1), 1 - height)
    return out + by_one_assignment((u_, v_), f)


@wrong("translate", says="stopped in line.*to the left")
def forwards_only(t, f):
    u, v = t
    out = torch.zeros_like(f)
    out[..., : f.shape[-2] - v, u:] = f[..., v:, : f.shape[-1] - u]
    return out


@wrong("translate", says="stopped in line.*all of it leaves")
def by_negative_padding(t, f):
    return F.pad(f, (t[0], -t[0], -t[1], t[1]))


@wrong("translate", says="last two axes")
def first_two_axes(t, f):
    moved = f.reshape(f.shape[0], f.shape[1], -1).permute(2, 0, 1)
    return by_one_assignment(t, moved).permute(1, 2, 0).reshape(f.shape)


# 3.3


@correct("correlate")
def by_shifting_the_map(f, psi):
    k = psi.shape[0]
    rows, cols = f.shape[0] - k + 1, f.shape[1] - k + 1
    return sum(psi[a, b] * f[a : a + rows, b : b + cols] for a in range(k) for b in range(k))


@wrong("correlate", says="turned by 180°")
def true_convolution(f, psi):
    return by_shifting_the_map(f, psi.rot90(2))


@wrong("correlate", says="rows and columns of the filter are swapped")
def transposed_filter(f, psi):
    return by_shifting_the_map(f, psi.T)


@wrong("correlate", says="last windows are missing")
def one_window_less(f, psi):
    k = len(psi)
    out = f.new_zeros(f.shape[0] - k, f.shape[1] - k)
    for row in range(out.shape[0]):
        for col in range(out.shape[1]):
            out[row, col] = (f[row : row + k, col : col + k] * psi).sum()
    return out


@wrong("correlate", says="mean over the window")
def mean_over_the_window(f, psi):
    return by_shifting_the_map(f, psi) / len(psi) ** 2


@wrong("correlate", says="rows and columns of the result")
def loops_in_the_wrong_order(f, psi):
    return by_shifting_the_map(f, psi).T


@wrong("correlate", says="as matrices")
def by_matrix_products(f, psi):
    k = len(psi)
    places = [range(n - k + 1) for n in f.shape]
    return torch.tensor([[(f[i : i + k, j : j + k] @ psi).sum() for j in places[1]] for i in places[0]], dtype=f.dtype)


@wrong("correlate", says="You pad the map with zeros")
def same_size(f, psi):
    return by_shifting_the_map(F.pad(f, (1, 1, 1, 1)), psi)


@wrong("correlate", says="take the map to be square")
def square_maps_only(f, psi):
    n, k = len(f), len(psi)
    places = range(n - k + 1)
    return torch.stack([torch.stack([(f[i : i + k, j : j + k] * psi).sum() for j in places]) for i in places])


# 3.4


@correct("relative_error")
def in_steps(got, expected):
    worst = 0.0
    for a, b in zip(got.flatten().tolist(), expected.flatten().tolist(), strict=True):
        if not math.isfinite(a - b):
            return math.inf
        worst = max(worst, abs(a - b))
    scale = max(abs(b) for b in expected.flatten().tolist())
    return worst / scale if scale > 0 else worst


@wrong("relative_error", says="absolute error")
def absolute(got, expected):
    return (got - expected).abs().max().item()


@wrong("relative_error", says="minus sign goes unnoticed")
def without_absolute_value(got, expected):
    return ((got - expected).max() / expected.abs().max()).item()


@wrong("relative_error", says="each entry by its own")
def entry_by_entry(got, expected):
    return ((got - expected).abs() / expected.abs()).max().item()


@wrong("relative_error", says="in a few pixels")
def means(got, expected):
    return ((got - expected).abs().mean() / expected.abs().mean()).item()


@wrong("relative_error", says=r"largest \*absolute\* value")
def by_the_largest_value(got, expected):
    return (got - expected).abs().max().item() / (expected.max().item() or 1.0)


@wrong("relative_error", says="you divide by 0")
def without_care_for_zeros(got, expected):
    return ((got - expected).abs().max() / expected.abs().max()).item()


@wrong("relative_error", says="nan slips through")
def without_care_for_nan(got, expected):
    return (got - expected).abs().max().item() / (expected.abs().max().item() or 1.0)


@wrong("relative_error", says="returned a Tensor, expected a float")
def as_tensor(got, expected):
    return (got - expected).abs().max() / expected.abs().max()


# 3.7


@correct("group_average")
def backwards_through_the_group(function, group, x, act=act_on_image):
    total = 0
    for h in reversed(group.elements):  # h = g⁻¹ runs through the group as g does
        total = total + act(h, function(act_on_image(inverse(h), x)))
    return total / len(group.elements)


@wrong("group_average", says="do not turn the results back")
def never_back(function, group, x, act=act_on_image):
    return sum(function(act_on_image(g, x)) for g in group.elements) / group.order


@wrong("group_average", says="inverse is missing")
def turned_on(function, group, x, act=act_on_image):
    return sum(act(g, function(act_on_image(g, x))) for g in group.elements) / group.order


@wrong("group_average", says="do not turn the input")
def only_the_result(function, group, x, act=act_on_image):
    return sum(act(g, function(x)) for g in group.elements) / group.order


@wrong("group_average", says="mean of the inputs")
def mean_of_inputs(function, group, x, act=act_on_image):
    return function(torch.stack([act_on_image(g, x) for g in group.elements]).mean(dim=0))


@wrong("group_average", says="sum over the group")
def summed(function, group, x, act=act_on_image):
    return sum(act(inverse(g), function(act_on_image(g, x))) for g in group.elements)


@wrong("group_average", says="mirrors are missing")
def rotations_only(function, group, x, act=act_on_image):
    rotations = [g for g in group.elements if not g.m]
    return sum(act(inverse(g), function(act_on_image(g, x))) for g in rotations) / len(rotations)


@wrong("group_average", says="Your function")
def square_of_g(function, group, x, act=act_on_image):
    return sum(act(compose(g, g), function(act_on_image(g, x))) for g in group.elements) / group.order


@wrong("group_average", says="even if it is not an image")
def turned_like_an_image(function, group, x, act=act_on_image):
    results = [act_on_image(inverse(g), function(act_on_image(g, x))) for g in group.elements]
    return torch.stack(results).mean(dim=0)


@wrong("translate", says="counts from the end")
def with_negative_slices(t, f):
    u, v = t
    shifted = f.new_zeros(f.shape)
    shifted[..., :-v, u:] = f[..., v:, :-u]
    return shifted


@wrong("translate", says="counts from the end")
def cut_at_a_negative_place(t, f):
    u, v = t
    (height, width), left, below = f.shape[-2:], max(u, 0), max(v, 0)
    larger = F.pad(f, (left, max(-u, 0), max(-v, 0), below))
    return larger[..., v : v + height, -u : -u + width]


@wrong("relative_error", says="norm sums over all pixels.*by the norm of expected")
def norm_ratio(got, expected):
    return torch.linalg.vector_norm(got - expected).item() / (torch.linalg.vector_norm(expected).item() or 1.0)


# 3.1


@correct("both_ways")
def in_two_steps(function, g, x):
    turned = act_on_image(g, x)
    computed = function(x)
    return function(turned), act_on_image(g, computed)


@wrong("both_ways", says="their order is not")
def second_way_first(function, g, x):
    return act_on_image(g, function(x)), function(act_on_image(g, x))


@wrong("both_ways", says=r"second way, what you do is: turn by g, then compute\. It should be: compute, then turn")
def first_way_twice(function, g, x):
    turned = function(act_on_image(g, x))
    return turned, turned


@wrong("both_ways", says=r"first way, what you do is: compute, then turn by g\.")
def second_way_twice(function, g, x):
    return act_on_image(g, function(x)), act_on_image(g, function(x))


@wrong("both_ways", says="do not turn the result. .* invariance")
def as_if_invariant(function, g, x):
    return function(act_on_image(g, x)), function(x)


@wrong("both_ways", says=r"first way, what you do is: compute\.")
def input_not_turned(function, g, x):
    return function(x), act_on_image(g, function(x))


@wrong("both_ways", says=r"second way, what you do is: compute, then turn by g⁻¹")
def result_turned_back(function, g, x):
    return function(act_on_image(g, x)), act_on_image(inverse(g), function(x))


@wrong("both_ways", says="Both ways turn by g⁻¹")
def all_by_the_inverse(function, g, x):
    return function(act_on_image(inverse(g), x)), act_on_image(inverse(g), function(x))


@wrong("both_ways", says="turn back at the end of the first way")
def back_to_the_start(function, g, x):
    return act_on_image(inverse(g), function(act_on_image(g, x))), function(x)


@wrong("both_ways", says="a Tensor, expected a tuple")
def their_difference(function, g, x):
    return function(act_on_image(g, x)) - act_on_image(g, function(x))


# 3.5


def errors(function, elements, x):
    return [in_steps(*in_two_steps(function, g, x)) for g in elements]


@correct("worst_error")
def by_a_loop(function, group, x):
    worst = 0.0
    for error in errors(function, group.elements, x):
        if error > worst:
            worst = error
    return worst


@wrong("worst_error", says="mean over the group")
def mean_error(function, group, x):
    return sum(errors(function, group.elements, x)) / group.order


@wrong("worst_error", says="add up the errors")
def sum_of_errors(function, group, x):
    return sum(errors(function, group.elements, x))


@wrong("worst_error", says="the smallest one")
def best_error(function, group, x):
    return min(errors(function, group.elements, x))


@wrong("worst_error", says="last element only")
def overwritten(function, group, x):
    for error in errors(function, group.elements, x):
        worst = error
    return worst


@wrong("worst_error", says="quarter turn only")
def quarter_turn_only(function, group, x):
    return errors(function, C4.elements, x)[1]


@wrong("worst_error", says="the four rotations, whatever")
def always_c4(function, group, x):
    return max(errors(function, C4.elements, x))


@wrong("worst_error", says="all eight elements of D4, whatever")
def always_d4(function, group, x):
    return max(errors(function, D4.elements, x))


@wrong("worst_error", says="swap `got` and `expected`")
def scale_of_the_other_way(function, group, x):
    return max(in_steps(*in_two_steps(function, g, x)[::-1]) for g in group.elements)


@wrong("worst_error", says="absolute errors")
def absolute_errors(function, group, x):
    return max(absolute(*in_two_steps(function, g, x)) for g in group.elements)


@wrong("worst_error", says="tests for invariance")
def against_the_upright_result(function, group, x):
    return max(in_steps(function(act_on_image(g, x)), function(x)) for g in group.elements)


@wrong("relative_error", says="small number in the denominator")
def with_epsilon(got, expected):
    if not (got - expected).isfinite().all():
        return math.inf
    return ((got - expected).abs().max() / (expected.abs().max() + 1e-8)).item()


@wrong("correlate", says="upside down")
def rows_reversed(f, psi):
    return by_shifting_the_map(f, psi.flip(0))


@wrong("correlate", says="is mirrored")
def columns_reversed(f, psi):
    return by_shifting_the_map(f, psi.flip(1))


# 3.6


@correct("equivariant_function")
def largest_in_a_window(x):
    return F.max_pool2d(x, 3, stride=1, padding=1)


@correct("equivariant_function")
def relu_of_a_blur(x):
    return torch.cat([F.relu(F.avg_pool2d(x, 3, 1) - 0.1), F.avg_pool2d(x, 3, 1)], dim=1)


@correct("equivariant_function")
def over_the_global_mean(x):
    return x - x.square().mean(dim=(2, 3), keepdim=True)


@wrong("equivariant_function", says="is pointwise")
def relu(x):
    return x.relu()


@wrong("equivariant_function", says="is linear")
def blur(x):
    return F.avg_pool2d(x, 3, 1) + 1


@wrong("equivariant_function", says="not equivariant: under r ")
def edges_left_and_right(x):
    return (x[..., 1:] - x[..., :-1]).square()


@wrong("equivariant_function", says="is there a stride")
def strided(x):
    return F.max_pool2d(x, 2)


@wrong("equivariant_function", says="same answer for every image")
def nothing(x):
    return torch.zeros_like(x)


@wrong("equivariant_function", says="should return images")
def a_number_per_image(x):
    return x.amax(dim=(1, 2, 3))


@wrong("equivariant_function", says="called again")
def random_every_time(x):
    return F.max_pool2d(x, 3, stride=1) + torch.randn(1, dtype=x.dtype)


@wrong("relative_error", says="ZeroDivisionError.*you divide by 0")
def without_care_for_zeros_in_floats(got, expected):
    return (got - expected).abs().max().item() / expected.abs().max().item()


@wrong("correlate", says="You pad the map with zeros")
def padded_by_conv2d(f, psi):
    return F.conv2d(f[None, None], psi[None, None], padding=1)[0, 0]


@wrong("equivariant_function", says="float64: make your filters with")
def filters_in_float32(x):
    return F.conv2d(x, torch.ones(1, 1, 3, 3)).relu()


@wrong("group_average", says="over everything, pixels included")
def mean_of_all(function, group, x, act=act_on_image):
    return backwards_through_the_group(function, group, x, act).mean()


@wrong("group_average", says="return all the results")
def no_mean(function, group, x, act=act_on_image):
    return torch.stack([act(inverse(g), function(act_on_image(g, x))) for g in group.elements])


@wrong("both_ways", says=r"first way, what you do is: turn by g, then compute, then turn by g\.")
def first_way_turned_twice(function, g, x):
    return act_on_image(g, function(act_on_image(g, x))), act_on_image(g, function(x))


@wrong("both_ways", says=r"first way, what you do is: compute, then turn by g\..*second way, what you do is: compute\.")
def input_never_turned(function, g, x):
    return act_on_image(g, function(x)), function(x)


@wrong("relative_error", says="They may be at different places")
def difference_of_maxima(got, expected):
    largest, wanted = got.abs().max().item(), expected.abs().max().item()
    return abs(largest - wanted) / (wanted or 1.0)


@wrong("translate", says="opposite side")
def negative_indices_wrap(t, f):
    out = torch.zeros_like(f)
    for row in range(f.shape[-2]):
        for col in range(f.shape[-1]):
            out[..., row, col] = f[..., row + t[1], col - t[0]]
    return out


@wrong("correlate", says="largest product")
def maximum_of_products(f, psi):
    k = len(psi)
    places = [range(n - k + 1) for n in f.shape]
    return torch.stack([torch.stack([(f[i : i + k, j : j + k] * psi).max() for j in places[1]]) for i in places[0]])


@wrong("correlate", says="needs two more axes")
def conv2d_of_two_axes(f, psi):
    return F.conv2d(f, psi)


@wrong("correlate", says="3 × 3, whatever the filter is")
def windows_of_three(f, psi):
    out = f.new_zeros(f.shape[0] - 2, f.shape[1] - 2)
    for row in range(out.shape[0]):
        for col in range(out.shape[1]):
            out[row, col] = (f[row : row + 3, col : col + 3] * psi).sum()
    return out


@wrong("group_average", says="divide by 4, whatever")
def divided_by_four(function, group, x, act=act_on_image):
    return sum(act(inverse(g), function(act_on_image(g, x))) for g in group.elements) / 4


@wrong("group_average", says="by one element only")
def one_element(function, group, x, act=act_on_image):
    g = group.elements[1]
    return act(inverse(g), function(act_on_image(g, x)))


@wrong("both_ways", says=r"second way, what you do is: turn by g\.")
def second_way_without_function(function, g, x):
    turned = act_on_image(g, x)
    return function(turned), turned


@wrong("both_ways", says=r"first way, what you do is: turn by g\..*second way, what you do is: compute\.")
def one_step_each(function, g, x):
    return act_on_image(g, x), function(x)


@wrong("relative_error", says="mean of .expected")
def divided_by_the_mean(got, expected):
    return (got - expected).abs().max().item() / (expected.abs().mean().item() or 1.0)


@wrong("relative_error", says="larger of both maps")
def divided_by_the_larger(got, expected):
    scale = max(got.abs().max().item(), expected.abs().max().item())
    return (got - expected).abs().max().item() / (scale or 1.0)


@wrong("worst_error", says="You return a mean")
def mean_over_eight(function, group, x):
    return sum(errors(function, group.elements, x)) / 8


@wrong("translate", says="has shrunk")
def without_zeros(t, f):
    return f[..., t[1] :, t[0] :]


@wrong("group_average", says="the number of images")
def divided_by_the_batch(function, group, x, act=act_on_image):
    return sum(act(inverse(g), function(act_on_image(g, x))) for g in group.elements) / len(x)


@wrong("group_average", says="identity e is missing")
def without_identity(function, group, x, act=act_on_image):
    results = [act(inverse(g), function(act_on_image(g, x))) for g in group.elements[1:]]
    return torch.stack(results).sum(dim=0) / group.order


@wrong("both_ways", says=r"second way, what you do is: compute, then turn by g, then compute")
def computed_twice(function, g, x):
    return function(act_on_image(g, x)), function(act_on_image(g, function(x)))


@wrong("both_ways", says=r"first way, what you do is: turn by g⁻¹, then compute")
def input_turned_back(function, g, x):
    return function(act_on_image(inverse(g), x)), act_on_image(g, function(x))


@wrong("both_ways", says="by 90°, whatever g is")
def always_a_quarter(function, g, x):
    return in_two_steps(function, C4.elements[1], x)


@wrong("both_ways", says=r"second way, what you do is: turn by g, then compute")
def two_plain_results(function, g, x):
    return function(x), function(act_on_image(g, x))


@wrong("both_ways", says=r"first way, what you do is: turn by g, then compute, then turn by g⁻¹")
def back_on_one_way(function, g, x):
    return act_on_image(inverse(g), function(act_on_image(g, x))), act_on_image(g, function(x))


@wrong("translate", says="at the top left of the padded map")
def always_the_top_left(t, f):
    (u, v), (height, width) = t, f.shape[-2:]
    return F.pad(f, (max(u, 0), max(-u, 0), max(-v, 0), max(v, 0)))[..., :height, :width]


@wrong("translate", says="left and right only")
def never_up(t, f):
    return by_one_assignment((t[0], 0), f)


@wrong("translate", says=r"as \(row, column\)")
def like_rows_and_columns(t, f):
    return by_one_assignment((t[1], -t[0]), f)


@wrong("correlate", says="with zeros where no whole window fits")
def zeros_of_the_size_of_f(f, psi):
    k, out = len(psi), torch.zeros_like(f)
    for row in range(f.shape[0] - k + 1):
        for col in range(f.shape[1] - k + 1):
            out[row, col] = (f[row : row + k, col : col + k] * psi).sum()
    return out


@wrong("correlate", says="last row and the last column of your result are still 0")
def loops_one_short(f, psi):
    k = len(psi)
    out = f.new_zeros(f.shape[0] - k + 1, f.shape[1] - k + 1)
    for row in range(out.shape[0] - 1):
        for col in range(out.shape[1] - 1):
            out[row, col] = (f[row : row + k, col : col + k] * psi).sum()
    return out


@wrong("correlate", says="only the last product")
def assigned_instead_of_added(f, psi):
    k = len(psi)
    out = f.new_zeros(f.shape[0] - k + 1, f.shape[1] - k + 1)
    for row in range(out.shape[0]):
        for col in range(out.shape[1]):
            for a in range(k):
                for b in range(k):
                    out[row, col] = f[row + a, col + b] * psi[a, b]
    return out


@wrong("correlate", says="without the filter")
def sums_of_windows(f, psi):
    return by_shifting_the_map(f, torch.ones_like(psi))


@wrong("correlate", says="are still there")
def with_the_axes_of_conv2d(f, psi):
    return F.conv2d(f[None, None], psi[None, None])


@wrong("correlate", says="still a k × k map")
def products_not_added(f, psi):
    k = len(psi)
    out = f.new_zeros(f.shape[0] - k + 1, f.shape[1] - k + 1)
    for row in range(out.shape[0]):
        for col in range(out.shape[1]):
            out[row, col] = f[row : row + k, col : col + k] * psi
    return out


@wrong("relative_error", says="You return nan")
def nan_stays_nan(got, expected):
    return in_steps(got, expected) if (got - expected).isfinite().all() else math.nan


@wrong("relative_error", says="never divide by less than 1")
def scale_at_least_one(got, expected):
    if not (got - expected).isfinite().all():
        return math.inf
    return (got - expected).abs().max().item() / max(expected.abs().max().item(), 1.0)


@wrong("relative_error", says="sum of .expected")
def divided_by_the_sum(got, expected):
    return (got - expected).abs().max().item() / (expected.abs().sum().item() or 1.0)


@wrong("relative_error", says="in a few pixels")
def mean_by_the_largest(got, expected):
    return (got - expected).abs().mean().item() / (expected.abs().max().item() or 1.0)


@wrong("worst_error", says="not inside it")
def returned_in_the_loop(function, group, x):
    for error in errors(function, group.elements, x):
        return error


@wrong("worst_error", says="with the input x")
def against_the_input(function, group, x):
    return max(in_steps(function(act_on_image(g, x)), x) for g in group.elements)


@wrong("worst_error", says="never turn the input")
def input_stays(function, group, x):
    return max(in_steps(act_on_image(g, function(x)), function(x)) for g in group.elements)


@wrong("equivariant_function", says="a quarter turn changes its shape")
def largest_of_all_turned(x):
    return torch.stack([act_on_image(g, x) for g in D4.elements]).amax(dim=0)


@wrong("group_average", says="divide by 8, whatever")
def divided_by_eight(function, group, x, act=act_on_image):
    return sum(act(inverse(g), function(act_on_image(g, x))) for g in group.elements) / 8


@wrong("group_average", says="all eight elements of D4, whatever")
def averaged_over_d4(function, group, x, act=act_on_image):
    return backwards_through_the_group(function, D4, x, act)


@wrong("group_average", says="along the batch")
def by_cat(function, group, x, act=act_on_image):
    return torch.cat([act(inverse(g), function(act_on_image(g, x))) for g in group.elements]).mean(dim=0)


@wrong("group_average", says="over the batch, axis 1")
def mean_over_the_batch(function, group, x, act=act_on_image):
    results = [act(inverse(g), function(act_on_image(g, x))) for g in group.elements]
    return torch.stack(results).mean(dim=1)


@wrong("both_ways", says=r"second way, what you do is: compute, then turn by g, then turn by g")
def second_way_turned_twice(function, g, x):
    return function(act_on_image(g, x)), act_on_image(g, act_on_image(g, function(x)))


@wrong("both_ways", says="A group element is not a number")
def turned_by_a_product(function, g, x):
    return function(g * x), act_on_image(g, function(x))


@wrong("both_ways", says="The element comes first")
def image_first(function, g, x):
    return function(act_on_image(x, g)), act_on_image(function(x), g)


@wrong("both_ways", says="turns images, not functions")
def function_turned(function, g, x):
    return function(act_on_image(g, x)), act_on_image(g, function)(x)


@wrong("correlate", says="windows overlap, so no step of k")
def windows_side_by_side(f, psi):
    k = len(psi)
    out = f.new_zeros(f.shape[0] - k + 1, f.shape[1] - k + 1)
    for row in range(0, out.shape[0], k):
        for col in range(0, out.shape[1], k):
            out[row, col] = (f[row : row + k, col : col + k] * psi).sum()
    return out


@wrong("correlate", says="A slice ends where you say")
def slices_that_end_at_k(f, psi):
    k = len(psi)
    out = f.new_zeros(f.shape[0] - k + 1, f.shape[1] - k + 1)
    for row in range(out.shape[0]):
        for col in range(out.shape[1]):
            out[row, col] = (f[row:k, col:k] * psi).sum()
    return out


@wrong("relative_error", says="as soon as one value of expected is 0")
def no_division_if_any_is_zero(got, expected):
    error = (got - expected).abs().max() / (1.0 if (expected == 0).any() else expected.abs().max())
    return error.item() if error.isfinite() else math.inf


@wrong("worst_error", says="Leave x as it is")
def turned_on_and_on(function, group, x):
    worst = 0.0
    for g in group.elements:
        x = act_on_image(g, x)
        worst = max(worst, in_steps(*in_two_steps(function, g, x)))
    return worst


@wrong("worst_error", says="Make one number of each pair")
def largest_pair(function, group, x):
    return max(in_two_steps(function, g, x) for g in group.elements)


@wrong("worst_error", says="not iterable. The elements of a group are in")
def loop_over_the_group(function, group, x):
    return max(in_steps(*in_two_steps(function, g, x)) for g in group)


@wrong("worst_error", says="takes one element")
def turned_by_the_group(function, group, x):
    return in_steps(*in_two_steps(function, group, x))


@wrong("equivariant_function", says="prefers one axis, one side or one corner")
def sorted_rows(x):
    return x.sort(-1).values


@wrong("group_average", says="feed each result into the next step")
def one_after_the_other(function, group, x, act=act_on_image):
    for g in group.elements:
        x = act(inverse(g), function(act_on_image(g, x)))
    return x / group.order


@wrong("group_average", says="Leave x as it is")
def image_turned_on_and_on(function, group, x, act=act_on_image):
    total = 0
    for g in group.elements:
        x = act_on_image(g, x)
        total = total + act(inverse(g), function(x))
    return total / group.order


@wrong("group_average", says="sets the sum back to 0")
def sum_set_back(function, group, x, act=act_on_image):
    for g in group.elements:
        total = act(inverse(g), function(act_on_image(g, x)))
    return total / group.order


@wrong("group_average", says="must be Tensor, not list.*wants one tensor")
def mean_of_a_list(function, group, x, act=act_on_image):
    return torch.mean([act(inverse(g), function(act_on_image(g, x))) for g in group.elements])


@wrong("group_average", says="You turn the input by `act`")
def input_turned_by_act(function, group, x, act=act_on_image):
    return sum(act(inverse(g), function(act(g, x))) for g in group.elements) / group.order


@wrong("both_ways", says=r"first way, what you do is: turn by g⁻¹, then compute, then turn by g")
def there_and_back(function, g, x):
    return act_on_image(g, function(act_on_image(inverse(g), x))), act_on_image(g, function(x))


@wrong("correlate", says="all in one row")
def one_long_row(f, psi):
    return by_shifting_the_map(f, psi).flatten()


@wrong("relative_error", says="by the smallest")
def by_the_smallest_value(got, expected):
    return (got - expected).abs().max().item() / (expected.abs().min().item() or 1.0)


@wrong("worst_error", says="leave out the elements without a turn")
def turns_only(function, group, x):
    return max(errors(function, [g for g in group.elements if g.r], x), default=0.0)


@wrong("worst_error", says="add up absolute errors")
def sum_of_absolute_errors(function, group, x):
    return sum(absolute(*in_two_steps(function, g, x)) for g in group.elements)


@wrong("worst_error", says="empty.*leave out the elements without a turn")
def turns_only_without_default(function, group, x):
    return max(errors(function, [g for g in group.elements if g.r], x))


@wrong("both_ways", says="starts from the turned image")
def image_replaced(function, g, x):
    x = act_on_image(g, x)
    return function(x), act_on_image(g, function(x))


@wrong("both_ways", says="second way, what you do is: turn by g, then compute, then turn by g⁻¹")
def second_way_undoes_the_first(function, g, x):
    result = function(act_on_image(g, x))
    return result, act_on_image(inverse(g), result)


@wrong("translate", says="holds everything")
def rolled_and_zeroed(t, f):
    out = torch.roll(f, (-t[1], t[0]), dims=(-2, -1))
    out[..., : t[0]] = 0
    out[..., -t[1] :, :] = 0
    return out


@wrong("translate", says="dtype is not that of f")
def zeros_in_floats(t, f):
    return by_one_assignment(t, f).float()


@wrong("translate", says=r"For t = \(1, 0\), your map moves by \(2, 0\)")
def twice_as_far(t, f):
    return by_one_assignment((2 * t[0], 2 * t[1]), f)


@wrong("correlate", says="stopped in line.*last windows do not fit")
def loops_over_every_pixel(f, psi):
    k = len(psi)
    out = f.new_zeros(f.shape[0] - k + 1, f.shape[1] - k + 1)
    for row in range(f.shape[0]):
        for col in range(f.shape[1]):
            out[row, col] = (f[row : row + k, col : col + k] * psi).sum()
    return out


@wrong("correlate", says="stopped in line.*Y and X are swapped")
def rows_for_columns(f, psi):
    k = len(psi)
    out = f.new_zeros(f.shape[1] - k + 1, f.shape[0] - k + 1)
    for row in range(out.shape[0]):
        for col in range(out.shape[1]):
            out[row, col] = (f[row : row + k, col : col + k] * psi).sum()
    return out


@wrong("correlate", says="stopped in line.*as if it were their center")
def centered_windows(f, psi):
    k = len(psi)
    out = f.new_zeros(f.shape[0] - k + 1, f.shape[1] - k + 1)
    for row in range(out.shape[0]):
        for col in range(out.shape[1]):
            out[row, col] = (f[row - k // 2 : row + k // 2 + 1, col - k // 2 : col + k // 2 + 1] * psi).sum()
    return out


@wrong("correlate", says=r"your weight ψ\[0, 0\] is multiplied by f\[1, 1\]")
def one_window_further(f, psi):
    return by_shifting_the_map(f.roll((-1, -1), (0, 1)), psi)


@wrong("relative_error", says="mean of squares.*by the norm of expected")
def mean_square_by_the_norm(got, expected):
    return ((got - expected).square().mean() / (expected.norm().item() or 1.0)).item()


@wrong("relative_error", says="return the error itself")
def infinite_at_zero(got, expected):
    error, scale = (got - expected).abs().max().item(), expected.abs().max().item()
    return (error and math.inf) if scale == 0 else in_steps(got, expected)


@wrong("worst_error", says="missing 1 required.*with a star")
def pair_not_unpacked(function, group, x):
    return max(relative_error(in_two_steps(function, g, x)) for g in group.elements)


@wrong("worst_error", says="stopped in line.*element comes before the image")
def image_before_element(function, group, x):
    return max(in_steps(*in_two_steps(function, x, g)) for g in group.elements)


@wrong("worst_error", says="stopped in line.*single number")
def largest_of_one(function, group, x):
    worst = 0.0
    for error in errors(function, group.elements, x):
        worst = max(error)
    return worst


@wrong("equivariant_function", says="Under the four rotations it is exact")
def turned_filters_without_mirrors(x):
    psi = torch.tensor([[0.0, 1, 0], [0, 0, 2], [3, 0, 0]], dtype=x.dtype)[None, None]
    return sum(F.conv2d(x, act_on_image(h, psi)).relu() for h in C4.elements)


@wrong("equivariant_function", says="On 7 × 7 pixels it is exact: is there a stride")
def strided_by_two(x):
    return F.max_pool2d(x, 3, stride=2)


@wrong("equivariant_function", says="filter without symmetry")
def one_filter(x):
    return F.conv2d(x, torch.arange(9.0, dtype=x.dtype).square().reshape(1, 1, 3, 3) - 20).relu()


@wrong("group_average", says="has no len.*`group.order`")
def divided_by_len(function, group, x, act=act_on_image):
    return sum(act(inverse(g), function(act_on_image(g, x))) for g in group.elements) / len(group)


@wrong("group_average", says="in the same direction")
def both_turned_back(function, group, x, act=act_on_image):
    return sum(act(inverse(g), function(act_on_image(inverse(g), x))) for g in group.elements) / group.order


@wrong("group_average", says="begins as zeros of the shape of x")
def added_to_zeros_like_x(function, group, x, act=act_on_image):
    return torch.zeros_like(x) + backwards_through_the_group(function, group, x, act)


@wrong("translate", says="stopped in line.*only if its new row")
def moved_without_looking(t, f):
    out = torch.zeros_like(f)
    for row in range(f.shape[-2]):
        for col in range(f.shape[-1]):
            out[..., row - t[1], col + t[0]] = f[..., row, col]
    return out


@wrong("translate", says=r"For t = \(0, 1\), your map moves by \(0, -1\)")
def slices_that_go_down(t, f):
    out = torch.zeros_like(f)
    out[..., t[1] :, t[0] :] = f[..., : f.shape[-2] - t[1], : f.shape[-1] - t[0]]
    return out


@wrong("correlate", says="stopped in line.*along one axis")
def added_along_one_axis(f, psi):
    k = len(psi)
    out = f.new_zeros(f.shape[0] - k + 1, f.shape[1] - k + 1)
    for row in range(out.shape[0]):
        for col in range(out.shape[1]):
            out[row, col] = (f[row : row + k, col : col + k] * psi).sum(dim=0)
    return out


@wrong("correlate", says="but not their dtype")
def into_plain_zeros(f, psi):
    return torch.zeros(len(f) - len(psi) + 1, f.shape[1] - len(psi) + 1) + by_shifting_the_map(f, psi).float()


@wrong("relative_error", says="root of a mean of squares")
def root_mean_square(got, expected):
    return math.sqrt((got - expected).square().mean().item()) / (expected.abs().max().item() or 1.0)


@wrong("relative_error", says="its own expected value, and take the mean")
def mean_of_ratios(got, expected):
    return ((got - expected).abs() / expected.abs()).mean().item()


@wrong("worst_error", says="Of all elements of D4, mr?.? has the largest error")
def first_four(function, group, x):
    return max(errors(function, group.elements[:4], x))


@wrong("group_average", says="no `keepdim`")
def axis_of_the_group_kept(function, group, x, act=act_on_image):
    return backwards_through_the_group(function, group, x, act).unsqueeze(0)


@wrong("relative_error", says="returned nan, expected inf")
def blind_to_two_infinities(got, expected):
    difference = (got - expected).abs()
    if difference.isnan().any():
        return math.inf
    return difference.max().item() / (expected.abs().max().item() or 1.0)


@wrong("equivariant_function", says="0 for every image, up to rounding")
def mean_of_the_edge_filter(x):
    edge = torch.tensor([[-1.0, 0, 1]] * 3, dtype=x.dtype)[None, None]
    return backwards_through_the_group(lambda image: F.conv2d(image, edge), D4, x).relu()


@wrong("equivariant_function", says=r"stopped in line.*takes one map \(Y, X\), not \(2, 1, 6, 6\)")
def pool_of_one_map(x):
    return spatial_pool(x, 3, 1, "max")


@wrong("group_average", says="along the batch")
def by_cat_with_the_axis_kept(function, group, x, act=act_on_image):
    return by_cat(function, group, x, act)[None]
