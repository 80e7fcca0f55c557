# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 12 Beyond quarter turns
#
# "What about other angles?" is the question that everybody asks after the first four notebooks. Quarter turns take every pixel to a pixel, so the
# layers of this course can be exactly equivariant to them. A turn by 45° takes most pixels to places *between* pixels. In this
# notebook you build filters that can be turned by any angle, and you get a network for eight or sixteen orientations out of the
# same layers that you already have.
#
# **You will be able to**
# - say why a filter made of pixels cannot be turned by 45°, and show it with a measurement;
# - write a steerable filter, turn it by any angle, and sample it on the pixels;
# - run networks of lifting and group convolutions on C8, C12 or C16, and say at which turns of the group they are exact, and how large the error is at the others;
# - translate all this into the words of the library escnn, and decide when to use that library.
#
# **What you need before:** notebook 04 (filter banks), and notebook 05, section 3 (the angles in between, and the disk).
#
# **Time:** about 95 minutes, with six exercises. **Hardware:** any laptop, no GPU, no internet. The results of section 7 come with the course.

# %%
import json
import math
from collections.abc import Callable
from fractions import Fraction
from itertools import permutations, product

import numpy as np

# %%
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib import oracles, steerable
from course_lib.actions import act_on_feature_map, act_on_image, rotate_by_angle
from course_lib.checks import disk_mask, relative_error

# %%
from course_lib.exercises import exercise, progress
from course_lib.experiments import find
from course_lib.figures import accuracy_by_angle, filter_bank_figure, panels
from course_lib.figures.breaking import error_curves
from course_lib.figures.steerable import hexagons
from course_lib.groups import C4, C8, C16, D4, Element, Group, generate, matrix

# %%
from course_lib.interpolation import positions, windowed_sinc
from course_lib.layers import GroupConv2d, LiftingConv2d
from course_lib.reports.results import results_folder
from course_lib.steerable import WIDTH, basis
from course_lib.training.result_files import read_results

torch.set_default_dtype(torch.float64)


# %%
def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def in_words(error: float, high: int = 20) -> str:
    """An error, coarse enough to be the same on every machine; ``high`` in percent."""
    words = {"exact": 1e-10, "below 2 %": 0.02, f"2 to {high} %": high / 100}
    return next((text for text, limit in words.items() if error < limit), f"above {high} %")


# %% [markdown]
# ## 1 Turn a filter by 45°
#
# The obvious idea is to turn the filter the way you turn a photograph: compute each new pixel from its four neighbors (bilinear
# interpolation, notebook 02). Here is a 5 × 5 filter, a quarter turn of it, and an eighth of a turn.

# %%
filter_ = noise(1, 1, 5, 5, seed=3)

# %%
panels(
    {
        "ψ": filter_[0, 0],
        "ψ by 90°": rotate_by_angle(90, filter_)[0, 0],
        "ψ by 45°": rotate_by_angle(45, filter_)[0, 0],
        "ψ by 45°, twice": rotate_by_angle(45, rotate_by_angle(45, filter_))[0, 0],
    },
    values=False,
    alt="A filter of noise; turned by 90°, the same values in other places; turned by 45°, much paler, above "
    "all in the corners; and turned by 45° twice, which is paler still and does not look like the second picture.",
).captioned(
    "Turned by 45°, a filter of pixels fades, and two such turns do not make a turn by 90° (red positive, blue negative)."
)

# %% [markdown]
# Twice 45° should be 90°, but the fourth picture is not the second one. Interpolation takes means of neighbors. Where
# neighboring pixels have opposite signs, they partly cancel in the mean.
#
# How much harm does that do? We need a fair measurement. Turning the *image* must not add an error of its own, so we use a picture for
# which we have a formula: a sum of waves. A formula can be evaluated at any point, on a pixel or between pixels.


# %%
def picture(points: Tensor, shortest: float = 10) -> Tensor:
    """A sum of 40 waves, each at least ``shortest`` pixels long, at any points (..., 2) → (...)."""
    directions, sizes, phases = torch.rand(3, 40, generator=torch.Generator().manual_seed(1))
    vectors = torch.stack([torch.cos(2 * math.pi * directions), torch.sin(2 * math.pi * directions)]) * sizes.sqrt()
    return torch.cos(points @ vectors * 2 * math.pi / shortest + 2 * math.pi * phases).sum(-1)


# %%
def turned_picture(degrees: float, side: int = 49) -> Tensor:
    """[L_g f](x) = f(g⁻¹x), from the formula: no pixel is interpolated. (1, 1, side, side)"""
    g = Element(0, Fraction(degrees) / 90 % 4)
    return picture(positions(side, side) @ torch.tensor(matrix(g)).double())[None, None]


# %%
panels(
    {f"{degrees}°": turned_picture(degrees)[0, 0] for degrees in (0, 30, 45, 90)},
    alt="A smooth picture of hills and valleys, and the same picture turned by 30, 45 and 90 degrees. All four are "
    "equally sharp.",
).captioned("A picture that is given by a formula can be turned by any angle and stays equally sharp.")

# %% [markdown]
# A layer with the filter ψ treats a turn by the angle α correctly if turning both the image and the filter gives the turned answer:
#
# $$(L_\alpha f) \star (L_\alpha\psi) = L_\alpha(f \star \psi)$$
#
# **In plain words:** the turned filter sees in the turned image exactly what the original filter saw in the original image.
#
# The right-hand side turns an answer that exists only on pixels. The library's `windowed_sinc` does that with an error of about 0.2 percent,
# because the answer is as smooth as the picture. We compare inside a disk, away from the border.

# %%
inside = F.pad(disk_mask(25), (12, 12, 12, 12))


# %%
def error_at(degrees: float, turned_filter: Callable[[float], Tensor]) -> float:
    """How far the two sides of the equation are apart; ``turned_filter(angle)`` is a filter (1, 1, k, k)."""
    half = turned_filter(0).shape[-1] // 2
    seen = F.conv2d(turned_picture(degrees), turned_filter(degrees), padding=half)
    plain = F.conv2d(turned_picture(0), turned_filter(0), padding=half)
    expected = windowed_sinc(math.radians(degrees), plain)
    return relative_error(seen[..., inside], expected[..., inside])


# %% [markdown]
# **Predict:** the picture is smooth. How large is the error of the interpolated filter at 45°: 1 percent, 5 percent, or more than 20?
#
# <details><summary>Answer</summary>
#
# More than 20 percent. The picture is smooth, but the filter is not: its pixels do not say what lies between them.
#
# </details>

# %%
for degrees in (0, 30, 45, 90):
    print(f"{degrees:2}°: {in_words(error_at(degrees, lambda angle: rotate_by_angle(angle, filter_)))}")

# %% [markdown]
# So the fault lies neither in the image nor in the group. It lies in the filter. We need filters whose values are known *between* the
# pixels, too.
#
# ## 2 A group of eight turns
#
# First the easy part, the group. In notebook 01 an element was (m, r): turn by r · 90°, then mirror m times. Nothing in the product rule
# says that r must be a whole number. Let r be a fraction, and $r = \tfrac12$ is a turn by 45°. The rule
#
# $$(m_a, r_a)(m_b, r_b) = \left(m_a + m_b \bmod 2,\; (-1)^{m_b} r_a + r_b \bmod 4\right)$$
#
# stays as it is, and so does `generate`. A new group is one line:

# %%
C12 = Group("C12", generate([Element(0, Fraction(1, 3))]))
print("C8: ", *C8.elements[:5], "…")
print("C12:", *C12.elements[:5], "…")
print("subgroups of C8: ", C8.subgroups)
print("C12 contains C4:", C12.is_subgroup(C4), "and C8:", C12.is_subgroup(C8))
print("L_g with g = r^(1/2) fills the sheets, in order, from the sheets", C8.permutation(C8.elements[1]))

# %% [markdown]
# Everything about *permuting* sheets is read off the Cayley table, so it works at once. What does not work at once is *turning*. Call an
# element exact if it takes every pixel to a pixel. Which elements are exact?


# %%
@exercise
def on_lattice(a: Element) -> bool:
    """Whether a takes every pixel to a pixel, so that it can turn an image exactly. The elements of D4 do; a turn by 45° does not.
    on_lattice(Element(1, 3)) is True and on_lattice(Element(0, Fraction(1, 2))) is False."""
    ...


# %% [markdown]
# <!-- help: on_lattice -->

# %%
for group in (C4, C8, C12, C16):
    exact = [str(g) for g in group.elements if on_lattice(g)]
    print(f"{group}: {len(exact)} of {group.order} elements are exact: {', '.join(exact)}")

# %% [markdown]
# This is the bargain that the whole notebook is about. A network on C8 can be exact at the four quarter turns, and *nearly* equivariant at the four turns
# between. How near depends on the filters.
#
# ## 3 A filter is a function
#
# Think of a filter as a function of the plane, from which we take samples at the pixels. If we know the function, we can turn
# the *function* and then take samples. No pixel is ever interpolated.
#
# We build filters from functions that are easy to turn. In polar coordinates, ρ is the distance from the center and φ is the angle
# from the x axis. Take a **ring**, a Gaussian hill around the radius $\rho_j$, and let a **wave** run around it:
#
# $$B(\rho, \varphi) = e^{-(\rho - \rho_j)^2 / 2\sigma^2} \cos m\varphi, \qquad\text{or}\qquad e^{-(\rho - \rho_j)^2 / 2\sigma^2} \sin m\varphi$$
#
# The width σ of every ring is 0.55 pixels. The whole number m is the **frequency**: how often the wave rises and falls on its way around. (In section 2 the letter m stood for a
# mirror; from here on it is a frequency.) These waves are called *circular harmonics*.
# With m = 0 there is no wave, only the ring. At the center itself there is no angle, so a wave with m > 0 gets the value 0 there.


# %%
@exercise
def ring_wave(points: Tensor, radius: float, m: int) -> Tensor:
    """exp(−(ρ − radius)² / 2σ²) · cos mφ, and the same with sin mφ, at any points: (..., 2) → (..., 2), cos first, with σ = WIDTH.
    A point is (x, y). Where ρ = 0, a wave with m > 0 is 0. For m = 0 there is only the ring: (..., 2) → (..., 1)."""
    ...


# %% [markdown]
# <!-- help: ring_wave -->

# %%
fine = positions(61, 61) / 10  # a close look at −3 … 3
shown = {
    f"m = {m}, {name}": ring_wave(fine, 2.0, m)[..., i] for m in (1, 2, 3) for i, name in enumerate(("cos", "sin"))
}

# %%
panels(
    {"m = 0": ring_wave(fine, 2.0, 0)[..., 0]} | shown,
    columns=7,
    alt="Seven round functions of the plane. The first is a ring. The others are rings with two, four and six alternating "
    "arcs, positive and negative; each sin is the cos next to it, turned.",
).captioned("The larger m, the more often the sign changes around the ring, and each sin is its cos, turned.")

# %% [markdown]
# Look at the pairs. The sine is the cosine, turned by a quarter of a wave. That is the key to everything below.
#
# ### Which rings, and which frequencies?
#
# A filter of k × k pixels gets a few rings, from the center to just inside the window, and ring j gets the frequencies 0 to j. Why not more?
# A wave of frequency m around a ring of radius ρ has a length of $2\pi\rho / m$ pixels. Pixels can only carry waves longer than two
# pixels, and only those clearly longer than two can be sampled well from every angle.
#
# **Break it on purpose.** The next cell takes a 5 × 5 window and a ring of radius 1.25, and lets faster and faster waves run around it. It
# measures the error at four angles and prints the worst.

# %%
for m in (1, 2, 3, 4):

    def turned_wave(degrees: float, m: int = m) -> Tensor:
        g = Element(0, Fraction(degrees) / 90 % 4)
        return ring_wave(positions(5, 5) @ torch.tensor(matrix(g)).double(), 1.25, m)[None, None, ..., 0]

    worst = max(error_at(degrees, turned_wave) for degrees in (15, 30, 45, 60))
    print(f"m = {m}: wave length {2 * math.pi * 1.25 / m:.1f} pixels, error {in_words(worst, high=10)}")

# %% [markdown]
# The longer the wave, the better the pixels carry it. A wave that is too short shows up as something else, which is **aliasing**, as in
# notebook 03. A filter without such waves is **band-limited**: it leaves out what the grid cannot carry.


# %%
@exercise
def waves(size: int) -> list[tuple[float, int]]:
    """The waves (radius, m) of a window of size × size pixels, ring by ring from the inside, m from 0 to j on ring j.
    Rings 0 to last = (size − 1) // 2 have radii at equal distances from 0 to size / 2 − 1.25. waves(1) is [(0.0, 0)]."""
    ...


# %% [markdown]
# <!-- help: waves -->
#
# The list for a window of 5 × 5:

# %%
for radius, m in waves(5):
    functions = "the ring" if m == 0 else f"cos {m}φ and sin {m}φ"
    print(f"radius {radius:.2f}, σ = {WIDTH}: {functions}")
print("functions for 3 × 3, 5 × 5, 7 × 7, 9 × 9:", [basis(positions(k, k), k).shape[-1] for k in (3, 5, 7, 9)])

# %% [markdown]
# A filter is a weighted sum of these functions. Number them in the order of the list, with cos before sin, and call them $B_n$:
#
# $$\psi(x) = \sum_n w_n B_n(x)$$
#
# The weights $w_n$ are what a network learns. The library's `basis(points, size)` gives the values of all $B_n$ at any points. It scales each ring and each
# pair of waves to the same size, so that no function counts for more than another. A 7 × 7 filter has 16 weights instead of 49. What it gives up is fine detail,
# which a turn by 45° could not have kept anyway.
#
# ## 4 Steering
#
# Now turn a wave by α, counter-clockwise. The value at φ is the one that was at φ − α:
#
# $$\cos m(\varphi - \alpha) = \cos m\alpha\,\cos m\varphi + \sin m\alpha\,\sin m\varphi$$
# $$\sin m(\varphi - \alpha) = -\sin m\alpha\,\cos m\varphi + \cos m\alpha\,\sin m\varphi$$
#
# So a turned wave is a mixture of the two waves that we already have. A function with this property is called **steerable**. Take
# the part $a\cos m\varphi + b\sin m\varphi$ of a filter, turn both waves, and collect the terms with cos mφ and those with sin mφ:
#
# $$(a\cos m\alpha - b\sin m\alpha)\cos m\varphi + (a\sin m\alpha + b\cos m\alpha)\sin m\varphi$$
#
# So the two weights change like this:
#
# $$(a, b) \mapsto (a\cos m\alpha - b\sin m\alpha,\;\; a\sin m\alpha + b\cos m\alpha)$$
#
# **In plain words:** to turn the filter by α, turn the pair (a, b) by mα, as you would turn a point in the plane. The pixels are not touched.
#
# A worked case: cos φ has the weights (1, 0) and is largest on the right. Turn it by 90°. The pair becomes (0, 1), which is sin φ, largest at
# the top. Indeed, a counter-clockwise quarter turn leads from the right to the top.


# %%
@exercise
def steer(weights: Tensor, angle: float, size: int) -> Tensor:
    """The weights of the filter ψ, turned counter-clockwise by an angle in radians: (..., n) → (..., n).
    They are in the order of waves(size): one weight for a wave with m = 0, two for any other, that of cos before that of sin."""
    ...


# %% [markdown]
# <!-- help: steer -->
#
# Draw 16 weights, and turn the 7 × 7 filter by any angle you like:

# %%
weights = noise(16, seed=5)


# %%
def steered(degrees: float) -> Tensor:
    """The filter, turned, (1, 1, 7, 7)."""
    return (basis(positions(7, 7), 7) @ steer(weights, math.radians(degrees), 7))[None, None]


# %%
panels(
    {f"{degrees}°, norm {steered(degrees).norm():.2f}": steered(degrees)[0, 0] for degrees in (0, 15, 30, 45, 90)},
    values=False,
    alt="One smooth filter at 0, 15, 30, 45 and 90 degrees. It turns as a whole, and its norm stays nearly the same.",
).captioned("The steered filter turns as a whole and keeps its strength: the norm hardly changes.")

# %%
there_and_back = steer(steer(weights, 0.7, 7), -0.7, 7)
twice = steer(steer(weights, math.pi / 4, 7), math.pi / 4, 7)
print("there and back:          ", in_words(relative_error(there_and_back, weights)))
print("45° twice, against 90°:  ", in_words(relative_error(twice, steer(weights, math.pi / 2, 7))))
print("90°, against the pixels: ", in_words(relative_error(steered(90), act_on_image(Element(0, 1), steered(0)))))

# %% [markdown]
# Steering is a group action: twice 45° is 90°, and nothing gets lost on the way. Now the measurement of section 1 again. A third filter
# answers a question that you may have: is interpolation harmless as long as the filter is smooth?
#
# **Predict:** we interpolate the pixels of the smooth, steerable filter. Is its error about as large as that of the
# pixel filter, about as small as that of steering, or clearly between the two?
#
# <details><summary>Answer</summary>
#
# Clearly between. At the worst angle it is a fraction of the pixel filter's error, and several times that of steering. The filter is smooth compared with noise, but
# its waves are only a few pixels long, and bilinear interpolation blurs them.
#
# </details>

# %%
pixels = noise(1, 1, 7, 7, seed=3)
ways = {
    "pixels, interpolated": lambda angle: rotate_by_angle(angle, pixels),
    "steerable, but interpolated": lambda angle: rotate_by_angle(angle, steered(0)),
    "steerable, steered": steered,
}

# %%
angles = list(range(0, 91, 5))
curves = {name: [error_at(angle, way) for angle in angles] for name, way in ways.items()}
for name, errors in curves.items():
    print(f"{name:28} worst error {in_words(max(errors), high=10)}")
error_curves(curves, angles, "angle in degrees", logarithmic=False).captioned(
    "Steered to the angle, a steerable filter has almost no error in its output; interpolated, several times as much. "
    "The dip at 45° is particular to this filter of pixels."
)

# %% [markdown]
# The steered filter is not exact between the quarter turns: the square window has corners, and pixels are still samples. But its error stays
# below 2 percent at *every* angle.
#
# ## 5 The bank, and the layers
#
# A layer on C8 needs the filter at all eight orientations: the filter bank of notebook 04. With our functions it is a **linear map of the
# weights**. Fix the group and the window. Then the pixels of every turned function are plain numbers, which we compute once:
#
# $$[L_h B_n](x) = B_n(h^{-1}x), \qquad [L_h\psi](x) = \sum_n w_n\,[L_h B_n](x)$$
#
# For a group that takes pixels to pixels, such as C4, the same map is simpler still. There the weights are the pixels of the filter, as in notebook 04, and each pixel of the bank is *one* of them. So the matrix has a single 1 in each
# row, and the library stores an index instead.


# %%
@exercise
def turned_basis(group: Group, size: int) -> Tensor:
    """[L_h B_n](x) = B_n(h⁻¹x) for every h of the group, on the pixels x of the window: (|H|, size², n).
    ``basis(points, size)`` gives all B_n at any points, (..., 2) → (..., n); ``positions(size, size)`` are the pixels, (size, size, 2)."""
    ...


# %% [markdown]
# <!-- help: turned_basis -->

# %%
bank = (turned_basis(C8, 7) @ weights).view(8, 7, 7)
filter_bank_figure(bank, C8).captioned("From picture to picture the filter turns by 45°; the quarter turns are exact.")

# %% [markdown]
# **A filter of your own.** The weights say in advance what a turn will do. So design a filter that becomes its own *negative* after a quarter turn: where it was
# positive it is now negative, and the other way round. There are many answers, and all of them share one property.


# %%
@exercise
def opposite_filter() -> Tensor:
    """Weights (16,), not all 0, of a 7 × 7 filter that becomes its own negative after a quarter turn."""
    ...


# %% [markdown]
# <!-- help: opposite_filter -->

# %%
own = (turned_basis(C8, 7) @ opposite_filter().double()).view(8, 7, 7)
filter_bank_figure(own, C8).captioned(
    "After a quarter turn, two places further on, this filter is its own negative; after a half turn it is itself again."
)

# %% [markdown]
# The only new thing that a layer needs is the turned basis. `LiftingConv2d` and `GroupConv2d` take C8 as they take C4. On a group that takes pixels to pixels, a filter's weights
# are its pixels; on any other group, they are the n weights $w_n$ of the basis, stored as n × 1. The permutation of the sheets comes from the Cayley table as before.
#
# We check a group convolution twice. First we make the bank's filter for one turn, h = r, by hand: we permute the weights among the sheets, then multiply by the turned
# basis. Then we compare the whole layer with the oracle, which samples the continuous filter at turned points and sums in plain loops.

# %%
torch.manual_seed(0)
lift, conv = LiftingConv2d(C8, 1, 3, 7, padding=3), GroupConv2d(C8, 3, 3, 7, padding=3)
print(lift, lift.weight.shape)
print(conv, conv.weight.shape)
psi = conv.weight[:1, :1, :, :, 0].detach()  # the weights from one channel to one: (1, 1, 8, 16)
r = C8.elements[2]
by_hand = (psi[0, 0, C8.permutation(r)] @ turned_basis(C8, 7)[2].T).view(8, 7, 7)

# %%
print(
    "the bank's filter for r, against the one made by hand:",
    in_words(relative_error(conv.filter_bank()[0, 2, 0], by_hand)),
)
one = GroupConv2d(C8, 1, 1, 7, bias=False)
one.weight.data.copy_(conv.weight[:1, :1].data)
small = noise(1, 8, 9, 9)
expected = oracles.steerable_group_conv(small, psi, C8, 7)

# %%
print(
    "the layer, against the oracle that samples the continuous filter:",
    in_words(relative_error(one(small[None])[0], expected)),
)

# %% [markdown]
# Now we take two layers in a row and measure them for every element of C8. Next to them we measure the same two layers with interpolated filters:
# the filter banks of notebook 04, turned by bilinear interpolation.


# %%
class Interpolated(nn.Module):
    """Both layers with filters of pixels, (3, 1, 7, 7) and (3, 3, 8, 7, 7), turned by bilinear interpolation."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = noise(3, 1, 7, 7), noise(3, 3, 8, 7, 7, seed=1)

    def forward(self, x: Tensor) -> Tensor:
        turns = [(h, float(90 * h.r)) for h in C8.elements]
        lifted = torch.stack([rotate_by_angle(angle, self.first) for _, angle in turns], dim=1)
        y = F.conv2d(x, lifted.flatten(0, 1), padding=3)
        moved = [rotate_by_angle(angle, self.second[:, :, C8.permutation(h)].flatten(1, 2)) for h, angle in turns]
        return F.conv2d(y, torch.stack(moved, dim=1).flatten(0, 1), padding=3).unflatten(1, (3, 8))


# %%
steerable_net, interpolated_net = nn.Sequential(lift, conv), Interpolated()
print("element      steerable       interpolated")

# %%
with torch.no_grad():
    for g in C8.elements:
        told = []
        for net in (steerable_net, interpolated_net):
            got = net(turned_picture(float(90 * g.r)))
            expected = act_on_feature_map(g, net(turned_picture(0)), C8)
            error = relative_error(got[..., inside], expected[..., inside])
            told.append(in_words(error))
        print(f"{g!s:10}   {told[0]:13}   {told[1]}")

# %% [markdown]
# At quarter turns both are exact. At the four turns between, one network is right to within 2 percent and the other is simply wrong, although both have the right
# group, the right permutations and the right number of sheets.
#
# ### What this table leaves out
#
# Two sources of error remain, and you should know them before you promise anything.
#
# - **ReLU makes kinks.** The layers above are linear. After a ReLU the map is less smooth than before, and the next layer samples those kinks.
# - **Pooling and strides** leave a coarser grid, on which the same waves are shorter. Blur before you subsample, or subsample late in the network.
#
# ## 6 And the images?
#
# If an image has detail as fine as its pixels, then its samples do not say what lies between them, and no filter can make up for that. Here are the two
# layers once more, without and with a ReLU between them, on pictures whose shortest waves are made shorter and shorter.

# %%
g = C8.elements[1]
with_relu = nn.Sequential(lift, nn.ReLU(), conv)

# %%
with torch.no_grad():
    for shortest in (16, 8, 3, 2):
        x, y = (picture(positions(49, 49) @ torch.tensor(m), shortest)[None, None] for m in (np.eye(2), matrix(g)))
        told = []
        for net in (steerable_net, with_relu):
            expected = act_on_feature_map(g, net(x), C8)
            error = relative_error(net(y)[..., inside], expected[..., inside])
            told.append(in_words(error))
        print(f"shortest wave {shortest:2} pixels: error at 45° {told[0]}, with a ReLU {told[1]}")

# %% [markdown]
# On smooth images even the ReLU does little harm. Where the image itself has detail of two or three pixels, the error is several times as large. (Part of it
# comes from our measurement, which has to turn the answer.) Photographs, which a lens has blurred a little, are usually smoother than drawings with hard edges.
#
# ## 7 Digits, trained upright
#
# Now the picture that everybody asks for. One small network of three convolutions, `course_lib.models.small_sfcnn`, is built on four groups: C1, C4, C8 and C16.
# For each group its width is chosen so that it has about 22,000 parameters. As in section 5, a filter's weights are its pixels on C1 and C4 (25 in a window of 5 × 5), and
# those of the rings and waves on C8 and C16 (9). All were trained on the bundled digits, **upright** ones only, by
# `tests/benchmarks/angles.py`. Then the test images were turned.
#
# **Predict**, before you run the cell: how many peaks does the curve of C4 have? How many does that of C8 have, and are they equally high?
#
# <details><summary>Answer</summary>
#
# C4 has four peaks of the same height, one at each quarter turn, and it is worst between them. C8 has eight peaks, but only those at quarter turns are as
# high as the first, because only there is the network exact. At 45° every layer is a little off, the images are blurred by the turn, and the
# network was never trained on such an image. C16 fills the valleys that C8 leaves.
#
# </details>

# %%
stored = json.loads((results_folder() / "angles.json").read_text())
by_group: dict[str, list[list[float]]] = {}
for run in stored["runs"]:
    by_group.setdefault(run["group"], []).append(run["accuracy"])

# %%
seeds = len(by_group["C1"])
for name, accuracies in by_group.items():
    mean = 100 * np.mean(accuracies, axis=0)
    told = f"upright {mean[0]:.1f} %, worst angle {mean.min():.1f} %, mean {mean[:-1].mean():.1f} %"
    print(f"{name:3} {told} (seeds: {len(accuracies)})")
accuracy_by_angle(by_group, stored["angles"]).captioned(
    f"The more turns the group has, the more equal the accuracy at all angles ({seeds} seed{'s' * (seeds != 1)} each)."
)

# %% [markdown]
# Every network was trained on the same upright images, in the same way; they differ in the group, in the kind of filters, and in the width that makes them equally large. The lines are
# means over the seeds (the cell prints how many), and if there are several, a band reaches from the worst seed to the best. More orientations lift the valleys. They have a price, too: at equal parameters
# and with the same kind of filters, a network on more orientations has fewer channels, and on upright images it is a little worse. (With 510 test images an accuracy of 90 % is uncertain by 1.3 points, so only the larger steps count.) C1, which knows nothing of
# turns, does no better than guessing on digits that lie on their side. Upside down it does better, since some digits, such as 0, 1 and 8, look nearly the same then.
#
# Do not expect the peaks at 45° to be as high as those at 90°. These images are only 14 pixels wide, and several small errors add up: those of the filters, of the pool, and of the images
# themselves, which were turned by bilinear interpolation. The pool of this network takes a mean and not a maximum, because a mean blurs before
# the map gets coarser. On larger and smoother images these errors are smaller. And nothing keeps you from *also* training on turned images.
#
# ## 8 The best row of the tables
#
# Among the published test errors in this course's tables for rotated MNIST, the best is 0.71 %. It belongs to SFCNN (Weiler, Hamprecht and
# Storath, 2018): steerable filters on C16. Now we can build it. It is one function of a group, like every network here. For comparison we count a narrow version on C8, and P4CNN.

# %%
row = find("sfcnn")
counts = row.counts()
print(f"{row.name} on {row.group}, width {row.width}: published error {row.percent} ± {row.deviation} %")
print(f"parameters {counts.parameters:,}; multiply-accumulates for one image {counts.executed / 1e9:.2f} G")
for key in ("sfcnn-c8", "p4cnn"):
    other = find(key)
    print(f"{other.name}: {other.counts().parameters:,} and {other.counts().executed / 1e9:.3f} G")
row.build()

# %% [markdown]
# SFCNN is almost eight hundred times as expensive as P4CNN, which puts it out of reach of a CPU. On a GPU, `python -m course_lib train sfcnn --recipe laptop`
# trains it. The narrow version is published nowhere. It costs about twenty times as much as P4CNN, and
# `python -m course_lib train sfcnn-c8 --recipe laptop --epochs 16` takes an hour to an hour and a half on one core. Here is what has been run so far:

# %% tags=["nbval-ignore-output"]
for run in read_results(results_folder()):
    if run["row"] == "sfcnn-c8":
        error = run["final"]["test_error_percent"]
        print(f"sfcnn-c8, {run['config']['epochs']} epochs, seed {run['seed']}: test error {error:.2f} %")

# %% [markdown]
# What do we know of SFCNN, and what did we have to choose? Its layers are those of code that the first author published later. We could not read the paper
# itself: we know its error from a paper that quotes it and from an index of results. The rings and frequencies are our choice, that of section 3.
#
# ## 9 In the words of escnn
#
# [escnn](https://github.com/QUVA-Lab/escnn) is *the* library for such networks; two of its authors wrote papers that this notebook names. Two of its words deserve an explanation, because you
# have used both ideas without their names.
#
# - Our feature maps have one sheet for each element, and a turn permutes the sheets. escnn calls the values at one pixel, one from each sheet, the *fiber*, and
#   the way in which a turn permutes them the **regular representation**.
# - Under a turn, the cosine and the sine of frequency m mix with each other, and never with other frequencies. Such a block, which cannot be divided any further, is an
#   **irreducible representation**, or *irrep*. A pair (a, b) that turns by mα is the irrep of frequency m.
#
# The two belong together: a suitable change of basis, the Fourier transform over the group, takes the regular representation apart into irreps.
# The cell does so for C8, where one step is a turn by 45°.

# %%
P = torch.tensor(C8.regular_representation(C8.elements[1])).to(torch.complex128)
k = torch.arange(8)
fourier = torch.exp(2j * math.pi * k[:, None] * k / 8) / math.sqrt(8)
taken_apart = fourier @ P @ fourier.mH
print("diagonal:", bool((taken_apart - torch.diag(taken_apart.diagonal())).abs().max() < 1e-12))
turns = (taken_apart.diagonal().angle() / (2 * math.pi) * 8).round().int()

# %%
print("the entries turn by these eighths of a full turn:", sorted(turns.remainder(8).tolist()))

# %% [markdown]
# Frequencies 1 and 7 are a pair of complex conjugates, and so are 2 and 6, 3 and 5. In real numbers these are three irreps of size 2; frequencies 0 and 4 are alone. So
# $8 = 1 + 2 + 2 + 2 + 1$: the eight sheets hold each irrep of C8 exactly once.
#
# A network need not have whole regular representations. It may have, say, ten pairs of frequency 1 and five of frequency 2. Then its features turn by *every*
# angle, and no group of eight or sixteen is needed. The price is that you may no longer use ReLU, because it does not commute with turning a pair. H-Net, 1.69 % in our
# tables, is of that kind; the layers of this course cannot build it.
#
# **When should you take escnn?** If you need irreps, fields of vectors, volumes, continuous groups, or many groups at once: take escnn. If the quarter turns and mirrors of the square
# lattice are enough, or regular features on C8 to C16, then the layers of this course do the same with less machinery, and you have written them yourself.
#
# ## 10 The same idea elsewhere
#
# Nothing in `Group` depends on square pixels. Here are two short examples. Both are exact, and neither has become a layer of the library yet.
#
# ### Hexagons
#
# On a hexagonal lattice a turn by 60° takes every cell to a cell. The group is C6; with the shifts it is p6. Write a cell as (a, b): a steps to the right and b steps in the
# direction 60° counter-clockwise from there. In these coordinates the matrix of a turn consists of whole numbers again.

# %%
C6 = Group("C6", generate([Element(0, Fraction(2, 3))]))
corner = np.array([[1, 0.5], [0, math.sqrt(3) / 2]])  # columns: a step of a, a step of b


# %%
def hexagonal(g: Element) -> np.ndarray:
    return np.linalg.inv(corner) @ matrix(g) @ corner


# %%
def disk(reach: int) -> list[tuple[int, int]]:
    steps = range(-reach, reach + 1)
    return [(a, b) for a, b in product(steps, steps) if abs(a + b) <= reach]


# %%
def act_on_cells(g: Element, f: dict) -> dict:
    """[L_g f](x) = f(g⁻¹x): the value at x moves to gx."""
    step = hexagonal(g).round().astype(int)
    return {tuple((step @ cell).tolist()): value for cell, value in f.items()}


# %%
r60 = C6.elements[1]

# %%
print(
    "a turn by 60° in cells:",
    hexagonal(r60).round(12).astype(int).tolist(),
    "whole:",
    np.allclose(hexagonal(r60), hexagonal(r60).round()),
)

# %%
psi_cells = dict(zip(disk(2), noise(19, seed=1).tolist(), strict=True))

# %%
hexagons(
    {
        "ψ, 19 cells": psi_cells,
        "by 60°": act_on_cells(r60, psi_cells),
        "by 120°": act_on_cells(C6.elements[2], psi_cells),
    }
).captioned("On hexagonal cells a turn by 60° moves every value exactly onto a cell.")

# %% [markdown]
# The lifting convolution is its definition, written as code: $[f \star \psi](t, h) = \sum_y f(y)\,[L_h\psi](y - t)$. Its equivariance is the equation of notebook 04, and
# `C6.permutation` comes from the Cayley table.


# %%
def lift_on_cells(f: dict, psi: dict, reach: int) -> list[dict]:
    """One sheet for each element of C6; the cells of ``f`` must reach two steps further than those asked for."""
    filters = [act_on_cells(h, psi) for h in C6.elements]
    return [
        {t: sum(f[t[0] + a, t[1] + b] * w for (a, b), w in turned.items()) for t in disk(reach)} for turned in filters
    ]


# %%
f_cells = dict(zip(disk(5), noise(91).tolist(), strict=True))
answer = lift_on_cells(f_cells, psi_cells, reach=3)
errors = []

# %%
for g in C6.elements:
    turned_first = lift_on_cells(act_on_cells(g, f_cells), psi_cells, reach=3)
    turned_after = [act_on_cells(g, answer[i]) for i in C6.permutation(g)]
    errors += [abs(a[t] - b[t]) for a, b in zip(turned_first, turned_after, strict=True) for t in a]
print("p6, six turns, error:", in_words(max(errors)))

# %% [markdown]
# ### The cube
#
# In three dimensions the rotations of a cube take every voxel to a voxel. There are 24 of them, and their matrices have one entry of ±1 in each row and column. Turning a
# volume is therefore one `permute` of the axes and one `flip`. A `Group` takes such elements if you say how to multiply them; the identity comes first.


# %%
def signs(p: tuple[int, ...], s: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(s[i] * (p[i] == j) for j in range(3)) for i in range(3))


# %%
def times(a: tuple, b: tuple) -> tuple:
    return tuple(map(tuple, (np.array(a) @ np.array(b)).tolist()))


# %%
found = [signs(p, s) for p in permutations(range(3)) for s in product((1, -1), repeat=3)]
rotations = [a for a in found if round(np.linalg.det(np.array(a))) == 1]
cube = Group("O", tuple(rotations), times)  # the first one is the identity
print(
    f"{cube}: {cube.order} rotations, {len(cube.subgroups)} subgroups of orders {sorted({s.order for s in cube.subgroups})}"
)


# %%
def act_on_volume(g: tuple, f: Tensor) -> Tensor:
    """[L_g f](x) = f(g⁻¹x) on the last three axes."""
    rows = np.array(g)
    axes = [f.ndim - 3 + int(abs(row).argmax()) for row in rows]
    return f.permute(*range(f.ndim - 3), *axes).flip([f.ndim - 3 + i for i in range(3) if rows[i].sum() < 0])


# %%
volume, psi_volume = noise(1, 1, 7, 7, 7), noise(1, 1, 3, 3, 3, seed=1)
volume_bank = torch.cat([act_on_volume(h, psi_volume) for h in rotations])  # (24, 1, 3, 3, 3)
answer = F.conv3d(volume, volume_bank)

# %%
worst = max(
    relative_error(F.conv3d(act_on_volume(g, volume), volume_bank), act_on_volume(g, answer[:, cube.permutation(g)]))
    for g in rotations
)
print("24 rotations of a volume, error:", in_words(worst))

# %% [markdown]
# That is the whole course in a few lines: a group, an action, a bank of moved filters, a permutation from the Cayley table. Only the lattice is
# different.
#
# ## Your turn
#
# There is no check for this one. Choose a question, write down what you expect, and measure.
#
# - **How many orientations are worth it?** Take the two layers of section 5 on C4, C8, C12 and C16. Turn the picture by an angle α that is *not* in
#   the group. Compare the answer with the old one, turned by α, its sheets permuted by the element nearest to α. Plot the error against α.
# - **Blur the kinks.** Blur the map after the ReLU of section 6 and measure again. How much does it help?
# - **More frequencies.** Give every ring one frequency more than `waves` does. What do you gain in detail, and what does it cost at 45°?
# - **Your own images.** Turn one of your photographs by 45° and back. How smooth is it, in the sense of section 6?
#
# ## Does it agree with the library?

# %%
for radius, m in waves(7):
    assert torch.allclose(ring_wave(fine, radius, m), steerable.ring_wave(fine, radius, m))
for angle in (0.1, 1.0, -2.0):
    assert torch.allclose(steer(weights, angle, 7), steerable.steer(weights, angle, 7))

# %%
for group in (C4, D4, C8, C12):
    assert torch.allclose(turned_basis(group, 5), steerable.turned_basis(group, 5))
    assert all(on_lattice(g) == (g.r == int(g.r)) for g in group.elements)
print("Your functions and the library's agree.")

# %%
progress("12")

# %% [markdown]
# ## Recap
#
# - A turn by 45° fails because of the *filter*: its pixels do not say what lies between them. Interpolated, our filter of noise was wrong by more than 20 percent at 45°, and even the smooth one by more than 10 at its worst angle.
# - A filter made of rings and waves is known everywhere. To turn it by α, turn each pair of weights by mα, and then take samples.
# - A band-limited filter has no waves that the pixels cannot carry. It gives up detail, and can be turned by any angle.
# - On C8 the layers are exact at quarter turns, and right to within 2 percent at the four turns between, on smooth images and inside a disk. A report should say both.
# - Permutations come from the Cayley table, for any finite group, on squares, hexagons and cubes.
#
# **Now in `course_lib`:** `from course_lib.groups import C8, C16, D8`; every `LiftingConv2d` and `GroupConv2d` on them; `course_lib.steerable` and
# `course_lib.interpolation`; the networks `course_lib.models.sfcnn` and `small_sfcnn`.
#
# **Further reading:** M. Weiler, F. Hamprecht and M. Storath, *Learning Steerable Filters for Rotation Equivariant CNNs*, CVPR 2018; M. Weiler and G. Cesa,
# *General E(2)-Equivariant Steerable CNNs*, NeurIPS 2019; W. Freeman and E. Adelson, *The Design and Use of Steerable Filters*, 1991.
#
# **Next:** this was the last notebook. Run a row of `data/results/README.md` that says *not yet run*. Or take a layer into a network of your own, and let
# `course_lib.checks.assert_equivariant` watch over it.
