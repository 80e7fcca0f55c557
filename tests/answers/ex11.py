"""Answers to the exercises of notebook 11."""

from itertools import combinations, permutations
from math import comb
from statistics import median

import torch
import torch.nn.functional as F
from torch import Generator, nn

from answers import correct, wrong
from course_lib.groups import C1, C4, D4
from course_lib.layers import EquivariantSequential, GlobalMaxPool, GroupConv2d, GSeparableConv2d, LiftingConv2d
from course_lib.models import p4cnn_linear
from course_lib.reports import permutation_p_value, smallest_p_value
from course_lib.training.randomness import random_states


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


@correct("contender")
def half_as_wide_on_p4m():
    return p4cnn_linear(D4, width=7)


@correct("contender")
def separable_filters():
    return p4cnn_linear(C4, width=16, conv=GSeparableConv2d)


@wrong("contender", says="25,210 parameters; at most 25,000")
def too_many_by_a_few():
    return p4cnn_linear(C1, width=20)


@wrong("contender", says="scores change when the image is turned.*first.*Cause: .*Cure: ")
def ordinary():
    return p4cnn_linear(C1, width=10)


@wrong("contender", says="'1' breaks the symmetry first. Cause: flattened pixels")
def linear():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))


@wrong("contender", says="expected scores of shape \\(2, 10\\)")
def without_an_end():
    return EquivariantSequential(LiftingConv2d(C4, 1, 8, 3), GlobalMaxPool(C4))


@wrong("contender", says="must go through LiftingConv2d first")
def without_a_lift():
    return EquivariantSequential(GroupConv2d(C4, 1, 8, 3), GlobalMaxPool(C4), nn.Linear(8, 10))


@wrong("contender", says="call the class")
def the_class():
    return nn.Linear


@wrong("contender", says="returned a function")
def the_function():
    return p4cnn_linear


@wrong("contender", says="nothing to train")
def nothing():
    return nn.Identity()


@wrong("train_step", says="weights stay as they were")
def without_a_step(forward, images, labels, optimizer, bf16=False):
    _, loss, correct = _outputs_and_loss(forward, images, labels)
    optimizer.zero_grad()
    loss.backward()
    return loss.detach() * len(images), correct


@wrong("train_step", says="descend on the sum")
def on_the_sum(forward, images, labels, optimizer, bf16=False):
    _, loss, correct = _outputs_and_loss(forward, images, labels)
    optimizer.zero_grad()
    (loss * len(images)).backward()
    optimizer.step()
    return loss.detach() * len(images), correct


@wrong("train_step", says="fraction of right answers")
def accuracy(forward, images, labels, optimizer, bf16=False):
    loss, correct = by_hand(forward, images, labels, optimizer, bf16)
    return loss, correct / len(labels)


@wrong("train_step", says="number of wrong answers")
def wrong_answers(forward, images, labels, optimizer, bf16=False):
    loss, correct = by_hand(forward, images, labels, optimizer, bf16)
    return loss, len(labels) - correct


@wrong("train_step", says="measure after the step")
def after_the_step(forward, images, labels, optimizer, bf16=False):
    by_hand(forward, images, labels, optimizer, bf16)
    with torch.no_grad():
        _, loss, correct = _outputs_and_loss(forward, images, labels)
    return loss * len(labels), correct


@wrong("train_step", says="two values are swapped")
def count_first(forward, images, labels, optimizer, bf16=False):
    loss, correct = by_hand(forward, images, labels, optimizer, bf16)
    return correct, loss


@wrong("train_step", says="returned a Tensor, expected two values")
def loss_only(forward, images, labels, optimizer, bf16=False):
    return by_hand(forward, images, labels, optimizer, bf16)[0]


@wrong("training_state", says="seed.* of the generator")
def seed_as_a_number(net, optimizer, generator):
    return spelled_out(net, optimizer, generator) | {"random": generator.initial_seed()}


@wrong("training_state", says="call it, `net.state_dict")
def method_of_the_net(net, optimizer, generator):
    return spelled_out(net, optimizer, generator) | {"net": net.state_dict}


@wrong("training_state", says="call it, `state_dict")
def both_methods(net, optimizer, generator):
    return spelled_out(net, optimizer, generator) | {"net": net.state_dict, "optimizer": optimizer.state_dict}


@wrong("training_state", says="call it, `optimizer.state_dict")
def method_of_the_optimizer(net, optimizer, generator):
    return spelled_out(net, optimizer, generator) | {"optimizer": optimizer.state_dict}


@wrong("training_state", says="without their names")
def list_of_parameters(net, optimizer, generator):
    return spelled_out(net, optimizer, generator) | {"net": list(net.parameters())}


@wrong("training_state", says="settings of the optimizer")
def settings_only(net, optimizer, generator):
    return spelled_out(net, optimizer, generator) | {"optimizer": optimizer.param_groups}


@wrong("training_state", says="one dictionary")
def three_values(net, optimizer, generator):
    state = spelled_out(net, optimizer, generator)
    return state["net"], state["optimizer"], state["random"]


@wrong("permutation_p_value", says="number of deals")
def count_of_deals(a, b):
    return by_all_orders(a, b) * len(list(combinations([*a, *b], len(a))))


@wrong("permutation_p_value", says="not halve")
def halved(a, b):
    return by_all_orders(a, b) / 2


@wrong("permutation_p_value", says="random sample")
def one_more(a, b):
    deals = len(list(combinations([*a, *b], len(a))))
    return (by_all_orders(a, b) * deals + 1) / (deals + 1)


def compared_by(a, b, middle, rounding=1e-9):
    n, found = len(a), abs(middle(a) - middle(b))
    gaps = [abs(middle(order[:n]) - middle(order[n:])) for order in permutations([*a, *b])]
    return sum(gap >= found - rounding for gap in gaps) / len(gaps)


@wrong("permutation_p_value", says="compare sums")
def sums(a, b):
    return compared_by(a, b, sum)


@wrong("permutation_p_value", says="compare medians")
def medians(a, b):
    return compared_by(a, b, median)


@wrong("permutation_p_value", says="sign of the found distance")
def found_with_its_sign(a, b):
    return _share(a, b, lambda gap, found: abs(gap) >= found - 1e-9)


@wrong("permutation_p_value", says="Allow for rounding")
def without_rounding(a, b):
    everything, found = [*a, *b], abs(sum(a) / len(a) - sum(b) / len(b))
    positions = range(len(everything))
    gaps = []
    for way in combinations(positions, len(a)):
        first, rest = [everything[i] for i in way], [everything[i] for i in positions if i not in way]
        gaps.append(abs(sum(first) / len(first) - sum(rest) / len(rest)))
    return sum(gap >= found for gap in gaps) / len(gaps)


@wrong("contender", says="ends with a softmax")
def probabilities():
    return nn.Sequential(p4cnn_linear(), nn.Softmax(dim=1))


@wrong("contender", says="108,210 parameters; at most 25,000")
def too_many_in_a_lazy_layer():
    return nn.Sequential(LiftingConv2d(C4, 1, 4, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(10))


@correct("verdict")
def by_a_table(a, b, level=0.05):
    enough = smallest_p_value(len(a), len(b)) <= level
    sure = permutation_p_value(a, b) <= level
    names = {(True, True): ["the other way round", "holds"][sum(a) / len(a) < sum(b) / len(b)]}
    return names.get((enough, sure), "within noise" if enough else "too few seeds to tell")


@wrong("verdict", says="direction reversed")
def upside_down_claim(a, b, level=0.05):
    return {"holds": "the other way round", "the other way round": "holds"}.get(
        by_a_table(a, b, level), by_a_table(a, b, level)
    )


@wrong("verdict", says="Ask first whether")
def noise_before_number(a, b, level=0.05):
    if permutation_p_value(a, b) > level:
        return "within noise"
    return by_a_table(a, b, level)


@wrong("verdict", says="always use 0.05")
def fixed_level(a, b, level=0.05):
    return by_a_table(a, b)


@wrong("verdict", says="equally many seeds")
def two_deals(a, b, level=0.05):
    if 2 / comb(len(a) + len(b), len(a)) > level:
        return "too few seeds to tell"
    return by_a_table(a, b, level)


@wrong("train_step", says="without an axis")
def largest_of_the_batch(forward, images, labels, optimizer, bf16=False):
    outputs, loss, _ = _outputs_and_loss(forward, images, labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach() * len(images), (outputs.argmax() == labels).sum()


@wrong("train_step", says="tensor of shape \\(4,\\), expected their number")
def not_summed(forward, images, labels, optimizer, bf16=False):
    outputs, loss, _ = _outputs_and_loss(forward, images, labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach() * len(images), outputs.argmax(dim=1) == labels


@wrong("train_step", says="count the right answers after the step")
def counted_after(forward, images, labels, optimizer, bf16=False):
    _, loss, _ = _outputs_and_loss(forward, images, labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach() * len(images), (forward(images).argmax(dim=1) == labels).sum()


@wrong("training_state", says="only the state of torch's own generator")
def one_generator(net, optimizer, generator):
    random = {"torch": torch.random.get_rng_state()}
    return {"net": net.state_dict(), "optimizer": optimizer.state_dict(), "random": random}


@wrong("training_state", says="stopped in line.*not its name")
def name_of_the_device(net, optimizer, generator):
    random = random_states("cpu", generator)
    return {"net": net.state_dict(), "optimizer": optimizer.state_dict(), "random": random}


@wrong("permutation_p_value", says="deal the results into halves")
def two_halves(a, b):
    everything, found = [*a, *b], abs(sum(a) / len(a) - sum(b) / len(b))
    half, gaps = len(everything) // 2, []
    for way in combinations(range(len(everything)), half):
        first = sum(everything[i] for i in way)
        gaps.append(abs(first / half - (sum(everything) - first) / (len(everything) - half)))
    return sum(gap >= found - 1e-9 for gap in gaps) / len(gaps)


@wrong("permutation_p_value", says="in percent")
def percent_of_deals(a, b):
    return 100 * by_all_orders(a, b)


@wrong("verdict", says="look at the means before")
def means_first(a, b, level=0.05):
    return "the other way round" if sum(a) / len(a) > sum(b) / len(b) else by_a_table(a, b, level)


@wrong("verdict", says="the means, not the sums")
def sums_compared(a, b, level=0.05):
    found = by_a_table(a, b, level)
    return ["the other way round", "holds"][sum(a) < sum(b)] if found in ("holds", "the other way round") else found


@wrong("contender", says="layer for images meets a map")
def norm_for_images():
    return nn.Sequential(LiftingConv2d(C4, 1, 4, 3), nn.BatchNorm2d(4), GlobalMaxPool(C4), nn.Linear(4, 10))


@wrong("verdict", says="compare the best seeds")
def best_of_the_seeds(a, b, level=0.05):
    found = by_a_table(a, b, level)
    return ["the other way round", "holds"][min(a) < min(b)] if found in ("holds", "the other way round") else found


@wrong("verdict", says="wrong way round: a p")
def small_p_is_noise(a, b, level=0.05):
    if smallest_p_value(len(a), len(b)) > level:
        return "too few seeds to tell"
    if permutation_p_value(a, b) < level:
        return "within noise"
    return "holds" if sum(a) / len(a) < sum(b) / len(b) else "the other way round"


@wrong("verdict", says="not above it: compare with >")
def at_the_level(a, b, level=0.05):
    if smallest_p_value(len(a), len(b)) >= level:
        return "too few seeds to tell"
    if permutation_p_value(a, b) >= level:
        return "within noise"
    return "holds" if sum(a) / len(a) < sum(b) / len(b) else "the other way round"


@wrong("verdict", says="You count the seeds")
def fewer_than_four(a, b, level=0.05):
    if len(a) < 4 or len(b) < 4:
        return "too few seeds to tell"
    if permutation_p_value(a, b) > level:
        return "within noise"
    return "holds" if sum(a) / len(a) < sum(b) / len(b) else "the other way round"


@wrong("train_step", says="along the batch")
def largest_of_each_class(forward, images, labels, optimizer, bf16=False):
    outputs, loss, _ = _outputs_and_loss(forward, images, labels)
    correct = (outputs.argmax(dim=0) == labels).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach() * len(images), correct


@wrong("train_step", says="logarithms of probabilities")
def scores_as_logarithms(forward, images, labels, optimizer, bf16=False):
    outputs = forward(images)
    loss = F.nll_loss(outputs, labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach() * len(images), (outputs.argmax(dim=1) == labels).sum()


@wrong("train_step", says="always use 16-bit")
def always_bf16(forward, images, labels, optimizer, bf16=False):
    return by_hand(forward, images, labels, optimizer, True)


@wrong("train_step", says="Wrong: loss 1. Right: correct 1, has a graph, weights")
def loss_times_the_scores(forward, images, labels, optimizer, bf16=False):
    loss, correct = by_hand(forward, images, labels, optimizer, bf16)
    return 3 * loss, correct


@wrong("training_state", says="`optimizer.state` is only a part")
def attribute_of_the_optimizer(net, optimizer, generator):
    return spelled_out(net, optimizer, generator) | {"optimizer": optimizer.state}


@wrong("permutation_p_value", says="There are 2 deals, so p is a whole number divided by 2")
def one_in_three(a, b):
    return 1 / 3


@wrong("permutation_p_value", says="You count 0 of 2 deals, expected 2")
def against_the_mean_of_all(a, b):
    everything, found = [*a, *b], abs(sum(a) / len(a) - sum(b) / len(b))
    mean, ways = sum(everything) / len(everything), list(combinations(everything, len(a)))
    return sum(abs(sum(way) / len(way) - mean) >= found - 1e-9 for way in ways) / len(ways)


@wrong("verdict", says="letter for letter")
def shortened(a, b, level=0.05):
    return by_a_table(a, b, level).removesuffix(" to tell")


@wrong("verdict", says="not in which direction")
def without_a_direction(a, b, level=0.05):
    return by_a_table(a, b, level).replace("the other way round", "holds")


@wrong("verdict", says="p is far above the level here. The numbers: .* p 0.771")
def noise_forgotten(a, b, level=0.05):
    if smallest_p_value(len(a), len(b)) > level:
        return "too few seeds to tell"
    return "holds" if sum(a) / len(a) < sum(b) / len(b) else "the other way round"


@wrong("training_state", says=r"should not have \['epoch'\]")
def with_the_epoch(net, optimizer, generator):
    return spelled_out(net, optimizer, generator) | {"epoch": 0}
