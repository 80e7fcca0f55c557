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
# - decide whether a set of transformations is a *group*, and if not, say why;
# - find subgroups and cosets with a few lines of code;
# - compute with rotations, mirrors and shifts together: the groups *p4* and *p4m*.
#
# **What you need before:** Python, 2×2 matrices, and notebook 00 (how exercises work). No group theory.
#
# **Time:** about 115 minutes, with six exercises. **Hardware:** any laptop; nothing is trained here.
#
# In notebook 04 you will write a layer that treats all orientations alike. To do that, the layer has to know which
# orientations exist, and which one you reach when one move follows another. A mistake here is hard to notice later: you
# will meet a natural-looking multiplication rule that is right for three products in four, and a network built on it
# would still train without an error message. So this notebook builds the arithmetic of moves carefully. This arithmetic
# is called group theory, and a square of paper is enough to learn it.

# %%
from collections.abc import Iterable
from itertools import combinations, permutations

import numpy as np
import torch

from course_lib import groups, wallpaper
from course_lib.exercises import exercise, progress
from course_lib.figures import (
    cayley_graph,
    cayley_table_figure,
    cosets_figure,
    lattice_points,
    symmetries_of_the_square,
)
from course_lib.figures.actions import photographs
from course_lib.figures.moves import moves_in_a_row, points_side_by_side
from course_lib.groups import Element, inverse

# %% [markdown]
# ## 1 A square in its frame
#
# A square of thin paper lies in a frame. The letter F is painted on it and shows through on the back. Take the square
# out, and put it back so that it fills the frame again. **In how many ways can it lie?** Guess a number before you run
# the cell: it tries every way to place the four corners, and keeps those that do not tear the paper.

# %%
edges = [{0, 1}, {1, 2}, {2, 3}, {3, 0}]  # neighboring corners of the frame, here 0 to 3
ways = list(permutations(range(4)))
untorn = [way for way in ways if all({way[a], way[b]} in edges for a, b in edges)]
print(f"of {len(ways)} ways to place four corners, {len(untorn)} keep neighbors together")
symmetries_of_the_square(groups.D4).captioned(
    "The square fits its frame in eight ways: four turns, and the same four followed by a mirror "
    "(dashed: the one mirror line that this amounts to)."
)

# %% [markdown]
# Why eight? Corner 1 can go to any of the four corners of the frame. Corner 2 is its neighbor, so two places are left
# for it. After that nothing is free: 4 · 2 = 8 ways.
#
# In the upper row, the square was turned. In the lower row, it was turned over as well: altogether, it was reflected in
# the dashed line. No two pictures are alike. (Section 4 explains the matrices.)
#
# A move that brings a figure back into its own outline is a **symmetry** of that figure. All eight can be made from two
# moves: `r`, a quarter turn counter-clockwise, and `m`, the mirror that swaps left and right. So two numbers describe
# each symmetry, named after the moves that they count. We write it as a pair **(m, r)**: **first** make r quarter turns,
# **then** mirror m times, where m is 0 or 1. The pair (1, 1), one quarter turn and then one mirror, is printed as `mr`;
# the pair (0, 0) does nothing and is printed as `e`.
#
# In Python a symmetry is an `Element(m, r)`. For an element `a`, `a.m` is its number of mirrors and `a.r` its number of
# quarter turns.
#
# ## 2 Two moves in a row
#
# Do `r`, then `m`. The square fills its frame again, so the result must be one of the eight. Which one? And is it the
# same one if `m` comes first?
#
# <details><summary>Predict first…</summary>
#
# First `r`, then `m` is the pair (1, 1) by our very definition: `mr`. The other order gives something else, as the
# picture shows.
# </details>

# %%
e, r, m = Element(0, 0), Element(0, 1), Element(1, 0)
moves = [Element(mirrored, turns) for mirrored in (0, 1) for turns in range(4)]
print(*moves)
moves_in_a_row([r, m], [m, r], [Element(0, 3), m]).captioned(
    "r, then m (first row) does not end like m, then r (second); r³, then m (third) does."
)

# %% [markdown]
# Compare the last squares of the first two rows: the F lies differently. **Order matters.**
#
# We write the **product ab** for "first b, then a". This is how functions are written: in a(b(x)), b is applied first.
# So the first row ends at the product `mr`, and the second at `rm`. Find the second result among the eight: it is `mr³`.
#
# Now compare rows two and three: they end alike. "Mirror, then turn" is the same as "turn *back*, then mirror". Write R
# for a quarter turn, M for the mirror, and R⁻¹ for the turn back, which is the same as R³:
#
# $$R\,M = M\,R^{-1}$$
#
# In plain words: **a rotation that moves past a mirror reverses its direction.**

# %% [markdown]
# With this one rule you can multiply any two of the eight moves. All you need besides is that two mirrors cancel, and
# that four quarter turns cancel.
#
# **Worked example.** What is (`mr³`)(`mr²`), "first `mr²`, then `mr³`"? We want the form "mirrors on the left,
# rotations on the right", because that is how the eight moves are written. One mirror is in the wrong place: the second
# M has the rotation R³ on its left. Move the three quarter turns past the mirror, one after another, and each of them
# reverses its direction, so R³M becomes MR⁻³:
#
# $$
# \begin{aligned}
# (MR^3)(MR^2) &= M\,(R^3\,M)\,R^2 && \text{only the brackets have changed}\\
#              &= M\,(M\,R^{-3})\,R^2 && \text{R³ has moved past M}\\
#              &= M^2\,R^{-3+2} && \text{mirrors with mirrors, rotations with rotations}\\
#              &= R^{-1} = R^3 && \text{two mirrors cancel; one turn back is three turns forward}
# \end{aligned}
# $$
#
# So the product of (1, 3) and (1, 2) is (0, 3). In Python, `-1 % 4` is 3.
#
# ### Exercise 1.1: compose two moves
#
# Turn the worked example into a rule for any two elements a and b. When does a's rotation have to move past a mirror,
# and whose mirror is that: a's or b's?


# %%
@exercise
def compose(a: Element, b: Element) -> Element:
    """The product ab, "first b, then a". Example: compose(Element(1, 3), Element(1, 2)) == Element(0, 3)."""
    ...


# %% [markdown]
# <!-- help: compose -->

# %% [markdown]
# **Break it.** Leave out the change of direction and simply add the rotations. How many of the 64 products come out
# wrong? Write down a guess, then run the cell.


# %%
def without_sign(a, b):
    return Element((a.m + b.m) % 2, (a.r + b.r) % 4)


wrong = sum(without_sign(a, b) != compose(a, b) for a in moves for b in moves)
print("rm =", compose(r, m), "  mr =", compose(m, r), "  (mr³)(mr²) =", compose(Element(1, 3), Element(1, 2)))
print(f"{wrong} of {len(moves) ** 2} products are wrong without the sign")

# %% [markdown]
# Only a quarter of the products are wrong. The direction matters only if b mirrors (half of all b) and if a's rotation
# differs from its own reverse, which is the case for one or three quarter turns (half of all a). The other three
# quarters are right by luck, so a spot check can easily miss this bug.
#
# Here is the rule as a formula. Write both moves as powers of M and R, and move a's rotation past b's mirror, as in the
# worked example:
#
# $$
# \begin{aligned}
# ab &= M^{a.m}\,R^{a.r}\;M^{b.m}\,R^{b.r} && \text{a on the left, b on the right}\\
#    &= M^{a.m}\,M^{b.m}\;R^{(-1)^{b.m}\,a.r}\,R^{b.r} && \text{a's rotation has moved past b's mirror}\\
#    &= M^{a.m+b.m}\;R^{(-1)^{b.m}\,a.r+b.r} && \text{mirrors add up, and so do rotations}
# \end{aligned}
# $$
#
# In plain words: add the mirrors modulo 2, since two of them cancel. Add the rotations modulo 4, since four quarter
# turns cancel; but if b mirrors, a's rotation counts backwards.

# %% [markdown]
# ## 3 Undo
#
# Each of the eight moves can be undone, and what undoes it is again one of the eight. It is called the **inverse** of a
# and written a⁻¹: the move for which aa⁻¹ = a⁻¹a = e. **How many of the eight undo themselves?** Guess, then let the
# computer search for each inverse.

# %%
found = {a: next(b for b in moves if compose(a, b) == e) for a in moves}
print(", ".join(f"({a})⁻¹ = {b}" for a, b in found.items()))
assert all(compose(b, a) == e and inverse(a) == b for a, b in found.items())
print(sum(a == b for a, b in found.items()), "of 8 undo themselves; a a⁻¹ = a⁻¹ a = e for all")

# %% [markdown]
# Six of them: `e`, the half turn `r²`, and all four mirrors, because reflecting twice in the same mirror changes
# nothing. Only `r` and `r³` undo each other. From here on we use the library's `inverse`, which needs no search.
#
# ## 4 Moves as matrices
#
# We read the rule R M = M R⁻¹ off a picture. Is it right? Ask an independent witness: linear algebra. Put the origin at
# the center of the square, with **x to the right and y up**. A quarter turn takes (1, 0) to (0, 1), and (0, 1) to
# (−1, 0); the two places where they arrive are the columns of R. The mirror takes x to −x.
#
# $$R=\begin{bmatrix}0&-1\\1&0\end{bmatrix},\qquad M=\begin{bmatrix}-1&0\\0&1\end{bmatrix}$$
#
# The pair (m, r) means "first the turns, then the mirror", so its matrix is $M^m R^r$. And "first b, then a" is the
# product of their matrices, with a's on the left. So the computer can check all 64 products.

# %%
from course_lib.groups import matrix

R, M = np.array([[0, -1], [1, 0]]), np.array([[-1, 0], [0, 1]])


def matrix_in_loops(a):
    result = np.eye(2, dtype=int)
    for step in [R] * a.r + [M] * a.m:
        result = step @ result  # what is done later goes on the left
    return result


print("matrix of mr:", matrix_in_loops(Element(1, 1)).tolist(), "as in the figure above")
assert all((matrix_in_loops(a) == matrix(a)).all() for a in moves)
assert all((matrix(a) @ matrix(b) == matrix(compose(a, b))).all() for a in moves for b in moves)
print("the loop and the library agree on 8 matrices, and all 64 products are right")

# %% [markdown]
# ## 5 The whole table
#
# All products fit into one square table: row a, column b holds ab. It is called the **Cayley table**. We store each
# product as its *position* in the list of elements, counted from 0, and write −1 if the product is not in the list.
#
# **Worked example.** Take the numbers 1, 2, 3, 4 and the product "multiply, then take the remainder modulo 5". Look at
# the row of 2 and the column of 4. The product is 2 · 4 = 8, which leaves the remainder 3. The number 3 is at position
# 2 of the list. So the entry is 2.
#
# The function below fills the table for any set and any product.


# %%
def cayley_table(elements, product):
    elements = list(elements)
    table = np.full((len(elements), len(elements)), -1)
    for i, a in enumerate(elements):
        for j, b in enumerate(elements):
            if (ab := product(a, b)) in elements:
                table[i, j] = elements.index(ab)
    return table


table = cayley_table(moves, compose)
assert all(sorted(line) == list(range(8)) for line in (*table, *table.T))
print(f"ab = ba for {(table == table.T).sum()} of 64 pairs, ab ≠ ba for {(table != table.T).sum()}")
cayley_table_figure(table, labels=moves).captioned("Every element appears exactly once in each row and in each column.")

# %% [markdown]
# **What do you notice** about the colors of a row? About the four blocks? About the table and its mirror image in the
# diagonal? Look for a minute before you read on.
#
# 1. Every row and every column holds every color once, as in a sudoku: the table is a *Latin square*. The reason is
#    that moves can be undone. If ab = ac, multiply both sides by a⁻¹ from the left, and you get b = c. So no product
#    appears twice in row a. For a column, multiply from the right.
# 2. In the blocks at the top left and bottom right, all products are rotations: two rotations, or two mirrors, make a
#    rotation. In the other two blocks all are mirrors: one of each makes a mirror.
# 3. It is *not* symmetric: ab ≠ ba for 24 pairs. A product with ab = ba for all pairs is called *commutative*; ours is
#    not. Many of the bugs that you will meet in later notebooks are products in the wrong order.
#
# ## 6 Is this set of transformations a group?
#
# What makes the eight moves so well-behaved? They have four properties, the **axioms**. A set with a product that has
# all four is a **group**.
#
# 1. **Closure:** ab is in the set, for all a and b in it.
# 2. **Associativity:** (ab)c = a(bc).
# 3. **Identity:** there is an e in the set with ea = ae = a for all a.
# 4. **Inverse:** for each a there is an a⁻¹ in the set with aa⁻¹ = a⁻¹a = e.
#
# For moves done in a row, associativity comes for free: both sides say "first c, then b, then a". The other three have
# to be checked. For a finite set, the Cayley table is enough to check all four. Here is the definition as loops; it
# stops at the first axiom that is broken.


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
# Now predict. Is each of these a group? If not, which axiom is the first that breaks?
#
# - **A** rotations of the square by 0°, 90°, 180°, done in a row
# - **B** the two moves `e` and `m`, done in a row
# - **C** the numbers 0, 1, 2, 3; the product is the larger of the two
# - **D** the numbers 0, 2, 4, 6; the product is "times, modulo 8"
# - **E** rock, paper, scissors; the product is the winner (or either one, if they are equal)
#
# Below the line `guess = {}`, write lines such as `guess["A"] = "closure"` or `guess["A"] = "group"`, then run the
# cell. It marks your guesses.

# %%
from course_lib.exercises.quiz import mark_guesses
from course_lib.groups import broken_axiom

guess = {}

beats = {("paper", "rock"), ("scissors", "paper"), ("rock", "scissors")}
quiz = {
    "A": cayley_table([e, r, Element(0, 2)], compose),
    "B": cayley_table([e, m], compose),
    "C": cayley_table(range(4), max),
    "D": cayley_table((0, 2, 4, 6), lambda a, b: a * b % 8),
    "E": cayley_table(("rock", "paper", "scissors"), lambda a, b: b if (b, a) in beats else a),
}
# Both tests must agree: the library's, written with NumPy, and ours.
assert all(broken_axiom(candidate) == broken_axiom_in_loops(candidate) for candidate in quiz.values())
mark_guesses(guess, {name: broken_axiom(candidate) or "group" for name, candidate in quiz.items()})

# %% [markdown]
# <details><summary>The reasons, one by one</summary>
#
# - **A** breaks closure: 90° + 180° = 270° is missing.
# - **B** is a group: `m` undoes itself, and there is nothing else to check.
# - **C** breaks the inverse axiom. 0 is the identity, because the larger of 0 and a is a. But once you have taken "the
#   larger of 3 and …", no second number brings the 0 back. In the same way, a ReLU, max(0, x), loses what a negative x
#   was.
# - **D** breaks the identity axiom. 2 · 2 = 4, 2 · 4 = 8 → 0 and 2 · 6 = 12 → 4: no product ever gives 2, so nothing
#   leaves 2 as it is.
# - **E** breaks associativity. (rock · paper) · scissors = paper · scissors = scissors, but
#   rock · (paper · scissors) = rock · scissors = rock.
# </details>
#
# ### Image augmentations
#
# Now take transformations of *images*, done in a row. Here two transformations count as equal if they do the same to a
# test image. Predict again, and write your guesses below the line `guess = {}`:
#
# - **F** leave the image as it is; flip it left-right; flip it up-down
# - **G** leave it as it is; erase its right half
# - **H** turn it by 0°, 30°, …, 330°, interpolating between pixels
# - **I** shift it left or right by any number of pixels; what leaves the frame is lost
# - **J** the same shifts, but what leaves the frame comes in again on the other side

# %%
from course_lib.actions import rotate_by_angle, translate
from course_lib.data import load_photograph

photograph = load_photograph().mean(dim=1, keepdim=True)  # (1, 1, 112, 112), gray
small = photograph[..., ::7, ::7]  # (1, 1, 16, 16)
augmentations = {
    "F": [lambda f: f, lambda f: f.flip(3), lambda f: f.flip(2)],
    "G": [lambda f: f, lambda f: f * (torch.arange(16) < 8)],
    "H": [lambda f, k=k: rotate_by_angle(30 * k, f) for k in range(12)],
    "I": [lambda f, k=k: translate((k, 0), f) for k in range(-16, 17)],
    "J": [lambda f, k=k: f.roll(k, 3) for k in range(16)],
}


# %%
def table_of_functions(functions, image):
    results = [f(image) for f in functions]

    def product(i, j):  # the position of the function that does what "first j, then i" does
        both = functions[i](functions[j](image))
        return next((k for k, result in enumerate(results) if torch.allclose(result, both, atol=1e-3)), -1)

    return cayley_table(range(len(functions)), product)


guess = {}

tables = {name: table_of_functions(functions, small) for name, functions in augmentations.items()}
mark_guesses(guess, {name: broken_axiom(candidate) or "group" for name, candidate in tables.items()})

# %% [markdown]
# When you have guessed, run the next cell. It prints all answers of both quizzes, and shows two of the sets at work on
# the full photograph.

# %%
for kind in ("group", "closure", "associativity", "identity", "inverse"):
    print(f"{kind + ':':15}", *(name for name, t in (quiz | tables).items() if (broken_axiom(t) or "group") == kind))

turned = photograph
for _ in range(12):
    turned = rotate_by_angle(30, turned)
shifted = translate((-40, 0), translate((40, 0), photograph))
photographs(
    {"before": photograph[0, 0], "12 turns by 30°": turned[0, 0], "40 px right, 40 px left": shifted[0, 0]}
).captioned("After twelve turns by 30°, and after a shift there and back, something of the photograph is lost.")

# %% [markdown]
# If turning and shifting *pixels* worked like turning and shifting *points*, the last two pictures would equal the
# first. The surprise is **H**. The *angles* 0°, 30°, …, 330° do form a group, like the hours of a clock. But turning
# *pixels* by 30° interpolates, and two blurred turns by 30° are not one blurred turn by 60°: closure is broken. **I**
# breaks closure too: a shift to the right and back again erases a stripe and leaves the rest in its place, and no
# single shift does that.
#
# <details><summary>The others</summary>
#
# - **F** breaks closure. Flip both ways, and you have made the half turn, which is missing. Add it, and you have a
#   group of four.
# - **G** breaks the inverse axiom: what is erased cannot be brought back. Cutout and cropping fail for the same reason.
# - **J** is a group: the test image is 16 pixels wide, so these shifts are a clock with sixteen hours, and no pixel is
#   lost.
# - A *random* rotation or crop is not one transformation but a way to choose one. Ask the question about the set that it
#   chooses from.
# </details>
#
# Clocks turn up for a good reason. Quarter turns done in a row behave exactly like the numbers 0, 1, 2, 3 under "plus,
# modulo 4": rename `rᵏ` to k, and one Cayley table becomes the other. Two groups whose tables agree after renaming are
# called **isomorphic**.
#
# ## 7 Generators and subgroups
#
# Suppose you may use only the quarter turn, as often as you like. Which of the eight moves can you reach? And which can
# you reach with `r` *and* `m`?
#
# <details><summary>Predict first…</summary>
#
# With `r`: e, r, r², r³, and then e again. With `r` and `m`: all eight, because every element is some number of turns,
# perhaps followed by a mirror.
# </details>

# %%
cayley_graph(groups.D4).captioned(
    "Along the solid arrows (r) you reach four elements, and only the dashed lines (m) lead to the other four."
)

# %% [markdown]
# Start at any circle. A solid arrow means "now do `r`", a dashed line "now do `m`". From `e` they lead everywhere.
# Follow the solid arrows on the right: m → mr³ → mr² → mr. The powers of `r` run backwards there, which is the
# rule R M = M R⁻¹ again.
#
# The moves that you may use are called **generators**, and the set of all that you can reach is the set that they
# **generate**. It is the smallest set that contains `e` and the generators and is closed under products.
#
# ### Exercise 1.2: everything that can be reached
#
# Which elements do the generators reach? How will your function know that it has found all of them?


# %%
@exercise
def generate(generators: Iterable[Element]) -> tuple[Element, ...]:
    """The smallest set with e and the generators that is closed under compose, as a sorted tuple.
    Examples: generate([]) == (e,); generate([r]) == (e, r, r², r³)."""
    ...


# %% [markdown]
# <!-- help: generate -->

# %% [markdown]
# A part of a group that is itself a group, with the same product, is called a **subgroup**. Whatever the generators,
# the set that they generate is a subgroup. It is closed and contains `e` by definition, and inverses come for free in a
# finite group: repeat a move often enough and you arrive at `e`. One repetition fewer gives the inverse: r⁴ = e, so r³ = r⁻¹.
#
# Among our eight moves, two generators are enough for each subgroup. **How many subgroups do you expect?**


# %%
def show(elements):
    return "{" + ", ".join(map(str, elements)) + "}"


found = {generate(pair) for pair in combinations([e, *moves], 2)}  # e twice: the pair (e, e) generates {e}
subsets = [subset for size in range(1, 9) for subset in combinations(moves, size)]
assert found == {subset for subset in subsets if broken_axiom(cayley_table(subset, compose)) is None}
print(*(f"{len(s)}  {show(s)}" for s in sorted(found, key=lambda s: (len(s), s))), sep="\n")
print(len(found), "subgroups, and no other among all", len(subsets), "non-empty subsets")
print("two mirrors, mr and mr², generate", show(generate([Element(1, 1), Element(1, 2)])))

# %% [markdown]
# The last printed line says that two mirrors whose axes are 45° apart generate everything, rotations included.
#
# Six of the ten subgroups have names. C*n* (cyclic) has n rotations, counting e; D*n* (dihedral) has n rotations and n
# mirrors. The other four are copies of D1 and D2 with other mirror axes. The six with names are *the* groups of this
# course, until notebook 12 adds finer turns. Every layer takes one of them as its argument `group`, which formulas call
# H. The number of its elements is its **order**, |H|.

# %%
for group in groups.ALL_GROUPS:
    print(f"{group.name}: |H| = {group.order}  {show(group.elements)}")
try:
    groups.Group("mine", (e, r, m))  # break it: a set that is not a group
except ValueError as error:
    print(error)

# %% [markdown]
# <details><summary>Aside: C4 and D2 both have four elements. Are they isomorphic?</summary>
#
# No. In D2 all four elements undo themselves, in C4 only `e` and `r²` do, and renaming cannot change that number.
# </details>
#
# ## 8 Cosets: a group in equal pieces
#
# A network that knows eight orientations will sometimes want to forget a distinction. Suppose you no longer care
# whether the square was flipped at the very beginning. Then the move h and the move hm ("first `m`, then h") get the
# same label. Take h = r. Its partner is rm, which is `mr³`; and the partner of `mr³` is mr³m, which is `r` again. So
# {r, mr³} is a pair, and the picture shows that all eight moves fall into such pairs.

# %%
cosets_figure(groups.D4, groups.D1).captioned(
    "The eight elements fall into four cosets of two, joined by thick lines, and none belongs to two of them."
)

# %% [markdown]
# Each pair is made from the subgroup {e, m} by writing the same h on the left of both members. The same works with any
# subgroup S in place of {e, m}, and the pieces are called the **left cosets** of S:
#
# $$hS = \{hs : s \in S\}$$
#
# In plain words: the coset of h holds every move that does "something from S, then h". (Coset pooling, in notebook
# 04, keeps one number for each coset.)
#
# ### Exercise 1.3: left cosets
#
# Different h can make the same coset. How will your function list each coset only once?


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

# %% [markdown]
# This is no accident. The cosets all have the same size, no two of them overlap, and together they fill the group.
# Therefore |S| **divides** |H|. This is Lagrange's theorem, and the reason why D4 has no subgroup with three elements.
#
# <details><summary>Why are the pieces equal, and why do they not overlap?</summary>
#
# - **All cosets have the same size.** h can be undone, so hs and hs′ are different whenever s and s′ are.
# - **Two cosets are either equal or have no member in common.** Suppose they share one: hs = ks′. Then h = k(s′s⁻¹).
#   Since s′s⁻¹ is in S, h is a member of kS. So is every other member hs″ of hS, because hs″ = k(s′s⁻¹s″). The same
#   argument with h and k swapped shows that hS = kS.
# - **No element is left over.** h = he is in hS.
# </details>
#
# ## 9 Adding shifts: p4 and p4m
#
# A convolution shifts a filter over the pixels. So we need turns, mirrors *and* shifts of the **lattice** Z², the set
# of points with integer coordinates. A move is now a pair g = (t, h): **first** the turn or mirror h, about the origin,
# **then** the shift t = (u, v), u to the right and v up.
#
# $$g\,x = h\,x + t$$
#
# Here x is a whole point, a column of two numbers, and hx is the matrix of h times this column.
#
# All these moves together are called **p4m**; those without mirrors are called **p4**. The names come from
# crystallography, where there are 17 kinds of repeating patterns in the plane, the *wallpaper groups*: p stands for a
# *primitive* lattice, 4 for fourfold rotations, m for mirrors.
#
# In the library a move is an `Isometry(m, r, u, v)`; an isometry is a map that keeps all distances.
#
# **Worked example.** Take a quarter turn, then a shift by 4 to the right. The point (1, 0) turns to (0, 1), which is
# then shifted to (4, 1).

# %%
from course_lib.wallpaper import Isometry, act_on_points

turn_and_shift = Isometry(m=0, r=1, u=4, v=0)
letter = np.array([(0, 2), (0, 1), (0, 0), (1, 0)])  # an L of lattice points
turned_only = act_on_points(Isometry(0, 1, 0, 0), letter)
steps = {"before": letter, "turned": turned_only, "then shifted": act_on_points(turn_and_shift, letter)}
lattice_points(steps).captioned(
    "The letter is turned about the origin first, and shifted afterwards; the arrows follow its point 4."
)

# %% [markdown]
# Circles show the L before, diamonds after the turn about the origin, squares when it has moved to the right, too.
#
# ### Exercise 1.4: the product in p4m
#
# Do one move k = (t′, h′), and then another, g = (t, h). The result is again a move of this kind. What are its shift
# and its point part, the turn or mirror? Find them with pencil and paper: follow a point x. The move k takes it to
# h′x + t′. Where does g take *that*?
#
# **A worked case to test your answer.** Shift by (1, 0), then make a quarter turn. The origin goes to (1, 0) and then to
# (0, 1). So the product's shift is (0, 1), not (1, 0).


# %%
@exercise
def semidirect_product(g: Isometry, k: Isometry) -> Isometry:
    """The product gk, "first k, then g". g.point_part is the Element h, g.shift the array t = (u, v).
    Example: a quarter turn after a shift by (1, 0) is Isometry(0, 1, 0, 1): the shift now points up."""
    ...


# %% [markdown]
# <!-- help: semidirect_product -->

# %% [markdown]
# **Break it.** What if you simply add the shifts, and leave t′ unturned? The product (t + t′, hh′) is called the *direct
# product*. With it, the pairs (t, h) even form a group. So what is wrong with it? Predict, then compare the pictures.


# %%
def direct_product(g, k):
    return Isometry(*compose(g.point_part, k.point_part), g.u + k.u, g.v + k.v)


rng = np.random.default_rng(0)
some = [Isometry(*rng.integers((0, 0, -5, -5), (2, 4, 6, 6)).tolist()) for _ in range(30)]
for g, k in zip(some, reversed(some), strict=True):
    step_by_step = act_on_points(g, act_on_points(k, letter))
    assert (act_on_points(semidirect_product(g, k), letter) == step_by_step).all()
print("30 random pairs: moving the L by gk is the same as moving it by k and then by g")
turn_only, shift_only = Isometry(0, 1, 0, 0), Isometry(0, 0, 3, 0)
one_by_one = act_on_points(turn_only, act_on_points(shift_only, letter))
products = {"semidirect product": semidirect_product, "direct product": direct_product}
at_once = {name: act_on_points(product(turn_only, shift_only), letter) for name, product in products.items()}
print({name: bool((moved == one_by_one).all()) for name, moved in at_once.items()})
points_side_by_side({"start": letter, "3 right, then turn": one_by_one, **at_once}).captioned(
    "Only the semidirect product does in one move what the two moves do one after the other."
)

# %% [markdown]
# The third picture equals the second, the fourth does not. The direct product is a group, but it is not the group of
# *our* moves. The axioms alone do not tell you that you have the right group; moving points does.
#
# Here is the rule for our moves. The point x goes to h′x + t′, and then to h(h′x + t′) + t. Sort the terms: this is
# (hh′)x + (t + ht′). So the product has the point part hh′ and the shift t + ht′:
#
# $$(t, h)\,(t', h') = (t + h\,t',\; h h')$$
#
# In plain words: h acts on whatever was done before it, and so the earlier shift t′ **gets turned on the way**. Pairs
# of a shift and an element of H, with this product, form the **semidirect product** Z² ⋊ H. So p4 = Z² ⋊ C4, and p4m =
# Z² ⋊ D4.
#
# ### Exercise 1.5: the inverse in p4m
#
# g takes x to y = hx + t. Which move takes y back to x? Solve for x, and write the answer in the form "something
# applied to y, plus a shift".


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
points_side_by_side({"start": letter, "there": there, "and back": back, "back with −t": unturned}).captioned(
    "The inverse brings the letter back to its start; with the shift −t left unturned it ends elsewhere."
)

# %% [markdown]
# From y = hx + t we get x = h⁻¹(y − t) = h⁻¹y − h⁻¹t. So the way back turns by h⁻¹ and shifts by −h⁻¹t:
#
# $$(t, h)^{-1} = (-h^{-1} t,\; h^{-1})$$
#
# In plain words: to go back, undo the shift first, and then undo the turn. The turn back also turns the −t.
#
# **Is p4m a group?** It is infinite, so we cannot write down its table, but we have found everything that the axioms
# ask for. *Closure:* t + ht′ has integer coordinates, and hh′ is one of the eight. *Associativity:* these are moves in
# a row. *Identity:* no shift and no turn, (0, e). *Inverse:* exercise 1.5. The group p4 is a subgroup of p4m, and so is
# the set of all pure shifts.
#
# ### Exercise 1.6: design a group
#
# This one has many right answers. **Find a finite group of moves in p4m that has at least four elements and in which
# at least one element has a shift other than (0, 0).** That element cannot be a pure shift: however often you repeat a
# pure shift, you never come back. So where could the shifts come from? Think of a sheet of graph paper and a pin. What
# can you do that takes the grid to itself, and returns after a few steps?


# %%
@exercise
def group_with_shifts() -> tuple[Isometry, ...]:
    """The elements of a finite group in p4m: at least four, and at least one with a shift other than (0, 0)."""
    ...


# %% [markdown]
# <!-- help: group_with_shifts -->

# %%
for g in group_with_shifts():
    print(f"{g.point_part!s:>3}, then shift by {g.shift.tolist()}")

# %% [markdown]
# If the cells use the reference, you see the four rotations about the point (½, ½), the middle of a square of the grid.
# It is not a lattice point, and yet these rotations take the lattice to itself. Notebook 02 needs such rotations,
# since the center of an image with an even number of pixels per side lies between pixels.
#
# <details><summary>Aside: why only these eight, and no turns by 45° or 60°?</summary>
#
# Which moves keep the origin in place, keep all distances, and take the lattice to itself? Such a move must take (1, 0)
# to a lattice point at distance 1 from the origin. There are only four: (1, 0), (0, 1), (−1, 0) and (0, −1). A move that
# keeps distances also keeps right angles, so (0, 1) must go to one of the two points at a right angle to the first. And
# a move that keeps distances and fixes the origin is linear, so these two points decide where all others go. That makes
# 4 · 2 = 8 moves, and we have them all.
#
# After a turn by 45°, most lattice points fall between the lattice points. The image has no values there, so they would
# have to be interpolated, and set H of the quiz showed what that costs. Turns by 60° need another lattice, that of
# triangles, whose pixels are hexagons.
# </details>
#
# ## Recap
#
# - A **group** is closed and associative, has an identity, and everything in it can be undone. Ask this of any set of
#   transformations.
# - D4 has eight elements (m, r): rotate, then mirror. The rule R M = M R⁻¹ gives all products, and the **Cayley table**
#   holds them.
# - **Subgroups** are parts that are groups themselves; **cosets** are the equal pieces into which they cut the group.
# - **p4** and **p4m** add shifts, and a shift gets turned on the way: (t, h)(t′, h′) = (t + ht′, hh′).
# - All that the layers of later notebooks need to know about a group is in one argument, a `Group`.
#
# As a last check, compare what you built (or the reference) with the library on random input.

# %%
for _ in range(20):
    g, k = (Isometry(*rng.integers((0, 0, -9, -9), (2, 4, 9, 9)).tolist()) for _ in range(2))
    a, b = g.point_part, k.point_part
    assert compose(a, b) == groups.compose(a, b)
    assert generate([a, b]) == groups.generate([a, b])
    assert left_cosets(moves, generate([a])) == groups.left_cosets(moves, groups.generate([a]))
    assert semidirect_product(g, k) == wallpaper.semidirect_product(g, k)
    assert semidirect_inverse(g) == wallpaper.semidirect_inverse(g)
print("your functions and the library's agree")

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
