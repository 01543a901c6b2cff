"""Which operators fit two values, found out by trying."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Iterator
from numbers import Number
from typing import Any, Final

from tests.random_lattices.description import described
from tests.random_lattices.language import MIRRORED, OPERATORS

_LARGEST_POWER: Final = 4
_LARGEST_BASE: Final = 100
_LONGEST: Final = 50


def fitting(left: Any, right: Any) -> Iterator[str]:
    """The binary operators that give a value, and a moderate one."""
    for sign, name in OPERATORS.items():
        if _is_moderate(sign, left, right) and _works(name, left, right) and _says_the_same_mirrored(name, left, right):
            yield sign


def can_be_negative(value: Any) -> bool:
    """Whether ``-value`` gives a value."""
    return _works("neg", value)


def _says_the_same_mirrored(name: str, left: Any, right: Any) -> bool:
    # Python hands ``3 < e`` over as ``e > 3``. A few types answer the two differently.
    return name not in MIRRORED or (
        _works(MIRRORED[name], right, left)
        and described(getattr(operator, name)(left, right)) == described(getattr(operator, MIRRORED[name])(right, left))
    )


def _works(name: str, *operands: Any) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            getattr(operator, name)(*operands)
        except Exception:  # noqa: BLE001 - operators of any types raise anything
            return False
    return True


def _is_moderate(sign: str, left: Any, right: Any) -> bool:
    if sign == "**":
        return _is_small(left, _LARGEST_BASE) and _is_small(right, _LARGEST_POWER)
    if sign == "*" and not (_is_number(left) and _is_number(right)):
        return all(_is_small(item, _LARGEST_POWER) or _length(item) <= _LONGEST for item in (left, right))
    # What text makes of a value-to-be is its own affair: Python asks the text first.
    return sign != "%" or not isinstance(left, (str, bytes, bytearray))


def _is_number(value: Any) -> bool:
    return isinstance(value, Number)


def _is_small(value: Any, most: int) -> bool:
    return _is_number(value) and bool(abs(value) <= most)


def _length(value: Any) -> int:
    try:
        return len(value)
    except TypeError:
        return _LONGEST + 1
