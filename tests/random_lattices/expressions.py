"""Expressions by chance, drawn with the values of the variables in sight."""

from __future__ import annotations

import collections
import copy
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
from hypothesis import strategies as st

from tests.random_lattices.constants import constants
from tests.random_lattices.language import Attribute, Constant, Container, Expression, Item, Name
from tests.random_lattices.model import Dispatch, Promise, promises, settled

_DEPTH: Final = 3
_STEPS: Final = 3
#: Keys that are written as they are shown, and that are found again after their dict has travelled.
_KEYS: Final = (int, str, bool, type(None), bytes)
_SEQUENCES: Final = (list, tuple, str, bytes, range, collections.deque)
#: Attributes by the types that have them.
_ATTRIBUTES: Final[tuple[tuple[Any, tuple[str, ...]], ...]] = (
    ((int, float, complex, np.number), ("real", "imag")),
    (np.ndarray, ("shape", "T", "dtype")),
    (range, ("start", "stop")),
)


class Nothing:
    """What is known of a value that is not there."""


NOTHING: Final = Nothing()


def known(value: Any) -> Any:
    """The real value of what a variable holds, NOTHING when a task on the way does not complete."""
    try:
        return settled(value)
    except Exception:  # noqa: BLE001 - a path into a value may raise anything
        return NOTHING


class Expressions:
    """Draws expressions of the variables of one workflow function."""

    def __init__(self, draw: st.DrawFn, dispatch: Dispatch, variables: dict[str, Any], *, flawless: bool) -> None:
        self.draw = draw
        self.dispatch = dispatch
        self.variables = variables
        #: Whether everything that is drawn has to go well.
        self.flawless = flawless

    def any(self, depth: int = 0) -> Expression:
        """A constant, something of a variable, or a container of such."""
        kinds = ["constant", *["variable"] * (3 * bool(self.variables)), *["container"] * (depth < _DEPTH)]
        match self.draw(st.sampled_from(kinds)):
            case "constant":
                return self.draw(constants())
            case "variable":
                return self.of_variable()
        return self._container(depth)

    def of_variable(self, suits: Callable[[Any], bool] = lambda _: True) -> Expression:
        """A variable that suits, or what lies somewhere inside it."""
        names = [name for name, value in self.variables.items() if suits(value)]
        expression: Expression = Name(name=self.draw(st.sampled_from(names)))
        for _ in range(_STEPS):
            if not self.draw(st.booleans()):
                break
            steps = list(self._steps(expression))
            if not steps:
                break
            further = self.draw(st.sampled_from(steps))
            if not suits(self.dispatch.value(further, self.variables)):
                break
            expression = further
        return expression

    def value(self, expression: Expression) -> Any:
        """What an expression is while the graph is built."""
        return self.dispatch.value(expression, self.variables)

    def names(self, suits: Callable[[Any], bool]) -> list[str]:
        """The variables that suit."""
        return [name for name, value in self.variables.items() if suits(value)]

    def _container(self, depth: int) -> Expression:
        kind = self.draw(st.sampled_from(["list", "tuple", "dict", "set", "frozenset"]))
        size = self.draw(st.integers(0, 3))
        if kind in {"list", "tuple"}:
            return Container(kind=kind, items=tuple(self.any(depth + 1) for _ in range(size)))
        if kind == "dict":
            # A dict that holds values-to-be knows a key that is written twice, but not which of its keys will be equal.
            keys = self._distinct(size, self.value)
            return Container(kind=kind, keys=keys, items=tuple(self.any(depth + 1) for _ in keys))
        # Of equal members of different types, such as 1 and True, a set keeps the one that came first, and which one
        # that was is not known of a set of values-to-be.
        return Container(kind=kind, items=self._distinct(size, lambda item: known(self.value(item))))

    def _hashable(self) -> Expression:
        hashable = self.names(lambda value: _is_hashable(known(value)))
        if self.draw(st.booleans()) and hashable:
            return Name(name=self.draw(st.sampled_from(hashable)))
        return self.draw(constants(hashable=True))

    def _distinct(self, size: int, told_by: Callable[[Expression], Any]) -> tuple[Expression, ...]:
        found: dict[Any, Expression] = {}
        for _ in range(size):
            expression = self._hashable()
            found.setdefault(told_by(expression), expression)
        return tuple(expression for told, expression in found.items() if told is not NOTHING)

    def _steps(self, expression: Expression) -> Iterator[Expression]:
        """What can be taken out of an expression's value."""
        value = self.value(expression)
        seen = known(value) if isinstance(value, Promise) else value
        for step in self._candidates(expression, seen, value):
            try:
                reached = self.value(step)
            except Exception:  # noqa: BLE001, S112 - of a real value, it is not there
                continue
            if known(reached) is not NOTHING or (not self.flawless and isinstance(reached, Promise)):
                yield step

    def _candidates(self, expression: Expression, seen: Any, value: Any) -> Iterator[Expression]:
        for key in _keys(seen):
            yield Item(value=expression, key=key)
        for name in _attributes(seen):
            yield Attribute(value=expression, name=name)
        if isinstance(seen, (*_SEQUENCES, dict)):
            for name, key in self.variables.items():
                if _is_found_again(known(key)) and (isinstance(value, Promise) or not any(promises(key))):
                    yield Item(value=expression, key=Name(name=name))
        if not self.flawless:
            yield Item(value=expression, key=Constant(kind="key", text="'missing'"))
            yield Attribute(value=expression, name="missing")


def _keys(value: Any) -> Iterator[Constant]:
    if isinstance(value, dict):
        yield from (Constant(kind="key", text=repr(key)) for key in value if type(key) in _KEYS)
    elif isinstance(value, _SEQUENCES) or (isinstance(value, np.ndarray) and value.ndim):
        yield from (Constant(kind="index", text=str(index)) for index in range(-1, min(len(value), 3)))
        yield Constant(kind="slice", text="slice(1, None)")


def _attributes(value: Any) -> Iterator[str]:
    for types, names in _ATTRIBUTES:
        if isinstance(value, types):
            yield from names
    if not isinstance(value, type):
        yield from getattr(value, "__dataclass_fields__", ())


def _is_found_again(value: Any) -> bool:
    """Whether a key finds what another copy of it has put into a dict."""
    if not _is_hashable(value):
        return isinstance(value, slice)
    return bool(copy.deepcopy(value) == value)


def _is_hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return value is not NOTHING
