"""What a layer costs, by formula. Each layer says so beside its forward, and `course_lib.counting` adds it up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor


@dataclass(frozen=True)
class Cost:
    """What one layer has, and what it does for one image; the layers inside it are left out, as they count themselves.

    Args:
        macs: multiply-accumulates of convolutions and matrix products.
        aggregation: multiply-accumulates that are neither, such as those of a sum over neighbors with weights that the
            layer has computed: no counter of PyTorch sees them.
        norm: operations of a norm, 2 for each value of a batch norm and 5 for each of an instance norm. He et al.
            (2021) seem to have counted their FLOPs on rotated MNIST like this: no rule we know comes closer.
    """

    parameters: int = 0
    macs: int = 0
    aggregation: int = 0
    norm: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.parameters + other.parameters,
            self.macs + other.macs,
            self.aggregation + other.aggregation,
            self.norm + other.norm,
        )


@runtime_checkable
class Costly(Protocol):
    """A layer that has parameters of its own, or computes something besides what the layers inside it compute."""

    def cost(self, values: int) -> Cost:
        """``values``: how many numbers the layer puts out for one image, C·|H|·Y·X."""
        ...


@runtime_checkable
class Dynamic(Protocol):
    """A layer whose weights depend on its input, so that its fast kernels do what PyTorch's counter cannot see."""

    def products(self, x: Tensor) -> Tensor:
        """All convolutions and matrix products of the layer; the result has the right shape and the wrong values."""
        ...
