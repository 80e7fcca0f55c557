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
# "Under the setting of training on 1/5 data of CIFAR10, our model improves G-CNNs by 5%+ accuracy, while using only 56% parameters and 68%FLOPs" (from the abstract of the E4 paper). Sentences like this one decide which layer people use. Can you believe it, and what would you have to check?
#
# You have all the layers. In this notebook you build two published networks from them, with the group as an argument. Then you look at what four papers say about their networks: how many parameters they have, what they cost, whether they are equivariant at all, and how certain the differences between them are.
#
# **You will be able to**
# - write a network once, and get its ordinary, p4 and p4m versions by changing an argument;
# - choose widths so that networks can be compared;
# - build a residual network that is exactly equivariant, and tell which published ones are not;
# - read the published tables: counts, costs, protocols, and how certain a gap is.
#
# **What you need before:** notebooks 04 to 06 (P4CNN, sizes that fit, counting). 08 and 09 help with two of the tables.
#
# **Time:** about 95 minutes, with seven exercises. **Hardware:** any laptop, no GPU, no internet.

# %%
from collections.abc import Callable, Sequence
from functools import cache, partial

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
    GlobalMaxPool,
    GroupBatchNorm,  # noqa: F401, for exercise 10.3
    GroupConv2d,
    GroupMaxPool,
    GSeparableConv2d,
    LiftingConv2d,
    SpatialMaxPool2d,
)
from course_lib.models import widths
from course_lib.models.blocks import Layer, Residual, norm_relu, same_conv
from course_lib.models.resnet44 import mean_head
from course_lib.training import TrainConfig, evaluate, seed_everything, train

torch.set_num_threads(1)  # on networks this small a second thread gains nothing, and changes the last digits


# %%
def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def parameters(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


# %%
def error_of(net: nn.Module, group: Group, x: Tensor) -> str:
    """Whether it is exact under the whole group, once all parameters that start as equal have been made unequal."""
    moved = net.double().eval()
    make_unequal(moved, torch.Generator().manual_seed(0))
    with torch.no_grad():
        error = equivariance_error(moved, group, x).error
    return "exact" if error < 1e-10 else "broken"


# %% [markdown]
# ## 1 One function for seven rows
#
# The paper of notebook 06 has seven networks for rotated MNIST, and all of them have the same layout:
# - seven convolutions without padding, each with w output channels, norm and ReLU: the lift and five more with 3 × 3 kernels, the last with a 4 × 4 kernel;
# - a 2 × 2 max pool after the second convolution;
# - at the end, the maximum over the group and (unlike P4CNN in notebook 04) a linear layer.
#
# So a digit of 28 pixels shrinks to 26, 24, 12 (the pool), 10, 8, 6, 4 and finally 1 pixel.
#
# Three things differ from row to row: the group, the width, and the kind of the hidden convolutions. So these are the arguments of your function. (`*norm_relu(group, channels)` puts a batch norm and a ReLU into a list of layers.)
#
# <details><summary>Predict first: which of the parts must know the group, and which need not?</summary>
#
# Convolutions, norms and the maximum over the group must know it. ReLU acts on each value separately, and the 2 × 2 pool on each sheet separately (ours takes the group only to check that its windows fit). The linear layer comes after the sheets are gone.
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
# These are eighteen networks, all of them exactly invariant under their group. The first one is an ordinary CNN: C1 has only one element, the identity, and so only one sheet.
#
# ## 2 How wide?
#
# Networks of equal width are not a fair comparison, because a filter on the group has |H| times as many weights.
#
# <details><summary>Predict first: Z2CNN has 20 channels. How many should P4CNN have to get about as many parameters? And a network on D4?</summary>
#
# A hidden layer has w²|H|k² weights. To keep this constant, w must shrink by √|H|: 20/2 = 10 on C4, and 20/√8 ≈ 7 on D4.
#
# </details>
#
# A hidden layer has w²|H|k² weights, so the rule of thumb is w/√|H|. But the first layer, the norms and separable layers do not follow it. Search for the best width instead.


# %%
@exercise
def width_for(count: Callable[[int], int], wanted: float) -> int:
    """The width, 1 or more, for which count(width) is nearest to wanted; if two are equally near, the smaller one.
    count grows with the width. Example: with count = 10·w² and wanted = 130 it is 4, since 160 is nearer than 90.
    """
    ...


# %% [markdown]
# <!-- help: width_for -->
#
# Now find the widths of the published table from a single number, Z2CNN's 20 channels:

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
# These three are the nearest widths possible. Others are not. All-CNN-C on CIFAR-10 begins with 96 channels, and Cohen and Welling's p4m version of it with 32:

# %%
count = cache(lambda width: parameters(models.allcnn(D4, width)))
wanted = parameters(models.allcnn(C1, 96))
nearest, published = width_for(count, wanted), find("p4m-all-cnn").width
print(
    f"96/√8 = {96 / 8**0.5:.1f}; nearest: {nearest}; published: {published}, which has {1 - count(published) / wanted:.0%} fewer"
)

# %% [markdown]
# So "the same number of parameters" may hide a difference of ten percent. In this case it puts p4m at a disadvantage.
#
# ## 3 Half the map, two ways
#
# Networks for photographs halve their maps several times. The usual way is a convolution with stride 2. Notebook 05 showed when that breaks equivariance: a padded 3 × 3 convolution with stride 2 leaves one pixel over on even maps. The code of the E4 paper does it differently: convolve at full resolution, then pool 2 × 2. The function
# `same_conv(conv, group, in_channels, out_channels, kernel_size, stride, pool)` of `course_lib.models.blocks` makes both: without a `pool` the convolution is strided, and with one it runs at full resolution and is pooled afterwards. (With stride 1 the map keeps its size, whatever the `pool`.)
#
# <details><summary>Predict first: which of the two is exact on 32 pixels? On 33? And what does the second one cost?</summary>
#
# The stride is exact on 33 pixels, not on 32. The pool is exact on 32, not on 33. With the pool, the convolution is computed at four times as many places, so this layer takes four times as many operations.
#
# </details>

# %%
for name, pool in {"strided": None, "full, then max pool": SpatialMaxPool2d}.items():
    layer = same_conv(GroupConv2d, C4, 3, 3, 3, stride=2, pool=pool).double()
    macs = executed_macs(layer, noise(1, 3, 4, 32, 32))
    print(f"{name:<20} {macs:9,} operations on 32 pixels; {error_of(layer, C4, noise(1, 3, 4, 32, 32))}")

# %%
try:  # our layers refuse what would not be exact
    layer(noise(1, 3, 4, 33, 33))
except ValueError as error:
    print("the pool on 33 pixels:", str(error)[:90], "…")

# %% [markdown]
# ## 4 A residual block
#
# A **residual block** (He et al., 2016) adds something to its input instead of replacing it. Call F the *branch*, S the *shortcut* (most often the identity), and σ a ReLU or nothing:
#
# $$B(f) = \sigma\big(F(f) + S(f)\big)$$
#
# Is that equivariant? $L_g$ only moves values to other places and sheets. So moving a sum is the same as adding what was moved, and σ, which acts on each value separately, does not care where a value is:
#
# $$B(L_g f) = \sigma\big(F(L_g f) + S(L_g f)\big) = \sigma\big(L_g F(f) + L_g S(f)\big) = L_g B(f)$$
#
# **In plain words:** the block is equivariant if *both* its branch and its shortcut are. Keep the word *both* in mind.
#
# In the ResNet18 of the E4 paper, the branch is a 3 × 3 convolution, dropout, a norm, ReLU, a second layer, and another norm. The second layer is an argument: another 3 × 3 convolution, or an E4 layer. Where the map is halved (`stride` 2), the first convolution does it, and the shortcut is a 1 × 1 convolution that halves the map as well, followed by a norm.


# %%
@exercise
def basic_block(
    group: Group, in_channels: int, out_channels: int, stride: int, second: Layer, dropout: float, exact: bool
) -> Residual:
    """(B, in_channels, |H|, Y, X) → (B, out_channels, |H|, Y/stride, X/stride): `Residual(branch, shortcut, nn.ReLU())`.
    No convolution has a bias; `second(group, out_channels, out_channels)` makes the second layer, and
    `nn.Dropout(dropout)` the dropout.
    If exact, maps are halved with SpatialMaxPool2d, else by stride. With stride 1 the shortcut is `nn.Identity()`.
    """
    ...


# %% [markdown]
# <!-- help: basic_block -->
#
# **Break it on purpose.** Let the branch pool, but let the shortcut keep its stride. After all, the shortcut is a 1 × 1 convolution: at each pixel it looks at this pixel only.
#
# <details><summary>Predict first: is this block equivariant? If not, what breaks it?</summary>
#
# With stride 2 the shortcut takes the pixels 0, 2, 4, … and skips 1, 3, 5, … On an even map, after a half turn, it takes only pixels that it skipped before. So the shortcut is not equivariant, and neither is the block.
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
# ResNet18 is a lift, four stages of two blocks each, with w, 2w, 4w and 8w channels, the maximum over the group, the mean over space, and a linear layer. From the second stage on, the first block of each stage halves the map.


# %%
def resnet(
    group: Group, width: int, second: Layer = conv3x3, exact: bool = True, head: list | None = None
) -> nn.Module:
    """(B, 3, Y, X) → (B, 10), from your blocks"""
    layers = [LiftingConv2d(group, 3, width, 3, padding=1, bias=False), *norm_relu(group, width)]
    in_channels = width
    for stage in range(4):
        for block in range(2):
            out_channels, stride = width * 2**stage, 2 if stage and not block else 1
            layers.append(basic_block(group, in_channels, out_channels, stride, second, 0.2, exact))
            in_channels = out_channels
    usual = [GroupMaxPool(group), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(in_channels, 10)]
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
# Now the group and the layer are arguments of a whole ResNet. With the published 64 channels on C1 it has 11,173,962 parameters. Here are narrow ones:

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
# All of them are exact, at 32 pixels. Compare C1 and C4 with 3 × 3: about as many parameters, but four times the operations. There is a simple reason. In each layer, every weight is used once for each sheet and each pixel of the output:
#
# $$\text{operations} \approx \text{weights} \cdot |H| \cdot \text{pixels}$$
#
# **In plain words:** at equal parameters, a network on H takes |H| times the operations.
#
# ## 5 The end of the network
#
# The p4m-ResNet44 of Cohen and Welling ends in another way: it takes the mean over space only, *flattens* channels and sheets into C·|H| numbers, and applies a linear layer to all of them. `mean_head(group, channels, classes, exact)` of `course_lib.models.resnet44` makes this head, or, with `exact=True`, one that also takes the mean over the group.
#
# <details><summary>Predict first: suppose that all maps are exactly equivariant, and the head flattens. What does a quarter turn do to the scores? Can training fix it?</summary>
#
# The |H| means of a channel change places, and each of them meets a different weight. So the scores change. Training could make these weights equal, but nothing forces it to.
#
# </details>

# %%
for exact in (True, False):
    net = resnet(D4, 2, head=mean_head(D4, 16, 10, exact))
    print(
        f"mean over the group: {exact!s:<5} scores under D4: {error_of(net, D4, image)}; weights of the head: {16 * (1 if exact else 8) * 10:,}"
    )

# %% [markdown]
# Photographs of upside-down dogs are rare. So a head that can tell orientations apart may be a good choice. But such a network is no longer invariant, and the "p4m" in its name describes only its hidden layers.
#
# ## 6 The tables
#
# All rows of the papers are data in `course_lib.experiments`: a function, a group, a width, a recipe, and the published numbers. The counts in the following table are computed now, from the networks. The sign "=" means that a count equals the printed one after rounding.

# %%
Markdown(table_markdown("rotated-mnist"))

# %% [markdown]
# The tables of the other papers look alike: `python -m course_lib counts cifar10` (or `e4-rotated-mnist`, `e4-cifar`, `asc`, `steerable`, `rivals`) prints them. Here are only the rows whose parameters *differ* from the printed number by more than one percent:

# %%
for table in TABLES.values():
    for row in table.rows:
        printed, counted = row.parameters, row.counts().parameters
        if printed and not printed.agrees_with(counted) and abs(counted / printed - 1) > 0.01:
            print(
                f"{row.source:<32}{row.name:<24}printed {printed!s:>6}, counted {counted:>10,}: {counted / printed - 1:+.1%}"
            )

# %% [markdown]
# **Reading task.** In the first table all parameter counts agree with the printed ones. In which paper do they disagree by more than one percent, and which row would you not trust if you compared parameters? Why?
#
# <details><summary>Answer</summary>
#
# All rows are from the E4 paper, He et al. (2021). Those on rotated MNIST are all off in one direction, by a few hundred to about 1,100 weights. In every row but one, more than half of this is our own choice: we share the gains and biases of one norm over the sheets, and the released code does not (notebook 08, section 7). The rest looks like a small part that the paper does not mention. The row to distrust is p4-E4R18. Our count from the authors' own instructions is 9 % *above* the printed one, its operations are 10 % above, too, and no setting that we tried fits both. So we do not know which network was trained there.
#
# </details>

# %% [markdown]
# ## 7 Which published networks are exact?
#
# Look at the networks of six rows: P4CNN, p4 All-CNN, p4m-ResNet44, E4-Net as released, p4-R18 and p4-ResNet29. **Which of them are not exactly invariant under their group**, for images of the published size (28 × 28 digits, 32 × 32 photographs) and after training? You know everything that can break them: strides on even maps, a flattening head, gains that differ from sheet to sheet. Decide from the layers. `print(find(key).build())` shows them.


# %%
@exercise
def not_exact(keys: Sequence[str]) -> set[str]:
    """Those of the six rows that are not exact. The keys are "p4cnn", "p4-all-cnn", "p4m-resnet44-cohen",
    "e4net-released", "p4-r18" and "p4-resnet29"; you may simply return a set of some of them.
    """
    ...


# %% [markdown]
# <!-- help: not_exact -->
#
# Now measure. Each network is built narrow, in float64 (exactness does not depend on the width). All gains, biases and statistics that start as equal are made unequal, as training makes them. Then every element of the group transforms two images of noise. Parameters and operations are those of the full network.

# %%
chosen = ["p4cnn", "gc-p4cnn", "p4-all-cnn", "p4m-resnet44-cohen", "e4net", "p4-r18", "p4-resnet29", "p4-resnet29-asc"]
reports = [exactness_markdown(table, lambda row: row.key in chosen) for table in TABLES]
lines = [line for report in reports for line in report.splitlines() if line.startswith("|")]
Markdown("\n".join(dict.fromkeys(lines)))  # one heading for all

# %% [markdown]
# "Exact" means that only rounding is left, an error below 1e-10. The others are off by about 4 percent or more on noise; how much depends on the weights. So their published errors are those of *nearly* equivariant networks. E4-Net becomes exact with one gain for all sheets, as in our `e4net`. For each of the strided networks there is an **exact variant**, which pools instead (and in ResNet44 takes the mean over the group, too). It has the same number of parameters, or almost, but it takes more operations: nearly half as many again in All-CNN, where much of the work is in the layers that halve; 30 percent more in p4ResNet29; only 7 percent more in ResNet44, where these layers are few among many.
#
# ### Which rows may be compared?
#
# A recipe is data, too: `find("p4cnn").recipe`. Look for a trap. **Find two rows on the same data set that a reader could easily put side by side, and name something in their recipes that makes their errors incomparable.** There are many such pairs.


# %%
@exercise
def unfair_pair() -> tuple[str, str, str]:
    """Two keys and the name of a field of `Recipe` in which they differ, such as "epochs" or "augmentation"."""
    ...


# %% [markdown]
# <!-- help: unfair_pair -->
#
# ## 8 Error against cost
#
# Now look at the published errors, with this caution in mind. The first figure shows those on rotated MNIST, against our counts of parameters and of operations. (The operations include the weighted sums over neighbors in E4 and ASC.) For two networks that the E4 paper quotes, we use the printed counts.


# %%
def cost(key: str, label: str = "") -> Cost:
    row = find(key)
    counts = row.counts()
    return Cost(label, row.error, counts.parameters, counts.executed + counts.aggregation, row.deviation)


quoted = {
    line.name: Cost(line.name, line.percent, line.parameters, line.macs, line.deviation)
    for line in TABLES["e4-rotated-mnist"].quoted
}
families = {
    "ordinary": [cost("z2cnn", "Z2CNN"), cost("c-z2cnn", "c-Z2CNN")],
    "p4, full": [cost("p4cnn", "P4CNN")],
    "p4, separable": [
        cost(f"{k}-p4cnn{w}", f"{k}-P4CNN{w.replace('-', ', ')}")
        for k, w in (("g", ""), ("gc", ""), ("g", "-17"), ("gc", "-30"))
    ],
    "p4, E4": [cost("e4net", "E4-Net"), cost("e4net-large", "E4-Net, large"), cost("e4net-r4", "E4-Net, r = 4")],
    "quoted by the E4 paper": [quoted[name] for name in ("p4_CNN", "α-P4CNN")],
}
error_against_cost(families).captioned(
    "On rotated MNIST all networks on p4 make fewer errors than the ordinary ones, but most take more operations "
    "(17, 30: channels; r: reduction; bars: standard deviations)."
)

# %% [markdown]
# Lower is better, and further left is cheaper. *Left panel:* at some 25,000 parameters, p4 more than halves the error of an ordinary network, and separable layers go below that. The E4 networks have the lowest errors, two of the three with fewer than 20,000 parameters. *Right panel:* most of these gains cost operations, but not all of them. The gc network with 10 channels is *left of and below* Z2CNN: it is cheaper and better.
#
# Do not read E4 against the others too closely. It comes from another paper with another recipe; section 11 returns to that.
#
# On CIFAR-10, each line joins networks of one paper, from ordinary to p4 or p4m, and then to another layer (gc, E4, ASC):

# %%
lines = {
    "All-CNN-C": {"all-cnn": "Z²", "p4-all-cnn": "p4", "p4m-all-cnn": "p4m"},
    "ResNet44, 2016": {"resnet44-cohen": "Z²", "p4m-resnet44-cohen": "p4m"},
    "ResNet44, 2021": {"resnet44": "Z²", "p4m-resnet44": "p4m", "gc-p4m-resnet44": "gc"},
    "ResNet18": {"r18": "Z²", "p4-r18": "p4", "p4m-r18": "p4m", "p4m-e4r18": "E4"},
    "ResNet29": {"resnet29": "Z²", "p4-resnet29": "p4", "p4-resnet29-asc": "ASC"},
}
error_against_cost(
    {name: [cost(*pair) for pair in points.items()] for name, points in lines.items()},
    join=True,
    error="published error on CIFAR-10",
).captioned(
    "Along each line, one paper's networks: a group lowers the error but takes more operations. The last steps (gc, "
    "E4, ASC) are other layers on it (bars: standard deviations)."
)

# %% [markdown]
# In the left panel the lines fall steeply: with the same parameters, the error is smaller. In the right panel you see that these gains are paid for with operations. And look where the lines *start*, at the ordinary networks. ResNet44 of 2016 and ResNet44 of 2021 are the same network up to biases and norms, both without augmentation, and yet their errors are 3.65 points apart. (ResNet29 was augmented, the others were not.) Between papers, the recipe matters as much as the group does.
#
# ## 9 "When does it cost too much?"
#
# These pairs come from one paper each and, except for Z2CNN's 300 epochs, from one recipe. Parameters and operations of the second network are given as multiples of the first:

# %%
pairs = ["z2cnn p4cnn", "z2cnn gc-p4cnn", "z2cnn gc-p4cnn-30", "all-cnn p4m-all-cnn", "resnet44 p4m-resnet44"]
pairs += ["resnet44 gc-p4m-resnet44", "r18 p4-r18", "r18 p4m-r18", "r18 p4m-e4r18", "resnet29 p4-resnet29"]
for pair in pairs:
    a, b = (cost(key) for key in pair.split())
    more = f"{b.parameters / a.parameters:4.2f} × parameters, {b.operations / a.operations:5.2f} × operations"
    print(f"{pair.replace(' ', ' → '):<26} {more}, error {a.error:5.2f} → {b.error:4.2f}: {b.error / a.error:.2f} ×")

# %% [markdown]
# An honest answer has four parts:
#
# - At equal parameters, expect |H| times the operations: four times for p4, eight times for p4m, and more where maps are halved exactly or 1 × 1 steps run on larger maps.
# - If operations are your limit, or memory (the maps hold √|H| times as many values), that is too much, unless you make the network smaller. The small gc-P4CNN has a seventh of the parameters of Z2CNN, fewer operations, and little more than half its error.
# - None of these papers has an ordinary network with as many *operations* as p4m. Ten times the operations would also buy a much larger ordinary network. How good that would be, these tables cannot tell.
# - Operations are not seconds. Measure on your machine: `python -m course_lib bench`.
#
# ## 10 "Do I need equivariance, or is augmentation enough?"
#
# Augmentation shows the network altered copies of its images. CIFAR-10+ is CIFAR-10 with flips and shifts.
#
# <details><summary>Predict first: p4m has mirrors built in. Does augmentation help it less than the ordinary network?</summary>
#
# For ResNet44, yes, much less. For All-CNN it helps almost equally, by 0.55 points against 0.58.
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
# What about little data? The authors of two papers trained on a fifth of CIFAR-10, and two papers have results on CIFAR-100, which has a tenth of the images for each class:

# %%
for a, b in (
    ("p4m-resnet44-20", "gc-p4m-resnet44-20"),
    ("r18-cifar100", "p4m-r18-cifar100"),
    ("p4m-r18-cifar100", "p4m-e4r18-cifar100"),
    ("resnet29-cifar100", "p4-resnet29-cifar100"),
    ("p4-resnet29-cifar100", "p4-resnet29-asc-cifar100"),
):
    print(f"{a:<22} {find(a).error:5.2f} %  →  {b:<26} {find(b).error:5.2f} %")

# %% [markdown]
# - **Equivariance and augmentation may overlap.** For ResNet44, the gain of p4m shrinks with augmentation to less than half, but it does not vanish. For All-CNN it hardly changes.
# - **On rotated MNIST augmentation is not enough**, at this size. Both networks see random rotations of every image, and P4CNN makes less than half as many errors.
# - **With little data the layer matters more**, says the E4 paper: with 1,000 images per class p4m-E4R18 is 5.22 points ahead of p4m-R18, with 5,000 images it is 0.87. (This is not about equivariance, since both networks are equivariant. The lead of p4 and p4m over the ordinary network tends to grow, too, says the paper, but it shows this only in a figure.) The first line above does not settle whether this holds for gc. With all images, gc is 1.34 points ahead without augmentation and 0.35 with it; with a fifth of them it is 0.77, and the paper does not say whether these were augmented.
# - **Points can mislead.** On CIFAR-100, p4m is 9 points ahead of the ordinary R18, on CIFAR-10 only 4. But the errors on CIFAR-100 are larger, too. In proportion p4m makes 27 % fewer errors on CIFAR-100 and 40 % fewer on CIFAR-10.
# - **A guarantee is not the same as a small error.** Equivariance holds on every image, also on those that the network gets wrong. Augmentation teaches invariance only on images like those in the data (notebook 05, section 8), but if the test images are like them, that may suffice.
#
# So, what should you do? If your images have no preferred orientation, use both. If they have one, as photographs do, the cautious option is a small group in the hidden layers, and a head that may tell orientations apart. And if your network is large and your data are plentiful and well augmented, these tables promise you little.
#
# ## 11 What is a published number?
#
# "1.29 ± 0.023" is the end of a long recipe. Here are some recipes side by side, from `row.recipe`. (Lengyel and van Gemert write "60k test samples" for rotated MNIST, but the data set has 62,000 images in all, so we take 50,000.)

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
# After which epoch is the error taken? There are three habits: the **last** epoch; the epoch that was best on *validation* images; and the epoch that was best on the *test* images.


# %%
@exercise
def reported_error(validation: Sequence[float], test: Sequence[float], report: Report) -> float:
    """The test error that is reported, given both errors after every epoch. report is "last epoch", "best validation
    epoch" or "best test epoch"; the best is the smallest, and the first one if several are equal.
    """
    ...


# %% [markdown]
# <!-- help: reported_error -->
#
# Whoever has the third habit has looked at the answers. How much difference does it make? Let us train a small p4 network on our 1,029 rotated digits of 14 × 14 pixels, and measure both errors after each epoch. (The optimizer starts anew in every epoch, as it does in the released E4 code.)


# %%
def small_net() -> nn.Module:
    layers = [LiftingConv2d(C4, 1, 4, 3), *norm_relu(C4, 4), SpatialMaxPool2d(C4, 2)]
    layers += [GroupConv2d(C4, 4, 8, 3), *norm_relu(C4, 8), GroupConv2d(C4, 8, 10, 4), GlobalMaxPool(C4)]
    return EquivariantSequential(*layers).double()


# %% tags=["nbval-ignore-output"]
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
learning_curves(curves, ylabel="error, in %").captioned(
    "The same trainings, measured twice: the test error lies above the validation error at every epoch "
    "(bands: from the lower seed to the higher)."
)

# %% tags=["nbval-ignore-output"]
for report in ("last epoch", "best validation epoch", "best test epoch"):
    errors = [reported_error(*both, report) for both in zip(*curves.values(), strict=True)]
    print(f"{report:<22}", ", ".join(f"{error:.1f} %" for error in errors))

# %% [markdown]
# The bands reach from one seed to the other. (The test digits come from other forms and are harder, as in notebook 04.)
#
# The best test epoch can never look worse than the other two choices. Compare it with the best validation epoch: for one of these seeds it reports an error more than a point lower, for the other there is no difference. How far a single run is shifted is a matter of chance; the mean over many runs is always shifted down.
#
# The shift is larger if the error fluctuates more from epoch to epoch, and if the test set is smaller. Here the learning rate stays high to the end, and there are only 510 test images. In the E4 paper the learning rate falls, and there are 50,000. So the shift should be much smaller there, but nobody can tell from outside how large it is. In a table next to networks that report their last epoch, this shift favors E4.
#
# ### How certain is a gap?
#
# Most rows are means over n seeds, with a standard deviation s over the seeds. If you repeated all n runs, the mean would change, too, but less than a single run does. You want to know how uncertain the *difference of two such means* is: its **standard error**.
#
# For example, take s_a = 3 and s_b = 4. With a single seed each, the difference of the two runs has the standard error 5. With four seeds each it is 2.5, and with 100 seeds 0.5. Which formula does this?


# %%
@exercise
def gap_uncertainty(deviation_a: float, deviation_b: float, seeds: int) -> float:
    """The standard error of the difference of two means, each over this number of seeds.
    Example: (3, 4, 1) gives 5, and (3, 4, 4) gives 2.5.
    """
    ...


# %% [markdown]
# <!-- help: gap_uncertainty -->
#
# In a formula:
#
# $$\sqrt{\frac{s_a^2}{n} + \frac{s_b^2}{n}}$$
#
# A gap of less than two standard errors may well be chance.
#
# <details><summary>Predict first: ResNet29 classifies 91.24 ± 0.32 % of the images correctly with ASC and 91.18 ± 0.34 % without, with eight seeds each. Is ASC better than convolution?</summary>
#
# The gap is 0.06, and its standard error is 0.17. These runs show no difference. A small one, in either direction, may still exist.
#
# </details>

# %%
pairs = ["p4cnn gc-p4cnn-30", "e4net e4net-large", "e4net e4net-s4", "e4net e4net-k7"]
for pair in [*pairs, "p4m-r18 p4m-e4r18", "resnet29 resnet29-asc", "p4-resnet29 p4-resnet29-asc"]:
    a, b = (find(key) for key in pair.split())
    gap, sure = a.error - b.error, gap_uncertainty(a.deviation, b.deviation, a.recipe.seeds)
    print(f"{pair.replace(' ', ' → '):<30} {gap:5.2f} ± {sure:.2f}: {gap / sure:4.1f} standard errors")

# %% [markdown]
# Some gaps are beyond doubt, others are no evidence at all. And the formula accounts only for the seeds. It does not account for the following:
# - All runs share one test set. With 10,000 images, an error of 5 % is uncertain by √(0.05 · 0.95 / 10,000) ≈ 0.2 points. Part of this uncertainty cancels when both networks are tested on the same images.
# - One network may have been tuned for longer than the other, and those choices must have been made on some images. Where the table above says 0 validation images, the final runs had none. Not every paper says on which images the settings were chosen before that.
# - Settings that did not work are not in the table.
#
# **Why can I not reproduce the paper's number?** Go through this list: which epoch, which images, which augmentation, how many seeds, which width, exact or strided. Lengyel and van Gemert did not reach the published 9.45 % of ResNet44 either. They printed 13.10 %, the error that they got themselves, next to their own networks. That is the right way: compare within one recipe.
#
# And the sentence at the top of this notebook? Its 5 % is a gap between two networks of one paper, with one recipe: p4m-E4R18 and p4m-R18, 5.22 points apart. The 56 % is 6.0M of 10.8M parameters, as printed; by our counts it is 55 %. The sentence says on how little data this was measured, but not how much each of the two was tuned. And you must read on to learn that with all images the gap is 0.87 points.
#
# Our runs in notebook 11 hold out validation images, read the test set once, after the last epoch, and store every epoch.
#
# ## What you have built

# %%
from course_lib.models.resnet18 import basic_block as library_block


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
assert width_for(lambda w: 7 * w * w + 3, 1000) == widths.width_for(lambda w: 7 * w * w + 3, 1000)
for report in ("last epoch", "best validation epoch", "best test epoch"):
    both = curves["validation"][0], curves["test"][0]
    assert reported_error(*both, report) == protocol.reported_error(*both, report)
assert abs(gap_uncertainty(1, 2, 7) - protocol.gap_uncertainty(1, 2, 7)) < 1e-12
print("Your functions agree with the library.")

# %%
progress("10")

# %% [markdown]
# ## Recap
#
# - A network is a function of a group, a width and a kind of layer. C1 gives the ordinary one.
# - At equal parameters, widths shrink by √|H| and operations grow by |H|. Solve for the width, and say what difference is left.
# - A sum is equivariant if *all* its terms are: branch and shortcut must both halve the map in an exact way. A flattening head ends the invariance.
# - Several published "equivariant" networks are only nearly equivariant at the size of their images. Exact variants cost operations, and hardly any parameters.
# - Compare within one recipe, ask which epoch was reported, and divide a gap by its standard error.
#
# **Now in `course_lib`:** `from course_lib.models import p4cnn_linear, allcnn, resnet18, resnet44, bottleneck_resnet, e4net` · `from course_lib.experiments import TABLES, find, table_markdown` · `python -m course_lib counts rotated-mnist`
#
# **Further reading:** K. He and others, *Deep Residual Learning for Image Recognition*, 2016; X. Bouthillier and others, *Accounting for Variance in Machine Learning Benchmarks*, 2021.
#
# **Next:** in notebook 11 you write the training loop, and compare these tables with runs of your own.
