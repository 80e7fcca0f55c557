"""Exercise 2.2 of notebook 02: where a pixel of a moved image comes from."""

from numbers import Integral

import numpy as np

from course_lib.exercises import Function, Mistake, call, compare, register
from course_lib.exercises.symmetries import wrong_move
from course_lib.groups import D4, IDENTITY, Element, inverse, matrix
from course_lib.oracles import source_pixel

R = Element(0, 1)
# What is known about an answer that has come as far as this size.
SIZES = {
    (3, 3): "",
    (2, 2): "You are right for 3 × 3 pixels. But the center of an even size lies between pixels. ",
    (2, 3): "You are right for squares. But here L_g f is 2 × 3, and after a quarter turn f is 3 × 2. ",
}
Pixels = dict[tuple[int, int], tuple[int, ...]]

FLOATS = (
    "The numbers of your pixel are floats, which cannot be an array index. Doubled coordinates stay integers; or "
    "convert both numbers to `int` at the end."
)


def _whole_numbers(f: Function, reference: Function) -> None:
    pixel = call(f, R, 0, 1, 3, 3)
    if isinstance(pixel, tuple) and any(isinstance(number, float) for number in pixel):
        raise Mistake(FLOATS, dict(g=R, row=0, col=1, height=3, width=3), reference(R, 0, 1, 3, 3), pixel)


def _every_size(f: Function, reference: Function) -> None:
    # All in one check: a mistake is named only if it explains every answer, and on odd squares several look alike.
    for size, so_far in SIZES.items():
        for g in D4.elements:
            _explain_the_pixels(f, reference, g, size, so_far)
            for pixel in np.ndindex(size):
                compare(f, reference, g, *pixel, *size)


def _explain_the_pixels(f: Function, reference: Function, g: Element, size: tuple[int, int], so_far: str) -> None:
    """For an answer that nobody listed: whether the turn is wrong, or the way to (x, y) and back."""
    expected: Pixels = {}
    yours: Pixels = {}
    for row, col in np.ndindex(size):
        example = dict(g=g, row=row, col=col, height=size[0], width=size[1])
        expected[row, col] = reference(g, row, col, *size)
        yours[row, col] = call(f, g, row, col, *size, example=example)
        if not isinstance(yours[row, col], tuple) or not all(isinstance(n, Integral) for n in yours[row, col]):
            return
    for (row, col), pixel in yours.items():
        if pixel != expected[row, col]:
            example = dict(g=g, row=row, col=col, height=size[0], width=size[1])
            raise Mistake(so_far + _wrong_pixels(g, size, yours), example, expected[row, col], pixel)


def _wrong_pixels(g: Element, size: tuple[int, int], yours: Pixels) -> str:
    if g == IDENTITY:
        if _are_coordinates(size, yours):
            return (
                "You stop at (x, y), the place about the center. The way back is missing: which row and column is it?"
            )
        return (
            "e moves nothing, so every pixel comes from itself, but not yours. So it is not the turn that goes wrong, "
            "but the way from (row, col) to (x, y), or the way back."
        )
    for k in D4.elements:
        if all(yours[pixel] == source_pixel(k, *pixel, *size) for pixel in yours):
            return f"For g = {g} your pixels are those of L_{k} f. {wrong_move(g, k)}"
    height, width = reversed(size) if g.r % 2 else size
    outside = next((pixel for pixel in yours.values() if pixel not in np.ndindex(height, width)), None)
    if outside is not None:
        sides = f"f has {height} rows and {width} columns here, counted from 0"
        return f"{sides}, so it has no pixel ({', '.join(map(str, outside))}). Look at the way to (x, y) and back."
    if len(set(yours.values())) < len(yours):
        return "Two pixels of L_g f copy the same pixel of f, so another gets lost. Look at the way to (x, y) and back."
    return "Each pixel of f is used once, but not as any turn or mirror of the whole image moves them."


def _are_coordinates(size: tuple[int, int], yours: Pixels) -> bool:
    """Whether the pixels are (x, y) or (y, x), doubled or not."""
    height, width = size
    doubled = [(2 * col - (width - 1), (height - 1) - 2 * row) for row, col in yours]
    halves = [(x // 2, y // 2) for x, y in doubled]
    return any(
        [pixel[::step] for pixel in yours.values()] == places for places in (doubled, halves) for step in (1, -1)
    )


def _pixel_by(h: Function, y_up: bool = True, swap_sides: bool = True) -> Function:
    """A wrong `source_pixel`: looks up the place h(g)·x, and may forget that y points up, or that sides change."""

    def wrong(g: Element, row: int, col: int, height: int, width: int) -> tuple[int, int]:
        sign = 1 if y_up else -1
        x, y = matrix(h(g)) @ (2 * col - (width - 1), sign * ((height - 1) - 2 * row))
        if swap_sides and g.r % 2:
            height, width = width, height
        return int(height - 1 - sign * y) // 2, int(x + width - 1) // 2

    return wrong


def _whole_center(g: Element, row: int, col: int, height: int, width: int) -> tuple[int, int]:
    x, y = matrix(inverse(g)) @ (col - width // 2, height // 2 - row)
    if g.r % 2:
        height, width = width, height
    return int(height // 2 - y), int(x + width // 2)


def _about_half_the_size(g: Element, row: int, col: int, height: int, width: int) -> tuple[int, int]:
    x, y = matrix(inverse(g)) @ (2 * col - width, height - 2 * row)
    if g.r % 2:
        height, width = width, height
    return int(height - y) // 2, int(x + width) // 2


def _rows_as_x(g: Element, row: int, col: int, height: int, width: int) -> tuple[int, int]:
    x, y = matrix(inverse(g)) @ (2 * row - (height - 1), 2 * col - (width - 1))
    if g.r % 2:
        height, width = width, height
    return int(x + height - 1) // 2, int(y + width - 1) // 2


def _with_way_back(way_back: Function) -> Function:
    """A wrong `source_pixel`: the steps of the right one, with another way back from doubled coordinates."""

    def wrong(g: Element, row: int, col: int, height: int, width: int) -> tuple[int, int]:
        x, y = matrix(inverse(g)) @ (2 * col - (width - 1), (height - 1) - 2 * row)
        if g.r % 2:
            height, width = width, height
        return way_back(int(x), int(y), height, width)

    return wrong


def _swapped_if(condition: Function, first: bool) -> Function:
    """A wrong `source_pixel`: swaps the sides for other g, or before the first step."""

    def wrong(g: Element, row: int, col: int, height: int, width: int) -> tuple[int, int]:
        before = (width, height) if condition(g) else (height, width)
        if first:
            height, width = before
        x, y = matrix(inverse(g)) @ (2 * col - (width - 1), (height - 1) - 2 * row)
        height, width = before
        return int(height - 1 - y) // 2, int(x + width - 1) // 2

    return wrong


register(
    "2.2",
    source_pixel,
    minutes=15,
    difficulty=3,
    checks=[_whole_numbers, _every_size],
    hints=[
        "Take three steps: from the pixel to (x, y) about the center; then ask where (x, y) came from; then back from "
        "(x, y) to a pixel.",
        "(x, y) came from g⁻¹·(x, y). Use doubled coordinates, which are integers: `x = 2 * col - (width - 1)` "
        "and `y = (height - 1) - 2 * row`. For the way back, solve both equations for `row` and `col`.",
        "A quarter turn makes a 2 × 3 map out of a 3 × 2 map. So if `g.r` is odd, swap `height` and `width` before the "
        "way back.",
    ],
    known_mistakes=[
        (
            _with_way_back(lambda x, y, height, width: ((height - 1 - y) // 2, (x - width + 1) // 2)),
            "On the way back, your column has the wrong sign. Solve x = 2·col − (width − 1) for col: the width is "
            "added.",
        ),
        (
            _about_half_the_size,
            "Your center is at width/2 and height/2. Pixels are counted from 0, so it is at (width − 1)/2.",
        ),
        (
            _pixel_by(lambda g: g),
            "The inverse is missing. You look up f(gx), but L_g f shows f(g⁻¹x) at x. (If you do use the inverse: `x @ "
            "h` undoes it, since it moves x by hᵀ, which is h⁻¹. Write `h @ x`.)",
        ),
        (
            _pixel_by(inverse, y_up=False),
            "Your turns go in the wrong direction: for r, your pixels are those of L_r³ f. If you use (x, y), your "
            "y points down; but y points up: y = (height − 1)/2 − row.",
        ),
        (
            _pixel_by(lambda g: g, y_up=False),
            "Two mistakes cancel for rotations, but not for mr: your y points down, and the inverse is missing. "
            "(Without x and y: you undo the turn before the mirror. Since mr mirrors last, undo the mirror first.)",
        ),
        (
            _pixel_by(lambda g: g, swap_sides=False),
            "The inverse is missing: L_g f shows f(g⁻¹x) at x. And after a quarter turn, f has the sides of L_g f the "
            "other way round.",
        ),
        (
            _pixel_by(inverse, swap_sides=False),
            "A quarter turn swaps the sides: `height` and `width` are those of L_g f, and f has them the other way "
            "round.",
        ),
        (
            lambda g, row, col, height, width: (row, col),
            "You return the pixel itself. Ask where its number came from: x ↦ g⁻¹x about the center.",
        ),
        (
            _rows_as_x,
            "Your m swaps top and bottom, as if (row, col) were (x, y). x comes from the column, and y from the row, "
            "counted upwards.",
        ),
        (
            _with_way_back(lambda x, y, height, width: (height - 1 - y, x + width - 1)),
            "Your row and column are twice as large as they should be. You work in doubled coordinates, so halve both "
            "numbers at the end.",
        ),
        (
            _with_way_back(lambda x, y, height, width: ((height - 1 + y) // 2, (x + width - 1) // 2)),
            "On the way back, your y points down. Solve y = (height − 1) − 2·row for row: the y gets a minus sign.",
        ),
        (
            _swapped_if(lambda g: g.r % 2, first=True),
            "You swap the sides too early. `height` and `width` are those of L_g f, so use them as they are to get x "
            "and y; swap them only for the way back.",
        ),
        (
            _swapped_if(lambda g: g.r, first=False),
            "You swap the sides for a half turn, too. Only an odd number of quarter turns swaps them: `g.r % 2`.",
        ),
        *[
            (
                wrong,
                "You turn about the top left pixel. An image turns about its center, so measure x and y from there.",
            )
            for wrong in (
                lambda g, row, col, height, width: tuple((matrix(inverse(g)) @ (col, row)).tolist()[::-1]),
                lambda g, row, col, height, width: tuple((matrix(inverse(g)) @ (col, -row) * (1, -1)).tolist()[::-1]),
            )
        ],
        (
            _whole_center,
            "Your center is a pixel, `height // 2`. The center of an even size lies between pixels, at (height − 1)/2.",
        ),
        (
            lambda g, row, col, height, width: source_pixel(g, row, col, height, width)[::-1],
            "Your pixel is (col, row). An array index is (row, col): down first, then to the right.",
        ),
        *[
            (wrong, "You make the same turn whatever g is. Let `matrix(inverse(g))` move the point.")
            for wrong in (
                lambda g, row, col, height, width: (col, height - 1 - row),
                lambda g, row, col, height, width: (width - 1 - col, row),
                lambda g, row, col, height, width: (height - 1 - row, width - 1 - col),
            )
        ],
    ],
)
