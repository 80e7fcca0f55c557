# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 05 How equivariance breaks
#
# Your p4 network is correct on paper, and yet its answer changes when you turn the image. This happens to everybody who builds such networks, and the
# network itself does not complain: it trains, it gives answers, and it is only a little worse than it could be. This notebook is a laboratory. You break
# networks on purpose, one cause at a time, until you recognize each cause by its symptom.
#
# **After this notebook you will be able to** name seven causes by which a network loses its symmetry, predict which of them strikes at which
# size, tell a broken symmetry from rounding, and find the guilty layer in a network that you did not write.
#
# **What you need before:** notebooks 03 (measuring equivariance) and 04 (group convolution).
#
# **Time:** about 90 minutes, with six exercises. **Hardware:** any laptop; no GPU and no internet.

# %%
import copy
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# %%
from course_lib.actions import act_on_feature_map, act_on_image, rotate_by_angle
from course_lib.checks import action_of, equivariance_error, relative_error  # noqa: F401, for exercise 5.4
from course_lib.data import load_digits, load_photograph
from course_lib.exercises import exercise, progress
from course_lib.exercises.ex04_junctions import SHAPES, arms
from course_lib.figures import panels
from course_lib.figures.breaking import error_curves, share_bars, windows_from_both_sides
from course_lib.groups import C4, D4, Element, Group
from course_lib.layers import (
    GlobalMaxPool,
    GroupBatchNorm,
    GroupConv2d,
    GroupMaxPool,
    LiftingConv2d,
    group_filter_bank,
    lifting_filter_bank,
)

# %%
photograph = load_photograph().mean(1, keepdim=True).double()  # (1, 1, 112, 112), gray
r = Element(0, 1)  # a quarter turn, counter-clockwise


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def show(error: float) -> str:
    return "exact" if error < 1e-10 else f"{error:.2f}"


# %% [markdown]
# Each section takes a layer that looks right, and asks what goes wrong. Write your prediction down before you run the experiment: you learn
# most where your prediction was wrong. We call a layer *exact* if its equivariance error is nothing but rounding (below 1e-10 in float64), and *broken* otherwise.
#
# ## 1 A stride that does not fit
#
# There are two common ways to halve a map: a 2 × 2 pool with stride 2, and a 3 × 3 convolution with stride 2 and padding 1. A network with the pool is exact
# on images of 32 × 32 pixels. The same network with the strided convolution is broken at size 32 and exact at size 33. Why?
#
# A half turn reverses every row of the image, as a mirror does. The picture shows a row of 8 or 9 pixels (gray; dotted squares are padding). Below the row, in
# blue, are the windows of the layer, which start at the left border. Above it, in orange, are the pixels that these windows read once the row is reversed: it is
# as if the windows started at the right border. (Windows that overlap are drawn at two heights.) Wherever an orange window has no blue window straight below
# it, the layer reads different pixels in the reversed row.

# %%
pool, strided = (2, 2, 0), (3, 2, 1)  # window, stride, padding
windows_from_both_sides(
    {
        f"{name}, stride 2, on {n} pixels": (n, *layer)
        for name, layer in (("2 × 2 pool", pool), ("3 × 3 convolution", strided))
        for n in (8, 9)
    }
).captioned(
    "Where no blue window lies straight below an orange one, the layer reads other pixels in the mirrored image. "
    "Dotted: padding, by one pixel."
)

# %% [markdown]
# So everything depends on whether the last window ends exactly at the border. Work out a formula from the picture: a row of `size` pixels, with `padding`
# zeros at each end, and windows of `window` pixels that begin `stride` pixels apart. How many pixels lie past the last window?


# %%
@exercise
def left_over(size: int, window: int, stride: int, padding: int = 0) -> int:
    """The number of pixels (or zeros of the padding) at the far border that no window reaches.
    left_over(7, 2, 2) is 1: the windows cover 6 of 7 pixels."""
    ...


# %% [markdown]
# <!-- help: left_over -->
#
# Does your formula predict which layers are exact? The next cell compares it with an experiment: the error of each layer under C4, on noise. (The
# layers of `course_lib` refuse sizes that do not fit; `allow_approximate=True` makes them run.)

# %%
torch.manual_seed(0)
conv = LiftingConv2d(C4, 1, 2, 3, stride=2, padding=1, allow_approximate=True).double()
print("size   pool: left over, error    conv: left over, error")
for n in (8, 9, 10, 11, 32, 33):
    pool_error = show(equivariance_error(nn.MaxPool2d(2), C4, noise(1, 1, n, n)).error)
    conv_error = show(equivariance_error(conv, C4, noise(1, 1, n, n)).error)
    print(f"{n:3}    {left_over(n, *pool):6}         {pool_error:10} {left_over(n, *strided):8}         {conv_error}")

# %% [markdown]
# Wherever nothing is left over, the layer is exact; everywhere else it is broken. So do this arithmetic before you build a network. Which input sizes suit a
# *whole* network? Each layer hands a smaller map to the next one.


# %%
@exercise
def exact_sizes(layers: Sequence[tuple[int, int, int]], sizes: Iterable[int]) -> list[int]:
    """The input sizes, out of `sizes`, at which no layer leaves pixels over; each layer is (window, stride, padding).
    A layer turns n pixels into (n + 2·padding − window) // stride + 1. If n + 2·padding < window, it does not fit.
    exact_sizes([(2, 2, 0), (2, 2, 0)], range(4, 13)) is [4, 8, 12]."""
    ...


# %% [markdown]
# <!-- help: exact_sizes -->
#
# **Predict:** which sizes suit two pools? Two strided convolutions? A pool, then a strided convolution? The other order? Is there a size that suits all four?

# %%
for name, layers in {
    "pool, pool": [pool, pool],
    "conv, conv": [strided, strided],
    "pool, conv": [pool, strided],
    "conv, pool": [strided, pool],
}.items():
    print(f"{name}: {exact_sizes(layers, range(28, 41))}")

# %% [markdown]
# Two pools need a multiple of 4, two strided convolutions one more than a multiple of 4. A pool and then a convolution need twice an odd number, and the
# other order needs one less than a multiple of 4. No size suits any two of these networks.
#
# **Cure:** crop or pad the *input* by the same number of pixels at both ends. That changes its size by an even number, so it leads from 31 to 33, but never
# from 32 to 33. If no such size fits, choose other windows: a 4 × 4 convolution with stride 2 and padding 1 is exact on maps of every even size.
#
# ## 2 Padding and the parity of the kernel
#
# Zero padding breaks shifts at the border (notebook 03). Does it also break turns? And are even kernels allowed, whose center lies between pixels? There is
# one more case: `padding="same"`, with which PyTorch keeps the size of the map. For a 4 × 4 kernel it has to add three rows, so it adds one above and two
# below, and it does the same for the columns.
#
# That makes six layers to test: a 3 × 3 kernel with padding 0 or 1, a 4 × 4 kernel with padding 0, 1 or 2, and the 4 × 4 kernel with one row above and two
# below.
#
# **Predict:** which of the six are exact under D4?


# %%
def lift(x: Tensor, k: int, left: int, right: int) -> Tensor:
    """Lifting convolution under D4 with a k × k kernel; zeros at the left and top, and at the right and bottom."""
    bank = lifting_filter_bank(noise(2, 1, k, k), D4)
    y = F.conv2d(F.pad(x, (left, right, left, right)), bank.flatten(0, 1))
    return y.unflatten(1, (2, D4.order))


# %%
for k, left, right in [(3, 0, 0), (3, 1, 1), (4, 0, 0), (4, 1, 1), (4, 2, 2), (4, 1, 2)]:
    report = equivariance_error(lambda x, k=k, a=left, b=right: lift(x, k, a, b), D4, noise(1, 1, 9, 9))
    print(f"kernel {k}, padding {left} and {right}: {show(report.error)}")
safe = [str(d.element) for d in report.deviations if d.error < 1e-10]
print("In the last row these elements are still exact:", ", ".join(safe))

# %% [markdown]
# All but the last are exact. Equal padding looks the same from every side, whatever the kernel. The output pixels of an even kernel lie between the pixels of
# the input, but they do so symmetrically. With one row above and two below, however, the map of the image turned by 180° would need two rows above and one
# below.
#
# What does the damage look like? Take a digit and the last of the six layers. Here is one sheet of its output, computed in both orders.

# %%
digit = load_digits().test.images[7:8].double()
turned_first, computed_first = lift(act_on_image(r, digit), 4, 1, 2), act_on_feature_map(r, lift(digit, 4, 1, 2), D4)
error = relative_error(turned_first[..., :-1, :], computed_first[..., 1:, :])
print(
    "the two orders:", show(relative_error(turned_first, computed_first)), "  one of them moved by a row:", show(error)
)
first, second = turned_first[0, 0, 0], computed_first[0, 0, 0]
panels(
    {"turn, then compute": first, "compute, then turn": second, "left − middle": first - second}, columns=3
).captioned("The two orders give the same map, moved by one row. Red is positive, blue negative.")

# %% [markdown]
# The damage is not only at the border: the whole map is shifted by one row. If you shift it back, the two maps agree
# exactly wherever they overlap.
#
# The table above ended with the elements for which the last layer is still exact: besides $e$ there is only $mr^3$. It is the mirror that swaps rows and
# columns, and rows and columns are padded alike. A test that tried only this element would have passed. So test with all of them.
#
# **Cure:** use the same padding at every border. With `padding="same"` that requires an odd kernel. Our layers refuse an even one:

# %%
try:
    LiftingConv2d(D4, 1, 2, kernel_size=4, padding="same")
except ValueError as error:
    print(str(error).split(",")[0])

# %% [markdown]
# ## 3 Angles between
#
# A rotation by 30° does not take the lattice to itself. The new pixels have to be *interpolated*, which means mixed from their neighbors, and the corners of
# the image leave the frame. You cannot blame the network for the corners, so compare only the part that stays in the frame at every angle: a disk.


# %%
@exercise
def disk_mask(size: int) -> Tensor:
    """(size, size), bool: True for the pixels whose center is at most size / 2 from the center of the map.
    The center of the map is the middle of its pixels: for size 4, between the second and the third.
    disk_mask(4) is False in the four corners only."""
    ...


# %% [markdown]
# <!-- help: disk_mask -->


# %%
def inside(size: int) -> Tensor:
    """A disk six pixels inside the frame: filters near the rim see beyond it."""
    return F.pad(disk_mask(size - 12), (6, 6, 6, 6))


def error_inside(got: Tensor, expected: Tensor) -> float:
    mask = inside(got.shape[-1])
    return relative_error(got[..., mask], expected[..., mask])


# %%
face = (photograph - photograph.mean())[..., 6:-6, 6:-6]  # what enters at the border, 0, is a medium gray
turned = rotate_by_angle(30, face)
there_and_back = rotate_by_angle(-30, turned)

# %%
print("by 30° and back, whole frame:", show(relative_error(there_and_back, face)))
print("by 30° and back, in the disk:", show(error_inside(there_and_back, face)))
shown = {"image": face, "by 30°": turned, "and back": there_and_back}
shown["and back, in the disk"] = there_and_back * inside(100)
on_black = {  # 0 is drawn in black
    title: image[0, 0].masked_fill(image[0, 0] == 0, face.min()) for title, image in shown.items()
}
panels(on_black, photograph=True).captioned(
    "Turned by 30° and back, the photograph has lost its corners; in the disk nearly everything is still there."
)

# %% [markdown]
# Most pixels of the disk are close to what they were, but the worst one is off by 24 % of the largest value: a relative error is always that of the single worst pixel.
#
# Now run four experiments, at angles from 0° to 90° in steps of 5°. The first one only turns the image and turns it back. The others compare "turn, then
# compute" with "compute, then turn".
#
# 1. There and back: no layer at all. This shows what **interpolation** alone does, twice.
# 2. A round blur, which is a filter without direction.
# 3. The same blur, then a 2 × 2 max pool. (The table also lists it with stride 1, which skips no position.)
# 4. An edge filter in its four orientations, and the maximum of the four answers. This is exact under C4.
#
# The curves are for a smooth image. The table has a photograph and noise as well.
#
# **Predict:** which of the four is worst at 45°?


# %%
def gauss(size: int, width: float) -> Tensor:
    """A round filter (1, 1, size, size) that sums to 1."""
    row = torch.exp(-((torch.arange(size) - size // 2).double() ** 2) / (2 * width**2))
    return (row[:, None] * row / row.sum() ** 2)[None, None]


# %%
edge = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]).double()[None, None]
blur = gauss(9, 1.2)
layers = {
    "round blur": lambda x: F.conv2d(x, blur),
    "blur, then pool": lambda x: F.max_pool2d(F.conv2d(x, blur), 2),
    "four edge filters": lambda x: F.conv2d(x, lifting_filter_bank(edge, C4).flatten(0, 1)).amax(1, keepdim=True),
    "pool, stride 1": lambda x: F.max_pool2d(F.conv2d(x, blur), 2, stride=1),
}


# %%
def error_at(name: str, angle: float, x: Tensor) -> float:
    if name == "there and back":
        return error_inside(rotate_by_angle(-angle, rotate_by_angle(angle, x)), x)
    return error_inside(layers[name](rotate_by_angle(angle, x)), rotate_by_angle(angle, layers[name](x)))


# %%
smooth = F.conv2d(photograph - photograph.mean(), gauss(13, 2.0))
names, angles = ["there and back", *layers], list(range(0, 91, 5))
print(f"error at 45°:     {'smooth image':14}{'photograph':14}noise")
for name in names:
    errors = [show(error_at(name, 45, x)) for x in (smooth, face, noise(1, 1, 100, 100))]
    print(f"{name:18}{errors[0]:14}{errors[1]:14}{errors[2]}")
curves = {name: [error_at(name, a, smooth) for a in angles] for name in names[:4]}
error_curves(curves, angles, "angle in degrees", logarithmic=False).captioned(
    "All errors vanish at 0° and 90°, and are largest for the edge filters, which know only four directions."
)

# %%
images = {"smooth image": smooth, "photograph": face, "noise": noise(1, 1, 100, 100)}
curves = {name: [error_at("there and back", a, x) for a in angles] for name, x in images.items()}
error_curves(curves, angles, "angle in degrees, there and back", logarithmic=False).captioned(
    "The finer the detail of an image, the more a turn there and back destroys."
)

# %% [markdown]
# All four are exact at 0° and at 90°. In between, four different things go wrong.
#
# **Interpolation** depends on the image. The second figure shows only the first experiment. The error is small for the smooth image and large for noise:
# there, neighboring pixels have nothing to do with each other, so mixing them destroys what they hold. A round blur removes most of the fine detail on which
# interpolation goes wrong, so its error is small.
#
# **The window of the pool** is a square, and it does not turn with the image. To see what this costs, compare the last row of the table, where the stride is
# 1, with the round blur.
#
# **The stride of the pool** leaves a grid that is twice as coarse. On it interpolation has more to guess, and detail that is too fine for this grid turns up as coarser
# detail that the image does not have. This is **aliasing**, as in notebook 03.
#
# **The group is too small** for the four edge filters. On the smooth image and on the photograph they are the worst of all, off by more than a quarter, and
# this is not a matter of pixels: no finer grid would help. A filter answers an edge at an angle α to its own direction with about cos α of its full answer.
# At 45° even the nearest of the four filters gives only cos 45° ≈ 0.707, so the maximum loses up to 1 − cos 45° ≈ 0.293. The table says 0.27.
#
# (The curves are jagged, and their highest point need not be at 45°, because each error is that of a single pixel.)
#
# **Cure:** do not ask for exactness at these angles. Measure in the disk, on smooth images, and report the angle. Blur before you subsample. Against the error that
# comes from the group itself, use more orientations, or train with turned images.
#
# ## 4 Turned, but not permuted
#
# Suppose the filters of a group convolution turn, but their sheets are not permuted. That was idea 2 in section 3 of notebook 04. Take the corner finder from
# there: sheet h of `arms(image)` marks the pixels from which a stroke leads in direction h, and the four sheets have the weights (1, 1, −1, −1). The next cell
# shows the largest answer of the four copies at every pixel, for a corner and for the turned corner.

# %%
weights, maps = torch.tensor([1.0, 1, -1, -1]).reshape(1, 1, 4, 1, 1), {}
for title, image in {"corner": SHAPES["corner"], "turned corner": act_on_image(r, SHAPES["corner"])}.items():
    maps[title] = F.pad(image, (-1, -1, -1, -1))
    for name, bank in {"filters only turned": lifting_filter_bank, "also permuted": group_filter_bank}.items():
        maps[f"{title}: {name}"] = F.conv2d(arms(image), bank(weights, C4)[0, :, 0]).amax(dim=0)
panels(maps, columns=3).captioned(
    "Left: images; other panels: the largest of four answers. With filters only turned, a turned corner gets another "
    "answer; with sheets permuted too, the answer only turns."
)

# %% [markdown]
# With the permutation, the layer answers 2 at the corner, whichever way it is turned. Without it, all four copies are the same, because
# a 1 × 1 filter does not change when it turns: they answer 2 at the first corner, and 0 at the turned one. So the faulty layer does not give the same values in another order. It gives other values.
#
# Now put such a layer into a network. Two questions arise: after which layers can you measure the fault? And does a maximum over the group at the end repair
# it?


# %%
class TurnOnlyConv(GroupConv2d):
    """A group convolution with a fault: each copy of the filter is turned, its sheets stay where they are."""

    def _bank(self, psi: Tensor) -> Tensor:
        return lifting_filter_bank(psi, self.group)


# %%
def network(**changes: nn.Module) -> nn.Sequential:
    """A small p4 network for 15 × 15 images; a layer given by name replaces the one of that name."""
    torch.manual_seed(0)
    parts = OrderedDict(lift=LiftingConv2d(C4, 1, 4, 3), norm=GroupBatchNorm(C4, 4), relu=nn.ReLU())
    parts |= OrderedDict(conv=GroupConv2d(C4, 4, 4, 3, stride=2, allow_approximate=True), group_pool=GroupMaxPool(C4))
    parts |= OrderedDict(mean=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), linear=nn.Linear(4, 10))
    return nn.Sequential(parts | changes).double().eval()


# %%
torch.manual_seed(1)
faulty = network(conv=TurnOnlyConv(C4, 4, 4, 3, stride=2))
for name, deviation in equivariance_error(faulty, C4, noise(1, 1, 15, 15)).by_layer().items():
    print(f"{name:11} {show(deviation.error)}")

# %% [markdown]
# The lift is exact, because its filters have no sheets to permute. The fault shows in the second convolution. And the maximum does not repair it. A maximum
# ignores the order of the values, but here the values themselves are wrong. The group pool and the mean make the error smaller, and no later layer removes
# it.
#
# **Cure:** $[L_h\psi](x, \tilde h) = \psi(h^{-1}x, h^{-1}\tilde h)$, which is turned *and* permuted. And test the second layer, not only the first.
#
# ## 5 Exact on Monday, broken on Tuesday
#
# You want batch norm, and `nn.BatchNorm2d` wants maps of shape (B, C, Y, X). So you treat the C·|H| sheets as channels. Now each *sheet* has a gain, a bias,
# a mean and a variance of its own.
#
# **Predict:** what does a test say before training? And after one step?


# %%
class SheetNorm(nn.BatchNorm2d):
    """Batch norm with a fault: parameters per sheet, (B, C, |H|, Y, X) taken as (B, C·|H|, Y, X)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.flatten(1, 2)).unflatten(1, x.shape[1:3])


# %%
def errors_in_training(net: nn.Module, steps: int) -> list[float]:
    optimizer = torch.optim.Adam(net.parameters(), lr=0.003)
    errors = [equivariance_error(net, C4, noise(1, 1, 14, 14)).error]  # always measured in eval mode
    for images, labels in list(zip(train_images.split(64), train_labels.split(64), strict=True))[:steps]:
        net.train()
        optimizer.zero_grad()
        F.cross_entropy(net(images), labels).backward()
        optimizer.step()
        errors.append(equivariance_error(net, C4, noise(1, 1, 14, 14)).error)
    return errors


# %%
small_digits = load_digits(size=14)
train_images, train_labels = small_digits.train.images.double(), small_digits.train.labels
curves = {}
for name, norm in {"one norm per channel": GroupBatchNorm(C4, 6), "one norm per sheet": SheetNorm(24)}.items():
    torch.manual_seed(0)
    layers = LiftingConv2d(C4, 1, 6, 3), norm, nn.ReLU(), GroupConv2d(C4, 6, 10, 3), GlobalMaxPool(C4)
    curves[name] = errors_in_training(nn.Sequential(*layers).double(), steps=12)
    print(
        f"{name}: before {show(curves[name][0])}, after 1 step {'exact' if curves[name][1] < 1e-10 else 'broken'},"
        f" after 12 steps {show(curves[name][12])}"
    )
error_curves(curves, list(range(13)), "training steps").captioned(
    "With one norm per sheet the network is equivariant before the first step, and no longer after it."
)

# %% [markdown]
# Before training the network is exact. All gains and variances are 1, and all biases and means are 0, so it does not matter that each sheet has its own.
# After one step it is broken. The digits are upright, and in upright digits horizontal edges differ from vertical ones. So the values on the sheet that
# responds to horizontal edges have a different variance from those on the sheet of the turned filter, and each sheet is
# divided by the square root of its own variance. In addition, the step changes the gains and
# biases of the sheets by different amounts.
#
# In the figure, one line stays at the level of rounding. The other leaves that level at the first step and grows to 3 percent, measured on noise. That is too
# small for anybody to notice during training, and far too large to be rounding. It is the worst kind of fault, because a plain test of the new network
# passes.
#
# **Cure:** one gain, bias, mean and variance per channel, shared over the group. And before you measure, give all parameters and statistics random values.
#
# ## 6 A flattened group axis
#
# After the mean over all pixels, the last map is a table (B, C, |H|), in which no value has a position in the image any more. Flatten it, and let a linear layer
# compute the scores.
#
# **Predict:** are the scores invariant?

# %%
small_digit = load_digits(size=15).test.images[7:8].double()
features = network()[:4]
with torch.no_grad():
    vectors = {g: features(act_on_image(g, small_digit)).mean(dim=(3, 4))[0] for g in C4.elements}  # each (C, |H|)
cells = [f"channel {c}" for c in range(4)], [str(h) for h in C4.elements]
panels({f"turned by {g}": vector for g, vector in vectors.items()}, columns=4, cells=cells).captioned(
    "When the image turns, the numbers of each row (a channel) move one column (a sheet) to the right, from r³ to e."
)

# %% [markdown]
# Rows are channels, and columns are the sheets e, r, r², r³. From one panel to the next, each row moves one place to the right, and the last entry wraps
# around to the front. The numbers are the same, but their places have changed. The linear layer has a weight of its own for each place, so its scores change:

# %%
torch.manual_seed(0)
on_all, on_pooled = nn.Linear(16, 10).double(), nn.Linear(4, 10).double()
for name, head in {
    "flatten (C, |H|), then linear": lambda v: on_all(v.flatten()),
    "maximum over |H|, then linear": lambda v: on_pooled(v.amax(dim=1)),
}.items():
    upright = head(vectors[C4.elements[0]])
    print(f"{name}: {show(max(relative_error(head(v), upright) for v in vectors.values()))}")

# %% [markdown]
# The 0.04 is not rounding. With other weights or images it can be larger: suspect C in section 9 has the same fault, and its error on noise is 0.23.
#
# **Cure:** take the maximum or the mean over the group *before* the first linear layer.
#
# ## 7 What is not a fault: rounding
#
# Suppose you measure an error of 0.000002. Is this a broken symmetry or rounding? A float32 number has about 7 digits, a float64 number about 16, and each
# layer rounds again. To judge, you have to know how large the rounding error is after 1, 10 or 30 layers.


# %%
@exercise
def error_by_depth(layers: Iterable[nn.Module], group: Group, x: Tensor) -> list[float]:
    """One number per layer: the error of Φ(L_g x) against L_g Φ(x) for the worst g of the group, where Φ is this layer
    and all layers before it. Three layers give three numbers. Use relative_error(got, expected), and action_of(y, group),
    which is the action on y, be it an image or a feature map: with act = action_of(y, group), act(g, y) is L_g y."""
    ...


# %% [markdown]
# <!-- help: error_by_depth -->
#
# Use it on three networks of 31 layers: one in float32, one in float64, and one in float64 with the faulty norm of section 5 in place of layer 12. The gains
# of that norm differ by about a millionth, as if it had hardly been trained.
#
# **Predict:** what will the three curves look like? Could you take the bad norm for rounding?


# %%
def deep(dtype: torch.dtype, depth: int = 15) -> list[nn.Module]:
    torch.manual_seed(0)
    layers: list[nn.Module] = [LiftingConv2d(C4, 1, 4, 3, padding=1)]
    for _ in range(depth):
        layers += [nn.ReLU(), GroupConv2d(C4, 4, 4, 3, padding=1)]
    return [layer.to(dtype) for layer in layers]


# %%
trained_norm = SheetNorm(16).double().eval()
nn.init.normal_(trained_norm.weight, mean=1.0, std=1e-6)  # as after a little training
broken = deep(torch.float64)
broken[11] = trained_norm  # in the place of a ReLU
x = noise(1, 1, 15, 15)
nets = {"float64": deep(torch.float64), "float64, one bad norm": broken, "float32": deep(torch.float32)}

# %%
curves = {name: error_by_depth(net, C4, x.to(net[0].weight.dtype)) for name, net in nets.items()}
print("float32 stays below 1e-4: ", max(curves["float32"]) < 1e-4)
print("float64 stays below 1e-12:", max(curves["float64"]) < 1e-12)
print(
    "the bad norm, number 12, stands out: in float64 all before it are below 1e-12, all from it on above 1e-8:",
    max(curves["float64, one bad norm"][:11]) < 1e-12 and min(curves["float64, one bad norm"][11:]) > 1e-8,
)
error_curves(curves, list(range(1, 32)), "layers").captioned(
    "Rounding grows slowly from layer to layer; the one bad norm is the sudden step."
)

# %% [markdown]
# Float32 starts near 1e-7 and float64 near 1e-16. Both errors grow slowly with depth, by far less than a factor of 1000. The error of the broken network
# jumps at its norm, to only a few times the rounding error of float32. So in float32 you could hardly tell this fault from rounding. In float64 it is larger
# than rounding by many powers of ten.
#
# **Cure:** rounding needs no cure. But test in float64, and never ask for equality to the last bit.
#
# ## 8 Hoping that the data will teach it
#
# Notebook 03 trained an ordinary CNN on digits with random quarter turns. It learned to read turned digits just as well as upright ones, but for some of
# them its answer still changed with the turn. Here the question is *where* such a network keeps its answer: on the digits that it was trained on, on new digits, on
# pieces of a photograph, on noise?


# %%
@exercise
def orbit_agreement(net: Callable[[Tensor], Tensor], group: Group, images: Tensor) -> float:
    """The fraction of the images (N, C, Y, X) that get the same class for every g. `net(images)` gives scores of shape
    (N, classes); the class of an image is the index of its largest score. Use act_on_image(g, images).
    4 images, of which 3 keep their class under all turns: 0.75."""
    ...


# %% [markdown]
# <!-- help: orbit_agreement -->
#
# Train that network again. We compare it with the same network before training, and with a single untrained p4 layer followed by a maximum over group and
# space.

# %%
from course_lib.training import TrainConfig, accuracy_by_angle, train


def quarter_turns(images: Tensor, generator: torch.Generator) -> Tensor:
    turns = torch.randint(4, (len(images),), generator=generator).tolist()
    return torch.stack([act_on_image(C4.elements[k], image) for k, image in zip(turns, images, strict=True)])


# %%
torch.manual_seed(0)
body = [nn.Conv2d(1, 12, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(12, 24, 3), nn.ReLU()]
cnn = nn.Sequential(*body, nn.Flatten(), nn.Linear(24 * 4 * 4, 10)).double()
trained = copy.deepcopy(cnn)
nets = {"CNN, trained on turned digits": trained, "CNN, untrained": cnn}
config = TrainConfig(epochs=20, batch_size=64, learning_rate=0.003)
train(trained, small_digits.train, config, augment=quarter_turns, device="cpu", progress=True)
nets["p4, untrained"] = nn.Sequential(LiftingConv2d(C4, 1, 10, 5), GlobalMaxPool(C4)).double()

# %% [markdown]
# **Predict:** on which of the four kinds of image does the trained CNN keep its answer at all four turns?

# %%
pieces = F.unfold(photograph, 14, stride=7)[0].T.reshape(-1, 1, 14, 14)
low, high = pieces.amin(dim=(2, 3), keepdim=True), pieces.amax(dim=(2, 3), keepdim=True)
kinds = {"training digits": train_images, "new digits": small_digits.test.images.double()}
kinds |= {"pieces of the photograph": (pieces - low) / (high - low), "noise": noise(225, 1, 14, 14).abs()}

# %%
table = {name: {kind: orbit_agreement(net, C4, x) for kind, x in kinds.items()} for name, net in nets.items()}
for name, row in table.items():
    print(f"{name:29}", ", ".join(f"{kind} {share:.2f}" for kind, share in row.items()))
share_bars(table, "share of images, same class at all four turns").captioned(
    "The trained CNN keeps its answer mostly on images like those it was trained on, p4 on all. "
    "The untrained CNN gives nearly all images of a kind the same class, turned or not."
)

# %% [markdown]
# The CNN has learned to keep its answer *on digits*: most often on those that it was trained on, less often on new ones, and rarely on images that do not
# look like a digit. Training shapes the answers only where there is data. The p4 layer keeps all answers on all images, before it has seen any.
#
# But look at the untrained CNN: it keeps its answer on nearly all images! Is agreement a virtue, then? Compare it, on the new digits, with the accuracy and
# with the fraction of images that get the most frequent class:

# %%
for name, net in nets.items():
    upright, turned = accuracy_by_angle(net, small_digits.test, [0, 90]).tolist()
    agree = orbit_agreement(net, C4, kinds["new digits"])
    classes = net(kinds["new digits"]).argmax(dim=1)
    most = (classes == classes.mode().values).double().mean()
    print(
        f"{name:29} accuracy {upright:.2f}, turned by 90° {turned:.2f}; agreement {agree:.2f}; most frequent {most:.2f}"
    )

# %% [markdown]
# - The untrained CNN gives nearly all digits the same class. So the class seldom changes with the turn, but it is seldom right, either.
# - The untrained p4 layer agrees with itself by construction. It, too, is right no more often than by chance.
# - The trained CNN agrees with itself less often than either of the others. But it reads 82 of 100 digits correctly, turned or upright.
#
# So agreement alone is not a virtue, and what augmentation has bought is real. It has a price, as notebook 03 showed: after the same 20 epochs on upright
# digits only, the same network reads 92 of 100 upright digits. All these numbers come from one seed and one small network, so take them as a sketch.
#
# ## 9 Detective work
#
# You have now seen all seven causes. Suppose somebody hands you a network that you did not write. `diagnose(net, group, input_shape)` does for any
# `nn.Module` what you did above (`input_shape` has no batch axis):
#
# 1. It sends noise and all its turned copies through the network, in float64.
# 2. It looks for the first layer whose input still moves as it should, and whose output does not.
# 3. It tries out what would cure this layer.
# 4. It does all this again, after giving different values to parameters that are equal.
#
# Here are three suspects, made from the network of section 4, all of them untrained:
#
# - **A**: the network as it is, on 14 × 14 pixels;
# - **B**: its norm is the `SheetNorm` of section 5; on 15 × 15 pixels;
# - **C**: instead of the group pool, the channels and sheets are flattened, so that the linear layer has 16 inputs; on 15 × 15 pixels.
#
# **Predict** for each: which layer is guilty, what is the cause, and does a plain `equivariance_error` find the fault? Write the names of the layers into the
# next cell (lift, norm, relu, conv, group_pool, mean, flatten or linear).

# %%
guess = {}  # for example {"A": "relu", "B": "relu", "C": "relu"}

# %%
from course_lib.checks import diagnose

torch.manual_seed(0)
suspects = {
    "A": (network(), (1, 14, 14)),
    "B": (network(norm=SheetNorm(16)), (1, 15, 15)),
    "C": (network(group_pool=nn.Flatten(1, 2), linear=nn.Linear(16, 10)), (1, 15, 15)),
}
for name, (net, shape) in suspects.items():
    error = show(equivariance_error(net, C4, noise(1, *shape)).error)
    guilty = diagnose(net, C4, shape).layer
    mark = "right" if guess.get(name) == guilty else guess.get(name, "none")
    print(f"{name}: equivariance_error says {error}; diagnose names {guilty}; your guess: {mark}")

# %% [markdown]
# - **A** has the fault of section 1. On 14 pixels the lift leaves 12, and in `conv` a window of 3 with stride 2 leaves one over.
# - **B** has the fault of section 5, parameters for each sheet. The plain test does not find it.
# - **C** has the fault of section 6. The guilty layer is `linear`, and not `group_pool`, where C flattens: there the numbers still change places in
#   a known way, and only `linear` treats the places differently.
#
# Here are the complete answers, with cause and cure. (`diagnose` draws its own noise, so its errors differ from those above.)

# %% tags=["nbval-ignore-output"]
for name, (net, shape) in suspects.items():
    print(f"--- {name}\n{diagnose(net, C4, shape)}")

# %% [markdown]
# Suspect B is called *latent*: it is not broken yet, but nothing keeps it from breaking. Do the cures work? And does
# `diagnose` find the fault of section 4, too?

# %%
print("the same net as A, on 15 × 15:", diagnose(network(), C4, (1, 15, 15)).ok)
print("norm shared over the group:   ", diagnose(network(norm=GroupBatchNorm(C4, 4)), C4, (1, 15, 15)).ok)
print("turned but not permuted:      ", diagnose(faulty, C4, (1, 15, 15)).layer)

# %% [markdown]
# ### Change sides
#
# Now build a suspect yourself: a **sleeper**. It passes the plain test when it is new, because some of its parameters are equal. Once they differ, as after
# training, it is broken. The norm of section 5 is one way; can you find another? There are many right answers, and their output may be an image, a feature map on
# C4 or a vector of scores. Each of them must be exact under C4 at the start, must not give the same output for all images, and must be broken after the
# library's `make_unequal`, which adds noise to each parameter, and each running mean or variance, whose values are all equal.


# %%
@exercise
def sleeper() -> nn.Module:
    """A network for images (B, 1, 15, 15) that is exact under C4 when it is new, and breaks when its weights change."""
    ...


# %% [markdown]
# <!-- help: sleeper -->
#
# Does the detective find yours?

# %% tags=["nbval-ignore-output"]
print(diagnose(sleeper(), C4, (1, 15, 15)))

# %% [markdown]
# ## Cause, symptom, cure
#
# | cause | symptom | cure |
# |---|---|---|
# | stride does not fit | exact at some sizes, broken at others | a size with nothing left over |
# | `padding="same"` | broken with even kernels only | the same padding at every border |
# | angles between | exact at 90°, not at 45° | disk mask, smooth images, more orientations |
# | wrong permutation | broken from the second layer on | turn *and* permute |
# | parameters per sheet | exact when new, broken after training | share them over the group |
# | flattened group axis | broken at the first linear layer | pool over the group first |
# | learned from data | good on training images, worse elsewhere | weight sharing, or averaging |
# | *no fault:* rounding | 1e-7 to 1e-5 in float32, below 1e-12 in float64 | test in float64 |
#
# ## What you have built
#
# Here are your functions against the library, on random input:

# %%
from course_lib import checks
from course_lib.layers import base

generator = torch.Generator().manual_seed(1)
for _ in range(50):
    size, window, stride, padding = (int(torch.randint(low, low + 8, (), generator=generator)) for low in (8, 1, 1, 0))
    assert left_over(size, window, stride, padding) == base.left_over(size, window, stride, padding)
    rows = [(window, stride, padding), (2, 2, 0)]
    assert exact_sizes(rows, range(9, 40)) == base.exact_sizes(rows, range(9, 40))
    assert torch.equal(disk_mask(size), checks.disk_mask(size))
some = kinds["new digits"][:40]
assert error_by_depth(cnn[:5], D4, some) == checks.error_by_depth(cnn[:5], D4, some)
assert orbit_agreement(cnn, D4, some) == checks.orbit_agreement(cnn, D4, some)
print("Your functions agree with the library.")

# %%
progress("05")

# %% [markdown]
# ## Recap
#
# - Strides and padding must look the same from every border. Whether they do is arithmetic: check it before you build.
# - Share every gain, bias and statistic over the group, and pool over the group before you flatten.
# - Between the angles of the group, interpolation, pooling and the group itself each add an error.
# - Rounding grows slowly with depth. In float64 it stays so small that even a faint fault stands out.
# - Training teaches invariance only where there is data. Weight sharing gives it everywhere.
#
# **Now in `course_lib`:** `from course_lib.layers.base import left_over, exact_sizes` ·
# `from course_lib.checks import diagnose, disk_mask, error_by_depth, orbit_agreement`
#
# **Further reading:** A. Azulay and Y. Weiss, *Why do deep convolutional networks generalize so poorly to small image transformations?*
# (JMLR 2019), on strides and aliasing.
#
# **Next:** `06_separable_gconv` asks why a group convolution is so large, and makes it smaller.
