"""What a layer is told, and whether it makes sense: numbers, groups, windows, and where its tensors are to be."""

from numbers import Integral
from typing import Any

import torch

from course_lib.groups import ALL_GROUPS, Group


def require_positive(**counts: int) -> None:
    """Raise ValueError unless there is at least one of each: channels, heads, ..."""
    for name, value in counts.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")


def require_divisor(name: str, parts: int, of: str, count: int) -> None:
    """Raise ValueError unless the count can be cut into so many equal parts, or parts of that size."""
    if count % parts:
        divisors = ", ".join(str(d) for d in range(1, count + 1) if count % d == 0)
        raise ValueError(f"{name}={parts} must divide {of}={count}: use one of {divisors}")


def require_group(group: Any) -> Group:
    """The group. Raises TypeError for anything else, such as its name."""
    if not isinstance(group, Group):
        known = ", ".join(map(str, ALL_GROUPS))
        raise TypeError(
            f"group must be a Group, got {group!r}; import one from course_lib.groups: {known}, or build your own Group"
        )
    return group


Side = int | tuple[int, int]


def side_of_square(**lengths: Side) -> int:
    """The side of a square window or step: of 3, and of (3, 3), as nn.Conv2d takes it, 3. The keyword is its name.

    Raises ValueError unless it is square: quarter turns would make a k × l window an l × k one.
    """
    ((name, length),) = lengths.items()
    sides = tuple(length) if isinstance(length, (tuple, list)) else (length, length)
    if len(sides) != 2 or sides[0] != sides[1] or not isinstance(sides[0], Integral):
        raise ValueError(f"{name} must be a whole number such as 3, or the square (3, 3), got {length!r}")
    return int(sides[0])


Device = torch.device | str | int | None


def factory_kwargs(device: Device, dtype: torch.dtype | None) -> dict[str, Any]:
    """What all tensors of a layer are made with, parameters, buffers and inner layers alike, as in torch.nn.

    None stands for torch's own default. Raises ValueError for a type that has no fractions.
    """
    if dtype is not None and not dtype.is_floating_point:
        raise ValueError(f"the dtype of a layer must be a floating-point type such as torch.float64, got {dtype}")
    return {"device": device, "dtype": dtype}
