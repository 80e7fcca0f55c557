"""Answers to the exercises of notebook 02."""

import numpy as np
import torch

from answers import correct, wrong
from course_lib.groups import C4, D4, Element, compose, inverse, left_permutation, matrix
from course_lib.wallpaper import homogeneous_matrix


@correct("act_on_points")
def by_homogeneous_matrices(g, points):
    points = np.asarray(points)
    ones = np.ones((*points.shape[:-1], 1), dtype=np.int64)
    return np.einsum("ij,...j->...i", homogeneous_matrix(g), np.concatenate([points, ones], axis=-1))[..., :2]


@correct("act_on_points")
def in_coordinates(g, points):
    x, y = points[..., 0], points[..., 1]
    for _ in range(g.r):
        x, y = -y, x
    return np.stack([(-x if g.m else x) + g.u, y + g.v], axis=-1)


@wrong("act_on_points", says="in the wrong direction")
def rows_without_transpose(g, points):
    return points @ matrix(g.point_part) + g.shift


@wrong("act_on_points", says="shift first and turn afterwards")
def shift_first(g, points):
    return (points + g.shift) @ matrix(g.point_part).T


@wrong("act_on_points", says="forget the shift")
def without_shift(g, points):
    return points @ matrix(g.point_part).T


@wrong("act_on_points", says="come as rows|points are rows")
def one_point_only(g, points):
    return matrix(g.point_part) @ points.reshape(-1, 2)[0] + g.shift


@correct("source_pixel")
def by_moving_the_indices(g, row, col, height, width):
    if g.m:
        col = width - 1 - col
    for _ in range(g.r):  # undo one counter-clockwise quarter turn
        row, col, height, width = col, height - 1 - row, width, height
    return row, col


@wrong("source_pixel", says="inverse is missing")
def without_inverse(g, row, col, height, width):
    x, y = matrix(g) @ (2 * col - width + 1, height - 1 - 2 * row)
    if g.r % 2:
        height, width = width, height
    return (height - 1 - int(y)) // 2, (int(x) + width - 1) // 2


@wrong("source_pixel", says="y points up")
def y_down(g, row, col, height, width):
    x, y = matrix(inverse(g)) @ (2 * col - width + 1, 2 * row - height + 1)
    if g.r % 2:
        height, width = width, height
    return (int(y) + height - 1) // 2, (int(x) + width - 1) // 2


@wrong("source_pixel", says="swaps the sides")
def same_sides(g, row, col, height, width):
    x, y = matrix(inverse(g)) @ (2 * col - width + 1, height - 1 - 2 * row)
    return (height - 1 - int(y)) // 2, (int(x) + width - 1) // 2


@wrong("source_pixel", says="lies between pixels")
def center_is_a_pixel(g, row, col, height, width):
    x, y = matrix(inverse(g)) @ (col - width // 2, height // 2 - row)
    if g.r % 2:
        height, width = width, height
    return height // 2 - int(y), int(x) + width // 2


@wrong("source_pixel", says="down first")
def column_first(g, row, col, height, width):
    return by_moving_the_indices(g, row, col, height, width)[::-1]


@wrong("source_pixel", says="are floats, which cannot")
def in_floats(g, row, col, height, width):
    row, col = by_moving_the_indices(g, row, col, height, width)
    return row * 1.0, np.float64(col)


@correct("act_on_image")
def by_transposing(g, f):
    for _ in range(g.r):
        f = f.transpose(-2, -1).flip(-2)
    return f.flip(-1) if g.m else f


@wrong("act_on_image", says="clockwise")
def clockwise(g, f):
    turned = torch.rot90(f, -g.r, dims=(-2, -1))
    return turned.flip(-1) if g.m else turned


@wrong("act_on_image", says="mirror first")
def mirror_first(g, f):
    mirrored = f.flip(-1) if g.m else f
    return torch.rot90(mirrored, g.r, dims=(-2, -1))


@wrong("act_on_image", says="turn .or. mirror")
def one_or_the_other(g, f):
    if g.r:
        return torch.rot90(f, g.r, dims=(-2, -1))
    return f.flip(-1) if g.m else f


@wrong("act_on_image", says="swap top and bottom")
def upside_down(g, f):
    turned = torch.rot90(f, g.r, dims=(-2, -1))
    return turned.flip(-2) if g.m else turned


@wrong("act_on_image", says="forget the mirror")
def without_mirror(g, f):
    return torch.rot90(f, g.r, dims=(-2, -1))


@wrong("act_on_image", says="first two axes")
def first_two_axes(g, f):
    turned = torch.rot90(f, g.r)
    return turned.flip(-1) if g.m else turned


@correct("left_permutation")
def by_sending_each_sheet_away(g, elements):
    permutation = [0] * len(elements)
    for i, h in enumerate(elements):
        permutation[elements.index(compose(g, h))] = i
    return permutation


@wrong("left_permutation", says="where sheet h .goes")
def where_it_goes(g, elements):
    return [elements.index(compose(g, h)) for h in elements]


@wrong("left_permutation", says="hg⁻¹ instead of g⁻¹h")
def inverse_on_the_right(g, elements):
    return [elements.index(compose(h, inverse(g))) for h in elements]


@wrong("left_permutation", says="hg instead of g⁻¹h")
def on_the_right(g, elements):
    return [elements.index(compose(h, g)) for h in elements]


@wrong("left_permutation", says="Return their positions")
def elements_themselves(g, elements):
    return [compose(inverse(g), h) for h in elements]


@correct("act_on_feature_map")
def sheet_by_sheet(g, f, group, subgroup=None):
    sheets = f.unbind(-3)
    turned = [torch.rot90(sheets[group.index(compose(inverse(g), h))], g.r, dims=(-2, -1)) for h in group.elements]
    return torch.stack([sheet.flip(-1) if g.m else sheet for sheet in turned], dim=-3)


@wrong("act_on_feature_map", says="leave them in their places")
def turn_only(g, f, group, subgroup=None):
    return by_transposing(g, f)


@wrong("act_on_feature_map", says="do not turn them")
def permute_only(g, f, group, subgroup=None):
    return f[..., by_sending_each_sheet_away(g, group.elements), :, :]


@wrong("act_on_feature_map", says="inverse is missing")
def permute_by_g(g, f, group, subgroup=None):
    return by_transposing(g, f[..., where_it_goes(g, group.elements), :, :])


@wrong("act_on_feature_map", says="wrong side")
def permute_on_the_right(g, f, group, subgroup=None):
    return by_transposing(g, f[..., inverse_on_the_right(g, group.elements), :, :])


@wrong("act_on_feature_map", says="third from the end")
def permute_the_first_axis(g, f, group, subgroup=None):
    return by_transposing(g, f)[by_sending_each_sheet_away(g, group.elements)]


@wrong("act_on_feature_map", says="both by g⁻¹")
def inverse_everywhere(g, f, group, subgroup=None):
    return by_transposing(inverse(g), f[..., where_it_goes(g, group.elements), :, :])


@wrong("act_on_feature_map", says="stopped in line.*IndexError.*another axis than the sheets")
def permute_the_second_axis(g, f, group, subgroup=None):
    permutation = by_sending_each_sheet_away(g, group.elements)
    return by_transposing(g, f[:, permutation])


@wrong("act_on_feature_map", says="stopped in line.*IndexError.*another axis than the sheets")
def permute_the_columns(g, f, group, subgroup=None):
    permutation = by_sending_each_sheet_away(g, group.elements)
    return by_transposing(g, f[..., permutation])


@wrong("act_on_feature_map", says="stopped in line.*IndexError.*another axis than the sheets")
def permute_the_rows(g, f, group, subgroup=None):
    permutation = by_sending_each_sheet_away(g, group.elements)
    return by_transposing(g, f[..., permutation, :])


@wrong("act_on_points", says="Add t, do not subtract")
def minus_t(g, points):
    return points @ matrix(g.point_part).T - g.shift


@wrong("act_on_points", says="by the inverse of g")
def moved_back(g, points):
    return (points - g.shift) @ matrix(g.point_part)


@wrong("act_on_points", says="stopped in line.*points are rows")
def matrix_on_the_left(g, points):
    return matrix(g.point_part) @ points + g.shift


@wrong("act_on_points", says="stopped in line.*reverses all of them")
def two_transposes(g, points):
    return (matrix(g.point_part) @ points.T).T + g.shift


@wrong("source_pixel", says="Two mistakes cancel for rotations")
def y_down_without_inverse(g, row, col, height, width):
    x, y = matrix(g) @ (2 * col - width + 1, 2 * row - height + 1)
    if g.r % 2:
        height, width = width, height
    return (int(y) + height - 1) // 2, (int(x) + width - 1) // 2


@wrong("source_pixel", says="inverse is missing.*the other way round")
def same_sides_without_inverse(g, row, col, height, width):
    x, y = matrix(g) @ (2 * col - width + 1, height - 1 - 2 * row)
    return (height - 1 - int(y)) // 2, (int(x) + width - 1) // 2


@wrong("act_on_image", says="mirror every time")
def always_mirrored(g, f):
    return by_transposing(g, f) if g.m else by_transposing(g, f).flip(-1)


@wrong("act_on_image", says="both axes is a half turn")
def flips_both(g, f):
    turned = torch.rot90(f, g.r, dims=(-2, -1))
    return turned.flip(-2, -1) if g.m else turned


@wrong("act_on_image", says="flip axis 1")
def flips_axis_one(g, f):
    turned = torch.rot90(f, g.r, dims=(-2, -1))
    return turned.flip(1) if g.m else turned


@wrong("left_permutation", says="h⁻¹g instead of g⁻¹h")
def inverts_the_other(g, elements):
    return [elements.index(compose(inverse(h), g)) for h in elements]


@wrong("left_permutation", says="every sheet in its place")
def nothing_moves(g, elements):
    return list(range(len(elements)))


@wrong("act_on_feature_map", says="turn the sheets by g⁻¹. Turn them by g")
def turned_back(g, f, group, subgroup=None):
    return by_transposing(inverse(g), f[..., by_sending_each_sheet_away(g, group.elements), :, :])


def _orbit(subgroup, row, col, n):
    return min(by_moving_the_indices(s, row, col, n, n) for s in subgroup.elements)


@correct("pattern_with_symmetry")
def one_number_for_each_orbit(subgroup):
    rows = [[_orbit(subgroup, row, col, 5) for col in range(5)] for row in range(5)]
    return torch.tensor([[10.0 * row + col for row, col in line] for line in rows])


@wrong("pattern_with_symmetry", says="stays as it is under .* too much symmetry")
def constant(subgroup):
    return torch.ones(4, 4)


@wrong("pattern_with_symmetry", says="changes under .* in the subgroup")
def no_symmetry(subgroup):
    return torch.arange(16).reshape(4, 4)


@wrong("pattern_with_symmetry", says="fewer than 4 × 4 pixels")
def three_by_three(subgroup):
    pattern = (2 ** torch.arange(9)).reshape(3, 3)
    return sum(by_transposing(s, pattern) for s in subgroup.elements)


@wrong("pattern_with_symmetry", says="a square pattern")
def not_square(subgroup):
    return torch.arange(12).reshape(3, 4)


@wrong("act_on_points", says="You loop over the first axis")
def by_a_loop(g, points):
    return np.array([matrix(g.point_part) @ point + g.shift for point in points])


@wrong("source_pixel", says="swaps top and bottom, as if .row, col. were .x, y.")
def rows_as_x(g, row, col, height, width):
    x, y = matrix(inverse(g)) @ (2 * row - height + 1, 2 * col - width + 1)
    if g.r % 2:
        height, width = width, height
    return (int(x) + height - 1) // 2, (int(y) + width - 1) // 2


@wrong("act_on_image", says="Dimension out of range.*from the end")
def axes_from_the_front(g, f):
    turned = torch.rot90(f, g.r, dims=(1, 2))
    return turned.flip(2) if g.m else turned


@wrong("act_on_image", says="transpose is not a quarter turn")
def transposes(g, f):
    return f.mT if g.r in (1, 3) else f


@wrong("left_permutation", says="right for rotations only")
def counts_back(g, elements):
    return [(place - g.r) % len(elements) for place in range(len(elements))]


@wrong("left_permutation", says="position in D4 only")
def index_in_d4(g, elements):
    products = [compose(inverse(g), h) for h in elements]
    return [4 * k.m + k.r for k in products]


@wrong("act_on_feature_map", says="right for rotations only")
def rolls(g, f, group, subgroup=None):
    return by_transposing(g, f.roll(g.r, -3))


@wrong("act_on_feature_map", says="stack the sheets along the first axis")
def stacks_in_front(g, f, group, subgroup=None):
    return torch.stack([by_transposing(g, f[..., i, :, :]) for i in by_sending_each_sheet_away(g, group.elements)])


@wrong("act_on_points", says="v, u. in place of .u, v")
def shift_reversed(g, points):
    return points @ matrix(g.point_part).T + np.array([g.v, g.u])


@wrong("source_pixel", says="return the pixel itself")
def the_pixel_itself(g, row, col, height, width):
    return row, col


@wrong("act_on_image", says="always make one quarter turn")
def one_turn(g, f):
    turned = torch.rot90(f, 1, dims=(-2, -1))
    return turned.flip(-1) if g.m else turned


@wrong("act_on_image", says="transpose is not a quarter turn")
def transposes_and_mirrors(g, f):
    turned = f.mT if g.r % 2 else f
    return turned.flip(-1) if g.m else turned


@wrong("left_permutation", says="You invert h")
def inverts_h(g, elements):
    return [elements.index(compose(g, inverse(h))) for h in elements]


@wrong("left_permutation", says="You invert h")
def inverts_both(g, elements):
    return [elements.index(compose(inverse(g), inverse(h))) for h in elements]


@wrong("act_on_points", says="Two things are wrong")
def shift_first_without_transpose(g, points):
    return (points + g.shift) @ matrix(g.point_part)


@wrong("act_on_image", says="clockwise, and you forget the mirror")
def clockwise_without_mirror(g, f):
    return torch.rot90(f, g.r, dims=(-1, -2))


@wrong("act_on_image", says="swap top and bottom, and you do so before")
def upside_down_first(g, f):
    return torch.rot90(f.flip(-2) if g.m else f, g.r, dims=(-2, -1))


@wrong("act_on_feature_map", says="each sheet has to be mirrored, too")
def without_mirrored_sheets(g, f, group, subgroup=None):
    return torch.rot90(f[..., by_sending_each_sheet_away(g, group.elements), :, :], g.r, dims=(-2, -1))


@wrong("act_on_points", says="subtract the shift before the turn")
def minus_shift_first(g, points):
    return (points - g.shift) @ matrix(g.point_part).T


@wrong("act_on_points", says="With the shift as a column")
def points_as_columns(g, points):
    return (matrix(g.point_part) @ points.T + g.shift.reshape(2, 1)).T


def _doubled_source(g, row, col, height, width):
    x, y = matrix(inverse(g)) @ (2 * col - width + 1, height - 1 - 2 * row)
    return int(x), int(y)


@wrong("source_pixel", says="You stop at .x, y.")
def stops_at_the_place(g, row, col, height, width):
    x, y = matrix(inverse(g)) @ (2 * col - (width - 1), (height - 1) - 2 * row)
    return int(x), int(y)


@wrong("source_pixel", says="twice as large")
def not_halved(g, row, col, height, width):
    x, y = _doubled_source(g, row, col, height, width)
    if g.r % 2:
        height, width = width, height
    return height - 1 - y, x + width - 1


@wrong("source_pixel", says="On the way back, your y points down")
def y_down_on_the_way_back(g, row, col, height, width):
    x, y = _doubled_source(g, row, col, height, width)
    if g.r % 2:
        height, width = width, height
    return (height - 1 + y) // 2, (x + width - 1) // 2


@wrong("source_pixel", says="swap the sides too early")
def swaps_first(g, row, col, height, width):
    if g.r % 2:
        height, width = width, height
    x, y = _doubled_source(g, row, col, height, width)
    return (height - 1 - y) // 2, (x + width - 1) // 2


@wrong("source_pixel", says="for a half turn, too")
def swaps_for_every_turn(g, row, col, height, width):
    x, y = _doubled_source(g, row, col, height, width)
    if g.r:
        height, width = width, height
    return (height - 1 - y) // 2, (x + width - 1) // 2


@wrong("source_pixel", says="about the top left pixel")
def about_the_corner(g, row, col, height, width):
    x, y = matrix(inverse(g)) @ (col, row)
    return int(y), int(x)


@wrong("source_pixel", says="about the top left pixel")
def about_the_corner_with_y_up(g, row, col, height, width):
    x, y = matrix(inverse(g)) @ (col, -row)
    return int(-y), int(x)


@wrong("act_on_image", says="You act by g⁻¹")
def by_the_inverse(g, f):
    return by_transposing(inverse(g), f)


@wrong("act_on_image", says="You flip f itself")
def flips_the_original(g, f):
    turned = torch.rot90(f, g.r, dims=(-2, -1))
    return f.flip(-1) if g.m else turned


@wrong("act_on_image", says="You return f as it was")
def result_thrown_away(g, f):
    torch.rot90(f, g.r, dims=(-2, -1))
    return f


@wrong("act_on_image", says="quarter turns, not degrees")
def in_degrees(g, f):
    turned = torch.rot90(f, 90 * g.r, dims=(-2, -1))
    return turned.flip(-1) if g.m else turned


@wrong("left_permutation", says="right for rotations only")
def counts_back_modulo_four(g, elements):
    return [(place - g.r) % 4 for place in range(len(elements))]


@wrong("left_permutation", says="where a sheet .goes., and only for rotations")
def counts_on(g, elements):
    return [(place + g.r) % len(elements) for place in range(len(elements))]


@wrong("act_on_feature_map", says="You return f as it was")
def unchanged(g, f, group, subgroup=None):
    return f


@wrong("act_on_feature_map", says="You pick sheets by elements")
def picks_by_elements(g, f, group, subgroup=None):
    return by_transposing(g, f[..., elements_themselves(g, group.elements), :, :])


@wrong("act_on_feature_map", says="is not iterable.*takes the elements of the group")
def permutation_of_the_group(g, f, group, subgroup=None):
    return by_transposing(g, f[..., left_permutation(g, group), :, :])


@wrong("act_on_points", says="multiplies entry by entry")
def times_the_matrix(g, points):
    return points * matrix(g.point_part) + g.shift


@wrong("act_on_points", says="add the shift to the matrix")
def shift_inside_the_brackets(g, points):
    return points @ (matrix(g.point_part).T + g.shift)


@wrong("source_pixel", says="your column has the wrong sign")
def width_subtracted_on_the_way_back(g, row, col, height, width):
    x, y = matrix(inverse(g)) @ (col - (width - 1) / 2, (height - 1) / 2 - row)
    height, width = (width, height) if g.r % 2 else (height, width)
    return int((height - 1) / 2 - y), int(x - (width - 1) / 2)


@wrong("source_pixel", says="Pixels are counted from 0")
def center_at_half_the_size(g, row, col, height, width):
    x, y = matrix(inverse(g)) @ (col - width / 2, height / 2 - row)
    height, width = (width, height) if g.r % 2 else (height, width)
    return int(height / 2 - y), int(x + width / 2)


@wrong("act_on_image", says="multiply the image by g.m")
def times_m(g, f):
    return torch.rot90(f, g.r, dims=(-2, -1)).flip(-1) * g.m


@wrong("left_permutation", says="multiply on both sides")
def conjugated(g, elements):
    return [elements.index(compose(inverse(g), compose(h, g))) for h in elements]


@wrong("left_permutation", says="has no attribute 'm'.*one element at a time")
def composed_with_all(g, elements):
    return elements.index(compose(inverse(g), elements))


@wrong("act_on_feature_map", says="write into f while you still read from it")
def written_over_itself(g, f, group, subgroup=None):
    for new, old in enumerate(group.permutation(g)):
        f[..., new, :, :] = by_transposing(g, f[..., old, :, :])
    return f


@wrong("act_on_feature_map", says="turn every sheet twice")
def turned_twice(g, f, group, subgroup=None):
    return by_transposing(g, by_transposing(g, f[..., group.permutation(g), :, :]))


@wrong("source_pixel", says="same turn whatever g is")
def always_a_quarter_turn(g, row, col, height, width):
    return col, height - 1 - row


@wrong("source_pixel", says="same turn whatever g is")
def always_a_half_turn(g, row, col, height, width):
    return height - 1 - row, width - 1 - col


@wrong("act_on_image", says="turn only if g mirrors")
def turned_if_mirrored(g, f):
    return by_transposing(g, f) if g.m == 1 else f


@wrong("left_permutation", says="loop over C4")
def loop_over_c4(g, elements):
    return [elements.index(compose(inverse(g), h)) for h in C4.elements]


@wrong("act_on_feature_map", says="invert the wrong factor")
def wrong_factor_inverted(g, f, group, subgroup=None):
    return by_transposing(g, f[..., [group.index(compose(inverse(h), g)) for h in group.elements], :, :])


@wrong("act_on_feature_map", says="has no group axis to join along")
def joined_with_cat(g, f, group, subgroup=None):
    return torch.cat([by_transposing(g, f[..., i, :, :]) for i in group.permutation(g)], dim=-3)


@wrong("act_on_points", says="too many indices.*exactly one axis in front")
def one_axis_in_front(g, points):
    x, y = points[:, 0], points[:, 1]
    return np.stack([x, y], axis=1) @ matrix(g.point_part).T + g.shift


@wrong("act_on_points", says="too many values.*takes a single point apart")
def takes_one_point_apart(g, points):
    x, y = points
    return matrix(g.point_part) @ [x, y] + g.shift


@wrong("act_on_points", says="not what h = m does: it takes .1, 0. to .-1, 0.")
def never_mirrors(g, points):
    return points @ matrix(Element(0, g.r)).T + g.shift


@wrong("act_on_points", says="No turn or mirror moves the origin, so it must arrive at the shift")
def twice_the_shift(g, points):
    return points @ matrix(g.point_part).T + 2 * g.shift


@wrong("source_pixel", says="turns go in the wrong direction: for r, your pixels are those of L_r³ f")
def indices_forward(g, row, col, height, width):
    col = width - 1 - col if g.m else col
    for _ in range(g.r):
        row, col, height, width = width - 1 - col, row, width, height
    return row, col


@wrong("source_pixel", says="you undo the turn before the mirror")
def mirror_undone_last(g, row, col, height, width):
    for _ in range(g.r):
        row, col, height, width = col, height - 1 - row, width, height
    return row, width - 1 - col if g.m else col


@wrong("source_pixel", says="right for 3 × 3 pixels.*no pixel .0, -1.")
def center_rounded_down(g, row, col, height, width):
    x, y = matrix(inverse(g)) @ (col - (width - 1) // 2, (height - 1) // 2 - row)
    height, width = (width, height) if g.r % 2 else (height, width)
    return (height - 1) // 2 - int(y), int(x) + (width - 1) // 2


@wrong("source_pixel", says="For g = m your pixels are those of L_e f.*The mirror is missing")
def without_a_mirror(g, row, col, height, width):
    return by_moving_the_indices(Element(0, g.r), row, col, height, width)


@wrong("source_pixel", says="it is not the turn that goes wrong, but the way")
def one_row_too_far(g, row, col, height, width):
    row, col = by_moving_the_indices(g, row, col, height, width)
    return row + 1, col


@wrong("source_pixel", says="Two pixels of L_g f copy the same pixel")
def always_the_first_row(g, row, col, height, width):
    return (0 if g.r else row), col


@wrong(
    "act_on_image",
    says="L_r² f was asked for, but you return L_r f. The number of quarter turns should be 2; yours is 1",
)
def one_turn_if_any(g, f):
    turned = torch.rot90(f, 1, dims=(-2, -1)) if g.r else f
    return turned.flip(-1) if g.m else turned


@wrong("act_on_image", says="Compared with L_r f, your image is mirrored top to bottom")
def flips_axis_minus_m(g, f):
    return torch.rot90(f, g.r, dims=(-2, -1)).flip(-g.m)


@wrong("act_on_image", says="changes, repeats or loses")
def adds_the_mirror(g, f):
    turned = torch.rot90(f, g.r, dims=(-2, -1))
    return turned + g.m * turned.flip(-1)


@wrong("left_permutation", says="e moves nothing.*takes sheet r from sheet r³")
def inverse_of_the_product(g, elements):
    return [elements.index(inverse(compose(g, h))) for h in elements]


@wrong(
    "left_permutation",
    says="entry 4 says that sheet m comes from sheet mr³. But r takes sheet mr³ to sheet r·mr³ = mr²",
)
def rings_alike(g, elements):
    return [(i - g.r) % 4 + 4 * (i // 4 ^ g.m) for i in range(len(elements))]


@wrong("left_permutation", says="returned 1 item, expected 4.*one entry for each of the 4 elements")
def one_sheet(g, elements):
    return [elements.index(inverse(g))]


@wrong("act_on_feature_map", says="Your axes are in another order")
def stacked_along_axis_one(g, f, group, subgroup=None):
    return torch.stack([by_transposing(g, f[..., i, :, :]) for i in group.permutation(g)], dim=1)


@wrong("act_on_feature_map", says="permute as in D4")
def always_as_in_d4(g, f, group, subgroup=None):
    return by_transposing(g, f[..., left_permutation(g, D4.elements), :, :])


@wrong("act_on_feature_map", says="a sheet for each element of D4")
def always_as_in_c4(g, f, group, subgroup=None):
    return by_transposing(g, f[..., left_permutation(g, C4.elements), :, :])


@wrong(
    "act_on_feature_map",
    says="order of the sheets is right, but not how you turn them.*old sheet r, moved by r; under e",
)
def turned_by_their_place(g, f, group, subgroup=None):
    sheets = zip(group.elements, group.permutation(g), strict=True)
    return torch.stack([by_transposing(h, f[..., i, :, :]) for h, i in sheets], dim=-3)


@wrong(
    "act_on_feature_map",
    says="turn the sheets rightly, but their order is wrong. Place e of your result holds old sheet e",
)
def sheets_backwards(g, f, group, subgroup=None):
    order = [0, *range(group.order - 1, 0, -1)] if g.r else range(group.order)
    return by_transposing(g, f[..., list(order), :, :])


@wrong("act_on_points", says="not what h = mr does: it takes .1, 0. to .0, 1.")
def mirrors_before_the_turn(g, points):
    x, y = points[..., 0], points[..., 1]
    x = -x if g.m else x
    for _ in range(g.r):
        x, y = -y, x
    return np.stack([x + g.u, y + g.v], axis=-1)


@wrong("source_pixel", says="If you do use the inverse: `x @ h` undoes it")
def point_on_the_left(g, row, col, height, width):
    x, y = (2 * col - width + 1, height - 1 - 2 * row) @ matrix(inverse(g))
    height, width = (width, height) if g.r % 2 else (height, width)
    return (height - 1 - int(y)) // 2, (int(x) + width - 1) // 2


@wrong("act_on_feature_map", says="or turn other axes than Y and X")
def turns_sheets_and_rows(g, f, group, subgroup=None):
    return torch.rot90(f, g.r, dims=(-3, -2))[..., group.permutation(g), :, :]


@wrong("act_on_feature_map", says="holds no sheet of f, turned or mirrored")
def sum_of_all_copies(g, f, group, subgroup=None):
    return sum(by_transposing(h, f) for h in group.elements)


@wrong("pattern_with_symmetry", says="yours has shape .1, 4, 4.")
def copies_not_added(subgroup):
    return torch.stack([by_transposing(s, torch.arange(16).reshape(4, 4)) for s in subgroup.elements])


@wrong("pattern_with_symmetry", says="yours is of type list")
def rows_in_a_list(subgroup):
    return [[1, 2], [3, 4]]


@wrong("act_on_image", says="returned dtype torch.float64, expected torch.int64.$")
def in_double_precision(g, f):
    return by_transposing(g, f.double())


@wrong("act_on_feature_map", says="returned dtype torch.float64, expected torch.float32.$")
def sheets_in_double_precision(g, f, group, subgroup=None):
    return sheet_by_sheet(g, f.double(), group)
