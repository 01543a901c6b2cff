"""Electrons: functions that become tasks when they are called inside a lattice, and stay functions outside."""

from __future__ import annotations

import functools
import types
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, Self, TypeVar, Unpack, cast, overload

from covalent import executors
from covalent.deps import Bash, Calls, Modules
from covalent.electron.bound import BoundElectron
from covalent.electron.building import Build, Defaults, Replay, electrons_in, unserialisable
from covalent.electron.parameters import Parameters, refuse_keywords
from covalent.electron.recording import Recorder, active, missed, recording
from covalent.executors import Executor
from covalent.options import Keywords, Options
from covalent.references import FUNCTION_ATTRIBUTE

__all__ = [
    "BoundElectron",
    "Build",
    "Defaults",
    "Electron",
    "ElectronFunction",
    "Parameters",
    "Recorder",
    "Replay",
    "electron",
    "recording",
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

    def __init__(self, function: Callable[P, R], **options: Unpack[Keywords]) -> None:
        if not callable(function):
            raise TypeError(f"ct.electron takes a function, not {function!r}")
        already = getattr(function, "electron_object", None)
        self.function: Callable[P, R] = function if already is None else already.function
        self.name = _name(function)
        self.options = Options.given(options)

    @property
    def executor(self) -> Executor | None:
        """Where the task runs; None leaves it to the lattice."""
        return self.options.executor

    @executor.setter
    def executor(self, executor: Executor | str | None) -> None:
        self.options = replace(self.options, executor=executors.checked(executor))

    @property
    def metadata(self) -> dict[str, Any]:
        """What this electron says itself, as JSON; None for what it leaves to the lattice."""
        return self.options.to_json()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Record a task inside a lattice; outside, call the function."""
        recorder = active()
        if recorder is None:
            self._warn_if_missed()
            return self.function(*args, **kwargs)
        return cast("R", recorder.call(self, args, kwargs))

    def _warn_if_missed(self) -> None:
        # No error: a thread may have been started meanwhile by something that has nothing to do with the workflow.
        recorder = missed()
        if recorder is not None:
            warnings.warn(
                f"the electron {self.name} was called in a thread that was started while the workflow "
                f"{recorder.name} was being built; it ran there at once and is no task of the workflow. "
                "Call electrons in the workflow function's own thread: tasks run side by side in any case",
                RuntimeWarning,
                stacklevel=4,
            )

    def __repr__(self) -> str:
        return f"<Electron {self.name}>"


@overload
def electron(func: Callable[P, R], **options: Unpack[Keywords]) -> ElectronFunction[P, R]: ...


@overload
def electron(func: None = None, **options: Unpack[Keywords]) -> Callable[[Callable[P, R]], ElectronFunction[P, R]]: ...


def electron(  # noqa: PLR0913 - the options of a task, each given by name
    func: Callable[P, R] | None = None,
    *,
    executor: Executor | str | None = None,
    deps_bash: Bash = None,
    deps_module: Modules = None,
    call_before: Calls = None,
    call_after: Calls = None,
    retries: int | None = None,
    retry_delay: float | None = None,
    timeout: float | None = None,
    cache: bool | None = None,
    **unknown: Any,
) -> Any:
    """Make a function an electron; with or without arguments, as a decorator or called. A lattice becomes a sublattice.

    ``executor`` is where the task runs. ``deps_bash`` (shell commands) and ``call_before`` run before the function,
    ``call_after`` runs after it; ``deps_module`` names modules to send along. ``retries`` failed attempts are followed
    by another, the first after ``retry_delay`` seconds, each further one after twice the time. An attempt may take
    ``timeout`` seconds. With ``cache`` the output of an equal task is taken over. What is left out is taken from the
    lattice.

    >>> @ct.electron
    ... def square(x):
    ...     return x * x
    >>> square(3)  # outside a lattice it is the function; inside, a task
    9
    """
    refuse_keywords("ct.electron", unknown)

    def decorate(function: Callable[P, R]) -> ElectronFunction[P, R]:
        made = Electron(
            function,
            executor=executor,
            deps_bash=deps_bash,
            deps_module=deps_module,
            call_before=call_before,
            call_after=call_after,
            retries=retries,
            retry_delay=retry_delay,
            timeout=timeout,
            cache=cache,
        )
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
    recorder = active()
    if recorder is not None:
        recorder.wait(electrons_in(child), electrons_in(parents))
    return child


def _name(function: Any) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__name__", None) or type(function).__name__)
