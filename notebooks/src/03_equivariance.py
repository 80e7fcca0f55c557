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
# **After this notebook you will be able to** say in one equation what equivariance is, prove it for translations, show why
# a convolution loses it under rotation, and measure it in any network without fooling yourself.
#
# **What you need before:** notebooks 01 (groups) and 02 (the action $L_g$), and PyTorch's `conv2d`.
#
# **Time:** about 120 minutes, with seven exercises. **Hardware:** any laptop; no GPU, no internet.
#
# A pathologist looks at a slice of tissue under the microscope. The slide has no up and no down: how it lies on the table
# is a matter of chance. Would you trust a network whose answer changes when the slide is turned? Most networks are like
# that. At the end of this notebook you train an ordinary one on digits, with rotated training images to help it, and find that it still
# changes its answer on about one test image in five when that image is turned. So the first step is to say precisely what we
# want from a network, and to measure by how much a given network misses it.

# %%
import copy
import math
from collections import OrderedDict
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.actions import Action, act_on_image, unchanged
from course_lib.data import load_digits, load_photograph
from course_lib.exercises import exercise, progress
from course_lib.figures import panels
from course_lib.figures.equivariance import commuting_square, sliding_filter
from course_lib.groups import C4, D2, D4, Element, Group, inverse
from course_lib.oracles import spatial_pool
from course_lib.widgets import feature_map_explorer

photograph = load_photograph().mean(1, keepdim=True).double()  # (1, 1, 112, 112), gray
r = Element(0, 1)  # a quarter turn, counter-clockwise


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


# %% [markdown]
# ## 1 A square that closes
#
# Blur a photograph, then turn it. Or turn it, then blur it. Do you get the same picture? Decide before you run the cell.
# The blur, called Φ, replaces each pixel by the mean of the 5 × 5 window around it, wherever that window fits into
# the picture.


# %%
def blur(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 5, stride=1)


commuting_square(blur, lambda x: act_on_image(r, x), photograph, names=("Φ", "L_r")).captioned(
    "Both ways around the square end in the same picture: blur and turn commute."
)

# %% [markdown]
# Start at the photograph. Go right and then down: turn, then compute. Or go down and then right: compute, then turn. Both
# ways end in the same picture, because this blur treats all four sides alike. We say that the square *commutes*.
#
# ### Exercise 3.1: go both ways
#
# Everything in this notebook is measured by walking around this square. Write the walk, for any function and any g.


# %%
@exercise
def both_ways(function: Callable[[Tensor], Tensor], g: Element, x: Tensor) -> tuple[Tensor, Tensor]:
    """The two pictures at the end of the square: first "turn by g, then compute", second "compute, then turn by g".
    Both function and act_on_image take images (B, C, Y, X) to images."""
    ...


# %% [markdown]
# <!-- help: both_ways -->

# %%
for g in C4.elements:
    print(f"{g!s:2}  both ways give the same:", torch.allclose(*both_ways(blur, g, photograph)))

# %% [markdown]
# A function Φ for which both ways agree is called **equivariant**:
#
# $$\Phi(L_g x) = L_g\,\Phi(x) \qquad \text{for every image } x \text{ and every } g \text{ of the group}$$
#
# In plain words, it is a promise: what happens to the input happens to the output, and nothing else.
#
# Sometimes the output should *not* follow. A cat is a cat at every angle. Then $L_g$ does nothing to the output, and the
# promise becomes
#
# $$\Phi(L_g x) = \Phi(x)$$
#
# This is **invariance**, the special case in which the group acts on the output by doing nothing. The mean brightness of a
# picture is invariant. The brightness of its top left quarter is not.
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
# The label of the animal stays as it is (invariant). The mask turns with the image (equivariant). The arrows move to new
# pixels *and* each of them turns: acting on the output can be more than moving pixels, as in notebook 02. For digits it
# depends: a 6 turned by 180° reads as a 9. Whether the task has the symmetry is your decision, before you write any code.
#
# </details>

# %% [markdown]
# ## 2 Translation: what convolution gives for free
#
# Shifts come first. Whenever a formula looks at single pixels, we write f for the image and x for a pixel; otherwise x is
# the image. A shift acts by $[L_t f](x) = f(x - t)$: the value at $x$ comes from $x - t$, so the picture moves by $+t$. At
# the border of the frame, zeros come in.
#
# ### Exercise 3.2: shift


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
panels({"f": small, "1 to the right": translate((1, 0), small), "2 up": translate((0, 2), small)}).captioned(
    "What moves out of the frame is lost, and zeros move in."
)

# %% [markdown]
# Now the operation that a convolutional network is made of. Slide a small filter ψ over the map f. At each place $t$,
# multiply each number of the filter by the number of f that it lies on, and add up the products. In the formula, y is a
# lattice point, not a coordinate:
#
# $$[f \star \psi](t) = \sum_{y} f(y)\,\psi(y - t)$$
#
# In plain words: put the filter down at t, and see how well the picture under it matches.
#
# This is **cross-correlation**, and it is what deep learning calls *convolution*. The convolution of mathematics has
# $\psi(t - y)$ in place of $\psi(y - t)$: it uses the filter turned by 180°. Networks do not care, because their filters
# are learned. Formulas do.
#
# ### Exercise 3.3: slide a filter


# %%
@exercise
def correlate(f: Tensor, psi: Tensor) -> Tensor:
    """Map f (Y, X), filter psi (k, k) → f ⋆ psi (Y - k + 1, X - k + 1), without padding.
    correlate([[1, 2, 3], [4, 5, 6]], [[1, 0], [0, 1]]) is [[6, 8]]: 1 + 5 and 2 + 6."""
    ...


# %% [markdown]
# <!-- help: correlate -->
#
# **By hand.** The filter ψ below subtracts the left column of its window from the right one, so it responds to vertical
# edges. A 3 × 3 window fits into a 4 × 4 map in four places. The next cell works out window (0, 1), the one that begins in
# row 0 and column 1. Work out window (1, 1) yourself before you look at the output.

# %%
edge = torch.tensor([[-1.0, 0, 1], [-1, 0, 1], [-1, 0, 1]])
print("window (0, 1): right column 0 + 2 + 1, left column 2 + 3 + 1, difference", (0 + 2 + 1) - (2 + 3 + 1))
print(correlate(small, edge))
sliding_filter(small, edge).captioned("At each of its four places the filter sees another window and gives one number.")

# %% [markdown]
# The fast version is one call, with two more axes, for the batch and for the channels.

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
# We claim that $(L_s f) \star \psi = L_s (f \star \psi)$ for every shift $s$. (The letter t is taken: it is the place of
# the filter.) We work on all of $\mathbb{Z}^2$, where there is no border:
#
# $$\begin{aligned}
# {}[(L_s f) \star \psi](t) &= \sum_{y} f(y - s)\,\psi(y - t) && \text{(1)}\\
# &= \sum_{z} f(z)\,\psi(z + s - t) && \text{(2)}\\
# &= [f \star \psi](t - s) = [L_s (f \star \psi)](t) && \text{(3)}
# \end{aligned}$$
#
# 1. Insert the definitions. The shifted picture has the value $[L_s f](y) = f(y - s)$.
# 2. Rename: let $z = y - s$, so $y = z + s$. As y runs over all lattice points, so does z. No term is lost, none is added.
# 3. Read: $z + s - t$ is $z - (t - s)$. So the sum is the definition of $f \star \psi$, at the place $t - s$ instead of t.
#    And looking up a map at $t - s$ is what $L_s$ does.
#
# ### Borders
#
# An array has borders. Take a piece of the photograph, 48 pixels wide, and shift it by 9 to the right. Then apply a 3 × 3
# convolution with zero padding. Or apply the convolution first, and then shift the result. Where do the two ways differ:
# everywhere, nowhere, or in some columns? Guess before you run the cell.


# %%
def padded(x: Tensor) -> Tensor:
    return F.conv2d(x, edge.to(x)[None, None], padding=1)


def where_they_differ(function: Callable[[Tensor], Tensor], f: Tensor) -> Tensor:
    return (function(translate((9, 0), f)) - translate((9, 0), function(f))).abs() > 1e-9


eye = photograph[..., 20:68, 20:68]
for layers, function in {1: padded, 3: lambda x: padded(padded(padded(x)))}.items():
    columns = where_they_differ(function, eye).any(dim=2).flatten().nonzero().flatten().tolist()
    print(f"{layers} layer(s): the two ways differ in the columns {columns} of 48")
first, second = padded(translate((9, 0), eye))[0, 0], translate((9, 0), padded(eye))[0, 0]
panels({"shift, then filter": first, "filter, then shift": second, "difference": first - second}, columns=3).captioned(
    "One layer: the two orders differ in two columns only, beside the shifted picture and at the right edge. "
    "Red is positive, blue negative."
)

# %% [markdown]
# With one layer, the two ways differ in two columns. Column 8 lies just outside the shifted picture. If you shift first,
# the filter at column 8 reaches into the picture; if you shift last, column 8 holds a zero that came in at the border. In
# the last column, 47, the filter misses pixels that the shift pushed out of the frame. Each further layer widens the
# first strip by one column on either side, and the second strip by one column on its left.
#
# So the two ways differ only where the frame matters, and each layer carries the difference further in. If the picture
# has an empty margin that is wide enough, the two ways agree.
#
# ## 3 Rotation: what convolution does not give
#
# Now take the same filter, but turn the image instead of shifting it. Is $(L_r f) \star \psi = L_r (f \star \psi)$?
#
# <details><summary>Predict first…</summary>
#
# No. The filter responds to vertical edges. In the turned image those edges are horizontal, and the filter no longer sees
# them.
#
# </details>


# %%
def edges(x: Tensor) -> Tensor:
    return F.conv2d(x, edge.to(x)[None, None])


commuting_square(edges, lambda x: act_on_image(r, x), photograph, names=("Φ", "L_r")).captioned(
    "The two ways around the square end in different pictures: a filter for vertical "
    "edges does not commute with a turn."
)

# %% [markdown]
# Look at the long sides of the nose: they are there in $L_r\Phi(x)$, and gone in $\Phi(L_r x)$. How far apart are the two
# maps? We need one number with a sensible scale:
#
# $$\text{error} = \frac{\max |\text{got} - \text{expected}|}{\max |\text{expected}|}$$
#
# In plain words: the worst difference, compared with the largest value that we expected. Here we get $\Phi(L_r x)$, and
# we expect $L_r\Phi(x)$. Why the maximum? Because a mean would hide an error that sits in a few pixels, such as one at
# the border. Why relative? Because otherwise a network would look better just because its outputs are small.
#
# ### Exercise 3.4: one number for the error
#
# Two cases need care. If all of expected is 0, you cannot divide by its largest value. And a `nan` ("not a number", as in
# 0 / 0) must count as an infinite error: `nan > 0.1` is false, so a broken network would pass a test that looks for
# errors above 0.1.


# %%
@exercise
def relative_error(got: Tensor, expected: Tensor) -> float:
    """The largest |got - expected| divided by the largest |expected|: ([2, 4], [2, 5]) gives 1 / 5 = 0.2.
    If all of expected is 0: the largest |got|. If a difference is nan or infinite: math.inf."""
    ...


# %% [markdown]
# <!-- help: relative_error -->
#
# ### Exercise 3.5: the error of a function
#
# A function is equivariant under a *group*, not under one element. So walk around the square with every element of the
# group, and report the worst error that you meet.


# %%
@exercise
def worst_error(function: Callable[[Tensor], Tensor], group: Group, x: Tensor) -> float:
    """How far the function is from being equivariant under the group, measured on the image x: 0.0 if it is exact."""
    ...


# %% [markdown]
# <!-- help: worst_error -->
#
# Below, an error under 1e-10 is only rounding, and we print it as `exact`.


# %%
def show(error: float) -> str:
    return "exact" if error < 1e-10 else f"{error:.2f}"


for g in D4.elements:
    print(f"{g!s:3} {show(relative_error(*both_ways(edges, g, photograph)))}")
print("worst over D4:", show(worst_error(edges, D4, photograph)))

# %% [markdown]
# An error of 1 means that the worst difference is as large as the largest output. At $r^2$ and m the two ways have
# opposite signs, hence the 2. Two elements are exact: $e$, and $mr^2$, the mirror that swaps top and bottom. It leaves
# this filter as it is.
#
# That is the clue: *what matters is what the turn does to the filter*. Here is an identity that does hold, for every
# filter and every h in D4:
#
# $$(L_h f) \star (L_h \psi) = L_h (f \star \psi)$$
#
# In plain words: turn the picture *and* the filter, and the result turns.
#
# **Proof, in the same three steps.**
#
# $$\begin{aligned}
# {}[(L_h f) \star (L_h \psi)](t) &= \sum_{y} f(h^{-1}y)\;\psi\big(h^{-1}(y - t)\big) && \text{(1) insert the definitions}\\
# &= \sum_{y} f(h^{-1}y)\;\psi(h^{-1}y - h^{-1}t) && h^{-1} \text{ is linear}\\
# &= \sum_{z} f(z)\;\psi(z - h^{-1}t) && \text{(2) rename } z = h^{-1}y\\
# &= [f \star \psi](h^{-1}t) = [L_h(f \star \psi)](t) && \text{(3) read}
# \end{aligned}$$
#
# Step (2) needs a fact about h: it maps the lattice onto itself, so that z runs over all lattice points, each of them
# once. At an angle of 45° this is not so, and the proof fails. (In arrays we turn about the center, not about the origin.
# The two differ by a shift, and shifts commute with the correlation.)

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
# The identity holds for any filter, so it holds for the back-turned filter $L_h^{-1}\psi$ in place of ψ:
#
# $$(L_h f) \star \psi = L_h\big(f \star L_h^{-1}\psi\big)$$
#
# In plain words: what the filter ψ finds in the *turned* image is exactly what the *back-turned* filter finds in the
# upright image, only turned.
#
# This suggests what to do. The answers of one filter are not enough, because the turned image asks for the answers of a
# back-turned filter. So compute the answers of all four turned copies of the filter, and keep all of them. Whichever
# answers the turned image asks for, you have them already.
#
# The figure shows this for the edge filter. The upper row shows how its four turned copies respond to the image f, and the
# lower row how they respond to the turned image $L_r f$. Take the first picture of the upper row. Where do you find it in
# the lower row?

# %%
filters = [act_on_image(h, edge.double()[None, None]) for h in C4.elements]
top = [F.conv2d(photograph, psi)[0, 0] for psi in filters]
bottom = [F.conv2d(act_on_image(r, photograph), psi)[0, 0] for psi in filters]
for i in range(4):
    assert relative_error(bottom[i], act_on_image(r, top[i - 1])) < 1e-10
print("Answer i of the turned image is answer i - 1 of the image, turned: exact for all four.")
rows = {f"L_h ψ on f, h = {h}": answer for h, answer in zip(C4.elements, top, strict=True)}
rows |= {f"L_h ψ on L_r f, h = {h}": answer for h, answer in zip(C4.elements, bottom, strict=True)}
panels(rows, columns=4).captioned(
    "The answers in the lower row are those of the upper row, turned, and each has moved one place to the right (from r³ to e)."
)

# %% [markdown]
# You find it one place further to the right, and turned. Check it with the identity: the second filter of the lower row is
# $L_r\psi$. Turned back, it is ψ, the first filter of the upper row. The same holds for every column:
#
# $$(L_r f) \star L_{r^i}\psi = L_r\big(f \star L_{r^{i-1}}\psi\big)$$
#
# Every picture has turned, *and* it has moved one place to the right; the last has become the first. This is how a
# feature map on p4 moved in notebook 02. Notebook 04 builds two layers from it: the **lifting convolution**, which makes
# such a feature map from an image, and the **group convolution**, which makes the next feature map from it.
#
# ### The other repair: filters without direction
#
# There is a simpler way. If $L_h \psi = \psi$ for all h, the identity above says that the correlation with ψ *is*
# equivariant. To get such a filter, take a random one and average it over all eight elements. One more move only
# reorders the eight summands, so the average stays as it is. How many different numbers does a 3 × 3 filter of this
# kind contain?


# %%
def mean_over_d4(psi: Tensor) -> Tensor:
    return torch.stack([act_on_image(h, psi) for h in D4.elements]).mean(dim=0)


random_filter = noise(1, 1, 3, 3)
round_filter = mean_over_d4(random_filter)
print("different numbers:", len(round_filter.round(decimals=9).unique()))
print("error of the symmetric filter under D4:", show(worst_error(lambda x: F.conv2d(x, round_filter), D4, photograph)))
panels({"a random filter": random_filter[0, 0], "its mean over D4": round_filter[0, 0]}).captioned(
    "The mean over all eight moves has only three different numbers: middle, sides and corners."
)

# %% [markdown]
# Three. The eight moves take every corner to every other corner, so the four corners become equal. The same is true of the
# middles of the four sides. The center stays where it is.
#
# What can such a filter *not* see? Show it a vertical bar and a horizontal bar, and take its strongest answer.

# %%
vertical = torch.zeros(1, 1, 9, 9).double()
vertical[..., 1:8, 4] = 1
for name, psi in {"edge filter": filters[0], "symmetric filter": round_filter}.items():
    strongest = [F.conv2d(bar, psi).abs().max().item() for bar in (vertical, act_on_image(r, vertical))]
    print(f"{name:17} vertical {strongest[0]:.2f}, horizontal {strongest[1]:.2f}")
print("largest weight of the edge filter's mean over D4:", mean_over_d4(filters[0]).abs().max().item())

# %% [markdown]
# The symmetric filter gives 1.23 for both bars: it is **blind to orientation**. It has to be, because the horizontal bar
# is the turned vertical one: the answers turn with it, and the strongest one keeps its value. For the edge filter,
# averaging is even worse: it gives zero, because every weight cancels with its negative. So keep all turned filters, not
# their mean.
#
# ## 4 The other layers
#
# A **pointwise** function σ computes each output pixel from the one input pixel at the same place, and in the same way
# everywhere. Then it does not matter whether the pixel is moved before or after:
#
# $$\sigma\big([L_g f](x)\big) = \sigma\big(f(g^{-1}x)\big) = \big[L_g\,\sigma(f)\big](x)$$
#
# **Predict** which of the lines below will say `exact`: ReLU, tanh, one bias per channel, one bias per pixel, softmax over
# the channels, softmax along x, sorting each row.

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
# The exact ones are pointwise. (Softmax over the channels compares the values of *one* pixel, so it is pointwise too.) What
# breaks the symmetry is to treat *positions* differently: with a separate number for each pixel, or by preferring one axis
# of the picture to the other.
#
# Now **pooling**: take the maximum, or the mean, of each window of size × size pixels; the windows are `stride` pixels
# apart. A maximum does not care in which order a window is read. So a pool should commute with turns. Does a 2 × 2 pool
# with stride 2 do so on a 4 × 4 map? And on a 5 × 5 map? Decide, then compare the last two panels of each row.

# %%
maps = {}
for n in (4, 5):
    f = torch.randint(10, (n, n), generator=torch.Generator().manual_seed(n))
    turned = act_on_image(r, f)
    maps[f"f, {n} × {n}"], maps[f"L_r f, {n} × {n}"] = f, turned
    maps[f"L_r pool(f) from {n} × {n}"] = act_on_image(r, spatial_pool(f, 2, 2, "max"))
    maps[f"pool(L_r f) from {n} × {n}"] = spatial_pool(turned, 2, 2, "max")
read = {name: (0, 0, 4) for name in ("f, 5 × 5", "L_r f, 5 × 5")}
panels(maps, columns=4, marks=read).captioned(
    "On 4 × 4 pixels the last two panels agree. On 5 × 5 they do not: the pool reads only what the thick frame holds."
)

# %% [markdown]
# They are equal in the upper row and different in the lower one. On 5 × 5, two windows fit into a row and one pixel is
# left over, so the last column and the last row are never read. Turn the map, and *different* pixels end up in the last
# column and row.
#
# ### Why is my network equivariant at some sizes and not at others?
#
# A layer with a stride skips places. Its windows start at the left and the upper border. Only if the stride divides
# (size − window) do they also end at the opposite borders, and only then do they look the same from all sides.


# %%
print("size    pool 2×2, stride 2    symmetric 3×3 filter, stride 2")
for n in range(6, 12):
    x = noise(1, 1, n, n)
    pool = worst_error(lambda x: F.max_pool2d(x, 2), C4, x)
    conv = worst_error(lambda x: F.conv2d(x, round_filter, stride=2), C4, x)
    print(f"{n:3}     {show(pool):22}{show(conv)}")

# %% [markdown]
# The pool is exact on even maps, the filter on odd ones. So 28 pixels allow two pools of 2 × 2 (28, 14, 7), and a third one
# breaks the symmetry. By default, the layers of `course_lib` raise a `ValueError` instead of computing something that
# is not equivariant.
#
# **And shifts?** A stride of 2 halves the picture, so a shift by 2 becomes a shift by 1. And a shift by 1 would have to
# become a shift by one half:

# %%
bar = torch.zeros(2, 10)
bar[:, 2:4] = 1
for u in range(3):
    shifted = translate((u, 0), bar)
    print(f"shift {u}: {shifted[0].int().tolist()} -> {spatial_pool(shifted, 2, 2, 'max')[0].int().tolist()}")

# %% [markdown]
# If the bar is shifted by 2, the pooled bar moves by one pixel and is otherwise unchanged. If it is shifted by 1, the
# pooled bar gets *wider*, and no shift of the first pooled bar looks like this. The effect is called **aliasing**:
# details too fine for the new grid show up as something else. So a layer with stride s is equivariant only under shifts
# by multiples of s.
#
# ### Exercise 3.6: invent an equivariant function
#
# By now you have seen several ways to be equivariant under all of D4. Invent a function of your own from images to images,
# with any ingredients you like, that
#
# - is exactly equivariant under D4, on images of every size, even or odd, square or not;
# - looks at neighbors: it is not pointwise;
# - is not linear, so that it is not just a correlation with a symmetric filter;
# - does not give the same answer for every image.


# %%
@exercise
def equivariant_function(x: Tensor) -> Tensor:
    """From images (B, C, Y, X) to images (B, C', Y', X'): equivariant under D4, not pointwise, and not linear."""
    ...


# %% [markdown]
# <!-- help: equivariant_function -->

# %%
print("error under D4:", show(worst_error(equivariant_function, D4, photograph)))
results = {"photograph": photograph, "after the function": equivariant_function(photograph)}
results["turned, then the function"] = equivariant_function(act_on_image(r, photograph))
panels({name: x[0, 0] for name, x in results.items()}, columns=3, photograph=True).captioned(
    "On the turned photograph an equivariant function gives its result, turned. "
    "The function is yours or, until you have one, the length of the gradient."
)

# %% [markdown]
# ## 5 Invariance, at the end
#
# The **orbit** of an image x under a group H is the set of all the pictures that the group makes of it:
# $\{L_g x : g \in H\}$. An invariant function has the same value on the whole orbit. Which of these are invariant: the
# maximum over all pixels, their mean, a linear layer on the flattened image?

# %%
digits = load_digits()
digit = digits.test.images[digits.test.labels == 2][0].double()  # (1, 28, 28)
orbit = torch.stack([act_on_image(g, digit) for g in D4.elements])  # (8, 1, 28, 28)
heads = {"global max": orbit.amax(dim=(1, 2, 3)), "global mean": orbit.mean(dim=(1, 2, 3))}
heads["flatten, then linear"] = orbit.flatten(1) @ noise(28 * 28)
for name, values in heads.items():
    print(f"{name:21} {len(values.round(decimals=9).unique())} different value(s) on an orbit of {len(orbit)} images")

# %% [markdown]
# The maximum and the mean are invariant, because a move only reorders the pixels. The linear layer has a separate weight for each
# place, and these random weights differ.
#
# Here is the recipe for an invariant network. Keep every layer *equivariant*, and forget the position once, at the very end,
# by a global maximum or mean. Whatever you forget earlier is lost.
#
# ## 6 How to measure it, and how to fool yourself
#
# `course_lib.checks` does for any module what your `worst_error` does for functions from images to images. It expects an
# output to turn if it is a map, and to stay as it is if it is a vector. Now look at four tests that *seem* sound. The
# first three test an ordinary CNN with a flattening head, which is not equivariant at all. The last tests |edges|, the
# edge filter followed by an absolute value.

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
# All four tests pass. The first three mislead. In the first two, the image looks the same after the turn, so any
# classifier would pass. In the third, the network does not say anything yet: its outputs do not depend on the image.
#
# The fourth result is correct, but it says less than it seems to. Under D2, which has the half turn and two mirrors but
# no quarter turn, |edges| really is equivariant: these moves take a vertical edge to a vertical edge and at most swap its
# two sides, and the absolute value hides the swap. It says nothing about quarter turns.
#
# An honest test uses
#
# - **noise**, which has no symmetry of its own;
# - **float64**, in which rounding errors are about 1e-16, so that a threshold of 1e-10 is far above rounding and far below
#   a broken symmetry;
# - **every element** of the group that you want, and sizes that are **odd, even and not square**;
# - networks **after training**, or with random weights everywhere, normalization layers included.

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
# `assert_equivariant` turns the measurement into a test. Its message names the worst element, the worst number of the
# output (image 0, class 7) and the first layer above the tolerance. `equivariance_error(…).by_layer()` measures all layers.
# But a layer after a broken one gets broken input, and then it looks broken, too. So we also test each layer by itself, on
# the output of the layer before it.


# %%
def table(net: nn.Module, size: int) -> None:
    x = noise(1, 1, size, size)
    in_net = {group: equivariance_error(net[:5], group, x).by_layer() for group in (C4, D4)}
    print(f"size {size}:{'in the net: C4':>24}    D4    {'by itself: C4':>13}    D4")
    for name, layer in list(net.named_children())[:5]:
        alone = [show(equivariance_error(layer, group, x).error) for group in (C4, D4)]
        errors = [show(in_net[group][name].error) for group in (C4, D4)]
        print(f"{name:29}{errors[0]:6}{errors[1]:17}{alone[0]:6}{alone[1]}")
        x = layer(x).detach()


table(cnn, 14)
table(cnn, 15)

# %% [markdown]
# `conv1` and `conv2` are to blame at both sizes, ReLU never, and the pool at size 15 only, where its input is a 13 × 13 map.
#
# **Look at it.** Move the slider. At size 14 the pool by itself was exact. Why do its two maps differ here?
#
# <details><summary>Answer</summary>
#
# It gets different maps from `relu1`, which got them from `conv1`. At 0° and not mirrored, the two maps agree in every
# layer; at the seven other positions, they agree in none.
#
# </details>

# %%
explorer = feature_map_explorer(cnn[:5], load_digits(size=14).test.images[7])  # without the untrained answer behind it
explorer.layer = 1  # the pool
explorer.captioned("The two orders differ at the pool because the layer before it gave it different maps.")

# %% [markdown]
# Where the slider cannot run, as on GitHub, you see a still picture at 90°.
#
# ### Why was it equivariant before training and not after?
#
# Some layers start as if they were symmetric. `LayerNorm` over (C, Y, X) has a gain and a bias *for every pixel*. All gains
# start as 1 and all biases as 0, so at first every pixel is treated alike. Training changes them. Hence the rule: randomize
# before you measure.

# %%
norm = nn.LayerNorm([1, 9, 9]).double()
print("fresh:     ", show(worst_error(norm, C4, noise(1, 1, 9, 9))))
torch.manual_seed(0)
nn.init.normal_(norm.weight)
print("randomized:", show(worst_error(norm, C4, noise(1, 1, 9, 9))))

# %% [markdown]
# ## 7 Make any function equivariant: average it
#
# Suppose somebody hands you a network Φ that you cannot change, and you need it to be equivariant. There is a blunt way.
# You cannot know how the image is turned, so try all turns: for each g, turn the image by g and let the network compute.
# Each result belongs to an image that is turned by g, so turn it back. Then take the mean.
#
# ### Exercise 3.7: average over the group
#
# How to turn a result back depends on what it is. If Φ returns an image (B, C, Y, X), it is turned by `act_on_image(g, y)`.
# If Φ returns a vector (B, n), there is nothing to turn back, and `unchanged(g, y)` is simply y. Your function is told which
# of the two it is: it gets the right one as `act`.


# %%
@exercise
def group_average(function: Callable[[Tensor], Tensor], group: Group, x: Tensor, act: Action = act_on_image) -> Tensor:
    """The mean, over all g of the group, of: turn x by g, compute, turn the result back. x is an image (B, C, Y, X).

    act(g, y) turns a result y by g.
    """
    ...


# %% [markdown]
# <!-- help: group_average -->
#
# As a formula, with $\bar\Phi$ for the averaged function:
#
# $$\bar\Phi(x) = \frac{1}{|H|} \sum_{g \in H} L_g^{-1}\, \Phi(L_g x)$$
#
# **Is it exactly equivariant, whatever Φ is?** Feed it a turned image $L_k x$ and see whether the result is turned by k:
#
# $$\begin{aligned}
# \bar\Phi(L_k x) &= \frac{1}{|H|} \sum_{g} L_g^{-1}\, \Phi(L_g L_k x) && \text{the definition, with } L_k x \text{ for } x\\
# &= \frac{1}{|H|} \sum_{g} L_g^{-1}\, \Phi(L_{gk}\, x) && \text{first k, then g, is } gk\\
# &= \frac{1}{|H|} \sum_{g'} L_k L_{g'}^{-1}\, \Phi(L_{g'} x) && \text{rename } g' = gk, \text{ so } g = g'k^{-1} \text{ and } g^{-1} = k\,g'^{-1}\\
# &= L_k\, \bar\Phi(x) && L_k \text{ is linear, and the same in every term}
# \end{aligned}$$
#
# Yes. In the third line, g′ runs over the whole group just as g does, because a column of the Cayley table holds every
# element once.
#
# **What does it do to a single correlation?** Suppose Φ is the correlation with ψ. By the identity of section 3,
# $L_g^{-1}\big((L_g f) \star \psi\big) = f \star L_g^{-1}\psi$. The mean of these correlations is the correlation with the
# mean of the filters. And if g runs over all of D4, so does g⁻¹. So the average of a correlation is the correlation with
# the mean filter, the one that is blind to orientation.

# %%
averaged = equivariance_error(lambda x: group_average(cnn, D4, x, unchanged), D4, noise(1, 1, 14, 14))
print("the CNN under D4:         ", show(equivariance_error(cnn, D4, noise(1, 1, 14, 14)).error))
print("its average over D4:      ", show(averaged.error))
print("runs of the CNN per image:", D4.order)
x, psi = noise(1, 1, 9, 9), noise(1, 1, 3, 3)
mean_of_results = group_average(lambda x: F.conv2d(x, psi), D4, x)
result_of_mean = F.conv2d(x, mean_over_d4(psi))
print("the average of a correlation, against the mean filter:", show(relative_error(mean_of_results, result_of_mean)))

# %% [markdown]
# The average is exact for *any* function, at |H| times the cost. But never average layer by layer, because each averaged
# correlation is blind to orientation. Average once, at the end, or do better: **weight sharing**, in notebook 04, uses one
# filter in all |H| orientations, as we did with the edge filter, and lets the next layer compare the answers.
#
# ## 8 Does a network learn it from data?
#
# One small experiment. Train the CNN on small digits twice: once on the digits as they are, and once with random quarter
# turns (*augmentation*). Then test each network as it is, and also as its average over C4. Does the augmented network
# give the same answer on a whole orbit? Predict before you run the cells.

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
        guesses = torch.stack([net(act_on_image(g, test.images)).argmax(dim=1) for g in C4.elements])
        agree = (guesses == guesses[0]).all(dim=0).double().mean().item()
        mean = (group_average(net, C4, test.images, unchanged).argmax(dim=1) == test.labels).double().mean().item()
        error = show(equivariance_error(net, C4, test.images).error)
        print(f"{name}: accuracy {upright:.2f}, on digits turned by 90° {turned:.2f}, as an average over C4 {mean:.2f}")
        print(f"    equivariance error {error}, the same answer at all four turns for {agree:.2f} of the digits")

# %% [markdown]
# Augmentation works: the second network is as good on turned digits as on upright ones, 0.82. But it is not equivariant. For
# 22 % of the test digits the answer changes with the turn, and its outputs differ by up to 0.42 of the largest one. The
# reason is that training rewards right answers on the pictures that it shows. Nothing forces the answers on one orbit to
# agree, least of all on digits that the network has never seen. And after the same 20 epochs, it is behind the first
# network's 0.92 on upright digits.
#
# Averaging makes both networks invariant. It helps the second, which reaches 0.85. The first reaches only 0.24, because
# three of its four votes are about pictures of a kind that it has never seen. Invariance by itself does not make a network
# good.
#
# This is one seed and a small network: a sketch, not a verdict.
#
# ## What you have built
#
# Here are your functions against the library, on random input:

# %%
from course_lib import actions, averaging, checks

torch.manual_seed(1)
for _ in range(20):
    f, psi, t = torch.randn(6, 8), torch.randn(3, 3), tuple(torch.randint(-7, 8, (2,)).tolist())
    assert torch.equal(translate(t, f), actions.translate(t, f))
    assert torch.allclose(correlate(f, psi), F.conv2d(f[None, None], psi[None, None])[0, 0], atol=1e-5)
    assert math.isclose(relative_error(f, f.flip(0)), checks.relative_error(f, f.flip(0)), rel_tol=1e-6)
    image = torch.randn(1, 1, 14, 14).double()
    assert math.isclose(worst_error(edges, D4, image), checks.equivariance_error(edges, D4, image).error, rel_tol=1e-6)
    assert torch.allclose(group_average(edges, C4, image), averaging.group_average(edges, C4, image))
print("Your functions agree with the library.")

# %%
progress("03")

# %% [markdown]
# ## Recap
#
# - **Equivariant**: $\Phi(L_g x) = L_g\,\Phi(x)$. **Invariant**: the special case in which $L_g$ does nothing to the output.
# - Correlation commutes with shifts, except near the border. It does not commute with turns, unless the filter turns too.
# - Symmetric filters are exact but blind to orientation. Averaging a whole network is exact, at |H| times the cost. Keeping
#   *all* turned filters loses nothing.
# - Pointwise functions commute with every move. A pool with a stride commutes with turns only at sizes where its windows
#   fit. A linear layer on the flattened pixels is not invariant.
# - Measure with noise, in float64, with every element, several sizes, and random weights.
#
# **Now in `course_lib`:**
# `from course_lib.actions import translate` · `from course_lib.oracles import correlate` ·
# `from course_lib.checks import relative_error, equivariance_error, assert_equivariant` ·
# `from course_lib.averaging import group_average`
#
# **Further reading:** T. Cohen and M. Welling, *Group Equivariant Convolutional Networks* (ICML 2016), sections 2 and 5.
#
# **Next:** `04_group_convolution` keeps all turned filters, and builds a network from them.
