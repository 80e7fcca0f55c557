# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 09 Affine self convolution: a filter that looks
#
# A convolution weighs its neighbors by *where* they are; it has the same filter everywhere. Self-attention weighs them by *what* they are. **Affine self
# convolution** (ASC; Diaconu and Worrall, 2019) does both: first an affine map, then attention. You derive it, prove it equivariant, build it for every group, and see where it looks.
#
# **You will be able to**
# - get convolution and self-attention out of one function, and say what lies between them;
# - prove that affine self convolution is equivariant, line by line, for shifts and for all of p4m;
# - say which of its tables must turn, which must be permuted as well, and which need neither;
# - write group squeeze-and-excite, and count the parameters of a published family of networks.
#
# **You need before:** notebooks 04 and 07 (filter bank, relative positions g⁻¹g̃, self-attention).
#
# **Time:** about 85 minutes, with six exercises. **Hardware:** any laptop, no GPU, no network.

# %%
import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib import counting, framework, kernels, oracles
from course_lib.actions import act_on_feature_map, act_on_image
from course_lib.checks import equivariance_error
from course_lib.counting import AttentionKind
from course_lib.data import load_digits, load_photograph
from course_lib.exercises import exercise, progress
from course_lib.experiments import find_table
from course_lib.figures.asc import gaze, gaze_figure, weights_by_place
from course_lib.figures.attention import Look
from course_lib.framework import GroupFunction, as_feature_map, as_function, relative_position, transform
from course_lib.groups import ALL_GROUPS, C1, C4, D4, Element, Group, inverse
from course_lib.kernels import neighborhoods
from course_lib.kernels.attention import affine_scores
from course_lib.layers import AffineSelfConv2d, GroupSqueezeExcite, StandAloneSelfAttention2d
from course_lib.layers.conv import group_filter_bank, lifting_filter_bank
from course_lib.layers.squeeze import LinearMap
from course_lib.wallpaper import Isometry, act_on_points, semidirect_inverse, semidirect_product
from course_lib.widgets import attention_explorer

product, inv = semidirect_product, semidirect_inverse  # of elements of p4m


# %%
def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def say(error: float) -> str:
    return "exact" if error < 1e-10 else f"broken, {error:.2f}"


# %% [markdown]
# ## 1 Two ways to weigh a window
#
# A convolution with the filter ψ, on one channel of an image f:
#
# $$f'(x) = \sum_y \psi(y - x)\, f(y)$$

# %% [markdown]
# And **simplified self-attention**, with no queries, keys or values yet:
#
# $$f'(x) = \sum_y \alpha(x, y)\, f(y), \qquad \alpha(x, y) = \operatorname{softmax}_y\big[f(x)\, f(y)\big]$$
#
# In both sums y runs over a k × k **window** around x. ψ asks where y lies. α asks what lies there: how large f(x)f(y) is.
#
# <details><summary>Predict first: slide over a digit, from the left border of a stroke to its right border. Which weights change, those of ψ or
# those of α? And which can be negative?</summary>
#
# α changes, ψ does not. Only ψ can be negative: α comes from a softmax, so it is positive and sums to 1.
#
# </details>

# %%
digit = load_digits().train.images[7:8].double()
edge = torch.tensor([[-1.0, 0.0, 1.0]] * 3).double()
windows = neighborhoods(2 * digit[0, 0], 3)  # (k², Y, X); 2 makes the softmax sharper
seen = [windows[:, row, col] for row, col in ((17, 11), (17, 15))]
alpha = [torch.softmax(window[4] * window, dim=0) for window in seen]
shown = {
    "convolution: ψ": [edge, edge],
    "attention: α": [a.view(3, 3) for a in alpha],
    "both: α·ψ": [a.view(3, 3) * edge for a in alpha],
}
weights_by_place([window.view(3, 3) for window in seen], shown)

# %% [markdown]
# Above, a window at the left border of a stroke, below one at its right border (dark is ink). Attention looks at the ink, wherever it lies, and cannot subtract.
# Their product is a filter, **turned up where the ink is**. The sign of its answer tells the two borders apart; attention's does not:

# %%
for title, tables in shown.items():
    responses = [(table.flatten() * window).sum().item() for table, window in zip(tables, seen, strict=True)]
    print(f"{title:<15} left border {responses[0]:5.2f}, right border {responses[1]:5.2f}")

# %% [markdown]
# ## 2 The affine map
#
# So let each x first make its own version of every neighbor y, by an **affine map**: times ψ, plus β.
#
# $$A_x[f](y) = f(y)\,\psi(y - x) + \beta(y - x)$$
#
# β is what notebook 07 called positions. Now attention, on these versions:
#
# $$f'(x) = \sum_y \alpha(x, y)\, A_x[f](y), \qquad \alpha(x, y) = \operatorname{softmax}_y\Big[\tfrac1d \big\langle A_x[f](x),\, A_x[f](y)\big\rangle\Big]$$
#
# This is **simple affine self convolution**. With several channels, ψ and β work on each channel alone, and ⟨·,·⟩ is the dot product over the d channels. The
# paper divides by d, where notebook 07 divided by √d. It lets y run over the whole plane, ψ and β zero outside of the window; but a softmax gives weight to zeros,
# too. So here y stays in the window.
#
# From the start we write it for every group. Then x is an element g, and $y-x$ the relative position $\hat g = g^{-1}\tilde g$. On C1, g is a pixel, and ĝ is y − x.


# %%
@exercise
def affine_term(position: Isometry, feature: Tensor, psi: Tensor, beta: Tensor, group: Group) -> Tensor:
    """f(g̃) ψ(ĝ) + β(ĝ) for each channel: (C,). The position is ĝ, the feature f(g̃), (C,); tables (C, |H|, k, k).
    Notebook 07's `framework.entry_at` is zero outside of the window. Example: f(g̃) = 2, ψ = 3, β = 1 give 7.
    """
    ...


# %% [markdown]
# <!-- help: affine_term -->
#
# As in notebook 07, a feature map is a dictionary from elements to vectors; where it has no entry, f is 0. `affine_sum` adds up the sheets, of which C1 has one; section 4 needs it.

# %%
Tables = tuple[Tensor, Tensor, Group]  # ψ, β, and their group


def affine_sum(f: GroupFunction, g: Isometry, pixel: tuple[int, int], tables: Tables) -> Tensor:
    """Σ_h̃ A_g[f](y, h̃) for y = pixel, (C,)"""
    nothing = torch.zeros_like(next(iter(f.values())))
    places = [Isometry(*h, *pixel) for h in tables[2].elements]
    return sum(affine_term(relative_position(g, place), f.get(place, nothing), *tables) for place in places)


def window_of(g: Isometry, k: int) -> list[tuple[int, int]]:
    steps = range(-(k // 2), k // 2 + 1)
    return [(g.u + i, g.v + j) for j in steps for i in steps]


def softmax(scores: Tensor) -> Tensor:
    return scores.softmax(dim=0)


def result_at(f: GroupFunction, g: Isometry, pixels: list, tables: Tables, weigh: Callable = softmax) -> Tensor:
    """Σ_y α(g, y) A_g[f](y) over these pixels, with α = weigh(scores)"""
    center = affine_sum(f, g, (g.u, g.v), tables)
    seen = torch.stack([affine_sum(f, g, pixel, tables) for pixel in pixels])  # (pixels, C)
    return weigh(seen @ center / len(center)) @ seen


def self_convolution(f: GroupFunction, tables: Tables, weigh: Callable = softmax) -> dict[Isometry, Tensor]:
    return {g: result_at(f, g, window_of(g, tables[0].shape[-1]), tables, weigh) for g in f}


# %% [markdown]
# `weigh` makes weights of scores, a softmax if nothing else is said. An example for the head, on C1: three pixels in a row, f = (0, 1, 2), β = 0, and in the middle row of the 3 × 3 filter ψ = (1, 1, 3). To keep
# the numbers round, take $2^s$ in the place of $e^s$.
#
# <details><summary>Predict first: the result at the middle pixel. There are nine neighbors, six of them outside of the image.</summary>
#
# A is 0·1, 1·1, 2·3 = 0, 1, 6, and 0 outside. The score of y is A at the center, which is 1, times A at y: the same numbers again. So the weights are 1, 2, 64, and 1 for each of the six:
# 73 in all. The result is (0·1 + 1·2 + 6·64) / 73 = 386/73.
#
# </details>

# %%
row = as_function(torch.tensor([0.0, 1.0, 2.0]).view(1, 1, 1, 3), C1)
psi = torch.tensor([[0.0, 0.0, 0.0], [1.0, 1.0, 3.0], [0.0, 0.0, 0.0]]).view(1, 1, 3, 3)
result = self_convolution(row, (psi, 0 * psi, C1), lambda scores: 2**scores / (2**scores).sum())
print(f"{result[Isometry(0, 0, 1, 0)].item():.4f} and 386/73 = {386 / 73:.4f}")

# %% [markdown]
# **Both parents, from this one function.** With α = 1 and β = 0 it is the convolution; with ψ = 1 it is self-attention, with positions in the score *and* in what is summed.

# %%
f, psi, beta = noise(2, 1, 4, 5), noise(2, 1, 3, 3, seed=1), noise(2, 1, 3, 3, seed=2)
function, ones, zeros = as_function(f, C1), torch.ones_like(psi), torch.zeros_like(psi)

without_scores = self_convolution(function, (psi, zeros, C1), weigh=torch.ones_like)
convolution = F.conv2d(f[:, 0], psi, padding=1, groups=2)
torch.testing.assert_close(as_feature_map(without_scores, C1)[:, 0], convolution)
print("α = 1, β = 0: PyTorch's convolution, channel by channel")

without_filter = self_convolution(function, (ones, beta, C1))
seen = neighborhoods(f[:, 0], 3) + beta.view(2, 9, 1, 1)  # (C, k², Y, X)
attention = (seen * (seen * seen[:, 4:5]).mean(dim=0).softmax(dim=0)).sum(dim=1)
torch.testing.assert_close(as_feature_map(without_filter, C1)[:, 0], attention)
print("ψ = 1:        local self-attention, with β for its positions")

# %% [markdown]
# A softmax cannot give α = 1, for its weights sum to 1. But with equal scores α = 1/k², and the layer is a convolution with bias, divided by k².
#
# ## 3 Proof: shifts
#
# Move the image by z, $[T_z f](y) = f(y - z)$. First a lemma about the affine map, for any x and y:
#
# $$A_x[T_z f](y + z) = f(y)\,\psi(y + z - x) + \beta(y + z - x) = A_{x-z}[f](y)$$
#
# Seen from x, the moved image at y + z is what the old image was at y, seen from x − z. Now the layer, called □. It takes the version c of the center and the versions $a_y$ of a window; write
# $S(c; a_y)$ for its sum $\sum_y \operatorname{softmax}_y[\langle c, a_y\rangle/d]\, a_y$, and N(x) for the window around x.
#
# $$\begin{aligned}
# \square[T_z f](x) &= S\big(A_x[T_z f](x);\; A_x[T_z f](y)\big), && y \in N(x) && (1)\\
# &= S\big(A_x[T_z f](x);\; A_x[T_z f](y+z)\big), && y \in N(x-z) && (2)\\
# &= S\big(A_{x-z}[f](x-z);\; A_{x-z}[f](y)\big), && y \in N(x-z) && (3)
# \end{aligned}$$
#
# And (3) is □[f](x − z), that is, $[T_z\square f](x)$.
#
# - (1) → (2): put y + z in the place of y. While y + z runs through the window N(x), y runs through N(x − z).
# - (2) → (3): the lemma, twice: at y, and at y = x − z for the center.
#
# Nowhere did we use what the softmax does. Any `weigh` that treats all neighbors alike will do. In the code u is the shift.


# %%
def lemma(f: GroupFunction, tables: Tables, u: Isometry, g: Isometry) -> list[Tensor]:
    """Both sides at all y in the window of u⁻¹g: A_g[T_u f](uy) and A_{u⁻¹g}[f](y)"""
    back = product(inv(u), g)
    pixels = window_of(back, tables[0].shape[-1])
    left = [affine_sum(transform(u, f), g, act_on_points(u, pixel), tables) for pixel in pixels]
    return [torch.stack(left), torch.stack([affine_sum(f, back, pixel, tables) for pixel in pixels])]


def lines(f: GroupFunction, tables: Tables, u: Isometry, g: Isometry, weigh: Callable) -> list[Tensor]:
    moved, back, k = transform(u, f), product(inv(u), g), tables[0].shape[-1]
    line_1 = result_at(moved, g, window_of(g, k), tables, weigh)
    line_2 = result_at(moved, g, [act_on_points(u, pixel) for pixel in window_of(back, k)], tables, weigh)
    line_3 = result_at(f, back, window_of(back, k), tables, weigh)
    return [line_1, line_2, line_3]


def all_equal(values: list[Tensor]) -> bool:
    return all(torch.allclose(values[0], value) for value in values)


def check_proof(f: GroupFunction, tables: Tables, pairs: list[tuple], weigh: Callable = softmax) -> None:
    lemmas = sum(all_equal(lemma(f, tables, u, g)) for u, g in pairs)
    proofs = sum(all_equal(lines(f, tables, u, g, weigh)) for u, g in pairs)
    print(f"{tables[2]}, {weigh.__name__:<8}: lemma {lemmas}, lines (1) to (3) {proofs}, of {len(pairs)} pairs (u, g)")


f = as_function(noise(2, 1, 2, 3), C1)
shifts = [Isometry(0, 0, *z) for z in ((1, 0), (0, 1), (-2, 3))]
check_proof(f, (psi, beta, C1), [(u, g) for u in shifts for g in f])

# %% [markdown]
# ## 4 From shifts to turns
#
# Now let g = (t, h) be any element of p4m, and f a map on the group. Each g sees all sheets h̃ of a neighbor y. It makes a version of each, and adds them up, as a group convolution does:
#
# $$A_g[f](y) = \Big[\sum_{\tilde h} f(y,\tilde h)\,\psi\big(h^{-1}(y-t),\,h^{-1}\tilde h\big)\Big] + \beta\big(h^{-1}(y-t)\big)$$
#
# The rest stays. There is one score for each g and each *pixel* y, and the softmax runs over pixels:
#
# $$f'(g) = \sum_y \alpha(g, y)\, A_g[f](y), \qquad \alpha(g, y) = \operatorname{softmax}_y\Big[\tfrac1d \big\langle A_g[f](t),\, A_g[f](y)\big\rangle\Big]$$
#
# The proof stays, too. Write u for the move, uy for the pixel that it takes y to, and u⁻¹g in the place of x − z. The lemma reads
#
# $$A_g[T_uf](uy) = \Big[\sum_{\tilde h} f(y,\tilde h)\,\psi\big(g^{-1}u(y,\tilde h)\big)\Big] + \beta\big(h^{-1}(uy-t)\big) = A_{u^{-1}g}[f](y)$$
#
# since u takes the sheets at y to the sheets at uy, with $[T_uf](u(y,\tilde h))=f(y,\tilde h)$; and $g^{-1}u=(u^{-1}g)^{-1}$, for β too. Lines (1) to (3) follow as before. In the code not a letter changes. (β has sheets there: see below.)
#
# <details><summary>Predict first: in line (2), y runs through u⁻¹N(g). Why is that N(u⁻¹g), and for which windows would it not be?</summary>
#
# u⁻¹ turns and shifts the window N(g), a square around its pixel, and a turned square is the same square. A window of 3 × 5 pixels would turn into one of 5 × 3.
#
# </details>
#
# <details><summary>Predict first: <code>by_place</code> weighs the neighbors 0, 1, 2, … from the bottom row up, whatever the scores. For which u do the lines still agree?</summary>
#
# For those that keep the order: no turn, no mirror, one h of the group. With two g for each h these are 2 of the pairs. The lemma holds as before; what fails is the step from (1) to (2).
#
# </details>


# %%
def by_place(scores: Tensor) -> Tensor:
    return torch.arange(len(scores)).double()


for group in (C4, D4):
    f = as_function(noise(2, group.order, 2, 2), group)
    tables = (noise(2, group.order, 3, 3, seed=1), noise(2, group.order, 3, 3, seed=2), group)
    elements = (Isometry(0, 0, 1, 0), Isometry(*group.elements[-1], 0, 1))
    pairs = [(Isometry(*h, 2, -1), g) for h in group.elements for g in elements]
    for weigh in (softmax, by_place):
        check_proof(f, tables, pairs, weigh)

# %% [markdown]
# **Why β only turns.** In the loops β has a sheet for each ĥ, as ψ has, and is added inside of the sum. In the equation it is one small image, added once. Both are right:
#
# $$\sum_{\tilde h}\beta\big(h^{-1}(y-t),h^{-1}\tilde h\big) = \sum_{\hat h}\beta\big(h^{-1}(y-t),\hat h\big)$$
#
# While h̃ runs through H, so does h⁻¹h̃ = ĥ. Which sheet is which is lost; only the sum of the sheets is left. It is the image of the equation, and h turns it.

# %%
on_the_group = tables[1]  # (C, |H|, k, k) on D4
for h in D4.elements:
    moved_then_summed = act_on_feature_map(h, on_the_group, D4).sum(dim=1)
    torch.testing.assert_close(moved_then_summed, act_on_image(h, on_the_group.sum(dim=1)))
print(f"{on_the_group[0].numel()} numbers per channel do no more than {on_the_group[0, 0].numel()}.")

# %% [markdown]
# ψ stands in a product with f(y, h̃). There each sheet counts.
#
# <details><summary>Predict first: ψ = 1 gave self-attention on Z². What does it give on C4, with β = 0?</summary>
#
# Every g at a pixel adds up the four sheets with equal weights, so all four see the same. The result has four equal sheets: orientation is lost. On the group ψ is needed.
#
# </details>

# %%
f, ones = noise(1, 4, 2, 2), torch.ones(1, 4, 3, 3).double()
result = as_feature_map(self_convolution(as_function(f, C4), (ones, 0 * ones, C4)), C4)
print("four equal sheets:", all_equal(list(result[0])))

# %% [markdown]
# ## 5 Queries, keys, values, heads
#
# Simple ASC uses A three times: for the one that asks, for those that answer, and for what is summed. The full layer has three embeddings and three affine maps:
#
# $$\begin{aligned}
# Q &= W^Q f, \quad K = W^K f, \quad V = W^V f \\
# \alpha(g, y) &= \operatorname{softmax}_y\big[\langle A^Q_g[Q](t),\; A^K_g[K](y)\rangle / d\big] \\
# f'(g) &= W^O \textstyle\sum_y \alpha(g, y)\, A^V_g[V](y)
# \end{aligned}$$
#
# The W are 1 × 1 group convolutions. With several **heads** the channels are cut into equal parts, each with its own α, and $W^O$ mixes them afterwards; the published parameter counts need it. Where the paper is silent,
# our layers choose, and say so:
#
# - d is the number of channels of *one head*;
# - outside of the map, neighbors count as zeros with their β (`border="zeros"`), or not at all (`"masked"`);
# - there is no stride: where the map should shrink, an average pool follows.
#
# An example: three pixels in a row again, f = (0, 1, 2), all W = 1, and on the left, in the middle, on the right $\psi^K = (1, 1, 1)$ and $\psi^V = (1, 10, 100)$. The query has $\psi^Q = \ln 2$. All β = 0.
#
# <details><summary>Predict first: α at the middle pixel, masked, and the result. And with zeros at the border?</summary>
#
# The scores are ln 2 · (0, 1, 2), so the weights are 1, 2, 4, divided by 7. The result is (1·0 + 2·10 + 4·200) / 7 = 820/7. With zeros, six more neighbors weigh 1 and
# bring nothing: 820/13.
#
# </details>

# %%
f, blank = torch.tensor([0.0, 1.0, 2.0]).view(1, 1, 1, 3), torch.zeros(1, 3, 3)


def in_the_middle_row(left: float, middle: float, right: float) -> Tensor:
    return torch.tensor([[0.0, 0.0, 0.0], [left, middle, right], [0.0, 0.0, 0.0]]).view(1, 1, 3, 3)


query = (f, (torch.full((1, 1, 1, 1), math.log(2)), torch.zeros(1, 1, 1)))
key, value = (f, (in_the_middle_row(1, 1, 1), blank)), (f, (in_the_middle_row(1, 10, 100), blank))
for masked, expected in ((True, 820 / 7), (False, 820 / 13)):
    result = oracles.affine_self_conv(query, key, value, C1, masked)[0, 0, 0, 1]
    print(f"masked={masked!s:<5} {result.item():7.2f}, by hand {expected:.2f}")

# %% [markdown]
# `oracles.affine_self_conv` is the definition in plain loops. Here $\psi^Q$ had one place, not 3 × 3. Is that enough? Ask the gradient which of its nine places are ever used.

# %%
f = noise(2, 4, 3, 3)
affine = {name: (noise(2, 4, 3, 3, seed=i), noise(2, 3, 3, seed=i + 9)) for i, name in enumerate("QKV")}
psi_q = affine["Q"][0].requires_grad_()
oracles.affine_self_conv(*((f, affine[name]) for name in "QKV"), C4).square().sum().backward()
print((psi_q.grad.abs().sum(dim=(0, 1)) > 0).int())

# %% [markdown]
# The query is read at its own pixel alone, y = t. So $\psi^Q$ needs one number per sheet, to be permuted, and $\beta^Q$ one number, which stays.
#
# ## 6 The fast version
#
# For a fixed h, ψ is turned *and* permuted, β only turned. You have built both banks: `group_filter_bank` and `lifting_filter_bank` in notebook 04. (Each channel works alone here, so one channel axis is missing.) The affine map is then a sum over h̃, for neighbors i at the steps $\delta_i$ from a pixel t:
#
# $$A_{c,h,i}(t) = \sum_{\tilde h} \psi_{c,h,\tilde h,i}\; f_{c,\tilde h}(t + \delta_i) + \beta_{c,h,i}$$


# %%
@exercise
def affine_map(f: Tensor, psi: Tensor | None, beta: Tensor | None, kernel_size: int) -> Tensor:
    """f (B, C, |H̃|, Y, X), banks ψ (C, |H|, |H̃|, k, k) and β (C, |H|, k, k) → (B, C, |H|, k², Y, X).
    Without ψ each h takes its own sheet as it is; without β nothing is added (for section 7)."""
    ...


# %% [markdown]
# <!-- help: affine_map -->
#
# `affine_scores(query, keys, heads)` is in the library: the dot product of each head's query with each of its keys, divided by d, from (B, C, |H|, Y, X) and
# (B, C, |H|, k², Y, X) to (B, heads, |H|, k², Y, X). The query has been through its affine map already.


# %%
@exercise
def affine_attention_weights(
    query: Tensor,
    key: Tensor,
    key_affine: tuple[Tensor | None, Tensor | None],
    kernel_size: int,
    heads: int = 1,
    masked: bool = False,
) -> Tensor:
    """α: (B, heads, |H|, k², Y, X), which sums to 1 over the k² neighbors of each g.
    key_affine = (ψ, β), two banks. With ``masked`` neighbors outside of the map get weight 0.
    """
    ...


# %% [markdown]
# <!-- help: affine_attention_weights -->
#
# Each of query, key and value comes with its (ψ, β), as in the oracle; `banks` makes what each h sees of them.

# %%
Part = tuple[Tensor, tuple[Tensor, Tensor]]


def right_banks(psi: Tensor, beta: Tensor, group: Group) -> tuple[Tensor, Tensor]:
    return group_filter_bank(psi, group), lifting_filter_bank(beta, group)


def fast_self_convolution(
    query: Part, key: Part, value: Part, group: Group, heads: int = 1, masked: bool = False, banks=right_banks
) -> Tensor:
    k = value[1][0].shape[-1]
    center = affine_map(query[0], *banks(*query[1], group), kernel_size=1)[:, :, :, 0]  # (B, C, |H|, Y, X)
    weights = affine_attention_weights(center, key[0], banks(*key[1], group), k, heads, masked)
    values = affine_map(value[0], *banks(*value[1], group), k).unflatten(1, (heads, -1))
    return torch.einsum("bnhiyx,bnchiyx->bnchyx", weights, values).flatten(1, 2)


# %%
def random_tables(channels: int, group: Group, k: int, seed: int) -> tuple[Tensor, Tensor]:
    return noise(channels, group.order, k, k, seed=seed), noise(channels, k, k, seed=seed + 1)


def random_parts(f: Tensor, group: Group) -> list[Part]:
    return [(f, random_tables(f.shape[1], group, k, seed)) for k, seed in ((1, 2), (3, 4), (3, 6))]  # query, key, value


for group in ALL_GROUPS:
    parts = random_parts(noise(1, 2, group.order, 2, 3), group)
    for masked in (False, True):
        by_definition = oracles.affine_self_conv(*((f[0], affine) for f, affine in parts), group, masked)
        torch.testing.assert_close(fast_self_convolution(*parts, group, masked=masked)[0], by_definition)
print("The fast version equals the definition, for", *ALL_GROUPS)

# %% [markdown]
# And simple ASC is the case of one map in all three roles. (The query reads the middle of its tables.)

# %%
f, (psi, beta) = noise(2, 4, 3, 3), random_tables(2, C4, 3, seed=1)
beta_on_e = F.pad(beta[:, None], (0, 0, 0, 0, 0, 3))  # on the group, as in the loops: all of it on one sheet
loops = as_feature_map(self_convolution(as_function(f, C4), (psi, beta_on_e, C4)), C4)
middle, part = (f[None], (psi[..., 1:2, 1:2], beta[..., 1:2, 1:2])), (f[None], (psi, beta))
torch.testing.assert_close(fast_self_convolution(middle, part, part, C4)[0], loops)
print("The fast version equals the loops of section 2.")

# %% [markdown]
# With its three embeddings in front, $W^O$ behind, and heads, this is the library's layer. On C1 it is the layer on Z².

# %%
for group in ALL_GROUPS:
    layer, x = AffineSelfConv2d(group, 3, 4, 5, heads=2).double(), noise(1, 3, group.order, 6, 6)
    maps = {"query": layer.query(x), "key": layer.key(x), "value": layer.value(x)}
    affine_maps = {name: getattr(layer, f"{name}_affine") for name in maps}
    parts = [(maps[name], (affine_maps[name].psi, affine_maps[name].beta)) for name in maps]
    with torch.no_grad():
        torch.testing.assert_close(layer.output(fast_self_convolution(*parts, group, heads=2)), layer(x))
    print(f"{group}: as the library's, and {say(equivariance_error(layer, group, x).error)}")

# %% [markdown]
# **Break it on purpose.** What each h sees of ψ and β, in six wrong ways:
#
# <details><summary>Predict first: ψ turned, not permuted; ψ permuted, not turned; ψ the same for all h; β not turned; β turned by h⁻¹; all h with the mean of
# the turned β. One of the six is equivariant all the same. Which?</summary>
#
# "The mean of β", over its turns: all h see the same β, but it is a β that no turn changes. It has lost direction: ψ alone tells ahead from behind.
#
# </details>


# %%
def stacked(turn: Callable, group: Group) -> Tensor:
    return torch.stack([turn(h) for h in group.elements], dim=1)


def layer_with(psi_bank: Callable, beta_bank: Callable) -> Callable:
    def banks(psi: Tensor, beta: Tensor, group: Group) -> tuple[Tensor, Tensor]:
        return psi_bank(psi, group), beta_bank(beta, group)

    return lambda x: fast_self_convolution(*random_parts(x, D4), D4, banks=banks)


turned, both = (lambda table, H: stacked(lambda h: act_on_image(h, table), H)), group_filter_bank
ways = {
    "right": (both, turned),
    "ψ turned, not permuted": (turned, turned),
    "ψ permuted, not turned": (lambda psi, H: stacked(lambda h: psi[:, H.permutation(h)], H), turned),
    "ψ the same for all h": (lambda psi, H: stacked(lambda h: psi, H), turned),
    "β not turned": (both, lambda beta, H: stacked(lambda h: beta, H)),
    "β turned by h⁻¹": (both, lambda beta, H: stacked(lambda h: act_on_image(inverse(h), beta), H)),
    "the mean of β": (both, lambda beta, H: stacked(lambda h: turned(beta, H).mean(dim=1), H)),
}
x = noise(1, 2, 8, 5, 5)
for name, (psi_bank, beta_bank) in ways.items():
    print(f"{name:<23}", say(equivariance_error(layer_with(psi_bank, beta_bank), D4, x).error))

# %% [markdown]
# And the softmax? Take it over other axes than y: over y and h together, over h alone, or over the pixels t in one row, the ones that look.
#
# <details><summary>Predict first: which of the three break equivariance?</summary>
#
# Only the last: a row turns into a column. The h at a pixel are permuted, and a sum over all of them does not notice. So there are three equivariant layers here, and only one is the paper's. Equivariance does not tell which; the equation does.
#
# </details>


# %%
def shared(query: Tensor, key: Tensor, key_affine: tuple, kernel_size: int, heads: int, dims: tuple) -> Tensor:
    scores = affine_scores(query, affine_map(key, *key_affine, kernel_size), heads)
    return (scores - scores.logsumexp(dim=dims, keepdim=True)).exp()


def with_softmax_over(dims: tuple) -> Callable:
    def layer(x: Tensor) -> Tensor:
        query, key, value = (right_banks(*affine, D4) for _, affine in random_parts(x, D4))
        weights = shared(affine_map(x, *query, 1)[:, :, :, 0], x, key, 3, 1, dims)
        return (weights * affine_map(x, *value, 3)).sum(dim=3)

    return layer


for name, dims in {"y": (3,), "y and h": (2, 3), "h": (2,), "the t of a row": (5,)}.items():
    print(f"softmax over {name:<15}", say(equivariance_error(with_softmax_over(dims), D4, x).error))

# %% [markdown]
# ## 7 The rival
#
# **Stand-alone self-attention** (SASA; Ramachandran and others, 2019) has no ψ, and adds its positions β to the key alone:
#
# $$\alpha(g, y) = \operatorname{softmax}_y\big[\langle Q(t, h),\; K(y, h) + \beta(h^{-1}(y - t))\rangle / d\big], \qquad f'(g) = W^O \sum_y \alpha(g, y)\, V(y, h)$$
#
# Without ψ a sum over the sheets would lose them, as you have seen, so each h keeps to its own sheet, as if ψ were 1 for ĥ = e and 0 for the others. And β is **factorized**, to save parameters: in each head some channels of β
# depend on the row alone, the others on the column alone.


# %%
@exercise
def factorized_positions(row: Tensor, column: Tensor) -> Tensor:
    """β, (heads·(d₁ + d₂), k, k), from row (heads, d₁, k) and column (heads, d₂, k): in each head d₁ channels
    that depend on the row, then d₂. Example: row [[[1, 2, 3]]] gives the channel [[1, 1, 1], [2, 2, 2], [3, 3, 3]]."""
    ...


# %% [markdown]
# <!-- help: factorized_positions -->

# %%
for group in ALL_GROUPS:
    sasa, x = StandAloneSelfAttention2d(group, 3, 4, 5, heads=2).double(), noise(1, 3, group.order, 6, 6)
    beta = factorized_positions(sasa.positions.row, sasa.positions.column)
    torch.testing.assert_close(lifting_filter_bank(beta, group), sasa.positions.banks()[1])
    print(f"{group}: {say(equivariance_error(sasa, group, x).error)}")
print(f"{beta[0].numel()} positions per channel from {beta.shape[-1]} numbers")

# %% [markdown]
# What does it lack? Each head gives a *mean* of values, between the smallest and the largest V of its window. So no head of SASA is an edge filter. Two heads and $W^O$ can
# subtract; one cannot.
#
# <details><summary>Predict first: how do you set one head of ASC, so that it is the edge filter of section 1, exactly?</summary>
#
# ψ^Q = β^Q = 0 makes all scores 0 and all weights 1/9. Then $\psi^V$ = 9 · edge, $\beta^V$ = 0 and $W^V = W^O = 1$, $W^V$ without bias, and the sum is the convolution.
#
# </details>

# %%
asc, ink = AffineSelfConv2d(C1, 1, 1, 3).double(), digit[:, :, None]  # (1, 1, |H|, Y, X)
with torch.no_grad():
    for weight in (asc.query_affine.psi, asc.query_affine.beta, asc.value_affine.beta, asc.value.bias):
        weight.zero_()
    asc.value.weight.fill_(1)
    asc.output.weight.fill_(1)
    asc.value_affine.psi.copy_(9 * edge)
    torch.testing.assert_close(asc(ink)[:, :, 0], F.conv2d(digit, edge[None, None], padding=1))
    sasa = StandAloneSelfAttention2d(C1, 1, 1, 3, border="masked").double()
    attended, value = (sasa(ink) / sasa.output.weight)[:, :, 0], sasa.value(ink)[:, :, 0]
highest, lowest = F.max_pool2d(value, 3, 1, 1), -F.max_pool2d(-value, 3, 1, 1)
between = (attended > lowest - 1e-9) & (attended < highest + 1e-9)
print("One head of ASC is the edge filter.")
print("One head of SASA stays between lowest and highest value of the window:", bool(between.all()))

# %% [markdown]
# ## 8 Where does a pixel look?
#
# We set the weights by hand: each pixel shall look **ahead**, at what has **its own color**. On the sheet e, ahead is to the right.
#
# - Four channels: the three colors c, and −|c|²/2. With $A^Q = (c, 1)$ and $A^K = (c', -|c'|^2/2)$ the score is $\langle c,c'\rangle-|c'|^2/2=|c|^2/2-|c-c'|^2/2$, largest where c′ = c.
# - $\beta^K$ of the fourth channel is very low, except in a cone ahead.


# %%
def looker(group: Group) -> AffineSelfConv2d:
    layer, k = AffineSelfConv2d(group, 4, 4, 11).double(), 11
    with torch.no_grad():
        for weight in layer.parameters():
            weight.zero_()
        for matrix in (layer.query, layer.key, layer.value):
            matrix.weight[:, :, 0, 0, 0] = torch.eye(4)  # each channel and sheet is left as it is
        layer.query_affine.psi[:3, 0] = 1  # (c, …
        layer.query_affine.beta[3] = 1  # … 1)
        layer.key_affine.psi[:, 0] = 1
        layer.key_affine.beta[3] = -200
        for step in range(1, k // 2 + 1):  # the cone: column by column to the right, ever wider
            layer.key_affine.beta[3, k // 2 - step : k // 2 + step + 1, k // 2 + step] = 0
    return layer


def attention_of(layer: AffineSelfConv2d, image: Tensor) -> Tensor:
    """(1, 3, Y, X) → α, (heads, |H|, k², Y, X)"""
    colors = 20 * (image - 0.5)  # 20 makes the softmax sharp
    channels = torch.cat([colors, -colors.square().sum(dim=1, keepdim=True) / 2], dim=1)
    return layer.attention(channels[:, :, None].expand(-1, -1, layer.group.order, -1, -1))[0].detach()


def look(image: Tensor, pixel: tuple[int, int], h: Element) -> Look:
    return Look(image[0], pixel, h, gaze(attention_of(looker(C4), image)[0], C4, pixel, h))


# %%
photo = F.interpolate(load_photograph().double(), size=(32, 32), mode="area")
gaze_figure({f"sheet {h}": look(photo, (13, 6), h) for h in C4.elements})

# %% [markdown]
# One pixel, at the rim of the eye, on four sheets. Each looks into its own direction (the arrow), at colors like its own (blue: large α). On sheet e it sees the eye.
#
# Now turn the photograph by r. The same spot is now pixel (25, 13), and what looked from sheet e looks from sheet r.

# %%
quarter_turn, e = Element(0, 1), Element(0, 0)
before = look(photo, (13, 6), e)
after = look(act_on_image(quarter_turn, photo), (25, 13), quarter_turn)
gap = (act_on_image(quarter_turn, before.attention) - after.attention).abs().max().item()
print("the first gaze, turned by r, against the second one:", say(gap))

# %% [markdown]
# The gaze is carried along: $\alpha_{T_u f}(ug, uy) = \alpha_f(g, y)$. Try other pixels. On the right the image is turned, and its attention computed afresh.
#
# 1. Click into the nose. Where does it look from sheet e, where from r³?
# 2. Turn by 90°. To which pixel and sheet does the spot go, and does the gaze follow?
# 3. In the cell put C1 for C4, twice. What does the pixel of question 2 look at now, after the turn?
#
# <details><summary>Answers</summary>
#
# 1. To the right, and down; each time at colors like that of your pixel. 2. To row 31 − column, and column = row, on the next sheet; the words below say that both agree. 3. Still to
# the right, after every turn: on Z² "ahead" is a direction of the frame, and the image has turned away from it.
#
# </details>

# %%
attention_explorer(lambda image: attention_of(looker(C4), image), photo, C4, pixel=(13, 6))

# %% [markdown]
# ## 9 Squeeze and excite
#
# Windows are small. **Squeeze-and-excitation** lets each channel know about the whole map. Squeeze: the mean z of each channel, over the whole group. Excite: a factor
# between 0 and 1 for each channel, by two matrices, W₁ from C to C/r numbers and W₂ back, and a sigmoid σ:
#
# $$f'_c(g) = f_c(g)\cdot \sigma\big(W_2 \operatorname{relu}(W_1 z)\big)_c, \qquad z = \frac{1}{|H|YX}\sum_{g} f(g)$$
#
# A mean over the group does not change when the map is moved. So the factors are invariant, and each scales all sheets of a channel alike.


# %%
@exercise
def excitation(x: Tensor, squeeze: LinearMap, excite: LinearMap) -> Tensor:
    """The factors σ(W₂ relu(W₁ z)): (B, C, |H|, Y, X) → (B, C).
    Call squeeze(z) for W₁ z with its bias, and excite for W₂. Example: for z = 0, without biases, each factor is 1/2.
    """
    ...


# %% [markdown]
# <!-- help: excitation -->
#
# Beside it a version with a mean and a factor for each sheet.


# %%
def one_factor(x: Tensor, layer: GroupSqueezeExcite) -> Tensor:
    return x * excitation(x, layer.squeeze, layer.excite)[..., None, None, None]


def factor_per_sheet(x: Tensor, layer: GroupSqueezeExcite) -> Tensor:
    """The channels and sheets as C·|H| channels of an ordinary network"""
    fused = x.flatten(1, 2)[:, :, None]
    return (fused * excitation(fused, layer.squeeze, layer.excite)[..., None, None, None]).view_as(x)


torch.manual_seed(0)
x = noise(2, 4, 4, 5, 5)
group_layer = GroupSqueezeExcite(C4, 4, reduction=2).double()
plain_layer = GroupSqueezeExcite(C1, 16, reduction=2).double()
torch.testing.assert_close(one_factor(x, group_layer), group_layer(x))
print("a factor per channel:", say(equivariance_error(lambda x: one_factor(x, group_layer), C4, x).error))
print("a factor per sheet:  ", say(equivariance_error(lambda x: factor_per_sheet(x, plain_layer), C4, x).error))

# %% [markdown]
# On C1 the first is the original squeeze-and-excitation.
#
# ## 10 What does it cost?
#
# Count the parameters of a layer from c to c channels with a k × k window. The number of heads does not matter. In a network simple ASC, too, has an embedding W in front and $W^O$ behind. $W^O$ has no bias; W, or Q, K and V, have one per channel.


# %%
@exercise
def attention_parameters(kind: AttentionKind, channels: int, order: int, k: int) -> int:
    """All parameters of the layer, W^O and biases among them; order = |H|. Kinds: "sasa", "simple", "asc".
    Example: "simple" with c = 1 on C1, k = 1: 2 matrices, 1 bias, ψ and β, 5 in all.
    """
    ...


# %% [markdown]
# <!-- help: attention_parameters -->
#
# A 3 × 3 group convolution has 9|H|c² weights. ASC grows more slowly with c, but starts higher.
#
# <details><summary>Predict first: on Z², with k = 5, from which c on is ASC smaller? And on C4?</summary>
#
# On Z² it has 4c² + 3c + 100c + 2c, less than 9c² for c > 21. On C4 it has 16c² + 3c + 250c + 5c, less than 36c² for c > 12.9.
#
# </details>

# %%
for group, widths in ((C1, (16, 21, 22, 64)), (C4, (8, 12, 13, 32))):
    for c in widths:
        asc, sasa = (attention_parameters(kind, c, group.order, 5) for kind in ("asc", "sasa"))
        print(f"{group}, {c:2} channels: convolution {9 * group.order * c**2:6,}, ASC {asc:6,}, SASA {sasa:6,}")

# %% [markdown]
# **The published networks.** ResNet29 has blocks of three layers, the middle one with a window. ASC or a rival takes its place, with k = 5 and 8 heads; squeeze-and-excite (SE) stands at the end of a block; p4 has half of the channels.
# The whole family is one function, `course_lib.models.bottleneck_resnet`.

# %%
for row in find_table("asc").rows:
    if "ResNet29" in row.name and row.recipe.dataset == "cifar10":
        count = sum(weight.numel() for weight in row.build().parameters())
        agrees = "=" if row.parameters.agrees_with(count) else "differs"
        print(f"{row.name:<22} printed {row.parameters}, counted {count:,} {agrees}; accuracy printed {row.figure} %")

# %% [markdown]
# One of nine differs, by 0.3 %; we do not know why. The accuracies are the paper's, means of eight runs on CIFAR-10. ASC reaches those of convolution with fewer parameters: 14 % fewer on Z², 12 % on p4. With SE it stays 0.2 points below. SASA,
# without ψ, falls behind.
#
# ## Does it agree with the library?

# %%
for group in ALL_GROUPS:
    f, query = noise(2, 4, group.order, 3, 5), noise(2, 4, group.order, 3, 5, seed=1)
    banks = right_banks(*random_tables(4, group, 3, 5), group)
    torch.testing.assert_close(affine_map(f, *banks, 3), kernels.affine_map(f, *banks, 3))
    for masked in (False, True):
        weights = affine_attention_weights(query, f, banks, 3, 2, masked)
        torch.testing.assert_close(weights, kernels.affine_attention_weights(query, f, banks, 3, 2, masked))
    for i, h in enumerate(group.elements):
        tables = (noise(4, group.order, 3, 3, seed=7), noise(4, group.order, 3, 3, seed=8), group)
        term = affine_term(Isometry(*h, 1, 0), f[0, :, i, 0, 0], *tables)
        torch.testing.assert_close(term, framework.affine_term(Isometry(*h, 1, 0), f[0, :, i, 0, 0], *tables))
for kind in ("sasa", "simple", "asc"):
    assert attention_parameters(kind, 12, 4, 5) == counting.attention_parameters(kind, 12, 4, 5)
print("Your functions and the library's agree on random input.")

# %%
progress("09")

# %% [markdown]
# ## Recap
#
# - The affine map A_g[f](y) = f(y)ψ + β stands between convolution and self-attention: α = 1 and β = 0 give the one, ψ = 1, on Z², the other.
# - It is equivariant, since ψ and β see relative positions alone; the proof is one lemma and one substitution, and needs no softmax.
# - ψ must be turned and permuted. β is added inside of the sum over sheets, so it only turns. The query needs both at one place alone.
# - Squeeze-and-excite squeezes over the whole group, and has one factor for all sheets of a channel.
#
# **Now in `course_lib`:** `from course_lib.layers import AffineSelfConv2d, SimpleAffineSelfConv2d, StandAloneSelfAttention2d, GroupSqueezeExcite`; the definition in loops: `oracles.affine_self_conv`; the same without unfolded maps: `kernels.affine_attention`.
#
# **Further reading:** N. Diaconu and D. Worrall, *Affine Self Convolution*, 2019. P. Ramachandran and others, *Stand-Alone Self-Attention in Vision Models*, 2019. J. Hu and others, *Squeeze-and-Excitation Networks*, 2018.
#
# **Next:** notebook 10 trains whole families of networks, this one among them, and compares them with the papers' tables.
