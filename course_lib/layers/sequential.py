"""Layers in a row, checked when they are put together."""

from collections.abc import Iterator
from typing import Any

from torch import nn

from course_lib.groups import Group

_ELEMENTWISE = (nn.Identity, nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Sigmoid, nn.Tanh, nn.Dropout)


class EquivariantSequential(nn.Sequential):
    """Layers in a row, checked when they are put together: groups that fit, and channels that fit.

    C4 and D2 both have four elements, so a map from one passes through a layer of the other without a shape error, and
    equivariance is silently gone. All layers must have one group, with one exception: after a `CosetMaxPool` the layers
    may be those of a smaller group whose regular map it leaves (`Group.leaves_regular_map`), and the row is exact under
    that group. For example, D4 pooled over D1 leaves a map of C4. Groups are compared in blocks inside the row, too,
    unless a block has a ``group`` of its own, which then speaks for it; channels between the layers of the row itself.
    Raises ValueError at construction and names the two layers.

        >>> EquivariantSequential(LiftingConv2d(C4, 1, 8, 3), GroupMaxPool(C4))(torch.randn(2, 1, 9, 9)).shape
        torch.Size([2, 8, 7, 7])
    """

    def __init__(self, *layers: Any) -> None:  # as nn.Sequential: modules in a row, or one OrderedDict of them
        super().__init__(*layers)
        self._require_groups_that_fit()
        self._require_channels_that_fit()

    def _require_groups_that_fit(self) -> None:
        before, group, subgroup = "", None, None  # the last layer, the group of its map, and what that is pooled over
        for name, layer in _with_group(self):
            present = f"{name} ({type(layer).__name__})"
            if layer.group != group:
                if group is not None and not (subgroup and group.leaves_regular_map(subgroup, layer.group)):
                    raise ValueError(
                        f"{before} is built for {group}, but {present} for {layer.group}: use one group"
                        + (_or_one_of(group, subgroup) if subgroup else "")
                    )
                group, subgroup = layer.group, None
            # A pool over space leaves the cosets as they are; what needs all sheets of the group fails in `forward`.
            before, subgroup = present, getattr(layer, "subgroup", subgroup)

    def _require_channels_that_fit(self) -> None:
        before, given = "", None  # the last layer that says how many channels it puts out, and how many
        for name, layer in self.named_children():
            channels = _channels(layer)
            if channels is None:
                given = given if _keeps_channels(layer) else None
                continue
            if given not in (None, channels[0]):
                raise ValueError(f"layer {before} outputs {given} channels, but layer {name} takes {channels[0]}")
            before, given = name, channels[1]


def _or_one_of(group: Group, subgroup: Group) -> str:
    fitting = [smaller.name for smaller in group.subgroups if group.leaves_regular_map(subgroup, smaller)]
    cosets = f"the cosets of {subgroup} in {group}"
    return f", or one that permutes {cosets} as its own elements: " + (", ".join(fitting) or f"{cosets} have none")


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
