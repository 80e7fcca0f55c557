"""The diagram of each layer: what goes in, what happens, with which weights, and what comes out.

Every shape is read off the layer itself, which is run once on random values.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from course_lib import layers as L
from course_lib.figures.diagram import Map, Node, Op, draw
from course_lib.figures.picture import Picture

Parts = tuple[dict[str, Node], list[tuple[str, str]]]


def layer_diagram(layer: Any, height: int = 28, width: int = 28) -> Picture:
    """The diagram of a layer, for maps of height × width pixels.

    Raises TypeError for a layer that has none, and what the layer raises for a size that it refuses.

        >>> from course_lib.groups import C4
        >>> from course_lib.layers import GroupConv2d
        >>> layer_diagram(GroupConv2d(C4, 8, 16, 3, padding=1)).alt.split(" → ")[0]
        'GroupConv2d on C4. f (B, 8, 4, 28, 28)'
    """
    if type(layer) not in _DIAGRAMS:
        known = ", ".join(known.__name__ for known in _DIAGRAMS)
        raise TypeError(f"there is no diagram of {type(layer).__name__}; there is one of {known}")
    sheets = () if isinstance(layer, L.LiftingConv2d) else (layer.group.order,)
    x = torch.randn(1, layer.in_channels, *sheets, height, width)
    with torch.no_grad():
        nodes, arrows = _DIAGRAMS[type(layer)](layer, x, layer(x))
    return draw(f"{type(layer).__name__} on {layer.group}", layer.group, nodes, arrows)


def _weights(module: nn.Module, **names: str) -> dict[str, tuple[int, ...]]:
    """Name in the diagram → shape, of the parameters with these names."""
    parameters = dict(module.named_parameters())
    return {shown: tuple(parameters[name].shape) for shown, name in names.items()}


def _row(*names: str) -> list[tuple[str, str]]:
    return list(pairwise(names))


def _convolution(name: str, words: list[str]) -> Callable[[Any, Tensor, Tensor], Parts]:
    def parts(layer: Any, x: Tensor, out: Tensor) -> Parts:
        return {
            "f": Map(name, x.shape, 0, is_image=x.ndim == 4),
            "op": Op(words, 1, weights=_weights(layer, ψ="weight"), turned="plane" if x.ndim == 4 else "group"),
            "out": Map("f ★ ψ", out.shape, 2),
        }, _row("f", "op", "out")

    return parts


def _separable(mix: str, correlate: str) -> Callable[[Any, Tensor, Tensor], Parts]:
    def parts(layer: Any, x: Tensor, out: Tensor) -> Parts:
        return {
            "f": Map("f", x.shape, 0),
            "mix": Op([mix, "w permuted by every h"], 1, weights=_weights(layer, w="pointwise")),
            "space": Op([correlate, "K turned by every h"], 2, weights=_weights(layer, K="kernel"), turned="plane"),
            "out": Map("f ★ ψ", out.shape, 3),
        }, _row("f", "mix", "space", "out")

    return parts


def _self_attention(layer: L.GroupSelfAttention2d, x: Tensor, out: Tensor) -> Parts:
    parts, k = {"Q": layer.query, "K": layer.key, "V": layer.value}, layer.kernel_size
    nodes: dict[str, Node] = {"f": Map("f", x.shape, 0, 1)}
    for lane, (name, embedding) in enumerate(parts.items()):
        nodes[name] = Op([f"{name} = h_{name} f"], 1, lane, {f"h_{name}": tuple(embedding.weight.shape[:2])})
    words = [f"softmax of Q·(K + P)/√d, {layer.heads} heads,", f"{k} × {k} pixels, all sheets;", "P turned, permuted"]
    nodes["scores"] = Op(words, 2, 0.5, _weights(layer, P="positions"), turned="group")
    nodes["sum"] = Op(["weighted sum of V"], 2, 2)
    nodes["out"] = Map("f′", out.shape, 3, 2)
    arrows = [("f", name) for name in parts] + [("Q", "scores"), ("K", "scores"), ("scores", "sum"), ("V", "sum")]
    return nodes, [*arrows, ("sum", "out")]


def _e4(layer: L.E4Layer, x: Tensor, out: Tensor) -> Parts:
    see = "mixes all sheets" if layer.concat in ("K", "both") else "mixes channels"
    k, writer = layer.kernel_size, ["W_2, turned by every h,", f"writes kernels (s = {layer.slices})"]
    nodes: dict[str, Node] = {
        "f": Map("f", x.shape, 0, 0.5),
        "generator": Op([f"W_1 {see},", "norm, ReLU"], 1, 0, _weights(layer, W_1="squeeze.weight")),
        "write": Op(writer, 2, 0, _weights(layer, W_2="kernel_weight"), turned="plane"),
        "kernels": Map("kernels K, one at every g", layer.kernels(x).shape, 3, 0),
        "encoder": Op(["the encoder W_3"], 1, 1, _weights(layer, W_3="encoder.weight")),
        "V": Map("V", layer.encoder(x).shape, 2, 1),
        "sum": Op(["kernel K times V, summed", f"over {k} × {k} neighbors"], 3, 1.1),
        "out": Map("f′", out.shape, 4, 1.1),
    }
    upper = _row("f", "generator", "write", "kernels", "sum", "out")
    return nodes, [*upper, *_row("f", "encoder", "V", "sum")]


def _affine(layer: L.AffineSelfConv2d, x: Tensor, out: Tensor) -> Parts:
    nodes: dict[str, Node] = {"f": Map("f", x.shape, 0, 1)}
    arrows, k = [], layer.kernel_size
    for lane, (name, part) in enumerate({"Q": "query", "K": "key", "V": "value"}.items()):
        nodes[name] = Op([f"{name} = W^{name} f"], 1, lane, _weights(layer, **{f"W^{name}": f"{part}.weight"}))
        affine = _weights(layer, ψ=f"{part}_affine.psi", β=f"{part}_affine.beta")
        is_point = affine["β"][-1] == 1  # a single pixel, in which there is nothing to turn
        how = "sheets of ψ permuted" if is_point else "ψ turned, permuted; β turned"
        words = [f"A^{name}: Σ ψ {name} + β, over sheets,", how]
        nodes[f"A{name}"] = Op(words, 2, lane, affine, turned="" if is_point else "group")
        arrows += _row("f", name, f"A{name}")
    nodes["scores"] = Op(["softmax of A^Q·A^K / d, in", f"{layer.heads} heads, over {k} × {k} pixels"], 3, 0.5)
    nodes["sum"] = Op(["weighted sum of A^V,", "then W^O"], 3, 2, _weights(layer, **{"W^O": "output.weight"}))
    nodes["out"] = Map("f′", out.shape, 4, 2)
    arrows += [("AQ", "scores"), ("AK", "scores"), ("scores", "sum"), ("AV", "sum"), ("sum", "out")]
    return nodes, arrows


_DIAGRAMS: dict[type, Callable[[Any, Tensor, Tensor], Parts]] = {
    L.LiftingConv2d: _convolution("image f", ["correlate with ψ,", "turned by every h"]),
    L.GroupConv2d: _convolution("f", ["correlate with ψ, turned", "by h, sheets permuted"]),
    L.GSeparableConv2d: _separable("mix the sheets,", "correlate, sum channels;"),
    L.GCSeparableConv2d: _separable("mix channels and sheets,", "correlate each channel;"),
    L.GroupSelfAttention2d: _self_attention,
    L.E4Layer: _e4,
    L.AffineSelfConv2d: _affine,
}
