"""Comparing and showing whatever a learner's function may return: tensors, arrays, elements, tuples, numbers, text."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import islice
from numbers import Integral, Real
from typing import Any

import numpy as np
from torch import Tensor

from course_lib.groups import D4, Element

Array = np.ndarray[Any, Any]
MAX_PRINTED = 64
MAX_CHARACTERS = 2000


def difference(expected: Any, yours: Any, tolerance: float = 1e-5) -> str | None:
    """What is wrong with ``yours``, as a phrase that follows "your function …"; None if it equals ``expected``.

    Floats may differ by ``tolerance``, relative to the larger of 1 and the largest expected value. Kinds of number must
    agree (bool, integer, float), and so must float precisions of tensors, but not int32 and int64.
    """
    if yours is None and expected is not None:
        return "returned None: did you forget `return`?"
    if expected is None:
        return None if yours is None else f"returned {show(yours)} where None was expected"
    if isinstance(expected, (Tensor, np.ndarray)):
        return _array_difference(expected, yours, tolerance)
    if isinstance(expected, (bool, np.bool_, Real)):
        return _number_difference(expected, yours, tolerance)
    if isinstance(expected, Mapping):
        return _mapping_difference(expected, yours, tolerance)
    if isinstance(expected, (tuple, list)):
        return _sequence_difference(expected, yours, tolerance)
    if not isinstance(yours, AbstractSet if isinstance(expected, AbstractSet) else type(expected)):
        return _wrong_type(expected, yours)
    return None if expected == yours else "returned another value than expected"


def first_difference(expected: Array, yours: Array, tolerance: float = 1e-5) -> tuple[int, ...] | None:
    """The position of the first entry that differs by more than the tolerance (or is not finite), in reading order."""
    differs = _differs(expected, yours, tolerance)
    return tuple(int(i) for i in np.argwhere(differs)[0]) if differs.any() else None


def as_array(value: Any) -> Array:
    return value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)


def show(value: Any) -> str:
    """A value as a learner wants to read it: elements as r³, small arrays with their numbers, large ones as a shape.

    Whatever the value, it is short, and there is one: also for an object whose repr fails.
    """
    try:
        text = _show(value, ())
    except Exception:
        return f"{_a(type(value).__name__)} that cannot be shown"
    return text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]} … ({len(text):,} characters in all)"


def _show(value: Any, around: tuple[int, ...]) -> str:
    """``around`` are the lists and so on that hold the value, by their id: one of them may hold itself."""
    if isinstance(value, (Tensor, np.ndarray)):
        return _show_array(value)
    if _is_record(value):
        return _show_record(value)
    if not isinstance(value, (Mapping, tuple, list, AbstractSet)):
        plain = value.item() if isinstance(value, np.generic) else value
        return getattr(plain, "__name__", None) or repr(plain)
    if id(value) in around:
        return "…"
    items = [_show(item, (*around, id(value))) for item in islice(value, MAX_PRINTED)]
    if isinstance(value, Mapping):
        values = [_show(item, (*around, id(value))) for item in islice(value.values(), MAX_PRINTED)]
        items = [f"{key}: {item}" for key, item in zip(items, values, strict=True)]
    inside = ", ".join(sorted(items) if isinstance(value, AbstractSet) else items)
    if len(value) > MAX_PRINTED:
        inside += f", … ({len(value):,} in all)"
    if isinstance(value, tuple):
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    return f"[{inside}]" if isinstance(value, list) else f"{{{inside}}}"


def _show_record(value: Any) -> str:
    """An Element as r³, unless its m or r is out of range or no integer: (1, −1) would look like (1, 3)."""
    if any(isinstance(item, (Tensor, np.ndarray)) for item in value):
        fields = zip(value._fields, value, strict=True)
        return f"{type(value).__name__}({', '.join(f'{name}={_in_one_line(item)}' for name, item in fields)})"
    plain = type(value)(*(item.item() if isinstance(item, np.generic) else item for item in value))
    has_a_name = _is_whole(plain) and (plain in D4.elements or not isinstance(plain, Element))
    return str(plain) if has_a_name else repr(plain)


def _in_one_line(value: Any) -> str:
    """What stands in a record; of an array with more than one number only the shape, or it would hide the rest."""
    many = isinstance(value, (Tensor, np.ndarray)) and as_array(value).size > 1
    return f"{type(value).__name__} of shape {tuple(value.shape)}" if many else show(value)


def _array_difference(expected: Tensor | Array, yours: Any, tolerance: float) -> str | None:
    if not isinstance(yours, Tensor if isinstance(expected, Tensor) else np.ndarray):
        return _wrong_type(expected, yours)
    if tuple(expected.shape) != tuple(yours.shape):
        return f"returned shape {tuple(yours.shape)}, expected {tuple(expected.shape)}"
    want, got = as_array(expected), as_array(yours)
    precision_differs = isinstance(expected, Tensor) and want.dtype.kind == "f" and want.dtype != got.dtype
    if _kind(want) != _kind(got) or precision_differs:
        return f"returned dtype {yours.dtype}, expected {expected.dtype}"
    if not np.isfinite(got).all() and np.isfinite(want).all():
        return f"returned {int((~np.isfinite(got)).sum())} values that are nan or infinite, of {got.size}"
    place = first_difference(want, got, tolerance)
    if place is None:
        return None
    wrong = int(_differs(want, got, tolerance).sum())
    where = f" at {list(place)}" if place else ""
    returned = f"returned {_number(got[place])}{where}, expected {_number(want[place])}"
    return f"{returned}; {wrong} of {got.size} values differ" if got.size > 1 else returned


def _number_difference(expected: Any, yours: Any, tolerance: float) -> str | None:
    if not isinstance(yours, (bool, np.bool_, Real)):
        return _wrong_type(expected, yours)
    want, got = np.asarray(expected), np.asarray(yours)
    if _kind(want) != _kind(got) and not (_kind(want) == "f" and _kind(got) == "i"):
        return _wrong_type(expected, yours)
    same = first_difference(want, got, tolerance) is None
    return None if same else f"returned {show(yours)}, expected {show(expected)}"


def _mapping_difference(expected: Mapping[Any, Any], yours: Any, tolerance: float) -> str | None:
    if not isinstance(yours, Mapping):
        return _wrong_type(expected, yours)
    if expected.keys() != yours.keys():
        return f"returned the keys {show(list(yours))}, expected {show(list(expected))}"
    problems = ((key, difference(expected[key], yours[key], tolerance)) for key in expected)
    return next((f"at key {show(key)} {problem}" for key, problem in problems if problem), None)


def _sequence_difference(expected: Sequence[Any], yours: Any, tolerance: float) -> str | None:
    if not isinstance(yours, type(expected)):
        return _wrong_type(expected, yours)
    if len(expected) != len(yours):
        return f"returned {len(yours)} item{'s' if len(yours) != 1 else ''}, expected {len(expected)}"
    if _is_record(expected) and _is_whole(expected) and _is_whole(yours) and expected == yours:
        return None  # Element(a.m != b.m, …) holds a bool, and is as good an Element
    if not _is_record(expected) and not any(isinstance(item, (Tensor, np.ndarray, tuple, list)) for item in expected):
        if len(expected) == 1:
            return difference(expected[0], yours[0], tolerance)
        if any(difference(want, got, tolerance) for want, got in zip(expected, yours, strict=True)):
            return f"returned {show(yours)}, expected {show(expected)}"
        return None
    for i, (want, got) in enumerate(zip(expected, yours, strict=True)):
        if problem := difference(want, got, tolerance):
            return (
                f"returned {show(yours)}, expected {show(expected)}"
                if _is_record(expected)
                else f"at item {i} {problem}"
            )
    return None


def _wrong_type(expected: Any, yours: Any) -> str:
    return f"returned {_a(type(yours).__name__)}, expected {_a(type(expected).__name__)}"


def _a(noun: str) -> str:
    return f"{'an' if noun[0].lower() in 'aeiou' or noun == 'ndarray' else 'a'} {noun}"


def _is_record(value: Any) -> bool:
    """A NamedTuple, such as Element and Isometry."""
    return isinstance(value, tuple) and hasattr(value, "_fields")


def _is_whole(record: Sequence[Any]) -> bool:
    return all(isinstance(item, (Integral, np.bool_)) for item in record)


def _kind(array: Array) -> str:
    return "i" if array.dtype.kind == "u" else array.dtype.kind


def _differs(expected: Array, yours: Array, tolerance: float) -> Array:
    if expected.dtype.kind not in "fc":
        return np.asarray(expected != yours)
    finite = expected[np.isfinite(expected)]
    scale = max(1.0, float(np.abs(finite).max())) if finite.size else 1.0
    return ~np.isclose(yours, expected, rtol=0.0, atol=tolerance * scale, equal_nan=True)


def _number(value: Any) -> str:
    return f"{value:.4g}" if np.asarray(value).dtype.kind == "f" else str(value)


def _show_array(value: Tensor | Array) -> str:
    array = as_array(value)
    if array.size > MAX_PRINTED or array.size == 0:
        return f"{type(value).__name__} of shape {tuple(array.shape)}, {value.dtype}"
    # Brackets five deep, a line for each number: nobody reads that. Say the shape and leave out axes of length 1.
    heading, array = (f"shape {tuple(array.shape)}:\n", array.squeeze()) if array.ndim > 3 else ("", array)
    numbers = np.array2string(array, precision=3, suppress_small=True, separator=" ")
    return heading + "\n".join(line for line in numbers.splitlines() if line.strip())
