# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 02 How symmetries move points, images and feature maps
#
# [Notebook 01](01_groups.ipynb) built the groups. Now they get something to move: first points, then images, then the
# feature maps inside a network, which move in a way that surprises most people.
#
# **You will be able to**
# - say what it means that a group *acts*, and test it;
# - turn an image by hand and explain why the formula has an inverse in it;
# - say what happens to the sheets of a feature map when the image turns, and write it as two lines of code;
# - read, and draw, the ring figures of feature maps in the literature.
#
# **What you need before:** notebook 01 (elements, products, inverses; p4 and p4m); matrices; PyTorch tensors.
#
# **Time:** about 120 minutes, with six exercises. **Hardware:** any laptop; no GPU, no internet.
#
# Why so much care for something as simple as turning a picture? Because the later notebooks need to say exactly what a
# turn of the image does to the numbers in every layer. There are several natural ways to write this down, and most of
# them are wrong. In section 6 you will meet two wrong versions that pass every algebraic test as long as there are only
# rotations; a turned digit gives both of them away.

# %%
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib import figures, oracles
from course_lib.actions import rotate_by_angle, translate
from course_lib.data import load_digits, load_photograph
from course_lib.exercises import exercise, progress
from course_lib.figures.actions import lookup, photographs
from course_lib.groups import C4, D4, Element, Group, IntArray, compose, inverse, matrix
from course_lib.layers import EquivariantSequential, GroupConv2d, LiftingConv2d
from course_lib.wallpaper import Isometry, semidirect_product
from course_lib.widgets import feature_map_explorer

e, r, m = Element(0, 0), Element(0, 1), Element(1, 0)

# %% [markdown]
# ## 1 Points
#
# In notebook 01, an isometry g was a turn or mirror h, followed by a shift t. As a formula:
#
# $$g \cdot x = h\,x + t$$
#
# In plain words: first turn or mirror the point, as h says, then shift it.
#
# <details><summary>Predict first: where does r send the point (2, 1)? And where does "r, then shift by (3, 1)" send it?</summary>
#
# r sends (2, 1) to (−1, 2): a quarter turn, counter-clockwise. The shift then moves it to (2, 3).
# </details>
#
# ### Exercise 2.1: many points at once
#
# For one point the formula is already code. But points usually come by the hundreds, as the *rows* of an array whose
# last axis holds (x, y). Write the function so that it moves all of them at once, without a loop.


# %%
@exercise
def act_on_points(g: Isometry, points: IntArray) -> IntArray:
    """Move points by g: x ↦ h·x + t.

    ``points`` has shape (..., 2), each (x, y), and so has the result. Use ``matrix(g.point_part)`` and ``g.shift``.
    Example: the quarter turn with shift (3, 1), Isometry(0, 1, 3, 1), takes [[2, 1], [0, 0]] to [[2, 3], [3, 1]].
    """
    ...


# %% [markdown]
# <!-- help: act_on_points -->

# %%
corner = np.array([[0, 0], [1, 0], [2, 0], [0, 1]])
g = Isometry(0, 1, 3, 1)
print("points 1 to 4:", corner.tolist())
print("turned by 90° about the origin, then shifted by (3, 1):", act_on_points(g, corner).tolist())

# %% [markdown]
# The long arm of the L (points 1, 2, 3) lay along the x axis and now points up; the corner of the L is at (3, 1).
#
# **What makes this an action?** Two rules. Doing nothing moves nothing: e·x = x. And moving by k, then by g, is the
# same as moving once by the product gk:
#
# $$g \cdot (k \cdot x) = (g k) \cdot x$$
#
# A group **acts** on a set if each of its elements moves the members of the set in such a way that both rules hold. In
# plain words: it does not matter whether you multiply first or move first. Combine each of the eight symmetries of
# the square with nine shifts, and let the computer look at every pair of the 72 elements.

# %%
shifts = [(u, v) for u in (-1, 0, 2) for v in (-1, 0, 2)]
isometries = [Isometry(*h, *t) for h in D4.elements for t in shifts]

pairs = 0
for g in isometries:
    for k in isometries:
        step_by_step = act_on_points(g, act_on_points(k, corner))
        at_once = act_on_points(semidirect_product(g, k), corner)
        assert (step_by_step == at_once).all()
        pairs += 1
assert (act_on_points(Isometry(0, 0, 0, 0), corner) == corner).all()
print(f"Both rules hold for {len(isometries)} elements of p4m and all their {pairs} pairs.")

# %% [markdown]
# ## 2 Images
#
# An image is not a point. It is a **function** f: Z² → ℝ. Ask it about a pixel x, a point of the lattice, and it
# answers with a number, f(x). How do you turn a function?
#
# Take a small one, 4 × 4, with a different number in every pixel, so that you can follow each of them.

# %%
f = torch.arange(16.0).reshape(4, 4)
print(f)

# %% [markdown]
# **Where is (x, y) in an array?** An array counts rows *downwards* from the top, but y points *up*. And an image turns
# about its center. So, for an array with `height` rows and `width` columns, we measure x and y from the center:
#
# $$x = \text{col} - \tfrac{\text{width} - 1}{2}, \qquad y = \tfrac{\text{height} - 1}{2} - \text{row}$$
#
# In plain words: x counts columns to the right of the center, y counts rows above it. (In g·x and f(x), as before, the
# letter x means the whole point.) For an odd size these are integers. For an even size the center lies *between*
# pixels, as in exercise 1.6, and the coordinates end in .5. Multiply them by 2, and all of them are integers again;
# exercise 2.2 makes use of that.
#
# The next cell stores f as what it is, a function: a dictionary from (x, y) to a number.

# %%
places = [[(col - 1.5, 1.5 - row) for col in range(4)] for row in range(4)]
value_at = {places[row][col]: f[row, col].item() for row in range(4) for col in range(4)}
print("x of the four columns:", [x for x, _ in places[0]])
print("f(1.5, 1.5), the top right pixel:", value_at[1.5, 1.5])


def look_up(h: Element) -> Tensor:
    """The image that shows, at every x, the number that f has at h·x."""
    return torch.tensor([[value_at[tuple(matrix(h) @ x)] for x in row] for row in places])


# %% [markdown]
# **The question of this section.** You want to turn the image by r, a quarter turn counter-clockwise. To fill pixel x
# of the new image, do you look up the old one at r·x, or at r⁻¹·x? Decide before you run the cell. In the correct
# picture, the 3 from the top right corner has moved to the top left.

# %%
figures.panels({"f": f, "look up f(r x)": look_up(r), "look up f(r⁻¹ x)": look_up(inverse(r))}).captioned(
    "Only with the inverse does the 3 from the top right corner arrive at the top left."
)

# %% [markdown]
# The right-hand panel has the 3 in the top left corner; the one in the middle has turned clockwise. The reason is that
# you fill in pixels one by one, and each has to ask *where its number came from*. What is at x after the turn was at
# r⁻¹·x before it.
#
# This is how a group acts on functions. Write L_g f for "f, moved by g". No formula of the course is used more often:
#
# $$[L_g f](x) = f(g^{-1} x)$$
#
# In plain words: *L_g f shows at x what f had at the place that x came from.* In the figure, one pixel of L_r f looks
# back.

# %%
lookup(f, r, pixel=(0, 1)).captioned(
    "To fill the framed pixel of $L_r f$ on the right, follow the arrow back to where its number came from."
)

# %% [markdown]
# **Is the inverse only a matter of taste,** of turning clockwise or counter-clockwise? No: only with the inverse do we
# get an action. Move f by k first, and then by g. Read the definition from the outside in, and remember that what is
# done last is undone first (you take off your shoes before your socks): (gk)⁻¹ = k⁻¹g⁻¹.
#
# $$
# \begin{aligned}
# {}[L_g L_k f](x) &= [L_k f](g^{-1}x)   && \text{the outer } L_g \text{ looks up at } g^{-1}x\\
#                &= f(k^{-1}g^{-1}x)   && \text{the inner } L_k \text{ puts } k^{-1} \text{ in front of that}\\
#                &= f((gk)^{-1}x) = [L_{gk} f](x) && \text{which is one move by } gk
# \end{aligned}
# $$
#
# Now leave the inverse out. Call the result $W_g$, for "without": $[W_g f](x) = f(gx)$. The same three steps give
#
# $$[W_g W_k f](x) = [W_k f](gx) = f(k g x) = [W_{kg} f](x)$$
#
# We applied k first and g second, which should give gk. We got kg.
#
# **Break it on purpose.** For elements that *commute* (ab = ba), such as two rotations, this makes no difference. So
# take r and m.


# %%
def without_inverse(g: Element, f: Tensor) -> Tensor:
    """W_g f(x) = f(gx), which is L of g⁻¹. The library's slow loop for L_g is what you write next."""
    return oracles.act_on_image(inverse(g), f)


rm, mr = compose(r, m), compose(m, r)
one_by_one = without_inverse(r, without_inverse(m, f))
print("W_r W_m = W_rm:", torch.equal(one_by_one, without_inverse(rm, f)))
print("W_r W_m = W_mr:", torch.equal(one_by_one, without_inverse(mr, f)))
w_of = {"W_r W_m f": one_by_one, "W_rm f": without_inverse(rm, f), "W_mr f": without_inverse(mr, f)}
figures.panels({"f": f} | w_of).captioned(
    "Without the inverse, $[W_g f](x) = f(gx)$, r after m (second picture) is not rm (third) but mr (fourth)."
)

# %% [markdown]
# The second panel equals the fourth, not the third. W breaks our second rule. It multiplies in the reverse order: this
# is called a *right* action. L, with the inverse, is a *left* action; we use left actions everywhere.
#
# ### Exercise 2.2: where a pixel comes from
#
# Now write the heart of L_g, for any size and for any of the eight symmetries. You are about to fill one pixel of L_g
# f. Which pixel of f do you copy? Note that a quarter turn of a 2 × 3 image is 3 × 2.


# %%
@exercise
def source_pixel(g: Element, row: int, col: int, height: int, width: int) -> tuple[int, int]:
    """The pixel of f, as (its row, its column), whose number L_g f shows at its own pixel (row, col).

    ``height`` and ``width`` are those of L_g f. After an odd number of quarter turns f has them the other way round.
    Example: for the quarter turn r and size 4 × 4, the pixel (0, 1) of L_r f shows the pixel (1, 3) of f.
    """
    ...


# %% [markdown]
# <!-- help: source_pixel -->
#
# With it, acting on an image is a loop over pixels. This is the *definition*, slow and obviously right; it also lives in
# `course_lib.oracles`.


# %%
def act_by_loop(g: Element, f: Tensor) -> Tensor:
    height, width = reversed(f.shape) if g.r % 2 else f.shape
    out = f.new_zeros(height, width)
    for row, col in np.ndindex(height, width):
        out[row, col] = f[source_pixel(g, row, col, height, width)]
    return out


figures.panels(
    {"f": f, "L_r f": act_by_loop(r, f), "L_m f": act_by_loop(m, f), "L_mr f": act_by_loop(mr, f)}
).captioned("The same image after r, after m, and after mr, which is r first and m second.")

# %% [markdown]
# Numbers are moved, never computed, so nothing is rounded. In fact no arithmetic is needed at all, because PyTorch can
# turn and flip whole arrays.
#
# ### Exercise 2.3: the fast version
#
# Look at the four panels above, and find PyTorch functions that do the same to the last two axes of a tensor, whatever
# axes come before them.


# %%
@exercise
def act_on_image(g: Element, f: Tensor) -> Tensor:
    """[L_g f](x) = f(g⁻¹x) on the last two axes of f (..., Y, X). The axes in front, such as batch and channels, stay.

    Example: r takes [[0, 1], [2, 3]] to [[1, 3], [0, 2]], and m takes it to [[1, 0], [3, 2]].
    """
    ...


# %% [markdown]
# <!-- help: act_on_image -->
#
# Do the loop and the fast version agree? Test them on odd, even and non-square sizes, for all eight elements. Then turn
# a photograph, for which the loop would be slow.

# %%
torch.manual_seed(0)
for size in [(5, 5), (4, 4), (3, 6), (1, 2)]:
    image = torch.rand(size)
    for g in D4.elements:
        assert torch.equal(act_by_loop(g, image), act_on_image(g, image))
print("Loop and fast version agree for 8 elements and 4 sizes, bit for bit.")

photo = load_photograph()[0]
photographs(
    {f"h = {h}": act_on_image(h, photo) for h in D4.elements},
    alt="A cat's face eight times: upright, turned by 90°, 180° and 270°, and below each its mirror image.",
).captioned(
    "$L_h f$ for the eight elements of D4: above, the photograph turns counter-clockwise; below each picture is its mirror image."
)

# %% [markdown]
# **Break it on purpose: the order.** The pair (m, r) means "first rotate, then mirror". Suppose somebody mirrors first
# and then rotates. For how many of the eight elements does this give a wrong picture? Guess, then run the cell.

# %%
for g in D4.elements:
    mirrored = photo.flip(-1) if g.m else photo
    wrong_order = torch.rot90(mirrored, g.r, dims=(-2, -1))
    print(f"{g!s:>3}: {'right' if torch.equal(wrong_order, act_on_image(g, photo)) else 'WRONG'}")

# %% [markdown]
# It is wrong for only two. Without a mirror there is nothing to swap, and e and r² commute with every mirror; that
# leaves mr and mr³. A test on r and on m, the two elements that one would try first, would notice nothing.
#
# ## 3 Shifts, and angles in between
#
# A shift acts by the same formula, [L_t f](x) = f(x − t). At the edges of the frame, zeros come in. Here we want a
# picture with an empty margin, so that nothing falls off: a real digit, rounded to integers from 0 to 16 so that every
# test below can be exact.
#
# **Predict:** shift the digit by t = (3, 0) and then turn it by r. Or turn it first, and then shift it by the same t.
# Do you get the same picture?

# %%
digit = (load_digits().train.images[7, 0] * 16).round()
t, rt = (3, 0), (0, 3)  # r takes t to rt
turned = act_on_image(r, digit)
shifted_first = act_on_image(r, translate(t, digit))
turned_first = {"L_t L_r f": translate(t, turned), "L_rt L_r f": translate(rt, turned)}
alt = "A handwritten 7; turned by 90° it lies higher in panels two and four, and further right in panel three. "
alt += "Arrows show t, three pixels to the right, and rt, three pixels up, which is t turned along with the picture."
moves = {"f": ("t", t), "L_r L_t f": ("rt", rt), "L_t L_r f": ("t", t), "L_rt L_r f": ("rt", rt)}
figures.panels({"f": digit, "L_r L_t f": shifted_first} | turned_first, moves=moves, alt=alt).captioned(
    "Shifting by t and then turning (second) equals turning and then shifting by the "
    "*turned* t (fourth), not by t (third)."
)

# %% [markdown]
# No: panels 2 and 3 differ. If you shift first, the turn also turns the shift, so "to the right" becomes "up". Panels 2
# and 4 agree. You may swap a shift and a turn if you turn the shift:
#
# $$L_h L_t = L_{h \cdot t}\, L_h$$
#
# In plain words: shifting by t and then turning is the same as turning and then shifting by the turned t. This is the
# semidirect product of notebook 01 in a picture: "first t, then h" is the element (h·t, h). Check it for every h and
# for every shift by up to 4 pixels, the width of the margin.

# %%
for h in D4.elements:
    for t in [(u, v) for u in range(-4, 5) for v in range(-4, 5)]:
        u, v = (int(c) for c in matrix(h) @ t)
        assert semidirect_product(Isometry(*h, 0, 0), Isometry(0, 0, *t)) == Isometry(*h, u, v)
        assert torch.equal(act_on_image(h, translate(t, digit)), translate((u, v), act_on_image(h, digit)))
print("L_h L_t = L_{h·t} L_h for 8 symmetries and 81 shifts.")

# %% [markdown]
# **What about angles that are not multiples of 90°?** At 45° most pixels land between pixels, and their values have to
# be *interpolated*: mixed from four neighbors. Turn a photograph by 45°, eight times. Since 8 · 45° = 360°, do you get
# the photograph back?


# %%
def turn_repeatedly(times: int) -> Tensor:
    turned = photo[None].double()
    for _ in range(times):
        turned = rotate_by_angle(360 / times, turned)
    return turned[0]


middle = (slice(None), slice(40, 72), slice(40, 72))  # never leaves the frame: only the blur counts here
for times in (4, 8, 12):
    change = (turn_repeatedly(times) - photo).abs()
    print(
        f"{times:2} turns of {360 // times}°: mean change {change.mean():.2f}, in the middle {change[middle].mean():.2f}"
    )

assert torch.equal(turn_repeatedly(4), photo.double())
once = rotate_by_angle(45, photo[None])[0]
photographs(
    {"f": photo, "45°, once": once, "45°, eight times": turn_repeatedly(8), "90°, four times": turn_repeatedly(4)},
    alt="The cat; tilted by 45°, corners black; after eight such turns, upright, but blurred and without corners; "
    "after four turns by 90°, as it was.",
).captioned("Eight turns by 45° blur the photograph and cut its corners; four turns by 90° give it back.")

# %% [markdown]
# Four turns by 90° give the photograph back exactly. Eight turns by 45° do not. The photograph's values lie between 0
# and 1, and on average they are now off by 0.12. Most of this error comes from the corners, which left the frame in the
# first turn and came back black. But even in the middle there is a change of 0.02, because each interpolation blurs a
# little.
#
# So on the pixel grid the rotations by 45° do **not act**: eight of them should be e, and they are not. This is why the
# course builds on p4 and p4m. Their turns and mirrors obey both rules bit for bit, and so do their shifts as long as
# nothing leaves the frame. Notebook 05 measures what layers do at the angles in between.
#
# ## 4 Feature maps
#
# What does a network with orientations compute? It computes a separate map for each orientation. Make such maps by
# hand. One small filter ψ asks: *is there more ink on the right than on the left?* Its copy L_r ψ asks: *is there more
# ink above than below?* And so on.

# %%
psi = torch.tensor([[-1.0, 0.0, 1.0]] * 3)
figures.panels({f"filter {h}": act_on_image(h, psi) for h in C4.elements}).captioned(
    "One filter ψ in its four orientations: filter h is $L_h ψ$."
)

# %% [markdown]
# Slide each of the four filters over the digit and keep what is positive. The result has one **sheet** per orientation,
# and the shape (|H|, Y, X). Sheet h answers, pixel by pixel: *is there such an edge here, in orientation h?*


# %%
def edge_sheets(image: Tensor, psi: Tensor, group: Group) -> Tensor:
    """Sheet h is where the image matches L_h ψ: (Y, X) → (|H|, Y, X)."""
    turned_filters = torch.stack([act_on_image(h, psi) for h in group.elements])
    return F.conv2d(image[None, None], turned_filters[:, None], padding=1)[0].relu()


sheets = edge_sheets(digit, psi, C4)
shown = {"digit": digit * 3}  # about as dark as the sheets
shown |= {f"sheet {h}": sheet for h, sheet in zip(C4.elements, sheets, strict=True)}
figures.panels(
    shown, alt="A handwritten 7, and its left, lower, right and upper borders on the sheets e, r, r² and r³."
).captioned("Each sheet finds another border of the strokes: left, lower, right and upper.")

# %% [markdown]
# Sheet e shows left borders of the strokes (the ink is to the right of them), sheet r² right borders; sheets r and r³
# show lower and upper borders.
#
# Each number of this map belongs to a place x **and** an orientation h: we write it f(x, h). Take one of them, for
# example x = (3, 1), counted from a pixel near the center, and h = r. How was f(x, h) computed? We turned the filter ψ
# by r, shifted it to the pixel (3, 1), and compared it with the image. "First turn by r, then shift by (3, 1)" is an
# element of p4, and it is the element that moved the filter. So each pair (x, h) is an element of the group p4, and the
# map has one number for each element. An image is a function on the plane; this map is a function on the *group*, and it
# is called a **feature map on p4**.
#
# **The question of this section.** The digit turns by r. What happens to its four sheets?
#
# <details><summary>Predict first. A left border of a stroke: what kind of border is it after a quarter turn, and on which sheet does it light up?</summary>
#
# Counter-clockwise, left becomes bottom. A left border lit up on sheet e; a lower border lights up on sheet r. So the
# trace of the border has turned **and** moved from sheet e to sheet r.
# </details>

# %%
sheets_of_turned = edge_sheets(act_on_image(r, digit), psi, C4)
for h, sheet in zip(C4.elements, sheets_of_turned, strict=True):
    origin = [k for k, old in zip(C4.elements, sheets, strict=True) if torch.equal(sheet, act_on_image(r, old))]
    print(f"sheet {h!s:>2} of the turned digit = turned sheet {origin[0]!s:>2} of the digit")

# %% [markdown]
# The sheets turn *and* change places. Like Cohen and Welling, we draw this with the sheets on a ring, and with arrows
# from h to rh; sheet rᵏ is at the angle 90°·k. On the left are the sheets of the digit, on the right those of the turned
# digit.

# %%
figures.act_on_ring(sheets, r, C4).captioned("Under r every sheet turns and follows its arrow to the next place.")

# %% [markdown]
# Each frame keeps its color, and a small circle marks the corner that used to be the top left one. On the right, the
# arrow ← names the sheet that came here.
#
# **Why do the sheets change places in this way?** Sheet k of the map was made with the filter L_k ψ. Now turn the digit
# by g. Whatever the filter L_k ψ matched in the digit, the filter turned along with it, L_g L_k ψ = L_{gk} ψ, matches in
# the turned digit. And the answers of the filter L_{gk} ψ are on sheet gk. So **what was on sheet k is now on sheet gk.**
#
# ### Exercise 2.4: which sheet comes from where
#
# To build the new map, you need to know the opposite: which *old* sheet does each *new* sheet come from? Write it for
# any group. Rotations alone cannot tell you whether you have the factors in the right order, so think of D4, too.


# %%
@exercise
def left_permutation(g: Element, elements: Sequence[Element]) -> list[int]:
    """Which sheets of f the sheets of L_g f come from: entry i is the position in ``elements`` of the old sheet that
    arrives at place i. For g = r and C4 = (e, r, r², r³) it is [3, 0, 1, 2]: sheet e comes from sheet r³, position 3.
    """
    ...


# %% [markdown]
# <!-- help: left_permutation -->
#
# What arrives at sheet h comes from the sheet k with gk = h, and so k = g⁻¹h. The place is looked up where it came from,
# and so is the orientation:
#
# $$[L_g f](x, h) = f(g^{-1} x,\; g^{-1} h)$$
#
# In plain words: *every sheet turns, and the sheets change places.* It is the formula for images once more, with the
# group element (x, h) in the place of the pixel x. If g has a shift, only x feels it: a pure shift leaves every sheet in
# its place.
#
# ### Exercise 2.5: act on a feature map
#
# Now put both movements together. The library's function has one more argument, `subgroup`. Notebook 04 needs it, when
# pooling leaves fewer sheets; ignore it here.


# %%
@exercise
def act_on_feature_map(g: Element, f: Tensor, group: Group, subgroup: Group | None = None) -> Tensor:
    """[L_g f](x, h) = f(g⁻¹x, g⁻¹h) for f (..., |H|, Y, X): the group axis is the third from the end.
    Example: with sheets of one pixel, r takes [[[0]], [[1]], [[2]], [[3]]] on C4 to [[[3]], [[0]], [[1]], [[2]]].
    """
    ...


# %% [markdown]
# <!-- help: act_on_feature_map -->

# %%
for g in C4.elements:
    print(f"{g!s:>2}: the sheets come from positions {left_permutation(g, C4.elements)}")
    assert torch.equal(act_on_feature_map(g, sheets, C4), oracles.act_on_feature_map(g, sheets, C4))
    assert torch.equal(act_on_feature_map(g, sheets, C4), edge_sheets(act_on_image(g, digit), psi, C4))
print("For all g in C4: L_g of the edge map = its definition in loops = the edge map of the turned digit.")

# %% [markdown]
# **How was the ring drawn?** Here it is in a few lines, as one big array: sheet h is pasted where h takes the point
# (1, 0). This choice has an advantage. With sheet rᵏ at 90°·k, turning the *whole picture* like a photograph turns each
# sheet and also carries it to the next place. The turned picture **is** the picture of L_r f.


# %%
def on_a_ring(sheets: Tensor) -> Tensor:
    n = sheets.shape[-1]
    ring = sheets.new_zeros(3 * n, 3 * n)
    for h, sheet in zip(C4.elements, sheets, strict=True):
        x, y = matrix(h)[:, 0]  # h·(1, 0)
        ring[(1 - y) * n : (2 - y) * n, (1 + x) * n : (2 + x) * n] = sheet
    return ring


same = torch.equal(act_on_image(r, on_a_ring(sheets)), on_a_ring(sheets_of_turned))
print("the whole picture, turned like a photograph, is the ring of the turned digit:", same)

# %% [markdown]
# **With mirrors**, on p4m, there are eight sheets on two rings: rotations on the left, mirrored elements on the right, and
# dashed lines from h to mh. (The paper's picture has the same arrows, but its sheets are arranged in another way.) For
# this we need another filter: the mirror mr² leaves our edge filter as it is, so half of the eight sheets would be copies
# of the other half. A crooked filter, without any symmetry, has eight different copies.

# %%
hook = torch.tensor([[-1.0, 1.0, 1.0], [-1.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
hook_sheets = edge_sheets(digit, hook, D4)
print(len({str(act_on_image(g, hook)) for g in D4.elements}), "different filters")
for g in D4.elements:
    assert torch.equal(edge_sheets(act_on_image(g, digit), hook, D4), act_on_feature_map(g, hook_sheets, D4))
cropped = hook_sheets[:, 3:25, 3:25]  # without the margin
figures.act_on_ring(cropped, r, D4).captioned(
    "Under r both rings turn in the same sense: the sheets move on along the solid arrows, and each stays on its own ring."
)

# %% [markdown]
# Under r, every sheet again goes where turning its ring carries it. Under m it crosses to the *other* ring. Imagine a
# mirror standing upright between the two rings: each sheet goes to where its image in the mirror is.

# %%
figures.act_on_ring(cropped, m, D4).captioned(
    "Under m the whole picture is mirrored: each sheet crosses to the other ring along its dashed line."
)

# %% [markdown]
# ### Exercise 2.6: design patterns
#
# Which elements of D4 leave a filter as it is? For the hook only e, for the edge filter also mr², and for a blur, which
# has the same number everywhere, all eight. **For each of the ten subgroups of D4, find a square pattern that is left
# unchanged by exactly the elements of the subgroup**, and by no other element of D4. Choose any size and any numbers.
# There are many answers, and one of the ten subgroups is harder than it looks.


# %%
@exercise
def pattern_with_symmetry(subgroup: Group) -> Tensor:
    """A square pattern (n, n), n of your choice, with L_g pattern = pattern for the g in ``subgroup``, and no others."""
    ...


# %% [markdown]
# <!-- help: pattern_with_symmetry -->

# %%
for subgroup in D4.subgroups:
    copies = [act_on_image(g, pattern_with_symmetry(subgroup)) for g in D4.elements]
    seen_before = [any(torch.allclose(copy, c, atol=1e-6) for c in copies[:i]) for i, copy in enumerate(copies)]
    print(f"symmetries: {subgroup.order}, different copies: {seen_before.count(False)}   {subgroup}")
    assert seen_before.count(False) == len(D4.left_cosets(subgroup))

# %% [markdown]
# The more symmetries a pattern has, the fewer different copies it has. The number of symmetries times the number of
# copies is always 8, and this is Lagrange's theorem again. If S is the subgroup of the symmetries, then g and k make the
# same copy exactly when k = gs for some s in S. So there is one copy for each coset gS.
#
# ## 5 The change of places, as matrices
#
# Forget space for a moment: suppose there is only one pixel, and so one number per sheet. Then L_g only permutes |H|
# numbers, and a permutation is a matrix of zeros and ones, ρ(g). These matrices together are called the **regular
# representation** of the group. The word *representation* says that the products of the matrices follow the products of
# the group:
#
# $$\rho(g)\,\rho(k) = \rho(gk)$$
#
# In plain words: multiplying the matrices is the same as multiplying the elements. It is the second rule of an action,
# written with matrices.


# %%
def rho(g: Element, group: Group) -> IntArray:
    return np.eye(group.order, dtype=int)[left_permutation(g, group.elements)]


print("ρ(r) for C4:", *rho(r, C4), sep="\n")
print("ρ(r) times the sheets (10, 11, 12, 13):", rho(r, C4) @ [10, 11, 12, 13])

# %%
for group in (C4, D4):
    for g in group.elements:
        assert (rho(g, group) == group.regular_representation(g)).all()
        for k in group.elements:
            assert (rho(g, group) @ rho(k, group) == rho(compose(g, k), group)).all()
    print(f"{group}: ρ(g)ρ(k) = ρ(gk) for all {group.order**2} pairs.")

# %% [markdown]
# ## 6 Break it on purpose
#
# Here are two mistakes that people make. `turn_only` turns the sheets but leaves each in its place. `permute_by_g`
# turns them, but fetches sheet h from sheet gh instead of sheet g⁻¹h. Give each of them two tests: *is it an action*
# (both rules, all pairs)? And *is it what the edge maps of a turned digit do*? Predict, for each mistake and for C4 and
# D4, which test notices it.


# %%
def turn_only(g, f, group):
    return act_on_image(g, f)


def permute_by_g(g, f, group):
    sheets_gh = left_permutation(inverse(g), group.elements)  # (g⁻¹)⁻¹h = gh
    return act_on_image(g, f[..., sheets_gh, :, :])


def is_action(act, f, group):
    pairs = [(g, k) for g in group.elements for k in group.elements]
    composes = all(torch.equal(act(g, act(k, f, group), group), act(compose(g, k), f, group)) for g, k in pairs)
    return composes and torch.equal(act(e, f, group), f)


def fits_the_digit(act, group):
    sheets = edge_sheets(digit, hook, group)
    return all(
        torch.equal(edge_sheets(act_on_image(g, digit), hook, group), act(g, sheets, group)) for g in group.elements
    )


# %%
for act in (act_on_feature_map, turn_only, permute_by_g):
    for group in (C4, D4):
        acts = is_action(act, torch.rand(group.order, 4, 4), group)
        print(f"{act.__name__:<18} on {group}: an action {acts!s:<5}  fits the digit {fits_the_digit(act, group)}")

# %% [markdown]
# | | is it an action? | does it fit the digit? |
# |---|---|---|
# | `turn_only` | yes, on C4 and on D4 | no |
# | `permute_by_g` | yes on C4, no on D4 | no |
#
# Turning alone **is** an action: the algebra finds nothing wrong with it. Permuting by g in place of g⁻¹ multiplies in
# the reverse order, like W above. D4 notices; C4 does not, because rotations commute. In all four cases the digit
# notices.
#
# Remember this table. A wrong formula can pass every algebraic test. So each layer of this course is tested twice: for
# its symmetry, *and* against its definition.
#
# **What happens to the sheets in the second layer? Do its filters have to be permuted, too?** Here is the first half of
# the answer; notebook 04 gives the second. The *input* of a second layer is a feature map with sheets. When the image
# turns, this map moves as you have just seen: its sheets turn and change places. So a filter that is to be turned along
# with it must turn and permute its own sheets in the same way.
#
# This needs nothing new. **A filter is a small feature map**: on p4 it has four sheets of k × k weights. The same
# function acts on it.

# %%
torch.manual_seed(0)
p4_filter = torch.randn(4, 3, 3)
turned_filters = torch.stack([act_on_feature_map(g, p4_filter, C4) for g in C4.elements])
print("one filter", tuple(p4_filter.shape), "→ all its turned copies", tuple(turned_filters.shape))
figures.filter_bank_figure(turned_filters, C4).captioned(
    "From row to row each of the four sheets turns and moves, with its frame, to the next column (the last to the first)."
)

# %% [markdown]
# Follow one sheet down the rows: in each row it has made one more quarter turn and moved one place to the right, and
# from the last place it goes back to the first. Notebook 04 makes a layer of these filters.
#
# ## 7 Play
#
# A network of two layers, which notebook 04 builds, looks at our digit. Its weights are random, and the filters of its
# second layer turn as above. Move the slider to turn the digit. The explorer opens at `relu2`, the output of the second
# layer after its ReLU.
#
# 1. Watch the left ring, "turn, then compute". At 0°, find the darkest spot. On which sheet is it at 90°, and at 180°?
# 2. The right ring is "compute, then turn": the sheets of the upright digit, moved by L_g. Where do the rings differ at
#    90°?
# 3. And where do they differ at 45°?
#
# <details><summary>Answers</summary>
#
# 1. With every 90°, the spot moves one place further along the arrows, and it turns with its sheet.
# 2. Nowhere: the difference on the right is empty. Turning the input moves the sheets of the second layer by L_g,
#    too. Notebook 03 gives this a name.
# 3. In many places. There is no sheet between e and r, so L_g is not defined at 45°: pixels are interpolated, and the
#    sheets can only stay, as at 0°, or move on, as at 90°. Neither fits; the explorer lets them stay.
# </details>

# %%
torch.manual_seed(2)
net = EquivariantSequential(
    OrderedDict(
        lift=LiftingConv2d(C4, 1, 2, 5, padding="same"),
        relu1=torch.nn.ReLU(),
        gconv=GroupConv2d(C4, 2, 2, 5, padding="same"),
        relu2=torch.nn.ReLU(),
    )
)
explorer = feature_map_explorer(net.double(), digit, step=45)
explorer.layer = 1  # relu2; 0 is relu1
explorer.captioned(
    "The maps of the second layer turn and travel too, though its filters see only the sheets of the first. "
    "Frames without a map: no difference."
)

# %% [markdown]
# Where the slider cannot run, as on GitHub, you see a still picture: the digit turned by r, the two rings of `relu2`, and their
# empty difference.
#
# ## Does it agree with the library?

# %%
from course_lib import actions, groups, wallpaper

for group in groups.ALL_GROUPS:
    maps = torch.randn(2, 3, group.order, 4, 5)
    for g in group.elements:
        assert torch.equal(act_on_image(g, maps), actions.act_on_image(g, maps))
        assert torch.equal(act_on_feature_map(g, maps, group), actions.act_on_feature_map(g, maps, group))
        assert left_permutation(g, group.elements) == group.permutation(g)
        assert source_pixel(g, 1, 0, 4, 5) == oracles.source_pixel(g, 1, 0, 4, 5)
points = np.random.default_rng(0).integers(-9, 9, (5, 2))
assert all((act_on_points(g, points) == wallpaper.act_on_points(g, points)).all() for g in isometries)
print("Your functions and the library's agree on random input, for all six groups.")

# %%
progress("02")

# %% [markdown]
# ## Recap
#
# - A group **acts** if e moves nothing and g·(k·x) = (gk)·x.
# - On functions: $[L_g f](x) = f(g^{-1}x)$. Without the inverse, the order of products is reversed.
# - Shifts and turns swap as L_h L_t = L_{h·t} L_h. On the pixel grid the eight symmetries are exact, and so are
#   shifts as long as nothing leaves the frame; angles in between need interpolation.
# - On feature maps: $[L_g f](x, h) = f(g^{-1}x,\; g^{-1}h)$. Sheets turn *and* change places; the change of places is the
#   regular representation ρ(g). Filters are small feature maps and move in the same way.
#
# **Now in `course_lib`:**
# `from course_lib.actions import act_on_image, act_on_feature_map, translate, rotate_by_angle`. The definitions in loops:
# `from course_lib import oracles`.
#
# **Further reading:** T. Cohen and M. Welling, *Group Equivariant Convolutional Networks*, 2016, section 4. The rings
# are its figures 1 and 2.
#
# **Next:** in [notebook 03](03_equivariance.ipynb) a network stands between two of these actions. Does it matter
# whether you turn before it or after it?
