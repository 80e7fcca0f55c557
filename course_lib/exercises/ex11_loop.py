"""Exercise 11.1 of notebook 11: a step of descent."""

from functools import partial, update_wrapper
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import SGD, Optimizer

from course_lib.exercises import Function, Mistake, compare, register
from course_lib.exercises.values import difference
from course_lib.training import train_step

# 11.1 train_step

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
        result = f(net, IMAGES, LABELS, optimizer, bf16) if bf16 else f(net, IMAGES, LABELS, optimizer)
        if not isinstance(result, tuple) or len(result) != 2:
            got = f"{len(result)} values" if isinstance(result, tuple) else f"a {type(result).__name__}"
            raise Mistake(f"Your function returned {got}, expected two values: the sum of the losses, and a count.")
        loss, correct = result
        if not isinstance(loss, Tensor):
            raise Mistake(f"For the loss, your function returned a {type(loss).__name__}, expected a Tensor.")
        if isinstance(correct, Tensor) and correct.numel() != 1:
            raise Mistake(
                f"For the right answers, your function returned a tensor of shape {tuple(correct.shape)}, "
                "expected their number: add them up with `.sum()`."
            )
        found |= {f"loss {i}": float(loss.detach()), f"correct {i}": float(correct), "has a graph": loss.requires_grad}
    return {**found, "weights": net.weight.detach()}


def _steps(f: Function, reference: Function) -> None:
    yours, expected = update_wrapper(partial(_descended, f), f), partial(_descended, reference)
    for steps in (1, 3):
        compare(yours, expected, steps, because=_which_part)


def _which_part(expected: Any, yours: Any) -> str:
    """What is wrong of the four images' losses, right answers and weights, and what is right."""
    wrong = [key for key, value in expected.items() if difference(value, yours[key])]
    right = [key for key in expected if key not in wrong]
    parts = f"Wrong: {', '.join(wrong)}. Right: {', '.join(right) or 'nothing'}."
    return f"Four images, three classes; the number is that of the step. {parts}"


def _in_bf16(f: Function, reference: Function) -> None:
    because = "Run network and loss under `torch.autocast(images.device.type, torch.bfloat16, enabled=bf16)`."
    compare(update_wrapper(partial(_descended, f), f), partial(_descended, reference), 1, True, because=because)


def _step(
    clear: bool = True,
    late: bool = False,
    mean: bool = False,
    graph: bool = False,
    up: int = 1,
    of: Function = F.cross_entropy,
) -> Function:
    """A wrong `train_step`."""

    def wrong(
        forward: Function, images: Tensor, labels: Tensor, optimizer: Optimizer, bf16: bool = False
    ) -> tuple[Tensor, Tensor]:
        outputs = forward(images)
        loss = of(outputs, labels)
        if clear and not late:
            optimizer.zero_grad()
        (up * loss).backward()
        if late:
            optimizer.zero_grad()
        optimizer.step()
        reported = loss if graph else loss.detach()
        return reported if mean else reported * len(labels), (outputs.argmax(dim=1) == labels).sum()

    return wrong


def _reported(count: Function) -> Function:
    """A wrong `train_step` that returns count(whether each answer is right) in place of the number of right ones."""

    def wrong(
        forward: Function, images: Tensor, labels: Tensor, optimizer: Optimizer, bf16: bool = False
    ) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            right = forward(images).argmax(dim=1) == labels
        loss, _ = train_step(forward, images, labels, optimizer, bf16)
        return loss, count(right)

    return wrong


def _without_dim(
    forward: Function, images: Tensor, labels: Tensor, optimizer: Optimizer, bf16: bool = False
) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        right = forward(images).argmax() == labels
    return train_step(forward, images, labels, optimizer, bf16)[0], right.sum()


def _of_each_class(
    forward: Function, images: Tensor, labels: Tensor, optimizer: Optimizer, bf16: bool = False
) -> tuple[Tensor, Tensor]:
    return train_step(forward, images, labels, optimizer)[0], (forward(images).argmax(dim=0) == labels).sum()


def _counted_after(
    forward: Function, images: Tensor, labels: Tensor, optimizer: Optimizer, bf16: bool = False
) -> tuple[Tensor, Tensor]:
    loss, _ = train_step(forward, images, labels, optimizer, bf16)
    with torch.no_grad():
        return loss, (forward(images).argmax(dim=1) == labels).sum()


def _measured_after(
    forward: Function, images: Tensor, labels: Tensor, optimizer: Optimizer, bf16: bool = False
) -> tuple[Tensor, Tensor]:
    train_step(forward, images, labels, optimizer, bf16)
    with torch.no_grad():
        outputs = forward(images)
    return F.cross_entropy(outputs, labels) * len(labels), (outputs.argmax(dim=1) == labels).sum()


def _first_step() -> None:
    """The first step of an optimizer imports much of torch, which takes seconds."""
    _descended(train_step, 1, bf16=True)


register(
    "11.1",
    train_step,
    minutes=10,
    difficulty=2,
    checks=[_steps, _in_bf16],
    hints=[
        "Five things in this order: outputs, loss, `optimizer.zero_grad()`, `loss.backward()`, `optimizer.step()`.",
        "`F.cross_entropy(outputs, labels)`, with `import torch.nn.functional as F`, is a *mean*. Batches may differ "
        "in size, so multiply it by `len(labels)`, and `.detach()` the result. An answer is right where "
        "`outputs.argmax(dim=1) == labels`.",
        "Compute outputs and loss inside `with torch.autocast(images.device.type, torch.bfloat16, enabled=bf16):`.",
    ],
    warm_up=_first_step,
    known_mistakes=[
        (_step(), "Your answer leaves `bf16` out: put network and loss under `torch.autocast`."),
        (
            _step(clear=False),
            "The gradients of the last step are still there, and add up: `optimizer.zero_grad()`.",
        ),
        (
            _step(late=True),
            (
                "The weights stay as they were, so nothing is learned. The order is `optimizer.zero_grad()`, "
                "`loss.backward()`, `optimizer.step()`."
            ),
        ),
        (
            _step(mean=True),
            "This is the mean of the losses. Return the sum: an epoch's last batch may be smaller.",
        ),
        (_step(graph=True), "Your loss still holds its graph, and with it the memory of the batch: `.detach()` it."),
        (
            _step(of=lambda outputs, labels: F.cross_entropy(outputs.softmax(dim=1), labels)),
            "`F.cross_entropy` has the softmax in it: give it the outputs as they are.",
        ),
        (
            _step(of=F.nll_loss),
            "`F.nll_loss` expects logarithms of probabilities, and the network gives scores: use `F.cross_entropy`.",
        ),
        (
            lambda forward, images, labels, optimizer, bf16=False: train_step(forward, images, labels, optimizer, True),
            "You always use 16-bit numbers. Autocast only where it is asked for: `enabled=bf16`.",
        ),
        (_step(up=-1), "Your step goes uphill."),
        (_step(up=4), "You descend on the sum of the losses. Descend on their mean, and return the sum."),
        (
            _reported(lambda right: right.double().mean()),
            "You return the fraction of right answers. Return their number: batches may differ in size.",
        ),
        (
            _reported(lambda right: (~right).sum()),
            "That is the number of wrong answers. Count the right ones.",
        ),
        (
            _without_dim,
            "`argmax()` without an axis looks for the one largest score of the whole batch. Each image has its own: "
            "`argmax(dim=1)`.",
        ),
        (
            _of_each_class,
            "You take the largest score along the batch. Each image has its own: `argmax(dim=1)`, along the classes.",
        ),
        (
            _counted_after,
            "You count the right answers after the step. Both numbers are those of the outputs before it.",
        ),
        (
            _measured_after,
            "You measure after the step. Loss and number of right answers are those of the outputs before it.",
        ),
        (
            lambda *arguments: train_step(*arguments)[::-1],
            "The two values are swapped: first the sum of the losses, then the number of right answers.",
        ),
    ],
)
