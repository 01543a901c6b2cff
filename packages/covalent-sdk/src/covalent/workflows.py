"""A workflow as a whole: ready to be sent with real arguments, and run again on what its tasks gave.

Used where workflows are dispatched, where sublattices are built, and where a return value is worked out in the end.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ParamSpec

from covalent.electron import BoundElectron, recording
from covalent.electron.recording import Task
from covalent.errors import ReplayError
from covalent.hydration import Package, dehydrate
from covalent.lattice import Lattice

P = ParamSpec("P")


def build(lattice: Lattice[...], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Package:
    """What is sent of a lattice, its graph built with these arguments; the lattice itself stays as it is.

    An exception in the workflow function comes out unchanged.
    """
    return dehydrate(built(lattice, args, kwargs))


def built(lattice: Lattice[P], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Lattice[P]:
    """A copy of a lattice with the graph of these arguments: threads may share the lattice."""
    copied = copy.copy(lattice)
    copied.build_graph(*args, **kwargs)
    return copied


def replay(function: Callable[..., Any], inputs: Mapping[str, Any], calls: Sequence[tuple[str, Any]]) -> Any:
    """The value of a workflow function that runs once more, its electrons giving what their tasks gave.

    ``inputs`` are its ``args`` and ``kwargs``, ``calls`` the name and the output of each electron's call when the
    graph was built, in order. Raises ReplayError when the function does not make the same calls again.
    """
    recorder = _Replaying(str(getattr(function, "__name__", function)), calls)
    with recording(recorder):
        value = function(*inputs["args"], **inputs["kwargs"])
    recorder.finish()
    return value


class _Replaying:
    """A recorder that records nothing: each call gets the output of the one that was made at its place."""

    def __init__(self, name: str, calls: Sequence[tuple[str, Any]]) -> None:
        self.name = name
        self._calls = calls
        self._made = 0
        self._astray: ReplayError | None = None

    def call(self, task: Task, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:  # noqa: ARG002 - they had their use
        """What the task gave that was recorded for this call."""
        if self._made == len(self._calls):
            raise self._error(f"it made {_counted(self._made)} then, and one more, of {task.name!r}, now")
        name, output = self._calls[self._made]
        self._made += 1
        if name != task.name:
            raise self._error(f"its call number {self._made} was of {name!r} then, and is of {task.name!r} now")
        return output

    def wait(self, children: Iterable[BoundElectron], parents: Iterable[BoundElectron]) -> None:
        """All tasks have ended long ago."""

    def finish(self) -> None:
        """Raise ReplayError unless the function has made all its calls, also when it has caught an earlier one."""
        if self._astray is not None:
            raise self._astray
        if self._made < len(self._calls):
            raise self._error(f"it made {_counted(len(self._calls))} then, and {self._made} now")

    def _error(self, how: str) -> ReplayError:
        self._astray = self._astray or ReplayError(
            f"the workflow function {self.name} took another way than when its graph was built: {how}. Run again on "
            "the values of its electrons, it has to call the same ones in the same order: let which are called depend "
            "on its arguments alone, not on time, chance, files or those values"
        )
        return self._astray


def _counted(calls: int) -> str:
    return f"{calls} call of an electron" if calls == 1 else f"{calls} calls of electrons"
