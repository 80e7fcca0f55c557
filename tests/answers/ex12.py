"""Answers to the exercises of notebook 12."""

import math
from fractions import Fraction

import numpy as np
import torch

from answers import correct, wrong
from course_lib.groups import Element, compose, inverse, matrix
from course_lib.interpolation import positions
from course_lib.steerable import WIDTH, basis, waves


@correct("on_lattice")
def by_the_matrix(a):
    return bool(np.allclose(matrix(a), np.round(matrix(a))))


@correct("on_lattice")
def by_an_order(a):
    return compose(a, Element(0, 0)) == a and int(a.r) == a.r


@wrong("on_lattice", says="mirrors out")
def rotations_only(a):
    return a in [Element(0, r) for r in range(4)]


@wrong("on_lattice", says="half turns only")
def half_turns(a):
    return a.r in (0, 2)


@wrong("on_lattice", says="eighths")
def halves(a):
    return a.r % Fraction(1, 2) == 0


@wrong("on_lattice", says="between pixels")
def always(a):
    return True


@wrong("on_lattice", says="every mirror")
def mirrors_undo_themselves(a):
    return bool(a.m) or a.r == int(a.r)


@wrong("on_lattice", says="type of r")
def no_fractions(a):
    return not isinstance(a.r, Fraction)


@correct("ring_wave")
def by_complex_numbers(points, radius, m):
    z = torch.complex(points[..., 0], points[..., 1])
    ring = torch.exp(-0.5 * ((z.abs() - radius) / WIDTH) ** 2)
    if not m:
        return ring.unsqueeze(-1)
    return ring.unsqueeze(-1) * torch.view_as_real(torch.sgn(z) ** m)


@wrong("ring_wave", says="y axis")
def from_the_y_axis(points, radius, m):
    x, y = points.unbind(-1)
    return by_complex_numbers(torch.stack([y, x], dim=-1), radius, m)


@wrong("ring_wave", says="hill at the center")
def gaussian(points, radius, m):
    return by_complex_numbers(points, 0.0, m)


@wrong("ring_wave", says="sin before cos")
def sin_first(points, radius, m):
    return by_complex_numbers(points, radius, m).flip(-1)


@wrong("ring_wave", says="center a wave")
def center_kept(points, radius, m):
    rho, phi = points.norm(dim=-1), torch.atan2(points[..., 1], points[..., 0])
    ring = torch.exp(-0.5 * ((rho - radius) / WIDTH) ** 2)
    return torch.stack([ring * (m * phi).cos(), ring * (m * phi).sin()][: 2 if m else 1], dim=-1)


@wrong("ring_wave", says="ring is missing")
def waves_alone(points, radius, m):
    z = torch.complex(points[..., 0], points[..., 1])
    return torch.view_as_real(torch.sgn(z) ** m) if m else torch.ones_like(points[..., :1])


@wrong("ring_wave", says="opposite one")
def half_the_angles(points, radius, m):
    rho, phi = points.norm(dim=-1), torch.arctan(points[..., 1] / points[..., 0])
    ring = torch.exp(-0.5 * ((rho - radius) / WIDTH) ** 2)
    return torch.stack([ring * (rho > 0) * w(m * phi) for w in (torch.cos, torch.sin)], -1) if m else ring[..., None]


@wrong("ring_wave", says="shape")
def both_always(points, radius, m):
    ring = by_complex_numbers(points, radius, 0)
    return torch.cat([ring, 0 * ring], dim=-1) if m == 0 else by_complex_numbers(points, radius, m)


@correct("waves")
def by_numpy(size):
    last = (size - 1) // 2
    radii = np.linspace(0, size / 2 - 1.25, last + 1) if last else [0.0]
    return [(float(radii[j]), m) for j in range(last + 1) for m in range(j + 1)]


@wrong("waves", says="highest frequency")
def one_too_few(size):
    return [(radius, m) for radius, m in by_numpy(size) if (radius, m + 1) in by_numpy(size)]


@wrong("waves", says="all frequencies")
def all_on_all(size):
    radii = sorted({radius for radius, _ in by_numpy(size)})
    return [(radius, m) for radius in radii for m in range(len(radii))]


@wrong("waves", says="frequency 0")
def only_waves(size):
    return [(radius, m) for radius, m in by_numpy(size) if m]


@wrong("waves", says="outermost ring is too small")
def one_ring_too_many(size):
    rings = (size + 1) // 2
    return [(0.0, 0)] if size == 1 else [((size / 2 - 1.25) * j / rings, m) for j in range(rings) for m in range(j + 1)]


@wrong("waves", says="one pixel apart")
def whole_radii(size):
    return [(1.0 * j, m) for j in range((size + 1) // 2) for m in range(j + 1)]


@correct("steer")
def by_complex_weights(weights, angle, size):
    turned, start = [], 0
    for _, m in waves(size):
        if m == 0:
            turned.append(weights[..., start : start + 1])
            start += 1
            continue
        pair = torch.complex(weights[..., start], weights[..., start + 1])
        pair = pair * torch.polar(torch.ones(1, dtype=torch.float64), torch.tensor([m * angle], dtype=torch.float64))[0]
        turned.append(torch.view_as_real(pair))
        start += 2
    return torch.cat(turned, dim=-1)


@wrong("steer", says="clockwise")
def other_way(weights, angle, size):
    return by_complex_weights(weights, -angle, size)


@wrong("steer", says="every pair by α")
def same_angle(weights, angle, size):
    out, start = weights.clone(), 0
    for _, m in waves(size):
        if m:
            a, b = weights[..., start].clone(), weights[..., start + 1].clone()
            out[..., start] = a * math.cos(angle) - b * math.sin(angle)
            out[..., start + 1] = a * math.sin(angle) + b * math.cos(angle)
        start += 2 if m else 1
    return out


@wrong("steer", says="new a to compute the new b")
def in_place(weights, angle, size):
    out, start = weights.clone(), 0
    for _, m in waves(size):
        if m:
            cos, sin = math.cos(m * angle), math.sin(m * angle)
            out[..., start] = cos * out[..., start] - sin * out[..., start + 1]
            out[..., start + 1] = sin * out[..., start] + cos * out[..., start + 1]
        start += 2 if m else 1
    return out


@wrong("steer", says="in radians already")
def converted(weights, angle, size):
    return by_complex_weights(weights, math.radians(angle), size)


@wrong("steer", says="as they were")
def unchanged(weights, angle, size):
    return weights.clone()


@correct("turned_basis")
def at_turned_points(group, size):
    pixels = positions(size, size).reshape(-1, 2)
    return torch.stack([basis(pixels @ torch.tensor(matrix(h)).double(), size) for h in group.elements])


@correct("turned_basis")
def by_the_inverse(group, size):
    pixels = positions(size, size).reshape(-1, 2)
    return torch.stack([basis((torch.tensor(matrix(inverse(h))).double() @ pixels.T).T, size) for h in group.elements])


@wrong("turned_basis", says="wrong way")
def forwards(group, size):
    pixels = positions(size, size).reshape(-1, 2)
    return torch.stack([basis((torch.tensor(matrix(h)).double() @ pixels.T).T, size) for h in group.elements])


@wrong("turned_basis", says="mirrors are missing")
def no_mirrors(group, size):
    pixels = positions(size, size).reshape(-1, 2)
    turns = [torch.tensor(matrix(Element(0, h.r))).double() for h in group.elements]
    return torch.stack([basis(pixels @ turn, size) for turn in turns])


@wrong("turned_basis", says="whole quarter turns only")
def cut_off(group, size):
    pixels = positions(size, size).reshape(-1, 2)
    turns = [torch.tensor(matrix(Element(h.m, int(h.r // 1)))).double() for h in group.elements]
    return torch.stack([basis(pixels @ turn, size) for turn in turns])


@wrong("turned_basis", says="do not turn")
def never_turned(group, size):
    sampled = basis(positions(size, size).reshape(-1, 2), size)
    return sampled.expand(group.order, -1, -1).clone()


@wrong("on_lattice", says="e rotates by 0°: every pixel lands on a pixel")
def without_the_identity(a):
    return a.r in (1, 2, 3)


@wrong("on_lattice", says="expected a bool. e rotates")
def what_is_left(a):
    return a.r % 1


@wrong("ring_wave", says="first function is cos φ, expected cos 2φ")
def frequency_forgotten(points, radius, m):
    return by_complex_numbers(points, radius, min(m, 1))


@wrong("ring_wave", says="c = 1.1, but c is 2σ² = 0.605")
def width_not_squared(points, radius, m):
    rho = points.norm(dim=-1)
    return waves_alone(points, radius, m) * torch.exp(-((rho - radius) ** 2) / (2 * WIDTH))[..., None]


@wrong("waves", says="another order")
def by_frequency(size):
    return sorted(by_numpy(size), key=lambda wave: wave[1])


@wrong("waves", says="the radius first")
def frequency_first(size):
    return [(m, radius) for radius, m in by_numpy(size)]


@wrong("waves", says="stopped in line.*a single ring")
def divided_by_zero(size):
    last = (size - 1) // 2
    return [((size / 2 - 1.25) * j / last, m) for j in range(last + 1) for m in range(j + 1)]


@wrong("waves", says="On the ring of radius 0.25 your frequencies are")
def even_only(size):
    return [(radius, 2 * m) for radius, m in by_numpy(size)]


def _mixed(mix, weights, angle, size, step=2):
    turned, start, weights = [], 0, torch.nn.functional.pad(weights, (0, 1))
    for _, m in waves(size):
        pair = weights[..., start], weights[..., start + 1]
        turned += mix(*pair, math.cos(m * angle), math.sin(m * angle)) if m else pair[:1]
        start += step if m else 1
    return turned


@wrong("steer", says="Weights 2 and 3 are the pair of a wave with m = 1. A turn keeps a² . b²; yours makes")
def signs_alike(weights, angle, size):
    mixed = _mixed(lambda a, b, c, s: (a * c + b * s, a * s + b * c), weights, angle, size)
    return torch.stack(mixed, dim=-1)


@wrong("steer", says="move on by two")
def one_weight_each(weights, angle, size):
    return torch.stack(_mixed(lambda a, b, c, s: (a * c - b * s, a * s + b * c), weights, angle, size, step=1), dim=-1)


@wrong("steer", says="every weight is replaced by one weight")
def stacked_first(weights, angle, size):
    return torch.stack(_mixed(lambda a, b, c, s: (a * c - b * s, a * s + b * c), weights, angle, size))


@wrong("steer", says="You turned it by 45.0°; mα is 90.0°")
def by_half_the_angle(weights, angle, size):
    return by_complex_weights(weights, angle / 2, size)


@wrong("turned_basis", says="flatten\\(0, 1\\)")
def in_rows_and_columns(group, size):
    return at_turned_points(group, size).unflatten(1, (size, size))


@wrong("turned_basis", says="elements are on the last axis")
def elements_last(group, size):
    return at_turned_points(group, size).permute(1, 2, 0)


@wrong("turned_basis", says="stopped in line.*points are float64")
def matrix_of_integers(group, size):
    pixels = positions(size, size).reshape(-1, 2)
    return torch.stack([basis(pixels @ torch.tensor(matrix(h)), size) for h in group.elements])


@wrong("turned_basis", says="At the place of h = r you have the functions turned by r³")
def rotations_the_other_way(group, size):
    sampled = dict(zip(group.elements, at_turned_points(group, size), strict=True))
    return torch.stack([sampled[Element(h.m, -h.r % 4)] for h in group.elements])


@wrong("steer", says="stopped in line.*axes before the last one")
def one_axis_only(weights, angle, size):
    count = sum(2 if m else 1 for _, m in waves(size))
    return by_complex_weights(torch.stack([weights[start] for start in range(count)]), angle, size)


@wrong("ring_wave", says="c = -0.605, but c is 2σ²")
def sign_forgotten(points, radius, m):
    rho = points.norm(dim=-1)
    return waves_alone(points, radius, m) * torch.exp(0.5 * ((rho - radius) / WIDTH) ** 2)[..., None]


@wrong("ring_wave", says="first function is 2·cos φ, expected cos 2φ")
def frequency_outside(points, radius, m):
    return by_complex_numbers(points, radius, min(m, 1)) * max(m, 1)


@wrong("ring_wave", says="second function is −sin φ, expected sin φ")
def y_downwards(points, radius, m):
    return by_complex_numbers(points * torch.tensor([1.0, -1.0]), radius, m)


@wrong("ring_wave", says="new last axis")
def functions_first(points, radius, m):
    return by_complex_numbers(points, radius, m).movedim(-1, 0)


@wrong("turned_basis", says="column by column")
def pixels_by_column(group, size):
    pixels = positions(size, size).transpose(0, 1).reshape(-1, 2)
    return torch.stack([basis(pixels @ torch.tensor(matrix(h)).double(), size) for h in group.elements])


@wrong("turned_basis", says="stopped in line.*matrix goes to their right")
def matrix_on_the_left(group, size):
    pixels = positions(size, size).reshape(-1, 2)
    return torch.stack([basis(torch.tensor(matrix(h)).double() @ pixels, size) for h in group.elements])


@correct("opposite_filter")
def two_saddles():
    weights = np.zeros(16)
    weights[[7, 8, 12]] = 0.5, -2, 1
    return torch.from_numpy(weights)


@wrong("opposite_filter", says="sees nothing")
def nothing_at_all():
    return torch.zeros(16)


@wrong("opposite_filter", says="m = 1 becomes its negative after a .half. turn")
def an_edge():
    return torch.eye(16)[2]


@wrong("opposite_filter", says="Weight 0 .*m = 0 looks the same")
def noise_everywhere():
    return torch.ones(16)


@wrong("opposite_filter", says="m = 3 a quarter turn turns the pair of weights by 270")
def the_largest_frequency():
    return torch.eye(16)[15]


@wrong("opposite_filter", says="Expected a tensor of 16 weights, got shape .10")
def one_weight_for_each_wave():
    return torch.tensor([float(m == 2) for _, m in waves(7)])
