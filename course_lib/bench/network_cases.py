"""Whole networks: a training step against the same network made another way, and how soon the first output comes."""

from functools import partial

import torch
from torch import Tensor, nn

from course_lib.bench import escnn_twins
from course_lib.bench.case import Bar, Case, Contender
from course_lib.counting import executed_macs
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
    """p4 with 10 channels and an ordinary network with 40: convolutions of the same size, but for the first.

    The speed against matrix products alone is the share of the processor's peak that training reaches.
    """
    products = "as many products of matrices"
    return Case(
        "P4CNN (p4, 10 ch) against its twin of ordinary convolutions (40 ch), 28 px batch 128",
        (
            Contender("P4CNN", partial(p4cnn, C4, 10)),
            Contender("twin of nn.Conv2d", lambda: as_ordinary_cnn(p4cnn(C1, 40))),
            Contender(products, lambda: MatrixProducts(executed_macs(p4cnn(C4, 10), torch.randn(1, 1, 28, 28)))),
        ),
        partial(_images, 128, 1, 28),
        modes=("train",),
        bars=(Bar("speed", "P4CNN", "twin of nn.Conv2d", 1.4), Bar("speed", "P4CNN", products, 0.36)),
        input_gradients=False,
    )


class MatrixProducts(nn.Module):
    """As many multiply-accumulates as a training step of a network takes, three times those of its forward pass, in
    products of square matrices, at which a processor is fastest (sgemm). The output means nothing; backward is idle."""

    SIDE = 768
    matrix: Tensor

    def __init__(self, macs: int) -> None:
        super().__init__()
        self.macs = 3 * macs
        self.register_buffer("matrix", torch.randn(self.SIDE, self.SIDE))
        self.output = nn.Parameter(torch.zeros(10))

    def forward(self, x: Tensor) -> Tensor:
        product = torch.empty_like(self.matrix)
        with torch.no_grad():
            for _ in range(round(len(x) * self.macs / self.SIDE**3)):
                torch.mm(self.matrix, self.matrix, out=product)
        return self.output.expand(len(x), -1)


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
