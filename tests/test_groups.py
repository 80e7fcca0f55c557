import re
from itertools import product

import numpy as np
import pytest

from course_lib.groups import (
    ALL_GROUPS,
    C1,
    C2,
    C4,
    D1,
    D2,
    D4,
    IDENTITY,
    Element,
    Group,
    broken_axiom,
    cayley_table,
    compose,
    generate,
    inverse,
    matrix,
)
from course_lib.wallpaper import (
    Isometry,
    act_on_points,
    from_homogeneous_matrix,
    homogeneous_matrix,
    semidirect_inverse,
    semidirect_product,
)

QUARTER_TURN = np.array([[0, -1], [1, 0]])  # (1, 0), to the right, goes to (0, 1), up
MIRROR = np.array([[-1, 0], [0, 1]])
ISOMETRIES = [Isometry(m, r, u, v) for m in (0, 1) for r in range(4) for u, v in [(0, 0), (2, -1), (-3, 5)]]


@pytest.mark.parametrize("g", D4.elements, ids=str)
def test_matrix_is_first_rotate_then_mirror(g):
    expected = np.linalg.matrix_power(MIRROR, g.m) @ np.linalg.matrix_power(QUARTER_TURN, g.r)
    assert (matrix(g) == expected).all()


@pytest.mark.parametrize("a, b", list(product(D4.elements, repeat=2)), ids=str)
def test_compose_is_the_product_of_matrices(a, b):
    assert (matrix(compose(a, b)) == matrix(a) @ matrix(b)).all()


@pytest.mark.parametrize("g", D4.elements, ids=str)
def test_inverse_undoes(g):
    assert compose(g, inverse(g)) == compose(inverse(g), g) == IDENTITY


@pytest.mark.parametrize("group, order", list(zip(ALL_GROUPS, (1, 2, 4, 2, 4, 8), strict=True)), ids=str)
def test_orders_and_identity_first(group, order):
    assert group.order == len(group.elements) == order
    assert group.elements[0] == IDENTITY


def test_index_in_D4_is_4m_plus_r():
    assert [D4.index(Element(m, r)) for m in (0, 1) for r in range(4)] == list(range(8))


def test_C4_and_D2_differ_though_both_have_four_elements():
    squares = {group: [compose(g, g) for g in group.elements].count(IDENTITY) for group in (C4, D2)}
    assert squares == {C4: 2, D2: 4}


@pytest.mark.parametrize("group, count", list(zip(ALL_GROUPS, (1, 2, 3, 2, 5, 10), strict=True)), ids=str)
def test_number_of_subgroups(group, count):
    assert len(group.subgroups) == count
    assert all(group.is_subgroup(s) for s in group.subgroups)
    assert group.subgroups[0] is C1 and group.subgroups[-1] is group


@pytest.mark.parametrize("group, subgroup", [(g, s) for g in ALL_GROUPS for s in g.subgroups], ids=str)
def test_left_cosets_partition_the_group(group, subgroup):
    cosets = group.left_cosets(subgroup)
    assert sorted(h for coset in cosets for h in coset) == list(group.elements)
    assert {len(coset) for coset in cosets} == {subgroup.order}
    for coset in cosets:
        assert {compose(coset[0], s) for s in subgroup.elements} == set(coset)


@pytest.mark.parametrize("group, subgroup", [(g, s) for g in ALL_GROUPS for s in g.subgroups], ids=str)
def test_permutation_is_a_left_action_on_cosets(group, subgroup):
    cosets = group.left_cosets(subgroup)
    for g in group.elements:
        permutation = group.permutation(g, subgroup)
        moved = [set(cosets[i]) for i in permutation]  # sheet i of L_g f comes from the coset g⁻¹·(coset i)
        assert moved == [{compose(inverse(g), h) for h in coset} for coset in cosets]


@pytest.mark.parametrize("group", ALL_GROUPS, ids=str)
def test_regular_representation_is_a_homomorphism(group):
    for g, k in product(group.elements, repeat=2):
        rho_g, rho_k = group.regular_representation(g), group.regular_representation(k)
        assert (rho_g @ rho_k == group.regular_representation(compose(g, k))).all()
        basis_vector = np.eye(group.order)[group.index(k)]
        assert (rho_g @ basis_vector).argmax() == group.index(compose(g, k))


def test_broken_axioms():
    def plus(n):
        return lambda a, b: (a + b) % n

    assert broken_axiom(cayley_table(range(5), plus(5))) is None
    assert broken_axiom(cayley_table([0, 1, 2], plus(5))) == "closure"
    assert broken_axiom(cayley_table(range(3), lambda a, b: (a - b) % 3)) == "associativity"
    assert broken_axiom(cayley_table([1, 2], max)) == "inverse"
    assert broken_axiom(cayley_table([0, 1], lambda a, b: 0)) == "identity"
    for one_sided in (lambda a, b: a, lambda a, b: b):  # every element is neutral from one side, none from both
        assert broken_axiom(cayley_table([0, 1], one_sided)) == "identity"


def test_generate():
    assert generate([Element(0, 1)]) == C4.elements
    assert generate([Element(1, 0), Element(1, 1)]) == D4.elements


@pytest.mark.parametrize(
    "act, message",
    [
        (lambda: Group("X", (IDENTITY, Element(0, 1))), "closure"),
        (lambda: Group("X", (Element(0, 2), IDENTITY)), "sorted"),
        (lambda: C2.index(Element(0, 1)), "not an element of C2"),
        (lambda: C4.left_cosets(D1), "D1 is not a subgroup of C4"),
        (lambda: act_on_points(ISOMETRIES[0], np.zeros((2, 3))), "(..., 2)"),
        (lambda: from_homogeneous_matrix(np.diag([2, 1, 1])), "no element of p4m"),
        (lambda: from_homogeneous_matrix(np.eye(2)), "no element of p4m"),
    ],
)
def test_errors_name_the_value(act, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        act()


@pytest.mark.parametrize("g, k", list(product(ISOMETRIES[::2], repeat=2)), ids=str)
def test_semidirect_product_is_the_product_of_matrices(g, k):
    assert (homogeneous_matrix(semidirect_product(g, k)) == homogeneous_matrix(g) @ homogeneous_matrix(k)).all()


@pytest.mark.parametrize("g", ISOMETRIES, ids=str)
def test_isometry_inverse_matrix_and_points(g):
    assert semidirect_product(g, semidirect_inverse(g)) == Isometry(0, 0, 0, 0)
    assert from_homogeneous_matrix(homogeneous_matrix(g)) == g
    points = np.array([[1, 0], [0, 2], [-3, 4]])
    by_matrix = homogeneous_matrix(g) @ np.vstack([points.T, np.ones(3, dtype=int)])
    assert (act_on_points(g, points) == by_matrix[:2].T).all()


def test_matrix_of_the_slides():
    """g(m, r, u, v) of Cohen & Welling, written out for m = r = 1."""
    assert homogeneous_matrix(Isometry(1, 1, 7, 9)).tolist() == [[0, 1, 7], [1, 0, 9], [0, 0, 1]]
