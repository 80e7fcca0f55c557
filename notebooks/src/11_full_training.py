# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 11 Full training: from a loop to a figure that one may believe
#
# Every layer and every network of this course is built. What is left is to train them, and to say honestly what came out. You write the heart of
# the loop, stop it in the middle and let it go on to the same weights, bit by bit. Then you see how choosing by the test set and too few seeds fool us.
#
# **You will be able to**
# - write one step, one epoch and a schedule of the learning rate, and say what each line is for;
# - say what a checkpoint must hold, and prove that nothing is missing;
# - choose by validation, report a mean with its spread, and say what five seeds can tell;
# - train a row of a published table with one command, on a laptop in small or on a GPU in full.
#
# **You need before:** notebook 04 (P4CNN); 10 for the tables. **Time:** about 75 minutes, with five exercises.
# **Hardware:** any laptop, no GPU, no network. Section 10 says how to fill the tables on a GPU.

# %%
import json
import math
from collections.abc import Callable, Sequence
from functools import partial
from io import BytesIO
from itertools import combinations, zip_longest
from pathlib import Path
from statistics import fmean, stdev
from tempfile import TemporaryDirectory
from typing import Any

import torch
import torch.nn.functional as F
from IPython.display import Markdown, display
from torch import Generator, Tensor, nn
from torch.optim import Optimizer
from tqdm import tqdm

# %%
from course_lib import data, figures, training
from course_lib.actions import rotate_by_angle
from course_lib.changes import Changes
from course_lib.data import load_digits, normalized, on_background, random_crops, random_rotations
from course_lib.exercises import exercise, progress
from course_lib.experiments import find
from course_lib.experiments.protocol import reported_error
from course_lib.figures.separable import error_by_size
from course_lib.figures.tables import Cost, error_against_cost
from course_lib.groups import C1, C4, Group
from course_lib.layers import (
    EquivariantSequential,
    GlobalMaxPool,
    GroupBatchNorm2d,
    GroupConv2d,
    LiftingConv2d,
    SpatialMaxPool2d,
)

# %%
from course_lib.training import (
    TrainConfig,
    evaluate,
    predict,
    restore_training_state,
    seed_everything,
    weights_checksum,
)
from course_lib.training.comparison import errors_of, orders_markdown, trained_alike
from course_lib.training.randomness import random_states
from course_lib.training.result_files import read_results
from course_lib.training.results import markdown, results_folder
from course_lib.training.runs import Run, Stopped, execute

torch.set_num_threads(1)  # one thread: the same sums in the same order, so the same bits

# %% [markdown]
# ## 1 The data, where the work is done
#
# The sets of this course fit into memory: 12,000 images of 28 × 28 are 38 megabytes. So nothing is read or decoded during training. All images lie
# in one tensor, on the device that trains, and a batch is an index into it.
#
# First they are **normalized**: mean 0 and deviation 1, *measured on the training images alone*. Measuring on the test images would leak them.
#
# Here: the bundled digits, rotated, 14 pixels wide so that a run takes seconds, and a small network written once for any group.

# %%
raw = load_digits(rotated=True, size=14)
digits = normalized(raw)
mean, std = digits.train.images.mean(), digits.train.images.std()
print(f"{len(digits.train)} training images: mean {abs(mean):.2f}, deviation {std:.2f}")
print(f"black, before: {raw.background[0]:.2f}, now: {digits.background[0]:.2f}")


# %%
def small_net(group: Group, width: int, dropout: float = 0.0) -> nn.Module:
    """Three convolutions for images of 14 × 14, invariant to the group."""
    layers = [LiftingConv2d(group, 1, width, 3), GroupBatchNorm2d(group, width), nn.ReLU(), SpatialMaxPool2d(group, 2)]
    for c_in in (width, 2 * width):
        layers += [GroupConv2d(group, c_in, 2 * width, 3), GroupBatchNorm2d(group, 2 * width), nn.ReLU()]
    return EquivariantSequential(*layers, GlobalMaxPool(group), nn.Dropout(dropout), nn.Linear(2 * width, 10))


# %% [markdown]
# ## 2 Augmentation: a whole batch at once
#
# **Augmentation** shows the network a changed copy of each image, a new one in every epoch. The recipes in our tables know three: mirror left to right,
# shift by cutting a window out of the padded image, rotate. Each is a few tensor operations for the whole batch; there is no loop over images.
#
# All draws come from one generator that is handed in. Remember this for section 6.


# %%
@exercise
def random_flips(images: Tensor, generator: Generator) -> Tensor:
    """Mirror each image of ``(N, C, Y, X)`` left to right with probability one half.

    One call of `torch.rand` with ``generator``, a draw for each image, then to the images' device; mirror where it is
    below 0.5. Change nothing in place.
    Example: two images, the draws 0.7 and 0.2: the first stays, the second is mirrored.
    """
    ...


# %% [markdown]
# <!-- help: random_flips -->
#
# One digit, four times through each:

# %%
four = digits.train.images[[3, 3, 3, 3]]
ways = {"flip": random_flips, "crop": partial(random_crops, padding=2), "rotation": random_rotations}
shown = {name: on_background(way, digits.background)(four, Generator().manual_seed(17)) for name, way in ways.items()}
figures.panels(
    {f"{name} {i + 1}": images[i, 0] for name, images in shown.items() for i in range(4)}, columns=4, photograph=True
)

# %% [markdown]
# The flip has only two outcomes; the others have many.
#
# `on_background` was needed. Rotation and crop fill what comes in from outside with 0.
#
# <details><summary>Predict first: after normalization, which brightness is the value 0?</summary>
#
# The mean over all training pixels, a dark gray. Black has become a negative number, printed in section 1. Without care the turned image gets brighter corners, and the
# network can read the angle from them.
# </details>

# %%
one, black = four[:1], digits.background[0]
careless, right = rotate_by_angle(45, one), rotate_by_angle(45, one - black) + black
figures.panels({"careless": careless[0, 0], "on its background": right[0, 0]}, photograph=True)

# %% [markdown]
# ## 3 One step
#
# The network puts out a score $z_y$ for each class y. The loss of an image with label t is the **cross-entropy**: minus the logarithm of the share that
# softmax gives to t.
#
# $$\ell(z, t) = -\log \frac{e^{z_t}}{\sum_y e^{z_y}}$$
#
# <details><summary>Predict first: three classes, and the scores are 0, 0, 0. What is the loss, whatever the label?</summary>
#
# The share is 1/3 for each, and −log(1/3) = log 3 ≈ 1.10. With ten classes an untrained network begins near log 10 ≈ 2.30.
# </details>

# %%
for z in ([0.0, 0.0, 0.0], [2.0, 0.0, 0.0], [0.0, 2.0, 0.0]):
    by_definition = -math.log(math.exp(z[0]) / sum(math.exp(score) for score in z))
    by_torch = F.cross_entropy(torch.tensor([z]).double(), torch.tensor([0])).item()
    assert abs(by_definition - by_torch) < 1e-12
    print(f"scores {z}, label 0: {by_definition:.2f}")

# %% [markdown]
# One step of descent: scores, mean loss of the batch, gradients, new weights. Report the *sum* of the losses: the last batch of an
# epoch may be smaller, and sums can be added.


# %%
@exercise
def train_step(
    forward: Callable[[Tensor], Tensor], images: Tensor, labels: Tensor, optimizer: Optimizer, bf16: bool = False
) -> tuple[Tensor, Tensor]:
    """One step of descent on the mean cross-entropy; returns (sum of the losses, detached; number of right answers).

    Shapes: images (B, C, Y, X), labels (B,), ``forward(images)`` (B, classes). Compute scores and loss inside of
    `torch.autocast(images.device.type, torch.bfloat16, enabled=bf16)`: numbers of 16 bits, which can be faster on GPUs.
    """
    ...


# %% [markdown]
# <!-- help: train_step -->
#
# **Break it on purpose.** PyTorch adds new gradients to the old ones. What if nobody clears them?

# %%
for clear in (True, False):
    w, gradients = torch.tensor([1.0], requires_grad=True), []
    for _ in range(3):
        if clear:
            w.grad = None
        (2 * w).backward()
        gradients.append(w.grad.item())
    print(f"the gradient of 2w, three times, {'cleared' if clear else 'not cleared'}:", gradients)

# %% [markdown]
# It is 2 each time. Uncleared, each step repeats all steps before it.
#
# ## 4 The learning rate over time
#
# Large steps find the way, small ones settle. So most recipes multiply the rate by a factor, such as 0.1, at given epochs, the **milestones**. Some begin
# with a **warm-up**: the rate grows in a straight line while the first gradients are still wild. With W the steps of the warm-up:
#
# $$\text{rate} = \text{base} \cdot \begin{cases} (\text{step} + 1) / W & \text{step} < W \\ \text{factor}^{\,\#\{\text{milestones reached}\}} & \text{else} \end{cases}$$


# %%
@exercise
def stepped_rate(
    step: int, steps_per_epoch: int, milestones: tuple[int, ...] = (), factor: float = 0.1, warmup_epochs: int = 0
) -> float:
    """What the rate is multiplied with in this step. Steps and epochs count from 0; milestone m is reached with epoch m.

    Example: 2 steps per epoch, milestones (2,), warm-up 1 epoch: 0.5, 1, 1, 1, 0.1, 0.1, …
    """
    ...


# %% [markdown]
# <!-- help: stepped_rate -->

# %%
example = [stepped_rate(step, 2, (2,), warmup_epochs=1) for step in range(6)]
print("the example:", example)
recipes = {"E4, rotated MNIST": find("e4net").recipe, "ASC, ResNet29": find("resnet29-asc").recipe}
rates = {n: [stepped_rate(e, 1, r.milestones, r.factor, r.warmup) for e in range(r.epochs)] for n, r in recipes.items()}
figures.learning_curves(rates, ylabel="share of the full learning rate")

# %% [markdown]
# E4 steps down three times in 200 epochs (the third step is too small to see). ASC warms up for ten epochs and steps down twice in 100.
#
# ## 5 Epochs: the loop
#
# An **epoch** shows every image once, in a new random order. Here is the whole loop, with your functions inside. (Flips are no good idea for digits: a mirrored 2 is no 2.
# They are here because what they draw must survive section 6.)


# %%
def fit(
    net: nn.Module, split: data.Split, config: TrainConfig, optimizer: Optimizer, generator: Generator, epochs: range
) -> None:
    """Train with flips through these epochs."""
    net.train()  # batch norm measures each batch, dropout drops
    for epoch in epochs:
        batches = torch.randperm(len(split), generator=generator).split(config.batch_size)
        for step, batch in enumerate(batches, start=epoch * len(batches)):
            rate = stepped_rate(step, len(batches), config.milestones, config.factor, config.warmup_epochs)
            for parameters in optimizer.param_groups:
                parameters["lr"] = config.learning_rate * rate
            train_step(net, random_flips(split.images[batch], generator), split.labels[batch], optimizer)
    net.eval()


# %%
recipe = TrainConfig(epochs=4, batch_size=32, learning_rate=0.01, schedule="step", milestones=(3,), warmup_epochs=1)
few = digits.train.first(200)


def begin(seed: int) -> tuple[nn.Module, Optimizer, Generator]:
    """A new process: net, optimizer and generators as the seed makes them."""
    seed_everything(seed)
    net = small_net(C4, 4, dropout=0.2)
    seed_everything(seed)  # again, as `train` does: how much the net has drawn does not matter
    return net, recipe.make_optimizer(net.parameters()), Generator().manual_seed(seed)


# %% [markdown]
# <details><summary>Predict first: the library's `train` on the same data with the same seed. How close will the weights be?</summary>
#
# The same operations in the same order on the same machine: every bit is equal. A checksum over all weights shows it.
# </details>

# %%
net, optimizer, generator = begin(seed=0)
fit(net, few, recipe, optimizer, generator, range(4))
whole = weights_checksum(net)

# %%
net, *_ = begin(seed=0)
training.train(net, few, recipe, augment=data.random_flips, device="cpu", progress=True)
print("your loop and the library's end with the same weights, bit by bit:", weights_checksum(net) == whole)

# %% [markdown]
# What does `course_lib/training/loop.py` have besides? Sums of loss and accuracy that stay on the device (reading one makes a GPU wait), validation,
# a progress bar, checkpoints, errors in words. You know its parts; read it now.
#
# ## 6 Stop, and go on as if nothing had happened
#
# Long runs are killed: a cluster wants its machine back, a laptop sleeps. After each epoch we write a **checkpoint**, and a new process goes on from there.
#
# <details><summary>Predict first: are the weights enough?</summary>
#
# For *using* the network, nearly: batch norm's running statistics belong to them. For *going on*, no. Adam remembers averages of earlier gradients. The next order of the images, the next flips and
# the next dropout depend on where the random generators stand. The position in the schedule counts too: here it is the epoch.
# </details>

# %%
states = random_states(torch.device("cpu"), generator)
print("generators whose states are kept:", ", ".join(states), "(our own, handed in, is called generator)")


# %%
@exercise
def training_state(net: nn.Module, optimizer: Optimizer, generator: Generator) -> dict[str, Any]:
    """All but the number of the epoch that the next epochs depend on, under the keys "net", "optimizer" and "random".

    `random_states(device, generator)` gives the states of all random generators; the device is that of the weights.
    Statistics of batch norm belong to the net.
    """
    ...


# %% [markdown]
# <!-- help: training_state -->
#
# Two epochs, a checkpoint, a new process with another seed, two more epochs. With `forget`, one part stays as the new process has made it.


# %%
def stop_and_go_on(forget: str = "") -> str:
    net, optimizer, generator = begin(seed=0)
    fit(net, few, recipe, optimizer, generator, range(2))
    file = BytesIO()
    torch.save(training_state(net, optimizer, generator), file)
    net, optimizer, generator = begin(seed=99)
    state, new = torch.load(BytesIO(file.getvalue()), weights_only=True), training_state(net, optimizer, generator)
    if forget in state:
        state[forget] = new[forget]
    elif forget:
        state["random"][forget] = new["random"][forget]
    restore_training_state(state, net, optimizer, generator)
    fit(net, few, recipe, optimizer, generator, range(2, 4))
    return weights_checksum(net)


# %%
print("nothing forgotten, the same weights as without a stop:", stop_and_go_on() == whole)
parts = {"net": "weights", "optimizer": "Adam's memory", "generator": "order, flips", "torch": "dropout"}
for part, what in parts.items():
    print(f"forgotten: {part} ({what}); the same weights: {stop_and_go_on(forget=part) == whole}")

# %% [markdown]
# Each of these four is needed. A run that forgets one of the last three still *learns*, so that hardly anybody notices.
#
# `training.Checkpoint` adds two cares. It writes to a temporary name and renames, so that a process killed at any instant leaves a whole file;
# and it keeps config and checksum of the data, to refuse another run's file.
#
# ## 7 Choose by validation, never by test
#
# The test error wobbles from epoch to epoch. Reporting the best epoch *by the test set* looks harmless. How much does it flatter? Train for 30
# epochs and note after each which test images are wrong. Then cut the test images at random in halves: on half A we choose the best of the last 20 epochs; half B is fresh.
#
# <details><summary>Predict first: the chosen epoch's error on A and on B: equal on average?</summary>
#
# No. The epoch was chosen partly because A's images happened to suit it, and B does not share that luck. Had the epoch not been chosen by A, both would agree on average.
# </details>

# %% tags=["nbval-ignore-output"]
seed_everything(0)
net, generator = small_net(C1, 8), Generator().manual_seed(0)
constant = TrainConfig(epochs=30, batch_size=32, learning_rate=0.01)
optimizer, is_wrong, validation = constant.make_optimizer(net.parameters()), [], []
for epoch in tqdm(range(constant.epochs)):
    fit(net, digits.train.first(343), constant, optimizer, generator, range(epoch, epoch + 1))
    is_wrong.append((predict(net, digits.test.images) != digits.test.labels).double())
    validation.append(100 * (1 - evaluate(net, digits.validation)))
last = 100 * torch.stack(is_wrong[-20:])
halves = [torch.randperm(510, generator=Generator().manual_seed(i)).split(255) for i in range(500)]
pairs = [(last[:, a].mean(1), last[:, b].mean(1)) for a, b in halves]
chosen = torch.stack([torch.stack([on_a.min(), on_b[on_a.argmin()]]) for on_a, on_b in pairs])
print(f"best epoch by half A: {chosen[:, 0].mean():.1f} % on A, {chosen[:, 1].mean():.1f} % on the fresh half B")
figures.bars(
    dict(zip(("as reported (A)", "in truth (B)"), chosen.mean(dim=0).tolist(), strict=True)), "test error, in %"
)

# %%
flattery = (chosen[:, 1] - chosen[:, 0]).mean().item()
print("averaged over 500 cuts, choosing by the test images flatters by more than half a point:", flattery > 0.5)

# %% [markdown]
# The error on B is the honest one; A's is too small.
# With more test images luck shrinks like $1/\sqrt{N}$. But the gaps in tables of good networks are small, too.
#
# Notebook 10 has a function for the three habits. For the run above, all 510 test images, and the 258 of the validation split to choose by:

# %% tags=["nbval-ignore-output"]
test = last.mean(dim=1).tolist()
for report in ("last epoch", "best validation epoch", "best test epoch"):
    print(f"{report}: {reported_error(validation[-20:], test, report):.1f} %")

# %% [markdown]
# The best test epoch is never higher than the others, by construction; how much lower is luck (here 1.7 and 0.0 points). Validation images may choose: they flatter their own error; the test images had no say, so theirs is honest.
#
# So this course holds out a **validation** split for choices of settings, and reads the test set once, after the last epoch. Not all published figures do: the released code of E4 tests after
# every epoch and keeps the best. Such a figure and ours do not measure the same.
#
# ## 8 Seeds: what can five runs tell?
#
# Another seed gives other first weights, another order, another result. So report the mean over n seeds with the standard deviation *s*, and say what n is. These five
# runs of each network are stored in the repository (10 epochs of the 1,029 bundled digits):

# %%
stored = json.loads((Path(training.__file__).parents[2] / "data" / "results" / "digits_p4_vs_z2.json").read_text())
errors: dict[str, list[float]] = {"Z2CNN": [], "P4CNN": []}
for stored_run in stored["runs"]:
    errors[stored_run["network"]].append(stored_run["test_error_percent"])
for name, values in errors.items():
    print(f"{name}: {fmean(values):.1f} ± {stdev(values):.1f} %, n = {len(values)}")
figures.bars(errors, "test error, in %")

# %% [markdown]
# How well do five numbers know their own spread? Draw five from a normal distribution of deviation 1, a hundred thousand times:

# %%
spreads = torch.randn(100_000, 5, dtype=torch.float64, generator=Generator().manual_seed(0)).std(dim=1)
low, high = spreads.quantile(torch.tensor([0.05, 0.95]).double()).tolist()
print(f"nine times of ten, s of five seeds lies between {low:.1f} and {high:.1f} times the truth")

# %% [markdown]
# So "± 0.02" and "± 0.05" from five seeds can belong to the same spread. A comparison needs more care than looking at bars. One that assumes nothing about
# distributions: if the network made no difference, the ten results could have been dealt to them in any way. In how many of the deals would the means be at least as far apart?
#
# $$p = \frac{\#\{\text{deals with } |\text{mean} - \text{mean}| \ge \text{found}\}}{\#\{\text{deals}\}}$$
#
# A small p says that luck with the seeds alone would rarely do this.


# %%
@exercise
def permutation_p_value(a: Sequence[float], b: Sequence[float]) -> float:
    """The share of all deals, len(a) results to the first and the rest to the second, with means as far apart as found.

    Both directions count, and so does the deal that was found. Allow for rounding: ``>= found - 1e-9``.
    Example: [1, 2] and [3, 4]: of 6 deals 2 are as far apart, so 1/3.
    """
    ...


# %% [markdown]
# <!-- help: permutation_p_value -->

# %%
for n in (1, 2, 3, 5):
    p = permutation_p_value(errors["Z2CNN"][:n], errors["P4CNN"][:n])
    print(f"Z2CNN against P4CNN, n = {n}: p = {p:.3f}")

# %% [markdown]
# Every P4CNN beats every Z2CNN. Still three seeds give 2/20: with n = 3 this test cannot give less, whatever the results. Five can reach 2/252.
#
# p knows of the seeds alone, not that all runs share 510 test digits, or that somebody tuned one network for longer.
#
# ## 9 One command
#
# A row of a table is data, so a run needs only its name:
#
# ```bash
# python -m course_lib train p4cnn                     # the paper's recipe: 100 epochs of rotated MNIST
# python -m course_lib train gc-p4cnn --small          # the bundled digits, 5 epochs, to see that all works
# python -m course_lib train p4cnn --time-budget 25m   # stops cleanly; the same command goes on
# ```
#
# Below is the second with `--epochs 2`, stopped after the first epoch by a time budget of 0 seconds; the percentages of its message count right answers. Two epochs teach it little; watch how it goes on.

# %% tags=["nbval-ignore-output"]
with TemporaryDirectory() as folder:
    run = Run(find("gc-p4cnn"), "rotated-mnist", Path(folder), changes=Changes(epochs=2), small=True)
    try:
        execute(run, torch.device("cpu"), time_budget=0)
    except Stopped as stopped:
        print(stopped)
    result = execute(run, torch.device("cpu"), progress=True)
print(f"test error {result['final']['test_error_percent']:.1f} % after epoch {result['final']['epoch']}")

# %%
print("the result file holds:", ", ".join(result))
first_epochs = [session["first_epoch"] for session in result["sessions"]]
print(f"{result['network']['parameters']:,} parameters; processes began with epochs {first_epochs}")

# %% [markdown]
# One JSON file for each run, with the data's checksum, commit and machine. `data/results/SCHEMA.md`
# explains each field. Small runs are kept apart: nothing can be compared with them.
#
# ## 10 The tables, from what has really been run
#
# `python -m course_lib results` reads all result files. A row that nobody has run says so. *Shorten 20*: epochs and milestones of the recipe were divided by 20, so that a CPU could do it. *mnist-27k*: 27,435 digits of MNIST, turned by us. So ours cannot be compared with the published column.

# %% tags=["nbval-ignore-output"]
# The output grows with every run that is added to data/results, so no test compares it.
full = [result for result in read_results(results_folder()) if not result["small"]]
print(f"{len(full)} runs in data/results that are not small")
names = ("rotated-mnist", "e4-rotated-mnist", "variants")
Markdown("\n\n".join(markdown(results_folder(), name, small=False) for name in names))

# %% [markdown]
# **Filling it on a GPU.** One command for the table: five seeds, four processes at once, as these networks are small:
#
# ```bash
# python -m course_lib table rotated-mnist --seeds 5 --jobs 4 --time-budget 8h
# ```
#
# It trains the first seed of every row, then the second. When the time is over, the same command goes on. How long it takes, measure first: `train p4cnn --epochs 2` prints its time.
#
# ### What our runs say
#
# Runs may be compared if they were trained alike: the same images, recipes shortened alike. Which published orders are found again? "Within noise" means a p of section 8 above 0.05.

# %% tags=["nbval-ignore-output"]
study = trained_alike(full, "rotated mnist-27k (rebuilt, seed 0)", shorten=20, validation=2000)
pairs = [
    ("p4cnn", "z2cnn"),
    ("p4cnn-cohen", "p4cnn-rotation-pooling-cohen"),
    ("g-p4cnn-17", "p4cnn"),
    ("gc-p4cnn-30", "p4cnn"),
]
pairs += [("e4net", "p4cnn"), ("p4cnn-D4-7", "p4cnn"), ("e4net-D4-12", "e4net")]
Markdown(orders_markdown(study, pairs))


# %% tags=["nbval-ignore-output"]
alone = {"z2cnn": "Z2CNN", "p4cnn-D4-7": "P4CNN on p4m"}  # named in the legend


def cost(row: str) -> Cost:
    errors, name = errors_of(study[row]), "" if row in alone else row
    seconds = min(second for run in study[row] for second in run["epochs"]["seconds"])
    deviation = stdev(errors) if len(errors) > 1 else None
    return Cost(name, fmean(errors), study[row][0]["network"]["parameters"], None, deviation, seconds)


costs: dict[str, list[Cost]] = {}
for row in sorted(study, key=lambda row: fmean(errors_of(study[row]))):
    family = alone.get(row, "E4-Net" if "e4" in row else "group convolution")
    costs.setdefault(family, []).append(cost(row))
error_against_cost(costs, second="seconds", error="our test error")

# %% tags=["nbval-ignore-output"]
turned_rows = [row for row in ("z2cnn", "e4net-released", "e4net") if row in study]
changed = {row: [run["epochs"]["changed_by_turn"] for run in study[row]] for row in turned_rows}
figures.learning_curves(changed, ylabel="share of predictions changed by a quarter turn")

# %% [markdown]
# **Findings**, from these 36 runs alone. Z2CNN took 1,185 steps, E4-Net 790, the others 395. Bars are s; the seconds are of the shortest epoch on a machine that had other work. Of seven such p, one may be small by luck.
#
# - *Found again:* P4CNN makes fewer errors than Z2CNN, after a third of the steps, and half as many as with pooling over the rotations in every layer.
# - *Within noise:* E4-Net cannot be told from P4CNN, with three quarters of the parameters and nearly five times as long for an epoch.
# - *The other way round:* g and gc make more errors than P4CNN. Yet gc's training loss is lower (0.26 against 0.31), and at the constant rate the last epoch can be a bad one: 6.5 to 9.5 %. This speaks of five epochs, not of a hundred.
# - *p4m learns more slowly:* after as many steps as on p4, P4CNN on p4m makes more errors, its training loss still 0.48. E4-Net on p4m: the same, but three seeds cannot tell.
# - *A turned image:* Z2CNN learns the symmetry from rotated digits, but after 15 epochs still changes 8 % of its answers on the validation images. E4-Net as released changes 11 to 24 % after one epoch, 1 to 2 % at the end; ours none.
#
# To decide takes the published recipes, five seeds and a GPU.
#
# **How much data does a network need?** The case for equivariance is said to be strongest where images are few. Live, one seed, some 70 steps at each size: the small network on C4 and on C1 (twice as wide, about as many parameters), and
# C1 once more with random rotations.

# %%
kinds = {"C4": (C4, 8, None), "C1": (C1, 16, None), "C1, rotations": (C1, 16, random_rotations)}
sizes, trained = (103, 343, 1029), {}
for name, (group, width, augment) in kinds.items():
    for n in tqdm(sizes, desc=f"{name:<14}"):
        seed_everything(0)
        trained[name, n] = small_net(group, width)
        config = TrainConfig(epochs=round(2 * 1029 / n), batch_size=32, learning_rate=0.01, schedule="cosine")
        augment_black = augment and on_background(augment, digits.background)
        training.train(trained[name, n], digits.train.first(n), config, augment=augment_black, device="cpu")

# %% tags=["nbval-ignore-output"]
live = {name: [100 * (1 - evaluate(trained[name, n], digits.test)) for n in sizes] for name in kinds}
for name, values in live.items():
    print(f"{name:<14}", "   ".join(f"{n:>4} images: {e:4.1f} %" for n, e in zip(sizes, values, strict=True)))
error_by_size({name: [values] for name, values in live.items()}, sizes)

# %%
best = [min(live, key=lambda name, i=i: live[name][i]) for i in range(len(sizes))]
print("fewest errors at", ", ".join(f"{n} images: {name}" for n, name in zip(sizes, best, strict=True)))
print("C4 with 343 images makes fewer errors than C1 with 1,029:", live["C4"][1] < live["C1"][2])

# %% [markdown]
# One seed and 70 steps: it shows who learns faster, too. Our runs on rotated MNIST, with `--per-class`:

# %% tags=["nbval-ignore-output"]
by_size = {10_000: study}
for images, shorten in ((300, 6), (100, 2)):
    changes = {"per_class": images, "shorten": shorten, "validation": 500}
    by_size[10 * images] = trained_alike(full, "rotated mnist-27k (rebuilt, seed 0)", **changes)


def seeds_by_size(row: str) -> list[tuple[float, ...]]:
    """The errors of each seed at all sizes, NaN where it was not run; nothing if one size was not run at all."""
    errors = [errors_of(alike.get(row, ())) for alike in by_size.values()]
    return list(zip_longest(*errors, fillvalue=math.nan)) if all(errors) else []


convolutions = ("z2cnn", "p4cnn-rotation-pooling-cohen", "p4cnn", "p4cnn-D4-7")
for rows in (convolutions, ("p4cnn", "g-p4cnn-17", "gc-p4cnn-30"), ("p4cnn", "e4net-released", "e4net", "e4net-D4-12")):
    run_at_all_sizes = {row: errors for row in rows if (errors := seeds_by_size(row))}
    if len(run_at_all_sizes) > 1:
        display(error_by_size(run_at_all_sizes, list(by_size)))

# %% [markdown]
# Each size took about as many steps, so with a tenth of the images each is seen ten times as often; all seeds keep the same images. From 10,000 to 1,000 P4CNN loses 0.9 points, Z2CNN 1.9, E4-Net 1.9 (one seed): hints. No network shown makes fewer errors than P4CNN.
#
# ### "Do I need equivariance, or is augmentation enough?"
#
# Augmentation *asks* for the symmetry at the training images. Equivariance *builds it in* for every input. How many test answers change when the image is turned by a quarter?

# %%
turned = torch.rot90(digits.test.images, 1, (-2, -1))
for name in kinds:
    net = trained[name, 1029]
    changed = (predict(net, turned) != predict(net, digits.test.images)).double().mean().item()
    print(f"{name:<14}", "fewer than 1 in 100" if changed < 0.01 else "more than 1 in 20" if changed > 0.05 else "some")

# %%
for base in ("resnet44-cohen", "resnet44"):
    plain, p4m = find(base), find(f"p4m-{base}")
    plain_plus, p4m_plus = find(f"{base}+"), find(f"p4m-{base}+")
    gaps = plain.error - p4m.error, plain_plus.error - p4m_plus.error
    print(f"{base}: ResNet44 {plain.error:.2f} → {plain_plus.error:.2f}, p4m {p4m.error:.2f} → {p4m_plus.error:.2f}")
    print(f"  the gap goes from {gaps[0]:.2f} to {gaps[1]:.2f} points")

# %% [markdown]
# The second cell holds published errors on CIFAR-10 in percent, without → with flips and shifts (no turns). Augmentation helps *both*, and takes most of the gap, not all. An honest answer:
#
# - Your task has the symmetry exactly, and images are few or the answer must not depend on the orientation (microscopy, satellites): build it in, and augment with what the group has not, such as the angles in between.
# - Much data, long training, an approximate symmetry: augmentation may be enough, and each step is cheaper. At equal parameters P4CNN does about four times the operations of Z2CNN (notebook 10).
# - The symmetry is wrong for the task (6 and 9, when upright): neither.
#
# ### "Why can I not reproduce the paper's figure?"
#
# The cell above names the same two networks twice: as Cohen and Welling trained them, and as Lengyel and van Gemert did, with different recipes. ResNet44 stands at 9.45 and 13.10. Experts differ by as much as the effects we look for. So ask:
#
# 1. **Is it the same network?** Count parameters first: notebook 10 does, for every row.
# 2. **Is the recipe known?** Some papers leave out the batch size or the schedule. Each row's `recipe.note` says what we chose.
# 3. **Is it the same data?** 12,000 or 10,000 training images; the original rotated MNIST or one rebuilt from MNIST. The result file names it, with a checksum.
# 4. **Is it the same question?** Last epoch, best by validation, best by test: section 7.
# 5. **How many seeds?** Section 8. One run is an anecdote.
# 6. **Could your experiment show the effect?** Half a point on 510 test images cannot be seen.
#
# Only what survives all six is a contradiction.
#
# ## Does it agree with the library?

# %%
images, labels = torch.randn(6, 1, 14, 14), torch.arange(6)
for seed in range(3):
    mine, theirs = (f(images, Generator().manual_seed(seed)) for f in (random_flips, data.random_flips))
    assert torch.equal(mine, theirs)
for step in range(40):
    assert stepped_rate(step, 4, (3, 6), 0.2, 2) == training.stepped_rate(step, 4, (3, 6), 0.2, 2)
for a, b in combinations([[1.0, 2.0, 4.0], [2.5, 3.5], [0.0, 9.0, 1.0]], 2):
    assert abs(permutation_p_value(a, b) - training.permutation_p_value(a, b)) < 1e-12
net, optimizer, generator = begin(seed=0)
assert training_state(net, optimizer, generator).keys() == training.training_state(net, optimizer, generator).keys()
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
# - A training loop is a step, an order and a schedule. A checkpoint holds weights, optimizer, random states *and* the epoch; equal checksums prove it.
# - Choose by validation, read the test set once, report mean, deviation and n. Three seeds against three cannot convince.
# - Augmentation asks for a symmetry, equivariance guarantees it.
#
# And the course: a group is a set of moves that one can undo and chain (01). It acts on images and on feature maps, where it turns *and* permutes (02, 03). Convolution over the group is the linear map that
# commutes with it (04); strides, padding and norms can spoil that (05). Filters may share more (06), be written by the data (08), or attend (07, 09), as long as they see relative positions alone. And every network is a function of a group (10).
#
# **Now in `course_lib`:** `from course_lib.training import train, train_step, stepped_rate, training_state, permutation_p_value, TrainConfig, Checkpoint`;
# `from course_lib.training.runs import Run, execute`; and `python -m course_lib --help`.
#
# **Further reading:** X. Bouthillier and others, *Accounting for Variance in Machine Learning Benchmarks*, MLSys 2021.
#
# **Next:** notebook 12, beyond quarter turns: filters for any angle, and the network behind the best figure in our tables.
