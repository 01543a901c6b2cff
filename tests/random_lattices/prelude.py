"""What generated scripts begin with: the functions that become electrons, and the types of their constants.

The model calls these functions as they are. Scripts hold this text, so that there they are functions of the script.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import functools
import pathlib
import uuid
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np

__all__ = ["collections", "decimal", "dt", "fractions", "np", "pathlib", "uuid"]


class Colour(enum.Enum):
    RED = 1
    BLUE = "blue"


@dataclasses.dataclass(frozen=True)
class Point:
    x: Any
    y: Any = 0

    def __add__(self, other: Any) -> Point:
        return Point(self.x + other.x, self.y + other.y) if isinstance(other, Point) else NotImplemented


class Pair(NamedTuple):
    first: Any
    second: Any


class Scaled:
    """An object that is called, and one that has methods."""

    def __init__(self, factor: int) -> None:
        self.factor = factor

    def __call__(self, value: Any) -> Any:
        return self.factor, value

    def method(self, value: Any, *, again: Any = None) -> Any:
        return value, self.factor, again


def same(value: Any) -> Any:
    return value


def pair(first: Any, second: Any = 2) -> Any:
    return first, second


def mixed(a: Any, /, b: Any, c: Any = 3, *rest: Any, key: Any = "k", **more: Any) -> Any:
    return [a, b, c, rest, key, more]


def gather(*args: Any, **kwargs: Any) -> Any:
    return {"args": args, "kwargs": kwargs}


def record(*, first: Any, second: Any = None) -> Any:
    return {"first": first, "second": second}


def boxed(value: Any) -> Any:
    return {"list": [value, [value]], ("tuple", 1): (value, (value,)), 0: {"inner": {"value": value}}}


def fail(*args: Any, **kwargs: Any) -> Any:
    raise ArithmeticError(f"on purpose, with {len(args)} and {len(kwargs)}")


def flaky(counter: str, failures: int) -> int:
    with open(counter, "a+") as file:  # noqa: PTH123 - short, as in a script
        file.write("x")
        file.seek(0)
        attempts = len(file.read())
    if attempts <= failures:
        raise ArithmeticError(f"failed {attempts} times")
    return attempts


def _closure(factor: int) -> Callable[[Any], Any]:
    def closure(value: Any) -> Any:
        return [factor, value]

    return closure


#: What programs call as electrons, by the name that they call it by.
FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "same": same,
    "pair": pair,
    "mixed": mixed,
    "gather": gather,
    "record": record,
    "boxed": boxed,
    "fail": fail,
    "closure": _closure(7),
    "anonymous": lambda value, other=None: [value, other],
    "partial": functools.partial(pair, second="bound"),
    "callable": Scaled(2),
    "method": Scaled(3).method,
    "point": Point,
    "builtin": callable,
}


def _again(function: Callable[..., Any]) -> Callable[..., Any]:
    def again(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return again


#: Other functions to put in the place of some, by the names of their tasks: they give the same but for ``fail``.
REPLACEMENTS: Final[dict[str, Callable[..., Any]]] = {
    "same": _again(same),
    "mixed": _again(mixed),
    "record": _again(record),
    "boxed": _again(boxed),
    "method": _again(FUNCTIONS["method"]),
    "fail": gather,
}
