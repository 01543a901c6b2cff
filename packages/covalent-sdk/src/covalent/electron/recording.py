"""Who listens to electrons' calls: while a workflow function runs under a recorder, they go to it.

What is recorded, or given back instead of a recording, is the recorder's affair; which one it is belongs to the
context, so that workflows may be built side by side.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any, Protocol, runtime_checkable

from covalent.electron.bound import BoundElectron
from covalent.electron.metadata import Defaults
from covalent.options import Options
from covalent.secret import withheld


class Task(Protocol):
    """What a recorder needs of an electron."""

    function: Callable[..., Any]
    name: str
    options: Options


@runtime_checkable
class Sublattice(Protocol):
    """What a recorder needs of a lattice that is an electron's function."""

    options: Options

    def as_sublattice(self, defaults: Defaults) -> Sublattice:
        """The lattice with what it leaves open filled in, to be built where its task runs."""


class Recorder(Protocol):
    """What listens to electrons."""

    @property
    def name(self) -> str:
        """The workflow whose function runs."""

    def call(self, task: Task, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """What the call of an electron gives."""

    def wait(self, children: Iterable[BoundElectron], parents: Iterable[BoundElectron]) -> None:
        """Order without data."""


_active: ContextVar[Recorder | None] = ContextVar("covalent_recorder", default=None)
#: The recorders at work in this process, with the threads that were there before each.
_underway: dict[Recorder, frozenset[threading.Thread]] = {}


def active() -> Recorder | None:
    """The recorder of this context, None outside of workflow functions."""
    return _active.get()


def missed() -> Recorder | None:
    """A recorder during whose work the current thread was started, as by a pool in a workflow function."""
    if not _underway:
        return None
    thread = threading.current_thread()
    return next((recorder for recorder, before in list(_underway.items()) if thread not in before), None)


@contextlib.contextmanager
def recording(recorder: Recorder) -> Iterator[None]:
    """While electrons called in this context go to a recorder."""
    token = _active.set(recorder)
    _underway[recorder] = frozenset(threading.enumerate())
    try:
        with withheld(recorder.name):
            yield
    finally:
        del _underway[recorder]
        _active.reset(token)
