"""How wide a network must be to be compared with another one."""

from collections.abc import Callable


def width_for(count: Callable[[int], int], wanted: float) -> int:
    """The width, 1 or more, at which ``count(width)`` is nearest to ``wanted``; if two are equally near, the smaller.

    ``count`` must grow with the width, as the parameters of a network do. Notebook 10.
    """
    width = 1
    while abs(count(width + 1) - wanted) < abs(count(width) - wanted):
        width += 1
    return width
