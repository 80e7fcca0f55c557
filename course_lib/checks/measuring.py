"""Is my network equivariant? Measure it: Φ(L_g x) against L_g Φ(x), for every element, layer by layer. Notebook 03."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from course_lib.actions import Action, act_on_feature_map, act_on_image, unchanged
from course_lib.groups import Element, Group
from course_lib.modes import eval_mode

OUTPUT = "(output)"
# A rounding error of ~1e-16 or ~1e-7 grows with depth; a broken symmetry shows as 1e-2 and more.
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-4}


@dataclass(frozen=True)
class Deviation:
    """How far one output is from equivariant: the largest |Φ(L_g x) − L_g Φ(x)| divided by the largest |Φ(x)|."""

    layer: str
    element: Element
    error: float
    position: tuple[int, ...]


@dataclass(frozen=True)
class EquivarianceReport:
    """The deviations of every layer under every element; ``error`` is that of the output under its worst element."""

    group: Group
    deviations: tuple[Deviation, ...]
    not_compared: tuple[str, ...] = ()

    @property
    def worst(self) -> Deviation:
        """The output under its worst element."""
        return max((d for d in self.deviations if d.layer == OUTPUT), key=lambda d: d.error)

    @property
    def error(self) -> float:
        return self.worst.error

    def by_layer(self) -> dict[str, Deviation]:
        """The worst deviation of each layer, in the order of computation; the output comes last."""
        worst: dict[str, Deviation] = {}
        for d in self.deviations:
            if d.layer not in worst or d.error > worst[d.layer].error:
                worst[d.layer] = d
        return worst

    def first_above(self, tolerance: float) -> Deviation | None:
        """The first layer, in the order of computation, whose error exceeds the tolerance."""
        return next((d for d in self.by_layer().values() if d.error > tolerance), None)

    def __str__(self) -> str:
        worst = self.by_layer().values()
        width = max(len(d.layer) for d in worst)
        rows = [
            f"Equivariance under {self.group}, the worst element of each layer",
            f"{'layer':<{width}}    error  element, position",
        ]
        rows += [f"{d.layer:<{width}}  {d.error:.1e}  {d.element}, {d.position}" for d in worst]
        if self.not_compared:
            rows.append("Not compared, as the group axis has another length: " + ", ".join(self.not_compared))
        return "\n".join(rows)


def relative_error(got: Tensor, expected: Tensor) -> float:
    """The largest |got − expected|, divided by the largest |expected|; infinite if a difference is not finite."""
    difference = (got - expected).abs()
    # Every comparison with nan is false, so a nan that stays would count as no error at all.
    if not difference.isfinite().all():
        return math.inf
    return difference.max().item() / (expected.abs().max().item() or 1.0)


def action_of(y: Tensor, group: Group, subgroup: Group | None = None) -> Action:
    """How the group acts on an input or output of a layer. Only its shape tells what it is:

    ``(B, C, Y, X)`` is an image; ``(B, C, |H|, Y, X)`` a feature map, over the cosets of ``subgroup`` if one is given;
    ``(B, C, 1, Y, X)`` one of a single sheet, which turns as an image; ``(B,)`` and ``(B, n)`` must not change.
    Returns (g, y) ↦ L_g y. Raises ValueError for any other shape. Notebook 05.
    """
    sheets = group.order // (subgroup.order if subgroup else 1)
    if y.ndim <= 2:
        return unchanged
    if y.ndim == 4 or (y.ndim == 5 and y.shape[2] == 1):
        return act_on_image
    if y.ndim == 5 and y.shape[2] == sheets:
        return partial(act_on_feature_map, group=group, subgroup=subgroup)
    raise ValueError(
        f"do not know how {group} acts on shape {tuple(y.shape)}: expected (B, n), (B, C, Y, X) or "
        f"(B, C, {sheets}, Y, X)"
    )


def equivariance_error(layer: Callable[[Tensor], Tensor], group: Group, x: Tensor) -> EquivarianceReport:
    """Compare Φ(L_g x) with L_g Φ(x) for every g of the group, for the output and for every submodule's output.

    Args:
        layer: a module or any function of one tensor. A module is measured in eval mode, and left as it was.
        group: the group to test, which need not be the layer's own: test an ordinary CNN under C4.
        x: an image ``(B, C, Y, X)`` or a feature map ``(B, C, |H|, Y, X)``. Use noise, which has no symmetry of its
            own, and float64, where a broken symmetry stands out from rounding by ten orders of magnitude.

    Returns a report: ``error`` (relative, worst element), ``worst`` (element and position), ``by_layer()``.
    Raises ValueError if the group's action on input or output cannot be told from the shape. Notebook 03.
    """
    outputs = layer_outputs(layer, x)
    deviations, not_compared = [], []
    act = action_of(x, group)
    turned = {g: layer_outputs(layer, act(g, x)) for g in group.elements}
    for name, (reference, subgroup) in outputs.items():
        try:
            act = action_of(reference, group, subgroup)
        except ValueError:
            if name == OUTPUT:
                raise
            not_compared.append(name)
            continue
        deviations += [_deviation(name, g, turned[g][name][0], act(g, reference)) for g in group.elements]
    return EquivarianceReport(group, tuple(deviations), tuple(not_compared))


def assert_equivariant(
    layer: Callable[[Tensor], Tensor], group: Group, x: Tensor, tolerance: float | None = None
) -> EquivarianceReport:
    """Raise AssertionError unless the output is equivariant (invariant, for (B, n)) under every element of the group.

    The message names the worst element and position, and the first layer whose error exceeds the tolerance (default:
    1e-10 in float64, 1e-4 in float32). Returns the report.
    """
    if tolerance is None and x.dtype not in TOLERANCE:
        raise ValueError(f"no usual tolerance is known for {x.dtype}; give one, or take float32 or float64")
    limit = TOLERANCE[x.dtype] if tolerance is None else tolerance
    report = equivariance_error(layer, group, x)
    if report.error > limit:
        worst, first = report.worst, report.first_above(limit) or report.worst
        raise AssertionError(
            f"not equivariant under {group}: relative error {worst.error:.1e} > {limit:.0e} for {worst.element} at "
            f"{worst.position}; first layer above the tolerance: {first.layer} ({first.error:.1e})\n{report}"
        )
    return report


def _deviation(name: str, g: Element, got: Tensor, expected: Tensor) -> Deviation:
    if got.shape != expected.shape:
        raise ValueError(
            f"{name}: Φ(L_g x) has shape {tuple(got.shape)}, L_g Φ(x) has {tuple(expected.shape)} for g = {g}"
        )
    worst = int((got - expected).abs().argmax())
    position = np.unravel_index(worst, got.shape)  # torch.unravel_index imports SymPy at its first use: seconds
    return Deviation(name, g, relative_error(got, expected), tuple(int(i) for i in position))


def layer_outputs(layer: Callable[[Tensor], Tensor], x: Tensor) -> dict[str, tuple[Tensor, Group | None]]:
    """The outputs of all submodules, in the order of computation, then of the layer itself; computed in eval mode.

    Each comes with the subgroup over whose cosets its group axis runs, or None. A module used twice has a second name.
    """
    outputs: dict[str, tuple[Tensor, Group | None]] = {}

    def record(name: str, module: nn.Module) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: object, y: object) -> None:
            if isinstance(y, Tensor):
                times = sum(key.split("#")[0] == name for key in outputs)
                subgroup = getattr(module, "subgroup", None)
                outputs[name if not times else f"{name}#{times + 1}"] = (y.clone(), subgroup)

        return hook

    if not isinstance(layer, nn.Module):
        with torch.no_grad():
            return {OUTPUT: (layer(x), None)}
    handles = [module.register_forward_hook(record(name, module)) for name, module in layer.named_modules() if name]
    try:
        with eval_mode(layer), torch.no_grad():
            y = layer(x)
    finally:
        for handle in handles:
            handle.remove()
    return outputs | {OUTPUT: (y, getattr(layer, "subgroup", None))}


def error_by_depth(layers: Iterable[nn.Module], group: Group, x: Tensor) -> list[float]:
    """After each layer of a row: the relative equivariance error of all layers up to there, for the worst element.

    The error is that of `relative_error`, Φ(L_g x) against L_g Φ(x); outputs move as `action_of` says. In float64 an
    exact network stays near 1e-16, in float32 near 1e-7, a little more with each layer. Notebook 05.
    """
    with torch.no_grad():
        plain, errors, act = x, [], action_of(x, group)
        turned = [act(g, x) for g in group.elements]
        for layer in layers:
            plain, turned = layer(plain), [layer(y) for y in turned]
            act, pairs = action_of(plain, group), zip(group.elements, turned, strict=True)
            errors.append(max(relative_error(y, act(g, plain)) for g, y in pairs))
    return errors


def orbit_agreement(net: Callable[[Tensor], Tensor], group: Group, images: Tensor) -> float:
    """The fraction of the images ``(N, C, Y, X)`` whose class, the largest output, is the same for all turned copies.

    It is 1 for an invariant network, whether its answers are right or wrong. Notebook 05.
    """
    with torch.no_grad():
        classes = torch.stack([net(act_on_image(g, images)).argmax(dim=1) for g in group.elements])
    return (classes == classes[0]).all(dim=0).double().mean().item()


def disk_mask(size: int) -> Tensor:
    """True for the pixels of a ``(size, size)`` map whose center is at most size / 2 from the center of the map.

    A turn by any angle about the center takes this disk to itself. Outside of it, corners leave the frame. Notebook 05.
    """
    place = torch.arange(size) - (size - 1) / 2
    return place[:, None] ** 2 + place[None, :] ** 2 <= (size / 2) ** 2
