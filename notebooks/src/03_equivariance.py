# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 03 Turn, then compute, or compute, then turn?
#
# **After this notebook you will be able to** say in one equation what equivariance is, prove it for translations, show why a
# convolution loses it under rotation, and measure it in any network without fooling yourself.
#
# **What you need before:** notebooks 01 (groups) and 02 (the action $L_g$), and PyTorch's `conv2d`.
#
# **Time:** about 80 minutes, with five exercises. **Hardware:** any laptop; no GPU, no network.

# %%
import copy
import math
from collections import OrderedDict
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.actions import act, act_on_image
from course_lib.data import load_digits, load_photograph
from course_lib.exercises import exercise, progress
from course_lib.figures import panels
from course_lib.figures.equivariance import commuting_square, sliding_filter
from course_lib.groups import C4, D2, D4, Element, Group, inverse
from course_lib.widgets import feature_map_explorer

photograph = load_photograph().mean(1, keepdim=True).double()  # (1, 1, 112, 112), gray
r = Element(0, 1)  # a quarter turn, counter-clockwise


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


# %% [markdown]
# ## 1 A square that closes
#
# Blur a photograph, then turn it. Or turn it, then blur it. Do you get the same picture? Call the blur Φ.
#
# <details><summary>Predict first…</summary>
#
# Yes, if the blur treats all four sides alike, as this one does: each pixel becomes the mean of a 5 × 5 window.
#
# </details>


# %%
def blur(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 5, stride=1)


commuting_square(blur, lambda x: act_on_image(r, x), photograph, names=("Φ", "L_r"))

# %% [markdown]
# Go right and then down: turn, then compute. Go down and then right: compute, then turn. Both ways end in the same picture:
# the square *commutes*. A function Φ for which it does is **equivariant**:
#
# $$\Phi(L_g x) = L_g\,\Phi(x) \qquad \text{for every image } x \text{ and every } g \text{ of the group}$$
#
# Read it as a promise: what happens to the input happens to the output, and nothing else.


# %%
def both_ways(function: Callable[[Tensor], Tensor], g: Element, x: Tensor) -> tuple[Tensor, Tensor]:
    return function(act_on_image(g, x)), act_on_image(g, function(x))


for g in C4.elements:
    print(f"{g!s:2}  both ways give the same:", torch.allclose(*both_ways(blur, g, photograph)))

# %% [markdown]
# Sometimes the output should *not* follow. A cat is a cat at every angle. Then $L_g$ does nothing on the output, and the
# promise reads
#
# $$\Phi(L_g x) = \Phi(x)$$
#
# This is **invariance**: the special case in which the group acts on the output by doing nothing. The mean brightness of
# a picture is invariant. The brightness of its top left quarter is not.
#
# **Predict:** the input turns by 90°. What should the output of a good network do?
#
# | task | output |
# |---|---|
# | which animal? | one label |
# | which pixels are cat? (a *segmentation mask*) | one map |
# | where does each pixel move to in the next frame? | an arrow at each pixel |
# | which digit? | one label |
#
# <details><summary>Answers</summary>
#
# The label stays (invariant). The mask turns with the image (equivariant). The arrows move to new pixels *and* each of
# them turns: acting on the output can be more than moving pixels, as in notebook 02. For digits it depends: a 6 turned by
# 180° reads as a 9. Whether the task has the symmetry is your decision, before any code.
#
# </details>

# %% [markdown]
# ## 2 Translation: what convolution gives for free
#
# Shifts first (f is the image now, x a pixel): $[L_t f](x) = f(x - t)$. The value at $x$ comes from $x - t$, so the
# picture moves by $+t$. In a frame, zeros enter at the border.


# %%
@exercise
def translate(t: tuple[int, int], f: Tensor) -> Tensor:
    """Shift f (..., Y, X) by t = (u, v): u pixels to the right, v pixels up; zeros enter. u and v may be
    negative, or larger than the frame.
    translate((1, 0), [[1, 2], [3, 4]]) is [[0, 1], [0, 3]], and translate((0, 1), ...) is [[3, 4], [0, 0]]."""
    ...


# %% [markdown]
# <!-- help: translate -->

# %%
small = torch.tensor([[0.0, 2, 1, 0], [1, 3, 0, 2], [0, 1, 2, 1], [2, 0, 1, 3]])
panels({"f": small, "1 to the right": translate((1, 0), small), "2 up": translate((0, 2), small)})

# %% [markdown]
# Now the operation itself. Slide a small filter ψ over the map f. At each place $t$, multiply what lies on top of each other
# and sum up. Here y is a lattice point, not a coordinate:
#
# $$[f \star \psi](t) = \sum_{y} f(y)\,\psi(y - t)$$
#
# This is **cross-correlation**, and it is what deep learning calls *convolution*. The convolution of mathematics has
# $\psi(t - y)$: a filter turned by 180°. Since filters are learned, networks do not care. Formulas do.


# %%
@exercise
def correlate(f: Tensor, psi: Tensor) -> Tensor:
    """Map f (Y, X), filter psi (k, k) → f ⋆ psi (Y - k + 1, X - k + 1), without padding.
    correlate([[1, 2, 3], [4, 5, 6]], [[1, 0], [0, 1]]) is [[6, 8]]: 1 + 5 and 2 + 6."""
    ...


# %% [markdown]
# <!-- help: correlate -->
#
# **By hand.** ψ below subtracts the left column of its window from the right one, so it answers to edges between left
# and right. A 3 × 3 window has four places on a 4 × 4 map. The cell works out window (0, 1), row 0 and column 1. Do the same
# for window (1, 1) before you read its title.

# %%
edge = torch.tensor([[-1.0, 0, 1], [-1, 0, 1], [-1, 0, 1]])
print("window (0, 1): right column 0 + 2 + 1, left column 2 + 3 + 1, difference", (0 + 2 + 1) - (2 + 3 + 1))
print(correlate(small, edge))
sliding_filter(small, edge)

# %% [markdown]
# The fast version is one call, with two more axes, for the batch and the channels.

# %%
fast = F.conv2d(small[None, None], edge[None, None])[0, 0]
assert torch.equal(fast, correlate(small, edge))
print("F.conv2d gives the same four numbers: it is cross-correlation.")
fast = F.conv2d(small[None, None], edge.rot90(2)[None, None])[0, 0]
print("With the filter turned by 180°, the convolution of mathematics:", fast.flatten().tolist())
print("This ψ turned by 180° is -ψ, so only the signs change:", torch.equal(edge.rot90(2), -edge))

# %% [markdown]
# ### Why shifts commute with it: a proof in three steps
#
# We claim $(L_s f) \star \psi = L_s (f \star \psi)$ for every shift $s$. On all of $\mathbb{Z}^2$ there is no border.
#
# $$\begin{aligned}
# {}[(L_s f) \star \psi](t) &= \sum_{y} f(y - s)\,\psi(y - t) && \text{(1)}\\
# &= \sum_{z} f(z)\,\psi(z + s - t) && \text{(2)}\\
# &= [f \star \psi](t - s) = [L_s (f \star \psi)](t) && \text{(3)}
# \end{aligned}$$
#
# 1. The definitions: $[L_s f](y) = f(y - s)$, inserted into the sum.
# 2. Rename: $z = y - s$. As y runs over all lattice points, so does z. No term is lost, none is added.
# 3. Read: $z + s - t = z - (t - s)$, so the sum is the definition of $f \star \psi$ at $t - s$. And looking up a map at $t - s$
#    is what $L_s$ does.
#
# The cell makes f and ψ functions of a lattice point, zero outside their arrays, (0, 0) being the bottom left pixel. The number
# is that of window (0, 1) again.


# %%
def on_lattice(a: Tensor) -> Callable[[int, int], float]:
    height, width = a.shape
    return lambda x, y: a[height - 1 - y, x].item() if 0 <= x < width and 0 <= y < height else 0.0


def correlated(t1: int, t2: int) -> float:
    return sum(f(y1, y2) * psi(y1 - t1, y2 - t2) for y1, y2 in lattice)


f, psi = on_lattice(small), on_lattice(edge)
lattice = [(y1, y2) for y1 in range(-9, 10) for y2 in range(-9, 10)]  # beyond these points f is zero
t1, t2, s1, s2 = 2, 0, 1, -1
line_1 = sum(f(y1 - s1, y2 - s2) * psi(y1 - t1, y2 - t2) for y1, y2 in lattice)
line_2 = sum(f(z1, z2) * psi(z1 + s1 - t1, z2 + s2 - t2) for z1, z2 in lattice)
line_3 = correlated(t1 - s1, t2 - s2)
print("line (1):", line_1, "  line (2):", line_2, "  line (3):", line_3)
assert line_1 == line_2 == line_3

# %% [markdown]
# ### Borders
#
# Arrays have a frame. Shift a piece of the photograph, 48 pixels wide, by 9 to the right, under a 3 × 3 convolution with zero
# padding. Where do the two ways differ: everywhere, nowhere, in some columns?
#
# <details><summary>Predict first…</summary>
#
# In two columns. Column 8 lies just outside the shifted picture: there the filter reaches into the picture, while the shifted
# result has a zero, which came in at the border. Column 47, the last, no longer sees what has left. Each further layer widens
# the first strip by one column on each side, and the second, which lies at the frame, by one column to the left.
#
# </details>


# %%
def padded(x: Tensor) -> Tensor:
    return F.conv2d(x, edge.to(x)[None, None], padding=1)


def where_they_differ(function: Callable[[Tensor], Tensor], f: Tensor) -> Tensor:
    return (function(translate((9, 0), f)) - translate((9, 0), function(f))).abs() > 1e-9


eye = photograph[..., 20:68, 20:68]
for layers, function in {1: padded, 3: lambda x: padded(padded(padded(x)))}.items():
    columns = where_they_differ(function, eye).any(dim=2).flatten().nonzero().flatten().tolist()
    print(f"{layers} layer(s): the two ways differ in the columns {columns} of 48")
shifted, differs = translate((9, 0), eye)[0, 0], where_they_differ(padded, eye)[0, 0]
panels({"shifted": shifted, "differs (1 layer)": differs}, photograph=True)

# %% [markdown]
# They differ where the frame matters, and each layer carries this further in. With an empty margin around the picture, nothing
# is lost.
#
# ## 3 Rotation: what convolution does not give
#
# Same filter, but now the image turns. Is $(L_r f) \star \psi = L_r (f \star \psi)$?
#
# <details><summary>Predict first…</summary>
#
# No. The filter answers to edges between left and right. In the turned image those edges lie between top and bottom,
# and the filter does not see them any more.
#
# </details>


# %%
def edges(x: Tensor) -> Tensor:
    return F.conv2d(x, edge.to(x)[None, None])


commuting_square(edges, lambda x: act_on_image(r, x), photograph, names=("Φ", "L_r"))

# %% [markdown]
# Look at the long sides of the nose: drawn in $L_r\Phi(x)$, gone in $\Phi(L_r x)$. How far apart are the two maps? We need one
# number with a sound scale:
#
# $$\text{error} = \frac{\max |\text{got} - \text{expected}|}{\max |\text{expected}|}$$
#
# The maximum, because a mean would hide an error in few pixels, such as the one at the border. *Relative*, because a
# network with small outputs is not a better one. And a `nan` must count as an infinite error: `nan > 0.1` is false, so it
# would pass that test. Below we print an error under 1e-10, which is rounding, as `exact`.


# %%
@exercise
def relative_error(got: Tensor, expected: Tensor) -> float:
    """The largest |got - expected| divided by the largest |expected|: ([2, 4], [2, 5]) gives 1 / 5 = 0.2.
    Where all of expected is 0: the largest |got|. Where a difference is nan or infinite: math.inf."""
    ...


# %% [markdown]
# <!-- help: relative_error -->


# %%
def worst_error(function: Callable[[Tensor], Tensor], group: Group, x: Tensor) -> float:
    return max(relative_error(*both_ways(function, g, x)) for g in group.elements)


def show(error: float) -> str:
    return "exact" if error < 1e-10 else f"{error:.2f}"


for g in D4.elements:
    print(f"{g!s:3} {show(relative_error(*both_ways(edges, g, photograph)))}")

# %% [markdown]
# An error of 1 means: as large as the output itself. At $r^2$ and m the two ways have opposite signs, hence 2. Two elements are
# exact: $e$, and $mr^2$, the mirror that swaps top and bottom. It leaves this filter as it is.
#
# That is the clue: *what matters is what the turn does to the filter*. Here is the identity that does hold, for every filter
# and every h:
#
# $$(L_h f) \star (L_h \psi) = L_h (f \star \psi)$$

# %% [markdown]
# **Proof, in the same three steps.** Insert the definitions on the left, at a place t; put $z = h^{-1} y$; read:
#
# $$\sum_{y} f(h^{-1}y)\,\psi(h^{-1}(y - t)) = \sum_{z} f(z)\,\psi(z - h^{-1}t) = [f \star \psi](h^{-1}t)$$
#
# and that is $L_h(f \star \psi)$ at t. Two facts are used: h is a matrix, so $h^{-1}(y - t) = h^{-1}y - h^{-1}t$; and h maps
# the lattice onto itself, so that z runs over all of it. At an angle of 45° the second fact fails. (Arrays turn about their
# center, not about the origin. The two differ by shifts, which only shift the result.)

# %%
f, psi = noise(1, 1, 8, 11), noise(1, 1, 3, 3)
for h in D4.elements:
    turned = act_on_image(h, f)
    assert relative_error(F.conv2d(turned, act_on_image(h, psi)), act_on_image(h, F.conv2d(f, psi))) < 1e-10
    assert relative_error(F.conv2d(turned, psi), act_on_image(h, F.conv2d(f, act_on_image(inverse(h), psi)))) < 1e-10
print("Turning image and filter together turns the result: exact for all 8 elements, on an 8 × 11 map.")

# %% [markdown]
# ### The repair, and the seed of all that follows
#
# Put $L_h^{-1}\psi$ in the place of ψ, and the identity says $(L_h f) \star \psi = L_h(f \star L_h^{-1}\psi)$: the filter ψ on the
# turned image answers as the *back-turned* filter does on the upright one. So keep the answers of all four turned filters, and
# nothing is lost. Upper row: the four answers for f. Lower row: for $L_r f$. Where in the lower row is the first picture of
# the upper one?
#
# <details><summary>Predict first…</summary>
#
# One place further right, turned: filter $L_r\psi$, turned back, is ψ. In general
# $(L_r f) \star L_{r^i}\psi = L_r(f \star L_{r^{i-1}}\psi)$.
#
# </details>

# %%
filters = [act_on_image(h, edge.double()[None, None]) for h in C4.elements]
top = [F.conv2d(photograph, psi)[0, 0] for psi in filters]
bottom = [F.conv2d(act_on_image(r, photograph), psi)[0, 0] for psi in filters]
for i in range(4):
    assert relative_error(bottom[i], act_on_image(r, top[i - 1])) < 1e-10
print("Answer i of the turned image is answer i - 1 of the image, turned: exact for all four.")
rows = {f"f ⋆ L_{h} ψ": answer for h, answer in zip(C4.elements, top, strict=True)}
rows |= {f"(L_r f) ⋆ L_{h} ψ": answer for h, answer in zip(C4.elements, bottom, strict=True)}
panels(rows, columns=4)

# %% [markdown]
# Every picture has turned, *and* has moved one place to the right; the last has become the first. That is how a feature map on
# p4 turned in notebook 02. Notebook 04 makes a layer of it, the **group convolution**.
#
# ### The other repair: filters without direction
#
# If $L_h \psi = \psi$ for all h, the identity above *is* equivariance. To get such a filter, average a random one over all eight
# elements: a further turn only reorders the eight summands. How many different numbers has it left?
#
# <details><summary>Predict first…</summary>
#
# Three. The eight moves take each corner to each corner, and the middle of each side to the middle of each side; so the four
# corners become equal, and so do the four middles. The center stays.
#
# </details>


# %%
def mean_over_d4(psi: Tensor) -> Tensor:
    return torch.stack([act_on_image(h, psi) for h in D4.elements]).mean(dim=0)


random_filter = noise(1, 1, 3, 3)
round_filter = mean_over_d4(random_filter)
print("different numbers:", len(round_filter.round(decimals=9).unique()))
print("error of the symmetric filter under D4:", show(worst_error(lambda x: F.conv2d(x, round_filter), D4, photograph)))
panels({"a random filter": random_filter[0, 0], "its mean over D4": round_filter[0, 0]})

# %% [markdown]
# What can such a filter *not* see? Show it a vertical bar and a horizontal bar, and take its strongest answer.
#
# <details><summary>Predict first…</summary>
#
# Which way the bar lies. The horizontal bar is the turned vertical one, so all answers are turned, and the strongest stays as
# strong. Of the edge filter, the mean leaves nothing at all: each weight meets its opposite.
#
# </details>

# %%
vertical = torch.zeros(1, 1, 9, 9).double()
vertical[..., 1:8, 4] = 1
for name, psi in {"edge filter": filters[0], "symmetric filter": round_filter}.items():
    strongest = [F.conv2d(bar, psi).abs().max().item() for bar in (vertical, act_on_image(r, vertical))]
    print(f"{name:17} vertical {strongest[0]:.2f}, horizontal {strongest[1]:.2f}")
print("largest weight of the edge filter's mean over D4:", mean_over_d4(filters[0]).abs().max().item())

# %% [markdown]
# The symmetric filter gives 1.23 for both bars: it is **blind to orientation**. So keep all turned filters, not their mean.
#
# ## 4 The other layers
#
# A **pointwise** function σ treats each pixel alone, and all alike. Then it does not matter when the pixel is moved:
#
# $$\sigma\big([L_g f](x)\big) = \sigma\big(f(g^{-1}x)\big) = \big[L_g\,\sigma(f)\big](x)$$
#
# Which lines below say *exact*?
#
# <details><summary>Predict first…</summary>
#
# ReLU, tanh, the bias per channel and softmax over channels, which compares values of one pixel: that is pointwise. What breaks
# is what treats *positions* differently: a number of its own for each pixel, or one axis of the picture preferred to the other.
#
# </details>

# %%
per_channel, per_pixel = noise(3, 1, 1), noise(9, 9)
layers = {
    "ReLU": F.relu,
    "tanh": torch.tanh,
    "bias per channel": lambda f: f + per_channel,
    "bias per pixel": lambda f: f + per_pixel,
    "softmax over channels": lambda f: f.softmax(dim=1),
    "softmax along x": lambda f: f.softmax(dim=3),
    "sort each row": lambda f: f.sort(dim=3).values,
}
for name, layer in layers.items():
    print(f"{name:22} {show(worst_error(layer, C4, noise(1, 3, 9, 9)))}")

# %% [markdown]
# Now **pooling**: the maximum, or the mean, of each window, with the windows `stride` pixels apart.


# %%
@exercise
def spatial_pool(f: Tensor, size: int, stride: int, how: str) -> Tensor:
    """Pool one map f (Y, X) over windows of size x size, `stride` pixels apart; whole windows only.
    how is "max" or "mean": spatial_pool([[1, 2], [3, 6]], 2, 2, "max") is [[6]], with "mean" [[3]]."""
    ...


# %% [markdown]
# <!-- help: spatial_pool -->
#
# A maximum does not care in which order a window is read. So a pool should commute with turns. Does a 2 × 2 pool with stride 2
# do so on a 4 × 4 map? On a 5 × 5 map?
#
# <details><summary>Predict first…</summary>
#
# On 4 × 4 yes, on 5 × 5 no: two windows fit into a row and one pixel is left over, so the last column and the last row are never
# read. Turn the map, and *other* pixels are the last ones.
#
# </details>

# %%
maps = {}
for n in (4, 5):
    f = torch.randint(10, (n, n), generator=torch.Generator().manual_seed(n))
    turned = act_on_image(r, f)
    maps[f"f, {n} × {n}"], maps[f"{n}: L_r f"] = f, turned
    maps[f"{n}: L_r pool(f)"] = act_on_image(r, spatial_pool(f, 2, 2, "max"))
    maps[f"{n}: pool(L_r f)"] = spatial_pool(turned, 2, 2, "max")
panels(maps, columns=4)

# %% [markdown]
# Compare the last two panels of each row: equal above, different below.
#
# ### Why is my network not equivariant, and why only at some sizes?
#
# A layer with a stride skips places. Its windows start at the left and upper border. They reach the opposite border, and then
# look the same from all sides, only if the stride divides (size − window):


# %%
print("size    pool 2×2, stride 2    symmetric 3×3 filter, stride 2")
for n in range(6, 12):
    x = noise(1, 1, n, n)
    pool = worst_error(lambda x: F.max_pool2d(x, 2), C4, x)
    conv = worst_error(lambda x: F.conv2d(x, round_filter, stride=2), C4, x)
    print(f"{n:3}     {show(pool):22}{show(conv)}")

# %% [markdown]
# The pool is exact on even maps, the filter on odd ones. So 28 pixels allow two pools of 2 × 2
# (28, 14, 7), and a third one breaks the symmetry. The layers of `course_lib` raise a `ValueError` instead.
#
# **And shifts?** A stride of 2 halves the picture, so a shift by 2 becomes a shift by 1. A shift by 1 would have to become a
# shift by one half:

# %%
bar = torch.zeros(2, 10)
bar[:, 2:4] = 1
for u in range(3):
    shifted = translate((u, 0), bar)
    print(f"shift {u}: {shifted[0].int().tolist()} -> {spatial_pool(shifted, 2, 2, 'max')[0].int().tolist()}")

# %% [markdown]
# Shifted by 2 the pooled bar moves by one pixel, unchanged. Shifted by 1 it gets *wider*: a pattern that no shift of the
# first one is. This is **aliasing**: what is finer than the new grid shows up as something else. So a stride s keeps
# only the shifts by multiples of s.
#
# ## 5 Invariance, at the end
#
# The **orbit** of an image is the set of all pictures that the group makes of it: $\{L_g x : g \in H\}$. An invariant function
# gives one value on a whole orbit. Which of these do: the maximum over all pixels, their mean, a linear layer on the flattened
# image?
#
# <details><summary>Predict first…</summary>
#
# The maximum and the mean. A move only reorders the pixels. The linear layer has a weight of its own for each place, and these
# random weights differ.
#
# </details>

# %%
digits = load_digits()
digit = digits.test.images[digits.test.labels == 2][0].double()  # (1, 28, 28)
orbit = torch.stack([act_on_image(g, digit) for g in D4.elements])  # (8, 1, 28, 28)
heads = {"global max": orbit.amax(dim=(1, 2, 3)), "global mean": orbit.mean(dim=(1, 2, 3))}
heads["flatten, then linear"] = orbit.flatten(1) @ noise(28 * 28)
for name, values in heads.items():
    print(f"{name:21} {len(values.round(decimals=9).unique())} different value(s) on an orbit of {len(orbit)} images")
panels({str(g): image[0] for g, image in zip(D4.elements, orbit, strict=True)}, columns=4)

# %% [markdown]
# The recipe for an invariant network: keep every layer *equivariant*, and forget the position once, at the very end, by a
# global maximum or mean. What is forgotten earlier is lost.
#
# ## 6 How to measure it, and how to fool yourself
#
# `course_lib.checks` does this for any module: maps must turn, a vector must stay. First four tests that *look* sound. The
# network is an ordinary CNN with a flattening head, not equivariant at all. What is wrong with each test?

# %%
torch.manual_seed(0)
cnn = nn.Sequential(
    OrderedDict(
        conv1=nn.Conv2d(1, 12, 3),
        relu1=nn.ReLU(),
        pool=nn.MaxPool2d(2),
        conv2=nn.Conv2d(12, 24, 3),
        relu2=nn.ReLU(),
        head=nn.Sequential(nn.Flatten(), nn.Linear(24 * 4 * 4, 10)),
    )
).double()

# %%
from course_lib.checks import assert_equivariant, equivariance_error


def size_of_edges(x: Tensor) -> Tensor:
    return edges(x).abs()


fresh = copy.deepcopy(cnn)
nn.init.zeros_(fresh.head[1].weight)  # a common way to initialize a last layer
flat, mirrored = torch.ones(1, 1, 14, 14).double(), mean_over_d4(noise(1, 1, 14, 14))
print("the CNN on a constant image:         ", show(equivariance_error(cnn, C4, flat).error))
print("the CNN on a symmetric image:        ", show(equivariance_error(cnn, C4, mirrored).error))
print("the CNN with its last layer zeroed:  ", show(equivariance_error(fresh, C4, noise(1, 1, 14, 14)).error))
print("|edges|, under mirrors and half turn:", show(equivariance_error(size_of_edges, D2, noise(1, 1, 14, 14)).error))

# %% [markdown]
# All four tests passed, and all four mislead. Twice the image looked the same after the turn. Once the network had nothing
# to say yet. And D2 has no quarter turn: its moves map a left edge to a left or a right edge, and the absolute value hides the
# sign. An honest test takes
#
# - **noise**, which has no symmetry of its own;
# - **float64**, where rounding is about 1e-16, so that 1e-10 is far above it and far below a broken symmetry;
# - **every element** of the group, and sizes that are **odd, even and not square**;
# - **after training**, or with random weights everywhere, normalization layers included.

# %%
images = {"noise": noise(1, 1, 14, 14), "a digit": load_digits(size=14).test.images[:1].double()}
for name, x in images.items():
    c4, d4 = (show(equivariance_error(cnn, group, x).error) for group in (C4, D4))
    print(f"{name:8} C4: {c4}   D4: {d4}")
print("|edges|  C4:", show(equivariance_error(size_of_edges, C4, noise(1, 1, 14, 14)).error))
try:
    assert_equivariant(cnn, C4, noise(1, 1, 14, 14))
except AssertionError as error:
    print(str(error).splitlines()[0])

# %% [markdown]
# `assert_equivariant` is the same as a test: it names the worst element, the worst number of the output (image 0,
# class 7) and the first layer above the tolerance.
# `equivariance_error(…).by_layer()` measures all layers. But what comes after a broken layer gets broken input. So we also test
# each layer alone, on what the layer before it puts out.


# %%
def table(net: nn.Module, size: int) -> None:
    x = noise(1, 1, size, size)
    in_net = {group: equivariance_error(net[:5], group, x).by_layer() for group in (C4, D4)}
    print(f"size {size}:{'in the net: C4':>24}    D4    {'alone: C4':>10}    D4")
    for name, layer in list(net.named_children())[:5]:
        alone = [show(equivariance_error(layer, group, x).error) for group in (C4, D4)]
        errors = [show(in_net[group][name].error) for group in (C4, D4)]
        print(f"{name:29}{errors[0]:6}{errors[1]:14}{alone[0]:6}{alone[1]}")
        x = layer(x).detach()


table(cnn, 14)
table(cnn, 15)

# %% [markdown]
# `conv1` and `conv2` are guilty at both sizes, ReLU never, and the pool at size 15 only, where it meets a 13 × 13 map.
#
# **Look at it.** Move the slider. At size 14 the pool alone was exact. Why do its two maps differ?
#
# <details><summary>Answer</summary>
#
# It gets unequal maps from `relu1`, which got them from `conv1`. At 0°, not mirrored, all agrees; at the seven other
# positions no layer does.
#
# </details>

# %%
explorer = feature_map_explorer(cnn, load_digits(size=14).test.images[7])
explorer.layer = 1  # the pool
explorer

# %% [markdown]
# Without a kernel: a still at 90°.
#
# ### Why was it equivariant before training and not after?
#
# Some layers start as if they were symmetric. `LayerNorm` over (C, Y, X) has a gain and a bias *for every pixel*. All gains
# start as 1, all biases as 0. Training changes them. Hence the rule: randomize before you measure.

# %%
norm = nn.LayerNorm([1, 9, 9]).double()
print("fresh:     ", show(worst_error(norm, C4, noise(1, 1, 9, 9))))
torch.manual_seed(0)
nn.init.normal_(norm.weight)
print("randomized:", show(worst_error(norm, C4, noise(1, 1, 9, 9))))

# %% [markdown]
# ## 7 Make any function equivariant: average it
#
# A blunt idea: turn the input, compute, turn back. Do so for all elements and take the mean.
#
# $$\bar\Phi(x) = \frac{1}{|H|} \sum_{g \in H} L_g^{-1}\, \Phi(L_g x)$$
#
# Where Φ puts out a vector, the mean is invariant. `act(g, x, group)` knows from the shape what to do: it turns images
# (B, C, Y, X), and leaves (B, n) alone.


# %%
@exercise
def group_average(function: Callable[[Tensor], Tensor], group: Group, x: Tensor) -> Tensor:
    """The mean over all g in group.elements of L_g⁻¹ function(L_g x); x is an image (B, C, Y, X).
    Use act(g, x, group) for L_g x, and inverse(g)."""
    ...


# %% [markdown]
# <!-- help: group_average -->
#
# **Two questions.** Is the mean exactly equivariant, whatever Φ is? And if Φ is a single correlation with ψ, its mean over D4 is a
# correlation again: with which filter?
#
# <details><summary>Predict first…</summary>
#
# 1. Yes. Put $L_k x$ in: $\bar\Phi(L_k x)$ is the mean of $L_g^{-1}\Phi(L_{gk}x)$ over all g. Rename $g' = gk$, which also runs over
#    the whole group. Then $g^{-1} = k g'^{-1}$, so each term is $L_k L_{g'}^{-1}\Phi(L_{g'}x)$, and the mean of them is
#    $L_k\bar\Phi(x)$.
# 2. With its mean over D4. By the identity of section 3, $L_g^{-1}\big((L_g f) \star \psi\big) = f \star L_g^{-1}\psi$. A mean of
#    correlations of f is the correlation with the mean of the filters, and with g also $g^{-1}$ runs over all of D4.
#
# </details>

# %%
averaged = equivariance_error(lambda x: group_average(cnn, D4, x), D4, noise(1, 1, 14, 14))
print("the CNN under D4:         ", show(equivariance_error(cnn, D4, noise(1, 1, 14, 14)).error))
print("its average over D4:      ", show(averaged.error))
print("runs of the CNN per image:", D4.order)
x, psi = noise(1, 1, 9, 9), noise(1, 1, 3, 3)
mean_of_results = group_average(lambda x: F.conv2d(x, psi), D4, x)
result_of_mean = F.conv2d(x, mean_over_d4(psi))
print("the average of a correlation, against the mean filter:", show(relative_error(mean_of_results, result_of_mean)))

# %% [markdown]
# Exact, for *any* function, at |H| times the cost. But an averaged correlation has the mean filter, which is blind to orientation.
# So never average layer by layer: average once, at the end, or do better. **Weight sharing**, in notebook 04, uses one filter in
# all |H| orientations, as we did with the edge filter, and lets the next layer compare the answers.
#
# ## 8 Does a network learn it from data?
#
# One small experiment: the CNN, trained on small digits, once as they are and once with random quarter turns
# (*augmentation*). Then each net also as its average over C4. Does the augmented net give one answer on a whole orbit?
#
# <details><summary>Predict first…</summary>
#
# Not on every orbit. Training rewards right answers on the pictures it was shown. Nothing ties the answers on one orbit to each
# other, on digits that it has never seen least of all.
#
# </details>

# %%
from course_lib.training import TrainConfig, accuracy_by_angle, train

small_digits = load_digits(size=14)
test = small_digits.test.to("cpu", torch.float64)


def quarter_turns(images: Tensor, generator: torch.Generator) -> Tensor:
    turns = torch.randint(4, (len(images),), generator=generator).tolist()
    return torch.stack([act_on_image(C4.elements[k], image) for k, image in zip(turns, images, strict=True)])


config = TrainConfig(epochs=20, batch_size=64, learning_rate=0.003)
nets = {"upright": copy.deepcopy(cnn), "augmented": copy.deepcopy(cnn)}
for name, net in nets.items():
    augment = quarter_turns if name == "augmented" else None
    train(net, small_digits.train, config, augment=augment, device="cpu", progress=True)
print(f"trained on {len(small_digits.train.images)} digits; {len(test.images)} others for the test")

# %%
with torch.no_grad():
    for name, net in nets.items():
        upright, turned = accuracy_by_angle(net, test, [0, 90]).tolist()
        guesses = torch.stack([net(act(g, test.images, C4)).argmax(dim=1) for g in C4.elements])
        agree = (guesses == guesses[0]).all(dim=0).double().mean().item()
        mean = (group_average(net, C4, test.images).argmax(dim=1) == test.labels).double().mean().item()
        error = show(equivariance_error(net, C4, test.images).error)
        print(f"{name}: accuracy {upright:.2f}, on digits turned by 90° {turned:.2f}, as an average over C4 {mean:.2f}")
        print(f"    equivariance error {error}, the same answer at all four turns for {agree:.2f} of the digits")

# %% [markdown]
# Augmentation works: the second net is as good on turned digits as on upright ones, 0.82. But it is not equivariant. For 22 % of
# the test digits the answer changes with the turn, and its outputs differ by up to 0.42 of the largest one. After the same 20
# epochs it is behind the first net's 0.92 on upright digits.
#
# Averaging makes both nets invariant. It helps the second, which reaches 0.85. The first gets 0.24 only: three of its four
# votes are about pictures of a kind that it has never seen. Invariance alone does not make a network good.
#
# This is one seed and a small network: a sketch, not a verdict.
#
# ## What you have built
#
# Your functions against the library, on random input:

# %%
from course_lib import actions, averaging, checks, oracles

torch.manual_seed(1)
for _ in range(20):
    f, psi, t = torch.randn(6, 8), torch.randn(3, 3), tuple(torch.randint(-7, 8, (2,)).tolist())
    assert torch.equal(translate(t, f), actions.translate(t, f))
    assert torch.allclose(correlate(f, psi), F.conv2d(f[None, None], psi[None, None])[0, 0], atol=1e-5)
    assert math.isclose(relative_error(f, f.flip(0)), checks.relative_error(f, f.flip(0)), rel_tol=1e-6)
    assert torch.allclose(spatial_pool(f, 3, 2, "max"), oracles.spatial_pool(f, 3, 2, "max"))
    image = torch.randn(1, 1, 14, 14).double()
    assert torch.allclose(group_average(cnn, C4, image), averaging.group_average(cnn, C4, image))
print("All five functions agree with the library.")

# %%
progress("03")

# %% [markdown]
# ## Recap
#
# - **Equivariant**: $\Phi(L_g x) = L_g\,\Phi(x)$. **Invariant**: the special case in which $L_g$ does nothing on the output.
# - Correlation commutes with shifts, up to the border; not with turns, unless the filter turns too.
# - Symmetric filters are exact but blind to orientation. Averaging a whole network is exact, at |H| times the cost. Keeping
#   *all* turned filters loses nothing.
# - Pointwise functions commute, strides only where they fit, and a linear layer on pixels does not.
# - Measure with noise, in float64, every element, several sizes, random weights.
#
# **Now in `course_lib`:**
# `from course_lib.actions import translate` · `from course_lib.oracles import correlate, spatial_pool` ·
# `from course_lib.checks import relative_error, equivariance_error, assert_equivariant` ·
# `from course_lib.averaging import group_average`
#
# **Further reading:** T. Cohen and M. Welling, *Group Equivariant Convolutional Networks* (ICML 2016), sections 2 and 4.
#
# **Next:** `04_group_convolution` keeps all turned filters, and makes a network of them.
