"""Exercise 11.5 of notebook 11, with many right answers: a network of one's own that is to beat P4CNN."""

from typing import Any

import torch
from torch import nn

from course_lib.checks import diagnose
from course_lib.checks.unequal import make_unequal
from course_lib.exercises import Function, Mistake, call, register
from course_lib.exercises.comparing import in_one_line
from course_lib.groups import C4
from course_lib.layers import E4Layer, GCSeparableConv2d
from course_lib.models import p4cnn_linear

MOST = 25_000


def contender() -> nn.Module:
    """Your network: (B, 1, 28, 28) → (B, 10), at most 25,000 parameters, the same answer for all quarter turns.

    Example: the library's answer is P4CNN with gc-separable convolutions and 30 channels; it has 24,640 parameters.
    """
    return p4cnn_linear(C4, width=30, conv=GCSeparableConv2d)


def _is_a_network(f: Function, reference: Function) -> None:
    net = call(f)
    if isinstance(net, type):
        raise Mistake(f"Your function returned the class {net.__name__}. Return a network: call the class.")
    if not isinstance(net, nn.Module):
        raise Mistake(f"Your function returned a {type(net).__name__}; expected a network, that is, an nn.Module.")
    scores = _scores(
        net, torch.randn(2, 1, 28, 28)
    )  # before counting: lazy layers make their parameters at the first call
    count = sum(p.numel() for p in net.parameters())
    if count == 0:
        raise Mistake("Your network has no parameters, so there is nothing to train.")
    if count > MOST:
        raise Mistake(
            f"Your network has {count:,} parameters; at most {MOST:,} are allowed. Make it narrower: with half of the "
            "channels, most layers have a quarter of the parameters."
        )
    if not isinstance(scores, torch.Tensor) or scores.shape != (2, 10):
        got = tuple(scores.shape) if isinstance(scores, torch.Tensor) else type(scores).__name__
        raise Mistake(f"For two images your network returns {got}; expected scores of shape (2, 10), one per digit.")
    if (scores >= 0).all() and torch.allclose(scores.sum(dim=1), torch.ones(2)):
        raise Mistake(
            "Your network ends with a softmax. Return the scores: the loss of `train_step` has the softmax in it."
        )


def _scores(net: nn.Module, images: torch.Tensor) -> Any:
    try:
        with torch.no_grad():
            return net.eval()(images)
    except Exception as error:
        told = f"Your network stopped at images of shape {tuple(images.shape)}. {in_one_line(error)}"
        if "4D" in str(error):  # what PyTorch's convolutions, norms and pools for images say
            told += ". Here a layer for images meets a map (B, C, |H|, Y, X): take the one of `course_lib.layers`."
        raise Mistake(told) from error


def _is_invariant(f: Function, reference: Function) -> None:
    net, images = f(), torch.randn(2, 1, 28, 28)
    make_unequal(net, torch.Generator().manual_seed(0))  # fresh norms hide that they differ between orientations
    scores, turned = _scores(net, images), _scores(net, images.rot90(dims=(-2, -1)))
    if torch.allclose(scores, turned, atol=1e-4 * float(scores.abs().max())):
        return
    found = diagnose(f(), C4, (1, 28, 28)).first
    if found is None:
        raise Mistake(
            "The scores change when the image is turned, although no single layer is at fault. Look at how your "
            "network combines its layers, and whether it ends with a pool over the group."
        )
    raise Mistake(
        f"The scores change when the image is turned. Layer {found.layer!r} breaks the symmetry first. "
        f"Cause: {found.cause}. Cure: {found.cure}."
    )


def _compile_e4() -> None:
    """One image through an E4 layer in both precisions: Numba compiles its loops for as long as a check may take."""
    for dtype in (torch.float32, torch.float64):
        layer = E4Layer(C4, 1, 1, 3).to(dtype)
        layer(torch.zeros(1, 1, 4, 5, 5, dtype=dtype)).sum().backward()


register(
    "11.5",
    contender,
    minutes=25,
    difficulty=3,
    checks=[_is_a_network, _is_invariant],
    hints=[
        "Start from what you have: `p4cnn_linear(group, width=…, conv=…)` or `e4net(group, width)` of "
        "`course_lib.models`, or layers of your own in an `EquivariantSequential`. "
        "`sum(p.numel() for p in net.parameters())` counts.",
        "More channels fit into the same 25,000 parameters if filters share more (notebook 06) or if the data writes "
        "them (notebook 08). On a larger group fewer channels fit, each with more sheets, and a step takes longer.",
        "Ten minutes are short. A network that needs half the time for a step takes twice as many of them: "
        "`python -m course_lib counts rotated-mnist` lists the operations of the networks that you know.",
    ],
    warm_up=_compile_e4,
)
