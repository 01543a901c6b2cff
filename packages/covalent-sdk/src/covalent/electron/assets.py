"""What a graph names by digest: constants, functions, calls around tasks. Each is serialised once.

Constants are taken at once, so that changing them later in the workflow function changes nothing before.
"""

from __future__ import annotations

import contextlib
import types
from typing import Any, Final

from covalent.deps import DepsCall
from covalent.electron.bound import MARK
from covalent.errors import BoundElectronError, TransportError
from covalent.graph import TransportGraph
from covalent.references import function_of
from covalent.transportable import TransportableObject
from covalent.transportable.preview import type_name

_IMMUTABLE: Final = frozenset({str, bytes, int, float, complex})


class Assets:
    """The assets of a graph in the making."""

    def __init__(self, graph: TransportGraph) -> None:
        self._graph = graph
        self._functions: dict[tuple[int, ...], str] = {}
        self._calls: dict[int, str] = {}
        self._immutables: dict[int, str] = {}
        #: Everything that is remembered by its id, so that no other object takes over the id.
        self._alive: list[object] = []

    def constant(self, value: Any, what: str) -> str:
        """The digest of a value; ``what`` it is tells the error when it cannot be serialised."""
        if id(value) in self._immutables:
            return self._immutables[id(value)]
        if type(value) is str:
            check_text(value, what)
        try:
            digest = self._graph.add_asset(TransportableObject(value))
        except BoundElectronError as error:
            raise BoundElectronError(f"{what}, of type {type_name(value)}: {error}") from None
        except TransportError as error:
            raise unserialisable(what, error) from None
        if type(value) in _IMMUTABLE:
            self._immutables[id(value)] = digest
            self._alive.append(value)
        return digest

    def function(self, function: Any, name: str) -> str:
        """The digest of a function, serialised once for each state of what it closes over."""
        key = _function_key(function)
        if key is not None and key in self._functions:
            return self._functions[key]
        try:
            asset = TransportableObject(function)
        except BoundElectronError as error:
            raise BoundElectronError(
                f"the function of the electron {name}: {error}. What a function takes from the workflow around it has "
                "to be one of its arguments"
            ) from None
        except TransportError as error:
            raise unserialisable(f"the function of the electron {name}", error) from None
        digest = self._graph.add_asset(asset)
        self._graph.functions[digest] = function
        if key is not None:
            self._functions[key] = digest
            self._alive.append((function, _closure(function_of(function))))
        return digest

    def calls(self, calls: tuple[DepsCall, ...]) -> tuple[str, ...]:
        """The digests of calls around tasks."""
        for call in calls:
            if id(call) not in self._calls:
                what = f"the call {call.name} around a task"
                try:
                    asset = call.transportable()
                except BoundElectronError as error:
                    raise BoundElectronError(f"{what}: {error}") from None
                except TransportError as error:
                    raise unserialisable(what, error) from None
                digest = self._calls[id(call)] = self._graph.add_asset(asset)
                self._graph.calls[digest] = call
                self._alive.append(call)
        return tuple(self._calls[id(call)] for call in calls)


def check_text(text: str, what: str) -> None:
    """Raise BoundElectronError for a text into which a value-to-be was written."""
    if MARK in text:
        raise BoundElectronError(
            f"{what} holds a text that was made of an electron's output, which exists only once the workflow runs: "
            f"{text!r:.100}; make the text in a function with @ct.electron above it"
        )


def unserialisable(what: str, error: TransportError) -> TypeError:
    """The error for a part of a workflow that cannot be serialised: what it is, and why, each once."""
    cause = error.__cause__
    if cause is None:
        return TypeError(f"{what} cannot be serialised: {error}")
    return TypeError(
        f"{what} cannot be serialised: {type(cause).__name__}: {cause}; "
        "hand over plain data and make such objects in an electron, or give their class a __reduce__ method"
    )


def _function_key(function: Any) -> tuple[int, ...] | None:
    """What tells whether a function was serialised before; None for objects whose state nobody sees."""
    raw = function_of(function)  # a lattice is serialised anew when what its function closes over has changed
    if isinstance(raw, types.FunctionType):
        return (id(function), *map(id, _closure(raw)))
    return (id(function),) if isinstance(function, (types.BuiltinFunctionType, type)) else None


def _closure(function: Any) -> list[object]:
    contents: list[object] = []
    for cell in getattr(function, "__closure__", None) or ():
        with contextlib.suppress(ValueError):  # not bound yet
            contents.append(cell.cell_contents)
    return contents
