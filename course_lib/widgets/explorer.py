"""The feature-map explorer: turn the input and watch every layer, turn-then-compute beside compute-then-turn."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import traitlets
from torch import Tensor, nn

from course_lib.figures.maps import explorer_picture, find_group
from course_lib.figures.picture import Array, Picture, color_map, shared_scale
from course_lib.figures.style import SIGNED
from course_lib.groups import C1, Group
from course_lib.widgets import frames
from course_lib.widgets.base import LARGEST, WidgetWithStill, number, ring_description, script
from course_lib.widgets.frames import Frame, Turn, quantize


class FeatureMapExplorer(WidgetWithStill):
    """The widget that `feature_map_explorer` makes.

    Its position can be read and set: ``degrees``, ``mirror``; ``layer`` and ``channel``, counted among those offered.
    """

    _esm = script("explorer.js")

    data = traitlets.Dict().tag(sync=True)
    degrees = traitlets.Int().tag(sync=True)
    mirror = traitlets.Bool(False).tag(sync=True)
    layer = traitlets.Int(0).tag(sync=True)
    channel = traitlets.Int(0).tag(sync=True)

    def __init__(
        self, net: nn.Module, image: Tensor, group: Group, layers: dict[str, Group | None], channels: int, step: int
    ) -> None:
        self._net, self._image, self._group, self._layers = net, image, group, layers
        upright = self._frame(Turn(0))
        self._channels = {name: frames.most_telling(maps[0], channels) for name, maps in upright.maps.items()}
        described = self._describe(upright)
        positions = list(frames.turns(step, group.has_mirrors or group.order == 1))
        size = len(positions) * sum(2 * len(a["channels"]) * a["sheets"] * a["size"] ** 2 for a in described)
        if size > LARGEST:
            raise ValueError(
                f"{size / 1e6:.0f} MB of maps are more than a page should hold ({LARGEST / 1e6:.0f} MB): choose fewer "
                "layers=[…], fewer channels, or a larger step"
            )
        setup = {
            "group": str(group), "step": step, "mirrors": positions[-1].mirror, "layers": described,
            "imageSize": image.shape[-1],
        }  # fmt: skip
        super().__init__(setup=setup, data=self._data(positions), degrees=step if 90 % step else 90)

    def still(self) -> Picture:
        turn, name = Turn(self.degrees, self.mirror), list(self._layers)[self.layer]
        frame, offered = self._frame(turn), self._channels[name]
        channel = offered[min(self.channel, len(offered) - 1)]
        first, second = (m[channel].cpu().numpy() for m in frame.maps[name])
        return explorer_picture(
            _as_rgb(frame.image), first, second, self._group, self._layers[name], self._origins(turn, name, len(first)),
            str(turn), f"{name}, channel {channel}", frame.errors[name], frame.scores,
        )  # fmt: skip

    def _frame(self, turn: Turn) -> Frame:
        return frames.compute_frame(self._net, self._image, turn, self._group, self._layers)

    def _describe(self, frame: Frame) -> list[dict[str, Any]]:
        """The layers, and where their sheets stand: what does not change with the turn."""
        layers = []
        for name, subgroup in self._layers.items():
            _, sheets, size, _ = frame.maps[name][0].shape
            order = "sorted by difference between sheets" if sheets > 1 else "sorted by how much they vary"
            about = {"name": name, "channels": self._channels[name], "sheets": sheets, "size": size, "order": order}
            layers.append(ring_description(self._group, subgroup, sheets) | about)
        return layers

    def _origins(self, turn: Turn, name: str, sheets: int) -> list[int]:
        """For each place of the ring of a layer, the sheet that the turn carries there."""
        return [0] if sheets == 1 else self._group.permutation(turn.nearest(self._group), self._layers[name])

    def _numbers(self, turn: Turn, frame: Frame) -> dict[str, Any]:
        return turn.describe(self._group) | {
            "errors": [number(error) for error in frame.errors.values()],
            "scores": [number(score) for score in frame.scores],
            "origins": [self._origins(turn, name, maps[0].shape[1]) for name, maps in frame.maps.items()],
        }  # fmt: skip

    def _data(self, positions: list[Turn]) -> dict[str, Any]:
        """Every turn, layer and channel, one color scale for each layer and channel."""
        moved = [self._frame(turn) for turn in positions]
        # (frame, channel, order, sheet, Y, X) for each layer
        blocks = [
            np.stack([torch.stack(f.maps[name], dim=1)[channels].cpu().numpy() for f in moved])
            for name, channels in self._channels.items()
        ]
        scales = [[shared_scale([block[:, c]]) for c in range(block.shape[1])] for block in blocks]
        low, high = float(self._image.min()), float(self._image.max())
        return {
            "maps": b"".join(
                np.stack([quantize(block[:, c], s.vmin or 0, s.vmax or 1) for c, s in enumerate(own)], axis=1).tobytes()
                for block, own in zip(blocks, scales, strict=True)
            ),
            "signed": [[color_map(scale) is SIGNED for scale in own] for own in scales],
            "images": b"".join(quantize(_as_rgb(frame.image), low, high).tobytes() for frame in moved),
            "frames": [self._numbers(turn, frame) for turn, frame in zip(positions, moved, strict=True)],
        }


def feature_map_explorer(
    net: nn.Module, image: Any, group: Group | None = None, layers: Sequence[str] | None = None, channels: int = 3,
    step: int = 90,
) -> FeatureMapExplorer:  # fmt: skip
    """An interactive view of every layer: turn the image, and compare Φ(L_g x) with L_g Φ(x).

    Args:
        net: a network of this library, or any module from ``(1, C, Y, X)``; maps have 4 or 5 axes. Run in eval mode.
        image: ``(Y, X)``, ``(C, Y, X)`` or ``(1, C, Y, X)``, square.
        group: the group that acts; by default that of the net's layers, or C1 for an ordinary network.
        layers: names as in ``net.named_modules()``; by default all that put out maps, after their norm and ReLU.
        channels: how many channels of each layer to offer: those whose sheets differ most; of ordinary maps, those
            whose values vary most.
        step: degrees between two positions of the slider, a divisor of 360. Quarter turns are exact. At other angles
            L_g is not defined on the group axis: maps are interpolated, sheets permuted as under the nearest element.

    All positions are computed now, so that the widget works without a kernel; the error is `checks.relative_error` over
    all channels of the layer. Raises TypeError or ValueError for an image of another shape, a net without maps, an
    unknown layer, or more maps than a page should hold.
    """
    if not isinstance(net, nn.Module):
        raise TypeError(f"net must be a torch.nn.Module, whose layers can be watched, got {type(net).__name__}")
    if step < 1 or 360 % step:
        raise ValueError(f"step must divide 360, got {step}; use 90 for the group's own turns, or 15")
    if channels < 1:
        raise ValueError(f"channels must be at least 1, got {channels}")
    batch = _as_batch(image, net)
    group = group or find_group(net) or C1
    known = frames.map_layers(net, batch, group)
    if unknown := [name for name in layers or [] if name not in known]:
        raise ValueError(f"no layer {unknown} puts out maps; choose from {list(known)}")
    chosen = {name: known[name] for name in layers} if layers else frames.shown_by_default(net, known)
    return FeatureMapExplorer(net, batch, group, chosen, channels, step)


def _as_batch(image: Any, net: nn.Module) -> Tensor:
    """The image as ``(1, C, Y, X)``, of the type and on the device of the net."""
    batch = torch.as_tensor(image).to(next(net.parameters(), torch.empty(0)))
    shape = tuple(batch.shape)
    while batch.ndim < 4:
        batch = batch.unsqueeze(0)
    if len(shape) < 2 or batch.ndim != 4 or len(batch) != 1 or batch.shape[-1] != batch.shape[-2]:
        raise ValueError(f"image must be one square image (Y, X), (C, Y, X) or (1, C, Y, X), got shape {shape}")
    return batch


def _as_rgb(image: Tensor) -> Array:
    """(Y, X, 3): a color image as it is, else the first channel in gray."""
    rgb = image if len(image) == 3 else image[:1].expand(3, -1, -1)
    return rgb.permute(1, 2, 0).cpu().numpy()
