"""Run a network and keep every module call: what went in, what came out, which torch functions were called."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


@dataclass
class Call:
    """One call of a module.

    ``between`` are the torch functions since the last leaf, ``functions`` its own (of the net: the last ones).
    ``inside`` are the positions, in the trace, of the calls that this one made; a leaf made none.
    """

    name: str
    module: nn.Module
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    between: tuple[str, ...]
    start: int
    output: Any = None  # of several outputs the first
    functions: tuple[str, ...] = ()
    inside: range = field(default_factory=lambda: range(0))

    @property
    def is_leaf(self) -> bool:
        return not self.inside

    @property
    def inputs(self) -> list[Tensor]:
        """The tensors of floats among the arguments."""
        return [a for a in (*self.args, *self.kwargs.values()) if is_float_tensor(a)]

    def again(self, move: Callable[[Tensor], Tensor]) -> Any:
        """Call the module once more, with every input tensor moved."""

        def moved(a: Any) -> Any:
            return move(a) if is_float_tensor(a) else a

        with torch.no_grad():
            y = self.module(*map(moved, self.args), **{key: moved(a) for key, a in self.kwargs.items()})
        return first_tensor(y)


def is_float_tensor(a: Any) -> bool:
    return isinstance(a, Tensor) and a.is_floating_point()


def first_tensor(y: Any) -> Any:
    """What a module puts out; of several outputs (torch's attention also returns its weights) the first."""
    return y[0] if isinstance(y, (tuple, list)) and y else y


# Looks at a tensor, or copies it for this trace, and is no step of the network.
NO_STEP = {"get", "size", "dim", "clone", "detach", "contiguous"}


class _FunctionNames(TorchFunctionMode):
    """Writes down the name of every torch function that is called."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "").strip("_")
        if name not in NO_STEP and not name.startswith("get_"):
            self.names.append(name)
        return func(*args, **(kwargs or {}))

    def take(self) -> tuple[str, ...]:
        names, self.names = tuple(dict.fromkeys(self.names)), []
        return names


def trace(net: nn.Module, x: Tensor) -> list[Call]:
    """All module calls, in the order in which they end; the last is the network itself. Tensors are copies."""
    calls: list[Call] = []
    open_calls: list[Call] = []
    times: Counter[str] = Counter()
    functions = _FunctionNames()

    def copied(a: Any) -> Any:
        return a.detach().clone() if isinstance(a, Tensor) else a

    def enter(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            times[name] += 1
            label = name if times[name] == 1 else f"{name}#{times[name]}"
            arguments = tuple(map(copied, args)), {key: copied(a) for key, a in kwargs.items()}
            open_calls.append(Call(label, module, *arguments, functions.take(), len(calls)))

        return hook

    def leave(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        call = open_calls.pop()
        call.inside = range(call.start, len(calls))
        call.output = copied(first_tensor(output))
        if call.is_leaf or not open_calls:
            call.functions = functions.take()
        calls.append(call)

    handles = []
    for name, module in net.named_modules():
        handles.append(module.register_forward_pre_hook(enter(name), with_kwargs=True))
        handles.append(module.register_forward_hook(leave, with_kwargs=True))
    try:
        with torch.no_grad(), functions:
            net(x)
    finally:
        for handle in handles:
            handle.remove()
    return calls
