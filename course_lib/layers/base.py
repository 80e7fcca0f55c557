"""What all layers share: their group, how a map must look and lies in memory, and when sampling is exact."""

import inspect
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from course_lib.groups import ALL_GROUPS, D4, NAMED_GROUPS, Element, Group, matrix, on_lattice
from course_lib.layers.settings import Device, require_group


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


# --- how maps lie in memory ------------------------------------------------------------------------------------------
#
# A feature map has the shape (B, C, |H|, Y, X) for everyone. Behind it, on a CPU, lie the pixels outermost, then the
# sheets, then the channels: (B, Y, X, |H|, C). Seen as a stack of planes, (B, |H|·C, Y, X), that is PyTorch's
# channels-last format, in which convolutions train up to twice as fast as in the default one.
#
# A layer needs to do nothing for it. What works value by value (ReLU, dropout, sums) gives each result the strides of
# its argument; a map with any other strides is rearranged once, by the next convolution or pool. A layer that works
# plane by plane goes `to_planes`, uses any function of torch.nn.functional for images, and comes back by
# `to_feature_map`: views, both of them. One that works channel by channel, whatever the sheet, uses `by_channel`; one
# that takes sheets together, `by_pixel`.
#
# Where the default format is faster, or nothing was measured, planes are those of the contiguous map. On a CPU, a
# convolution in channels-last format trains in 0.7 of the time at 40 planes of 28 × 28 pixels or 176 of 32 × 32, in the
# same time at 704 of 8 × 8, and in 1.3 times the time at 1,408 of 4 × 4 (in eval: 0.7, 1.1 and 1.8). Four planes for
# each pixel lie in between. Where AVX2 is the widest that a processor has, filters of 5 × 5 pixels and more, between
# planes that fill blocks of 32, take 0.7 to 0.95 of the time in the default format.


_ONLY_AVX2 = torch.backends.cpu.get_cpu_capability() == "AVX2"


def memory_format(x: Tensor, kernel_size: int = 1) -> torch.memory_format:
    """The format in which planes of a map like x are convolved fastest, as measured on CPUs; elsewhere the default."""
    planes, pixels = math.prod(x.shape[1:-2]), x.shape[-2] * x.shape[-1]
    is_wide = _ONLY_AVX2 and kernel_size >= 5 and planes % 32 == 0
    by_default = x.device.type != "cpu" or planes > 4 * pixels or is_wide
    return torch.contiguous_format if by_default else torch.channels_last


def present_format(x: Tensor) -> torch.memory_format:
    """The format in which a map lies, for what is as fast in both, such as a pool; of any other the fastest."""
    if by_pixel(x).is_contiguous():
        return torch.channels_last
    return torch.contiguous_format if x.is_contiguous() else memory_format(x)


def to_planes(x: Tensor, memory: torch.memory_format) -> Tensor:
    """A feature map (B, C, |H|, Y, X) as an image (B, |H|·C, Y, X), sheet by sheet, in channels-last format; in the
    default format (B, C·|H|, Y, X), channel by channel. An image keeps its shape.

    A view where the map lies in memory like this already, else one copy.
    """
    if memory == torch.contiguous_format:
        return x.flatten(1, -3).contiguous()
    # With the new last axis the strides of a single plane, too, say that channels come last: conv2d goes by them.
    return by_pixel(x).contiguous().unsqueeze(-1).flatten(3).permute(0, 3, 1, 2)


def to_feature_map(planes: Tensor, sheets: int, memory: torch.memory_format) -> Tensor:
    """Back from `to_planes`, a view: (B, |H|·C, Y, X), or (B, C·|H|, Y, X), → (B, C, |H|, Y, X)."""
    if memory == torch.contiguous_format:
        return planes.unflatten(1, (-1, sheets))
    return planes.unflatten(1, (sheets, -1)).transpose(1, 2)


def by_pixel(x: Tensor) -> Tensor:
    """The axes in the order in which a channels-last map lies in memory, a view: (B, C, |H|, Y, X) → (B, Y, X, |H|, C).

    Of an image (B, C, Y, X) → (B, Y, X, C).
    """
    return x.permute(0, *range(x.ndim - 2, x.ndim), *range(x.ndim - 3, 0, -1))


def join_sheets(sheets: Sequence[Tensor]) -> Tensor:
    """|H| images (B, C, Y, X) as one feature map, which lies in memory as described above."""
    if sheets[0].device.type != "cpu":
        return torch.stack([*sheets], dim=2)
    return torch.stack([by_pixel(sheet) for sheet in sheets], dim=3).permute(0, 4, 3, 1, 2)


def by_channel(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """A function of images (B, C, Y, X) that treats all values of a channel alike, applied to all sheets together."""
    # By way of one axis: in a single image the stride of B may be anything, and unless it is what it would be in a
    # batch, PyTorch's batch norm mixes up the channels of the gradient, without a word.
    batch, channels, sheets, height, width = x.shape
    pixels = by_pixel(x)
    if not pixels.is_contiguous():
        return function(x.reshape(-1).view(batch, channels, sheets * height, width)).reshape(-1).view(x.shape)
    planes = pixels.flatten().view(batch, height, width * sheets, channels).permute(0, 3, 1, 2)  # channels-last
    return function(planes).permute(0, 2, 3, 1).reshape(-1).view(pixels.shape).permute(0, 4, 3, 1, 2)


# --- where sampling is exact -----------------------------------------------------------------------------------------


def _reverses(g: Element) -> tuple[bool, bool]:
    array_axes = np.diag([1, -1])  # rows count downwards, y upwards
    columns, rows = array_axes @ matrix(g) @ array_axes
    return bool((rows < 0).any()), bool((columns < 0).any())


_REVERSES = {g: _reverses(g) for g in D4.elements}  # made once: torch.compile cannot look into numpy


def reversed_axes(group: Group) -> tuple[bool, bool]:
    """Whether some element of D4 in the group runs through the rows (Y), through the columns (X), backwards."""
    exact = [_REVERSES[g] for g in group.elements if on_lattice(g)]
    return any(rows for rows, _ in exact), any(columns for _, columns in exact)


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
    layer: nn.Module, group: Group, size: Sequence[int], window: int, stride: int, padding: int = 0
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


# --- layers of a group -----------------------------------------------------------------------------------------------


class GroupLayer(nn.Module):
    """A layer of a group. A call with arguments that it does not take names the layer and those that it does."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        if args or kwargs:  # not when it is copied or unpickled
            signature = inspect.signature(cls.__init__)
            try:
                signature.bind(None, *args, **kwargs)
            except TypeError as error:  # Python's own message would name the private class whose __init__ it is
                raise TypeError(
                    f"{cls.__name__}: {error}; it takes {', '.join(list(signature.parameters)[1:])}"
                ) from None
        return super().__new__(cls)

    def __init__(self, group: Group) -> None:
        super().__init__()
        self.group = require_group(group)


class WeightsOfGroup(GroupLayer):
    """A layer whose weights mean nothing without its group, which is therefore part of its state.

    C4 and D2 both have four elements, so the weights of one have the shapes of the other. The buffer ``elements`` holds
    4m + r for each element (m, r); states that do not match are refused by ``load_state_dict``, and states without it,
    from before it was stored, are taken for what the layer is.
    """

    elements: Tensor
    takes_any_angle = False

    def __init__(self, group: Group, device: Device = None) -> None:
        super().__init__(group)
        if not (group.is_exact or self.takes_any_angle):
            raise ValueError(
                f"{type(self).__name__} moves pixels, and {group} does not take the square lattice to itself: use one "
                f"of {', '.join(map(str, ALL_GROUPS))}, or LiftingConv2d and GroupConv2d, which turn by any angle"
            )
        self.register_buffer("elements", torch.tensor(_numbers(self.group), device=device))

    def _from_settings(self) -> dict[str, Tensor]:
        """The buffers that follow from the layer's settings, with their values."""
        return {"elements": torch.tensor(_numbers(self.group), device="cpu")}

    def _reset_buffers(self) -> None:
        """They get their values back, where the weights are: on "meta" there are none, nor after ``to_empty``."""
        home = next(self.parameters()).device
        for name, values in self._from_settings().items():
            buffer = getattr(self, name)
            if buffer.device == home:
                buffer.copy_(values)
            else:
                setattr(self, name, values.to(home, buffer.dtype))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        name, own, stored = f"{prefix}elements", _numbers(self.group), state_dict.get(f"{prefix}elements")
        if stored is None or stored.tolist() != own:
            state_dict = {**state_dict, name: torch.tensor(own, device="cpu")}
        if stored is not None and stored.tolist() != own:
            args[-1].append(  # the list of errors
                f"the weights of {prefix.removesuffix('.') or type(self).__name__} are those of "
                f"{_group_of(stored.tolist())}, but the layer is built for {self.group}: build it for the same group"
            )
        super()._load_from_state_dict(state_dict, prefix, *args)
        self._reset_buffers()


def _numbers(group: Group) -> list[Any]:
    """4m + r of each element; numerator and denominator where some r is a fraction."""
    numbers = [4 * g.m + g.r for g in group.elements]
    return numbers if group.is_exact else [list(n.as_integer_ratio()) for n in numbers]


def _group_of(numbers: list[Any]) -> str:
    known = {str(_numbers(group)): group.name for group in (*D4.subgroups, *NAMED_GROUPS)}
    return known.get(str(numbers), f"another group, with elements 4m + r = {numbers}")
