# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 06 Separable group convolutions: the same symmetry with fewer weights
#
# A group convolution shares its weights between orientations, and yet it is large and slow: at an equal number of parameters, a p4 convolution
# takes four times as many operations as an ordinary one, and a p4m convolution eight times as many. Networks for phones had a similar problem, and solved it by
# taking each convolution apart into two cheap ones. Lengyel and van Gemert did this for group convolutions. You rebuild their layers, prove that
# they keep the symmetry, and look at what they cost and what they lose.
#
# **You will be able to**
# - write a convolution in two steps, pointwise and depthwise, for ordinary maps and for maps on a group, and say why both forms agree;
# - say what a separable filter can express and what it cannot;
# - count parameters and operations by formula, reproduce a published table, and say where and why the count differs from the operations that really run;
# - read a small comparison of networks without believing too much.
#
# **What you need before:** notebook 04 (group convolution, filter bank, P4CNN).
#
# **Time:** about 105 minutes, with six exercises. **Hardware:** any laptop; no GPU and no internet.

# %%
import json
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

# %%
import course_lib
from course_lib import counting, figures, layers, oracles
from course_lib.actions import act_on_image
from course_lib.checks import equivariance_error, relative_error
from course_lib.counting import Kind, count_layers, executed_macs, factored_form
from course_lib.data import load_digits
from course_lib.exercises import exercise, progress
from course_lib.exercises.ex06_counting import missed
from course_lib.experiments import ROTATED_MNIST
from course_lib.figures.breaking import share_bars
from course_lib.figures.separable import error_by_size, sheets_in_rows
from course_lib.groups import ALL_GROUPS, C4, D4, Group
from course_lib.layers import (
    EquivariantSequential,
    GCSeparableConv2d,
    GlobalMaxPool,
    GroupConv2d,
    GSeparableConv2d,
    LiftingConv2d,
    group_filter_bank,
    lifting_filter_bank,
    separable_filters,
)
from course_lib.redundancy import explained_by_pc1
from course_lib.training import TrainConfig, seed_everything, train


# %%
def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


# %% [markdown]
# ## 1 The trick, without any group
#
# An ordinary convolution with C input and O output channels does two things at once: it looks at the neighbors of a pixel, and it mixes the
# channels. With ∗ for the correlation of one map with one kernel, output map n is
#
# $$Y_n = \sum_c X_c * \psi_{n,c}$$
#
# and every pair (n, c) has its own k × k kernel $\psi_{n,c}$. From 64 channels to 64, with k = 3, that makes 64 · 64 · 9 = 36,864 weights.
#
# A **depthwise separable convolution** does the two things one after the other. One step mixes the channels at each pixel, and does not look at
# neighbors; this is the *pointwise* step, a 1 × 1 convolution. The other step looks at the neighbors, but within one map at a time; this is the
# *depthwise* step. MobileNet, which recognizes objects on phones, consists of such layers, except for the first and the last.
#
# Which filters can be taken apart like this? Those with one kernel $K_n$ for each output channel, in different strengths:
#
# $$\psi_{n,c} = w_{n,c}\; K_n$$
#
# *In plain words:* output channel n looks for one pattern, and it adds up the input channels with weights of its own. From 64 channels to 64
# that makes 64 · 64 weights $w_{n,c}$ and 64 kernels of 9 numbers, 4,672 in all: about an eighth of the 36,864.
#
# Now do the convolution with these filters in two steps. Put $w_{n,c}K_n$ for $\psi_{n,c}$ in the sum above. What does $K_n$ *not* depend on, and
# which sum can therefore be done first?


# %%
@exercise
def depthwise_pair(x: Tensor, pointwise: Tensor, kernels: Tensor) -> Tensor:
    """The convolution of x with the filters ψ[n, c] = w[n, c]·K[n], in two cheap steps instead of one expensive one.

    Shapes: x (B, C, Y, X), weights w (O, C), kernels K (O, k, k) → (B, O, Y′, X′), without padding.
    """
    ...


# %% [markdown]
# For the second step, PyTorch's `conv2d` has an option `groups`, which has nothing to do with our groups. `groups=b` cuts the channels, in their
# order, into b equal blocks, and each block is convolved on its own.
#
# <!-- help: depthwise_pair -->
#
# It makes no difference whether you multiply the map or the kernel by a number, so $X_c * (w_{n,c}K_n) = (w_{n,c}X_c) * K_n$; and $K_n$ does not depend on c, so the sum over c can
# be done before the correlation. One convolution is left for each n:
#
# $$\tilde X_n = \sum_c w_{n,c}\, X_c, \qquad\qquad Y_n = \tilde X_n * K_n$$

# %%
x, w, K = noise(1, 64, 9, 9), noise(64, 64), noise(64, 3, 3)
assert relative_error(depthwise_pair(x, w, K), F.conv2d(x, w[..., None, None] * K[:, None])) < 1e-10
print("two steps agree with one convolution; weights:", f"{w.numel() + K.numel():,} instead of {64 * 64 * 9:,}")

# %% [markdown]
# (MobileNet does the two steps in the other order, with one kernel for each *input* channel. Our order, pointwise first, is the one that Lengyel and
# van Gemert use.)
#
# ## 2 Why should filters on a group be separable?
#
# For a group convolution there is one more axis to share along. A filter ψ on C4 has four sheets of k × k weights for each pair of an output channel n and
# an input channel c. Could all four sheets be multiples of *one* kernel? Then 9 + 4 = 13 numbers would replace its 4 · 9 = 36 weights.
#
# The authors looked at a trained p4 network, and report that the sheets of a filter tend to be alike. They isolate one cause in their Fig. 1. Suppose that a filter in the first layer, such as a round blob, does not change when it is turned. What does the next layer see?

# %%
blob = torch.tensor([[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]]).double() / 16
edge = torch.tensor([[-1.0, 0.0, 1.0]] * 3).double() / 6
for name, psi in {"blob": blob, "edge": edge}.items():
    same = [str(h) for h in C4.elements if torch.equal(act_on_image(h, psi), psi)]
    print(f"{name}: L_h ψ equals ψ for h in {', '.join(same)}")

# %% [markdown]
# The four turned copies of the blob are one and the same, so lifting with it gives the same map on all four sheets. Then nothing tells the next layer's
# four sheets of weights apart: each of them gets **the same gradient**. If they start equal, they stay equal.
#
# The edge filter is different, since $L_{r^2} \psi = -\psi$. The maps on e and r² are opposite, and as long as no ReLU follows, the gradients are
# opposite, too. So what training adds on sheet r² is minus what it adds on sheet e, and the same holds for r and r³. On such a pair of sheets,
# training adds one kernel, with the factors 1 and −1.
#
# Here is the experiment: three layers without ReLU. The first is fixed, a blob or an edge. In the others, all sheets of a filter start with the same
# weights. In the second layer, the filter of output channel 0 starts symmetric under turning as well, while that of channel 1 does not.
#
# **Predict:** after training, in which filters of layers 2 and 3 will the sheets still be the same?


# %%
def equal_sheets(first: Tensor) -> EquivariantSequential:
    """Three linear layers; the first is fixed, the others begin with the same weights on every sheet."""
    seed_everything(0)
    conv1, conv2 = LiftingConv2d(C4, 1, 1, 3, bias=False).double(), GroupConv2d(C4, 1, 2, 3, bias=False).double()
    conv3 = GroupConv2d(C4, 2, 10, 5).double()
    with torch.no_grad():
        for conv in (conv2, conv3):
            conv.weight.copy_(conv.weight[:, :, :1].expand_as(conv.weight))
        conv2.weight[0] = sum(act_on_image(h, conv2.weight[0]) for h in C4.elements) / 4
        conv1.weight.copy_(first)
    conv1.weight.requires_grad_(False)
    return EquivariantSequential(OrderedDict(conv1=conv1, conv2=conv2, conv3=conv3, pool=GlobalMaxPool(C4)))


def spread(psi: Tensor) -> str:
    """Whether the sheets of (..., |H|, k, k) are all equal to their mean."""
    difference = relative_error(psi, psi.mean(dim=-3, keepdim=True).expand_as(psi))
    return "the same on all sheets" if difference < 1e-9 else "different"


# %%
small_digits = load_digits(rotated=True, size=14).train
nets, starts = {}, {}
for name, first in {"blob": blob, "edge": edge}.items():
    nets[name] = equal_sheets(first)
    starts[name] = nets[name].conv2.weight.detach().clone()
    recipe = TrainConfig(epochs=3, batch_size=64, learning_rate=0.01)
    train(nets[name], small_digits, recipe, device="cpu", progress=True)
    W2, W3 = nets[name].conv2.weight.detach(), nets[name].conv3.weight.detach()
    for c in (0, 1):
        print(f"{name}: conv2, output {c}: {spread(W2[c])}; conv3, input {c}: {spread(W3[:, c])}")

# %%
rows = {f"{name} → conv2, to output {c}": nets[name].conv2.weight[c, 0] for name in nets for c in (0, 1)}
rows |= {f"blob → conv3, from input {c}": nets["blob"].conv3.weight[0, c] for c in (0, 1)}
sheets_in_rows(rows, C4).captioned(
    "Trained weights (red positive, blue negative; a scale for each row). A filter has equal sheets if it reads equal "
    "sheets: those of the blob, or of conv2's symmetric output 0."
)

# %% [markdown]
# After the blob, conv2 is the same on all sheets (rows 1 and 2). Its output 0 started symmetric under turning, so its four maps are equal, and conv3 is the
# same on all sheets of its input 0 (row 5). These equal sheets pass the same gradient back to all four copies of filter 0, so this filter stays symmetric. The filter of output 1
# is not symmetric, so its four maps differ, and conv3 has learned different sheets for them (row 6). After the edge filter, the sheets of conv2 differ (rows 3 and 4), but they are not
# independent:

# %%
change = nets["edge"].conv2.weight.detach() - starts["edge"]
for a, b in ((0, 2), (1, 3), (0, 1)):
    opposite = relative_error(change[:, :, a], -change[:, :, b]) < 1e-10
    print(f"training added opposite things on sheets {C4.elements[a]} and {C4.elements[b]}: {opposite}")

# %% [markdown]
# That is the argument for sharing. How far does it reach? This experiment had no ReLU, no norm, and an equal start on all sheets. Real networks have a random start, norms and ReLUs, and for them the argument holds only in part. We measured it on our digits: trained filters repeat themselves a little more
# than chance would make them, and a control shows that most of this is a property of the whole layer, not of single filters (the numbers are in the aside at the end). So training does not
# *force* the sheets of a filter to be alike. **We impose it, as a prior:** we guess that one kernel for all sheets is enough, and let the results
# decide.
#
# ## 3 g-GConv: one kernel for all sheets
#
# Two layers come out of this idea. The **g-GConv** of this section shares one kernel over the sheets of a channel; the **gc-GConv** of
# section 5 shares it over the input channels as well.
#
# The g-GConv has a kernel K for each pair (n, c), and for each sheet g of that pair one weight w (Eq. 4 of the paper):
#
# $$\psi_{n,c,g} = K_{n,c}\; w_{n,c,g}$$
#
# *In plain words:* the filter looks for the same pattern on all sheets, and gives each sheet a weight. The library's
# `separable_filters(K, w)` makes these filters: K = [[1, 2], [3, 4]] and w = (1, 10) give the sheets [[1, 2], [3, 4]] and [[10, 20], [30, 40]].
#
# This is a group convolution like any other, except that fewer numbers determine ψ. So its filter bank consists of the copies $L_h \psi$, as in notebook 04, and it
# is equivariant. But we do not want to build that bank. What does $L_h$ do to the two factors?
#
# **Predict:** K has no group axis, and w has no place in space. Which of the two does $L_h$ turn, and which does it permute? Write the bank of the
# weights:


# %%
@exercise
def pointwise_bank(pointwise: Tensor, group: Group) -> Tensor:
    """The weights w̃ of all copies, so that (L_h K)·w̃ is the filter bank of K·w: (O, C, |H|) → (O, |H|, C, |H|).

    The first |H| is the copy's h, in the order of group.elements; the second is the input's sheet g.
    """
    ...


# %% [markdown]
# <!-- help: pointwise_bank -->
#
# $L_h$ turns K and permutes w: $[L_h\psi](x, g) = \psi(h^{-1}x, h^{-1}g) = K(h^{-1}x)\, w(h^{-1}g)$. So the bank has two factors as well (Eq. 5). The turned
# kernels are a lifting bank, and the permuted weights are called w̃ ("w tilde"):
#
# $$\tilde\psi_{n,h,c,g} = L_h K_{n,c}\; \tilde w_{n,h,c,g}, \qquad \tilde w_{n,h,c,g} = w_{n,c,h^{-1}g}$$
#
# For example, on C4 the bank of the weights w = (1, 2, 3, 4) has the rows (1, 2, 3, 4), (4, 1, 2, 3), (3, 4, 1, 2), (2, 3, 4, 1).


# %%
def full_bank(kernel: Tensor, pointwise: Tensor, group: Group) -> Tensor:
    """Eq. 5: (O, |H|, C, |H|, k, k), from the turned kernels and the permuted weights."""
    return lifting_filter_bank(kernel, group).unsqueeze(3) * pointwise_bank(pointwise, group)[..., None, None]


# %%
for group in ALL_GROUPS:
    K, w = noise(2, 3, 3, 3), noise(2, 3, group.order)
    assert torch.equal(full_bank(K, w, group), group_filter_bank(separable_filters(K, w), group))
print("turned kernels × permuted weights = the bank of the product, for", *ALL_GROUPS)

# %% [markdown]
# Here is such a bank, with a hook for K, and w = (1, ½, 0, −1):

# %%
hook = torch.tensor([[-1.0, 1.0, 1.0], [-1.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]).double()[None, None]
w = torch.tensor([1.0, 0.5, 0.0, -1.0]).double()[None, None]
figures.filter_bank_figure(full_bank(hook, w, C4)[0, :, 0], C4).captioned(
    "Each row is one kernel, K turned, times the four weights w = 1, ½, 0 and −1: follow their frames from row to row."
)

# %% [markdown]
# Each row holds one hook, four times, in four strengths. From row to row the hook turns, and each strength moves to the next sheet.
#
# **The naive form** of the layer builds this bank and runs one `conv2d`. Its result equals the definition in loops, and it is equivariant:


# %%
def convolve(x: Tensor, bank: Tensor) -> Tensor:
    """(B, C, |H|, Y, X), (O, |H|, C, |H|, k, k) → (B, O, |H|, Y′, X′)"""
    return F.conv2d(x.flatten(1, 2), bank.flatten(2, 3).flatten(0, 1)).unflatten(1, bank.shape[:2])


# %%
for group in ALL_GROUPS:
    x, K, w = noise(1, 3, group.order, 5, 6), noise(2, 3, 3, 3, seed=1), noise(2, 3, group.order, seed=2)
    y = convolve(x, full_bank(K, w, group))
    assert relative_error(y[0], oracles.group_conv(x[0], separable_filters(K, w), group)) < 1e-12
    assert equivariance_error(lambda x, K=K, w=w, H=group: convolve(x, full_bank(K, w, H)), group, x).error < 1e-12
print("The naive form equals the loops and is equivariant, for", *ALL_GROUPS)

# %% [markdown]
# **Break it on purpose.** Forget the permutation, and give every output sheet the same w.
#
# <details><summary>Predict first: is there a w for which this does no harm?</summary>
#
# Yes, a w that is the same on every sheet. But such a filter only sees the *sum* of the input's sheets, so no later layer can know which sheet
# responded.
# </details>

# %%
x, K = noise(1, 2, 8, 6, 6), noise(2, 2, 3, 3, seed=1)
for name, w in {"any w": noise(2, 2, 8, seed=2), "constant w": torch.ones(2, 2, 8).double()}.items():
    copied = lifting_filter_bank(K, D4).unsqueeze(3) * w.unsqueeze(1)[..., None, None]
    error = equivariance_error(lambda x, bank=copied: convolve(x, bank), D4, x).error
    print(f"{name}: without the permutation", "equivariant" if error < 1e-12 else "NOT equivariant")

# %% [markdown]
# ## 4 The factored form
#
# The naive form has fewer weights, but it does not save a single multiplication. To save operations, do it in two steps, as in section 1. Put the bank into the group
# convolution; X is the input, and ∗ the correlation of one map with one kernel:
#
# $$Y_{n,h} = \sum_c \sum_g X_{c,g} * \big(L_h K_{n,c}\; \tilde w_{n,h,c,g}\big) \qquad (6)$$
#
# What does $L_h K_{n,c}$ not depend on? Which of the two sums can be done before the correlation, and which cannot? First work on a case that you can do in
# your head: one pixel, one channel and K = 2, so that only the sum over g is left. The sheets hold 1, 2, 3, 4, and w is (1, 10, 100, 1000). **Predict** the
# four results. (They are twice the four numbers that you predicted in section 3 of notebook 04.)

# %%
guess = []  # your four numbers, in the order e, r, r², r³

# %% [markdown]
# Now write the two steps for any map.


# %%
@exercise
def g_factored(x: Tensor, pointwise: Tensor, kernels: Tensor, **options: Any) -> Tensor:
    """The group convolution of Eq. 6 in two steps, without the full bank.

    Shapes: x (B, C, |H|, Y, X), weights w̃ (O, |H|, C, |H|), kernels L_h K (O, |H|, C, k, k) → (B, O, |H|, Y′, X′).
    Pass ``**options`` (bias, stride, padding) on to the convolution in space.
    """
    ...


# %% [markdown]
# <!-- help: g_factored -->

# %%
x, w = torch.tensor([1.0, 2.0, 3.0, 4.0]).reshape(1, 1, 4, 1, 1), torch.tensor([[[1.0, 10.0, 100.0, 1000.0]]])
K = torch.tensor([[[[2.0]]]])
banks = pointwise_bank(w, C4), lifting_filter_bank(K, C4)
four = g_factored(x, *banks).int().flatten().tolist()
print("factored:", four, " your guess:", "right" if list(guess) == four else guess or "none")
print("naive:   ", convolve(x, full_bank(K, w, C4)).int().flatten().tolist())

# %% [markdown]
# Here are the steps, with the paper's equation numbers:
#
# $$\begin{aligned}
# Y_{n,h} &= \sum_c \sum_g \big(X_{c,g}\; \tilde w_{n,h,c,g}\big) * L_h K_{n,c} && (7)\\
# &= \sum_c \tilde X_{n,h,c} * L_h K_{n,c} && (8)\\
# \text{with}\qquad \tilde X_{n,h,c} &= \sum_g X_{c,g}\; \tilde w_{n,h,c,g} && (9)
# \end{aligned}$$
#
# - (6) → (7): w̃ is one number for each (n, h, c, g), so you may multiply the map by it instead of the kernel.
# - (7) → (8): $L_h K_{n,c}$ does not depend on g, so the sum over g can be done first. It does depend on c, so the sum over c has to wait.
#
# *In plain words:* first combine the sheets at every pixel (Eq. 9), then look at the neighbors (Eq. 8). The diagram shows it for a layer from 8
# channels to 16; the learned weights are purple. Compare the shapes of w and K with the 16 · 8 · 4 · 9 = 4,608 weights of a full group convolution:

# %%
from course_lib.figures.layer_diagrams import layer_diagram

layer_diagram(GSeparableConv2d(C4, 8, 16, 3)).captioned(
    "The sheets are mixed first, pixel by pixel; then every pair of channels has a spatial kernel K."
)

# %% [markdown]
# The next cell compares both forms.

# %%
for group in ALL_GROUPS:
    x, K, w = noise(2, 3, group.order, 7, 6), noise(4, 3, 3, 3, seed=1), noise(4, 3, group.order, seed=2)
    factored = g_factored(x, pointwise_bank(w, group), lifting_filter_bank(K, group))
    assert relative_error(factored, convolve(x, full_bank(K, w, group))) < 1e-12
print("g-GConv: both forms agree to rounding, for", *ALL_GROUPS)

# %% [markdown]
# ## 5 gc-GConv: one kernel for all sheets and channels
#
# Look at Eq. 9 again: X̃ has a map for every (n, h, c), which is O times as many maps as the input has. The **gc-GConv** shares more: one kernel for each
# output channel n, whatever c is (Eq. 10).
#
# $$\psi_{n,c,g} = K_n\; w_{n,c,g}$$
#
# This is the filter of section 1, with a weight for each channel *and* sheet. Which sums can now be done before the correlation?


# %%
@exercise
def gc_factored(x: Tensor, pointwise: Tensor, kernels: Tensor, **options: Any) -> Tensor:
    """The group convolution in two steps if all input channels share the kernel L_h K[n], with as few operations as possible.

    Shapes: x (B, C, |H|, Y, X), weights w̃ (O, |H|, C, |H|), kernels L_h K (O, |H|, 1, k, k) → (B, O, |H|, Y′, X′).
    Pass ``**options`` (bias, stride, padding) on to the convolution in space.
    """
    ...


# %% [markdown]
# <!-- help: gc_factored -->
#
# $L_h K_n$ depends neither on c nor on g, so both sums can be done first. What remains is one map for each (n, h), correlated with one kernel: a pointwise step
# and a depthwise step, as in section 1 (Eqs. 14 and 15).
#
# $$Y_{n,h} = \tilde X_{n,h} * L_h K_n, \qquad \tilde X_{n,h} = \sum_c \sum_g X_{c,g}\; \tilde w_{n,h,c,g}$$
#
# In the diagram, compare K with that of the g-GConv:

# %%
layer_diagram(GCSeparableConv2d(C4, 8, 16, 3)).captioned(
    "Sheets and channels are mixed first, so that one spatial kernel K for each output channel is enough."
)

# %%
for group in ALL_GROUPS:
    x, K, w = noise(2, 3, group.order, 7, 6), noise(4, 1, 3, 3, seed=1), noise(4, 3, group.order, seed=2)
    factored = gc_factored(x, pointwise_bank(w, group), lifting_filter_bank(K, group))
    naive = convolve(x, full_bank(K.expand(-1, 3, -1, -1), w, group))
    assert relative_error(factored, naive) < 1e-12
print("gc-GConv: both forms agree to rounding, for", *ALL_GROUPS)

# %% [markdown]
# ### What is lost?
#
# Every filter is now one pattern in several strengths. Ask such a layer to imitate a filter that looks for a horizontal stroke on sheet e and for a
# vertical stroke on sheet r: two patterns, on two sheets. `missed(psi)` is the fraction of the squared norm of a filter that even the nearest
# K·w misses.

# %%
corner = torch.zeros(1, 1, 4, 3, 3).double()
corner[0, 0, 0, 1], corner[0, 0, 1, :, 1] = 1.0, 1.0
print(f"the best g- or gc-filter misses {100 * missed(corner):.0f} % of the corner filter")

# %% [markdown]
# It misses a third, and not a half, because the two strokes share the pixel in the middle. A full group convolution needs one filter for this corner. A
# separable layer needs two output channels, and a further layer that adds them.
#
# **Make it worse.** Find a filter that is as hard for a separable layer as possible. There are many; with four sheets the nearest K·w can miss up to three
# quarters. Yours has to reach 70 %.


# %%
@exercise
def unseparable_filter() -> Tensor:
    """A filter on C4, (1, 1, 4, 3, 3), of which even the best K·w misses at least 70 % of the squared norm."""
    ...


# %% [markdown]
# <!-- help: unseparable_filter -->

# %%
print(f"of this filter, the best K·w misses at least 70 %: {missed(unseparable_filter()) >= 0.7}")
sheets_in_rows({"your filter": unseparable_filter()[0, 0]}, C4).captioned(
    "A filter whose sheets are so different that no single kernel can stand for all of them."
)

# %% [markdown]
# So at equal *width* separable networks are weaker. But they are cheap, so for the same price they can be wider. Is that a good bargain? First see
# how cheap they are.
#
# ## 6 What does it cost?
#
# ### "How do I count the parameters?"


# %%
@exercise
def filter_weights(kind: Kind, c_in: int, c_out: int, order: int, k: int) -> int:
    """How many weights are learned, without bias? ``kind`` is "full", "g" or "gc"; ``order`` is |H|, the number of sheets.

    Example: with c_in = c_out = 10, order 4 and k = 3 there are 3600, 1300 and 490.
    """
    ...


# %% [markdown]
# <!-- help: filter_weights -->
#
# The layers of the library add one bias per channel, and nothing else:

# %%
for group in ALL_GROUPS:
    for kind, layer in {"full": GroupConv2d, "g": GSeparableConv2d, "gc": GCSeparableConv2d}.items():
        count = sum(p.numel() for p in layer(group, 5, 7, 3).parameters())
        assert count == filter_weights(kind, 5, 7, group.order, 3) + 7
print("formula = number of entries, for three layers and six groups")
full, g, gc = (filter_weights(kind, 10, 10, 4, 3) for kind in ("full", "g", "gc"))
print(f"10 → 10 channels on C4, k = 3: {full}, {g}, {gc} weights; g/full = {g / full:.3f}, gc/full = {gc / full:.3f}")

# %% [markdown]
# Divide the formulas for g and gc by the one for the full layer, $O\,C\,|H|\,k^2$, and you get the main result of the paper's section 3.4. These are the
# fractions of the weights that remain:
#
# $$\text{g-GConv: } \frac{1}{k^2} + \frac{1}{|H|} \qquad\qquad \text{gc-GConv: } \frac{1}{k^2} + \frac{1}{C\,|H|}$$
#
# For 3 × 3 kernels on p4 with 10 channels, the first is 1/9 + 1/4 ≈ 0.36, the second 1/9 + 1/40 ≈ 0.14, as printed above.
#
# *In plain words:* a g-GConv can save at most a factor |H|, since it shares its kernel over the sheets. A gc-GConv shares over all C·|H| sheets of the input, so almost
# only 1/k² is left. An ordinary depthwise separable layer has 1/k² + 1/C: at the same number of channels, the group gives the gc-GConv one more axis to share
# along.
#
# ### Multiply-accumulates
#
# One *multiply-accumulate*, MAC for short, is a product and a sum. Each weight is used once for every output sheet and every output pixel. So for all three
# kinds, with an output of Y′ × X′ pixels,
#
# $$\text{MACs} = \text{weights} \cdot |H| \cdot Y' X'$$
#
# This is the paper's rule, so the same two factors hold for operations. For a full convolution it is always right. For the factored forms it is right if the map
# keeps its size.
#
# <details><summary>Predict first: without padding, 12 × 12 pixels become 10 × 10. Which of the two steps costs more than the rule says?</summary>
#
# The pointwise step. It comes first, so it has to be done on all 144 pixels of the input, while the rule charges 100.
# </details>
#
# `count_layers` walks through a network and applies the formulas. `executed_macs` lets PyTorch count what runs, here with all separable layers in
# `factored_form`. The next cell recounts the upper part of the paper's Table 1, which is stored as data in `course_lib.experiments`.
# (All its networks end in a linear layer, so Z2CNN and P4CNN have more parameters here than in notebook 04.)

# %%
image = torch.zeros(1, 1, 28, 28)
table_1 = [row for row in ROTATED_MNIST if row.macs]
print(
    f"{'':<9}{'width':>6} |{'parameters':>11}{'paper':>9} |{'MACs by rule':>13}{'paper':>9}{'factored, executed':>20}"
)
for row in table_1:
    model = row.build()
    counts = count_layers(model, image)
    parameters, macs = sum(c.parameters for c in counts), sum(c.macs for c in counts)
    assert parameters == sum(p.numel() for p in model.parameters())
    with factored_form(model):
        executed = executed_macs(model, image)
    sizes, costs = f"{parameters:>11,}{row.parameters / 1e3:>8.2f}k", f"{macs / 1e6:>12.2f}M{row.macs / 1e6:>8.2f}M"
    print(f"{row.name:<9}{row.width:>6} |{sizes} |{costs}{executed / 1e6:>19.2f}M")

# %% [markdown]
# **Parameters** agree in every row; the paper rounds to tens. **MACs** by the rule agree in every row but one. The last column is larger for separable layers,
# because their pointwise step runs at every pixel of the larger input map: for gc-P4CNN of width 10 it is 2.19 million, where the rule says 1.80.
#
# The odd row is c-Z2CNN, an ordinary CNN with the separable layers of section 1. The paper's 4.14 is not 3.33, but close to the 4.12 that are *executed*. So in this row
# the paper seems to have counted the pointwise step at the larger size, too; we cannot explain the last 0.5 %. Be careful when you compare the numbers in this column,
# since they do not all follow one rule. (This network also has a bias after each step. Without padding, the second bias can do whatever the first one does:
# $K * (X + b') = K * X + b' \sum K$.)
#
# ### "When does it cost too much?" Which form is faster?
#
# Operations are not seconds. Measure one training step of each form, relative to a full group convolution of the same width. A number above 1 means that the form is
# faster. The numbers differ between machines, and between runs.

# %% tags=["nbval-ignore-output"]
forms = {
    "g naive": ("g", "full"),
    "g factored": ("g", "factored"),
    "gc naive": ("gc", "full"),
    "gc factored": ("gc", "factored"),
}


def seconds(form: Any, x: Tensor) -> float:
    times = []
    while len(times) < 3 or sum(times) < 0.5:  # the shortest of many is hardly disturbed by other programs
        start = time.perf_counter()
        form(x).square().mean().backward()
        times.append(time.perf_counter() - start)
    return min(times)


for group, channels, pixels in ((C4, 10, 28), (C4, 30, 14), (D4, 44, 16)):
    x = torch.randn(4, channels, group.order, pixels, pixels, requires_grad=True)
    kinds = {"g": GSeparableConv2d, "gc": GCSeparableConv2d}
    pair = {kind: layer(group, channels, channels, 3, padding=1) for kind, layer in kinds.items()}
    plain = seconds(GroupConv2d(group, channels, channels, 3, padding=1), x)
    speeds = [f"{name} {plain / seconds(getattr(pair[kind], form), x):.2f}" for name, (kind, form) in forms.items()]
    print(f"{group}, {channels} channels, {pixels} px:", ", ".join(speeds))

# %% [markdown]
# On a CPU the pattern is this: the factored form of gc is faster than the full convolution, on wide layers much faster. The factored form of g is several times *slower* than the convolution that it should speed up, although it has fewer operations. PyTorch's profiler says where the time goes: into `conv2d` with many small `groups`, which PyTorch does slowly on a CPU. And X̃, with its
# C·O·|H| maps, is large. The paper mentions this price, too: fewer operations, but more memory for the maps in between. So the library's `GSeparableConv2d` always runs in
# the naive form, and `GCSeparableConv2d` in the factored form if C·|H| is at least 16. (`python -m course_lib bench` is the careful version of this measurement.)
#
# ## 7 Is it better?
#
# ### What the paper found
#
# The paper compares networks at an equal number of *parameters*, about 25,000. Its test errors on rotated MNIST are means over 5 runs (the ±, which it does not explain, is presumably the standard deviation):

# %%
for row in table_1:
    if row.parameters > 20_000:
        print(f"{row.name:<8} width {row.width:>2}: {row.error:.2f} ± {row.deviation:.2f} %")

# %% [markdown]
# - P4CNN of width 10 has an error of 2.23 %, g of width 17 has 1.97 %, and gc of width 30 has 1.74 %. So the bargain is good: less is lost by sharing than
#   is gained by the width.
# - At equal *width* 10 it is the other way around, as section 5 led you to expect: 2.60 % for g and 2.88 % for gc, but with 8,910 and 3,420 parameters
#   instead of 24,810. For networks of different sizes, the paper's Fig. 3b shows the error against the number of parameters, and the separable networks are
#   better at every size.
# - **Why should it work better here than in ordinary networks?** The separable c-Z2CNN has an error of 4.64 %, and Z2CNN of 5.20 %: a ninth of the errors is gone. From P4CNN to gc-P4CNN a fifth is gone, and both separable p4 networks make far fewer errors than c-Z2CNN. The authors take this as a sign
#   that group convolutions "are more efficiently decomposable than regular convolutions". Section 2 suggests a reason: the sheets of one filter see maps that belong together, so one kernel can serve them all.
# - With less data the gap stays. In Fig. 3a both separable networks are ahead of P4CNN for every size of the training set. On 20 % of CIFAR-10, the gc-version of the p4m-ResNet44 has an error of 13.43 %, and the full version 14.20 %.
#
# ### What we find on little data
#
# **Predict:** you have 1,029 rotated digits for training instead of 12,000, and 510 test digits. Will the order be the same?
#
# We trained the same three networks from four seeds, on three sizes of the training set. Every run sees about 5,145 images in all, counting repetitions, so it sees each image of a small set more often. This is the stored result:

# %%
results = Path(course_lib.__file__).parents[1] / "data" / "results"
stored = json.loads((results / "separable_digits.json").read_text())
names = {"P4CNN": "P4CNN", "g-P4CNN": "g-P4CNN, 17 channels", "gc-P4CNN": "gc-P4CNN, 30 channels"}
sizes = sorted({run["images"] for run in stored["runs"]})
seeds = sorted({run["seed"] for run in stored["runs"]})
found = {(run["network"], run["images"], run["seed"]): run["test_error_percent"] for run in stored["runs"]}
errors = {label: [[found[name, n, s] for n in sizes] for s in seeds] for name, label in names.items()}
for label, values in errors.items():
    means, deviations = torch.tensor(values).mean(0).tolist(), torch.tensor(values).std(0).tolist()
    columns = (f"{n} images: {m:4.1f} ± {d:3.1f} %" for n, m, d in zip(sizes, means, deviations, strict=True))
    print(f"{label:<21}", "   ".join(columns))
for n in sizes:
    ahead = [sum(found[name, n, s] < found["P4CNN", n, s] for s in seeds) for name in ("g-P4CNN", "gc-P4CNN")]
    print(f"{n} images: ahead of P4CNN in {ahead[0]} (g) and {ahead[1]} (gc) of {len(seeds)} seeds")
error_by_size(errors, sizes).captioned(
    "P4CNN has the smallest mean error with 1,029 images, but its bar (one standard deviation over four seeds, "
    "the small circles) overlaps with that of gc-P4CNN."
)

# %% [markdown]
# Points are means, bars are one standard deviation over the seeds, and small circles are the single seeds. **The paper's order does not appear.** On average P4CNN is ahead with all 1,029
# images, g-P4CNN with 343, and P4CNN again with 114. With 1,029 images both separable networks are behind P4CNN in three of four seeds. With 114 images gc-P4CNN is
# behind in all four, by six points on average. Of the other gaps to P4CNN, only that of g-P4CNN with 1,029 images, 2.7 points, is clearly larger than P4CNN's own scatter over the seeds.
#
# All three networks learn the task. But this experiment cannot show which kind is *better*:
# - The published gap between P4CNN and gc-P4CNN is 2.23 − 1.74 ≈ 0.5 points, about a fifth of the error. A fifth of our 11 % would be 2.2 points. But with 510 test
#   digits, the 11 % itself is uncertain by √(0.11 · 0.89 / 510) ≈ 1.4 points, even for one fixed network.
# - The paper trains on 12,000 images. Our sets have a tenth of that or less.
# - There is one short recipe, with the learning rate that notebook 04 uses for P4CNN. Nobody tuned it for the other two.
#
# So we can conclude neither that the paper is wrong nor that it is confirmed. When you cannot reproduce a published number, ask first whether your experiment could have shown
# it. Full-size runs could show it; notebook 11 has shortened ones.
#
# ## What you have built
#
# The next cell runs your functions against the library's layers on random input.

# %%
for group in ALL_GROUPS:
    x = noise(2, 3, group.order, 6, 7)
    for layer, factored in ((GSeparableConv2d, g_factored), (GCSeparableConv2d, gc_factored)):
        conv = layer(group, 3, 4, 3).double()
        bank = pointwise_bank(conv.pointwise, group), lifting_filter_bank(conv.kernel, group)
        assert torch.equal(pointwise_bank(conv.pointwise, group), layers.pointwise_bank(conv.pointwise, group))
        assert torch.allclose(factored(x, *bank), conv(x))
    for kind in ("full", "g", "gc"):
        assert filter_weights(kind, 3, 4, group.order, 3) == counting.filter_weights(kind, 3, 4, group.order, 3)
print("Your functions agree with the library, for six groups.")

# %%
progress("06")

# %% [markdown]
# ## Aside: do trained filters really repeat themselves?
#
# You can skip this section. It shows the measurement behind section 2, and how a control can change what a number means.
#
# Put the four sheets of one filter into a table, one sheet per row. If all sheets are multiples of one kernel, a single pattern explains the whole table. In general,
# ask a **principal component analysis** for the one pattern, PC1, whose multiples fit all rows best, and for the *share of the variance* that it
# explains. With every sheet centered (its mean subtracted), and with $\sigma_1 \ge \sigma_2 \ge \dots$ for the singular values of the table,
#
# $$\text{share} = \frac{\sigma_1^2}{\sigma_1^2 + \sigma_2^2 + \dots + \sigma_{|H|}^2}$$
#
# This is what the paper's Fig. 2 shows, and there the share rises during training. The share is 1 if all sheets are multiples of one kernel. The smallest possible share is ¼: then the four sheets are equally strong and have nothing in common. But what does chance give?

# %%
kernel = noise(1, 1, 1, 3, 3)
multiples = kernel * torch.tensor([1.0, -2.0, 0.5, 3.0]).reshape(1, 1, 4, 1, 1)
print(f"multiples of one kernel: {explained_by_pc1(multiples).item():.2f}")
for k in (3, 4):
    print(f"random sheets, {k} × {k}: {explained_by_pc1(noise(100, 100, 4, k, k)).mean():.2f} on average")

# %% [markdown]
# Nine random numbers nearly always have something in common with nine others. So a share of 0.52 means nothing for 3 × 3 kernels; only what goes beyond chance counts.
#
# We trained eight P4CNNs on our digits, from eight seeds, and measured four shares in each of the six group convolutions: of the filters *before*
# and *after* training; of what training *added*, which is after minus before; and, as a control, of *mixed* filters: the added sheets, shuffled over all filters
# of the layer.
#
# **Predict:** suppose that what training adds repeats within each filter. Will the bar of *mixed* be as high as that of *added*?

# %%
p4_runs = [run["explained_by_pc1"] for run in json.loads((results / "separable_redundancy.json").read_text())["runs"]]
names = [f"conv{i}" for i in range(2, 8)]
shares = {
    bar: {name: [run[bar][name] for run in p4_runs] for name in names} for bar in ("before", "after", "added", "mixed")
}
for bar, by_layer in shares.items():
    print(f"{bar:<6}:", ", ".join(f"{name} {sum(v) / len(v):.2f}" for name, v in by_layer.items()))
share_bars(shares, "share explained by PC1").captioned(
    "The sheets that training adds are more alike than those before, but so are they when shuffled over all filters "
    "(mixed). Bars: means of eight seeds; lines: smallest to largest."
)

# %% [markdown]
# The bars are means over seeds, and the thin lines run from the smallest to the largest value. *Before* is chance: compare it with 0.52, and for the 4 × 4 kernels of conv7 with 0.44. *After* is a little above chance. *Added* is above chance in every layer, most of all in the early ones.
#
# If the sheets repeated within each filter, *mixed* would be well below *added*, because shuffling would tear the repeats apart. **It is not**: only in conv3 is it clearly lower, and
# even there two thirds of the rise above *before* are left. So most of what the share measures here belongs to the layer, not to the filter: *all* sheets that training adds to
# a layer look somewhat alike. The paper trains on more than ten times as much data, and its *after* bars rise clearly. Ours are diluted by the random start, and we do not know how
# theirs compare with mixed sheets.
#
# ## Recap
#
# - A filter ψ = K·w can be applied in two steps: what K does not depend on can be summed first. Without a group this is the depthwise separable convolution.
# - g-GConv: $\psi_{n,c,g} = K_{n,c}\,w_{n,c,g}$. gc-GConv: $\psi_{n,c,g} = K_n\,w_{n,c,g}$. $L_h$ turns K and permutes w, so both are equivariant.
# - They need only 1/k² + 1/|H| and 1/k² + 1/(C|H|) of the weights and operations. What runs can cost more than the rule says, and seconds do not follow MACs.
# - One cause of equal sheets: a filter that does not change when it is turned gives equal maps, equal maps give equal gradients, and equal starts stay equal. Real training does not
#   force this; we impose it as a prior.
# - Separable layers are weaker at equal width, and are meant to be compared at an equal number of parameters.
#
# **Now in `course_lib`:** `from course_lib.layers import GSeparableConv2d, GCSeparableConv2d` · `from course_lib.models import p4cnn_linear` ·
# `from course_lib.counting import count_layers, executed_macs` · `from course_lib.experiments import ROTATED_MNIST` ·
# `from course_lib.redundancy import explained_by_pc1, mixed_sheets`
#
# **Further reading:** A. Lengyel and J. van Gemert, *Exploiting Learned Symmetries in Group Equivariant Convolutions* (ICIP 2021); for the trick without groups, A. Howard et al.,
# *MobileNets* (2017).
#
# **Next:** notebook 07 puts these layers, and self-attention, into one framework.
