"""Exercise 5.2 of notebook 05: the sizes at which every layer of a network is exact."""

import math
from collections.abc import Callable, Iterable, Sequence

from course_lib.exercises import compare, register
from course_lib.exercises.registry import Function
from course_lib.layers.base import exact_sizes, left_over

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


def _once_for_each_layer(layers: Layers, sizes: Iterable[int]) -> list[int]:
    return [n for n in sizes for i in range(len(layers)) if _sizes(layers[: i + 1], [n])]


def _one_size_for_all(layers: Layers, sizes: Iterable[int]) -> list[int]:
    found, size = [], next(iter(sizes))
    for first in sizes:
        for layer in layers:
            if size + 2 * layer[2] < layer[0] or left_over(size, *layer):
                break
            size = _output(size, *layer)
        else:
            found.append(first)
    return found


def _has_room_to_spare(layers: Layers, size: int) -> bool:
    for window, stride, padding in layers:
        if size + 2 * padding == window:
            return False
        size = _output(size, window, stride, padding)
    return True


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
    pool, strided, conv, wide = (2, 2, 0), (3, 2, 1), (3, 1, 0), (5, 3, 2)
    for layers, because in (
        ([pool], "This is a single layer without padding."),
        ([wide], "This is a single layer, with padding. Ask `left_over(size, window, stride, padding)`."),
        ([pool, pool], "A single layer is right. The second one gets what the first one hands on."),
        ([wide, pool], "Without padding two layers are right. The padding of the first changes what it hands on."),
        ([strided, pool], ""),
        ([pool, strided], ""),
        ([conv, pool, conv, pool], ""),
        ([strided] * 3, ""),
    ):
        compare(f, reference, layers, range(20, 36), because=because)
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
            lambda layers, sizes: _sizes(
                layers, sizes, output=lambda size, window, stride, padding: (size - window) // stride + 1
            ),
            "The padding is missing in the output: it is (size + 2·padding − window) // stride + 1.",
        ),
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
        (
            _once_for_each_layer,
            "You append a size once for each layer that fits. Append it once, after the loop over the layers.",
        ),
        (
            _one_size_for_all,
            "You set the size before the loop over `sizes`, so every round goes on with what the last one left. Set it "
            "inside that loop.",
        ),
        (
            lambda layers, sizes: exact_sizes([(window, padding, stride) for window, stride, padding in layers], sizes),
            "You unpack a layer in the wrong order: it is (window, stride, padding).",
        ),
        (
            lambda layers, sizes: [n for n in exact_sizes(layers, sizes) if _has_room_to_spare(layers, n)],
            "You leave out maps that are exactly as large as the window. They fit: there is room for one window.",
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
