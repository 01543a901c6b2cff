"""A value as text that tells everything about it: equal text means equal values of equal types, all the way down."""

from __future__ import annotations

import collections
import dataclasses
import types
from typing import Any

import numpy as np


def described(value: Any) -> str:
    """The text; the order of a set's members, which is chance, is left out of it."""
    cls = type(value)
    name = cls.__qualname__
    if isinstance(value, (list, tuple, collections.deque)):
        return f"{name}[{_joined(map(described, value))}]"
    if isinstance(value, (set, frozenset)):
        return f"{name}{{{_joined(sorted(map(described, value)))}}}"
    if isinstance(value, dict):
        return f"{name}{{{_joined(f'{described(key)}: {described(item)}' for key, item in value.items())}}}"
    if isinstance(value, (np.ndarray, np.generic)):
        return f"{name} {value.dtype.str} {value.shape} {described(value.tolist())}"
    if isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType)):
        return f"{name} {value.__qualname__}"
    if isinstance(value, BaseException):
        return f"{name} {described(value.args)}"
    if dataclasses.is_dataclass(value):
        return f"{name} {described(vars(value))}"
    return f"{name} {value!r}"


def _joined(texts: Any) -> str:
    return ", ".join(texts)
