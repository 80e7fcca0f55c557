"""Answers to the exercises of notebook 03."""

import math

import torch
import torch.nn.functional as F

from answers import correct, wrong
from course_lib.actions import act, act_on_image
from course_lib.groups import compose, inverse

# 3.1


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


@wrong("translate", says="opposite way")
def backwards(t, f):
    return by_one_assignment((-t[0], -t[1]), f)


@wrong("translate", says="v points the wrong way")
def downwards(t, f):
    return by_one_assignment((t[0], -t[1]), f)


@wrong("translate", says="swapped")
def swapped(t, f):
    return by_one_assignment(t[::-1], f)


@wrong("translate", says="shape")
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


# 3.2


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


@wrong("correlate", says="returned shape")
def same_size(f, psi):
    return by_shifting_the_map(F.pad(f, (1, 1, 1, 1)), psi)


@wrong("correlate", says="returned shape")
def square_maps_only(f, psi):
    n, k = len(f), len(psi)
    places = range(n - k + 1)
    return torch.stack([torch.stack([(f[i : i + k, j : j + k] * psi).sum() for j in places]) for i in places])


# 3.3


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


@wrong("relative_error", says="minus sign")
def without_absolute_value(got, expected):
    return ((got - expected).max() / expected.abs().max()).item()


@wrong("relative_error", says="each entry by its own")
def entry_by_entry(got, expected):
    return ((got - expected).abs() / expected.abs()).max().item()


@wrong("relative_error", says="in few pixels")
def means(got, expected):
    return ((got - expected).abs().mean() / expected.abs().mean()).item()


@wrong("relative_error", says=r"largest \*absolute\* value")
def by_the_largest_value(got, expected):
    return (got - expected).abs().max().item() / (expected.max().item() or 1.0)


@wrong("relative_error", says="divide by 0")
def without_care_for_zeros(got, expected):
    return ((got - expected).abs().max() / expected.abs().max()).item()


@wrong("relative_error", says="nan slips through")
def without_care_for_nan(got, expected):
    return (got - expected).abs().max().item() / (expected.abs().max().item() or 1.0)


@wrong("relative_error", says="returned a Tensor, expected a float")
def as_tensor(got, expected):
    return (got - expected).abs().max() / expected.abs().max()


# 3.4


@correct("spatial_pool")
def by_unfolding(f, size, stride, how):
    windows = f.unfold(0, size, stride).unfold(1, size, stride)
    return windows.amax(dim=(2, 3)) if how == "max" else windows.mean(dim=(2, 3))


@wrong("spatial_pool", says="size as the stride")
def stride_is_size(f, size, stride, how):
    return by_unfolding(f, size, size, how)


@wrong("spatial_pool", says="stride as the size")
def size_is_stride(f, size, stride, how):
    return by_unfolding(f, stride, stride, how)


@wrong("spatial_pool", says="last windows are missing")
def one_window_too_few(f, size, stride, how):
    rows, cols = ((n - size) // stride for n in f.shape)
    return by_unfolding(f, size, stride, how)[:rows, :cols]


@wrong("spatial_pool", says="move by 1 pixel")
def stride_is_one(f, size, stride, how):
    return by_unfolding(f, size, 1, how)


@wrong("spatial_pool", says='maximum also for "mean"')
def always_max(f, size, stride, how):
    return by_unfolding(f, size, stride, "max")


@wrong("spatial_pool", says="sum of the window")
def sum_for_mean(f, size, stride, how):
    return by_unfolding(f, size, stride, how) * (1 if how == "max" else size * size)


@wrong("spatial_pool", says="stick out")
def with_partial_windows(f, size, stride, how):
    rows, cols = (-(-(n - size) // stride) + 1 for n in f.shape)
    windows = [[f[i * stride :, j * stride :][:size, :size] for j in range(cols)] for i in range(rows)]
    return torch.stack([torch.stack([w.max() if how == "max" else w.mean() for w in row]) for row in windows])


@wrong("spatial_pool", says="starts at 0")
def maximum_from_zero(f, size, stride, how):
    return by_unfolding(f, size, stride, how).clamp(min=0)


# 3.5


@correct("group_average")
def backwards_through_the_group(function, group, x):
    total = 0
    for h in reversed(group.elements):  # h = g⁻¹ runs through the group as g does
        total = total + act(h, function(act(inverse(h), x, group)), group)
    return total / len(group.elements)


@wrong("group_average", says="not turned back")
def never_back(function, group, x):
    return sum(function(act(g, x, group)) for g in group.elements) / group.order


@wrong("group_average", says="inverse is missing")
def turned_on(function, group, x):
    return sum(act(g, function(act(g, x, group)), group) for g in group.elements) / group.order


@wrong("group_average", says="input is not turned")
def only_the_result(function, group, x):
    return sum(act(g, function(x), group) for g in group.elements) / group.order


@wrong("group_average", says="mean of the inputs")
def mean_of_inputs(function, group, x):
    return function(torch.stack([act(g, x, group) for g in group.elements]).mean(dim=0))


@wrong("group_average", says="sum over the group")
def summed(function, group, x):
    return sum(act(inverse(g), function(act(g, x, group)), group) for g in group.elements)


@wrong("group_average", says="mirrors are missing")
def rotations_only(function, group, x):
    rotations = [g for g in group.elements if not g.m]
    return sum(act(inverse(g), function(act(g, x, group)), group) for g in rotations) / len(rotations)


@wrong("group_average", says="Your function")
def square_of_g(function, group, x):
    return sum(act(compose(g, g), function(act(g, x, group)), group) for g in group.elements) / group.order


@wrong("group_average", says="even where it is no map")
def turned_like_an_image(function, group, x):
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


@wrong("relative_error", says="ratio of norms")
def norm_ratio(got, expected):
    return torch.linalg.vector_norm(got - expected).item() / (torch.linalg.vector_norm(expected).item() or 1.0)
