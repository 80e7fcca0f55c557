"""A benchmark case as data: what is compared, on which input, and the bar that the result is held to."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal

from torch import Tensor

Mode = Literal["train", "eval", "first output", "call"]
Quantity = Literal["time", "speed", "saved", "seconds"]


@dataclass(frozen=True)
class Contender:
    """One way to do the work of a case.

    ``build()`` gives an ``nn.Module``, or any other callable, that takes the inputs of the case. ``needs`` names a
    package without which the contender is left out. ``lay_out`` puts an input into the memory layout in which this
    contender would get it inside a network; the values stay. It is not timed.
    """

    name: str
    build: Callable[[], Callable[..., Any]]
    needs: str | None = None
    lay_out: Callable[[Tensor], Tensor] = Tensor.contiguous

    @property
    def missing(self) -> str | None:
        """Why this contender cannot run here; None if it can."""
        return f"{self.needs} is not installed" if self.needs and find_spec(self.needs) is None else None


@dataclass(frozen=True)
class Bar:
    """What a result is held to, by the medians of one mode.

    - "time":    time of ``ours`` over ``against``, at most ``limit``
    - "speed":   time of ``against`` over ``ours``, at least ``limit``
    - "saved":   bytes saved for backward, ``ours`` over ``against``, at most ``limit``
    - "seconds": of ``ours``, at most ``limit``
    """

    quantity: Quantity
    ours: str
    against: str
    limit: float
    mode: Mode = "train"

    def holds(self, value: float) -> bool:
        return value >= self.limit if self.quantity == "speed" else value <= self.limit

    def __str__(self) -> str:
        sign = "≥" if self.quantity == "speed" else "≤"
        over = "" if self.quantity == "seconds" else f" against {self.against}"
        return f"{self.mode}, {self.quantity} of {self.ours}{over} {sign} {self.limit:.3g}"


@dataclass(frozen=True)
class Case:
    """Contenders that do the same work on the same inputs, in one or more modes.

    - "train": forward and backward, from a fixed gradient of the output to parameters and inputs
    - "eval": forward in eval mode without gradients
    - "first output": build, then the first forward pass in eval mode; once, without warming up
    - "call": the callable itself; once, without warming up

    ``inputs()`` gives the tensors that every contender takes. In "train" those of floating point get a gradient, as the
    input of an inner layer does; a network's images do not (``input_gradients=False``).
    Outputs must have one shape: whoever puts out something else does not do the same work (ValueError).
    """

    name: str
    contenders: tuple[Contender, ...]
    inputs: Callable[[], tuple[Tensor, ...]] = tuple
    modes: tuple[Mode, ...] = ("train", "eval")
    bars: tuple[Bar, ...] = ()
    input_gradients: bool = True

    def __post_init__(self) -> None:
        names = [contender.name for contender in self.contenders]
        for bar in self.bars:
            for name in (bar.ours, bar.against) if bar.quantity != "seconds" else (bar.ours,):
                if name not in names:
                    raise ValueError(f"{self.name}: the bar '{bar}' names {name!r}; contenders are {names}")
            if bar.mode not in self.modes:
                raise ValueError(f"{self.name}: the bar '{bar}' is for mode {bar.mode!r}; modes are {self.modes}")
