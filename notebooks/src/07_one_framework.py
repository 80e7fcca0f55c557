# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 07 One framework for equivariant layers
#
# The group convolution of [notebook 04](04_group_convolution.ipynb) is equivariant. Is it the only layer that is? If so, every equivariant network would be made of group convolutions. If not, what else is possible, and how would you recognize it?
#
# The question matters in practice. People keep inventing layers: attention, filters that depend on the image, gates. Checking each of them for equivariance, one by one, is tedious and error-prone. In this notebook you prove one condition that covers most of them. You will find that group convolution is
# the only *linear* equivariant layer between maps on the group, that there are many nonlinear ones, and what they all have in common.
#
# **You will be able to**
# - say what an equivariant layer may know about *where* things are, and prove it;
# - read the filter out of any linear equivariant layer, even one that is a black box;
# - write group convolution and self-attention as two cases of one formula, and invent a case of your own;
# - build group self-attention with relative positions, and see where a pixel looks;
# - place the main layers of this course, including two still ahead, on one map.
#
# **What you need before:** notebooks 01 to 04 and 06 (elements of p4m, feature maps on the group, group and separable convolution).
#
# **Time:** about 120 minutes, with seven exercises. **Hardware:** any laptop, no GPU, no internet.

# %%
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from course_lib import framework, oracles
from course_lib.actions import act_on_feature_map, act_on_image
from course_lib.checks import equivariance_error
from course_lib.data import load_digits
from course_lib.exercises import exercise, progress
from course_lib.figures.attention import Look, attention_figure, attention_map
from course_lib.figures.framework import framework_map, relative_position_table, relative_positions
from course_lib.framework import GroupFunction, Head, as_feature_map, as_function, heads_of, transform
from course_lib.groups import ALL_GROUPS, C1, C4, D4, Element, Group, inverse
from course_lib.kernels import attention_weights
from course_lib.layers import (
    GroupConv2d,
    GroupSelfAttention2d,
    GSeparableConv2d,
    LiftingConv2d,
    neighborhoods,
    position_bank,
)
from course_lib.wallpaper import Isometry, semidirect_inverse, semidirect_product

# %%
e, r, m = Isometry(0, 0, 0, 0), Isometry(0, 1, 0, 0), Isometry(1, 0, 0, 0)  # as elements of p4m, without a shift


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def say(error: float) -> str:
    return "exact" if error < 1e-10 else f"broken, {error:.1f}"


# %% [markdown]
# ## 1 Where is it, seen from here?
#
# In a group convolution, write g = (t, h) for the element at which you want the result, and g̃ = (t̃, h̃) for an element that the sum visits. (Notebook 04 called them p and q.) The filter's argument was (h⁻¹(t̃ − t), h⁻¹h̃). By notebook 01, g⁻¹ = (−h⁻¹t, h⁻¹), and the product rule gives g⁻¹g̃ = (h⁻¹t̃ − h⁻¹t, h⁻¹h̃). So the argument is simply the group element g⁻¹g̃:
#
# $$f'(g) = \sum_{\tilde g} \psi(g^{-1}\tilde g)\, f(\tilde g)$$
#
# Here ψ(ĝ) is a matrix with one row for each output channel and one column for each input channel. The element ĝ = g⁻¹g̃ is called the **relative position** of g̃: it says where g̃ lies *as seen from* g.
#
# You can draw an element of p4m as the letter F that it has carried to some place. Here are three pairs of elements:

# %%
g, other = Isometry(0, 0, 0, 0), Isometry(0, 1, 2, 1)
turn_and_shift, mirror_and_shift = Isometry(0, 1, 6, 0), Isometry(1, 0, 10, 0)
pairs = [(g, other)]
for u in (turn_and_shift, mirror_and_shift):
    pairs.append((semidirect_product(u, g), semidirect_product(u, other)))
relative_positions(pairs).captioned(
    "From g, the filled letter, to g̃, the outline: all three pairs have the same relative position g⁻¹g̃."
)

# %% [markdown]
# <details><summary>Predict first: stand on the filled F and take its upright stroke as your "up" and its arms as your "right". Where is the outline, as you see it? In which of the three pairs is the answer different?</summary>
#
# It is the same in all three: two steps to the right, one step up, and a quarter turn. Each F measures in its own frame. The green F is mirrored, and so is its "right".
#
# </details>


# %%
@exercise
def relative_position(g: Isometry, other: Isometry) -> Isometry:
    """g⁻¹g̃: where g̃ lies as seen from g.
    Example: from g = r, the element r² lies one quarter turn further, at r.
    """
    ...


# %% [markdown]
# <!-- help: relative_position -->

# %%
for pair in pairs:
    print(f"{relative_position(*pair)}")

# %% [markdown]
# All three pairs have the same relative position. The reason is that the second and the third pair are the first one, moved by some element u, and such a common move cancels:
#
# $$(ug)^{-1}(u\tilde g) = g^{-1}u^{-1}u\,\tilde g = g^{-1}\tilde g$$
#
# **In plain words:** when the whole image is moved, every element moves, but no element sees another one in a new place.

# %% [markdown]
# ## 2 A sum over pairs
#
# Now let a layer do *anything* with a pair of features, and add up the results. For each pair of places it has a function $H_{g,\tilde g}$:
#
# $$f'(g) = \sum_{\tilde g} H_{g,\tilde g}\big(f(g), f(\tilde g)\big)$$
#
# These are the symbols of this notebook. Most are those of the paper by He et al., from which this section and the next are taken:
#
# | symbol | what it is |
# |---|---|
# | g, g̃ | elements of the group: where the result belongs, and what the sum visits |
# | ĝ = g⁻¹g̃ | the relative position of g̃ |
# | $H_{g,\tilde g}(x, y)$ | what a general layer does with a pair of features; one function for each pair of places |
# | $\tilde H_{\hat g}(x, y)$ | the same, with one function for each *relative* position only |
# | \|H\| | the number of sheets; in the formulas, the group H of notebook 04 appears only between these bars |
# | $T_u f$ | the function f after a move by u: $[T_u f](g) = f(u^{-1}g)$ |
# | $h_Q, h_K, h_V$ | the matrices of self-attention, in section 6; not elements of the group |
#
# To run such sums exactly as they are written, treat f as what it is: a function on the group. `as_function` turns a feature map into a dictionary from elements to vectors of C numbers; the bottom left pixel of the map has the shift (0, 0). `as_feature_map` goes back. `transform(u, f)` is $T_u f$: what was at g is now at ug.

# %%
small = as_function(torch.tensor([1.0, 2.0, 3.0, 4.0]).reshape(1, 4, 1, 1), C4)
for where, vector in transform(r, small).items():
    print(f"T_r f at {where.point_part!s:>2}: {vector.item():g}")

# %% [markdown]
# On a whole map, T_u does what you know from notebook 02: it turns the sheets and permutes them. (It also shifts the map as a whole, which `as_feature_map` does not show.)

# %%
f = noise(2, 8, 3, 4)
for h in D4.elements:
    u = Isometry(*h, 5, -2)
    assert torch.equal(as_feature_map(transform(u, as_function(f, D4)), D4), act_on_feature_map(h, f, D4))
print("T_u equals act_on_feature_map for the 8 elements of D4, each with a shift.")


# %%
def pairwise_sum(f: GroupFunction, term: Callable) -> dict[Isometry, Tensor]:
    """f′(g) = Σ_g̃ H_{g,g̃}(f(g), f(g̃)), with term(g, g̃, f(g), f(g̃))"""
    return {g: torch.stack([term(g, other, f[g], f[other]) for other in f]).sum(dim=0) for g in f}


# %% [markdown]
# A group convolution is a special case of such a sum. What makes it special is that it may use the *places* g and g̃ in one way only, through g⁻¹g̃. Keep this restriction and drop all others:
#
# $$f'(g) = \sum_{\tilde g} \tilde H_{g^{-1}\tilde g}\big(f(g), f(\tilde g)\big)$$
#
# There is one function $\tilde H_{\hat g}(x, y)$ for each relative position ĝ; x stands for the feature at g, and y for the feature at g̃.
#
# **In plain words:** two pairs in which g sees g̃ at the same place are treated alike.


# %%
@exercise
def equivariant_sum(f: GroupFunction, term: Callable[[Isometry, Tensor, Tensor], Tensor]) -> dict[Isometry, Tensor]:
    """f′(g) = Σ_g̃ H̃_{g⁻¹g̃}(f(g), f(g̃)), with term(g⁻¹g̃, f(g), f(g̃)).
    Example: with term(position, x, y) = y, every f′(g) is the sum of all vectors of f.
    """
    ...


# %% [markdown]
# <!-- help: equivariant_sum -->
#
# A case small enough to do in your head: one pixel, f = (1, 2, 3, 4) on C4, and the weights 1, 10, 100, 1000 for ĝ = e, r, r², r³.
#
# <details><summary>Predict first: the four numbers. You have seen them before.</summary>
#
# 4321, 1432, 2143, 3214. This is the group convolution of one pixel from notebook 04. For instance at r: there g⁻¹g̃ = e for g̃ = r, which has the value 2; r² (3) is seen at r, r³ (4) at r², and e (1) at r³. So it is 2 + 30 + 400 + 1000 = 1432.
#
# </details>

# %%
weights = {Isometry(0, k, 0, 0): 10**k for k in range(4)}
result = equivariant_sum(small, lambda position, x, y: weights[position] * y)
print([int(value) for value in result.values()])
relative_position_table(D4).captioned(
    "The relative position g⁻¹g̃ of every pair: each occurs once in every row and in every column, so each weight is used equally often."
)

# %% [markdown]
# The table shows g⁻¹g̃ for all 64 pairs of D4. A general layer has 64 functions, one for each cell. If all cells of one color share one function, only eight functions are left.
#
# ## 3 Which sums over pairs are equivariant?
#
# **Theorem 1** (He et al., 2021). *A sum over pairs, $\sum_{\tilde g} H_{g,\tilde g}$, is equivariant if and only if there are functions $\tilde H_{\hat g}$ such that, for all f and all g, it equals $\sum_{\tilde g}\tilde H_{g^{-1}\tilde g}$.*
#
# **In plain words:** the layers that use only relative positions are equivariant, and there are no others among the sums over pairs.
#
# ### If it uses relative positions, it is equivariant
#
# Call the layer Φ. Apply it to the moved function $T_u f$, and write down the result at g:
#
# $$\begin{aligned}
# {}[\Phi(T_u f)](g) &= \textstyle\sum_{\tilde g} \tilde H_{g^{-1}\tilde g}\big(f(u^{-1}g), f(u^{-1}\tilde g)\big) && (1)\\
# &= \textstyle\sum_{\tilde g} \tilde H_{g^{-1}u\tilde g}\big(f(u^{-1}g), f(\tilde g)\big) && (2)\\
# &= \textstyle\sum_{\tilde g} \tilde H_{(u^{-1}g)^{-1}\tilde g}\big(f(u^{-1}g), f(\tilde g)\big) = [\Phi f](u^{-1}g) = [T_u\Phi f](g) && (3)
# \end{aligned}$$
#
# - (1) is the definition of the layer, with $[T_u f](g) = f(u^{-1}g)$ written out.
# - From (1) to (2): write ug̃ instead of g̃. While g̃ runs through the whole group, so does ug̃. So the sum has the same terms in another order.
# - From (2) to (3): g⁻¹u = (u⁻¹g)⁻¹. Now the sum is the layer itself, at the place u⁻¹g.
#
# Where did we use what $\tilde H$ *does* with x and y? Nowhere. So let it do something silly. We check each line on D4 alone, with eight elements and no pixels, since the theorem does not care which group it is. The cell that does the bookkeeping is folded.

# %%
points = [Isometry(*h, 0, 0) for h in D4.elements]
f = {g: noise(2, seed=i) for i, g in enumerate(points)}
strange = {g: noise(2, 2, seed=10 + i) for i, g in enumerate(points)}
product, inv = semidirect_product, semidirect_inverse


# %%
def silly(position: Isometry, x: Tensor, y: Tensor) -> Tensor:
    return torch.sin(strange[position] @ y) * x.max() + y.abs().sqrt()


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def lines(u: Isometry, g: Isometry) -> list[Tensor]:
    back = product(inv(u), g)
    line_1 = sum(silly(product(inv(g), k), f[back], f[product(inv(u), k)]) for k in points)
    line_2 = sum(silly(product(inv(g), product(u, k)), f[back], f[k]) for k in points)
    line_3 = sum(silly(product(inv(back), k), f[back], f[k]) for k in points)
    by_layer = equivariant_sum(transform(u, f), silly)[g], transform(u, equivariant_sum(f, silly))[g]
    return [line_1, line_2, line_3, *by_layer]


results = [lines(u, g) for u in points for g in points]
equal = sum(all(torch.allclose(one[0], line) for line in one) for one in results)
print(f"Lines (1) to (3) and both ends are equal for {equal} of {len(results)} pairs (u, g).")

# %% [markdown]
# ### If it is equivariant, it can be written with relative positions
#
# Now start with any family of 64 functions $H_{g,\tilde g}$. We know only one thing about it: the layer is equivariant, Φ(T_u f) = T_u Φ(f). Write both sides out at the place g:
#
# $$\begin{aligned}
# [\Phi(T_u f)](g) &= \textstyle\sum_{\tilde g} H_{g,\,\tilde g}\big(f(u^{-1}g), f(u^{-1}\tilde g)\big) = \sum_{\tilde g} H_{g,\,u\tilde g}\big(f(u^{-1}g), f(\tilde g)\big)\\
# [T_u\Phi(f)](g) &= [\Phi f](u^{-1}g) = \textstyle\sum_{\tilde g} H_{u^{-1}g,\,\tilde g}\big(f(u^{-1}g), f(\tilde g)\big)
# \end{aligned}$$
#
# In the first line we have again written ug̃ instead of g̃. Equivariance says that the two right-hand sides are equal:
#
# $$\begin{aligned}
# \textstyle\sum_{\tilde g} H_{g,\,u\tilde g}\big(f(u^{-1}g), f(\tilde g)\big) &= \textstyle\sum_{\tilde g} H_{u^{-1}g,\,\tilde g}\big(f(u^{-1}g), f(\tilde g)\big) && (4)\\
# \textstyle\sum_{\tilde g} H_{ug,\,u\tilde g}\big(f(g), f(\tilde g)\big) &= \textstyle\sum_{\tilde g} H_{g,\tilde g}\big(f(g), f(\tilde g)\big) && (5)\\
# \textstyle\sum_{\tilde g} H_{e,\,g^{-1}\tilde g}\big(f(g), f(\tilde g)\big) &= \textstyle\sum_{\tilde g} H_{g,\tilde g}\big(f(g), f(\tilde g)\big) && (6)
# \end{aligned}$$
#
# - From (4) to (5): (4) holds for every g, so we may write ug instead of g. Then u⁻¹g becomes g.
# - From (5) to (6): (5) holds for every u, so we may take u = g⁻¹. Then ug becomes e.
#
# Read (6) from right to left: the layer at g is made of the functions $H_{e,\,\cdot}$ only, those of the first row of the table. Call them $\tilde H_{\hat g} = H_{e,\hat g}$, and the proof is done.
#
# Let us test this on two layers that seem to use the places freely. Both begin with the equivariant layer above and add $c_{g,\tilde g}\, x$ to each of its terms. In `hidden` the c are random numbers that sum to zero over g̃ for each g; in `free` their sums are not zero. We count for how many u and g the lines (4), (5) and (6) hold; again the bookkeeping is folded.

# %%
c = noise(8, 8, seed=30)
c_zero = c - c.mean(dim=1, keepdim=True)
index = {g: i for i, g in enumerate(points)}


# %%
def hidden(g: Isometry, other: Isometry, x: Tensor, y: Tensor) -> Tensor:
    return silly(relative_position(g, other), x, y) + c_zero[index[g], index[other]] * x


def free(g: Isometry, other: Isometry, x: Tensor, y: Tensor) -> Tensor:
    return silly(relative_position(g, other), x, y) + c[index[g], index[other]] * x


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def how_often(H: Callable) -> dict[str, int]:
    def holds(place: Isometry, u: Isometry, g: Isometry) -> bool:
        left = sum(H(place, product(u, k), f[g], f[k]) for k in points)
        return torch.allclose(left, sum(H(g, k, f[g], f[k]) for k in points))

    line_4 = sum(holds(g, u, product(inv(u), g)) for g in points for u in points)
    line_5 = sum(holds(product(u, g), u, g) for g in points for u in points)
    line_6 = sum(holds(e, inv(g), g) for g in points)
    return {"(4), of 64": line_4, "(5), of 64": line_5, "(6), of 8": line_6}


# %%
print("hidden:", how_often(hidden))
print("free:  ", how_often(free))
row_of_e = equivariant_sum(f, lambda position, x, y: hidden(e, position, x, y))
whole = pairwise_sum(f, hidden)
print("the row of e makes the whole layer `hidden`:", all(torch.allclose(row_of_e[g], whole[g]) for g in points))

# %% [markdown]
# `hidden` satisfies all lines, so it is equivariant: in each sum the numbers c cancel. `free` satisfies (4) and (5) only for u = e, and (6) only for g = e. There both sides are the same sum, so every layer satisfies them.
#
# **Break it on purpose.** Change what the term knows about places, and run. Add a line of your own.
#
# <details><summary>Predict first: which of these seven are equivariant on D4: g⁻¹g̃, g̃⁻¹g, g̃g⁻¹, gg̃, g̃ alone, g alone, whether m is in g̃? And on C4?</summary>
#
# On D4 only the first two. g̃⁻¹g is the inverse of g⁻¹g̃, so it carries the same information. On C4 there are two more. The elements of C4 commute, so g̃g⁻¹ = g⁻¹g̃. And no element of C4 contains m, so the last one says nothing about places.
#
# </details>

# %%
knows = {
    "g⁻¹g̃": lambda g, other: relative_position(g, other),
    "g̃⁻¹g": lambda g, other: relative_position(other, g),
    "g̃g⁻¹": lambda g, other: product(other, inv(g)),
    "gg̃": product,
    "g̃ alone": lambda g, other: other,
    "g alone": lambda g, other: g,
    "whether m in g̃": lambda g, other: m if other.m else e,
}


# %%
def distance(one: GroupFunction, two: GroupFunction) -> float:
    largest = max(vector.abs().max().item() for vector in two.values())
    return max((one[g] - two[g]).abs().max().item() for g in one) / largest


def deviation(layer: Callable, f: GroupFunction, moves: Sequence[Isometry]) -> float:
    """The largest |Φ(T_u f) − T_u Φ(f)|, relative to the largest value."""
    return max(distance(layer(transform(u, f)), transform(u, layer(f))) for u in moves)


# %%
def layer_that_knows(position: Callable) -> Callable:
    return lambda f: pairwise_sum(f, lambda g, other, x, y: silly(position(g, other), x, y))


for name, position in knows.items():
    errors = [deviation(layer_that_knows(position), {g: f[g] for g in us}, us) for us in (points[:4], points)]
    print(f"{name:<15} on C4: {say(errors[0]):<12} on D4: {say(errors[1])}")

# %% [markdown]
# ### What the theorem does not say
#
# - **It speaks about sums over pairs.** A layer in which three elements meet at once is not covered, nor is one that divides by a sum. (Section 6 finds a way around the second.)
# - **It speaks about feature maps on the group**, on which $T_u$ acts by moving and permuting, the *regular* action. Features that change in another way, such as vectors that rotate, need another theorem. The authors name both limits themselves.
# - **It speaks about the sum, not about single terms.** `hidden` and its first row are the same layer, made of different terms.
#
# ## 4 The only linear layer
#
# Back to the opening question. Suppose that a layer takes feature maps on the group to feature maps on the group, and that it is linear and equivariant. What can it be? Three steps:
#
# 1. A linear layer multiplies each f(g̃) by some matrix $A_{g,\tilde g}$ and adds: $[\Phi f](g) = \sum_{\tilde g} A_{g,\tilde g}\, f(\tilde g)$. (Every f is a sum of functions that are nonzero at one place only.)
# 2. This is a sum over pairs with $H_{g,\tilde g}(x, y) = A_{g,\tilde g}\,y$. So by the theorem we may replace $A_{g,\tilde g}$ by $A_{e,\,g^{-1}\tilde g}$.
# 3. Call $\psi(\hat g) = A_{e,\hat g}$. Then $[\Phi f](g) = \sum_{\tilde g} \psi(g^{-1}\tilde g)\, f(\tilde g)$, which is the group convolution.
#
# **So between maps on the group, group convolution is the only linear equivariant layer.** Whoever hands you a linear equivariant layer, however it was built, has handed you a group convolution with some filter. Prove it by finding the filter! You get the layer as a black box: a function that you may call as often as you like, but not look into.


# %%
@exercise
def filter_of_layer(
    layer: Callable[[GroupFunction], GroupFunction], points: Sequence[Isometry], channels: int
) -> dict[Isometry, Tensor]:
    """The filter {ĝ: ψ(ĝ)} of a linear equivariant layer; each ψ(ĝ) is a matrix (O, C) with C = channels.
    ``points`` are all elements of the group, e among them. ``layer`` maps {g: vector (C,)} to {g: vector (O,)}.
    """
    ...


# %% [markdown]
# <!-- help: filter_of_layer -->
#
# Now let us try it on a layer that was not built as a convolution. Take any 16 × 16 matrix, that is, any linear map of two channels on D4, and make it equivariant by the group average of notebook 03: move the input by u, apply the matrix, move back, and take the mean over all u.

# %%
anything = noise(16, 16, seed=40).float()


def black_box(f: GroupFunction) -> dict[Isometry, Tensor]:
    def matrix_on(f: GroupFunction) -> dict[Isometry, Tensor]:
        return dict(zip(points, (anything @ torch.cat([f[g] for g in points])).split(2), strict=True))

    moved = [transform(inv(u), matrix_on(transform(u, f))) for u in points]
    return {g: torch.stack([one[g] for one in moved]).mean(dim=0) for g in points}


# %%
f32 = {g: vector.float() for g, vector in f.items()}
psi = filter_of_layer(black_box, points, 2)
convolved = equivariant_sum(f32, lambda position, x, y: psi[position] @ y)
print(
    "The black box is a group convolution:", all(torch.allclose(convolved[g], black_box(f32)[g], atol=1e-5) for g in f)
)

# %% [markdown]
# **Break it on purpose.** `filter_of_layer` also returns a filter for layers that are not linear, or not equivariant. What is it worth?
#
# <details><summary>Predict first: does the convolution with that filter equal the layer, if the layer is the matrix without the average? And if it is the black box followed by a ReLU?</summary>
#
# No, in both cases. Without the average the layer is linear but not equivariant, so the answer at e says nothing about the answers elsewhere. With the ReLU it is equivariant but not linear, so the answers to impulses do not add up.
#
# </details>

# %%
others = {
    "the black box": black_box,
    "the matrix alone": lambda f: dict(
        zip(points, (anything @ torch.cat([f[g] for g in points])).split(2), strict=True)
    ),
    "the black box and ReLU": lambda f: {g: vector.relu() for g, vector in black_box(f).items()},
}
for name, layer in others.items():
    psi = filter_of_layer(layer, points, 2)
    convolved = equivariant_sum(f32, lambda position, x, y, psi=psi: psi[position] @ y)
    print(f"{name:<23}: is a group convolution: {distance(convolved, layer(f32)) < 1e-5}")

# %% [markdown]
# ## 5 With space: filters and windows
#
# In the last two sections the group had at most eight elements, and there were no pixels. Now take whole feature maps. A filter is stored as a table of |H| sheets with k × k entries, and ψ(ĝ) is one of these entries. Which one? For ĝ = (t̂, ĥ) it is on the sheet of ĥ, at the pixel that lies t̂ away from the middle: to the right by its first number, and up by its second.


# %%
@exercise
def entry_at(table: Tensor, position: Isometry, group: Group) -> Tensor:
    """The entry of a table (..., |H|, k, k), k odd, for a relative position: (...), zero outside of the window.
    Example: in a 3 × 3 table the position u = 1, v = 1 (right and up) is row 0, column 2.
    """
    ...


# %% [markdown]
# <!-- help: entry_at -->
#
# A group convolution is then one line, $\tilde H_{\hat g}(x, y) = \psi(\hat g)\,y$. It does not use the feature x at all. A separable convolution is the same line, and its filter is, for each pair of channels, a kernel times a weight for each sheet, $\psi(\hat t, \hat h) = K(\hat t)\, w(\hat h)$.


# %%
def convolution(f: Tensor, psi: Tensor, group: Group) -> Tensor:
    sums = equivariant_sum(as_function(f, group), lambda position, x, y: entry_at(psi, position, group) @ y)
    return as_feature_map(sums, group)


for group in ALL_GROUPS:
    f = noise(2, group.order, 2, 3)
    for kind in (GroupConv2d, GSeparableConv2d):
        conv = kind(group, 2, 2, 3, padding="same", bias=False).double()
        with torch.no_grad():
            torch.testing.assert_close(convolution(f, conv.filters(), group), conv(f[None])[0])
print("The sum over pairs equals GroupConv2d and GSeparableConv2d, for", *ALL_GROUPS)

# %% [markdown]
# Outside the map f has no entries, and the sum does not go there. For a convolution this is the same as padding with zeros. The theorem survives the border, because T_u moves the border together with the map.
#
# ## 6 Weights that look: self-attention
#
# That settles the linear layers. What about the others? A convolution weighs y = f(g̃) by *where* g̃ is, never by *what* is there. The theorem allows more: the weight may depend on x and y. **Self-attention** is the best-known layer that makes use of this. Each g asks a question, the **query** $h_Q(f(g))$. Each g̃ offers a **key** $h_K(f(\tilde g))$ and a **value** $h_V(f(\tilde g))$. The larger the dot product of query and key,
# the larger the weight of the value in the result at g. Here is a small example: one pixel, f = (0, 1, 2, 3) on C4, and matrices for which the dot product, called the score, is ln 2 · xy for each pair. Scores may be negative, but weights should be positive and sum to 1. So attention takes exp(score), here $2^{xy}$, and divides by the sum: the weights of the four values are these powers of two, divided by their sum.
#
# <details><summary>Predict first: the result at e, where x = 0, and at r, where x = 1.</summary>
#
# At e all four weights are equal, so the result is the mean, 1.5. At r the powers are 1, 2, 4, 8, and the result is (0·1 + 1·2 + 2·4 + 3·8) / 15 = 34/15.
#
# </details>
#
# This is the definition:
#
# $$f'(g) = \sum_{\tilde g} \operatorname{softmax}_{\tilde g}\!\left[\frac{h_Q(f(g))^T\big(h_K(f(\tilde g)) + P(g^{-1}\tilde g)\big)}{\sqrt d}\right] h_V(f(\tilde g))$$
#
# - h_Q, h_K, h_V are matrices, the same for all g, and d is the length of a query. Dividing by √d keeps the scores from growing with d. (He et al. leave it out.)
# - The **softmax** turns scores into weights: it takes exp of each score and divides by the sum of all.
# - P is a table of vectors, stored like a filter. It tells the query *where* g̃ is, by its relative position, so that the layer is equivariant.
#
# **In plain words:** g compares its question with the key of every g̃, also taking into account where g̃ lies, and averages the values with weights that are larger where the match is better.
#
# A `Head` holds the three matrices and the table P. Here are your numbers, without positions:

# %%
f, one = torch.arange(4.0).reshape(1, 4, 1, 1), torch.ones(1, 1)
simple = Head(query=math.log(2) * one, key=one, value=one, positions=torch.zeros(1, 4, 1, 1))
result = oracles.self_attention(f, *simple, C4)
print([round(value, 3) for value in result.flatten().tolist()], "and 34/15 =", round(34 / 15, 3))

# %% [markdown]
# **Is this a sum over pairs?** Not literally. The softmax divides by a sum over *all* g̃, and the pair (g, g̃) knows nothing about the others. But the numerator and the denominator are sums over pairs, each on its own. So let $\tilde H$ return both, side by side,
#
# $$\tilde H_{\hat g}(x, y) = \big(s\, h_V(y),\; s\big), \qquad s = \exp\!\big[h_Q(x)^T\big(h_K(y) + P(\hat g)\big)/\sqrt d\,\big]$$
#
# and divide after the sum, at each g. The two sums are equivariant by the theorem, and so is their quotient, since every g divides its two sums in the same way.
#
# To keep attention local, s is 0 outside the k × k window.


# %%
@exercise
def attention_term(position: Isometry, x: Tensor, y: Tensor, head: Head, group: Group) -> Tensor:
    """The vector (s·h_V(y), s), (O + 1,); all zeros where ``position`` lies outside of the k × k window.
    ``head`` has the matrices query and key, (d, C), and value, (O, C), and the table positions, (d, |H|, k, k).
    """
    ...


# %% [markdown]
# <!-- help: attention_term -->


# %%
def self_attention(f: Tensor, head: Head, group: Group) -> Tensor:
    sums = equivariant_sum(as_function(f, group), lambda position, x, y: attention_term(position, x, y, head, group))
    return as_feature_map({g: total[:-1] / total[-1] for g, total in sums.items()}, group)


print([round(value, 3) for value in self_attention(f, simple, C4).flatten().tolist()])
for group in ALL_GROUPS:
    maps, positions = noise(3, group.order, 2, 3), noise(4, group.order, 3, 3)
    head = Head(noise(4, 3), noise(4, 3, seed=1), noise(2, 3, seed=2), positions)
    torch.testing.assert_close(self_attention(maps, head, group), oracles.self_attention(maps, *head, group))
print("The sum over pairs equals the definition of self-attention, for", *ALL_GROUPS)

# %% [markdown]
# ### The fast version
#
# Queries, keys and values come from 1 × 1 convolutions that treat every sheet alike and mix no sheets. Two more things are needed:
# - **Positions.** The score of a pair contains P(g⁻¹g̃) = P(h⁻¹(t̃ − t), h⁻¹h̃). As a table over (t̃ − t, h̃), this is L_h P: the table turned by h, with its sheets permuted. So there is one copy for each h, exactly like the filter bank of notebook 04. `position_bank` makes them: (d, |H|, k, k) → (d, |H|, |H|, k, k), where the first |H| is for the h that looks and the second for the sheets h̃ that are looked at.
# - **The softmax** runs over *all* g̃ at once, over sheets and neighbors together. A neighbor outside the map is not there, so it must get no weight. Setting its key to zero would not do that, since the exp of any score is positive. `attention_weights(scores, inside)` sets the *score* to −∞ where `inside` is False.
#
# Here it is all together. `neighborhoods` puts the k × k window of each pixel on an axis of its own. The letters of `einsum` name the axes: h looks, g is looked at, n is a neighbor, c and d are channels.


# %%
def fast_self_attention(f: Tensor, head: Head, group: Group, bank: Callable = position_bank) -> Tensor:
    """One head, one map: (C, |H|, Y, X) → (O, |H|, Y, X)"""
    k = head.positions.shape[-1]
    query, key, value = (torch.einsum("dc,chyx->dhyx", matrix, f) for matrix in head[:3])
    scores = torch.einsum("dhyx,dgnyx->hgnyx", query, neighborhoods(key, k))
    scores = scores + torch.einsum("dhyx,dhgn->hgnyx", query, bank(head.positions, group).flatten(-2))
    inside = neighborhoods(torch.ones_like(f[0, 0]), k) > 0
    weights = attention_weights(scores / len(query) ** 0.5, inside)
    return torch.einsum("hgnyx,dgnyx->dhyx", weights, neighborhoods(value, k))


for group in ALL_GROUPS:
    maps, positions = noise(3, group.order, 4, 5), noise(4, group.order, 3, 3)
    head = Head(noise(4, 3), noise(4, 3, seed=1), noise(2, 3, seed=2), positions)
    torch.testing.assert_close(fast_self_attention(maps, head, group), oracles.self_attention(maps, *head, group))
print("The fast version equals the definition, for", *ALL_GROUPS)

# %% [markdown]
# **Break it on purpose.** Try five other banks of positions.
#
# <details><summary>Predict first: which are equivariant? The copies turned, but not permuted; permuted, but not turned; turned and permuted by h⁻¹ instead of h; the same for all h; and no positions at all.</summary>
#
# Only the last one. But it has lost something: it no longer knows where anything is. If you shuffle the neighbors in a window, it gives the same result.
#
# </details>

# %%
banks = {
    "right": position_bank,
    "turned, not permuted": lambda P, H: torch.stack([act_on_image(h, P) for h in H.elements], dim=1),
    "permuted, not turned": lambda P, H: torch.stack([P[:, H.permutation(h)] for h in H.elements], dim=1),
    "the wrong way": lambda P, H: torch.stack([act_on_feature_map(inverse(h), P, H) for h in H.elements], dim=1),
    "the same for all h": lambda P, H: torch.stack([P for _ in H.elements], dim=1),
    "no positions": lambda P, H: torch.zeros_like(position_bank(P, H)),
}
for name, bank in banks.items():
    report = equivariance_error(  # head is that of D4, the last of the loop above
        lambda x, b=bank: fast_self_attention(x[0], head, D4, b)[None], D4, noise(1, 3, 8, 5, 5)
    )
    print(f"{name:<21}", say(report.error))

# %% [markdown]
# The library's layer is this one with several **heads**: the channels of queries, keys and values are cut into equal parts, and each head computes its own weights. On C1, where there is only one sheet, it is the local self-attention of ordinary networks.

# %%
for group in ALL_GROUPS:
    layer = GroupSelfAttention2d(group, 3, 4, 5, heads=2).double()
    x = noise(1, 3, group.order, 6, 8)
    by_head = torch.cat([fast_self_attention(x[0], head, group) for head in heads_of(layer)])
    torch.testing.assert_close(layer(x)[0].detach(), by_head)
    print(
        f"{group}: {say(equivariance_error(layer, group, x).error)}, {sum(map(torch.numel, layer.parameters()))} weights"
    )

# %% [markdown]
# The weights are three matrices of 4 × 3 and a table of 4 · |H| · 5² numbers. The table grows with |H|; the matrices do not.
#
# ## 7 Where does a pixel look?
#
# Usually training decides where a pixel looks. Here we decide, so that we know what the picture should show. The input is the four edge sheets of a digit, from notebook 02; the sheet e shows the left borders of strokes. Each border asks: *where is the other side of my stroke?*
#
# So P is low everywhere, except in one region: **on the sheet opposite to mine, straight ahead of me.** As a relative position this is ĥ = r², with t̂ pointing right.

# %%
edges = LiftingConv2d(C4, 1, 1, 3, padding=1, bias=False).double()
seeker = GroupSelfAttention2d(C4, 1, 1, 11).double()
with torch.no_grad():
    edges.weight.copy_(torch.tensor([[-1.0, 0.0, 1.0]] * 3))
    for matrix in (seeker.query, seeker.key, seeker.value):
        matrix.weight.fill_(0.8)
    seeker.positions.fill_(-1.5)
    seeker.positions[0, 2, 4:7, 6:] = 0  # sheet r², rows at most 1 from the middle, columns to the right of it


def where_it_looks(image: Tensor, pixel: tuple[int, int], h: Element) -> Look:
    with torch.no_grad():
        weights = seeker.attention(edges(image).relu())[0, 0]
    return Look(image[0, 0], pixel, h, attention_map(weights, C4, pixel, h))


digit = load_digits().train.images[7:8].double()
quarter_turn = Element(0, 1)
upright = where_it_looks(digit, (17, 11), Element(0, 0))
turned = where_it_looks(act_on_image(quarter_turn, digit), (16, 17), quarter_turn)
attention_figure({"the digit": upright, "the digit, turned by r": turned}, C4).captioned(
    "The left edge of the stroke (arrow: its own direction) looks across the stroke, on the turned digit, too. "
    "Blue: where it looks; %: the share of its attention on that sheet."
)

# %% [markdown]
# **Upper row.** The pixel in row 17, column 11 on the sheet e is a left border, and its arrow shows which way is ahead. It looks across the stroke, at the right border on the sheet r². **Lower row.** The digit has been turned by r. The same spot is now the pixel in row 16, column 17 on the sheet r. It looks up, at the sheet r³. (The tint shows the cube root of the weight, so that small weights can be seen.)
#
# The gaze has followed the image. The weights that one pixel gives are themselves a feature map, and L_r moves it. With α for the weights:
#
# $$\alpha_{T_u f}(ug, u\tilde g) = \alpha_f(g, \tilde g)$$
#
# **In plain words:** in the moved image, the moved pixel gives the moved place the same weight.

# %% [markdown]
# **Look from other pixels.** In the explorer, the tint shows the attention to all four sheets together.
#
# 1. Point at right borders of the stroke, with sheet r² chosen. Where do they look?
# 2. Turn the digit. Does the gaze turn with it?
#
# Where the explorer cannot run, as on GitHub, you see a still picture: the gaze of one pixel, before a quarter turn and after it.

# %%
from course_lib.widgets import attention_explorer

attention_explorer(lambda image: seeker.attention(edges(image).relu())[0].sum(dim=2), digit, C4, (20, 9)).captioned(
    "Wherever you point, here further down, the gaze (blue: the sum over all sheets) turns with the digit."
)

# %% [markdown]
# <details><summary>Answers</summary>
#
# 1. To the left, at the left borders across the stroke: for the sheet r², left is ahead.
# 2. Yes. The words below the picture say by how much the turned gaze differs: by nothing but rounding.
# </details>

# %%
gap = (act_on_feature_map(quarter_turn, upright.attention, C4) - turned.attention).abs().max().item()
print("L_r of the upper row against the lower row:", say(gap))
elsewhere = where_it_looks(digit, (9, 21), Element(0, 0)).attention
print(f"from pixel (9, 21): {(elsewhere > 0).sum()} places, the largest weight is 1/{1 / elsewhere.max():.0f}")
for look in (upright, turned):
    print("weight of each sheet:", [f"{sheet.sum():.2f}" for sheet in look.attention])

# %% [markdown]
# The pixel in row 9, column 21 is not a left border. Its query on the sheet e is 0, so it gives all 4 · 11² places the same weight.
#
# ## 8 Patches
#
# A single vector f(g) says little. May $\tilde H$ look at a whole **patch** around g and around g̃? Yes, if the patch is collected in the right order (Proposition 1 of He et al.). Choose a neighborhood of e once, as a list of steps g′. Carry it to g, and join the vectors that you find there:
#
# $$\mathcal F_{N}(g) = \big(f(gg'_1),\, f(gg'_2),\, \dots\big), \qquad N = (g'_1, g'_2, \dots)$$


# %%
@exercise
def local_patch(f: GroupFunction, g: Isometry, neighborhood: Sequence[Isometry]) -> Tensor:
    """The vectors f(gg′) for the steps g′ of the neighborhood, joined in its order; zeros where f has no entry.
    Example: for f = (1, 2, 3, 4) on C4 with one pixel, at g = r, the steps (e, r) give (2, 3).
    """
    ...


# %% [markdown]
# <!-- help: local_patch -->
#
# Compare this with the order in which the sheets are stored. Take f = (1, 2, 3, 4), all four sheets as the neighborhood, and turn f by r.
#
# <details><summary>Predict first: what was at e is at r after the turn. What is its patch now, in each of the two orders?</summary>
#
# Carried along, it is still (1, 2, 3, 4). In the stored order it is (4, 1, 2, 3), since the sheets have changed places.
#
# </details>

# %%
steps = [Isometry(*h, 0, 0) for h in C4.elements]


def as_stored(f: GroupFunction, g: Isometry, neighborhood: Sequence[Isometry]) -> Tensor:
    return torch.cat([f[step._replace(u=g.u, v=g.v)] for step in neighborhood])


for order in (local_patch, as_stored):
    print(f"{order.__name__:<12} at e: {order(small, e, steps).tolist()}", end="   ")
    print(f"of T_r f at r: {order(transform(r, small), r, steps).tolist()}")

# %% [markdown]
# So the patch of $T_u f$ at ug is the patch of f at g:
#
# $$[T_u f](ug\,g') = f(u^{-1}ug\,g') = f(gg')$$
#
# Therefore patches form a feature map, one with more channels, and the theorem applies to it as it stands. That is the whole proof.
#
# Here is a layer that needs patches, a simple form of the E4 layer that notebook 08 is about. W₁ and a ReLU turn the patch x at g into a few numbers. From these, W₂[t̂] computes the kernel's weights at the pixel t̂, one for each channel, so that g *writes its own kernel*. W₃ turns the patch y at g̃ into the values that the kernel weighs:
#
# $$\tilde H_{\hat g}(x, y) = \big(W_2[\hat t\,]\,\mathrm{relu}(W_1 x)\big) \odot W_3\,y \quad\text{for } \hat h = e, \qquad\text{and 0 for other } \hat h$$
#
# W₁, W₂[t̂] and W₃ are matrices; ⊙ multiplies entry by entry. Only elements g̃ on the sheet of g are summed. The other sheets come in through the patches. In the code, W₁ is `narrow`, W₂ is `write` and W₃ is `encode`.

# %%
narrow, encode = noise(3, 8), noise(2, 8, seed=2)
write = noise(2, 3, 1, 3, 3, seed=1)  # for each pixel of the kernel a matrix; one sheet, hence C1 below


def e4_term(position: Isometry, x: Tensor, y: Tensor) -> Tensor:
    if position.point_part != e.point_part:
        return torch.zeros(2).double()
    kernel = entry_at(write, position, C1) @ (narrow @ x).relu()
    return kernel * (encode @ y)


# %%
def e4(f: GroupFunction, patch: Callable) -> dict[Isometry, Tensor]:
    return equivariant_sum({g: patch(f, g, steps) for g in f}, e4_term)


f = as_function(noise(2, 4, 2, 3), C4)
moves = [Isometry(*h, 3, -1) for h in C4.elements]
for patch in (local_patch, as_stored):
    print(f"E4 with {patch.__name__:<12}: {say(deviation(lambda f, p=patch: e4(f, p), f, moves))}")

# %% [markdown]
# ## 9 Your own layer, and the map
#
# The theorem says that *every* term is allowed. So invent one that nobody has written before. It must use everything that it may use: the relative position, x and y. And as a function of y it must not be linear (plus a constant), or else the weight of y would depend on the position and x only. Any such term will do.


# %%
@exercise
def own_term(position: Isometry, x: Tensor, y: Tensor) -> Tensor:
    """A term H̃_ĝ(x, y) of your own: vectors (C,) in, a vector (C,) out. Any number of channels C must work.
    It must depend on position, x and y, and on nothing else. As a function of y it must not be linear (plus a constant).
    """
    ...


# %% [markdown]
# <!-- help: own_term -->
#
# Is it equivariant? The theorem says yes, and the next cell measures it:

# %%
f = as_function(noise(3, 8, 2, 2), D4)
moves = [Isometry(*h, 3, -1) for h in D4.elements]
print("your own layer on D4:", say(deviation(lambda f: equivariant_sum(f, own_term), f, moves)))

# %% [markdown]
# Now sort the layers by one question: what may the weight of y depend on? Test it for the three terms of this notebook. Change the position: does the result change? Change x: does it change? Double y: if the weight does not depend on y, the result doubles, since these terms add no constant.

# %%
tables = noise(4, 4, 3, 3)
head = Head(noise(4, 2), noise(4, 2, seed=1), noise(2, 2, seed=2), tables)
psi = noise(2, 2, 4, 3, 3)
terms = {
    "convolution": (2, lambda position, x, y: entry_at(psi, position, C4) @ y),
    "self-attention": (2, lambda position, x, y: attention_term(position, x, y, head, C4)[:-1]),
    "E4": (8, e4_term),
}
for name, (length, term) in terms.items():
    x, other_x, y = (noise(length, seed=seed) for seed in (3, 4, 5))
    before, to_the_right = term(e, x, y), Isometry(0, 0, 1, 0)
    where = not torch.allclose(before, term(to_the_right, x, y))
    asks = not torch.allclose(before, term(e, other_x, y))
    answers = not torch.allclose(2 * before, term(e, x, 2 * y))
    print(f"{name:<14}: on g⁻¹g̃ {where!s:<5}  on f(g) {asks!s:<5}  on f(g̃) {answers}")

# %%
framework_map().captioned(
    "Layers as sums over pairs: they differ in what the weight of a pair depends on (filled dots)."
)

# %% [markdown]
# Each row is a layer, written as $\tilde H_{\hat g}(x, y)$. A filled dot says that the weight of y depends on that column's quantity: on the relative position ĝ, on x = f(g), or on y = f(g̃). For example, the weight in ReLU is 0 or 1 and follows the sign of y; attention asks about all three; E4 asks about the position and x, but not about y.
#
# In every row the *places* enter through ĝ = g⁻¹g̃ only. That also holds for the last column, which says which g̃ are summed: "g alone" means ĝ = e, and "in gS" means ĝ ∈ S, for the subgroup S of coset pooling (notebook 04).
#
# Three rows stretch the formula:
# - Pooling takes a maximum where the others take a sum. The proof still works, since the substitution in section 3 only reorders the terms.
# - In lifting, g̃ is a pixel, and g⁻¹ moves it.
# - In the last row, α is a softmax: as in section 6, a quotient of two sums. Its score reads patches of all sheets.
#
# ### Two of them as diagrams
#
# Here are the diagrams of two layers; that of E4 is at the head of notebook 08. In all three the places enter through relative positions only, and that is why each is equivariant. They differ in where the weights come from: they are learned once (group convolution), written by the data for each g (E4, notebook 08), or obtained by comparing features (self-attention).

# %%
from IPython.display import display

from course_lib.figures.layer_diagrams import layer_diagram

diagrams = {
    "Group convolution: one filter ψ is learned, for all places.": GroupConv2d(C4, 16, 16, 5, padding=2),
    "Self-attention: features are compared, across all sheets.": GroupSelfAttention2d(C4, 16, 16, 5, heads=8),
}
for caption, layer in diagrams.items():
    display(layer_diagram(layer).captioned(caption))

# %% [markdown]
# ## Does it agree with the library?

# %%
f = noise(2, 8, 2, 2)
function, head = as_function(f, D4), Head(*(noise(3, 2, seed=i) for i in range(3)), noise(3, 8, 3, 3))
for g in function:
    for other in function:
        position = relative_position(g, other)
        assert position == framework.relative_position(g, other)
        assert torch.equal(entry_at(head.positions, position, D4), framework.entry_at(head.positions, position, D4))
    steps = [Isometry(*h, 1, 0) for h in D4.elements]
    assert torch.equal(local_patch(function, g, steps), framework.local_patch(function, g, steps))
expected = as_feature_map(framework.self_attention(function, head, D4), D4)
torch.testing.assert_close(self_attention(f, head, D4), expected)
torch.testing.assert_close(fast_self_attention(f, head, D4), expected)
print("Your functions and the library's agree on random input.")

# %%
progress("07")

# %% [markdown]
# ## Recap
#
# - The relative position g⁻¹g̃ is what a common move leaves unchanged. A sum over pairs is equivariant if and only if it equals one in which the places enter through g⁻¹g̃ only. How the features enter is up to you.
# - Both directions of the proof use one substitution, ug̃ for g̃.
# - Group convolution is the only *linear* equivariant layer between maps on the group; its filter can be read out with impulses, which are nonzero at one place only. There are many nonlinear ones.
# - Group convolution weighs by position. Self-attention weighs by position and content, as a quotient of two sums, and its table of positions is turned and permuted like a filter.
# - Patches may replace features if they are collected at gg′, in the order of one list of steps.
# - The limits: the theorem covers sums over pairs, and the regular action.
#
# **Now in `course_lib`:** `from course_lib.layers import GroupSelfAttention2d`; the sums over pairs: `from course_lib import framework`; the definition in loops: `oracles.self_attention`.
#
# **Further reading:** L. He and others, *Efficient Equivariant Network*, 2021, section 3. D. Romero and J.-B. Cordonnier, *Group Equivariant Stand-Alone Self-Attention For Vision*, 2021.
#
# **Next:** notebook 08 makes E4 a fast layer, and measures what its kernels, written on the spot, are worth.
