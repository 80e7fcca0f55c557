"""What all layers share: what a map must look like, when sampling on the lattice is exact, and layers in a row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from course_lib.groups import D4, Element, Group, matrix


def require_map(x: Tensor, axes: tuple[str, ...], layer: nn.Module, **lengths: int) -> None:
    """Raise TypeError or ValueError unless x is a float map with these axes, e.g. ("B", "C", "|H|", "Y", "X").

    ``lengths`` gives the length that an axis must have: C=… for "C", H=… for "|H|".
    """
    name = type(layer).__name__
    wanted = "(" + ", ".join(axes) + ")"
    if not isinstance(x, Tensor):
        raise TypeError(f"{name} expected a torch.Tensor of shape {wanted}, got {type(x).__name__}")
    if not x.is_floating_point():
        raise TypeError(f"{name} expected a float map, got {x.dtype}; convert it with x.float()")
    if x.ndim != len(axes):
        hint = ""
        if x.ndim == 4 and len(axes) == 5:
            hint = "; an image (B, C, Y, X) must go through LiftingConv2d first"
        elif x.ndim == 5 and len(axes) == 4:
            hint = "; a feature map goes into GroupConv2d, or becomes an image again by GroupMaxPool"
        raise ValueError(f"{name} expected {len(axes)} axes {wanted}, got {x.ndim} axes {tuple(x.shape)}{hint}")
    for key, length in lengths.items():
        axis = axes.index("|H|" if key == "H" else key)
        if x.shape[axis] != length:
            what = (
                f"group axis of {layer.group} has length {length}" if key == "H" else f"channel axis must be {length}"
            )
            raise ValueError(f"{name}: the {what}, got {x.shape[axis]} in a map {wanted} = {tuple(x.shape)}")


FEATURE_MAP = ("B", "C", "|H|", "Y", "X")
IMAGE = ("B", "C", "Y", "X")


def _reverses(g: Element) -> tuple[bool, bool]:
    array_axes = np.diag([1, -1])  # rows count downwards, y upwards
    columns, rows = array_axes @ matrix(g) @ array_axes
    return bool((rows < 0).any()), bool((columns < 0).any())


_REVERSES = {g: _reverses(g) for g in D4.elements}  # made once: torch.compile cannot look into numpy


def reversed_axes(group: Group) -> tuple[bool, bool]:
    """Whether some element runs through the rows (Y), and through the columns (X), of an array backwards."""
    return any(_REVERSES[g][0] for g in group.elements), any(_REVERSES[g][1] for g in group.elements)


def left_over(size: int, window: int, stride: int, padding: int = 0) -> int:
    """(size + 2·padding − window) mod stride: the pixels at the far border that no window reaches.

    The windows start at one border. Seen from the opposite border, as after a half turn or a mirror, they are the same
    only if nothing is left over. Notebook 05.
    """
    return (size + 2 * padding - window) % stride


def exact_sizes(layers: Sequence[tuple[int, int, int]], sizes: Iterable[int]) -> list[int]:
    """Those input sizes at which no layer of a row has pixels left over; each layer is (window, stride, padding).

    A layer makes (size + 2·padding − window) // stride + 1 pixels of size pixels; a map smaller than the window does
    not fit. Notebook 05.
    """
    found = []
    for first in sizes:
        size, fits = first, True
        for window, stride, padding in layers:
            fits = fits and size + 2 * padding >= window and left_over(size, window, stride, padding) == 0
            size = (size + 2 * padding - window) // stride + 1
        if fits:
            found.append(first)
    return found


def require_exact_sampling(
    layer: nn.Module, group: Group, size: tuple[int, int], window: int, stride: int, padding: int = 0
) -> None:
    """Raise ValueError if a map of this size (Y, X) has pixels left over on an axis that the group reverses."""
    name = type(layer).__name__
    for axis, length, is_reversed in zip(("height", "width"), size, reversed_axes(group), strict=True):
        padded = length + 2 * padding
        if padded < window:
            raise ValueError(f"{name}: the {axis} {length} (padding {padding}) is smaller than the window of {window}")
        rest = left_over(length, window, stride, padding)
        if is_reversed and rest:
            smaller = f"{length - rest} or " if length - rest > 0 else ""
            raise ValueError(
                f"{name} with window {window}, stride {stride}, padding {padding} cannot be equivariant to {group} on "
                f"{axis} {length}: it leaves {rest} pixel(s) over at one border. Use a {axis} of {smaller}"
                f"{length - rest + stride}, another stride or window, or accept the error with allow_approximate=True"
            )


def require_positive(**counts: int) -> None:
    """Raise ValueError unless there is at least one of each: channels, heads, ..."""
    for name, value in counts.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")


def require_divisor(name: str, parts: int, of: str, count: int) -> None:
    """Raise ValueError unless the count can be cut into so many equal parts, or parts of that size."""
    if count % parts:
        divisors = ", ".join(str(d) for d in range(1, count + 1) if count % d == 0)
        raise ValueError(f"{name}={parts} must divide {of}={count}: use one of {divisors}")


def require_even_shares(heads: int, channels: int) -> None:
    """Raise ValueError unless the heads can share the channels evenly."""
    if heads < 1 or channels % heads:
        near = channels - channels % max(heads, 1)
        raise ValueError(
            f"{heads} heads cannot share {channels} out_channels evenly: use "
            + (f"{near} or {near + heads} channels" if near else f"{heads} channels")
            + ", or a number of heads that divides them"
        )


class WithIndex(nn.Module):
    """A layer that gathers by an index which follows from its settings: on the device of the layer, and in no file.

    It has values even where a network is first built on "meta", and is made anew when the layer's tensors are replaced:
    `nn.Module.to_empty` would leave no values in it.
    """

    index: Tensor

    def _make_index(self) -> Tensor:
        raise NotImplementedError

    def _register_index(self) -> None:
        home = torch.empty(0).device  # where tensors are made now, the layer's weights too
        index = self._make_index()
        self.register_buffer("index", index if home.type == "meta" else index.to(home), persistent=False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> WithIndex:
        before = self.index
        super()._apply(fn, recurse)
        if self.index is not before:
            self.index = self._make_index().to(self.index.device)
        return self


_ELEMENTWISE = (nn.Identity, nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Sigmoid, nn.Tanh, nn.Dropout)


class EquivariantSequential(nn.Sequential):
    """Layers in a row, checked when they are put together: one group, and channels that fit.

    C4 and D2 both have four elements, so a map from one passes through a layer of the other without a shape error, and
    equivariance is silently gone. Groups are compared in blocks inside the row, too, unless a block has a ``group`` of
    its own, which then speaks for it; channels between the layers of the row itself. Raises ValueError at construction
    and names the two layers.
    """

    def __init__(self, *layers: Any) -> None:  # as nn.Sequential: modules in a row, or one OrderedDict of them
        super().__init__(*layers)
        with_group = list(_with_group(self))
        for (name, layer), (next_name, next_layer) in pairwise(with_group):
            here, there = f"{name} ({type(layer).__name__})", f"{next_name} ({type(next_layer).__name__})"
            if layer.group != next_layer.group:
                raise ValueError(
                    f"{here} is built for {layer.group}, but {there} for {next_layer.group}: use one group"
                )
        self._require_channels_that_fit()

    def _require_channels_that_fit(self) -> None:
        before, there = "", None  # the last layer that says how many channels it puts out, and how many
        for name, layer in self.named_children():
            channels = _channels(layer)
            if channels is None:
                there = there if _keeps_channels(layer) else None
                continue
            if there not in (None, channels[0]):
                raise ValueError(f"{before} puts out {there} channels, but {name} takes {channels[0]}")
            before, there = name, channels[1]


def _with_group(block: nn.Module, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, layer in block.named_children():
        if isinstance(getattr(layer, "group", None), Group):
            yield prefix + name, layer
        else:
            yield from _with_group(layer, f"{prefix}{name}.")


def _keeps_channels(layer: nn.Module) -> bool:
    """Layers of which it is known; any other, such as a residual block or a CReLU, may change their number."""
    return isinstance(layer, _ELEMENTWISE) or (hasattr(layer, "group") and not any(True for _ in layer.parameters()))


def _channels(layer: Any) -> tuple[int, int] | None:
    """How many channels a layer with a group takes and puts out; None if it does not say."""
    if not hasattr(layer, "group"):
        return None
    if hasattr(layer, "in_channels"):
        return layer.in_channels, layer.out_channels
    kept = getattr(layer, "channels", getattr(layer, "num_features", None))
    return None if kept is None else (kept, kept)
