"""A group-equivariant CNN as the ordinary CNN that it is: filter banks written out, nothing left of the group."""

import copy
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn

from course_lib import layers as L
from course_lib.models.allcnn import ImageDropout
from course_lib.models.attentive import Gate
from course_lib.models.blocks import Residual
from course_lib.models.p4cnn import FlattenPixel


def as_ordinary_cnn(net: nn.Module) -> nn.Module:
    """What ``net`` computes in eval mode, equal to rounding, as a network of torch.nn modules only.

    A p4 network *is* an ordinary CNN whose C·|H| channels share their weights. Here these are written out: a group
    convolution becomes an nn.Conv2d whose weight is the filter bank of notebook 04, a norm an nn.BatchNorm2d that holds
    each number once for every sheet. What torch.nn has no module for, such as the sum in a residual block, becomes a
    `torch.fx.GraphModule`. Layers of torch.nn on images and vectors stay as they are. The result shares no memory with
    ``net`` and needs nothing of this library: it is ready for ONNX, TorchScript, quantization and other tools. It is in
    eval mode, and should stay there: in training the copies of a weight would drift apart.

    Shapes: a feature map ``(B, C, |H|, Y, X)`` becomes an image ``(B, C·|H|, Y, X)``, ``f.flatten(1, 2)``; images and
    vectors stay what they are. Where ``net`` refuses a size because it would not be exact, the result does not.
    Raises TypeError for a network with dynamic layers, such as `E4Layer` and attention, which have no fixed filters to
    write out, and names them all; and for a layer that it does not know, or not on feature maps. Notebook 04.

        >>> as_ordinary_cnn(GroupConv2d(C4, 8, 16, kernel_size=3))
        Conv2d(32, 64, kernel_size=(3, 3), stride=(1, 1))
    """
    dynamic = [_named(layer, name) for name, layer in net.named_modules() if isinstance(layer, _DYNAMIC)]
    if dynamic:
        raise TypeError(
            f"layers whose weights depend on the input have no fixed filters to write out: {', '.join(dynamic)}. Save "
            "the network as it is, or export it whole by torch.export"
        )
    with torch.no_grad():
        return _written(net, "", _sheets_at_input(net)).eval()


def _named(layer: nn.Module, name: str) -> str:
    return f"{name or 'the network'} ({type(layer).__name__})"


# --- what the map is on its way --------------------------------------------------------------------------------------
#
# An nn.Softmax over the channels of an image stays what it is; over those of a feature map, whose sheets are channels
# in the ordinary network, it would be another function. So each layer is written for the number of sheets of the map
# that it takes, which is None for an image or a vector.


def _sheets_at_input(net: nn.Module) -> int | None:
    """As the first layer of a group tells; but pools over space take images and feature maps alike."""
    over_space = (L.SpatialMaxPool2d, L.SpatialAvgPool2d)
    known: list[Any] = [layer for layer in net.modules() if isinstance(layer, tuple(_WRITERS))]
    first = next((layer for layer in known if hasattr(layer, "group") and not isinstance(layer, over_space)), None)
    return None if first is None or isinstance(first, L.LiftingConv2d) else first.group.order


def _sheets_after(layer: nn.Module, sheets: int | None) -> int | None:
    if isinstance(layer, nn.Sequential):
        for part in layer:
            sheets = _sheets_after(part, sheets)
        return sheets
    if isinstance(layer, Residual):
        return _sheets_after(layer.branch, sheets)
    if isinstance(layer, L.LiftingConv2d):
        return layer.group.order
    if isinstance(layer, L.CosetMaxPool):
        return len(layer.cosets)
    return None if isinstance(layer, (L.GroupMaxPool, L.GlobalMaxPool, L.GlobalAvgPool, nn.Flatten)) else sheets


# --- blocks, and what stays ------------------------------------------------------------------------------------------


def _written(layer: nn.Module, name: str, sheets: int | None) -> nn.Module:
    if isinstance(layer, nn.Sequential):
        return _row(layer, name, sheets)
    if isinstance(layer, Residual):
        parts = ("branch", "shortcut", "activation")
        return fx.symbolic_trace(Residual(*(_written(getattr(layer, p), f"{name}.{p}", sheets) for p in parts)))
    if isinstance(layer, Gate):
        return _gate(layer, name, sheets)
    for kind, write in _WRITERS.items():
        if isinstance(layer, kind):
            return write(layer)
    if isinstance(layer, nn.AdaptiveAvgPool3d) and layer.output_size == (sheets, 1, 1):
        return nn.AdaptiveAvgPool2d(1)  # the mean over each sheet, as at the end of `resnet44`
    if _stays(layer, sheets):
        return copy.deepcopy(layer)
    raise TypeError(
        f"{_named(layer, name.removeprefix('.'))} has no ordinary form that as_ordinary_cnn knows: it writes out the "
        "convolutions, norms, pools and blocks of this library, and keeps layers of torch.nn, all of them on images "
        "and vectors, on feature maps those that work value by value. Write out the parts before and after it"
    )


def _row(row: nn.Sequential, name: str, sheets: int | None) -> nn.Sequential:
    written: OrderedDict[str, nn.Module] = OrderedDict()
    for key, part in zip(row._modules, row, strict=True):  # named_children leaves out a layer's second appearance
        written[key] = _written(part, f"{name}.{key}", sheets)
        sheets = _sheets_after(part, sheets)
    return nn.Sequential(written)


def _gate(gate: Gate, name: str, sheets: int | None) -> nn.Module:
    """The product with sheets apart, so that a score of a single channel meets all channels of the map."""
    score = _written(gate.score, f"{name}.score", sheets)
    if sheets is None:
        return fx.symbolic_trace(Gate(score))
    apart, together = nn.Unflatten(1, (-1, sheets)), nn.Flatten(1, 2)
    return nn.Sequential(apart, fx.symbolic_trace(Gate(nn.Sequential(together, score, apart))), together)


def _stays(layer: nn.Module, sheets: int | None) -> bool:
    is_of_torch = all(type(part).__module__.startswith("torch.") for part in layer.modules())
    flattens_all = isinstance(layer, nn.Flatten) and (layer.start_dim, layer.end_dim) == (1, -1)
    return is_of_torch and (sheets is None or flattens_all or isinstance(layer, _ON_SHEETS))


# --- layers of a group -----------------------------------------------------------------------------------------------


def _convolution(layer: Any) -> nn.Module:
    bank = layer.filter_bank()  # (O, |H|, C, |H|, k, k), or (O, |H|, C, k, k)
    return _conv2d(layer, bank.flatten(2, -3).flatten(0, 1))


def _separable_convolution(layer: L.GCSeparableConv2d) -> nn.Module:
    """A matrix for every pixel, then one kernel for each of the O·|H| channels."""
    matrix = L.pointwise_bank(layer.pointwise, layer.group).flatten(2).flatten(0, 1)[..., None, None]
    pointwise = nn.Conv2d(matrix.shape[1], len(matrix), 1, bias=False)
    pointwise.weight = nn.Parameter(matrix)
    kernels = L.lifting_filter_bank(layer.kernel, layer.group).flatten(0, 1)
    return nn.Sequential(pointwise, _conv2d(layer, kernels, groups=len(kernels)))


def _conv2d(layer: Any, weight: Tensor, groups: int = 1) -> nn.Conv2d:
    channels, bias, size = groups * weight.shape[1], layer.channel_bias(), layer.kernel_size
    # As a number, which all tools take; an even filter would need one more pixel at two of the borders.
    padding = size // 2 if layer.padding == "same" and size % 2 else layer.padding
    conv = nn.Conv2d(channels, len(weight), size, layer.stride, padding, groups=groups, bias=False)
    conv.weight = nn.Parameter(weight.contiguous())
    if bias is not None:
        conv.bias = nn.Parameter(bias.repeat_interleave(layer.group.order))
    return conv


def _batch_norm(layer: L.GroupBatchNorm) -> nn.Module:
    sheets = layer.group.order
    norm = nn.BatchNorm2d(layer.num_features * sheets, layer.eps, layer.momentum).to(layer.weight)
    state = layer.state_dict()
    norm.load_state_dict({k: v.repeat_interleave(sheets) if v.ndim else v for k, v in state.items()})
    return norm


def _instance_norm(layer: L.GroupInstanceNorm) -> nn.Module:
    size = (layer.channels, layer.group.order)
    norm = nn.GroupNorm(layer.channels, layer.channels * layer.group.order, layer.eps)
    norm.weight, norm.bias = (nn.Parameter(p.expand(size).flatten().clone()) for p in (layer.weight, layer.bias))
    return norm


def _sheets_apart(layer: Any, *pools: nn.Module) -> nn.Module:
    """(B, C·|H|, Y, X) → (B, C, |H|, Y, X), which torch's pools take for a volume, and the pools."""
    return nn.Sequential(nn.Unflatten(1, (-1, layer.group.order)), *pools)


def _coset_max_pool(layer: L.CosetMaxPool) -> nn.Module:
    """Cosets may lie in any order among the sheets: those of D1 in D4 are {0, 4}, {1, 7}, {2, 6} and {3, 5}."""
    side_by_side = fx.symbolic_trace(_Reorder([sheet for coset in layer.cosets for sheet in coset]))
    return _sheets_apart(layer, side_by_side, nn.MaxPool3d((layer.subgroup.order, 1, 1)), nn.Flatten(1, 2))


class _Reorder(nn.Module):
    """The sheets in another order: (B, C, |H|, Y, X) → the same."""

    def __init__(self, order: list[int]) -> None:
        super().__init__()
        self.order = order

    def forward(self, x: Tensor) -> Tensor:
        sheets = x.unbind(2)  # not an index tensor, which would have to move to another device with the network
        return torch.stack([sheets[i] for i in self.order], dim=2)


class _SqueezeExcite(nn.Module):
    def __init__(self, layer: L.GroupSqueezeExcite) -> None:
        super().__init__()
        self.sheets = layer.group.order
        self.mean = _sheets_apart(layer, nn.AdaptiveAvgPool3d(1), nn.Flatten())
        self.squeeze, self.excite = copy.deepcopy(layer.squeeze), copy.deepcopy(layer.excite)
        self.relu, self.sigmoid = nn.ReLU(), nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        factors = self.sigmoid(self.excite(self.relu(self.squeeze(self.mean(x)))))
        return x * factors.repeat_interleave(self.sheets, 1)[..., None, None]


_DYNAMIC = (
    L.E4Layer, L.AffineSelfConv2d, L.SimpleAffineSelfConv2d, L.StandAloneSelfAttention2d, L.GroupSelfAttention2d,
    L.EncodedSelfAttention2d, L.LiftingSelfAttention2d, L.AttentiveGroupConv2d, L.AttentiveLiftingConv2d,
)  # fmt: skip

# What does with C·|H| channels what it does with C channels of |H| sheets: value by value, or row by row.
_ON_SHEETS = (
    nn.Identity, nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Sigmoid, nn.Tanh, nn.Dropout, nn.Linear,
)  # fmt: skip

_WRITERS: dict[type[nn.Module], Callable[[Any], nn.Module]] = {
    L.GCSeparableConv2d: _separable_convolution,
    L.GroupConv2d: _convolution,
    L.LiftingConv2d: _convolution,
    L.GroupBatchNorm: _batch_norm,
    L.GroupInstanceNorm: _instance_norm,
    L.GroupSqueezeExcite: lambda layer: fx.symbolic_trace(_SqueezeExcite(layer)),
    L.SpatialMaxPool2d: lambda layer: nn.MaxPool2d(layer.kernel_size, layer.stride),
    L.SpatialAvgPool2d: lambda layer: nn.AvgPool2d(layer.kernel_size, layer.stride),
    L.CosetMaxPool: _coset_max_pool,
    L.GroupMaxPool: lambda layer: _sheets_apart(layer, nn.MaxPool3d((layer.group.order, 1, 1)), nn.Flatten(1, 2)),
    L.GlobalMaxPool: lambda layer: _sheets_apart(layer, nn.AdaptiveMaxPool3d(1), nn.Flatten()),
    L.GlobalAvgPool: lambda layer: _sheets_apart(layer, nn.AdaptiveAvgPool3d(1), nn.Flatten()),
    L.GroupDropout: lambda layer: nn.Identity(),
    ImageDropout: lambda layer: nn.Dropout(layer.p),
    FlattenPixel: lambda layer: nn.Flatten(),
}
