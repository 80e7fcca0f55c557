"""A group-equivariant CNN as the ordinary CNN that it is: filter banks written out, nothing left of the group."""

import copy
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn

from course_lib import layers as L
from course_lib.models.blocks import Residual


def as_ordinary_cnn(net: nn.Module) -> nn.Module:
    """What ``net`` computes in eval mode, equal to rounding, as a network of torch.nn modules only.

    A p4 network *is* an ordinary CNN whose C·|H| channels share their weights. Here these are written out: a group
    convolution becomes an nn.Conv2d whose weight is the filter bank of notebook 04, a norm an nn.BatchNorm2d that holds
    each number once for every sheet, the sum in a residual block a `torch.fx.GraphModule`. The result shares no memory
    with ``net`` and needs nothing of this library: it is ready for ONNX, TorchScript, quantization and other tools. It
    is in eval mode, and should stay there: in training the copies of a weight would drift apart.

    A feature map (B, C, |H|, Y, X) becomes an image of C·|H| channels, ``f.flatten(1, 2)``. Where ``net`` refuses a
    size because it would not be exact, the result does not.
    Raises TypeError for a network with layers that have no fixed filters to write out, such as `E4Layer` and attention,
    and names the first. Notebook 04.
    """
    with torch.no_grad():
        return _written(net, "").eval()


def _written(layer: nn.Module, name: str) -> nn.Module:
    if isinstance(layer, nn.Sequential):
        return nn.Sequential(
            OrderedDict((key, _written(part, f"{name}.{key}")) for key, part in layer.named_children())
        )
    if isinstance(layer, Residual):
        parts = (_written(part, f"{name}.{key}") for key, part in layer.named_children())
        return fx.symbolic_trace(Residual(*parts))
    if type(layer) in _UNCHANGED:
        return copy.deepcopy(layer)
    for kind, write in _WRITERS.items():
        if isinstance(layer, kind):
            return write(layer)
    raise TypeError(
        f"{name.removeprefix('.') or 'the network'} is a {type(layer).__name__}, which has no fixed filters to write "
        "out: as_ordinary_cnn takes networks of convolutions, norms, pools and residual blocks. Save the network as it "
        "is, or export it whole by torch.export"
    )


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
    channels, bias = groups * weight.shape[1], layer.channel_bias()
    conv = nn.Conv2d(channels, len(weight), layer.kernel_size, layer.stride, layer.padding, groups=groups, bias=False)
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


def _mean_over_space(layer: nn.AdaptiveAvgPool3d) -> nn.Module:
    """Of each sheet, as at the end of `resnet44`: its |H| outputs along the group axis are the sheets themselves."""
    if not isinstance(layer.output_size, tuple) or layer.output_size[1:] != (1, 1):
        raise TypeError(f"{layer} has no ordinary form; as_ordinary_cnn knows means over all pixels of a sheet")
    return nn.AdaptiveAvgPool2d(1)


_UNCHANGED = (
    nn.Identity, nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Sigmoid, nn.Tanh, nn.Linear,
    nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d,
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
    L.GroupMaxPool: lambda layer: _sheets_apart(layer, nn.MaxPool3d((layer.group.order, 1, 1)), nn.Flatten(1, 2)),
    L.GlobalMaxPool: lambda layer: _sheets_apart(layer, nn.AdaptiveMaxPool3d(1), nn.Flatten()),
    L.GlobalAvgPool: lambda layer: _sheets_apart(layer, nn.AdaptiveAvgPool3d(1), nn.Flatten()),
    nn.AdaptiveAvgPool3d: _mean_over_space,
    nn.Dropout: lambda layer: nn.Dropout(layer.p),
    L.GroupDropout: lambda layer: nn.Identity(),
    nn.Flatten: lambda layer: nn.Flatten(layer.start_dim, layer.end_dim),
}
