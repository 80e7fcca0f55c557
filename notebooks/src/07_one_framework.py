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
# The group convolution of [notebook 04](04_group_convolution.ipynb) is equivariant. Is it the only layer that is? Or one of many, and what do
# they have in common? This notebook has the answer, with its proof, and a new layer that follows from it.
#
# **You will be able to**
# - say what a layer may know about *where* things are, so that it is equivariant, and prove it;
# - write group convolution and self-attention as two cases of one formula;
# - build group self-attention with relative positions, and see where a pixel looks;
# - place every layer of this course, and those ahead, on one map.
#
# **You need before:** notebooks 01 to 04 and 06 (elements of p4m, feature maps on the group, group and separable convolution).
#
# **Time:** about 85 minutes, with seven exercises. **Hardware:** any laptop, no GPU, no network.

# %%
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from course_lib import framework, layers, oracles
from course_lib.actions import act_on_feature_map, act_on_image
from course_lib.checks import equivariance_error
from course_lib.data import load_digits
from course_lib.exercises import exercise, progress
from course_lib.figures.attention import Look, attention_figure, attention_map
from course_lib.figures.framework import framework_map, relative_position_table, relative_positions
from course_lib.framework import GroupFunction, Head, as_feature_map, as_function, heads_of, transform
from course_lib.groups import ALL_GROUPS, C1, C4, D4, Element, Group, inverse
from course_lib.layers import GroupConv2d, GroupSelfAttention, GSeparableConv2d, LiftingConv2d, neighborhoods
from course_lib.wallpaper import Isometry, semidirect_inverse, semidirect_product

e, r, m = Isometry(0, 0, 0, 0), Isometry(0, 1, 0, 0), Isometry(1, 0, 0, 0)  # elements of p4m here, without a shift


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def say(error: float) -> str:
    return "exact" if error < 1e-10 else f"broken, {error:.1f}"


# %% [markdown]
# ## 1 Where is it, seen from here?
#
# In the group convolution write g = (t, h) for the element at which the result stands and g̃ = (t̃, h̃) for the one that the
# sum visits; notebook 04 called them p and q. The filter's argument, (h⁻¹(t̃ − t), h⁻¹h̃), is g⁻¹g̃, by the rules of notebook 01:
#
# $$f'(g) = \sum_{\tilde g} \psi(g^{-1}\tilde g)\, f(\tilde g)$$
#
# Here ψ(ĝ) is a matrix with a row per output channel and a column per input channel. The element ĝ = g⁻¹g̃ is the **relative position** of g̃: where g̃
# lies *as seen from* g.
#
# An element of p4m can be drawn as a letter F that it has carried somewhere. Three pairs, g filled and g̃ as an outline:

# %%
g, other = Isometry(0, 0, 0, 0), Isometry(0, 1, 2, 1)
turn_and_shift, mirror_and_shift = Isometry(0, 1, 6, 0), Isometry(1, 0, 10, 0)
pairs = [(g, other)]
for u in (turn_and_shift, mirror_and_shift):
    pairs.append((semidirect_product(u, g), semidirect_product(u, other)))
relative_positions(pairs)

# %% [markdown]
# <details><summary>Predict first: stand on the filled F, with its upright stroke as your "up" and its arms to your "right". Where is the outline?
# In which of the three pairs is the answer another one?</summary>
#
# In none. Two steps to the right, one up, and a quarter turn: true for each F in its own frame. Green is mirrored, and so is its "right".
#
# </details>


# %%
@exercise
def relative_position(g: Isometry, other: Isometry) -> Isometry:
    """g⁻¹g̃: where g̃ lies as seen from g.
    Example: from g = r, the element r² lies one quarter turn on, at r.
    """
    ...


# %% [markdown]
# <!-- help: relative_position -->

# %%
for pair in pairs:
    print(f"{relative_position(*pair)}")

# %% [markdown]
# All three pairs have the same relative position, since the last two are the first one, moved by some u. A common move cancels:
#
# $$(ug)^{-1}(u\tilde g) = g^{-1}u^{-1}u\,\tilde g = g^{-1}\tilde g$$

# %% [markdown]
# ## 2 A sum over pairs
#
# Now let a layer do *anything* with a pair of features, and sum. It has a function H for each pair of places (|H| stays the number of sheets):
#
# $$f'(g) = \sum_{\tilde g} H_{g,\tilde g}\big(f(g), f(\tilde g)\big)$$
#
# To run such sums to the letter, take f as what it is: a function on the group. `as_function` makes a dictionary of a feature map, from an
# element to a vector of C numbers; the map's bottom left pixel has the shift (0, 0). `as_feature_map` goes back. And $[T_u f](g) = f(u^{-1}g)$ moves what stands at g to ug:

# %%
small = as_function(torch.tensor([1.0, 2.0, 3.0, 4.0]).reshape(1, 4, 1, 1), C4)
for where, vector in transform(r, small).items():
    print(f"T_r f at {where.point_part!s:>2}: {vector.item():g}")

# %% [markdown]
# On a whole map, T_u does what you know: it turns the sheets and permutes them. (It also moves the map as a whole, which
# `as_feature_map` does not show.)

# %%
f = noise(2, 8, 3, 4)
for h in D4.elements:
    u = Isometry(*h, 5, -2)
    assert torch.equal(as_feature_map(transform(u, as_function(f, D4)), D4), act_on_feature_map(h, f, D4))
print("T_u equals act_on_feature_map for the 8 elements of D4, each with a shift.")


# %%
def aggregate_pairs(f: GroupFunction, term: Callable) -> dict[Isometry, Tensor]:
    """f′(g) = Σ_g̃ H_{g,g̃}(f(g), f(g̃)), with term(g, g̃, f(g), f(g̃))"""
    return {g: torch.stack([term(g, other, f[g], f[other]) for other in f]).sum(dim=0) for g in f}


# %% [markdown]
# The convolution is a case of it. What sets it apart is that H may use the *places* g and g̃ in one way alone, through g⁻¹g̃.
# Keep that, and drop everything else:
#
# $$f'(g) = \sum_{\tilde g} \tilde H_{g^{-1}\tilde g}\big(f(g), f(\tilde g)\big)$$
#
# One function $\tilde H_{\hat g}(x, y)$ for each relative position ĝ; x is the feature at g, y the feature at g̃.


# %%
@exercise
def aggregate(f: GroupFunction, term: Callable[[Isometry, Tensor, Tensor], Tensor]) -> dict[Isometry, Tensor]:
    """f′(g) = Σ_g̃ H̃_{g⁻¹g̃}(f(g), f(g̃)), with term(g⁻¹g̃, f(g), f(g̃)).
    Example: with term(position, x, y) = y, every f′(g) is the sum of all vectors of f.
    """
    ...


# %% [markdown]
# <!-- help: aggregate -->
#
# A case for the head: one pixel, f = (1, 2, 3, 4) on C4, and weights 1, 10, 100, 1000 for ĝ = e, r, r², r³.
#
# <details><summary>Predict first: the four numbers. You have seen them before.</summary>
#
# 4321, 1432, 2143, 3214: the group convolution of one pixel in notebook 04.
#
# </details>

# %%
weights = {Isometry(0, k, 0, 0): 10**k for k in range(4)}
result = aggregate(small, lambda position, x, y: weights[position] * y)
print([int(value) for value in result.values()])
relative_position_table(D4)

# %% [markdown]
# The table shows g⁻¹g̃ for all 64 pairs of D4. A general layer has 64 functions, one per cell. Now let all cells of one color share one function: eight are
# left. Each row holds every color once, in another order.
#
# ## 3 Theorem 1
#
# **A sum over pairs, $\sum_{\tilde g} H_{g,\tilde g}$, is equivariant if and only if there are functions $\tilde H_{\hat g}$ such that, for all f
# and g, it equals $\sum_{\tilde g}\tilde H_{g^{-1}\tilde g}$.** (He et al., 2021.)
#
# **If: such a layer is equivariant.** Call it Φ, put $T_u f$ in, and write down the result at g:
#
# $$\begin{aligned}
# {}[\Phi(T_u f)](g) &= \textstyle\sum_{\tilde g} \tilde H_{g^{-1}\tilde g}\big(f(u^{-1}g), f(u^{-1}\tilde g)\big) && (1)\\
# &= \textstyle\sum_{\tilde g} \tilde H_{g^{-1}u\tilde g}\big(f(u^{-1}g), f(\tilde g)\big) && (2)\\
# &= \textstyle\sum_{\tilde g} \tilde H_{(u^{-1}g)^{-1}\tilde g}\big(f(u^{-1}g), f(\tilde g)\big) = [\Phi f](u^{-1}g) = [T_u\Phi f](g) && (3)
# \end{aligned}$$
#
# - (1) → (2): put ug̃ in the place of g̃. While g̃ runs through the whole group, so does ug̃: the sum only changes its order.
# - (2) → (3): g⁻¹u = (u⁻¹g)⁻¹. What is left is the layer itself, at another place.
#
# Where did we use what H̃ *does* with x and y? Nowhere. So let it do something silly. The cell runs each line on D4 alone, eight elements without space: the
# theorem does not care which group.

# %%
points = [Isometry(*h, 0, 0) for h in D4.elements]
f = {g: noise(2, seed=i) for i, g in enumerate(points)}
strange = {g: noise(2, 2, seed=10 + i) for i, g in enumerate(points)}
product, inv = semidirect_product, semidirect_inverse


def silly(position: Isometry, x: Tensor, y: Tensor) -> Tensor:
    return torch.sin(strange[position] @ y) * x.max() + y.abs().sqrt()


def lines(u: Isometry, g: Isometry) -> list[Tensor]:
    back = product(inv(u), g)
    line_1 = sum(silly(product(inv(g), k), f[back], f[product(inv(u), k)]) for k in points)
    line_2 = sum(silly(product(inv(g), product(u, k)), f[back], f[k]) for k in points)
    line_3 = sum(silly(product(inv(back), k), f[back], f[k]) for k in points)
    return [line_1, line_2, line_3, aggregate(transform(u, f), silly)[g], transform(u, aggregate(f, silly))[g]]


results = [lines(u, g) for u in points for g in points]
equal = sum(all(torch.allclose(one[0], line) for line in one) for one in results)
print(f"Lines (1) to (3) and both ends are equal for {equal} of {len(results)} pairs (u, g).")

# %% [markdown]
# **Only if: every equivariant sum over pairs can be written so.** Now H is any family of 64 functions, of which we know one thing: the layer is equivariant.
#
# $$\begin{aligned}
# \textstyle\sum_{\tilde g} H_{g,\,u\tilde g}\big(f(u^{-1}g), f(\tilde g)\big) &= \textstyle\sum_{\tilde g} H_{u^{-1}g,\,\tilde g}\big(f(u^{-1}g), f(\tilde g)\big) && (4)\\
# \textstyle\sum_{\tilde g} H_{ug,\,u\tilde g}\big(f(g), f(\tilde g)\big) &= \textstyle\sum_{\tilde g} H_{g,\tilde g}\big(f(g), f(\tilde g)\big) && (5)\\
# \textstyle\sum_{\tilde g} H_{e,\,g^{-1}\tilde g}\big(f(g), f(\tilde g)\big) &= \textstyle\sum_{\tilde g} H_{g,\tilde g}\big(f(g), f(\tilde g)\big) && (6)
# \end{aligned}$$
#
# - (4) is equivariance: Φ(T_u f) at g on the left, after the same substitution as before; T_u Φ(f) at g on the right.
# - (4) → (5): it holds for every g, so write ug for g.
# - (5) → (6): it holds for every u, so take u = g⁻¹.
#
# Read (6): the row of g = e alone makes the whole layer. Call it $\tilde H_{\hat g} = H_{e,\hat g}$, and we are done.
#
# `hidden` looks as if it used the places freely: it adds $c_{g,\tilde g}\, x$ with random numbers c. But in each row they sum to zero. In `free`
# they do not.

# %%
c = noise(8, 8, seed=30)
c_zero = c - c.mean(dim=1, keepdim=True)
index = {g: i for i, g in enumerate(points)}


def hidden(g: Isometry, other: Isometry, x: Tensor, y: Tensor) -> Tensor:
    return silly(relative_position(g, other), x, y) + c_zero[index[g], index[other]] * x


def free(g: Isometry, other: Isometry, x: Tensor, y: Tensor) -> Tensor:
    return silly(relative_position(g, other), x, y) + c[index[g], index[other]] * x


def how_often(H: Callable) -> dict[str, int]:
    def holds(place: Isometry, u: Isometry, g: Isometry) -> bool:
        left = sum(H(place, product(u, k), f[g], f[k]) for k in points)
        return torch.allclose(left, sum(H(g, k, f[g], f[k]) for k in points))

    line_4 = sum(holds(g, u, product(inv(u), g)) for g in points for u in points)
    line_5 = sum(holds(product(u, g), u, g) for g in points for u in points)
    line_6 = sum(holds(e, inv(g), g) for g in points)
    return {"(4), of 64": line_4, "(5), of 64": line_5, "(6), of 8": line_6}


print("hidden:", how_often(hidden))
print("free:  ", how_often(free))
row_of_e = aggregate(f, lambda position, x, y: hidden(e, position, x, y))
whole = aggregate_pairs(f, hidden)
print("the row of e makes the whole layer `hidden`:", all(torch.allclose(row_of_e[g], whole[g]) for g in points))

# %% [markdown]
# For `free`, (4) and (5) hold where u = e, which says nothing, and (6) where g = e.
#
# **Break it on purpose.** Change what the term knows about places, and run. Add a line of your own.
#
# <details><summary>Predict first: which of these seven are equivariant on D4: g⁻¹g̃, g̃⁻¹g, g̃g⁻¹, gg̃, g̃ alone, g alone, whether m is in g̃? And on C4?</summary>
#
# Those that are functions of g⁻¹g̃: the first two. g̃⁻¹g is the inverse of g⁻¹g̃, so it tells the same. On C4 there are two more. g̃g⁻¹
# is as good there, where products can be swapped; and with no m to notice, the last one says nothing about places.
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


def distance(one: GroupFunction, two: GroupFunction) -> float:
    largest = max(vector.abs().max().item() for vector in two.values())
    return max((one[g] - two[g]).abs().max().item() for g in one) / largest


def deviation(layer: Callable, f: GroupFunction, moves: Sequence[Isometry]) -> float:
    """The largest |Φ(T_u f) − T_u Φ(f)|, as a share of the largest value."""
    return max(distance(layer(transform(u, f)), transform(u, layer(f))) for u in moves)


def layer_that_knows(position: Callable) -> Callable:
    return lambda f: aggregate_pairs(f, lambda g, other, x, y: silly(position(g, other), x, y))


for name, position in knows.items():
    errors = [deviation(layer_that_knows(position), {g: f[g] for g in us}, us) for us in (points[:4], points)]
    print(f"{name:<15} on C4: {say(errors[0]):<12} on D4: {say(errors[1])}")

# %% [markdown]
# **What is unique, and what is not.** The theorem speaks about the *sum*. `hidden` and its row of e give the same layer from different terms. So single terms are
# not unique: any $c_{g,\tilde g}(x)$ that sum to zero over g̃ can be added. What *is* unique, for g̃ ≠ g, is how a term depends on y. Change f at the one place g̃, and only that
# term can move. So it can be measured from outside:


# %%
def influence(layer: Callable, g: Isometry, other: Isometry) -> Tensor:
    """How f′(g) changes when f(g̃) becomes (1, 1) instead of (0, 0); f(g) = (1, 2), all else zero."""
    background = {k: torch.zeros(2).double() for k in points} | {g: torch.tensor([1.0, 2.0]).double()}
    return layer(background | {other: torch.ones(2).double()})[g] - layer(background)[g]


same_position = [(e, r), (points[4], points[5]), (r, product(r, r))]
layers_to_measure = {
    "hidden: ": lambda f: aggregate_pairs(f, hidden),
    "g̃ alone:": layer_that_knows(knows["g̃ alone"]),
}
for name, layer in layers_to_measure.items():
    changes = [influence(layer, g, other).tolist() for g, other in same_position]
    print(name, [[round(v, 2) for v in change] for change in changes])

# %% [markdown]
# Three pairs with g⁻¹g̃ = r: the first layer does the same to all three. Its $c_{g,\tilde g}$ stay invisible.
#
# ## 4 Convolution is an instance
#
# Now with space. A filter is a table of |H| sheets with k × k entries, and ψ(ĝ) is one entry. Which one? For ĝ = (t̂, ĥ) it is on the sheet of ĥ, t̂ away from the middle.


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
# A group convolution is then one line, $\tilde H_{\hat g}(x, y) = \psi(\hat g)\,y$. It ignores the feature x. A separable one is the same line, with a kernel times a weight per sheet for its filter, $\psi(\hat t, \hat h) =
# K(\hat t)\, w(\hat h)$.


# %%
def convolution(f: Tensor, psi: Tensor, group: Group) -> Tensor:
    sums = aggregate(as_function(f, group), lambda position, x, y: entry_at(psi, position, group) @ y)
    return as_feature_map(sums, group)


for group in ALL_GROUPS:
    f = noise(2, group.order, 2, 3)
    for kind in (GroupConv2d, GSeparableConv2d):
        conv = kind(group, 2, 2, 3, padding="same", bias=False).double()
        with torch.no_grad():
            torch.testing.assert_close(convolution(f, conv.filters(), group), conv(f[None])[0])
print("The sum over pairs equals GroupConv2d and GSeparableConv2d, for", *ALL_GROUPS)

# %% [markdown]
# Outside of the map f has no entries, and the sum does not go there: the same as padding with zeros. The theorem survives the border, for T_u carries the
# border along with the map.
#
# ## 5 Weights that look: self-attention
#
# A convolution weighs y by *where* it is, never by *what* it is. The theorem allows more: the weight may depend on x and y. **Self-attention** is the best-known layer that does so. Each g asks a question,
# the **query** $h_Q(f(g))$. Each g̃ offers a **key** $h_K(f(\tilde g))$ and a **value** $h_V(f(\tilde g))$. The larger the dot product of query and key, the more of the value g takes:
#
# $$f'(g) = \sum_{\tilde g} \operatorname{softmax}_{\tilde g}\!\left[\frac{h_Q(f(g))^T\big(h_K(f(\tilde g)) + P(g^{-1}\tilde g)\big)}{\sqrt d}\right] h_V(f(\tilde g))$$
#
# h_Q, h_K, h_V are matrices, the same for all g; d is the length of a query. The **softmax** makes weights of scores: exp of each, divided by the sum of all. P is a table of vectors, like a filter, which says *where* g̃ is; by g⁻¹g̃, so that it is
# equivariant. (He et al. write no √d; it keeps the scores from growing with d.)
#
# In numbers: one pixel, f = (0, 1, 2, 3) on C4, no positions, and a score of ln 2 · xy. So exp(score) is $2^{xy}$. (A `Head` holds the three matrices and the table P.)
#
# <details><summary>Predict first: the result at e, where x = 0, and at r, where x = 1.</summary>
#
# At e all four weigh 1, so it is the mean, 1.5. At r they weigh 1, 2, 4, 8, and the result is (0·1 + 1·2 + 2·4 + 3·8) / 15 = 34/15.
#
# </details>

# %%
f, one = torch.arange(4.0).reshape(1, 4, 1, 1), torch.ones(1, 1)
simple = Head(query=math.log(2) * one, key=one, value=one, positions=torch.zeros(1, 4, 1, 1))
result = oracles.self_attention(f, *simple, C4)
print([round(value, 3) for value in result.flatten().tolist()], "and 34/15 =", round(34 / 15, 3))

# %% [markdown]
# **Is this a sum over pairs?** Not to the letter. The softmax divides by a sum over *all* g̃, of which the pair (g, g̃) knows nothing. But numerator and denominator are each a sum over pairs! So let H̃ return both side by side,
#
# $$\tilde H_{\hat g}(x, y) = \big(s\, h_V(y),\; s\big), \qquad s = \exp\!\big[h_Q(x)^T\big(h_K(y) + P(\hat g)\big)/\sqrt d\,\big]$$
#
# and divide afterwards, at each g on its own. The sums are equivariant by the theorem; a division that is the same at every g is, too.
#
# Here s = 0 outside of the k × k window, so that attention stays local.


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
    sums = aggregate(as_function(f, group), lambda position, x, y: attention_term(position, x, y, head, group))
    return as_feature_map({g: total[:-1] / total[-1] for g, total in sums.items()}, group)


print([round(value, 3) for value in self_attention(f, simple, C4).flatten().tolist()])
for group in ALL_GROUPS:
    maps, positions = noise(3, group.order, 2, 3), noise(4, group.order, 3, 3)
    head = Head(noise(4, 3), noise(4, 3, seed=1), noise(2, 3, seed=2), positions)
    torch.testing.assert_close(self_attention(maps, head, group), oracles.self_attention(maps, *head, group))
print("The sum over pairs equals the definition of self-attention, for", *ALL_GROUPS)

# %% [markdown]
# ## 6 The fast version
#
# Queries, keys and values are 1 × 1 convolutions. Two things are left. First, the scores of all pairs need P(g⁻¹g̃) = P(h⁻¹(t̃ − t), h⁻¹h̃). For a fixed h this is the table after L_h.


# %%
@exercise
def position_bank(positions: Tensor, group: Group) -> Tensor:
    """All copies L_h P of a table of positions: (d, |H|, k, k) → (d, |H|, |H̃|, k, k).
    The axis |H| is that of the copy's h, which looks; |H̃|, just as long, is that of h̃, which is looked at.
    """
    ...


# %% [markdown]
# <!-- help: position_bank -->
#
# Second, the softmax, over *all* g̃ at once: over sheets and neighbors. And the border: a neighbor outside of the map is not there, so it must get no weight. A key of zeros would not do, for exp(score) > 0.


# %%
@exercise
def attention_weights(scores: Tensor, inside: Tensor) -> Tensor:
    """Softmax over the axes |H̃| and k² together; where ``inside`` is False, the weight is 0.
    Shapes: scores (..., |H̃|, k², Y, X) → the same; inside, bool, (k², Y, X).
    """
    ...


# %% [markdown]
# <!-- help: attention_weights -->
#
# All together. `neighborhoods` puts the k × k window of each pixel on an axis k². The letters of `einsum` name the axes: h looks, g is looked at, n is a neighbor, c and d are channels.


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
# **Break it on purpose.** Five other banks of positions.
#
# <details><summary>Predict first: which are equivariant? The copies turned, but not permuted; permuted, but not turned; turned and permuted by
# h⁻¹ instead of h; the same for all h; and no positions at all.</summary>
#
# Only the last one. But it has lost something: it no longer knows where anything is. Shuffle the other pixels of a window, and it gives the same result.
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
# The library's layer is this with several **heads**: the channels of queries, keys and values are cut into equal parts, and each head looks for itself. On C1, where there is one sheet, it is the local self-attention of ordinary networks.

# %%
for group in ALL_GROUPS:
    layer = GroupSelfAttention(group, 3, 4, 5, heads=2).double()
    x = noise(1, 3, group.order, 6, 8)
    by_head = torch.cat([fast_self_attention(x[0], head, group) for head in heads_of(layer)])
    torch.testing.assert_close(layer(x)[0].detach(), by_head)
    print(
        f"{group}: {say(equivariance_error(layer, group, x).error)}, {sum(map(torch.numel, layer.parameters()))} weights"
    )

# %% [markdown]
# They are 3 matrices of 4 × 3 and a table of 4 · |H| · 5². The table grows with |H|, the matrices do not.
#
# ## 7 Where does a pixel look?
#
# Usually training decides. Here we decide, so that the picture has a meaning. The map: the four edge sheets of a digit, from notebook 02. Sheet e shows left borders of strokes. The question that each border asks: *where is the other side of my stroke?*
#
# So P is low everywhere, except in one region: **on the sheet opposite to mine, straight ahead of me.** In relative terms, ĥ = r² and t̂ points right.

# %%
edges = LiftingConv2d(C4, 1, 1, 3, padding=1, bias=False).double()
seeker = GroupSelfAttention(C4, 1, 1, 11).double()
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
attention_figure({"the digit": upright, "the digit, turned by r": turned}, C4)

# %% [markdown]
# Above: pixel (17, 11), row and column, on sheet e, is a left border, and its arrow points to "ahead". It looks across the stroke, at the right border on sheet r². Below: the digit has turned by r. The same spot is now pixel (16, 17) on sheet r; it looks up, at sheet r³. (The tint is the root of the weight.) The gaze has followed: the picture of attention
# is itself a feature map, and moves by L_r. With α for the weights:
#
# $$\alpha_{T_u f}(ug, u\tilde g) = \alpha_f(g, \tilde g)$$

# %%
gap = (act_on_feature_map(quarter_turn, upright.attention, C4) - turned.attention).abs().max().item()
print("L_r of the upper row against the lower row:", say(gap))
elsewhere = where_it_looks(digit, (9, 21), Element(0, 0)).attention
print(f"from pixel (9, 21): {(elsewhere > 0).sum()} places, the largest weight is 1/{1 / elsewhere.max():.0f}")
for look in (upright, turned):
    print("shares of the sheets:", [f"{sheet.sum():.2f}" for sheet in look.attention])

# %% [markdown]
# Pixel (9, 21) on sheet e is no left border: its query is 0, and it looks at all 4 · 11² places alike.
#
# ## 8 Patches
#
# A single vector f(g) says little. May H̃ look at a whole **patch** around g and g̃? Yes, if it is collected in the right order (Proposition 1 of He et al.). Choose a neighborhood of e once, a list of steps g′; carry it to g, and join the vectors:
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
# Compare it with the order in which the sheets are stored. Take f = (1, 2, 3, 4), all four sheets as neighborhood, and turn.
#
# <details><summary>Predict first: what stood at e stands at r after the turn. What is its patch now, in each order?</summary>
#
# Carried along: still (1, 2, 3, 4). As stored: (4, 1, 2, 3), since the sheets have changed places.
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
# So the patch of $T_u f$ at ug is the patch of f at g. Patches are a feature map again, with more channels, and the theorem applies to them as it stands. That is the whole proof:
#
# $$[T_u f](ug\,g') = f(u^{-1}ug\,g') = f(gg')$$
#
# Here is the heart of a layer that uses patches: E4, which notebook 08 is about. A small network reads the patch at g and
# *writes the kernel* by which the pixels around are weighed. Only g̃ on the same sheet are summed; the patches bring in the other sheets.

# %%
narrow, encode = noise(3, 8), noise(2, 8, seed=2)
write = noise(2, 3, 1, 3, 3, seed=1)  # for each pixel of the kernel a matrix; one sheet, hence C1 below


def e4_term(position: Isometry, x: Tensor, y: Tensor) -> Tensor:
    if position.point_part != e.point_part:
        return torch.zeros(2).double()
    kernel = entry_at(write, position, C1) @ (narrow @ x).relu()
    return kernel * (encode @ y)


def e4(f: GroupFunction, patch: Callable) -> dict[Isometry, Tensor]:
    return aggregate({g: patch(f, g, steps) for g in f}, e4_term)


f = as_function(noise(2, 4, 2, 3), C4)
moves = [Isometry(*h, 3, -1) for h in C4.elements]
for patch in (local_patch, as_stored):
    print(f"E4 with {patch.__name__:<12}: {say(deviation(lambda f, p=patch: e4(f, p), f, moves))}")

# %% [markdown]
# ## 9 The map
#
# What may the weight of y depend on? Ask the three terms of this notebook: change the position, change x, double y. They add no constant: if the weight does not depend on y, the term doubles.

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
framework_map()

# %% [markdown]
# A full circle: the weight of y depends on it. ReLU's weight, 0 or 1, follows y's sign; attention asks place and both features; E4 asks f(g), but not f(g̃). In every row the *places* enter through ĝ = g⁻¹g̃ alone: in the blue column, or in the last one, where "g alone" is ĝ = e, and "in gS" is ĝ ∈ S.
#
# Three rows stretch the formula. Pooling takes a maximum where the others sum: the substitution of section 3 shuffles its terms, too. In lifting, g̃ is a
# pixel, and g⁻¹ moves it. In the last row α is a softmax: as in section 5, a quotient of sums. Its score reads patches, of all sheets.
#
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
torch.testing.assert_close(position_bank(head.positions, D4), layers.position_bank(head.positions, D4))
print("Your functions and the library's agree on random input.")

# %%
progress("07")

# %% [markdown]
# ## Recap
#
# - The relative position g⁻¹g̃ is all that a common move leaves as it is. A sum over pairs is equivariant if and only if it equals one where the places enter through g⁻¹g̃ alone; about features the theorem asks nothing.
# - Both directions of the proof are one substitution, ug̃ for g̃. Single terms are not unique, their sum is; so is how each depends on f(g̃), for g̃ ≠ g.
# - A group convolution weighs by position. Self-attention weighs by position and content, as a quotient of two sums; its table of positions is turned and permuted like a filter.
# - Patches may replace features, if they are carried along, gg′, in the order of one list.
#
# **Now in `course_lib`:** `from course_lib.layers import GroupSelfAttention`; the sums over pairs: `from course_lib import framework`; the definition in loops: `oracles.self_attention`.
#
# **Further reading:** L. He and others, *Efficient Equivariant Network*, 2021, section 3. D. Romero and J.-B. Cordonnier, *Group Equivariant Stand-Alone Self-Attention For Vision*, 2021.
#
# **Next:** notebook 08 makes E4 a fast layer, and measures what its kernels, written on the spot, are worth.
