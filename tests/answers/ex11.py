"""Answers to the exercises of notebook 11."""

import random
from itertools import combinations, permutations

import torch
import torch.nn.functional as F
from torch import Generator

from answers import correct, wrong
from course_lib.training.randomness import random_states


@correct("random_flips")
def one_by_one(images, generator):
    draws = torch.rand(len(images), generator=generator)
    return torch.stack([image.flip(-1) if draw < 0.5 else image for image, draw in zip(images, draws, strict=True)])


@wrong("random_flips", says="once for the whole batch")
def all_at_once(images, generator):
    return images.flip(-1) if torch.rand(1, generator=generator).item() < 0.5 else images


@wrong("random_flips", says="top to bottom")
def upside_down(images, generator):
    return one_by_one(images.transpose(-1, -2), generator).transpose(-1, -2)


@wrong("random_flips", says="order of the images")
def batch_reversed(images, generator):
    chosen = torch.rand(len(images), generator=generator) < 0.5
    return torch.where(chosen.view(-1, 1, 1, 1), images.flip(0), images)


@wrong("random_flips", says="every image")
def always(images, generator):
    return images.flip(-1)


@wrong("random_flips", says="stopped in line.*images.flip")
def axes_counted_from_one(images, generator):
    chosen = torch.rand(len(images), generator=generator) < 0.5
    return torch.where(chosen.view(-1, 1, 1, 1), images.flip(4), images)


@wrong("random_flips", says="in place")
def in_place(images, generator):
    chosen = torch.rand(len(images), generator=generator) < 0.5
    images[chosen] = images[chosen].flip(-1)
    return images


@correct("train_step")
def by_hand(forward, images, labels, optimizer, bf16=False):
    optimizer.zero_grad()
    with torch.autocast(images.device.type, torch.bfloat16, enabled=bf16):
        outputs = forward(images)
        losses = F.cross_entropy(outputs, labels, reduction="none")
    losses.mean().backward()
    optimizer.step()
    return losses.detach().sum(), sum(outputs.detach().argmax(dim=1) == labels)


def _outputs_and_loss(forward, images, labels):
    outputs = forward(images)
    return outputs, F.cross_entropy(outputs, labels), (outputs.argmax(dim=1) == labels).sum()


@wrong("train_step", says="zero_grad")
def gradients_add_up(forward, images, labels, optimizer, bf16=False):
    _, loss, correct = _outputs_and_loss(forward, images, labels)
    loss.backward()
    optimizer.step()
    return loss.detach() * len(images), correct


@wrong("train_step", says="nothing is learned")
def cleared_too_late(forward, images, labels, optimizer, bf16=False):
    _, loss, correct = _outputs_and_loss(forward, images, labels)
    loss.backward()
    optimizer.zero_grad()
    optimizer.step()
    return loss.detach() * len(images), correct


@wrong("train_step", says="mean of the losses")
def mean_loss(forward, images, labels, optimizer, bf16=False):
    loss, correct = by_hand(forward, images, labels, optimizer, bf16)
    return loss / len(labels), correct


@wrong("train_step", says="detach")
def with_graph(forward, images, labels, optimizer, bf16=False):
    _, loss, correct = _outputs_and_loss(forward, images, labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss * len(images), correct


@wrong("train_step", says="softmax in it")
def softmax_twice(forward, images, labels, optimizer, bf16=False):
    return by_hand(lambda x: forward(x).softmax(dim=1), images, labels, optimizer, bf16)


@wrong("train_step", says="returned a float, expected a Tensor")
def loss_as_a_number(forward, images, labels, optimizer, bf16=False):
    loss, correct = by_hand(forward, images, labels, optimizer, bf16)
    return loss.item(), correct


@wrong("train_step", says="stopped in line.*outputs.argmax")
def best_of_a_missing_axis(forward, images, labels, optimizer, bf16=False):
    outputs = forward(images)
    return by_hand(forward, images, labels, optimizer, bf16)[0], (outputs.argmax(dim=2) == labels).sum()


@wrong("train_step", says="bf16")
def without_autocast(forward, images, labels, optimizer, bf16=False):
    return by_hand(forward, images, labels, optimizer)


@correct("stepped_rate")
def in_a_loop(step, steps_per_epoch, milestones=(), factor=0.1, warmup_epochs=0):
    steps = steps_per_epoch * warmup_epochs
    rate = min(1.0, (step + 1) / steps) if steps else 1.0
    for milestone in milestones:
        if step >= max(steps, milestone * steps_per_epoch):
            rate *= factor
    return rate


@wrong("stepped_rate", says="rate 0")
def from_zero(step, steps_per_epoch, milestones=(), factor=0.1, warmup_epochs=0):
    steps = steps_per_epoch * warmup_epochs
    return step / steps if step < steps else in_a_loop(step, steps_per_epoch, milestones, factor)


@wrong("stepped_rate", says="compare them with steps")
def in_steps(step, steps_per_epoch, milestones=(), factor=0.1, warmup_epochs=0):
    steps = steps_per_epoch * warmup_epochs
    return (step + 1) / steps if step < steps else factor ** sum(step >= m for m in milestones)


@wrong("stepped_rate", says="one epoch late")
def late(step, steps_per_epoch, milestones=(), factor=0.1, warmup_epochs=0):
    return in_a_loop(step, steps_per_epoch, tuple(m + 1 for m in milestones), factor, warmup_epochs)


@wrong("stepped_rate", says="once per epoch")
def in_jumps(step, steps_per_epoch, milestones=(), factor=0.1, warmup_epochs=0):
    epoch = step // steps_per_epoch
    return in_a_loop(epoch, 1, milestones, factor, warmup_epochs)


@correct("training_state")
def spelled_out(net, optimizer, generator):
    state = {"random": random_states(torch.device("cpu"), generator)}
    state["optimizer"] = optimizer.state_dict()
    return state | {"net": dict(net.state_dict())}


@wrong("training_state", says="weights alone")
def weights_alone(net, optimizer, generator):
    return {"net": net.state_dict()}


@wrong("training_state", says="stopped in line.*generator.state_dict")
def as_if_a_generator_were_a_net(net, optimizer, generator):
    return {"net": net.state_dict(), "optimizer": optimizer.state_dict(), "random": generator.state_dict()}


@wrong("training_state", says="optimizer is missing")
def without_optimizer(net, optimizer, generator):
    return {"net": net.state_dict(), "random": random_states(torch.device("cpu"), generator)}


@wrong("training_state", says="random states are missing")
def without_random(net, optimizer, generator):
    return {"net": net.state_dict(), "optimizer": optimizer.state_dict()}


@wrong("training_state", says="statistics of batch norm")
def without_statistics(net, optimizer, generator):
    return spelled_out(net, optimizer, generator) | {"net": dict(net.named_parameters())}


@wrong("training_state", says="Dropout draws from")
def without_the_global_generator(net, optimizer, generator):
    return spelled_out(net, optimizer, generator) | {"random": generator.get_state()}


@wrong("training_state", says="seed.* of the generator")
def seed_only(net, optimizer, generator):
    return spelled_out(net, optimizer, Generator().manual_seed(generator.initial_seed()))


@correct("permutation_p_value")
def by_all_orders(a, b):
    found, n = abs(sum(a) / len(a) - sum(b) / len(b)), len(a)
    gaps = [abs(sum(order[:n]) / n - sum(order[n:]) / len(b)) for order in permutations([*a, *b])]
    return sum(gap > found - 1e-9 for gap in gaps) / len(gaps)


def _share(a, b, far):
    found, n = sum(a) / len(a) - sum(b) / len(b), len(a)
    gaps = [sum(order[:n]) / n - sum(order[n:]) / len(b) for order in permutations([*a, *b])]
    return sum(far(gap, found) for gap in gaps) / len(gaps)


@wrong("permutation_p_value", says="≥, not >")
def strictly_farther(a, b):
    return _share(a, b, lambda gap, found: abs(gap) > abs(found) + 1e-9)


@wrong("permutation_p_value", says="one direction")
def one_sided(a, b):
    return _share(a, b, lambda gap, found: gap > found - 1e-9)


@wrong("permutation_p_value", says="less")
def complement(a, b):
    return 1 - by_all_orders(a, b)


@wrong("random_flips", says="draw nothing from `generator`")
def without_the_generator(images, generator):
    chosen = torch.rand(len(images)) < 0.5
    return torch.where(chosen.view(-1, 1, 1, 1), images.flip(-1), images)


@wrong("random_flips", says="draw nothing from `generator`")
def from_python(images, generator):
    return torch.stack([image.flip(-1) if random.random() < 0.5 else image for image in images])


@wrong("training_state", says="objects themselves")
def objects(net, optimizer, generator):
    return {"net": net, "optimizer": optimizer, "random": generator}


@wrong("training_state", says="objects themselves")
def net_as_an_object(net, optimizer, generator):
    return spelled_out(net, optimizer, generator) | {"net": net}


@wrong("training_state", says="objects themselves")
def generator_as_an_object(net, optimizer, generator):
    return spelled_out(net, optimizer, generator) | {"random": generator}


@wrong("permutation_p_value", says="choose positions, not values")
def rest_by_value(a, b):
    everything, found = [*a, *b], abs(sum(a) / len(a) - sum(b) / len(b))
    count = total = 0
    for chosen in combinations(everything, len(a)):
        rest = [x for x in everything if x not in chosen]
        count += abs(sum(chosen) / len(chosen) - sum(rest) / len(rest)) >= found - 1e-9
        total += 1
    return count / total


@wrong("permutation_p_value", says="count ways that look alike once")
def distinct_ways(a, b):
    everything, found = [*a, *b], abs(sum(a) / len(a) - sum(b) / len(b))
    ways = {tuple(sorted(way)) for way in combinations(everything, len(a))}
    gaps = [abs(sum(way) / len(a) - (sum(everything) - sum(way)) / len(b)) for way in ways]
    return sum(gap >= found - 1e-9 for gap in gaps) / len(ways)
