"""Answers to the exercises of notebook 01."""

import numpy as np

from answers import correct, wrong
from course_lib.groups import D4, IDENTITY, Element, matrix
from course_lib.groups import compose as product_of
from course_lib.groups import inverse as inverse_of
from course_lib.wallpaper import Isometry, from_homogeneous_matrix, homogeneous_matrix

BY_MATRIX = {str(matrix(g)): g for g in D4.elements}


@correct("compose")
def by_matrices(a, b):
    return BY_MATRIX[str(matrix(a) @ matrix(b))]


@wrong("compose", says="as if no mirror stood between")
def no_sign(a, b):
    return Element((a.m + b.m) % 2, (a.r + b.r) % 4)


@wrong("compose", says="in the other order")
def first_a_then_b(a, b):
    return product_of(b, a)


@wrong("compose", says="that is b's, not a's own")
def sign_of_a(a, b):
    return Element((a.m + b.m) % 2, (-a.r + b.r if a.m else a.r + b.r) % 4)


@wrong("compose", says="turn the wrong rotation round")
def turns_b(a, b):
    return Element(a.m ^ b.m, (a.r - b.r if b.m else a.r + b.r) % 4)


@wrong("compose", says="take r modulo 4")
def r_grows(a, b):
    return Element(a.m ^ b.m, b.r - a.r if b.m else a.r + b.r)


@wrong("compose", says="take m modulo 2 and r modulo 4")
def both_grow(a, b):
    return Element(a.m + b.m, b.r - a.r if b.m else a.r + b.r)


@wrong("compose", says="take m modulo 2")
def m_grows(a, b):
    return Element(a.m + b.m, (b.r - a.r if b.m else a.r + b.r) % 4)


@wrong("compose", says="returned a tuple, expected an Element")
def plain_tuple(a, b):
    return (a.m + b.m) % 2, ((-1) ** b.m * a.r + b.r) % 4


@correct("inverse")
def search(a):
    return next(b for b in D4.elements if product_of(a, b) == IDENTITY)


@wrong("inverse", says="a mirror undoes itself")
def mirrors_turned_back(a):
    return Element(a.m, -a.r % 4)


@wrong("inverse", says="return the move itself")
def itself(a):
    return a


@wrong("inverse", says="drop the mirror")
def without_mirror(a):
    return Element(0, (4 - a.r) % 4)


@wrong("inverse", says="modulo 4")
def negative_r(a):
    return a if a.m else Element(0, -a.r)


@wrong("inverse", says="for the identity your r is 4")
def four_minus_r(a):
    return a if a.m else Element(0, 4 - a.r)


@correct("cayley_table")
def filled_by_loops(elements, product):
    table = np.full((len(elements), len(elements)), -1)
    for i, a in enumerate(elements):
        for j, b in enumerate(elements):
            if product(a, b) in elements:
                table[i, j] = list(elements).index(product(a, b))
    return table


@wrong("cayley_table", says="transposed")
def columns_first(elements, product):
    return filled_by_loops(elements, product).T


@wrong("cayley_table", says="the products themselves")
def products(elements, product):
    return np.array([[product(a, b) for b in elements] for a in elements])


@wrong("cayley_table", says="not in tuple")
def outside_fails(elements, product):
    return np.array([[elements.index(product(a, b)) for b in elements] for a in elements])


@wrong("cayley_table", says="as if it were the first element")
def outside_is_zero(elements, product):
    place = {element: i for i, element in enumerate(elements)}
    return np.array([[place.get(product(a, b), 0) for b in elements] for a in elements])


@wrong("cayley_table", says="as a NumPy array")
def list_of_lists(elements, product):
    return filled_by_loops(elements, product).tolist()


@correct("generate")
def by_steps(generators):
    generators = list(generators)
    found, edge = [IDENTITY], [IDENTITY]
    while edge:
        g = edge.pop()
        for step in generators:
            new = product_of(step, g)
            if new not in found:
                found.append(new)
                edge.append(new)
    return tuple(sorted(found))


@wrong("generate", says="repeat until a round adds nothing")
def one_round(generators):
    found = {IDENTITY, *generators}
    return tuple(sorted(found | {product_of(a, b) for a in found for b in found}))


@wrong("generate", says="products of different generators")
def powers_only(generators):
    found = {IDENTITY}
    for g in generators:
        power = g
        while power != IDENTITY:
            found.add(power)
            power = product_of(g, power)
    return tuple(sorted(found))


@wrong("generate", says="the identity still remains")
def nothing_from_nothing(generators):
    generators = list(generators)
    return by_steps(generators) if generators else ()


@wrong("generate", says="return them as a sorted tuple")
def as_a_set(generators):
    return set(by_steps(generators))


@correct("left_cosets")
def take_away(elements, subgroup):
    rest, cosets = sorted(elements), []
    while rest:
        coset = sorted(product_of(rest[0], s) for s in subgroup)
        cosets.append(tuple(coset))
        rest = [h for h in rest if h not in coset]
    return tuple(cosets)


@wrong("left_cosets", says="right cosets Sh")
def right_cosets(elements, subgroup):
    return tuple(sorted({tuple(sorted(product_of(s, h) for s in subgroup)) for h in elements}))


@wrong("left_cosets", says="Keep each once")
def one_per_element(elements, subgroup):
    return tuple(tuple(sorted(product_of(h, s) for s in subgroup)) for h in elements)


@wrong("left_cosets", says="but the order is not")
def unsorted(elements, subgroup):
    cosets = []
    for h in elements:
        if not any(h in coset for coset in cosets):
            cosets.append(tuple(product_of(h, s) for s in subgroup))
    return tuple(cosets)


@wrong("left_cosets", says="a sorted tuple of sorted tuples")
def sets(elements, subgroup):
    return {frozenset(product_of(h, s) for s in subgroup) for h in elements}


@correct("semidirect_product")
def by_3x3_matrices(g, k):
    return from_homogeneous_matrix(homogeneous_matrix(g) @ homogeneous_matrix(k))


@wrong("semidirect_product", says="as in a direct product")
def direct(g, k):
    return Isometry(*product_of(g.point_part, k.point_part), g.u + k.u, g.v + k.v)


@wrong("semidirect_product", says="in the other order")
def first_g_then_k(g, k):
    return by_3x3_matrices(k, g)


@wrong("semidirect_product", says="by k's own h′")
def turned_by_k(g, k):
    u, v = g.shift + matrix(k.point_part) @ k.shift
    return Isometry(*product_of(g.point_part, k.point_part), u, v)


@wrong("semidirect_product", says="nothing turns its shift")
def turns_gs_shift(g, k):
    u, v = matrix(k.point_part) @ g.shift + k.shift
    return Isometry(*product_of(g.point_part, k.point_part), u, v)


@wrong("semidirect_product", says="turn both shifts")
def turns_both(g, k):
    u, v = matrix(g.point_part) @ (g.shift + k.shift)
    return Isometry(*product_of(g.point_part, k.point_part), u, v)


@correct("semidirect_inverse")
def by_solving(g):
    matrix_inverse = np.linalg.inv(homogeneous_matrix(g)).round().astype(int)
    return from_homogeneous_matrix(matrix_inverse)


@wrong("semidirect_inverse", says="back unturned")
def minus_t(g):
    return Isometry(*inverse_of(g.point_part), -g.u, -g.v)


@wrong("semidirect_inverse", says="by h once more")
def turned_again(g):
    u, v = -matrix(g.point_part) @ g.shift
    return Isometry(*inverse_of(g.point_part), u, v)


@wrong("semidirect_inverse", says="the sign of the shift is missing")
def no_minus(g):
    u, v = matrix(inverse_of(g.point_part)) @ g.shift
    return Isometry(*inverse_of(g.point_part), u, v)


@wrong("semidirect_inverse", says="the point part must be undone too")
def same_point_part(g):
    u, v = -matrix(inverse_of(g.point_part)) @ g.shift
    return Isometry(*g.point_part, u, v)


@wrong("compose", says="sign of the whole sum. Only one")
def sign_of_the_sum(a, b):
    r = a.r + b.r
    return Element(a.m ^ b.m, (-r if b.m else r) % 4)


@wrong("compose", says="whole sum, and you ask a's mirror")
def sign_of_the_sum_by_a(a, b):
    r = a.r + b.r
    return Element(a.m ^ b.m, (-r if a.m else r) % 4)


@wrong("generate", says="not their order: sort them")
def in_the_order_of_discovery(generators):
    found = [IDENTITY]
    for g in found:
        found += [product for s in generators if (product := product_of(s, g)) not in found]
    return tuple(reversed(found))


@wrong("semidirect_product", says="by the transpose of h")
def row_vector(g, k):
    u, v = g.shift + k.shift @ matrix(g.point_part)
    return Isometry(*product_of(g.point_part, k.point_part), u, v)
