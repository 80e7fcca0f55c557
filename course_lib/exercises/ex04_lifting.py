"""Exercise 4.1 of notebook 04: the lifting convolution as a loop."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.actions import act_on_image
from course_lib.exercises import call, compare, register
from course_lib.exercises.registry import Function
from course_lib.groups import C1, C2, C4, D2, D4, Element, Group, inverse
from course_lib.oracles import lifting_conv, source_pixel

Turn = Callable[[Element, Tensor], Tensor]


def rotation_only(h: Element) -> Element:
    return Element(0, h.r)


def mirror_first(h: Element, psi: Tensor) -> Tensor:
    return torch.rot90(psi.flip(-1) if h.m else psi, h.r, dims=(-2, -1))


RESHAPED = (
    "The copies are right, but `reshape` after `torch.cat` mixes h with the output channels: it keeps the numbers in "
    "the order in which they lie in memory. Use `torch.stack`, which gives the copies an axis of their own."
)

ELEMENT_NEEDED = (
    "You pass the number of a sheet where an element of the group is needed. The element of sheet i is "
    "`group.elements[i]`."
)


def number_for_an_element(_f: Tensor, psi: Tensor, _group: Group) -> Any:
    """Stops with the error of a learner who passes a sheet's number as an element."""
    number: Any = 0
    return source_pixel(number, 0, 0, *psi.shape[-2:])


UNSTARRED = (
    "`source_pixel` returns a pair (row, column). Without a star, the pair is one index, which picks two rows. Write "
    "`psi[(o, c, *source_pixel(…))]`, or unpack the pair first."
)


def which_meets_which(f: Function, reference: Function, image: Tensor, weights: dict[str, Tensor], names: str) -> str:
    """The first weight of ψ that meets another number of the image than it should, in words.

    The numbers of the image are 1, 10, 100 and 1000, so that the digits of a sum say which of them are in it. Their
    names are words of ``names``.
    """

    def met(total: float) -> str:
        digits = f"{total:04.0f}"[::-1]
        return " and ".join(name for name, digit in zip(names.split("; "), digits, strict=False) if digit != "0")

    for weight, psi in weights.items():
        yours, expected = call(f, image, psi, C4, example={"f": image, "psi": psi}), reference(image, psi, C4)
        if not isinstance(yours, Tensor) or yours.shape != expected.shape:
            return ""
        for h, got, want in zip(C4.elements, yours.flatten().tolist(), expected.flatten().tolist(), strict=True):
            if got != want:
                return f"On sheet {h}, {weight} of ψ meets {met(got) or 'nothing'} of f. It should meet {met(want)}."
    return ""


# 4.1 lifting_conv


def _lift_with(turn: Turn) -> Function:
    """Lifting convolution with another idea of how h turns a filter."""

    def lift(f: Tensor, psi: Tensor, group: Group) -> Tensor:
        return torch.cat([lifting_conv(f, turn(h, psi), C1) for h in group.elements], dim=1)

    return lift


def _last_weight_only(psi: Tensor) -> Tensor:
    last = torch.zeros_like(psi)
    last[:, -1, -1, -1] = psi[:, -1, -1, -1]
    return last


def _lift_image(turn: Turn) -> Function:
    """Lifting convolution that turns the image, by turn(h, f), and not the filter."""

    def lift(f: Tensor, psi: Tensor, group: Group) -> Tensor:
        return torch.cat([lifting_conv(turn(h, f), psi, C1) for h in group.elements], dim=1)

    return lift


def _largest_channel(f: Tensor, psi: Tensor, group: Group) -> Tensor:
    by_channel = [lifting_conv(f[c : c + 1], psi[:, c : c + 1], group) for c in range(len(f))]
    return torch.stack(by_channel).amax(dim=0)


def _windows_backward(f: Tensor, psi: Tensor, group: Group) -> Tensor:
    """f[row − a, col − b] where f[row + a, col + b] belongs."""
    k = psi.shape[-1]
    turned_back = psi.flip(-2, -1)
    wrapped = f.roll((k - 1, k - 1), (-2, -1))
    return _lift_with(lambda h, p: act_on_image(h, p))(wrapped, turned_back, group)


def _lift_reshaped(f: Tensor, psi: Tensor, group: Group) -> Tensor:
    sheets = lifting_conv(f, psi, group)
    return sheets.transpose(0, 1).reshape(sheets.shape)


def _source_in_the_image(f: Tensor, psi: Tensor, group: Group) -> Tensor:
    """`source_pixel` with the size of the image, where that of the filter belongs."""
    out = lifting_conv(f, psi, group)
    for o, i, row, col in np.ndindex(*out.shape):
        out[o, i, row, col] = 0
        for c, a, b in np.ndindex(*psi.shape[1:]):
            pixel = source_pixel(group.elements[i], a, b, f.shape[1], f.shape[2])
            out[o, i, row, col] += f[c, row + a, col + b] * psi[(o, c, *pixel)]
    return out


def _unstarred(f: Tensor, psi: Tensor, group: Group) -> Tensor:
    out = f.new_zeros(1)
    out[0] += f[0, 0, 0] * psi[0, 0, source_pixel(group.elements[0], 0, 0, *psi.shape[-2:])]
    return out


def _uncropped(f: Tensor, psi: Tensor, group: Group) -> Tensor:
    missing = psi.shape[-1] - 1
    return F.pad(lifting_conv(f, psi, group), (0, missing, 0, missing))


def _liftings(f: Function, reference: Function) -> None:
    # All in one check: where the image is as small as the filter, turning one looks like turning the other back.
    _one_number_per_sheet(f, reference)
    _lift_more(f, reference)


def _one_number_per_sheet(f: Function, reference: Function) -> None:
    image, psi = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]), torch.tensor([[[[1.0, 10.0], [100.0, 1000.0]]]])
    one_hot = torch.eye(4).reshape(4, 1, 1, 2, 2)
    pixels = "the pixel (0, 0); the pixel (0, 1); the pixel (1, 0); the pixel (1, 1)"
    weights = {name.replace("pixel", "weight"): one for name, one in zip(pixels.split("; "), one_hot, strict=True)}
    because = which_meets_which(f, lifting_conv, 10 ** torch.arange(4.0).reshape(1, 2, 2), weights, pixels)
    for group in (C1, C4, D4):
        compare(f, reference, image, psi, group, because=because)


def _lift_more(f: Function, reference: Function) -> None:
    digits = torch.arange(24.0).reshape(2, 3, 4) * 5 % 7
    compare(f, reference, digits, torch.arange(8.0).reshape(1, 2, 2, 2), C2)
    compare(f, reference, digits, torch.arange(24.0).reshape(3, 2, 2, 2) % 5, D2)
    compare(f, reference, torch.randn(1, 4, 4, dtype=torch.float64), torch.randn(2, 1, 3, 3, dtype=torch.float64), D4)


register(
    "4.1",
    lifting_conv,
    minutes=15,
    difficulty=2,
    checks=[_liftings],
    hints=[
        "Each output value `out[o, i, row, col]` is one sum: over the channels c, and over the window of f whose upper "
        "left pixel is (row, col). If no filter were turned, its terms would be "
        "`f[c, row + a, col + b] * psi[o, c, a, b]`.",
        "In sheet i the filter is turned by `h = group.elements[i]`. At (a, b) the turned filter shows the weight that "
        "ψ has at `source_pixel(h, a, b, k, k)`. The inverse of h is already inside that function.",
        "Write two loops: `for o, i, row, col in np.ndindex(*out.shape)`, and inside it `for c, a, b in "
        "np.ndindex(len(f), k, k)`. Add `f[c, row + a, col + b] * psi[(o, c, *source_pixel(h, a, b, k, k))]` to "
        "`out[o, i, row, col]`.",
    ],
    known_mistakes=[
        (
            _lift_with(lambda h, psi: act_on_image(inverse(h), psi)),
            "The inverse is missing: your filters turn the wrong way. Sheet h needs ψ(h⁻¹(y − t)), which is L_h ψ. "
            "(The same happens if you use `source_pixel` for f, and (a, b) for ψ.)",
        ),
        (
            _lift_image(act_on_image),
            "You turn the image, not the filter, so each sheet shows the image in another position. All sheets "
            "must look at the same image; only ψ turns.",
        ),
        (
            _lift_image(lambda h, f: act_on_image(inverse(h), f)),
            "You turn the image (back by h⁻¹) and leave the result turned, so the same pixel means another place on "
            "each sheet. All sheets must look at the same image; only ψ turns.",
        ),
        (
            lambda f, psi, group: lifting_conv(f, psi[:1].expand_as(psi), group),
            "All output channels use the first filter. Output channel o has a filter of its own, `psi[o]`.",
        ),
        (_lift_reshaped, RESHAPED),
        (_unstarred, UNSTARRED),
        (
            _lift_with(lambda h, psi: _last_weight_only(act_on_image(h, psi))),
            "Only the last term of the sum is left. Add each term to the earlier ones, with `+=` instead of `=`.",
        ),
        (
            lambda f, psi, group: lifting_conv(f[:1], psi[:, :1], group),
            "You use only the first channel. Sum over all channels c.",
        ),
        (
            _lift_with(lambda h, psi: act_on_image(inverse(rotation_only(h)), psi)),
            "Your filters turn the wrong way (clockwise), and the mirrors are missing. `source_pixel` does both right.",
        ),
        (
            lambda f, psi, group: lifting_conv(f, psi, group).mean(dim=1),
            "You take the mean over the sheets. Each h has a sheet of its own in the result: (O, |H|, Y′, X′).",
        ),
        (
            lambda f, psi, group: lifting_conv(f, psi, C4),
            "Your result has four sheets, whatever the group. There is one for each of `group.elements`.",
        ),
        (
            lambda f, psi, group: lifting_conv(F.pad(f, [psi.shape[-1] // 2] * 4), psi, group),
            "You pad the image. This convolution has no padding, so the map gets smaller: Y − k + 1 rows, X − k + 1 "
            "columns.",
        ),
        (
            _source_in_the_image,
            "You give `source_pixel` the size of the image. It has to find a pixel of ψ: give it the size of ψ, k, k.",
        ),
        (number_for_an_element, ELEMENT_NEEDED),
        (
            lambda f, psi, group: lifting_conv(f, psi, group)[..., :-1, :-1],
            "Your result has one row and one column too few. A window of k pixels fits into a row of X pixels at "
            "X − k + 1 places.",
        ),
        (
            _uncropped,
            "Your result is as large as the image. The filter fits in at Y − k + 1 rows and X − k + 1 columns only.",
        ),
        (
            lambda f, psi, group: lifting_conv(f, psi, group)[None],
            "Your result has an axis for the batch. There is only one image here: the result is (O, |H|, Y′, X′).",
        ),
        (
            _lift_with(lambda h, psi: act_on_image(rotation_only(h), psi)),
            "The mirrors are missing: you rotate the filter by h.r, but an element with m = 1 also mirrors it.",
        ),
        (
            _lift_with(mirror_first),
            "The order is wrong: (m, r) first rotates, then mirrors. `source_pixel` does both in the right order.",
        ),
        (
            _lift_with(lambda h, psi: act_on_image(h, psi).transpose(-2, -1)),
            "Rows and columns are swapped in your turned filter. `source_pixel` returns (row, column), in this order.",
        ),
        (
            _lift_with(lambda h, psi: act_on_image(h, psi.transpose(-2, -1))),
            "Rows and columns of ψ are swapped. `source_pixel` returns (row, column), in this order.",
        ),
        (
            _lift_with(lambda h, psi: act_on_image(h, psi) / psi.shape[1]),
            "You take the mean over the channels. Add them up: the sum runs over all channels c.",
        ),
        (
            _windows_backward,
            "Your window runs up and to the left of (row, col), and negative indices take pixels from the other end of "
            "the image. It begins at (row, col): use `row + a` and `col + b`.",
        ),
        (_largest_channel, "You take the largest of the channels. Add them up: the sum runs over all channels c."),
        (
            lambda f, psi, group: lifting_conv(f, psi, group).sum(dim=1, keepdim=True),
            "You add up the sheets. Each h has a sheet of its own in the result: (O, |H|, Y′, X′).",
        ),
        (
            lambda f, psi, group: lifting_conv(f, psi, group).amax(dim=1, keepdim=True),
            "You keep only the largest of the sheets. Each h has a sheet of its own in the result: (O, |H|, Y′, X′).",
        ),
        (_lift_with(lambda h, psi: psi), "All your sheets are the same, because the filter is not turned."),
        (
            lambda f, psi, group: lifting_conv(f, psi.flip(-2, -1), group),
            "Your filter is turned by 180°. That gives ψ(t − y), the convolution of mathematics; we use ψ(y − t).",
        ),
        (
            lambda f, psi, group: lifting_conv(f, psi, group).transpose(0, 1),
            "The first two axes are swapped: the result is (O, |H|, Y′, X′), the group axis second.",
        ),
    ],
)
