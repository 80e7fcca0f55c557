# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 01 From a square's symmetries to p4m
#
# **You will be able to**
# - name the eight symmetries of a square, and compute what two of them do in a row;
# - decide whether a set of transformations is a *group*, and if not, why;
# - find subgroups and cosets by code;
# - compute with rotations, mirrors and shifts together: the groups *p4* and *p4m*.
#
# **You need before:** Python, 2×2 matrices, and notebook 00 (how exercises work). No group theory.
#
# **Time:** about 80 minutes, with seven exercises. **Hardware:** any laptop; nothing is trained here.
#
# A network that treats all orientations alike must know which orientations there are, and what happens when one move
# follows another. That is group theory. A square of paper is enough to learn it.

# %%
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations, permutations
from typing import Any

import numpy as np
import torch

from course_lib import groups, wallpaper
from course_lib.exercises import exercise, progress
from course_lib.figures import (
    cayley_graph,
    cayley_table_figure,
    cosets_figure,
    lattice_points,
    panels,
    symmetries_of_the_square,
)
from course_lib.figures.actions import photographs
from course_lib.figures.moves import moves_in_a_row, points_side_by_side
from course_lib.groups import Element, IntArray

# %% [markdown]
# ## 1. A square in its frame
#
# A square of thin paper lies in a frame. A letter F is painted on it and shows through on the back. Take the square
# out, and put it back so that it fills the frame again. **In how many ways can it lie?**
#
# <details><summary>Predict first…</summary>
#
# Corner 1 can go to any of the four corners of the frame. Its neighbor, corner 2, then has two places left, to the left
# or to the right of it. After that nothing is free: 4 · 2 = 8 ways.
# </details>

# %%
edges = [{0, 1}, {1, 2}, {2, 3}, {3, 0}]  # neighboring corners of the frame, here 0 to 3
ways = list(permutations(range(4)))
untorn = [way for way in ways if all({way[a], way[b]} in edges for a, b in edges)]
print(f"of {len(ways)} ways to place four corners, {len(untorn)} keep neighbors together")
symmetries_of_the_square(groups.D4)

# %% [markdown]
# Upper row: the square was turned. Lower row: it was turned over as well; the dashed line is the mirror axis. No two
# pictures are alike. (Section 4 explains the matrices.)
#
# A move that brings a figure back into its own outline is a **symmetry**. We write each as a pair **(m, r)**:
# **first** rotate by r quarter turns, counter-clockwise; **then**, if m = 1, mirror left and right. (1, 1) is printed
# as `mr`, and (0, 0), "leave it", as `e`.
#
# ## 2. Two moves in a row
#
# Do `r`, then `m`. The square fills its frame again, so the result must be one of the eight. Which one? Is it the
# same if `m` comes first?
#
# <details><summary>Predict first…</summary>
#
# First r, then m is (1, 1) by our very definition: `mr`. The other order gives something else, as the picture shows.
# </details>

# %%
e, r, m = Element(0, 0), Element(0, 1), Element(1, 0)
moves = [Element(mirrored, turns) for mirrored in (0, 1) for turns in range(4)]
print(*moves)
moves_in_a_row([r, m], [m, r], [Element(0, 3), m])

# %% [markdown]
# Compare the last squares of the first two rows: the F lies differently. **Order matters.**
# We write **ab** for "first b, then a", like a(b(x)) for functions. So the first row is `mr`, and the second is `rm`. Find it
# among the eight: it is `mr³`.
#
# Rows two and three end alike. Mirror, then turn, is the same as turn *back* (`r³`, written R⁻¹), then mirror. With
# capital letters for the moves:
#
# $$R\,M = M\,R^{-1}$$

# %% [markdown]
# *A rotation that passes a mirror turns the other way round.* This rule multiplies any two moves. The turns come
# first, so (m, r) is $M^mR^r$. In $ab=M^{m_a}R^{r_a}M^{m_b}R^{r_b}$, take $R^{r_a}$ past $M^{m_b}$: if $m_b=1$, it
# changes its sign. Then the mirrors stand together, and two of them cancel; so do the turns, and four of them cancel:
#
# $$(m_a,r_a)\,(m_b,r_b)=\bigl(m_a+m_b\bmod 2,\;\;(-1)^{m_b}\,r_a+r_b\bmod 4\bigr)$$
#
# **Worked example.** a = (1, 3), b = (1, 2). Mirrors: 1 + 1 = 2, that is 0. Rotations: b mirrors, so 3 becomes
# −3, and −3 + 2 = −1, that is 3 modulo 4 (as Python's `-1 % 4`). So ab = (0, 3) = `r³`.
#
# ### Exercise 1.1: compose two moves


# %%
@exercise
def compose(a: Element, b: Element) -> Element:
    """The product ab, "first b, then a". Example: compose(Element(1, 3), Element(1, 2)) == Element(0, 3)."""
    ...


# %% [markdown]
# <!-- help: compose -->

# %% [markdown]
# **Break it.** Leave out the sign and add the rotations as they come. How many of the 64 products come out wrong?
#
# <details><summary>Predict first…</summary>
#
# Wrong only if b mirrors (half of the b) and if rₐ ≠ −rₐ modulo 4, that is rₐ = 1 or 3 (half of the a): a quarter of 64.
# Three answers in four are right by luck, so a spot check may well miss this bug.
# </details>


# %%
def without_sign(a, b):
    return Element((a.m + b.m) % 2, (a.r + b.r) % 4)


wrong = sum(without_sign(a, b) != compose(a, b) for a in moves for b in moves)
print("rm =", compose(r, m), "  mr =", compose(m, r), "  (mr³)(mr²) =", compose(Element(1, 3), Element(1, 2)))
print(f"{wrong} of {len(moves) ** 2} products are wrong without the sign")

# %% [markdown]
# ## 3. Undo
#
# Every move can be undone, by one of the eight again. It is called the **inverse**, a⁻¹: the move with a a⁻¹ = a⁻¹ a = e. **How
# many of the eight undo themselves?**
#
# <details><summary>Predict first…</summary>
#
# Six: e, the half turn r², and all four mirrors (looking twice into a mirror changes nothing). Only r and r³ undo each
# other. Check a mirror with the rule, for any number r: (1, r)(1, r) = (1 + 1, −r + r) = (0, 0).
# </details>
#
# $$(0, r)^{-1} = (0, -r \bmod 4), \qquad (1, r)^{-1} = (1, r)$$
#
# ### Exercise 1.2: undo a move


# %%
@exercise
def inverse(a: Element) -> Element:
    """The element that undoes a. Example: inverse(Element(0, 1)) == Element(0, 3)."""
    ...


# %% [markdown]
# <!-- help: inverse -->

# %%
print(", ".join(f"({a})⁻¹ = {inverse(a)}" for a in moves))
assert all(compose(a, inverse(a)) == e == compose(inverse(a), a) for a in moves)
print(sum(inverse(a) == a for a in moves), "of 8 undo themselves; a a⁻¹ = a⁻¹ a = e for all")

# %% [markdown]
# ## 4. Moves as matrices
#
# The rule came from a picture. Is it right? Ask an independent witness. Put the origin into the middle of the square,
# **x to the right and y up**. A quarter turn takes (1, 0) to (0, 1), and (0, 1) to (−1, 0); those are the columns of R. The
# mirror takes x to −x.
#
# $$R=\begin{bmatrix}0&-1\\1&0\end{bmatrix},\qquad M=\begin{bmatrix}-1&0\\0&1\end{bmatrix}$$
#
# First the turns, then the mirror: the matrix of (m, r) is MᵐRʳ. "First b, then a" is the matrix product AB. So all
# 64 products can be checked:

# %%
from course_lib.groups import matrix

R, M = np.array([[0, -1], [1, 0]]), np.array([[-1, 0], [0, 1]])


def matrix_in_loops(a):
    result = np.eye(2, dtype=int)
    for step in [R] * a.r + [M] * a.m:
        result = step @ result  # what is done later stands on the left
    return result


print("matrix of mr:", matrix_in_loops(Element(1, 1)).tolist(), "as in the figure above")
assert all((matrix_in_loops(a) == matrix(a)).all() for a in moves)
assert all((matrix(a) @ matrix(b) == matrix(compose(a, b))).all() for a in moves for b in moves)
print("the loop and the library agree on 8 matrices, and all 64 products are right")

# %% [markdown]
# ## 5. The whole table
#
# All products fit into one square: row a, column b holds ab. This is the **Cayley table**. We store each product as its
# *position* in the list of elements, and −1 if it is not in the list.
#
# **Worked example.** The numbers 1, 2, 3, 4 under "multiply, then take the remainder modulo 5". 2 · 4 = 8 leaves 3,
# and 3 stands at position 2. So row 1, column 3 (counted from 0) holds a 2.
#
# ### Exercise 1.3: the Cayley table, for any set and any product


# %%
@exercise
def cayley_table(elements: Sequence[Any], product: Callable[[Any, Any], Any]) -> IntArray:
    """(n, n) integers: table[i, j] is the position of product(elements[i], elements[j]) in elements, or −1 if outside.
    Example: cayley_table((1, 2), lambda a, b: a * b) is np.array([[0, 1], [1, -1]]), since 2 · 2 = 4 is outside."""
    ...


# %% [markdown]
# <!-- help: cayley_table -->

# %%
table = cayley_table(moves, compose)
assert all(sorted(line) == list(range(8)) for line in (*table, *table.T))
print(f"ab = ba for {(table == table.T).sum()} of 64 pairs, ab ≠ ba for {(table != table.T).sum()}")
cayley_table_figure(table, labels=moves)

# %% [markdown]
# **What do you notice** about the colors of a row? About the four blocks? About the picture and its mirror image along
# the diagonal?
#
# <details><summary>Look first, then open</summary>
#
# 1. Every row and every column holds every color once, as in a sudoku: a *latin square* (the cell asserts it). The reason is
#    undoing: if ab = ac, multiply by a⁻¹ from the left, and b = c. So no product can stand twice in row a; nor in a column:
#    there multiply from the right.
# 2. Two rotations, or two mirrors, make a rotation; one of each makes a mirror.
# 3. It is *not* symmetric: ab ≠ ba for 24 pairs. Where ab = ba for all pairs, the product is called *commutative*; ours is
#    not. In later notebooks many bugs are a product in the wrong order.
# </details>
#
# ## 6. Is this set of transformations a group?
#
# What makes the eight moves so well-behaved? Four properties, the **axioms**. A set with a product that has them all is a
# **group**.
#
# 1. **Closure:** ab is in the set, for all a and b in it.
# 2. **Associativity:** (ab)c = a(bc).
# 3. **Identity:** there is an e with ea = ae = a for all a.
# 4. **Inverse:** each a has an a⁻¹ in the set with a a⁻¹ = a⁻¹ a = e.
#
# For moves done in a row, associativity is free: both sides say "c, then b, then a". The others must be earned.
#
# A finite set can be tested by its table. Here is the definition as loops; it stops at the first axiom that breaks.


# %%
def broken_axiom_in_loops(table):
    n = range(len(table))
    if any(table[a, b] < 0 for a in n for b in n):
        return "closure"
    if any(table[table[a, b], c] != table[a, table[b, c]] for a in n for b in n for c in n):
        return "associativity"
    neutral = [e for e in n if all(table[e, a] == a == table[a, e] for a in n)]
    if not neutral:
        return "identity"
    if not all(any(table[a, b] == neutral[0] == table[b, a] for b in n) for a in n):
        return "inverse"
    return None


# %% [markdown]
# Now predict. A group? If not, which axiom breaks first? Below the line that starts with `guess`, write lines such as
# `guess["A"] = "closure"` or `"group"`, then run the cell: it marks what you guessed.
#
# Moves, done in a row:
# - **A** rotations of the square by 0°, 90°, 180°
# - **B** e and the mirror m
# - **C** the four mirrors m, mr, mr², mr³
# - **D** rotations of a hexagon: 0°, 60°, …, 300°
#
# Other sets, other products:
# - **E** 0, 1, 2, 3; plus, modulo 4
# - **F** 0, 1, 2, 3; times, modulo 4
# - **G** 1, 2, 3, 4; times, modulo 5
# - **H** 0, 1, 2, 3; the larger one
# - **I** 0, 2, 4, 6; times, modulo 8
# - **J** rock, paper, scissors; the winner

# %%
from course_lib.exercises.quiz import mark_guesses
from course_lib.groups import broken_axiom

guess = {}
beats = {("paper", "rock"), ("scissors", "paper"), ("rock", "scissors")}
quiz = {
    "A": cayley_table([e, r, Element(0, 2)], compose),
    "B": cayley_table([e, m], compose),
    "C": cayley_table(moves[4:], compose),
    "D": cayley_table(range(0, 360, 60), lambda a, b: (a + b) % 360),
    "E": cayley_table(range(4), lambda a, b: (a + b) % 4),
    "F": cayley_table(range(4), lambda a, b: a * b % 4),
    "G": cayley_table((1, 2, 3, 4), lambda a, b: a * b % 5),
    "H": cayley_table(range(4), max),
    "I": cayley_table((0, 2, 4, 6), lambda a, b: a * b % 8),
    "J": cayley_table(("rock", "paper", "scissors"), lambda a, b: b if (b, a) in beats else a),
}
# Both tests must agree: the library's, by indexing, and our loops.
assert all(broken_axiom(candidate) == broken_axiom_in_loops(candidate) for candidate in quiz.values())
answers = {name: broken_axiom(candidate) or "group" for name, candidate in quiz.items()}
mark_guesses(guess, answers)

# %% [markdown]
# <details><summary>The reasons, one by one</summary>
#
# - **A** closure: 90° + 180° = 270° is missing. **C** closure: two mirrors make a rotation. (And e is missing as well.)
# - **B** group: m undoes itself, and there is nothing else to check.
# - **D** and **E** groups: clocks with six and four hours. Our quarter turns behave exactly like E.
# - **F** inverse: 1 is the identity, but 0 · a = 0 for all a: nothing brings you back to 1. (Nor can 2 be undone.)
# - **G** group: 2 · 3 = 6 → 1 and 4 · 4 = 16 → 1: everything can be undone.
# - **H** inverse: 0 is the identity (the larger of 0 and a is a), but after "the larger of 3 and …" the 0 is lost for
#   ever. A ReLU, max(0, x), loses the negative x in the same way.
# - **I** identity: 2 · 2 = 4, 2 · 4 = 8 → 0, 2 · 6 = 12 → 4: no product ever gives 2, so nothing leaves 2 as it is.
# - **J** associativity: (rock·paper)·scissors = paper·scissors = scissors, but rock·(paper·scissors) = rock·scissors = rock.
# </details>
#
# ### Image augmentations
#
# Now transformations of *images*, done in a row. Two count as equal if they do the same to a test image. Predict again:
#
# - **K** turn by 0°, 90°, 180°, 270°
# - **L** leave it, flip left-right, flip up-down
# - **M** leave it, invert the gray values
# - **N** leave it, erase the right half
# - **O** turn by 0°, 30°, …, 330°, interpolating between pixels
# - **P** all shifts left and right; what leaves the frame is lost
# - **Q** the same; what leaves comes in again on the other side

# %%
from course_lib.actions import rotate_by_angle, translate
from course_lib.data import load_photograph

photograph = load_photograph().mean(dim=1, keepdim=True)  # (1, 1, 112, 112), gray
small = photograph[..., ::7, ::7]  # (1, 1, 16, 16)
augmentations = {
    "K": [lambda f, k=k: torch.rot90(f, k, (2, 3)) for k in range(4)],
    "L": [lambda f: f, lambda f: f.flip(3), lambda f: f.flip(2)],
    "M": [lambda f: f, lambda f: 1 - f],
    "N": [lambda f: f, lambda f: f * (torch.arange(16) < 8)],
    "O": [lambda f, k=k: rotate_by_angle(30 * k, f) for k in range(12)],
    "P": [lambda f, k=k: translate((k, 0), f) for k in range(-16, 17)],
    "Q": [lambda f, k=k: f.roll(k, 3) for k in range(16)],
}


# %%
def table_of_functions(functions, image):
    results = [f(image) for f in functions]

    def product(i, j):  # the position of the function that does what "first j, then i" does
        both = functions[i](functions[j](image))
        return next((k for k, result in enumerate(results) if torch.allclose(result, both, atol=1e-3)), -1)

    return cayley_table(range(len(functions)), product)


guess |= {}  # write your guesses here, such as {"K": "group"}
for name, functions in augmentations.items():
    answers[name] = broken_axiom(table_of_functions(functions, small)) or "group"
mark_guesses(guess, {name: answers[name] for name in augmentations})

# %% [markdown]
# The surprise is **O**. Angles form a group, like D. But turning *pixels* by 30° interpolates, and two blurred turns
# by 30° are not one blurred turn by 60°. **P** fails too: right, then left again, erases a stripe and moves nothing; no single
# shift does.

# %%
for kind in ("group", "closure", "associativity", "identity", "inverse"):
    print(f"{kind + ':':15}", *(name for name, answer in answers.items() if answer == kind))

turned = photograph
for _ in range(12):
    turned = rotate_by_angle(30, turned)
shifted = translate((-40, 0), translate((40, 0), photograph))
photographs({"before": photograph[0, 0], "12 turns by 30°": turned[0, 0], "40 right, 40 left": shifted[0, 0]})

# %% [markdown]
# Above, all answers. In a group the last two pictures would equal the first. But one is blurred and has lost its
# corners; the other has lost a stripe.
#
# <details><summary>The others, and the ones people ask about</summary>
#
# - **L** Flip both ways, and you have the half turn, which is missing. Add it, and you have a group of four.
# - **N** What is erased cannot be brought back. Cutout and cropping fail for the same reason.
# - **K** and **Q** are clocks like D and E, with four and sixteen hours, and no pixel is lost; **M** is like B: groups.
# - **Random crop, random rotation:** a random transformation is a *die*, not one transformation. Ask about the set of faces.
# - **Scalings by 2ᵏ**, k any whole number: a group as maps of the plane (k and −k cancel). On pixels, shrinking throws
#   pixels away: small, then large again, is none of the scalings, as with P.
# - **Strings of the letters r and m**, written one behind the other: closed, associative, and the empty string is
#   the identity; but no string becomes shorter by adding letters: only the empty one has an inverse.
# </details>
#
# ## 7. Generators and subgroups
#
# You may use the quarter turn only, as often as you like. Which of the eight can you reach? And with `r` *and* `m`?
#
# <details><summary>Predict first…</summary>
#
# With r: e, r, r², r³, and then e again. With r and m: all eight, since every (m, r) *is* some turns and perhaps a mirror.
# </details>

# %%
cayley_graph(groups.D4)

# %% [markdown]
# Solid arrows do `r`, dashed ones do `m`, after what the circle says. From `e` they lead everywhere. On the inner ring
# the powers run backwards, m → mr³ → mr² → mr: the rule R M = M R⁻¹ again.
#
# What can be reached from some **generators** is what they **generate**: the smallest closed set that contains e and them.
#
# ### Exercise 1.4: everything that can be reached
#
# Start from the identity and the generators. Add all products of two members, until nothing is new.


# %%
@exercise
def generate(generators: Iterable[Element]) -> tuple[Element, ...]:
    """The smallest set with e and the generators that is closed under compose, as a sorted tuple.
    Examples: generate([]) == (e,); generate([r]) == (e, r, r², r³)."""
    ...


# %% [markdown]
# <!-- help: generate -->

# %% [markdown]
# A part of a group that is a group itself, with the same product, is a **subgroup**. In finite groups, closed and
# non-empty is enough: repeat a move and you come to e, and just before it to the inverse. So whatever is generated is a
# subgroup. Among our eight, two generators suffice for each. **How many subgroups do you expect?**


# %%
def show(elements):
    return "{" + ", ".join(map(str, elements)) + "}"


found = {generate(pair) for pair in combinations([e, *moves], 2)}  # e twice: the pair (e, e) generates {e}
subsets = [subset for size in range(1, 9) for subset in combinations(moves, size)]
assert found == {subset for subset in subsets if broken_axiom(cayley_table(subset, compose)) is None}
print(*(f"{len(s)}  {show(s)}" for s in sorted(found, key=lambda s: (len(s), s))), sep="\n")
print(len(found), "subgroups, and no other among all", len(subsets), "non-empty subsets")
print("two mirrors, mr and mr², generate", show(generate([Element(1, 1), Element(1, 2)])))
cayley_table_figure(groups.D4, highlight=groups.D2)

# %% [markdown]
# Two mirrors with axes 45° apart generate everything, rotations included. In the picture {e, r², m, mr²} has its
# full colors: where its rows meet its columns, only members stand. No product leads out.
#
# Six of the ten get names. C*n* (cyclic) has n rotations; D*n* (dihedral) has n rotations and n mirrors. The other four
# are D1 or D2 with other axes. These six are *the* groups of this course; every layer takes one as an argument, called H.
# The number of its elements is its **order**, |H|.

# %%
for group in groups.ALL_GROUPS:
    print(f"{group.name}: |H| = {group.order}  {show(group.elements)}")
try:
    groups.Group("mine", (e, r, m))  # break it: a set that is no group
except ValueError as error:
    print(error)

# %% [markdown]
# C4 and D2 both have four elements. Are they one group under two names?
#
# <details><summary>Predict first…</summary>
#
# No. Look at the diagonals below, the products aa (0 is the position of e): in D2 every element undoes itself, in C4
# only two do. No renaming of the elements can change that.
# </details>

# %%
print("a² = e for", {g.name: sum(compose(a, a) == e for a in g.elements) for g in (groups.C4, groups.D2)})
panels({"C4": groups.C4.cayley_table, "D2": groups.D2.cayley_table})

# %% [markdown]
# ## 8. Cosets: a group in equal pieces
#
# Sometimes you want to forget something, say a mirror at the very beginning. Then h and hm (first m, then h) count as
# the same. With any subgroup S in place of {e, m}, the pieces are the **left cosets** of S:
#
# $$hS = \{hs : s \in S\}$$
#
# **Worked example.** S = {e, m} and h = r: hS = {re, rm} = {r, mr³}. Starting from h = mr³ gives {mr³, mr³m} = {mr³, r}:
# the same piece. (Networks will *pool* over cosets: keep one number for each piece.)
#
# ### Exercise 1.5: left cosets


# %%
@exercise
def left_cosets(elements: Iterable[Element], subgroup: Iterable[Element]) -> tuple[tuple[Element, ...], ...]:
    """Each left coset hS once: the elements of a coset sorted, and the cosets sorted.
    Example: left_cosets((e, r, r², r³), (e, r²)) == ((e, r²), (r, r³))."""
    ...


# %% [markdown]
# <!-- help: left_cosets -->

# %%
for subgroup in groups.D4.subgroups:
    assert len(left_cosets(moves, subgroup.elements)) * subgroup.order == 8
print("|S| · (number of cosets) = 8 for all", len(groups.D4.subgroups), "subgroups")
cosets_figure(groups.D4, groups.D1)

# %% [markdown]
# Four colors, two circles each. No accident:
#
# - **All pieces have the same size.** h can be undone, so s ↦ hs never takes two members to one place.
# - **Pieces do not overlap.** If hs = ks′, then h = k(s′s⁻¹), and s′s⁻¹ is in S. So hS = kS.
# - **None is left over.** h = he is in hS.
#
# Equal pieces fill the group: therefore |S| **divides** |H|. This is Lagrange's theorem, and why D4 has no
# subgroup of order 3.
#
# **Break it.** Why *left*? Right cosets Sh cut the group up as well. Now let a move g act on everything, h ↦ gh. Does a piece
# land on a piece?
#
# <details><summary>Predict first…</summary>
#
# Left cosets: always, g(hS) = (gh)S. Right cosets: g(Sh) has g on the wrong side of S. It works only for those g that can
# be taken past S, gS = Sg; here that is half of them. A network that pooled over right cosets would treat the other half
# wrongly.
# </details>

# %%
right_cosets = {tuple(sorted(compose(s, h) for s in (e, m))) for h in moves}
for name, pieces in {"left": set(left_cosets(moves, (e, m))), "right": right_cosets}.items():
    landed = sum(tuple(sorted(compose(g, h) for h in piece)) in pieces for g in moves for piece in pieces)
    print(f"{name} cosets: {landed} of {len(moves) * len(pieces)} moved pieces are pieces again")

# %% [markdown]
# ## 9. Where a group element lives in an array
#
# From notebook 02 on, a feature map has an axis for the group: its shape is (B, C, |H|, Y, X), that is batch,
# channels, group, rows, columns, with one *sheet* for each element. In D4 the element (m, r) has index 4m + r; index
# 0 is the identity. When g moves the image, the sheets trade places: the new sheet h is the old sheet g⁻¹h, moved
# (notebook 02 shows why). That order is a row of the Cayley table; nobody types indices.

# %%
from course_lib.groups import left_permutation

print("index of mr²:", groups.D4.index(Element(1, 2)))
print("after a quarter turn the sheets come from", left_permutation(r, moves))
print("row r⁻¹ of the Cayley table:             ", table[moves.index(inverse(r))].tolist())

# %% [markdown]
# ## 10. Adding shifts: p4 and p4m
#
# A convolution shifts a filter over the pixels. So we need turns, mirrors *and* shifts of the **lattice** Z², the points
# with whole coordinates. A move is now g = (t, h): **first** h = (m, r), about the origin, **then** the shift t = (u, v), u
# to the right and v up.
#
# $$g\,x = h\,x + t$$
#
# All these moves together are **p4m**; those without mirrors, **p4**. In the library: `Isometry(m, r, u, v)`, which
# means "keeps distances".
#
# **Worked example.** A quarter turn, then 4 to the right. The point (1, 0) turns to (0, 1) and is shifted to (4, 1).

# %%
from course_lib.wallpaper import Isometry, act_on_points

turn_and_shift = Isometry(m=0, r=1, u=4, v=0)
letter = np.array([(0, 2), (0, 1), (0, 0), (1, 0)])  # an L of lattice points
lattice_points(letter, act_on_points(turn_and_shift, letter))

# %% [markdown]
# Circles before, squares after: the L has turned about the origin, then moved right. One matrix does both: give each
# point a third coordinate 1, and write the shift into the third column.
#
# $$\begin{bmatrix}h&t\\0&1\end{bmatrix}\begin{bmatrix}x\\1\end{bmatrix}=\begin{bmatrix}h\,x+t\\1\end{bmatrix}$$

# %%
from course_lib.wallpaper import from_homogeneous_matrix, homogeneous_matrix

print(homogeneous_matrix(turn_and_shift))
print("(1, 0) goes to", (homogeneous_matrix(turn_and_shift) @ (1, 0, 1))[:2].tolist())

# %% [markdown]
# Two in a row: first (t′, h′), then (t, h). The point x goes to h′x + t′, and then to h(h′x + t′) + t = (hh′)x + (t + h t′).
# So the product has the point part hh′ and the shift t + h t′:
#
# $$(t, h)\,(t', h') = (t + h\,t',\; h h')$$
#
# The shift t′ **gets turned on the way**: h acts on all that happened before. With this product, pairs of a shift
# and an element of H form the **semidirect product** Z² ⋊ H. So p4 = Z² ⋊ C4, and p4m = Z² ⋊ D4.
#
# ### Exercise 1.6: the product in p4m


# %%
@exercise
def semidirect_product(g: Isometry, k: Isometry) -> Isometry:
    """The product gk, "first k, then g". g.point_part is the Element h, g.shift the array t = (u, v).
    Example: a quarter turn after a shift by (1, 0) is Isometry(0, 1, 0, 1): the shift now points up."""
    ...


# %% [markdown]
# <!-- help: semidirect_product -->

# %% [markdown]
# **Break it.** Leave t′ unturned: (t + t′, hh′), the *direct product* Z² × H. It even is a group. What is wrong with it?
#
# <details><summary>Predict first…</summary>
#
# It is not the group of *our* moves. Shift the origin by (1, 0), then make a quarter turn: the origin is at (0, 1). The direct
# product says (1, 0). Axioms alone do not tell you that you have the right group; moving points does.
# </details>


# %%
def direct_product(g, k):
    return Isometry(*compose(g.point_part, k.point_part), g.u + k.u, g.v + k.v)


rng = np.random.default_rng(0)
some = [Isometry(*rng.integers((0, 0, -5, -5), (2, 4, 6, 6)).tolist()) for _ in range(30)]
for g, k in zip(some, reversed(some), strict=True):
    assert semidirect_product(g, k) == from_homogeneous_matrix(homogeneous_matrix(g) @ homogeneous_matrix(k))
print("30 random products agree with those of the 3×3 matrices")
turn_only, shift_only = Isometry(0, 1, 0, 0), Isometry(0, 0, 3, 0)
one_by_one = act_on_points(turn_only, act_on_points(shift_only, letter))
at_once = {f.__name__: act_on_points(f(turn_only, shift_only), letter) for f in (semidirect_product, direct_product)}
print({name: bool((moved == one_by_one).all()) for name, moved in at_once.items()})
points_side_by_side({"start": letter, "3 right, then turn": one_by_one, **at_once})

# %% [markdown]
# The third picture equals the second, the fourth does not.
#
# ### Exercise 1.7: the inverse in p4m
#
# Solve h x + t = y for x: x = h⁻¹(y − t) = h⁻¹y − h⁻¹t. So the way back turns by h⁻¹ and shifts by −h⁻¹t:
#
# $$(t, h)^{-1} = (-h^{-1} t,\; h^{-1})$$


# %%
@exercise
def semidirect_inverse(g: Isometry) -> Isometry:
    """The element that undoes g. Example: Isometry(0, 1, 1, 0) is undone by Isometry(0, 3, 0, 1)."""
    ...


# %% [markdown]
# <!-- help: semidirect_inverse -->

# %%
nothing = Isometry(0, 0, 0, 0)
assert all(semidirect_product(g, semidirect_inverse(g)) == nothing for g in some)
assert all(semidirect_product(semidirect_inverse(g), g) == nothing for g in some)
there = act_on_points(turn_and_shift, letter)
back = act_on_points(semidirect_inverse(turn_and_shift), there)
unturned = act_on_points(Isometry(*inverse(r), -4, 0), there)  # break it: −t instead of −h⁻¹t
print("back at the start:", bool((back == letter).all()), "  with −t:", bool((unturned == letter).all()))
points_side_by_side({"start": letter, "there": there, "and back": back, "back with −t": unturned})

# %% [markdown]
# **Is p4m a group?** It is infinite, so no table can say, but the axioms can be read off. *Closure:* t + h t′ has whole
# coordinates, and hh′ is one of the eight. *Associativity:* moves in a row. *Identity:* (0, e). *Inverse:* exercise 1.7.
# p4 and the shifts alone are subgroups.
#
# ## 11. Why not 45°, and why no hexagons?
#
# Which other moves keep the origin in place, keep lengths, and take the lattice to itself?
#
# <details><summary>Predict first…</summary>
#
# (1, 0) must go to a lattice point at distance 1 from the origin. There are four: (1, 0), (0, 1), (−1, 0), (0, −1). What keeps
# all lengths also keeps right angles, so (0, 1) must go to one at a right angle to it: two ways. These two decide where all
# other points go. That makes eight moves, and we have them all. (So the cell below needs to try no matrix entries but −1, 0
# and 1.)
# </details>


# %%
def turn(degrees):
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[cos, -sin], [sin, cos]])


entries = np.stack(np.meshgrid(*[[-1, 0, 1]] * 4), axis=-1).reshape(-1, 2, 2)
rigid = [h for h in entries if (h.T @ h == np.eye(2)).all()]
print(f"of {len(entries)} matrices with entries −1, 0, 1, {len(rigid)} keep lengths and angles")
print("they are our eight:", {str(h) for h in rigid} == {str(matrix(a)) for a in moves})
points_side_by_side({f"{angle}°": letter @ turn(angle).T for angle in (0, 45, 60, 90)})

# %% [markdown]
# Red crosses fell between the lattice points. There the image has no value; it would have to be interpolated, and quiz
# set O showed the cost. A hexagon's 60° needs a lattice of triangles.
#
# ## Recap
#
# - A **group**: closed, associative, with an identity, and everything can be undone. Ask this of any set of transformations.
# - D4 has eight elements (m, r): rotate, then mirror. R M = M R⁻¹ gives all products; the **Cayley table** holds them.
# - **Subgroups** are parts that are groups themselves; **cosets** are the equal pieces into which they cut the group.
# - **p4** and **p4m** add shifts, and a shift gets turned on the way: (t, h)(t′, h′) = (t + h t′, hh′).
# - Every later layer needs only a `Group`: its elements move the pixels, its table the sheets.
#
# Last check: what you built, or the reference, against the library on random input.

# %%
for _ in range(20):
    g, k = (Isometry(*rng.integers((0, 0, -9, -9), (2, 4, 9, 9)).tolist()) for _ in range(2))
    a, b = g.point_part, k.point_part
    assert compose(a, b) == groups.compose(a, b) and inverse(a) == groups.inverse(a)
    assert generate([a, b]) == groups.generate([a, b])
    assert left_cosets(moves, generate([a])) == groups.left_cosets(moves, groups.generate([a]))
    assert semidirect_product(g, k) == wallpaper.semidirect_product(g, k)
    assert semidirect_inverse(g) == wallpaper.semidirect_inverse(g)
assert (cayley_table(moves, compose) == groups.D4.cayley_table).all()
print("your seven functions and the library's agree")

# %%
progress("01")

# %% [markdown]
# **Now in `course_lib`:** `from course_lib.groups import C4, D4, Group, compose, inverse, cayley_table, generate, left_cosets`
# and `from course_lib.wallpaper import Isometry, semidirect_product, semidirect_inverse`.
#
# **Further reading:** T. Cohen and M. Welling, *Group Equivariant Convolutional Networks* (2016), section 4.
#
# **Next:** notebook 02, *Actions*. What does a symmetry do to an image, and to a stack of feature maps? It turns them,
# *and* it permutes them.
