"""Electrons: functions that become tasks when they are called inside a lattice, and stay functions outside."""

from __future__ import annotations

import functools
import types
import warnings
from collections.abc import Callable
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, Self, TypeVar, cast, overload

from covalent import deps, executors
from covalent.deps import Calls
from covalent.electron.bound import BoundElectron
from covalent.electron.building import Build, Defaults, active_build, electrons_in, missed_build, unserialisable
from covalent.electron.parameters import Parameters, refuse_keywords
from covalent.executors import Executor
from covalent.references import FUNCTION_ATTRIBUTE

__all__ = [
    "BoundElectron",
    "Build",
    "Calls",
    "Defaults",
    "Electron",
    "ElectronFunction",
    "Parameters",
    "active_build",
    "electron",
    "refuse_keywords",
    "unserialisable",
    "wait",
]

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")


class ElectronFunction(Protocol[P, R_co]):
    """A function that is an electron."""

    electron_object: Electron[..., Any]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Record a task inside a lattice; outside, call the function."""

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...

    @overload
    def __get__(
        self: ElectronFunction[Concatenate[Any, Q], R_co], instance: object, owner: type | None = None
    ) -> Callable[Q, R_co]: ...

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """As functions do: an electron in a class is a method."""


class Electron(Generic[P, R]):
    """A function and what is known of how to run it as a task. Nothing of a build is kept here."""

    def __init__(
        self,
        function: Callable[P, R],
        *,
        executor: Executor | str | None = None,
        call_before: Calls = None,
        call_after: Calls = None,
    ) -> None:
        if not callable(function):
            raise TypeError(f"ct.electron takes a function, not {function!r}")
        already = getattr(function, "electron_object", None)
        self.function: Callable[P, R] = function if already is None else already.function
        self.name = _name(function)
        self.executor = executor
        self.call_before = deps.checked("call_before", call_before)
        self.call_after = deps.checked("call_after", call_after)

    @property
    def executor(self) -> Executor | None:
        """Where the task runs; None leaves it to the lattice."""
        return self._executor

    @executor.setter
    def executor(self, executor: Executor | str | None) -> None:
        self._executor = executors.checked(executor)

    @property
    def metadata(self) -> dict[str, Any]:
        """What this electron says itself, as JSON; None for what it leaves to the lattice."""
        hooks = {"call_before": deps.to_json(self.call_before), "call_after": deps.to_json(self.call_after)}
        return {**executors.to_json("executor", self.executor), "hooks": hooks}

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Record a task inside a lattice; outside, call the function."""
        build = active_build()
        if build is None:
            self._warn_if_missed()
            return self.function(*args, **kwargs)
        return cast("R", build.call(self, args, kwargs))

    def _warn_if_missed(self) -> None:
        # No error: a thread may have been started meanwhile by something that has nothing to do with the workflow.
        missed = missed_build()
        if missed is not None:
            warnings.warn(
                f"the electron {self.name} was called in a thread that was started while the workflow "
                f"{missed.graph.name} was being built; it ran there at once and is no task of the workflow. "
                "Call electrons in the workflow function's own thread: tasks run side by side in any case",
                RuntimeWarning,
                stacklevel=4,
            )

    def __repr__(self) -> str:
        return f"<Electron {self.name}>"


@overload
def electron(
    func: Callable[P, R],
    *,
    executor: Executor | str | None = None,
    call_before: Calls = None,
    call_after: Calls = None,
) -> ElectronFunction[P, R]: ...


@overload
def electron(
    func: None = None,
    *,
    executor: Executor | str | None = None,
    call_before: Calls = None,
    call_after: Calls = None,
) -> Callable[[Callable[P, R]], ElectronFunction[P, R]]: ...


def electron(
    func: Callable[P, R] | None = None,
    *,
    executor: Executor | str | None = None,
    call_before: Calls = None,
    call_after: Calls = None,
    **unknown: Any,
) -> Any:
    """Make a function an electron; with or without arguments, as a decorator or called.

    ``executor`` is where the task runs, ``call_before`` and ``call_after`` are run around it; what is left out is
    taken from the lattice.

    >>> @ct.electron
    ... def square(x):
    ...     return x * x
    >>> square(3)  # outside a lattice it is the function; inside, a task
    9
    """
    refuse_keywords("ct.electron", unknown)

    def decorate(function: Callable[P, R]) -> ElectronFunction[P, R]:
        made = Electron(function, executor=executor, call_before=call_before, call_after=call_after)
        return _wrapped(made, function)

    return decorate if func is None else decorate(func)


def _wrapped(made: Electron[P, R], function: Callable[P, R]) -> ElectronFunction[P, R]:
    # A plain function around the electron, so that methods bind and inspection and pickling see what they expect.
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return made(*args, **kwargs)

    # Only a function's attributes are about the function; those of a class or an object are its content.
    updated = ("__dict__",) if isinstance(function, types.FunctionType) else ()
    functools.update_wrapper(call, function, updated=updated)
    call.__dict__["electron_object"] = made
    call.__dict__[FUNCTION_ATTRIBUTE] = made.function
    if not hasattr(function, "__name__"):
        call.__name__ = call.__qualname__ = made.name
    return cast("ElectronFunction[P, R]", call)


def wait(child: T, parents: Any) -> T:
    """Let a task begin only after others have ended, without taking values from them; returns the child.

    Both may be lists, tuples, sets and dicts of electrons. Outside a lattice this does nothing.
    """
    build = active_build()
    if build is not None:
        build.wait(electrons_in(child), electrons_in(parents))
    return child


def _name(function: Any) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__name__", None) or type(function).__name__)
