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
# - say what happens to the orientation channels of a feature map when its input turns, and write it in two lines;
# - read, and draw, the ring figures of feature maps in the literature.
#
# **You need before:** notebook 01 (elements, products, inverses; p4 and p4m); matrices; PyTorch tensors.
#
# **Time:** about 80 minutes, with five exercises. **Hardware:** any laptop, no GPU, no network.

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
# An isometry g = (m, r, u, v) means: first the point symmetry h = (m, r), then the shift t = (u, v). As a formula:
#
# $$g \cdot x = h\,x + t$$
#
# <details><summary>Predict first: where does r send the point (2, 1)? And where does "r, then shift by (3, 1)" send it?</summary>
#
# r sends (2, 1) to (−1, 2): a quarter turn, counter-clockwise. The shift then moves it to (2, 3).
# </details>
#
# Points come in numbers, so let the function take many at once: an array whose last axis holds (x, y).


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
figures.lattice_points(corner, act_on_points(g, corner))

# %% [markdown]
# The long arm of the L (points 1, 2, 3) lay along x and now points up; its corner sits at (3, 1).
#
# **What makes this an action?** Two rules. Doing nothing moves nothing, e·x = x. And moving by k, then by g, is the same
# as moving once by the product:
#
# $$g \cdot (k \cdot x) = (g k) \cdot x$$
#
# A group *acts* on a set if each of its elements moves the members of the set so that both rules hold. Take
# the eight point symmetries with nine shifts each, and let the computer look at every pair.

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
# An image is not a point. It is a **function** f: Z² → ℝ: ask it at a pixel x, and it answers with a number. How do you
# turn a function?
#
# Take a small one, 4 × 4, with a different number in every pixel so that none can hide.

# %%
f = torch.arange(16.0).reshape(4, 4)
figures.panels({"f": f})

# %% [markdown]
# **Where is (x, y) in an array?** An array counts rows *downwards* from the top; y points *up*. And we turn about the center
# of the image. So, for a map with `height` rows and `width` columns:
#
# $$x = \text{col} - \tfrac{\text{width} - 1}{2}, \qquad y = \tfrac{\text{height} - 1}{2} - \text{row}$$
#
# For an even size the center lies *between* pixels, and the coordinates end in .5. Multiply them by 2, and all is whole
# numbers again; you will want that in a minute. (Is a turn about such a center still in p4? Yes. Counted from a pixel
# next to it, the center is c = (½, ½), and the turn is x ↦ r(x − c) + c = r x + (1, 0): a quarter turn about that pixel,
# and a shift by a whole pixel.)
#
# Now f as what it is, a function: a dictionary from (x, y) to a number.

# %%
places = [[(col - 1.5, 1.5 - row) for col in range(4)] for row in range(4)]
value_at = {places[row][col]: f[row, col].item() for row in range(4) for col in range(4)}
print("x of the four columns:", [x for x, _ in places[0]])
print("f(1.5, 1.5), the top right pixel:", value_at[1.5, 1.5])


def look_up(h: Element) -> Tensor:
    """The image that shows, at every x, the number that f has at h·x."""
    return torch.tensor([[value_at[tuple(matrix(h) @ x)] for x in row] for row in places])


# %% [markdown]
# **The question of this section.** You want to turn the image by r, a quarter turn counter-clockwise. To fill pixel x of the
# new image, do you look up the old one at r·x, or at r⁻¹·x?
#
# <details><summary>Predict first, then run the cell</summary>
#
# At r⁻¹·x. The new image at x shows what *came from* r⁻¹·x. In the picture: a counter-clockwise turn carries the top
# right corner, 3, to the top left. The right-hand panel has it there; the middle one has turned clockwise.
# </details>

# %%
figures.panels({"f": f, "look up f(r x)": look_up(r), "look up f(r⁻¹ x)": look_up(inverse(r))})

# %% [markdown]
# So this is how a group acts on functions. Write L_g f for "f, moved by g". It is the most-used formula of the course:
#
# $$[L_g f](x) = f(g^{-1} x)$$
#
# Read it as: *L_g f shows at x what f had at the place x came from.* In the figure, one pixel of L_r f looks back.

# %%
lookup(f, r, pixel=(0, 1))

# %% [markdown]
# **Is the inverse only a matter of taste,** clockwise or not? No. Write R_g f(x) = f(gx), without the inverse, and apply k
# first, then g. The outer one puts gx in place of x; then k is applied to *that*:
#
# $$[R_g R_k f](x) = [R_k f](gx) = f(k g x) = [R_{kg} f](x)$$
#
# The product came out the wrong way round: first k, then g, step by step, would not be gk at once. With the inverse the
# two reversals cancel: what is done last is undone first, (gk)⁻¹ = k⁻¹g⁻¹, and so L_g L_k = L_{gk}.
#
# **Break it on purpose.** Elements that *commute*, ab = ba, such as two rotations, would not tell. Take r and m.


# %%
def without_inverse(g: Element, f: Tensor) -> Tensor:
    """R_g f(x) = f(gx), which is L of g⁻¹. The library's slow loop for L_g is what you write next."""
    return oracles.act_on_image(inverse(g), f)


rm, mr = compose(r, m), compose(m, r)
one_by_one = without_inverse(r, without_inverse(m, f))
print("R_r R_m = R_rm:", torch.equal(one_by_one, without_inverse(rm, f)))
print("R_r R_m = R_mr:", torch.equal(one_by_one, without_inverse(mr, f)))
figures.panels({"R_r R_m f": one_by_one, "R_rm f": without_inverse(rm, f), "R_mr f": without_inverse(mr, f)})

# %% [markdown]
# The first panel equals the third, not the second: R is no action of the group but a *right* action, one that multiplies in the
# reverse order. L, with the inverse, is a *left* action, and the one we use everywhere.
#
# Now write the heart of it, for any size and any of the eight symmetries: which pixel of f does L_g f show at (row, col)?
# Mind that a quarter turn of a 2 × 3 image is 3 × 2.


# %%
@exercise
def source_pixel(g: Element, row: int, col: int, height: int, width: int) -> tuple[int, int]:
    """The pixel (row, col) of f that L_g f shows at (row, col): x ↦ g⁻¹x about the center.

    ``height`` and ``width`` are those of L_g f. After an odd number of quarter turns f has them the other way round.
    Example: for the quarter turn r and size 4 × 4, the pixel (0, 1) shows the pixel (1, 3) of f.
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


figures.panels({"f": f, "L_r f": act_by_loop(r, f), "L_m f": act_by_loop(m, f), "L_mr f": act_by_loop(mr, f)})

# %% [markdown]
# Values are moved, never computed, so nothing is rounded. And no arithmetic is needed at all: PyTorch can turn and flip whole
# arrays. Write the fast version. Mind what (m, r) means: *first* rotate, *then* mirror.


# %%
@exercise
def act_on_image(g: Element, f: Tensor) -> Tensor:
    """[L_g f](x) = f(g⁻¹x) on the last two axes: turn by r·90° counter-clockwise, then mirror left-right if m.

    ``f`` has shape (..., Y, X); any axes in front (batch, channels) stay as they are.
    Example: r takes [[0, 1], [2, 3]] to [[1, 3], [0, 2]].
    """
    ...


# %% [markdown]
# <!-- help: act_on_image -->
#
# Do the loop and the fast version agree? On odd, even and non-square sizes, for all eight elements. And then a photograph,
# for which the loop would be slow.

# %%
torch.manual_seed(0)
for size in [(5, 5), (4, 4), (3, 6), (1, 2)]:
    image = torch.rand(size)
    for g in D4.elements:
        assert torch.equal(act_by_loop(g, image), act_on_image(g, image))
print("Loop and fast version agree for 8 elements and 4 sizes, to the last bit.")

photo = load_photograph()[0]
photographs(
    {f"L_{g} f" if g != e else "f": act_on_image(g, photo) for g in D4.elements},
    alt="A cat's face eight times: upright, turned by 90°, 180° and 270°, and below each its mirror image.",
)

# %% [markdown]
# Top row: the head tips over counter-clockwise. Below each picture stands its mirror image.
#
# **Break it on purpose: the order.** Mirror first, and rotate then. For how many of the eight elements does it matter?
#
# <details><summary>Predict first</summary>
#
# For two. Without a mirror there is nothing to swap, and e and r² commute with every mirror. What remains is mr and mr³. A test
# on r and m alone, the two elements one would try first, would notice nothing.
# </details>

# %%
for g in D4.elements:
    mirrored = photo.flip(-1) if g.m else photo
    wrong_order = torch.rot90(mirrored, g.r, dims=(-2, -1))
    print(f"{g!s:>3}: {'right' if torch.equal(wrong_order, act_on_image(g, photo)) else 'WRONG'}")

# %% [markdown]
# ## 3 Shifts, and angles in between
#
# A shift acts by the same formula, [L_t f](x) = f(x − t). What enters the frame is zero. For this we need a picture
# with an empty margin, so that nothing falls off: a real digit. Rounded to whole numbers from 0 to 16, so that every
# test below can be exact.
#
# <details><summary>Predict first: shift by t = (3, 0) and then turn by r. Or turn, and then shift by the same t. The same picture?</summary>
#
# No. In the first case the shift gets turned as well: to the right becomes up.
# </details>

# %%
digit = (load_digits().train.images[7, 0] * 16).round()
t, rt = (3, 0), (0, 3)  # r takes t to rt
turned = act_on_image(r, digit)
shifted_first = act_on_image(r, translate(t, digit))
turned_first = {"L_t L_r f": translate(t, turned), "L_rt L_r f": translate(rt, turned)}
alt = "A handwritten 7; turned by 90° it lies higher in panels two and four, and further right in panel three."
figures.panels({"f": digit, "L_r L_t f": shifted_first} | turned_first, alt=alt)

# %% [markdown]
# Panels 2 and 4 agree: you may swap the two, if you turn the shift.
#
# $$L_h L_t = L_{h \cdot t}\, L_h$$
#
# This is the semidirect product of notebook 01, seen in a picture: "first t, then h" is the element (h·t, h). Check
# it for every h and every shift by up to 4 pixels, as wide as the margin is.

# %%
for h in D4.elements:
    for t in [(u, v) for u in range(-4, 5) for v in range(-4, 5)]:
        u, v = (int(c) for c in matrix(h) @ t)
        assert semidirect_product(Isometry(*h, 0, 0), Isometry(0, 0, *t)) == Isometry(*h, u, v)
        assert torch.equal(act_on_image(h, translate(t, digit)), translate((u, v), act_on_image(h, digit)))
print("L_h L_t = L_{h·t} L_h for 8 symmetries and 81 shifts.")

# %% [markdown]
# **What about angles that are no multiple of 90°?** At 45° most pixels fall between pixels, and their values have to be
# *interpolated*: mixed from four neighbors. Turn a photograph by 45°, eight times.
#
# <details><summary>Predict first: 8 · 45° = 360°. Do you get the photograph back?</summary>
#
# No. Corners leave the frame in the first turn and come back as black; and each interpolation blurs a little, so fine
# whiskers are gone for good.
# </details>


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
)

# %% [markdown]
# Four turns by 90° give the photograph back, exactly. Eight turns by 45° do not. Its values lie between 0 and 1, and
# on average they are off by 0.12; most of that is lost corners, but even in the middle 0.02 is blur. On the pixel
# grid the rotations by 45° form **no action**. That is why this course builds on p4 and p4m, where both rules
# hold to the last bit. Notebook 05 measures what a network does at angles in between.
#
# ## 4 Feature maps
#
# What does a network with orientations compute? Make such a map by hand. One small filter ψ asks: *is there more ink on the right
# than on the left?* Its copy L_r ψ asks: *is there more ink above than below?* And so on.

# %%
psi = torch.tensor([[-1.0, 0.0, 1.0]] * 3)
figures.panels({f"L_{h} ψ": act_on_image(h, psi) for h in C4.elements})

# %% [markdown]
# Slide each of the four over the digit and keep what is positive. The result has one **sheet** per orientation, shape
# (|H|, Y, X). The sheet of h answers, pixel by pixel: *is there such an edge here, in orientation h?* It is a
# function of a place **and** an orientation, f(x, h): a **feature map on p4**. For the pair (x, h) *is* an element of
# p4: first turn by h, then shift by x. So f is a function on the group itself, as an image is a function on the
# plane.


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
)

# %% [markdown]
# Sheet e shows left borders of the strokes (the ink is to the right), sheet r² right borders; sheets r and r³ show lower and upper
# borders.
#
# **The question of this section.** The digit turns by r. What happens to its four sheets?
#
# <details><summary>Predict first. A left border of a stroke: what kind of border is it after a quarter turn, and on which sheet does it light up?</summary>
#
# Counter-clockwise, left becomes bottom. A left border lit up on sheet e; a lower border lights up on sheet r. So its trace has
# turned **and** moved from sheet e to sheet r.
# </details>

# %%
sheets_of_turned = edge_sheets(act_on_image(r, digit), psi, C4)
for h, sheet in zip(C4.elements, sheets_of_turned, strict=True):
    origin = [k for k, old in zip(C4.elements, sheets, strict=True) if torch.equal(sheet, act_on_image(r, old))]
    print(f"sheet {h!s:>2} of the turned digit = turned sheet {origin[0]!s:>2} of the digit")

# %% [markdown]
# The sheets turn *and* change places: sheet h of the new map comes from sheet r⁻¹h of the old one. Not only the place
# is looked up where it came from, the orientation is, too:
#
# $$[L_g f](x, h) = f(g^{-1} x,\; g^{-1} h)$$
#
# It is the formula for images once more, with the group element (x, h) in the place of the pixel x. If g has a
# shift, only x feels it: a pure shift leaves every sheet in its place.
#
# Cohen and Welling draw it with the sheets on a ring, sheet rᵏ at the angle 90°·k, and arrows from h to rh.

# %%
figures.feature_map_ring(sheets, C4, title="edges of the digit")

# %%
figures.act_on_ring(sheets, r, C4)

# %% [markdown]
# Each frame keeps its color, and a dot marks what was its top left corner; on the right, ← names the sheet that came
# here. Every sheet has turned, and has followed its arrow.
#
# **How was that figure drawn?** Here it is in a few lines, as one big array: sheet h is pasted where h takes the
# point (1, 0). And this choice has an advantage: with sheet rᵏ at 90°·k, turning the *whole picture* like a
# photograph does both at once, turns each sheet and carries it to the next place. The turned picture **is** the
# picture of L_r f.


# %%
def on_a_ring(sheets: Tensor) -> Tensor:
    n = sheets.shape[-1]
    ring = sheets.new_zeros(3 * n, 3 * n)
    for h, sheet in zip(C4.elements, sheets, strict=True):
        x, y = matrix(h)[:, 0]  # h·(1, 0)
        ring[(1 - y) * n : (2 - y) * n, (1 + x) * n : (2 + x) * n] = sheet
    return ring


assert torch.equal(act_on_image(r, on_a_ring(sheets)), on_a_ring(sheets_of_turned))
figures.panels(
    {"ring of f": on_a_ring(sheets), "the whole picture turned": act_on_image(r, on_a_ring(sheets))},
    alt="Four sheets of edges on a ring, and the same picture turned by 90°, each sheet in its neighbor's place.",
)

# %% [markdown]
# Now write it. First the change of places: for each h in turn, the *position* of g⁻¹h in the list of elements.


# %%
@exercise
def left_permutation(g: Element, elements: Sequence[Element]) -> list[int]:
    """Where sheet hᵢ of L_g f comes from: entry i is the position of g⁻¹hᵢ in ``elements``.
    Example: for g = r and C4 = (e, r, r², r³) it is [3, 0, 1, 2]: sheet e comes from sheet r³, at position 3.
    """
    ...


# %% [markdown]
# <!-- help: left_permutation -->
#
# Now both movements together. The library's function has one more argument, `subgroup`: notebook 04 needs it, when
# pooling leaves fewer sheets. Leave it alone here.


# %%
@exercise
def act_on_feature_map(g: Element, f: Tensor, group: Group, subgroup: Group | None = None) -> Tensor:
    """[L_g f](x, h) = f(g⁻¹x, g⁻¹h): turn every sheet, and permute the sheets.

    ``f`` has shape (..., |H|, Y, X); the group axis is the third from the end. Ignore ``subgroup``.
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
# **With mirrors**, on p4m, there are eight sheets and two rings: rotations outside, mirrored elements inside, and
# dashed lines from h to mh. Our edge filter looks the same after mr², so half of its eight sheets would be copies.
# A crooked filter has eight different faces.

# %%
hook = torch.tensor([[-1.0, 1.0, 1.0], [-1.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
hook_sheets = edge_sheets(digit, hook, D4)
print(len({str(act_on_image(g, hook)) for g in D4.elements}), "different filters")
for g in D4.elements:
    assert torch.equal(edge_sheets(act_on_image(g, digit), hook, D4), act_on_feature_map(g, hook_sheets, D4))
figures.act_on_ring(hook_sheets, r, D4)

# %% [markdown]
# Again every sheet goes where a turned picture carries it, on both rings. But m does more: it sends each sheet
# along its dashed line to the *other* ring. So a mirrored picture of the rings is not yet L_m f.

# %%
figures.act_on_ring(hook_sheets, m, D4)

# %% [markdown]
# ## 5 The change of places, as matrices
#
# Forget space for a moment: one pixel, one number per sheet. Then L_g only permutes |H| numbers, and a permutation is a
# matrix of zeros and ones. The matrices ρ(g) together are called the **regular representation** of the group. The word
# *representation* says that products of matrices follow the products of the group:
#
# $$\rho(g)\,\rho(k) = \rho(gk)$$


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
# Two mistakes that people make, beside the right thing: to turn the sheets but leave each in its place, `turn_only`; and
# to turn them but permute by g in place of g⁻¹, `permute_by_g`. Each gets two tests: *is it an action* (both rules, all
# pairs)? And *is it what the edge maps of a turned digit do*?
#
# <details><summary>Predict first: which test notices which mistake, on C4 and on D4?</summary>
#
# Turning alone **is** an action, on both groups: the algebra is content, only the digit notices. Permuting by g in
# place of g⁻¹ is a right action in the group axis. D4 notices. C4 does not, as rotations commute; there, too, only
# the digit tells.
# </details>


# %%
def turn_only(g, f, group):
    return act_on_image(g, f)


def permute_by_g(g, f, group):
    return act_on_image(g, f[..., left_permutation(inverse(g), group.elements), :, :])


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
# Remember this table. A wrong layout can pass every algebraic test; so each layer of this course is tested twice, for
# its symmetry *and* against its definition.
#
# **"What happens to the orientation channels in the second layer, and must I permute them too?"** Here is the first
# half of the answer. The *input* of a second layer is a feature map with sheets, and when the image turns, it turns
# as just seen: sheets and places. So a filter that is to be turned along with it must permute its own sheets in the
# same way.
#
# Which needs nothing new. **A filter is a small feature map**: on p4 it has four sheets of k × k weights. The same
# function acts on it.

# %%
torch.manual_seed(0)
p4_filter = torch.randn(4, 3, 3)
turned_filters = torch.stack([act_on_feature_map(g, p4_filter, C4) for g in C4.elements])
print("one filter", tuple(p4_filter.shape), "→ all its turned copies", tuple(turned_filters.shape))
figures.filter_bank_figure(turned_filters, C4)

# %% [markdown]
# Follow one sheet down the rows: one quarter turn and one place to the right per row, and from the last place back to
# the first. Notebook 04 makes a layer of it.
#
# ## 7 Play
#
# A network of two layers, which notebook 04 builds, looks at our digit. Its weights are random, and the filters of its second
# layer turn as above. Move the slider to turn the digit. The explorer opens at `relu2`, the map that the second layer puts
# out, after its ReLU.
#
# 1. Watch the left ring, "turn, then compute". At 0°, find the darkest spot. On which sheet is it at 90°, at 180°?
# 2. The right ring is "compute, then turn": the sheets of the upright digit, moved by L_g. Where do the rings differ at 90°?
# 3. And at 45°?
#
# <details><summary>Answers</summary>
#
# 1. One place further along the arrows for every 90°, and turned with its sheet.
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
explorer

# %% [markdown]
# Without a running kernel you see a still picture: the digit turned by r, the two rings of `relu2`, and their
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
# - On functions: $[L_g f](x) = f(g^{-1}x)$. Without the inverse the order of products is reversed.
# - Shifts and turns swap as L_h L_t = L_{h·t} L_h. On the pixel grid this is exact for multiples of 90°, and for no
#   other angle.
# - On feature maps: $[L_g f](x, h) = f(g^{-1}x,\; g^{-1}h)$. Sheets turn *and* change places; the change of places is the regular
#   representation ρ(g). Filters are small feature maps and move in the same way.
#
# **Now in `course_lib`:**
# `from course_lib.actions import act_on_image, act_on_feature_map, translate, rotate_by_angle`. The definitions in loops:
# `from course_lib import oracles`.
#
# **Further reading:** T. Cohen and M. Welling, *Group Equivariant Convolutional Networks*, 2016, section 4, whose
# figures 1 and 2 are the rings.
#
# **Next:** in [notebook 03](03_equivariance.ipynb) a network stands between two of these actions. Does it matter
# whether you turn before it or after it?
