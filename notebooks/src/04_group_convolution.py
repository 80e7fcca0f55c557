# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 04 Group convolution, and a network that knows about turning
#
# **After this notebook you will be able to** write a lifting and a group convolution as loops and as one `conv2d`, prove that they
# are equivariant, say what happens to the orientation channels in the second layer, count parameters and operations of a p4
# network, and train one that reads turned digits better than an ordinary network of about its size.
#
# **What you need before:** notebooks 01 to 03 (the groups C4 and D4, cosets, $L_g$ on images and feature maps, equivariance), and
# some PyTorch.
#
# **Time:** about 90 minutes, with five exercises. **Hardware:** any laptop; no GPU, no network. The training in section 8 takes about a minute.

# %%
import json
from collections.abc import Callable
from inspect import getsource
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import course_lib
from course_lib import figures, layers, models, oracles
from course_lib.actions import act_on_feature_map, act_on_image
from course_lib.checks import equivariance_error, relative_error
from course_lib.data import Dataset, load_digits
from course_lib.exercises import exercise, progress
from course_lib.groups import ALL_GROUPS, C1, C2, C4, D1, D4, Element, Group, compose, inverse, matrix
from course_lib.layers import (
    EquivariantSequential,
    GlobalMaxPool,
    GroupBatchNorm2d,
    GroupConv2d,
    LiftingConv2d,
    SpatialMaxPool2d,
)
from course_lib.oracles import source_pixel
from course_lib.training import History, TrainConfig, accuracy_by_angle, evaluate, predict, seed_everything, train
from course_lib.wallpaper import Isometry, semidirect_inverse, semidirect_product

# %%
torch.set_num_threads(1)  # on networks this small a second thread gains nothing, and changes the last digits
r, m = Element(0, 1), Element(1, 0)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def say(error: float) -> str:
    return "exact" if error < 1e-10 else f"{error:.1f}"


# %% [markdown]
# ## 1 Lifting: keep all turned filters
#
# Notebook 03 proved: turn image *and* filter together, and the result turns. But nobody tells the network how an image was
# turned. So keep the answers of **all** turned filters, one sheet for each.
#
# A turned filter is $[L_h \psi](y) = \psi(h^{-1} y)$. Slide it to the place t ($y - t$ replaces y), and sum over the input channels c:
#
# $$[f \star \psi](t, h) = \sum_{y} \sum_{c} f_c(y)\; \psi_c\big(h^{-1}(y - t)\big)$$
#
# An image is a function of a place; the result, of a place t *and* an orientation h: a feature map on the group
# $\mathbb{Z}^2 \rtimes H$. Hence the name **lifting convolution**. Where h is the identity, it is the correlation you know.
#
# A case small enough for the head: a 2 × 2 image, and a 2 × 2 filter in its four orientations. One place t, so each sheet is one number.

# %%
f, psi = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]), torch.tensor([[[[1.0, 10.0], [100.0, 1000.0]]]])
print("In the upper left corner, (0, 0), the turned filter L_r ψ shows the pixel", source_pixel(r, 0, 0, 2, 2), "of ψ.")
figures.panels({"f": f[0]} | {f"L_{h} ψ": act_on_image(h, psi[0, 0]) for h in C4.elements})

# %% [markdown]
# <details><summary>Predict first: lay each filter over f, multiply, and add up. Which four numbers?</summary>
#
# 4321, 2413, 1234, 3142. The pixel that lies under the weight 1000 becomes the first digit, the one under 100 the second, and so on.
# For $L_r \psi$ the weight 1000 has moved from the lower to the upper right, where f is 2.
#
# </details>
#
# Write the definition as a loop. `source_pixel(h, a, b, k, k)` of notebook 02 says which pixel of ψ the turned filter
# shows at (a, b): the cell above printed one. The window of t begins at some (row, col) of f; the filter turns about
# its own center. `np.ndindex(2, 3)` runs through (0, 0), (0, 1), … (1, 2); so two loops are enough, one over all output
# values, and in it one over the terms.


# %%
@exercise
def lifting_conv(f: Tensor, psi: Tensor, group: Group) -> Tensor:
    """[f ⋆ ψ](t, h) = Σ_y Σ_c f_c(y) ψ_c(h⁻¹(y − t)), without padding.
    One image (C, Y, X) and filters (O, C, k, k) → (O, |H|, Y − k + 1, X − k + 1).
    """
    ...


# %% [markdown]
# <!-- help: lifting_conv -->

# %%
print("four sheets on C4: ", lifting_conv(f, psi, C4).int().flatten().tolist())
print("eight sheets on D4:", lifting_conv(f, psi, D4).int().flatten().tolist())

# %% [markdown]
# **Fast.** Turn all filters once, into a **filter bank**; then sheet h is an ordinary correlation with $L_h\psi$.


# %%
@exercise
def lifting_filter_bank(psi: Tensor, group: Group) -> Tensor:
    """All turned copies L_h ψ, in the order of group.elements: (O, C, k, k) → (O, |H|, C, k, k).
    Use act_on_image(h, psi), which turns the last two axes of any tensor.
    """
    ...


# %% [markdown]
# <!-- help: lifting_filter_bank -->
#
# To `conv2d` the sheets are just more output channels: (O, |H|) becomes one axis, and is taken apart again afterwards.


# %%
def lift(f: Tensor, psi: Tensor, group: Group) -> Tensor:
    """(B, C, Y, X), (O, C, k, k) → (B, O, |H|, Y′, X′)"""
    bank = lifting_filter_bank(psi, group)  # (O, |H|, C, k, k)
    y = F.conv2d(f, bank.flatten(0, 1))  # (B, O·|H|, Y′, X′)
    return y.unflatten(1, (len(psi), group.order))


f, psi = noise(3, 6, 5), noise(2, 3, 3, 3)
for group in ALL_GROUPS:
    assert relative_error(lift(f[None], psi, group)[0], lifting_conv(f, psi, group)) < 1e-10
print("The loop and the one conv2d agree for", *ALL_GROUPS)

# %% [markdown]
# Now on a real digit, with a crooked filter (blue −1, white 0, red 1). Turn, then lift; or lift, then turn *and permute*, as feature maps
# do since notebook 02. And the worst error for each group, with random filters, on a map that is not square.

# %%
digits, rotated_digits = load_digits(), load_digits(rotated=True)
digit = digits.test.images[7:8].double()  # (1, 1, 28, 28)
hook = torch.tensor([[-1.0, 1.0, 1.0], [-1.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]).double()[None, None]
figures.filter_bank_figure(lifting_filter_bank(hook, C4)[0, :, 0], C4)

# %%
for group in ALL_GROUPS:
    report = equivariance_error(lambda x, group=group: lift(x, psi, group), group, noise(1, 3, 9, 12))
    print(f"{group}: sheets {group.order}, error of lifting: {say(report.error)}")
figures.turn_then_compute(lambda x: lift(x, hook, C4), digit, r, C4)

# %% [markdown]
# Sheet e stands on the right of each ring, then r, r², r³ counter-clockwise. From Φ(x) to L_r Φ(x) each sheet turns and moves one place on.
# Φ(L_r x) is the same ring; the difference is zero everywhere.
#
# ## 2 First proof: lifting is equivariant
#
# Claim: $(L_g f) \star \psi = L_g (f \star \psi)$ for every g in H. One channel is enough:
#
# $$\begin{aligned}
# {}[(L_g f) \star \psi](t, h) &= \sum_y f(g^{-1} y)\; \psi\big(h^{-1}(y - t)\big) && (1)\\
# &= \sum_y f(y)\; \psi\big(h^{-1}(g y - t)\big) && (2)\\
# &= \sum_y f(y)\; \psi\big((g^{-1}h)^{-1}(y - g^{-1}t)\big) && (3)\\
# &= [f \star \psi](g^{-1}t,\, g^{-1}h) = [L_g (f \star \psi)](t, h) && (4)
# \end{aligned}$$
#
# - (1) → (2): put gy in the place of y. The sum has the same terms, as g only shuffles the points of the lattice.
# - (2) → (3): g comes out of the bracket, $g y - t = g(y - g^{-1}t)$, and $h^{-1} g = (g^{-1} h)^{-1}$.
# - (3) → (4): line (3) is the definition, at another place and another orientation.
#
# The inverses are easy to lose. The lecture slides from which this course started claim the right thing, but on the way they write f(gy)
# where $[L_g f](y) = f(g^{-1}y)$ belongs, and then a product of inverses in the wrong order.
#
# <details><summary>Predict first: for which g of D4 does f(gy) do no harm in line (1)?</summary>
#
# Where g⁻¹ = g: for e, r² and the four mirrors, six of the eight. For r and r³ it is the other turn. A test with half
# turns and mirrors alone would let the slip pass.
#
# </details>
#
# Each line can be run. Here f and ψ are functions on the whole lattice, zero outside a few points.


# %%
def on_lattice(values: np.ndarray) -> Callable[[np.ndarray], int]:
    n = len(values) // 2
    return lambda x: int(values[n - x[1], n + x[0]]) if max(abs(x)) <= n else 0


random = np.random.default_rng(0)
f, psi = on_lattice(random.integers(10, size=(5, 5))), on_lattice(random.integers(-9, 10, size=(3, 3)))
lattice = [np.array([x, y]) for x in range(-4, 5) for y in range(-4, 5)]
t = np.array([1, -1])


def lines(g: Element, h: Element) -> tuple[int, int, int, int]:
    G, G_inv, H_inv, GH_inv = (matrix(k) for k in (g, inverse(g), inverse(h), inverse(compose(inverse(g), h))))
    line_1 = sum(f(G_inv @ y) * psi(H_inv @ (y - t)) for y in lattice)
    line_2 = sum(f(y) * psi(H_inv @ (G @ y - t)) for y in lattice)
    line_3 = sum(f(y) * psi(GH_inv @ (y - G_inv @ t)) for y in lattice)
    with_a_slip = sum(f(G @ y) * psi(H_inv @ (y - t)) for y in lattice)
    return line_1, line_2, line_3, with_a_slip


results = {(g, h): lines(g, h) for g in D4.elements for h in D4.elements}
print("lines (1), (2), (3) are equal for", sum(a == b == c for a, b, c, _ in results.values()), "of 64 pairs (g, h)")
harmless = [str(g) for g in D4.elements if all(results[g, h][0] == results[g, h][3] for h in D4.elements)]
print("f(gy) does no harm for g =", ", ".join(harmless))

# %% [markdown]
# ## 3 The second layer: must I permute the orientation channels too?
#
# The second layer gets a map with sheets. The easy way: treat the C·|H| sheets as channels, and turn the filters as before.
#
# <details><summary>Predict first: is that equivariant? What happens to its input when the image turns by r?</summary>
#
# No. The sheets turn *and change places*: what was on sheet e is now on sheet r. A filter that is only turned looks for it on the old
# sheet. So yes: turned filters must permute their orientation channels too.
#
# </details>
#
# The input is a function f(y, h̃) on the group: h̃ names its sheet, h that of the output. So the filter must be one
# too: $\psi(x, \tilde h)$, with |H| sheets of k × k weights for each channel. $L_h$ acts on it as on every feature map:
# $[L_h\psi](x, \tilde h) = \psi(h^{-1}x, h^{-1}\tilde h)$. Let the sum of section 1 run over the whole group:
#
# $$[f \star \psi](t, h) = \sum_{y,\, \tilde h} \sum_{c} f_c(y, \tilde h)\; \psi_c\big(h^{-1}(y - t),\; h^{-1}\tilde h\big)$$
#
# This is the **group convolution**. Why not take the maximum over the sheets, and lift again? That is equivariant too. But a corner is a
# horizontal stroke next to a vertical one: what counts is the orientation of one *relative to* the other, $h^{-1}\tilde h$, and the
# maximum loses it. (On rotated MNIST, Cohen and Welling measured 3.21 % error with these maxima, 2.28 % without.)
#
# A small case: a single pixel, so only the sum over h̃ is left. f has the sheets (1, 2, 3, 4), ψ has (1, 10, 100, 1000).
#
# <details><summary>Predict first: which four numbers?</summary>
#
# For h = e: 1·1 + 2·10 + 3·100 + 4·1000 = 4321. For h = r the weights have moved on by one sheet, (1000, 1, 10, 100), so
# 1·1000 + 2·1 + 3·10 + 4·100 = 1432. Then 2143 and 3214.
#
# </details>

# %%
print(getsource(oracles.group_conv))
f = torch.tensor([1.0, 2.0, 3.0, 4.0]).reshape(1, 4, 1, 1)
psi = torch.tensor([1.0, 10.0, 100.0, 1000.0]).reshape(1, 1, 4, 1, 1)
print("one pixel:", oracles.group_conv(f, psi, C4).int().flatten().tolist())

# %% [markdown]
# It is your loop of exercise 4.1 with a sum over the sheets j, and one line for $h^{-1}\tilde h$.
#
# **Fast:** again, turn all filters once. Only *turning* means more now.


# %%
@exercise
def group_filter_bank(psi: Tensor, group: Group) -> Tensor:
    """All copies L_h ψ of filters on the group: (O, C, |H|, k, k) → (O, |H|, C, |H|, k, k).
    The first |H| is the copy's h, the output's orientation; the second is h̃, the input's.
    """
    ...


# %% [markdown]
# <!-- help: group_filter_bank -->


# %%
def convolve(f: Tensor, bank: Tensor) -> Tensor:
    """(B, C, |H|, Y, X), (O, |H|, C, |H|, k, k) → (B, O, |H|, Y′, X′)"""
    rows = bank.flatten(2, 3).flatten(0, 1)  # (O·|H|, C·|H|, k, k)
    y = F.conv2d(f.flatten(1, 2), rows)  # f: (B, C·|H|, Y, X), the sheets in the same order
    return y.unflatten(1, bank.shape[:2])


for group in ALL_GROUPS:
    f, psi = noise(3, group.order, 4, 5), noise(2, 3, group.order, 3, 3)
    y = convolve(f[None], group_filter_bank(psi, group))[0]
    assert relative_error(y, oracles.group_conv(f, psi, group)) < 1e-10
print("The loop over the group and the one conv2d agree for", *ALL_GROUPS)

psi = torch.stack([hook[0, 0], hook[0, 0] / 2, 0 * hook[0, 0], 0 * hook[0, 0]])[None, None]
figures.filter_bank_figure(group_filter_bank(psi, C4)[0, :, 0], C4)

# %% [markdown]
# The bank of one filter: the hook on sheet e, half as strong on sheet r, nothing on the other two. Each
# row is an output sheet, each column an input sheet. Follow the strong hook down the rows: it has turned by 90°, *and*
# moved one sheet on. The filter has 4 · 3 · 3 = 36 weights; the bank has 144.
#
# ## 4 Break it on purpose
#
# Four wrong banks. (i) turns without permuting. (ii) takes sheet hh̃ in place of h⁻¹h̃. (iii) puts the sheets before the channels,
# a slip in the order of two axes. (iv) swaps the two group axes.
#
# <details><summary>Predict first: which of them are equivariant? Which does a test on C2, with one channel, let pass?</summary>
#
# (i), (ii) and (iii) are not. But on C2 each element is its own inverse, so there (ii) is right; and (iii) mixes
# channels with sheets, which one channel cannot show. (iv) is the surprise: run the cell.
#
# </details>


# %%
def copies(turn: Callable[[Element], Tensor], group: Group) -> Tensor:
    return torch.stack([turn(h) for h in group.elements], dim=1)


wrong_banks = {
    "(i) turn only": lambda psi, H: copies(lambda h: act_on_image(h, psi), H),
    "(ii) permute by h": lambda psi, H: copies(lambda h: act_on_image(h, psi[:, :, H.permutation(inverse(h))]), H),
    "(iii) |H| before C": lambda psi, H: group_filter_bank(psi, H).transpose(2, 3),
    "(iv) |H|, |H| swap": lambda psi, H: group_filter_bank(psi, H).transpose(1, 3),
}


def test_bank(make: Callable[[Tensor, Group], Tensor], group: Group, channels: int) -> str:
    psi, f = noise(2, channels, group.order, 3, 3), noise(1, channels, group.order, 5, 5, seed=1)
    bank = make(psi, group)
    error = equivariance_error(lambda x: convolve(x, bank), group, f).error
    right = relative_error(convolve(f, bank)[0], oracles.group_conv(f[0], psi, group)) < 1e-10
    return f"{say(error):>5}, {'as the loop' if right else 'NOT the loop'}"


print("equivariance error, and is it the same map as the loop?")
print(f"{'bank':<19} {'C2, 1 channel':<21} {'C4, 2 channels':<21} D4, 2 channels")
for name, make in {"right": group_filter_bank, **wrong_banks}.items():
    columns = [test_bank(make, group, channels) for group, channels in ((C2, 1), (C4, 2), (D4, 2))]
    print(f"{name:<19} {columns[0]:<21} {columns[1]:<21} {columns[2]}")

# %% [markdown]
# Bank (iv) is **exactly equivariant, and wrong**. It uses $\psi(\tilde h^{-1}x, \tilde h^{-1}h)$. Put gx, gh and gh̃
# for x, h and h̃: each g cancels, as it does in the formula's $\psi(h^{-1}x, h^{-1}\tilde h)$. Yet it is another map. A
# network can be trained with it. But load weights of the right layer, and you get nonsense, without any error
# message.
#
# So **equivariance alone proves nothing about the layout**. Test every layer for equivariance *and* against its loop; with several
# channels, on a group where order matters.
#
# ## 5 Second proof: on the group
#
# Write $u = (s, g)$ for an element of $\mathbb{Z}^2 \rtimes H$, first g, then the shift s; it acts by $[L_u f](q) = f(u^{-1}q)$. The points
# $q = (y, \tilde h)$ of the input and $p = (t, h)$ of the output are such elements too. By notebook 01 the two arguments of ψ are one:
# $(t, h)^{-1}(y, \tilde h) = (h^{-1}(y - t),\, h^{-1}\tilde h)$. So the group convolution is $\sum_q f(q)\,\psi(p^{-1}q)$, and the
# proof gets shorter:
#
# $$\begin{aligned}
# {}[(L_u f) \star \psi](p) &= \sum_q f(u^{-1}q)\; \psi(p^{-1}q) && (1)\\
# &= \sum_q f(q)\; \psi(p^{-1}u\,q) && (2)\\
# &= \sum_q f(q)\; \psi\big((u^{-1}p)^{-1}q\big) = [f \star \psi](u^{-1}p) = [L_u(f \star \psi)](p) && (3)
# \end{aligned}$$
#
# (1) → (2): put uq in the place of q; multiplication by u only shuffles the group. (2) → (3):
# $p^{-1}u = (u^{-1}p)^{-1}$. No property of the plane was used: the lines hold for any group that one can sum over, and cover
# shifts as well. In p4m, with whole numbers (elements printed as m, r, and the shift):

# %%
point_values = {
    Isometry(*h, x, y): int(random.integers(10)) for h in D4.elements for x in (-1, 0, 1) for y in (-1, 0, 1)
}
f, psi = (lambda q: point_values.get(q, 0)), (lambda q: point_values.get(q, 0) ** 2 - 40 * (q in point_values))
times, inv = semidirect_product, semidirect_inverse
group_points = [Isometry(*h, x, y) for h in D4.elements for x in range(-3, 4) for y in range(-3, 4)]
for u, p in [((1, 1, 1, 0), (0, 3, 0, 1)), ((0, 1, -1, 1), (1, 2, 0, 0)), ((0, 2, 0, -1), (1, 0, 1, -1))]:
    u, p = Isometry(*u), Isometry(*p)
    line_1 = sum(f(times(inv(u), q)) * psi(times(inv(p), q)) for q in group_points)
    line_2 = sum(f(q) * psi(times(times(inv(p), u), q)) for q in group_points)
    line_3 = sum(f(q) * psi(times(inv(times(inv(u), p)), q)) for q in group_points)
    print(f"u = {tuple(u)}, p = {tuple(p)}: {line_1} = {line_2} = {line_3}")
    assert line_1 == line_2 == line_3

# %% [markdown]
# ## 6 Mirrors: p4m
#
# <details><summary>Predict first: what must you write for p4m, and how many weights has a 3 × 3 filter on it, per input channel?</summary>
#
# Nothing: pass D4 in place of C4. Eight sheets of 9, so 72 weights.
#
# </details>
#
# The library's layers, `LiftingConv2d(group, in, out, k)` and `GroupConv2d(group, in, out, k)`, are your functions with
# a weight and a bias inside. Two of them in a row, for p4 and for p4m. `GroupMaxPool` takes the maximum over the
# sheets, which leaves a plain map; so mirrors can be tested on p4 too. Then the eight sheets of one channel on p4m:


# %%
def two_layers(group: Group) -> nn.Module:
    torch.manual_seed(3)
    return EquivariantSequential(
        LiftingConv2d(group, 1, 2, 5), nn.ReLU(), GroupConv2d(group, 2, 2, 5), nn.ReLU()
    ).double()


for name, group in {"p4": C4, "p4m": D4}.items():
    net = nn.Sequential(two_layers(group), layers.GroupMaxPool(group))
    errors = [say(equivariance_error(net, turns, noise(1, 1, 16, 16)).error) for turns in (C4, D4)]
    print(f"{name:<3} layers: {errors[0]} under C4, {errors[1]} under D4")
sheets = two_layers(D4)(digit)[0, 1]
figures.feature_map_ring(sheets, D4, title="one channel on p4m")

# %% [markdown]
# Outside stand the answers of the turned filters, inside those of their mirror images. p4 knows nothing of mirrors; p4m does. More symmetry
# is not always better: a mirrored 2 is no 2.
#
# ## 7 The other layers
#
# **ReLU** acts on each value by itself, wherever it stands. **Batch norm** and **bias** have parameters per channel, which must mean:
# shared by all |H| sheets. **Dropout** drops all sheets of a channel together. The trap: `nn.BatchNorm2d` on C·|H| channels.


# %%
class PerSheetNorm(nn.BatchNorm2d):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.flatten(1, 2)).view_as(x)


torch.manual_seed(0)
for name, norm in {"per sheet": PerSheetNorm(8), "shared": GroupBatchNorm2d(C4, 2)}.items():
    net = nn.Sequential(LiftingConv2d(C4, 1, 2, 3), norm).double()
    before = equivariance_error(net, C4, noise(1, 1, 8, 8)).error
    for _ in range(20):
        net.train()(noise(50, 1, 8, 8, seed=1).cumsum(dim=2))  # batches in which up and down differ
    after = equivariance_error(net, C4, noise(1, 1, 8, 8)).error
    print(f"{name:<9}: before training {say(before)}, after {say(after)}")

# %% [markdown]
# The error is measured in eval mode, with the running mean and variance. They start equal on all sheets, and drift apart.
#
# ### Pooling over the group, and over cosets
#
# At the end the answer should not turn at all. The maximum over all sheets, $\max_h f(x, h)$, does not see the permutation: it leaves a map
# that turns like an image. The maximum over all places as well leaves one number per channel, and that is **invariant**.
#
# In between one can pool over the cosets of a subgroup S (notebook 01: $hS = \{hs : s \in S\}$):
#
# $$P(f)(x, hS) = \max_{s \in S} f(x, hs)$$
#
# <details><summary>Predict first: D4, and S = {e, m}. How many sheets are left? Which elements still act, and how?</summary>
#
# 8/2 = 4 sheets. All of D4 still acts: g takes the coset hS to ghS, so it permutes the four sheets.
#
# </details>


# %%
@exercise
def coset_max_pool(f: Tensor, group: Group, subgroup: Group) -> Tensor:
    """P(f)(x, hS) = max over s ∈ S of f(x, hs), for one channel: (|H|, Y, X) → (|H|/|S|, Y, X).
    group.left_cosets(subgroup) lists the cosets, in the order of the result; group.index(h) is the sheet of h.
    """
    ...


# %% [markdown]
# <!-- help: coset_max_pool -->
#
# `act_on_feature_map(g, f, D4, S)` is the action on what is left: it permutes the cosets of S.

# %%
f = noise(8, 5, 5)
for subgroup in (C1, D1, C4, D4):
    pooled = coset_max_pool(f, D4, subgroup)
    for g in D4.elements:
        turned = coset_max_pool(act_on_feature_map(g, f, D4), D4, subgroup)
        assert torch.equal(turned, act_on_feature_map(g, pooled, D4, subgroup))
    print(f"D4 over the cosets of {subgroup}: sheets left {len(pooled)}, equivariant under all of D4")

# %% [markdown]
# **Break it:** why *left* cosets? g takes hS to ghS, whole. With right cosets Sh, r tears the pairs apart:


# %%
def pool_pairs(f: Tensor, pairs: list[tuple[Element, Element]]) -> Tensor:
    pooled = torch.stack([torch.maximum(f[D4.index(a)], f[D4.index(b)]) for a, b in pairs])
    return pooled.amax(dim=(1, 2))  # over all places too, so that only the sheets count


left = [(h, compose(h, m)) for h in C4.elements]
right = [(h, compose(m, h)) for h in C4.elements]
for name, pairs in {"left, {h, hm}": left, "right, {h, mh}": right}.items():
    before, after = (pool_pairs(x, pairs).sort().values for x in (f, act_on_feature_map(r, f, D4)))
    print(f"{name:<14}: the pooled values of f and of L_r f are the same up to order: {torch.equal(before, after)}")

# %% [markdown]
# ## 8 A network
#
# **P4CNN**, by Cohen and Welling (here without their dropout), for 28 × 28 images:
#
# | layers | map size after |
# |---|---|
# | 1: lifting convolution 3 × 3, norm, ReLU | 26 |
# | 2: group convolution 3 × 3, norm, ReLU; then 2 × 2 spatial max pool | 24, then 12 |
# | 3 to 6: four times group convolution 3 × 3, norm, ReLU | 10, 8, 6, 4 |
# | 7: group convolution 4 × 4 to one channel per class | 1 |
# | maximum over group and space | (B, classes) |
#
# No padding. The 2 × 2 pool stands where the map is even, as notebook 03 demands. These are the parts:

# %%
x = torch.zeros(1, 1, 8, 8)
parts = [
    LiftingConv2d(C4, 1, 2, 3),
    GroupBatchNorm2d(C4, 2),
    nn.ReLU(),
    SpatialMaxPool2d(C4, 2),
    GroupConv2d(C4, 2, 3, 3),
]
for layer in [*parts, GlobalMaxPool(C4)]:
    x = layer(x)
    print(f"{type(layer).__name__:<16} → {tuple(x.shape)}")

# %% [markdown]
# Build the network, with the group as an argument: then `p4cnn(C1, …)` is an ordinary CNN, called Z2CNN, without another line.


# %%
@exercise
def p4cnn(group: Group = C4, width: int = 10, classes: int = 10) -> EquivariantSequential:
    """P4CNN for 28×28 images: (B, 1, 28, 28) → (B, classes). ``width`` channels in layers 1 to 6.
    Its parts are those above; EquivariantSequential(*layers) puts them in a row.
    """
    ...


# %% [markdown]
# <!-- help: p4cnn -->

# %%
with torch.no_grad():
    for group in (C1, C4, D4):
        net = p4cnn(group, 4).double().eval()
        outputs = [net(act_on_image(g, digit)) for g in D4.elements]
        same = sum(relative_error(y, outputs[0]) < 1e-10 for y in outputs)
        print(f"p4cnn({group}, 4): the same ten scores for {same} of 8 turned and mirrored digits")

# %% [markdown]
# ### How many parameters?
#
# Count what is learned, not the bank. A filter has |H|·k² weights per input channel (k² in the lift). Add a bias, and
# for each norm a gain and a bias, *per channel*. With width w and n = |H|:
#
# $$\underbrace{9w + w}_{\text{lift}} + 5\,\underbrace{(9nw^2 + w)}_{\text{layers 2–6}} + \underbrace{16nw \cdot 10 + 10}_{\text{layer 7}} + \underbrace{6 \cdot 2w}_{\text{norms}}$$


# %%
def count_by_hand(w: int, n: int) -> int:
    return (9 * w + w) + 5 * (9 * n * w**2 + w) + (16 * n * w * 10 + 10) + 6 * 2 * w


sizes = {"Z2CNN": (C1, 20), "P4CNN": (C4, 10)}
for name, (group, width) in sizes.items():
    parameters = sum(p.numel() for p in p4cnn(group, width).parameters())
    assert parameters == count_by_hand(width, group.order)
    print(f"{name} = p4cnn({group}, {width}): {parameters:,} parameters; sheets per layer: {width * group.order}")

# %% [markdown]
# Most of it is $45nw^2$. So at equal size, four times the group means *half* the width: 10 in place of 20. (Layer 7
# makes P4CNN a little larger.)
#
# ### How many operations?
#
# Count "multiply-accumulates", a product and a sum each. At a place an ordinary convolution uses each weight once; a group convolution
# uses it |H| times, once in each turned copy. So at equal parameters it costs |H| times the operations. PyTorch counts each as
# two, so we halve:


# %%
def multiply_accumulates(net: nn.Module) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net.eval()(torch.zeros(1, 1, 28, 28))
    return counter.get_total_flops() // 2


z2, p4 = multiply_accumulates(p4cnn(C1, 20)), multiply_accumulates(p4cnn(C4, 10))
wide = multiply_accumulates(p4cnn(C1, 40))
print(f"Z2CNN {z2:,}; P4CNN {p4:,}, {p4 / z2:.1f} times as many; an ordinary CNN with 40 channels: {wide:,}")

# %% [markdown]
# **When does it cost too much?** At equal parameters, p4 takes 4 and p4m 8 times the operations, and the maps take √|H|
# times the memory (half the width, four sheets each). Against an ordinary CNN with as many *sheets*, p4's hidden
# layers take as many operations with a quarter of the parameters. Expect most gain where data is scarce and things appear
# in all orientations. Where up is always up, measure: on CIFAR-10, of photographs, He et al. (2021) report 9.7 % error for
# a ResNet-18, and 7.5 % on p4 with as many parameters.
#
# ### Train both
#
# Real digits, each turned by one random angle; training, validation and test are from *different filled-in forms*. Same recipe
# for both.

# %%
print(f"{len(rotated_digits.train):,} digits for training, {len(rotated_digits.test)} for the test")
five = rotated_digits.train.first(5)
figures.panels({f"a {label}": image[0] for label, image in zip(five.labels, five.images, strict=True)})


# %%
def fit(name: str, data: Dataset, epochs: int) -> tuple[nn.Module, History]:
    seed_everything(0)
    net = p4cnn(*sizes[name])
    recipe = TrainConfig(epochs=epochs, batch_size=64, learning_rate=0.01, schedule="cosine")
    return net, train(net, data.train, recipe, data.validation, device="cpu", progress=True)


runs = {name: fit(name, rotated_digits, epochs=10) for name in sizes}
nets = {name: net for name, (net, history) in runs.items()}

# %% tags=["nbval-ignore-output"]
accuracy = {name: evaluate(net, rotated_digits.test) for name, net in nets.items()}
print("Test accuracy:", ", ".join(f"{name} {value:.2f}" for name, value in accuracy.items()))
figures.learning_curves({name: history for name, (net, history) in runs.items()})

# %% [markdown]
# P4CNN learns faster: what it learns from one digit, it knows for four orientations. (The curves show validation digits; the test's
# are harder.) On the test digits:

# %%
print("P4CNN makes fewer mistakes on the test digits:", accuracy["P4CNN"] > accuracy["Z2CNN"])
for name, net in nets.items():
    answers = torch.stack([predict(net, act_on_image(g, rotated_digits.test.images)) for g in C4.elements])
    print(f"{name} gives one answer to all four turns of each digit: {bool((answers == answers[0]).all())}")

# %% [markdown]
# ### Accuracy against the angle
#
# Take 300 *upright* test digits, and turn all of them by the same angle, from 0° to 337.5°.
#
# <details><summary>Predict first: what do the two curves look like?</summary>
#
# P4CNN's curve repeats every 90°, exactly: at 0°, 90°, 180°, 270° it gives the same answer to every single digit. In
# between it is what it has learned to be: better or worse. Nothing binds Z2CNN's curve; it wobbles.
#
# </details>

# %% tags=["nbval-ignore-output"]
angles = [22.5 * i for i in range(16)]
upright_test = digits.test.first(300)
curves = {name: accuracy_by_angle(net, upright_test, angles) for name, net in nets.items()}
figures.accuracy_by_angle(curves, angles)

# %%
for name, curve in curves.items():
    print(f"{name}: the same accuracy at 0°, 90°, 180°, 270°: {len(set(curve[::4].tolist())) == 1}")
print("P4CNN is better on the mean over all angles:", bool(curves["P4CNN"].mean() > curves["Z2CNN"].mean()))

# %% [markdown]
# Now train both on **upright** digits only, for three epochs, and test at all angles.
#
# <details><summary>Predict first: P4CNN at 90°? At 45°? And Z2CNN?</summary>
#
# Quarter turns are free for P4CNN: as good at 90° as at 0°, though it has never seen a turned digit. At 45° it has no promise to keep, and
# falls as Z2CNN does; Z2CNN has no promise at 90° either, and stays low.
#
# </details>

# %% tags=["nbval-ignore-output"]
upright_nets = {name: fit(name, digits, epochs=3)[0] for name in sizes}
upright_curves = {name: accuracy_by_angle(net, upright_test, angles) for name, net in upright_nets.items()}
figures.accuracy_by_angle(upright_curves, angles)

# %%
for name, curve in upright_curves.items():
    at_45, at_90 = curve[2] < curve[0] / 2, curve[4] == curve[0]
    print(f"{name}: at 90° as good as at 0°: {bool(at_90)}; at 45° less than half as good: {bool(at_45)}")

# %% [markdown]
# P4CNN has four equal peaks, Z2CNN one high peak; half way between its peaks P4CNN falls, too. A symmetry promises nothing outside its
# group: other angles still need turned training data.
#
# ### "Do I need equivariance at all, or is augmentation enough?"
#
# Turning the training images *is* augmentation, and both networks got the same turned images. So we compared augmentation alone with
# augmentation plus weight sharing, at about equal parameters. One seed proves little; here are five, stored by
# `tests/benchmarks/digits_p4_vs_z2.py`:

# %%
stored = json.loads((Path(course_lib.__file__).parents[1] / "data" / "results" / "digits_p4_vs_z2.json").read_text())
errors = {name: [run["test_error_percent"] for run in stored["runs"] if run["network"] == name] for name in sizes}
ahead = sum(p4 < z2 for z2, p4 in zip(*errors.values(), strict=True))
print(f"P4CNN has the smaller test error for {ahead} of {len(stored['seeds'])} seeds")

# %% tags=["nbval-ignore-output"]
print("test error in %, seeds", *stored["seeds"])
for name, values in errors.items():
    print(f"{name}: " + "  ".join(f"{value:4.1f}" for value in values) + f"   mean {np.mean(values):.1f}")
figures.bars(errors, ylabel="test error, in % (dots: seeds)")

# %% [markdown]
# What this shows: on this *small* data set and with this recipe, weight sharing adds what turned images alone do not
# give. What it does not show: that this holds with far more data, fresh angles in every epoch, a recipe tuned for each
# network, or equal *operations*. And with 510 test digits, an error of 15 % has a standard deviation of √(0.15 · 0.85 / 510)
# ≈ 1.6 points.
#
# ### Look inside: turn a digit under the slider
#
# 1. P4CNN, at 90°: follow a dark sheet of relu1 (layer 1 after norm and ReLU) to its new place. Do the two orders agree, in every layer?
# 2. Which layer is the first whose map you no longer recognize as the digit? Is it still exact?
# 3. Z2CNN, at 90°: there is no other sheet to go to. How large is the error, and does depth repair it?
# 4. Watch the ten bars: which network changes its mind?
#
# <details><summary>Answers</summary>
#
# 1. From sheet h to sheet rh; yes, to rounding. 2. About layer 4; yes, deep maps are as exact as early ones. 3. As large as the
# map itself from layer 1 on; no. 4. P4CNN's bars cannot move at quarter turns. Z2CNN's do; whether it changes its mind
# depends on the digit.
#
# </details>

# %% tags=["nbval-ignore-output"]
from course_lib.widgets import feature_map_explorer

feature_map_explorer(nets["P4CNN"], digits.test.images[7])

# %% tags=["nbval-ignore-output"]
feature_map_explorer(nets["Z2CNN"], digits.test.images[7])

# %% [markdown]
# ### A p4 network is an ordinary CNN with tied weights
#
# How different is P4CNN from an ordinary network? Not at all, once it is trained. Each group convolution is one `conv2d`
# with a filter bank, so write the bank out as the weight of an ordinary `nn.Conv2d`. Do the same for every layer, and
# nothing of the group is left: a plain CNN with four times as many channels, in which sets of four filters happen to be
# turned copies of each other. That is how you ship such a network to software that has never heard of groups.
#
# **Predict:** will the plain network give the same answers? And how many parameters will it have?

# %% tags=["nbval-ignore-output"]
from course_lib.models import as_ordinary_cnn

plain = as_ordinary_cnn(nets["P4CNN"])
print(plain)

# %%
images = digits.test.images[:100]
with torch.no_grad():
    alike = torch.allclose(plain(images), nets["P4CNN"].eval()(images), atol=1e-4)
print("the plain network gives the same answers:", alike)
for name, net in {"P4CNN": nets["P4CNN"], "the same, written out": plain}.items():
    print(f"{name:<22} {sum(p.numel() for p in net.parameters()):>7,} parameters")

# %% [markdown]
# The same answers, from about four times as many numbers. Nearly all of them are copies, and training the plain network
# further would let the copies drift apart. So the symmetry is not in the operations: it is in the *tying* of the weights.
#
# ## What you have built, against the library

# %%
torch.manual_seed(1)
for group in ALL_GROUPS:
    f, psi = torch.randn(2, 5, 6).double(), torch.randn(2, 2, 3, 3).double()
    psi_on_group, maps = torch.randn(2, 3, group.order, 3, 3), torch.randn(group.order, 3, 4)
    assert torch.allclose(lifting_conv(f, psi, group), oracles.lifting_conv(f, psi, group))
    assert torch.equal(lifting_filter_bank(psi, group), layers.lifting_filter_bank(psi, group))
    assert torch.equal(group_filter_bank(psi_on_group, group), layers.group_filter_bank(psi_on_group, group))
    for subgroup in group.subgroups:
        assert torch.equal(coset_max_pool(maps, group, subgroup), oracles.coset_max_pool(maps, group, subgroup))
    yours, reference = ([p.shape for p in build(group, 3).parameters()] for build in (p4cnn, models.p4cnn))
    assert yours == reference
print("All five functions agree with the library, for six groups.")

# %%
progress("04")

# %% [markdown]
# ## Recap
#
# - **Lifting** correlates the image with all turned copies $L_h\psi$; sheet h is the answer of copy h.
# - **Group convolution** does the same on feature maps: its filters have |H| sheets, and their copies are turned *and permuted*.
# - Both are one `conv2d` with a filter bank. Both proofs are one substitution.
# - Equivariance alone proves nothing about the layout; the loop does.
# - Whatever has parameters per channel shares them over the group. Pool over left cosets, or over all.
# - At equal parameters: |H| times the operations. Angles in between must be learned.
#
# **Now in `course_lib`:** `from course_lib.layers import LiftingConv2d, GroupConv2d, CosetMaxPool, GroupMaxPool, lifting_filter_bank,
# group_filter_bank` · `from course_lib.models import p4cnn` · `from course_lib.training import TrainConfig, train, evaluate`
#
# **Further reading:** T. Cohen and M. Welling, *Group Equivariant Convolutional Networks* (ICML 2016), sections 6 to 8.
#
# **Next:** notebook 05 finds out what breaks equivariance in real networks.
