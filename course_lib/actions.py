"""How symmetries act on images, feature maps and filters: [L_g f](x) = f(g⁻¹x), exact on the lattice. Notebook 02.

Array axes are (…, Y, X) with row 0 on top, x to the right and y up, so +90° is counter-clockwise as seen. Point
symmetries fix the center of the map, which for an even size lies between pixels. A filter is a small image, or a small
feature map: the functions below act on filters too.
"""

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.groups import Element, Group, on_lattice
from course_lib.interpolation import bilinear, windowed_sinc

Action = Callable[[Element, Tensor], Tensor]  # (g, y) ↦ L_g y, for one kind of tensor


def act_on_image(g: Element, f: Tensor) -> Tensor:
    """[L_g f](x) = f(g⁻¹x) on the last two axes: turn by r·90° counter-clockwise, then mirror left-right if m.

    Args:
        g: an element (m, r) of D4, or one whose r is a fraction, as in C8.
        f: ``(..., Y, X)`` of any dtype. A quarter turn of a non-square map gives ``(..., X, Y)``.

    Exact in D4: values are moved, never computed. Other turns are interpolated and need a float map. Source: Cohen &
    Welling (2016), section 4.4; notebooks 02 and 12.
    Raises TypeError or ValueError if f is not a tensor or has fewer than two axes.
    """
    require_axes(f, 2, "(..., Y, X)")
    turned = torch.rot90(f, int(g.r), dims=(-2, -1))
    if not on_lattice(g):  # only in groups such as C8, in notebook 12
        turned = windowed_sinc(float(g.r % 1) * math.pi / 2, turned)
    return turned.flip(-1) if g.m else turned


def act_on_feature_map(g: Element, f: Tensor, group: Group, subgroup: Group | None = None) -> Tensor:
    """[L_g f](x, h) = f(g⁻¹x, g⁻¹h): turn every sheet, *and* permute the sheets.

    Args:
        g: an element of ``group``.
        f: ``(..., |H|, Y, X)``; with a ``subgroup`` S the group axis runs over the |H|/|S| left cosets of S.

    Exact for the elements that `act_on_image` moves exactly. Source: Cohen & Welling (2016), section 4.4; notebook 02.
    Raises ValueError if the group axis has another length or g is not an element of the group.
    """
    require_axes(f, 3, "(..., |H|, Y, X)")
    permutation = group.permutation(g, subgroup)
    if f.shape[-3] != len(permutation):
        over = f"{group}" if subgroup is None else f"{group}/{subgroup}"
        raise ValueError(
            f"the group axis (third from the end) of {tuple(f.shape)} has length {f.shape[-3]}, "
            f"but {over} has {len(permutation)} elements"
        )
    return act_on_image(g, f[..., permutation, :, :])


def unchanged(g: Element, y: Tensor) -> Tensor:
    """L_g on what is to be invariant, such as scores ``(B, n)``: nothing moves."""
    return y


def translate(t: tuple[int, int], f: Tensor) -> Tensor:
    """[L_t f](x) = f(x − t) on the last two axes: shift by t = (u, v), u to the right, v up; zeros enter at the edges.

    Args:
        t: whole pixels, of any sign and size.
        f: ``(..., Y, X)``.

    Exact, except for what leaves the frame. Notebooks 02 and 03.
    """
    require_axes(f, 2, "(..., Y, X)")
    u, v = t
    height, width = f.shape[-2:]
    padded = F.pad(f, (max(u, 0), max(-u, 0), max(-v, 0), max(v, 0)))
    top, left = max(v, 0), max(-u, 0)
    return padded[..., top : top + height, left : left + width]


def rotate_by_angle(degrees: float | Sequence[float] | Tensor, f: Tensor) -> Tensor:
    """Turn ``(B, C, Y, X)`` counter-clockwise by any angle about its center; zeros enter at the edges.

    Args:
        degrees: one angle for all maps, of which multiples of 90° are exact; or B angles, one for each map, exact up to
            rounding at multiples of 90°.

    At any other angle pixels fall between pixels and are interpolated bilinearly: this is not a group action on the
    lattice, only an approximation of one. Notebooks 02 and 05. Raises ValueError if the shapes do not fit.
    """
    if isinstance(degrees, int | float) and degrees % 90 == 0:
        return act_on_image(Element(0, int(degrees // 90) % 4), f)
    if f.ndim != 4 or not f.is_floating_point():
        raise ValueError(f"interpolation needs a float map (B, C, Y, X), got {f.dtype} of shape {tuple(f.shape)}")
    angles = torch.as_tensor(degrees, dtype=f.dtype, device=f.device) * (math.pi / 180)
    if angles.ndim and angles.shape != f.shape[:1]:
        raise ValueError(
            "expected one angle, or one for each of the maps (B, C, Y, X), "
            f"got shapes {tuple(angles.shape)} and {tuple(f.shape)}"
        )
    return bilinear(angles, f)


def require_axes(f: Tensor, at_least: int, shape: str) -> None:
    """Raise TypeError unless f is a tensor, ValueError unless it has enough axes; ``shape`` is for the message."""
    if not isinstance(f, Tensor):
        raise TypeError(f"expected a torch.Tensor of shape {shape}, got {type(f).__name__}")
    if f.ndim < at_least:
        raise ValueError(f"expected a map of shape {shape}, got shape {tuple(f.shape)}")
