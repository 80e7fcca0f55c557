"""Answers to the exercises of notebook 05."""

import math

import torch
from torch import nn

from answers import correct, wrong
from course_lib.actions import act_on_image
from course_lib.checks import action_of, equivariance_error, relative_error
from course_lib.groups import C4
from course_lib.layers import GlobalMaxPool, GroupConv2d, LiftingConv2d

# 5.1


@correct("left_over")
def by_walking(size, window, stride, padding=0):
    end = window
    while end + stride <= size + 2 * padding:
        end += stride
    return size + 2 * padding - end


@wrong("left_over", says="padding is missing")
def no_padding(size, window, stride, padding=0):
    return (size - window) % stride


@wrong("left_over", says="count the padding once")
def padding_once(size, window, stride, padding=0):
    return (size + padding - window) % stride


@wrong("left_over", says="window is missing")
def no_window(size, window, stride, padding=0):
    return (size + 2 * padding) % stride


@wrong("left_over", says="only the remainder of the size")
def size_only(size, window, stride, padding=0):
    return size % stride


@wrong("left_over", says="number of steps")
def steps(size, window, stride, padding=0):
    return (size + 2 * padding - window) // stride


@wrong("left_over", says="number of windows")
def output_size(size, window, stride, padding=0):
    return (size + 2 * padding - window) // stride + 1


@wrong("left_over", says="whether the windows fit")
def whether(size, window, stride, padding=0):
    return (size + 2 * padding - window) % stride == 0


# 5.2


def rest(size, window, stride, padding):
    return (size + 2 * padding - window) % stride


@correct("exact_sizes")
def by_recursion(layers, sizes):
    def fits(size, layers):
        if not layers:
            return True
        window, stride, padding = layers[0]
        steps, over = divmod(size + 2 * padding - window, stride)
        return steps >= 0 and over == 0 and fits(steps + 1, layers[1:])

    return [size for size in sizes if fits(size, list(layers))]


@wrong("exact_sizes", says="ask every layer about the first size")
def same_size_everywhere(layers, sizes):
    return [n for n in sizes if all(n + 2 * layer[2] >= layer[0] and rest(n, *layer) == 0 for layer in layers)]


def follow(layers, sizes, output, care=True):
    found = []
    for n in sizes:
        size = n
        for window, stride, padding in layers:
            if rest(size, window, stride, padding) or (care and size + 2 * padding < window):
                break
            size = output(size, window, stride, padding)
        else:
            found.append(n)
    return found


@wrong("exact_sizes", says="one pixel too small")
def without_the_first_window(layers, sizes):
    return follow(layers, sizes, lambda n, w, s, p: (n + 2 * p - w) // s)


@wrong("exact_sizes", says=r"not size // stride")
def size_by_stride(layers, sizes):
    return follow(layers, sizes, lambda n, w, s, p: n // s)


@wrong("exact_sizes", says="smaller than the window slips through")
def too_small_maps(layers, sizes):
    return follow(layers, sizes, lambda n, w, s, p: (n + 2 * p - w) // s + 1, care=False)


@wrong("exact_sizes", says="Padding counts")
def no_padding_for_small_maps(layers, sizes):
    def fits(size):
        for window, stride, padding in layers:
            if size < window or rest(size, window, stride, padding):
                return False
            size = (size + 2 * padding - window) // stride + 1
        return True

    return [n for n in sizes if fits(n)]


@wrong("exact_sizes", says="do .not. fit")
def the_others(layers, sizes):
    return [n for n in sizes if n not in by_recursion(layers, sizes)]


@wrong("exact_sizes", says="ask only the first layer")
def first_layer_only(layers, sizes):
    return by_recursion(list(layers)[:1], sizes)


@wrong("exact_sizes", says="returned a range")
def all_sizes(layers, sizes):
    return sizes


# 5.3


@correct("disk_mask")
def pixel_by_pixel(size):
    center = (size - 1) / 2
    rows = [[math.hypot(x - center, y - center) <= size / 2 for x in range(size)] for y in range(size)]
    return torch.tensor(rows)


def disk(size, center, radius):
    return torch.tensor([[math.hypot(x - center, y - center) <= radius for x in range(size)] for y in range(size)])


@wrong("disk_mask", says="half a pixel off")
def center_at_half(size):
    return disk(size, size / 2, size / 2)


@wrong("disk_mask", says="off for even sizes")
def middle_pixel(size):
    return disk(size, size // 2, size / 2)


@wrong("disk_mask", says="too small")
def small_disk(size):
    return disk(size, (size - 1) / 2, (size - 1) / 2)


@wrong("disk_mask", says="All of the square")
def large_disk(size):
    return disk(size, (size - 1) / 2, size)


@wrong("disk_mask", says="complement")
def corners(size):
    return ~pixel_by_pixel(size)


@wrong("disk_mask", says="dtype")
def as_numbers(size):
    return pixel_by_pixel(size).float()


@wrong("disk_mask", says="All of the square")
def by_the_larger_distance(size):
    place = (torch.arange(size) - (size - 1) / 2).abs()
    return torch.maximum(place[:, None], place[None, :]) <= size / 2


# 5.4


@correct("error_by_depth")
def by_equivariance_error(layers, group, x):
    layers = list(layers)

    def first(n):
        def run(y):
            for layer in layers[:n]:
                y = layer(y)
            return y

        return run

    return [equivariance_error(first(n + 1), group, x).error for n in range(len(layers))]


def errors(layers, group, x, measure):
    results, copies = [], [action_of(x, group)(g, x) for g in group.elements]
    for layer in layers:
        x, copies = layer(x), [layer(y) for y in copies]
        results.append(measure(x, copies))
    return results


@wrong("error_by_depth", says="each layer alone")
def layer_by_layer(layers, group, x):
    results = []
    for layer in layers:
        results.append(equivariance_error(layer, group, x).error)
        x = layer(x)
    return results


@wrong("error_by_depth", says="plain output is not turned")
def not_turned(layers, group, x):
    return errors(layers, group, x, lambda y, copies: max(relative_error(c, y) for c in copies))


@wrong("error_by_depth", says="are swapped")
def swapped(layers, group, x):
    def measure(y, copies):
        return max(relative_error(action_of(y, group)(g, y), c) for g, c in zip(group.elements, copies, strict=True))

    return errors(layers, group, x, measure)


@wrong("error_by_depth", says="take the mean")
def mean_error(layers, group, x):
    def measure(y, copies):
        found = [relative_error(c, action_of(y, group)(g, y)) for g, c in zip(group.elements, copies, strict=True)]
        return sum(found) / len(found)

    return errors(layers, group, x, measure)


@wrong("error_by_depth", says="absolute error")
def absolute(layers, group, x):
    def measure(y, copies):
        pairs = zip(group.elements, copies, strict=True)
        return max((c - action_of(y, group)(g, y)).abs().max().item() for g, c in pairs)

    return errors(layers, group, x, measure)


@wrong("error_by_depth", says="only the last element")
def last_element(layers, group, x):
    g = group.elements[-1]
    return errors(layers, group, x, lambda y, copies: relative_error(copies[-1], action_of(y, group)(g, y)))


@wrong("error_by_depth", says="gets x itself")
def x_every_time(layers, group, x):
    return [equivariance_error(layer, group, x).error for layer in layers]


@wrong("error_by_depth", says=r"turn \*and\* permute")
def as_images(layers, group, x):
    def measure(y, copies):
        return max(relative_error(c, act_on_image(g, y)) for g, c in zip(group.elements, copies, strict=True))

    return errors(layers, group, x, measure)


# 5.5


@correct("orbit_agreement")
def image_by_image(net, group, images):
    count = 0
    for image in images:
        answers = {int(net(act_on_image(g, image[None]))[0].argmax()) for g in group.elements}
        count += len(answers) == 1
    return count / len(images)


def classes(net, group, images):
    return torch.stack([net(act_on_image(g, images)).argmax(dim=1) for g in group.elements])


@wrong("orbit_agreement", says="count single turns")
def mean_of_all(net, group, images):
    table = classes(net, group, images)
    return (table == table[0]).double().mean().item()


@wrong("orbit_agreement", says="whether .some. turned copy")
def any_turn(net, group, images):
    table = classes(net, group, images)
    return (table[1:] == table[0]).any(dim=0).double().mean().item()


@wrong("orbit_agreement", says="only one turn")
def one_turn(net, group, images):
    table = classes(net, group, images)
    return (table[1] == table[0]).double().mean().item()


@wrong("orbit_agreement", says="number of images")
def number(net, group, images):
    return float(round(image_by_image(net, group, images) * len(images)))


@wrong("orbit_agreement", says="answer .changes.")
def share_of_changes(net, group, images):
    return 1 - image_by_image(net, group, images)


@wrong("orbit_agreement", says="scores themselves")
def scores(net, group, images):
    table = torch.stack([net(act_on_image(g, images)) for g in group.elements])
    return (table == table[0]).all(dim=2).all(dim=0).double().mean().item()


@wrong("orbit_agreement", says="mirrors are missing")
def rotations_only(net, group, images):
    return image_by_image(net, C4, images)


@wrong("orbit_agreement", says="returned a Tensor")
def as_tensor(net, group, images):
    table = classes(net, group, images)
    return (table == table[0]).all(dim=0).double().mean()


@wrong("left_over", says="as if the windows were side by side")
def modulo_the_window(size, window, stride, padding=0):
    return (size + padding + padding - window) % window


@wrong("left_over", says="as if the windows were side by side")
def windows_side_by_side(size, window, stride, padding=0):
    return (size + 2 * padding) % window


@wrong("left_over", says="in the overlap count only once")
def overlap_forgotten(size, window, stride, padding=0):
    return size + 2 * padding - output_size(size, window, stride, padding) * window


@wrong("left_over", says="last window reaches further")
def a_stride_for_each_window(size, window, stride, padding=0):
    return size + 2 * padding - output_size(size, window, stride, padding) * stride


def votes(net, group, images):
    table = classes(net, group, images)
    return torch.stack([column.bincount().max() / len(column) for column in table.T])


@wrong("orbit_agreement", says="fraction of the most frequent class")
def share_of_the_majority(net, group, images):
    return votes(net, group, images).mean().item()


@wrong("orbit_agreement", says="ask for a majority")
def more_than_half(net, group, images):
    return (votes(net, group, images) > 1 / 2).double().mean().item()


@wrong("orbit_agreement", says="ask for a majority")
def at_least_half(net, group, images):
    return (votes(net, group, images) >= 1 / 2).double().mean().item()


# 5.6


@correct("sleeper")
def norm_for_each_sheet():
    return nn.Sequential(LiftingConv2d(C4, 1, 2, 3), nn.Flatten(1, 2), nn.BatchNorm2d(8), nn.Unflatten(1, (2, 4)))


@correct("sleeper")
def equal_weights_on_a_flat_axis():
    linear = nn.Linear(8, 3)
    nn.init.constant_(linear.weight, 0.5)
    return nn.Sequential(LiftingConv2d(C4, 1, 2, 15), nn.ReLU(), nn.Flatten(), linear)


@wrong("sleeper", says="broken from the start")
def ordinary_convolution():
    return nn.Conv2d(1, 2, 3)


@wrong("sleeper", says="stays exact")
def truly_exact():
    return nn.Sequential(LiftingConv2d(C4, 1, 2, 3), nn.ReLU(), GroupConv2d(C4, 2, 3, 3), GlobalMaxPool(C4))


@wrong("sleeper", says="same output")
def sees_nothing():
    conv = nn.Conv2d(1, 1, 3)
    nn.init.zeros_(conv.weight)
    return conv


@wrong("sleeper", says="returned a type, expected a network")
def a_class():
    return nn.Identity


@wrong("sleeper", says="take images .B, 1, 15, 15.")
def wrong_channels():
    return nn.Conv2d(3, 1, 3)


@wrong("left_over", says="number of steps, without padding")
def steps_without_padding(size, window, stride, padding=0):
    return (size - window) // stride


@wrong("left_over", says="Window and stride are swapped")
def window_for_stride(size, window, stride, padding=0):
    return (size + 2 * padding - stride) % window


@wrong("exact_sizes", says="in reverse order")
def last_layer_first(layers, sizes):
    return by_recursion(list(layers)[::-1], sizes)


@wrong("exact_sizes", says="product of the strides")
def multiples_of_all_strides(layers, sizes):
    return [n for n in sizes if n % math.prod(layer[1] for layer in layers) == 0]


@wrong("disk_mask", says="That is a diamond")
def diamond(size):
    place = (torch.arange(size) - (size - 1) / 2).abs()
    return place[:, None] + place <= size / 2


@wrong("disk_mask", says="Those are the distances")
def distances(size):
    return torch.tensor(
        [[math.hypot(x - (size - 1) / 2, y - (size - 1) / 2) for x in range(size)] for y in range(size)]
    )


@wrong("error_by_depth", says="best element")
def smallest_error(layers, group, x):
    def measure(y, copies):
        return min(relative_error(c, action_of(y, group)(g, y)) for g, c in zip(group.elements, copies, strict=True))

    return errors(layers, group, x, measure)


@wrong("error_by_depth", says="largest error of all layers")
def one_number(layers, group, x):
    return max(by_equivariance_error(layers, group, x))


@wrong("orbit_agreement", says="the other axis")
def elements_instead_of_images(net, group, images):
    table = classes(net, group, images)
    return (table == table[0]).all(dim=1).double().mean().item()


@wrong("orbit_agreement", says="largest scores")
def largest_scores(net, group, images):
    best = torch.stack([net(act_on_image(g, images)).max(dim=1).values for g in group.elements])
    return (best == best[0]).all(dim=0).double().mean().item()


@wrong("orbit_agreement", says="percentage")
def per_cent(net, group, images):
    return 100 * image_by_image(net, group, images)


@wrong("error_by_depth", says="four rotations only")
def without_mirrors(layers, group, x):
    return by_equivariance_error(layers, C4, x)


@wrong("left_over", says="take the padding away")
def padding_not_counted_as_left_over(size, window, stride, padding=0):
    return max(0, by_walking(size, window, stride, padding) - padding)


@wrong("left_over", says="one pixel for each window")
def size_minus_output(size, window, stride, padding=0):
    return size - output_size(size, window, stride, padding)


@wrong("exact_sizes", says="padding once in the output")
def padding_once_in_the_output(layers, sizes):
    return follow(layers, sizes, lambda n, w, s, p: (n + p - w) // s + 1)


def answers_of_the_layers(layers, size):
    for window, stride, padding in layers:
        yield size + 2 * padding >= window and rest(size, window, stride, padding) == 0
        size = (size + 2 * padding - window) // stride + 1


@wrong("exact_sizes", says="only the last layer")
def overwritten_by_the_last_layer(layers, sizes):
    return [n for n in sizes if list(answers_of_the_layers(layers, n))[-1]]


@wrong("exact_sizes", says="some.* layer leaves nothing over")
def one_layer_is_enough(layers, sizes):
    return [n for n in sizes if any(answers_of_the_layers(layers, n))]


@wrong("disk_mask", says="too small for odd sizes")
def radius_rounded_down(size):
    return disk(size, (size - 1) / 2, size // 2)


@wrong("disk_mask", says="off for even sizes")
def middle_rounded_down(size):
    return disk(size, (size - 1) // 2, size / 2)


@wrong("disk_mask", says="single row")
def columns_only(size):
    return pixel_by_pixel(size)[size // 2]


@wrong("error_by_depth", says="add up the errors of the layers")
def errors_so_far(layers, group, x):
    found = by_equivariance_error(layers, group, x)
    return [sum(found[: n + 1]) for n in range(len(found))]


@wrong("error_by_depth", says="what each layer adds")
def growth(layers, group, x):
    found = by_equivariance_error(layers, group, x)
    return [found[0], *(found[n] - found[n - 1] for n in range(1, len(found)))]


@wrong("error_by_depth", says="plain output never changes")
def plain_input(layers, group, x):
    def measure(_y, copies):
        return max(relative_error(c, action_of(x, group)(g, x)) for g, c in zip(group.elements, copies, strict=True))

    return errors(layers, group, x, measure)


@wrong("error_by_depth", says="act on the output on both sides")
def output_turned_on_both_sides(layers, group, x):
    def measure(y, _copies):
        return max(relative_error(action_of(y, group)(g, y), action_of(y, group)(g, y)) for g in group.elements)

    return errors(layers, group, x, measure)


@wrong("orbit_agreement", says="Do you turn them")
def nothing_turned(net, group, images):
    table = torch.stack([net(images).argmax(dim=1) for _ in group.elements])
    return (table == table[0]).all(dim=0).double().mean().item()


@wrong("orbit_agreement", says="how many different classes")
def number_of_classes(net, group, images):
    return sum(len(set(column.tolist())) for column in classes(net, group, images).T) / len(images)


# Answers of a second reader


@wrong("left_over", says="as if the windows were side by side")
def size_by_window(size, window, stride, padding=0):
    return size % window


@wrong("left_over", says="in brackets")
def brackets_forgotten(size, window, stride, padding=0):
    return size + 2 * padding - window % stride


@wrong("left_over", says="a row without it")
def steps_taken_from_the_size(size, window, stride, padding=0):
    return size - (window + stride * ((size + 2 * padding - window) // stride))


@wrong("exact_sizes", says="once for each layer")
def appended_in_the_inner_loop(layers, sizes):
    found = []
    for n in sizes:
        size = n
        for window, stride, padding in layers:
            if size + 2 * padding < window or rest(size, window, stride, padding):
                break
            found.append(n)
            size = (size + 2 * padding - window) // stride + 1
    return found


@wrong("exact_sizes", says="before the loop over")
def size_set_once(layers, sizes):
    found, size = [], min(sizes)
    for n in sizes:
        fits = True
        for window, stride, padding in layers:
            if size + 2 * padding < window or rest(size, window, stride, padding):
                fits = False
                break
            size = (size + 2 * padding - window) // stride + 1
        if fits:
            found.append(n)
    return found


@wrong("exact_sizes", says="ZeroDivisionError.*wrong order")
def unpacked_in_another_order(layers, sizes):
    swapped = [(window, padding, stride) for window, stride, padding in layers]
    return follow(swapped, sizes, lambda n, w, s, p: (n + 2 * p - w) // s + 1)


@wrong("exact_sizes", says="exactly as large as the window")
def larger_than_the_window(layers, sizes):
    def fits(size):
        for window, stride, padding in layers:
            if size + 2 * padding <= window or rest(size, window, stride, padding):
                return False
            size = (size + 2 * padding - window) // stride + 1
        return True

    return [n for n in sizes if fits(n)]


@wrong("disk_mask", says="four corner pixels")
def corners_cut_off(size):
    mask = torch.ones(size, size, dtype=torch.bool)
    mask[0, 0] = mask[0, -1] = mask[-1, 0] = mask[-1, -1] = False
    return mask


@wrong("disk_mask", says="squared distance with size\\.")
def squared_distance_against_size(size):
    place = torch.arange(size) - (size - 1) / 2
    return place[:, None] ** 2 + place**2 <= size


@wrong("error_by_depth", says="only the first layer")
def returned_inside_the_loop(layers, group, x):
    return by_equivariance_error(layers, group, x)[:1]


@wrong("error_by_depth", says="copies are not handed on")
def copies_not_handed_on(layers, group, x):
    results, copies = [], [action_of(x, group)(g, x) for g in group.elements]
    for layer in layers:
        x, seen = layer(x), [layer(y) for y in copies]
        results.append(
            max(relative_error(y, action_of(x, group)(g, x)) for g, y in zip(group.elements, seen, strict=True))
        )
    return results


@wrong("error_by_depth", says="plain output is not handed on")
def plain_output_not_handed_on(layers, group, x):
    results, copies = [], [action_of(x, group)(g, x) for g in group.elements]
    for layer in layers:
        copies = [layer(y) for y in copies]
        pairs = zip(group.elements, copies, strict=True)
        results.append(max(relative_error(y, action_of(layer(x), group)(g, layer(x))) for g, y in pairs))
    return results


@wrong("error_by_depth", says="plain map is not reset")
def plain_map_not_reset(layers, group, x):
    results, plain = [0.0 for _ in layers], x
    for g in group.elements:
        copy = action_of(x, group)(g, x)
        for i, layer in enumerate(layers):
            plain, copy = layer(plain), layer(copy)
            results[i] = max(results[i], relative_error(copy, action_of(plain, group)(g, plain)))
    return results


@wrong("error_by_depth", says="one error for each element and each layer")
def element_after_element(layers, group, x):
    results = []
    for g in group.elements:
        copy, plain = action_of(x, group)(g, x), x
        for layer in layers:
            copy, plain = layer(copy), layer(plain)
            results.append(relative_error(copy, action_of(plain, group)(g, plain)))
    return results


@wrong("orbit_agreement", says="only the last turned copy")
def last_copy(net, group, images):
    table = classes(net, group, images)
    return (table[0] == table[-1]).double().mean().item()


@wrong("orbit_agreement", says="over all images and scores at once")
def one_argmax_for_all(net, group, images):
    table = torch.stack([net(action_of(images, group)(g, images)).argmax() for g in group.elements])
    return (table == table[0]).double().mean().item()


# Answers of a third reader


@wrong("left_over", says="divides")
def divided(size, window, stride, padding=0):
    return (size + 2 * padding - window) / stride


@wrong("left_over", says="longer, by .padding. pixels at .each. end")
def padding_added_at_the_end(size, window, stride, padding=0):
    return (size - window) % stride + 2 * padding


@wrong("left_over", says="missing for one more window")
def missing_for_one_more(size, window, stride, padding=0):
    return stride - rest(size, window, stride, padding)


@wrong("left_over", says="exactly one window leaves nothing")
def one_more_than_left(size, window, stride, padding=0):
    return rest(size, window, stride, padding) + 1


@wrong("left_over", says="too few for a whole stride")
def at_most_one(size, window, stride, padding=0):
    return min(1, rest(size, window, stride, padding))


@wrong("left_over", says="longer by one stride")
def one_stride_only(size, window, stride, padding=0):
    over = size + 2 * padding - window
    return over - stride if over >= stride else over


@wrong("left_over", says="exactly one window leaves nothing over, but your function says 2")
def window_not_taken_away(size, window, stride, padding=0):
    return size + 2 * padding - stride * ((size + 2 * padding - window) // stride)


@wrong("exact_sizes", says="padding is missing in the output")
def padding_missing_in_the_output(layers, sizes):
    return follow(layers, sizes, lambda n, w, s, p: (n - w) // s + 1)


@wrong("exact_sizes", says="Ask .left_over.size, window, stride, padding")
def left_over_without_the_padding(layers, sizes):
    def fits(size):
        for window, stride, padding in layers:
            if size + 2 * padding < window or rest(size, window, stride, 0):
                return False
            size = (size + 2 * padding - window) // stride + 1
        return True

    return [n for n in sizes if fits(n)]


@wrong("exact_sizes", says="Ask .left_over.size, window, stride, padding")
def size_by_the_stride(layers, sizes):
    def fits(size):
        for window, stride, padding in layers:
            if size + 2 * padding < window or size % stride:
                return False
            size = (size + 2 * padding - window) // stride + 1
        return True

    return [n for n in sizes if fits(n)]


@wrong("exact_sizes", says="second one gets what the first one hands on")
def size_less_the_window(layers, sizes):
    return follow(layers, sizes, lambda n, w, s, p: n + 2 * p - w + 1)


@wrong("exact_sizes", says="padding of the first changes")
def padding_twice_in_the_output(layers, sizes):
    return follow(layers, sizes, lambda n, w, s, p: (n + 4 * p - w) // s + 1)


@wrong("disk_mask", says="middle of your disk is at")
def counted_from_one(size):
    return disk(size, (size + 1) / 2, size / 2)


@wrong("disk_mask", says="That is a single row")
def row_plus_row(size):
    place = torch.arange(size) - (size - 1) / 2
    return place**2 + place**2 <= (size / 2) ** 2


@wrong("disk_mask", says="too small: some pixels are missing")
def one_pixel_less(size):
    return disk(size, (size - 1) / 2, size / 2 - 1)


@wrong("disk_mask", says="too large")
def one_half_more(size):
    return disk(size, (size - 1) / 2, size / 2 + 0.5)


@wrong("disk_mask", says="compare the squared distances")
def squared_distances(size):
    place = torch.arange(size) - (size - 1) / 2
    return place[:, None] ** 2 + place**2


@wrong("error_by_depth", says="one layer too late")
def one_layer_too_late(layers, group, x):
    layers = list(layers)
    return [equivariance_error(nn.Sequential(*layers[:n]), group, x).error for n in range(len(layers))]


@wrong("error_by_depth", says="number in .\\.error")
def whole_reports(layers, group, x):
    layers = list(layers)
    return [equivariance_error(nn.Sequential(*layers[: n + 1]), group, x) for n in range(len(layers))]


@wrong("error_by_depth", says="turn the copies again")
def turned_before_each_layer(layers, group, x):
    results, copies = [], {g: x for g in group.elements}
    for layer in layers:
        copies = {g: layer(action_of(y, group)(g, y)) for g, y in copies.items()}
        x = layer(x)
        results.append(max(relative_error(y, action_of(x, group)(g, x)) for g, y in copies.items()))
    return results


@wrong("orbit_agreement", says="no batch axis")
def images_without_a_batch(net, group, images):
    same = [len({int(net(act_on_image(g, image)).argmax()) for g in group.elements}) == 1 for image in images]
    return sum(same) / len(images)


@wrong("orbit_agreement", says="Tensors in a .set.")
def sets_of_tensors(net, group, images):
    return sum(len(set(column)) == 1 for column in classes(net, group, images).T) / len(images)


@wrong("orbit_agreement", says="number of elements, too")
def divided_by_all_classes(net, group, images):
    table = classes(net, group, images)
    return (table == table[0]).all(dim=0).sum().item() / table.numel()


@wrong("orbit_agreement", says="one image gets the classes .1, 1, 1, 1., the other")
def pairs_of_turns(net, group, images):
    table = classes(net, group, images)
    return (table[:, None] == table[None]).double().mean().item()


@wrong("sleeper", says="maps with five axes")
def norm_of_images_on_a_feature_map():
    return nn.Sequential(LiftingConv2d(C4, 1, 2, 3), nn.BatchNorm2d(2))


@wrong("sleeper", says="stays exact")
def norm_over_the_group():
    return nn.Sequential(LiftingConv2d(C4, 1, 2, 3), nn.BatchNorm3d(2), nn.ReLU())


@wrong("sleeper", says="broken from the start")
def norm_of_each_row():
    return nn.Sequential(LiftingConv2d(C4, 1, 2, 3), nn.LayerNorm(13))
