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


@wrong("compose", says="as if there were no mirror between")
def no_sign(a, b):
    return Element((a.m + b.m) % 2, (a.r + b.r) % 4)


@wrong("compose", says="in the opposite order")
def first_a_then_b(a, b):
    return product_of(b, a)


@wrong("compose", says="That is b's mirror, not a's own")
def sign_of_a(a, b):
    return Element((a.m + b.m) % 2, (-a.r + b.r if a.m else a.r + b.r) % 4)


@wrong("compose", says="reverse the wrong rotation")
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


@wrong("generate", says="still contains the identity")
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


@wrong("left_cosets", says="Keep each one once")
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


@wrong("semidirect_product", says="in the opposite order")
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


@wrong("compose", says="whole sum, and it depends on a's mirror")
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


@wrong("compose", says="reverse a's rotation every time")
def always_reversed(a, b):
    return Element(a.m ^ b.m, (b.r - a.r) % 4)


@wrong("compose", says="exactly one of a and b mirrors")
def sign_of_both(a, b):
    return Element(a.m ^ b.m, (b.r - a.r if a.m != b.m else b.r + a.r) % 4)


@wrong("compose", says="if both a and b mirror, the new m is 0")
def either_mirror(a, b):
    return Element(max(a.m, b.m), (b.r - a.r if b.m else b.r + a.r) % 4)


@wrong("compose", says="b's mirror is missing")
def mirror_of_a(a, b):
    return Element(a.m, (b.r - a.r if b.m else b.r + a.r) % 4)


@wrong("generate", says="but not their products")
def generators_only(generators):
    return tuple(sorted({IDENTITY, *generators}))


@wrong("generate", says="identity is missing")
def without_identity(generators):
    return tuple(h for h in by_steps(generators) if h != IDENTITY) or (IDENTITY,)


@wrong("left_cosets", says="S itself")
def without_the_subgroup(elements, subgroup):
    return tuple(coset for coset in take_away(elements, subgroup) if IDENTITY not in coset)


@wrong("left_cosets", says="You return S only")
def the_subgroup_only(elements, subgroup):
    return (tuple(subgroup),)


@wrong("semidirect_product", says="do not simply add up")
def adds_point_parts(g, k):
    return Isometry((g.m + k.m) % 2, (g.r + k.r) % 4, *by_3x3_matrices(g, k)[2:])


@wrong("semidirect_product", says="you lose g's own")
def without_gs_shift(g, k):
    u, v = matrix(g.point_part) @ k.shift
    return Isometry(*product_of(g.point_part, k.point_part), u, v)


@wrong("semidirect_inverse", says="undo the shift, but not the turn")
def shift_only(g):
    return Isometry(g.m, g.r, -g.u, -g.v)


@wrong("semidirect_inverse", says="taken away .a minus sign. and turned back")
def turned_on_and_not_taken_away(g):
    u, v = matrix(g.point_part) @ g.shift
    return Isometry(*inverse_of(g.point_part), u, v)


@wrong("semidirect_inverse", says="add the same shift again")
def same_shift(g):
    return Isometry(*inverse_of(g.point_part), g.u, g.v)


ABOUT = {h: Isometry(*h, *(np.array([3, 1]) - matrix(h) @ (3, 1))) for h in D4.elements}


@correct("group_with_shifts")
def all_eight_about_a_lattice_point():
    return tuple(ABOUT.values())


@correct("group_with_shifts")
def half_turn_and_mirrors_about_an_edge():
    return tuple(Isometry(m, r, u, 0) for m, r, u in ((0, 0, 0), (0, 2, 1), (1, 0, 1), (1, 2, 0)))


@wrong("group_with_shifts", says="not closed: the product gk is missing")
def not_closed():
    return tuple(ABOUT[Element(0, r)] for r in range(3))


@wrong("group_with_shifts", says="turns about .different. points")
def two_centers():
    return (Isometry(0, 0, 0, 0), Isometry(0, 2, 0, 0), Isometry(0, 2, 1, 0), Isometry(0, 2, 2, 0))


@wrong("group_with_shifts", says="is a pure shift")
def shifts():
    return tuple(Isometry(0, 0, u, 0) for u in range(4))


@wrong("group_with_shifts", says="no move in it has a shift")
def no_shift():
    return tuple(Isometry(*h, 0, 0) for h in D4.elements)


@wrong("group_with_shifts", says="at least four moves; it has 2")
def two_moves():
    return (Isometry(0, 0, 0, 0), Isometry(1, 0, 1, 0))


@wrong("group_with_shifts", says="more than once")
def a_move_twice():
    return (*ABOUT.values(), Isometry(0, 0, 0, 0))


@wrong("group_with_shifts", says="must be 0, 1, 2 or 3")
def r_of_four():
    return (Isometry(0, 4, 1, 0),)


@wrong("group_with_shifts", says="a tuple of moves")
def elements_without_shifts():
    return D4.elements


@wrong("compose", says="mirrors are counted, not multiplied")
def multiplies_mirrors(a, b):
    return Element(a.m and b.m, (b.r - a.r if b.m else b.r + a.r) % 4)


@wrong("compose", says="You take r modulo 2")
def r_modulo_2(a, b):
    return Element(a.m ^ b.m, (a.r + b.r) % 2)


@wrong("generate", says="while you loop over it")
def grows_while_looping(generators):
    found = {IDENTITY, *generators}
    for a in found:
        found.add(product_of(a, a))
    return tuple(sorted(found))


@wrong("left_cosets", says="Sort each coset before you put it into a set")
def a_set_of_unsorted_cosets(elements, subgroup):
    return tuple({tuple(product_of(h, s) for s in subgroup) for h in elements})


@wrong("left_cosets", says="It is the other way round")
def loops_swapped(elements, subgroup):
    return tuple(sorted({tuple(sorted(product_of(h, s) for s in elements)) for h in subgroup}))


@wrong("semidirect_product", says="You turn g's own shift")
def turns_gs_shift_by_g(g, k):
    u, v = matrix(g.point_part) @ g.shift + k.shift
    return Isometry(*product_of(g.point_part, k.point_part), u, v)


@wrong("semidirect_inverse", says="a mirror undoes itself")
def mirror_turned_back(g):
    return Isometry(g.m, -g.r % 4, *by_solving(g)[2:])


@wrong("compose", says="they are swapped. The order is .Element.m, r")
def turns_before_mirrors(a, b):
    m, r = product_of(a, b)
    return Element(r, m)


@wrong("semidirect_product", says="give the shift first. The order is")
def product_with_the_shift_first(g, k):
    m, r, u, v = by_3x3_matrices(g, k)
    return Isometry(u, v, m, r)


@wrong("semidirect_inverse", says="give the shift first. The order is")
def inverse_with_the_shift_first(g):
    m, r, u, v = by_solving(g)
    return Isometry(u, v, m, r)


@wrong("semidirect_inverse", says="return g itself")
def g_itself(g):
    return g


@wrong("compose", says="subtract b's rotation")
def difference_of_rotations(a, b):
    return Element(a.m ^ b.m, (a.r - b.r) % 4)


@wrong("compose", says="b's rotation is missing")
def without_bs_rotation(a, b):
    return Element(a.m ^ b.m, (-a.r if b.m else a.r) % 4)


@wrong("left_cosets", says="the sets hSh⁻¹")
def conjugates(elements, subgroup):
    conjugate = {h: [product_of(product_of(h, s), inverse_of(h)) for s in subgroup] for h in elements}
    return tuple(sorted({tuple(sorted(members)) for members in conjugate.values()}))


@wrong("semidirect_product", says="by the whole product hh′")
def turned_by_the_product(g, k):
    point_part = product_of(g.point_part, k.point_part)
    return Isometry(*point_part, *(g.shift + matrix(point_part) @ k.shift))


@wrong("semidirect_product", says="subtract the turned shift")
def minus_the_turned_shift(g, k):
    return Isometry(*product_of(g.point_part, k.point_part), *(g.shift - matrix(g.point_part) @ k.shift))


@wrong("semidirect_inverse", says="the shift is missing")
def point_part_only(g):
    return Isometry(*inverse_of(g.point_part), 0, 0)


@wrong("compose", says="a's mirror is missing")
def mirror_of_b(a, b):
    return Element(b.m, (b.r - a.r if b.m else b.r + a.r) % 4)


@wrong("semidirect_product", says="k's own turn or mirror is missing")
def point_part_of_g(g, k):
    return Isometry(*g.point_part, *(g.shift + matrix(g.point_part) @ k.shift))


@wrong("compose", says="only when both a and b mirror")
def sign_if_both_mirror(a, b):
    return Element(a.m ^ b.m, (b.r - a.r if a.m and b.m else b.r + a.r) % 4)


@wrong("generate", says="add the inverses, but not the products")
def inverses_only(generators):
    return tuple(sorted({IDENTITY, *generators, *(inverse_of(g) for g in generators)}))


@wrong("left_cosets", says="but the order is not")
def a_tuple_of_a_set(elements, subgroup):
    return tuple({tuple(sorted(product_of(h, s) for s in subgroup)) for h in elements})


@wrong("left_cosets", says="a sorted tuple of sorted tuples")
def a_set_of_tuples(elements, subgroup):
    return set(take_away(elements, subgroup))


@wrong("left_cosets", says="unhashable type: 'list'.*Make each coset a sorted tuple")
def a_set_of_lists(elements, subgroup):
    return {sorted(product_of(h, s) for s in subgroup) for h in elements}


@wrong("left_cosets", says="unhashable type: 'set'.*Make each coset a sorted tuple")
def a_set_of_sets(elements, subgroup):
    return {{product_of(h, s) for s in subgroup} for h in elements}


@wrong("semidirect_product", says="by the pair .m, r. itself")
def times_the_pair(g, k):
    return Isometry(*product_of(g.point_part, k.point_part), *(g.shift + np.dot(g.point_part, k.shift)))


@wrong("semidirect_product", says="missing 1 required.*Unpack it")
def shift_in_one_piece(g, k):
    return Isometry(*product_of(g.point_part, k.point_part), g.shift + matrix(g.point_part) @ k.shift)


@wrong("semidirect_inverse", says="change the sign of every number")
def every_sign(g):
    return Isometry(-g.m, -g.r, -g.u, -g.v)


@wrong("semidirect_inverse", says="change the sign of every number")
def every_sign_modulo(g):
    return Isometry(-g.m % 2, -g.r % 4, -g.u, -g.v)


@wrong("group_with_shifts", says="Your set is empty")
def empty():
    return ()


@wrong("group_with_shifts", says="u and v must be integers")
def half_shifts():
    return (Isometry(0, 0, 0, 0), Isometry(0, 1, 0.5, 0.5), Isometry(0, 2, 0, 1), Isometry(0, 3, -0.5, 0.5))


@wrong("compose", says="put brackets around the part")
def condition_without_brackets(a, b):
    return Element(a.m ^ b.m, (-a.r if b.m else a.r + b.r) % 4)


@wrong("compose", says="b does not mirror, so the rotations add up")
def rotation_of_a_twice(a, b):
    return Element(a.m ^ b.m, (2 * a.r + b.r) % 4)


@wrong("generate", says="r and r are in it, but their product r² is not")
def two_rounds(generators):
    found = {IDENTITY, *generators}
    for _ in range(2):
        found |= {product_of(a, b) for a in generators for b in found}
    return tuple(sorted(found - {Element(0, 2)}))


@wrong("generate", says="r and r² are in it, but their product r³ is not")
def squares_only(generators):
    found, todo = {IDENTITY}, list(generators)
    while todo:
        g = todo.pop()
        if g not in found:
            found.add(g)
            todo.append(product_of(g, g))
    return tuple(sorted(found))


@wrong("generate", says="list a member more than once")
def identity_twice(generators):
    return tuple(sorted([IDENTITY, *by_steps(generators)]))


@wrong("left_cosets", says="but r is in none of your cosets")
def removed_while_looping(elements, subgroup):
    elements, cosets = list(elements), []
    for h in elements:
        cosets.append(tuple(sorted(product_of(h, s) for s in subgroup)))
        for member in cosets[-1]:
            elements.remove(member)
    return tuple(sorted(cosets))


@wrong("left_cosets", says="as many members as S, here 2; one of yours has 1")
def pairs_with_h(elements, subgroup):
    return tuple(sorted({tuple(sorted({h, product_of(h, s)})) for h in elements for s in subgroup}))


@wrong("left_cosets", says="e is in more than one of them")
def sorted_list_of_sets(elements, subgroup):
    return tuple(sorted({product_of(h, s) for s in subgroup} for h in elements))


@wrong("semidirect_product", says="shift is not. Follow the origin: moved by k and then by g")
def shift_of_k_twice(g, k):
    return Isometry(*product_of(g.point_part, k.point_part), *(matrix(g.point_part) @ k.shift + k.shift))


@wrong("semidirect_product", says="Unpack both parts")
def nothing_unpacked(g, k):
    return Isometry(product_of(g.point_part, k.point_part), g.shift + matrix(g.point_part) @ k.shift)


@wrong("semidirect_inverse", says="Unpack the point part")
def point_part_in_one_piece(g):
    return Isometry(inverse_of(g.point_part), *-matrix(inverse_of(g.point_part)) @ g.shift)


@wrong("semidirect_inverse", says="your r is 4: take it modulo 4")
def four_minus_r(g):
    return Isometry(g.m, g.r if g.m else 4 - g.r, *by_solving(g)[2:])


@wrong("semidirect_inverse", says="takes an element, not a matrix")
def inverse_of_a_matrix(g):
    return Isometry(*inverse_of(g.point_part), *-inverse_of(matrix(g.point_part)) @ g.shift)


@wrong("semidirect_inverse", says="they must be integers")
def in_floats(g):
    return Isometry(*inverse_of(g.point_part), *(np.linalg.inv(matrix(g.point_part)) @ -g.shift))


@wrong("semidirect_inverse", says="moved by the inverse, it must arrive at")
def shift_taken_away_twice(g):
    return Isometry(*inverse_of(g.point_part), *(2 * by_solving(g).shift))


@wrong("group_with_shifts", says="not the sum of the shifts")
def shifts_that_add_up():
    return tuple(Isometry(0, r, r, 0) for r in range(4))


@wrong("group_with_shifts", says="identity is missing")
def no_identity():
    return tuple(ABOUT[Element(0, r)] for r in (1, 2, 3))


@wrong("group_with_shifts", says="a mirror with a shift along its axis")
def glide():
    return tuple(Isometry(*h) for h in ((0, 0, 0, 0), (1, 0, 0, 1), (0, 2, 1, 0), (1, 2, 1, 1)))


@wrong("generate", says="identity is missing")
def products_only(generators):
    return tuple(sorted({product_of(a, b) for a in generators for b in generators}))


@wrong("generate", says="r is in your set, but the generators do not reach it")
def always_everything(generators):
    return D4.elements


@wrong("left_cosets", says="You return elements")
def outside_the_subgroup(elements, subgroup):
    return tuple(h for h in elements if h not in subgroup)


@wrong("compose", says="The mirrors are right. But b does not mirror.*r is 1 . 3 modulo 4, which is 0")
def modulo_in_one_branch(a, b):
    return Element(a.m ^ b.m, (b.r - a.r) % 4) if b.m else Element(a.m ^ b.m, a.r + b.r)


@wrong("compose", says="The rotations are right, the mirrors are not: a has 0 and b has 0")
def mirror_too_many(a, b):
    return Element((a.m + b.m + 1) % 2, (b.r - a.r if b.m else b.r + a.r) % 4)


@wrong("left_cosets", says="not the cosets hS. eS holds r²")
def consecutive_elements(elements, subgroup):
    count = len(subgroup)
    return tuple(elements[i : i + count] for i in range(0, len(elements), count))


@wrong("semidirect_product", says="point part is not: r after e makes r, not e")
def point_part_of_k(g, k):
    return Isometry(*k.point_part, *(g.shift + matrix(g.point_part) @ k.shift))


@wrong("semidirect_product", says="multiplies entry by entry")
def entry_by_entry(g, k):
    return Isometry(*product_of(g.point_part, k.point_part), *(g.shift + matrix(g.point_part) * k.shift))


@wrong("semidirect_inverse", says="what undoes r is r³, not e")
def only_the_shift(g):
    return Isometry(0, 0, -g.u, -g.v)


@wrong("semidirect_inverse", says="missing 2 required.*Use it for the point part")
def inverse_of_an_isometry(g):
    return Isometry(*inverse_of(g))
