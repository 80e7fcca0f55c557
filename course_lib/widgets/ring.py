"""The turning ring: drag a picture, and see the sheets of its feature map turn and travel. Notebook 00."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import traitlets
from torch import Tensor, nn

from course_lib.actions import act_on_image, rotate_by_angle
from course_lib.checks import layer_outputs, relative_error
from course_lib.figures.maps import act_on_ring, find_group
from course_lib.figures.picture import Picture
from course_lib.groups import C1, C4, Element
from course_lib.widgets.base import WidgetWithStill, number, require_square, ring_description, script
from course_lib.widgets.frames import liveliest, most_telling, quantize

STEP = 15  # degrees between two answers
LAYER = "relu1"  # whose maps are shown
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


def watch(net: nn.Module, image: Tensor) -> Watched:
    """What the layer puts out for ``image`` (1, C, Y, X) and its three quarter turns, and what the net answers."""
    outputs = [layer_outputs(net, act_on_image(g, image))[LAYER][0][0] for g in TURNS]
    travels = find_group(net) == C4
    if travels:
        channel = most_telling(outputs[0], 1)[0]
        maps = torch.stack([y[channel] for y in outputs])
    else:
        flat = [y.flatten(0, -3) for y in outputs]
        chosen = liveliest(flat[0].unsqueeze(1), 4)
        maps = torch.stack([y[chosen] for y in flat])
    moved = [act_on_image(g, maps[0][C4.permutation(g)] if travels else maps[0]) for g in TURNS]
    errors = [relative_error(seen, expected) for seen, expected in zip(maps, moved, strict=True)]
    with torch.no_grad():
        scores = net(torch.cat([rotate_by_angle(degrees, image) for degrees in range(0, 360, STEP)])).softmax(dim=1)
    if scores.isnan().any():
        raise ValueError("the network's answers are no numbers: its weights, or the image, hold nan or infinite values")
    return Watched(maps, scores.tolist(), errors, travels)


class TurningRing(WidgetWithStill):
    """The widget that `turning_ring` makes; ``degrees`` and ``network`` (a number) can be read and set."""

    _esm = script("ring.js")

    networks: traitlets.List[Any] = traitlets.List().tag(sync=True)
    picture = traitlets.Bytes().tag(sync=True)
    degrees = traitlets.Int(90, min=0, max=360).tag(sync=True)
    network = traitlets.Int(0, min=0).tag(sync=True)

    def __init__(self, watched: Mapping[str, Watched], image: Tensor) -> None:
        self._watched = watched
        picture = quantize(image[0, 0].cpu().numpy(), 0, float(image.max())).tobytes()
        setup = {"imageSize": image.shape[-1], "layer": ring_description(C4, None, C4.order)}
        networks = [_as_json(name, network) for name, network in watched.items()]
        super().__init__(setup=setup, picture=picture, networks=networks)

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


def turning_ring(nets: Mapping[str, nn.Module], image: Tensor) -> TurningRing:
    """Drag the picture, and watch the four sheets of a layer turn and travel, in both orders; or a net that cannot.

    Args:
        nets: name → a network on C4 or an ordinary one, from ``(B, C, Y, X)`` to ``(B, classes)``, whose first ReLU is
            called relu1. The first is shown first, and as a still picture where no widget can run.
        image: ``(1, C, Y, X)``, square; its first channel is shown.

    Between quarter turns only the drawing moves: sheets glide to where the maps of the next quarter turn are. Raises
    ValueError for an image of another shape, a net without relu1, answers that are no numbers, another group.
    """
    require_square(image)
    for name, net in nets.items():
        if LAYER not in dict(net.named_modules()):
            raise ValueError(f"{name} has no layer {LAYER!r}; the ring shows the maps behind the first ReLU")
        if (group := find_group(net)) not in (None, C1, C4):
            raise ValueError(f"{name} is a network on {group}; the ring shows those on C4, and ordinary ones")
    return TurningRing({name: watch(net, image) for name, net in nets.items()}, image)
