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
# **After this notebook you will be able to** write a lifting convolution and a group convolution as loops and as one `conv2d`, prove
# that both are equivariant, say what happens to the orientation channels in the second layer, count the parameters and operations of
# a p4 network, and train one that reads turned digits better than an ordinary network of about the same size.
#
# **What you need before:** notebooks 01 to 03 (the groups C4 and D4, cosets, $L_g$ on images and feature maps, equivariance), and
# some PyTorch.
#
# **Time:** about 125 minutes, with five exercises. **Hardware:** any laptop; no GPU and no internet. The training in section 8 takes
# about a minute.

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

# %%
import course_lib
from course_lib import figures, layers, models, oracles
from course_lib.actions import act_on_feature_map, act_on_image
from course_lib.checks import equivariance_error, relative_error
from course_lib.data import Dataset, load_digits
from course_lib.exercises import exercise, progress
from course_lib.exercises.ex04_junctions import SHAPES, arms, score
from course_lib.experiments import trained
from course_lib.figures.results import errors_by_row, mean_and_deviation
from course_lib.groups import ALL_GROUPS, C1, C2, C4, D1, D4, Element, Group, compose, inverse, matrix
from course_lib.layers import (
    EquivariantSequential,
    GlobalMaxPool,
    GroupBatchNorm,
    GroupConv2d,
    LiftingConv2d,
    SpatialMaxPool2d,
    lifting_filter_bank,
)
from course_lib.oracles import coset_max_pool, source_pixel
from course_lib.training import History, TrainConfig, accuracy_by_angle, evaluate, predict, seed_everything, train
from course_lib.wallpaper import Isometry, semidirect_inverse, semidirect_product

# %%
torch.set_num_threads(1)  # a second thread gains nothing on networks this small, and changes the last digits
r, m = Element(0, 1), Element(1, 0)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def say(error: float) -> str:
    return "exact" if error < 1e-10 else f"{error:.1f}"


# %% [markdown]
# ## A curve with four equal peaks
#
# Two small networks, an ordinary CNN with 4,386 parameters and a p4 network with 5,558, were trained on the same 1,029 digits. All of these
# digits were upright. Now turn all 510 test digits by the same angle, and count how many of them each network reads correctly.

# %%
digits, rotated_digits = load_digits(), load_digits(rotated=True)
angles = [22.5 * i for i in range(16)]
upright_nets = {"Z2CNN": trained("upright-cnn"), "P4CNN": trained("upright-p4cnn")}
upright_curves = {name: accuracy_by_angle(net, digits.test, angles) for name, net in upright_nets.items()}
figures.accuracy_by_angle(upright_curves, angles).captioned(
    "Both were trained on upright digits. P4CNN reads digits turned by 90°, 180° or 270° just as well; Z2CNN does not. "
    "At 45° both are lost."
)

# %%
for name, curve in upright_curves.items():
    print(f"{name}: {curve[0]:.0%} correct at 0°, {curve[4]:.0%} at 90°, less than 30 % at 45°: {bool(curve[2] < 0.3)}")
    print(f"{name}: the same accuracy at 0°, 90°, 180°, 270°: {len(set(curve[::4].tolist())) == 1}")

# %% [markdown]
# The ordinary network (Z2CNN) has one high peak: it knows what it has seen. The p4 network (P4CNN) has the same peak four times. It reads a
# digit that is turned by 90° just as well as an upright one, although it never saw a turned digit. It did not learn this; it is built so
# that it cannot do anything else. And at 45°, where nothing was built in, it is as lost as the ordinary network.
#
# In this notebook you build such a network, from the first loop to the training. It needs two new convolutions. The first takes an image
# to a feature map with four sheets, one for each direction; the second takes a feature map to a feature map.
#
# Here is the first one. In all diagrams of this course, a stack of framed sheets is a feature map, with one color for each element of the
# group; whatever the layer learns is purple; and B is the number of images. Compare the shapes of the image and of the result: which axis
# is new?

# %%
from course_lib.figures.layer_diagrams import layer_diagram

layer_diagram(LiftingConv2d(C4, 1, 10, 3)).captioned(
    "Each learned filter, turned four ways, makes four sheets from one image. "
    "The shape of a feature map is (batch, channel, sheet, row, column)."
)

# %% [markdown]
# ## 1 Lifting: keep all turned filters
#
# Notebook 03 proved: if you turn the image *and* the filter, the result turns, too. But nobody tells a network how its image was
# turned. So let it use **all** the turned filters, and keep all their answers: one map, or *sheet*, for each turned filter. Whatever
# quarter turn the image has made, one of these filters has made the same turn.
#
# In a formula: a filter turned by h is $[L_h \psi](y) = \psi(h^{-1} y)$. To let it look at the pixels around t, move it there: replace y
# by $y - t$. Then multiply it by the image, pixel by pixel, and add up, over all pixels y and all input channels c:
#
# $$[f \star \psi](t, h) = \sum_{y} \sum_{c} f_c(y)\; \psi_c\big(h^{-1}(y - t)\big)$$
#
# *In plain words:* the value on sheet h at the pixel t says how well the image around t fits the filter turned by h.
#
# The image is a function of a place. The result is a function of a place t *and* an orientation h: it lives on the group
# $\mathbb{Z}^2 \rtimes H$. Hence the name **lifting convolution**: it lifts the image to the group. On the sheet where h is the
# identity, it is the correlation that you know.
#
# Here is a case small enough to do in your head: a 2 × 2 image, and a 2 × 2 filter in its four orientations. The filter fits into the
# image at only one place t, so each sheet holds a single number.

# %%
f, psi = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]), torch.tensor([[[[1.0, 10.0], [100.0, 1000.0]]]])
print("In the upper left corner, (0, 0), the turned filter L_r ψ shows the pixel", source_pixel(r, 0, 0, 2, 2), "of ψ.")
figures.panels(
    {"f": f[0]} | {f"L_h ψ, h = {h}": act_on_image(h, psi[0, 0]) for h in C4.elements}, one_scale=False
).captioned("The image, and the one filter in its four orientations.")

# %% [markdown]
# **Predict:** lay each filter over f, multiply, and add up. Which four numbers do you get? Write them into the next cell.

# %%
guess = []  # your four numbers, in the order e, r, r², r³

# %% [markdown]
# <details><summary>A nudge</summary>
#
# All weights are powers of ten. So the pixel of f that lies under the weight 1000 is the first digit of the result, the pixel under 100
# the second, and so on. In $L_r \psi$ the weight 1000 has moved from the lower right to the upper right, where f is 2.
#
# </details>
#
# Now write the definition as a loop. `source_pixel(h, a, b, k, k)` of notebook 02 says which pixel of ψ the turned filter shows at
# (a, b); the cell above printed one case. The filter turns about its own center, and at the output pixel (row, col) it covers the k × k
# pixels of f that begin at (row, col). Two loops are enough: one over all output values, and inside it one over the terms of the sum.
# (`np.ndindex(2, 3)` runs through (0, 0), (0, 1), … (1, 2).)


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
four = lifting_conv(f, psi, C4).int().flatten().tolist()
print("four sheets on C4: ", four)
print("your guess:        ", "right" if list(guess) == four else guess or "none")
print("eight sheets on D4:", lifting_conv(f, psi, D4).int().flatten().tolist())

# %% [markdown]
# ### The fast form
#
# Sheet h is an ordinary correlation with the turned filter $L_h\psi$. So turn all filters once, and put the copies into one tensor, a
# **filter bank**. The library does it in one line:

# %%
print(getsource(lifting_filter_bank))


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
# To `conv2d`, the sheets are just more output channels. So `lift` joins the axes (O, |H|) into one before the convolution, and separates
# them again after it.
#
# ### Look at it
#
# Here is a crooked filter in its four orientations (blue is −1, red is 1, and 0 has no color), and what they find on a real digit.

# %%
digit = digits.test.images[7:8].double()  # (1, 1, 28, 28)
hook = torch.tensor([[-1.0, 1.0, 1.0], [-1.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]).double()[None, None]
figures.filter_bank_figure(lifting_filter_bank(hook, C4)[0, :, 0], C4).captioned(
    "One crooked filter in its four orientations. Red is positive, blue negative."
)

# %% [markdown]
# **Watch one place of the digit**, while the digit turns. You see it before the turn and after a quarter turn; move the
# slider to turn it back, or further.
#
# 1. Below *the filter turns, too*, it turns together with the digit. Does its answer change?
# 2. Below *the filter stays*, it stays as it is. Does its answer change?
# 3. Point at other places of the digit. Is there one where the answer of the turning filter changes?
#
# Where the picture cannot move, as on GitHub, you see a still picture: the window of one pixel before the turn, and after it.

# %%
from course_lib.widgets import turning_filter

turning_filter(digit[0, 0], hook[0, 0]).captioned(
    "On the turned digit, filter r answers exactly what filter e answered before the turn."
)

# %% [markdown]
# <details><summary>Answers</summary>
#
# 1. No. On the turned digit, filter r lies over the same pixels as filter e did, weight for weight, so its answer is the same number.
# 2. Yes, in nearly all places with ink: filter e now sees something else.
# 3. No, there is none. So sheet r of the turned digit is sheet e of the upright one, turned. That is all there is to lifting.
#
# </details>

# %%
sheets = lift(digit, hook, C4)[0, 0]
sheets_of_turned = lift(act_on_image(r, digit), hook, C4)[0, 0]
error = relative_error(sheets_of_turned, act_on_feature_map(r, sheets, C4))
print("difference between the sheets of the turned digit and the ring on the right:", say(error))
figures.act_on_ring(sheets, r, C4, r"[f \star \psi]").captioned(
    "When the digit turns, each sheet of the lifting convolution turns and moves one place on. "
    "The circle marks the same corner of a sheet before and after."
)

# %% [markdown]
# The left ring shows the four sheets of the digit. For the right ring they were turned by r *and permuted*, the way $L_r$ acts on
# feature maps (notebook 02). The line above the figure says: you get exactly the same ring if you first turn the digit and then lift it.
# Follow one color. On the turned digit, filter r sees exactly what filter e saw before, because image and filter have turned together. So
# the sheet at e reappears at r, turned.
#
# This holds for every group. The next cell tests it with random filters, on a map that is not square:

# %%
for group in ALL_GROUPS:
    report = equivariance_error(lambda x, group=group: lift(x, psi, group), group, noise(1, 3, 9, 12))
    print(f"{group}: sheets {group.order}, error of lifting: {say(report.error)}")

# %% [markdown]
# ## 2 First proof: lifting is equivariant
#
# The claim is $(L_g f) \star \psi = L_g (f \star \psi)$ for every g in H. One channel is enough for the
# proof, because the channels are only added up:
#
# $$\begin{aligned}
# {}[(L_g f) \star \psi](t, h) &= \sum_y f(g^{-1} y)\; \psi\big(h^{-1}(y - t)\big) && (1)\\
# &= \sum_y f(y)\; \psi\big(h^{-1}(g y - t)\big) && (2)\\
# &= \sum_y f(y)\; \psi\big((g^{-1}h)^{-1}(y - g^{-1}t)\big) && (3)\\
# &= [f \star \psi](g^{-1}t,\, g^{-1}h) = [L_g (f \star \psi)](t, h) && (4)
# \end{aligned}$$
#
# - Line (1) is the definition, with $[L_g f](y) = f(g^{-1}y)$ in the place of f.
# - (1) → (2): write gy instead of y. The sum has the same terms in another order, since g only shuffles the points of the lattice.
# - (2) → (3): pull g out of the bracket, $g y - t = g(y - g^{-1}t)$. This leaves $h^{-1} g$ in front of the bracket, which is
#   $(g^{-1} h)^{-1}$.
# - (3) → (4): line (3) is the definition again, at the place $g^{-1}t$ and the orientation $g^{-1}h$.
#
# *In plain words:* if you turn the image first, you find the same sums as before, but at another place and on another sheet.
#
# The folded cell below computes lines (1), (2) and (3) for all g and h of D4, with functions f and ψ on the whole lattice that are zero
# outside a few points.


# %% jupyter={"source_hidden": true}
def on_lattice(values: np.ndarray) -> Callable[[np.ndarray], int]:
    n = len(values) // 2
    return lambda x: int(values[n - x[1], n + x[0]]) if max(abs(x)) <= n else 0


random = np.random.default_rng(0)
f, psi = on_lattice(random.integers(10, size=(5, 5))), on_lattice(random.integers(-9, 10, size=(3, 3)))
lattice = [np.array([x, y]) for x in range(-4, 5) for y in range(-4, 5)]
t = np.array([1, -1])


def lines(g: Element, h: Element) -> tuple[int, int, int]:
    G, G_inv, H_inv, GH_inv = (matrix(k) for k in (g, inverse(g), inverse(h), inverse(compose(inverse(g), h))))
    line_1 = sum(f(G_inv @ y) * psi(H_inv @ (y - t)) for y in lattice)
    line_2 = sum(f(y) * psi(H_inv @ (G @ y - t)) for y in lattice)
    line_3 = sum(f(y) * psi(GH_inv @ (y - G_inv @ t)) for y in lattice)
    return line_1, line_2, line_3


equal = sum(len(set(lines(g, h))) == 1 for g in D4.elements for h in D4.elements)
print("lines (1), (2), (3) are equal for", equal, "of 64 pairs (g, h)")

# %% [markdown]
# ## 3 The second layer: must I permute the orientation channels too?
#
# The second layer gets a map with four sheets. What should it do with them? Take an example in which you can follow every number: the first
# layer finds strokes, and the second one is to find *corners*.
#
# For the first layer, lift with a filter that adds a pixel to its right neighbor; then subtract 1 and apply ReLU. On an image with ink 1 and
# paper 0, sheet e is 1 where *a stroke leaves the pixel to the right*. The turned filters say the same for up (r), left (r²) and down (r³).

# %%
corner, line = SHAPES["corner"], SHAPES["line"]
for name, image in {"corner": corner, "line": line}.items():
    print(f"{name}: the four sheets at the middle pixel:", arms(image)[:, 2, 2].int().tolist())
padded = F.pad(arms(corner), (1, 1, 1, 1))
figures.panels(
    {"a corner": corner} | {f"sheet {h}": sheet for h, sheet in zip(C4.elements, padded, strict=True)},
    values=False,
    marks={title: (3, 3, 1) for title in ("a corner", *(f"sheet {h}" for h in C4.elements))},
).captioned(
    "In the marked pixel, where the two strokes meet, two neighboring sheets answer: e and r "
    "(sheets padded to the size of the image)."
)

# %% [markdown]
# So at the middle pixel of the corner the sheets (e, r, r², r³) hold (1, 1, 0, 0), since strokes leave to the right and up. At the middle of
# the line they hold (1, 0, 1, 0). Now compare three ideas for the second layer.
#
# **Idea 1: take the maximum over the sheets, and lift again.** This is equivariant. But the maximum is 1 at the middle of the corner and 1 at
# the middle of the line: at this pixel you can no longer tell which strokes met. What makes a corner is the direction of one stroke *relative to*
# the other, and the maximum has thrown that away. (Cohen and Welling trained both kinds of network on rotated MNIST: 3.21 % error with the
# maximum after every layer, 2.28 % with the maximum at the end only.)
#
# **Idea 2: treat the sheets as channels, and only turn the filters.** Give the sheets the weights (1, 1, −1, −1). The sum is 2 for the corner and
# 0 for the line, so this filter finds corners. Now turn the corner by r. The sheets turn *and change places*, so its middle pixel holds
# (0, 1, 1, 0), and the sum is 0. The filter has lost the corner. Turning the weights in space does not help, because each of them belongs to a fixed sheet.
#
# **Idea 3: move the weights along with the sheets.** For the turned corner you need (−1, 1, 1, −1): each weight has moved to the next sheet. The four corners need four
# such copies, one for each output sheet h:
#
# | output sheet | weight of sheet e | of r | of r² | of r³ | finds the corner with strokes |
# |---|---|---|---|---|---|
# | e | **1** | 1 | −1 | −1 | right and up |
# | r | −1 | **1** | 1 | −1 | up and left |
# | r² | −1 | −1 | **1** | 1 | left and down |
# | r³ | 1 | −1 | −1 | **1** | down and right |
#
# Call the input's sheet $\tilde h$ and the output's sheet h. The bold entries are those with $\tilde h = h$. Each of them is the weight that sheet e
# has in the first row. The entry to the right of a bold one (after r³ comes e again) is always the weight that r has in the first row. So a weight
# depends only on where $\tilde h$ is *as seen from* h: how many quarter turns lead from h to $\tilde h$? From r to r³, for example, there are two,
# since r³ = r · r². In general, the step k with $\tilde h = hk$ is the group element $k = h^{-1}\tilde h$. The answer to the question of this section is yes: if you turn a filter that has sheets, you must permute them, too.
#
# ### The definition
#
# Corners in a photograph are larger than one pixel, so let the weights depend on the place as well. Then the filter itself is a function on
# the group, $\psi(x, \tilde h)$, with |H| sheets of k × k weights for each channel. $L_h$ acts on it as on every feature map,
# $[L_h\psi](x, \tilde h) = \psi(h^{-1}x, h^{-1}\tilde h)$: this turns it *and* permutes it. As in section 1, move it to t, multiply, and add up.
# The only difference is that the sum now runs over all pixels *and* all sheets, which means over the whole group:
#
# $$[f \star \psi](t, h) = \sum_{y,\, \tilde h} \sum_{c} f_c(y, \tilde h)\; \psi_c\big(h^{-1}(y - t),\; h^{-1}\tilde h\big)$$
#
# *In plain words:* the value on sheet h at t says how well the pattern around t, with the directions of all its parts measured *from h*, fits
# the filter. This is the **group convolution**. As a diagram, with ten channels in and ten out:

# %%
layer_diagram(GroupConv2d(C4, 10, 10, 3), height=26, width=26).captioned(
    "The learned filter now has four sheets itself, which are turned and permuted for each sheet of the output; "
    "each keeps the color that it has in the unturned filter."
)

# %% [markdown]
# Here, too, is a case small enough to do in your head: a map of a single pixel, so that only the sum over $\tilde h$ is left. The sheets of f hold (1, 2, 3, 4), and those
# of ψ hold (1, 10, 100, 1000). **Predict** the four sheets of the result.

# %%
guess = []  # your four numbers, in the order e, r, r², r³

# %% [markdown]
# <details><summary>A nudge</summary>
#
# For h = e the sum is 1·1 + 2·10 + 3·100 + 4·1000 = 4321. For h = r the weights have moved on by one sheet, to (1000, 1, 10, 100).
#
# </details>
#
# Now write it. Start from your `lifting_conv`: the sum has one more index, and ψ has one more axis. `group.index(element)` is the number of an
# element's sheet, and `group.elements[j]` is the element of sheet j.


# %%
@exercise
def group_conv(f: Tensor, psi: Tensor, group: Group) -> Tensor:
    """[f ⋆ ψ](t, h) = Σ_{y, h̃} Σ_c f_c(y, h̃) ψ_c(h⁻¹(y − t), h⁻¹h̃), without padding.
    One feature map (C, |H|, Y, X), filters (O, C, |H|, k, k) → (O, |H|, Y − k + 1, X − k + 1).
    """
    ...


# %% [markdown]
# <!-- help: group_conv -->

# %%
f = torch.tensor([1.0, 2.0, 3.0, 4.0]).reshape(1, 4, 1, 1)
psi = torch.tensor([1.0, 10.0, 100.0, 1000.0]).reshape(1, 1, 4, 1, 1)
four = group_conv(f, psi, C4).int().flatten().tolist()
print("one pixel: ", four)
print("your guess:", "right" if list(guess) == four else guess or "none")

# %% [markdown]
# ### The fast form
#
# As with lifting, make all copies of the filters once, and leave the rest to one `conv2d`. Each copy is now turned *and* permuted.


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
    f, psi = noise(3, group.order, 3, 4), noise(2, 3, group.order, 2, 2)
    y = convolve(f[None], group_filter_bank(psi, group))[0]
    assert relative_error(y, group_conv(f, psi, group)) < 1e-10
print("The loop over the group and the one conv2d agree for", *ALL_GROUPS)

# %% [markdown]
# Here is the bank of one filter on C4 that has the hook of section 1 on sheet e, the same hook at half strength on sheet r, and nothing on the other two sheets. Each row is an
# output sheet, each column an input sheet.

# %%
psi = torch.stack([hook[0, 0], hook[0, 0] / 2, 0 * hook[0, 0], 0 * hook[0, 0]])[None, None]
figures.filter_bank_figure(group_filter_bank(psi, C4)[0, :, 0], C4).captioned(
    "From row to row the hooks turn, and each moves one column to the right (from r³ to e). "
    "The color of a frame names the sheet in the unturned filter."
)

# %% [markdown]
# Follow the strong hook down the rows: from row to row it has turned by 90°, *and* moved to the next sheet. The filter has 4 · 3 · 3 = 36 weights, and
# the bank has 144 entries. The network learns only the 36.
#
# ### Design a filter yourself
#
# The weights (1, 1, −1, −1) find corners. Now find **T-junctions**, where three strokes meet. `arms` is the first layer from above, and
# `score(image, psi)` is the largest value, over all places and sheets, of the group convolution of `arms(image)` with your filter. Four
# shapes are tested:

# %%
figures.panels(SHAPES, values=False).captioned("Your filter must answer most strongly to the T.")

# %% [markdown]
# There are many right answers. Each of them must give the T a positive score, and each of the other shapes a score that is at least 10 %
# lower than that of the T.


# %%
@exercise
def t_junction_filter() -> Tensor:
    """A filter on C4, (1, 1, 4, k, k) with k at most 5, that gives a T a higher score than the other three shapes."""
    ...


# %% [markdown]
# <!-- help: t_junction_filter -->
#
# You wrote the filter for one T. What score do the turned ones get?

# %%
for name, image in SHAPES.items():
    scores = [score(act_on_image(g, image), t_junction_filter()) for g in C4.elements]
    print(f"{name:<6} the same score in all four directions: {len(set(scores)) == 1}")

# %% [markdown]
# All four Ts have the same score. You designed the filter for one direction, and the copies in the bank took care of the others.
#
# ## 4 Break it on purpose
#
# Here are four banks that differ from the right one.
#
# - (i) turns the filters without permuting their sheets.
# - (ii) takes sheet $h\tilde h$ of the filter instead of $h^{-1}\tilde h$.
# - (iii) has the input's axes C and |H| in the wrong order.
# - (iv) swaps the two group axes.
#
# **Predict:** which of them are equivariant on D4? And which of them pass a test on C2 with one channel? Write down your answer before you
# run the cell.


# %%
def copies(turn: Callable[[Element], Tensor], group: Group) -> Tensor:
    return torch.stack([turn(h) for h in group.elements], dim=1)


other_banks = {
    "(i) turn only": lambda psi, H: copies(lambda h: act_on_image(h, psi), H),
    "(ii) permute by h": lambda psi, H: copies(lambda h: act_on_image(h, psi[:, :, H.permutation(inverse(h))]), H),
    "(iii) |H| before C": lambda psi, H: group_filter_bank(psi, H).transpose(2, 3),
    "(iv) |H|, |H| swap": lambda psi, H: group_filter_bank(psi, H).transpose(1, 3),
}


# %% jupyter={"source_hidden": true}
def test_bank(make: Callable[[Tensor, Group], Tensor], group: Group, channels: int) -> str:
    psi, f = noise(1, channels, group.order, 2, 2), noise(1, channels, group.order, 3, 3, seed=1)
    bank = make(psi, group)
    error = equivariance_error(lambda x: convolve(x, bank), group, f).error
    right = relative_error(convolve(f, bank)[0], group_conv(f[0], psi, group)) < 1e-10
    return f"{say(error):>5}, {'as the loop' if right else 'NOT the loop'}"


print("equivariance error, and is it the same map as the loop?")
print(f"{'bank':<19} {'C2, 1 channel':<21} {'C4, 2 channels':<21} D4, 2 channels")
for name, make in {"right": group_filter_bank, **other_banks}.items():
    columns = [test_bank(make, group, channels) for group, channels in ((C2, 1), (C4, 2), (D4, 2))]
    print(f"{name:<19} {columns[0]:<21} {columns[1]:<21} {columns[2]}")

# %% [markdown]
# On C4 and on D4 the first three are not equivariant. Yet two of them pass the test on C2: (ii), because there every element is its own inverse, and
# (iii), because with a single channel there is nothing to confuse the sheets with. So test with several channels, and on a group with elements that are not their own inverses. D4 is best: there the order of a product matters as well.
#
# ### Why is bank (iv) equivariant?
#
# Bank (iv) is the surprise: it is exactly equivariant, and yet it computes something different from your loop. It uses the weights $\psi(\tilde h^{-1}x, \tilde h^{-1}h)$, where h and $\tilde h$ have swapped roles. Turn input and output together by g: x, h and $\tilde h$ become gx, gh and $g\tilde h$. Each g cancels, just as it does in
# $\psi(h^{-1}x, h^{-1}\tilde h)$. So the turned input meets the same weights as before, and gives the same sums, at the turned places and
# on the turned sheets: bank (iv) is equivariant.
#
# Is it wrong, then? No: it is the right layer *with its weights in other places*. Take the sheet $k^{-1}$ of ψ, turn it by k, and call it the sheet
# k of another filter, ψ′. Then the right bank of ψ′ is bank (iv) of ψ, as the next cell checks.
#
# <details><summary>Why?</summary>
#
# Write k for $h^{-1}\tilde h$, so that $\tilde h = hk$. Then bank (iv) uses
#
# $$\psi\big((hk)^{-1}x,\; k^{-1}\big) = \psi\big(k^{-1}(h^{-1}x),\; k^{-1}\big) = \psi'\big(h^{-1}x,\; h^{-1}\tilde h\big)
# \qquad\text{with}\qquad \psi'(x, k) = \psi(k^{-1}x,\; k^{-1}).$$
#
# The right-hand side is what the right bank of ψ′ uses.
#
# </details>


# %%
def relabeled(psi: Tensor, group: Group) -> Tensor:
    """ψ′(x, k) = ψ(k⁻¹x, k⁻¹) for filters (O, C, |H|, k, k)."""
    return torch.stack([act_on_image(k, psi[:, :, group.index(inverse(k))]) for k in group.elements], dim=2)


for group in ALL_GROUPS:
    psi = noise(2, 3, group.order, 3, 3)
    assert torch.equal(other_banks["(iv) |H|, |H| swap"](psi, group), group_filter_bank(relabeled(psi, group), group))
print("bank (iv) of ψ is the right bank of ψ′, for", *ALL_GROUPS)

# %% [markdown]
# Bank (iv) is **another parametrization** of the same layer. A network built with it can learn exactly the same functions. But the same saved weights mean something different there: load the weights of a network that was trained with the right bank, and you get nonsense, without any error message.
#
# So **equivariance alone proves nothing about the layout**. Test every layer for equivariance *and* against its loop.
#
# ## 5 Second proof: on the group
#
# The formula of the group convolution looks complicated, because it treats places and orientations separately. Written with group elements, it becomes short. Three group elements occur, so take them one at a time.
#
# - **q** $= (y, \tilde h)$ is a point of the input: the pixel y on sheet $\tilde h$. As in notebook 01 you can read it as an element of
#   $\mathbb{Z}^2 \rtimes H$: first turn by $\tilde h$, then shift by y.
# - **p** $= (t, h)$ is a point of the output, read in the same way.
# - **u** is the symmetry that we apply to the whole input, now a turn *and* a shift: $[L_u f](q) = f(u^{-1}q)$.
#
# What are the two arguments of ψ? Take an output point with t = (1, 0) and h = r, and an input point with y = (1, 1) and $\tilde h = r^2$. The
# difference $y - t$ is (0, 1), one step up. The turn $h^{-1}$ goes clockwise by 90° and makes it (1, 0), one step to the right. And
# $h^{-1}\tilde h = r^{-1}r^2 = r$. So for an observer at p who looks in the direction of h, q is one step ahead (the direction e points to the right), and is turned by a quarter turn to the left. Notebook 01's product rule gives the same: this is the element $p^{-1}q$.

# %%
p, q = Isometry(0, 1, 1, 0), Isometry(0, 2, 1, 1)
p_to_q = semidirect_product(semidirect_inverse(p), q)
print(f"p⁻¹q: orientation {p_to_q.point_part}, place {tuple(p_to_q.shift.tolist())}")

# %% [markdown]
# In general, $p^{-1}q = (t, h)^{-1}(y, \tilde h) = \big(h^{-1}(y - t),\, h^{-1}\tilde h\big)$, which are exactly the two arguments of ψ. So the group
# convolution is
#
# $$[f \star \psi](p) = \sum_q f(q)\; \psi(p^{-1}q)$$
#
# *In plain words:* every input point q counts with a weight that depends only on where q is, seen from p. If everything moves by u, then q moves
# and p moves, and what p sees stays the same. That is the whole proof; here it is in lines:
#
# $$\begin{aligned}
# {}[(L_u f) \star \psi](p) &= \sum_q f(u^{-1}q)\; \psi(p^{-1}q) && (1)\\
# &= \sum_q f(q)\; \psi(p^{-1}u\,q) && (2)\\
# &= \sum_q f(q)\; \psi\big((u^{-1}p)^{-1}q\big) && (3)\\
# &= [f \star \psi](u^{-1}p) = [L_u(f \star \psi)](p) && (4)
# \end{aligned}$$
#
# - (1) → (2): write uq instead of q. Multiplying by u only shuffles the elements of the group, so the sum stays the same.
# - (2) → (3): $p^{-1}u = (u^{-1}p)^{-1}$, because an inverse reverses the order of a product.
# - (3) → (4): line (3) is the definition, at the point $u^{-1}p$.
#
# No property of the plane was used. The proof holds for every group that you can sum over, and it covers shifts as well as turns.
#
# ## 6 Mirrors: p4m
#
# **Predict:** what do you have to change in your functions for p4m, the group with mirrors? And how many weights does a 3 × 3 filter on it have, for
# each input channel?
#
# <details><summary>Answers</summary>
#
# Nothing has to be changed: pass D4 instead of C4. A filter then has eight sheets of 9 weights, which makes 72.
#
# </details>
#
# The library's layers, `LiftingConv2d(group, in, out, k)` and `GroupConv2d(group, in, out, k)`, are your functions with a weight and a bias
# inside. The next cell puts two of them in a row, for p4 and for p4m. At the end, `GroupMaxPool` takes the maximum over the sheets. That
# leaves a plain map, so that you can ask about mirrors for p4 as well.


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

# %% [markdown]
# The p4 network is not equivariant under mirrors, and the p4m network is. More symmetry is not always better, though: a mirrored 2 is not a 2.
#
# ## 7 The other layers
#
# Other layers come between the convolutions, and each of them has to treat all sheets of a channel alike.
#
# - **ReLU** acts on each value by itself, wherever the value is, so it commutes with every turn and every permutation.
# - **Batch norm** and **bias** have parameters for each channel. All |H| sheets of a channel must share them. If sheets e and r had different gains, a pattern's value would change when a turn takes it from one sheet to the other.
# - **Dropout** is switched off after training, so it cannot break a finished network. If you want
#   each training step to treat all orientations alike, too, drop a whole channel with all its sheets (`GroupDropout`).
#
# The usual mistake is to treat the C·|H| sheets as channels, and to use `nn.BatchNorm2d` on them. When does this mistake show?


# %%
class PerSheetNorm(nn.BatchNorm2d):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.flatten(1, 2)).view_as(x)


torch.manual_seed(0)
for name, norm in {"per sheet": PerSheetNorm(8), "shared": GroupBatchNorm(C4, 2)}.items():
    net = nn.Sequential(LiftingConv2d(C4, 1, 2, 3), norm).double()
    before = equivariance_error(net, C4, noise(1, 1, 8, 8)).error
    for _ in range(20):
        net.train()(noise(50, 1, 8, 8, seed=1).cumsum(dim=2))  # batches in which up and down differ
    after = equivariance_error(net, C4, noise(1, 1, 8, 8)).error
    print(f"{name:<9}: before training {say(before)}, after {say(after)}")

# %% [markdown]
# The error is measured in eval mode, with the running mean and variance. At the start these are the same for all sheets, so the mistake does not
# show. During training they drift apart.
#
# ### Pooling over the group, and over cosets
#
# At the end of a classifier, the answer should not turn at all. The maximum over all sheets, $\max_h f(x, h)$, does not depend on the order of the sheets, so it leaves a map that turns like an image. Take the maximum over all places as well, and one number is left for each channel. It is
# **invariant**.
#
# In between you can pool over the left cosets of a subgroup S, $hS = \{hs : s \in S\}$ (notebook 01):
#
# $$P(f)(x, hS) = \max_{s \in S} f(x, hs)$$
#
# *In plain words:* the sheets of one coset become one sheet. Take D4 and S = {e, m}: the sheets h and hm are pooled, and 8/2 = 4 sheets
# are left. All of D4 still acts on them, because g takes the coset hS to the coset ghS.

# %%
f = noise(8, 5, 5)
pooled = coset_max_pool(f, D4, D1)
for g in D4.elements:
    assert torch.equal(coset_max_pool(act_on_feature_map(g, f, D4), D4, D1), act_on_feature_map(g, pooled, D4, D1))
print("The library's coset_max_pool leaves", len(pooled), "sheets, and is equivariant under all of D4.")

# %% [markdown]
# ## 8 A network
#
# **P4CNN**, by Cohen and Welling (here without their dropout), takes images of 28 × 28 pixels:
#
# | layers | map size after |
# |---|---|
# | 1: lifting convolution 3 × 3, norm, ReLU | 26 |
# | 2: group convolution 3 × 3, norm, ReLU; then 2 × 2 spatial max pool | 24, then 12 |
# | 3 to 6: four times group convolution 3 × 3, norm, ReLU | 10, 8, 6, 4 |
# | 7: group convolution 4 × 4 to one channel per class | 1 |
# | maximum over group and space | (B, classes) |
#
# Nothing is padded. The 2 × 2 pool is placed where the map has an even size, as notebook 03 demands. These are the parts:

# %%
x = torch.zeros(1, 1, 8, 8)
parts = [
    LiftingConv2d(C4, 1, 2, 3),
    GroupBatchNorm(C4, 2),
    nn.ReLU(),
    SpatialMaxPool2d(C4, 2),
    GroupConv2d(C4, 2, 3, 3),
]
for layer in [*parts, GlobalMaxPool(C4)]:
    x = layer(x)
    print(f"{type(layer).__name__:<16} → {tuple(x.shape)}")

# %% [markdown]
# Build the network, with the group as an argument. Then `p4cnn(C1, …)` gives you an ordinary CNN, called Z2CNN, without another line of code.


# %%
@exercise
def p4cnn(group: Group = C4, width: int = 10, classes: int = 10) -> EquivariantSequential:
    """P4CNN for 28×28 images: (B, 1, 28, 28) → (B, classes), with ``width`` channels in layers 1 to 6.
    Use the parts above; EquivariantSequential(*layers) puts them in a row.
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
# Count what is learned, not the entries of the bank. A filter has $|H| \cdot k^2$ weights for each input channel (only $k^2$ in the lift). Add one bias
# per output channel, and for each norm a gain and a bias *per channel*. With width w and n = |H|:
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
# Most of the sum is $45nw^2$. So at an equal number of parameters, a group four times as large means *half* the width: 10 channels instead of 20.
# (Layer 7 makes P4CNN a little larger.)
#
# ### How many operations?
#
# Count "multiply-accumulates", each of which is one product and one sum. An ordinary convolution uses each weight once for every output pixel. A group
# convolution uses it |H| times, once in each turned copy. So at an equal number of parameters it takes |H| times as many operations. PyTorch counts a
# product and a sum as two operations, so we divide by two:


# %%
def multiply_accumulates(net: nn.Module) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net.eval()(torch.zeros(1, 1, 28, 28))
    return counter.get_total_flops() // 2


z2, p4 = multiply_accumulates(p4cnn(C1, 20)), multiply_accumulates(p4cnn(C4, 10))
wide = multiply_accumulates(p4cnn(C1, 40))
print(f"Z2CNN {z2:,}; P4CNN {p4:,}, {p4 / z2:.1f} times as many; an ordinary CNN with 40 channels: {wide:,}")

# %% [markdown]
# **When does it cost too much?** At an equal number of parameters, p4 takes 4 times and p4m 8 times as many operations, and the maps take √|H| times as
# much memory (for p4: half the width, but four sheets for each channel). Now take an ordinary CNN that has as many channels as p4 has *sheets*: in the hidden
# layers it needs as many operations as p4, and four times as many parameters.
#
# Expect the largest gain where data is scarce and things appear in all orientations. Where up is always up, measure whether it pays. It can: on the
# photographs of CIFAR-10, He et al. (2021) report an error of 9.7 % for a ResNet-18, and 7.5 % for the p4 version, which has the same
# number of parameters but takes about five times as many operations.
#
# ### Train both
#
# The networks at the head of this notebook were narrower and saw only upright digits. For a fair comparison, let both see turned ones: real digits, each turned by one
# random angle. People wrote these digits into forms, and no form is split between training, validation and test. Both networks get the
# same recipe.

# %%
print(f"{len(rotated_digits.train):,} digits for training, {len(rotated_digits.test)} for the test")


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
figures.learning_curves({name: history for name, (net, history) in runs.items()}).captioned(
    "With the same recipe, and not many more weights, P4CNN ends well ahead of Z2CNN."
)

# %% [markdown]
# After the first epochs P4CNN is ahead, since whatever it learns from a digit in one orientation holds for four
# orientations. (The curves show the accuracy on the validation digits; the test digits are harder.) On the test digits:

# %%
print("P4CNN makes fewer mistakes on the test digits:", accuracy["P4CNN"] > accuracy["Z2CNN"])
for name, net in nets.items():
    answers = torch.stack([predict(net, act_on_image(g, rotated_digits.test.images)) for g in C4.elements])
    print(f"{name} gives one answer to all four turns of each digit: {bool((answers == answers[0]).all())}")

# %% [markdown]
# ### Accuracy against the angle
#
# Back to the first figure, now with the networks that have seen turned digits. Take 300 *upright* test digits, and turn all of them by the same angle.
#
# **Predict:** what will the two curves look like? What must P4CNN do at 90°, and what is it free to do at 45°?

# %% tags=["nbval-ignore-output"]
upright_test = digits.test.first(300)
curves = {name: accuracy_by_angle(net, upright_test, angles) for name, net in nets.items()}
figures.accuracy_by_angle(curves, angles).captioned(
    "Both were trained on rotated digits. The curve of P4CNN repeats every 90°; that of Z2CNN does not have to."
)

# %%
for name, curve in curves.items():
    print(f"{name}: the same accuracy at 0°, 90°, 180°, 270°: {len(set(curve[::4].tolist())) == 1}")
print("P4CNN is better on average over all angles:", bool(curves["P4CNN"].mean() > curves["Z2CNN"].mean()))

# %% [markdown]
# P4CNN's curve repeats every 90°, exactly: at 0°, 90°, 180° and 270° it gives the same answer to every single digit. Between those angles nothing is
# guaranteed; the accuracy depends on what the network learned. This time it has learned a lot, since it saw
# digits at all angles. Nothing makes the curve of Z2CNN repeat, and it does not.
#
# ### "Do I need equivariance at all, or is augmentation enough?"
#
# Turning the training images *is* augmentation, and both networks got the same turned images. So we have compared augmentation alone with augmentation plus weight sharing, at about the same number of parameters. One seed proves little.
# These are stored results for five seeds:

# %%
stored = json.loads((Path(course_lib.__file__).parents[1] / "data" / "results" / "digits_p4_vs_z2.json").read_text())
errors = {name: [run["test_error_percent"] for run in stored["runs"] if run["network"] == name] for name in sizes}
ahead = sum(p4 < z2 for z2, p4 in zip(*errors.values(), strict=True))
print(f"P4CNN has the smaller test error for {ahead} of {len(stored['seeds'])} seeds")

# %% tags=["nbval-ignore-output"]
print("test error in %, seeds", *stored["seeds"])
for name, values in errors.items():
    print(f"{name}: " + "  ".join(f"{value:4.1f}" for value in values) + f"   mean {np.mean(values):.1f}")
means = {name: mean_and_deviation(values) for name, values in errors.items()}
errors_by_row({"five seeds": means}).captioned(
    "Means of five seeds, with their standard deviations: P4CNN makes fewer errors than Z2CNN."
)

# %% [markdown]
# Your training above had seed 0, too, but its errors need not be those of the table, which were measured on another
# computer. Processors round differently in the last digits, every step of the training makes the difference larger, and in
# the end some test digits are read differently. So trust the means over the seeds, not a single run.
#
# What this shows: on this *small* data set and with this recipe, weight sharing adds something that turned images alone do not give. What it does not
# show is that the same holds with far more data, with fresh angles in every epoch, with a recipe tuned for each network, or at an equal number of
# *operations*. And a test set of 510 digits is small: an error of 15 % measured on it has a standard deviation of √(0.15 · 0.85 / 510) ≈ 1.6 points.
#
# ### Look inside: turn a digit with the slider
#
# 1. At 90°, follow the pattern on one sheet of relu1 (layer 1 after norm and ReLU) to its new place. Do the two orders agree in every layer?
# 2. Which layer is the first whose map you no longer recognize as the digit? Is that layer still exact?
# 3. Watch the ten bars. Do they move?
#
# <details><summary>Answers</summary>
#
# 1. It goes from sheet h to sheet rh. They agree, up to rounding.
# 2. About layer 4. Yes, it is: deep maps are as exact as early ones.
# 3. No: at a quarter turn the ten scores are those of the upright digit. (Notebook 03 showed
#    you the maps of an ordinary CNN: there the two orders differ from the first layer on.)
#
# </details>

# %% tags=["nbval-ignore-output"]
from course_lib.widgets import feature_map_explorer

feature_map_explorer(nets["P4CNN"], digits.test.images[7]).captioned(
    "In P4CNN both orders give the same maps at all quarter turns, here at r. Frames without a map: no difference."
)

# %% [markdown]
# Where the slider cannot run, as on GitHub, you see a still picture at 90°. Each sheet has moved on, and kept the color of its frame.
#
# ### A p4 network is an ordinary CNN with tied weights
#
# How different is P4CNN from an ordinary network? Once it is trained, not at all. Each group convolution is one `conv2d` with a filter bank, so you
# can write the bank out as the weight of an ordinary `nn.Conv2d`. Do the same for every layer, and nothing of the group is left: you have a plain CNN with
# four times as many channels, in which sets of four filters happen to be turned and permuted copies of each other. This is how you ship such a network to
# software that has never heard of groups.
#
# **Predict:** will the plain network give the same answers? And how many parameters will it have?

# %% tags=["nbval-ignore-output"]
from course_lib.models import as_ordinary_cnn

plain = as_ordinary_cnn(nets["P4CNN"])
print(plain[:7])  # the first of its layers

# %%
images = digits.test.images[:100]
with torch.no_grad():
    alike = torch.allclose(plain(images), nets["P4CNN"].eval()(images), atol=1e-4)
print("the plain network gives the same answers:", alike)
for name, net in {"P4CNN": nets["P4CNN"], "the same, written out": plain}.items():
    print(f"{name:<22} {sum(p.numel() for p in net.parameters()):>7,} parameters")

# %% [markdown]
# The answers are the same, but the plain network stores four times as many numbers. Three out of four are copies, and if you trained the
# plain network further, the copies would drift apart. So the symmetry is not in the operations. It is in the *tying* of the weights.
#
# ## What you have built, against the library

# %%
torch.manual_seed(1)
for group in ALL_GROUPS:
    f, psi = torch.randn(2, 5, 6).double(), torch.randn(2, 2, 3, 3).double()
    sheets, psi_on_group = torch.randn(2, group.order, 3, 4).double(), torch.randn(1, 2, group.order, 2, 2).double()
    assert torch.allclose(lifting_conv(f, psi, group), oracles.lifting_conv(f, psi, group))
    assert torch.allclose(group_conv(sheets, psi_on_group, group), oracles.group_conv(sheets, psi_on_group, group))
    assert torch.equal(group_filter_bank(psi_on_group, group), layers.group_filter_bank(psi_on_group, group))
    yours, reference = ([p.shape for p in build(group, 3).parameters()] for build in (p4cnn, models.p4cnn))
    assert yours == reference
print("Your four functions agree with the library, for six groups.")

# %%
progress("04")

# %% [markdown]
# ## Recap
#
# - A **lifting convolution** correlates the image with all turned copies $L_h\psi$ of a filter. Sheet h holds the answers of copy h.
# - A **group convolution** does the same with feature maps. Its filters have |H| sheets, and their copies are turned *and permuted*, so that only the
#   orientation of one part relative to another counts.
# - Each of them is one `conv2d` with a filter bank, and each proof is one substitution.
# - Equivariance alone proves nothing about the layout. Compare every layer with its loop, too.
# - Whatever has parameters for each channel shares them over the group. You can pool over left cosets, or over the whole group.
# - At an equal number of parameters, a group convolution takes |H| times as many operations. What happens between the quarter turns has to be learned.
#
# **Now in `course_lib`:** `from course_lib.layers import LiftingConv2d, GroupConv2d, CosetMaxPool, GroupMaxPool, lifting_filter_bank,
# group_filter_bank` · `from course_lib.models import p4cnn, as_ordinary_cnn` · `from course_lib.training import TrainConfig, train, evaluate`
#
# **Further reading:** T. Cohen and M. Welling, *Group Equivariant Convolutional Networks* (ICML 2016), sections 6 to 8.
#
# **Next:** notebook 05 finds out what breaks equivariance in real networks.
