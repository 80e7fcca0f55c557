"""Exercises 11.1 to 11.3 of notebook 11: a flip, a step of descent, a schedule."""

from __future__ import annotations

from functools import partial, update_wrapper
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor
from torch.optim import SGD, Optimizer

from course_lib.data import random_flips
from course_lib.exercises import Function, Mistake, call, compare, register
from course_lib.training import stepped_rate, train_step

# 11.1 random_flips


def _flipped(f: Function, images: Tensor, seed: int) -> Any:
    return f(images, Generator().manual_seed(seed))


def _flips(f: Function, reference: Function) -> None:
    yours, expected = update_wrapper(partial(_flipped, f), f), partial(_flipped, reference)
    pair = torch.arange(1.0, 9).reshape(2, 1, 2, 2)
    _draws_from_the_generator(f, torch.arange(16.0).reshape(8, 1, 1, 2))
    for seed in range(4):
        compare(yours, expected, pair, seed)
    compare(yours, expected, torch.randn(8, 3, 2, 3, dtype=torch.float64), 0)


def _draws_from_the_generator(f: Function, images: Tensor) -> None:
    """No known mistake can play draws from somewhere else, which come out differently each time."""
    generator = Generator().manual_seed(0)
    before = generator.get_state()
    flipped = call(f, images.clone(), generator, example={"images": images})
    always = isinstance(flipped, Tensor) and torch.equal(flipped, images.flip(-1))
    if torch.equal(before, generator.get_state()) and not always:
        raise Mistake(
            "You draw nothing from `generator`, so the same seed would not give the same flips again. Hand it to the "
            "function that draws."
        )


def _chosen(images: Tensor, generator: Generator) -> Tensor:
    return (torch.rand(len(images), generator=generator) < 0.5).view(-1, 1, 1, 1)


def _flip_of(change: Function) -> Function:
    return lambda images, generator: torch.where(_chosen(images, generator), change(images), images)


def _all_or_none(images: Tensor, generator: Generator) -> Tensor:
    return images.flip(-1) if torch.rand(1, generator=generator) < 0.5 else images


def _the_others(images: Tensor, generator: Generator) -> Tensor:
    return torch.where(_chosen(images, generator), images, images.flip(-1))


register(
    "11.1",
    random_flips,
    minutes=6,
    difficulty=1,
    checks=[_flips],
    hints=[
        "One draw for each image: `torch.rand(len(images), generator=generator) < 0.5` is a tensor of bools, `(N,)`.",
        "`images.flip(-1)` mirrors left to right. `torch.where(chosen, a, b)` picks; `chosen` must broadcast with "
        "`(N, C, Y, X)`: give it the shape `(N, 1, 1, 1)` with `.view(-1, 1, 1, 1)`.",
    ],
    known_mistakes=[
        (_all_or_none, "You draw once for the whole batch. Each image needs a draw of its own."),
        (_flip_of(lambda images: images.flip(-2)), "You mirror top to bottom. Left to right is the last axis, X."),
        (_flip_of(lambda images: images.flip(0)), "You flip the order of the images. Mirror the last axis, X."),
        (_the_others, "You mirror those with a draw of at least 0.5: mirror where it is *below*."),
        (lambda images, generator: images.flip(-1), "You mirror every image; draw for each whether to."),
    ],
)

# 11.2 train_step

IMAGES = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [2.0, -1.0]])
LABELS = torch.tensor([0, 1, 2, 0])


def _descended(f: Function, steps: int, bf16: bool = False) -> dict[str, Any]:
    """What so many steps on four images (two numbers each, three classes) report and leave behind."""
    net = torch.nn.Linear(2, 3, bias=False)
    with torch.no_grad():
        net.weight.copy_(torch.tensor([[0.5, 0.0], [0.0, -0.5], [0.25, 0.25]]))
    optimizer = SGD(net.parameters(), lr=0.5)
    found: dict[str, Any] = {}
    for i in range(1, steps + 1):
        loss, correct = f(net, IMAGES, LABELS, optimizer, bf16) if bf16 else f(net, IMAGES, LABELS, optimizer)
        if not isinstance(loss, Tensor):
            raise Mistake(f"For the loss, your function returned a {type(loss).__name__}, expected a Tensor.")
        found |= {f"loss {i}": float(loss.detach()), f"correct {i}": int(correct), "has a graph": loss.requires_grad}
    return {**found, "weights": net.weight.detach()}


def _steps(f: Function, reference: Function) -> None:
    yours, expected = update_wrapper(partial(_descended, f), f), partial(_descended, reference)
    for steps in (1, 3):
        compare(yours, expected, steps, because="Four images, three classes.")


def _in_bf16(f: Function, reference: Function) -> None:
    because = "Run network and loss under `torch.autocast(images.device.type, torch.bfloat16, enabled=bf16)`."
    compare(update_wrapper(partial(_descended, f), f), partial(_descended, reference), 1, True, because=because)


def _step(
    clear: bool = True, late: bool = False, mean: bool = False, graph: bool = False, softmax: bool = False, up: int = 1
) -> Function:
    """A wrong `train_step`."""

    def wrong(
        forward: Function, images: Tensor, labels: Tensor, optimizer: Optimizer, bf16: bool = False
    ) -> tuple[Tensor, Tensor]:
        outputs = forward(images)
        loss = F.cross_entropy(outputs.softmax(dim=1) if softmax else outputs, labels)
        if clear and not late:
            optimizer.zero_grad()
        (up * loss).backward()
        if late:
            optimizer.zero_grad()
        optimizer.step()
        reported = loss if graph else loss.detach()
        return reported if mean else reported * len(labels), (outputs.argmax(dim=1) == labels).sum()

    return wrong


register(
    "11.2",
    train_step,
    minutes=10,
    difficulty=2,
    checks=[_steps, _in_bf16],
    hints=[
        "Five things in this order: outputs, loss, `optimizer.zero_grad()`, `loss.backward()`, `optimizer.step()`.",
        "`F.cross_entropy(outputs, labels)` is a *mean*; batches may differ in size, so return it times `len(labels)`, "
        "and `.detach()` it. Right is where `outputs.argmax(dim=1) == labels`.",
        "Outputs and loss stand in `with torch.autocast(images.device.type, torch.bfloat16, enabled=bf16):`.",
    ],
    known_mistakes=[
        (_step(), "Your answer leaves `bf16` out: put network and loss under `torch.autocast`."),
        (
            _step(clear=False),
            "The gradients of the last step are still there, and add up: `optimizer.zero_grad()`.",
        ),
        (_step(late=True), "You clear the gradients after `backward` has made them: nothing is learned."),
        (
            _step(mean=True),
            "This is the mean of the losses. Return the sum: an epoch's last batch may be smaller.",
        ),
        (_step(graph=True), "Your loss still holds its graph, and with it the memory of the batch: `.detach()` it."),
        (_step(softmax=True), "`F.cross_entropy` has the softmax in it: give it the outputs as they are."),
        (_step(up=-1), "Your step goes uphill."),
    ],
)

# 11.3 stepped_rate


def _rates(f: Function, reference: Function) -> None:
    for step in range(6):
        compare(f, reference, step, 2, (1, 2), 0.1, because="Epochs of 2 steps, down at epochs 1 and 2.")
    for step in range(8):
        compare(f, reference, step, 2, (3,), 0.5, 2, because="Two epochs of warm-up: 4 steps.")
    compare(f, reference, 7, 5, because="No milestone and no warm-up: the full rate.")


def _rate(first: int = 1, by_step: bool = False, after: int = 0, moved: bool = False, once: bool = False) -> Function:
    """A wrong `stepped_rate`."""

    def wrong(
        step: int,
        steps_per_epoch: int,
        milestones: tuple[int, ...] = (),
        factor: float = 0.1,
        warmup_epochs: int = 0,
    ) -> float:
        warmup = warmup_epochs * steps_per_epoch
        if step < warmup:
            return (step + first) / warmup
        epoch = step if by_step else step // steps_per_epoch - moved * warmup_epochs
        reached = sum(epoch >= milestone + after for milestone in milestones)
        return factor ** min(reached, 1) if once else factor**reached

    return wrong


def _warm_by_epoch(
    step: int, steps_per_epoch: int, milestones: tuple[int, ...] = (), factor: float = 0.1, warmup_epochs: int = 0
) -> float:
    epoch = step // steps_per_epoch
    if epoch < warmup_epochs:
        return (epoch + 1) / warmup_epochs
    return stepped_rate(step, steps_per_epoch, milestones, factor, 0)


register(
    "11.3",
    stepped_rate,
    minutes=8,
    difficulty=1,
    checks=[_rates],
    hints=[
        "First the warm-up: how many steps does it have? Step 0 already learns a little.",
        "After it: `epoch = step // steps_per_epoch`, and count the milestones with `epoch >= milestone`.",
        "`(step + 1) / warmup` while `step < warmup`, else `factor ** count`.",
    ],
    known_mistakes=[
        (_rate(first=0), "Your warm-up begins with rate 0: the first step would learn nothing. It is (step + 1) / W."),
        (_rate(by_step=True), "Milestones are epochs; you compare them with steps."),
        (_rate(after=1), "You go down one epoch late: milestone m is reached with the *first* step of epoch m."),
        (_rate(moved=True), "The warm-up moves no milestone: epochs count from the beginning of the run."),
        (_rate(once=True), "Each milestone multiplies once more: two that are reached make factor²."),
        (_warm_by_epoch, "Your warm-up jumps once per epoch. It grows with every step."),
    ],
)
