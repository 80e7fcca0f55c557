"""The turning ring: drag a picture, and see the sheets of its feature map turn and travel. Notebook 00."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import traitlets
from torch import Tensor, nn

from course_lib.actions import act_on_image, rotate_by_angle
from course_lib.checks import layer_outputs, relative_error
from course_lib.figures.maps import act_on_ring, find_group
from course_lib.figures.picture import Picture
from course_lib.figures.style import INK
from course_lib.groups import C1, C4, Element
from course_lib.widgets.base import WidgetWithStill, number, ring_description, script
from course_lib.widgets.frames import liveliest, quantize

STEP = 15  # degrees between two answers
TURNS = C4.elements


@dataclass(frozen=True)
class Watched:
    """One network of the ring: its maps (4 positions of the picture, 4 sheets, Y, X), answers, and error by position.

    ``travels``: the sheets are those of one channel of a map on C4; else four channels of an ordinary map.
    """

    maps: Tensor
    scores: list[list[float]]
    errors: list[float]
    travels: bool


def watch(net: nn.Module, image: Tensor, layer: str) -> Watched:
    """What the layer puts out for ``image`` (1, C, Y, X) and its three quarter turns, and what the net answers."""
    outputs = [layer_outputs(net, act_on_image(g, image))[layer][0][0] for g in TURNS]
    if outputs[0].ndim not in (3, 4):
        raise ValueError(f"{layer!r} puts out {tuple(outputs[0].shape)} for an image; choose a layer that makes maps")
    travels = find_group(net) == C4
    if outputs[0].min() < 0:
        raise ValueError(f"the maps of {layer!r} have negative values; choose a layer after its ReLU, such as relu1")
    if travels:  # the channel whose sheets differ most
        spread = outputs[0].std(dim=1, correction=0).mean(dim=(1, 2))
        maps = torch.stack([y[int(spread.argmax())] for y in outputs])
    else:
        flat = [y.flatten(0, -3) for y in outputs]
        chosen = liveliest(flat[0].unsqueeze(1), 4)
        maps = torch.stack([y[chosen] for y in flat])
    moved = [_moved(maps[0], g, travels) for g in TURNS]
    errors = [relative_error(seen, expected) for seen, expected in zip(maps, moved, strict=True)]
    with torch.no_grad():
        turned = torch.cat([rotate_by_angle(degrees, image) for degrees in range(0, 360, STEP)])
        scores = net(turned).softmax(dim=1)
    if scores.isnan().any():
        raise ValueError("the network's answers are no numbers: its weights, or the image, hold nan or infinite values")
    return Watched(maps, scores.tolist(), errors, travels)


def _moved(sheets: Tensor, g: Element, travels: bool) -> Tensor:
    return act_on_image(g, sheets[C4.permutation(g)] if travels else sheets)


class TurningRing(WidgetWithStill):
    """The widget that `turning_ring` makes; ``degrees`` and ``network`` (a number) can be read and set."""

    _esm = script("ring.js")

    setup = traitlets.Dict().tag(sync=True)
    networks: traitlets.List[Any] = traitlets.List().tag(sync=True)
    picture = traitlets.Bytes().tag(sync=True)
    colors = traitlets.Bytes().tag(sync=True)
    degrees = traitlets.Int(90).tag(sync=True)
    network = traitlets.Int(0).tag(sync=True)

    def __init__(self, watched: Mapping[str, Watched], image: Tensor, classes: list[str]) -> None:
        self._watched = dict(watched)
        super().__init__()
        self.colors = quantize(INK(np.arange(256) / 255)[:, :3], 0, 1).tobytes()
        self.picture = quantize(image[0, 0].cpu().numpy(), 0, float(image.max())).tobytes()
        self.setup = {
            "imageSize": image.shape[-1], "classes": classes, "layer": ring_description(C4, None, C4.order),
        }  # fmt: skip
        self.networks = [_as_json(name, network) for name, network in watched.items()]

    @traitlets.validate("network")
    def _one_of_them(self, proposal: Any) -> int:
        if not 0 <= proposal["value"] < len(self._watched):
            raise traitlets.TraitError(
                f"network must be a number from 0 to {len(self._watched) - 1}, got {proposal['value']}"
            )
        return int(proposal["value"])

    @traitlets.validate("degrees")
    def _within_a_turn(self, proposal: Any) -> int:
        if not 0 <= proposal["value"] <= 360:
            raise traitlets.TraitError(f"degrees must be from 0 to 360, got {proposal['value']}")
        return int(proposal["value"])

    def still(self) -> Picture:
        """The first network's sheets before and after a quarter turn."""
        name, first = next(iter(self._watched.items()))
        picture = act_on_ring(first.maps[0], Element(0, 1), C4)
        return Picture(picture.image, f"{name}. {picture.alt} In JupyterLab the picture can be dragged, and they move.")


def _as_json(name: str, network: Watched) -> dict[str, Any]:
    maps = network.maps.cpu().numpy()
    return {
        "name": name, "sheets": maps.shape[1], "size": maps.shape[-1], "travels": network.travels,
        "maps": quantize(maps, 0, float(maps.max())).tobytes(), "scores": network.scores,
        "errors": [number(error) for error in network.errors],
    }  # fmt: skip


def turning_ring(nets: Mapping[str, nn.Module], image: Tensor, layer: str = "relu1") -> TurningRing:
    """Drag the picture, and watch the four sheets of a layer turn and travel, in both orders; or a net that cannot.

    Args:
        nets: name → a network on C4 or an ordinary one, from ``(B, C, Y, X)`` to ``(B, classes)``. The first is shown
            first, and as a still picture where no widget can run.
        image: ``(1, C, Y, X)``, square; its first channel is shown.
        layer: whose maps to show, none of them negative, as in ``net.named_modules()``.

    Between quarter turns only the drawing moves: sheets glide to where the maps of the next quarter turn are. Raises
    ValueError for an image of another shape, a layer that is not there, makes no maps or puts out negative values,
    answers that are no numbers, another group; TypeError for ``nets`` that are no dict.
    """
    if not isinstance(nets, Mapping):
        raise TypeError(f"nets must be a dict from names to networks, got {type(nets).__name__}")
    if not nets:
        raise ValueError("turning_ring needs at least one network: turning_ring({'p4 network': net}, image)")
    if image.ndim != 4 or len(image) != 1 or image.shape[-1] != image.shape[-2]:
        raise ValueError(f"image must be one square image (1, C, Y, X), got shape {tuple(image.shape)}")
    for name, net in nets.items():
        if layer not in dict(net.named_modules()):
            raise ValueError(f"{name} has no layer {layer!r}; choose from {[n for n, _ in net.named_modules() if n]}")
        if (group := find_group(net)) not in (None, C1, C4):
            raise ValueError(
                f"{name} is a network on {group}; the ring shows the four sheets of C4, or an ordinary one"
            )
    watched = {name: watch(net, image, layer) for name, net in nets.items()}
    classes = len(next(iter(watched.values())).scores[0])
    return TurningRing(watched, image, [str(i) for i in range(classes)])
