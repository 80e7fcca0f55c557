"""Exercises 5.1 and 5.2 of notebook 05: the sizes at which a stride is exact."""

import math
from collections.abc import Callable, Iterable, Sequence

from course_lib.exercises import compare, register
from course_lib.exercises.registry import Function
from course_lib.layers.base import exact_sizes, left_over

# 5.1 left_over


def _left_over_of_layers(f: Function, reference: Function) -> None:
    for case in [
        (7, 2, 2),
        (6, 2, 2),
        (32, 3, 2, 1),
        (33, 3, 2, 1),
        (9, 3, 3, 1),
        (10, 4, 3, 1),
        (11, 2, 3),
        (8, 5, 4),
    ]:
        compare(f, reference, *case)


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

# 5.2 exact_sizes

Layers = Sequence[tuple[int, int, int]]


def _output(size: int, window: int, stride: int, padding: int) -> int:
    return (size + 2 * padding - window) // stride + 1


def _sizes(layers: Layers, sizes: Iterable[int], output: Function = _output, too_small: bool = False) -> list[int]:
    """As the reference, with another rule for what a layer puts out, or without care for maps that are too small."""
    found = []
    for first in sizes:
        size, fits = first, True
        for layer in layers:
            fits = fits and left_over(size, *layer) == 0 and (too_small or size + 2 * layer[2] >= layer[0])
            size = output(size, *layer)
        if fits:
            found.append(first)
    return found


def _sizes_by_answers(combine: Callable[[list[bool]], bool], too_small: bool = False) -> Function:
    """A wrong `exact_sizes`: `combine` makes one answer of those of the layers, whether each of them fits."""

    def wrong(layers: Layers, sizes: Iterable[int]) -> list[int]:
        found = []
        for first in sizes:
            size, answers = first, []
            for layer in layers:
                answers.append(left_over(size, *layer) == 0 and (too_small or size + 2 * layer[2] >= layer[0]))
                size = _output(size, *layer)
            if combine(answers):
                found.append(first)
        return found

    return wrong


def _the_last(answers: list[bool]) -> bool:
    return answers[-1]


ONLY_THE_LAST = "You ask only the last layer. Every layer must leave nothing over."
SOME_LAYER = "You keep a size if *some* layer leaves nothing over. Every layer must."


def _after_the_layers(layers: Layers, sizes: Iterable[int]) -> list[int]:
    outputs = []
    for size in exact_sizes(layers, sizes):
        for layer in layers:
            size = _output(size, *layer)
        outputs.append(size)
    return outputs


def _sizes_of_rows_of_layers(f: Function, reference: Function) -> None:
    pool, strided, conv = (2, 2, 0), (3, 2, 1), (3, 1, 0)
    for layers in ([pool], [pool, pool], [strided, pool], [pool, strided], [conv, pool, conv, pool], [strided] * 3):
        compare(f, reference, layers, range(20, 36))
    compare(f, reference, [(5, 3, 0), pool], range(1, 30))
    compare(f, reference, [(5, 2, 0)], range(1, 9), because="A map that is smaller than the window does not fit.")
    compare(f, reference, [strided], range(1, 9), because="One pixel between two zeros has room for a window of 3.")


register(
    "5.2",
    exact_sizes,
    minutes=10,
    difficulty=2,
    checks=[_sizes_of_rows_of_layers],
    hints=[
        "Follow one size through all layers. Does a layer leave something over? How many pixels does it hand on?",
        "A layer hands on one pixel for each window, `(size + 2 * padding - window) // stride + 1`. The next layer "
        "sees that size, not the first one.",
        "Two loops: over `sizes`, keeping the first size to append it; and over `layers`, with `size` changing. A size "
        "fits if *every* layer has `left_over(...) == 0`, and `size + 2 * padding` is never smaller than the window.",
    ],
    known_mistakes=[
        (
            lambda layers, sizes: _sizes(layers, sizes, output=lambda size, *layer: size),
            "You ask every layer about the first size. But each layer makes the map smaller for the next one.",
        ),
        (
            lambda layers, sizes: _sizes(
                layers, sizes, output=lambda size, window, stride, padding: (size + 2 * padding - window) // stride
            ),
            "The output is one pixel too small. That is the number of steps after the first window, so add 1.",
        ),
        (
            lambda layers, sizes: _sizes(layers, sizes, output=lambda size, window, stride, padding: size // stride),
            "The output is not size // stride: it is (size + 2·padding − window) // stride + 1.",
        ),
        (
            lambda layers, sizes: [n for n in sizes if n not in _sizes(layers, [n])],
            "Those are the sizes that do *not* fit.",
        ),
        (
            _after_the_layers,
            "Those are the sizes after the layers. Return the sizes of the input: keep the first size.",
        ),
        (
            lambda layers, sizes: _sizes(layers, sizes, too_small=True),
            "A map that is smaller than the window slips through. It has no room for any window, so that size does "
            "not fit.",
        ),
        (
            lambda layers, sizes: [n for n in exact_sizes(layers, sizes) if n >= layers[0][0]],
            "Padding counts: a window has size + 2·padding pixels to cover, not only size pixels.",
        ),
        (
            lambda layers, sizes: exact_sizes(layers[::-1], sizes),
            "You go through the layers in reverse order. The first layer gets the image.",
        ),
        (
            lambda layers, sizes: [n for n in sizes if n % math.prod(stride for _, stride, _ in layers) == 0],
            "You ask whether the product of the strides divides the size. That is right for pools whose window is "
            "their stride; other windows and padding count, too.",
        ),
        (
            lambda layers, sizes: [n in _sizes(layers, [n]) for n in sizes],
            "You say yes or no for each size. Return the list of the sizes that fit.",
        ),
        (
            lambda layers, sizes: [n for n in sizes if sum(left_over(n, *layer) for layer in layers) == 0],
            "You ask every layer about the first size. But each layer makes the map smaller for the next one.",
        ),
        (
            lambda layers, sizes: len(exact_sizes(layers, sizes)),
            "That is how many sizes fit. Return the sizes themselves.",
        ),
        (
            lambda layers, sizes: _sizes(
                layers, sizes, output=lambda size, window, stride, padding: (size + padding - window) // stride + 1
            ),
            "You count the padding once in the output. It is added at both ends: (size + 2·padding − window) // stride "
            "+ 1.",
        ),
        (lambda layers, sizes: exact_sizes(layers[-1:], sizes), ONLY_THE_LAST),
        (_sizes_by_answers(_the_last), ONLY_THE_LAST),
        (_sizes_by_answers(_the_last, too_small=True), ONLY_THE_LAST),
        (_sizes_by_answers(any), SOME_LAYER),
        (_sizes_by_answers(any, too_small=True), SOME_LAYER),
        (
            lambda layers, sizes: exact_sizes(layers[:1], sizes),
            "You ask only the first layer. Every layer must leave nothing over.",
        ),
    ],
)
