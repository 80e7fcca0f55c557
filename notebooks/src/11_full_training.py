# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 11 Full training: what the papers promised, and what you can measure tonight
#
# The layers and networks of the papers are built. Now you find out whether they keep their promises. You train P4CNN yourself and watch its error fall, you see your point appear beside the published results and ours, and you decide, claim by claim, what holds. At the end you design a network of your own and try to beat P4CNN.
#
# **You will be able to**
# - train a network for as long as you like, resume it to bit-for-bit identical weights, and say what each line of the loop is for;
# - read a table of results critically: which differences are real, and which could be luck with the seeds;
# - say what each of the three papers claims about rotated MNIST, and whether it held here;
# - reproduce a row of a published table with one command.
#
# **What you need before:** notebook 04 (P4CNN), and 10 for the networks' names. **Time:** about 90 minutes, with five exercises.
# **Hardware:** any laptop. Section 3 downloads MNIST once (12 MB); without internet it uses the bundled digits and says so.

# %%
import json
import math
import os
import time
from collections.abc import Callable, Sequence
from io import BytesIO
from itertools import combinations, zip_longest
from statistics import fmean
from typing import Any

import torch
from IPython.display import Markdown, display
from torch import Generator, Tensor, nn
from torch.optim import Optimizer
from tqdm import tqdm

# %%
from course_lib import figures, reports, training
from course_lib.checks import diagnose
from course_lib.data import Split, load_dataset, load_digits, normalized, on_background, random_rotations
from course_lib.data.downloads import DownloadError
from course_lib.exercises import exercise, progress
from course_lib.exercises.scoreboard import Score, enter, scoreboard
from course_lib.experiments import CLAIMS, LAPTOP, TABLES, find
from course_lib.figures.captions import show_caption
from course_lib.figures.results import errors_by_row, mean_and_deviation, published_against_ours
from course_lib.figures.separable import error_by_size
from course_lib.figures.tables import Cost, error_against_cost
from course_lib.groups import C1, C4, Group
from course_lib.layers import (
    EquivariantSequential,
    GlobalMaxPool,
    GroupBatchNorm,
    GroupConv2d,
    LiftingConv2d,
    SpatialMaxPool2d,
)
from course_lib.reports.comparison import claims_markdown, errors_of, not_yet_run, trained_alike
from course_lib.reports.results import results_folder

# %%
from course_lib.training import evaluate, predict, restore_training_state, seed_everything, weights_checksum
from course_lib.training.result_files import read_results

torch.set_num_threads(1)  # one thread: the same sums in the same order, so the same bits

# %% [markdown]
# ## 1 What was promised
#
# Three papers of this course meet on one data set: **rotated MNIST**, handwritten digits that have each been turned by a random angle. There are 12,000 images to learn from, which is few, and
# nobody tells the network which way is up. Here are ten networks of this course, with their published errors on it:

# %%
NAMES = {
    "z2cnn": "Z2CNN, ordinary",
    "c-z2cnn": "c-Z2CNN, separable, ordinary",
    "p4cnn-rotation-pooling-cohen": "P4CNN, pooled in every layer",
    "p4cnn": "P4CNN",
    "g-p4cnn": "g-P4CNN, 10 channels",
    "gc-p4cnn": "gc-P4CNN, 10 channels",
    "g-p4cnn-17": "g-P4CNN, 17 channels",
    "gc-p4cnn-30": "gc-P4CNN, 30 channels",
    "e4net": "E4-Net",
    "e4net-large": "E4-Net, large",
}
published = {name: (find(key).error, find(key).deviation) for key, name in NAMES.items()}
errors_by_row({"published": published}).captioned(
    "In print, P4CNN makes less than half the errors of an ordinary network, and E4-Net a little more than half of those "
    "(bars: standard deviations over seeds)."
)

# %% [markdown]
# Read it from the top. An ordinary network gets 5 digits in 100 wrong. P4CNN, by group convolution (04), more than halves that, with no more parameters. Separable filters (06) use the saved parameters for more channels and get below 2 %, and E4 (08) gets to 1.2 or 1.3 %. That is the promise: five years of research, from 2016 to 2021, in one picture.
#
# Papers print such numbers after long training on a GPU, and not all by the same recipe. Can *you* see the same on your machine? You need three things: a loop, a recipe, and a
# way of telling a real difference from luck.
#
# ## 2 The loop
#
# The network outputs one score $z_y$ for each class y. For an image with label t, the loss is the **cross-entropy**: minus the logarithm of the probability that softmax gives to t.
#
# $$\ell(z, t) = -\log \frac{e^{z_t}}{\sum_y e^{z_y}}$$
#
# <details><summary>Predict first: with ten classes, what is the loss of a network that knows nothing?</summary>
#
# It gives each class the same score, so each probability is 1/10, and the loss is log 10 ≈ 2.30. If the loss of a fresh network is far from that, look for a bug.
# </details>
#
# One step of descent computes the scores of a batch, the mean loss and its gradients, and lets the optimizer change the weights.


# %%
@exercise
def train_step(
    forward: Callable[[Tensor], Tensor], images: Tensor, labels: Tensor, optimizer: Optimizer, bf16: bool = False
) -> tuple[Tensor, Tensor]:
    """One step of descent on the mean cross-entropy; returns (sum of the losses, detached; number of right answers).

    Both are those before the step. Shapes: images (B, C, Y, X), labels (B,), ``forward(images)`` (B, classes). The
    loss is `torch.nn.functional.cross_entropy`. Compute scores and loss in the context
    `torch.autocast(images.device.type, torch.bfloat16, enabled=bf16)`: 16-bit numbers can be faster on a GPU.
    """
    ...


# %% [markdown]
# <!-- help: train_step -->
#
# Around that step goes the loop. This one trains for a given *time*, because time is what you decide to spend. The learning rate follows the clock as well: it rises for the first twentieth of the time, then falls to zero along half a cosine. The large steps early on cover the distance, and the small steps at the end let the weights settle.


# %%
def train_for(
    seconds: float, net: nn.Module, split: Split, background: Sequence[float], after_epoch: Callable[[int], None]
) -> None:
    """Train with Adam and random rotations, 128 images at a time, until the time is over or you press stop."""
    rotate = on_background(random_rotations, background)  # the corners of a rotated image become black, not gray
    optimizer, generator = torch.optim.Adam(net.parameters()), Generator().manual_seed(0)
    begin, epoch = time.perf_counter(), 0
    with tqdm(total=round(seconds), unit="s", bar_format="{l_bar}{bar}| {n_fmt} of {total_fmt} s {postfix}") as bar:
        try:
            while True:
                net.train()  # batch norm measures each batch, dropout drops
                for batch in torch.randperm(len(split), generator=generator).split(128):
                    share = (time.perf_counter() - begin) / seconds
                    bar.update(min(round(seconds), int(share * seconds)) - bar.n)
                    if share >= 1:
                        return
                    cosine = (1 + math.cos(math.pi * share)) / 2
                    optimizer.param_groups[0]["lr"] = 0.01 * min(1, share / 0.05) * cosine
                    train_step(net, rotate(split.images[batch], generator), split.labels[batch], optimizer)
                net.eval()
                epoch += 1
                after_epoch(epoch)
        except KeyboardInterrupt:
            print("stopped early; the network keeps what it has learned")
        finally:
            net.eval()


# %% [markdown]
# Shuffling, batches and Adam are the same as for any network. Three things are special here, and each of them is easy to get wrong:
#
# - **The corners.** A turned image has corners that were never photographed. They must be black. After normalization black is no longer 0 but a negative number, so `on_background` fills the corners with that number. If it filled them with 0, the corners would be gray, and their shape would tell the network the angle.
# - **Augmentation and equivariance are not rivals.** P4CNN is exact for quarter turns and knows nothing about the angles in between, so random rotations help it, too.
# - **Every network gets the same time.** Most equivariant networks do more arithmetic per image, so they finish fewer epochs. Comparing after equal numbers of epochs hides that cost, and comparing after equal time shows it. (The stored runs below are compared after equal epochs. Section 6 looks at their cost.)
#
# The library's loop, `course_lib/training/loop.py`, is this one plus validation, checkpoints and error messages in plain words. Its runs can be repeated bit for bit (on the same machine, with one thread), because it counts epochs and not seconds.
#
# ### Stop and resume
#
# Long runs get killed: a cluster wants its machine back, or a laptop's battery runs out. So after each epoch the library writes a **checkpoint**, and a new process continues from there.
#
# <details><summary>Predict first: is it enough to store the weights?</summary>
#
# For *using* the network, almost: the running statistics of batch norm belong to it as well. For *resuming*, no. Adam remembers averages of earlier gradients. The order of the images, their angles and the dropout of the next epoch depend on the states of the random generators. And the schedule needs to know the number of the epoch.
# </details>


# %%
@exercise
def training_state(net: nn.Module, optimizer: Optimizer, generator: Generator) -> dict[str, Any]:
    """A dictionary with the states of "net", "optimizer" and "random": all that the next epochs depend on.

    `random_states(device, generator)`, from `course_lib.training.randomness`, gives the states of all random
    generators; the device is that of the weights. (The caller adds the number of the epoch.)
    """
    ...


# %% [markdown]
# <!-- help: training_state -->
#
# Let us test your answer on a small run that needs every part of your dictionary: batch norm, Adam, random angles and dropout. Train two epochs, write a checkpoint, begin a new process with another seed, restore, and train two more epochs. Are the weights the same as after four epochs without a stop?


# %%
def small_net(group: Group, width: int, dropout: float = 0.0) -> nn.Module:
    """Three convolutions for images of 14 × 14, invariant to the group."""
    layers = [LiftingConv2d(group, 1, width, 3), GroupBatchNorm(group, width), nn.ReLU(), SpatialMaxPool2d(group, 2)]
    for c_in in (width, 2 * width):
        layers += [GroupConv2d(group, c_in, 2 * width, 3), GroupBatchNorm(group, 2 * width), nn.ReLU()]
    return EquivariantSequential(*layers, GlobalMaxPool(group), nn.Dropout(dropout), nn.Linear(2 * width, 10))


# %%
digits = normalized(load_digits(rotated=True, size=14))  # the bundled ones, small, so that this takes seconds
few = digits.train.first(200)


def begin(seed: int) -> tuple[nn.Module, Optimizer, Generator]:
    """A new process: network, optimizer and generator as the seed makes them."""
    seed_everything(seed)
    net = small_net(C4, 4, dropout=0.2)
    return net, torch.optim.Adam(net.parameters(), lr=0.01), Generator().manual_seed(seed)


# %%
def train_epochs(count: int, net: nn.Module, optimizer: Optimizer, generator: Generator) -> None:
    net.train()
    for _ in range(count):
        for batch in torch.randperm(len(few), generator=generator).split(32):
            train_step(net, random_rotations(few.images[batch], generator), few.labels[batch], optimizer)


# %%
def stop_and_resume(forget: str = "") -> str:
    """The checksum of the weights; one part of the checkpoint can be left as the new process made it."""
    process = begin(seed=0)
    train_epochs(2, *process)
    file = BytesIO()
    torch.save(training_state(*process), file)
    process = begin(seed=99)
    state, new = torch.load(BytesIO(file.getvalue()), weights_only=True), training_state(*process)
    if forget in state:
        state[forget] = new[forget]
    elif forget:
        state["random"][forget] = new["random"][forget]
    restore_training_state(state, *process)
    train_epochs(2, *process)
    return weights_checksum(process[0])


# %%
process = begin(seed=0)
train_epochs(4, *process)
whole = weights_checksum(process[0])
print("nothing forgotten, the same weights as without a stop:", stop_and_resume() == whole)
parts = {"net": "the weights", "optimizer": "Adam's memory", "generator": "order and angles", "torch": "dropout"}
for part, what in parts.items():
    print(f"forgotten: {part} ({what}); the same weights: {stop_and_resume(forget=part) == whole}")

# %% [markdown]
# Each of the four is needed. A run that forgets one of the last three still *learns*, which is why hardly anybody notices.
#
# ## 3 Your run
#
# Now for the real thing. Choose how long you want to wait:
#
# | `SECONDS` | what you get with P4CNN, on two cores of a laptop |
# |---|---|
# | 120 | a first point, after 5 to 13 epochs |
# | 420 | as many epochs as the short runs below (16), or more |
# | 1,200 | as many as our full recipe has (48), or more |
#
# With `"z2cnn"`, `"gc-p4cnn-30"` or `"e4net"` in place of `"p4cnn"`, you train another network from the picture. While you wait, the curve shows the error on 2,000 *validation* images. The test images are used once, at the end.

# %%
SECONDS = 120
NETWORK = "p4cnn"
SOURCE = os.environ.get("COURSE_DIGITS", "rotated-mnist-rebuilt")  # or "rotated:FILE.npz", digits of your own

# %% tags=["nbval-ignore-output"]
try:
    mnist, seconds = normalized(load_dataset(SOURCE, validation=2000)), float(SECONDS)
except DownloadError:
    mnist, seconds = normalized(load_digits(rotated=True)), min(SECONDS, 15.0)
    print(
        "No internet: this run learns from 1,029 bundled digits, for 15 seconds. Its error cannot be compared with anything below."
    )
print(
    f"{len(mnist.train):,} images to learn from, {len(mnist.validation):,} to watch, {len(mnist.test):,} for the test"
)

# %% tags=["nbval-ignore-output"]
seed_everything(0)
mine, curve = find(NETWORK).build(), []
picture = display(Markdown("*The curve appears after the first epoch.*"), display_id=True)
show_caption("The errors of your network on the validation images, epoch by epoch.")


# %%
def show_error(epoch: int) -> None:
    curve.append(100 * (1 - evaluate(mine, mnist.validation)))
    picture.update(figures.learning_curves({NAMES.get(NETWORK, NETWORK): curve}, ylabel="validation error, in %"))


# %% tags=["nbval-ignore-output"]
torch.set_num_threads(os.cpu_count() or 1)  # all cores for this one
train_for(seconds, mine, mnist.train, mnist.background, show_error)
my_error = 100 * (1 - evaluate(mine, mnist.test))
torch.set_num_threads(1)
print(f"{NETWORK}, {seconds:.0f} seconds, {len(curve)} whole epoch(s): {my_error:.2f} % of the test images are wrong")

# %% [markdown]
# Soon you will see your point among the others. *Our runs* are stored in this repository. Except where section 4 says *the paper's own recipe*, they were trained by **one recipe for all networks**, so that nothing differs but the network: Adam with learning rate 0.01, one epoch of warm-up, a cosine, and random rotations. How were the learning rate and the number of epochs chosen? We tried a grid of them, and looked at validation images only:

# %%
grid = [cell for cell in json.loads((results_folder() / "laptop_grid.json").read_text()) if cell["row"] in NAMES]
at = {(cell["row"], cell["epochs"], cell["learning_rate"]): cell["validation_error_percent"][-1] for cell in grid}
networks, lengths, rates = (sorted({key[i] for key in at}) for i in range(3))
for length in lengths:
    for rate in rates:
        errors = [at[network, length, rate] for network in networks]
        told = ", ".join(f"{network} {error:.2f}" for network, error in zip(networks, errors, strict=True))
        print(f"{length} epochs, learning rate {rate}: mean {fmean(errors):.2f} %   ({told})")

# %% [markdown]
# The recipe is the line with the smallest mean: 48 epochs at learning rate 0.01. The grid says more. At this learning rate E4-Net makes about half as many errors after 48 epochs as after 16, and P4CNN gains less from the longer training. (Each number in parentheses is one run, and 0.1 % of the validation images is two images: do not read much into a single number.) So a comparison that stops early favors the networks that learn fast, even if others are better in the end. Keep that in mind below.
#
# Training every network for 48 epochs with every seed takes a laptop many hours. So the pictures below show runs of a third of that length, with the whole schedule squeezed into 16 epochs; set `EPOCHS = 48` to see the runs of full length, as far as there are any. Where a network has no such run, most cells say so, and name the command that makes one. (That command downloads the original archive, 56 MB. The pictures never mix stored runs on different data sets, so to see yours, set `DATA = "rotated MNIST"`.)

# %%
EPOCHS = 16
RECIPE, DATA = LAPTOP["rotated-mnist"], "rotated mnist-27k (rebuilt, seed 0)"
length = {} if RECIPE.epochs == EPOCHS else {"epochs": EPOCHS}

# %% tags=["nbval-ignore-output"]
# The output grows with every run that is added to data/results, so no test compares it.
full = [result for result in read_results(results_folder()) if not result["small"]]
laptop = trained_alike(full, DATA, RECIPE, **length)
ours = {name: mean_and_deviation(errors_of(laptop[key])) for key, name in NAMES.items() if key in laptop}
is_comparable = mnist.name.startswith("rotated") and len(mnist.train) == 10_000
yours = {NAMES[NETWORK]: my_error} if is_comparable and NETWORK in NAMES else {}
print(not_yet_run(laptop, NAMES, **length))
if not is_comparable:
    print("Your run has no star below, since it did not learn from 10,000 turned digits.")
compared = {name: published[name] for name in published if name in {**ours, **yours}} or published
errors_by_row({"published": compared, f"our runs, {EPOCHS} epochs": ours}, yours).captioned(
    f"Published errors, ours, and your run as a star, after {len(curve)} epochs (bars: standard deviations over seeds; "
    "some are shorter than their points, and a single seed has none)."
)

# %% [markdown]
# If your point differs from the others, there are four possible reasons: how long you trained; the seed; the images (section 3 counts yours; published errors come from the original archive, with 10,000 or 12,000 training images and 50,000 test images; ours come from digits of MNIST
# that we turned ourselves, with 10,000 and 15,435); the recipe.
#
# ## 4 Published against ours
#
# Now look at every row of the three papers on rotated MNIST that has been run. The horizontal axis is the published error, and the vertical axis is the error that we measured.

# %% tags=["nbval-ignore-output"]
rows = {row.key: row for name in ("rotated-mnist", "e4-rotated-mnist") for row in TABLES[name].rows}
labels = {key: f"{row.name}, 2016" if key.endswith("-cohen") else row.name for key, row in rows.items()}
labels |= {key: name.replace(" channels", "") for key, name in NAMES.items()}
variants = {key for key in rows if key.startswith("e4net-") and key not in NAMES}
by_recipe = {
    f"our recipe, {EPOCHS} epochs": {key: runs for key, runs in laptop.items() if key not in variants},
    "the paper's own recipe": {**trained_alike(full, DATA), **trained_alike(full, DATA, validation=2000)},
    "E4-Net, one choice changed": {key: runs for key, runs in laptop.items() if key in variants},
}

# %% tags=["nbval-ignore-output"]
measured = {
    recipe: {labels[key]: mean_and_deviation(errors_of(runs[key])) for key in rows if key in runs}
    for recipe, runs in by_recipe.items()
}

# %% tags=["nbval-ignore-output"]
printed = {labels[key]: (row.error, row.deviation) for key, row in rows.items()}
drawn = {recipe: errors for recipe, errors in measured.items() if errors}
published_against_ours(printed, drawn, unnamed=["E4-Net, one choice changed"]).captioned(
    "Below the dashed line our error is smaller than the published one (bars: standard deviations; 10, 17, 30: channels; "
    "2016: Cohen and Welling's networks; without a name: notebook 08)."
)

# %% tags=["nbval-ignore-output"]
everywhere = [(row.error, fmean(errors_of(laptop[key]))) for key, row in rows.items() if key in laptop]
below = sum(mean < print_ for print_, mean in everywhere)
print(f"{len(full)} runs are stored; {below} of {len(everywhere)} rows make fewer errors by our recipe than in print")

# %% [markdown]
# Where our error is lower, that is no triumph over the papers: we use other test images and, in *our recipe*, another schedule. Do not compare the errors themselves, but the *order* of the networks.
#
# ## 5 Which claims hold?
#
# A paper says that network A makes fewer errors than B. You have results of A and B for a handful of seeds. When would you believe the claim?
#
# Suppose the network made no difference. Then the n results of A and the m results of B could have been dealt to them in any other way, like n + m cards. The **permutation test** asks in what fraction of all deals the two means are at least as far apart as in the deal that you found:
#
# $$p = \frac{\#\{\text{deals with } |\text{mean}_A - \text{mean}_B| \ge \text{found}\}}{\#\{\text{deals}\}}$$
#
# A small p says that luck with the seeds alone would rarely bring the means so far apart. A worked case: A has 1 and 2, B has 3 and 4, so the means are 2 apart. There are six ways to deal two of the four numbers to A: {1, 2}, {1, 3}, {1, 4}, {2, 3}, {2, 4} and {3, 4}. Their means are 2, 1, 0, 0, 1 and 2 apart. In two of the six deals that is at least 2, so p = 1/3.


# %%
@exercise
def permutation_p_value(a: Sequence[float], b: Sequence[float]) -> float:
    """The fraction of all deals in which the two means are at least as far apart as those of a and b.

    A deal gives len(a) of all results to the first network and the rest to the second. Both directions count, and so
    does the deal that was found. Allow for rounding: ``>= found - 1e-9``. Example: [1, 2] and [3, 4] give 1/3.
    """
    ...


# %% [markdown]
# <!-- help: permutation_p_value -->
#
# How much can a few seeds say? Take the clearest claim of all: P4CNN beats Z2CNN.

# %% tags=["nbval-ignore-output"]
two = [errors_of(laptop.get(row, ())) for row in ("z2cnn", "p4cnn")]
for n in range(1, 1 + min(map(len, two))):
    a, b = (errors[:n] for errors in two)
    p = permutation_p_value(a, b)
    print(f"n = {n}: Z2CNN {fmean(a):.2f} %, P4CNN {fmean(b):.2f} %, p = {p:.3f}")
if not all(two):
    print(not_yet_run(laptop, ("z2cnn", "p4cnn"), **length))

# %% [markdown]
# Three seeds of each give p = 2/20 at best, *whatever* the results. There are only 20 deals, and at least two of them count: the one that you found, and the same one with the two networks exchanged. Five seeds of each can reach 2/252. With unequal numbers there is no such exchange, so one seed against five can reach 1/6. This is why the table below says how small p could have become.
#
# So there are four things that seeds can say of a claim "A makes fewer errors than B". Write the rule:


# %%
@exercise
def verdict(a: Sequence[float], b: Sequence[float], level: float = 0.05) -> str:
    """What the errors a and b of two networks say of the claim that the first makes fewer errors.

    "too few seeds to tell" where even the smallest possible p is above the level; else "within noise" where p
    itself is above it; else "holds" or "the other way round". `smallest_p_value(len(a), len(b))`, from
    `course_lib.reports`, gives the smallest possible p.
    """
    ...


# %% [markdown]
# <!-- help: verdict -->
#
# Here is every claim, judged by this rule from the stored runs. Where no paper is named, the claim is our own guess: nothing was promised that could hold, so in the table, though not in the list below it, "fewer errors" stands for "holds", and "more errors" for "the other way round". Where one paper is named against another, the published gap compares numbers of both, which section 8 warns of. The number in parentheses behind an error counts its seeds.

# %% tags=["nbval-ignore-output"]
print(not_yet_run(laptop, (row for claim in CLAIMS for row in (claim.better, claim.worse)), **length))
Markdown(claims_markdown(laptop, CLAIMS))

# %% tags=["nbval-ignore-output"]
verdicts = {}
for claim in CLAIMS:
    if claim.better in laptop and claim.worse in laptop:
        found = verdict(errors_of(laptop[claim.better]), errors_of(laptop[claim.worse]))
        verdicts.setdefault(found, []).append(claim.words)
Markdown("\n".join(f"- **{found}** ({len(words)}): {' '.join(words)}" for found, words in sorted(verdicts.items())))

# %% [markdown]
# One caution. p knows about luck with the *seeds* only. It does not know that all runs share their test images, that one recipe may suit one network better than another, or that somebody looked at sixteen claims: among so many, a p below 0.05 may well appear by luck.
#
# ### Fewer images
#
# Equivariance is said to matter most where training images are few. So compare networks that were trained on 1,000, on 3,000 and on all 10,000 images, for about the same number of steps:

# %% tags=["nbval-ignore-output"]
SMALLER = ("z2cnn", "p4cnn", "gc-p4cnn-30", "e4net")
changes = {10_000: length}
for per_class, times in ((300, 3.33), (100, 10)):  # more epochs of fewer images: about as many steps
    changes[10 * per_class] = {"per_class": per_class, "epochs": round(times * EPOCHS)}
by_size = {images: trained_alike(full, DATA, RECIPE, **changes[images]) for images in sorted(changes)}
for images, alike in by_size.items():
    print(f"{images:,} images. {not_yet_run(alike, SMALLER, **changes[images])}")

# %% tags=["nbval-ignore-output"]
at_all_sizes = {}
for row in SMALLER:
    errors = [errors_of(alike.get(row, ())) for alike in by_size.values()]
    if all(errors):
        at_all_sizes[NAMES[row]] = list(zip_longest(*errors, fillvalue=math.nan))
error_by_size(at_all_sizes, list(by_size)).captioned(
    "With fewer images every network makes more errors, and P4CNN makes fewer than Z2CNN at each size "
    "(n: seeds; bars: standard deviations; small circles: single seeds)."
) if at_all_sizes else print("No network has been trained on all three sizes yet.")

# %% tags=["nbval-ignore-output"]
gaps = {}
for images, alike in sorted(by_size.items()):
    if not {"z2cnn", "p4cnn"} <= alike.keys():
        continue
    z2, p4 = (fmean(errors_of(alike[row])) for row in ("z2cnn", "p4cnn"))
    gaps[images] = z2 - p4
    print(f"{images:>6,} images: Z2CNN {z2:5.2f} %, P4CNN {p4:5.2f} %; gap {z2 - p4:.2f} points, ratio {z2 / p4:.2f}")
if len(gaps) > 1:
    few, *_, many = gaps
    verb = "grew" if gaps[few] > gaps[many] else "did not grow"
    print(f"From {many:,} to {few:,} images, the gap in points {verb}.")

# %% [markdown]
# ## 6 What does an error cost?
#
# A network can be cheap in three ways that need not go together: few parameters, few operations, few seconds. Compare the two panels: which networks are cheap on the left, and which on the right?

# %% tags=["nbval-ignore-output"]
FAMILIES = {"ordinary": ("z2cnn", "c-z2cnn"), "p4, full": ("p4cnn-rotation-pooling-cohen", "p4cnn"),
            "p4, separable": ("g-p4cnn", "gc-p4cnn", "g-p4cnn-17", "gc-p4cnn-30"), "p4, E4": ("e4net", "e4net-large")}  # fmt: skip


# %%
def cost(key: str) -> Cost:
    mean, deviation = mean_and_deviation(errors_of(laptop[key]))
    counts = find(key).counts()
    label = ", ".join(part.split()[0] for part in NAMES[key].split(", ")[:2])  # as in "gc-P4CNN, 30"
    return Cost(label, mean, counts.parameters, counts.executed + counts.aggregation, deviation)


# %% tags=["nbval-ignore-output"]
costs = {family: [cost(key) for key in keys if key in laptop] for family, keys in FAMILIES.items()}
known = {family: points for family, points in costs.items() if points}
print(not_yet_run(laptop, (key for keys in FAMILIES.values() for key in keys), **length))
error_against_cost(known, error="our test error").captioned(
    "Our error against parameters (left) and operations (right); further left and lower is better. "
    "Bars: standard deviations of several seeds; the number behind a name: its channels."
) if known else None

# %% [markdown]
# And the seconds? They depend on the machine, too: a processor with two cores spends them on arithmetic, while a GPU spends much of its time on starting many small operations. `python -m course_lib hours` estimates from the stored runs how long each table takes on every machine that has been measured, and notebook 08 shows where the time of an E4 layer goes.
#
# ## 7 Does exactness survive training?
#
# Z2CNN has to *learn* that a digit turned by 90° is the same digit. P4CNN knows that by construction. The E4-Net of the released code has a norm with separate weights for each orientation, which start out equal (08). So it is exact when it is new, but what happens in training? After every epoch each run turned the validation images by 90° and counted the predictions that changed.

# %% tags=["nbval-ignore-output"]
shown = {"z2cnn": "Z2CNN", "e4net": "E4-Net with a shared norm", "e4net-released": "E4-Net as released"}
changed = {
    name: [[100 * part for part in run["epochs"]["changed_by_turn"]] for run in laptop[row]]
    for row, name in shown.items() if row in laptop
}  # fmt: skip

# %% tags=["nbval-ignore-output"]
print(not_yet_run(laptop, shown, **length))
for name, seeds in changed.items():
    print(f"{name}, after the last epoch: {fmean(seed[-1] for seed in seeds):.2f} % changed")
figures.learning_curves(changed, ylabel="changed by a quarter turn, in %").captioned(
    "A quarter turn changes predictions of Z2CNN after every epoch, some of E4-Net as released, and none with a shared "
    "norm. Bands: lowest to highest seed."
) if changed else None

# %% [markdown]
# With the shared norm the number is zero by construction, at every epoch and for every seed. Nothing holds the other two networks at zero. Only the random turns of the training images draw them toward it; with images that are always upright, nothing would.
#
# ## 8 Three ways to fool yourself
#
# ### Choosing the best epoch by the test images
#
# The test error wobbles from epoch to epoch. Reporting the best epoch looks harmless, and some published code does. How much does it flatter? Train the small network of section 2, but on C1 and 8 channels wide, on 343 digits for 30 epochs, and note after each epoch which test images it gets wrong. Then split the test images at random into two halves: choose the best of the last 20 epochs by half A, and look at the same epoch on half B, which had no say.
#
# <details><summary>Predict first: will the chosen epoch have the same error on A and on B, on average?</summary>
#
# No. It was chosen partly because A's images happened to suit it, and B does not share that luck.
# </details>

# %% tags=["nbval-ignore-output"]
seed_everything(0)
net, generator, is_wrong = small_net(C1, 8), Generator().manual_seed(0), []
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
for _ in tqdm(range(30)):
    net.train()
    for batch in torch.randperm(343, generator=generator).split(32):
        train_step(net, digits.train.images[batch], digits.train.labels[batch], optimizer)
    is_wrong.append((predict(net.eval(), digits.test.images) != digits.test.labels).double())
last = 100 * torch.stack(is_wrong[-20:])
halves = [torch.randperm(510, generator=Generator().manual_seed(i)).split(255) for i in range(500)]
pairs = [(last[:, a].mean(1), last[:, b].mean(1)) for a, b in halves]
chosen = torch.stack([torch.stack([on_a.min(), on_b[on_a.argmin()]]) for on_a, on_b in pairs]).mean(dim=0)
print(f"best epoch by half A: {chosen[0]:.1f} % wrong on A, {chosen[1]:.1f} % on the fresh half B")

# %%
flattery = (chosen[1] - chosen[0]).item()
print("averaged over 500 splits, choosing by the test images flatters by more than half a point:", flattery > 0.5)

# %% [markdown]
# The error on B is the honest one. With N test images the effect shrinks at least as fast as $1/\sqrt{N}$, but the gaps between good networks are small, too. The released code of E4 reports the best test epoch; our runs report the last.
#
# ### Trusting "±" from a handful of seeds
#
# How well do five numbers know their own spread? Draw five from a normal distribution with standard deviation 1, a hundred thousand times:

# %%
spreads = torch.randn(100_000, 5, dtype=torch.float64, generator=Generator().manual_seed(0)).std(dim=1)
low, high = spreads.quantile(torch.tensor([0.05, 0.95]).double()).tolist()
print(f"nine times in ten, the standard deviation of five seeds is between {low:.1f} and {high:.1f} times the true one")

# %% [markdown]
# So "± 0.02" and "± 0.05" from five seeds can describe the same spread.
#
# ### Comparing numbers from different papers
#
# The same two networks appear twice in the tables, trained once by Cohen and Welling and once by Lengyel and van Gemert:

# %%
for base in ("resnet44-cohen", "resnet44"):
    plain, p4m = find(base), find(f"p4m-{base}")
    print(f"{plain.source}: ResNet44 {plain.error:.2f} %, p4m-ResNet44 {p4m.error:.2f} % wrong on CIFAR-10")

# %% [markdown]
# For the same ordinary ResNet44, the two papers differ by 3.65 points. That is more than the three points that Cohen and Welling gain by symmetry. So before you call a result a contradiction, ask whether it is the same network (count its parameters), the same recipe, the same data, the same epoch, and how many seeds there were.
#
# ## 9 A table from one command
#
# The library knows the network and the recipe of every row, so you only have to name the row. You can stop and resume a run at any time. Each run leaves one small file with its seed, its commit, the checksum of its data and the results of every epoch.
#
# ```bash
# python -m course_lib train p4cnn --small              # the bundled digits, to see that everything works
# python -m course_lib train e4net --recipe laptop      # one row by our recipe
# python -m course_lib table rotated-mnist --recipe laptop --seeds 5 --time-budget 8h    # a whole table, night by night
# python -m course_lib train p4cnn                      # the paper's own recipe: 100 epochs
# python -m course_lib results rotated-mnist            # published beside ours
# ```
#
# What has been run, and what has not, is on one page, `data/results/README.md`.
#
# ## 10 Your turn: beat P4CNN
#
# Now design a network of your own, with at most 25,000 parameters, that beats P4CNN after **ten minutes** of training on your machine. It must be exactly invariant to quarter turns. For a fair fight, give P4CNN ten minutes as well: set `SECONDS = 600` in section 3.
#
# There is no single right answer. Think about what a minute of training buys: a network with half the operations takes up to twice as many steps. Import what you need, for example `from course_lib.models import e4net, p4cnn_linear`, or any layer of `course_lib.layers`.


# %%
@exercise
def contender() -> nn.Module:
    """Your network: (B, 1, 28, 28) → (B, 10), at most 25,000 parameters, the same answer for all quarter turns.

    Example: the library's answer is P4CNN with gc-separable convolutions and 30 channels; it has 24,640 parameters.
    """
    ...


# %% [markdown]
# <!-- help: contender -->
#
# To enter the scoreboard, set `MINUTES = 10` and a `NAME` in the next cell, and run it and the three cells after it. (Networks trained on the bundled digits are not entered.) The board is a file on your machine, and it keeps your best entries. The rows in italics are our runs, with the minutes that they took on our machines. Remember section 8: the best of many attempts, chosen by the test images, looks better than it is.

# %%
MINUTES = 0.1  # 10 for the scoreboard
NAME = "my first try"

# %% tags=["nbval-ignore-output"]
seed_everything(0)
entry = contender()
torch.set_num_threads(os.cpu_count() or 1)
train_for(60 * MINUTES, entry, mnist.train, mnist.background, lambda epoch: None)
entry_error = 100 * (1 - evaluate(entry, mnist.test))
torch.set_num_threads(1)

# %% tags=["nbval-ignore-output"]
print(diagnose(entry, C4, (1, 28, 28)))
if MINUTES >= 10 and is_comparable and diagnose(entry, C4, (1, 28, 28)).ok:
    enter(Score(NAME, entry_error, sum(p.numel() for p in entry.parameters()), 60 * MINUTES))

# %% tags=["nbval-ignore-output"]
rivals = [Score(f"{NAMES[key]} ({EPOCHS} epochs, mean of {len(laptop[key])})", fmean(errors_of(laptop[key])),
                laptop[key][0]["network"]["parameters"], fmean(run["seconds"] for run in laptop[key]))
          for key in ("z2cnn", "p4cnn", "gc-p4cnn-30") if key in laptop]  # fmt: skip
print(f"{NAME}: {entry_error:.2f} % wrong after {MINUTES} minutes")
Markdown(scoreboard(*rivals))

# %% [markdown]
# ## Does it agree with the library?

# %%
images, labels = torch.randn(6, 1, 14, 14), torch.arange(6)
for a, b in combinations([[1.0, 2.0, 4.0], [2.5, 3.5], [0.0, 9.0, 1.0]], 2):
    assert abs(permutation_p_value(a, b) - reports.permutation_p_value(a, b)) < 1e-12
process = begin(seed=0)
assert training_state(*process).keys() == training.training_state(*process).keys()
checksums = set()
for step in (train_step, training.train_step):
    net, optimizer, _ = begin(seed=0)
    step(net, images, labels, optimizer)
    checksums.add(weights_checksum(net))
assert len(checksums) == 1
print("Your functions and the library's agree.")

# %%
progress("11")

# %% [markdown]
# ## Recap, of this notebook and of the course
#
# - A training loop is a step, an order and a schedule. A checkpoint holds weights, optimizer, random states *and* the epoch; equal checksums show that nothing was missing.
# - One recipe for all networks makes the network the only difference. The permutation test says whether luck with the seeds could explain what you see. The table of claims in section 5 is our answer to the question of this notebook: do the networks keep their promises?
# - Augmentation encourages a symmetry, and equivariance guarantees it.
#
# And the course: a group is a set of moves that you can undo and chain (01). It acts on images and on feature maps, where it turns the sheets *and* permutes them (02, 03). Convolution over the group
# commutes with that action (04), and no other linear layer between such maps does (07); strides, padding and norms can spoil it (05). Filters may share more (06), be written by the data (08), or attend (07, 09), as long as they see relative positions only. And every network is a function of a group (10).
#
# **Now in `course_lib`:** `from course_lib.training import train, train_step, training_state, TrainConfig, Checkpoint`; `from course_lib.reports import permutation_p_value`;
# `from course_lib.training.runs import Run, execute`; and `python -m course_lib --help`.
#
# **Further reading:** X. Bouthillier and others, *Accounting for Variance in Machine Learning Benchmarks*, MLSys 2021.
#
# **Next:** notebook 12, beyond quarter turns: filters for any angle, and the network behind the best number in our tables.
