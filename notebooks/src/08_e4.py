# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 08 E4: a layer that writes its own kernels
#
# A convolution slides one kernel over all pixels, whatever it meets there. In the E4 layer (He et al., *Efficient Equivariant Network*, 2021) every pixel writes a
# kernel for itself, in each orientation. Notebook 07 has shown that this may be equivariant. Here you build it, watch it, count it, train it, and make it fast.
#
# **You will be able to**
# - derive the layer from the general sum over pairs, and say what each decision saves;
# - write it in three ways that agree, and see its kernels turn with the image;
# - count weights and operations, and compare them with published tables;
# - find a norm that is equivariant before training and not after;
# - make a slow layer several times as fast in three steps, and compare it with the limits of the machine.
#
# **You need before:** notebooks 04, 06 and 07 (filter banks, counting, sums over pairs, patches).
#
# **Time:** about 90 minutes, with seven exercises. **Hardware:** any laptop, no GPU, no network. One cell trains for some seconds.

# %%
import json

import torch
from IPython.display import Markdown
from torch import Tensor, nn

from course_lib import counting, framework, kernels, oracles
from course_lib.actions import act_on_image
from course_lib.bench.measuring import bytes_saved, interleaved
from course_lib.bench.report import bars_markdown
from course_lib.checks import equivariance_error, relative_error
from course_lib.counting import filter_weights
from course_lib.data import load_digits
from course_lib.exercises import exercise, progress
from course_lib.experiments.e4 import E4_MNIST
from course_lib.figures import panels
from course_lib.figures.e4 import Sight, Work, ablations, generated_kernels, roofline
from course_lib.framework import E4Matrices, aggregate, as_feature_map, as_function, local_patch
from course_lib.groups import ALL_GROUPS, C1, C4, D4, Element, Group, inverse
from course_lib.layers import E4Layer, GroupConv2d, LiftingConv2d, lifting_filter_bank, neighborhoods
from course_lib.models import small_e4net
from course_lib.reports.results import results_folder
from course_lib.training import TrainConfig, seed_everything, train
from course_lib.wallpaper import Isometry

# %%
torch.set_num_threads(1)  # on networks this small a second thread gains nothing, and changes the last digits
torch.manual_seed(0)
r, m = Element(0, 1), Element(1, 0)
entry_at = framework.entry_at  # of notebook 07, for exercise 8.2


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def say(error: float) -> str:
    return "exact" if error < 1e-10 else f"broken, {error:.1f}"


# %% [markdown]
# ## 1 May every pair do anything?
#
# Notebook 07 ended with a sum over pairs (g, g̃), in which any function of the two patches is allowed (its section 8; Eq. 10 of the paper):
#
# $$f'(g) = \sum_{\tilde g} \tilde H_{g^{-1}\tilde g}\big(\mathcal F_{N_1}(g),\, \mathcal F_{N_2}(\tilde g)\big)$$
#
# The plainest choice: let $\tilde H_{\hat g}$ be a small neural network for each relative position ĝ. Say it reads both patches, each with C channels on all |H| sheets, has C hidden channels,
# and puts out C numbers.
#
# <details><summary>Predict first: 16 channels on C4, 28 × 28 pixels, and g̃ only among the 5 × 5 neighbors on the sheet of g. A group convolution needs 80 million
# multiply-accumulates. And this?</summary>
#
# More than twice as many, and nine times as many if g̃ runs over all sheets. A network per pair is too much.
#
# </details>

# %%
c, order, k, pixels = 16, 4, 5, 28 * 28
pairs, network = order * pixels * k**2, 2 * c * order * c + c * c
print(f"{pairs:,} pairs × {network:,} multiply-accumulates = {pairs * network / 1e6:.0f} million")
print(f"the same with g̃ on all sheets: {order * pairs * network / 1e6:.0f} million")
print(f"group convolution: {filter_weights('full', c, c, order, k) * order * pixels / 1e6:.0f} million")

# %% [markdown]
# **The way out (Eq. 11)** is a product of two functions, one of x, the patch at g, and one of y, the patch at g̃:
#
# $$\tilde H_{\hat g}(x, y) = K_{\hat g}(x) \odot V(y)$$
#
# ⊙ multiplies entry by entry. K is the **kernel generator**: it looks at x and says how much each neighbor counts. V is the **encoder**: it says what each neighbor
# has to offer. Each element computes one V, and one kernel with K for all ĝ. Joining the two takes C products per pair.
#
# E4 goes on saving:
# - **One hidden layer for all kernels.** $K_v(x) = W_2[v]\,\mathrm{relu}(W_1 x)$, with a part W₂[v] for each place v. The **reduction** r, not the turn: the hidden layer has M = C/r channels.
# - **Slices.** The O channels of the output are cut into s blocks; those of one block share a kernel. So W₂[v] has s rows.
# - **Space only.** g̃ runs through the k × k neighbors g·(v, e) on the sheet of g.
#
# The last one has a price: sheets no longer meet. So the patches must bring them together: $N_1 = N_2$ are all sheets at one pixel, $\{(0, a)\}$. Joining vectors is written ∪ (**concatenation** along the group). Now you have
# the E4 layer (Eq. 12):
#
# $$f'(g) = \sum_{v} K_v\Big(\bigcup_a f\big(g\,(0,a)\big)\Big) \odot V\Big(\bigcup_a f\big(g\,(v,a)\big)\Big)$$
#
# <details><summary>Predict first: change the input on the sheet r alone. Which sheets of the output change if neither K nor V concatenates? If only one does?</summary>
#
# Without: r alone. Then the four sheets never meet in the whole network, except in norms and in the last pooling. If one of the two concatenates, all four change.
#
# </details>

# %%
x, on_r = noise(1, 4, 4, 6, 6), (torch.arange(4) == 1).reshape(4, 1, 1)
for concat in ("none", "K", "V", "both"):
    layer = E4Layer(C4, 4, 4, 3, concat=concat).double()
    layer.norm = nn.Identity()  # it shares its mean and variance among the sheets; section 7
    differs = (layer(x + on_r) - layer(x)).abs().amax(dim=(0, 1, 3, 4)) > 1e-9
    print(f"concatenate {concat:<5}: changes on", *(h for h, d in zip(C4.elements, differs, strict=True) if d))

# %% [markdown]
# ## 2 Concatenate, multiply by a matrix: which layer is that?
#
# W₁ and V = W₃ are matrices, applied at every g to the patch ∪_a f(g·(0, a)): first the C numbers at g itself, then those at g·(0, r), and so on, |H|·C in all.
#
# You know this layer. Which one, and with what filter?


# %%
@exercise
def filter_of_matrix(matrix: Tensor, group: Group) -> Tensor:
    """The filter ψ of the group convolution that multiplies the patch at each g by the matrix.
    Shapes, with C channels in and O out: (O, |H|·C) → (O, C, |H|, 1, 1).
    """
    ...


# %% [markdown]
# <!-- help: filter_of_matrix -->


# %%
def patches(f: Tensor, group: Group) -> dict[Isometry, Tensor]:
    """∪_a f(g·(0, a)) at every g, for a map (C, |H|, Y, X); `local_patch` is that of exercise 7.7."""
    function, steps = as_function(f, group), [Isometry(*a, 0, 0) for a in group.elements]
    return {g: local_patch(function, g, steps) for g in function}


for group in ALL_GROUPS:
    f, matrix = noise(2, group.order, 2, 3), noise(3, 2 * group.order, seed=1)
    conv = GroupConv2d(group, 2, 3, 1, bias=False).double()
    conv.weight.data = filter_of_matrix(matrix, group)
    by_patches = as_feature_map({g: matrix @ patch for g, patch in patches(f, group).items()}, group)
    torch.testing.assert_close(by_patches, conv(f[None])[0].detach())
print("A matrix on the concatenation is a 1×1 group convolution, for", *ALL_GROUPS)

# %% [markdown]
# So concatenation needs no new code: `GroupConv2d` with kernel size 1 does it. Notebook 06 called it *pointwise*.
#
# ## 3 The definition
#
# `aggregate` of notebook 07 sums any term over all pairs. What is the term of E4, now with slices? `entry_at` on C1 reads W₂.


# %%
@exercise
def e4_term(position: Isometry, x: Tensor, y: Tensor, matrices: E4Matrices) -> Tensor:
    """K_ĝ(x) ⊙ V(y), zeros (O,) unless ĝ is one of the k × k places (v, e); x and y are patches, (|H|·C,).
    ``matrices``: squeeze W₁ (M, |H|·C), kernel W₂ (s, M, k, k), encoder W₃ (O, |H|·C). Slice of channel c: c // (O/s).
    Example: with O = 4 and s = 2 the kernel has two values; the first is for the channels 0 and 1.
    """
    ...


# %% [markdown]
# <!-- help: e4_term -->
#
# The smallest example: C1, one row of three pixels, f = (1, 2, 3). W₁ = W₃ = 1, and W₂ has the middle row (1, 0, −1).
#
# <details><summary>Predict first: the three results.</summary>
#
# The pixel t writes the kernel f(t)·(1, 0, −1), so f′(t) = f(t)·(f(t − 1) − f(t + 1)): 1·(0 − 2) = −2, then 2·(1 − 3) = −4, then 3·(2 − 0) = 6.
# Features are multiplied by features. No convolution does that.
#
# </details>


# %%
def by_pairs(f: Tensor, matrices: E4Matrices, group: Group) -> Tensor:
    sums = aggregate(patches(f, group), lambda position, x, y: e4_term(position, x, y, matrices))
    return as_feature_map(sums, group)


one, row = torch.ones(1, 1), torch.tensor([[0.0, 0, 0], [1, 0, -1], [0, 0, 0]])
small, simple = torch.tensor([1.0, 2.0, 3.0]).reshape(1, 1, 1, 3), E4Matrices(one, row[None, None], one)
print(by_pairs(small, simple, C1).flatten().tolist())

# %% [markdown]
# By the theorem of notebook 07 this is equivariant, whatever the matrices are. It is also hopelessly slow.
#
# ## 4 Unfold and sum
#
# Where does the neighbor g·(v, e) of g = (t, h) lie? At the pixel t + d with d = hv, so v = h⁻¹d. **On the plane, the kernel of h is what e would write if it saw the same patch, turned by h.** With the patches left out:
#
# $$f'(t, h) = \sum_{d} K_{h^{-1}d}(t, h) \odot V(t + d, h)$$
#
# K comes from W₂ by a matrix product, so it is enough to turn W₂. You have `lifting_filter_bank` for that. What is left: each (t, h) multiplies its hidden vector by *its* copy of W₂ and adds its copy of a bias b₂,
# as in the released layer.


# %%
@exercise
def generate_kernels(hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The kernel that each (t, h) writes, for each of s slices: (B, s, |H|, k², Y, X), the k² places row by row.
    Shapes: hidden (B, M, |H|, Y, X), the bank of W₂ (s, |H|, M, k, k), the bank of b₂ (s, |H|, k, k).
    """
    ...


# %% [markdown]
# <!-- help: generate_kernels -->
#
# Then the sum. The paper does it by **unfolding**: `neighborhoods` puts the k × k window of each pixel on an axis of its own. Multiply, and sum over that axis.


# %%
@exercise
def unfold_and_sum(kernels: Tensor, values: Tensor) -> Tensor:
    """Σ_i K[s, h, i](t) V[c, h](t + d_i), each channel c with the kernel of its slice c // (O/s).
    Shapes: kernels (B, s, |H|, k², Y, X), values (B, O, |H|, Y, X) → (B, O, |H|, Y, X).
    """
    ...


# %% [markdown]
# <!-- help: unfold_and_sum -->
#
# The library's `E4Layer` has one more part, a norm between W₁ and relu (section 7). Below, your functions are its last step: first for the three pixels,
# then for random numbers, against loops and the layer as shipped.


# %%
def e4(x: Tensor, layer: E4Layer) -> Tensor:
    hidden, values = layer.norm(layer.squeeze(x)).relu(), layer.encoder(x)
    banks = (lifting_filter_bank(p, layer.group) for p in (layer.kernel_weight, layer.kernel_bias))
    return unfold_and_sum(generate_kernels(hidden, *banks), values)


written = generate_kernels(small[None], row[None, None, None], torch.zeros(1, 1, 3, 3))
print(unfold_and_sum(written, small[None]).flatten().tolist())

# %%
for group in ALL_GROUPS:
    layer, f = E4Layer(group, 4, 6, 3, slices=2, reduction=2).double(), noise(4, group.order, 4, 3)
    with torch.no_grad():
        for p in layer.parameters():
            p.copy_(torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel())))
        loops = oracles.e4(
            f,
            layer.squeeze.weight[..., 0, 0],
            (layer.norm.weight[:, 0], layer.norm.bias[:, 0]),
            (layer.kernel_weight, layer.kernel_bias),
            layer.encoder.weight[..., 0, 0],
            group,
        )
        for fast in (e4(f[None], layer)[0], layer(f[None])[0]):
            torch.testing.assert_close(fast, loops)
    assert equivariance_error(layer, group, f[None]).error < 1e-10
print("Your form, the loops and the library agree, and are equivariant, for", *ALL_GROUPS)

# %%
for group in ALL_GROUPS:
    f, layer = noise(2, group.order, 2, 3), E4Layer(group, 2, 4, 3, slices=2).double().requires_grad_(False)
    layer.norm = nn.Identity()
    layer.kernel_bias.zero_()
    W1, W3 = (conv.weight[..., 0, 0].transpose(1, 2).flatten(1) for conv in (layer.squeeze, layer.encoder))
    torch.testing.assert_close(by_pairs(f, E4Matrices(W1, layer.kernel_weight, W3), group), layer(f[None])[0])
print("Without its norm and bias, the layer is the sum over pairs, for", *ALL_GROUPS)

# %% [markdown]
# ## 5 Watch it write
#
# Training decides what is written; for a picture with a meaning, we do. The input: the edge sheets of a digit, as in notebook 07; sheet e holds left borders of strokes. The hidden layer has two
# channels: the border that g sees itself, and the border on the *next* sheet, which is at g·(0, r).
#
# The kernel, from the middle outwards: for the first, +1 on the half line *ahead*; for the second, −1 on the one to its *left*.


# %%
def handwriting(group: Group) -> tuple[LiftingConv2d, GroupConv2d, Tensor]:
    """Edge detector, W₁ and W₂, set by hand."""
    edges = LiftingConv2d(group, 1, 1, 3, padding=1, bias=False).double()
    edges.weight.data.copy_(torch.tensor([[-1.0, 0.0, 1.0]] * 3) / 3)
    squeeze = GroupConv2d(group, 1, 2, 1, bias=False).double()
    squeeze.weight.data = filter_of_matrix(torch.eye(2, group.order).double(), group)
    W2 = torch.zeros(1, 2, 5, 5).double()
    W2[0, 0, 2, 2:], W2[0, 1, :3, 2] = 1.0, -1.0
    return edges, squeeze, W2


# %%
def kernels_at(image: Tensor, pixel: tuple[int, int], group: Group) -> Tensor:
    """The kernels that a pixel writes, one for each sheet: (|H|, k, k)"""
    edges, squeeze, W2 = handwriting(group)
    hidden = squeeze(edges(image).relu()).relu().detach()
    bank = lifting_filter_bank(W2, group)
    written = generate_kernels(hidden, bank, torch.zeros_like(bank[:, :, 0]))
    return written[0, 0, :, :, pixel[0], pixel[1]].unflatten(-1, (5, 5))


digit, corner = load_digits().train.images[7:8].double(), (16, 10)
turned = act_on_image(r, digit)
upright = Sight(digit[0, 0], corner, kernels_at(digit, corner, C4))
generated_kernels(
    {"the digit": upright, "turned by r": Sight(turned[0, 0], (17, 16), kernels_at(turned, (17, 16), C4), r)}, C4
)

# %% [markdown]
# Red is +, blue is −. Upper row: the pixel in the middle of the window has ink to its right (border e) and above it (border r). Sheet e sees both and writes both half lines. Sheet r sees its own border, *ahead* of it, which is up. On sheet r² there is nothing. And
# sheet r³ sees border e as its "next".
#
# Lower row: the digit has been turned by r. Follow a frame's color: each kernel has moved one sheet on, and has turned. As for every other map, with κ for the kernel drawn on the plane:
#
# $$\kappa_{L_u f}(ug) = L_u\,\kappa_f(g)$$
#
# <details><summary>Predict first: on D4, mirror the digit by m. Which kernel will stand on the sheet m?</summary>
#
# That of e, since m = me, and it is mirrored.
#
# </details>

# %%
mirrored, place = act_on_image(m, digit), (corner[0], 27 - corner[1])
both = {"the digit": Sight(digit[0, 0], corner, kernels_at(digit, corner, D4))}
both["mirrored"] = Sight(mirrored[0, 0], place, kernels_at(mirrored, place, D4), m)
generated_kernels(both, D4)

# %% [markdown]
# What does a kernel do? At this pixel, on sheet e, with the ink itself as V, it takes ink ahead minus ink to its left, each weighed by its border:

# %%
kernel, window = upright.kernels[0], neighborhoods(digit[0, 0], 5)[:, corner[0], corner[1]].unflatten(0, (5, 5))
print(f"sum of the products: {(kernel * window).sum():.2f}")
panels({"kernel K": kernel, "window of V": window, "K ⊙ V": kernel * window})

# %% [markdown]
# **Break it on purpose.** The bank holds W₂ moved by each h. Three other banks: W₂ unmoved; moved by h⁻¹; turned by the turn in h, but never mirrored.
#
# <details><summary>Predict first: which of the three are equivariant on D4? And on C4?</summary>
#
# On D4 none. The window of h is the window of e moved by h, mirroring included, so the bank must be moved in the same way. On C4 there is nothing to mirror: the third is the right bank.
#
# </details>

# %%
banks = {
    "turned by h": lifting_filter_bank,
    "not turned": lambda p, group: torch.stack([p] * group.order, dim=1),
    "the wrong way": lambda p, group: torch.stack([act_on_image(inverse(h), p) for h in group.elements], dim=1),
    "turned, not mirrored": lambda p, group: torch.stack([act_on_image(Element(0, h.r), p) for h in group.elements], 1),
}
for name, bank in banks.items():
    print(f"{name:<21}", end="")
    for group in (C4, D4):
        torch.manual_seed(0)
        layer, x = E4Layer(group, 4, 4, 3, slices=2).double(), noise(1, 4, group.order, 6, 6)

        def with_bank(x: Tensor, layer=layer, bank=bank) -> Tensor:
            hidden, weights = layer.norm(layer.squeeze(x)).relu(), (layer.kernel_weight, layer.kernel_bias)
            return unfold_and_sum(generate_kernels(hidden, *(bank(p, layer.group) for p in weights)), layer.encoder(x))

        print(f"  {group}: {say(equivariance_error(with_bank, group, x).error):<12}", end="")
    print()

# %% [markdown]
# ## 6 What does it cost?
#
# ### "How do I count the parameters?"
#
# Three matrices: W₁ is (C/r) × (C·|H|), W₂ is (k²·s) × (C/r), W₃ is O × (C·|H|).


# %%
@exercise
def e4_weights(c_in: int, c_out: int, order: int, k: int, slices: int, reduction: int) -> int:
    """How many weights do W₁, W₂ and W₃ have together? ``order`` is |H|.
    Example: with c_in = c_out = 16, order 4, k = 5, s = 2, r = 1 there are 2848.
    """
    ...


# %% [markdown]
# <!-- help: e4_weights -->


# %%
@exercise
def e4_macs(c_in: int, c_out: int, order: int, k: int, slices: int, reduction: int, height: int, width: int) -> int:
    """The multiply-accumulates on one map: the three matrices at every g, then the sum of the products K ⊙ V.
    Example: with the numbers above, on one pixel there are 4·(2848 + 25·16) = 12,992.
    """
    ...


# %% [markdown]
# <!-- help: e4_macs -->
#
# With O = C = c these are the formulas of the paper's section 4.2:
#
# $$c^2|H|\big(1 + \tfrac1r\big) + \tfrac{csk^2}{r} \quad\text{weights},\qquad \big(1+\tfrac1r\big)c^2|H|^2\,YX + \big(1+\tfrac sr\big)k^2c|H|\,YX \quad\text{MACs}$$
#
# The kernel size k never meets c², as it does in a convolution. So large kernels cost little:

# %%
for k in (3, 5, 7):
    weights, full = e4_weights(16, 16, 4, k, 2, 1), filter_weights("full", 16, 16, 4, k)
    macs = e4_macs(16, 16, 4, k, 2, 1, 28, 28)
    print(f"k = {k}: E4 {weights:,} weights, {macs / 1e6:.1f}M; convolution {full:,}, {4 * 28 * 28 * full / 1e6:.1f}M")

# %%
for group in ALL_GROUPS:
    layer = E4Layer(group, 8, 6, 5, slices=2, reduction=4)
    norm_and_bias = 2 * 8 // 4 + 5 * 5 * 2
    assert sum(p.numel() for p in layer.parameters()) == e4_weights(8, 6, group.order, 5, 2, 4) + norm_and_bias
print("A layer has these weights, a gain and a bias per hidden channel in its norm, and b₂.")

# %% [markdown]
# **E4-Net** (`e4net`) is a 3 × 3 lift, six E4 layers, batch norm and ReLU after all seven, two 2 × 2 pools, the maximum over group and space, and a linear layer, with 16 channels on C4, k = 5, s = 2, r = 1.
#
# <details><summary>Predict first: how many weights are in the E4 layers, and how many in all?</summary>
#
# An E4 layer has your 2,848, 2 · 16 in its norm and 2 · 25 in b₂; the six have 6 · 2,930 = 17,580. The lift has 9 · 16 = 144, the seven batch norms 7 · 2 · 16 = 224, the linear layer 16 · 10 + 10 = 170. In all 18,118.
#
# </details>
#
# Here are its counts, and those of its variants in the paper's Tables 1 to 3. *Printed* is from there; *released*
# is the layout of the code that the authors published. For *released* we count, in millions, the matrices' multiply-accumulates and a few per value of a norm:

# %%
print(f"{'':<20}{'printed':>8}{'ours':>9}{'released':>10}{'  operations: printed':>24}{'released':>10}")
for network_row in (row for row in E4_MNIST if row.key != "e4net-released"):
    ours = sum(p.numel() for p in network_row.build().parameters())
    released = network_row.other_counts()["released layout"]
    numbers = f"{network_row.parameters!s:>8}{ours:>9,}{released.parameters:>10,}"
    print(f"{network_row.name:<20}{numbers}{network_row.macs / 1e6:>24.1f}{released.macs / 1e6:>10.1f}")

# %% [markdown]
# **Ours and released** differ by the norm in the kernel generator. Theirs has a gain and a bias for each element, ours for each channel. In the first row that is 6 layers · 16 hidden channels · 2 · 3 more elements = 576. Section 7 says why.
#
# **Released and printed:** some 100 to 420 weights are missing in every row; we do not know where. The operations are 3 to 9 % below print. One part the table itself settles: how they grow with k².

# %%
printed = {row.key: row.macs / 1e6 for row in E4_MNIST}
elements = 4 * (28**2 + 2 * 14**2 + 3 * 7**2)  # g: one layer before the pools, two between them, three after
print(f"printed, per unit of k²: {(printed['e4net-k7'] - printed['e4net-k3']) / (7**2 - 3**2):.2f} million")
print(f"W₂ alone: {elements * 2 * 16 / 1e6:.2f}; W₂ and aggregation: {elements * (2 * 16 + 16) / 1e6:.2f}")

# %% [markdown]
# So the printed numbers do not contain the aggregation Σ K ⊙ V, which the formula above does.
#
# ## 7 "Why was it equivariant before training and not after?"
#
# Between W₁ and relu stands an **instance norm**: for every image and channel the hidden map gets mean 0 and variance 1, taken over pixels *and* sheets. Then comes a learned gain γ and bias β per channel.
#
# $$\hat z_c = \gamma_c\,\frac{z_c - \mu_c}{\sqrt{\sigma_c^2 + \varepsilon}} + \beta_c$$
#
# In the released code the axes M and |H| are one axis of M·|H| channels, and PyTorch's `GroupNorm` gives each of *those* its own γ and β. Our layer does that with `affine="per_element"`.
#
# <details><summary>Predict first: is it equivariant?</summary>
#
# At the start, when all γ are 1 and all β are 0: yes, exactly. In general it stays so only if training keeps the |H| values of a channel equal, and nothing makes it do so.
#
# </details>

# %%
digits = load_digits(rotated=True, size=16)
quarter_turned = act_on_image(r, digits.test.images)


def under_a_quarter_turn(net: nn.Module) -> tuple[float, float]:
    """By how much the logits (the ten outputs) change, relative to the largest, and which share of the predictions."""
    with torch.no_grad():
        before, after = net.eval()(digits.test.images), net(quarter_turned)
    return relative_error(after, before), (before.argmax(1) != after.argmax(1)).float().mean().item()


nets = {}  # small_e4net: a small E4-Net, of two E4 layers with 8 channels, each after a 2 × 2 pool
for affine in ("shared", "per_element"):
    seed_everything(0)
    nets[affine] = small_e4net(affine=affine, allow_approximate=True)
    print(f"{affine:<12}before training: equivariant to rounding:", under_a_quarter_turn(nets[affine])[0] < 1e-4)

# %%
recipe = TrainConfig(epochs=3, batch_size=32, learning_rate=0.03, schedule="cosine")
for affine, net in nets.items():
    train(net, digits.train, recipe, device="cpu", progress=True)
    logits, predictions = under_a_quarter_turn(net)
    print(f"{affine:<12}after {3 * 33} steps: equivariant to rounding: {logits < 1e-4}, ", end="")
    print(f"more than one prediction in twenty changes: {predictions > 0.05}")

# %% tags=["nbval-ignore-output"]
for affine, net in nets.items():
    logits, predictions = under_a_quarter_turn(net)
    print(f"{affine:<12}logits change by {100 * logits:.2g} %, predictions by {100 * predictions:.0f} %")
# net[4] is the first E4 layer
gains = {affine: net[4].norm.weight.expand(-1, 4) for affine, net in nets.items()}
panels({f"γ, {affine}": gain for affine, gain in gains.items()})

# %% [markdown]
# The picture shows the gains of the first E4 layer: a row per hidden channel, a column per sheet. On the right the sheets have drifted apart.
#
# **Why do they drift?** Digits at random angles prefer no sheet. But one batch does. Compare the gradients of γ: from 32 images, and from 8 images in all four orientations.


# %%
def spread_of_gradients(images: Tensor, labels: Tensor) -> float:
    """How far the gradients of γ on the four sheets lie from their mean, relative to the largest."""
    seed_everything(0)
    net = small_e4net(affine="per_element", allow_approximate=True).double()
    nn.functional.cross_entropy(net(images.double()), labels).backward()
    gradient = net[4].norm.weight.grad
    return relative_error(gradient, gradient.mean(dim=1, keepdim=True).expand_as(gradient))


images, labels = digits.train.images[:32], digits.train.labels[:32]
all_turns = torch.cat([act_on_image(h, images[:8]) for h in C4.elements])
print("32 images: gradients differ between sheets:", spread_of_gradients(images, labels) > 0.1)
print("8 images, 4 turns: gradients differ:", spread_of_gradients(all_turns, labels[:8].repeat(4)) > 1e-9)

# %% [markdown]
# With all four turns in every batch the sheets would stay equal, at four times the cost. Sharing γ and β costs nothing, so our layer shares them, and asks for `allow_approximate=True` otherwise.
#
# The paper's theorem is untouched, for its layer has no norm there. The detail is easy to miss: every test at initialization passes. A test after a few steps, or with random γ and β, does not.
#
# ## 8 Which decisions matter?
#
# The paper's Tables 2 and 3 change one thing at a time in E4-Net, on rotated MNIST, with five seeds. `tests/benchmarks/e4_ablations.py` did the same in miniature: four seeds, `small_e4net` with 12 channels, the 1,029 rotated digits at 16 × 16 pixels, ten epochs. Here are its test errors, in
# brackets the published ones:
#
# <details><summary>Predict first: which change hurts most: one slice fewer, half the hidden layer, a kernel of 3 × 3, or no concatenation?</summary>
#
# In the paper no concatenation, by far: 4.1 % instead of 1.29 %. Each of the others costs less than 0.2 points. Here a kernel of 3 × 3 costs ten points, most of them in two seeds, no concatenation six, one slice five, and half the hidden layer two.
#
# </details>

# %%
stored = json.loads((results_folder() / "e4_ablations.json").read_text())
errors: dict[str, list[float]] = {}
for run in stored["runs"]:
    errors.setdefault(run["variant"], []).append(run["test_error_percent"])
published = {network_row.key: (network_row.figure, network_row.deviation) for network_row in E4_MNIST}
columns = {
    "concatenate": {"none": "e4net-concat-none", "K": "e4net-concat-k", "V": "e4net-concat-v", "both": "e4net"},
    "slices s": {"1": "e4net-s1", "2": "e4net", "4": "e4net-s4"},
    "reduction r": {"1": "e4net", "2": "e4net-r2", "4": "e4net-r4"},
    "kernel size k": {"3": "e4net-k3", "5": "e4net", "7": "e4net-k7"},
}

# %%
for name, variants in columns.items():
    texts = (
        f"{setting} {torch.tensor(errors[key]).mean():.1f} ± {torch.tensor(errors[key]).std():.1f} ({published[key][0]})"
        for setting, key in variants.items()
    )
    print(f"{name:<14}", "   ".join(texts))
ours, theirs = (
    {name: {setting: source[key] for setting, key in variants.items()} for name, variants in columns.items()}
    for source in (errors, published)
)
ablations(ours, theirs)

# %%
against = {
    "none against both": ("e4net-concat-none", "e4net"),
    "s = 1 against 4": ("e4net-s1", "e4net-s4"),
    "r = 4 against 1": ("e4net-r4", "e4net"),
    "k = 3 against 7": ("e4net-k3", "e4net-k7"),
}
for name, (one, other) in against.items():
    larger = [a > b for a, b in zip(errors[one], errors[other], strict=True)]
    print(f"{name:<18}: the larger error in {sum(larger)} of {len(larger)} seeds")
for variant in ("e4net", "per-element"):
    changed = [run["changed_by_a_quarter_turn_percent"] for run in stored["runs"] if run["variant"] == variant]
    texts = ", ".join(f"{error:.1f}" for error in errors[variant])
    print(
        f"{variant:<12}errors {texts} %; a quarter turn changes {min(changed):.0f} to {max(changed):.0f} % of the predictions"
    )

# %% [markdown]
# Upper row, with its own axis: pale dots are seeds, bars one standard deviation. The extremes of all columns agree with the paper in every seed: no concatenation is worse than both, one slice worse than four, r = 4 worse than 1, k = 3 worse than 7. Between them
# one order clearly differs: here every seed of *K* beats every seed of *V*, and *K* is level with *both*; in the paper *both* beats *V*, *V* beats *K*.
#
# How much could this show? With 510 test digits an error of 15 % is uncertain by √(0.15 · 0.85 / 510) ≈ 1.6 points before any seed is drawn. The published steps from s = 2 to 4 and from r = 1 to 2 are 0.05 and 0.04 points. That takes full runs: notebook 11.
#
# A gain per element does the error no visible harm. But after ten epochs a quarter turn still changes some predictions, with shared gains none. What it costs here is the promise, not the accuracy.
#
# ## 9 From unfold to the roofline
#
# As the authors say, their layer needs fewer operations than a group convolution and is slower. Memory takes the time. Three steps mend it. The first: **shift instead of unfold**. The unfolded map is k² times the map. But the i-th neighbors of *all* pixels form one piece of the padded map (`nn.functional.pad`).


# %%
@exercise
def shift_and_add(kernels: Tensor, values: Tensor) -> Tensor:
    """The same as `unfold_and_sum`, without unfolding: a loop over the k² places that adds a shifted map each time.
    Shapes: kernels (B, s, |H|, k², Y, X), values (B, O, |H|, Y, X) → (B, O, |H|, Y, X).
    """
    ...


# %% [markdown]
# <!-- help: shift_and_add -->
#
# The second: **turn weights, not maps.** Your `generate_kernels` does so already. The released code writes all kernels unturned and then turns them, s numbers for each of the k² places, at every g:


# %%
def turn_maps(kernels: Tensor, group: Group) -> Tensor:
    """Turn the kernels on sheet h by h: (B, s, |H|, k², Y, X) → the same, the k² places in another order."""
    k = round(kernels.shape[3] ** 0.5)
    places = lifting_filter_bank(torch.arange(k * k).reshape(1, 1, k, k), group)[0, :, 0].flatten(1)
    return torch.stack([kernels[:, :, h][:, :, order] for h, order in enumerate(places)], dim=2)


# %% [markdown]
# The third: **never keep the generated kernels.** Make them for a few images at a time, use them while they are in the processor's cache, throw them away, and make them again for the backward pass. `kernels.generate_and_aggregate` does that. It has a backward pass of its own; autograd's
# writes a whole map for each place. `kernels.aggregate` is your loop with such a backward pass, *own backward* below.
#
# The whole way, on a map of 28 × 28 pixels, 16 channels, k = 5, s = 2, two images:

# %%
z, v = (torch.randn(2, 16, 4, 28, 28, requires_grad=True) for _ in range(2))  # hidden map, encoder's map
W2, b2 = torch.randn(2, 16, 5, 5, requires_grad=True), torch.randn(2, 5, 5, requires_grad=True)


def unturned() -> Tensor:
    # as the bank, one table for all four sheets
    return generate_kernels(z, *(p.unsqueeze(1).expand(-1, 4, *[-1] * (p.ndim - 1)) for p in (W2, b2)))


def turned_bank() -> tuple[Tensor, Tensor]:
    return lifting_filter_bank(W2, C4), lifting_filter_bank(b2, C4)


steps = {
    "as released": lambda: unfold_and_sum(turn_maps(unturned(), C4), v),
    "1 shift": lambda: shift_and_add(turn_maps(unturned(), C4), v),
    "  own backward": lambda: kernels.aggregate(turn_maps(unturned(), C4), v),
    "2 turn weights": lambda: kernels.aggregate(generate_kernels(z, *turned_bank()), v),
    "3 keep no kernels": lambda: kernels.generate_and_aggregate(z, v, *turned_bank()),
}
for step in steps.values():
    torch.testing.assert_close(step(), steps["as released"](), rtol=1e-4, atol=1e-4)
print("All five agree.")

# %% [markdown]
# <details><summary>Predict first: for the backward pass autograd keeps what went into each product. z and v have 0.4 MB each. How large is the unfolded map, and how large are the kernels?</summary>
#
# The unfolded map has 25 · 0.4 = 10 MB. The kernels, with s · k² = 50 numbers where z has 16, have 1.25 MB. The rest is z and the small matrices, and from the second row on v, which the first keeps only unfolded.
#
# If the first two rows show 9 MB more, your functions copy each kernel for the 8 channels of its slice, as `repeat_interleave` does. `unflatten` and `unsqueeze` copy nothing.
#
# </details>

# %%
for name, step in steps.items():
    print(f"{name:<18} keeps {bytes_saved(step, []) / 1e6:5.1f} MB for the backward pass")

# %% tags=["nbval-ignore-output"]
training_steps = {name: (lambda step=step: step().sum().backward()) for name, step in steps.items()}
medians = {name: torch.tensor(t).median() for name, t in interleaved(training_steps, torch.device("cpu"), 2.0).items()}
for name, median in medians.items():
    print(f"{name:<18} {1000 * median:6.1f} ms, {medians['as released'] / median:4.1f} times as fast as released")

# %% [markdown]
# **How far can it go?** A computation that does F operations (products and sums) and moves D bytes to and from memory takes at least F/P seconds and at least D/B, where P and B are what the machine can do. F/D is the *arithmetic intensity*. The best possible speed, as a function of it, is the **roofline**:
#
# $$\text{operations per second} \le \min\!\big(P,\; B \cdot F/D\big)$$
#
# Measure P by a product of large matrices, B by copying. Take the forward pass. F is the same for all. For D, suppose that maps stay in the cache, but kernels and unfolded maps are written to memory and read back by each operation; input and output pass once.


# %% tags=["nbval-ignore-output"]
def seconds(work) -> float:
    return torch.tensor(interleaved({"": work}, torch.device("cpu"), 0.3)[""]).median().item()


source, target, square = torch.rand(2**24), torch.empty(2**24), torch.rand(1024, 1024)
bandwidth = 8 * 2**24 / seconds(lambda: target.copy_(source))  # four bytes read and four written for each number
arithmetic = 2 * 1024**3 / seconds(lambda: square @ square)
print(f"{bandwidth / 1e9:.0f} billion bytes and {arithmetic / 1e9:.0f} billion operations per second, on one thread")
K, U, once = 2 * 25 * z.numel() / 16, 25 * v.numel(), z.numel() + 2 * v.numel()
# as released: kernels written, read and written to turn, read for the product; windows written, read, products written, read
moved = dict(zip(steps, (once + 4 * K + 4 * U, once + 4 * K, once + 4 * K, once + 2 * K, once), strict=True))
# two operations per multiply-accumulate, two images; W₁ and W₃ belong to none of the steps
operations = 2 * 2 * 4 * 28 * 28 * (2 * 25 * 16 + 25 * 16)
with torch.no_grad():
    works = {name: Work(operations, 4 * moved[name], seconds(step)) for name, step in steps.items()}
for name, work in works.items():
    shares = work.moved / work.seconds / bandwidth, work.operations / work.seconds / arithmetic
    print(
        f"{name:<18} moves {work.moved / 1e6:4.1f} MB: {shares[0]:4.0%} of the bandwidth, {shares[1]:4.0%} of the arithmetic"
    )
roofline(works, bandwidth, arithmetic)

# %% [markdown]
# From left to right, each step moves fewer bytes for the same operations, so the roof above it rises. Under the slope memory sets the limit, under the flat part arithmetic; the bend is at P/B. *As released* is far to its left, step 3 near it or past it. But the roof rises faster than the speed: a small pass takes longer than moving its bytes, and P holds for
# large products alone. Your figures will differ. Stored ones, of `python -m course_lib bench`, for five shapes:

# %%
measured = json.loads((results_folder() / "bench" / "layers_cpu.json").read_text())
hardware = measured["provenance"]["hardware"]
print(f"{hardware['threads']} threads of {hardware['device']}")
Markdown(bars_markdown([case for case in measured["cases"] if case["case"].startswith("E4,") and case["bars"]]))

# %% [markdown]
# A *bar* is a goal of ours. *Speed*: how many times as fast in training. *Saved*: bytes kept for backward, relative to unfold and sum. Group convolution still wins both shapes on C4, none on D4.
#
# ## What you have built

# %%
for group in ALL_GROUPS:
    f, matrix = noise(2, 4, group.order, 5, 4), noise(3, 4 * group.order)
    banks = lifting_filter_bank(noise(2, 4, 3, 3), group), lifting_filter_bank(noise(2, 3, 3), group)
    written = generate_kernels(f, *banks)
    torch.testing.assert_close(written, kernels.generate_kernels(f, *banks))
    for summed in (unfold_and_sum(written, f), shift_and_add(written, f)):
        torch.testing.assert_close(summed, kernels.generate_and_aggregate(f, f, *banks))
    assert torch.equal(filter_of_matrix(matrix, group), framework.filter_of_matrix(matrix, group))
    sizes = (6, 4, group.order, 3, 2, 2)
    assert e4_weights(*sizes) == counting.e4_weights(*sizes)
    assert e4_macs(*sizes, 5, 4) == counting.e4_macs(*sizes, 5, 4)
three = E4Matrices(noise(3, 8), noise(2, 3, 3, 3), noise(4, 8))
for place in (Isometry(0, 0, 1, -1), Isometry(0, 1, 0, 0), Isometry(0, 0, 2, 0)):
    terms = (term(place, noise(8), noise(8, seed=1), three) for term in (e4_term, framework.e4_term))
    torch.testing.assert_close(*terms)
print("All seven functions agree with the library.")

# %%
progress("08")

# %% [markdown]
# ## Recap
#
# - Anything may be done with a pair of patches. A product K(x) ⊙ V(y) makes it affordable: neither factor needs both patches.
# - Sum over space only; bring the sheets together by concatenation. A matrix on the concatenation is a 1×1 group convolution.
# - For equal patches the kernel of h is that of e, turned by h, so it is enough to turn W₂. When the image turns, the kernels turn and change sheets.
# - Weights: c²|H|(1 + 1/r) + csk²/r. The kernel size never meets c².
# - A gain per element is equivariant until the first step of training. Test after training, or with random parameters.
# - Move fewer bytes: shift, turn weights, keep no kernels.
#
# **Now in `course_lib`:** `from course_lib.layers import E4Layer, GroupInstanceNorm2d` · `from course_lib.models import e4net` · `from course_lib.kernels import generate_and_aggregate` · `from course_lib.counting import e4_weights, e4_macs` · `python -m course_lib bench` (careful timings)
#
# **Further reading:** L. He and others, *Efficient Equivariant Network*, 2021. D. Li and others, *Involution*, 2021: the same idea without a group. S. Williams and others, *Roofline*, 2009.
#
# **Next:** notebook 09 builds another layer with filters that depend on the data: affine self convolution.
