# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 10 The papers' networks: every network is a function of a group
#
# You have all layers. Here they become the networks of four papers, and the networks become tables: what each one has, what it does, and what was published
# about it. Then we ask what such tables can tell, and what they cannot.
#
# **You will be able to**
# - write a network once, and get its ordinary, p4 and p4m versions by an argument;
# - choose widths so that networks can be compared;
# - build a residual network that is exactly equivariant, and say what spoils one that is not;
# - read the published tables: counts, costs, protocols, and how sure a gap is.
#
# **You need before:** notebooks 04 to 06 (P4CNN, sizes that fit, counting). 08 and 09 help with two of the tables.
#
# **Time:** about 85 minutes, with seven exercises. **Hardware:** any laptop, no GPU, no network.

# %%
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import torch
from IPython.display import Markdown
from torch import Tensor, nn
from tqdm import tqdm

# %%
from course_lib import models
from course_lib.checks import equivariance_error, make_unequal, relative_error
from course_lib.counting import executed_macs
from course_lib.data import load_digits
from course_lib.exercises import exercise, progress
from course_lib.experiments import TABLES, find, protocol, table_markdown
from course_lib.experiments.exactness import exactness_markdown
from course_lib.experiments.markdown import pipe_table
from course_lib.experiments.protocol import Report
from course_lib.figures import learning_curves
from course_lib.figures.tables import Cost, error_against_cost
from course_lib.groups import ALL_GROUPS, C1, C4, D4, Group
from course_lib.layers import (
    EquivariantSequential,
    GCSeparableConv2d,
    GlobalAvgPool,  # noqa: F401, for exercise 10.5
    GlobalMaxPool,
    GroupBatchNorm2d,  # noqa: F401, for exercise 10.4
    GroupConv2d,
    GroupMaxPool,
    GSeparableConv2d,
    LiftingConv2d,
    SpatialMaxPool2d,
)
from course_lib.models import widths
from course_lib.models.blocks import Conv, Layer, Pool, Residual, norm_relu
from course_lib.training import TrainConfig, evaluate, seed_everything, train

torch.set_num_threads(1)  # on networks this small a second thread gains nothing, and changes the last digits


# %%
def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def parameters(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


# %%
def error_of(net: nn.Module, group: Group, x: Tensor) -> str:
    """Whether it is exact under the whole group, after everything that starts as equal has been made unequal."""
    moved = net.double().eval()
    make_unequal(moved, torch.Generator().manual_seed(0))
    with torch.no_grad():
        error = equivariance_error(moved, group, x).error
    return "exact" if error < 1e-10 else "broken"


# %% [markdown]
# ## 1 One function for seven rows
#
# The networks for rotated MNIST in the paper of notebook 06 have one layout. Seven convolutions without padding: the lift and five more of 3 × 3, the last of 4 × 4, each with
# w output channels, norm and ReLU; a 2 × 2 max pool after the second; at the end the maximum over the group, and (unlike P4CNN in notebook 04) a linear layer. So 28 pixels become 26, 24, 12, 10, 8, 6, 4, 1.
#
# Three things differ from row to row: the group, the width, and the kind of the hidden convolutions. So they are arguments. (`*norm_relu(group, channels)` puts a batch norm and a ReLU in a list of layers.)
#
# <details><summary>Predict first: which of the parts must know the group, and which need not?</summary>
#
# Convolutions, norms and the maximum over the group must. ReLU acts on each value, the 2 × 2 pool on each sheet alone (ours takes the group only to check that its windows fit),
# and the linear layer comes after the group is gone.
#
# </details>


# %%
@exercise
def p4cnn_linear(
    group: Group = C4, width: int = 10, classes: int = 10, conv: Callable[..., nn.Module] = GroupConv2d
) -> EquivariantSequential:
    """(B, 1, 28, 28) → (B, classes), as described above. The lift is `LiftingConv2d(group, 1, width, 3)`, the others
    are made by `conv(group, width, width, size)`.
    """
    ...


# %% [markdown]
# <!-- help: p4cnn_linear -->
#
# Call it with every group, and with three kinds of layers. Nothing else changes.

# %%
kinds = {"full": GroupConv2d, "g": GSeparableConv2d, "gc": GCSeparableConv2d}
for group in ALL_GROUPS:
    for kind, conv in kinds.items():
        net = p4cnn_linear(group, 4, 10, conv)
        result = f"{parameters(net):,} parameters, {error_of(net, group, noise(1, 1, 28, 28))}"
        print(f"{group} {kind}: {result}", end="\n" if kind == "gc" else "; ")

# %% [markdown]
# Eighteen networks, all exactly invariant under their group. An ordinary CNN is the first row: C1 has one element, the identity, and one sheet.
#
# ## 2 How wide?
#
# Equal width is no fair comparison: with |H| sheets, a filter on the group has |H| times as many weights.
#
# <details><summary>Predict first: Z2CNN has 20 channels. How many should P4CNN have, to have about as many parameters? And a network on D4?</summary>
#
# A hidden layer has w²|H|k² weights. So w shrinks by √|H|: 20/2 = 10 on C4, and 20/√8 ≈ 7 on D4.
#
# </details>
#
# The rule of thumb is w/√|H|. But first layer, norms, and separable layers do not follow it. So search.


# %%
@exercise
def width_for(count: Callable[[int], int], wanted: float) -> int:
    """The width, 1 or more, at which count(width) is nearest to wanted; of two that are as near, the smaller.
    count grows with the width. Example: with count = 10·w² and wanted = 130 it is 4, as 160 is nearer than 90.
    """
    ...


# %% [markdown]
# <!-- help: width_for -->
#
# Solve for the widths of the published table: nothing is given but Z2CNN with 20 channels.

# %%
target = parameters(p4cnn_linear(C1, 20))
print(f"wanted: {target:,}, as Z2CNN with 20 channels")
for key in ("p4cnn", "g-p4cnn-17", "gc-p4cnn-30"):
    row = find(key)
    count = cache(lambda width, row=row: parameters(row.network(row.group, width, classes=10)))
    width = width_for(count, target)
    print(
        f"{row.name:<9} nearest: {width} channels with {count(width):,}; published: {row.width} channels, {row.parameters}"
    )

# %% [markdown]
# These three are the nearest possible. Others are not. All-CNN-C on CIFAR-10 has 96 channels, and the paper's p4m version 32:

# %%
count = cache(lambda width: parameters(models.allcnn(D4, width)))
wanted = parameters(models.allcnn(C1, 96))
nearest, published = width_for(count, wanted), find("p4m-all-cnn").width
print(
    f"96/√8 = {96 / 8**0.5:.1f}; nearest: {nearest}; published: {published}, which has {1 - count(published) / wanted:.0%} fewer"
)

# %% [markdown]
# So "the same number of parameters" may hide ten per cent. Here the disadvantage is on the side of p4m.
#
# ## 3 Half the map, two ways
#
# Networks for photographs halve their maps. The usual way is a convolution with stride 2. Notebook 05 has shown when that breaks: a padded 3 × 3 with stride 2 leaves a pixel over on even maps. The E4
# paper's code does it otherwise: convolve at full resolution, then pool 2 × 2.
#
# <details><summary>Predict first: which of the two is exact on 32 pixels? On 33? And what does the second one cost?</summary>
#
# Stride: exact on 33, not on 32. Pool: exact on 32, not on 33. With the pool, four times as many places are computed, so four times the operations of this layer.
#
# </details>


# %%
@exercise
def same_conv(
    conv: Conv,
    group: Group,
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    stride: int = 1,
    pool: Pool | None = None,
    **options: Any,
) -> nn.Module:
    """A convolution `conv(group, in_channels, out_channels, kernel_size, padding=…, **options)`, padded by half of its
    kernel. Without a pool, a stride above 1 goes to the convolution (with `allow_approximate=True`). With a pool, the
    convolution runs at full resolution, and `pool(group, stride)` follows.
    """
    ...


# %% [markdown]
# <!-- help: same_conv -->

# %%
for name, pool in {"strided": None, "full, then max pool": SpatialMaxPool2d}.items():
    layer = same_conv(GroupConv2d, C4, 3, 3, 3, stride=2, pool=pool).double()
    macs = executed_macs(layer, noise(1, 3, 4, 32, 32))
    print(f"{name:<20} {macs:9,} operations on 32 pixels; {error_of(layer, C4, noise(1, 3, 4, 32, 32))}")

# %%
try:
    layer(noise(1, 3, 4, 33, 33))
except ValueError as error:
    print("the pool on 33 pixels:", str(error)[:90], "…")

# %% [markdown]
# ## 4 A residual block
#
# A **residual block** (He et al., 2016) adds something to its input instead of replacing it. F is the *branch*, S the *shortcut*, most often the identity, σ a ReLU or nothing:
#
# $$B(f) = \sigma\big(F(f) + S(f)\big)$$
#
# Is it equivariant? $L_g$ only moves values to other places and sheets, so it respects sums, and σ acts on each value alone:
#
# $$B(L_g f) = \sigma\big(F(L_g f) + S(L_g f)\big) = \sigma\big(L_g F(f) + L_g S(f)\big) = L_g B(f)$$
#
# The second step needs F *and* S. Hold on to that.
#
# The block of ResNet18: the branch is a 3 × 3 convolution, dropout, norm, ReLU, a second layer, norm. The second layer is an argument: another 3 × 3, or an E4 layer. Where the map is halved (`stride` 2), the first
# convolution does it, and the shortcut is a 1 × 1 convolution that does the same, with norm.


# %%
@exercise
def basic_block(
    group: Group, here: int, there: int, stride: int, second: Layer, dropout: float, exact: bool
) -> Residual:
    """(B, here, |H|, Y, X) → (B, there, |H|, Y/stride, X/stride): `Residual(branch, shortcut, nn.ReLU())`.
    No convolution has a bias; `second(group, there, there)` makes the second layer, `nn.Dropout(dropout)` the dropout.
    If exact, maps are halved with SpatialMaxPool2d, else by stride. With stride 1 the shortcut is `nn.Identity()`.
    """
    ...


# %% [markdown]
# <!-- help: basic_block -->
#
# **Break it on purpose.** The branch pools, but the shortcut keeps its stride. The shortcut is 1 × 1, it does not even look at its neighbors. What can go wrong?
#
# <details><summary>Predict first…</summary>
#
# Everything. With stride 2 it takes the pixels 0, 2, 4, … and leaves 1, 3, 5, … After a half turn it takes the others.
#
# </details>

# %%
conv3x3 = partial(GroupConv2d, kernel_size=3, padding="same", bias=False)
block = basic_block(C4, 3, 6, 2, conv3x3, 0.2, exact=True)
x = noise(1, 3, 4, 16, 16)
print("branch and shortcut pooled:", error_of(block, C4, x))
strided = same_conv(GroupConv2d, C4, 3, 6, 1, stride=2, bias=False)
print("shortcut strided:          ", error_of(Residual(block.branch, strided, nn.ReLU()), C4, x))

# %% [markdown]
# ### The whole network
#
# ResNet18: a lift, four stages of two blocks with w, 2w, 4w and 8w channels, the maximum over the group, the mean over space, a linear layer. From the second stage on the first block halves the map.


# %%
def resnet(
    group: Group, width: int, second: Layer = conv3x3, exact: bool = True, head: list | None = None
) -> nn.Module:
    """(B, 3, Y, X) → (B, 10), from your blocks"""
    layers = [LiftingConv2d(group, 3, width, 3, padding=1, bias=False), *norm_relu(group, width)]
    here = width
    for stage in range(4):
        for block in range(2):
            there, stride = width * 2**stage, 2 if stage and not block else 1
            layers.append(basic_block(group, here, there, stride, second, 0.2, exact))
            here = there
    usual = [GroupMaxPool(group), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(here, 10)]
    return EquivariantSequential(*layers, *(head or usual))


# %%
def same_weights(source: nn.Module, target: nn.Module) -> None:
    for a, b in zip(source.state_dict().values(), target.state_dict().values(), strict=True):
        b.copy_(a)


# %%
yours, library = resnet(C4, 4).double().eval(), models.resnet18(C4, 4).double().eval()
same_weights(library, yours)
image = noise(1, 3, 32, 32)
print("yours equals the library's:", relative_error(yours(image), library(image)) < 1e-12)

# %% [markdown]
# Now group and layer are arguments of a whole ResNet. At the published width of 64 channels on C1 it has 11,173,962 parameters; here a narrow one:

# %%
gc3x3 = partial(GCSeparableConv2d, kernel_size=3, padding="same", bias=False)
for name, second in {"3×3": conv3x3, "gc 3×3": gc3x3}.items():
    for group, width in ((C1, 8), (C4, 4), (D4, 3)):
        net = resnet(group, width, second)
        macs = executed_macs(net, image)
        print(
            f"{name:<7} {group}, {width} channels: {parameters(net):7,} parameters, {macs / 1e6:5.1f}M operations, {error_of(net, group, image)}"
        )

# %% [markdown]
# All exact, at 32 pixels. Compare C1 and C4 with 3 × 3: about as many parameters, but four times the operations. That is no accident. For each layer, with the pixels of its output:
#
# $$\text{operations} \approx \text{weights} \cdot |H| \cdot \text{pixels}$$
#
# At equal parameters, |H| times the operations.
#
# ## 5 The end of the network
#
# The p4m-ResNet44 of Cohen and Welling ends otherwise: it takes means over space, *flattens* channels and sheets, and has a linear layer on all C·|H| numbers.


# %%
@exercise
def mean_head(group: Group, channels: int, classes: int, exact: bool) -> list[nn.Module]:
    """Layers from maps (B, C, |H|, Y, X) to scores (B, classes). If exact: the mean over group and space, then a linear
    layer. Else: the mean over space alone, C and |H| flattened in this order, and a linear layer on C·|H| numbers.
    """
    ...


# %% [markdown]
# <!-- help: mean_head -->
#
# <details><summary>Predict first: all maps are exactly equivariant, and the head flattens. What does a quarter turn do to the scores? Can training mend it?</summary>
#
# The |H| means of a channel change places, and each meets another weight: other scores. Training could make those weights equal; nothing forces it to.
#
# </details>

# %%
for exact in (True, False):
    net = resnet(D4, 2, head=mean_head(D4, 16, 10, exact))
    print(
        f"mean over the group: {exact!s:<5} scores under D4: {error_of(net, D4, image)}; weights of the head: {16 * (1 if exact else 8) * 10:,}"
    )

# %% [markdown]
# A photograph of a dog upside down is rare. So a head that can tell orientations apart may be a wise choice. But then the network is no longer invariant, and "p4m" describes its hidden layers alone.
#
# ## 6 The tables
#
# All rows of the papers are data in `course_lib.experiments`: a function, a group, a width, a recipe, and the published numbers. The counts below are computed now, from the networks; "=" means equal at the printed rounding. Where they differ, the reason stands
# below the table, or that we know none.
#
# ### A. Rotated MNIST: P4CNN and its separable relatives

# %%
Markdown(table_markdown("rotated-mnist"))

# %% [markdown]
# ### B. CIFAR-10: All-CNN-C and ResNet44
#
# Here without the rows that differ in their data alone. Three widths are those of the three stages.

# %%
Markdown(table_markdown("cifar10", only=lambda row: "+" not in row.key and "-20" not in row.key))

# %% [markdown]
# ### C. E4: rotated MNIST, and ResNet18
#
# Look for the rows without "=". Not one row of E4-Net fits. Notebook 08 tells what is known of that.

# %%
Markdown(table_markdown("e4-rotated-mnist", only=lambda row: "concat" not in row.key))

# %%
Markdown(table_markdown("e4-cifar", only=lambda row: row.recipe.dataset == "cifar10"))

# %% [markdown]
# ### D. Affine self convolution: ResNet29
#
# CIFAR-10 alone, without ResNet83, for which no numbers are printed. All rows of all tables: `python -m course_lib counts asc`.

# %%
Markdown(table_markdown("asc", only=lambda row: "29" in row.key and row.recipe.dataset == "cifar10"))

# %% [markdown]
# ## 7 Which published networks are exact?
#
# Each network is built narrow, in float64, its gains, biases and statistics, which start as equal, are made unequal, and every element of its group transforms two images of noise of the published size. (Exactness does not depend on the width.) Parameters and operations are those of the full network.
#
# <details><summary>Predict first: which of P4CNN, p4 All-CNN, p4m-ResNet44, E4-Net, p4-R18 and p4-ResNet29 will be exact?</summary>
#
# P4CNN, E4-Net (with our norm; as released it is not) and p4-R18. The three others have strided convolutions on even maps, and ResNet44 has the flattening head besides.
#
# </details>

# %%
chosen = ["p4cnn", "gc-p4cnn", "p4-all-cnn", "p4m-resnet44-cohen", "e4net", "p4-r18", "p4-resnet29", "p4-resnet29-asc"]
reports = [exactness_markdown(table, lambda row: row.key in chosen) for table in TABLES]
lines = [line for report in reports for line in report.splitlines() if line.startswith("|")]
Markdown("\n".join(dict.fromkeys(lines)))  # one heading for all

# %% [markdown]
# "Exact" means an error of rounding alone, below 1e-10. The others are off by 4 to some 10 per cent, on noise; how far depends on the weights. Their published errors are those of *nearly* equivariant networks. The **exact variant** costs no parameters to speak of. It costs operations:
# nearly half as much again where much of the work lies in the layers that halve (All-CNN), 30 per cent in p4ResNet29, little where they are few among many (ResNet44).
#
# ## 8 Error against cost
#
# Now the published errors. On rotated MNIST: against our counts of parameters and operations (with aggregation); for two networks that the E4 paper quotes, against the printed ones.


# %%
def cost(key: str, label: str = "") -> Cost:
    row = find(key)
    counts = row.counts()
    return Cost(label, row.error, counts.parameters, counts.executed + counts.aggregation, row.deviation)


quoted = {
    line.name: Cost(line.name, line.figure, line.parameters, line.macs, line.deviation)
    for line in TABLES["e4-rotated-mnist"].quoted
}
families = {
    "ordinary": [cost("z2cnn", "Z2CNN"), cost("c-z2cnn", "c-Z2CNN")],
    "p4, full": [cost("p4cnn", "P4CNN")],
    "p4, separable": [
        cost(f"{k}-p4cnn{w}", f"{k}{w}") for k, w in (("g", ""), ("gc", ""), ("g", "-17"), ("gc", "-30"))
    ],
    "p4, E4": [cost("e4net", "E4-Net"), cost("e4net-large", "Large"), cost("e4net-r4", "r=4")],
    "quoted": [quoted[name] for name in ("p4_CNN", "α-P4CNN")],
}
error_against_cost(families)

# %% [markdown]
# Lower is better, left is cheaper. Left panel: at some 25,000 parameters p4 more than halves the error of an ordinary network, and separable layers go below that; E4 lies lowest, two of the three with fewer. Right panel: these gains cost operations, but not all: gc with 10 channels is *left of and below* Z2CNN.
#
# Do not read E4 against the rest too closely: another recipe, another paper. Section 11 comes back to that. On CIFAR-10, each line joins networks of one paper, from ordinary to p4 or p4m, then to another layer (gc, E4, ASC):

# %%
lines = {
    "All-CNN-C": {"all-cnn": "Z²", "p4-all-cnn": "p4", "p4m-all-cnn": "p4m"},
    "ResNet44, 2016": {"resnet44-cohen": "Z²", "p4m-resnet44-cohen": "p4m"},
    "ResNet44, 2021": {"resnet44": "Z²", "p4m-resnet44": "p4m", "gc-p4m-resnet44": "gc"},
    "ResNet18": {"r18": "Z²", "p4-r18": "p4", "p4m-r18": "p4m", "p4m-e4r18": "E4"},
    "ResNet29": {"resnet29": "Z²", "p4-resnet29": "p4", "p4-resnet29-asc": "ASC"},
}
error_against_cost({name: [cost(*pair) for pair in points.items()] for name, points in lines.items()}, join=True)

# %% [markdown]
# In the left panel the lines fall steeply: same parameters, smaller error. In the right panel the same gains are bought with operations. And look where the lines *start*, at ordinary networks: ResNet44 of 2016 and of 2021 are the same network, up to biases and norms, without augmentation, and 3.65 points apart. (ResNet29 was augmented, the others not.) Between papers, the recipe
# matters as much as the group does.
#
# ## 9 "When does it cost too much?"
#
# Pairs from one paper and, but for Z2CNN's 300 epochs, one recipe: parameters and operations of the second, as multiples of the first, and the published errors.

# %%
pairs = ["z2cnn p4cnn", "z2cnn gc-p4cnn", "z2cnn gc-p4cnn-30", "all-cnn p4m-all-cnn", "resnet44 p4m-resnet44"]
pairs += ["resnet44 gc-p4m-resnet44", "r18 p4-r18", "r18 p4m-r18", "r18 p4m-e4r18", "resnet29 p4-resnet29"]
for pair in pairs:
    a, b = (cost(key) for key in pair.split())
    more = f"{b.parameters / a.parameters:4.2f} × parameters, {b.operations / a.operations:5.2f} × operations"
    print(f"{pair.replace(' ', ' → '):<26} {more}, error {a.error:5.2f} → {b.error:4.2f}: {b.error / a.error:.2f} ×")

# %% [markdown]
# An honest answer:
#
# - At equal parameters, expect |H| times the operations: four for p4, eight for p4m, and more where maps are halved exactly or 1 × 1 steps run on larger maps.
# - If operations are your limit, or memory (maps hold √|H| times as many values), that is too much, unless you make the network smaller. The small gc-P4CNN has a seventh of the parameters, fewer operations, and little more than half of the error.
# - What nobody printed: an ordinary network with as many *operations* as p4m has. Ten times the operations would also buy a larger ordinary network. From these tables we cannot say how much better that would be.
# - Operations are not seconds. Measure on your machine: `python -m course_lib bench`.
#
# ## 10 "Do I need equivariance, or is augmentation enough?"
#
# Augmentation shows the network altered copies of its images. CIFAR-10+ is CIFAR-10 with flips and shifts.
#
# <details><summary>Predict first: p4m knows mirrors by itself. Does augmentation help it less than the ordinary network?</summary>
#
# For ResNet44, yes, by far. For All-CNN, hardly: 0.55 points, against 0.58.
#
# </details>

# %%
for plain, p4m in (("all-cnn", "p4m-all-cnn"), ("resnet44-cohen", "p4m-resnet44-cohen"), ("resnet44", "p4m-resnet44")):
    before = [find(key).error for key in (plain, p4m)]
    after = [find(f"{key}+").error for key in (plain, p4m)]
    print(
        f"{plain:<15} augmentation gains {before[0] - after[0]:.2f} (Z²) and {before[1] - after[1]:.2f} (p4m); ", end=""
    )
    print(f"p4m gains {before[0] - before[1]:.2f} without it, {after[0] - after[1]:.2f} with it")
# %%
z2, p4 = find("z2cnn"), find("p4cnn")
print(f"rotated MNIST, all trained with {z2.recipe.augmentation[0]}: Z2CNN {z2.error}, P4CNN {p4.error}")

# %% [markdown]
# - **The two may overlap.** For ResNet44 the gain of p4m shrinks with augmentation, to less than a half, and does not vanish. For All-CNN it stays as it is.
# - **On rotated MNIST augmentation is not enough**, at this size. Both networks see random rotations of every image, and P4CNN has less than half of the errors.
# - **With little data the layer matters more.** With 1,000 images per class p4m-E4R18 is 5.22 points ahead of p4m-R18, with 5,000 it is 0.87 (printed in the E4 paper): both are equivariant, so this says nothing of equivariance.
# - **A guarantee is something else than a small error.** Augmentation teaches invariance where the data is (notebook 05, section 8).
#
# If your images have no preferred orientation, take both. If they have one, as photographs do, a small group in the hidden layers and a head of your choice is a cautious choice. And if your network is large, your data plenty and well augmented, these tables promise you little.
#
# ## 11 What is a published figure?
#
# "1.29 ± 0.023" is the end of a long recipe. Here they are side by side, from `row.recipe`.

# %%
heading = ("row", "images: training, validation, test", "epochs", "augmentation", "seeds", "note")
lines = []
for key in ("z2cnn", "p4cnn", "resnet44-cohen", "resnet44", "e4net", "r18", "resnet29"):
    recipe = find(key).recipe
    images = f"{recipe.train:,}, {recipe.validation:,}, {recipe.test:,}"
    lines.append(
        [key, images, str(recipe.epochs), ", ".join(recipe.augmentation) or "none", str(recipe.seeds), recipe.note]
    )
Markdown(pipe_table(heading, lines))

# %% [markdown]
# After how many epochs is the figure taken? There are three habits: the **last** epoch; the epoch that was best on *validation* images; and the epoch that was best on the *test* images.


# %%
@exercise
def reported_error(validation: Sequence[float], test: Sequence[float], report: Report) -> float:
    """The test error that is reported, given both errors after every epoch. report is "last epoch", "best validation
    epoch" or "best test epoch"; best is the smallest, the first of equals.
    """
    ...


# %% [markdown]
# <!-- help: reported_error -->
#
# The third habit has looked at the answers. How much does it shift? Measure: a small p4 network on our 1,029 rotated digits, 14 × 14 pixels, and after each epoch both errors. (The optimizer starts anew in every epoch, as it does in the released E4 code.)


# %%
def small_net() -> nn.Module:
    layers = [LiftingConv2d(C4, 1, 4, 3), *norm_relu(C4, 4), SpatialMaxPool2d(C4, 2)]
    layers += [GroupConv2d(C4, 4, 8, 3), *norm_relu(C4, 8), GroupConv2d(C4, 8, 10, 4), GlobalMaxPool(C4)]
    return EquivariantSequential(*layers).double()


# %%
digits = load_digits(rotated=True, size=14)
curves = {"validation": [[], []], "test": [[], []]}  # two seeds
for seed in (0, 1):
    seed_everything(seed)
    net = small_net()
    for epoch in tqdm(range(15)):
        config = TrainConfig(epochs=1, batch_size=64, learning_rate=0.02, seed=100 * seed + epoch)
        train(net, digits.train, config, device="cpu")
        for name, errors in curves.items():
            errors[seed].append(100 - 100 * evaluate(net, getattr(digits, name)))
learning_curves(curves, ylabel="error, in %")

# %%
for report in ("last epoch", "best validation epoch", "best test epoch"):
    errors = [reported_error(*both, report) for both in zip(*curves.values(), strict=True)]
    print(f"{report:<22}", ", ".join(f"{error:.1f} %" for error in errors))

# %% [markdown]
# (The test digits are from other forms, and harder: notebook 04. The bands reach from one seed to the other.) By definition the best test epoch is never behind. Against the best validation epoch it promises almost three points too little for one seed, and no less for the other. How far a single run is shifted is chance; the mean over many is always shifted down. The shift is
# the larger, the more the error wavers from epoch to epoch and the smaller the test set is: here the learning rate stays high to the end, and there are 510 images. In the E4 paper the learning rate falls, and there are 50,000. So there the shift should be much smaller; how large it is,
# nobody can tell from outside. Next to the rows of papers that report the last epoch, it is on the side of E4.
#
# ### How sure is a gap?
#
# Rows are means over n seeds, with a standard deviation s over the seeds. The mean itself varies less than one run. The **standard error** of the difference of two means:
#
# $$\sqrt{\frac{s_a^2}{n} + \frac{s_b^2}{n}}$$


# %%
@exercise
def gap_uncertainty(deviation_a: float, deviation_b: float, seeds: int) -> float:
    """The standard error of the difference of two means over so many seeds each. Example: (3, 4, 1) gives 5."""
    ...


# %% [markdown]
# <!-- help: gap_uncertainty -->
#
# A gap of less than two standard errors may well be chance.
#
# <details><summary>Predict first: 91.24 ± 0.32 against 91.18 ± 0.34, eight seeds each. Is ASC better than convolution?</summary>
#
# The gap is 0.06, its standard error 0.17. These runs show no difference; a small one, either way, may be there.
#
# </details>

# %%
pairs = ["p4cnn gc-p4cnn-30", "e4net e4net-large", "e4net e4net-s4", "e4net e4net-k7"]
for pair in [*pairs, "p4m-r18 p4m-e4r18", "resnet29 resnet29-asc", "p4-resnet29 p4-resnet29-asc"]:
    a, b = (find(key) for key in pair.split())
    gap, sure = a.error - b.error, gap_uncertainty(a.deviation, b.deviation, a.recipe.seeds)
    print(f"{pair.replace(' ', ' → '):<30} {gap:5.2f} ± {sure:.2f}: {gap / sure:4.1f} standard errors")

# %% [markdown]
# Some gaps are beyond doubt, some are none. And the formula knows of seeds alone. It does not know
# - that all runs share one test set: with 10,000 images an error of 5 % is uncertain by √(0.05 · 0.95 / 10,000) ≈ 0.2 points, of which a comparison on the same images feels only a part;
# - who was tuned for longer, and on which images the choices were made. Where the table above says 0 validation images, the final runs had none; on what the settings were chosen before, not every paper says;
# - that settings which did not work are not in the table.
#
# **Why can I not reproduce the paper's figure?** Go through this list: which epoch, which images, which augmentation, how many seeds, which width, exact or strided. Lengyel and van Gemert did not reach the 9.45 % of ResNet44 either; they printed their own 13.10 % beside their own results. That is the way to do it: compare within one recipe.
#
# Our runs in notebook 11 hold out validation images, read the test set once, after the last epoch, and store every epoch.
#
# ## What you have built

# %%
from course_lib.models.blocks import same_conv as library_conv
from course_lib.models.resnet18 import basic_block as library_block
from course_lib.models.resnet44 import mean_head as library_head


def agree(yours: nn.Module, library: nn.Module, x: Tensor) -> None:
    yours, library = yours.double().eval(), library.double().eval()
    same_weights(library, yours)
    torch.testing.assert_close(yours(x), library(x))


for group in (C1, C4, D4):
    x = noise(2, 2, group.order, 8, 8)
    agree(p4cnn_linear(group, 2), models.p4cnn_linear(group, 2), noise(2, 1, 28, 28))
    for exact in (True, False):
        arguments = group, 2, 4, 2, conv3x3, 0.2, exact
        agree(basic_block(*arguments), library_block(*arguments), x)
        heads = (nn.Sequential(*head(group, 2, 10, exact)) for head in (mean_head, library_head))
        agree(*heads, x)
    arguments = GroupConv2d, group, 2, 3, 3, 2, SpatialMaxPool2d
    agree(same_conv(*arguments), library_conv(*arguments), x)
assert width_for(lambda w: 7 * w * w + 3, 1000) == widths.width_for(lambda w: 7 * w * w + 3, 1000)
for report in ("last epoch", "best validation epoch", "best test epoch"):
    both = curves["validation"][0], curves["test"][0]
    assert reported_error(*both, report) == protocol.reported_error(*both, report)
assert abs(gap_uncertainty(1, 2, 7) - protocol.gap_uncertainty(1, 2, 7)) < 1e-12
print("All seven functions agree with the library.")

# %%
progress("10")

# %% [markdown]
# ## Recap
#
# - A network is a function of a group, a width and a kind of layer. C1 gives the ordinary one.
# - Equal parameters: widths shrink by √|H|, operations grow by |H|. Solve for the width, and say what is left over.
# - A sum is equivariant if *all* its terms are: branch and shortcut must halve the map in an exact way. A flattening head ends the invariance.
# - Several published "equivariant" networks are nearly so, at 32 pixels. The exact variants cost operations, hardly any parameters.
# - Compare within one recipe; ask which epoch; divide a gap by its standard error.
#
# **Now in `course_lib`:** `from course_lib.models import p4cnn_linear, allcnn, resnet18, resnet44, bottleneck_resnet, e4net` · `from course_lib.experiments import TABLES, find, table_markdown` · `python -m course_lib counts rotated-mnist`
#
# **Further reading:** K. He and others, *Deep Residual Learning for Image Recognition*, 2016; X. Bouthillier and others, *Accounting for Variance in Machine Learning Benchmarks*, 2021.
#
# **Next:** notebook 11 writes the training loop, and fills these tables with runs of our own.
