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
# **After this notebook you will be able to** name eight causes by which a network loses its symmetry, predict which of them strikes at
# which size, tell a broken symmetry from rounding, and find the guilty layer in a network that you have not written.
#
# **What you need before:** notebooks 03 (measuring equivariance) and 04 (group convolution).
#
# **Time:** about 70 minutes, with five exercises. **Hardware:** any laptop; no GPU, no network.

# %%
import copy
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.actions import act, act_on_image, rotate_by_angle
from course_lib.checks import equivariance_error, relative_error
from course_lib.data import load_digits, load_photograph
from course_lib.exercises import exercise, progress
from course_lib.figures import panels
from course_lib.figures.breaking import error_curves, shares, windows_from_both_sides
from course_lib.figures.maps import turn_then_compute
from course_lib.groups import C4, D4, Element, Group
from course_lib.layers import (
    GlobalMaxPool,
    GroupBatchNorm2d,
    GroupConv2d,
    GroupMaxPool,
    LiftingConv2d,
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
# This is a laboratory. Each section takes a layer that looks right and asks what goes wrong. Write your prediction down before you run
# the experiment: a wrong prediction is where you learn most.
#
# ## 1 A stride that does not fit
#
# Two ways to halve a map: a 2 × 2 pool with stride 2, and a 3 × 3 convolution with stride 2 and padding 1. A network with the first is
# exact on 32 pixels. With the second it is broken on 32 and exact on 33. Why?
#
# <details><summary>Predict first…</summary>
#
# The windows start at the left border. After a mirror or a half turn they start, so to speak, at the right one. Only if the
# last window ends exactly at the border are they the same windows.
#
# </details>

# %%
pool, strided = (2, 2, 0), (3, 2, 1)  # window, stride, padding
windows_from_both_sides(
    {f"{name} on {n}": (n, *layer) for name, layer in (("pool", pool), ("conv", strided)) for n in (8, 9)}
)

# %% [markdown]
# Blue, below: the windows as they are (neighbors lie at two heights). Orange, above: the same windows as the mirrored image sees
# them. Dotted squares are padding. Where orange does not lie over blue, the layer reads other pixels after the turn.
#
# A row of $n$ pixels with padding $p$ at both ends, window $k$, stride $s$. What lies past the last window is
#
# $$\text{left over} = (n + 2p - k) \bmod s$$


# %%
@exercise
def left_over(size: int, window: int, stride: int, padding: int = 0) -> int:
    """How many pixels, or zeros of the padding, no window reaches at the far border; padding zeros stand at each end.
    left_over(7, 2, 2) is 1: the windows cover 6 of 7 pixels."""
    ...


# %% [markdown]
# <!-- help: left_over -->
#
# Is it the whole truth? The cell compares the formula with an experiment: the error of each layer under C4, on noise. (The layers of
# `course_lib` refuse such sizes; `allow_approximate=True` makes them run.)

# %%
torch.manual_seed(0)
conv = LiftingConv2d(C4, 1, 2, 3, stride=2, padding=1, allow_approximate=True).double()
print("size   pool: left over, error    conv: left over, error")
for n in (8, 9, 10, 11, 32, 33):
    pool_error = show(equivariance_error(nn.MaxPool2d(2), C4, noise(1, 1, n, n)).error)
    conv_error = show(equivariance_error(conv, C4, noise(1, 1, n, n)).error)
    print(f"{n:3}    {left_over(n, *pool):6}         {pool_error:10} {left_over(n, *strided):8}         {conv_error}")

# %% [markdown]
# Wherever nothing is left over, the layer is exact; everywhere else it is broken. So ask before you build: at which input sizes does a
# *whole* network fit? Each layer hands a smaller map to the next one.


# %%
@exercise
def exact_sizes(layers: Sequence[tuple[int, int, int]], sizes: Iterable[int]) -> list[int]:
    """Those of the input sizes at which no layer leaves pixels over; each layer is (window, stride, padding).
    A layer turns n pixels into (n + 2·padding − window) // stride + 1. If n + 2·padding < window, it does not fit.
    exact_sizes([(2, 2, 0), (2, 2, 0)], range(4, 13)) is [4, 8, 12]."""
    ...


# %% [markdown]
# <!-- help: exact_sizes -->
#
# **Predict:** two pools; two strided convolutions; a pool, then a strided convolution; the other order. Does any size suit all four?
#
# <details><summary>Answer</summary>
#
# Two pools need a multiple of 4. Two strided convolutions need one more than a multiple of 4. A pool then a convolution: twice an odd
# number. The other order: one less than a multiple of 4. No size suits any two of them.
#
# </details>

# %%
for name, layers in {
    "pool, pool": [pool, pool],
    "conv, conv": [strided, strided],
    "pool, conv": [pool, strided],
    "conv, pool": [strided, pool],
}.items():
    print(f"{name}: {exact_sizes(layers, range(28, 41))}")

# %% [markdown]
# **Cure:** pad or crop the *input*, alike at both ends, where that helps (32 never gives 33), or choose windows that fit: a 4 × 4
# convolution with stride 2 and padding 1 is exact on even maps.
#
# ## 2 Padding and the parity of the kernel
#
# Zero padding breaks shifts at the border (notebook 03). Does it break turns? And are even kernels allowed, whose center lies between
# pixels? One more case: a framework's `padding="same"` keeps the size. A 4 × 4 kernel needs three extra rows for that, one above and two
# below; and so for the columns.
#
# Six layers, then: a 3 × 3 kernel with padding 0 or 1, a 4 × 4 kernel with padding 0, 1 or 2, and last the 4 × 4 kernel with one above
# and two below.
#
# <details><summary>Predict first: which of the six are exact under D4?</summary>
#
# All but the last. Equal padding looks the same from every side, whatever the kernel. The output of an even kernel lies half a pixel
# off, but symmetrically. With one row above and two below, the turned map has two above.
#
# </details>


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

# %%
x = noise(1, 1, 9, 9)
turned_first, computed_first = lift(act(r, x, D4), 4, 1, 2), act(r, lift(x, 4, 1, 2), D4)
error = relative_error(turned_first[..., :-1, :], computed_first[..., 1:, :])
print("the last layer, both orders, one of them moved by a row:", show(error))
turn_then_compute(lambda x: lift(x, 4, 1, 2), load_digits().test.images[7:8].double(), r, D4)

# %% [markdown]
# The difference is not only at the border: after the turn the whole map sits one row off. Besides $e$ one element
# survives, $mr^3$: it is the mirror that swaps rows and columns, and rows and columns are padded alike. A test with that one element
# alone would have passed.
#
# **Cure:** the same padding at every border. With `padding="same"` that takes an odd kernel. Our layers refuse the other case:

# %%
try:
    LiftingConv2d(D4, 1, 2, kernel_size=4, padding="same")
except ValueError as error:
    print(str(error).split(",")[0])

# %% [markdown]
# ## 3 Angles between
#
# At 30° the lattice does not fall on itself. Pixels must be *interpolated*, that is, mixed from their neighbors, and the corners of the
# frame leave it. The corners are no fault of the network. So compare only where every turn stays in the frame: inside a disk.


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
face = (photograph - photograph.mean())[..., 6:-6, 6:-6]  # what enters at the border, 0, is now a medium gray
turned = rotate_by_angle(30, face)
there_and_back = rotate_by_angle(-30, turned)

# %%
print("by 30° and back, whole frame:", show(relative_error(there_and_back, face)))
print("by 30° and back, in the disk:", show(error_inside(there_and_back, face)))
panels(
    {
        "image": face[0, 0],
        "by 30°": turned[0, 0],
        "and back": there_and_back[0, 0],
        "in the disk": there_and_back[0, 0] * inside(100),
    },
    photograph=True,
)

# %% [markdown]
# Four experiments, at all angles from 0° to 90°. The first only turns the image, and turns it back. The others compare: turn, then
# compute, against compute, then turn.
#
# 1. no layer at all: there and back, **interpolation** alone, twice;
# 2. a round blur, a filter without direction;
# 3. the same blur, then a 2 × 2 max pool (the table has it with stride 1 as well, so that no place is skipped);
# 4. an edge filter in its four orientations, and the maximum of the four answers: exact under C4.
#
# The input is a smooth image first. Which of the four is worst at 45°?
#
# <details><summary>Predict first…</summary>
#
# The fourth. It knows four orientations, and 45° is as far from all of them as an angle can be. That is no fault of the pixels: no
# finer grid would help.
#
# </details>


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
error_curves(curves, angles, "angle in degrees", logarithmic=False)

# %% [markdown]
# All four are exact at 0° and 90°. In between, **interpolation** depends on the image: small where it is smooth, large for noise. A
# round blur keeps little of the fine detail on which interpolation goes wrong, so its error is small.
#
# The pool has two faults. The square window of its maximum does not turn with the image: the last row of the table, with stride 1, shows
# what that costs. And its stride leaves a grid twice as coarse, where interpolation errs more, and where detail too fine for it shows up
# as something else: **aliasing**, as in notebook 03.
#
# The four edge filters are off by a quarter even on the smooth image: the group is too small. (The curves are jagged, and the top
# need not lie at 45°, since the relative error is that of the single worst pixel.)
#
# **Cure:** do not demand exactness there. Measure in the disk, on smooth images, and say which angle. Blur before you subsample. More
# orientations, or turned training images, help with the rest.
#
# ## 4 Turned, but not permuted
#
# A group convolution whose filters turn but do not permute their sheets: the classic slip of notebook 04. Two questions. Which layer of a
# network shows it? Does a maximum over the group at the end repair it?
#
# <details><summary>Predict first…</summary>
#
# The second layer: the lift has no sheets to permute in its filters. And no: a maximum forgives sheets in another order, but here
# the values on them are wrong.
#
# </details>


# %%
class TurnOnlyConv(GroupConv2d):
    """A group convolution with a fault: each copy of the filter is turned, its sheets stay where they are."""

    def _bank(self, psi: Tensor) -> Tensor:
        return lifting_filter_bank(psi, self.group)


# %%
def network(**changes: nn.Module) -> nn.Sequential:
    """A small p4 network for 15 × 15 images; a layer given by name replaces the one of that name."""
    torch.manual_seed(0)
    parts = OrderedDict(lift=LiftingConv2d(C4, 1, 4, 3), norm=GroupBatchNorm2d(C4, 4), relu=nn.ReLU())
    parts |= OrderedDict(conv=GroupConv2d(C4, 4, 4, 3, stride=2, allow_approximate=True), group_pool=GroupMaxPool(C4))
    parts |= OrderedDict(mean=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), linear=nn.Linear(4, 10))
    return nn.Sequential(parts | changes).double().eval()


# %%
torch.manual_seed(1)
faulty = network(conv=TurnOnlyConv(C4, 4, 4, 3, stride=2))
for name, deviation in equivariance_error(faulty, C4, noise(1, 1, 15, 15)).by_layer().items():
    print(f"{name:11} {show(deviation.error)}")

# %%
digit = load_digits(size=15).test.images[7:8].double()
turn_then_compute(faulty[:4], digit, r, C4)

# %% [markdown]
# The sheets of $\Phi(L_r x)$ are not the turned sheets of $\Phi(x)$ in another order. They are other maps. The group pool and the mean
# make the error smaller, but no later layer removes it.
#
# **Cure:** $[L_h\psi](x, \tilde h) = \psi(h^{-1}x, h^{-1}\tilde h)$, turned *and* permuted, and a test of the second layer.
#
# ## 5 Exact on Monday, broken on Tuesday
#
# Somebody wants batch norm, and `nn.BatchNorm2d` wants (B, C, Y, X). So they take C·|H| sheets for channels. Each *sheet* now has a gain, a bias,
# a mean and a variance of its own. What does a test say before training, and what after one step?
#
# <details><summary>Predict first…</summary>
#
# Before: exact, since all gains and variances are 1, all biases and means 0. After one step: broken. Upright digits have other horizontal
# edges than vertical ones, so the sheets have other variances (their means agree: turned filters have the
# same sum, and the borders of the digits are empty), and the step gives the sheets other gains and biases.
#
# </details>


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
for name, norm in {"one norm per channel": GroupBatchNorm2d(C4, 6), "one norm per sheet": SheetNorm(24)}.items():
    torch.manual_seed(0)
    layers = LiftingConv2d(C4, 1, 6, 3), norm, nn.ReLU(), GroupConv2d(C4, 6, 10, 3), GlobalMaxPool(C4)
    curves[name] = errors_in_training(nn.Sequential(*layers).double(), steps=12)
    print(
        f"{name}: before {show(curves[name][0])}, after 1 step {'exact' if curves[name][1] < 1e-10 else 'broken'},"
        f" after 12 steps {show(curves[name][12])}"
    )
error_curves(curves, list(range(13)), "training steps")

# %% [markdown]
# The lower line is rounding, and stays there. The other leaves it with the first step. On noise the error grows to 3 per cent: too small to
# crash anything, too large to be rounding. It is the worst kind of fault, since a fresh network passes every plain test.
#
# **Cure:** one gain, bias, mean and variance per channel, shared over the group. And randomize parameters and statistics before you measure.
#
# ## 6 A flattened group axis
#
# The last map is (B, C, |H|) after the mean over all pixels. Flatten it, and a linear layer makes the scores. Nothing has a position any
# more. So the scores are invariant?
#
# <details><summary>Predict first…</summary>
#
# No. When the image turns, the entries along |H| change places, and the linear layer has a weight of its own for each of them.
#
# </details>

# %%
features = network()[:4]
with torch.no_grad():
    vectors = {g: features(act(g, digit, C4)).mean(dim=(3, 4))[0] for g in C4.elements}  # each (C, |H|)
panels({f"image turned by {g}": vector for g, vector in vectors.items()}, columns=4)

# %% [markdown]
# Rows are channels, columns are the sheets e, r, r², r³. From one panel to the next each row moves one place to the right, and the last
# entry comes back in front: the same numbers, in other places.

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
# The 0.04 is no rounding. Other weights or images give more: suspect C of section 9, with the same fault, has 0.23 on noise.
#
# **Cure:** the maximum or the mean over the group *before* the first linear layer.
#
# ## 7 Rounding grows with depth
#
# An error of 0.000002: a broken symmetry or rounding? Floats have about 7 digits in float32 and 16 in float64. Each convolution
# rounds again. How large is the error after 1, 10, 30 layers?


# %%
@exercise
def error_by_depth(layers: Iterable[nn.Module], group: Group, x: Tensor) -> list[float]:
    """After each layer of the row: the relative error of Φ(L_g x) against L_g Φ(x), where Φ is all layers up to
    there; the worst g of the group. act(g, y, group) acts on images and feature maps; use relative_error.
    Three layers give three numbers."""
    ...


# %% [markdown]
# <!-- help: error_by_depth -->
#
# <details><summary>Predict first: 31 layers, float32 and float64. And a third net, in float64, with one norm of section 5 whose gains differ by
# about a millionth, as after a little training: could you mistake it for rounding?</summary>
#
# Float32 starts near 1e-7, float64 near 1e-16. Both grow slowly, by far less than a factor of 1000. The broken net jumps at its
# norm to a height that is normal for float32, and from there grows like the others.
#
# </details>


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
nets = {"float32": deep(torch.float32), "float64": deep(torch.float64), "float64, one bad norm": broken}

# %%
curves = {name: error_by_depth(net, C4, x.to(net[0].weight.dtype)) for name, net in nets.items()}
print("float32 stays below 1e-4: ", max(curves["float32"]) < 1e-4)
print("float64 stays below 1e-12:", max(curves["float64"]) < 1e-12)
print(
    "the bad norm, number 12, stands out: in float64 all before it are below 1e-12, all from it on above 1e-8:",
    max(curves["float64, one bad norm"][:11]) < 1e-12 and min(curves["float64, one bad norm"][11:]) > 1e-8,
)
error_curves(curves, list(range(1, 32)), "layers")

# %% [markdown]
# The gains of the bad norm differ by a few millionths. In float32 a fault of that size looks like rounding. In float64 it stands
# many powers of ten above it.
#
# **Cure:** none needed, rounding is no fault. But test in float64. Never ask for equality to the last bit.
#
# ## 8 Hoping that the data will teach it
#
# Notebook 03 trained an ordinary CNN on upright digits, and on digits with random quarter turns. Here we ask *where* the second net is invariant:
# on the digits of its training, on new digits, on pieces of the photograph, on noise?


# %%
@exercise
def orbit_agreement(net: Callable[[Tensor], Tensor], group: Group, images: Tensor) -> float:
    """The share of the images (N, C, Y, X) that get the same class for every g: the class is the place of the
    largest of the scores net(…), (N, classes). Use act(g, images, group).
    4 images, of which 3 keep their class under all turns: 0.75."""
    ...


# %% [markdown]
# <!-- help: orbit_agreement -->

# %%
from course_lib.training import TrainConfig, accuracy_by_angle, train


def quarter_turns(images: Tensor, generator: torch.Generator) -> Tensor:
    turns = torch.randint(4, (len(images),), generator=generator).tolist()
    return torch.stack([act_on_image(C4.elements[k], image) for k, image in zip(turns, images, strict=True)])


# %%
torch.manual_seed(0)
body = [nn.Conv2d(1, 12, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(12, 24, 3), nn.ReLU()]
cnn = nn.Sequential(*body, nn.Flatten(), nn.Linear(24 * 4 * 4, 10)).double()
nets = {"CNN, upright digits": copy.deepcopy(cnn), "CNN, turned digits": copy.deepcopy(cnn)}
config = TrainConfig(epochs=20, batch_size=64, learning_rate=0.003)
for name, net in nets.items():
    augment = quarter_turns if "turned" in name else None
    train(net, small_digits.train, config, augment=augment, device="cpu", progress=True)
nets["p4, untrained"] = nn.Sequential(LiftingConv2d(C4, 1, 10, 5), GlobalMaxPool(C4)).double()

# %% [markdown]
# <details><summary>Predict first: on which of the four kinds of image does the CNN with turned digits keep its answer?</summary>
#
# Most on the digits that it was trained on, less on new digits, little on what looks like no digit. Training fixes answers where the
# data is. A layer that shares its weights over the group keeps its promise for every input.
#
# </details>

# %%
pieces = F.unfold(photograph, 14, stride=7)[0].T.reshape(-1, 1, 14, 14)
low, high = pieces.amin(dim=(2, 3), keepdim=True), pieces.amax(dim=(2, 3), keepdim=True)
kinds = {"training digits": train_images, "new digits": small_digits.test.images.double()}
kinds |= {"pieces of the photograph": (pieces - low) / (high - low), "noise": noise(225, 1, 14, 14).abs()}

# %%
table = {name: {kind: orbit_agreement(net, C4, x) for kind, x in kinds.items()} for name, net in nets.items()}
for name, row in table.items():
    print(f"{name:20}", ", ".join(f"{kind} {share:.2f}" for kind, share in row.items()))
shares(table, "same class at all four turns")

# %% [markdown]
# The net has learned to keep its answer *on digits*, up to a point, and not everywhere. On noise it does so for a fifth of the
# images. The p4 layer keeps all answers on all images, before it has seen any.
#
# Is agreement a virtue? Look at it on the new digits next to the accuracy and the share of the commonest class,
# and at the CNN *before* training:

# %%
for name, net in {"CNN, untrained": cnn, **nets}.items():
    upright, turned = accuracy_by_angle(net, small_digits.test, [0, 90]).tolist()
    agree = orbit_agreement(net, C4, kinds["new digits"])
    classes = net(kinds["new digits"]).argmax(dim=1)
    most = (classes == classes.mode().values).double().mean()
    print(f"{name:20} accuracy {upright:.2f}, turned by 90° {turned:.2f}; agreement {agree:.2f}; commonest {most:.2f}")

# %% [markdown]
# Before training the CNN keeps its answer on nine of ten digits, since it gives nearly all of them one class. The p4 layer agrees by
# construction, yet untrained it is right no more often than by chance. Agreement alone is no virtue. And what augmentation has bought is
# real: turned digits are recognized as well as upright ones, 0.82 of them. After the same 20 epochs the net trained on upright digits has 0.92 on upright
# ones. All this is one seed and a small net: a sketch.
#
# ## 9 Detective work
#
# `diagnose(net, group, input_shape)` does for any `nn.Module` what you did above (input_shape has no batch axis). It runs noise and all its
# turns through the net in float64, finds the first layer whose input still moves as it should and whose output does not, and tries what
# would mend it. Then it repeats everything with equal parameters randomized.
#
# Three suspects, made from the network of section 4, untrained:
#
# - **A**: the network as it is, on 14 × 14 pixels;
# - **B**: its norm is the `SheetNorm` of section 5; on 15 × 15 pixels;
# - **C**: in place of the group pool the channels and sheets are flattened, so the linear layer has 16 inputs; on 15 × 15 pixels.
#
# **Predict** for each: the guilty layer, the cause, and whether a plain `equivariance_error` finds a fault.
#
# <details><summary>Answers</summary>
#
# A: `conv`. On 14 pixels the lift leaves 12, and a window of 3 with stride 2 leaves one over. B: `norm`, by parameters per sheet. C: `linear`, not the
# layer that flattens: its output still moves in a known way. The plain test finds a fault in A and C, and none in B.
#
# </details>

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
    print(f"{name}: equivariance_error says {error}; diagnose names {diagnose(net, C4, shape).layer}")

# %% [markdown]
# The whole answers, with cause and cure (`diagnose` takes noise of its own, so its errors differ a little):

# %% tags=["nbval-ignore-output"]
for name, (net, shape) in suspects.items():
    print(f"--- {name}\n{diagnose(net, C4, shape)}")

# %% [markdown]
# Suspect B passed the plain test. *Latent* means: not broken yet, but nothing keeps it from breaking. Do the cures work?

# %%
print("the same net as A, on 15 × 15:", diagnose(network(), C4, (1, 15, 15)).ok)
print("norm shared over the group:   ", diagnose(network(norm=GroupBatchNorm2d(C4, 4)), C4, (1, 15, 15)).ok)
print("turned but not permuted:      ", diagnose(faulty, C4, (1, 15, 15)).layer)

# %% [markdown]
# ## Cause, symptom, cure
#
# | cause | symptom | cure |
# |---|---|---|
# | stride does not fit | exact at some sizes, broken at others | a size with nothing left over |
# | `padding="same"` | broken with even kernels only | the same padding at every border |
# | angles between | exact at 90°, not at 45° | disk mask, smooth images, more orientations |
# | wrong permutation | broken from the second layer on | turn *and* permute |
# | parameters per sheet | exact fresh, broken after training | share over the group |
# | flattened group axis | broken at the first linear layer | pool over the group first |
# | rounding | 1e-7 to 1e-5 in float32, below 1e-12 in float64 | test in float64 |
# | learned from data | good on training images, worse elsewhere | weight sharing, or averaging |
#
# ## What you have built
#
# Your functions against the library, on random input:

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
print("All five functions agree with the library.")

# %%
progress("05")

# %% [markdown]
# ## Recap
#
# - Strides and padding must look the same from every border. That is arithmetic: do it before you build.
# - Whatever has a parameter must share it over the group; whatever flattens must pool over the group first.
# - Between the angles of the group, interpolation, pooling and the group itself each add an error.
# - Rounding grows slowly with depth. In float64 it stays so small that even a faint fault stands out.
# - Data teaches invariance where the data is. Weight sharing gives it everywhere.
#
# **Now in `course_lib`:** `from course_lib.layers.base import left_over, exact_sizes` ·
# `from course_lib.checks import diagnose, disk_mask, error_by_depth, orbit_agreement`
#
# **Further reading:** A. Azulay and Y. Weiss, *Why do deep convolutional networks generalize so poorly to small image transformations?*
# (JMLR 2019), on strides and aliasing.
#
# **Next:** `06_separable_gconv` asks why a group convolution is so large, and makes it smaller.
