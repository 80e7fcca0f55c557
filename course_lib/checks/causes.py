"""Why does this layer break equivariance? Rules that try what would mend it, each with the words for cause and cure."""

import copy
import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from course_lib.actions import act_on_image
from course_lib.checks.culprit import EXACT_BELOW, Culprit
from course_lib.checks.measuring import relative_error
from course_lib.checks.readings import SOURCES, Move, readings, wrong_move
from course_lib.checks.tracing import Call, is_float_tensor
from course_lib.groups import Element, Group
from course_lib.layers.base import left_over, reversed_axes

Words = tuple[str, str]  # cause, cure


def explain(culprit: Culprit) -> Words:
    """Cause and cure of the first rule that applies."""
    for rule in RULES:
        if words := rule(culprit):
            return words
    called = f"; inside it is called: {', '.join(culprit.call.functions)}" if culprit.call.functions else ""
    return (
        f"it treats positions, or the elements of {culprit.group}, differently{called}",
        "look for slices, shifts, one axis preferred to the other, sorting, or weights that are not shared",
    )


def another_group(culprit: Culprit) -> Words | None:
    own = getattr(culprit.module, "group", None)
    if not isinstance(own, Group) or own.is_subgroup(culprit.group):
        return None
    missing = ", ".join(str(g) for g in culprit.group.elements if g not in own.elements)
    return f"it is built for {own}, which does not contain {missing}", f"build every layer for {culprit.group}"


def windows(module: nn.Module) -> list[tuple[int, int, int]] | None:
    """(window, stride, padding) along Y and X of a convolution or pool; None for any other, or padding='same'."""
    size = getattr(module, "kernel_size", None)
    stride, padding = getattr(module, "stride", None), getattr(module, "padding", 0)
    if size is None or stride is None or isinstance(padding, str) or isinstance(size, torch.Size):
        return None
    dilation = getattr(module, "dilation", 1)
    each = [a[-2:] if isinstance(a, tuple) else (a, a) for a in (size, stride, padding, dilation)]
    if any(len(pair) != 2 for pair in each):  # of a layer in one dimension
        return None
    return [(d * (k - 1) + 1, s, p) for k, s, p, d in zip(*each, strict=True)]


def stride_leaves_pixels_over(culprit: Culprit) -> Words | None:
    along = windows(culprit.module)
    if along is None or isinstance(culprit.module, nn.modules.conv._ConvTransposeNd) or culprit.x.ndim < 4:
        return None
    size = culprit.x.shape[-2:]
    rests = [
        left_over(n, *w) if back else 0 for n, w, back in zip(size, along, reversed_axes(culprit.group), strict=True)
    ]
    larger = tuple(n + s - rest if rest else n for n, rest, (_, s, _) in zip(size, rests, along, strict=True))
    if not any(rests) or not culprit.exact(size=(larger[0], larger[1])):
        return None
    axis = 0 if rests[0] else 1
    (window, stride, padding), n = along[axis], size[axis]
    what = "pooling" if "pool" in type(culprit.module).__name__.lower() else "stride"
    return (
        f"{what} on a size that does not fit: on {n} pixels (padding {padding}), windows of {window} with stride "
        f"{stride} leave {rests[axis]} over at one border",
        f"give this layer {n - rests[axis]} or {larger[axis]} pixels; it fits where (size + {2 * padding} − {window}) "
        f"is divisible by {stride}",
    )


def window_is_not_square(culprit: Culprit) -> Words | None:
    along = windows(culprit.module)
    if along is None or along[0] == along[1] or not any(g.r % 2 for g in culprit.group.elements):
        return None
    return (
        f"(window, stride, padding) is {along[0]} along y, but {along[1]} along x: a quarter turn swaps the axes",
        "the same window, stride and padding along both axes",
    )


def uneven_padding(culprit: Culprit) -> Words | None:
    module = culprit.module
    padding = getattr(module, "padding", None)
    if padding == "same":
        mended = copy.deepcopy(module)
        mended.padding = 0  # type: ignore[assignment]
        if not culprit.exact(mended):
            return None
        return (
            f"an even kernel ({_first(module.kernel_size)}) with padding='same': one border gets more than the other",
            "an odd kernel, or a number as padding, the same at every border",
        )
    pads = type(module).__name__.endswith(("Pad1d", "Pad2d", "Pad3d"))
    if pads and isinstance(padding, tuple) and len(set(padding[:4])) > 1:
        return f"uneven padding, {padding} (left, right, top, bottom)", "the same padding at every border"
    if any(_pair(getattr(module, "output_padding", 0))):
        return "output_padding adds pixels at one border only", "sizes for which output_padding can be 0"
    return None


def linear_on_places(culprit: Culprit) -> Words | None:
    if not isinstance(culprit.module, nn.Linear):
        return None
    before = culprit.before
    if before is not None and math.prod(before.shape[-2:]) > 1:
        pooled = math.prod(before.shape[1:-2]) == culprit.x.shape[-1]
    else:
        pooled = True
    if pooled:
        return (
            "a flattened group axis: when the image turns, the entries change places, but each has weights of its own",
            "first the maximum or the mean over the group (GroupMaxPool), so that nothing changes places",
        )
    return (
        "flattened pixels: when the image turns, the entries change places, but each has weights of its own",
        "first the maximum or the mean over all pixels (and over the group)",
    )


def interpolation(culprit: Culprit) -> Words | None:
    called = [f for f in culprit.call.functions if f in ("grid_sample", "interpolate", "affine_grid")]
    if not isinstance(culprit.module, nn.Upsample) and not called:
        return None
    return (
        "interpolation: the new pixels do not lie symmetrically between the old ones, so turning the map moves them",
        "whole factors (nearest or bilinear), or a target size with mode='bilinear'; turn by multiples of 90° only",
    )


def ordinary_convolution(culprit: Culprit) -> Words | None:
    if not isinstance(culprit.module, nn.modules.conv._ConvNd):
        return None
    layer = "GroupConv2d" if culprit.x.ndim > 4 or not _follows_as_image(culprit) else "LiftingConv2d"
    return (
        "an ordinary convolution: its filter has one direction and does not turn with the image",
        f"{layer}({culprit.group}, …), or GroupConv2d after a lifting layer"
        if layer == "LiftingConv2d"
        else f"{layer}({culprit.group}, …): filters turned and permuted",
    )


def _follows_as_image(culprit: Culprit) -> bool:
    channels, order = culprit.x.shape[1], culprit.group.order
    return channels < order or channels % order > 0 or channels == 3


def wrong_permutation(culprit: Culprit) -> Words | None:
    y = culprit.call.output
    has_filters = any(f.startswith(("conv", "linear", "matmul", "einsum")) for f in culprit.call.functions)
    if not has_filters or not is_float_tensor(y) or y.ndim < 5 or y.shape[-3] != culprit.group.order:
        return None
    for cause, move, expected in _wrong_moves(culprit):
        if _maximum(culprit, move, expected) < EXACT_BELOW:
            return cause, "turn *and* permute the filters: L_h ψ(x, k) = ψ(h⁻¹x, h⁻¹k), as group_filter_bank does"
    if culprit.x.ndim >= 5 and any(f.startswith("conv") for f in culprit.call.functions):
        return (
            "its filters are not the turned and permuted copies of one filter",
            "compare its filters with group_filter_bank",
        )
    return None


def _wrong_moves(culprit: Culprit) -> Iterator[tuple[str, Move, Move]]:
    """(what is wrong, how the input moves, how the output then moves) for the mistakes that we know."""
    group = culprit.group

    def sheets(source: str, turn: bool = True) -> Move:
        return wrong_move(group, source, turn)

    right: Move = sheets("g⁻¹h")
    if culprit.x.ndim == 4:
        image = readings(culprit.x, group)[0].move
        assert image is not None
        yield "the filters turn the wrong way, by h⁻¹ instead of h", image, sheets("hg")
        return
    yield "wrong permutation: the filters are turned, but their sheets are not permuted", sheets("h"), right
    yield (
        "the filters' sheets are permuted, but the filters are not turned",
        sheets("g⁻¹h", False),
        sheets("g⁻¹h", False),
    )
    yield "wrong permutation: filters are turned and permuted by h⁻¹ instead of h", right, sheets("hg")
    for source in list(SOURCES)[1:4]:
        yield (
            f"wrong permutation: the filters' sheets are permuted by g instead of g⁻¹ ({source})",
            sheets(source),
            right,
        )


def _maximum(culprit: Culprit, move: Move, expected: Move) -> float:
    y = culprit.call.output
    pairs = ((culprit.call.again(lambda x, g=g: move(g, x)), expected(g, y)) for g in culprit.group.elements)  # type: ignore[misc]
    return max(relative_error(a, b) if a.shape == b.shape else math.inf for a, b in pairs)


def unequal_parameters(culprit: Culprit) -> Words | None:
    """Does the layer become exact once each of its parameters, and running statistics, is one and the same number?"""
    names = [name for name, p in culprit.module.named_parameters() if p.numel() > 1]
    names = names or [name for name, _ in culprit.module.named_buffers() if "running" in name]
    if not names or not culprit.exact(all_equal(culprit.module)):
        return None
    listed = ", ".join(names)
    if all(_only_turned(culprit, g) for g in culprit.group.elements):
        how = "affine='shared'" if getattr(culprit.module, "affine", None) == "per_element" else "GroupBatchNorm"
        return (
            f"parameters per group element: {listed} differ from sheet to sheet, but the sheets change places",
            f"one gain and bias per channel, shared over the group ({how})",
        )
    return (
        f"position-dependent parameters: {listed} differ from pixel to pixel",
        "parameters per channel, or ones that depend on relative positions only",
    )


def _only_turned(culprit: Culprit, g: Element) -> bool:
    y = culprit.call.output
    if culprit.x.ndim < 4 or y.ndim < 4:
        return False
    return relative_error(culprit.call.again(lambda x: act_on_image(g, x)), act_on_image(g, y)) < EXACT_BELOW


def reshaped(culprit: Culprit) -> Words | None:
    names = {"reshape", "view", "unflatten", "flatten", "permute", "transpose"} & set(culprit.call.functions)
    if not names or culprit.module.state_dict():
        return None
    return (
        f"{', '.join(sorted(names))} mixes the group axis with other axes",
        "keep maps as (B, C, |H|, Y, X), and split C·|H| channels by unflatten(1, (C, |H|))",
    )


def _pair(value: object) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else (value, value)


def _first(value: object) -> object:
    return value[0] if isinstance(value, tuple) else value


RULES: tuple[Callable[[Culprit], Words | None], ...] = (
    another_group,
    window_is_not_square,
    stride_leaves_pixels_over,
    uneven_padding,
    linear_on_places,
    ordinary_convolution,
    interpolation,
    wrong_permutation,
    unequal_parameters,
    reshaped,
)


def all_equal(module: nn.Module) -> nn.Module:
    """A copy in which each parameter, and each running statistic, holds one and the same number."""
    copied = copy.deepcopy(module)
    for p in (*copied.parameters(), *copied.buffers()):
        if p.is_floating_point():
            p.data.fill_(p.data.mean())
    return copied


def explain_between(before: Call | None, after: str, seen: Tensor, functions: tuple[str, ...]) -> Words:
    """Words for a break in the code of `forward`, between two modules."""
    where = f"code in forward between {before.name or 'the input'} and {after}" if before else f"code before {after}"
    called = f" (torch functions: {', '.join(functions)})" if functions else ""
    old = before.output.shape[-2:] if before and before.output.ndim >= 4 else seen.shape[-2:]
    if seen.ndim >= 4 and old != seen.shape[-2:]:
        return (
            f"{where} takes a map of {tuple(old)} pixels to {tuple(seen.shape[-2:])} unevenly{called}",
            "pool, pad, cut or interpolate the same at every border; a stride must divide (size − window)",
        )
    return (
        f"{where}{called}",
        "put that step into a module of its own and diagnose again; mix no axes, and treat all positions alike",
    )


def explain_parameter(name: str, after: str) -> Words:
    """Words for a parameter of the network itself, such as a table of positions, that breaks it in `forward`."""
    return (
        f"position-dependent parameters: {name}, used in forward before {after}, differs between pixels or sheets",
        "parameters per channel, or ones that depend on relative positions only",
    )
