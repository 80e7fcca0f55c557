"""What the explorer shows, as numbers: for each turn of the input the maps of both orders, their error, the prediction.

No widget here, so that it can be tested, and computed in advance or one frame at a time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from course_lib.actions import rotate_by_angle
from course_lib.checks import OUTPUT, layer_outputs, relative_error
from course_lib.groups import Element, Group

# Layers that work pixel by pixel, so that a map before and after them tells nearly the same.
POINTWISE = (
    *(nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid, nn.Identity),
    *(nn.modules.batchnorm._NormBase, nn.modules.dropout._DropoutNd),
)


@dataclass(frozen=True)
class Turn:
    """How the input is moved: turned counter-clockwise by an angle, then mirrored (x → −x) or not."""

    degrees: int
    mirror: bool = False

    def nearest(self, group: Group) -> Element:
        """The group element that comes closest to this turn, mirrored or not as it is."""
        candidates = [h for h in group.elements if h.m == self.mirror] or list(group.elements)
        return min(candidates, key=lambda h: abs((90 * h.r - self.degrees + 180) % 360 - 180))

    def is_element(self, group: Group) -> bool:
        h = self.nearest(group)
        return h.m == self.mirror and (90 * h.r - self.degrees) % 360 == 0

    @property
    def element(self) -> Element:
        """Of D4, for a quarter turn."""
        return Element(int(self.mirror), self.degrees // 90 % 4)

    def __str__(self) -> str:
        return str(self.element) if self.degrees % 90 == 0 else f"{'m · ' if self.mirror else ''}{self.degrees}°"

    def describe(self, group: Group) -> dict[str, Any]:
        """For the browser."""
        about = {"degrees": self.degrees, "mirror": self.mirror, "name": str(self)}
        return about | {"element": self.is_element(group), "nearest": str(self.nearest(group))}

    def carry(self, pixel: tuple[int, int], size: int) -> tuple[int, int]:
        """Where a quarter turn takes a pixel (row, column) of a size × size image."""
        row, column = pixel
        for _ in range(self.degrees // 90):
            row, column = size - 1 - column, row
        return row, size - 1 - column if self.mirror else column

    def act_on_plane(self, f: Tensor) -> Tensor:
        """Move the pixels of ``(..., Y, X)``: exact for quarter turns, interpolated in between."""
        turned = rotate_by_angle(self.degrees % 360, f.flatten(1, -3)).unflatten(1, f.shape[1:-2])
        return turned.flip(-1) if self.mirror else turned

    def act(self, f: Tensor, group: Group, subgroup: Group | None = None) -> Tensor:
        """L_g on what a layer puts out; where the turn is no element of the group, sheets move as under the nearest."""
        if f.ndim < 4:
            return f
        if f.ndim == 5 and f.shape[2] > 1:
            f = f[:, :, group.permutation(self.nearest(group), subgroup)]
        return self.act_on_plane(f)


@dataclass(frozen=True)
class Frame:
    """Both orders at one turn: for each layer Φ(L_g x) and L_g Φ(x), each ``(C, sheets, Y, X)``, and the error."""

    image: Tensor
    maps: dict[str, tuple[Tensor, Tensor]]
    errors: dict[str, float]
    scores: list[float]


def map_layers(net: nn.Module, image: Tensor, group: Group) -> dict[str, Group | None]:
    """The layers that put out maps on the plane or on the group, in order, each with the subgroup of its cosets.

    A layer that holds others stands for nothing of its own, and the net itself only where nothing in it puts out maps.
    """
    modules = dict(net.named_modules())
    found: dict[str, Group | None] = {}
    for name, (y, subgroup) in layer_outputs(net, image).items():
        sheets = {1, group.order, group.order // subgroup.order if subgroup else 1}
        is_map = (y.ndim == 4 or (y.ndim == 5 and y.shape[2] in sheets)) and y.shape[-1] == y.shape[-2]
        is_leaf = not found if name == OUTPUT else not list(modules[_module(name)].children())
        if is_map and is_leaf:
            found[name] = subgroup
    if not found:
        raise ValueError(
            f"no layer of {type(net).__name__} puts out square maps (B, C, Y, X) or (B, C, {group.order}, Y, X)"
        )
    return found


def shown_by_default(net: nn.Module, layers: dict[str, Group | None]) -> dict[str, Group | None]:
    """Of several layers in a row that work pixel by pixel, the last: maps are shown normalized and rectified."""
    modules = dict(net.named_modules())
    following = [*list(layers)[1:], OUTPUT]
    pointwise = [isinstance(modules.get(_module(name)), POINTWISE) for name in following]
    return {name: layers[name] for name, next_is in zip(layers, pointwise, strict=True) if not next_is}


def _module(name: str) -> str:
    """A module used twice has a second name, with #2."""
    return name.split("#")[0]


def compute_frame(net: nn.Module, image: Tensor, turn: Turn, group: Group, layers: dict[str, Group | None]) -> Frame:
    """Run the net on x and on L_g x, and compare. ``image``: ``(1, C, Y, X)``."""
    turned_image = turn.act_on_plane(image)
    upright, turned = layer_outputs(net, image), layer_outputs(net, turned_image)
    maps, errors = {}, {}
    for name, subgroup in layers.items():
        first, second = turned[name][0], turn.act(upright[name][0], group, subgroup)
        maps[name] = (_with_sheets(first), _with_sheets(second))
        errors[name] = relative_error(first, second)
    output = turned[OUTPUT][0]
    is_scores = output.ndim == 2 and output.shape[1] > 1
    scores = torch.softmax(output[0].double(), dim=0).tolist() if is_scores else []
    return Frame(turned_image[0], maps, errors, scores)


def liveliest(maps: Tensor, count: int) -> list[int]:
    """The channels of ``(C, sheets, Y, X)`` whose values vary most, in that order: after a ReLU many are empty."""
    spread = maps.flatten(1).double().std(dim=1, correction=0)
    return spread.argsort(descending=True, stable=True)[:count].tolist()


def most_telling(maps: Tensor, count: int) -> list[int]:
    """The channels of ``(C, sheets, Y, X)`` whose sheets differ most, in that order; the liveliest of single sheets."""
    if maps.shape[1] == 1:
        return liveliest(maps, count)
    spread = maps.double().std(dim=1, correction=0).mean(dim=(1, 2))
    return spread.argsort(descending=True, stable=True)[:count].tolist()


def turns(step: int, mirrors: bool) -> Iterator[Turn]:
    """All positions of the slider, then all of them mirrored."""
    for mirror in (False, True) if mirrors else (False,):
        yield from (Turn(degrees, mirror) for degrees in range(0, 360, step))


def quantize(values: np.ndarray[Any, Any], low: float, high: float) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Values from low to high as bytes 0 to 255."""
    scaled = (values - low) / (high - low if high > low else 1.0)
    return np.rint(np.clip(np.nan_to_num(scaled), 0, 1) * 255).astype(np.uint8)


def _with_sheets(y: Tensor) -> Tensor:
    """The first image's maps as ``(C, sheets, Y, X)``."""
    return y[0].unsqueeze(1) if y.ndim == 4 else y[0]
