"""Exercise 4.4 of notebook 04, which has many answers: a filter on the group that prefers T-junctions."""

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.exercises import Mistake, call, register
from course_lib.exercises.registry import Function
from course_lib.groups import C4
from course_lib.layers import group_filter_bank, lifting_filter_bank

LARGEST = 5  # the maps of `arms` have 5 × 5 pixels
MARGIN = 0.9


def shape_of_arms(*directions: int) -> Tensor:
    """An image (7, 7): strokes of ink 1 that leave the center in these directions; 0 is right, 1 up, 2 left, 3 down."""
    image = torch.zeros(7, 7)
    image[3, 3:6] = 1.0
    strokes = [image.rot90(direction) for direction in directions]
    return torch.stack(strokes).amax(dim=0)


SHAPES = {
    "line": shape_of_arms(0, 2),
    "corner": shape_of_arms(0, 1),
    "T": shape_of_arms(0, 2, 3),
    "cross": shape_of_arms(0, 1, 2, 3),
}


def arms(image: Tensor) -> Tensor:
    """A feature map on C4 (4, Y − 2, X − 2): sheet h is 1 where a stroke of ink 1 leaves the pixel in the direction h.

    A lifting convolution whose filter adds the pixel and its right neighbor, then −1, then ReLU.
    """
    arm = torch.zeros(1, 1, 3, 3)
    arm[..., 1, 1:] = 1.0
    sheets = F.conv2d(image[None], lifting_filter_bank(arm, C4)[0])
    return (sheets - 1).relu()


def score(image: Tensor, psi: Tensor) -> float:
    """The largest value of the group convolution of arms(image) with ψ (1, 1, 4, k, k), over all places and sheets."""
    return F.conv2d(arms(image), group_filter_bank(psi.to(image.dtype), C4)[0, :, 0]).max().item()


def t_junction_filter() -> Tensor:
    """A filter on C4, (1, 1, 4, k, k) with k at most 5, that gives a T a higher score than the other three shapes."""
    return torch.tensor([1.0, -1.0, 1.0, 1.0]).reshape(1, 1, 4, 1, 1)


REASONS = {
    "cross": "A cross has all the strokes of a T, and one more. What in your filter objects to the fourth stroke?",
    "corner": "A corner has two strokes at a right angle. Let the third stroke of the T count as well.",
    "line": "A line has two opposite strokes. Let the third stroke of the T count as well.",
}


def _prefers_t(f: Function, _reference: Function) -> None:
    psi = call(f)
    if not isinstance(psi, Tensor):
        raise Mistake(f"Your function returned a {type(psi).__name__}, expected a tensor of shape (1, 1, 4, k, k).")
    if psi.shape[:3] != (1, 1, 4) or psi.ndim != 5 or psi.shape[3] != psi.shape[4] or not 1 <= psi.shape[3] <= LARGEST:
        raise Mistake(
            f"Your filter has shape {tuple(psi.shape)}, expected (1, 1, 4, k, k), with k from 1 to {LARGEST}. For a "
            "list of four weights, one for each sheet, use .reshape(1, 1, 4, 1, 1)."
        )
    if not psi.isfinite().all():
        raise Mistake("Your filter has weights that are infinite or nan.")
    scores = {name: score(image, psi.detach()) for name, image in SHAPES.items()}
    others = {name: value for name, value in scores.items() if name != "T"}
    rival = max(others, key=others.__getitem__)
    if scores["T"] <= 0:
        raise Mistake(
            f"The T scores {scores['T']:.3g}, but its score should be positive. Which sheets of `arms` are 1 at the "
            "center of a T?",
            {"weights": psi.detach()},
        )
    used = [str(h) for h, sheet in zip(C4.elements, psi[0, 0], strict=True) if sheet.any()]
    if len(used) == 1:  # then the cross, which has every stroke of the T, scores as much
        raise Mistake(
            f"Only sheet {used[0]} of your filter has weights other than 0. A sheet of `arms` shows the strokes of one "
            "direction, so a T is not drawn on one sheet: its three strokes are on three of them.",
            {"weights": psi.detach()},
        )
    if others[rival] > MARGIN * scores["T"]:
        raise Mistake(
            f"The {rival} scores {others[rival]:.3g} and the T {scores['T']:.3g}, but the T should lead by at least a "
            f"tenth of its score. {REASONS[rival]}",
            {"weights": psi.detach()},
        )


register(
    "4.4",
    t_junction_filter,
    minutes=10,
    difficulty=2,
    checks=[_prefers_t],
    hints=[
        "Begin with k = 1: four weights, one for each sheet. At the center of the T above, the sheets e, r² and r³ of "
        "`arms` are 1, and r is 0. Which weights make the sum large there?",
        "The cross has all the strokes of the T. So the fourth direction needs a weight that *lowers* the sum. Give "
        "the three strokes equal weights, or a corner or a line may catch up.",
        "`torch.tensor([1.0, -1.0, 1.0, 1.0]).reshape(1, 1, 4, 1, 1)` gives the T 3, and the cross, the corner and the "
        "line 2.",
    ],
)
