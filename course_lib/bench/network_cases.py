"""Whole networks: a training step against the same network made another way, and how soon the first output comes."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from course_lib.bench import escnn_twins
from course_lib.bench.case import Bar, Case, Contender
from course_lib.groups import C1, C4, D4
from course_lib.models import as_ordinary_cnn, p4cnn, resnet18

WIDTH = 22  # 64 / √8: about as many values in a p4m map as in a map of the ordinary ResNet18


def cases() -> list[Case]:
    # The first output comes first: what a later case would have loaded or cached is not there yet.
    return [_first_output(), _p4cnn(), _resnet18()]


def _images(batch: int, channels: int, pixels: int) -> tuple[Tensor, ...]:
    return (torch.randn(batch, channels, pixels, pixels),)


def _first_output() -> Case:
    return Case(
        f"build p4m-ResNet18 (width {WIDTH}) and compute its first output",
        (
            Contender("ours", partial(resnet18, D4, WIDTH, exact=False)),
            Contender("escnn", partial(escnn_twins.resnet18, D4, WIDTH), needs="escnn"),
        ),
        partial(_images, 1, 3, 32),
        modes=("first output",),
        bars=(Bar("speed", "ours", "escnn", 60.0, "first output"),),
    )


def _p4cnn() -> Case:
    """p4 with 10 channels and an ordinary network with 40: convolutions of the same size, but for the first."""
    return Case(
        "P4CNN (p4, 10 ch) against its twin of ordinary convolutions (40 ch), 28 px batch 128",
        (
            Contender("P4CNN", partial(p4cnn, C4, 10)),
            Contender("twin of nn.Conv2d", lambda: as_ordinary_cnn(p4cnn(C1, 40))),
        ),
        partial(_images, 128, 1, 28),
        modes=("train",),
        bars=(Bar("speed", "P4CNN", "twin of nn.Conv2d", 1.4),),
        input_gradients=False,
    )


def _resnet18() -> Case:
    ordinary = WIDTH * D4.order
    return Case(
        f"p4m-ResNet18 ({WIDTH} ch) against its twin of ordinary convolutions ({ordinary} ch), 32 px batch 32",
        (
            Contender("p4m-ResNet18", partial(resnet18, D4, WIDTH, exact=False)),
            Contender("twin of nn.Conv2d", lambda: as_ordinary_cnn(resnet18(C1, ordinary))),
        ),
        partial(_images, 32, 3, 32),
        modes=("train",),
        bars=(Bar("speed", "p4m-ResNet18", "twin of nn.Conv2d", 1.5),),
        input_gradients=False,
    )
