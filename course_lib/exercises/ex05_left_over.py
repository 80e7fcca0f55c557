"""Exercise 5.1 of notebook 05: how many pixels a stride leaves over."""

from functools import partial

from course_lib.exercises import compare, register
from course_lib.exercises.registry import Function
from course_lib.layers.base import left_over


def _left_over_of_layers(f: Function, reference: Function) -> None:
    for case in [
        (7, 2, 2),
        (6, 2, 2),
        (32, 3, 2, 1),
        (33, 3, 2, 1),
        (9, 3, 3, 1),
        (10, 4, 3, 1),
        (11, 2, 3),
        (9, 2, 3),
        (8, 5, 4),
    ]:
        compare(f, reference, *case, because=partial(_broken_rule, f))


def _broken_rule(f: Function, _expected: object, yours: object) -> str:
    """The first rule that the answer breaks. Together the rules say what is left over."""
    if not isinstance(yours, int):
        return ""
    layers = (2, 2), (3, 2), (2, 3), (4, 3)
    if any((n := f(window, window, stride)) != 0 for window, stride in layers):
        return f"A row of exactly one window leaves nothing over, but your function says {n}."
    if any(f(window + i, window, stride) != i for window, stride in layers for i in range(1, stride)):
        return "Pixels after the first window that are too few for a whole stride must all be left over."
    if any(f(window + steps * stride + 1, window, stride) != 1 for window, stride in layers for steps in (1, 2)):
        return "A row that is longer by one stride has room for one window more, and must leave as much over as before."
    return "With padding the row is longer, by `padding` pixels at *each* end, and the windows start at its new border."


SIDE_BY_SIDE = (
    "You divide by the window, as if the windows were side by side. How far apart do two neighboring windows begin?"
)

register(
    "5.1",
    left_over,
    minutes=5,
    difficulty=1,
    checks=[_left_over_of_layers],
    hints=[
        "Padding makes the row longer at *both* ends. The first window covers `window` pixels of it, and every further "
        "window reaches `stride` pixels further.",
        "After the first window, size + 2·padding − window pixels are left. Take away as many whole strides as you "
        "can. What remains? Python's `%` gives the remainder.",
    ],
    known_mistakes=[
        (
            lambda size, window, stride, padding=0: (size + 2 * padding - window) / stride,
            "`/` divides, and gives the number of steps as a decimal number. What is left over is the remainder, `%`.",
        ),
        (
            lambda size, window, stride, padding=0: stride - (size + 2 * padding - window) % stride,
            "That is how many pixels are missing for one more window. The question is how many are left over.",
        ),
        (
            lambda size, window, stride, padding=0: (size - window) % stride,
            "The padding is missing: the windows also walk over the zeros, and there are `padding` of them at each "
            "end.",
        ),
        (
            lambda size, window, stride, padding=0: (size + padding - window) % stride,
            "You count the padding once. It is added at both ends, so the row has size + 2·padding pixels.",
        ),
        (
            lambda size, window, stride, padding=0: (size + 2 * padding) % stride,
            "The window is missing: the first window covers `window` pixels, and only the pixels after it are reached "
            "in steps.",
        ),
        (
            lambda size, window, stride, padding=0: (size + 2 * padding - window + 1) % stride,
            "You are off by one: after the first window, size + 2·padding − window pixels are left, not one more.",
        ),
        (
            lambda size, window, stride, padding=0: (window - size - 2 * padding) % stride,
            "The sign is wrong: you ask how many pixels are missing for one more window. What is left over is "
            "(size + 2·padding − window), modulo the stride.",
        ),
        (
            lambda size, window, stride, padding=0: (size + 2 * padding - window) % stride + padding,
            "The padding is counted already: it is a part of the row that the windows cover.",
        ),
        (
            lambda size, window, stride, padding=0: (size + 2 * padding - window) % stride == 0,
            "You say whether the windows fit. Return how many pixels are left over.",
        ),
        (
            lambda size, window, stride, padding=0: (size - window) // stride,
            "That is the number of steps, without padding. The question is what is left over: the remainder, `%`.",
        ),
        (
            lambda size, window, stride, padding=0: (size + 2 * padding - stride) % window,
            "Window and stride are swapped: the first window covers `window` pixels, and further ones are `stride` "
            "apart.",
        ),
        (
            lambda size, window, stride, padding=0: (size + 2 * padding) % (window + stride),
            "You divide by window + stride, as if there were gaps. Windows begin `stride` pixels apart, and may "
            "overlap.",
        ),
        (
            lambda size, window, stride, padding=0: size + 2 * padding - window - stride,
            "You take away the stride only once. Take it away as often as it fits: the remainder, `%`.",
        ),
        (
            lambda size, window, stride, padding=0: size + 2 * padding - window,
            "That is what is left after the first window. Further windows follow, `stride` pixels apart.",
        ),
        (
            lambda size, window, stride, padding=0: size % stride,
            "That is only the remainder of the size: the window and the padding are missing.",
        ),
        (
            lambda size, window, stride, padding=0: (size + 2 * padding - window) % window,
            SIDE_BY_SIDE,
        ),
        (
            lambda size, window, stride, padding=0: (size + 2 * padding) % window,
            SIDE_BY_SIDE,
        ),
        (lambda size, window, stride, padding=0: size % window, SIDE_BY_SIDE),
        (
            lambda size, window, stride, padding=0: size + 2 * padding - window % stride,
            "Python computes `%` before `+` and `-`. Put size + 2·padding − window in brackets.",
        ),
        (
            lambda size, window, stride, padding=0: size - window - stride * ((size + 2 * padding - window) // stride),
            "You count the steps with the padding, but take them away from a row without it. The row has size + "
            "2·padding pixels.",
        ),
        (
            lambda size, window, stride, padding=0: (
                size + 2 * padding - window * ((size + 2 * padding - window) // stride + 1)
            ),
            "You take away a whole window for each step. Neighboring windows overlap where the stride is smaller than "
            "the window, and the pixels in the overlap count only once.",
        ),
        (
            lambda size, window, stride, padding=0: (
                size + 2 * padding - stride * ((size + 2 * padding - window) // stride + 1)
            ),
            "You take away one stride for each window. The last window reaches further: it covers `window` pixels, not "
            "`stride`.",
        ),
        (
            lambda size, window, stride, padding=0: max(0, (size + 2 * padding - window) % stride - padding),
            "You take the padding away at the end. Zeros of the padding that no window reaches are left over, too.",
        ),
        (
            lambda size, window, stride, padding=0: size - (size + 2 * padding - window) // stride - 1,
            "You take away one pixel for each window. Neighboring windows begin `stride` pixels apart: the remainder, "
            "`%`.",
        ),
        (
            lambda size, window, stride, padding=0: (size + 2 * padding - window) // stride,
            "That is the number of steps. The question is what is left over after them: the remainder, `%`.",
        ),
        (
            lambda size, window, stride, padding=0: (size + 2 * padding - window) // stride + 1,
            "That is the number of windows, the size of the output. The question is what no window reaches.",
        ),
    ],
)
