"""The feature-map explorer: turn the input and watch every layer, turn-then-compute beside compute-then-turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import traitlets
from torch import Tensor, nn

from course_lib.figures.explorer import explorer_picture
from course_lib.figures.maps import find_group
from course_lib.figures.picture import Picture, color_map, shared_scale
from course_lib.figures.style import INK, SIGNED
from course_lib.groups import C1, Group
from course_lib.widgets.base import LARGEST, WidgetWithStill, number, ring_description, script
from course_lib.widgets.frames import (
    Frame,
    Turn,
    compute_frame,
    map_layers,
    most_telling,
    quantize,
    shown_by_default,
    turns,
)


class FeatureMapExplorer(WidgetWithStill):
    """The widget that `feature_map_explorer` makes.

    Its position can be read and set: ``degrees``, ``mirror``; ``layer`` and ``channel``, counted among those offered.
    """

    _esm = script("explorer.js")

    setup = traitlets.Dict().tag(sync=True)
    data = traitlets.Dict().tag(sync=True)
    colors = traitlets.Bytes().tag(sync=True)
    degrees = traitlets.Int().tag(sync=True)
    mirror = traitlets.Bool(False).tag(sync=True)
    layer = traitlets.Int(0).tag(sync=True)
    channel = traitlets.Int(0).tag(sync=True)

    def __init__(
        self, net: nn.Module, image: Tensor, group: Group, layers: dict[str, Group | None], channels: int, step: int,
        class_names: Sequence[str] | None, live: bool,
    ) -> None:  # fmt: skip
        self._net, self._image, self._group, self._layers = net, image, group, layers
        self._class_names, self._step, self._live = class_names, step, live
        upright = compute_frame(net, image, Turn(0), group, layers)
        self._channels = {name: most_telling(maps[0], channels) for name, maps in upright.maps.items()}
        self._mirrors = group.has_mirrors or group.order == 1
        super().__init__(degrees=step if 90 % step else 90, colors=_palettes())
        self.refresh()
        if live:
            self.observe(self._show, ["degrees", "mirror", "layer", "channel"])

    def refresh(self) -> None:
        """Compute again what is shown: call it when the net has changed."""
        self.setup = self._describe(self._frame(Turn(0)))
        self._show()

    def _show(self, _change: Any = None) -> None:
        self.data = self._live_data() if self._live else self._all_data()

    def still(self) -> Picture:
        turn, name = Turn(self.degrees, self.mirror), list(self._layers)[self.layer]
        frame = self._frame(turn)
        channel = self._chosen_channel()
        first, second = (m[channel].cpu().numpy() for m in frame.maps[name])
        return explorer_picture(
            _as_rgb(frame.image), first, second, self._group, self._layers[name], str(turn),
            f"{name}, channel {channel}", frame.errors[name], self._scores(frame),
        )  # fmt: skip

    def _frame(self, turn: Turn) -> Frame:
        return compute_frame(self._net, self._image, turn, self._group, self._layers)

    def _chosen_channel(self) -> int:
        """The chosen one of the offered channels, or the last one of a layer that offers fewer."""
        offered = self._channels[list(self._layers)[self.layer]]
        return offered[min(self.channel, len(offered) - 1)]

    def _scores(self, frame: Frame) -> dict[str, float]:
        names = [str(i) for i in range(len(frame.scores))] if self._class_names is None else self._class_names
        if names and frame.scores and len(names) != len(frame.scores):
            raise ValueError(f"{len(names)} class_names for a net with {len(frame.scores)} classes: {list(names)}")
        return dict(zip(names, frame.scores, strict=False))

    def _describe(self, frame: Frame) -> dict[str, Any]:
        """What does not change with the turn: the group, the layers and where their sheets stand."""
        layers = []
        for name, subgroup in self._layers.items():
            _, sheets, size, _ = frame.maps[name][0].shape
            layers.append(ring_description(self._group, subgroup, sheets) | {
                "name": name, "channels": self._channels[name], "sheets": sheets, "size": size,
                "order": "sorted by difference between sheets" if sheets > 1 else "sorted by how much they vary",
            })  # fmt: skip
        return {
            "group": str(self._group), "step": self._step, "mirrors": self._mirrors, "live": self._live,
            "layers": layers, "classes": list(self._scores(frame)), "imageSize": frame.image.shape[-1],
        }  # fmt: skip

    def _numbers(self, turn: Turn, frame: Frame) -> dict[str, Any]:
        return {
            "degrees": turn.degrees, "mirror": turn.mirror, "name": str(turn), "element": turn.is_element(self._group),
            "nearest": str(turn.nearest(self._group)), "errors": [number(error) for error in frame.errors.values()],
            "scores": [number(score) for score in self._scores(frame).values()],
            "origins": [self._origins(turn, *layer) for layer in self._layers.items()],
        }  # fmt: skip

    def _origins(self, turn: Turn, name: str, subgroup: Group | None) -> list[int]:
        """For each place of a layer's ring the sheet that the turn carries there."""
        if next(layer["sheets"] for layer in self.setup["layers"] if layer["name"] == name) == 1:
            return [0]
        return list(self._group.permutation(turn.nearest(self._group), subgroup))

    def _all_data(self) -> dict[str, Any]:
        """Every turn, layer and channel, one color scale for each layer and channel."""
        positions = list(turns(self._step, self._mirrors))
        size = len(positions) * sum(2 * len(a["channels"]) * a["sheets"] * a["size"] ** 2 for a in self.setup["layers"])
        if size > LARGEST:
            raise ValueError(
                f"{size / 1e6:.0f} MB of maps are more than a page should hold ({LARGEST / 1e6:.0f} MB): choose fewer "
                "layers=[…], fewer channels, a larger step, or live=True"
            )
        frames = [self._frame(turn) for turn in positions]
        # (frame, channel, order, sheet, Y, X) for each layer
        blocks = [
            np.stack([torch.stack(f.maps[name], dim=1)[channels].cpu().numpy() for f in frames])
            for name, channels in self._channels.items()
        ]
        return {
            "maps": b"".join(_quantize_block(block) for block in blocks),
            "signed": [_signed(block) for block in blocks],
            "images": b"".join(_image_bytes(frame.image, self._image) for frame in frames),
            "frames": [self._numbers(turn, frame) for turn, frame in zip(positions, frames, strict=True)],
        }

    def _live_data(self) -> dict[str, Any]:
        """The present turn of the chosen layer and channel."""
        turn = Turn(self.degrees, self.mirror)
        frame = self._frame(turn)
        name = list(self._layers)[self.layer]
        block = torch.stack(frame.maps[name], dim=1)[[self._chosen_channel()]].cpu().numpy()[None]
        return {
            "maps": _quantize_block(block), "signed": [_signed(block)],
            "images": _image_bytes(frame.image, self._image),
            "frames": [self._numbers(turn, frame)], "layer": self.layer, "channel": self.channel,
        }  # fmt: skip


def feature_map_explorer(
    net: nn.Module, image: Any, group: Group | None = None, layers: Sequence[str] | None = None, channels: int = 3,
    step: int = 90, class_names: Sequence[str] | None = None, live: bool = False,
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
        class_names: for the bars, if the net puts out ``(1, classes)``; an empty list leaves them out.
        live: compute each position when it is asked for, for a net that keeps changing; needs a kernel. Otherwise all
            positions are computed now and the widget works without one.

    The error is `checks.relative_error` over all channels of the layer. Raises TypeError or ValueError for an image of
    another shape, a net without maps, an unknown layer, or more maps than a page should hold.
    """
    if not isinstance(net, nn.Module):
        raise TypeError(f"net must be a torch.nn.Module, whose layers can be watched, got {type(net).__name__}")
    if step < 1 or 360 % step:
        raise ValueError(f"step must divide 360, got {step}; use 90 for the group's own turns, or 15")
    if channels < 1:
        raise ValueError(f"channels must be at least 1, got {channels}")
    batch = _as_batch(image, net)
    group = group or find_group(net) or C1
    known = map_layers(net, batch, group)
    if unknown := [name for name in layers or [] if name not in known]:
        raise ValueError(f"no layer {unknown} puts out maps; choose from {list(known)}")
    chosen = {name: known[name] for name in layers} if layers else shown_by_default(net, known)
    return FeatureMapExplorer(net, batch, group, chosen, channels, step, class_names, live)


def _as_batch(image: Any, net: nn.Module) -> Tensor:
    """The image as ``(1, C, Y, X)``, of the type and on the device of the net."""
    like = next(net.parameters(), torch.empty(0))
    batch = torch.as_tensor(image).to(like)
    shape = tuple(batch.shape)
    while batch.ndim < 4:
        batch = batch.unsqueeze(0)
    if len(shape) < 2 or batch.ndim != 4 or len(batch) != 1 or batch.shape[-1] != batch.shape[-2]:
        raise ValueError(f"image must be one square image (Y, X), (C, Y, X) or (1, C, Y, X), got shape {shape}")
    return batch


def _quantize_block(block: np.ndarray[Any, Any]) -> bytes:
    """(frame, channel, order, sheet, Y, X) as bytes, each channel on a scale of its own."""
    scales = [shared_scale([block[:, c]]) for c in range(block.shape[1])]
    channels = [quantize(block[:, c], float(s.vmin or 0), float(s.vmax or 1)) for c, s in enumerate(scales)]
    return np.stack(channels, axis=1).tobytes()


def _signed(block: np.ndarray[Any, Any]) -> list[bool]:
    """For each channel whether its scale reaches below zero."""
    return [color_map(shared_scale([block[:, c]])) is SIGNED for c in range(block.shape[1])]


def _image_bytes(image: Tensor, reference: Tensor) -> bytes:
    low, high = float(reference.min()), float(reference.max())
    return quantize(_as_rgb(image), low, high).tobytes()


def _as_rgb(image: Tensor) -> np.ndarray[Any, Any]:
    """(Y, X, 3): a color image as it is, else the first channel in gray."""
    rgb = image if len(image) == 3 else image[:1].expand(3, -1, -1)
    return rgb.permute(1, 2, 0).cpu().numpy()


def _palettes() -> bytes:
    """256 colors for maps without a sign, then 256 for maps with one."""
    shades = np.linspace(0, 1, 256)
    return b"".join(quantize(palette(shades)[:, :3], 0, 1).tobytes() for palette in (INK, SIGNED))
