"""Exercise 8.6 of notebook 08: an E4 layer that costs no more than a group convolution. Many answers are right."""

from course_lib.counting import e4_macs, e4_weights, e4_within_budget, filter_weights
from course_lib.exercises import Function, register
from course_lib.exercises.comparing import Mistake, call

CASES = ((16, 4), (16, 8), (64, 4), (64, 8), (16, 1), (8, 1))


def _fits(f: Function, reference: Function) -> None:
    for channels, order in CASES:
        example = {"channels": channels, "order": order}
        answer = call(f, channels, order, example=example)
        if problem := _not_a_layer(answer, channels) or _too_expensive(answer, channels, order):
            raise Mistake(problem, {**example, "yours (k, s, r)": answer, "for example": reference(channels, order)})


def _not_a_layer(answer: object, channels: int) -> str | None:
    """What keeps this answer from being an E4 layer at all."""
    if not isinstance(answer, (tuple, list)) or len(answer) != 3 or not all(type(n) is int for n in answer):
        return f"Return three integers (k, s, r). Your function returned {answer!r}."
    k, slices, reduction = answer
    if min(answer) < 1:
        return f"k, s and r must be at least 1. Your function returned {answer}."
    if k % 2 == 0:
        return f"k = {k} is even, so no pixel is in the middle of the window. Choose an odd k."
    if k < 5:
        return f"k = {k} is too small: the task asks for a window of at least 5 × 5."
    if channels % slices:
        return f"s = {slices} does not divide {channels} channels into equal slices."
    if channels % reduction:
        return f"r = {reduction} does not divide {channels}, so C/r is not a whole number of hidden channels."
    hidden = channels // reduction
    if hidden < 4:
        return f"With r = {reduction} the hidden layer has only {hidden} of the {channels} channels. Keep at least 4."
    return None


def _too_expensive(answer: tuple[int, int, int], channels: int, order: int) -> str | None:
    limit = filter_weights("full", channels, channels, order, 3)
    weights = e4_weights(channels, channels, order, *answer)
    macs = e4_macs(channels, channels, order, *answer, 1, 1)
    window = answer[0] ** 2
    parts = f"W₁ and W₃ have {weights - window * answer[1] * (channels // answer[2]):,} of them, W₂ the rest"
    if weights > limit:
        return f"Your layer has {weights:,} weights, the group convolution {limit:,}. {parts}: make W₂ smaller."
    if macs > order * limit:
        return (
            f"The weights fit, but at each pixel your layer needs {macs:,} multiply-accumulates and the group "
            f"convolution {order * limit:,}. Did you forget the aggregation? However few weights there are, it takes "
            f"k²·c = {window * channels:,} products at each g."
        )
    return None


register(
    "8.6",
    e4_within_budget,
    minutes=12,
    difficulty=2,
    checks=[_fits],
    hints=[
        "Which of the two limits is the tighter one when order is 1? Compute both for c = 8, k = 5, s = 1, r = 1.",
        "Small s and large r make W₁ and W₂ cheap. If 4 divides the channels, the largest r that leaves four hidden "
        "ones is `channels // 4`.",
        "Either search: three loops over k, s and r that keep what fits. Or think: with s = 1 and r = c/4, is k = 5 "
        "always possible?",
    ],
)
