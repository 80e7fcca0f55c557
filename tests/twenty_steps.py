"""Networks with every layer that sees more than one image or draws at random, trained for 20 steps; for torchrun.

torchrun --nproc-per-node 2 tests/twenty_steps.py FILE     writes the weights there
"""

import sys

import torch
from torch import Tensor, nn

from course_lib.data import load_digits, random_rotations
from course_lib.groups import C4, D1
from course_lib.layers import EquivariantSequential, GlobalMaxPool, GroupBatchNorm, GroupDropout, LiftingConv2d
from course_lib.training import TrainConfig, seed_everything, train
from course_lib.training.environment import is_first, process_group

IMAGES, BATCH = 125, 27  # five steps an epoch, the last of 17 images; no batch is two equal halves
SGD = TrainConfig(4, BATCH, 0.005, optimizer="sgd", momentum=0.9, nesterov=True)
ADAM = TrainConfig(4, BATCH, 0.002)


def ordinary() -> nn.Module:
    convs = [nn.Conv2d(1, 6, 5, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout(0.2)]
    return nn.Sequential(*convs, nn.Conv2d(6, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 10))


def grouped() -> nn.Module:
    norms = [GroupBatchNorm(C4, 6), GroupDropout(C4, 0.3), nn.ReLU(), GlobalMaxPool(C4)]
    return EquivariantSequential(LiftingConv2d(C4, 1, 6, 5, bias=False), *norms, nn.BatchNorm1d(6), nn.Linear(6, 10))


def cumulative() -> nn.Module:
    """Running statistics as a plain mean, a norm without gain and bias, dropout of whole maps."""
    norm = GroupBatchNorm(D1, 4, momentum=None)  # type: ignore[arg-type]
    convs = [LiftingConv2d(D1, 1, 4, 5, bias=False), norm, nn.ReLU(), GlobalMaxPool(D1), nn.Dropout1d(0.2)]
    return EquivariantSequential(*convs, nn.BatchNorm1d(4, affine=False), nn.Linear(4, 10))


# A norm takes the bias before it out again: what such a bias learns is rounding, so there is none. Adam divides each
# gradient by its size and so magnifies the rounding of those near zero: in float32 two orders of one sum end 1e-4 apart
# after 20 steps. Float64 shows that the sums are the same.
SINGLE, DOUBLE = torch.float32, torch.float64
CASES = [
    (ordinary, SGD, SINGLE),
    (ordinary, ADAM, DOUBLE),
    (grouped, SGD, SINGLE),
    (grouped, ADAM, DOUBLE),
    (cumulative, SGD, DOUBLE),
]


def trained(device: torch.device) -> dict[str, dict[str, Tensor]]:
    """For each case: all weights and statistics, and the loss of each epoch."""
    found, split = {}, load_digits().train.first(IMAGES)
    for build, config, dtype in CASES:
        seed_everything(0)
        net = build().to(dtype)
        history = train(net, split, config, augment=random_rotations, device=device)
        found[f"{build.__name__} {config.optimizer}"] = net.state_dict() | {"loss": torch.tensor(history.train_loss)}
    return found


if __name__ == "__main__":
    with process_group("cpu") as device:
        weights = trained(device)
        if is_first():
            torch.save(weights, sys.argv[1])
