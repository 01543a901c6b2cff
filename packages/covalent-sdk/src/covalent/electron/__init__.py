"""Electrons: functions that become tasks when they are called inside a lattice, and stay functions outside."""

from __future__ import annotations

import functools
import types
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Protocol, Self, TypeVar, Unpack, cast, overload

from covalent import executors
from covalent.deps import Bash, Calls, Modules, Pip
from covalent.electron.assets import unserialisable
from covalent.electron.bound import BoundElectron
from covalent.electron.building import Build, Replay
from covalent.electron.keywords import chosen_executor
from covalent.electron.metadata import Defaults
from covalent.electron.parameters import Parameters
from covalent.electron.recording import Recorder, active, missed, recording
from covalent.electron.templates import electrons_in
from covalent.errors import BoundElectronError
from covalent.executors import Executor
from covalent.options import Keywords, Options
from covalent.references import FUNCTION_ATTRIBUTE, function_of, name_of
from covalent.secret import Secret

if TYPE_CHECKING:
    from covalent.fs.transfers import Files

__all__ = [
    "BoundElectron",
    "Build",
    "Defaults",
    "Electron",
    "ElectronFunction",
    "Parameters",
    "Recorder",
    "Replay",
    "active",
    "chosen_executor",
    "electron",
    "recording",
    "unserialisable",
    "wait",
]

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
T = TypeVar("T")


class ElectronFunction(Protocol[P, R]):
    """A function that is an electron."""

    electron_object: Electron[..., Any]

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Record a task inside a lattice; outside, call the function."""

    def map(self, /, *sequences: Iterable[Any], **fixed: Any) -> list[R]:
        """One call for each element of a sequence, or of several side by side; ``fixed`` is the same for all."""

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...

    @overload
    def __get__(
        self: ElectronFunction[Concatenate[Any, Q], R], instance: object, owner: type | None = None
    ) -> Callable[Q, R]: ...

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """As functions do: an electron in a class is a method."""


class Electron(Generic[P, R]):
    """A function and what is known of how to run it as a task. Nothing of a build is kept here."""

    def __init__(self, function: Callable[P, R], **options: Unpack[Keywords]) -> None:
        if isinstance(function, BoundElectron) or not callable(function):
            raise TypeError(
                f"ct.electron takes a function, not {function!r}; options are given by name: @ct.electron(executor=...)"
            )
        already = _electron_of(function)
        self.function: Callable[P, R] = function if already is None else already.function
        self.name = name_of(self.function)
        self.options: Options = Options.given(options).filled(Options() if already is None else already.options)

    @property
    def executor(self) -> Executor | str | None:
        """Where the task runs, as it was given; None leaves it to the lattice."""
        return self.options.executor

    @executor.setter
    def executor(self, executor: Executor | str | None) -> None:
        self.options = replace(self.options, executor=executors.checked(executor))

    @property
    def metadata(self) -> dict[str, Any]:
        """What this electron says itself, as JSON; None for what it leaves to the lattice."""
        return self.options.to_json()

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Record a task inside a lattice; outside, call the function."""
        recorder = active()
        if recorder is None:
            self._warn_if_missed()
            return self.function(*args, **kwargs)
        return cast("R", recorder.call(self, args, kwargs))

    def map(self, /, *sequences: Iterable[Any], **fixed: Any) -> list[R]:
        """One call for each element of a sequence, or of several side by side; ``fixed`` is the same for all.

        As with Python's own ``map``, the shortest sequence ends it.
        """
        for sequence in sequences:
            self._check_sequence(sequence)
        if not sequences:
            raise TypeError(f"{self.name}.map takes a sequence, or several, of the function's first arguments")
        call = cast("Callable[..., R]", self)
        return [call(*items, **fixed) for items in zip(*sequences, strict=False)]

    def _check_sequence(self, sequence: object) -> None:
        if isinstance(sequence, BoundElectron):
            raise BoundElectronError(
                f"{self.name}.map makes a task for each element, but how many {sequence!r} has is known only once the "
                f"workflow runs. Call {self.name}.map in a sublattice, a function with @ct.electron above @ct.lattice "
                "above it, and hand the sequence over as its argument"
            )
        if not isinstance(sequence, Iterable) and not hasattr(sequence, "__getitem__"):
            raise TypeError(f"{self.name}.map takes sequences, not {sequence!r}; other arguments are given by name")

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
    files: Files = (),
    deps_bash: Bash = None,
    deps_pip: Pip = None,
    deps_module: Modules = None,
    call_before: Calls = None,
    call_after: Calls = None,
    retries: int | None = None,
    retry_delay: float | None = None,
    timeout: float | None = None,
    cache: bool | None = None,
    env: Mapping[str, str | Secret] | None = None,
    tags: Collection[str] | None = None,
    at_most_once: bool | None = None,
    **others: Any,
) -> Any:
    """Make a function an electron; with or without arguments, as a decorator or called. A lattice becomes a sublattice.

    ``executor`` is where the task runs, and ``deps_pip`` names packages that are laid over its environment. ``files``,
    transfers of :mod:`covalent.fs`, are made before the function and after it; it is told their paths by the keyword
    ``files``. ``deps_bash`` (shell commands) and ``call_before`` run before the function, ``call_after`` runs after it;
    ``deps_module`` names modules to send along. ``retries`` failed attempts are followed by another, the first after
    ``retry_delay`` seconds, each further one after twice the time. An attempt may take ``timeout`` seconds. With
    ``cache`` the output of an equal task is taken over. ``env`` holds environment variables, and ``tags`` the
    words that limits go by. With ``at_most_once`` the task is never begun twice: it has no retries, and fails when it
    is lost with its worker. What is left out is taken from the lattice, and what it leaves out from the configuration.

    ``square.map(numbers)`` calls it for each of several numbers.

    >>> @ct.electron
    ... def square(x):
    ...     return x * x
    >>> square(3)  # outside a lattice it is the function; inside, a task
    9
    """
    executor = chosen_executor("ct.electron", executor, others)

    def decorate(function: Any) -> Any:
        if isinstance(function, (staticmethod, classmethod)):  # the order of the two decorators makes no difference
            return type(function)(decorate(function.__func__))
        made = Electron(
            function,
            executor=executor,
            files=files,
            deps_bash=deps_bash,
            deps_pip=deps_pip,
            deps_module=deps_module,
            call_before=call_before,
            call_after=call_after,
            retries=retries,
            retry_delay=retry_delay,
            timeout=timeout,
            cache=cache,
            env=env,
            tags=tags,
            at_most_once=at_most_once,
        )
        return _wrapped(made, function)

    return decorate if func is None else decorate(func)


def _electron_of(function: Any) -> Electron[..., Any] | None:
    """The electron that a function is already; a bound method of one is another function."""
    if isinstance(function, Electron):
        return function
    found = vars(function).get("electron_object") if isinstance(function, types.FunctionType) else None
    return found if isinstance(found, Electron) else None


def _wrapped(made: Electron[P, R], function: Callable[P, R]) -> ElectronFunction[P, R]:
    # A plain function around the electron, so that methods bind and inspection and pickling see what they expect.
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return made(*args, **kwargs)

    # Only a function's attributes are about the function; those of a class or an object are its content.
    wrapped = made.function if isinstance(function, Electron) else function
    updated = ("__dict__",) if isinstance(wrapped, types.FunctionType) else ()
    functools.update_wrapper(call, wrapped, updated=updated)
    call.__dict__["electron_object"] = made
    call.__dict__["map"] = made.map
    call.__dict__[FUNCTION_ATTRIBUTE] = made.function
    if not hasattr(wrapped, "__name__"):
        call.__name__ = call.__qualname__ = made.name
    return cast("ElectronFunction[P, R]", call)


def wait(child: T, parents: Any) -> T:
    """Let a task begin only after others have ended, without taking values from them; returns the child.

    Both may be lists, tuples, sets and dicts of electrons. Outside a lattice this does nothing.
    """
    recorder = active()
    if recorder is not None:
        for thing in (child, *(parents if isinstance(parents, (list, tuple, set, frozenset)) else [parents])):
            if function_of(thing) is not thing:
                raise TypeError(f"ct.wait takes what calls of electrons give; call {name_of(thing)!r}, and give that")
        recorder.wait(electrons_in(child), electrons_in(parents))
    return child
