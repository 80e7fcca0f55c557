"""Exercise 3.6 of notebook 03: an equivariant function to invent."""

import math

import torch
from torch import Tensor

from course_lib.actions import act_on_image
from course_lib.checks import relative_error
from course_lib.exercises import Mistake, call, register
from course_lib.exercises.registry import Function
from course_lib.groups import D4, Element


def equivariant_function(x: Tensor) -> Tensor:
    """How steep the image is at each pixel, whatever the direction: the length of its gradient.

    A quarter turn swaps the two differences, up to signs, and the sum of their squares does not change.
    """
    across = x[..., 1:-1, 2:] - x[..., 1:-1, :-2]
    up = x[..., :-2, 1:-1] - x[..., 2:, 1:-1]
    return (across.square() + up.square()).sqrt()


ABOUT_X = (
    "(x is in float64: make your filters with dtype=x.dtype. "
    "It need not be square: then a quarter turn changes its shape.)"
)


def _equivariant_at_every_size(f: Function, reference: Function) -> None:
    """Any function that keeps the promise will do, so it is measured, not compared."""
    errors = {size: _errors(f, size) for size in ((6, 6), (7, 7), (5, 7))}
    for (height, width), found in errors.items():
        if broken := [g for g in D4.elements if found[g] > 1e-8]:
            exact = [f"{a} × {b}" for (a, b), others in errors.items() if max(others.values()) <= 1e-8]
            raise Mistake(
                f"Your function is not equivariant: under {broken[0]} the two ways differ, with a relative error of "
                f"{found[broken[0]]:.2f}. {_cause(broken, exact)}",
                {"x": f"noise of size {height} × {width}", "g": broken[0]},
            )


def _errors(f: Function, size: tuple[int, int]) -> dict[Element, float]:
    """The error under each element of D4, on noise of this size."""
    x, shown = torch.randn(2, 1, *size, dtype=torch.float64), {"x": f"noise of size {size[0]} × {size[1]}"}
    y = call(f, x.clone(), example=shown, because=ABOUT_X)
    if not isinstance(y, Tensor) or y.ndim != 4 or len(y) != 2 or not y.numel():
        raise Mistake("Your function should return images of shape (B, C', Y', X').", shown, yours=y)
    if not torch.equal(call(f, x.clone(), example=shown), y):
        raise Mistake("Your function gives another answer when it is called again. Fix its random numbers.", shown)
    if 0 < y.abs().max() < 1e-12:
        raise Mistake(
            "Your function is 0 for every image, up to rounding: its terms cancel, as the weights of the edge filter "
            "do in the mean over D4.",
            shown,
            yours=y,
        )
    errors = {}
    for g in D4.elements:
        got, expected = call(f, act_on_image(g, x), example=shown | {"g": g}), act_on_image(g, y)
        errors[g] = relative_error(got, expected) if got.shape == expected.shape else math.inf
    return errors


def _cause(broken: list[Element], exact_sizes: list[str]) -> str:
    """Where to look, from what is exact and what is not."""
    if exact_sizes:
        return f"On {exact_sizes[0]} pixels it is exact: is there a stride that leaves pixels over at other sizes?"
    if all(g.m for g in broken):
        return "Under the four rotations it is exact, under mirrors it is not. Treat all eight elements of D4 alike."
    if all(g.r % 2 for g in broken):
        return "Only the quarter turns break it: some step treats rows and columns differently."
    return "Look for a step that prefers one axis, one side or one corner, such as a filter without symmetry."


def _neither_pointwise_nor_linear(f: Function, reference: Function) -> None:
    x, y = torch.randn(2, 1, 1, 6, 6, dtype=torch.float64)
    one_pixel_changed = x + 5 * torch.eye(36, dtype=torch.float64).reshape(36, 1, 6, 6)
    changes = (call(f, one_pixel_changed) - call(f, x)).abs() > 1e-9
    if not changes.any():
        raise Mistake("Your function gives the same answer for every image. That is equivariant, but of no use.")
    if changes.sum(dim=0).max() == 1:
        raise Mistake(
            "Your function is pointwise: each output pixel depends on one input pixel only. Combine neighbors, for "
            "example all pixels of a window."
        )
    constant = call(f, torch.zeros_like(x))
    if relative_error(call(f, x) + call(f, y) - constant, call(f, x + y)) < 1e-8:
        raise Mistake(
            "Your function is linear: f(x + y) = f(x) + f(y), up to a constant. Such functions are blind to "
            "orientation, as the symmetric filter is. Put something nonlinear into it, such as a maximum or a square."
        )


register(
    "3.6",
    equivariant_function,
    minutes=12,
    difficulty=3,
    checks=[_equivariant_at_every_size, _neither_pointwise_nor_linear],
    hints=[
        "Equivariant functions can be put together: apply one after the other, or add them up, and the result is "
        "equivariant again. Which ones have you seen?",
        "Anything that treats a window the same from all sides will do: its maximum, its median, its variance. Use "
        "stride 1. Or take the answers of all turned copies of a filter, and combine them in a way in which their "
        "order does not matter.",
        "For example `F.max_pool2d(x, 3, stride=1)`, or `(F.avg_pool2d(x, 3, 1) - 0.2).relu()`, or the sum of the "
        "squares of `F.conv2d(x, act_on_image(h, psi))` over all h in D4, with `psi` in the precision of x.",
    ],
)
